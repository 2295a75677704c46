//! Registering and calling on a session.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

use crate::client::request_options::Request;
use crate::client::{Failure, Session, Status};
use crate::protocol::CancelMode;

use super::args::{self, Out, Payload, Text, from_c};
use super::guard::guard;
use super::handles;
use super::requests::{self, Reply};
use super::types::*;
use super::view;

/// Registers a procedure.
///
/// `options` (JSON object, may be NULL) go to the router, such as `{"invoke": "roundrobin"}`.
/// `handler` receives WAMP_INVOCATION and answers through `event->invocation`, at once or later;
/// `done` (may be NULL) receives WAMP_REGISTERED or WAMP_ERROR, and WAMP_UNREGISTERED if the router
/// revokes the registration. Strings are copied. `free` (may be NULL) runs exactly once, even if
/// the call fails.
///
/// Returns the registration's id (> 0, valid at once), or as wamp_session_subscribe();
/// WAMP_ERR_STATE also if this session has registered the same procedure already, or has not had
/// the answer to its unregistering yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_register(
    session: *mut wamp_session_t,
    procedure: *const c_char,
    options: *const c_char,
    handler: wamp_callback_t,
    done: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> i64 {
    from_c!(procedure: Text, options: Text);
    let reply = Reply::told(handler, done, user_data, free);
    register(session, procedure, options, &reply)
}

/// Registers a procedure and waits for the router's answer, at most `timeout_ms` (negative: no
/// limit). Returns as wamp_session_register(), or as wamp_session_subscribe_sync().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_register_sync(
    session: *mut wamp_session_t,
    procedure: *const c_char,
    options: *const c_char,
    handler: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
    timeout_ms: c_int,
) -> i64 {
    from_c!(procedure: Text, options: Text);
    let reply = Reply::awaited_before(handler, user_data, free, timeout_ms);
    register(session, procedure, options, &reply)
}

#[cfg_attr(debug_assertions, track_caller)]
fn register(
    session: *mut wamp_session_t,
    procedure: Text<'_>,
    options: Text<'_>,
    reply: &Reply,
) -> i64 {
    guard(|| {
        let session = handles::session(session)?;
        reply.check_handler(&session)?;
        reply.check_wait(&session)?;
        let procedure = procedure.required()?;
        let options = requests::options(&session, Request::Register, options)?;
        let id = session.register(procedure, options, reply.receiver())?;
        reply.wait(&session, || session.drop_registration(id))?;
        Ok(id as i64)
    })
}

/// Ends a registration. Invocations that are on their way are still delivered, until
/// WAMP_UNREGISTERED.
///
/// `done` (may be NULL) receives WAMP_UNREGISTERED or WAMP_ERROR. `free` (may be NULL) frees this
/// call's `user_data`, exactly once. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_NO_SUCH_ID,
/// WAMP_ERR_AGAIN, WAMP_ERR_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_unregister(
    session: *mut wamp_session_t,
    registration: i64,
    done: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    let reply = Reply::told(None, done, user_data, free);
    unregister(session, registration, &reply)
}

/// Ends a registration and waits for the router's answer, at most `timeout_ms` (negative: no
/// limit). Returns as wamp_session_unregister(), or WAMP_ERR_REMOTE, WAMP_ERR_PAYLOAD (its error
/// cannot be decoded), WAMP_ERR_TIMEOUT, WAMP_ERR_DEADLOCK, WAMP_ERR_NOT_SENT,
/// WAMP_ERR_OUTCOME_UNKNOWN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_unregister_sync(
    session: *mut wamp_session_t,
    registration: i64,
    timeout_ms: c_int,
) -> c_int {
    unregister(session, registration, &Reply::awaited(timeout_ms))
}

#[cfg_attr(debug_assertions, track_caller)]
fn unregister(session: *mut wamp_session_t, registration: i64, reply: &Reply) -> c_int {
    guard(|| {
        let session = handles::session(session)?;
        reply.check_wait(&session)?;
        let id = args::local_id(registration, "registration")?;
        session.unregister(id, Some(reply.receiver()))?;
        reply.wait(&session, || ())?;
        Ok(0)
    })
}

/// Calls a procedure.
///
/// `payload` and `options` (JSON object, such as `{"receive_progress": true}`) may be NULL;
/// everything is copied. With the option `timeout` (milliseconds) the call is canceled after that
/// time without a result, whether or not the router supports time limits: WAMP_ERROR
/// `wamp.error.timeout` with status WAMP_ERR_TIMEOUT. `done` (may be NULL) receives WAMP_RESULT or
/// WAMP_ERROR, exactly once, even if the connection is lost; before it, if `receive_progress` was
/// set, any number of WAMP_RESULT with WAMP_FLAG_PROGRESS. `free` (may be NULL) runs exactly once,
/// even if the call fails.
///
/// Returns the call's id (> 0), or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8, WAMP_ERR_URI,
/// WAMP_ERR_PAYLOAD, WAMP_ERR_OPTION, WAMP_ERR_AGAIN, WAMP_ERR_CLOSED, WAMP_ERR_TOO_LARGE,
/// WAMP_ERR_STATE (the router does not have the dealer role), WAMP_ERR_UNSUPPORTED (the options
/// need a feature that the router does not announce: `progress`, `ppt_scheme`, `enc_algo`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_call(
    session: *mut wamp_session_t,
    procedure: *const c_char,
    payload: *const wamp_payload_t,
    options: *const c_char,
    done: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> i64 {
    from_c!(procedure: Text, payload: Payload, options: Text);
    let reply = Reply::told(None, done, user_data, free);
    guard(|| {
        let (_, id) = call(session, procedure, payload, options, &reply)?;
        Ok(id as i64)
    })
}

/// Sends more input for a call that was made with the option `{"progress": true}` (progressive call
/// invocations): the callee gets it as a further WAMP_INVOCATION.
///
/// `call` is the id that wamp_session_call() returned. `options` with `"progress": true` announce
/// that more follows; without it, or with NULL, this is the last. `payload` may be NULL; everything
/// is copied. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_NO_SUCH_ID (the call has ended),
/// WAMP_ERR_STATE (it was made without `progress`, was canceled, or the last input has been sent),
/// WAMP_ERR_ARGUMENT (an unknown encoding), WAMP_ERR_UTF8, WAMP_ERR_PAYLOAD, WAMP_ERR_OPTION,
/// WAMP_ERR_UNSUPPORTED, WAMP_ERR_AGAIN, WAMP_ERR_CLOSED, WAMP_ERR_TOO_LARGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_call_more(
    session: *mut wamp_session_t,
    call: i64,
    payload: *const wamp_payload_t,
    options: *const c_char,
) -> c_int {
    from_c!(payload: Payload, options: Text);
    guard(|| {
        let session = handles::session(session)?;
        let payload = payload.read()?;
        let options = requests::options(&session, Request::Call, options)?;
        session.call_more(args::local_id(call, "call")?, options, payload).map(|()| 0)
    })
}

/// Calls a procedure and waits for the outcome, at most `timeout_ms` (negative: no limit).
///
/// `*result` (may be NULL if not wanted) receives the WAMP_RESULT, or with WAMP_ERR_REMOTE and with
/// WAMP_ERR_PAYLOAD (a codec cannot decode the result) the WAMP_ERROR, to be freed by
/// wamp_message_free(); otherwise NULL. Progressive results are skipped. Returns WAMP_OK, or as
/// wamp_session_call(), or WAMP_ERR_REMOTE (the answer is an error: its URI is in the message and
/// in wamp_last_error()), WAMP_ERR_TIMEOUT (canceled; a late answer is ignored), WAMP_ERR_DEADLOCK
/// (in a callback of inline dispatch, or in one of the connection that has registered the procedure
/// itself), WAMP_ERR_CANCELED (canceled by another thread), WAMP_ERR_NOT_SENT,
/// WAMP_ERR_OUTCOME_UNKNOWN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_call_sync(
    session: *mut wamp_session_t,
    procedure: *const c_char,
    payload: *const wamp_payload_t,
    options: *const c_char,
    timeout_ms: c_int,
    result: *mut *mut wamp_message_t,
) -> c_int {
    from_c!(procedure: Text, payload: Payload, options: Text, result: Out);
    result.set(std::ptr::null_mut());
    let reply = Reply::awaited(timeout_ms);
    guard(|| {
        let (session, id) = call(session, procedure, payload, options, &reply)?;
        let give_up = || drop(session.cancel(id, CancelMode::KillNoWait));
        let Some(told) = reply.outcome(&session, give_up)? else {
            return Ok(0);
        };
        let failed = requests::failure(&told).map_or(Ok(0), Err);
        let answered = matches!(told.status, Status::Ok | Status::Remote | Status::Payload);
        if answered && !result.is_null() {
            result.set(view::message(told)?);
        }
        failed
    })
}

/// Makes the call; waiting for its outcome is left to the caller.
fn call(
    session: *mut wamp_session_t,
    procedure: Text<'_>,
    payload: Payload<'_>,
    options: Text<'_>,
    reply: &Reply,
) -> Result<(Arc<Session>, u64), Failure> {
    let session = handles::session(session)?;
    let (procedure, payload) = (procedure.required()?, payload.read()?);
    let options = requests::options(&session, Request::Call, options)?;
    reply.check_call_wait(&session, procedure)?;
    let id = session.call(procedure, options, payload, reply.receiver())?;
    Ok((session, id))
}

/// Cancels a call.
///
/// `options` (JSON object, may be NULL) hold `mode`: "skip" and "killnowait" (the default) end the
/// call at once: `done` receives WAMP_ERROR `wamp.error.canceled` with status WAMP_ERR_CANCELED,
/// and a later answer is ignored. "kill" waits for the router's answer, which may be a result; if
/// the router does not announce call canceling, it is not asked, and the call ends at once.
/// (Crossbar.io never answers a "kill" for a callee that cannot be interrupted: give such a call a
/// `timeout`.) Never WAMP_ERR_AGAIN. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_NO_SUCH_ID (the
/// call has ended), WAMP_ERR_OPTION, WAMP_ERR_UTF8, WAMP_ERR_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_cancel(
    session: *mut wamp_session_t,
    call: i64,
    options: *const c_char,
) -> c_int {
    from_c!(options: Text);
    guard(|| {
        let session = handles::session(session)?;
        let options = requests::options(&session, Request::Cancel, options)?;
        let mode = CancelMode::from_options(options)?;
        session.cancel(args::local_id(call, "call")?, mode).map(|()| 0)
    })
}
