//! What applications write, in JSON: the options of a connection, and the configuration of a router.
//!
//! The first byte tells which of them the rest is. Behind the options, and an empty line, there may
//! be changes of them. Whatever is wrong with it is told without the secrets in it.

use serde_json::{Map, Value};

use wamp::client::options::Options;
use wamp::client::retry::Retry;
use wamp::router::Router;
use wamp::transport::Endpoint;

/// What all secrets are that a seed gives.
const SECRET: &str = "swordfish";

/// See the module's text.
pub fn run(data: &[u8]) {
    let Some((what, Ok(text))) = data.split_first().map(|(first, rest)| (first, text(rest))) else {
        return;
    };
    match what {
        b'o' => options(text),
        b'r' => router(text),
        _ => {}
    }
}

fn text(bytes: &[u8]) -> Result<&str, std::str::Utf8Error> {
    std::str::from_utf8(bytes)
}

fn options(text: &str) {
    let (json, changes) = match text.split_once("\n\n") {
        Some((json, changes)) => (json, Some(changes)),
        None => (text, None),
    };
    let given = Given::read(text, [Some(json), changes]);
    if given.names_devices {
        return;
    }
    let options = match Options::parse(json) {
        Ok(options) => options,
        Err(failure) => return given.are_not_in(&format!("{failure:?}")),
    };
    given.look_at(&options);
    match changes.map(|changes| options.changed(changes)) {
        Some(Ok(changed)) => given.look_at(&changed),
        Some(Err(failure)) => given.are_not_in(&format!("{failure:?}")),
        None => {}
    }
}

fn router(text: &str) {
    let given = Given::read(text, [Some(text), None]);
    if given.names_devices || given.is_costly {
        return;
    }
    match Router::new(Some(text)) {
        Ok(router) => {
            assert_eq!(router.stats(), Default::default());
            given.are_not_in(&format!("{router:?}"));
        }
        Err(error) => given.are_not_in(&format!("{error} {error:?}")),
    }
}

/// What is in the texts that an application gives.
#[derive(Default)]
struct Given {
    /// All texts that have [`SECRET`] in them are secrets.
    has_secrets: bool,
    /// Some of them are headers.
    has_headers: bool,
    /// A file that may have no end.
    names_devices: bool,
    /// Hashes that take long.
    is_costly: bool,
    secrets: usize,
}

impl Given {
    fn read(text: &str, parts: [Option<&str>; 2]) -> Given {
        let mut given = Given::default();
        for part in parts.into_iter().flatten() {
            if let Ok(value) = serde_json::from_str(part) {
                given.walk("", "", &value);
            }
        }
        given.has_secrets = given.secrets > 0 && given.secrets == text.matches(SECRET).count();
        given
    }

    fn walk(&mut self, above: &str, name: &str, value: &Value) {
        match value {
            Value::String(text) => {
                self.names_devices |= ["dev/", "proc/"].iter().any(|part| text.contains(part));
                let found = text.matches(SECRET).count();
                let is_header = above == "headers";
                let is_secret = matches!(name, "ticket" | "secret" | "password");
                let is_login = matches!(name, "url" | "proxy") && is_password(text);
                if is_header || is_secret || is_login {
                    self.secrets += found;
                    self.has_headers |= is_header && found > 0;
                }
            }
            Value::Array(list) => list.iter().for_each(|value| self.walk(name, "", value)),
            Value::Object(object) => {
                self.is_costly |= is_costly(object);
                // What is in `authextra` is for the router to see.
                let own = object.iter().filter(|(key, _)| *key != "authextra");
                own.for_each(|(key, value)| self.walk(name, key, value));
            }
            _ => {}
        }
    }

    fn are_not_in(&self, shown: &str) {
        assert!(!self.has_secrets || !shown.contains(SECRET), "{shown}");
    }

    /// What was accepted can be used.
    fn look_at(&self, options: &Options) {
        assert!(!options.transports.is_empty() && !options.serializers.is_empty());
        for transport in &options.transports {
            assert_eq!(Endpoint::parse(transport.url()).as_ref(), Ok(&transport.endpoint));
        }
        let hello = options.hello(options.authextra.clone().unwrap_or_default());
        let hello: Map<String, Value> = serde_json::from_slice(&hello).expect("JSON");
        assert_eq!(hello.contains_key("authextra"), options.authextra.is_some());
        let hello = Value::Object(hello).to_string();
        self.are_not_in(&hello);
        if !self.has_headers {
            self.are_not_in(&format!("{options:?}"));
        }
        let mut retry = Retry::new(options.retry);
        for sample in [0.0, -9.0, 9.0] {
            let next = retry.next(sample);
            assert!(next.is_none_or(|next| next.delay.as_secs_f64() <= options.retry.max));
        }
    }
}

/// `scheme://user:swordfish@...`
fn is_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let login = rest.split(['/', '?']).next().and_then(|authority| authority.rsplit_once('@'));
    login.is_some_and(|(login, _)| login.matches(SECRET).count() == url.matches(SECRET).count())
}

/// Passwords are not hashed at full cost here; see the target `auth` for what they are made to.
fn is_costly(entry: &Map<String, Value>) -> bool {
    let number = |name, default| entry.get(name).and_then(Value::as_f64).unwrap_or(default);
    let (iterations, memory) = (number("iterations", 4096.0), number("memory", 65_536.0));
    match entry.get("kdf").and_then(Value::as_str) {
        Some(kdf) if kdf.starts_with("argon2") => iterations * memory > 1024.0,
        _ => iterations * number("keylen", 32.0).max(32.0) > 4096.0 * 32.0,
    }
}
