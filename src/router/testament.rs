//! Testaments: what the router publishes for a session when it has ended (advanced profile,
//! "Testament").

use serde_json::{Map, Value, json};

use crate::codec::{Dict, Encoding, PayloadRef};
use crate::protocol::uri::{self, Match};

use super::options::dict;
use super::peer::Peer;
use super::publication::{Publication, PublishOptions};
use super::request::{Fault, check_own_uri};

/// The testaments of a session.
#[derive(Debug, Default)]
pub(super) struct Testaments(Vec<Testament>);

/// The occasion on which a testament is published. A session of this router is never detached
/// without being destroyed, so that both kinds are published together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Detached,
    Destroyed,
}

#[derive(Debug)]
struct Testament {
    scope: Scope,
    topic: String,
    options: String,
    args: Option<String>,
    kwargs: Option<String>,
}

impl Testaments {
    /// `wamp.session.add_testament`: args `[topic, args, kwargs]`, kwargs `publish_options` and
    /// `scope`.
    pub(super) fn add(&mut self, args: &[Value], kwargs: &Map<String, Value>) -> Result<(), Fault> {
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
        self.0.push(Testament {
            scope: scope(kwargs)?,
            topic: topic.to_owned(),
            options,
            args: args_of,
            kwargs: kwargs_of.map(|kwargs| json!(kwargs).to_string()),
        });
        Ok(())
    }

    /// `wamp.session.flush_testaments`: tells how many are gone.
    pub(super) fn flush(&mut self, kwargs: &Map<String, Value>) -> Result<usize, Fault> {
        let scope = scope(kwargs)?;
        let before = self.0.len();
        self.0.retain(|testament| testament.scope != scope);
        Ok(before - self.0.len())
    }

    /// The publications to make for `author`, in order.
    pub(super) fn publications(
        &self,
        author: &Peer,
        discloses: bool,
    ) -> impl Iterator<Item = Publication<'_>> {
        self.0.iter().filter_map(move |testament| {
            let options = Dict::from_checked(testament.options.as_bytes());
            let options = PublishOptions::read(options).ok()?;
            let payload = PayloadRef {
                args: testament.args.as_deref().map(str::as_bytes),
                kwargs: testament.kwargs.as_deref().map(str::as_bytes),
                encoding: Encoding::Json,
            };
            let publisher = (discloses || options.disclose_me).then_some(author);
            Some(Publication::new(&testament.topic, payload, options, None, publisher))
        })
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
