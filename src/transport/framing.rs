//! How messages stand in what a transport carries at once, which is a *unit* here: a WebSocket
//! message, or the body of an HTTP request.
//!
//! ```text
//!   plain              the message
//!   batched, JSON      message separator message separator ...      0x1e, or 0x18 as Crossbar.io
//!   batched, binary    size message size message ...                size: 4 bytes, big-endian
//! ```

use bytes::{Buf, Bytes};

use crate::codec::{Batch, Encoding};

use super::{Serializer, TransportError};

/// What ends a message in a batch of JSON, by the specification.
pub const SEPARATOR: u8 = 0x1e;

/// What Autobahn|Python and Crossbar.io use instead.
pub const CROSSBAR_SEPARATOR: u8 = 0x18;

/// The bytes before a message in a batch of MsgPack or CBOR.
const SIZE: usize = 4;

/// Puts messages into units and takes them out.
#[derive(Debug)]
pub(super) struct Framing {
    serializer: Serializer,
    separator: u8,
    /// The peer's separator becomes ours.
    follows: bool,
    /// What is left of the batch that came in last.
    rest: Bytes,
}

impl Framing {
    /// Batches of JSON are sent with this separator, and taken with either.
    pub(super) fn new(serializer: Serializer, separator: u8) -> Framing {
        Framing { serializer, separator, follows: false, rest: Bytes::new() }
    }

    /// Batches of JSON are sent as the peer's are, which has to speak first.
    pub(super) fn following(serializer: Serializer) -> Framing {
        Framing { follows: true, ..Framing::new(serializer, SEPARATOR) }
    }

    pub(super) fn serializer(&self) -> Serializer {
        self.serializer
    }

    /// Takes the first message out of a unit; [`Framing::next`] has the others.
    #[inline]
    pub(super) fn open(&mut self, unit: Bytes) -> Result<Bytes, TransportError> {
        if !self.serializer.batched {
            return Ok(unit);
        }
        self.rest = unit;
        self.next()?.ok_or_else(|| broken("an empty batch"))
    }

    /// The next message of the unit that was opened last.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        match self.serializer.encoding {
            Encoding::Json => self.next_text(),
            Encoding::MsgPack | Encoding::Cbor => self.next_binary(),
        }
        .map(Some)
    }

    fn next_text(&mut self) -> Result<Bytes, TransportError> {
        // Neither can stand within JSON.
        let ends = |byte: &u8| matches!(*byte, SEPARATOR | CROSSBAR_SEPARATOR);
        let size = self.rest.iter().position(ends);
        let size = size.ok_or_else(|| broken("a batch whose last message has no separator"))?;
        if size == 0 {
            return Err(broken("an empty message in a batch"));
        }
        let message = self.rest.split_to(size);
        let separator = self.rest.get_u8();
        if self.follows {
            self.separator = separator;
        }
        Ok(message)
    }

    fn next_binary(&mut self) -> Result<Bytes, TransportError> {
        let size = self.rest.try_get_u32().map_err(|_| broken("a batch that is cut in a size"))?;
        match size as usize {
            0 => Err(broken("an empty message in a batch")),
            size if size > self.rest.len() => {
                let left = self.rest.len();
                Err(broken(&format!("a message of {size} bytes in a batch with {left} left")))
            }
            size => Ok(self.rest.split_to(size)),
        }
    }

    /// Appends the `next`-th message of `batch` to `unit`, and as many of those after it as `limit`
    /// bytes hold; moves `next` forward.
    pub(super) fn gather(&self, unit: &mut Vec<u8>, batch: &Batch, next: &mut usize, limit: usize) {
        loop {
            self.put(unit, batch.message_bytes(*next));
            *next += 1;
            if *next == batch.count()
                || unit.len() + self.batched_size(batch.message_bytes(*next).len()) > limit
            {
                return;
            }
        }
    }

    /// The bytes that a message takes in a batch.
    fn batched_size(&self, message: usize) -> usize {
        match self.serializer.encoding {
            Encoding::Json => message + 1,
            Encoding::MsgPack | Encoding::Cbor => SIZE + message,
        }
    }

    /// Appends a message to a batch.
    fn put(&self, batch: &mut Vec<u8>, message: &[u8]) {
        match self.serializer.encoding {
            Encoding::Json => {
                batch.extend_from_slice(message);
                batch.push(self.separator);
            }
            Encoding::MsgPack | Encoding::Cbor => {
                // The limits on messages are far below 4 GiB.
                batch.extend_from_slice(&(message.len() as u32).to_be_bytes());
                batch.extend_from_slice(message);
            }
        }
    }
}

#[cold]
fn broken(what: &str) -> TransportError {
    TransportError::Message(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(framing: &mut Framing, unit: &'static [u8]) -> Result<Vec<Bytes>, TransportError> {
        let mut messages = vec![framing.open(Bytes::from_static(unit))?];
        while let Some(message) = framing.next()? {
            messages.push(message);
        }
        Ok(messages)
    }

    #[test]
    fn what_is_put_in_comes_out() {
        for serializer in Serializer::ALL.into_iter().filter(|serializer| serializer.batched) {
            for separator in [SEPARATOR, CROSSBAR_SEPARATOR] {
                let mut framing = Framing::new(serializer, separator);
                let messages: [&[u8]; 3] = [b"[6]", b"1", &[b' '; 70_000]];
                let mut batch = Vec::new();
                for message in messages {
                    let before = batch.len();
                    framing.put(&mut batch, message);
                    assert_eq!(batch.len() - before, framing.batched_size(message.len()));
                }
                assert_eq!(all(&mut framing, batch.leak()).unwrap(), messages);
            }
        }
    }

    #[test]
    fn one_message_is_its_own_unit() {
        let mut framing = Framing::following(Encoding::Json.into());
        assert_eq!(all(&mut framing, b"[1]\x1e").unwrap(), [&b"[1]\x1e"[..]]);
        assert_eq!(all(&mut framing, b"").unwrap(), [&b""[..]]);
    }

    #[test]
    fn either_separator_is_taken() {
        let json = Serializer::batched(Encoding::Json);
        let mut framing = Framing::new(json, SEPARATOR);
        assert_eq!(all(&mut framing, b"[1]\x18[2]\x1e").unwrap(), [&b"[1]"[..], b"[2]"]);
        let mut batch = Vec::new();
        framing.put(&mut batch, b"[3]");
        assert_eq!(batch, b"[3]\x1e", "as we were told to");

        let mut framing = Framing::following(json);
        all(&mut framing, b"[1]\x18").unwrap();
        batch.clear();
        framing.put(&mut batch, b"[3]");
        assert_eq!(batch, b"[3]\x18", "as the peer does");
    }

    #[test]
    fn broken_batches() {
        let text: [&[u8]; 4] = [b"", b"[1]", b"[1]\x1e[2]", b"\x1e"];
        let binary: [&[u8]; 6] =
            [b"", b"\0\0\0", b"\0\0\0\x02x", b"\0\0\0\0", b"\0\0\0\x01x\0", b"\xff\xff\xff\xffx"];
        for (encoding, batches) in
            [(Encoding::Json, &text[..]), (Encoding::MsgPack, &binary), (Encoding::Cbor, &binary)]
        {
            for batch in batches {
                let mut framing = Framing::following(Serializer::batched(encoding));
                let error = all(&mut framing, batch).unwrap_err();
                assert!(matches!(error, TransportError::Message(_)), "{batch:?}: {error}");
            }
        }
    }
}
