//! The options of a connection, in one table that parses, checks and documents them.
//!
//! * `table`: all of them. `transports`: the ways to the router. `mode`: of dispatch. `values`:
//!   what they are made of.

mod mode;
mod table;
mod transports;
mod values;

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::{Map, Value};
use zeroize::Zeroize;

use crate::auth::Credentials;
use crate::codec::Encoding;
use crate::log;
use crate::protocol::features;
use crate::protocol::uri::{self, Match};
use crate::transport::proxy::Environment;
use crate::transport::{DeflateOptions, ProxyChoice, SEPARATOR, Serializer, TlsOptions};

use super::retry::Policy;
use super::status::{Failure, Status};

pub use mode::Mode;
pub use table::{Spec, TABLE};

use table::HIDDEN;
pub use transports::{Kind, TransportOptions};

/// The options of a connection, checked.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are named like the options")]
pub struct Options {
    /// At least one.
    pub transports: Vec<TransportOptions>,
    /// HTTP headers for all of them; what one has of its own counts more.
    pub headers: Vec<(String, String)>,
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
    /// See the table.
    pub callback_stack_bytes: Option<usize>,
    pub retry: Policy,
    pub retry_if_unreachable: bool,
    pub retry_reasons: Vec<String>,
    pub tls: Arc<TlsOptions>,
    pub proxy: ProxyChoice,
    /// The identity that we claim, and what answers challenges.
    pub credentials: Credentials,
    pub authmethods: Option<Vec<String>>,
    pub authextra: Option<Map<String, Value>>,
    /// Options of requests are checked, and not only passed on.
    pub strict_options: bool,
    pub drive: bool,
    pub trace: bool,
    /// The best first; at least one.
    pub serializers: Vec<Serializer>,
    /// The byte that ends a message in a batch of JSON that we send.
    pub json_batch_separator: u8,
    /// Compression of WebSocket messages, where it is wanted.
    pub deflate: Option<DeflateOptions>,
    /// Cookies that the router sets are given back.
    pub cookies: bool,
    /// The router is known to answer pings on RawSocket.
    pub rawsocket_pings: bool,
    /// Received payloads are delivered in this encoding; `None`: as they came.
    pub payload_encoding: Option<Encoding>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            transports: Vec::new(),
            headers: Vec::new(),
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
            callback_stack_bytes: None,
            retry: Policy::default(),
            retry_if_unreachable: false,
            // A router that is restarted will be back.
            retry_reasons: vec![uri::CLOSE_SYSTEM_SHUTDOWN.to_owned()],
            tls: Arc::default(),
            proxy: ProxyChoice::Environment(Environment::read()),
            credentials: Credentials::default(),
            authmethods: None,
            authextra: None,
            strict_options: true,
            drive: true,
            trace: false,
            serializers: vec![Encoding::Json.into()],
            json_batch_separator: SEPARATOR,
            deflate: None,
            cookies: true,
            rawsocket_pings: false,
            payload_encoding: Some(Encoding::Json),
        }
    }
}

/// Options that an attempt may have otherwise than the one before; see [`super::on_connect`].
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
        let given = Given(given);
        let mut options = Options::default();
        options.set_all(&given.0)?;
        let given = &given.0;
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
        options.prepare();
        Ok(options)
    }

    /// Those of a connection for which nothing has been said yet.
    pub fn unset() -> Options {
        Options { trace: log::wants_trace(), ..Options::default() }
    }

    /// The same with one option set, whether or not it was set before.
    pub fn with(&self, name: &str, value: Value) -> Result<Options, Failure> {
        let mut options = self.clone();
        options.set_all(&Given(Map::from_iter([(name.to_owned(), value)])).0)?;
        Ok(options)
    }

    /// Refuses to begin without what no attempt can do without; loads what they will need.
    pub fn check_complete(&self) -> Result<(), Failure> {
        let missing = match (self.transports.is_empty(), self.realm.is_empty()) {
            (true, _) => "url",
            (false, true) => "realm",
            (false, false) => {
                self.prepare();
                return Ok(());
            }
        };
        Err(Failure::new(Status::Option, format!("option `{missing}` is missing")))
    }

    /// Loads what attempts will need, here on the application's own thread.
    fn prepare(&self) {
        for transport in self.transports.iter().filter(|way| way.endpoint.is_secure()) {
            transport.tls.as_ref().unwrap_or(&self.tls).prepare();
        }
    }

    /// The same with some options changed, as a hook before an attempt may.
    pub fn changed(&self, json: &str) -> Result<Options, Failure> {
        let wrong = |text: String| Failure::new(Status::Option, text);
        let given: Map<String, Value> = serde_json::from_str(json)
            .map_err(|error| wrong(format!("the changes are not a JSON object: {error}")))?;
        let given = Given(given);
        let given = &given.0;
        if let Some(fixed) = given.keys().find(|name| {
            TABLE.iter().any(|spec| spec.name == *name) && !CHANGEABLE.contains(&name.as_str())
        }) {
            let may = CHANGEABLE.join(", ");
            return Err(wrong(format!(
                "option `{fixed}` cannot be changed per attempt; these can: {may}"
            )));
        }
        let mut options = self.clone();
        options.set_all(given)?;
        if given.contains_key("headers") && !given.contains_key("transports") {
            // What is changed now counts more than what an entry has always had.
            let now =
                |name: &str| options.headers.iter().any(|(new, _)| new.eq_ignore_ascii_case(name));
            for transport in &mut options.transports {
                transport.headers.retain(|(name, _)| !now(name));
            }
        }
        options.prepare();
        Ok(options)
    }

    /// Takes the given options in the order of the table, where those that others build on come
    /// first.
    fn set_all(&mut self, given: &Map<String, Value>) -> Result<(), Failure> {
        let wrong = |text: String| Failure::new(Status::Option, text);
        let mut settings = Vec::with_capacity(given.len());
        for (name, value) in given {
            match TABLE.iter().chain(HIDDEN).enumerate().find(|(_, spec)| spec.name == name) {
                Some((row, spec)) => settings.push((row, spec, value)),
                None => return Err(wrong(unknown(name, TABLE.iter().map(|spec| spec.name)))),
            }
        }
        settings.sort_unstable_by_key(|(row, ..)| *row);
        for (_, spec, value) in settings {
            (spec.set)(self, value)
                .map_err(|error| wrong(format!("option `{}`: {error}", spec.name)))?;
        }
        Ok(())
    }

    /// The HTTP headers for one of the transports; of those with one name the last counts.
    pub fn headers_for(&self, transport: &TransportOptions) -> Vec<(String, String)> {
        self.headers.iter().chain(&transport.headers).cloned().collect()
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
        static OURS: LazyLock<String> = LazyLock::new(announcement);
        let mut details = OURS.clone();
        let mut add = |name: &str, value: Value| {
            details.pop();
            details.push_str(&format!(",\"{name}\":{value}}}"));
        };
        if let Some(authid) = &self.credentials.authid {
            add("authid", authid.as_str().into());
        }
        let methods = self.methods();
        if !methods.is_empty() {
            add("authmethods", methods.into());
        }
        if !authextra.is_empty() || self.authextra.is_some() {
            add("authextra", authextra.into());
        }
        details.into_bytes()
    }
}

/// The part of HELLO.Details that is always the same, a JSON object.
fn announcement() -> String {
    let roles = features::OURS.iter().map(|(role, features)| {
        let features: Map<String, Value> =
            features.iter().map(|feature| ((*feature).to_owned(), true.into())).collect();
        ((*role).to_owned(), serde_json::json!({ "features": features }))
    });
    let agent = concat!("libwamp/", env!("CARGO_PKG_VERSION"));
    let roles = roles.collect::<Map<_, _>>();
    serde_json::json!({ "agent": agent, "roles": roles }).to_string()
}

/// The application's text. The secrets in it are wiped when they have been taken.
struct Given(Map<String, Value>);

impl Drop for Given {
    fn drop(&mut self) {
        for name in ["ticket", "secret", "privkey"] {
            if let Some(Value::String(secret)) = self.0.get_mut(name) {
                secret.zeroize();
            }
        }
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
