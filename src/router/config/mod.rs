//! The options of a router, in one table that parses, checks and documents them.
//!
//! * `table`: all of them. `values`: what they are made of. `listeners`: those of single listeners.
//! * `reloads`: from when on they hold if they change. `checked`: what they say of single places.

mod checked;
mod listeners;
#[cfg(test)]
mod reloads;
mod table;
mod values;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::os;
use crate::transport::DeflateOptions;
use crate::transport::tls::Acceptor;

use super::RouterError;
use super::asking::Dispatch;
use super::auth::{SecretValue, Store};
use super::budget::Budget;
use super::gate::ConnectionLimits;
use super::journal::LogFormat;
use super::limits::Limits;
use super::mistake::{Mistake, unknown};
use super::networks::Networks;
use super::origin::AllowedOrigins;
use super::roles::Roles;
pub use checked::Checked;
pub(super) use listeners::{ListenerSettings, endpoint};
use table::TABLE;

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
    /// The memory that clients may make the router use, all together.
    pub(super) budget: Arc<Budget>,
    /// The time that one message may take to come.
    pub(super) message_timeout: Duration,
    /// The largest message before a session is joined, where nobody knows yet who speaks.
    pub(super) max_unjoined_size: usize,
    /// The numbers of connections.
    pub(super) connection_limits: ConnectionLimits,
    /// The proxies that are believed.
    pub(super) trusted_proxies: Networks,
    /// The pages of other hosts that may use it.
    pub(super) allowed_origins: AllowedOrigins,
    /// The form of lines in the log.
    pub(super) log_format: LogFormat,
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
    /// The limits of what is kept for clients.
    pub(super) limits: Limits,
    /// The thread on which the program is told of questions.
    pub(super) dispatch: Dispatch,
    /// The time that the program, an authenticator or an authorizer may take to answer.
    pub(super) question_timeout: Duration,
    /// The number of questions to the program that may be open at a time.
    pub(super) max_questions: usize,
    /// The users known; `None` lets everybody in.
    pub(super) auth: Option<Arc<Store>>,
    /// The settings of single listeners.
    pub(super) listeners: Vec<Arc<ListenerSettings>>,
    /// The configuration of before, while this one is read.
    pub(super) former: Option<Arc<Config>>,
    /// The rights of the roles; `None` allows everything.
    pub(super) roles: Option<Arc<Roles>>,
}

/// The default of `memory_limit`: what leaves room for everything else where there is little.
fn memory_limit(memory: Option<u64>) -> usize {
    const MOST: usize = 1 << 30;
    let quarter = memory.and_then(|bytes| usize::try_from(bytes / 4).ok());
    quarter.unwrap_or(MOST).clamp(1 << 20, MOST)
}

impl Default for Config {
    fn default() -> Self {
        Config {
            realms: None,
            hello_timeout: Duration::from_secs(10),
            max_message_size: 16 << 20,
            send_queue_bytes: 256 << 20,
            budget: Budget::new(memory_limit(os::memory())),
            message_timeout: Duration::from_secs(60),
            max_unjoined_size: 64 * 1024,
            connection_limits: ConnectionLimits::default(),
            trusted_proxies: Networks::default(),
            allowed_origins: AllowedOrigins::default(),
            log_format: LogFormat::default(),
            write_timeout: Duration::from_secs(60),
            disclose_caller: false,
            disclose_publisher: false,
            tls: None,
            deflate: None,
            event_history: 0,
            strict_request_ids: true,
            limits: Limits::default(),
            dispatch: Dispatch::Thread,
            question_timeout: Duration::from_secs(10),
            max_questions: 1000,
            auth: None,
            listeners: Vec::new(),
            former: None,
            roles: None,
        }
    }
}

impl Config {
    /// Reads a JSON object; `None` is `{}`.
    pub(super) fn parse(json: Option<&str>) -> Result<Config, RouterError> {
        Config::default().read(json)
    }

    /// Reads the configuration that is to come after this one.
    pub(super) fn parse_next(&self, json: Option<&str>) -> Result<Config, RouterError> {
        let next = Config { former: Some(Arc::new(self.clone())), ..Config::default() };
        let next = next.read(json)?;
        let limits = next.limits.counting_as(&self.limits);
        Ok(Config { limits, former: None, ..next })
    }

    fn read(self, json: Option<&str>) -> Result<Config, RouterError> {
        let mut config = self;
        let Some(json) = json else {
            return Ok(config);
        };
        let entries: Map<String, Value> = serde_json::from_str(json)
            .map_err(|error| RouterError::Config(format!("not a JSON object: {error}")))?;
        let entries = SecretValue(Value::Object(entries));
        let wrong = |mistake: Mistake| RouterError::Config(mistake.to_string());
        for (name, value) in entries.0.as_object().into_iter().flatten() {
            config.set(name, value).map_err(wrong)?;
        }
        listeners::check(&config).map_err(wrong)?;
        Ok(config)
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), Mistake> {
        match TABLE.iter().find(|spec| spec.name == name) {
            Some(spec) => (spec.set)(self, value).map_err(|mistake| mistake.within(name)),
            None => {
                let names: Vec<_> = TABLE.iter().map(|spec| spec.name).collect();
                Err(unknown(name, &names))
            }
        }
    }
}
