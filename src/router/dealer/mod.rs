//! The dealer of a realm: who has registered what, and the way of a call and of its answer.
//!
//! Knows neither sockets nor sessions beyond the [`Peer`] that their messages go to. Invocation ids
//! count per callee, so that a callee can only answer what it was asked.
//!
//! * here: registrations, and what a session that leaves leaves behind.
//! * [`calls`]: CALL on its way to a callee, CANCEL, and time limits.
//! * [`answers`]: YIELD and ERROR on their way back.
//! * `prepared`: what can be done for a message before it is carried out.
//! * `ended_inputs`: the calls that have ended while more of their input may be on its way.
//! * `review`: registrations under another configuration.
//! * [`options`]: the options of CALL and REGISTER.
//!
//! ```text
//!   caller                     dealer                      callee
//!     | CALL 7 ----------------> |                           |
//!     |                          | INVOCATION 3 -----------> |   calls[7] = (callee, 3)
//!     |                          | <------- YIELD 3 progress |   invocations[3] = (caller, 7)
//!     | <----- RESULT 7 progress |                           |
//!     |                          | <---- YIELD 3 or ERROR 3  |
//!     | <---- RESULT 7 / ERROR 7 |                           |   both removed
//!     | CANCEL 7 killnowait ---> |                           |
//!     | <------ ERROR 7 canceled | INTERRUPT 3 ------------> |   both removed
//! ```

mod answers;
mod calls;
mod ended_inputs;
mod options;
mod prepared;
mod review;

use std::hash::RandomState;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::codec::{DictWriter, Out};
use crate::protocol::CancelMode;
use crate::protocol::ids::{IdMap, IdMapHasher};
use crate::protocol::message::{Interrupt, Register, Registered, Unregister, Unregistered, code};
use crate::protocol::uri::{self, Match};

use super::limits::Limits;
use super::meta_event::{MetaEvent, registration_details};
use super::pattern::{Entry, Table};
use super::peer::{Peer, WakeList};
use super::request::{Fault, Refusal, check_own_uri};
use super::role_rights::RoleRights;
use super::roles::{Action, Kind};
use super::spread::{self, Spread, SpreadIds};
use super::turn::Turn;

use ended_inputs::EndedInputs;
pub(super) use options::Invoke;
use options::RegisterOptions;
pub(super) use prepared::Prepared;

/// All registrations and running calls of a realm.
#[derive(Debug, Default)]
pub(super) struct Dealer {
    /// The registrations that CALL looks through.
    registrations: Table<Registration>,
    peers: IdMap<PeerCalls>,
    /// Callers are disclosed always.
    disclose: bool,
    /// The news for the meta topics, for [`super::realm`] to publish.
    pub(super) meta_events: Vec<MetaEvent>,
    limits: Limits,
    rights: RoleRights,
    /// The things that were done beforehand for the present message.
    pub(super) prepared: Prepared,
}

/// The callees of a procedure.
#[derive(Debug)]
pub(super) struct Registration {
    /// The rule by which a callee gets a call.
    pub(super) invoke: Invoke,
    /// In the order in which they came; at least one.
    pub(super) callees: Vec<Callee>,
    /// The index of the callee whose turn it is.
    turn: usize,
}

/// A session that has registered a procedure, and on which terms.
#[derive(Debug)]
pub(super) struct Callee {
    /// The session.
    pub(super) peer: Arc<Peer>,
    /// The limit of calls that it takes at a time, if there is one.
    concurrency: Option<u64>,
    /// The number of calls that it has; counted only where there is a limit.
    running: u64,
    disclose_caller: bool,
    forward_timeout: bool,
}

/// The part of a session that has to do with calls.
#[derive(Debug)]
struct PeerCalls {
    peer: Arc<Peer>,
    /// Its registrations.
    registrations: SpreadIds<()>,
    /// The number of those that are patterns.
    patterns: usize,
    /// The invocations that it has not yet answered.
    invocations: SpreadIds<Pending>,
    last_invocation: u64,
    /// The calls it waits for, by request: a number that the client may choose, so that its hash
    /// has to be a secret.
    calls: Spread<u64, InvocationKey>,
    /// Its calls in several parts that ended before their last part came.
    ended_inputs: EndedInputs,
}

/// A session that has left, with what is still to be removed.
#[derive(Debug)]
pub(super) struct Leaving {
    session: u64,
    registrations: spread::IntoIter<u64, (), IdMapHasher>,
    calls: spread::IntoIter<u64, InvocationKey, RandomState>,
    invocations: spread::IntoIter<u64, Pending, IdMapHasher>,
}

/// A call that waits for the callee's answer.
#[derive(Debug)]
struct Pending {
    caller: Arc<Peer>,
    request: u64,
    progress: bool,
    /// INTERRUPT with `kill` was sent.
    killed: bool,
    extra: Option<Box<Extra>>,
}

/// The state that most calls do without.
#[derive(Debug)]
struct Extra {
    registration: u64,
    /// The callee's running calls are counted.
    counted: bool,
    /// More parts of the call will come.
    open: bool,
    /// The time that the next result may take, and its end.
    limit: Option<(Duration, Instant)>,
    /// The call, in case another callee is to be asked.
    question: Option<calls::Question>,
}

/// The callee that a call went to, and its invocation there.
#[derive(Debug, Clone, Copy)]
struct InvocationKey {
    callee: u64,
    invocation: u64,
}

impl Dealer {
    /// A dealer that discloses all callers, or those only that want it.
    pub(super) fn new(disclose: bool, limits: &Limits, rights: &RoleRights) -> Dealer {
        let (limits, rights) = (limits.clone(), rights.clone());
        Dealer { disclose, limits, rights, ..Dealer::default() }
    }

    /// REGISTER
    pub(super) fn register(
        &mut self,
        from: &Arc<Peer>,
        message: &Register<'_>,
        wakes: &mut WakeList,
    ) -> Result<(), Fault> {
        let options = RegisterOptions::read(message.options)?;
        check_own_uri(&message.procedure, options.matching)?;
        let permissions = self.rights.of(from);
        permissions.check_all(Action::Register, &message.procedure, options.matching)?;
        peer_calls(&mut self.peers, from).check(options.matching, &self.limits)?;
        if options.force_reregister {
            self.evict(&message.procedure, &options, wakes);
        }
        let own = peer_calls(&mut self.peers, from);
        let callee = Callee {
            peer: from.clone(),
            concurrency: options.concurrency,
            running: 0,
            disclose_caller: options.disclose_caller,
            forward_timeout: options.forward_timeout,
        };
        let (entry, created) =
            match self.registrations.find_mut(&message.procedure, options.matching) {
                Some(entry) if own.registrations.contains_key(&entry.id) => {
                    let what = &message.procedure;
                    let why = format!("\"{what}\" is registered already by this very session");
                    return Err(Fault::refused(uri::PROCEDURE_ALREADY_EXISTS, why));
                }
                Some(entry) => {
                    entry.value.admit(callee, options.invoke).map_err(|why| {
                        let why = format!("\"{}\" is registered already{why}", message.procedure);
                        Fault::refused(uri::PROCEDURE_ALREADY_EXISTS, why)
                    })?;
                    (entry, false)
                }
                None => {
                    let value =
                        Registration { invoke: options.invoke, callees: vec![callee], turn: 0 };
                    (self.registrations.insert(&message.procedure, options.matching, value), true)
                }
            };
        own.registrations.insert(entry.id, ());
        own.patterns += usize::from(entry.matching != Match::Exact);
        let answer = Registered { request: message.request, registration: entry.id };
        from.send(wakes, |out| answer.write(out));
        if created {
            let details = registration_details(entry, entry.value.invoke.name());
            let topic = "wamp.registration.on_create";
            let event = MetaEvent::created(topic, from.id(), &details);
            self.meta_events.push(event.about(Kind::Procedure, entry));
        }
        let topic = "wamp.registration.on_register";
        let event = MetaEvent::changed(topic, from.id(), entry.id);
        self.meta_events.push(event.about(Kind::Procedure, entry));
        Ok(())
    }

    /// UNREGISTER: what runs already may still be answered.
    pub(super) fn unregister(
        &mut self,
        from: &Arc<Peer>,
        message: &Unregister,
        wakes: &mut WakeList,
    ) -> Result<(), Fault> {
        let id = message.registration;
        let own = self.peers.get_mut(&from.id());
        if !own.is_some_and(|own| own.disown(id, &self.registrations)) {
            let why = format!("this session has no registration {id}");
            return Err(Fault::refused(uri::NO_SUCH_REGISTRATION, why));
        }
        self.remove(from.id(), id);
        let answer = Unregistered { request: message.request, details: None };
        from.send(wakes, |out| answer.write(out));
        Ok(())
    }

    /// Takes a registration away from a callee and tells it; false if it has none such.
    pub(super) fn revoke(
        &mut self,
        callee: u64,
        id: u64,
        reason: &str,
        wakes: &mut WakeList,
    ) -> bool {
        let Some(own) = self.peers.get_mut(&callee) else {
            return false;
        };
        if !own.disown(id, &self.registrations) {
            return false;
        }
        own.tell_revoked(id, reason, wakes);
        self.remove(callee, id);
        true
    }

    /// Lets go of a session, and gives what is still to be removed of it.
    pub(super) fn leave(&mut self, from: &Arc<Peer>) -> Option<Leaving> {
        let own = self.peers.remove(&from.id())?;
        Some(Leaving {
            session: from.id(),
            registrations: own.registrations.into_iter(),
            calls: own.calls.into_iter(),
            invocations: own.invocations.into_iter(),
        })
    }

    /// Removes one thing of a session that has left; false if there is none. Who waits for its
    /// answer gets an ERROR, and what others still do for it is interrupted and will be ignored.
    pub(super) fn leave_one(
        &mut self,
        own: &mut Leaving,
        wakes: &mut WakeList,
        turn: &mut Turn,
    ) -> bool {
        if let Some((id, ())) = own.registrations.next() {
            let callees = self.registrations.by_id(id).map(|entry| entry.value.callees.len());
            turn.spend(callees.unwrap_or_default() / CALLEES);
            self.remove(own.session, id);
        } else if let Some((_, call)) = own.calls.next() {
            self.cancel_invocation(&call, uri::CANCELED, wakes);
        } else if let Some((_, pending)) = own.invocations.next() {
            if let Some(caller) = self.peers.get_mut(&pending.caller.id()) {
                caller.remove_call(&pending);
                let gone = Refusal::new(uri::CANCELED, "the callee has left".to_owned());
                let answer = |out: &mut Out<'_>| gone.write(code::CALL, pending.request, out);
                pending.caller.send(wakes, answer);
            }
        } else {
            return false;
        }
        true
    }

    /// The work of adding and removing registrations since the last time.
    pub(super) fn take_work(&mut self) -> usize {
        self.registrations.take_work()
    }

    /// True if the session has registered this very procedure.
    pub(super) fn is_served_by(&self, procedure: &str, session: u64) -> bool {
        let entry = self.registrations.find(procedure, Match::Exact);
        entry.is_some_and(|entry| {
            entry.value.callees.iter().any(|callee| callee.peer.id() == session)
        })
    }

    /// The registrations, for the meta API.
    pub(super) fn registrations(&self) -> &Table<Registration> {
        &self.registrations
    }

    /// The number of calls that wait for their answers.
    pub(super) fn pending_calls(&self) -> usize {
        self.peers.values().map(|session| session.calls.len()).sum()
    }

    /// Revokes what others have registered for a procedure.
    fn evict(&mut self, procedure: &str, options: &RegisterOptions, wakes: &mut WakeList) {
        let Some(entry) = self.registrations.find(procedure, options.matching) else {
            return;
        };
        let id = entry.id;
        let Some(entry) = self.registrations.remove(id) else {
            return;
        };
        let mut tell = |topic, callee: u64| {
            let event = MetaEvent::changed(topic, callee, id);
            self.meta_events.push(event.about(Kind::Procedure, &entry));
        };
        let mut last = 0;
        for callee in &entry.value.callees {
            last = callee.peer.id();
            if let Some(own) = self.peers.get_mut(&last) {
                own.registrations.remove(&id);
                own.patterns -= usize::from(entry.matching != Match::Exact);
                own.tell_revoked(id, uri::UNREGISTERED, wakes);
            }
            tell("wamp.registration.on_unregister", last);
        }
        tell("wamp.registration.on_delete", last);
    }

    /// Takes a callee off a registration, and the registration with the last one.
    fn remove(&mut self, callee: u64, id: u64) {
        let Some(entry) = self.registrations.by_id_mut(id) else {
            return;
        };
        let callees = &mut entry.value.callees;
        callees.retain(|other| other.peer.id() != callee);
        let deserted = callees.is_empty();
        let mut tell = |topic| {
            let event = MetaEvent::changed(topic, callee, id);
            self.meta_events.push(event.about(Kind::Procedure, entry));
        };
        tell("wamp.registration.on_unregister");
        if deserted {
            tell("wamp.registration.on_delete");
            self.registrations.remove(id);
        }
    }

    /// Ends an invocation whose answer nobody wants any more.
    fn cancel_invocation(&mut self, call: &InvocationKey, reason: &str, wakes: &mut WakeList) {
        let Some(callee) = self.peers.get_mut(&call.callee) else {
            return;
        };
        let Some(pending) = callee.invocations.remove(&call.invocation) else {
            return;
        };
        callee.interrupt(call.invocation, CancelMode::KillNoWait, reason, wakes);
        self.uncount(call.callee, &pending);
    }

    /// A callee with a limit has one call less.
    fn uncount(&mut self, callee: u64, pending: &Pending) {
        let Some(extra) = pending.extra.as_ref().filter(|extra| extra.counted) else {
            return;
        };
        let entry = self.registrations.by_id_mut(extra.registration);
        let callees = entry.map(|entry| entry.value.callees.iter_mut()).into_iter().flatten();
        for callee in callees.filter(|other| other.peer.id() == callee) {
            callee.running = callee.running.saturating_sub(1);
        }
    }
}

impl Registration {
    /// Lets another callee take part.
    fn admit(&mut self, callee: Callee, invoke: Invoke) -> Result<(), String> {
        if self.invoke == Invoke::Single || invoke == Invoke::Single {
            return Err(String::new());
        }
        if self.invoke != invoke {
            let (theirs, ours) = (self.invoke.name(), invoke.name());
            return Err(format!(" with \"invoke\": \"{theirs}\", which is not \"{ours}\""));
        }
        self.callees.push(callee);
        Ok(())
    }
}

impl PeerCalls {
    fn new(peer: Arc<Peer>) -> PeerCalls {
        PeerCalls {
            peer,
            registrations: SpreadIds::default(),
            patterns: 0,
            invocations: SpreadIds::default(),
            last_invocation: 0,
            calls: Spread::default(),
            ended_inputs: EndedInputs::default(),
        }
    }

    /// Refuses one more registration than a session may have.
    fn check(&self, matching: Match, limits: &Limits) -> Result<(), Refusal> {
        limits.max_registrations.check(self.registrations.len())?;
        if matching == Match::Exact { Ok(()) } else { limits.max_patterns.check(self.patterns) }
    }

    /// Lets go of one of its registrations; false if it has none such.
    fn disown(&mut self, id: u64, registrations: &Table<Registration>) -> bool {
        let entry = registrations.by_id(id);
        let is_pattern = entry.is_some_and(|entry| entry.matching != Match::Exact);
        let had = self.registrations.remove(&id).is_some();
        self.patterns -= usize::from(had && is_pattern);
        had
    }

    /// Tells it that a registration has ended.
    fn tell_revoked(&self, id: u64, reason: &str, wakes: &mut WakeList) {
        if !self.peer.identity().features.registration_revocation {
            return;
        }
        let mut details = DictWriter::default();
        details.uint("registration", id).text("reason", reason);
        let details = details.finish();
        let revoked = Unregistered { request: 0, details: Some(details.dict()) };
        self.peer.send(wakes, |out| revoked.write(out));
    }

    /// Tells the callee that an answer is not wanted any more; false if it would not understand.
    fn interrupt(
        &self,
        invocation: u64,
        mode: CancelMode,
        reason: &str,
        wakes: &mut WakeList,
    ) -> bool {
        if !self.peer.identity().features.call_canceling {
            return false;
        }
        let mut options = DictWriter::default();
        options.text("mode", mode.name()).text("reason", reason);
        let options = options.finish();
        let interrupt = Interrupt { request: invocation, options: options.dict() };
        self.peer.send(wakes, |out| interrupt.write(out));
        true
    }

    /// A call of this session has ended.
    fn remove_call(&mut self, pending: &Pending) {
        self.calls.remove(&pending.request);
        if pending.extra.as_ref().is_some_and(|extra| extra.open) {
            self.ended_inputs.add(pending.request);
        }
    }
}

/// The session of a client, made at its first use.
#[inline]
fn peer_calls<'a>(peers: &'a mut IdMap<PeerCalls>, peer: &Arc<Peer>) -> &'a mut PeerCalls {
    peers.entry(peer.id()).or_insert_with(|| PeerCalls::new(peer.clone()))
}

/// The number of callees of one registration that are looked at in one unit of a turn.
const CALLEES: usize = 50;

/// A details dict that says `progress` or `receive_progress`.
const PROGRESS: &[u8] = br#"{"progress":true}"#;
const RECEIVE_PROGRESS: &[u8] = br#"{"receive_progress":true}"#;

/// A registration with its URI.
type Procedure = Entry<Registration>;
