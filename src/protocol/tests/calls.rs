//! Requests in general, calls, and calls that are given up.

use super::*;

#[test]
fn requests_need_an_open_session_and_a_role() {
    let mut client = Client::new();
    let call = client.session.call("com.p", Dict::EMPTY, PayloadRef::NONE, "x", Instant::now);
    assert_eq!(call, Err(RequestError::Closed));
    client.receive(r#"[2,77,{"roles":{"broker":{}}}]"#);
    let call = client.session.call("com.p", Dict::EMPTY, PayloadRef::NONE, "x", Instant::now);
    assert_eq!(call, Err(RequestError::NoRole("dealer")));
    assert!(client.session.publish("com.t", Dict::EMPTY, PayloadRef::NONE).is_ok());
}

#[test]
fn a_refused_request_uses_no_id() {
    let mut client = Client::joined();
    let large = format!("[\"{}\"]", "x".repeat(1000));
    let payload = PayloadRef::args(&large);
    let refused = client.session.publish("com.t", Dict::EMPTY, payload);
    assert!(matches!(refused, Err(RequestError::TooLarge(_))));
    let refused = client.session.publish("com t", Dict::EMPTY, PayloadRef::NONE);
    assert!(matches!(refused, Err(RequestError::Uri(_))));
    client.session.publish("com.t", Dict::EMPTY, PayloadRef::NONE).unwrap();
    assert_eq!(client.sent(), [r#"[16,1,{},"com.t"]"#]);
}

#[test]
fn request_ids_begin_again_after_the_largest() {
    let mut client = Client::joined();
    client.session.skip_requests(crate::codec::MAX_ID - 1);
    client.call("{}", "last");
    client.call("{}", "first");
    let sent = [r#"[48,9007199254740992,{},"com.p",[1]]"#, r#"[48,1,{},"com.p",[1]]"#];
    assert_eq!(client.sent(), sent);
    client.receive("[50,9007199254740992,{}]");
    client.receive("[50,1,{}]");
    let told = client.events().into_iter().map(|event| (event.kind, event.target));
    let result = EventKind::Result;
    assert_eq!(told.collect::<Vec<_>>(), [(result, Some("last")), (result, Some("first"))]);
}

#[test]
fn a_call_ends_once() {
    let mut client = Client::joined();
    assert_eq!((client.call("{}", "a"), client.call("{}", "b")), (2, 4));
    assert_eq!(client.sent(), [r#"[48,1,{},"com.p",[1]]"#, r#"[48,2,{},"com.p",[1]]"#]);
    client.receive(r#"[8,48,2,{"x":1},"com.error",["no"],{"k":1}]"#);
    client.receive("[50,1,{},[30]]");
    client.receive("[50,1,{},[31]]");
    let events = client.events();
    assert_eq!(events.len(), 2);
    assert_eq!((events[0].kind, events[0].id), (EventKind::Error, 4));
    assert_eq!(events[0].cause, Some(Cause::Remote));
    assert_eq!(events[0].uri.as_deref(), Some(c"com.error"));
    assert_eq!(events[0].details(), Some(&br#"{"x":1}"#[..]));
    assert_eq!(events[0].payload.as_ref().kwargs, Some(&br#"{"k":1}"#[..]));
    assert_eq!((events[1].kind, events[1].id), (EventKind::Result, 2));
    assert_eq!(events[1].payload.as_ref().args, Some(&b"[30]"[..]));
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
    assert_eq!(client.session.take_ended(), Some(SessionEnd::Lost));
}

#[test]
fn ids_of_an_earlier_session_stay_stale() {
    let mut first = Client::joined();
    let stale = first.subscribe("com.t", "{}", "old");
    let config = Config {
        realm: "realm1".to_owned(),
        hello: b"{}".to_vec(),
        encoding: crate::codec::Encoding::Json,
        max_message_size: 1000,
        ids_above: first.session.ids_end(),
        gate: None,
    };
    let mut second = Client { session: Session::new(config) };
    second.receive(r#"[2,78,{"roles":{"broker":{},"dealer":{}}}]"#);
    let fresh = second.subscribe("com.t", "{}", "new");
    assert!(fresh > stale);
    assert_eq!(second.session.unsubscribe(stale, None), Err(RequestError::NoSuchId));
    assert_eq!(second.session.drop_request(stale + 1), Err(RequestError::NoSuchId));
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
    client.session.handle_timeout(due - Duration::from_millis(1));
    assert!(client.told().is_empty());
    client.session.handle_timeout(due + Duration::from_secs(9));
    let events = client.events();
    assert_eq!((events[0].target, events[0].cause), (Some("slow"), Some(Cause::Timeout)));
    assert_eq!((events.len(), client.session.next_timeout()), (1, None));
    assert_eq!(client.sent(), [r#"[49,1,{"mode":"killnowait"}]"#]);
}

#[test]
fn nothing_is_sent_after_goodbye_when_the_time_is_up() {
    let mut client = canceling();
    client.call(r#"{"timeout":1000}"#, "slow");
    client.session.leave("wamp.close.normal", None).unwrap();
    client.sent();
    let due = client.session.next_timeout().unwrap();
    client.session.handle_timeout(due);
    assert_eq!(client.told(), ["Error 2 slow"]);
    assert!(client.sent().is_empty());
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
    assert_eq!(client.session.next_timeout(), Some(due + Duration::from_secs(1)));
    client.session.handle_timeout(due + Duration::from_secs(1));
    assert_eq!(client.told(), ["Error 2 call"]);
    let options = Dict::from_checked(br#"{"timeout":"soon"}"#);
    let refused = client.session.call("com.p", options, PayloadRef::NONE, "x", Instant::now);
    assert!(matches!(refused, Err(RequestError::Option("timeout", _))));
}
