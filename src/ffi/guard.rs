//! What every exported function does first and last: fork check, panic guard, last error.

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::AssertUnwindSafe;

use crate::client::{Failure, Status, log, os};

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

/// A result type of the C surface.
pub trait Outcome {
    /// What says that a call has failed.
    fn failed(status: Status) -> Self;
}

impl Outcome for i32 {
    fn failed(status: Status) -> Self {
        status as i32
    }
}

impl Outcome for i64 {
    fn failed(status: Status) -> Self {
        i64::from(status as i32)
    }
}

impl<T> Outcome for *const T {
    fn failed(_: Status) -> Self {
        std::ptr::null()
    }
}

impl<T> Outcome for *mut T {
    fn failed(_: Status) -> Self {
        std::ptr::null_mut()
    }
}

/// Runs the body of an exported function: a failure becomes its code and the last error, and so
/// does a panic, which must not leave the library.
#[inline]
pub fn guard<T: Outcome>(body: impl FnOnce() -> Result<T, Failure>) -> T {
    if os::forked() {
        return T::failed(Status::Forked);
    }
    match std::panic::catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => value,
        Ok(Err(failure)) => fail(failure),
        Err(_) => {
            log::write(log::Level::Error, || "a panic inside libwamp".to_owned());
            fail(Status::Internal.into())
        }
    }
}

/// For functions that answer a plain value whatever happens, such as the getters of values.
#[inline]
pub fn plain<T>(otherwise: T, body: impl FnOnce() -> Option<T>) -> T {
    if os::forked() {
        return otherwise;
    }
    std::panic::catch_unwind(AssertUnwindSafe(body))
        .ok()
        .flatten()
        .unwrap_or(otherwise)
}

#[cold]
fn fail<T: Outcome>(failure: Failure) -> T {
    let text = CString::new(failure.text.replace('\0', "\u{fffd}")).unwrap_or_default();
    // Not reachable during the thread's very end: then there is nobody to read it either.
    let _ = LAST_ERROR.try_with(|last| last.replace(text));
    T::failed(failure.status)
}

/// The text of the last failure on this thread.
pub fn last_error() -> *const c_char {
    LAST_ERROR
        .try_with(|last| last.borrow().as_ptr())
        .unwrap_or(c"".as_ptr())
}
