//! Giving calls up: cancellation and time limits (advanced profile, "Call Canceling" and "Call
//! Timeout").
//!
//! Neither depends on the router: where it does not announce `call_canceling` no CANCEL is sent, and
//! the call ends here. An answer that comes later is swallowed, as of any request that has ended.
//!
//! ```text
//!               skip, killnowait, time limit: ERROR here, CANCEL to the router
//!   pending --------------------------------------------------------------------> ended
//!      | kill: CANCEL to the router                                                 ^
//!      +------------------> pending, canceled -- its answer, or the time limit -----+
//! ```

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::codec::Dict;

use super::event::{Cause, Event, RequestError};
use super::ids::IdMap;
use super::message;
use super::session::{Phase, Request, Session};
use super::uri;

/// How far a cancellation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelMode {
    /// The callee goes on, its answer is ignored.
    Skip,
    /// The callee is interrupted, and its answer awaited.
    Kill,
    /// The callee is interrupted, its answer is ignored.
    KillNoWait,
}

impl CancelMode {
    /// The `mode` of a CANCEL's options; without one [`CancelMode::KillNoWait`].
    pub fn from_options(options: Dict<'_>) -> Result<CancelMode, RequestError> {
        let wrong = RequestError::Option("mode", "must be \"skip\", \"kill\" or \"killnowait\"");
        match options.text("mode").map_err(|_| wrong)?.as_deref() {
            None | Some("killnowait") => Ok(CancelMode::KillNoWait),
            Some("skip") => Ok(CancelMode::Skip),
            Some("kill") => Ok(CancelMode::Kill),
            Some(_) => Err(wrong),
        }
    }

    fn options(self) -> Dict<'static> {
        Dict::from_checked(match self {
            CancelMode::Skip => br#"{"mode":"skip"}"#,
            CancelMode::Kill => br#"{"mode":"kill"}"#,
            CancelMode::KillNoWait => br#"{"mode":"killnowait"}"#,
        })
    }
}

/// The time limits of pending calls.
#[derive(Debug, Default)]
pub(super) struct Limits {
    by_time: BTreeSet<(Instant, u64)>,
    by_request: IdMap<Limit>,
}

#[derive(Debug)]
struct Limit {
    due: Instant,
    /// Between two results.
    each: Duration,
    /// A progressive result has come since it was set.
    touched: bool,
}

impl Limits {
    pub(super) fn set(&mut self, request: u64, now: Instant, each: Duration) {
        let due = now + each;
        self.by_time.insert((due, request));
        self.by_request.insert(request, Limit { due, each, touched: false });
    }

    /// A progressive result has come: the time begins anew.
    pub(super) fn touch(&mut self, request: u64) {
        if let Some(limit) = self.by_request.get_mut(&request) {
            limit.touched = true;
        }
    }

    pub(super) fn remove(&mut self, request: u64) {
        if self.by_request.is_empty() {
            return;
        }
        if let Some(limit) = self.by_request.remove(&request) {
            self.by_time.remove(&(limit.due, request));
        }
    }

    /// The next request whose time is up. One with a progressive result since gets it anew.
    fn expired(&mut self, now: Instant) -> Option<u64> {
        while let Some((due, request)) = self.by_time.first().copied() {
            if due > now {
                return None;
            }
            self.by_time.pop_first();
            let limit = self.by_request.remove(&request)?;
            if !limit.touched {
                return Some(request);
            }
            self.set(request, now, limit.each);
        }
        None
    }
}

/// The option `timeout` of a call: milliseconds, 0 for none.
pub(super) fn timeout(options: Dict<'_>) -> Result<Option<Duration>, RequestError> {
    let wrong = RequestError::Option("timeout", "must be a whole number of milliseconds");
    let timeout = options.uint("timeout").map_err(|_| wrong)?;
    Ok(timeout.filter(|ms| *ms > 0).map(|ms| Duration::from_millis(ms.min(MAX_TIMEOUT_MS))))
}

/// A century: so that no sum overflows.
const MAX_TIMEOUT_MS: u64 = 100 * 365 * 24 * 3600 * 1000;

impl<H: Clone> Session<H> {
    /// Gives a call up. Error follows at once, but with [`CancelMode::Kill`] the router's answer.
    pub fn cancel(&mut self, local: u64, mode: CancelMode) -> Result<(), RequestError> {
        self.check_open()?;
        let request = self.local_request(local).ok_or(RequestError::NoSuchId)?;
        let Some(Request::Call { canceled, input, .. }) = self.requests.get_mut(&request) else {
            return Err(RequestError::NoSuchId);
        };
        *input = None;
        let again = std::mem::replace(canceled, true);
        if self.features.call_canceling && !again {
            self.write_cancel(request, mode);
        }
        if mode != CancelMode::Kill || !self.features.call_canceling {
            self.give_up(request, Cause::Canceled, uri::CANCELED);
        }
        Ok(())
    }

    /// When [`Session::handle_timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.limits.by_time.first().map(|(due, _)| *due)
    }

    /// Ends the calls whose time is up.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(request) = self.limits.expired(now) {
            let pending = self.requests.get(&request);
            let Some(Request::Call { canceled, .. }) = pending else {
                continue;
            };
            // Nothing may follow our GOODBYE.
            if self.phase == Phase::Open && self.features.call_canceling && !canceled {
                self.write_cancel(request, CancelMode::KillNoWait);
            }
            self.give_up(request, Cause::Timeout, uri::TIMEOUT);
        }
    }

    fn give_up(&mut self, request: u64, cause: Cause, uri: &str) {
        if let Some(Request::Call { target, .. }) = self.requests.remove(&request) {
            self.limits.remove(request);
            self.emit(Event::failed(self.request_local(request), target, cause, uri));
        }
    }

    fn write_cancel(&mut self, request: u64, mode: CancelMode) {
        let options = mode.options();
        let written = self.write(|out| message::Cancel { request, options }.write(out));
        debug_assert!(written.is_ok());
    }
}
