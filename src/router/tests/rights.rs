//! The rights of roles, tried in every way that leads past them: patterns, what is kept of events,
//! the meta API and its events, testaments.

use std::sync::Arc;

use serde_json::{Value, json};

use super::client::{Client, error, realms_with};
use crate::router::realm::Realms;

const DENIED: &str = "wamp.error.not_authorized";

/// A guest may do little, and ask the router about nearly everything; an admin may do all.
const ROLES: &str = r#"{"event_history": 10, "roles": {
    "guest": [
        {"uri": "com.app.news", "allow": {"subscribe": true}},
        {"uri": "com.app.add", "allow": {"register": true}},
        {"uri": "com.app.log.", "match": "prefix",
            "allow": {"subscribe": true, "publish": true, "register": true}},
        {"uri": "com.app.log.secret", "allow": {}},
        {"uri": "com.shop..sold", "match": "wildcard", "allow": {"subscribe": true}},
        {"uri": "wamp.", "match": "prefix", "allow": {"call": true, "subscribe": true}},
        {"uri": "wamp.session.kill_all", "allow": {}}
    ],
    "limited": [
        {"uri": "", "match": "prefix",
            "allow": {"subscribe": true, "publish": true, "call": true, "register": true}},
        {"uri": "wamp.session.", "match": "prefix", "allow": {}}
    ],
    "admin": [{"uri": "", "match": "prefix",
        "allow": {"subscribe": true, "publish": true, "call": true, "register": true}}]
}}"#;

/// A client that counts its requests.
struct Asker {
    client: Client,
    request: u64,
}

impl Asker {
    fn join(realms: &Arc<Realms>, id: u64, role: &str) -> Asker {
        Asker { client: Client::named(realms, id, role, role), request: 0 }
    }

    /// Sends `frame` with the next request id in the place of `#`.
    fn says(&mut self, frame: &str) {
        self.request += 1;
        self.client.says(&frame.replacen('#', &self.request.to_string(), 1));
    }

    /// Sends a request that is granted, and tells its answer.
    #[track_caller]
    fn may(&mut self, frame: &str) -> Value {
        self.says(frame);
        let answer = self.client.hears_one();
        assert_ne!(answer[0], 8, "{frame}: {answer}");
        answer
    }

    /// Sends a request that is refused, and tells the URI of the error.
    #[track_caller]
    fn may_not(&mut self, frame: &str) -> String {
        self.says(frame);
        error(&self.client).2
    }

    #[track_caller]
    fn asks(&mut self, procedure: &str, args: Value) -> Value {
        self.may(&format!(r#"[48,#,{{}},"{procedure}",{args}]"#))[3][0].clone()
    }

    /// The error of a call.
    #[track_caller]
    fn fails(&mut self, procedure: &str, args: Value) -> String {
        self.may_not(&format!(r#"[48,#,{{}},"{procedure}",{args}]"#))
    }
}

fn pair() -> (Arc<Realms>, Asker, Asker) {
    let realms = realms_with(ROLES);
    let (guest, admin) = (Asker::join(&realms, 1, "guest"), Asker::join(&realms, 2, "admin"));
    (realms, guest, admin)
}

#[test]
fn a_pattern_needs_the_right_to_all_that_it_matches() {
    let (_realms, mut guest, mut admin) = pair();
    for (kind, matching, uri) in [
        (32, "exact", "com.app.news"),
        (32, "wildcard", "com.app.news"),
        (32, "prefix", "com.app.log.x"),
        (32, "prefix", "com.app.log.secrets"),
        (32, "wildcard", "com.app.log.."),
        (32, "wildcard", "com.shop..sold"),
        (32, "wildcard", "com.shop.north.sold"),
        (32, "prefix", "wamp.session."),
        (32, "wildcard", "wamp.session."),
        (64, "exact", "com.app.add"),
        (64, "prefix", "com.app.log.x"),
    ] {
        guest.may(&format!(r#"[{kind},#,{{"match":"{matching}"}},"{uri}"]"#));
    }
    for (kind, matching, uri) in [
        (32, "prefix", ""),
        (32, "prefix", "com.app.news"),
        (32, "prefix", "com.app.news."),
        (32, "prefix", "com.app.log"),
        (32, "prefix", "com.app.log."),
        (32, "prefix", "com.app.log.sec"),
        (32, "prefix", "com.app.log.secret"),
        (32, "wildcard", "com.app.log."),
        (32, "wildcard", "com.app..news"),
        (32, "wildcard", "com.app."),
        (32, "wildcard", "com...sold"),
        (32, "wildcard", "com.shop.."),
        (32, "prefix", "com.shop.north.sold"),
        (32, "wildcard", "..on_join"),
        (64, "prefix", "com.app.add"),
        (64, "wildcard", "com.app."),
        (64, "wildcard", "com..add"),
        (64, "prefix", ""),
    ] {
        let frame = format!(r#"[{kind},#,{{"match":"{matching}"}},"{uri}"]"#);
        assert_eq!(guest.may_not(&frame), DENIED, "{frame}");
        // The meta events that come with the answer are for another test.
        admin.says(&frame);
        assert_eq!(admin.client.hears()[0][0], kind + 1, "{frame}");
    }
}

#[test]
fn a_refusal_tells_what_to_change_and_no_other_names() {
    let (_realms, mut guest, _admin) = pair();
    for (frame, told) in [
        (r#"[32,#,{},"com.app"]"#, r#"this role may not subscribe "com.app""#),
        (
            r#"[32,#,{"match":"prefix"},"com.app.log."]"#,
            r#"this role may not subscribe to everything that "com.app.log." (match prefix) matches"#,
        ),
        (
            r#"[64,#,{"match":"wildcard"},"com.app.log."]"#,
            r#"this role may not register everything that "com.app.log." (match wildcard) matches"#,
        ),
    ] {
        guest.says(frame);
        let refused = guest.client.hears_one();
        let text = refused[5][0].as_str().unwrap_or_default();
        assert!(text.starts_with(told), "{frame}: {text}");
        assert!(!text.contains("secret"), "{frame}: {text}");
    }
}

#[test]
fn a_registration_is_not_taken_over() {
    let (_realms, mut guest, mut admin) = pair();
    admin.may(r#"[64,#,{"match":"prefix"},"com.app.add"]"#);
    let forced = r#"[64,#,{"match":"prefix","force_reregister":true},"com.app.add"]"#;
    assert_eq!(guest.may_not(forced), DENIED);
    admin.client.hears_nothing();
    admin.says(r#"[48,#,{},"com.app.add_user",["joe"]]"#);
    assert_eq!(admin.client.hears_one()[0], 68);
    guest.client.hears_nothing();
}

#[test]
fn what_is_kept_of_events_is_kept_from_the_others() {
    let (_realms, mut guest, mut admin) = pair();
    admin.says(r#"[16,#,{"retain":true},"com.app.news.internal",["secret"]]"#);
    admin.says(r#"[16,#,{"retain":true},"com.app.news",["open"]]"#);
    for pattern in ["com.app.news", "com.app.news.", "com."] {
        let frame = format!(r#"[32,#,{{"match":"prefix","get_retained":true}},"{pattern}"]"#);
        assert_eq!(guest.may_not(&frame), DENIED);
    }
    guest.says(r#"[32,#,{"get_retained":true},"com.app.news"]"#);
    assert_eq!(guest.client.hears()[1][4], json!(["open"]));

    let id = admin.may(r#"[32,#,{"match":"prefix"},"com.app.news"]"#)[2].clone();
    let history = "wamp.subscription.get_events";
    assert_eq!(guest.fails(history, json!([id])), "wamp.error.no_such_subscription");
    admin.says(&format!(r#"[48,#,{{}},"{history}",[{id}]]"#));
    assert_eq!(admin.client.hears_one()[3].as_array().map(Vec::len), Some(2));
    // A wider right does not help where a part is denied.
    let id = admin.may(r#"[32,#,{"match":"prefix"},"com.app.log."]"#)[2].clone();
    assert_eq!(guest.fails(history, json!([id])), DENIED);
    let id = admin.may(r#"[32,#,{},"com.app.log.secret"]"#)[2].clone();
    assert_eq!(guest.fails(history, json!([id])), "wamp.error.no_such_subscription");
}

#[test]
fn the_meta_api_shows_what_one_may_see() {
    let (_realms, mut guest, mut admin) = pair();
    for (options, uri) in [
        ("{}", "com.app.news"),
        ("{}", "com.app.secret"),
        ("{}", "com.app.log.secret"),
        (r#"{"match":"prefix"}"#, "com.app.log."),
        (r#"{"match":"prefix"}"#, "com.app."),
        (r#"{"match":"wildcard"}"#, "com.shop..sold"),
        (r#"{"match":"wildcard"}"#, "com...sold"),
    ] {
        admin.may(&format!(r#"[32,#,{options},"{uri}"]"#));
        admin.may(&format!(r#"[64,#,{options},"{uri}"]"#));
    }
    let all = json!({"exact": [1, 2, 3], "prefix": [4, 5], "wildcard": [6, 7]});
    assert_eq!(admin.asks("wamp.subscription.list", json!([])), all);
    assert_eq!(admin.asks("wamp.registration.list", json!([])), all);
    let seen = json!({"exact": [1], "prefix": [4], "wildcard": [6]});
    assert_eq!(guest.asks("wamp.subscription.list", json!([])), seen);
    let seen = json!({"exact": [], "prefix": [4], "wildcard": []});
    assert_eq!(guest.asks("wamp.registration.list", json!([])), seen);

    let lookup = "wamp.subscription.lookup";
    assert_eq!(guest.asks(lookup, json!(["com.app.news"])), 1);
    assert_eq!(guest.asks(lookup, json!(["com.app.secret"])), Value::Null);
    assert_eq!(guest.asks(lookup, json!(["com.app.", {"match": "prefix"}])), Value::Null);
    assert_eq!(guest.asks("wamp.registration.lookup", json!(["com.app.secret"])), Value::Null);

    let matching = "wamp.subscription.match";
    assert_eq!(guest.asks(matching, json!(["com.app.news"])), json!([1]));
    assert_eq!(admin.asks(matching, json!(["com.app.news"])), json!([1, 5]));
    assert_eq!(guest.asks(matching, json!(["com.app.log.x"])), json!([4]));
    assert_eq!(guest.asks(matching, json!(["com.app.log.secret"])), Value::Null);
    assert_eq!(guest.asks("wamp.registration.match", json!(["com.app.log.x"])), 4);
    assert_eq!(guest.asks("wamp.registration.match", json!(["com.app.log.secret"])), Value::Null);
    assert_eq!(guest.asks("wamp.registration.match", json!(["com.app.secret"])), Value::Null);

    for (kind, holders) in [("subscription", "subscribers"), ("registration", "callees")] {
        let missing = format!("wamp.error.no_such_{kind}");
        for what in ["get", &format!("list_{holders}"), &format!("count_{holders}")] {
            let procedure = format!("wamp.{kind}.{what}");
            guest.asks(&procedure, json!([4]));
            for hidden in [2, 3, 5, 7, 99] {
                assert_eq!(guest.fails(&procedure, json!([hidden])), missing);
            }
        }
        let holder = holders.trim_end_matches('s');
        let procedure = format!("wamp.{kind}.remove_{holder}");
        assert_eq!(guest.fails(&procedure, json!([2, 2])), missing);
        admin.client.hears_nothing();
        guest.asks(&procedure, json!([4, 2]));
        assert_eq!(admin.client.hears().len(), 1);
    }
}

#[test]
fn the_meta_topics_tell_of_what_one_may_see() {
    let (_realms, mut guest, mut admin) = pair();
    guest.may(r#"[32,#,{"match":"prefix"},"wamp.subscription."]"#);
    guest.may(r#"[32,#,{"match":"prefix"},"wamp.registration."]"#);
    for (options, uri) in [
        ("{}", "com.app.secret"),
        ("{}", "com.app.log.secret"),
        (r#"{"match":"prefix"}"#, "com.app.news"),
        (r#"{"match":"wildcard"}"#, "com.app..x"),
    ] {
        for (begin, end) in [(32, 34), (64, 66)] {
            let id = admin.may(&format!(r#"[{begin},#,{options},"{uri}"]"#))[2].clone();
            admin.may(&format!("[{end},#,{id}]"));
        }
    }
    guest.client.hears_nothing();
    for (begin, end) in [(32, 34), (64, 66)] {
        let id = admin.may(&format!(r#"[{begin},#,{{}},"com.app.log.x"]"#))[2].clone();
        admin.may(&format!("[{end},#,{id}]"));
        assert_eq!(guest.client.hears().len(), 4);
    }
}

#[test]
fn a_wide_subscription_needs_the_right_to_the_meta_topics() {
    let realms = realms_with(ROLES);
    let mut limited = Asker::join(&realms, 1, "limited");
    for (matching, topic) in [
        ("prefix", ""),
        ("prefix", "wamp"),
        ("prefix", "wamp."),
        ("prefix", "wamp.session.on_"),
        ("wildcard", ".."),
        ("wildcard", "..on_join"),
        ("wildcard", "wamp.."),
        ("exact", "wamp.session.on_join"),
    ] {
        let frame = format!(r#"[32,#,{{"match":"{matching}"}},"{topic}"]"#);
        assert_eq!(limited.may_not(&frame), DENIED, "{frame}");
    }
    limited.may(r#"[32,#,{"match":"prefix"},"com"]"#);
    limited.may(r#"[32,#,{"match":"prefix"},"wamp.registration.on_delete"]"#);
    // No registration gets calls of the router's own procedures, so these rights do not matter.
    limited.may(r#"[64,#,{"match":"prefix"},""]"#);
    limited.may(r#"[64,#,{"match":"wildcard"},"..on_join"]"#);
}

#[test]
fn the_routers_own_procedures_need_rights() {
    let (realms, mut guest, mut admin) = pair();
    assert_eq!(guest.fails("wamp.session.kill_all", json!([])), DENIED);
    guest.asks("wamp.session.kill_by_authrole", json!(["nobody"]));
    let mut limited = Asker::join(&realms, 3, "limited");
    for procedure in ["kill", "kill_by_authid", "kill_by_authrole", "kill_all", "add_testament"] {
        let procedure = format!("wamp.session.{procedure}");
        assert_eq!(limited.fails(&procedure, json!(["admin"])), DENIED, "{procedure}");
    }
    assert_eq!(admin.asks("wamp.session.count", json!([])), 3);
}

#[test]
fn a_testament_needs_the_right_to_publish() {
    let (_realms, mut guest, mut admin) = pair();
    admin.may(r#"[32,#,{"match":"prefix"},"com."]"#);
    for topic in ["com.app.news", "com.app.log.secret", "org.other"] {
        assert_eq!(guest.fails("wamp.session.add_testament", json!([topic, [], {}])), DENIED);
    }
    guest.asks("wamp.session.add_testament", json!(["com.app.log.last", ["bye"], {}]));
    drop(guest);
    assert_eq!(admin.client.hears_one()[3], json!({"topic": "com.app.log.last"}));
}

#[test]
fn the_author_of_a_testament_is_disclosed_as_any_publisher() {
    let author =
        json!({"publisher": 2, "publisher_authid": "admin", "publisher_authrole": "admin"});
    for (config, options, expected) in [
        ("{}", json!({}), json!({})),
        ("{}", json!({"disclose_me": true}), author.clone()),
        (r#"{"disclose": {"publisher": true}}"#, json!({}), author),
    ] {
        let realms = realms_with(config);
        let mut heir = Asker::join(&realms, 1, "guest");
        heir.may(r#"[32,#,{},"com.topic"]"#);
        let mut testator = Asker::join(&realms, 2, "admin");
        let kwargs = json!({"publish_options": options});
        let args = r#"["com.topic", [], {}]"#;
        testator.may(&format!(r#"[48,#,{{}},"wamp.session.add_testament",{args},{kwargs}]"#));
        drop(testator);
        assert_eq!(heir.client.hears_one()[3], expected, "{config} {options}");
    }
}

#[test]
fn a_call_needs_the_right_to_what_is_called() {
    let realms = realms_with(
        r#"{"roles": {
            "callee": [{"uri": "com.", "match": "prefix", "allow": {"register": true}}],
            "caller": [{"uri": "com.open", "allow": {"call": true}}]
        }}"#,
    );
    let mut callee = Asker::join(&realms, 1, "callee");
    let mut caller = Asker::join(&realms, 2, "caller");
    callee.may(r#"[64,#,{"match":"prefix"},"com."]"#);
    assert_eq!(caller.may_not(r#"[48,#,{},"com.closed"]"#), DENIED);
    assert_eq!(caller.may_not(r#"[48,#,{},"com."]"#), DENIED);
    caller.says(r#"[48,#,{},"com.open"]"#);
    assert_eq!(callee.client.hears().len(), 1);
}
