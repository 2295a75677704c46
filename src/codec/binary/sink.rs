//! Makes an encoded value of tokens.

use std::marker::PhantomData;

use super::super::Rules;
use super::super::token::Token;
use super::Format;

/// See [`mod@super::super::transcode`].
#[derive(Debug)]
pub struct Sink<'o, F> {
    out: &'o mut Vec<u8>,
    rules: Rules,
    open: Vec<Open>,
    format: PhantomData<F>,
}

/// A list or dict that has begun.
#[derive(Debug)]
pub struct Open {
    dict: bool,
    /// The place of its head, one byte so far; `None` if that is right already.
    head: Option<usize>,
    /// The values that it has, keys among them.
    values: usize,
}

impl Open {
    /// Begins a list or dict whose length is not known yet.
    pub fn begin(out: &mut Vec<u8>, dict: bool) -> Open {
        out.push(0);
        Open { dict, head: Some(out.len() - 1), values: 0 }
    }

    /// A value, or a key, is about to be written.
    #[inline]
    pub fn count(&mut self) {
        self.values += 1;
    }

    /// True for a dict.
    pub fn is_dict(&self) -> bool {
        self.dict
    }

    /// Writes the right head, now that the length is known. A longer one moves the entries, each
    /// level at most once.
    pub fn end<F: Format>(self, out: &mut Vec<u8>) {
        let Some(at) = self.head else {
            return;
        };
        let mut head = Vec::with_capacity(9);
        if self.dict {
            F::dict(&mut head, self.values / 2);
        } else {
            F::list(&mut head, self.values);
        }
        match *head {
            [one] => out[at] = one,
            _ => drop(out.splice(at..=at, head)),
        }
    }
}

impl<'o, F: Format> Sink<'o, F> {
    /// Appends to `out`.
    pub fn new(out: &'o mut Vec<u8>, rules: Rules) -> Self {
        Sink { out, rules, open: Vec::new(), format: PhantomData }
    }

    /// Writes one token.
    pub fn token(&mut self, token: &Token<'_>) -> Result<(), &'static str> {
        if !matches!(token, Token::End | Token::Tag(_))
            && let Some(open) = self.open.last_mut()
        {
            open.count();
        }
        let out = &mut *self.out;
        match token {
            Token::Null => F::null(out),
            Token::Bool(value) => F::bool(out, *value),
            Token::Uint(value) => F::uint(out, *value),
            Token::Negative(value) => {
                if !F::negative(out, *value) {
                    let big = super::Big::new(true, value.to_be_bytes().to_vec());
                    F::big(out, &big, self.rules)?;
                }
            }
            Token::Big(big) => F::big(out, big, self.rules)?,
            Token::Decimal(exponent, mantissa) => {
                F::decimal(out, *exponent, mantissa, self.rules)?;
            }
            Token::Float(value) => F::float(out, *value),
            Token::Text(text) => {
                F::text(out, text.len());
                out.extend_from_slice(text.as_bytes());
            }
            Token::Binary(bytes) => {
                F::binary(out, bytes.len());
                out.extend_from_slice(bytes);
            }
            Token::Timestamp(timestamp) => F::timestamp(out, *timestamp, self.rules)?,
            Token::Tag(tag) => F::tag(out, *tag, self.rules)?,
            Token::Ext(kind, bytes) => F::ext(out, *kind, bytes, self.rules)?,
            Token::List(len) => self.container(*len, false),
            Token::Dict(len) => self.container(*len, true),
            Token::End => {
                if let Some(open) = self.open.pop() {
                    open.end::<F>(self.out);
                }
            }
        }
        Ok(())
    }

    fn container(&mut self, len: Option<usize>, dict: bool) {
        let open = match len {
            None => Open::begin(self.out, dict),
            Some(len) => {
                if dict {
                    F::dict(self.out, len);
                } else {
                    F::list(self.out, len);
                }
                Open { dict, head: None, values: 0 }
            }
        };
        self.open.push(open);
    }
}
