//! Subscribing and publishing on a session.

use std::ffi::{c_char, c_int, c_void};

use crate::client::request_options::Request;
use crate::client::{Failure, Notice, Status};
use crate::codec::{Dict, DictWriter};

use super::args::{self, Out, Payload, Text, from_c};
use super::guard::guard;
use super::handles;
use super::requests::{self, Reply};
use super::types::*;

/// Subscribes to a topic.
///
/// `options` (JSON object, may be NULL) go to the router, such as `{"match": "prefix"}`. `handler`
/// receives WAMP_EVENT; `done` (may be NULL) receives WAMP_SUBSCRIBED or WAMP_ERROR, and
/// WAMP_UNSUBSCRIBED if the router revokes the subscription. If a topic has several handlers, each
/// of them receives each event once. Strings are copied. `free` (may be NULL) runs exactly once,
/// even if the call fails.
///
/// Returns the subscription's id (> 0, valid at once), or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT (NULL
/// handler without manual dispatch), WAMP_ERR_UTF8, WAMP_ERR_URI, WAMP_ERR_OPTION, WAMP_ERR_PAYLOAD
/// (the encoding of the connection cannot represent an option), WAMP_ERR_AGAIN, WAMP_ERR_CLOSED,
/// WAMP_ERR_TOO_LARGE, WAMP_ERR_STATE (the router does not have the broker role).
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
    from_c!(topic: Text, options: Text);
    let reply = Reply::told(handler, done, user_data, free);
    subscribe(session, topic, options, &reply)
}

/// Subscribes and waits for the router's answer, at most `timeout_ms` (negative: no limit).
///
/// Returns the subscription's id, or as wamp_session_subscribe(), or WAMP_ERR_REMOTE (the router
/// refused: its URI is in wamp_last_error()), WAMP_ERR_TIMEOUT (the request is abandoned),
/// WAMP_ERR_CANCELED (abandoned by another thread), WAMP_ERR_DEADLOCK (in a callback of inline
/// dispatch), WAMP_ERR_NOT_SENT, WAMP_ERR_OUTCOME_UNKNOWN.
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
    from_c!(topic: Text, options: Text);
    let reply = Reply::awaited_before(handler, user_data, free, timeout_ms);
    subscribe(session, topic, options, &reply)
}

#[cfg_attr(debug_assertions, track_caller)]
fn subscribe(
    session: *mut wamp_session_t,
    topic: Text<'_>,
    options: Text<'_>,
    reply: &Reply,
) -> i64 {
    guard(|| {
        let session = handles::session(session)?;
        reply.check_handler(&session)?;
        reply.check_wait(&session)?;
        let topic = topic.required()?;
        let options = requests::options(&session, Request::Subscribe, options)?;
        let id = session.subscribe(topic, options, reply.receiver())?;
        reply.wait(&session, || session.drop_subscription(id))?;
        Ok(id as i64)
    })
}

/// Ends a subscription: once this has returned, its handler is not called again; only a call that
/// is already running continues.
///
/// `done` (may be NULL) receives WAMP_UNSUBSCRIBED, in any case, or WAMP_ERROR. `free` (may be
/// NULL) frees this call's `user_data`, exactly once; the subscription's own is freed too.
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
    let reply = Reply::told(None, done, user_data, free);
    unsubscribe(session, subscription, &reply)
}

/// Ends a subscription and waits for the router's answer, at most `timeout_ms` (negative: no
/// limit). Returns as wamp_session_unsubscribe(), or WAMP_ERR_REMOTE, WAMP_ERR_PAYLOAD (its error
/// cannot be decoded), WAMP_ERR_TIMEOUT, WAMP_ERR_DEADLOCK, WAMP_ERR_NOT_SENT,
/// WAMP_ERR_OUTCOME_UNKNOWN; the handler is removed except with WAMP_ERR_HANDLE,
/// WAMP_ERR_NO_SUCH_ID, WAMP_ERR_AGAIN, WAMP_ERR_CLOSED and WAMP_ERR_DEADLOCK.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_unsubscribe_sync(
    session: *mut wamp_session_t,
    subscription: i64,
    timeout_ms: c_int,
) -> c_int {
    unsubscribe(session, subscription, &Reply::awaited(timeout_ms))
}

#[cfg_attr(debug_assertions, track_caller)]
fn unsubscribe(session: *mut wamp_session_t, subscription: i64, reply: &Reply) -> c_int {
    guard(|| {
        let session = handles::session(session)?;
        reply.check_wait(&session)?;
        let id = args::local_id(subscription, "subscription")?;
        let ended = session.unsubscribe(id, Some(reply.receiver()))?;
        reply.wait(&session, || ())?;
        Ok(c_int::from(ended))
    })
}

/// Publishes an event without acknowledgement: neither success nor failure is reported later.
///
/// `payload` and `options` (JSON object, such as `{"exclude_me": false}`) may be NULL; everything
/// is copied. To learn the outcome use wamp_session_publish_ack().
///
/// Returns WAMP_OK when it is queued, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8,
/// WAMP_ERR_URI, WAMP_ERR_PAYLOAD, WAMP_ERR_OPTION, WAMP_ERR_AGAIN, WAMP_ERR_CLOSED,
/// WAMP_ERR_TOO_LARGE, WAMP_ERR_STATE (the router does not have the broker role),
/// WAMP_ERR_UNSUPPORTED (the options need a feature that the router does not announce:
/// `ppt_scheme`, `enc_algo`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_publish(
    session: *mut wamp_session_t,
    topic: *const c_char,
    payload: *const wamp_payload_t,
    options: *const c_char,
) -> c_int {
    from_c!(topic: Text, payload: Payload, options: Text);
    guard(|| {
        let session = handles::session(session)?;
        let (topic, payload) = (topic.required()?, payload.read()?);
        let options = requests::options(&session, Request::Publish, options)?;
        if !options.is_empty() && options.bool("acknowledge") == Ok(Some(true)) {
            let text =
                "option `acknowledge`: use wamp_session_publish_ack, which receives the answer";
            return Err(Failure::new(Status::Option, text));
        }
        session.publish(topic, options, payload).map(|()| 0)
    })
}

/// Publishes an event with acknowledgement.
///
/// `done` (may be NULL) receives WAMP_PUBLISHED with the publication's id as `wamp_id`, or
/// WAMP_ERROR. `free` (may be NULL) runs exactly once, even if the call fails. Returns the
/// request's id (> 0), which the event will have, or as wamp_session_publish().
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
    from_c!(topic: Text, payload: Payload, options: Text);
    let reply = Reply::told(None, done, user_data, free);
    guard(|| {
        let (id, _) = publish_ack(session, topic, payload, options, &reply)?;
        Ok(id as i64)
    })
}

/// Publishes an event and waits for the router's acknowledgement, at most `timeout_ms` (negative:
/// no limit).
///
/// `*publication` (may be NULL if not wanted) receives the publication's id, up to 2^53, or 0 on
/// failure. Returns WAMP_OK, or as wamp_session_publish(), or WAMP_ERR_REMOTE (refused: see
/// wamp_last_error()), WAMP_ERR_TIMEOUT, WAMP_ERR_DEADLOCK, WAMP_ERR_NOT_SENT,
/// WAMP_ERR_OUTCOME_UNKNOWN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_publish_ack_sync(
    session: *mut wamp_session_t,
    topic: *const c_char,
    payload: *const wamp_payload_t,
    options: *const c_char,
    timeout_ms: c_int,
    publication: *mut i64,
) -> c_int {
    from_c!(topic: Text, payload: Payload, options: Text, publication: Out);
    publication.set(0);
    let reply = Reply::awaited(timeout_ms);
    guard(|| {
        let (_, told) = publish_ack(session, topic, payload, options, &reply)?;
        publication.set(told.map_or(0, |told| told.event.wamp_id as i64));
        Ok(0)
    })
}

/// Returns the request's id, and what was told if it was waited for.
fn publish_ack(
    session: *mut wamp_session_t,
    topic: Text<'_>,
    payload: Payload<'_>,
    options: Text<'_>,
    reply: &Reply,
) -> Result<(u64, Option<Notice>), Failure> {
    let session = handles::session(session)?;
    reply.check_wait(&session)?;
    let (topic, payload) = (topic.required()?, payload.read()?);
    let options = requests::options(&session, Request::Publish, options)?;
    let options = acknowledged(options)?;
    let options = Dict::from_checked(&options);
    let id = session.publish_ack(topic, options, payload, reply.receiver())?;
    let told = reply.wait(&session, || drop(session.drop_request(id)))?;
    Ok((id, told))
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
