//! The users known to the router: the configuration's key `auth`, with all secrets made ready.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::auth::{DecoyKey, PrivateKey, unhex};
use crate::router::certificate::Mark;
use crate::router::mistake::{Mistake, nearest, object};

use super::applicant::Applicant;
use super::authenticator::Authenticator;
use super::decoys::{Decoys, Users};
use super::entries::{SecretValue, optional_text, users_file};
use super::failures::{Delays, Failures};
use super::principal::{Key, METHODS, Method, Principal};

/// See the module's text.
#[derive(Debug)]
pub(in crate::router) struct Store {
    users: Users,
    decoys: Decoys,
    /// The methods whose users a procedure knows.
    authenticators: Vec<Arc<Authenticator>>,
    /// The authid that each public key belongs to: the first one that has it.
    owners: HashMap<[u8; 32], String>,
    /// The authid that each mark of certificates belongs to, in the same way.
    certificates: HashMap<Mark, String>,
    anonymous: Option<String>,
    router_key: Option<PrivateKey>,
    /// The methods that everybody has to pass, one after the other.
    factors: Vec<Method>,
    failures: Failures,
}

/// A principal that a client may be.
#[derive(Debug)]
pub(in crate::router) struct Candidate {
    pub(super) principal: Arc<Principal>,
    /// False for a decoy, which may never join.
    pub(super) is_known: bool,
}

/// The value of `auth`, while it is read.
struct Draft {
    decoy_key: DecoyKey,
    users: Users,
    owners: HashMap<[u8; 32], String>,
    certificates: HashMap<Mark, String>,
    anonymous: Option<String>,
    router_key: Option<PrivateKey>,
    factors: Vec<Method>,
    delays: Delays,
    authenticators: Vec<Arc<Authenticator>>,
}

/// The keys beside those of the methods.
const MORE_KEYS: [&str; 5] = ["anonymous", "router_key", "decoy_key", "factors", "failure_delay"];

impl Draft {
    fn set(&mut self, key: &str, value: &Value) -> Result<(), Mistake> {
        match key {
            "anonymous" => {
                if let Some(authenticator) = Authenticator::parse(None, value)? {
                    self.authenticators.push(authenticator);
                    return Ok(());
                }
                let entries = object(value, &["role"], "must be an object with a \"role\"")?;
                let role = optional_text(entries, "role")?.unwrap_or("anonymous");
                self.anonymous = Some(role.to_owned());
            }
            "router_key" => {
                let seed = value.as_str().and_then(unhex::<32>).map(Zeroizing::new);
                let seed = seed.ok_or("must be a seed of 64 hexadecimal digits")?;
                self.router_key = Some(PrivateKey::from_seed(&seed));
            }
            "failure_delay" => self.delays = Delays::parse(value)?,
            // Read before all others.
            "decoy_key" => {}
            "factors" => {
                let wanted = "must be a list of methods such as \"wampcra\" and \"ticket\"";
                for (index, name) in value.as_array().ok_or(wanted)?.iter().enumerate() {
                    let name = name.as_str().ok_or_else(|| Mistake::from(wanted).at(index))?;
                    let method = Method::parse(name).ok_or_else(|| {
                        let known = METHODS.map(Method::name);
                        let nearest = nearest(name, &known, "the methods are");
                        Mistake::from(format!("\"{name}\" is no such method; {nearest}")).at(index)
                    })?;
                    self.factors.push(method);
                }
            }
            name => {
                if let Some(method) = Method::parse(name) {
                    self.add_users(method, value)?;
                }
            }
        }
        Ok(())
    }

    fn add_users(&mut self, method: Method, value: &Value) -> Result<(), Mistake> {
        if let Some(authenticator) = Authenticator::parse(Some(method), value)? {
            self.authenticators.push(authenticator);
            return Ok(());
        }
        let entries = value.as_object().ok_or("must be an object of authids")?;
        match entries.get("file") {
            Some(Value::String(path)) if entries.len() == 1 => {
                let file = users_file(path)?;
                let entries = file.0.as_object().ok_or("must be an object of authids");
                entries
                    .map_err(Mistake::from)
                    .and_then(|entries| self.add_entries(method, entries))
                    .map_err(|mistake| format!("the file \"{path}\": {mistake}").into())
            }
            Some(Value::String(_)) => {
                Err("\"file\" stands alone: all users of the method are in the file".into())
            }
            _ => self.add_entries(method, entries),
        }
    }

    fn add_entries(&mut self, method: Method, entries: &Map<String, Value>) -> Result<(), Mistake> {
        let mut users = HashMap::new();
        for (authid, entries) in entries {
            let principal = Principal::parse(method, authid, entries, &self.decoy_key)
                .map_err(|mistake| mistake.within(authid))?;
            match &principal.key {
                Key::Public(keys) => {
                    for key in keys {
                        self.owners.entry(*key).or_insert_with(|| authid.clone());
                    }
                }
                Key::Certificate(marks) => {
                    for mark in marks {
                        self.certificates.entry(mark.clone()).or_insert_with(|| authid.clone());
                    }
                }
                _ => {}
            }
            users.insert(authid.clone(), Arc::new(principal));
        }
        self.users.insert(method, users);
        Ok(())
    }
}

impl Store {
    /// Reads the value of `auth`. Hashing the passwords of SCRAM takes its time.
    ///
    /// The failures are those of the `former` store, and strangers look as they did there: these
    /// outlive a change of the configuration.
    pub(in crate::router) fn parse(
        value: &Value,
        former: Option<&Store>,
    ) -> Result<Store, Mistake> {
        let known = [&METHODS.map(Method::name)[..], &MORE_KEYS].concat();
        let entries = object(value, &known, "must be an object of authentication methods")?;
        let mut draft = Draft {
            decoy_key: decoy_key(entries.get("decoy_key"), former)?,
            users: HashMap::new(),
            owners: HashMap::new(),
            certificates: HashMap::new(),
            anonymous: None,
            router_key: None,
            factors: Vec::new(),
            delays: Delays::default(),
            authenticators: Vec::new(),
        };
        for (key, value) in entries {
            draft.set(key, value).map_err(|mistake| mistake.within(key))?;
        }
        let Draft { decoy_key, users, owners, certificates, delays, authenticators, .. } = draft;
        let (anonymous, router_key, factors) = (draft.anonymous, draft.router_key, draft.factors);
        if let Some(method) = factors.iter().find(|method| !users.contains_key(*method)) {
            return Err(Mistake::of("factors", format!("{} is not configured", method.name())));
        }
        let decoys = Decoys::new(decoy_key, &users);
        let failures = match former {
            Some(former) => former.failures.with(delays),
            None => Failures::new(delays),
        };
        for authenticator in &authenticators {
            let before = former.and_then(|former| former.authenticator_of(authenticator.method));
            if let Some(before) = before {
                authenticator.resembles(before);
            }
        }
        Ok(Store {
            users,
            decoys,
            authenticators,
            owners,
            certificates,
            anonymous,
            router_key,
            factors,
            failures,
        })
    }

    /// The methods to go through for a client that goes by `authid` and offers `offered`; none for
    /// an anonymous one. Of several methods it is the first that the user has, or that its model
    /// has where nobody has that name.
    pub(super) fn choose(
        &self,
        offered: Option<&[String]>,
        authid: &str,
    ) -> Result<Vec<Method>, String> {
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
        let mut usable = Vec::new();
        for name in offered {
            if name == "anonymous" && usable.is_empty() && self.admits_anonymous() {
                return Ok(Vec::new());
            }
            let method = Method::parse(name);
            usable.extend(method.filter(|method| self.has(*method)));
        }
        let Some(first) = usable.first() else {
            return Err(format!(
                "none of {} is configured here; see HELLO.Details.authmethods",
                offered.join(", ")
            ));
        };
        let method = usable.iter().find(|method| self.is_of(**method, authid));
        Ok(vec![*method.unwrap_or(first)])
    }

    /// The authenticator of the method that this client would go through.
    pub(in crate::router) fn authenticator(
        &self,
        applicant: &Applicant,
    ) -> Option<&Arc<Authenticator>> {
        if self.authenticators.is_empty() {
            return None;
        }
        let methods = self.choose(applicant.authmethods.as_deref(), applicant.authid()).ok()?;
        self.authenticator_of(methods.first().copied())
    }

    /// The user that an authenticator knows by these entries, or the decoy of somebody whom it does
    /// not know. Both take the same time, which is long where passwords of SCRAM are hashed.
    pub(in crate::router) fn candidate_of(
        &self,
        authenticator: &Authenticator,
        method: Method,
        authid: &str,
        entries: Option<Map<String, Value>>,
    ) -> Result<Candidate, Mistake> {
        let is_known = entries.is_some();
        let entries = match entries {
            Some(entries) => Arc::new(SecretValue(Value::Object(entries))),
            None => authenticator.model(method),
        };
        let principal = Principal::parse(method, authid, &entries.0, self.decoys.key())?;
        let decoy = self.decoys.like(&principal, authid);
        if is_known {
            authenticator.knows(entries);
        }
        Ok(Candidate { principal: Arc::new(if is_known { principal } else { decoy }), is_known })
    }

    pub(super) fn authenticator_of(&self, method: Option<Method>) -> Option<&Arc<Authenticator>> {
        self.authenticators.iter().find(|authenticator| authenticator.method == method)
    }

    /// True if somebody may have the method.
    pub(in crate::router) fn has(&self, method: Method) -> bool {
        self.users.contains_key(&method) || self.authenticator_of(Some(method)).is_some()
    }

    /// True if the user of that name has the method, or the model of a name that nobody has.
    fn is_of(&self, method: Method, authid: &str) -> bool {
        if self.authenticator_of(Some(method)).is_some() {
            // Whom it knows is known to it alone.
            return true;
        }
        if authid.is_empty() {
            // Only a key is enough of a name.
            return matches!(method, Method::Cryptosign | Method::Tls);
        }
        let model = self.decoys.model(authid);
        let is_known = self.users.values().any(|users| users.contains_key(authid));
        let user = if is_known { Some(authid) } else { model };
        let users = self.users.get(&method);
        user.is_some_and(|user| users.is_some_and(|users| users.contains_key(user)))
    }

    /// True if anonymous clients are let in by the configuration alone.
    pub(in crate::router) fn has_strangers(&self) -> bool {
        self.admits_anonymous() && self.authenticator_of(None).is_none()
    }

    /// The role of a user who has this method.
    pub(super) fn role_of(&self, method: Method, authid: &str) -> Option<&str> {
        Some(&self.users.get(&method)?.get(authid)?.role)
    }

    pub(in crate::router) fn anonymous_role(&self) -> &str {
        self.anonymous.as_deref().unwrap_or("anonymous")
    }

    /// The methods that everybody has to pass.
    pub(super) fn factors(&self) -> &[Method] {
        &self.factors
    }

    /// The failed logins.
    pub(in crate::router) fn failures(&self) -> &Failures {
        &self.failures
    }

    pub(super) fn router_key(&self) -> Option<&PrivateKey> {
        self.router_key.as_ref()
    }

    /// The principal of that name, or its decoy. `None` where nobody at all has the method.
    pub(super) fn candidate(&self, method: Method, authid: &str) -> Option<Candidate> {
        // Made of everybody, so that it takes everybody's time.
        let decoy = self.decoys.principal(&self.users, method, authid)?;
        Some(match self.users.get(&method)?.get(authid) {
            Some(principal) => Candidate { principal: principal.clone(), is_known: true },
            None => Candidate { principal: Arc::new(decoy), is_known: false },
        })
    }

    /// The authid and role of the owner of a public key: the authid that the client names, or else
    /// the first that has it.
    pub(super) fn owner_of(&self, key: &[u8; 32], authid: Option<&str>) -> Option<(&str, &str)> {
        let owner = self.owners.get(key).map(String::as_str);
        let (authid, principal) =
            self.users.get(&Method::Cryptosign)?.get_key_value(authid.or(owner)?)?;
        match &principal.key {
            Key::Public(keys) if keys.contains(key) => Some((authid, &principal.role)),
            _ => None,
        }
    }

    /// The authid and role of the owner of a certificate with these marks, and the mark that
    /// counts: the authid that the client names, or else that of the most telling mark.
    pub(super) fn owner_of_certificate<'m>(
        &self,
        marks: &'m [Mark],
        authid: Option<&str>,
    ) -> Option<(&str, &str, &'m Mark)> {
        let owner = || marks.iter().find_map(|mark| self.certificates.get(mark));
        let authid = authid.or_else(|| owner().map(String::as_str))?;
        let (authid, principal) = self.users.get(&Method::Tls)?.get_key_value(authid)?;
        principal.mark_of(marks).map(|mark| (authid.as_str(), principal.role.as_str(), mark))
    }

    /// True if a user is still known by this mark.
    pub(super) fn knows_mark(&self, authid: &str, mark: &Mark) -> bool {
        let user = self.users.get(&Method::Tls).and_then(|users| users.get(authid));
        user.is_some_and(|user| user.mark_of(std::slice::from_ref(mark)).is_some())
    }

    /// Without any other method there is nobody whom an anonymous client could be mistaken for.
    pub(in crate::router) fn admits_anonymous(&self) -> bool {
        self.anonymous.is_some()
            || self.authenticator_of(None).is_some()
            || self.users.is_empty() && self.authenticators.is_empty()
    }
}

/// The configured key of decoys, or that of before, or a random one.
fn decoy_key(value: Option<&Value>, former: Option<&Store>) -> Result<DecoyKey, Mistake> {
    let Some(value) = value else {
        if let Some(former) = former {
            return Ok(former.decoys.key().clone());
        }
        return DecoyKey::generate().map_err(|error| error.to_string().into());
    };
    let key = value.as_str().and_then(unhex::<32>);
    key.map(DecoyKey::from_bytes)
        .ok_or_else(|| Mistake::of("decoy_key", "must be a key of 64 hexadecimal digits"))
}
