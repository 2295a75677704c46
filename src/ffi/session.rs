//! Sessions and what can be asked of them: `wamp_session_t`. Its requests are in [`super::pubsub`]
//! and [`super::rpc`].

use std::ffi::{c_char, c_int};
use std::ptr;

use crate::client::Status;

use super::args::{Out, from_c};
use super::guard::{guard, plain};
use super::handles::{self, find};
use super::lens::{View, Which, lens};
use super::loan;
use super::types::*;

/// Keeps a session's handle valid after the session has closed; each retain needs a matching
/// wamp_session_release(). The session itself ends all the same. Returns WAMP_OK or
/// WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_retain(session: *mut wamp_session_t) -> c_int {
    guard(|| loan::retain_session(session).map(|()| 0))
}

/// Gives a retained session back. Returns WAMP_OK, or WAMP_ERR_HANDLE, also for one that this
/// program did not retain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_release(session: *mut wamp_session_t) -> c_int {
    guard(|| loan::release_session(session).map(|()| 0))
}

/// Writes the session's WAMP id, 1 to 2^53, to `*id`, even if the session is over; 0 on failure.
/// Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_id(session: *mut wamp_session_t, id: *mut i64) -> c_int {
    from_c!(id: Out);
    id.set(0);
    guard(|| {
        let session = handles::session(session)?;
        id.check()?;
        // Handles are only given to sessions that have joined.
        let joined = session.joined().ok_or(Status::Handle)?;
        id.set(joined.id as i64);
        Ok(0)
    })
}

/// The realm that the session has joined, NUL-terminated; lives as long as the session's handle.
/// NULL on failure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_realm(session: *mut wamp_session_t) -> *const c_char {
    guard(|| {
        let session = handles::session(session)?;
        let joined = session.joined().ok_or(Status::Closed)?;
        Ok(joined.realm.as_ptr())
    })
}

/// Returns 1 while requests can be made on the session, 0 when it is over, or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_is_open(session: *mut wamp_session_t) -> c_int {
    guard(|| Ok(c_int::from(handles::session(session)?.is_open())))
}

/// The details of the router's WELCOME as a lens on a dict: `authid`, `authrole`, `roles`, ...
/// Lives as long as the session's handle. NULL on failure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_details(session: *mut wamp_session_t) -> *const wamp_value_t {
    plain(ptr::null(), || {
        let object = find(session).ok()?;
        let details = object.details.get_or_init(|| {
            object.session.joined().map(|joined| View::details(joined.details.clone()))
        });
        Some(lens(details.as_ref(), Which::Details))
    })
}
