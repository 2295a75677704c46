//! The program that embeds the router, as far as it is asked: who may join, and what they may do.
//!
//! A [`Question`] is answered once, from any thread, at once or later. One that nobody answers is a
//! refusal: when the last reference to it is dropped, and when the time is over. So many may be
//! open at a time; those that are more wait until one of them is answered.
//!
//! The way in which a program is told of questions is left to implementations of [`Host`]; the
//! questions themselves, to [`super::login`] and [`super::authorization`].

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use crate::codec::{Dict, json};
use crate::os::lock;
use crate::protocol::uri::{self, Match};

use super::asking::QuestionKind;

/// The program's side: takes questions.
pub trait Host: Send + Sync + std::fmt::Debug {
    /// True if the program wants to be asked this.
    fn wants(&self, kind: QuestionKind) -> bool;

    /// Takes a question; never blocks.
    fn ask(&self, asked: Asked);
}

/// A question on its way to the program.
#[derive(Debug)]
pub struct Asked {
    /// The question, which the program may keep.
    pub question: Arc<Question>,
    /// Not given back before the program has been told, whether or not anybody still waits.
    _place: Arc<OwnedSemaphorePermit>,
}

/// See the module's text.
#[derive(Debug)]
pub struct Question {
    /// The subject.
    pub kind: QuestionKind,
    /// The id of the session, which is not yet there for a login.
    pub session: u64,
    /// The realm of a login, the URI of an action.
    pub uri: String,
    /// The details, a JSON object.
    pub details: String,
    reply: Mutex<Option<oneshot::Sender<Answer>>>,
}

/// The reason why an answer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The answer is not one to this question; it is still open.
    #[error("{0}")]
    Wrong(String),
    /// The reason is no URI; the question is still open.
    #[error("`reason`: {0}")]
    Uri(uri::UriError),
    /// It has been answered.
    #[error("the question was answered already")]
    Answered,
    /// Nobody waits for the answer any more.
    #[error("too late: the client has left, or the time for the answer is over")]
    Late,
}

/// An answer to a question.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// Somebody may join.
    LetIn(Box<Grant>),
    /// Somebody who wants to join is to answer this first.
    Challenge { method: String, extra: String },
    /// A client may do it.
    Allow(Permit),
    /// It is refused, for this reason and with these words, where the program has given any.
    Deny { reason: Option<String>, message: Option<String> },
    /// Nobody has answered, for this reason.
    Unanswered(&'static str),
}

/// The identity that the program gives to somebody who may join. What is absent remains as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Grant {
    pub(super) realm: Option<String>,
    pub(super) authid: Option<String>,
    pub(super) authrole: Option<String>,
    pub(super) authmethod: Option<String>,
    pub(super) authprovider: Option<String>,
    pub(super) authextra: Option<Map<String, Value>>,
}

/// The permission to do something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Permit {
    /// It holds for the rest of the session.
    pub(super) cache: bool,
    /// The client is disclosed to those whom its call or publication reaches.
    pub(super) disclose: bool,
}

/// The desk at which questions are put.
#[derive(Debug)]
pub(super) struct Desk {
    host: OnceLock<Arc<dyn Host>>,
    terms: Mutex<Terms>,
}

/// The terms on which questions are put.
#[derive(Debug, Clone)]
struct Terms {
    places: Arc<Semaphore>,
    /// The time that an answer may take.
    limit: Duration,
}

impl Terms {
    fn new(places: usize, limit: Duration) -> Terms {
        Terms { places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))), limit }
    }
}

impl Desk {
    /// A desk for so many questions at a time, each of which has so much time.
    pub(super) fn new(places: usize, limit: Duration) -> Desk {
        Desk { host: OnceLock::new(), terms: Mutex::new(Terms::new(places, limit)) }
    }

    /// Has other terms for the questions that come.
    pub(super) fn change(&self, places: usize, limit: Duration) {
        *lock(&self.terms) = Terms::new(places, limit);
    }

    /// The time that an answer may take.
    pub(super) fn limit(&self) -> Duration {
        lock(&self.terms).limit
    }

    /// Says who is asked; before the first client comes.
    pub(super) fn occupy(&self, host: Arc<dyn Host>) {
        let _ = self.host.set(host);
    }

    /// True if the program wants to be asked.
    pub(super) fn wants(&self, kind: QuestionKind) -> bool {
        self.host.get().is_some_and(|host| host.wants(kind))
    }

    /// Asks the program, and waits for the answer.
    pub(super) async fn ask(
        &self,
        kind: QuestionKind,
        session: u64,
        uri: String,
        details: String,
    ) -> Answer {
        let Some(host) = self.host.get() else {
            return Answer::Unanswered("there is nobody to ask");
        };
        let Terms { places, limit } = lock(&self.terms).clone();
        let asked = async {
            let place = Arc::new(places.acquire_owned().await.ok()?);
            let (sender, answer) = oneshot::channel();
            let reply = Mutex::new(Some(sender));
            let question = Arc::new(Question { kind, session, uri, details, reply });
            host.ask(Asked { question, _place: place.clone() });
            let answer = answer.await.ok();
            drop(place);
            answer
        };
        match timeout(limit, asked).await {
            Ok(Some(answer)) => answer,
            Ok(None) => Answer::Unanswered("the question was not answered"),
            Err(_) => Answer::Unanswered("the question was not answered in time"),
        }
    }
}

impl Question {
    /// True if nobody waits for an answer any more.
    pub fn is_settled(&self) -> bool {
        lock(&self.reply).as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// Lets somebody in, or allows what is asked. `options` is a JSON object.
    pub fn allow(&self, options: Option<&str>) -> Result<(), AnswerError> {
        let options = object("options", options)?;
        let answer = match self.kind {
            QuestionKind::Login => Grant::read(&options).map(Box::new).map(Answer::LetIn),
            QuestionKind::Action => Permit::read(&options).map(Answer::Allow),
        };
        self.reply(answer.map_err(|why| AnswerError::Wrong(format!("`options`: {why}")))?)
    }

    /// Has somebody who wants to join answer a challenge first. `extra` is a JSON object.
    pub fn challenge(&self, method: &str, extra: Option<&str>) -> Result<(), AnswerError> {
        if self.kind != QuestionKind::Login {
            let why = "only those who want to join can be challenged";
            return Err(AnswerError::Wrong(why.to_owned()));
        }
        let extra = Value::Object(object("extra", extra)?).to_string();
        self.reply(Answer::Challenge { method: method.to_owned(), extra })
    }

    /// Turns somebody away, or refuses what is asked. Without a reason it is the usual one, and
    /// without a message for people it is in the same words as the router's own refusals.
    pub fn deny(&self, reason: Option<&str>, message: Option<&str>) -> Result<(), AnswerError> {
        if let Some(reason) = reason {
            uri::check(reason, Match::Exact).map_err(AnswerError::Uri)?;
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        self.reply(Answer::Deny { reason: owned(reason), message: owned(message) })
    }

    fn reply(&self, answer: Answer) -> Result<(), AnswerError> {
        let sender = lock(&self.reply).take().ok_or(AnswerError::Answered)?;
        sender.send(answer).map_err(|_| AnswerError::Late)
    }
}

impl Grant {
    /// Reads the options of an answer.
    pub(super) fn read(options: &Map<String, Value>) -> Result<Grant, String> {
        let mut grant = Grant::default();
        for (key, value) in options {
            let place = match key.as_str() {
                "realm" => &mut grant.realm,
                "authid" => &mut grant.authid,
                "authrole" => &mut grant.authrole,
                "authmethod" => &mut grant.authmethod,
                "authprovider" => &mut grant.authprovider,
                "authextra" => {
                    let extra = value.as_object().ok_or("\"authextra\" must be an object")?;
                    grant.authextra = Some(extra.clone());
                    continue;
                }
                _ => {
                    return Err(format!(
                        "\"{key}\" is unknown; the keys are realm, authid, authrole, authmethod, \
                         authprovider, authextra"
                    ));
                }
            };
            let text = value.as_str().filter(|text| !text.is_empty());
            let text = text.ok_or_else(|| format!("\"{key}\" must be a string"))?;
            if key == "realm" {
                uri::check(text, Match::Exact).map_err(|error| format!("\"realm\": {error}"))?;
            }
            *place = Some(text.to_owned());
        }
        Ok(grant)
    }
}

impl Permit {
    /// Reads the options of an answer.
    pub(super) fn read(options: &Map<String, Value>) -> Result<Permit, String> {
        let mut permit = Permit::default();
        for (key, value) in options {
            let place = match key.as_str() {
                "cache" => &mut permit.cache,
                "disclose" => &mut permit.disclose,
                _ => return Err(format!("\"{key}\" is unknown; the keys are cache, disclose")),
            };
            *place = value.as_bool().ok_or_else(|| format!("\"{key}\" must be true or false"))?;
        }
        Ok(permit)
    }
}

/// A JSON object, or none at all.
fn object(name: &str, text: Option<&str>) -> Result<Map<String, Value>, AnswerError> {
    let wrong = |why: &dyn std::fmt::Display| AnswerError::Wrong(format!("`{name}`: {why}"));
    let Some(text) = text else {
        return Ok(Map::new());
    };
    let checked = json::check_dict(text.as_bytes(), json::Rules::Strict);
    let dict = Dict::from_checked(checked.map_err(|error| wrong(&error))?);
    serde_json::from_slice(dict.as_bytes()).map_err(|error| wrong(&error))
}
