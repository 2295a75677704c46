//! Realms: the sessions of a realm, its broker and its dealer, under one lock.
//!
//! [`Realms`] finds or makes the realm of a HELLO; the [`RealmSession`] that it gives carries out
//! the messages of one client. What comes before and after a session is left to
//! [`super::connection`].
//!
//! * `gated`: the messages of clients whose requests are asked about.
//! * `caller`: the router as a caller itself.

mod caller;
mod gated;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::json;

use crate::codec::{CodecError, Dict, PayloadRef};
use crate::os::lock;
use crate::protocol::ids::IdMap;
use crate::protocol::message::{Call, Message, Welcome, code};

use super::broker::Broker;
use super::config::Config;
use super::deadlines::Deadlines;
use super::dealer::Dealer;
use super::event_store::EventStore;
use super::identity::Identity;
use super::meta::session_details;
use super::meta_event::MetaEvent;
use super::peer::{Peer, WakeList};
use super::publication::Publication;
use super::request::{Fault, check_length, check_memory, is_reserved};
use super::request_ids::RequestIds;
use super::roles::Action;
use super::testament::Testaments;
use super::welcome::welcome_details;
use gated::Gated;

/// The realms of a router.
#[derive(Debug)]
pub(super) struct Realms {
    /// Locked before the state of a realm, never after it.
    by_name: Mutex<HashMap<String, Arc<Realm>>>,
    config: Config,
}

/// One realm: nothing of it is seen from another one.
#[derive(Debug)]
struct Realm {
    state: Mutex<State>,
}

/// All that a realm knows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) sessions: IdMap<Member>,
    pub(super) broker: Broker,
    pub(super) dealer: Dealer,
}

/// A session as its realm sees it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) peer: Arc<Peer>,
    pub(super) testaments: Testaments,
}

/// A client that has joined a realm. Dropping it leaves the realm.
#[derive(Debug)]
pub(super) struct RealmSession {
    realms: Arc<Realms>,
    realm: Arc<Realm>,
    name: String,
    peer: Arc<Peer>,
    requests: Requests,
    /// Its requests are asked about.
    gated: Option<Box<Gated>>,
}

/// The requests of one session.
#[derive(Debug)]
struct Requests {
    ids: RequestIds,
    deadlines: Deadlines,
}

/// The counters of a realm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) sessions: usize,
    pub(super) subscriptions: usize,
    pub(super) registrations: usize,
    pub(super) pending_calls: usize,
}

/// The reason why a session ends.
#[derive(Debug, PartialEq)]
pub(super) enum LeaveReason {
    /// The client said GOODBYE.
    Goodbye,
    /// The client said ABORT.
    Abort,
    /// The client broke the protocol, in this way.
    Violation(String),
}

impl Realms {
    /// Exactly the realms that `config` lists; without a list every realm, each made on demand.
    pub(super) fn new(config: &Config) -> Realms {
        let listed = config.realms.iter().flatten();
        Realms {
            by_name: Mutex::new(
                listed.map(|name| (name.clone(), Realm::new(config).into())).collect(),
            ),
            config: config.clone(),
        }
    }

    /// True if the realm can be joined.
    pub(super) fn has(&self, name: &str) -> bool {
        self.is_on_demand() || lock(&self.by_name).contains_key(name)
    }

    /// Lets `peer` join the realm and welcomes it; `None` if there is no such realm.
    pub(super) fn join(
        self: &Arc<Self>,
        name: &str,
        peer: &Arc<Peer>,
        identity: Identity,
        wakes: &mut WakeList,
    ) -> Option<RealmSession> {
        let mut by_name = lock(&self.by_name);
        let realm = match by_name.get(name) {
            Some(realm) => realm.clone(),
            None if self.is_on_demand() => {
                let realm: Arc<Realm> = Realm::new(&self.config).into();
                by_name.insert(name.to_owned(), realm.clone());
                realm
            }
            None => return None,
        };
        let permissions =
            self.config.roles.as_ref().map(|roles| roles.permissions(&identity.authrole));
        let permissions = permissions.unwrap_or_default();
        peer.identify(Identity { permissions, ..identity });
        let details = welcome_details(name, peer.identity(), &self.config);
        let welcome =
            Welcome { session: peer.id(), details: Dict::from_checked(details.as_bytes()) };
        // Entered while the realms are locked: an empty realm could be removed otherwise.
        lock(&realm.state).enter(peer, |wakes| peer.send(wakes, |out| welcome.write(out)), wakes);
        drop(by_name);
        Some(RealmSession {
            realms: self.clone(),
            realm,
            name: name.to_owned(),
            peer: peer.clone(),
            requests: Requests {
                ids: RequestIds::new(self.config.strict_request_ids),
                deadlines: Deadlines::default(),
            },
            gated: None,
        })
    }

    /// The counters of all realms together.
    pub(super) fn counts(&self) -> Counts {
        let mut all = Counts::default();
        for realm in lock(&self.by_name).values() {
            let state = lock(&realm.state);
            all.sessions += state.sessions.len();
            all.subscriptions += state.broker.subscriptions().len();
            all.registrations += state.dealer.registrations().len();
            all.pending_calls += state.dealer.pending_calls();
        }
        all
    }

    /// The number of realms.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        lock(&self.by_name).len()
    }

    fn find(&self, name: &str) -> Option<Arc<Realm>> {
        lock(&self.by_name).get(name).cloned()
    }

    fn is_on_demand(&self) -> bool {
        self.config.realms.is_none()
    }

    fn remove_if_empty(&self, name: &str) {
        if !self.is_on_demand() {
            return;
        }
        let mut by_name = lock(&self.by_name);
        let empty = |realm: &Arc<Realm>| lock(&realm.state).sessions.is_empty();
        if by_name.get(name).is_some_and(empty) {
            by_name.remove(name);
        }
    }
}

impl Realm {
    fn new(config: &Config) -> Realm {
        let state = State {
            sessions: IdMap::default(),
            broker: Broker::new(config.disclose_publisher, EventStore::new(config.event_history)),
            dealer: Dealer::new(config.disclose_caller),
        };
        Realm { state: Mutex::new(state) }
    }
}

impl RealmSession {
    /// Carries out messages of the client in order, as far as nobody has to be asked: see
    /// [`RealmSession::take_inquiry`]. The peers that got something are in `wakes`.
    pub(super) fn route(
        &mut self,
        messages: &[Message<'_>],
        wakes: &mut WakeList,
    ) -> Result<(), LeaveReason> {
        let mut state = lock(&self.realm.state);
        if !state.sessions.contains_key(&self.peer.id()) {
            // It was killed; its connection is about to say so.
            return Ok(());
        }
        if let Some(gated) = &mut self.gated {
            return gated.route(&self.peer, &mut self.requests, state, messages, wakes);
        }
        for message in messages {
            state.carry_out(&self.peer, &mut self.requests, message, wakes)?;
        }
        Ok(())
    }

    /// The time at which [`RealmSession::expire`] is due.
    #[inline]
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.requests.deadlines.next()
    }

    /// Ends the calls whose time is over.
    pub(super) fn expire(&mut self, now: Instant, wakes: &mut WakeList) {
        let mut state = lock(&self.realm.state);
        let State { dealer, .. } = &mut *state;
        while let Some(request) = self.requests.deadlines.take(now) {
            if let Some(due) = dealer.time_out(self.peer.id(), request, now, wakes) {
                self.requests.deadlines.add(due, request, |_| true);
            }
        }
    }
}

impl State {
    fn enter(
        &mut self,
        peer: &Arc<Peer>,
        welcome: impl FnOnce(&mut WakeList),
        wakes: &mut WakeList,
    ) {
        let member = Member { peer: peer.clone(), testaments: Testaments::default() };
        self.sessions.insert(peer.id(), member);
        welcome(wakes);
        self.tell(MetaEvent::new("wamp.session.on_join", json!([session_details(peer)])), wakes);
    }

    fn carry_out(
        &mut self,
        peer: &Arc<Peer>,
        requests: &mut Requests,
        message: &Message<'_>,
        wakes: &mut WakeList,
    ) -> Result<(), LeaveReason> {
        let mut count = |request| requests.ids.count(request);
        let (kind, request, outcome) = match message {
            Message::Call(m) => {
                (code::CALL, m.request, self.call_or_more(peer, m, requests, wakes))
            }
            Message::Yield(m) => return Ok(self.dealer.yields(peer, m, wakes)?),
            Message::Error(m) if m.kind == code::INVOCATION => {
                self.dealer.error(peer, m, wakes);
                return Ok(());
            }
            Message::Publish(m) => {
                let outcome = count(m.request).and_then(|()| self.broker.publish(peer, m, wakes));
                (code::PUBLISH, m.request, outcome)
            }
            Message::Cancel(m) => (code::CANCEL, m.request, self.dealer.cancel(peer, m, wakes)),
            Message::Subscribe(m) => {
                let outcome = count(m.request).and_then(|()| self.broker.subscribe(peer, m, wakes));
                (code::SUBSCRIBE, m.request, outcome)
            }
            Message::Unsubscribe(m) => {
                let outcome =
                    count(m.request).and_then(|()| self.broker.unsubscribe(peer, m, wakes));
                (code::UNSUBSCRIBE, m.request, outcome)
            }
            Message::Register(m) => {
                let outcome = count(m.request).and_then(|()| self.dealer.register(peer, m, wakes));
                (code::REGISTER, m.request, outcome)
            }
            Message::Unregister(m) => {
                let outcome =
                    count(m.request).and_then(|()| self.dealer.unregister(peer, m, wakes));
                (code::UNREGISTER, m.request, outcome)
            }
            Message::Goodbye(_) => return Err(LeaveReason::Goodbye),
            Message::Abort(_) => return Err(LeaveReason::Abort),
            Message::Extension(_) => return Ok(()),
            Message::Error(m) => {
                return Err(LeaveReason::Violation(format!(
                    "ERROR for request type {}; a client answers type 68 (INVOCATION) only",
                    m.kind
                )));
            }
            other => {
                return Err(LeaveReason::Violation(format!("{} within a session", other.name())));
            }
        };
        answer(peer, kind, request, outcome, wakes)?;
        self.tell_all(wakes);
        Ok(())
    }

    /// A call, or, where its request id has been used already, a further part of one. That one may
    /// have ended.
    fn call_or_more(
        &mut self,
        peer: &Arc<Peer>,
        message: &Call<'_>,
        requests: &mut Requests,
        wakes: &mut WakeList,
    ) -> Result<(), Fault> {
        let is_in_use = || self.dealer.is_in_use(peer.id(), message.request);
        match requests.ids.count_call(message.request, is_in_use) {
            Ok(()) => self.call(peer, message, requests, wakes).inspect_err(|fault| {
                if matches!(fault, Fault::Refused(_)) {
                    self.dealer.ignore_rest(peer, message);
                }
            }),
            Err(_)
                if requests.ids.has_used(message.request)
                    && self.dealer.call_more(peer, message, wakes) =>
            {
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }

    fn call(
        &mut self,
        peer: &Arc<Peer>,
        message: &Call<'_>,
        requests: &mut Requests,
        wakes: &mut WakeList,
    ) -> Result<(), Fault> {
        check_length(&message.procedure)?;
        check_memory(peer.budget(), message.payload)?;
        peer.identity().permissions.check(Action::Call, &message.procedure)?;
        if is_reserved(&message.procedure) {
            self.dealer.ignore_rest(peer, message);
            return self.call_meta(peer, message, wakes);
        }
        if let Some(due) = self.dealer.call(peer, message, wakes)? {
            let waits = |request| self.dealer.waits(peer.id(), request);
            requests.deadlines.add(due, message.request, waits);
        }
        Ok(())
    }

    /// Removes a session, with all that is to be told of it.
    pub(super) fn leave(&mut self, peer: &Arc<Peer>, wakes: &mut WakeList) {
        let Some(member) = self.sessions.remove(&peer.id()) else {
            return;
        };
        self.broker.leave(peer);
        self.dealer.leave(peer, wakes);
        self.tell_all(wakes);
        let discloses = self.broker.discloses();
        for publication in member.testaments.publications(peer, discloses) {
            // Who publishes it hears nothing of it.
            let _ = self.broker.deliver(&publication, wakes);
        }
        let identity = peer.identity();
        let args = json!([peer.id(), identity.authid, identity.authrole]);
        self.tell(MetaEvent::new("wamp.session.on_leave", args), wakes);
    }

    /// Publishes what broker and dealer have noted for the meta topics.
    #[inline]
    fn tell_all(&mut self, wakes: &mut WakeList) {
        if self.broker.meta_events.is_empty() && self.dealer.meta_events.is_empty() {
            return;
        }
        let mut meta_events = std::mem::take(&mut self.broker.meta_events);
        meta_events.append(&mut self.dealer.meta_events);
        for event in meta_events {
            self.tell(event, wakes);
        }
    }

    fn tell(&mut self, event: MetaEvent, wakes: &mut WakeList) {
        if self.broker.is_heard(event.topic) {
            let args = event.args();
            let publication =
                Publication::by_router(event.topic, PayloadRef::args(&args), event.about);
            // Who publishes it hears nothing of it.
            let _ = self.broker.deliver(&publication, wakes);
        }
    }
}

impl RealmSession {
    /// Ends the calls that wait for their answers.
    pub(super) fn cancel_calls(&self, wakes: &mut WakeList) {
        lock(&self.realm.state).dealer.cancel_all(&self.peer, wakes);
    }
}

impl Drop for RealmSession {
    fn drop(&mut self) {
        let mut wakes = WakeList::default();
        let mut state = lock(&self.realm.state);
        state.leave(&self.peer, &mut wakes);
        let empty = state.sessions.is_empty();
        drop(state);
        wakes.wake();
        if empty {
            self.realms.remove_if_empty(&self.name);
        }
    }
}

impl From<CodecError> for LeaveReason {
    fn from(error: CodecError) -> Self {
        LeaveReason::Violation(error.to_string())
    }
}

/// Tells the client that its request was refused.
fn answer(
    peer: &Arc<Peer>,
    kind: u64,
    request: u64,
    outcome: Result<(), Fault>,
    wakes: &mut WakeList,
) -> Result<(), LeaveReason> {
    match outcome {
        Ok(()) | Err(Fault::Unheard) => {}
        Err(Fault::Refused(refusal)) => {
            peer.send(wakes, |out| refusal.write(kind, request, out));
        }
        Err(Fault::Violation(why)) => return Err(LeaveReason::Violation(why)),
    }
    Ok(())
}
