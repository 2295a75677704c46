//! The request ids of one session, as its client counts them.

use crate::codec::MAX_ID;

use super::request::Fault;

/// The request ids that a client has used.
#[derive(Debug, Default)]
pub(super) struct RequestIds {
    last: u64,
}

impl RequestIds {
    /// Request ids count from 1 without a gap, and after 2^53 from 1 again.
    pub(super) fn count(&mut self, request: u64) -> Result<(), Fault> {
        let due = self.last % MAX_ID + 1;
        if request != due {
            return Err(Fault::Violation(format!(
                "request id {request} where {due} is due; request ids count from 1 without a gap"
            )));
        }
        self.last = request;
        Ok(())
    }

    /// True if there has been a request with this id.
    pub(super) fn has_used(&self, request: u64) -> bool {
        request <= self.last
    }
}
