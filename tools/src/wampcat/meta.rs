//! `wampcat meta`: who and what is on the router, asked for by the meta API.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use wamp::facade::client::{Call, Message, Parts, Reply};
use wamp_tools::Failure;

use crate::cli::{Global, MetaWhat};
use crate::link::{Link, within};
use crate::options::{Lasting, settings};
use crate::signals::{Signals, interrupted};
use crate::table::{self, cell};
use crate::voice::{Voice, from_client};

/// Questions that are on their way at the same time.
const AHEAD: usize = 64;

/// Asks, and shows the answers.
pub async fn run(
    global: &Global,
    what: &MetaWhat,
    voice: Voice,
    signals: Signals,
) -> Result<(), Failure> {
    let settings = settings(global, Lasting::Once)?;
    let mut link = Link::open(&settings, voice, signals).await?;
    let shown = match what {
        MetaWhat::Sessions { id: None } => sessions(&mut link).await,
        MetaWhat::Sessions { id: Some(id) } => session(&mut link, *id).await,
        MetaWhat::Registrations { which: None } => PROCEDURES.list(&mut link).await,
        MetaWhat::Registrations { which: Some(which) } => PROCEDURES.one(&mut link, which).await,
        MetaWhat::Subscriptions { which: None } => TOPICS.list(&mut link).await,
        MetaWhat::Subscriptions { which: Some(which) } => TOPICS.one(&mut link, which).await,
    };
    link.close().await;
    shown
}

async fn sessions(link: &mut Link) -> Result<(), Failure> {
    let ids = ask(link, "wamp.session.list", &json!([])).await?;
    let ids: Vec<Value> = ids.as_array().cloned().unwrap_or_default();
    let questions = ids.iter().map(|id| ("wamp.session.get".to_owned(), json!([id])));
    let details = ask_all(link, questions.collect()).await?;
    let me = link.welcome.session;
    let rows = ids.iter().zip(details).map(|(id, details)| {
        let transport = &details["transport"];
        // Routers say it in different words.
        let peer = [&transport["peer"], &details["peer"], &transport["type"]];
        let peer = peer.into_iter().find(|value| value.is_string()).unwrap_or(&Value::Null);
        vec![
            cell(id),
            cell(&details["authid"]),
            cell(&details["authrole"]),
            cell(&details["authmethod"]),
            cell(peer),
            if id.as_u64() == Some(me) { "this one" } else { "" }.to_owned(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    show(link, &["SESSION", "AUTHID", "ROLE", "METHOD", "PEER", ""], &rows)
}

async fn session(link: &mut Link, id: u64) -> Result<(), Failure> {
    let details = ask(link, "wamp.session.get", &json!([id])).await?;
    show_details(link, &details)
}

/// Registrations or subscriptions, which the meta API treats alike.
struct Kind {
    /// The beginning of the procedures.
    api: &'static str,
    count: &'static str,
    list: &'static str,
    /// The head of the column of sessions.
    sessions: &'static str,
}

const PROCEDURES: Kind = Kind {
    api: "wamp.registration",
    count: "count_callees",
    list: "list_callees",
    sessions: "CALLEES",
};

const TOPICS: Kind = Kind {
    api: "wamp.subscription",
    count: "count_subscribers",
    list: "list_subscribers",
    sessions: "SUBSCRIBERS",
};

impl Kind {
    async fn list(&self, link: &mut Link) -> Result<(), Failure> {
        let lists = ask(link, &format!("{}.list", self.api), &json!([])).await?;
        let ids: Vec<Value> = ["exact", "prefix", "wildcard"]
            .into_iter()
            .flat_map(|kind| lists[kind].as_array().cloned().unwrap_or_default())
            .collect();
        let question = |name: &str| {
            let uri = format!("{}.{name}", self.api);
            ids.iter().map(|id| (uri.clone(), json!([id]))).collect()
        };
        let details = ask_all(link, question("get")).await?;
        let counts = ask_all(link, question(self.count)).await?;
        let rows = ids.iter().zip(details).zip(counts).map(|((id, details), count)| {
            let mut row = vec![cell(id), cell(&details["uri"]), cell(&details["match"])];
            if self.api == PROCEDURES.api {
                row.push(cell(&details["invoke"]));
            }
            row.push(cell(&count));
            row
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by(|a, b| a[1].cmp(&b[1]));
        let head: &[&str] = match self.api == PROCEDURES.api {
            true => &["ID", "PROCEDURE", "MATCH", "INVOKE", self.sessions],
            false => &["ID", "TOPIC", "MATCH", self.sessions],
        };
        show(link, head, &rows)
    }

    async fn one(&self, link: &mut Link, which: &str) -> Result<(), Failure> {
        let id = match which.parse::<u64>() {
            Ok(id) => json!(id),
            Err(_) => self.lookup(link, which).await?,
        };
        let mut details = ask(link, &format!("{}.get", self.api), &json!([id])).await?;
        let sessions = ask(link, &format!("{}.{}", self.api, self.list), &json!([id])).await?;
        details[self.sessions.to_lowercase()] = sessions;
        show_details(link, &details)
    }

    /// The id of what has this URI, with whatever it matches.
    async fn lookup(&self, link: &mut Link, uri: &str) -> Result<Value, Failure> {
        for matching in ["exact", "prefix", "wildcard"] {
            let question = json!([uri, {"match": matching}]);
            let id = ask(link, &format!("{}.lookup", self.api), &question).await?;
            if !id.is_null() {
                return Ok(id);
            }
        }
        let what = if self.api == PROCEDURES.api { "has registered" } else { "has subscribed to" };
        Err(Failure::new(format!("nobody {what} {uri}")))
    }
}

/// Asks one question, and gives the answer.
async fn ask(link: &mut Link, procedure: &str, args: &Value) -> Result<Value, Failure> {
    let parts = Parts { args: Some(args.to_string()), kwargs: None };
    let answer = link.call(procedure, &Map::new(), &parts, |_| ()).await?;
    Ok(value(&answer))
}

/// Asks many questions. What is gone by then, or is not told, has no answer.
async fn ask_all(link: &mut Link, questions: Vec<(String, Value)>) -> Result<Vec<Value>, Failure> {
    let mut questions = questions.into_iter();
    let (mut asked, mut answers) = (VecDeque::<Call>::new(), Vec::new());
    let mut signals = link.signals.clone();
    loop {
        for (procedure, args) in questions.by_ref().take(AHEAD - asked.len()) {
            let parts = Parts { args: Some(args.to_string()), kwargs: None };
            let call = link.client.call(&procedure, &Map::new(), &parts);
            asked.push_back(call.map_err(|why| from_client(&why))?);
        }
        let Some(mut call) = asked.pop_front() else {
            return Ok(answers);
        };
        let reply = tokio::select! {
            reply = within(link.timeout, call.next()) => reply?,
            signal = signals.wait() => return Err(interrupted(signal)),
        };
        answers.push(match reply {
            Some(Reply::Failed(..)) => Value::Null,
            reply => value(&link.result(reply)?),
        });
    }
}

/// The one argument of an answer; or its keyword arguments, as some routers give them.
fn value(answer: &Message) -> Value {
    let json = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or_default();
        serde_json::from_str::<Value>(text).unwrap_or_default()
    };
    match json(&answer.parts.args) {
        Value::Array(mut args) if !args.is_empty() => args.swap_remove(0),
        _ => json(&answer.parts.kwargs),
    }
}

fn show(link: &Link, head: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    if !link.voice.json {
        let lines = table::lines(head, rows, link.voice.out);
        return lines.iter().try_for_each(|line| link.voice.print(line));
    }
    for row in rows {
        let members = head.iter().zip(row).filter(|(name, _)| !name.is_empty());
        let members = members.map(|(name, cell)| {
            let number = cell.parse::<u64>().map(Value::from);
            let value = number.unwrap_or_else(|_| cell.as_str().into());
            (name.to_lowercase(), if cell == "-" { Value::Null } else { value })
        });
        let members: Map<String, Value> = members.collect();
        link.voice.print(&Value::Object(members).to_string())?;
    }
    Ok(())
}

fn show_details(link: &Link, details: &Value) -> Result<(), Failure> {
    match details.as_object().filter(|_| !link.voice.json) {
        Some(details) => {
            let rows: Vec<_> =
                details.iter().map(|(name, it)| vec![name.clone(), cell(it)]).collect();
            let lines = table::lines(&["DETAIL", "VALUE"], &rows, link.voice.out);
            lines.iter().try_for_each(|line| link.voice.print(line))
        }
        None => link.voice.print(&details.to_string()),
    }
}
