use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::os::{self, HAS_LOCAL_SOCKETS, LocalListener};
use crate::transport::testing::{batch, message, receive, send};
use crate::transport::tls::Acceptor;
use crate::transport::tls::testing::{Authority, Time};
use crate::transport::{ConnectError, ConnectOptions, Keepalive, TlsOptions};

fn options(url: &str, max_message_size: usize) -> ConnectOptions {
    ConnectOptions { max_message_size, ..ConnectOptions::plain(url) }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rs://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// Our client, with its limit, and our server, with its own.
async fn pair(client: usize, server: usize) -> (RawSocket, RawSocket) {
    watched(client, server, None).await
}

async fn watched(
    client: usize,
    server: usize,
    keepalive: Option<Keepalive>,
) -> (RawSocket, RawSocket) {
    let (listener, url) = listen().await;
    let options = ConnectOptions { keepalive, ..options(&url, client) };
    let dial = async {
        let stream = crate::transport::reach(&options).await.unwrap();
        connect(stream, &options, Encoding::Json).await.unwrap()
    };
    let serve = async {
        accept(listener.accept().await.unwrap().0, &[Encoding::Json], server).await.unwrap()
    };
    tokio::join!(dial, serve)
}

/// Our client, and bytes.
async fn with_bytes(max_message_size: usize) -> (RawSocket, TcpStream) {
    let (listener, url) = listen().await;
    let options = options(&url, max_message_size);
    let dial = async {
        let stream = crate::transport::reach(&options).await.unwrap();
        connect(stream, &options, Encoding::Json).await.unwrap()
    };
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 4];
        stream.read_exact(&mut hello).await.unwrap();
        assert_eq!(hello, [0x7f, 0xf1, 0, 0]);
        stream.write_all(&[0x7f, 0xf1, 0, 0]).await.unwrap();
        stream
    };
    tokio::join!(dial, serve)
}

#[tokio::test]
async fn the_system_watches_who_has_no_pings() {
    let seconds = Duration::from_secs;
    let watch = Keepalive { idle: seconds(30), timeout: seconds(9) };
    for keepalive in [Some(watch), None] {
        let (client, _server) = watched(1 << 24, 1 << 24, keepalive).await;
        let socket = SockRef::from(client.stream.tcp().unwrap());
        assert_eq!(socket.keepalive().unwrap(), keepalive.is_some());
        if keepalive.is_some() {
            let times = os::keepalive_times(client.stream.tcp().unwrap());
            assert!(times.is_none_or(|times| times == (seconds(30), seconds(3))), "{times:?}");
        }
    }
}

#[tokio::test]
async fn messages_go_both_ways_in_order() {
    let (mut client, mut server) = pair(1 << 24, 1 << 24).await;
    // More than one system call takes, small and large and empty ones.
    let messages: Vec<Vec<u8>> =
        (0..1000_usize).map(|i| vec![b'a' + (i % 26) as u8; [0, 1, 300, 70_000][i % 4]]).collect();
    for _ in 0..2 {
        let received = async {
            let mut received = Vec::new();
            for _ in 0..messages.len() {
                received.push(message(&mut server).await.to_vec());
            }
            received
        };
        let (sent, received) = tokio::join!(send(&mut client, &messages), received);
        sent.unwrap();
        assert!(received == messages);
        std::mem::swap(&mut client, &mut server);
    }
}

#[tokio::test]
async fn limits_hold_in_each_direction() {
    let (mut client, mut server) = pair(2048, 5000).await;
    assert_eq!((client.max_send(), server.max_send()), (4096, 2048));
    send(&mut client, &[vec![b'x'; 4096]]).await.unwrap();
    assert_eq!(message(&mut server).await.len(), 4096);
    let refused = send(&mut client, &[vec![b'x'; 4097]]).await;
    assert_eq!(refused, Err(TransportError::PeerLimit { size: 4097, limit: 4096 }));
    let refused = send(&mut server, &[b"fits".to_vec(), vec![b'x'; 2049]]).await;
    assert_eq!(refused, Err(TransportError::PeerLimit { size: 2049, limit: 2048 }));
}

#[tokio::test]
async fn the_largest_message_comes_in_but_does_not_go_out() {
    let (mut client, mut bytes) = with_bytes(1 << 30).await;
    assert_eq!(client.max_send(), (1 << 24) - 1);
    let write = async {
        bytes.write_all(&[0x08, 0, 0, 0]).await.unwrap();
        bytes.write_all(&vec![b'x'; 1 << 24]).await.unwrap();
    };
    let (message, ()) = tokio::join!(message(&mut client), write);
    assert_eq!(message.len(), 1 << 24);
}

#[tokio::test]
async fn a_ping_that_cannot_be_answered() {
    let (mut client, mut bytes) = with_bytes(1 << 24).await;
    let write = async {
        bytes.write_all(&[9, 0, 0, 0]).await.unwrap();
        let _ = bytes.write_all(&vec![b'x'; 1 << 24]).await;
    };
    let (received, ()) = tokio::join!(receive(&mut client), write);
    assert!(matches!(&received, Err(TransportError::Protocol(why)) if why.contains("ping")));
}

#[tokio::test]
async fn pings_are_answered_between_messages() {
    let (mut client, mut bytes) = with_bytes(1 << 24).await;
    bytes.write_all(&[1, 0, 0, 2, b'h', b'i', 0, 0, 0, 1, b'm', 2, 0, 0, 0]).await.unwrap();
    assert!(matches!(receive(&mut client).await, Ok(Incoming::Alive)));
    assert_eq!(message(&mut client).await, "m");
    assert!(matches!(receive(&mut client).await, Ok(Incoming::Pong)));
    client.ping(b"you");
    send(&mut client, &[b"too".to_vec()]).await.unwrap();
    let mut read = [0; 20];
    bytes.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"\x02\0\0\x02hi\x01\0\0\x03you\0\0\0\x03too");
}

#[tokio::test]
async fn a_pong_does_not_fall_into_a_message() {
    let (mut client, mut bytes) = with_bytes(1 << 24).await;
    // More than the sockets hold, so that half of it waits.
    let (large, mut next) = (batch(Encoding::Json, &[vec![b'x'; 15_000_000]]), 0);
    let sent = poll_fn(|cx| Poll::Ready(client.poll_send(cx, &large, &mut next))).await;
    assert!(sent.is_pending());
    bytes.write_all(&[1, 0, 0, 1, b'p']).await.unwrap();
    assert!(matches!(receive(&mut client).await, Ok(Incoming::Alive)));
    let read = async {
        let mut all = vec![0; 4 + 15_000_000 + 5];
        bytes.read_exact(&mut all).await.unwrap();
        all
    };
    let (sent, all) = tokio::join!(poll_fn(|cx| client.poll_send(cx, &large, &mut next)), read);
    sent.unwrap();
    assert!(all[4..4 + 15_000_000].iter().all(|byte| *byte == b'x'));
    assert_eq!(&all[4 + 15_000_000..], [2, 0, 0, 1, b'p']);
}

#[tokio::test]
async fn who_pings_and_does_not_read_is_not_read() {
    let (mut client, mut bytes) = with_bytes(1 << 24).await;
    let mut ping = vec![1, 0x10, 0, 0];
    ping.resize(4 + 0x10_0000, b'p');
    let flood = async {
        // The kernel's buffers are full some time.
        let limit = Duration::from_millis(300);
        while tokio::time::timeout(limit, bytes.write_all(&ping)).await.is_ok() {}
    };
    let read = poll_fn(|cx| {
        loop {
            match client.poll_receive(cx) {
                Poll::Ready(Ok(Incoming::Alive)) => {}
                Poll::Ready(other) => panic!("{other:?}"),
                Poll::Pending => return Poll::<()>::Pending,
            }
        }
    });
    tokio::select! {
        () = flood => {}
        () = read => {}
    }
    assert!(client.control.len() < 4 * PONG_BYTES, "{}", client.control.len());
}

#[tokio::test]
async fn a_byte_at_a_time_is_enough() {
    let (mut client, mut bytes) = with_bytes(1 << 24).await;
    for byte in [0, 0, 0, 2, b'o', b'k', 0, 0, 0, 0] {
        bytes.write_all(&[byte]).await.unwrap();
        bytes.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(message(&mut client).await, "ok");
    assert_eq!(message(&mut client).await, "");
}

#[tokio::test]
async fn json_is_utf8_and_other_serializers_are_not() {
    let (mut client, mut bytes) = with_bytes(1 << 24).await;
    bytes.write_all(&[0, 0, 0, 1, 0xff, 0, 0, 0, 1, 0xff]).await.unwrap();
    let error = receive(&mut client).await.unwrap_err();
    assert!(matches!(error, TransportError::Message(_)), "{error}");
    client.encoding = Encoding::MsgPack;
    assert_eq!(message(&mut client).await, [0xff][..]);
}

#[tokio::test]
async fn ends_are_told_apart() {
    let (mut client, bytes) = with_bytes(1 << 24).await;
    drop(bytes);
    assert!(matches!(receive(&mut client).await, Ok(Incoming::Closed { code: None, .. })));

    let (mut client, mut bytes) = with_bytes(1 << 24).await;
    bytes.write_all(&[0, 0, 0, 9, b'h', b'a', b'l', b'f']).await.unwrap();
    drop(bytes);
    let told = receive(&mut client).await.unwrap_err();
    assert!(told.to_string().contains("in the middle of a message"), "{told}");

    let (mut client, mut bytes) = with_bytes(2 << 24).await;
    poll_fn(|cx| client.poll_close(cx)).await.unwrap();
    assert_eq!(bytes.read(&mut [0; 9]).await.unwrap(), 0, "our side is closed");
    bytes.write_all(&[0, 0, 0, 1, b'x']).await.unwrap();
    assert_eq!(message(&mut client).await, "x");
}

#[tokio::test]
async fn broken_frames() {
    type Bad = (&'static [u8], fn(&TransportError) -> bool);
    let protocol: fn(&TransportError) -> bool = |e| matches!(e, TransportError::Protocol(_));
    let large: fn(&TransportError) -> bool = |e| matches!(e, TransportError::TooLarge(_));
    let rows: [Bad; 6] = [
        (&[3, 0, 0, 0], protocol),
        (&[7, 0, 0, 0], protocol),
        (&[0x10, 0, 0, 0], protocol),
        (&[0x80, 0, 0, 1], protocol),
        (&[0x08, 0, 0, 1], protocol),
        (b"HTTP/1.1 400 Bad Request\r\n", protocol),
    ];
    for (bad, right) in rows {
        let (mut client, mut bytes) = with_bytes(1 << 24).await;
        bytes.write_all(&[0, 0, 0, 2, b'o', b'k']).await.unwrap();
        bytes.write_all(bad).await.unwrap();
        assert_eq!(message(&mut client).await, "ok");
        let error = receive(&mut client).await.unwrap_err();
        assert!(right(&error), "{bad:?}: {error}");
    }
    let (client, server) = pair(1024, 1024).await;
    let RawSocket { stream: mut bytes, .. } = server;
    let mut client = client;
    bytes.write_all(&[0, 0, 4, 1]).await.unwrap();
    let error = receive(&mut client).await.unwrap_err();
    assert!(large(&error), "{error}");
}

/// The client's error about an answer to its handshake.
async fn refused(answer: &'static [u8]) -> ConnectError {
    let (listener, url) = listen().await;
    let options = options(&url, 1 << 24);
    let dial = async { crate::transport::connect(&options).await.map(drop).unwrap_err() };
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
        stream.write_all(answer).await.unwrap();
        stream
    };
    tokio::join!(dial, serve).0
}

#[tokio::test]
async fn refusals_are_told() {
    for (answer, told) in [
        (&[0x7f, 0x10, 0, 0], "does not offer our serializer"),
        (&[0x7f, 0x20, 0, 0], "change `max_message_size`"),
        (&[0x7f, 0x30, 0, 0], "reserved bits"),
        (&[0x7f, 0x40, 0, 0], "as many connections as it accepts"),
        (&[0x7f, 0x50, 0, 0], "unknown code 5"),
        (&[0x7f, 0x00, 0, 0], "unknown code 0"),
        (&[0x7f, 0xf2, 0, 0], "another serializer"),
        (&[0x7f, 0xf1, 0, 1], "uses reserved bits"),
        (b"HTTP", "another service"),
    ] {
        let error = refused(answer).await;
        let is_refusal = matches!(error, ConnectError::RawSocketRefused { .. });
        assert_eq!(is_refusal, answer[0] == 0x7f && answer[1] & 0x0f == 0, "{error}");
        assert!(is_refusal || matches!(error, ConnectError::RawSocket { .. }), "{error}");
        assert!(error.to_string().contains(told), "{answer:?}: {error}");
    }
    let error = refused(&[0x15, 3, 1, 0, 2, 2, 70]).await;
    assert!(error.to_string().contains("speaks TLS; write rss://"), "{error}");
}

#[tokio::test]
async fn clients_are_refused() {
    for (hello, answer) in [
        (&[0x7f, 0xf2, 0, 0][..], &[0x7f, 0x10, 0, 0][..]),
        (&[0x7f, 0xf0, 0, 0], &[0x7f, 0x10, 0, 0]),
        (&[0x7f, 0xf1, 1, 0], &[0x7f, 0x30, 0, 0]),
        (b"GET / HTTP/1.1\r\n\r\n", &[]),
    ] {
        let (listener, url) = listen().await;
        let address = url.trim_start_matches("rs://");
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(hello).await.unwrap();
        let accepted = accept(listener.accept().await.unwrap().0, &[Encoding::Json], 1 << 24).await;
        assert!(matches!(accepted, Err(ConnectError::RawSocket { .. })), "{accepted:?}");
        let mut read = Vec::new();
        // What was not read, as after GET, makes the end a reset.
        let _ = client.read_to_end(&mut read).await;
        assert_eq!(read, answer);
    }
}

#[tokio::test]
async fn it_ends_before_it_has_answered() {
    let (listener, url) = listen().await;
    let options = options(&url, 1 << 24);
    let serve = async { drop(listener.accept().await.unwrap()) };
    let dial = async { crate::transport::connect(&options).await.map(drop).unwrap_err() };
    let (error, ()) = tokio::join!(dial, serve);
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("its RawSocket port"), "{error}");
}

#[tokio::test]
async fn over_a_unix_socket() {
    if !HAS_LOCAL_SOCKETS {
        return;
    }
    let path = std::env::temp_dir().join(format!("wamp-rs-{}.sock", std::process::id()));
    let listener = LocalListener::bind(&path).unwrap();
    let options = options(&format!("rs+unix://{}", path.display()), 1 << 24);
    let dial = async {
        let stream = crate::transport::reach(&options).await.unwrap();
        connect(stream, &options, Encoding::Json).await.unwrap()
    };
    let serve =
        async { accept(listener.accept().await.unwrap(), &[Encoding::Json], 1024).await.unwrap() };
    let (mut client, mut server) = tokio::join!(dial, serve);
    send(&mut client, &[b"over Unix".to_vec()]).await.unwrap();
    assert_eq!(message(&mut server).await, "over Unix");
    assert_eq!((client.max_send(), client.serializer()), (1024, Encoding::Json.into()));
}

#[tokio::test]
async fn who_closes_on_one_serializer_is_offered_the_next() {
    let ca = Authority::new("ours");
    let (pair, own) = (ca.sign(&["127.0.0.1"], Time::Now), ca.sign(&["client"], Time::Now));
    let acceptor = Acceptor::new(&pair.cert, &pair.key, Some((&*ca.pem()).into())).unwrap();
    let (listener, url) = listen().await;
    let serve = async {
        let mut asked = Vec::new();
        loop {
            let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
            let mut hello = [0; 4];
            stream.read_exact(&mut hello).await.unwrap();
            asked.push(hello[1] & 15);
            if hello[1] & 15 == 1 {
                stream.write_all(&[0x7f, 0xf1, 0, 0]).await.unwrap();
                stream.flush().await.unwrap();
                return asked;
            }
        }
    };
    let tls = serde_json::json!({"ca": ca.pem(), "cert": own.cert, "key": own.key});
    let options = ConnectOptions {
        serializers: [Encoding::Cbor, Encoding::MsgPack, Encoding::Json].map(Into::into).into(),
        tls: Arc::new(TlsOptions::parse(tls.as_object().unwrap()).unwrap()),
        ..ConnectOptions::plain(&url.replace("rs:", "rss:"))
    };
    let (asked, transport) = tokio::join!(serve, crate::transport::connect(&options));
    assert_eq!(asked, [3, 2, 1]);
    assert_eq!(transport.unwrap().serializer(), Encoding::Json.into());
}
