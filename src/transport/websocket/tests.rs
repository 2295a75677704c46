use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::transport::testing::{batch, carry, message, receive, soon};
use crate::transport::{CROSSBAR_SEPARATOR, ConnectOptions};

const LIMIT: usize = 1 << 20;

/// Our client and our server, each as it wants to be.
async fn pair(options: ConnectOptions, deflate: Option<DeflateOptions>) -> (WebSocket, WebSocket) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial = async {
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        connect(stream.into(), &options).await.unwrap()
    };
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        accept(stream, Some("/ws"), options.max_message_size, deflate.as_ref()).await.unwrap()
    };
    soon(async { tokio::join!(dial, serve) }).await
}

fn options(serializer: Serializer) -> ConnectOptions {
    ConnectOptions { serializers: vec![serializer], ..ConnectOptions::plain("ws://localhost/ws") }
}

#[tokio::test]
async fn every_serializer_with_and_without_compression() {
    let messages: Vec<_> = [2, 100, 125, 126, 5000, 65_535, 65_536, 300_000]
        .into_iter()
        .map(|size| vec![b'a'; size])
        .chain((0..5000).map(|number| format!("[36,1,{number},{{}}]").into_bytes()))
        .collect();
    for serializer in Serializer::ALL {
        for deflate in [None, Some(DeflateOptions { threshold: 10, ..DeflateOptions::default() })] {
            let options = ConnectOptions { deflate, ..options(serializer) };
            let (mut client, mut server) = pair(options, deflate).await;
            assert_eq!((client.serializer(), server.serializer()), (serializer, serializer));
            assert_eq!(client.socket.is_compressing(), deflate.is_some());
            carry(&mut client, &mut server, &messages).await;
            carry(&mut server, &mut client, &messages).await;
            let largest = [vec![b'a'; client.max_send()]];
            carry(&mut client, &mut server, &largest).await;
            carry(&mut server, &mut client, &[vec![b'a'; 1 << 20]]).await;
        }
    }
}

#[tokio::test]
async fn who_sends_too_much_in_a_batch_is_told() {
    for encoding in Encoding::ALL {
        let (mut client, mut server) = pair(options(Serializer::batched(encoding)), None).await;
        let sent = batch(encoding, &[vec![b'1'; 9], vec![b'1'; LIMIT + 1], vec![b'1'; 9]]);
        let mut next = 0;
        let (sent, first) = tokio::join!(
            poll_fn(|cx| client.poll_send(cx, &sent, &mut next)),
            message(&mut server),
        );
        sent.unwrap();
        assert_eq!(first.len(), 9);
        let error = loop {
            match receive(&mut server).await {
                Ok(received) => assert!(matches!(received, Incoming::Alive), "{received:?}"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, TransportError::TooLarge(_)), "{error}");
        assert!(matches!(receive(&mut server).await, Err(TransportError::Lost(_))));
        poll_fn(|cx| server.poll_close(cx)).await.unwrap();
        let end = receive(&mut client).await;
        assert!(matches!(end, Ok(Incoming::Closed { code: Some(1009), .. })), "{end:?}");
    }
}

#[tokio::test]
async fn compression_needs_both() {
    let deflate = Some(DeflateOptions::default());
    let json = || options(Encoding::Json.into());
    let (client, server) = pair(ConnectOptions { deflate, ..json() }, None).await;
    assert!(!client.socket.is_compressing() && !server.socket.is_compressing());
    let (client, server) = pair(json(), deflate).await;
    assert!(!client.socket.is_compressing() && !server.socket.is_compressing());
}

#[tokio::test]
async fn the_server_separates_as_the_client_does() {
    let serializer = Serializer::batched(Encoding::Json);
    let json_batch_separator = CROSSBAR_SEPARATOR;
    let options = ConnectOptions { json_batch_separator, ..options(serializer) };
    let (mut client, mut server) = pair(options, None).await;
    let messages = [b"[1]".to_vec(), b"[2]".to_vec()];
    carry(&mut client, &mut server, &messages).await;
    let (sent, mut next) = (batch(Encoding::Json, &messages), 0);
    soon(poll_fn(|cx| server.poll_send(cx, &sent, &mut next))).await.unwrap();
    let received = soon(poll_fn(|cx| client.socket.poll_receive(cx))).await.unwrap();
    let payload = Bytes::from_static(b"[1]\x18[2]\x18");
    assert_eq!(received, Received::Message { is_text: true, payload });
}

#[tokio::test]
async fn both_close_in_order() {
    let (mut client, mut server) = pair(options(Encoding::Cbor.into()), None).await;
    soon(poll_fn(|cx| client.poll_close(cx))).await.unwrap();
    for side in [&mut server, &mut client] {
        let end = soon(poll_fn(|cx| side.poll_receive(cx))).await.unwrap();
        assert!(matches!(end, Incoming::Closed { code: Some(1000), .. }), "{end:?}");
        let after = soon(poll_fn(|cx| side.poll_receive(cx))).await;
        assert!(matches!(after, Err(TransportError::Lost(_))), "{after:?}");
    }
}

/// Our client, and a server's end of the stream after the upgrade.
async fn with_bytes(options: ConnectOptions, extra: &str) -> (WebSocket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial = async {
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        connect(stream.into(), &options).await.unwrap()
    };
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let mut headers = head.lines().filter_map(|line| line.split_once(": "));
        let (_, key) =
            headers.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key")).unwrap();
        let accept = handshake::accept_key(key);
        let answer = format!(
            "HTTP/1.1 101 ok\r\nupgrade: WebSocket\r\nconnection: keep-alive, Upgrade\r\n\
             sec-websocket-accept: {accept}\r\nsec-websocket-protocol: wamp.2.json\r\n{extra}\r\n"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream
    };
    soon(async { tokio::join!(dial, serve) }).await
}

#[tokio::test]
async fn a_bomb_costs_no_memory_and_is_told_with_its_code() {
    let deflate = Some(DeflateOptions::default());
    let options =
        ConnectOptions { deflate, max_message_size: 1000, ..options(Encoding::Json.into()) };
    let extra = "sec-websocket-extensions: permessage-deflate\r\n";
    let (mut client, mut stream) = with_bytes(options, extra).await;
    let mut bomb = flate2::Compress::new(flate2::Compression::best(), false);
    let mut bytes = Vec::with_capacity(100_000);
    bomb.compress_vec(&vec![b' '; 500_000], &mut bytes, flate2::FlushCompress::Sync).unwrap();
    assert!(bytes.len() < 1000, "{}", bytes.len());
    let mut frame = Vec::new();
    frame::put(&mut frame, frame::Opcode::Text, true, None, &bytes);
    stream.write_all(&frame).await.unwrap();
    let error = soon(poll_fn(|cx| client.poll_receive(cx))).await.unwrap_err();
    assert!(matches!(&error, TransportError::TooLarge(why) if why.contains("1000")), "{error}");
    soon(poll_fn(|cx| client.poll_close(cx))).await.unwrap();
    drop(client);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    let head = frame::parse(&rest).unwrap().unwrap();
    let mut code = rest[head.len..].to_vec();
    frame::apply(&mut code, head.mask.unwrap());
    assert_eq!((head.opcode, &code[..]), (frame::Opcode::Close, &1009_u16.to_be_bytes()[..]));
}

#[tokio::test]
async fn a_peer_that_pings_and_does_not_read_is_not_read() {
    let (mut client, mut stream) = with_bytes(options(Encoding::Json.into()), "").await;
    let mut ping = Vec::new();
    frame::put(&mut ping, frame::Opcode::Ping, false, None, &[b'x'; 125]);
    let pings = ping.repeat(1000);
    let flood = async { while stream.write_all(&pings).await.is_ok() {} };
    let take = async {
        // Both sides' buffers in the kernel fill, and then ours.
        loop {
            let next = tokio::time::timeout(
                Duration::from_millis(500),
                poll_fn(|cx| client.poll_receive(cx)),
            );
            match next.await {
                Ok(received) => assert!(matches!(received, Ok(Incoming::Alive))),
                Err(_) => break,
            }
        }
    };
    tokio::select! {
        () = flood => panic!("the client went away"),
        () = take => {}
    }
    assert!(client.socket.waiting() < 3 << 20, "{}", client.socket.waiting());
}

#[tokio::test]
async fn both_sides_send_much_at_once() {
    let options = ConnectOptions { max_message_size: 16 << 20, ..options(Encoding::Json.into()) };
    let (mut client, mut server) = pair(options, None).await;
    let large = vec![b'x'; 16 << 20];
    let large = [&large, &large];
    soon(async {
        tokio::join!(exchange(&mut client, &large), exchange(&mut server, &large));
    })
    .await;
}

/// Sends all and takes as many, both whenever it can.
async fn exchange(socket: &mut WebSocket, messages: &[&Vec<u8>]) {
    let sent = batch(socket.serializer().encoding, messages);
    let (mut next, mut all_sent, mut taken) = (0, false, 0);
    poll_fn(|cx| {
        while let Poll::Ready(received) = socket.poll_receive(cx) {
            taken += usize::from(matches!(received.unwrap(), Incoming::Message(_)));
        }
        if !all_sent && let Poll::Ready(done) = socket.poll_send(cx, &sent, &mut next) {
            done.unwrap();
            all_sent = true;
        }
        if all_sent && taken == messages.len() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Random bytes become larger when they are compressed, and the limit is for what they were.
#[tokio::test]
async fn a_compressed_message_may_be_as_large_as_any() {
    let deflate = Some(DeflateOptions::default());
    let options = ConnectOptions { deflate, ..options(Encoding::Cbor.into()) };
    let (mut client, mut server) = pair(options, deflate).await;
    let noise: Vec<u8> = (0..LIMIT).map(|_| fastrand::u8(..)).collect();
    carry(&mut client, &mut server, &[&noise, &noise]).await;
    carry(&mut server, &mut client, &[&noise]).await;
}
