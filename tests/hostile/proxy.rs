//! Proxies on the way: a session goes through them, or the program learns what they say.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::thread;

use serde_json::{Value, json};
use wamp::ffi::types::*;

use super::authority::{Authority, Time};
use super::client::Client;
use super::every;
use super::peer::{self, Peer, Wire};
use super::tls::{ALL, Front, Shake};

const CONNECTED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// An HTTP proxy and the router behind it in one; returns the CONNECT, and what the router heard.
fn http_proxy() -> Peer<(String, Vec<Value>)> {
    Peer::raw(|mut stream| {
        let request = peer::request(&mut stream);
        stream.write_all(CONNECTED).expect("written");
        (request, Wire::welcome(stream).polite())
    })
}

/// The URL of the proxy.
fn proxy_url<T: Send + 'static>(peer: &Peer<T>, scheme: &str, login: &str) -> String {
    peer.url.replace("ws://", &format!("{scheme}://{login}")).replace("/ws", "")
}

fn open_and_close(what: &str, url: &str, options: Value) {
    let mut client = Client::open(what, url, options);
    client.join();
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
}

#[test]
fn a_session_through_an_http_proxy() {
    let peer = http_proxy();
    let proxy = proxy_url(&peer, "http", "me:secret@");
    open_and_close("HTTP", "ws://router.example/ws", json!({ "proxy": proxy }));
    let (request, messages) = peer.done();
    assert!(request.starts_with("CONNECT router.example:80 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n"), "{request}");
    assert_eq!(messages.len(), 1, "GOODBYE alone: {messages:?}");
}

/// Takes part in SOCKS as a proxy that is asked for router.example at this port.
fn socks(stream: &mut TcpStream, port: u16) {
    let mut hello = [0; 3];
    stream.read_exact(&mut hello).expect("a hello");
    assert_eq!(hello, [5, 1, 0]);
    stream.write_all(&[5, 0]).expect("written");
    let mut request = [0; 21];
    stream.read_exact(&mut request).expect("a request");
    assert_eq!(&request[..19], b"\x05\x01\x00\x03\x0erouter.example");
    assert_eq!(request[19..], port.to_be_bytes());
    stream.write_all(b"\x05\0\0\x01\x7f\0\0\x01\0\x50").expect("written");
}

#[test]
fn a_session_through_a_socks_proxy() {
    let peer = Peer::raw(|mut stream| {
        socks(&mut stream, 80);
        Wire::welcome(stream).polite()
    });
    let proxy = proxy_url(&peer, "socks5", "");
    open_and_close("SOCKS", "ws://router.example/ws", json!({ "proxy": proxy }));
    peer.done();
}

#[test]
fn tls_through_a_proxy_is_between_us_and_the_router() {
    let ca = Authority::new("ours");
    let pair = ca.sign(&["router.example"], Time::Now);
    let router = Peer::joined(|wire| wire.polite());
    let shake = Shake { pair: &pair, versions: ALL, client_ca: None };
    let front = Front::new(&shake, &router.url);
    let behind = front.address;
    let peer = Peer::raw(move |mut stream| {
        let request = peer::request(&mut stream);
        stream.write_all(CONNECTED).expect("written");
        carry(stream, TcpStream::connect(behind).expect("the router"));
        request
    });
    let options = json!({
        "proxy": proxy_url(&peer, "http", ""),
        "tlsConfiguration": {"ca": ca.pem()},
    });
    open_and_close("TLS", "wss://router.example/ws", options);
    assert!(peer.done().starts_with("CONNECT router.example:443 HTTP/1.1\r\n"));
    router.done();
    front.done();
}

#[test]
fn what_the_other_transports_say_goes_through_proxies_too() {
    let rows: [(&str, (&str, &str, u16)); 4] = [
        ("RawSocket by HTTP", ("rs://router.example:8081", "http", 8081)),
        ("RawSocket by SOCKS", ("rs://router.example:8081", "socks5", 8081)),
        ("long-poll by HTTP", ("http://router.example/lp", "http", 80)),
        ("long-poll by SOCKS", ("http://router.example/lp", "socks5", 80)),
    ];
    every(rows, |what, (url, kind, port)| {
        let peer = Peer::raw(move |mut stream| {
            if kind == "socks5" {
                socks(&mut stream, port);
            } else {
                let request = peer::request(&mut stream);
                let wanted = format!("CONNECT router.example:{port} HTTP/1.1\r\n");
                assert!(request.starts_with(&wanted), "{request}");
                stream.write_all(CONNECTED).expect("written");
            }
            let mut first = [0; 4];
            stream.read_exact(&mut first).expect("the router's turn");
            first
        });
        let options = json!({"proxy": proxy_url(&peer, kind, "")});
        let client = Client::open(what, url, options);
        let told = client.closed();
        assert_eq!(told.uri, "unreachable", "{told:?}");
        client.finish();
        let wanted = if url.starts_with("rs") { b"\x7f\xf1\0\0" } else { b"POST" };
        assert_eq!(&peer.done(), wanted);
    });
}

#[test]
fn tls_of_rawsocket_goes_through_a_socks_proxy() {
    let ca = Authority::new("ours");
    let pair = ca.sign(&["router.example"], Time::Now);
    let router = Peer::raw(|mut stream| {
        let mut hello = [0; 4];
        stream.read_exact(&mut hello).expect("a handshake");
        hello
    });
    let shake = Shake { pair: &pair, versions: ALL, client_ca: None };
    let front = Front::new(&shake, &router.url);
    let behind = front.address;
    let peer = Peer::raw(move |mut stream| {
        socks(&mut stream, 443);
        carry(stream, TcpStream::connect(behind).expect("the router"));
    });
    let options = json!({
        "proxy": proxy_url(&peer, "socks5", ""),
        "tlsConfiguration": {"ca": ca.pem()},
    });
    let client = Client::open("rss", "rss://router.example:443", options);
    client.closed();
    client.finish();
    assert_eq!(router.done(), *b"\x7f\xf1\0\0");
    peer.done();
    front.done();
}

/// Carries bytes both ways until both sides have ended.
fn carry(one: TcpStream, other: TcpStream) {
    let one_way = |mut from: TcpStream, mut to: TcpStream| {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    let (back, forth) = (one.try_clone().expect("a clone"), other.try_clone().expect("a clone"));
    let way_back = thread::spawn(move || one_way(forth, back));
    one_way(one, other);
    way_back.join().expect("the way back");
}

#[test]
fn a_proxy_that_says_no() {
    let rows: [(&str, (&[u8], &str)); 5] = [
        ("407", (b"HTTP/1.1 407 Who are you?\r\n\r\n", "does not accept our user and password")),
        ("403", (b"HTTP/1.1 403 Forbidden\r\n\r\n", "does not allow this host")),
        ("503", (b"HTTP/1.1 503 Unavailable\r\n\r\n", "cannot reach the router")),
        ("another service", (b"SSH-2.0-OpenSSH_9.9\r\n", "is its URL right?")),
        ("an end", (b"", "closed the connection instead")),
    ];
    every(rows, |what, (answer, word)| {
        let peer = Peer::raw(move |mut stream| {
            peer::request(&mut stream);
            stream.write_all(answer).expect("written");
        });
        let proxy = proxy_url(&peer, "http", "me:secret@");
        let url = "ws://router.example/ws";
        let client = Client::open(what, url, json!({ "proxy": proxy }));
        let told = client.closed_as(WAMP_ERR_UNREACHABLE, "unreachable");
        for word in [word, url, &proxy_url(&peer, "http", "")] {
            assert!(told.message.contains(word), "{what}: {word}: {}", told.message);
        }
        assert!(!format!("{told:?}").contains("secret"), "{told:?}");
        client.finish();
        peer.done();
    });
}

#[test]
fn a_proxy_that_says_nothing() {
    let peer = Peer::raw(|mut stream| {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let options = json!({"proxy": proxy_url(&peer, "socks5", ""), "connect_timeout": 2});
    let client = Client::open("silent", "ws://router.example/ws", options);
    client.closed_as(WAMP_ERR_TIMEOUT, "unreachable");
    client.finish();
    peer.done();
}

/// The environment belongs to the whole process: this test runs itself in others.
#[test]
fn the_environment_is_obeyed() {
    const CHILD: &str = "WAMP_HOSTILE_PROXY_CHILD";
    match std::env::var(CHILD).as_deref() {
        Err(_) => {}
        Ok("through") => {
            let mut client = Client::open("environment", "ws://router.example/ws", json!({}));
            client.join();
            assert_eq!(client.close(), WAMP_OK);
            // A program may change it at any time, which is no time for another thread to look.
            // SAFETY: no other thread of this process looks at the environment.
            unsafe { std::env::set_var("http_proxy", "http://proxy.invalid") };
            client.reopen();
            client.join();
            assert_eq!(client.close(), WAMP_OK);
            client.finish();
            return;
        }
        Ok(_) => {
            let peer = Peer::joined(|wire| wire.polite());
            open_and_close("no proxy to ourselves", &peer.url, json!({}));
            peer.done();
            return;
        }
    }
    let run = |child: &str, proxy: &str| {
        let mut again = Command::new(std::env::current_exe().expect("our own path"));
        again.args(["--exact", "proxy::the_environment_is_obeyed"]).env(CHILD, child);
        for name in ["all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"] {
            again.env_remove(name);
        }
        let output = again.env("http_proxy", proxy).output().expect("run");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{child}: {text}");
    };
    let peer = Peer::listening(|listener| {
        let serve = |_| {
            let mut stream = peer::accept(&listener);
            let request = peer::request(&mut stream);
            stream.write_all(CONNECTED).expect("written");
            Wire::welcome(stream).polite();
            request
        };
        [1, 2].map(serve)
    });
    run("through", &proxy_url(&peer, "http", ""));
    for request in peer.done() {
        assert!(request.starts_with("CONNECT router.example:80 "), "{request}");
    }
    run("local", "http://proxy.invalid");
}
