//! Clients of a router over real sockets: by the library's own transports, and by bare bytes.

use std::future::poll_fn;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use super::HELLO;
use crate::router::Router;
use crate::transport::testing::{send, soon};
use crate::transport::{ConnectOptions, Incoming, Transport, connect};

pub(super) fn router(config: &Value, url: &str) -> (Arc<Router>, String) {
    let router = Router::new(Some(&config.to_string())).unwrap();
    let url = router.listen(url, &Handle::current()).unwrap();
    (router, url)
}

pub(super) async fn join(url: &str) -> Box<dyn Transport> {
    let options = ConnectOptions { max_message_size: 16 << 20, ..ConnectOptions::plain(url) };
    let mut transport = soon(connect(&options)).await.unwrap();
    assert_eq!(asks(&mut *transport, HELLO).await[0], 2);
    transport
}

pub(super) async fn says(transport: &mut dyn Transport, message: &str) {
    send(transport, &[message.as_bytes()]).await.unwrap();
}

pub(super) async fn hears(transport: &mut dyn Transport) -> Value {
    match soon(poll_fn(|cx| transport.poll_receive(cx))).await.unwrap() {
        Incoming::Message(message) => serde_json::from_slice(&message).unwrap(),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn asks(transport: &mut dyn Transport, message: &str) -> Value {
    says(transport, message).await;
    hears(transport).await
}

/// A plain connection at `rs://`, behind its handshake.
pub(super) async fn raw(url: &str) -> TcpStream {
    let address = url.trim_start_matches("rs://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[0x7f, 0xf1, 0, 0]).await.unwrap();
    let mut answer = [0; 4];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer[0], 0x7f);
    stream
}

/// The head of a frame that says it has `size` bytes.
pub(super) fn head(size: usize) -> [u8; 4] {
    let [_, a, b, c] = (size as u32).to_be_bytes();
    [0, a, b, c]
}

pub(super) async fn hears_raw(stream: &mut (impl AsyncRead + Unpin)) -> Value {
    let mut head = [0; 4];
    soon(stream.read_exact(&mut head)).await.unwrap();
    let mut message = vec![0; u32::from_be_bytes(head) as usize];
    soon(stream.read_exact(&mut message)).await.unwrap();
    serde_json::from_slice(&message).unwrap()
}

/// Sends a message over a plain connection.
pub(super) async fn says_raw(stream: &mut TcpStream, message: &str) {
    let frame = [&head(message.len())[..], message.as_bytes()].concat();
    stream.write_all(&frame).await.unwrap();
}

pub(super) async fn join_raw(url: &str) -> TcpStream {
    let mut stream = raw(url).await;
    says_raw(&mut stream, HELLO).await;
    assert_eq!(hears_raw(&mut stream).await[0], 2);
    stream
}
