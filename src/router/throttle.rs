//! The pauses of a client that sends much while memory is tight: nothing is read of it until there
//! is room again, so that nothing of what it sends is lost.

use std::pin::Pin;
use std::task::Context;

use tokio::time::{Instant, Sleep, sleep_until};

use super::Shared;
use super::peer::Peer;
use super::relief::INTERVAL;

/// A client that sends more than this in a turn has to wait.
pub(super) const HEAVY: usize = 64 * 1024;

/// The number of pauses in a row. In the end the client is told if there is still no room.
const MOST: u32 = 400;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    pause: Option<Pin<Box<Sleep>>>,
    pauses: u32,
}

impl Throttle {
    /// True while nothing is to be read.
    #[inline]
    pub(super) fn is_paused(&mut self, shared: &Shared, peer: &Peer, cx: &mut Context<'_>) -> bool {
        self.pause.is_some() && self.goes_on(shared, peer, cx)
    }

    fn goes_on(&mut self, shared: &Shared, peer: &Peer, cx: &mut Context<'_>) -> bool {
        while let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(cx).is_pending() {
                return true;
            }
            self.pause = None;
            self.has_read(HEAVY + 1, shared, peer);
        }
        false
    }

    /// So many bytes of messages were read. Where memory is tight, those are dropped who are to
    /// blame; tells whether there is a pause until then.
    #[inline]
    pub(super) fn has_read(&mut self, bytes: usize, shared: &Shared, peer: &Peer) -> bool {
        if !shared.budget.is_tight() {
            self.pauses = 0;
        } else if bytes > 0 {
            self.begin(bytes, shared, peer);
        }
        self.pause.is_some()
    }

    #[cold]
    fn begin(&mut self, bytes: usize, shared: &Shared, peer: &Peer) {
        shared.relieve();
        if bytes <= HEAVY {
            return;
        }
        peer.is_paused();
        self.pauses += 1;
        if !self.pauses.is_multiple_of(MOST) {
            self.pause = Some(Box::pin(sleep_until(Instant::now() + INTERVAL)));
        }
    }
}
