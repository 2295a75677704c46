//! The questions of a router to the program: their callbacks, and, in manual mode, dispatched and
//! polled.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

use crate::client::{Failure, Mode, Status, lock};
use crate::router::QuestionKind;

use super::args::{self, Out, from_c};
use super::connection::event_of;
use super::guard::guard;
use super::handles::find;
use super::polled::{EventArray, PolledEvents};
use super::router_host::apart;
use super::target::{CTarget, CWakeup, UserData};
use super::types::*;

/// Sets the callback for WAMP_AUTHENTICATE, called when a client wants to join: the program decides
/// whether it may, and as whom.
///
/// It decides through wamp_event_question(): at once, or, after retaining that, later and from any
/// thread, within the router's `question_timeout`; without an answer the client is refused. With
/// `auth`, it is asked last, about clients that have proved by a method of `auth` who they are:
/// `authid`, `authrole` and `authmethod` in the details are what they have proved. Without `auth`
/// it alone decides, and can challenge the client by wamp_question_challenge() before it does;
/// `authid` is what the client claims then. `realm`, `session`, `authmethods`, `authextra` and
/// `transport` (`peer`: the address, of IPv6 its network; `channel_id` of TLS, as cryptosign binds
/// to it; `client_cert`: the certificate that the client has shown, PEM; each may be null) are
/// always there.
///
/// Set it before wamp_router_listen(). With a NULL callback nothing is asked, except that in manual
/// mode the event comes through wamp_router_poll(). The router's option `dispatch` decides on which
/// thread it runs; callbacks of one router run one after the other. `free` (may be NULL) runs
/// exactly once: when another callback takes its place, when the router is freed, or when this call
/// fails. Returns WAMP_OK or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_router_on_authenticate(
    router: *mut wamp_router_t,
    callback: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    set_callback(router, QuestionKind::Login, callback, UserData::new(user_data, free))
}

/// Sets the callback for WAMP_AUTHORIZE, called when a client that has joined from now on wants to
/// call, register, publish or subscribe: the program decides whether it may.
///
/// It is asked about what the key `roles` allows; without that key, about everything. The details
/// are `action` ("call", "register", "publish", "subscribe"), `uri`, `match` ("exact", "prefix",
/// "wildcard": a pattern stands for everything that it matches), `options`, and `session`, `realm`,
/// `authid`, `authrole`, `authmethod`, `authprovider` of the client. It decides through
/// wamp_event_question(), as wamp_router_on_authenticate() has it; without an answer the request is
/// refused with `wamp.error.authorization_failed`. Meanwhile the client's later messages wait, and
/// nobody else's: do not wait in it for that client. Requests that are made often are better
/// answered with `cache`. A testament is asked about as the publication that it will be, when it is
/// made. For all else see wamp_router_on_authenticate(). Returns as
/// wamp_router_on_authenticate().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_router_on_authorize(
    router: *mut wamp_router_t,
    callback: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    set_callback(router, QuestionKind::Action, callback, UserData::new(user_data, free))
}

/// Manual mode: runs the router's callbacks on this thread, as wamp_connection_dispatch() does
/// those of a connection. Returns the number of events, or WAMP_ERR_HANDLE, WAMP_ERR_STATE (not in
/// manual mode), WAMP_ERR_DEADLOCK (inside one of these callbacks).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_router_dispatch(
    router: *mut wamp_router_t,
    max: c_int,
    timeout_ms: c_int,
) -> c_int {
    guard(|| {
        let object = find(router)?;
        object.end_polled();
        let host = &object.host;
        let count = host.queue.dispatch(&**host, args::at_most(max), args::deadline(timeout_ms))?;
        Ok(args::count(count))
    })
}

/// Manual mode: fills an array with views of the router's events, as wamp_connection_poll() does
/// with those of a connection. The views and the questions that they lend are valid until the next
/// poll, dispatch or free; a question that was neither answered nor retained by then is refused.
/// Returns the number of events, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_STATE (not in
/// manual mode), WAMP_ERR_DEADLOCK (inside a callback of the router).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_router_poll(
    router: *mut wamp_router_t,
    events: *mut wamp_event_t,
    event_size: usize,
    max: c_int,
    timeout_ms: c_int,
) -> c_int {
    guard(|| {
        let object = find(router)?;
        let array = EventArray::new(events, event_size, max)?;
        object.end_polled();
        let host = &object.host;
        let events = host.queue.poll(&**host, array.max(), args::deadline(timeout_ms))?;
        let count = events.len() as c_int;
        if count > 0 {
            let (notices, loans) = apart(events);
            let polled = PolledEvents::new(notices);
            // SAFETY: by the caller's promise there is room for `max` elements of `event_size`.
            polled.for_each(|index, event| unsafe { array.put(index, event) });
            let former = lock(&object.polled).replace((Box::new(polled), loans));
            // What another thread's poll has shown is freed once the lock is not held.
            drop(former);
        }
        Ok(count)
    })
}

/// Manual mode: a file descriptor that is readable while events of the router are waiting, as
/// wamp_connection_fd() has it. It is closed when the router is freed. Returns the fd (>= 0), or
/// WAMP_ERR_HANDLE, WAMP_ERR_STATE (not in manual mode), WAMP_ERR_EXHAUSTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_router_fd(router: *mut wamp_router_t) -> c_int {
    guard(|| Ok(find(router)?.host.queue.flag()?.number()))
}

/// Manual mode, on Windows: writes an event object (a HANDLE) that is signaled while events of the
/// router are waiting to `*event`, as wamp_connection_event() has it; NULL on failure. Returns
/// WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_STATE (not in manual mode),
/// WAMP_ERR_EXHAUSTED, WAMP_ERR_UNSUPPORTED (not on Windows).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_router_event(
    router: *mut wamp_router_t,
    event: *mut *mut c_void,
) -> c_int {
    from_c!(event: Out);
    event.set(ptr::null_mut());
    guard(|| {
        let object = find(router)?;
        event.check()?;
        event.set(event_of(object.host.queue.flag()?)?);
        Ok(0)
    })
}

/// Manual mode, for hosts without file descriptors: `wakeup` is called when events of the router
/// start to wait, as wamp_connection_set_wakeup() has it. Returns WAMP_OK, or WAMP_ERR_HANDLE,
/// WAMP_ERR_STATE (not in manual mode).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_router_set_wakeup(
    router: *mut wamp_router_t,
    wakeup: wamp_wakeup_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    let user_data = UserData::new(user_data, free);
    guard(|| {
        let object = find(router)?;
        if object.host.queue.mode() != Mode::Manual {
            let text = "this needs the router's option \"dispatch\": \"manual\"";
            return Err(Failure::new(Status::State, text));
        }
        drop(object.host.queue.set_wakeup(CWakeup::shared(wakeup, user_data)));
        Ok(0)
    })
}

#[cfg_attr(debug_assertions, track_caller)]
fn set_callback(
    router: *mut wamp_router_t,
    kind: QuestionKind,
    handler: wamp_callback_t,
    user_data: UserData,
) -> c_int {
    guard(|| {
        let object = find(router)?;
        // Where events are polled these can be asked for without a callback.
        let is_wanted = handler.is_some() || object.host.queue.mode() == Mode::Manual;
        let target = Arc::new(CTarget::new(handler, None, user_data));
        object.host.set_callback(kind, target, is_wanted);
        Ok(0)
    })
}
