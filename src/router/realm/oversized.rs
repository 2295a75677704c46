//! Messages whose options are larger than they may be: a list of everybody who is to get an event,
//! for example. Options are read under the realm's lock.

use std::sync::Arc;

use crate::codec::{Dict, DictWriter, WrittenDict};
use crate::protocol::message::Message;

use super::super::peer::{Peer, WakeList};
use super::super::request::Refusal;
use super::super::rulings::with_options;
use super::{LeaveReason, Realm, Requests, State};

impl State {
    /// The refusal of a request whose options are too large; other messages end the session.
    #[inline]
    pub(super) fn check_options(
        &self,
        message: &Message<'_>,
    ) -> Result<Option<Refusal>, LeaveReason> {
        let limit = &self.limits.max_options_size;
        if options_of(message).as_bytes().len() <= limit.most() {
            return Ok(None);
        }
        let refusal = limit.exceeded();
        match message {
            Message::Publish(_)
            | Message::Call(_)
            | Message::Subscribe(_)
            | Message::Register(_) => Ok(Some(refusal)),
            _ => Err(LeaveReason::Violation(refusal.parts().1.to_owned())),
        }
    }
}

#[inline]
fn options_of<'a>(message: &Message<'a>) -> Dict<'a> {
    match message {
        Message::Publish(m) => m.options,
        Message::Call(m) => m.options,
        Message::Subscribe(m) => m.options,
        Message::Register(m) => m.options,
        Message::Yield(m) => m.options,
        Message::Cancel(m) => m.options,
        Message::Error(m) => m.details,
        Message::Goodbye(m) => m.details,
        _ => Dict::EMPTY,
    }
}

/// Refuses a request whose options are too large, and takes the lock for that: even to look through
/// them takes long.
pub(super) fn refuse_oversized(
    realm: &Realm,
    peer: &Arc<Peer>,
    requests: &mut Requests,
    message: &Message<'_>,
    refusal: Refusal,
    wakes: &mut WakeList,
) -> Result<(), LeaveReason> {
    with_options(message, flags_of, |message| {
        realm.state.lock().refuse(peer, requests, message, refusal, wakes)
    })
}

/// Of options that are too large those by which it is known how a refusal is told.
fn flags_of(options: Dict<'_>) -> WrittenDict {
    let mut flags = DictWriter::default();
    for (key, value) in options.entries() {
        if matches!(key, b"acknowledge" | b"progress") && matches!(value, b"true" | b"false") {
            flags.raw(key, value);
        }
    }
    flags.finish()
}
