//! Takes a received JSON message apart, element by element, without parsing its payload.

use std::borrow::Cow;

use super::super::{self as codec, CodecError, Encoding, MAX_ID, PayloadRef, Read};
use super::scan::{Rules, Scanner, short_code};
use super::text::{binary, unescape};

/// Reads the elements of one message in order.
#[derive(Debug)]
pub struct Reader<'a> {
    scan: Scanner<'a>,
    first: bool,
}

impl<'a> Reader<'a> {
    /// Opens the list that every WAMP message is.
    pub fn new(frame: &'a [u8]) -> Result<Self, CodecError> {
        let mut scan = Scanner::new(frame, Rules::Tolerant);
        scan.expect(b'[', "a message must be a list")?;
        Ok(Reader { scan, first: true })
    }

    fn optional_value(
        &mut self,
        open: u8,
        wanted: &'static str,
    ) -> Result<Option<&'a [u8]>, CodecError> {
        if !self.has_more() {
            return Ok(None);
        }
        self.next_element()?;
        match self.scan.peek() {
            Some(byte) if byte == open => self.scan.skip_value().map(Some),
            Some(b'n') => self.scan.skip_value().map(|_| None),
            _ => {
                let wrong = self.scan.error(wanted);
                let is_nothing = open == b'{' && stands_for_nothing(self.scan.skip_value()?);
                if is_nothing { Ok(None) } else { Err(wrong) }
            }
        }
    }

    #[inline]
    fn next_element(&mut self) -> Result<(), CodecError> {
        if self.first {
            self.first = false;
        } else {
            self.scan.expect(b',', "the message is too short")?;
        }
        self.scan.skip_space();
        Ok(())
    }
}

impl<'a> Read<'a> for Reader<'a> {
    #[inline]
    fn code(&mut self) -> Result<u64, CodecError> {
        let Some(code) = self.scan.short_code().filter(|_| self.first) else {
            return self.uint();
        };
        self.first = false;
        Ok(code)
    }

    fn uint(&mut self) -> Result<u64, CodecError> {
        self.next_element()?;
        let at = self.scan.at();
        let wrong = |what| CodecError { at, what };
        let (number, digits) = self.scan.digits();
        if digits == 0 || digits > 1 && self.scan.byte_at(at) == Some(b'0') {
            return Err(wrong("expected a whole number"));
        }
        if !matches!(self.scan.peek(), Some(b'.' | b'e' | b'E')) {
            return if digits <= 19 { Ok(number) } else { Err(wrong("number too large")) };
        }
        self.scan.seek(at);
        whole(self.scan.skip_value()?).ok_or_else(|| wrong("expected a whole number"))
    }

    fn text(&mut self) -> Result<Cow<'a, str>, CodecError> {
        self.next_element()?;
        Ok(unescape(self.scan.skip_string()?))
    }

    fn dict(&mut self) -> Result<Dict<'a>, CodecError> {
        self.next_element()?;
        if self.scan.peek() == Some(b'{') {
            return match self.scan.skip_short() {
                true => Ok(Dict::EMPTY),
                false => Ok(Dict { text: self.scan.skip_value()? }),
            };
        }
        let wrong = self.scan.error("expected a dict");
        if stands_for_nothing(self.scan.skip_value()?) { Ok(Dict::EMPTY) } else { Err(wrong) }
    }

    fn payload(&mut self) -> Result<PayloadRef<'a>, CodecError> {
        if !self.has_more() {
            return Ok(PayloadRef::NONE);
        }
        self.next_element()?;
        let wrong = CodecError { at: self.scan.at(), what: "args must be a list" };
        let first = self.scan.peek();
        let text = self.scan.skip_value()?;
        let args = match first {
            Some(b'[') => Some(text),
            Some(b'n') => None,
            // It may stand in place of both.
            Some(b'"') if is_binary(text) => {
                return Ok(PayloadRef { args: Some(text), ..PayloadRef::NONE });
            }
            _ => return Err(wrong),
        };
        let kwargs = match self.has_more() {
            true => self.optional_value(b'{', "kwargs must be a dict")?,
            false => None,
        };
        Ok(PayloadRef { args, kwargs, encoding: Encoding::Json })
    }

    fn finish(mut self) -> Result<(), CodecError> {
        while self.has_more() {
            self.next_element()?;
            self.scan.skip_value()?;
        }
        self.scan.expect(b']', "expected ',' or ']'")?;
        self.scan.skip_space();
        match self.scan.peek() {
            None => Ok(()),
            Some(_) => Err(self.scan.error("text after the end of the message")),
        }
    }

    fn error(&self, what: &'static str) -> CodecError {
        self.scan.error(what)
    }

    #[inline]
    fn has_more(&mut self) -> bool {
        self.scan.skip_space();
        !matches!(self.scan.peek(), Some(b']') | None)
    }
}

/// The type code of a message, without a look at the rest; `None` where it has none.
#[inline]
pub fn message_code(frame: &[u8]) -> Option<usize> {
    if let [b'[', rest @ ..] = frame
        && let Some(code) = short_code(rest)
    {
        return Some(code.into());
    }
    let is_digit = |byte: &&u8| byte.is_ascii_digit();
    let head = frame.iter().skip_while(|byte| matches!(byte, b'[' | b' ' | b'\t' | b'\n' | b'\r'));
    let mut code = None;
    for digit in head.take(4).take_while(is_digit) {
        code = Some(code.unwrap_or(0) * 10 + usize::from(digit - b'0'));
    }
    code
}

/// True for the text of a binary value: a string of U+0000 and base64, to the last letter, as in
/// another encoding it would be a mere text otherwise.
pub fn is_binary(text: &[u8]) -> bool {
    text.get(..7).is_some_and(|head| head.eq_ignore_ascii_case(b"\"\\u0000"))
        && matches!(text, [b'"', inner @ .., b'"'] if binary(&unescape(inner)).is_some())
}

/// A whole number up to 2^53, also one that is written as a float.
pub fn whole(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    match text.parse() {
        Ok(number) => Some(number).filter(|number| *number <= MAX_ID),
        Err(_) => text.parse().ok().and_then(codec::whole),
    }
}

/// A Details or Options dict, kept as text and looked into on demand.
///
/// Unknown keys are ignored, as the specification demands; a known key of a wrong type is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dict<'a> {
    text: &'a [u8],
}

impl<'a> Dict<'a> {
    /// The dict without entries.
    pub const EMPTY: Dict<'static> = Dict { text: b"{}" };

    /// Takes text that has passed [`super::check_dict`] or comes from our own writer.
    pub const fn from_checked(text: &'a [u8]) -> Dict<'a> {
        Dict { text }
    }

    /// The dict as text.
    pub fn as_bytes(self) -> &'a [u8] {
        self.text
    }

    /// True without entries.
    pub fn is_empty(self) -> bool {
        self.text.len() == 2
            || self.text[1..].iter().find(|byte| !super::scan::is_space(**byte)) == Some(&b'}')
    }

    /// The text of the value at `key`; the last one counts where a key stands twice.
    pub fn get(self, key: &str) -> Option<&'a [u8]> {
        self.entries().filter(|(name, _)| *name == key.as_bytes()).last().map(|(_, value)| value)
    }

    /// A bool; absent and `null` are `None`.
    pub fn bool(self, key: &'static str) -> Result<Option<bool>, CodecError> {
        match self.get(key) {
            None | Some(b"null") => Ok(None),
            Some(b"true") => Ok(Some(true)),
            Some(b"false") => Ok(Some(false)),
            Some(other) => Err(self.mistyped(other, "a detail that must be a bool is not")),
        }
    }

    /// A string; absent and `null` are `None`.
    pub fn text(self, key: &'static str) -> Result<Option<Cow<'a, str>>, CodecError> {
        match self.get(key) {
            None | Some(b"null") => Ok(None),
            Some([b'"', inner @ .., b'"']) => Ok(Some(unescape(inner))),
            Some(other) => Err(self.mistyped(other, "a detail that must be a string is not")),
        }
    }

    /// A whole number; absent and `null` are `None`.
    pub fn uint(self, key: &'static str) -> Result<Option<u64>, CodecError> {
        match self.get(key) {
            None | Some(b"null") => Ok(None),
            Some(text) => match whole(text) {
                Some(number) => Ok(Some(number)),
                None => Err(self.mistyped(text, "a detail that must be a whole number is not")),
            },
        }
    }

    /// An id; absent and `null` are `None`.
    pub fn id(self, key: &'static str) -> Result<Option<u64>, CodecError> {
        match self.get(key) {
            None | Some(b"null") => Ok(None),
            Some(text) => match whole(text) {
                Some(id @ 1..=MAX_ID) => Ok(Some(id)),
                _ => Err(self.mistyped(text, "a detail that must be an id is not")),
            },
        }
    }

    /// A dict; absent and `null` are `None`.
    pub fn dict(self, key: &'static str) -> Result<Option<Dict<'a>>, CodecError> {
        match self.get(key) {
            None | Some(b"null") => Ok(None),
            Some(text @ [b'{', ..]) => Ok(Some(Dict { text })),
            Some(text) if stands_for_nothing(text) => Ok(Some(Dict::EMPTY)),
            Some(other) => Err(self.mistyped(other, "a detail that must be a dict is not")),
        }
    }

    /// The entries in order: the key as it stands between its quotes, and the value's text.
    pub fn entries(self) -> Entries<'a> {
        let mut scan = Scanner::new(self.text, Rules::Tolerant);
        scan.skip_space();
        scan.bump();
        scan.skip_space();
        Entries { done: scan.peek() == Some(b'}'), scan }
    }

    fn mistyped(self, value: &[u8], what: &'static str) -> CodecError {
        CodecError { at: value.as_ptr() as usize - self.text.as_ptr() as usize, what }
    }
}

/// True for what some peers write where a dict is meant that has nothing in it: languages whose
/// lists and dicts are the same when they are empty write a list, and others null.
fn stands_for_nothing(value: &[u8]) -> bool {
    match value {
        b"null" => true,
        [b'[', inner @ .., b']'] => inner.iter().all(u8::is_ascii_whitespace),
        _ => false,
    }
}

/// See [`Dict::entries`].
#[derive(Debug)]
pub struct Entries<'a> {
    scan: Scanner<'a>,
    done: bool,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let key = self.scan.skip_key().ok()?;
        let value = self.scan.skip_value().ok()?;
        self.scan.skip_space();
        self.done = self.scan.peek() != Some(b',');
        self.scan.bump();
        Some((key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_event() {
        let frame = br#" [36, 5512315355, 4429313566, {"topic": "a.b"}, ["x", NaN], {"k": [1]}] "#;
        let mut reader = Reader::new(frame).unwrap();
        assert_eq!(reader.uint(), Ok(36));
        assert_eq!(reader.id(), Ok(5512315355));
        assert_eq!(reader.id(), Ok(4429313566));
        let details = reader.dict().unwrap();
        assert_eq!(details.text("topic").unwrap().as_deref(), Some("a.b"));
        let payload = reader.payload().unwrap();
        assert_eq!(payload.args, Some(&br#"["x", NaN]"#[..]));
        assert_eq!(payload.kwargs, Some(&br#"{"k": [1]}"#[..]));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn tolerates_float_ids_nulls_and_surplus() {
        let mut reader =
            Reader::new(br#"[1e1,7.0,9007199254740992.0,null,null,"new",[]]"#).unwrap();
        assert_eq!(reader.uint(), Ok(10));
        assert_eq!(reader.id(), Ok(7));
        assert_eq!(reader.id(), Ok(MAX_ID));
        assert_eq!(reader.payload(), Ok(PayloadRef::NONE));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn a_binary_may_stand_in_place_of_args() {
        let mut reader = Reader::new(br#"[36,"\u0000AAEC"]"#).unwrap();
        assert_eq!(reader.uint(), Ok(36));
        assert_eq!(reader.payload().unwrap().args, Some(&br#""\u0000AAEC""#[..]));
        assert_eq!(reader.finish(), Ok(()));
        for text in [r#""text""#, r#""\u0000no base64""#, r#""\u0000AAEC" "x""#] {
            let frame = format!("[36,{text}]");
            let mut reader = Reader::new(frame.as_bytes()).unwrap();
            assert_eq!(reader.uint(), Ok(36));
            assert!(reader.payload().and_then(|_| reader.finish()).is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_an_id() {
        for bad in ["0", "-1", "9007199254740993", "1.5", "true", "\"1\"", "99999999999999999999"] {
            let frame = format!("[{bad}]");
            assert!(Reader::new(frame.as_bytes()).unwrap().id().is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn whole_numbers_in_details_are_exact() {
        for (text, number) in [
            ("0", Some(0)),
            ("1500.0", Some(1500)),
            ("15e2", Some(1500)),
            ("9007199254740992", Some(MAX_ID)),
            ("9007199254740992.0", Some(MAX_ID)),
            ("9007199254740993", None),
            ("1.5", None),
            ("-1", None),
            ("NaN", None),
            ("inf", None),
            ("\"1\"", None),
        ] {
            assert_eq!(whole(text.as_bytes()), number, "{text}");
        }
    }

    #[test]
    fn refuses_truncated_and_trailing_text() {
        for bad in ["[", "[1", "[1,", "[1]]", "[1] x", "{}", ""] {
            let read = Reader::new(bad.as_bytes()).and_then(|mut reader| {
                reader.uint()?;
                reader.finish()
            });
            assert!(read.is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn an_empty_list_and_null_stand_for_an_empty_dict() {
        for (text, good) in [("{}", true), ("[]", true), ("[ ]", true), ("null", true)]
            .into_iter()
            .chain([("[1]", false), ("0", false), ("\"\"", false), ("false", false)])
        {
            let message = format!("[{text}]");
            let mut reader = Reader::new(message.as_bytes()).unwrap();
            assert_eq!(
                reader.dict().map(|dict| dict.is_empty()).ok(),
                good.then_some(true),
                "{text}"
            );
            let message = format!("[[],{text}]");
            let mut reader = Reader::new(message.as_bytes()).unwrap();
            assert_eq!(reader.payload().is_ok(), good, "{text}");
            let details = format!("{{\"roles\":{text}}}");
            assert_eq!(
                Dict::from_checked(details.as_bytes()).dict("roles").is_ok(),
                good,
                "{text}"
            );
        }
    }

    #[test]
    fn dicts_are_looked_into_on_demand() {
        let dict = Dict::from_checked(br#"{ "a" : true , "b":{"a":1}, "a": null, "t":"x" }"#);
        assert_eq!(dict.bool("a"), Ok(None));
        assert_eq!(dict.dict("b").unwrap().unwrap().get("a"), Some(&b"1"[..]));
        assert_eq!(dict.get("none"), None);
        assert!(dict.bool("t").is_err());
        assert!(Dict::from_checked(b"{ }").is_empty());
        assert_eq!(Dict::from_checked(b"{ }").entries().count(), 0);
    }
}
