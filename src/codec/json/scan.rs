//! Walks over JSON text and checks its syntax; makes no values.
//!
//! Two sets of rules: what we send must be JSON by the letter ([`Rules::Strict`]), because a stray
//! bracket would forge the rest of a message; what we receive may hold what real peers emit
//! ([`Rules::Tolerant`]): bare `NaN` and `Infinity`, control characters in strings, any depth.

use super::super::utf8::{check_utf8, is_utf8};
use super::super::{CodecError, MAX_DEPTH};
use super::swar;

/// The rules by which a scanner accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// RFC 8259, and at most [`MAX_DEPTH`] levels.
    Strict,
    /// Also `NaN`, `Infinity`, `-Infinity`, raw control characters, and any depth.
    Tolerant,
}

/// Checks that `text` is one JSON list and returns it without the space around it.
pub fn check_list(text: &[u8], rules: Rules) -> Result<&[u8], CodecError> {
    check_container(text, rules, b'[', "expected a JSON list, such as [1, \"two\"],")
}

/// Checks that `text` is one JSON object and returns it without the space around it.
pub fn check_dict(text: &[u8], rules: Rules) -> Result<&[u8], CodecError> {
    check_container(text, rules, b'{', "expected a JSON object, such as {\"key\": 1},")
}

/// Checks that `text` is one JSON value and returns it without the space around it.
pub fn check_value(text: &[u8], rules: Rules) -> Result<&[u8], CodecError> {
    if !is_utf8(text) {
        check_utf8(text, 0)?;
    }
    let mut scanner = Scanner::new(text, rules);
    let value = scanner.skip_value()?;
    scanner.skip_space();
    match scanner.peek() {
        None => Ok(value),
        Some(_) => Err(scanner.error("text after the end of the value")),
    }
}

fn check_container<'a>(
    text: &'a [u8],
    rules: Rules,
    open: u8,
    wanted: &'static str,
) -> Result<&'a [u8], CodecError> {
    match text.iter().position(|byte| !is_space(*byte)) {
        Some(at) if text[at] != open => Err(CodecError { at, what: wanted }),
        None => Err(CodecError { at: text.len(), what: wanted }),
        Some(_) => check_value(text, rules),
    }
}

/// A position in JSON text.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    rules: Rules,
}

impl<'a> Scanner<'a> {
    /// Starts at the first byte.
    pub fn new(text: &'a [u8], rules: Rules) -> Self {
        Scanner { text, at: 0, rules }
    }

    /// The offset of the next byte.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Goes to an offset that [`Scanner::at`] told.
    pub fn seek(&mut self, at: usize) {
        self.at = at;
    }

    /// The next byte.
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The byte at an offset that [`Scanner::at`] told.
    pub fn byte_at(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    /// Steps over the byte that [`Scanner::peek`] showed.
    #[inline]
    pub fn bump(&mut self) {
        self.at += 1;
    }

    /// An error at the present position.
    #[cold]
    pub fn error(&self, what: &'static str) -> CodecError {
        CodecError { at: self.at, what }
    }

    /// Steps over white space.
    #[inline]
    pub fn skip_space(&mut self) {
        // One comparison where there is none, as most write it.
        while let Some(byte) = self.peek()
            && byte <= b' '
            && is_space(byte)
        {
            self.at += 1;
        }
    }

    /// Steps over `byte`, with white space before it.
    #[inline]
    pub fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), CodecError> {
        self.skip_space();
        if self.peek() != Some(byte) {
            return Err(self.error(what));
        }
        self.at += 1;
        Ok(())
    }

    /// Steps over a type code in the form in which all write it, if one is here.
    #[inline]
    pub fn short_code(&mut self) -> Option<u64> {
        let code = short_code(self.text.get(self.at..)?)?;
        self.at += 2;
        Some(u64::from(code))
    }

    /// Steps over digits: their number, which is right up to 19 of them, and how many there are.
    #[inline]
    pub fn digits(&mut self) -> (u64, usize) {
        const POWERS: [u64; 9] =
            [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
        let (begin, mut number) = (self.at, 0_u64);
        while let Some(eight) = self.text.get(self.at..).and_then(<[u8]>::first_chunk) {
            let (more, count) = swar::leading_digits(u64::from_le_bytes(*eight));
            number = number.wrapping_mul(POWERS[count]).wrapping_add(more);
            self.at += count;
            // Before the next eight: most ids have sixteen.
            if count < eight.len() || !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return (number, self.at - begin);
            }
        }
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            number = number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            self.at += 1;
        }
        (number, self.at - begin)
    }

    /// Steps over one value of any kind and returns its text.
    pub fn skip_value(&mut self) -> Result<&'a [u8], CodecError> {
        self.skip_space();
        let start = self.at;
        if self.skip_short() {
            return Ok(&self.text[start..self.at]);
        }
        let mut open = Nesting::default();
        if self.skip_strings(&mut open) {
            return Ok(&self.text[start..self.at]);
        }
        loop {
            self.skip_space();
            let byte = self.peek().ok_or_else(|| self.error("the text ends too early"))?;
            match byte {
                b'"' => self.skip_string().map(drop)?,
                b'[' | b'{' => {
                    if self.enter(byte == b'{', &mut open)? {
                        continue;
                    }
                }
                b'-' | b'0'..=b'9' => self.skip_number()?,
                b't' => self.skip_word(b"true")?,
                b'f' => self.skip_word(b"false")?,
                b'n' => self.skip_word(b"null")?,
                b'N' if self.rules == Rules::Tolerant => self.skip_word(b"NaN")?,
                b'I' if self.rules == Rules::Tolerant => self.skip_word(b"Infinity")?,
                _ => return Err(self.error("expected a JSON value")),
            }
            // A value has ended: close what ends with it, or go on to the next one.
            loop {
                if open.depth == 0 {
                    return Ok(&self.text[start..self.at]);
                }
                self.skip_space();
                let in_dict = open.top();
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if in_dict {
                            self.skip_key()?;
                        }
                        break;
                    }
                    Some(b']') if !in_dict => open.pop(),
                    Some(b'}') if in_dict => open.pop(),
                    _ if in_dict => return Err(self.error("expected ',' or '}'")),
                    _ => return Err(self.error("expected ',' or ']'")),
                }
                self.at += 1;
            }
        }
    }

    /// Steps into a list or dict, as far as its first value; false for one without entries, which
    /// is stepped over.
    fn enter(&mut self, is_dict: bool, open: &mut Nesting) -> Result<bool, CodecError> {
        if self.rules == Rules::Strict && open.depth == MAX_DEPTH {
            return Err(self.error("nested too deep (more than 128 levels)"));
        }
        self.at += 1;
        self.skip_space();
        let closing = if is_dict { b'}' } else { b']' };
        if self.peek() == Some(closing) {
            self.at += 1;
            return Ok(false);
        }
        open.push(is_dict);
        if is_dict {
            self.skip_key()?;
        }
        Ok(true)
    }

    /// Steps over a list or dict without entries, if one is here.
    #[inline]
    pub fn skip_short(&mut self) -> bool {
        let is_short = matches!(self.text.get(self.at..self.at + 2), Some(b"{}" | b"[]"));
        self.at += if is_short { 2 } else { 0 };
        is_short
    }

    /// Steps over a list of strings without escapes and space, as many payloads are. False where
    /// there is something else: then it is at the first element that is, in the open list.
    #[inline]
    fn skip_strings(&mut self, open: &mut Nesting) -> bool {
        let Some([b'[', b'"', ..]) = self.text.get(self.at..) else {
            return false;
        };
        self.at += 1;
        while let Some((b'"', inner)) = self.text.get(self.at..).and_then(<[u8]>::split_first) {
            let run = plain_run(inner, self.rules);
            match inner.get(run..run + 2) {
                Some(b"\"]") => {
                    self.at += 1 + run + 2;
                    return true;
                }
                Some(b"\",") => self.at += 1 + run + 2,
                _ => break,
            }
        }
        open.push(false);
        false
    }

    /// Steps over a string; returns what stands between its quotes, escapes as they are.
    #[inline]
    pub fn skip_string(&mut self) -> Result<&'a [u8], CodecError> {
        self.skip_text().map(|(inner, _)| inner)
    }

    /// Steps over a string; returns what stands between its quotes, and whether there are escapes
    /// in it.
    pub fn skip_text(&mut self) -> Result<(&'a [u8], bool), CodecError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a string"));
        }
        self.at += 1;
        let start = self.at;
        let mut has_escapes = false;
        loop {
            self.at += plain_run(&self.text[self.at..], self.rules);
            match self.peek() {
                Some(b'"') => {
                    let inner = &self.text[start..self.at];
                    self.at += 1;
                    return Ok((inner, has_escapes));
                }
                Some(b'\\') => {
                    has_escapes = true;
                    self.skip_escape()?;
                }
                Some(_) if self.rules == Rules::Tolerant => self.at += 1,
                Some(_) => return Err(self.error("a control character must be escaped")),
                None => return Err(self.error("the string has no closing quote")),
            }
        }
    }

    /// Steps over a key and its colon; returns what stands between its quotes.
    pub fn skip_key(&mut self) -> Result<&'a [u8], CodecError> {
        self.skip_space();
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a key in quotes"));
        }
        let key = self.skip_string()?;
        self.expect(b':', "expected ':' after the key")?;
        Ok(key)
    }

    fn skip_escape(&mut self) -> Result<(), CodecError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let digits = self.text.get(self.at + 1..self.at + 5);
                if !digits.is_some_and(|four| four.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(self.error("expected four hex digits after \\u"));
                }
                self.at += 5;
            }
            _ => return Err(self.error("no such escape")),
        }
        Ok(())
    }

    fn skip_number(&mut self) -> Result<(), CodecError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
            if self.peek() == Some(b'I') && self.rules == Rules::Tolerant {
                return self.skip_word(b"Infinity");
            }
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.skip_digits(),
            _ => return Err(self.error("expected a digit")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(())
    }

    fn some_digits(&mut self) -> Result<(), CodecError> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.error("expected a digit"));
        }
        self.skip_digits();
        Ok(())
    }

    #[inline]
    fn skip_digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn skip_word(&mut self, word: &'static [u8]) -> Result<(), CodecError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.error("expected a JSON value"));
        }
        self.at += word.len();
        Ok(())
    }
}

/// The type code that `text` begins with, in the form in which all write it: two digits, the first
/// of which is not 0, and a comma.
#[inline]
pub(super) fn short_code(text: &[u8]) -> Option<u8> {
    match text {
        [tens @ b'1'..=b'9', ones @ b'0'..=b'9', b',', ..] => {
            Some((tens - b'0') * 10 + (ones - b'0'))
        }
        _ => None,
    }
}

/// True for JSON's white space.
#[inline]
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The number of bytes at the start of `text` that are neither a quote nor a backslash, nor by
/// strict rules a control character.
#[inline]
pub(super) fn plain_run(text: &[u8], rules: Rules) -> usize {
    // Most strings are shorter than it takes to call a search.
    const SHORT: usize = 32;
    let mut run = 0;
    while run < SHORT
        && let Some(eight) = text.get(run..).and_then(<[u8]>::first_chunk)
    {
        match swar::specials(u64::from_le_bytes(*eight)) {
            0 => run += eight.len(),
            marks => return run + marks.trailing_zeros() as usize / 8,
        }
    }
    if run < SHORT {
        let rest = &text[run..];
        return run + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len());
    }
    let run = memchr::memchr2(b'"', b'\\', text).unwrap_or(text.len());
    match rules {
        Rules::Tolerant => run,
        Rules::Strict => before_control(&text[..run]),
    }
}

/// The number of bytes before the first control character.
fn before_control(text: &[u8]) -> usize {
    // The blocks have a fixed size so that the compiler looks for the least byte of each at once.
    const BLOCK: usize = 256;
    let least = |block: &[u8]| block.iter().fold(u8::MAX, |least, byte| least.min(*byte));
    let blocks = text.chunks_exact(BLOCK).take_while(|block| least(block) >= 0x20);
    let run = BLOCK * blocks.count();
    let rest = &text[run..];
    run + rest.iter().position(|byte| *byte < 0x20).unwrap_or(rest.len())
}

#[inline]
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The containers that are open, one bit each, innermost last: set for a dict, clear for a list.
#[derive(Default)]
struct Nesting {
    depth: usize,
    word: u64,
    outer: Vec<u64>,
}

impl Nesting {
    #[inline]
    fn push(&mut self, is_dict: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.word);
            self.word = 0;
        }
        self.word = self.word << 1 | u64::from(is_dict);
        self.depth += 1;
    }

    #[inline]
    fn pop(&mut self) {
        self.depth -= 1;
        self.word >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.word = self.outer.pop().unwrap_or(0);
        }
    }

    #[inline]
    fn top(&self) -> bool {
        self.word & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tolerant(text: &str) -> Result<&[u8], CodecError> {
        Scanner::new(text.as_bytes(), Rules::Tolerant).skip_value()
    }

    #[test]
    fn agrees_with_the_grammar() {
        for good in [
            "0",
            "-0.5e+7",
            "1E2",
            "true",
            "null",
            r#""""#,
            r#""\u00e9\n\"""#,
            "[]",
            "{}",
            r#" {"a": [1, {"b": [[], {}]}], "c": "]}"} "#,
            "[[[[]]]]",
        ] {
            check_value(good.as_bytes(), Rules::Strict)
                .unwrap_or_else(|error| panic!("{good}: {error}"));
        }
        for bad in [
            "",
            " ",
            "01",
            "1.",
            "-",
            "+1",
            "1e",
            "tru",
            "nul",
            r#"""#,
            r#""\x""#,
            r#""\u12g4""#,
            "[1,]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "[1}",
            "{\"a\":1]",
            "[",
            "[]]",
            "1 2",
            "NaN",
            "\"\n\"",
            "[1],[2]",
        ] {
            assert!(check_value(bad.as_bytes(), Rules::Strict).is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn tells_the_position() {
        assert_eq!(check_value(b"[1, x]", Rules::Strict).unwrap_err().at, 4);
        assert_eq!(check_list(b"  {}", Rules::Strict).unwrap_err().at, 2);
        assert_eq!(
            check_value(b"[\"\xff\"]", Rules::Strict).unwrap_err(),
            CodecError { at: 2, what: "not UTF-8" }
        );
    }

    #[test]
    fn tolerates_what_python_peers_send() {
        for text in ["NaN", "[NaN, Infinity, -Infinity]", "\"a\nb\""] {
            assert_eq!(tolerant(text).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn depth_is_limited_only_for_what_we_send() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(check_value(deep(MAX_DEPTH).as_bytes(), Rules::Strict).is_ok());
        assert!(check_value(deep(MAX_DEPTH + 1).as_bytes(), Rules::Strict).is_err());
        assert!(tolerant(&deep(100_000)).is_ok());
        let mixed = "[{\"a\":".repeat(200) + "1" + &"}]".repeat(200);
        assert!(tolerant(&mixed).is_ok());
        assert!(tolerant(&mixed.replace("1}]", "1]}")).is_err());
    }

    proptest! {
        #[test]
        fn accepts_exactly_what_serde_json_accepts(text in r#"[\[\]{}:,"\\ue0-9.a tr\-]{0,12}"#) {
            let ours = check_value(text.as_bytes(), Rules::Strict).is_ok();
            let theirs = serde_json::from_str::<Box<serde_json::value::RawValue>>(&text).is_ok();
            // serde_json skips lone surrogates without a word, as we do; nothing else differs here.
            prop_assert_eq!(ours, theirs, "{}", text);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Scanner::new(&bytes, Rules::Tolerant).skip_value();
            let _ = check_value(&bytes, Rules::Strict);
        }
    }
}
