//! The rights of all roles at present, for sessions that are joined while they change.
//!
//! A session has the number of its role, which is looked up when it joins: what it may do is then
//! an index away. Numbers are never given to another role, so that all sessions of a realm have
//! their new rights at once when it takes over another table.

use std::collections::HashMap;
use std::sync::Arc;

use super::peer::Peer;
use super::roles::{Permissions, Roles};

/// The numbers of the roles that are configured, or have been. 0 is that of all others.
#[derive(Debug, Clone, Default)]
pub(super) struct RoleNumbers(HashMap<String, usize>);

/// See the module's text.
#[derive(Debug, Clone, Default)]
pub(super) struct RoleRights {
    by_number: Arc<[Permissions]>,
    /// Those of roles that have no number here.
    others: Permissions,
}

impl RoleNumbers {
    /// Gives the roles of a configuration their numbers.
    pub(super) fn add(&mut self, roles: Option<&Roles>) {
        for role in roles.into_iter().flat_map(Roles::names) {
            let next = self.0.len() + 1;
            self.0.entry(role.to_owned()).or_insert(next);
        }
    }

    /// The number of a role.
    pub(super) fn number(&self, role: &str) -> usize {
        self.0.get(role).copied().unwrap_or_default()
    }

    /// The rights of all of them by a configuration.
    pub(super) fn rights(&self, roles: Option<&Roles>) -> RoleRights {
        let Some(roles) = roles else {
            return RoleRights::default();
        };
        let others = Permissions::nothing();
        let mut by_number = vec![others.clone(); self.0.len() + 1];
        for (role, number) in &self.0 {
            by_number[*number] = roles.permissions(role);
        }
        RoleRights { by_number: by_number.into(), others }
    }
}

impl RoleRights {
    /// The rights of a client.
    #[inline]
    pub(super) fn of(&self, peer: &Peer) -> &Permissions {
        self.by_number.get(peer.role_number()).unwrap_or(&self.others)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::router::budget::Budget;
    use crate::router::roles::Action;

    fn roles(names: &[&str]) -> Roles {
        let all = [json!({"uri": "a", "allow": {"call": true}})];
        Roles::parse(&names.iter().map(|name| (*name, json!(all))).collect()).unwrap()
    }

    #[test]
    fn numbers_stay() {
        let mut numbers = RoleNumbers::default();
        let (old, new) = (roles(&["a", "b"]), roles(&["b", "c"]));
        numbers.add(Some(&old));
        let (a, b) = (numbers.number("a"), numbers.number("b"));
        let former = numbers.rights(Some(&old));
        numbers.add(Some(&new));
        assert_eq!((numbers.number("a"), numbers.number("b")), (a, b));
        assert_eq!(numbers.number("x"), 0);
        let rights = numbers.rights(Some(&new));
        for (role, [before, after]) in
            [("a", [true, false]), ("b", [true, true]), ("c", [false, true]), ("x", [false; 2])]
        {
            let peer = Peer::new(1, 0, &Budget::new(0));
            peer.has_role(numbers.number(role));
            let may = |rights: &RoleRights| rights.of(&peer).check(Action::Call, "a").is_ok();
            assert_eq!([may(&former), may(&rights)], [before, after], "{role}");
            assert!(may(&numbers.rights(None)), "{role}");
        }
    }
}
