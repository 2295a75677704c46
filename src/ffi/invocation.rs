//! Answers to invocations: `wamp_invocation_t`.

use std::ffi::{c_char, c_int};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::client::{Failure, Session, Status};
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

/// A count of references that ends once.
pub(super) struct Refs(AtomicUsize);

impl Refs {
    /// One reference.
    pub(super) const fn one() -> Refs {
        Refs(AtomicUsize::new(1))
    }

    /// One more; false if the count has ended.
    pub(super) fn retain(&self) -> bool {
        let more = |count| (count > 0).then_some(count + 1);
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .is_ok()
    }

    /// One less; `Some(true)` for the last one, `None` if the count has ended before.
    pub(super) fn release(&self) -> Option<bool> {
        let less = |count: usize| count.checked_sub(1);
        let before = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less)
            .ok()?;
        Some(before == 1)
    }
}

/// A handle with one reference, which the lender must release.
pub(super) fn lend(session: &Arc<Session>, request: u64) -> *mut wamp_invocation_t {
    let object = InvocationObject {
        session: session.clone(),
        request,
        refs: Refs::one(),
    };
    match INVOCATIONS.insert(Arc::new(object)) {
        Some(key) => Tag::Invocation.handle(key),
        None => ptr::null_mut(),
    }
}

/// Gives a reference back; the last one without an answer sends an error.
pub(super) fn release(invocation: *mut wamp_invocation_t) -> bool {
    let Some(key) = Tag::Invocation.key(invocation) else {
        return false;
    };
    let Some(object) = INVOCATIONS.with(key, Arc::clone) else {
        return false;
    };
    match object.refs.release() {
        None => false,
        Some(false) => true,
        Some(true) => {
            drop(INVOCATIONS.remove(key));
            let text = PayloadRef::args("[\"the callee did not answer\"]");
            // Refused if there was an answer, or the session is over: then all is well.
            let _ = object
                .session
                .answer_error(object.request, uri::RUNTIME_ERROR, text);
            true
        }
    }
}

fn object(invocation: *mut wamp_invocation_t) -> Result<Arc<InvocationObject>, Failure> {
    let key = Tag::Invocation.key(invocation).ok_or(Status::Handle)?;
    INVOCATIONS
        .with(key, Arc::clone)
        .ok_or_else(|| Status::Handle.into())
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
/// WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_release(invocation: *mut wamp_invocation_t) -> c_int {
    guard(|| match release(invocation) {
        true => Ok(0),
        false => Err(Status::Handle.into()),
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
        object
            .session
            .answer_error(object.request, uri, payload)
            .map(|()| 0)
    })
}
