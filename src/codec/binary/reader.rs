//! Takes a received message apart, element by element, without parsing its payload.

use std::borrow::Cow;

use super::super::{CodecError, Dict, PayloadRef, Read, whole};
use super::cbor::tag;
use super::{Format, Head, Scanner};

/// Reads the elements of one message in order.
#[derive(Debug)]
pub struct Reader<'a, F> {
    scan: Scanner<'a, F>,
    /// The number of elements that follow; `None`: up to a break.
    left: Option<u64>,
    /// The dict of the message, as JSON text.
    dict: Dict<'a>,
}

/// The kind of an element of a payload.
#[derive(PartialEq, Eq)]
enum Part {
    There,
    Absent,
}

impl<'a, F: Format> Reader<'a, F> {
    /// Opens the list that every WAMP message is. `dict` is its dict, as JSON text: see
    /// [`head_dict`].
    pub fn new(frame: &'a [u8], dict: Dict<'a>) -> Result<Self, CodecError> {
        let mut scan = Scanner::new(frame);
        loop {
            return match scan.head()? {
                Head::List(left) => Ok(Reader { scan, left, dict }),
                Head::Tag(tag::SELF) => continue,
                _ => Err(CodecError { at: 0, what: "a message must be a list" }),
            };
        }
    }

    #[inline]
    fn part(
        &mut self,
        check: impl FnOnce(Head, &Scanner<'a, F>) -> Result<Part, &'static str>,
    ) -> Result<Option<&'a [u8]>, CodecError> {
        if !self.has_more() {
            return Ok(None);
        }
        let start = self.scan.at();
        match self.element()? {
            Head::Null => Ok(None),
            head => {
                let part = check(head, &self.scan);
                self.scan.seek(start);
                let part = part.map_err(|what| self.scan.error(what))?;
                let value = self.scan.skip_value()?;
                Ok(Some(value).filter(|_| part == Part::There))
            }
        }
    }

    #[inline]
    fn element(&mut self) -> Result<Head, CodecError> {
        match &mut self.left {
            Some(0) => return Err(self.scan.error("the message is too short")),
            Some(left) => *left -= 1,
            None => {}
        }
        self.scan.head()
    }
}

impl<'a, F: Format> Read<'a> for Reader<'a, F> {
    #[inline]
    fn uint(&mut self) -> Result<u64, CodecError> {
        match self.element()? {
            Head::Uint(number) => Ok(number),
            Head::Float(number) => {
                whole(number).ok_or_else(|| self.scan.error("expected a whole number"))
            }
            _ => Err(self.scan.error("expected a whole number")),
        }
    }

    fn text(&mut self) -> Result<Cow<'a, str>, CodecError> {
        match self.element()? {
            Head::Text(len) => self.scan.text(len),
            _ => Err(self.scan.error("expected a string")),
        }
    }

    #[inline]
    fn dict(&mut self) -> Result<Dict<'a>, CodecError> {
        let start = self.scan.at();
        match self.element()? {
            Head::Dict(Some(0)) | Head::Null => Ok(Dict::EMPTY),
            Head::Dict(_) => {
                self.scan.seek(start);
                self.scan.skip_value()?;
                Ok(self.dict)
            }
            head if stands_for_nothing(head, &self.scan) => {
                self.scan.seek(start);
                self.scan.skip_value()?;
                Ok(Dict::EMPTY)
            }
            _ => Err(self.scan.error("expected a dict")),
        }
    }

    fn has_more(&mut self) -> bool {
        match self.left {
            Some(left) => left > 0,
            None => self.scan.peek() != Ok(Head::Break),
        }
    }

    fn payload(&mut self) -> Result<PayloadRef<'a>, CodecError> {
        let mut payload = PayloadRef { encoding: F::ENCODING, ..PayloadRef::NONE };
        let mut bare = false;
        payload.args = self.part(|head, _| match head {
            Head::Binary(_) => {
                bare = true;
                Ok(Part::There)
            }
            Head::List(_) => Ok(Part::There),
            Head::Ext(..) => Ok(Part::Absent),
            _ => Err("args must be a list"),
        })?;
        if !bare {
            payload.kwargs = self.part(|head, scan| match head {
                Head::Dict(_) => Ok(Part::There),
                _ if stands_for_nothing(head, scan) => Ok(Part::Absent),
                _ => Err("kwargs must be a dict"),
            })?;
        }
        Ok(payload)
    }

    fn finish(mut self) -> Result<(), CodecError> {
        while self.has_more() {
            if let Some(left) = &mut self.left {
                *left -= 1;
            }
            self.scan.skip_value()?;
        }
        if self.left.is_none() {
            self.scan.head()?;
        }
        match self.scan.is_at_end() {
            true => Ok(()),
            false => Err(self.scan.error("something follows the end of the message")),
        }
    }

    fn error(&self, what: &'static str) -> CodecError {
        self.scan.error(what)
    }
}

/// True for what some peers write, beside nil, where a dict is meant that has nothing in it: an
/// empty list, as their lists and dicts are the same then, or `undefined`, which is an extension in
/// MsgPack.
fn stands_for_nothing<F: Format>(head: Head, scan: &Scanner<'_, F>) -> bool {
    match head {
        Head::List(Some(0)) | Head::Ext(..) => true,
        Head::List(None) => scan.peek() == Ok(Head::Break),
        _ => false,
    }
}

/// The type code of a message, without a look at the rest; `None` where it has none.
#[inline]
pub fn message_code<F: Format>(frame: &[u8]) -> Option<usize> {
    let mut reader = Reader::<F>::new(frame, Dict::EMPTY).ok()?;
    reader.uint().ok().and_then(|code| usize::try_from(code).ok())
}

/// The dict of a message, if it is there and has entries: what stands before is numbers and texts,
/// whatever the type of the message.
#[inline]
pub fn head_dict<F: Format>(frame: &[u8]) -> Result<Option<&[u8]>, CodecError> {
    let mut reader = Reader::<F>::new(frame, Dict::EMPTY)?;
    while reader.has_more() {
        let start = reader.scan.at();
        match reader.element()? {
            Head::Uint(_) | Head::Float(_) => {}
            Head::Text(len) => drop(reader.scan.text(len)?),
            Head::Dict(len) if len != Some(0) => {
                reader.scan.seek(start);
                return reader.scan.skip_value().map(Some);
            }
            _ => return Ok(None),
        }
    }
    Ok(None)
}
