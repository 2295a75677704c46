//! Declarations: subscriptions and registrations that outlive sessions.

use std::sync::Arc;

use crate::client::session::durable::DurableKind;
use crate::client::session::{EventHandler, NoticeKind, Receiver};
use crate::client::status::{Failure, Status};
use crate::client::sync::lock;
use crate::codec::Dict;
use crate::protocol::options::matching;
use crate::protocol::{Event, EventKind, RequestError, uri};

use super::Connection;

impl Connection {
    /// Declares a subscription or registration that outlives sessions. Returns its id.
    pub fn declare(
        &self,
        kind: DurableKind,
        uri: &str,
        options: Dict<'_>,
        handler: Arc<dyn EventHandler>,
    ) -> Result<u64, Failure> {
        let uri = &*self.shared.prefixes.resolve(uri);
        uri::check(uri, matching(options)?).map_err(RequestError::from)?;
        let state = lock(&self.state);
        if state.is_freed() {
            return Err(Status::Handle.into());
        }
        let durable = self.shared.durables.declare(kind, uri, options, handler);
        let durable = durable.ok_or(RequestError::AlreadyRegistered)?;
        let session = state.session().cloned();
        drop(state);
        if let Some(session) = session {
            session.place(&durable);
        }
        Ok(durable.id())
    }

    /// Ends a declaration; `handler` hears of it. True if the router's subscription ends too.
    pub fn retract(
        &self,
        kind: DurableKind,
        id: u64,
        handler: Arc<dyn EventHandler>,
    ) -> Result<bool, Failure> {
        let durable = self.shared.durables.remove(id, kind).ok_or(RequestError::NoSuchId)?;
        // Events of a session that has ended may still wait.
        durable.handler().end();
        let receiver = Receiver::Known(handler, id);
        let session = self.current_session();
        let ended = session
            .as_ref()
            .and_then(|session| session.end_durable(&durable, kind, receiver.clone()));
        ended.unwrap_or_else(|| {
            let kind = match kind {
                DurableKind::Subscription => EventKind::Unsubscribed,
                DurableKind::Registration => EventKind::Unregistered,
            };
            let event = Event::new(kind, id, Some(receiver));
            self.shared.tell(self.shared.notice(NoticeKind::Session(kind), event));
            Ok(true)
        })
    }
}
