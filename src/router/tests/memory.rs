//! A realm and its sessions, message by message, without sockets.

use serde_json::{Value, json};

use super::client::{Client, error, realms, realms_with};
use crate::router::budget::Budget;
use crate::router::identity::Identity;
use crate::router::peer::{Peer, PeerCommand, WakeList};
use crate::router::realm::LeaveReason;

#[test]
fn welcome_tells_what_the_router_does() {
    let peer = Peer::new(77, 1 << 20, &Budget::new(1 << 30));
    let session = realms().join("realm1", &peer, Identity::default(), &mut WakeList::default());
    assert!(session.is_ok());
    let batch = peer.take().unwrap();
    let welcome: Value = serde_json::from_slice(&batch.message(0)).unwrap();
    assert_eq!((&welcome[0], &welcome[1]), (&json!(2), &json!(77)));
    let details = &welcome[2];
    assert_eq!(details["realm"], "realm1");
    let features = |role: &str| {
        let features = details["roles"][role]["features"].as_object().unwrap();
        assert!(features.values().all(|value| *value == true));
        features.keys().map(String::as_str).collect::<Vec<_>>()
    };
    assert_eq!(
        features("broker"),
        [
            "event_retention",
            "pattern_based_subscription",
            "payload_passthru_mode",
            "payload_transparency",
            "publisher_exclusion",
            "publisher_identification",
            "session_meta_api",
            "subscriber_blackwhite_listing",
            "subscription_meta_api",
            "subscription_revocation",
        ]
    );
    assert_eq!(
        features("dealer"),
        [
            "call_canceling",
            "call_reroute",
            "call_timeout",
            "caller_identification",
            "pattern_based_registration",
            "payload_passthru_mode",
            "payload_transparency",
            "progressive_call_invocations",
            "progressive_call_results",
            "registration_meta_api",
            "registration_revocation",
            "session_meta_api",
            "shared_registration",
            "testament_meta_api",
        ]
    );
}

#[test]
fn subscribers_share_an_id_and_get_each_event_once() {
    let realms = realms();
    let [mut a, mut b, mut c] = [1, 2, 3].map(|id| Client::join(&realms, id));
    a.says(r#"[32,1,{},"com.topic"]"#);
    a.says(r#"[32,2,{"match":"exact"},"com.topic"]"#);
    b.says(r#"[32,1,{},"com.topic"]"#);
    assert_eq!(a.hears(), [json!([33, 1, 1]), json!([33, 2, 1])]);
    assert_eq!(b.hears_one(), json!([33, 1, 1]));
    c.says(r#"[32,1,{},"com.other"]"#);
    assert_eq!(c.hears_one(), json!([33, 1, 2]));

    c.says(r#"[16,2,{"acknowledge":true},"com.topic",["x"],{"k":1}]"#);
    let published = c.hears_one();
    assert_eq!((&published[0], &published[1]), (&json!(17), &json!(2)));
    let event = json!([36, 1, published[2], {}, ["x"], {"k": 1}]);
    assert_eq!(a.hears_one(), event);
    assert_eq!(b.hears_one(), event);

    a.says(r#"[34,3,1]"#);
    assert_eq!(a.hears_one(), json!([35, 3]));
    c.says(r#"[16,3,{},"com.topic"]"#);
    assert!(a.hears().is_empty() && c.hears().is_empty());
    assert_eq!(b.hears_one().as_array().map(Vec::len), Some(4));

    // The subscription ended with its last subscriber: the next one is a new one.
    b.says(r#"[34,2,1]"#);
    b.says(r#"[32,3,{},"com.topic"]"#);
    assert_eq!(b.hears(), [json!([35, 2]), json!([33, 3, 3])]);
}

#[test]
fn a_publisher_is_excluded_unless_it_says_otherwise() {
    let realms = realms();
    let mut client = Client::join(&realms, 1);
    client.says(r#"[32,1,{},"com.topic"]"#);
    client.hears();
    client.says(r#"[16,2,{},"com.topic",[1]]"#);
    client.says(r#"[16,3,{"exclude_me":true},"com.topic",[2]]"#);
    client.says(r#"[16,4,{"exclude_me":false},"com.topic",[3]]"#);
    assert_eq!(client.hears_one()[4], json!([3]));
}

#[test]
fn pubsub_requests_are_refused_with_a_reason() {
    let realms = realms();
    let mut client = Client::join(&realms, 1);
    let refusals = [
        (r#"[32,1,{},"a b"]"#, 32, "wamp.error.invalid_uri"),
        (r#"[32,2,{"match":"regex"},"a.b"]"#, 32, "wamp.error.invalid_argument"),
        (r#"[34,3,9]"#, 34, "wamp.error.no_such_subscription"),
        (r#"[16,4,{"acknowledge":true},"wamp.x"]"#, 16, "wamp.error.invalid_uri"),
    ];
    for (at, (frame, kind, uri)) in refusals.into_iter().enumerate() {
        client.says(frame);
        let expected = (json!(kind), json!(at + 1), uri.to_owned());
        assert_eq!(error(&client), expected, "{frame}");
    }
    client.says(r#"[16,5,{},"a b"]"#);
    assert!(client.hears().is_empty());
    client.says(r#"[32,6,{},"wamp.session.on_join"]"#);
    assert_eq!(client.hears_one()[0], 33);
}

#[test]
fn a_call_goes_to_the_callee_and_back() {
    let realms = realms();
    let [mut callee, mut caller] = [1, 2].map(|id| Client::join(&realms, id));
    callee.says(r#"[64,1,{"invoke":"single"},"com.add"]"#);
    assert_eq!(callee.hears_one(), json!([65, 1, 1]));

    caller.says(r#"[48,1,{},"com.add",[2,3]]"#);
    assert_eq!(callee.hears_one(), json!([68, 1, 1, {}, [2, 3]]));
    callee.says(r#"[70,1,{},[5],{"how":"sum"}]"#);
    assert_eq!(caller.hears_one(), json!([50, 1, {}, [5], {"how": "sum"}]));

    caller.says(r#"[48,2,{},"com.add"]"#);
    assert_eq!(callee.hears_one(), json!([68, 2, 1, {}]));
    callee.says(r#"[8,68,2,{"x":1},"com.myapp.bad",["no"],{}]"#);
    assert_eq!(caller.hears_one(), json!([8, 48, 2, {}, "com.myapp.bad", ["no"], {}]));

    // Answers come once: late, double and foreign ones go nowhere.
    callee.says(r#"[70,2,{}]"#);
    caller.says(r#"[70,2,{}]"#);
    callee.says(r#"[8,68,99,{},"com.myapp.bad"]"#);
    assert!(caller.hears().is_empty() && callee.hears().is_empty());
}

#[test]
fn progressive_results_go_to_callers_that_want_them() {
    let realms = realms();
    let [mut callee, mut caller] = [1, 2].map(|id| Client::join(&realms, id));
    callee.says(r#"[64,1,{},"com.count"]"#);
    callee.hears();

    caller.says(r#"[48,1,{"receive_progress":true},"com.count"]"#);
    let invocation = callee.hears_one();
    assert_eq!(invocation, json!([68, 1, 1, {"receive_progress": true}]));
    callee.says(r#"[70,1,{"progress":true},[1]]"#);
    callee.says(r#"[70,1,{"progress":true},[2]]"#);
    callee.says(r#"[70,1,{},[3]]"#);
    callee.says(r#"[70,1,{"progress":true},[4]]"#);
    assert_eq!(
        caller.hears(),
        [
            json!([50, 1, {"progress": true}, [1]]),
            json!([50, 1, {"progress": true}, [2]]),
            json!([50, 1, {}, [3]]),
        ]
    );

    caller.says(r#"[48,2,{},"com.count"]"#);
    callee.says(r#"[70,2,{"progress":true},[1]]"#);
    callee.says(r#"[70,2,{"progress":false},[2]]"#);
    assert_eq!(caller.hears_one(), json!([50, 2, {}, [2]]));
}

#[test]
fn rpc_requests_are_refused_with_a_reason() {
    let realms = realms();
    let [mut a, mut b] = [1, 2].map(|id| Client::join(&realms, id));
    a.says(r#"[64,1,{},"com.add"]"#);
    a.hears();
    let refusals = [
        (r#"[64,1,{},"com.add"]"#, 64, "wamp.error.procedure_already_exists"),
        (r#"[64,2,{},"wamp.mine"]"#, 64, "wamp.error.invalid_uri"),
        (r#"[64,3,{"match":"prefix"},"com.."]"#, 64, "wamp.error.invalid_uri"),
        (r#"[64,4,{"invoke":"all"},"com.x"]"#, 64, "wamp.error.invalid_argument"),
        (r#"[66,5,1]"#, 66, "wamp.error.no_such_registration"),
        (r#"[48,6,{},"com.none"]"#, 48, "wamp.error.no_such_procedure"),
        (r#"[48,7,{},"com..none"]"#, 48, "wamp.error.invalid_uri"),
    ];
    for (at, (frame, kind, uri)) in refusals.into_iter().enumerate() {
        b.says(frame);
        let expected = (json!(kind), json!(at + 1), uri.to_owned());
        assert_eq!(error(&b), expected, "{frame}");
    }

    a.says(r#"[66,2,1]"#);
    assert_eq!(a.hears_one(), json!([67, 2]));
    b.says(r#"[64,8,{},"com.add"]"#);
    assert_eq!(b.hears_one(), json!([65, 8, 2]));
}

#[test]
fn uris_have_an_end() {
    let realms = realms();
    let mut client = Client::join(&realms, 1);
    let longest = format!("a.{}", "b".repeat(8190));
    for (at, (kind, head)) in [
        (32, "[32,1,{}"),
        (32, r#"[32,2,{"match":"prefix"}"#),
        (32, r#"[32,3,{"match":"wildcard"}"#),
        (64, "[64,4,{}"),
        (64, r#"[64,5,{"match":"prefix"}"#),
        (16, r#"[16,6,{"acknowledge":true}"#),
        (48, "[48,7,{}"),
    ]
    .into_iter()
    .enumerate()
    {
        client.says(&format!(r#"{head},"{longest}x"]"#));
        let refused = client.hears_one();
        assert_eq!((&refused[1], &refused[2]), (&json!(kind), &json!(at + 1)), "{head}");
        assert_eq!(refused[4], "wamp.error.invalid_uri", "{head}");
        let why = refused[5][0].as_str().unwrap_or_default();
        assert!(why.contains("8193 bytes") && why.len() < 100, "{head}: {why}");
    }
    client.says(&format!(r#"[16,8,{{}},"{longest}x"]"#));
    client.hears_nothing();
    client.says(&format!(r#"[32,9,{{}},"{longest}"]"#));
    client.says(&format!(r#"[64,10,{{}},"{longest}"]"#));
    client.says(&format!(r#"[16,11,{{"exclude_me":false}},"{longest}"]"#));
    client.says(&format!(r#"[48,12,{{}},"{longest}"]"#));
    let heard: Vec<_> = client.hears().iter().map(|message| message[0].clone()).collect();
    assert_eq!(heard, [33, 65, 36, 68]);
}

#[test]
fn a_callee_that_leaves_fails_its_calls() {
    let realms = realms();
    let [mut callee, mut caller] = [1, 2].map(|id| Client::join(&realms, id));
    callee.says(r#"[64,1,{},"com.add"]"#);
    caller.says(r#"[48,1,{},"com.add"]"#);
    drop(callee);
    let canceled = (json!(48), json!(1), "wamp.error.canceled".to_owned());
    assert_eq!(error(&caller), canceled);
    caller.says(r#"[48,2,{},"com.add"]"#);
    assert_eq!(error(&caller).2, "wamp.error.no_such_procedure");
}

#[test]
fn answers_to_a_caller_that_left_are_ignored() {
    let realms = realms();
    let [mut callee, mut caller] = [1, 2].map(|id| Client::join(&realms, id));
    callee.says(r#"[64,1,{},"com.add"]"#);
    caller.says(r#"[48,1,{},"com.add"]"#);
    drop(caller);
    callee.hears();
    callee.says(r#"[70,1,{"progress":true}]"#);
    callee.says(r#"[70,1,{}]"#);
    assert!(callee.hears().is_empty());
}

#[test]
fn a_session_can_call_itself() {
    let realms = realms();
    let mut client = Client::join(&realms, 1);
    client.says(r#"[64,1,{},"com.add"]"#);
    client.says(r#"[48,2,{},"com.add"]"#);
    client.says(r#"[48,3,{},"com.add"]"#);
    client.says(r#"[70,1,{},[1]]"#);
    assert_eq!(
        client.hears(),
        [json!([65, 1, 1]), json!([68, 1, 1, {}]), json!([68, 2, 1, {}]), json!([50, 2, {}, [1]]),]
    );
}

#[test]
fn violations_end_the_session() {
    let realms = realms();
    for (frame, told) in [
        (r#"[1,"realm1",{}]"#, "HELLO within a session"),
        (r#"[33,1,1]"#, "SUBSCRIBED within a session"),
        (r#"[5,"",{}]"#, "AUTHENTICATE within a session"),
        (r#"[8,48,1,{},"a.b"]"#, "ERROR for request type 48"),
        (r#"[32,2,{},"a.b"]"#, "request id 2 where 1 is due"),
        (r#"[48,1,{"progress":true},"a.b"]"#, "did not announce"),
    ] {
        match Client::join(&realms, 1).tries(frame) {
            Err(LeaveReason::Violation(why)) => assert!(why.contains(told), "{frame}: {why}"),
            other => panic!("{frame}: {other:?}"),
        }
    }
    let mut client = Client::join(&realms, 1);
    assert_eq!(client.tries(r#"[6,{},"wamp.close.normal"]"#), Err(LeaveReason::Goodbye));
    assert_eq!(client.tries(r#"[3,{},"com.myapp.bye"]"#), Err(LeaveReason::Abort));
    client.says(r#"[49,1,{"mode":"skip"}]"#);
    client.says(r#"[337,1]"#);
}

#[test]
fn an_empty_realm_is_forgotten_unless_it_is_listed() {
    let on_demand = realms();
    let first = Client::join(&on_demand, 1);
    let second = Client::join(&on_demand, 2);
    drop(first);
    assert_eq!(on_demand.count(), 1);
    drop(second);
    assert_eq!(on_demand.count(), 0);

    let listed = realms_with(r#"{"realms": ["realm1"]}"#);
    drop(Client::join(&listed, 1));
    assert_eq!(listed.count(), 1);
    let peer = Peer::new(2, 1 << 20, &Budget::new(1 << 30));
    let refused = listed.join("realm2", &peer, Identity::default(), &mut WakeList::default());
    assert!(refused.is_err() && peer.take().is_none());
}

#[test]
fn a_client_that_does_not_read_is_dropped() {
    let peer = Peer::new(1, 100, &Budget::new(1 << 30));
    let mut wakes = WakeList::default();
    peer.send(&mut wakes, |out| out.whole(&[b'x'; 60]));
    let taken = peer.take().unwrap();
    peer.send(&mut wakes, |out| out.whole(&[b'x'; 40]));
    assert_eq!((peer.take_command(), peer.was_dropped()), (None, false));
    peer.send(&mut wakes, |out| out.whole(b"x"));
    assert_eq!(peer.take_command(), Some(PeerCommand::Drop));
    peer.written(taken);
    peer.send(&mut wakes, |out| out.whole(b"x"));
    assert!(peer.was_dropped() && peer.take().is_none());
}
