//! The common ground of all encodings: a value as a stream of tokens.
//!
//! A *source* takes an encoded value apart into tokens, a *sink* makes another thing of them: see
//! [`mod@super::transcode`]. Only what at least one encoding can say has a token.

use std::borrow::Cow;

use super::timestamp::Timestamp;

/// One step through a value.
///
/// In a dict keys and values come in turn. Lists and dicts tell the number of their entries where
/// the source knows it.
#[derive(Debug, Clone, PartialEq)]
pub enum Token<'a> {
    /// Nothing; CBOR's `undefined` and its unassigned simple values too.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number from 0 to 2^64 - 1.
    Uint(u64),
    /// The whole number -1 - n.
    Negative(u64),
    /// A whole number beyond that.
    Big(Big<'a>),
    /// The number `.1` times ten to the power of `.0`.
    Decimal(i64, Big<'a>),
    /// A floating point number.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes.
    Binary(Cow<'a, [u8]>),
    /// A point in time.
    Timestamp(Timestamp),
    /// The next value has this CBOR tag, which has no token of its own.
    Tag(u64),
    /// A value of a MsgPack extension type.
    Ext(i8, &'a [u8]),
    /// A list begins.
    List(Option<usize>),
    /// A dict begins.
    Dict(Option<usize>),
    /// The innermost list or dict ends.
    End,
}

/// A whole number of any size: the magnitude, or -1 minus the magnitude.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Big<'a> {
    /// True for a negative number.
    pub negative: bool,
    /// Big endian, without zeros in front.
    pub magnitude: Cow<'a, [u8]>,
}

/// The largest number that is written out in digits, in bytes; it is beyond all doubles.
const MAX_BYTES: usize = 256;
/// As many digits as that has.
const MAX_DIGITS: usize = 617;

const BILLION: u64 = 1_000_000_000;

impl<'a> Big<'a> {
    /// Of a magnitude that may begin with zeros.
    pub fn new(negative: bool, magnitude: impl Into<Cow<'a, [u8]>>) -> Big<'a> {
        let mut magnitude = magnitude.into();
        let zeros = magnitude.iter().take_while(|byte| **byte == 0).count();
        if zeros > 0 {
            magnitude = match magnitude {
                Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[zeros..]),
                Cow::Owned(bytes) => Cow::Owned(bytes[zeros..].to_vec()),
            };
        }
        Big { negative, magnitude }
    }

    /// Of decimal digits, with `-` before them or not; `None` for what is no such number or is too
    /// long.
    pub fn from_digits(text: &str) -> Option<Big<'static>> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        if digits.is_empty() || digits.len() > MAX_DIGITS {
            return None;
        }
        // Base 2^32, the least first.
        let mut limbs: Vec<u32> = Vec::new();
        for digit in digits.bytes() {
            let mut carry = u64::from(char::from(digit).to_digit(10)?);
            for limb in &mut limbs {
                let sum = u64::from(*limb) * 10 + carry;
                *limb = sum as u32;
                carry = sum >> 32;
            }
            if carry > 0 {
                limbs.push(carry as u32);
            }
        }
        if negative {
            // -1 - magnitude: one less. Zero has no sign.
            let Some(least) = limbs.iter().position(|limb| *limb > 0) else {
                return Some(Big::new(false, Vec::new()));
            };
            limbs[least] -= 1;
            limbs[..least].fill(u32::MAX);
        }
        let bytes: Vec<u8> = limbs.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
        Some(Big::new(negative, bytes)).filter(|big| big.magnitude.len() <= MAX_BYTES)
    }

    /// Its decimal digits, `-` before them where it is negative; `None` if there are too many.
    pub fn digits(&self) -> Option<String> {
        if self.magnitude.len() > MAX_BYTES {
            return None;
        }
        // Base 2^32, the greatest first.
        let mut limbs: Vec<u32> = self
            .magnitude
            .rchunks(4)
            .rev()
            .map(|chunk| chunk.iter().fold(0, |limb, byte| limb << 8 | u32::from(*byte)))
            .collect();
        if self.negative {
            let mut carry = true;
            for limb in limbs.iter_mut().rev() {
                let (sum, over) = limb.overflowing_add(u32::from(carry));
                *limb = sum;
                carry = over;
            }
            if carry {
                limbs.insert(0, 1);
            }
        }
        let mut groups = Vec::new();
        while limbs.iter().any(|limb| *limb > 0) {
            let mut rest = 0;
            for limb in &mut limbs {
                let value = rest << 32 | u64::from(*limb);
                *limb = (value / BILLION) as u32;
                rest = value % BILLION;
            }
            groups.push(rest);
        }
        let sign = if self.negative { "-" } else { "" };
        let first = groups.pop().unwrap_or(0);
        let rest = groups.iter().rev().map(|group| format!("{group:09}"));
        Some(format!("{sign}{first}{}", rest.collect::<String>()))
    }

    /// The nearest double.
    pub fn float(&self) -> f64 {
        let infinite = if self.negative { f64::NEG_INFINITY } else { f64::INFINITY };
        self.digits().and_then(|digits| digits.parse().ok()).unwrap_or(infinite)
    }

    /// The simplest token for this number.
    pub fn token(self) -> Token<'a> {
        if self.magnitude.len() > 8 {
            return Token::Big(self);
        }
        let number = self.magnitude.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        if self.negative { Token::Negative(number) } else { Token::Uint(number) }
    }
}

/// `mantissa` times ten to the power of `exponent`, as JSON writes it; `None` if it is too long.
/// Always with an exponent, as by digits alone it would be a whole number in JSON.
pub fn decimal_text(exponent: i64, mantissa: &Big<'_>) -> Option<String> {
    Some(format!("{}e{exponent}", mantissa.digits()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_of_any_size_have_digits() {
        let huge = "340282366920938463463374607431768211456";
        for text in ["0", "1", "-1", "4294967296", "18446744073709551616", huge] {
            assert_eq!(Big::from_digits(text).unwrap().digits().unwrap(), text);
        }
        assert_eq!(Big::from_digits("-256").unwrap().magnitude.as_ref(), [255]);
        assert_eq!(Big::from_digits("-0").unwrap().token(), Token::Uint(0));
        assert_eq!(
            Big::from_digits("18446744073709551615").unwrap().token(),
            Token::Uint(u64::MAX)
        );
        for negative in [false, true] {
            let largest = Big::new(negative, vec![255; MAX_BYTES]);
            assert_eq!(Big::from_digits(&largest.digits().unwrap()), Some(largest));
        }
        assert_eq!(Big::from_digits(&"9".repeat(617)), None);
        assert_eq!(Big::new(true, vec![1; 257]).digits(), None);
        assert_eq!(Big::new(true, vec![1; 257]).float(), f64::NEG_INFINITY);
        assert_eq!(decimal_text(-2, &Big::from_digits("27315").unwrap()).unwrap(), "27315e-2");
    }

    proptest! {
        #[test]
        fn digits_there_and_back(negative: bool, bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let big = Big::new(negative, bytes);
            let digits = big.digits().unwrap();
            prop_assert_eq!(Big::from_digits(&digits).unwrap(), big);
        }

        #[test]
        fn small_ones_agree_with_i128(number: i128) {
            let number = number >> 1;
            let big = Big::from_digits(&number.to_string()).unwrap();
            prop_assert_eq!(big.digits().unwrap(), number.to_string());
            prop_assert_eq!(big.float(), number as f64);
        }
    }
}
