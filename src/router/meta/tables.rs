//! `wamp.registration.*` and `wamp.subscription.*`: what is registered and subscribed, and by whom.
//!
//! Entries that a client may not know of do not exist for it.

use serde_json::Value;

use crate::protocol::uri::{self, Match};

use super::super::event_store::Query;
use super::super::meta_event::{registration_details, subscription_details};
use super::super::options;
use super::super::pattern::{Entry, Place, Table};
use super::super::peer::WakeList;
use super::super::realm::State;
use super::super::request::{Fault, check_uri};
use super::super::roles::{Action, Kind};
use super::listing::Work;
use super::{Outcome, Question, one, work};

impl State {
    pub(super) fn registration_meta(
        &mut self,
        procedure: &str,
        question: &Question<'_>,
        wakes: &mut WakeList,
    ) -> Result<Option<Outcome>, Fault> {
        let table = self.dealer.registrations();
        let permissions = &question.from.identity().permissions;
        let named = || found(table, question, Kind::Procedure);
        let callees = || -> Result<Vec<u64>, Fault> {
            let callees = &named()?.value.callees;
            Ok(callees.iter().map(|callee| callee.peer.id()).collect())
        };
        match procedure {
            "wamp.registration.list" => work(entries(Kind::Procedure)),
            "wamp.registration.lookup" => one(lookup(table, question, Kind::Procedure)?),
            "wamp.registration.match" => {
                let uri = question.text(0, "a procedure")?;
                check_uri(uri)?;
                let known = permissions.sees(Kind::Procedure, uri, Match::Exact);
                let best = table.best(uri).filter(|_| known);
                let best = best.filter(|entry| question.sees(Kind::Procedure, entry));
                one(best.map(|entry| entry.id))
            }
            "wamp.registration.get" => one({
                let entry = named()?;
                registration_details(entry, entry.value.invoke.name())
            }),
            "wamp.registration.list_callees" => one(callees()?),
            "wamp.registration.count_callees" => one(named()?.value.callees.len()),
            "wamp.registration.remove_callee" => {
                let (id, session, reason) = revocation(question, uri::UNREGISTERED)?;
                let entry = table.by_id(id);
                let known = entry.is_some_and(|entry| question.sees(Kind::Procedure, entry));
                if !known || !self.dealer.revoke(session, id, reason, wakes) {
                    let why = format!("session {session} has no registration {id}");
                    return Err(Fault::refused(uri::NO_SUCH_REGISTRATION, why));
                }
                one(Value::Null)
            }
            _ => Ok(None),
        }
    }

    pub(super) fn subscription_meta(
        &mut self,
        procedure: &str,
        question: &Question<'_>,
        wakes: &mut WakeList,
    ) -> Result<Option<Outcome>, Fault> {
        let table = self.broker.subscriptions();
        let permissions = &question.from.identity().permissions;
        let named = || found(table, question, Kind::Topic);
        match procedure {
            "wamp.subscription.list" => work(entries(Kind::Topic)),
            "wamp.subscription.lookup" => one(lookup(table, question, Kind::Topic)?),
            "wamp.subscription.match" => {
                let uri = question.text(0, "a topic")?;
                check_uri(uri)?;
                if !permissions.sees(Kind::Topic, uri, Match::Exact) {
                    return one(Value::Null);
                }
                let (topic, place) = (uri.to_owned(), Place::default());
                work(Work::Topics { topic, place, ids: Vec::new() })
            }
            "wamp.subscription.get" => one(subscription_details(named()?)),
            "wamp.subscription.list_subscribers" => {
                work(Work::Subscribers { subscription: named()?.id, next: 0, ids: Vec::new() })
            }
            "wamp.subscription.count_subscribers" => one(named()?.value.len()),
            "wamp.subscription.get_events" => {
                let query = Query::read(&question.kwargs)?;
                let entry = named()?;
                permissions.check_all(Action::Subscribe, &entry.uri, entry.matching)?;
                let history = self.broker.events().history(entry, query);
                work(Work::History(Box::new(history)))
            }
            "wamp.subscription.remove_subscriber" => {
                let (id, session, reason) = revocation(question, uri::UNSUBSCRIBED)?;
                let entry = table.by_id(id);
                let known = entry.is_some_and(|entry| question.sees(Kind::Topic, entry));
                if !known || !self.broker.revoke(session, id, reason, wakes) {
                    let why = format!("session {session} has no subscription {id}");
                    return Err(Fault::refused(uri::NO_SUCH_SUBSCRIPTION, why));
                }
                one(Value::Null)
            }
            _ => Ok(None),
        }
    }
}

/// The ids of all entries, by how they match.
fn entries(kind: Kind) -> Work {
    Work::Entries { kind, next: 0, lists: Default::default() }
}

/// `[uri, {"match": ...}]`: the id of what was registered or subscribed in just this way.
fn lookup<T>(table: &Table<T>, question: &Question<'_>, kind: Kind) -> Result<Option<u64>, Fault> {
    let uri = question.text(0, "a URI")?;
    let options = options::dict(question.args.get(1), "argument 2 must be a dict of options")?;
    let matching = match options.and_then(|options| options.get("match")) {
        Some(name) => options::read_match(b"match", name.to_string().as_bytes())?,
        None => Match::Exact,
    };
    let found = table.find(uri, matching).filter(|entry| question.sees(kind, entry));
    Ok(found.map(|entry| entry.id))
}

/// The entry with the id that is the first argument.
fn found<'t, T>(
    table: &'t Table<T>,
    question: &Question<'_>,
    kind: Kind,
) -> Result<&'t Entry<T>, Fault> {
    let (what, error) = match kind {
        Kind::Procedure => ("registration", uri::NO_SUCH_REGISTRATION),
        Kind::Topic => ("subscription", uri::NO_SUCH_SUBSCRIPTION),
    };
    let id = question.id(0, &format!("the id of a {what}"))?;
    let missing = || Fault::refused(error, format!("there is no {what} {id}"));
    table.by_id(id).filter(|entry| question.sees(kind, entry)).ok_or_else(missing)
}

/// `[id, session]`, and keyword `reason`: whose registration or subscription is to end, and why.
fn revocation<'q>(
    question: &'q Question<'_>,
    default: &'q str,
) -> Result<(u64, u64, &'q str), Fault> {
    let id = question.id(0, "the id of a registration or subscription")?;
    let session = question.id(1, "a session id")?;
    let reason = question.keyword("reason")?.unwrap_or(default);
    check_uri(reason)?;
    Ok((id, session, reason))
}
