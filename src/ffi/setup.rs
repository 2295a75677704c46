//! Connections before they are open: making them, their options and callbacks, and freeing them.
//! [`super::connection`] has what is done with them.

use std::ffi::{c_char, c_int, c_void};
use std::sync::{Arc, Mutex};

use serde_json::{Number, Value};

use crate::client::callbacks::Slot;
use crate::client::{Connection, EventHandler, Failure, Mode, Options, Status, lock};

use super::args::{Text, from_c};
use super::guard::{guard, quiet_panics};
use super::handles::{self, Handle, find};
use super::loan;
use super::objects::ConnectionObject;
use super::target::{CTarget, UserData};
use super::types::*;

/// A connection, not yet open.
///
/// `options` is a JSON object; `url` and `realm` are required, the others are listed at the top of
/// this header. It is copied. NULL for none: set them with wamp_connection_set_string() and its
/// siblings then. Returns NULL on failure, with the reason in wamp_last_error(). Free it with
/// wamp_connection_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_new(options: *const c_char) -> *mut wamp_connection_t {
    from_c!(options: Text);
    guard(|| {
        quiet_panics();
        let options = match options.optional()? {
            Some(options) => Options::parse(options)?,
            None => Options::unset(),
        };
        let client = Connection::new(options);
        for slot in [Slot::Open, Slot::Close] {
            // Without a callback of the host these events still begin and end the session's loan.
            let user_data = UserData::new(std::ptr::null_mut(), None);
            let silent = Arc::new(CTarget::new(None, None, user_data));
            client.set_callback(slot, Some(silent));
        }
        let object = ConnectionObject {
            client: client.clone(),
            lent: Mutex::new(Some(Vec::new())),
            polled: Mutex::default(),
        };
        let key = wamp_connection_t::slab().insert(Arc::new(object)).ok_or(Status::Internal)?;
        client.set_handle(key);
        Ok(handles::from_key(key))
    })
}

/// Sets an option whose value is a string, such as "url", "realm" or "ticket", to `value`; both are
/// copied.
///
/// Options can be set while the connection is not open: before wamp_connection_open(), and again
/// after the last WAMP_CLOSE. The last value set counts; "url" and "transports" are one option in
/// this respect. wamp_connection_open() reports required options that are missing. A refused value
/// changes nothing.
///
/// Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8, WAMP_ERR_OPTION (there is
/// no such option, or it cannot have this value), WAMP_ERR_STATE (the connection is open, or, for
/// "dispatch", events of it are still waiting).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_set_string(
    connection: *mut wamp_connection_t,
    option: *const c_char,
    value: *const c_char,
) -> c_int {
    from_c!(option: Text, value: Text);
    set_option(connection, option, || value.required().map(Value::from))
}

/// Sets an option whose value is a whole number, such as "max_retries". Options in seconds can be
/// set to whole seconds with it. Returns as wamp_connection_set_string().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_set_int(
    connection: *mut wamp_connection_t,
    option: *const c_char,
    value: i64,
) -> c_int {
    from_c!(option: Text);
    set_option(connection, option, || Ok(value.into()))
}

/// Sets an option whose value is a number, such as "connect_timeout" (seconds). Returns as
/// wamp_connection_set_string().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_set_double(
    connection: *mut wamp_connection_t,
    option: *const c_char,
    value: f64,
) -> c_int {
    from_c!(option: Text);
    set_option(connection, option, || {
        let text = format!("`value` is {value}, which is not a number that an option can have");
        let number = Number::from_f64(value).ok_or_else(|| Failure::new(Status::Option, text))?;
        Ok(number.into())
    })
}

/// Sets an option whose value is true, or false if `value` is 0, such as "retry_if_unreachable".
/// Returns as wamp_connection_set_string().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_set_bool(
    connection: *mut wamp_connection_t,
    option: *const c_char,
    value: c_int,
) -> c_int {
    from_c!(option: Text);
    set_option(connection, option, || Ok((value != 0).into()))
}

/// Sets an option to a JSON value; needed for lists and objects: "serializers", "transports",
/// "tlsConfiguration". `json` is the value that the option would have in the object for
/// wamp_connection_new(); it is copied. Returns as wamp_connection_set_string().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_set_json(
    connection: *mut wamp_connection_t,
    option: *const c_char,
    json: *const c_char,
) -> c_int {
    from_c!(option: Text, json: Text);
    set_option(connection, option, || {
        serde_json::from_str(json.required()?)
            .map_err(|error| Failure::new(Status::Option, format!("`json` is not JSON: {error}")))
    })
}

/// Frees a connection, in any state, even inside its own callbacks. Never blocks.
///
/// An open one is closed in the background; no further callback is called, though one may still be
/// running. All user_data are freed: on this thread, or, while a callback is running, when that
/// returns. A thread that waits in dispatch or poll returns with WAMP_ERR_HANDLE. Handles of its
/// sessions that were not retained become invalid. To wait until everything has ended, call
/// wamp_connection_close() with a timeout first. Returns WAMP_OK or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_free(connection: *mut wamp_connection_t) -> c_int {
    guard(|| {
        let object = handles::remove(connection)?;
        let lent = lock(&object.lent).take();
        object.client.free();
        object.end_polled();
        for key in lent.into_iter().flatten() {
            loan::end_session_of_freed(handles::from_key(key));
        }
        Ok(0)
    })
}

/// Sets the callback for WAMP_OPEN, called each time a session has been opened; NULL for none.
///
/// `free` (may be NULL) runs exactly once: when another callback takes its place, when the
/// connection is freed, or when this call fails. Returns WAMP_OK or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_on_open(
    connection: *mut wamp_connection_t,
    callback: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    set_callback(connection, Slot::Open, callback, UserData::new(user_data, free))
}

/// Sets the callback for WAMP_CLOSE: the connection was closed, was lost, or could not be made.
/// After each wamp_connection_open() there is exactly one whose `will_retry` is false: the last.
/// Returns as wamp_connection_on_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_on_close(
    connection: *mut wamp_connection_t,
    callback: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    set_callback(connection, Slot::Close, callback, UserData::new(user_data, free))
}

/// Sets the callback for WAMP_WRITABLE, called once after a request was answered with
/// WAMP_ERR_AGAIN, when half of the send queue is free. Returns as wamp_connection_on_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_on_writable(
    connection: *mut wamp_connection_t,
    callback: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    set_callback(connection, Slot::Writable, callback, UserData::new(user_data, free))
}

/// Sets the callback for WAMP_CONNECT, called before each attempt to connect, the first and those
/// after a loss: for credentials that expire, or an address that changes.
///
/// It decides through `event->attempt`: at once, or, after retaining it, later and from any thread;
/// the attempt waits until then. If it decides nothing, the attempt is made. With a NULL callback
/// nothing is asked, except that in manual mode the event comes through wamp_connection_poll().
/// Returns as wamp_connection_on_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_on_connect(
    connection: *mut wamp_connection_t,
    callback: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    set_callback(connection, Slot::Connect, callback, UserData::new(user_data, free))
}

/// Sets the callback for WAMP_CHALLENGE, called when the router asks the client to authenticate.
///
/// It answers through `event->challenge`: at once, or, after retaining it, later and from any
/// thread, within `connect_timeout`; if it does not answer, the attempt to join ends. There may be
/// several rounds. Without a callback the options `ticket`, `secret` and `privkey` answer. With a
/// NULL callback in manual mode the event comes through wamp_connection_poll(). Returns as
/// wamp_connection_on_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_on_challenge(
    connection: *mut wamp_connection_t,
    callback: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    set_callback(connection, Slot::Challenge, callback, UserData::new(user_data, free))
}

/// Sets the callback for WAMP_USER_ERROR: a handler has reported its failure by
/// wamp_event_failed(), or a request without a callback has failed. Without one these go to the
/// log. Returns as wamp_connection_on_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_on_user_error(
    connection: *mut wamp_connection_t,
    callback: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    set_callback(connection, Slot::UserError, callback, UserData::new(user_data, free))
}

/// Sets the callback for WAMP_INTERNAL_ERROR: no transport could be opened, the peer violated the
/// protocol, or a challenge was not answered. WAMP_CLOSE follows. Without one it goes to the log.
/// Returns as wamp_connection_on_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_on_internal_error(
    connection: *mut wamp_connection_t,
    callback: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    set_callback(connection, Slot::InternalError, callback, UserData::new(user_data, free))
}

#[cfg_attr(debug_assertions, track_caller)]
fn set_option(
    connection: *mut wamp_connection_t,
    option: Text<'_>,
    value: impl FnOnce() -> Result<Value, Failure>,
) -> c_int {
    guard(|| {
        let object = find(connection)?;
        object.client.set_option(option.required()?, value()?).map(|()| 0)
    })
}

#[cfg_attr(debug_assertions, track_caller)]
fn set_callback(
    connection: *mut wamp_connection_t,
    slot: Slot,
    handler: wamp_callback_t,
    user_data: UserData,
) -> c_int {
    guard(|| {
        let object = find(connection)?;
        let target = Arc::new(CTarget::new(handler, None, user_data));
        // Where events are polled these can be asked for without a callback.
        let asks = matches!(slot, Slot::Connect | Slot::Challenge)
            && handler.is_none()
            && object.client.mode() != Mode::Manual;
        let target: Option<Arc<dyn EventHandler>> = if asks { None } else { Some(target) };
        object.client.set_callback(slot, target);
        Ok(0)
    })
}
