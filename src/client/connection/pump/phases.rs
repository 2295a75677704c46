//! The transitions between the phases of a pump.

use std::time::Duration;

use tokio::time::Instant;

use crate::client::connection::close_reason::{CloseClass, CloseReason};
use crate::protocol::SessionEnd;
use crate::transport::TransportError;

use super::{Phase, Pump, TRANSPORT_CLOSE};

impl Pump {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    /// True once the transport takes and gives no more.
    pub(super) fn is_parting(&self) -> bool {
        matches!(self.phase, Phase::Parting { .. })
    }

    /// Running to Draining: the session has ended by itself.
    pub(super) fn session_ended(&mut self, ended: SessionEnd) {
        if self.is_running() {
            let end = CloseReason::from_session(ended, self.session.joined().is_some());
            let until = Instant::now() + TRANSPORT_CLOSE;
            self.phase = Phase::Draining { end, until, close_sent: false };
        }
    }

    /// To Parting: the transport takes and gives no more.
    pub(super) fn transport_failed(&mut self, error: TransportError) {
        match std::mem::replace(&mut self.phase, Phase::Running) {
            Phase::Running => {}
            Phase::Draining { end, .. } | Phase::Parting { end, .. } => {
                self.phase = Phase::Parting { end, until: Instant::now() };
                return;
            }
        }
        let mut end = CloseReason::from_transport(error, self.session.joined().is_some());
        // A transport that is not lost may take a word that says that it is closed.
        let patience = match end.class {
            CloseClass::Closed => TRANSPORT_CLOSE,
            CloseClass::Lost | CloseClass::Unreachable => Duration::ZERO,
        };
        if self.leave_until.is_some() {
            // Many routers just close after our GOODBYE.
            end = CloseReason::closed("closed by the application");
        }
        self.part(end, patience);
    }

    /// Running to Parting: ends the session without another message to the router.
    pub(super) fn part(&mut self, end: CloseReason, patience: Duration) {
        self.phase = Phase::Parting { end, until: Instant::now() + patience };
        let mut core = self.session.lock_core();
        core.protocol.lost();
        drop(core.protocol.take_ended());
        let deferred = self.session.hand_over(&mut core);
        drop(core);
        deferred.run(&self.shared);
    }
}
