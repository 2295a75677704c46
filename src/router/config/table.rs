//! Every option of a router: its name, what it means, and how it is taken.

use std::sync::Arc;

use serde_json::Value;

use crate::router::auth::Store;
use crate::router::budget::Budget;
use crate::router::journal::LogFormat;
use crate::router::mistake::Mistake;
use crate::router::origin::AllowedOrigins;
use crate::router::roles::Roles;
use crate::transport::DeflateOptions;

use super::values::{count, disclose, dispatch, flag, networks, realms, seconds, size, tls};
use super::{Config, listeners};

/// One option: how it is written, what it means, and how it is taken.
pub(super) struct Spec {
    /// Its name.
    pub(super) name: &'static str,
    /// Its JSON type.
    #[cfg_attr(not(test), expect(dead_code, reason = "for docs/ROUTER.md"))]
    pub(super) kind: &'static str,
    /// Value that holds without it.
    #[cfg_attr(not(test), expect(dead_code, reason = "for docs/ROUTER.md"))]
    pub(super) default: &'static str,
    /// Description.
    #[cfg_attr(not(test), expect(dead_code, reason = "for docs/ROUTER.md"))]
    pub(super) text: &'static str,
    pub(super) set: fn(&mut Config, &Value) -> Result<(), Mistake>,
}

/// All options.
pub(super) const TABLE: &[Spec] = &[
    Spec {
        name: "realms",
        kind: "list of strings",
        default: "any",
        text: "The realms that clients may join. Without it a realm is made when its first session \
               joins, and forgotten with its last.",
        set: |config, value| realms(value).map(|names| config.realms = Some(names)),
    },
    Spec {
        name: "hello_timeout",
        kind: "number (seconds)",
        default: "10",
        text: "The time from the connection to HELLO, and that of the whole login.",
        set: |config, value| seconds(value).map(|time| config.hello_timeout = time),
    },
    Spec {
        name: "max_message_size",
        kind: "integer (bytes)",
        default: "16 MiB",
        text: "The largest message that is accepted and passed on.",
        set: |config, value| size(value).map(|size| config.max_message_size = size),
    },
    Spec {
        name: "send_queue_bytes",
        kind: "integer (bytes)",
        default: "256 MiB",
        text: "The number of bytes that may wait for one client. One that lets more gather, because \
               it does not read, is dropped.",
        set: |config, value| size(value).map(|size| config.send_queue_bytes = size),
    },
    Spec {
        name: "memory_limit",
        kind: "integer (bytes)",
        default: "1024 MiB or less",
        text: "The memory that clients may make the router use, all together: messages that wait \
               for them, parts of messages that come in, what realms keep, and 16 KiB for each \
               connection. Above three quarters of it, clients that send much are not read until \
               it is less, and of the clients that take nothing for half a second the one with \
               the most waiting is dropped. At the limit, large messages are refused, those \
               without `acknowledge` silently. 1048576 or more. The default is a quarter of the \
               memory of the machine, or of its control group, but not more than 1024 MiB.",
        set: |config, value| {
            let least = 1 << 20;
            let bytes = count(value, least, "bytes")?;
            config.budget = Budget::new(bytes);
            Ok(())
        },
    },
    Spec {
        name: "max_unjoined_size",
        kind: "integer (bytes)",
        default: "65536",
        text: "The largest message of a client that has not joined a realm.",
        set: |config, value| size(value).map(|size| config.max_unjoined_size = size),
    },
    Spec {
        name: "max_connections",
        kind: "integer",
        default: "20000",
        text: "The number of connections, joined or not; on long-poll each transport and each \
               connection counts. Others are turned away: with HTTP status 503, or RawSocket's \
               error 4.",
        set: |config, value| {
            count(value, 1, "connections")
                .map(|number| config.connection_limits.connections = number)
        },
    },
    Spec {
        name: "max_connections_per_address",
        kind: "integer",
        default: "1000",
        text: "The number of connections of one address, of IPv6 of one /64 network. Unix sockets, \
               the addresses of this machine (127.0.0.0/8, ::1) and trusted proxies themselves \
               are exempt.",
        set: |config, value| {
            count(value, 1, "connections")
                .map(|number| config.connection_limits.per_address = number)
        },
    },
    Spec {
        name: "max_handshakes",
        kind: "integer",
        default: "4096",
        text: "The number of connections that have not joined a realm yet, of which one address \
               may have a quarter. Beyond it nobody is turned away: instead, the oldest one is \
               dropped of the address that has the most.",
        set: |config, value| {
            count(value, 1, "connections")
                .map(|number| config.connection_limits.handshakes = number)
        },
    },
    Spec {
        name: "trusted_proxies",
        kind: "list of strings",
        default: "[]",
        text: "Addresses and networks (`10.0.0.0/8`) of proxies. They are believed for whom they \
               speak: by `X-Forwarded-For` on WebSocket and long-poll, of which the last address \
               counts that is no trusted proxy's, and by the PROXY protocol, version 1 or 2, at \
               the begin of any TCP connection. That address is what limits and delays are for.",
        set: |config, value| {
            config.trusted_proxies = networks(value)?;
            Ok(())
        },
    },
    Spec {
        name: "allowed_origins",
        kind: "list of strings",
        default: "[]",
        text: "Web pages that may connect from a browser, by their origin: \
               `https://app.example.com`, `https://*.example.com`, `null` (files), or `*` for all. \
               Pages of the router's own host always may; on a loopback address those of this \
               machine. There a `Host` is refused, too, that is no loopback name and is not \
               listed, which may be another's page by DNS rebinding. Requests without `Origin` \
               are not those of pages. Long-poll answers listed pages with what CORS wants.",
        set: |config, value| {
            config.allowed_origins = AllowedOrigins::parse(value)?;
            Ok(())
        },
    },
    Spec {
        name: "log_format",
        kind: "string",
        default: "text",
        text: "The form of the lines that the router writes to the log (wamp_set_log()): `text`, \
               or `json`, an object each.",
        set: |config, value| {
            config.log_format = LogFormat::parse(value)?;
            Ok(())
        },
    },
    Spec {
        name: "message_timeout",
        kind: "number (seconds)",
        default: "60",
        text: "The time that one message may take to come, from its first byte to its last. \
               Longer ones have to come with at least 1024 bytes a second.",
        set: |config, value| seconds(value).map(|time| config.message_timeout = time),
    },
    Spec {
        name: "disclose",
        kind: "object",
        default: "{}",
        text: "`caller`, `publisher`: if true, callees are always told who calls, and subscribers \
               who publishes.",
        set: |config, value| {
            (config.disclose_caller, config.disclose_publisher) = disclose(value)?;
            Ok(())
        },
    },
    Spec {
        name: "tls",
        kind: "object",
        default: "none",
        text: "For `wss://`, `rss://` and `https://`: `cert` and `key`, and `client_ca`, which has \
               to have signed the certificates that clients must have then; each is a PEM text or \
               the path of a PEM file. With `client_cert`: `optional` clients may do without one, \
               and only those who show one are known by it.",
        set: |config, value| tls(value).map(|acceptor| config.tls = Some(acceptor)),
    },
    Spec {
        name: "permessage_deflate",
        kind: "bool or object",
        default: "false",
        text: "Compression on WebSocket for clients that offer it; the object is that of the \
               [connection option](OPTIONS.md).",
        set: |config, value| {
            config.deflate = DeflateOptions::parse(value).map_err(Mistake::told)?;
            Ok(())
        },
    },
    Spec {
        name: "event_history",
        kind: "integer",
        default: "0",
        text: "The number of past publications that each realm keeps, up to \
               `max_history_bytes`.",
        set: |config, value| {
            count(value, 0, "publications").map(|number| config.event_history = number)
        },
    },
    Spec {
        name: "strict_request_ids",
        kind: "bool",
        default: "true",
        text: "Request ids count from 1 without a gap; with false a client may use any that no \
               call of its own has.",
        set: |config, value| flag(value).map(|strict| config.strict_request_ids = strict),
    },
    Spec {
        name: "max_subscriptions",
        kind: "integer",
        default: "100000",
        text: "The number of subscriptions of one session.",
        set: |config, value| {
            count(value, 0, "subscriptions").map(|most| config.limits.max_subscriptions.set(most))
        },
    },
    Spec {
        name: "max_patterns",
        kind: "integer",
        default: "1000",
        text: "The number of patterns (`match` prefix or wildcard) among the \
               subscriptions of one session, and among its registrations.",
        set: |config, value| {
            count(value, 0, "patterns").map(|most| config.limits.max_patterns.set(most))
        },
    },
    Spec {
        name: "max_registrations",
        kind: "integer",
        default: "100000",
        text: "The number of registrations of one session.",
        set: |config, value| {
            count(value, 0, "registrations").map(|most| config.limits.max_registrations.set(most))
        },
    },
    Spec {
        name: "max_pending_calls",
        kind: "integer",
        default: "100000",
        text: "The number of calls that may wait for their answers, of one caller, and at \
               one callee.",
        set: |config, value| {
            count(value, 1, "calls").map(|most| config.limits.max_pending_calls.set(most))
        },
    },
    Spec {
        name: "max_testament_bytes",
        kind: "integer (bytes)",
        default: "1 MiB",
        text: "The size of all testaments of one session.",
        set: |config, value| {
            count(value, 0, "bytes").map(|most| config.limits.max_testament_bytes.set(most))
        },
    },
    Spec {
        name: "max_options_size",
        kind: "integer (bytes)",
        default: "256 KiB",
        text: "The size of the options of one message, as JSON; 256 KiB are ten thousand \
               receivers of an event. A request beyond it is refused; any other message ends the \
               session.",
        set: |config, value| {
            count(value, 64, "bytes").map(|most| config.limits.max_options_size.set(most))
        },
    },
    Spec {
        name: "max_retained_topics",
        kind: "integer",
        default: "100000",
        text: "The number of topics of a realm that have a retained event. Where there is \
               no room for another one, the oldest goes; 0 refuses them.",
        set: |config, value| {
            count(value, 0, "topics").map(|most| config.limits.max_retained_topics.set(most))
        },
    },
    Spec {
        name: "max_retained_bytes",
        kind: "integer (bytes)",
        default: "64 MiB",
        text: "The size of all retained events of a realm. The oldest go, as above; an \
               event that is larger than that is refused.",
        set: |config, value| {
            count(value, 0, "bytes").map(|most| config.limits.max_retained_bytes.set(most))
        },
    },
    Spec {
        name: "max_history_bytes",
        kind: "integer (bytes)",
        default: "64 MiB",
        text: "The size of all past events that a realm keeps with `event_history`. The \
               oldest go.",
        set: |config, value| {
            count(value, 0, "bytes").map(|most| config.limits.max_history_bytes.set(most))
        },
    },
    Spec {
        name: "max_realms",
        kind: "integer",
        default: "10000",
        text: "The number of realms that are made on demand, without `realms`, at a time.",
        set: |config, value| {
            count(value, 1, "realms").map(|most| config.limits.max_realms.set(most))
        },
    },
    Spec {
        name: "dispatch",
        kind: "string",
        default: "thread",
        text: "The thread on which the callbacks of `wamp_router_on_authenticate()` and \
               `wamp_router_on_authorize()` run, as with connections: `thread`, `manual` or \
               `inline`.",
        set: |config, value| dispatch(value).map(|dispatch| config.dispatch = dispatch),
    },
    Spec {
        name: "question_timeout",
        kind: "number (seconds)",
        default: "10",
        text: "The time that an answer of these callbacks, of an authenticator or of an authorizer \
               may take; then it is a refusal.",
        set: |config, value| seconds(value).map(|time| config.question_timeout = time),
    },
    Spec {
        name: "max_questions",
        kind: "integer",
        default: "1000",
        text: "The number of questions to these callbacks that may be open at a time; others wait \
               for their turn, within `question_timeout`.",
        set: |config, value| {
            count(value, 1, "questions").map(|number| config.max_questions = number)
        },
    },
    Spec {
        name: "auth",
        kind: "object",
        default: "everybody may join",
        text: "The users, and how they prove who they are: see [Logins](#logins).",
        set: |config, value| {
            let former = config.former.as_ref().and_then(|former| former.auth.as_deref());
            config.auth = Some(Arc::new(Store::parse(value, former)?));
            Ok(())
        },
    },
    Spec {
        name: "roles",
        kind: "object",
        default: "everything is allowed",
        text: "What each role may do: see [Roles](#roles).",
        set: |config, value| {
            config.roles = Some(Arc::new(Roles::parse(value)?));
            Ok(())
        },
    },
    Spec {
        name: "listeners",
        kind: "list of objects",
        default: "[]",
        text: "Settings of single listeners, and what `wamp_router_listen()` without a URL opens: \
               see [Listeners](#listeners).",
        set: |config, value| {
            config.listeners = listeners::parse(value, config.former.as_deref())?;
            Ok(())
        },
    },
];
