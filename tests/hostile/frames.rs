//! Below the messages: WebSocket frames as they may and as they must not be.

use serde_json::json;
use wamp::ffi::types::*;

use super::every;
use super::peer::{self, BINARY, CLOSE, PING, PONG, Script, TEXT};
use super::scene::{Scene, harmless, violation};

/// A text frame that is not the last one of its message.
const FIRST: u8 = 0x01;
/// Goes on, and is not the last one.
const MORE: u8 = 0x00;
/// Goes on, and is the last one.
const LAST: u8 = 0x80;

#[test]
fn frames_that_break_websocket() {
    let rows: [(&str, Script); 15] = [
        ("invalid UTF-8", |wire| wire.frame(TEXT, b"[256,\"\xff\"]")),
        ("half a character", |wire| wire.frame(TEXT, b"[256,\"\xc3")),
        ("UTF-16", |wire| wire.frame(TEXT, b"\xff\xfe[\x002\x00")),
        ("an overlong slash", |wire| {
            wire.frame(TEXT, b"[256,\"\xc0\xaf\"]");
        }),
        ("a surrogate", |wire| {
            wire.frame(TEXT, b"[256,\"\xed\xa0\x80\"]");
        }),
        ("invalid UTF-8 in fragments", |wire| {
            wire.frame(FIRST, b"[256,\"");
            wire.frame(LAST, b"\xff\"]");
        }),
        ("masked", |wire| {
            wire.raw(b"\x81\x85\x00\x00\x00\x00[256]");
        }),
        ("a reserved bit", |wire| wire.frame(TEXT | 0x40, b"[256]")),
        ("all reserved bits", |wire| {
            wire.frame(TEXT | 0x70, b"[256]");
        }),
        ("an unknown opcode", |wire| wire.frame(0x83, b"[256]")),
        ("an unknown control opcode", |wire| wire.frame(0x8b, b"x")),
        ("continues nothing", |wire| wire.frame(LAST, b"[256]")),
        ("a message within another", |wire| {
            wire.frame(FIRST, b"[25");
            wire.frame(TEXT, b"[256]");
        }),
        ("a large ping", |wire| wire.frame(PING, &[b'x'; 126])),
        ("a ping in fragments", |wire| wire.frame(PING & 0x7f, b"x")),
    ];
    every(rows, |what, bad| {
        let (scene, peer) = Scene::open(what, json!({}), move |wire| {
            bad(wire);
            wire.polite();
        });
        scene.lose(WAMP_ERR_PROTOCOL, "closed");
        peer.done();
    });
}

/// The peer is going, and that is what matters.
#[test]
fn a_close_that_is_not_quite_right_is_a_loss() {
    let rows: [(&str, Script); 9] = [
        ("of one byte", |wire| wire.frame(CLOSE, b"\x03")),
        ("with words that are none", |wire| wire.frame(CLOSE, b"\x03\xe8\xff\xfe")),
        ("with a code that nobody may send", |wire| wire.frame(CLOSE, b"\x03\xed")),
        ("with a code below all", |wire| wire.frame(CLOSE, b"\x00\x01")),
        ("too large", |wire| wire.frame(CLOSE, &[b'x'; 126])),
        ("in fragments", |wire| wire.frame(CLOSE & 0x7f, b"\x03\xe8")),
        ("compressed", |wire| wire.frame(CLOSE | 0x40, b"\x03\xe8")),
        ("with reserved bits", |wire| wire.frame(CLOSE | 0x30, b"\x03\xe8")),
        ("masked", |wire| wire.raw(b"\x88\x82\x00\x00\x00\x00\x03\xe8")),
    ];
    every(rows, |what, bad| {
        let (scene, peer) = Scene::open(what, json!({"max_retries": 0}), move |wire| {
            bad(wire);
            wire.polite();
        });
        scene.lose(WAMP_ERR_LOST, "lost");
        peer.done();
    });
}

#[test]
fn a_binary_message_is_a_violation() {
    violation("binary", |wire| wire.frame(BINARY, b"[36,20,1,{}]"));
    violation("empty binary", |wire| wire.frame(BINARY, b""));
}

#[test]
fn messages_beyond_the_limit() {
    let rows: [(&str, Script); 5] = [
        ("one frame", |wire| wire.text(&event_of(2000))),
        ("a frame that is only announced", |wire| {
            wire.raw(b"\x81\x7f\x00\x00\x00\x00\x80\x00\x00\x00[36,");
        }),
        ("a frame as large as can be", |wire| {
            wire.raw(b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff[36,");
        }),
        ("fragments", |wire| {
            wire.frame(FIRST, b"[36,20,1,{},[\"");
            wire.frame(MORE, &[b'x'; 600]);
            wire.frame(LAST, &[b'x'; 600]);
        }),
        ("fragments without end", |wire| {
            wire.frame(FIRST, b"[36,20,1,{},[\"");
            for _ in 0..1000 {
                wire.frame(MORE, &[b'x'; 600]);
            }
        }),
    ];
    every(rows, |what, large| {
        let limit = json!({"max_message_size": 1024});
        let (scene, peer) = Scene::open(what, limit, move |wire| {
            large(wire);
            wire.polite();
        });
        scene.lose(WAMP_ERR_TOO_LARGE, "closed");
        peer.done();
    });
}

#[test]
fn a_message_of_the_largest_size() {
    let (scene, peer) = Scene::open("1024 bytes", json!({"max_message_size": 1024}), |wire| {
        wire.text(&event_of(1024));
        wire.text(&event_of(1025));
        wire.polite();
    });
    assert_eq!(scene.client.first(WAMP_EVENT).wamp_id, 1);
    scene.lose(WAMP_ERR_TOO_LARGE, "closed");
    peer.done();
}

#[test]
fn the_peer_is_told_what_was_wrong() {
    let rows: [(&str, (Script, i32, u16)); 3] = [
        ("a masked frame", (|wire| wire.raw(b"\x81\x80\0\0\0\0"), WAMP_ERR_PROTOCOL, 1002)),
        ("no UTF-8", (|wire| wire.frame(TEXT, b"\xff"), WAMP_ERR_PROTOCOL, 1007)),
        ("too large", (|wire| wire.frame(TEXT, &[b' '; 2000]), WAMP_ERR_TOO_LARGE, 1009)),
    ];
    every(rows, |what, (bad, status, code)| {
        let limit = json!({"max_message_size": 1024});
        let (scene, peer) = Scene::open(what, limit, move |wire| {
            bad(wire);
            let mut last = None;
            while let Some(frame) = wire.read() {
                last = Some(frame);
            }
            last.expect("a frame")
        });
        scene.lose(status, "closed");
        let last = peer.done();
        assert_eq!((last.head, &last.payload[..2]), (CLOSE, &code.to_be_bytes()[..]), "{what}");
    });
}

#[test]
fn legal_ways_to_send_a_message() {
    let rows: [(&str, Script); 6] = [
        ("fragments", |wire| {
            for (head, part) in [(FIRST, "[36,2"), (MORE, "0,1"), (LAST, ",{}]")] {
                wire.frame(head, part.as_bytes());
            }
        }),
        ("empty fragments", |wire| {
            wire.frame(FIRST, b"");
            wire.frame(MORE, b"");
            wire.frame(MORE, b"[36,20,1,{}]");
            wire.frame(LAST, b"");
        }),
        ("a character in two fragments", |wire| {
            wire.frame(FIRST, b"[36,20,1,{},[\"\xc3");
            wire.frame(LAST, b"\xa9\"]]");
        }),
        ("pings between fragments", |wire| {
            wire.frame(FIRST, b"[36,20,");
            wire.frame(PING, b"between");
            wire.frame(PONG, b"");
            wire.frame(LAST, b"1,{}]");
            assert_eq!(wire.read().expect("a pong").payload, b"between");
        }),
        ("a byte at a time", |wire| {
            for byte in peer::frame(TEXT, b"[36,20,1,{}]") {
                wire.raw(&[byte]);
            }
        }),
        ("a size written too long", |wire| {
            wire.raw(b"\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x0c[36,20,1,{}]");
        }),
    ];
    every(rows, |what, send| {
        let (client, ()) = harmless(what, send);
        assert_eq!(client.all(WAMP_EVENT).len(), 1, "{what}");
        client.finish();
    });
}

#[test]
fn pings_are_answered_and_pongs_are_not() {
    let (client, ()) = harmless("pings", |wire| {
        for payload in [&b""[..], b"hello", &[0xff; 125]] {
            wire.frame(PING, payload);
            let pong = wire.read().expect("a pong");
            assert_eq!((pong.head, &pong.payload[..]), (PONG, payload));
        }
        wire.frame(PONG, b"");
        wire.frame(PONG, b"nobody asked");
    });
    client.finish();
}

#[test]
fn many_messages_in_one_write() {
    let (client, ()) = harmless("one write", |wire| {
        let mut bytes = Vec::new();
        for _ in 0..10_000 {
            bytes.extend(peer::frame(TEXT, b"[36,20,1,{},[0]]"));
        }
        wire.raw(&bytes);
    });
    assert_eq!(client.all(WAMP_EVENT).len(), 10_000);
    client.finish();
}

/// An EVENT of `size` bytes.
fn event_of(size: usize) -> String {
    let head = r#"[36,20,1,{},[""#;
    let tail = r#""]]"#;
    format!("{head}{}{tail}", "x".repeat(size - head.len() - tail.len()))
}
