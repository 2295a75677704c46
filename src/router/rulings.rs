//! The rulings on the requests of a session that is asked about: what has been ruled so far, and
//! what is still to be asked.
//!
//! A request is asked about once the rights of its role allow it. Its ruling may be kept for the
//! rest of the session; then the next one like it costs a look-up. Who is asked, and how, is left
//! to [`super::authorization`]; that the messages behind a request wait for it, to
//! [`super::connection`].

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::codec::transcode::to_json_without_ext;
use crate::codec::{Dict, DictWriter, WrittenDict};
use crate::protocol::message::{Call, Message, Publish};
use crate::protocol::uri::Match;

use super::options::read_match;
use super::procedure::Procedure;
use super::request::{Refusal, check_own_uri, check_pattern};
use super::roles::{Action, Permissions};

/// See the module's text.
#[derive(Debug)]
pub(super) struct Rulings {
    /// The procedure that is asked first.
    pub(super) authorizer: Option<Arc<Procedure>>,
    /// The rulings that hold for the rest of the session, by action and match.
    kept: [[HashMap<Box<str>, Ruling>; 3]; 4],
    /// The bytes of their URIs.
    kept_bytes: usize,
    /// The ruling on the next message.
    next: Option<(Inquiry, Ruling)>,
}

/// A ruling on a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ruling {
    Allowed { disclose: bool },
    Denied(Refusal),
}

/// A request to be asked about.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Inquiry {
    pub(super) action: Action,
    pub(super) uri: String,
    pub(super) matching: Match,
    /// The options of the message, a JSON object.
    pub(super) options: String,
}

/// The way on for a message.
#[derive(Debug)]
pub(super) enum Way {
    Free,
    /// Its sender is to be disclosed.
    Disclosed,
    Refused(Refusal),
    Open(Inquiry),
}

/// The procedure by which a client has something published later.
const ADD_TESTAMENT: &str = "wamp.session.add_testament";

/// The most bytes of URIs whose rulings are kept; past it requests are asked about again.
const MOST_KEPT: usize = 256 * 1024;

/// The bytes that a ruling takes beside its URI.
const RULING_BYTES: usize = 128;

impl Rulings {
    pub(super) fn new(authorizer: Option<Arc<Procedure>>) -> Rulings {
        Rulings { authorizer, kept: Default::default(), kept_bytes: 0, next: None }
    }

    /// The way on for a message of a client that has these rights.
    pub(super) fn way(&mut self, message: &Message<'_>, permissions: &Permissions) -> Way {
        let next = self.next.take();
        let Some(request) = Request::of(message).filter(|request| request.is_valid(permissions))
        else {
            // Refused by who carries it out, or none of those that are asked about.
            return Way::Free;
        };
        let kept = &self.kept[request.action as usize][request.matching as usize];
        let ruling = match next {
            Some((inquiry, ruling)) if request.is_of(&inquiry) => ruling,
            _ => match kept.get(&*request.uri) {
                Some(ruling) => ruling.clone(),
                None => return Way::Open(request.inquiry()),
            },
        };
        match ruling {
            Ruling::Allowed { disclose: false } => Way::Free,
            Ruling::Allowed { disclose: true } => Way::Disclosed,
            Ruling::Denied(refusal) => Way::Refused(refusal),
        }
    }

    /// Takes the ruling on the message that is next, and keeps it for all that are like it.
    pub(super) fn rule(&mut self, inquiry: Inquiry, ruling: Ruling, keep: bool) {
        let bytes = inquiry.uri.len() + RULING_BYTES;
        if keep && self.kept_bytes + bytes <= MOST_KEPT {
            self.kept_bytes += bytes;
            let kept = &mut self.kept[inquiry.action as usize][inquiry.matching as usize];
            kept.insert(inquiry.uri.as_str().into(), ruling.clone());
        }
        self.next = Some((inquiry, ruling));
    }
}

/// A message that is asked about.
struct Request<'m> {
    action: Action,
    uri: Cow<'m, str>,
    matching: Match,
    options: Dict<'m>,
}

impl<'m> Request<'m> {
    /// `None` for other messages, and for options that are refused anyway.
    fn of(message: &'m Message<'_>) -> Option<Request<'m>> {
        let (action, uri, options): (_, &str, _) = match message {
            Message::Call(m) if &*m.procedure == ADD_TESTAMENT => return Request::testament(m),
            Message::Call(m) => (Action::Call, &m.procedure, m.options),
            Message::Publish(m) => (Action::Publish, &m.topic, m.options),
            Message::Register(m) => (Action::Register, &m.procedure, m.options),
            Message::Subscribe(m) => (Action::Subscribe, &m.topic, m.options),
            _ => return None,
        };
        let matching = match action {
            Action::Call | Action::Publish => Match::Exact,
            Action::Register | Action::Subscribe => match options.get("match") {
                None => Match::Exact,
                Some(value) => read_match(b"match", value).ok()?,
            },
        };
        Some(Request { action, uri: uri.into(), matching, options })
    }

    /// A testament, which is asked about as the publication that it will be.
    fn testament(call: &'m Call<'_>) -> Option<Request<'m>> {
        let mut text = Vec::new();
        to_json_without_ext(call.payload.args?, call.payload.encoding, 1, &mut text).ok()?;
        let args: Vec<Value> = serde_json::from_slice(&text).ok()?;
        let topic = args.first()?.as_str()?.to_owned();
        Some(Request {
            action: Action::Publish,
            uri: topic.into(),
            matching: Match::Exact,
            options: Dict::EMPTY,
        })
    }

    /// True if it is well-formed, and the rights of its role allow it.
    fn is_valid(&self, permissions: &Permissions) -> bool {
        let checked = match self.action {
            Action::Register | Action::Publish => check_own_uri(&self.uri, self.matching),
            Action::Call | Action::Subscribe => check_pattern(&self.uri, self.matching),
        };
        checked.and_then(|()| permissions.check_all(self.action, &self.uri, self.matching)).is_ok()
    }

    fn is_of(&self, inquiry: &Inquiry) -> bool {
        (self.action, self.matching) == (inquiry.action, inquiry.matching)
            && self.uri == inquiry.uri
    }

    fn inquiry(&self) -> Inquiry {
        Inquiry {
            action: self.action,
            uri: self.uri.clone().into_owned(),
            matching: self.matching,
            options: String::from_utf8_lossy(self.options.as_bytes()).into_owned(),
        }
    }
}

/// The same options, with the wish to be disclosed.
pub(super) fn disclosed(options: Dict<'_>) -> WrittenDict {
    let mut written = DictWriter::default();
    for (key, value) in options.entries().filter(|(key, _)| *key != b"disclose_me") {
        written.raw(key, value);
    }
    written.flag("disclose_me");
    written.finish()
}

/// Has `carry_out` carry out a CALL or PUBLISH with other options than its own.
pub(super) fn with_options<T>(
    message: &Message<'_>,
    change: impl FnOnce(Dict<'_>) -> WrittenDict,
    carry_out: impl FnOnce(&Message<'_>) -> T,
) -> T {
    match message {
        Message::Call(m) => {
            let options = change(m.options);
            let (options, procedure) = (options.dict(), m.procedure.as_ref().into());
            carry_out(&Message::Call(Call { options, procedure, ..*m }))
        }
        Message::Publish(m) => {
            let options = change(m.options);
            let (options, topic) = (options.dict(), m.topic.as_ref().into());
            carry_out(&Message::Publish(Publish { options, topic, ..*m }))
        }
        other => carry_out(other),
    }
}
