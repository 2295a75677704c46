use std::collections::HashMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::transport::Endpoint;

#[test]
fn urls_are_parsed_and_shown_without_the_login() {
    for (url, shown, credentials) in [
        ("http://proxy:3128", "http://proxy:3128", None),
        ("HTTP://proxy/", "http://proxy:80", None),
        ("proxy:3128", "http://proxy:3128", None),
        ("socks5://[::1]", "socks5://[::1]:1080", None),
        ("socks5h://10.0.0.1:9050", "socks5://10.0.0.1:9050", None),
        ("http://me:hid%40den@proxy:1", "http://proxy:1", Some(("me", "hid@den"))),
        ("http://me:a@b:c@proxy:1", "http://proxy:1", Some(("me", "a@b:c"))),
        ("socks5://me@proxy", "socks5://proxy:1080", Some(("me", ""))),
    ] {
        let proxy = Proxy::parse(url).unwrap();
        assert_eq!(proxy.to_string(), shown);
        let found = proxy
            .credentials
            .as_ref()
            .map(|credentials| (&credentials.user[..], &credentials.password[..]));
        assert_eq!(found, credentials, "{url}");
        assert!(!format!("{proxy:?} {proxy}").contains("hid"), "{proxy:?}");
    }
}

#[test]
fn what_is_no_proxy_is_told_without_repeating_it() {
    let long = format!("socks5://me:{}@proxy", "hidden".repeat(50));
    for (url, told) in [
        ("https://me:hidden@proxy", "not supported; write http://"),
        ("http://me:hidden@proxy/path", "neither path nor query"),
        ("http://me:hidden@", "not a host"),
        ("http://me:hidden@proxy:port", "not a host with a port"),
        ("http://me:hidden@[::1", "not a host with a port"),
        ("http://me:hidden@[::1]1", "not a host with a port"),
        ("http://me:hidden@[[::1]", "not a host with a port"),
        ("http://:hidden@proxy", "not well-formed"),
        ("http://m%3Ae:hidden@proxy", "not well-formed"),
        ("http://me:hidden%4@proxy", "not well-formed"),
        ("http://me:hidden%ff@proxy", "not well-formed"),
        (&long, "at most 255 bytes"),
    ] {
        let error = Proxy::parse(url).unwrap_err();
        assert!(error.contains(told), "{url}: {error}");
        assert!(!error.contains("hidden"), "{error}");
    }
}

fn chosen(url: &str, environment: &[(&str, &str)]) -> Result<Option<String>, String> {
    let environment: HashMap<_, _> = environment.iter().copied().collect();
    let endpoint = Endpoint::parse(url).unwrap();
    let proxy = choice::from(&endpoint, |name| environment.get(name).map(|v| v.to_string()))?;
    Ok(proxy.map(|proxy| proxy.host))
}

#[test]
fn the_environment_chooses() {
    let all = [("https_proxy", "https"), ("http_proxy", "http"), ("all_proxy", "all")];
    for (url, environment, proxy) in [
        ("wss://router.example", &all[..], Some("https")),
        ("ws://router.example", &all, Some("http")),
        ("ws://router.example", &all[2..], Some("all")),
        ("rs://router.example:1", &all, Some("all")),
        ("rss://router.example:1", &all[..2], None),
        ("ws+unix:///a.sock", &all, None),
        ("ws://router.example", &[("HTTP_PROXY", "forged")], None),
        ("wss://router.example", &[("HTTPS_PROXY", "loud")], Some("loud")),
        ("wss://router.example", &[("https_proxy", ""), ("ALL_PROXY", "loud")], Some("loud")),
        ("wss://localhost", &all, None),
        ("wss://a.localhost.", &all, None),
        ("wss://127.1.2.3", &all, None),
        ("wss://[::1]", &all, None),
        ("wss://0.0.0.0", &all, None),
        ("wss://[::ffff:127.0.0.1]", &all, None),
    ] {
        assert_eq!(chosen(url, environment).unwrap().as_deref(), proxy, "{url} {environment:?}");
    }
    let error = chosen("ws://h", &[("http_proxy", "ftp://me:hidden@h")]).unwrap_err();
    assert!(error.contains("`http_proxy`") && !error.contains("hidden"), "{error}");
}

#[test]
fn the_application_knows_better() {
    let (near, far) = ("ws://localhost", "wss://router.example");
    for url in [near, far].map(|url| Endpoint::parse(url).unwrap()) {
        assert_eq!(ProxyChoice::Direct.proxy_for(&url), Ok(None));
        let proxy = Proxy::parse("http://proxy").unwrap();
        assert_eq!(ProxyChoice::Through(proxy.clone()).proxy_for(&url), Ok(Some(proxy)));
    }
}

#[test]
fn some_hosts_need_no_proxy() {
    for (no_proxy, exempt, not) in [
        ("*", &["ws://router.example", "ws://10.1.2.3"][..], &[][..]),
        (
            "router.example",
            &["ws://router.example", "ws://a.Router.example"],
            &["ws://xrouter.example"],
        ),
        (".example", &["ws://router.example", "ws://example."], &["ws://example.org"]),
        ("a, *.example", &["ws://router.example", "ws://a"], &["ws://b"]),
        ("router.example:81 b", &["ws://router.example:81", "ws://b"], &["ws://router.example"]),
        ("router.example.:80,b:x", &["ws://router.example"], &["ws://b", "ws://example"]),
        (".", &[], &["ws://router.example"]),
        ("10.1.2.3", &["ws://10.1.2.3"], &["ws://10.1.2.4", "ws://a.10.1.2.3.x"]),
        ("10.1.0.0/16", &["ws://[::ffff:10.1.2.3]"], &["ws://[::ffff:10.2.0.1]"]),
        ("10.1.2.3", &["ws://[::ffff:10.1.2.3]"], &["ws://[::ffff:10.1.2.4]"]),
        ("10.1.0.0/16,::/129", &["ws://10.1.2.3"], &["ws://10.2.0.1", "ws://[2001:db8::1]"]),
        ("0.0.0.0/0", &["ws://10.1.2.3"], &["ws://router.example", "ws://[2001:db8::1]"]),
        ("2001:db8::/32", &["ws://[2001:db8:1::1]"], &["ws://[2001:db9::1]"]),
        ("[2001:db8::1]:81", &["ws://[2001:db8::1]:81"], &["ws://[2001:db8::1]"]),
        ("2001:db8::1", &["ws://[2001:db8::1]:81"], &["ws://[2001:db8::2]"]),
        (" , ,", &[], &["ws://router.example"]),
    ] {
        let environment = [("http_proxy", "proxy"), ("NO_PROXY", no_proxy)];
        for (urls, proxy) in [(exempt, None), (not, Some("proxy"))] {
            for url in urls {
                let found = chosen(url, &environment).unwrap();
                assert_eq!(found.as_deref(), proxy, "{url} with {no_proxy:?}");
            }
        }
    }
}

/// Dials `host` through a proxy that expects and says this in turn, and hangs up in the end if
/// `ends`.
async fn dialled(
    proxy: &str,
    host: &str,
    script: &[(&[u8], &[u8])],
    ends: bool,
) -> Result<(), ProxyError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = proxy.replace("PROXY", &listener.local_addr().unwrap().to_string());
    let proxy = Proxy::parse(&proxy).unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        for (expected, said) in script {
            let mut heard = vec![0; expected.len()];
            stream.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, *expected, "{:?}", String::from_utf8_lossy(&heard));
            stream.write_all(said).await.unwrap();
        }
        (!ends).then_some(stream)
    };
    let (dialled, rest) = tokio::join!(proxy.dial(host, 8080), serve);
    let mut dialled = dialled?;
    // What follows is between us and the router.
    let mut rest = rest.expect("a connection");
    rest.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    dialled.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
    Ok(())
}

const REQUEST: &[u8] = b"CONNECT router.example:8080 HTTP/1.1\r\nHost: router.example:8080\r\n\r\n";

#[tokio::test]
async fn through_an_http_proxy() {
    let good = b"HTTP/1.1 200 Connection established\r\nVia: a\r\n\r\n";
    dialled("http://PROXY", "router.example", &[(REQUEST, good)], false).await.unwrap();
    let good = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    dialled("http://PROXY", "router.example", &[(REQUEST, good)], false).await.unwrap();
    let good = b"HTTP/1.0 204\r\n\r\n";
    dialled("http://PROXY", "router.example", &[(REQUEST, good)], false).await.unwrap();
    let request = b"CONNECT [::1]:8080 HTTP/1.1\r\nHost: [::1]:8080\r\n\
                    Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n";
    dialled("http://me:secret@PROXY", "::1", &[(request, good)], false).await.unwrap();
}

#[tokio::test]
async fn an_http_proxy_says_no() {
    let endless = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"X: y\r\n".repeat(5000)].concat();
    let at_work = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(5000);
    let ntlm =
        b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n\r\n";
    let any =
        b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: NTLM\r\nProxy-authenticate: BASIC a\r\n\r\n";
    for (answer, told) in [
        (&b"HTTP/1.1 407 Who?\r\n\r\n"[..], "without user and password"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nno!", "HTTP 403; it does not allow"),
        (b"HTTP/1.1 504 Hm\r\n\r\n", "HTTP 504; it cannot reach"),
        (b"HTTP/1.1 405 Hm\r\n\r\n", "HTTP 405; does it support CONNECT?"),
        (b"HTTP/1.1 200 OK\r\n\r\nmore", "sent more than its answer"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "no HTTP status"),
        (b"HTTP/1.1\r\n\r\n", "no HTTP status"),
        (b"HTTP/1.1 \xff\xff\xff\r\n\r\n", "no HTTP status"),
        (b"SSH-2.0-OpenSSH\r\n", "not HTTP"),
        (b"\x05", "not HTTP"),
        (b"HTTP/1.1 200", "closed the connection instead"),
        (b"", "closed the connection instead"),
        (&endless, "does not end"),
        (&at_work, "does not end"),
        (ntlm, "another scheme than \"Basic\""),
        (any, "without user and password"),
    ] {
        let outcome = dialled("http://PROXY", "router.example", &[(REQUEST, answer)], true).await;
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(told), "{:?}: {error}", String::from_utf8_lossy(answer));
    }
    let request = b"CONNECT a:8080 HTTP/1.1\r\nHost: a:8080\r\n\
                    Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n";
    let answer = b"HTTP/1.1 407 Who?\r\n\r\n";
    let outcome = dialled("http://me:secret@PROXY", "a", &[(request, answer)], true).await;
    assert_eq!(outcome, Err(ProxyError::Login("our user and password")));
}

#[tokio::test]
async fn through_a_socks_proxy() {
    let (hello, welcome): (&[u8], &[u8]) = (&[5, 1, 0], &[5, 0]);
    let named = b"\x05\x01\x00\x03\x0erouter.example\x1f\x90";
    for answer in [
        &b"\x05\0\0\x01\x01\x02\x03\x04\x1f\x90"[..],
        b"\x05\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x1f\x90",
        b"\x05\0\0\x03\x03abc\x1f\x90",
        b"\x05\0\0\x03\0\x1f\x90",
    ] {
        let script = [(hello, welcome), (named, answer)];
        dialled("socks5://PROXY", "router.example", &script, false).await.unwrap();
    }
    let answer: &[u8] = b"\x05\0\0\x01\0\0\0\0\0\0";
    let v4: &[u8] = b"\x05\x01\x00\x01\x0a\x01\x02\x03\x1f\x90";
    let script = [(hello, welcome), (v4, answer)];
    dialled("socks5://PROXY", "10.1.2.3", &script, false).await.unwrap();
    let v6: &[u8] = b"\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x1f\x90";
    let hello: &[u8] = &[5, 2, 0, 2];
    let script = [(hello, &[5, 2][..]), (b"\x01\x02me\x06secret", &[1, 0]), (v6, answer)];
    dialled("socks5://me:secret@PROXY", "::1", &script, false).await.unwrap();
    // Who has a login need not be asked for it.
    let script = [(hello, welcome), (v6, answer)];
    dialled("socks5://me:secret@PROXY", "::1", &script, false).await.unwrap();
}

#[tokio::test]
async fn a_socks_proxy_says_no() {
    let hello: &[u8] = &[5, 1, 0];
    let request: &[u8] = b"\x05\x01\x00\x03\x01a\x1f\x90";
    for (script, told) in [
        (&[(hello, &[5, 0xff][..])][..], "without user and password"),
        (&[(hello, &[5, 2])], "unknown authentication method"),
        (&[(hello, &[4, 0])], "not SOCKS 5"),
        (&[(hello, b"HTTP/1.1 400 Bad Request\r\n\r\n")], "not SOCKS 5"),
        (&[(hello, &[5])], "closed the connection instead"),
        (&[(hello, &[5, 0]), (request, &[5, 1, 0, 1])], "does not say why"),
        (&[(hello, &[5, 0]), (request, &[5, 2, 0, 1])], "does not allow"),
        (&[(hello, &[5, 0]), (request, &[5, 3, 0, 1])], "cannot reach that network"),
        (&[(hello, &[5, 0]), (request, &[5, 4, 0, 1])], "no such name"),
        (&[(hello, &[5, 0]), (request, &[5, 5, 0, 1])], "is the router running?"),
        (&[(hello, &[5, 0]), (request, &[5, 6, 0, 1])], "does not answer it"),
        (&[(hello, &[5, 0]), (request, &[5, 8, 0, 1])], "this kind of connection"),
        (&[(hello, &[5, 0]), (request, &[5, 0, 0, 9])], "no address"),
        (&[(hello, &[5, 0]), (request, &[4, 0, 0, 1])], "not SOCKS 5"),
        (&[(hello, &[5, 0]), (request, &[5, 0, 0, 1, 127])], "closed the connection instead"),
    ] {
        let error = dialled("socks5://PROXY", "a", script, true).await.unwrap_err().to_string();
        assert!(error.contains(told), "{script:?}: {error}");
    }
    let hello: &[u8] = &[5, 2, 0, 2];
    let script = [(hello, &[5, 2][..]), (b"\x01\x02me\x06secret", &[1, 1])];
    let outcome = dialled("socks5://me:secret@PROXY", "a", &script, true).await;
    assert_eq!(outcome, Err(ProxyError::Login("our user and password")));
    let script = [(hello, &[5, 0xff][..])];
    let outcome = dialled("socks5://me:secret@PROXY", "a", &script, true).await;
    assert_eq!(outcome, Err(ProxyError::Login("a login by password")));
    let script = [(&[5, 1, 0][..], &[5, 0][..])];
    let outcome = dialled("socks5://PROXY", &"a".repeat(256), &script, true).await;
    assert!(outcome.unwrap_err().to_string().contains("name is too long"));
}

#[tokio::test]
async fn nobody_is_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for scheme in ["http", "socks5"] {
        let proxy = Proxy::parse(&format!("{scheme}://{address}")).unwrap();
        let error = proxy.dial("a", 1).await.unwrap_err();
        assert!(matches!(error, ProxyError::Unreachable(_)), "{error}");
    }
}
