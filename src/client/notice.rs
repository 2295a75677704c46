//! One thing for the application, on its way through the queue.

use std::ffi::CStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::protocol::{Event, EventKind};

use super::connection::Connection;
use super::hook::Attempt;
use super::log;
use super::session::Session;
use super::status::Status;
use super::target::Receiver;

/// What a notice is about.
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
    /// A request, subscription or registration, a challenge.
    Session(EventKind),
}

/// One thing for the application, with everything that its view of it needs.
#[derive(Debug)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// The application's name for the connection, see [`Connection::handle`].
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
    /// A notice of `connection`, of nothing that went wrong.
    pub fn new(kind: NoticeKind, connection: &Connection, event: Event<Receiver>) -> Notice {
        let connection = connection.handle.load(Ordering::Acquire);
        Notice { connection, ..Notice::of_nobody(kind, event) }
    }

    /// A notice that belongs to no connection.
    pub fn of_nobody(kind: NoticeKind, event: Event<Receiver>) -> Notice {
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

    /// The id that it is told for: none (0) where a callback of the connection hears it, whatever it is
    /// about.
    pub(super) fn told_for(&self) -> u64 {
        match self.kind {
            NoticeKind::Session(EventKind::Challenge) => 0,
            NoticeKind::Session(_) | NoticeKind::Restored | NoticeKind::Suspended => self.event.id,
            NoticeKind::Connect
            | NoticeKind::Open
            | NoticeKind::Close
            | NoticeKind::Writable
            | NoticeKind::UserError
            | NoticeKind::InternalError => 0,
        }
    }

    /// A rough measure of what it keeps in memory.
    pub(super) fn cost(&self) -> usize {
        std::mem::size_of::<Notice>() + self.event.payload.frame().len()
    }

    /// True if there is nothing to tell: it only brings back what the application has given.
    pub(super) fn is_void(&self) -> bool {
        match self.kind {
            NoticeKind::Session(EventKind::Released) => true,
            NoticeKind::Session(EventKind::Event) => {
                let target = self.event.target.as_ref().and_then(Receiver::app);
                target.is_some_and(|target| target.has_ended())
            }
            _ => false,
        }
    }

    /// A failure that nobody hears of is worth a line in the log.
    pub(super) fn log_unheard(&self) {
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
                NoticeKind::UserError => "failure of the application".to_owned(),
                _ => format!("request {} failed", self.event.id),
            };
            format!("{what}: {} {}", text(&self.event.uri), text(&self.text))
        });
    }
}
