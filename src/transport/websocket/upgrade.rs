//! The client's request for an upgrade and the head of the answer, as they stand on the wire.
//!
//! Neither has a body, and after them the connection is HTTP no more: so it takes one write and a
//! parser of heads, which is hyper's own.

use std::future::poll_fn;
use std::io;

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::transport::http::{MAX_HEAD, NoAnswer};
use crate::transport::recv_buffer::RecvBuffer;

/// The number of headers that an answer may have.
const MAX_HEADERS: usize = 100;

/// The head of an answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
}

/// Sends a request; returns the head of the answer, and what has been read behind it.
pub(super) async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    path: &str,
    headers: &HeaderMap,
) -> Result<(Answer, RecvBuffer), NoAnswer<io::Error>> {
    stream.write_all(&request(path, headers)).await.map_err(NoAnswer::Io)?;
    stream.flush().await.map_err(NoAnswer::Io)?;
    let mut buffer = RecvBuffer::default();
    let mut seen = 0;
    loop {
        // Looked at anew only where its end may be there, as each piece of it may be one byte.
        let is_there = seen == 0 || has_end(&buffer.bytes()[usize::saturating_sub(seen, 3)..]);
        match if is_there { take_head(&mut buffer)? } else { None } {
            Some(answer) if is_final(answer.status) => return Ok((answer, buffer)),
            Some(_) => {
                seen = 0;
                continue;
            }
            None => seen = buffer.bytes().len(),
        }
        if seen >= MAX_HEAD {
            return Err(NoAnswer::Broken("the head of the answer is too large".to_owned()));
        }
        let read = poll_fn(|cx| buffer.poll_fill(cx, stream, 0)).await;
        if read.map_err(NoAnswer::Io)? == 0 {
            return Err(NoAnswer::Closed);
        }
    }
}

/// The head of a request, in which names are written as they are in books: some servers want that.
fn request(path: &str, headers: &HeaderMap) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    head.extend_from_slice(b"GET ");
    head.extend_from_slice(path.as_bytes());
    head.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in headers {
        let mut before = b'-';
        for byte in name.as_str().bytes() {
            head.push(if before == b'-' { byte.to_ascii_uppercase() } else { byte });
            before = byte;
        }
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Takes the head of an answer out, if it is there as a whole.
fn take_head(buffer: &mut RecvBuffer) -> Result<Option<Answer>, NoAnswer<io::Error>> {
    let broken = |why: String| NoAnswer::Broken(why);
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let size = match parsed.parse(buffer.bytes()).map_err(|error| broken(error.to_string()))? {
        httparse::Status::Complete(size) => size,
        httparse::Status::Partial => return Ok(None),
    };
    let status = StatusCode::from_u16(parsed.code.unwrap_or_default());
    let status = status.map_err(|error| broken(error.to_string()))?;
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for header in parsed.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let value = HeaderValue::from_bytes(header.value);
        let name = name.map_err(|error| broken(error.to_string()))?;
        headers.append(name, value.map_err(|error| broken(error.to_string()))?);
    }
    buffer.take(size, 0);
    Ok(Some(Answer { status, headers }))
}

/// False for what only says that an answer will come.
fn is_final(status: StatusCode) -> bool {
    !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS
}

fn has_end(bytes: &[u8]) -> bool {
    let ends = |at: usize| matches!(bytes[at..], [b'\n', b'\n', ..] | [b'\n', b'\r', b'\n', ..]);
    (0..bytes.len()).any(ends)
}

#[cfg(test)]
mod tests {
    use http::header::{COOKIE, HOST, SET_COOKIE};
    use tokio::io::{AsyncReadExt, duplex};

    use super::*;

    /// The outcome when the server sends this, in pieces of `size` bytes, and closes.
    async fn asked(
        answer: &[u8],
        size: usize,
    ) -> Result<(Answer, RecvBuffer), NoAnswer<io::Error>> {
        let (mut ours, mut theirs) = duplex(100_000);
        let server = async move {
            let mut request = vec![0; 64];
            let size_of_request = theirs.read(&mut request).await.unwrap();
            assert_eq!(&request[..size_of_request], b"GET /ws?a HTTP/1.1\r\nHost: a\r\n\r\n");
            for piece in answer.chunks(size) {
                if theirs.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("a"));
        tokio::join!(ask(&mut ours, "/ws?a", &headers), server).0
    }

    #[tokio::test]
    async fn an_answer_in_pieces_and_what_follows_it() {
        let all = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\
                    set-cookie: a=b\r\nSet-Cookie: c=\xff\r\n\r\n\x81\x01x";
        for size in 1..all.len() + 1 {
            let (answer, rest) = asked(all, size).await.ok().unwrap();
            assert_eq!(answer.status, StatusCode::SWITCHING_PROTOCOLS);
            let cookies: Vec<_> = answer.headers.get_all(SET_COOKIE).into_iter().collect();
            assert_eq!(cookies, ["a=b".as_bytes(), b"c=\xff"]);
            assert!(b"\x81\x01x".starts_with(rest.bytes()), "{size}");
        }
        let (answer, _) = asked(b"HTTP/1.0 404 Not Found\n\n", 100).await.ok().unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn what_is_no_answer() {
        for size in [1, 1000] {
            for broken in
                [&b"SSH-2.0-x\r\n\r\n"[..], b"HTTP/1.1 99\r\n\r\n", b"HTTP/1.1 200\r\na b\r\n\r\n"]
            {
                let told = asked(broken, size).await.err();
                assert!(matches!(told, Some(NoAnswer::Broken(_))), "{broken:?}");
            }
            for cut in [&b""[..], b"HTTP/1.1 101 x\r\n", b"HTTP/1.1 100 x\r\n\r\n"] {
                let told = asked(cut, size).await.err();
                assert!(matches!(told, Some(NoAnswer::Closed)), "{cut:?}");
            }
        }
        let mut endless = b"HTTP/1.1 101 x\r\n".to_vec();
        endless.extend(b"a: b\r\n".repeat(50));
        endless.extend(std::iter::repeat_n(b'c', 2 * MAX_HEAD));
        let told = asked(&endless, 1000).await.err();
        assert!(matches!(told, Some(NoAnswer::Broken(why)) if why.contains("large")));
    }

    #[test]
    fn names_are_written_as_in_books() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=b"));
        headers.append("sec-websocket-key", HeaderValue::from_static("x"));
        let text = request("/", &headers);
        assert_eq!(text, b"GET / HTTP/1.1\r\nCookie: a=b\r\nSec-Websocket-Key: x\r\n\r\n");
    }
}
