//! Somebody who has said HELLO: who it claims to be, and where it comes from.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::codec::{CodecError, Dict};

use super::super::door::Door;
use super::super::identity::Features;
use super::failures::Origin;

/// See the module's text.
#[derive(Debug, Clone)]
pub(in crate::router) struct Applicant {
    /// The id that its session will have.
    pub(in crate::router) session: u64,
    pub(in crate::router) origin: Origin,
    /// The TLS channel that a login can be bound to.
    pub(in crate::router) channel_id: Option<[u8; 32]>,
    /// The certificate that it has shown, in DER.
    pub(in crate::router) certificate: Option<Vec<u8>>,
    /// The listener by which it has come.
    pub(in crate::router) door: Option<Arc<Door>>,
    pub(in crate::router) features: Features,
    pub(in crate::router) authid: Option<String>,
    pub(in crate::router) authmethods: Option<Vec<String>>,
    pub(in crate::router) authextra: Map<String, Value>,
}

impl Applicant {
    /// Reads HELLO.Details. An error is a HELLO that breaks the protocol.
    pub(in crate::router) fn read(
        hello: Dict<'_>,
        session: u64,
        channel_id: Option<[u8; 32]>,
        origin: Origin,
    ) -> Result<Applicant, CodecError> {
        let authmethods = match hello.get("authmethods") {
            None | Some(b"null") => None,
            Some(list) => Some(serde_json::from_slice(list).map_err(|_| CodecError {
                at: 0,
                what: "HELLO.Details.authmethods must be a list of strings",
            })?),
        };
        let authextra = match hello.dict("authextra")? {
            None => Map::new(),
            Some(extra) => serde_json::from_slice(extra.as_bytes()).unwrap_or_default(),
        };
        let authid = hello.text("authid")?.map(|authid| authid.into_owned());
        let features = Features::read(hello)?;
        Ok(Applicant {
            session,
            origin,
            channel_id,
            certificate: None,
            door: None,
            features,
            authid,
            authmethods,
            authextra,
        })
    }

    /// The name that it goes by; empty without one.
    pub(in crate::router) fn authid(&self) -> &str {
        self.authid.as_deref().unwrap_or_default()
    }

    /// The name under which its failures are counted: the authid, or the key that stands for it.
    pub(in crate::router) fn claimed(&self) -> String {
        match self.authid() {
            "" => {
                let key = self.authextra.get("pubkey").and_then(Value::as_str);
                key.unwrap_or_default().to_lowercase()
            }
            authid => authid.to_owned(),
        }
    }
}
