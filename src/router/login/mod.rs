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
//! * `procedures`: the authenticators. `details`: what those are told who are asked.
//!
//! Messages and phases are left to [`super::connection`].

mod details;
mod procedures;

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use crate::codec::Dict;
use crate::os::lock;
use crate::protocol::message::Authenticate;
use crate::protocol::uri;

use super::admission::Admission;
use super::asking::QuestionKind;
use super::auth::{
    Applicant, AuthExchange, Authenticator, Failures, Method, Step, Store, Turn, WRONG,
};
use super::config::Config;
use super::host::{Answer, Desk, Grant};
use super::identity::Identity;
use super::random;
use super::realm::Realms;
use super::terms::Terms;
use super::verdict::verdict;

/// All that logins have in common.
#[derive(Debug)]
pub(super) struct Reception {
    /// The configuration at present.
    pub(super) config: Mutex<Arc<Config>>,
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
    /// The same, where the true cause is for the router's operator alone.
    Concealed { reason: Cow<'static, str>, why: String, cause: String },
}

/// The next step, once it is known and it is time for it.
pub(super) type Coming = Pin<Box<dyn Future<Output = Next> + Send>>;

/// The next step, now or later.
pub(super) type NowOrLater = Result<Next, Coming>;

impl Reception {
    /// Goes by another configuration from now on.
    pub(super) fn replace(&self, config: Arc<Config>) {
        *lock(&self.config) = config;
    }

    fn config(&self) -> Arc<Config> {
        lock(&self.config).clone()
    }
}

impl Login {
    /// Looks at a HELLO.
    pub(super) fn begin(
        reception: &Arc<Reception>,
        realm: String,
        mut applicant: Applicant,
    ) -> NowOrLater {
        let config = reception.config();
        let terms = config.at(applicant.door.as_ref());
        if !terms.allow_realm(&realm) {
            return Ok(no_such_realm(&realm));
        }
        if let Err(why) = restrict(&mut applicant, terms) {
            return Ok(Next::Denied(uri::NO_MATCHING_AUTH_METHOD.into(), why));
        }
        let client = Client { reception: reception.clone(), realm, applicant };
        let Some(store) = terms.users() else {
            if reception.desk.wants(QuestionKind::Login) {
                return Err(Box::pin(client.ask_program(None, None)));
            }
            if !terms.allow_method("anonymous") {
                let why = "this listener lets nobody in who is anonymous".to_owned();
                return Ok(Next::Denied(uri::NO_MATCHING_AUTH_METHOD.into(), why));
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
            Some(authenticator) if authenticator.method == Some(Method::Tls) => {
                Err(Box::pin(client.ask_for_welcome(authenticator, None)))
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
                Err(Box::pin(client.ask_for_welcome(authenticator, Some(ticket))))
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
                    return match self.may_have(&identity.authrole) {
                        true => Ok(self.let_in(realm, identity)),
                        false => Err(Box::pin(self.fail_for_role(identity.authrole))),
                    };
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
                match self.may_have(&identity.authrole) {
                    true => self.let_in(realm, identity),
                    false => self.fail_for_role(identity.authrole).await,
                }
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

    /// Turns it away, when it is time for that.
    async fn fail(self, reason: Option<String>, message: Option<String>) -> Next {
        if let Err(denied) = self.take_turn(true).await {
            return denied;
        }
        let reason = reason.map_or(uri::AUTHENTICATION_FAILED.into(), Cow::Owned);
        Next::Denied(reason, message.unwrap_or_else(|| WRONG.to_owned()))
    }

    /// Turns it away because its role may not come by this door, as if its secret were wrong.
    async fn fail_for_role(self, role: String) -> Next {
        match self.fail(None, None).await {
            Next::Denied(reason, why) => {
                let cause = format!("its listener allows no clients with the role \"{role}\"");
                Next::Concealed { reason, why, cause }
            }
            other => other,
        }
    }

    /// Waits until it may hear of the outcome. An error where too many wait already.
    async fn take_turn(&self, failed: bool) -> Result<(), Next> {
        let store = self.users();
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

    /// The users known at its door.
    fn users(&self) -> Option<Arc<Store>> {
        self.reception.config().at(self.applicant.door.as_ref()).users().cloned()
    }

    /// True if clients may have this role at its door. Whoever may not is turned away in the same
    /// words as with a wrong secret, which nobody is to find out there.
    fn may_have(&self, role: &str) -> bool {
        self.reception.config().at(self.applicant.door.as_ref()).allow_role(role)
    }

    fn let_in(self, realm: String, identity: Identity) -> Next {
        let door = self.applicant.door;
        let is_allowed = self.reception.config().at(door.as_ref()).allow_realm(&realm);
        if !is_allowed || !self.reception.realms.has(&realm) {
            return no_such_realm(&realm);
        }
        Next::LetIn(realm, Box::new(Identity { door, ..identity }))
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
}

fn no_such_realm(realm: &str) -> Next {
    Next::Denied(uri::NO_SUCH_REALM.into(), format!("this router has no realm \"{realm}\""))
}

/// Leaves a client the methods that can be: those that its door allows, and that of certificates
/// only if it has shown one.
fn restrict(applicant: &mut Applicant, terms: Terms<'_>) -> Result<(), String> {
    let (tls, has_certificate) = (Method::Tls.name(), applicant.certificate.is_some());
    let Some(offered) = &mut applicant.authmethods else {
        return match terms.allow_method("anonymous") {
            true => Ok(()),
            false => Err("this listener lets nobody in who is anonymous".to_owned()),
        };
    };
    if offered.is_empty() {
        return Ok(());
    }
    let before = offered.join(", ");
    offered.retain(|method| terms.allow_method(method));
    if offered.is_empty() {
        return Err(format!("none of {before} is accepted at this listener"));
    }
    offered.retain(|method| method != tls || has_certificate);
    match offered.is_empty() {
        true => Err("for tls show a client certificate".to_owned()),
        false => Ok(()),
    }
}

fn dict(dict: Dict<'_>) -> Value {
    serde_json::from_slice(dict.as_bytes()).unwrap_or_default()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}
