//! Frames: their heads, and how they are cut out of what was received, without copying.

use bytes::{Buf, Bytes, BytesMut};

use super::TransportError;

/// The bytes before a payload.
pub(super) const HEAD: usize = 4;

/// The largest payload that there can be.
pub(super) const MAX_SIZE: usize = 1 << 24;

/// How much is asked for in one read, and thus how much is read of several messages at once.
const BLOCK: usize = 32 * 1024;

/// Less room than this at the end of a block is left unused.
const LEAST: usize = 4 * 1024;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Message = 0,
    Ping = 1,
    Pong = 2,
}

/// The head of a frame.
pub(super) fn head(kind: Kind, size: usize) -> [u8; HEAD] {
    debug_assert!(size < MAX_SIZE);
    let [_, a, b, c] = (size as u32).to_be_bytes();
    [kind as u8, a, b, c]
}

/// Kind and size, out of a head.
fn parse(head: [u8; HEAD]) -> Result<(Kind, usize), TransportError> {
    let [first, a, b, c] = head;
    let broken = |what: &str| Err(TransportError::Protocol(what.to_owned()));
    if first & 0xf0 != 0 {
        return broken("a frame with reserved bits set");
    }
    let kind = match first & 0x07 {
        0 => Kind::Message,
        1 => Kind::Ping,
        2 => Kind::Pong,
        _ => return broken("a frame of a reserved kind"),
    };
    let size = u32::from_be_bytes([0, a, b, c]) as usize;
    match (first & 0x08 != 0, size) {
        (false, size) => Ok((kind, size)),
        (true, 0) => Ok((kind, MAX_SIZE)),
        (true, _) => broken("a frame of more than 2^24 bytes"),
    }
}

/// What was received and not yet taken out. The messages share it; a new block is begun when the
/// old one is full, so that nobody waits for those who still hold a part of it.
#[derive(Debug)]
pub(super) struct Inbox {
    bytes: BytesMut,
    max_size: usize,
}

impl Inbox {
    pub(super) fn new(max_size: usize) -> Inbox {
        Inbox { bytes: BytesMut::new(), max_size }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next frame, if it is there as a whole.
    pub(super) fn next(&mut self) -> Result<Option<(Kind, Bytes)>, TransportError> {
        let Some((kind, size)) = self.peek()? else {
            return Ok(None);
        };
        if self.bytes.len() < HEAD + size {
            return Ok(None);
        }
        self.bytes.advance(HEAD);
        Ok(Some((kind, self.bytes.split_to(size).freeze())))
    }

    /// Where to read to. There is room for the rest of the frame that has begun, and otherwise for
    /// a good deal.
    pub(super) fn room(&mut self) -> &mut BytesMut {
        let needed = match self.peek() {
            Ok(Some((_, size))) => HEAD + size,
            _ => self.bytes.len() + LEAST,
        };
        if self.bytes.capacity() < needed {
            let mut block = BytesMut::with_capacity(needed.max(BLOCK));
            block.extend_from_slice(&self.bytes);
            self.bytes = block;
        }
        &mut self.bytes
    }

    fn peek(&self) -> Result<Option<(Kind, usize)>, TransportError> {
        let Some(head) = self.bytes.first_chunk() else {
            return Ok(None);
        };
        let (kind, size) = parse(*head)?;
        if size > self.max_size {
            let text = format!("it has {size} bytes, the limit is {}", self.max_size);
            return Err(TransportError::TooLarge(text));
        }
        Ok(Some((kind, size)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_what_they_say() {
        for (kind, size) in [(Kind::Message, 0), (Kind::Ping, 258), (Kind::Pong, MAX_SIZE - 1)] {
            assert_eq!(parse(head(kind, size)), Ok((kind, size)));
        }
        assert_eq!(head(Kind::Ping, 0x01_02_03), [1, 1, 2, 3]);
        assert_eq!(parse([0x08, 0, 0, 0]), Ok((Kind::Message, MAX_SIZE)));
        for bad in [[3, 0, 0, 0], [7, 0, 0, 0], [0x10, 0, 0, 0], [0x80, 0, 0, 0], [8, 0, 0, 1]] {
            assert!(matches!(parse(bad), Err(TransportError::Protocol(_))), "{bad:?}");
        }
    }

    #[test]
    fn messages_share_the_block_that_they_were_read_into() {
        let mut inbox = Inbox::new(1000);
        let block = inbox.room();
        let begin = block.as_ptr();
        block.extend_from_slice(&[0, 0, 0, 3, b'o', b'n', b'e', 0, 0, 0, 0, 1, 0, 0, 1, b'x', 0]);
        let (_, one) = inbox.next().unwrap().unwrap();
        assert_eq!((&one[..], one.as_ptr().addr()), (&b"one"[..], begin.addr() + HEAD));
        assert_eq!(inbox.next(), Ok(Some((Kind::Message, Bytes::new()))));
        assert_eq!(inbox.next(), Ok(Some((Kind::Ping, Bytes::from_static(b"x")))));
        assert_eq!(inbox.next(), Ok(None));
        assert!(!inbox.is_empty(), "a head has begun");
    }

    #[test]
    fn a_large_message_is_copied_only_as_far_as_it_was_there() {
        let mut inbox = Inbox::new(MAX_SIZE);
        inbox.room().extend_from_slice(&head(Kind::Message, 100_000));
        let block = inbox.room();
        assert!(block.capacity() >= HEAD + 100_000);
        let begin = block.as_ptr();
        block.extend_from_slice(&[b'x'; 100_000]);
        let (_, message) = inbox.next().unwrap().unwrap();
        assert_eq!(message.len(), 100_000);
        assert_eq!(message.as_ptr().addr(), begin.addr() + HEAD);
        assert!(inbox.is_empty());
    }

    #[test]
    fn what_is_too_large_is_refused_when_it_is_announced() {
        let mut inbox = Inbox::new(1000);
        inbox.room().extend_from_slice(&head(Kind::Message, 1000));
        assert_eq!(inbox.next(), Ok(None));
        let mut inbox = Inbox::new(1000);
        inbox.room().extend_from_slice(&head(Kind::Message, 1001));
        assert!(matches!(inbox.next(), Err(TransportError::TooLarge(_))));
        assert!(inbox.room().capacity() < 2 * BLOCK);
    }
}
