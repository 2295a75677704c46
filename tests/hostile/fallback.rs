//! The transports of one attempt: one that cannot serve is no reason not to try the next.

use std::io::{Read, Write};

use serde_json::{Value, json};
use wamp::ffi::types::*;

use super::client::Client;
use super::peer::{self, Peer, Wire};

fn rawsocket<T: Send + 'static>(peer: &Peer<T>) -> String {
    peer.url.replace("ws://", "rs://").replace("/ws", "")
}

/// A RawSocket router that takes messages of 512 bytes, which is less than a HELLO has.
fn narrow() -> Peer<usize> {
    Peer::raw(|mut stream| {
        let mut hello = [0; 4];
        stream.read_exact(&mut hello).expect("a handshake");
        stream.write_all(&[0x7f, 0x01, 0, 0]).expect("written");
        stream.read_to_end(&mut Vec::new()).expect("the end")
    })
}

/// Upgrades, and returns what comes then.
fn upgraded() -> Peer<Option<Value>> {
    Peer::raw(|stream| {
        let mut wire = Wire::upgrade(stream);
        wire.impatient();
        wire.message()
    })
}

#[test]
fn a_router_that_takes_no_hello_is_passed_over() {
    let (first, second) = (narrow(), Peer::joined(|wire| wire.polite()));
    let transports = json!([{"url": rawsocket(&first)}, {"url": second.url}]);
    let mut client = Client::open("narrow", "", json!({ "transports": transports }));
    client.join();
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    assert_eq!(first.done(), 0, "nothing too large is sent");
    second.done();
}

#[test]
fn alone_it_is_told() {
    let peer = narrow();
    let client = Client::open("narrow", &rawsocket(&peer), json!({}));
    let told = client.closed_as(WAMP_ERR_TOO_LARGE, "closed");
    assert!(told.message.contains(&rawsocket(&peer)), "{}", told.message);
    assert!(told.message.contains("accepts messages of 512 bytes"), "{}", told.message);
    client.finish();
    peer.done();
}

#[test]
fn a_login_that_one_cannot_carry_is_tried_over_all() {
    let (first, second) = (upgraded(), upgraded());
    let options = json!({
        "transports": [{"url": first.url}, {"url": second.url}],
        "channel_binding": "tls-exporter",
        "privkey": "01".repeat(32),
        "authid": "me",
    });
    let client = Client::open("no TLS", "", options);
    let told = client.closed_as(WAMP_ERR_AUTH, "closed");
    assert!(told.message.contains(&first.url), "{}", told.message);
    client.finish();
    assert_eq!((first.done(), second.done()), (None, None), "no HELLO goes out unbound");
}

#[test]
fn headers_of_an_entry_come_on_top_of_all() {
    let peer = Peer::raw(|mut stream| {
        let request = peer::request(&mut stream);
        let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(refusal).expect("written");
        request.to_ascii_lowercase()
    });
    let options = json!({
        "headers": {"Authorization": "Bearer a", "X-Both": "all", "User-Agent": "mine/1"},
        "transports": [{"url": peer.url, "headers": {"X-Own": "b", "x-both": "own"}}],
    });
    let client = Client::open("headers", "", options);
    client.closed_as(WAMP_ERR_HTTP, "unreachable");
    client.finish();
    let request = peer.done();
    for header in ["authorization: bearer a", "x-own: b", "x-both: own", "user-agent: mine/1"] {
        assert!(request.contains(&format!("\r\n{header}\r\n")), "{header}: {request}");
    }
    assert!(!request.contains("x-both: all"), "{request}");
}
