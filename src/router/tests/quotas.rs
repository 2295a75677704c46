//! The limits of what clients can have a realm keep, and of what it has to read for them.

use super::client::{Client, realms_with};
use crate::router::realm::LeaveReason;

#[test]
fn what_is_kept_has_limits() {
    let config = r#"{"max_subscriptions":2,"max_patterns":1,"max_registrations":3,
        "max_pending_calls":1,"max_testament_bytes":500,"max_retained_bytes":1000}"#;
    let realms = realms_with(config);
    let mut ann = Client::join(&realms, 1);
    let said = [
        (r#"[32,1,{"match":"prefix"},"com."]"#, None),
        (r#"[32,2,{"match":"wildcard"},"com."]"#, Some(r#"is 1 (option "max_patterns")"#)),
        (r#"[32,3,{},"com.a"]"#, None),
        (r#"[32,4,{},"com.a"]"#, None),
        (r#"[32,5,{},"com.b"]"#, Some(r#"is 2 (option "max_subscriptions")"#)),
        (r#"[34,6,2]"#, None),
        (r#"[32,7,{},"com.b"]"#, None),
        (r#"[34,8,1]"#, None),
        (r#"[32,9,{"match":"prefix"},"com.c"]"#, None),
        (r#"[64,10,{},"com.a"]"#, None),
        (r#"[64,11,{"match":"prefix"},"com."]"#, None),
        (r#"[64,12,{"match":"prefix"},"org."]"#, Some(r#"is 1 (option "max_patterns")"#)),
        (r#"[64,13,{},"com.b"]"#, None),
        (r#"[64,14,{},"com.c"]"#, Some(r#"is 3 (option "max_registrations")"#)),
        (r#"[66,15,2]"#, None),
        (r#"[64,16,{"match":"prefix"},"net."]"#, None),
    ];
    for (frame, refused) in said {
        ann.says(frame);
        told(&ann, frame, refused);
    }
    let mut bob = Client::join(&realms, 2);
    let big = "x".repeat(1000);
    let testament = r#""wamp.session.add_testament",["com.t",["x"],{}]"#;
    bob.says(&format!(r#"[48,1,{{}},{testament}]"#));
    told(&bob, "the first testament", None);
    bob.says(&format!(r#"[48,2,{{}},"wamp.session.add_testament",["com.t",["{big}"],{{}}]]"#));
    told(&bob, "a large testament", Some(r#"is 500 (option "max_testament_bytes")"#));
    bob.says(&format!(r#"[16,3,{{"acknowledge":true,"retain":true}},"com.t",["{big}"]]"#));
    told(&bob, "a large retained event", Some(r#"is 1000 (option "max_retained_bytes")"#));
    bob.says(r#"[16,4,{"acknowledge":true,"retain":true},"com.t",["small"]]"#);
    told(&bob, "a small one", None);

    let _ = ann.hears();
    bob.says(r#"[48,5,{},"com.b"]"#);
    assert_eq!(ann.hears_one()[0], 68);
    bob.says(r#"[48,6,{},"com.b"]"#);
    told(&bob, "another call", Some(r#"is 1 (option "max_pending_calls")"#));
    let mut cid = Client::join(&realms, 3);
    cid.says(r#"[48,1,{},"com.b"]"#);
    told(&cid, "a call of somebody else", Some(r#"is 1 (option "max_pending_calls")"#));
    ann.hears_nothing();
    ann.says("[70,1,{}]");
    assert_eq!(bob.hears_one()[0], 50);
    bob.says(r#"[48,7,{},"com.b"]"#);
    assert_eq!(ann.hears_one()[0], 68);
}

/// The client was refused by this text, or it was not refused.
#[track_caller]
fn told(client: &Client, what: &str, refused: Option<&str>) {
    let heard = client.hears_one();
    assert_eq!(heard[0] == 8, refused.is_some(), "{what}: {heard}");
    if let Some(refused) = refused {
        assert_eq!(heard[4], "wamp.error.limit_exceeded", "{what}");
        assert!(heard[5][0].as_str().unwrap().contains(refused), "{what}: {heard}");
    }
}

/// Options are read under the lock: those that are too large are refused without that.
#[test]
fn options_have_a_limit() {
    let realms = realms_with(r#"{"max_options_size":100}"#);
    let (mut ann, mut bob) = (Client::join(&realms, 1), Client::join(&realms, 2));
    ann.says(r#"[32,1,{},"com.t"]"#);
    ann.says(r#"[64,2,{},"com.p"]"#);
    let _ = ann.hears();
    let many = format!("[{}]", vec!["1"; 60].join(","));
    let refused = Some(r#"is 100 (option "max_options_size")"#);
    let said = [
        (format!(r#"[16,1,{{"eligible":{many},"acknowledge":true}},"com.t"]"#), refused),
        (format!(r#"[48,2,{{"_more":{many}}},"com.p"]"#), refused),
        (format!(r#"[32,3,{{"_more":{many}}},"com.t"]"#), refused),
        (format!(r#"[64,4,{{"_more":{many}}},"com.q"]"#), refused),
        (r#"[32,5,{"_more":[1,2,3]},"com.t"]"#.to_owned(), None),
    ];
    for (frame, refused) in said {
        bob.says(&frame);
        told(&bob, &frame, refused);
    }
    bob.says(&format!(r#"[16,6,{{"eligible":{many}}},"com.t"]"#));
    bob.hears_nothing();
    ann.hears_nothing();
    // What is no request has nobody whom one could tell.
    bob.says(r#"[48,7,{},"com.p"]"#);
    let invocation = ann.hears_one();
    let end = ann.tries(&format!(r#"[70,{},{{"_more":{many}}}]"#, invocation[1]));
    let told = |end: &LeaveReason| match end {
        LeaveReason::Violation(why) => why.contains("max_options_size"),
        _ => false,
    };
    assert!(end.as_ref().is_err_and(told), "{end:?}");
}
