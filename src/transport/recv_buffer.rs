//! The received bytes between the network and a message.
//!
//! A read asks for a large block, and messages are slices of it: several messages come by one
//! system call, and none is copied. What frames look like is left to the transports.

use bytes::{Buf, BytesMut};

/// The size that is asked for in one read, and thus how much is read of several messages at once.
const BLOCK: usize = 32 * 1024;

/// Less room than this at the end of a block is left unused.
const LEAST: usize = 4 * 1024;

/// The received bytes that are not yet taken out. The messages share them; a new block is begun
/// when the old one is full, so that nobody waits for those who still hold a part of it.
#[derive(Debug, Default)]
pub(super) struct RecvBuffer {
    bytes: BytesMut,
}

impl RecvBuffer {
    /// With what somebody else has already read.
    pub(super) fn with(bytes: &[u8]) -> RecvBuffer {
        RecvBuffer { bytes: BytesMut::from(bytes) }
    }

    /// The bytes that are there.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
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

    /// The buffer to read to. There is room for the rest of a frame that needs `frame` bytes as a
    /// whole (0 where that is not known), and otherwise for a good deal.
    pub(super) fn room(&mut self, frame: usize) -> &mut BytesMut {
        let needed = frame.max(self.bytes.len() + if frame == 0 { LEAST } else { 1 });
        if self.bytes.capacity() < needed {
            let mut block = BytesMut::with_capacity(needed.max(BLOCK));
            block.extend_from_slice(&self.bytes);
            self.bytes = block;
        }
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_share_the_block_that_they_were_read_into() {
        let mut buffer = RecvBuffer::default();
        let block = buffer.room(0);
        let begin = block.as_ptr();
        block.extend_from_slice(b"4:one2:x");
        let one = buffer.take(2, 3).unwrap();
        assert_eq!((&one[..], one.as_ptr().addr()), (&b"one"[..], begin.addr() + 2));
        assert_eq!(buffer.take(2, 2), None);
        assert_eq!(buffer.bytes(), b"2:x");
        buffer.room(0).extend_from_slice(b"y");
        assert_eq!(buffer.take(2, 2).unwrap(), "xy");
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_large_message_is_copied_only_as_far_as_it_was_there() {
        let mut buffer = RecvBuffer::with(b"head");
        let block = buffer.room(4 + 100_000);
        assert!(block.capacity() >= 4 + 100_000);
        let begin = block.as_ptr();
        block.extend_from_slice(&[b'x'; 100_000]);
        let message = buffer.take(4, 100_000).unwrap();
        assert_eq!(message.as_ptr().addr(), begin.addr() + 4);
        assert!(buffer.is_empty());
    }
}
