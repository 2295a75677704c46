//! Events: for whom they are, who has sent them, and what is kept of them.

use serde_json::{Value, json};

use super::client::{Client, error, realms, realms_with};

/// Subscribers of `com.topic`: session 1 is ann (user), 2 bob (user), 3 cid (admin); and a
/// publisher.
fn audience() -> ([Client; 3], Client) {
    let realms = realms();
    let mut all = [(1, "ann", "user"), (2, "bob", "user"), (3, "cid", "admin")]
        .map(|(id, authid, authrole)| Client::named(&realms, id, authid, authrole));
    for subscriber in &mut all {
        subscriber.says(r#"[32,1,{},"com.topic"]"#);
        subscriber.hears();
    }
    (all, Client::named(&realms, 4, "dot", "user"))
}

#[test]
fn a_publisher_chooses_its_audience() {
    let (all, mut publisher) = audience();
    for (at, (options, expected)) in [
        ("{}", &[1, 2, 3][..]),
        (r#"{"exclude":[1,99]}"#, &[2, 3]),
        (r#"{"exclude_authid":["bob"]}"#, &[1, 3]),
        (r#"{"exclude_authrole":["user"]}"#, &[3]),
        (r#"{"eligible":[2]}"#, &[2]),
        (r#"{"eligible_authid":["ann","cid"]}"#, &[1, 3]),
        (r#"{"eligible_authrole":["user"]}"#, &[1, 2]),
        (r#"{"eligible_authrole":["user"],"exclude_authid":["ann"]}"#, &[2]),
        (r#"{"eligible":[]}"#, &[]),
        (r#"{"eligible_authid":[]}"#, &[]),
        (r#"{"eligible_authrole":[]}"#, &[]),
        (r#"{"exclude":[],"exclude_authid":[],"exclude_authrole":null}"#, &[1, 2, 3]),
    ]
    .into_iter()
    .enumerate()
    {
        publisher.says(&format!(r#"[16,{},{options},"com.topic"]"#, at + 1));
        let got: Vec<u64> = all
            .iter()
            .filter(|subscriber| !subscriber.hears().is_empty())
            .map(|subscriber| subscriber.peer.id())
            .collect();
        assert_eq!(got, expected, "{options}");
    }
}

#[test]
fn wrong_options_are_told_to_who_wants_to_be_told() {
    let (all, mut publisher) = audience();
    for (at, options) in [
        r#""exclude":1"#,
        r#""exclude":["1"]"#,
        r#""eligible_authid":[1]"#,
        r#""exclude_me":0"#,
        r#""disclose_me":"yes""#,
        r#""retain":1"#,
    ]
    .into_iter()
    .enumerate()
    {
        let request = 2 * at + 1;
        publisher.says(&format!(r#"[16,{request},{{{options}}},"com.topic"]"#));
        publisher.hears_nothing();
        let request = request + 1;
        let options = format!(r#"{{{options},"acknowledge":true}}"#);
        publisher.says(&format!(r#"[16,{request},{options},"com.topic"]"#));
        assert_eq!(error(&publisher).2, "wamp.error.invalid_argument", "{options}");
    }
    assert!(all.iter().all(|subscriber| subscriber.hears().is_empty()));
}

#[test]
fn a_publisher_is_disclosed_where_it_or_the_router_wants_it() {
    let (all, mut publisher) = audience();
    publisher.says(r#"[16,1,{"disclose_me":true},"com.topic"]"#);
    let dot = json!({"publisher": 4, "publisher_authid": "dot", "publisher_authrole": "user"});
    assert!(all.iter().all(|subscriber| subscriber.hears_one()[3] == dot));

    let realms = realms_with(r#"{"disclose": {"publisher": true}}"#);
    let mut client = Client::named(&realms, 4, "dot", "user");
    client.says(r#"[32,1,{},"com.topic"]"#);
    client.says(r#"[16,2,{"exclude_me":false},"com.topic"]"#);
    assert_eq!(client.hears()[1][3], dot);
}

#[test]
fn a_caller_is_disclosed_where_it_or_the_callee_or_the_router_wants_it() {
    let details = |config: &str, register: &str, call: &str| -> Value {
        let realms = realms_with(config);
        let mut callee = Client::join(&realms, 1);
        let mut caller = Client::named(&realms, 2, "dot", "user");
        callee.says(&format!(r#"[64,1,{register},"com.add"]"#));
        callee.hears();
        caller.says(&format!(r#"[48,1,{call},"com.add"]"#));
        callee.hears_one()[3].clone()
    };
    let dot = json!({"caller": 2, "caller_authid": "dot", "caller_authrole": "user"});
    assert_eq!(details("{}", "{}", "{}"), json!({}));
    assert_eq!(details("{}", "{}", r#"{"disclose_me":true}"#), dot);
    assert_eq!(details("{}", r#"{"disclose_caller":true}"#, "{}"), dot);
    assert_eq!(details(r#"{"disclose": {"caller": true}}"#, "{}", "{}"), dot);
}

#[test]
fn the_latest_retained_event_comes_to_later_subscribers() {
    let (_, mut publisher) = audience();
    publisher.says(r#"[16,1,{"retain":true},"com.state.a",[1]]"#);
    publisher.says(r#"[16,2,{"retain":true,"acknowledge":true},"com.state.a",[2],{"k":1}]"#);
    publisher.says(r#"[16,3,{"retain":true},"com.state.b",[3]]"#);
    publisher.says(r#"[16,4,{},"com.state.a",[4]]"#);
    let publication = publisher.hears_one()[2].clone();

    publisher.says(r#"[32,5,{"get_retained":true},"com.state.a"]"#);
    let id = 2;
    let event = json!([36, id, publication, {"retained": true}, [2], {"k": 1}]);
    assert_eq!(publisher.hears(), [json!([33, 5, id]), event.clone()]);
    publisher.says(r#"[32,6,{},"com.state.a"]"#);
    assert_eq!(publisher.hears_one(), json!([33, 6, id]));
    publisher.says(r#"[32,7,{"get_retained":true},"com.state.a"]"#);
    assert_eq!(publisher.hears(), [json!([33, 7, id]), event]);

    publisher.says(r#"[32,8,{"get_retained":true,"match":"prefix"},"com.state"]"#);
    let heard = publisher.hears();
    assert_eq!(heard.len(), 3);
    assert_eq!(heard[1][3], json!({"topic": "com.state.a", "retained": true}));
    assert_eq!((&heard[2][3]["topic"], &heard[2][4]), (&json!("com.state.b"), &json!([3])));
}

#[test]
fn what_was_retained_for_others_does_not_come() {
    let realms = realms();
    let mut ann = Client::named(&realms, 1, "ann", "user");
    let mut cid = Client::named(&realms, 2, "cid", "admin");
    ann.says(r#"[16,1,{"retain":true,"eligible_authrole":["admin"]},"com.a",[1]]"#);
    ann.says(r#"[16,2,{"retain":true,"eligible":[2]},"com.b",[1]]"#);
    for (request, topic, come) in [(3, "com.a", 1), (4, "com.b", 0)] {
        let subscribe =
            |request: u64| format!(r#"[32,{request},{{"get_retained":true}},"{topic}"]"#);
        ann.says(&subscribe(request));
        assert_eq!(ann.hears().len(), 1);
        cid.says(&subscribe(request - 2));
        assert_eq!(cid.hears().len(), 1 + come);
    }
}

/// Calls `wamp.subscription.get_events` and tells the first arg of each event.
fn events(client: &mut Client, request: &mut u64, subscription: u64, kwargs: &Value) -> Vec<Value> {
    *request += 1;
    let procedure = "wamp.subscription.get_events";
    client.says(&format!(r#"[48,{request},{{}},"{procedure}",[{subscription}],{kwargs}]"#));
    let result = client.hears_one();
    assert_eq!(result[0], 50, "{result}");
    let events = result[3].as_array().unwrap();
    for event in events {
        assert_eq!(event["subscription"], subscription);
        assert!(
            event["timestamp"].as_str().unwrap().ends_with('Z') && event["details"].is_object()
        );
    }
    events.iter().map(|event| event["args"][0].clone()).collect()
}

#[test]
fn past_events_can_be_asked_for() {
    let realms = realms_with(r#"{"event_history": 4}"#);
    let mut client = Client::named(&realms, 1, "ann", "user");
    client.says(r#"[32,1,{"match":"prefix"},"com."]"#);
    client.says(r#"[32,2,{},"com.a"]"#);
    let mut request = 2;
    let mut publications = Vec::new();
    for (topic, number) in [("com.a", 1), ("com.a", 2), ("com.b", 3), ("com.a", 4), ("com.a", 5)] {
        request += 1;
        let options = r#"{"acknowledge":true}"#;
        client.says(&format!(r#"[16,{request},{options},"{topic}",[{number}],{{"k":1}}]"#));
        publications.push(client.hears().pop().unwrap()[2].clone());
    }
    let mut ask = |subscription, kwargs| events(&mut client, &mut request, subscription, &kwargs);
    assert_eq!(ask(1, json!({})), [2, 3, 4, 5]);
    assert_eq!(ask(2, json!({})), [2, 4, 5]);
    assert_eq!(ask(1, json!({"reverse": true, "limit": 2})), [5, 4]);
    assert_eq!(ask(1, json!({"limit": 2})), [2, 3]);
    assert_eq!(ask(1, json!({"topic": "com.b"})), [3]);
    assert_eq!(ask(1, json!({"from_publication": publications[2]})), [3, 4, 5]);
    assert_eq!(ask(1, json!({"after_publication": publications[2]})), [4, 5]);
    assert_eq!(ask(1, json!({"before_publication": publications[2]})), [2]);
    assert_eq!(ask(1, json!({"until_publication": publications[2]})), [2, 3]);
    assert_eq!(ask(1, json!({"after_publication": publications[0]})), [2, 3, 4, 5]);
    assert_eq!(ask(1, json!({"from_time": "1999-01-01T00:00:00Z"})), [2, 3, 4, 5]);
    assert_eq!(ask(1, json!({"before_time": "1999-01-01T00:00:00+01:00"})), [0; 0]);

    for (args, kwargs, uri) in [
        ("[9]", "{}", "wamp.error.no_such_subscription"),
        ("[]", "{}", "wamp.error.invalid_argument"),
        ("[1]", r#"{"limit":0}"#, "wamp.error.invalid_argument"),
        ("[1]", r#"{"reverse":1}"#, "wamp.error.invalid_argument"),
        ("[1]", r#"{"from_time":"noon"}"#, "wamp.error.invalid_argument"),
        ("[1]", r#"{"after_publication":"x"}"#, "wamp.error.invalid_argument"),
    ] {
        request += 1;
        let procedure = "wamp.subscription.get_events";
        client.says(&format!(r#"[48,{request},{{}},"{procedure}",{args},{kwargs}]"#));
        assert_eq!(error(&client).2, uri, "{args} {kwargs}");
    }
}

#[test]
fn past_events_for_others_are_not_shown() {
    let realms = realms_with(r#"{"event_history": 10}"#);
    let mut ann = Client::named(&realms, 1, "ann", "user");
    ann.says(r#"[32,1,{},"com.a"]"#);
    ann.says(r#"[16,2,{},"com.a",["all"]]"#);
    ann.says(r#"[16,3,{"eligible_authrole":["admin"]},"com.a",["admins"]]"#);
    ann.says(r#"[16,4,{"exclude":[77]},"com.a",["but 77"]]"#);
    ann.hears();
    assert_eq!(events(&mut ann, &mut 4, 1, &json!({})), ["all"]);
    let mut cid = Client::named(&realms, 2, "cid", "admin");
    assert_eq!(events(&mut cid, &mut 0, 1, &json!({})), ["all", "admins"]);
}

#[test]
fn without_the_key_nothing_is_kept() {
    let realms = realms();
    let mut client = Client::join(&realms, 1);
    client.says(r#"[32,1,{},"com.a"]"#);
    client.says(r#"[16,2,{},"com.a",[1]]"#);
    client.hears();
    assert_eq!(events(&mut client, &mut 2, 1, &json!({})), [0; 0]);
}
