//! The rights of roles: the configuration's key `roles`.
//!
//! `{"user": [{"uri": "com.myapp.", "match": "prefix", "allow": {"call": true}}]}` lets users call
//! those procedures and do nothing else. The most specific entry counts: an exact one before the
//! longest prefix, that before a wildcard. A pattern needs the right to everything that it matches.
//! Without the key everybody may do everything.
//!
//! Instead of the list a role may have `{"permissions": list, "authorizer": procedure, "realm":
//! name}`: what the permissions allow, all without them, is asked about by
//! [`super::authorization`].
//!
//! The meaning of entries for URIs and patterns is left to [`super::rights`].

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::protocol::uri::{self, Match};

use super::mistake::{Mistake, nearest, object};
use super::pattern::Table;
use super::procedure::Procedure;
use super::request::{Fault, check_components};
use super::rights::{ACTIONS, Allowed, Denied, Rights};

pub(super) use super::rights::Action;

/// The rights of all roles.
#[derive(Debug)]
pub(super) struct Roles(HashMap<String, Role>);

/// A role.
#[derive(Debug, Default)]
struct Role {
    permissions: Permissions,
    authorizer: Option<Arc<Procedure>>,
}

/// The rights of one role.
#[derive(Debug, Clone, Default)]
pub(super) struct Permissions(Option<Arc<Rights>>);

/// A topic or procedure, or a pattern of them, that the router can tell of.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) kind: Kind,
    pub(super) uri: Arc<str>,
    pub(super) matching: Match,
}

/// The kind of a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Procedure,
    Topic,
}

impl Roles {
    /// Reads the value of `roles`.
    pub(super) fn parse(value: &Value) -> Result<Roles, Mistake> {
        let roles = value.as_object().ok_or("must be an object of roles")?;
        let read = |(name, value): (&String, &Value)| {
            let role = Role::parse(value).map_err(|mistake| mistake.within(name))?;
            Ok((name.clone(), role))
        };
        roles.iter().map(read).collect::<Result<_, Mistake>>().map(Roles)
    }

    /// The rights of a role; one that is not listed may do nothing.
    pub(super) fn permissions(&self, role: &str) -> Permissions {
        self.0.get(role).map_or_else(Permissions::nothing, |role| role.permissions.clone())
    }

    /// True if a role may do everything, unasked.
    pub(super) fn allow_everything(&self, role: &str) -> bool {
        self.0.get(role).is_some_and(|role| {
            let may = |action| role.permissions.check_all(action, "", Match::Prefix).is_ok();
            role.authorizer.is_none() && ACTIONS.into_iter().all(may)
        })
    }

    /// The names of the roles that are listed.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The procedure that is asked about requests of a role.
    pub(super) fn authorizer(&self, role: &str) -> Option<Arc<Procedure>> {
        self.0.get(role)?.authorizer.clone()
    }
}

impl Role {
    /// Reads a list of permissions, or `{"permissions", "authorizer", "realm"}`.
    fn parse(value: &Value) -> Result<Role, Mistake> {
        if !value.is_object() {
            return Ok(Role { permissions: permissions(value)?, authorizer: None });
        }
        let wanted = "must be a list of permissions, or an object with an \"authorizer\"";
        let entries = object(value, &["permissions", "authorizer", "realm"], wanted)?;
        let authorizer = Procedure::parse(entries, "authorizer")?.map(Arc::new);
        let permissions = match entries.get("permissions") {
            Some(list) => permissions(list).map_err(|mistake| mistake.within("permissions"))?,
            // All is for the authorizer to decide.
            None if authorizer.is_some() => Permissions::default(),
            None => return Err("\"permissions\" is missing".into()),
        };
        Ok(Role { permissions, authorizer })
    }
}

impl Permissions {
    /// The right to nothing at all.
    pub(super) fn nothing() -> Permissions {
        Permissions(Some(Arc::default()))
    }

    /// Refuses what is not allowed.
    #[inline]
    pub(super) fn check(&self, action: Action, uri: &str) -> Result<(), Fault> {
        match &self.0 {
            None => Ok(()),
            Some(rights) => check(rights, action, uri),
        }
    }

    /// Refuses a pattern unless everything that it matches is allowed.
    pub(super) fn check_all(
        &self,
        action: Action,
        uri: &str,
        matching: Match,
    ) -> Result<(), Fault> {
        match &self.0 {
            None => Ok(()),
            Some(rights) if matching == Match::Exact => check(rights, action, uri),
            Some(rights) => rights
                .check_all(action, uri, matching)
                .map_err(|denied| refused(action, uri, matching, denied)),
        }
    }

    /// True if the role may know of a topic or procedure: it may do one of the two things that
    /// can be done with it. A pattern is seen by the right to what it matches in general: it tells
    /// nothing of the names that a narrower entry denies.
    pub(super) fn sees(&self, kind: Kind, uri: &str, matching: Match) -> bool {
        let actions = match kind {
            Kind::Procedure => [Action::Call, Action::Register],
            Kind::Topic => [Action::Subscribe, Action::Publish],
        };
        self.0.as_ref().is_none_or(|rights| {
            actions.into_iter().any(|action| rights.allow_typical(action, uri, matching))
        })
    }
}

impl Subject {
    /// True if somebody with these rights may know of it.
    pub(super) fn is_seen_with(&self, permissions: &Permissions) -> bool {
        permissions.sees(self.kind, &self.uri, self.matching)
    }
}

fn check(rights: &Rights, action: Action, uri: &str) -> Result<(), Fault> {
    if rights.allow(action, uri) {
        return Ok(());
    }
    let why = format!("this role may not {} \"{uri}\"", action.name());
    Err(Fault::refused(uri::NOT_AUTHORIZED, why))
}

/// Names nothing but the pattern itself, for other names may be what is to be kept secret.
fn refused(action: Action, uri: &str, matching: Match, denied: Denied) -> Fault {
    let verb = match action {
        Action::Subscribe => "subscribe to",
        other => other.name(),
    };
    let why = match denied {
        Denied::Some => "choose a narrower pattern, or have the role allowed all of it",
        Denied::TooMuchWork => {
            "it meets too many entries of the role to tell; choose a narrower or shorter pattern"
        }
    };
    let pattern = format!("\"{uri}\" (match {})", matching.name());
    let why = format!("this role may not {verb} everything that {pattern} matches: {why}");
    Fault::refused(uri::NOT_AUTHORIZED, why)
}

fn permissions(list: &Value) -> Result<Permissions, Mistake> {
    Ok(Permissions(Some(Arc::new(table(list)?.into()))))
}

fn table(list: &Value) -> Result<Table<Allowed>, Mistake> {
    let mut table = Table::default();
    let wanted = "must be a list of {\"uri\", \"match\", \"allow\"}";
    for (index, entry) in list.as_array().ok_or(wanted)?.iter().enumerate() {
        add_entry(&mut table, entry).map_err(|mistake| mistake.at(index))?;
    }
    Ok(table)
}

fn add_entry(table: &mut Table<Allowed>, entry: &Value) -> Result<(), Mistake> {
    let wanted = "must be an object with \"uri\" and \"allow\"";
    let entry = object(entry, &["uri", "match", "allow"], wanted)?;
    let uri = entry.get("uri").ok_or("\"uri\" is missing")?;
    let uri = uri.as_str().ok_or_else(|| Mistake::of("uri", "must be a string"))?;
    let matching = match entry.get("match") {
        None => Match::Exact,
        Some(name) => matching(name).map_err(|mistake| mistake.within("match"))?,
    };
    uri::check(uri, matching).map_err(|error| Mistake::of("uri", format!("\"{uri}\": {error}")))?;
    check_components(uri, matching).map_err(|why| Mistake::of("uri", why))?;
    if table.find(uri, matching).is_some() {
        return Err(Mistake::of("uri", format!("\"{uri}\" is listed twice")));
    }
    let allow = entry.get("allow").ok_or("\"allow\" is missing")?;
    let allowed = allowed(allow).map_err(|mistake| mistake.within("allow"))?;
    table.insert(uri, matching, allowed);
    Ok(())
}

fn matching(value: &Value) -> Result<Match, Mistake> {
    let known = ["exact", "prefix", "wildcard"];
    let name = value.as_str().ok_or("must be \"exact\", \"prefix\" or \"wildcard\"")?;
    Match::parse(name).ok_or_else(|| {
        let nearest = nearest(name, &known, "it can be");
        format!("\"{name}\" is no way of matching; {nearest}").into()
    })
}

fn allowed(value: &Value) -> Result<Allowed, Mistake> {
    let known = ACTIONS.map(Action::name);
    let wanted = "must be {\"call\", \"register\", \"publish\", \"subscribe\": true or false}";
    let mut allowed = Allowed::default();
    for (name, value) in object(value, &known, wanted)? {
        let may = value.as_bool().ok_or_else(|| Mistake::of(name, "must be true or false"))?;
        if let Some(at) = known.iter().position(|action| action == name) {
            allowed[at] = may;
        }
    }
    Ok(allowed)
}
