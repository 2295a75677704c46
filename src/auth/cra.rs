//! WAMP-CRA: a challenge signed by HMAC with a shared secret, or with a key derived from it.
//!
//! The specification leaves two points open, which all implementations decide alike: the salt is
//! taken as it is written, not decoded from base64; and the key is the base64 *text* of what PBKDF2
//! gives.

use hmac::Mac;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::derive::{self, Stop, pbkdf2};
use super::fields::{Fields, base64, hex};
use super::secret::{random, same};
use super::{AuthError, Secret};

/// The method's name.
pub const METHOD: &str = "wampcra";
/// The number of iterations of a salted challenge that names none.
pub const ITERATIONS: u32 = 1000;
/// The length of the key of a salted challenge that names none.
pub const KEY_BYTES: u32 = 32;
/// The longest key that is derived: longer ones cost time and protect nothing.
pub const MOST_KEY_BYTES: u32 = 256;
/// The fewest iterations that a client makes of a salted challenge: those of all implementations
/// unless they are told otherwise. Fewer would help a false router to guess the secret.
pub const LEAST_ITERATIONS: u32 = ITERATIONS;
/// The most iterations that are made for one login: seconds of work.
pub const MOST_ITERATIONS: u32 = 10_000_000;

/// The key that a salted secret stands for.
pub fn derive_key(
    secret: &[u8],
    salt: &[u8],
    iterations: u64,
    bytes: u64,
    stop: &Stop,
) -> Result<Secret, AuthError> {
    let fields = |field, problem| AuthError::Malformed { method: METHOD, field, problem };
    if iterations == 0 {
        return Err(fields("iterations", "must be at least 1"));
    }
    if bytes == 0 || bytes > u64::from(MOST_KEY_BYTES) {
        return Err(fields("keylen", "must be from 1 to 256"));
    }
    let most = u64::from(MOST_ITERATIONS) / bytes.div_ceil(32);
    let iterations = u32::try_from(iterations)
        .ok()
        .filter(|&count| u64::from(count) <= most)
        .ok_or(AuthError::TooCostly { what: "iterations", given: iterations, most })?;
    let mut key = Zeroizing::new(vec![0; bytes as usize]);
    pbkdf2(secret, salt, iterations, &mut key, stop)?;
    Ok(Secret::new(base64(&*key)))
}

/// The signature of a challenge: base64 of its HMAC.
pub fn sign(key: &[u8], challenge: &[u8]) -> String {
    base64(hmac(key, challenge))
}

/// HMAC-SHA256.
pub(super) fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = derive::keyed(key);
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// The answer to the Extra of a CHALLENGE.
pub(super) fn answer(
    secret: &Secret,
    extra: &Map<String, Value>,
    stop: &Stop,
) -> Result<Secret, AuthError> {
    let fields = Fields::new(METHOD, extra);
    let challenge = fields.text("challenge")?.as_bytes();
    let secret = secret.expose().as_bytes();
    let Some(salt) = fields.optional_text("salt")? else {
        return Ok(sign(secret, challenge).into());
    };
    let iterations = fields.optional_number("iterations")?.unwrap_or(u64::from(ITERATIONS));
    let least = u64::from(LEAST_ITERATIONS);
    if iterations < least {
        return Err(AuthError::TooCheap { what: "iterations", given: iterations, least });
    }
    let bytes = fields.optional_number("keylen")?.unwrap_or(u64::from(KEY_BYTES));
    let key = derive_key(secret, salt.as_bytes(), iterations, bytes, stop)?;
    Ok(sign(key.expose().as_bytes(), challenge).into())
}

/// The form in which a router keeps a derived key instead of the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salt {
    /// The salt, as it is written.
    pub salt: String,
    /// Rounds of PBKDF2.
    pub iterations: u32,
    /// Bytes of the derived key.
    pub keylen: u32,
}

/// The client that a router challenges; becomes part of the text that is signed.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The id of the session to be.
    pub session: u64,
    /// The name that the client claims.
    pub authid: &'a str,
    /// The role that it would get.
    pub authrole: &'a str,
    /// The keeper of the secrets, such as `static`.
    pub authprovider: &'a str,
    /// The time, in ISO 8601. There is no clock in here.
    pub timestamp: &'a str,
}

/// The router's side of one login.
#[derive(Debug)]
pub struct Challenger {
    key: Secret,
    challenge: String,
    salt: Option<Salt>,
}

impl Challenger {
    /// A new challenge. `key` is the secret or, with a salt, what [`derive_key`] made of it.
    pub fn new(
        key: Secret,
        salt: Option<Salt>,
        candidate: Candidate<'_>,
    ) -> Result<Challenger, AuthError> {
        let challenge = json!({
            "authid": candidate.authid,
            "authrole": candidate.authrole,
            "authmethod": METHOD,
            "authprovider": candidate.authprovider,
            "session": candidate.session,
            "nonce": hex(&random::<16>()?),
            "timestamp": candidate.timestamp,
        });
        Ok(Challenger { key, challenge: challenge.to_string(), salt })
    }

    /// The Extra of the CHALLENGE.
    pub fn extra(&self) -> Map<String, Value> {
        let mut extra = Map::new();
        extra.insert("challenge".to_owned(), self.challenge.clone().into());
        if let Some(salt) = &self.salt {
            extra.insert("salt".to_owned(), salt.salt.clone().into());
            extra.insert("iterations".to_owned(), salt.iterations.into());
            extra.insert("keylen".to_owned(), salt.keylen.into());
        }
        extra
    }

    /// Judges the signature of the AUTHENTICATE.
    pub fn verify(&self, signature: &str) -> Result<(), AuthError> {
        let wanted = sign(self.key.expose().as_bytes(), self.challenge.as_bytes());
        match same(wanted.as_bytes(), signature.as_bytes()) {
            true => Ok(()),
            false => Err(AuthError::ClientNotAuthentic("its signature is wrong")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = r#"{"authid": "cra1", "authrole": "user", "authmethod": "wampcra", "authprovider": "static", "session": 3215120031456, "nonce": "n1", "timestamp": "2024-01-01T00:00:00.000Z"}"#;

    fn answered(secret: &str, extra: Value) -> Result<String, AuthError> {
        let answer = answer(&secret.into(), extra.as_object().unwrap(), &Stop::default());
        answer.map(|signature| signature.expose().to_owned())
    }

    /// The values are those of autobahn.wamp.auth.
    #[test]
    fn keys_and_signatures_are_those_of_autobahn() {
        let key = |secret: &str, salt: &str, iterations, bytes| {
            let key =
                derive_key(secret.as_bytes(), salt.as_bytes(), iterations, bytes, &Stop::default())
                    .unwrap();
            key.expose().to_owned()
        };
        assert_eq!(key("secret", "salt123", 100, 16), "EX1Y3Q9BMM2oGLxsGqDgFQ==");
        let long = key("secret", "salt123", 1000, 32);
        assert_eq!(long, "MDS8Yxpu4J/vkHJ8dNEgqECYsI0uRDh2oZ5eN0vYPvo=");
        assert_eq!(key("pässwörd", "sälz", 1000, 20), "huILEu3UvxJKz9ice7QNb0Xs3l0=");

        let plain = answered("secret", json!({"challenge": CHALLENGE})).unwrap();
        assert_eq!(plain, "QWYC1U3kb/0cT7rlGe4sHNLwolSxZz3UylMQNMpFCog=");
        let salted =
            json!({"challenge": CHALLENGE, "salt": "salt123", "iterations": 1000, "keylen": 32});
        let signature = sign(long.as_bytes(), CHALLENGE.as_bytes());
        assert_eq!(answered("secret", salted).unwrap(), signature);
        assert_eq!(
            sign(b"EX1Y3Q9BMM2oGLxsGqDgFQ==", CHALLENGE.as_bytes()),
            "ZlEzhp9X//WeUbLzzl/TAIN+4BtFAhffyP9CGeKzqpo="
        );
        assert_eq!(sign(b"secret", b""), "+eZuF5tnR65UEI+C+K3os8Jddv0wr95sOVgixTAZYWk=");
    }

    #[test]
    fn iterations_and_length_have_defaults() {
        let key = derive_key(b"secret", b"salt123", 1000, 32, &Stop::default()).unwrap();
        assert_eq!(
            answered("secret", json!({"challenge": "x", "salt": "salt123", "keylen": null})),
            Ok(sign(key.expose().as_bytes(), b"x"))
        );
    }

    #[test]
    fn malformed_challenges_are_told() {
        for (extra, word) in [
            (json!({}), "`challenge` is missing"),
            (json!({"challenge": {"nonce": 1}}), "`challenge` must be a string"),
            (json!({"challenge": "x", "salt": 7}), "`salt` must be a string"),
            (json!({"challenge": "x", "salt": "s", "iterations": "7"}), "`iterations` must"),
            (json!({"challenge": "x", "salt": "s", "iterations": -7}), "`iterations` must"),
            (json!({"challenge": "x", "salt": "s", "iterations": 0}), "at least 1000"),
            (
                json!({"challenge": "x", "salt": "s", "iterations": 999}),
                "iterations is 999 and must be at least 1000: store it on the router with a higher",
            ),
            (json!({"challenge": "x", "salt": "s", "iterations": 10000001}), "at most 10000000"),
            (json!({"challenge": "x", "salt": "s", "iterations": 1u64 << 40}), "at most"),
            (json!({"challenge": "x", "salt": "s", "keylen": 0}), "`keylen` must be from 1"),
            (json!({"challenge": "x", "salt": "s", "keylen": 257}), "`keylen` must be from 1"),
            (
                json!({"challenge": "x", "salt": "s", "keylen": 256, "iterations": 2000000}),
                "at most 1250000",
            ),
        ] {
            let error = answered("swordfish", extra.clone()).unwrap_err().to_string();
            assert!(error.contains(word), "{extra}: {error}");
            assert!(!error.contains("swordfish"));
        }
    }

    #[test]
    fn the_routers_side_accepts_the_right_secret_only() {
        let candidate = Candidate {
            session: 7,
            authid: "a\"b",
            authrole: "user",
            authprovider: "static",
            timestamp: "2024-01-01T00:00:00.000Z",
        };
        let salt = Salt { salt: "s".to_owned(), iterations: 1000, keylen: 16 };
        let salted = derive_key(b"secret", b"s", 1000, 16, &Stop::default()).unwrap();
        for (key, salt) in [("secret".into(), None), (salted, Some(salt))] {
            let challenger = Challenger::new(key, salt, candidate).unwrap();
            let extra = Value::Object(challenger.extra());
            challenger.verify(&answered("secret", extra.clone()).unwrap()).unwrap();
            assert!(challenger.verify(&answered("Secret", extra.clone()).unwrap()).is_err());
            assert!(challenger.verify("").is_err());
            let text: Value = serde_json::from_str(extra["challenge"].as_str().unwrap()).unwrap();
            assert_eq!(text["authid"], "a\"b");
            assert!(!format!("{challenger:?}").contains("secret"));
        }
        let nonces =
            [(); 2].map(|()| Challenger::new("s".into(), None, candidate).unwrap().extra());
        assert_ne!(nonces[0], nonces[1]);
    }
}
