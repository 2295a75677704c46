//! Requests that were refused, for the log: what a client has no right to, and what is too much.

use crate::log::Level;
use crate::protocol::uri;

use super::journal::Line;
use super::peer::{Peer, WakeList};
use super::request::Refusal;

/// The errors that an operator wants to know of; others are the client's own affair.
const TOLD: [&str; 4] =
    [uri::NOT_AUTHORIZED, uri::AUTHORIZATION_FAILED, uri::LIMIT_EXCEEDED, uri::UNAVAILABLE];

/// Notes that a request was refused.
pub(super) fn note_refusal(peer: &Peer, refusal: &Refusal, wakes: &mut WakeList) {
    let (error, why) = refusal.parts();
    if !TOLD.contains(&error) || !Line::is_wanted(Level::Warn) {
        return;
    }
    let line = Line::new(Level::Warn, "request refused").number("session", peer.id());
    let line = line.text("authid", &*peer.identity().authid).text("error", error);
    wakes.note(line.text("message", why));
}
