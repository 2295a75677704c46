//! The rights of roles: the configuration's key `roles`.
//!
//! `{"user": [{"uri": "com.myapp.", "match": "prefix", "allow": {"call": true}}]}` lets users call
//! those procedures and do nothing else. The most specific entry counts: an exact one before the
//! longest prefix, that before a wildcard. A pattern needs the right to everything that it matches.
//! Without the key everybody may do everything.
//!
//! The meaning of entries for URIs and patterns is left to [`super::rights`].

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::protocol::uri::{self, Match};

use super::pattern::Table;
use super::request::{Fault, check_components};
use super::rights::{ACTIONS, Allowed, Denied, Rights};

pub(super) use super::rights::Action;

/// The rights of all roles.
#[derive(Debug)]
pub(super) struct Roles(HashMap<String, Permissions>);

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
    pub(super) fn parse(value: &Value) -> Result<Roles, String> {
        let roles = value.as_object().ok_or("must be an object of roles")?;
        let read = |(name, list): (&String, &Value)| {
            let permissions = table(list).map_err(|why| format!("\"{name}\": {why}"))?;
            Ok((name.clone(), Permissions(Some(Arc::new(permissions.into())))))
        };
        roles.iter().map(read).collect::<Result<_, String>>().map(Roles)
    }

    /// The rights of a role; one that is not listed may do nothing.
    pub(super) fn permissions(&self, role: &str) -> Permissions {
        let nothing = || Permissions(Some(Arc::default()));
        self.0.get(role).cloned().unwrap_or_else(nothing)
    }
}

impl Permissions {
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

fn table(list: &Value) -> Result<Table<Allowed>, String> {
    let mut table = Table::default();
    for entry in list.as_array().ok_or("must be a list of {\"uri\", \"match\", \"allow\"}")? {
        let entry = entry.as_object().ok_or("must be a list of {\"uri\", \"match\", \"allow\"}")?;
        if let Some(key) =
            entry.keys().find(|key| !["uri", "match", "allow"].contains(&key.as_str()))
        {
            return Err(format!("\"{key}\" is unknown; the keys are uri, match, allow"));
        }
        let uri = entry.get("uri").and_then(Value::as_str).ok_or("\"uri\" must be a string")?;
        let matching = match entry.get("match") {
            None => Match::Exact,
            Some(name) => name
                .as_str()
                .and_then(Match::parse)
                .ok_or("\"match\" must be exact, prefix or wildcard")?,
        };
        uri::check(uri, matching).map_err(|error| format!("\"{uri}\": {error}"))?;
        check_components(uri, matching)?;
        if table.find(uri, matching).is_some() {
            return Err(format!("\"{uri}\" is listed twice"));
        }
        let wanted =
            "\"allow\" must be {\"call\", \"register\", \"publish\", \"subscribe\": true or false}";
        let mut allowed = Allowed::default();
        for (name, value) in entry.get("allow").and_then(Value::as_object).ok_or(wanted)? {
            let at = ACTIONS.iter().position(|action| action.name() == name).ok_or(wanted)?;
            allowed[at] = value.as_bool().ok_or(wanted)?;
        }
        table.insert(uri, matching, allowed);
    }
    Ok(table)
}
