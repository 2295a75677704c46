//! Procedures that decide who may join, and what clients may do.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::runtime::Handle;

use super::sockets::Client;
use crate::auth::{ClientAuth, Credentials, PrivateKey, hex};
use crate::router::Router;

fn router(config: &Value) -> Arc<Router> {
    let router = Router::new(Some(&config.to_string())).unwrap();
    router.listen("ws://127.0.0.1:0/ws", &Handle::current()).unwrap();
    router
}

/// A client that has said HELLO with these entries beside its roles.
async fn applicant(router: &Router, realm: &str, entries: Value) -> Client {
    let mut client = Client::connect(&router.url().unwrap()).await.unwrap();
    let mut details = json!({"roles": {"publisher": {}, "subscriber": {}, "caller": {},
        "callee": {}}});
    details.as_object_mut().unwrap().extend(entries.as_object().unwrap().clone());
    client.says(&json!([1, realm, details]).to_string()).await;
    client
}

/// A client that has registered a procedure.
async fn serving(router: &Router, realm: &str, entries: Value, procedure: &str) -> Client {
    let mut client = applicant(router, realm, entries).await;
    assert_eq!(client.hears().await[0], 2);
    client.says(&json!([64, 1, {}, procedure]).to_string()).await;
    assert_eq!(client.hears().await[0], 65);
    client
}

impl Client {
    /// Answers the next call, and returns its arguments.
    async fn serves(&mut self, answer: Value) -> Value {
        let call = self.hears().await;
        assert_eq!(call[0], 68, "{call}");
        self.says(&json!([70, call[1], {}, [answer]]).to_string()).await;
        call[4].clone()
    }

    /// Refuses the next call.
    async fn throws(&mut self) -> Value {
        let call = self.hears().await;
        let error = json!([8, 68, call[1], {}, "com.app.error.unknown"]);
        self.says(&error.to_string()).await;
        call[4].clone()
    }
}

const DENIED: &str = "wamp.error.not_authorized";
const FAILED: &str = "wamp.error.authorization_failed";

/// Roles of which one is asked about; those who log in otherwise than as nobody may do all.
fn authorized() -> Value {
    let all = json!({"call": true, "register": true, "publish": true, "subscribe": true});
    json!({
        "auth": {
            "anonymous": {"role": "guest"},
            "ticket": {"back": {"ticket": "t", "role": "back"}},
        },
        "roles": {
            "guest": {"authorizer": "com.authorize"},
            "back": [{"uri": "", "match": "prefix", "allow": all}],
        },
        "question_timeout": 1,
    })
}

async fn back(router: &Router, options: Value) -> Client {
    let mut back =
        applicant(router, "realm1", json!({"authid": "back", "authmethods": ["ticket"]})).await;
    back.hears().await;
    back.says(r#"[5,"t",{}]"#).await;
    assert_eq!(back.hears().await[0], 2);
    back.says(&json!([64, 1, options, "com.authorize"]).to_string()).await;
    assert_eq!(back.hears().await[0], 65);
    back
}

#[tokio::test]
async fn an_authorizer_is_told_and_decides() {
    let router = router(&authorized());
    let mut back = back(&router, json!({})).await;
    let mut guest = applicant(&router, "realm1", json!({})).await;
    let welcome = guest.hears().await;
    let frames = [
        (json!([32, 1, {"match": "prefix"}, "com."]), "com.", "subscribe", "prefix"),
        (json!([64, 2, {"x": 1}, "com.p"]), "com.p", "register", "exact"),
        (json!([16, 3, {"acknowledge": true}, "com.t"]), "com.t", "publish", "exact"),
        (json!([48, 4, {}, "wamp.session.count"]), "wamp.session.count", "call", "exact"),
    ];
    for (frame, uri, action, matching) in frames {
        guest.says(&frame.to_string()).await;
        let args = back.serves(json!(true)).await;
        assert_eq!((&args[1], &args[2]), (&json!(uri), &json!(action)));
        let mut options = frame[2].clone();
        options["match"] = json!(matching);
        assert_eq!(args[3], options);
        let session = &args[0];
        assert_eq!(session["session"], welcome[1]);
        assert_eq!(session["authid"], welcome[2]["authid"]);
        let rest = ["authrole", "realm", "authmethod"].map(|key| &session[key]);
        assert_eq!(rest, ["guest", "realm1", "anonymous"]);
        let answer = guest.hears().await;
        assert_ne!(answer[0], 8, "{answer}");
    }
    for (answer, error) in [
        (json!(false), DENIED),
        (json!({"allow": false}), DENIED),
        (json!(1), FAILED),
        (json!({"alow": true}), FAILED),
        (json!({"allow": true, "cache": 1}), FAILED),
        (Value::Null, FAILED),
    ]
    .into_iter()
    .zip(5..)
    .map(|((answer, error), request)| ((answer, request), error))
    {
        let (answer, request) = answer;
        guest.says(&json!([48, request, {}, "com.other"]).to_string()).await;
        back.serves(answer.clone()).await;
        let told = guest.hears().await;
        assert_eq!((&told[2], &told[4]), (&json!(request), &json!(error)), "{answer}");
    }
    // Kept, both what is allowed and what is not.
    for (uri, allow, request) in [("com.none", true, 11), ("com.never", false, 13)] {
        guest.says(&json!([48, request, {}, uri]).to_string()).await;
        back.serves(json!({"allow": allow, "cache": true})).await;
        let first = guest.hears().await;
        guest.says(&json!([48, request + 1, {}, uri]).to_string()).await;
        assert_eq!(guest.hears().await[4], first[4]);
    }
    guest.says(r#"[48,15,{},"com.authorize",["mine"]]"#).await;
    back.serves(json!({"allow": true, "disclose": true})).await;
    let call = back.hears().await;
    assert_eq!((&call[3]["caller"], &call[4][0]), (&welcome[1], &json!("mine")));
}

#[tokio::test]
async fn without_an_authorizer_nothing_is_allowed() {
    let router = router(&authorized());
    let mut guest = applicant(&router, "realm1", json!({})).await;
    guest.hears().await;
    guest.says(r#"[48,1,{},"com.other"]"#).await;
    assert_eq!(guest.hears().await[4], FAILED);
    let mut back = back(&router, json!({})).await;
    guest.says(r#"[48,2,{},"com.other"]"#).await;
    back.throws().await;
    assert_eq!(guest.hears().await[4], FAILED);
    // It is asked, says nothing, and then leaves.
    guest.says(r#"[48,3,{},"com.other"]"#).await;
    let late = back.hears().await;
    assert_eq!(guest.hears().await[4], FAILED);
    back.says(&json!([70, late[1], {}, [true]]).to_string()).await;
    guest.says(r#"[48,4,{},"com.other"]"#).await;
    back.hears().await;
    drop(back);
    assert_eq!(guest.hears().await[4], FAILED);
}

/// A guest that is itself an authorizer would have to answer while it waits for the answer.
#[tokio::test]
async fn an_authorizer_is_not_asked_about_itself() {
    let router = router(&authorized());
    let mut back = back(&router, json!({"invoke": "first"})).await;
    let mut guest = applicant(&router, "realm1", json!({})).await;
    guest.hears().await;
    guest.says(r#"[64,1,{"invoke":"first"},"com.authorize"]"#).await;
    back.serves(json!(true)).await;
    assert_eq!(guest.hears().await[0], 65);
    drop(back);
    guest.says(r#"[48,2,{},"wamp.session.get",[1]]"#).await;
    assert_eq!(guest.hears().await[4], "wamp.error.no_such_session");
    let mut other = applicant(&router, "realm1", json!({})).await;
    other.hears().await;
    other.says(r#"[48,1,{},"wamp.session.count"]"#).await;
    guest.serves(json!(true)).await;
    assert_eq!(other.hears().await[0], 50);
}

const WRONG: &str = "the authid is not known for this method, or its secret is wrong";
const UNKNOWN: &str = "wamp.error.authentication_failed";

fn authenticated() -> Value {
    let method = json!({"authenticator": "com.who", "realm": "back"});
    json!({
        "auth": {
            "anonymous": {"role": "back"},
            "ticket": method,
            "wampcra": method,
            "wamp-scram": method,
            "scram": method,
            "cryptosign": method,
        },
        "question_timeout": 1,
    })
}

const SEED: [u8; 32] = [7; 32];

fn credentials(authid: &str, secret: &str) -> Credentials {
    Credentials {
        authid: Some(authid.to_owned()),
        ticket: Some(secret.into()),
        secret: Some(secret.into()),
        privkey: Some(PrivateKey::from_seed(&SEED)),
        ..Credentials::default()
    }
}

/// A client that logs in.
struct Login {
    client: Client,
    auth: ClientAuth,
}

impl Login {
    async fn begin(router: &Router, authid: &str, secret: &str, method: &str) -> Login {
        let mut auth = ClientAuth::new(Arc::new(credentials(authid, secret)), None);
        let extra = auth.hello_extra(&[method], None).unwrap();
        let hello = json!({"authid": authid, "authmethods": [method], "authextra": extra});
        Login { client: applicant(router, "realm1", hello).await, auth }
    }

    async fn answers(&mut self) {
        let challenge = self.client.hears().await;
        assert_eq!(challenge[0], 4, "{challenge}");
        let extra: Map<String, Value> = challenge[2].as_object().unwrap().clone();
        let answer = self.auth.answer(challenge[1].as_str().unwrap(), &extra).unwrap();
        let answer = json!([5, answer.signature.expose(), answer.extra]);
        self.client.says(&answer.to_string()).await;
    }
}

#[tokio::test]
async fn an_authenticator_says_what_users_are_known_by() {
    let router = router(&authenticated());
    let mut back = serving(&router, "back", json!({}), "com.who").await;
    let pubkey = hex(&PrivateKey::from_seed(&SEED).public_key());
    for (method, principal) in [
        ("wampcra", json!({"secret": "pencil", "role": "admin"})),
        (
            "wampcra",
            json!({"secret": "pencil", "salt": "s", "iterations": 1000, "keylen": 32,
            "role": "admin"}),
        ),
        ("wamp-scram", json!({"password": "pencil", "role": "admin"})),
        ("scram", json!({"password": "pencil", "role": "admin"})),
        ("cryptosign", json!({"pubkey": pubkey, "role": "admin", "extra": {"a": 1}})),
    ] {
        let mut login = Login::begin(&router, "joe", "pencil", method).await;
        let args = back.serves(principal.clone()).await;
        assert_eq!((&args[0], &args[1]), (&json!("realm1"), &json!("joe")));
        assert_eq!(args[2]["authmethod"], method);
        assert_eq!(args[2]["transport"]["peer"], "127.0.0.1");
        assert_eq!(args[2].get("ticket"), None);
        login.answers().await;
        let welcome = login.client.hears().await;
        let told = ["authid", "authrole", "authmethod"].map(|key| &welcome[2][key]);
        assert_eq!(told, ["joe", "admin", method], "{welcome}");

        // A wrong secret and an unknown user cannot be told apart.
        if method == "cryptosign" {
            continue;
        }
        for is_known in [true, false] {
            let mut login = Login::begin(&router, "ann", "wrong", method).await;
            match is_known {
                true => back.serves(principal.clone()).await,
                false => back.throws().await,
            };
            login.answers().await;
            login.client.hears_abort(UNKNOWN, WRONG).await;
        }
    }
}

#[tokio::test]
async fn an_authenticator_judges_tickets_and_nobodies() {
    let mut config = authenticated();
    let router_of_tickets = router(&config);
    let mut back = serving(&router_of_tickets, "back", json!({}), "com.who").await;
    for (answer, role) in [
        (json!("boss"), "boss"),
        (json!({"role": "boss", "authid": "joseph", "realm": "realm2", "extra": {"a": 1}}), "boss"),
    ] {
        let mut login = Login::begin(&router_of_tickets, "joe", "t", "ticket").await;
        login.answers().await;
        let args = back.serves(answer.clone()).await;
        assert_eq!((&args[1], &args[2]["ticket"]), (&json!("joe"), &json!("t")));
        let welcome = login.client.hears().await;
        assert_eq!(welcome[2]["authrole"], role);
        assert_eq!(welcome[2]["authmethod"], "ticket");
        if answer.is_object() {
            assert_eq!(welcome[2]["authid"], "joseph");
            assert_eq!(welcome[2]["realm"], "realm2");
            assert_eq!(welcome[2]["authextra"], json!({"a": 1}));
        }
    }
    let mut login = Login::begin(&router_of_tickets, "joe", "t", "ticket").await;
    login.answers().await;
    back.throws().await;
    login.client.hears_abort(UNKNOWN, WRONG).await;
    for silent in [false, true] {
        let mut login = Login::begin(&router_of_tickets, "joe", "t", "ticket").await;
        login.answers().await;
        match silent {
            true => drop(back.hears().await),
            false => drop(back.serves(json!(1)).await),
        }
        login.client.hears_abort(UNKNOWN, "has failed, or has not answered").await;
    }

    config["auth"]["anonymous"] = json!({"authenticator": "com.who", "realm": "back"});
    config["auth"]["ticket"] = json!({"joe": {"ticket": "t"}});
    let router = router(&config);
    let mut login = Login::begin(&router, "joe", "t", "ticket").await;
    login.answers().await;
    assert_eq!(login.client.hears().await[0], 2);
    let nobody = applicant(&router, "realm1", json!({})).await;
    nobody.hears_abort(UNKNOWN, "has failed, or has not answered").await;
}

/// A large message is read elsewhere, and waits for its ruling like any other.
#[tokio::test]
async fn an_authorizer_decides_on_large_messages() {
    let router = router(&authorized());
    let mut back = back(&router, json!({})).await;
    back.says(&json!([32, 2, {}, "com.a"]).to_string()).await;
    assert_eq!(back.hears().await[0], 33);
    let mut guest = applicant(&router, "realm1", json!({})).await;
    assert_eq!(guest.hears().await[0], 2);
    let filler = "x".repeat(2 << 20);
    for (request, is_allowed) in [(1, true), (2, false), (3, true)] {
        let publish = json!([16, request, {"acknowledge": true}, "com.a", [filler]]);
        guest.says(&publish.to_string()).await;
        back.serves(json!(is_allowed)).await;
        if is_allowed {
            assert_eq!(back.hears().await[0], 36);
            assert_eq!(guest.hears().await[0], 17);
        } else {
            assert_eq!(guest.hears().await[4], DENIED);
        }
    }
}
