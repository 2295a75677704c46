//! What is left of a client's message when its turn is over.

use super::super::broker::BrokerRest;
use super::super::meta::Listing;
use super::super::peer::WakeList;
use super::super::turn::Turn;
use super::State;
use super::departure::Departure;

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
