//! Answers that take more than one turn: lists of everything, past events, and ends of many
//! sessions.
//!
//! The things listed may change between two turns: the answer has those that were there when they
//! were looked at.

use std::sync::Arc;

use serde_json::Value;

use crate::codec::{Dict, PayloadRef, TooLarge};
use crate::protocol::message::{CallResult, code};
use crate::protocol::uri::Match;

use super::super::broker::Subscribers;
use super::super::event_store::History;
use super::super::options::Set;
use super::super::pattern::{Place, Table};
use super::super::peer::{Peer, WakeList};
use super::super::realm::State;
use super::super::request::Refusal;
use super::super::roles::Kind;
use super::super::turn::{ACT, LOOK, Turn};
use super::Answer;

/// An answer that is not complete.
#[derive(Debug)]
pub(in crate::router) struct Listing {
    pub(super) asker: Arc<Peer>,
    pub(super) request: u64,
    pub(super) work: Work,
    /// Everything has been looked at.
    pub(super) is_complete: bool,
}

/// The matter of an answer.
#[derive(Debug)]
pub(super) enum Work {
    Sessions { roles: Option<Set<String>>, next: u64, ids: Vec<u64>, form: Form },
    Entries { kind: Kind, next: u64, lists: [Vec<u64>; 3] },
    Subscribers { subscription: u64, next: u64, ids: Vec<u64> },
    Topics { topic: String, place: Place, ids: Vec<u64> },
    Kill(Kill),
    History(Box<History>),
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Count,
    List,
    /// None without any.
    Nothing,
}

/// The end of sessions.
#[derive(Debug)]
pub(super) struct Kill {
    pub(super) who: Who,
    pub(super) reason: String,
    pub(super) message: Option<String>,
    /// The first session that is to be looked at.
    pub(super) next: u64,
    /// Those that were ended.
    pub(super) ids: Vec<u64>,
    pub(super) form: Form,
}

/// The sessions that are to end.
#[derive(Debug)]
pub(super) enum Who {
    Session(u64),
    Authid(String),
    Authrole(String),
    All,
}

/// The number of ids that may be sorted and written under the lock.
const FEW: usize = 1000;

/// The order of the lists of [`Work::Entries`].
const MATCHES: [Match; 3] = [Match::Exact, Match::Prefix, Match::Wildcard];

impl Listing {
    /// Goes on with the answer, and sends it if it is complete and short. Tells if all is done.
    pub(in crate::router) fn go_on(
        &mut self,
        state: &mut State,
        wakes: &mut WakeList,
        turn: &mut Turn,
    ) -> bool {
        if !self.is_complete {
            self.is_complete = self.look(state, wakes, turn);
        }
        if self.is_complete && self.is_short() {
            self.send(wakes);
            return true;
        }
        false
    }

    /// Does what needs no lock, before the next turn. Tells if all is done.
    pub(in crate::router) fn prepare(&mut self, wakes: &mut WakeList) -> bool {
        if let Work::History(history) = &mut self.work {
            history.write();
            let (size, limit) = (history.len(), self.asker.takes());
            if size > limit {
                let error = Refusal::unsendable(TooLarge { size, limit }.into());
                self.asker.send(wakes, |out| error.write(code::CALL, self.request, out));
                return true;
            }
        }
        if self.is_complete {
            self.send(wakes);
        }
        self.is_complete
    }

    fn is_short(&self) -> bool {
        match &self.work {
            Work::Sessions { form: Form::Count, .. }
            | Work::Kill(Kill { form: Form::Count, .. }) => true,
            Work::Sessions { ids, .. }
            | Work::Subscribers { ids, .. }
            | Work::Topics { ids, .. }
            | Work::Kill(Kill { ids, .. }) => ids.len() <= FEW,
            Work::Entries { lists, .. } => lists.iter().map(Vec::len).sum::<usize>() <= FEW,
            Work::History(history) => history.is_short(),
        }
    }

    /// Looks at what fits into the turn; true when that was all.
    fn look(&mut self, state: &mut State, wakes: &mut WakeList, turn: &mut Turn) -> bool {
        let asker = &self.asker;
        match &mut self.work {
            Work::Sessions { roles, next, ids, .. } => {
                for (id, member) in state.sessions.range(*next..) {
                    if turn.is_over() {
                        *next = *id;
                        return false;
                    }
                    turn.spend(LOOK);
                    let role = &member.peer.identity().authrole;
                    if roles.as_ref().is_none_or(|roles| roles.contains(role)) {
                        ids.push(*id);
                    }
                }
                true
            }
            Work::Entries { kind: Kind::Topic, next, lists } => {
                list(state.broker.subscriptions(), asker, Kind::Topic, next, lists, turn)
            }
            Work::Entries { kind: Kind::Procedure, next, lists } => {
                list(state.dealer.registrations(), asker, Kind::Procedure, next, lists, turn)
            }
            Work::Subscribers { subscription, next, ids } => {
                let entry = state.broker.subscriptions().by_id(*subscription);
                for (number, peer) in entry.into_iter().flat_map(|entry| entry.value.from(*next)) {
                    if turn.is_over() {
                        *next = number;
                        return false;
                    }
                    turn.spend(LOOK);
                    ids.push(peer.id());
                }
                true
            }
            Work::Topics { topic, place, ids } => {
                match_topic(state.broker.subscriptions(), asker, topic, place, ids, turn)
            }
            Work::Kill(kill) => kill.one(state, asker, wakes, turn),
            Work::History(history) => {
                state.broker.events().look_up(history, asker, turn);
                if history.is_short() {
                    history.write();
                }
                history.is_complete()
            }
        }
    }

    fn send(&mut self, wakes: &mut WakeList) {
        let answer = match &mut self.work {
            Work::Sessions { ids, form, .. } | Work::Kill(Kill { ids, form, .. }) => {
                form.answer(ids)
            }
            Work::Subscribers { ids, .. } => {
                ids.sort_unstable();
                Form::List.answer(ids)
            }
            Work::Topics { ids, .. } if ids.is_empty() => Answer::One(Value::Null),
            Work::Topics { ids, .. } => Form::List.answer(ids),
            Work::Entries { lists, .. } => {
                let lists = MATCHES
                    .iter()
                    .zip(&*lists)
                    .map(|(matching, ids)| format!("\"{}\":{}", matching.name(), text(ids)));
                let lists: Vec<String> = lists.collect();
                Answer::List(format!("[{{{}}}]", lists.join(",")).into_bytes())
            }
            Work::History(history) => Answer::List(history.finish()),
        };
        answer.send(&self.asker, self.request, wakes);
    }
}

impl Form {
    fn answer(self, ids: &[u64]) -> Answer {
        match self {
            Form::Count => Answer::One(ids.len().into()),
            Form::List => Answer::List(format!("[{}]", text(ids)).into_bytes()),
            Form::Nothing => Answer::One(Value::Null),
        }
    }
}

impl Kill {
    /// Ends the next one; true if there is none.
    fn one(
        &mut self,
        state: &mut State,
        asker: &Peer,
        wakes: &mut WakeList,
        turn: &mut Turn,
    ) -> bool {
        if matches!(self.who, Who::Session(id) if id < self.next) {
            return true;
        }
        let found = state.sessions.range(self.next..).find_map(|(id, member)| {
            turn.spend(LOOK);
            let is_meant = *id != asker.id() && self.who.is(&member.peer);
            (is_meant || turn.is_over()).then(|| (member.peer.clone(), is_meant))
        });
        let Some((peer, is_meant)) = found else {
            return true;
        };
        self.next = peer.id() + 1;
        if is_meant {
            turn.spend(ACT);
            self.ids.push(peer.id());
            peer.say_goodbye(&self.reason, self.message.as_deref());
            state.leave(&peer, wakes, turn);
        }
        // Its departure comes first.
        false
    }
}

impl Who {
    fn is(&self, peer: &Peer) -> bool {
        match self {
            Who::Session(id) => *id == peer.id(),
            Who::Authid(authid) => *authid == peer.identity().authid,
            Who::Authrole(authrole) => *authrole == peer.identity().authrole,
            Who::All => true,
        }
    }
}

impl Answer {
    /// Sends the RESULT, or the ERROR if the asker does not take one as large.
    pub(super) fn send(&self, asker: &Arc<Peer>, request: u64, wakes: &mut WakeList) {
        let text;
        let args = match self {
            Answer::One(value) => {
                text = format!("[{value}]");
                text.as_bytes()
            }
            Answer::List(list) => list,
        };
        let payload = PayloadRef { args: Some(args), ..PayloadRef::NONE };
        let result = CallResult { request, details: Dict::EMPTY, payload };
        if let Err(error) = asker.try_send(wakes, |out| result.write(out)) {
            let error = Refusal::unsendable(error);
            asker.send(wakes, |out| error.write(code::CALL, request, out));
        }
    }
}

/// The ids of the subscriptions that a topic meets and that the asker may know of.
fn match_topic(
    table: &Table<Subscribers>,
    asker: &Peer,
    topic: &str,
    place: &mut Place,
    ids: &mut Vec<u64>,
    turn: &mut Turn,
) -> bool {
    let permissions = &asker.identity().permissions;
    if *place == Place::Exact {
        ids.extend(table.exact(topic).map(|entry| entry.id));
        *place = Place::Prefix(0);
    }
    let mut matches = table.matches(topic, *place);
    while !turn.is_over() {
        let seen = matches.visited();
        let found = matches.next(seen + turn.left());
        turn.spend(LOOK * (matches.visited() - seen));
        let Some(entry) = found else { break };
        turn.spend(ACT);
        if permissions.sees(Kind::Topic, &entry.uri, entry.matching) {
            ids.push(entry.id);
        }
    }
    *place = matches.place();
    *place == Place::End
}

/// The ids of the entries that the asker may know of, by how they match.
fn list<T>(
    table: &Table<T>,
    asker: &Peer,
    kind: Kind,
    next: &mut u64,
    lists: &mut [Vec<u64>; 3],
    turn: &mut Turn,
) -> bool {
    let permissions = &asker.identity().permissions;
    for entry in table.entries_from(*next) {
        if turn.is_over() {
            *next = entry.id;
            return false;
        }
        turn.spend(ACT);
        if permissions.sees(kind, &entry.uri, entry.matching) {
            let list = MATCHES.iter().position(|matching| *matching == entry.matching);
            lists[list.unwrap_or_default()].push(entry.id);
        }
    }
    true
}

/// A list of numbers as JSON.
fn text(ids: &[u64]) -> String {
    let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
    format!("[{}]", ids.join(","))
}
