//! Authentication: challenges and their answers, on both sides, and the texts of keys.
//!
//! The first byte tells what the rest is, and the second whether there is a TLS channel to bind to
//! (1) and whether the router must prove itself (2). Nobody who does not know a secret gets in, and
//! no secret gets out.

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use wamp::auth::scram::{Kdf, Profile};
use wamp::auth::scram_router::{self, Stored};
use wamp::auth::{ClientAuth, Credentials, PrivateKey, cra, cryptosign, hex, key_file, unhex};
use wamp::transport::TlsOptions;
use wamp::transport::tls::{Acceptor, ClientCa};

const SECRET: &str = "swordfish";
const NONCE: &str = "b3Vycw==";
const CHANNEL: [u8; 32] = [9; 32];
const CHALLENGE: [u8; 32] = [7; 32];

/// See the module's text.
pub fn run(data: &[u8]) {
    let [what, how, rest @ ..] = data else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    match what {
        b'c' => answer("wampcra", *how, text),
        b's' => answer("scram", *how, text),
        b'w' => answer("wamp-scram", *how, text),
        b'k' => answer("cryptosign", *how, text),
        b't' => answer("ticket", *how, text),
        b'o' => answer("other", *how, text),
        b'C' => cra_router(text),
        b'S' => scram_router(*how, text),
        b'K' => cryptosign_router(*how, text),
        b'h' => digits(text),
        b'f' => key(text),
        b'p' => pem(text),
        _ => {}
    }
}

/// What is on a line of its own, as JSON.
fn objects(text: &str) -> impl Iterator<Item = Map<String, Value>> {
    text.split('\n').map_while(|line| serde_json::from_str(line).ok())
}

fn client() -> PrivateKey {
    PrivateKey::from_seed(&[1; 32])
}

fn router() -> PrivateKey {
    PrivateKey::from_seed(&[2; 32])
}

fn channel(how: u8) -> Option<[u8; 32]> {
    (how & 1 == 1).then_some(CHANNEL)
}

/// A CHALLENGE's Extra, and the authextra of the WELCOME.
fn answer(method: &'static str, how: u8, text: &str) {
    let mut objects = objects(text);
    let Some(extra) = objects.next().filter(is_cheap) else {
        return;
    };
    let credentials = Credentials {
        authid: Some("me".to_owned()),
        ticket: Some(SECRET.into()),
        secret: Some(SECRET.into()),
        privkey: Some(client()),
        router_key: (how & 2 == 2).then(|| router().public_key()),
        channel_binding: how & 5 == 5,
        scram_raw: how & 8 == 8,
    };
    let mut login = ClientAuth::new(Arc::new(credentials), channel(how));
    let mut ours = Map::from_iter([("nonce".to_owned(), Value::from(NONCE))]);
    ours.insert("challenge".to_owned(), hex(&CHALLENGE).into());
    let hello = login.hello_extra(&[method], Some(&ours)).expect("what HELLO says");
    assert!(!Value::Object(hello).to_string().contains(SECRET));
    let answer = login.answer(method, &extra);
    let authextra = objects.next();
    let welcome = login.welcome(authextra.as_ref());
    for error in [answer.as_ref().err(), welcome.as_ref().err()].into_iter().flatten() {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(SECRET), "{shown}");
    }
    let must_prove = how & 2 == 2 || method.ends_with("scram");
    let Ok(answer) = answer else {
        assert!(!must_prove || welcome.is_err(), "{method}: a router that has not proved itself");
        return;
    };
    assert!(!format!("{answer:?}").contains(SECRET));
    assert_eq!(answer.signature.expose() == SECRET, method == "ticket");
    if method.ends_with("scram") {
        assert!(login.welcome(None).is_err());
        assert!(extra["nonce"].as_str().is_some_and(|nonce| nonce.starts_with(NONCE)));
    }
    if method == "cryptosign" {
        let challenge = extra["challenge"].as_str().and_then(unhex).expect("a challenge");
        let bound = channel(how).filter(|_| how & 5 == 5);
        let signature = answer.signature.expose();
        assert!(cryptosign::verify(&client().public_key(), &challenge, bound.as_ref(), signature));
    }
}

/// No input may hash for long. What costs too much for the library itself is not hashed at all.
fn is_cheap(extra: &Map<String, Value>) -> bool {
    const PBKDF2: f64 = 4096.0;
    const KIB: f64 = 1024.0;
    let number = |name| extra.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let (iterations, memory) = (number("iterations"), number("memory"));
    match extra.get("kdf").and_then(Value::as_str) {
        _ if iterations > f64::from(cra::MOST_ITERATIONS) => true,
        Some(kdf) if kdf.starts_with("argon2") => {
            memory > f64::from(wamp::auth::scram::MOST_MEMORY) || iterations * memory <= KIB
        }
        _ => iterations * (number("keylen") / 32.0).ceil().max(1.0) <= PBKDF2,
    }
}

/// A router's challenge for this authid, and what a client without the secret answers.
fn cra_router(text: &str) {
    let (authid, signature) = text.split_once('\n').unwrap_or((text, ""));
    let candidate = cra::Candidate {
        session: 7,
        authid,
        authrole: authid,
        authprovider: "static",
        timestamp: "2024-01-01T00:00:00.000Z",
    };
    let challenger = cra::Challenger::new(SECRET.into(), None, candidate).expect("random bytes");
    let extra = challenger.extra();
    let challenge = extra["challenge"].as_str().expect("a text");
    let parts: Map<String, Value> = serde_json::from_str(challenge).expect("JSON");
    assert_eq!((&parts["authid"], &parts["authrole"]), (&authid.into(), &authid.into()));
    assert!(challenger.verify(signature).is_err());
    let good = cra::sign(SECRET.as_bytes(), challenge.as_bytes());
    challenger.verify(&good).expect("the right signature");
}

/// The authextra of a HELLO, and the Extra of an AUTHENTICATE: with the `signature`, and the nonce
/// that is awaited for `*`.
fn scram_router(how: u8, text: &str) {
    static STORED: OnceLock<Stored> = OnceLock::new();
    let stored = STORED.get_or_init(|| {
        let kdf = Kdf::new("pbkdf2", 4096, None).expect("a cost");
        Stored::new(Profile::Wamp, kdf, SECRET, vec![1; 16]).expect("keys")
    });
    let mut objects = objects(text);
    let Some(hello) = objects.next() else {
        return;
    };
    for profile in [Profile::Wamp, Profile::Crossbar] {
        let challenger =
            scram_router::Challenger::new(profile, stored.clone(), "me", &hello, channel(how));
        let Ok(challenger) = challenger else {
            continue;
        };
        let asked = challenger.extra();
        let ours = hello["nonce"].as_str().expect("a nonce");
        let theirs = asked["nonce"].as_str().expect("a nonce");
        assert!(theirs.starts_with(ours) && theirs.len() >= ours.len() + 24);
        let mut extra = objects.next().unwrap_or_default();
        if extra.get("nonce") == Some(&"*".into()) {
            extra.insert("nonce".to_owned(), theirs.into());
        }
        let signature = extra.get("signature").and_then(Value::as_str).unwrap_or_default();
        assert!(challenger.verify(signature, &extra).is_err());
    }
}

/// The authextra of a HELLO, and a signature without the key to it.
fn cryptosign_router(how: u8, text: &str) {
    let (hello, signature) = text.split_once('\n').unwrap_or((text, ""));
    let Some(hello) = objects(hello).next() else {
        return;
    };
    let key = router();
    let challenger = cryptosign::Challenger::new(&hello, channel(how), Some(&key));
    let Ok(challenger) = challenger else {
        return;
    };
    assert_eq!(hello["pubkey"].as_str().and_then(unhex), Some(*challenger.public_key()));
    assert!(challenger.verify(signature).is_err());
    let extra = challenger.extra();
    let bound = channel(how).filter(|_| extra["channel_binding"].is_string());
    if let Some(signature) = extra.get("signature") {
        let challenge = hello["challenge"].as_str().and_then(unhex).expect("a challenge");
        let signature = signature.as_str().expect("a text");
        assert!(cryptosign::verify(&key.public_key(), &challenge, bound.as_ref(), signature));
    }
}

/// Hexadecimal digits, and a signature of them.
fn digits(text: &str) {
    if let Some(bytes) = unhex::<32>(text) {
        assert_eq!(hex(&bytes), text.to_ascii_lowercase());
        let key = PrivateKey::from_seed(&bytes);
        let signature = key.sign(&CHALLENGE, Some(&bytes));
        let verify =
            |channel_id| cryptosign::verify(&key.public_key(), &CHALLENGE, channel_id, &signature);
        assert!(verify(Some(&bytes)));
        assert_eq!(verify(None), bytes == [0; 32]);
        // Any bytes as a public key.
        assert!(!cryptosign::verify(&bytes, &CHALLENGE, Some(&bytes), &signature));
    }
    if cryptosign::verify(&client().public_key(), &CHALLENGE, None, text) {
        assert_eq!(text.to_ascii_lowercase(), client().sign(&CHALLENGE, None));
    }
}

/// The text of a key for cryptosign; paths of files are none of the fuzzer's business.
fn key(text: &str) {
    if !text.trim().contains('\n') && !text.starts_with("-----BEGIN") {
        return;
    }
    match key_file::load(text) {
        Ok(key) => {
            let signature = key.sign(&CHALLENGE, None);
            assert!(cryptosign::verify(&key.public_key(), &CHALLENGE, None, &signature));
        }
        Err(error) => shows_no_line(&error.to_string(), text),
    }
}

/// A certificate, its key and an authority, with NULs between them.
fn pem(text: &str) {
    if text.split('\0').any(|part| !part.contains("-----BEGIN ")) {
        return;
    }
    let mut parts = text.split('\0');
    let cert = parts.next().unwrap_or_default();
    let (key, ca) = (parts.next().unwrap_or(cert), parts.next());
    if let Err(error) = Acceptor::new(cert, key, ca.map(ClientCa::from)) {
        shows_no_line(&error, text);
    }
    let mut options = Map::new();
    options.insert("ca".to_owned(), cert.into());
    if let Some(ca) = ca {
        options.insert("cert".to_owned(), ca.into());
        options.insert("key".to_owned(), key.into());
    }
    match TlsOptions::parse(&options) {
        Ok(options) => shows_no_line(&format!("{options:?}"), text),
        Err(error) => shows_no_line(&error, text),
    }
}

/// No line of a key appears in a text for people, which has no words of that length.
fn shows_no_line(shown: &str, secret: &str) {
    let shows = |line: &str| line.len() >= 40 && !line.contains(' ') && shown.contains(line);
    assert!(!secret.lines().any(shows), "{shown}");
}
