//! A client's session, with a script of what its router and its application do.
//!
//! The first byte is the encoding on the wire, then there is a line for each step. One that begins
//! with `[` is a frame of the router, written in JSON whatever the encoding. Others begin with the
//! letter of what the application does, followed by digits: which one, and in which way.
//!
//! Whatever they do to each other, every request has one outcome, and what is sent makes sense.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use wamp::codec::{Dict, Encoding, PayloadRef, Received, Rules, json, transcode};
use wamp::protocol::{
    CancelMode, Config, Event, EventKind, Gate, Message, Phase, RequestError, Session,
};

use super::{encoding, tree};

/// See the module's text.
pub fn run(data: &[u8]) {
    let Some((encoding, script)) = encoding(data) else {
        return;
    };
    let mut client = Client::new(encoding);
    for line in script.split(|byte| *byte == b'\n') {
        match line {
            [b'[', ..] => client.receive(line),
            [step, rest @ ..] => client.step(*step, rest),
            [] => {}
        }
        client.hear();
    }
    client.end();
}

/// What has been asked for, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Call { progress: bool },
    Publish,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Register,
    Registered,
    Unregister,
    Watch,
    Done,
}

struct Client {
    session: Session<usize>,
    encoding: Encoding,
    now: Instant,
    /// The targets are the places in here.
    requests: Vec<Request>,
    /// The local ids that there have been.
    locals: Vec<u64>,
    sent: Sent,
}

impl Client {
    fn new(encoding: Encoding) -> Client {
        let gate = |details: Dict<'_>| match details.get("refuse") {
            None => Ok(()),
            Some(_) => Err("the gate is shut".to_owned()),
        };
        let config = Config {
            realm: "realm1".to_owned(),
            hello: br#"{"roles":{}}"#.to_vec(),
            encoding,
            max_message_size: 1024,
            ids_above: 1000,
            gate: Some(Gate(Arc::new(gate))),
        };
        Client {
            session: Session::new(config),
            encoding,
            now: Instant::now(),
            requests: Vec::new(),
            locals: Vec::new(),
            sent: Sent::default(),
        }
    }

    fn receive(&mut self, frame: &[u8]) {
        // The transports let nothing else pass.
        if std::str::from_utf8(frame).is_err() {
            return;
        }
        if let Ok(Message::Invocation(invocation)) = Message::decode(frame) {
            *self.sent.invocations.entry(invocation.request).or_default() += 1;
        }
        let mut bytes = Vec::new();
        let json = Encoding::Json;
        if transcode(frame, json, self.encoding, Rules::Tolerant, &mut bytes).is_err() {
            bytes = frame.to_vec();
        }
        self.session.receive(&bytes.into());
    }

    fn step(&mut self, step: u8, rest: &[u8]) {
        let digit = |at: usize| rest.get(at).map_or(0, |byte| byte.wrapping_sub(b'0'));
        let (which, way) = (digit(0), usize::from(digit(1)));
        let id = u64::from(which);
        let local = match self.locals.len() {
            0 => id,
            count => self.locals[usize::from(which) % count],
        };
        let uri = ["com.a", "com.b", "com..c", "com", "a b", "\u{fc}"][usize::from(which) % 6];
        let options = |all: &[&'static str]| Dict::from_checked(all[way % all.len()].as_bytes());
        let large = format!("[\"{}\"]", "x".repeat(1024));
        let payload = match way {
            9 => PayloadRef::args(&large),
            8 => PayloadRef::NONE,
            _ => PayloadRef::args("[1]"),
        };
        let (session, target) = (&mut self.session, self.requests.len());
        let wanted = (way < 5).then_some(target);
        let (begun, done) = match step {
            b's' => {
                let options = options(&PATTERNS);
                (Some(Request::Subscribe), session.subscribe(uri, options, target))
            }
            b'u' => {
                let done = session.unsubscribe(local, wanted).map(|_| local);
                (wanted.map(|_| Request::Unsubscribe), done)
            }
            b'r' => {
                let options = options(&PATTERNS);
                (Some(Request::Register), session.register(uri, options, target))
            }
            b'v' => {
                let done = session.unregister(local, wanted).map(|()| local);
                (wanted.map(|_| Request::Unregister), done)
            }
            b'c' => {
                let (options, now) = (options(&CALLS), self.now);
                let progress = options.bool("receive_progress") == Ok(Some(true));
                let done = session.call(uri, options, payload, target, || now);
                (Some(Request::Call { progress }), done)
            }
            b'p' => {
                let options = Dict::from_checked(br#"{"acknowledge":true}"#);
                let done = session.publish_ack(uri, options, payload, target);
                (Some(Request::Publish), done)
            }
            b'w' => (Some(Request::Watch), session.watch_interrupt(id, target).map(|()| u64::MAX)),
            _ => {
                let options = options(&CALLS);
                return self.small_step(step, (id, way), local, (uri, options, payload));
            }
        };
        if let Ok(local) = done {
            self.requests.extend(begun);
            // Unknown ones are tried, too.
            self.locals.push(local);
        }
    }

    /// What begins no request.
    fn small_step(
        &mut self,
        step: u8,
        (id, way): (u64, usize),
        local: u64,
        (uri, options, payload): (&str, Dict<'_>, PayloadRef<'_>),
    ) {
        let session = &mut self.session;
        let _: Result<(), RequestError> = match step {
            b'q' => session.publish(uri, options, payload),
            b'm' => session.call_more(local, options, payload),
            b'x' => {
                let modes = [CancelMode::Skip, CancelMode::Kill, CancelMode::KillNoWait];
                session.cancel(local, modes[way % 3])
            }
            b'a' => session.drop_request(local),
            b'y' => session.answer(id, options, payload),
            b'g' => session.progress(id, options, payload),
            b'e' => session.answer_error(id, uri, payload),
            b'h' => session.authenticate(id, "signature", options),
            b'n' => session.refuse_challenge(id, uri, "no answer"),
            b'l' => session.leave("wamp.close.normal", (way == 0).then_some("bye")),
            other => {
                match other {
                    b'f' => session.finish_interrupt(id),
                    b'z' => session.release_invocation(id, "com.error", payload),
                    b'i' => session.lost(),
                    b'd' => session.detach(),
                    b'k' => session.violated("by the transport".to_owned()),
                    b'j' => {
                        session.tag_invocation(id, 7);
                        assert!([0, 7].contains(&session.invocation_tag(id)));
                    }
                    b't' => {
                        self.now += Duration::from_millis(700);
                        session.handle_timeout(self.now);
                        assert!(session.next_timeout().is_none_or(|due| due > self.now));
                    }
                    _ => {
                        let batch = session.take_outbox();
                        batch.iter().for_each(|message| self.sent.look(message, self.encoding));
                        session.recycle(batch);
                    }
                }
                Ok(())
            }
        };
    }

    /// What the session tells the application.
    fn hear(&mut self) {
        let events: Vec<_> = self.session.take_events().collect();
        for event in events {
            look(&event);
            match event.target {
                None => assert!(matches!(
                    event.kind,
                    EventKind::Joined
                        | EventKind::Challenge
                        | EventKind::Unsubscribed
                        | EventKind::Unregistered
                )),
                Some(target) => {
                    let request = &mut self.requests[target];
                    *request = after(*request, &event);
                }
            }
        }
        if self.session.phase() == Phase::Closed {
            assert_eq!((self.session.pending(), self.session.next_timeout()), (0, None));
            let is_done = |request: &Request| *request == Request::Done;
            assert!(self.requests.iter().all(is_done), "{:?}", self.requests);
        }
        let (subscribed, registered) = (Request::Subscribed, Request::Registered);
        let count = |wanted| self.requests.iter().filter(|request| **request == wanted).count();
        assert_eq!(self.session.subscriptions().len(), count(subscribed));
        assert!(self.session.registrations().len() >= count(registered));
    }

    fn end(mut self) {
        let closed = self.session.phase() == Phase::Closed;
        // One that has sent its last word still can.
        let batch = self.session.take_outbox();
        batch.iter().for_each(|message| self.sent.look(message, self.encoding));
        self.session.lost();
        self.hear();
        assert!(self.session.take_ended().is_some());
        assert!(self.session.take_ended().is_none());
        assert!(closed || self.session.outbox().is_empty());
    }
}

/// Options of subscriptions and registrations.
const PATTERNS: [&str; 5] = [
    "{}",
    r#"{"match":"prefix"}"#,
    r#"{"match":"wildcard"}"#,
    r#"{"get_retained":true}"#,
    r#"{"match":1}"#,
];

/// Options of all else.
const CALLS: [&str; 6] = [
    "{}",
    r#"{"receive_progress":true}"#,
    r#"{"timeout":1000,"receive_progress":true}"#,
    r#"{"progress":true}"#,
    r#"{"timeout":1}"#,
    r#"{"ppt_scheme":"x_a","progress":false}"#,
];

/// Where an event leaves the request that it is about.
fn after(request: Request, event: &Event<usize>) -> Request {
    use EventKind as Kind;
    match (request, event.kind) {
        (Request::Call { progress: true }, Kind::Result) if event.progress => request,
        (Request::Call { .. }, Kind::Result) if !event.progress => Request::Done,
        (Request::Call { .. } | Request::Publish, Kind::Error | Kind::Released)
        | (Request::Publish, Kind::Published)
        | (Request::Subscribe | Request::Register, Kind::Error)
        | (Request::Subscribed, Kind::Unsubscribed | Kind::Released)
        | (Request::Registered, Kind::Unregistered | Kind::Released)
        | (Request::Unsubscribe, Kind::Unsubscribed | Kind::Error)
        | (Request::Unregister, Kind::Unregistered | Kind::Error)
        | (Request::Watch, Kind::Interrupt | Kind::Released) => Request::Done,
        (Request::Subscribe, Kind::Subscribed) => Request::Subscribed,
        (Request::Subscribed, Kind::Event) => request,
        (Request::Register, Kind::Registered) => Request::Registered,
        (Request::Registered, Kind::Invocation | Kind::Interrupt) => request,
        (request, kind) => panic!("{kind:?} to {request:?}"),
    }
}

/// What an event shows must be there.
fn look(event: &Event<usize>) {
    if let Some(details) = event.details() {
        json::check_dict(details, Rules::Tolerant).expect("a dict");
    }
    let payload = event.payload.as_ref();
    for part in [payload.args, payload.kwargs].into_iter().flatten() {
        tree::look(payload.encoding, part);
    }
}

/// What the router gets to see.
#[derive(Default)]
struct Sent {
    /// The id of the last request.
    last: u64,
    /// Nothing may follow.
    over: bool,
    /// How many messages have called each invocation, less its final answers.
    invocations: HashMap<u64, i64>,
}

impl Sent {
    fn look(&mut self, message: &[u8], encoding: Encoding) {
        assert!(!self.over, "something follows the last word");
        let received = Received::new(&Bytes::copy_from_slice(message), encoding);
        let received = received.expect("a message of ours");
        let (request, repeats) = match Message::from_received(&received).expect("a message of ours")
        {
            Message::Abort(_) | Message::Goodbye(_) => return self.over = true,
            Message::Publish(m) => (m.request, false),
            Message::Subscribe(m) => (m.request, false),
            Message::Unsubscribe(m) => (m.request, false),
            Message::Call(m) => (m.request, true),
            Message::Register(m) => (m.request, false),
            Message::Unregister(m) => (m.request, false),
            Message::Cancel(m) => return assert!(m.request <= self.last),
            Message::Yield(m) if m.options.bool("progress") == Ok(Some(true)) => return,
            Message::Yield(m) => return self.answered(m.request),
            Message::Error(m) => return self.answered(m.request),
            Message::Hello(_) | Message::Authenticate(_) => return,
            other => panic!("{} is not for routers", other.name()),
        };
        let is_next = request == self.last + 1;
        assert!(is_next || repeats && request <= self.last, "request {request}");
        self.last = self.last.max(request);
    }

    fn answered(&mut self, invocation: u64) {
        let left = self.invocations.entry(invocation).or_default();
        *left -= 1;
        assert!(*left >= 0, "invocation {invocation} is answered once more");
    }
}
