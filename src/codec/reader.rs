//! Takes a received message apart, whatever its encoding.
//!
//! Details and options are JSON text inside the library ([`Dict`]). A message of another encoding
//! is therefore prepared first: see [`Received`].

use std::borrow::Cow;

use bytes::Bytes;

use super::binary::Cbor;
use super::binary::Format;
use super::binary::MsgPack;
use super::transcode::to_json_without_ext;
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
    /// The length of the text in the frame.
    text: usize,
    encoding: Encoding,
}

impl Received {
    /// Prepares a frame.
    #[inline]
    pub fn new(frame: &Bytes, encoding: Encoding) -> Result<Received, CodecError> {
        Received::with_dict(frame, encoding, |dict, text| {
            transcode(dict, encoding, Encoding::Json, Rules::Tolerant, text)
        })
    }

    /// Prepares a frame of a client, in whose dict MsgPack's extension types mean nothing.
    #[inline]
    pub fn from_client(frame: &Bytes, encoding: Encoding) -> Result<Received, CodecError> {
        Received::with_dict(frame, encoding, |dict, text| {
            to_json_without_ext(dict, encoding, usize::MAX, text)
        })
    }

    #[inline]
    fn with_dict(
        frame: &Bytes,
        encoding: Encoding,
        to_json: impl FnOnce(&[u8], &mut Vec<u8>) -> Result<(), CodecError>,
    ) -> Result<Received, CodecError> {
        let dict = match encoding {
            Encoding::Json => None,
            Encoding::MsgPack => binary::reader::head_dict::<MsgPack>(frame)?,
            Encoding::Cbor => binary::reader::head_dict::<Cbor>(frame)?,
        };
        let Some(dict) = dict else {
            return Ok(Received { frame: frame.clone(), text: 0, encoding });
        };
        let mut all = Vec::with_capacity(frame.len() + 2 * dict.len());
        to_json(dict, &mut all)?;
        let text = all.len();
        all.extend_from_slice(frame);
        Ok(Received { frame: all.into(), text, encoding })
    }

    /// The bytes that all parts of the message are slices of.
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// The encoding of the message.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// A reader of the message, which is in this format.
    pub fn reader<F: Format>(&self) -> Result<binary::Reader<'_, F>, CodecError> {
        let (text, message) = self.frame.split_at(self.text);
        let dict = if text.is_empty() { Dict::EMPTY } else { Dict::from_checked(text) };
        binary::Reader::new(message, dict)
    }
}

/// Reads the elements of one message in order. There is one for each encoding, and what uses them
/// is compiled for each: nothing is left to decide while a message is read.
pub trait Read<'a>: Sized {
    /// The type code that a message begins with.
    #[inline]
    fn code(&mut self) -> Result<u64, CodecError> {
        self.uint()
    }

    /// A whole number that is not negative, also where a peer wrote it as a float.
    fn uint(&mut self) -> Result<u64, CodecError>;

    /// A string.
    fn text(&mut self) -> Result<Cow<'a, str>, CodecError>;

    /// A dict.
    fn dict(&mut self) -> Result<Dict<'a>, CodecError>;

    /// True where the list goes on.
    fn has_more(&mut self) -> bool;

    /// The args and kwargs that end a message; null counts as absent. A binary value may stand in
    /// place of args, as Autobahn's payload transparency has it.
    fn payload(&mut self) -> Result<PayloadRef<'a>, CodecError>;

    /// Steps over surplus elements and checks that the message ends with its list.
    fn finish(self) -> Result<(), CodecError>;

    /// An error at the present position.
    fn error(&self, what: &'static str) -> CodecError;

    /// An id: 1 to 2^53.
    #[inline]
    fn id(&mut self) -> Result<u64, CodecError> {
        match self.uint()? {
            id @ 1..=MAX_ID => Ok(id),
            _ => Err(self.error("an id must be from 1 to 2^53")),
        }
    }

    /// An id or 0, as in the UNSUBSCRIBED of a revocation.
    fn id_or_zero(&mut self) -> Result<u64, CodecError> {
        match self.uint()? {
            id @ 0..=MAX_ID => Ok(id),
            _ => Err(self.error("an id must be from 1 to 2^53")),
        }
    }

    /// A dict where the list goes on, else `None`.
    fn optional_dict(&mut self) -> Result<Option<Dict<'a>>, CodecError> {
        if self.has_more() { self.dict().map(Some) } else { Ok(None) }
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
