//! Methods whose users are not configured: a procedure knows them, as `"authenticator"` names it.
//!
//! The procedure is asked for what a user is known by, and the login goes on as with configured
//! users; a ticket it judges itself. Those whom it does not know are challenged like the user whom
//! it knew last, and fail in the end.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use zeroize::Zeroizing;

use crate::auth::Secret;
use crate::auth::scram::{Kdf, Profile};
use crate::auth::scram_router::Stored;
use crate::os::lock;

use super::super::mistake::{Mistake, object};
use super::super::procedure::Procedure;
use super::principal::{Key, Method, Principal, SALT_BYTES};

/// See the module's text.
#[derive(Debug)]
pub(in crate::router) struct Authenticator {
    /// `None` for anonymous ones.
    pub(in crate::router) method: Option<Method>,
    pub(in crate::router) procedure: Procedure,
    /// The last user that it knew.
    model: Mutex<Option<Arc<Principal>>>,
}

impl Authenticator {
    /// Reads `{"authenticator": uri, "realm": name}`; `None` if it is something else.
    pub(super) fn parse(
        method: Option<Method>,
        value: &Value,
    ) -> Result<Option<Arc<Authenticator>>, Mistake> {
        let is_meant = |value: &&Value| value.get("authenticator").is_some_and(Value::is_string);
        let Some(value) = Some(value).filter(is_meant) else {
            return Ok(None);
        };
        let wanted = "must be an object with an \"authenticator\"";
        let entries = object(value, &["authenticator", "realm"], wanted)?;
        let procedure = Procedure::parse(entries, "authenticator")?;
        Ok(procedure.map(|procedure| {
            Arc::new(Authenticator { method, procedure, model: Mutex::default() })
        }))
    }

    /// Remembers a user that the procedure knows.
    pub(super) fn knows(&self, principal: &Arc<Principal>) {
        *lock(&self.model) = Some(principal.clone());
    }

    /// The user that those resemble whom it does not know.
    pub(super) fn model(&self, method: Method) -> Option<Arc<Principal>> {
        let last = lock(&self.model).clone();
        last.or_else(|| plain(method).map(Arc::new))
    }
}

/// A user of whom nothing is said that need not be.
fn plain(method: Method) -> Option<Principal> {
    let scram = |profile| {
        let kdf = Kdf::new("pbkdf2", 4096, None).ok()?;
        let (stored_key, server_key) = ([0; 32], Zeroizing::new([0; 32]));
        let salt = vec![0; SALT_BYTES];
        Some(Key::Scram(profile, Box::new(Stored { kdf, salt, stored_key, server_key })))
    };
    let key = match method {
        Method::Ticket => return None,
        Method::Cra => Key::Cra(Secret::default(), None),
        Method::WampScram => scram(Profile::Wamp)?,
        Method::Scram => scram(Profile::Crossbar)?,
        Method::Cryptosign => Key::Public(Vec::new()),
    };
    Some(Principal { role: String::new(), key })
}
