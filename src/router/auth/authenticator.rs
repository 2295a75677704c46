//! Methods whose users are not configured: a procedure knows them, as `"authenticator"` names it.
//!
//! The procedure is asked for what a user is known by, and the login goes on as with configured
//! users; tickets and certificates it judges itself. Those whom it does not know are challenged
//! like the user whom it knew last, and fail in the end.

use std::fmt;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::os::lock;

use super::super::mistake::{Mistake, object};
use super::super::procedure::Procedure;
use super::entries::SecretValue;
use super::principal::Method;

/// See the module's text.
pub(in crate::router) struct Authenticator {
    /// `None` for anonymous ones.
    pub(in crate::router) method: Option<Method>,
    pub(in crate::router) procedure: Procedure,
    /// The entries of the last user that it knew.
    model: Mutex<Option<Arc<SecretValue>>>,
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

    /// Remembers the entries of a user that the procedure knows.
    pub(super) fn knows(&self, entries: Arc<SecretValue>) {
        *lock(&self.model) = Some(entries);
    }

    /// Knows whom another one knew, whose place it takes.
    pub(super) fn resembles(&self, former: &Authenticator) {
        let last = lock(&former.model).clone();
        *lock(&self.model) = last;
    }

    /// The entries of the user that those resemble whom it does not know.
    pub(super) fn model(&self, method: Method) -> Arc<SecretValue> {
        let last = lock(&self.model).clone();
        last.unwrap_or_else(|| Arc::new(SecretValue(plain(method))))
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of the user that it knew.
        f.debug_tuple("Authenticator").field(&self.method).field(&self.procedure).finish()
    }
}

/// The entries of a user of whom nothing is said that need not be.
fn plain(method: Method) -> Value {
    match method {
        Method::Ticket => json!({"ticket": ""}),
        Method::Cra => json!({"secret": ""}),
        Method::WampScram | Method::Scram => json!({"password": "password"}),
        Method::Cryptosign => json!({"pubkey": "0".repeat(64)}),
        Method::Tls => json!({"fingerprint": "0".repeat(64)}),
    }
}
