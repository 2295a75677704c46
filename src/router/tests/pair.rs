//! Client sessions and a realm, back to back in memory: whatever the clients ask, and however the
//! messages interleave, nobody violates the protocol and every request ends once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use proptest::prelude::*;

use super::client::{ALL, realms};
use crate::codec::{Dict, PayloadRef};
use crate::protocol::message::Message;
use crate::protocol::{self, CancelMode, Cause, Config, EventKind, Phase, RequestError};
use crate::router::budget::Budget;
use crate::router::identity::{Features, Identity};
use crate::router::peer::{Peer, WakeList};
use crate::router::realm::{RealmSession, Realms};

/// Options that say that more input follows.
const MORE: Dict<'_> = Dict::from_checked(br#"{"progress":true}"#);

/// The kind of a request, with a number that only it has.
type Target = (&'static str, u64);

/// A client and the realm's side of it.
struct Side {
    client: protocol::Session<Target>,
    peer: Arc<Peer>,
    session: RealmSession,
    /// The number of times that each request has been told its outcome.
    outcomes: HashMap<Target, u32>,
    results: Vec<String>,
    events: Vec<String>,
    invocations: Vec<u64>,
    subscriptions: Vec<u64>,
    registrations: Vec<u64>,
    /// Calls whose last part has not been sent.
    calls_in_parts: Vec<u64>,
    made: u64,
}

impl Side {
    fn join(realms: &Arc<Realms>, id: u64) -> Side {
        let peer = Peer::new(id, 1 << 20, &Budget::new(1 << 30));
        let features = Features::read(Dict::from_checked(ALL.as_bytes())).unwrap();
        let identity = Identity { features, ..Identity::default() };
        let session =
            realms.join("realm1", &peer, identity, &mut WakeList::default()).expect("on demand");
        let mut client = protocol::Session::new(Config {
            realm: "realm1".to_owned(),
            hello: b"{}".to_vec(),
            encoding: crate::codec::Encoding::Json,
            max_message_size: 1 << 20,
            ids_above: 0,
            gate: None,
        });
        // The HELLO is for the connection, which has been left out.
        drop(client.take_outbox());
        let mut side = Side {
            client,
            peer,
            session,
            outcomes: HashMap::new(),
            results: Vec::new(),
            events: Vec::new(),
            invocations: Vec::new(),
            subscriptions: Vec::new(),
            registrations: Vec::new(),
            calls_in_parts: Vec::new(),
            made: 0,
        };
        side.hear();
        assert_eq!(side.client.phase(), Phase::Open);
        side
    }

    fn target(&mut self, kind: &'static str) -> Target {
        self.made += 1;
        self.outcomes.insert((kind, self.made), 0);
        (kind, self.made)
    }

    /// The realm takes what the client has sent; true if there was anything.
    fn speak(&mut self) -> bool {
        let batch = self.client.take_outbox();
        for index in 0..batch.count() {
            let frame = batch.message(index);
            let message = Message::decode(&frame).expect("clients send WAMP messages");
            let routed = self.session.route(&[(message, &frame)], &mut WakeList::default());
            assert_eq!(routed, Ok(1), "{}", String::from_utf8_lossy(&frame));
            assert!(!self.session.has_rest());
        }
        batch.count() > 0
    }

    /// The client takes what the realm has sent; true if there was anything.
    fn hear(&mut self) -> bool {
        let Some(batch) = self.peer.take() else { return false };
        for index in 0..batch.count() {
            self.client.receive(&Bytes::copy_from_slice(&batch.message(index)));
            assert_eq!(self.client.phase(), Phase::Open, "{:?}", self.client.take_ended());
        }
        self.note();
        batch.count() > 0
    }

    fn note(&mut self) {
        let events: Vec<_> = self.client.take_events().collect();
        for event in events {
            let args = event.payload.as_ref().args.map(|args| String::from_utf8_lossy(args).into());
            let args: String = args.unwrap_or_default();
            match event.kind {
                EventKind::Joined | EventKind::Released | EventKind::Interrupt => continue,
                EventKind::Event => self.events.push(args),
                // It may be a further part of one.
                EventKind::Invocation if self.invocations.contains(&event.wamp_id) => {}
                EventKind::Invocation => self.invocations.push(event.wamp_id),
                kind => {
                    if kind == EventKind::Result {
                        self.results.push(args);
                    }
                    let Some(target) = event.target else { continue };
                    *self.outcomes.get_mut(&target).expect("a request of ours") += 1;
                    assert_ne!(event.cause, Some(Cause::OutcomeUnknown));
                }
            }
        }
    }

    /// Does one of the things that a client can do.
    fn act(&mut self, action: u8) {
        let target = |side: &mut Side, kind| side.target(kind);
        match action % 12 {
            0 => {
                let told = target(self, "subscribe");
                let id = self.client.subscribe("com.t", Dict::EMPTY, told);
                self.subscriptions.push(id.expect("subscribed"));
            }
            1 => {
                let options = Dict::from_checked(br#"{"acknowledge":true,"exclude_me":false}"#);
                let told = target(self, "publish");
                let payload = PayloadRef::args("[1]");
                self.client.publish_ack("com.t", options, payload, told).expect("published");
            }
            2 => {
                let told = target(self, "register");
                match self.client.register("com.p", Dict::EMPTY, told) {
                    Ok(id) => self.registrations.push(id),
                    // This very session has it already.
                    Err(_) => drop(self.outcomes.remove(&told)),
                }
            }
            3 | 4 => {
                let told = target(self, "call");
                let payload = PayloadRef::args("[2]");
                let called = self.client.call("com.p", Dict::EMPTY, payload, told, Instant::now);
                called.expect("called");
            }
            5 => {
                if let Some(invocation) = self.invocations.pop() {
                    let payload = PayloadRef::args("[3]");
                    let answered = self.client.answer(invocation, Dict::EMPTY, payload);
                    assert!(matches!(answered, Ok(()) | Err(RequestError::Interrupted)));
                }
            }
            6 => {
                if let Some(id) = self.subscriptions.pop() {
                    // It has ended if its SUBSCRIBE was refused; nothing here refuses one.
                    self.client.unsubscribe(id, None).expect("unsubscribed");
                }
            }
            7 => {
                if let Some(id) = self.registrations.pop() {
                    // It has ended if the procedure was somebody else's.
                    let _ = self.client.unregister(id, None);
                }
            }
            8 => {
                let told = target(self, "call in parts");
                let procedure = if action & 16 == 0 { "com.p" } else { "no.such" };
                let payload = PayloadRef::args("[4]");
                let called = self.client.call(procedure, MORE, payload, told, Instant::now);
                self.calls_in_parts.push(called.expect("called"));
            }
            9 | 10 => {
                for call in std::mem::take(&mut self.calls_in_parts) {
                    let options = if action & 16 == 0 { MORE } else { Dict::EMPTY };
                    let sent = self.client.call_more(call, options, PayloadRef::args("[5]"));
                    // It may have ended.
                    if sent.is_ok() && options == MORE {
                        self.calls_in_parts.push(call);
                    }
                }
            }
            _ => {
                if let Some(call) = self.calls_in_parts.pop() {
                    let _ = self.client.cancel(call, CancelMode::KillNoWait);
                }
            }
        }
        self.note();
    }
}

/// Carries messages both ways until there are no more.
fn settle(sides: &mut [Side]) {
    loop {
        let moved = sides.iter_mut().fold(false, |moved, side| side.speak() | side.hear() | moved);
        if !moved {
            return;
        }
    }
}

#[test]
fn a_call_and_an_event_go_all_the_way() {
    let realms = realms();
    let mut sides = [1, 2].map(|id| Side::join(&realms, id));
    sides[0].act(2);
    sides[0].act(0);
    settle(&mut sides);
    sides[1].act(3);
    sides[1].act(1);
    settle(&mut sides);
    sides[0].act(5);
    settle(&mut sides);
    assert_eq!(sides[1].results, ["[3]"]);
    assert_eq!(sides[0].events, ["[1]"]);
}

proptest! {
    #[test]
    fn every_request_ends_once(actions in proptest::collection::vec(any::<(u8, u8, u8)>(), 0..80)) {
        let realms = realms();
        let mut sides = [1, 2, 3].map(|id| Side::join(&realms, id));
        for (who, action, carry) in actions {
            let side = &mut sides[usize::from(who) % 3];
            side.act(action);
            // Some messages move now, some later: requests and answers cross in every way.
            if carry & 1 == 1 {
                side.speak();
            }
            if carry & 2 == 2 {
                sides[usize::from(carry >> 2) % 3].hear();
            }
        }
        settle(&mut sides);
        // Whoever was called answers in the end.
        for _ in 0..2 {
            while sides.iter().any(|side| !side.invocations.is_empty()) {
                sides.iter_mut().for_each(|side| side.act(5));
            }
            settle(&mut sides);
        }
        for side in &sides {
            prop_assert_eq!(side.client.pending(), 0);
            for (target, outcomes) in &side.outcomes {
                prop_assert_eq!(*outcomes, 1, "{:?}", target);
            }
        }
    }
}
