//! Details and Options that we write, entry by entry. Those of others are read by [`Dict`].

use super::reader::Dict;
use super::text::write_string;

/// A dict in the making; without entries it costs nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DictWriter {
    /// `{` and the entries, without the closing brace; nothing at all before the first.
    open: Vec<u8>,
}

/// A dict that is written.
#[derive(Debug, Default)]
pub struct WrittenDict(Vec<u8>);

impl DictWriter {
    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The bytes that the entries take.
    pub fn size(&self) -> usize {
        self.open.len()
    }

    /// Adds `"key": true`.
    pub fn flag(&mut self, key: &str) -> &mut Self {
        self.raw(key.as_bytes(), b"true")
    }

    /// Adds a number.
    pub fn uint(&mut self, key: &str, number: u64) -> &mut Self {
        self.raw(key.as_bytes(), itoa::Buffer::new().format(number).as_bytes())
    }

    /// Adds a string.
    pub fn text(&mut self, key: &str, text: &str) -> &mut Self {
        self.raw(key.as_bytes(), b"");
        write_string(&mut self.open, text);
        self
    }

    /// Adds an entry as it stands in another dict.
    pub fn raw(&mut self, key: &[u8], value: &[u8]) -> &mut Self {
        self.separate();
        self.open.push(b'"');
        self.open.extend_from_slice(key);
        self.open.extend_from_slice(b"\":");
        self.open.extend_from_slice(value);
        self
    }

    /// Adds all entries of another dict, as they stand there.
    pub fn extend(&mut self, dict: Dict<'_>) -> &mut Self {
        if let ([b'{', entries @ .., b'}'], false) = (dict.as_bytes(), dict.is_empty()) {
            self.separate();
            self.open.extend_from_slice(entries);
        }
        self
    }

    fn separate(&mut self) {
        self.open.push(if self.open.is_empty() { b'{' } else { b',' });
    }

    /// Closes the dict.
    pub fn finish(mut self) -> WrittenDict {
        if !self.open.is_empty() {
            self.open.push(b'}');
        }
        WrittenDict(self.open)
    }
}

impl WrittenDict {
    /// Lends it to a message.
    pub fn dict(&self) -> Dict<'_> {
        if self.0.is_empty() { Dict::EMPTY } else { Dict::from_checked(&self.0) }
    }

    /// The dict as text.
    pub fn into_bytes(self) -> Vec<u8> {
        if self.0.is_empty() { Dict::EMPTY.as_bytes().to_vec() } else { self.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_written_entry_by_entry() {
        let mut details = DictWriter::default();
        assert_eq!(details.clone().finish().dict(), Dict::EMPTY);
        assert_eq!(details.clone().finish().into_bytes(), b"{}");
        details.flag("progress").uint("caller", 7).text("topic", "a\"b");
        details.raw(b"ppt_scheme", b"\"mqtt\"");
        let expected = r#"{"progress":true,"caller":7,"topic":"a\"b","ppt_scheme":"mqtt"}"#;
        assert_eq!(details.finish().dict().as_bytes(), expected.as_bytes());
    }

    #[test]
    fn a_dict_takes_the_entries_of_another() {
        for (own, other, both) in [
            (true, r#"{"b": [1, 2] }"#, r#"{"a":true,"b": [1, 2] }"#),
            (true, "{}", r#"{"a":true}"#),
            (true, "{ }", r#"{"a":true}"#),
            (false, r#"{"b":{}}"#, r#"{"b":{}}"#),
            (false, "{}", "{}"),
        ] {
            let mut dict = DictWriter::default();
            if own {
                dict.flag("a");
            }
            dict.extend(Dict::from_checked(other.as_bytes()));
            assert_eq!(String::from_utf8(dict.finish().into_bytes()).unwrap(), both);
        }
    }
}
