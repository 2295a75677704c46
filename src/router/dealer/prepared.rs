//! The things that are done for a message before it is carried out: see
//! `super::super::realm::preparation`.

use crate::codec::{Encoding, PayloadRef};
use crate::protocol::message::{Call, Message};

use super::super::peer::Peer;
use super::super::turn::UNITS;
use super::super::variants::Variants;
use super::Dealer;

/// See the module's text.
#[derive(Debug, Default)]
pub(in crate::router) struct Prepared {
    /// The payload in other encodings.
    pub(in crate::router) variants: Variants,
    /// The place that the search for the callee has come to.
    pub(in crate::router) place: u64,
}

impl Dealer {
    /// True if to find the callee of a CALL may be more than a turn's work.
    #[inline]
    pub(in crate::router) fn may_search_long(&self) -> bool {
        self.registrations.may_take(UNITS)
    }

    /// Looks for the callee, from a place on. False if the search has to go on in another turn.
    pub(in crate::router) fn look_for(&self, message: &Call<'_>, place: &mut u64) -> bool {
        self.registrations.search(&message.procedure, place, UNITS)
    }

    /// The payload of a message, and the encodings of those to whom it may go.
    pub(in crate::router) fn receivers<'m>(
        &self,
        from: &Peer,
        message: &'m Message<'_>,
    ) -> (PayloadRef<'m>, Vec<Encoding>) {
        let own = self.peers.get(&from.id());
        let caller = |invocation: &u64| {
            let pending = own.and_then(|own| own.invocations.get(invocation));
            pending.map(|pending| pending.caller.encoding()).into_iter().collect()
        };
        match message {
            Message::Yield(m) => (m.payload, caller(&m.request)),
            Message::Error(m) => (m.payload, caller(&m.request)),
            Message::Call(m) => {
                let part = own.and_then(|own| own.calls.get(&m.request));
                if let Some(callee) = part.and_then(|key| self.peers.get(&key.callee)) {
                    return (m.payload, vec![callee.peer.encoding()]);
                }
                let entry = self.registrations.best(&m.procedure);
                let mut all: Vec<Encoding> = Vec::new();
                for callee in entry.into_iter().flat_map(|entry| &entry.value.callees) {
                    if !all.contains(&callee.peer.encoding()) {
                        all.push(callee.peer.encoding());
                    }
                }
                (m.payload, all)
            }
            _ => (PayloadRef::NONE, Vec::new()),
        }
    }
}
