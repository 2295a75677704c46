//! The router as a client sees it, over real sockets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error as WsError, Message as WsMessage};

use super::HELLO;
use crate::router::{Router, RouterError, RouterStats};
use crate::transport::testing::soon;

pub(super) struct Client {
    pub(super) stream: WebSocketStream<TcpStream>,
}

pub(super) fn router(config: &str) -> Arc<Router> {
    let router = Router::new(Some(config)).unwrap();
    router.listen("ws://127.0.0.1:0/ws", &Handle::current()).unwrap();
    router
}

impl Client {
    pub(super) async fn connect(url: &str) -> Result<Client, WsError> {
        let address = url.trim_start_matches("ws://");
        let address = address.split('/').next().unwrap_or_default();
        let stream = TcpStream::connect(address).await?;
        let mut request = url.into_client_request()?;
        let subprotocol = HeaderValue::from_static("wamp.2.json");
        request.headers_mut().insert("sec-websocket-protocol", subprotocol);
        let (stream, _) = soon(tokio_tungstenite::client_async(request, stream)).await?;
        Ok(Client { stream })
    }

    /// A client that has joined `realm1`.
    pub(super) async fn join(router: &Router) -> Client {
        let mut client = Client::connect(&router.url().unwrap()).await.unwrap();
        client.says(HELLO).await;
        assert_eq!(client.hears().await[0], 2);
        client
    }

    pub(super) async fn says(&mut self, frame: &str) {
        soon(self.stream.send(WsMessage::text(frame))).await.unwrap();
    }

    pub(super) async fn hears(&mut self) -> Value {
        match soon(self.stream.next()).await {
            Some(Ok(WsMessage::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("expected a message, not {other:?}"),
        }
    }

    /// The router closes in order, without another message.
    async fn sees_the_end(mut self) {
        let end = soon(self.stream.next()).await;
        assert!(matches!(end, Some(Ok(WsMessage::Close(_)))), "{end:?}");
        assert!(soon(self.stream.next()).await.is_none());
    }

    /// The router says ABORT and closes.
    pub(super) async fn hears_abort(mut self, reason: &str, told: &str) {
        let abort = self.hears().await;
        assert_eq!(abort.as_array().map(Vec::len), Some(3), "{abort}");
        assert_eq!((&abort[0], &abort[2]), (&json!(3), &json!(reason)));
        let message = abort[1]["message"].as_str().unwrap_or_default();
        assert!(message.contains(told), "{message}");
        self.sees_the_end().await;
    }
}

#[tokio::test]
async fn events_and_calls_pass() {
    let router = router("{}");
    let mut a = Client::join(&router).await;
    let mut b = Client::join(&router).await;

    a.says(r#"[32,1,{},"com.topic"]"#).await;
    assert_eq!(a.hears().await, json!([33, 1, 1]));
    a.says(r#"[64,2,{},"com.add"]"#).await;
    assert_eq!(a.hears().await, json!([65, 2, 1]));

    b.says(r#"[16,1,{},"com.topic",["hello"]]"#).await;
    b.says(r#"[48,2,{},"com.add",[2,3]]"#).await;
    let event = a.hears().await;
    assert_eq!((&event[0], &event[1]), (&json!(36), &json!(1)));
    assert_eq!(event[4], json!(["hello"]));
    assert_eq!(a.hears().await, json!([68, 1, 1, {}, [2, 3]]));
    a.says(r#"[70,1,{},[5]]"#).await;
    assert_eq!(b.hears().await, json!([50, 2, {}, [5]]));
}

/// More messages than one turn takes, and more bytes than the sockets hold, in both directions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_passes_in_order() {
    const CALLS: usize = 3000;
    let router = router("{}");
    let mut callee = Client::join(&router).await;
    callee.says(r#"[64,1,{},"com.echo"]"#).await;
    callee.hears().await;
    let mut caller = Client::join(&router).await;

    let filler = "x".repeat(2000);
    for request in 1..=CALLS {
        let call = format!(r#"[48,{request},{{}},"com.echo",["{filler}"]]"#);
        caller.stream.feed(WsMessage::text(call)).await.unwrap();
    }
    let echo = async {
        for invocation in 1..=CALLS {
            let received = callee.hears().await;
            assert_eq!(received[1], invocation);
            callee.says(&json!([70, invocation, {}, received[4]]).to_string()).await;
        }
    };
    soon(async { tokio::join!(caller.stream.flush(), echo).0 }).await.unwrap();
    for request in 1..=CALLS {
        let result = caller.hears().await;
        assert_eq!((&result[1], &result[3][0]), (&json!(request), &json!(filler)));
    }
}

#[tokio::test]
async fn goodbye_is_answered_and_ends_the_connection() {
    let router = router("{}");
    let mut callee = Client::join(&router).await;
    let mut caller = Client::join(&router).await;
    callee.says(r#"[64,1,{},"com.add"]"#).await;
    callee.hears().await;
    caller.says(r#"[48,1,{},"com.add"]"#).await;
    callee.hears().await;

    callee.says(r#"[6,{},"wamp.close.normal"]"#).await;
    callee.says(r#"[70,1,{}]"#).await;
    let goodbye = callee.hears().await;
    assert_eq!(goodbye, json!([6, {}, "wamp.close.goodbye_and_out"]));
    callee.sees_the_end().await;
    assert_eq!(caller.hears().await[4], "wamp.error.canceled");
}

#[tokio::test]
async fn a_lost_client_leaves_its_realm() {
    let router = router("{}");
    let mut callee = Client::join(&router).await;
    let mut caller = Client::join(&router).await;
    callee.says(r#"[64,1,{},"com.add"]"#).await;
    callee.hears().await;
    caller.says(r#"[48,1,{},"com.add"]"#).await;
    callee.hears().await;
    drop(callee);
    assert_eq!(caller.hears().await[4], "wamp.error.canceled");
}

#[tokio::test]
async fn the_last_words_of_a_lost_client_count() {
    let router = router("{}");
    let mut caller = Client::join(&router).await;
    for request in 1..=20 {
        let mut callee = Client::join(&router).await;
        callee.says(r#"[64,1,{},"com.add"]"#).await;
        callee.hears().await;
        caller.says(&format!(r#"[48,{request},{{}},"com.add"]"#)).await;
        callee.hears().await;
        callee.says(r#"[70,1,{}]"#).await;
        drop(callee);
        assert_eq!(caller.hears().await, json!([50, request, {}]));
        // The name is free once the router has seen the end of the callee.
        while router.stats().clients > 1 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn the_protocol_is_kept() {
    let router = router(r#"{"realms": ["realm1"], "max_message_size": 2000}"#);
    let url = router.url().unwrap();
    let violation = "wamp.error.protocol_violation";
    let roles = r#"{"roles":{"caller":{}}}"#;
    for (frame, reason, told) in [
        ("garbage", violation, "a message must be a list"),
        ("[]", violation, "expected a whole number"),
        ("[999999]", violation, "no such message type"),
        (r#"[32,1,{},"a.b"]"#, violation, "SUBSCRIBE before HELLO"),
        (r#"[1,"realm1",{}]"#, violation, "without Details.roles"),
        (r#"[1,"realm1",{"roles":{}}]"#, violation, "names none of"),
        (&format!(r#"[1,"realm2",{roles}]"#), "wamp.error.no_such_realm", "\"realm2\""),
        (&format!(r#"[1,"a b",{roles}]"#), "wamp.error.invalid_uri", "white space"),
    ] {
        let mut client = Client::connect(&url).await.unwrap();
        client.says(frame).await;
        client.hears_abort(reason, told).await;
    }
    for (frame, told) in [
        (HELLO, "HELLO within a session"),
        ("[16,1]", "the message is too short"),
        (r#"[16,1,{},"a.b",{}]"#, "args must be a list"),
        (r#"[48,3,{},"a.b"]"#, "request id 3 where 1 is due"),
    ] {
        let mut client = Client::join(&router).await;
        client.says(frame).await;
        client.says(r#"[16,1,{"acknowledge":true},"a.b"]"#).await;
        client.hears_abort(violation, told).await;
    }

    let mut client = Client::join(&router).await;
    soon(client.stream.send(WsMessage::binary(&b"[1]"[..]))).await.unwrap();
    let abort = client.hears().await;
    assert_eq!((&abort[0], &abort[2]), (&json!(3), &json!(violation)));

    let mut client = Client::join(&router).await;
    client.says(&format!(r#"[16,1,{{}},"a.b",["{}"]]"#, "x".repeat(3000))).await;
    let abort = client.hears().await;
    assert_eq!(abort[2], "wamp.error.payload_size_exceeded");

    let mut client = Client::join(&router).await;
    client.says(r#"[3,{},"com.myapp.bye"]"#).await;
    client.sees_the_end().await;
}

#[tokio::test]
async fn only_its_path_is_served() {
    let router = router("{}");
    let url = router.url().unwrap();
    assert!(url.starts_with("ws://127.0.0.1:") && url.ends_with("/ws") && !url.contains(":0/"));
    match Client::connect(&url.replace("/ws", "/other")).await {
        Err(WsError::Http(response)) => assert_eq!(response.status().as_u16(), 404),
        other => panic!("{:?}", other.map(|_| "connected")),
    }
}

#[tokio::test]
async fn a_silent_client_is_dropped() {
    let router = router(r#"{"hello_timeout": 1}"#);
    let url = router.url().unwrap();
    let mut silent = Client::connect(&url).await.unwrap();
    let end = soon(silent.stream.next()).await;
    assert!(matches!(end, Some(Err(_))), "{end:?}");

    // The WebSocket handshake is under the same limit.
    let address = url.trim_start_matches("ws://").trim_end_matches("/ws");
    let stream = TcpStream::connect(address).await.unwrap();
    soon(stream.readable()).await.unwrap();
    assert_eq!(stream.try_read(&mut [0; 1]).unwrap(), 0);
}

#[tokio::test]
async fn closing_says_goodbye_to_all() {
    let router = router("{}");
    let mut polite = Client::join(&router).await;
    let mut rude = Client::join(&router).await;
    let waiting = Client::connect(&router.url().unwrap()).await.unwrap();
    let stats = router.stats();
    let expected = RouterStats {
        clients: 3,
        sessions: 2,
        messages_in: 2,
        messages_out: stats.messages_out,
        memory: 3 * 16 * 1024,
        ..RouterStats::default()
    };
    assert_eq!(stats, expected);
    assert_eq!(stats.messages_out, 2);

    router.close();
    let goodbye = json!([6, {}, "wamp.close.system_shutdown"]);
    assert_eq!(polite.hears().await, goodbye);
    polite.says(r#"[6,{},"wamp.close.goodbye_and_out"]"#).await;
    polite.sees_the_end().await;
    assert_eq!(rude.hears().await, goodbye);
    let end = soon(rude.stream.next()).await;
    assert!(matches!(end, Some(Err(_))), "{end:?}");
    let mut waiting = waiting;
    let end = soon(waiting.stream.next()).await;
    assert!(matches!(end, Some(Err(_))), "{end:?}");

    let again = router.listen("ws://127.0.0.1:0/ws", &Handle::current());
    assert_eq!(again, Err(RouterError::Closed));
}

#[tokio::test]
async fn a_slow_reader_is_dropped() {
    let router = router(r#"{"send_queue_bytes": 100000}"#);
    let mut slow = Client::join(&router).await;
    slow.says(r#"[32,1,{},"com.topic"]"#).await;
    slow.hears().await;
    let mut publisher = Client::join(&router).await;
    let filler = "x".repeat(90_000);
    let mut request = 0;
    while router.stats().dropped == 0 {
        request += 1;
        let options = r#"{"acknowledge":true}"#;
        let publish = format!(r#"[16,{request},{options},"com.topic",["{filler}"]]"#);
        publisher.says(&publish).await;
        assert_eq!(publisher.hears().await[0], 17);
    }
}

#[tokio::test]
async fn what_cannot_be_listened_on_is_told() {
    let first = router("{}");
    let url = first.url().unwrap();
    let second = Router::new(None).unwrap();
    let handle = Handle::current();
    for (url, told) in [
        (url.as_str(), "another program listens there: end it, or choose another port"),
        ("127.0.0.1:0", "scheme"),
        ("ftp://127.0.0.1:0/", "use ws://"),
        ("ws://127.0.0.1:0/ws?x=1", "leave out what follows the '?'"),
    ] {
        let error = second.listen(url, &handle).unwrap_err().to_string();
        assert!(error.contains(told), "{url}: {error}");
    }
    assert_eq!(second.url(), None);
    second.listen("ws://127.0.0.1:0", &handle).unwrap();
    second.listen("ws://127.0.0.1:0/other", &handle).unwrap();
    assert!(second.url().unwrap().ends_with('/'));
}

#[tokio::test]
async fn clients_are_kicked() {
    let router = router("{}");
    let [mut first, mut second, third] =
        [Client::join(&router).await, Client::join(&router).await, Client::join(&router).await];
    first.says(r#"[48,1,{},"wamp.session.list"]"#).await;
    let sessions = first.hears().await[3][0].clone();
    assert_eq!(sessions.as_array().map(Vec::len), Some(3));
    assert_eq!(router.kick(Some(1 << 60), None), 0);

    second.says(r#"[32,1,{},"com.topic"]"#).await;
    second.hears().await;
    second.says(r#"[48,2,{},"wamp.subscription.list_subscribers",[1]]"#).await;
    let id = second.hears().await[3][0][0].as_u64();
    assert_eq!(router.kick(id, Some("com.myapp.away")), 1);
    assert_eq!(second.hears().await, json!([6, {}, "com.myapp.away"]));
    second.says(r#"[6,{},"wamp.close.goodbye_and_out"]"#).await;
    second.sees_the_end().await;

    assert!(router.kick(None, None) >= 2);
    for mut client in [first, third] {
        let end = soon(client.stream.next()).await;
        assert!(matches!(end, Some(Err(_))), "{end:?}");
    }
}

#[tokio::test]
async fn killed_sessions_hear_why() {
    let router = router("{}");
    let mut killer = Client::join(&router).await;
    let mut victim = Client::join(&router).await;
    killer.says(r#"[48,1,{},"wamp.session.kill_all",[],{"message":"go"}]"#).await;
    assert_eq!(killer.hears().await, json!([50, 1, {}, [1]]));
    assert_eq!(victim.hears().await, json!([6, {"message": "go"}, "wamp.close.killed"]));
    assert_eq!(router.stats().sessions, 1);
    victim.says(r#"[6,{},"wamp.close.goodbye_and_out"]"#).await;
    victim.sees_the_end().await;
}

#[tokio::test]
async fn calls_end_in_time() {
    let router = router("{}");
    let mut callee = Client::join(&router).await;
    let mut caller = Client::join(&router).await;
    callee.says(r#"[64,1,{},"com.slow"]"#).await;
    callee.hears().await;
    caller.says(r#"[48,1,{"timeout":60000},"com.slow"]"#).await;
    caller.says(r#"[48,2,{"timeout":10},"com.slow"]"#).await;
    let timed_out = caller.hears().await;
    assert_eq!((&timed_out[2], &timed_out[4]), (&json!(2), &json!("wamp.error.timeout")));
    callee.hears().await;
    callee.says("[70,1,{}]").await;
    assert_eq!(caller.hears().await, json!([50, 1, {}]));
}

#[tokio::test]
async fn clients_are_challenged() {
    let router = router(r#"{"auth": {"ticket": {"joe": {"ticket": "t", "role": "admin"}}}}"#);
    let url = router.url().unwrap();
    let hello = |more: &str| format!(r#"[1,"realm1",{{"roles":{{"caller":{{}}}}{more}}}]"#);
    let joe = hello(r#","authmethods":["ticket"],"authid":"joe""#);

    let mut client = Client::connect(&url).await.unwrap();
    client.says(&joe).await;
    assert_eq!(client.hears().await, json!([4, "ticket", {}]));
    assert_eq!(router.stats().sessions, 0);
    client.says(r#"[5,"t",{}]"#).await;
    let welcome = client.hears().await;
    let is = |key: &str| welcome[2][key].as_str().unwrap_or_default().to_owned();
    assert_eq!([is("authid"), is("authrole"), is("authmethod")], ["joe", "admin", "ticket"]);
    assert_eq!(is("authprovider"), "static");

    for (frame, reason, told) in [
        (r#"[5,"wrong",{}]"#, "wamp.error.authentication_failed", "its secret is wrong"),
        (r#"[32,1,{},"a.b"]"#, "wamp.error.protocol_violation", "SUBSCRIBE instead of"),
        ("[5]", "wamp.error.protocol_violation", "too short"),
    ] {
        let mut client = Client::connect(&url).await.unwrap();
        client.says(&joe).await;
        assert_eq!(client.hears().await[0], 4);
        client.says(frame).await;
        client.hears_abort(reason, told).await;
    }
    let mut client = Client::connect(&url).await.unwrap();
    client.says(&joe).await;
    assert_eq!(client.hears().await[0], 4);
    client.says(r#"[3,{},"wamp.error.cannot_authenticate"]"#).await;
    client.sees_the_end().await;

    let violation = "wamp.error.protocol_violation";
    for (more, reason, told) in [
        ("", "wamp.error.no_matching_auth_method", "anonymous"),
        (r#","authmethods":"ticket""#, violation, "authmethods must be a list"),
        (r#","authmethods":["ticket"]"#, "wamp.error.no_such_principal", "send an authid"),
    ] {
        let mut client = Client::connect(&url).await.unwrap();
        client.says(&hello(more)).await;
        client.hears_abort(reason, told).await;
    }
}

#[tokio::test]
async fn the_time_for_hello_is_that_for_the_whole_login() {
    let config = r#"{"hello_timeout": 2, "auth": {"ticket": {"joe": {"ticket": "t"}}}}"#;
    let router = router(config);
    let mut client = Client::connect(&router.url().unwrap()).await.unwrap();
    let hello = r#"[1,"realm1",{"roles":{"caller":{}},"authmethods":["ticket"],"authid":"joe"}]"#;
    client.says(hello).await;
    assert_eq!(client.hears().await[0], 4);
    let end = soon(client.stream.next()).await;
    assert!(matches!(end, Some(Err(_))), "{end:?}");
}

/// The delay is long enough for the others to come first in any case.
#[tokio::test]
async fn only_failed_logins_are_slow() {
    let router = router(
        r#"{"hello_timeout": 1.5, "auth": {"failure_delay": {"first": 2},
            "ticket": {"joe": {"ticket": "t"}, "ann": {"ticket": "t"}}}}"#,
    );
    let url = router.url().unwrap();
    let challenged = async |authid: &str| {
        let mut client = Client::connect(&url).await.unwrap();
        let details = format!(
            r#"{{"roles":{{"caller":{{}}}},"authmethods":["ticket"],"authid":"{authid}"}}"#
        );
        client.says(&format!(r#"[1,"realm1",{details}]"#)).await;
        assert_eq!(client.hears().await[0], 4);
        client
    };
    let begin = Instant::now();
    let mut wrong = challenged("joe").await;
    wrong.says(r#"[5,"wrong",{}]"#).await;
    let mut hasty = challenged("nobody").await;
    hasty.says(r#"[5,"wrong",{}]"#).await;
    hasty.says(r#"[5,"t",{}]"#).await;
    hasty.hears_abort("wamp.error.protocol_violation", "without CHALLENGE").await;
    let mut other = challenged("ann").await;
    other.says(r#"[5,"t",{}]"#).await;
    assert_eq!(other.hears().await[0], 2);
    assert!(begin.elapsed() < Duration::from_secs(2));

    // The right ticket comes while the wrong one is held, and waits for its turn.
    let mut right = challenged("joe").await;
    right.says(r#"[5,"t",{}]"#).await;
    wrong.hears_abort("wamp.error.authentication_failed", "its secret is wrong").await;
    assert!(begin.elapsed() >= Duration::from_secs(2));
    assert_eq!(right.hears().await[0], 2);
    let mut again = challenged("joe").await;
    let begin = Instant::now();
    again.says(r#"[5,"t",{}]"#).await;
    assert_eq!(again.hears().await[0], 2);
    assert!(begin.elapsed() < Duration::from_secs(2));
}

const HELLO_JOE: &str =
    r#"[1,"realm1",{"roles":{"caller":{}},"authmethods":["ticket"],"authid":"joe"}]"#;

#[tokio::test]
async fn a_hashed_ticket_lets_in() {
    let hash = "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d";
    let ticket = json!({"ticket_hash": hash, "salt": "W22ZaJ0SNY7soEsUEjb6gQ=="});
    let router = router(&json!({"auth": {"ticket": {"joe": ticket}}}).to_string());
    for (ticket, lets_in) in [("pencil", true), ("wrong", false)] {
        let mut client = Client::connect(&router.url().unwrap()).await.unwrap();
        client.says(HELLO_JOE).await;
        assert_eq!(client.hears().await, json!([4, "ticket", {}]));
        client.says(&format!(r#"[5,"{ticket}",{{}}]"#)).await;
        match lets_in {
            true => assert_eq!(client.hears().await[0], 2),
            false => client.hears_abort("wamp.error.authentication_failed", "its secret").await,
        }
    }
}

/// The hash takes a second, and is not made on the one thread that serves the clients.
#[tokio::test]
async fn a_hashed_ticket_holds_up_nobody() {
    let ticket = json!({"ticket_hash": "00".repeat(32), "salt": "W22ZaJ0SNY7soEsUEjb6gQ==",
        "iterations": 400_000});
    let auth = json!({"anonymous": {}, "ticket": {"joe": ticket}});
    let router = router(&json!({ "auth": auth }).to_string());
    let mut slow = Client::connect(&router.url().unwrap()).await.unwrap();
    slow.says(HELLO_JOE).await;
    assert_eq!(slow.hears().await[0], 4);
    slow.says(r#"[5,"wrong",{}]"#).await;
    let mut other = Client::join(&router).await;
    other.says(r#"[32,1,{},"com.topic"]"#).await;
    assert_eq!(other.hears().await[0], 33);
    let verdict = tokio::time::timeout(Duration::ZERO, slow.stream.next()).await;
    assert!(verdict.is_err(), "it came first: {verdict:?}");
    slow.hears_abort("wamp.error.authentication_failed", "its secret").await;
}

/// Its listener has not begun to run when it is ended.
#[tokio::test]
async fn a_router_that_is_closed_at_once_is_gone() {
    let router = router("{}");
    router.close();
    let url = router.url().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    assert!(tokio::task::spawn_blocking(move || router.close_within(deadline)).await.unwrap());
    let address = url.trim_start_matches("ws://").trim_end_matches("/ws").to_owned();
    drop(std::net::TcpListener::bind(address).unwrap());
}
