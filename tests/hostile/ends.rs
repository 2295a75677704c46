//! How a session ends that the router does not want any more, or cannot keep.

use serde_json::json;
use wamp::ffi::types::*;

use super::client::Client;
use super::every;
use super::peer::{self, CLOSE, LIMIT, Peer, Script, Wire};
use super::scene::Scene;

#[test]
fn the_router_closes_the_websocket() {
    let rows: [(&str, (&[u8], &str)); 9] = [
        ("without a code", (b"", "GOODBYE")),
        ("1000", (b"\x03\xe8", "1000")),
        ("1001", (b"\x03\xe9going", "going")),
        ("1002", (b"\x03\xeayou broke it", "you broke it")),
        ("1011", (b"\x03\xf3", "1011")),
        ("3000", (b"\x0b\xb8", "3000")),
        ("4444", (b"\x11\x5cmine", "4444")),
        ("a code that is none", (b"\x00\x05", "closed by the router")),
        ("1006, which is never sent", (b"\x03\xee", "closed by the router")),
    ];
    every(rows, |what, (payload, word)| {
        let (scene, peer) = Scene::open(what, json!({}), move |wire| {
            wire.frame(CLOSE, payload);
            // RFC 6455: it must be answered by another one.
            let answer = wire.read().expect("an answer to the closing frame");
            assert_eq!(answer.head, CLOSE);
            assert!(wire.read().is_none(), "nothing after it");
        });
        let told = scene.client.closed();
        assert!(told.message.contains(word), "{what}: {}", told.message);
        scene.lose(WAMP_ERR_LOST, "lost");
        peer.done();
    });
}

#[test]
fn the_router_vanishes() {
    let rows: [(&str, Script); 5] = [
        ("end", Wire::end),
        ("reset", Wire::reset),
        ("end in a frame", |wire| {
            wire.raw(b"\x81\x7e\x10\x00[36,20,1");
            wire.end();
        }),
        ("reset in a frame", |wire| {
            wire.raw(b"\x81\x7e\x10\x00[36,20,1");
            wire.reset();
        }),
        ("end in the head of a frame", |wire| {
            wire.raw(b"\x81");
            wire.end();
        }),
    ];
    every(rows, |what, vanish| {
        let (scene, peer) = Scene::open(what, json!({}), vanish);
        scene.lose(WAMP_ERR_LOST, "lost");
        peer.done();
    });
}

#[test]
fn what_came_before_the_end_is_told_before_it() {
    let (scene, peer) = Scene::open("before the end", json!({}), |wire| {
        for _ in 0..500 {
            wire.text("[36,20,1,{},[0]]");
        }
        wire.end();
    });
    scene.client.closed_as(WAMP_ERR_LOST, "lost");
    assert_eq!(scene.client.all(WAMP_EVENT).len(), 500);
    scene.lose(WAMP_ERR_LOST, "lost");
    peer.done();
}

#[test]
fn the_router_says_goodbye() {
    let rows = [
        (
            "shutdown",
            (
                r#"[6,{"message":"back soon"},"wamp.close.close_realm"]"#,
                "wamp.close.close_realm",
                "back soon",
            ),
        ),
        ("killed", (r#"[6,{},"wamp.close.killed"]"#, "wamp.close.killed", "")),
        (
            "with more elements",
            (r#"[6,{"message":7},"wamp.close.normal",[],{}]"#, "wamp.close.normal", ""),
        ),
    ];
    every(rows, |what, (goodbye, reason, message)| {
        let (scene, peer) = Scene::open(what, json!({}), move |wire| {
            wire.text(goodbye);
            // Too late.
            wire.text("[50,4,{}]");
            let answer = wire.message();
            (answer, wire.polite())
        });
        let told = scene.client.closed();
        assert_eq!(told.reason()["reason"], reason, "{what}");
        assert_eq!(told.reason()["message"], message, "{what}");
        scene.lose(WAMP_OK, "closed");
        let (answer, rest) = peer.done();
        let expected = json!([6, {}, "wamp.close.goodbye_and_out"]);
        assert_eq!(answer, Some(expected), "{what}");
        assert!(rest.is_empty(), "{what}: {rest:?}");
    });
}

#[test]
fn the_router_aborts() {
    let (scene, peer) = Scene::open("abort", json!({}), |wire| {
        wire.text(r#"[3,{"message":"you misbehave"},"wamp.error.protocol_violation"]"#);
        wire.text("[50,4,{}]");
        wire.polite()
    });
    let told = scene.client.closed();
    assert_eq!(told.reason()["reason"], "wamp.error.protocol_violation");
    assert_eq!(told.reason()["message"], "you misbehave");
    assert!(told.message.contains("you misbehave"), "{}", told.message);
    scene.lose(WAMP_ERR_ABORTED, "closed");
    // ABORT is never answered.
    assert!(peer.done().is_empty());
}

#[test]
fn goodbye_and_close_in_one_write() {
    let (scene, peer) = Scene::open("goodbye, close, end", json!({}), |wire| {
        let mut bytes = peer::frame(peer::TEXT, br#"[6,{},"wamp.close.close_realm"]"#);
        bytes.extend(peer::frame(CLOSE, b"\x03\xe8"));
        wire.raw(&bytes);
        wire.end();
    });
    let told = scene.client.closed();
    assert_eq!(told.reason()["reason"], "wamp.close.close_realm");
    scene.lose(WAMP_OK, "closed");
    peer.done();
}

#[test]
fn abort_and_reset_in_one_go() {
    let (scene, peer) = Scene::open("abort, reset", json!({}), |wire| {
        wire.text(r#"[3,{},"com.abort"]"#);
        wire.end();
    });
    assert_eq!(scene.client.closed().reason()["reason"], "com.abort");
    scene.lose(WAMP_ERR_ABORTED, "closed");
    peer.done();
}

#[test]
fn requests_after_the_end_are_refused_at_once() {
    let peer = Peer::joined(|wire| {
        wire.message().expect("a CALL");
    });
    let mut client = Client::open("after the end", &peer.url, json!({}));
    client.join();
    client.call(c"com.call");
    client.closed_as(WAMP_ERR_LOST, "lost");
    peer.done();
    let (_, status) = client.try_call(c"com.call", None);
    assert_eq!(status, i64::from(WAMP_ERR_CLOSED));
    assert_eq!(client.publish(c"com.topic", 1), WAMP_ERR_CLOSED);
    assert_eq!(client.flusher()(10_000), WAMP_ERR_CLOSED);
    assert_eq!(client.close(), WAMP_ERR_CLOSED);
    client.finish();
}

#[test]
fn every_dispatch_mode_tells_the_same() {
    for dispatch in ["thread", "inline", "manual"] {
        let options = json!({"dispatch": dispatch});
        let rows: [(Script, i32, &str); 3] = [
            (Wire::reset, WAMP_ERR_LOST, "lost"),
            (
                |wire| {
                    wire.text("[]");
                    wire.polite();
                },
                WAMP_ERR_PROTOCOL,
                "closed",
            ),
            (
                |wire| {
                    wire.text(r#"[3,{},"com.abort"]"#);
                    wire.polite();
                },
                WAMP_ERR_ABORTED,
                "closed",
            ),
        ];
        for (script, status, class) in rows {
            let (scene, peer) = Scene::open(dispatch, options.clone(), script);
            scene.lose(status, class);
            peer.done();
        }
    }
}

#[test]
fn a_call_that_waits_ends_too() {
    let rows: [(&str, Script); 3] = [
        ("reset", Wire::reset),
        ("a violation", |wire| {
            wire.text("[]");
            wire.polite();
        }),
        ("GOODBYE", |wire| {
            wire.text(r#"[6,{},"wamp.close.killed"]"#);
            wire.polite();
        }),
    ];
    every(rows, |what, script| {
        let peer = Peer::joined(move |wire| {
            wire.message().expect("a CALL");
            script(wire);
        });
        let mut client = Client::open(what, &peer.url, json!({}));
        client.join();
        let call = client.waiting_caller();
        let waiting = std::thread::spawn(move || call(c"com.call"));
        client.closed();
        let status = waiting.join().expect("no panic");
        assert_eq!(status, WAMP_ERR_OUTCOME_UNKNOWN, "{what}");
        client.finish();
        peer.done();
    });
}

/// "Not sent" means that it is safe to repeat: so it must not be sent afterwards either.
#[test]
fn what_was_not_sent_is_never_sent() {
    let (say_goodbye, told) = std::sync::mpsc::channel();
    let peer = Peer::joined(move |wire| {
        told.recv_timeout(LIMIT).expect("the client has filled the socket");
        wire.text(r#"[6,{},"wamp.close.close_realm"]"#);
        wire.polite()
    });
    let options = json!({"send_queue_bytes": 256 << 20});
    let mut client = Client::open("not sent", &peer.url, options);
    client.join();
    // More than any socket takes: what follows stays behind.
    for _ in 0..1000 {
        assert_eq!(client.publish(c"com.t", 32 << 10), WAMP_OK);
    }
    let flush = client.flusher();
    assert_eq!(flush(100), WAMP_ERR_TIMEOUT, "the socket is full");
    assert_eq!(client.publish(c"com.t", 32 << 10), WAMP_OK);
    let call = client.call(c"com.transfer.money");
    say_goodbye.send(()).expect("a peer");
    assert_eq!(client.outcome(call).status, WAMP_ERR_NOT_SENT);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    let messages = peer.done();
    assert!(messages.iter().all(|message| message[0] != 48), "it was sent all the same");
    assert!(messages.iter().any(|message| message[0] == 6), "the GOODBYE was answered");
}
