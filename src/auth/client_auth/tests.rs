//! Logins against answers that routers give, and should not give.

use proptest::prelude::*;
use serde_json::json;

use crate::auth::PrivateKey;
use crate::auth::scram::Kdf;
use crate::auth::scram_router::{self, Stored};

use super::*;

const ALL: [&str; 5] = ["ticket", "wampcra", "scram", "wamp-scram", "cryptosign"];
const CHANNEL: [u8; 32] = [9; 32];

fn credentials() -> Credentials {
    Credentials {
        authid: Some("joe".to_owned()),
        ticket: Some("ticket-secret".into()),
        secret: Some("the-secret".into()),
        privkey: Some(PrivateKey::from_seed(&[0x5a; 32])),
        ..Credentials::default()
    }
}

fn login(credentials: Credentials, channel_id: Option<[u8; 32]>) -> ClientAuth {
    ClientAuth::new(Arc::new(credentials), channel_id)
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn offering(credentials: Credentials, methods: &[&str]) -> ClientAuth {
    let mut login = login(credentials, None);
    login.hello_extra(methods, None).unwrap();
    login
}

#[test]
fn hello_has_what_the_methods_need() {
    let extra = |credentials, methods: &[&str]| {
        login(credentials, Some(CHANNEL)).hello_extra(methods, None).unwrap()
    };
    assert!(extra(credentials(), &["ticket", "wampcra", "anonymous"]).is_empty());
    for method in ["scram", "wamp-scram"] {
        let extra = extra(credentials(), &[method]);
        assert_eq!(extra.keys().collect::<Vec<_>>(), ["nonce"]);
        assert_eq!(extra["nonce"].as_str().map(str::len), Some(32));
    }
    let public_key = hex(&PrivateKey::from_seed(&[0x5a; 32]).public_key());
    assert_eq!(Value::Object(extra(credentials(), &["cryptosign"])), json!({"pubkey": public_key}));
    let strict = Credentials { router_key: Some([1; 32]), channel_binding: true, ..credentials() };
    let extra = extra(strict, &["cryptosign"]);
    assert_eq!(extra.keys().collect::<Vec<_>>(), ["pubkey", "challenge", "channel_binding"]);
    assert_eq!(extra["challenge"].as_str().map(str::len), Some(64));
    assert_eq!(extra["channel_binding"], "tls-exporter");
}

#[test]
fn only_an_anonymous_login_expects_nothing() {
    let expects_nothing =
        |credentials, methods: &[&str]| offering(credentials, methods).expects_nothing();
    assert!(expects_nothing(Credentials::default(), &[]));
    for method in ALL {
        assert!(!expects_nothing(credentials(), &[method]), "{method}");
    }
    let signed = Credentials { router_key: Some([1; 32]), ..Credentials::default() };
    assert!(!expects_nothing(signed, &[]));
}

#[test]
fn no_two_logins_are_alike() {
    let extra = || {
        let credentials = Credentials { router_key: Some([1; 32]), ..credentials() };
        login(credentials, None).hello_extra(&ALL, None).unwrap()
    };
    let (one, other) = (extra(), extra());
    assert_ne!(one["nonce"], other["nonce"]);
    assert_ne!(one["challenge"], other["challenge"]);
}

#[test]
fn the_applications_keys_win_and_are_used() {
    let strict = Credentials { router_key: Some([1; 32]), ..credentials() };
    let mut login = login(strict, None);
    let own = object(json!({"nonce": "b3Vycw==", "challenge": "ab".repeat(32), "x": [1]}));
    let extra = login.hello_extra(&ALL, Some(&own)).unwrap();
    assert_eq!(extra["nonce"], "b3Vycw==");
    assert_eq!(extra["x"], json!([1]));
    assert_eq!(login.nonce, "b3Vycw==");
    assert_eq!(login.challenge, Some([0xab; 32]));
    for wrong in [
        json!({"nonce": 7}),
        json!({"nonce": "a,b"}),
        json!({"challenge": "ab"}),
        json!({"pubkey": "ab".repeat(32)}),
        json!({"channel_binding": true}),
    ] {
        assert!(login.hello_extra(&ALL, Some(&object(wrong.clone()))).is_err(), "{wrong}");
    }
}

#[test]
fn only_what_was_offered_is_answered() {
    let mut login = offering(credentials(), &["wampcra", "cookie"]);
    let error = login.answer("ticket", &Map::new()).unwrap_err();
    assert_eq!(error, AuthError::NotOffered("ticket".to_owned()));
    let error = login.answer("cookie", &Map::new()).unwrap_err();
    assert_eq!(error, AuthError::UnknownMethod("cookie".to_owned()));
    let long = "x\n".repeat(1000);
    assert!(login.answer(&long, &Map::new()).unwrap_err().to_string().len() < 300);
    login.answer("wampcra", &object(json!({"challenge": "x"}))).unwrap();
}

#[test]
fn what_is_missing_is_named() {
    for (method, option) in [
        ("ticket", "`ticket`"),
        ("wampcra", "`secret`"),
        ("scram", "`secret`"),
        ("wamp-scram", "`secret`"),
        ("cryptosign", "`privkey`"),
    ] {
        let mut login = offering(Credentials::default(), &[method]);
        let error = login.answer(method, &Map::new()).unwrap_err().to_string();
        assert!(error.contains(option) && error.contains("on_challenge"), "{error}");
    }
    let nameless = Credentials { authid: None, ..credentials() };
    let error = offering(nameless, &["scram"]).answer("scram", &Map::new()).unwrap_err();
    assert!(error.to_string().contains("`authid`"), "{error}");
}

#[test]
fn tickets_are_handed_over() {
    let answer = offering(credentials(), &["ticket"]).answer("ticket", &Map::new()).unwrap();
    assert_eq!(answer.signature.expose(), "ticket-secret");
    assert!(answer.extra.is_empty());
    assert!(!format!("{answer:?}").contains("ticket-secret"));
}

/// A router that has what `profile` stores, and the client that joins it.
fn scram_round(
    profile: Profile,
    credentials: Credentials,
) -> (ClientAuth, Result<Map<String, Value>, AuthError>) {
    let kdf = Kdf::new("argon2id13", 1, Some(512)).unwrap();
    let stored = Stored::new(profile, kdf, "the-secret", vec![3; 16]).unwrap();
    let channel = credentials.channel_binding.then_some(CHANNEL);
    let mut login = login(credentials, channel);
    let hello = login.hello_extra(&[profile.method()], None).unwrap();
    let router = scram_router::Challenger::new(profile, stored, "joe", &hello, channel).unwrap();
    let answer = login.answer(profile.method(), &router.extra()).unwrap();
    let welcome = router.verify(answer.signature.expose(), &answer.extra);
    (login, welcome)
}

#[test]
fn scram_goes_both_ways_in_every_dialect() {
    let raw = Credentials { scram_raw: true, ..credentials() };
    let bound = Credentials { channel_binding: true, ..credentials() };
    for (profile, credentials) in [
        (Profile::Wamp, credentials()),
        (Profile::Wamp, bound),
        (Profile::Crossbar, credentials()),
        (Profile::CrossbarRaw, raw.clone()),
    ] {
        let (login, welcome) = scram_round(profile, credentials);
        let welcome = welcome.unwrap();
        login.welcome(Some(&welcome)).unwrap();
        assert!(login.welcome(None).is_err());
        assert!(login.welcome(Some(&Map::new())).is_err());
    }
    let (_, welcome) = scram_round(Profile::Crossbar, raw);
    assert!(welcome.is_err(), "the two forms of argon2 do not fit each other");
}

#[test]
fn a_router_that_skips_scram_is_not_believed() {
    for (methods, is_good) in [
        (&["scram"][..], false),
        (&["scram", "wamp-scram"], false),
        (&["scram", "cookie"], true),
        (&["ticket"], true),
        (&[], true),
    ] {
        assert_eq!(offering(credentials(), methods).welcome(None).is_ok(), is_good);
    }
}

/// A router with a key, and the client that joins it.
fn signed_round(
    router_key: Option<&PrivateKey>,
    credentials: Credentials,
) -> Result<(), AuthError> {
    let mut login = login(credentials, Some(CHANNEL));
    let hello = login.hello_extra(&["cryptosign"], None).unwrap();
    let router = cryptosign::Challenger::new(&hello, Some(CHANNEL), router_key).unwrap();
    let answer = login.answer("cryptosign", &router.extra())?;
    router.verify(answer.signature.expose()).unwrap();
    login.welcome(None)
}

#[test]
fn a_router_key_must_have_signed() {
    let (right, wrong) = (PrivateKey::from_seed(&[1; 32]), PrivateKey::from_seed(&[2; 32]));
    for channel_binding in [false, true] {
        let router_key = Some(right.public_key());
        let strict = Credentials { router_key, channel_binding, ..credentials() };
        signed_round(Some(&right), strict.clone()).unwrap();
        for router in [Some(&wrong), None] {
            let error = signed_round(router, strict.clone()).unwrap_err();
            assert!(matches!(error, AuthError::RouterNotAuthentic(_)), "{error}");
        }
        let easy = Credentials { channel_binding, ..credentials() };
        signed_round(None, easy).unwrap();
    }
    // Neither another method nor none at all is a way around it.
    let strict = Credentials { router_key: Some(right.public_key()), ..credentials() };
    let mut login = offering(strict, &ALL);
    for method in ["ticket", "wampcra", "scram", "wamp-scram"] {
        let error = login.answer(method, &object(json!({"challenge": "x"}))).unwrap_err();
        assert!(matches!(error, AuthError::RouterNotAuthentic(_)), "{error}");
    }
    assert!(login.welcome(None).is_err());
}

#[test]
fn a_login_that_must_be_bound_is_bound_or_fails() {
    let bound = || Credentials { channel_binding: true, ..credentials() };
    assert!(login(bound(), None).hello_extra(&ALL, None).is_err());
    let mut login = login(bound(), Some(CHANNEL));
    login.hello_extra(&ALL, None).unwrap();
    for method in ["ticket", "wampcra", "scram"] {
        let error = login.answer(method, &object(json!({"challenge": "x"}))).unwrap_err();
        assert!(matches!(error, AuthError::ChannelBinding { .. }), "{error}");
    }
    assert!(matches!(login.welcome(None), Err(AuthError::ChannelBinding { .. })));
    let unbound = object(json!({"challenge": "00".repeat(32), "channel_binding": null}));
    let error = login.answer("cryptosign", &unbound).unwrap_err();
    assert!(matches!(error, AuthError::ChannelBinding { .. }), "{error}");
}

#[test]
fn a_login_can_go_to_another_thread_and_shows_nothing() {
    fn is_send<T: Send + 'static>(value: T) -> T {
        value
    }
    let login = is_send(offering(credentials(), &ALL));
    let shown = format!("{login:?}");
    assert!(!shown.contains("secret") && !shown.contains(&login.nonce), "{shown}");
}

/// Anything that a router could write where a member of a challenge is expected.
fn member() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0u64..600).prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        "[0-9a-f]{64}".prop_map(Value::from),
        "[A-Za-z0-9+/]{8}".prop_map(Value::from),
        Just(json!([1])),
        Just(json!({"a": 1})),
        Just(json!("pbkdf2")),
        Just(json!("argon2id-13")),
    ]
}

proptest! {
    #[test]
    fn no_challenge_panics_or_betrays(
        method in prop::sample::select(ALL.to_vec()),
        members in prop::collection::vec(member(), 7),
        extends in any::<bool>(),
    ) {
        let names =
            ["challenge", "salt", "keylen", "nonce", "kdf", "memory", "channel_binding"];
        let mut extra: Map<String, Value> =
            names.into_iter().map(str::to_owned).zip(members.iter().cloned()).collect();
        // Costs are limited, but the limits are seconds: no property needs so long.
        extra.insert("iterations".to_owned(), json!(1));
        let mut login = offering(credentials(), &ALL);
        if extends {
            extra.insert("nonce".to_owned(), format!("{}more", login.nonce).into());
        }
        match login.answer(method, &extra) {
            Ok(answer) => {
                let text = format!("{answer:?}");
                prop_assert!(!text.contains("secret"));
            }
            Err(error) => {
                let text = format!("{error} {error:?}");
                prop_assert!(!text.contains("the-secret") && !text.contains("ticket-secret"));
            }
        }
    }
}
