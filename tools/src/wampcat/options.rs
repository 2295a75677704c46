//! The options of the connection, put together: the command line before the environment before the
//! profile before what is so without a word. What they mean is left to the library.

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use wamp_tools::Failure;

use crate::cli::{Global, Login, Router, Tls};
use crate::profile;

/// The router that wampd is, where nothing is said.
pub const URL: &str = "ws://127.0.0.1:8080/ws";
const REALM: &str = "realm1";
const TIMEOUT: f64 = 30.0;

/// Variables that hold secrets, which commands shall not inherit.
pub const SECRET_VARIABLES: &[&str] = &["WAMPCAT_TICKET", "WAMPCAT_SECRET", "WAMPCAT_PRIVKEY"];

/// The time for which a connection is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// For one thing: no retries.
    Once,
    /// Until it is interrupted.
    Listening,
}

/// The options that a connection is made with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Connection options, as docs/OPTIONS.md has them.
    pub options: Map<String, Value>,
    /// The limit for connecting, and for each answer.
    pub timeout: Option<Duration>,
    /// The time for which the connection is wanted.
    pub lasting: Lasting,
}

/// Puts together what a connection is made with.
pub fn settings(global: &Global, lasting: Lasting) -> Result<Settings, Failure> {
    let mut options = profile::load(global.router.profile.as_deref())?;
    let timeout = global.router.timeout.unwrap_or(TIMEOUT);
    let timeout = (timeout > 0.0).then(|| Duration::from_secs_f64(timeout));
    router(&mut options, &global.router)?;
    tls(&mut options, &global.tls)?;
    login(&mut options, &global.login)?;
    if global.output.messages {
        options.insert("trace".to_owned(), true.into());
    }
    // Without a limit a day has to do: the library wants a number.
    let connect = timeout.map_or(86_400.0, |limit| limit.as_secs_f64());
    options.entry("connect_timeout").or_insert(connect.into());
    match lasting {
        Lasting::Once if !global.router.wait => {
            options.insert("max_retries".to_owned(), 0.into());
        }
        Lasting::Once | Lasting::Listening => {
            options.entry("max_retries").or_insert((-1).into());
            options.entry("initial_retry_delay").or_insert(1.0.into());
            options.entry("max_retry_delay").or_insert(30.into());
            if global.router.wait {
                options.insert("retry_if_unreachable".to_owned(), true.into());
            }
        }
    }
    Ok(Settings { options, timeout, lasting })
}

fn router(options: &mut Map<String, Value>, router: &Router) -> Result<(), Failure> {
    if router.url.is_some() {
        options.remove("transports");
    }
    put(options, "url", router.url.as_deref());
    if !options.contains_key("transports") {
        options.entry("url").or_insert(URL.into());
    }
    put(options, "realm", router.realm.as_deref());
    options.entry("realm").or_insert(REALM.into());
    if !router.serializer.is_empty() {
        options.insert("serializers".to_owned(), json!(router.serializer));
    }
    if router.compress {
        options.insert("permessage_deflate".to_owned(), true.into());
    }
    for header in &router.header {
        let Some((name, value)) = header.split_once(':') else {
            return Err(Failure::usage(format!("--header {header}: must be 'Name: value'")));
        };
        let headers = options.entry("headers").or_insert_with(|| json!({}));
        headers[name.trim()] = value.trim().into();
    }
    match router.proxy.as_deref() {
        Some("none") => drop(options.insert("proxy".to_owned(), false.into())),
        proxy => put(options, "proxy", proxy),
    }
    for set in &router.set {
        let (name, value) = assignment("--set", set)?;
        options.insert(name, value);
    }
    Ok(())
}

fn tls(options: &mut Map<String, Value>, tls: &Tls) -> Result<(), Failure> {
    let mut given = Map::new();
    put(&mut given, "ca", tls.ca.as_deref());
    put(&mut given, "cert", tls.cert.as_deref());
    put(&mut given, "key", tls.key.as_deref());
    put(&mut given, "server_name", tls.server_name.as_deref());
    put(&mut given, "min_version", tls.min_tls.as_deref());
    if !tls.pin.is_empty() {
        given.insert("pins".to_owned(), json!(tls.pin));
    }
    if tls.no_verify {
        given.insert("verify".to_owned(), false.into());
    }
    if given.is_empty() {
        return Ok(());
    }
    let all = options.entry("tlsConfiguration").or_insert_with(|| json!({}));
    let Value::Object(all) = all else {
        return Err(Failure::usage("the profile's tlsConfiguration must be a JSON object"));
    };
    all.append(&mut given);
    Ok(())
}

fn login(options: &mut Map<String, Value>, login: &Login) -> Result<(), Failure> {
    if login.anonymous {
        for name in ["authid", "ticket", "secret", "privkey"] {
            options.remove(name);
        }
        options.insert("authmethods".to_owned(), json!(["anonymous"]));
        return Ok(());
    }
    put(options, "authid", login.authid.as_deref());
    if !login.authmethod.is_empty() {
        options.insert("authmethods".to_owned(), json!(login.authmethod));
    }
    for (name, file) in [("ticket", &login.ticket_file), ("secret", &login.secret_file)] {
        let variable = format!("WAMPCAT_{}", name.to_uppercase());
        let secret = match file {
            Some(file) => Some(secret_in(file)?),
            None => env::var(variable).ok().filter(|secret| !secret.is_empty()),
        };
        put(options, name, secret.as_deref());
    }
    let key = match &login.privkey_file {
        Some(file) => Some(path_text(file)?.to_owned()),
        None => env::var("WAMPCAT_PRIVKEY").ok().filter(|key| !key.is_empty()),
    };
    put(options, "privkey", key.as_deref());
    if login.ask {
        ask(options)?;
    }
    put(options, "router_key", login.router_key.as_deref());
    put(options, "channel_binding", login.channel_binding.as_deref());
    if login.scram_raw {
        options.insert("scram_raw".to_owned(), true.into());
    }
    if let Some(extra) = &login.authextra {
        let extra: Map<String, Value> = serde_json::from_str(extra)
            .map_err(|error| Failure::usage(format!("--authextra: not a JSON object: {error}")))?;
        options.insert("authextra".to_owned(), extra.into());
    }
    Ok(())
}

/// The first line of a file, which most editors end.
fn secret_in(file: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(line.to_owned()),
        None => Err(Failure::usage(format!("the first line of {} is empty", file.display()))),
    }
}

fn path_text(file: &Path) -> Result<&str, Failure> {
    if let Err(error) = fs::metadata(file) {
        return Err(Failure::usage(format!("cannot read {}: {error}", file.display())));
    }
    let text = file.to_str();
    text.ok_or_else(|| Failure::usage(format!("{} is not UTF-8", file.display())))
}

fn ask(options: &mut Map<String, Value>) -> Result<(), Failure> {
    let is_ticket = options.get("authmethods") == Some(&json!(["ticket"]));
    let name = if is_ticket { "ticket" } else { "secret" };
    let words = if is_ticket { "Ticket: " } else { "Password: " };
    let secret = rpassword::prompt_password(words)
        .map_err(|error| Failure::usage(format!("--ask needs a terminal: {error}")))?;
    options.insert(name.to_owned(), secret.into());
    Ok(())
}

fn put(options: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        options.insert(name.to_owned(), value.into());
    }
}

/// The name and the value, JSON or a text, of `name=value`.
pub fn assignment(option: &str, text: &str) -> Result<(String, Value), Failure> {
    let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(Failure::usage(format!("{option} {text}: must be name=value")));
    };
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}

/// Options of a request, each `name=value`.
pub fn request(given: &[String]) -> Result<Map<String, Value>, Failure> {
    given.iter().map(|text| assignment("--option", text)).collect()
}
