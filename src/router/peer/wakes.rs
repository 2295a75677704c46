//! Those who are told that something waits for them, once for many messages.

use std::sync::Arc;

use super::super::journal::Line;
use super::Peer;

/// Clients that got something and must be told, at the latest when this is dropped; and lines for
/// the log, which nobody writes while a lock is held.
#[derive(Debug, Default)]
pub(in crate::router) struct WakeList {
    peers: Vec<Arc<Peer>>,
    lines: Vec<Line>,
}

impl WakeList {
    /// Adds a client.
    #[inline]
    pub(super) fn add(&mut self, peer: &Arc<Peer>) {
        self.peers.push(peer.clone());
    }

    /// Rings each client's bell.
    pub(in crate::router) fn wake(&mut self) {
        for peer in self.peers.drain(..) {
            peer.bell.ring();
        }
    }

    /// Adds all that another list has.
    pub(in crate::router) fn append(&mut self, mut other: WakeList) {
        self.peers.append(&mut other.peers);
        self.lines.append(&mut other.lines);
    }

    /// Notes a line.
    pub(in crate::router) fn note(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Takes the lines that were noted.
    #[inline]
    pub(in crate::router) fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }
}

impl Drop for WakeList {
    fn drop(&mut self) {
        self.wake();
    }
}
