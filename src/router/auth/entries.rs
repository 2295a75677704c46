//! Entries of the configuration, read with errors that name them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

use crate::auth::unhex;
use crate::router::mistake::Mistake;

/// A JSON value with secrets, which are overwritten when it is dropped.
pub(in crate::router) struct SecretValue(pub(in crate::router) Value);

impl Drop for SecretValue {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(entries) => entries.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Reads the users of a method from a file.
pub(super) fn users_file(path: &str) -> Result<SecretValue, Mistake> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| format!("cannot read the file \"{path}\": {error}"))?;
    serde_json::from_str(&text)
        .map(SecretValue)
        .map_err(|error| format!("the file \"{path}\" is not JSON: {}", told(&error)).into())
}

/// The place and kind of an error, without what stands there: that may be a secret.
fn told(error: &serde_json::Error) -> String {
    let kind = if error.is_eof() { "it ends too early" } else { "a syntax error" };
    format!("{kind} in line {}, column {}", error.line(), error.column())
}

/// The text of the second key, where it replaces the first.
pub(super) fn either<'a>(
    entries: &'a Map<String, Value>,
    plain: &str,
    hashed: &str,
) -> Result<Option<&'a str>, Mistake> {
    match (entries.contains_key(plain), optional_text(entries, hashed)?) {
        (true, Some(_)) => {
            Err(Mistake::of(hashed, format!("replaces \"{plain}\": leave that out")))
        }
        (_, hashed) => Ok(hashed),
    }
}

/// Refuses a key that means nothing without another.
pub(super) fn needs(entries: &Map<String, Value>, key: &str, other: &str) -> Result<(), Mistake> {
    match entries.contains_key(key) && !entries.contains_key(other) {
        true => Err(Mistake::of(key, format!("is only for those with \"{other}\""))),
        false => Ok(()),
    }
}

/// The salt of a stored hash.
pub(super) fn salt_bytes(entries: &Map<String, Value>) -> Result<Vec<u8>, Mistake> {
    let salt = STANDARD.decode(text(entries, "salt")?).ok();
    salt.filter(|salt| salt.len() >= 8).ok_or_else(|| {
        Mistake::of("salt", "must be base64 of 8 bytes or more, as clients are told it")
    })
}

/// A key of 32 bytes.
pub(super) fn key_bytes(text: &str, key: &str) -> Result<Zeroizing<[u8; 32]>, Mistake> {
    let decoded = || {
        let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
        <[u8; 32]>::try_from(&bytes[..]).ok()
    };
    let bytes = unhex(text).or_else(decoded).map(Zeroizing::new);
    bytes.ok_or_else(|| Mistake::of(key, "must be 32 bytes, in base64 or hexadecimal digits"))
}

pub(super) fn text<'a>(entries: &'a Map<String, Value>, key: &str) -> Result<&'a str, Mistake> {
    optional_text(entries, key)?.ok_or_else(|| format!("\"{key}\" is missing").into())
}

pub(super) fn optional_text<'a>(
    entries: &'a Map<String, Value>,
    key: &str,
) -> Result<Option<&'a str>, Mistake> {
    match entries.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Mistake::of(key, "must be a string")),
    }
}

pub(super) fn number(entries: &Map<String, Value>, key: &str) -> Result<Option<u64>, Mistake> {
    match entries.get(key) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(Mistake::of(key, "must be a whole number")),
        },
    }
}
