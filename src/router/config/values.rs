//! Values of the router's options: checked, and told what is wrong with them.

use std::time::Duration;

use serde_json::Value;

use crate::os;
use crate::protocol::uri::{self, Match};
use crate::router::asking::Dispatch;
use crate::router::mistake::{Mistake, object};
use crate::router::networks::Networks;
use crate::transport::tls::{Acceptor, ClientCa};

pub(super) fn flag(value: &Value) -> Result<bool, Mistake> {
    value.as_bool().ok_or_else(|| "must be true or false".into())
}

pub(super) fn seconds(value: &Value) -> Result<Duration, Mistake> {
    value
        .as_f64()
        .filter(|seconds| *seconds > 0.0 && *seconds <= 86_400.0)
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "must be a number of seconds, above 0 and up to 86400".into())
}

/// A size in bytes.
pub(super) fn size(value: &Value) -> Result<usize, Mistake> {
    count(value, 1024, "bytes")
}

/// A number of `things`, `least` or more.
pub(super) fn count(value: &Value, least: usize, things: &str) -> Result<usize, Mistake> {
    value
        .as_u64()
        .map(os::addressable)
        .filter(|count| *count >= least)
        .ok_or_else(|| format!("must be a number of {things}, {least} or more").into())
}

pub(super) fn realms(value: &Value) -> Result<Vec<String>, Mistake> {
    let names = value.as_array().ok_or("must be a list of realm names")?;
    if names.is_empty() {
        let why = "an empty list admits no client; without this option any realm is created";
        return Err(why.into());
    }
    let read = |(index, name): (usize, &Value)| {
        let name =
            name.as_str().ok_or_else(|| Mistake::from("must be a realm's name").at(index))?;
        uri::check(name, Match::Exact)
            .map_err(|error| Mistake::from(format!("\"{name}\": {error}")).at(index))?;
        Ok(name.to_owned())
    };
    names.iter().enumerate().map(read).collect()
}

/// A list of strings that is not empty.
pub(super) fn texts(value: &Value, wanted: &str) -> Result<Vec<String>, Mistake> {
    let list = value.as_array().filter(|list| !list.is_empty()).ok_or(wanted)?;
    let read = |(index, text): (usize, &Value)| {
        let text = text.as_str().ok_or_else(|| Mistake::from("must be a string").at(index))?;
        Ok(text.to_owned())
    };
    list.iter().enumerate().map(read).collect()
}

pub(super) fn networks(value: &Value) -> Result<Networks, Mistake> {
    let wanted = "must be an address, or a network such as \"10.0.0.0/8\"";
    let list = value.as_array().ok_or("must be a list of addresses and networks")?;
    let texts = list.iter().map(|text| text.as_str().unwrap_or_default());
    Networks::parse(texts).map_err(|index| Mistake::from(wanted).at(index))
}

/// The callers and the publishers that are always disclosed.
pub(super) fn disclose(value: &Value) -> Result<(bool, bool), Mistake> {
    let wanted = "must be {\"caller\": true or false, \"publisher\": true or false}";
    let entries = object(value, &["caller", "publisher"], wanted)?;
    let wants = |key: &str| match entries.get(key) {
        None => Ok(false),
        Some(value) => flag(value).map_err(|mistake| mistake.within(key)),
    };
    Ok((wants("caller")?, wants("publisher")?))
}

pub(super) fn dispatch(value: &Value) -> Result<Dispatch, Mistake> {
    match value.as_str() {
        Some("thread") => Ok(Dispatch::Thread),
        Some("manual") => Ok(Dispatch::Manual),
        Some("inline") => Ok(Dispatch::Inline),
        _ => Err("must be \"thread\", \"manual\" or \"inline\"".into()),
    }
}

pub(super) fn tls(value: &Value) -> Result<Acceptor, Mistake> {
    let known = ["cert", "key", "client_ca", "client_cert"];
    let entries = object(value, &known, "must be an object with \"cert\" and \"key\"")?;
    let pem = |key: &str| match entries.get(key) {
        None => Ok(None),
        Some(value) => match value.as_str() {
            Some(text) => Ok(Some(text)),
            None => Err(Mistake::of(key, "must be a PEM text or a path")),
        },
    };
    let [cert, key, client_ca] = [pem("cert")?, pem("key")?, pem("client_ca")?];
    let cert = cert.ok_or("\"cert\" is missing")?;
    let key = key.ok_or("\"key\" is missing")?;
    let is_optional = match entries.get("client_cert").map(|value| value.as_str()) {
        None | Some(Some("required")) => false,
        Some(Some("optional")) => true,
        Some(_) => return Err(Mistake::of("client_cert", "must be \"required\" or \"optional\"")),
    };
    if client_ca.is_none() && entries.contains_key("client_cert") {
        return Err(Mistake::of("client_cert", "is only for those with \"client_ca\""));
    }
    let client_ca = client_ca.map(|pem| ClientCa { pem, is_optional });
    Acceptor::new(cert, key, client_ca).map_err(Mistake::told)
}
