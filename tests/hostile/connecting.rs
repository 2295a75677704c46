//! Before there is a WebSocket: whoever answers there, the program learns what to look at.

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use serde_json::json;
use wamp::ffi::types::*;

use super::client::Client;
use super::every;
use super::peer::{self, Peer, Wire};

/// What the peer answers to the upgrade, the status for it, and a word of the sentence.
type Row = (fn(&str) -> Vec<u8>, i32, &'static str);

#[test]
fn bad_answers_to_the_upgrade() {
    let rows: [(&str, Row); 16] = [
        ("404", (|_| http("404 Not Found"), WAMP_ERR_HTTP, "path")),
        ("401", (|_| http("401 Unauthorized"), WAMP_ERR_HTTP, "headers")),
        ("403", (|_| http("403 Forbidden"), WAMP_ERR_HTTP, "credentials")),
        ("302", (|_| http("302 Found"), WAMP_ERR_HTTP, "redirect to /there")),
        ("500", (|_| http("500 Internal Server Error"), WAMP_ERR_HTTP, "500")),
        ("200", (|_| http("200 OK"), WAMP_ERR_HTTP, "200")),
        (
            "no subprotocol",
            (
                |request| peer::answer(&peer::accept_key(request), "").into(),
                WAMP_ERR_SUBPROTOCOL,
                "wamp.2.json",
            ),
        ),
        (
            "another subprotocol",
            (
                |request| {
                    let chat = "Sec-WebSocket-Protocol: chat\r\n";
                    peer::answer(&peer::accept_key(request), chat).into()
                },
                WAMP_ERR_SUBPROTOCOL,
                "wamp.2.json",
            ),
        ),
        (
            "a subprotocol that was not offered",
            (
                |request| {
                    let msgpack = "Sec-WebSocket-Protocol: wamp.2.msgpack\r\n";
                    peer::answer(&peer::accept_key(request), msgpack).into()
                },
                WAMP_ERR_SUBPROTOCOL,
                "wamp.2.json",
            ),
        ),
        (
            "a wrong key",
            (
                |_| {
                    let json = "Sec-WebSocket-Protocol: wamp.2.json\r\n";
                    peer::answer("c3VyZWx5IHRoZSB3cm9uZyBvbmU=", json).into()
                },
                WAMP_ERR_PROTOCOL,
                "handshake",
            ),
        ),
        (
            "no key",
            (
                |_| b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec(),
                WAMP_ERR_PROTOCOL,
                "handshake",
            ),
        ),
        (
            "garbage",
            (|_| b"\x00\xff\x13\x37 what?\r\n\r\n".to_vec(), WAMP_ERR_PROTOCOL, "another service"),
        ),
        (
            "another protocol",
            (|_| b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec(), WAMP_ERR_PROTOCOL, "another service"),
        ),
        ("TLS", (|_| b"\x15\x03\x01\x00\x02\x02\x46".to_vec(), WAMP_ERR_TLS, "wss://")),
        (
            "headers without end",
            (
                |_| {
                    let mut answer = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
                    answer.extend(b"X-More: and more\r\n".repeat(1_000_000));
                    answer
                },
                WAMP_ERR_PROTOCOL,
                "handshake",
            ),
        ),
        (
            "a page of a megabyte",
            (
                |_| {
                    let mut page = http("404 Not Found");
                    page.extend(b"<p>sorry</p>".repeat(100_000));
                    page
                },
                WAMP_ERR_HTTP,
                "path",
            ),
        ),
    ];
    every(rows, |what, (answer, status, word)| {
        let peer = Peer::raw(move |mut stream| {
            let request = peer::request(&mut stream);
            // The client may have seen enough before all is written.
            let _ = stream.write_all(&answer(&request));
            wait_for_end(&mut stream);
        });
        let client = Client::open(what, &peer.url, json!({"connect_timeout": 5}));
        let told = client.closed_as(status, "unreachable");
        assert!(told.message.contains(word), "{what}: {}", told.message);
        assert!(told.message.contains(&peer.url), "{what}: {}", told.message);
        client.finish();
        peer.done();
    });
}

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("ws://{}/", listener.local_addr().expect("an address"));
    drop(listener);
    let client = Client::open("refused", &url, json!({}));
    let told = client.closed_as(WAMP_ERR_UNREACHABLE, "unreachable");
    assert!(told.message.contains("router running"), "{}", told.message);
    client.finish();
}

#[test]
fn it_ends_before_it_has_answered() {
    type Script = fn(TcpStream);
    let rows: [(&str, Script); 4] = [
        ("at once", drop),
        ("after the request", |mut stream| {
            peer::request(&mut stream);
        }),
        ("by a reset", |mut stream| {
            peer::request(&mut stream);
            peer::reset(&stream);
        }),
        ("within the answer", |mut stream| {
            let answer = peer::accepted(&peer::request(&mut stream));
            stream.write_all(&answer.as_bytes()[..40]).expect("written");
        }),
    ];
    every(rows, |what, script| {
        let peer = Peer::raw(script);
        let client = Client::open(what, &peer.url, json!({}));
        let told = client.closed_as(WAMP_ERR_UNREACHABLE, "unreachable");
        assert!(told.message.contains("write wss://"), "{what}: {}", told.message);
        client.finish();
        peer.done();
    });
}

#[test]
fn it_never_finishes_its_answer() {
    let rows: [(&str, usize); 2] = [("nothing", 0), ("half an answer", 60)];
    every(rows, |what, size| {
        let peer = Peer::raw(move |mut stream| {
            let answer = peer::accepted(&peer::request(&mut stream));
            stream.write_all(&answer.as_bytes()[..size]).expect("written");
            wait_for_end(&mut stream);
        });
        let client = Client::open(what, &peer.url, json!({"connect_timeout": 2}));
        let told = client.closed_as(WAMP_ERR_TIMEOUT, "unreachable");
        assert!(told.message.contains("connect_timeout"), "{}", told.message);
        client.finish();
        peer.done();
    });
}

#[test]
fn a_byte_at_a_time_is_enough() {
    let peer = Peer::raw(|mut stream| {
        let mut bytes = peer::accepted(&peer::request(&mut stream)).into_bytes();
        bytes.extend(peer::frame(peer::TEXT, peer::WELCOME.as_bytes()));
        for byte in bytes {
            stream.write_all(&[byte]).expect("written");
        }
        Wire::over(stream).polite()
    });
    let mut client = Client::open("a byte at a time", &peer.url, json!({}));
    client.join();
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    let codes: Vec<_> = peer.done().iter().map(|m| m[0].clone()).collect();
    assert_eq!(codes, [1, 6]);
}

#[test]
fn the_first_messages_may_come_with_the_answer() {
    let peer = Peer::raw(|mut stream| {
        let mut bytes = peer::accepted(&peer::request(&mut stream)).into_bytes();
        bytes.extend(peer::frame(peer::TEXT, peer::WELCOME.as_bytes()));
        bytes.extend(peer::frame(peer::TEXT, b"[36,1,2,{}]"));
        stream.write_all(&bytes).expect("written");
        Wire::over(stream).polite()
    });
    let mut client = Client::open("at once", &peer.url, json!({}));
    client.join();
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    peer.done();
}

fn http(status: &str) -> Vec<u8> {
    let page = "<html>Hello</html>";
    let size = page.len();
    format!("HTTP/1.1 {status}\r\nLocation: /there\r\nContent-Length: {size}\r\n\r\n{page}").into()
}

fn wait_for_end(stream: &mut TcpStream) {
    let _ = std::io::copy(stream, &mut std::io::sink());
}
