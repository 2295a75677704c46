//! HTTP proxies: CONNECT (RFC 9110, 9.3.6), with basic authentication.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::{ProxyCredentials, ProxyError};

/// More than any proxy has to say.
const MAX_HEAD: usize = 16 * 1024;

pub(super) async fn connect(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    host: &str,
    port: u16,
    credentials: Option<&ProxyCredentials>,
) -> Result<(), ProxyError> {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    // Once with room for all, so that growing leaves no copy of the login behind.
    let room = 2 * host.len() + 2 * credentials.map_or(0, ProxyCredentials::len) + 128;
    let mut request = Zeroizing::new(String::with_capacity(room));
    request.push_str(&format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n"));
    if let Some(ProxyCredentials { user, password }) = credentials {
        let pair = Zeroizing::new(format!("{user}:{}", password.as_str()));
        let pair = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&pair);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;

    let head = head(stream).await?;
    let status = status(&head)?;
    match status {
        200..=299 => Ok(()),
        407 if !takes_basic(&head) => Err(refused(
            status,
            "it requires another scheme than \"Basic\", which is the only one supported here",
        )),
        407 if credentials.is_some() => Err(ProxyError::Login("our user and password")),
        407 => Err(ProxyError::Login("connections without user and password")),
        403 => Err(refused(status, "it does not allow this host or port")),
        502..=504 => Err(refused(status, "it cannot reach the router itself")),
        _ => Err(refused(status, "does it support CONNECT?")),
    }
}

/// Unless it says otherwise, a proxy that wants a login takes it by `Basic`.
fn takes_basic(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut ways = head.lines().filter_map(|line| line.strip_prefix("proxy-authenticate:"));
    let first = ways.next();
    first.is_none_or(|first| std::iter::once(first).chain(ways).any(|way| way.contains("basic")))
}

fn refused(status: u16, hint: &str) -> ProxyError {
    ProxyError::Refused(format!("HTTP {status}; {hint}"))
}

/// The head of the answer. Nothing may follow it: the router speaks when it was spoken to.
async fn head(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<Vec<u8>, ProxyError> {
    let mut head = Vec::with_capacity(1024);
    let mut skipped = 0;
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        // It may say that it is at work.
        while let Some(end) = end_of(&head)
            && matches!(status(&head[..end]), Ok(100..=199))
        {
            head.drain(..end);
            skipped += end;
        }
        if !head.starts_with(&b"HTTP/1."[..head.len().min(7)]) {
            return Err(ProxyError::NoProxy("its answer is not HTTP".to_owned()));
        }
        match end_of(&head) {
            Some(end) if end == head.len() => return Ok(head),
            // A refusal may have a page with it.
            Some(end) if !matches!(status(&head[..end]), Ok(200..=299)) => {
                head.truncate(end);
                return Ok(head);
            }
            Some(_) => {
                return Err(ProxyError::NoProxy("it sent more than its answer".to_owned()));
            }
            None if skipped + head.len() > MAX_HEAD => {
                return Err(ProxyError::NoProxy("its answer does not end".to_owned()));
            }
            None => {}
        }
    }
}

fn end_of(head: &[u8]) -> Option<usize> {
    head.windows(4).position(|part| part == b"\r\n\r\n").map(|end| end + 4)
}

fn status(head: &[u8]) -> Result<u16, ProxyError> {
    let digits = head.get(8..13).filter(|part| part[0] == b' ' && matches!(part[4], b' ' | b'\r'));
    let digits = digits.and_then(|part| std::str::from_utf8(&part[1..4]).ok());
    digits
        .and_then(|digits| digits.parse().ok())
        .filter(|status| (100..600).contains(status))
        .ok_or_else(|| ProxyError::NoProxy("its answer has no HTTP status".to_owned()))
}
