//! Reports on connections and sessions beyond their plain properties, told as messages, which the
//! value lenses read. And the session's own log.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::client::{Failure, Notice, NoticeKind, Session};
use crate::codec::{Payload, PayloadRef};
use crate::log;
use crate::protocol::{Event, EventKind, SubscriptionInfo, features};

use super::args::{Buffer, Text, from_c};
use super::guard::{guard, plain_io};
use super::handles::{self, find};
use super::types::*;
use super::view::{self, Seen};

/// A message of kind 0 whose args or kwargs are `value`.
pub(super) fn report(value: &Value) -> Result<*mut wamp_message_t, Failure> {
    let frame = Bytes::from(value.to_string());
    let part = Some(&frame[..]);
    let payload = match value.is_array() {
        true => PayloadRef { args: part, ..PayloadRef::NONE },
        false => PayloadRef { kwargs: part, ..PayloadRef::NONE },
    };
    let mut event = Event::new(EventKind::Released, 0, None);
    event.payload = Payload::from_frame(&frame, payload);
    view::message(Notice::detached(NoticeKind::Session(EventKind::Released), event))
}

/// The features of the session, role by role, as the kwargs of a message.
///
/// `publisher`, `subscriber`, `caller` and `callee` hold our features, true if the router announces
/// them too, false if it does not; `broker` and `dealer` hold everything that the router announces.
/// To be freed by wamp_message_free(). NULL on failure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_features(
    session: *mut wamp_session_t,
) -> *mut wamp_message_t {
    guard(|| {
        let session = handles::session(session)?;
        report(&features(&session))
    })
}

fn features(session: &Session) -> Value {
    let details = session.joined().map(|joined| joined.details.clone()).unwrap_or_default();
    let details: Value = serde_json::from_slice(&details).unwrap_or_default();
    let announced = |role: &str| details["roles"][role]["features"].clone();
    let mut all = Map::new();
    for (role, ours) in features::OURS {
        let router = match *role {
            "publisher" | "subscriber" => announced("broker"),
            _ => announced("dealer"),
        };
        let both = ours.iter().map(|feature| {
            // Both spellings stand in the specification.
            let also = match *feature {
                "call_canceling" => "call_cancelling",
                other => other,
            };
            let on = router[*feature] == true || router[also] == true;
            ((*feature).to_owned(), Value::from(on))
        });
        all.insert((*role).to_owned(), Value::Object(both.collect()));
    }
    for role in ["broker", "dealer"] {
        all.insert(role.to_owned(), announced(role));
    }
    Value::Object(all)
}

/// The subscriptions that are active on the session, as the args of a message: dicts with `id` (as
/// the request returned it), `wamp_id` (the router's), `topic` and `match`. Those of the connection
/// are included. To be freed by wamp_message_free(). NULL on failure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_subscriptions(
    session: *mut wamp_session_t,
) -> *mut wamp_message_t {
    guard(|| {
        let session = handles::session(session)?;
        report(&listed("topic", &session.subscriptions()))
    })
}

/// The registrations that are active on the session, as the args of a message: dicts with `id`,
/// `wamp_id`, `procedure` and `match`. As wamp_session_subscriptions().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_registrations(
    session: *mut wamp_session_t,
) -> *mut wamp_message_t {
    guard(|| {
        let session = handles::session(session)?;
        report(&listed("procedure", &session.registrations()))
    })
}

fn listed(name: &str, list: &[SubscriptionInfo]) -> Value {
    let entries = list.iter().map(|entry| {
        json!({
            "id": entry.id,
            "wamp_id": entry.wamp_id,
            name: entry.uri.to_string_lossy(),
            "match": entry.matching.name(),
        })
    });
    entries.collect()
}

/// The transport that is up, as the kwargs of a message: `type` ("websocket", "rawsocket",
/// "longpoll"), `url`, `protocol` (such as "wamp.2.json"); "none" and nulls if there is none. To be
/// freed by wamp_message_free(). NULL on failure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_transport(
    connection: *mut wamp_connection_t,
) -> *mut wamp_message_t {
    guard(|| {
        let object = find(connection)?;
        let info = match object.client.transport() {
            Some((kind, url, protocol)) => json!({"type": kind, "url": url, "protocol": protocol}),
            None => json!({"type": "none", "url": null, "protocol": null}),
        };
        report(&info)
    })
}

/// The statistics of a connection since it was made, as the kwargs of a message.
///
/// `received` and `sent`: `bytes`, and `messages` by type. `round_trip`: seconds from the last ping
/// to its answer, or null. `pending`: requests without an answer. `send_queue_bytes`,
/// `receive_queue_bytes`, `receive_queue_events`: how much is waiting. `sessions`, `reconnects`:
/// how many there have been. `last_end`: null, or `class`, `reason` and `message` of the last
/// WAMP_CLOSE. `handlers`: `events` delivered, and `seconds` that callbacks have taken (not counted
/// if events are polled). To be freed by wamp_message_free(). NULL on failure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_stats(
    connection: *mut wamp_connection_t,
) -> *mut wamp_message_t {
    guard(|| {
        let object = find(connection)?;
        report(&object.client.stats())
    })
}

/// Makes `shortcut` stand for a URI prefix: after `wamp_session_prefix(session, "api",
/// "com.myapp.service")` every function accepts "api:add2" for "com.myapp.service.add2".
///
/// `prefix` must be whole components of a URI; NULL removes the shortcut. Shortcuts apply to later
/// sessions of the connection too. Strings are copied. Returns WAMP_OK, or WAMP_ERR_HANDLE,
/// WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8, WAMP_ERR_URI.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_prefix(
    session: *mut wamp_session_t,
    shortcut: *const c_char,
    prefix: *const c_char,
) -> c_int {
    from_c!(shortcut: Text, prefix: Text);
    guard(|| {
        let session = handles::session(session)?;
        let (shortcut, prefix) = (shortcut.required()?, prefix.optional()?);
        session.shared().prefixes.set(shortcut, prefix).map(|()| 0)
    })
}

/// Writes the URI that `text` stands for into `uri`, NUL-terminated: `text` itself, unless it
/// begins with a known shortcut. Rarely needed, because every function resolves by itself.
///
/// Returns the URI's length in bytes without the NUL; if it does not fit in `uri_size` bytes with
/// the NUL, `uri` is set to an empty text (it may be NULL with size 0). Or WAMP_ERR_HANDLE,
/// WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8, WAMP_ERR_TOO_LARGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_resolve(
    session: *mut wamp_session_t,
    text: *const c_char,
    uri: *mut c_char,
    uri_size: usize,
) -> c_int {
    from_c!(text: Text, uri[uri_size]: Buffer);
    guard(|| {
        let session = handles::session(session)?;
        let text = text.required()?;
        let resolved = session.shared().prefixes.resolve(text);
        uri.fill(&resolved)
    })
}

/// Writes a line to the log, whatever its level: `WAMP session <id> on '<realm>' at <ms> ms:
/// <text>`, where the time is measured from the beginning of the session. It goes to the function
/// of wamp_set_log(), or to standard error. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT,
/// WAMP_ERR_UTF8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_log(
    session: *mut wamp_session_t,
    text: *const c_char,
) -> c_int {
    from_c!(text: Text);
    guard(|| {
        let session = handles::session(session)?;
        say(&session, text.required()?);
        Ok(0)
    })
}

fn say(session: &Session, text: &str) {
    let at = session.begun().elapsed().as_secs_f64() * 1000.0;
    let line = match session.joined() {
        Some(joined) => {
            let realm = joined.realm.to_string_lossy();
            format!("WAMP session {} on '{realm}' at {at:.3} ms: {text}", joined.id)
        }
        None => format!("WAMP session: {text}"),
    };
    log::tell(log::Level::Info, &line);
}

/// A callback that writes its event to the log, as wamp_session_log() does, with args and kwargs.
/// Can be passed wherever a wamp_callback_t is expected. It does not answer invocations. An event
/// that is no longer valid causes a warning in the log.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_log_event(event: *const wamp_event_t, user_data: *mut c_void) {
    from_c!(event: Seen);
    // As every callback has one.
    let _ = user_data;
    plain_io(|| {
        let notice = match event.notice() {
            Ok(notice) => notice,
            Err(failure) => {
                log::write(log::Level::Warn, || format!("wamp_log_event: {}", failure.text));
                return;
            }
        };
        let text = |text: &Option<Arc<CStr>>| {
            text.as_deref().map(CStr::to_string_lossy).unwrap_or_default().into_owned()
        };
        let payload = notice.event.payload.as_ref();
        let part =
            |part: Option<&[u8]>| String::from_utf8_lossy(part.unwrap_or_default()).into_owned();
        let words = [
            view::kind_name(view::kind(notice.kind)).to_owned(),
            text(&notice.event.uri),
            text(&notice.text),
            part(payload.args),
            part(payload.kwargs),
        ];
        let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        match &notice.session {
            Some(session) => say(session, &line),
            None => log::tell(log::Level::Info, &format!("WAMP session: {line}")),
        }
    });
}
