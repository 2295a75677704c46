//! Realms: the sessions of a realm, its broker and its dealer, under one lock.
//!
//! [`Realms`] finds or makes the realm of a HELLO; the [`RealmSession`] that it gives carries out
//! the messages of one client. What comes before and after a session is left to
//! [`super::connection`].
//!
//! * `gated`: the messages of clients whose requests are asked about.
//! * `caller`: the router as a caller itself.
//! * `settings`: the configuration that realms go by; `review`: a change of it.

mod caller;
mod departure;
mod gated;
mod lock;
mod oversized;
mod preparation;
mod rest;
mod review;
mod session;
mod settings;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::json;

use crate::codec::{CodecError, Dict};
use crate::os::lock;
use crate::protocol::message::{Call, Message, Welcome, code};
use crate::protocol::uri;

use super::broker::Broker;
use super::config::Config;
use super::deadlines::Deadlines;
use super::dealer::Dealer;
use super::event_store::EventStore;
use super::identity::Identity;
use super::limits::Limits;
use super::meta::{Arguments, session_details};
use super::meta_event::MetaEvent;
use super::peer::{Peer, WakeList};
use super::refused::note_refusal;
use super::request::{Fault, Refusal, check_length, check_memory, is_reserved};
use super::request_ids::RequestIds;
use super::role_rights::RoleNumbers;
use super::roles::Action;
use super::terms;
use super::testament::Testaments;
use super::turn::Turn;
use super::welcome::welcome_details;

use gated::Gated;
use lock::FairLock;
pub(super) use rest::Rest;
use settings::Settings;

/// The realms of a router.
#[derive(Debug)]
pub(super) struct Realms {
    /// Locked before the state of a realm, never after it.
    directory: Mutex<Directory>,
}

/// The realms that there are, and the configuration at present.
#[derive(Debug)]
struct Directory {
    by_name: HashMap<String, Arc<Realm>>,
    config: Arc<Config>,
    numbers: RoleNumbers,
    settings: Arc<Settings>,
}

/// One realm: nothing of it is seen from another one.
#[derive(Debug)]
struct Realm {
    state: FairLock<State>,
}

/// All that a realm knows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) sessions: BTreeMap<u64, Member>,
    pub(super) broker: Broker,
    pub(super) dealer: Dealer,
    pub(super) limits: Limits,
    pub(super) settings: Arc<Settings>,
    /// The work that did not fit into the present turn, beside the broker's.
    pub(super) rest: VecDeque<Rest>,
    /// The arguments of a call for the router itself, where they have been read before.
    pub(super) meta_arguments: Option<Result<Arguments, Fault>>,
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
    /// The work that is left of the last message.
    rest: VecDeque<Rest>,
    /// The program wants to be asked about its requests.
    asks_program: bool,
    /// Its requests are asked about.
    gated: Option<Box<Gated>>,
    /// The settings by which that is so.
    generation: u64,
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
    pub(super) retained_topics: usize,
    pub(super) retained_bytes: usize,
    pub(super) history_bytes: usize,
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
    pub(super) fn new(config: &Arc<Config>) -> Realms {
        let mut numbers = RoleNumbers::default();
        numbers.add(config.roles.as_deref());
        let settings = Settings::new(config, &numbers, 0);
        let listed = config.realms.iter().flatten();
        let by_name = listed.map(|name| (name.clone(), Realm::new(&settings).into())).collect();
        let directory = Directory { by_name, config: config.clone(), numbers, settings };
        Realms { directory: Mutex::new(directory) }
    }

    /// True if the realm can be joined.
    pub(super) fn has(&self, name: &str) -> bool {
        let directory = lock(&self.directory);
        directory.is_on_demand() || directory.by_name.contains_key(name)
    }

    /// Lets `peer` join the realm and welcomes it, unless there is no such realm.
    pub(super) fn join(
        self: &Arc<Self>,
        name: &str,
        peer: &Arc<Peer>,
        identity: Identity,
        wakes: &mut WakeList,
    ) -> Result<RealmSession, Refusal> {
        let mut directory = lock(&self.directory);
        // It may have changed while the client has proved who it is.
        terms::review(&directory.config, name, &identity).map_err(|_| changed())?;
        let realm = directory.find_or_make(name)?;
        let Directory { config, settings, numbers, .. } = &*directory;
        peer.has_role(numbers.number(&identity.authrole));
        let authorizer = settings.authorizer(&identity.authrole);
        peer.identify(identity);
        let details = welcome_details(name, peer.identity(), config);
        let welcome =
            Welcome { session: peer.id(), details: Dict::from_checked(details.as_bytes()) };
        // Entered while the realms are locked: an empty realm could be removed otherwise.
        let mut state = realm.state.lock();
        state.adopt(settings);
        state.enter(peer, |wakes| peer.send(wakes, |out| welcome.write(out)), wakes);
        let rest: Vec<Rest> = state.take_rest().collect();
        drop(state);
        let generation = settings.generation;
        let ids = RequestIds::new(config.strict_request_ids);
        drop(directory);
        Ok(RealmSession {
            realms: self.clone(),
            realm,
            name: name.to_owned(),
            peer: peer.clone(),
            requests: Requests { ids, deadlines: Deadlines::default() },
            rest: rest.into_iter().collect(),
            asks_program: false,
            gated: Gated::new(authorizer, false),
            generation,
        })
    }

    /// The counters of all realms together.
    pub(super) fn counts(&self) -> Counts {
        let mut all = Counts::default();
        for realm in lock(&self.directory).by_name.values() {
            let state = realm.state.lock();
            all.sessions += state.sessions.len();
            all.subscriptions += state.broker.subscriptions().len();
            all.registrations += state.dealer.registrations().len();
            all.pending_calls += state.dealer.pending_calls();
            let (topics, retained, past) = state.broker.events().amounts();
            all.retained_topics += topics;
            all.retained_bytes += retained;
            all.history_bytes += past;
        }
        all
    }

    /// The number of realms.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        lock(&self.directory).by_name.len()
    }

    fn find(&self, name: &str) -> Option<Arc<Realm>> {
        lock(&self.directory).by_name.get(name).cloned()
    }

    fn remove_if_empty(&self, name: &str) {
        let mut directory = lock(&self.directory);
        if !directory.is_on_demand() {
            return;
        }
        let empty = |realm: &Arc<Realm>| realm.state.lock().sessions.is_empty();
        if directory.by_name.get(name).is_some_and(empty) {
            directory.by_name.remove(name);
        }
    }
}

impl Directory {
    fn is_on_demand(&self) -> bool {
        self.config.realms.is_none()
    }

    fn find_or_make(&mut self, name: &str) -> Result<Arc<Realm>, Refusal> {
        if let Some(realm) = self.by_name.get(name) {
            return Ok(realm.clone());
        }
        if !self.is_on_demand() {
            return Err(gone());
        }
        self.config.limits.max_realms.check(self.by_name.len())?;
        let realm: Arc<Realm> = Realm::new(&self.settings).into();
        self.by_name.insert(name.to_owned(), realm.clone());
        Ok(realm)
    }
}

impl Realm {
    fn new(settings: &Arc<Settings>) -> Realm {
        let Settings { limits, rights, budget, .. } = &**settings;
        let events = EventStore::new(settings.event_history, limits.clone(), budget);
        let state = State {
            sessions: BTreeMap::new(),
            broker: Broker::new(settings.disclose_publisher, events, limits, rights),
            dealer: Dealer::new(settings.disclose_caller, limits, rights),
            limits: limits.clone(),
            settings: settings.clone(),
            rest: VecDeque::new(),
            meta_arguments: None,
        };
        Realm { state: FairLock::new(state) }
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
        let event = MetaEvent::new("wamp.session.on_join", json!([session_details(peer)]));
        self.broker.tell(event, wakes, &mut Turn::default());
    }

    fn carry_out(
        &mut self,
        peer: &Arc<Peer>,
        requests: &mut Requests,
        message: &Message<'_>,
        frame: &Bytes,
        wakes: &mut WakeList,
        turn: &mut Turn,
    ) -> Result<(), LeaveReason> {
        turn.send(frame.len());
        let mut count = |request| requests.ids.count(request);
        let (kind, request, outcome) = match message {
            Message::Call(m) => {
                (code::CALL, m.request, self.call_or_more(peer, m, requests, wakes, turn))
            }
            Message::Yield(m) => return Ok(self.dealer.yields(peer, m, wakes)?),
            Message::Error(m) if m.kind == code::INVOCATION => {
                self.dealer.error(peer, m, wakes);
                return Ok(());
            }
            Message::Publish(m) => {
                let broker = &mut self.broker;
                let publish = |()| broker.publish(peer, m, frame, wakes, turn);
                let outcome = count(m.request).and_then(publish);
                (code::PUBLISH, m.request, outcome)
            }
            Message::Cancel(m) => (code::CANCEL, m.request, self.dealer.cancel(peer, m, wakes)),
            Message::Subscribe(m) => {
                let subscribe = |()| self.broker.subscribe(peer, m, wakes, turn);
                let outcome = count(m.request).and_then(subscribe);
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
            other => return Err(violation(other)),
        };
        if !matches!(kind, code::CALL | code::PUBLISH) {
            self.count_work(turn);
        }
        answer(peer, kind, request, outcome, wakes)?;
        self.tell_all(wakes, turn);
        Ok(())
    }

    /// Counts what adding and removing patterns took.
    fn count_work(&mut self, turn: &mut Turn) {
        turn.spend(self.broker.take_work() + self.dealer.take_work());
    }

    /// A call, or, where its request id has been used already, a further part of one. That one may
    /// have ended.
    fn call_or_more(
        &mut self,
        peer: &Arc<Peer>,
        message: &Call<'_>,
        requests: &mut Requests,
        wakes: &mut WakeList,
        turn: &mut Turn,
    ) -> Result<(), Fault> {
        let is_in_use = || self.dealer.is_in_use(peer.id(), message.request);
        match requests.ids.count_call(message.request, is_in_use) {
            Ok(()) => self.call(peer, message, requests, wakes, turn).inspect_err(|fault| {
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
        turn: &mut Turn,
    ) -> Result<(), Fault> {
        check_length(&message.procedure)?;
        check_memory(peer.budget(), message.payload)?;
        self.permissions(peer).check(Action::Call, &message.procedure)?;
        if is_reserved(&message.procedure) {
            self.dealer.ignore_rest(peer, message);
            return self.call_meta(peer, message, wakes, turn);
        }
        if let Some(due) = self.dealer.call(peer, message, wakes)? {
            let waits = |request| self.dealer.waits(peer.id(), request);
            requests.deadlines.add(due, message.request, waits);
        }
        Ok(())
    }

    /// Publishes what broker and dealer have noted for the meta topics.
    #[inline]
    fn tell_all(&mut self, wakes: &mut WakeList, turn: &mut Turn) {
        if self.broker.meta_events.is_empty() && self.dealer.meta_events.is_empty() {
            return;
        }
        let mut events = VecDeque::from(std::mem::take(&mut self.broker.meta_events));
        events.extend(self.dealer.meta_events.drain(..));
        self.broker.tell_all(events, wakes, turn);
    }
}

impl From<CodecError> for LeaveReason {
    fn from(error: CodecError) -> Self {
        LeaveReason::Violation(error.to_string())
    }
}

fn changed() -> Refusal {
    let why = "the users of this router have changed meanwhile: log in again";
    Refusal::new(uri::AUTHENTICATION_FAILED, why.to_owned())
}

fn gone() -> Refusal {
    Refusal::new(uri::NO_SUCH_REALM, "the realm no longer exists".to_owned())
}

/// The reason why a message ends the session.
fn violation(message: &Message<'_>) -> LeaveReason {
    LeaveReason::Violation(match message {
        Message::Error(m) => {
            format!("ERROR for request type {}; a client answers type 68 (INVOCATION) only", m.kind)
        }
        other => format!("{} within a session", other.name()),
    })
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
            note_refusal(peer, &refusal, wakes);
            peer.send(wakes, |out| refusal.write(kind, request, out));
        }
        Err(Fault::Violation(why)) => return Err(LeaveReason::Violation(why)),
    }
    Ok(())
}
