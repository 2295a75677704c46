//! What goes through the library as it is: who it says that it is, and options and details that
//! only routers understand.

use std::io::Write;

use serde_json::{Value, json};
use wamp::ffi::types::*;
use wamp::protocol::features;

use super::client::Client;
use super::peer::{self, Peer, Wire};
use super::scene::harmless;

#[test]
fn hello_tells_what_we_are_and_welcome_where() {
    let peer = Peer::raw(|stream| {
        let mut wire = Wire::upgrade(stream);
        let hello = wire.message().expect("a HELLO");
        wire.text(r#"[2,7,{"realm":"assigned","roles":{"broker":{},"dealer":{}}}]"#);
        (hello, wire.polite())
    });
    let mut client = Client::open("HELLO", &peer.url, json!({"authid": "joe"}));
    client.join();
    let open = client.first(WAMP_OPEN);
    assert_eq!((open.wamp_id, open.uri.as_str()), (7, "assigned"));
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();

    let (hello, _) = peer.done();
    let details = &hello[2];
    assert_eq!(details["agent"], concat!("libwamp/", env!("CARGO_PKG_VERSION")));
    assert_eq!(details["authid"], "joe");
    for (role, features) in features::OURS {
        let announced = details["roles"][role]["features"].as_object().expect("a dict");
        assert!(announced.values().all(|value| *value == true), "{announced:?}");
        assert_eq!(announced.keys().collect::<Vec<_>>(), *features, "{role}");
    }
}

#[test]
fn headers_go_with_the_upgrade() {
    let peer = Peer::raw(|mut stream| {
        let upgrade = peer::request(&mut stream);
        let answer = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).expect("written");
        upgrade
    });
    let options = json!({"headers": {"Cookie": "session=7", "X-Tenant": "blue"}});
    let client = Client::open("headers", &peer.url, options);
    client.closed_as(WAMP_ERR_HTTP, "unreachable");
    client.finish();
    let upgrade = peer.done().to_ascii_lowercase();
    for header in ["cookie: session=7", "x-tenant: blue"] {
        assert!(upgrade.lines().any(|line| line == header), "{upgrade}");
    }
}

#[test]
fn trustlevels_are_shown() {
    let (client, _) = harmless("trustlevels", |wire| {
        wire.text(r#"[36,20,1,{"trustlevel":3}]"#);
        wire.text(r#"[68,1,30,{"trustlevel":2}]"#);
        wire.message().expect("a YIELD")
    });
    let event: Value = client.first(WAMP_EVENT).reason();
    assert_eq!(event["trustlevel"], 3);
    let invocation = client.first(WAMP_INVOCATION).reason();
    assert_eq!(invocation["trustlevel"], 2);
    client.finish();
}

#[test]
fn unknown_options_go_to_the_router() {
    let peer = Peer::joined(|wire| {
        let call = wire.message().expect("a CALL");
        wire.text("[50,1,{}]");
        (call, wire.polite())
    });
    let mut client = Client::open("sharding", &peer.url, json!({}));
    client.join();
    let options = cr#"{"rkey": "berlin", "runmode": "partition", "x_new": [1]}"#;
    let call = client.call_with(c"com.call", Some(options));
    assert_eq!(client.outcome(call).kind, WAMP_RESULT);
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    let (call, _) = peer.done();
    assert_eq!(call[2], json!({"rkey": "berlin", "runmode": "partition", "x_new": [1]}));
}
