//! Takes JSON text apart into tokens.

use std::borrow::Cow;

use super::super::token::{Big, Token};
use super::super::{CodecError, MAX_DEPTH};
use super::scan::{Rules, Scanner};
use super::text::{binary, unescape, unescape_exactly};

/// See [`mod@super::super::transcode`].
#[derive(Debug)]
pub struct Source<'a> {
    scan: Scanner<'a>,
    rules: Rules,
    /// The containers that are open, innermost last: true for dicts.
    open: Vec<bool>,
    state: State,
}

/// The token that may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The value, or one that follows a key.
    Value,
    /// The first entry of a list or dict, or its end.
    First,
    /// A comma and an entry, or the end.
    Next,
    /// All has been given.
    Done,
}

impl<'a> Source<'a> {
    /// Takes `text` apart.
    pub fn new(text: &'a [u8], rules: Rules) -> Self {
        Source { scan: Scanner::new(text, rules), rules, open: Vec::new(), state: State::Value }
    }

    /// The offset of the next byte.
    pub fn at(&self) -> usize {
        self.scan.at()
    }

    /// The next token; `None` at the end of the value.
    pub fn next_token(&mut self) -> Result<Option<Token<'a>>, CodecError> {
        let entered = match self.state {
            State::Done => return Ok(None),
            State::Value => None,
            State::First | State::Next => {
                let dict = self.open.last() == Some(&true);
                self.scan.skip_space();
                let closing = if dict { b'}' } else { b']' };
                if self.scan.peek() == Some(closing) {
                    self.scan.bump();
                    self.open.pop();
                    self.state = self.after();
                    return Ok(Some(Token::End));
                }
                if self.state == State::Next {
                    self.scan.expect(b',', "expected ',' or the closing bracket")?;
                }
                Some(dict)
            }
        };
        if entered == Some(true) {
            self.state = State::Value;
            let key = self.scan.skip_key()?;
            return self.text(key).map(Token::Text).map(Some);
        }
        self.value().map(Some)
    }

    /// After the value: checks that nothing follows.
    pub fn finish(&mut self) -> Result<(), CodecError> {
        self.scan.skip_space();
        match self.scan.peek() {
            None => Ok(()),
            Some(_) => Err(self.scan.error("text after the end of the value")),
        }
    }

    /// The token that may come after a value.
    fn after(&self) -> State {
        if self.open.is_empty() { State::Done } else { State::Next }
    }

    fn value(&mut self) -> Result<Token<'a>, CodecError> {
        self.scan.skip_space();
        let token = match self.scan.peek() {
            Some(bracket @ (b'[' | b'{')) => {
                if self.open.len() == MAX_DEPTH {
                    return Err(self.scan.error("nested too deep (more than 128 levels)"));
                }
                self.scan.bump();
                let dict = bracket == b'{';
                self.open.push(dict);
                self.state = State::First;
                return Ok(if dict { Token::Dict(None) } else { Token::List(None) });
            }
            Some(b'"') => {
                let inner = self.scan.skip_string()?;
                let text = self.text(inner)?;
                match binary(&text) {
                    Some(bytes) => Token::Binary(bytes.into()),
                    None => Token::Text(text),
                }
            }
            _ => {
                let text = self.scan.skip_value()?;
                scalar(text, self.rules)
                    .ok_or_else(|| self.scan.error("the number is too large"))?
            }
        };
        self.state = self.after();
        Ok(token)
    }

    /// The text between quotes that have passed the scanner.
    fn text(&self, inner: &'a [u8]) -> Result<Cow<'a, str>, CodecError> {
        if self.rules == Rules::Tolerant {
            return Ok(unescape(inner));
        }
        unescape_exactly(inner)
            .ok_or_else(|| self.scan.error("half of a surrogate pair, which only JSON can write"))
    }
}

/// A number or word that has passed the scanner. `None`: its size cannot be told.
fn scalar(text: &[u8], rules: Rules) -> Option<Token<'static>> {
    Some(match text {
        b"null" => Token::Null,
        b"true" => Token::Bool(true),
        b"false" => Token::Bool(false),
        b"NaN" => Token::Float(f64::NAN),
        b"Infinity" => Token::Float(f64::INFINITY),
        b"-Infinity" => Token::Float(f64::NEG_INFINITY),
        _ => return number(std::str::from_utf8(text).ok()?, rules),
    })
}

fn number(text: &str, rules: Rules) -> Option<Token<'static>> {
    if !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        if let Ok(number) = text.parse::<u64>() {
            return Some(Token::Uint(number));
        }
        if let Ok(number) = text.parse::<i64>() {
            // "-0" is no negative number.
            return Some(match u64::try_from(number) {
                Ok(number) => Token::Uint(number),
                Err(_) => Token::Negative((-1 - number) as u64),
            });
        }
        if let Some(big) = Big::from_digits(text) {
            return Some(big.token());
        }
    }
    let float: f64 = text.parse().ok()?;
    (float.is_finite() || rules == Rules::Tolerant).then_some(Token::Float(float))
}
