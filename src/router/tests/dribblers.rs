//! Clients that let nothing come to its end, or make the router answer what they do not read.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::HELLO;
use super::crowds::{host, upgrade};
use super::wire::{asks, hears_raw, join, join_raw, router, says_raw};
use crate::transport::testing::soon;

/// A frame of a WebSocket client, masked with zeros.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let size = (payload.len() as u16).to_be_bytes();
    [&[opcode, 0x80 | 126, size[0], size[1], 0, 0, 0, 0], payload].concat()
}

#[tokio::test]
async fn fragments_without_end() {
    let config = json!({"message_timeout": 0.3});
    let (router, url) = router(&config, "ws://127.0.0.1:0/ws");
    let mut other = join(&url).await;
    let mut stream = TcpStream::connect(host(&url)).await.unwrap();
    stream.write_all(&upgrade("")).await.unwrap();
    stream.write_all(&frame(0x81, HELLO.as_bytes())).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let fragments = async {
        writer.write_all(&frame(0x01, b"[")).await.unwrap();
        let many = frame(0x00, b"").repeat(100);
        while writer.write_all(&many).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        std::future::pending::<()>().await;
    };
    let end = async {
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains("(message_timeout)") {
            assert!(reader.read_buf(&mut heard).await.unwrap() > 0, "{heard:?}");
        }
    };
    tokio::select! {
        () = fragments => unreachable!("it goes on for ever"),
        () = soon(end) => {}
    }
    assert_eq!(asks(&mut *other, r#"[32,1,{},"a.topic"]"#).await[0], 33);
    assert_eq!(router.stats().dropped_late, 1);
}

/// The answers are as large as the pings, and nobody reads them.
#[tokio::test]
async fn pings_without_end() {
    let (router, url) = router(&json!({}), "rs://127.0.0.1:0");
    let mut other = join(&url).await;
    let mut pinger = join_raw(&url).await;
    let ping = [&[1, 0x03, 0x0d, 0x40][..], &vec![b'x'; 200_000]].concat();
    let mut sent = 0;
    let pause = Duration::from_millis(500);
    while tokio::time::timeout(pause, pinger.write_all(&ping)).await.is_ok() {
        sent += 1;
        assert!(sent < 1000, "the router goes on reading");
    }
    let memory = router.stats().memory;
    assert!((1 << 20..4 << 20).contains(&memory), "{memory}: what waits is counted, and is little");
    assert_eq!(asks(&mut *other, r#"[32,1,{},"a.topic"]"#).await[0], 33);
}

#[tokio::test]
async fn logins_that_wait_for_a_thread_have_an_end() {
    let user = json!({"ticket_hash": "00".repeat(32), "salt": "AAECAwQFBgc="});
    let config = json!({"hello_timeout": 0.3, "auth": {"ticket": {"joe": user}}});
    let (router, url) = router(&config, "rs://127.0.0.1:0");
    let all = router.shared.reception.hashers.available_permits() as u32;
    let _busy = router.shared.reception.hashers.acquire_many(all).await.unwrap();
    let mut stream = super::wire::raw(&url).await;
    let named = r#"{"authid":"joe","authmethods":["ticket"],"roles""#;
    says_raw(&mut stream, &HELLO.replace(r#"{"roles""#, named)).await;
    assert_eq!(hears_raw(&mut stream).await[0], 4);
    says_raw(&mut stream, r#"[5,"x",{}]"#).await;
    let abort = hears_raw(&mut stream).await;
    assert_eq!((&abort[0], &abort[2]), (&json!(3), &json!("wamp.error.unavailable")));
    assert!(abort[1]["message"].as_str().unwrap().contains("hello_timeout"), "{abort}");
}

/// Sends a request over a connection of its own; returns the body of the answer.
async fn posts(url: &str, place: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(host(url)).await.unwrap();
    let size = body.len();
    let request = format!(
        "POST /lp/{place} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {size}\r\n\
         \r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = String::new();
    soon(stream.read_to_string(&mut heard)).await.unwrap();
    heard.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn a_request_that_does_not_come_to_its_end() {
    let config = json!({"message_timeout": 0.3});
    let (_router, url) = router(&config, "http://127.0.0.1:0/lp");
    let opened = posts(&url, "open", r#"{"protocols":["wamp.2.json"]}"#).await;
    let opened: Value = serde_json::from_str(&opened).unwrap();
    let id = opened["transport"].as_str().unwrap();
    posts(&url, &format!("{id}/send"), HELLO).await;
    assert!(posts(&url, &format!("{id}/receive"), "").await.starts_with("[2,"));
    let mut stream = TcpStream::connect(host(&url)).await.unwrap();
    let head =
        format!("POST /lp/{id}/send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let drip = async {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = [0; 12];
    tokio::select! {
        () = drip => unreachable!("it goes on for ever"),
        read = soon(reader.read_exact(&mut answer)) => assert_eq!(read.unwrap(), 12),
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
    let subscribe = r#"[32,1,{},"a.topic"]"#;
    posts(&url, &format!("{id}/send"), subscribe).await;
    assert!(posts(&url, &format!("{id}/receive"), "").await.starts_with("[33,"), "it is joined");
}
