//! URLs of routers, and the cookies that these set.
//!
//! `u` stands before a URL. `c` stands before two of them, each on a line, and what the first one
//! sets: `Set-Cookie` headers, a line each.

use hyper::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};

use wamp::transport::{Address, Endpoint, Jar, Protocol};

/// More cookies are not kept.
const MOST: usize = 64;

/// See the module's text.
pub fn run(data: &[u8]) {
    match data {
        [b'u', url @ ..] => endpoint(&String::from_utf8_lossy(url)),
        [b'c', lines @ ..] => cookies(lines),
        _ => {}
    }
}

fn endpoint(url: &str) {
    let endpoint = match Endpoint::parse(url) {
        Ok(endpoint) => endpoint,
        Err(why) => {
            assert!(!why.is_empty());
            assert!(!url.contains('@') || url.len() < 20 || !why.contains(url), "{why}");
            return;
        }
    };
    assert_eq!((endpoint.url(), endpoint.to_string()), (url, url.to_owned()));
    if let Address::Tcp { host, .. } = &endpoint.address {
        assert!(!host.is_empty() && !host.contains(['@', '[', ']', '/', ' ']), "{host}");
    }
    // A listener names itself so.
    let named = endpoint.with_port(9);
    let again = Endpoint::parse(&named).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(again.is_secure(), endpoint.is_secure());
    assert_eq!(again.protocol, endpoint.protocol, "{named}");
    match (&again.address, &endpoint.address) {
        (Address::Tcp { host, port: 9, .. }, Address::Tcp { host: other, .. }) => {
            assert_eq!(host, other, "{named}");
        }
        (address, other) => assert_eq!(address, other, "{named}"),
    }
    if let Protocol::WebSocket { path } | Protocol::LongPoll { path } = &endpoint.protocol {
        assert!(path.starts_with("/") || path.is_empty(), "{path}");
        assert!(!path.contains(|c: char| c.is_control() || c == ' '), "{path}");
    }
}

fn cookies(lines: &[u8]) {
    let mut lines = lines.split(|byte| *byte == b'\n');
    let mut endpoint = || {
        let line = lines.next().and_then(|line| str::from_utf8(line).ok())?;
        Endpoint::parse(line).ok()
    };
    let (Some(first), Some(second)) = (endpoint(), endpoint()) else {
        return;
    };
    let mut answer = HeaderMap::new();
    let values = lines.filter_map(|line| HeaderValue::from_bytes(line).ok());
    for value in values {
        answer.append(SET_COOKIE, value);
    }
    let jar = Jar::default();
    jar.take(&first, first.path(), &answer);
    let given = given(&jar, &first);
    assert!(given.len() <= MOST.min(answer.len()), "{given:?}");
    for cookie in &given {
        // It was set by one of the headers, with this name.
        let name = cookie.split('=').next().expect("a name");
        let is_set = |value: &HeaderValue| {
            let text = value.to_str().unwrap_or_default().trim_start();
            text.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        assert!(answer.get_all(SET_COOKIE).iter().any(is_set), "{cookie:?}");
    }
    // Again, it is the same.
    jar.take(&first, first.path(), &answer);
    assert_eq!(sorted(self::given(&jar, &first)), sorted(given.clone()));
    let elsewhere = self::given(&jar, &second);
    if !is_same_host(&first, &second) {
        assert!(elsewhere.is_empty(), "{elsewhere:?} goes from {first} to {second}");
    }
    if first.is_secure() || !second.is_secure() {
        return;
    }
    // What is not kept from a router in clear is kept from none with TLS.
    if first.protocol == second.protocol && is_same_host(&first, &second) {
        assert!(given.iter().all(|cookie| elsewhere.contains(cookie)), "{given:?} {elsewhere:?}");
    }
}

/// The cookies that go with a request.
fn given(jar: &Jar, endpoint: &Endpoint) -> Vec<String> {
    let mut headers = HeaderMap::new();
    jar.give(endpoint, endpoint.path(), &mut headers);
    assert!(headers.len() <= 1);
    let list = headers.get(COOKIE).map(|value| value.to_str().expect("a plain text").to_owned());
    list.map_or(Vec::new(), |list| list.split("; ").map(str::to_owned).collect())
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}

fn is_same_host(one: &Endpoint, other: &Endpoint) -> bool {
    match (&one.address, &other.address) {
        (Address::Tcp { host, .. }, Address::Tcp { host: other, .. }) => {
            host.eq_ignore_ascii_case(other)
        }
        (one, other) => one == other,
    }
}
