//! The router's side of [`super::scram`]: what it stores of a password, and one login.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::AuthError;
use super::cra::hmac;
use super::cryptosign::CHANNEL_BINDING;
use super::derive::Stop;
use super::error::quoted;
use super::fields::{Fields, base64};
use super::scram::{
    Exchange, Kdf, Profile, client_key, is_nonce, salted_password, server_key, stored_key,
};
use super::secret::{random, same};

/// No client needs a longer one, and it is repeated in every message.
const MOST_NONCE_BYTES: usize = 256;

/// The verifier that a router keeps instead of a password. Its `Debug` output does not show the
/// keys: whoever has them can play the router, and try out passwords.
#[derive(Clone)]
pub struct Stored {
    /// The hash that was used.
    pub kdf: Kdf,
    /// The salt, random and of this user only.
    pub salt: Vec<u8>,
    /// The StoredKey, by which the client's proof is judged.
    pub stored_key: [u8; 32],
    /// The ServerKey, with which the router proves itself.
    pub server_key: Zeroizing<[u8; 32]>,
}

impl Stored {
    /// Hashes a password, which may take seconds. The dialects differ in it, so what is made for
    /// one does not fit the other; only [`Profile::CrossbarRaw`] fits what [`Profile::Wamp`] made,
    /// for passwords that SASLprep leaves as they are.
    pub fn new(
        profile: Profile,
        kdf: Kdf,
        password: &str,
        salt: Vec<u8>,
    ) -> Result<Stored, AuthError> {
        let salted = salted_password(profile, kdf, password, &salt, &Stop::default())?;
        let stored_key = stored_key(&client_key(&salted));
        Ok(Stored { kdf, salt, stored_key, server_key: server_key(&salted) })
    }

    /// The same with a new salt.
    pub fn with_random_salt(
        profile: Profile,
        kdf: Kdf,
        password: &str,
    ) -> Result<Stored, AuthError> {
        Stored::new(profile, kdf, password, random::<16>()?.to_vec())
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").field("kdf", &self.kdf).finish_non_exhaustive()
    }
}

/// The router's side of one login.
#[derive(Debug)]
pub struct Challenger {
    profile: Profile,
    stored: Stored,
    authid: String,
    client_nonce: String,
    nonce: String,
    salt: String,
    channel_id: Option<[u8; 32]>,
}

impl Challenger {
    /// A new challenge for the authid and authextra of a HELLO. `channel_id` is that of the TLS
    /// channel, if there is one.
    pub fn new(
        profile: Profile,
        stored: Stored,
        authid: &str,
        authextra: &Map<String, Value>,
        channel_id: Option<[u8; 32]>,
    ) -> Result<Challenger, AuthError> {
        let fields = Fields::new(profile.method(), authextra);
        let client_nonce = fields.text("nonce")?;
        if !is_nonce(client_nonce) || client_nonce.len() > MOST_NONCE_BYTES {
            return Err(fields.wrong("nonce", "must be base64 of a reasonable size"));
        }
        let channel_id = match (fields.optional_text("channel_binding")?, profile, channel_id) {
            (None, _, _) => None,
            (Some(CHANNEL_BINDING), Profile::Wamp, Some(channel_id)) => Some(channel_id),
            (Some(wanted), _, _) => {
                return Err(AuthError::ChannelBinding {
                    asked: quoted(wanted),
                    used: "the router has none on this connection".to_owned(),
                });
            }
        };
        let nonce = client_nonce.to_owned() + &base64(random::<18>()?);
        let salt = base64(&stored.salt);
        let (authid, client_nonce) = (authid.to_owned(), client_nonce.to_owned());
        Ok(Challenger { profile, stored, authid, client_nonce, nonce, salt, channel_id })
    }

    /// The Extra of the CHALLENGE.
    pub fn extra(&self) -> Map<String, Value> {
        let kdf = self.stored.kdf;
        let extra = json!({
            "nonce": self.nonce,
            "salt": self.salt,
            "kdf": kdf.name(self.profile),
            "iterations": kdf.iterations(),
            "memory": kdf.memory(),
        });
        extra.as_object().cloned().unwrap_or_default()
    }

    /// Judges the signature and the Extra of the AUTHENTICATE. Gives what belongs into the
    /// authextra of the WELCOME: the router's own proof.
    pub fn verify(
        &self,
        signature: &str,
        extra: &Map<String, Value>,
    ) -> Result<Map<String, Value>, AuthError> {
        if self.profile == Profile::Wamp {
            self.check(extra)?;
        }
        let message = self.exchange().message()?;
        let wrong = AuthError::ClientNotAuthentic("its proof is wrong");
        let proof = STANDARD.decode(signature).map_err(|_| wrong.clone())?;
        let proof = <[u8; 32]>::try_from(proof).map_err(|_| wrong.clone())?;
        let signature = hmac(&self.stored.stored_key, message.as_bytes());
        let key = Zeroizing::new(std::array::from_fn(|at| proof[at] ^ signature[at]));
        if !same(&stored_key(&key), &self.stored.stored_key) {
            return Err(wrong);
        }
        let name = match self.profile {
            Profile::Wamp => "verifier",
            Profile::Crossbar | Profile::CrossbarRaw => "scram_server_signature",
        };
        let proof = base64(hmac(&*self.stored.server_key, message.as_bytes()));
        Ok(Map::from_iter([(name.to_owned(), proof.into())]))
    }

    fn exchange(&self) -> Exchange<'_> {
        Exchange {
            profile: self.profile,
            authid: &self.authid,
            client_nonce: &self.client_nonce,
            nonce: &self.nonce,
            salt: &self.salt,
            iterations: self.stored.kdf.iterations(),
            channel_id: self.channel_id.as_ref(),
        }
    }

    /// Checks that the client repeats what was said.
    fn check(&self, extra: &Map<String, Value>) -> Result<(), AuthError> {
        let fields = Fields::new(self.profile.method(), extra);
        if fields.text("nonce")? != self.nonce {
            return Err(AuthError::Nonce);
        }
        let wanted = self.channel_id.map(|_| CHANNEL_BINDING);
        let used = fields.optional_text("channel_binding")?;
        let data = fields.value("cbind_data").map(|_| fields.base64("cbind_data")).transpose()?;
        let is_bound = match (&data, &self.channel_id) {
            (Some(data), Some(channel_id)) => same(data, channel_id),
            (data, channel_id) => data.is_none() && channel_id.is_none(),
        };
        match used == wanted && is_bound {
            true => Ok(()),
            false => Err(AuthError::ChannelBinding {
                asked: wanted.unwrap_or("none").to_owned(),
                used: "the client is on another channel".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::auth::fields::unhex;
    use crate::auth::scram::{answer, judge};

    const CHANNEL: [u8; 32] = [9; 32];

    fn argon2() -> Kdf {
        Kdf::new("argon2id13", 1, Some(512)).unwrap()
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    /// From autobahn's tests of derive_scram_credential, where SHA-256 of the address is the salt.
    #[test]
    fn autobahns_stored_keys_come_out() {
        let salt = unhex::<16>("3bc3ca01dd1d501ca1c22e1c5d7d16fe").unwrap();
        let kdf = Kdf::new("argon2id-13", 4096, Some(512)).unwrap();
        let stored = Stored::new(Profile::Crossbar, kdf, "secret123", salt.to_vec()).unwrap();
        let wanted = "e796c2f0a51770303ee4616bc630a66774d51a55003154aff2a54ec7c4ac0e38";
        assert_eq!(stored.stored_key, unhex::<32>(wanted).unwrap());
        let wanted = "8de7864c316f3c2356fd76cfdab696db55bc70e680fe5180e2f731e2345acca2";
        assert_eq!(*stored.server_key, unhex::<32>(wanted).unwrap());
    }

    #[test]
    fn both_sides_agree() {
        let pbkdf2 = Kdf::new("pbkdf2", 4096, None).unwrap();
        for profile in [Profile::Wamp, Profile::Crossbar, Profile::CrossbarRaw] {
            for (kdf, bound) in [(argon2(), false), (pbkdf2, false), (pbkdf2, true)] {
                if bound && profile != Profile::Wamp {
                    continue;
                }
                let stored = Stored::with_random_salt(profile, kdf, "secret").unwrap();
                let binding = bound.then_some(CHANNEL_BINDING);
                let hello = object(json!({"nonce": "b3Vycw==", "channel_binding": binding}));
                let challenger =
                    Challenger::new(profile, stored, "me,you", &hello, Some(CHANNEL)).unwrap();
                let answered = |authid: &str, secret: &str| {
                    let channel = bound.then_some(&CHANNEL);
                    let (ours, extra) = ("b3Vycw==", challenger.extra());
                    answer(profile, authid, &secret.into(), ours, channel, &extra, &Stop::default())
                        .unwrap()
                };
                let good = answered("me,you", "secret");
                let welcome = challenger.verify(good.proof.expose(), &good.extra).unwrap();
                judge(&good.server_signature, Some(&welcome)).unwrap();
                for (authid, secret) in [("me,you", "Secret"), ("you", "secret")] {
                    let wrong = answered(authid, secret);
                    assert!(challenger.verify(wrong.proof.expose(), &wrong.extra).is_err());
                    assert!(judge(&wrong.server_signature, Some(&welcome)).is_err());
                }
                for wrong in ["", "AAAA", "x", &base64([0; 32])] {
                    assert!(challenger.verify(wrong, &good.extra).is_err(), "{wrong}");
                }
            }
        }
    }

    #[test]
    fn the_client_must_repeat_what_was_said() {
        let kdf = argon2();
        let stored = Stored::new(Profile::Wamp, kdf, "secret", vec![7; 16]).unwrap();
        let hello = object(json!({"nonce": "b3Vycw==", "channel_binding": CHANNEL_BINDING}));
        let challenger =
            Challenger::new(Profile::Wamp, stored, "me", &hello, Some(CHANNEL)).unwrap();
        let (extra, secret) = (challenger.extra(), "secret".into());
        let good = answer(
            Profile::Wamp,
            "me",
            &secret,
            "b3Vycw==",
            Some(&CHANNEL),
            &extra,
            &Stop::default(),
        )
        .unwrap();
        challenger.verify(good.proof.expose(), &good.extra).unwrap();
        for (field, value) in [
            ("nonce", json!("b3Vycw==")),
            ("nonce", json!(null)),
            ("channel_binding", json!(null)),
            ("channel_binding", json!("tls-unique")),
            ("cbind_data", json!(null)),
            ("cbind_data", json!("AAAA")),
            ("cbind_data", json!(7)),
        ] {
            let mut extra = good.extra.clone();
            extra.insert(field.to_owned(), value.clone());
            assert!(challenger.verify(good.proof.expose(), &extra).is_err(), "{field} {value}");
        }
        // A proof for another channel does not do, whatever the client says.
        let other = answer(
            Profile::Wamp,
            "me",
            &secret,
            "b3Vycw==",
            Some(&[8; 32]),
            &extra,
            &Stop::default(),
        )
        .unwrap();
        assert!(challenger.verify(other.proof.expose(), &other.extra).is_err());
        assert!(challenger.verify(other.proof.expose(), &good.extra).is_err());
    }

    #[test]
    fn a_router_refuses_what_it_cannot_do() {
        let stored = Stored::new(Profile::Wamp, argon2(), "secret", vec![7; 16]).unwrap();
        assert!(!format!("{stored:?}").contains("key"));
        for (hello, profile) in [
            (json!({}), Profile::Wamp),
            (json!({"nonce": ""}), Profile::Wamp),
            (json!({"nonce": "a,b"}), Profile::Crossbar),
            (json!({"nonce": "a".repeat(257)}), Profile::Wamp),
            (json!({"nonce": "a", "channel_binding": "tls-exporter"}), Profile::Wamp),
            (json!({"nonce": "a", "channel_binding": "tls-unique"}), Profile::Crossbar),
        ] {
            let hello = object(hello);
            assert!(Challenger::new(profile, stored.clone(), "me", &hello, None).is_err());
        }
    }
}
