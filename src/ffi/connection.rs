//! Connections: `wamp_connection_t`.

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Number, Value};

use crate::client::callbacks::Slot;
use crate::client::{Connection, Failure, Mode, Options, Status, Target, lock};
use crate::protocol::uri;

use super::args;
use super::guard::{guard, quiet_panics};
use super::handles::{self, ConnectionObject, Handle, find};
use super::loan;
use super::target::{CTarget, CWakeup, UserData};
use super::types::*;
use super::view::KeptEvent;

/// No wamp_event_t of a later header will be larger: what is, is no size of one.
const MOST_EVENT_SIZE: usize = 64 * 1024;

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
            && object.client.dispatcher.mode() != Mode::Manual;
        let target: Option<Arc<dyn Target>> = if asks { None } else { Some(target) };
        drop(object.client.callbacks.set(slot, target));
        Ok(0)
    })
}

/// A connection, not yet open.
///
/// `options` is a JSON object; `url` and `realm` are required, the others are listed at the top of
/// this header. It is copied. NULL for none: then wamp_connection_set_string() and its neighbours say
/// all. Returns NULL on failure, with the reason in wamp_last_error(). Free it with
/// wamp_connection_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_new(options: *const c_char) -> *mut wamp_connection_t {
    guard(|| {
        quiet_panics();
        // SAFETY: the caller's promise.
        let options = match unsafe { args::optional_text(options, "options") }? {
            Some(options) => Options::parse(options)?,
            None => Options::unset(),
        };
        let client = Connection::new(options);
        for slot in [Slot::Open, Slot::Close] {
            // Without a callback of the host these events still begin and end the session's loan.
            let user_data = UserData::new(std::ptr::null_mut(), None);
            let silent = Arc::new(CTarget::new(None, None, user_data));
            drop(client.callbacks.set(slot, Some(silent)));
        }
        let object = ConnectionObject {
            client: client.clone(),
            lent: Mutex::new(Some(Vec::new())),
            polled: Mutex::default(),
        };
        let key = wamp_connection_t::slab().insert(Arc::new(object)).ok_or(Status::Internal)?;
        client.handle.store(key, Ordering::Release);
        Ok(handles::from_key(key))
    })
}

#[cfg_attr(debug_assertions, track_caller)]
fn set_option(
    connection: *mut wamp_connection_t,
    option: *const c_char,
    value: impl FnOnce() -> Result<Value, Failure>,
) -> c_int {
    guard(|| {
        let object = find(connection)?;
        // SAFETY: the caller's promise, which is that of the exported functions.
        let option = unsafe { args::text(option, "option") }?;
        object.client.set_option(option, value()?).map(|()| 0)
    })
}

/// Sets an option whose value is a string, such as "url", "realm" or "ticket", to `value`; both are
/// copied.
///
/// Options can be set while the connection is not open: before wamp_connection_open(), and again after
/// the last WAMP_CLOSE. The last value set counts, "url" and "transports" are one option in this. What
/// is required and missing is told by wamp_connection_open(). A refused value changes nothing.
///
/// Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8, WAMP_ERR_OPTION (there is no
/// such option, or the value does not suit it), WAMP_ERR_STATE (the connection is open, or, for
/// "dispatch", events of it still wait).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_set_string(
    connection: *mut wamp_connection_t,
    option: *const c_char,
    value: *const c_char,
) -> c_int {
    // SAFETY: the caller's promise.
    set_option(connection, option, || unsafe { args::text(value, "value") }.map(Value::from))
}

/// Sets an option whose value is a number without a fraction, such as "max_retries". Options in seconds
/// take whole ones. Returns as wamp_connection_set_string().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_set_int(
    connection: *mut wamp_connection_t,
    option: *const c_char,
    value: i64,
) -> c_int {
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
    set_option(connection, option, || {
        let text = format!("`value` is {value}, which is no number that an option can have");
        let number = Number::from_f64(value).ok_or_else(|| Failure::new(Status::Option, text))?;
        Ok(number.into())
    })
}

/// Sets an option whose value is true, or false for 0, such as "retry_if_unreachable". Returns as
/// wamp_connection_set_string().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_set_bool(
    connection: *mut wamp_connection_t,
    option: *const c_char,
    value: c_int,
) -> c_int {
    set_option(connection, option, || Ok((value != 0).into()))
}

/// Sets an option to a JSON value, such as those that are lists or objects: "serializers", "transports",
/// "tlsConfiguration". `json` is what would stand behind the option's name in the object for
/// wamp_connection_new(); it is copied. Returns as wamp_connection_set_string().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_set_json(
    connection: *mut wamp_connection_t,
    option: *const c_char,
    json: *const c_char,
) -> c_int {
    set_option(connection, option, || {
        // SAFETY: the caller's promise.
        let json = unsafe { args::text(json, "json") }?;
        serde_json::from_str(json)
            .map_err(|error| Failure::new(Status::Option, format!("`json` is not JSON: {error}")))
    })
}

/// Frees a connection, in any state, also inside its own callbacks. Never blocks.
///
/// An open one is closed in the background; no callback is called any more, but for one that is
/// running. All user_data are freed: on this thread, or where a callback is running, when that
/// returns. A thread that waits in dispatch or poll returns with WAMP_ERR_HANDLE. Handles of its
/// sessions that were not retained end. To wait for the end of everything
/// call wamp_connection_close() with a timeout first. Returns WAMP_OK or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_free(connection: *mut wamp_connection_t) -> c_int {
    guard(|| {
        let object = handles::remove(connection)?;
        let lent = lock(&object.lent).take();
        object.client.free();
        drop(lock(&object.polled).take());
        for key in lent.into_iter().flatten() {
            loan::end_session_of_freed(handles::from_key(key));
        }
        Ok(0)
    })
}

/// Sets what hears WAMP_OPEN, each time that a session has been opened; NULL for nothing.
///
/// `free` (may be NULL) runs exactly once: when another callback takes the place, when the
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

/// Sets what hears WAMP_CLOSE: when the connection was closed, was lost, or could not be made. After
/// each wamp_connection_open() exactly one comes whose `will_retry` is false: it is the last.
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

/// Sets what hears WAMP_WRITABLE, once after a request was answered with WAMP_ERR_AGAIN: when half
/// of the send queue is free. Returns as wamp_connection_on_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_on_writable(
    connection: *mut wamp_connection_t,
    callback: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    set_callback(connection, Slot::Writable, callback, UserData::new(user_data, free))
}

/// Sets what hears WAMP_CONNECT before each attempt to connect, the first and those after a loss: for
/// credentials that expire, or an address that changes.
///
/// It decides through `event->attempt`: at once, or, having retained it, later and from any thread;
/// the attempt waits so long. An event that decides nothing lets the attempt be made. With a NULL
/// callback nobody is asked, but in manual mode the event comes by wamp_connection_poll(). Returns as
/// wamp_connection_on_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_on_connect(
    connection: *mut wamp_connection_t,
    callback: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    set_callback(connection, Slot::Connect, callback, UserData::new(user_data, free))
}

/// Sets what hears WAMP_CHALLENGE when the router wants to know who we are.
///
/// It answers through `event->challenge`: at once, or, having retained it, later and from any
/// thread, within `connect_timeout`; an event that answers nothing ends the attempt to join. There may
/// be several rounds. Without a callback the options `ticket`, `secret` and `privkey` answer. With a
/// NULL callback in manual mode the event comes by wamp_connection_poll(). Returns as
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

/// Sets what hears WAMP_USER_ERROR: when a handler reports its failure by wamp_event_failed(), and
/// when a request fails that has no callback to hear it. Without one they go to the log. Returns
/// as wamp_connection_on_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_on_user_error(
    connection: *mut wamp_connection_t,
    callback: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    set_callback(connection, Slot::UserError, callback, UserData::new(user_data, free))
}

/// Sets what hears WAMP_INTERNAL_ERROR: when no transport can be made, when the peer violates the
/// protocol, when there is no answer to a challenge. WAMP_CLOSE follows. Without one it goes to the
/// log. Returns as wamp_connection_on_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_on_internal_error(
    connection: *mut wamp_connection_t,
    callback: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    set_callback(connection, Slot::InternalError, callback, UserData::new(user_data, free))
}

/// Starts to connect and to join the realm, and returns at once: WAMP_OPEN or WAMP_CLOSE follows.
///
/// Can be called again after WAMP_CLOSE. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_STATE (open
/// already, or wamp_connection_quiesce() has ended its callbacks), WAMP_ERR_OPTION (`url` or `realm` has
/// not been set), WAMP_ERR_EXHAUSTED (no thread can be started), WAMP_ERR_CLOSED (wamp_shutdown() is running).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_open(connection: *mut wamp_connection_t) -> c_int {
    guard(|| find(connection)?.client.open().map(|()| 0))
}

/// Closes in order: says GOODBYE, waits for the router's, ends all requests, then tells WAMP_CLOSE.
///
/// `reason` (a URI, NULL for `wamp.goodbye.normal`) and `message` (may be NULL) go to the router.
/// With `timeout_ms` 0 it returns at once. With a positive one (negative: no limit) it is a
/// barrier: after it no callback runs and the user_data of all requests have been freed; in manual
/// mode it dispatches what is left on this thread. A callback that opens the connection again makes
/// the wait last until that ends, too. Closing is also possible while connecting.
///
/// Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_CLOSED (was not open; the barrier holds all the
/// same), WAMP_ERR_DEADLOCK (timeout inside a callback), WAMP_ERR_TIMEOUT, WAMP_ERR_UTF8,
/// WAMP_ERR_URI.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_close(
    connection: *mut wamp_connection_t,
    reason: *const c_char,
    message: *const c_char,
    timeout_ms: c_int,
) -> c_int {
    guard(|| {
        let object = find(connection)?;
        // SAFETY: the caller's promise.
        let (reason, message) = unsafe {
            (args::optional_text(reason, "reason")?, args::optional_text(message, "message")?)
        };
        let reason = reason.unwrap_or(uri::GOODBYE_NORMAL);
        if timeout_ms == 0 {
            return object.client.start_close(reason, message).map(|()| 0);
        }
        drop(lock(&object.polled).take());
        let limit = args::timeout(timeout_ms).unwrap_or(args::NO_LIMIT);
        object.client.close(reason, message, Instant::now() + limit).map(|()| 0)
    })
}

/// Ends the callbacks of one subscription, registration, call or publication: after it none runs or will
/// begin. A barrier that needs no network, for destructors.
///
/// `id` is the one that the request has returned, or 0 for the whole connection. It waits at most
/// `timeout_ms` (0: not at all; negative: no limit) for a callback that is running. From the moment
/// that it is called no other begins, also where it answers WAMP_ERR_TIMEOUT: what would have been
/// told is passed over, an invocation is answered with an error. The router hears nothing of it:
/// unsubscribe, unregister or cancel first, without a `done` (one that is given afterwards is told). `free` still runs once for each user_data, when its request
/// has ended; nothing else of it is touched. In manual mode events that wamp_connection_poll() has
/// shown already are in the program's hands.
///
/// With 0 the wakeup is taken out, too, and what is left to do is wamp_connection_close() and
/// wamp_connection_free(): a connection cannot be opened again after it.
///
/// Returns WAMP_OK, also for an id that has ended or never was, or WAMP_ERR_HANDLE,
/// WAMP_ERR_NO_SUCH_ID (it is negative), WAMP_ERR_DEADLOCK (inside a callback for this id, or, with 0,
/// inside any of the connection, or inside a wakeup; in a callback of inline dispatch while the other one
/// runs), WAMP_ERR_TIMEOUT (the callback still runs). Callbacks of two connections that wait for each
/// other are not found out: give them a limit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_quiesce(
    connection: *mut wamp_connection_t,
    id: i64,
    timeout_ms: c_int,
) -> c_int {
    guard(|| {
        let object = find(connection)?;
        let text = "`id` is negative: the request that returned it has failed";
        let id = u64::try_from(id).map_err(|_| Failure::new(Status::NoSuchId, text))?;
        object.client.quiesce(id, args::deadline(timeout_ms)).map(|()| 0)
    })
}

/// The open session; waits for it at most `timeout_ms` (negative: no limit).
///
/// `*session` receives it, retained (give it back with wamp_session_release()), or NULL on failure. As soon as the
/// attempt to open has failed, its failure is returned, with the words of its WAMP_CLOSE. Returns
/// WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_CLOSED (never opened, or closed),
/// WAMP_ERR_TIMEOUT, WAMP_ERR_UNREACHABLE, WAMP_ERR_EXHAUSTED, WAMP_ERR_TLS, WAMP_ERR_HTTP,
/// WAMP_ERR_SUBPROTOCOL, WAMP_ERR_PROTOCOL, WAMP_ERR_AUTH, WAMP_ERR_ABORTED, WAMP_ERR_LOST, WAMP_ERR_CANCELED
/// (wamp_attempt_abandon()), WAMP_ERR_TOO_LARGE (HELLO is more than the router takes, or a message more
/// than we take), WAMP_ERR_DEADLOCK (in a callback of inline dispatch).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_session(
    connection: *mut wamp_connection_t,
    timeout_ms: c_int,
    session: *mut *mut wamp_session_t,
) -> c_int {
    guard(|| {
        let object = find(connection)?;
        if session.is_null() {
            return Err(Failure::new(Status::Argument, "`session` is NULL"));
        }
        // SAFETY: not NULL, so by the caller's promise writable.
        unsafe { *session = std::ptr::null_mut() };
        let open = object.client.session(args::deadline(timeout_ms))?;
        let handle = loan::lend_session(&open);
        // It may have been closed, and its loan ended, in this very moment.
        loan::retain_session(handle).map_err(|_| Failure::from(Status::Closed))?;
        // SAFETY: as above.
        unsafe { *session = handle };
        Ok(0)
    })
}

/// Returns 1 while a session is open, 0 if not, or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_is_open(connection: *mut wamp_connection_t) -> c_int {
    guard(|| Ok(c_int::from(find(connection)?.client.is_open())))
}

/// Manual mode: runs callbacks on this thread, at most `max` (0 or less: as many as wait), after
/// waiting at most `timeout_ms` (0: not at all; negative: no limit) for the first event.
///
/// Events without a callback are dropped. Returns the number of events, or WAMP_ERR_HANDLE,
/// WAMP_ERR_STATE (not in manual mode), WAMP_ERR_DEADLOCK (inside one of these callbacks).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_dispatch(
    connection: *mut wamp_connection_t,
    max: c_int,
    timeout_ms: c_int,
) -> c_int {
    guard(|| {
        let object = find(connection)?;
        drop(lock(&object.polled).take());
        let max = usize::try_from(max).ok().filter(|max| *max > 0).unwrap_or(usize::MAX);
        let client = &object.client;
        let count = client.dispatcher.dispatch(client, max, args::deadline(timeout_ms))?;
        Ok(c_int::try_from(count).unwrap_or(c_int::MAX))
    })
}

/// Manual mode: fills an array with views of events, at most `max`, after waiting at most
/// `timeout_ms` (0: not at all; negative: no limit) for the first. No callback runs.
///
/// `event_size` is sizeof(wamp_event_t) as the program was compiled. The views, and the invocations
/// that they lend, are valid until the next poll, dispatch, close with a timeout, or free; an
/// invocation that was neither answered nor retained by then is answered with an error. Returns
/// the number of events, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_STATE (not in manual
/// mode), WAMP_ERR_DEADLOCK (inside a callback of the connection).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_poll(
    connection: *mut wamp_connection_t,
    events: *mut wamp_event_t,
    event_size: usize,
    max: c_int,
    timeout_ms: c_int,
) -> c_int {
    guard(|| {
        let object = find(connection)?;
        let max = usize::try_from(max).ok().filter(|max| *max > 0 && !events.is_null());
        let max = max.ok_or_else(|| {
            Failure::new(Status::Argument, "`events` is NULL, or `max` is not positive")
        })?;
        if event_size < size_of::<wamp_event_t>()
            || event_size > MOST_EVENT_SIZE
            || !event_size.is_multiple_of(align_of::<wamp_event_t>())
        {
            let text = "`event_size` is not sizeof(wamp_event_t): was the program compiled with \
                        the wamp.h of this library?";
            return Err(Failure::new(Status::Argument, text));
        }
        drop(lock(&object.polled).take());
        let client = &object.client;
        let notices = client.dispatcher.poll(client, max, args::deadline(timeout_ms))?;
        let polled: Vec<KeptEvent> = notices.into_iter().map(KeptEvent::polled).collect();
        for (index, polled) in polled.iter().enumerate() {
            // SAFETY: by the caller's promise there is room for `max` elements of `event_size`
            // bytes; there are at most `max`, and each is at least as large as the struct.
            unsafe {
                let place = events.cast::<u8>().add(index * event_size);
                std::ptr::write_bytes(place, 0, event_size);
                place.cast::<wamp_event_t>().write(polled.event());
            }
        }
        let count = polled.len() as c_int;
        // What the former ones keep is freed once the lock is not held.
        let polled: Option<Box<dyn Send + Sync>> = match count {
            0 => None,
            _ => Some(Box::new(polled)),
        };
        let former = std::mem::replace(&mut *lock(&object.polled), polled);
        drop(former);
        Ok(count)
    })
}

/// Manual mode: a file descriptor that is readable while events wait, for poll(2) and its kin.
///
/// Owned by the connection, do not read from it or close it. It is closed when the connection is
/// freed and no session or message of it is kept any more; take it out of your loop before. Returns
/// the fd (>= 0), or WAMP_ERR_HANDLE, WAMP_ERR_STATE (not in manual mode), WAMP_ERR_EXHAUSTED (the
/// process has no descriptor left).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_fd(connection: *mut wamp_connection_t) -> c_int {
    guard(|| find(connection)?.client.dispatcher.fd())
}

/// Manual mode, for hosts without file descriptors: `wakeup` is called when events begin to wait, on
/// whatever thread makes them wait, also one that is inside a function of this connection: so it must
/// take no lock that the program holds while it calls the library. It is called at once if some wait
/// already. NULL for none.
///
/// `free` (may be NULL) runs exactly once: when another function takes the place, when the
/// connection is freed, or when this call fails. Returns WAMP_OK, or WAMP_ERR_HANDLE,
/// WAMP_ERR_STATE (not in manual mode).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_set_wakeup(
    connection: *mut wamp_connection_t,
    wakeup: wamp_wakeup_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    let user_data = UserData::new(user_data, free);
    guard(|| {
        let object = find(connection)?;
        if object.client.dispatcher.mode() != Mode::Manual {
            let text = "this needs the connection option \"dispatch\": \"manual\"";
            return Err(Failure::new(Status::State, text));
        }
        drop(object.client.dispatcher.set_wakeup(CWakeup::shared(wakeup, user_data)));
        Ok(0)
    })
}

/// Returns 1 while the transport is up, whether or not the session is open already; 0 if not, or
/// WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_is_connected(connection: *mut wamp_connection_t) -> c_int {
    guard(|| Ok(c_int::from(find(connection)?.client.is_connected())))
}

/// Returns 1 from a loss that is retried until a session is open again or all is given up; 0 otherwise,
/// or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_is_retrying(connection: *mut wamp_connection_t) -> c_int {
    guard(|| Ok(c_int::from(find(connection)?.client.is_retrying())))
}

/// Makes the next attempt now instead of after its delay. Returns WAMP_OK, or WAMP_ERR_HANDLE,
/// WAMP_ERR_STATE (no attempt is waited for).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_reconnect_now(
    connection: *mut wamp_connection_t,
) -> c_int {
    guard(|| find(connection)?.client.reconnect_now().map(|()| 0))
}

/// Makes no more attempts until the next wamp_connection_open(); an open session stays. If an
/// attempt was waited for, a last WAMP_CLOSE follows, whose `will_retry` is false. Returns 1 if one was
/// waited for, 0 if not, or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_stop_retrying(
    connection: *mut wamp_connection_t,
) -> c_int {
    guard(|| Ok(c_int::from(find(connection)?.client.stop_retrying())))
}

/// Waits until all that requests have queued is given to the operating system, at most
/// `timeout_ms` (negative: no limit). Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_CLOSED,
/// WAMP_ERR_TIMEOUT, WAMP_ERR_DEADLOCK (in a callback of inline dispatch).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_flush(
    connection: *mut wamp_connection_t,
    timeout_ms: c_int,
) -> c_int {
    guard(|| find(connection)?.client.flush(args::deadline(timeout_ms)).map(|()| 0))
}
