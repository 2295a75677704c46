//! WebSocket: both sides' handshakes, and the frames after them. However these come in pieces, they
//! are understood in the one way that a plain reading of the bytes gives (`model`), and what our own
//! side says can be read in the same way.

mod model;

use std::future::poll_fn;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest, Sha1};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use wamp::codec::Encoding;
use wamp::transport::websocket::{WebSocket, accept, connect};
use wamp::transport::{
    ConnectError, DeflateOptions, Incoming, Jar, SEPARATOR, Serializer, Transport, TransportError,
};

use super::wire;
use model::{End, Frame, Terms};

/// The largest message that we take.
const LIMIT: usize = 1000;

/// What stands for the right `Sec-WebSocket-Accept` in what a server answers.
const ACCEPT: &[u8] = b"{accept}";

/// How much is heard before somebody may stop listening.
const MOST: u64 = 64 * 1024;

/// The first byte is the serializer, who we are, compression, and whether the rest, which the peer
/// says, has the peer's handshake in it. The second is the size of pieces.
pub fn run(data: &[u8]) {
    let [first, size, bytes @ ..] = data else {
        return;
    };
    let serializer = Serializer::ALL[usize::from(first % 6)];
    let side = if first / 6 % 2 == 0 { Side::Client } else { Side::Server };
    let ours = Ours { side, serializer, deflate: deflate(first / 12 % 3) };
    if first / 36 % 2 == 1 {
        return handshake(&ours, bytes, *size);
    }
    let terms = Terms {
        serializer,
        masked: side == Side::Server,
        deflate: ours.deflate.as_ref().map(|options| options.server_no_context_takeover),
    };
    let (expected, end, code) = model::read(terms, bytes);
    let (outcome, said) = wire::block_on(converse(&ours, ours.opening().as_slice(), bytes, *size));
    let (heard, ended) = outcome.expect("a connection");
    let is_inflating = terms.deflate.is_some();
    assert_eq!(heard, expected.iter().map(Heard::from).collect::<Vec<_>>());
    match (&ended, &end) {
        // Which of them is told depends on how far it is decompressed at once.
        (End::Protocol | End::TooLarge, End::Protocol | End::TooLarge) if is_inflating => {}
        _ => assert_eq!(ended, end),
    }
    let said = after_head(&said).expect("a handshake");
    let told = ours.told(said);
    let mut answers = ours.answers(&expected);
    match (told.last(), &end) {
        (Some(Told::Close(_)), End::Protocol | End::TooLarge) if is_inflating => {
            answers.extend(told.last().cloned());
        }
        _ => answers.push(Told::Close((code > 0).then_some(code))),
    }
    assert_eq!(told, answers);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// How we speak.
struct Ours {
    side: Side,
    serializer: Serializer,
    deflate: Option<DeflateOptions>,
}

/// With the thinnest windows, or the widest.
fn deflate(way: u8) -> Option<DeflateOptions> {
    let all = DeflateOptions { threshold: 0, level: 1, ..DeflateOptions::default() };
    match way {
        0 => None,
        1 => Some(all),
        _ => Some(DeflateOptions {
            client_no_context_takeover: true,
            server_no_context_takeover: true,
            client_max_window_bits: 9,
            server_max_window_bits: 9,
            ..all
        }),
    }
}

/// What was received.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Message(Vec<u8>),
    Alive,
}

impl From<&Frame> for Heard {
    fn from(frame: &Frame) -> Heard {
        match frame {
            Frame::Message(message, _) => Heard::Message(message.clone()),
            Frame::Ping(_) | Frame::Alive => Heard::Alive,
        }
    }
}

type Outcome = Result<(Vec<Heard>, End), ConnectError>;

impl Ours {
    /// A good handshake of the peer.
    fn opening(&self) -> Vec<u8> {
        let name = self.serializer.subprotocol();
        let extension = match &self.deflate {
            None => "",
            Some(options) if options.server_no_context_takeover => {
                "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; \
                 server_no_context_takeover; client_max_window_bits=9; \
                 server_max_window_bits=9\r\n"
            }
            Some(_) => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        };
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
        let head = match self.side {
            Side::Client => {
                format!("HTTP/1.1 101 Yes\r\n{upgrade}Sec-WebSocket-Accept: {{accept}}\r\n")
            }
            Side::Server => format!(
                "GET / HTTP/1.1\r\nHost: a\r\n{upgrade}Sec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            ),
        };
        format!("{head}Sec-WebSocket-Protocol: {name}\r\n{extension}\r\n").into_bytes()
    }

    async fn open(&self, stream: UnixStream) -> Result<WebSocket, ConnectError> {
        if self.side == Side::Server {
            return accept(stream, Some("/"), LIMIT, self.deflate.as_ref()).await;
        }
        let mut options = wire::connect_options("ws+unix:///nowhere", LIMIT);
        options.serializers = vec![self.serializer];
        options.deflate = self.deflate;
        options.cookies = Some(Arc::new(Jar::default()));
        connect(stream.into(), &options).await
    }

    /// What we say to what we have heard, but for the close.
    fn answers(&self, heard: &[Frame]) -> Vec<Told> {
        let answer = |frame: &Frame| match frame {
            Frame::Message(message, by) => {
                // A server speaks as its client does.
                let by = if self.side == Side::Server { *by } else { SEPARATOR };
                Some(Told::Message(message.clone(), by))
            }
            Frame::Ping(payload) => Some(Told::Pong(payload.clone())),
            Frame::Alive => None,
        };
        heard.iter().filter_map(answer).collect()
    }

    /// What our own side has said.
    fn told(&self, mut bytes: &[u8]) -> Vec<Told> {
        let is_masked = self.side == Side::Client;
        let mut pongs = Vec::new();
        // Pongs carry what is compared here and not there.
        let mut messages = Vec::new();
        let begin = bytes;
        let (mut order, mut close) = (Vec::new(), None);
        while let [first, second, rest @ ..] = bytes {
            assert_eq!((second & 0x80 != 0, first & 0xb0), (is_masked, 0x80), "a whole frame");
            let (size, rest) = match second & 0x7f {
                126 => (usize::from(rest[0]) << 8 | usize::from(rest[1]), &rest[2..]),
                127 => panic!("more than was ever heard"),
                size => (usize::from(size), rest),
            };
            let (mask, rest) = match is_masked {
                true => rest.split_at(4),
                false => (&[0; 4][..], rest),
            };
            let (payload, rest) = rest.split_at(size);
            let unmasked = || payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b).collect();
            match first & 0xf {
                8 => {
                    let payload: Vec<u8> = unmasked();
                    assert!(rest.is_empty(), "something behind the close");
                    assert!(matches!(payload.len(), 0 | 2));
                    let code = |two: &[u8; 2]| u16::from_be_bytes(*two);
                    close = Some(Told::Close(payload.first_chunk().map(code)));
                }
                10 => {
                    order.push(false);
                    pongs.push(Told::Pong(unmasked()));
                }
                _ => {
                    order.push(true);
                    messages.extend_from_slice(&bytes[..bytes.len() - rest.len()]);
                }
            }
            bytes = rest;
        }
        assert!(bytes.is_empty(), "half a frame of {begin:?}");
        let terms = Terms {
            serializer: self.serializer,
            masked: is_masked,
            deflate: self.deflate.as_ref().map(|_| false),
        };
        let (messages, end, _) = model::read(terms, &messages);
        assert_eq!(end, End::Lost, "what we say is in order");
        let (mut messages, mut pongs) = (messages.into_iter(), pongs.into_iter());
        let mut told: Vec<Told> = order
            .into_iter()
            .map(|is_message| match is_message {
                true => match messages.next() {
                    Some(Frame::Message(message, by)) => Told::Message(message, by),
                    other => panic!("{other:?}"),
                },
                false => pongs.next().expect("a pong"),
            })
            .collect();
        assert_eq!(messages.next(), None);
        told.extend(close);
        told
    }
}

/// What one side says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Message(Vec<u8>, u8),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

/// The peer says it all, the handshake too.
fn handshake(ours: &Ours, bytes: &[u8], size: u8) {
    let (outcome, said) = wire::block_on(converse(ours, bytes, b"", size));
    match (ours.side, outcome.is_ok()) {
        (Side::Client, true) => {
            let is_there = bytes.windows(ACCEPT.len()).any(|part| part == ACCEPT);
            assert!(is_there, "a server that has not seen the key");
            assert!(bytes.trim_ascii_start().starts_with(b"HTTP/1."));
        }
        (Side::Server, true) => {
            assert!(said.starts_with(b"HTTP/1.1 101 "));
            assert!(bytes.trim_ascii_start().starts_with(b"GET "));
        }
        (_, false) => {}
    }
    if ours.side == Side::Client {
        assert!(said.starts_with(b"GET / HTTP/1.1\r\n"), "our request");
    }
}

/// The peer says `head`, with [`ACCEPT`] in it replaced, and then `bytes`; we send every message
/// back.
async fn converse(ours: &Ours, head: &[u8], bytes: &[u8], size: u8) -> (Outcome, Vec<u8>) {
    let (stream, mut theirs) = UnixStream::pair().expect("a pair of sockets");
    let talk = async {
        let mut socket = ours.open(stream).await?;
        if ours.side == Side::Client {
            assert_eq!(socket.serializer(), ours.serializer);
        }
        let heard = hear(&mut socket).await;
        // The peer may be gone.
        let _ = poll_fn(|cx| socket.poll_close(cx)).await;
        Ok(heard)
    };
    let peer = async {
        let mut said = Vec::new();
        if ours.side == Side::Client {
            while after_head(&said).is_none() {
                if theirs.read_buf(&mut said).await.unwrap_or(0) == 0 {
                    break;
                }
            }
        }
        let mut all = wire::replaced(head, ACCEPT, accept_key(&said).as_bytes());
        all.extend_from_slice(bytes);
        let (mut ear, mut mouth) = theirs.split();
        let speak = wire::say(&mut mouth, &all, size);
        let listen = async {
            // What was not read makes the end an error.
            let _ = (&mut ear).take(MOST).read_to_end(&mut said).await;
            said
        };
        tokio::join!(speak, listen).1
    };
    tokio::join!(talk, peer)
}

/// What is received up to the end, and sent back.
async fn hear(socket: &mut WebSocket) -> (Vec<Heard>, End) {
    let mut heard = Vec::new();
    let end = loop {
        match poll_fn(|cx| socket.poll_receive(cx)).await {
            Ok(Incoming::Message(message)) => {
                assert!(message.len() <= LIMIT, "{} bytes", message.len());
                if socket.serializer().encoding == Encoding::Json {
                    assert!(std::str::from_utf8(&message).is_ok());
                }
                let (batch, mut next) = (wire::batch(&message), 0);
                let sent = poll_fn(|cx| socket.poll_send(cx, &batch, &mut next)).await;
                heard.push(Heard::Message(message.into()));
                if sent.is_err() {
                    break End::Lost;
                }
            }
            Ok(Incoming::Alive | Incoming::Pong) => heard.push(Heard::Alive),
            Ok(Incoming::Closed { code, reason }) => break End::Closed(code, reason),
            Err(TransportError::Lost(_)) => break End::Lost,
            Err(TransportError::Protocol(_)) => break End::Protocol,
            Err(TransportError::TooLarge(_)) => break End::TooLarge,
            Err(TransportError::Message(_)) => break End::Message,
            Err(error) => panic!("{error}"),
        }
    };
    (heard, end)
}

fn after_head(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
    Some(&bytes[end + 4..])
}

/// What answers the key of a request.
fn accept_key(request: &[u8]) -> String {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let request = String::from_utf8_lossy(request);
    let mut lines = request.lines().filter_map(|line| line.split_once(": "));
    let key = lines.find(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Key"));
    let key = key.map_or("", |(_, key)| key);
    BASE64.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}
