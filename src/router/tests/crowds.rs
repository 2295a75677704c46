//! Many connections, and where they come from: those who open more than they may, and those who do
//! not.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::HELLO;
use super::wire::{join, router};
use crate::transport::testing::soon;

/// The first bytes of RawSocket with JSON.
const GREETING: [u8; 4] = [0x7f, 0xf1, 0, 0];

pub(super) fn host(url: &str) -> &str {
    url.split("//").nth(1).and_then(|rest| rest.split('/').next()).unwrap()
}

/// Sends `bytes` over a new connection; returns it with the first bytes of the answer.
async fn sends(url: &str, bytes: &[u8], answer: usize) -> (TcpStream, Vec<u8>) {
    let mut stream = TcpStream::connect(host(url)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut heard = vec![0; answer];
    soon(stream.read_exact(&mut heard)).await.unwrap();
    (stream, heard)
}

/// All that is answered until the end, however it comes.
async fn hears_all(url: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(host(url)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut heard = Vec::new();
    let _ = soon(stream.read_to_end(&mut heard)).await;
    String::from_utf8(heard).unwrap()
}

/// The request that opens a WebSocket.
pub(super) fn upgrade(forwarded: &str) -> Vec<u8> {
    format!(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: wamp.2.json\r\nX-Forwarded-For: {forwarded}\r\n\r\n"
    )
    .into_bytes()
}

/// The request that opens a transport of long-poll.
fn open(forwarded: &str) -> Vec<u8> {
    let body = r#"{"protocols":["wamp.2.json"]}"#;
    format!(
        "POST /lp/open HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {forwarded}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[tokio::test]
async fn a_proxy_tells_who_comes() {
    let config = json!({"trusted_proxies": ["127.0.0.1"], "max_connections_per_address": 2});
    let (router, url) = router(&config, "rs://127.0.0.1:0");
    let v4 = |last: u8| {
        let head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
        [&head[..], &[192, 0, 2, last, 10, 0, 0, 1, 0, 1, 0, 2], &GREETING].concat()
    };
    let v1 = |last: u8| {
        [format!("PROXY TCP4 192.0.2.{last} 10.0.0.1 1 2\r\n").as_bytes(), &GREETING].concat()
    };
    let mut stay = Vec::new();
    for (bytes, is_in) in
        [(v4(1), true), (v1(1), true), (v4(1), false), (v1(1), false), (v1(2), true), (v4(2), true)]
    {
        let (stream, answer) = sends(&url, &bytes, 4).await;
        assert_eq!((answer[0], answer[1] & 0x0f == 1), (0x7f, is_in), "{answer:?}");
        assert!(is_in || answer[1] == 0x40, "the error for too many connections");
        stay.push(stream);
    }
    // Who speaks for nobody, and who is at home on this machine.
    for _ in 0..5 {
        let (stream, answer) = sends(&url, &GREETING, 4).await;
        assert_eq!(answer[1] & 0x0f, 1);
        stay.push(stream);
    }
    assert_eq!(router.stats().refused_addresses, 2);
    // A header in two pieces.
    let mut stream = TcpStream::connect(host(&url)).await.unwrap();
    let whole = v1(3);
    stream.write_all(&whole[..9]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    stream.write_all(&whole[9..]).await.unwrap();
    let mut answer = [0; 4];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer[1] & 0x0f, 1);
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let config = json!({"trusted_proxies": ["192.0.2.1"], "max_connections_per_address": 1});
    let (_router, url) = router(&config, "rs://127.0.0.1:0");
    let header = [&b"PROXY TCP4 192.0.2.9 10.0.0.1 1 2\r\n"[..], &GREETING].concat();
    assert_eq!(hears_all(&url, &header).await, "", "that is no RawSocket");
    let (_router, url) = super::wire::router(&config, "ws://127.0.0.1:0/ws");
    let mut stay = Vec::new();
    for _ in 0..3 {
        let (stream, answer) = sends(&url, &upgrade("192.0.2.9"), 12).await;
        assert_eq!(answer, b"HTTP/1.1 101");
        stay.push(stream);
    }
}

#[tokio::test]
async fn a_forwarded_address_counts() {
    let config = json!({"trusted_proxies": ["127.0.0.0/8"], "max_connections_per_address": 1});
    for (url, request, good) in [
        ("ws://127.0.0.1:0/ws", upgrade as fn(&str) -> Vec<u8>, "HTTP/1.1 101"),
        ("http://127.0.0.1:0/lp", open, "HTTP/1.1 200"),
    ] {
        let (router, url) = router(&config, url);
        let (stay, answer) = sends(&url, &request("203.0.113.1, 192.0.2.1"), 12).await;
        assert_eq!(String::from_utf8(answer).unwrap(), good);
        let (mut refused, answer) = sends(&url, &request("203.0.113.2, 192.0.2.1"), 12).await;
        assert_eq!(answer, b"HTTP/1.1 503", "{url}: what the client itself wrote counts nothing");
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains("max_connections_per_address") {
            assert!(soon(refused.read_buf(&mut text)).await.unwrap() > 0);
        }
        let (_other, answer) = sends(&url, &request("192.0.2.2"), 12).await;
        assert_eq!(String::from_utf8(answer).unwrap(), good);
        assert_eq!(router.stats().refused_addresses, 1);
        drop(stay);
    }
}

#[tokio::test]
async fn failures_count_for_the_forwarded_address() {
    let auth =
        json!({"ticket": {"joe": {"ticket": "x"}}, "failure_delay": {"first": 60, "most": 60}});
    let config = json!({"trusted_proxies": ["127.0.0.1"], "auth": auth});
    let (_router, url) = router(&config, "rs://127.0.0.1:0");
    let hello =
        HELLO.replace("{\"roles\"", "{\"authid\":\"joe\",\"authmethods\":[\"ticket\"],\"roles\"");
    let log_in = async |last: u8, ticket: &str| {
        let proxy = format!("PROXY TCP4 192.0.2.{last} 10.0.0.1 1 2\r\n");
        let (mut stream, _) = sends(&url, &[proxy.as_bytes(), &GREETING].concat(), 4).await;
        for message in [hello.clone(), format!(r#"[5,"{ticket}",{{}}]"#)] {
            let head = (message.len() as u32).to_be_bytes();
            stream.write_all(&[&head, message.as_bytes()].concat()).await.unwrap();
        }
        let mut head = [0; 4];
        soon(stream.read_exact(&mut head)).await.unwrap();
        let mut challenge = vec![0; u32::from_be_bytes(head) as usize];
        soon(stream.read_exact(&mut challenge)).await.unwrap();
        stream
    };
    let _guesser = log_in(1, "wrong").await;
    let mut joe = log_in(2, "x").await;
    let mut head = [0; 4];
    soon(joe.read_exact(&mut head)).await.unwrap();
    let mut welcome = vec![0; u32::from_be_bytes(head) as usize];
    soon(joe.read_exact(&mut welcome)).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&welcome).unwrap()[0], 2, "joe does not wait");
}

#[tokio::test]
async fn there_is_room_for_so_many_connections() {
    let config = json!({"max_connections": 2});
    for (url, request) in [
        ("rs://127.0.0.1:0", GREETING.to_vec()),
        ("ws://127.0.0.1:0/ws", upgrade("192.0.2.1")),
        ("http://127.0.0.1:0/lp", open("192.0.2.1")),
    ] {
        let (router, url) = router(&config, url);
        let idle = [(); 2].map(|()| TcpStream::connect(host(&url)));
        let [one, two] = idle;
        let (one, two) = (one.await.unwrap(), two.await.unwrap());
        let refused = async {
            let mut stream = TcpStream::connect(host(&url)).await.unwrap();
            stream.write_all(&request).await.unwrap();
            let mut heard = Vec::new();
            soon(stream.read_to_end(&mut heard)).await.unwrap();
            heard
        };
        let heard = refused.await;
        match url.starts_with("rs") {
            true => assert_eq!(heard, [0x7f, 0x40, 0, 0]),
            false => {
                let heard = String::from_utf8_lossy(&heard);
                assert!(heard.starts_with("HTTP/1.1 503 ") && heard.contains("(max_connections)"));
            }
        }
        assert_eq!(router.stats().refused_connections, 1);
        drop((one, two));
        let size = if url.starts_with("rs") { 4 } else { 12 };
        let let_in = async {
            while sends(&url, &request, size).await.1 == heard[..size] {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        soon(let_in).await;
    }
}

#[tokio::test]
async fn who_opens_many_and_says_nothing_keeps_nobody_out() {
    let (router, url) = router(&json!({"max_handshakes": 16}), "rs://127.0.0.1:0");
    let joined = join(&url).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(host(&url)).await.unwrap());
    }
    let (mut honest, answer) = sends(&url, &GREETING, 4).await;
    assert_eq!(answer[1] & 0x0f, 1);
    let head = (HELLO.len() as u32).to_be_bytes();
    honest.write_all(&[&head, HELLO.as_bytes()].concat()).await.unwrap();
    soon(honest.read_exact(&mut [0; 4])).await.unwrap();
    let dropped = router.stats().dropped_handshakes;
    assert_eq!(dropped, 101 - 16);
    // They have been told by the end of their connections.
    for stream in &mut silent[..80] {
        assert!(matches!(soon(stream.read(&mut [0])).await, Ok(0) | Err(_)));
    }
    assert_eq!(router.stats().sessions, 2);
    drop(joined);
}
