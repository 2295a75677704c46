//! The first and last steps of every exported function: fork check, panic guard, last error.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::Once;

use crate::client::{Failure, Status, runtime};
use crate::log;
use crate::os;

use super::last_error;

thread_local! {
    /// This thread is inside [`catch`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// A result type of the C surface.
pub(super) trait Outcome {
    /// The value that says that a call has failed.
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
///
/// In debug builds a status that the function does not list in wamp.h ends the process. A helper
/// that calls the guard for exported functions is `track_caller` too, so that they are known.
#[inline]
#[cfg_attr(debug_assertions, track_caller)]
pub(super) fn guard<T: Outcome>(body: impl FnOnce() -> Result<T, Failure>) -> T {
    if os::threads_are_lost() {
        return fail(Status::Forked.into());
    }
    match contain(body) {
        Some(Ok(value)) => value,
        Some(Err(failure)) => {
            #[cfg(debug_assertions)]
            super::statuses::check(failure.status, std::panic::Location::caller());
            fail(failure)
        }
        None => fail(Status::Internal.into()),
    }
}

/// For functions that answer a plain value whatever happens, such as the getters of values. They
/// make no system call that could be a cancellation point, so that none has to be kept away.
#[inline]
pub(super) fn plain<T>(otherwise: T, body: impl FnOnce() -> Option<T>) -> T {
    if os::threads_are_lost() {
        return otherwise;
    }
    catch(body).flatten().unwrap_or(otherwise)
}

/// As [`plain`], for what writes to the log.
pub(super) fn plain_io(body: impl FnOnce()) {
    if !os::threads_are_lost() {
        contain(body);
    }
}

/// Runs `body`; a panic in it becomes `None` and a line in the log. The thread is not canceled in
/// it.
#[inline]
fn contain<T>(body: impl FnOnce() -> T) -> Option<T> {
    let _whole = os::NoCancel::begin();
    catch(body)
}

#[inline]
fn catch<T>(body: impl FnOnce() -> T) -> Option<T> {
    let outer = GUARDED.replace(true);
    let result = std::panic::catch_unwind(AssertUnwindSafe(body)).ok();
    GUARDED.set(outer);
    result
}

#[cold]
fn fail<T: Outcome>(failure: Failure) -> T {
    last_error::keep(&failure.text);
    T::failed(failure.status)
}

/// From now on panics on the library's threads and inside [`guard`] go to the log instead of
/// standard error, where a host does not expect them. Others are left to whom they belong.
pub(super) fn quiet_panics() {
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
