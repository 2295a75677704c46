//! Helpers of the tests of several transports.

use std::future::{Future, poll_fn};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::codec::{Batch, Encoding, Outbox, Rules};
use crate::os::{HAS_LOCAL_SOCKETS, LocalStream};

use super::socket::Socket;
use super::{Incoming, Transport, TransportError};

/// The outcome of what comes in time, also on a slow machine.
pub(crate) async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), event).await.expect("nothing came")
}

/// A batch of messages that are about to be sent.
pub(crate) fn batch<M: AsRef<[u8]>>(encoding: Encoding, messages: &[M]) -> Batch {
    let mut outbox = Outbox::new(encoding, Rules::Strict);
    for message in messages {
        outbox.push(usize::MAX, |out| out.whole(message.as_ref())).unwrap();
    }
    outbox.take()
}

/// Sends them, whatever they are.
pub(crate) async fn send<M: AsRef<[u8]>>(
    transport: &mut dyn Transport,
    messages: &[M],
) -> Result<(), TransportError> {
    let (batch, mut next) = (batch(transport.serializer().encoding, messages), 0);
    soon(poll_fn(|cx| transport.poll_send(cx, &batch, &mut next))).await?;
    assert_eq!(next, messages.len());
    Ok(())
}

/// The next thing that comes in.
pub(crate) async fn receive(transport: &mut dyn Transport) -> Result<Incoming, TransportError> {
    soon(poll_fn(|cx| transport.poll_receive(cx))).await
}

/// The message that comes next.
pub(crate) async fn message(transport: &mut dyn Transport) -> bytes::Bytes {
    loop {
        match receive(transport).await.unwrap() {
            Incoming::Message(message) => return message,
            Incoming::Alive | Incoming::Pong => {}
            end => panic!("{end:?}"),
        }
    }
}

/// Carries them from one to the other, which takes them meanwhile.
pub(crate) async fn carry<M: AsRef<[u8]>>(
    sender: &mut dyn Transport,
    receiver: &mut dyn Transport,
    messages: &[M],
) {
    let take = async {
        for expected in messages {
            assert_eq!(message(receiver).await, expected.as_ref());
        }
    };
    let (sent, ()) = tokio::join!(send(sender, messages), take);
    sent.unwrap();
}

/// A connection over TCP, both ends.
pub(super) async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

/// A socket of each kind, with its peer.
pub(super) async fn socket_pairs() -> Vec<(Socket, Socket)> {
    let (tcp, peer) = tcp_pair().await;
    let mut pairs = vec![(tcp.into(), peer.into())];
    match LocalStream::pair() {
        Ok((local, peer)) => pairs.push((local.into(), peer.into())),
        Err(error) if HAS_LOCAL_SOCKETS => panic!("{error}"),
        Err(_) => {}
    }
    pairs
}
