//! Arguments of an event, one by one and with their types: for handlers that want a number and get
//! a text, and should say so instead of reckoning with 0.

use std::ffi::{c_char, c_int};

use crate::client::{Failure, Status};
use crate::codec::Tree;
use crate::codec::value::Node;

use super::args::{Out, Text, from_c};
use super::guard::guard;
use super::lens::{Shown, Which};
use super::types::*;
use super::value::look;
use super::view::Seen;

/// The place of the argument that is wanted.
#[derive(Clone, Copy)]
enum Place<'c> {
    Arg(usize),
    Kwarg(Text<'c>),
}

/// Reads an argument by `read`, which wants what `wanted` says, and writes it to `out`.
#[cfg_attr(debug_assertions, track_caller)]
fn get<T>(
    event: Seen<'_>,
    place: Place<'_>,
    wanted: &str,
    read: impl Fn(At<'_>, Node) -> Option<T>,
    out: Out<'_, T>,
) -> c_int {
    guard(|| {
        let value = find(event, place, wanted, read, out.is_null())?;
        out.set(value);
        Ok(0)
    })
}

fn find<T>(
    event: Seen<'_>,
    place: Place<'_>,
    wanted: &str,
    read: impl Fn(At<'_>, Node) -> Option<T>,
    unwanted: bool,
) -> Result<T, Failure> {
    if unwanted {
        return Err(Failure::new(Status::Argument, "the pointer to the value is NULL"));
    }
    event.check()?;
    let (which, name) = match place {
        Place::Arg(index) => (Which::Args, format!("args[{index}]")),
        Place::Kwarg(name) => (Which::Kwargs, format!("kwargs[\"{}\"]", name.required()?)),
    };
    // The argument that is there, or the name of its type.
    let found = look(event.lens(which), None, |tree, shown, whole| {
        let entry = match place {
            Place::Arg(index) => tree.entry(shown, whole, index)?,
            Place::Kwarg(name) => tree.get(shown, whole, name.raw()?.to_bytes())?,
        };
        let node = tree.node(shown, entry)?;
        Some(Some(read(At { tree, shown, index: entry }, node).ok_or(kind(node))))
    });
    let wrong = |why: String| Err(Failure::new(Status::Payload, format!("{name} {why}")));
    match found {
        None => wrong("is missing".to_owned()),
        Some(Err(kind)) => wrong(format!("is {kind}, and not {wanted}")),
        Some(Ok(value)) => Ok(value),
    }
}

/// The place of a value.
struct At<'t> {
    tree: &'t mut Tree,
    shown: &'t Shown,
    index: u32,
}

fn kind(node: Node) -> &'static str {
    match node {
        Node::Null => "null",
        Node::Bool(_) => "true or false",
        Node::Int(_) | Node::Uint(_) | Node::Double(_) => "another number",
        Node::String => "a string",
        Node::Binary => "binary",
        Node::List => "a list",
        Node::Dict => "a dict",
    }
}

/// Peers whose language has one kind of numbers write whole ones as floats.
fn int(_: At<'_>, node: Node) -> Option<i64> {
    match node {
        Node::Int(number) => Some(number),
        Node::Double(number) if number as i64 as f64 == number && number.abs() < 2f64.powi(63) => {
            Some(number as i64)
        }
        _ => None,
    }
}

fn double(_: At<'_>, node: Node) -> Option<f64> {
    match node {
        Node::Int(number) => Some(number as f64),
        Node::Uint(number) => Some(number as f64),
        Node::Double(number) => Some(number),
        _ => None,
    }
}

fn bool(_: At<'_>, node: Node) -> Option<c_int> {
    match node {
        Node::Bool(value) => Some(c_int::from(value)),
        _ => None,
    }
}

/// A text, and its bytes without the NUL.
struct Found(*const c_char, usize);

fn string(at: At<'_>, _: Node) -> Option<Found> {
    let text = at.tree.text(at.shown, at.index)?;
    Some(Found(text.as_ptr().cast(), text.len() - 1))
}

/// Reads a text as [`get`] does; its size goes to `size`.
#[cfg_attr(debug_assertions, track_caller)]
fn get_string(
    event: Seen<'_>,
    place: Place<'_>,
    text: Out<'_, *const c_char>,
    size: Out<'_, usize>,
) -> c_int {
    guard(|| {
        let Found(start, length) = find(event, place, "a string", string, text.is_null())?;
        text.set(start);
        size.set(length);
        Ok(0)
    })
}

/// Writes the argument at `index` to `*value`, as a whole number.
///
/// A number that a peer wrote as 2.0 is whole, too. If there is no such argument, or it has another
/// type, `*value` is not changed: it can hold a default. Returns WAMP_OK, or WAMP_ERR_ARGUMENT (the
/// event is no longer valid, or a pointer is NULL), WAMP_ERR_PAYLOAD (the argument is missing or
/// has another type: wamp_last_error() says so in words that are fit for the peer, to be passed to
/// wamp_event_failed()).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_arg_int(
    event: *const wamp_event_t,
    index: usize,
    value: *mut i64,
) -> c_int {
    from_c!(event: Seen, value: Out);
    get(event, Place::Arg(index), "a whole number of 64 bits", int, value)
}

/// The argument at `index` as a number, whole or not. Returns as wamp_event_arg_int().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_arg_double(
    event: *const wamp_event_t,
    index: usize,
    value: *mut f64,
) -> c_int {
    from_c!(event: Seen, value: Out);
    get(event, Place::Arg(index), "a number", double, value)
}

/// The argument at `index`, 1 for true and 0 for false. Returns as wamp_event_arg_int().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_arg_bool(
    event: *const wamp_event_t,
    index: usize,
    value: *mut c_int,
) -> c_int {
    from_c!(event: Seen, value: Out);
    get(event, Place::Arg(index), "true or false", bool, value)
}

/// The argument at `index` as a text, NUL-terminated UTF-8, which lives as long as the event;
/// `size` (may be NULL) receives its length in bytes. Returns as wamp_event_arg_int().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_arg_string(
    event: *const wamp_event_t,
    index: usize,
    text: *mut *const c_char,
    size: *mut usize,
) -> c_int {
    from_c!(event: Seen, text: Out, size: Out);
    get_string(event, Place::Arg(index), text, size)
}

/// The argument called `name` as a whole number. Returns as wamp_event_arg_int(), or WAMP_ERR_UTF8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_kwarg_int(
    event: *const wamp_event_t,
    name: *const c_char,
    value: *mut i64,
) -> c_int {
    from_c!(event: Seen, name: Text, value: Out);
    get(event, Place::Kwarg(name), "a whole number of 64 bits", int, value)
}

/// The argument called `name` as a number. Returns as wamp_event_kwarg_int().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_kwarg_double(
    event: *const wamp_event_t,
    name: *const c_char,
    value: *mut f64,
) -> c_int {
    from_c!(event: Seen, name: Text, value: Out);
    get(event, Place::Kwarg(name), "a number", double, value)
}

/// The argument called `name`, 1 for true and 0 for false. Returns as wamp_event_kwarg_int().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_kwarg_bool(
    event: *const wamp_event_t,
    name: *const c_char,
    value: *mut c_int,
) -> c_int {
    from_c!(event: Seen, name: Text, value: Out);
    get(event, Place::Kwarg(name), "true or false", bool, value)
}

/// The argument called `name` as a text, as wamp_event_arg_string(). Returns as
/// wamp_event_kwarg_int().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_kwarg_string(
    event: *const wamp_event_t,
    name: *const c_char,
    text: *mut *const c_char,
    size: *mut usize,
) -> c_int {
    from_c!(event: Seen, name: Text, text: Out, size: Out);
    get_string(event, Place::Kwarg(name), text, size)
}
