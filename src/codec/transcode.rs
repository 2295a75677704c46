//! Brings a value from one encoding into another, in one pass and without a value tree.
//!
//! The [`Rules`] decide about what the other encoding cannot say. What the application sends is
//! refused rather than changed (`Strict`). What was received, and what the router passes on, is
//! brought into the nearest form rather than lost (`Tolerant`).
//!
//! | value | in JSON | in MsgPack | in CBOR |
//! |---|---|---|---|
//! | whole number of 64 bits | digits | the shortest integer | the shortest integer |
//! | whole number beyond | digits | refused; nearest double | integer down to -2^64, else bignum (tags 2, 3) |
//! | double, also a whole one | digits with `.` or exponent | float64 | float64 |
//! | NaN, infinity | refused; `null` | float64 | float64 |
//! | JSON number beyond doubles | itself | refused; infinity | refused; infinity |
//! | decimal fraction (CBOR tag 4) | digits and exponent, exact | nearest double | itself |
//! | binary | string of U+0000 and base64 | bin | byte string |
//! | text that begins with U+0000 | refused; itself | str | text string |
//! | half of a surrogate pair | itself | refused; U+FFFD | refused; U+FFFD |
//! | key that is no text | refused; as the value would be written | itself | itself |
//! | key that is a list or dict | refused | itself | itself |
//! | key that stands twice | both, in order | both | both |
//! | point in time (MsgPack timestamp, CBOR tags 0 and 1) | RFC 3339 text | timestamp | tag 1, with nanoseconds tag 0 |
//! | the same, before the year 0 or after 9999 | refused; the seconds | timestamp | tag 1; with nanoseconds refused; as a double |
//! | undefined, simple values | `null` | nil | themselves |
//! | MsgPack extension type | refused; its bytes as binary | itself | refused; its bytes |
//! | other CBOR tag | refused; the value without it | refused; the value without it | itself |
//! | half and single floats | as doubles | float64 | float64 |
//! | more than 128 levels | refused | refused | refused |
//!
//! "refused; x" means: strictly refused, tolerantly x. A value that stays in its encoding is copied
//! byte by byte, whatever is in it.

use super::binary::Cbor;
use super::binary::MsgPack;
use super::token::Token;
use super::{CodecError, Encoding, Rules, binary, json};

/// Takes an encoded value apart: see [`super::token`].
#[derive(Debug)]
pub enum Source<'a> {
    /// JSON text.
    Json(json::Source<'a>),
    /// MsgPack.
    MsgPack(binary::Source<'a, MsgPack>),
    /// CBOR.
    Cbor(binary::Source<'a, Cbor>),
}

impl<'a> Source<'a> {
    /// Takes `bytes` apart.
    pub fn new(encoding: Encoding, bytes: &'a [u8], rules: Rules) -> Source<'a> {
        match encoding {
            Encoding::Json => Source::Json(json::Source::new(bytes, rules)),
            Encoding::MsgPack => Source::MsgPack(binary::Source::new(bytes)),
            Encoding::Cbor => Source::Cbor(binary::Source::new(bytes)),
        }
    }

    /// The next token; `None` at the end of the value.
    pub fn next_token(&mut self) -> Result<Option<Token<'a>>, CodecError> {
        match self {
            Source::Json(source) => source.next_token(),
            Source::MsgPack(source) => source.next_token(),
            Source::Cbor(source) => source.next_token(),
        }
    }

    /// After the value: checks that nothing follows.
    pub fn finish(&mut self) -> Result<(), CodecError> {
        match self {
            Source::Json(source) => source.finish(),
            Source::MsgPack(source) => source.finish(),
            Source::Cbor(source) => source.finish(),
        }
    }

    /// The offset of the next byte.
    pub fn at(&self) -> usize {
        match self {
            Source::Json(source) => source.at(),
            Source::MsgPack(source) => source.at(),
            Source::Cbor(source) => source.at(),
        }
    }

    fn pour(
        mut self,
        mut sink: impl FnMut(&Token<'a>) -> Result<(), &'static str>,
    ) -> Result<(), CodecError> {
        loop {
            // Before the token is read, so that it is the token's own place.
            let at = self.at();
            let Some(token) = self.next_token()? else {
                return self.finish();
            };
            sink(&token).map_err(|what| CodecError { at, what })?;
        }
    }
}

/// Appends the value `bytes`, encoded in `to`. After an error `out` holds a part of it.
pub fn transcode(
    bytes: &[u8],
    from: Encoding,
    to: Encoding,
    rules: Rules,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    if from == to {
        out.extend_from_slice(bytes);
        return Ok(());
    }
    let source = Source::new(from, bytes, rules);
    match to {
        Encoding::Json => {
            let mut sink = json::Sink::new(out, rules);
            source.pour(|token| sink.token(token))
        }
        Encoding::MsgPack => {
            let mut sink = binary::Sink::<MsgPack>::new(out, rules);
            source.pour(|token| sink.token(token))
        }
        Encoding::Cbor => {
            let mut sink = binary::Sink::<Cbor>::new(out, rules);
            source.pour(|token| sink.token(token))
        }
    }
}

/// Appends the value `bytes` as tolerant JSON text. MsgPack's extension types are null in its outer
/// `levels`: some clients have no other word for `undefined`.
pub fn to_json_without_ext(
    bytes: &[u8],
    from: Encoding,
    levels: usize,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    if from != Encoding::MsgPack {
        return transcode(bytes, from, Encoding::Json, Rules::Tolerant, out);
    }
    let mut sink = json::Sink::new(out, Rules::Tolerant);
    let mut level = 0;
    Source::new(from, bytes, Rules::Tolerant).pour(|token| {
        match token {
            Token::List(_) | Token::Dict(_) => level += 1,
            Token::End => level -= 1,
            Token::Ext(..) if level <= levels => return sink.token(&Token::Null),
            _ => {}
        }
        sink.token(token)
    })
}

/// Checks that `bytes` is one value of at most 128 levels, and nothing else.
pub fn check(bytes: &[u8], encoding: Encoding) -> Result<(), CodecError> {
    Source::new(encoding, bytes, Rules::Strict).pour(|_| Ok(()))
}

#[cfg(test)]
mod tests;
