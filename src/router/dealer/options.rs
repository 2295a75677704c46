//! The options of CALL and REGISTER that this dealer knows.

use crate::codec::{Dict, DictWriter};
use crate::protocol::uri::{self, Match};

use super::super::options::{flag, number, passes_through, read_match, text};
use super::super::request::Fault;

/// The rule by which one of several callees gets a call (advanced profile, "Shared Registration").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::router) enum Invoke {
    /// There is but one.
    #[default]
    Single,
    /// The one that registered first.
    First,
    /// The one that registered last.
    Last,
    /// Each in turn.
    RoundRobin,
    /// Anyone.
    Random,
}

/// The options of REGISTER.
#[derive(Debug, Default)]
pub(super) struct RegisterOptions {
    pub(super) matching: Match,
    pub(super) invoke: Invoke,
    pub(super) concurrency: Option<u64>,
    pub(super) force_reregister: bool,
    pub(super) disclose_caller: bool,
    pub(super) forward_timeout: bool,
}

/// The options of CALL.
#[derive(Debug, Default)]
pub(super) struct CallOptions {
    pub(super) receive_progress: bool,
    /// More parts of this call will come.
    pub(super) progress: bool,
    pub(super) disclose_me: bool,
    /// Milliseconds; 0 is no limit.
    pub(super) timeout: u64,
    /// The options that the callee is to see as they are.
    pub(super) passthru: DictWriter,
}

impl Invoke {
    /// The name in WAMP.
    pub(in crate::router) fn name(self) -> &'static str {
        match self {
            Invoke::Single => "single",
            Invoke::First => "first",
            Invoke::Last => "last",
            Invoke::RoundRobin => "roundrobin",
            Invoke::Random => "random",
        }
    }

    fn parse(name: &str) -> Result<Invoke, Fault> {
        let all = [Invoke::Single, Invoke::First, Invoke::Last, Invoke::RoundRobin, Invoke::Random];
        all.into_iter().find(|invoke| invoke.name() == name).ok_or_else(|| {
            let names = all.map(Invoke::name).join(", ");
            let why = format!("option \"invoke\" must be one of {names}, not \"{name}\"");
            Fault::refused(uri::INVALID_ARGUMENT, why)
        })
    }
}

impl RegisterOptions {
    pub(super) fn read(dict: Dict<'_>) -> Result<Self, Fault> {
        let mut options = RegisterOptions::default();
        if dict.is_empty() {
            return Ok(options);
        }
        for (key, value) in dict.entries() {
            match key {
                b"match" => options.matching = read_match(key, value)?,
                b"invoke" => {
                    let name = text(key, value)?;
                    options.invoke =
                        name.map_or(Ok(Invoke::Single), |name| Invoke::parse(&name))?;
                }
                b"concurrency" => {
                    options.concurrency = number(key, value)?.filter(|limit| *limit > 0);
                }
                b"force_reregister" => {
                    options.force_reregister = flag(key, value)?.unwrap_or(false);
                }
                b"disclose_caller" => {
                    options.disclose_caller = flag(key, value)?.unwrap_or(false);
                }
                b"forward_timeout" => {
                    options.forward_timeout = flag(key, value)?.unwrap_or(false);
                }
                _ => {}
            }
        }
        Ok(options)
    }
}

impl CallOptions {
    #[inline]
    pub(super) fn read(dict: Dict<'_>) -> Result<Self, Fault> {
        let mut options = CallOptions::default();
        if dict.is_empty() {
            return Ok(options);
        }
        for (key, value) in dict.entries() {
            match key {
                b"receive_progress" => {
                    options.receive_progress = flag(key, value)?.unwrap_or(false);
                }
                b"progress" => options.progress = flag(key, value)?.unwrap_or(false),
                b"disclose_me" => options.disclose_me = flag(key, value)?.unwrap_or(false),
                b"timeout" => options.timeout = number(key, value)?.unwrap_or(0),
                _ if passes_through(key, value) => drop(options.passthru.raw(key, value)),
                _ => {}
            }
        }
        Ok(options)
    }
}
