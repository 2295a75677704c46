//! Somebody who is known to the router by one method, with its secret made ready.

use serde_json::{Map, Value};

use crate::auth::scram::{Kdf, Profile};
use crate::auth::scram_router::Stored;
use crate::auth::{DecoyKey, Secret, Stop, cra, unhex};

use super::entries::{number, optional_text, text};

/// Somebody who is known by one method.
#[derive(Debug, Clone)]
pub(super) struct Principal {
    pub(super) role: String,
    pub(super) key: Key,
}

/// By what it is known.
#[derive(Debug, Clone)]
pub(super) enum Key {
    Ticket(Secret),
    Cra(Secret, Option<cra::Salt>),
    Scram(Profile, Box<Stored>),
    Public(Vec<[u8; 32]>),
}

/// A method with a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Method {
    Ticket,
    Cra,
    /// As the specification has it.
    WampScram,
    /// As Crossbar.io has it.
    Scram,
    Cryptosign,
}

pub(super) const METHODS: [Method; 5] =
    [Method::Ticket, Method::Cra, Method::WampScram, Method::Scram, Method::Cryptosign];

/// The role of those for whom the configuration names none.
const USER: &str = "user";

impl Method {
    pub(super) fn name(self) -> &'static str {
        match self {
            Method::Ticket => "ticket",
            Method::Cra => "wampcra",
            Method::WampScram => "wamp-scram",
            Method::Scram => "scram",
            Method::Cryptosign => "cryptosign",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Method> {
        METHODS.into_iter().find(|method| method.name() == name)
    }
}

/// The size of the salts that the router makes.
const SALT_BYTES: usize = 16;

impl Principal {
    /// Reads what an authid is known by. Hashing the passwords of SCRAM takes its time.
    pub(super) fn parse(
        method: Method,
        authid: &str,
        value: &Value,
        decoys: &DecoyKey,
    ) -> Result<Principal, String> {
        let entries = value.as_object().ok_or("must be an object")?;
        let known: &[&str] = match method {
            Method::Ticket => &["ticket", "role"],
            Method::Cra => &["secret", "role", "salt", "iterations", "keylen"],
            Method::WampScram | Method::Scram => {
                &["password", "role", "kdf", "iterations", "memory"]
            }
            Method::Cryptosign => &["pubkey", "authorized_keys", "role"],
        };
        if let Some(key) = entries.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("\"{key}\" is unknown; the keys are {}", known.join(", ")));
        }
        let key = match method {
            Method::Ticket => Key::Ticket(text(entries, "ticket")?.into()),
            Method::Cra => cra_key(entries)?,
            Method::WampScram => scram_key(Profile::Wamp, authid, entries, decoys)?,
            Method::Scram => scram_key(Profile::Crossbar, authid, entries, decoys)?,
            Method::Cryptosign => Key::Public(public_keys(entries)?),
        };
        let role = optional_text(entries, "role")?.unwrap_or(USER).to_owned();
        Ok(Principal { role, key })
    }

    /// The parts that clients see and that users have in common, as a text.
    pub(super) fn shape(&self) -> String {
        let role = &self.role;
        match &self.key {
            Key::Ticket(_) | Key::Public(_) | Key::Cra(_, None) => role.clone(),
            Key::Cra(_, Some(cra::Salt { salt, iterations, keylen })) => {
                format!("{role} {} {iterations} {keylen}", salt.len())
            }
            Key::Scram(_, stored) => format!("{role} {:?} {}", stored.kdf, stored.salt.len()),
        }
    }
}

fn cra_key(entries: &Map<String, Value>) -> Result<Key, String> {
    let secret = text(entries, "secret")?;
    let iterations = number(entries, "iterations")?;
    let keylen = number(entries, "keylen")?;
    let Some(salt) = optional_text(entries, "salt")? else {
        return Ok(Key::Cra(secret.into(), None));
    };
    let iterations = iterations.unwrap_or(u64::from(cra::ITERATIONS));
    let keylen = keylen.unwrap_or(u64::from(cra::KEY_BYTES));
    let key =
        cra::derive_key(secret.as_bytes(), salt.as_bytes(), iterations, keylen, &Stop::default())
            .map_err(|error| error.to_string())?;
    let fits = |number: u64| u32::try_from(number).map_err(|_| "a number is too large".to_owned());
    let (iterations, keylen) = (fits(iterations)?, fits(keylen)?);
    Ok(Key::Cra(key, Some(cra::Salt { salt: salt.to_owned(), iterations, keylen })))
}

fn scram_key(
    profile: Profile,
    authid: &str,
    entries: &Map<String, Value>,
    decoys: &DecoyKey,
) -> Result<Key, String> {
    let kdf = optional_text(entries, "kdf")?.unwrap_or("pbkdf2");
    let usual = if kdf == "pbkdf2" { 4096 } else { 3 };
    let iterations = number(entries, "iterations")?.unwrap_or(usual);
    let memory = number(entries, "memory")?.or(Some(4096));
    let password = text(entries, "password")?;
    // As a decoy's: a salt that changes when the router starts again would tell them apart.
    let salt = decoys.bytes(scram_salt(profile), authid, SALT_BYTES).to_vec();
    let stored = Kdf::new(kdf, iterations, memory)
        .and_then(|kdf| Stored::new(profile, kdf, password, salt))
        .map_err(|error| error.to_string())?;
    Ok(Key::Scram(profile, Box::new(stored)))
}

fn public_keys(entries: &Map<String, Value>) -> Result<Vec<[u8; 32]>, String> {
    let wanted =
        "\"pubkey\" is a public key of 64 hexadecimal digits, \"authorized_keys\" a list of such";
    let listed = entries.get("authorized_keys").map(|list| list.as_array().ok_or(wanted));
    let listed = listed.transpose()?.into_iter().flatten();
    let keys: Option<Vec<_>> = entries
        .get("pubkey")
        .into_iter()
        .chain(listed)
        .map(|key| key.as_str().and_then(unhex::<32>))
        .collect();
    keys.filter(|keys| !keys.is_empty()).ok_or_else(|| wanted.to_owned())
}

/// The purpose for which the salts of a method are made.
pub(super) fn scram_salt(profile: Profile) -> &'static str {
    match profile {
        Profile::Wamp => "salt of wamp-scram",
        Profile::Crossbar | Profile::CrossbarRaw => "salt of scram",
    }
}
