//! Answers to invocations: `wamp_invocation_t`.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::client::request_options::Request;
use crate::client::{Failure, Notice, Receiver, Session, Status};
use crate::codec::{Dict, PayloadRef};
use crate::protocol::{RequestError, uri};

use super::args;
use super::guard::guard;
use super::loan::{self, Lendable, Loan};
use super::requests;
use super::slab::Slab;
use super::target::{CTarget, UserData};
use super::types::*;

pub(super) struct Invocation {
    session: Arc<Session>,
    request: u64,
    /// The registration, as the application knows it.
    registration: u64,
    /// It has its final answer: the router may use its id for another one.
    answered: AtomicBool,
}

static INVOCATIONS: Slab<Arc<Lendable<Invocation>>> = Slab::new();

impl Loan for Invocation {
    const TAG: Tag = Tag::Invocation;

    fn slab() -> &'static Slab<Arc<Lendable<Self>>> {
        &INVOCATIONS
    }

    fn forgotten(&self) {
        if self.answered.load(Ordering::Acquire) {
            return;
        }
        let text = PayloadRef::args("[\"the callee did not answer\"]");
        self.session.forget_invocation(self.request, uri::RUNTIME_ERROR, text);
    }
}

/// The handle of the invocation that `notice` tells of, lent until [`end_loan`]. All input of a
/// call comes with one handle, if the host has retained it.
pub(super) fn lend(session: &Arc<Session>, notice: &Notice) -> *mut wamp_invocation_t {
    let request = notice.event.wamp_id;
    if notice.event.continues_input {
        let known = known(session, request);
        if object(known).is_ok_and(|object| object.refs.lend_again()) {
            return known;
        }
    }
    let (registration, answered) = (notice.event.id, AtomicBool::new(false));
    loan::lend(Invocation { session: session.clone(), request, registration, answered })
}

/// The handle under which the host has retained an invocation.
pub(super) fn known(session: &Session, request: u64) -> *mut wamp_invocation_t {
    match session.invocation_tag(request) {
        0 => std::ptr::null_mut(),
        key => Tag::Invocation.handle(key),
    }
}

/// What of a call's input an event has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Whole,
    MoreFollows,
    LastPiece,
}

/// The callback or poll that a handle was lent to is over. With more input to come the call goes
/// on, whether or not the handle was retained; and so it does where the host has retained the handle
/// of another piece of the input, as when several came in one poll.
pub(super) fn end_loan(invocation: *mut wamp_invocation_t, input: Input) {
    if input == Input::Whole {
        return loan::end_loan::<Invocation, _>(invocation);
    }
    let Ok(object) = object(invocation) else { return };
    if !object.refs.end_loan() {
        return;
    }
    loan::remove::<Invocation, _>(invocation);
    let Invocation { session, request, .. } = &object.what;
    let known = known(session, *request);
    if !known.is_null() && known != invocation {
        return;
    }
    match input {
        Input::MoreFollows => session.tag_invocation(*request, 0),
        Input::LastPiece | Input::Whole => object.what.forgotten(),
    }
}

/// Answers for a handler that has failed: through the handle that it was lent, as far as that is
/// still one.
pub(super) fn fail(
    invocation: *mut wamp_invocation_t,
    session: &Session,
    request: u64,
    payload: PayloadRef<'_>,
) -> Result<(), Failure> {
    let answer = || session.answer_error(request, uri::RUNTIME_ERROR, payload);
    match object(invocation) {
        Ok(object) => object.what.answer(answer),
        Err(_) => answer(),
    }
}

fn object(invocation: *mut wamp_invocation_t) -> Result<Arc<Lendable<Invocation>>, Failure> {
    loan::object(invocation)
}

impl Invocation {
    /// Gives the final answer, which an invocation has once.
    fn answer(&self, give: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        self.check()?;
        give()?;
        self.answered.store(true, Ordering::Release);
        Ok(())
    }

    /// Refuses what comes after the final answer.
    fn check(&self) -> Result<(), Failure> {
        match self.answered.load(Ordering::Acquire) {
            true => Err(RequestError::Answered.into()),
            false => Ok(()),
        }
    }

    /// The events that follow are to bring this handle.
    fn tag(&self, invocation: *mut wamp_invocation_t) {
        if self.check().is_err() {
            return;
        }
        let key = Tag::Invocation.key(invocation).unwrap_or(0);
        self.session.tag_invocation(self.request, key);
    }
}

/// Keeps an invocation beyond its callback, to answer it later from any thread; each retain wants
/// its wamp_invocation_release(). Returns WAMP_OK or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_retain(invocation: *mut wamp_invocation_t) -> c_int {
    guard(|| {
        loan::retain::<Invocation, _>(invocation)?.what.tag(invocation);
        Ok(0)
    })
}

/// Gives an invocation back. If it was never answered and nobody else keeps it, the caller gets
/// the error `wamp.error.runtime_error`, so that nobody waits for ever. Returns WAMP_OK or
/// WAMP_ERR_HANDLE, also for one that this program did not retain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_release(invocation: *mut wamp_invocation_t) -> c_int {
    guard(|| loan::release::<Invocation, _>(invocation).map(|()| 0))
}

/// Sends a progressive result; the final answer is still to come.
///
/// Only where the event had WAMP_FLAG_PROGRESS. `payload` may be NULL and is copied. Returns
/// WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_STATE (answered, or no progress wanted), WAMP_ERR_CANCELED
/// (the caller has given up), WAMP_ERR_AGAIN, WAMP_ERR_CLOSED, WAMP_ERR_PAYLOAD, WAMP_ERR_ARGUMENT (an
/// unknown encoding), WAMP_ERR_TOO_LARGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_progress(
    invocation: *mut wamp_invocation_t,
    payload: *const wamp_payload_t,
) -> c_int {
    guard(|| {
        let object = object(invocation)?;
        // SAFETY: the caller's promise.
        let payload = unsafe { args::payload(payload) }?;
        object.what.check()?;
        object.what.session.progress(object.what.request, Dict::EMPTY, payload).map(|()| 0)
    })
}

/// Answers an invocation with its result. From any thread, once.
///
/// `payload` may be NULL and is copied. A failed call answers nothing: try again, or answer with an
/// error. Never WAMP_ERR_AGAIN. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_STATE (answered
/// already), WAMP_ERR_CANCELED (the caller has given up), WAMP_ERR_CLOSED (nobody waits any more),
/// WAMP_ERR_PAYLOAD, WAMP_ERR_ARGUMENT (an unknown encoding), WAMP_ERR_TOO_LARGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_yield(
    invocation: *mut wamp_invocation_t,
    payload: *const wamp_payload_t,
) -> c_int {
    guard(|| {
        let object = object(invocation)?;
        // SAFETY: the caller's promise.
        let payload = unsafe { args::payload(payload) }?;
        let Invocation { session, request, .. } = &object.what;
        object.what.answer(|| session.answer(*request, Dict::EMPTY, payload)).map(|()| 0)
    })
}

/// As wamp_invocation_yield(), with `options` (JSON object, may be NULL) that go to the router, such
/// as those of payload passthru (`ppt_scheme` ...). With `{"progress": true}` it is a progressive
/// result, as by wamp_invocation_progress(). Returns as wamp_invocation_progress(), and WAMP_ERR_OPTION,
/// WAMP_ERR_UTF8, WAMP_ERR_UNSUPPORTED (the router does not announce what the options need).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_yield_with(
    invocation: *mut wamp_invocation_t,
    payload: *const wamp_payload_t,
    options: *const c_char,
) -> c_int {
    guard(|| {
        let object = object(invocation)?;
        // SAFETY: the caller's promise.
        let payload = unsafe { args::payload(payload) }?;
        object.what.check()?;
        let Invocation { session, request, .. } = &object.what;
        // SAFETY: the caller's promise.
        let options = unsafe { requests::options(session, Request::Yield, options) }?;
        let wrong = |_| Failure::new(Status::Option, "option `progress`: must be a bool");
        match options.bool("progress").map_err(wrong)? {
            Some(true) => session.progress(*request, options, payload).map(|()| 0),
            _ => object.what.answer(|| session.answer(*request, options, payload)).map(|()| 0),
        }
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
        let Invocation { session, request, .. } = &object.what;
        let uri = session.shared().prefixes.resolve(uri);
        object.what.answer(|| session.answer_error(*request, &uri, payload)).map(|()| 0)
    })
}

/// Tells whether nobody waits for the answer any more. A callee that works for long looks here from time
/// to time, or waits for wamp_invocation_on_interrupt().
///
/// Returns 1 if the caller has canceled the call or is gone, or our session has ended, 0 while somebody
/// waits, also after the answer, or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_is_canceled(invocation: *mut wamp_invocation_t) -> c_int {
    guard(|| {
        let object = object(invocation)?;
        let Invocation { session, request, .. } = &object.what;
        Ok(c_int::from(object.what.check().is_ok() && session.is_interrupted(*request)))
    })
}

/// Sets what hears WAMP_INTERRUPT, when the caller cancels the call; one that has come already is
/// told too. Retain the invocation first.
///
/// `details` of the event hold `mode` and possibly `reason`. After the callback (or, polled, at the
/// next poll) the caller gets `wamp.error.canceled`, unless the callback has answered otherwise; with
/// mode "killnowait" nobody waits for an answer any more, and one is refused with
/// WAMP_ERR_CANCELED. `free` (may be NULL) runs exactly once: after the event, when the invocation
/// has been answered, or when this call fails. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_STATE
/// (answered already), WAMP_ERR_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_invocation_on_interrupt(
    invocation: *mut wamp_invocation_t,
    callback: wamp_callback_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    let watcher = Arc::new(CTarget::watcher(callback, UserData::new(user_data, free)));
    guard(|| {
        let object = object(invocation)?;
        object.what.check()?;
        object.what.tag(invocation);
        let receiver = Receiver::Known(watcher.clone(), object.what.registration);
        object.what.session.watch_interrupt(object.what.request, receiver).map(|()| 0)
    })
}
