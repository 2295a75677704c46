//! Writes a message, whatever its encoding: the head element by element, the payload spliced or
//! transcoded.

use super::binary::Format;
use super::cbor::Cbor;
use super::json::text::write_string;
use super::msgpack::MsgPack;
use super::{CodecError, Dict, Encoding, PayloadRef, Rules, transcode};

/// Where a message is written to, and how.
#[derive(Debug)]
pub struct Out<'o> {
    bytes: &'o mut Vec<u8>,
    encoding: Encoding,
    rules: Rules,
    failed: Option<CodecError>,
}

impl<'o> Out<'o> {
    /// Appends to `bytes`. The rules are for payloads of another encoding.
    #[inline]
    pub fn new(bytes: &'o mut Vec<u8>, encoding: Encoding, rules: Rules) -> Out<'o> {
        Out { bytes, encoding, rules, failed: None }
    }

    /// Appends a message that is encoded already.
    pub fn whole(&mut self, message: &[u8]) {
        self.bytes.extend_from_slice(message);
    }

    /// Tells whether all could be written; if not, a part of it was.
    #[inline]
    pub fn finish(self) -> Result<(), CodecError> {
        self.failed.map_or(Ok(()), Err)
    }
}

/// Appends one message.
#[derive(Debug)]
pub struct Writer<'w, 'o> {
    out: &'w mut Out<'o>,
    /// Where the message begins.
    start: usize,
    elements: usize,
}

impl<'w, 'o> Writer<'w, 'o> {
    /// Begins a message with its type code.
    #[inline]
    pub fn new(out: &'w mut Out<'o>, code: u64) -> Self {
        let start = out.bytes.len();
        match out.encoding {
            Encoding::Json => {
                out.bytes.push(b'[');
                digits(out.bytes, code);
            }
            // What begins the list is known at its end.
            Encoding::MsgPack => {
                out.bytes.push(0);
                MsgPack::uint(out.bytes, code);
            }
            Encoding::Cbor => {
                out.bytes.push(0);
                Cbor::uint(out.bytes, code);
            }
        }
        Writer { out, start, elements: 1 }
    }

    /// A whole number.
    #[inline]
    pub fn uint(mut self, number: u64) -> Self {
        let out = self.element();
        match out.encoding {
            Encoding::Json => digits(out.bytes, number),
            Encoding::MsgPack => MsgPack::uint(out.bytes, number),
            Encoding::Cbor => Cbor::uint(out.bytes, number),
        }
        self
    }

    /// A string.
    #[inline]
    pub fn text(mut self, text: &str) -> Self {
        let out = self.element();
        match out.encoding {
            Encoding::Json => write_string(out.bytes, text),
            Encoding::MsgPack => {
                MsgPack::text(out.bytes, text.len());
                out.bytes.extend_from_slice(text.as_bytes());
            }
            Encoding::Cbor => {
                Cbor::text(out.bytes, text.len());
                out.bytes.extend_from_slice(text.as_bytes());
            }
        }
        self
    }

    /// A dict.
    #[inline]
    pub fn dict(mut self, dict: Dict<'_>) -> Self {
        let out = self.element();
        match out.encoding {
            Encoding::Json => out.bytes.extend_from_slice(dict.as_bytes()),
            Encoding::MsgPack if dict.is_empty() => MsgPack::dict(out.bytes, 0),
            Encoding::Cbor if dict.is_empty() => Cbor::dict(out.bytes, 0),
            _ => self.transcoded(dict.as_bytes(), Encoding::Json, Rules::Tolerant),
        }
        self
    }

    /// The args and kwargs that end a message: an empty list stands in for absent args before
    /// kwargs, and nothing is written for an absent payload.
    #[inline]
    pub fn payload(mut self, payload: PayloadRef<'_>) -> Self {
        if payload.is_empty() {
            return self;
        }
        match payload.args {
            Some(args) => self.part(args, payload.encoding),
            None => {
                let out = self.element();
                match out.encoding {
                    Encoding::Json => out.bytes.extend_from_slice(b"[]"),
                    Encoding::MsgPack => MsgPack::list(out.bytes, 0),
                    Encoding::Cbor => Cbor::list(out.bytes, 0),
                }
            }
        }
        if let Some(kwargs) = payload.kwargs {
            self.part(kwargs, payload.encoding);
        }
        self
    }

    /// Ends the message.
    #[inline]
    pub fn end(self) {
        let Writer { out, start, elements } = self;
        // A message has at most seven elements, so that one byte tells their number.
        match out.encoding {
            Encoding::Json => out.bytes.push(b']'),
            Encoding::MsgPack => out.bytes[start] = 0x90 | elements as u8,
            Encoding::Cbor => out.bytes[start] = 0x80 | elements as u8,
        }
    }

    #[inline]
    fn element(&mut self) -> &mut Out<'o> {
        self.elements += 1;
        if self.out.encoding == Encoding::Json {
            self.out.bytes.push(b',');
        }
        self.out
    }

    #[inline]
    fn part(&mut self, bytes: &[u8], encoding: Encoding) {
        let out = self.element();
        if encoding == out.encoding {
            out.bytes.extend_from_slice(bytes);
        } else {
            let rules = out.rules;
            self.transcoded(bytes, encoding, rules);
        }
    }

    fn transcoded(&mut self, bytes: &[u8], from: Encoding, rules: Rules) {
        let out = &mut *self.out;
        if let Err(error) = transcode(bytes, from, out.encoding, rules, out.bytes) {
            out.failed.get_or_insert(error);
        }
    }
}

fn digits(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(encoding: Encoding, write: impl FnOnce(&mut Out<'_>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = Out::new(&mut bytes, encoding, Rules::Strict);
        write(&mut out);
        out.finish().unwrap();
        bytes
    }

    #[test]
    fn writes_and_splices() {
        let payload = PayloadRef { kwargs: Some(br#"{"a":1}"#), ..PayloadRef::NONE };
        let write = |out: &mut Out<'_>| {
            Writer::new(out, 16)
                .uint(1)
                .dict(Dict::EMPTY)
                .text("com.my\"topic")
                .payload(payload)
                .end();
        };
        assert_eq!(written(Encoding::Json, write), br#"[16,1,{},"com.my\"topic",[],{"a":1}]"#);
        let text = b"\xaccom.my\"topic";
        let msgpack = [&b"\x96\x10\x01\x80"[..], text, b"\x90\x81\xa1a\x01"].concat();
        assert_eq!(written(Encoding::MsgPack, write), msgpack);
        let text = b"\x6ccom.my\"topic";
        let cbor = [&b"\x86\x10\x01\xa0"[..], text, b"\x80\xa1\x61a\x01"].concat();
        assert_eq!(written(Encoding::Cbor, write), cbor);
    }

    #[test]
    fn an_absent_payload_writes_nothing() {
        let out = written(Encoding::Json, |out| {
            Writer::new(out, 17).uint(1).payload(PayloadRef::NONE).end();
            Writer::new(out, 17).uint(2).payload(PayloadRef::args("[]")).end();
        });
        assert_eq!(out, b"[17,1][17,2,[]]");
    }

    #[test]
    fn what_cannot_be_said_is_told() {
        let nan = [0x91, 0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0];
        let payload = PayloadRef { args: Some(&nan), kwargs: None, encoding: Encoding::MsgPack };
        for (rules, told) in [(Rules::Strict, None), (Rules::Tolerant, Some("[17,[null]]"))] {
            let mut bytes = Vec::new();
            let mut out = Out::new(&mut bytes, Encoding::Json, rules);
            Writer::new(&mut out, 17).payload(payload).end();
            let result = out.finish();
            assert_eq!(result.is_ok().then(|| String::from_utf8(bytes).unwrap()).as_deref(), told);
        }
    }
}
