//! Logins under names that nobody has: nothing tells them from those with a wrong secret.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::auth::{ClientAuth, Credentials, PrivateKey, hex};
use crate::codec::Dict;
use crate::router::auth::{Applicant, AuthExchange, Origin, Step, Store};

const DECOY_KEY: &str = "abababababababababababababababababababababababababababababababab";

/// One login: its challenges, and how it ended.
#[derive(Debug, PartialEq)]
struct Transcript {
    challenges: Vec<(String, Map<String, Value>)>,
    reason: &'static str,
    text: String,
}

impl Transcript {
    /// The parts that are the same at each attempt of one user.
    fn lasting(&self) -> Vec<Value> {
        let mut lasting = Vec::new();
        for (method, extra) in &self.challenges {
            let mut extra = extra.clone();
            for fresh in ["nonce", "challenge"] {
                let value = extra.remove(fresh);
                if let Some(text) = value.as_ref().and_then(Value::as_str) {
                    let inner = serde_json::from_str::<Map<String, Value>>(text);
                    extra.insert(
                        fresh.to_owned(),
                        match inner {
                            Ok(inner) => {
                                json!([inner["authrole"], inner["authprovider"], inner.len()])
                            }
                            Err(_) => text.len().into(),
                        },
                    );
                }
            }
            lasting.push(json!([method, extra]));
        }
        lasting.push(json!([self.reason, self.text]));
        lasting
    }

    /// The same without what is of one user only.
    fn shape(&self) -> Vec<Value> {
        let mut shape = self.lasting();
        for part in &mut shape {
            if let Some(salt) = part.pointer_mut("/1/salt") {
                *salt = salt.as_str().unwrap().len().into();
            }
        }
        shape
    }
}

fn store(auth: Value) -> Arc<Store> {
    Arc::new(Store::parse(&auth, None).unwrap())
}

/// Logs in with a wrong secret.
fn fail(store: &Arc<Store>, authid: &str, methods: &[&str]) -> Transcript {
    let credentials = Credentials {
        authid: Some(authid.to_owned()),
        ticket: Some("wrong".into()),
        secret: Some("wrong".into()),
        privkey: Some(PrivateKey::from_seed(&[66; 32])),
        ..Credentials::default()
    };
    let mut client = ClientAuth::new(Arc::new(credentials), None);
    let extra = client.hello_extra(methods, None).unwrap();
    let hello = json!({"authid": authid, "authmethods": methods, "authextra": extra}).to_string();
    let hello = Dict::from_checked(hello.as_bytes());
    let mut step = AuthExchange::start(
        Some(store),
        &Applicant::read(hello, 1, None, Origin::Listener(1)).unwrap(),
    );
    let mut challenges = Vec::new();
    loop {
        match step {
            Step::LetIn(identity) => panic!("{authid} has joined: {identity:?}"),
            Step::Denied(denial) => {
                return Transcript { challenges, reason: denial.reason, text: denial.why };
            }
            Step::Challenged(login) => {
                let (method, extra) = login.question();
                let extra: Map<String, Value> = serde_json::from_str(&extra).unwrap();
                let answer = client.answer(method, &extra).expect("an answer");
                challenges.push((method.to_owned(), extra));
                let extra = Value::Object(answer.extra).to_string();
                let signature = answer.signature.expose().to_owned();
                let extra = Dict::from_checked(extra.as_bytes());
                step = login.answered(&signature, extra, Instant::now()).0;
            }
        }
    }
}

/// A configuration in which everybody has the same method.
fn configurations() -> Vec<(&'static str, Value)> {
    let pubkey = hex(&PrivateKey::from_seed(&[7; 32]).public_key());
    let salted = |salt: &str| json!({"secret": "x", "salt": salt, "iterations": 1000});
    let hashed = json!({"password": "x", "kdf": "argon2id13", "iterations": 2, "memory": 600});
    vec![
        ("ticket", json!({"joe": {"ticket": "x", "role": "admin"}})),
        ("ticket", json!({"joe": {"ticket_hash": pubkey, "salt": "AAECAwQFBgc="}})),
        ("wampcra", json!({"joe": {"secret": "x", "role": "admin"}})),
        ("wampcra", json!({"joe": salted("3q2+7wAB"), "ann": salted("AAECAwQF")})),
        ("wampcra", json!({"joe": salted("the same"), "ann": salted("the same")})),
        ("wamp-scram", json!({"joe": {"password": "x", "iterations": 4097}})),
        ("wamp-scram", json!({"joe": hashed})),
        ("scram", json!({"joe": {"password": "x", "iterations": 4098}})),
        ("scram", json!({"joe": hashed})),
        ("cryptosign", json!({"joe": {"pubkey": pubkey}})),
    ]
}

#[test]
fn an_unknown_name_is_as_a_wrong_secret() {
    for (method, users) in configurations() {
        let store = store(json!({method: users}));
        let known = fail(&store, "joe", &[method]);
        assert_eq!(known.challenges.len(), 1, "{method}");
        assert_eq!(known.reason, "wamp.error.authentication_failed");
        assert!(!known.text.contains("joe"), "{}", known.text);
        for name in ["jim", "nobody", "joe ", "\u{e4}"] {
            let unknown = fail(&store, name, &[method]);
            assert_eq!(unknown.shape(), known.shape(), "{name}");
            assert_eq!(fail(&store, name, &[method]).lasting(), unknown.lasting(), "{name}");
        }
        assert_eq!(fail(&store, "joe", &[method]).lasting(), known.lasting());
    }
}

#[test]
fn salts_differ_by_name_and_key_and_outlast_a_restart() {
    for method in ["scram", "wamp-scram"] {
        let auth = |key: Option<&str>| {
            let mut auth = json!({method: {"joe": {"password": "x"}}});
            if let Some(key) = key {
                auth["decoy_key"] = json!(key);
            }
            auth
        };
        let salt = |store: &Arc<Store>, name: &str| {
            fail(store, name, &[method]).challenges[0].1["salt"].as_str().unwrap().to_owned()
        };
        let (first, again) = (store(auth(Some(DECOY_KEY))), store(auth(Some(DECOY_KEY))));
        let (other, another) = (store(auth(None)), store(auth(None)));
        let mut salts = BTreeSet::new();
        for name in ["joe", "jim", "ann"] {
            assert_eq!(salt(&first, name), salt(&again, name));
            salts.extend([&first, &other, &another].map(|store| salt(store, name)));
        }
        assert_eq!(salts.len(), 9);
    }
    let users = json!({"joe": {"secret": "x", "salt": "3q2+7wAB"}, "decoy": {"secret": "x"}});
    let auth = json!({"wampcra": users, "decoy_key": DECOY_KEY});
    let (first, again) = (store(auth.clone()), store(auth));
    for at in 0..20 {
        let name = format!("stranger {at}");
        assert_eq!(
            fail(&first, &name, &["wampcra"]).lasting(),
            fail(&again, &name, &["wampcra"]).lasting()
        );
    }
}

/// Three in four have a ticket, one in four has a salted secret.
#[test]
fn strangers_have_the_methods_that_users_have() {
    let store = store(json!({
        "ticket": {"a": {"ticket": "x"}, "b": {"ticket": "x"}, "c": {"ticket": "x"}},
        "wampcra": {"d": {"secret": "x", "salt": "s", "iterations": 2000}},
        "decoy_key": DECOY_KEY,
    }));
    let all = ["wampcra", "ticket"];
    assert_eq!(fail(&store, "a", &all).challenges[0].0, "ticket");
    assert_eq!(fail(&store, "d", &all).challenges[0].0, "wampcra");
    let mut mix = BTreeMap::<_, u32>::new();
    for at in 0..400 {
        let name = format!("stranger {at}");
        let transcript = fail(&store, &name, &all);
        assert_eq!(transcript.lasting(), fail(&store, &name, &all).lasting());
        *mix.entry(transcript.challenges[0].0.clone()).or_default() += 1;
    }
    assert!(
        (250..350).contains(&mix["ticket"]) && mix["ticket"] + mix["wampcra"] == 400,
        "{mix:?}"
    );

    // Those who offer what they do not have are asked for it all the same.
    for name in ["a", "stranger"] {
        let transcript = fail(&store, name, &["wampcra"]);
        assert_eq!(transcript.shape(), fail(&store, "d", &["wampcra"]).shape(), "{name}");
    }
}

#[test]
fn strangers_go_through_the_factors() {
    let store = store(json!({
        "ticket": {"joe": {"ticket": "wrong"}, "half": {"ticket": "wrong"}},
        "wampcra": {"joe": {"secret": "x"}},
        "factors": ["wampcra", "ticket"],
    }));
    let methods = ["ticket", "wampcra"];
    let known = fail(&store, "joe", &methods);
    for name in ["half", "stranger"] {
        assert_eq!(fail(&store, name, &methods).shape(), known.shape());
    }
}
