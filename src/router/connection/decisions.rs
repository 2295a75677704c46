//! Requests of a client that wait until it is decided whether it may do that. Those behind them
//! wait, too, and past some bytes nothing more is read.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::super::authorization::{Authorization, Decision};
use super::super::rulings::Inquiry;
use super::reading::{TURN_BYTES, TURN_MESSAGES};
use super::{Connection, Phase};

/// A decision on its way.
pub(super) type Asking = Pin<Box<dyn Future<Output = Decision> + Send>>;

impl Connection<'_> {
    /// True if so much waits for a decision that nothing more is read before it.
    pub(super) fn has_enough(&self) -> bool {
        let bytes = || self.frames.iter().map(Bytes::len).sum::<usize>();
        self.asking.is_some() && (self.frames.len() >= TURN_MESSAGES || bytes() > TURN_BYTES)
    }

    /// Has it decided whether the client may do something.
    pub(super) fn ask_about(&mut self, inquiry: Inquiry) {
        if let Phase::Joined(session) = &self.phase {
            let authorization = Authorization::new(&self.shared.desk, session);
            self.asking = Some(Box::pin(authorization.decide(inquiry)));
        }
    }

    /// Goes on with what was asked about, as it is decided. True if there may be more to read.
    pub(super) fn hear_decisions(&mut self, cx: &mut Context<'_>) -> bool {
        let mut was_full = false;
        while let (Some(asking), Phase::Joined(session)) = (&mut self.asking, &mut self.phase) {
            let Poll::Ready(Decision { inquiry, ruling, keep }) = asking.as_mut().poll(cx) else {
                return false;
            };
            session.rule(inquiry, ruling, keep);
            was_full |= self.has_enough();
            self.asking = None;
            if !self.route() {
                return true;
            }
        }
        was_full && !self.hung_up
    }
}
