//! Functions of the library as a whole.

use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::LazyLock;

use crate::client::{Status, runtime};
use crate::log;
use crate::parts::Part;

use super::args;
use super::guard::guard;
use super::last_error;
use super::target::{CSink, UserData};
use super::types::*;

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// The version of the library in use, such as "0.2.0"; static. Compare it with WAMP_VERSION, the
/// version of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_version() -> *const c_char {
    VERSION.as_ptr().cast()
}

/// The version as a number: major << 16 | minor << 8 | patch. Compare it with WAMP_VERSION_NUMBER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_version_number() -> u32 {
    let mut parts =
        env!("CARGO_PKG_VERSION").split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0u32);
    next() << 16 | next() << 8 | next()
}

/// The parts that this library was built with, a JSON list of Cargo features in the order of the
/// alphabet; static. All of them: ["argon2","cookies","deflate","longpoll","proxy","router","tls"].
/// What needs a part that is missing is refused as soon as it is asked for, with a text that names
/// the part.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_parts() -> *const c_char {
    static LIST: LazyLock<CString> = LazyLock::new(|| {
        let built: Vec<_> = Part::built().map(|name| format!("\"{name}\"")).collect();
        CString::new(format!("[{}]", built.join(","))).unwrap_or_default()
    });
    LIST.as_ptr()
}

/// Closes all connections and routers of the process, no matter which part of it made them, and
/// joins all threads of the library, within `timeout_ms` (negative: no limit). Handles stay valid
/// and have to be freed as usual; the library can be used again afterwards. Not required before a
/// process ends, except to satisfy leak checkers.
///
/// Returns WAMP_OK, or WAMP_ERR_DEADLOCK (inside a callback), WAMP_ERR_TIMEOUT (a callback, or
/// something else that cannot be stopped, was still running; another wamp_shutdown() waits for it),
/// WAMP_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_shutdown(timeout_ms: c_int) -> c_int {
    guard(|| runtime::shutdown(args::timeout(timeout_ms)).map(|()| 0))
}

/// The name of a status, such as "WAMP_ERR_CLOSED"; static. "WAMP_ERR_UNKNOWN" for other numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_status_name(status: c_int) -> *const c_char {
    match Status::from_number(status) {
        Some(status) => status.name().as_ptr().cast(),
        None => c"WAMP_ERR_UNKNOWN".as_ptr(),
    }
}

/// A sentence that explains a status and says what to do; static.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_status_text(status: c_int) -> *const c_char {
    match Status::from_number(status) {
        Some(status) => status.text().as_ptr().cast(),
        None => c"no such status".as_ptr(),
    }
}

/// The detail of the last failed call on this thread, in a sentence; "" before the first.
///
/// Valid until eight more calls have failed on this thread, so it can be used in the same list of
/// arguments as another call. (C may evaluate it before that call is made; it is then the text of
/// an earlier one.) For a failure that is also reported by an event, it is the event's `message`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_last_error() -> *const c_char {
    last_error::last()
}

/// Sends the log, up to `level` (WAMP_LOG_OFF ... WAMP_LOG_TRACE), to `log`; NULL for none.
///
/// Without it the library is silent, unless the environment variable WAMP_LOG names a level (`error
/// warn info debug trace`): then lines go to standard error. Routers write lines, too: who joins
/// and leaves and why, and who is refused what; see their option `log_format`. `free` (may be NULL)
/// runs exactly once, when another function takes its place or when this call fails. Returns
/// WAMP_OK, or WAMP_ERR_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_set_log(
    level: c_int,
    log: wamp_log_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    let user_data = UserData::new(user_data, free);
    guard(|| {
        let level = u8::try_from(level).ok().filter(|level| c_int::from(*level) <= WAMP_LOG_TRACE);
        let level = level.ok_or(Status::Argument)?;
        drop(self::log::set(level, CSink::shared(log, user_data)));
        Ok(0)
    })
}
