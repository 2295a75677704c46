//! Testaments: what the router publishes for a session when it has ended (advanced profile,
//! "Testament").

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use crate::codec::{Dict, Encoding, Payload, PayloadRef};
use crate::protocol::uri::{self, Match};

use super::limits::Limit;
use super::options::dict;
use super::peer::Peer;
use super::publication::{Publication, PublishOptions};
use super::request::{Fault, check_own_uri};

/// The testaments of a session.
#[derive(Debug, Default)]
pub(super) struct Testaments {
    all: VecDeque<Testament>,
    bytes: usize,
}

/// The occasion on which a testament is published. A session of this router is never detached
/// without being destroyed, so that both kinds are published together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Detached,
    Destroyed,
}

/// A publication to be made for a session.
#[derive(Debug)]
pub(super) struct Testament {
    scope: Scope,
    topic: String,
    options: String,
    payload: Payload,
}

impl Testaments {
    /// `wamp.session.add_testament`: args `[topic, args, kwargs]`, kwargs `publish_options` and
    /// `scope`.
    pub(super) fn add(
        &mut self,
        args: &[Value],
        kwargs: &Map<String, Value>,
        limit: &Limit,
    ) -> Result<(), Fault> {
        let Some(topic) = args.first().and_then(Value::as_str) else {
            return Err(wrong("the first argument must be the topic of the testament"));
        };
        check_own_uri(topic, Match::Exact)?;
        let options = dict(kwargs.get("publish_options"), "\"publish_options\" must be a dict")?;
        let options = json!(options.unwrap_or(&Map::new())).to_string();
        if PublishOptions::read(Dict::from_checked(options.as_bytes())).is_err() {
            return Err(wrong("\"publish_options\" holds an option of the wrong type"));
        }
        let args_of = match args.get(1) {
            None | Some(Value::Null) => None,
            Some(args @ Value::Array(_)) => Some(args.to_string()),
            Some(_) => {
                return Err(wrong("the second argument must be the testament's args, a list"));
            }
        };
        let kwargs_of =
            dict(args.get(2), "the third argument must be the testament's kwargs, a dict")?;
        let kwargs_of = kwargs_of.filter(|kwargs| !kwargs.is_empty());
        let kwargs_of = kwargs_of.map(|kwargs| json!(kwargs).to_string());
        let payload = Payload::copied(PayloadRef {
            args: args_of.as_deref().map(str::as_bytes),
            kwargs: kwargs_of.as_deref().map(str::as_bytes),
            encoding: Encoding::Json,
        });
        let scope = scope(kwargs)?;
        let testament = Testament { scope, topic: topic.to_owned(), options, payload };
        let bytes = self.bytes + testament.size();
        limit.check(bytes.saturating_sub(1))?;
        self.bytes = bytes;
        self.all.push_back(testament);
        Ok(())
    }

    /// `wamp.session.flush_testaments`: tells how many are gone.
    pub(super) fn flush(&mut self, kwargs: &Map<String, Value>) -> Result<usize, Fault> {
        let scope = scope(kwargs)?;
        let before = self.all.len();
        self.all.retain(|testament| testament.scope != scope);
        self.bytes = self.all.iter().map(Testament::size).sum();
        Ok(before - self.all.len())
    }

    /// The next one to be published.
    pub(super) fn pop(&mut self) -> Option<Testament> {
        self.all.pop_front()
    }
}

impl Testament {
    /// About how many bytes it takes.
    fn size(&self) -> usize {
        let texts = self.topic.len() + self.options.len() + self.payload.frame().len();
        size_of::<Testament>() + texts
    }

    /// The publication to make for `author`.
    pub(super) fn publication(&self, author: &Peer, discloses: bool) -> Option<Publication<'_>> {
        let options = Dict::from_checked(self.options.as_bytes());
        let options = PublishOptions::read(options).ok()?;
        let publisher = (discloses || options.disclose_me).then_some(author);
        let payload = self.payload.as_ref();
        let publication = Publication::new(&self.topic, payload, options, None, publisher);
        Some(publication.in_frame(self.payload.frame()))
    }
}

fn scope(kwargs: &Map<String, Value>) -> Result<Scope, Fault> {
    match kwargs.get("scope") {
        None | Some(Value::Null) => Ok(Scope::Destroyed),
        Some(Value::String(name)) if name == "destroyed" => Ok(Scope::Destroyed),
        Some(Value::String(name)) if name == "detached" => Ok(Scope::Detached),
        Some(_) => Err(wrong("\"scope\" must be \"destroyed\" or \"detached\"")),
    }
}

fn wrong(why: &str) -> Fault {
    Fault::refused(uri::INVALID_ARGUMENT, why.to_owned())
}
