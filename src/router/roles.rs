//! The rights of roles: the configuration's key `roles`.
//!
//! `{"user": [{"uri": "com.myapp.", "match": "prefix", "allow": {"call": true}}]}` lets users call
//! those procedures and do nothing else. The most specific entry counts: an exact one before the
//! longest prefix, that before a wildcard. Without the key everybody may do everything.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::protocol::uri::{self, Match};

use super::pattern::Table;
use super::request::Fault;

/// The rights of all roles.
#[derive(Debug)]
pub(super) struct Roles(HashMap<String, Permissions>);

/// The rights of one role.
#[derive(Debug, Clone, Default)]
pub(super) struct Permissions(Option<Arc<Table<Allowed>>>);

/// An action that can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Call,
    Register,
    Publish,
    Subscribe,
}

const ACTIONS: [Action; 4] = [Action::Call, Action::Register, Action::Publish, Action::Subscribe];

/// In the order of [`ACTIONS`].
type Allowed = [bool; 4];

impl Action {
    fn name(self) -> &'static str {
        match self {
            Action::Call => "call",
            Action::Register => "register",
            Action::Publish => "publish",
            Action::Subscribe => "subscribe",
        }
    }
}

impl Roles {
    /// Reads the value of `roles`.
    pub(super) fn parse(value: &Value) -> Result<Roles, String> {
        let roles = value.as_object().ok_or("must be an object of roles")?;
        let read = |(name, list): (&String, &Value)| {
            let permissions = table(list).map_err(|why| format!("\"{name}\": {why}"))?;
            Ok((name.clone(), Permissions(Some(Arc::new(permissions)))))
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
            Some(table) => check(table, action, uri),
        }
    }
}

fn check(table: &Table<Allowed>, action: Action, uri: &str) -> Result<(), Fault> {
    let allowed = table.best(uri).is_some_and(|entry| entry.value[action as usize]);
    if allowed {
        return Ok(());
    }
    let why = format!("this role may not {} \"{uri}\"", action.name());
    Err(Fault::refused(uri::NOT_AUTHORIZED, why))
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
