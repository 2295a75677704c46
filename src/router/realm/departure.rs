//! The end of a session: what it leaves behind is removed in as many turns as that takes.
//!
//! From the first of them on the session is none any more: it hears nothing, and nobody calls it.

use std::sync::Arc;

use serde_json::json;

use super::super::meta_event::MetaEvent;
use super::super::peer::{Peer, WakeList};
use super::super::testament::Testaments;
use super::super::turn::{ACT, Turn};
use super::super::{broker, dealer};
use super::{Rest, State};

/// A session that has left, with what is still to be removed.
#[derive(Debug)]
pub(in crate::router) struct Departure {
    peer: Arc<Peer>,
    subscriptions: broker::Leaving,
    calls: Option<dealer::Leaving>,
    testaments: Testaments,
}

impl State {
    /// Removes a session, with all that is to be told of it. What does not fit into the turn is
    /// left.
    pub(in crate::router) fn leave(
        &mut self,
        peer: &Arc<Peer>,
        wakes: &mut WakeList,
        turn: &mut Turn,
    ) {
        let Some(member) = self.sessions.remove(&peer.id()) else {
            return;
        };
        peer.leave();
        let departure = Departure {
            peer: peer.clone(),
            subscriptions: self.broker.leave(peer),
            calls: self.dealer.leave(peer),
            testaments: member.testaments,
        };
        self.depart(Box::new(departure), wakes, turn);
    }

    /// Goes on with a departure.
    pub(super) fn depart(
        &mut self,
        mut departure: Box<Departure>,
        wakes: &mut WakeList,
        turn: &mut Turn,
    ) {
        while self.remove_one(&mut departure, wakes, turn) {
            self.count_work(turn);
            self.tell_all(wakes, turn);
            if turn.is_over() || self.has_rest() {
                self.rest.push_back(Rest::Leave(departure));
                return;
            }
        }
        let identity = departure.peer.identity();
        let args = json!([departure.peer.id(), identity.authid, identity.authrole]);
        self.broker.tell(MetaEvent::new("wamp.session.on_leave", args), wakes, turn);
    }

    /// Removes the next thing; false if there is none.
    fn remove_one(
        &mut self,
        departure: &mut Departure,
        wakes: &mut WakeList,
        turn: &mut Turn,
    ) -> bool {
        let Departure { peer, subscriptions, calls, testaments } = departure;
        turn.spend(ACT);
        if self.broker.leave_one(subscriptions) {
            return true;
        }
        if let Some(calls) = calls
            && self.dealer.leave_one(calls, wakes, turn)
        {
            return true;
        }
        let Some(testament) = testaments.pop() else {
            return false;
        };
        if let Some(publication) = testament.publication(peer, self.broker.discloses()) {
            // Who publishes it hears nothing of it.
            let _ = self.broker.deliver(&publication, wakes, turn);
        }
        true
    }
}
