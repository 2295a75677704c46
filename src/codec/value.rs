//! A read-only tree over one received value, made in one pass when somebody looks at it.
//!
//! The tree owns everything it shows: strings are unescaped and NUL-terminated once, so that they
//! can be lent to C. Nodes are numbered; node 0 is the whole value. Kinds of numbers follow the
//! text: whole numbers are [`Node::Int`] or, beyond `i64`, [`Node::Uint`]; all others, also whole
//! numbers beyond `u64`, are [`Node::Double`]. What has no node is shown as it would be in JSON:
//! see the table of [`super::transcode`](mod@super::transcode).

use super::builder::{BuildError, Builder};
use super::json::scan::{Rules, Scanner};
use super::json::sink::key_text;
use super::json::text::{binary, unescape};
use super::token::{Token, decimal_text};
use super::transcode::Source;
use super::{CodecError, Encoding, MAX_DEPTH};

/// One value of the tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Node {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number that fits `i64`.
    Int(i64),
    /// A whole number beyond `i64::MAX`.
    Uint(u64),
    /// Any other number.
    Double(f64),
    /// Text: see [`Tree::text`].
    String(Place),
    /// Bytes: see [`Tree::bytes`].
    Binary(Place),
    /// A list: see [`Tree::entry`].
    List(Place),
    /// A dict: see [`Tree::entry`] and [`Tree::get`].
    Dict(Place),
}

/// The place of a string's bytes or a container's entries, and their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    start: u32,
    len: u32,
}

/// A parsed value.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    /// Strings and binary values, each followed by a NUL.
    text: Vec<u8>,
    /// The entries of all containers: of a list its nodes, of a dict keys and nodes in turn.
    links: Vec<Link>,
}

#[derive(Debug, Clone, Copy)]
enum Link {
    Node(u32),
    Key(Place),
}

/// A list or dict that is being made.
struct Open {
    node: u32,
    dict: bool,
    entries: Vec<Link>,
    /// The next token is a key's value.
    keyed: bool,
}

impl Tree {
    /// Parses one value.
    pub fn parse(encoding: Encoding, bytes: &[u8]) -> Result<Tree, CodecError> {
        if bytes.len() > u32::MAX as usize / 2 {
            return Err(CodecError { at: bytes.len(), what: "too large for a value lens" });
        }
        match encoding {
            Encoding::Json => Tree::parse_json(bytes),
            encoding => Tree::parse_tokens(Source::new(encoding, bytes, Rules::Tolerant)),
        }
    }

    fn parse_tokens(mut source: Source<'_>) -> Result<Tree, CodecError> {
        let mut tree = Tree::default();
        let mut open: Vec<Open> = Vec::new();
        while let Some(token) = source.next_token()? {
            if let Token::Tag(_) = token {
                continue;
            }
            if token == Token::End {
                if let Some(Open { node, dict, entries, .. }) = open.pop() {
                    let count = if dict { entries.len() / 2 } else { entries.len() };
                    let place = tree.link(&entries, count);
                    let made = if dict { Node::Dict(place) } else { Node::List(place) };
                    tree.nodes[node as usize] = made;
                }
                continue;
            }
            if let Some(parent) = open.last_mut().filter(|parent| parent.dict && !parent.keyed) {
                let Some(key) = key_text(&token) else {
                    return Err(CodecError { at: 0, what: "a key that is a list or dict" });
                };
                parent.keyed = true;
                parent.entries.push(Link::Key(tree.store(key.as_bytes())));
                continue;
            }
            let node = tree.nodes.len() as u32;
            if let Some(parent) = open.last_mut() {
                parent.keyed = false;
                parent.entries.push(Link::Node(node));
            }
            let begun = |dict| Open { node, dict, entries: Vec::new(), keyed: false };
            let made = match token {
                Token::List(_) => {
                    open.push(begun(false));
                    Node::Null
                }
                Token::Dict(_) => {
                    open.push(begun(true));
                    Node::Null
                }
                token => tree.scalar(token),
            };
            tree.nodes.push(made);
        }
        source.finish()?;
        Ok(tree)
    }

    /// The node of a token that is no list or dict.
    fn scalar(&mut self, token: Token<'_>) -> Node {
        match token {
            Token::Null | Token::Tag(_) | Token::End | Token::List(_) | Token::Dict(_) => {
                Node::Null
            }
            Token::Bool(value) => Node::Bool(value),
            Token::Uint(value) => i64::try_from(value).map_or(Node::Uint(value), Node::Int),
            Token::Negative(value) => match i64::try_from(value) {
                Ok(value) => Node::Int(-1 - value),
                // Rounded once, as of its digits.
                Err(_) => Node::Double((-1 - i128::from(value)) as f64),
            },
            Token::Big(big) => Node::Double(big.float()),
            Token::Decimal(exponent, mantissa) => {
                let text = decimal_text(exponent, &mantissa);
                let nearest = text.and_then(|text| text.parse().ok());
                Node::Double(nearest.unwrap_or_else(|| mantissa.float()))
            }
            Token::Float(value) => Node::Double(value),
            Token::Text(text) => Node::String(self.store(text.as_bytes())),
            Token::Binary(bytes) => Node::Binary(self.store(&bytes)),
            Token::Ext(_, bytes) => Node::Binary(self.store(bytes)),
            Token::Timestamp(timestamp) => match timestamp.text() {
                Some(text) => Node::String(self.store(text.as_bytes())),
                None => Node::Int(timestamp.seconds),
            },
        }
    }

    fn parse_json(json: &[u8]) -> Result<Tree, CodecError> {
        let mut tree = Tree::default();
        let mut scan = Scanner::new(json, Rules::Tolerant);
        tree.value(&mut scan, 0)?;
        scan.skip_space();
        match scan.peek() {
            None => Ok(tree),
            Some(_) => Err(scan.error("text after the end of the value")),
        }
    }

    /// The number of nodes.
    pub fn nodes(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// The node with this number.
    pub fn node(&self, index: u32) -> Option<Node> {
        self.nodes.get(index as usize).copied()
    }

    /// The string at `place`, with the NUL that follows it.
    pub fn text(&self, place: Place) -> &[u8] {
        let start = place.start as usize;
        self.text.get(start..=start + place.len as usize).unwrap_or(b"\0")
    }

    /// The bytes at `place`.
    pub fn bytes(&self, place: Place) -> &[u8] {
        self.text(place).split_last().map_or(&[], |(_, bytes)| bytes)
    }

    /// The number of entries that the node has; 0 unless it is a list or dict.
    pub fn size(&self, index: u32) -> usize {
        match self.node(index) {
            Some(Node::List(place) | Node::Dict(place)) => place.len as usize,
            _ => 0,
        }
    }

    /// The `entry`-th value of a list or dict.
    pub fn entry(&self, index: u32, entry: usize) -> Option<u32> {
        let at = match self.node(index)? {
            Node::List(place) if entry < place.len as usize => place.start as usize + entry,
            Node::Dict(place) if entry < place.len as usize => place.start as usize + 2 * entry + 1,
            _ => return None,
        };
        match self.links.get(at)? {
            Link::Node(node) => Some(*node),
            Link::Key(_) => None,
        }
    }

    /// The `entry`-th key of a dict.
    pub fn key(&self, index: u32, entry: usize) -> Option<Place> {
        let Node::Dict(place) = self.node(index)? else {
            return None;
        };
        if entry >= place.len as usize {
            return None;
        }
        match self.links.get(place.start as usize + 2 * entry)? {
            Link::Key(key) => Some(*key),
            Link::Node(_) => None,
        }
    }

    /// The value at `key` of a dict; the last one where the key stands twice.
    pub fn get(&self, index: u32, key: &[u8]) -> Option<u32> {
        let entry = (0..self.size(index))
            .rev()
            .find(|entry| self.key(index, *entry).is_some_and(|place| self.bytes(place) == key))?;
        self.entry(index, entry)
    }

    /// Appends a node, with all that is in it, to what a builder writes.
    pub fn append(&self, index: u32, builder: &mut Builder) -> Result<(), BuildError> {
        let entries = || (0..self.size(index)).filter_map(|at| Some((at, self.entry(index, at)?)));
        match self.node(index).unwrap_or(Node::Null) {
            Node::Null => builder.null(),
            Node::Bool(value) => builder.bool(value),
            Node::Int(value) => builder.int(value),
            Node::Uint(value) => builder.uint(value),
            Node::Double(value) => builder.double(value),
            Node::String(place) => builder.string(&String::from_utf8_lossy(self.bytes(place))),
            Node::Binary(place) => builder.binary(self.bytes(place)),
            Node::List(_) => {
                builder.list()?;
                entries().try_for_each(|(_, entry)| self.append(entry, builder))?;
                builder.end()
            }
            Node::Dict(_) => {
                builder.dict()?;
                for (at, entry) in entries() {
                    let key = self.key(index, at).map_or(&[][..], |key| self.bytes(key));
                    builder.key(&String::from_utf8_lossy(key))?;
                    self.append(entry, builder)?;
                }
                builder.end()
            }
        }
    }

    fn value(&mut self, scan: &mut Scanner<'_>, depth: usize) -> Result<u32, CodecError> {
        scan.skip_space();
        let number = self.nodes.len() as u32;
        self.nodes.push(Node::Null);
        let node = match scan.peek() {
            Some(b'[') => self.list(scan, depth)?,
            Some(b'{') => self.dict(scan, depth)?,
            Some(b'"') => self.string(scan.skip_string()?),
            _ => scalar(scan.skip_value()?),
        };
        self.nodes[number as usize] = node;
        Ok(number)
    }

    fn list(&mut self, scan: &mut Scanner<'_>, depth: usize) -> Result<Node, CodecError> {
        let mut entries = Vec::new();
        self.entries(scan, depth, b']', |tree, scan| {
            let node = tree.value(scan, depth + 1)?;
            entries.push(Link::Node(node));
            Ok(())
        })?;
        Ok(Node::List(self.link(&entries, entries.len())))
    }

    fn dict(&mut self, scan: &mut Scanner<'_>, depth: usize) -> Result<Node, CodecError> {
        let mut entries = Vec::new();
        self.entries(scan, depth, b'}', |tree, scan| {
            let key = unescape(scan.skip_key()?);
            entries.push(Link::Key(tree.store(key.as_bytes())));
            let node = tree.value(scan, depth + 1)?;
            entries.push(Link::Node(node));
            Ok(())
        })?;
        Ok(Node::Dict(self.link(&entries, entries.len() / 2)))
    }

    /// Steps through the entries of a container, calling `entry` for each.
    fn entries(
        &mut self,
        scan: &mut Scanner<'_>,
        depth: usize,
        closing: u8,
        mut entry: impl FnMut(&mut Self, &mut Scanner<'_>) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        if depth == MAX_DEPTH {
            return Err(scan.error("nested too deep (more than 128 levels)"));
        }
        scan.bump();
        scan.skip_space();
        if scan.peek() == Some(closing) {
            scan.bump();
            return Ok(());
        }
        loop {
            entry(self, scan)?;
            scan.skip_space();
            if scan.peek() != Some(b',') {
                return scan.expect(closing, "expected ',' or the closing bracket");
            }
            scan.bump();
        }
    }

    fn string(&mut self, inner: &[u8]) -> Node {
        let text = unescape(inner);
        match binary(&text) {
            Some(bytes) => Node::Binary(self.store(&bytes)),
            None => Node::String(self.store(text.as_bytes())),
        }
    }

    fn store(&mut self, bytes: &[u8]) -> Place {
        let place = Place { start: self.text.len() as u32, len: bytes.len() as u32 };
        self.text.extend_from_slice(bytes);
        self.text.push(0);
        place
    }

    fn link(&mut self, entries: &[Link], count: usize) -> Place {
        let place = Place { start: self.links.len() as u32, len: count as u32 };
        self.links.extend_from_slice(entries);
        place
    }
}

/// A number or word that has passed the scanner.
fn scalar(text: &[u8]) -> Node {
    match text {
        b"null" => return Node::Null,
        b"true" => return Node::Bool(true),
        b"false" => return Node::Bool(false),
        b"NaN" => return Node::Double(f64::NAN),
        b"Infinity" => return Node::Double(f64::INFINITY),
        b"-Infinity" => return Node::Double(f64::NEG_INFINITY),
        _ => {}
    }
    let text = std::str::from_utf8(text).unwrap_or_default();
    if let Ok(number) = text.parse::<i64>() {
        return Node::Int(number);
    }
    if let Ok(number) = text.parse::<u64>() {
        return Node::Uint(number);
    }
    Node::Double(text.parse().unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string(tree: &Tree, node: u32) -> &str {
        match tree.node(node) {
            Some(Node::String(place)) => std::str::from_utf8(tree.bytes(place)).unwrap(),
            other => panic!("not a string: {other:?}"),
        }
    }

    #[test]
    fn shows_a_nested_value() {
        let tree = Tree::parse(
            Encoding::Json,
            br#"[1, {"a": "x\u00e9", "b": [true, null], "a": "last"}, "\u0000AP8="]"#,
        )
        .unwrap();
        assert_eq!(tree.size(0), 3);
        assert_eq!(tree.node(tree.entry(0, 0).unwrap()), Some(Node::Int(1)));
        let dict = tree.entry(0, 1).unwrap();
        assert_eq!(tree.size(dict), 3);
        assert_eq!(tree.bytes(tree.key(dict, 1).unwrap()), b"b");
        assert_eq!(string(&tree, tree.entry(dict, 0).unwrap()), "x\u{e9}");
        assert_eq!(string(&tree, tree.get(dict, b"a").unwrap()), "last");
        assert_eq!(tree.size(tree.get(dict, b"b").unwrap()), 2);
        let Some(Node::Binary(place)) = tree.node(tree.entry(0, 2).unwrap()) else { panic!() };
        assert_eq!(tree.bytes(place), [0, 255]);
        assert_eq!(tree.text(place), [0, 255, 0]);
        assert_eq!((tree.entry(0, 3), tree.get(0, b"a")), (None, None));
    }

    #[test]
    fn all_encodings_make_the_same_tree() {
        let json =
            br#"[1, -5, {"a": "x", "b": [true, null, 1.5]}, "\u0000AP8=", 18446744073709551615]"#;
        let expected = format!("{:?}", Tree::parse(Encoding::Json, json).unwrap());
        for encoding in [Encoding::MsgPack, Encoding::Cbor] {
            let mut bytes = Vec::new();
            crate::codec::transcode(json, Encoding::Json, encoding, Rules::Strict, &mut bytes)
                .unwrap();
            assert_eq!(format!("{:?}", Tree::parse(encoding, &bytes).unwrap()), expected);
        }
    }

    #[test]
    fn a_number_beyond_its_kind_is_the_nearest_double() {
        let cbor = b"\x3b\xff\xff\xbf\xff\xff\xff\x3b\xff";
        let shown = Tree::parse(Encoding::Cbor, cbor).unwrap().node(0);
        let json = Tree::parse(Encoding::Json, b"-18446673704965323776").unwrap().node(0);
        assert_eq!(shown, json);
    }

    #[test]
    fn what_has_no_node_is_shown_as_in_json() {
        let tree = Tree::parse(
            Encoding::Cbor,
            b"\x84\xa1\x07\xc1\x00\xd8\x20\x61u\xc2\x49\x01\0\0\0\0\0\0\0\0\xf7",
        )
        .unwrap();
        let dict = tree.entry(0, 0).unwrap();
        assert_eq!(string(&tree, tree.get(dict, b"7").unwrap()), "1970-01-01T00:00:00Z");
        assert_eq!(string(&tree, tree.entry(0, 1).unwrap()), "u");
        assert_eq!(
            tree.node(tree.entry(0, 2).unwrap()),
            Some(Node::Double(18446744073709551616.0))
        );
        assert_eq!(tree.node(tree.entry(0, 3).unwrap()), Some(Node::Null));
    }

    #[test]
    fn numbers_keep_their_kind() {
        let kind =
            |text: &str| Tree::parse(Encoding::Json, text.as_bytes()).unwrap().node(0).unwrap();
        assert_eq!(kind("-9223372036854775808"), Node::Int(i64::MIN));
        assert_eq!(kind("18446744073709551615"), Node::Uint(u64::MAX));
        assert_eq!(kind("18446744073709551616"), Node::Double(18446744073709551616.0));
        assert_eq!(kind("1.0"), Node::Double(1.0));
        assert_eq!(kind("-Infinity"), Node::Double(f64::NEG_INFINITY));
        assert!(matches!(kind("NaN"), Node::Double(nan) if nan.is_nan()));
    }

    #[test]
    fn refuses_what_is_too_deep() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(Tree::parse(Encoding::Json, deep(MAX_DEPTH).as_bytes()).is_ok());
        assert!(Tree::parse(Encoding::Json, deep(MAX_DEPTH + 1).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            for encoding in Encoding::ALL {
                if let Ok(tree) = Tree::parse(encoding, &bytes) {
                    prop_assert!(tree.node(0).is_some());
                }
            }
        }
    }
}
