//! Writes a JSON message: the head element by element, the payload spliced.

use super::super::PayloadRef;
use super::reader::Dict;
use super::text::write_string;

/// Appends one message to a buffer.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Writer<'o> {
    /// Begins a message with its type code.
    pub fn new(out: &'o mut Vec<u8>, code: u64) -> Self {
        out.push(b'[');
        let mut writer = Writer { out };
        writer.digits(code);
        writer
    }

    /// A whole number.
    pub fn uint(mut self, number: u64) -> Self {
        self.out.push(b',');
        self.digits(number);
        self
    }

    /// A string.
    pub fn text(self, text: &str) -> Self {
        self.out.push(b',');
        write_string(self.out, text);
        self
    }

    /// A dict.
    pub fn dict(self, dict: Dict<'_>) -> Self {
        self.out.push(b',');
        self.out.extend_from_slice(dict.as_bytes());
        self
    }

    /// The args and kwargs that end a message: an empty list stands in for absent args before
    /// kwargs, and nothing is written for an absent payload.
    pub fn payload(self, payload: PayloadRef<'_>) -> Self {
        match (payload.args, payload.kwargs) {
            (None, None) => {}
            (args, None) => {
                self.out.push(b',');
                self.out.extend_from_slice(args.unwrap_or(b"[]"));
            }
            (args, Some(kwargs)) => {
                self.out.push(b',');
                self.out.extend_from_slice(args.unwrap_or(b"[]"));
                self.out.push(b',');
                self.out.extend_from_slice(kwargs);
            }
        }
        self
    }

    /// Ends the message.
    pub fn end(self) {
        self.out.push(b']');
    }

    fn digits(&mut self, number: u64) {
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_splices() {
        let mut out = Vec::new();
        let payload = PayloadRef { kwargs: Some(br#"{"a":1}"#), ..PayloadRef::NONE };
        Writer::new(&mut out, 16)
            .uint(1)
            .dict(Dict::EMPTY)
            .text("com.my\"topic")
            .payload(payload)
            .end();
        assert_eq!(out, br#"[16,1,{},"com.my\"topic",[],{"a":1}]"#);
    }

    #[test]
    fn an_absent_payload_writes_nothing() {
        let mut out = Vec::new();
        Writer::new(&mut out, 17).uint(1).payload(PayloadRef::NONE).end();
        Writer::new(&mut out, 17).uint(2).payload(PayloadRef::args("[]")).end();
        assert_eq!(out, b"[17,1][17,2,[]]");
    }
}
