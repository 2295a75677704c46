//! Clients that are known by their certificates.

use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::sockets::Client;
use super::transports::dial;
use super::wire::{asks, hears, says};
use crate::auth::hex;
use crate::router::Router;
use crate::transport::Transport;
use crate::transport::tls::testing::{Authority, Pair, Time};

const WRONG: &str = "the authid is not known for this method, or its secret is wrong";

fn fingerprint(pair: &Pair) -> String {
    let der = CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap();
    hex(&Sha256::digest(&der))
}

/// An authority, and the router's TLS that asks for certificates of it.
struct House {
    ca: Authority,
    tls: Value,
}

impl House {
    fn new(client_cert: &str) -> House {
        let ca = Authority::new("ours");
        let pair = ca.sign(&["127.0.0.1"], Time::Now);
        let tls = json!({"cert": pair.cert, "key": pair.key, "client_ca": ca.pem(),
            "client_cert": client_cert});
        House { ca, tls }
    }

    fn router(&self, auth: &Value) -> Arc<Router> {
        let router = Router::new(Some(&self.config(auth))).unwrap();
        router.listen("rss://127.0.0.1:0", &Handle::current()).unwrap();
        router
    }

    fn config(&self, auth: &Value) -> String {
        json!({"tls": self.tls, "auth": auth}).to_string()
    }

    /// A client with this certificate, or without one.
    async fn client(&self, router: &Router, pair: Option<&Pair>) -> Box<dyn Transport> {
        let tls = match pair {
            Some(pair) => json!({"ca": self.ca.pem(), "cert": pair.cert, "key": pair.key}),
            None => json!({"ca": self.ca.pem()}),
        };
        dial(&router.url().unwrap(), tls).await.unwrap()
    }
}

fn hello(authid: Option<&str>, authmethods: &[&str]) -> String {
    let mut details = json!({"authmethods": authmethods, "roles": {"caller": {}}});
    if let Some(authid) = authid {
        details["authid"] = json!(authid);
    }
    json!([1, "realm1", details]).to_string()
}

/// Authid and role of somebody who is let in, or the reason and text of an ABORT.
fn outcome(message: &Value) -> [&str; 2] {
    let texts = match message[0].as_u64() {
        Some(2) => [&message[2]["authid"], &message[2]["authrole"]],
        Some(3) => [&message[2], &message[1]["message"]],
        _ => panic!("{message}"),
    };
    texts.map(|text| text.as_str().unwrap())
}

#[tokio::test]
async fn a_certificate_says_who_it_is() {
    let house = House::new("optional");
    let [print, name, stranger] =
        [&["print"], &["name.example.com"], &["x"]].map(|names| house.ca.sign(names, Time::Now));
    let router = house.router(&json!({
        "tls": {
            "print": {"fingerprint": fingerprint(&print), "role": "admin"},
            "name": {"subject_alt_name": "DNS:name.example.com"},
            "subject": {"common_name": "rcgen self signed cert", "role": "guest"},
        },
        "ticket": {"joe": {"ticket": "secret"}},
        "failure_delay": {"first": 0, "most": 0},
    }));
    let failed = ["wamp.error.authentication_failed", WRONG];
    let bare = ["wamp.error.no_matching_auth_method", "for tls show a client certificate"];
    for (pair, authid, wanted) in [
        (Some(&print), None, ["print", "admin"]),
        (Some(&print), Some("print"), ["print", "admin"]),
        // It has the mark of that one, too.
        (Some(&print), Some("subject"), ["subject", "guest"]),
        (Some(&print), Some("name"), failed),
        (Some(&print), Some("joe"), failed),
        (Some(&print), Some("nobody"), failed),
        (Some(&name), None, ["name", "user"]),
        (Some(&stranger), None, ["subject", "guest"]),
        (Some(&stranger), Some("print"), failed),
        (None, None, bare),
        (None, Some("print"), bare),
    ] {
        let mut client = house.client(&router, pair).await;
        let answer = asks(&mut *client, &hello(authid, &["tls"])).await;
        assert_eq!(outcome(&answer), wanted, "{authid:?}");
    }
    // Whoever has no certificate, or is known by a ticket, goes by that.
    for pair in [None, Some(&print)] {
        let mut client = house.client(&router, pair).await;
        let hello = hello(Some("joe"), &["tls", "ticket"]);
        assert_eq!(asks(&mut *client, &hello).await[1], "ticket");
        let answer = asks(&mut *client, r#"[5,"secret",{}]"#).await;
        assert_eq!(outcome(&answer), ["joe", "user"]);
    }
}

/// A certificate can be one of two proofs.
#[tokio::test]
async fn a_certificate_and_a_ticket() {
    let house = House::new("required");
    let [joe, eve] = [&["joe"], &["eve"]].map(|names| house.ca.sign(names, Time::Now));
    let router = house.router(&json!({
        "tls": {"joe": {"fingerprint": [fingerprint(&joe)]}},
        "ticket": {"joe": {"ticket": "secret", "role": "other"}},
        "factors": ["tls", "ticket"],
        "failure_delay": {"first": 0, "most": 0},
    }));
    let hello = hello(Some("joe"), &["ticket", "tls"]);
    for (pair, ticket, wanted) in
        [(&joe, "secret", Some("user")), (&joe, "wrong", None), (&eve, "secret", None)]
    {
        let mut client = house.client(&router, Some(pair)).await;
        let mut answer = asks(&mut *client, &hello).await;
        if answer[0] == 4 {
            answer = asks(&mut *client, &json!([5, ticket, {}]).to_string()).await;
        }
        match wanted {
            Some(role) => assert_eq!(outcome(&answer), ["joe", role]),
            None => assert_eq!(outcome(&answer)[1], WRONG),
        }
    }
}

/// Whoever is known by that certificate no more is closed, and nobody else.
#[tokio::test]
async fn a_mapping_that_is_removed_ends_its_sessions() {
    let house = House::new("required");
    let [old, new] = [&["old"], &["new"]].map(|names| house.ca.sign(names, Time::Now));
    let auth = |prints: &[&Pair]| {
        let prints: Vec<_> = prints.iter().map(|pair| fingerprint(pair)).collect();
        json!({"tls": {"joe": {"fingerprint": prints}}})
    };
    let router = house.router(&auth(&[&old, &new]));
    let mut clients = Vec::new();
    for pair in [&old, &new] {
        let mut client = house.client(&router, Some(pair)).await;
        let answer = asks(&mut *client, &hello(None, &["tls"])).await;
        assert_eq!(outcome(&answer), ["joe", "user"]);
        clients.push(client);
    }
    router.reload(Some(&house.config(&auth(&[&new])))).unwrap();
    assert_eq!(hears(&mut *clients[0]).await[2], "wamp.close.killed");
    says(&mut *clients[1], r#"[48,1,{},"wamp.session.count"]"#).await;
    assert_eq!(hears(&mut *clients[1]).await[0], 50);
    let mut late = house.client(&router, Some(&old)).await;
    assert_eq!(outcome(&asks(&mut *late, &hello(None, &["tls"])).await)[1], WRONG);
}

/// A procedure can know them, as it can know tickets.
#[tokio::test]
async fn an_authenticator_judges_certificates() {
    let house = House::new("required");
    let pair = house.ca.sign(&["joe"], Time::Now);
    let mut config: Value = serde_json::from_str(&house.config(&json!({
        "tls": {"authenticator": "com.app.who", "realm": "back"},
    })))
    .unwrap();
    config["listeners"] = json!([
        {"url": "ws://127.0.0.1:0/back", "auth": {"anonymous": {}}},
        {"url": "rss://127.0.0.1:0"},
    ]);
    let router = Router::new(Some(&config.to_string())).unwrap();
    let urls = router.listen_all(&Handle::current()).unwrap();
    let mut back = Client::connect(&urls[0]).await.unwrap();
    back.says(r#"[1,"back",{"roles":{"callee":{}}}]"#).await;
    assert_eq!(back.hears().await[0], 2);
    back.says(r#"[64,1,{},"com.app.who"]"#).await;
    assert_eq!(back.hears().await[0], 65);
    let tls = json!({"ca": house.ca.pem(), "cert": pair.cert, "key": pair.key});
    let mut client = dial(&urls[1], tls).await.unwrap();
    says(&mut *client, &hello(None, &["tls"])).await;
    let call = back.hears().await;
    let asked = &call[4][2];
    assert_eq!(asked["authmethod"], "tls");
    assert!(asked["transport"]["client_cert"].as_str().unwrap().contains("BEGIN CERTIFICATE"));
    let answer = json!([70, call[1], {}, [{"authid": "joe", "role": "admin"}]]);
    back.says(&answer.to_string()).await;
    let welcome = hears(&mut *client).await;
    assert_eq!(outcome(&welcome), ["joe", "admin"]);
    assert_eq!(welcome[2]["authmethod"], "tls");
}
