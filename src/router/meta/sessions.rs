//! `wamp.session.*`: who is there, who is to go, and what sessions leave behind.

use serde_json::{Map, Value, json};

use super::super::options;
use super::super::peer::Peer;
use super::super::realm::State;
use super::super::request::{Fault, check_length, check_uri};
use super::super::roles::Action;
use super::listing::{Form, Kill, Who, Work};
use super::{ADD_TESTAMENT, Outcome, Question, one, work};
use crate::protocol::uri;

impl State {
    pub(super) fn session_meta(
        &mut self,
        procedure: &str,
        question: &Question<'_>,
    ) -> Result<Option<Outcome>, Fault> {
        match procedure {
            "wamp.session.count" => work(sessions(question, Form::Count)?),
            "wamp.session.list" => work(sessions(question, Form::List)?),
            "wamp.session.get" => {
                let id = question.id(0, "a session id")?;
                let member = self.sessions.get(&id).ok_or_else(|| no_such_session(id))?;
                one(session_details(&member.peer))
            }
            "wamp.session.kill" => {
                let id = question.id(0, "a session id")?;
                if id == question.from.id() || !self.sessions.contains_key(&id) {
                    return Err(no_such_session(id));
                }
                work(kill(question, Who::Session(id), Form::Nothing)?)
            }
            "wamp.session.kill_by_authid" => {
                let authid = question.text(0, "an authid")?.to_owned();
                work(kill(question, Who::Authid(authid), Form::List)?)
            }
            "wamp.session.kill_by_authrole" => {
                let authrole = question.text(0, "an authrole")?.to_owned();
                work(kill(question, Who::Authrole(authrole), Form::Count)?)
            }
            "wamp.session.kill_all" => work(kill(question, Who::All, Form::Count)?),
            ADD_TESTAMENT => {
                if let Some(topic) = question.args.first().and_then(Value::as_str) {
                    check_length(topic)?;
                    question.from.identity().permissions.check(Action::Publish, topic)?;
                }
                if let Some(member) = self.sessions.get_mut(&question.from.id()) {
                    let limit = &self.limits.max_testament_bytes;
                    member.testaments.add(&question.args, &question.kwargs, limit)?;
                }
                one(Value::Null)
            }
            "wamp.session.flush_testaments" => {
                let member = self.sessions.get_mut(&question.from.id());
                let flushed = member.map(|member| member.testaments.flush(&question.kwargs));
                one(flushed.transpose()?.unwrap_or(0))
            }
            _ => Ok(None),
        }
    }
}

/// All sessions, or those with the roles that the first argument lists.
fn sessions(question: &Question<'_>, form: Form) -> Result<Work, Fault> {
    let roles = match question.args.first() {
        None => None,
        Some(list) => options::texts(b"filter_authroles", list.to_string().as_bytes())?,
    };
    Ok(Work::Sessions { roles, next: 0, ids: Vec::new(), form })
}

/// The end of the sessions that are meant; nobody kills itself.
fn kill(question: &Question<'_>, who: Who, form: Form) -> Result<Work, Fault> {
    let reason = question.keyword("reason")?.unwrap_or(uri::CLOSE_KILLED);
    check_uri(reason)?;
    let (reason, message) = (reason.to_owned(), question.keyword("message")?.map(str::to_owned));
    let next = if let Who::Session(id) = who { id } else { 0 };
    Ok(Work::Kill(Kill { who, next, reason, message, ids: Vec::new(), form }))
}

/// The details of a session in the meta API.
pub(in crate::router) fn session_details(peer: &Peer) -> Map<String, Value> {
    let mut details = peer.identity().describe();
    details.insert("session".to_owned(), json!(peer.id()));
    details
}

fn no_such_session(id: u64) -> Fault {
    Fault::refused(uri::NO_SUCH_SESSION, format!("there is no other session {id}"))
}
