//! What every exported function does first and last: fork check, panic guard, last error.

use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_char};
use std::panic::AssertUnwindSafe;
use std::sync::Once;

use crate::client::{Failure, Status, log, runtime};
use crate::os;

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
    /// Takes its place when that is gone, as for the destructors of other keys of the thread. This and
    /// the next one have none of their own.
    static LAST_ERROR_OF_ALL: Cell<[u8; LATE]> = const { Cell::new([0; LATE]) };
    /// This thread is inside [`contain`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// How much is told of an error when a thread ends.
const LATE: usize = 256;

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
        return fail(Status::Forked.into());
    }
    match contain(body) {
        Some(Ok(value)) => value,
        Some(Err(failure)) => fail(failure),
        None => fail(Status::Internal.into()),
    }
}

/// For functions that answer a plain value whatever happens, such as the getters of values.
#[inline]
pub fn plain<T>(otherwise: T, body: impl FnOnce() -> Option<T>) -> T {
    if os::forked() {
        return otherwise;
    }
    contain(body).flatten().unwrap_or(otherwise)
}

/// Runs `body`; a panic in it becomes `None` and a line in the log. The thread is not canceled in it.
#[inline]
fn contain<T>(body: impl FnOnce() -> T) -> Option<T> {
    let _whole = os::NoCancel::begin();
    let outer = GUARDED.replace(true);
    let result = std::panic::catch_unwind(AssertUnwindSafe(body)).ok();
    GUARDED.set(outer);
    result
}

#[cold]
fn fail<T: Outcome>(failure: Failure) -> T {
    let text = CString::new(failure.text.replace('\0', "\u{fffd}")).unwrap_or_default();
    if LAST_ERROR.try_with(|last| drop(last.replace(text))).is_err() {
        LAST_ERROR_OF_ALL.set(cut(&failure.text));
    }
    T::failed(failure.status)
}

/// As much of a text as there is room for, NUL-terminated.
fn cut(text: &str) -> [u8; LATE] {
    let mut room = [0; LATE];
    let ends = text.char_indices().map(|(at, char)| at + char.len_utf8());
    let size = ends.take_while(|end| *end < LATE).last().unwrap_or(0);
    room[..size].copy_from_slice(&text.as_bytes()[..size]);
    room
}

/// The text of the last failure on this thread.
pub fn last_error() -> *const c_char {
    let last = LAST_ERROR.try_with(|last| last.borrow().as_ptr());
    last.unwrap_or_else(|_| LAST_ERROR_OF_ALL.with(|last| last.as_ptr().cast()))
}

/// From now on panics on the library's threads and inside [`guard`] go to the log instead of
/// standard error, where a host does not expect them. Others are left to whom they belong.
pub fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let former = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // Not by the thread's name, which is gone before the thread is.
            if os::is_own_thread() || GUARDED.get() {
                log::write(log::Level::Error, || panic.to_string());
                runtime::suspect();
            } else {
                former(panic);
            }
        }));
    });
}
