//! The login of a client, from HELLO to the identity under which it joins.
//!
//! ```text
//!   HELLO --> static proof (auth), or the program alone without `auth` --> the program --> joins
//!               |      ^                                   |      ^
//!               +------+ CHALLENGE, AUTHENTICATE           +------+
//! ```
//!
//! With `auth`, its methods prove who is there; then the program is asked, if it wants to be, and
//! may refuse it or change what it becomes. Without, the program alone decides. A method may also
//! have an authenticator, which is a procedure of some client. Refusals by any of them have the
//! same words, and are slowed in the same way.
//!
//! Messages and phases are left to [`super::connection`].

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout};

use crate::auth::hex;
use crate::codec::Dict;
use crate::os::lock;
use crate::protocol::message::Authenticate;
use crate::protocol::uri;

use super::admission::Admission;
use super::auth::{
    Applicant, AuthExchange, Authenticator, Failures, Method, Step, Store, Turn, WRONG,
};
use super::host::{Answer, Desk, Grant, QuestionKind};
use super::identity::Identity;
use super::random;
use super::realm::Realms;
use super::verdict::verdict;

/// All that logins have in common.
#[derive(Debug)]
pub(super) struct Reception {
    /// The users at present.
    pub(super) store: Mutex<Option<Arc<Store>>>,
    pub(super) desk: Arc<Desk>,
    pub(super) realms: Arc<Realms>,
    /// The failures of those whom no store knows.
    pub(super) failures: Failures,
    /// The threads that may hash tickets at the same time.
    pub(super) hashers: Arc<Semaphore>,
}

/// A login that waits for an AUTHENTICATE.
pub(super) struct Login {
    client: Client,
    stage: Stage,
}

/// Somebody who wants to join a realm.
struct Client {
    reception: Arc<Reception>,
    realm: String,
    applicant: Applicant,
}

/// The challenge that is to be answered.
enum Stage {
    /// A challenge of a method of `auth`.
    Proof(Box<AuthExchange>, Grant),
    /// A challenge of the program, for who has proved to be somebody already, if so.
    Program { method: String, extra: String, proven: Option<Box<Identity>> },
    /// A ticket, which a procedure judges.
    Ticket(Arc<Authenticator>),
}

/// The next step of a login.
pub(super) enum Next {
    /// It joins this realm.
    LetIn(String, Box<Identity>),
    /// It is to answer [`Login::question`] first.
    Challenged(Box<Login>),
    /// It is turned away, with the reason of the ABORT, and a text for people.
    Denied(Cow<'static, str>, String),
}

/// The next step, once it is known and it is time for it.
pub(super) type Coming = Pin<Box<dyn Future<Output = Next> + Send>>;

/// The next step, now or later.
pub(super) type NowOrLater = Result<Next, Coming>;

impl Reception {
    /// Goes by other users from now on.
    pub(super) fn replace(&self, store: Option<Arc<Store>>) {
        *lock(&self.store) = store;
    }

    /// The users at present.
    pub(super) fn store(&self) -> Option<Arc<Store>> {
        lock(&self.store).clone()
    }
}

impl Login {
    /// Looks at a HELLO.
    pub(super) fn begin(
        reception: &Arc<Reception>,
        realm: String,
        applicant: Applicant,
    ) -> NowOrLater {
        let client = Client { reception: reception.clone(), realm, applicant };
        let Some(store) = &reception.store() else {
            if reception.desk.wants(QuestionKind::Login) {
                return Err(Box::pin(client.ask_program(None, None)));
            }
            let step = AuthExchange::start(None, &client.applicant);
            return client.go_on(step, Grant::default());
        };
        match store.authenticator(&client.applicant).cloned() {
            Some(authenticator) if authenticator.method == Some(Method::Ticket) => {
                if client.applicant.authid().is_empty() {
                    let why = "for ticket send an authid".to_owned();
                    return Ok(Next::Denied(uri::NO_SUCH_PRINCIPAL.into(), why));
                }
                let stage = Stage::Ticket(authenticator);
                Ok(Next::Challenged(Box::new(Login { client, stage })))
            }
            Some(authenticator) => Err(Box::pin(client.ask_for_principal(authenticator))),
            None => {
                let step = AuthExchange::start(Some(store), &client.applicant);
                client.go_on(step, Grant::default())
            }
        }
    }

    /// Method and Extra of the CHALLENGE.
    pub(super) fn question(&self) -> (Cow<'_, str>, Cow<'_, str>) {
        match &self.stage {
            Stage::Proof(exchange, _) => {
                let (method, extra) = exchange.question();
                (method.into(), extra.into())
            }
            Stage::Program { method, extra, .. } => (method.into(), extra.into()),
            Stage::Ticket(_) => ("ticket".into(), "{}".into()),
        }
    }

    /// AUTHENTICATE has come, and what takes long has to begin until `due`.
    pub(super) fn answered(self: Box<Self>, answer: &Authenticate<'_>, due: Instant) -> NowOrLater {
        let Login { client, stage } = *self;
        match stage {
            Stage::Proof(exchange, grant) => {
                match verdict(exchange, answer, &client.reception.hashers, due) {
                    Ok(step) => client.go_on(step, grant),
                    Err(step) => Err(Box::pin(async move {
                        let step = step.await;
                        match client.go_on(step, grant) {
                            Ok(next) => next,
                            Err(coming) => coming.await,
                        }
                    })),
                }
            }
            Stage::Program { method, extra, proven } => {
                let mut told = Map::new();
                told.insert("method".to_owned(), json!(method));
                told.insert("challenge".to_owned(), parsed(&extra));
                told.insert("signature".to_owned(), json!(answer.signature));
                told.insert("extra".to_owned(), dict(answer.extra));
                Err(Box::pin(client.ask_program(proven, Some((method, told)))))
            }
            Stage::Ticket(authenticator) => {
                let ticket = answer.signature.clone().into_owned();
                Err(Box::pin(client.ask_about_ticket(authenticator, ticket)))
            }
        }
    }
}

impl Client {
    /// Goes on after a step of `auth`, with what an authenticator has said beside it.
    fn go_on(self, step: Step, grant: Grant) -> NowOrLater {
        match step {
            Step::Challenged(exchange) => {
                let stage = Stage::Proof(exchange, grant);
                Ok(Next::Challenged(Box::new(Login { client: self, stage })))
            }
            Step::Denied(denial) => Ok(Next::Denied(denial.reason.into(), denial.why)),
            Step::LetIn(identity) => {
                let (realm, identity) = self.granted(*identity, grant);
                if !self.reception.desk.wants(QuestionKind::Login) {
                    return Ok(self.let_in(realm, identity));
                }
                let client = Client { realm, ..self };
                Err(Box::pin(client.ask_program(Some(Box::new(identity)), None)))
            }
        }
    }

    /// Asks the program about somebody, who may have proved who it is, and may have answered a
    /// challenge of the program.
    async fn ask_program(
        self,
        proven: Option<Box<Identity>>,
        answered: Option<(String, Map<String, Value>)>,
    ) -> Next {
        let mut details = self.details();
        if let Some(proven) = &proven {
            details.append(&mut proven.describe());
        }
        let mut method = None;
        if let Some((answered, mut told)) = answered {
            method = Some(answered);
            details.append(&mut told);
        }
        let (session, realm) = (self.applicant.session, self.realm.clone());
        let details = Value::Object(details).to_string();
        let asked = self.reception.desk.ask(QuestionKind::Login, session, realm, details);
        match asked.await {
            Answer::LetIn(grant) => {
                if proven.is_none()
                    && let Err(denied) = self.take_turn(false).await
                {
                    return denied;
                }
                let identity = match proven {
                    Some(proven) => Ok(*proven),
                    None => self.unproven(method, Admission::Program),
                };
                let Ok(identity) = identity else {
                    return self.fail(None, None).await;
                };
                let (realm, identity) = self.granted(identity, *grant);
                self.let_in(realm, identity)
            }
            Answer::Challenge { method, extra } => {
                let stage = Stage::Program { method, extra, proven };
                Next::Challenged(Box::new(Login { client: self, stage }))
            }
            Answer::Deny { reason, message } => self.fail(reason, message).await,
            Answer::Unanswered(why) => {
                Next::Denied(uri::AUTHENTICATION_FAILED.into(), why.to_owned())
            }
            Answer::Allow(_) => self.fail(None, None).await,
        }
    }

    /// Asks a procedure for what somebody is known by.
    async fn ask_for_principal(self, authenticator: Arc<Authenticator>) -> Next {
        let answer = self.ask_procedure(&authenticator, None).await;
        let Some(method) = authenticator.method else {
            return match answer {
                Ok((grant, _)) => self.welcome_as(None, grant).await,
                Err(failure) => self.turn_away(failure).await,
            };
        };
        let (Some(store), authid) = (self.reception.store(), self.applicant.authid()) else {
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

    /// Asks a procedure whether a ticket is the right one.
    async fn ask_about_ticket(self, authenticator: Arc<Authenticator>, ticket: String) -> Next {
        match self.ask_procedure(&authenticator, Some(ticket)).await {
            Ok((grant, _)) => self.welcome_as(Some(Method::Ticket), grant).await,
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

    /// Turns it away, when it is time for that.
    async fn fail(self, reason: Option<String>, message: Option<String>) -> Next {
        if let Err(denied) = self.take_turn(true).await {
            return denied;
        }
        let reason = reason.map_or(uri::AUTHENTICATION_FAILED.into(), Cow::Owned);
        Next::Denied(reason, message.unwrap_or_else(|| WRONG.to_owned()))
    }

    /// Waits until it may hear of the outcome. An error where too many wait already.
    async fn take_turn(&self, failed: bool) -> Result<(), Next> {
        let store = self.reception.store();
        let strangers = &self.reception.failures;
        let failures = store.as_ref().map_or(strangers, |store| store.failures());
        let Applicant { origin, .. } = self.applicant;
        let now = Instant::now().into_std();
        match failures.judged(&self.applicant.claimed(), origin, failed, now) {
            Turn::At(turn) if turn <= now => Ok(()),
            Turn::At(turn) => {
                sleep_until(turn.into()).await;
                Ok(())
            }
            refused @ Turn::Refused(_) => {
                let why = refused.why().unwrap_or_default();
                Err(Next::Denied(uri::AUTHENTICATION_FAILED.into(), why))
            }
        }
    }

    fn let_in(self, realm: String, identity: Identity) -> Next {
        if !self.reception.realms.has(&realm) {
            let why = format!("this router has no realm \"{realm}\"");
            return Next::Denied(uri::NO_SUCH_REALM.into(), why);
        }
        Next::LetIn(realm, Box::new(identity))
    }

    /// Somebody who has proved nothing to the router itself.
    fn unproven(
        &self,
        method: Option<String>,
        admission: Admission,
    ) -> Result<Identity, crate::auth::AuthError> {
        let named = self.applicant.authid.clone().filter(|authid| !authid.is_empty());
        let authrole = if named.is_some() { "user" } else { "anonymous" };
        Ok(Identity {
            authid: named.map_or_else(random::name, Ok)?,
            authrole: authrole.to_owned(),
            authmethod: method.unwrap_or_else(|| "anonymous".to_owned()),
            authprovider: Some("dynamic".to_owned()),
            features: self.applicant.features,
            admission,
            ..Identity::default()
        })
    }

    /// The realm and identity, as they are after what was granted.
    fn granted(&self, identity: Identity, grant: Grant) -> (String, Identity) {
        let mut authextra = match identity.authextra {
            Some(Value::Object(extra)) => extra,
            _ => Map::new(),
        };
        authextra.extend(grant.authextra.unwrap_or_default());
        let identity = Identity {
            authid: grant.authid.unwrap_or(identity.authid),
            authrole: grant.authrole.unwrap_or(identity.authrole),
            authmethod: grant.authmethod.unwrap_or(identity.authmethod),
            authprovider: grant.authprovider.or(identity.authprovider),
            authextra: Some(authextra).filter(|extra| !extra.is_empty()).map(Value::Object),
            ..identity
        };
        (grant.realm.unwrap_or_else(|| self.realm.clone()), identity)
    }

    /// The details for those who are asked: what HELLO says, and where it comes from.
    fn details(&self) -> Map<String, Value> {
        let Applicant { session, origin, channel_id, authid, authmethods, authextra, .. } =
            &self.applicant;
        let peer = origin.address().map(|address| address.to_string());
        let channel_id = channel_id.as_ref().map(|id| hex(id));
        let certificate = self.applicant.certificate.as_deref().map(pem);
        let transport = json!({"peer": peer, "channel_id": channel_id, "client_cert": certificate});
        let mut details = Map::new();
        details.insert("realm".to_owned(), json!(self.realm));
        details.insert("session".to_owned(), json!(session));
        details.insert("authid".to_owned(), json!(authid));
        details.insert("authmethods".to_owned(), json!(authmethods));
        details.insert("authextra".to_owned(), Value::Object(authextra.clone()));
        details.insert("transport".to_owned(), transport);
        details
    }
}

/// An authenticator gives no principal.
enum CallFailure {
    /// It does not know the client, or its ticket is wrong.
    Refused,
    /// It is not there, or has not answered, or not as it should.
    Late,
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

/// A certificate as PEM text.
fn pem(certificate: &[u8]) -> String {
    let text = STANDARD.encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

fn dict(dict: Dict<'_>) -> Value {
    serde_json::from_slice(dict.as_bytes()).unwrap_or_default()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}
