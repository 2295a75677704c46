//! Lenses on received data: `wamp_value_t`.
//!
//! A lens is a handle like all others, made of a tree's slot and a node's number, which no other
//! node of the slot ever has; so a stale one finds nothing. All functions take NULL and stale
//! lenses and then answer 0, NULL or WAMP_TYPE_NONE, so that a path into data can be written in one
//! expression.

use std::ffi::{c_char, c_int};
use std::ptr;

use crate::client::Status;
use crate::codec::builder::BuildError;
use crate::codec::value::Node;
use crate::codec::{Builder, Encoding, Tree};

use super::args::{Buffer, Out, Text, from_c};
use super::guard::{guard, plain};
use super::lens::{self, Shown};
use super::types::*;

/// Looks at the node behind a lens.
pub(super) fn look<R>(
    value: *const wamp_value_t,
    otherwise: R,
    look: impl FnOnce(&mut Tree, &Shown, u32) -> Option<R>,
) -> R {
    plain(otherwise, || lens::with_node(value, look))
}

/// The answer that `answer` has for the node behind a lens.
fn read<R>(value: *const wamp_value_t, otherwise: R, answer: impl FnOnce(Node) -> Option<R>) -> R {
    look(value, otherwise, |tree, shown, index| answer(tree.node(shown, index)?))
}

/// The lens on the node that `find` finds from the node behind a lens.
fn go(
    value: *const wamp_value_t,
    find: impl FnOnce(&mut Tree, &Shown, u32) -> Option<u32>,
) -> *const wamp_value_t {
    look(value, ptr::null(), |tree, shown, index| {
        // Keys are numbers, and what is in a node has a higher one: it is so many steps away.
        lens::step(value, find(tree, shown, index)?.checked_sub(index)?)
    })
}

/// The type: WAMP_TYPE_NULL ... WAMP_TYPE_DICT, WAMP_TYPE_NONE for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_value_type(value: *const wamp_value_t) -> c_int {
    read(value, WAMP_TYPE_NONE, |node| {
        Some(match node {
            Node::Null => WAMP_TYPE_NULL,
            Node::Bool(_) => WAMP_TYPE_BOOL,
            Node::Int(_) => WAMP_TYPE_INT,
            Node::Uint(_) => WAMP_TYPE_UINT,
            Node::Double(_) => WAMP_TYPE_DOUBLE,
            Node::String => WAMP_TYPE_STRING,
            Node::Binary => WAMP_TYPE_BINARY,
            Node::List => WAMP_TYPE_LIST,
            Node::Dict => WAMP_TYPE_DICT,
        })
    })
}

/// 1 for true; 0 for everything else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_value_bool(value: *const wamp_value_t) -> c_int {
    read(value, 0, |node| Some(c_int::from(node == Node::Bool(true))))
}

/// A number as int64_t: floating point numbers lose their fraction, and a number out of range
/// becomes the nearest in range. 0 for everything else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_value_int(value: *const wamp_value_t) -> i64 {
    read(value, 0, |node| match node {
        Node::Int(number) => Some(number),
        Node::Uint(number) => Some(i64::try_from(number).unwrap_or(i64::MAX)),
        Node::Double(number) => Some(number as i64),
        _ => None,
    })
}

/// A number as uint64_t; otherwise as wamp_value_int().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_value_uint(value: *const wamp_value_t) -> u64 {
    read(value, 0, |node| match node {
        Node::Int(number) => Some(u64::try_from(number).unwrap_or(0)),
        Node::Uint(number) => Some(number),
        Node::Double(number) => Some(number as u64),
        _ => None,
    })
}

/// A number as double; 0 for everything else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_value_double(value: *const wamp_value_t) -> f64 {
    read(value, 0.0, |node| match node {
        Node::Int(number) => Some(number as f64),
        Node::Uint(number) => Some(number as f64),
        Node::Double(number) => Some(number),
        _ => None,
    })
}

/// The bytes that the tree lends, and their number without the NUL to `*size`.
fn lent(
    value: *const wamp_value_t,
    size: Out<'_, usize>,
    lend: impl for<'t> FnOnce(&'t mut Tree, &Shown, u32) -> Option<&'t [u8]>,
) -> *const u8 {
    let (bytes, count) = look(value, (ptr::null(), 0), |tree, shown, index| {
        let text = lend(tree, shown, index)?;
        Some((text.as_ptr(), text.len() - 1))
    });
    size.set(count);
    bytes
}

/// A string, NUL-terminated UTF-8; lives as long as the value. `size` (may be NULL) receives its
/// length in bytes: the string may contain NUL characters. NULL and size 0 for everything but
/// strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_value_string(
    value: *const wamp_value_t,
    size: *mut usize,
) -> *const c_char {
    from_c!(size: Out);
    lent(value, size, |tree, shown, index| tree.text(shown, index)).cast()
}

/// The bytes of a binary value; live as long as the value. `size` (may be NULL) receives their
/// number. NULL and size 0 for everything else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_value_binary(
    value: *const wamp_value_t,
    size: *mut usize,
) -> *const u8 {
    from_c!(size: Out);
    lent(value, size, |tree, shown, index| tree.binary(shown, index))
}

/// The number of entries of a list or dict; 0 for everything else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_value_size(value: *const wamp_value_t) -> usize {
    look(value, 0, |tree, shown, index| Some(tree.size(shown, index)))
}

/// The entry of a list, or the value of a dict's entry, at `index`; NULL if there is none, and
/// below the 128th level of nesting.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_value_at(
    value: *const wamp_value_t,
    index: usize,
) -> *const wamp_value_t {
    go(value, |tree, shown, node| tree.entry(shown, node, index))
}

/// The key of a dict's entry at `index`, NUL-terminated; lives as long as the value. `size` (may be
/// NULL) receives its length in bytes. NULL if there is none. A key that is a list or a dict, as
/// CBOR and MsgPack may have, is shown as its JSON text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_value_key(
    value: *const wamp_value_t,
    index: usize,
    size: *mut usize,
) -> *const c_char {
    from_c!(size: Out);
    lent(value, size, |tree, shown, node| tree.key(shown, node, index)).cast()
}

/// The value at `key` of a dict; the last one if the key occurs twice; NULL if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_value_get(
    value: *const wamp_value_t,
    key: *const c_char,
) -> *const wamp_value_t {
    from_c!(key: Text);
    let Some(key) = key.raw() else {
        return ptr::null();
    };
    go(value, |tree, shown, node| tree.get(shown, node, key.to_bytes()))
}

/// Appends what a lens shows to what a builder writes; `None` for a lens that shows nothing.
pub(super) fn append(
    value: *const wamp_value_t,
    builder: &mut Builder,
) -> Option<Result<(), BuildError>> {
    look(value, None, |tree, shown, index| Some(Some(tree.append(shown, index, builder))))
}

/// Writes a value as JSON text into `out`, NUL-terminated, in the form in which it would be sent.
///
/// Returns the text's length in bytes without the NUL; if it does not fit in `out_size` bytes with
/// the NUL, `out` is set to an empty text (it may be NULL with size 0). Or WAMP_ERR_HANDLE (NULL,
/// or no longer valid), WAMP_ERR_ARGUMENT, WAMP_ERR_PAYLOAD (JSON has neither NaN nor infinity),
/// WAMP_ERR_TOO_LARGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_value_json(
    value: *const wamp_value_t,
    out: *mut c_char,
    out_size: usize,
) -> c_int {
    from_c!(out[out_size]: Buffer);
    guard(|| {
        let mut builder = Builder::new(Encoding::Json);
        append(value, &mut builder).ok_or(Status::Handle)??;
        // The one entry of a list.
        let args = builder.payload()?.args.unwrap_or(b"[]");
        let json = String::from_utf8_lossy(&args[1..args.len() - 1]);
        out.fill(&json)
    })
}
