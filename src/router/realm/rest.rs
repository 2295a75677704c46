//! The work that is left of a client's message when its turn is over.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::super::broker::BrokerRest;
use super::super::meta::Listing;
use super::super::peer::WakeList;
use super::super::rounds::{Party, Place, in_turn};
use super::super::turn::Turn;
use super::departure::Departure;
use super::{Realm, State};

/// See the module's text.
#[derive(Debug)]
pub(in crate::router) enum Rest {
    Broker(BrokerRest),
    Leave(Box<Departure>),
    Listing(Box<Listing>),
}

impl Rest {
    /// Does what needs no lock, before the next turn. Tells if all is done.
    pub(super) fn prepare(&mut self, wakes: &mut WakeList) -> bool {
        match self {
            Rest::Broker(rest) => rest.prepare(),
            Rest::Listing(listing) => return listing.prepare(wakes),
            Rest::Leave(_) => {}
        }
        false
    }
}

impl State {
    /// True if something did not fit into the turn.
    #[inline]
    pub(in crate::router) fn has_rest(&self) -> bool {
        !self.broker.rest.is_empty() || !self.rest.is_empty()
    }

    /// Goes on with something; what is left of it is in the rest again.
    pub(super) fn go_on(&mut self, rest: Rest, wakes: &mut WakeList, turn: &mut Turn) {
        match rest {
            Rest::Broker(rest) => self.broker.go_on(rest, wakes, turn),
            Rest::Leave(departure) => self.depart(departure, wakes, turn),
            Rest::Listing(mut listing) => {
                if !listing.go_on(self, wakes, turn) {
                    self.rest.push_back(Rest::Listing(listing));
                }
            }
        }
    }

    /// Takes all that is left, in the order in which it is to be done.
    pub(super) fn take_rest(&mut self) -> impl DoubleEndedIterator<Item = Rest> {
        let broker = std::mem::take(&mut self.broker.rest).into_iter().map(Rest::Broker);
        broker.chain(std::mem::take(&mut self.rest))
    }
}

impl Realm {
    /// Goes on with what is left of earlier turns, for another one.
    pub(super) fn go_on(&self, rest: &mut VecDeque<Rest>, wakes: &mut WakeList) {
        let Some(mut first) = rest.pop_front() else {
            return;
        };
        if first.prepare(wakes) {
            return;
        }
        let mut turn = Turn::default();
        let mut state = self.state.lock();
        let mut next = Some(first);
        while let Some(work) = next {
            state.go_on(work, wakes, &mut turn);
            state.tell_all(wakes, &mut turn);
            let is_done = !state.has_rest();
            // What is left of this comes before all else.
            state.take_rest().rev().for_each(|left| rest.push_front(left));
            next = if is_done && !turn.is_over() { rest.pop_front() } else { None };
        }
    }
}

/// The rest that a client leaves behind whose task has ended.
pub(super) struct Leftover {
    pub(super) realm: Arc<Realm>,
    pub(super) rest: VecDeque<Rest>,
}

impl Leftover {
    /// Does it, turn by turn, in a task of its own where there is a runtime.
    pub(super) fn work_off(mut self) {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                // On the thread that runs it, which need not be this one.
                let place = Place::new(Party::Departed);
                in_turn(place.clone(), self.work(place)).await;
            });
        } else {
            while self.turn() {}
        }
    }

    async fn work(mut self, place: Arc<Place>) {
        while self.turn() {
            place.let_others().await;
        }
    }

    fn turn(&mut self) -> bool {
        let mut wakes = WakeList::default();
        self.realm.go_on(&mut self.rest, &mut wakes);
        !self.rest.is_empty()
    }
}
