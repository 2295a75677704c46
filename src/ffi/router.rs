//! The embedded router: `wamp_router_t`.

use std::ffi::{c_char, c_int};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use crate::client::runtime::{self, Closable};
use crate::client::scope;
use crate::client::{Failure, Mode, Status, lock};
use crate::os::SignalMask;
use crate::protocol::event::c_text;
use crate::protocol::uri;
use crate::router::{Router, RouterError};

use super::args::{self, Out, Text, from_c};
use super::guard::{guard, quiet_panics};
use super::handles::{self, find};
use super::objects::RouterObject;
use super::question;
use super::report::report;
use super::router_host::{HostOf, RouterHost};
use super::types::*;

/// The time that I/O threads get to write what needs nobody's help: they may have much to do.
const SAYING: Duration = Duration::from_secs(1);

impl Closable for RouterObject {
    fn start_closing(&self) {
        self.router.close();
    }

    fn wait_closed(&self, deadline: Instant) -> bool {
        // Its tasks end with the runtime: nobody waits for the clients, but each hears of it.
        self.router.wait_said(deadline.min(Instant::now() + SAYING));
        true
    }

    fn finish(&self) {}

    fn fail(&self, _why: &Failure) {
        self.router.close();
    }
}

impl From<RouterError> for Failure {
    fn from(error: RouterError) -> Self {
        let status = match error {
            RouterError::Config(_) => Status::Option,
            RouterError::Url(_) => Status::Argument,
            RouterError::Bind { .. } => Status::Unreachable,
            RouterError::Exhausted { .. } => Status::Exhausted,
            RouterError::LeftOut(_) => Status::Unsupported,
            RouterError::Closed => Status::Closed,
            RouterError::Descriptors { .. } => Status::Internal,
        };
        Failure::new(status, error.to_string())
    }
}

/// A router inside this process, for tests, demos and use on one machine: broker and dealer with
/// the features that clients can ask for, on WebSocket, RawSocket and HTTP long-poll, with JSON,
/// MsgPack and CBOR.
///
/// `config` is a JSON object or NULL, with these keys; docs/ROUTER.md tells more. An unknown one,
/// at whatever depth, is refused, and wamp_last_error() tells the nearest that exists.
///
/// | key                  | value          | meaning                                              |
/// |----------------------|----------------|------------------------------------------------------|
/// | `realms`             | list of names  | the realms that may be joined; default: any          |
/// | `hello_timeout`      | seconds, 10    | from the connection to HELLO                         |
/// | `max_message_size`   | bytes, 16 MiB  | the largest message that is accepted and passed on   |
/// | `send_queue_bytes`   | bytes, 256 MiB | how much may wait for a client until it is dropped   |
/// | `memory_limit`       | bytes, 1 GiB   | the memory that clients may make the router use, all |
/// |                      |                | together: see below; a quarter of that of a small    |
/// |                      |                | machine, or of its control group                     |
/// | `message_timeout`    | seconds, 60    | how long a message may take to come                  |
/// | `max_unjoined_size`  | bytes, 64 KiB  | the largest message of a client that has not joined  |
/// | `max_connections`    | number, 20000  | connections, joined or not                           |
/// | `max_connections_per_address` | number, 1000 | those of one address (of IPv6: of one /64     |
/// |                      |                | network), except this machine's and Unix sockets     |
/// | `max_handshakes`     | number, 4096   | connections that have not joined yet; beyond it the  |
/// |                      |                | oldest is dropped of the address that has the most   |
/// | `trusted_proxies`    | list, []       | addresses and networks of proxies that tell for whom |
/// |                      |                | they speak: X-Forwarded-For, PROXY protocol          |
/// | `allowed_origins`    | list, []       | origins of pages of other hosts that browsers may    |
/// |                      |                | bring, scheme and all; "*" is everything; see below  |
/// | `log_format`         | string, text   | of lines in the log (wamp_set_log()): text or json   |
/// | `disclose`           | object         | `caller`, `publisher`: if true, always disclosed     |
/// | `tls`                | object         | `cert`, `key`, for wss://, rss:// and https://;      |
/// |                      |                | `client_ca` signs the certificates that clients must |
/// |                      |                | have then; each a PEM text or the path of a PEM      |
/// |                      |                | file; `client_cert` optional: need not have          |
/// | `permessage_deflate` | bool or object | compression on WebSocket for clients that offer it,  |
/// |                      |                | off; the object is that of the connection option     |
/// | `event_history`      | number, 0      | how many past events each realm keeps                |
/// | `strict_request_ids` | bool, true     | request ids count from 1 without a gap; with false   |
/// |                      |                | a client may use any that no call of its own has     |
/// | `max_subscriptions`  | 100000         | of one session                                       |
/// | `max_patterns`       | 1000           | among its subscriptions, and its registrations       |
/// | `max_registrations`  | 100000         | of one session                                       |
/// | `max_pending_calls`  | 100000         | of one caller, and at one callee                     |
/// | `max_testament_bytes` | 1 MiB         | the testaments of one session                        |
/// | `max_options_size`   | bytes, 256 KiB | the options of one message                           |
/// | `max_retained_topics` | 100000        | of one realm; the oldest go                          |
/// | `max_retained_bytes` | bytes, 64 MiB  | the retained events of one realm; the oldest go      |
/// | `max_history_bytes`  | bytes, 64 MiB  | the past events of one realm; the oldest go          |
/// | `max_realms`         | 10000          | realms that are made on demand                       |
/// | `dispatch`           | string, thread | thread, manual or inline: as with connections        |
/// | `question_timeout`   | seconds, 10    | for the answer of a callback or procedure that       |
/// |                      |                | decides about a client; then it is refused           |
/// | `max_questions`      | number, 1000   | questions to callbacks that may be open at a time;   |
/// |                      |                | others wait                                          |
/// | `auth`               | object         | who may join: see below                              |
/// | `roles`              | object         | what they may do: see below                          |
/// | `listeners`          | list, []       | settings of single listeners: see                    |
/// |                      |                | wamp_router_listen()                                 |
///
/// A request beyond one of the limits `max_...` gets the error WAMP_URI_LIMIT_EXCEEDED.
///
/// A client that reads nothing for 60 s while data is waiting for it is dropped, and so is one that
/// has silently disappeared, after 90 s. Until it has joined, its messages are limited to 64 KiB. A
/// URI in a request may have at most 8192 bytes.
///
/// Above three quarters of `memory_limit`, clients that send much are not read until less is in
/// use, and of the clients that take nothing for half a second the one with the most waiting is
/// dropped. At the limit, large messages are refused, with WAMP_URI_UNAVAILABLE.
///
/// A browser says by `Origin` whose page connects: it has to be of the router's host, or listed in
/// `allowed_origins`. On a loopback address `Host` and `Origin` have to be loopback names, or
/// listed: a reverse proxy that passes on the name under which it is known needs that, too.
///
/// Without `auth` every client may join, as `anonymous`; with it, those that its keys name:
///
/// | key           | for each authid                                                           |
/// |---------------|---------------------------------------------------------------------------|
/// | `ticket`      | `ticket`                                                                  |
/// | `wampcra`     | `secret`; `salt`, `iterations` and `keylen` if the key is to be derived   |
/// | `wamp-scram`  | `password`; `kdf` (pbkdf2, argon2id13), `iterations`, `memory` (KiB)      |
/// | `scram`       | as `wamp-scram`, in the dialect of Crossbar.io                            |
/// | `cryptosign`  | `pubkey`, or a list of `authorized_keys`: 64 hexadecimal digits           |
/// | `tls`         | `fingerprint`, `common_name` or `subject_alt_name` of the certificate     |
///
/// each with the `role` that the client gets (`user`), as in {"auth": {"ticket": {"joe": {"ticket":
/// "secret", "role": "admin"}}}}. The first of the client's `authmethods` that its authid has is
/// used. In addition, `anonymous` ({"role": ...}) admits unknown clients, `router_key` is the seed
/// with which the router proves its identity in cryptosign, and `factors` lists methods that all
/// have to succeed.
///
/// Instead of a secret, what was made of it can be stored: for `ticket` a `ticket_hash` with `salt`
/// (base64), `kdf`, `iterations` and `memory`, as wamp_auth_scram_salted_password() makes it of the
/// ticket with "pbkdf2" or "argon2id13"; for `wampcra` the `derived_key` of
/// wamp_auth_cra_derive_key(), with `salt`, `iterations` (1000; clients refuse less) and `keylen`
/// (32); for `wamp-scram` and `scram` the `stored_key` and `server_key` of RFC 5802, with `salt`
/// (base64), `kdf`, `iterations` and `memory`. Keys of 32 bytes are in base64 or hexadecimal
/// digits. For `tls` the certificate that the client shows is the proof, without a challenge:
/// its SHA-256 in hexadecimal digits (or a list of such), the common name of its subject, or a name
/// such as "DNS:sensor1.example.com"; `client_ca` has to have signed it. And instead of the
/// authids, a method may have {"file": path}: a JSON file with that object, which is read now.
///
/// A client cannot find out which authids exist: an unknown one is challenged like a known one, by
/// a method and with a salt that are always the same, and fails as with a wrong secret. These are
/// made with `decoy_key`, 64 hexadecimal digits, and so are the salts of `wamp-scram` and `scram`.
/// Without this key a random one is used, and a restart of the router can show which authids exist:
/// the challenges of unknown ones change, and stored salts do not.
///
/// Failed logins of one authid from one address (of IPv6: from one /64 network; of Unix sockets:
/// from one listener) are slowed: the first three are answered after 0.1 s, then it doubles up to
/// 5 s, and ten minutes without a failure set it back. `failure_delay` ({"first": seconds, "most":
/// seconds}) changes that, zero turns it off. Logins with the right secret are answered at once,
/// unless they come while an answer to a failure of the same authid from the same address is being
/// held back: then they wait for their turn, and are refused where that takes longer than `most`.
///
/// Or clients decide: a method with {"authenticator": procedure, "realm": name} calls this
/// procedure in that realm (without `realm`: in the one to be joined) with (realm, authid,
/// details), as wamp_router_on_authenticate() has them. It answers with a dict: what an authid has
/// above, `role`, and, if need be, `authid`, `realm` and `extra` of the session. For `ticket` it
/// judges `details.ticket` itself and answers with the role, or with such a dict, as it does for
/// `anonymous`. ERROR means that the client is not known.
///
/// `roles` lists for each role what it may do; without this key everything is allowed: {"roles":
/// {"user": [{"uri": "com.app.", "match": "prefix", "allow": {"call": true}}]}}, besides `call`
/// there are `register`, `publish`, `subscribe`. The most specific entry counts: an exact one
/// before the longest prefix, that before any wildcard. This applies to the router's own procedures
/// and topics too. Subscribing to a pattern, or registering one, needs the right to everything that
/// the pattern matches; and the router's own procedures and topics tell a client only of
/// subscriptions to what it may subscribe to or publish, and of registrations of what it may call
/// or register. docs/RECIPES.md has examples.
///
/// A role may also have {"permissions": list, "authorizer": procedure, "realm": name}: what the
/// list allows (without it: everything) is allowed if this procedure does, too. It is called with
/// (session, uri, action, options), where `options.match` is always there, and answers with true or
/// false, or with {"allow", "disclose", "cache"}: see wamp_question_allow(). If it fails or is not
/// there the request is refused with `wamp.error.authorization_failed`; a session that has
/// registered it is not asked about. The program itself decides by wamp_router_on_authenticate()
/// and wamp_router_on_authorize().
///
/// Returns NULL on failure, with the reason in wamp_last_error(). Free it with wamp_router_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_router_new(config: *const c_char) -> *mut wamp_router_t {
    from_c!(config: Text);
    guard(|| {
        quiet_panics();
        let router = Router::new(config.optional()?)?;
        let host = RouterHost::new(router.dispatch(), question::lend);
        router.set_host(Arc::new(HostOf(host.clone())));
        let (urls, polled) = (Mutex::default(), Mutex::default());
        let object = RouterObject { router, urls, host, polled };
        handles::insert(Arc::new(object)).ok_or_else(|| Status::Internal.into())
    })
}

/// Listens at `url`, such as "ws://127.0.0.1:8080/ws"; with port 0 the system chooses one. All
/// forms of the connection option `url` are accepted; wss://, rss:// and https:// need the key
/// `tls`. When it has succeeded, clients can connect. Can be called several times.
///
/// The router's option `listeners` is a list of objects with the settings of single listeners:
/// `url`, the place; `realms`, `roles` and `methods`, lists of the only ones that clients have
/// there; `auth`, `tls`, `allowed_origins` and `trusted_proxies` in place of the router's. They
/// hold for the listener with that `url`. Without a URL (NULL) all of them are opened that are not
/// open yet, or none where that fails for one.
///
/// `*listening` (may be NULL if not wanted) receives the URL with the real port, NUL-terminated,
/// which lives as long as the router, of several the first; NULL on failure, and where all were
/// open. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT (also without a URL where there are
/// no `listeners`), WAMP_ERR_UTF8, WAMP_ERR_OPTION (`tls` is missing), WAMP_ERR_UNREACHABLE (the
/// address cannot be bound), WAMP_ERR_EXHAUSTED, WAMP_ERR_CLOSED (after wamp_shutdown(),
/// wamp_router_close(), or the loss of the library's descriptors: make a new router),
/// WAMP_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_router_listen(
    router: *mut wamp_router_t,
    url: *const c_char,
    listening: *mut *const c_char,
) -> c_int {
    from_c!(url: Text, listening: Out);
    guard(|| {
        listening.set(std::ptr::null());
        let object = find(router)?;
        let url = url.optional()?;
        object.host.queue.set_signals(SignalMask::current());
        let weak: Weak<RouterObject> = Arc::downgrade(&object);
        let handle = runtime::enter(weak)?;
        let opened = match url {
            Some(url) => object.router.listen(url, &handle).map(|url| vec![url]),
            None => object.router.listen_all(&handle),
        };
        let opened = opened.inspect_err(|error| {
            if matches!(error, RouterError::Descriptors { .. }) {
                runtime::suspect();
            }
        });
        let opened: Vec<_> = opened?.iter().map(|url| c_text(url)).collect();
        if let Some(first) = opened.first() {
            listening.set(first.as_ptr());
        }
        lock(&object.urls).extend(opened);
        Ok(0)
    })
}

/// The URL that the router listens at, as given by wamp_router_listen(): the first if there are
/// several, NULL if there is none. It lives as long as the router.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_router_url(router: *mut wamp_router_t) -> *const c_char {
    let mut url: *const c_char = std::ptr::null();
    let _: c_int = guard(|| {
        let object = find(router)?;
        let first = object.router.url();
        let first = first.as_deref().map(c_text);
        let urls = lock(&object.urls);
        let kept = urls.iter().find(|kept| Some(*kept) == first.as_ref()).map(|kept| kept.as_ptr());
        url = kept.ok_or_else(|| Failure::new(Status::Closed, "the router is not listening"))?;
        Ok(0)
    });
    url
}

/// The router's counters, as the kwargs of a message: `clients` (connected, joined or not),
/// `sessions`, `subscriptions`, `registrations`, `pending_calls`, `messages_in`, `messages_out`,
/// `dropped` (clients that did not read; see `send_queue_bytes`), `memory` (bytes that count
/// against `memory_limit`), `refused_messages` and `dropped_stalled` (because of `memory_limit`),
/// `dropped_late` (clients whose messages took longer than `message_timeout`),
/// `refused_connections`, `refused_addresses` and `dropped_handshakes` (because of
/// `max_connections`, `max_connections_per_address` and `max_handshakes`), `refused` (requests
/// beyond a limit), `retained_topics`, `retained_bytes` and `history_bytes` (what is kept of
/// events). To be freed by wamp_message_free(). NULL on failure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_router_stats(router: *mut wamp_router_t) -> *mut wamp_message_t {
    guard(|| {
        let stats = find(router)?.router.stats();
        report(&serde_json::json!({
            "clients": stats.clients,
            "sessions": stats.sessions,
            "subscriptions": stats.subscriptions,
            "registrations": stats.registrations,
            "pending_calls": stats.pending_calls,
            "messages_in": stats.messages_in,
            "messages_out": stats.messages_out,
            "dropped": stats.dropped,
            "memory": stats.memory,
            "refused_messages": stats.refused_messages,
            "dropped_stalled": stats.dropped_stalled,
            "dropped_late": stats.dropped_late,
            "refused_connections": stats.refused_connections,
            "refused_addresses": stats.refused_addresses,
            "dropped_handshakes": stats.dropped_handshakes,
            "refused": stats.refused,
            "retained_topics": stats.retained_topics,
            "retained_bytes": stats.retained_bytes,
            "history_bytes": stats.history_bytes,
        }))
    })
}

/// Ends the session with the id `session` (0: all clients). With a `reason`, a URI, the router
/// sends GOODBYE; without one (NULL) it cuts the connection abruptly, as if the network had failed,
/// to test how programs react. Never waits for the clients.
///
/// Returns how many clients there were, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT (a negative session),
/// WAMP_ERR_UTF8, WAMP_ERR_URI, WAMP_ERR_NO_SUCH_ID (no such session).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_router_kick(
    router: *mut wamp_router_t,
    session: i64,
    reason: *const c_char,
) -> c_int {
    from_c!(reason: Text);
    guard(|| {
        let object = find(router)?;
        let session = u64::try_from(session).map_err(|_| {
            Failure::new(Status::Argument, "`session` must be a session's id, or 0 for all")
        })?;
        let reason = reason.optional()?;
        if let Some(reason) = reason {
            uri::check(reason, uri::Match::Exact)
                .map_err(|error| Failure::new(Status::Uri, format!("`reason`: {error}")))?;
        }
        let kicked = object.router.kick(Some(session).filter(|id| *id > 0), reason);
        if session > 0 && kicked == 0 {
            let text = format!("this router has no session {session}");
            return Err(Failure::new(Status::NoSuchId, text));
        }
        Ok(c_int::try_from(kicked).unwrap_or(c_int::MAX))
    })
}

/// Closes a router gracefully: it accepts no new clients, pending calls get the error
/// `wamp.error.canceled`, and each client gets a GOODBYE with `wamp.close.system_shutdown`, after
/// which clients reconnect by themselves. Returns when each has answered; a client that has not
/// answered within `timeout_ms` (negative: no limit) is cut off. The router's ports and Unix
/// sockets are free then, and none of its callbacks is running, unless this is called in one. It
/// still has to be freed.
///
/// Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_TIMEOUT (a client was cut off, or a callback is
/// still running), WAMP_ERR_DEADLOCK (in a callback of inline dispatch), WAMP_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_router_close(router: *mut wamp_router_t, timeout_ms: c_int) -> c_int {
    guard(|| {
        let object = find(router)?;
        if scope::in_io() {
            let text = "waiting for clients on an I/O thread would never end";
            return Err(Failure::new(Status::Deadlock, text));
        }
        let limit = args::timeout(timeout_ms).unwrap_or(args::NO_LIMIT);
        let deadline = Instant::now() + limit;
        if !object.router.close_within(deadline) {
            return Err(Failure::new(Status::Timeout, "a client did not answer the GOODBYE"));
        }
        let queue = &object.host.queue;
        if queue.mode() != Mode::Manual && !queue.is_inside() && !queue.wait_idle(deadline) {
            return Err(Failure::new(Status::Timeout, "a callback of the router is still running"));
        }
        Ok(0)
    })
}

/// Stops a router and frees it. Its clients get a GOODBYE, which has been written to their sockets
/// when this returns, except in a callback of inline dispatch. It does not wait for their answers:
/// each has a second for that, unless the process ends. Questions that are open are refused, and no
/// further callback is called, though one may still be running. Returns WAMP_OK or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_router_free(router: *mut wamp_router_t) -> c_int {
    guard(|| {
        let object = handles::remove(router)?;
        object.router.close();
        object.host.free();
        object.end_polled();
        if !scope::in_io() {
            object.router.wait_said(Instant::now() + SAYING);
        }
        Ok(0)
    })
}
