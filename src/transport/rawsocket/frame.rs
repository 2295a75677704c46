//! Frames: their heads, and how they are cut out of what was received.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::transport::recv_buffer::RecvBuffer;
use crate::transport::{Stream, TransportError};

/// The bytes before a payload.
pub(super) const HEAD: usize = 4;

/// The largest payload that there can be.
pub(super) const MAX_SIZE: usize = 1 << 24;

/// The kind of a frame.
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

/// The received bytes, frame by frame.
#[derive(Debug)]
pub(super) struct Frames {
    buffer: RecvBuffer,
    /// The limit that the peer was told.
    agreed: usize,
    max_size: usize,
}

impl Frames {
    pub(super) fn new(max_size: usize) -> Frames {
        Frames { buffer: RecvBuffer::default(), agreed: max_size, max_size }
    }

    /// See [`RecvBuffer::read_in_turns`].
    pub(super) fn read_in_turns(&mut self) {
        self.buffer.read_in_turns();
    }

    /// Changes how large a payload may be, up to what the peer was told.
    pub(super) fn limit(&mut self, max_size: usize) {
        self.max_size = max_size.min(self.agreed);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The bytes that were read and not taken out.
    pub(super) fn buffer(&self) -> &RecvBuffer {
        &self.buffer
    }

    /// The next frame, if it is there as a whole.
    pub(super) fn next(&mut self) -> Result<Option<(Kind, Bytes)>, TransportError> {
        let Some((kind, size)) = self.peek()? else {
            return Ok(None);
        };
        Ok(self.buffer.take(HEAD, size).map(|payload| (kind, payload.freeze())))
    }

    /// Reads more; see [`RecvBuffer::poll_fill`].
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
    ) -> Poll<io::Result<usize>> {
        let needed = match self.peek() {
            Ok(Some((_, size))) => HEAD + size,
            _ => 0,
        };
        self.buffer.poll_fill(cx, stream, needed)
    }

    fn peek(&self) -> Result<Option<(Kind, usize)>, TransportError> {
        let Some(head) = self.buffer.bytes().first_chunk() else {
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
    fn frames_come_out_one_by_one() {
        let mut frames = Frames::new(1000);
        let bytes = [0, 0, 0, 3, b'o', b'n', b'e', 0, 0, 0, 0, 1, 0, 0, 1, b'x', 0];
        frames.buffer.room(0).unwrap().extend_from_slice(&bytes);
        assert_eq!(frames.next(), Ok(Some((Kind::Message, Bytes::from_static(b"one")))));
        assert_eq!(frames.next(), Ok(Some((Kind::Message, Bytes::new()))));
        assert_eq!(frames.next(), Ok(Some((Kind::Ping, Bytes::from_static(b"x")))));
        assert_eq!(frames.next(), Ok(None));
        assert!(!frames.is_empty(), "a head has begun");
    }

    #[test]
    fn what_is_too_large_is_refused_when_it_is_announced() {
        let mut frames = Frames::new(1000);
        frames.buffer.room(0).unwrap().extend_from_slice(&head(Kind::Message, 1000));
        assert_eq!(frames.next(), Ok(None));
        let mut frames = Frames::new(1000);
        frames.buffer.room(0).unwrap().extend_from_slice(&head(Kind::Message, 1001));
        assert!(matches!(frames.next(), Err(TransportError::TooLarge(_))));
        assert!(frames.buffer.room(0).unwrap().capacity() < 100_000);
    }
}
