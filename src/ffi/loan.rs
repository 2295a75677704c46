//! Handles that events lend: for the callback or the poll, or as long as the host retains them.
//!
//! The object of one that nobody has a reference to any more, unanswered, answers itself.

use std::ptr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use crate::client::{Failure, Notice, Session, Status, lock};

use super::handles::{self, Handle};
use super::objects::{Invocation, Lendable, Loan, Refs, SessionObject};
use super::types::*;

/// Lends a handle until [`end`]. NULL if there can be no more; then the object answers itself.
pub(super) fn lend<H, T>(what: T) -> *mut H
where
    H: Handle<Object = Lendable<T>>,
    T: Loan,
{
    let object = Arc::new(Lendable { what, refs: Refs::lent() });
    handles::insert(object.clone()).unwrap_or_else(|| {
        object.what.answer_itself();
        ptr::null_mut()
    })
}

/// Adds a reference of the host.
pub(super) fn retain<H, T>(handle: *mut H) -> Result<Arc<Lendable<T>>, Failure>
where
    H: Handle<Object = Lendable<T>>,
{
    let object = handles::find(handle)?;
    match object.refs.retain() {
        true => Ok(object),
        false => Err(Status::Handle.into()),
    }
}

/// Takes a reference of the host away.
pub(super) fn release<H, T>(handle: *mut H) -> Result<(), Failure>
where
    H: Handle<Object = Lendable<T>>,
    T: Loan,
{
    let object = handles::find(handle)?;
    if object.refs.release().ok_or(Status::Handle)? {
        drop(handles::remove(handle));
        object.what.answer_itself();
    }
    Ok(())
}

/// Ends the loan: the callback or poll that the handle was lent to is over.
pub(super) fn end<H, T>(handle: *mut H)
where
    H: Handle<Object = Lendable<T>>,
    T: Loan,
{
    if let Ok(object) = handles::find(handle)
        && object.refs.end_loan()
    {
        drop(handles::remove(handle));
        object.what.answer_itself();
    }
}

// ===== invocations =====

/// Lends the handle of the invocation that `notice` tells of, until [`end_invocation`]. All input
/// of a call comes with one handle, if the host has retained it.
pub(super) fn lend_invocation(session: &Arc<Session>, notice: &Notice) -> *mut wamp_invocation_t {
    let request = notice.event.wamp_id;
    if notice.event.continues_input {
        let known = known_invocation(session, request);
        if handles::find(known).is_ok_and(|object| object.refs.lend_again()) {
            return known;
        }
    }
    lend(Invocation::new(session, request, notice.event.id))
}

/// The handle under which the host has retained an invocation; NULL if it has not.
pub(super) fn known_invocation(session: &Session, request: u64) -> *mut wamp_invocation_t {
    match session.invocation_tag(request) {
        0 => ptr::null_mut(),
        key => handles::from_key(key),
    }
}

/// The part of a call's input that an event has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Whole,
    MoreFollows,
    LastPiece,
}

/// Ends the loan of an invocation. With more input to come the call goes on, whether or not the
/// handle was retained; and so it does where the host has retained the handle of another piece of
/// the input, as when several came in one poll.
pub(super) fn end_invocation(invocation: *mut wamp_invocation_t, input: Input) {
    if input == Input::Whole {
        return end(invocation);
    }
    let Ok(object) = handles::find(invocation) else { return };
    if !object.refs.end_loan() {
        return;
    }
    drop(handles::remove(invocation));
    let Invocation { session, request, .. } = &object.what;
    let known = known_invocation(session, *request);
    if !known.is_null() && known != invocation {
        return;
    }
    match input {
        Input::MoreFollows => session.tag_invocation(*request, 0),
        Input::LastPiece | Input::Whole => object.what.answer_itself(),
    }
}

// ===== sessions =====

/// The handle of an open session; its connection keeps one reference until its CLOSE is told. NULL
/// if the session was never open or its connection is freed.
pub(super) fn lend_session(session: &Arc<Session>) -> *mut wamp_session_t {
    let known = session.handle.load(Ordering::Acquire);
    if known != 0 {
        return handles::from_key(known);
    }
    if session.joined().is_none() {
        return ptr::null_mut();
    }
    let connection = session.shared().handle.load(Ordering::Acquire);
    let Some(connection) = handles::find_key::<wamp_connection_t>(connection) else {
        return ptr::null_mut();
    };
    let mut lent = lock(&connection.lent);
    let known = session.handle.load(Ordering::Acquire);
    let (0, Some(lent)) = (known, lent.as_mut()) else {
        return handles::from_key(known);
    };
    let object =
        SessionObject { session: session.clone(), refs: Refs::lent(), details: OnceLock::new() };
    let Some(key) = wamp_session_t::slab().insert(Arc::new(object)) else {
        return ptr::null_mut();
    };
    lent.push(key);
    session.handle.store(key, Ordering::Release);
    handles::from_key(key)
}

/// Ends the connection's own reference: CLOSE has been told.
pub(super) fn end_session(session: *mut wamp_session_t) {
    let Ok(object) = handles::find(session) else { return };
    let connection = object.session.shared().handle.load(Ordering::Acquire);
    let Some(connection) = handles::find_key::<wamp_connection_t>(connection) else {
        return;
    };
    let key = handles::key(session);
    let was_lent = match lock(&connection.lent).as_mut() {
        Some(lent) => {
            let before = lent.len();
            lent.retain(|lent| Some(*lent) != key);
            lent.len() < before
        }
        None => false,
    };
    if was_lent && object.refs.end_loan() {
        drop(handles::remove(session));
    }
}

/// Ends the reference of a connection that is freed.
pub(super) fn end_session_of_freed(session: *mut wamp_session_t) {
    if handles::find(session).is_ok_and(|object| object.refs.end_loan()) {
        drop(handles::remove(session));
    }
}

/// Adds a reference of the host.
pub(super) fn retain_session(session: *mut wamp_session_t) -> Result<(), Failure> {
    match handles::find(session)?.refs.retain() {
        true => Ok(()),
        false => Err(Status::Handle.into()),
    }
}

/// Takes a reference of the host away.
pub(super) fn release_session(session: *mut wamp_session_t) -> Result<(), Failure> {
    if handles::find(session)?.refs.release().ok_or(Status::Handle)? {
        drop(handles::remove(session));
    }
    Ok(())
}
