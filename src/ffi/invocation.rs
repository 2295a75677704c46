//! Answers to invocations: `wamp_invocation_t`.

use std::ffi::{c_char, c_int};
use std::ptr;
use std::sync::{Arc, Mutex};

use crate::client::{Failure, Session, Status, lock};
use crate::codec::PayloadRef;
use crate::protocol::uri;

use super::args;
use super::guard::guard;
use super::slab::Slab;
use super::types::*;

pub(super) struct InvocationObject {
    session: Arc<Session>,
    request: u64,
    refs: Refs,
}

pub(super) static INVOCATIONS: Slab<Arc<InvocationObject>> = Slab::new();

/// The references to a lent object: those of the host, and the loan. It ends once, with the last.
pub(super) struct Refs(Mutex<(usize, bool)>);

impl Refs {
    /// A loan alone.
    pub(super) const fn lent() -> Refs {
        Refs(Mutex::new((0, true)))
    }

    /// One more of the host; false if all have ended.
    pub(super) fn retain(&self) -> bool {
        let (retained, lent) = &mut *lock(&self.0);
        let alive = *retained > 0 || *lent;
        *retained += usize::from(alive);
        alive
    }

    /// One less of the host. `Some(true)`: it was the last of all; `None`: there was none.
    pub(super) fn release(&self) -> Option<bool> {
        let (retained, lent) = &mut *lock(&self.0);
        *retained = retained.checked_sub(1)?;
        Some(*retained == 0 && !*lent)
    }

    /// The loan ends. True if it was the last of all.
    pub(super) fn end_loan(&self) -> bool {
        let (retained, lent) = &mut *lock(&self.0);
        std::mem::take(lent) && *retained == 0
    }
}

/// A handle, lent until [`end_loan`].
pub(super) fn lend(session: &Arc<Session>, request: u64) -> *mut wamp_invocation_t {
    let object = InvocationObject { session: session.clone(), request, refs: Refs::lent() };
    match INVOCATIONS.insert(Arc::new(object)) {
        Some(key) => Tag::Invocation.handle(key),
        None => ptr::null_mut(),
    }
}

/// The callback or poll that it was lent to is over.
pub(super) fn end_loan(invocation: *mut wamp_invocation_t) {
    if let Ok(object) = object(invocation)
        && object.refs.end_loan()
    {
        forget(invocation, &object);
    }
}

/// Nobody has a reference any more: without an answer an error is sent.
fn forget(invocation: *mut wamp_invocation_t, object: &InvocationObject) {
    if let Some(key) = Tag::Invocation.key(invocation) {
        drop(INVOCATIONS.remove(key));
    }
    let text = PayloadRef::args("[\"the callee did not answer\"]");
    // Refused if there was an answer, or the session is over: then all is well.
    let _ = object.session.answer_error(object.request, uri::RUNTIME_ERROR, text);
}

fn object(invocation: *mut wamp_invocation_t) -> Result<Arc<InvocationObject>, Failure> {
    let key = Tag::Invocation.key(invocation).ok_or(Status::Handle)?;
    INVOCATIONS.with(key, Arc::clone).ok_or_else(|| Status::Handle.into())
}

/// Keeps an invocation beyond its callback, to answer it later from any thread; each retain wants
/// its wamp_invocation_release(). Returns WAMP_OK or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_retain(invocation: *mut wamp_invocation_t) -> c_int {
    guard(|| match object(invocation)?.refs.retain() {
        true => Ok(0),
        false => Err(Status::Handle.into()),
    })
}

/// Gives an invocation back. If it was never answered and nobody else keeps it, the caller gets
/// the error `wamp.error.runtime_error`, so that nobody waits for ever. Returns WAMP_OK or
/// WAMP_ERR_HANDLE, also for one that this program did not retain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_release(invocation: *mut wamp_invocation_t) -> c_int {
    guard(|| {
        let object = object(invocation)?;
        if object.refs.release().ok_or(Status::Handle)? {
            forget(invocation, &object);
        }
        Ok(0)
    })
}

/// Sends a progressive result; the final answer is still to come.
///
/// Only where the event had WAMP_FLAG_PROGRESS. `payload` may be NULL and is copied. Returns
/// WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_STATE (answered, or no progress wanted), WAMP_ERR_AGAIN,
/// WAMP_ERR_CLOSED, WAMP_ERR_PAYLOAD, WAMP_ERR_TOO_LARGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_progress(
    invocation: *mut wamp_invocation_t,
    payload: *const wamp_payload_t,
) -> c_int {
    guard(|| {
        let object = object(invocation)?;
        // SAFETY: the caller's promise.
        let payload = unsafe { args::payload(payload) }?;
        object.session.progress(object.request, payload).map(|()| 0)
    })
}

/// Answers an invocation with its result. From any thread, once.
///
/// `payload` may be NULL and is copied. A failed call answers nothing: try again, or answer with an
/// error. Never WAMP_ERR_AGAIN. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_STATE (answered
/// already), WAMP_ERR_CLOSED (nobody waits any more), WAMP_ERR_PAYLOAD, WAMP_ERR_TOO_LARGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_yield(
    invocation: *mut wamp_invocation_t,
    payload: *const wamp_payload_t,
) -> c_int {
    guard(|| {
        let object = object(invocation)?;
        // SAFETY: the caller's promise.
        let payload = unsafe { args::payload(payload) }?;
        object.session.answer(object.request, payload).map(|()| 0)
    })
}

/// Answers an invocation with an error. From any thread, once.
///
/// `uri` NULL stands for `wamp.error.runtime_error`; `payload` may be NULL. Both are copied.
/// Returns as wamp_invocation_yield(), and WAMP_ERR_URI, WAMP_ERR_UTF8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_error(
    invocation: *mut wamp_invocation_t,
    uri: *const c_char,
    payload: *const wamp_payload_t,
) -> c_int {
    guard(|| {
        let object = object(invocation)?;
        // SAFETY: the caller's promise.
        let uri = unsafe { args::optional_text(uri, "uri") }?.unwrap_or(uri::RUNTIME_ERROR);
        // SAFETY: the caller's promise.
        let payload = unsafe { args::payload(payload) }?;
        object.session.answer_error(object.request, uri, payload).map(|()| 0)
    })
}
