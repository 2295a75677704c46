//! Registrations of a session (basic profile, "Remote Procedure Calls"). The calls that come in
//! are left to [`super::invocations`].

use std::collections::HashSet;
use std::ffi::CStr;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::Dict;

use super::error::{RequestError, Violation};
use super::event::{Cause, Event, EventKind, c_text};
use super::ids::IdMap;
use super::info::SubscriptionInfo;
use super::link::Link;
use super::message::{self, code};
use super::options;
use super::requests::{Handlers, PendingRegister, Request};
use super::revocation::Revocation;
use super::uri::{self, Match};

/// The registrations of a session.
#[derive(Debug)]
pub(super) struct Registrations<H> {
    /// The router's registrations, by its ids.
    active: IdMap<Registration<H>>,
    /// The places of local ids.
    locals: IdMap<Place>,
    /// The procedures that are registered, or whose REGISTER is on its way.
    taken: HashSet<(Arc<CStr>, Match)>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Pending { request: u64 },
    Active { registration: u64 },
}

/// One registration of the router.
#[derive(Debug)]
pub(super) struct Registration<H> {
    pub(super) local: u64,
    pub(super) procedure: Arc<CStr>,
    pub(super) matching: Match,
    pub(super) target: H,
}

impl<H> Default for Registrations<H> {
    fn default() -> Self {
        Registrations { active: IdMap::default(), locals: IdMap::default(), taken: HashSet::new() }
    }
}

// ===== looks =====

impl<H> Registrations<H> {
    /// The active ones, by local id.
    pub(super) fn list(&self) -> Vec<SubscriptionInfo> {
        let listed = self.active.iter().map(|(id, registration)| SubscriptionInfo {
            id: registration.local,
            wamp_id: *id,
            uri: registration.procedure.clone(),
            matching: registration.matching,
        });
        let mut list: Vec<_> = listed.collect();
        list.sort_unstable_by_key(|listed| listed.id);
        list
    }

    /// The registration that the router knows by this id.
    pub(super) fn get(&self, registration: u64) -> Option<&Registration<H>> {
        self.active.get(&registration)
    }

    /// True if this very procedure is registered.
    pub(super) fn has_procedure(&self, procedure: &str) -> bool {
        self.active.values().any(|registration| {
            registration.matching == Match::Exact
                && registration.procedure.to_bytes() == procedure.as_bytes()
        })
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
}

// ===== requests =====

impl<H: Clone> Registrations<H> {
    /// Registers. Returns the local id.
    pub(super) fn register(
        &mut self,
        link: &mut Link<H>,
        procedure: &str,
        options: Dict<'_>,
        target: H,
    ) -> Result<u64, RequestError> {
        link.features.check_dealer()?;
        let matching = options::matching(options)?;
        uri::check(procedure, matching)?;
        let name = c_text(procedure);
        if self.taken.contains(&(name.clone(), matching)) {
            return Err(RequestError::AlreadyRegistered);
        }
        let request = link.send_request(|request, out| {
            message::Register { request, options, procedure: procedure.into() }.write(out);
        })?;
        let local = link.ids.new_local();
        self.taken.insert((name.clone(), matching));
        self.locals.insert(local, Place::Pending { request });
        let pending = PendingRegister { local, procedure: name, matching, target: Some(target) };
        link.requests.insert(request, Request::Register(Box::new(pending)));
        Ok(local)
    }

    /// Ends a registration. One that is on its way is failed at once, and ends when it is there.
    pub(super) fn unregister(
        &mut self,
        link: &mut Link<H>,
        local: u64,
        target: Option<H>,
    ) -> Result<(), RequestError> {
        match self.locals.remove(&local).ok_or(RequestError::NoSuchId)? {
            Place::Pending { request } => {
                let canceled = match link.requests.get_mut(&request) {
                    Some(Request::Register(pending)) => pending.target.take(),
                    _ => None,
                };
                if let Some(registrant) = canceled {
                    link.emit(Event::failed(local, registrant, Cause::Canceled, uri::CANCELED));
                }
                link.emit(Event::new(EventKind::Unregistered, local, target));
            }
            Place::Active { registration } => send_unregister(link, local, registration, target),
        }
        Ok(())
    }

    fn remove(&mut self, registration: u64) -> Option<Registration<H>> {
        let removed = self.active.remove(&registration)?;
        self.taken.remove(&(removed.procedure.clone(), removed.matching));
        self.locals.remove(&removed.local);
        Some(removed)
    }

    /// Removes a registration that nobody calls any more.
    fn release(&mut self, link: &mut Link<H>, local: u64, registration: u64) {
        if let Some(removed) = self.remove(registration) {
            link.emit(Event::new(EventKind::Released, local, Some(removed.target)));
        }
    }
}

fn send_unregister<H>(link: &mut Link<H>, local: u64, registration: u64, target: Option<H>) {
    let sent = link.send_request(|request, out| {
        message::Unregister { request, registration }.write(out);
    });
    // After our GOODBYE nothing is sent: the registration ends with the session.
    if let Ok(request) = sent {
        link.requests.insert(request, Request::Unregister { local, registration, target });
    }
}

// ===== received =====

impl<H: Clone> Registrations<H> {
    /// Makes a registration of the one that has waited for its REGISTERED.
    pub(super) fn on_registered(
        &mut self,
        link: &mut Link<H>,
        registered: &message::Registered,
    ) -> Result<(), Violation> {
        let answered = link.answered(registered.request, code::REGISTER)?;
        let Some(Request::Register(pending)) = answered else {
            return Ok(());
        };
        let registration = registered.registration;
        if self.active.contains_key(&registration) {
            // Its registrant has yet to hear how it ended: with the session.
            link.requests.insert(registered.request, Request::Register(pending));
            return Err(Violation(format!("registration {registration} was given out twice")));
        }
        let PendingRegister { local, procedure, matching, target } = *pending;
        let Some(target) = target else {
            self.taken.remove(&(procedure, matching));
            send_unregister(link, local, registration, None);
            return Ok(());
        };
        let mut event = Event::new(EventKind::Registered, local, Some(target.clone()));
        event.wamp_id = registration;
        event.uri = Some(procedure.clone());
        self.locals.insert(local, Place::Active { registration });
        let active = Registration { local, procedure, matching, target };
        self.active.insert(registration, active);
        link.emit(event);
        Ok(())
    }

    /// Fails the one that has waited for its REGISTERED, and got an ERROR.
    pub(super) fn on_register_error(
        &mut self,
        link: &mut Link<H>,
        pending: PendingRegister<H>,
        frame: &Bytes,
        error: &message::Error<'_>,
    ) {
        self.locals.remove(&pending.local);
        self.taken.remove(&(pending.procedure, pending.matching));
        if let Some(target) = pending.target {
            link.emit(Event::from_error(pending.local, target, frame, error));
        }
    }

    /// Takes in the end of a registration: the one that was asked for, or a revocation.
    pub(super) fn on_unregistered(
        &mut self,
        link: &mut Link<H>,
        frame: &Bytes,
        unregistered: &message::Unregistered<'_>,
    ) -> Result<(), Violation> {
        if unregistered.request == 0 {
            if let Some(revoked) = Revocation::read(frame, unregistered.details, "registration")?
                && let Some(Registration { local, target, .. }) = self.remove(revoked.id)
            {
                link.emit(revoked.event(EventKind::Unregistered, local, target));
            }
            return Ok(());
        }
        let answered = link.answered(unregistered.request, code::UNREGISTER)?;
        if let Some(Request::Unregister { local, registration, target }) = answered {
            self.release(link, local, registration);
            link.emit(Event::new(EventKind::Unregistered, local, target));
        }
        Ok(())
    }

    /// Takes in that an UNREGISTER was refused: the registration has ended all the same.
    pub(super) fn on_unregister_error(
        &mut self,
        link: &mut Link<H>,
        (local, registration, target): (u64, u64, Option<H>),
        frame: &Bytes,
        error: &message::Error<'_>,
    ) {
        self.release(link, local, registration);
        link.emit(match target {
            Some(target) if error.error != uri::NO_SUCH_REGISTRATION => {
                Event::from_error(local, target, frame, error)
            }
            target => Event::new(EventKind::Unregistered, local, target),
        });
    }

    /// Ends everything with the session. Returns the handlers, which are not called any more.
    pub(super) fn end(&mut self) -> Handlers<H> {
        let active = mem::take(self).active.into_values();
        let mut handlers: Vec<_> =
            active.map(|registration| (registration.local, registration.target)).collect();
        handlers.sort_unstable_by_key(|(id, _)| *id);
        handlers
    }
}
