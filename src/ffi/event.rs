//! Events in the hands of programs: read through lenses, kept as messages, told to have failed.

use std::ffi::{c_char, c_int};
use std::ptr;

use crate::client::NoticeKind;
use crate::codec::PayloadRef;
use crate::codec::json::text::write_string;
use crate::protocol::EventKind;

use super::args::{Text, from_c};
use super::guard::guard;
use super::handles;
use super::invocation;
use super::lens::Which;
use super::types::*;
use super::view::{self, Seen};

/// The args of an event as a lens on a list.
///
/// Returns NULL if there are none, or if they cannot be parsed. The lens lives as long as the view
/// or message; the functions on values accept NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_args(event: *const wamp_event_t) -> *const wamp_value_t {
    from_c!(event: Seen);
    event.lens(Which::Args)
}

/// The kwargs of an event as a lens on a dict; see wamp_event_args().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_kwargs(event: *const wamp_event_t) -> *const wamp_value_t {
    from_c!(event: Seen);
    event.lens(Which::Kwargs)
}

/// The details of an event as a lens on a dict: everything that the router sent; an EVENT always
/// has `topic`, an INVOCATION always `procedure`. See wamp_event_args().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_details(event: *const wamp_event_t) -> *const wamp_value_t {
    from_c!(event: Seen);
    event.lens(Which::Details)
}

/// Keeps an event beyond its callback or poll.
///
/// Returns a message, to be freed by wamp_message_free(); NULL if `event` is NULL or no longer
/// valid. Only the view is copied. The kept view lends no session and no invocation: retain those
/// separately.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_keep(event: *const wamp_event_t) -> *mut wamp_message_t {
    from_c!(event: Seen);
    guard(|| view::keep(event.notice()?, event.user_data()))
}

/// Reports that the program failed to handle an event; for handlers, and for bindings to languages
/// in which handlers can throw.
///
/// on_user_error receives WAMP_USER_ERROR with `message` (may be NULL), or it is written to the
/// log. An invocation without an answer is answered with `wamp.error.runtime_error` and `message`.
/// Returns WAMP_OK, or WAMP_ERR_ARGUMENT (NULL, or no longer valid), WAMP_ERR_UTF8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_failed(
    event: *const wamp_event_t,
    message: *const c_char,
) -> c_int {
    from_c!(event: Seen, message: Text);
    guard(|| {
        let notice = event.notice()?;
        let message = message.optional()?.unwrap_or("a handler failed");
        if let (NoticeKind::Session(EventKind::Invocation), Some(session)) =
            (notice.kind, &notice.session)
        {
            let mut text = b"[".to_vec();
            write_string(&mut text, message);
            text.push(b']');
            let payload = PayloadRef { args: Some(&text), ..PayloadRef::NONE };
            // Refused if there was an answer: then that holds.
            let _ = invocation::fail(event.invocation(), session, notice.event.wamp_id, payload);
        }
        if let Some(connection) = handles::find_key::<wamp_connection_t>(notice.connection) {
            connection.client.report(&notice, message);
        }
        Ok(0)
    })
}

/// Frees a message. Its view and the lenses taken from it become invalid. Returns WAMP_OK or
/// WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_message_free(message: *mut wamp_message_t) -> c_int {
    guard(|| handles::remove(message).map(|_| 0))
}

/// The view of a message; valid until the message is freed. NULL if the handle is not that of a
/// message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_message_event(message: *mut wamp_message_t) -> *const wamp_event_t {
    guard(|| Ok(ptr::from_ref(handles::find(message)?.event())))
}
