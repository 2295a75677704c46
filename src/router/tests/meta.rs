//! The meta API: procedures, topics, testaments.

use std::sync::Arc;

use serde_json::{Value, json};

use super::client::{Client, error, realms, realms_with};
use crate::router::peer::PeerCommand;
use crate::router::realm::Realms;

/// A client that asks the router, and counts its requests.
struct Asker {
    client: Client,
    request: u64,
}

impl Asker {
    fn join(realms: &Arc<Realms>, id: u64) -> Asker {
        Asker { client: Client::named(realms, id, "asker", "admin"), request: 0 }
    }

    fn calls(&mut self, procedure: &str, args: &Value, kwargs: &Value) {
        self.request += 1;
        let request = self.request;
        self.client.says(&format!(r#"[48,{request},{{}},"{procedure}",{args},{kwargs}]"#));
    }

    /// The one result of a call.
    #[track_caller]
    fn asks(&mut self, procedure: &str, args: Value) -> Value {
        self.asks_with(procedure, args, json!({}))
    }

    #[track_caller]
    fn asks_with(&mut self, procedure: &str, args: Value, kwargs: Value) -> Value {
        self.calls(procedure, &args, &kwargs);
        let result = self.client.hears_one();
        assert_eq!((&result[0], &result[1]), (&json!(50), &json!(self.request)), "{result}");
        assert_eq!(result[3].as_array().map(Vec::len), Some(1), "{result}");
        result[3][0].clone()
    }

    #[track_caller]
    fn fails(&mut self, procedure: &str, args: Value, kwargs: Value, uri: &str) {
        self.calls(procedure, &args, &kwargs);
        assert_eq!(error(&self.client), (json!(48), json!(self.request), uri.to_owned()));
    }

    fn subscribes(&mut self, options: &str, topic: &str) {
        self.request += 1;
        let request = self.request;
        self.client.says(&format!(r#"[32,{request},{options},"{topic}"]"#));
        assert_eq!(self.client.hears_one()[0], 33);
    }

    /// Topic and args of the events that have come, for a subscription by prefix.
    fn events(&self) -> Vec<(String, Value)> {
        let heard = self.client.hears();
        let event = |message: &Value| {
            assert_eq!(message[0], 36, "{message}");
            let topic = message[3]["topic"].as_str().unwrap_or_default();
            (topic.trim_start_matches("wamp.").to_owned(), message[4].clone())
        };
        heard.iter().map(event).collect()
    }
}

#[test]
fn sessions_are_counted_listed_and_shown() {
    let realms = realms();
    let mut asker = Asker::join(&realms, 1);
    let _ann = Client::named(&realms, 2, "ann", "user");
    let _bob = Client::named(&realms, 3, "bob", "user");
    assert_eq!(asker.asks("wamp.session.count", json!([])), 3);
    assert_eq!(asker.asks("wamp.session.count", json!([["user", "none"]])), 2);
    assert_eq!(asker.asks("wamp.session.list", json!([])), json!([1, 2, 3]));
    assert_eq!(asker.asks("wamp.session.list", json!([["admin"]])), json!([1]));
    let ann = asker.asks("wamp.session.get", json!([2]));
    assert_eq!(
        (&ann["session"], &ann["authid"], &ann["authrole"]),
        (&json!(2), &json!("ann"), &json!("user"))
    );
    asker.fails("wamp.session.get", json!([9]), json!({}), "wamp.error.no_such_session");
    asker.fails("wamp.session.get", json!(["x"]), json!({}), "wamp.error.invalid_argument");
    asker.fails("wamp.session.list", json!([1]), json!({}), "wamp.error.invalid_argument");
    asker.fails("wamp.session.nothing", json!([]), json!({}), "wamp.error.no_such_procedure");
    asker.fails("wamp.nothing", json!([]), json!({}), "wamp.error.no_such_procedure");
}

#[test]
fn sessions_are_killed() {
    let realms = realms();
    let mut asker = Asker::join(&realms, 1);
    let mut others: Vec<_> = [
        (2, "ann", "user"),
        (3, "ann", "user"),
        (4, "bob", "user"),
        (5, "cid", "guest"),
        (6, "dot", "guest"),
    ]
    .map(|(id, authid, role)| Client::named(&realms, id, authid, role))
    .into();
    let goodbye = |reason: &str, message: Option<&str>| {
        Some(PeerCommand::Goodbye(reason.to_owned(), message.map(str::to_owned)))
    };
    let mut next = || others.remove(0);

    let kwargs = json!({"reason": "com.myapp.away", "message": "go"});
    let killed = next();
    assert_eq!(asker.asks_with("wamp.session.kill", json!([2]), kwargs), Value::Null);
    assert_eq!(killed.peer.take_command(), goodbye("com.myapp.away", Some("go")));
    asker.fails("wamp.session.kill", json!([2]), json!({}), "wamp.error.no_such_session");
    asker.fails("wamp.session.kill", json!([1]), json!({}), "wamp.error.no_such_session");
    let wrong = json!({"reason": "not a uri"});
    asker.fails("wamp.session.kill", json!([3]), wrong, "wamp.error.invalid_uri");
    assert_eq!(asker.asks("wamp.session.kill_by_authid", json!(["ann"])), json!([3]));
    assert_eq!(next().peer.take_command(), goodbye("wamp.close.killed", None));
    assert_eq!(asker.asks("wamp.session.kill_by_authrole", json!(["user"])), 1);
    assert_eq!(next().peer.take_command(), goodbye("wamp.close.killed", None));
    assert_eq!(asker.asks("wamp.session.count", json!([])), 3);
    assert_eq!(asker.asks("wamp.session.kill_all", json!([])), 2);
    assert_eq!(asker.asks("wamp.session.list", json!([])), json!([1]));

    // What a killed session still says comes to nothing.
    let mut late = next();
    late.says(r#"[32,1,{},"com.topic"]"#);
    late.hears_nothing();
    drop((killed, late));
    assert_eq!(asker.asks("wamp.session.count", json!([])), 1);
}

#[test]
fn the_meta_topics_tell_of_sessions() {
    let realms = realms();
    let mut asker = Asker::join(&realms, 1);
    asker.subscribes(r#"{"match":"prefix"}"#, "wamp.session.");
    let ann = Client::named(&realms, 2, "ann", "user");
    let events = asker.events();
    assert_eq!((events.len(), &*events[0].0), (1, "session.on_join"));
    assert_eq!((&events[0].1[0]["session"], &events[0].1[0]["authid"]), (&json!(2), &json!("ann")));
    drop(ann);
    assert_eq!(asker.events(), [("session.on_leave".to_owned(), json!([2, "ann", "user"]))]);
    let ann = Client::named(&realms, 3, "ann", "user");
    asker.events();
    asker.calls("wamp.session.kill_all", &json!([]), &json!({}));
    let heard = asker.client.hears();
    assert_eq!((&heard[0][0], &heard[1][0], heard.len()), (&json!(36), &json!(50), 2));
    drop(ann);
    asker.client.hears_nothing();
}

#[test]
fn registrations_are_shown() {
    let realms = realms();
    let mut asker = Asker::join(&realms, 1);
    let mut callees = [2, 3].map(|id| Client::able(&realms, id));
    callees[0].says(r#"[64,1,{"invoke":"random"},"com.add"]"#);
    callees[1].says(r#"[64,1,{"invoke":"random"},"com.add"]"#);
    callees[0].says(r#"[64,2,{"match":"prefix"},"com."]"#);
    callees[0].says(r#"[64,3,{"match":"wildcard"},"com..x"]"#);
    let lists = json!({"exact": [1], "prefix": [2], "wildcard": [3]});
    assert_eq!(asker.asks("wamp.registration.list", json!([])), lists);
    assert_eq!(asker.asks("wamp.registration.lookup", json!(["com.add"])), 1);
    let options = json!(["com.", {"match": "prefix"}]);
    assert_eq!(asker.asks("wamp.registration.lookup", options), 2);
    assert_eq!(asker.asks("wamp.registration.lookup", json!(["com."])), Value::Null);
    assert_eq!(asker.asks("wamp.registration.match", json!(["com.sub"])), 2);
    assert_eq!(asker.asks("wamp.registration.match", json!(["org.sub"])), Value::Null);
    let shown = asker.asks("wamp.registration.get", json!([1]));
    assert!(shown["created"].is_string());
    assert_eq!(
        shown,
        json!({"id": 1, "created": shown["created"], "uri": "com.add", "match": "exact", "invoke": "random"})
    );
    assert_eq!(asker.asks("wamp.registration.list_callees", json!([1])), json!([2, 3]));
    assert_eq!(asker.asks("wamp.registration.count_callees", json!([1])), 2);
    for procedure in ["get", "list_callees", "count_callees"] {
        let procedure = format!("wamp.registration.{procedure}");
        asker.fails(&procedure, json!([9]), json!({}), "wamp.error.no_such_registration");
        asker.fails(&procedure, json!([]), json!({}), "wamp.error.invalid_argument");
    }
    let wrong = json!(["com.", {"match": "regex"}]);
    asker.fails("wamp.registration.lookup", wrong, json!({}), "wamp.error.invalid_argument");
}

#[test]
fn subscriptions_are_shown() {
    let realms = realms();
    let mut asker = Asker::join(&realms, 1);
    let mut subscribers = [2, 3].map(|id| Client::able(&realms, id));
    subscribers[0].says(r#"[32,1,{},"com.a"]"#);
    subscribers[1].says(r#"[32,1,{},"com.a"]"#);
    subscribers[0].says(r#"[32,2,{"match":"prefix"},"com."]"#);
    subscribers[0].says(r#"[32,3,{"match":"wildcard"},".a"]"#);
    let lists = json!({"exact": [1], "prefix": [2], "wildcard": [3]});
    assert_eq!(asker.asks("wamp.subscription.list", json!([])), lists);
    let options = json!([".a", {"match": "wildcard"}]);
    assert_eq!(asker.asks("wamp.subscription.lookup", options), 3);
    assert_eq!(asker.asks("wamp.subscription.match", json!(["com.a"])), json!([1, 2, 3]));
    assert_eq!(asker.asks("wamp.subscription.match", json!(["org.b"])), Value::Null);
    let shown = asker.asks("wamp.subscription.get", json!([2]));
    assert_eq!(
        shown,
        json!({"id": 2, "created": shown["created"], "uri": "com.", "match": "prefix"})
    );
    assert_eq!(asker.asks("wamp.subscription.list_subscribers", json!([1])), json!([2, 3]));
    assert_eq!(asker.asks("wamp.subscription.count_subscribers", json!([1])), 2);
    let unknown = "wamp.error.no_such_subscription";
    asker.fails("wamp.subscription.get", json!([9]), json!({}), unknown);
}

#[test]
fn registrations_and_subscriptions_are_revoked() {
    let realms = realms();
    let mut asker = Asker::join(&realms, 1);
    let mut able = Client::able(&realms, 2);
    able.says(r#"[64,1,{},"com.add"]"#);
    able.says(r#"[32,2,{},"com.topic"]"#);
    able.hears();
    let reason = || json!({"reason": "com.myapp.no"});
    let callee = "wamp.registration.remove_callee";
    let subscriber = "wamp.subscription.remove_subscriber";
    asker.fails(callee, json!([1, 9]), json!({}), "wamp.error.no_such_registration");
    asker.fails(subscriber, json!([1, 9]), json!({}), "wamp.error.no_such_subscription");
    assert_eq!(asker.asks_with(callee, json!([1, 2]), reason()), Value::Null);
    assert_eq!(asker.asks_with(subscriber, json!([1, 2]), reason()), Value::Null);
    assert_eq!(
        able.hears(),
        [
            json!([67, 0, {"registration": 1, "reason": "com.myapp.no"}]),
            json!([35, 0, {"subscription": 1, "reason": "com.myapp.no"}]),
        ]
    );
    asker.fails("com.add", json!([]), json!({}), "wamp.error.no_such_procedure");
    able.says("[66,3,1]");
    assert_eq!(error(&able).2, "wamp.error.no_such_registration");
    able.says("[34,4,1]");
    assert_eq!(error(&able).2, "wamp.error.no_such_subscription");
}

#[test]
fn the_meta_topics_tell_of_registrations() {
    let realms = realms();
    let mut asker = Asker::join(&realms, 1);
    asker.subscribes(r#"{"match":"prefix"}"#, "wamp.registration.");
    let mut first = Client::able(&realms, 2);
    let mut second = Client::able(&realms, 3);
    first.says(r#"[64,1,{"invoke":"first"},"com.add"]"#);
    let events = asker.events();
    assert_eq!((&*events[0].0, &events[0].1[0]), ("registration.on_create", &json!(2)));
    assert_eq!((&events[0].1[1]["id"], &events[0].1[1]["uri"]), (&json!(1), &json!("com.add")));
    let told = |what: &str, session: u64| (format!("registration.{what}"), json!([session, 1]));
    assert_eq!(events[1..], [told("on_register", 2)]);
    second.says(r#"[64,1,{"invoke":"first"},"com.add"]"#);
    assert_eq!(asker.events(), [told("on_register", 3)]);
    first.says("[66,2,1]");
    assert_eq!(asker.events(), [told("on_unregister", 2)]);
    drop(second);
    assert_eq!(asker.events(), [told("on_unregister", 3), told("on_delete", 3)]);
}

#[test]
fn the_meta_topics_tell_of_subscriptions() {
    let realms = realms();
    let mut asker = Asker::join(&realms, 1);
    asker.subscribes(r#"{"match":"prefix"}"#, "wamp.subscription.");
    let mut other = Client::able(&realms, 2);
    other.says(r#"[32,1,{},"com.topic"]"#);
    let id = other.hears_one()[2].clone();
    let events = asker.events();
    assert_eq!((&*events[0].0, &events[0].1[0]), ("subscription.on_create", &json!(2)));
    assert_eq!(events[0].1[1]["uri"], "com.topic");
    let told = |what: &str| (format!("subscription.{what}"), json!([2, id]));
    assert_eq!(events[1..], [told("on_subscribe")]);
    other.says(r#"[32,2,{},"com.topic"]"#);
    other.says(r#"[32,3,{},"wamp.session.on_join"]"#);
    asker.client.hears_nothing();
    drop(other);
    assert_eq!(asker.events(), [told("on_unsubscribe"), told("on_delete")]);
}

#[test]
fn testaments_are_published_when_the_session_ends() {
    let realms = realms();
    let mut heir = Asker::join(&realms, 1);
    heir.subscribes(r#"{"match":"prefix"}"#, "com.");
    let add = "wamp.session.add_testament";
    let flush = "wamp.session.flush_testaments";
    let mut testator = Asker::join(&realms, 2);
    testator.asks(add, json!(["com.first", [1], {"k": 2}]));
    testator.asks_with(add, json!(["com.second", [], {}]), json!({"scope": "detached"}));
    let nobody = json!({"publish_options": {"eligible": []}});
    testator.asks_with(add, json!(["com.third", [], {}]), nobody);
    heir.client.hears_nothing();
    drop(testator);
    let heard = heir.client.hears();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!(
        (&heard[0][3]["topic"], &heard[0][4], &heard[0][5]),
        (&json!("com.first"), &json!([1]), &json!({"k": 2}))
    );
    assert_eq!(heard[1][3]["topic"], "com.second");

    let mut testator = Asker::join(&realms, 3);
    testator.asks(add, json!(["com.first"]));
    testator.asks_with(add, json!(["com.second"]), json!({"scope": "detached"}));
    assert_eq!(testator.asks(flush, json!([])), 1);
    assert_eq!(testator.asks(flush, json!([])), 0);
    for (args, kwargs, uri) in [
        (json!([]), json!({}), "wamp.error.invalid_argument"),
        (json!(["a b"]), json!({}), "wamp.error.invalid_uri"),
        (json!(["wamp.x"]), json!({}), "wamp.error.invalid_uri"),
        (json!(["com.x", 1]), json!({}), "wamp.error.invalid_argument"),
        (json!(["com.x", [], [1]]), json!({}), "wamp.error.invalid_argument"),
        (json!(["com.x"]), json!({"scope": "never"}), "wamp.error.invalid_argument"),
        (
            json!(["com.x"]),
            json!({"publish_options": {"eligible": 1}}),
            "wamp.error.invalid_argument",
        ),
    ] {
        testator.fails(add, args, kwargs, uri);
    }
    drop(testator);
    let heard = heir.client.hears_one();
    assert_eq!(heard[3]["topic"], "com.second");
}

/// Long arguments are read before anything is looked at, and belong to no other call.
#[test]
fn long_arguments_are_those_of_their_call() {
    let rights = json!({"roles": {"admin": [{"uri": "wamp.session.", "match": "prefix",
        "allow": {"call": true}}]}});
    let realms = realms_with(&rights.to_string());
    let mut asker = Asker::join(&realms, 1);
    let _joe = Client::named(&realms, 2, "joe", "user");
    let long = "x".repeat(100_000);
    let get = "wamp.session.get";
    for _ in 0..2 {
        assert_eq!(asker.asks(get, json!([2, long]))["authid"], "joe");
        assert_eq!(asker.asks(get, json!([1]))["authid"], "asker");
        asker.fails(get, json!([3, long]), json!({}), "wamp.error.no_such_session");
        asker.fails(get, json!([long]), json!({}), "wamp.error.invalid_argument");
        asker.fails("wamp.session.no", json!([long]), json!({}), "wamp.error.no_such_procedure");
        asker.fails("wamp.other.get", json!([2, long]), json!({}), "wamp.error.not_authorized");
        assert_eq!(asker.asks("wamp.session.count", json!([["admin"], long])), 1);
        assert_eq!(asker.asks("wamp.session.count", json!([])), 2);
    }
}
