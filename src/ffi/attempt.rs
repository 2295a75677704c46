//! The word on an attempt to connect: `wamp_attempt_t`.

use std::ffi::{c_char, c_int};

use super::args::{Text, from_c};
use super::guard::guard;
use super::handles;
use super::loan;
use super::types::*;

/// Keeps an attempt beyond its callback, to decide later from any thread: it waits until then. Each
/// retain needs a matching wamp_attempt_release(). Returns WAMP_OK or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_attempt_retain(attempt: *mut wamp_attempt_t) -> c_int {
    guard(|| loan::retain(attempt).map(|_| 0))
}

/// Gives an attempt back. If nothing was decided and no other reference is left, it is made
/// unchanged. Returns WAMP_OK or WAMP_ERR_HANDLE, also for one that this program did not retain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_attempt_release(attempt: *mut wamp_attempt_t) -> c_int {
    guard(|| loan::release(attempt).map(|()| 0))
}

/// Makes the attempt. Allowed on any thread, once.
///
/// `changes` (JSON object, NULL for none) holds options of the connection to change from now on:
/// `url`, `transports`, `headers`, `serializers`, `tlsConfiguration` (its files are read again),
/// `proxy`, `realm`, `authid`, `authmethods`, `authextra`, `ticket`, `secret`, `privkey`; it is
/// copied. A header in `headers` also replaces the one of that name in `transports`, unless
/// `transports` is given as well. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_UTF8,
/// WAMP_ERR_OPTION (nothing is decided then), WAMP_ERR_STATE (decided already).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_attempt_proceed(
    attempt: *mut wamp_attempt_t,
    changes: *const c_char,
) -> c_int {
    from_c!(changes: Text);
    guard(|| {
        let object = handles::find(attempt)?;
        object.what.0.proceed(changes.optional()?).map(|()| 0)
    })
}

/// Cancels this attempt and all further ones: WAMP_CLOSE with WAMP_ERR_CANCELED follows, with
/// `message` (may be NULL) in it. Returns as wamp_attempt_proceed().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_attempt_abandon(
    attempt: *mut wamp_attempt_t,
    message: *const c_char,
) -> c_int {
    from_c!(message: Text);
    guard(|| {
        let object = handles::find(attempt)?;
        let message = message.optional()?;
        object.what.0.abandon(message.unwrap_or("on_connect abandoned the attempt")).map(|()| 0)
    })
}
