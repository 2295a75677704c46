//! Walks over encoded values and checks them; makes none.
//!
//! It checks what a later reader relies on: that all of a value is there, and that text is UTF-8.
//! It neither recurses nor takes memory for what nests with known lengths, so that it needs no
//! limit of depth; that is left to [`super::Source`].

use std::borrow::Cow;
use std::marker::PhantomData;

use super::super::utf8::check_utf8;
use super::{CodecError, Format, Head, TOO_SHORT};

/// The number of lists and dicts without a length that may be open at once.
const MAX_OPEN: usize = 1024;

/// A position in encoded bytes.
#[derive(Debug)]
pub struct Scanner<'a, F> {
    bytes: &'a [u8],
    at: usize,
    format: PhantomData<F>,
}

/// A list or dict without a length.
struct Open {
    /// The values that still follow it.
    left: u64,
    dict: bool,
    /// A key has come, but not its value.
    keyed: bool,
}

impl<'a, F: Format> Scanner<'a, F> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Scanner { bytes, at: 0, format: PhantomData }
    }

    /// The offset of the next byte.
    #[inline]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Goes to an offset that [`Scanner::at`] told.
    pub fn seek(&mut self, at: usize) {
        self.at = at;
    }

    /// True at the end of all bytes.
    pub fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The number of bytes that are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// An error at the present position.
    #[cold]
    pub fn error(&self, what: &'static str) -> CodecError {
        CodecError { at: self.at, what }
    }

    /// Reads a head.
    #[inline]
    pub fn head(&mut self) -> Result<Head, CodecError> {
        F::head(self.bytes, &mut self.at)
    }

    /// Reads a head without stepping over it.
    #[inline]
    pub fn peek(&self) -> Result<Head, CodecError> {
        let mut at = self.at;
        F::head(self.bytes, &mut at)
    }

    /// Takes the bytes that a head has announced.
    #[inline]
    pub fn bytes(&mut self, len: u64) -> Result<&'a [u8], CodecError> {
        if len > self.left() as u64 {
            return Err(CodecError { at: self.bytes.len(), what: TOO_SHORT });
        }
        let end = self.at + len as usize;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// Takes the text that a head has announced.
    #[inline]
    pub fn text(&mut self, len: Option<u64>) -> Result<Cow<'a, str>, CodecError> {
        let Some(len) = len else {
            let mut whole = String::new();
            self.chunks(|scan, head| match head {
                Head::Text(Some(len)) => {
                    whole.push_str(scan.plain_text(len)?);
                    Ok(())
                }
                _ => Err(scan.error("a text has chunks of text")),
            })?;
            return Ok(Cow::Owned(whole));
        };
        self.plain_text(len).map(Cow::Borrowed)
    }

    /// Takes the binary that a head has announced.
    pub fn binary(&mut self, len: Option<u64>) -> Result<Cow<'a, [u8]>, CodecError> {
        let Some(len) = len else {
            let mut whole = Vec::new();
            self.chunks(|scan, head| match head {
                Head::Binary(Some(len)) => {
                    whole.extend_from_slice(scan.bytes(len)?);
                    Ok(())
                }
                _ => Err(scan.error("a byte string has chunks of bytes")),
            })?;
            return Ok(Cow::Owned(whole));
        };
        self.bytes(len).map(Cow::Borrowed)
    }

    fn plain_text(&mut self, len: u64) -> Result<&'a str, CodecError> {
        let start = self.at;
        let bytes = self.bytes(len)?;
        check_utf8(bytes, start)
    }

    fn chunks(
        &mut self,
        mut chunk: impl FnMut(&mut Self, Head) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        loop {
            match self.head()? {
                Head::Break => return Ok(()),
                head => chunk(self, head)?,
            }
        }
    }

    /// The number of values behind the head of a list or dict, which cannot be more than the bytes
    /// that are there.
    #[inline]
    pub fn count(&self, len: u64, each: u64) -> Result<u64, CodecError> {
        match len.checked_mul(each) {
            Some(count) if count <= self.left() as u64 => Ok(count),
            _ => Err(self.error("more entries are announced than can be there")),
        }
    }

    /// Steps over one value of any kind and returns its bytes.
    pub fn skip_value(&mut self) -> Result<&'a [u8], CodecError> {
        let start = self.at;
        let mut left: u64 = 1;
        let mut open: Vec<Open> = Vec::new();
        loop {
            if left == 0 {
                let Some(innermost) = open.last_mut() else {
                    return Ok(&self.bytes[start..self.at]);
                };
                if self.peek()? == Head::Break {
                    if innermost.keyed {
                        return Err(self.error("a key without a value"));
                    }
                    self.head()?;
                    left = innermost.left;
                    open.pop();
                    continue;
                }
                innermost.keyed = innermost.dict && !innermost.keyed;
                left = 1;
            }
            left -= 1;
            match self.head()? {
                Head::Null | Head::Bool(_) | Head::Uint(_) | Head::Negative(_) | Head::Float(_) => {
                }
                Head::Text(Some(len)) => {
                    self.plain_text(len)?;
                }
                Head::Text(None) => {
                    self.text(None)?;
                }
                Head::Binary(Some(len)) | Head::Ext(_, len) => {
                    self.bytes(len)?;
                }
                Head::Binary(None) => {
                    self.binary(None)?;
                }
                Head::List(Some(len)) => left += self.count(len, 1)?,
                Head::Dict(Some(len)) => left += self.count(len, 2)?,
                Head::Tag(_) => left += 1,
                head @ (Head::List(None) | Head::Dict(None)) => {
                    if open.len() == MAX_OPEN {
                        return Err(self.error("nested too deep"));
                    }
                    let dict = matches!(head, Head::Dict(_));
                    open.push(Open { left, dict, keyed: false });
                    left = 0;
                }
                Head::Break => return Err(self.error("a break where nothing can end")),
            }
        }
    }
}
