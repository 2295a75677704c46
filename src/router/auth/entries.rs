//! Entries of the configuration, read with errors that name them.

use serde_json::{Map, Value};

pub(super) fn text<'a>(entries: &'a Map<String, Value>, key: &str) -> Result<&'a str, String> {
    optional_text(entries, key)?.ok_or_else(|| format!("\"{key}\" is missing"))
}

pub(super) fn optional_text<'a>(
    entries: &'a Map<String, Value>,
    key: &str,
) -> Result<Option<&'a str>, String> {
    match entries.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("\"{key}\" must be a string")),
    }
}

pub(super) fn number(entries: &Map<String, Value>, key: &str) -> Result<Option<u64>, String> {
    match entries.get(key) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(format!("\"{key}\" must be a whole number")),
        },
    }
}
