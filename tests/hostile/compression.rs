//! permessage-deflate: answers that were not asked for, and frames that hold a bomb or nonsense.

use std::io::Write;

use serde_json::json;
use wamp::ffi::types::*;

use super::client::Client;
use super::every;
use super::peer::{self, COMPRESSED, Peer, TEXT, Wire, compressed};

#[test]
fn answers_that_were_not_asked_for() {
    let rows = [
        ("an extension of its own", "permessage-brotli"),
        ("twice", "permessage-deflate, permessage-deflate"),
        ("an unknown parameter", "permessage-deflate; fast"),
        (
            "a parameter twice",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        ),
        ("a window that is none", "permessage-deflate; server_max_window_bits=16"),
        ("a window of nothing", "permessage-deflate; client_max_window_bits=0"),
        ("a window without a size", "permessage-deflate; server_max_window_bits"),
        ("nonsense", "permessage-deflate; ;=\"\","),
        (
            "another one in a header of its own",
            "permessage-deflate\r\nSec-WebSocket-Extensions: x-other",
        ),
    ];
    every(rows, |what, extension| {
        let peer = Peer::raw(move |mut stream| {
            let request = peer::request(&mut stream);
            let headers = format!(
                "Sec-WebSocket-Protocol: wamp.2.json\r\nSec-WebSocket-Extensions: {extension}\r\n"
            );
            let answer = peer::answer(&peer::accept_key(&request), &headers);
            stream.write_all(answer.as_bytes()).unwrap();
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        });
        let client = Client::open(what, &peer.url, json!({"permessage_deflate": true}));
        client.closed_as(WAMP_ERR_PROTOCOL, "unreachable");
        client.finish();
        peer.done();
    });
}

#[test]
fn frames_that_cannot_be_decompressed() {
    let bomb = compressed(&vec![b' '; 50_000_000]);
    assert!(bomb.len() < 65_000, "{}", bomb.len());
    let bombs: Vec<u8> = peer::frame(TEXT & !0x80 | COMPRESSED, &bomb);
    let rows: [(&str, (Vec<u8>, i32)); 5] = [
        ("a bomb", (peer::frame(TEXT | COMPRESSED, &bomb), WAMP_ERR_TOO_LARGE)),
        ("a bomb in its first fragment", (bombs, WAMP_ERR_TOO_LARGE)),
        ("nonsense", (peer::frame(TEXT | COMPRESSED, &[0xff; 100]), WAMP_ERR_PROTOCOL)),
        (
            "no UTF-8 within",
            (peer::frame(TEXT | COMPRESSED, &compressed(b"[\xff]")), WAMP_ERR_PROTOCOL),
        ),
        ("a compressed ping", (peer::frame(0x89 | COMPRESSED, b"x"), WAMP_ERR_PROTOCOL)),
    ];
    every(rows, |what, (bytes, status)| {
        let peer = Peer::raw(move |stream| {
            let mut wire = Wire::deflating(stream, "json");
            wire.read().expect("a HELLO");
            wire.text(peer::WELCOME);
            wire.raw(&bytes);
            while wire.read().is_some() {}
        });
        let options =
            json!({"permessage_deflate": true, "max_message_size": 100_000, "close_timeout": 0.2});
        let mut client = Client::open(what, &peer.url, options);
        client.try_join();
        client.closed_as(status, "closed");
        client.finish();
        peer.done();
    });
}
