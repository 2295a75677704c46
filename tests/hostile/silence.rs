//! Peers that say nothing for too long, and peers that never stop.

use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use serde_json::json;
use wamp::ffi::types::*;

use super::client::Client;
use super::every;
use super::peer::{self, PING, PONG, Peer, Wire};
use super::scene::Scene;

#[test]
fn a_peer_that_answers_no_ping_is_lost() {
    let options = json!({"autoping_interval": 1, "autoping_timeout": 1, "autoping_size": 9});
    let (scene, peer) = Scene::open("deaf", options, |wire| {
        let ping = wire.read().expect("a ping");
        assert_eq!((ping.head, ping.payload.len()), (PING, 9));
        while wire.read().is_some() {}
    });
    let told = scene.client.closed();
    assert!(told.message.contains("ping"), "{}", told.message);
    scene.lose(WAMP_ERR_LOST, "lost");
    peer.done();
}

#[test]
fn a_peer_that_shows_life_stays() {
    type Sign = fn(&mut Wire, &[u8]);
    let rows: [(&str, Sign); 4] = [
        ("pongs", |wire, payload| wire.frame(PONG, payload)),
        ("other pongs", |wire, _| wire.frame(PONG, b"other")),
        ("pings", |wire, _| wire.frame(PING, b"")),
        ("messages", |wire, _| wire.text("[256]")),
    ];
    every(rows, |what, live| {
        let options = json!({"autoping_interval": 0.05, "autoping_timeout": 5});
        let (scene, peer) = Scene::open(what, options, move |wire| {
            let mut pings = 0;
            while pings < 5 {
                let frame = wire.read().expect("the client stays");
                if frame.head == PING {
                    pings += 1;
                    live(wire, &frame.payload);
                }
            }
            wire.text("[50,4,{}]");
            wire.text("[17,5,1]");
            wire.polite();
        });
        assert_eq!(scene.client.outcome(scene.call).kind, WAMP_RESULT);
        scene.client.outcome(scene.publication);
        assert_eq!(scene.client.close(), WAMP_OK, "{what}");
        scene.client.closed_as(WAMP_OK, "closed");
        scene.client.finish();
        peer.done();
    });
}

#[test]
fn half_a_frame_is_no_sign_of_life_for_ever() {
    let options = json!({"autoping_interval": 1, "autoping_timeout": 1});
    let (scene, peer) = Scene::open("half a frame", options, |wire| {
        wire.raw(b"\x81\x7e\x10\x00[36,20,1");
        while wire.read().is_some() {}
    });
    scene.lose(WAMP_ERR_LOST, "lost");
    peer.done();
}

#[test]
fn who_sends_a_large_message_slowly_is_alive() {
    let options = json!({"autoping_interval": 0.5, "autoping_timeout": 2});
    let (scene, peer) = Scene::open("slow to send", options, |wire| {
        let event = format!("[36,20,1,{{}},[\"{}\"]]", "x".repeat(60_000));
        let frame = peer::frame(peer::TEXT, event.as_bytes());
        let begun = Instant::now();
        for piece in frame.chunks(frame.len() / 50) {
            assert!(wire.try_raw(piece), "gone after {:?}", begun.elapsed());
            // The time that it takes is what this is about.
            std::thread::sleep(Duration::from_millis(80));
        }
        wire.polite();
    });
    scene.client.first(WAMP_EVENT);
    assert_eq!(scene.client.close(), WAMP_OK);
    scene.lose(WAMP_OK, "closed");
    peer.done();
}

#[test]
fn who_takes_a_large_message_slowly_is_alive() {
    const SIZE: usize = 15_000_000;
    // The first ping, which this peer does not answer, is to come behind the message.
    let options = json!({"autoping_interval": 4, "autoping_timeout": 2});
    let peer = Peer::joined(|wire| {
        // Little is left to be read once its system has the ping, so that a busy machine gets
        // through it in time.
        wire.narrow(64 * 1024);
        let (begun, mut taken) = (Instant::now(), 0);
        while taken < SIZE {
            let size = wire.take(SIZE / 100);
            assert!(size > 0, "gone after {:?} and {taken} bytes", begun.elapsed());
            taken += size;
            // The time that it takes is what this is about.
            std::thread::sleep(Duration::from_millis(75));
        }
        wire.end();
    });
    let mut client = Client::open("slow to take", &peer.url, options);
    client.join();
    assert_eq!(client.publish(c"com.topic", SIZE), WAMP_OK);
    client.closed_as(WAMP_ERR_LOST, "lost");
    let text = client.closed().message;
    assert!(!text.contains("ping"), "{text}");
    client.finish();
    peer.done();
}

#[test]
fn who_takes_slowly_what_the_system_has_taken_at_once_is_alive() {
    const SIZE: usize = 2_400_000;
    const PIECES: u32 = 36;
    let pause = Duration::from_millis(500);
    let options = json!({"autoping_interval": 4, "autoping_timeout": 2.5});
    let peer = Peer::joined(move |wire| {
        wire.narrow(96 * 1024);
        let (begun, mut taken) = (Instant::now(), 0);
        while taken < SIZE {
            let size = wire.take(SIZE / PIECES as usize);
            assert!(size > 0, "gone after {:?} and {taken} bytes", begun.elapsed());
            taken += size;
            // The time that it takes is what this is about.
            std::thread::sleep(pause * size as u32 / (SIZE as u32 / PIECES));
        }
        wire.end();
        begun.elapsed()
    });
    let mut client = Client::open("slow behind the system", &peer.url, options);
    client.join();
    assert_eq!(client.publish(c"com.topic", SIZE), WAMP_OK);
    client.closed_as(WAMP_ERR_LOST, "lost");
    let text = client.closed().message;
    assert!(!text.contains("ping"), "{text}");
    client.finish();
    assert!(peer.done() >= pause * PIECES / 2, "it was no test");
}

/// How much later than beside a silent peer a client may be rid of one that floods it. The default
/// of `close_timeout` ends later.
const SOON: Duration = Duration::from_secs(4);

/// Asserts that a flood has not held its client up. The control ran at the same time with a silent
/// peer, and tells a slow machine from a slow library.
fn check_in_time(what: &str, took: Duration, control: JoinHandle<Duration>) {
    let control = control.join().expect("the control");
    assert!(took < 2 * control + SOON, "{what}: {took:?}; beside a silent peer {control:?}");
}

/// Says nothing until the client is gone.
fn silent(wire: &mut Wire) {
    while wire.read().is_some() {}
}

/// How long it takes to give up a peer that does not say WELCOME.
fn unwelcomed(
    what: &str,
    limit: Duration,
    script: impl FnOnce(&mut Wire) + Send + 'static,
) -> Duration {
    let peer = Peer::greeted(script);
    let start = Instant::now();
    let options = json!({"connect_timeout": limit.as_secs()});
    let client = Client::open(what, &peer.url, options);
    client.closed_as(WAMP_ERR_TIMEOUT, "unreachable");
    let took = start.elapsed();
    client.finish();
    peer.done();
    took
}

/// How long it takes to leave a peer that does not say GOODBYE.
fn unparted(what: &str, script: impl FnOnce(&mut Wire) + Send + 'static) -> Duration {
    let (scene, peer) = Scene::open(what, json!({"close_timeout": 0.3}), script);
    scene.client.first(WAMP_REGISTERED);
    let start = Instant::now();
    assert_eq!(scene.client.close(), WAMP_OK, "{what}");
    let took = start.elapsed();
    scene.lose(WAMP_OK, "closed");
    peer.done();
    took
}

/// Writes `bytes` over and over, until the client is gone.
fn flood(wire: &mut Wire, bytes: &[u8]) {
    let chunk = bytes.repeat(64 * 1024 / bytes.len());
    let deadline = Instant::now() + peer::LIMIT;
    while wire.try_raw(&chunk) {
        assert!(Instant::now() < deadline, "the client does not go");
    }
}

#[test]
fn a_flood_instead_of_welcome_does_not_outlast_the_time_limit() {
    let rows: [(&str, &[u8]); 3] =
        [("extensions", b"\x81\x05[256]"), ("pings", b"\x89\x00"), ("pongs", b"\x8a\x00")];
    // The peer has so long to take HELLO.
    let limit = Duration::from_secs(2);
    every(rows, |what, bytes| {
        let control = spawn(move || unwelcomed("control", limit, silent));
        let took = unwelcomed(what, limit, |wire| flood(wire, bytes));
        check_in_time(what, took, control);
    });
}

#[test]
fn a_flood_instead_of_goodbye_does_not_outlast_the_time_limit() {
    let rows: [(&str, &[u8]); 3] = [
        ("extensions", b"\x81\x05[256]"),
        ("events", b"\x81\x10[36,20,1,{},[1]]"),
        ("pings", b"\x89\x00"),
    ];
    every(rows, |what, bytes| {
        let control = spawn(|| unparted("control", silent));
        let took = unparted(what, |wire| flood(wire, bytes));
        check_in_time(what, took, control);
    });
}

#[test]
fn a_flood_after_a_violation_does_not_keep_the_client() {
    let (scene, peer) = Scene::open("flood", json!({}), |wire| {
        wire.text("[]");
        flood(wire, b"\x81\x05[256]");
    });
    scene.lose(WAMP_ERR_PROTOCOL, "closed");
    peer.done();
}

#[test]
fn one_flood_does_not_stop_another_connection() {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let options = json!({"close_timeout": 0.2});
    let (scene, peer) = Scene::open("flood", options, move |wire| {
        let chunk = peer::frame(peer::TEXT, b"[256]").repeat(10_000);
        while stopped.try_recv().is_err() {
            assert!(wire.try_raw(&chunk), "the client stays");
        }
        wire.end();
    });
    scene.client.first(WAMP_REGISTERED);
    let other = Peer::joined(|wire| {
        for id in 1..=100 {
            wire.message().expect("a CALL");
            wire.text(&format!("[50,{id},{{}}]"));
        }
        wire.polite()
    });
    let mut client = Client::open("beside it", &other.url, json!({}));
    client.join();
    for _ in 0..100 {
        let call = client.call(c"com.call");
        assert_eq!(client.outcome(call).kind, WAMP_RESULT);
    }
    stop.send(()).expect("the flood goes on");
    assert_eq!(client.close(), WAMP_OK);
    client.finish();
    other.done();
    scene.lose(WAMP_ERR_LOST, "lost");
    peer.done();
}
