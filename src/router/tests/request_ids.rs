//! Request ids of clients that do not count from 1 without a gap, where the router lets them.

use std::time::{Duration, Instant};

use serde_json::json;

use super::client::{Client, error, realms_with};
use crate::codec::MAX_ID;
use crate::protocol::message::Message;
use crate::router::peer::WakeList;
use crate::router::realm::LeaveReason;

/// A callee of `com.sum` and a caller, whose ids may be any.
fn pair() -> (Client, Client) {
    let realms = realms_with(r#"{"strict_request_ids": false}"#);
    let [mut callee, caller] = [1, 2].map(|id| Client::able(&realms, id));
    callee.says(r#"[64,77,{},"com.sum"]"#);
    assert_eq!(callee.hears_one(), json!([65, 77, 1]));
    (callee, caller)
}

#[track_caller]
fn violates(client: &mut Client, frame: &str, told: &str) {
    match client.tries(frame) {
        Err(LeaveReason::Violation(why)) => assert!(why.contains(told), "{why}"),
        other => panic!("{frame}: {other:?}"),
    }
}

#[test]
fn they_count_unless_the_router_is_told() {
    for config in ["{}", r#"{"strict_request_ids": true}"#] {
        for request in [2, 5, MAX_ID] {
            let mut client = Client::able(&realms_with(config), 1);
            let frame = format!(r#"[32,{request},{{}},"com.topic"]"#);
            violates(&mut client, &frame, "where 1 is due");
        }
    }
}

#[test]
fn any_id_is_taken_for_every_kind_of_request() {
    let (_callee, mut client) = pair();
    let largest = MAX_ID;
    for (frame, answer) in [
        (format!(r#"[32,{largest},{{}},"com.topic"]"#), 33),
        (r#"[16,12345678901,{"acknowledge":true},"com.topic"]"#.to_owned(), 17),
        (r#"[34,3,1]"#.to_owned(), 35),
        (r#"[64,3,{},"com.mine"]"#.to_owned(), 65),
        (r#"[66,3,2]"#.to_owned(), 67),
        (r#"[48,3,{},"no.such"]"#.to_owned(), 8),
        // Each kind may count by itself, and begin again.
        (r#"[32,1,{},"com.topic"]"#.to_owned(), 33),
        (r#"[48,1,{},"wamp.session.count"]"#.to_owned(), 50),
        (r#"[48,1,{},"wamp.session.count"]"#.to_owned(), 50),
        (r#"[16,1,{"acknowledge":true},"com.topic"]"#.to_owned(), 17),
    ] {
        client.says(&frame);
        assert_eq!(client.hears_one()[0], answer, "{frame}");
    }
}

#[test]
fn an_id_is_free_when_its_call_has_been_answered() {
    let (mut callee, mut caller) = pair();
    for round in 1..=3 {
        caller.says(r#"[48,9,{},"com.sum",[1]]"#);
        assert_eq!(callee.hears_one()[1], round);
        violates(&mut caller, r#"[48,9,{},"com.sum",[2]]"#, "in use");
        callee.says(&format!("[70,{round},{{}}]"));
        assert_eq!(caller.hears_one(), json!([50, 9, {}]));
    }
    for wrong in ["[48,0,{},\"com.sum\"]", "[48,9007199254740993,{},\"com.sum\"]"] {
        assert!(Message::decode(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn calls_in_several_parts_have_any_id_too() {
    let (mut callee, mut caller) = pair();
    for (part, id) in [(1, 700), (1, 5), (2, 700), (2, 5)] {
        let message = json!([48, id, {"progress": true}, "com.sum", [part]]);
        caller.says(&message.to_string());
    }
    caller.says(r#"[48,700,{},"com.sum",[3]]"#);
    let parts = callee.hears();
    let parts = parts.iter().map(|part| (part[1].clone(), part[4][0].clone()));
    let expected = [(1, 1), (2, 1), (1, 2), (2, 2), (1, 3)];
    assert!(parts.eq(expected.map(|(invocation, part)| (json!(invocation), json!(part)))));
    callee.says("[70,2,{}]");
    assert_eq!(caller.hears_one()[1], 5);

    // Late, and then free again.
    caller.says(r#"[48,5,{"progress":true},"com.sum",[3]]"#);
    caller.says(r#"[48,5,{},"com.sum",[4]]"#);
    caller.hears_nothing();
    callee.hears_nothing();
    caller.says(r#"[48,5,{},"com.sum",["new"]]"#);
    assert_eq!(callee.hears_one()[4], json!(["new"]));
}

#[test]
fn what_was_refused_is_forgotten_when_it_is_much() {
    let (_callee, mut caller) = pair();
    let id = |turn: u64| turn * 7_777_777_777 % 1_000_000_007 + 1;
    for turn in 1..=5000 {
        let request = id(turn);
        caller.says(&format!(r#"[48,{request},{{"progress":true}},"no.such"]"#));
        assert_eq!(error(&caller).1, request);
    }
    for turn in [4000, 5000] {
        let request = id(turn);
        caller.says(&format!(r#"[48,{request},{{"progress":true}},"no.such"]"#));
        caller.says(&format!(r#"[48,{request},{{}},"no.such"]"#));
        caller.hears_nothing();
    }
    // It is long ago, and may be a new call.
    let request = id(1);
    caller.says(&format!(r#"[48,{request},{{}},"no.such"]"#));
    assert_eq!(error(&caller).1, request);
}

#[test]
fn limits_of_time_go_with_the_call_that_has_the_id_now() {
    let (mut callee, mut caller) = pair();
    caller.says(r#"[48,9,{"timeout":10},"com.sum"]"#);
    callee.says("[70,1,{}]");
    caller.says(r#"[48,9,{},"com.sum"]"#);
    caller.hears();
    let later = Instant::now() + Duration::from_secs(1);
    caller.session.expire(later, &mut WakeList::default());
    caller.hears_nothing();
    callee.says("[70,2,{}]");
    assert_eq!(caller.hears_one()[0], 50);
}
