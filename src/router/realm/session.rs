//! The messages of one client that has joined, and its end.

use std::time::Instant;

use bytes::Bytes;

use crate::protocol::message::Message;

use super::super::peer::WakeList;
use super::super::rulings::{Way, disclosed, with_options};
use super::super::turn::{ACT, Turn, UNITS};
use super::oversized::refuse_oversized;
use super::preparation::prepare;
use super::rest::Leftover;
use super::{LeaveReason, RealmSession, State};

impl RealmSession {
    /// Carries out messages of the client in order, each with the frame that it is a part of, and
    /// tells how many: as many as fit into a turn, as far as nobody has to be asked: see
    /// [`RealmSession::take_inquiry`]. The peers that got something are in `wakes`.
    pub(in crate::router) fn route(
        &mut self,
        messages: &[(Message<'_>, &Bytes)],
        wakes: &mut WakeList,
    ) -> Result<usize, LeaveReason> {
        debug_assert!(!self.has_rest(), "what is left comes first");
        let (mut turn, mut state) = (Turn::default(), self.realm.state.lock());
        if self.peer.has_left() {
            return Ok(messages.len()); // It was killed; its connection is about to say so.
        }
        if self.generation != state.settings.generation {
            // All rulings were made under other rights.
            self.generation = state.settings.generation;
            self.gated = state.gate(&self.peer, self.asks_program);
        }
        for (at, (message, frame)) in messages.iter().enumerate() {
            if let Some(refusal) = state.check_options(message)? {
                drop(state);
                let (peer, requests) = (&self.peer, &mut self.requests);
                refuse_oversized(&self.realm, peer, requests, message, refusal, wakes)?;
                return Ok(at + 1); // The lock was free: much may be otherwise.
            }
            let way = self
                .gated
                .as_mut()
                .map_or(Way::Free, |gated| gated.way(&state, &self.peer, &self.requests, message));
            if let Way::Open(inquiry) = way {
                drop(state);
                self.hold(inquiry);
                return Ok(at);
            }
            let is_prepared = state.needs_preparation(message, frame);
            if is_prepared {
                state = prepare(&self.realm, &self.peer, message, state);
                if self.peer.has_left() {
                    state.forget_prepared();
                    return Ok(messages.len());
                }
            }
            let (peer, requests) = (&self.peer, &mut self.requests);
            let done = match way {
                Way::Refused(refusal) => state.refuse(peer, requests, message, refusal, wakes),
                Way::Disclosed => with_options(message, disclosed, |message| {
                    state.carry_out(peer, requests, message, frame, wakes, &mut turn)
                }),
                _ => state.carry_out(peer, requests, message, frame, wakes, &mut turn),
            };
            if is_prepared {
                state.forget_prepared();
            }
            done?;
            if state.has_rest() {
                self.rest.extend(state.take_rest());
            }
            if turn.is_over() || self.has_rest() {
                return Ok(at + 1);
            }
        }
        Ok(messages.len())
    }

    /// True if something is left of the last message, which comes before the next one.
    #[inline]
    pub(in crate::router) fn has_rest(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Goes on with that for a turn.
    pub(in crate::router) fn go_on(&mut self, wakes: &mut WakeList) {
        self.realm.go_on(&mut self.rest, wakes);
    }

    /// The time at which [`RealmSession::expire`] is due.
    #[inline]
    pub(in crate::router) fn deadline(&self) -> Option<Instant> {
        self.requests.deadlines.next()
    }

    /// Ends calls whose time is over, as many as fit into a turn.
    pub(in crate::router) fn expire(&mut self, now: Instant, wakes: &mut WakeList) {
        let mut state = self.realm.state.lock();
        let State { dealer, .. } = &mut *state;
        for _ in 0..UNITS / ACT {
            let Some(request) = self.requests.deadlines.take(now) else {
                break;
            };
            if let Some(due) = dealer.time_out(self.peer.id(), request, now, wakes) {
                self.requests.deadlines.add(due, request, |_| true);
            }
        }
    }
}

impl RealmSession {
    /// Ends the calls that wait for their answers.
    pub(in crate::router) fn cancel_calls(&self, wakes: &mut WakeList) {
        while self.realm.state.lock().dealer.cancel_some(&self.peer, wakes) {}
    }
}

impl Drop for RealmSession {
    fn drop(&mut self) {
        let mut wakes = WakeList::default();
        let mut state = self.realm.state.lock();
        let mut turn = Turn::default();
        state.leave(&self.peer, &mut wakes, &mut turn);
        self.rest.extend(state.take_rest());
        let empty = state.sessions.is_empty();
        drop(state);
        wakes.wake();
        let leftover = Leftover { realm: self.realm.clone(), rest: std::mem::take(&mut self.rest) };
        if !leftover.rest.is_empty() {
            leftover.work_off();
        }
        if empty {
            self.realms.remove_if_empty(&self.name);
        }
    }
}
