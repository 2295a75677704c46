//! The ways to the router: the entries of `transports`, and what `url` stands for.

use std::sync::Arc;

use serde_json::Value;

use crate::transport::{
    CROSSBAR_SEPARATOR, Endpoint, Protocol, SEPARATOR, Serializer, TlsOptions, check_header,
};

use super::unknown;
use super::values::{bytes, text};

/// One way to the router.
#[derive(Debug, Clone)]
pub struct TransportOptions {
    /// Destination.
    pub endpoint: Endpoint,
    /// HTTP headers on top of those for all; see [`super::Options::headers_for`].
    pub headers: Vec<(String, String)>,
    /// Instead of the option for all.
    pub serializers: Option<Vec<Serializer>>,
    /// Instead of the option for all.
    pub tls: Option<Arc<TlsOptions>>,
}

/// The kinds of transports, by the names of AutobahnJS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named like the options")]
pub enum Kind {
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

    pub(super) fn parse(name: &str) -> Result<Kind, String> {
        let kinds = [Kind::WebSocket, Kind::RawSocket, Kind::LongPoll];
        kinds.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            format!("type \"{name}\": must be \"websocket\", \"rawsocket\" or \"longpoll\"")
        })
    }
}

/// One entry of `transports`.
pub(super) fn transport(value: &Value) -> Result<TransportOptions, String> {
    let entry = value.as_object().ok_or("each transport must be an object")?;
    let (mut kind, mut url, mut host, mut port, mut path) = (None, None, None, None, None);
    let (mut given_headers, mut given_tls, mut given_serializers) = (Vec::new(), None, None);
    for (name, value) in entry {
        match name.as_str() {
            "type" => kind = Some(Kind::parse(&text(value)?)?),
            "url" => url = Some(text(value)?),
            "host" => host = Some(text(value)?),
            "port" => port = Some(bytes(value, 1, 65_535).map_err(|_| "`port`: 1 to 65535")?),
            "path" => path = Some(text(value)?),
            "headers" => given_headers = headers(value)?,
            "tlsConfiguration" => given_tls = Some(tls(value)?),
            "serializers" => {
                let list = serializers(value).map_err(|why| format!("`serializers`: {why}"))?;
                given_serializers = Some(list);
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
            let scheme = if given_tls.is_some() { "rss" } else { "rs" };
            match host.contains(':') && !host.starts_with('[') {
                true => format!("{scheme}://[{host}]:{port}"),
                false => format!("{scheme}://{host}:{port}"),
            }
        }
        (None, None, None, Some(path)) if kind == Some(Kind::RawSocket) => {
            format!("rs+unix://{path}")
        }
        _ => {
            return Err("each transport needs a `url`, or with the type \"rawsocket\" `host` and \
                        `port`, or the `path` of a Unix socket"
                .to_owned());
        }
    };
    let transport = TransportOptions::new(&url)?;
    if given_tls.is_some() && !transport.endpoint.is_secure() {
        return Err(format!(
            "`tlsConfiguration` is for wss://, rss:// and https://, but \"{url}\" is not encrypted"
        ));
    }
    match kind.filter(|wanted| *wanted != transport.kind()) {
        None => Ok(TransportOptions {
            headers: given_headers,
            tls: given_tls,
            serializers: given_serializers,
            ..transport
        }),
        Some(wanted) => Err(format!("\"{url}\" is not a URL for the type \"{}\"", wanted.name())),
    }
}

impl TransportOptions {
    /// The way that a URL alone names.
    pub(super) fn new(url: &str) -> Result<TransportOptions, String> {
        let endpoint = Endpoint::parse(url)?;
        Ok(TransportOptions { endpoint, headers: Vec::new(), serializers: None, tls: None })
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self.endpoint.protocol {
            Protocol::WebSocket { .. } => Kind::WebSocket,
            Protocol::RawSocket => Kind::RawSocket,
            Protocol::LongPoll { .. } => Kind::LongPoll,
        }
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        self.endpoint.url()
    }
}

pub(super) fn serializers(value: &Value) -> Result<Vec<Serializer>, String> {
    let wanted = || {
        let names = Serializer::ALL.map(|serializer| format!("\"{}\"", serializer.name()));
        format!("must be a list of {}, the best first", names.join(", "))
    };
    let mut list = Vec::new();
    for name in value.as_array().ok_or_else(wanted)? {
        let serializer = name.as_str().and_then(Serializer::parse).ok_or_else(wanted)?;
        if !list.contains(&serializer) {
            list.push(serializer);
        }
    }
    if list.is_empty() { Err(wanted()) } else { Ok(list) }
}

pub(super) fn separator(value: &Value) -> Result<u8, String> {
    match value.as_str() {
        Some("0x1e") => Ok(SEPARATOR),
        Some("0x18") => Ok(CROSSBAR_SEPARATOR),
        _ => Err("must be \"0x1e\" (the specification) or \"0x18\" (Crossbar.io)".to_owned()),
    }
}

pub(super) fn tls(value: &Value) -> Result<Arc<TlsOptions>, String> {
    let object = value.as_object().ok_or("must be an object")?;
    TlsOptions::parse(object).map(Arc::new)
}

pub(super) fn headers(value: &Value) -> Result<Vec<(String, String)>, String> {
    let object = value.as_object().ok_or("must be an object of strings")?;
    let checked = object.iter().map(|(name, value)| {
        let value = text(value)?;
        check_header(name, &value)?;
        Ok((name.clone(), value))
    });
    checked.collect()
}
