//! Arguments of the C surface, made into checked references; the rules of its pointers.
//!
//! An exported function says of each pointer by which rule it was given, before it does anything
//! else:
//!
//! ```ignore
//! from_c!(topic: Text, payload: Payload, options: Text);
//! ```
//!
//! From there on `topic` is no pointer but a [`Text`], which is read by safe functions: so the
//! rules of wamp.h stand here, one for each type, and not at each place that reads something. A
//! macro and not a function, as it compiles in unsafe functions alone: whoever calls one of these
//! has promised that its pointers keep their rules. What a rule leads to lives no longer than the
//! call.
//!
//! The rule of pointers to events is [`super::view::Seen`]. Handles need none: they are numbers.

use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use crate::client::{Failure, Status};
use crate::codec::check::check_payload;
use crate::codec::json::{Rules, check_dict};
use crate::codec::{Dict, Encoding, PayloadRef};

use super::types::{
    WAMP_CBOR, WAMP_JSON, WAMP_MSGPACK, WAMP_PAYLOAD_BROKEN, WAMP_PAYLOAD_RECEIVED, wamp_payload_t,
};

/// WAMP_NUL: the size of a text that ends with a NUL.
pub(super) const NUL: usize = usize::MAX;

/// Takes parameters of an exported function by their rules:
/// `from_c!(name: Text, bytes[size]: Bytes)`.
///
/// Each becomes a variable of the same name. The third argument of `from_c` is the parameter
/// itself, so that no reference made of it leaves the function.
macro_rules! from_c {
    ($($pointer:ident $([$size:ident])?: $rule:ident),+) => {
        $(
            #[expect(
                unsafe_op_in_unsafe_fn,
                reason = "what it asks for is the promise that callers of the function have made"
            )]
            let $pointer =
                $rule::from_c(from_c!(@ $pointer $($size)?), stringify!($pointer), &$pointer);
        )+
    };
    (@ $pointer:ident) => { $pointer };
    (@ $pointer:ident $size:ident) => { ($pointer, $size) };
}
pub(super) use from_c;

fn wrong<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::new(Status::Argument, text))
}

/// A text: NULL, or NUL-terminated.
#[derive(Clone, Copy)]
pub(super) struct Text<'c> {
    pointer: *const c_char,
    name: &'static str,
    call: PhantomData<&'c c_char>,
}

impl<'c> Text<'c> {
    /// # Safety
    /// `pointer` keeps the rule of this type, for `'c`.
    pub(super) unsafe fn from_c(
        pointer: *const c_char,
        name: &'static str,
        _call: &'c impl Copy,
    ) -> Text<'c> {
        Text { pointer, name, call: PhantomData }
    }

    /// A text that must be given, in UTF-8.
    pub(super) fn required(self) -> Result<&'c str, Failure> {
        match self.optional()? {
            Some(text) => Ok(text),
            None => wrong(format!("`{}` is NULL", self.name)),
        }
    }

    /// A text that may be NULL, in UTF-8.
    pub(super) fn optional(self) -> Result<Option<&'c str>, Failure> {
        let Some(text) = self.raw() else {
            return Ok(None);
        };
        match text.to_str() {
            Ok(text) => Ok(Some(text)),
            Err(error) => {
                let text = format!("`{}` is not UTF-8 at byte {}", self.name, error.valid_up_to());
                Err(Failure::new(Status::Utf8, text))
            }
        }
    }

    /// The options of a request: a JSON object, or NULL for none.
    pub(super) fn options(self) -> Result<Dict<'c>, Failure> {
        let Some(text) = self.optional()? else {
            return Ok(Dict::EMPTY);
        };
        let checked = check_dict(text.as_bytes(), Rules::Strict)
            .map_err(|error| Failure::new(Status::Option, format!("{}: {error}", self.name)))?;
        Ok(Dict::from_checked(checked))
    }

    /// The text as it is; `None` for NULL.
    pub(super) fn raw(self) -> Option<&'c CStr> {
        // SAFETY: not NULL, so by the rule of this type NUL-terminated for so long.
        (!self.pointer.is_null()).then(|| unsafe { CStr::from_ptr(self.pointer) })
    }
}

/// Bytes with their size: as many are readable, or with size WAMP_NUL a NUL ends them. With size 0
/// any pointer will do.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'c> {
    pointer: *const u8,
    size: usize,
    name: &'static str,
    call: PhantomData<&'c u8>,
}

impl<'c> Bytes<'c> {
    /// # Safety
    /// Pointer and size keep the rule of this type, for `'c`.
    pub(super) unsafe fn from_c<T>(
        (pointer, size): (*const T, usize),
        name: &'static str,
        _call: &'c impl Copy,
    ) -> Bytes<'c> {
        Bytes { pointer: pointer.cast(), size, name, call: PhantomData }
    }

    /// Bytes that are no text: their size must be given.
    pub(super) fn binary(self) -> Result<&'c [u8], Failure> {
        let Bytes { pointer, size, name, .. } = self;
        if size == 0 {
            return Ok(&[]);
        }
        if size == NUL {
            return wrong(format!("`{name}` is not text: give its size, WAMP_NUL is not allowed"));
        }
        if pointer.is_null() {
            return wrong(format!("`{name}` is NULL, but its size is {size}"));
        }
        if size > isize::MAX as usize {
            return wrong(format!("`{name}` cannot have a size of {size} bytes"));
        }
        // SAFETY: not NULL, a possible size, and by the rule of this type readable for so long.
        Ok(unsafe { std::slice::from_raw_parts(pointer, size) })
    }

    /// A text, which WAMP_NUL says to be NUL-terminated. Size 0 is the empty text, with any
    /// pointer: an empty string_view has one into the middle of another text, or NULL.
    pub(super) fn text(self) -> Result<&'c [u8], Failure> {
        if self.size != NUL {
            return self.binary();
        }
        if self.pointer.is_null() {
            return wrong(format!("`{}` is NULL", self.name));
        }
        // SAFETY: not NULL, so by the rule of this type NUL-terminated for so long.
        Ok(unsafe { CStr::from_ptr(self.pointer.cast()) }.to_bytes())
    }

    /// Something encoded: never empty, and NUL-terminated with WAMP_NUL only in JSON.
    pub(super) fn encoded(self, encoding: Encoding) -> Result<&'c [u8], Failure> {
        let name = self.name;
        let wrong = |text: String| Err(Failure::new(Status::Payload, text));
        match (encoding, self.size) {
            // What version 0.1 took for NUL-terminated.
            (_, 0) if !self.pointer.is_null() => wrong(format!(
                "`{name}` has the size 0, which no encoded value has: give WAMP_NUL for \
                 NUL-terminated JSON text"
            )),
            (Encoding::Json, _) => self.text(),
            (_, NUL) => {
                wrong(format!("`{name}` is not JSON text: give its size, WAMP_NUL is not allowed"))
            }
            _ => self.binary(),
        }
    }
}

/// A payload: NULL for none, or a struct whose args and kwargs keep the rule of [`Bytes`].
#[derive(Clone, Copy)]
pub(super) struct Payload<'c> {
    pointer: *const wamp_payload_t,
    call: PhantomData<&'c wamp_payload_t>,
}

impl<'c> Payload<'c> {
    /// # Safety
    /// `pointer` keeps the rule of this type, for `'c`.
    pub(super) unsafe fn from_c(
        pointer: *const wamp_payload_t,
        _name: &'static str,
        _call: &'c impl Copy,
    ) -> Payload<'c> {
        Payload { pointer, call: PhantomData }
    }

    /// The payload, checked.
    pub(super) fn read(self) -> Result<PayloadRef<'c>, Failure> {
        if self.pointer.is_null() {
            return Ok(PayloadRef::NONE);
        }
        // SAFETY: not NULL, so by the rule of this type a readable struct.
        let payload = unsafe { &*self.pointer };
        if payload.flags & WAMP_PAYLOAD_BROKEN != 0 {
            let text = "the builder of this payload has failed: check what its functions return";
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
            false => {
                let bytes = Bytes { pointer: pointer.cast(), size, name, call: PhantomData };
                bytes.encoded(encoding).map(Some)
            }
        };
        let args = part(payload.args, payload.args_size, "args")?;
        let kwargs = part(payload.kwargs, payload.kwargs_size, "kwargs")?;
        check_payload(args, kwargs, encoding, rules)
            .map_err(|(name, error)| Failure::new(Status::Payload, format!("{name}: {error}")))
    }
}

/// A place for a result: NULL for nowhere, or writable.
#[derive(Clone, Copy)]
pub(super) struct Out<'c, T> {
    pointer: *mut T,
    name: &'static str,
    call: PhantomData<&'c T>,
}

impl<'c, T> Out<'c, T> {
    /// # Safety
    /// `pointer` keeps the rule of this type, for `'c`.
    pub(super) unsafe fn from_c(
        pointer: *mut T,
        name: &'static str,
        _call: &'c impl Copy,
    ) -> Out<'c, T> {
        Out { pointer, name, call: PhantomData }
    }

    /// Returns true if the result is not wanted.
    pub(super) fn is_null(&self) -> bool {
        self.pointer.is_null()
    }

    /// Refuses a result that is not wanted.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self.is_null() {
            true => wrong(format!("`{}` is NULL", self.name)),
            false => Ok(()),
        }
    }

    /// Writes the result to where it is wanted.
    pub(super) fn set(&self, value: T) {
        if !self.is_null() {
            // SAFETY: not NULL, so by the rule of this type writable.
            unsafe { self.pointer.write(value) };
        }
    }
}

/// A buffer for a text: as many bytes are writable as its size says.
#[derive(Clone, Copy)]
pub(super) struct Buffer<'c> {
    pointer: *mut c_char,
    size: usize,
    call: PhantomData<&'c c_char>,
}

impl<'c> Buffer<'c> {
    /// # Safety
    /// Pointer and size keep the rule of this type, for `'c`.
    pub(super) unsafe fn from_c(
        (pointer, size): (*mut c_char, usize),
        _name: &'static str,
        _call: &'c impl Copy,
    ) -> Buffer<'c> {
        Buffer { pointer, size, call: PhantomData }
    }

    /// Writes a text, NUL-terminated; tells its length. Where it does not fit the buffer gets an
    /// empty text: half a URI or half a key is worse than none.
    pub(super) fn fill(self, text: &str) -> Result<c_int, Failure> {
        let Buffer { pointer, size, .. } = self;
        let length = c_int::try_from(text.len()).map_err(|_| {
            Failure::new(Status::TooLarge, "the length of the text does not fit in an int")
        })?;
        if pointer.is_null() && size > 0 {
            return wrong("the buffer is NULL, but its size is not 0");
        }
        if size > isize::MAX as usize {
            return wrong("give the size of the buffer: WAMP_NUL is only for texts that are read");
        }
        if size > 0 {
            let fitting = if text.len() < size { text } else { "" };
            // SAFETY: not NULL, and the bytes and the NUL are no more than `size`, which by the
            // rule of this type are writable.
            unsafe {
                fitting.as_ptr().cast::<c_char>().copy_to_nonoverlapping(pointer, fitting.len());
                pointer.add(fitting.len()).write(0);
            }
        }
        Ok(length)
    }
}

/// An encoding as C numbers it.
pub(super) fn encoding(number: u32) -> Result<Encoding, Failure> {
    let known = Encoding::ALL.into_iter().find(|encoding| encoding_number(*encoding) == number);
    known.ok_or_else(|| {
        let text =
            format!("encoding {number} is unknown: use WAMP_JSON, WAMP_MSGPACK or WAMP_CBOR");
        Failure::new(Status::Argument, text)
    })
}

/// The number of an encoding in C.
pub(super) fn encoding_number(encoding: Encoding) -> u32 {
    match encoding {
        Encoding::Json => WAMP_JSON,
        Encoding::MsgPack => WAMP_MSGPACK,
        Encoding::Cbor => WAMP_CBOR,
    }
}

/// A number of events to take at most; 0 or less: as many as there are.
pub(super) fn at_most(max: c_int) -> usize {
    usize::try_from(max).ok().filter(|max| *max > 0).unwrap_or(usize::MAX)
}

/// A number as a result.
pub(super) fn count(count: usize) -> c_int {
    c_int::try_from(count).unwrap_or(c_int::MAX)
}

/// A limit in milliseconds; `None` for a negative one: no limit.
pub(super) fn timeout(timeout_ms: i32) -> Option<Duration> {
    u64::try_from(timeout_ms).ok().map(Duration::from_millis)
}

/// A close without a limit has one that nobody lives to see, so that no arithmetic overflows.
pub(super) const NO_LIMIT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The end of a limit in milliseconds.
pub(super) fn deadline(timeout_ms: i32) -> Option<Instant> {
    timeout(timeout_ms).map(|timeout| Instant::now() + timeout)
}

/// A local id, as the request has returned it.
pub(super) fn local_id(id: i64, name: &str) -> Result<u64, Failure> {
    u64::try_from(id).map_err(|_| {
        let text = format!("`{name}` is negative: the request that returned it has failed");
        Failure::new(Status::NoSuchId, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe fn required(topic: *const c_char) -> Result<String, Failure> {
        from_c!(topic: Text);
        topic.required().map(str::to_owned)
    }

    unsafe fn text(key: *const c_char, size: usize) -> Result<Vec<u8>, Failure> {
        from_c!(key[size]: Bytes);
        key.text().map(<[u8]>::to_vec)
    }

    unsafe fn filled(out: *mut c_char, size: usize) -> Result<c_int, Failure> {
        from_c!(out[size]: Buffer);
        out.fill("four")
    }

    #[test]
    fn texts_are_told_by_their_names() {
        // SAFETY: NULL, or NUL-terminated.
        let [null, wrong, good] = unsafe {
            [required(std::ptr::null()), required(c"a\xff".as_ptr()), required(c"a.b".as_ptr())]
        };
        assert_eq!(null, Err(Failure::new(Status::Argument, "`topic` is NULL")));
        assert_eq!(wrong, Err(Failure::new(Status::Utf8, "`topic` is not UTF-8 at byte 1")));
        assert_eq!(good.as_deref(), Ok("a.b"));
    }

    #[test]
    fn sizes_say_where_texts_end() {
        let key = c"whole".as_ptr();
        // SAFETY: five bytes and a NUL; of NULL and of what has an impossible size nothing is read.
        let [part, whole, empty, null, huge] = unsafe {
            let null = std::ptr::null();
            [text(key, 2), text(key, NUL), text(null, 0), text(null, 2), text(key, NUL - 1)]
        };
        assert_eq!((part.as_deref(), whole.as_deref()), (Ok(&b"wh"[..]), Ok(&b"whole"[..])));
        assert_eq!(empty.as_deref(), Ok(&b""[..]));
        assert!([null, huge].into_iter().all(|read| read.unwrap_err().status == Status::Argument));
    }

    #[test]
    fn a_buffer_gets_all_or_nothing() {
        for (size, holds) in [(5, &b"four\0"[..]), (4, &b"\0###"[..]), (0, &b""[..])] {
            let mut buffer = [b'#'; 8];
            // SAFETY: there is room for eight bytes.
            let length = unsafe { filled(buffer.as_mut_ptr().cast(), size) };
            assert_eq!((length, &buffer[..holds.len()]), (Ok(4), holds));
            assert_eq!(buffer[size..], [b'#'; 8][size..], "nothing behind its end");
        }
        // SAFETY: nothing is written to NULL.
        let [asked, wrong] = [0, 8].map(|size| unsafe { filled(std::ptr::null_mut(), size) });
        assert_eq!((asked, wrong.unwrap_err().status), (Ok(4), Status::Argument));
    }
}
