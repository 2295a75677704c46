//! The choice of a proxy for a router: the one that the application names, or that of the
//! environment.
//!
//! | variable | for |
//! |---|---|
//! | `https_proxy` | `wss://`, `https://` |
//! | `http_proxy` | `ws://`, `http://` |
//! | `all_proxy` | these, where their own is not set, and RawSocket |
//! | `no_proxy` | a list of hosts without a proxy: names (with all below them), addresses, networks such as `10.0.0.0/8`, each perhaps with a port, or `*` for all |
//!
//! Capital letters do as well, except for `HTTP_PROXY`, which in a CGI program is made by its
//! client. This very machine is never reached through a proxy of the environment.
//!
//! The environment is read on the application's own thread, and never later: a program may change
//! it at any time, which is no safe moment for another thread to look.

use std::fmt;
use std::net::IpAddr;
use std::sync::OnceLock;

use super::Proxy;
use crate::transport::{Address, Endpoint, Protocol};

/// The application's wish about proxies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyChoice {
    /// The proxies that the environment named when it was read.
    Environment(Environment),
    /// None.
    Direct,
    /// This one.
    Through(Proxy),
}

impl ProxyChoice {
    /// The proxy to reach `endpoint` through.
    pub(in crate::transport) fn proxy_for(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Option<Proxy>, String> {
        match self {
            ProxyChoice::Direct => Ok(None),
            ProxyChoice::Through(proxy) => Ok(Some(proxy.clone())),
            ProxyChoice::Environment(environment) => from(endpoint, |name| environment.get(name)),
        }
    }
}

const VARIABLES: [&str; 7] =
    ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];

/// The variables about proxies.
#[derive(Clone, PartialEq, Eq)]
pub struct Environment(Vec<(&'static str, String)>);

impl Environment {
    /// Those that there were when this was called for the first time: the program may change them
    /// at any time, and to read them meanwhile is no thread's right.
    pub fn read() -> Environment {
        static READ: OnceLock<Environment> = OnceLock::new();
        READ.get_or_init(Environment::read_now).clone()
    }

    fn read_now() -> Environment {
        let set = VARIABLES.iter().filter_map(|name| {
            let value = std::env::var_os(name)?.to_string_lossy().into_owned();
            Some((*name, value)).filter(|(_, value)| !value.is_empty())
        });
        Environment(set.collect())
    }

    fn get(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone())
    }
}

/// The values, which may hold passwords, are not shown.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Reads an environment; `variable` looks one up.
pub(super) fn from(
    endpoint: &Endpoint,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, String> {
    let Address::Tcp { host, port, secure } = &endpoint.address else {
        return Ok(None);
    };
    if is_local(host) {
        return Ok(None);
    }
    let names: &[&str] = match (&endpoint.protocol, secure) {
        (Protocol::WebSocket { .. } | Protocol::LongPoll { .. }, true) => {
            &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
        }
        (Protocol::WebSocket { .. } | Protocol::LongPoll { .. }, false) => {
            &["http_proxy", "all_proxy", "ALL_PROXY"]
        }
        (Protocol::RawSocket, _) => &["all_proxy", "ALL_PROXY"],
    };
    let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
    let Some((name, url)) = names.iter().find_map(|name| Some((name, set(name)?))) else {
        return Ok(None);
    };
    let exempt = set(&"no_proxy").or_else(|| set(&"NO_PROXY")).unwrap_or_default();
    if exempt.split([',', ' ']).any(|entry| is_exempt(host, *port, entry)) {
        return Ok(None);
    }
    Proxy::parse(&url).map(Some).map_err(|why| format!("environment variable `{name}`: {why}"))
}

fn is_local(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address = host.parse().map(|address: IpAddr| address.to_canonical());
    let ours = address.is_ok_and(|address| address.is_loopback() || address.is_unspecified());
    ours || host == "localhost" || host.ends_with(".localhost")
}

fn is_exempt(host: &str, port: u16, entry: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let entry = entry.trim().to_ascii_lowercase();
    let address = host.parse().ok().map(|address: IpAddr| address.to_canonical());
    match entry.as_str() {
        "" => return false,
        "*" => return true,
        _ => {}
    }
    if let (Some(address), Some((network, bits))) = (address, entry.split_once('/')) {
        return in_network(address, network, bits).unwrap_or(false);
    }
    let (name, wanted) = split_port(&entry);
    if wanted.is_some_and(|wanted| wanted.parse() != Ok(port)) {
        return false;
    }
    match address {
        Some(address) => name.parse().is_ok_and(|exempt: IpAddr| exempt.to_canonical() == address),
        None => {
            let name = name.trim_start_matches("*.").trim_matches('.');
            host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        }
    }
}

/// A name or an address, which may be that of IPv6, and perhaps a port.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    if let Some((address, rest)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, rest.strip_prefix(':'));
    }
    match entry.split_once(':') {
        Some((name, port)) if !port.contains(':') => (name, Some(port)),
        _ => (entry, None),
    }
}

fn in_network(address: IpAddr, network: &str, bits: &str) -> Option<bool> {
    let bits: u32 = bits.parse().ok()?;
    Some(match (address, network.parse().ok()?) {
        (IpAddr::V4(address), IpAddr::V4(network)) if bits <= 32 => {
            let differ = address.to_bits() ^ network.to_bits();
            differ.checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if bits <= 128 => {
            let differ = address.to_bits() ^ network.to_bits();
            differ.checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    })
}
