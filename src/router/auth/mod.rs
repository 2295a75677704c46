//! The proof of a client's identity, from HELLO to WELCOME.
//!
//! ```text
//!   HELLO --> AuthExchange::start --> let in, or turned away
//!                   |
//!               CHALLENGE --> AUTHENTICATE --> AuthExchange::answered --> let in, or turned away
//!                   ^                               |
//!                   +-------------------------------+   for each further factor
//! ```
//!
//! Nobody outside can tell a name that nobody has from a wrong secret: [`decoys`] stand in for such
//! names, are challenged as users are, and fail in the end, with the same words.
//!
//! Those who guess are slowed by [`failures`].
//!
//! [`applicant`] is who has said HELLO. [`authenticator`]: methods whose users a procedure knows.
//!
//! [`store`] knows the users, each a [`principal`] by its methods; the methods themselves are in
//! [`crate::auth`]; messages and time limits are left to [`super::connection`].

mod applicant;
mod authenticator;
mod decoys;
mod entries;
mod failures;
mod principal;
mod review;
mod store;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde_json::{Map, Value};

use crate::auth::ticket::Ticket;
use crate::auth::{AuthError, Secret, cra, cryptosign, scram_router};
use crate::codec::{Dict, Timestamp};
use crate::protocol::uri;

use super::admission::Admission;
use super::certificate::{self, Mark};
use super::identity::{Features, Identity};

pub(super) use applicant::Applicant;
pub(super) use authenticator::Authenticator;
pub(super) use entries::SecretValue;
pub(super) use failures::{Failures, Origin, Turn};
use principal::Key;
pub(super) use principal::{METHODS, Method};
pub(super) use review::review;
pub(super) use store::{Candidate, Store};

/// Somebody who has said HELLO and must prove who it is.
#[derive(Debug)]
pub(super) struct AuthExchange {
    store: Arc<Store>,
    session: u64,
    /// The TLS channel that a login can be bound to.
    channel_id: Option<[u8; 32]>,
    /// The certificate that it has shown, in DER.
    certificate: Option<Vec<u8>>,
    /// The mark by which it is known, where its certificate has proved who it is.
    mark: Option<Mark>,
    features: Features,
    /// The name under which its failures are counted, from this origin.
    claimed: String,
    origin: Origin,
    authid: String,
    authrole: Option<String>,
    authmethod: &'static str,
    /// `authextra` of HELLO.
    said: Map<String, Value>,
    /// `authextra` of WELCOME.
    told: Map<String, Value>,
    /// The challenge that it has to answer now.
    challenge: Challenge,
    /// Whoever is challenged is known; otherwise no answer is right.
    is_known: bool,
    /// The candidate, where it is not the store that knows it.
    candidate: Option<Candidate>,
    /// A procedure knows it.
    by_procedure: bool,
    method: Method,
    /// The methods that follow.
    factors: VecDeque<Method>,
}

/// The state of a login.
#[derive(Debug)]
pub(super) enum Step {
    /// It may join.
    LetIn(Box<Identity>),
    /// It is to answer [`AuthExchange::question`] first.
    Challenged(Box<AuthExchange>),
    /// It is turned away.
    Denied(Denial),
}

/// The reason why somebody is turned away.
#[derive(Debug, PartialEq)]
pub(super) struct Denial {
    /// The reason of the ABORT.
    pub(super) reason: &'static str,
    /// For people.
    pub(super) why: String,
}

/// The words for all who are not let in, so that nobody outside can tell unknown from wrong.
pub(super) const WRONG: &str = "the authid is not known for this method, or its secret is wrong";

#[derive(Debug)]
enum Challenge {
    Ticket(Ticket),
    Cra(cra::Challenger),
    Scram(Box<scram_router::Challenger>),
    Cryptosign(Box<cryptosign::Challenger>),
}

impl AuthExchange {
    /// Begins the login of somebody who has said HELLO.
    pub(super) fn start(store: Option<&Arc<Store>>, applicant: &Applicant) -> Step {
        let Some(store) = store else {
            return Step::stranger(applicant.features, None);
        };
        let methods = match store.choose(applicant.authmethods.as_deref(), applicant.authid()) {
            Ok(methods) => methods,
            Err(why) => return Step::denied(uri::NO_MATCHING_AUTH_METHOD, why),
        };
        let mut factors = VecDeque::from(methods);
        match factors.pop_front() {
            Some(method) => AuthExchange::new(store, applicant, method, factors, None).challenge(),
            None => Step::stranger(applicant.features, Some(store.anonymous_role())),
        }
    }

    /// The login of somebody whom a procedure knows, or does not know, by this method.
    pub(super) fn of_candidate(
        store: &Arc<Store>,
        applicant: &Applicant,
        method: Method,
        candidate: Candidate,
    ) -> Step {
        AuthExchange::new(store, applicant, method, VecDeque::new(), Some(candidate)).challenge()
    }

    fn new(
        store: &Arc<Store>,
        applicant: &Applicant,
        method: Method,
        factors: VecDeque<Method>,
        candidate: Option<Candidate>,
    ) -> AuthExchange {
        AuthExchange {
            store: store.clone(),
            session: applicant.session,
            channel_id: applicant.channel_id,
            certificate: applicant.certificate.clone(),
            mark: None,
            features: applicant.features,
            claimed: applicant.claimed(),
            origin: applicant.origin,
            authid: applicant.authid().to_owned(),
            authrole: None,
            authmethod: method.name(),
            said: applicant.authextra.clone(),
            told: Map::new(),
            // Taken the place of at once.
            challenge: Challenge::Ticket(Ticket::Plain(Secret::default())),
            is_known: false,
            by_procedure: candidate.is_some(),
            candidate,
            method,
            factors,
        }
    }

    /// Method and Extra of the CHALLENGE.
    pub(super) fn question(&self) -> (&'static str, String) {
        let extra = match &self.challenge {
            Challenge::Ticket(_) => Map::new(),
            Challenge::Cra(challenger) => challenger.extra(),
            Challenge::Scram(challenger) => challenger.extra(),
            Challenge::Cryptosign(challenger) => challenger.extra(),
        };
        (self.method.name(), Value::Object(extra).to_string())
    }

    /// True if judging an answer takes so long that it is not for a thread that others wait for.
    pub(super) fn is_slow(&self) -> bool {
        matches!(self.challenge, Challenge::Ticket(Ticket::Hashed(_)))
    }

    /// AUTHENTICATE has come. The client may hear of the next step at the given time, not before.
    pub(super) fn answered(
        self: Box<Self>,
        signature: &str,
        extra: Dict<'_>,
        now: Instant,
    ) -> (Step, Instant) {
        let (store, origin, claimed) = (self.store.clone(), self.origin, self.claimed.clone());
        let step = self.judged(signature, extra);
        let failed = matches!(step, Step::Denied(_));
        match store.failures().judged(&claimed, origin, failed, now) {
            Turn::At(turn) => (step, turn),
            refused @ Turn::Refused(_) => {
                let why = refused.why().unwrap_or_default();
                (Step::denied(uri::AUTHENTICATION_FAILED, why), now)
            }
        }
    }

    fn judged(mut self: Box<Self>, signature: &str, extra: Dict<'_>) -> Step {
        let extra = serde_json::from_slice(extra.as_bytes()).unwrap_or_default();
        let wrong = AuthError::ClientNotAuthentic("nobody has that name or key");
        match self.judge(signature, &extra) {
            Ok(()) if self.is_known => {}
            verdict => return Step::failed(&verdict.err().unwrap_or(wrong)),
        }
        (*self).passed()
    }

    /// Goes on with the next method, or lets in who has passed all.
    fn passed(mut self) -> Step {
        match self.factors.pop_front() {
            Some(method) => {
                self.method = method;
                self.challenge()
            }
            None => {
                let admission = self.admission();
                Step::LetIn(Box::new(Identity {
                    authid: self.authid,
                    authrole: self.authrole.unwrap_or_default(),
                    authmethod: self.authmethod.to_owned(),
                    authextra: Some(self.told).filter(|told| !told.is_empty()).map(Value::Object),
                    features: self.features,
                    door: None,
                    admission,
                    authprovider: None,
                }))
            }
        }
    }

    /// The reason why it is let in, once it has proved all.
    fn admission(&self) -> Admission {
        if self.by_procedure {
            return Admission::Procedure(Some(self.method.name()));
        }
        let methods = match self.store.factors() {
            [] => vec![self.method.name()],
            all => all.iter().map(|method| method.name()).collect(),
        };
        let (authid, role) = (self.authid.clone(), self.authrole.clone().unwrap_or_default());
        Admission::Known { authid, methods, role, mark: self.mark.clone() }
    }

    fn judge(&mut self, signature: &str, extra: &Map<String, Value>) -> Result<(), AuthError> {
        match &self.challenge {
            Challenge::Ticket(ticket) => ticket.verify(signature),
            Challenge::Cra(challenger) => challenger.verify(signature),
            Challenge::Scram(challenger) => {
                let mut proof = challenger.verify(signature, extra)?;
                self.told.append(&mut proof);
                Ok(())
            }
            Challenge::Cryptosign(challenger) => challenger.verify(signature),
        }
    }

    /// Looks at the certificate that it has shown: that needs no answer.
    fn certified(mut self) -> Step {
        let marks = self.certificate.as_deref().map(certificate::marks).unwrap_or_default();
        let authid = Some(self.authid.as_str()).filter(|authid| !authid.is_empty());
        let store = self.store.clone();
        let Some((authid, role, mark)) = store.owner_of_certificate(&marks, authid) else {
            return Step::failed(&AuthError::ClientNotAuthentic("nobody has that certificate"));
        };
        self.authid = authid.to_owned();
        self.authrole.get_or_insert_with(|| role.to_owned());
        self.mark = Some(mark.clone());
        self.passed()
    }

    /// Makes the challenge of the present method.
    fn challenge(mut self) -> Step {
        if self.method == Method::Tls {
            return self.certified();
        }
        match self.next_challenge() {
            Ok(Some(challenge)) => {
                self.challenge = challenge;
                Step::Challenged(Box::new(self))
            }
            Ok(None) => {
                let method = self.method.name();
                let why = match self.authid.as_str() {
                    "" => format!("for {method} send an authid"),
                    _ => format!("{method} is configured for nobody here"),
                };
                Step::denied(uri::NO_SUCH_PRINCIPAL, why)
            }
            Err(error) => Step::failed(&error),
        }
    }

    /// `None` where nobody can be meant: there is no name, or nobody has the method.
    fn next_challenge(&mut self) -> Result<Option<Challenge>, AuthError> {
        let store = self.store.clone();
        if let Method::Cryptosign = self.method {
            let router_key = store.router_key();
            let challenger = cryptosign::Challenger::new(&self.said, self.channel_id, router_key)?;
            let authid = Some(self.authid.as_str()).filter(|authid| !authid.is_empty());
            if let Some(Candidate { principal, is_known }) = &self.candidate {
                self.is_known = *is_known && principal.has_key(challenger.public_key());
                self.authrole.get_or_insert_with(|| principal.role.clone());
                return Ok(Some(Challenge::Cryptosign(Box::new(challenger))));
            }
            let owner = store.owner_of(challenger.public_key(), authid);
            self.is_known = owner.is_some();
            if let Some((authid, role)) = owner {
                self.authid = authid.to_owned();
                self.authrole.get_or_insert_with(|| role.to_owned());
            }
            return Ok(Some(Challenge::Cryptosign(Box::new(challenger))));
        }
        if self.authid.is_empty() {
            return Ok(None);
        }
        let given = self.candidate.take();
        let Some(candidate) = given.or_else(|| store.candidate(self.method, &self.authid)) else {
            return Ok(None);
        };
        let Candidate { principal, is_known } = candidate;
        self.is_known = is_known;
        self.authrole.get_or_insert_with(|| principal.role.clone());
        let challenge = match &principal.key {
            Key::Ticket(ticket) => Challenge::Ticket(ticket.clone()),
            Key::Cra(key, salt) => {
                let candidate = cra::Candidate {
                    session: self.session,
                    authid: &self.authid,
                    authrole: &principal.role,
                    authprovider: "static",
                    timestamp: &Timestamp::from(SystemTime::now()).millis_text(),
                };
                Challenge::Cra(cra::Challenger::new(key.clone(), salt.clone(), candidate)?)
            }
            Key::Scram(profile, stored) => {
                let stored = (**stored).clone();
                let (authid, said, channel_id) = (&self.authid, &self.said, self.channel_id);
                let challenger =
                    scram_router::Challenger::new(*profile, stored, authid, said, channel_id)?;
                Challenge::Scram(Box::new(challenger))
            }
            Key::Public(_) | Key::Certificate(_) => return Ok(None),
        };
        Ok(Some(challenge))
    }
}

impl Step {
    /// Somebody who need not say who it is, with the role of such.
    fn stranger(features: Features, role: Option<&str>) -> Step {
        match Identity::anonymous(features) {
            Ok(identity) => {
                let authrole = role.map_or(identity.authrole, str::to_owned);
                let admission = Admission::Anonymous { role: authrole.clone() };
                Step::LetIn(Box::new(Identity { authrole, admission, ..identity }))
            }
            Err(error) => Step::failed(&error),
        }
    }

    pub(super) fn denied(reason: &'static str, why: String) -> Step {
        Step::Denied(Denial { reason, why })
    }

    /// A wrong secret is told in the same words whoever it is for, and whatever it is.
    fn failed(error: &AuthError) -> Step {
        let why = match error {
            AuthError::ClientNotAuthentic(_) => WRONG.to_owned(),
            error => error.to_string(),
        };
        Step::denied(uri::AUTHENTICATION_FAILED, why)
    }
}
