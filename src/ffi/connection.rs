//! Connections at work: opened, closed, waited for, and, in manual mode, dispatched and polled.
//! [`super::setup`] makes them.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::time::Instant;

use crate::client::{Failure, Mode, Status, lock};
use crate::os::Flag;
use crate::protocol::uri;

use super::args::{self, Out, Text, from_c};
use super::guard::guard;
use super::handles::find;
use super::loan;
use super::polled::{EventArray, PolledEvents};
use super::target::{CWakeup, UserData};
use super::types::*;

/// Starts connecting and joining the realm, and returns at once: WAMP_OPEN or WAMP_CLOSE follows.
///
/// Can be called again after WAMP_CLOSE. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_STATE (open
/// already, or wamp_connection_quiesce() has ended its callbacks), WAMP_ERR_OPTION (`url` or
/// `realm` has not been set), WAMP_ERR_EXHAUSTED (no thread could be started), WAMP_ERR_CLOSED
/// (wamp_shutdown() is running).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_open(connection: *mut wamp_connection_t) -> c_int {
    guard(|| find(connection)?.client.open().map(|()| 0))
}

/// Closes gracefully: sends GOODBYE, waits for the router's, ends all requests, then delivers
/// WAMP_CLOSE.
///
/// `reason` (a URI, NULL for `wamp.goodbye.normal`) and `message` (may be NULL) go to the router.
/// With `timeout_ms` 0 it returns at once. With a positive one (negative: no limit) it is a
/// barrier: after it no callback runs and the user_data of all requests have been freed; in manual
/// mode it dispatches the remaining events on this thread. If a callback opens the connection
/// again, the wait lasts until that ends, too. Closing is also possible while connecting.
///
/// Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_CLOSED (was not open; it is a barrier all the
/// same), WAMP_ERR_DEADLOCK (timeout inside a callback), WAMP_ERR_TIMEOUT, WAMP_ERR_UTF8,
/// WAMP_ERR_URI.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_close(
    connection: *mut wamp_connection_t,
    reason: *const c_char,
    message: *const c_char,
    timeout_ms: c_int,
) -> c_int {
    from_c!(reason: Text, message: Text);
    guard(|| {
        let object = find(connection)?;
        let (reason, message) = (reason.optional()?, message.optional()?);
        let reason = reason.unwrap_or(uri::GOODBYE_NORMAL);
        if timeout_ms == 0 {
            return object.client.start_close(reason, message).map(|()| 0);
        }
        object.end_polled();
        let limit = args::timeout(timeout_ms).unwrap_or(args::NO_LIMIT);
        object.client.close(reason, message, Instant::now() + limit).map(|()| 0)
    })
}

/// Stops the callbacks of one subscription, registration, call or publication: after it none is
/// running and none will start. A barrier that needs no network, for destructors.
///
/// `id` is the one that the request returned, or 0 for the whole connection. It waits at most
/// `timeout_ms` (0: not at all; negative: no limit) for a callback that is running. From the moment
/// it is called no other starts, even if it answers WAMP_ERR_TIMEOUT: events are skipped, an
/// invocation is answered with an error. The router is not told: unsubscribe, unregister or cancel
/// first, without a `done` (one that is given afterwards is called). `free` still runs once for
/// each user_data, when its request has ended; nothing else touches it. In manual mode, events that
/// wamp_connection_poll() has returned already are the program's responsibility.
///
/// With 0 the wakeup is removed, too, and only wamp_connection_close() and wamp_connection_free()
/// remain to be called: the connection cannot be opened again.
///
/// Returns WAMP_OK, also for an id that has ended or never was, or WAMP_ERR_HANDLE,
/// WAMP_ERR_NO_SUCH_ID (it is negative), WAMP_ERR_DEADLOCK (inside a callback for this id, or, with
/// 0, inside any of the connection, or inside a wakeup; in a callback of inline dispatch while the
/// other one is running), WAMP_ERR_TIMEOUT (the callback is still running). Callbacks of two
/// connections that wait for each other are not detected: use a time limit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_quiesce(
    connection: *mut wamp_connection_t,
    id: i64,
    timeout_ms: c_int,
) -> c_int {
    guard(|| {
        let object = find(connection)?;
        let id = args::local_id(id, "id")?;
        object.client.quiesce(id, args::deadline(timeout_ms)).map(|()| 0)
    })
}

/// The open session; waits for it at most `timeout_ms` (negative: no limit).
///
/// `*session` receives it, retained (give it back with wamp_session_release()), or NULL on failure.
/// As soon as the attempt to open has failed, its status is returned, with the message of its
/// WAMP_CLOSE. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_CLOSED (never
/// opened, or closed), WAMP_ERR_TIMEOUT, WAMP_ERR_UNREACHABLE, WAMP_ERR_EXHAUSTED, WAMP_ERR_TLS,
/// WAMP_ERR_HTTP, WAMP_ERR_SUBPROTOCOL, WAMP_ERR_PROTOCOL, WAMP_ERR_AUTH, WAMP_ERR_ABORTED,
/// WAMP_ERR_LOST, WAMP_ERR_CANCELED (wamp_attempt_abandon()), WAMP_ERR_TOO_LARGE (HELLO is larger
/// than the router accepts, or a message larger than we accept), WAMP_ERR_DEADLOCK (in a callback
/// of inline dispatch).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_session(
    connection: *mut wamp_connection_t,
    timeout_ms: c_int,
    session: *mut *mut wamp_session_t,
) -> c_int {
    from_c!(session: Out);
    session.set(std::ptr::null_mut());
    guard(|| {
        let object = find(connection)?;
        session.check()?;
        let open = object.client.session(args::deadline(timeout_ms))?;
        let handle = loan::lend_session(&open);
        // It may have been closed, and its loan ended, in this very moment.
        loan::retain_session(handle).map_err(|_| Failure::from(Status::Closed))?;
        session.set(handle);
        Ok(0)
    })
}

/// Returns 1 while a session is open, 0 if not, or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_is_open(connection: *mut wamp_connection_t) -> c_int {
    guard(|| Ok(c_int::from(find(connection)?.client.is_open())))
}

/// Manual mode: runs callbacks on this thread, at most `max` (0 or less: as many as are waiting),
/// after waiting at most `timeout_ms` (0: not at all; negative: no limit) for the first event.
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
        object.end_polled();
        let client = &object.client;
        let count = client.dispatch(args::at_most(max), args::deadline(timeout_ms))?;
        Ok(args::count(count))
    })
}

/// Manual mode: fills an array with views of events, at most `max`, after waiting at most
/// `timeout_ms` (0: not at all; negative: no limit) for the first. No callback runs.
///
/// `event_size` is sizeof(wamp_event_t) as compiled into the program. The views, and the
/// invocations that they lend, are valid until the next poll, dispatch, close with a timeout, or
/// free; an invocation that was neither answered nor retained by then is answered with an error.
/// Returns the number of events, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_STATE (not in
/// manual mode), WAMP_ERR_DEADLOCK (inside a callback of the connection).
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
        let array = EventArray::new(events, event_size, max)?;
        object.end_polled();
        let client = &object.client;
        let notices = client.poll(array.max(), args::deadline(timeout_ms))?;
        let count = notices.len() as c_int;
        if count > 0 {
            let polled = PolledEvents::new(notices);
            // SAFETY: by the caller's promise there is room for `max` elements of `event_size`.
            polled.for_each(|index, event| unsafe { array.put(index, event) });
            let former = lock(&object.polled).replace(Box::new(polled));
            // What another thread's poll has shown is freed once the lock is not held.
            drop(former);
        }
        Ok(count)
    })
}

/// Manual mode: a file descriptor that is readable while events are waiting, for poll(2) and the
/// like. On Windows it is a SOCKET, for WSAPoll(), select() and libuv.
///
/// It belongs to the connection: do not read from it or close it. It is closed when the connection
/// is freed and no session or message of it is kept any more; remove it from your loop before that.
/// Returns the fd (>= 0), or WAMP_ERR_HANDLE, WAMP_ERR_STATE (not in manual mode),
/// WAMP_ERR_EXHAUSTED (the process is out of file descriptors).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_fd(connection: *mut wamp_connection_t) -> c_int {
    guard(|| Ok(find(connection)?.client.flag()?.number()))
}

/// Manual mode, on Windows: writes an event object (a HANDLE) that is signaled while events are
/// waiting to `*event`, for WaitForMultipleObjects() and the like; NULL on failure.
///
/// It belongs to the connection, as what wamp_connection_fd() returns does: do not reset or close
/// it. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_STATE (not in manual mode),
/// WAMP_ERR_EXHAUSTED, WAMP_ERR_UNSUPPORTED (not on Windows).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_event(
    connection: *mut wamp_connection_t,
    event: *mut *mut c_void,
) -> c_int {
    from_c!(event: Out);
    event.set(ptr::null_mut());
    guard(|| {
        let object = find(connection)?;
        event.check()?;
        event.set(event_of(object.client.flag()?)?);
        Ok(0)
    })
}

/// The event object of a flag.
pub(super) fn event_of(flag: &Flag) -> Result<*mut c_void, Failure> {
    flag.event().ok_or_else(|| {
        let text = "only Windows has event objects: use the file descriptor instead";
        Failure::new(Status::Unsupported, text)
    })
}

/// Manual mode, for hosts without file descriptors: `wakeup` is called when events start to wait,
/// on whatever thread queues them, possibly one that is inside a function of this connection. It
/// must therefore take no lock that the program holds while it calls the library. It is called at
/// once if events are waiting already. NULL for none.
///
/// `free` (may be NULL) runs exactly once: when another function takes its place, when the
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
        if object.client.mode() != Mode::Manual {
            let text = "this needs the connection option \"dispatch\": \"manual\"";
            return Err(Failure::new(Status::State, text));
        }
        drop(object.client.set_wakeup(CWakeup::shared(wakeup, user_data)));
        Ok(0)
    })
}

/// Returns 1 while the transport is up, whether or not the session is open already; 0 if not, or
/// WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_is_connected(connection: *mut wamp_connection_t) -> c_int {
    guard(|| Ok(c_int::from(find(connection)?.client.is_connected())))
}

/// Returns 1 from a loss that is retried until a session is open again or retrying has ended; 0
/// otherwise, or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_is_retrying(connection: *mut wamp_connection_t) -> c_int {
    guard(|| Ok(c_int::from(find(connection)?.client.is_retrying())))
}

/// Makes the next attempt now instead of after its delay. Returns WAMP_OK, or WAMP_ERR_HANDLE,
/// WAMP_ERR_STATE (no attempt is pending).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_reconnect_now(
    connection: *mut wamp_connection_t,
) -> c_int {
    guard(|| find(connection)?.client.reconnect_now().map(|()| 0))
}

/// Makes no more attempts until the next wamp_connection_open(); an open session stays open. If an
/// attempt was pending, a last WAMP_CLOSE follows, whose `will_retry` is false. Returns 1 if one
/// was pending, 0 if not, or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_stop_retrying(
    connection: *mut wamp_connection_t,
) -> c_int {
    guard(|| Ok(c_int::from(find(connection)?.client.stop_retrying())))
}

/// Waits until everything that requests have queued has been handed to the operating system, at
/// most `timeout_ms` (negative: no limit). Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_CLOSED,
/// WAMP_ERR_TIMEOUT, WAMP_ERR_DEADLOCK (in a callback of inline dispatch).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_flush(
    connection: *mut wamp_connection_t,
    timeout_ms: c_int,
) -> c_int {
    guard(|| find(connection)?.client.flush(args::deadline(timeout_ms)).map(|()| 0))
}
