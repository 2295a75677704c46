//! The settings of a router: one JSON object, parsed once into [`Config`].
//!
//! | key | meaning | default |
//! |---|---|---|
//! | `realms` | the realms that clients may join | any realm, made when its first session joins |
//! | `hello_timeout` | seconds from the connection to HELLO | 10 |
//! | `max_message_size` | the largest message to accept and to pass on, in bytes | 16 MiB |
//! | `send_queue_bytes` | bytes that may wait for one client before it is dropped | 256 MiB |
//! | `disclose` | `{"caller": true, "publisher": true}`: who is told to the other side, asked or not | neither |
//! | `auth` | who is known, and by which secrets: see below | everybody may join |
//! | `roles` | what each role may do: see [`super::roles`] | everything |
//! | `tls` | `cert`, `key` (PEM, or paths of PEM files) for `wss://`, `rss://` and `https://`; `client_ca`: clients must have a certificate that it signed | no TLS |
//! | `permessage_deflate` | compression of WebSocket messages for clients that offer it: `true`, or its settings as a client's option has them | `false` |
//! | `strict_request_ids` | request ids count from 1 without a gap; `false`: clients may take any that are not in use | `true` |
//! | `event_history` | how many past publications each realm keeps, up to 64 MiB of them | 0 |
//!
//! Beside these limits, a client that takes no byte for 60 s while something waits for it is
//! dropped, and so is one that has gone without a word, after 90 s. Before it has joined, a client
//! can send messages of up to 64 KiB. URIs of requests have at most 8192 bytes.
//!
//! `auth` has a key for each method, with what each authid is known by:
//!
//! | method | of each authid |
//! |---|---|
//! | `ticket` | `ticket`; or `ticket_hash`, `salt` and costs as SCRAM has them |
//! | `wampcra` | `secret`, or `derived_key`; for a salted one `salt`, `iterations` (1000), `keylen` (32) |
//! | `wamp-scram`, `scram` | `password`, or `stored_key`, `server_key` and `salt`; `kdf` (`pbkdf2` or `argon2id13`), `iterations`, `memory` (KiB) |
//! | `cryptosign` | `pubkey`, or `authorized_keys`: a list |
//!
//! or only `{"file": path}`: the path of a JSON file with the same object, read at once;
//!
//! and each authid may have a `role` (`user`). `"anonymous": {"role": ...}` lets in those who are
//! unknown, too; `router_key` is the seed of the key with which the router proves itself to clients
//! of cryptosign; `factors` lists methods that all have to pass, one after the other. Of several
//! methods that a client offers, the first that its authid has is taken. Names that nobody has are
//! challenged in the same way, with methods and salts that follow from `decoy_key` (64 hexadecimal
//! digits; drawn at random without it), so that they cannot be told from those with a wrong secret.
//! `failure_delay` (`first`: 0.1, `most`: 5, in seconds) slows failures under one name from one
//! address: the first three have the first delay, and then it doubles.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::protocol::uri::{self, Match};
use crate::transport::DeflateOptions;
use crate::transport::tls::Acceptor;

use super::RouterError;
use super::auth::{SecretValue, Store};
use super::host::Dispatch;
use super::roles::Roles;

/// The settings of a router.
#[derive(Debug, Clone)]
pub(super) struct Config {
    /// The only realms there are; `None` makes realms on demand.
    pub(super) realms: Option<Vec<String>>,
    /// The time that a client may take from the connection to HELLO.
    pub(super) hello_timeout: Duration,
    /// The largest message to accept and to pass on, in bytes.
    pub(super) max_message_size: usize,
    /// The number of bytes that may wait for one client.
    pub(super) send_queue_bytes: usize,
    /// The time after which a client is dropped that takes nothing of what waits for it. No key
    /// sets it: tests do.
    pub(super) write_timeout: Duration,
    /// Callees are always told who calls.
    pub(super) disclose_caller: bool,
    /// Subscribers are always told who publishes.
    pub(super) disclose_publisher: bool,
    /// The router's side of TLS.
    pub(super) tls: Option<Acceptor>,
    /// Compression of WebSocket messages.
    pub(super) deflate: Option<DeflateOptions>,
    /// The number of past publications that each realm keeps.
    pub(super) event_history: usize,
    /// The request ids of clients count.
    pub(super) strict_request_ids: bool,
    /// The thread on which the program is told of questions.
    pub(super) dispatch: Dispatch,
    /// The time that the program, an authenticator or an authorizer may take to answer.
    pub(super) question_timeout: Duration,
    /// The number of questions to the program that may be open at a time.
    pub(super) max_questions: usize,
    /// The users known; `None` lets everybody in.
    pub(super) auth: Option<Arc<Store>>,
    /// The rights of the roles; `None` allows everything.
    pub(super) roles: Option<Arc<Roles>>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            realms: None,
            hello_timeout: Duration::from_secs(10),
            max_message_size: 16 << 20,
            send_queue_bytes: 256 << 20,
            write_timeout: Duration::from_secs(60),
            disclose_caller: false,
            disclose_publisher: false,
            tls: None,
            deflate: None,
            event_history: 0,
            strict_request_ids: true,
            dispatch: Dispatch::Thread,
            question_timeout: Duration::from_secs(10),
            max_questions: 1000,
            auth: None,
            roles: None,
        }
    }
}

const KEYS: [&str; 14] = [
    "realms",
    "hello_timeout",
    "max_message_size",
    "send_queue_bytes",
    "disclose",
    "tls",
    "permessage_deflate",
    "event_history",
    "strict_request_ids",
    "dispatch",
    "question_timeout",
    "max_questions",
    "auth",
    "roles",
];

impl Config {
    /// Reads a JSON object; `None` is `{}`.
    pub(super) fn parse(json: Option<&str>) -> Result<Config, RouterError> {
        let mut config = Config::default();
        let Some(json) = json else {
            return Ok(config);
        };
        let entries: Map<String, Value> = serde_json::from_str(json)
            .map_err(|error| RouterError::Config(format!("not a JSON object: {error}")))?;
        let entries = SecretValue(Value::Object(entries));
        for (key, value) in entries.0.as_object().into_iter().flatten() {
            config
                .set(key, value)
                .map_err(|why| RouterError::Config(format!("\"{key}\": {why}")))?;
        }
        Ok(config)
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match key {
            "realms" => self.realms = Some(realms(value)?),
            "hello_timeout" => self.hello_timeout = seconds(value)?,
            "max_message_size" => self.max_message_size = size(value)?,
            "send_queue_bytes" => self.send_queue_bytes = size(value)?,
            "disclose" => (self.disclose_caller, self.disclose_publisher) = disclose(value)?,
            "tls" => self.tls = Some(tls(value)?),
            "permessage_deflate" => self.deflate = DeflateOptions::parse(value)?,
            "event_history" => self.event_history = count(value)?,
            "strict_request_ids" => {
                self.strict_request_ids = value.as_bool().ok_or("must be true or false")?;
            }
            "dispatch" => self.dispatch = dispatch(value)?,
            "question_timeout" => self.question_timeout = seconds(value)?,
            "max_questions" => self.max_questions = count(value)?.max(1),
            "auth" => self.auth = Some(Arc::new(Store::parse(value)?)),
            "roles" => self.roles = Some(Arc::new(Roles::parse(value)?)),
            unknown => return Err(unknown_key(unknown)),
        }
        Ok(())
    }
}

fn realms(value: &Value) -> Result<Vec<String>, String> {
    let names = value.as_array().ok_or("must be a list of realm names")?;
    if names.is_empty() {
        return Err(
            "an empty list admits no client; without this key any realm is created".to_owned()
        );
    }
    names
        .iter()
        .map(|name| {
            let name = name.as_str().ok_or("must be a list of realm names")?;
            uri::check(name, Match::Exact).map_err(|error| format!("\"{name}\": {error}"))?;
            Ok(name.to_owned())
        })
        .collect()
}

fn seconds(value: &Value) -> Result<Duration, String> {
    value
        .as_f64()
        .filter(|seconds| *seconds > 0.0 && *seconds <= 86_400.0)
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "must be a number of seconds, above 0 and up to 86400".to_owned())
}

fn size(value: &Value) -> Result<usize, String> {
    value
        .as_u64()
        .filter(|size| *size >= 1024)
        .and_then(|size| usize::try_from(size).ok())
        .ok_or_else(|| "must be a number of bytes, 1024 or more".to_owned())
}

fn disclose(value: &Value) -> Result<(bool, bool), String> {
    let wanted = "must be {\"caller\": true or false, \"publisher\": true or false}";
    let mut disclosed = (false, false);
    for (key, value) in value.as_object().ok_or(wanted)? {
        let value = value.as_bool().ok_or(wanted)?;
        match key.as_str() {
            "caller" => disclosed.0 = value,
            "publisher" => disclosed.1 = value,
            _ => return Err(wanted.to_owned()),
        }
    }
    Ok(disclosed)
}

fn tls(value: &Value) -> Result<Acceptor, String> {
    let object = value.as_object().ok_or("must be an object with `cert` and `key`")?;
    let (mut cert, mut key, mut client_ca) = (None, None, None);
    for (name, value) in object {
        let place = match name.as_str() {
            "cert" => &mut cert,
            "key" => &mut key,
            "client_ca" => &mut client_ca,
            _ => return Err(format!("`{name}`: unknown; the keys are cert, key, client_ca")),
        };
        let text = value.as_str();
        *place = Some(text.ok_or_else(|| format!("`{name}`: must be a PEM text or a path"))?);
    }
    let cert = cert.ok_or("`cert` is missing")?;
    let key = key.ok_or("`key` is missing")?;
    Acceptor::new(cert, key, client_ca)
}

fn dispatch(value: &Value) -> Result<Dispatch, String> {
    match value.as_str() {
        Some("thread") => Ok(Dispatch::Thread),
        Some("manual") => Ok(Dispatch::Manual),
        Some("inline") => Ok(Dispatch::Inline),
        _ => Err("must be \"thread\", \"manual\" or \"inline\"".to_owned()),
    }
}

fn count(value: &Value) -> Result<usize, String> {
    value
        .as_u64()
        .and_then(|count| usize::try_from(count).ok())
        .ok_or_else(|| "must be a number of publications, 0 or more".to_owned())
}

fn unknown_key(key: &str) -> String {
    let nearest = KEYS
        .iter()
        .map(|known| (strsim::damerau_levenshtein(key, known), known))
        .min()
        .filter(|(distance, _)| *distance <= 4);
    match nearest {
        Some((_, known)) => format!("unknown; did you mean \"{known}\"?"),
        None => format!("unknown; the keys are {}", KEYS.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let config = Config::parse(Some(
            r#"{"realms": ["realm1"], "hello_timeout": 0.5, "max_message_size": 2048,
                "send_queue_bytes": 4096, "disclose": {"caller": true, "publisher": false},
                "permessage_deflate": {"level": 1}, "event_history": 10,
                "strict_request_ids": false}"#,
        ));
        let expected = Config {
            realms: Some(vec!["realm1".to_owned()]),
            hello_timeout: Duration::from_millis(500),
            max_message_size: 2048,
            send_queue_bytes: 4096,
            write_timeout: Duration::from_secs(60),
            disclose_caller: true,
            disclose_publisher: false,
            tls: None,
            deflate: Some(DeflateOptions { level: 1, ..DeflateOptions::default() }),
            event_history: 10,
            strict_request_ids: false,
            dispatch: Dispatch::Thread,
            question_timeout: Duration::from_secs(10),
            max_questions: 1000,
            auth: None,
            roles: None,
        };
        assert_eq!(format!("{:?}", config.unwrap()), format!("{expected:?}"));
        for empty in [None, Some("{}")] {
            let config = Config::parse(empty).unwrap();
            assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
        }
    }

    #[test]
    fn an_error_tells_what_to_change() {
        for (json, told) in [
            ("[]", "not a JSON object"),
            ("{", "not a JSON object"),
            (r#"{"relams": []}"#, r#""relams": unknown; did you mean "realms"?"#),
            (r#"{"completely_else": 1}"#, "the keys are realms, hello_timeout"),
            (r#"{"realms": "realm1"}"#, "must be a list"),
            (r#"{"realms": []}"#, "admits no client"),
            (r#"{"realms": ["a b"]}"#, r#""a b": a URI contains neither white space"#),
            (r#"{"hello_timeout": 0}"#, "above 0"),
            (r#"{"max_message_size": -1}"#, "1024 or more"),
            (r#"{"disclose": true}"#, "\"caller\": true or false"),
            (r#"{"disclose": {"callee": true}}"#, "\"caller\": true or false"),
            (r#"{"tls": 1}"#, "an object with `cert` and `key`"),
            (r#"{"tls": {"cert": "a.pem"}}"#, "`key` is missing"),
            (r#"{"tls": {"key": "a.pem"}}"#, "`cert` is missing"),
            (r#"{"tls": {"cert": 1, "key": ""}}"#, "`cert`: must be a PEM text or a path"),
            (r#"{"tls": {"crt": ""}}"#, "`crt`: unknown; the keys are cert, key, client_ca"),
            (r#"{"tls": {"cert": "/nowhere", "key": ""}}"#, "`cert`: cannot read the file"),
            (r#"{"permessage_deflate": 1}"#, "true, false or an object"),
            (r#"{"permessage_deflate": {"level": 0}}"#, "`level`: must be a number from 1 to 9"),
            (r#"{"event_history": -1}"#, "0 or more"),
            (r#"{"strict_request_ids": 0}"#, "true or false"),
            (r#"{"auth": {"kerberos": {}}}"#, "the keys are ticket, wampcra"),
            (
                r#"{"auth": {"ticket": {"joe": {"tickt": "x"}}}}"#,
                "\"joe\": \"tickt\" is unknown; did you mean \"ticket\"?",
            ),
            (r#"{"auth": {"ticket": {"file": "/nowhere"}}}"#, "cannot read the file \"/nowhere\""),
            (r#"{"auth": {"ticket": {"file": "/nowhere", "joe": {}}}}"#, "stands alone"),
            (
                r#"{"auth": {"ticket": {"joe": {"ticket": "x", "ticket_hash": "x"}}}}"#,
                "\"ticket_hash\" replaces \"ticket\"",
            ),
            (r#"{"auth": {"ticket": {"joe": {"ticket": "x", "salt": "x"}}}}"#, "only for those"),
            (r#"{"auth": {"ticket": {"joe": {"ticket_hash": "x"}}}}"#, "must be 32 bytes"),
            (r#"{"auth": {"wampcra": {"joe": {"derived_key": "x"}}}}"#, "only for those"),
            (
                r#"{"auth": {"wampcra": {"joe": {"derived_key": "AAAA", "salt": "s"}}}}"#,
                "base64 of \"keylen\" (32) bytes",
            ),
            (r#"{"auth": {"ticket": {"joe": {}}}}"#, "\"ticket\" is missing"),
            (r#"{"auth": {"wampcra": {"joe": {"secret": 1}}}}"#, "must be a string"),
            (
                r#"{"auth": {"scram": {"joe": {"password": "x", "iterations": 1}}}}"#,
                "at least 4096",
            ),
            (r#"{"auth": {"scram": {"joe": {}}}}"#, "\"password\" is missing"),
            (r#"{"auth": {"cryptosign": {"joe": {"pubkey": "00"}}}}"#, "64 hexadecimal digits"),
            (r#"{"auth": {"factors": ["ticket"]}}"#, "ticket is not configured"),
            (r#"{"auth": {"failure_delay": 1}}"#, "must be {\"first\": seconds"),
            (r#"{"auth": {"decoy_key": "00"}}"#, "\"decoy_key\": must be a key of 64"),
            (r#"{"roles": {"user": [{"uri": "a..b", "allow": {}}]}}"#, "\"a..b\""),
            (r#"{"roles": {"user": [{"uri": "a", "allow": {"cal": true}}]}}"#, "\"allow\" must be"),
        ] {
            let error = Config::parse(Some(json)).unwrap_err().to_string();
            assert!(error.contains(told), "{json}: {error}");
        }
    }
}
