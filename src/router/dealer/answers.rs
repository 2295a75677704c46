//! YIELD and ERROR on their way back to the caller.

use std::sync::Arc;
use std::time::Instant;

use crate::codec::{CodecError, Dict, PayloadRef, Unsendable};
use crate::protocol::CancelMode;
use crate::protocol::message::{CallResult, Error, Yield, code};
use crate::protocol::uri;

use super::super::options::passthru;
use super::super::peer::{Peer, WakeList};
use super::super::request::Refusal;
use super::super::variants::Variants;
use super::calls::later;
use super::{Dealer, PROGRESS, Pending};

impl Dealer {
    /// YIELD: one for an unknown invocation is late, as its call was canceled, has timed out, or
    /// the caller has left; it is ignored.
    pub(in crate::router) fn yields(
        &mut self,
        from: &Arc<Peer>,
        message: &Yield<'_>,
        wakes: &mut WakeList,
    ) -> Result<(), CodecError> {
        if message.options.is_empty() {
            if let Some(pending) = self.answered(from.id(), message.request) {
                pending.result(message, Dict::EMPTY, &self.prepared.variants, wakes);
            }
            return Ok(());
        }
        if message.options.bool("progress")?.unwrap_or(false) {
            self.progress(from, message, wakes);
        } else if let Some(pending) = self.answered(from.id(), message.request) {
            let details = passthru(message.options).finish();
            pending.result(message, details.dict(), &self.prepared.variants, wakes);
        }
        Ok(())
    }

    /// ERROR for an invocation; a late one is ignored, as a late YIELD.
    pub(in crate::router) fn error(
        &mut self,
        from: &Arc<Peer>,
        message: &Error<'_>,
        wakes: &mut WakeList,
    ) {
        let Some(pending) = self.answered(from.id(), message.request) else {
            return;
        };
        let reroutes = message.error == uri::UNAVAILABLE && from.identity().features.call_reroute;
        if reroutes && !pending.killed {
            self.ask_another(from.id(), pending, wakes);
            return;
        }
        let details = passthru(message.details).finish();
        let answer = Error {
            kind: code::CALL,
            request: pending.request,
            details: details.dict(),
            error: message.error.as_ref().into(),
            payload: self.prepared.variants.of(message.payload, pending.caller.encoding()),
        };
        if pending.caller.try_send(wakes, |out| answer.write(out)).is_err() {
            // The URI tells more than what else could be said.
            let answer = Error { payload: PayloadRef::NONE, ..answer };
            if let Err(error) = pending.caller.try_send(wakes, |out| answer.write(out)) {
                pending.refuse(error, wakes);
            }
        }
    }

    /// Passes a progressive result on, where the caller wants it; the call goes on, unless the
    /// caller cannot be sent this part of its result.
    fn progress(&mut self, from: &Arc<Peer>, message: &Yield<'_>, wakes: &mut WakeList) {
        let Some(own) = self.peers.get_mut(&from.id()) else {
            return;
        };
        let Some(pending) = own.invocations.get_mut(&message.request) else {
            return;
        };
        if let Some((limit, due)) = pending.extra.as_mut().and_then(|extra| extra.limit.as_mut()) {
            // The limit is between results.
            *due = later(Instant::now(), *limit);
        }
        if !pending.progress {
            return;
        }
        let mut details = passthru(message.options);
        let passed_on = if details.is_empty() {
            pending.result(message, Dict::from_checked(PROGRESS), &self.prepared.variants, wakes)
        } else {
            details.flag("progress");
            pending.result(message, details.finish().dict(), &self.prepared.variants, wakes)
        };
        if !passed_on {
            own.interrupt(message.request, CancelMode::KillNoWait, uri::CANCELED, wakes);
            self.answered(from.id(), message.request);
        }
    }

    /// Ends an invocation and the call that it stands for.
    pub(super) fn answered(&mut self, callee: u64, invocation: u64) -> Option<Pending> {
        let own = self.peers.get_mut(&callee)?;
        let pending = own.invocations.remove(&invocation)?;
        self.uncount(callee, &pending);
        let caller = self.peers.get_mut(&pending.caller.id())?;
        caller.remove_call(&pending);
        Some(pending)
    }
}

impl Pending {
    /// False if the caller had to be sent an ERROR instead, which ends the call for it.
    fn result(
        &self,
        message: &Yield<'_>,
        details: Dict<'_>,
        variants: &Variants,
        wakes: &mut WakeList,
    ) -> bool {
        let payload = variants.of(message.payload, self.caller.encoding());
        let answer = CallResult { request: self.request, details, payload };
        let sent = self.caller.try_send(wakes, |out| answer.write(out));
        if let Err(error) = sent {
            self.refuse(error, wakes);
        }
        sent.is_ok()
    }

    /// The caller cannot be sent what it was answered.
    fn refuse(&self, error: Unsendable, wakes: &mut WakeList) {
        let why = Refusal::unsendable(error);
        self.caller.send(wakes, |out| why.write(code::CALL, self.request, out));
    }
}
