//! The words for a connection that is turned away before its handshakes: each protocol has its own.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::transport::{Stream, rawsocket};

use super::gate::Full;
use super::greeting::{Greeting, ListenerKind};

/// The time that all this may take.
const LIMIT: Duration = Duration::from_secs(1);

/// Tells a client that there is no room for it, and why.
pub(super) async fn tell(stream: Stream, greeting: &Greeting, why: Full) {
    let told = async {
        let Ok(mut stream) = greeting.secure(stream).await else {
            return;
        };
        let words = match greeting.kind {
            ListenerKind::RawSocket => rawsocket::NO_ROOM.to_vec(),
            _ => http(why).into_bytes(),
        };
        if stream.write_all(&words).await.is_err() || stream.shutdown().await.is_err() {
            return;
        }
        // With what it has said unread, the system would take the words back.
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await.is_ok_and(|size| size > 0) {}
    };
    let _ = timeout(LIMIT, told).await;
}

fn http(why: Full) -> String {
    let body = format!("{why}\n");
    let size = body.len();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: {size}\r\n\
         Retry-After: 5\r\nConnection: close\r\n\r\n{body}"
    )
}
