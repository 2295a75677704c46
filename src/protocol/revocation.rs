//! Revocations: the router ends a subscription or a registration by itself (advanced profile,
//! "Subscription Revocation" and "Registration Revocation").

use std::ffi::CStr;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{Dict, PayloadRef};

use super::error::Violation;
use super::event::{Event, EventKind, c_text};

/// An UNSUBSCRIBED or UNREGISTERED that answers no request.
#[derive(Debug)]
pub(super) struct Revocation<'a> {
    /// The router's id of what is revoked.
    pub(super) id: u64,
    reason: Arc<CStr>,
    frame: &'a Bytes,
    details: Dict<'a>,
}

impl<'a> Revocation<'a> {
    /// Reads the details of a revocation, which have the id under `key`. `None` without an id:
    /// nothing is revoked then.
    pub(super) fn read(
        frame: &'a Bytes,
        details: Option<Dict<'a>>,
        key: &'static str,
    ) -> Result<Option<Revocation<'a>>, Violation> {
        let Some(details) = details else {
            return Ok(None);
        };
        let Some(id) = details.id(key)? else {
            return Ok(None);
        };
        let reason = c_text(&details.text("reason")?.unwrap_or_default());
        Ok(Some(Revocation { id, reason, frame, details }))
    }

    /// The event that tells one of those concerned.
    pub(super) fn event<H>(&self, kind: EventKind, local: u64, target: H) -> Event<H> {
        let mut event = Event::new(kind, local, Some(target));
        event.wamp_id = self.id;
        event.uri = Some(self.reason.clone());
        event.attach(self.frame, self.details, PayloadRef::NONE);
        event
    }
}
