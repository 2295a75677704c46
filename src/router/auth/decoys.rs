//! Decoys for the names that nobody has: which user each of them resembles.
//!
//! The model of a name is drawn by a keyed hash, so that it is always the same, and names have the
//! methods, roles and costs that users have, in the same proportions. Users that look alike stand
//! together, so that hardly a name gets another model when users come and go.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::auth::scram_router::Stored;
use crate::auth::ticket::{Ticket, TicketHash};
use crate::auth::{DecoyKey, cra};

use super::principal::{Key, Method, Principal, scram_salt};

/// The users, by method and authid.
pub(super) type Users = HashMap<Method, HashMap<String, Arc<Principal>>>;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Decoys {
    key: DecoyKey,
    /// All users, those that look alike together.
    models: Vec<String>,
    /// The same for each method.
    by_method: HashMap<Method, Vec<String>>,
    /// The salts of more than one user, with which a decoy is in good company.
    common_salts: BTreeSet<String>,
}

impl Decoys {
    /// The decoys among these users.
    pub(super) fn new(key: DecoyKey, users: &Users) -> Decoys {
        let mut shapes = BTreeMap::<&str, BTreeMap<Method, String>>::new();
        let mut by_method = HashMap::new();
        let mut salts = BTreeMap::<&str, u32>::new();
        for (method, users) in users {
            let mut alike = BTreeSet::new();
            for (authid, principal) in users {
                let shape = principal.shape();
                alike.insert((shape.clone(), authid));
                shapes.entry(authid).or_default().insert(*method, shape);
                if let Key::Cra(_, Some(salt)) = &principal.key {
                    *salts.entry(&salt.salt).or_default() += 1;
                }
            }
            by_method.insert(*method, alike.into_iter().map(|(_, name)| name.clone()).collect());
        }
        let models: BTreeSet<_> = shapes.into_iter().map(|(name, shape)| (shape, name)).collect();
        let common = salts.into_iter().filter(|(_, users)| *users > 1);
        Decoys {
            key,
            models: models.into_iter().map(|(_, name)| name.to_owned()).collect(),
            by_method,
            common_salts: common.map(|(salt, _)| salt.to_owned()).collect(),
        }
    }

    /// The key that all of them follow from.
    pub(super) fn key(&self) -> &DecoyKey {
        &self.key
    }

    /// The user that a name resembles; `None` where there are no users.
    pub(super) fn model(&self, authid: &str) -> Option<&str> {
        let place = self.key.place("model", authid, self.models.len());
        self.models.get(place).map(String::as_str)
    }

    /// The decoy of a name. `None` where nobody has the method.
    pub(super) fn principal(
        &self,
        users: &Users,
        method: Method,
        authid: &str,
    ) -> Option<Principal> {
        let users = users.get(&method)?;
        let model = self.model(authid).and_then(|name| users.get(name));
        let named = self.by_method.get(&method)?;
        // Asked of everybody, so that it takes everybody's time.
        let place = self.key.place(method.name(), authid, named.len());
        let model = model.or_else(|| users.get(named.get(place)?))?;
        Some(self.like(model, authid))
    }

    /// A principal that is challenged as the model is, and whose secret nobody has. Public keys
    /// and certificates need no decoys, since only those of their owners are judged.
    pub(super) fn like(&self, model: &Principal, authid: &str) -> Principal {
        let key = match &model.key {
            Key::Ticket(Ticket::Plain(_)) => {
                Key::Ticket(Ticket::Plain(self.key.secret("ticket", authid)))
            }
            Key::Ticket(Ticket::Hashed(ticket)) => {
                let (salt, hash) = (ticket.salt.clone(), self.key.key("ticket hash", authid));
                let decoy = TicketHash { kdf: ticket.kdf, salt, hash };
                Key::Ticket(Ticket::Hashed(Box::new(decoy)))
            }
            Key::Cra(_, salt) => {
                let salt = salt.as_ref().map(|salt| self.cra_salt(salt, authid));
                Key::Cra(self.key.secret("wampcra", authid), salt)
            }
            Key::Scram(profile, stored) => {
                let salt = self.key.bytes(scram_salt(*profile), authid, stored.salt.len());
                let decoy = Stored {
                    kdf: stored.kdf,
                    salt: salt.to_vec(),
                    stored_key: *self.key.key("stored key", authid),
                    server_key: self.key.key("server key", authid),
                };
                Key::Scram(*profile, Box::new(decoy))
            }
            Key::Public(_) => Key::Public(Vec::new()),
            Key::Certificate(_) => Key::Certificate(Vec::new()),
        };
        Principal { role: model.role.clone(), key }
    }

    /// A salt of wampcra that looks like that of the model.
    fn cra_salt(&self, model: &cra::Salt, authid: &str) -> cra::Salt {
        let own = self.key.salt_like(&model.salt, authid);
        let is_common = self.common_salts.contains(&model.salt);
        let salt = if is_common { model.salt.clone() } else { own };
        cra::Salt { salt, ..*model }
    }
}
