//! Browsers: which pages may reach the router, by the Host and Origin of a request.
//!
//! A browser lets any page connect to any WebSocket, and says by `Origin` whose page it is. So that
//! one does not speak with a router that was not meant for it, the page must come from the
//! router's own host, or be listed. A listener on a loopback address is for the programs and pages
//! of this machine: there Host must be a loopback name, too, since a stranger's name may lead to
//! 127.0.0.1 by the time that its page connects ("DNS rebinding"). Programs send no Origin, and
//! are not concerned.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::header::{HOST, HeaderMap, HeaderValue, ORIGIN};
use serde_json::Value;

use super::mistake::Mistake;

/// The pages that are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct AllowedOrigins(Vec<Allowed>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Allowed {
    /// Every page.
    Any,
    /// `null`, which files and sandboxed frames have.
    Null,
    Page(Page),
}

/// The origin of a page, or a pattern for it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Page {
    scheme: String,
    /// In lower case. Of a pattern what follows the `*`, with its dot.
    host: String,
    any_subdomain: bool,
    port: Option<u16>,
}

impl AllowedOrigins {
    /// Reads a list such as `["https://app.example.com", "https://*.example.com", "null", "*"]`.
    pub(super) fn parse(value: &Value) -> Result<AllowedOrigins, Mistake> {
        let wanted = "must be a list of origins, such as \"https://app.example.com\", \
                      \"https://*.example.com\", \"null\" or \"*\"";
        let list = value.as_array().ok_or_else(|| Mistake::from(wanted))?;
        let allowed = list.iter().enumerate().map(|(index, value)| {
            let allowed = value.as_str().and_then(Allowed::parse);
            allowed.ok_or_else(|| Mistake::from(wanted).at(index))
        });
        allowed.collect::<Result<_, _>>().map(AllowedOrigins)
    }

    /// True if the page is listed.
    fn allows(&self, origin: &str) -> bool {
        let page = Page::parse(origin);
        self.0.iter().any(|allowed| match allowed {
            Allowed::Any => true,
            Allowed::Null => origin == "null",
            Allowed::Page(listed) => page.as_ref().is_some_and(|page| listed.matches(page)),
        })
    }

    /// True if some page of this host is listed, whatever its port.
    fn names(&self, host: &str) -> bool {
        self.0.iter().any(|allowed| match allowed {
            Allowed::Any => true,
            Allowed::Null => false,
            Allowed::Page(listed) => listed.has_host(host),
        })
    }

    /// Says why a request is refused. `is_loopback`: it has come to a loopback address.
    pub(super) fn check(&self, headers: &HeaderMap, is_loopback: bool) -> Result<(), String> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let host = text(HOST).map(|host| host_of(host).to_ascii_lowercase());
        if is_loopback
            && let Some(host) = &host
            && !is_loopback_name(host)
            && !self.names(host)
        {
            return Err(format!(
                "this router listens for its own machine, and not under the name \"{host}\"; to \
                 let clients use it, list the origin in \"allowed_origins\"\n"
            ));
        }
        let Some(origin) = text(ORIGIN) else {
            return Ok(());
        };
        let is_own = Page::parse(origin).is_some_and(|page| match is_loopback {
            true => is_loopback_name(&page.host),
            false => host.is_some_and(|host| host == page.host),
        });
        if is_own || self.allows(origin) {
            return Ok(());
        }
        Err(format!(
            "pages of \"{origin}\" may not use this router; to let them, list the origin in \
             \"allowed_origins\"\n"
        ))
    }

    /// The origin that may read what it is answered, where it is another one than the router's own:
    /// for CORS.
    pub(super) fn cross_origin<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.allows(origin.to_str().ok()?).then_some(origin)
    }
}

impl Allowed {
    fn parse(text: &str) -> Option<Allowed> {
        match text {
            "*" => Some(Allowed::Any),
            "null" => Some(Allowed::Null),
            _ => {
                let (scheme, rest) = text.split_once("://")?;
                let page = match rest.strip_prefix("*.") {
                    Some(_) => Page {
                        any_subdomain: true,
                        ..Page::parse(&format!("{scheme}://{}", &rest[1..]))?
                    },
                    None => Page::parse(text)?,
                };
                (!page.host.contains('*')).then_some(Allowed::Page(page))
            }
        }
    }
}

impl Page {
    /// Reads an origin: scheme, host and port (RFC 6454), and nothing else.
    fn parse(origin: &str) -> Option<Page> {
        let (scheme, rest) = origin.split_once("://")?;
        let is_authority = |byte: u8| byte.is_ascii_graphic() && !b"/?#@\\\"".contains(&byte);
        if scheme.is_empty() || rest.is_empty() || !rest.bytes().all(is_authority) {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let host = host_of(rest);
        let port = match rest.split_at(host.len()).1 {
            "" => default_port(&scheme),
            port => Some(port.strip_prefix(':')?.parse().ok()?),
        };
        Some(Page { scheme, host: host.to_ascii_lowercase(), any_subdomain: false, port })
    }

    fn matches(&self, page: &Page) -> bool {
        self.scheme == page.scheme && self.port == page.port && self.has_host(&page.host)
    }

    fn has_host(&self, host: &str) -> bool {
        match self.any_subdomain {
            true => host.len() > self.host.len() && host.ends_with(&self.host),
            false => host == self.host,
        }
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// The host of `host`, `host:port` or `[v6]:port`, with the brackets.
fn host_of(authority: &str) -> &str {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']').map(|end| end + 2),
        None => authority.rfind(':'),
    };
    &authority[..end.unwrap_or(authority.len())]
}

/// True for what no name server has a say in.
fn is_loopback_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    if let Some(host) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return host.parse::<Ipv6Addr>().is_ok_and(|address| {
            address.is_loopback()
                || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
        });
    }
    host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn allowed(list: &Value) -> AllowedOrigins {
        AllowedOrigins::parse(list).unwrap()
    }

    fn passes(list: &Value, host: &str, origin: Option<&str>, is_loopback: bool) -> bool {
        let mut headers = HeaderMap::new();
        if !host.is_empty() {
            headers.insert(HOST, host.parse().unwrap());
        }
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        allowed(list).check(&headers, is_loopback).is_ok()
    }

    #[test]
    fn a_loopback_listener_takes_loopback_names_alone() {
        for (host, passed) in [
            ("127.0.0.1:8080", true),
            ("127.8.9.10", true),
            ("localhost:8080", true),
            ("LocalHost", true),
            ("app.localhost:1", true),
            ("localhost.", true),
            ("[::1]:8080", true),
            ("[::ffff:127.0.0.1]", true),
            ("", true),
            ("evil.example:8080", false),
            ("localhost.evil.example", false),
            ("notlocalhost", false),
            ("127.0.0.1.evil.example", false),
            ("0.0.0.0", false),
            ("[::2]", false),
            ("10.0.0.1", false),
            ("[::1", false),
        ] {
            assert_eq!(passes(&json!([]), host, None, true), passed, "{host}");
            let listed = json!(["http://evil.example"]);
            assert_eq!(passes(&listed, host, None, true), passed || host == "evil.example:8080");
            assert!(passes(&json!([]), host, None, false), "{host}: elsewhere any name is right");
        }
        for (origin, passed) in [
            ("http://localhost:3000", true),
            ("https://127.0.0.1", true),
            ("http://[::1]:1", true),
            ("http://evil.example", false),
            ("http://localhost@evil.example", false),
            ("http://evil.example/localhost", false),
            ("null", false),
            ("file://", false),
            ("", false),
            ("localhost", false),
            ("http://localhost.", true),
            ("http://[::1]evil.example", false),
        ] {
            let got = passes(&json!([]), "127.0.0.1:8080", Some(origin), true);
            assert_eq!(got, passed, "{origin}");
        }
    }

    #[test]
    fn a_page_is_of_the_same_host_or_listed() {
        let none = json!([]);
        for (host, origin, passed) in [
            ("example.com", "https://example.com", true),
            ("example.com:8080", "http://EXAMPLE.com:3000", true),
            ("[2001:db8::1]:80", "http://[2001:DB8::1]", true),
            ("example.com", "https://www.example.com", false),
            ("example.com", "https://evil.example", false),
            ("example.com", "https://example.com.evil.example", false),
            ("example.com", "null", false),
            ("", "https://example.com", false),
            ("10.0.0.1", "http://localhost", false),
        ] {
            assert_eq!(passes(&none, host, Some(origin), false), passed, "{host} {origin}");
        }
        let listed = json!(["https://app.example.com", "https://*.example.org:8443", "null"]);
        for (origin, passed) in [
            ("https://app.example.com", true),
            ("https://app.example.com:443", true),
            ("http://app.example.com", false),
            ("https://app.example.com:444", false),
            ("https://a.b.example.org:8443", true),
            ("https://example.org:8443", false),
            ("https://evilexample.org:8443", false),
            ("https://a.example.org", false),
            ("null", true),
        ] {
            assert_eq!(passes(&listed, "router", Some(origin), false), passed, "{origin}");
        }
        assert!(passes(&json!(["*"]), "router", Some("https://any.example"), false));
        assert!(passes(&json!(["*"]), "any.example", Some("null"), true));
    }

    #[test]
    fn a_list_names_origins() {
        for bad in [
            json!("https://a"),
            json!([1]),
            json!(["example.com"]),
            json!(["https://a/b"]),
            json!(["https://"]),
            json!(["https://a.*.b"]),
            json!(["https://a:port"]),
        ] {
            assert!(AllowedOrigins::parse(&bad).is_err(), "{bad}");
        }
    }
}
