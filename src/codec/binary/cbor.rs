//! The heads of CBOR (`wamp.2.cbor`): RFC 8949.

use super::super::timestamp::Timestamp;
use super::super::token::Big;
use super::super::{CodecError, Encoding, Rules};
use super::{Format, Head, take};

/// See the module's text.
#[derive(Debug, Clone, Copy)]
pub struct Cbor;

/// The tags that have tokens of their own.
pub mod tag {
    #![expect(missing_docs, reason = "the names are those of RFC 8949")]
    pub const TIME_TEXT: u64 = 0;
    pub const TIME_NUMBER: u64 = 1;
    pub const BIG: u64 = 2;
    pub const BIG_NEGATIVE: u64 = 3;
    pub const DECIMAL: u64 = 4;
    /// "This is CBOR".
    pub const SELF: u64 = 55_799;
}

const UINT: u8 = 0 << 5;
const NEGATIVE: u8 = 1 << 5;
const BINARY: u8 = 2 << 5;
const TEXT: u8 = 3 << 5;
const LIST: u8 = 4 << 5;
const DICT: u8 = 5 << 5;
const TAG: u8 = 6 << 5;
const SIMPLE: u8 = 7 << 5;

impl Format for Cbor {
    const ENCODING: Encoding = Encoding::Cbor;

    #[inline]
    fn head(bytes: &[u8], at: &mut usize) -> Result<Head, CodecError> {
        let start = *at;
        let [first] = take(bytes, at)?;
        let (major, short) = (first & 0xe0, first & 0x1f);
        let argument = match short {
            0..=23 => Some(u64::from(short)),
            24 => Some(u8::from_be_bytes(take(bytes, at)?).into()),
            25 => Some(u16::from_be_bytes(take(bytes, at)?).into()),
            26 => Some(u32::from_be_bytes(take(bytes, at)?).into()),
            27 => Some(u64::from_be_bytes(take(bytes, at)?)),
            31 => None,
            _ => return Err(CodecError { at: start, what: "a head that CBOR does not have" }),
        };
        let wrong = CodecError { at: start, what: "an indefinite length where CBOR has none" };
        Ok(match major {
            UINT => Head::Uint(argument.ok_or(wrong)?),
            NEGATIVE => Head::Negative(argument.ok_or(wrong)?),
            BINARY => Head::Binary(argument),
            TEXT => Head::Text(argument),
            LIST => Head::List(argument),
            DICT => Head::Dict(argument),
            TAG => Head::Tag(argument.ok_or(wrong)?),
            _ => match (short, argument) {
                (20, _) => Head::Bool(false),
                (21, _) => Head::Bool(true),
                (25, Some(bits)) => Head::Float(half(bits as u16)),
                (26, Some(bits)) => Head::Float(f32::from_bits(bits as u32).into()),
                (27, Some(bits)) => Head::Float(f64::from_bits(bits)),
                (24, Some(0..=31)) => {
                    return Err(CodecError { at: start, what: "a head that CBOR does not have" });
                }
                (_, None) => Head::Break,
                // Null, undefined, and what may mean something some day.
                _ => Head::Null,
            },
        })
    }

    fn null(out: &mut Vec<u8>) {
        out.push(SIMPLE | 22);
    }

    fn bool(out: &mut Vec<u8>, value: bool) {
        out.push(SIMPLE | (20 + u8::from(value)));
    }

    #[inline]
    fn uint(out: &mut Vec<u8>, value: u64) {
        head(out, UINT, value);
    }

    fn negative(out: &mut Vec<u8>, value: u64) -> bool {
        head(out, NEGATIVE, value);
        true
    }

    fn float(out: &mut Vec<u8>, value: f64) {
        out.push(SIMPLE | 27);
        out.extend(value.to_be_bytes());
    }

    #[inline]
    fn text(out: &mut Vec<u8>, len: usize) {
        head(out, TEXT, len as u64);
    }

    fn binary(out: &mut Vec<u8>, len: usize) {
        head(out, BINARY, len as u64);
    }

    #[inline]
    fn list(out: &mut Vec<u8>, len: usize) {
        head(out, LIST, len as u64);
    }

    #[inline]
    fn dict(out: &mut Vec<u8>, len: usize) {
        head(out, DICT, len as u64);
    }

    fn timestamp(
        out: &mut Vec<u8>,
        timestamp: Timestamp,
        rules: Rules,
    ) -> Result<(), &'static str> {
        match timestamp.text() {
            // A double does not hold the nanoseconds of our days.
            Some(text) if timestamp.nanos > 0 => {
                head(out, TAG, tag::TIME_TEXT);
                head(out, TEXT, text.len() as u64);
                out.extend_from_slice(text.as_bytes());
            }
            None if timestamp.nanos > 0 && rules == Rules::Strict => {
                return Err("CBOR has no nanoseconds before the year 0 and after 9999");
            }
            None if timestamp.nanos > 0 => {
                head(out, TAG, tag::TIME_NUMBER);
                Self::float(out, timestamp.seconds as f64 + f64::from(timestamp.nanos) / 1e9);
            }
            _ => {
                head(out, TAG, tag::TIME_NUMBER);
                match u64::try_from(timestamp.seconds) {
                    Ok(seconds) => head(out, UINT, seconds),
                    Err(_) => head(out, NEGATIVE, (-1 - timestamp.seconds) as u64),
                }
            }
        }
        Ok(())
    }

    fn big(out: &mut Vec<u8>, big: &Big<'_>, _: Rules) -> Result<(), &'static str> {
        head(out, TAG, if big.negative { tag::BIG_NEGATIVE } else { tag::BIG });
        head(out, BINARY, big.magnitude.len() as u64);
        out.extend_from_slice(&big.magnitude);
        Ok(())
    }

    fn decimal(
        out: &mut Vec<u8>,
        exponent: i64,
        mantissa: &Big<'_>,
        rules: Rules,
    ) -> Result<(), &'static str> {
        head(out, TAG, tag::DECIMAL);
        head(out, LIST, 2);
        match u64::try_from(exponent) {
            Ok(exponent) => head(out, UINT, exponent),
            Err(_) => head(out, NEGATIVE, (-1 - exponent) as u64),
        }
        match mantissa.clone().token() {
            super::super::Token::Uint(number) => head(out, UINT, number),
            super::super::Token::Negative(number) => head(out, NEGATIVE, number),
            _ => Self::big(out, mantissa, rules)?,
        }
        Ok(())
    }

    fn tag(out: &mut Vec<u8>, tag: u64, _: Rules) -> Result<(), &'static str> {
        head(out, TAG, tag);
        Ok(())
    }

    fn ext(out: &mut Vec<u8>, _: i8, bytes: &[u8], rules: Rules) -> Result<(), &'static str> {
        if rules == Rules::Strict {
            return Err("CBOR cannot carry this MsgPack extension type");
        }
        head(out, BINARY, bytes.len() as u64);
        out.extend_from_slice(bytes);
        Ok(())
    }
}

#[inline]
fn head(out: &mut Vec<u8>, major: u8, argument: u64) {
    match argument {
        0..=23 => out.push(major | argument as u8),
        24..=0xff => out.extend([major | 24, argument as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend((argument as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend((argument as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend(argument.to_be_bytes());
        }
    }
}

/// A number of 16 bits: sign, 5 bits of exponent, 10 of mantissa.
fn half(bits: u16) -> f64 {
    let exponent = i32::from(bits >> 10 & 0x1f);
    let mantissa = f64::from(bits & 0x3ff);
    let value = match exponent {
        0 => mantissa * 2_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_floats() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0x3e00, 1.5),
            (0x7bff, 65_504.0),
            (0x0001, 5.960_464_477_539_063e-8),
            (0x0400, 0.000_061_035_156_25),
            (0xc400, -4.0),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
