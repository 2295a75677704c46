//! A client's session against scripted frames: each test plays the router's part.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::cancel::CancelMode;
use super::event::{Cause, Event, EventKind, RequestError};
use super::session::{Config, Ended, Phase, Session};
use crate::codec::{Dict, PayloadRef};

/// A session and the frames that it has sent.
struct Client {
    session: Session<&'static str>,
}

impl Client {
    fn new() -> Client {
        let config = Config {
            realm: "realm1".to_owned(),
            hello: br#"{"roles":{}}"#.to_vec(),
            max_message_size: 1000,
            ids_above: 0,
        };
        let mut client = Client {
            session: Session::new(config),
        };
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
        self.session
            .receive(&Bytes::copy_from_slice(frame.as_bytes()));
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
            format!(
                "{:?} {} {}",
                event.kind,
                event.id,
                event.target.unwrap_or("-")
            )
        };
        self.events().into_iter().map(tell).collect()
    }

    fn subscribe(&mut self, topic: &str, options: &'static str, target: &'static str) -> u64 {
        let options = Dict::from_checked(options.as_bytes());
        self.session.subscribe(topic, options, target).unwrap()
    }

    fn register(&mut self, procedure: &str, target: &'static str) -> u64 {
        self.session
            .register(procedure, Dict::EMPTY, target)
            .unwrap()
    }

    fn call(&mut self, options: &'static str, target: &'static str) -> u64 {
        let options = Dict::from_checked(options.as_bytes());
        self.session
            .call(
                "com.p",
                options,
                PayloadRef::args("[1]"),
                target,
                Instant::now,
            )
            .unwrap()
    }

    /// The message with which the session ended as a violation by the peer.
    fn violation(&mut self) -> Option<String> {
        match self.session.take_ended() {
            Some(Ended::Violation { message }) => Some(message),
            None => None,
            Some(other) => panic!("ended otherwise: {other:?}"),
        }
    }
}

// ===== the life of a session =====

#[test]
fn a_refusal_ends_the_attempt() {
    let mut client = Client::new();
    client.receive(r#"[3,{"message":"no such realm"},"wamp.error.no_such_realm"]"#);
    let reason = "wamp.error.no_such_realm".to_owned();
    let message = "no such realm".to_owned();
    assert_eq!(
        client.session.take_ended(),
        Some(Ended::Refused { reason, message })
    );
    assert!(client.sent().is_empty(), "an ABORT is never answered");
}

#[test]
fn a_challenge_without_credentials_is_aborted() {
    let mut client = Client::new();
    client.receive(r#"[4,"ticket",{}]"#);
    let method = "ticket".to_owned();
    assert_eq!(
        client.session.take_ended(),
        Some(Ended::Challenged { method })
    );
    assert!(client.sent()[0].contains("wamp.error.cannot_authenticate"));
}

#[test]
fn goodbye_is_answered_once() {
    let mut client = Client::joined();
    client.receive(r#"[6,{"message":"bye"},"wamp.close.system_shutdown"]"#);
    assert_eq!(client.sent(), [r#"[6,{},"wamp.close.goodbye_and_out"]"#]);
    let reason = "wamp.close.system_shutdown".to_owned();
    let ended = Ended::Goodbye {
        by_us: false,
        reason,
        message: "bye".to_owned(),
    };
    assert_eq!(client.session.take_ended(), Some(ended));
}

#[test]
fn crossing_goodbyes_are_not_answered() {
    let mut client = Client::joined();
    client.session.leave("wamp.close.normal", None).unwrap();
    assert_eq!(client.sent(), [r#"[6,{},"wamp.close.normal"]"#]);
    assert_eq!(
        client.session.leave("wamp.close.normal", None),
        Err(RequestError::Closed)
    );
    client.receive("garbage is ignored while leaving");
    client.receive("[36,1,2,{}]");
    client.receive(r#"[6,{},"wamp.close.system_shutdown"]"#);
    assert!(client.sent().is_empty());
    assert!(matches!(
        client.session.take_ended(),
        Some(Ended::Goodbye { by_us: true, .. })
    ));
}

#[test]
fn what_is_fatal() {
    for (before_welcome, frame) in [
        (true, "[36,1,2,{}]"),
        (true, r#"[6,{},"wamp.close.normal"]"#),
        (true, "[2,1,{}]"),
        (true, "<html>"),
        (false, r#"[2,1,{"roles":{"broker":{}}}]"#),
        (false, r#"[4,"ticket",{}]"#),
        (false, r#"[16,1,{},"com.t"]"#),
        (false, "[]"),
        (false, "[36,1]"),
        (false, r#"[8,99,1,{},"com.error"]"#),
        (false, r#"[8,48,1,{},"com.error"]"#),
        (false, "[50,1,{}]"),
        (false, "[33,1,1]"),
        (false, r#"[36,1,2,{"topic":5}]"#),
    ] {
        let mut client = if before_welcome {
            Client::new()
        } else {
            Client::joined()
        };
        client.receive(frame);
        assert!(client.violation().is_some(), "{frame} was not fatal");
        let sent = client.sent();
        assert!(
            sent[0].ends_with(r#","wamp.error.protocol_violation"]"#),
            "{sent:?}"
        );
        assert_eq!(client.session.phase(), Phase::Closed);
    }
}

#[test]
fn what_is_ignored() {
    let mut client = Client::joined();
    let call = client.call("{}", "call");
    client.session.abandon(call).unwrap();
    assert_eq!(client.told(), ["Gone 2 call"]);
    for frame in [
        "[300,1,2,3]",
        "[36,1,2,{}]",
        "[50,1,{}]",
        r#"[8,48,1,{},"com.error"]"#,
        r#"[8,49,1,{},"com.error"]"#,
        "[35,0,{\"subscription\":5}]",
        "[67,0,{\"registration\":5}]",
        "[35,0]",
        "[69,5,{}]",
    ] {
        client.receive(frame);
        assert_eq!(client.session.phase(), Phase::Open, "{frame} was fatal");
    }
    assert!(client.told().is_empty());
}

// ===== requests =====

#[test]
fn requests_need_an_open_session_and_a_role() {
    let mut client = Client::new();
    let call = client
        .session
        .call("com.p", Dict::EMPTY, PayloadRef::NONE, "x", Instant::now);
    assert_eq!(call, Err(RequestError::Closed));
    client.receive(r#"[2,77,{"roles":{"broker":{}}}]"#);
    let call = client
        .session
        .call("com.p", Dict::EMPTY, PayloadRef::NONE, "x", Instant::now);
    assert_eq!(call, Err(RequestError::NoRole("dealer")));
    assert!(
        client
            .session
            .publish("com.t", Dict::EMPTY, PayloadRef::NONE)
            .is_ok()
    );
}

#[test]
fn a_refused_request_uses_no_id() {
    let mut client = Client::joined();
    let large = format!("[\"{}\"]", "x".repeat(1000));
    let payload = PayloadRef::args(&large);
    let refused = client.session.publish("com.t", Dict::EMPTY, payload);
    assert!(matches!(refused, Err(RequestError::TooLarge(_))));
    let refused = client
        .session
        .publish("com t", Dict::EMPTY, PayloadRef::NONE);
    assert!(matches!(refused, Err(RequestError::Uri(_))));
    client
        .session
        .publish("com.t", Dict::EMPTY, PayloadRef::NONE)
        .unwrap();
    assert_eq!(client.sent(), [r#"[16,1,{},"com.t"]"#]);
}

#[test]
fn a_call_ends_once() {
    let mut client = Client::joined();
    assert_eq!((client.call("{}", "a"), client.call("{}", "b")), (2, 4));
    assert_eq!(
        client.sent(),
        [r#"[48,1,{},"com.p",[1]]"#, r#"[48,2,{},"com.p",[1]]"#]
    );
    client.receive(r#"[8,48,2,{"x":1},"com.error",["no"],{"k":1}]"#);
    client.receive("[50,1,{},[30]]");
    client.receive("[50,1,{},[31]]");
    let events = client.events();
    assert_eq!(events.len(), 2);
    assert_eq!((events[0].kind, events[0].id), (EventKind::Error, 4));
    assert_eq!(events[0].cause, Some(Cause::Remote));
    assert_eq!(events[0].uri.as_deref(), Some(c"com.error"));
    assert_eq!(events[0].details(), Some(&br#"{"x":1}"#[..]));
    assert_eq!(events[0].payload.lend().kwargs, Some(&br#"{"k":1}"#[..]));
    assert_eq!((events[1].kind, events[1].id), (EventKind::Result, 2));
    assert_eq!(events[1].payload.lend().args, Some(&b"[30]"[..]));
}

#[test]
fn progress_only_where_it_was_asked_for() {
    let mut client = Client::joined();
    client.call("{}", "plain");
    client.call(r#"{"receive_progress":true}"#, "progressive");
    for frame in [
        r#"[50,1,{"progress":true},[1]]"#,
        r#"[50,2,{"progress":true},[1]]"#,
        "[50,1,{},[2]]",
        "[50,2,{},[2]]",
        r#"[50,2,{"progress":true},[3]]"#,
    ] {
        client.receive(frame);
    }
    let events: Vec<_> = client.events().iter().map(|e| (e.id, e.progress)).collect();
    assert_eq!(events, [(4, true), (2, false), (4, false)]);
}

#[test]
fn an_answer_of_the_wrong_kind_is_a_violation() {
    let mut client = Client::joined();
    client.call("{}", "call");
    client.receive("[33,1,5]");
    assert!(client.violation().unwrap().contains("type 32"));
}

#[test]
fn loss_tells_what_was_sent() {
    let mut client = Client::joined();
    client.subscribe("com.t", "{}", "sub");
    client.receive("[33,1,9]");
    client.call("{}", "sent");
    client.sent();
    client.call("{}", "unsent");
    client.told();
    client.session.lost();
    let events = client.events();
    let causes: Vec<_> = events.iter().map(|e| (e.target, e.cause)).collect();
    assert_eq!(
        causes,
        [
            (Some("sent"), Some(Cause::OutcomeUnknown)),
            (Some("unsent"), Some(Cause::NotSent)),
            (Some("sub"), None),
        ]
    );
    assert_eq!(client.session.take_ended(), Some(Ended::Lost));
}

#[test]
fn ids_of_an_earlier_session_stay_stale() {
    let mut first = Client::joined();
    let stale = first.subscribe("com.t", "{}", "old");
    let config = Config {
        realm: "realm1".to_owned(),
        hello: b"{}".to_vec(),
        max_message_size: 1000,
        ids_above: first.session.ids_end(),
    };
    let mut second = Client {
        session: Session::new(config),
    };
    second.receive(r#"[2,78,{"roles":{"broker":{},"dealer":{}}}]"#);
    let fresh = second.subscribe("com.t", "{}", "new");
    assert!(fresh > stale);
    assert_eq!(
        second.session.unsubscribe(stale, None),
        Err(RequestError::NoSuchId)
    );
    assert_eq!(
        second.session.abandon(stale + 1),
        Err(RequestError::NoSuchId)
    );
}

// ===== calls that are given up =====

/// A session with a router that announces call canceling.
fn canceling() -> Client {
    let mut client = Client::new();
    client.receive(r#"[2,77,{"roles":{"dealer":{"features":{"call_canceling":true}}}}]"#);
    client.told();
    client
}

#[test]
fn a_canceled_call_ends_at_once_and_a_late_answer_is_swallowed() {
    let mut client = canceling();
    let call = client.call("{}", "call");
    client.sent();
    client.session.cancel(call, CancelMode::Skip).unwrap();
    assert_eq!(client.sent(), [r#"[49,1,{"mode":"skip"}]"#]);
    let events = client.events();
    assert_eq!((events[0].cause, events.len()), (Some(Cause::Canceled), 1));
    assert_eq!(events[0].uri.as_deref(), Some(c"wamp.error.canceled"));
    let again = client.session.cancel(call, CancelMode::Skip);
    assert_eq!(again, Err(RequestError::NoSuchId));
    client.receive(r#"[8,48,1,{},"wamp.error.canceled"]"#);
    client.receive("[50,1,{}]");
    assert!(client.told().is_empty() && client.session.phase() == Phase::Open);
}

#[test]
fn kill_waits_for_the_answer() {
    let mut client = canceling();
    let call = client.call("{}", "call");
    client.sent();
    client.session.cancel(call, CancelMode::Kill).unwrap();
    client.session.cancel(call, CancelMode::Kill).unwrap();
    assert_eq!(client.sent(), [r#"[49,1,{"mode":"kill"}]"#], "sent once");
    assert!(client.told().is_empty());
    client.receive("[50,1,{},[1]]");
    assert_eq!(client.told(), ["Result 2 call"]);
}

#[test]
fn a_router_that_cannot_cancel_is_not_asked() {
    let mut client = Client::joined();
    let call = client.call("{}", "call");
    client.sent();
    client.session.cancel(call, CancelMode::Kill).unwrap();
    assert!(client.sent().is_empty());
    assert_eq!(client.told(), ["Error 2 call"]);
}

#[test]
fn a_call_ends_when_its_time_is_up() {
    let mut client = canceling();
    let before = Instant::now();
    client.call(r#"{"timeout":1000}"#, "slow");
    client.call(r#"{"timeout":1000}"#, "answered");
    client.call("{}", "patient");
    client.receive("[50,2,{}]");
    client.sent();
    client.told();
    let due = client.session.next_timeout().unwrap();
    assert!(due >= before + Duration::from_secs(1));
    client
        .session
        .handle_timeout(due - Duration::from_millis(1));
    assert!(client.told().is_empty());
    client.session.handle_timeout(due + Duration::from_secs(9));
    let events = client.events();
    assert_eq!(
        (events[0].target, events[0].cause),
        (Some("slow"), Some(Cause::Timeout))
    );
    assert_eq!((events.len(), client.session.next_timeout()), (1, None));
    assert_eq!(client.sent(), [r#"[49,1,{"mode":"killnowait"}]"#]);
}

#[test]
fn progress_sets_the_time_anew() {
    let mut client = canceling();
    client.call(r#"{"timeout":1000,"receive_progress":true}"#, "call");
    client.receive(r#"[50,1,{"progress":true}]"#);
    let due = client.session.next_timeout().unwrap();
    client.told();
    client.session.handle_timeout(due);
    assert!(client.told().is_empty());
    assert_eq!(
        client.session.next_timeout(),
        Some(due + Duration::from_secs(1))
    );
    client.session.handle_timeout(due + Duration::from_secs(1));
    assert_eq!(client.told(), ["Error 2 call"]);
    let options = Dict::from_checked(br#"{"timeout":"soon"}"#);
    let refused = client
        .session
        .call("com.p", options, PayloadRef::NONE, "x", Instant::now);
    assert!(matches!(refused, Err(RequestError::Option("timeout", _))));
}

// ===== subscriptions =====

#[test]
fn handlers_share_one_subscription() {
    let mut client = Client::joined();
    let a = client.subscribe("com.t", "{}", "a");
    let b = client.subscribe("com.t", "{}", "b");
    assert_eq!(client.sent(), [r#"[32,1,{},"com.t"]"#]);
    client.receive("[33,1,9]");
    let c = client.subscribe("com.t", "{}", "c");
    assert!(client.sent().is_empty());
    assert_eq!(
        client.told(),
        ["Subscribed 1 a", "Subscribed 3 b", "Subscribed 5 c"]
    );
    client.receive("[36,9,4,{},[1]]");
    assert_eq!(client.told(), ["Event 1 a", "Event 3 b", "Event 5 c"]);
    assert_eq!(client.session.unsubscribe(a, Some("ua")), Ok(false));
    assert_eq!(
        client.session.unsubscribe(a, None),
        Err(RequestError::NoSuchId)
    );
    assert_eq!(client.session.unsubscribe(b, None), Ok(false));
    assert!(client.sent().is_empty());
    assert_eq!(client.session.unsubscribe(c, Some("uc")), Ok(true));
    assert_eq!(client.sent(), ["[34,2,9]"]);
    assert_eq!(
        client.told(),
        [
            "Gone 1 a",
            "Unsubscribed 1 ua",
            "Gone 3 b",
            "Unsubscribed 3 -",
            "Gone 5 c"
        ]
    );
    client.receive("[36,9,5,{},[1]]");
    client.receive("[35,2]");
    assert_eq!(client.told(), ["Unsubscribed 5 uc"]);
}

#[test]
fn differing_options_go_over_the_wire_and_may_share_an_id() {
    let mut client = Client::joined();
    let a = client.subscribe("com.t", "{}", "a");
    let b = client.subscribe("com.t", r#"{"match":"exact"}"#, "b");
    client.receive("[33,1,9]");
    client.receive("[33,2,9]");
    client.sent();
    client.receive("[36,9,4,{}]");
    assert_eq!(client.told()[2..], ["Event 1 a", "Event 3 b"]);
    assert_eq!(client.session.unsubscribe(a, None), Ok(false));
    assert_eq!(client.session.unsubscribe(b, None), Ok(true));
    assert_eq!(client.sent(), ["[34,3,9]"]);
}

#[test]
fn unsubscribe_is_held_back_while_a_subscribe_is_on_its_way() {
    let mut client = Client::joined();
    let a = client.subscribe("com.t", "{}", "a");
    client.receive("[33,1,9]");
    client.subscribe("com.t", r#"{"get_retained":true}"#, "b");
    assert_eq!(client.session.unsubscribe(a, Some("ua")), Ok(true));
    assert_eq!(client.sent().len(), 2, "two SUBSCRIBEs and no UNSUBSCRIBE");
    client.receive("[33,2,9]");
    assert!(client.sent().is_empty(), "the id is in use again");
    client.receive("[36,9,4,{}]");
    assert_eq!(
        client.told(),
        [
            "Subscribed 1 a",
            "Gone 1 a",
            "Subscribed 3 b",
            "Unsubscribed 1 ua",
            "Event 3 b"
        ]
    );
}

#[test]
fn a_held_back_unsubscribe_goes_out_when_the_subscribe_fails() {
    let mut client = Client::joined();
    let a = client.subscribe("com.t", "{}", "a");
    client.receive("[33,1,9]");
    client.subscribe("com.t", r#"{"get_retained":true}"#, "b");
    client.session.unsubscribe(a, Some("ua")).unwrap();
    client.sent();
    client.receive(r#"[8,32,2,{},"wamp.error.not_authorized"]"#);
    assert_eq!(client.sent(), ["[34,3,9]"]);
    client.receive(r#"[8,34,3,{},"wamp.error.no_such_subscription"]"#);
    assert_eq!(client.told().last().unwrap(), "Unsubscribed 1 ua");
}

#[test]
fn a_subscription_can_be_given_up_before_its_answer() {
    let mut client = Client::joined();
    let a = client.subscribe("com.t", "{}", "a");
    assert_eq!(client.session.unsubscribe(a, Some("ua")), Ok(true));
    assert_eq!(client.told(), ["Error 1 a", "Unsubscribed 1 ua"]);
    client.sent();
    client.receive("[33,1,9]");
    assert_eq!(client.sent(), ["[34,2,9]"]);
    client.receive("[36,9,4,{}]");
    assert!(client.told().is_empty());
}

#[test]
fn subscribing_again_after_unsubscribing_keeps_the_new_handler() {
    let mut client = Client::joined();
    let a = client.subscribe("com.t", "{}", "a");
    client.receive("[33,1,9]");
    client.session.unsubscribe(a, None).unwrap();
    client.subscribe("com.t", "{}", "b");
    client.receive("[35,2]");
    client.receive("[33,3,9]");
    client.told();
    client.receive("[36,9,4,{}]");
    assert_eq!(client.told(), ["Event 3 b"]);
}

#[test]
fn revocation_ends_all_handlers() {
    let mut client = Client::joined();
    client.subscribe("com.t", "{}", "a");
    client.subscribe("com.t", "{}", "b");
    client.receive("[33,1,9]");
    client.told();
    client.receive(r#"[35,0,{"subscription":9,"reason":"com.because"}]"#);
    let events = client.events();
    assert_eq!(events.len(), 2);
    assert!(
        events
            .iter()
            .all(|event| event.kind == EventKind::Unsubscribed)
    );
    assert_eq!(events[0].uri.as_deref(), Some(c"com.because"));
    client.subscribe("com.t", "{}", "again");
    assert_eq!(client.sent().len(), 2, "a new SUBSCRIBE goes over the wire");
}

#[test]
fn patterns_take_the_topic_from_the_details() {
    let mut client = Client::joined();
    client.subscribe("com..x", r#"{"match":"wildcard"}"#, "w");
    client.receive("[33,1,9]");
    client.told();
    client.receive(r#"[36,9,4,{"topic":"com.a.x"}]"#);
    assert_eq!(client.events()[0].uri.as_deref(), Some(c"com.a.x"));
    let options = Dict::from_checked(br#"{"match":"regex"}"#);
    let refused = client.session.subscribe("com.t", options, "x");
    assert!(matches!(refused, Err(RequestError::Option("match", _))));
}

// ===== registrations and invocations =====

#[test]
fn an_invocation_is_answered_once() {
    let mut client = Client::joined();
    client.register("com.p", "proc");
    client.receive("[65,1,5]");
    client.receive("[68,100,5,{},[1]]");
    client.receive("[68,100,5,{},[1]]");
    assert_eq!(client.told(), ["Registered 1 proc", "Invocation 1 proc"]);
    client.sent();
    let answer = PayloadRef::args("[2]");
    assert_eq!(
        client.session.progress(100, answer),
        Err(RequestError::NoProgress)
    );
    assert_eq!(client.session.answer(100, answer), Ok(()));
    assert_eq!(
        client.session.answer(100, answer),
        Err(RequestError::Answered)
    );
    let error = client
        .session
        .answer_error(100, "com.error", PayloadRef::NONE);
    assert_eq!(error, Err(RequestError::Answered));
    assert_eq!(client.sent(), ["[70,100,{},[2]]"]);
}

#[test]
fn progress_and_errors_of_an_invocation() {
    let mut client = Client::joined();
    client.register("com.p", "proc");
    client.receive("[65,1,5]");
    client.receive(r#"[68,100,5,{"receive_progress":true}]"#);
    assert!(client.events()[1].progress);
    client.sent();
    client
        .session
        .progress(100, PayloadRef::args("[1]"))
        .unwrap();
    let bad = client
        .session
        .answer_error(100, "not a uri", PayloadRef::NONE);
    assert!(matches!(bad, Err(RequestError::Uri(_))));
    client
        .session
        .answer_error(100, "com.error", PayloadRef::args("[2]"))
        .unwrap();
    assert_eq!(
        client.sent(),
        [
            r#"[70,100,{"progress":true},[1]]"#,
            r#"[8,68,100,{},"com.error",[2]]"#
        ]
    );
}

#[test]
fn invocations_of_nothing_are_answered_with_an_error() {
    let mut client = Client::joined();
    client.receive("[68,100,5,{},[1]]");
    assert_eq!(
        client.sent(),
        [r#"[8,68,100,{},"wamp.error.no_such_registration"]"#]
    );
}

#[test]
fn registrations_come_and_go() {
    let mut client = Client::joined();
    let id = client.register("com.p", "proc");
    let twice = client.session.register("com.p", Dict::EMPTY, "again");
    assert_eq!(twice, Err(RequestError::AlreadyRegistered));
    client.receive("[65,1,5]");
    assert!(client.session.is_own_procedure("com.p"));
    client.session.unregister(id, Some("un")).unwrap();
    assert_eq!(
        client.session.unregister(id, None),
        Err(RequestError::NoSuchId)
    );
    client.receive("[68,100,5,{}]");
    client.receive("[67,2]");
    assert_eq!(
        client.told(),
        [
            "Registered 1 proc",
            "Invocation 1 proc",
            "Gone 1 proc",
            "Unregistered 1 un"
        ]
    );
    client.register("com.p", "new");
    client.receive(r#"[8,64,3,{},"wamp.error.procedure_already_exists"]"#);
    assert_eq!(client.told(), ["Error 3 new"]);
    client.register("com.p", "newer");
}

#[test]
fn a_registration_can_be_given_up_before_its_answer() {
    let mut client = Client::joined();
    let id = client.register("com.p", "proc");
    client.session.unregister(id, None).unwrap();
    client.sent();
    client.receive("[65,1,5]");
    assert_eq!(client.sent(), ["[66,2,5]"]);
    assert_eq!(client.told(), ["Error 1 proc", "Unregistered 1 -"]);
}

#[test]
fn a_registration_can_be_revoked() {
    let mut client = Client::joined();
    client.register("com.p", "proc");
    client.receive("[65,1,5]");
    client.receive(r#"[67,0,{"registration":5,"reason":"wamp.error.unregistered"}]"#);
    assert_eq!(client.told(), ["Registered 1 proc", "Unregistered 1 proc"]);
    client.register("com.p", "again");
}
