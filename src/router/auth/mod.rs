//! The proof of a client's identity, from HELLO to WELCOME.
//!
//! ```text
//!   HELLO --> AuthExchange::begin --> let in, or turned away
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
//! [`store`] knows the users, each a [`principal`] by its methods; the methods themselves are in
//! [`crate::auth`]; messages and time limits are left to [`super::connection`].

mod decoys;
mod entries;
mod failures;
mod principal;
mod store;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde_json::{Map, Value};

use crate::auth::ticket::Ticket;
use crate::auth::{AuthError, Secret, cra, cryptosign, scram_router};
use crate::codec::{CodecError, Dict, Timestamp};
use crate::protocol::uri;

use super::identity::{Features, Identity};
use super::roles::Permissions;

pub(super) use entries::SecretValue;
pub(super) use failures::Origin;
use failures::Turn;
use principal::{Key, Method};
use store::Candidate;
pub(super) use store::Store;

/// Somebody who has said HELLO and must prove who it is.
#[derive(Debug)]
pub(super) struct AuthExchange {
    store: Arc<Store>,
    session: u64,
    /// The TLS channel that a login can be bound to.
    channel_id: Option<[u8; 32]>,
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
    method: Method,
    /// The methods that follow.
    factors: VecDeque<Method>,
}

/// The state of a login.
#[derive(Debug)]
pub(super) enum Step {
    /// It may join.
    LetIn(Identity),
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

#[derive(Debug)]
enum Challenge {
    Ticket(Ticket),
    Cra(cra::Challenger),
    Scram(Box<scram_router::Challenger>),
    Cryptosign(Box<cryptosign::Challenger>),
}

/// The claim of HELLO about who is there.
struct Claim {
    authid: Option<String>,
    methods: Option<Vec<String>>,
    authextra: Map<String, Value>,
}

impl AuthExchange {
    /// Looks at the HELLO of the client that would be `session`. An error is a HELLO that breaks
    /// the protocol.
    pub(super) fn begin(
        store: Option<&Arc<Store>>,
        hello: Dict<'_>,
        session: u64,
        channel_id: Option<[u8; 32]>,
        origin: Origin,
    ) -> Result<Step, CodecError> {
        let features = Features::read(hello)?;
        let claim = Claim::read(hello)?;
        let Some(store) = store else {
            return Ok(Step::stranger(features, None));
        };
        let authid = claim.authid.unwrap_or_default();
        let methods = match store.choose(claim.methods.as_deref(), &authid) {
            Ok(methods) => methods,
            Err(why) => return Ok(Step::denied(uri::NO_MATCHING_AUTH_METHOD, why)),
        };
        let mut factors = VecDeque::from(methods);
        let Some(method) = factors.pop_front() else {
            return Ok(Step::stranger(features, Some(store.anonymous_role())));
        };
        let login = AuthExchange {
            store: store.clone(),
            session,
            channel_id,
            features,
            claimed: claimed(&authid, &claim.authextra),
            origin,
            authid,
            authrole: None,
            authmethod: method.name(),
            said: claim.authextra,
            told: Map::new(),
            // Taken the place of at once.
            challenge: Challenge::Ticket(Ticket::Plain(Secret::default())),
            is_known: false,
            method,
            factors,
        };
        Ok(login.challenge())
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
            Turn::Refused(wait) => {
                let seconds = wait.as_secs() + 1;
                let why = format!(
                    "too many logins under that name have failed from there; try again in \
                     {seconds} s"
                );
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
        match self.factors.pop_front() {
            Some(method) => {
                self.method = method;
                self.challenge()
            }
            None => Step::LetIn(Identity {
                authid: self.authid,
                authrole: self.authrole.unwrap_or_default(),
                authmethod: self.authmethod.to_owned(),
                authextra: Some(self.told).filter(|told| !told.is_empty()).map(Value::Object),
                features: self.features,
                permissions: Permissions::default(),
            }),
        }
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

    /// Makes the challenge of the present method.
    fn challenge(mut self) -> Step {
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
        let Some(candidate) = store.candidate(self.method, &self.authid) else {
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
            Key::Public(_) => return Ok(None),
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
                Step::LetIn(Identity { authrole, ..identity })
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
            AuthError::ClientNotAuthentic(_) => {
                "the authid is not known for this method, or its secret is wrong".to_owned()
            }
            error => error.to_string(),
        };
        Step::denied(uri::AUTHENTICATION_FAILED, why)
    }
}

/// The name under which failures are counted: the authid, or the key that stands for it.
fn claimed(authid: &str, authextra: &Map<String, Value>) -> String {
    match authid {
        "" => authextra.get("pubkey").and_then(Value::as_str).unwrap_or_default().to_lowercase(),
        authid => authid.to_owned(),
    }
}

impl Claim {
    fn read(hello: Dict<'_>) -> Result<Claim, CodecError> {
        let methods = match hello.get("authmethods") {
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
        Ok(Claim { authid, methods, authextra })
    }
}
