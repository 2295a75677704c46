//! The messages that wait for a client, and the memory that they take.
//!
//! They are kept in pieces, each of which is written, and given back, in one go: a buffer that
//! grows with them would have to be copied now and then, which takes long.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use crate::codec::{Batch, Encoding, Outbox, Rules};

use super::super::budget::{Budget, FLAT, Lease};

/// The size from which on a piece is full: its buffer is one that an outbox keeps for the next.
const PIECE: usize = Outbox::KEPT / 4 * 3;

/// The room of the piece behind one that was full of messages of its own: it need not grow step by
/// step.
const ROOM: usize = Outbox::KEPT;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The last piece.
    outbox: Outbox,
    full: VecDeque<Piece>,
    /// Full pieces that were thrown away, and are not counted any more.
    thrown_away: VecDeque<Piece>,
    /// The bytes of the full pieces, and the room that they take.
    full_len: usize,
    full_room: usize,
    /// Bytes that the task has taken and not yet written, and the room that they take.
    in_flight: usize,
    in_flight_room: usize,
    /// Bytes of a message of the client that has not come as a whole.
    partial: usize,
    /// The part of the router's memory that all this has.
    lease: Lease,
    /// The room of the last piece that is counted.
    counted: usize,
}

/// Messages that are written in one go.
#[derive(Debug)]
struct Piece {
    batch: Batch,
    room: usize,
}

impl Waiting {
    pub(super) fn new(budget: &Arc<Budget>) -> Waiting {
        Waiting {
            outbox: Outbox::new(Encoding::Json, Rules::Tolerant),
            full: VecDeque::new(),
            thrown_away: VecDeque::new(),
            full_len: 0,
            full_room: 0,
            in_flight: 0,
            in_flight_room: 0,
            partial: 0,
            lease: budget.connection(),
            counted: FLAT,
        }
    }

    /// Says how messages are encoded; before the first one.
    pub(super) fn speak(&mut self, encoding: Encoding) {
        self.outbox = Outbox::new(encoding, Rules::Tolerant);
    }

    /// True if there is nothing that the task has not taken.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.outbox.is_empty() && self.full.is_empty()
    }

    /// The number of bytes that wait.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.outbox.len() + self.full_len + self.in_flight
    }

    /// Those of them that the task has taken.
    #[inline]
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The bytes that wait, with those of a message of the client.
    pub(super) fn len_with_partial(&self) -> usize {
        self.len() + self.partial
    }

    /// Appends a message, by `push`. The router's memory may be full then, and this more than a
    /// client's share of it: tells if so.
    #[inline]
    pub(super) fn push<E>(
        &mut self,
        push: impl FnOnce(&mut Outbox) -> Result<(), E>,
    ) -> Result<bool, E> {
        push(&mut self.outbox)?;
        if self.outbox.len() >= PIECE {
            self.begin_piece();
            return Ok(self.is_too_much());
        }
        Ok(self.outbox.capacity() > self.counted && self.is_too_much())
    }

    #[cold]
    fn begin_piece(&mut self) {
        let (batch, room) = self.take_last();
        self.full_len += batch.len();
        self.full_room += room;
        self.full.push_back(Piece { batch, room });
        if room >= PIECE {
            self.outbox.make_room(ROOM);
        }
        self.count();
    }

    fn take_last(&mut self) -> (Batch, usize) {
        let room = self.outbox.room();
        let batch = self.outbox.take();
        (batch, room - self.outbox.room())
    }

    /// Takes the first piece, if any.
    pub(super) fn take(&mut self) -> Option<Batch> {
        let (batch, room) = match self.full.pop_front() {
            Some(Piece { batch, room }) => {
                self.full_len -= batch.len();
                self.full_room -= room;
                (batch, room)
            }
            None if self.outbox.is_empty() => return None,
            None => self.take_last(),
        };
        // A transport may copy a message that is shared.
        (self.in_flight, self.in_flight_room) = (batch.len(), room + batch.largest_shared());
        self.count();
        Some(batch)
    }

    /// The piece that was taken is written.
    pub(super) fn written(&mut self, batch: Batch) {
        (self.in_flight, self.in_flight_room) = (0, 0);
        self.outbox.recycle(batch);
        self.count();
    }

    /// So many bytes have come of a message of the client.
    pub(super) fn has_partial(&mut self, bytes: usize) {
        self.partial = bytes;
        self.count();
    }

    /// Gives back room that is not needed, and counts the rest.
    pub(super) fn trim(&mut self) {
        if self.in_flight == 0 {
            self.outbox.trim();
        }
        self.count();
    }

    /// Throws away what waits. To give all of it back takes long: that is left to whoever calls
    /// [`Waiting::take_full`].
    pub(super) fn clear(&mut self) {
        self.outbox.clear();
        self.outbox.trim();
        self.thrown_away.append(&mut self.full);
        (self.full_len, self.full_room) = (0, 0);
        self.count();
    }

    /// Takes all full pieces of a client that takes nothing any more.
    pub(super) fn take_full(&mut self) -> impl Iterator<Item = Batch> + Send + use<> {
        self.clear();
        mem::take(&mut self.thrown_away).into_iter().map(|piece| piece.batch)
    }

    /// Counts the room that all takes.
    fn count(&mut self) {
        let room = self.outbox.room() + self.full_room + self.in_flight_room + self.partial;
        self.lease.resize(room.max(FLAT));
        self.counted = self.outbox.capacity() + (self.lease.bytes() - room);
    }

    /// Counts the room that it takes; true if the router's memory is full and this is more than
    /// its share of it.
    #[cold]
    fn is_too_much(&mut self) -> bool {
        self.count();
        let budget = self.lease.budget();
        budget.is_full(0) && self.len() > budget.share()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.lease.budget().leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_in_pieces_in_their_order_and_are_counted() {
        let budget = Budget::new(1 << 30);
        let mut waiting = Waiting::new(&budget);
        let mut size = 0;
        for number in 0..100_u8 {
            let text = vec![number; 10_000];
            size += text.len();
            assert!(!waiting.push(|outbox| outbox.push(1 << 20, |out| out.whole(&text))).unwrap());
            assert_eq!(waiting.len(), size);
        }
        assert!(budget.used() >= size && budget.used() < 2 * size + 2 * PIECE);
        let mut numbers = Vec::new();
        while let Some(batch) = waiting.take() {
            assert!(batch.len() < PIECE + 10_000 && waiting.len() == size);
            numbers.extend(batch.iter().map(|message| message[0]));
            size -= batch.len();
            waiting.written(batch);
        }
        assert!(numbers.into_iter().eq(0..100) && waiting.is_empty());
        waiting.trim();
        assert_eq!((size, budget.used()), (0, FLAT));
    }

    /// Neither is copied to make room for more, nor is room asked for that was there before.
    #[test]
    fn the_room_of_a_piece_is_there_at_once_and_used_again() {
        let mut waiting = Waiting::new(&Budget::new(1 << 30));
        let text = vec![b'x'; 10_000];
        let push = |waiting: &mut Waiting| {
            waiting.push(|outbox| outbox.push(1 << 20, |out| out.whole(&text))).unwrap();
        };
        while waiting.full.is_empty() {
            push(&mut waiting);
        }
        assert_eq!(waiting.outbox.capacity(), ROOM);
        let batch = waiting.take().unwrap();
        let begin = batch.message(0).as_ptr();
        waiting.written(batch);
        while waiting.full.is_empty() {
            push(&mut waiting);
        }
        push(&mut waiting);
        waiting.take().unwrap();
        let next = waiting.take().unwrap();
        assert_eq!(next.message(0).as_ptr(), begin);
    }

    #[test]
    fn messages_that_others_have_too_are_counted_elsewhere() {
        let budget = Budget::new(1 << 30);
        let mut waiting = Waiting::new(&budget);
        let message = vec![b'x'; 4 * PIECE].into();
        for _ in 0..10 {
            waiting.push(|outbox| outbox.push_shared(1 << 20, &message)).unwrap();
        }
        assert!(waiting.len() == 40 * PIECE && budget.used() < PIECE, "{}", budget.used());
        // One of them may be copied to be written.
        let batch = waiting.take().unwrap();
        assert_eq!(batch.len(), 4 * PIECE);
        assert!(budget.used() >= 4 * PIECE && budget.used() < 5 * PIECE);
    }

    #[test]
    fn whoever_has_much_waiting_is_too_much_where_memory_is_full() {
        let budget = Budget::new(4 * PIECE);
        let mut waiting = Waiting::new(&budget);
        let text = vec![b'x'; PIECE];
        let mut push = || waiting.push(|outbox| outbox.push(1 << 20, |out| out.whole(&text)));
        assert!(!push().unwrap() && !push().unwrap());
        assert!((0..4).any(|_| push().unwrap()));
    }

    #[test]
    fn pieces_that_nobody_takes_any_more_are_not_counted() {
        let budget = Budget::new(1 << 30);
        let mut waiting = Waiting::new(&budget);
        let text = vec![b'x'; PIECE];
        for _ in 0..3 {
            waiting.push(|outbox| outbox.push(1 << 20, |out| out.whole(&text))).unwrap();
        }
        waiting.clear();
        assert_eq!((waiting.len(), budget.used()), (0, FLAT));
        assert!(waiting.is_empty() && waiting.take().is_none());
        assert_eq!(waiting.take_full().count(), 3);
        drop(waiting);
        assert_eq!(budget.used(), 0);
    }
}
