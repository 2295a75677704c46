//! Realms: the sessions of a realm, its broker and its dealer, under one lock.
//!
//! [`Realms`] finds or makes the realm of a HELLO; the [`Session`] that it gives carries out the
//! messages of one client. What comes before and after a session is left to [`super::connection`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::codec::{CodecError, Dict, MAX_ID};
use crate::protocol::message::{Message, Welcome, code};

use super::broker::Broker;
use super::dealer::Dealer;
use super::locked;
use super::peer::{Peer, Rings};
use super::request::Fault;

/// The realms of a router.
#[derive(Debug)]
pub(super) struct Realms {
    /// Locked before the state of a realm, never after it.
    by_name: Mutex<HashMap<String, Arc<Realm>>>,
    on_demand: bool,
}

/// One realm: nothing of it is seen from another one.
#[derive(Debug, Default)]
struct Realm {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sessions: usize,
    broker: Broker,
    dealer: Dealer,
}

/// A client that has joined a realm. Dropping it leaves the realm.
#[derive(Debug)]
pub(super) struct Session {
    realms: Arc<Realms>,
    realm: Arc<Realm>,
    name: String,
    peer: Arc<Peer>,
    last_request: u64,
}

/// Why a session ends.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    /// The client said GOODBYE.
    Goodbye,
    /// The client said ABORT.
    Abort,
    /// The client broke the protocol, in this way.
    Violation(String),
}

impl Realms {
    /// Exactly the realms `names`; without names every realm, each made on demand.
    pub(super) fn new(names: Option<&[String]>) -> Realms {
        let listed = names.unwrap_or_default().iter();
        Realms {
            by_name: Mutex::new(listed.map(|name| (name.clone(), Arc::default())).collect()),
            on_demand: names.is_none(),
        }
    }

    /// Lets `peer` join the realm and welcomes it; `None` if there is no such realm.
    pub(super) fn join(
        self: &Arc<Self>,
        name: &str,
        peer: &Arc<Peer>,
        rings: &mut Rings,
    ) -> Option<Session> {
        let mut by_name = locked(&self.by_name);
        let realm = match by_name.get(name) {
            Some(realm) => realm.clone(),
            None if self.on_demand => {
                let realm = Arc::<Realm>::default();
                by_name.insert(name.to_owned(), realm.clone());
                realm
            }
            None => return None,
        };
        // Counted while the realms are locked: an empty realm could be removed otherwise.
        locked(&realm.state).sessions += 1;
        drop(by_name);

        let details = welcome_details(name);
        let welcome =
            Welcome { session: peer.id(), details: Dict::from_checked(details.as_bytes()) };
        peer.send(rings, |out| welcome.write(out));
        Some(Session {
            realms: self.clone(),
            realm,
            name: name.to_owned(),
            peer: peer.clone(),
            last_request: 0,
        })
    }

    /// How many realms there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        locked(&self.by_name).len()
    }

    fn remove_if_empty(&self, name: &str) {
        if !self.on_demand {
            return;
        }
        let mut by_name = locked(&self.by_name);
        let empty = |realm: &Arc<Realm>| locked(&realm.state).sessions == 0;
        if by_name.get(name).is_some_and(empty) {
            by_name.remove(name);
        }
    }
}

impl Session {
    /// Carries out messages of the client in order. The peers that got something are in `rings`.
    pub(super) fn route(&mut self, messages: &[Message<'_>], rings: &mut Rings) -> Result<(), End> {
        let mut state = locked(&self.realm.state);
        for message in messages {
            state.carry_out(&self.peer, &mut self.last_request, message, rings)?;
        }
        Ok(())
    }
}

impl State {
    fn carry_out(
        &mut self,
        peer: &Arc<Peer>,
        last_request: &mut u64,
        message: &Message<'_>,
        rings: &mut Rings,
    ) -> Result<(), End> {
        let State { broker, dealer, .. } = self;
        let mut count = |request| count(last_request, request);
        let (kind, request, outcome) = match message {
            Message::Call(m) => {
                let outcome = count(m.request).and_then(|()| dealer.call(peer, m, rings));
                (code::CALL, m.request, outcome)
            }
            Message::Yield(m) => return Ok(dealer.yields(peer, m, rings)?),
            Message::Error(m) if m.kind == code::INVOCATION => {
                dealer.error(peer, m, rings);
                return Ok(());
            }
            Message::Publish(m) => {
                let outcome = count(m.request).and_then(|()| broker.publish(peer, m, rings));
                (code::PUBLISH, m.request, outcome)
            }
            Message::Subscribe(m) => {
                let outcome = count(m.request).and_then(|()| broker.subscribe(peer, m, rings));
                (code::SUBSCRIBE, m.request, outcome)
            }
            Message::Unsubscribe(m) => {
                let outcome = count(m.request).and_then(|()| broker.unsubscribe(peer, m, rings));
                (code::UNSUBSCRIBE, m.request, outcome)
            }
            Message::Register(m) => {
                let outcome = count(m.request).and_then(|()| dealer.register(peer, m, rings));
                (code::REGISTER, m.request, outcome)
            }
            Message::Unregister(m) => {
                let outcome = count(m.request).and_then(|()| dealer.unregister(peer, m, rings));
                (code::UNREGISTER, m.request, outcome)
            }
            Message::Goodbye(_) => return Err(End::Goodbye),
            Message::Abort(_) => return Err(End::Abort),
            // Canceling is not announced: the call goes on, and its own answer ends it.
            Message::Cancel(_) | Message::Extension(_) => return Ok(()),
            Message::Error(m) => {
                return Err(End::Violation(format!(
                    "ERROR for request type {}; a client answers type 68 (INVOCATION) only",
                    m.kind
                )));
            }
            other => return Err(End::Violation(format!("{} within a session", other.name()))),
        };
        match outcome {
            Ok(()) => Ok(()),
            Err(Fault::Refused(refusal)) => {
                peer.send(rings, |out| refusal.write(kind, request, out));
                Ok(())
            }
            Err(Fault::Violation(why)) => Err(End::Violation(why)),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut rings = Rings::default();
        let mut state = locked(&self.realm.state);
        state.broker.leave(&self.peer);
        state.dealer.leave(&self.peer, &mut rings);
        state.sessions -= 1;
        let empty = state.sessions == 0;
        drop(state);
        rings.ring();
        if empty {
            self.realms.remove_if_empty(&self.name);
        }
    }
}

impl From<CodecError> for End {
    fn from(error: CodecError) -> Self {
        End::Violation(error.to_string())
    }
}

/// Request ids count from 1 without a gap, and after 2^53 from 1 again.
fn count(last: &mut u64, request: u64) -> Result<(), Fault> {
    let due = *last % MAX_ID + 1;
    if request != due {
        return Err(Fault::Violation(format!(
            "request id {request} where {due} is due; request ids count from 1 without a gap"
        )));
    }
    *last = request;
    Ok(())
}

fn welcome_details(realm: &str) -> String {
    serde_json::json!({
        "roles": {
            "broker": {"features": {"publisher_exclusion": true}},
            "dealer": {"features": {"progressive_call_results": true}},
        },
        "agent": concat!("libwamp-router/", env!("CARGO_PKG_VERSION")),
        "realm": realm,
        "authid": format!("{:016x}", fastrand::u64(..)),
        "authrole": "anonymous",
        "authmethod": "anonymous",
        "authprovider": "static",
    })
    .to_string()
}
