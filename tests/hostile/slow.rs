//! A peer that does not read: what we send is bounded, and what we know about it is honest.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use serde_json::json;
use wamp::ffi::types::*;

use super::client::Client;
use super::peer::{self, LIMIT, Peer, Wire};

/// A client whose peer reads nothing until it is told to.
fn stuck<T: Send + 'static>(
    what: &str,
    then: impl FnOnce(&mut Wire) -> T + Send + 'static,
) -> (Client, Sender<()>, Peer<T>) {
    let (go, wait): (_, Receiver<()>) = channel();
    let peer = Peer::joined(move |wire| {
        wait.recv_timeout(LIMIT).expect("a word from the test");
        then(wire)
    });
    let options = json!({"send_queue_bytes": 100_000, "close_timeout": 0.2});
    let mut client = Client::open(what, &peer.url, options);
    client.join();
    (client, go, peer)
}

/// Publishes until the socket's buffers are full and one message is stuck; returns how many were
/// taken.
fn clog(client: &Client) -> usize {
    let flush = client.flusher();
    for taken in 1..10_000 {
        assert_eq!(client.publish(c"com.topic", 10_000), WAMP_OK);
        match flush(1000) {
            WAMP_OK => {}
            WAMP_ERR_TIMEOUT => return taken,
            status => panic!("{status}"),
        }
    }
    panic!("the system took 100 MB");
}

/// Publishes until the queue is full too; returns how many were taken.
fn fill(client: &Client) -> usize {
    let taken = clog(client);
    let queued = (0..100).take_while(|_| client.publish(c"com.topic", 10_000) == WAMP_OK);
    let queued = queued.count();
    assert!(queued < 11, "100 KB are the limit, and {queued} of 10 KB were taken");
    taken + queued
}

#[test]
fn publishing_waits_for_a_slow_peer() {
    let (client, go, peer) = stuck("slow", |wire| {
        let messages = wire.polite();
        let publications = messages.iter().filter(|message| message[0] == 16);
        publications.count()
    });
    let taken = fill(&client);
    assert_eq!(client.publish(c"com.topic", 1), WAMP_ERR_AGAIN);
    assert_eq!(client.publish(c"com.topic", 1), WAMP_ERR_AGAIN);
    assert!(client.all(WAMP_WRITABLE).is_empty());
    go.send(()).expect("the peer waits");
    client.first(WAMP_WRITABLE);
    assert_eq!(client.publish(c"com.topic", 1), WAMP_OK);
    assert_eq!(client.flusher()(10_000), WAMP_OK);
    assert_eq!(client.close(), WAMP_OK);
    // However often AGAIN was answered.
    assert_eq!(client.all(WAMP_WRITABLE).len(), 1);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    assert_eq!(peer.done(), taken + 1, "nothing was lost, nothing twice");
}

#[test]
fn requests_are_told_apart_when_a_slow_peer_is_lost() {
    let (mut client, go, peer) = stuck("slow, lost", Wire::reset);
    let first = client.call(c"com.first");
    clog(&client);
    // This one waits behind what is stuck.
    let last = client.call(c"com.last");
    go.send(()).expect("the peer waits");
    client.closed_as(WAMP_ERR_LOST, "lost");
    assert_eq!(client.outcome(first).status, WAMP_ERR_OUTCOME_UNKNOWN);
    assert_eq!(client.outcome(last).status, WAMP_ERR_NOT_SENT);
    client.finish();
    peer.done();
}

#[test]
fn a_flush_does_not_succeed_when_the_peer_is_lost() {
    let (client, go, peer) = stuck("flush", Wire::reset);
    fill(&client);
    let flush = client.flusher();
    let flushing = thread::spawn(move || flush(10_000));
    go.send(()).expect("the peer waits");
    client.closed_as(WAMP_ERR_LOST, "lost");
    assert_eq!(flushing.join().expect("no panic"), WAMP_ERR_CLOSED);
    client.finish();
    peer.done();
}

#[test]
fn a_close_does_not_wait_for_a_slow_peer() {
    let (client, go, peer) = stuck("close", Wire::polite);
    fill(&client);
    assert_eq!(client.close_within(8_000), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    go.send(()).expect("the peer waits");
    peer.done();
}

#[test]
fn a_violation_by_a_peer_that_does_not_read() {
    let (go, wait): (_, Receiver<()>) = channel();
    let peer = Peer::joined(move |wire| {
        wait.recv_timeout(LIMIT).expect("a word from the test");
        wire.text("[]");
        // Gone is gone, also for one that still does not read.
        wait.recv_timeout(LIMIT).expect("a word from the test");
    });
    let options = json!({"send_queue_bytes": 100_000});
    let mut client = Client::open("violation", &peer.url, options);
    client.join();
    fill(&client);
    go.send(()).expect("the peer waits");
    client.closed_as(WAMP_ERR_PROTOCOL, "closed");
    go.send(()).expect("the peer waits");
    client.finish();
    peer.done();
}

#[test]
fn a_peer_that_does_not_read_is_not_read_without_limit() {
    // Every message makes an answer that cannot be sent: that must end somewhere.
    const SENT: usize = 32 << 20;
    let (sender, stopped) = channel();
    let peer = Peer::joined(move |wire| {
        wire.impatient();
        let message = peer::frame(peer::TEXT, b"[68,1,99,{}]");
        let chunk = message.repeat(4096);
        let mut sent = 0;
        while sent < SENT && wire.try_raw(&chunk) {
            sent += chunk.len();
        }
        sender.send(sent).expect("the test waits");
        wire.reset();
    });
    let mut client = Client::open("answers", &peer.url, json!({"send_queue_bytes": 100_000}));
    client.join();
    let sent = stopped.recv_timeout(LIMIT).expect("it ends");
    client.closed();
    client.finish();
    peer.done();
    assert!(sent < SENT, "{sent} bytes were taken in");
}

#[test]
fn pongs_for_a_peer_that_does_not_read_are_not_kept_without_limit() {
    const SENT: usize = 48 << 20;
    let (sender, flooded) = channel();
    let peer = Peer::joined(move |wire| {
        wire.impatient();
        let chunk = peer::frame(peer::PING, &[b'x'; 125]).repeat(512);
        let mut sent = 0;
        while sent < SENT && wire.try_raw(&chunk) {
            sent += chunk.len();
        }
        sender.send(()).expect("the test waits");
        let mut kept = 0;
        while let Some(frame) = wire.read() {
            kept += frame.payload.len();
        }
        kept
    });
    let mut client = Client::open("pongs", &peer.url, json!({"close_timeout": 2}));
    client.join();
    flooded.recv_timeout(LIMIT).expect("the flood ends");
    client.close_within(0);
    let kept = peer.done();
    client.closed();
    client.finish();
    // The system's own buffers hold some megabytes.
    assert!(kept < SENT / 2, "{kept} bytes of pongs were kept");
}

#[test]
fn a_peer_that_is_busy_with_what_we_sent_is_not_taken_for_dead() {
    const MESSAGES: usize = 800;
    let peer = Peer::joined(|wire| {
        // What its system has taken it has to get through within the time for an answer.
        wire.narrow(128 * 1024);
        let mut publications = 0;
        while let Some(frame) = wire.read() {
            match frame.head {
                peer::PING => wire.frame(peer::PONG, &frame.payload),
                peer::CLOSE => wire.frame(peer::CLOSE, &frame.payload),
                _ if frame.payload.starts_with(b"[6,") => {
                    wire.text(r#"[6,{},"wamp.close.goodbye_and_out"]"#);
                }
                _ => {
                    publications += 1;
                    // It works at each of them: that is what slow means here.
                    thread::sleep(std::time::Duration::from_millis(4));
                }
            }
        }
        publications
    });
    // The answer takes longer than this, and on a slow machine less than what a busy peer gets.
    let options = json!({"autoping_interval": 0.1, "autoping_timeout": 1.0, "close_timeout": 60});
    let mut client = Client::open("busy", &peer.url, options);
    client.join();
    for _ in 0..MESSAGES {
        assert_eq!(client.publish(c"com.topic", 10_000), WAMP_OK);
    }
    assert_eq!(client.flusher()(60_000), WAMP_OK);
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    assert_eq!(peer.done(), MESSAGES);
}
