//! Payloads written value by value: `wamp_builder_t`.

use std::ffi::{c_char, c_int};
use std::ptr;
use std::sync::{Arc, Mutex};

use crate::client::{Failure, Status, lock};
use crate::codec::Builder;
use crate::codec::builder::BuildError;

use super::args::{self, Bytes, Text, from_c};
use super::guard::guard;
use super::handles::{self, find};
use super::objects::BuilderObject;
use super::types::*;
use super::value;

const NO_PAYLOAD: wamp_payload_t = wamp_payload_t {
    args: ptr::null(),
    args_size: 0,
    kwargs: ptr::null(),
    kwargs_size: 0,
    encoding: WAMP_JSON,
    flags: WAMP_PAYLOAD_BROKEN,
};

/// A struct of plain numbers and NULLs that many threads may look at.
struct Shared(wamp_payload_t);
// SAFETY: it is never changed and points to nothing.
unsafe impl Sync for Shared {}

static BROKEN: Shared = Shared(NO_PAYLOAD);

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        Failure::new(Status::Payload, error.to_string())
    }
}

#[cfg_attr(debug_assertions, track_caller)]
fn build(
    builder: *mut wamp_builder_t,
    step: impl FnOnce(&mut Builder) -> Result<(), BuildError>,
) -> c_int {
    guard(|| {
        step(&mut lock(&*find(builder)?).builder)?;
        Ok(0)
    })
}

/// Appends what `argument` holds; an argument that could not be read sticks like any misuse.
fn append<T>(
    object: &Mutex<BuilderObject>,
    argument: Result<T, Failure>,
    step: impl FnOnce(&mut Builder, T) -> Result<(), BuildError>,
) -> Result<c_int, Failure> {
    let builder = &mut lock(object).builder;
    match argument {
        Ok(argument) => step(builder, argument)?,
        Err(failure) => {
            let _ = builder.refuse(failure.text.clone());
            return Err(failure);
        }
    }
    Ok(0)
}

/// A builder of payloads, for programs without a library for their encoding.
///
/// `encoding` is WAMP_JSON, WAMP_MSGPACK or WAMP_CBOR. Any of them can be sent on any connection;
/// the connection's own is sent unchanged. Values are appended to args; a value after
/// wamp_builder_key() at the top level goes to kwargs. The first misuse is remembered: everything
/// after it fails, and so does the call that gets the payload. Returns NULL on failure. Free it
/// with wamp_builder_free(). A builder may be used on any thread, by one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_builder_new(encoding: u32) -> *mut wamp_builder_t {
    guard(|| {
        let encoding = args::encoding(encoding)?;
        let object = BuilderObject { builder: Builder::new(encoding), payload: NO_PAYLOAD };
        handles::insert(Arc::new(Mutex::new(object))).ok_or_else(|| Status::Internal.into())
    })
}

/// Frees a builder; its payload ends with it. Returns WAMP_OK or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_builder_free(builder: *mut wamp_builder_t) -> c_int {
    guard(|| handles::remove(builder).map(|_| 0))
}

/// Starts over, even after a misuse. Returns WAMP_OK or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_builder_reset(builder: *mut wamp_builder_t) -> c_int {
    build(builder, |builder| {
        builder.reset();
        Ok(())
    })
}

/// Appends null. Returns WAMP_OK, WAMP_ERR_HANDLE or, like all these functions, WAMP_ERR_PAYLOAD if
/// the value is not allowed here or an earlier one was not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_builder_null(builder: *mut wamp_builder_t) -> c_int {
    build(builder, Builder::null)
}

/// Appends true, or false if `value` is 0. Returns as wamp_builder_null().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_builder_bool(builder: *mut wamp_builder_t, value: c_int) -> c_int {
    build(builder, |builder| builder.bool(value != 0))
}

/// Appends a whole number. Returns as wamp_builder_null().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_builder_int(builder: *mut wamp_builder_t, value: i64) -> c_int {
    build(builder, |builder| builder.int(value))
}

/// Appends a whole number. Returns as wamp_builder_null().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_builder_uint(builder: *mut wamp_builder_t, value: u64) -> c_int {
    build(builder, |builder| builder.uint(value))
}

/// Appends a floating point number, which in JSON must be finite. Returns as wamp_builder_null().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_builder_double(builder: *mut wamp_builder_t, value: f64) -> c_int {
    build(builder, |builder| builder.double(value))
}

/// Appends a UTF-8 text of `size` bytes, or NUL-terminated with WAMP_NUL; size 0 is the empty text.
/// In JSON it must not begin with U+0000, which marks binary values. Returns as
/// wamp_builder_null(), or WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_builder_string(
    builder: *mut wamp_builder_t,
    text: *const c_char,
    size: usize,
) -> c_int {
    from_c!(text[size]: Bytes);
    guard(|| {
        let object = find(builder)?;
        let text = text
            .text()
            .and_then(|bytes| std::str::from_utf8(bytes).map_err(|_| Failure::from(Status::Utf8)));
        append(&object, text, |builder, text| builder.string(text))
    })
}

/// Appends `size` bytes as a binary value. Returns as wamp_builder_null(), or WAMP_ERR_ARGUMENT
/// (for WAMP_NUL, among others: bytes are not terminated).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_builder_binary(
    builder: *mut wamp_builder_t,
    bytes: *const std::ffi::c_void,
    size: usize,
) -> c_int {
    from_c!(bytes[size]: Bytes);
    guard(|| {
        let object = find(builder)?;
        append(&object, bytes.binary(), |builder, bytes| builder.binary(bytes))
    })
}

/// Appends one value that is already encoded, in the builder's encoding: `size` bytes, or with
/// WAMP_NUL NUL-terminated JSON text. It is checked. Returns as wamp_builder_null()
/// (WAMP_ERR_PAYLOAD for size 0, too: no value is empty), or WAMP_ERR_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_builder_raw(
    builder: *mut wamp_builder_t,
    encoded: *const c_char,
    size: usize,
) -> c_int {
    from_c!(encoded[size]: Bytes);
    guard(|| {
        let object = find(builder)?;
        let encoding = lock(&*object).builder.encoding();
        append(&object, encoded.encoded(encoding), |builder, encoded| builder.raw(encoded))
    })
}

/// Appends a received value with everything in it, whatever encoding it was received in. Returns as
/// wamp_builder_null(), or WAMP_ERR_ARGUMENT (NULL, or no longer valid).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_builder_value(
    builder: *mut wamp_builder_t,
    value: *const wamp_value_t,
) -> c_int {
    guard(|| {
        let object = find(builder)?;
        let builder = &mut lock(&*object).builder;
        let Some(appended) = value::append(value, builder) else {
            let text = "`value` is NULL, or no longer valid";
            let _ = builder.refuse(text.to_owned());
            return Err(Failure::new(Status::Argument, text));
        };
        appended?;
        Ok(0)
    })
}

/// Sets the key of the next value: inside a dict, or at the top level to put the value into kwargs.
/// Returns as wamp_builder_null(), or WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_builder_key(
    builder: *mut wamp_builder_t,
    key: *const c_char,
) -> c_int {
    from_c!(key: Text);
    guard(|| {
        let object = find(builder)?;
        append(&object, key.required(), |builder, key| builder.key(key))
    })
}

/// Opens a list: the values that follow are its entries, until wamp_builder_end(). Returns as
/// wamp_builder_null().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_builder_list(builder: *mut wamp_builder_t) -> c_int {
    build(builder, Builder::list)
}

/// Opens a dict: keys and values follow in turn, until wamp_builder_end(). Returns as
/// wamp_builder_null().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_builder_dict(builder: *mut wamp_builder_t) -> c_int {
    build(builder, Builder::dict)
}

/// Closes the innermost list or dict. Returns as wamp_builder_null().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_builder_end(builder: *mut wamp_builder_t) -> c_int {
    build(builder, Builder::end)
}

/// The payload that has been built, owned by the builder and valid until it is changed or freed.
/// JSON text in it is NUL-terminated.
///
/// Never NULL: after a misuse, or for a handle that is not a builder's, it is a payload with which
/// any function fails with WAMP_ERR_PAYLOAD, so the result need not be checked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_builder_payload(
    builder: *mut wamp_builder_t,
) -> *const wamp_payload_t {
    let built: *const wamp_payload_t = guard(|| {
        let object = find(builder)?;
        let mut object = lock(&*object);
        let payload = object.builder.payload()?;
        let part = |part: Option<&[u8]>| {
            part.map_or((ptr::null(), 0), |part| (part.as_ptr().cast::<c_char>(), part.len()))
        };
        let ((args, args_size), (kwargs, kwargs_size)) = (part(payload.args), part(payload.kwargs));
        let encoding = args::encoding_number(payload.encoding);
        object.payload =
            wamp_payload_t { args, args_size, kwargs, kwargs_size, encoding, flags: 0 };
        Ok(ptr::from_ref(&object.payload))
    });
    if built.is_null() { &BROKEN.0 } else { built }
}
