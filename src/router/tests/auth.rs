//! Logins: each method, with the library's own client side as the other party; and what
//! roles may do.

use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use serde_json::{Map, Value, json};

use super::client::{Client, error, realms_with};
use crate::auth::scram::{Kdf, Profile, salted_password};
use crate::auth::scram_router::Stored;
use crate::auth::{ClientAuth, Credentials, PrivateKey, Stop, cra, hex};
use crate::codec::Dict;
use crate::router::auth::{Applicant, AuthExchange, Denial, Origin, Step};
use crate::router::config::Config;
use crate::router::identity::Identity;

const SEED: [u8; 32] = [7; 32];
const ROUTER_SEED: [u8; 32] = [9; 32];

fn config() -> Value {
    let pubkey = hex(&PrivateKey::from_seed(&SEED).public_key());
    json!({
        "ticket": {"joe": {"ticket": "t-secret", "role": "admin"}},
        "wampcra": {
            "joe": {"secret": "c-secret"},
            "salty": {"secret": "c-secret", "salt": "s", "iterations": 1000, "keylen": 16},
        },
        "wamp-scram": {"joe": {"password": "s-secret"}},
        "scram": {"joe": {"password": "s-secret", "kdf": "argon2id13", "iterations": 1, "memory": 512}},
        "cryptosign": {"joe": {"authorized_keys": [pubkey], "role": "owner"}},
        "router_key": hex(&ROUTER_SEED),
    })
}

fn credentials(secret: &str) -> Credentials {
    Credentials {
        authid: Some("joe".to_owned()),
        ticket: Some(secret.into()),
        secret: Some(secret.into()),
        privkey: Some(PrivateKey::from_seed(&SEED)),
        ..Credentials::default()
    }
}

/// Logs in with `methods`, and tells what became of it and how many challenges there were.
fn log_in(
    auth: &Value,
    credentials: Credentials,
    methods: &[&str],
) -> (Result<Identity, Denial>, u32) {
    let config = Config::parse(Some(&json!({"auth": auth}).to_string())).unwrap();
    let authid = credentials.authid.clone();
    let mut client = ClientAuth::new(Arc::new(credentials), None);
    let extra = client.hello_extra(methods, None).unwrap();
    let mut hello = json!({"roles": {}, "authmethods": methods, "authextra": extra});
    if let Some(authid) = authid {
        hello["authid"] = json!(authid);
    }
    let hello = hello.to_string();
    let hello = Dict::from_checked(hello.as_bytes());
    let mut step = AuthExchange::start(
        config.auth.as_ref(),
        &Applicant::read(hello, 1, None, Origin::Listener(1)).unwrap(),
    );
    let mut rounds = 0;
    loop {
        match step {
            Step::LetIn(identity) => {
                let told = identity.authextra.as_ref().and_then(Value::as_object);
                client.welcome(told).expect("the router has proved itself where it must");
                return (Ok(*identity), rounds);
            }
            Step::Denied(denial) => return (Err(denial), rounds),
            Step::Challenged(login) => {
                rounds += 1;
                let (method, extra) = login.question();
                let extra: Map<String, Value> = serde_json::from_str(&extra).unwrap();
                let answer = client.answer(method, &extra).expect("an answer");
                let extra = Value::Object(answer.extra).to_string();
                let signature = answer.signature.expose().to_owned();
                let extra = Dict::from_checked(extra.as_bytes());
                step = login.answered(&signature, extra, Instant::now()).0;
            }
        }
    }
}

#[test]
fn each_method_lets_in_those_who_know_the_secret_and_nobody_else() {
    for (method, secret, role) in [
        ("ticket", "t-secret", "admin"),
        ("wampcra", "c-secret", "user"),
        ("wamp-scram", "s-secret", "user"),
        ("scram", "s-secret", "user"),
    ] {
        let (identity, rounds) = log_in(&config(), credentials(secret), &[method]);
        let identity = identity.unwrap_or_else(|denial| panic!("{method}: {denial:?}"));
        let is = (&*identity.authid, &*identity.authrole, &*identity.authmethod, rounds);
        assert_eq!(is, ("joe", role, method, 1));

        let (denied, _) = log_in(&config(), credentials("wrong"), &[method]);
        assert_eq!(denied.unwrap_err().reason, "wamp.error.authentication_failed", "{method}");
        let stranger = Credentials { authid: Some("ann".to_owned()), ..credentials(secret) };
        let (denied, _) = log_in(&config(), stranger, &[method]);
        assert_eq!(denied.unwrap_err().reason, "wamp.error.authentication_failed", "{method}");
        let nobody = Credentials { authid: Some(String::new()), ..credentials(secret) };
        let (denied, rounds) = log_in(&config(), nobody, &[method]);
        assert_eq!((denied.unwrap_err().reason, rounds), ("wamp.error.no_such_principal", 0));
    }
    let salty = Credentials { authid: Some("salty".to_owned()), ..credentials("c-secret") };
    assert!(log_in(&config(), salty, &["wampcra"]).0.is_ok());
}

/// Entry of the secret "pencil", as `wamp_auth_...` and RFC 5802 make it.
fn hashed() -> Value {
    let salt = "W22ZaJ0SNY7soEsUEjb6gQ==";
    let salt_bytes = base64::engine::general_purpose::STANDARD.decode(salt).unwrap();
    let stop = Stop::default();
    let argon2 = Kdf::new("argon2id13", 1, Some(512)).unwrap();
    let ticket = salted_password(Profile::Wamp, argon2, "pencil", &salt_bytes, &stop).unwrap();
    let derived = cra::derive_key(b"pencil", b"s", 1001, 20, &stop).unwrap();
    let pbkdf2 = Kdf::new("pbkdf2", 4096, None).unwrap();
    let stored = Stored::new(Profile::Wamp, pbkdf2, "pencil", salt_bytes).unwrap();
    let verifier = json!({
        "stored_key": hex(&stored.stored_key),
        "server_key": hex(&*stored.server_key),
        "salt": salt,
    });
    json!({
        "ticket": {"joe": {"ticket_hash": hex(&ticket), "salt": salt, "kdf": "argon2id13",
            "iterations": 1, "memory": 512}},
        "wampcra": {"joe": {"derived_key": derived.expose(), "salt": "s", "iterations": 1001,
            "keylen": 20}},
        "wamp-scram": {"joe": verifier},
        "scram": {"joe": verifier},
    })
}

#[test]
fn hashes_of_secrets_do_as_well() {
    for method in ["ticket", "wampcra", "wamp-scram", "scram"] {
        let (identity, rounds) = log_in(&hashed(), credentials("pencil"), &[method]);
        let identity = identity.unwrap_or_else(|denial| panic!("{method}: {denial:?}"));
        assert_eq!((&*identity.authid, &*identity.authmethod, rounds), ("joe", method, 1));
        let (denied, _) = log_in(&hashed(), credentials("wrong"), &[method]);
        assert_eq!(denied.unwrap_err().reason, "wamp.error.authentication_failed", "{method}");
    }
    let shown = format!("{:?}", Config::parse(Some(&json!({"auth": hashed()}).to_string())));
    for entries in hashed().as_object().unwrap().values() {
        for key in ["ticket_hash", "derived_key", "stored_key", "server_key"] {
            let secret = entries["joe"].get(key).and_then(Value::as_str);
            assert!(secret.is_none_or(|secret| !shown.contains(secret)), "{key}");
        }
    }
}

#[test]
fn users_come_from_a_file() {
    let file = std::env::temp_dir().join(format!("libwamp-users-{}", std::process::id()));
    let path = file.to_str().unwrap();
    let auth = json!({"wampcra": {"file": path}});
    let parse = |text: &str| {
        std::fs::write(&file, text).unwrap();
        Config::parse(Some(&json!({"auth": auth}).to_string())).map_err(|error| error.to_string())
    };
    parse(r#"{"joe": {"secret": "c-secret"}}"#).unwrap();
    assert!(log_in(&auth, credentials("c-secret"), &["wampcra"]).0.is_ok());
    for (text, told) in [
        ("{\n\"joe\": {\"secret\": pencil}}", "is not JSON: a syntax error in line 2, column"),
        ("{\n\"joe\": {", "it ends too early in line 2"),
        ("[\"pencil\"]", "must be an object of authids"),
        (
            r#"{"joe": {"secrte": "pencil"}}"#,
            "\"joe\".\"secrte\": unknown; did you mean \"secret\"?",
        ),
        (r#"{"joe": "pencil"}"#, "\"joe\": must be an object"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(told) && error.contains(path), "{error}");
        assert!(!error.contains("pencil"), "{error}");
    }
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn a_key_lets_in_its_owner() {
    let router_key = Some(PrivateKey::from_seed(&ROUTER_SEED).public_key());
    for authid in [None, Some("joe".to_owned())] {
        let credentials = Credentials { authid, router_key, ..credentials("") };
        let (identity, _) = log_in(&config(), credentials, &["cryptosign"]);
        let identity = identity.unwrap();
        assert_eq!((&*identity.authid, &*identity.authrole), ("joe", "owner"));
    }
    let other_key = PrivateKey::from_seed(&[8; 32]);
    let stranger = Credentials { privkey: Some(other_key), ..credentials("") };
    let (denied, _) = log_in(&config(), stranger, &["cryptosign"]);
    assert_eq!(denied.unwrap_err().reason, "wamp.error.authentication_failed");
    let somebody_else = Credentials { authid: Some("ann".to_owned()), ..credentials("") };
    let (denied, _) = log_in(&config(), somebody_else, &["cryptosign"]);
    assert_eq!(denied.unwrap_err().reason, "wamp.error.authentication_failed");
}

#[test]
fn the_first_configured_method_of_the_client_counts() {
    let (identity, _) =
        log_in(&config(), credentials("t-secret"), &["cookie", "anonymous", "ticket", "wampcra"]);
    assert_eq!(identity.unwrap().authmethod, "ticket");
    let reason = "wamp.error.no_matching_auth_method";
    for offered in [&["cookie"][..], &["anonymous"], &[]] {
        let (denied, rounds) = log_in(&config(), credentials("t-secret"), offered);
        assert_eq!((denied.unwrap_err().reason, rounds), (reason, 0), "{offered:?}");
    }
}

#[test]
fn the_unknown_come_in_where_they_may() {
    let mut auth = config();
    auth["anonymous"] = json!({"role": "guest"});
    for methods in [&["anonymous"][..], &["anonymous", "ticket"]] {
        let (identity, rounds) = log_in(&auth, credentials("wrong"), methods);
        assert_eq!((&*identity.unwrap().authrole, rounds), ("guest", 0));
    }
    let (identity, _) = log_in(&json!({}), Credentials::default(), &["anonymous"]);
    assert_eq!(identity.unwrap().authrole, "anonymous");
}

#[test]
fn all_factors_have_to_be_passed() {
    let auth = json!({
        "wampcra": {"joe": {"secret": "same", "role": "owner"}},
        "ticket": {"joe": {"ticket": "same", "role": "user"}},
        "factors": ["wampcra", "ticket"],
    });
    let (identity, rounds) = log_in(&auth, credentials("same"), &["ticket", "wampcra"]);
    let identity = identity.unwrap();
    assert_eq!((&*identity.authrole, &*identity.authmethod, rounds), ("owner", "wampcra", 2));
    let half = Credentials { ticket: Some("other".into()), ..credentials("same") };
    let (denied, rounds) = log_in(&auth, half, &["ticket", "wampcra"]);
    assert_eq!((denied.unwrap_err().reason, rounds), ("wamp.error.authentication_failed", 2));
    let (denied, _) = log_in(&auth, credentials("same"), &["wampcra"]);
    assert_eq!(denied.unwrap_err().reason, "wamp.error.no_matching_auth_method");
}

const ROLES: &str = r#"{"roles": {"user": [
    {"uri": "com.", "match": "prefix", "allow": {"call": true, "subscribe": true}},
    {"uri": "com.mine", "allow": {"register": true, "publish": true}},
    {"uri": "wamp.session.count", "allow": {"call": true}}
]}}"#;

#[test]
fn a_role_may_do_what_is_allowed_and_nothing_else() {
    let realms = realms_with(ROLES);
    let mut user = Client::named(&realms, 1, "joe", "user");
    let mut stranger = Client::named(&realms, 2, "ann", "other");
    let acknowledged = r#"{"acknowledge":true}"#;
    let denied = "wamp.error.not_authorized";
    for (at, (frame, answer)) in [
        (r#"[48,#,{},"com.none"]"#.to_owned(), "wamp.error.no_such_procedure"),
        (r#"[48,#,{},"com.mine"]"#.to_owned(), denied),
        (r#"[48,#,{},"org.none"]"#.to_owned(), denied),
        (r#"[48,#,{},"wamp.session.count"]"#.to_owned(), ""),
        (r#"[48,#,{},"wamp.session.list"]"#.to_owned(), denied),
        (r#"[64,#,{},"com.mine"]"#.to_owned(), ""),
        (r#"[64,#,{},"com.other"]"#.to_owned(), denied),
        (r#"[32,#,{"match":"prefix"},"com.x"]"#.to_owned(), ""),
        (r#"[32,#,{"match":"prefix"},""]"#.to_owned(), denied),
        (format!(r#"[16,#,{acknowledged},"com.mine"]"#), ""),
        (format!(r#"[16,#,{acknowledged},"com.other"]"#), denied),
    ]
    .into_iter()
    .enumerate()
    {
        let frame = frame.replace('#', &(at + 1).to_string());
        user.says(&frame);
        if answer.is_empty() {
            assert_ne!(user.hears_one()[0], 8, "{frame}");
        } else {
            assert_eq!(error(&user).2, answer, "{frame}");
        }
        stranger.says(&frame);
        assert_eq!(error(&stranger).2, denied, "{frame}");
    }
    user.says(r#"[16,12,{},"com.other"]"#);
    user.hears_nothing();
}
