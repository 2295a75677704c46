//! The other end of a connection, which says what the fuzzer wants.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

use wamp::codec::{Batch, Encoding, Outbox, Rules};
use wamp::transport::{ConnectOptions, Endpoint, ProxyChoice, SEPARATOR, Serializer, TlsOptions};

/// What ends a message in a batch of JSON.
const SEPARATORS: [u8; 2] = [0x1e, 0x18];

thread_local! {
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_all().build().expect("a runtime");
}

/// Runs a conversation to its end.
pub fn block_on<T>(conversation: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(conversation))
}

/// Says all of `bytes` in pieces whose size `size` tells, and then nothing more.
pub async fn say(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8], size: u8) {
    for piece in bytes.chunks(usize::from(size % 64) + 1) {
        // Who has heard enough hangs up.
        if stream.write_all(piece).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
    let _ = stream.shutdown().await;
}

/// What a client connects to, without anything special.
pub fn connect_options(url: &str, max_message_size: usize) -> ConnectOptions {
    ConnectOptions {
        endpoint: Endpoint::parse(url).expect("a URL"),
        serializers: Vec::new(),
        json_batch_separator: SEPARATOR,
        headers: Vec::new(),
        cookies: None,
        deflate: None,
        max_message_size,
        tls: Arc::new(TlsOptions::default()),
        proxy: ProxyChoice::Direct,
        connect_timeout: Duration::from_secs(30),
        keepalive: None,
        rawsocket_pings: false,
    }
}

/// A message, whatever it is, to be sent.
pub fn batch(message: &[u8]) -> Batch {
    let mut outbox = Outbox::new(Encoding::Json, Rules::Strict);
    outbox.push(usize::MAX, |out| out.whole(message)).expect("a message");
    outbox.take()
}

/// The messages of a unit, each with what ended it, up to a mistake; false if there is one.
pub fn unbatched(serializer: Serializer, unit: Vec<u8>) -> (Vec<(Vec<u8>, u8)>, bool) {
    let mut messages = Vec::new();
    if !serializer.batched {
        messages.push((unit, SEPARATORS[0]));
        return (messages, true);
    }
    let mut rest = VecDeque::from(unit);
    let mut whole = !rest.is_empty();
    while whole && !rest.is_empty() {
        let (head, size, by) = match serializer.encoding {
            Encoding::Json => {
                let size = rest.iter().position(|byte| SEPARATORS.contains(byte));
                let Some(size) = size else {
                    return (messages, false);
                };
                (0, size, Some(rest[size]))
            }
            Encoding::MsgPack | Encoding::Cbor => {
                let size = rest.iter().take(4).fold(0, |size, byte| size << 8 | usize::from(*byte));
                (4, size, None)
            }
        };
        whole = size > 0 && rest.len() >= head + size;
        if whole {
            rest.drain(..head);
            messages.push((rest.drain(..size).collect(), by.unwrap_or(SEPARATORS[0])));
            rest.drain(..by.iter().len());
        }
    }
    (messages, whole)
}

/// The bytes, with `by` in place of `what`.
pub fn replaced(bytes: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(what.len()).position(|part| part == what) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(by);
        rest = &rest[at + what.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}
