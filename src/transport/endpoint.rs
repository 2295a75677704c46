//! Where a router is: the URL that a user writes, taken apart once.

use std::fmt;

use tokio_tungstenite::tungstenite::http::Uri;

/// Where to connect to. Shows itself as the URL that it was parsed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub(super) url: String,
    /// With TLS.
    pub(super) secure: bool,
    /// Without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Endpoint {
    /// Parses `ws://host[:port][/path]` or `wss://...`.
    pub fn parse(url: &str) -> Result<Endpoint, String> {
        let uri: Uri = url.parse().map_err(|error| format!("\"{url}\" is not a URL: {error}"))?;
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            Some(other) => {
                return Err(format!(
                    "\"{url}\": scheme \"{other}\" is not supported; use ws:// or wss://"
                ));
            }
            None => return Err(format!("\"{url}\" has no scheme; write ws://host:port/path")),
        };
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| format!("\"{url}\" names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            // It is not repeated: it holds a password.
            return Err("a URL with a user and password is not supported: give the header \
                        \"Authorization\" in the option `headers`"
                .to_owned());
        }
        Ok(Endpoint { url: url.to_owned(), secure, host, port })
    }

    /// With TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_parsed() {
        for (url, secure, host, port) in [
            ("ws://127.0.0.1:8080/ws", false, "127.0.0.1", 8080),
            ("ws://[::1]/", false, "::1", 80),
            ("wss://router.example/ws?a=b", true, "router.example", 443),
            ("wss://[2001:db8::1]:8443", true, "2001:db8::1", 8443),
        ] {
            let endpoint = Endpoint::parse(url).unwrap();
            let parts = (endpoint.secure, endpoint.host.as_str(), endpoint.port);
            assert_eq!(parts, (secure, host, port), "{url}");
            assert_eq!(endpoint.to_string(), url);
        }
    }

    #[test]
    fn what_is_no_url_is_told() {
        for (bad, told) in [
            ("127.0.0.1:8080", "scheme"),
            ("ftp://host/", "\"ftp\" is not supported"),
            ("/path", "no scheme"),
            ("ws://", "not a URL"),
            ("", "not a URL"),
            ("wss://user:secret@host/", "Authorization"),
        ] {
            let error = Endpoint::parse(bad).unwrap_err();
            assert!(error.contains(told), "{bad}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
