//! Calls and registrations of a session (basic profile, "Remote Procedure Calls"). The calls that
//! come in are left to [`super::invocations`].

use std::collections::HashSet;
use std::ffi::CStr;
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::codec::{Dict, Payload, PayloadRef, Span};

use super::cancel;
use super::event::{Cause, Event, EventKind, RequestError, c_text};
use super::ids::IdMap;
use super::message::{self, code};
use super::pubsub::Listed;
use super::session::{Request, Session, Violation};
use super::uri::{self, Match};

/// The registrations of a session.
#[derive(Debug)]
pub(super) struct Registrations<H> {
    /// By the router's id.
    active: IdMap<Registration<H>>,
    /// Where a local id is.
    locals: IdMap<Place>,
    /// What is registered or on its way.
    taken: HashSet<(Arc<CStr>, Match)>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Pending { request: u64 },
    Active { registration: u64 },
}

#[derive(Debug)]
struct Registration<H> {
    local: u64,
    procedure: Arc<CStr>,
    matching: Match,
    target: H,
}

/// A REGISTER on its way.
#[derive(Debug)]
pub(super) struct PendingRegister<H> {
    local: u64,
    procedure: Arc<CStr>,
    matching: Match,
    /// `None`: given up in the meantime.
    target: Option<H>,
}

impl<H> PendingRegister<H> {
    pub(super) fn into_targets(self) -> Vec<(u64, Option<H>)> {
        vec![(self.local, self.target)]
    }

    /// Shows who waits for it.
    pub(super) fn handler(&self, show: &mut impl FnMut(u64, &H)) {
        self.target.iter().for_each(|target| show(self.local, target));
    }
}

impl<H> Default for Registrations<H> {
    fn default() -> Self {
        Registrations { active: IdMap::default(), locals: IdMap::default(), taken: HashSet::new() }
    }
}

impl<H> Registrations<H> {
    pub(super) fn drain(&mut self) -> Vec<(u64, H)> {
        let all = mem::take(self);
        let mut targets: Vec<_> = all
            .active
            .into_values()
            .map(|registration| (registration.local, registration.target))
            .collect();
        targets.sort_unstable_by_key(|(id, _)| *id);
        targets
    }

    /// What an invocation of a router's registration needs: the local id, whom to tell, how it
    /// matches, and the procedure.
    pub(super) fn called(&self, registration: u64) -> Option<(u64, H, Match, Arc<CStr>)>
    where
        H: Clone,
    {
        let Registration { local, procedure, matching, target } = self.active.get(&registration)?;
        Some((*local, target.clone(), *matching, procedure.clone()))
    }

    /// The local id of a router's registration.
    pub(super) fn local_of(&self, registration: u64) -> Option<u64> {
        Some(self.active.get(&registration)?.local)
    }

    /// Shows who is called under a local id, also while its UNREGISTER is on its way.
    pub(super) fn handler_of(&self, local: u64, show: &mut impl FnMut(u64, &H)) {
        let active = match self.locals.get(&local) {
            Some(Place::Active { registration }) => self.active.get(registration),
            Some(Place::Pending { .. }) => None,
            None => self.active.values().find(|active| active.local == local),
        };
        active.into_iter().for_each(|active| show(local, &active.target));
    }

    /// Shows everybody who is called.
    pub(super) fn each_handler(&self, show: &mut impl FnMut(u64, &H)) {
        self.active.values().for_each(|active| show(active.local, &active.target));
    }

    /// The active ones: local id, router's id, procedure, how it matches.
    pub(super) fn list(&self) -> Vec<Listed> {
        let listed = self.active.iter().map(|(id, registration)| Listed {
            id: registration.local,
            wamp_id: *id,
            uri: registration.procedure.clone(),
            matching: registration.matching,
        });
        let mut list: Vec<_> = listed.collect();
        list.sort_unstable_by_key(|listed| listed.id);
        list
    }

    fn remove(&mut self, registration: u64) -> Option<Registration<H>> {
        let removed = self.active.remove(&registration)?;
        self.taken.remove(&(removed.procedure.clone(), removed.matching));
        self.locals.remove(&removed.local);
        Some(removed)
    }
}

impl<H: Clone> Session<H> {
    /// Calls; Result (several with `receive_progress`) or Error follows. With the option `timeout`
    /// (milliseconds) it is given up that long after `now`, or after a progressive result. With the
    /// option `progress` more input follows, by [`Session::call_more`]. Returns the local id.
    pub fn call(
        &mut self,
        procedure: &str,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
        target: H,
        now: impl FnOnce() -> Instant,
    ) -> Result<u64, RequestError> {
        self.check_dealer()?;
        uri::check(procedure, Match::Exact)?;
        let (progress, more, timeout) = match options.is_empty() {
            true => (false, false, None),
            false => (
                options
                    .bool("receive_progress")
                    .map_err(|_| RequestError::Option("receive_progress", "must be a bool"))?
                    .unwrap_or(false),
                more_input(options)?,
                cancel::timeout(options)?,
            ),
        };
        if more && !self.features.progressive_calls {
            return Err(RequestError::NotAnnounced("progressive_call_invocations"));
        }
        self.check_dealer_passthru(options)?;
        let request = self.request(|request, out| {
            message::Call { request, options, procedure: procedure.into(), payload }.write(out);
        })?;
        let input = more.then(|| procedure.into());
        self.requests.insert(request, Request::Call { target, progress, canceled: false, input });
        if let Some(each) = timeout {
            self.limits.set(request, now(), each);
        }
        Ok(self.request_local(request))
    }

    /// Sends more input of a call; the last has no option `progress` (advanced profile,
    /// "Progressive Call Invocations").
    pub fn call_more(
        &mut self,
        local: u64,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), RequestError> {
        self.check_open()?;
        let request = self.local_request(local).ok_or(RequestError::NoSuchId)?;
        let Some(Request::Call { input, .. }) = self.requests.get_mut(&request) else {
            return Err(RequestError::NoSuchId);
        };
        let procedure = input.clone().ok_or(RequestError::NoMoreInput)?;
        let more = more_input(options)?;
        self.check_dealer_passthru(options)?;
        self.write(|out| {
            message::Call { request, options, procedure: (&*procedure).into(), payload }.write(out);
        })?;
        if let Some(Request::Call { input, .. }) = self.requests.get_mut(&request)
            && !more
        {
            *input = None;
        }
        Ok(())
    }

    /// Gives up a call or an acknowledged publication without a word to the router; a late answer
    /// is swallowed.
    pub fn abandon(&mut self, local: u64) -> Result<(), RequestError> {
        let request = self.local_request(local).ok_or(RequestError::NoSuchId)?;
        match self.requests.remove(&request) {
            Some(Request::Call { target, .. } | Request::Publish { target }) => {
                self.limits.remove(request);
                self.emit(Event::new(EventKind::Gone, local, Some(target)));
                Ok(())
            }
            Some(other) => {
                self.requests.insert(request, other);
                Err(RequestError::NoSuchId)
            }
            None => Err(RequestError::NoSuchId),
        }
    }

    /// Registers; Registered or Error follows, then Invocations. Returns the local id.
    pub fn register(
        &mut self,
        procedure: &str,
        options: Dict<'_>,
        target: H,
    ) -> Result<u64, RequestError> {
        self.check_dealer()?;
        let matching = uri::matching(options)?;
        uri::check(procedure, matching)?;
        let name = c_text(procedure);
        if self.registrations.taken.contains(&(name.clone(), matching)) {
            return Err(RequestError::AlreadyRegistered);
        }
        let request = self.request(|request, out| {
            message::Register { request, options, procedure: procedure.into() }.write(out);
        })?;
        let local = self.new_local();
        self.registrations.taken.insert((name.clone(), matching));
        self.registrations.locals.insert(local, Place::Pending { request });
        let pending = PendingRegister { local, procedure: name, matching, target: Some(target) };
        self.requests.insert(request, Request::Register(Box::new(pending)));
        Ok(local)
    }

    /// Ends a registration; Unregistered (or Error) follows, to `target`. Invocations may come
    /// until then.
    pub fn unregister(&mut self, local: u64, target: Option<H>) -> Result<(), RequestError> {
        self.check_open()?;
        match self.registrations.locals.remove(&local).ok_or(RequestError::NoSuchId)? {
            Place::Pending { request } => {
                let given_up = match self.requests.get_mut(&request) {
                    Some(Request::Register(pending)) => pending.target.take(),
                    _ => None,
                };
                if let Some(registrant) = given_up {
                    self.emit(Event::failed(local, registrant, Cause::Canceled, uri::CANCELED));
                }
                self.emit(Event::new(EventKind::Unregistered, local, target));
            }
            Place::Active { registration } => self.send_unregister(local, registration, target),
        }
        Ok(())
    }

    /// The active registrations, by local id.
    pub fn registrations(&self) -> Vec<Listed> {
        self.registrations.list()
    }

    /// True if a call of `procedure` would come back to this very session.
    pub fn is_own_procedure(&self, procedure: &str) -> bool {
        let mut active = self.registrations.active.values();
        active.any(|registration| {
            registration.matching == Match::Exact
                && registration.procedure.to_bytes() == procedure.as_bytes()
        })
    }

    // ===== received =====

    pub(super) fn on_result(
        &mut self,
        frame: &Bytes,
        result: &message::CallResult<'_>,
    ) -> Result<(), Violation> {
        let is_progress = match result.details.is_empty() {
            true => false,
            false => result.details.bool("progress")?.unwrap_or(false),
        };
        let target = if is_progress {
            self.check_issued(result.request)?;
            match self.requests.get(&result.request) {
                Some(Request::Call { target, progress: true, .. }) => {
                    self.limits.touch(result.request);
                    target.clone()
                }
                // Crossbar.io passes progress on to callers that did not ask for it.
                _ => return Ok(()),
            }
        } else {
            match self.answered(result.request, code::CALL)? {
                Some(Request::Call { target, .. }) => target,
                _ => return Ok(()),
            }
        };
        let local = self.request_local(result.request);
        let mut event = Event::new(EventKind::Result, local, Some(target));
        event.progress = is_progress;
        event.details = Span::from_dict(frame, result.details);
        event.payload = Payload::from_frame(frame, result.payload);
        self.emit(event);
        Ok(())
    }

    pub(super) fn on_registered(
        &mut self,
        registered: &message::Registered,
    ) -> Result<(), Violation> {
        let Some(Request::Register(pending)) = self.answered(registered.request, code::REGISTER)?
        else {
            return Ok(());
        };
        let registration = registered.registration;
        if self.registrations.active.contains_key(&registration) {
            // Its registrant has yet to hear how it ended: with the session.
            self.requests.insert(registered.request, Request::Register(pending));
            return Err(Violation(format!("registration {registration} was given out twice")));
        }
        let PendingRegister { local, procedure, matching, target } = *pending;
        let Some(target) = target else {
            self.registrations.taken.remove(&(procedure, matching));
            self.send_unregister(local, registration, None);
            return Ok(());
        };
        let mut event = Event::new(EventKind::Registered, local, Some(target.clone()));
        event.wamp_id = registration;
        event.uri = Some(procedure.clone());
        self.registrations.locals.insert(local, Place::Active { registration });
        let active = Registration { local, procedure, matching, target };
        self.registrations.active.insert(registration, active);
        self.emit(event);
        Ok(())
    }

    pub(super) fn register_failed(
        &mut self,
        pending: PendingRegister<H>,
        failed: impl Fn(u64, H) -> Event<H>,
    ) {
        self.registrations.locals.remove(&pending.local);
        self.registrations.taken.remove(&(pending.procedure, pending.matching));
        if let Some(target) = pending.target {
            self.emit(failed(pending.local, target));
        }
    }

    pub(super) fn on_unregistered(
        &mut self,
        frame: &Bytes,
        unregistered: &message::Unregistered<'_>,
    ) -> Result<(), Violation> {
        if unregistered.request == 0 {
            return self.on_registration_revoked(frame, unregistered.details);
        }
        if let Some(Request::Unregister { local, registration, target }) =
            self.answered(unregistered.request, code::UNREGISTER)?
        {
            self.forget_registration(local, registration);
            self.emit(Event::new(EventKind::Unregistered, local, target));
        }
        Ok(())
    }

    pub(super) fn unregister_failed(
        &mut self,
        local: u64,
        registration: u64,
        error: &message::Error<'_>,
        target: Option<H>,
        failed: impl Fn(u64, H) -> Event<H>,
    ) {
        self.forget_registration(local, registration);
        match target {
            Some(target) if error.error != uri::NO_SUCH_REGISTRATION => {
                self.emit(failed(local, target));
            }
            target => self.emit(Event::new(EventKind::Unregistered, local, target)),
        }
    }

    fn on_registration_revoked(
        &mut self,
        frame: &Bytes,
        details: Option<Dict<'_>>,
    ) -> Result<(), Violation> {
        let Some(details) = details else {
            return Ok(());
        };
        let Some(id) = details.id("registration")? else {
            return Ok(());
        };
        let reason = details.text("reason")?.unwrap_or_default();
        let Some(registration) = self.registrations.remove(id) else {
            return Ok(());
        };
        let target = Some(registration.target);
        let mut event = Event::new(EventKind::Unregistered, registration.local, target);
        event.wamp_id = id;
        event.uri = Some(c_text(&reason));
        event.payload = Payload::from_frame(frame, PayloadRef::NONE);
        event.details = Span::from_dict(frame, details);
        self.emit(event);
        Ok(())
    }

    // ===== steps =====

    fn send_unregister(&mut self, local: u64, registration: u64, target: Option<H>) {
        let sent = self.request(|request, out| {
            message::Unregister { request, registration }.write(out);
        });
        if let Ok(request) = sent {
            self.requests.insert(request, Request::Unregister { local, registration, target });
        }
    }

    fn forget_registration(&mut self, local: u64, registration: u64) {
        if let Some(removed) = self.registrations.remove(registration) {
            self.emit(Event::new(EventKind::Gone, local, Some(removed.target)));
        }
    }
}

/// The option `progress` of a call.
fn more_input(options: Dict<'_>) -> Result<bool, RequestError> {
    let progress = options.bool("progress");
    progress
        .map(|progress| progress.unwrap_or(false))
        .map_err(|_| RequestError::Option("progress", "must be a bool"))
}
