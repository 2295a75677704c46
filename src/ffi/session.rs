//! Sessions and what can be asked of them: `wamp_session_t`. Its requests are in
//! [`super::requests`].

use std::ffi::{c_char, c_int};
use std::ptr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use crate::client::{Failure, Session, Status, lock};
use crate::codec::{Encoding, Tree};

use super::args;
use super::connection::CONNECTIONS;
use super::guard::{guard, plain};
use super::loan::Refs;
use super::slab::Slab;
use super::types::*;
use super::value;

pub(super) struct SessionObject {
    session: Arc<Session>,
    refs: Refs,
    /// The lens on WELCOME.Details, as an address, once somebody has looked.
    details: OnceLock<usize>,
}

pub(super) static SESSIONS: Slab<Arc<SessionObject>> = Slab::new();

impl Drop for SessionObject {
    fn drop(&mut self) {
        if let Some(details) = self.details.get() {
            value::close(ptr::without_provenance(*details));
        }
    }
}

/// The handle of an open session; its connection keeps one reference until its CLOSE is told. NULL
/// if the session was never open or its connection is freed.
pub(super) fn lend(session: &Arc<Session>) -> *mut wamp_session_t {
    let known = session.handle.load(Ordering::Acquire);
    if known != 0 {
        return Tag::Session.handle(known);
    }
    if session.joined().is_none() {
        return ptr::null_mut();
    }
    let connection = session.shared().handle.load(Ordering::Acquire);
    let Some(connection) = CONNECTIONS.with(connection, Arc::clone) else {
        return ptr::null_mut();
    };
    let mut lent = lock(&connection.lent);
    let known = session.handle.load(Ordering::Acquire);
    let (0, Some(lent)) = (known, lent.as_mut()) else {
        return Tag::Session.handle(known);
    };
    let object =
        SessionObject { session: session.clone(), refs: Refs::lent(), details: OnceLock::new() };
    let Some(key) = SESSIONS.insert(Arc::new(object)) else {
        return ptr::null_mut();
    };
    lent.push(key);
    session.handle.store(key, Ordering::Release);
    Tag::Session.handle(key)
}

/// The connection's own reference ends: CLOSE has been told.
pub(super) fn end_loan(session: *mut wamp_session_t) {
    let Ok(object) = object(session) else { return };
    let connection = object.session.shared().handle.load(Ordering::Acquire);
    let Some(connection) = CONNECTIONS.with(connection, Arc::clone) else {
        return;
    };
    let key = Tag::Session.key(session);
    let was_lent = match lock(&connection.lent).as_mut() {
        Some(lent) => {
            let before = lent.len();
            lent.retain(|lent| Some(*lent) != key);
            lent.len() < before
        }
        None => false,
    };
    if was_lent && object.refs.end_loan() {
        forget(session);
    }
}

/// The connection is freed, with the loan of its session.
pub(super) fn end_loan_of_freed(session: *mut wamp_session_t) {
    if object(session).is_ok_and(|object| object.refs.end_loan()) {
        forget(session);
    }
}

fn forget(session: *mut wamp_session_t) {
    if let Some(key) = Tag::Session.key(session) {
        drop(SESSIONS.remove(key));
    }
}

/// One more reference.
pub(super) fn retain(session: *mut wamp_session_t) -> Result<(), Failure> {
    match object(session)?.refs.retain() {
        true => Ok(()),
        false => Err(Status::Handle.into()),
    }
}

/// The session behind a handle.
pub(super) fn session(handle: *mut wamp_session_t) -> Result<Arc<Session>, Failure> {
    let key = Tag::Session.key(handle).ok_or(Status::Handle)?;
    SESSIONS.with(key, |object| object.session.clone()).ok_or_else(|| Status::Handle.into())
}

fn object(handle: *mut wamp_session_t) -> Result<Arc<SessionObject>, Failure> {
    let key = Tag::Session.key(handle).ok_or(Status::Handle)?;
    SESSIONS.with(key, Arc::clone).ok_or_else(|| Status::Handle.into())
}

/// Keeps a session's handle valid beyond its close; each retain wants its wamp_session_release().
/// The session itself ends all the same. Returns WAMP_OK or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_retain(session: *mut wamp_session_t) -> c_int {
    guard(|| retain(session).map(|()| 0))
}

/// Gives a retained session back. Returns WAMP_OK, or WAMP_ERR_HANDLE, also for one that this program
/// did not retain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_release(session: *mut wamp_session_t) -> c_int {
    guard(|| {
        if object(session)?.refs.release().ok_or(Status::Handle)? {
            forget(session);
        }
        Ok(0)
    })
}

/// The session's WAMP id, 1 to 2^53, to `*id`, also when the session is over; 0 on failure. Returns
/// WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_id(session: *mut wamp_session_t, id: *mut i64) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { args::give(id, 0) };
    guard(|| {
        let session = self::session(session)?;
        if id.is_null() {
            return Err(Failure::new(Status::Argument, "`id` is NULL"));
        }
        // Handles are only given to sessions that have joined.
        let joined = session.joined().ok_or(Status::Handle)?;
        // SAFETY: not NULL, and the caller's promise.
        unsafe { id.write(joined.id as i64) };
        Ok(0)
    })
}

/// The realm that the session has joined, NUL-terminated; lives as long as the session's handle.
/// NULL on failure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_realm(session: *mut wamp_session_t) -> *const c_char {
    guard(|| {
        let session = self::session(session)?;
        let joined = session.joined().ok_or(Status::Closed)?;
        Ok(joined.realm.as_ptr())
    })
}

/// Returns 1 while requests can be made on the session, 0 when it is over, or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_is_open(session: *mut wamp_session_t) -> c_int {
    guard(|| Ok(c_int::from(self::session(session)?.is_open())))
}

/// The details of the router's WELCOME as a lens on a dict: `authid`, `authrole`, `roles`, ...
/// Lives as long as the session's handle. NULL on failure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_session_details(session: *mut wamp_session_t) -> *const wamp_value_t {
    plain(ptr::null(), || {
        let object = object(session).ok()?;
        let details = object.details.get_or_init(|| {
            let joined = object.session.joined();
            let tree = joined.and_then(|joined| Tree::parse(Encoding::Json, &joined.details).ok());
            tree.map_or(0, |tree| value::open(tree).addr())
        });
        Some(ptr::without_provenance(*details))
    })
}
