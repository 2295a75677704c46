//! Answers to the questions of a router: `wamp_question_t`.

use std::ffi::{c_char, c_int};
use std::ptr;
use std::sync::Arc;

use crate::client::{Failure, Status};
use crate::router::{AnswerError, Question};

use super::args::{Text, from_c};
use super::guard::{guard, plain};
use super::handles;
use super::loan;
use super::objects::RouterQuestion;
use super::router_host::Loan;
use super::types::*;
use super::view::Seen;

impl From<AnswerError> for Failure {
    fn from(error: AnswerError) -> Self {
        let status = match error {
            AnswerError::Wrong(_) => Status::Option,
            AnswerError::Uri(_) => Status::Uri,
            AnswerError::Answered => Status::State,
            AnswerError::Late => Status::Closed,
        };
        Failure::new(status, error.to_string())
    }
}

/// The loan of a question to an event, which ends when this is dropped.
struct EndQuestion(u64);

impl Drop for EndQuestion {
    fn drop(&mut self) {
        loan::end(handles::from_key::<wamp_question_t>(self.0));
    }
}

/// Lends a question to an event, under the key of its handle.
pub(super) fn lend(question: &Arc<Question>) -> (u64, Loan) {
    let handle: *mut wamp_question_t = loan::lend(RouterQuestion(question.clone()));
    let key = handles::key(handle).unwrap_or(0);
    (key, Box::new(EndQuestion(key)))
}

/// The question of a WAMP_AUTHENTICATE or WAMP_AUTHORIZE, to be answered once by
/// wamp_question_allow(), wamp_question_deny() or wamp_question_challenge().
///
/// It is lent for the callback, or until the next poll; to answer later, retain it. NULL for other
/// events, and once the question has ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_question(event: *const wamp_event_t) -> *mut wamp_question_t {
    from_c!(event: Seen);
    plain(ptr::null_mut(), || {
        let question = event.question();
        handles::find(question).is_ok().then_some(question)
    })
}

/// Keeps a question beyond its callback, to answer it later from any thread; each retain needs a
/// matching wamp_question_release(). The client waits meanwhile, up to the router's
/// `question_timeout`. Returns WAMP_OK or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_question_retain(question: *mut wamp_question_t) -> c_int {
    guard(|| loan::retain(question).map(|_| 0))
}

/// Gives a question back. If it was never answered and no other reference is left, it is answered
/// as by wamp_question_deny(question, NULL, NULL). Returns WAMP_OK or WAMP_ERR_HANDLE, also for one
/// that this program did not retain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_question_release(question: *mut wamp_question_t) -> c_int {
    guard(|| loan::release(question).map(|()| 0))
}

/// Says yes: the client may join, or do what it wants. Allowed on any thread, once.
///
/// `options` (JSON object, may be NULL) is copied. For WAMP_AUTHENTICATE it says under which
/// `authid`, `authrole`, `authmethod`, `authprovider` and `realm`, and which `authextra` the client
/// is told; what it leaves out is as `auth` of the router has it. Without `auth`, the authid is
/// what the client claims to be, the role "user", and both are made for one that claims nothing
/// ("anonymous"). For WAMP_AUTHORIZE: with `cache` (true or false) the answer holds for the same
/// action and URI as long as the session lasts, with `disclose` callees and subscribers are told
/// who the client is.
///
/// Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_UTF8, WAMP_ERR_OPTION (the question is still open
/// then), WAMP_ERR_STATE (answered already), WAMP_ERR_CLOSED (too late: the client has left, or the
/// time is over).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_question_allow(
    question: *mut wamp_question_t,
    options: *const c_char,
) -> c_int {
    from_c!(options: Text);
    guard(|| {
        let object = handles::find(question)?;
        object.what.0.allow(options.optional()?)?;
        Ok(0)
    })
}

/// Says no. Allowed on any thread, once.
///
/// `reason` is a URI, NULL for `wamp.error.authentication_failed` or `wamp.error.not_authorized`;
/// `message` (may be NULL) is a text for people, which the client is told. A login is refused
/// after the delay that failed logins have, and without `message` in the same words as by the
/// router itself: say no more to those who may be guessing. A publication that is not to be
/// acknowledged fails silently. Returns as wamp_question_allow(), and WAMP_ERR_URI.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_question_deny(
    question: *mut wamp_question_t,
    reason: *const c_char,
    message: *const c_char,
) -> c_int {
    from_c!(reason: Text, message: Text);
    guard(|| {
        let object = handles::find(question)?;
        object.what.0.deny(reason.optional()?, message.optional()?)?;
        Ok(0)
    })
}

/// Asks back, for WAMP_AUTHENTICATE alone: the client is sent a CHALLENGE, and its answer comes as
/// another WAMP_AUTHENTICATE, whose details have `method`, `challenge` (the `extra` given here),
/// `signature` and `extra` of the answer as well. Can be done several times in one login.
///
/// `method` is one of those that the client has offered, such as "ticket"; `extra` (JSON object,
/// may be NULL) is what the method needs. Both are copied. Returns as wamp_question_allow(), and
/// WAMP_ERR_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_question_challenge(
    question: *mut wamp_question_t,
    method: *const c_char,
    extra: *const c_char,
) -> c_int {
    from_c!(method: Text, extra: Text);
    guard(|| {
        let object = handles::find(question)?;
        object.what.0.challenge(method.required()?, extra.optional()?)?;
        Ok(0)
    })
}
