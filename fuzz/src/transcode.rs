//! Values on their way from each encoding to each other, and back.

use serde_json::value::RawValue;

use wamp::codec::check::check_payload;
use wamp::codec::transcode::check;
use wamp::codec::value::Node;
use wamp::codec::{CodecError, Encoding, Rules, json, transcode};

use super::tree::Shown;
use super::{encoding, tree};

/// The first byte is the encoding, the rest a value.
pub fn run(data: &[u8]) {
    let Some((from, bytes)) = encoding(data) else {
        return;
    };
    for to in Encoding::ALL {
        if from == to {
            assert_eq!(over(bytes, from, to, Rules::Strict).as_deref(), Ok(bytes));
        } else {
            strictly(bytes, from, to);
            tolerantly(bytes, from, to);
        }
    }
}

fn over(bytes: &[u8], from: Encoding, to: Encoding, rules: Rules) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    transcode(bytes, from, to, rules, &mut out).map(|()| out)
}

/// What is not refused is not changed.
fn strictly(bytes: &[u8], from: Encoding, to: Encoding) {
    let Ok(there) = over(bytes, from, to, Rules::Strict) else {
        return;
    };
    assert_eq!(check(bytes, from), Ok(()));
    assert_eq!(over(bytes, from, to, Rules::Tolerant).as_ref(), Ok(&there));
    let shown = is_whole(&there, to);
    let original = tree::within_limits(Shown::parse(from, bytes));
    assert!(is_same(&original, &shown), "{original:?} has become {shown:?}");
    // What only one of both has a form for, such as a point in time, has become something else.
    let Ok(back) = over(&there, to, from, Rules::Strict) else {
        return;
    };
    let again = over(&back, from, to, Rules::Strict).expect("what has gone this way before");
    assert!(is_same(&shown, &is_whole(&again, to)), "{shown:?} has become something else");
    let back = over(&again, to, from, Rules::Strict).expect("what has gone this way before");
    assert_eq!(over(&back, from, to, Rules::Strict), Ok(again));
}

/// Nothing is refused but for the limits.
fn tolerantly(bytes: &[u8], from: Encoding, to: Encoding) {
    let there = over(bytes, from, to, Rules::Tolerant);
    if check(bytes, from).is_ok() {
        tree::within_limits(there.clone());
    }
    if let Ok(there) = there {
        is_whole(&there, to);
    }
}

/// True if both are the same. What is beyond the limits is not compared.
fn is_same(one: &Option<Shown>, other: &Option<Shown>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => tree::same((one, 0), (other, 0)),
        _ => true,
    }
}

/// Checks what we have written in all the ways that there are.
fn is_whole(bytes: &[u8], encoding: Encoding) -> Option<Shown> {
    if encoding != Encoding::Json {
        assert_eq!(check(bytes, encoding), Ok(()));
    } else {
        // Which may have numbers beyond all doubles.
        assert_eq!(json::check_value(bytes, Rules::Strict), Ok(bytes));
        serde_json::from_slice::<&RawValue>(bytes).expect("JSON in another's eyes");
    }
    let tree = tree::look(encoding, bytes)?;
    let (args, kwargs) = match tree.node(0) {
        Some(Node::List) => (Some(bytes), None),
        Some(Node::Dict) => (None, Some(bytes)),
        _ => return Some(tree),
    };
    // A tag before a list is beyond the checker.
    if let Ok(payload) = check_payload(args, kwargs, encoding, Rules::Strict) {
        let is_empty = tree.size(0) == 0;
        assert_eq!(payload.is_empty(), is_empty);
        assert!(is_empty || (payload.args, payload.kwargs) == (args, kwargs));
    } else {
        assert_eq!((encoding, bytes[0] >> 5), (Encoding::Cbor, 6), "refused as a payload");
    }
    Some(tree)
}
