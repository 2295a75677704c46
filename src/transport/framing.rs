//! Messages in the pieces that a transport carries at once, each of which is a *unit* here: a
//! WebSocket message, or the body of an HTTP request.
//!
//! ```text
//!   plain              the message
//!   batched, JSON      message separator message separator ...      0x1e, or 0x18 as Crossbar.io
//!   batched, binary    size message size message ...                size: 4 bytes, big-endian
//! ```

use bytes::{Buf, Bytes};

use crate::codec::{Batch, Encoding};

use super::{Serializer, TransportError};

/// The end of a message in a batch of JSON, by the specification.
pub const SEPARATOR: u8 = 0x1e;

/// The end of a message that Autobahn|Python and Crossbar.io use instead.
pub const CROSSBAR_SEPARATOR: u8 = 0x18;

/// The bytes before a message in a batch of MsgPack or CBOR.
const SIZE: usize = 4;

/// Messages in a batch share its bytes, unless it is larger than this and they are a small part of
/// it.
const SHARED: usize = 256 * 1024;

/// The size by which a received batch of several messages may exceed the largest message.
const BATCH_ROOM: usize = 1024 * 1024;

/// Puts messages into units and takes them out.
#[derive(Debug)]
pub(super) struct Framing {
    serializer: Serializer,
    separator: u8,
    /// The peer's separator becomes ours.
    follows: bool,
    max_message_size: usize,
    /// The rest of the batch that came in last.
    rest: Bytes,
    /// The size of the whole of it.
    unit: usize,
}

impl Framing {
    /// Batches of JSON are sent with this separator, and taken with either.
    pub(super) fn new(serializer: Serializer, separator: u8, max_message_size: usize) -> Framing {
        let rest = Bytes::new();
        Framing { serializer, separator, follows: false, max_message_size, rest, unit: 0 }
    }

    /// Batches of JSON are sent as the peer's are, which has to speak first.
    pub(super) fn following(serializer: Serializer, max_message_size: usize) -> Framing {
        Framing { follows: true, ..Framing::new(serializer, SEPARATOR, max_message_size) }
    }

    /// See [`max_unit`].
    pub(super) fn max_unit(&self) -> usize {
        max_unit(self.serializer, self.max_message_size)
    }

    /// The largest message to send to a peer that takes units as large as our messages.
    pub(super) fn max_send(&self) -> usize {
        match self.serializer.batched {
            true => self.max_message_size - self.batched_size(0).min(self.max_message_size),
            false => self.max_message_size,
        }
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
        self.unit = unit.len();
        self.rest = unit;
        self.next()?.ok_or_else(|| broken("an empty batch"))
    }

    /// The next message of the unit that was opened last. What follows something wrong is lost.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let next = match self.serializer.encoding {
            Encoding::Json => self.next_text(),
            Encoding::MsgPack | Encoding::Cbor => self.next_binary(),
        };
        let next = next.and_then(|message| match message.len() > self.max_message_size {
            true => Err(TransportError::TooLarge(format!("it has {} bytes", message.len()))),
            // Or a short message that waits would keep the rest, which may be long gone.
            false if self.unit > SHARED && message.len() < self.unit / 4 => {
                Ok(Bytes::copy_from_slice(&message))
            }
            false => Ok(message),
        });
        if next.is_err() {
            self.rest.clear();
        }
        next.map(Some)
    }

    fn next_text(&mut self) -> Result<Bytes, TransportError> {
        let size = self.rest.iter().position(is_separator);
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
                put_text(batch, message);
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

/// The largest unit that is received. Whoever puts several messages into one need not know how
/// large a message may be here.
pub(super) fn max_unit(serializer: Serializer, max_message_size: usize) -> usize {
    match serializer.batched {
        true => max_message_size.saturating_add(BATCH_ROOM),
        false => max_message_size,
    }
}

/// Appends a message in JSON. By the letter of JSON no separator can be in it, but not all peers
/// keep to that, and what they send is passed on as it is: so within a string there may be one.
fn put_text(batch: &mut Vec<u8>, message: &[u8]) {
    let mut rest = message;
    while let Some(at) = rest.iter().position(is_separator) {
        batch.extend_from_slice(&rest[..at]);
        batch.extend_from_slice(format!("\\u{:04x}", rest[at]).as_bytes());
        rest = &rest[at + 1..];
    }
    batch.extend_from_slice(rest);
}

fn is_separator(byte: &u8) -> bool {
    matches!(*byte, SEPARATOR | CROSSBAR_SEPARATOR)
}

#[cold]
fn broken(what: &str) -> TransportError {
    TransportError::Message(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 100_000;

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
                let mut framing = Framing::new(serializer, separator, LIMIT);
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
        let mut framing = Framing::following(Encoding::Json.into(), LIMIT);
        assert_eq!(all(&mut framing, b"[1]\x1e").unwrap(), [&b"[1]\x1e"[..]]);
        assert_eq!(all(&mut framing, b"").unwrap(), [&b""[..]]);
    }

    #[test]
    fn either_separator_is_taken() {
        let json = Serializer::batched(Encoding::Json);
        let mut framing = Framing::new(json, SEPARATOR, LIMIT);
        assert_eq!(all(&mut framing, b"[1]\x18[2]\x1e").unwrap(), [&b"[1]"[..], b"[2]"]);
        let mut batch = Vec::new();
        framing.put(&mut batch, b"[3]");
        assert_eq!(batch, b"[3]\x1e", "as we were told to");

        let mut framing = Framing::following(json, LIMIT);
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
                let mut framing = Framing::following(Serializer::batched(encoding), LIMIT);
                let error = all(&mut framing, batch).unwrap_err();
                assert!(matches!(error, TransportError::Message(_)), "{batch:?}: {error}");
                assert_eq!(framing.next().unwrap(), None, "told once");
            }
        }
    }

    #[test]
    fn the_limit_is_for_messages() {
        for encoding in Encoding::ALL {
            let mut framing = Framing::following(Serializer::batched(encoding), LIMIT);
            let mut batch = Vec::new();
            for size in [LIMIT, LIMIT, LIMIT + 1, 1] {
                framing.put(&mut batch, &vec![b'1'; size]);
            }
            assert!(batch.len() < framing.max_unit());
            assert_eq!(framing.open(batch.into()).unwrap().len(), LIMIT);
            assert_eq!(framing.next().unwrap().unwrap().len(), LIMIT);
            let error = framing.next().unwrap_err();
            assert!(matches!(error, TransportError::TooLarge(_)), "{error}");
            assert_eq!(framing.next().unwrap(), None);

            let mut batch = Vec::new();
            framing.put(&mut batch, &vec![b'1'; framing.max_send()]);
            assert_eq!(batch.len(), LIMIT, "as a peer may measure it");
        }
        assert_eq!(Framing::following(Encoding::Cbor.into(), LIMIT).max_unit(), LIMIT);
        assert_eq!(Framing::following(Encoding::Cbor.into(), LIMIT).max_send(), LIMIT);
    }

    #[test]
    fn separators_in_a_text_end_no_message() {
        let mut framing = Framing::new(Serializer::batched(Encoding::Json), SEPARATOR, LIMIT);
        let mut batch = Vec::new();
        framing.put(&mut batch, b"[\"a\x1eb\x18\"]");
        assert_eq!(all(&mut framing, batch.leak()).unwrap(), [&br#"["a\u001eb\u0018"]"#[..]]);
    }
}
