//! Work that is done for a message before it is carried out, so that it holds the lock for less.

use std::sync::MutexGuard;

use bytes::Bytes;

use crate::protocol::message::{Call, Message};

use super::super::dealer::Prepared;
use super::super::meta::Arguments;
use super::super::peer::Peer;
use super::super::request::is_reserved;
use super::super::roles::Action;
use super::super::variants::{SLOW, Variants};
use super::{Realm, State};

/// Prepares a message: the payload is brought into other encodings, and the callee is looked for;
/// or, for the router itself, the arguments are read.
pub(super) fn prepare<'s>(
    realm: &'s Realm,
    peer: &Peer,
    message: &Message<'_>,
    mut state: MutexGuard<'s, State>,
) -> MutexGuard<'s, State> {
    if let Message::Call(call) = message
        && is_reserved(&call.procedure)
    {
        return read_arguments(realm, peer, call, state);
    }
    let (payload, encodings) = state.dealer.receivers(peer, message);
    let to_make = Variants::to_make(payload, encodings);
    let mut variants = Variants::default();
    if !to_make.is_empty() {
        drop(state);
        to_make.into_iter().for_each(|to_make| variants.make(payload, to_make));
        state = realm.state.lock();
    }
    let mut place = 0;
    if let Message::Call(call) = message {
        while !state.dealer.look_for(call, &mut place) {
            drop(state);
            state = realm.state.lock();
        }
    }
    state.dealer.prepared = Prepared { variants, place };
    state
}

/// Reads the arguments of a call for the router itself, if it is allowed.
fn read_arguments<'s>(
    realm: &'s Realm,
    peer: &Peer,
    call: &Call<'_>,
    mut state: MutexGuard<'s, State>,
) -> MutexGuard<'s, State> {
    if state.permissions(peer).check(Action::Call, &call.procedure).is_ok() {
        drop(state);
        let arguments = Arguments::read(call);
        state = realm.state.lock();
        state.meta_arguments = Some(arguments);
    }
    state
}

impl State {
    /// True for messages that may take long if nothing is done beforehand.
    #[inline]
    pub(super) fn needs_preparation(&self, message: &Message<'_>, frame: &Bytes) -> bool {
        match message {
            Message::Call(_) => frame.len() > SLOW || self.dealer.may_search_long(),
            Message::Yield(_) | Message::Error(_) => frame.len() > SLOW,
            _ => false,
        }
    }

    /// Lets go of what was prepared for a message.
    pub(super) fn forget_prepared(&mut self) {
        self.dealer.prepared = Prepared::default();
        self.meta_arguments = None;
    }
}
