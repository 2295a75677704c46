//! Answers to invocations: `wamp_invocation_t`.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

use crate::client::request_options::Request;
use crate::client::{Failure, Receiver, Session, Status};
use crate::codec::{Dict, PayloadRef};
use crate::protocol::uri;

use super::args::{Payload, Text, from_c};
use super::guard::guard;
use super::handles::{self, find};
use super::loan;
use super::objects::Invocation;
use super::requests;
use super::target::{CTarget, UserData};
use super::types::*;

/// Keeps an invocation beyond its callback, to answer it later from any thread; each retain needs a
/// matching wamp_invocation_release(). Returns WAMP_OK or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_retain(invocation: *mut wamp_invocation_t) -> c_int {
    guard(|| {
        tag(&loan::retain(invocation)?.what, invocation);
        Ok(0)
    })
}

/// Gives an invocation back. If it was never answered and no other reference is left, the caller
/// gets the error `wamp.error.runtime_error`, so that it does not wait for ever. Returns WAMP_OK or
/// WAMP_ERR_HANDLE, also for one that this program did not retain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_release(invocation: *mut wamp_invocation_t) -> c_int {
    guard(|| loan::release(invocation).map(|()| 0))
}

/// Sends a progressive result; the final answer is still to come.
///
/// Only if the event had WAMP_FLAG_PROGRESS. `payload` may be NULL and is copied. Returns WAMP_OK,
/// or WAMP_ERR_HANDLE, WAMP_ERR_STATE (answered already, or progress not requested),
/// WAMP_ERR_CANCELED (the caller has canceled the call), WAMP_ERR_AGAIN, WAMP_ERR_CLOSED,
/// WAMP_ERR_PAYLOAD, WAMP_ERR_ARGUMENT (an unknown encoding), WAMP_ERR_TOO_LARGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_progress(
    invocation: *mut wamp_invocation_t,
    payload: *const wamp_payload_t,
) -> c_int {
    from_c!(payload: Payload);
    guard(|| {
        let object = find(invocation)?;
        let payload = payload.read()?;
        object.what.check()?;
        object.what.session.progress(object.what.request, Dict::EMPTY, payload).map(|()| 0)
    })
}

/// Answers an invocation with its result. Allowed on any thread, once.
///
/// `payload` may be NULL and is copied. A failed call answers nothing: try again, or answer with an
/// error. Never WAMP_ERR_AGAIN. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_STATE (answered
/// already), WAMP_ERR_CANCELED (the caller has canceled the call), WAMP_ERR_CLOSED (the session is
/// over), WAMP_ERR_PAYLOAD, WAMP_ERR_ARGUMENT (an unknown encoding), WAMP_ERR_TOO_LARGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_yield(
    invocation: *mut wamp_invocation_t,
    payload: *const wamp_payload_t,
) -> c_int {
    from_c!(payload: Payload);
    guard(|| {
        let object = find(invocation)?;
        let payload = payload.read()?;
        let Invocation { session, request, .. } = &object.what;
        object.what.answer(|| session.answer(*request, Dict::EMPTY, payload)).map(|()| 0)
    })
}

/// As wamp_invocation_yield(), with `options` (JSON object, may be NULL) that go to the router,
/// such as those of payload passthru (`ppt_scheme` ...). With `{"progress": true}` it is a
/// progressive result, as with wamp_invocation_progress(). Returns as wamp_invocation_progress(),
/// and WAMP_ERR_OPTION, WAMP_ERR_UTF8, WAMP_ERR_UNSUPPORTED (the router does not announce what the
/// options need).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_yield_with(
    invocation: *mut wamp_invocation_t,
    payload: *const wamp_payload_t,
    options: *const c_char,
) -> c_int {
    from_c!(payload: Payload, options: Text);
    guard(|| {
        let object = find(invocation)?;
        let payload = payload.read()?;
        object.what.check()?;
        let Invocation { session, request, .. } = &object.what;
        let options = requests::options(session, Request::Yield, options)?;
        let wrong = |_| Failure::new(Status::Option, "option `progress`: must be a bool");
        match options.bool("progress").map_err(wrong)? {
            Some(true) => session.progress(*request, options, payload).map(|()| 0),
            _ => object.what.answer(|| session.answer(*request, options, payload)).map(|()| 0),
        }
    })
}

/// Answers an invocation with an error. Allowed on any thread, once.
///
/// `uri` NULL stands for `wamp.error.runtime_error`; `payload` may be NULL. Both are copied.
/// Returns as wamp_invocation_yield(), and WAMP_ERR_URI, WAMP_ERR_UTF8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_error(
    invocation: *mut wamp_invocation_t,
    uri: *const c_char,
    payload: *const wamp_payload_t,
) -> c_int {
    from_c!(uri: Text, payload: Payload);
    guard(|| {
        let object = find(invocation)?;
        let uri = uri.optional()?.unwrap_or(uri::RUNTIME_ERROR);
        let payload = payload.read()?;
        let Invocation { session, request, .. } = &object.what;
        let uri = session.shared().prefixes.resolve(uri);
        object.what.answer(|| session.answer_error(*request, &uri, payload)).map(|()| 0)
    })
}

/// Tells whether the answer is no longer wanted. A callee that works for a long time checks this
/// now and then, or uses wamp_invocation_on_interrupt().
///
/// Returns 1 if the caller has canceled the call or is gone, or our session has ended; 0 otherwise,
/// also after the answer; or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_is_canceled(invocation: *mut wamp_invocation_t) -> c_int {
    guard(|| {
        let object = find(invocation)?;
        let Invocation { session, request, .. } = &object.what;
        Ok(c_int::from(object.what.check().is_ok() && session.is_interrupted(*request)))
    })
}

/// Sets the callback for WAMP_INTERRUPT, called when the caller cancels the call; a cancellation
/// that has already arrived is delivered too. Retain the invocation first.
///
/// `details` of the event hold `mode` and possibly `reason`. After the callback (or, when polled,
/// at the next poll) the caller gets `wamp.error.canceled`, unless the callback has sent another
/// answer; with mode "killnowait" no answer is expected any more, and one is refused with
/// WAMP_ERR_CANCELED. `free` (may be NULL) runs exactly once: after the event, when the invocation
/// has been answered, or when this call fails. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_STATE
/// (answered already), WAMP_ERR_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_on_interrupt(
    invocation: *mut wamp_invocation_t,
    callback: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    let watcher = Arc::new(CTarget::watcher(callback, UserData::new(user_data, free)));
    guard(|| {
        let object = find(invocation)?;
        object.what.check()?;
        tag(&object.what, invocation);
        let receiver = Receiver::Known(watcher.clone(), object.what.registration);
        object.what.session.watch_interrupt(object.what.request, receiver).map(|()| 0)
    })
}

/// Answers for a handler that has failed: through the handle that it was lent, as far as that is
/// still one.
pub(super) fn fail(
    invocation: *mut wamp_invocation_t,
    session: &Session,
    request: u64,
    payload: PayloadRef<'_>,
) -> Result<(), Failure> {
    let answer = || session.answer_error(request, uri::RUNTIME_ERROR, payload);
    match find(invocation) {
        Ok(object) => object.what.answer(answer),
        Err(_) => answer(),
    }
}

/// Has the events that follow bring this handle.
fn tag(object: &Invocation, invocation: *mut wamp_invocation_t) {
    if object.check().is_err() {
        return;
    }
    let key = handles::key(invocation).unwrap_or(0);
    object.session.tag_invocation(object.request, key);
}
