//! The messages of a session whose requests are asked about: what is allowed is carried out, what
//! is refused is answered, and at what nobody has ruled on yet it stops.

use std::sync::Arc;

use crate::protocol::message::{Message, code};

use super::super::peer::{Peer, WakeList};
use super::super::procedure::Procedure;
use super::super::publication::PublishOptions;
use super::super::request::{Fault, Refusal};
use super::super::rulings::{Inquiry, Ruling, Rulings, Way};
use super::{LeaveReason, RealmSession, Realms, Requests, State, answer};

/// The rulings on a session's requests, and the request at which it has stopped.
#[derive(Debug)]
pub(super) struct Gated {
    rulings: Rulings,
    open: Option<Inquiry>,
}

impl RealmSession {
    /// From now on the program is asked about its requests.
    pub(in crate::router) fn ask_program(&mut self) {
        self.asks_program = true;
        let authorizer = self.authorizer().cloned();
        self.gated = Gated::new(authorizer, true);
    }

    /// Takes the request at which the last messages have stopped. They go on with the very message,
    /// once [`RealmSession::rule`] was called.
    pub(in crate::router) fn take_inquiry(&mut self) -> Option<Inquiry> {
        self.gated.as_mut()?.open.take()
    }

    /// Stops at a request that has to be asked about.
    pub(super) fn hold(&mut self, inquiry: Inquiry) {
        if let Some(gated) = &mut self.gated {
            gated.open = Some(inquiry);
        }
    }

    /// Takes the ruling on a request.
    pub(in crate::router) fn rule(&mut self, inquiry: Inquiry, ruling: Ruling, keep: bool) {
        if let Some(gated) = &mut self.gated {
            gated.rulings.rule(inquiry, ruling, keep);
        }
    }

    /// The procedure that is asked.
    pub(in crate::router) fn authorizer(&self) -> Option<&Arc<Procedure>> {
        self.gated.as_ref()?.rulings.authorizer.as_ref()
    }

    /// The name of the realm.
    pub(in crate::router) fn name(&self) -> &str {
        &self.name
    }

    /// The client.
    pub(in crate::router) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// All realms.
    pub(in crate::router) fn realms(&self) -> &Arc<Realms> {
        &self.realms
    }
}

impl Gated {
    /// Rulings on requests, where this procedure or the program is asked about them.
    pub(super) fn new(
        authorizer: Option<Arc<Procedure>>,
        asks_program: bool,
    ) -> Option<Box<Gated>> {
        let is_asked_about = authorizer.is_some() || asks_program;
        is_asked_about.then(|| Box::new(Gated { rulings: Rulings::new(authorizer), open: None }))
    }

    /// The way on for a message.
    pub(super) fn way(
        &mut self,
        state: &State,
        peer: &Peer,
        requests: &Requests,
        message: &Message<'_>,
    ) -> Way {
        match message {
            Message::Call(m) if state.continues_call(peer, requests, m.request) => Way::Free,
            message => self.rulings.way(message, state.permissions(peer)),
        }
    }
}

impl State {
    /// The way of a client's requests under the present rights, where they are asked about.
    pub(super) fn gate(&self, peer: &Peer, asks_program: bool) -> Option<Box<Gated>> {
        let authorizer = self.settings.authorizer(&peer.identity().authrole);
        Gated::new(authorizer, asks_program)
    }

    /// True if a CALL can only be a further part of one, whose first part was asked about.
    fn continues_call(&self, peer: &Peer, requests: &Requests, request: u64) -> bool {
        requests.ids.has_used(request)
            && (requests.ids.are_counted() || self.dealer.is_in_use(peer.id(), request))
    }

    /// Answers a request that is not carried out.
    pub(super) fn refuse(
        &mut self,
        peer: &Arc<Peer>,
        requests: &mut Requests,
        message: &Message<'_>,
        refusal: Refusal,
        wakes: &mut WakeList,
    ) -> Result<(), LeaveReason> {
        let refused = Fault::Refused(refusal);
        let (kind, request, outcome) = match message {
            Message::Call(m) => {
                let is_in_use = || self.dealer.is_in_use(peer.id(), m.request);
                let counted = requests.ids.count_call(m.request, is_in_use);
                if counted.is_ok() {
                    self.dealer.ignore_rest(peer, m);
                }
                (code::CALL, m.request, counted)
            }
            Message::Publish(m) => {
                let counted = requests.ids.count(m.request);
                let options = PublishOptions::read(m.options);
                let is_heard = options.is_ok_and(|options| options.acknowledge);
                let outcome = counted.and(if is_heard { Ok(()) } else { Err(Fault::Unheard) });
                (code::PUBLISH, m.request, outcome)
            }
            Message::Register(m) => (code::REGISTER, m.request, requests.ids.count(m.request)),
            Message::Subscribe(m) => (code::SUBSCRIBE, m.request, requests.ids.count(m.request)),
            // Nothing else is asked about.
            _ => return Ok(()),
        };
        answer(peer, kind, request, outcome.and(Err(refused)), wakes)
    }
}
