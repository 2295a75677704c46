//! The dealer of a realm: who has registered what, and the way of a call and of its answer.
//!
//! Knows neither sockets nor sessions beyond the [`Peer`] that their messages go to. Invocation ids
//! count per callee, so that a callee can only answer what it was asked.
//!
//! * here: registrations, and what a session that leaves leaves behind.
//! * [`calls`]: CALL on its way to a callee, CANCEL, and time limits.
//! * [`answers`]: YIELD and ERROR on their way back.
//! * `ended_inputs`: the calls that have ended while more of their input may be on its way.
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

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::codec::{DictWriter, Out};
use crate::protocol::CancelMode;
use crate::protocol::ids::IdMap;
use crate::protocol::message::{Interrupt, Register, Registered, Unregister, Unregistered, code};
use crate::protocol::uri::{self, Match};

use super::meta_event::{MetaEvent, registration_details};
use super::pattern::{Entry, Table};
use super::peer::{Peer, WakeList};
use super::request::{Fault, Refusal, check_own_uri};
use super::roles::{Action, Kind};

use ended_inputs::EndedInputs;
pub(super) use options::Invoke;
use options::RegisterOptions;

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
    registrations: IdMap<()>,
    /// The invocations that it has not yet answered.
    invocations: IdMap<Pending>,
    last_invocation: u64,
    /// The calls it waits for, by request: a number that the client may choose, so that its hash
    /// has to be a secret.
    calls: HashMap<u64, InvocationKey>,
    /// Its calls in several parts that ended before their last part came.
    ended_inputs: EndedInputs,
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
    pub(super) fn new(disclose: bool) -> Dealer {
        Dealer { disclose, ..Dealer::default() }
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
        let permissions = &from.identity().permissions;
        permissions.check_all(Action::Register, &message.procedure, options.matching)?;
        if options.force_reregister {
            self.evict(&message.procedure, &options, wakes);
        }
        let callee = Callee {
            peer: from.clone(),
            concurrency: options.concurrency,
            running: 0,
            disclose_caller: options.disclose_caller,
            forward_timeout: options.forward_timeout,
        };
        let (entry, created) =
            match self.registrations.find_mut(&message.procedure, options.matching) {
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
        peer_calls(&mut self.peers, from).registrations.insert(entry.id, ());
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
        if own.and_then(|own| own.registrations.remove(&id)).is_none() {
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
        if own.registrations.remove(&id).is_none() {
            return false;
        }
        if own.peer.identity().features.registration_revocation {
            let mut details = DictWriter::default();
            details.uint("registration", id).text("reason", reason);
            let details = details.finish();
            let revoked = Unregistered { request: 0, details: Some(details.dict()) };
            own.peer.send(wakes, |out| revoked.write(out));
        }
        self.remove(callee, id);
        true
    }

    /// Removes a session: those who wait for its answers get an ERROR, and what others still do for
    /// it is interrupted and will be ignored.
    pub(super) fn leave(&mut self, from: &Arc<Peer>, wakes: &mut WakeList) {
        let Some(own) = self.peers.remove(&from.id()) else {
            return;
        };
        for id in own.registrations.keys() {
            self.remove(from.id(), *id);
        }
        for call in own.calls.values() {
            self.cancel_invocation(call, uri::CANCELED, wakes);
        }
        let gone = Refusal::new(uri::CANCELED, "the callee has left".to_owned());
        for pending in own.invocations.values() {
            let Some(caller) = self.peers.get_mut(&pending.caller.id()) else {
                continue;
            };
            caller.remove_call(pending);
            let answer = |out: &mut Out<'_>| gone.write(code::CALL, pending.request, out);
            pending.caller.send(wakes, answer);
        }
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
        let callees: Vec<u64> = entry.value.callees.iter().map(|callee| callee.peer.id()).collect();
        for callee in callees {
            self.revoke(callee, id, uri::UNREGISTERED, wakes);
        }
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
        if self.callees.iter().any(|other| other.peer.id() == callee.peer.id()) {
            return Err(" by this very session".to_owned());
        }
        self.callees.push(callee);
        Ok(())
    }
}

impl PeerCalls {
    fn new(peer: Arc<Peer>) -> PeerCalls {
        PeerCalls {
            peer,
            registrations: IdMap::default(),
            invocations: IdMap::default(),
            last_invocation: 0,
            calls: HashMap::new(),
            ended_inputs: EndedInputs::default(),
        }
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

/// A details dict that says `progress` or `receive_progress`.
const PROGRESS: &[u8] = br#"{"progress":true}"#;
const RECEIVE_PROGRESS: &[u8] = br#"{"receive_progress":true}"#;

/// A registration with its URI.
type Procedure = Entry<Registration>;
