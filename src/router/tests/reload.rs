//! A new configuration for sessions that are there: what they may do no more ends, what they may do
//! goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::client::{ALL, Client, error, realms_with};
use crate::codec::Dict;
use crate::protocol::message::Message;
use crate::router::admission::Admission;
use crate::router::budget::Budget;
use crate::router::config::Config;
use crate::router::identity::{Features, Identity};
use crate::router::peer::{Peer, PeerCommand, WakeList};
use crate::router::realm::Realms;
use crate::router::rulings::Ruling;
use crate::router::turn::{UNITS, counting};

fn reload(realms: &Realms, config: &str) {
    realms.reload(&Arc::new(Config::parse(Some(config)).unwrap()));
}

/// A configuration with these rights of users.
fn users(entries: &[Value]) -> String {
    json!({"roles": {"user": entries}}).to_string()
}

fn may(uri: &str, matching: &str, actions: &[&str]) -> Value {
    let allow: serde_json::Map<_, _> =
        actions.iter().map(|action| ((*action).to_owned(), json!(true))).collect();
    json!({"uri": uri, "match": matching, "allow": allow})
}

const ACTIONS: &[&str] = &["call", "register", "publish", "subscribe"];

/// The command for a session that is to end, with this reason.
#[track_caller]
fn hears_goodbye(client: &Client, reason: &str) {
    match client.peer.take_command() {
        Some(PeerCommand::Goodbye(said, Some(_))) => assert_eq!(said, reason),
        other => panic!("{other:?}"),
    }
    assert!(client.peer.has_left());
}

#[track_caller]
fn stays(client: &Client) {
    assert_eq!(client.peer.take_command(), None);
    assert!(!client.peer.has_left());
}

#[test]
fn rights_that_are_lost_are_revoked_and_others_notice_nothing() {
    let realms = realms_with(&users(&[may("", "prefix", ACTIONS)]));
    let [mut ann, mut bob] = [1, 2].map(|id| Client::named(&realms, id, "x", "user"));
    let mut plain = Client::known_as(
        &realms,
        3,
        Identity { authrole: "user".to_owned(), ..Identity::default() },
    );
    for (at, (uri, options)) in [
        ("com.open", "{}"),
        ("com.secret", "{}"),
        ("com.", r#"{"match":"prefix"}"#),
        ("com.open.", r#"{"match":"prefix"}"#),
        ("com..x", r#"{"match":"wildcard"}"#),
    ]
    .into_iter()
    .enumerate()
    {
        ann.says(&format!(r#"[32,{},{options},"{uri}"]"#, 2 * at + 1));
        ann.says(&format!(r#"[64,{},{options},"{uri}"]"#, 2 * at + 2));
    }
    let ids: Vec<_> = ann.hears().into_iter().map(|answer| answer[2].clone()).collect();
    plain.says(r#"[32,1,{},"com.secret"]"#);
    bob.says(r#"[32,1,{},"com.open"]"#);
    plain.hears();
    bob.hears();

    reload(&realms, &users(&[may("com.open", "prefix", ACTIONS)]));
    let mut told: Vec<_> = ann.hears();
    told.sort_by_key(Value::to_string);
    let revoked = |code: u64, key: &str, at: usize| json!([code, 0, {key: ids[at], "reason": "wamp.error.not_authorized"}]);
    let mut expected: Vec<_> = [1, 2, 4]
        .into_iter()
        .flat_map(|at| {
            [revoked(35, "subscription", 2 * at), revoked(67, "registration", 2 * at + 1)]
        })
        .collect();
    expected.sort_by_key(Value::to_string);
    assert_eq!(told, expected);
    bob.hears_nothing();
    // Whoever does not know of revocation is not told.
    plain.hears_nothing();
    [&ann, &bob, &plain].into_iter().for_each(stays);
    let counts = realms.counts();
    assert_eq!((counts.subscriptions, counts.registrations), (2, 2));

    bob.says(r#"[32,2,{},"com.secret"]"#);
    assert_eq!(error(&bob).2, "wamp.error.not_authorized");
    bob.says(r#"[48,3,{},"com.secret"]"#);
    assert_eq!(error(&bob).2, "wamp.error.not_authorized");
    bob.says(r#"[16,4,{"acknowledge":true},"com.secret"]"#);
    assert_eq!(error(&bob).2, "wamp.error.not_authorized");
    bob.says(r#"[16,5,{"exclude_me":false},"com.open",[1]]"#);
    assert_eq!(bob.hears_one()[4], json!([1]));
    assert_eq!(ann.hears().len(), 1, "by its exact subscription");
    // And back: what was taken away may be had again.
    reload(&realms, "{}");
    bob.says(r#"[32,6,{},"com.secret"]"#);
    assert_eq!(bob.hears_one()[0], 33);
    bob.says(r#"[16,7,{"acknowledge":true},"any"]"#);
    assert_eq!(bob.hears_one()[0], 17);
}

#[test]
fn roles_come_and_go() {
    let all = [may("", "prefix", ACTIONS)];
    let realms = realms_with("{}");
    let mut clients =
        ["a", "b", "c"].map(|role| Client::named(&realms, role.as_bytes()[0].into(), "x", role));
    let mut request = [0; 3];
    let mut may_do = |clients: &mut [Client; 3]| {
        [0, 1, 2].map(|at| {
            request[at] += 1;
            clients[at].says(&format!(r#"[16,{},{{"acknowledge":true}},"com.t"]"#, request[at]));
            clients[at].hears_one()[0] == 17
        })
    };
    for (roles, allowed) in [
        (json!({"a": all}), [true, false, false]),
        (json!({"a": [], "b": all}), [false, true, false]),
        (json!({"c": all, "b": all}), [false, true, true]),
        (json!({}), [false; 3]),
        (json!({"a": all, "b": all, "c": all}), [true; 3]),
    ] {
        reload(&realms, &json!({"roles": roles}).to_string());
        assert_eq!(may_do(&mut clients), allowed, "{roles}");
    }
    reload(&realms, "{}");
    assert_eq!(may_do(&mut clients), [true; 3]);
}

#[test]
fn calls_on_their_way_go_on() {
    let realms = realms_with(&users(&[may("com.p", "exact", ACTIONS)]));
    let [mut callee, mut caller] = [1, 2].map(|id| Client::named(&realms, id, "x", "user"));
    callee.says(r#"[64,1,{},"com.p"]"#);
    callee.hears();
    caller.says(r#"[48,1,{"receive_progress":true},"com.p",[1]]"#);
    assert_eq!(callee.hears_one()[0], 68);
    reload(&realms, &users(&[]));
    assert_eq!(callee.hears_one()[0], 67);
    callee.says(r#"[70,1,{"progress":true},[2]]"#);
    callee.says(r#"[70,1,{},[3]]"#);
    let results: Vec<_> = caller.hears().into_iter().map(|result| result[3].clone()).collect();
    assert_eq!(results, [json!([2]), json!([3])]);
    caller.says(r#"[48,2,{},"com.p",[1]]"#);
    assert_eq!(error(&caller).2, "wamp.error.not_authorized");
}

#[test]
fn testaments_that_are_not_allowed_any_more_are_dropped() {
    let entries = [may("wamp.", "prefix", &["call"]), may("com.", "prefix", ACTIONS)];
    let realms = realms_with(&users(&entries));
    let [mut ann, mut bob] = [1, 2].map(|id| Client::named(&realms, id, "x", "user"));
    for (request, topic) in [(1, "com.bad"), (2, "com.good")] {
        ann.says(&format!(
            r#"[48,{request},{{}},"wamp.session.add_testament",["{topic}",["bye"]]]"#
        ));
        assert_eq!(ann.hears_one()[0], 50);
    }
    let denied = json!({"uri": "com.bad", "allow": {"subscribe": true}});
    let entries = [&entries[..], &[denied]].concat();
    reload(&realms, &users(&entries));
    for (request, topic) in [(1, "com.bad"), (2, "com.good")] {
        bob.says(&format!(r#"[32,{request},{{}},"{topic}"]"#));
    }
    let good = bob.hears()[1][2].clone();
    drop(ann);
    let event = bob.hears_one();
    assert_eq!((&event[1], &event[4]), (&good, &json!(["bye"])));
}

/// A client that was let in by this.
fn admitted(realms: &Arc<Realms>, id: u64, role: &str, admission: Admission) -> Client {
    let authrole = role.to_owned();
    let features = Features::read(Dict::from_checked(ALL.as_bytes())).unwrap();
    let identity = Identity { authrole, admission, ..Identity::anonymous(features).unwrap() };
    Client::known_as(realms, id, identity)
}

fn known(authid: &str, role: &str) -> Admission {
    let (authid, role) = (authid.to_owned(), role.to_owned());
    Admission::Known { authid, methods: vec!["ticket"], role, mark: None }
}

#[test]
fn users_that_are_removed_or_have_another_role_are_closed() {
    let auth = |users: Value| json!({"auth": {"ticket": users}}).to_string();
    let entry = |role: &str| json!({"ticket": "secret", "role": role});
    let before = auth(json!({"ann": entry("user"), "bob": entry("user"), "eve": entry("user")}));
    let realms = realms_with(&before);
    let mut watch = Client::join(&realms, 9);
    watch.says(r#"[32,1,{},"wamp.session.on_leave"]"#);
    watch.hears();
    let names = ["ann", "bob", "eve"];
    let [mut ann, bob, mut eve] =
        [0, 1, 2].map(|at| admitted(&realms, at as u64 + 1, "user", known(names[at], "user")));
    ann.says(r#"[32,1,{},"com.t"]"#);
    eve.says(r#"[32,1,{},"com.t"]"#);
    ann.hears();
    let mut changed = entry("user");
    changed["ticket"] = json!("another secret");
    reload(&realms, &auth(json!({"ann": changed, "bob": entry("admin")})));
    stays(&ann);
    ann.hears_nothing();
    hears_goodbye(&bob, "wamp.close.system_shutdown");
    hears_goodbye(&eve, "wamp.close.killed");
    let left: Vec<_> = watch.hears().into_iter().map(|event| event[4][0].clone()).collect();
    assert_eq!(left, [json!(2), json!(3)]);
    // It is gone already, whatever it says before it has heard of it.
    eve.says(r#"[16,2,{},"com.t",["late"]]"#);
    ann.hears_nothing();
    // Whoever was about to join is judged, too.
    for (authid, role, is_in) in
        [("eve", "user", false), ("bob", "user", false), ("bob", "admin", true)]
    {
        let admission = known(authid, role);
        let identity = Identity { admission, ..Identity::default() };
        let peer = Peer::new(7, 1 << 20, &Budget::new(1 << 30));
        let joined = realms.join("realm1", &peer, identity, &mut WakeList::default());
        assert_eq!(joined.is_ok(), is_in, "{authid}, {role}");
    }
}

#[test]
fn sessions_of_realms_that_are_removed_are_closed() {
    let realms = realms_with("{}");
    let client = Client::join(&realms, 1);
    reload(&realms, r#"{"realms": ["realm1", "realm2"]}"#);
    stays(&client);
    assert!(realms.has("realm2") && !realms.has("realm3"));
    reload(&realms, r#"{"realms": ["realm2"]}"#);
    hears_goodbye(&client, "wamp.close.close_realm");
    assert!(!realms.has("realm1"));
    reload(&realms, r#"{"realms": ["realm1"]}"#);
    let next = Client::join(&realms, 2);
    drop(client);
    stays(&next);
    assert_eq!(realms.counts().sessions, 1);
    reload(&realms, "{}");
    stays(&next);
    drop(next);
    assert!(realms.has("realm3"));
}

#[test]
fn limits_hold_at_once() {
    let realms = realms_with(r#"{"event_history": 10}"#);
    let mut client = Client::join(&realms, 1);
    client.says(r#"[32,1,{},"com.t"]"#);
    for request in 2..8 {
        client.says(&format!(
            r#"[16,{request},{{"retain":true}},"com.t.{request}",["{}"]]"#,
            "x".repeat(1000)
        ));
    }
    client.hears();
    let before = realms.counts();
    assert!(before.retained_topics == 6 && before.history_bytes > 6000);
    reload(&realms, r#"{"event_history": 1, "max_retained_topics": 2, "max_subscriptions": 1}"#);
    let after = realms.counts();
    assert_eq!(after.retained_topics, 2);
    assert!(after.history_bytes < 2000 && after.history_bytes > 0);
    client.says(r#"[32,8,{},"com.other"]"#);
    assert_eq!(error(&client).2, "wamp.error.limit_exceeded");
    reload(&realms, r#"{"disclose": {"publisher": true}}"#);
    assert_eq!(realms.counts().history_bytes, 0);
    client.says(r#"[32,9,{},"com.other"]"#);
    client.says(r#"[16,10,{"exclude_me":false},"com.other"]"#);
    assert_eq!(client.hears()[1][3]["publisher"], 1);
}

#[test]
fn rulings_are_forgotten() {
    let realms = realms_with("{}");
    let mut client = Client::join(&realms, 1);
    client.session.ask_program();
    let frame = |request: u64| {
        bytes::Bytes::from(format!(r#"[16,{request},{{"exclude_me":false}},"com.t"]"#))
    };
    // True if somebody has to be asked.
    let mut asks = |request: u64, keep: bool| {
        let frame = frame(request);
        let messages = [(Message::decode(&frame).unwrap(), &frame)];
        let wakes = &mut WakeList::default();
        let done = client.session.route(&messages, wakes).unwrap();
        let Some(inquiry) = client.session.take_inquiry() else {
            assert_eq!(done, 1);
            return false;
        };
        client.session.rule(inquiry, Ruling::Allowed { disclose: false }, keep);
        assert_eq!(client.session.route(&messages, wakes), Ok(1));
        true
    };
    assert!(asks(1, true));
    assert!(!asks(2, true));
    reload(&realms, "{}");
    assert!(asks(3, false));
    // A ruling that was made before counts no more.
    let frame = frame(4);
    let messages = [(Message::decode(&frame).unwrap(), &frame)];
    let wakes = &mut WakeList::default();
    assert_eq!(client.session.route(&messages, wakes), Ok(0));
    let inquiry = client.session.take_inquiry().unwrap();
    reload(&realms, "{}");
    client.session.rule(inquiry, Ruling::Allowed { disclose: false }, true);
    assert_eq!(client.session.route(&messages, wakes), Ok(0));
    assert!(client.session.take_inquiry().is_some());
}

#[test]
fn a_role_gets_an_authorizer() {
    let realms = realms_with("{}");
    let mut client = Client::named(&realms, 1, "x", "user");
    let frame = bytes::Bytes::from_static(br#"[16,1,{},"com.t"]"#);
    let messages = [(Message::decode(&frame).unwrap(), &frame)];
    reload(&realms, r#"{"roles": {"user": {"authorizer": "com.may"}}}"#);
    assert_eq!(client.session.route(&messages, &mut WakeList::default()), Ok(0));
    assert!(client.session.take_inquiry().is_some());
    reload(&realms, "{}");
    assert_eq!(client.session.route(&messages, &mut WakeList::default()), Ok(1));
}

/// However much there is, the lock is free again after a turn.
#[test]
fn thousands_of_sessions_are_judged_in_turns() {
    let realms = realms_with("{}");
    let mut watch = Client::join(&realms, 1);
    watch.says(r#"[32,1,{},"wamp.subscription.on_delete"]"#);
    watch.hears();
    let mut crowd: Vec<_> = (10..2010).map(|id| Client::named(&realms, id, "x", "user")).collect();
    for client in &mut crowd {
        for request in 1..=20 {
            let topic = format!("com.t{request}.{}", client.peer.id());
            client.says(&format!(r#"[32,{request},{{}},"{topic}"]"#));
        }
        client.hears();
    }
    counting::take();
    reload(
        &realms,
        r#"{"roles": {"anonymous": [{"uri": "", "match": "prefix", "allow": {"subscribe": true}}], "user": [{"uri": "com.t1", "match": "prefix", "allow": {"subscribe": true}}]}}"#,
    );
    let (turns, most) = counting::take();
    assert!(turns > 20 && most <= UNITS + 200, "{turns} turns, {most} units in one");
    for client in &crowd {
        // 2 to 9, and 20.
        assert_eq!(client.hears().len(), 9);
        stays(client);
    }
    assert_eq!(watch.hears().len(), 9 * 2000);
    assert_eq!(realms.counts().subscriptions, 1 + 11 * 2000);
}

/// Clients that join and subscribe while the configuration changes: when a change has come to its
/// end nobody has what it does not allow.
#[test]
fn who_joins_meanwhile_is_judged_by_the_new_configuration() {
    let auth = json!({"ticket": {"joe": {"ticket": "t"}}, "anonymous": {"role": "guest"}});
    let open = json!({"auth": auth, "roles": {"user": [may("com.", "prefix", ACTIONS)]}});
    let mut closed = json!({"auth": auth, "roles": {"user": []}});
    let realms = realms_with(&open.to_string());
    let (end, budget) = (AtomicBool::new(false), Budget::new(1 << 30));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..3_u64)
            .map(|number| {
                let (realms, end, budget) = (&realms, &end, &budget);
                scope.spawn(move || {
                    let (mut subscribed, mut id) = (0_u32, number << 32);
                    while !end.load(Ordering::Relaxed) {
                        id += 1;
                        let identity = Identity {
                            authrole: "user".to_owned(),
                            admission: known("joe", "user"),
                            ..Identity::default()
                        };
                        let peer = Peer::new(id, 1 << 20, budget);
                        let mut wakes = WakeList::default();
                        let joined = realms.join("realm1", &peer, identity, &mut wakes);
                        let Ok(session) = joined else { continue };
                        let mut client = Client { peer, session };
                        client.hears();
                        client.says(r#"[32,1,{},"com.t"]"#);
                        subscribed += u32::from(client.hears().iter().any(|m| m[0] == 33));
                        for request in 2..20 {
                            client.says(&format!(r#"[32,{request},{{}},"com.t{number}"]"#));
                        }
                    }
                    subscribed
                })
            })
            .collect();
        let has_some = || realms.counts().subscriptions > 0;
        for round in 0..100 {
            while !has_some() {
                thread::yield_now();
            }
            if round % 2 == 1 {
                closed["auth"]["ticket"] = json!({"ann": {"ticket": "t"}});
            } else {
                closed["auth"]["ticket"] = json!({"joe": {"ticket": "t"}});
            }
            reload(&realms, &closed.to_string());
            assert_eq!(realms.counts().subscriptions, 0, "round {round}");
            if round % 2 == 1 {
                assert_eq!(realms.counts().sessions, 0, "round {round}");
            }
            reload(&realms, &open.to_string());
        }
        end.store(true, Ordering::Relaxed);
        let subscribed: u32 = clients.into_iter().map(|client| client.join().unwrap()).sum();
        assert!(subscribed > 0);
    });
}
