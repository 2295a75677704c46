//! The identity of a client, and the features that it announced in its HELLO.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::auth::AuthError;
use crate::codec::{CodecError, Dict};

use super::admission::Admission;
use super::door::Door;
use super::random;

/// The identity of a client, from the moment that it has joined.
#[derive(Debug, Clone, Default)]
pub(super) struct Identity {
    /// Its name.
    pub(super) authid: String,
    /// The role, by which its rights go.
    pub(super) authrole: String,
    /// The method by which it proved its identity.
    pub(super) authmethod: String,
    /// Those who know it; the router itself without any.
    pub(super) authprovider: Option<String>,
    /// The method's message to the client.
    pub(super) authextra: Option<Value>,
    /// The features that it announced.
    pub(super) features: Features,
    /// The listener by which it came; `None` for the router itself.
    pub(super) door: Option<Arc<Door>>,
    /// The reason why it was let in.
    pub(super) admission: Admission,
}

/// The announced features that change what the router sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Features {
    /// caller: may send a call in several parts.
    pub(super) sends_progress: bool,
    /// callee: takes a call in several parts.
    pub(super) takes_progress: bool,
    /// callee: understands INTERRUPT.
    pub(super) call_canceling: bool,
    /// callee: its `wamp.error.unavailable` means that another one is to be asked.
    pub(super) call_reroute: bool,
    /// callee: understands UNREGISTERED that it did not ask for.
    pub(super) registration_revocation: bool,
    /// subscriber: understands UNSUBSCRIBED that it did not ask for.
    pub(super) subscription_revocation: bool,
}

impl Identity {
    /// Somebody who need not say who it is.
    pub(super) fn anonymous(features: Features) -> Result<Identity, AuthError> {
        Ok(Identity {
            authid: random::name()?,
            authrole: "anonymous".to_owned(),
            authmethod: "anonymous".to_owned(),
            authprovider: None,
            authextra: None,
            features,
            door: None,
            admission: Admission::Unconditional,
        })
    }

    fn authprovider(&self) -> &str {
        self.authprovider.as_deref().unwrap_or("static")
    }

    /// The entries of WELCOME.Details and of the session meta API that tell who a client is.
    pub(super) fn describe(&self) -> Map<String, Value> {
        let mut entries = Map::new();
        entries.insert("authid".to_owned(), json!(self.authid));
        entries.insert("authrole".to_owned(), json!(self.authrole));
        entries.insert("authmethod".to_owned(), json!(self.authmethod));
        entries.insert("authprovider".to_owned(), json!(self.authprovider()));
        entries
    }
}

impl Features {
    /// Reads HELLO.Details.
    pub(super) fn read(details: Dict<'_>) -> Result<Features, CodecError> {
        let role = |name: &'static str| -> Result<Dict<'_>, CodecError> {
            let Some(roles) = details.dict("roles")? else { return Ok(Dict::EMPTY) };
            let Some(role) = roles.dict(name)? else { return Ok(Dict::EMPTY) };
            Ok(role.dict("features")?.unwrap_or(Dict::EMPTY))
        };
        let announces = |features: Dict<'_>, name: &'static str| -> Result<bool, CodecError> {
            Ok(features.bool(name)?.unwrap_or(false))
        };
        let (caller, callee, subscriber) = (role("caller")?, role("callee")?, role("subscriber")?);
        Ok(Features {
            sends_progress: announces(caller, "progressive_call_invocations")?,
            takes_progress: announces(callee, "progressive_call_invocations")?,
            // The specification spells it both ways.
            call_canceling: announces(callee, "call_canceling")?
                || announces(callee, "call_cancelling")?,
            call_reroute: announces(callee, "call_reroute")?,
            registration_revocation: announces(callee, "registration_revocation")?,
            subscription_revocation: announces(subscriber, "subscription_revocation")?,
        })
    }
}

/// Checks that HELLO.Details says which roles the client plays.
pub(super) fn check_roles(details: Dict<'_>) -> Result<(), String> {
    let roles = details.dict("roles").map_err(|error| error.to_string())?;
    let roles = roles.ok_or("HELLO without Details.roles")?;
    let known = |role: &[u8]| matches!(role, b"publisher" | b"subscriber" | b"caller" | b"callee");
    if roles.entries().any(|(role, _)| known(role)) {
        return Ok(());
    }
    Err("HELLO.Details.roles names none of publisher, subscriber, caller, callee".to_owned())
}
