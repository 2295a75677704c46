//! The ways to the router: the entries of `transports`, and what `url` stands for.

use std::sync::Arc;

use serde_json::Value;

use crate::codec::Encoding;
use crate::transport::{Endpoint, Protocol, TlsOptions, websocket};

use super::unknown;
use super::values::{bytes, text};

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
    pub(super) fn set_url(&mut self, url: String, wanted: Option<Kind>) -> Result<(), String> {
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

pub(super) fn serializers(value: &Value) -> Result<Vec<Encoding>, String> {
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

pub(super) fn tls(value: &Value) -> Result<Arc<TlsOptions>, String> {
    let object = value.as_object().ok_or("must be an object")?;
    TlsOptions::parse(object).map(Arc::new)
}

pub(super) fn headers(value: &Value) -> Result<Vec<(String, String)>, String> {
    let object = value.as_object().ok_or("must be an object of strings")?;
    let checked = object.iter().map(|(name, value)| {
        let value = text(value)?;
        websocket::check_header(name, &value)?;
        Ok((name.clone(), value))
    });
    checked.collect()
}
