//! Noise: hundreds of connections, each fed with bytes that mean nothing, or nearly something.

use fastrand::Rng;
use serde_json::json;

use super::client::Client;
use super::peer::{self, Peer, TEXT, Wire};

/// What a router could send, to be spoilt.
const MESSAGES: &[&str] = &[
    peer::WELCOME,
    r#"[3,{"message":"m"},"wamp.error.no_such_realm"]"#,
    r#"[4,"ticket",{}]"#,
    r#"[6,{},"wamp.close.normal"]"#,
    r#"[8,48,3,{},"com.error",["a"],{"b":1.5}]"#,
    "[17,4,4429313566]",
    "[33,1,20]",
    r#"[35,0,{"subscription":20,"reason":"com.x"}]"#,
    r#"[36,20,4429313566,{"topic":"com.topic"},["a",{"b":[1,-2.5e3,null,true]}],{"k":"\u00e9"}]"#,
    r#"[50,3,{"progress":false},["\u0000aGVsbG8="],{"k":{}}]"#,
    "[65,2,30]",
    r#"[67,0,{"registration":30}]"#,
    r#"[68,9,30,{"procedure":"com.p","receive_progress":true},[1],{"a":[]}]"#,
    "[69,9,{}]",
    r#"[256,{"a":1}]"#,
];

/// Bytes that mean something in JSON.
const MEANING: &[u8] = b"[]{},:\"\\0123456789-+.eEtfnuNI \n\x00\xff";

#[test]
fn noise_in_messages() {
    storm(1, 150, |wire, rng| {
        for _ in 0..rng.usize(1..20) {
            let message = spoilt(rng);
            wire.frame(TEXT, &message);
        }
    });
}

#[test]
fn noise_in_frames() {
    storm(2, 100, |wire, rng| {
        for _ in 0..rng.usize(1..20) {
            let mut frame = peer::frame(TEXT, &spoilt(rng));
            if rng.u8(..4) == 0 {
                let at = rng.usize(..frame.len().min(4));
                frame[at] = rng.u8(..);
            }
            let cut = if rng.u8(..4) == 0 { rng.usize(..frame.len()) } else { frame.len() };
            wire.raw(&frame[..cut]);
        }
    });
}

#[test]
fn noise_alone() {
    storm(3, 50, |wire, rng| {
        let mut bytes = vec![0; rng.usize(1..5000)];
        rng.fill(&mut bytes);
        wire.raw(&bytes);
    });
}

/// Opens `count` connections one after another, each with requests in it, and lets `noise` loose.
fn storm(seed: u64, count: u64, noise: fn(&mut Wire, &mut Rng)) {
    for round in 0..count {
        let seed = seed << 32 | round;
        let peer = Peer::greeted(move |wire| {
            let mut rng = Rng::with_seed(seed);
            if rng.u8(..4) != 0 {
                wire.text(peer::WELCOME);
            }
            if rng.bool() {
                wire.text("[33,1,20]");
                wire.text("[65,2,30]");
            }
            noise(wire, &mut rng);
            match rng.u8(..3) {
                0 => wire.reset(),
                _ => wire.end(),
            }
            wire.polite();
        });
        let what = format!("seed {seed:#x}");
        let options = json!({"connect_timeout": 8, "max_message_size": 65536});
        let mut client = Client::open(&what, &peer.url, options);
        client.expect_refusals();
        if client.try_join() {
            client.subscribe(c"com.topic");
            client.register(c"com.procedure");
            client.call(c"com.call");
            client.publish_ack(c"com.topic");
        }
        client.closed();
        client.finish();
        peer.done();
    }
}

fn spoilt(rng: &mut Rng) -> Vec<u8> {
    let mut message = MESSAGES[rng.usize(..MESSAGES.len())].as_bytes().to_vec();
    for _ in 0..rng.usize(..4) {
        let at = rng.usize(..message.len());
        match rng.u8(..6) {
            0 => message[at] = rng.u8(..),
            1 => message[at] = MEANING[rng.usize(..MEANING.len())],
            2 => drop(message.remove(at)),
            3 => message.insert(at, MEANING[rng.usize(..MEANING.len())]),
            4 => message.truncate(at),
            _ => {
                let other = MESSAGES[rng.usize(..MESSAGES.len())].as_bytes();
                message.extend_from_slice(&other[rng.usize(..other.len())..]);
            }
        }
        if message.is_empty() {
            message.push(b'[');
        }
    }
    message
}
