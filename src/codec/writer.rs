//! Writes a message, whatever its encoding: the head element by element, the payload spliced or
//! transcoded.

use super::binary::Cbor;
use super::binary::Format;
use super::binary::MsgPack;
use super::json::text::write_string;
use super::{CodecError, Dict, Encoding, PayloadRef, Rules, transcode};

/// A part of this size is no reason to end the program where there is no memory for it.
const LARGE: usize = 64 * 1024;

/// The message being written, and its encoding.
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
///
/// Each step has JSON in line, as nearly all messages were before there was more; the other
/// encodings are out of line.
#[derive(Debug)]
pub struct Writer<'w> {
    bytes: &'w mut Vec<u8>,
    encoding: Encoding,
    rules: Rules,
    failed: &'w mut Option<CodecError>,
    /// The beginning of the message.
    start: usize,
    elements: u8,
}

impl<'w> Writer<'w> {
    /// Begins a message with its type code.
    #[inline(always)]
    pub fn new(out: &'w mut Out<'_>, code: u64) -> Self {
        let Out { bytes, encoding, rules, failed } = out;
        let (start, encoding) = (bytes.len(), *encoding);
        if encoding == Encoding::Json {
            bytes.push(b'[');
            digits(bytes, code);
        } else {
            // What begins the list is known at its end.
            bytes.push(0);
            uint(bytes, encoding, code);
        }
        Writer { bytes, encoding, rules: *rules, failed, start, elements: 1 }
    }

    /// A whole number.
    #[inline(always)]
    pub fn uint(mut self, number: u64) -> Self {
        if self.element() {
            digits(self.bytes, number);
        } else {
            uint(self.bytes, self.encoding, number);
        }
        self
    }

    /// A string.
    #[inline(always)]
    pub fn text(mut self, text: &str) -> Self {
        if self.element() {
            write_string(self.bytes, text);
        } else {
            string(self.bytes, self.encoding, text);
        }
        self
    }

    /// A dict.
    #[inline(always)]
    pub fn dict(mut self, dict: Dict<'_>) -> Self {
        if self.element() {
            self.bytes.extend_from_slice(dict.as_bytes());
        } else if dict.is_empty() {
            self.bytes.push(if self.encoding == Encoding::Cbor { 0xa0 } else { 0x80 });
        } else {
            self.transcoded(dict.as_bytes(), Encoding::Json, Rules::Tolerant);
        }
        self
    }

    /// The args and kwargs that end a message: an empty list stands in for absent args before
    /// kwargs, and nothing is written for an absent payload.
    #[inline(always)]
    pub fn payload(mut self, payload: PayloadRef<'_>) -> Self {
        if payload.is_empty() {
            return self;
        }
        match payload.args {
            Some(args) => self.part(args, payload.encoding),
            None if self.element() => self.bytes.extend_from_slice(b"[]"),
            None => self.bytes.push(if self.encoding == Encoding::Cbor { 0x80 } else { 0x90 }),
        }
        if let Some(kwargs) = payload.kwargs {
            self.part(kwargs, payload.encoding);
        }
        self
    }

    /// Ends the message.
    #[inline(always)]
    pub fn end(self) {
        // A message has at most seven elements, so that one byte tells their number.
        match self.encoding {
            Encoding::Json => self.bytes.push(b']'),
            Encoding::MsgPack => self.bytes[self.start] = 0x90 | self.elements,
            Encoding::Cbor => self.bytes[self.start] = 0x80 | self.elements,
        }
    }

    /// Begins an element; true in JSON.
    #[inline(always)]
    fn element(&mut self) -> bool {
        self.elements += 1;
        let is_json = self.encoding == Encoding::Json;
        if is_json {
            self.bytes.push(b',');
        }
        is_json
    }

    #[inline(always)]
    fn part(&mut self, part: &[u8], encoding: Encoding) {
        self.element();
        if part.len() > LARGE && self.bytes.try_reserve(part.len()).is_err() {
            *self.failed = Some(CodecError { at: 0, what: "there is no memory for it" });
        } else if encoding == self.encoding {
            self.bytes.extend_from_slice(part);
        } else {
            self.transcoded(part, encoding, self.rules);
        }
    }

    #[inline(always)]
    fn transcoded(&mut self, value: &[u8], from: Encoding, rules: Rules) {
        if let Err(error) = transcoded(value, from, self.encoding, rules, self.bytes) {
            *self.failed = Some(error);
        }
    }
}

#[cold]
#[inline(never)]
fn transcoded(
    value: &[u8],
    from: Encoding,
    to: Encoding,
    rules: Rules,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    transcode(value, from, to, rules, out)
}

#[inline(never)]
fn uint(out: &mut Vec<u8>, encoding: Encoding, number: u64) {
    match encoding {
        Encoding::Json => digits(out, number),
        Encoding::MsgPack => MsgPack::uint(out, number),
        Encoding::Cbor => Cbor::uint(out, number),
    }
}

#[inline(never)]
fn string(out: &mut Vec<u8>, encoding: Encoding, text: &str) {
    match encoding {
        Encoding::Json => return write_string(out, text),
        Encoding::MsgPack => MsgPack::text(out, text.len()),
        Encoding::Cbor => Cbor::text(out, text.len()),
    }
    out.extend_from_slice(text.as_bytes());
}

#[inline(always)]
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
