//! After HELLO: everything but a WELCOME.

use serde_json::json;
use wamp::ffi::types::*;

use super::client::Client;
use super::peer::{self, Peer, Script, Wire};
use super::{every, scene};

#[test]
fn what_is_no_answer_to_hello_is_a_violation() {
    let rows = [
        ("EVENT", "[36,1,2,{}]"),
        ("GOODBYE", r#"[6,{},"wamp.close.system_shutdown"]"#),
        ("ERROR", r#"[8,48,1,{},"wamp.error.x"]"#),
        ("SUBSCRIBED", "[33,1,2]"),
        ("UNSUBSCRIBED", "[35,1]"),
        ("revocation", r#"[35,0,{"subscription":1}]"#),
        ("PUBLISHED", "[17,1,2]"),
        ("RESULT", "[50,1,{}]"),
        ("REGISTERED", "[65,1,2]"),
        ("UNREGISTERED", "[67,1]"),
        ("INVOCATION", "[68,1,2,{}]"),
        ("INTERRUPT", "[69,1,{}]"),
        ("HELLO", r#"[1,"realm1",{}]"#),
        ("CALL", r#"[48,1,{},"com.x"]"#),
        ("garbage", "hello yourself"),
        ("no message", ""),
        ("an empty list", "[]"),
        ("no list", "{}"),
        ("WELCOME without roles", "[2,1,{}]"),
        ("WELCOME, roles null", r#"[2,1,{"roles":null}]"#),
        ("WELCOME, roles a list", r#"[2,1,{"roles":[]}]"#),
        ("WELCOME, realm a number", r#"[2,1,{"roles":{},"realm":5}]"#),
        ("WELCOME, details a list", "[2,1,[]]"),
        ("WELCOME, no details", "[2,1]"),
        ("WELCOME, id 0", r#"[2,0,{"roles":{}}]"#),
        ("WELCOME, id negative", r#"[2,-1,{"roles":{}}]"#),
        ("WELCOME, id a string", r#"[2,"1",{"roles":{}}]"#),
        ("WELCOME, id too large", r#"[2,9007199254740993,{"roles":{}}]"#),
        ("WELCOME, truncated", r#"[2,1,{"roles":{}}"#),
        ("ABORT without reason", "[3,{}]"),
        ("ABORT, reason a number", "[3,{},7]"),
        ("CHALLENGE without method", "[4]"),
    ];
    every(rows, |what, message| {
        let peer = Peer::greeted(|wire| {
            wire.text(message);
            wire.polite()
        });
        let client = Client::open(what, &peer.url, json!({}));
        client.closed_as(WAMP_ERR_PROTOCOL, "closed");
        assert!(client.all(WAMP_OPEN).is_empty(), "{what}");
        client.finish();
        scene::check_abort(what, &peer.done());
    });
}

#[test]
fn what_may_come_before_welcome() {
    let rows = [("an extension", "[256]"), ("an extension with more", r#"[1023,{"a":[1]},"x"]"#)];
    every(rows, |what, message| {
        let peer = Peer::greeted(|wire| {
            wire.text(message);
            wire.frame(peer::PING, b"?");
            wire.frame(peer::PONG, b"!");
            wire.text(peer::WELCOME);
            wire.polite()
        });
        let mut client = Client::open(what, &peer.url, json!({}));
        client.join();
        assert_eq!(client.first(WAMP_OPEN).wamp_id, 9129137332, "{what}");
        assert_eq!(client.close(), WAMP_OK, "{what}");
        client.closed_as(WAMP_OK, "closed");
        client.finish();
        peer.done();
    });
}

#[test]
fn a_refusal_is_told_with_the_routers_words() {
    let rows = [
        (
            "with a message",
            (
                r#"[3,{"message":"no realm \"x\""},"wamp.error.no_such_realm"]"#,
                json!("wamp.error.no_such_realm"),
                json!("no realm \"x\""),
            ),
        ),
        (
            "without",
            (r#"[3,{},"wamp.error.no_such_realm"]"#, json!("wamp.error.no_such_realm"), json!("")),
        ),
        (
            "with a payload",
            (r#"[3,{"message":5},"com.x",["a"],{"b":1}]"#, json!("com.x"), json!("")),
        ),
        (
            "with a NUL in it",
            (r#"[3,{"message":"a\u0000b"},"com.\u0000x"]"#, json!("com.\0x"), json!("a\0b")),
        ),
        (
            "with half a surrogate",
            (r#"[3,{"message":"a\ud800b"},"com.x"]"#, json!("com.x"), json!("a\u{fffd}b")),
        ),
    ];
    every(rows, |what, (abort, reason, message)| {
        let peer = Peer::greeted(move |wire| {
            wire.text(abort);
            wire.polite()
        });
        let client = Client::open(what, &peer.url, json!({}));
        let told = client.closed_as(WAMP_ERR_ABORTED, "closed");
        assert_eq!(told.reason()["reason"], reason, "{what}");
        assert_eq!(told.reason()["message"], message, "{what}");
        client.finish();
        // ABORT is never answered.
        assert!(peer.done().is_empty(), "{what}");
    });
}

#[test]
fn a_challenge_that_nobody_can_answer() {
    let peer = Peer::greeted(|wire| {
        wire.text(r#"[4,"ticket",{}]"#);
        wire.polite()
    });
    let client = Client::open("challenge", &peer.url, json!({}));
    let told = client.closed_as(WAMP_ERR_AUTH, "closed");
    assert!(told.message.contains("ticket"), "{}", told.message);
    client.finish();
    let messages = peer.done();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0][0], 3);
    assert_eq!(messages[0][2], "wamp.error.cannot_authenticate");
}

#[test]
fn it_goes_away_before_welcome() {
    let rows: [(&str, Script); 5] = [
        ("close", |wire| wire.frame(peer::CLOSE, b"\x03\xe8")),
        ("close without a code", |wire| wire.frame(peer::CLOSE, b"")),
        ("end", Wire::end),
        ("reset", Wire::reset),
        ("in a frame", |wire| {
            wire.raw(&peer::frame(peer::TEXT, peer::WELCOME.as_bytes())[..20]);
            wire.end();
        }),
    ];
    every(rows, |what, script| {
        let peer = Peer::greeted(script);
        let client = Client::open(what, &peer.url, json!({}));
        client.closed_as(WAMP_ERR_LOST, "unreachable");
        client.finish();
        peer.done();
    });
}

#[test]
fn a_binary_frame_is_no_json() {
    let peer = Peer::greeted(|wire| {
        wire.frame(peer::BINARY, b"\x93\x02\x01\x80");
        wire.polite()
    });
    let client = Client::open("binary", &peer.url, json!({}));
    let told = client.closed_as(WAMP_ERR_PROTOCOL, "closed");
    assert!(told.message.contains("binary"), "{}", told.message);
    client.finish();
    scene::check_abort("binary", &peer.done());
}

#[test]
fn hello_is_never_answered() {
    let peer = Peer::greeted(Wire::polite);
    let client = Client::open("silence", &peer.url, json!({"connect_timeout": 2}));
    let told = client.closed_as(WAMP_ERR_TIMEOUT, "unreachable");
    assert!(told.message.contains("connect_timeout"), "{}", told.message);
    client.finish();
    peer.done();
}

#[test]
fn a_role_that_was_not_welcomed_is_not_asked() {
    let peer = Peer::greeted(|wire| {
        wire.text(r#"[2,1,{"roles":{"broker":{}}}]"#);
        wire.polite()
    });
    let mut client = Client::open("no dealer", &peer.url, json!({}));
    client.join();
    let (_, status) = client.try_call(c"com.call", None);
    assert_eq!(status, i64::from(WAMP_ERR_STATE));
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    assert_eq!(peer.done().len(), 1);
}

#[test]
fn it_can_be_opened_again_after_each_failure() {
    let peer = Peer::greeted(|wire| {
        wire.text("nonsense");
        wire.polite()
    });
    let mut client = Client::open("again", &peer.url, json!({}));
    client.closed_as(WAMP_ERR_PROTOCOL, "closed");
    peer.done();
    // Nobody listens there any more.
    for _ in 0..3 {
        client.reopen();
        client.closed_as(WAMP_ERR_UNREACHABLE, "unreachable");
    }
    client.finish();
}
