//! The received bytes between the network and a message.
//!
//! A read asks for a large block, and messages are slices of it: several messages come by one
//! system call, and none is copied. What frames look like is left to the transports.
//!
//! A connection has a block only while something is in it: otherwise the thread keeps it for
//! whichever connection reads next, so that ten thousand idle ones share one.
//!
//! * `used_blocks`: full ones, to be used again.

mod used_blocks;

use std::cell::Cell;
use std::io;
use std::mem;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The size that is asked for in one read, and thus how much is read of several messages at once.
const BLOCK: usize = 32 * 1024;

/// A frame up to this size gets its room at once; for a larger one it grows with what has come,
/// because it costs nothing to announce a large one.
const TRUSTED: usize = 1024 * 1024;

/// Less room than this at the end of a block is left unused.
const LEAST: usize = 4 * 1024;

/// The bytes that are read at a time where others wait for theirs.
const TURN: usize = 512 * 1024;

thread_local! {
    /// The rest of a block, for the next connection that reads on this thread.
    static SPARE: Cell<BytesMut> = Cell::default();
}

/// The received bytes that are not yet taken out. The messages share them; a new block is begun
/// when the old one is full, so that nobody waits for those who still hold a part of it.
#[derive(Debug, Default)]
pub(super) struct RecvBuffer {
    bytes: BytesMut,
    /// The size of the block that they are in, as far as it is known.
    block: usize,
    /// Others have their turn after so many bytes, if any, of which these were read.
    turn: usize,
    read: usize,
}

impl RecvBuffer {
    /// With what somebody else has already read.
    pub(super) fn with(bytes: &[u8]) -> RecvBuffer {
        RecvBuffer { bytes: BytesMut::from(bytes), ..RecvBuffer::default() }
    }

    /// Reads for a while only, as somebody who serves many: the task is woken for the rest.
    pub(super) fn read_in_turns(&mut self) {
        self.turn = TURN;
    }

    /// The bytes that are there.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The memory that what is there takes; nothing where nothing is there.
    pub(super) fn held(&self) -> usize {
        match self.bytes.len() {
            0 => 0,
            size if self.bytes.capacity() <= BLOCK => size,
            _ => self.bytes.capacity(),
        }
    }

    /// Takes the payload of `size` bytes behind a head of `head` bytes; `None` as long as it is not
    /// there as a whole.
    #[inline]
    pub(super) fn take(&mut self, head: usize, size: usize) -> Option<BytesMut> {
        if self.bytes.len() - head < size {
            return None;
        }
        self.bytes.advance(head);
        Some(self.bytes.split_to(size))
    }

    /// Reads more, as much as there is room for; see [`RecvBuffer::room`]. The number of bytes is
    /// 0 at the end of the stream.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncRead + Unpin),
        frame: usize,
    ) -> Poll<io::Result<usize>> {
        let (turn, read_before) = (self.turn, self.read);
        if turn > 0 && read_before >= turn {
            self.read = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(room) = self.room(frame) else {
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        };
        let most = if turn > 0 { turn - read_before } else { usize::MAX };
        let read = pin!(stream.read_buf(&mut room.limit(most))).poll(cx);
        match &read {
            Poll::Ready(read) => self.read += *read.as_ref().unwrap_or(&0),
            Poll::Pending => {
                self.read = 0;
                self.rest();
                used_blocks::shrink();
            }
        }
        read
    }

    /// The block to read to; `None` where there is no memory for it. There is room for the rest of
    /// a frame that needs `frame` bytes as a whole (0 where that is not known), or for a good part
    /// of it, and otherwise for a good deal.
    pub(super) fn room(&mut self, frame: usize) -> Option<&mut BytesMut> {
        let needed = frame.max(self.bytes.len() + if frame == 0 { LEAST } else { 1 });
        if needed > TRUSTED {
            return self.large_room(needed);
        }
        if self.bytes.capacity() < needed && self.bytes.is_empty() {
            // A thread that is about to end has none.
            let spare = SPARE.try_with(Cell::take).unwrap_or_default();
            self.go_on_in(spare, BLOCK);
        }
        if self.bytes.capacity() < needed {
            let room = needed.max(BLOCK);
            self.go_on_in(used_blocks::take(room), room);
        }
        Some(&mut self.bytes)
    }

    /// Goes on in another block, with room for more.
    fn go_on_in(&mut self, mut block: BytesMut, size: usize) {
        block.extend_from_slice(&self.bytes);
        let former = mem::replace(&mut self.bytes, block);
        used_blocks::keep(former, mem::replace(&mut self.block, size));
    }

    #[cold]
    fn large_room(&mut self, needed: usize) -> Option<&mut BytesMut> {
        if self.bytes.len() == self.bytes.capacity() || self.bytes.capacity() < TRUSTED {
            let size = needed.min(TRUSTED.max(4 * self.bytes.len()));
            if self.bytes.capacity() < size {
                let mut block = Vec::new();
                block.try_reserve_exact(size).ok()?;
                block.extend_from_slice(&self.bytes);
                self.bytes = unshared(block);
                self.block = size;
            }
        }
        Some(&mut self.bytes)
    }

    /// Leaves the block to others while nothing is in it.
    fn rest(&mut self) {
        if self.bytes.is_empty() {
            let block = mem::take(&mut self.bytes);
            if (LEAST..=BLOCK).contains(&block.capacity()) {
                let _ = SPARE.try_with(|spare| spare.set(block));
            }
        }
    }
}

/// The same bytes, with the same room.
fn unshared(mut block: Vec<u8>) -> BytesMut {
    if block.is_empty() {
        // Otherwise the room would be lost.
        block.push(0);
        let mut bytes = BytesMut::from(Bytes::from(block));
        bytes.clear();
        return bytes;
    }
    BytesMut::from(Bytes::from(block))
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{AsyncWriteExt, DuplexStream};

    use super::*;

    /// The block of a large message is used for another one once nobody has the first any more.
    #[tokio::test]
    async fn blocks_of_large_messages_are_used_again() {
        const SIZE: usize = 2 * BLOCK;
        let (mut far, mut near) = tokio::io::duplex(SIZE);
        let mut buffer = RecvBuffer::default();
        let mut next = async || {
            far.write_all(&[7; SIZE]).await.unwrap();
            loop {
                if let Some(message) = buffer.take(0, SIZE) {
                    return message;
                }
                let fill = |cx: &mut Context<'_>| buffer.poll_fill(cx, &mut near, SIZE);
                std::future::poll_fn(fill).await.unwrap();
            }
        };
        let first = next().await;
        let second = next().await;
        assert_eq!(used_blocks::kept(), 1, "the first is somebody's");
        assert_ne!(first.as_ptr(), second.as_ptr());
        let places = [first.as_ptr(), second.as_ptr()];
        drop((first, second));
        let third = next().await;
        assert_eq!(used_blocks::kept(), 1);
        assert!(places.contains(&third.as_ptr()));
    }

    /// Whoever reads in turns is woken for the rest, and has all in the end.
    #[test]
    fn a_long_read_leaves_turns_to_others() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering};
        use std::task::{Wake, Waker};

        struct Count(AtomicUsize);

        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }

        let sent = vec![7; 4 * TURN];
        let mut stream = &sent[..];
        let mut buffer = RecvBuffer::default();
        buffer.read_in_turns();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let (mut turns, mut begun) = (1, 0);
        loop {
            match buffer.poll_fill(&mut Context::from_waker(&waker), &mut stream, sent.len()) {
                Poll::Ready(Ok(0)) => break,
                Poll::Ready(read) => drop(read.unwrap()),
                Poll::Pending => {
                    assert!(buffer.bytes.len() - begun < 4 * TURN, "not all at once");
                    (turns, begun) = (turns + 1, buffer.bytes.len());
                }
            }
        }
        assert_eq!((buffer.bytes(), count.0.load(Ordering::Relaxed)), (&sent[..], turns - 1));
        assert!(turns > 1);
    }

    #[test]
    fn messages_share_the_block_that_they_were_read_into() {
        let mut buffer = RecvBuffer::default();
        let block = buffer.room(0).unwrap();
        let begin = block.as_ptr();
        block.extend_from_slice(b"4:one2:x");
        let one = buffer.take(2, 3).unwrap();
        assert_eq!((&one[..], one.as_ptr().addr()), (&b"one"[..], begin.addr() + 2));
        assert_eq!(buffer.take(2, 2), None);
        assert_eq!(buffer.bytes(), b"2:x");
        buffer.room(0).unwrap().extend_from_slice(b"y");
        assert_eq!(buffer.take(2, 2).unwrap(), "xy");
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_large_message_is_copied_only_as_far_as_it_was_there() {
        let mut buffer = RecvBuffer::with(b"head");
        let block = buffer.room(4 + 100_000).unwrap();
        assert!(block.capacity() >= 4 + 100_000);
        let begin = block.as_ptr();
        block.extend_from_slice(&[b'x'; 100_000]);
        let message = buffer.take(4, 100_000).unwrap();
        assert_eq!(message.as_ptr().addr(), begin.addr() + 4);
        assert!(buffer.is_empty());
    }

    /// Polls for more once.
    fn poll(buffer: &mut RecvBuffer, stream: &mut DuplexStream) -> Poll<io::Result<usize>> {
        buffer.poll_fill(&mut Context::from_waker(Waker::noop()), stream, 0)
    }

    #[test]
    fn idle_connections_share_one_block() {
        let pairs = || tokio::io::duplex(1000);
        let [(mut one, mut one_peer), (mut other, mut other_peer)] = [pairs(), pairs()];
        let [mut buffer, mut other_buffer] = [RecvBuffer::default(), RecvBuffer::default()];
        let put = |peer: &mut DuplexStream, bytes: &[u8]| {
            let sent = pin!(peer.write_all(bytes)).poll(&mut Context::from_waker(Waker::noop()));
            assert!(sent.is_ready());
        };
        assert!(poll(&mut buffer, &mut one).is_pending());
        assert_eq!(buffer.bytes.capacity(), 0, "nothing came, and nothing is kept");

        // Again and again: a connection that was idle reads as it did before.
        let mut ends = Vec::new();
        for _ in 0..3 {
            put(&mut one_peer, b"4:one");
            assert!(matches!(poll(&mut buffer, &mut one), Poll::Ready(Ok(5))));
            let message = buffer.take(2, 3).unwrap();
            assert!(poll(&mut buffer, &mut one).is_pending());
            assert_eq!((&message[..], buffer.bytes.capacity()), (&b"one"[..], 0));
            ends.push(message.as_ptr().addr() + message.len());

            put(&mut other_peer, b"5:other");
            assert!(matches!(poll(&mut other_buffer, &mut other), Poll::Ready(Ok(7))));
            assert_eq!(other_buffer.bytes.as_ptr().addr(), *ends.last().unwrap(), "one block");
            // What is not complete stays, and its block with it.
            assert!(poll(&mut other_buffer, &mut other).is_pending());
            assert_eq!(other_buffer.take(2, 5).unwrap(), "other");
            assert!(poll(&mut other_buffer, &mut other).is_pending());
        }
        assert!(ends.is_sorted() && ends[2] - ends[0] < BLOCK, "and the same one");
    }

    #[test]
    fn the_block_of_a_large_message_is_not_shared() {
        let mut buffer = RecvBuffer::default();
        buffer.room(10 * BLOCK).unwrap();
        buffer.rest();
        assert!(buffer.room(0).unwrap().capacity() <= BLOCK);
    }

    #[test]
    fn a_large_frame_gets_room_as_it_comes() {
        let mut buffer = RecvBuffer::with(b"head");
        let whole = 16 * TRUSTED;
        let (mut come, mut rooms) = (4, Vec::new());
        while come < whole {
            let room = buffer.room(whole).unwrap();
            assert!(room.capacity() > room.len(), "there is room");
            let piece = (room.capacity() - room.len()).min(100_000);
            room.extend_from_slice(&vec![b'x'; piece]);
            come += piece;
            rooms.push(buffer.held());
        }
        rooms.dedup();
        assert_eq!(rooms, [TRUSTED, 4 * TRUSTED, whole]);
        assert_eq!(buffer.take(4, whole - 4).unwrap().len(), whole - 4);
        assert_eq!(buffer.held(), 0);
    }
}
