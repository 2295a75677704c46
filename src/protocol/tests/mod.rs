//! A client's session against scripted frames: each test plays the router's part.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    CancelMode, Cause, Config, Event, EventKind, Phase, RequestError, Session, SessionEnd,
};
use crate::codec::{Dict, PayloadRef};

mod calls;
mod challenges;
mod encodings;
mod interrupts;
mod life;
mod progressive;
mod pubsub;
mod rpc;

/// A session and the frames that it has sent.
struct Client {
    session: Session<&'static str>,
}

impl Client {
    fn new() -> Client {
        let config = Config {
            realm: "realm1".to_owned(),
            hello: br#"{"roles":{}}"#.to_vec(),
            encoding: crate::codec::Encoding::Json,
            max_message_size: 1000,
            ids_above: 0,
            gate: None,
        };
        let mut client = Client { session: Session::new(config) };
        assert_eq!(client.sent(), [r#"[1,"realm1",{"roles":{}}]"#]);
        client
    }

    fn joined() -> Client {
        let mut client = Client::new();
        client.receive(r#"[2,77,{"roles":{"broker":{},"dealer":{}},"realm":"realm1"}]"#);
        let events = client.events();
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].kind, events[0].wamp_id), (EventKind::Joined, 77));
        assert_eq!(client.session.phase(), Phase::Open);
        client
    }

    fn receive(&mut self, frame: &str) {
        self.session.receive(&Bytes::copy_from_slice(frame.as_bytes()));
    }

    fn sent(&mut self) -> Vec<String> {
        let batch = self.session.take_outbox();
        let text = |index| String::from_utf8(batch.message(index).to_vec()).unwrap();
        (0..batch.count()).map(text).collect()
    }

    fn events(&mut self) -> Vec<Event<&'static str>> {
        self.session.take_events().collect()
    }

    /// The events as "kind id target".
    fn told(&mut self) -> Vec<String> {
        let tell = |event: Event<&'static str>| {
            format!("{:?} {} {}", event.kind, event.id, event.target.unwrap_or("-"))
        };
        self.events().into_iter().map(tell).collect()
    }

    fn subscribe(&mut self, topic: &str, options: &'static str, target: &'static str) -> u64 {
        let options = Dict::from_checked(options.as_bytes());
        self.session.subscribe(topic, options, target).unwrap()
    }

    fn register(&mut self, procedure: &str, target: &'static str) -> u64 {
        self.session.register(procedure, Dict::EMPTY, target).unwrap()
    }

    fn call(&mut self, options: &'static str, target: &'static str) -> u64 {
        let options = Dict::from_checked(options.as_bytes());
        self.session.call("com.p", options, PayloadRef::args("[1]"), target, Instant::now).unwrap()
    }

    /// The message with which the session ended as a violation by the peer.
    fn violation(&mut self) -> Option<String> {
        match self.session.take_ended() {
            Some(SessionEnd::Violation { message }) => Some(message),
            None => None,
            Some(other) => panic!("ended otherwise: {other:?}"),
        }
    }
}
