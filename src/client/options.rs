//! The options of a connection, in one table that parses, checks and documents them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::protocol::uri::{self, Match};
use crate::transport::{Endpoint, TlsOptions, websocket};

use super::dispatch::Mode;
use super::retry::Policy;
use super::status::{Failure, Status};

/// The options of a connection, checked.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Options {
    pub url: String,
    pub realm: String,
    pub dispatch: Mode,
    pub connect_timeout: Duration,
    pub close_timeout: Duration,
    pub headers: Vec<(String, String)>,
    pub max_message_size: usize,
    pub send_queue_bytes: usize,
    pub receive_queue_bytes: usize,
    /// `None`: no pings.
    pub autoping_interval: Option<Duration>,
    pub autoping_timeout: Duration,
    pub autoping_size: usize,
    pub retry: Policy,
    pub retry_if_unreachable: bool,
    pub retry_reasons: Vec<String>,
    pub tls: Arc<TlsOptions>,
    pub authid: Option<String>,
    pub authmethods: Option<Vec<String>>,
    pub authextra: Option<Map<String, Value>>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            url: String::new(),
            realm: String::new(),
            dispatch: Mode::Thread,
            connect_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(5),
            headers: Vec::new(),
            max_message_size: 16 << 20,
            send_queue_bytes: 16 << 20,
            receive_queue_bytes: 16 << 20,
            autoping_interval: Some(Duration::from_secs(30)),
            autoping_timeout: Duration::from_secs(10),
            autoping_size: 4,
            retry: Policy::default(),
            retry_if_unreachable: false,
            retry_reasons: Vec::new(),
            tls: Arc::default(),
            authid: None,
            authmethods: None,
            authextra: None,
        }
    }
}

/// One option: how it is written, what it means, and how it is taken.
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// Its JSON type.
    pub kind: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// What it does.
    pub text: &'static str,
    set: fn(&mut Options, &Value) -> Result<(), String>,
}

/// All options.
pub const TABLE: &[Spec] = &[
    Spec {
        name: "url",
        kind: "string",
        default: "required",
        text: "The router: ws://host:port/path or rs://host:port; wss:// or rss:// with TLS; \
               ws+unix:///path.sock:/path or rs+unix:///path.sock.",
        set: |options, value| {
            options.url = text(value)?;
            Endpoint::parse(&options.url).map(|_| ())
        },
    },
    Spec {
        name: "realm",
        kind: "string",
        default: "required",
        text: "The realm to join.",
        set: |options, value| {
            options.realm = text(value)?;
            uri::check(&options.realm, Match::Exact).map_err(|error| error.to_string())
        },
    },
    Spec {
        name: "dispatch",
        kind: "string",
        default: "\"thread\"",
        text: "Where callbacks run: \"thread\", \"manual\" or \"inline\".",
        set: |options, value| {
            options.dispatch = match text(value)?.as_str() {
                "thread" => Mode::Thread,
                "manual" => Mode::Manual,
                "inline" => Mode::Inline,
                _ => return Err("must be \"thread\", \"manual\" or \"inline\"".to_owned()),
            };
            Ok(())
        },
    },
    Spec {
        name: "connect_timeout",
        kind: "number (seconds)",
        default: "30",
        text: "How long connecting, the handshakes and joining may take together.",
        set: |options, value| seconds(value).map(|time| options.connect_timeout = time),
    },
    Spec {
        name: "close_timeout",
        kind: "number (seconds)",
        default: "5",
        text: "How long a close waits for the router's GOODBYE before it cuts the connection.",
        set: |options, value| seconds(value).map(|time| options.close_timeout = time),
    },
    Spec {
        name: "headers",
        kind: "object of strings",
        default: "{}",
        text: "HTTP headers to send with the WebSocket upgrade.",
        set: |options, value| {
            let object = value.as_object().ok_or("must be an object of strings")?;
            options.headers.clear();
            for (name, value) in object {
                let value = text(value)?;
                websocket::check_header(name, &value)?;
                options.headers.push((name.clone(), value));
            }
            Ok(())
        },
    },
    Spec {
        name: "max_message_size",
        kind: "integer (bytes)",
        default: "16777216",
        text: "The largest message to send or to accept.",
        set: |options, value| {
            bytes(value, 1024, 1 << 30).map(|size| options.max_message_size = size)
        },
    },
    Spec {
        name: "send_queue_bytes",
        kind: "integer (bytes)",
        default: "16777216",
        text: "How much may wait to be sent before requests are answered with WAMP_ERR_AGAIN.",
        set: |options, value| bytes(value, 1, 1 << 40).map(|size| options.send_queue_bytes = size),
    },
    Spec {
        name: "receive_queue_bytes",
        kind: "integer (bytes)",
        default: "16777216",
        text: "How much may wait to be dispatched before the socket is no longer read.",
        set: |options, value| {
            bytes(value, 1, 1 << 40).map(|size| options.receive_queue_bytes = size)
        },
    },
    Spec {
        name: "autoping_interval",
        kind: "number (seconds)",
        default: "30",
        text: "After how much silence a ping is sent; 0 for never.",
        set: |options, value| {
            let time = seconds(value)?;
            options.autoping_interval = (!time.is_zero()).then_some(time);
            Ok(())
        },
    },
    Spec {
        name: "autoping_timeout",
        kind: "number (seconds)",
        default: "10",
        text: "How long after a ping the connection counts as lost, if nothing comes.",
        set: |options, value| seconds(value).map(|time| options.autoping_timeout = time),
    },
    Spec {
        name: "autoping_size",
        kind: "integer (bytes)",
        default: "4",
        text: "The size of a ping's payload, 4 to 125.",
        set: |options, value| bytes(value, 4, 125).map(|size| options.autoping_size = size),
    },
    Spec {
        name: "max_retries",
        kind: "integer",
        default: "15",
        text: "How often to try again after a loss; 0 for never, -1 without limit.",
        set: |options, value| {
            let count = value.as_i64().filter(|count| (-1..=1_000_000_000).contains(count));
            let count = count.ok_or("must be a whole number, -1 (no limit) or more")?;
            options.retry.max_retries = u32::try_from(count).ok();
            Ok(())
        },
    },
    Spec {
        name: "initial_retry_delay",
        kind: "number (seconds)",
        default: "1.5",
        text: "The mean delay before the first retry.",
        set: |options, value| number(value, 1e6).map(|delay| options.retry.initial = delay),
    },
    Spec {
        name: "max_retry_delay",
        kind: "number (seconds)",
        default: "300",
        text: "The longest delay before a retry.",
        set: |options, value| number(value, 1e6).map(|delay| options.retry.max = delay),
    },
    Spec {
        name: "retry_delay_growth",
        kind: "number",
        default: "1.5",
        text: "What the mean delay is multiplied with after each retry.",
        set: |options, value| number(value, 1e6).map(|growth| options.retry.growth = growth),
    },
    Spec {
        name: "retry_delay_jitter",
        kind: "number",
        default: "0.1",
        text: "The standard deviation of a delay, as a fraction of its mean.",
        set: |options, value| number(value, 1e6).map(|jitter| options.retry.jitter = jitter),
    },
    Spec {
        name: "retry_if_unreachable",
        kind: "bool",
        default: "false",
        text: "Try again also where no session could be opened in the first place.",
        set: |options, value| {
            options.retry_if_unreachable = value.as_bool().ok_or("must be true or false")?;
            Ok(())
        },
    },
    Spec {
        name: "retry_reasons",
        kind: "list of strings",
        default: "[]",
        text: "URIs of a router's GOODBYE or ABORT after which to try again, such as \
               \"wamp.close.system_shutdown\".",
        set: |options, value| {
            let list = value.as_array().ok_or("must be a list of URIs")?;
            options.retry_reasons = list.iter().map(text).collect::<Result<_, _>>()?;
            match options.retry_reasons.iter().find(|uri| AUTH_FAILURES.contains(&uri.as_str())) {
                None => Ok(()),
                Some(uri) => Err(format!("\"{uri}\": a failed authentication is never retried")),
            }
        },
    },
    Spec {
        name: "tlsConfiguration",
        kind: "object",
        default: "{}",
        text: "For wss:// and rss://: `ca`, `cert` and `key` (PEM, or paths of PEM files), `server_name`, \
               `min_version` (\"1.2\" or \"1.3\"), `pins` (list of \"sha256/BASE64\" of the server's \
               public key), `verify` (false takes any server).",
        set: |options, value| {
            let object = value.as_object().ok_or("must be an object")?;
            options.tls = Arc::new(TlsOptions::parse(object)?);
            Ok(())
        },
    },
    Spec {
        name: "authid",
        kind: "string",
        default: "none",
        text: "Who we say we are.",
        set: |options, value| text(value).map(|authid| options.authid = Some(authid)),
    },
    Spec {
        name: "authmethods",
        kind: "list of strings",
        default: "none",
        text: "The authentication methods to offer; so far \"anonymous\" alone.",
        set: |options, value| {
            let list = value.as_array().ok_or("must be a list of strings")?;
            let methods: Vec<String> = list.iter().map(text).collect::<Result<_, _>>()?;
            if let Some(other) = methods.iter().find(|method| *method != "anonymous") {
                return Err(format!("\"{other}\" is not known; use \"anonymous\""));
            }
            options.authmethods = Some(methods);
            Ok(())
        },
    },
    Spec {
        name: "authextra",
        kind: "object",
        default: "none",
        text: "HELLO.Details.authextra, passed to the router as it is.",
        set: |options, value| {
            let object = value.as_object().ok_or("must be an object")?;
            options.authextra = Some(object.clone());
            Ok(())
        },
    },
];

/// What routers refuse credentials with: trying again would not help, and may lock an account.
const AUTH_FAILURES: &[&str] = &[
    "wamp.error.authentication_denied",
    "wamp.error.authentication_failed",
    "wamp.error.authentication_required",
    "wamp.error.authorization_denied",
    "wamp.error.authorization_failed",
    "wamp.error.authorization_required",
    "wamp.error.cannot_authenticate",
    "wamp.error.no_auth_method",
    "wamp.error.no_matching_auth_method",
    "wamp.error.no_such_principal",
    "wamp.error.not_authorized",
];

impl Options {
    /// Parses the JSON object that an application gives.
    pub fn parse(json: &str) -> Result<Options, Failure> {
        let wrong = |text: String| Failure::new(Status::Option, text);
        let value: Value = serde_json::from_str(json)
            .map_err(|error| wrong(format!("the options are not JSON: {error}")))?;
        let Value::Object(given) = value else {
            let example = "{\"url\": \"ws://127.0.0.1:8080/ws\", \"realm\": \"realm1\"}";
            return Err(wrong(format!("the options must be a JSON object, such as {example}")));
        };
        let mut options = Options::default();
        for (name, value) in &given {
            let Some(spec) = TABLE.iter().find(|spec| spec.name == name) else {
                return Err(wrong(unknown(name, TABLE.iter().map(|spec| spec.name))));
            };
            (spec.set)(&mut options, value)
                .map_err(|error| wrong(format!("option `{name}`: {error}")))?;
        }
        for required in ["url", "realm"] {
            if !given.contains_key(required) {
                return Err(wrong(format!("option `{required}` is missing")));
            }
        }
        Ok(options)
    }

    /// HELLO.Details: what we are and can do.
    pub fn hello(&self) -> Vec<u8> {
        let mut details = serde_json::json!({
            "agent": concat!("libwamp/", env!("CARGO_PKG_VERSION")),
            "roles": {
                "publisher": {"features": {
                    "publisher_exclusion": true,
                    "publisher_identification": true,
                    "subscriber_blackwhite_listing": true,
                }},
                "subscriber": {"features": {
                    "pattern_based_subscription": true,
                    "publisher_identification": true,
                    "subscription_revocation": true,
                }},
                "caller": {"features": {
                    "call_canceling": true,
                    "call_timeout": true,
                    "caller_identification": true,
                    "progressive_call_results": true,
                }},
                "callee": {"features": {
                    "caller_identification": true,
                    "pattern_based_registration": true,
                    "progressive_call_results": true,
                    "registration_revocation": true,
                    "shared_registration": true,
                }},
            },
        });
        if let Some(authid) = &self.authid {
            details["authid"] = authid.as_str().into();
        }
        if let Some(methods) = &self.authmethods {
            details["authmethods"] = methods.clone().into();
        }
        if let Some(extra) = &self.authextra {
            details["authextra"] = extra.clone().into();
        }
        details.to_string().into_bytes()
    }
}

/// The sentence about an unknown name, with the nearest one that exists.
pub fn unknown(name: &str, known: impl Iterator<Item = &'static str>) -> String {
    let nearest = known
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .min()
        .filter(|(distance, known)| *distance <= 1 + known.len() / 3);
    match nearest {
        Some((_, nearest)) => format!("option `{name}`: unknown; did you mean `{nearest}`?"),
        None => format!("option `{name}`: unknown; see wamp_connection_new in wamp.h"),
    }
}

fn text(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| "must be a string".to_owned())
}

fn seconds(value: &Value) -> Result<Duration, String> {
    let wrong = || "must be a number of seconds, 0 to 1000000".to_owned();
    let seconds = value.as_f64().ok_or_else(wrong)?;
    if !(0.0..=1e6).contains(&seconds) {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

fn number(value: &Value, most: f64) -> Result<f64, String> {
    let number = value.as_f64().filter(|number| (0.0..=most).contains(number));
    number.ok_or_else(|| format!("must be a number, 0 to {most}"))
}

fn bytes(value: &Value, least: u64, most: u64) -> Result<usize, String> {
    let wrong = || format!("must be a number of bytes, {least} to {most}");
    let size = value.as_u64().filter(|size| (least..=most).contains(size)).ok_or_else(wrong)?;
    usize::try_from(size).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str) -> String {
        let failure = Options::parse(json).unwrap_err();
        assert_eq!(failure.status, Status::Option);
        failure.text
    }

    #[test]
    fn options_are_parsed() {
        let options = Options::parse(
            r#"{"url": "ws://h/ws", "realm": "r", "dispatch": "manual", "connect_timeout": 0.5,
                "headers": {"X-A": "b"}, "autoping_interval": 0}"#,
        )
        .unwrap();
        assert_eq!((options.url.as_str(), options.realm.as_str()), ("ws://h/ws", "r"));
        assert_eq!(options.dispatch, Mode::Manual);
        assert_eq!(options.connect_timeout, Duration::from_millis(500));
        assert_eq!(options.headers, [("X-A".to_owned(), "b".to_owned())]);
        assert_eq!(options.autoping_interval, None);
    }

    #[test]
    fn mistakes_are_told() {
        let with = |option: &str| told(&format!(r#"{{"url":"ws://h","realm":"r",{option}}}"#));
        assert!(told("").contains("not JSON"));
        assert!(told("[]").contains("must be a JSON object"));
        assert!(told(r#"{"realm":"r"}"#).contains("`url` is missing"));
        assert!(told(r#"{"url":"ws://h"}"#).contains("`realm` is missing"));
        assert!(with(r#""realmm":"x""#).contains("did you mean `realm`?"));
        assert!(with(r#""xyzzy_plugh":1"#).contains("unknown; see"));
        assert!(with(r#""connect_timeout":"5""#).contains("`connect_timeout`: must be a number"));
        assert!(with(r#""connect_timeout":-1"#).contains("0 to 1000000"));
        assert!(with(r#""dispatch":"threads""#).contains("must be \"thread\""));
        assert!(with(r#""max_message_size":1.5"#).contains("number of bytes"));
        assert!(with(r#""headers":{"a b":"c"}"#).contains("not an HTTP header name"));
        assert!(with(r#""max_retries":-2"#).contains("-1 (no limit)"));
        assert!(with(r#""retry_delay_jitter":"x""#).contains("must be a number"));
        let refused = with(r#""retry_reasons":["wamp.error.not_authorized"]"#);
        assert!(refused.contains("never retried"), "{refused}");
        assert!(with(r#""authmethods":["ticket"]"#).contains("\"ticket\" is not known"));
        assert!(told(r#"{"url":"ws://h","realm":"a b"}"#).contains("white space"));
        assert!(told(r#"{"url":"tcp://h","realm":"r"}"#).contains("not supported"));
        let refused = with(r#""tlsConfiguration":{"verfy":false}"#);
        assert!(refused.contains("`tlsConfiguration`: `verfy`: unknown; did you mean `verify`?"));
    }

    #[test]
    fn the_header_lists_all_options() {
        let header = include_str!("../../include/concepts.txt");
        let (_, listed) = header.split_once("OPTIONS OF A CONNECTION").unwrap();
        for spec in TABLE {
            let line = format!("\n *   {} ", spec.name);
            assert!(listed.contains(&line), "`{}` is not in include/concepts.txt", spec.name);
        }
    }

    #[test]
    fn defaults_are_what_the_table_says() {
        let mut options = Options::default();
        for spec in TABLE {
            let Ok(value) = serde_json::from_str::<Value>(spec.default) else {
                continue;
            };
            let before = format!("{options:?}");
            (spec.set)(&mut options, &value).unwrap();
            assert_eq!(format!("{options:?}"), before, "the default of `{}`", spec.name);
        }
    }
}
