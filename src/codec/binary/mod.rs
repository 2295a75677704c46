//! The common part of MsgPack and CBOR: values that begin with a head, which tells their kind and
//! their length.
//!
//! A [`Format`] says how heads are read and written: [`msgpack`] and [`cbor`]. All
//! else is the same for both:
//!
//! * [`scan`]: steps over values and checks them without making anything of them.
//! * [`source`], [`sink`]: values as tokens.
//! * [`reader`]: takes a received message apart, element by element.

pub mod cbor;
pub mod msgpack;
pub mod reader;
pub mod scan;
pub mod sink;
pub mod source;

pub use cbor::Cbor;
pub use msgpack::MsgPack;
pub use reader::Reader;
pub use scan::Scanner;
pub use sink::Sink;
pub use source::Source;

use super::timestamp::Timestamp;
use super::token::Big;
use super::{CodecError, Encoding, Rules};

/// The head that a value begins with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Head {
    /// Null, or something else that stands for no value.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Uint(u64),
    /// -1 - n.
    Negative(u64),
    /// A floating point number.
    Float(f64),
    /// Bytes of text follow; `None`: chunks, up to a break.
    Text(Option<u64>),
    /// Bytes follow; `None`: chunks, up to a break.
    Binary(Option<u64>),
    /// Bytes of this extension type follow.
    Ext(i8, u64),
    /// Values follow; `None`: up to a break.
    List(Option<u64>),
    /// Twice as many values follow; `None`: up to a break.
    Dict(Option<u64>),
    /// A value follows, which has this tag.
    Tag(u64),
    /// The end of something without a length.
    Break,
}

/// An encoding of this family.
pub trait Format: 'static {
    /// The encoding that this is.
    const ENCODING: Encoding;

    /// Reads a head; moves `at` behind it.
    fn head(bytes: &[u8], at: &mut usize) -> Result<Head, CodecError>;

    /// Writes null.
    fn null(out: &mut Vec<u8>);
    /// Writes true or false.
    fn bool(out: &mut Vec<u8>, value: bool);
    /// Writes a whole number.
    fn uint(out: &mut Vec<u8>, value: u64);
    /// Writes -1 - n; false if there is no such number.
    fn negative(out: &mut Vec<u8>, value: u64) -> bool;
    /// Writes a floating point number.
    fn float(out: &mut Vec<u8>, value: f64);
    /// Writes what text of this length begins with.
    fn text(out: &mut Vec<u8>, len: usize);
    /// Writes what bytes of this length begin with.
    fn binary(out: &mut Vec<u8>, len: usize);
    /// Writes what a list begins with. For up to 15 entries that is one byte.
    fn list(out: &mut Vec<u8>, len: usize);
    /// Writes what a dict begins with. For up to 15 entries that is one byte.
    fn dict(out: &mut Vec<u8>, len: usize);
    /// Writes a point in time, or what comes nearest.
    fn timestamp(out: &mut Vec<u8>, timestamp: Timestamp, rules: Rules)
    -> Result<(), &'static str>;
    /// Writes a number beyond 64 bits, or what comes nearest.
    fn big(out: &mut Vec<u8>, big: &Big<'_>, rules: Rules) -> Result<(), &'static str>;
    /// Writes a decimal fraction, or what comes nearest.
    fn decimal(
        out: &mut Vec<u8>,
        exponent: i64,
        mantissa: &Big<'_>,
        rules: Rules,
    ) -> Result<(), &'static str>;
    /// Writes the tag of the value that comes next, or leaves it out.
    fn tag(out: &mut Vec<u8>, tag: u64, rules: Rules) -> Result<(), &'static str>;
    /// Writes a value of an extension type, or what comes nearest.
    fn ext(out: &mut Vec<u8>, kind: i8, bytes: &[u8], rules: Rules) -> Result<(), &'static str>;
    /// A point in time that is an extension of this type with these bytes.
    fn timestamp_from_ext(_kind: i8, _bytes: &[u8]) -> Option<Timestamp> {
        None
    }
}

/// Takes `N` bytes.
#[inline]
pub(super) fn take<const N: usize>(bytes: &[u8], at: &mut usize) -> Result<[u8; N], CodecError> {
    match bytes.get(*at..).and_then(|rest| rest.first_chunk::<N>()) {
        Some(taken) => {
            *at += N;
            Ok(*taken)
        }
        None => Err(CodecError { at: bytes.len(), what: TOO_SHORT }),
    }
}

pub(super) const TOO_SHORT: &str = "the value ends too early";
