//! Subscriptions and registrations of a connection, which outlive its sessions: declared at any
//! time, made anew after every join, with one id throughout.
//!
//! ```text
//!             join: SUBSCRIBE, REGISTER       the router agrees: Subscribed, or later Restored
//!   declared -----------------------> placed -------------------------------------> active
//!      ^  ^                             |                                              |
//!      |  +--- refused: Error, placed --+                                              |
//!      |       again by the next join                                                  |
//!      +------ the session ends: Suspended --------------------------------------------+
//! ```
//!
//! A procedure that exists already is tried again within the session too: after a loss the router
//! often still keeps the former session, which it has not yet seen to be gone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;

use crate::client::status::Failure;
use crate::client::sync::lock;
use crate::codec::{Dict, Payload, PayloadRef, Span};
use crate::protocol::{Cause, Event, EventKind, RequestError, uri};

use super::Core;
use super::handler::{EventHandler, Receiver};
use super::notice::NoticeKind;

/// Kind of declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DurableKind {
    /// A subscription.
    Subscription,
    /// A registration.
    Registration,
}

/// A durable subscription or registration.
pub struct Durable {
    id: u64,
    kind: DurableKind,
    uri: String,
    /// An encoded dict.
    options: Vec<u8>,
    handler: Arc<dyn EventHandler>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The session that it was placed with, and its id there.
    placed: Option<(u64, u64)>,
    active: bool,
    /// It has been active in this or an earlier session.
    was_active: bool,
    /// Since when it is out of service.
    since: Option<Instant>,
    /// The application has ended it.
    removed: bool,
    /// Refusals in a row, because the procedure exists already.
    conflicts: u32,
}

/// The durable subscriptions and registrations of a connection.
#[derive(Default)]
pub struct Durables(Mutex<Table>);

#[derive(Default)]
struct Table {
    by_id: BTreeMap<u64, Arc<Durable>>,
    last: u64,
}

/// Ids above this one are durable; those of sessions never come so far. Languages whose numbers are
/// all floats can tell them apart.
const IDS_ABOVE: u64 = 1 << 52;

/// True if `id` is none of a session.
pub(in crate::client) fn is_durable(id: u64) -> bool {
    id > IDS_ABOVE
}

impl Durables {
    /// Declares one. `None`: this very pattern is registered already, and the router would refuse
    /// the second.
    pub(in crate::client) fn declare(
        &self,
        kind: DurableKind,
        uri: &str,
        options: Dict<'_>,
        handler: Arc<dyn EventHandler>,
    ) -> Option<Arc<Durable>> {
        let mut table = lock(&self.0);
        if kind == DurableKind::Registration && table.has_registered(uri, options) {
            return None;
        }
        table.last += 1;
        let durable = Arc::new(Durable {
            id: IDS_ABOVE + table.last,
            kind,
            uri: uri.to_owned(),
            options: options.as_bytes().to_vec(),
            handler,
            state: Mutex::default(),
        });
        table.by_id.insert(durable.id, durable.clone());
        Some(durable)
    }

    /// Ends a declaration. What it was placed as, if it was, is the caller's to end.
    pub(in crate::client) fn remove(&self, id: u64, kind: DurableKind) -> Option<Arc<Durable>> {
        let mut table = lock(&self.0);
        if table.by_id.get(&id)?.kind != kind {
            return None;
        }
        let removed = table.by_id.remove(&id)?;
        lock(&removed.state).removed = true;
        Some(removed)
    }

    /// The one with this id, as long as it is declared.
    pub(in crate::client) fn find(&self, id: u64) -> Option<Arc<Durable>> {
        lock(&self.0).by_id.get(&id).cloned()
    }

    /// All, in the order of their declaration.
    pub(in crate::client) fn all(&self) -> Vec<Arc<Durable>> {
        lock(&self.0).by_id.values().cloned().collect()
    }

    /// Takes all out, to be dropped where no lock is held.
    pub(in crate::client) fn take(&self) -> Vec<Arc<Durable>> {
        let taken = std::mem::take(&mut lock(&self.0).by_id);
        taken.into_values().inspect(|durable| lock(&durable.state).removed = true).collect()
    }
}

impl Table {
    fn has_registered(&self, uri: &str, options: Dict<'_>) -> bool {
        let matching = options.get("match");
        self.by_id.values().any(|durable| {
            durable.kind == DurableKind::Registration
                && durable.uri == uri
                && Dict::from_checked(&durable.options).get("match") == matching
        })
    }
}

impl Durable {
    /// The id under which the application knows it.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its handler.
    pub(in crate::client) fn handler(&self) -> &Arc<dyn EventHandler> {
        &self.handler
    }

    /// Its id within `session`, if it was placed there.
    pub(in crate::client) fn local(&self, session: u64) -> Option<u64> {
        lock(&self.state).placed.filter(|(of, _)| *of == session).map(|(_, local)| local)
    }

    /// Makes the request for it in `session`, unless that has been done. `None`: nothing to tell.
    pub(in crate::client) fn place(
        self: &Arc<Self>,
        session: u64,
        core: &mut Core,
    ) -> Option<(Event<Receiver>, Failure)> {
        let mut state = lock(&self.state);
        // A join and a declaration at the same time may both come here.
        if state.removed || state.placed.is_some_and(|(of, _)| of == session) {
            return None;
        }
        let options = Dict::from_checked(&self.options);
        let receiver = Receiver::Durable(self.clone());
        let placed = match self.kind {
            DurableKind::Subscription => core.protocol.subscribe(&self.uri, options, receiver),
            DurableKind::Registration => core.protocol.register(&self.uri, options, receiver),
        };
        match placed {
            Ok(local) => {
                state.placed = Some((session, local));
                None
            }
            // The next join places it.
            Err(RequestError::Closed) => None,
            Err(error) => {
                let receiver = Receiver::Durable(self.clone());
                let event = Event::new(EventKind::Error, self.id, Some(receiver));
                Some((event, error.into()))
            }
        }
    }

    /// The meaning of an event of the protocol core to the application. With it, for a refusal that
    /// will pass: after how long to place it again.
    pub(in crate::client) fn translate(
        &self,
        event: &mut Event<Receiver>,
        within_session: bool,
    ) -> (NoticeKind, Option<Duration>) {
        event.id = self.id;
        let told = (NoticeKind::Session(event.kind), None);
        let silent = (NoticeKind::Session(EventKind::Released), None);
        let mut state = lock(&self.state);
        match event.kind {
            EventKind::Subscribed | EventKind::Registered => {
                state.active = true;
                state.conflicts = 0;
                // Only the first time is it news that the router agrees.
                if !std::mem::replace(&mut state.was_active, true) {
                    return told;
                }
                let outage = state.since.take().map(|since| since.elapsed().as_secs_f64());
                let frame = Bytes::from(json!({"outage": outage}).to_string());
                event.details = Span::new(&frame, Some(&frame));
                event.payload = Payload::from_frame(&frame, PayloadRef::NONE);
                (NoticeKind::Restored, None)
            }
            EventKind::Unsubscribed | EventKind::Unregistered => {
                // Revoked. The next join declares it anew.
                state.active = false;
                state.since = Some(Instant::now());
                told
            }
            EventKind::Error if event.cause == Some(Cause::Remote) => {
                let conflict = self.kind == DurableKind::Registration
                    && event.uri.as_deref().is_some_and(|error| {
                        error.to_bytes() == uri::PROCEDURE_ALREADY_EXISTS.as_bytes()
                    });
                if !conflict || state.removed {
                    return told;
                }
                // The router may still keep our former session: it is placed again in this one.
                state.placed = None;
                let delay = CONFLICT_DELAY * 2u32.saturating_pow(state.conflicts.min(16));
                state.conflicts += 1;
                (told.0, Some(delay.min(MAX_CONFLICT_DELAY)))
            }
            // The session has ended, or the application has changed its mind.
            EventKind::Error => silent,
            // Its end was told by Unsubscribed or Unregistered.
            EventKind::Released if within_session => silent,
            EventKind::Released if state.active && !state.removed => {
                state.active = false;
                state.since = Some(Instant::now());
                (NoticeKind::Suspended, None)
            }
            EventKind::Released => silent,
            _ => told,
        }
    }
}

/// After how long a procedure that exists already is registered again; doubled each time.
const CONFLICT_DELAY: Duration = Duration::from_millis(100);
const MAX_CONFLICT_DELAY: Duration = Duration::from_secs(10);
