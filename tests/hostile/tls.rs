//! TLS: a router is reached over it, or the program learns what to change.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ptr;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use wamp::ffi::library::wamp_set_log;
use wamp::ffi::types::*;

use super::authority::{Authority, Pair, Time, self_signed};
use super::client::Client;
use super::peer::{self, LIMIT, Peer};
use super::{alone, every};

/// TLS in front of a peer, for one connection.
pub struct Front {
    pub url: String,
    pub address: SocketAddr,
    ended: Receiver<()>,
}

/// How a front shakes hands.
pub struct Shake<'a> {
    pub pair: &'a Pair,
    pub versions: &'static [&'static SupportedProtocolVersion],
    pub client_ca: Option<&'a Authority>,
}

pub static ALL: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
static ONLY_12: &[&SupportedProtocolVersion] = &[&TLS12];

impl Front {
    pub fn new(shake: &Shake<'_>, behind: &str) -> Front {
        Front::with_several(shake, &[behind])
    }

    /// One connection after the other, each with a peer of its own behind it.
    pub fn with_several(shake: &Shake<'_>, behind: &[&str]) -> Front {
        let chain = CertificateDer::pem_slice_iter(shake.pair.cert.as_bytes());
        let chain = chain.collect::<Result<_, _>>().expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(shake.pair.key.as_bytes()).expect("a key");
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(shake.versions)
            .expect("versions");
        let builder = match shake.client_ca {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                let ca = CertificateDer::from_pem_slice(ca.pem().as_bytes());
                roots.add(ca.expect("a certificate")).expect("a root");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let config = builder.with_single_cert(chain, key).expect("a configuration");
        let acceptor = TlsAcceptor::from(Arc::new(config));

        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let bare = |url: &&str| url.trim_start_matches("ws://").trim_end_matches("/ws").to_owned();
        let behind: Vec<String> = behind.iter().map(bare).collect();
        let (sender, ended) = channel();
        thread::spawn(move || {
            for behind in &behind {
                bridge(&acceptor, peer::accept(&listener), behind);
            }
            sender.send(())
        });
        Front { url: format!("wss://localhost:{}/ws", address.port()), address, ended }
    }

    pub fn done(self) {
        self.ended.recv_timeout(LIMIT).expect("the front ends");
    }
}

/// Carries bytes both ways until one side ends; who does not shake hands well is cut off.
fn bridge(acceptor: &TlsAcceptor, stream: TcpStream, behind: &str) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        stream.set_nonblocking(true).expect("not blocking");
        let stream = tokio::net::TcpStream::from_std(stream).expect("a stream");
        if let Ok(mut tls) = acceptor.accept(stream).await {
            let mut behind = tokio::net::TcpStream::connect(behind).await.expect("the peer");
            let _ = tokio::io::copy_bidirectional(&mut tls, &mut behind).await;
        }
    });
}

fn polite_peer() -> Peer<Vec<Value>> {
    Peer::joined(|wire| wire.polite())
}

fn pin(pair: &Pair) -> String {
    format!("sha256/{}", STANDARD.encode(pair.pin))
}

/// Opens a session over TLS, and closes it.
fn joins(what: &str, shake: &Shake<'_>, tls: Value) {
    let peer = polite_peer();
    let front = Front::new(shake, &peer.url);
    let mut client = Client::open(what, &front.url, json!({"tlsConfiguration": tls}));
    client.join();
    assert_eq!(client.close(), WAMP_OK, "{what}");
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    peer.done();
    front.done();
}

/// Is told why there is no session.
fn is_told(what: &str, shake: &Shake<'_>, tls: Value, words: &[&str]) {
    // Nobody is behind: who gets through is cut off.
    let front = Front::new(shake, "127.0.0.1:1");
    let client = Client::open(what, &front.url, json!({"tlsConfiguration": tls}));
    let told = client.closed_as(WAMP_ERR_TLS, "unreachable");
    for word in words.iter().chain([&front.url.as_str()]) {
        assert!(told.message.contains(word), "{what}: {word}: {}", told.message);
    }
    client.finish();
    front.done();
}

#[test]
fn sessions_over_tls() {
    let (ca, other) = (Authority::new("ours"), Authority::new("another"));
    let pair = ca.sign(&["localhost"], Time::Now);
    let elsewhere = ca.sign(&["router.example"], Time::Now);
    let expired = ca.sign(&["localhost"], Time::Past);
    let own = self_signed(&["localhost"], false);
    let client = ca.sign(&["client"], Time::Now);
    let (ca_pem, own_pem) = (ca.pem(), &own.cert);
    let with_client = json!({"ca": ca_pem, "cert": client.cert, "key": client.key});
    let two_pins = json!([pin(&own), pin(&pair)]);
    let easy = Shake { pair: &pair, versions: ALL, client_ca: None };
    let strict = Shake { client_ca: Some(&ca), ..easy };
    let rows: [(&str, (Shake<'_>, Value)); 12] = [
        ("our authority", (Shake { ..easy }, json!({"ca": ca_pem}))),
        ("one of two", (Shake { ..easy }, json!({"ca": other.pem() + &ca_pem}))),
        ("TLS 1.2", (Shake { versions: ONLY_12, ..easy }, json!({"ca": ca_pem}))),
        ("at least TLS 1.3", (Shake { ..easy }, json!({"ca": ca_pem, "min_version": "1.3"}))),
        ("self-signed and trusted", (Shake { pair: &own, ..easy }, json!({"ca": own_pem}))),
        (
            "another name",
            (
                Shake { pair: &elsewhere, ..easy },
                json!({"ca": ca_pem, "server_name": "router.example"}),
            ),
        ),
        ("pinned", (Shake { ..easy }, json!({"ca": ca_pem, "pins": two_pins}))),
        (
            "nothing but pinned",
            (Shake { pair: &own, ..easy }, json!({"verify": false, "pins": [pin(&own)]})),
        ),
        ("not verified", (Shake { pair: &expired, ..easy }, json!({"verify": false}))),
        ("with a certificate", (Shake { ..strict }, with_client.clone())),
        ("with one, and TLS 1.2", (Shake { versions: ONLY_12, ..strict }, with_client.clone())),
        ("with one that nobody wants", (Shake { ..easy }, with_client.clone())),
    ];
    every(rows, |what, (shake, tls)| joins(what, &shake, tls));
}

#[test]
fn the_authorities_of_the_system_are_trusted() {
    const FILE: &str = "SSL_CERT_FILE";
    let directory = std::env::temp_dir().join(format!("wamp-roots-{}", std::process::id()));
    let ca = Authority::new("the system's");
    std::fs::create_dir_all(&directory).expect("a directory");
    let (roots, key) = (directory.join("roots.pem"), directory.join("pair"));
    std::fs::write(&roots, ca.pem()).expect("written");
    let pair = ca.sign(&["localhost"], Time::Now);
    std::fs::write(&key, format!("{}{}", pair.key, pair.cert)).expect("written");
    let environment = [
        (FILE, roots.to_str().expect("UTF-8")),
        ("WAMP_HOSTILE_PAIR", key.to_str().expect("UTF-8")),
    ];
    alone("tls::the_authorities_of_the_system_are_trusted", &environment, || {
        let both = std::fs::read_to_string(std::env::var("WAMP_HOSTILE_PAIR").expect("the pair"))
            .expect("read");
        let (key, cert) =
            both.split_at(both.find("-----BEGIN CERTIFICATE").expect("a certificate"));
        let pair = Pair { key: key.to_owned(), cert: cert.to_owned(), pin: [0; 32] };
        let shake = Shake { pair: &pair, versions: ALL, client_ca: None };
        joins("of the system", &shake, json!({}));
        // What the application names is instead of them.
        let other = Authority::new("another").pem();
        is_told("instead", &shake, json!({ "ca": other }), &["signed by nobody we trust"]);
    });
    std::fs::remove_dir_all(&directory).expect("removed");
}

#[test]
fn a_system_without_authorities() {
    let nowhere = concat!(env!("CARGO_TARGET_TMPDIR"), "/no-such-store");
    let environment = [("SSL_CERT_FILE", nowhere), ("SSL_CERT_DIR", nowhere)];
    alone("tls::a_system_without_authorities", &environment, || {
        let ca = Authority::new("ours");
        let pair = ca.sign(&["localhost"], Time::Now);
        let shake = Shake { pair: &pair, versions: ALL, client_ca: None };
        let advice = ["no root certificates", "ca-certificates", "SSL_CERT_FILE", "`ca`", nowhere];
        is_told("no store", &shake, json!({}), &advice);
        joins("with its own", &shake, json!({ "ca": ca.pem() }));
        joins("by its key", &shake, json!({"verify": false, "pins": [pin(&pair)]}));
    });
}

#[test]
fn certificates_that_will_not_do() {
    let (ca, other) = (Authority::new("ours"), Authority::new("another"));
    let namesake = Authority::new("ours");
    let pair = ca.sign(&["localhost"], Time::Now);
    let past = ca.sign(&["localhost"], Time::Past);
    let future = ca.sign(&["localhost"], Time::Future);
    let elsewhere = ca.sign(&["router.example", "10.0.0.1"], Time::Now);
    let own = self_signed(&["localhost"], false);
    let own_ca = self_signed(&["localhost"], true);
    let trusting = json!({"ca": ca.pem()});
    let pinning = json!({"ca": ca.pem(), "pins": [pin(&own)]});
    let only_pinning = json!({"verify": false, "pins": [pin(&own)]});
    let found = pin(&pair);
    type Row<'a> = (&'a Pair, Value, &'a [&'a str]);
    let rows: [(&str, Row<'_>); 10] = [
        ("expired", (&past, trusting.clone(), &["expired", "days ago, as it is 20", "clock"])),
        (
            "not yet valid",
            (
                &future,
                trusting.clone(),
                &["not valid yet but from 2099-01-01T00:00:00Z on", "it is 20", "clock"],
            ),
        ),
        (
            "for somebody else",
            (
                &elsewhere,
                trusting.clone(),
                &["not for localhost", "router.example", "10.0.0.1", "`server_name`"],
            ),
        ),
        ("of another authority", (&pair, json!({"ca": other.pem()}), &["nobody we trust", "`ca`"])),
        (
            "of an authority of the same name",
            (&pair, json!({"ca": namesake.pem()}), &["nobody we trust", "`ca`"]),
        ),
        ("self-signed", (&own, trusting.clone(), &["nobody we trust", "self-signed"])),
        (
            "an authority's, trusted",
            (&own_ca, json!({"ca": own_ca.cert}), &["CA:TRUE", "CA:FALSE", "`pins`"]),
        ),
        ("good, but not pinned", (&pair, pinning, &[&found, "`pins`"])),
        ("not pinned", (&pair, only_pinning, &[&found, "`pins`"])),
        (
            "good for another name",
            (
                &pair,
                json!({"ca": ca.pem(), "server_name": "router.example"}),
                &["not for router.example but for localhost"],
            ),
        ),
    ];
    every(rows, |what, (pair, tls, words)| {
        let shake = Shake { pair, versions: ALL, client_ca: None };
        is_told(what, &shake, tls, words);
    });
}

#[test]
fn servers_that_want_to_know_who_we_are() {
    let (ca, other) = (Authority::new("ours"), Authority::new("another"));
    let pair = ca.sign(&["localhost"], Time::Now);
    let (stranger, past) = (other.sign(&["client"], Time::Now), ca.sign(&["client"], Time::Past));
    let with = |pair: &Pair| json!({"ca": ca.pem(), "cert": pair.cert, "key": pair.key});
    let wanted = ["client certificate", "`cert`", "`key`"];
    let refused = ["our client certificate", "`cert`"];
    for versions in [ALL, ONLY_12] {
        let rows: [(&str, (Value, &[&str])); 3] = [
            ("none", (json!({"ca": ca.pem()}), &wanted)),
            ("a stranger's", (with(&stranger), &refused)),
            ("expired", (with(&past), &refused)),
        ];
        every(rows, |what, (tls, words)| {
            let shake = Shake { pair: &pair, versions, client_ca: Some(&ca) };
            is_told(what, &shake, tls, words);
        });
    }
}

#[test]
fn versions_that_do_not_meet() {
    let ca = Authority::new("ours");
    let pair = ca.sign(&["localhost"], Time::Now);
    let shake = Shake { pair: &pair, versions: ONLY_12, client_ca: None };
    let tls = json!({"ca": ca.pem(), "min_version": "1.3"});
    is_told("TLS 1.2 alone", &shake, tls, &["no version of TLS", "`min_version`"]);
}

#[test]
fn tls_to_a_port_without() {
    type Script = fn(TcpStream);
    let reset: Script = |mut stream| {
        peer::hear(&mut stream);
        peer::reset(&stream);
    };
    let rows: [(&str, (Script, &str)); 5] = [
        (
            "HTTP",
            (|stream| peer::say(stream, b"HTTP/1.1 400 Bad Request\r\n\r\n"), "does not speak"),
        ),
        ("SSH", (|stream| peer::say(stream, b"SSH-2.0-OpenSSH_9.9\r\n"), "does not speak")),
        ("an end at once", (drop, "closed the connection during")),
        ("an end later", (|stream| peer::say(stream, b""), "closed the connection during")),
        ("a reset", (reset, "closed the connection during")),
    ];
    every(rows, |what, (script, words)| {
        let peer = Peer::raw(script);
        let url = peer.url.replace("ws://", "wss://");
        let client = Client::open(what, &url, json!({"tlsConfiguration": {"verify": false}}));
        let told = client.closed_as(WAMP_ERR_TLS, "unreachable");
        assert!(told.message.contains(words), "{what}: {}", told.message);
        client.finish();
        peer.done();
    });
}

#[test]
fn who_is_not_verified_is_named_in_the_log() {
    static LINES: Mutex<String> = Mutex::new(String::new());
    unsafe extern "C" fn logged(_level: c_int, text: *const c_char, _data: *mut c_void) {
        // SAFETY: NUL-terminated, as the header says.
        let text = unsafe { CStr::from_ptr(text) }.to_str().expect("UTF-8");
        LINES.lock().expect("no panic").push_str(text);
    }
    // SAFETY: the function lives for ever and needs no data.
    let set = |level, log| unsafe { wamp_set_log(level, log, ptr::null_mut(), None) };
    assert_eq!(set(2, Some(logged)), WAMP_OK);
    let pair = self_signed(&["localhost"], false);
    let shake = Shake { pair: &pair, versions: ALL, client_ca: None };
    let peer = polite_peer();
    let front = Front::new(&shake, &peer.url);
    let url = front.url.clone();
    let mut client = Client::open("logged", &url, json!({"tlsConfiguration": {"verify": false}}));
    client.join();
    let lines = LINES.lock().expect("no panic").clone();
    assert_eq!(set(0, None), WAMP_OK);
    assert!(lines.contains(&format!("{url}: the server is not verified")), "{lines}");
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    peer.done();
    front.done();
}

#[test]
fn clear_words_to_a_port_with_tls() {
    let pair = self_signed(&["localhost"], false);
    let shake = Shake { pair: &pair, versions: ALL, client_ca: None };
    let front = Front::new(&shake, "127.0.0.1:1");
    let client = Client::open("in clear", &front.url.replace("wss://", "ws://"), json!({}));
    let told = client.closed_as(WAMP_ERR_TLS, "unreachable");
    assert!(told.message.contains("speaks TLS; write wss://"), "{}", told.message);
    client.finish();
    front.done();
}

#[test]
fn a_handshake_without_end() {
    let peer = Peer::raw(|mut stream| {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let url = peer.url.replace("ws://", "wss://");
    let options = json!({"connect_timeout": 2, "tlsConfiguration": {"verify": false}});
    let client = Client::open("silent", &url, options);
    let told = client.closed_as(WAMP_ERR_TIMEOUT, "unreachable");
    assert!(told.message.contains("connect_timeout"), "{}", told.message);
    client.finish();
    peer.done();
}

#[test]
fn a_cut_within_a_session() {
    let pair = self_signed(&["localhost"], false);
    let shake = Shake { pair: &pair, versions: ALL, client_ca: None };
    let peer = Peer::joined(|wire| {
        wire.message();
        wire.reset();
    });
    let front = Front::new(&shake, &peer.url);
    let options = json!({"tlsConfiguration": {"ca": pair.cert}});
    let mut client = Client::open("cut", &front.url, options);
    client.join();
    client.call(c"com.call");
    client.closed_as(WAMP_ERR_LOST, "lost");
    client.finish();
    peer.done();
    front.done();
}
