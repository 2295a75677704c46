//! Arguments of an event, one by one and with their types: for handlers that want a number and get a
//! text, and should say so instead of reckoning with 0.

use std::ffi::{c_char, c_int};

use crate::client::{Failure, Status};
use crate::codec::Tree;
use crate::codec::value::Node;

use super::args;
use super::guard::guard;
use super::types::*;
use super::value::look;
use super::view::{Which, lens, shown};

/// Which argument is wanted.
#[derive(Clone, Copy)]
enum Place {
    Arg(usize),
    Kwarg(*const c_char),
}

/// Reads an argument by `read`, which wants what `wanted` says, and writes it to `out`.
///
/// # Safety
/// `event` is NULL or points to a wamp_event_t, a name is NULL or NUL-terminated, `out` is NULL or
/// writable.
#[cfg_attr(debug_assertions, track_caller)]
unsafe fn get<T>(
    event: *const wamp_event_t,
    place: Place,
    wanted: &str,
    read: impl Fn(&Tree, Node) -> Option<T>,
    out: *mut T,
) -> c_int {
    guard(|| {
        if out.is_null() {
            return Err(Failure::new(
                Status::Argument,
                "there is no place for the value: it is NULL",
            ));
        }
        // SAFETY: the caller's promise.
        drop(unsafe { shown(event) }?);
        let (which, name) = match place {
            Place::Arg(index) => (Which::Args, format!("args[{index}]")),
            Place::Kwarg(name) => {
                // SAFETY: the caller's promise.
                (Which::Kwargs, format!("kwargs[\"{}\"]", unsafe { args::text(name, "name") }?))
            }
        };
        // SAFETY: the caller's promise.
        let all = unsafe { lens(event, which) };
        // What is there, or the name of its type.
        let found = look(all, None, |tree, whole, _| {
            let entry = match place {
                Place::Arg(index) => tree.entry(whole, index)?,
                Place::Kwarg(name) => {
                    // SAFETY: it was read above.
                    tree.get(whole, unsafe { args::text(name, "name") }.ok()?.as_bytes())?
                }
            };
            let node = tree.node(entry)?;
            Some(Some(read(tree, node).ok_or(kind(node))))
        });
        let wrong = |why: String| Err(Failure::new(Status::Payload, format!("{name} {why}")));
        match found {
            None => wrong("is missing".to_owned()),
            Some(Err(kind)) => wrong(format!("is {kind}, and not {wanted}")),
            Some(Ok(value)) => {
                // SAFETY: not NULL, and the caller's promise.
                unsafe { out.write(value) };
                Ok(0)
            }
        }
    })
}

fn kind(node: Node) -> &'static str {
    match node {
        Node::Null => "null",
        Node::Bool(_) => "true or false",
        Node::Int(_) | Node::Uint(_) | Node::Double(_) => "another number",
        Node::String(_) => "a string",
        Node::Binary(_) => "binary",
        Node::List(_) => "a list",
        Node::Dict(_) => "a dict",
    }
}

/// Peers whose language has one kind of numbers write whole ones as floats.
fn int(_: &Tree, node: Node) -> Option<i64> {
    match node {
        Node::Int(number) => Some(number),
        Node::Double(number) if number as i64 as f64 == number && number.abs() < 2f64.powi(63) => {
            Some(number as i64)
        }
        _ => None,
    }
}

fn double(_: &Tree, node: Node) -> Option<f64> {
    match node {
        Node::Int(number) => Some(number as f64),
        Node::Uint(number) => Some(number as f64),
        Node::Double(number) => Some(number),
        _ => None,
    }
}

fn bool(_: &Tree, node: Node) -> Option<c_int> {
    match node {
        Node::Bool(value) => Some(c_int::from(value)),
        _ => None,
    }
}

/// A text, and its bytes without the NUL.
struct Text(*const c_char, usize);

fn string(tree: &Tree, node: Node) -> Option<Text> {
    match node {
        Node::String(place) => {
            let text = tree.text(place);
            Some(Text(text.as_ptr().cast(), text.len() - 1))
        }
        _ => None,
    }
}

/// As [`get`]. `size` is NULL or writable.
///
/// # Safety
/// As for [`get`].
#[cfg_attr(debug_assertions, track_caller)]
unsafe fn get_string(
    event: *const wamp_event_t,
    place: Place,
    text: *mut *const c_char,
    size: *mut usize,
) -> c_int {
    let mut got = Text(std::ptr::null(), 0);
    let out = if text.is_null() { std::ptr::null_mut() } else { &raw mut got };
    // SAFETY: the caller's promise; `out` is ours.
    let status = unsafe { get(event, place, "a string", string, out) };
    if status >= 0 {
        // SAFETY: the caller's promise.
        unsafe {
            args::give(text, got.0);
            args::give(size, got.1);
        }
    }
    status
}

/// The argument at `index` as a whole number, to `*value`.
///
/// One that a peer wrote as 2.0 is whole, too. Where there is no such argument, or it is of another
/// type, `*value` stays as it was: it can hold a default. Returns WAMP_OK, or WAMP_ERR_ARGUMENT (the event
/// is no longer valid, or a pointer NULL), WAMP_ERR_PAYLOAD (it is missing, or something else:
/// wamp_last_error() says what, in words for the peer, which wamp_event_failed() takes).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_arg_int(
    event: *const wamp_event_t,
    index: usize,
    value: *mut i64,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { get(event, Place::Arg(index), "a whole number of 64 bits", int, value) }
}

/// The argument at `index` as a number, whole or not. Returns as wamp_event_arg_int().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_arg_double(
    event: *const wamp_event_t,
    index: usize,
    value: *mut f64,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { get(event, Place::Arg(index), "a number", double, value) }
}

/// The argument at `index`, 1 for true and 0 for false. Returns as wamp_event_arg_int().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_arg_bool(
    event: *const wamp_event_t,
    index: usize,
    value: *mut c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { get(event, Place::Arg(index), "true or false", bool, value) }
}

/// The argument at `index` as a text, NUL-terminated UTF-8, which lives as long as the event; `size` (may
/// be NULL) receives its bytes. Returns as wamp_event_arg_int().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_arg_string(
    event: *const wamp_event_t,
    index: usize,
    text: *mut *const c_char,
    size: *mut usize,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { get_string(event, Place::Arg(index), text, size) }
}

/// The argument called `name` as a whole number. Returns as wamp_event_arg_int(), or WAMP_ERR_UTF8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_kwarg_int(
    event: *const wamp_event_t,
    name: *const c_char,
    value: *mut i64,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { get(event, Place::Kwarg(name), "a whole number of 64 bits", int, value) }
}

/// The argument called `name` as a number. Returns as wamp_event_kwarg_int().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_kwarg_double(
    event: *const wamp_event_t,
    name: *const c_char,
    value: *mut f64,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { get(event, Place::Kwarg(name), "a number", double, value) }
}

/// The argument called `name`, 1 for true and 0 for false. Returns as wamp_event_kwarg_int().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_kwarg_bool(
    event: *const wamp_event_t,
    name: *const c_char,
    value: *mut c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { get(event, Place::Kwarg(name), "true or false", bool, value) }
}

/// The argument called `name` as a text, as wamp_event_arg_string(). Returns as wamp_event_kwarg_int().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_kwarg_string(
    event: *const wamp_event_t,
    name: *const c_char,
    text: *mut *const c_char,
    size: *mut usize,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { get_string(event, Place::Kwarg(name), text, size) }
}
