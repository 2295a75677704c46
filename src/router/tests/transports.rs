//! The router on every kind of address, with our own transports as clients.

use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use super::HELLO;
use super::hooks::{LOGINS, questions};
use super::wire::{asks, hears, says};
use crate::auth::hex;
use crate::codec::Encoding;
use crate::os::{HAS_LOCAL_SOCKETS, LocalListener};
use crate::router::config::Config;
use crate::router::{Router, RouterError};
use crate::transport::testing::{send, soon};
use crate::transport::tls::testing::{Authority, Time};
use crate::transport::{
    ConnectError, ConnectOptions, Incoming, Serializer, TlsOptions, Transport, connect,
};

fn router(config: Value, url: &str) -> Arc<Router> {
    let router = Router::new(Some(&config.to_string())).unwrap();
    router.listen(url, &Handle::current()).unwrap();
    router
}

pub(super) async fn dial(url: &str, tls: Value) -> Result<Box<dyn Transport>, ConnectError> {
    let tls = Arc::new(TlsOptions::parse(tls.as_object().unwrap()).unwrap());
    let options = ConnectOptions { tls, ..ConnectOptions::plain(url) };
    soon(connect(&options)).await
}

/// Joins, says goodbye, and sees the end.
async fn visits(url: &str, tls: Value) {
    let mut transport = dial(url, tls).await.unwrap();
    let transport = transport.as_mut();
    says(transport, HELLO).await;
    assert_eq!(hears(transport).await[0], 2);
    says(transport, r#"[6,{},"wamp.close.normal"]"#).await;
    assert_eq!(hears(transport).await[0], 6);
    soon(poll_fn(|cx| transport.poll_close(cx))).await.unwrap();
    let end = soon(poll_fn(|cx| transport.poll_receive(cx))).await;
    assert!(matches!(end, Ok(Incoming::Closed { .. })), "{end:?}");
}

fn socket(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("wamp-router-{name}-{}.sock", std::process::id()))
}

#[tokio::test]
async fn every_kind_of_address() {
    let ca = Authority::new("ours");
    let pair = ca.sign(&["127.0.0.1"], Time::Now);
    let config = json!({"tls": {"cert": pair.cert, "key": pair.key}});
    let (ws, rs) = (socket("ws"), socket("rs"));
    for url in [
        "ws://127.0.0.1:0/ws".to_owned(),
        "wss://127.0.0.1:0/ws".to_owned(),
        "rs://127.0.0.1:0".to_owned(),
        "rss://127.0.0.1:0".to_owned(),
        format!("ws+unix://{}:/ws", ws.display()),
        format!("rs+unix://{}", rs.display()),
    ] {
        if url.contains("unix") && !HAS_LOCAL_SOCKETS {
            continue;
        }
        let router = router(config.clone(), &url);
        let url = router.url().unwrap();
        assert!(!url.contains(":0"), "{url}");
        visits(&url, json!({"ca": ca.pem()})).await;
        router.close();
    }
}

/// The configuration of a router whose clients must have a certificate, and the options of one that
/// has.
fn mutual_tls() -> (Value, Value) {
    let ca = Authority::new("ours");
    let pair = ca.sign(&["127.0.0.1"], Time::Now);
    let client = ca.sign(&["client"], Time::Now);
    let router = json!({"cert": pair.cert, "key": pair.key, "client_ca": ca.pem()});
    (json!({"tls": router}), json!({"ca": ca.pem(), "cert": client.cert, "key": client.key}))
}

#[tokio::test]
async fn clients_must_have_a_certificate() {
    let (config, tls) = mutual_tls();
    for url in ["wss://127.0.0.1:0/ws", "rss://127.0.0.1:0"] {
        let router = router(config.clone(), url);
        let url = router.url().unwrap();
        visits(&url, tls.clone()).await;
        let refused = dial(&url, json!({"ca": tls["ca"]})).await.map(drop).unwrap_err();
        assert!(matches!(refused, ConnectError::Tls { .. }), "{refused}");
        assert!(refused.to_string().contains("client certificate"), "{refused}");
    }
}

/// The program can go by the certificate, and by the TLS connection itself.
#[tokio::test]
async fn the_program_is_told_of_a_certificate() {
    let (config, tls) = mutual_tls();
    for url in ["wss://127.0.0.1:0/ws", "rss://127.0.0.1:0"] {
        let router = router(config.clone(), url);
        let mut questions = questions(&router, LOGINS);
        let url = router.url().unwrap();
        let mut transport = dial(&url, tls.clone()).await.unwrap();
        says(transport.as_mut(), HELLO).await;
        let question = soon(questions.recv()).await.unwrap().question.clone();
        let details: Value = serde_json::from_str(&question.details).unwrap();
        let told = &details["transport"];
        assert_eq!(told["channel_id"], hex(&transport.channel_id().unwrap()));
        let lines = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            lines(told["client_cert"].as_str().unwrap()),
            lines(tls["cert"].as_str().unwrap())
        );
        question.allow(None).unwrap();
        assert_eq!(hears(transport.as_mut()).await[0], 2);
    }
}

#[tokio::test]
async fn who_says_nothing_is_shown_out() {
    let ca = Authority::new("ours");
    let pair = ca.sign(&["127.0.0.1"], Time::Now);
    let config = json!({"hello_timeout": 0.1, "tls": {"cert": pair.cert, "key": pair.key}});
    for url in ["wss://127.0.0.1:0/ws", "rs://127.0.0.1:0", "rss://127.0.0.1:0"] {
        let router = router(config.clone(), url);
        let url = router.url().unwrap();
        let address = url.split('/').nth(2).unwrap();
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut heard = Vec::new();
        let _ = soon(silent.read_to_end(&mut heard)).await;
        assert_eq!(heard, b"", "{url}");
    }
}

async fn joined(options: &ConnectOptions) -> Box<dyn Transport> {
    let mut transport = soon(connect(options)).await.unwrap();
    says(transport.as_mut(), HELLO).await;
    assert_eq!(hears(transport.as_mut()).await[0], 2);
    transport
}

/// Says this, and gives the answer.
#[tokio::test]
async fn what_a_client_does_not_take_is_not_sent_to_it() {
    const TOO_LARGE: &str = "wamp.error.payload_size_exceeded";
    let router = router(json!({}), "rs://127.0.0.1:0");
    let options = ConnectOptions::plain(&router.url().unwrap());
    let mut large = joined(&options).await;
    let mut small = joined(&ConnectOptions { max_message_size: 4096, ..options }).await;
    let (large, small) = (large.as_mut(), small.as_mut());
    let x = "x".repeat(5000);

    asks(small, r#"[32,1,{},"a.topic"]"#).await;
    asks(small, r#"[64,2,{},"a.small"]"#).await;
    asks(large, r#"[64,1,{},"a.large"]"#).await;
    asks(large, &format!(r#"[16,2,{{"acknowledge":true}},"a.topic",["{x}"]]"#)).await;
    asks(large, r#"[16,3,{"acknowledge":true},"a.topic",["small"]]"#).await;
    assert_eq!(hears(small).await[4], json!(["small"]));

    let refused = asks(large, &format!(r#"[48,4,{{}},"a.small",["{x}"]]"#)).await;
    assert_eq!((&refused[0], &refused[2], &refused[4]), (&json!(8), &json!(4), &json!(TOO_LARGE)));
    says(large, r#"[48,5,{},"a.small",["small"]]"#).await;
    let asked = hears(small).await;
    assert_eq!((&asked[0], &asked[4]), (&json!(68), &json!(["small"])));
    says(small, &json!([70, asked[1], {}, ["back"]]).to_string()).await;
    assert_eq!(hears(large).await, json!([50, 5, {}, ["back"]]));

    for (request, progress) in [(3, true), (4, false)] {
        let call = json!([48, request, {"receive_progress": true}, "a.large"]);
        says(small, &call.to_string()).await;
        let asked = hears(large).await;
        for progress in [progress, false] {
            let options = json!({ "progress": progress });
            says(large, &json!([70, asked[1], options, [x]]).to_string()).await;
        }
        let refused = hears(small).await;
        assert_eq!((&refused[2], &refused[4]), (&json!(request), &json!(TOO_LARGE)));
    }
    // Nor what remains of an error without its payload.
    says(small, r#"[48,5,{},"a.large"]"#).await;
    let asked = hears(large).await;
    says(large, &json!([8, 68, asked[1], {}, format!("a.{x}")]).to_string()).await;
    let refused = hears(small).await;
    assert_eq!((&refused[2], &refused[4]), (&json!(5), &json!(TOO_LARGE)));
    assert_eq!(asks(small, r#"[48,6,{},"a.none"]"#).await[2], 6, "each call ends once");

    // What is kept for others has come to something.
    let retained = format!(r#"[16,6,{{"retain":true}},"a.topic",["{x}"]]"#);
    says(large, &retained).await;
    let subscribe = r#"[32,7,{"get_retained":true},"a.topic"]"#;
    assert_eq!(asks(large, subscribe).await[0], 33);
    assert_eq!(hears(large).await[4], json!([x]));
}

/// A message grows on its way through the router, and the clients' limit is the router's.
#[tokio::test]
async fn what_grows_beyond_the_limit_is_told_to_the_sender() {
    const TOO_LARGE: &str = "wamp.error.payload_size_exceeded";
    const LIMIT: usize = 4096;
    for scheme in ["ws://127.0.0.1:0/ws", "http://127.0.0.1:0/lp", "rs://127.0.0.1:0"] {
        let router = router(json!({ "max_message_size": LIMIT }), scheme);
        let options = ConnectOptions::plain(&router.url().unwrap());
        let options = ConnectOptions { max_message_size: LIMIT, ..options };
        let (mut sender, mut receiver) = (joined(&options).await, joined(&options).await);
        let (sender, receiver) = (sender.as_mut(), receiver.as_mut());
        asks(receiver, r#"[32,1,{"match":"prefix"},"a."]"#).await;
        asks(receiver, r#"[64,2,{"match":"prefix"},"a."]"#).await;
        let filled = |head: &str| {
            let message = format!(r#"{head},["{}"]]"#, "x".repeat(LIMIT - head.len() - 6));
            assert_eq!(message.len(), LIMIT);
            message
        };
        for (kind, head) in
            [(16, r#"[16,1,{"acknowledge":true},"a.b""#), (48, r#"[48,2,{},"a.call""#)]
        {
            let refused = asks(sender, &filled(head)).await;
            assert_eq!((&refused[0], &refused[1]), (&json!(8), &json!(kind)), "{scheme}");
            assert_eq!(refused[4], TOO_LARGE, "{scheme}");
        }
        says(sender, &filled(r#"[16,3,{},"a.b""#)).await;

        // For this one it is not too large: its EVENT names no topic.
        let mut other = joined(&options).await;
        asks(other.as_mut(), r#"[32,1,{},"a.b"]"#).await;
        let published = asks(sender, &filled(r#"[16,4,{"acknowledge":true},"a.b""#)).await;
        assert_eq!(published[0], 17, "{scheme}");
        assert_eq!(hears(other.as_mut()).await[2], published[2]);
        assert_eq!(asks(sender, r#"[16,5,{"acknowledge":true},"a.b"]"#).await[0], 17);
        assert_eq!(hears(receiver).await[3], json!({"topic": "a.b"}), "the last one alone");
    }
}

#[tokio::test]
async fn who_has_not_joined_is_not_let_say_much() {
    const LIMIT: usize = 64 * 1024;
    let hello = |size: usize| {
        let (begin, end) = HELLO.split_at(HELLO.len() - 2);
        let filler = "x".repeat(size - HELLO.len() - 7);
        let hello = format!(r#"{begin},"x":"{filler}"{end}"#);
        assert_eq!(hello.len(), size);
        hello
    };
    for url in ["ws://127.0.0.1:0/ws", "rs://127.0.0.1:0", "http://127.0.0.1:0/lp"] {
        for serializer in Serializer::ALL.into_iter().filter(|it| it.encoding == Encoding::Json) {
            let router = router(json!({}), url);
            let options = ConnectOptions::plain(&router.url().unwrap());
            let options = ConnectOptions { serializers: vec![serializer], ..options };
            // What ends a batch counts.
            let most = LIMIT - usize::from(serializer.batched);
            let mut client = soon(connect(&options)).await.unwrap();
            assert_eq!(asks(client.as_mut(), &hello(most)).await[0], 2, "{url}");
            let published = r#"[16,1,{"acknowledge":true},"a.b",[]]"#;
            let large = published.replace("[]", &format!("[\"{}\"]", "x".repeat(LIMIT)));
            assert_eq!(asks(client.as_mut(), &large).await[0], 17, "{url}");

            let mut client = soon(connect(&options)).await.unwrap();
            let sent = send(client.as_mut(), &[hello(LIMIT + 1)]).await;
            if url.starts_with("http") {
                let refused = sent.unwrap_err().to_string();
                assert!(refused.contains("413"), "{refused}");
                continue;
            }
            let refused = hears(client.as_mut()).await;
            assert_eq!(refused[0], 3, "{url}");
            assert_eq!(refused[2], "wamp.error.payload_size_exceeded", "{url}");
        }
    }
    // Who does not wait for WELCOME is welcome too.
    let router = router(json!({}), "ws://127.0.0.1:0/ws");
    let mut client = soon(connect(&ConnectOptions::plain(&router.url().unwrap()))).await.unwrap();
    let filler = " ".repeat(LIMIT);
    let large = format!(r#"[16,1,{{"acknowledge":true}},"a.b",[{filler}]]"#);
    soon(send(client.as_mut(), &[HELLO, &large])).await.unwrap();
    for kind in [2, 17] {
        assert_eq!(hears(client.as_mut()).await[0], kind);
    }
}

/// A byte now and then is life, and still no request.
#[tokio::test]
async fn requests_of_who_has_not_joined_come_in_time() {
    let router = router(json!({"hello_timeout": 2}), "http://127.0.0.1:0/lp");
    let url = router.url().unwrap();
    let address = url.split('/').nth(2).unwrap();
    let post = async |what: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head =
            format!("POST /lp/{what} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 37\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let mut open = post("open").await;
    open.write_all(format!("{:37}", r#"{"protocols": ["wamp.2.json"]}"#).as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let size = soon(open.read(&mut answer)).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..size]);
    let id = answer.split(r#""transport":""#).nth(1).unwrap().split('"').next().unwrap();

    for what in [format!("{id}/send"), "open".to_owned()] {
        let (mut taken, mut given) = post(&what).await.into_split();
        let drip = async {
            while given.write_all(b" ").await.is_ok() {
                // All of it takes longer than the limit.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let mut answer = [0; 12];
        tokio::select! {
            read = soon(taken.read_exact(&mut answer)) => drop(read.unwrap()),
            () = drip => panic!("{what}: no answer"),
        }
        assert_eq!(&answer, b"HTTP/1.1 408", "{what}");
    }
}

/// A client that hears of those who leave, and one that is sent more than the sockets hold, and
/// less than may wait.
async fn speaker_and_deaf(options: &ConnectOptions) -> (Box<dyn Transport>, Box<dyn Transport>) {
    let (mut speaker, mut deaf) = (joined(options).await, joined(options).await);
    asks(deaf.as_mut(), r#"[32,1,{},"a.topic"]"#).await;
    asks(speaker.as_mut(), r#"[32,1,{},"wamp.session.on_leave"]"#).await;
    let filler = "x".repeat(1_000_000);
    for request in 2..34 {
        let publish = format!(r#"[16,{request},{{}},"a.topic",["{filler}"]]"#);
        says(speaker.as_mut(), &publish).await;
    }
    (speaker, deaf)
}

#[tokio::test]
async fn who_takes_nothing_is_dropped() {
    let config = Config { write_timeout: Duration::from_millis(200), ..Config::default() };
    let unix = format!("rs+unix://{}", socket("deaf").display());
    let urls = ["ws://127.0.0.1:0/ws", "rs://127.0.0.1:0", &unix];
    for url in &urls[..if HAS_LOCAL_SOCKETS { 3 } else { 2 }] {
        let router = Router::with(config.clone());
        router.listen(url, &Handle::current()).unwrap();
        let options = ConnectOptions::plain(&router.url().unwrap());
        let (mut speaker, _deaf) = speaker_and_deaf(&options).await;
        assert_eq!(hears(speaker.as_mut()).await[0], 36, "{url}");
        assert_eq!((router.stats().sessions, router.stats().dropped), (1, 0), "{url}");
    }
}

#[tokio::test]
async fn who_takes_nothing_over_tls_is_dropped_too_though_it_pings() {
    let ca = Authority::new("ours");
    let pair = ca.sign(&["127.0.0.1"], Time::Now);
    let config = json!({"tls": {"cert": pair.cert, "key": pair.key}}).to_string();
    let config = Config::parse(Some(&config)).unwrap();
    let router = Router::with(Config { write_timeout: Duration::from_millis(500), ..config });
    router.listen("wss://127.0.0.1:0/ws", &Handle::current()).unwrap();
    let tls = json!({"ca": ca.pem()});
    let tls = Arc::new(TlsOptions::parse(tls.as_object().unwrap()).unwrap());
    let options = ConnectOptions { tls, ..ConnectOptions::plain(&router.url().unwrap()) };
    let (mut speaker, mut deaf) = speaker_and_deaf(&options).await;
    let pings = async {
        loop {
            deaf.ping(b"there?");
            if poll_fn(|cx| deaf.poll_flush(cx)).await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        left = hears(speaker.as_mut()) => assert_eq!(left[0], 36),
        () = pings => unreachable!("it goes on for ever"),
    }
    assert_eq!(router.stats().sessions, 1);
}

#[tokio::test]
async fn who_takes_it_slowly_stays() {
    const MESSAGES: usize = 32;
    let write_timeout = Duration::from_secs(4);
    let config = Config { write_timeout, ..Config::default() };
    for url in ["ws://127.0.0.1:0/ws", "rs://127.0.0.1:0"] {
        let router = Router::with(config.clone());
        router.listen(url, &Handle::current()).unwrap();
        let options = ConnectOptions::plain(&router.url().unwrap());
        let (mut speaker, mut slow) = (joined(&options).await, joined(&options).await);
        asks(slow.as_mut(), r#"[32,1,{},"a.topic"]"#).await;
        let filler = "x".repeat(1_000_000);
        let speak = async {
            for request in 1..=MESSAGES {
                let publish = format!(r#"[16,{request},{{}},"a.topic",["{filler}"]]"#);
                says(speaker.as_mut(), &publish).await;
            }
        };
        let begun = Instant::now();
        let take = async {
            for _ in 0..MESSAGES {
                // Slow, so that all takes much longer than nothing may.
                tokio::time::sleep(write_timeout / 20).await;
                assert_eq!(hears(slow.as_mut()).await[0], 36, "{url}");
            }
        };
        tokio::join!(speak, take);
        assert!(begun.elapsed() > write_timeout, "it was no test");
        assert_eq!(asks(slow.as_mut(), r#"[32,2,{},"a.topic"]"#).await[0], 33, "{url}");
    }
}

#[tokio::test]
async fn the_file_of_a_unix_socket() {
    if !HAS_LOCAL_SOCKETS {
        return;
    }
    let path = socket("file");
    let url = format!("rs+unix://{}", path.display());
    // As a router leaves it behind that was killed.
    let killed = socket("killed");
    let left = LocalListener::bind(&killed).unwrap();
    std::fs::rename(&killed, &path).unwrap();
    drop(left);
    let first = router(json!({}), &url);
    visits(&url, json!({})).await;

    let second = Router::new(None).unwrap();
    let refused = second.listen(&url, &Handle::current()).unwrap_err();
    assert!(matches!(refused, RouterError::Bind { .. }), "{refused}");
    visits(&url, json!({})).await;

    first.close();
    let gone = async {
        while path.exists() {
            tokio::task::yield_now().await;
        }
    };
    soon(gone).await;
}

#[tokio::test]
async fn where_nobody_can_listen() {
    let nowhere = if HAS_LOCAL_SOCKETS { "No such file" } else { "not supported on Windows" };
    let router = Router::new(None).unwrap();
    for (url, told) in [
        ("wss://127.0.0.1:0/ws", "\"tls\" is missing"),
        ("rss://127.0.0.1:0", "\"tls\" is missing"),
        ("ws://127.0.0.1:0/ws?a", "leave out what follows"),
        ("https://127.0.0.1:0/", "\"tls\" is missing"),
        ("rs+unix:///nowhere/at/all", nowhere),
    ] {
        let error = router.listen(url, &Handle::current()).unwrap_err().to_string();
        assert!(error.contains(told), "{url}: {error}");
    }
}
