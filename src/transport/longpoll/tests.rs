//! Both sides over a real connection; the server also against requests that are written by hand.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::transport::testing::{carry, message, receive, send, soon};
use crate::transport::{
    ConnectError, ConnectOptions, Incoming, Keepalive, Sign, Stream, Transport,
};

/// A server; gives its address and the transports that are opened there.
async fn server(limit: usize, expiry: Duration) -> (u16, mpsc::UnboundedReceiver<ServerTransport>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, opened) = mpsc::unbounded_channel();
    let server = Server::new("/lp", limit, Times { expiry, ..Times::default() });
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (server, sender) = (server.clone(), sender.clone());
            tokio::spawn(async move {
                server.serve(stream, |served| drop(sender.send(served))).await;
            });
        }
    });
    (port, opened)
}

fn options(port: u16, serializer: Serializer) -> ConnectOptions {
    ConnectOptions {
        serializers: vec![serializer],
        ..ConnectOptions::plain(&format!("http://127.0.0.1:{port}/lp"))
    }
}

async fn pair(serializer: Serializer) -> (LongPoll, ServerTransport) {
    let (port, mut opened) = server(1 << 20, Duration::from_secs(60)).await;
    let client = soon(connect(&options(port, serializer))).await.unwrap();
    (client, soon(opened.recv()).await.unwrap())
}

/// The answer to a request over a connection of its own: the status, and the body.
async fn post(port: u16, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    ask(&mut stream, "POST", path, body).await;
    answered(&mut stream).await
}

async fn ask(stream: &mut TcpStream, method: &str, path: &str, body: &str) {
    let size = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n");
    stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes()).await.unwrap();
}

async fn answered(stream: &mut TcpStream) -> (u16, String) {
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Opens a transport for JSON by hand; gives its path.
async fn open(port: u16) -> String {
    let (status, body) = post(port, "/lp/open", r#"{"protocols": ["x", "wamp.2.json"]}"#).await;
    assert_eq!(status, 200, "{body}");
    let opened: Opened = serde_json::from_str(&body).unwrap();
    assert_eq!(opened.protocol, "wamp.2.json");
    format!("/lp/{}", opened.transport)
}

fn is_end(incoming: &Incoming) -> bool {
    matches!(incoming, Incoming::Closed { .. })
}

#[tokio::test]
async fn every_serializer_both_ways() {
    let messages: Vec<_> = [2, 5000, 300_000, 300_000]
        .into_iter()
        .map(|size| vec![b'a'; size])
        .chain((0..300).map(|number| format!("[36,1,{number},{{}}]").into_bytes()))
        .collect();
    for serializer in Serializer::ALL {
        let (mut client, mut served) = pair(serializer).await;
        assert_eq!((client.serializer(), served.serializer()), (serializer, serializer));
        carry(&mut client, &mut served, &messages).await;
        carry(&mut served, &mut client, &messages).await;
        let largest = [vec![b'a'; client.max_send()]];
        carry(&mut client, &mut served, &largest).await;
        carry(&mut served, &mut client, &[vec![b'a'; 1 << 20]]).await;
    }
}

#[tokio::test]
async fn either_side_closes() {
    let (mut client, mut served) = pair(Encoding::Json.into()).await;
    let mut ends = Vec::new();
    // Wakes of its own bring it no further: the server runs on the same thread.
    let mut ask = async || {
        assert!(poll_fn(|cx| Poll::Ready(client.poll_receive(cx).is_pending())).await);
        tokio::task::yield_now().await;
    };
    while !served.is_asked() {
        soon(ask()).await;
    }
    let close = poll_fn(|cx| {
        if let Poll::Ready(end) = client.poll_receive(cx) {
            ends.push(end.unwrap());
        }
        client.poll_close(cx)
    });
    let (closed, end) = tokio::join!(soon(close), receive(&mut served));
    closed.unwrap();
    assert!(is_end(&end.unwrap()));
    drop(served);
    if ends.is_empty() {
        ends.push(receive(&mut client).await.unwrap());
    }
    assert!(is_end(&ends[0]));

    // It does not matter to who closes that the server has gone it meanwhile.
    let (mut client, served) = pair(Encoding::Json.into()).await;
    soon(poll_fn(|cx| client.poll_close(cx))).await.unwrap();
    drop(served);
    assert!(is_end(&receive(&mut client).await.unwrap()));

    let (mut client, mut served) = pair(Encoding::Cbor.into()).await;
    let (asked, sent) = tokio::join!(message(&mut client), send(&mut served, &[b"last"]));
    sent.unwrap();
    assert_eq!(asked, &b"last"[..]);
    poll_fn(|cx| served.poll_close(cx)).await.unwrap();
    assert!(is_end(&receive(&mut client).await.unwrap()));
    assert!(matches!(receive(&mut client).await, Err(TransportError::Lost(_))));
}

#[tokio::test]
async fn what_only_a_broken_client_asks() {
    let (port, _opened) = server(100, Duration::from_secs(60)).await;
    for (path, body, status) in [
        ("/", "", 404),
        ("/lp", "", 404),
        ("/lp/", "", 404),
        ("/lp/closed", "", 404),
        ("/lpx/open", "", 404),
        ("/lp/nobody/receive", "", 404),
        ("/lp/nobody/send", "[]", 404),
        ("/lp/a/b/close", "", 404),
        ("/lp/open", "", 400),
        ("/lp/open", r#"{"protocols": 1}"#, 400),
        ("/lp/open", r#"{"protocols": ["wamp.1", "wamp.2.ubjson"]}"#, 400),
    ] {
        assert_eq!(post(port, path, body).await.0, status, "{path} {body}");
    }
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    ask(&mut stream, "GET", "/lp/open", "").await;
    assert_eq!(answered(&mut stream).await.0, 405);
    let large = "x".repeat(MAX_OPENED + 1);
    assert_eq!(post(port, "/lp/open", &large).await.0, 413);
}

#[tokio::test]
async fn a_receive_that_was_lost_costs_nothing() {
    let (port, mut opened) = server(1000, Duration::from_secs(60)).await;
    let path = open(port).await;
    let mut served = opened.recv().await.unwrap();
    let receive = format!("{path}/receive");

    // The older of two is let go.
    let mut first = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    ask(&mut first, "POST", &receive, "").await;
    let mut second = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    ask(&mut second, "POST", &receive, "").await;
    assert_eq!(answered(&mut first).await, (204, String::new()));
    send(&mut served, &[b"[1]"]).await.unwrap();
    assert_eq!(answered(&mut second).await, (200, "[1]".to_owned()));

    // What is sent while nobody asks waits for the next one.
    let mut lost = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    ask(&mut lost, "POST", &receive, "").await;
    soon(until(|| served.is_asked())).await;
    drop(lost);
    soon(until(|| !served.is_asked())).await;
    let (sent, asked) = tokio::join!(send(&mut served, &[b"[2]"]), post(port, &receive, ""));
    sent.unwrap();
    assert_eq!(asked, (200, "[2]".to_owned()));
}

/// So many seconds, which take no time here.
async fn time_passes(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_is_gone_is_noticed() {
    let (port, mut opened) = server(1000, Duration::from_secs(2)).await;
    let path = open(port).await;
    let mut served = opened.recv().await.unwrap();
    // It is there while it asks, also when there is nothing for it.
    let receiving = format!("{path}/receive");
    let (asked, nothing) = tokio::join!(
        post(port, &receiving, ""),
        tokio::time::timeout(Duration::from_millis(200), receive(&mut served)),
    );
    assert_eq!(asked, (204, String::new()));
    assert!(nothing.is_err());
    let error = receive(&mut served).await.unwrap_err();
    assert!(matches!(&error, TransportError::Lost(why) if why.contains("asks")), "{error}");
    drop(served);
    assert_eq!(post(port, &format!("{path}/receive"), "").await.0, 404);
}

#[tokio::test]
async fn too_much_and_no_text() {
    let (port, mut opened) = server(1000, Duration::from_secs(60)).await;
    let path = open(port).await;
    let mut served = opened.recv().await.unwrap();
    assert_eq!(post(port, &format!("{path}/send"), &"x".repeat(1001)).await.0, 413);
    let error = receive(&mut served).await.unwrap_err();
    assert!(matches!(&error, TransportError::TooLarge(why) if why.contains("1000")), "{error}");
    // It can still be told.
    let receiving = format!("{path}/receive");
    let told = post(port, &receiving, "");
    let (sent, told) = tokio::join!(send(&mut served, &[b"[3]"]), told);
    sent.unwrap();
    assert_eq!(told, (200, "[3]".to_owned()));

    let path = open(port).await;
    let mut served = opened.recv().await.unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = format!("POST {path}/send HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
    stream.write_all(&[head.as_bytes(), b"[\xff]"].concat()).await.unwrap();
    let error = receive(&mut served).await.unwrap_err();
    assert!(matches!(&error, TransportError::Message(why) if why.contains("UTF-8")), "{error}");
}

#[tokio::test]
async fn a_session_that_takes_nothing_is_not_fed() {
    let (mut client, mut served) = pair(Encoding::Json.into()).await;
    let large = vec![b'x'; 700_000];
    let messages = [&large[..], &large, &large];
    let sent = crate::transport::testing::batch(Encoding::Json, &messages);
    let mut next = 0;
    {
        let sending = poll_fn(|cx| client.poll_send(cx, &sent, &mut next));
        let limit = Duration::from_millis(300);
        assert!(tokio::time::timeout(limit, sending).await.is_err(), "all was taken");
    }
    assert_eq!(message(&mut served).await.len(), large.len());
    soon(poll_fn(|cx| client.poll_send(cx, &sent, &mut next))).await.unwrap();
    assert_eq!(message(&mut served).await.len(), large.len());
    assert_eq!(message(&mut served).await.len(), large.len());
}

/// A server of its own kind: gives each connection this answer.
async fn answering(answer: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn servers_that_are_none() {
    for (answer, told) in [
        ("HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n", "500"),
        ("HTTP/1.1 404 no\r\nContent-Length: 0\r\n\r\n", "404"),
        ("HTTP/1.1 301 no\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "/x"),
        (
            "HTTP/1.1 200 ok\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
            "web page",
        ),
        ("HTTP/1.1 200 ok\r\nContent-Length: 2\r\n\r\n{}", "not understood"),
        ("HTTP/1.1 200 ok\r\nContent-Length: 99\r\n\r\n{", "http"),
        ("HTTP/1.1 200 ok\r\nContent-Length: 99999999\r\n\r\n{", "http"),
        ("SSH-2.0-OpenSSH_9.6\r\n", "http"),
        ("", "http"),
        (
            "HTTP/1.1 200 ok\r\nContent-Length: 42\r\n\r\n\
             {\"protocol\":\"wamp.2.cbor\",\"transport\":\"a\"}",
            "serializers",
        ),
        (
            "HTTP/1.1 200 ok\r\nContent-Length: 45\r\n\r\n\
             {\"protocol\":\"wamp.2.json\",\"transport\":\"../a\"}",
            "cannot be a part of a URL",
        ),
    ] {
        let port = answering(answer).await;
        let error = soon(connect(&options(port, Encoding::Json.into()))).await.err().unwrap();
        assert!(!matches!(error, ConnectError::Proxy { .. }));
        assert!(error.to_string().contains(told), "{answer}: {error}");
    }
}

/// The head and the body of a request that comes over this connection; `None` at its end.
async fn request(stream: &mut TcpStream) -> Option<(String, usize)> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await.ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let size = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Some((head.clone(), size.map_or(0, |size| size.parse().unwrap())))
}

const OPENED: &str = "HTTP/1.1 200 ok\r\nContent-Length: 42\r\n\r\n\
                      {\"protocol\":\"wamp.2.json\",\"transport\":\"a\"}";
const TAKEN: &[u8] = b"HTTP/1.1 204 no\r\n\r\n";

#[tokio::test]
async fn who_takes_a_message_slowly_is_alive() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (_, size) = request(&mut stream).await.unwrap();
        stream.read_exact(&mut vec![0; size]).await.unwrap();
        stream.write_all(OPENED.as_bytes()).await.unwrap();
        let (_, size) = request(&mut stream).await.unwrap();
        let (mut taken, mut buffer) = (0, vec![0; 128 * 1024]);
        while taken < size {
            // Slow, so that all takes much longer than the client waits for an answer.
            tokio::time::sleep(Duration::from_millis(40)).await;
            taken += stream.read(&mut buffer).await.unwrap();
        }
        stream.write_all(TAKEN).await.unwrap();
        taken
    });
    let half = Duration::from_millis(1500);
    let keepalive = Some(Keepalive { idle: half, timeout: half });
    let large = vec![b'a'; 16 << 20];
    let max_message_size = large.len();
    let options =
        ConnectOptions { keepalive, max_message_size, ..options(port, Encoding::Json.into()) };
    let mut client = soon(connect(&options)).await.unwrap();
    let begun = std::time::Instant::now();
    send(&mut client, &[&large]).await.unwrap();
    assert!(begun.elapsed() > 2 * half, "it was no test");
    assert_eq!(server.await.unwrap(), large.len());
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, mut opened) = mpsc::unbounded_channel();
    let server = Server::new("/lp", 32 << 20, Times::default());
    let limit = Duration::from_millis(200);
    let serve = async |server: Arc<Server>, sender: mpsc::UnboundedSender<ServerTransport>| {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = Stream::from(stream).with_write_timeout(limit, Sign::Takes);
        server.serve(stream, |served| drop(sender.send(served))).await;
    };
    let (path, ()) = tokio::join!(open(port), serve(server.clone(), sender.clone()));
    let mut served = soon(opened.recv()).await.unwrap();
    let mut deaf = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    ask(&mut deaf, "POST", &format!("{path}/receive"), "").await;
    // More than the sockets hold.
    let large = [vec![b'a'; 32 << 20]];
    let ((), sent) = tokio::join!(soon(serve(server, sender)), send(&mut served, &large));
    sent.unwrap();
}

#[tokio::test]
async fn a_connection_that_was_idle_is_made_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, mut connections) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let sender = sender.clone();
            tokio::spawn(async move {
                while let Some((head, size)) = request(&mut stream).await {
                    stream.read_exact(&mut vec![0; size]).await.unwrap();
                    sender.send(number).unwrap();
                    let is_open = head.starts_with("post /lp/open");
                    let answer = if is_open { OPENED.as_bytes() } else { TAKEN };
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    });
    let mut client = soon(connect(&options(port, Encoding::Json.into()))).await.unwrap();
    send(&mut client, &[b"[1]"]).await.unwrap();
    time_passes(5).await;
    send(&mut client, &[b"[2]"]).await.unwrap();
    for expected in [0, 0, 1] {
        assert_eq!(soon(connections.recv()).await, Some(expected));
    }
}

#[tokio::test]
async fn a_connection_without_requests_does_not_stay() {
    let (port, _opened) = server(1000, Duration::from_secs(30)).await;
    for requests in 0..=1 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        for _ in 0..requests {
            stream.write_all(b"GET /elsewhere HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"nothing is here\n") {
                assert_ne!(soon(stream.read_buf(&mut answer)).await.unwrap(), 0, "{answer:?}");
            }
        }
        time_passes(60).await;
        let early = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut [0])).await;
        assert!(early.is_err(), "after {requests} requests: {early:?}");
        time_passes(100).await;
        assert_eq!(soon(stream.read(&mut [0])).await.unwrap(), 0, "after {requests} requests");
    }
}
