//! UTF-8: checked by SIMD where there is much of it.

use std::borrow::Cow;

use super::CodecError;

/// Below this size a call costs more than it gives.
const SHORT: usize = 128;

/// True for UTF-8.
#[inline]
pub fn is_utf8(bytes: &[u8]) -> bool {
    match bytes.len() {
        0..SHORT => bytes.is_ascii() || std::str::from_utf8(bytes).is_ok(),
        _ => simdutf8::basic::from_utf8(bytes).is_ok(),
    }
}

/// Text that is UTF-8; the place of a fault is told from `start` on.
#[inline]
pub(super) fn check_utf8(bytes: &[u8], start: usize) -> Result<&str, CodecError> {
    let checked = match bytes.len() {
        0..SHORT => std::str::from_utf8(bytes).ok(),
        _ => simdutf8::basic::from_utf8(bytes).ok(),
    };
    checked.ok_or_else(|| {
        let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
        CodecError { at: start + valid, what: "not UTF-8" }
    })
}

/// Text with U+FFFD in place of what is not UTF-8.
#[inline]
pub(super) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match check_utf8(bytes, 0) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_found_at_any_size() {
        for size in [0, 1, SHORT - 1, SHORT, 5 * SHORT] {
            let mut text = vec![b'a'; size];
            assert_eq!(check_utf8(&text, 7).map(str::len), Ok(size));
            text.push(0xff);
            assert!(!is_utf8(&text));
            assert_eq!(check_utf8(&text, 7), Err(CodecError { at: size + 7, what: "not UTF-8" }));
            assert_eq!(lossy(&text).chars().next_back(), Some(char::REPLACEMENT_CHARACTER));
        }
    }
}
