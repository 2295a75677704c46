//! A new configuration for a router with sockets: logins, connections, certificates, and
//! configurations that are refused. Sessions are the subject of [`super::reload`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::sockets::{Client, router};
use crate::router::auth::{Origin, Store, Turn};
use crate::router::{Router, RouterError};
use crate::transport::testing::soon;
use crate::transport::tls::testing::{Authority, Time};
use crate::transport::{ConnectOptions, TlsOptions, connect};

fn reload(router: &Router, config: &Value) {
    router.reload(Some(&config.to_string())).unwrap();
}

fn tickets(users: Value) -> Value {
    json!({"auth": {"ticket": users}})
}

/// Somebody who has said HELLO with this method and is challenged.
async fn challenged(router: &Router, authid: &str, method: &str) -> (Client, Value) {
    let mut client = Client::connect(&router.url().unwrap()).await.unwrap();
    let details = json!({"roles": {"caller": {}}, "authid": authid, "authmethods": [method],
        "authextra": {"nonce": "abc"}});
    client.says(&json!([1, "realm1", details]).to_string()).await;
    let challenge = client.hears().await;
    assert_eq!(challenge[0], 4, "{challenge}");
    (client, challenge)
}

async fn answers(mut client: Client) -> Client {
    client.says(r#"[5,"secret",{}]"#).await;
    client
}

/// Somebody who has joined.
async fn joined(router: &Router, authid: &str) -> (Client, Value) {
    let mut client = answers(challenged(router, authid, "ticket").await.0).await;
    let welcome = client.hears().await;
    assert_eq!(welcome[0], 2, "{welcome}");
    (client, welcome)
}

#[tokio::test]
async fn who_is_removed_is_told_and_the_others_stay() {
    let user = json!({"ticket": "secret"});
    let router = router(&tickets(json!({"ann": user, "bob": user, "eve": user})).to_string());
    let [(mut ann, _), (mut bob, _), (mut eve, _)] =
        [joined(&router, "ann").await, joined(&router, "bob").await, joined(&router, "eve").await];
    // Logins that have begun end by the new configuration.
    let [late_ann, late_bob, late_eve] = [
        challenged(&router, "ann", "ticket").await.0,
        challenged(&router, "bob", "ticket").await.0,
        challenged(&router, "eve", "ticket").await.0,
    ];
    let admin = json!({"ticket": "secret", "role": "admin"});
    reload(&router, &tickets(json!({"ann": user, "bob": admin})));
    let end = bob.hears().await;
    assert_eq!((&end[0], &end[2]), (&json!(6), &json!("wamp.close.system_shutdown")));
    let end = eve.hears().await;
    assert_eq!((&end[0], &end[2]), (&json!(6), &json!("wamp.close.killed")));
    assert!(end[1]["message"].as_str().unwrap().contains("does not let this client in any more"));
    ann.says(r#"[48,1,{},"wamp.session.count"]"#).await;
    assert_eq!(ann.hears().await[3], json!([1]));

    assert_eq!(answers(late_ann).await.hears().await[0], 2);
    for late in [late_bob, late_eve] {
        let changed = "have changed meanwhile";
        answers(late).await.hears_abort("wamp.error.authentication_failed", changed).await;
    }
    assert_eq!(joined(&router, "bob").await.1[2]["authrole"], "admin");
    let late = answers(challenged(&router, "eve", "ticket").await.0).await;
    late.hears_abort("wamp.error.authentication_failed", "is not known").await;
}

/// Neither a reload shows who is real.
#[tokio::test]
async fn strangers_look_as_before() {
    let config = json!({"auth": {"wamp-scram": {"joe": {"password": "x", "iterations": 4096}}}});
    let router = router(&config.to_string());
    let salt = async |name| challenged(&router, name, "wamp-scram").await.1[2]["salt"].clone();
    let before = [salt("joe").await, salt("nobody").await];
    reload(&router, &config);
    assert_eq!([salt("joe").await, salt("nobody").await], before);
    assert!(before[0].is_string() && before[0] != before[1]);
}

#[test]
fn failures_still_count() {
    let value = json!({"ticket": {"joe": {"ticket": "secret"}}});
    let former = Store::parse(&value, None).unwrap();
    let (origin, now) = (Origin::Listener(1), Instant::now());
    for _ in 0..5 {
        former.failures().judged("joe", origin, true, now);
    }
    let next = Store::parse(&value, Some(&former)).unwrap();
    let turn = next.failures().judged("joe", origin, true, now);
    assert!(matches!(turn, Turn::At(turn) if turn > now + Duration::from_millis(900)), "{turn:?}");
    let other = Store::parse(&value, None).unwrap().failures().judged("joe", origin, true, now);
    assert!(matches!(other, Turn::At(turn) if turn < now + Duration::from_millis(900)));
}

#[tokio::test]
async fn what_is_wrong_changes_nothing() {
    let router = router(r#"{"realms": ["realm1"]}"#);
    let mut client = Client::join(&router).await;
    let refused = |config: &str| match router.reload(Some(config)) {
        Err(RouterError::Config(why)) => why,
        other => panic!("{config}: {other:?}"),
    };
    for (config, told) in [
        ("[]", "not a JSON object"),
        (r#"{"realms": ["realm2"], "max_realm": 1}"#, r#""max_realm": unknown; did you mean "#),
        (
            r#"{"realms": ["realm2"], "auth": {"ticket": {"joe": {"ticket": 1}}}}"#,
            r#""auth"."ticket"."joe"."ticket": must be a string"#,
        ),
        (r#"{"realms": ["realm2"], "dispatch": "inline"}"#, r#""dispatch": cannot be changed"#),
    ] {
        let why = refused(config);
        assert!(why.contains(told), "{why}");
    }
    client.says(r#"[48,1,{},"wamp.session.count"]"#).await;
    assert_eq!(client.hears().await[3], json!([1]));
    Client::join(&router).await;
    router.close();
    assert_eq!(router.reload(None), Err(RouterError::Closed));
}

#[tokio::test]
async fn limits_of_connections_and_memory_hold_at_once() {
    let router = router("{}");
    let client = Client::join(&router).await;
    reload(
        &router,
        &json!({"max_connections": 1, "memory_limit": 2 << 20,
        "send_queue_bytes": 4096, "max_questions": 1, "question_timeout": 0.5,
        "message_timeout": 0.25}),
    );
    assert!(Client::connect(&router.url().unwrap()).await.is_err());
    assert_eq!(router.stats().refused_connections, 1);
    assert!(router.shared.budget.is_full(2 << 20));
    assert_eq!(router.shared.message_timeout(), Duration::from_millis(250));
    assert_eq!(router.shared.desk.limit(), Duration::from_millis(500));
    let before = router.stats().memory;
    assert!(before > 0, "the connection counts on");
    // One that was there is dropped by the new size of its queue.
    let mut flooded = client;
    flooded.says(r#"[32,1,{},"com.t"]"#).await;
    assert_eq!(flooded.hears().await[0], 33);
    let large = "x".repeat(8192);
    flooded.says(&json!([16, 2, {"exclude_me": false}, "com.t", [large]]).to_string()).await;
    while soon(futures_util::StreamExt::next(&mut flooded.stream))
        .await
        .is_some_and(|message| message.is_ok())
    {}
    assert_eq!(router.stats().dropped, 1);
    reload(&router, &json!({}));
    Client::join(&router).await;
}

#[tokio::test]
async fn new_connections_get_the_new_certificate() {
    let [old, new] = ["old", "new"].map(Authority::new);
    let config = |authority: &Authority| {
        let pair = authority.sign(&["127.0.0.1"], Time::Now);
        json!({"tls": {"cert": pair.cert, "key": pair.key}})
    };
    let router = Router::new(Some(&config(&old).to_string())).unwrap();
    router.listen("wss://127.0.0.1:0/ws", &Handle::current()).unwrap();
    let url = router.url().unwrap();
    let dial = async |ca: &Authority| {
        let tls = json!({"ca": ca.pem()});
        let tls = Arc::new(TlsOptions::parse(tls.as_object().unwrap()).unwrap());
        let options = ConnectOptions { tls, ..ConnectOptions::plain(&url) };
        soon(connect(&options)).await
    };
    let _early = dial(&old).await.unwrap();
    assert!(dial(&new).await.is_err());
    reload(&router, &config(&new));
    assert!(dial(&old).await.is_err());
    dial(&new).await.unwrap();
    let Err(RouterError::Config(why)) = router.reload(None) else {
        panic!("the listener has no certificate");
    };
    assert!(why.contains("\"tls\" is missing") && why.contains(&url), "{why}");
    dial(&new).await.unwrap();
}

/// Many reloads leave nothing behind.
#[tokio::test]
async fn former_configurations_are_let_go_of() {
    let router = router("{}");
    let _clients = [Client::join(&router).await, Client::join(&router).await];
    let former = Arc::downgrade(&router.shared.config());
    reload(&router, &json!({"max_realms": 5}));
    assert_eq!(former.strong_count(), 0);
    Client::join(&router).await;
    let former = Arc::downgrade(&router.shared.config());
    reload(&router, &json!({}));
    assert_eq!(former.strong_count(), 0);
}
