//! The meta API: the procedures `wamp.*`, by which clients ask the router about a realm and tell it
//! what to do (advanced profile, "Session Meta API", "Registration Meta API", "Subscription Meta
//! API").
//!
//! The meta *topics* are in [`super::meta_event`].
//!
//! * `listing` has what takes more than one turn.
//! * `sessions` has `wamp.session.*`.
//! * `tables` has `wamp.registration.*` and `wamp.subscription.*`.

mod listing;
mod sessions;
mod tables;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::codec::transcode::to_json_without_ext;
use crate::codec::{Encoding, PayloadRef};
use crate::protocol::message::Call;
use crate::protocol::uri;

use super::options::whole;
use super::pattern::Entry;
use super::peer::{Peer, WakeList};
use super::realm::{Rest, State};
use super::request::Fault;
use super::roles::{Kind, Permissions};
use super::turn::{READ, Turn};

pub(super) use listing::Listing;
use listing::Work;

pub(super) use sessions::session_details;

/// The procedure whose arguments are for others than the router.
const ADD_TESTAMENT: &str = "wamp.session.add_testament";

/// The question of a client.
struct Question<'a> {
    from: &'a Arc<Peer>,
    /// Its rights.
    permissions: Permissions,
    args: Vec<Value>,
    kwargs: Map<String, Value>,
}

/// The arguments of a question, which take a while to be read if they are long.
#[derive(Debug)]
pub(super) struct Arguments {
    args: Vec<Value>,
    kwargs: Map<String, Value>,
}

/// The one argument of a RESULT, or all of them in an encoded list.
enum Answer {
    One(Value),
    List(Vec<u8>),
}

/// The result of a question.
enum Outcome {
    Answer(Answer),
    /// The answer takes some work.
    Work(Work),
}

impl State {
    /// A CALL for one of the router's own procedures.
    pub(super) fn call_meta(
        &mut self,
        from: &Arc<Peer>,
        message: &Call<'_>,
        wakes: &mut WakeList,
        turn: &mut Turn,
    ) -> Result<(), Fault> {
        turn.spend(READ);
        let prepared = self.meta_arguments.take();
        let Arguments { args, kwargs } = prepared.unwrap_or_else(|| Arguments::read(message))?;
        let permissions = self.permissions(from).clone();
        let question = Question { from, permissions, args, kwargs };
        let answer = match message.procedure.split('.').nth(1) {
            Some("session") => self.session_meta(&message.procedure, &question)?,
            Some("registration") => self.registration_meta(&message.procedure, &question, wakes)?,
            Some("subscription") => self.subscription_meta(&message.procedure, &question, wakes)?,
            _ => None,
        };
        let Some(answer) = answer else {
            let why = format!("this router has no procedure \"{}\"", message.procedure);
            return Err(Fault::refused(uri::NO_SUCH_PROCEDURE, why));
        };
        let request = message.request;
        match answer {
            Outcome::Answer(answer) => answer.send(from, request, wakes),
            Outcome::Work(work) => {
                let asker = from.clone();
                let mut listing = Listing { asker, request, work, is_complete: false };
                while !listing.go_on(self, wakes, turn) {
                    if turn.is_over() || listing.is_complete || self.has_rest() {
                        self.rest.push_back(Rest::Listing(Box::new(listing)));
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Arguments {
    /// Reads those of a CALL for one of the router's own procedures.
    pub(super) fn read(message: &Call<'_>) -> Result<Arguments, Fault> {
        let PayloadRef { args, kwargs, encoding } = message.payload;
        let read = |part: Option<&[u8]>, levels: usize| {
            part.map(|part| json(part, encoding, levels)).transpose()
        };
        // Inside the arguments of a testament is what others will get.
        let levels = if message.procedure == ADD_TESTAMENT { 1 } else { usize::MAX };
        let args = match read(args, levels)? {
            Some(Value::Array(args)) => args,
            _ => Vec::new(),
        };
        let kwargs = match read(kwargs, usize::MAX)? {
            Some(Value::Object(kwargs)) => kwargs,
            _ => Map::new(),
        };
        Ok(Arguments { args, kwargs })
    }
}

impl Question<'_> {
    /// The argument at `index`, which must be there.
    fn arg<'q, T>(
        &'q self,
        index: usize,
        wanted: &str,
        read: impl Fn(&'q Value) -> Option<T>,
    ) -> Result<T, Fault> {
        self.args.get(index).and_then(read).ok_or_else(|| {
            let why = format!("argument {} must be {wanted}", index + 1);
            Fault::refused(uri::INVALID_ARGUMENT, why)
        })
    }

    /// True if the client may know of this registration or subscription.
    fn sees<T>(&self, kind: Kind, entry: &Entry<T>) -> bool {
        self.permissions.sees(kind, &entry.uri, entry.matching)
    }

    fn id(&self, index: usize, wanted: &str) -> Result<u64, Fault> {
        self.arg(index, wanted, |value| value.as_number().and_then(whole))
    }

    fn text(&self, index: usize, wanted: &str) -> Result<&str, Fault> {
        self.arg(index, wanted, Value::as_str)
    }

    /// A keyword argument that is a text, where there is one.
    fn keyword(&self, key: &str) -> Result<Option<&str>, Fault> {
        match self.kwargs.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => {
                let why = format!("\"{key}\" must be a string");
                Err(Fault::refused(uri::INVALID_ARGUMENT, why))
            }
        }
    }
}

/// The arguments as JSON. Values of MsgPack's extension types in their outer `levels` are null.
fn json(part: &[u8], encoding: Encoding, levels: usize) -> Result<Value, Fault> {
    let broken = |error: &dyn std::fmt::Display| {
        let why = format!("the arguments cannot be read: {error}");
        Fault::refused(uri::INVALID_ARGUMENT, why)
    };
    let mut text = Vec::new();
    to_json_without_ext(part, encoding, levels, &mut text).map_err(|error| broken(&error))?;
    serde_json::from_slice(&text).map_err(|error| broken(&error))
}

fn one(value: impl Into<Value>) -> Result<Option<Outcome>, Fault> {
    Ok(Some(Outcome::Answer(Answer::One(value.into()))))
}

fn work(work: Work) -> Result<Option<Outcome>, Fault> {
    Ok(Some(Outcome::Work(work)))
}
