//! The common part of a session's requests: their options, and who hears of the outcome.
//!
//! A request and its `_sync` twin are one function with two kinds of [`Reply`].

use std::ffi::{CStr, c_int, c_void};
use std::sync::Arc;

use crate::client::request_options::Request;
use crate::client::session::Waiter;
use crate::client::{Failure, Mode, Notice, Receiver, Session, Status};
use crate::codec::Dict;

use super::args::{self, Text};
use super::target::{CTarget, UserData};
use super::types::*;

/// The receiver of a request's outcome. It keeps a reference to the callbacks until the request is
/// made: so a refused one frees its user_data on return, when no lock is held.
pub(super) enum Reply {
    /// Callbacks are told everything.
    Told(Arc<CTarget>),
    /// The thread that makes the request waits for the outcome, and gives it up after so many
    /// milliseconds. What comes later is told to callbacks, where there are some.
    Awaited { later: Option<Arc<CTarget>>, waiter: Arc<Waiter>, timeout_ms: c_int },
}

impl Reply {
    /// Takes what C gives to hear of a request.
    pub(super) fn told(
        handler: wamp_callback_t,
        done: wamp_callback_t,
        user_data: *mut c_void,
        free: wamp_free_t,
    ) -> Reply {
        Reply::Told(Arc::new(CTarget::new(handler, done, UserData::new(user_data, free))))
    }

    /// Waits for the outcome of a request after which nothing comes.
    pub(super) fn awaited(timeout_ms: c_int) -> Reply {
        Reply::Awaited { later: None, waiter: Arc::default(), timeout_ms }
    }

    /// Waits for the outcome of a request before what `handler` hears.
    pub(super) fn awaited_before(
        handler: wamp_callback_t,
        user_data: *mut c_void,
        free: wamp_free_t,
        timeout_ms: c_int,
    ) -> Reply {
        let later = Arc::new(CTarget::new(handler, None, UserData::new(user_data, free)));
        Reply::Awaited { later: Some(later), waiter: Arc::default(), timeout_ms }
    }

    /// The receiver that goes with the request.
    pub(super) fn receiver(&self) -> Receiver {
        match self {
            Reply::Told(target) => Receiver::App(target.clone()),
            Reply::Awaited { later: None, waiter, .. } => Receiver::Waiter(waiter.clone()),
            Reply::Awaited { later: Some(target), waiter, .. } => {
                Receiver::Both(target.clone(), waiter.clone())
            }
        }
    }

    /// Refuses a request that needs a handler and has none.
    pub(super) fn check_handler(&self, session: &Session) -> Result<(), Failure> {
        let (Reply::Told(target) | Reply::Awaited { later: Some(target), .. }) = self else {
            return Ok(());
        };
        check_handler(session.shared().mode(), target.handler)
    }

    /// Refuses to wait where the outcome could never come.
    pub(super) fn check_wait(&self, session: &Session) -> Result<(), Failure> {
        match self {
            Reply::Told(_) => Ok(()),
            Reply::Awaited { .. } => session.check_wait(),
        }
    }

    /// Does as [`Reply::check_wait`], for a call of `procedure`.
    pub(super) fn check_call_wait(
        &self,
        session: &Session,
        procedure: &str,
    ) -> Result<(), Failure> {
        match self {
            Reply::Told(_) => Ok(()),
            Reply::Awaited { .. } => session.check_call_wait(procedure),
        }
    }

    /// Waits for the outcome, success or failure, if that is what was wanted: `None` where
    /// callbacks are told. Gives the request up by `give_up` when the time is up.
    pub(super) fn outcome(
        &self,
        session: &Arc<Session>,
        give_up: impl FnOnce(),
    ) -> Result<Option<Notice>, Failure> {
        let Reply::Awaited { waiter, timeout_ms, .. } = self else {
            return Ok(None);
        };
        let Some(event) = session.wait(waiter, args::timeout(*timeout_ms)) else {
            give_up();
            let text = format!("no answer within {timeout_ms} ms; the request was abandoned");
            return Err(Failure::new(Status::Timeout, text));
        };
        Ok(Some(session.to_notice(event)))
    }

    /// Does as [`Reply::outcome`], where nothing is wanted of a failure but that.
    pub(super) fn wait(
        &self,
        session: &Arc<Session>,
        give_up: impl FnOnce(),
    ) -> Result<Option<Notice>, Failure> {
        let told = self.outcome(session, give_up)?;
        match told.as_ref().and_then(failure) {
            Some(failure) => Err(failure),
            None => Ok(told),
        }
    }
}

/// The failure that a notice tells of, in the same words.
pub(super) fn failure(told: &Notice) -> Option<Failure> {
    let text = || told.text.as_deref().map(CStr::to_string_lossy).unwrap_or_default();
    (told.status != Status::Ok).then(|| Failure::new(told.status, text()))
}

/// The options of a request, which the session's connection wants checked or not.
pub(super) fn options<'c>(
    session: &Session,
    request: Request,
    options: Text<'c>,
) -> Result<Dict<'c>, Failure> {
    let options = options.options()?;
    if session.options().strict_options {
        request.check(options)?;
    }
    Ok(options)
}

/// A handler must be given, but where its events are polled.
pub(super) fn check_handler(mode: Mode, handler: wamp_callback_t) -> Result<(), Failure> {
    if handler.is_some() || mode == Mode::Manual {
        return Ok(());
    }
    let text = "`handler` is NULL, which is allowed only with dispatch \"manual\"";
    Err(Failure::new(Status::Argument, text))
}
