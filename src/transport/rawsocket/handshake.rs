//! The four bytes that each side sends first.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{RawSocket, encoding, id};
use crate::codec::Encoding;
use crate::transport::{ConnectError, ConnectOptions, Refusal, Stream, tls};

const MAGIC: u8 = 0x7f;

/// The reasons of a server that refuses, in the upper four bits of its answer.
const UNSUPPORTED_SERIALIZER: u8 = 1;
const BAD_LENGTH: u8 = 2;
const RESERVED_BITS: u8 = 3;

/// The answer to a client for which there is no connection left.
pub const NO_ROOM: [u8; 4] = [MAGIC, 4 << 4, 0, 0];
const TOO_MANY: u8 = 4;

/// Shakes hands with the server at the other end of `stream`.
pub async fn connect(
    mut stream: Stream,
    options: &ConnectOptions,
    wanted: Encoding,
) -> Result<RawSocket, ConnectError> {
    if let Some(keepalive) = options.keepalive {
        stream = keepalive.watch(stream);
    }
    let serializer = id(wanted);
    let hello = [MAGIC, announce(options.max_message_size) << 4 | serializer, 0, 0];
    let answer = match exchange(&mut stream, &hello).await {
        Ok(answer) => answer,
        Err(error) => return Err(failed(&stream, options, &error)),
    };
    match check(&answer, serializer) {
        Ok(max_send) => {
            let socket = RawSocket::new(stream, wanted, options.max_message_size, max_send);
            Ok(RawSocket { pings: options.rawsocket_pings, ..socket })
        }
        Err(no) => {
            let url = options.endpoint.url().to_owned();
            Err(match no {
                No::Refused(refusal) => ConnectError::RawSocketRefused { url, refusal },
                No::Other(_) if stream.hints().tls_alert() => {
                    ConnectError::SpeaksTls { url, scheme: "rss" }
                }
                No::Other(reason) => ConnectError::RawSocket { url, reason: reason.to_owned() },
            })
        }
    }
}

/// Answers the handshake of a client that wants one of `serializers`.
pub async fn accept(
    stream: impl Into<Stream>,
    serializers: &[Encoding],
    max_message_size: usize,
) -> Result<RawSocket, ConnectError> {
    let mut stream = stream.into();
    let url = stream.peer();
    let lost = |error: io::Error| ConnectError::Unreachable {
        url: url.clone(),
        reason: error.to_string(),
    };
    let refused =
        |reason: &str| ConnectError::RawSocket { url: url.clone(), reason: reason.into() };
    let mut hello = [0; 4];
    stream.read_exact(&mut hello[..1]).await.map_err(lost)?;
    if hello[0] != MAGIC {
        return Err(refused("it does not speak RawSocket"));
    }
    stream.read_exact(&mut hello[1..]).await.map_err(lost)?;
    let [_, wanted, reserved @ ..] = hello;
    let serializer = wanted & 0x0f;
    let agreed = encoding(serializer).filter(|encoding| serializers.contains(encoding));
    let (answer, agreed) = if reserved != [0, 0] {
        (RESERVED_BITS << 4, Err("it uses reserved bits"))
    } else {
        match agreed {
            Some(agreed) => (announce(max_message_size) << 4 | serializer, Ok(agreed)),
            None => {
                let why = "it asks for a serializer that is not offered";
                (UNSUPPORTED_SERIALIZER << 4, Err(why))
            }
        }
    };
    stream.write_all(&[MAGIC, answer, 0, 0]).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    let agreed = agreed.map_err(refused)?;
    let mut socket = RawSocket::new(stream, agreed, max_message_size, length(wanted >> 4));
    socket.frames.read_in_turns();
    Ok(socket)
}

/// The largest length that can be announced and is not beyond our limit.
fn announce(max_message_size: usize) -> u8 {
    let exponent = max_message_size.clamp(1 << 9, 1 << 24).ilog2();
    (exponent - 9) as u8
}

fn length(announced: u8) -> usize {
    1 << (9 + u32::from(announced))
}

async fn exchange(stream: &mut Stream, hello: &[u8; 4]) -> io::Result<[u8; 4]> {
    stream.write_all(hello).await?;
    stream.flush().await?;
    let mut answer = [0; 4];
    // Who does not speak RawSocket is known by its first byte, and may not send four.
    stream.read_exact(&mut answer[..1]).await?;
    if answer[0] == MAGIC {
        stream.read_exact(&mut answer[1..]).await?;
    }
    Ok(answer)
}

/// The fault in a server's answer.
enum No {
    Refused(Refusal),
    Other(&'static str),
}

/// The largest message that the server accepts.
fn check(answer: &[u8; 4], serializer: u8) -> Result<usize, No> {
    let [magic, accepted, reserved @ ..] = *answer;
    if magic != MAGIC {
        let text = "its answer is not a RawSocket handshake; is another service there? (WebSocket \
                    uses ws:// and wss://)";
        return Err(No::Other(text));
    }
    let upper = accepted >> 4;
    match accepted & 0x0f {
        0 => Err(No::Refused(match upper {
            UNSUPPORTED_SERIALIZER => Refusal::Serializer,
            BAD_LENGTH => Refusal::Length,
            RESERVED_BITS => Refusal::ReservedBits,
            TOO_MANY => Refusal::TooMany,
            code => Refusal::Unknown(code),
        })),
        _ if reserved != [0, 0] => Err(No::Other("its answer uses reserved bits")),
        agreed if agreed == serializer => Ok(length(upper)),
        _ => Err(No::Other("its answer names another serializer than the one we asked for")),
    }
}

fn failed(stream: &Stream, options: &ConnectOptions, error: &io::Error) -> ConnectError {
    let url = options.endpoint.url().to_owned();
    if let Some(error) = tls::explain(error, stream.hints().certificate) {
        return ConnectError::Tls { url, error };
    }
    let reason = match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            "it closed the connection instead of answering; is that its RawSocket port, without \
             TLS for rs:// and with TLS for rss://, and does it offer our serializer there?"
                .to_owned()
        }
        _ => error.to_string(),
    };
    ConnectError::Unreachable { url, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_announced_than_is_accepted() {
        for (limit, announced) in [
            (0, 512),
            (512, 512),
            (1024, 1024),
            (1025, 1024),
            (65_535, 32_768),
            (16 << 20, 16 << 20),
            (1 << 30, 16 << 20),
        ] {
            assert_eq!(length(announce(limit)), announced, "{limit}");
        }
    }
}
