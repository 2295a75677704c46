//! Batches of messages that are no good ones, of text and of binary messages.

use serde_json::json;
use wamp::codec::{Encoding, Rules, transcode};
use wamp::ffi::types::*;

use super::client::Client;
use super::every;
use super::peer::{self, BINARY, Peer, TEXT, WELCOME, Wire};

/// A client that speaks this serializer ends like this when `script` has had an open session of it.
fn ends(
    what: &str,
    serializer: &'static str,
    status: i32,
    script: impl FnOnce(&mut Wire) + Send + 'static,
) {
    let peer = Peer::raw(move |mut stream| {
        let request = peer::request(&mut stream);
        let agreed = format!("Sec-WebSocket-Protocol: wamp.2.{serializer}\r\n");
        let mut wire = Wire::over(stream);
        wire.raw(peer::answer(&peer::accept_key(&request), &agreed).as_bytes());
        wire.read().expect("a HELLO");
        let (head, welcome) = unit(serializer, &[WELCOME]);
        wire.frame(head, &welcome);
        script(&mut wire);
        while wire.read().is_some() {}
    });
    let options =
        json!({"serializers": [serializer], "max_message_size": 4096, "close_timeout": 0.2});
    let mut client = Client::open(what, &peer.url, options);
    client.try_join();
    client.closed_as(status, "closed");
    client.finish();
    peer.done();
}

/// A batch as it should be, and the head of its frame.
fn unit(serializer: &str, messages: &[&str]) -> (u8, Vec<u8>) {
    let encoding = match serializer {
        "json.batched" => return (TEXT, (messages.join("\x1e") + "\x1e").into_bytes()),
        "msgpack.batched" => Encoding::MsgPack,
        _ => Encoding::Cbor,
    };
    let mut batch = Vec::new();
    for message in messages {
        let mut bytes = Vec::new();
        let (from, rules) = (Encoding::Json, Rules::Strict);
        transcode(message.as_bytes(), from, encoding, rules, &mut bytes).unwrap();
        batch.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        batch.extend_from_slice(&bytes);
    }
    (BINARY, batch)
}

#[test]
fn broken_batches() {
    let texts: [(&str, &'static [u8]); 6] = [
        ("an empty text", b""),
        ("no separator", b"[36,20,1,{}]"),
        ("a separator alone", b"\x1e"),
        ("two separators", b"[36,20,1,{}]\x18\x1e"),
        ("the last one is cut", b"[36,20,1,{}]\x1e[36,20"),
        ("no JSON within", b"[36,20,1,{}]\x1e{}\x1e"),
    ];
    let binaries: [(&str, &'static [u8]); 7] = [
        ("an empty message", b""),
        ("a size that is cut", b"\0\0\0"),
        ("a size of nothing", b"\0\0\0\0"),
        ("a size past the end", b"\0\0\0\x09\x94"),
        ("the largest size", b"\xff\xff\xff\xff\x94"),
        ("a rest", b"\0\0\0\x01\x90\0"),
        ("no message within", b"\0\0\0\x01\xc1"),
    ];
    every(texts, |what, text| {
        ends(what, "json.batched", WAMP_ERR_PROTOCOL, |wire| wire.frame(TEXT, text));
    });
    for serializer in ["msgpack.batched", "cbor.batched"] {
        every(binaries, |what, bytes| {
            ends(what, serializer, WAMP_ERR_PROTOCOL, |wire| wire.frame(BINARY, bytes));
        });
    }
    every([("a binary frame", ())], |what, ()| {
        let binary = |wire: &mut Wire| wire.frame(BINARY, b"[36,20,1,{}]\x1e");
        ends(what, "json.batched", WAMP_ERR_PROTOCOL, binary);
    });
}

#[test]
fn what_comes_before_the_break_counts() {
    for serializer in ["json.batched", "msgpack.batched", "cbor.batched"] {
        ends(serializer, serializer, WAMP_ERR_ABORTED, move |wire| {
            let abort = r#"[3,{"message":"first"},"com.example.abort"]"#;
            let (head, mut batch) = unit(serializer, &["[36,20,1,{}]", abort]);
            batch.extend_from_slice(&[1, 2, 3]);
            wire.frame(head, &batch);
        });
    }
}
