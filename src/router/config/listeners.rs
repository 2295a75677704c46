//! The settings of single listeners: the option `listeners`.
//!
//! The realms, roles and methods that a listener allows are those of the whole configuration, less
//! the others; the rest takes the place of the option with the same name.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::router::auth::{METHODS, Method, Store};
use crate::router::mistake::{Mistake, nearest, object};
use crate::router::networks::Networks;
use crate::router::origin::AllowedOrigins;
use crate::transport::tls::Acceptor;
use crate::transport::{Endpoint, Protocol};

use super::Config;
use super::values::{networks, realms, texts, tls};

/// The settings of one listener; those that are absent are those of the router.
#[derive(Debug)]
pub(in crate::router) struct ListenerSettings {
    /// The place to listen at.
    pub(in crate::router) endpoint: Endpoint,
    /// The only realms that clients may join.
    pub(in crate::router) realms: Option<Vec<String>>,
    /// The only roles that they may have.
    pub(in crate::router) roles: Option<Vec<String>>,
    /// The only methods by which they may prove who they are.
    pub(in crate::router) methods: Option<Vec<String>>,
    pub(in crate::router) auth: Option<Arc<Store>>,
    pub(in crate::router) tls: Option<Acceptor>,
    pub(in crate::router) allowed_origins: Option<AllowedOrigins>,
    pub(in crate::router) trusted_proxies: Option<Networks>,
}

const KEYS: [&str; 8] =
    ["url", "realms", "roles", "methods", "auth", "tls", "allowed_origins", "trusted_proxies"];

/// Reads the place to listen at.
pub(in crate::router) fn endpoint(url: &str) -> Result<Endpoint, String> {
    let endpoint = Endpoint::parse(url)?;
    match &endpoint.protocol {
        Protocol::WebSocket { path } if path.contains('?') => {
            Err(format!("\"{url}\": leave out what follows the '?'"))
        }
        _ => Ok(endpoint),
    }
}

/// Reads the option. Users look to strangers as they did by the `former` configuration.
pub(super) fn parse(
    value: &Value,
    former: Option<&Config>,
) -> Result<Vec<Arc<ListenerSettings>>, Mistake> {
    let list = value.as_array().ok_or("must be a list of {\"url\", ...}")?;
    let mut listeners: Vec<Arc<ListenerSettings>> = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let listener = one(value, former).map_err(|mistake| mistake.at(index))?;
        if listeners.iter().any(|other| other.endpoint.is_at(&listener.endpoint)) {
            let why = format!("\"{}\" is listed twice", listener.endpoint);
            return Err(Mistake::of("url", why).at(index));
        }
        listeners.push(Arc::new(listener));
    }
    Ok(listeners)
}

fn one(value: &Value, former: Option<&Config>) -> Result<ListenerSettings, Mistake> {
    let entries = object(value, &KEYS, "must be an object with a \"url\"")?;
    let url = entries.get("url").ok_or("\"url\" is missing")?;
    let url = url.as_str().ok_or_else(|| Mistake::of("url", "must be a string"))?;
    let endpoint = endpoint(url).map_err(|why| Mistake::of("url", why))?;
    let former = former.and_then(|former| former.at_endpoint(Some(&endpoint)).users());
    Ok(ListenerSettings {
        realms: read(entries, "realms", realms)?,
        roles: read(entries, "roles", roles)?,
        methods: read(entries, "methods", methods)?,
        auth: read(entries, "auth", |value| {
            Store::parse(value, former.map(|former| &**former)).map(Arc::new)
        })?,
        tls: read(entries, "tls", tls)?,
        allowed_origins: read(entries, "allowed_origins", AllowedOrigins::parse)?,
        trusted_proxies: read(entries, "trusted_proxies", networks)?,
        endpoint,
    })
}

fn read<T>(
    entries: &Map<String, Value>,
    key: &str,
    read: impl FnOnce(&Value) -> Result<T, Mistake>,
) -> Result<Option<T>, Mistake> {
    entries.get(key).map(read).transpose().map_err(|mistake| mistake.within(key))
}

fn roles(value: &Value) -> Result<Vec<String>, Mistake> {
    texts(value, "must be a list of roles, of which there is at least one")
}

fn methods(value: &Value) -> Result<Vec<String>, Mistake> {
    let names = texts(value, "must be a list of methods such as \"anonymous\" and \"ticket\"")?;
    let known: Vec<_> = METHODS.map(Method::name).into_iter().chain(["anonymous"]).collect();
    match names.iter().position(|name| !known.contains(&name.as_str())) {
        None => Ok(names),
        Some(index) => {
            let (name, nearest) = (&names[index], nearest(&names[index], &known, "they are"));
            Err(Mistake::from(format!("\"{name}\" is no such method; {nearest}")).at(index))
        }
    }
}

/// Looks for what cannot be together with the rest of the configuration, once all of it is read.
pub(super) fn check(config: &Config) -> Result<(), Mistake> {
    for (index, listener) in config.listeners.iter().enumerate() {
        let checked = check_one(config, listener);
        checked.map_err(|mistake| mistake.at(index).within("listeners"))?;
    }
    let mut terms = config.listeners.iter().map(|own| config.at_endpoint(Some(&own.endpoint)));
    let asks = |tls: Option<&Acceptor>| tls.is_some_and(Acceptor::asks_for_certificate);
    let wants = config.auth.as_ref().is_some_and(|auth| auth.has(Method::Tls));
    if wants && !asks(config.tls.as_ref()) && !terms.any(|terms| asks(terms.tls())) {
        return Err(no_certificates().within("tls").within("auth"));
    }
    Ok(())
}

fn check_one(config: &Config, listener: &ListenerSettings) -> Result<(), Mistake> {
    let terms = config.at_endpoint(Some(&listener.endpoint));
    if listener.endpoint.is_secure() && terms.tls().is_none() {
        let why = format!("\"tls\" is missing, which is needed to listen on {}", listener.endpoint);
        return Err(why.into());
    }
    let wants = listener.auth.as_ref().is_some_and(|auth| auth.has(Method::Tls));
    if wants && !terms.tls().is_some_and(Acceptor::asks_for_certificate) {
        return Err(no_certificates().within("tls").within("auth"));
    }
    if let Some(all) = &config.realms {
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        only(listener.realms.as_deref(), &all, "realm").map_err(|why| why.within("realms"))?;
    }
    if let Some(all) = &config.roles {
        let all: Vec<_> = all.names().collect();
        only(listener.roles.as_deref(), &all, "role").map_err(|why| why.within("roles"))?;
    }
    match (terms.users(), &listener.methods) {
        (Some(users), Some(methods)) => {
            let has = |name: &String| match Method::parse(name) {
                Some(method) => users.has(method),
                None => users.admits_anonymous(),
            };
            match methods.iter().position(|name| !has(name)) {
                None => Ok(()),
                Some(index) => {
                    let why = format!("{} is not configured in \"auth\"", methods[index]);
                    Err(Mistake::from(why).at(index).within("methods"))
                }
            }
        }
        _ => Ok(()),
    }
}

fn no_certificates() -> Mistake {
    "needs \"client_ca\" in \"tls\", without which no client shows a certificate".into()
}

/// Refuses names that the whole configuration does not have.
fn only(listed: Option<&[String]>, all: &[&str], what: &str) -> Result<(), Mistake> {
    let listed = listed.unwrap_or_default();
    match listed.iter().position(|name| !all.contains(&name.as_str())) {
        None => Ok(()),
        Some(index) => {
            let nearest = nearest(&listed[index], all, &format!("the {what}s are"));
            let why = format!("there is no {what} \"{}\"; {nearest}", listed[index]);
            Err(Mistake::from(why).at(index))
        }
    }
}
