//! `wamp.session.*`: who is there, who is to go, and what sessions leave behind.

use serde_json::{Map, Value, json};

use super::super::options;
use super::super::peer::{Peer, WakeList};
use super::super::realm::State;
use super::super::request::{Fault, check_length, check_uri};
use super::super::roles::Action;
use super::{ADD_TESTAMENT, Answer, Question, one};
use crate::protocol::uri;

impl State {
    pub(super) fn session_meta(
        &mut self,
        procedure: &str,
        question: &Question<'_>,
        wakes: &mut WakeList,
    ) -> Result<Option<Answer>, Fault> {
        match procedure {
            "wamp.session.count" => one(self.sessions_of(question)?.len()),
            "wamp.session.list" => one(self.sessions_of(question)?),
            "wamp.session.get" => {
                let id = question.id(0, "a session id")?;
                let member = self.sessions.get(&id).ok_or_else(|| no_such_session(id))?;
                one(session_details(&member.peer))
            }
            "wamp.session.kill" => {
                let id = question.id(0, "a session id")?;
                let others = self.others(question, |peer| peer.id() == id);
                if others.is_empty() {
                    return Err(no_such_session(id));
                }
                self.kill(&others, question, wakes)?;
                one(Value::Null)
            }
            "wamp.session.kill_by_authid" => {
                let authid = question.text(0, "an authid")?;
                let others = self.others(question, |peer| peer.identity().authid == authid);
                self.kill(&others, question, wakes)?;
                one(others)
            }
            "wamp.session.kill_by_authrole" => {
                let authrole = question.text(0, "an authrole")?;
                let others = self.others(question, |peer| peer.identity().authrole == authrole);
                self.kill(&others, question, wakes)?;
                one(others.len())
            }
            "wamp.session.kill_all" => {
                let others = self.others(question, |_| true);
                self.kill(&others, question, wakes)?;
                one(others.len())
            }
            ADD_TESTAMENT => {
                if let Some(topic) = question.args.first().and_then(Value::as_str) {
                    check_length(topic)?;
                    question.from.identity().permissions.check(Action::Publish, topic)?;
                }
                if let Some(member) = self.sessions.get_mut(&question.from.id()) {
                    member.testaments.add(&question.args, &question.kwargs)?;
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

    /// The ids of all sessions, or of those with the roles that the first argument lists.
    fn sessions_of(&self, question: &Question<'_>) -> Result<Vec<u64>, Fault> {
        let roles = match question.args.first() {
            None => None,
            Some(list) => options::texts(b"filter_authroles", list.to_string().as_bytes())?,
        };
        let is_wanted = |peer: &Peer| {
            roles.as_ref().is_none_or(|roles| roles.contains(&peer.identity().authrole))
        };
        let members = self.sessions.values();
        let mut ids: Vec<u64> = members
            .filter(|member| is_wanted(&member.peer))
            .map(|member| member.peer.id())
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// The sessions that are to be killed; nobody kills itself.
    fn others(&self, question: &Question<'_>, is_meant: impl Fn(&Peer) -> bool) -> Vec<u64> {
        let mut ids: Vec<u64> = self
            .sessions
            .values()
            .filter(|member| member.peer.id() != question.from.id() && is_meant(&member.peer))
            .map(|member| member.peer.id())
            .collect();
        ids.sort_unstable();
        ids
    }

    fn kill(
        &mut self,
        ids: &[u64],
        question: &Question<'_>,
        wakes: &mut WakeList,
    ) -> Result<(), Fault> {
        let reason = question.keyword("reason")?.unwrap_or(uri::CLOSE_KILLED);
        check_uri(reason)?;
        let message = question.keyword("message")?;
        for id in ids {
            if let Some(member) = self.sessions.get(id) {
                let peer = member.peer.clone();
                peer.say_goodbye(reason, message);
                self.leave(&peer, wakes);
            }
        }
        Ok(())
    }
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
