//! Values that clients write where they mean nothing: null, an empty list for an empty dict, and
//! the many forms of JavaScript's `undefined`.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::client::{Client, error, realms, realms_with};
use crate::codec::{Dict, Encoding, Received, Rules, transcode};
use crate::protocol::message::Message;
use crate::router::identity::Features;
use crate::router::realm::Realms;

/// The text that stands for [`NOTHINGS`] in the messages below.
const NOTHING: &str = "nothing";

/// Values that mean nothing.
const NOTHINGS: [(Encoding, &[u8]); 17] = [
    (Encoding::Json, b"null"),
    (Encoding::MsgPack, &[0xc0]),
    // msgpackr, msgpack5: undefined
    (Encoding::MsgPack, &[0xd4, 0, 0]),
    (Encoding::MsgPack, &[0xd5, 1, 0, 0]),
    (Encoding::MsgPack, &[0xd6, 5, 0, 0, 0, 0]),
    (Encoding::MsgPack, &[0xc7, 0, 0]),
    (Encoding::MsgPack, &[0xc7, 3, 127, 1, 2, 3]),
    (Encoding::MsgPack, &[0xc8, 0, 1, 0x80, 1]),
    (Encoding::MsgPack, &[0xc9, 0, 0, 0, 1, 9, 1]),
    // No timestamp has three bytes.
    (Encoding::MsgPack, &[0xc7, 3, 0xff, 1, 2, 3]),
    (Encoding::Cbor, &[0xf6]),
    (Encoding::Cbor, &[0xf7]),
    // Simple values.
    (Encoding::Cbor, &[0xe0]),
    (Encoding::Cbor, &[0xf3]),
    (Encoding::Cbor, &[0xf8, 32]),
    (Encoding::Cbor, &[0xf8, 255]),
    // NaN is what some make of undefined where a number is meant.
    (Encoding::Cbor, &[0xf9, 0x7e, 0]),
];

/// A frame, in this encoding, of a message where each [`NOTHING`] is this value instead.
fn frame(message: &str, encoding: Encoding, nothing: &[u8]) -> Vec<u8> {
    let encode = |json: &str| {
        let mut out = Vec::new();
        transcode(json.as_bytes(), Encoding::Json, encoding, Rules::Strict, &mut out).unwrap();
        out
    };
    let (bytes, text) = (encode(message), encode(&format!("\"{NOTHING}\"")));
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(&text) {
            out.extend_from_slice(nothing);
            at += text.len();
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

/// A message with every kind of nothing in it.
fn frames(message: &str) -> impl Iterator<Item = (Encoding, Vec<u8>, String)> {
    NOTHINGS.iter().map(move |(encoding, nothing)| {
        let what = format!("{message} with {nothing:02x?} in {encoding:?}");
        (*encoding, frame(message, *encoding, nothing), what)
    })
}

/// Answers to a message with nothing in it, for a client of its own: what another one, which
/// subscribes to and has registered everything, hears as well.
fn outcome(
    realms: &Arc<Realms>,
    encoding: Encoding,
    frame: Vec<u8>,
    what: &str,
) -> (Vec<Value>, Vec<Value>) {
    let [mut other, mut client] = [1, 2].map(|id| Client::able(realms, id));
    other.says(r#"[32,1,{"match":"prefix"},"com."]"#);
    other.says(r#"[64,2,{},"com.sum"]"#);
    other.hears();
    assert_eq!(client.tries_in(encoding, frame), Ok(()), "{what}");
    let heard = (client.hears(), other.hears());
    drop((client, other));
    heard
}

#[test]
fn it_is_an_absent_option() {
    for (absent, names) in [
        (r#"[32,1,{},"com.a"]"#, &["match", "get_retained"][..]),
        (
            r#"[64,1,{},"com.a"]"#,
            &["match", "invoke", "concurrency", "force_reregister", "disclose_caller"],
        ),
        (r#"[64,1,{},"com.a"]"#, &["forward_timeout", "other"]),
        (
            r#"[48,1,{},"com.sum",[1]]"#,
            &["timeout", "disclose_me", "receive_progress", "progress", "ppt_scheme", "enc_key"],
        ),
        (
            r#"[16,1,{},"com.a",[1]]"#,
            &["acknowledge", "exclude_me", "disclose_me", "retain", "exclude", "exclude_authid"],
        ),
        (
            r#"[16,1,{},"com.a",[1]]"#,
            &["exclude_authrole", "eligible", "eligible_authid", "eligible_authrole", "ppt_cipher"],
        ),
        (r#"[49,1,{}]"#, &["mode"]),
    ] {
        for name in names {
            let options = format!("{{\"{name}\":\"{NOTHING}\"}}");
            let message = absent.replace("{}", &options);
            for (encoding, frame, what) in frames(&message) {
                let without = Vec::from(absent);
                let expected = outcome(&realms(), Encoding::Json, without, absent);
                let (client, other) = outcome(&realms(), encoding, frame, &what);
                assert_eq!(
                    (ids_apart(client), ids_apart(other)),
                    {
                        let (client, other) = expected;
                        (ids_apart(client), ids_apart(other))
                    },
                    "{what}"
                );
            }
        }
    }
}

/// Messages without the ids of publications, which are random.
fn ids_apart(mut messages: Vec<Value>) -> Vec<Value> {
    for event in messages.iter_mut().filter(|message| message[0] == 36) {
        event[2] = json!("publication");
    }
    messages
}

#[test]
fn it_is_a_dict_without_entries() {
    for message in [
        r#"[32,1,"nothing","com.a"]"#,
        r#"[64,1,"nothing","com.a"]"#,
        r#"[48,1,"nothing","com.sum",[1]]"#,
        r#"[16,1,"nothing","com.a",[1]]"#,
        r#"[49,1,"nothing"]"#,
        r#"[70,1,"nothing",[1]]"#,
        r#"[8,68,1,"nothing","com.no"]"#,
    ] {
        let plain = message.replace("\"nothing\"", "{}");
        let expected = outcome(&realms(), Encoding::Json, plain.into(), message);
        let expected = (ids_apart(expected.0), ids_apart(expected.1));
        let empty_lists: [(Encoding, &[u8]); 6] = [
            (Encoding::Json, b"[]"),
            (Encoding::Json, b"[ ]"),
            (Encoding::MsgPack, &[0x90]),
            (Encoding::MsgPack, &[0xdc, 0, 0]),
            (Encoding::Cbor, &[0x80]),
            (Encoding::Cbor, &[0x9f, 0xff]),
        ];
        let lists = empty_lists.iter().map(|(encoding, list)| {
            let what = format!("{message} with {list:02x?} in {encoding:?}");
            (*encoding, frame(message, *encoding, list), what)
        });
        // A number is no dict, even if it is none.
        let others = frames(message).filter(|(_, frame, _)| !has(frame, &[0xf9, 0x7e, 0]));
        for (encoding, frame, what) in lists.chain(others) {
            let (client, other) = outcome(&realms(), encoding, frame, &what);
            assert_eq!((ids_apart(client), ids_apart(other)), expected, "{what}");
        }
    }
}

fn has(frame: &[u8], part: &[u8]) -> bool {
    frame.windows(part.len()).any(|window| window == part)
}

#[test]
fn it_is_an_absent_payload() {
    let plain = outcome(&realms(), Encoding::Json, br#"[48,1,{},"com.sum"]"#.to_vec(), "plain");
    for message in [
        r#"[48,1,{},"com.sum","nothing"]"#,
        r#"[48,1,{},"com.sum","nothing","nothing"]"#,
        r#"[48,1,{},"com.sum",[],"nothing"]"#,
    ] {
        for (encoding, frame, what) in
            frames(message).filter(|(_, frame, _)| !has(frame, &[0xf9, 0x7e, 0]))
        {
            let (client, mut other) = outcome(&realms(), encoding, frame, &what);
            // An empty list of args is one.
            if let Some(args) = other[0].as_array_mut().filter(|all| all.len() == 5) {
                assert_eq!(args.pop(), Some(json!([])), "{what}");
            }
            assert_eq!((&client, &other), (&plain.0, &plain.1), "{what}");
        }
    }
}

#[test]
fn it_is_a_role_without_features() {
    for (encoding, frame, what) in frames(
        r#"[1,"realm1",{"authid":"nothing","roles":{"caller":"nothing","callee":
            {"features":"nothing"},"subscriber":{"features":{"a":"nothing"}}}}]"#,
    ) {
        let received = Received::from_client(&frame.into(), encoding).unwrap();
        let Ok(Message::Hello(hello)) = Message::from_received(&received) else {
            panic!("{what}");
        };
        assert_eq!(Features::read(hello.details), Ok(Features::default()), "{what}");
        assert_eq!(hello.details.text("authid"), Ok(None), "{what}");
    }
    let php = r#"{"roles":{"caller":[],"callee":{"features":[]}}}"#;
    assert_eq!(Features::read(Dict::from_checked(php.as_bytes())), Ok(Features::default()));
}

/// Each call, and the same without what stands for nothing in it.
#[test]
fn it_is_an_absent_argument_of_the_meta_api() {
    let calls: HashMap<&str, &str> = HashMap::from([
        (r#""wamp.session.count",["nothing"]"#, r#""wamp.session.count""#),
        (r#""wamp.session.list",["nothing"],"nothing""#, r#""wamp.session.list""#),
        (
            r#""wamp.session.kill",[9],{"reason":"nothing","message":"nothing"}"#,
            r#""wamp.session.kill",[9]"#,
        ),
        (r#""wamp.session.kill_all",[],{"reason":"nothing"}"#, r#""wamp.session.kill_all""#),
        (
            r#""wamp.session.add_testament",["com.t","nothing","nothing"],
                {"publish_options":"nothing","scope":"nothing"}"#,
            r#""wamp.session.add_testament",["com.t"]"#,
        ),
        (
            r#""wamp.session.add_testament",["com.t",[],[]],
                {"publish_options":{"exclude":"nothing","retain":"nothing"}}"#,
            r#""wamp.session.add_testament",["com.t"]"#,
        ),
        (
            r#""wamp.session.add_testament",["com.t",[1],{}],{"publish_options":[]}"#,
            r#""wamp.session.add_testament",["com.t"]"#,
        ),
        (
            r#""wamp.session.flush_testaments",[],{"scope":"nothing"}"#,
            r#""wamp.session.flush_testaments""#,
        ),
        (
            r#""wamp.registration.lookup",["com.sum","nothing"]"#,
            r#""wamp.registration.lookup",["com.sum"]"#,
        ),
        (
            r#""wamp.registration.lookup",["com.sum",{"match":"nothing"}]"#,
            r#""wamp.registration.lookup",["com.sum"]"#,
        ),
        (
            r#""wamp.registration.lookup",["com.sum",[]],[]"#,
            r#""wamp.registration.lookup",["com.sum"]"#,
        ),
        (
            r#""wamp.subscription.get_events",[1],{"limit":"nothing","reverse":"nothing",
                "topic":"nothing","from_time":"nothing","after_publication":"nothing"}"#,
            r#""wamp.subscription.get_events",[1]"#,
        ),
    ]);
    let realms = || realms_with(r#"{"event_history":10}"#);
    for (call, plain) in calls {
        let plain = format!("[48,1,{{}},{plain}]");
        let expected = outcome(&realms(), Encoding::Json, plain.clone().into(), &plain);
        for (encoding, frame, what) in frames(&format!("[48,1,{{}},{call}]")) {
            let skipped = call.contains(r#"],"nothing""#) && has(&frame, &[0xf9, 0x7e, 0]);
            if !skipped {
                assert_eq!(outcome(&realms(), encoding, frame, &what), expected, "{what}");
            }
        }
    }
}

/// A testament's own payload keeps what it has.
#[test]
fn it_is_something_in_a_payload() {
    let realms = realms();
    let [mut heir, mut author] = [1, 2].map(|id| Client::able(&realms, id));
    heir.says(r#"[32,1,{},"com.t"]"#);
    heir.hears();
    let call = r#"[48,1,{},"wamp.session.add_testament",["com.t",["nothing"],{"k":"nothing"}]]"#;
    let call = frame(call, Encoding::MsgPack, &[0xd4, 0, 7]);
    assert_eq!(author.tries_in(Encoding::MsgPack, call), Ok(()));
    drop(author);
    let event = heir.hears_one();
    assert_eq!((&event[4], &event[5]), (&json!(["\0Bw=="]), &json!({"k": "\0Bw=="})));
}

#[test]
fn something_else_is_refused() {
    for (option, value) in [("match", "[]"), ("match", "{}"), ("match", "0"), ("match", "false")] {
        let mut client = Client::able(&realms(), 1);
        client.says(&format!("[32,1,{{\"{option}\":{value}}},\"com.a\"]"));
        assert_eq!(error(&client).2, "wamp.error.invalid_argument", "{value}");
    }
    for dict in ["[1]", "\"\"", "0", "false", "[[]]"] {
        for encoding in Encoding::ALL {
            let mut client = Client::able(&realms(), 1);
            let message = format!("[32,1,{dict},\"com.a\"]");
            let broken = client.tries_in(encoding, frame(&message, encoding, b""));
            assert!(broken.is_err(), "{message} in {encoding:?}");
        }
    }
}
