//! The place of a router: the URL that a user writes, taken apart once.
//!
//! | URL | is |
//! |---|---|
//! | `ws://host[:port][/path]`, `wss://...` | WebSocket, in clear or over TLS; ports 80 and 443 |
//! | `ws+unix:///path/to.sock[:/path]` | WebSocket over a Unix socket |
//! | `rs://host:port`, `rss://host:port` | RawSocket, in clear or over TLS |
//! | `rs+unix:///path/to.sock` | RawSocket over a Unix socket |
//! | `http://host[:port][/path]`, `https://...` | HTTP long-poll, in clear or over TLS; ports 80 and 443 |

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use http::Uri;

use crate::parts::Part;

/// The place to connect to, and the protocol to talk there. Shows itself as the URL that it was
/// parsed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: String,
    /// The transport.
    pub protocol: Protocol,
    /// The address below the protocol.
    pub address: Address,
}

/// A kind of transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// WebSocket.
    WebSocket {
        /// The path and the query, beginning with a slash.
        path: String,
    },
    /// RawSocket.
    RawSocket,
    /// HTTP long-poll.
    LongPoll {
        /// The path below which the resources are; without a slash at its end, and maybe empty.
        path: String,
    },
}

/// The address that a transport runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// TCP.
    Tcp {
        /// A name or an address, without brackets.
        host: String,
        /// The port.
        port: u16,
        /// With TLS over it.
        secure: bool,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

const SCHEMES: &str = "ws://, wss://, ws+unix://, rs://, rss://, rs+unix://, http:// or https://";

impl Endpoint {
    /// Parses a URL of one of the forms in the module's text.
    pub fn parse(url: &str) -> Result<Endpoint, String> {
        let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        let parsed = match scheme.as_deref() {
            Some("ws+unix") => unix(url, true),
            Some("rs+unix") => unix(url, false),
            _ => tcp(url),
        };
        let built = parsed.and_then(|(protocol, address)| {
            check_built(&protocol, &address).map_err(|why| format!("cannot be used: {why}"))?;
            Ok((protocol, address))
        });
        let (protocol, address) = built.map_err(|why| match url.contains('@') {
            // It may hold a password.
            true => why,
            false => format!("\"{url}\" {why}"),
        })?;
        Ok(Endpoint { url: url.to_owned(), protocol, address })
    }

    /// The URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL with another port.
    pub fn with_port(&self, port: u16) -> String {
        let Address::Tcp { host, secure, .. } = &self.address else {
            return self.url.clone();
        };
        let (scheme, path) = match &self.protocol {
            Protocol::WebSocket { path } => ("ws", path.as_str()),
            Protocol::RawSocket => ("rs", ""),
            Protocol::LongPoll { path } => ("http", path.as_str()),
        };
        let scheme = if *secure { self.secure_scheme() } else { scheme };
        format!("{scheme}://{}:{port}{path}", bracketed(host))
    }

    /// True if the other one is the same place, and the same protocol is spoken there.
    pub fn is_at(&self, other: &Endpoint) -> bool {
        let same = match (&self.address, &other.address) {
            (
                Address::Tcp { host, port, secure },
                Address::Tcp { host: other, port: other_port, secure: other_secure },
            ) => host.eq_ignore_ascii_case(other) && port == other_port && secure == other_secure,
            (one, other) => one == other,
        };
        same && self.protocol == other.protocol
    }

    /// With TLS.
    pub fn is_secure(&self) -> bool {
        matches!(self.address, Address::Tcp { secure: true, .. })
    }

    /// The path that is asked for, with its query.
    pub fn path(&self) -> &str {
        match &self.protocol {
            Protocol::WebSocket { path } | Protocol::LongPoll { path } => path,
            Protocol::RawSocket => "/",
        }
    }

    /// The host as HTTP calls it.
    pub(super) fn host_header(&self) -> String {
        match &self.address {
            Address::Unix(_) => "localhost".to_owned(),
            Address::Tcp { host, port, secure } => {
                // The network interface matters on this machine alone.
                let host = bracketed(host.split('%').next().unwrap_or(host));
                match (secure, port) {
                    (false, 80) | (true, 443) => host,
                    _ => format!("{host}:{port}"),
                }
            }
        }
    }

    /// The scheme of the same transport with TLS.
    pub(super) fn secure_scheme(&self) -> &'static str {
        match &self.protocol {
            Protocol::WebSocket { .. } => "wss",
            Protocol::RawSocket => "rss",
            Protocol::LongPoll { .. } => "https",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// A host as URLs have it.
fn bracketed(host: &str) -> String {
    match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}

/// Refuses what this build has left out.
fn check_built(protocol: &Protocol, address: &Address) -> Result<(), String> {
    if let Protocol::LongPoll { .. } = protocol {
        Part::LongPoll.require()?;
    }
    match address {
        Address::Tcp { secure: true, .. } => Part::Tls.require(),
        Address::Tcp { .. } | Address::Unix(_) => Ok(()),
    }
}

/// Checks what a request is made of.
fn check_text(text: &str) -> Result<(), String> {
    if text.contains(char::is_control) {
        return Err("holds a control character".to_owned());
    }
    // What follows it would be dropped without a word, and it may be the end of a password.
    if text.contains('#') {
        return Err("has a '#', which no request can carry; write %23 for it".to_owned());
    }
    Ok(())
}

fn tcp(url: &str) -> Result<(Protocol, Address), String> {
    check_text(url)?;
    let uri: Uri = url.parse().map_err(|error| {
        let hint = match url.split("://").nth(1).and_then(|rest| rest.split('/').next()) {
            Some(host) if !host.is_ascii() => "; write the host in its form with xn--",
            Some(host) if host.matches(':').count() > 1 => {
                "; an IPv6 address must stand in brackets"
            }
            _ => "",
        };
        format!("is not a URL: {error}{hint}")
    })?;
    let scheme = uri.scheme_str().map(str::to_ascii_lowercase);
    let scheme = scheme.ok_or_else(|| "has no scheme; write ws://host:port/path".to_owned())?;
    let plain = match scheme.as_str() {
        "ws" | "wss" => "ws",
        "rs" | "rss" => "rs",
        "http" | "https" => "http",
        other => return Err(format!("has the scheme \"{other}\"; use {SCHEMES}")),
    };
    let secure = scheme != plain;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        let why = "a URL with a user or a password is not supported";
        return Err(match plain {
            "rs" => why.to_owned(),
            _ => format!("{why}: give the header \"Authorization\" in the option `headers`"),
        });
    }
    let host = uri.host().filter(|host| !host.is_empty()).ok_or("names no host")?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let behind = authority.strip_prefix(host).unwrap_or_default();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match address {
        // What follows a '%' names a network interface.
        Some(address) if address.split('%').next().is_some_and(is_ipv6) => address,
        None if !host.contains(['[', ']']) => host,
        _ => {
            return Err(format!("has the host \"{host}\", which is neither a name nor an address"));
        }
    };
    let host = host.to_owned();
    let port = port(behind)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let usual = (plain != "rs").then_some(if secure { 443 } else { 80 });
    let protocol = match plain {
        "ws" => Protocol::WebSocket { path: rooted(path) },
        "http" if uri.query().is_some() => {
            return Err("has a query, which long-poll cannot keep".to_owned());
        }
        "http" => Protocol::LongPoll { path: ascii(path.trim_end_matches('/')) },
        _ if path != "/" => {
            return Err("has a path; RawSocket has none: write rs://host:port".to_owned());
        }
        _ => Protocol::RawSocket,
    };
    let port = port.or(usual).ok_or("names no port; write rs://host:port")?;
    Ok((protocol, Address::Tcp { host, port, secure }))
}

/// Of what follows a host; `None` where that is nothing, or a mere colon.
fn port(rest: &str) -> Result<Option<u16>, String> {
    match rest.strip_prefix(':').unwrap_or(rest) {
        "" => Ok(None),
        port => match port.parse() {
            Ok(port) => Ok(Some(port)),
            Err(_) => Err(format!("has the port \"{port}\"; a port is a number up to 65535")),
        },
    }
}

fn is_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

fn unix(url: &str, websocket: bool) -> Result<(Protocol, Address), String> {
    let (scheme, example) = match websocket {
        true => ("ws+unix", "ws+unix:///run/router.sock:/ws"),
        false => ("rs+unix", "rs+unix:///run/router.sock"),
    };
    let rest = url[scheme.len()..].strip_prefix("://").filter(|rest| rest.starts_with('/'));
    let rest = rest.ok_or_else(|| format!("names no absolute path; write {example}"))?;
    if rest.contains('\0') {
        return Err("holds a NUL".to_owned());
    }
    if !websocket {
        return Ok((Protocol::RawSocket, Address::Unix(rest.into())));
    }
    let (socket, path) = rest.split_once(':').unwrap_or((rest, "/"));
    check_text(path)?;
    let path: Uri = path.parse().map_err(|_| format!("has no path after ':'; write {example}"))?;
    let path = path.path_and_query().filter(|_| path.scheme().is_none() && path.host().is_none());
    let path = path.ok_or_else(|| format!("has no path after ':'; write {example}"))?;
    Ok((Protocol::WebSocket { path: rooted(path.as_str()) }, Address::Unix(socket.into())))
}

/// A path as a request has it: a URL may do without before its query.
fn rooted(path: &str) -> String {
    match path.starts_with('/') {
        true => ascii(path),
        false => format!("/{}", ascii(path)),
    }
}

/// Other letters than those of ASCII, as requests carry them.
fn ascii(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte.is_ascii() {
            true => escaped.push(byte.into()),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn websocket(path: &str) -> Protocol {
        Protocol::WebSocket { path: path.to_owned() }
    }

    fn longpoll(path: &str) -> Protocol {
        Protocol::LongPoll { path: path.to_owned() }
    }

    fn tcp(host: &str, port: u16, secure: bool) -> Address {
        Address::Tcp { host: host.to_owned(), port, secure }
    }

    #[test]
    fn places_are_compared() {
        let place = |url: &str| Endpoint::parse(url).unwrap();
        for (one, other, is_same) in [
            ("ws://Host/ws", "WS://host:80/ws", true),
            ("ws://host/ws", "ws://host/", false),
            ("ws://host/", "wss://host:80/", false),
            ("rs://host:80", "ws://host:80", false),
            ("rs+unix:///a", "rs+unix:///a", true),
            ("rs+unix:///a", "rs+unix:///A", false),
        ] {
            assert_eq!(place(one).is_at(&place(other)), is_same, "{one} {other}");
        }
    }

    #[test]
    fn urls_are_parsed() {
        for (url, protocol, address) in [
            ("ws://127.0.0.1:8080/ws", websocket("/ws"), tcp("127.0.0.1", 8080, false)),
            ("ws://[::1]/", websocket("/"), tcp("::1", 80, false)),
            ("WS://host", websocket("/"), tcp("host", 80, false)),
            ("ws://host:", websocket("/"), tcp("host", 80, false)),
            ("wss://a.example/ws?a=b", websocket("/ws?a=b"), tcp("a.example", 443, true)),
            ("ws://host?a=b", websocket("/?a=b"), tcp("host", 80, false)),
            ("ws://host/b\u{fc}ro?\u{fc}", websocket("/b%C3%BCro?%C3%BC"), tcp("host", 80, false)),
            ("wss://[2001:db8::1]:8443", websocket("/"), tcp("2001:db8::1", 8443, true)),
            ("rs://host:8081", Protocol::RawSocket, tcp("host", 8081, false)),
            ("rs://[fe80::1%eth0]:8081", Protocol::RawSocket, tcp("fe80::1%eth0", 8081, false)),
            ("rs://host:8081/", Protocol::RawSocket, tcp("host", 8081, false)),
            ("rss://[::1]:8081", Protocol::RawSocket, tcp("::1", 8081, true)),
            ("ws+unix:///a/b.sock", websocket("/"), Address::Unix("/a/b.sock".into())),
            (
                "ws+unix:///a b.sock:/ws?c=d",
                websocket("/ws?c=d"),
                Address::Unix("/a b.sock".into()),
            ),
            ("http://host:8080/lp/", longpoll("/lp"), tcp("host", 8080, false)),
            ("https://host", longpoll(""), tcp("host", 443, true)),
            ("rs+unix:///a/b.sock", Protocol::RawSocket, Address::Unix("/a/b.sock".into())),
            ("rs+unix:///a:b", Protocol::RawSocket, Address::Unix("/a:b".into())),
        ] {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!((&endpoint.protocol, &endpoint.address), (&protocol, &address), "{url}");
            assert_eq!(endpoint.to_string(), url);
        }
        for (url, other) in [
            ("ws://[::1]/ws?a", "ws://[::1]:9/ws?a"),
            ("wss://h:0", "wss://h:9/"),
            ("rs://h:0", "rs://h:9"),
            ("rss://h:0/", "rss://h:9"),
            ("https://h:0/lp", "https://h:9/lp"),
            ("rs+unix:///a", "rs+unix:///a"),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().with_port(9), other);
        }
        let unix = Endpoint::parse("ws+unix:///a.sock:/ws?a=b").unwrap();
        assert_eq!((unix.host_header().as_str(), unix.path()), ("localhost", "/ws?a=b"));
        for (url, host) in [
            ("ws://h/", "h"),
            ("wss://h/", "h"),
            ("ws://h:443/", "h:443"),
            ("wss://[::1]:444/", "[::1]:444"),
            ("ws://[fe80::1%eth0]:81/", "[fe80::1]:81"),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().host_header(), host);
        }
    }

    #[test]
    fn what_is_no_url_is_told() {
        for (bad, told) in [
            ("127.0.0.1:8080", "scheme"),
            ("ftp://host/", "\"ftp\"; use ws://, wss://"),
            ("/path", "no scheme"),
            ("wss://9[2001:db8::1]:8443/", "neither a name nor an address"),
            ("rs://[%1]:1", "neither a name nor an address"),
            ("ws://host/\u{92}", "control character"),
            ("ws://host/a\nb", "control character"),
            ("ws://[127.0.0.1]/", "neither a name nor an address"),
            ("ws://", "not a URL"),
            ("ws://::1:80/", "must stand in brackets"),
            ("ws://b\u{fc}ro.example/", "with xn--"),
            ("", "not a URL"),
            ("wss://user:secret@host/", "Authorization"),
            ("ws://user:secret@ho st/", "not a URL"),
            ("rs://user:secret@host:1", "not supported"),
            ("rs://host", "no port"),
            ("rs://host:", "no port"),
            ("ws://host:99999/", "the port \"99999\""),
            ("https://host:80a/lp", "the port \"80a\""),
            ("rs://host:99999", "the port \"99999\""),
            ("ws://[::1]:99999/", "the port \"99999\""),
            ("ws://user#a:secret@host/", "has a '#'"),
            ("http://host/lp#a", "has a '#'"),
            ("rs://host:1/ws", "has a path"),
            ("rss://host:1?a", "has a path"),
            ("http://host/lp?a", "has a query"),
            ("http://user:secret@host/", "Authorization"),
            ("ws+unix:///a.sock:/\u{92}", "control character"),
            ("ws+unix:///a.sock:/ws#a", "has a '#'"),
            ("ws+unix://relative.sock", "no absolute path; write ws+unix:///"),
            ("rs+unix:relative.sock", "no absolute path; write rs+unix:///"),
            ("ws+unix:///a.sock:", "no path after"),
            ("ws+unix:///a.sock:ws", "no path after"),
            ("ws+unix:///a.sock:a b", "no path after"),
            ("rs+unix:///a\0b", "NUL"),
        ] {
            let error = Endpoint::parse(bad).unwrap_err();
            assert!(error.contains(told), "{bad}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
