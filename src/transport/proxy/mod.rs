//! Proxies on the way to a router: HTTP (CONNECT) and SOCKS 5. They look names up themselves.
//!
//! * `choice`: which proxy to use, if any: what the application says, or the environment.
//! * `http`, `socks`: how each is asked for a connection.
//!
//! Users and passwords are never shown: a proxy shows itself without.

mod choice;
mod http;
mod socks;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

use super::dial;
use super::socket::Socket;

pub use choice::{Environment, ProxyChoice};

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    credentials: Option<ProxyCredentials>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Socks5,
}

#[derive(Clone, PartialEq, Eq)]
struct ProxyCredentials {
    user: String,
    password: Zeroizing<String>,
}

/// The reason why a proxy did not make a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// No connection to the proxy itself, or it was lost.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It wants to know who we are, or does not believe it.
    #[error("it does not accept {0}; give them as user:password@ in its URL")]
    Login(&'static str),
    /// It does not make this connection.
    #[error("it did not connect to the router: {0}")]
    Refused(String),
    /// A server is there that is no proxy of this kind.
    #[error("it does not answer as a proxy of this kind ({0}); is its URL right?")]
    NoProxy(String),
}

impl From<io::Error> for ProxyError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                ProxyError::Unreachable("it closed the connection instead of answering".to_owned())
            }
            _ => ProxyError::Unreachable(error.to_string()),
        }
    }
}

impl Proxy {
    /// Parses `http://[user:password@]host[:port]` or `socks5://...` (`socks5h://` is the same).
    /// Errors do not repeat it.
    pub fn parse(url: &str) -> Result<Proxy, String> {
        let example = "write http://host:port or socks5://host:port";
        let (kind, usual, rest) = match url.split_once("://") {
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "http" => (Kind::Http, 80, rest),
                "socks5" | "socks5h" => (Kind::Socks5, 1080, rest),
                _ => return Err(format!("a proxy of this scheme is not supported; {example}")),
            },
            // The environment often names a host and a port alone.
            None => (Kind::Http, 80, url),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', ' ', '\r', '\n', '\0']) {
            return Err(format!(
                "a proxy has neither path nor query; {example} (in a password, / is %2F, ? is %3F \
                 and # is %23)"
            ));
        }
        let (credentials, host) = match authority.rsplit_once('@') {
            Some((credentials, host)) => (Some(ProxyCredentials::parse(credentials)?), host),
            None => (None, authority),
        };
        let wrong = || format!("this is not a host with a port; {example}");
        let (host, port) = match host.strip_prefix('[') {
            Some(host) => {
                let (host, port) = host.split_once(']').ok_or_else(wrong)?;
                (host, port.strip_prefix(':').or(port.is_empty().then_some("")))
            }
            None => match host.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (host, Some("")),
            },
        };
        let port = match port.ok_or_else(wrong)? {
            "" => usual,
            port => port.parse().map_err(|_| wrong())?,
        };
        if host.is_empty() || host.contains(['[', ']']) {
            return Err(wrong());
        }
        if let Some(credentials) = &credentials
            && kind == Kind::Socks5
            && (credentials.user.len() > 255 || credentials.password.len() > 255)
        {
            return Err("SOCKS takes users and passwords of at most 255 bytes".to_owned());
        }
        Ok(Proxy { kind, host: host.to_owned(), port, credentials })
    }

    /// Has the proxy connect to `host` (without brackets) and `port`.
    pub(super) async fn dial(&self, host: &str, port: u16) -> Result<Socket, ProxyError> {
        let mut tcp = dial::tcp(&self.host, self.port).await?;
        self.ask(&mut tcp, host, port).await?;
        Ok(tcp)
    }

    /// The same over a connection to the proxy that there is already. Public for the fuzz targets,
    /// which have no network.
    #[doc(hidden)]
    pub async fn ask(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        host: &str,
        port: u16,
    ) -> Result<(), ProxyError> {
        let credentials = self.credentials.as_ref();
        match self.kind {
            Kind::Http => http::connect(stream, host, port, credentials).await,
            Kind::Socks5 => socks::connect(stream, host, port, credentials).await,
        }
    }
}

impl ProxyCredentials {
    fn parse(text: &str) -> Result<ProxyCredentials, String> {
        let wrong = || "the user or password of the proxy is not well-formed".to_owned();
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let user = unescape(user).filter(|user| !user.is_empty() && !user.contains(':'));
        let password = unescape(password).ok_or_else(wrong)?;
        Ok(ProxyCredentials { user: user.ok_or_else(wrong)?, password: Zeroizing::new(password) })
    }

    fn len(&self) -> usize {
        self.user.len() + self.password.len()
    }
}

/// Replaces `%40` and the like.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let (&[high, low], after) = rest.split_first_chunk()?;
        bytes.push(digit(high)? << 4 | digit(low)?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::Http => "http",
            Kind::Socks5 => "socks5",
        };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = if self.credentials.is_some() { " with a login" } else { "" };
        write!(f, "{self}{credentials}")
    }
}
