//! Takes an encoded value apart into tokens.

use super::super::timestamp::Timestamp;
use super::super::token::{Big, Token};
use super::super::{CodecError, Encoding, MAX_DEPTH};
use super::cbor::tag;
use super::{Format, Head, Scanner};

/// See [`mod@super::super::transcode`].
#[derive(Debug)]
pub struct Source<'a, F> {
    scan: Scanner<'a, F>,
    open: Vec<Open>,
    /// A tag has been given, and the value that has it is still to come.
    tagged: bool,
    /// The whole value has been given.
    done: bool,
}

/// A list or dict that has begun.
#[derive(Debug)]
struct Open {
    /// The values that follow; `None`: up to a break.
    left: Option<u64>,
    dict: bool,
    keyed: bool,
}

impl<'a, F: Format> Source<'a, F> {
    /// Takes `bytes` apart.
    pub fn new(bytes: &'a [u8]) -> Self {
        Source { scan: Scanner::new(bytes), open: Vec::new(), tagged: false, done: false }
    }

    /// The offset of the next byte.
    pub fn at(&self) -> usize {
        self.scan.at()
    }

    /// The next token; `None` at the end of the value.
    pub fn next_token(&mut self) -> Result<Option<Token<'a>>, CodecError> {
        if self.done {
            return Ok(None);
        }
        if std::mem::take(&mut self.tagged) {
            return self.value().map(Some);
        }
        match self.open.last_mut() {
            None => {}
            Some(Open { left: Some(0), .. }) => return Ok(Some(self.end())),
            Some(Open { left: Some(left), .. }) => *left -= 1,
            Some(Open { left: None, dict, keyed }) => {
                if self.scan.peek()? == Head::Break {
                    if *keyed {
                        return Err(self.scan.error("a key without a value"));
                    }
                    self.scan.head()?;
                    return Ok(Some(self.end()));
                }
                *keyed = *dict && !*keyed;
            }
        }
        self.value().map(Some)
    }

    /// After the value: checks that nothing follows.
    pub fn finish(&self) -> Result<(), CodecError> {
        match self.scan.is_at_end() {
            true => Ok(()),
            false => Err(self.scan.error("something follows the end of the value")),
        }
    }

    fn end(&mut self) -> Token<'a> {
        self.open.pop();
        self.done = self.open.is_empty();
        Token::End
    }

    fn value(&mut self) -> Result<Token<'a>, CodecError> {
        let token = match self.scan.head()? {
            Head::Tag(tag::SELF) => return self.value_again(),
            Head::Tag(tag) => match self.tagged(tag)? {
                Some(token) => token,
                None => {
                    self.tagged = true;
                    return Ok(Token::Tag(tag));
                }
            },
            Head::List(len) => return self.container(len, false),
            Head::Dict(len) => return self.container(len, true),
            head => self.scalar(head)?,
        };
        self.done = self.open.is_empty();
        Ok(token)
    }

    /// The value after a tag that says nothing. As often as it stands there.
    fn value_again(&mut self) -> Result<Token<'a>, CodecError> {
        while self.scan.peek()? == Head::Tag(tag::SELF) {
            self.scan.head()?;
        }
        self.value()
    }

    fn scalar(&mut self, head: Head) -> Result<Token<'a>, CodecError> {
        Ok(match head {
            Head::Null => Token::Null,
            Head::Bool(value) => Token::Bool(value),
            Head::Uint(value) => Token::Uint(value),
            Head::Negative(value) => Token::Negative(value),
            Head::Float(value) => Token::Float(value),
            Head::Text(len) => Token::Text(self.scan.text(len)?),
            Head::Binary(len) => Token::Binary(self.scan.binary(len)?),
            Head::Ext(kind, len) => {
                let bytes = self.scan.bytes(len)?;
                match F::timestamp_from_ext(kind, bytes) {
                    Some(timestamp) => Token::Timestamp(timestamp),
                    None => Token::Ext(kind, bytes),
                }
            }
            _ => return Err(self.scan.error("expected a value")),
        })
    }

    fn container(&mut self, len: Option<u64>, dict: bool) -> Result<Token<'a>, CodecError> {
        if self.open.len() == MAX_DEPTH {
            return Err(self.scan.error("nested too deep (more than 128 levels)"));
        }
        let each = if dict { 2 } else { 1 };
        let left = len.map(|len| self.scan.count(len, each)).transpose()?;
        self.open.push(Open { left, dict, keyed: false });
        let len = len.map(|len| len as usize);
        Ok(if dict { Token::Dict(len) } else { Token::List(len) })
    }

    /// The token for what follows a tag, if there is one; otherwise nothing has been read.
    fn tagged(&mut self, tag: u64) -> Result<Option<Token<'a>>, CodecError> {
        if F::ENCODING != Encoding::Cbor {
            return Ok(None);
        }
        let start = self.scan.at();
        let token = match (tag, self.scan.head()?) {
            (tag::TIME_TEXT, Head::Text(len)) => {
                Timestamp::parse(&self.scan.text(len)?).map(Token::Timestamp)
            }
            (tag::TIME_NUMBER, head) => timestamp(head).map(Token::Timestamp),
            (tag::BIG | tag::BIG_NEGATIVE, Head::Binary(len)) => {
                let negative = tag == tag::BIG_NEGATIVE;
                Some(Big::new(negative, self.scan.binary(len)?).token())
            }
            (tag::DECIMAL, Head::List(Some(2))) => self.decimal()?,
            (tag::DECIMAL, Head::List(None)) => match self.decimal()? {
                Some(decimal) if self.scan.head()? == Head::Break => Some(decimal),
                _ => None,
            },
            _ => None,
        };
        if token.is_none() {
            self.scan.seek(start);
        }
        Ok(token)
    }

    fn decimal(&mut self) -> Result<Option<Token<'a>>, CodecError> {
        let exponent = match self.scan.head()? {
            Head::Uint(number) => i64::try_from(number).ok(),
            Head::Negative(number) => i64::try_from(number).ok().map(|number| -1 - number),
            // Nothing is known of what follows such a head: the mantissa, or what stands in a text.
            _ => return Ok(None),
        };
        let big = |negative, number: u64| Some(Big::new(negative, number.to_be_bytes().to_vec()));
        let mantissa = match self.scan.head()? {
            Head::Uint(number) => big(false, number),
            Head::Negative(number) => big(true, number),
            Head::Tag(tag @ (tag::BIG | tag::BIG_NEGATIVE)) => match self.scan.head()? {
                Head::Binary(len) => {
                    Some(Big::new(tag == tag::BIG_NEGATIVE, self.scan.binary(len)?))
                }
                _ => None,
            },
            _ => None,
        };
        Ok(exponent.zip(mantissa).map(|(exponent, mantissa)| Token::Decimal(exponent, mantissa)))
    }
}

fn timestamp(head: Head) -> Option<Timestamp> {
    match head {
        Head::Uint(seconds) => Some(Timestamp { seconds: i64::try_from(seconds).ok()?, nanos: 0 }),
        Head::Negative(number) => {
            Some(Timestamp { seconds: -1 - i64::try_from(number).ok()?, nanos: 0 })
        }
        Head::Float(seconds) => Timestamp::from_float(seconds),
        _ => None,
    }
}
