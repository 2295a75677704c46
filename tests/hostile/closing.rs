//! The application closes, or frees, and the router does not play along.

use serde_json::json;
use wamp::ffi::types::*;

use super::client::Client;
use super::every;
use super::peer::{self, CLOSE, Peer, Script, Wire};
use super::scene::Scene;

const GOODBYE: &str = r#"[6,{},"wamp.close.normal"]"#;

#[test]
fn every_answer_to_a_goodbye_ends_in_order() {
    let rows: [(&str, Script); 12] = [
        ("nothing", |wire| drop(wire.message())),
        ("GOODBYE, but no close", |wire| {
            wire.text(GOODBYE);
            while wire.read().is_some() {}
        }),
        ("close", |wire| wire.frame(CLOSE, b"\x03\xe8")),
        ("end", Wire::end),
        ("reset", Wire::reset),
        ("ABORT", |wire| {
            wire.text(r#"[3,{},"wamp.error.no_such_realm"]"#);
            wire.end();
        }),
        ("ABORT alone", |wire| {
            wire.text(r#"[3,{},"wamp.error.no_such_realm"]"#);
            drop(wire.message());
        }),
        ("a violation", |wire| {
            wire.text("nonsense");
            wire.text("[2,1,{}]");
            wire.text("[50,99,{}]");
            wire.text(GOODBYE);
            drop(wire.polite());
        }),
        ("what was on its way", |wire| {
            wire.text("[36,20,1,{}]");
            wire.text("[68,1,30,{}]");
            wire.text(GOODBYE);
            assert!(wire.polite().is_empty());
        }),
        ("GOODBYE twice", |wire| {
            wire.text(GOODBYE);
            wire.text(GOODBYE);
            assert!(wire.polite().is_empty());
        }),
        ("GOODBYE without end", |wire| {
            wire.raw(&peer::frame(peer::TEXT, GOODBYE.as_bytes())[..9]);
            drop(wire.message());
        }),
        ("a binary frame", |wire| wire.frame(peer::BINARY, b"?")),
    ];
    every(rows, |what, answer| {
        let options = json!({"close_timeout": 2});
        let (scene, peer) = Scene::open(what, options, move |wire| {
            let goodbye = wire.message().expect("a GOODBYE");
            assert_eq!(goodbye, json!([6, {}, "wamp.goodbye.normal"]));
            answer(wire);
        });
        assert_eq!(scene.client.outcome(scene.early).kind, WAMP_RESULT);
        assert_eq!(scene.client.close(), WAMP_OK, "{what}");
        assert!(scene.client.all(WAMP_EVENT).is_empty(), "{what}");
        scene.lose(WAMP_OK, "closed");
        peer.done();
    });
}

#[test]
fn what_is_answered_before_the_routers_goodbye_is_told() {
    let (scene, peer) = Scene::open("late answers", json!({}), |wire| {
        wire.message().expect("a GOODBYE");
        wire.text(r#"[50,4,{},["late"]]"#);
        wire.text("[17,5,777]");
        wire.text(GOODBYE);
        assert!(wire.polite().is_empty());
    });
    assert_eq!(scene.client.outcome(scene.early).kind, WAMP_RESULT);
    assert_eq!(scene.client.close(), WAMP_OK);
    let told = scene.client.outcome(scene.call);
    assert_eq!((told.kind, told.args.as_str()), (WAMP_RESULT, "[\"late\"]"));
    let told = scene.client.outcome(scene.publication);
    assert_eq!((told.kind, told.wamp_id), (WAMP_PUBLISHED, 777));
    scene.client.closed_as(WAMP_OK, "closed");
    scene.client.finish();
    peer.done();
}

#[test]
fn goodbyes_that_cross() {
    let peer = Peer::joined(|wire| {
        wire.text(GOODBYE);
        let mut messages = Vec::new();
        while let Some(message) = wire.message() {
            messages.push(message);
        }
        messages
    });
    let client = Client::open("crossing", &peer.url, json!({}));
    // Whether ours or theirs comes first is left to chance; there is one of ours in any case.
    client.first(WAMP_OPEN);
    client.close();
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    let messages = peer.done();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0][0], 6);
}

#[test]
fn goodbyes_that_cross_for_certain() {
    let (scene, peer) = Scene::open("crossing", json!({}), |wire| {
        // To the client it is all one whether this one has crossed with its own.
        let goodbye = wire.message().expect("a GOODBYE");
        assert_eq!(goodbye[2], "wamp.goodbye.normal");
        wire.text(r#"[6,{},"wamp.close.close_realm"]"#);
        wire.polite()
    });
    assert_eq!(scene.client.close(), WAMP_OK);
    let told = scene.client.closed();
    assert_eq!(told.reason()["reason"], "wamp.close.close_realm");
    scene.lose(WAMP_OK, "closed");
    assert!(peer.done().is_empty(), "no second GOODBYE");
}

#[test]
fn closed_while_connecting() {
    let rows: [(&str, usize); 2] = [("no answer", 0), ("half an answer", 50)];
    every(rows, |what, size| {
        let (sender, asked) = std::sync::mpsc::channel();
        let peer = Peer::raw(move |mut stream| {
            let answer = peer::accepted(&peer::request(&mut stream));
            std::io::Write::write_all(&mut stream, &answer.as_bytes()[..size]).expect("written");
            sender.send(()).expect("the test waits");
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        });
        let client = Client::open(what, &peer.url, json!({}));
        asked.recv_timeout(peer::LIMIT).expect("a request");
        assert_eq!(client.close(), WAMP_OK, "{what}");
        client.closed_as(WAMP_OK, "closed");
        client.finish();
        peer.done();
    });
}

#[test]
fn closed_at_once() {
    for _ in 0..20 {
        let peer = Peer::raw(|mut stream| {
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        });
        let client = Client::open("at once", &peer.url, json!({}));
        assert_eq!(client.close(), WAMP_OK);
        client.closed_as(WAMP_OK, "closed");
        client.finish();
        // The client may have been too quick to connect at all.
        drop(std::net::TcpStream::connect(&peer.url[5..peer.url.len() - 3]));
        peer.done();
    }
}

#[test]
fn closed_while_joining() {
    let (sender, greeted) = std::sync::mpsc::channel();
    let peer = Peer::greeted(move |wire| {
        sender.send(()).expect("the test waits");
        wire.polite()
    });
    let client = Client::open("joining", &peer.url, json!({}));
    greeted.recv_timeout(peer::LIMIT).expect("a HELLO");
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    let messages = peer.done();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0][0], 3);
}

#[test]
fn freed_while_open() {
    let (scene, peer) = Scene::open("freed", json!({}), |wire| {
        wire.text("[36,20,1,{}]");
        wire.polite()
    });
    let mut client = scene.client;
    client.first(WAMP_EVENT);
    client.free();
    client.finish_freed();
    let messages = peer.done();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0][0], 6, "{messages:?}");
}

#[test]
fn freed_amid_events() {
    for dispatch in ["thread", "inline", "manual"] {
        let options = json!({"dispatch": dispatch, "receive_queue_bytes": 5000});
        let (scene, peer) = Scene::open(dispatch, options, |wire| {
            let events = peer::frame(peer::TEXT, b"[36,20,1,{},[1,2,3]]").repeat(100);
            for _ in 0..100 {
                wire.raw(&events);
            }
            wire.reset();
        });
        let mut client = scene.client;
        if dispatch != "manual" {
            client.first(WAMP_EVENT);
        }
        client.free();
        client.finish_freed();
        peer.done();
    }
}

#[test]
fn freed_while_the_router_does_nothing() {
    let rows: [(&str, Script); 2] = [
        ("it reads", |wire| while wire.read().is_some() {}),
        ("in a frame", |wire| {
            wire.raw(b"\x81\x7e\x10\x00[36,20,1");
            while wire.read().is_some() {}
        }),
    ];
    every(rows, |what, script| {
        let (scene, peer) = Scene::open(what, json!({}), script);
        let mut client = scene.client;
        client.free();
        client.finish_freed();
        // Its end is the client's going away, for which the router was not needed.
        peer.done();
    });
}
