//! RawSocket, and Unix sockets below it and WebSocket: from the first byte to the end of a session.

use std::fmt::Debug;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use wamp::ffi::types::*;

use super::client::Client;
use super::every;
use super::peer::{self, LIMIT, Peer, WELCOME};

/// What the peer sends, the status for it, and a word about it.
type Row = (&'static [u8], i32, &'static str);

/// Takes the client's handshake, and agrees to messages of 2^`exponent` bytes.
fn agree(stream: &mut (impl Read + Write), exponent: u8) {
    let mut hello = [0; 4];
    stream.read_exact(&mut hello).expect("a handshake");
    assert_eq!(hello, [0x7f, 0xf1, 0, 0]);
    stream.write_all(&[0x7f, (exponent - 9) << 4 | 1, 0, 0]).expect("written");
}

fn send(stream: &mut impl Write, message: &str) {
    let [_, a, b, c] = (message.len() as u32).to_be_bytes();
    // That the client may be gone already is part of the game.
    let _ = stream.write_all(&[0, a, b, c]);
    let _ = stream.write_all(message.as_bytes());
}

/// The next message; `None` when the client is gone.
fn message(stream: &mut impl Read) -> Option<Value> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).ok()?;
    assert_eq!(head[0], 0, "messages alone: no ping");
    head[0] = 0;
    let mut payload = vec![0; u32::from_be_bytes(head) as usize];
    stream.read_exact(&mut payload).ok()?;
    Some(serde_json::from_slice(&payload).expect("the client sends JSON"))
}

fn welcome(stream: &mut (impl Read + Write), exponent: u8) {
    agree(stream, exponent);
    assert_eq!(message(stream).expect("a HELLO")[0], 1);
    send(stream, WELCOME);
}

/// Answers calls with their arguments and the GOODBYE, and returns all messages.
fn polite(stream: &mut (impl Read + Write)) -> Vec<Value> {
    let mut messages = Vec::new();
    while let Some(message) = message(stream) {
        match message[0].as_u64() {
            Some(48) => send(stream, &json!([50, message[1], {}, message[4]]).to_string()),
            Some(6) => send(stream, r#"[6,{},"wamp.close.goodbye_and_out"]"#),
            _ => {}
        }
        messages.push(message);
    }
    messages
}

fn url<T: Send + 'static>(peer: &Peer<T>) -> String {
    peer.url.replace("ws://", "rs://").replace("/ws", "")
}

fn codes(messages: &[Value]) -> Vec<u64> {
    messages.iter().filter_map(|message| message[0].as_u64()).collect()
}

#[test]
fn a_session_over_rawsocket() {
    let peer = Peer::raw(|mut stream| {
        welcome(&mut stream, 24);
        polite(&mut stream)
    });
    let mut client = Client::open("rawsocket", &url(&peer), json!({"autoping_interval": 0.01}));
    client.join();
    for _ in 0..3 {
        let call = client.call(c"com.call");
        assert_eq!(client.outcome(call).kind, WAMP_RESULT);
    }
    assert_eq!(client.publish(c"com.topic", 1_000_000), WAMP_OK);
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    assert_eq!(codes(&peer.done()), [48, 48, 48, 16, 6]);
}

#[test]
fn what_the_router_does_not_accept_is_refused_at_once() {
    let peer = Peer::raw(|mut stream| {
        welcome(&mut stream, 12);
        polite(&mut stream)
    });
    let mut client = Client::open("4096 bytes", &url(&peer), json!({}));
    client.join();
    assert_eq!(client.publish(c"com.topic", 4096), WAMP_ERR_TOO_LARGE);
    assert_eq!(client.publish(c"com.topic", 3900), WAMP_OK);
    let call = client.call(c"com.call");
    assert_eq!(client.outcome(call).kind, WAMP_RESULT);
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    let messages = peer.done();
    assert_eq!(codes(&messages), [16, 48, 6]);
    assert_eq!((&messages[0][1], &messages[1][1]), (&1.into(), &2.into()), "no id was used");
}

#[test]
fn what_must_not_come() {
    let rows: [(&str, Row); 6] = [
        ("a reserved kind", (&[3, 0, 0, 0], WAMP_ERR_PROTOCOL, "closed")),
        ("a reserved bit", (&[0x40, 0, 0, 0], WAMP_ERR_PROTOCOL, "closed")),
        ("a length of 25 bits", (&[8, 0, 0, 1], WAMP_ERR_PROTOCOL, "closed")),
        ("too long", (&[0, 0, 0x10, 1], WAMP_ERR_TOO_LARGE, "closed")),
        ("no UTF-8", (b"\0\0\0\x0f[50,1,{},[\"\xff\"]]", WAMP_ERR_PROTOCOL, "closed")),
        ("half a message", (&[0, 0, 0, 7, b'['], WAMP_ERR_LOST, "lost")),
    ];
    every(rows, |what, (bytes, status, class)| {
        let peer = Peer::raw(move |mut stream| {
            let mut hello = [0; 4];
            stream.read_exact(&mut hello).expect("a handshake");
            assert_eq!(hello, [0x7f, 0x31, 0, 0], "4096 bytes");
            stream.write_all(&[0x7f, 0xf1, 0, 0]).expect("written");
            assert_eq!(message(&mut stream).expect("a HELLO")[0], 1);
            send(&mut stream, WELCOME);
            assert_eq!(message(&mut stream).expect("a CALL")[0], 48);
            stream.write_all(bytes).expect("written");
            stream.shutdown(std::net::Shutdown::Write).expect("our end");
            polite(&mut stream)
        });
        let mut client = Client::open(what, &url(&peer), json!({"max_message_size": 4096}));
        client.join();
        let call = client.call(c"com.call");
        client.closed_as(status, class);
        assert_eq!(client.outcome(call).status, WAMP_ERR_OUTCOME_UNKNOWN, "{what}");
        client.finish();
        peer.done();
    });
}

#[test]
fn bad_answers_to_the_handshake() {
    let rows: [(&str, Row); 9] = [
        ("a refusal", (&[0x7f, 0x10, 0, 0], WAMP_ERR_SUBPROTOCOL, "serializer")),
        ("a length", (&[0x7f, 0x20, 0, 0], WAMP_ERR_TOO_LARGE, "max_message_size")),
        ("reserved bits", (&[0x7f, 0x30, 0, 0], WAMP_ERR_PROTOCOL, "reserved bits")),
        ("too many", (&[0x7f, 0x40, 0, 0], WAMP_ERR_UNREACHABLE, "try again later")),
        ("an unknown no", (&[0x7f, 0x90, 0, 0], WAMP_ERR_PROTOCOL, "code 9")),
        ("HTTP", (b"HTTP/1.1 400 Bad Request\r\n\r\n", WAMP_ERR_PROTOCOL, "ws://")),
        ("TLS", (b"\x15\x03\x01\x00\x02\x02\x46", WAMP_ERR_TLS, "write rss://")),
        ("an end", (b"", WAMP_ERR_UNREACHABLE, "RawSocket port")),
        ("half an answer", (b"\x7f\xf1", WAMP_ERR_UNREACHABLE, "RawSocket port")),
    ];
    every(rows, |what, (answer, status, word)| {
        let peer = Peer::raw(move |stream| peer::say(stream, answer));
        let client = Client::open(what, &url(&peer), json!({}));
        let told = client.closed_as(status, "unreachable");
        assert!(told.message.contains(word), "{what}: {}", told.message);
        client.finish();
        peer.done();
    });
}

#[test]
fn an_answer_that_does_not_come() {
    let peer = Peer::raw(|mut stream| {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let client = Client::open("silent", &url(&peer), json!({"connect_timeout": 2}));
    client.closed_as(WAMP_ERR_TIMEOUT, "unreachable");
    client.finish();
    peer.done();
}

/// A router on a Unix socket, for one connection.
struct Local<T> {
    path: PathBuf,
    result: Receiver<T>,
}

impl<T: Send + Debug + 'static> Local<T> {
    fn new(
        name: &str,
        script: impl FnOnce(std::os::unix::net::UnixStream) -> T + Send + 'static,
    ) -> Local<T> {
        let name = format!("wamp-hostile-{name}-{}.sock", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).expect("a socket");
        let (sender, result) = channel();
        thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            stream.set_read_timeout(Some(LIMIT)).expect("a time limit");
            sender.send(script(stream)).expect("the test waits");
        });
        Local { path, result }
    }

    fn done(self) -> T {
        let result = self.result.recv_timeout(LIMIT).expect("the script ends");
        std::fs::remove_file(&self.path).expect("the socket was there");
        result
    }
}

#[test]
fn rawsocket_over_a_unix_socket() {
    let local = Local::new("rs", |mut stream| {
        welcome(&mut stream, 24);
        polite(&mut stream)
    });
    let url = format!("rs+unix://{}", local.path.display());
    let mut client = Client::open("rs+unix", &url, json!({}));
    client.join();
    let call = client.call(c"com.call");
    assert_eq!(client.outcome(call).kind, WAMP_RESULT);
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    assert_eq!(codes(&local.done()), [48, 6]);
}

#[test]
fn websocket_over_a_unix_socket() {
    let local = Local::new("ws", |mut stream| {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("a request");
            head.push(byte[0]);
        }
        let request = String::from_utf8(head).expect("ASCII");
        stream.write_all(peer::accepted(&request).as_bytes()).expect("written");
        stream.write_all(&peer::frame(peer::TEXT, WELCOME.as_bytes())).expect("written");
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
        request
    });
    let url = format!("ws+unix://{}:/deep/ws?a=b", local.path.display());
    let mut client = Client::open("ws+unix", &url, json!({"close_timeout": 0.1}));
    client.join();
    client.close();
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    let request = local.done();
    assert!(request.starts_with("GET /deep/ws?a=b HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nHost: localhost\r\n"), "{request}");
}

#[test]
fn a_unix_socket_that_is_not_there() {
    for scheme in ["ws+unix", "rs+unix"] {
        let url = format!("{scheme}:///nowhere/router.sock");
        let client = Client::open(scheme, &url, json!({}));
        let told = client.closed_as(WAMP_ERR_UNREACHABLE, "unreachable");
        assert!(told.message.contains("No such file"), "{}", told.message);
        client.finish();
    }
}

#[test]
fn a_unix_socket_whose_path_is_too_long() {
    for scheme in ["ws+unix", "rs+unix"] {
        let url = format!("{scheme}:///tmp/{}", "\u{540d} ".repeat(30));
        let client = Client::open(scheme, &url, json!({}));
        let told = client.closed_as(WAMP_ERR_UNREACHABLE, "unreachable");
        assert!(told.message.contains("125 bytes"), "{}", told.message);
        assert!(told.message.contains("at most 107"), "{}", told.message);
        client.finish();
    }
}

#[test]
fn silence_ends_no_session_without_pings() {
    let peer = Peer::raw(|mut stream| {
        welcome(&mut stream, 24);
        assert_eq!(message(&mut stream).expect("a CALL")[0], 48);
        // As long as a WebSocket would have needed to be given up several times.
        stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a time limit");
        let silence = stream.read(&mut [0]).expect_err("not a byte").kind();
        assert_eq!(silence, ErrorKind::WouldBlock);
        stream.set_read_timeout(Some(LIMIT)).expect("a time limit");
        send(&mut stream, "[50,1,{}]");
        polite(&mut stream)
    });
    let options = json!({"autoping_interval": 0.02, "autoping_timeout": 0.02});
    let mut client = Client::open("silent", &url(&peer), options);
    client.join();
    let call = client.call(c"com.call");
    assert_eq!(client.outcome(call).kind, WAMP_RESULT);
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    assert_eq!(codes(&peer.done()), [6]);
}
