//! A look at the value that begins at a place.

use std::borrow::Cow;

use crate::codec::binary::{Cbor, Format, Head, MsgPack};
use crate::codec::json::scan::{Rules, Scanner};
use crate::codec::json::text::{binary, unescape};
use crate::codec::token::decimal_text;
use crate::codec::transcode::Source;
use crate::codec::{Encoding, Token};

use super::Node;

/// The value that was found.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// A list or dict, or a value that is no more than its node.
    Node(Node),
    /// Text of JSON that has escapes in it.
    Escaped(&'a [u8]),
    /// Text.
    Text(Cow<'a, [u8]>),
    /// Bytes.
    Binary(Cow<'a, [u8]>),
}

impl<'a> Found<'a> {
    /// Looks at the value that begins at `at`; `None` if there is none.
    #[inline]
    pub(super) fn at(encoding: Encoding, bytes: &'a [u8], at: usize) -> Option<Found<'a>> {
        match encoding {
            Encoding::Json => json(bytes, at),
            Encoding::MsgPack => encoded::<MsgPack>(bytes, at),
            Encoding::Cbor => encoded::<Cbor>(bytes, at),
        }
    }
}

/// The text of a key as it stands there; `None` where it must be made first.
#[inline]
pub(super) fn plain_key(encoding: Encoding, bytes: &[u8], at: usize) -> Option<&[u8]> {
    match encoding {
        Encoding::Json => {
            let mut scan = Scanner::new(bytes, Rules::Tolerant);
            scan.seek(at);
            let (inner, has_escapes) = scan.skip_text().ok()?;
            (!has_escapes).then_some(inner)
        }
        Encoding::MsgPack => plain_text::<MsgPack>(bytes, at),
        Encoding::Cbor => plain_text::<Cbor>(bytes, at),
    }
}

fn plain_text<F: Format>(bytes: &[u8], mut at: usize) -> Option<&[u8]> {
    match F::head(bytes, &mut at).ok()? {
        Head::Text(Some(len)) => bytes.get(at..at.checked_add(usize::try_from(len).ok()?)?),
        _ => None,
    }
}

#[inline]
fn json(text: &[u8], at: usize) -> Option<Found<'_>> {
    let mut scan = Scanner::new(text, Rules::Tolerant);
    scan.seek(at);
    scan.skip_space();
    Some(match scan.peek()? {
        b'[' => Found::Node(Node::List),
        b'{' => Found::Node(Node::Dict),
        b'"' => {
            let (inner, has_escapes) = scan.skip_text().ok()?;
            string(inner, has_escapes)
        }
        _ => Found::Node(scalar(scan.skip_value().ok()?)),
    })
}

#[inline]
fn string(inner: &[u8], has_escapes: bool) -> Found<'_> {
    let may_be_binary = matches!(inner, [0, ..] | [b'\\', b'u', b'0', b'0', b'0', b'0', ..]);
    if may_be_binary && let Some(bytes) = binary(&unescape(inner)) {
        return Found::Binary(Cow::Owned(bytes));
    }
    match has_escapes {
        true => Found::Escaped(inner),
        false => Found::Text(Cow::Borrowed(inner)),
    }
}

/// A number or word that has passed the scanner.
fn scalar(text: &[u8]) -> Node {
    match text {
        b"null" => return Node::Null,
        b"true" => return Node::Bool(true),
        b"false" => return Node::Bool(false),
        b"NaN" => return Node::Double(f64::NAN),
        b"Infinity" => return Node::Double(f64::INFINITY),
        b"-Infinity" => return Node::Double(f64::NEG_INFINITY),
        _ => {}
    }
    let text = std::str::from_utf8(text).unwrap_or_default();
    if let Ok(number) = text.parse::<i64>() {
        return Node::Int(number);
    }
    if let Ok(number) = text.parse::<u64>() {
        return Node::Uint(number);
    }
    Node::Double(text.parse().unwrap_or(f64::NAN))
}

fn encoded<F: Format>(bytes: &[u8], at: usize) -> Option<Found<'_>> {
    let mut behind = at;
    Some(match F::head(bytes, &mut behind).ok()? {
        Head::List(_) => Found::Node(Node::List),
        Head::Dict(_) => Found::Node(Node::Dict),
        Head::Text(Some(_)) => Found::Text(Cow::Borrowed(plain_text::<F>(bytes, at)?)),
        _ => tokens(Source::new(F::ENCODING, bytes.get(at..)?, Rules::Tolerant))?,
    })
}

fn tokens(mut source: Source<'_>) -> Option<Found<'_>> {
    let token = loop {
        match source.next_token().ok()?? {
            Token::Tag(_) => {}
            token => break token,
        }
    };
    let node = match token {
        Token::Null | Token::Tag(_) | Token::End => Node::Null,
        Token::List(_) => Node::List,
        Token::Dict(_) => Node::Dict,
        Token::Bool(value) => Node::Bool(value),
        Token::Uint(value) => i64::try_from(value).map_or(Node::Uint(value), Node::Int),
        Token::Negative(value) => match i64::try_from(value) {
            Ok(value) => Node::Int(-1 - value),
            // Rounded once, as of its digits.
            Err(_) => Node::Double((-1 - i128::from(value)) as f64),
        },
        Token::Big(big) => Node::Double(big.float()),
        Token::Decimal(exponent, mantissa) => {
            let text = decimal_text(exponent, &mantissa);
            let nearest = text.and_then(|text| text.parse().ok());
            Node::Double(nearest.unwrap_or_else(|| mantissa.float()))
        }
        Token::Float(value) => Node::Double(value),
        Token::Text(text) => return Some(Found::Text(to_bytes(text))),
        Token::Binary(bytes) => return Some(Found::Binary(bytes)),
        Token::Ext(_, bytes) => return Some(Found::Binary(Cow::Borrowed(bytes))),
        Token::Timestamp(timestamp) => match timestamp.text() {
            Some(text) => return Some(Found::Text(Cow::Owned(text.into_bytes()))),
            None => Node::Int(timestamp.seconds),
        },
    };
    Some(Found::Node(node))
}

fn to_bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}
