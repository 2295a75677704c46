//! The life of a session: joining, leaving, and what ends it.

use super::*;

#[test]
fn a_refusal_ends_the_attempt() {
    let mut client = Client::new();
    client.receive(r#"[3,{"message":"no such realm"},"wamp.error.no_such_realm"]"#);
    let reason = "wamp.error.no_such_realm".to_owned();
    let message = "no such realm".to_owned();
    assert_eq!(
        client.session.take_ended(),
        Some(SessionEnd::Refused { reason, message, challenged: false })
    );
    assert!(client.sent().is_empty(), "an ABORT is never answered");
}

#[test]
fn goodbye_is_answered_once() {
    let mut client = Client::joined();
    client.receive(r#"[6,{"message":"bye"},"wamp.close.system_shutdown"]"#);
    assert_eq!(client.sent(), [r#"[6,{},"wamp.close.goodbye_and_out"]"#]);
    let reason = "wamp.close.system_shutdown".to_owned();
    let ended = SessionEnd::Goodbye { by_us: false, reason, message: "bye".to_owned() };
    assert_eq!(client.session.take_ended(), Some(ended));
}

#[test]
fn crossing_goodbyes_are_not_answered() {
    let mut client = Client::joined();
    client.session.leave("wamp.close.normal", None).unwrap();
    assert_eq!(client.sent(), [r#"[6,{},"wamp.close.normal"]"#]);
    assert_eq!(client.session.leave("wamp.close.normal", None), Err(RequestError::Closed));
    client.receive("garbage is ignored while leaving");
    client.receive("[36,1,2,{}]");
    client.receive(r#"[6,{},"wamp.close.system_shutdown"]"#);
    assert!(client.sent().is_empty());
    assert!(matches!(client.session.take_ended(), Some(SessionEnd::Goodbye { by_us: true, .. })));
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
        let mut client = if before_welcome { Client::new() } else { Client::joined() };
        client.receive(frame);
        assert!(client.violation().is_some(), "{frame} was not fatal");
        let sent = client.sent();
        assert!(sent[0].ends_with(r#","wamp.error.protocol_violation"]"#), "{sent:?}");
        assert_eq!(client.session.phase(), Phase::Closed);
    }
}

#[test]
fn what_is_ignored() {
    let mut client = Client::joined();
    let call = client.call("{}", "call");
    client.session.drop_request(call).unwrap();
    assert_eq!(client.told(), ["Released 2 call"]);
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
