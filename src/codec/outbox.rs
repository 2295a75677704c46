//! Encoded messages that wait to be written, one after the other in one buffer; those that wait in
//! several outboxes at once can be shared instead.

use std::ops::Range;

use bytes::Bytes;

use super::{CodecError, Encoding, Out, Rules};

/// Messages in the order in which they go out.
#[derive(Debug)]
pub struct Outbox {
    encoding: Encoding,
    rules: Rules,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    shared: Shared,
    /// The buffers of an earlier batch, for the time when these are taken.
    spare: Option<(Vec<u8>, Vec<usize>)>,
}

/// Messages that wait elsewhere, too. Each has an empty place among the others.
#[derive(Debug, Default)]
struct Shared {
    /// By their indexes, in their order.
    messages: Vec<(usize, Bytes)>,
    /// The bytes of all of them.
    size: usize,
}

/// A message would be larger than the peer or the options allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message would have {size} bytes; the limit is {limit}")]
pub struct TooLarge {
    /// Bytes of the encoded message.
    pub size: usize,
    /// Bytes allowed.
    pub limit: usize,
}

/// The reason why a message is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// It is too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The encoding of the connection cannot carry the payload.
    #[error("the payload cannot be sent: {0}")]
    Payload(#[from] CodecError),
}

impl Outbox {
    /// The room that is kept for the messages to come.
    pub const KEPT: usize = 256 * 1024;

    /// For messages of this encoding. The rules are for payloads of another one.
    pub fn new(encoding: Encoding, rules: Rules) -> Outbox {
        let (bytes, ends) = Default::default();
        Outbox { encoding, rules, bytes, ends, shared: Shared::default(), spare: None }
    }

    /// The encoding of the messages.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Appends the message that `write` writes, unless it is larger than `limit` or cannot be
    /// written: then nothing has changed.
    pub fn push(
        &mut self,
        limit: usize,
        write: impl FnOnce(&mut Out<'_>),
    ) -> Result<(), Unsendable> {
        let (start, room) = (self.bytes.len(), self.bytes.capacity());
        let mut out = Out::new(&mut self.bytes, self.encoding, self.rules);
        write(&mut out);
        if let Err(error) = out.finish() {
            self.take_back(start, room);
            return Err(error.into());
        }
        let size = self.bytes.len() - start;
        if size > limit {
            self.take_back(start, room);
            return Err(TooLarge { size, limit }.into());
        }
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// Appends a message that other outboxes have, too, without a copy of it.
    pub fn push_shared(&mut self, limit: usize, message: &Bytes) -> Result<(), TooLarge> {
        let size = message.len();
        if size > limit {
            return Err(TooLarge { size, limit });
        }
        self.shared.messages.push((self.ends.len(), message.clone()));
        self.shared.size += size;
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// Nothing stays of what was refused, nor of the room that it had.
    #[cold]
    fn take_back(&mut self, start: usize, room: usize) {
        self.bytes.truncate(start);
        if self.bytes.capacity() > Outbox::KEPT.max(room) {
            self.bytes.shrink_to(Outbox::KEPT.max(room));
        }
    }

    /// Gives the room back that is left of earlier messages.
    pub fn trim(&mut self) {
        self.spare = None;
        if self.is_empty() {
            self.shared = Shared::default();
            (self.bytes, self.ends) = Default::default();
        }
    }

    /// Makes room for so many bytes before anything waits.
    pub fn make_room(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// Throws away what waits.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.shared = Shared::default();
    }

    /// The number of bytes that wait.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.shared.size
    }

    /// The room of the messages that wait, without what they share.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The room that it takes, without what it shares.
    pub fn room(&self) -> usize {
        self.bytes.capacity() + self.spare.as_ref().map_or(0, |(bytes, _)| bytes.capacity())
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Takes all messages out, as slices of one buffer; `self` is empty afterwards.
    pub fn take(&mut self) -> Batch {
        let (bytes, ends) = self.spare.take().unwrap_or_default();
        Batch {
            bytes: Bytes::from(std::mem::replace(&mut self.bytes, bytes)),
            ends: std::mem::replace(&mut self.ends, ends),
            shared: std::mem::take(&mut self.shared),
        }
    }

    /// Gives the buffers of a written batch back for reuse, where nothing else holds them.
    pub fn recycle(&mut self, batch: Batch) {
        if batch.bytes.len() > Outbox::KEPT {
            return;
        }
        // The room of what grows is up to twice what is in it.
        if let Ok(bytes) = batch.bytes.try_into_mut()
            && bytes.capacity() <= 2 * Outbox::KEPT
        {
            let (mut bytes, mut ends) = (Vec::from(bytes), batch.ends);
            bytes.clear();
            ends.clear();
            self.spare = Some((bytes, ends));
        }
    }
}

/// Messages taken from an [`Outbox`].
#[derive(Debug)]
pub struct Batch {
    bytes: Bytes,
    ends: Vec<usize>,
    shared: Shared,
}

impl Batch {
    /// The number of messages.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// The number of bytes of all messages.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.shared.size
    }

    /// The number of bytes of the largest message that others have, too.
    pub fn largest_shared(&self) -> usize {
        self.shared.messages.iter().map(|(_, message)| message.len()).max().unwrap_or(0)
    }

    /// True without messages.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The messages as slices.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.count()).map(|index| self.message_bytes(index))
    }

    /// The `index`-th message.
    pub fn message(&self, index: usize) -> Bytes {
        match self.shared.message(index) {
            Some(message) => message.clone(),
            None => self.bytes.slice(self.range(index)),
        }
    }

    /// The `index`-th message, borrowed.
    #[inline]
    pub fn message_bytes(&self, index: usize) -> &[u8] {
        match self.shared.message(index) {
            Some(message) => message,
            None => &self.bytes[self.range(index)],
        }
    }

    fn range(&self, index: usize) -> Range<usize> {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        start..self.ends[index]
    }
}

impl Shared {
    #[inline]
    fn message(&self, index: usize) -> Option<&Bytes> {
        if self.messages.is_empty() {
            return None;
        }
        let place = self.messages.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        Some(&self.messages[place].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_messages_apart() {
        let mut outbox = Outbox::new(Encoding::Json, Rules::Strict);
        outbox.push(10, |out| out.whole(b"one")).unwrap();
        let refused = outbox.push(3, |out| out.whole(b"large"));
        assert_eq!(refused, Err(TooLarge { size: 5, limit: 3 }.into()));
        outbox.push(10, |out| out.whole(b"two")).unwrap();
        assert_eq!(outbox.len(), 6);
        let batch = outbox.take();
        assert_eq!((batch.count(), batch.len()), (2, 6));
        assert_eq!((&batch.message(0)[..], &batch.message(1)[..]), (&b"one"[..], &b"two"[..]));
        assert!(outbox.is_empty());
        outbox.recycle(batch);
        outbox.push(10, |out| out.whole(b"three")).unwrap();
        assert_eq!(outbox.take().message(0), "three");
        assert!(outbox.is_empty() && outbox.bytes.capacity() >= 6, "the buffer came back");
    }

    #[test]
    fn shared_messages_keep_their_places() {
        let large = Bytes::from(vec![b'x'; 100]);
        let mut outboxes = [0; 3].map(|_| Outbox::new(Encoding::Json, Rules::Strict));
        for outbox in &mut outboxes {
            outbox.push_shared(100, &large).unwrap();
            outbox.push(10, |out| out.whole(b"one")).unwrap();
            outbox.push_shared(100, &large).unwrap();
            assert_eq!(outbox.push_shared(99, &large), Err(TooLarge { size: 100, limit: 99 }));
            assert_eq!(outbox.len(), 203);
            let room = outbox.room();
            let batch = outbox.take();
            assert!(outbox.is_empty() && room < 100);
            assert_eq!((batch.count(), batch.len(), batch.largest_shared()), (3, 203, 100));
            assert!(batch.iter().eq([&large[..], b"one", &large]));
            assert_eq!(batch.message(2).as_ptr(), large.as_ptr(), "it is the same");
            outbox.recycle(batch);
            outbox.push(10, |out| out.whole(b"two")).unwrap();
            assert_eq!(outbox.take().message(0), "two");
            outbox.push_shared(100, &large).unwrap();
            outbox.clear();
        }
        assert!(large.is_unique(), "nothing of it is left");
    }

    #[test]
    fn room_that_is_not_used_is_given_back() {
        let mut outbox = Outbox::new(Encoding::Json, Rules::Strict);
        for text in [&b"before"[..], b"after"] {
            outbox.push(10, |out| out.whole(text)).unwrap();
            outbox.trim();
            assert_eq!(outbox.len(), text.len(), "what waits stays");
            let batch = outbox.take();
            assert_eq!(batch.message(0), text);
            outbox.recycle(batch);
            assert!(outbox.spare.is_some());
            outbox.trim();
            assert!(outbox.spare.is_none() && outbox.bytes.capacity() == 0);
        }
    }

    #[test]
    fn a_refused_message_leaves_no_room_behind() {
        let mut outbox = Outbox::new(Encoding::Json, Rules::Strict);
        outbox.push(10, |out| out.whole(b"one")).unwrap();
        outbox.push(10, |out| out.whole(&vec![b'x'; 10 * Outbox::KEPT])).unwrap_err();
        assert!(outbox.bytes.capacity() <= Outbox::KEPT, "{}", outbox.bytes.capacity());
        assert_eq!(outbox.take().message(0), "one");
    }
}
