//! The phases of the pump, against a scripted transport.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Mutex;

use super::*;
use crate::client::options::Options;
use crate::client::status::Status;
use crate::client::sync::lock;
use crate::codec::Encoding;
use crate::os::{Descriptor, Flag};
use crate::transport::Serializer;

pub(in super::super) type Step = Result<Incoming, TransportError>;

pub(in super::super) const WELCOME: &str = r#"[2,7,{"roles":{"broker":{}}}]"#;
const GOODBYE: &str = r#"[6,{},"wamp.close.system_shutdown"]"#;

/// A router that says what it is told to, once it has HELLO.
#[derive(Default)]
struct Script {
    steps: VecDeque<Step>,
    /// Messages of the client, and where it closed the transport.
    sent: Vec<String>,
    /// The router answers the closing handshake.
    closes: bool,
    /// Readable while a step is there, once the socket is detached.
    socket: Option<Flag>,
    is_detached: bool,
    was_detached: bool,
    /// The socket cannot be detached, nor used after that.
    is_lost: bool,
}

#[derive(Clone, Default)]
pub(in super::super) struct Scripted(Arc<Mutex<Script>>);

impl Scripted {
    pub(in super::super) fn new(closes: bool, steps: impl IntoIterator<Item = Step>) -> Scripted {
        let script = Scripted::default();
        lock(&script.0).closes = closes;
        steps.into_iter().for_each(|step| script.says(step));
        script
    }

    /// With a socket that a thread may watch.
    pub(in super::super) fn with_socket(self) -> Scripted {
        lock(&self.0).socket = Some(Flag::new().unwrap());
        self
    }

    pub(in super::super) fn says(&self, step: Step) {
        self.say_together([step]);
    }

    pub(in super::super) fn say_together(&self, steps: impl IntoIterator<Item = Step>) {
        let mut script = lock(&self.0);
        script.steps.extend(steps);
        script.socket.iter().for_each(Flag::raise);
    }

    pub(in super::super) fn is_detached(&self) -> bool {
        lock(&self.0).is_detached
    }

    pub(in super::super) fn was_detached(&self) -> bool {
        lock(&self.0).was_detached
    }

    pub(in super::super) fn lose_socket(&self) {
        lock(&self.0).is_lost = true;
    }

    /// The beginnings of what was sent.
    pub(in super::super) fn sent(&self) -> Vec<String> {
        lock(&self.0).sent.iter().map(|text| text[..3].to_owned()).collect()
    }
}

impl Transport for Scripted {
    fn poll_receive(&mut self, _cx: &mut Context<'_>) -> Poll<Step> {
        let mut script = lock(&self.0);
        if script.steps.is_empty() {
            script.socket.iter().for_each(Flag::lower);
        }
        match script.sent.is_empty() {
            true => Poll::Pending,
            false => script.steps.pop_front().map_or(Poll::Pending, Poll::Ready),
        }
    }

    fn poll_send(
        &mut self,
        _cx: &mut Context<'_>,
        batch: &Batch,
        next: &mut usize,
    ) -> Poll<Result<(), TransportError>> {
        let texts = batch.iter().map(|message| String::from_utf8_lossy(message).into_owned());
        lock(&self.0).sent.extend(texts);
        *next = batch.count();
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        let mut script = lock(&self.0);
        script.sent.push("the end".to_owned());
        if script.closes {
            script.steps.push_back(Ok(Incoming::Closed { code: None, reason: String::new() }));
        }
        Poll::Ready(Ok(()))
    }

    fn serializer(&self) -> Serializer {
        Encoding::Json.into()
    }

    fn writes_anywhere(&self) -> bool {
        true
    }

    fn detach(&mut self) -> Option<io::Result<Descriptor>> {
        let mut script = lock(&self.0);
        if script.is_lost {
            return Some(Err(io::ErrorKind::NotConnected.into()));
        }
        script.is_detached = script.socket.is_some();
        script.was_detached |= script.is_detached;
        script.socket.as_ref().map(|socket| Ok(socket.fd()))
    }

    fn attach(&mut self) -> io::Result<()> {
        lock(&self.0).is_detached = false;
        Ok(())
    }
}

pub(in super::super) fn message(text: &'static str) -> Step {
    Ok(Incoming::Message(Bytes::from_static(text.as_bytes())))
}

fn lost() -> Step {
    Err(TransportError::Lost("gone".to_owned()))
}

/// A connection whose attempt has come to this transport.
fn pump(router: &Scripted) -> (Arc<Connection>, Pump) {
    pump_with(router, "")
}

/// The same, with more options.
pub(in super::super) fn pump_with(router: &Scripted, more: &str) -> (Arc<Connection>, Pump) {
    let options = format!(r#"{{"url": "ws://h", "realm": "r", "dispatch": "manual"{more}}}"#);
    let options = Arc::new(Options::parse(&options).unwrap());
    let connection = Connection::new((*options).clone());
    lock(&connection.state).open().unwrap();
    let session = connection.begin_session(&options, 0, router).unwrap().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    let pump = Pump::new(&connection, session, Box::new(router.clone()), until);
    (connection, pump)
}

/// The end of a session with this router, and how long it took.
async fn ended(router: &Scripted) -> (CloseReason, Duration) {
    let (_connection, mut pump) = pump(router);
    let begun = Instant::now();
    let end = poll_fn(|cx| pump.poll(cx)).await;
    (end, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_goes_out_before_the_transport_is_closed() {
    let router = Scripted::new(true, [message(WELCOME)]);
    let (connection, mut pump) = pump(&router);
    // A round in which the program frees the connection when all seems to be written.
    let end = poll_fn(|cx| {
        assert!(pump.write(cx) && pump.read(cx) && connection.is_open());
        connection.free();
        Poll::Ready(pump.poll_closed(cx))
    });
    assert!(end.await.is_pending());
    router.says(message(r#"[6,{},"wamp.close.goodbye_and_out"]"#));
    poll_fn(|cx| pump.poll(cx)).await;
    assert_eq!(router.sent(), ["[1,", "[6,", "the"]);
}

#[tokio::test(start_paused = true)]
async fn the_routers_goodbye_is_answered_and_the_transport_closed() {
    let router = Scripted::new(true, [message(WELCOME), message(GOODBYE)]);
    let (end, took) = ended(&router).await;
    assert_eq!((end.class, end.status), (CloseClass::Closed, Status::Ok));
    assert_eq!(end.reason.as_deref(), Some("wamp.close.system_shutdown"));
    assert_eq!((router.sent(), took), (vec_of(["[1,", "[6,", "the"]), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_router_that_does_not_close_is_waited_for_no_longer_than_a_second() {
    let router = Scripted::new(false, [message(WELCOME), message(GOODBYE)]);
    let (end, took) = ended(&router).await;
    assert_eq!(end.reason.as_deref(), Some("wamp.close.system_shutdown"));
    assert!((TRANSPORT_CLOSE..2 * TRANSPORT_CLOSE).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_loss_while_draining_is_no_other_end() {
    let router = Scripted::new(false, [message(WELCOME), message(GOODBYE), lost()]);
    let (end, took) = ended(&router).await;
    assert_eq!((end.class, end.status, took), (CloseClass::Closed, Status::Ok, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_violation_is_answered_with_abort() {
    let router = Scripted::new(true, [message(WELCOME), message("[36]")]);
    let (end, _) = ended(&router).await;
    assert_eq!((end.class, end.status), (CloseClass::Closed, Status::Protocol));
    assert_eq!(router.sent(), ["[1,", "[3,", "the"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_transport_ends_at_once_and_takes_no_last_word() {
    for (steps, class) in [
        (vec![lost()], CloseClass::Unreachable),
        (vec![message(WELCOME), lost()], CloseClass::Lost),
    ] {
        let router = Scripted::new(true, steps);
        let (end, took) = ended(&router).await;
        assert_eq!((end.class, took), (class, Duration::ZERO));
        assert!(!router.sent().contains(&"the".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_transport_may_take_a_last_word() {
    let broken = Err(TransportError::Protocol("nonsense".to_owned()));
    let router = Scripted::new(true, [message(WELCOME), broken]);
    let (end, _) = ended(&router).await;
    assert_eq!((end.class, end.status), (CloseClass::Closed, Status::Protocol));
    assert_eq!(router.sent().last().map(String::as_str), Some("the"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_router_lets_no_session_open_in_time() {
    let router = Scripted::new(true, []);
    let (end, took) = ended(&router).await;
    assert_eq!((end.class, end.status), (CloseClass::Unreachable, Status::Timeout));
    assert!(took >= Duration::from_secs(60), "{took:?}");
    assert_eq!(router.sent().last().map(String::as_str), Some("the"));
}

#[tokio::test(start_paused = true)]
async fn the_task_runs_now_and_then_without_pings_too() {
    let router = Scripted::new(true, [message(WELCOME)]);
    let (_connection, mut pump) = pump(&router);
    assert!(pump.ping_timer.due().is_none());
    assert!(poll_fn(|cx| Poll::Ready(pump.poll(cx).is_pending())).await);
    // The time to join in was set before, and is let fire once.
    for _ in 0..3 {
        let now = Instant::now();
        let next = pump.next_deadline(now).unwrap();
        assert!(next > now && next <= now + Duration::from_secs(60), "{:?}", next - now);
        tokio::time::sleep_until(next).await;
        assert!(poll_fn(|cx| Poll::Ready(pump.poll(cx).is_pending())).await);
    }
}

fn vec_of<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}
