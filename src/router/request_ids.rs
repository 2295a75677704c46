//! The request ids of one session, as its client counts them.

use crate::codec::MAX_ID;

use super::request::Fault;

/// The request ids that a client has used.
#[derive(Debug)]
pub(super) enum RequestIds {
    /// They count from 1, and this was the last one.
    Counted(u64),
    /// The client may take any that is not in use.
    Any,
}

impl RequestIds {
    /// Ids of which none has been used. `strict` ones count.
    pub(super) fn new(strict: bool) -> RequestIds {
        if strict { RequestIds::Counted(0) } else { RequestIds::Any }
    }

    /// Takes the id of a new request. Request ids count from 1 without a gap, and after 2^53 from 1
    /// again, unless they may be any: then each kind of request may have its own, and all but calls
    /// are answered before the next one comes.
    pub(super) fn count(&mut self, request: u64) -> Result<(), Fault> {
        let RequestIds::Counted(last) = self else {
            return Ok(());
        };
        let due = *last % MAX_ID + 1;
        if request != due {
            return Err(Fault::Violation(format!(
                "request id {request} where {due} is due; request ids count from 1 without a gap"
            )));
        }
        *last = request;
        Ok(())
    }

    /// Takes the id of a new call. `is_in_use` tells whether it is that of a call whose answer or
    /// input is still to come; nobody asks it where ids count.
    pub(super) fn count_call(
        &mut self,
        request: u64,
        is_in_use: impl FnOnce() -> bool,
    ) -> Result<(), Fault> {
        match self {
            RequestIds::Any if is_in_use() => Err(Fault::Violation(format!(
                "request id {request} is in use: its call has not been answered"
            ))),
            _ => self.count(request),
        }
    }

    /// True if ids count, so that each is that of one request.
    pub(super) fn are_counted(&self) -> bool {
        matches!(self, RequestIds::Counted(_))
    }

    /// True if there has been a request with this id, which has been refused as a new one.
    pub(super) fn has_used(&self, request: u64) -> bool {
        match self {
            RequestIds::Counted(last) => request <= *last,
            RequestIds::Any => true,
        }
    }
}
