//! The terms on which clients are let in: those of the door by which they come. They are looked up
//! when they are needed, in the configuration that there is then.

use std::sync::Arc;

use crate::transport::Endpoint;
use crate::transport::tls::Acceptor;

use super::admission::{Admission, Withdrawal};
use super::auth;
use super::auth::Store;
use super::config::{Config, ListenerSettings};
use super::door::Door;
use super::identity::Identity;
use super::networks::Networks;
use super::origin::AllowedOrigins;

/// The terms of a door by a configuration: its own, or else those of all listeners.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'c> {
    config: &'c Config,
    own: Option<&'c ListenerSettings>,
}

impl Config {
    /// The terms of a door; without one those of all listeners.
    pub(super) fn at(&self, door: Option<&Arc<Door>>) -> Terms<'_> {
        self.at_endpoint(door.map(|door| &door.endpoint))
    }

    /// The terms of the door that is, or will be, at that place.
    pub(super) fn at_endpoint(&self, endpoint: Option<&Endpoint>) -> Terms<'_> {
        let own = endpoint.and_then(|endpoint| {
            self.listeners.iter().find(|listener| listener.endpoint.is_at(endpoint))
        });
        Terms { config: self, own: own.map(|own| &**own) }
    }
}

impl<'c> Terms<'c> {
    /// True if the configuration has settings for this door itself.
    pub(super) fn are_own(self) -> bool {
        self.own.is_some()
    }

    /// The users known here; `None` lets everybody in.
    pub(super) fn users(self) -> Option<&'c Arc<Store>> {
        self.own.and_then(|own| own.auth.as_ref()).or(self.config.auth.as_ref())
    }

    /// The router's side of TLS.
    pub(super) fn tls(self) -> Option<&'c Acceptor> {
        self.own.and_then(|own| own.tls.as_ref()).or(self.config.tls.as_ref())
    }

    /// The proxies that are believed.
    pub(super) fn trusted_proxies(self) -> &'c Networks {
        let own = self.own.and_then(|own| own.trusted_proxies.as_ref());
        own.unwrap_or(&self.config.trusted_proxies)
    }

    /// The pages of other hosts that may use it.
    pub(super) fn allowed_origins(self) -> &'c AllowedOrigins {
        let own = self.own.and_then(|own| own.allowed_origins.as_ref());
        own.unwrap_or(&self.config.allowed_origins)
    }

    /// True if everybody may join, and do everything.
    pub(super) fn are_open(self) -> bool {
        let stranger = match self.users() {
            None => Some("anonymous"),
            Some(store) => store.has_strangers().then(|| store.anonymous_role()),
        };
        let roles = self.config.roles.as_ref();
        stranger.is_some_and(|role| {
            self.allow_method("anonymous")
                && self.allow_role(role)
                && roles.is_none_or(|roles| roles.allow_everything(role))
        })
    }

    /// True if clients may join this realm, as far as the door is concerned.
    pub(super) fn allow_realm(self, realm: &str) -> bool {
        allows(self.own.and_then(|own| own.realms.as_deref()), realm)
    }

    /// True if clients may have this role.
    pub(super) fn allow_role(self, role: &str) -> bool {
        allows(self.own.and_then(|own| own.roles.as_deref()), role)
    }

    /// True if clients may prove by this method who they are.
    pub(super) fn allow_method(self, method: &str) -> bool {
        allows(self.own.and_then(|own| own.methods.as_deref()), method)
    }
}

/// Judges somebody who was let in into a realm: `Ok` if it would be let in again as the same.
pub(super) fn review(config: &Config, realm: &str, identity: &Identity) -> Result<(), Withdrawal> {
    if identity.door.as_ref().is_some_and(|door| door.is_closed()) {
        return Err(Withdrawal::Closed);
    }
    let terms = config.at(identity.door.as_ref());
    auth::review(terms.users(), &identity.admission)?;
    let allows_methods = match &identity.admission {
        Admission::Anonymous { .. } | Admission::Procedure(None) => terms.allow_method("anonymous"),
        Admission::Known { methods, .. } => methods.iter().all(|method| terms.allow_method(method)),
        Admission::Procedure(Some(method)) => terms.allow_method(method),
        // The program has its own names of methods.
        Admission::Program | Admission::Unconditional => true,
    };
    if !allows_methods || !terms.allow_role(&identity.authrole) {
        return Err(Withdrawal::Removed);
    }
    if !terms.allow_realm(realm) {
        return Err(Withdrawal::OtherRealm);
    }
    Ok(())
}

/// Without a list everything is allowed.
fn allows(list: Option<&[String]>, name: &str) -> bool {
    list.is_none_or(|list| list.iter().any(|listed| listed == name))
}
