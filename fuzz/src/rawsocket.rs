//! RawSocket: both sides' handshakes, and what comes after them. However it comes in pieces, it is
//! understood in the one way that a plain reading of the bytes gives.

use std::future::poll_fn;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use wamp::codec::Encoding;
use wamp::transport::rawsocket::{accept, connect};
use wamp::transport::{Incoming, Transport, TransportError};

use super::{encoding, wire};

/// The largest message that we take.
const LIMIT: usize = 1000;
/// What of it a handshake can say: 512.
const ANNOUNCED: u8 = 0;

/// The first byte is the serializer and who we are, the second the size of pieces, and the rest what
/// the peer says.
pub fn run(data: &[u8]) {
    let Some((encoding, [size, bytes @ ..])) = encoding(data) else {
        return;
    };
    let side = match data[0] / 3 % 2 {
        0 => Side::Client,
        _ => Side::Server,
    };
    let expected = Expected::of(side, encoding, bytes);
    let (heard, said) = wire::block_on(converse(side, encoding, bytes, *size));
    assert_eq!(heard, expected.heard);
    assert_eq!(said.escape_ascii().to_string(), expected.said.escape_ascii().to_string());
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// What is received after the handshake, up to the end; `None` if that fails.
type Heard = Option<(Vec<Frame>, End)>;

#[derive(Debug, PartialEq, Eq)]
enum Frame {
    Message(Vec<u8>),
    Alive,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    InOrder,
    WithinMessage,
    Protocol,
    TooLarge,
    NotUtf8,
}

async fn converse(side: Side, encoding: Encoding, bytes: &[u8], size: u8) -> (Heard, Vec<u8>) {
    let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
    let listen = async {
        let opened = match side {
            Side::Server => accept(ours, &[encoding], LIMIT).await,
            Side::Client => {
                let options = wire::connect_options("rs+unix:///nowhere", LIMIT);
                connect(ours.into(), &options, encoding).await
            }
        };
        let mut socket = opened.ok()?;
        assert_eq!(socket.serializer(), encoding.into());
        let mut frames = Vec::new();
        let end = loop {
            match poll_fn(|cx| socket.poll_receive(cx)).await {
                Ok(Incoming::Message(message)) => frames.push(Frame::Message(message.into())),
                Ok(Incoming::Alive | Incoming::Pong) => frames.push(Frame::Alive),
                Ok(Incoming::Closed { .. }) => break End::InOrder,
                Err(TransportError::Lost(_)) => break End::WithinMessage,
                Err(TransportError::Protocol(_)) => break End::Protocol,
                Err(TransportError::TooLarge(_)) => break End::TooLarge,
                Err(TransportError::Message(_)) => break End::NotUtf8,
                Err(error) => panic!("{error}"),
            }
        };
        echo(&mut socket, &frames).await;
        Some((frames, end))
    };
    let (mut ear, mut mouth) = theirs.split();
    let hear = async {
        let mut said = Vec::new();
        // What was not read makes the end an error.
        let _ = ear.read_to_end(&mut said).await;
        said
    };
    let (heard, (), said) = tokio::join!(listen, wire::say(&mut mouth, bytes, size), hear);
    (heard, said)
}

/// Sends all messages back, and a ping before each, as long as the peer takes them.
async fn echo(socket: &mut impl Transport, frames: &[Frame]) {
    for frame in frames {
        let Frame::Message(message) = frame else {
            continue;
        };
        socket.ping(b"?");
        let (batch, mut next) = (wire::batch(message), 0);
        let sent = poll_fn(|cx| socket.poll_send(cx, &batch, &mut next)).await;
        if message.len() > socket.max_send() {
            let (size, limit) = (message.len(), socket.max_send());
            assert_eq!(sent, Err(TransportError::PeerLimit { size, limit }));
            break;
        }
        assert_eq!((sent, next), (Ok(()), 1));
    }
    poll_fn(|cx| socket.poll_close(cx)).await.expect("an end");
}

/// What must come of it all.
struct Expected {
    heard: Heard,
    said: Vec<u8>,
}

impl Expected {
    fn of(side: Side, encoding: Encoding, bytes: &[u8]) -> Expected {
        let serializer = encoding as u8 + 1;
        let (mut said, mut heard) = (Vec::new(), None);
        let ours = [0x7f, ANNOUNCED << 4 | serializer, 0, 0];
        if side == Side::Client {
            said.extend(ours);
        }
        if let Some([0x7f, theirs, reserved @ ..]) = bytes.first_chunk::<4>() {
            let agreed = *reserved == [0, 0] && theirs & 0x0f == serializer;
            if side == Side::Server {
                let refusal = if *reserved == [0, 0] { 0x10 } else { 0x30 };
                said.extend(if agreed { ours } else { [0x7f, refusal, 0, 0] });
            }
            if agreed {
                heard = Some(frames(encoding, &bytes[4..], 512 << (theirs >> 4), &mut said));
            }
        }
        Expected { heard, said }
    }
}

/// What is received, and what is said to it.
fn frames(
    encoding: Encoding,
    mut bytes: &[u8],
    max_send: usize,
    said: &mut Vec<u8>,
) -> (Vec<Frame>, End) {
    let mut frames = Vec::new();
    let end = loop {
        let Some(([kind, size @ ..], rest)) = bytes.split_first_chunk::<4>() else {
            break if bytes.is_empty() { End::InOrder } else { End::WithinMessage };
        };
        let mut size = size.iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
        if kind & 0xf0 != 0 || kind & 7 > 2 || kind & 8 != 0 && size > 0 {
            break End::Protocol;
        }
        if kind & 8 != 0 {
            size = 1 << 24;
        }
        if size > LIMIT {
            break End::TooLarge;
        }
        let Some((payload, rest)) = rest.split_at_checked(size) else {
            break End::WithinMessage;
        };
        bytes = rest;
        match kind & 7 {
            0 if encoding == Encoding::Json && std::str::from_utf8(payload).is_err() => {
                break End::NotUtf8;
            }
            0 => frames.push(Frame::Message(payload.to_vec())),
            // The answer would be larger than the peer takes.
            1 if size > max_send => break End::Protocol,
            kind => {
                if kind == 1 {
                    said.extend([2, 0, (size >> 8) as u8, size as u8]);
                    said.extend(payload);
                }
                frames.push(Frame::Alive);
            }
        }
    };
    for frame in &frames {
        let Frame::Message(message) = frame else {
            continue;
        };
        said.extend(b"\x01\0\0\x01?");
        if message.len() > max_send {
            break;
        }
        said.extend([0, 0, (message.len() >> 8) as u8, message.len() as u8]);
        said.extend(message);
    }
    (frames, end)
}
