//! Takes a received message apart, whatever its encoding.
//!
//! Details and options are JSON text inside the library ([`Dict`]). A message of another encoding
//! is therefore prepared first: see [`Received`].

use std::borrow::Cow;

use bytes::Bytes;

use super::cbor::Cbor;
use super::msgpack::MsgPack;
use super::{CodecError, Dict, Encoding, MAX_ID, PayloadRef, Rules, binary, json, transcode};

/// A received message with its dict as JSON text.
///
/// ```text
///   JSON                      [36,1,2,{"topic":"a"},["x"]]     as received
///   others, without a dict    94 24 01 02 80 ..                as received
///   others                    {"topic":"a"} 94 24 01 02 81 ..  the text before the message
/// ```
#[derive(Debug, Clone)]
pub struct Received {
    frame: Bytes,
    /// How much of the frame is the text.
    text: usize,
    encoding: Encoding,
}

impl Received {
    /// Prepares a frame.
    #[inline]
    pub fn new(frame: &Bytes, encoding: Encoding) -> Result<Received, CodecError> {
        let dict = match encoding {
            Encoding::Json => None,
            Encoding::MsgPack => binary::reader::head_dict::<MsgPack>(frame)?,
            Encoding::Cbor => binary::reader::head_dict::<Cbor>(frame)?,
        };
        let Some(dict) = dict else {
            return Ok(Received { frame: frame.clone(), text: 0, encoding });
        };
        let mut all = Vec::with_capacity(frame.len() + 2 * dict.len());
        transcode(dict, encoding, Encoding::Json, Rules::Tolerant, &mut all)?;
        let text = all.len();
        all.extend_from_slice(frame);
        Ok(Received { frame: all.into(), text, encoding })
    }

    /// The bytes that all parts of the message are slices of.
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// Reads the message.
    pub fn reader(&self) -> Result<Reader<'_>, CodecError> {
        let (text, message) = self.frame.split_at(self.text);
        let dict = if text.is_empty() { Dict::EMPTY } else { Dict::from_checked(text) };
        Ok(match self.encoding {
            Encoding::Json => Reader::Json(json::Reader::new(message)?),
            Encoding::MsgPack => Reader::MsgPack(binary::Reader::new(message, dict)?),
            Encoding::Cbor => Reader::Cbor(binary::Reader::new(message, dict)?),
        })
    }
}

/// Reads the elements of one message in order.
#[derive(Debug)]
pub enum Reader<'a> {
    /// JSON text.
    Json(json::Reader<'a>),
    /// MsgPack.
    MsgPack(binary::Reader<'a, MsgPack>),
    /// CBOR.
    Cbor(binary::Reader<'a, Cbor>),
}

macro_rules! each {
    ($self:expr, $reader:ident => $body:expr) => {
        match $self {
            Reader::Json($reader) => $body,
            Reader::MsgPack($reader) => $body,
            Reader::Cbor($reader) => $body,
        }
    };
}

impl<'a> Reader<'a> {
    /// Opens the list that a message in JSON is.
    #[inline]
    pub fn json(frame: &'a [u8]) -> Result<Self, CodecError> {
        json::Reader::new(frame).map(Reader::Json)
    }

    /// A whole number that is not negative, also where a peer wrote it as a float.
    #[inline]
    pub fn uint(&mut self) -> Result<u64, CodecError> {
        each!(self, reader => reader.uint())
    }

    /// An id: 1 to 2^53.
    #[inline]
    pub fn id(&mut self) -> Result<u64, CodecError> {
        match self.uint()? {
            id @ 1..=MAX_ID => Ok(id),
            _ => Err(self.error("an id is 1 to 2^53")),
        }
    }

    /// An id or 0, as in the UNSUBSCRIBED of a revocation.
    pub fn id_or_zero(&mut self) -> Result<u64, CodecError> {
        match self.uint()? {
            id @ 0..=MAX_ID => Ok(id),
            _ => Err(self.error("an id is 1 to 2^53")),
        }
    }

    /// A string.
    #[inline]
    pub fn text(&mut self) -> Result<Cow<'a, str>, CodecError> {
        each!(self, reader => reader.text())
    }

    /// A dict.
    #[inline]
    pub fn dict(&mut self) -> Result<Dict<'a>, CodecError> {
        each!(self, reader => reader.dict())
    }

    /// A dict where the list goes on, else `None`.
    pub fn optional_dict(&mut self) -> Result<Option<Dict<'a>>, CodecError> {
        let more = each!(self, reader => reader.has_more());
        if more { self.dict().map(Some) } else { Ok(None) }
    }

    /// The args and kwargs that end a message; null counts as absent. A binary value may stand in
    /// place of args, as Autobahn's payload transparency has it.
    #[inline]
    pub fn payload(&mut self) -> Result<PayloadRef<'a>, CodecError> {
        each!(self, reader => reader.payload())
    }

    /// Steps over surplus elements and checks that the message ends with its list.
    #[inline]
    pub fn finish(self) -> Result<(), CodecError> {
        each!(self, reader => reader.finish())
    }

    #[cold]
    fn error(&self, what: &'static str) -> CodecError {
        each!(self, reader => reader.error(what))
    }
}

/// The type code of a message, without a look at the rest; `None` where it has none.
#[inline]
pub fn message_code(frame: &[u8], encoding: Encoding) -> Option<usize> {
    match encoding {
        Encoding::Json => json::message_code(frame),
        Encoding::MsgPack => binary::reader::message_code::<MsgPack>(frame),
        Encoding::Cbor => binary::reader::message_code::<Cbor>(frame),
    }
}

/// A message, or another value, as text for people.
pub fn message_text(frame: &[u8], encoding: Encoding) -> String {
    let mut text = Vec::new();
    match transcode(frame, encoding, Encoding::Json, Rules::Tolerant, &mut text) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => format!("{} bytes of {}: {error}", frame.len(), encoding.name()),
    }
}
