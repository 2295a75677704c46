//! Subscriptions and registrations of a connection, which outlive its sessions.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

use crate::client::EventHandler;
use crate::client::durable::DurableKind;
use crate::client::request_options::Request;

use super::args::{self, Text, from_c};
use super::guard::guard;
use super::handles::find;
use super::requests::check_handler;
use super::target::{CTarget, UserData};
use super::types::*;

#[cfg_attr(debug_assertions, track_caller)]
fn declare(
    kind: DurableKind,
    connection: *mut wamp_connection_t,
    uri: Text<'_>,
    options: Text<'_>,
    target: &Arc<CTarget>,
) -> i64 {
    guard(|| {
        let object = find(connection)?;
        check_handler(object.client.mode(), target.handler)?;
        let (uri, options) = (uri.required()?, options.options()?);
        if object.client.options().strict_options {
            let request = match kind {
                DurableKind::Subscription => Request::Subscribe,
                DurableKind::Registration => Request::Register,
            };
            request.check(options)?;
        }
        let target: Arc<dyn EventHandler> = target.clone();
        object.client.declare(kind, uri, options, target).map(|id| id as i64)
    })
}

#[cfg_attr(debug_assertions, track_caller)]
fn retract(
    kind: DurableKind,
    connection: *mut wamp_connection_t,
    (id, name): (i64, &str),
    target: &Arc<CTarget>,
) -> c_int {
    guard(|| {
        let object = find(connection)?;
        let id = args::local_id(id, name)?;
        object.client.retract(kind, id, target.clone()).map(c_int::from)
    })
}

/// Subscribes to a topic for the lifetime of the connection: in each of its sessions, present and
/// future.
///
/// May be called before wamp_connection_open(). `options` (JSON object, may be NULL) go to the
/// router each time. `handler` receives WAMP_EVENT. `done` (may be NULL) receives WAMP_SUBSCRIBED
/// the first time and WAMP_RESTORED after each later join, WAMP_SUSPENDED when the session has
/// ended (events published until WAMP_RESTORED are missed), WAMP_ERROR when the router refuses the
/// subscription (the next join tries again), WAMP_UNSUBSCRIBED when the router revokes it
/// (likewise). The request has been sent before WAMP_OPEN is delivered. Strings are copied. `free`
/// (may be NULL) runs exactly once, even if the call fails.
///
/// Returns the subscription's id (> 0), which stays the same, for wamp_connection_unsubscribe(); or
/// WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT (NULL handler without manual dispatch), WAMP_ERR_UTF8,
/// WAMP_ERR_URI, WAMP_ERR_OPTION.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_subscribe(
    connection: *mut wamp_connection_t,
    topic: *const c_char,
    options: *const c_char,
    handler: wamp_callback_t,
    done: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> i64 {
    from_c!(topic: Text, options: Text);
    let target = Arc::new(CTarget::new(handler, done, UserData::new(user_data, free)));
    declare(DurableKind::Subscription, connection, topic, options, &target)
}

/// Ends a subscription of the connection. As wamp_session_unsubscribe(); if no session is open,
/// `done` receives WAMP_UNSUBSCRIBED all the same. Returns 1 if the router's subscription ends (or
/// there was none), 0 if other handlers of it remain, or WAMP_ERR_HANDLE, WAMP_ERR_NO_SUCH_ID.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_unsubscribe(
    connection: *mut wamp_connection_t,
    subscription: i64,
    done: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    let target = Arc::new(CTarget::new(None, done, UserData::new(user_data, free)));
    retract(DurableKind::Subscription, connection, (subscription, "subscription"), &target)
}

/// Registers a procedure for the lifetime of the connection: in each of its sessions, present and
/// future.
///
/// As wamp_connection_subscribe(), with WAMP_INVOCATION, WAMP_REGISTERED and WAMP_UNREGISTERED. A
/// procedure that exists already (`wamp.error.procedure_already_exists`: after a loss the router
/// may not yet have noticed that our former session is gone) is tried again after 0.1 s, 0.2 s ...
/// 10 s, each time with a WAMP_ERROR. Returns as wamp_connection_subscribe(), or WAMP_ERR_STATE
/// (this connection has registered it already).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_register(
    connection: *mut wamp_connection_t,
    procedure: *const c_char,
    options: *const c_char,
    handler: wamp_callback_t,
    done: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> i64 {
    from_c!(procedure: Text, options: Text);
    let target = Arc::new(CTarget::new(handler, done, UserData::new(user_data, free)));
    declare(DurableKind::Registration, connection, procedure, options, &target)
}

/// Ends a registration of the connection. As wamp_session_unregister(); if no session is open,
/// `done` receives WAMP_UNREGISTERED all the same. Returns 1, or WAMP_ERR_HANDLE,
/// WAMP_ERR_NO_SUCH_ID.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_unregister(
    connection: *mut wamp_connection_t,
    registration: i64,
    done: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    let target = Arc::new(CTarget::new(None, done, UserData::new(user_data, free)));
    retract(DurableKind::Registration, connection, (registration, "registration"), &target)
}
