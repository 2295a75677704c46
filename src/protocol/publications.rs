//! Publications of a session (basic profile, "Publish and Subscribe").
//!
//! Nothing is kept of one that asks for no acknowledgement.

use crate::codec::{Dict, PayloadRef};

use super::error::{RequestError, Violation};
use super::event::{Event, EventKind};
use super::link::Link;
use super::message::{self, code};
use super::requests::Request;

/// Sends a PUBLISH, and returns its request id.
pub(super) fn publish<H>(
    link: &mut Link<H>,
    topic: &str,
    options: Dict<'_>,
    payload: PayloadRef<'_>,
) -> Result<u64, RequestError> {
    link.features.check_broker()?;
    link.check_uri(topic)?;
    link.features.check_broker_passthru(options)?;
    link.send_request(|request, out| {
        message::Publish { request, options, topic: topic.into(), payload }.write(out);
    })
}

/// Sends a PUBLISH whose options ask for an acknowledgement, and returns the local id.
pub(super) fn publish_ack<H>(
    link: &mut Link<H>,
    topic: &str,
    options: Dict<'_>,
    payload: PayloadRef<'_>,
    target: H,
) -> Result<u64, RequestError> {
    let request = publish(link, topic, options, payload)?;
    link.requests.insert(request, Request::Publish { target });
    Ok(link.ids.local_of(request))
}

/// Takes in the acknowledgement of the broker.
pub(super) fn on_published<H>(
    link: &mut Link<H>,
    published: &message::Published,
) -> Result<(), Violation> {
    if let Some(Request::Publish { target }) = link.answered(published.request, code::PUBLISH)? {
        let local = link.ids.local_of(published.request);
        let mut event = Event::new(EventKind::Published, local, Some(target));
        event.wamp_id = published.publication;
        link.emit(event);
    }
    Ok(())
}
