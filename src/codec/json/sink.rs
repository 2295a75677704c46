//! Makes JSON text of tokens.

use std::io::Write;

use super::super::token::{Token, decimal_text};
use super::scan::Rules;
use super::text::{write_binary, write_string};

/// See [`mod@super::super::transcode`].
#[derive(Debug)]
pub struct Sink<'o> {
    out: &'o mut Vec<u8>,
    rules: Rules,
    open: Vec<Open>,
}

/// A list or dict that has begun.
#[derive(Debug)]
struct Open {
    dict: bool,
    empty: bool,
    /// A key has come, but not its value.
    keyed: bool,
}

impl<'o> Sink<'o> {
    /// Appends to `out`.
    pub fn new(out: &'o mut Vec<u8>, rules: Rules) -> Self {
        Sink { out, rules, open: Vec::new() }
    }

    /// Writes one token.
    pub fn token(&mut self, token: &Token<'_>) -> Result<(), &'static str> {
        match token {
            Token::End => {
                if let Some(open) = self.open.pop() {
                    self.out.push(if open.dict { b'}' } else { b']' });
                }
                return Ok(());
            }
            Token::Tag(_) if self.rules == Rules::Strict => {
                return Err("JSON cannot carry this CBOR tag");
            }
            Token::Tag(_) => return Ok(()),
            _ => {}
        }
        if let Some(open) = self.open.last_mut() {
            let is_key = open.dict && !open.keyed;
            if (is_key || !open.dict) && !std::mem::take(&mut open.empty) {
                self.out.push(b',');
            }
            open.keyed = is_key;
            if is_key {
                key(self.out, token, self.rules)?;
                self.out.push(b':');
                return Ok(());
            }
        }
        match token {
            Token::List(_) => self.container(false),
            Token::Dict(_) => self.container(true),
            token => scalar(self.out, token, self.rules)?,
        }
        Ok(())
    }

    fn container(&mut self, dict: bool) {
        self.out.push(if dict { b'{' } else { b'[' });
        self.open.push(Open { dict, empty: true, keyed: false });
    }
}

/// A key in JSON, where all keys are strings: what is none is written as the value would be. `None`
/// for lists and dicts.
pub fn key_text(token: &Token<'_>) -> Option<String> {
    if let Token::Text(text) = token {
        return Some(text.clone().into_owned());
    }
    let mut out = Vec::new();
    scalar(&mut out, token, Rules::Tolerant).ok()?;
    Some(match &*out {
        [b'"', inner @ .., b'"'] => super::text::unescape(inner).into_owned(),
        text => String::from_utf8_lossy(text).into_owned(),
    })
}

fn key(out: &mut Vec<u8>, token: &Token<'_>, rules: Rules) -> Result<(), &'static str> {
    match token {
        Token::Text(text) => write_string(out, text),
        _ if rules == Rules::Strict => return Err("JSON has no keys but strings"),
        token => {
            let text = key_text(token).ok_or("JSON has no lists or dicts as keys")?;
            write_string(out, &text);
        }
    }
    Ok(())
}

fn scalar(out: &mut Vec<u8>, token: &Token<'_>, rules: Rules) -> Result<(), &'static str> {
    let digits = |out: &mut Vec<u8>, text: Option<String>| match text {
        Some(text) => {
            out.extend_from_slice(text.as_bytes());
            Ok(())
        }
        None if rules == Rules::Strict => Err("the number is too large"),
        None => {
            out.extend_from_slice(b"null");
            Ok(())
        }
    };
    match token {
        Token::Null => out.extend_from_slice(b"null"),
        Token::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Token::Uint(number) => {
            out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
        }
        Token::Negative(number) => {
            let number = -1 - i128::from(*number);
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
        Token::Big(big) => digits(out, big.digits())?,
        Token::Decimal(exponent, mantissa) => digits(out, decimal_text(*exponent, mantissa))?,
        Token::Float(float) if float.is_finite() => write_float(out, *float),
        Token::Float(_) if rules == Rules::Strict => {
            return Err("JSON has neither NaN nor infinity");
        }
        Token::Float(_) => out.extend_from_slice(b"null"),
        Token::Text(text) if text.starts_with('\0') && rules == Rules::Strict => {
            return Err("JSON over WAMP cannot carry a text that begins with U+0000");
        }
        Token::Text(text) => write_string(out, text),
        Token::Binary(bytes) => write_binary(out, bytes),
        Token::Timestamp(timestamp) => match timestamp.text() {
            Some(text) => write_string(out, &text),
            None if rules == Rules::Strict => {
                return Err("JSON has no time before the year 0 and after 9999");
            }
            None => out.extend_from_slice(itoa::Buffer::new().format(timestamp.seconds).as_bytes()),
        },
        Token::Ext(..) if rules == Rules::Strict => {
            return Err("JSON cannot carry this MsgPack extension type");
        }
        Token::Ext(_, bytes) => write_binary(out, bytes),
        Token::List(_) | Token::Dict(_) | Token::Tag(_) | Token::End => {
            return Err("expected a number, text, bytes, true, false or null");
        }
    }
    Ok(())
}

/// Writes a finite number; a whole one with `.0` or an exponent, so that it stays what it is.
pub fn write_float(out: &mut Vec<u8>, float: f64) {
    // Writing to memory does not fail.
    let _ = write!(out, "{float:?}");
}
