//! Somebody who is known to the router by one method, with its secret made ready.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::auth::scram::{Kdf, Profile};
use crate::auth::scram_router::Stored;
use crate::auth::ticket::{Ticket, TicketHash};
use crate::auth::{DecoyKey, Secret, Stop, cra, unhex};
use crate::router::certificate::{self, Mark};
use crate::router::mistake::{Mistake, object};

use super::entries::{either, key_bytes, needs, number, optional_text, salt_bytes, text};

/// Somebody who is known by one method.
#[derive(Debug, Clone)]
pub(in crate::router) struct Principal {
    pub(super) role: String,
    pub(super) key: Key,
}

/// By what it is known.
#[derive(Debug, Clone)]
pub(super) enum Key {
    Ticket(Ticket),
    Cra(Secret, Option<cra::Salt>),
    Scram(Profile, Box<Stored>),
    Public(Vec<[u8; 32]>),
    /// The marks of its certificates.
    Certificate(Vec<Mark>),
}

/// A method by which a client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::router) enum Method {
    Ticket,
    Cra,
    /// As the specification has it.
    WampScram,
    /// As Crossbar.io has it.
    Scram,
    Cryptosign,
    /// The certificate that it has shown: there is no challenge.
    Tls,
}

pub(in crate::router) const METHODS: [Method; 6] = [
    Method::Ticket,
    Method::Cra,
    Method::WampScram,
    Method::Scram,
    Method::Cryptosign,
    Method::Tls,
];

/// The role of those for whom the configuration names none.
const USER: &str = "user";

impl Method {
    pub(in crate::router) fn name(self) -> &'static str {
        match self {
            Method::Ticket => "ticket",
            Method::Cra => "wampcra",
            Method::WampScram => "wamp-scram",
            Method::Scram => "scram",
            Method::Cryptosign => "cryptosign",
            Method::Tls => "tls",
        }
    }

    pub(in crate::router) fn parse(name: &str) -> Option<Method> {
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
    ) -> Result<Principal, Mistake> {
        let known: &[&str] = match method {
            Method::Ticket => {
                &["ticket", "ticket_hash", "role", "salt", "kdf", "iterations", "memory"]
            }
            Method::Cra => &["secret", "derived_key", "role", "salt", "iterations", "keylen"],
            Method::WampScram | Method::Scram => &[
                "password",
                "stored_key",
                "server_key",
                "role",
                "salt",
                "kdf",
                "iterations",
                "memory",
            ],
            Method::Cryptosign => &["pubkey", "authorized_keys", "role"],
            Method::Tls => &["fingerprint", "common_name", "subject_alt_name", "role"],
        };
        let entries = object(value, known, "must be an object")?;
        let key = match method {
            Method::Ticket => Key::Ticket(ticket(entries)?),
            Method::Cra => cra_key(entries)?,
            Method::WampScram => scram_key(Profile::Wamp, authid, entries, decoys)?,
            Method::Scram => scram_key(Profile::Crossbar, authid, entries, decoys)?,
            Method::Cryptosign => Key::Public(public_keys(entries)?),
            Method::Tls => Key::Certificate(certificate::parse(entries)?),
        };
        let role = optional_text(entries, "role")?.unwrap_or(USER).to_owned();
        Ok(Principal { role, key })
    }

    /// True if it is known by this public key.
    pub(super) fn has_key(&self, key: &[u8; 32]) -> bool {
        matches!(&self.key, Key::Public(keys) if keys.contains(key))
    }

    /// The mark by which it is known, of those that a certificate has.
    pub(super) fn mark_of<'m>(&self, certificate: &'m [Mark]) -> Option<&'m Mark> {
        match &self.key {
            Key::Certificate(marks) => certificate.iter().find(|mark| marks.contains(mark)),
            _ => None,
        }
    }

    /// The parts that clients see and that users have in common, as a text.
    pub(super) fn shape(&self) -> String {
        let role = &self.role;
        match &self.key {
            Key::Ticket(Ticket::Hashed(ticket)) => format!("{role} {:?}", ticket.kdf),
            Key::Ticket(Ticket::Plain(_))
            | Key::Public(_)
            | Key::Certificate(_)
            | Key::Cra(_, None) => role.clone(),
            Key::Cra(_, Some(cra::Salt { salt, iterations, keylen })) => {
                format!("{role} {} {iterations} {keylen}", salt.len())
            }
            Key::Scram(_, stored) => format!("{role} {:?} {}", stored.kdf, stored.salt.len()),
        }
    }
}

fn ticket(entries: &Map<String, Value>) -> Result<Ticket, Mistake> {
    let Some(hash) = either(entries, "ticket", "ticket_hash")? else {
        for key in ["salt", "kdf", "iterations", "memory"] {
            needs(entries, key, "ticket_hash")?;
        }
        return Ok(Ticket::Plain(text(entries, "ticket")?.into()));
    };
    let (hash, kdf, salt) = (key_bytes(hash, "ticket_hash")?, kdf(entries)?, salt_bytes(entries)?);
    Ok(Ticket::Hashed(Box::new(TicketHash { kdf, salt, hash })))
}

fn cra_key(entries: &Map<String, Value>) -> Result<Key, Mistake> {
    let derived = either(entries, "secret", "derived_key")?;
    let iterations = number(entries, "iterations")?.unwrap_or(u64::from(cra::ITERATIONS));
    let keylen = number(entries, "keylen")?.unwrap_or(u64::from(cra::KEY_BYTES));
    let Some(salt) = optional_text(entries, "salt")? else {
        needs(entries, "derived_key", "salt")?;
        return Ok(Key::Cra(text(entries, "secret")?.into(), None));
    };
    let key = match derived {
        Some(key) => {
            let bytes = STANDARD.decode(key).map(Zeroizing::new);
            if !bytes.is_ok_and(|bytes| bytes.len() as u64 == keylen) {
                let why = format!("must be base64 of \"keylen\" ({keylen}) bytes");
                return Err(Mistake::of("derived_key", why));
            }
            Secret::from(key)
        }
        None => {
            let secret = text(entries, "secret")?.as_bytes();
            cra::derive_key(secret, salt.as_bytes(), iterations, keylen, &Stop::default())
                .map_err(|error| error.to_string())?
        }
    };
    let fits = |number: u64, key| {
        u32::try_from(number).map_err(|_| Mistake::of(key, "the number is too large"))
    };
    let (iterations, keylen) = (fits(iterations, "iterations")?, fits(keylen, "keylen")?);
    Ok(Key::Cra(key, Some(cra::Salt { salt: salt.to_owned(), iterations, keylen })))
}

fn scram_key(
    profile: Profile,
    authid: &str,
    entries: &Map<String, Value>,
    decoys: &DecoyKey,
) -> Result<Key, Mistake> {
    let kdf = kdf(entries)?;
    let Some(stored_key) = either(entries, "password", "stored_key")? else {
        for key in ["salt", "server_key"] {
            needs(entries, key, "stored_key")?;
        }
        // As a decoy's: a salt that changes when the router starts again would tell them apart.
        let salt = decoys.bytes(scram_salt(profile), authid, SALT_BYTES).to_vec();
        let stored = Stored::new(profile, kdf, text(entries, "password")?, salt);
        return Ok(Key::Scram(profile, Box::new(stored.map_err(|error| error.to_string())?)));
    };
    let stored = Stored {
        kdf,
        salt: salt_bytes(entries)?,
        stored_key: *key_bytes(stored_key, "stored_key")?,
        server_key: key_bytes(text(entries, "server_key")?, "server_key")?,
    };
    Ok(Key::Scram(profile, Box::new(stored)))
}

fn kdf(entries: &Map<String, Value>) -> Result<Kdf, Mistake> {
    let kdf = optional_text(entries, "kdf")?.unwrap_or("pbkdf2");
    let usual = if kdf == "pbkdf2" { 4096 } else { 3 };
    let iterations = number(entries, "iterations")?.unwrap_or(usual);
    let memory = number(entries, "memory")?.or(Some(4096));
    Kdf::new(kdf, iterations, memory).map_err(|error| error.to_string().into())
}

fn public_keys(entries: &Map<String, Value>) -> Result<Vec<[u8; 32]>, Mistake> {
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
    keys.filter(|keys| !keys.is_empty()).ok_or_else(|| wanted.into())
}

/// The purpose for which the salts of a method are made.
pub(super) fn scram_salt(profile: Profile) -> &'static str {
    match profile {
        Profile::Wamp => "salt of wamp-scram",
        Profile::Crossbar | Profile::CrossbarRaw => "salt of scram",
    }
}
