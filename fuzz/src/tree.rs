//! A look at all of a value, and the comparison of two.

use wamp::codec::value::{Node, Place};
use wamp::codec::{CodecError, Encoding, Tree};

/// Why a value that was received has no tree, or none in JSON, although nothing is wrong with it.
const LIMITS: [&str; 3] = [
    "nested too deep (more than 128 levels)",
    "a key that is a list or dict",
    "JSON has no lists or dicts as keys",
];

/// Looks at all of a value that a reader has let pass; `None` where it is beyond what can be shown.
pub fn look(encoding: Encoding, bytes: &[u8]) -> Option<Tree> {
    let tree = within_limits(Tree::parse(encoding, bytes))?;
    walk(&tree);
    Some(tree)
}

/// `None` for an error that is one of the limits.
pub fn within_limits<T>(result: Result<T, CodecError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if LIMITS.contains(&error.what) => None,
        Err(error) => panic!("a value that was let pass is refused: {error}"),
    }
}

/// Asks for everything that a tree has, and for some of what it has not.
pub fn walk(tree: &Tree) {
    let mut waiting = vec![0];
    let mut nodes = 0_u32;
    while let Some(node) = waiting.pop() {
        nodes += 1;
        let size = tree.size(node);
        assert_eq!((tree.entry(node, size), tree.key(node, size)), (None, None));
        match tree.node(node).expect("a node") {
            Node::String(place) => drop(text(tree, place)),
            Node::Binary(place) => {
                let (nul, bytes) = tree.text(place).split_last().expect("a NUL");
                assert_eq!((*nul, bytes), (0, tree.bytes(place)));
            }
            Node::List(_) => {
                assert_eq!((tree.key(node, 0), tree.get(node, b"")), (None, None));
                waiting.extend((0..size).map(|entry| tree.entry(node, entry).expect("an entry")));
            }
            Node::Dict(_) => {
                for entry in 0..size {
                    let key = text(tree, tree.key(node, entry).expect("a key"));
                    // Which takes as long as the dict is large.
                    if entry < 8 {
                        assert!(tree.get(node, key.as_bytes()).is_some());
                    }
                    waiting.push(tree.entry(node, entry).expect("a value"));
                }
            }
            Node::Null | Node::Bool(_) | Node::Int(_) | Node::Uint(_) | Node::Double(_) => {
                assert_eq!((size, tree.get(node, b"")), (0, None));
            }
        }
    }
    assert_eq!(tree.node(nodes), None, "a node without a parent");
}

/// A text of the tree.
pub fn text(tree: &Tree, place: Place) -> &str {
    let text = tree.text(place).strip_suffix(b"\0").expect("a NUL");
    assert_eq!(text, tree.bytes(place));
    std::str::from_utf8(text).expect("UTF-8")
}

/// Whether both keys are the same. One that is a number has different texts as a decimal fraction
/// and as a double.
fn same_key(one: Option<&[u8]>, other: Option<&[u8]>) -> bool {
    let number = |key: Option<&[u8]>| std::str::from_utf8(key?).ok()?.parse::<f64>().ok();
    one == other || number(one).is_some_and(|one| number(other) == Some(one))
}

/// Whether both nodes show the same value. NaN is NaN.
pub fn same(one: (&Tree, u32), other: (&Tree, u32)) -> bool {
    let mut pairs = vec![(one.1, other.1)];
    let (one, other) = (one.0, other.0);
    while let Some((a, b)) = pairs.pop() {
        let same = match (one.node(a), other.node(b)) {
            (Some(Node::String(a)), Some(Node::String(b)))
            | (Some(Node::Binary(a)), Some(Node::Binary(b))) => one.bytes(a) == other.bytes(b),
            (Some(Node::Double(a)), Some(Node::Double(b))) => {
                a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
            }
            (Some(Node::List(_)), Some(Node::List(_)))
            | (Some(Node::Dict(_)), Some(Node::Dict(_))) => {
                for entry in 0..one.size(a) {
                    let (key, its) = (one.key(a, entry), other.key(b, entry));
                    let (key, its) =
                        (key.map(|key| one.bytes(key)), its.map(|key| other.bytes(key)));
                    if !same_key(key, its) {
                        return false;
                    }
                    pairs.extend(one.entry(a, entry).zip(other.entry(b, entry)));
                }
                one.size(a) == other.size(b)
            }
            (a, b) => a == b,
        };
        if !same {
            return false;
        }
    }
    true
}
