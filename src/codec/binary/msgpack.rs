//! The heads of MsgPack (`wamp.2.msgpack`):
//! <https://github.com/msgpack/msgpack/blob/master/spec.md>.

use super::super::timestamp::Timestamp;
use super::super::token::{Big, decimal_text};
use super::super::{CodecError, Encoding, Rules};
use super::{Format, Head, take};

/// See the module's text.
#[derive(Debug, Clone, Copy)]
pub struct MsgPack;

/// The extension type of timestamps.
const TIMESTAMP: i8 = -1;

impl Format for MsgPack {
    const ENCODING: Encoding = Encoding::MsgPack;

    #[inline]
    fn head(bytes: &[u8], at: &mut usize) -> Result<Head, CodecError> {
        let start = *at;
        let [first] = take(bytes, at)?;
        macro_rules! number {
            ($kind:ty) => {
                <$kind>::from_be_bytes(take(bytes, at)?)
            };
        }
        Ok(match first {
            0x00..=0x7f => Head::Uint(u64::from(first)),
            0x80..=0x8f => Head::Dict(Some(u64::from(first & 0x0f))),
            0x90..=0x9f => Head::List(Some(u64::from(first & 0x0f))),
            0xa0..=0xbf => Head::Text(Some(u64::from(first & 0x1f))),
            0xc0 => Head::Null,
            0xc1 => return Err(CodecError { at: start, what: "the byte 0xc1 is not MsgPack" }),
            0xc2 => Head::Bool(false),
            0xc3 => Head::Bool(true),
            0xc4 => Head::Binary(Some(number!(u8).into())),
            0xc5 => Head::Binary(Some(number!(u16).into())),
            0xc6 => Head::Binary(Some(number!(u32).into())),
            0xc7 => ext(number!(u8).into(), number!(i8)),
            0xc8 => ext(number!(u16).into(), number!(i8)),
            0xc9 => ext(number!(u32).into(), number!(i8)),
            0xca => Head::Float(number!(f32).into()),
            0xcb => Head::Float(number!(f64)),
            0xcc => Head::Uint(number!(u8).into()),
            0xcd => Head::Uint(number!(u16).into()),
            0xce => Head::Uint(number!(u32).into()),
            0xcf => Head::Uint(number!(u64)),
            0xd0 => signed(number!(i8).into()),
            0xd1 => signed(number!(i16).into()),
            0xd2 => signed(number!(i32).into()),
            0xd3 => signed(number!(i64)),
            0xd4..=0xd8 => ext(1 << (first - 0xd4), number!(i8)),
            0xd9 => Head::Text(Some(number!(u8).into())),
            0xda => Head::Text(Some(number!(u16).into())),
            0xdb => Head::Text(Some(number!(u32).into())),
            0xdc => Head::List(Some(number!(u16).into())),
            0xdd => Head::List(Some(number!(u32).into())),
            0xde => Head::Dict(Some(number!(u16).into())),
            0xdf => Head::Dict(Some(number!(u32).into())),
            0xe0..=0xff => signed((first as i8).into()),
        })
    }

    fn null(out: &mut Vec<u8>) {
        out.push(0xc0);
    }

    fn bool(out: &mut Vec<u8>, value: bool) {
        out.push(0xc2 + u8::from(value));
    }

    #[inline]
    fn uint(out: &mut Vec<u8>, value: u64) {
        match value {
            0..=0x7f => out.push(value as u8),
            0x80..=0xff => out.extend([0xcc, value as u8]),
            0x100..=0xffff => sized(out, 0xcd, (value as u16).to_be_bytes()),
            0x1_0000..=0xffff_ffff => sized(out, 0xce, (value as u32).to_be_bytes()),
            _ => sized(out, 0xcf, value.to_be_bytes()),
        }
    }

    fn negative(out: &mut Vec<u8>, value: u64) -> bool {
        let Ok(value) = i64::try_from(value) else {
            return false;
        };
        match -1 - value {
            value @ -32..=-1 => out.push(value as i8 as u8),
            value @ -0x80..=-33 => sized(out, 0xd0, (value as i8).to_be_bytes()),
            value @ -0x8000..=-0x81 => sized(out, 0xd1, (value as i16).to_be_bytes()),
            value @ -0x8000_0000..=-0x8001 => sized(out, 0xd2, (value as i32).to_be_bytes()),
            value => sized(out, 0xd3, value.to_be_bytes()),
        }
        true
    }

    fn float(out: &mut Vec<u8>, value: f64) {
        sized(out, 0xcb, value.to_be_bytes());
    }

    #[inline]
    fn text(out: &mut Vec<u8>, len: usize) {
        match len {
            0..=31 => out.push(0xa0 | len as u8),
            32..=0xff => out.extend([0xd9, len as u8]),
            0x100..=0xffff => sized(out, 0xda, (len as u16).to_be_bytes()),
            _ => sized(out, 0xdb, (len as u32).to_be_bytes()),
        }
    }

    fn binary(out: &mut Vec<u8>, len: usize) {
        match len {
            0..=0xff => out.extend([0xc4, len as u8]),
            0x100..=0xffff => sized(out, 0xc5, (len as u16).to_be_bytes()),
            _ => sized(out, 0xc6, (len as u32).to_be_bytes()),
        }
    }

    #[inline]
    fn list(out: &mut Vec<u8>, len: usize) {
        match len {
            0..=15 => out.push(0x90 | len as u8),
            16..=0xffff => sized(out, 0xdc, (len as u16).to_be_bytes()),
            _ => sized(out, 0xdd, (len as u32).to_be_bytes()),
        }
    }

    #[inline]
    fn dict(out: &mut Vec<u8>, len: usize) {
        match len {
            0..=15 => out.push(0x80 | len as u8),
            16..=0xffff => sized(out, 0xde, (len as u16).to_be_bytes()),
            _ => sized(out, 0xdf, (len as u32).to_be_bytes()),
        }
    }

    fn timestamp(out: &mut Vec<u8>, timestamp: Timestamp, _: Rules) -> Result<(), &'static str> {
        let Timestamp { seconds, nanos } = timestamp;
        match u64::try_from(seconds) {
            Ok(seconds) if nanos == 0 && seconds <= u64::from(u32::MAX) => {
                out.extend([0xd6, TIMESTAMP as u8]);
                out.extend((seconds as u32).to_be_bytes());
            }
            Ok(seconds) if seconds >> 34 == 0 => {
                out.extend([0xd7, TIMESTAMP as u8]);
                out.extend((u64::from(nanos) << 34 | seconds).to_be_bytes());
            }
            _ => {
                out.extend([0xc7, 12, TIMESTAMP as u8]);
                out.extend(nanos.to_be_bytes());
                out.extend(seconds.to_be_bytes());
            }
        }
        Ok(())
    }

    fn big(out: &mut Vec<u8>, big: &Big<'_>, rules: Rules) -> Result<(), &'static str> {
        if rules == Rules::Strict {
            return Err("MsgPack has no whole numbers beyond 64 bits");
        }
        Self::float(out, big.float());
        Ok(())
    }

    fn decimal(
        out: &mut Vec<u8>,
        exponent: i64,
        mantissa: &Big<'_>,
        rules: Rules,
    ) -> Result<(), &'static str> {
        let float = decimal_text(exponent, mantissa).and_then(|text| text.parse().ok());
        match float.filter(|float: &f64| float.is_finite() || rules == Rules::Tolerant) {
            Some(float) => Self::float(out, float),
            None if rules == Rules::Strict => return Err("the decimal fraction is too large"),
            None => Self::float(out, mantissa.float()),
        }
        Ok(())
    }

    fn tag(_: &mut Vec<u8>, _: u64, rules: Rules) -> Result<(), &'static str> {
        match rules {
            Rules::Strict => Err("MsgPack cannot carry this CBOR tag"),
            Rules::Tolerant => Ok(()),
        }
    }

    fn ext(out: &mut Vec<u8>, kind: i8, bytes: &[u8], _: Rules) -> Result<(), &'static str> {
        match bytes.len() {
            len @ (1 | 2 | 4 | 8 | 16) => out.push(0xd4 + len.ilog2() as u8),
            len @ 0..=0xff => out.extend([0xc7, len as u8]),
            len @ 0x100..=0xffff => sized(out, 0xc8, (len as u16).to_be_bytes()),
            len => sized(out, 0xc9, (len as u32).to_be_bytes()),
        }
        out.push(kind as u8);
        out.extend_from_slice(bytes);
        Ok(())
    }

    fn timestamp_from_ext(kind: i8, bytes: &[u8]) -> Option<Timestamp> {
        if kind != TIMESTAMP {
            return None;
        }
        let timestamp = match bytes.len() {
            4 => Timestamp { seconds: u32::from_be_bytes(bytes.try_into().ok()?).into(), nanos: 0 },
            8 => {
                let both = u64::from_be_bytes(bytes.try_into().ok()?);
                Timestamp { seconds: (both & ((1 << 34) - 1)) as i64, nanos: (both >> 34) as u32 }
            }
            12 => {
                let (nanos, seconds) = bytes.split_first_chunk::<4>()?;
                let seconds = i64::from_be_bytes(seconds.try_into().ok()?);
                Timestamp { seconds, nanos: u32::from_be_bytes(*nanos) }
            }
            _ => return None,
        };
        Some(timestamp).filter(|timestamp| timestamp.nanos < 1_000_000_000)
    }
}

fn ext(len: u64, kind: i8) -> Head {
    Head::Ext(kind, len)
}

#[inline]
fn signed(value: i64) -> Head {
    match u64::try_from(value) {
        Ok(value) => Head::Uint(value),
        Err(_) => Head::Negative((-1 - value) as u64),
    }
}

#[inline]
fn sized<const N: usize>(out: &mut Vec<u8>, head: u8, number: [u8; N]) {
    out.push(head);
    out.extend_from_slice(&number);
}
