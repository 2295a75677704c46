use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// One document, and what was found of it.
struct Shown {
    encoding: Encoding,
    bytes: Vec<u8>,
}

impl Documents for Shown {
    fn document(&self, which: u32) -> Option<(Encoding, &[u8])> {
        (which == 0).then_some((self.encoding, &self.bytes))
    }
}

/// A tree over one document, with its root.
struct Look {
    tree: Tree,
    shown: Shown,
}

impl Look {
    fn new(encoding: Encoding, bytes: &[u8]) -> Look {
        let mut look =
            Look { tree: Tree::default(), shown: Shown { encoding, bytes: bytes.to_vec() } };
        assert_eq!(look.tree.root(&look.shown, 0), Some(0));
        look
    }

    fn node(&self, index: u32) -> Node {
        self.tree.node(&self.shown, index).unwrap()
    }

    fn size(&mut self, index: u32) -> usize {
        self.tree.size(&self.shown, index)
    }

    fn entry(&mut self, index: u32, entry: usize) -> Option<u32> {
        self.tree.entry(&self.shown, index, entry)
    }

    fn get(&mut self, index: u32, key: &str) -> Option<u32> {
        self.tree.get(&self.shown, index, key.as_bytes())
    }

    fn key(&mut self, index: u32, entry: usize) -> &str {
        plain(self.tree.key(&self.shown, index, entry).unwrap())
    }

    fn text(&mut self, index: u32) -> &str {
        plain(self.tree.text(&self.shown, index).unwrap())
    }

    fn bytes(&mut self, index: u32) -> &[u8] {
        self.tree.binary(&self.shown, index).unwrap().split_last().unwrap().1
    }

    /// All that can be seen from a node.
    fn value(&mut self, index: u32) -> Value {
        match self.node(index) {
            Node::Null => Value::Null,
            Node::Bool(value) => json!(value),
            Node::Int(value) => json!(value),
            Node::Uint(value) => json!(value),
            Node::Double(value) => json!(value),
            Node::String => json!(self.text(index)),
            Node::Binary => json!(format!("{:?}", self.bytes(index))),
            Node::List => (0..self.size(index))
                .map(|at| {
                    let entry = self.entry(index, at).unwrap();
                    self.value(entry)
                })
                .collect(),
            Node::Dict => (0..self.size(index))
                .map(|at| {
                    let entry = self.entry(index, at).unwrap();
                    (self.key(index, at).to_owned(), self.value(entry))
                })
                .collect(),
        }
    }
}

fn plain(text: &[u8]) -> &str {
    let (nul, text) = text.split_last().unwrap();
    assert_eq!(*nul, 0);
    std::str::from_utf8(text).unwrap()
}

#[test]
fn shows_a_nested_value() {
    let json = br#" [1, {"a": "x\u00e9", "b": [true, null], "a": "last"}, "\u0000AP8="]"#;
    let mut look = Look::new(Encoding::Json, json);
    assert_eq!(look.size(0), 3);
    let one = look.entry(0, 0).unwrap();
    assert_eq!(look.node(one), Node::Int(1));
    let dict = look.entry(0, 1).unwrap();
    assert_eq!((look.node(dict), look.size(dict)), (Node::Dict, 3));
    assert_eq!(look.key(dict, 1), "b");
    let first = look.entry(dict, 0).unwrap();
    assert_eq!(look.text(first), "x\u{e9}");
    let last = look.get(dict, "a").unwrap();
    assert_eq!(look.text(last), "last");
    let list = look.get(dict, "b").unwrap();
    assert_eq!(look.size(list), 2);
    let binary = look.entry(0, 2).unwrap();
    assert_eq!(look.bytes(binary), [0, 255]);
    assert_eq!((look.entry(0, 3), look.get(0, "a")), (None, None));
    assert_eq!((look.entry(one, 0), look.size(one)), (None, 0));
}

#[test]
fn the_first_entry_costs_no_look_at_the_others() {
    let mut look = Look::new(Encoding::Json, br#"["a", {"b": ["#);
    let first = look.entry(0, 0).unwrap();
    assert_eq!(look.text(first), "a");
    assert_eq!((look.tree.nodes(), look.tree.links.len()), (2, 0));
    // It keeps its node when all are noted.
    assert_eq!((look.size(0), look.entry(0, 0)), (2, Some(first)));
}

#[test]
fn what_was_lent_stays_where_it_is() {
    let mut look = Look::new(Encoding::Json, br#"[{"k": "a"}, "\u0000AAAA", "z"]"#);
    let dict = look.entry(0, 0).unwrap();
    let (text, binary) = (look.get(dict, "k").unwrap(), look.entry(0, 1).unwrap());
    let mut addresses = || {
        let text = look.text(text).as_ptr();
        (text, look.key(dict, 0).as_ptr(), look.bytes(binary).as_ptr())
    };
    assert_eq!(addresses(), addresses());
}

#[test]
fn all_encodings_make_the_same_tree() {
    let json =
        br#"[1, -5, {"a": "x", "b": [true, null, 1.5]}, "\u0000AP8=", 18446744073709551615]"#;
    let expected = Look::new(Encoding::Json, json).value(0);
    assert_eq!(expected[2], json!({"a": "x", "b": [true, null, 1.5]}));
    for encoding in [Encoding::MsgPack, Encoding::Cbor] {
        let mut bytes = Vec::new();
        transcode(json, Encoding::Json, encoding, Rules::Strict, &mut bytes).unwrap();
        assert_eq!(Look::new(encoding, &bytes).value(0), expected);
    }
}

#[test]
fn lists_and_dicts_may_have_no_length() {
    let mut look =
        Look::new(Encoding::Cbor, b"\x9f\xbf\x61a\x9f\x01\x02\xff\xff\x7f\x61x\x61y\xff\xff");
    assert_eq!(look.value(0), json!([{"a": [1, 2]}, "xy"]));
}

#[test]
fn a_number_beyond_its_kind_is_the_nearest_double() {
    let cbor = Look::new(Encoding::Cbor, b"\x3b\xff\xff\xbf\xff\xff\xff\x3b\xff");
    assert_eq!(cbor.node(0), Look::new(Encoding::Json, b"-18446673704965323776").node(0));
}

#[test]
fn what_has_no_node_is_shown_as_in_json() {
    let cbor = b"\x85\xa2\x07\xc1\x00\x81\x02\x03\xd8\x20\x61u\xc2\x49\x01\0\0\0\0\0\0\0\0\xf7\xd8\x20\x81\x01";
    let mut look = Look::new(Encoding::Cbor, cbor);
    let expected =
        json!([{"7": "1970-01-01T00:00:00Z", "[2]": 3}, "u", 18446744073709551616.0, null, [1]]);
    assert_eq!(look.value(0), expected);
    let dict = look.entry(0, 0).unwrap();
    let found = look.get(dict, "[2]").unwrap();
    assert_eq!(look.node(found), Node::Int(3));
}

#[test]
fn every_entry_has_a_key() {
    for (cbor, key) in [
        (&b"\xa1\xd8\x20\x61a\x01"[..], "a"),
        (b"\xa1\xd8\x20\x05\x01", "5"),
        (b"\xa1\xd9\xd9\xf7\xd8\x20\x61a\x01", "a"),
        (b"\xa1\x81\xd8\x20\x61a\x01", "[\"a\"]"),
        (b"\xa1\xa1\x81\x01\x02\x03", ""),
    ] {
        let mut look = Look::new(Encoding::Cbor, cbor);
        assert_eq!((look.size(0), look.key(0, 0)), (1, key));
        assert!(look.get(0, key).is_some());
    }
}

#[test]
fn numbers_keep_their_kind() {
    let kind = |text: &str| Look::new(Encoding::Json, text.as_bytes()).node(0);
    assert_eq!(kind("-9223372036854775808"), Node::Int(i64::MIN));
    assert_eq!(kind("18446744073709551615"), Node::Uint(u64::MAX));
    assert_eq!(kind("18446744073709551616"), Node::Double(18446744073709551616.0));
    assert_eq!(kind("1.0"), Node::Double(1.0));
    assert_eq!(kind("-Infinity"), Node::Double(f64::NEG_INFINITY));
    assert!(matches!(kind("NaN"), Node::Double(nan) if nan.is_nan()));
}

#[test]
fn nothing_is_shown_beyond_the_deepest_level() {
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    for all in [false, true] {
        let mut look = Look::new(Encoding::Json, deep.as_bytes());
        look.tree.stepped = if all { usize::MAX } else { 0 };
        let (mut index, mut levels) = (0, 1);
        while let Some(inner) = look.entry(index, 0).filter(|_| look.size(index) == 1) {
            (index, levels) = (inner, levels + 1);
        }
        assert_eq!((levels, look.node(index)), (MAX_DEPTH + 1, Node::List));
    }
}

#[test]
fn walking_deep_steps_over_no_byte_too_often() {
    let wide = format!("[{}]", vec!["[[]]"; 1000].join(","));
    let deep = format!("{}{wide}{}", "[".repeat(100), "]".repeat(100));
    let mut look = Look::new(Encoding::Json, deep.as_bytes());
    look.value(0);
    assert!(look.tree.stepped < 7 * deep.len(), "{} of {}", look.tree.stepped, deep.len());
}

#[test]
fn a_tree_can_be_used_again() {
    let mut look = Look::new(Encoding::Json, br#"["a", {"b": [1]}]"#);
    let seen = look.value(0);
    for kept in [0, 1024] {
        look.tree.clear(kept);
        assert_eq!(look.tree.nodes(), 0);
        assert_eq!(look.tree.root(&look.shown, 0), Some(0));
        assert_eq!(look.value(0), seen);
    }
}

#[test]
fn a_value_can_be_copied() {
    let text = r#"[1,{"a":"x\"y","b":[true,null]},"\u0000AP8="]"#;
    let mut look = Look::new(Encoding::Json, text.as_bytes());
    let mut builder = Builder::new(Encoding::Json);
    look.tree.append(&look.shown, 0, &mut builder).unwrap();
    let copied = builder.payload().unwrap().args.unwrap().to_vec();
    assert_eq!(String::from_utf8(copied).unwrap(), format!("[{text}]"));
}

/// A value with lists and dicts in it.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_filter("binary", |text| !text.starts_with('\0')).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn shows_what_is_there(value in any_value(), all in any::<bool>(), spaces in any::<bool>()) {
        let text = match spaces {
            true => serde_json::to_string_pretty(&value).unwrap(),
            false => value.to_string(),
        };
        for encoding in Encoding::ALL {
            let mut bytes = Vec::new();
            transcode(text.as_bytes(), Encoding::Json, encoding, Rules::Tolerant, &mut bytes).unwrap();
            let mut look = Look::new(encoding, &bytes);
            look.tree.stepped = if all { usize::MAX } else { 0 };
            prop_assert_eq!(look.value(0), value.clone());
        }
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 1..64), at in 0u32..64) {
        for encoding in Encoding::ALL {
            let mut look = Look::new(encoding, &bytes);
            let (tree, shown) = (&mut look.tree, &look.shown);
            for index in [0, 1, at] {
                let _ = (tree.node(shown, index), tree.size(shown, index), tree.entry(shown, index, 0));
                let _ = (tree.text(shown, index).is_some(), tree.binary(shown, index).is_some());
                let _ = (tree.key(shown, index, 0).is_some(), tree.get(shown, index, b"a"));
            }
        }
    }
}
