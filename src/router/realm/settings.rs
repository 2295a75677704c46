//! The part of the configuration that realms go by. It can change while there are sessions: each
//! realm takes it over under its lock, when somebody joins or the change comes to it.

use std::sync::Arc;

use super::super::budget::Budget;
use super::super::config::Config;
use super::super::limits::Limits;
use super::super::peer::Peer;
use super::super::procedure::Procedure;
use super::super::role_rights::{RoleNumbers, RoleRights};
use super::super::roles::{Permissions, Roles};
use super::State;

/// See the module's text.
#[derive(Debug)]
pub(in crate::router) struct Settings {
    /// The number of changes before.
    pub(super) generation: u64,
    /// The rights of the roles.
    pub(super) rights: RoleRights,
    roles: Option<Arc<Roles>>,
    /// Callers, and publishers, are disclosed always.
    pub(super) disclose_caller: bool,
    pub(super) disclose_publisher: bool,
    pub(super) event_history: usize,
    pub(super) limits: Limits,
    pub(super) budget: Arc<Budget>,
}

impl Settings {
    pub(super) fn new(config: &Config, numbers: &RoleNumbers, generation: u64) -> Arc<Settings> {
        Arc::new(Settings {
            generation,
            rights: numbers.rights(config.roles.as_deref()),
            roles: config.roles.clone(),
            disclose_caller: config.disclose_caller,
            disclose_publisher: config.disclose_publisher,
            event_history: config.event_history,
            limits: config.limits.clone(),
            budget: config.budget.clone(),
        })
    }

    /// The procedure that is asked about requests of a role.
    pub(super) fn authorizer(&self, role: &str) -> Option<Arc<Procedure>> {
        self.roles.as_ref()?.authorizer(role)
    }
}

impl State {
    /// The rights of a client.
    #[inline]
    pub(in crate::router) fn permissions(&self, peer: &Peer) -> &Permissions {
        self.settings.rights.of(peer)
    }

    /// Goes by these settings from now on.
    pub(super) fn adopt(&mut self, settings: &Arc<Settings>) {
        if settings.generation == self.settings.generation {
            return;
        }
        self.settings = settings.clone();
        self.limits = settings.limits.clone();
        self.broker.adopt(settings.disclose_publisher, &settings.limits, &settings.rights);
        self.broker.events_mut().adopt(settings.event_history, &settings.limits);
        self.dealer.adopt(settings.disclose_caller, &settings.limits, &settings.rights);
    }
}
