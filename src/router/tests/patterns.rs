//! Subscriptions and registrations by prefix and wildcard.

use serde_json::json;

use super::client::{Client, error, realms};

#[test]
fn an_event_comes_once_for_each_subscription_that_matches() {
    let realms = realms();
    let [mut subscriber, mut publisher] = [1, 2].map(|id| Client::join(&realms, id));
    subscriber.says(r#"[32,1,{},"com.shop.sold"]"#);
    subscriber.says(r#"[32,2,{"match":"prefix"},"com.shop"]"#);
    subscriber.says(r#"[32,3,{"match":"wildcard"},"com..sold"]"#);
    subscriber.says(r#"[32,4,{"match":"prefix"},"com.shop.sold"]"#);
    subscriber.says(r#"[32,5,{"match":"prefix"},"com.shop"]"#);
    let ids: Vec<_> = subscriber.hears().iter().map(|told| told[2].clone()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 2]);

    publisher.says(r#"[16,1,{"acknowledge":true},"com.shop.sold",["x"]]"#);
    let publication = publisher.hears_one()[2].clone();
    let topic = json!({"topic": "com.shop.sold"});
    let mut events = subscriber.hears();
    events.sort_by_key(|event| event[1].as_u64());
    assert_eq!(
        events,
        [
            json!([36, 1, publication, {}, ["x"]]),
            json!([36, 2, publication, topic, ["x"]]),
            json!([36, 3, publication, topic, ["x"]]),
            json!([36, 4, publication, topic, ["x"]]),
        ]
    );

    publisher.says(r#"[16,2,{},"com.shopping",[]]"#);
    assert_eq!(subscriber.hears_one()[3], json!({"topic": "com.shopping"}));
    publisher.says(r#"[16,3,{},"com.sold"]"#);
    publisher.says(r#"[16,4,{},"com.a.b.sold"]"#);
    subscriber.hears_nothing();

    subscriber.says("[34,6,2]");
    assert_eq!(subscriber.hears_one(), json!([35, 6]));
    publisher.says(r#"[16,5,{},"com.shopping"]"#);
    subscriber.hears_nothing();
}

#[test]
fn a_call_goes_to_the_most_specific_registration() {
    let realms = realms();
    let [mut callee, mut caller] = [1, 2].map(|id| Client::join(&realms, id));
    for (request, options, uri) in [
        (1, "{}", "com.shop.sell"),
        (2, r#"{"match":"prefix"}"#, "com"),
        (3, r#"{"match":"prefix"}"#, "com.shop"),
        (4, r#"{"match":"wildcard"}"#, "com..sell"),
        (5, r#"{"match":"wildcard"}"#, "org..sell"),
    ] {
        callee.says(&format!(r#"[64,{request},{options},"{uri}"]"#));
        assert_eq!(callee.hears_one(), json!([65, request, request]));
    }
    for (at, (procedure, registration)) in [
        ("com.shop.sell", 1),
        ("com.shop.buy", 3),
        ("com.shop", 3),
        ("com.market.sell", 2),
        ("org.market.sell", 5),
    ]
    .into_iter()
    .enumerate()
    {
        let request = at + 1;
        caller.says(&format!(r#"[48,{request},{{}},"{procedure}"]"#));
        let details = if registration == 1 { json!({}) } else { json!({"procedure": procedure}) };
        assert_eq!(callee.hears_one(), json!([68, request, registration, details]));
    }
    caller.says(r#"[48,6,{},"org.sell"]"#);
    assert_eq!(error(&caller).2, "wamp.error.no_such_procedure");
    caller.says(r#"[48,7,{},"com..x"]"#);
    assert_eq!(error(&caller).2, "wamp.error.invalid_uri");
}

#[test]
fn patterns_do_not_reach_the_routers_own_procedures() {
    let realms = realms();
    let mut client = Client::join(&realms, 1);
    client.says(r#"[64,1,{"match":"prefix"},""]"#);
    client.says(r#"[64,2,{"match":"wildcard"},".session."]"#);
    client.hears();
    client.says(r#"[48,3,{},"wamp.session.count"]"#);
    assert_eq!(client.hears_one(), json!([50, 3, {}, [1]]));
    client.says(r#"[48,4,{},"wamp.session.nothing"]"#);
    assert_eq!(error(&client).2, "wamp.error.no_such_procedure");
    client.says(r#"[64,5,{"match":"prefix"},"wamp."]"#);
    assert_eq!(error(&client).2, "wamp.error.invalid_uri");
}
