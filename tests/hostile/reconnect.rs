//! The router goes and comes back, or does not: when another attempt is made, and when none is.

use std::net::TcpListener;

use serde_json::{Value, json};
use wamp::ffi::types::*;

use crate::client::Client;
use crate::every;
use crate::peer::{Peer, Wire, accept};

/// Small delays, and a few retries.
fn retrying() -> Value {
    json!({"max_retries": 3, "initial_retry_delay": 0.01, "max_retry_delay": 0.02})
}

fn with(key: &str, value: Value) -> Value {
    let mut options = retrying();
    options[key] = value;
    options
}

/// Opens a session and, when a call has come, resets the connection.
fn lose_in_session(listener: &TcpListener) {
    let mut wire = Wire::welcome(accept(listener));
    wire.message().expect("a CALL");
    wire.reset();
}

/// Opens a session and takes part in its closing.
fn serve(listener: &TcpListener) {
    let mut wire = Wire::welcome(accept(listener));
    while let Some(message) = wire.message() {
        if message[0] == 6 {
            wire.text(r#"[6,{},"wamp.close.goodbye_and_out"]"#);
            drop(wire.polite());
            return;
        }
    }
}

#[test]
fn a_lost_connection_is_opened_again() {
    let peer = Peer::listening(|listener| {
        lose_in_session(&listener);
        lose_in_session(&listener);
        serve(&listener);
    });
    let mut client = Client::open("lost twice", &peer.url, retrying());
    for round in 1..=2 {
        client.join();
        let call = client.call(c"com.p");
        let lost = client.retries(round);
        assert_eq!((lost.status, lost.uri.as_str()), (WAMP_ERR_LOST, "lost"));
        // A session was open in between: the count begins anew.
        let reason = lost.reason();
        assert_eq!((&reason["retry_count"], &reason["will_retry"]), (&json!(1), &json!(true)));
        let delay = reason["retry_delay"].as_f64().expect("a number");
        assert!((0.0..=0.02).contains(&delay), "{delay}");
        assert_eq!(client.outcome(call).status, WAMP_ERR_OUTCOME_UNKNOWN);
        client.until("another OPEN", |told| {
            (told.iter().filter(|told| told.kind == WAMP_OPEN).count() > round).then_some(())
        });
    }
    client.join();
    assert_eq!(client.state(), (1, 1, 0));
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    peer.done();
}

#[test]
fn attempts_end_after_max_retries() {
    let peer = Peer::listening(|listener| lose_in_session(&listener));
    let mut client = Client::open("gone for good", &peer.url, retrying());
    client.join();
    client.call(c"com.p");
    // What fails after there has been a session is lost, not unreachable.
    let last = client.closed_as(WAMP_ERR_UNREACHABLE, "lost");
    assert_eq!(last.reason()["retry_count"], Value::Null);
    let counts: Vec<Value> =
        client.all(WAMP_CLOSE).iter().map(|told| told.reason()["retry_count"].clone()).collect();
    assert_eq!(counts, [json!(1), json!(2), json!(3), Value::Null]);
    assert_eq!(client.state(), (0, 0, 0));
    client.finish();
    peer.done();
}

#[test]
fn what_was_never_reachable_is_tried_again_only_if_wanted() {
    let refused = || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        format!("ws://{}/", listener.local_addr().expect("an address"))
    };
    let client = Client::open("unreachable", &refused(), retrying());
    client.closed_as(WAMP_ERR_UNREACHABLE, "unreachable");
    assert_eq!(client.all(WAMP_CLOSE).len(), 1);
    client.finish();

    let options = with("retry_if_unreachable", json!(true));
    let client = Client::open("unreachable, retried", &refused(), options);
    client.closed_as(WAMP_ERR_UNREACHABLE, "unreachable");
    assert_eq!(client.all(WAMP_CLOSE).len(), 4);
    client.finish();
}

/// A proxy that lets connections in and drops them is no success: the series must not start anew.
#[test]
fn the_count_begins_anew_only_after_welcome() {
    let peer = Peer::listening(|listener| {
        lose_in_session(&listener);
        for _ in 0..3 {
            Wire::greet(accept(&listener)).reset();
        }
    });
    let mut client = Client::open("a dropping proxy", &peer.url, retrying());
    client.join();
    client.call(c"com.p");
    client.closed();
    assert_eq!(client.retries(3).reason()["retry_count"], 3);
    client.finish();
    peer.done();
}

/// Where in a session's life the router says no.
#[derive(Clone, Copy)]
enum Point {
    Hello,
    Challenge,
    Session,
    Goodbye,
}

/// Has a router say `uri` there.
fn refuse(listener: &TcpListener, point: Point, uri: &str) {
    let mut wire = match point {
        Point::Hello | Point::Challenge => Wire::greet(accept(listener)),
        Point::Session | Point::Goodbye => Wire::welcome(accept(listener)),
    };
    match point {
        Point::Hello => {}
        Point::Challenge => {
            wire.text(r#"[4,"ticket",{}]"#);
            assert_eq!(wire.message().expect("an AUTHENTICATE")[0], 5);
        }
        Point::Session | Point::Goodbye => drop(wire.message().expect("a CALL")),
    }
    let code = if matches!(point, Point::Goodbye) { 6 } else { 3 };
    wire.text(&format!("[{code},{{}},\"{uri}\"]"));
    drop(wire.polite());
}

const POINTS: [(&str, (Point, i32)); 4] = [
    ("HELLO", (Point::Hello, WAMP_ERR_ABORTED)),
    ("CHALLENGE", (Point::Challenge, WAMP_ERR_AUTH)),
    ("in the session", (Point::Session, WAMP_ERR_ABORTED)),
    ("GOODBYE", (Point::Goodbye, WAMP_OK)),
];

fn login(listed: Option<&str>) -> serde_json::Value {
    let mut options = retrying();
    options["authid"] = json!("joe");
    options["ticket"] = json!("secret");
    if let Some(listed) = listed {
        options["retry_reasons"] = json!([listed]);
    }
    options
}

#[test]
fn what_is_not_listed_is_final_wherever_it_is_said() {
    every(POINTS, |what, (point, status)| {
        let uri = "wamp.error.no_such_procedure";
        let peer = Peer::listening(move |listener| refuse(&listener, point, uri));
        let mut client = Client::open(what, &peer.url, login(None));
        if client.try_join() {
            client.call(c"com.p");
        }
        let told = client.closed_as(status, "closed");
        assert_eq!(told.reason()["reason"], uri, "{what}");
        assert_eq!(client.all(WAMP_CLOSE).len(), 1, "{what}");
        client.finish();
        peer.done();
    });
}

#[test]
fn what_is_listed_is_tried_again_wherever_it_is_said() {
    // The restart of a router is listed by itself.
    for (uri, listed) in [
        ("wamp.error.no_such_procedure", Some("wamp.error.no_such_procedure")),
        ("wamp.close.system_shutdown", None),
    ] {
        every(POINTS, |what, (point, _)| {
            let peer = Peer::listening(move |listener| {
                refuse(&listener, point, uri);
                serve(&listener);
            });
            let mut client = Client::open(what, &peer.url, login(listed));
            client.expect_refusals();
            if matches!(point, Point::Session | Point::Goodbye) {
                client.join();
                client.call(c"com.p");
            }
            assert_eq!(client.retries(1).reason()["reason"], uri, "{what}");
            client.join();
            assert_eq!(client.close(), WAMP_OK, "{what}");
            client.finish();
            peer.done();
        });
    }
}

#[test]
fn a_violation_is_never_tried_again() {
    let peer = Peer::joined(|wire| {
        wire.text("nonsense");
        drop(wire.polite());
    });
    let options = with("retry_reasons", json!(["wamp.error.protocol_violation"]));
    let client = Client::open("a violation", &peer.url, options);
    client.closed_as(WAMP_ERR_PROTOCOL, "closed");
    assert_eq!(client.all(WAMP_CLOSE).len(), 1);
    client.finish();
    peer.done();
}

/// Loses the session and hands over the client while it waits for a retry that is an hour away.
fn waiting(what: &str) -> (Client, Peer<()>) {
    let peer = Peer::listening(|listener| {
        lose_in_session(&listener);
        serve(&listener);
    });
    let options = json!({"initial_retry_delay": 3600, "max_retry_delay": 3600, "max_retries": -1});
    let mut client = Client::open(what, &peer.url, options);
    client.join();
    client.call(c"com.p");
    client.retries(1);
    assert_eq!(client.state(), (0, 0, 1), "{what}");
    (client, peer)
}

#[test]
fn the_wait_can_be_cut_short() {
    let (mut client, peer) = waiting("reconnect_now");
    assert_eq!(client.reconnect_now(), WAMP_OK);
    client.join();
    assert_eq!(client.reconnect_now(), WAMP_ERR_STATE, "there is no wait");
    assert_eq!(client.close(), WAMP_OK);
    client.finish();
    peer.done();
}

#[test]
fn the_wait_can_be_ended() {
    let (client, _peer) = waiting("stop_retrying");
    assert_eq!(client.stop_retrying(), 1);
    client.closed_as(WAMP_ERR_LOST, "lost");
    assert_eq!((client.stop_retrying(), client.state()), (0, (0, 0, 0)));
    client.finish();

    let (client, _peer) = waiting("close");
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();

    let (mut client, _peer) = waiting("free");
    client.free();
    client.finish_freed();
}
