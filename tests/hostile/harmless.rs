//! What is odd, late or sloppy, and must not cost the session.

use serde_json::json;
use wamp::ffi::types::*;

use super::client::Client;
use super::every;
use super::peer::Peer;
use super::scene::{Scene, harmless};
use super::told::Told;

#[test]
fn ignored_messages() {
    let rows: [(&str, &[&str]); 18] = [
        ("extensions", &["[256]", "[1023,{},[],null]", "[300.0]"]),
        ("EVENT of nobody", &["[36,21,1,{},[1]]"]),
        ("late RESULT", &["[50,3,{},[1]]", "[50,3,{},[1]]"]),
        ("late ERROR", &[r#"[8,48,3,{},"wamp.error.canceled"]"#]),
        ("late SUBSCRIBED", &["[33,1,20]", "[33,1,21]"]),
        ("late REGISTERED", &["[65,2,30]", "[65,2,31]"]),
        ("late PUBLISHED", &["[17,1,2]"]),
        ("late UNSUBSCRIBED", &["[35,1]", "[35,3]"]),
        ("late UNREGISTERED", &["[67,2]"]),
        ("late progress", &[r#"[50,3,{"progress":true},[1]]"#]),
        ("progress that nobody wanted", &[r#"[50,4,{"progress":true},[1]]"#]),
        ("late ERROR of another kind", &[r#"[8,32,3,{},"com.x"]"#]),
        ("ERROR(CANCEL)", &[r#"[8,49,4,{},"com.x"]"#, r#"[8,49,99,{},"com.x"]"#]),
        ("INTERRUPT", &["[69,1,{}]", r#"[69,77,{"mode":"kill"}]"#]),
        (
            "revocation of what is not there",
            &[
                r#"[35,0,{"subscription":99}]"#,
                r#"[67,0,{"registration":99}]"#,
                "[35,0]",
                "[67,0]",
                "[35,0,{}]",
                "[67,0,{}]",
            ],
        ),
        ("unknown details", &[r#"[36,99,1,{"x_new":[{}],"_y":null}]"#]),
        ("surplus elements", &["[36,99,1,{},[],{},7,[8],{\"a\":1}]"]),
        ("spaces", &[" [ 36 ,\n99\t,\r1 , { } ] \n"]),
    ];
    every(rows, |what, messages| {
        let (client, ()) = harmless(what, |wire| {
            messages.iter().for_each(|message| wire.text(message));
        });
        assert!(client.all(WAMP_EVENT).is_empty(), "{what}");
        // Those of the scene, and no other.
        assert_eq!(client.all(WAMP_RESULT).len(), 3, "{what}");
        assert!(client.all(WAMP_ERROR).is_empty(), "{what}");
        client.finish();
    });
}

#[test]
fn an_invocation_of_nothing_is_answered() {
    let (client, answer) = harmless("no registration", |wire| {
        wire.text("[68,123,99,{},[1]]");
        wire.message().expect("an ERROR")
    });
    let expected = json!([8, 68, 123, {}, "wamp.error.no_such_registration"]);
    assert_eq!(answer, expected);
    client.finish();
}

#[test]
fn invocation_ids_need_no_order() {
    let (client, answers) = harmless("random ids", |wire| {
        let ids = [9007199254740992u64, 5, 77, 5, 1];
        let answer = |id| {
            wire.text(&format!("[68,{id},30,{{}},[{id}]]"));
            wire.message().expect("a YIELD")
        };
        ids.map(answer)
    });
    let ids = [9007199254740992u64, 5, 77, 5, 1];
    for (answer, id) in answers.iter().zip(ids) {
        assert_eq!(answer, &json!([70, id, {}, [id]]));
    }
    assert_eq!(client.all(WAMP_INVOCATION).len(), ids.len());
    client.finish();
}

#[test]
fn ids_that_javascript_writes() {
    let rows = [
        ("as floats", "[36.0,20.0,7.0,{}]"),
        ("with exponents", "[3.6e1,2e1,0.7E+1,{}]"),
        ("with many zeros", "[36,20,7.000000000000,{}]"),
    ];
    every(rows, |what, message| {
        let (client, ()) = harmless(what, |wire| wire.text(message));
        let events = client.all(WAMP_EVENT);
        assert_eq!(events.len(), 1, "{what}");
        assert_eq!(events[0].wamp_id, 7, "{what}");
        client.finish();
    });
}

/// Sends an EVENT with this end, and returns what the handler was told of it.
fn event(what: &'static str, end: String) -> Told {
    let (client, ()) = harmless(what, move |wire| wire.text(&format!("[36,20,9,{end}]")));
    let mut events = client.all(WAMP_EVENT);
    assert_eq!(events.len(), 1, "{what}");
    client.finish();
    let told = events.remove(0);
    assert_eq!((told.wamp_id, told.uri.as_str()), (9, "com.topic"), "{what}");
    told
}

#[test]
fn odd_payloads_are_delivered() {
    let rows = [
        ("nothing", ("{}", "", "")),
        ("null args", ("{},null", "", "")),
        ("both null", ("{},null,null", "", "")),
        ("null kwargs", ("{},[1],null", "[1]", "")),
        ("kwargs alone", (r#"{},null,{"a":1}"#, "", r#"{"a":1}"#)),
        ("empty ones", ("{},[],{}", "[]", "{}")),
        ("surplus", (r#"{},[1],{"a":2},"more""#, "[1]", r#"{"a":2}"#)),
        ("NaN", ("{},[NaN]", "[NaN]", "")),
        ("infinities", ("{},[Infinity,-Infinity]", "[Infinity,-Infinity]", "")),
        (
            "large numbers",
            (
                "{},[18446744073709551616,-99999999999999999999,1e999]",
                "[18446744073709551616,-99999999999999999999,1e999]",
                "",
            ),
        ),
        (
            "a number of many digits",
            (
                "{},[3.14159265358979323846264338327950288419716939937510]",
                "[3.14159265358979323846264338327950288419716939937510]",
                "",
            ),
        ),
        ("half a surrogate", (r#"{},["\ud800"]"#, r#"["\ud800"]"#, "")),
        ("binary that is none", (r#"{},["\u0000***"]"#, r#"["\u0000***"]"#, "")),
        ("a key twice", (r#"{},[],{"a":1,"a":2}"#, "[]", r#"{"a":1,"a":2}"#)),
        ("a control character", ("{},[\"\u{1}\t\"]", "[\"\u{1}\t\"]", "")),
    ];
    every(rows, |what, (end, args, kwargs)| {
        let told = event(what, end.to_owned());
        assert_eq!((told.args.as_str(), told.kwargs.as_str()), (args, kwargs));
        // The lens may refuse what no JSON parser takes; it shows all of the rest.
        if !args.is_empty() {
            assert!(told.lens.is_some() || what == "half a surrogate", "{what}");
        }
    });
}

#[test]
fn a_payload_as_deep_as_it_gets() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let told = event("100 levels", format!("{{}},{}", deep(100)));
    assert_eq!(told.lens, Some(1));
    for levels in [100_000, 1_000_000] {
        let told = event("deep lists", format!("{{}},{}", deep(levels)));
        assert_eq!(told.args, deep(levels));
        assert_eq!(told.lens, Some(1), "a lens shows the upper levels");
    }
    let dicts = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    let told = event("deep dicts", format!("{{}},[],{dicts}"));
    assert_eq!(told.kwargs, dicts);
    let told = event("deep details", format!("{{\"x_deep\":{}}}", deep(100_000)));
    assert!(told.details.contains(&deep(100_000)));
}

#[test]
fn texts_that_c_cannot_hold() {
    let (client, ()) = harmless("NUL in a URI", |wire| {
        wire.text(r#"[35,0,{"subscription":20,"reason":"com.\u0000x\ud800"}]"#);
    });
    let told = client.first(WAMP_UNSUBSCRIBED);
    assert!(told.uri.starts_with("com."), "{told:?}");
    client.finish();
}

#[test]
fn revoked_subscriptions_and_registrations() {
    let (client, answer) = harmless("revoked", |wire| {
        wire.text(r#"[35,0,{"subscription":20,"reason":"com.revoked"}]"#);
        wire.text(r#"[67,0,{"registration":30,"reason":"com.revoked"}]"#);
        // Both are gone, so these are nobody's.
        wire.text(r#"[35,0,{"subscription":20,"reason":"com.revoked"}]"#);
        wire.text("[36,20,1,{}]");
        wire.text("[68,1,30,{}]");
        wire.message().expect("an ERROR")
    });
    assert_eq!(answer[4], "wamp.error.no_such_registration");
    for kind in [WAMP_UNSUBSCRIBED, WAMP_UNREGISTERED] {
        let told = client.all(kind);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].uri, "com.revoked");
    }
    assert!(client.all(WAMP_EVENT).is_empty());
    assert!(client.all(WAMP_INVOCATION).is_empty());
    client.finish();
}

#[test]
fn errors_arrive_with_all_they_carry() {
    let (scene, peer) = Scene::open("errors", json!({}), |wire| {
        wire.text(r#"[8,48,4,{"x":1},"com.err",["a",2],{"k":[3]}]"#);
        wire.text(r#"[8,16,5,{},"wamp.error.not_authorized"]"#);
        wire.polite()
    });
    let Scene { client, call, publication, .. } = scene;
    let told = client.outcome(call);
    let how = (told.kind, told.status, told.uri.as_str());
    assert_eq!(how, (WAMP_ERROR, WAMP_ERR_REMOTE, "com.err"));
    assert_eq!(told.args, r#"["a",2]"#);
    assert_eq!(told.kwargs, r#"{"k":[3]}"#);
    assert_eq!(told.details, r#"{"x":1}"#);
    let told = client.outcome(publication);
    assert_eq!(told.uri, "wamp.error.not_authorized");
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    peer.done();
}

#[test]
fn progress_that_was_wanted_ends_with_the_result() {
    let peer = Peer::joined(|wire| {
        wire.message().expect("a CALL");
        for _ in 0..1000 {
            wire.text(r#"[50,1,{"progress":true},[0]]"#);
        }
        wire.text("[50,1,{},[1]]");
        wire.text(r#"[50,1,{"progress":true},[2]]"#);
        wire.text("[50,1,{},[3]]");
        wire.polite()
    });
    let mut client = Client::open("progress", &peer.url, json!({}));
    client.join();
    let call = client.call_with(c"com.call", Some(c"{\"receive_progress\":true}"));
    assert_eq!(client.outcome(call).args, "[1]");
    assert_eq!(client.close(), WAMP_OK);
    assert_eq!(client.all(WAMP_RESULT).len(), 1001);
    client.finish();
    peer.done();
}
