//! The client, as `wampcat` uses it: a connection whose news come by channels.
//!
//! Options are the connection options as JSON (docs/OPTIONS.md), and payloads are JSON text in both
//! directions. Requests are made on any thread; their answers, events and invocations arrive at
//! [`tokio`] channels, which any runtime can wait for. Subscriptions and registrations outlive
//! sessions: they are placed again after each join.
//!
//! Left to [`crate::client`]: everything. Left to the program: how long to wait.

mod hearing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, channel};

use crate::client::callbacks::Slot;
use crate::client::durable::DurableKind;
use crate::client::request_options::Request;
use crate::client::{Connection, Options, Session};
use crate::codec::check::check_payload;
use crate::codec::{Dict, Encoding, PayloadRef, Rules};
use crate::protocol::{message, uri};

pub use crate::client::{Failure, Status};
pub use crate::protocol::CancelMode;
pub use hearing::{Change, Ended, Heard, Invocation, Message, Reply, Welcome};

use hearing::{changes, listener, nobody, outcome};

/// Events and replies that may wait before reading from the socket pauses.
const BACKLOG: usize = 1024;

/// Args and kwargs as JSON text: a list and an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// The list, if there is one.
    pub args: Option<String>,
    /// The object, if there is one.
    pub kwargs: Option<String>,
}

impl Parts {
    /// A payload of one argument, a text.
    pub fn text(text: &str) -> Parts {
        Parts { args: Some(Value::from(vec![text]).to_string()), kwargs: None }
    }

    fn payload(&self) -> Result<PayloadRef<'_>, Failure> {
        let (args, kwargs) = (self.args.as_deref(), self.kwargs.as_deref());
        let (args, kwargs) = (args.map(str::as_bytes), kwargs.map(str::as_bytes));
        check_payload(args, kwargs, Encoding::Json, Rules::Strict)
            .map_err(|(name, error)| Failure::new(Status::Payload, format!("{name}: {error}")))
    }
}

/// A connection to a router. Dropping it ends the connection without further words.
pub struct Client {
    connection: Arc<Connection>,
}

/// A call that has been sent.
pub struct Call {
    session: Arc<Session>,
    id: u64,
    replies: Receiver<Reply>,
}

/// An acknowledged publication that has been sent.
pub struct Publication {
    reply: Receiver<Reply>,
}

/// A subscription or registration that outlives sessions.
#[derive(Debug)]
pub struct Listening {
    kind: DurableKind,
    id: u64,
}

/// The end of a channel at which subscriptions and registrations are told, each by its number.
#[derive(Debug, Clone)]
pub struct Ear(Sender<(usize, Heard)>);

impl Ear {
    /// A channel. While it is full the connection waits.
    pub fn new() -> (Ear, Receiver<(usize, Heard)>) {
        let (sender, heard) = channel(BACKLOG);
        (Ear(sender), heard)
    }
}

impl Client {
    /// Starts to connect. What becomes of it is told by the channel: the first change is the open
    /// session, or the reason why there is none.
    pub fn open(
        options: &Map<String, Value>,
    ) -> Result<(Client, UnboundedReceiver<Change>), Failure> {
        let text = Value::Object(options.clone()).to_string();
        let connection = Connection::new(Options::parse(&text)?);
        let (handler, changes) = changes(&connection);
        connection.set_callback(Slot::Open, Some(handler.clone()));
        connection.set_callback(Slot::Close, Some(handler));
        connection.open()?;
        Ok((Client { connection }, changes))
    }

    /// Calls a procedure.
    pub fn call(
        &self,
        procedure: &str,
        options: &Map<String, Value>,
        parts: &Parts,
    ) -> Result<Call, Failure> {
        let session = self.session()?;
        let options = checked(Request::Call, options)?;
        let (handler, replies) = outcome(BACKLOG);
        let options = Dict::from_checked(&options);
        let id = session.call(procedure, options, parts.payload()?, handler)?;
        Ok(Call { session, id, replies })
    }

    /// Publishes, to be acknowledged by the router.
    pub fn publish(
        &self,
        topic: &str,
        options: &Map<String, Value>,
        parts: &Parts,
    ) -> Result<Publication, Failure> {
        let mut options = options.clone();
        options.insert("acknowledge".to_owned(), true.into());
        let options = checked(Request::Publish, &options)?;
        let (handler, reply) = outcome(1);
        let options = Dict::from_checked(&options);
        self.session()?.publish_ack(topic, options, parts.payload()?, handler)?;
        Ok(Publication { reply })
    }

    /// Publishes, and hears nothing of what becomes of it.
    pub fn publish_unacknowledged(
        &self,
        topic: &str,
        options: &Map<String, Value>,
        parts: &Parts,
    ) -> Result<(), Failure> {
        let options = checked(Request::Publish, options)?;
        self.session()?.publish(topic, Dict::from_checked(&options), parts.payload()?)
    }

    /// Subscribes for as long as the connection lasts. News have this number.
    pub fn subscribe(
        &self,
        topic: &str,
        options: &Map<String, Value>,
        ear: &Ear,
        number: usize,
    ) -> Result<Listening, Failure> {
        let options = checked(Request::Subscribe, options)?;
        self.listen(DurableKind::Subscription, topic, &options, ear, number)
    }

    /// Registers for as long as the connection lasts. News have this number.
    pub fn register(
        &self,
        procedure: &str,
        options: &Map<String, Value>,
        ear: &Ear,
        number: usize,
    ) -> Result<Listening, Failure> {
        let options = checked(Request::Register, options)?;
        self.listen(DurableKind::Registration, procedure, &options, ear, number)
    }

    /// Ends a subscription or registration; nothing more is told of it.
    pub fn end(&self, listening: &Listening) -> Result<(), Failure> {
        self.connection.retract(listening.kind, listening.id, nobody()).map(drop)
    }

    /// True while a session is open.
    pub fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    /// Makes no more attempts to connect after a loss.
    pub fn stop_retrying(&self) {
        self.connection.stop_retrying();
    }

    /// Says goodbye and waits for the router's, for so long at most. Blocks.
    pub fn close(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        // There may be no session to leave, and a router that does not answer keeps nobody here.
        let _ = self.connection.close(uri::GOODBYE_NORMAL, None, deadline);
    }

    fn listen(
        &self,
        kind: DurableKind,
        uri: &str,
        options: &[u8],
        ear: &Ear,
        number: usize,
    ) -> Result<Listening, Failure> {
        let handler = listener(ear.0.clone(), number);
        let id = self.connection.declare(kind, uri, Dict::from_checked(options), handler)?;
        Ok(Listening { kind, id })
    }

    fn session(&self) -> Result<Arc<Session>, Failure> {
        self.connection.session(Some(Instant::now()))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.free();
    }
}

impl Call {
    /// The next reply: progress, or the last one; `None` after that.
    pub async fn next(&mut self) -> Option<Reply> {
        self.replies.recv().await
    }

    /// Cancels the call: its last reply says so.
    pub fn cancel(&self, mode: CancelMode) {
        // It may have been answered in this very moment.
        let _ = self.session.cancel(self.id, mode);
    }
}

impl Publication {
    /// The router's answer, whose id is the publication's; `None` after that.
    pub async fn acknowledged(&mut self) -> Option<Reply> {
        self.reply.recv().await
    }
}

/// The name of the messages with this type code, such as `HELLO`.
pub fn message_name(code: u64) -> &'static str {
    message::name(code)
}

/// Options of a request as an encoded dict.
fn checked(request: Request, options: &Map<String, Value>) -> Result<Vec<u8>, Failure> {
    let text = serde_json::to_vec(options)
        .map_err(|error| Failure::new(Status::Option, error.to_string()))?;
    request.check(Dict::from_checked(&text))?;
    Ok(text)
}
