//! The requests of a session: publish, subscribe, register, call, and their `_sync` twins.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Arc;

use crate::client::request_options::Request;
use crate::client::target::Waiter;
use crate::client::{Connection, Failure, Mode, Notice, Receiver, Session, Status};
use crate::codec::{Dict, DictWriter};
use crate::protocol::CancelMode;

use super::args;
use super::event;
use super::guard::guard;
use super::session::session;
use super::target::{CTarget, UserData};
use super::types::*;

/// Takes what C gives to hear of a request.
fn target(
    handler: wamp_callback_t,
    done: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> Arc<CTarget> {
    Arc::new(CTarget::new(handler, done, UserData::new(user_data, free)))
}

/// The receiver of a request. The caller keeps its own reference until the request is made: so a
/// refused one frees its user_data on return, when no lock is held.
fn app(target: &Arc<CTarget>) -> Receiver {
    Receiver::App(target.clone())
}

/// The options of a request, which the session's connection wants checked or not.
///
/// # Safety
/// As for [`args::options`].
pub(super) unsafe fn options<'a>(
    session: &Session,
    request: Request,
    options: *const c_char,
) -> Result<Dict<'a>, Failure> {
    // SAFETY: the caller's promise.
    let options = unsafe { args::options(options) }?;
    if session.options().strict_options {
        request.check(options)?;
    }
    Ok(options)
}

/// Options with `"acknowledge": true`.
fn acknowledged(options: Dict<'_>) -> Result<Vec<u8>, Failure> {
    match options.bool("acknowledge") {
        Ok(Some(true)) => return Ok(options.as_bytes().to_vec()),
        Ok(None) => {}
        _ => {
            let text = "option `acknowledge`: must be true here, or left out";
            return Err(Failure::new(Status::Option, text));
        }
    }
    let mut with = DictWriter::default();
    with.flag("acknowledge").extend(options);
    Ok(with.finish().into_bytes())
}

/// The failure that a notice tells, in the same words.
fn failure(told: &Notice) -> Option<Failure> {
    let text = || told.text.as_deref().map(CStr::to_string_lossy).unwrap_or_default();
    (told.status != Status::Ok).then(|| Failure::new(told.status, text()))
}

/// Waits for the outcome of a request; gives it up by `abandon` when the time is up.
fn outcome(
    session: &Arc<Session>,
    waiter: &Waiter,
    timeout_ms: c_int,
    abandon: impl FnOnce(),
) -> Result<Notice, Failure> {
    let Some(event) = session.wait(waiter, args::timeout(timeout_ms)) else {
        abandon();
        let text = format!("no answer within {timeout_ms} ms; the request was given up");
        return Err(Failure::new(Status::Timeout, text));
    };
    let told = session.told(event);
    match failure(&told) {
        Some(failure) => Err(failure),
        None => Ok(told),
    }
}

// ===== subscribe =====

/// Subscribes to a topic.
///
/// `options` (JSON object, may be NULL) go to the router, such as `{"match": "prefix"}`. `handler`
/// hears WAMP_EVENT; `done` (may be NULL) hears WAMP_SUBSCRIBED or WAMP_ERROR, and
/// WAMP_UNSUBSCRIBED if the router revokes it. Several handlers of one topic each hear each event
/// once. Strings are copied. `free` (may be NULL) runs exactly once, also when the call fails.
///
/// Returns the subscription's id (> 0, valid at once), or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT (NULL
/// handler without manual dispatch), WAMP_ERR_UTF8, WAMP_ERR_URI, WAMP_ERR_OPTION, WAMP_ERR_PAYLOAD (the
/// encoding of the connection cannot carry an option), WAMP_ERR_AGAIN, WAMP_ERR_CLOSED,
/// WAMP_ERR_TOO_LARGE, WAMP_ERR_STATE (the router is no broker).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_subscribe(
    session: *mut wamp_session_t,
    topic: *const c_char,
    options: *const c_char,
    handler: wamp_callback_t,
    done: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> i64 {
    let target = target(handler, done, user_data, free);
    guard(|| {
        let session = self::session(session)?;
        check_handler(session.connection(), handler)?;
        // SAFETY: the caller's promise.
        let (topic, options) = unsafe {
            (args::text(topic, "topic")?, self::options(&session, Request::Subscribe, options)?)
        };
        session.subscribe(topic, options, app(&target)).map(|id| id as i64)
    })
}

/// Subscribes and waits for the router's answer, at most `timeout_ms` (negative: no limit).
///
/// Returns the subscription's id, or as wamp_session_subscribe(), or WAMP_ERR_REMOTE (the router
/// refused: its URI is in wamp_last_error()), WAMP_ERR_TIMEOUT (given up), WAMP_ERR_CANCELED (given up by
/// another thread), WAMP_ERR_DEADLOCK (in a callback of inline dispatch), WAMP_ERR_NOT_SENT,
/// WAMP_ERR_OUTCOME_UNKNOWN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_subscribe_sync(
    session: *mut wamp_session_t,
    topic: *const c_char,
    options: *const c_char,
    handler: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
    timeout_ms: c_int,
) -> i64 {
    let target = target(handler, None, user_data, free);
    guard(|| {
        let session = self::session(session)?;
        check_handler(session.connection(), handler)?;
        session.check_wait()?;
        // SAFETY: the caller's promise.
        let (topic, options) = unsafe {
            (args::text(topic, "topic")?, self::options(&session, Request::Subscribe, options)?)
        };
        let waiter = Arc::new(Waiter::default());
        let receiver = Receiver::Both(target.clone(), waiter.clone());
        let id = session.subscribe(topic, options, receiver)?;
        outcome(&session, &waiter, timeout_ms, || session.give_up_subscription(id))?;
        Ok(id as i64)
    })
}

/// Ends a subscription: its handler is not called any more once this returns, but for a call that
/// is running.
///
/// `done` (may be NULL) hears WAMP_UNSUBSCRIBED, always, or WAMP_ERROR. `free` (may be NULL)
/// frees this call's `user_data`, exactly once; the subscription's own is freed too.
///
/// Returns 1 if the router's subscription ends, 0 if other handlers of it remain, or
/// WAMP_ERR_HANDLE, WAMP_ERR_NO_SUCH_ID, WAMP_ERR_AGAIN, WAMP_ERR_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_unsubscribe(
    session: *mut wamp_session_t,
    subscription: i64,
    done: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    let target = target(None, done, user_data, free);
    guard(|| {
        let session = self::session(session)?;
        let id = args::local_id(subscription)?;
        session.unsubscribe(id, Some(app(&target))).map(c_int::from)
    })
}

/// Ends a subscription and waits for the router's answer, at most `timeout_ms` (negative: no
/// limit). Returns as wamp_session_unsubscribe(), or WAMP_ERR_REMOTE, WAMP_ERR_PAYLOAD (its error
/// cannot be read), WAMP_ERR_TIMEOUT, WAMP_ERR_DEADLOCK, WAMP_ERR_NOT_SENT, WAMP_ERR_OUTCOME_UNKNOWN;
/// the handler is gone in any case but WAMP_ERR_HANDLE, WAMP_ERR_NO_SUCH_ID, WAMP_ERR_AGAIN,
/// WAMP_ERR_CLOSED and WAMP_ERR_DEADLOCK.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_unsubscribe_sync(
    session: *mut wamp_session_t,
    subscription: i64,
    timeout_ms: c_int,
) -> c_int {
    guard(|| {
        let session = self::session(session)?;
        session.check_wait()?;
        let waiter = Arc::new(Waiter::default());
        let id = args::local_id(subscription)?;
        let ended = session.unsubscribe(id, Some(Receiver::Waiter(waiter.clone())))?;
        outcome(&session, &waiter, timeout_ms, || ())?;
        Ok(c_int::from(ended))
    })
}

// ===== publish =====

/// Publishes an event and forgets it: nothing more is heard of it, neither success nor failure.
///
/// `payload` and `options` (JSON object, such as `{"exclude_me": false}`) may be NULL; all is
/// copied. To hear of the outcome use wamp_session_publish_ack().
///
/// Returns WAMP_OK when it is queued, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8,
/// WAMP_ERR_URI, WAMP_ERR_PAYLOAD, WAMP_ERR_OPTION, WAMP_ERR_AGAIN, WAMP_ERR_CLOSED,
/// WAMP_ERR_TOO_LARGE, WAMP_ERR_STATE (the router is no broker), WAMP_ERR_UNSUPPORTED (the options need a
/// feature that the router does not announce: `ppt_scheme`, `enc_algo`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_publish(
    session: *mut wamp_session_t,
    topic: *const c_char,
    payload: *const wamp_payload_t,
    options: *const c_char,
) -> c_int {
    guard(|| {
        let session = self::session(session)?;
        // SAFETY: the caller's promise.
        let (topic, payload, options) = unsafe {
            (
                args::text(topic, "topic")?,
                args::payload(payload)?,
                self::options(&session, Request::Publish, options)?,
            )
        };
        if !options.is_empty() && options.bool("acknowledge") == Ok(Some(true)) {
            let text = "option `acknowledge`: use wamp_session_publish_ack, which hears the answer";
            return Err(Failure::new(Status::Option, text));
        }
        session.publish(topic, options, payload).map(|()| 0)
    })
}

/// Publishes an event and hears of the outcome.
///
/// `done` (may be NULL) hears WAMP_PUBLISHED with the publication's id as `wamp_id`, or WAMP_ERROR.
/// `free` (may be NULL) runs exactly once, also when the call fails. Returns the request's id
/// (> 0), which the event will have, or as wamp_session_publish().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_publish_ack(
    session: *mut wamp_session_t,
    topic: *const c_char,
    payload: *const wamp_payload_t,
    options: *const c_char,
    done: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> i64 {
    let target = target(None, done, user_data, free);
    guard(|| {
        let session = self::session(session)?;
        // SAFETY: the caller's promise.
        let (topic, payload, options) = unsafe {
            (
                args::text(topic, "topic")?,
                args::payload(payload)?,
                self::options(&session, Request::Publish, options)?,
            )
        };
        let options = acknowledged(options)?;
        let options = Dict::from_checked(&options);
        session.publish_ack(topic, options, payload, app(&target)).map(|id| id as i64)
    })
}

/// Publishes an event and waits for the router's word, at most `timeout_ms` (negative: no limit).
///
/// `*publication` (may be NULL if not wanted) receives the publication's id, up to 2^53, or 0 on failure.
/// Returns WAMP_OK, or as wamp_session_publish(), or WAMP_ERR_REMOTE (refused: see wamp_last_error()),
/// WAMP_ERR_TIMEOUT, WAMP_ERR_DEADLOCK, WAMP_ERR_NOT_SENT, WAMP_ERR_OUTCOME_UNKNOWN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_publish_ack_sync(
    session: *mut wamp_session_t,
    topic: *const c_char,
    payload: *const wamp_payload_t,
    options: *const c_char,
    timeout_ms: c_int,
    publication: *mut i64,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { args::give(publication, 0) };
    guard(|| {
        let session = self::session(session)?;
        session.check_wait()?;
        // SAFETY: the caller's promise.
        let (topic, payload, options) = unsafe {
            (
                args::text(topic, "topic")?,
                args::payload(payload)?,
                self::options(&session, Request::Publish, options)?,
            )
        };
        let options = acknowledged(options)?;
        let options = Dict::from_checked(&options);
        let waiter = Arc::new(Waiter::default());
        let receiver = Receiver::Waiter(waiter.clone());
        let id = session.publish_ack(topic, options, payload, receiver)?;
        let told = outcome(&session, &waiter, timeout_ms, || drop(session.abandon(id)))?;
        // SAFETY: the caller's promise.
        unsafe { args::give(publication, told.event.wamp_id as i64) };
        Ok(0)
    })
}

// ===== register =====

/// Registers a procedure.
///
/// `options` (JSON object, may be NULL) go to the router, such as `{"invoke": "roundrobin"}`.
/// `handler` hears WAMP_INVOCATION and answers through `event->invocation`, at once or later;
/// `done` (may be NULL) hears WAMP_REGISTERED or WAMP_ERROR, and WAMP_UNREGISTERED if the router
/// revokes it. Strings are copied. `free` (may be NULL) runs exactly once, also when the call
/// fails.
///
/// Returns the registration's id (> 0, valid at once), or as wamp_session_subscribe();
/// WAMP_ERR_STATE also where this session has registered the same procedure, or its unregistering is
/// not answered yet.
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
    let target = target(handler, done, user_data, free);
    guard(|| {
        let session = self::session(session)?;
        check_handler(session.connection(), handler)?;
        // SAFETY: the caller's promise.
        let (procedure, options) = unsafe {
            (
                args::text(procedure, "procedure")?,
                self::options(&session, Request::Register, options)?,
            )
        };
        session.register(procedure, options, app(&target)).map(|id| id as i64)
    })
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
    let target = target(handler, None, user_data, free);
    guard(|| {
        let session = self::session(session)?;
        check_handler(session.connection(), handler)?;
        session.check_wait()?;
        // SAFETY: the caller's promise.
        let (procedure, options) = unsafe {
            (
                args::text(procedure, "procedure")?,
                self::options(&session, Request::Register, options)?,
            )
        };
        let waiter = Arc::new(Waiter::default());
        let receiver = Receiver::Both(target.clone(), waiter.clone());
        let id = session.register(procedure, options, receiver)?;
        outcome(&session, &waiter, timeout_ms, || session.give_up_registration(id))?;
        Ok(id as i64)
    })
}

/// Ends a registration. Invocations that are on their way still come, until WAMP_UNREGISTERED.
///
/// `done` (may be NULL) hears WAMP_UNREGISTERED or WAMP_ERROR. `free` (may be NULL) frees this
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
    let target = target(None, done, user_data, free);
    guard(|| {
        let session = self::session(session)?;
        let id = args::local_id(registration)?;
        session.unregister(id, Some(app(&target))).map(|()| 0)
    })
}

/// Ends a registration and waits for the router's answer, at most `timeout_ms` (negative: no
/// limit). Returns as wamp_session_unregister(), or WAMP_ERR_REMOTE, WAMP_ERR_PAYLOAD (its error cannot
/// be read), WAMP_ERR_TIMEOUT, WAMP_ERR_DEADLOCK, WAMP_ERR_NOT_SENT, WAMP_ERR_OUTCOME_UNKNOWN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_unregister_sync(
    session: *mut wamp_session_t,
    registration: i64,
    timeout_ms: c_int,
) -> c_int {
    guard(|| {
        let session = self::session(session)?;
        session.check_wait()?;
        let waiter = Arc::new(Waiter::default());
        let id = args::local_id(registration)?;
        session.unregister(id, Some(Receiver::Waiter(waiter.clone())))?;
        outcome(&session, &waiter, timeout_ms, || ())?;
        Ok(0)
    })
}

// ===== call =====

/// Calls a procedure.
///
/// `payload` and `options` (JSON object, such as `{"receive_progress": true}`) may be NULL; all is
/// copied. With the option `timeout` (milliseconds) the call is given up after that time without a
/// result, whether or not the router knows time limits: WAMP_ERROR `wamp.error.timeout` with status
/// WAMP_ERR_TIMEOUT. `done` (may be NULL) hears WAMP_RESULT or WAMP_ERROR, exactly once, also when the
/// connection is lost; before it, where `receive_progress` was asked for, any number of WAMP_RESULT
/// with WAMP_FLAG_PROGRESS. `free` (may be NULL) runs exactly once, also when the call fails.
///
/// Returns the call's id (> 0), or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8, WAMP_ERR_URI,
/// WAMP_ERR_PAYLOAD, WAMP_ERR_OPTION, WAMP_ERR_AGAIN, WAMP_ERR_CLOSED, WAMP_ERR_TOO_LARGE,
/// WAMP_ERR_STATE (the router is no dealer), WAMP_ERR_UNSUPPORTED (the options need a feature that
/// the router does not announce: `progress`, `ppt_scheme`, `enc_algo`).
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
    let target = target(None, done, user_data, free);
    guard(|| {
        let session = self::session(session)?;
        // SAFETY: the caller's promise.
        let (procedure, payload, options) = unsafe {
            (
                args::text(procedure, "procedure")?,
                args::payload(payload)?,
                self::options(&session, Request::Call, options)?,
            )
        };
        session.call(procedure, options, payload, app(&target)).map(|id| id as i64)
    })
}

/// Sends more input of a call that was made with the option `{"progress": true}` (progressive call
/// invocations): the callee gets it as a further WAMP_INVOCATION.
///
/// `call` is the id that wamp_session_call() returned. `options` with `"progress": true` announce
/// still more; without, or NULL, this is the last. `payload` may be NULL; all is copied. Returns
/// WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_NO_SUCH_ID (the call has ended), WAMP_ERR_STATE (it was made
/// without `progress`, was canceled, or the last input has been sent), WAMP_ERR_ARGUMENT (an unknown
/// encoding), WAMP_ERR_UTF8, WAMP_ERR_PAYLOAD, WAMP_ERR_OPTION, WAMP_ERR_UNSUPPORTED, WAMP_ERR_AGAIN,
/// WAMP_ERR_CLOSED, WAMP_ERR_TOO_LARGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_call_more(
    session: *mut wamp_session_t,
    call: i64,
    payload: *const wamp_payload_t,
    options: *const c_char,
) -> c_int {
    guard(|| {
        let session = self::session(session)?;
        // SAFETY: the caller's promise.
        let (payload, options) =
            unsafe { (args::payload(payload)?, self::options(&session, Request::Call, options)?) };
        session.call_more(args::local_id(call)?, options, payload).map(|()| 0)
    })
}

/// Calls a procedure and waits for the outcome, at most `timeout_ms` (negative: no limit).
///
/// `*result` (may be NULL if not wanted) receives the WAMP_RESULT, or with WAMP_ERR_REMOTE and
/// with WAMP_ERR_PAYLOAD (a codec cannot read the result) the WAMP_ERROR, to be freed by wamp_message_free(); otherwise NULL. Progressive results are skipped.
/// Returns WAMP_OK, or as wamp_session_call(), or WAMP_ERR_REMOTE (an error came: its URI is in
/// the message and in wamp_last_error()), WAMP_ERR_TIMEOUT (given up; a late answer is ignored),
/// WAMP_ERR_DEADLOCK (in a callback of inline dispatch, or in one of the connection that has
/// registered the procedure itself), WAMP_ERR_CANCELED (given up by another thread), WAMP_ERR_NOT_SENT,
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
    if !result.is_null() {
        // SAFETY: not NULL, so by the caller's promise writable.
        unsafe { *result = std::ptr::null_mut() };
    }
    guard(|| {
        let session = self::session(session)?;
        // SAFETY: the caller's promise.
        let (procedure, payload, options) = unsafe {
            (
                args::text(procedure, "procedure")?,
                args::payload(payload)?,
                self::options(&session, Request::Call, options)?,
            )
        };
        session.check_call_wait(procedure)?;
        let waiter = Arc::new(Waiter::default());
        let id = session.call(procedure, options, payload, Receiver::Waiter(waiter.clone()))?;
        let Some(event) = session.wait(&waiter, args::timeout(timeout_ms)) else {
            let _ = session.cancel(id, CancelMode::KillNoWait);
            let text = format!("no answer within {timeout_ms} ms; the call was given up");
            return Err(Failure::new(Status::Timeout, text));
        };
        let told = session.told(event);
        let failed = failure(&told).map_or(Ok(0), Err);
        let answered = matches!(told.status, Status::Ok | Status::Remote | Status::Payload);
        if answered && !result.is_null() {
            let message = event::message(told)?;
            // SAFETY: as above.
            unsafe { *result = message };
        }
        failed
    })
}

/// Gives a call up.
///
/// `options` (JSON object, may be NULL) hold `mode`: "skip" and "killnowait" (the default) end the
/// call at once: `done` hears WAMP_ERROR `wamp.error.canceled` with status WAMP_ERR_CANCELED, and an
/// answer that comes later is ignored. "kill" waits for what the router answers, which may be a
/// result; a router that does not announce call canceling is not asked, and the call ends at once.
/// (Crossbar.io never answers a "kill" for a callee that cannot be interrupted: give such a call a
/// `timeout`.) Never WAMP_ERR_AGAIN. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_NO_SUCH_ID (the
/// call has ended), WAMP_ERR_OPTION, WAMP_ERR_UTF8, WAMP_ERR_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_cancel(
    session: *mut wamp_session_t,
    call: i64,
    options: *const c_char,
) -> c_int {
    guard(|| {
        let session = self::session(session)?;
        // SAFETY: the caller's promise.
        let options = unsafe { self::options(&session, Request::Cancel, options) }?;
        let mode = CancelMode::of_options(options)?;
        session.cancel(args::local_id(call)?, mode).map(|()| 0)
    })
}

/// A handler must be given, but where its events are polled.
pub(super) fn check_handler(
    connection: &Connection,
    handler: wamp_callback_t,
) -> Result<(), Failure> {
    if handler.is_some() || connection.dispatcher.mode() == Mode::Manual {
        return Ok(());
    }
    let text = "`handler` is NULL: only polled connections (dispatch \"manual\") need none";
    Err(Failure::new(Status::Argument, text))
}
