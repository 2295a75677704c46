//! Every option: its name, what it means, and how it is taken.

use serde_json::Value;

use crate::auth::{self, Secret, key_file};
use crate::client::retry::AUTH_FAILURES;
use crate::parts::Part;
use crate::transport::Proxy;

use super::transports::{headers, separator, serializers, tls, transport};
use super::values::{bytes, flag, flag_of, number, seconds, text};
use super::*;

/// One option: how it is written, what it means, and how it is taken.
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// Its JSON type.
    pub kind: &'static str,
    /// Value that holds without it.
    pub default: &'static str,
    /// Description.
    pub text: &'static str,
    pub(super) set: fn(&mut Options, &Value) -> Result<(), String>,
}

/// All options.
pub const TABLE: &[Spec] = &[
    Spec {
        name: "url",
        kind: "string",
        default: "required, or transports",
        text: "The router: ws://host:port/path, rs://host:port, or http://host:port/path for HTTP \
               long-poll; wss://, rss:// or https:// with TLS; ws+unix:///path.sock:/path or \
               rs+unix:///path.sock.",
        set: |options, value| {
            options.transports = vec![TransportOptions::new(&text(value)?)?];
            Ok(())
        },
    },
    Spec {
        name: "transports",
        kind: "list of objects",
        default: "[{url}]",
        text: "Instead of url: the ways to the router, each {\"type\": \"websocket\", \
               \"rawsocket\" or \"longpoll\", \"url\": ..., \"headers\": ..., \"serializers\": \
               ..., \"tlsConfiguration\": ...}; instead of \"url\" a rawsocket may have \"host\" \
               and \"port\" (with TLS if it has a \"tlsConfiguration\"), or the \"path\" of a Unix \
               socket. They are tried in order, the one that worked last time first. Headers of an \
               entry are added to the option `headers`; its serializers and TLS configuration \
               replace those of the options.",
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
        text: "The time limit for connecting, handshakes and joining in total.",
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
        text: "HTTP headers to send with the WebSocket upgrade, and with each request of \
               long-poll, except those that the transport itself needs, such as Connection or \
               Content-Length.",
        set: |options, value| {
            options.headers = headers(value)?;
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
        text: "How much data may wait to be sent before requests are answered with WAMP_ERR_AGAIN.",
        set: |options, value| bytes(value, 1, 1 << 40).map(|size| options.send_queue_bytes = size),
    },
    Spec {
        name: "receive_queue_bytes",
        kind: "integer (bytes)",
        default: "16777216",
        text: "How much data may wait to be dispatched before reading from the socket pauses.",
        set: |options, value| {
            bytes(value, 1, 1 << 40).map(|size| options.receive_queue_bytes = size)
        },
    },
    Spec {
        name: "autoping_interval",
        kind: "number (seconds)",
        default: "30",
        text: "A ping is sent after this much silence: by WebSocket, or as an HTTP OPTIONS request \
               with long-poll; 0 for never. (On RawSocket, where not every router answers pings, \
               the operating system monitors the connection; see `rawsocket_pings`.)",
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
        text: "If nothing is received for this long after a ping, the connection counts as lost; \
               more than 0. If much data is sent before the ping, the time is measured from when \
               the router's system has received that.",
        set: |options, value| {
            let time = seconds(value)?;
            if time.is_zero() {
                let text = "no answer comes in 0 s; to send no pings, set `autoping_interval` to 0";
                return Err(text.to_owned());
            }
            options.autoping_timeout = time;
            Ok(())
        },
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
        text: "The number of retries after a loss; 0 for none, -1 for no limit.",
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
        text: "The factor by which the mean delay is multiplied after each retry.",
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
        text: "Retry also if no session could be opened in the first place.",
        set: |options, value| flag(value).map(|wanted| options.retry_if_unreachable = wanted),
    },
    Spec {
        name: "retry_reasons",
        kind: "list of strings",
        default: "[\"wamp.close.system_shutdown\"]",
        text: "URIs of a router's GOODBYE or ABORT after which to retry, at whatever point it \
               arrives. The first delay after it is anywhere between 0 and twice \
               `initial_retry_delay`. The list replaces the default; [] is for none.",
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
        text: "The proxy to use: http://user:password@host:port or socks5://...; false for none. \
               By default https_proxy (for wss://), http_proxy (for ws://), all_proxy and no_proxy \
               of the environment apply, with the values that they have when the library is first \
               used.",
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
        text: "For wss://, rss:// and https://: `ca`, `cert` and `key` (PEM, or paths of PEM \
               files), `server_name`, `min_version` (\"1.2\" or \"1.3\"), `pins` (list of \
               \"sha256/BASE64\" of the server's public key), `verify` (false accepts any server).",
        set: |options, value| {
            options.tls = tls(value)?;
            Ok(())
        },
    },
    Spec {
        name: "authid",
        kind: "string",
        default: "none",
        text: "The authentication id: the name to log in with.",
        set: |options, value| text(value).map(|authid| options.credentials.authid = Some(authid)),
    },
    Spec {
        name: "authmethods",
        kind: "list of strings",
        default: "none",
        text: "The authentication methods to offer, in this order: \"anonymous\", \"ticket\", \
               \"wampcra\", \"scram\" (Crossbar.io), \"wamp-scram\", \"cryptosign\", \"tls\" (the \
               certificate of `tlsConfiguration`), or one that on_challenge answers. The default: those for which there are credentials. Name the \
               one that your router is configured for: routers do not try a second one.",
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
        text: "The Ed25519 key: answers a \"cryptosign\" challenge. 64 hex digits of the seed, the \
               text of an OpenSSH key file, or the path of a file that contains either of these or \
               the 32 bytes.",
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
        text: "The router's public Ed25519 key: only a router that proves in \"cryptosign\" that \
               it has the private key is accepted.",
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
        text: "\"tls-exporter\" binds \"cryptosign\" and \"wamp-scram\" to the TLS connection; a \
               router that does not support this is refused.",
        set: |options, value| {
            options.credentials.channel_binding = match value.as_str() {
                Some("tls-exporter") => Part::Tls.require().map(|()| true)?,
                _ => return Err("must be \"tls-exporter\", or left out".to_owned()),
            };
            Ok(())
        },
    },
    Spec {
        name: "scram_raw",
        kind: "bool",
        default: "false",
        text: "For \"scram\" with argon2: the router's keys were made from the hash itself, and \
               not from its base64 text as by Autobahn's tools.",
        set: |options, value| {
            flag_of(Part::Argon2, value).map(|raw| options.credentials.scram_raw = raw)
        },
    },
    Spec {
        name: "authextra",
        kind: "object",
        default: "none",
        text: "HELLO.Details.authextra, passed to the router unchanged.",
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
        text: "The encodings of messages to offer, the best first: \"json\", \"msgpack\", \
               \"cbor\"; on WebSocket and long-poll also \"json.batched\", \"msgpack.batched\", \
               \"cbor.batched\", which carry several messages at once. Payloads can be given in \
               any encoding with any of them. An entry of `transports` may have its own.",
        set: |options, value| {
            options.serializers = serializers(value)?;
            Ok(())
        },
    },
    Spec {
        name: "json_batch_separator",
        kind: "string",
        default: "\"0x1e\"",
        text: "The separator sent after each message by \"json.batched\": \"0x1e\" in the \
               specification, \"0x18\" for Crossbar.io. Either is accepted from the router.",
        set: |options, value| {
            options.json_batch_separator = separator(value)?;
            Ok(())
        },
    },
    Spec {
        name: "permessage_deflate",
        kind: "bool or object",
        default: "false",
        text: "WebSocket: true offers compression, and so does an object of `level` (1 to 9; 6), \
               `threshold` (messages with fewer bytes are not compressed; 256), \
               `client_no_context_takeover`, `server_no_context_takeover` (false), \
               `client_max_window_bits`, `server_max_window_bits` (9 to 15). It costs time and \
               some 300 KiB of memory; do not compress secrets together with data that others can \
               choose.",
        set: |options, value| {
            options.deflate = DeflateOptions::parse(value)?;
            Ok(())
        },
    },
    Spec {
        name: "cookies",
        kind: "bool",
        default: "true",
        text: "Cookies that a router sets in a handshake are sent back with later attempts of this \
               connection, for cookie authentication and load balancers. A header \"Cookie\" in \
               `headers` replaces them.",
        set: |options, value| flag_of(Part::Cookies, value).map(|wanted| options.cookies = wanted),
    },
    Spec {
        name: "rawsocket_pings",
        kind: "bool",
        default: "false",
        text: "RawSocket: the router is known to answer pings, so `autoping_interval` applies \
               there too. Crossbar.io does not answer: it closes the connection.",
        set: |options, value| flag(value).map(|known| options.rawsocket_pings = known),
    },
    Spec {
        name: "callback_stack_bytes",
        kind: "integer (bytes)",
        default: "8 MiB",
        text: "The stack size of callbacks in `thread` mode, 65536 to 2^30. The threads are \
               shared: the largest value of the connections that are open or opening when the \
               threads are started applies.",
        set: |options, value| {
            let size = bytes(value, 64 * 1024, 1 << 30)?;
            options.callback_stack_bytes = Some(size);
            Ok(())
        },
    },
    Spec {
        name: "payload_encoding",
        kind: "string",
        default: "\"json\"",
        text: "\"json\": received payloads are delivered as JSON text, whatever their encoding on \
               the wire. \"wire\": as they were received; `payload.encoding` says how.",
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
        name: "strict_options",
        kind: "bool",
        default: "true",
        text: "Refuse options of requests that have the wrong type, or whose names differ from one \
               that the request knows only in case, underscores or one letter. Other unknown names \
               are passed on to the router in any case; with false all of them are.",
        set: |options, value| flag(value).map(|strict| options.strict_options = strict),
    },
    Spec {
        name: "trace",
        kind: "bool",
        default: "false",
        text: "Write every message to the log, with secrets masked; also enabled by the \
               environment variable WAMP_TRACE=1.",
        set: |options, value| flag(value).map(|wanted| options.trace = wanted),
    },
];

/// Options that nobody needs: they are there to find out what is at fault.
pub(super) const HIDDEN: &[Spec] = &[Spec {
    name: "drive",
    kind: "boolean",
    default: "true",
    text: "A thread that waits in a _sync function watches the socket by itself.",
    set: |options, value| flag(value).map(|drive| options.drive = drive),
}];
