//! Members of messages, read with errors that name them; hexadecimal and base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::AuthError;

/// The Extra of a CHALLENGE or AUTHENTICATE, or an authextra.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) method: &'static str,
    pub(super) extra: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(method: &'static str, extra: &'a Map<String, Value>) -> Fields<'a> {
        Fields { method, extra }
    }

    pub(super) fn wrong(&self, field: &'static str, problem: &'static str) -> AuthError {
        AuthError::Malformed { method: self.method, field, problem }
    }

    /// The member; `None` also for null, which peers write where others leave a member out.
    pub(super) fn value(&self, field: &str) -> Option<&'a Value> {
        self.extra.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn optional_text(&self, field: &'static str) -> Result<Option<&'a str>, AuthError> {
        let text = |value: &'a Value| value.as_str().ok_or(self.wrong(field, "must be a string"));
        self.value(field).map(text).transpose()
    }

    pub(super) fn text(&self, field: &'static str) -> Result<&'a str, AuthError> {
        self.optional_text(field)?.ok_or(self.wrong(field, "is missing"))
    }

    pub(super) fn optional_number(&self, field: &'static str) -> Result<Option<u64>, AuthError> {
        let number = |value: &Value| whole(value).ok_or(self.wrong(field, "must be a number >= 0"));
        self.value(field).map(number).transpose()
    }

    pub(super) fn number(&self, field: &'static str) -> Result<u64, AuthError> {
        self.optional_number(field)?.ok_or(self.wrong(field, "is missing"))
    }

    /// Bytes in base64, in its one canonical form.
    pub(super) fn base64(&self, field: &'static str) -> Result<Vec<u8>, AuthError> {
        STANDARD.decode(self.text(field)?).map_err(|_| self.wrong(field, "must be base64"))
    }

    /// The 32 bytes of a key or challenge, in hexadecimal digits.
    pub(super) fn hex(&self, field: &'static str) -> Result<[u8; 32], AuthError> {
        unhex(self.text(field)?).ok_or(self.wrong(field, "must have 64 hexadecimal digits"))
    }
}

/// Some peers have only one type of number, and write 4096.0.
fn whole(value: &Value) -> Option<u64> {
    let real = || value.as_f64().filter(|real| (0.0..=9e15).contains(real) && real.fract() == 0.0);
    value.as_u64().or_else(|| real().map(|real| real as u64))
}

/// Bytes as base64.
pub(super) fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Exactly so many bytes of hexadecimal digits.
pub fn unhex<const SIZE: usize>(text: &str) -> Option<[u8; SIZE]> {
    if text.len() != 2 * SIZE {
        return None;
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|nibble| nibble as u8);
    let mut bytes = [0; SIZE];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    #[test]
    fn hexadecimal_goes_both_ways() {
        assert_eq!(hex(&[0, 0x1f, 0xff]), "001fff");
        assert_eq!(unhex::<3>("001fFF"), Some([0, 0x1f, 0xff]));
        for wrong in ["", "001ff", "001fff0", "001ffg", "+01fff", "0x1fff", "é1fff"] {
            assert_eq!(unhex::<3>(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn members_are_read_with_their_names() {
        let extra =
            json!({"a": "x", "b": 7, "c": null, "d": 4096.0, "e": 1.5, "f": -1, "g": "AB=="});
        let fields = Fields::new("wampcra", extra.as_object().unwrap());
        assert_eq!(fields.text("a").unwrap(), "x");
        assert_eq!(fields.number("b").unwrap(), 7);
        assert_eq!(fields.optional_text("c").unwrap(), None);
        assert_eq!(fields.number("d").unwrap(), 4096);
        for wrong in ["a", "c", "e", "f", "nothing"] {
            assert!(fields.number(wrong).is_err(), "{wrong}");
        }
        assert!(fields.base64("g").is_err(), "bits that nobody reads are not canonical");
        let error = fields.text("b").unwrap_err().to_string();
        assert!(error.starts_with("wampcra: `b` must be a string"), "{error}");
    }
}
