//! The link of a session to its router: what every part of the session needs to do its work.
//!
//! Parts number and send requests through it, take those that the router answers, and emit events.
//! The meaning of all these is left to them.

use std::collections::hash_map::Entry;
use std::mem;

use crate::codec::{Batch, Encoding, Out, Outbox, Rules};

use super::error::{RequestError, Violation};
use super::event::{Cause, Event};
use super::features::Features;
use super::ids::{IdMap, Ids};
use super::requests::{Request, is_request};
use super::uri::{self, Match};

/// The side of a session that faces the router and the application.
#[derive(Debug)]
pub(super) struct Link<H> {
    /// The messages that wait to be sent.
    pub(super) outbox: Outbox,
    /// The events that wait to be told.
    pub(super) events: Vec<Event<H>>,
    /// The requests that wait for their answers.
    pub(super) requests: IdMap<Request<H>>,
    pub(super) ids: Ids,
    /// The router's announcement.
    pub(super) features: Features,
    max_message_size: usize,
    /// The URI that was found good last: most requests have the same again.
    good_uri: String,
    /// The last request that has been given to the transport.
    sent_up_to: u64,
    /// The last word is written: nothing may follow it.
    sealed: bool,
}

impl<H> Link<H> {
    /// A link over which nothing has been sent.
    pub(super) fn new(encoding: Encoding, max_message_size: usize, ids: Ids) -> Link<H> {
        Link {
            outbox: Outbox::new(encoding, Rules::Strict),
            events: Vec::new(),
            requests: IdMap::default(),
            ids,
            features: Features::default(),
            max_message_size,
            good_uri: String::new(),
            sent_up_to: 0,
            sealed: false,
        }
    }

    /// Checks the topic or procedure of a request.
    pub(super) fn check_uri(&mut self, uri: &str) -> Result<(), RequestError> {
        /// The longest that is remembered.
        const SHORT: usize = 256;
        if uri == self.good_uri && !uri.is_empty() {
            return Ok(());
        }
        uri::check(uri, Match::Exact)?;
        if uri.len() <= SHORT {
            self.good_uri.clear();
            self.good_uri.push_str(uri);
        }
        Ok(())
    }

    /// Tells the application.
    pub(super) fn emit(&mut self, event: Event<H>) {
        self.events.push(event);
    }

    // ===== sending =====

    /// Sends a request under the next id, and returns that.
    pub(super) fn send_request(
        &mut self,
        write: impl FnOnce(u64, &mut Out<'_>),
    ) -> Result<u64, RequestError> {
        let id = self.ids.next_request();
        self.send(|out| write(id, out))?;
        self.ids.count_request(id);
        Ok(id)
    }

    /// Sends a message that is no request.
    pub(super) fn send(&mut self, write: impl FnOnce(&mut Out<'_>)) -> Result<(), RequestError> {
        if self.sealed {
            return Err(RequestError::Closed);
        }
        self.outbox.push(self.max_message_size, write)?;
        Ok(())
    }

    /// Sends a message that the session needs to begin or to end: no limit applies to it.
    pub(super) fn send_control(&mut self, write: impl FnOnce(&mut Out<'_>)) {
        let pushed = self.outbox.push(usize::MAX, write);
        debug_assert!(pushed.is_ok());
    }

    /// Sends the last word, GOODBYE or ABORT.
    pub(super) fn send_last(&mut self, write: impl FnOnce(&mut Out<'_>)) {
        self.send_control(write);
        self.seal();
    }

    /// Lets nothing more be sent.
    pub(super) fn seal(&mut self) {
        self.sealed = true;
    }

    /// True when nothing more may be sent.
    pub(super) fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Takes the waiting messages for the transport.
    pub(super) fn take_outbox(&mut self) -> Batch {
        self.count_as_sent();
        self.outbox.take()
    }

    /// Gives the room back that is left of earlier messages and events.
    pub(super) fn trim(&mut self) {
        self.outbox.trim();
        self.events.shrink_to_fit();
    }

    /// Counts all requests so far as given to the transport.
    pub(super) fn count_as_sent(&mut self) {
        self.sent_up_to = self.ids.last_request();
    }

    // ===== answers =====

    /// Takes the request that a message of the router answers. `None`: it was abandoned, or
    /// answered before; that is no violation, as answers and cancellations cross.
    pub(super) fn answered(
        &mut self,
        request: u64,
        code: u64,
    ) -> Result<Option<Request<H>>, Violation> {
        self.check_issued(request)?;
        match self.requests.entry(request) {
            Entry::Occupied(pending) if pending.get().code() == code => Ok(Some(pending.remove())),
            Entry::Vacant(_) if is_request(code) => Ok(None),
            _ => Err(Violation(format!("an answer of type {code} to request {request}"))),
        }
    }

    /// Refuses answers to what was never asked.
    pub(super) fn check_issued(&self, request: u64) -> Result<(), Violation> {
        if !self.ids.has_issued(request) {
            return Err(Violation(format!("an answer to request {request}, which was never made")));
        }
        Ok(())
    }

    /// Fails all requests that wait: no answer will come. The cause tells whether they had been
    /// given to the transport.
    pub(super) fn fail_requests(&mut self) {
        let mut requests: Vec<_> = mem::take(&mut self.requests).into_iter().collect();
        requests.sort_unstable_by_key(|(id, _)| *id);
        for (id, request) in requests {
            let sent = id <= self.sent_up_to;
            let cause = if sent { Cause::OutcomeUnknown } else { Cause::NotSent };
            for (local, target) in request.into_targets(self.ids.local_of(id)) {
                if let Some(target) = target {
                    self.emit(Event::failed(local, target, cause, uri::NETWORK_FAILURE));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::EventKind;
    use crate::protocol::message::code;

    fn link() -> Link<&'static str> {
        Link::new(Encoding::Json, 10, Ids::new(0))
    }

    fn publish(link: &mut Link<&'static str>, target: &'static str) -> u64 {
        let id = link.send_request(|_, out| out.whole(b"[]")).unwrap();
        link.requests.insert(id, Request::Publish { target });
        id
    }

    #[test]
    fn a_refused_request_uses_no_id() {
        let mut link = link();
        let refused = link.send_request(|_, out| out.whole(b"more than ten"));
        assert!(matches!(refused, Err(RequestError::TooLarge(_))));
        assert_eq!((publish(&mut link, "a"), publish(&mut link, "b")), (1, 2));
    }

    #[test]
    fn each_uri_is_checked() {
        let mut link = link();
        for (uri, good) in
            [("", false), ("a.b", true), ("a.b", true), ("a..b", false), ("a.b", true)]
        {
            assert_eq!(link.check_uri(uri).is_ok(), good, "{uri}");
        }
    }

    #[test]
    fn nothing_follows_the_last_word() {
        let mut link = link();
        link.send_last(|out| out.whole(b"the last word has no limit"));
        assert_eq!(link.send(|out| out.whole(b"[]")), Err(RequestError::Closed));
        assert_eq!(link.send_request(|_, out| out.whole(b"[]")), Err(RequestError::Closed));
        assert_eq!(link.take_outbox().count(), 1);
    }

    #[test]
    fn a_request_is_answered_once_and_by_its_own_kind() {
        let mut link = link();
        let id = publish(&mut link, "a");
        assert!(link.answered(id, code::CALL).is_err());
        assert!(link.answered(id + 1, code::PUBLISH).is_err(), "it was never made");
        assert!(matches!(link.answered(id, code::PUBLISH), Ok(Some(Request::Publish { .. }))));
        assert!(matches!(link.answered(id, code::PUBLISH), Ok(None)), "a late answer");
        assert!(link.answered(id, code::YIELD).is_err(), "no type of a request");
    }

    #[test]
    fn failures_tell_what_was_sent() {
        let mut link = link();
        publish(&mut link, "sent");
        link.take_outbox();
        publish(&mut link, "unsent");
        link.fail_requests();
        let told: Vec<_> = link.events.iter().map(|event| (event.kind, event.cause)).collect();
        let error = EventKind::Error;
        let causes = [Cause::OutcomeUnknown, Cause::NotSent];
        assert_eq!(told, causes.map(|cause| (error, Some(cause))));
        assert!(link.requests.is_empty());
    }
}
