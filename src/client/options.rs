//! The options of a connection, in one table that parses, checks and documents them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::auth::{self, Credentials, Secret, key_file};
use crate::codec::Encoding;
use crate::protocol::features;
use crate::protocol::uri::{self, Match};
use crate::transport::{Endpoint, Protocol, Proxy, ProxyChoice, TlsOptions, websocket};

use super::dispatch::Mode;
use super::end::AUTH_FAILURES;
use super::log;
use super::retry::Policy;
use super::status::{Failure, Status};

/// The options of a connection, checked.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Options {
    /// At least one.
    pub transports: Vec<TransportOptions>,
    pub realm: String,
    pub dispatch: Mode,
    pub connect_timeout: Duration,
    pub close_timeout: Duration,
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
    pub proxy: ProxyChoice,
    /// What answers challenges, and who we say we are.
    pub credentials: Credentials,
    pub authmethods: Option<Vec<String>>,
    pub authextra: Option<Map<String, Value>>,
    pub trace: bool,
    /// The best first; at least one.
    pub serializers: Vec<Encoding>,
    /// Received payloads are delivered in this encoding; `None`: as they came.
    pub payload_encoding: Option<Encoding>,
}

/// One way to the router.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct TransportOptions {
    pub kind: Kind,
    pub url: String,
    /// Where it leads; `None` for a kind of transport that there is not.
    pub endpoint: Option<Endpoint>,
    /// HTTP headers of the handshake.
    pub headers: Vec<(String, String)>,
    /// Instead of the option for all.
    pub serializers: Option<Vec<Encoding>>,
    /// Instead of the option for all.
    pub tls: Option<Arc<TlsOptions>>,
}

/// The kinds of transports, by the names of AutobahnJS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum Kind {
    #[default]
    WebSocket,
    RawSocket,
    LongPoll,
}

impl Kind {
    /// The value of `type`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::WebSocket => "websocket",
            Kind::RawSocket => "rawsocket",
            Kind::LongPoll => "longpoll",
        }
    }

    fn parse(name: &str) -> Result<Kind, String> {
        let kinds = [Kind::WebSocket, Kind::RawSocket, Kind::LongPoll];
        kinds.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            format!("type \"{name}\": must be \"websocket\", \"rawsocket\" or \"longpoll\"")
        })
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            transports: vec![TransportOptions::default()],
            realm: String::new(),
            dispatch: Mode::Thread,
            connect_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(5),
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
            proxy: ProxyChoice::default(),
            credentials: Credentials::default(),
            authmethods: None,
            authextra: None,
            trace: false,
            serializers: vec![Encoding::Json],
            payload_encoding: Some(Encoding::Json),
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
        default: "required, or transports",
        text: "The router: ws://host:port/path or rs://host:port; wss:// or rss:// with TLS; \
               ws+unix:///path.sock:/path or rs+unix:///path.sock.",
        set: |options, value| options.transports[0].set_url(text(value)?, None),
    },
    Spec {
        name: "transports",
        kind: "list of objects",
        default: "[{url}]",
        text: "Instead of url: the ways to the router, each {\"type\": \"websocket\" or \"rawsocket\", \
               \"url\": ..., \"headers\": ..., \"tlsConfiguration\": ...}; a rawsocket may have \"host\" \
               and \"port\", or the \"path\" of a Unix socket, instead of \"url\". They are tried in \
               order, the one that worked last time first.",
        set: |options, value| {
            let list = value.as_array().filter(|list| !list.is_empty());
            let list = list.ok_or("must be a list of objects, and not an empty one")?;
            options.transports = list.iter().map(transport).collect::<Result<_, _>>()?;
            Ok(())
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
            let headers = headers(value)?;
            for transport in &mut options.transports {
                // What an entry of `transports` says itself counts more.
                if transport.headers.is_empty() {
                    transport.headers.clone_from(&headers);
                }
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
        text: "WebSocket: after how much silence a ping is sent; 0 for never. (On RawSocket, where not every router answers pings, the operating system watches the connection.)",
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
        name: "proxy",
        kind: "string, or false",
        default: "the environment's",
        text: "The proxy to reach the router through: http://user:password@host:port or \
               socks5://...; false for none. Without it https_proxy (for wss://), http_proxy (for \
               ws://), all_proxy and no_proxy count.",
        set: |options, value| {
            options.proxy = match value {
                Value::Bool(false) => ProxyChoice::Direct,
                Value::String(url) => ProxyChoice::Through(Proxy::parse(url)?),
                _ => return Err("must be a URL, or false for no proxy".to_owned()),
            };
            Ok(())
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
            options.tls = tls(value)?;
            Ok(())
        },
    },
    Spec {
        name: "authid",
        kind: "string",
        default: "none",
        text: "Who we say we are.",
        set: |options, value| text(value).map(|authid| options.credentials.authid = Some(authid)),
    },
    Spec {
        name: "authmethods",
        kind: "list of strings",
        default: "none",
        text: "The authentication methods to offer, in this order: \"anonymous\", \"ticket\", \
               \"wampcra\", \"scram\" (Crossbar.io), \"wamp-scram\", \"cryptosign\", or one that \
               on_challenge answers. Without it, those that the credentials serve. Name the one that \
               your router has set up: routers try no second one.",
        set: |options, value| {
            let list = value.as_array().ok_or("must be a list of strings")?;
            options.authmethods = Some(list.iter().map(text).collect::<Result<_, _>>()?);
            Ok(())
        },
    },
    Spec {
        name: "ticket",
        kind: "string",
        default: "none",
        text: "Answers a \"ticket\" challenge.",
        set: |options, value| {
            options.credentials.ticket = Some(Secret::new(text(value)?));
            Ok(())
        },
    },
    Spec {
        name: "secret",
        kind: "string",
        default: "none",
        text: "The password: answers \"wampcra\", \"scram\" and \"wamp-scram\" challenges.",
        set: |options, value| {
            options.credentials.secret = Some(Secret::new(text(value)?));
            Ok(())
        },
    },
    Spec {
        name: "privkey",
        kind: "string",
        default: "none",
        text: "The Ed25519 key: answers a \"cryptosign\" challenge. 64 hex digits of the seed, the text \
               of an OpenSSH key file, or the path of a file with one of these or the 32 bytes.",
        set: |options, value| {
            let key = key_file::load(&text(value)?).map_err(|error| error.to_string())?;
            options.credentials.privkey = Some(key);
            Ok(())
        },
    },
    Spec {
        name: "router_key",
        kind: "string (64 hex digits)",
        default: "none",
        text: "The router's public Ed25519 key: only a router that proves in \"cryptosign\" to have it \
               is believed.",
        set: |options, value| {
            let key = auth::unhex(&text(value)?).ok_or("must be 64 hex digits")?;
            options.credentials.router_key = Some(key);
            Ok(())
        },
    },
    Spec {
        name: "channel_binding",
        kind: "string",
        default: "none",
        text: "\"tls-exporter\" binds \"cryptosign\" and \"wamp-scram\" to the TLS connection; a router \
               that cannot is refused.",
        set: |options, value| {
            options.credentials.channel_binding = match value.as_str() {
                Some("tls-exporter") => true,
                _ => return Err("must be \"tls-exporter\", or left out".to_owned()),
            };
            Ok(())
        },
    },
    Spec {
        name: "scram_raw",
        kind: "bool",
        default: "false",
        text: "For \"scram\" with argon2: the router's keys were made of the hash itself, and not of \
               its base64 text as Autobahn's tools do.",
        set: |options, value| {
            options.credentials.scram_raw = value.as_bool().ok_or("must be true or false")?;
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
    Spec {
        name: "serializers",
        kind: "list of strings",
        default: "[\"json\"]",
        text: "How messages may be encoded, the best first: \"json\", \"msgpack\", \"cbor\". Payloads \
               can be given in any encoding on any of them. An entry of `transports` may have its \
               own.",
        set: |options, value| {
            options.serializers = serializers(value)?;
            Ok(())
        },
    },
    Spec {
        name: "payload_encoding",
        kind: "string",
        default: "\"json\"",
        text: "\"json\": received payloads are delivered as JSON text, whatever came over the wire. \
               \"wire\": as they came, `payload.encoding` tells how.",
        set: |options, value| {
            options.payload_encoding = match value.as_str() {
                Some("json") => Some(Encoding::Json),
                Some("wire") => None,
                _ => return Err("must be \"json\" or \"wire\"".to_owned()),
            };
            Ok(())
        },
    },
    Spec {
        name: "trace",
        kind: "bool",
        default: "false",
        text: "Write every message to the log, secrets masked; also by the environment variable \
               WAMP_TRACE=1.",
        set: |options, value| {
            options.trace = value.as_bool().ok_or("must be true or false")?;
            Ok(())
        },
    },
];

/// What an attempt may be made with in another way than the one before; see [`super::hook`].
const CHANGEABLE: &[&str] = &[
    "url",
    "transports",
    "headers",
    "serializers",
    "realm",
    "tlsConfiguration",
    "proxy",
    "authid",
    "authmethods",
    "authextra",
    "ticket",
    "secret",
    "privkey",
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
        options.set_all(&given)?;
        match (given.contains_key("url"), given.contains_key("transports")) {
            (false, false) => return Err(wrong("option `url` is missing".to_owned())),
            (true, true) => {
                let text = "give `url` or `transports`, not both";
                return Err(wrong(text.to_owned()));
            }
            _ => {}
        }
        if !given.contains_key("realm") {
            return Err(wrong("option `realm` is missing".to_owned()));
        }
        options.trace |= log::wants_trace();
        Ok(options)
    }

    /// The same with some options changed, as a hook before an attempt may.
    pub fn changed(&self, json: &str) -> Result<Options, Failure> {
        let wrong = |text: String| Failure::new(Status::Option, text);
        let given: Map<String, Value> = serde_json::from_str(json)
            .map_err(|error| wrong(format!("the changes are no JSON object: {error}")))?;
        if let Some(fixed) = given.keys().find(|name| {
            TABLE.iter().any(|spec| spec.name == *name) && !CHANGEABLE.contains(&name.as_str())
        }) {
            let may = CHANGEABLE.join(", ");
            return Err(wrong(format!("option `{fixed}` holds for all attempts; use {may}")));
        }
        let mut options = self.clone();
        if given.contains_key("url") {
            let headers = std::mem::take(&mut options.transports).swap_remove(0).headers;
            options.transports = vec![TransportOptions { headers, ..TransportOptions::default() }];
        }
        if given.contains_key("headers") && !given.contains_key("transports") {
            options.transports.iter_mut().for_each(|transport| transport.headers.clear());
        }
        options.set_all(&given)?;
        Ok(options)
    }

    /// Takes the given options in the order of the table, where those that others build on come
    /// first.
    fn set_all(&mut self, given: &Map<String, Value>) -> Result<(), Failure> {
        let wrong = |text: String| Failure::new(Status::Option, text);
        for name in given.keys() {
            if !TABLE.iter().any(|spec| spec.name == name) {
                return Err(wrong(unknown(name, TABLE.iter().map(|spec| spec.name))));
            }
        }
        for spec in TABLE {
            if let Some(value) = given.get(spec.name) {
                let name = spec.name;
                (spec.set)(self, value)
                    .map_err(|error| wrong(format!("option `{name}`: {error}")))?;
            }
        }
        Ok(())
    }

    /// The authentication methods to offer; none where there is nothing to choose from.
    pub fn methods(&self) -> Vec<String> {
        let Credentials { ticket, secret, privkey, .. } = &self.credentials;
        let any = ticket.is_some() || secret.is_some() || privkey.is_some();
        match &self.authmethods {
            Some(methods) => methods.clone(),
            None if any => self.credentials.methods().into_iter().map(str::to_owned).collect(),
            None => Vec::new(),
        }
    }

    /// HELLO.Details: what we are and can do, with this `authextra`.
    pub fn hello(&self, authextra: Map<String, Value>) -> Vec<u8> {
        let roles = features::OURS.iter().map(|(role, features)| {
            let features: Map<String, Value> =
                features.iter().map(|feature| ((*feature).to_owned(), true.into())).collect();
            ((*role).to_owned(), serde_json::json!({ "features": features }))
        });
        let mut details = serde_json::json!({
            "agent": concat!("libwamp/", env!("CARGO_PKG_VERSION")),
            "roles": roles.collect::<Map<_, _>>(),
        });
        if let Some(authid) = &self.credentials.authid {
            details["authid"] = authid.as_str().into();
        }
        let methods = self.methods();
        if !methods.is_empty() {
            details["authmethods"] = methods.into();
        }
        if !authextra.is_empty() || self.authextra.is_some() {
            details["authextra"] = authextra.into();
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

/// One entry of `transports`.
fn transport(value: &Value) -> Result<TransportOptions, String> {
    let entry = value.as_object().ok_or("each transport must be an object")?;
    let mut transport = TransportOptions::default();
    let (mut kind, mut url, mut host, mut port, mut path) = (None, None, None, None, None);
    for (name, value) in entry {
        match name.as_str() {
            "type" => kind = Some(Kind::parse(&text(value)?)?),
            "url" => url = Some(text(value)?),
            "host" => host = Some(text(value)?),
            "port" => port = Some(bytes(value, 1, 65_535).map_err(|_| "`port`: 1 to 65535")?),
            "path" => path = Some(text(value)?),
            "headers" => transport.headers = headers(value)?,
            "tlsConfiguration" => transport.tls = Some(tls(value)?),
            "serializers" => {
                let list = serializers(value).map_err(|why| format!("`serializers`: {why}"))?;
                transport.serializers = Some(list);
            }
            other => {
                let known = ["type", "url", "host", "port", "path", "headers", "tlsConfiguration"];
                return Err(unknown(other, known.into_iter().chain(["serializers"])));
            }
        }
    }
    // AutobahnJS names a RawSocket in parts.
    let url = match (url, host, port, path) {
        (Some(url), None, None, None) => url,
        (None, Some(host), Some(port), None) if kind == Some(Kind::RawSocket) => {
            match host.contains(':') {
                true => format!("rs://[{host}]:{port}"),
                false => format!("rs://{host}:{port}"),
            }
        }
        (None, None, None, Some(path)) if kind == Some(Kind::RawSocket) => {
            format!("rs+unix://{path}")
        }
        _ => {
            return Err(
                "each transport must have a `url`, or with the type \"rawsocket\" `host` and \
                        `port`, or the `path` of a Unix socket"
                    .to_owned(),
            );
        }
    };
    transport.set_url(url, kind)?;
    Ok(transport)
}

impl TransportOptions {
    /// Sets the URL, and the kind that belongs to it, which must be `wanted` if that is given.
    fn set_url(&mut self, url: String, wanted: Option<Kind>) -> Result<(), String> {
        self.endpoint = match wanted {
            Some(Kind::LongPoll) => None,
            _ => Some(Endpoint::parse(&url)?),
        };
        self.kind = match self.endpoint.as_ref().map(|endpoint| &endpoint.protocol) {
            None => Kind::LongPoll,
            Some(Protocol::WebSocket { .. }) => Kind::WebSocket,
            Some(Protocol::RawSocket) => Kind::RawSocket,
        };
        self.url = url;
        match wanted.filter(|wanted| *wanted != self.kind) {
            None => Ok(()),
            Some(wanted) => {
                Err(format!("\"{}\" is no URL for the type \"{}\"", self.url, wanted.name()))
            }
        }
    }
}

fn serializers(value: &Value) -> Result<Vec<Encoding>, String> {
    const WANTED: &str = "must be a list of \"json\", \"msgpack\" and \"cbor\", the best first";
    let mut list = Vec::new();
    for name in value.as_array().ok_or(WANTED)? {
        let encoding = name.as_str().and_then(Encoding::parse).ok_or(WANTED)?;
        if !list.contains(&encoding) {
            list.push(encoding);
        }
    }
    if list.is_empty() { Err(WANTED.to_owned()) } else { Ok(list) }
}

fn tls(value: &Value) -> Result<Arc<TlsOptions>, String> {
    let object = value.as_object().ok_or("must be an object")?;
    TlsOptions::parse(object).map(Arc::new)
}

fn headers(value: &Value) -> Result<Vec<(String, String)>, String> {
    let object = value.as_object().ok_or("must be an object of strings")?;
    let checked = object.iter().map(|(name, value)| {
        let value = text(value)?;
        websocket::check_header(name, &value)?;
        Ok((name.clone(), value))
    });
    checked.collect()
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
        let transport = &options.transports[0];
        assert_eq!((transport.url.as_str(), options.realm.as_str()), ("ws://h/ws", "r"));
        assert_eq!(options.dispatch, Mode::Manual);
        assert_eq!(options.connect_timeout, Duration::from_millis(500));
        assert_eq!(transport.headers, [("X-A".to_owned(), "b".to_owned())]);
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
        assert!(with(r#""authmethods":"ticket""#).contains("must be a list"));
        assert!(with(r#""ticket":5"#).contains("must be a string"));
        assert!(with(r#""privkey":"not a key""#).contains("option `privkey`"));
        assert!(with(r#""router_key":"abc""#).contains("64 hex digits"));
        assert!(with(r#""channel_binding":"tls-unique""#).contains("must be \"tls-exporter\""));
        assert!(with(r#""trace":1"#).contains("must be true or false"));
        assert!(with(r#""transports":[{"url":"ws://h"}]"#).contains("not both"));
        let several = |list: &str| told(&format!(r#"{{"realm":"r","transports":{list}}}"#));
        assert!(several("[]").contains("not an empty one"));
        assert!(several(r#"[{"type":"websocket"}]"#).contains("must have a `url`"));
        assert!(
            several(r#"[{"type":"carrier pigeon","url":"x"}]"#).contains("must be \"websocket")
        );
        assert!(several(r#"[{"url":"ws://h","header":{}}]"#).contains("did you mean `headers`?"));
        assert!(several(r#"[{"url":"tcp://h"}]"#).contains("use ws://, wss://"));
        assert!(told(r#"{"url":"ws://h","realm":"a b"}"#).contains("white space"));
        assert!(told(r#"{"url":"tcp://h","realm":"r"}"#).contains("use ws://, wss://"));
        assert!(with(r#""proxy":true"#).contains("`proxy`: must be a URL, or false"));
        assert!(with(r#""proxy":"ftp://h""#).contains("not supported; write http://"));
        let refused = with(r#""tlsConfiguration":{"verfy":false}"#);
        assert!(refused.contains("`tlsConfiguration`: `verfy`: unknown; did you mean `verify`?"));
    }

    #[test]
    fn each_transport_has_an_endpoint() {
        let parse = |entry: &str| {
            Options::parse(&format!(r#"{{"realm": "r", "transports": [{entry}]}}"#))
                .map(|options| options.transports[0].clone())
        };
        for (entry, kind, url) in [
            (r#""url": "wss://h/ws""#, Kind::WebSocket, "wss://h/ws"),
            (r#""type": "websocket", "url": "ws://h/ws""#, Kind::WebSocket, "ws://h/ws"),
            (r#""url": "rss://h:1""#, Kind::RawSocket, "rss://h:1"),
            (r#""type": "rawsocket", "host": "h", "port": 8000"#, Kind::RawSocket, "rs://h:8000"),
            (r#""type": "rawsocket", "host": "::1", "port": 1"#, Kind::RawSocket, "rs://[::1]:1"),
            (r#""type": "rawsocket", "path": "/a.sock""#, Kind::RawSocket, "rs+unix:///a.sock"),
        ] {
            let transport = parse(&format!("{{{entry}}}")).unwrap();
            assert_eq!((transport.kind, transport.url.as_str()), (kind, url));
            assert_eq!(transport.endpoint.unwrap().url(), url);
        }
        let tls = parse(r#"{"url": "wss://h", "tlsConfiguration": {"verify": false}}"#).unwrap();
        assert!(tls.tls.unwrap().warning().is_some());
        for (entry, told) in [
            (r#""type": "websocket""#, "must have a `url`"),
            (r#""type": "websocket", "host": "h", "port": 1"#, "must have a `url`"),
            (r#""type": "rawsocket", "host": "h""#, "must have a `url`"),
            (r#""type": "rawsocket", "host": "h", "port": 65536"#, "1 to 65535"),
            (r#""type": "rawsocket", "path": "a.sock""#, "no absolute path"),
            (r#""type": "rawsocket", "url": "ws://h""#, "no URL for the type \"rawsocket\""),
            (r#""type": "websocket", "url": "rs://h:1""#, "no URL for the type \"websocket\""),
            (r#""url": "ws://h", "prot": 1"#, "did you mean `port`?"),
            (r#""url": "ws://h", "tlsConfiguration": {"key": 1}"#, "`key`: must be a string"),
        ] {
            let error = parse(&format!("{{{entry}}}")).unwrap_err().text;
            assert!(error.contains(told), "{entry}: {error}");
        }
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

    /// `docs/OPTIONS.md` is made of the table: WAMP_UPDATE_DOCS=1 writes it.
    #[test]
    fn the_documentation_is_made_of_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPTIONS.md");
        let head = include_str!("options.md");
        let mut page = head.to_owned();
        for Spec { name, kind, default, text, .. } in TABLE {
            let cell = |text: &str| text.replace('|', "\\|");
            let changeable = if CHANGEABLE.contains(name) { "yes" } else { "" };
            page += &format!(
                "| `{name}` | {} | {} | {changeable} | {} |\n",
                cell(kind),
                cell(default),
                cell(text)
            );
        }
        if std::env::var_os("WAMP_UPDATE_DOCS").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == page, "docs/OPTIONS.md is stale: WAMP_UPDATE_DOCS=1 cargo test options");
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
