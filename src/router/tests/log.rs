//! The lines of the log, over sockets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::HELLO;
use super::wire::{self, asks, hears, join, router, says};
use crate::log::{self, Level, Sink};
use crate::os::lock;
use crate::transport::testing::soon;
use crate::transport::{ConnectOptions, connect};

/// All lines of this process, of which other tests write some.
struct Lines(Mutex<Vec<Value>>);

impl Sink for Lines {
    fn line(&self, _level: Level, text: &str) {
        lock(&self.0).extend(serde_json::from_str::<Value>(text));
    }
}

impl Lines {
    /// Waits for a line that has all of these fields.
    async fn wait(&self, wanted: &Value) {
        let has_all = |line: &Value| {
            let mut fields = wanted.as_object().unwrap().iter();
            fields.all(|(name, value)| line[name] == *value)
        };
        let wait = async {
            while !lock(&self.0).iter().any(has_all) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(60), wait).await.is_ok(), "{wanted}");
    }
}

#[tokio::test]
async fn an_operator_learns_who_comes_and_goes_and_is_refused() {
    let lines = Arc::new(Lines(Mutex::default()));
    drop(log::set(Level::Debug as u8, Some(lines.clone())));
    let config = json!({
        "log_format": "json",
        "auth": {
            "ticket": {"logged-joe": {"ticket": "right", "role": "logged-role"}},
            "failure_delay": {"first": 0, "most": 0},
        },
        "roles": {"logged-role": [{"uri": "a.", "match": "prefix", "allow": {"subscribe": true}}]},
    });
    let (router, url) = router(&config, "rs://127.0.0.1:0");
    lines.wait(&json!({"event": "listening", "url": url, "level": "info"})).await;
    let hello = r#"[1,"logged-realm",{"authid":"logged-joe","authmethods":["ticket"],
                    "roles":{"publisher":{},"subscriber":{}}}]"#;
    let log_in = async |ticket: &str| {
        let options = ConnectOptions::plain(&url);
        let mut client = soon(connect(&options)).await.unwrap();
        assert_eq!(asks(&mut *client, hello).await[0], 4);
        let answer = asks(&mut *client, &format!(r#"[5,"{ticket}",{{}}]"#)).await;
        (client, answer)
    };
    let (_client, answer) = log_in("wrong").await;
    assert_eq!(answer[0], 3);
    let reason = answer[2].clone();
    let refused = json!({"event": "not let in", "claimed": "logged-joe", "reason": reason});
    lines.wait(&refused).await;
    let (mut client, answer) = log_in("right").await;
    let session = answer[1].clone();
    lines.wait(&json!({"event": "connected", "session": session, "level": "debug"})).await;
    let joined = json!({"event": "joined", "session": session, "realm": "logged-realm",
        "authid": "logged-joe", "authrole": "logged-role", "authmethod": "ticket"});
    lines.wait(&joined).await;
    // What is refused, also where the client does not hear of it.
    let error = "wamp.error.not_authorized";
    says(&mut *client, r#"[16,1,{},"logged.unheard"]"#).await;
    lines.wait(&json!({"event": "request refused", "session": session, "error": error})).await;
    assert_eq!(asks(&mut *client, r#"[32,2,{},"b.logged"]"#).await[4], error);
    router.reload(Some(&config.to_string())).unwrap();
    lines.wait(&json!({"event": "reloaded", "level": "info"})).await;
    assert_eq!(router.kick(session.as_u64(), Some("com.logged.reason")), 1);
    assert_eq!(hears(&mut *client).await[0], 6);
    let left = json!({"event": "left", "session": session, "reason": "com.logged.reason"});
    lines.wait(&left).await;
    router.close();
    lines.wait(&json!({"event": "closing"})).await;
    let (_full, url) =
        wire::router(&json!({"log_format": "json", "max_connections": 1}), "rs://127.0.0.1:0");
    let _only = join(&url).await;
    assert!(soon(connect(&ConnectOptions::plain(&url))).await.is_err());
    let why = "this router has no room for another connection (max_connections)";
    lines.wait(&json!({"event": "connection refused", "message": why})).await;
    let config = json!({"log_format": "json", "max_handshakes": 4, "hello_timeout": 2});
    let (_few, url) = wire::router(&config, "rs://127.0.0.1:0");
    let address = url.trim_start_matches("rs://");
    let mut garbled = TcpStream::connect(address).await.unwrap();
    garbled.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let why = "it does not speak RawSocket, or wants a serializer that there is not";
    let failed = |why: &str| json!({"event": "handshake failed", "address": "127.0.0.1", "level": "info", "message": why});
    lines.wait(&failed(why)).await;
    drop(TcpStream::connect(address).await.unwrap());
    lines.wait(&failed("it closed the connection before the handshake was over")).await;
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let why = "there are too many that have not joined yet (max_handshakes)";
    let dropped = json!({"event": "handshake dropped", "address": "127.0.0.1", "message": why});
    lines.wait(&dropped).await;
    lines.wait(&failed("it has taken too long (hello_timeout)")).await;
    let guests = json!({"log_format": "json", "listeners": [
        {"url": "rs://127.0.0.1:0", "roles": ["guest"], "auth": {"anonymous": {"role": "admin"}}},
    ]});
    let (_guests, url) = wire::router(&guests, "rs://127.0.0.1:0");
    let mut client = soon(connect(&ConnectOptions::plain(&url))).await.unwrap();
    assert_eq!(asks(&mut *client, HELLO).await[0], 3);
    let cause = "its listener allows no clients with the role \"admin\"";
    lines.wait(&json!({"event": "not let in", "cause": cause})).await;
    drop(log::set(0, None));
}
