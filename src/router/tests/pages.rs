//! Browsers: whose pages may connect, and what they are told.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wire::router;
use crate::transport::testing::soon;

/// The answer to a request, as far as its head, in lower case.
async fn asked(url: &str, request: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap();
    let mut stream = TcpStream::connect(rest.split_once('/').unwrap().0).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        assert!(soon(stream.read_buf(&mut answer)).await.unwrap() > 0, "it hung up");
    }
    String::from_utf8_lossy(&answer).to_ascii_lowercase()
}

/// The status of a WebSocket handshake with these headers.
async fn upgraded(config: &Value, host: &str, origin: &str) -> String {
    let (_router, url) = router(config, "ws://127.0.0.1:0/ws");
    let origin = if origin.is_empty() { String::new() } else { format!("Origin: {origin}\r\n") };
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {host}\r\n{origin}Upgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: wamp.2.json\r\n\r\n"
    );
    asked(&url, &request).await.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn a_page_connects_from_its_own_machine_or_where_it_is_listed() {
    let listed = json!({"allowed_origins": ["https://app.example.com"]});
    for (config, host, origin, status) in [
        (&json!({}), "localhost:1", "", "101"),
        (&json!({}), "localhost:1", "http://127.0.0.1:3000", "101"),
        (&json!({}), "localhost:1", "https://app.example.com", "403"),
        (&json!({}), "localhost:1", "null", "403"),
        (&json!({}), "app.example.com", "", "403"),
        (&json!({}), "app.example.com", "https://app.example.com", "403"),
        (&listed, "localhost:1", "https://app.example.com", "101"),
        (&listed, "app.example.com", "https://app.example.com", "101"),
        (&listed, "app.example.com", "https://evil.example", "403"),
        (&listed, "evil.example", "https://app.example.com", "403"),
    ] {
        assert_eq!(upgraded(config, host, origin).await, status, "{config} {host} {origin}");
    }
}

#[tokio::test]
async fn long_poll_tells_browsers_of_listed_pages() {
    let listed = json!({"allowed_origins": ["https://app.example.com"]});
    let (_router, url) = router(&listed, "http://127.0.0.1:0/lp");
    let ask = async |head: &str, origin: &str, body: &str| {
        let size = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\nContent-Length: {size}\r\n\
             Access-Control-Request-Method: POST\r\n\r\n{body}"
        );
        asked(&url, &request).await
    };
    let page = "https://app.example.com";
    let allow = format!("\r\naccess-control-allow-origin: {page}\r\n");
    let preflight = ask("OPTIONS /lp/open", page, "").await;
    assert!(preflight.starts_with("http/1.1 204") && preflight.contains(&allow), "{preflight}");
    assert!(preflight.contains("\r\naccess-control-allow-headers: content-type\r\n"));
    let opened = ask("POST /lp/open", page, r#"{"protocols": ["wamp.2.json"]}"#).await;
    assert!(opened.starts_with("http/1.1 200") && opened.contains(&allow), "{opened}");
    let own = ask("POST /lp/open", "http://localhost:1", r#"{"protocols": ["wamp.2.json"]}"#).await;
    assert!(own.starts_with("http/1.1 200") && !own.contains("access-control"), "{own}");
    for head in ["OPTIONS /lp/open", "POST /lp/open", "POST /lp/1/receive"] {
        let other = ask(head, "https://evil.example", "").await;
        assert!(other.starts_with("http/1.1 403") && !other.contains("access-control"), "{other}");
    }
}
