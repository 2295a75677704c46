//! JSON strings: reading escapes, writing them, and WAMP's binary values.
//!
//! A string *value* that begins with U+0000 and goes on in base64 is binary (specification,
//! "Binary conversion of JSON strings"). Keys and the URIs of a message are never binary.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::utf8::lossy;
use super::scan::{Rules, plain_run};

/// The text between the quotes of a JSON string, with its escapes resolved.
///
/// The text has passed the scanner. A lone surrogate becomes U+FFFD, as it has no UTF-8.
pub fn unescape(inner: &[u8]) -> Cow<'_, str> {
    resolve(inner).0
}

/// The same; `None` where a lone surrogate would be lost.
pub fn unescape_exactly(inner: &[u8]) -> Option<Cow<'_, str>> {
    let (text, exact) = resolve(inner);
    exact.then_some(text)
}

/// The text, and whether it is what was written.
fn resolve(inner: &[u8]) -> (Cow<'_, str>, bool) {
    let text = lossy(inner);
    if memchr::memchr(b'\\', inner).is_none() {
        return (text, true);
    }
    let mut exact = true;
    let mut plain = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let (character, used) = escape_at(&rest.as_bytes()[at..]);
        exact &= character.is_some();
        plain.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = &rest[at + used..];
    }
    plain.push_str(rest);
    (Cow::Owned(plain), exact)
}

/// The character of the escape that `text` begins with, if it is one, and the length of the escape.
fn escape_at(text: &[u8]) -> (Option<char>, usize) {
    let simple = match text.get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => return unicode_escape(text),
        Some(other) if other.is_ascii() => char::from(*other),
        _ => return (Some('\\'), 1),
    };
    (Some(simple), 2)
}

fn unicode_escape(text: &[u8]) -> (Option<char>, usize) {
    let unit = |at: usize| -> Option<u32> {
        let escape = text.get(at..at + 6)?;
        if &escape[..2] != b"\\u" {
            return None;
        }
        u32::from_str_radix(std::str::from_utf8(&escape[2..]).ok()?, 16).ok()
    };
    let Some(first) = unit(0) else {
        return (None, 2);
    };
    if let Some(character) = char::from_u32(first) {
        return (Some(character), 6);
    }
    match unit(6) {
        Some(second) if first < 0xdc00 && (0xdc00..0xe000).contains(&second) => {
            let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            (char::from_u32(code), 12)
        }
        _ => (None, 6),
    }
}

/// Writes `text` as a JSON string, quotes included.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, special) = rest.split_at(plain_run(rest, Rules::Strict));
        out.extend_from_slice(plain);
        let Some((byte, behind)) = special.split_first() else {
            break;
        };
        write_escape(out, *byte);
        rest = behind;
    }
    out.push(b'"');
}

#[cold]
fn write_escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        control => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(control >> 4)]);
            out.push(HEX[usize::from(control & 15)]);
        }
    }
}

/// Writes `bytes` as a WAMP binary value.
pub fn write_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(b"\"\\u0000");
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.push(b'"');
}

/// The bytes of a binary value; `None` for an ordinary string, also for one that begins with
/// U+0000 but does not go on in base64: such a text passes through unchanged, as in Crossbar.io.
pub fn binary(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.strip_prefix('\0')?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inner(quoted: &[u8]) -> &[u8] {
        &quoted[1..quoted.len() - 1]
    }

    #[test]
    fn resolves_escapes() {
        assert_eq!(unescape(br#"a\"\\\/\b\f\n\r\t\u00e9"#), "a\"\\/\u{8}\u{c}\n\r\t\u{e9}");
        assert_eq!(unescape(br"\ud83d\ude00!"), "\u{1f600}!");
        assert_eq!(unescape(br"\ud83d!\ude00"), "\u{fffd}!\u{fffd}");
        assert_eq!(unescape_exactly(br"\ud83d!\ude00"), None);
        assert_eq!(unescape_exactly(br"\ud83d\ude00\ufffd").unwrap(), "\u{1f600}\u{fffd}");
    }

    #[test]
    fn binary_has_the_wamp_form() {
        let mut out = Vec::new();
        write_binary(&mut out, &[0, 255, 16]);
        assert_eq!(out, br#""\u0000AP8Q""#);
        assert_eq!(binary(&unescape(inner(&out))), Some(vec![0, 255, 16]));
        assert_eq!(binary("\0not base64!"), None);
        assert_eq!(binary("AP8Q"), None);
    }

    proptest! {
        #[test]
        fn strings_survive(text in any::<String>()) {
            let mut out = Vec::new();
            write_string(&mut out, &text);
            prop_assert!(super::super::check_value(&out, super::super::Rules::Strict).is_ok());
            prop_assert_eq!(unescape(inner(&out)), text.as_str());
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
