//! Subscriptions under another configuration: those that are not allowed any more end.

use crate::protocol::uri::{self, Match};

use super::super::limits::Limits;
use super::super::peer::{Peer, WakeList};
use super::super::role_rights::RoleRights;
use super::super::roles::Action;
use super::Broker;

impl Broker {
    /// Goes by other limits and rights from now on.
    pub(in crate::router) fn adopt(
        &mut self,
        disclose: bool,
        limits: &Limits,
        rights: &RoleRights,
    ) {
        self.disclose = disclose;
        self.limits = limits.clone();
        self.rights = rights.clone();
    }

    /// Takes a subscription away that its subscriber has no right to any more. True for patterns.
    pub(in crate::router) fn judge(&mut self, peer: &Peer, id: u64, wakes: &mut WakeList) -> bool {
        let Some(entry) = self.subscriptions.by_id(id) else {
            return false;
        };
        let is_pattern = entry.matching != Match::Exact;
        let permissions = self.rights.of(peer);
        if permissions.check_all(Action::Subscribe, &entry.uri, entry.matching).is_err() {
            self.revoke(peer.id(), id, uri::NOT_AUTHORIZED, wakes);
        }
        is_pattern
    }

    /// The subscriptions of a session.
    pub(in crate::router) fn subscriptions_of(&self, session: u64) -> Vec<u64> {
        let own = self.sessions.get(&session);
        own.into_iter().flat_map(|own| own.numbers.keys().copied()).collect()
    }
}
