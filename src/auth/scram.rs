//! SCRAM: both sides prove that they know a password, or what was made of it, without sending it.
//!
//! Two dialects are spoken, told apart by the method's name ([`Profile`]). Here are the sums that
//! both sides do, and the client's answer; the router's side is in [`super::scram_router`], and
//! `kdf` hashes passwords, with `argon2` where that is wanted.

#[cfg(feature = "argon2")]
mod argon2;
#[cfg(not(feature = "argon2"))]
#[path = "scram/argon2/left_out.rs"]
mod argon2;
mod kdf;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use stringprep::saslprep;
use zeroize::Zeroizing;

use super::cra::hmac;
use super::cryptosign::CHANNEL_BINDING;
use super::derive::Stop;
use super::fields::{Fields, base64};
use super::secret::same;
use super::{AuthError, Secret};

pub use kdf::{
    Kdf, LEAST_MEMORY, LEAST_PBKDF2_ITERATIONS, MOST_MEMORY, MOST_MEMORY_PASSES,
    MOST_PBKDF2_ITERATIONS,
};

/// A dialect of SCRAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Method `wamp-scram`: the specification.
    Wamp,
    /// Method `scram`: Crossbar.io and Autobahn, with what argon2 gives as base64 text.
    Crossbar,
    /// Method `scram` with what argon2 gives as it is: Crossbar.io with stored keys that were made
    /// by the specification.
    CrossbarRaw,
}

impl Profile {
    /// The name of the method.
    pub fn method(self) -> &'static str {
        match self {
            Profile::Wamp => "wamp-scram",
            Profile::Crossbar | Profile::CrossbarRaw => "scram",
        }
    }

    /// The form of a password that is hashed: SASLprep has been applied where the dialect wants it.
    fn prepared(self, password: &str) -> Result<Zeroizing<String>, AuthError> {
        match self {
            Profile::Wamp => prepared(password, "secret").map(Zeroizing::new),
            Profile::Crossbar | Profile::CrossbarRaw => Ok(Zeroizing::new(password.to_owned())),
        }
    }
}

/// True if a method is a dialect of SCRAM.
pub(super) fn is_method(name: &str) -> bool {
    [Profile::Wamp, Profile::Crossbar].iter().any(|profile| profile.method() == name)
}

/// Only the name of the field is told: the crate's own error would quote the password.
fn prepared(text: &str, field: &'static str) -> Result<String, AuthError> {
    saslprep(text).map(|text| text.into_owned()).map_err(|_| AuthError::BadText(field))
}

/// The SaltedPassword, with which all else is keyed. May take seconds.
pub fn salted_password(
    profile: Profile,
    kdf: Kdf,
    password: &str,
    salt: &[u8],
    stop: &Stop,
) -> Result<Zeroizing<Vec<u8>>, AuthError> {
    let password = profile.prepared(password)?;
    let hash = kdf.hash(password.as_bytes(), salt, stop)?;
    match (kdf, profile) {
        (Kdf::Argon2id { .. }, Profile::Crossbar) => {
            Ok(Zeroizing::new(STANDARD_NO_PAD.encode(&*hash).into_bytes()))
        }
        _ => Ok(hash),
    }
}

/// The ClientKey, whose hash is all that a router stores of it.
pub(super) fn client_key(salted_password: &[u8]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(hmac(salted_password, b"Client Key"))
}

/// The StoredKey.
pub(super) fn stored_key(client_key: &[u8; 32]) -> [u8; 32] {
    Sha256::digest(client_key).into()
}

/// The ServerKey.
pub(super) fn server_key(salted_password: &[u8]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(hmac(salted_password, b"Server Key"))
}

/// The ClientProof, by which a router knows the client.
pub fn client_proof(salted_password: &[u8], auth_message: &[u8]) -> [u8; 32] {
    let key = client_key(salted_password);
    let signature = hmac(&stored_key(&key), auth_message);
    std::array::from_fn(|at| key[at] ^ signature[at])
}

/// The ServerSignature, by which the client knows the router.
pub fn server_signature(salted_password: &[u8], auth_message: &[u8]) -> [u8; 32] {
    hmac(&*server_key(salted_password), auth_message)
}

/// The messages that both sides have exchanged, which their proofs are about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange<'a> {
    pub(super) profile: Profile,
    pub(super) authid: &'a str,
    pub(super) client_nonce: &'a str,
    pub(super) nonce: &'a str,
    pub(super) salt: &'a str,
    pub(super) iterations: u32,
    /// The id of the TLS channel, where the login is bound to it.
    pub(super) channel_id: Option<&'a [u8; 32]>,
}

impl Exchange<'_> {
    /// The AuthMessage.
    pub(super) fn message(&self) -> Result<String, AuthError> {
        let authid = prepared(self.authid, "authid")?;
        let (name, binding) = match self.profile {
            Profile::Wamp => (authid.replace('=', "=3D").replace(',', "=2C"), self.binding()),
            Profile::Crossbar | Profile::CrossbarRaw => (authid, String::new()),
        };
        let Exchange { client_nonce, nonce, salt, iterations, .. } = self;
        Ok(format!(
            "n={name},r={client_nonce},r={nonce},s={salt},i={iterations},c={binding},r={nonce}"
        ))
    }

    fn binding(&self) -> String {
        let Some(channel_id) = self.channel_id else {
            return base64("n,,");
        };
        let mut input = format!("p={CHANNEL_BINDING},,").into_bytes();
        input.extend_from_slice(channel_id);
        base64(input)
    }
}

/// True if a text can be a nonce: printable, and without the comma that would end it.
pub(super) fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// The client's answer, and what it expects of the router then.
pub(super) struct Answered {
    pub(super) proof: Secret,
    pub(super) extra: Map<String, Value>,
    pub(super) server_signature: [u8; 32],
}

/// The answer to the Extra of a CHALLENGE. May take seconds.
pub(super) fn answer(
    profile: Profile,
    authid: &str,
    password: &Secret,
    client_nonce: &str,
    channel_id: Option<&[u8; 32]>,
    extra: &Map<String, Value>,
    stop: &Stop,
) -> Result<Answered, AuthError> {
    let fields = Fields::new(profile.method(), extra);
    let nonce = fields.text("nonce")?;
    if !is_nonce(nonce) {
        return Err(fields.wrong("nonce", "must be printable ASCII without commas"));
    }
    if !nonce.starts_with(client_nonce) || nonce.len() == client_nonce.len() {
        return Err(AuthError::Nonce);
    }
    let salt = fields.base64("salt")?;
    if salt.is_empty() {
        return Err(fields.wrong("salt", "is empty"));
    }
    let kdf = Kdf::new(
        fields.text("kdf")?,
        fields.number("iterations")?,
        fields.optional_number("memory")?,
    )?;
    let exchange = Exchange {
        profile,
        authid,
        client_nonce,
        nonce,
        salt: fields.text("salt")?,
        iterations: kdf.iterations(),
        channel_id,
    };
    let message = exchange.message()?;
    let salted = salted_password(profile, kdf, password.expose(), &salt, stop)?;
    let extra = match profile {
        Profile::Wamp => json!({
            "nonce": nonce,
            "channel_binding": channel_id.map(|_| CHANNEL_BINDING),
            "cbind_data": channel_id.map(base64),
        }),
        Profile::Crossbar | Profile::CrossbarRaw => json!({}),
    };
    Ok(Answered {
        proof: base64(client_proof(&salted, message.as_bytes())).into(),
        extra: extra.as_object().cloned().unwrap_or_default(),
        server_signature: server_signature(&salted, message.as_bytes()),
    })
}

/// Judges the router by the authextra of its WELCOME.
///
/// The specification writes the signature as `verifier`, in its example with `v=` before it, and
/// Crossbar.io as `scram_server_signature`. A router that sends none is refused in both dialects,
/// although the specification only recommends a check: all routers send it, and to leave it out
/// would be all that a false one has to do.
pub(super) fn judge(
    wanted: &[u8; 32],
    authextra: Option<&Map<String, Value>>,
) -> Result<(), AuthError> {
    let find = |name| authextra?.get(name)?.as_str();
    let given = find("verifier").or_else(|| find("scram_server_signature")).ok_or(
        AuthError::RouterNotAuthentic("it did not prove that it knows the password (SCRAM)"),
    )?;
    let given = STANDARD.decode(given.strip_prefix("v=").unwrap_or(given)).unwrap_or_default();
    match same(wanted, &given) {
        true => Ok(()),
        false => Err(AuthError::RouterNotAuthentic("its SCRAM signature is wrong")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT_NONCE: &str = "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7";
    const NONCE: &str = "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7yMnKy8zNzs/Q0dLT1NXW1w==";
    const SALT: &str = "AAECAwQFBgcICQoLDA0ODw==";

    fn challenge(kdf: &str, iterations: u64) -> Value {
        json!({
            "nonce": NONCE, "salt": SALT, "kdf": kdf, "iterations": iterations, "memory": 512,
        })
    }

    fn answered(profile: Profile, extra: &Value) -> Result<Answered, AuthError> {
        let secret = "scram-secret".into();
        answer(
            profile,
            "scram1",
            &secret,
            CLIENT_NONCE,
            None,
            extra.as_object().unwrap(),
            &Stop::default(),
        )
    }

    /// The one vector of RFC 7677, which the specification uses too.
    #[test]
    fn the_specifications_example_comes_out() {
        let extra = json!({
            "nonce": "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            "salt": "W22ZaJ0SNY7soEsUEjb6gQ==",
            "kdf": "pbkdf2",
            "iterations": 4096,
            "memory": null,
        });
        let ours = "rOprNGfwEbeRWgbNEkqO";
        let extra = extra.as_object().unwrap();
        let answered =
            answer(Profile::Wamp, "user", &"pencil".into(), ours, None, extra, &Stop::default())
                .unwrap();
        assert_eq!(answered.proof.expose(), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        assert_eq!(
            Value::Object(answered.extra),
            json!({"nonce": extra["nonce"], "channel_binding": null, "cbind_data": null})
        );
        let good = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        let judged = |authextra: Value| judge(&answered.server_signature, authextra.as_object());
        judged(json!({"verifier": good})).unwrap();
        judged(json!({"verifier": format!("v={good}")})).unwrap();
        judged(json!({"scram_server_signature": good})).unwrap();
        for wrong in [
            json!(null),
            json!({}),
            json!({"verifier": ""}),
            json!({"verifier": "v="}),
            json!({"verifier": 7}),
            json!({"verifier": good.replacen('6', "7", 1)}),
            json!({"verifier": good[..40], "scram_server_signature": good}),
            json!({"scram_server_signature": answered.proof.expose()}),
        ] {
            assert!(judged(wrong.clone()).is_err(), "{wrong}");
        }
    }

    /// The values are those of autobahn.wamp.auth.AuthScram.
    #[test]
    fn crossbars_dialect_is_that_of_autobahn() {
        let argon2 = answered(Profile::Crossbar, &challenge("argon2id-13", 1)).unwrap();
        assert_eq!(argon2.proof.expose(), "b4lROfkeSbiSL5JvEZqFVT5a1GCtcGJx9O2aRd83rG4=");
        assert_eq!(base64(argon2.server_signature), "7oJ6ApLFpWzTKDUEj2GUbPl6y60c+NYoUxeFeA93mco=");
        assert!(argon2.extra.is_empty());
        let pbkdf2 = answered(Profile::Crossbar, &challenge("pbkdf2", 4096)).unwrap();
        assert_eq!(pbkdf2.proof.expose(), "aDNjzl2ZFZ6As6G6wUWeYR4pck30ufqU6QM4lziFYGc=");
        assert_eq!(base64(pbkdf2.server_signature), "NGMa9OpR2Cuq5Pk6Et9CZGkupChA2A3ukUXuLDuiEMQ=");
    }

    #[test]
    fn the_two_forms_of_argon2_differ() {
        let salt: Vec<u8> = (0..16).collect();
        let kdf = Kdf::new("argon2id13", 1, Some(512)).unwrap();
        let salted = |profile| {
            salted_password(profile, kdf, "scram-secret", &salt, &Stop::default()).unwrap()
        };
        let text = "FFoqKiBy/UFpZlKQic2n1XX3bUW1yX7QWOXHcWx003o";
        assert_eq!(*salted(Profile::Crossbar), text.as_bytes());
        assert_eq!(base64(&*salted(Profile::CrossbarRaw)), format!("{text}="));
        assert_eq!(salted(Profile::CrossbarRaw), salted(Profile::Wamp));
    }

    #[test]
    fn names_are_normalized_and_escaped() {
        let message = |profile, authid, channel_id| {
            let exchange = Exchange {
                profile,
                authid,
                client_nonce: "a",
                nonce: "ab",
                salt: "cw==",
                iterations: 5000,
                channel_id,
            };
            exchange.message()
        };
        assert_eq!(
            message(Profile::Wamp, "me,=you", None).unwrap(),
            "n=me=2C=3Dyou,r=a,r=ab,s=cw==,i=5000,c=biws,r=ab"
        );
        assert_eq!(
            message(Profile::Crossbar, "me\u{ad}\u{2168}=", None).unwrap(),
            "n=meIX=,r=a,r=ab,s=cw==,i=5000,c=,r=ab"
        );
        let bound = message(Profile::Wamp, "me", Some(&[7; 32])).unwrap();
        let mut input = b"p=tls-exporter,,".to_vec();
        input.extend_from_slice(&[7; 32]);
        assert!(bound.contains(&format!(",c={},r=ab", base64(input))), "{bound}");
        assert_eq!(message(Profile::Wamp, "a\u{7}", None), Err(AuthError::BadText("authid")));
    }

    #[test]
    fn passwords_are_normalized_where_the_dialect_says_so() {
        let kdf = Kdf::new("pbkdf2", 4096, None).unwrap();
        let salted =
            |profile, password| salted_password(profile, kdf, password, b"salt", &Stop::default());
        assert_eq!(salted(Profile::Wamp, "\u{2168}"), salted(Profile::Wamp, "IX"));
        assert_ne!(salted(Profile::Crossbar, "\u{2168}"), salted(Profile::Crossbar, "IX"));
        let error = salted(Profile::Wamp, "swordfish\u{7}").unwrap_err();
        assert_eq!(error, AuthError::BadText("secret"));
        assert!(!error.to_string().contains('\u{7}'));
    }

    #[test]
    fn malformed_challenges_are_told() {
        for (field, value, word) in [
            ("nonce", json!(null), "`nonce` is missing"),
            ("nonce", json!(7), "`nonce` must be a string"),
            ("nonce", json!(""), "`nonce` must be printable"),
            ("nonce", json!(format!("{CLIENT_NONCE},r=x")), "`nonce` must be printable"),
            ("nonce", json!(CLIENT_NONCE), "does not extend ours"),
            ("nonce", json!(format!("x{NONCE}")), "does not extend ours"),
            ("salt", json!(null), "`salt` is missing"),
            ("salt", json!(""), "`salt` is empty"),
            ("salt", json!("AAECAwQFBgcICQoLDA0ODw"), "`salt` must be base64"),
            ("salt", json!("AA==,i=1"), "`salt` must be base64"),
            ("salt", json!("AAEC"), "at least 8 bytes for argon2"),
            ("kdf", json!(null), "`kdf` is missing"),
            ("kdf", json!("bcrypt"), "`kdf` must be"),
            ("iterations", json!("1"), "`iterations` must be a number"),
            ("iterations", json!(0), "too cheaply"),
            ("iterations", json!(null), "`iterations` is missing"),
            ("memory", json!(null), "`memory` is missing"),
            ("memory", json!(1.5), "`memory` must be a number"),
        ] {
            for profile in [Profile::Wamp, Profile::Crossbar] {
                let mut extra = challenge("argon2id-13", 1);
                extra[field] = value.clone();
                let error = answered(profile, &extra).map(|_| ()).unwrap_err().to_string();
                assert!(error.contains(word), "{field} {value}: {error}");
                assert!(!error.contains("scram-secret"));
            }
        }
    }
}
