//! The ruling on a request of a client: the authorizer of its role is asked first, a procedure of
//! some client, and then the program.
//!
//! If both are asked, both have to allow it. A failure to answer, in
//! time and as one should, is a refusal.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::protocol::uri;

use super::asking::QuestionKind;
use super::host::{Answer, Desk, Permit};
use super::meta::session_details;
use super::peer::Peer;
use super::procedure::Procedure;
use super::realm::{RealmSession, Realms};
use super::request::Refusal;
use super::rulings::{Inquiry, Ruling};

/// A client, and who is asked about it.
pub(super) struct Authorization {
    desk: Arc<Desk>,
    realms: Arc<Realms>,
    peer: Arc<Peer>,
    realm: String,
    authorizer: Option<Arc<Procedure>>,
}

/// The ruling, and whether it holds for the rest of the session.
pub(super) struct Decision {
    pub(super) inquiry: Inquiry,
    pub(super) ruling: Ruling,
    pub(super) keep: bool,
}

/// A word on a request.
type Word = Result<Permit, Refused>;

/// A refusal that may hold for the rest of the session.
struct Refused {
    refusal: Refusal,
    keep: bool,
}

impl Authorization {
    pub(super) fn new(desk: &Arc<Desk>, session: &RealmSession) -> Authorization {
        Authorization {
            desk: desk.clone(),
            realms: session.realms().clone(),
            peer: session.peer().clone(),
            realm: session.name().to_owned(),
            authorizer: session.authorizer().cloned(),
        }
    }

    /// Asks all who are to be asked.
    pub(super) async fn decide(self, inquiry: Inquiry) -> Decision {
        let mut permit = Permit { cache: true, disclose: false };
        let asks_program = self.desk.wants(QuestionKind::Action);
        let words = [self.authorizer.is_some(), asks_program];
        for (which, is_asked) in words.into_iter().enumerate() {
            if !is_asked {
                continue;
            }
            let word = match which {
                0 => self.ask_procedure(&inquiry).await,
                _ => self.ask_program(&inquiry).await,
            };
            match word {
                Ok(word) => {
                    permit.cache &= word.cache;
                    permit.disclose |= word.disclose;
                }
                Err(Refused { refusal, keep }) => {
                    return Decision { inquiry, ruling: Ruling::Denied(refusal), keep };
                }
            }
        }
        let ruling = Ruling::Allowed { disclose: permit.disclose };
        // Where nobody was asked this time, somebody may be the next.
        Decision { inquiry, ruling, keep: permit.cache && words.contains(&true) }
    }

    async fn ask_program(&self, inquiry: &Inquiry) -> Word {
        let mut details = Map::new();
        details.insert("action".to_owned(), json!(inquiry.action.name()));
        details.insert("uri".to_owned(), json!(inquiry.uri));
        details.insert("match".to_owned(), json!(inquiry.matching.name()));
        details.insert("options".to_owned(), options(inquiry));
        details.append(&mut self.client());
        let (session, uri) = (self.peer.id(), inquiry.uri.clone());
        let details = Value::Object(details).to_string();
        match self.desk.ask(QuestionKind::Action, session, uri, details).await {
            Answer::Allow(permit) => Ok(permit),
            Answer::Deny { reason, message } => {
                let usual = || denied(inquiry);
                let reason = reason.map_or(Cow::Borrowed(uri::NOT_AUTHORIZED), Cow::Owned);
                let refusal = Refusal::new(reason, message.unwrap_or_else(usual));
                Err(Refused { refusal, keep: false })
            }
            Answer::Unanswered(why) => Err(failed(why)),
            Answer::LetIn(_) | Answer::Challenge { .. } => Err(failed("it is no such question")),
        }
    }

    /// Calls the authorizer with `(session, uri, action, options)`. It answers true or false, or
    /// `{"allow", "disclose", "cache"}`. Who has registered it is not asked about itself.
    async fn ask_procedure(&self, inquiry: &Inquiry) -> Word {
        let Some(authorizer) = &self.authorizer else {
            return Ok(Permit { cache: true, disclose: false });
        };
        let realm = authorizer.realm.as_deref().unwrap_or(&self.realm);
        if self.realms.serves(realm, &authorizer.uri, self.peer.id()) {
            return Ok(Permit::default());
        }
        let mut told = options(inquiry);
        told["match"] = json!(inquiry.matching.name());
        let args = json!([self.client(), inquiry.uri, inquiry.action.name(), told]);
        let called = self.realms.call(realm, &authorizer.uri, &args);
        let answer = match tokio::time::timeout(self.desk.limit(), called).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => return Err(failed("the authorizer has failed")),
            Err(_) => return Err(failed("the authorizer has not answered in time")),
        };
        read_answer(&answer, inquiry)
    }

    /// The client as those who are asked see it.
    fn client(&self) -> Map<String, Value> {
        let mut client = session_details(&self.peer);
        client.insert("realm".to_owned(), json!(self.realm));
        client
    }
}

fn read_answer(answer: &Value, inquiry: &Inquiry) -> Word {
    let wrong = || failed("the authorizer has answered neither true or false nor {\"allow\"}");
    let (allow, permit) = match answer {
        Value::Bool(allow) => (*allow, Permit::default()),
        Value::Object(entries) => {
            let flag = |key: &str| match entries.get(key) {
                None | Some(Value::Null) => Ok(false),
                Some(value) => value.as_bool().ok_or_else(wrong),
            };
            let allow = entries.get("allow").and_then(Value::as_bool).ok_or_else(wrong)?;
            (allow, Permit { cache: flag("cache")?, disclose: flag("disclose")? })
        }
        _ => return Err(wrong()),
    };
    if allow {
        return Ok(permit);
    }
    let refusal = Refusal::new(uri::NOT_AUTHORIZED, denied(inquiry));
    Err(Refused { refusal, keep: permit.cache })
}

fn options(inquiry: &Inquiry) -> Value {
    let options: Option<Map<_, _>> = serde_json::from_str(&inquiry.options).ok();
    Value::Object(options.unwrap_or_default())
}

fn denied(inquiry: &Inquiry) -> String {
    format!("this client may not {} \"{}\"", inquiry.action.name(), inquiry.uri)
}

fn failed(why: &str) -> Refused {
    let refusal = Refusal::new(uri::AUTHORIZATION_FAILED, why.to_owned());
    Refused { refusal, keep: false }
}
