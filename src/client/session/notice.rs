//! One thing for the application, on its way through the queue.

use std::ffi::CStr;
use std::sync::Arc;

use crate::client::delivery::Item;
use crate::client::on_connect::Attempt;
use crate::client::status::Status;
use crate::log;
use crate::protocol::{Event, EventKind};

use super::Session;
use super::handler::{EventHandler, Receiver};

/// Subject of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// An attempt to connect is about to be made.
    Connect,
    /// A session is open.
    Open,
    /// The connection has ended.
    Close,
    /// Requests are accepted again after `Again`.
    Writable,
    /// A durable subscription or registration is active again.
    Restored,
    /// A durable subscription or registration is out of service, as its session has ended.
    Suspended,
    /// The application's own code failed, or a failure had nobody to hear it.
    UserError,
    /// The library could not go on by itself.
    InternalError,
    /// Somebody wants to join a router of the program.
    Authenticate,
    /// A client of a router of the program wants to do something.
    Authorize,
    /// A request, subscription or registration, a challenge.
    Session(EventKind),
}

/// One thing for the application, with everything that its view of it needs.
#[derive(Debug)]
pub struct Notice {
    /// Subject.
    pub kind: NoticeKind,
    /// The application's name for the connection; 0 for none.
    pub connection: u64,
    /// The session it belongs to.
    pub session: Option<Arc<Session>>,
    /// Connect: the attempt.
    pub attempt: Option<Arc<Attempt>>,
    /// Ids, URI, details, payload, and whom to tell.
    pub event: Event<Receiver>,
    /// Failures and closes: what went wrong.
    pub status: Status,
    /// Failures and closes: a sentence.
    pub text: Option<Arc<CStr>>,
}

impl Notice {
    /// A notice that belongs to no connection.
    pub fn detached(kind: NoticeKind, event: Event<Receiver>) -> Notice {
        Notice {
            kind,
            connection: 0,
            session: None,
            attempt: None,
            event,
            status: Status::Ok,
            text: None,
        }
    }

    /// The same for somebody else: without its target and what it lends.
    pub fn copy(&self) -> Notice {
        let mut event = self.event.clone();
        event.target = None;
        Notice {
            kind: self.kind,
            connection: self.connection,
            session: self.session.clone(),
            attempt: None,
            event,
            status: self.status,
            text: self.text.clone(),
        }
    }

    #[inline]
    fn handler(&self) -> Option<&Arc<dyn EventHandler>> {
        self.event.target.as_ref()?.handler()
    }

    /// Writes a failure that nobody hears of to the log.
    pub(super) fn log_unhandled(&self) {
        if self.status == Status::Ok || self.kind == NoticeKind::Close {
            return;
        }
        let level = match self.kind {
            NoticeKind::InternalError => log::Level::Error,
            _ => log::Level::Warn,
        };
        log::write(level, || {
            let text = |text: &Option<Arc<CStr>>| {
                text.as_ref().map(|t| t.to_string_lossy().into_owned()).unwrap_or_default()
            };
            let what = match self.kind {
                NoticeKind::InternalError => "failure".to_owned(),
                NoticeKind::UserError => "failure in the application".to_owned(),
                _ => format!("request {} failed", self.event.id),
            };
            format!("{what}: {} {}", text(&self.event.uri), text(&self.text))
        });
    }
}

impl Item for Notice {
    fn cost(&self) -> usize {
        std::mem::size_of::<Notice>() + self.event.payload.frame().len()
    }

    /// None (0) where a callback of the connection hears it, whatever it is about.
    #[inline]
    fn told_for(&self) -> u64 {
        match self.kind {
            NoticeKind::Session(EventKind::Challenge) => 0,
            NoticeKind::Session(_) | NoticeKind::Restored | NoticeKind::Suspended => self.event.id,
            NoticeKind::Connect
            | NoticeKind::Open
            | NoticeKind::Close
            | NoticeKind::Writable
            | NoticeKind::UserError
            | NoticeKind::InternalError
            | NoticeKind::Authenticate
            | NoticeKind::Authorize => 0,
        }
    }

    #[inline]
    fn is_internal(&self) -> bool {
        match self.kind {
            NoticeKind::Session(EventKind::Released) => true,
            NoticeKind::Session(EventKind::Event) => {
                self.handler().is_some_and(|handler| handler.has_ended())
            }
            _ => false,
        }
    }

    #[inline]
    fn is_silent(&self) -> bool {
        self.handler().is_some_and(|handler| handler.is_silent())
    }

    fn silence(&self) {
        if let Some(handler) = self.handler() {
            handler.silence();
        }
    }

    fn pass_over(&self) {
        if let Some(handler) = self.handler() {
            handler.pass_over(self);
        }
    }
}
