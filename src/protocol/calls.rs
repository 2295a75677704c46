//! Calls of a session and their results, cancellation and time limits (basic profile, "Remote
//! Procedure Calls"; advanced profile, "Call Canceling", "Call Timeout" and "Progressive Call
//! Invocations"). The calls that come in are left to [`super::invocations`].
//!
//! Neither cancellation nor time limits depend on the router: where it does not announce
//! `call_canceling` no CANCEL is sent, and the call ends here. An answer that comes later is
//! swallowed, as of any request that has ended.
//!
//! ```text
//!               skip, killnowait, time limit: ERROR here, CANCEL to the router
//!   pending --------------------------------------------------------------------> ended
//!      | kill: CANCEL to the router                                                 ^
//!      +------------------> pending, canceled -- its answer, or the time limit -----+
//! ```

use std::mem;
use std::time::Instant;

use bytes::Bytes;

use crate::codec::{Dict, PayloadRef};

use super::error::{RequestError, Violation};
use super::event::{Cause, Event, EventKind};
use super::limits::Limits;
use super::link::Link;
use super::message::{self, code};
use super::options::{CallOptions, CancelMode, more_input};
use super::requests::{PendingCall, Request};
use super::uri;

/// The calls of a session. They wait among the requests of the link; their time limits are here.
#[derive(Debug, Default)]
pub(super) struct Calls {
    limits: Limits,
}

impl Calls {
    /// Calls. Returns the local id.
    pub(super) fn call<H>(
        &mut self,
        link: &mut Link<H>,
        procedure: &str,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
        target: H,
        now: impl FnOnce() -> Instant,
    ) -> Result<u64, RequestError> {
        link.features.check_dealer()?;
        link.check_uri(procedure)?;
        let CallOptions { receive_progress, more_input, timeout } = CallOptions::read(options)?;
        if more_input && !link.features.progressive_calls {
            return Err(RequestError::NotAnnounced("progressive_call_invocations"));
        }
        link.features.check_dealer_passthru(options)?;
        let request = link.send_request(|request, out| {
            message::Call { request, options, procedure: procedure.into(), payload }.write(out);
        })?;
        let pending = PendingCall {
            target,
            progress: receive_progress,
            canceled: false,
            input: more_input.then(|| procedure.into()),
        };
        link.requests.insert(request, Request::Call(pending));
        if let Some(each) = timeout {
            self.limits.set(request, now(), each);
        }
        Ok(link.ids.local_of(request))
    }

    /// Sends more input of a call; the last has no option `progress`.
    pub(super) fn call_more<H>(
        &mut self,
        link: &mut Link<H>,
        local: u64,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), RequestError> {
        let request = link.ids.request_of(local).ok_or(RequestError::NoSuchId)?;
        let procedure = pending(link, request)?.input.clone().ok_or(RequestError::NoMoreInput)?;
        let more = more_input(options)?;
        link.features.check_dealer_passthru(options)?;
        link.send(|out| {
            message::Call { request, options, procedure: (&*procedure).into(), payload }.write(out);
        })?;
        if !more {
            pending(link, request)?.input = None;
        }
        Ok(())
    }

    /// Cancels a call: it fails at once, but with [`CancelMode::Kill`] by the router's answer.
    pub(super) fn cancel<H>(
        &mut self,
        link: &mut Link<H>,
        local: u64,
        mode: CancelMode,
    ) -> Result<(), RequestError> {
        let request = link.ids.request_of(local).ok_or(RequestError::NoSuchId)?;
        let call = pending(link, request)?;
        call.input = None;
        let was_canceled = mem::replace(&mut call.canceled, true);
        if link.features.call_canceling && !was_canceled {
            send_cancel(link, request, mode);
        }
        if mode != CancelMode::Kill || !link.features.call_canceling {
            self.fail(link, request, Cause::Canceled, uri::CANCELED);
        }
        Ok(())
    }

    /// Drops a call or an acknowledged publication, without a word to the router.
    pub(super) fn drop_request<H>(
        &mut self,
        link: &mut Link<H>,
        local: u64,
    ) -> Result<(), RequestError> {
        let request = link.ids.request_of(local).ok_or(RequestError::NoSuchId)?;
        match link.requests.remove(&request) {
            Some(Request::Call(PendingCall { target, .. }) | Request::Publish { target }) => {
                self.limits.remove(request);
                link.emit(Event::new(EventKind::Released, local, Some(target)));
                Ok(())
            }
            Some(other) => {
                link.requests.insert(request, other);
                Err(RequestError::NoSuchId)
            }
            None => Err(RequestError::NoSuchId),
        }
    }

    /// The time at which [`Calls::handle_timeout`] has something to do.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.limits.next()
    }

    /// Fails the calls whose time is up.
    pub(super) fn handle_timeout<H>(&mut self, link: &mut Link<H>, now: Instant) {
        while let Some(request) = self.limits.expired(now) {
            let Ok(call) = pending(link, request) else {
                continue;
            };
            let canceled = call.canceled;
            // Nothing may follow our GOODBYE.
            if link.features.call_canceling && !canceled && !link.is_sealed() {
                send_cancel(link, request, CancelMode::KillNoWait);
            }
            self.fail(link, request, Cause::Timeout, uri::TIMEOUT);
        }
    }

    fn fail<H>(&mut self, link: &mut Link<H>, request: u64, cause: Cause, uri: &str) {
        if let Some(Request::Call(PendingCall { target, .. })) = link.requests.remove(&request) {
            self.limits.remove(request);
            link.emit(Event::failed(link.ids.local_of(request), target, cause, uri));
        }
    }

    // ===== received =====

    /// Takes in a result, of which progressive ones are followed by more.
    pub(super) fn on_result<H: Clone>(
        &mut self,
        link: &mut Link<H>,
        frame: &Bytes,
        result: &message::CallResult<'_>,
    ) -> Result<(), Violation> {
        let is_progress = match result.details.is_empty() {
            true => false,
            false => result.details.bool("progress")?.unwrap_or(false),
        };
        let target = if is_progress {
            link.check_issued(result.request)?;
            match link.requests.get(&result.request) {
                Some(Request::Call(PendingCall { target, progress: true, .. })) => {
                    self.limits.touch(result.request);
                    target.clone()
                }
                // Crossbar.io passes progress on to callers that did not ask for it.
                _ => return Ok(()),
            }
        } else {
            match link.answered(result.request, code::CALL)? {
                Some(Request::Call(PendingCall { target, .. })) => {
                    self.limits.remove(result.request);
                    target
                }
                _ => return Ok(()),
            }
        };
        let local = link.ids.local_of(result.request);
        let mut event = Event::new(EventKind::Result, local, Some(target));
        event.progress = is_progress;
        event.attach(frame, result.details, result.payload);
        link.emit(event);
        Ok(())
    }

    /// Fails a call that the router has answered with an ERROR.
    pub(super) fn on_call_error<H>(
        &mut self,
        link: &mut Link<H>,
        call: PendingCall<H>,
        frame: &Bytes,
        error: &message::Error<'_>,
    ) {
        self.limits.remove(error.request);
        let local = link.ids.local_of(error.request);
        let mut event = Event::from_error(local, call.target, frame, error);
        // As asked for, by the mode "kill".
        if call.canceled && uri::is_canceled(&error.error) {
            event.cause = Some(Cause::Canceled);
        }
        link.emit(event);
    }

    /// Ends all time limits with the session, which fails the calls.
    pub(super) fn end(&mut self) {
        self.limits = Limits::default();
    }
}

fn pending<H>(link: &mut Link<H>, request: u64) -> Result<&mut PendingCall<H>, RequestError> {
    match link.requests.get_mut(&request) {
        Some(Request::Call(call)) => Ok(call),
        _ => Err(RequestError::NoSuchId),
    }
}

fn send_cancel<H>(link: &mut Link<H>, request: u64, mode: CancelMode) {
    let options = mode.to_options();
    let sent = link.send(|out| message::Cancel { request, options }.write(out));
    debug_assert!(sent.is_ok());
}
