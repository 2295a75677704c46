//! Authenticators: procedures that say what somebody is known by, or judge it themselves.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::protocol::uri;

use super::super::admission::Admission;
use super::super::auth::{AuthExchange, Authenticator, Method, Step};
use super::super::host::Grant;
use super::{Client, Next};

/// An authenticator gives no principal.
enum CallFailure {
    /// It does not know the client, or its ticket is wrong.
    Refused,
    /// It is not there, or has not answered, or not as it should.
    Late,
}

impl Client {
    /// Asks a procedure for what somebody is known by.
    pub(super) async fn ask_for_principal(self, authenticator: Arc<Authenticator>) -> Next {
        let answer = self.ask_procedure(&authenticator, None).await;
        let Some(method) = authenticator.method else {
            return match answer {
                Ok((grant, _)) => self.welcome_as(None, grant).await,
                Err(failure) => self.turn_away(failure).await,
            };
        };
        let (Some(store), authid) = (self.users(), self.applicant.authid()) else {
            return self.fail(None, None).await;
        };
        let (grant, entries) = match answer {
            Err(CallFailure::Late) => return self.turn_away(CallFailure::Late).await,
            Err(CallFailure::Refused) => (Grant::default(), None),
            Ok((grant, entries)) => (grant, Some(entries)),
        };
        let _hasher = self.reception.hashers.clone().acquire_owned().await;
        let (known, authid) = (store.clone(), authid.to_owned());
        let candidate =
            spawn_blocking(move || known.candidate_of(&authenticator, method, &authid, entries));
        let Ok(Ok(candidate)) = candidate.await else {
            return self.turn_away(CallFailure::Late).await;
        };
        let step = AuthExchange::of_candidate(&store, &self.applicant, method, candidate);
        match self.go_on(step, grant) {
            Ok(next) => next,
            Err(coming) => coming.await,
        }
    }

    /// Asks a procedure whether a ticket, or the certificate of the client, is the right one.
    pub(super) async fn ask_for_welcome(
        self,
        authenticator: Arc<Authenticator>,
        ticket: Option<String>,
    ) -> Next {
        match self.ask_procedure(&authenticator, ticket).await {
            Ok((grant, _)) => self.welcome_as(authenticator.method, grant).await,
            Err(failure) => self.turn_away(failure).await,
        }
    }

    /// Calls an authenticator with `(realm, authid, details)`. It answers with a role, or with a
    /// dict: what the client becomes, and what it is known by.
    async fn ask_procedure(
        &self,
        authenticator: &Authenticator,
        ticket: Option<String>,
    ) -> Result<(Grant, Map<String, Value>), CallFailure> {
        let procedure = &authenticator.procedure;
        let realm = procedure.realm.as_deref().unwrap_or(&self.realm);
        let mut details = self.details();
        let method = authenticator.method.map_or("anonymous", Method::name);
        details.insert("authmethod".to_owned(), json!(method));
        if let Some(ticket) = ticket {
            details.insert("ticket".to_owned(), json!(ticket));
        }
        let args = json!([self.realm, self.applicant.authid(), details]);
        let called = self.reception.realms.call(realm, &procedure.uri, &args);
        match timeout(self.reception.desk.limit(), called).await {
            Ok(Ok(answer)) => principal(answer).ok_or(CallFailure::Late),
            Ok(Err(failed)) if failed.is_refusal => Err(CallFailure::Refused),
            Ok(Err(_)) | Err(_) => Err(CallFailure::Late),
        }
    }

    /// Lets somebody in by the word of a procedure.
    async fn welcome_as(self, method: Option<Method>, grant: Grant) -> Next {
        if let Err(denied) = self.take_turn(false).await {
            return denied;
        }
        let proven_by = method.map(Method::name);
        let method = proven_by.unwrap_or("anonymous").to_owned();
        let grant = Grant { authmethod: Some(method), ..grant };
        match self.unproven(None, Admission::Procedure(proven_by)) {
            Ok(identity) => match self.go_on(Step::LetIn(Box::new(identity)), grant) {
                Ok(next) => next,
                Err(coming) => coming.await,
            },
            Err(_) => self.fail(None, None).await,
        }
    }

    async fn turn_away(self, failure: CallFailure) -> Next {
        match failure {
            CallFailure::Refused => self.fail(None, None).await,
            CallFailure::Late => {
                let why = "the authenticator has failed, or has not answered in time".to_owned();
                Next::Denied(uri::AUTHENTICATION_FAILED.into(), why)
            }
        }
    }
}

/// Reads what an authenticator answers; `None` if it is nothing that it may answer.
fn principal(answer: Value) -> Option<(Grant, Map<String, Value>)> {
    let entries = match answer {
        Value::String(role) => {
            let grant = Grant { authrole: Some(role), ..Grant::default() };
            return Some((grant, Map::new()));
        }
        Value::Object(entries) => entries,
        _ => return None,
    };
    let mut grant = Map::new();
    let mut rest = Map::new();
    for (key, value) in entries {
        if value.is_null() {
            continue;
        }
        match key.as_str() {
            "role" | "authrole" => drop(grant.insert("authrole".to_owned(), value)),
            "extra" | "authextra" => drop(grant.insert("authextra".to_owned(), value)),
            "realm" | "authid" | "authprovider" => drop(grant.insert(key, value)),
            // As Crossbar.io spells the keys of SCRAM.
            _ => drop(rest.insert(key.replace('-', "_"), value)),
        }
    }
    Some((Grant::read(&grant).ok()?, rest))
}
