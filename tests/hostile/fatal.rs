//! What a router must never send into an open session: it ends by ABORT.

use serde_json::json;
use wamp::ffi::types::*;

use super::client::Client;
use super::every;
use super::peer::Peer;
use super::scene::{check_abort, violation};

#[test]
fn messages_out_of_place() {
    let rows = [
        ("WELCOME", r#"[2,1,{"roles":{"broker":{}}}]"#),
        ("CHALLENGE", r#"[4,"ticket",{}]"#),
        ("HELLO", r#"[1,"realm1",{}]"#),
        ("AUTHENTICATE", r#"[5,"x",{}]"#),
        ("PUBLISH", r#"[16,1,{},"com.x"]"#),
        ("SUBSCRIBE", r#"[32,1,{},"com.x"]"#),
        ("UNSUBSCRIBE", "[34,1,20]"),
        ("CALL", r#"[48,1,{},"com.x"]"#),
        ("CANCEL", "[49,1,{}]"),
        ("REGISTER", r#"[64,1,{},"com.x"]"#),
        ("UNREGISTER", "[66,1,30]"),
        ("YIELD", "[70,1,{}]"),
    ];
    every(rows, |what, message| violation(what, |wire| wire.text(message)));
}

#[test]
fn no_messages() {
    let rows = [
        ("empty", ""),
        ("spaces", "  \n"),
        ("an empty list", "[]"),
        ("a word", "hello"),
        ("a number", "36"),
        ("a string", "\"36\""),
        ("a dict", r#"{"36":1}"#),
        ("null", "null"),
        ("a byte order mark", "\u{feff}[256]"),
        ("a NUL", "\0"),
        ("two messages", "[256][256]"),
        ("text after the end", "[256] x"),
        ("not closed", "[36,20,1,{}"),
        ("closed twice", "[36,20,1,{}]]"),
        ("closed wrongly", "[36,20,1,{}}"),
        ("in a number", "[3"),
        ("in a string", r#"[36,20,1,{"a"#),
        ("in a dict", r#"[36,20,1,{"a":"#),
        ("in the payload", r#"[36,20,1,{},["a",{"b":[1,2"#),
        ("after a comma", "[36,20,1,{},"),
        ("a comma too many", "[36,20,1,{},]"),
        ("a comma too few", "[36,20,1 {}]"),
        ("a comma only", "[,]"),
        ("a comma first", "[,36,20,1,{}]"),
        ("single quotes", "[36,20,1,{},['a']]"),
        ("a key without quotes", "[36,20,1,{a:1}]"),
        ("a wrong word", "[36,20,1,{},[nil]]"),
        ("a wrong escape", r#"[36,20,1,{},["\x41"]]"#),
        ("a short escape", r#"[36,20,1,{},["\u12"]]"#),
        ("a comment", "[36,20,1,{}/* yes */]"),
        ("a hexadecimal number", "[36,20,1,{},[0x10]]"),
        ("a leading zero", "[36,20,1,{},[012]]"),
        ("a leading plus", "[36,20,1,{},[+1]]"),
        ("a number that ends in a dot", "[36,20,1,{},[1.]]"),
        ("an exponent without digits", "[36,20,1,{},[1e]]"),
        ("a minus alone", "[36,20,1,{},[-]]"),
        ("minus NaN", "[36,20,1,{},[-NaN]]"),
        ("a bad extension", "[256,]"),
    ];
    every(rows, |what, message| violation(what, |wire| wire.text(message)));
}

#[test]
fn types_that_are_none() {
    let rows = [
        ("0", "[0]"),
        ("a gap", "[7,{}]"),
        ("another gap", "[71,{}]"),
        ("255", "[255]"),
        ("1024", "[1024]"),
        ("2^53", "[9007199254740992]"),
        ("2^64", "[18446744073709551616]"),
        ("negative", "[-36,20,1,{}]"),
        ("a fraction", "[36.5,20,1,{}]"),
        ("a string", r#"["36",20,1,{}]"#),
        ("a bool", "[true]"),
        ("null", "[null]"),
        ("a list", "[[36,20,1,{}]]"),
        ("NaN", "[NaN]"),
        ("infinity", "[1e999]"),
        ("with a leading zero", "[036,20,1,{}]"),
    ];
    every(rows, |what, message| violation(what, |wire| wire.text(message)));
}

#[test]
fn ids_that_are_none() {
    let rows = [
        ("zero", "0"),
        ("minus zero", "-0"),
        ("negative", "-1"),
        ("beyond 2^53", "9007199254740993"),
        ("far beyond", "18446744073709551617"),
        ("a bool", "true"),
        ("a string", "\"4\""),
        ("a fraction", "1.5"),
        ("a small fraction", "1.5e-300"),
        ("a large float", "1e17"),
        ("null", "null"),
        ("a list", "[4]"),
        ("NaN", "NaN"),
        ("infinity", "Infinity"),
        ("a leading zero", "04"),
    ];
    every(rows, |what, id| {
        for message in [
            format!(r#"[50,{id},{{}}]"#),
            format!("[36,20,{id},{{}}]"),
            format!("[36,{id},1,{{}}]"),
            format!("[17,5,{id}]"),
        ] {
            violation(what, move |wire| wire.text(&message));
        }
    });
}

#[test]
fn elements_of_wrong_types() {
    let rows = [
        ("EVENT too short", "[36,20,1]"),
        ("EVENT, details a list", "[36,20,1,[1]]"),
        ("EVENT, details a bool", "[36,20,1,true]"),
        ("EVENT, args a dict", "[36,20,1,{},{}]"),
        ("EVENT, args a string", r#"[36,20,1,{},"x"]"#),
        ("EVENT, kwargs a list", "[36,20,1,{},[],[1]]"),
        ("EVENT, kwargs a number", "[36,20,1,{},[],1]"),
        ("EVENT, topic a number", r#"[36,20,1,{"topic":7}]"#),
        ("RESULT too short", "[50,4]"),
        ("RESULT, details a string", r#"[50,4,"x"]"#),
        ("RESULT, progress a number", r#"[50,4,{"progress":1}]"#),
        ("RESULT, args a dict", "[50,4,{},{}]"),
        ("INVOCATION too short", "[68,1,30]"),
        ("INVOCATION, details a list", "[68,1,30,[1]]"),
        ("INVOCATION, procedure a list", r#"[68,1,30,{"procedure":[]}]"#),
        ("INVOCATION, receive_progress a string", r#"[68,1,30,{"receive_progress":"yes"}]"#),
        ("INVOCATION, args a number", "[68,1,30,{},5]"),
        ("INVOCATION, id 0", "[68,0,30,{}]"),
        ("INTERRUPT too short", "[69,1]"),
        ("ERROR too short", "[8,48,4,{}]"),
        ("ERROR, details a list", r#"[8,48,4,[1],"com.x"]"#),
        ("ERROR, uri a number", "[8,48,4,{},5]"),
        ("ERROR, type a string", r#"[8,"48",4,{},"com.x"]"#),
        ("ERROR, args a dict", r#"[8,48,4,{},"com.x",{}]"#),
        ("PUBLISHED too short", "[17,5]"),
        ("SUBSCRIBED too short", "[33,1]"),
        ("UNSUBSCRIBED too short", "[35]"),
        ("UNSUBSCRIBED, details a list", "[35,0,[1]]"),
        ("UNSUBSCRIBED, subscription a string", r#"[35,0,{"subscription":"20"}]"#),
        ("UNREGISTERED, registration 0", r#"[67,0,{"registration":0}]"#),
        ("UNSUBSCRIBED, reason a number", r#"[35,0,{"subscription":20,"reason":1}]"#),
        ("REGISTERED too short", "[65,2]"),
        ("UNREGISTERED too short", "[67]"),
        ("GOODBYE too short", "[6,{}]"),
        ("GOODBYE, reason a number", "[6,{},5]"),
        ("GOODBYE, details a string", r#"[6,"bye","com.x"]"#),
        ("ABORT too short", "[3,{}]"),
        ("ABORT, reason null", "[3,{},null]"),
    ];
    every(rows, |what, message| violation(what, |wire| wire.text(message)));
}

#[test]
fn answers_to_what_was_never_asked() {
    let rows = [
        ("RESULT", "[50,99,{}]"),
        ("progress", r#"[50,99,{"progress":true}]"#),
        ("PUBLISHED", "[17,99,1]"),
        ("SUBSCRIBED", "[33,99,1]"),
        ("UNSUBSCRIBED", "[35,99]"),
        ("REGISTERED", "[65,99,1]"),
        ("UNREGISTERED", "[67,99]"),
        ("ERROR", r#"[8,48,99,{},"com.x"]"#),
        ("the next request", "[50,6,{}]"),
        ("the last id", "[50,9007199254740992,{}]"),
    ];
    every(rows, |what, message| violation(what, |wire| wire.text(message)));
}

#[test]
fn answers_of_another_kind() {
    let rows = [
        ("PUBLISHED for a call", "[17,4,1]"),
        ("SUBSCRIBED for a call", "[33,4,1]"),
        ("UNREGISTERED for a call", "[67,4]"),
        ("RESULT for a publication", "[50,5,{}]"),
        ("ERROR(SUBSCRIBE) for a call", r#"[8,32,4,{},"com.x"]"#),
        ("ERROR(CALL) for a publication", r#"[8,48,5,{},"com.x"]"#),
        ("ERROR(INVOCATION)", r#"[8,68,4,{},"com.x"]"#),
        ("ERROR(YIELD)", r#"[8,70,4,{},"com.x"]"#),
        ("ERROR(HELLO)", r#"[8,1,4,{},"com.x"]"#),
        ("ERROR(0)", r#"[8,0,4,{},"com.x"]"#),
        ("ERROR(256)", r#"[8,256,4,{},"com.x"]"#),
        ("ERROR(INVOCATION) for what is done", r#"[8,68,3,{},"com.x"]"#),
    ];
    every(rows, |what, message| violation(what, |wire| wire.text(message)));
}

#[test]
fn a_registration_given_out_twice() {
    let peer = Peer::joined(|wire| {
        wire.message().expect("REGISTER");
        wire.message().expect("REGISTER");
        wire.text("[65,1,30]");
        wire.text("[65,2,30]");
        wire.polite()
    });
    let mut client = Client::open("twice", &peer.url, json!({}));
    client.join();
    let one = client.register(c"com.one");
    let two = client.register(c"com.two");
    assert_eq!(client.outcome(one).kind, WAMP_REGISTERED);
    // It was in the hands of the violated session, and ends with it.
    assert_eq!(client.outcome(two).kind, WAMP_ERROR);
    client.closed_as(WAMP_ERR_PROTOCOL, "closed");
    client.finish();
    check_abort("twice", &peer.done());
}

#[test]
fn nothing_is_read_after_a_violation() {
    violation("events after it", |wire| {
        wire.text("[]");
        for _ in 0..1000 {
            wire.text(r#"[36,20,1,{},["too late"]]"#);
        }
        wire.text(r#"[50,4,{},["too late"]]"#);
    });
}
