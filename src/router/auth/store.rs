//! The users known to the router: the configuration's key `auth`, with all secrets made ready.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::auth::scram::{Kdf, Profile};
use crate::auth::scram_router::Stored;
use crate::auth::{PrivateKey, Secret, Stop, cra, unhex};

/// See the module's text.
#[derive(Debug)]
pub(in crate::router) struct Store {
    principals: HashMap<Method, HashMap<String, Principal>>,
    anonymous: Option<String>,
    router_key: Option<PrivateKey>,
    /// The methods that everybody has to pass, one after the other.
    factors: Vec<Method>,
}

/// Somebody who is known by one method.
#[derive(Debug)]
pub(super) struct Principal {
    pub(super) role: String,
    pub(super) key: Key,
}

/// By what it is known.
#[derive(Debug)]
pub(super) enum Key {
    Ticket(Secret),
    Cra(Secret, Option<cra::Salt>),
    Scram(Profile, Box<Stored>),
    Public(Vec<[u8; 32]>),
}

/// A method with a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Method {
    Ticket,
    Cra,
    /// As the specification has it.
    WampScram,
    /// As Crossbar.io has it.
    Scram,
    Cryptosign,
}

const METHODS: [Method; 5] =
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

    fn parse(name: &str) -> Option<Method> {
        METHODS.into_iter().find(|method| method.name() == name)
    }
}

impl Store {
    /// Reads the value of `auth`. Hashing the passwords of SCRAM takes its time.
    pub(in crate::router) fn parse(value: &Value) -> Result<Store, String> {
        let mut store = Store {
            principals: HashMap::new(),
            anonymous: None,
            router_key: None,
            factors: Vec::new(),
        };
        let entries = value.as_object().ok_or("must be an object of authentication methods")?;
        for (key, value) in entries {
            store.set(key, value).map_err(|why| format!("\"{key}\": {why}"))?;
        }
        if let Some(method) =
            store.factors.iter().find(|method| !store.principals.contains_key(*method))
        {
            return Err(format!("\"factors\": {} is not configured", method.name()));
        }
        Ok(store)
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match key {
            "anonymous" => {
                let entries = value.as_object().ok_or("must be an object with a \"role\"")?;
                let role = optional_text(entries, "role")?.unwrap_or("anonymous");
                self.anonymous = Some(role.to_owned());
            }
            "router_key" => {
                let seed = value.as_str().and_then(unhex::<32>);
                let seed = seed.ok_or("must be a seed of 64 hexadecimal digits")?;
                self.router_key = Some(PrivateKey::from_seed(&seed));
            }
            "factors" => {
                let wanted = "must be a list of methods such as \"wampcra\" and \"ticket\"";
                for name in value.as_array().ok_or(wanted)? {
                    let method = name.as_str().and_then(Method::parse).ok_or(wanted)?;
                    self.factors.push(method);
                }
            }
            name => {
                let Some(method) = Method::parse(name) else {
                    let names = METHODS.map(Method::name).join(", ");
                    let more = "anonymous, router_key, factors";
                    return Err(format!("unknown; the keys are {names}, {more}"));
                };
                let mut principals = HashMap::new();
                for (authid, entries) in value.as_object().ok_or("must be an object of authids")? {
                    let principal = Principal::parse(method, entries)
                        .map_err(|why| format!("\"{authid}\": {why}"))?;
                    principals.insert(authid.clone(), principal);
                }
                self.principals.insert(method, principals);
            }
        }
        Ok(())
    }

    /// The methods to go through for a client that offers `offered`; none for an anonymous one.
    pub(super) fn choose(&self, offered: Option<&[String]>) -> Result<Vec<Method>, String> {
        let anonymous = ["anonymous".to_owned()];
        let offered = offered.unwrap_or(&anonymous);
        if !self.factors.is_empty() {
            let all = self.factors.iter();
            if all.clone().all(|method| offered.iter().any(|name| name == method.name())) {
                return Ok(self.factors.clone());
            }
            let names: Vec<_> = all.map(|method| method.name()).collect();
            return Err(format!("this router requires all of {}", names.join(", ")));
        }
        for name in offered {
            if name == "anonymous" && self.admits_anonymous() {
                return Ok(Vec::new());
            }
            let method = Method::parse(name);
            if let Some(method) = method.filter(|method| self.principals.contains_key(method)) {
                return Ok(vec![method]);
            }
        }
        Err(format!(
            "none of {} is configured here; see HELLO.Details.authmethods",
            offered.join(", ")
        ))
    }

    pub(super) fn anonymous_role(&self) -> &str {
        self.anonymous.as_deref().unwrap_or("anonymous")
    }

    pub(super) fn router_key(&self) -> Option<&PrivateKey> {
        self.router_key.as_ref()
    }

    pub(super) fn principal(&self, method: Method, authid: &str) -> Option<&Principal> {
        self.principals.get(&method)?.get(authid)
    }

    /// The owner of a public key: the authid that the client names, or else the only one that has
    /// it.
    pub(super) fn owner_of(&self, key: &[u8; 32], authid: Option<&str>) -> Option<(&str, &str)> {
        let known = self.principals.get(&Method::Cryptosign)?;
        known
            .iter()
            .filter(|(name, _)| authid.is_none_or(|authid| authid == name.as_str()))
            .find(
                |(_, principal)| matches!(&principal.key, Key::Public(keys) if keys.contains(key)),
            )
            .map(|(name, principal)| (name.as_str(), principal.role.as_str()))
    }

    /// Without any other method there is nobody whom an anonymous client could be mistaken for.
    fn admits_anonymous(&self) -> bool {
        self.anonymous.is_some() || self.principals.is_empty()
    }
}

impl Principal {
    fn parse(method: Method, value: &Value) -> Result<Principal, String> {
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
            Method::WampScram => scram_key(Profile::Wamp, entries)?,
            Method::Scram => scram_key(Profile::Crossbar, entries)?,
            Method::Cryptosign => Key::Public(public_keys(entries)?),
        };
        let role = optional_text(entries, "role")?.unwrap_or(USER).to_owned();
        Ok(Principal { role, key })
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

fn scram_key(profile: Profile, entries: &Map<String, Value>) -> Result<Key, String> {
    let kdf = optional_text(entries, "kdf")?.unwrap_or("pbkdf2");
    let usual = if kdf == "pbkdf2" { 4096 } else { 3 };
    let iterations = number(entries, "iterations")?.unwrap_or(usual);
    let memory = number(entries, "memory")?.or(Some(4096));
    let password = text(entries, "password")?;
    let stored = Kdf::new(kdf, iterations, memory)
        .and_then(|kdf| Stored::with_random_salt(profile, kdf, password))
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

fn text<'a>(entries: &'a Map<String, Value>, key: &str) -> Result<&'a str, String> {
    optional_text(entries, key)?.ok_or_else(|| format!("\"{key}\" is missing"))
}

fn optional_text<'a>(
    entries: &'a Map<String, Value>,
    key: &str,
) -> Result<Option<&'a str>, String> {
    match entries.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("\"{key}\" must be a string")),
    }
}

fn number(entries: &Map<String, Value>, key: &str) -> Result<Option<u64>, String> {
    match entries.get(key) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(format!("\"{key}\" must be a whole number")),
        },
    }
}
