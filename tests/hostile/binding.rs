//! Logins that are bound to their TLS connection: nobody in between can pass them on.

use std::ffi::{CStr, CString};

use serde_json::{Value, json};
use wamp::ffi::router::{wamp_router_free, wamp_router_listen, wamp_router_new};
use wamp::ffi::types::*;

use super::authority::{Authority, Pair, Time};
use super::client::{Client, last_error};
use super::every;
use super::tls::{ALL, Front, Shake};

/// Seeds of 32 bytes, as hexadecimal digits, and the public key of the first.
const SEED: &str = "4ffddd896a530ce5ee8c86b83b0d31835490a97a9cd718cb2f09c9fd31c4a7d7";
const PUBLIC: &str = "1766c9e6ec7d7b354fd7a2e4542753a23cae0b901228305621e5b8713299ccdd";
const OTHER_SEED: &str = "d511fe78e23934b3dadb52fcd022974b80bd92bccc7c5cf404e46cc0a8a2f5cd";

/// The embedded router, with users, at `url`.
struct Router(*mut wamp_router_t);

impl Router {
    fn listen(url: &CStr, pair: &Pair) -> (Router, String) {
        let config = json!({
            "tls": {"cert": pair.cert, "key": pair.key},
            "auth": {
                "cryptosign": {"anna": {"pubkey": PUBLIC, "role": "user"}},
                "wamp-scram": {"anna": {"password": "pass", "role": "user"}},
            },
        });
        let config = CString::new(config.to_string()).expect("no NUL");
        // SAFETY: NUL-terminated texts, and the handle that was made.
        unsafe {
            let router = wamp_router_new(config.as_ptr());
            assert!(!router.is_null(), "{}", last_error());
            let mut listening = std::ptr::null();
            let status = wamp_router_listen(router, url.as_ptr(), &raw mut listening);
            assert_eq!(status, WAMP_OK, "{}", last_error());
            let url = CStr::from_ptr(listening).to_str().expect("UTF-8").to_owned();
            (Router(router), url)
        }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // SAFETY: a handle.
        let freed = unsafe { wamp_router_free(self.0) };
        assert!(freed == WAMP_OK || std::thread::panicking());
    }
}

fn bound(method: &str, ca: &Authority) -> Value {
    let mut options = json!({
        "authid": "anna",
        "authmethods": [method],
        "channel_binding": "tls-exporter",
        "tlsConfiguration": {"ca": ca.pem(), "server_name": "localhost"},
    });
    match method {
        "cryptosign" => options["privkey"] = SEED.into(),
        _ => options["secret"] = "pass".into(),
    }
    options
}

const METHODS: [(&str, ()); 2] = [("cryptosign", ()), ("wamp-scram", ())];

#[test]
fn a_login_can_be_bound_to_its_tls_connection() {
    let ca = Authority::new("ours");
    let (router, url) = Router::listen(c"wss://127.0.0.1:0/", &ca.sign(&["localhost"], Time::Now));
    every(METHODS, |method, ()| {
        let mut client = Client::open(method, &url, bound(method, &ca));
        client.join();
        assert_eq!(client.close(), WAMP_OK, "{method}");
        client.closed_as(WAMP_OK, "closed");
        client.finish();
    });
    let mut wrong = bound("cryptosign", &ca);
    wrong["privkey"] = OTHER_SEED.into();
    let client = Client::open("another key", &url, wrong);
    client.closed_as(WAMP_ERR_AUTH, "closed");
    client.finish();
    drop(router);
}

#[test]
fn a_bound_login_does_not_pass_through_somebody_in_between() {
    let ca = Authority::new("ours");
    let pair = ca.sign(&["localhost"], Time::Now);
    // The one in between has a certificate that we trust; what is behind it hears no TLS of ours.
    let (router, behind) = Router::listen(c"ws://127.0.0.1:0/ws", &pair);
    every(METHODS, |method, ()| {
        let front = Front::new(&Shake { pair: &pair, versions: ALL, client_ca: None }, &behind);
        let client = Client::open(method, &front.url, bound(method, &ca));
        client.closed_as(WAMP_ERR_AUTH, "closed");
        client.finish();
        front.done();
    });
    drop(router);
}

#[test]
fn without_tls_a_bound_login_is_not_even_tried() {
    let ca = Authority::new("ours");
    let (router, url) = Router::listen(c"ws://127.0.0.1:0/", &ca.sign(&["localhost"], Time::Now));
    every(METHODS, |method, ()| {
        let client = Client::open(method, &url, bound(method, &ca));
        let told = client.closed_as(WAMP_ERR_AUTH, "closed");
        assert!(told.message.contains("TLS"), "{method}: {}", told.message);
        client.finish();
    });
    drop(router);
}
