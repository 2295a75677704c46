//! The two public structs, the opaque names, and the constants of wamp.h.

use std::ffi::{c_char, c_int, c_void};

/// Success.
pub const WAMP_OK: c_int = 0;
/// The handle is NULL, freed, or of another type.
pub const WAMP_ERR_HANDLE: c_int = -1;
/// Another argument is missing or out of range.
pub const WAMP_ERR_ARGUMENT: c_int = -2;
/// A text is not UTF-8.
pub const WAMP_ERR_UTF8: c_int = -3;
/// A URI is empty or invalid.
pub const WAMP_ERR_URI: c_int = -4;
/// A payload is malformed; wamp_last_error() says at which byte.
pub const WAMP_ERR_PAYLOAD: c_int = -5;
/// An option is unknown or has the wrong type, or the options are not a JSON object.
pub const WAMP_ERR_OPTION: c_int = -6;
/// The message is larger than the option `max_message_size`.
pub const WAMP_ERR_TOO_LARGE: c_int = -7;
/// The send queue is full: wait for WAMP_WRITABLE or wamp_connection_flush(), then try again.
pub const WAMP_ERR_AGAIN: c_int = -8;
/// The connection or session is not open.
pub const WAMP_ERR_CLOSED: c_int = -9;
/// Not possible in this state: opened twice, answered twice, wrong dispatch mode.
pub const WAMP_ERR_STATE: c_int = -10;
/// No subscription, registration or call with this id (any more).
pub const WAMP_ERR_NO_SUCH_ID: c_int = -11;
/// Waiting here would never end.
pub const WAMP_ERR_DEADLOCK: c_int = -12;
/// The time limit has passed.
pub const WAMP_ERR_TIMEOUT: c_int = -13;
/// The library's threads do not exist here: the process was forked from one that used the library,
/// or, on Windows, is about to end.
pub const WAMP_ERR_FORKED: c_int = -14;
/// A bug in libwamp.
pub const WAMP_ERR_INTERNAL: c_int = -15;
/// The router or the peer answered with an error: see its URI.
pub const WAMP_ERR_REMOTE: c_int = -16;
/// The session ended before the request was sent: it is safe to repeat.
pub const WAMP_ERR_NOT_SENT: c_int = -17;
/// The session ended after the request was sent: it may or may not have taken effect.
pub const WAMP_ERR_OUTCOME_UNKNOWN: c_int = -18;
/// No connection could be made.
pub const WAMP_ERR_UNREACHABLE: c_int = -19;
/// The server answered the WebSocket upgrade with another HTTP status.
pub const WAMP_ERR_HTTP: c_int = -20;
/// The server supports WebSocket, but not WAMP.
pub const WAMP_ERR_SUBPROTOCOL: c_int = -21;
/// The peer violated the protocol.
pub const WAMP_ERR_PROTOCOL: c_int = -22;
/// The router refused or ended the session by ABORT.
pub const WAMP_ERR_ABORTED: c_int = -23;
/// The connection was lost.
pub const WAMP_ERR_LOST: c_int = -24;
/// The request was canceled by the application, or an invocation by its caller.
pub const WAMP_ERR_CANCELED: c_int = -25;
/// The authentication failed, on either side.
pub const WAMP_ERR_AUTH: c_int = -26;
/// The library or the router cannot do this.
pub const WAMP_ERR_UNSUPPORTED: c_int = -27;
/// TLS failed: a certificate was rejected, or one side does not speak TLS.
pub const WAMP_ERR_TLS: c_int = -28;
/// The system is out of threads, file descriptors or memory.
pub const WAMP_ERR_EXHAUSTED: c_int = -29;

/// Kind of event: a session is open. `wamp_id` is the session's id, `uri` the realm.
pub const WAMP_OPEN: u32 = 1;
/// Kind of event: the connection has ended. `uri` is `closed`, `lost` or `unreachable`,
/// `message` a sentence, `status` says what went wrong (WAMP_OK: nothing), `details`
/// are `{reason, message, retry_delay, retry_count, will_retry}` with the router's URI and words.
pub const WAMP_CLOSE: u32 = 2;
/// Kind of event: after WAMP_ERR_AGAIN, requests are accepted again.
pub const WAMP_WRITABLE: u32 = 3;
/// Kind of event: a subscription is active.
pub const WAMP_SUBSCRIBED: u32 = 4;
/// Kind of event: a subscription has ended, as asked for or (with the reason as `uri`) revoked.
pub const WAMP_UNSUBSCRIBED: u32 = 5;
/// Kind of event: somebody published. `uri` is the topic, `wamp_id` the publication's id.
pub const WAMP_EVENT: u32 = 6;
/// Kind of event: a publication was acknowledged. `wamp_id` is its id.
pub const WAMP_PUBLISHED: u32 = 7;
/// Kind of event: a registration is active.
pub const WAMP_REGISTERED: u32 = 8;
/// Kind of event: a registration has ended, as asked for or (with the reason as `uri`) revoked.
pub const WAMP_UNREGISTERED: u32 = 9;
/// Kind of event: somebody calls. `uri` is the procedure; answer through `invocation`.
pub const WAMP_INVOCATION: u32 = 10;
/// Kind of event: a call's result. With WAMP_FLAG_PROGRESS more results follow.
pub const WAMP_RESULT: u32 = 11;
/// Kind of event: a request failed. `uri` is the error's URI, `status` one of WAMP_ERR_REMOTE,
/// WAMP_ERR_NOT_SENT, WAMP_ERR_OUTCOME_UNKNOWN, WAMP_ERR_CANCELED, WAMP_ERR_TIMEOUT,
/// WAMP_ERR_PAYLOAD (the answer cannot be decoded). For subscriptions and registrations of the
/// connection, which are requested again in each session, it can also be any status that
/// wamp_session_subscribe() and wamp_session_register() return.
pub const WAMP_ERROR: u32 = 12;

/// Kind of event: the caller has canceled an invocation. `wamp_id` and `id` are those of its
/// WAMP_INVOCATION, `invocation` is its handle if it was retained, `details` hold `mode`.
pub const WAMP_INTERRUPT: u32 = 13;
/// Kind of event: the router asks the client to authenticate. `uri` is the method, `details` hold
/// what came with the challenge; answer through `challenge`.
pub const WAMP_CHALLENGE: u32 = 14;
/// Kind of event: an attempt to connect is about to be made. `details` are `{url, realm, authid,
/// retry_count}`; decide through `attempt`.
pub const WAMP_CONNECT: u32 = 15;
/// Kind of event: a durable subscription or registration is active again. `details` are `{outage}`:
/// for how many seconds it was inactive.
pub const WAMP_RESTORED: u32 = 16;
/// Kind of event: a durable subscription or registration is out of service until WAMP_RESTORED,
/// because its session has ended.
pub const WAMP_SUSPENDED: u32 = 17;
/// Kind of event: the program's own code has failed and said so by wamp_event_failed(), or a
/// request without a callback has failed. `message` is a sentence, ids and `uri` are those of the
/// event or request concerned.
pub const WAMP_USER_ERROR: u32 = 18;
/// Kind of event: no transport could be opened, the peer violated the protocol, or a challenge was
/// not answered. `message` is a sentence, `status` says which; WAMP_CLOSE follows.
pub const WAMP_INTERNAL_ERROR: u32 = 19;
/// Kind of event: a client wants to join the program's router. `uri` is the realm, `wamp_id` the id
/// that its session will have, `details` say what is known of it; answer through
/// wamp_event_question().
pub const WAMP_AUTHENTICATE: u32 = 20;
/// Kind of event: a client of the program's router wants to call, register, publish or subscribe.
/// `uri` is the procedure or topic, `wamp_id` the session's id, `details` say what it wants and who
/// it is; answer through wamp_event_question().
pub const WAMP_AUTHORIZE: u32 = 21;

/// Flag of events. RESULT: this is a progressive result, more follow. INVOCATION: the caller
/// accepts progressive results.
pub const WAMP_FLAG_PROGRESS: u32 = 1;
/// Flag of events. INVOCATION: more input for the same call follows, as another WAMP_INVOCATION
/// with the same `wamp_id`. To use one handle for all of them, retain it.
pub const WAMP_FLAG_MORE: u32 = 2;
/// Flag of events. INVOCATION: earlier input for the same call, with the same `wamp_id`, has been
/// delivered.
pub const WAMP_FLAG_CONTINUED: u32 = 4;

/// Encoding of payloads: JSON text.
pub const WAMP_JSON: u32 = 1;
/// Encoding of payloads: MsgPack.
pub const WAMP_MSGPACK: u32 = 2;
/// Encoding of payloads: CBOR.
pub const WAMP_CBOR: u32 = 3;

/// Flag of payloads, set only by the library: the payload was received from a peer.
pub const WAMP_PAYLOAD_RECEIVED: u32 = 1;
/// Flag of payloads, set only by the library: the builder has failed, so the payload cannot be
/// sent.
pub const WAMP_PAYLOAD_BROKEN: u32 = 2;

/// Task of a codec: produce the bytes that go over the wire.
pub const WAMP_CODEC_ENCODE: u32 = 1;
/// Task of a codec: decode the bytes that were received.
pub const WAMP_CODEC_DECODE: u32 = 2;

/// Type of a value: there is none.
pub const WAMP_TYPE_NONE: c_int = 0;
/// Type of a value: null.
pub const WAMP_TYPE_NULL: c_int = 1;
/// Type of a value: true or false.
pub const WAMP_TYPE_BOOL: c_int = 2;
/// Type of a value: a whole number that fits int64_t.
pub const WAMP_TYPE_INT: c_int = 3;
/// Type of a value: a whole number beyond INT64_MAX that fits uint64_t.
pub const WAMP_TYPE_UINT: c_int = 4;
/// Type of a value: any other number.
pub const WAMP_TYPE_DOUBLE: c_int = 5;
/// Type of a value: UTF-8 text.
pub const WAMP_TYPE_STRING: c_int = 6;
/// Type of a value: bytes.
pub const WAMP_TYPE_BINARY: c_int = 7;
/// Type of a value: a list.
pub const WAMP_TYPE_LIST: c_int = 8;
/// Type of a value: a dict.
pub const WAMP_TYPE_DICT: c_int = 9;

/// Log level: nothing.
pub const WAMP_LOG_OFF: c_int = 0;
/// Log level: something failed that is not reported in any other way.
pub const WAMP_LOG_ERROR: c_int = 1;
/// Log level: something is unusual.
pub const WAMP_LOG_WARN: c_int = 2;
/// Log level: connections being opened and closed.
pub const WAMP_LOG_INFO: c_int = 3;
/// Log level: for troubleshooting.
pub const WAMP_LOG_DEBUG: c_int = 4;
/// Log level: everything.
pub const WAMP_LOG_TRACE: c_int = 5;

/// A connection to a router. Made by wamp_connection_new(), freed by wamp_connection_free();
/// can be opened again after it has closed.
pub struct wamp_connection_t(());
/// A session: one join of a realm. Lent in WAMP_OPEN until WAMP_CLOSE has been delivered; retain it
/// to keep it longer.
pub struct wamp_session_t(());
/// An incoming call, to be answered. Lent in WAMP_INVOCATION for the callback (or until the next
/// poll); retain it to answer later.
pub struct wamp_invocation_t(());
/// A router's authentication challenge. Lent in WAMP_CHALLENGE for the callback (or until the next
/// poll); retain it to answer later.
pub struct wamp_challenge_t(());
/// An attempt to connect that waits for the program's decision. Lent in WAMP_CONNECT for the
/// callback (or until the next poll); retain it to decide later.
pub struct wamp_attempt_t(());
/// An event kept beyond its callback, by wamp_event_keep() or as the result of
/// wamp_session_call_sync(). Freed by wamp_message_free().
pub struct wamp_message_t(());
/// A read-only lens on received data. Lives as long as the event or message it was taken from.
pub struct wamp_value_t(());
/// Writes a payload. Made by wamp_builder_new(), freed by wamp_builder_free().
pub struct wamp_builder_t(());
/// The buffer that a codec writes to. Lent to a wamp_codec_t until it returns.
pub struct wamp_buffer_t(());
/// A router inside this process. Made by wamp_router_new(), freed by wamp_router_free().
pub struct wamp_router_t(());
/// A question of the program's router, to be answered once. Lent in WAMP_AUTHENTICATE and
/// WAMP_AUTHORIZE for the callback (or until the next poll); retain it to answer later.
pub struct wamp_question_t(());

/// A payload, lent in either direction: encoded args and kwargs.
///
/// NULL stands for none. Payloads that are given to the library: the size WAMP_NUL means that JSON
/// text ends with a NUL; size 0 with a pointer is refused, because no encoded value is empty.
/// Payloads from the library: use the sizes, as the text is not NUL-terminated; a received payload
/// can be passed to any function that sends. A payload need not have the encoding of the
/// connection: it is converted, and refused if that encoding cannot represent it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct wamp_payload_t {
    /// One encoded list.
    pub args: *const c_char,
    /// Its bytes, or WAMP_NUL.
    pub args_size: usize,
    /// One encoded dict: in JSON an object, in MsgPack and CBOR a map.
    pub kwargs: *const c_char,
    /// Its bytes, or WAMP_NUL.
    pub kwargs_size: usize,
    /// WAMP_JSON, WAMP_MSGPACK or WAMP_CBOR; 0 is refused. In a received payload: WAMP_JSON, unless
    /// the option `payload_encoding` is "wire".
    pub encoding: u32,
    /// 0; for the library's own use.
    pub flags: u32,
}

/// A read-only view of something that happened. Valid until the callback returns, or, when polled,
/// until the next poll, dispatch, close with a timeout, or free of its connection. Fields are only
/// ever appended.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct wamp_event_t {
    /// The kind of event: WAMP_OPEN ... WAMP_AUTHORIZE. Ignore kinds that you do not know.
    pub kind: u32,
    /// WAMP_FLAG_PROGRESS, WAMP_FLAG_MORE, WAMP_FLAG_CONTINUED.
    pub flags: u32,
    /// ERROR, CLOSE, USER_ERROR, INTERNAL_ERROR: what went wrong, WAMP_ERR_*. Otherwise WAMP_OK.
    pub status: i32,
    /// 0.
    pub reserved: u32,
    /// The id that the request returned: of the subscription, registration, call or publication.
    /// AUTHENTICATE, AUTHORIZE: for the library's own use.
    pub id: i64,
    /// The router's id. EVENT and PUBLISHED: publication; SUBSCRIBED: subscription; REGISTERED:
    /// registration; INVOCATION: request; OPEN: session.
    pub wamp_id: i64,
    /// The pointer that was passed with the callback. In a kept message it may have been freed.
    pub user_data: *mut c_void,
    /// The connection.
    pub connection: *mut wamp_connection_t,
    /// The session, lent; NULL if there was none.
    pub session: *mut wamp_session_t,
    /// INVOCATION: the handle to answer with, lent. INTERRUPT: the same, if it was retained.
    pub invocation: *mut wamp_invocation_t,
    /// EVENT: topic. INVOCATION: procedure. ERROR: the error. CLOSE: `closed`, `lost` or
    /// `unreachable`. OPEN: realm. NUL-terminated, never NULL.
    pub uri: *const c_char,
    /// Its bytes without the NUL.
    pub uri_size: usize,
    /// CLOSE, ERROR, USER_ERROR, INTERNAL_ERROR: a sentence for people. NUL-terminated, never NULL.
    pub message: *const c_char,
    /// Its bytes without the NUL.
    pub message_size: usize,
    /// The details dict as it was received, JSON text, not NUL-terminated; may be NULL. See
    /// wamp_event_details().
    pub details: *const c_char,
    /// Its bytes.
    pub details_size: usize,
    /// Args and kwargs as they were received. See wamp_event_args(), wamp_event_kwargs().
    pub payload: wamp_payload_t,
    /// Identifies the event to the library; not for use by programs.
    pub token: u64,
    /// CHALLENGE: the handle to answer with, lent.
    pub challenge: *mut wamp_challenge_t,
    /// CONNECT: the handle to decide with, lent.
    pub attempt: *mut wamp_attempt_t,
}

/// The one type of callback. `event` is a view, valid until the callback returns. The option
/// `dispatch` decides which thread it runs on. It must return normally: neither an exception nor a
/// longjmp may leave it.
pub type wamp_callback_t =
    Option<unsafe extern "C" fn(event: *const wamp_event_t, user_data: *mut c_void)>;

/// Frees a `user_data`. Called exactly once, when nothing can use it any more, even if the call
/// that it was passed to has failed.
pub type wamp_free_t = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Wakes a host's event loop when events are waiting. Runs on any thread; must do nothing but wake
/// the loop, and must not call the library.
pub type wamp_wakeup_t = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Takes a line of the log, NUL-terminated. Runs on any thread, possibly on several at once; must
/// not call the library.
pub type wamp_log_t =
    Option<unsafe extern "C" fn(level: c_int, line: *const c_char, user_data: *mut c_void)>;

/// Encodes and decodes payloads that routers pass on without looking inside; see
/// wamp_connection_set_codec(). `direction` is WAMP_CODEC_ENCODE or WAMP_CODEC_DECODE, `details`
/// the options or details as JSON text, not NUL-terminated, `data` the bytes to encode or decode.
/// Writes the result with wamp_buffer_write() and returns WAMP_OK, or a negative number if it
/// cannot. Runs on any thread, possibly on several at once, and must call nothing else of the
/// library.
pub type wamp_codec_t = Option<
    unsafe extern "C" fn(
        direction: u32,
        details: *const c_char,
        details_size: usize,
        data: *const c_void,
        size: usize,
        out: *mut wamp_buffer_t,
        user_data: *mut c_void,
    ) -> c_int,
>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Status;

    #[test]
    fn constants_and_statuses_are_the_same() {
        for (constant, status) in [
            (WAMP_OK, Status::Ok),
            (WAMP_ERR_HANDLE, Status::Handle),
            (WAMP_ERR_ARGUMENT, Status::Argument),
            (WAMP_ERR_UTF8, Status::Utf8),
            (WAMP_ERR_URI, Status::Uri),
            (WAMP_ERR_PAYLOAD, Status::Payload),
            (WAMP_ERR_OPTION, Status::Option),
            (WAMP_ERR_TOO_LARGE, Status::TooLarge),
            (WAMP_ERR_AGAIN, Status::Again),
            (WAMP_ERR_CLOSED, Status::Closed),
            (WAMP_ERR_STATE, Status::State),
            (WAMP_ERR_NO_SUCH_ID, Status::NoSuchId),
            (WAMP_ERR_DEADLOCK, Status::Deadlock),
            (WAMP_ERR_TIMEOUT, Status::Timeout),
            (WAMP_ERR_FORKED, Status::Forked),
            (WAMP_ERR_INTERNAL, Status::Internal),
            (WAMP_ERR_REMOTE, Status::Remote),
            (WAMP_ERR_NOT_SENT, Status::NotSent),
            (WAMP_ERR_OUTCOME_UNKNOWN, Status::OutcomeUnknown),
            (WAMP_ERR_UNREACHABLE, Status::Unreachable),
            (WAMP_ERR_HTTP, Status::Http),
            (WAMP_ERR_SUBPROTOCOL, Status::Subprotocol),
            (WAMP_ERR_PROTOCOL, Status::Protocol),
            (WAMP_ERR_ABORTED, Status::Aborted),
            (WAMP_ERR_LOST, Status::Lost),
            (WAMP_ERR_CANCELED, Status::Canceled),
            (WAMP_ERR_AUTH, Status::Auth),
            (WAMP_ERR_UNSUPPORTED, Status::Unsupported),
            (WAMP_ERR_TLS, Status::Tls),
            (WAMP_ERR_EXHAUSTED, Status::Exhausted),
        ] {
            assert_eq!(constant, status as c_int, "{}", status.name());
        }
    }
}
