//! Arguments of the C surface, made into checked references.

use std::ffi::{CStr, c_char, c_int};
use std::time::{Duration, Instant};

use crate::client::{Failure, Status};
use crate::codec::check::check_payload;
use crate::codec::json::{Rules, check_dict};
use crate::codec::{Dict, Encoding, PayloadRef};

use super::types::{
    WAMP_CBOR, WAMP_JSON, WAMP_MSGPACK, WAMP_PAYLOAD_BROKEN, WAMP_PAYLOAD_RECEIVED, wamp_payload_t,
};

/// WAMP_NUL: the size of a text that ends with a NUL.
pub const NUL: usize = usize::MAX;

/// A NUL-terminated UTF-8 text that must be given.
///
/// # Safety
/// `text` is NULL or points to a NUL-terminated text that outlives `'a`.
pub unsafe fn text<'a>(text: *const c_char, name: &str) -> Result<&'a str, Failure> {
    // SAFETY: the caller's promise.
    unsafe { optional_text(text, name) }?
        .ok_or_else(|| Failure::new(Status::Argument, format!("`{name}` is NULL")))
}

/// A NUL-terminated UTF-8 text that may be NULL.
///
/// # Safety
/// As for [`text`].
pub unsafe fn optional_text<'a>(
    text: *const c_char,
    name: &str,
) -> Result<Option<&'a str>, Failure> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, so by the caller's promise NUL-terminated.
    let text = unsafe { CStr::from_ptr(text) };
    match text.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(error) => {
            let at = error.valid_up_to();
            Err(Failure::new(Status::Utf8, format!("`{name}` is not UTF-8 at byte {at}")))
        }
    }
}

/// The options of a request: a JSON object, or NULL for none.
///
/// # Safety
/// As for [`text`].
pub unsafe fn options<'a>(options: *const c_char) -> Result<Dict<'a>, Failure> {
    if options.is_null() {
        return Ok(Dict::EMPTY);
    }
    // SAFETY: the caller's promise.
    let text = unsafe { text(options, "options") }?;
    let checked = check_dict(text.as_bytes(), Rules::Strict)
        .map_err(|error| Failure::new(Status::Option, format!("options: {error}")))?;
    Ok(Dict::from_checked(checked))
}

/// Bytes with their size; none for size 0.
///
/// # Safety
/// `bytes` points to `size` readable bytes that outlive `'a`; it may be NULL if `size` is 0.
pub unsafe fn bytes<'a>(bytes: *const u8, size: usize, name: &str) -> Result<&'a [u8], Failure> {
    let wrong = |text: String| Err(Failure::new(Status::Argument, text));
    if size == 0 {
        return Ok(&[]);
    }
    if size == NUL {
        return wrong(format!(
            "`{name}` is not text: its size must be given, WAMP_NUL will not do"
        ));
    }
    if bytes.is_null() {
        return wrong(format!("`{name}` is NULL, but its size is {size}"));
    }
    if size > isize::MAX as usize {
        return wrong(format!("`{name}` cannot have a size of {size} bytes"));
    }
    // SAFETY: not NULL, a possible size, and the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(bytes, size) })
}

/// Text with its size, which is WAMP_NUL where it is NUL-terminated. Size 0 is the empty text, with
/// any pointer: an empty string_view has one into the middle of another text, or NULL.
///
/// # Safety
/// `text` is NULL, points to `size` readable bytes, or, with size WAMP_NUL, to a NUL-terminated
/// text; it outlives `'a`.
pub unsafe fn sized<'a>(text: *const c_char, size: usize, name: &str) -> Result<&'a [u8], Failure> {
    if size != NUL {
        // SAFETY: the caller's promise.
        return unsafe { bytes(text.cast(), size, name) };
    }
    if text.is_null() {
        return Err(Failure::new(Status::Argument, format!("`{name}` is NULL")));
    }
    // SAFETY: not NULL, so by the caller's promise NUL-terminated.
    Ok(unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// Something encoded with its size: never empty, and NUL-terminated with WAMP_NUL only in JSON.
///
/// # Safety
/// As for [`sized`].
pub unsafe fn encoded<'a>(
    encoded: *const c_char,
    size: usize,
    encoding: Encoding,
    name: &str,
) -> Result<&'a [u8], Failure> {
    let wrong = |text: String| Err(Failure::new(Status::Payload, text));
    match (encoding, size) {
        // What version 0.1 took for NUL-terminated.
        (_, 0) if !encoded.is_null() => wrong(format!(
            "`{name}` has the size 0, which no encoded value has: give WAMP_NUL for \
             NUL-terminated JSON text"
        )),
        (Encoding::Json, _) => {
            // SAFETY: the caller's promise.
            unsafe { sized(encoded, size, name) }
        }
        (_, NUL) => wrong(format!(
            "`{name}` is not JSON text, so its size must be given: WAMP_NUL will not do"
        )),
        // SAFETY: the caller's promise.
        _ => unsafe { bytes(encoded.cast(), size, name) },
    }
}

/// A payload, checked; NULL for none.
///
/// # Safety
/// `payload` is NULL or points to a struct whose pointers are as [`encoded`] wants them.
pub unsafe fn payload<'a>(payload: *const wamp_payload_t) -> Result<PayloadRef<'a>, Failure> {
    if payload.is_null() {
        return Ok(PayloadRef::NONE);
    }
    // SAFETY: not NULL, so by the caller's promise a readable struct.
    let payload = unsafe { &*payload };
    if payload.flags & WAMP_PAYLOAD_BROKEN != 0 {
        let text = "the builder of this payload had failed: check what its functions return";
        return Err(Failure::new(Status::Payload, text));
    }
    let encoding = encoding(payload.encoding)?;
    // What a peer sent may be sent on as it is, also where it is a little more than JSON.
    let rules = match payload.flags & WAMP_PAYLOAD_RECEIVED != 0 {
        true => Rules::Tolerant,
        false => Rules::Strict,
    };
    let part = |pointer: *const c_char, size, name| match pointer.is_null() {
        true => Ok(None),
        // SAFETY: the caller's promise.
        false => unsafe { encoded(pointer, size, encoding, name) }.map(Some),
    };
    let args = part(payload.args, payload.args_size, "args")?;
    let kwargs = part(payload.kwargs, payload.kwargs_size, "kwargs")?;
    check_payload(args, kwargs, encoding, rules)
        .map_err(|(name, error)| Failure::new(Status::Payload, format!("{name}: {error}")))
}

/// An encoding as C numbers it.
pub fn encoding(number: u32) -> Result<Encoding, Failure> {
    let known = Encoding::ALL.into_iter().find(|encoding| encoding_number(*encoding) == number);
    known.ok_or_else(|| {
        let text =
            format!("encoding {number} is unknown: use WAMP_JSON, WAMP_MSGPACK or WAMP_CBOR");
        Failure::new(Status::Argument, text)
    })
}

/// The number of an encoding in C.
pub fn encoding_number(encoding: Encoding) -> u32 {
    match encoding {
        Encoding::Json => WAMP_JSON,
        Encoding::MsgPack => WAMP_MSGPACK,
        Encoding::Cbor => WAMP_CBOR,
    }
}

/// Writes a text for C into its buffer, NUL-terminated; tells its length. Where it does not fit the
/// buffer gets an empty text: half a URI or half a key is worse than none.
///
/// # Safety
/// `out` points to `size` writable bytes; it may be NULL if that is 0.
pub unsafe fn fill(out: *mut c_char, size: usize, text: &str) -> Result<c_int, Failure> {
    let length = c_int::try_from(text.len())
        .map_err(|_| Failure::new(Status::TooLarge, "the text is longer than an int can tell"))?;
    if out.is_null() && size > 0 {
        return Err(Failure::new(Status::Argument, "the buffer is NULL, but its size is not 0"));
    }
    if size > isize::MAX as usize {
        let text = "the buffer's size must be given: WAMP_NUL is for texts that are read";
        return Err(Failure::new(Status::Argument, text));
    }
    if size > 0 {
        let fitting = if text.len() < size { text } else { "" };
        // SAFETY: not NULL, and the bytes and the NUL are no more than `size`.
        unsafe {
            fitting.as_ptr().cast::<c_char>().copy_to_nonoverlapping(out, fitting.len());
            out.add(fitting.len()).write(0);
        }
    }
    Ok(length)
}

/// Writes a result to where C wants it; NULL for nowhere.
///
/// # Safety
/// `out` is NULL or writable.
pub unsafe fn give<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: not NULL, and the caller's promise.
        unsafe { out.write(value) };
    }
}

/// A limit in milliseconds; `None` for a negative one: no limit.
pub fn timeout(timeout_ms: i32) -> Option<Duration> {
    u64::try_from(timeout_ms).ok().map(Duration::from_millis)
}

/// A close without a limit has one that nobody lives to see, so that no arithmetic overflows.
pub const NO_LIMIT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The end of a limit in milliseconds.
pub fn deadline(timeout_ms: i32) -> Option<Instant> {
    timeout(timeout_ms).map(|timeout| Instant::now() + timeout)
}

/// A local id as C gives it.
pub fn local_id(id: i64) -> Result<u64, Failure> {
    u64::try_from(id).map_err(|_| Status::NoSuchId.into())
}
