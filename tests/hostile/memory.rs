//! Peers that say with few bytes what takes many: the memory that they can make us use is bounded.
//!
//! Memory belongs to the whole process: each of these tests runs itself in another one.

use serde_json::json;
use wamp::ffi::types::*;

use super::alone;
use super::client::Client;
use super::peer::{self, COMPRESSED, PING, PONG, Peer, TEXT, WELCOME, Wire, compressed};

const MIB: usize = 1024 * 1024;

/// The most memory that this process has had so far, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

/// By how much the peak grows while a client that looks at no event takes all that `said` holds,
/// after SUBSCRIBED.
fn growth(serializer: &str, said: Vec<u8>) -> usize {
    let agreed = serializer.to_owned();
    let end = if serializer == "json" { "" } else { "\x1e" };
    let before = peak();
    let peer = Peer::raw(move |stream| {
        let mut wire = Wire::deflating(stream, &agreed);
        wire.read().expect("a HELLO");
        wire.text(&format!("{WELCOME}{end}"));
        wire.read().expect("a SUBSCRIBE");
        wire.text(&format!("[33,1,20]{end}"));
        wire.raw(&said);
        // It comes when all the rest was taken in.
        wire.frame(PING, b"all?");
        while wire.read().expect("the client stays").head != PONG {}
        let after = peak();
        wire.end();
        after
    });
    let options = json!({
        "permessage_deflate": true,
        "serializers": [serializer],
        "dispatch": "manual",
        "receive_queue_bytes": MIB,
    });
    let mut client = Client::open(serializer, &peer.url, options);
    client.join();
    client.subscribe(c"com.topic");
    let after = peer.done();
    client.closed_as(WAMP_ERR_LOST, "lost");
    assert!(!client.all(WAMP_EVENT).is_empty() || serializer == "json");
    client.finish();
    after - before
}

/// A frame with a compressed message.
fn bomb(message: &str) -> Vec<u8> {
    peer::frame(TEXT | COMPRESSED, &compressed(message.as_bytes()))
}

#[test]
fn one_bomb_after_the_other() {
    alone("memory::one_bomb_after_the_other", &[], || {
        let bomb = bomb(&format!("[256,{}1]", " ".repeat(10 * MIB)));
        assert!(bomb.len() < 32 * 1024);
        let grown = growth("json", bomb.repeat(16));
        assert!(grown < 64 * MIB, "{} MiB", grown / MIB);
    });
}

#[test]
fn events_beside_what_is_large_and_of_no_use() {
    alone("memory::events_beside_what_is_large_and_of_no_use", &[], || {
        let padding = " ".repeat(5 * MIB);
        let bomb = bomb(&format!("[36,20,1,{{}}]\x1e[256,{padding}1]\x1e"));
        let grown = growth("json.batched", bomb.repeat(24));
        assert!(grown < 48 * MIB, "{} MiB", grown / MIB);
    });
}

#[test]
fn events_that_share_a_block_with_others() {
    alone("memory::events_that_share_a_block_with_others", &[], || {
        let event = peer::frame(TEXT, b"[36,20,1,{}]\x1e");
        let padding = " ".repeat(32 * 1024);
        let other = peer::frame(TEXT, format!("[256,{padding}1]\x1e").as_bytes());
        let grown = growth("json.batched", [event, other].concat().repeat(2000));
        assert!(grown < 40 * MIB, "{} MiB", grown / MIB);
    });
}
