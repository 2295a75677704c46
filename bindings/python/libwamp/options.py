"""The options of a connection, as keyword arguments. Made of docs/OPTIONS.md by tools/options.py; do not edit."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict


class ConnectionOptions(TypedDict, total=False):
    """The keyword arguments of `connect` and `Connection`; None stands for "not given"."""

    transports: Sequence[Mapping[str, Any]] | None
    # Instead of url: the ways to the router, each {"type": "websocket", "rawsocket" or "longpoll",
    # "url": ..., "headers": ..., "serializers": ..., "tlsConfiguration": ...}; instead of "url" a
    # rawsocket may have "host" and "port" (with TLS if it has a "tlsConfiguration"), or the "path"
    # of a Unix socket. They are tried in order, the one that worked last time first. Headers of an
    # entry are added to the option `headers`; its serializers and TLS configuration replace those
    # of the options. Default: [{url}].
    connect_timeout: float | None
    # The time limit for connecting, handshakes and joining in total. Default: 30.
    close_timeout: float | None
    # How long a close waits for the router's GOODBYE before it cuts the connection. Default: 5.
    headers: Mapping[str, str] | None
    # HTTP headers to send with the WebSocket upgrade, and with each request of long-poll, except
    # those that the transport itself needs, such as Connection or Content-Length. Default: {}.
    max_message_size: int | None
    # The largest message to send or to accept. Default: 16777216.
    send_queue_bytes: int | None
    # How much data may wait to be sent before requests are answered with WAMP_ERR_AGAIN. Default:
    # 16777216.
    receive_queue_bytes: int | None
    # How much data may wait to be dispatched before reading from the socket pauses. Default:
    # 16777216.
    autoping_interval: float | None
    # A ping is sent after this much silence: by WebSocket, or as an HTTP OPTIONS request with
    # long-poll; 0 for never. (On RawSocket, where not every router answers pings, the operating
    # system monitors the connection; see `rawsocket_pings`.) Default: 30.
    autoping_timeout: float | None
    # If nothing is received for this long after a ping, the connection counts as lost; more than 0.
    # If much data is sent before the ping, the time is measured from when the router's system has
    # received that. Default: 10.
    autoping_size: int | None
    # The size of a ping's payload, 4 to 125. Default: 4.
    max_retries: int | None
    # The number of retries after a loss; 0 for none, -1 for no limit. Default: 15.
    initial_retry_delay: float | None
    # The mean delay before the first retry. Default: 1.5.
    max_retry_delay: float | None
    # The longest delay before a retry. Default: 300.
    retry_delay_growth: float | None
    # The factor by which the mean delay is multiplied after each retry. Default: 1.5.
    retry_delay_jitter: float | None
    # The standard deviation of a delay, as a fraction of its mean. Default: 0.1.
    retry_if_unreachable: bool | None
    # Retry also if no session could be opened in the first place. Default: false.
    retry_reasons: Sequence[str] | None
    # URIs of a router's GOODBYE or ABORT after which to retry, at whatever point it arrives. The
    # first delay after it is anywhere between 0 and twice `initial_retry_delay`. The list replaces
    # the default; [] is for none. Default: ["wamp.close.system_shutdown"].
    proxy: str | Literal[False] | None
    # The proxy to use: http://user:password@host:port or socks5://...; false for none. By default
    # https_proxy (for wss://), http_proxy (for ws://), all_proxy and no_proxy of the environment
    # apply, with the values that they have when the library is first used. Default: the
    # environment's.
    tlsConfiguration: Mapping[str, Any] | None
    # For wss://, rss:// and https://: `ca`, `cert` and `key` (PEM, or paths of PEM files),
    # `server_name`, `min_version` ("1.2" or "1.3"), `pins` (list of "sha256/BASE64" of the server's
    # public key), `verify` (false accepts any server). Default: {}.
    authid: str | os.PathLike[str] | None
    # The authentication id: the name to log in with. Default: none.
    authmethods: Sequence[str] | None
    # The authentication methods to offer, in this order: "anonymous", "ticket", "wampcra", "scram"
    # (Crossbar.io), "wamp-scram", "cryptosign", "tls" (the certificate of `tlsConfiguration`), or
    # one that on_challenge answers. The default: those for which there are credentials. Name the
    # one that your router is configured for: routers do not try a second one. Default: none.
    ticket: str | os.PathLike[str] | None
    # Answers a "ticket" challenge. Default: none.
    secret: str | os.PathLike[str] | None
    # The password: answers "wampcra", "scram" and "wamp-scram" challenges. Default: none.
    privkey: str | os.PathLike[str] | None
    # The Ed25519 key: answers a "cryptosign" challenge. 64 hex digits of the seed, the text of an
    # OpenSSH key file, or the path of a file that contains either of these or the 32 bytes.
    # Default: none.
    router_key: str | None
    # The router's public Ed25519 key: only a router that proves in "cryptosign" that it has the
    # private key is accepted. Default: none.
    channel_binding: str | os.PathLike[str] | None
    # "tls-exporter" binds "cryptosign" and "wamp-scram" to the TLS connection; a router that does
    # not support this is refused. Default: none.
    scram_raw: bool | None
    # For "scram" with argon2: the router's keys were made from the hash itself, and not from its
    # base64 text as by Autobahn's tools. Default: false.
    authextra: Mapping[str, Any] | None
    # HELLO.Details.authextra, passed to the router unchanged. Default: none.
    serializers: Sequence[str] | None
    # The encodings of messages to offer, the best first: "json", "msgpack", "cbor"; on WebSocket
    # and long-poll also "json.batched", "msgpack.batched", "cbor.batched", which carry several
    # messages at once. Payloads can be given in any encoding with any of them. An entry of
    # `transports` may have its own. Default: ["json"].
    json_batch_separator: str | os.PathLike[str] | None
    # The separator sent after each message by "json.batched": "0x1e" in the specification, "0x18"
    # for Crossbar.io. Either is accepted from the router. Default: "0x1e".
    permessage_deflate: bool | Mapping[str, Any] | None
    # WebSocket: true offers compression, and so does an object of `level` (1 to 9; 6), `threshold`
    # (messages with fewer bytes are not compressed; 256), `client_no_context_takeover`,
    # `server_no_context_takeover` (false), `client_max_window_bits`, `server_max_window_bits` (9 to
    # 15). It costs time and some 300 KiB of memory; do not compress secrets together with data that
    # others can choose. Default: false.
    cookies: bool | None
    # Cookies that a router sets in a handshake are sent back with later attempts of this
    # connection, for cookie authentication and load balancers. A header "Cookie" in `headers`
    # replaces them. Default: true.
    rawsocket_pings: bool | None
    # RawSocket: the router is known to answer pings, so `autoping_interval` applies there too.
    # Crossbar.io does not answer: it closes the connection. Default: false.
    callback_stack_bytes: int | None
    # The stack size of callbacks in `thread` mode, 65536 to 2^30. The threads are shared: the
    # largest value of the connections that are open or opening when the threads are started
    # applies. Default: 8 MiB.
    payload_encoding: str | os.PathLike[str] | None
    # "json": received payloads are delivered as JSON text, whatever their encoding on the wire.
    # "wire": as they were received; `payload.encoding` says how. Default: "json".
    strict_options: bool | None
    # Refuse options of requests that have the wrong type, or whose names differ from one that the
    # request knows only in case, underscores or one letter. Other unknown names are passed on to
    # the router in any case; with false all of them are. Default: true.
    trace: bool | None
    # Write every message to the log, with secrets masked; also enabled by the environment variable
    # WAMP_TRACE=1. Default: false.
