//! The events of the meta topics: who has joined, registered, subscribed, and who has left.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::codec::Timestamp;

use super::pattern::Entry;
use super::request::META_TOPICS;
use super::roles::{Kind, Subject};

/// One event of a meta topic, to be published when the message that caused it is carried out.
#[derive(Debug)]
pub(super) struct MetaEvent {
    pub(super) topic: &'static str,
    /// Nobody is told who may not know of this.
    pub(super) about: Option<Subject>,
    args: MetaArgs,
}

#[derive(Debug)]
enum MetaArgs {
    /// A session and a registration or subscription.
    Changed(u64, u64),
    Json(Value),
}

impl MetaEvent {
    /// `[session, id]`
    pub(super) fn changed(topic: &'static str, session: u64, id: u64) -> MetaEvent {
        MetaEvent::with_args(topic, MetaArgs::Changed(session, id))
    }

    /// `[session, details]`
    pub(super) fn created(topic: &'static str, session: u64, details: &Value) -> MetaEvent {
        MetaEvent::new(topic, json!([session, details]))
    }

    /// `args` must be a list.
    pub(super) fn new(topic: &'static str, args: Value) -> MetaEvent {
        MetaEvent::with_args(topic, MetaArgs::Json(args))
    }

    /// Keeps it from those who may not know of this registration or subscription.
    pub(super) fn about<T>(self, kind: Kind, entry: &Entry<T>) -> MetaEvent {
        let subject = Subject { kind, uri: entry.uri.clone(), matching: entry.matching };
        MetaEvent { about: Some(subject), ..self }
    }

    /// The encoded args.
    pub(super) fn args(&self) -> String {
        match &self.args {
            MetaArgs::Changed(session, id) => format!("[{session},{id}]"),
            MetaArgs::Json(args) => args.to_string(),
        }
    }

    fn with_args(topic: &'static str, args: MetaArgs) -> MetaEvent {
        debug_assert!(META_TOPICS.contains(&topic), "{topic}");
        MetaEvent { topic, about: None, args }
    }
}

/// The details of a registration in the meta API.
pub(super) fn registration_details<T>(entry: &Entry<T>, invoke: &str) -> Value {
    let mut details = entry_details(entry.id, entry.created, &entry.uri, entry.matching.name());
    details["invoke"] = json!(invoke);
    details
}

/// The details of a subscription in the meta API.
pub(super) fn subscription_details<T>(entry: &Entry<T>) -> Value {
    entry_details(entry.id, entry.created, &entry.uri, entry.matching.name())
}

fn entry_details(id: u64, created: SystemTime, uri: &str, matching: &str) -> Value {
    json!({"id": id, "created": Timestamp::from(created).millis_text(), "uri": uri, "match": matching})
}
