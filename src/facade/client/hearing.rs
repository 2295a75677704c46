//! The news that a client hears, and their way into channels.
//!
//! Handlers run on threads of the library that may block, one per connection. So a channel that is
//! full makes the connection wait, and the socket with it, and in the end the router.

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::oneshot;

use crate::client::{
    Connection, EventHandler, Failure, Notice, NoticeKind, Receiver, Session, Status, lock,
};
use crate::codec::{Dict, PayloadRef};
use crate::protocol::{EventKind, uri};

use super::Parts;

/// A change of a connection.
#[derive(Debug, Clone)]
pub enum Change {
    /// A session is open.
    Open(Welcome),
    /// There is none, or no more.
    Closed(Ended),
}

/// An open session.
#[derive(Debug, Clone)]
pub struct Welcome {
    /// Its id.
    pub session: u64,
    /// The realm that was joined.
    pub realm: String,
    /// WELCOME.Details.
    pub details: Value,
    /// The URL that it goes over.
    pub url: String,
    /// The subprotocol, such as `wamp.2.json`.
    pub protocol: String,
}

/// The end of an attempt or of a session.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Why, in a sentence; the status is [`Status::Ok`] for an end in order.
    pub why: Failure,
    /// The URI of the router's ABORT or GOODBYE.
    pub reason: Option<String>,
    /// After how long another attempt is made; `None` for never.
    pub retry_in: Option<Duration>,
}

/// An event, a result, an error, or the arguments of a call.
#[derive(Debug, Clone)]
pub struct Message {
    /// The topic, the procedure, or the error.
    pub uri: String,
    /// The router's id of a publication or an invocation.
    pub id: u64,
    /// The details dict.
    pub details: Value,
    /// Args and kwargs.
    pub parts: Parts,
    /// The payload could not be decoded, and why.
    pub fault: Option<Failure>,
    /// Time at which it was delivered.
    pub at: Instant,
}

/// A reply to a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// More will come.
    Progress(Message),
    /// The last one.
    Done(Message),
    /// The last one: it has failed.
    Failed(Failure, Message),
}

/// News of a subscription or registration.
#[derive(Debug)]
pub enum Heard {
    /// It is active, for the first time or again.
    Active,
    /// It is out of service until the next session.
    Suspended,
    /// The router does not want it, or has ended it.
    Refused(Failure),
    /// Somebody has published.
    Event(Message),
    /// Somebody calls.
    Called(Message, Invocation),
}

/// A call that waits for its answer. If it is dropped without one, the caller gets an error.
pub struct Invocation {
    session: Arc<Session>,
    key: u64,
    canceled: oneshot::Receiver<()>,
    answered: bool,
}

impl std::fmt::Debug for Invocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invocation").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Invocation {
    /// Takes charge of the invocation that `notice` tells of.
    fn new(session: &Arc<Session>, notice: &Notice) -> Invocation {
        let (sender, canceled) = oneshot::channel();
        let key = notice.event.wamp_id;
        // Dropped, and so told, also when the session is over.
        let sender = Mutex::new(Some(sender));
        let watcher = handler(move |notice| {
            if notice.kind == NoticeKind::Session(EventKind::Interrupt)
                && let Some(sender) = lock(&sender).take()
            {
                let _ = sender.send(());
            }
        });
        let receiver = Receiver::Known(watcher, notice.event.id);
        // Refused where it is over already, which is heard by the end of the channel.
        let _ = session.watch_interrupt(key, receiver);
        Invocation { session: session.clone(), key, canceled, answered: false }
    }

    /// Answers with a result.
    pub fn answer(mut self, parts: &Parts) -> Result<(), Failure> {
        let answered = self.session.answer(self.key, Dict::EMPTY, parts.payload()?);
        self.answered = answered.is_ok();
        answered
    }

    /// Answers with an error.
    pub fn fail(mut self, error: &str, parts: &Parts) -> Result<(), Failure> {
        let answered = self.session.answer_error(self.key, error, parts.payload()?);
        self.answered = answered.is_ok();
        answered
    }

    /// Sends a progressive result, where the caller wants some.
    pub fn progress(&self, parts: &Parts) -> Result<(), Failure> {
        self.session.progress(self.key, Dict::EMPTY, parts.payload()?)
    }

    /// Waits until the caller has canceled, or the session is over.
    pub async fn canceled(&mut self) {
        // Once it is told, there is nothing more to wait for.
        if !self.canceled.is_terminated() {
            let _ = (&mut self.canceled).await;
        }
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        if !self.answered {
            let text = PayloadRef::args("[\"the callee did not answer\"]");
            self.session.release_invocation(self.key, uri::RUNTIME_ERROR, text);
        }
    }
}

impl Message {
    fn new(notice: &Notice) -> Message {
        let payload = notice.event.payload.as_ref();
        let text =
            |part: Option<&[u8]>| part.map(|part| String::from_utf8_lossy(part).into_owned());
        let details = notice.event.details().map(serde_json::from_slice);
        let fault = (notice.status == Status::Payload).then(|| failure(notice));
        Message {
            uri: c_text(notice.event.uri.as_deref()),
            id: notice.event.wamp_id,
            details: details.and_then(Result::ok).unwrap_or_default(),
            parts: Parts { args: text(payload.args), kwargs: text(payload.kwargs) },
            fault,
            at: Instant::now(),
        }
    }
}

// ===== handlers =====

/// A handler of what a connection becomes, and the end of its channel.
pub(super) fn changes(
    connection: &Arc<Connection>,
) -> (Arc<dyn EventHandler>, UnboundedReceiver<Change>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let connection = Arc::downgrade(connection);
    let told = handler(move |notice| {
        let change = match (notice.kind, &notice.session, connection.upgrade()) {
            (NoticeKind::Open, Some(session), Some(connection)) => {
                welcome(&connection, session).map(Change::Open)
            }
            (NoticeKind::Close, ..) => Some(Change::Closed(ended(notice))),
            _ => None,
        };
        // Where nobody listens any more, nobody misses it.
        if let Some(change) = change {
            let _ = sender.send(change);
        }
    });
    (told, receiver)
}

/// A receiver of the replies to one request, and the end of their channel.
pub(super) fn outcome(backlog: usize) -> (Receiver, mpsc::Receiver<Reply>) {
    let (sender, replies) = mpsc::channel(backlog);
    let told = handler(move |notice| {
        let message = Message::new(notice);
        let reply = match notice.kind {
            NoticeKind::Session(EventKind::Result) if notice.event.progress => {
                Reply::Progress(message)
            }
            NoticeKind::Session(EventKind::Result | EventKind::Published) => Reply::Done(message),
            NoticeKind::Session(EventKind::Error) => Reply::Failed(failure(notice), message),
            _ => return,
        };
        let _ = sender.blocking_send(reply);
    });
    (Receiver::App(told), replies)
}

/// A handler of a subscription or registration, which tells its news by this number.
pub(super) fn listener(
    sender: mpsc::Sender<(usize, Heard)>,
    number: usize,
) -> Arc<dyn EventHandler> {
    handler(move |notice| {
        let news = match notice.kind {
            NoticeKind::Restored
            | NoticeKind::Session(EventKind::Subscribed | EventKind::Registered) => Heard::Active,
            NoticeKind::Suspended => Heard::Suspended,
            NoticeKind::Session(EventKind::Event) => Heard::Event(Message::new(notice)),
            NoticeKind::Session(EventKind::Invocation) => match &notice.session {
                Some(session) => {
                    Heard::Called(Message::new(notice), Invocation::new(session, notice))
                }
                None => return,
            },
            NoticeKind::Session(EventKind::Unsubscribed | EventKind::Unregistered) => {
                Heard::Refused(Failure::new(Status::Remote, "the router has ended it"))
            }
            NoticeKind::Session(EventKind::Error) => Heard::Refused(failure(notice)),
            _ => return,
        };
        // An invocation that nobody takes answers itself.
        let _ = sender.blocking_send((number, news));
    })
}

/// A handler that hears nothing.
pub(super) fn nobody() -> Arc<dyn EventHandler> {
    handler(|_| ())
}

/// A function as a handler.
struct Told<F> {
    tell: F,
    ended: AtomicBool,
    silent: AtomicBool,
}

fn handler(tell: impl Fn(&Notice) + Send + Sync + 'static) -> Arc<dyn EventHandler> {
    Arc::new(Told { tell, ended: AtomicBool::new(false), silent: AtomicBool::new(false) })
}

impl<F: Fn(&Notice) + Send + Sync> EventHandler for Told<F> {
    fn deliver(&self, notice: &Notice) -> bool {
        (self.tell)(notice);
        true
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    fn silence(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }

    fn is_silent(&self) -> bool {
        self.silent.load(Ordering::SeqCst)
    }

    fn pass_over(&self, notice: &Notice) {
        if let (NoticeKind::Session(EventKind::Invocation), Some(session)) =
            (notice.kind, &notice.session)
        {
            drop(Invocation::new(session, notice));
        }
    }

    fn user_data(&self) -> usize {
        0
    }
}

// ===== what notices say =====

fn welcome(connection: &Connection, session: &Session) -> Option<Welcome> {
    let joined = session.joined()?;
    let (_, url, protocol) = connection.transport().unwrap_or_default();
    Some(Welcome {
        session: joined.id,
        realm: c_text(Some(&joined.realm)),
        details: serde_json::from_slice(&joined.details).unwrap_or_default(),
        url,
        protocol: protocol.to_owned(),
    })
}

fn ended(notice: &Notice) -> Ended {
    let details = notice.event.details().map(serde_json::from_slice::<Value>);
    let details = details.and_then(Result::ok).unwrap_or_default();
    let delay = details["retry_delay"].as_f64().and_then(|s| Duration::try_from_secs_f64(s).ok());
    Ended {
        why: failure(notice),
        reason: details["reason"].as_str().map(str::to_owned),
        retry_in: delay.filter(|_| details["will_retry"] == true),
    }
}

fn failure(notice: &Notice) -> Failure {
    Failure::new(notice.status, c_text(notice.text.as_deref()))
}

fn c_text(text: Option<&CStr>) -> String {
    text.map(CStr::to_string_lossy).unwrap_or_default().into_owned()
}
