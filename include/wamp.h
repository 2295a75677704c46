/*
 * wamp.h - libwamp: a WAMP v2 client. Generated from the library's source; do not edit.
 *
 * A WAMP router (https://wamp-proto.org) connects programs by two patterns: publish & subscribe, and
 * remote procedure calls that any program can offer to any other.
 *
 * IN SHORT
 *
 *   wamp_connection_new()    says where to go, and as whom; then set callbacks, such as
 *                            wamp_connection_on_open() and wamp_connection_on_close()
 *   wamp_connection_open()   begins. A session comes by WAMP_OPEN, or wamp_connection_session() waits
 *                            for it
 *   wamp_session_...()       subscribe, publish, register, call; each has a twin ..._sync that waits
 *   wamp_connection_close()  says goodbye; with a timeout it returns when no callback runs any more
 *   wamp_connection_free()   in any case
 *
 * CONTENTS (each section begins with a line of dashes)
 *
 *   Statuses
 *   Kinds and flags of events
 *   Encodings and flags of payloads
 *   Types of values
 *   Log levels
 *   Handles
 *   Structs and callbacks
 *   The library
 *   Connections
 *   Attempts to connect
 *   Challenges
 *   Subscriptions and registrations of a connection
 *   Payload codecs
 *   Sessions
 *   Requests of a session
 *   Invocations
 *   Events and messages
 *   Arguments of events
 *   Reports
 *   Values: lenses on received data
 *   Builders
 *   The embedded router
 *   Authentication helpers
 *   Predefined URIs, and macros for payloads
 *
 * OBJECTS
 *
 * A *connection* (wamp_connection_t) knows where to connect and whom to tell. Each time it is
 * open it has one *session* (wamp_session_t) on which topics are subscribed and published,
 * procedures registered and called. Subscriptions, registrations, calls and acknowledged
 * publications are known by ids (int64_t, > 0): valid as soon as the function has returned,
 * unique within their connection, never used again. A call that came in is an *invocation*
 * (wamp_invocation_t) and wants an answer.
 *
 * HANDLES
 *
 * Pointers to these types are handles, not addresses. A handle that is NULL, freed, of another type
 * or made up is an error (WAMP_ERR_HANDLE), never a crash; so is freeing twice. Functions that free
 * and release never block, and are allowed in callbacks and in any order. (Ordinary pointers, that
 * is texts, payloads, events and user_data, must be valid.)
 *
 * EVENTS AND CALLBACKS
 *
 * All that happens is told as a wamp_event_t: a view that is valid until the callback returns (or,
 * when polled, until the next poll). Keep it for longer with wamp_event_keep(). There is one type of callback, wamp_callback_t, and each place
 * that takes one receives only what it is for; `kind` tells outcomes apart. Events of a connection
 * come one at a time, in the order of the wire. Every request ends exactly once, also when the
 * connection is lost: its WAMP_ERROR then says by its status whether the request was
 * WAMP_ERR_NOT_SENT (safe to repeat) or sent with WAMP_ERR_OUTCOME_UNKNOWN. A failure that has no
 * callback to hear it is told to wamp_connection_on_user_error(), or else written to the log.
 *
 * A user_data goes with the callbacks of each call, and a function to free it: that runs exactly
 * once, when nothing can use the user_data any more, also when the call itself has failed.
 *
 * THREADS
 *
 * Every function may be called on any thread, at any time, and inside callbacks. The few that wait
 * (..._sync, close with a timeout, quiesce, flush, dispatch, poll, wamp_connection_session,
 * wamp_shutdown) answer WAMP_ERR_DEADLOCK where their waiting could never end. Where callbacks run is chosen by the
 * option "dispatch":
 *
 *   "thread"  (default) on a thread of the library, one at a time per connection. They may block
 *             without stopping anything but their own connection's events.
 *   "manual"  where the program says: in wamp_connection_dispatch(), or never, with
 *             wamp_connection_poll() instead. wamp_connection_fd() tells an event loop when.
 *   "inline"  on the I/O thread: the shortest way, for callbacks that never wait.
 *
 * Two barriers tell a program when it may free what its callbacks use: wamp_connection_close() with a
 * timeout for all that the connection does, and wamp_connection_quiesce(), which needs no network, for
 * one id or for the whole connection.
 *
 * The threads of callbacks have 8 MiB of stack, or what the option `callback_stack_bytes` says.
 * "At any time" includes exit handlers, destructors of static objects, and those of thread keys. No
 * function is a cancellation point (pthread_cancel()), and neither are callbacks that one of them
 * runs: a thread that is canceled meanwhile goes on until the function has returned, a wait until it
 * is over. Asynchronous cancellation is not supported.
 *
 * THE PROCESS
 *
 * The library prints nothing unless asked (wamp_set_log(), wamp_session_log(), the option `trace`, the
 * environment variables WAMP_LOG and WAMP_TRACE). The environment is read when the first connection,
 * router or log is made, on that thread, and never again. After fork() a child gets
 * WAMP_ERR_FORKED. The library's descriptors are its own: where a program closes them all the same,
 * as daemons close all above 2, every connection ends with a status, and the next open starts anew.
 *
 * All that use one copy of the library in a process share it: wamp_shutdown() in one plugin ends the
 * connections and routers of the others too (their handles stay valid, and they may open again), and
 * wamp_set_log() is for all. Handles of one copy are none of another.
 *
 * SIGNALS
 *
 * The library installs no signal handler, and raises no SIGPIPE. Its I/O threads, which are named
 * wamp-..., leave the signals of the process to the program's own threads: they block what was blocked
 * in the thread that first used the library, and HUP INT QUIT TERM USR1 USR2 ALRM VTALRM CHLD TSTP TTIN
 * TTOU WINCH IO URG PIPE. They never block what a fault raises (SEGV BUS FPE ILL TRAP SYS ABRT), so
 * that crash reporters and sanitizers work, and leave PROF to profilers and real-time signals as they
 * were.
 *
 * In "thread" mode callbacks run with the signal mask of the thread that called wamp_connection_open(),
 * and so do the processes and threads that they start. A callback that changes its thread's mask has
 * to restore it. Callbacks in "inline" mode, and functions for the log, wakeups, payload codecs and
 * freeing user_data that run on an I/O thread, run with the mask of I/O threads. A program that waits
 * for a signal by sigwait() or signalfd() blocks it before it first uses the library, as it must
 * before it makes threads of its own.
 *
 * PAYLOADS
 *
 * Arguments travel as args, a list, and kwargs, a dict. A wamp_payload_t lends them in encoded form
 * (WAMP_JSON: JSON text, WAMP_MSGPACK, WAMP_CBOR): a program with a library for one of them gives
 * and takes that, others write with a wamp_builder_t and read with wamp_value_t lenses. What is sent
 * is checked, and copied; what is received is parsed only when somebody looks. Sizes are in bytes; WAMP_NUL as
 * the size of a text says that it ends with a NUL, 0 that it is empty. Bytes travel in JSON
 * as a string of U+0000 and base64, which builder and lenses do by themselves.
 *
 * The option `serializers` says what messages may be encoded in on the wire. A payload may be given
 * in any encoding on any wire: it is brought into the other one on the way, and refused with
 * WAMP_ERR_PAYLOAD where that would change what it says. Received payloads are delivered as JSON
 * text, or with the option `payload_encoding` as they came. docs/SERIALIZERS.md tells what becomes of
 * each kind of value.
 *
 * ERRORS
 *
 * Functions return int or int64_t: >= 0 is good, < 0 is WAMP_ERR_...; those that return a pointer
 * return NULL. Each lists the statuses that it may return; WAMP_ERR_FORKED and WAMP_ERR_INTERNAL may
 * come from all and stand in no list. A call that is refused has changed nothing and sent nothing; a _sync one that waited
 * tells by its status what became of its request. wamp_status_text() explains a status,
 * wamp_last_error() the last failed call of the thread. What goes wrong later is told by WAMP_ERROR and WAMP_CLOSE. A
 * handler that fails itself says so by wamp_event_failed().
 *
 * RECONNECTION
 *
 * A connection that is lost is opened again by itself, after a delay that grows; each new session
 * is told by WAMP_OPEN. One that could never be opened is tried again only with the option
 * `retry_if_unreachable`, one that the router has closed only for `retry_reasons`, which has the
 * planned restart of a router (wamp.close.system_shutdown); after a failed
 * authentication or a violation of the protocol there is no other attempt. What a session has subscribed and registered ends with it; what the
 * connection has (wamp_connection_subscribe(), wamp_connection_register()) is made anew in each
 * session, under the same id. WAMP_CLOSE says in its details whether there will be another attempt
 * (`will_retry`, `retry_delay`, `retry_count`); in the last one `will_retry` is false.
 * wamp_connection_stop_retrying(), also in that very callback, and wamp_connection_close() end the
 * attempts. wamp_connection_on_connect() is asked before each, for addresses and credentials that
 * change.
 *
 * AUTHENTICATION
 *
 * The options `authid` and `ticket`, `secret` (WAMP-CRA, SCRAM) or `privkey` (cryptosign) answer the
 * router's challenges by themselves; wamp_connection_on_challenge() answers in the program's own way,
 * with the help of wamp_auth_... functions. A failure ends the connection with WAMP_ERR_AUTH and is
 * never retried. Secrets are not logged, and wiped from memory when they are no longer needed.
 *
 * QUEUES
 *
 * Queues are bounded. When more than `send_queue_bytes` wait to be sent, requests are answered with
 * WAMP_ERR_AGAIN until WAMP_WRITABLE. When more than `receive_queue_bytes` wait to be told, the
 * socket is no longer read, so that the router waits too; nothing is dropped.
 *
 * OPTIONS OF A CONNECTION (JSON object for wamp_connection_new())
 *
 *   url                  string, required     the router: "ws://host:port/path" (WebSocket), "rs://host:port"
 *                                             (RawSocket); with TLS "wss://...", "rss://..."; on a Unix
 *                                             socket "ws+unix:///path.sock:/path", "rs+unix:///path.sock";
 *                                             "http://host:port/path", "https://..." (HTTP long-poll)
 *   transports           list of objects      instead of url: {"type", "url", "headers", "tlsConfiguration",
 *                                             "serializers"}
 *                                             each, tried in order, the one that worked last time first; type
 *                                             "websocket", "rawsocket" or "longpoll"; a "rawsocket" may have
 *                                             "host" and "port", or "path", for its url
 *   realm                string, required     the realm to join
 *   serializers          list, ["json"]       how messages may be encoded, the best first: "json", "msgpack",
 *                                             "cbor"; "json.batched" and so on carry several at once, on
 *                                             WebSocket and long-poll
 *   json_batch_separator string, "0x1e"       what "json.batched" sends; "0x18" for Crossbar.io
 *   permessage_deflate   bool/object, false   WebSocket: offer compression; docs/OPTIONS.md has what the object
 *                                             may say
 *   payload_encoding     string, "json"       "json": received payloads are JSON text, "wire": as they came
 *   dispatch             string, "thread"     "thread", "manual" or "inline", see above
 *   connect_timeout      seconds, 30          for connecting, handshakes and joining together
 *   close_timeout        seconds, 5           how long a close waits for the router's GOODBYE
 *   headers              object, {}           HTTP headers for the WebSocket upgrade and for long-poll
 *   cookies              bool, true           cookies that the router sets go back to it with later attempts
 *   max_message_size     bytes, 16777216      the largest message to send or to accept, 1024 to 2^30
 *   send_queue_bytes     bytes, 16777216      see above
 *   receive_queue_bytes  bytes, 16777216      see above
 *   callback_stack_bytes bytes, 8 MiB         the stack of callbacks in "thread" mode, 65536 to 2^30
 *   autoping_interval    seconds, 30          after this much silence a ping is sent (WebSocket's, or an HTTP
 *                                             OPTIONS over long-poll); 0: never. (With RawSocket the
 *                                             system's keepalive takes these times)
 *   rawsocket_pings      bool, false          RawSocket: the router is known to answer pings, so they are sent
 *   autoping_timeout     seconds, 10          without an answer by then the connection is lost; more than 0
 *   autoping_size        bytes, 4             payload of a ping, 4 to 125
 *   max_retries          integer, 15          how often to try again after a loss; 0: never, -1: always
 *   initial_retry_delay  seconds, 1.5         the mean delay before the first retry
 *   max_retry_delay      seconds, 300         the longest delay before a retry
 *   retry_delay_growth   number, 1.5          factor of the mean delay after each retry
 *   retry_delay_jitter   number, 0.1          deviation of a delay, as a fraction of its mean
 *   retry_if_unreachable bool, false          try again also where no session could be opened at all
 *   retry_reasons        list of URIs         GOODBYEs and ABORTs of the router after which to try again;
 *                                             ["wamp.close.system_shutdown"]
 *   tlsConfiguration     object, {}           for wss:// and rss://, see below
 *   proxy                string, or false     "http://user:password@host:port" or "socks5://..."; false: none;
 *                                             else what https_proxy (wss://), http_proxy (ws://), all_proxy and
 *                                             no_proxy in the environment said at first
 *   authid               string               who we say we are
 *   authmethods          list of strings      what to offer: "anonymous", "ticket", "wampcra", "scram",
 *                                             "wamp-scram", "cryptosign"; without it what follows serves
 *   ticket               string               answers "ticket"
 *   secret               string               answers "wampcra", "scram" and "wamp-scram"
 *   privkey              string               answers "cryptosign": hex digits of the seed, an OpenSSH key, or
 *                                             the path of a file with one of these
 *   router_key           string, hex          the public key that the router must prove to have (cryptosign)
 *   channel_binding      string               "tls-exporter": the login is bound to its TLS connection
 *   scram_raw            bool, false          for "scram" with argon2 keys made as the specification says
 *   authextra            object               passed to the router as it is
 *   strict_options       bool, true           options of requests: wrong types and misspellings are refused
 *   trace                bool, false          every message to the log, secrets masked; also WAMP_TRACE=1
 *
 * tlsConfiguration, where `ca`, `cert` and `key` are PEM texts or paths of PEM files, read at once:
 *
 *   ca                   string               the authorities to trust, instead of the system's
 *   cert, key            strings              our certificate, with its chain, and its private key
 *   server_name          string, URL's host   the name to ask for, and to find in the certificate
 *   min_version          string, "1.2"        the least version of TLS: "1.2" or "1.3"
 *   pins                 list of strings      keys that the server may have: "sha256/" and the base64 of the
 *                                             SHA-256 of its certificate's SubjectPublicKeyInfo
 *   verify               bool, true           false: any certificate will do, unless there are `pins`; without
 *                                             these each connection writes a warning into the log
 */


#ifndef WAMP_H
#define WAMP_H

#include <stddef.h>
#include <stdint.h>

/** The version of this header; wamp_version() tells that of the library. */
#define WAMP_VERSION "0.2.0"
#define WAMP_VERSION_MAJOR 0
#define WAMP_VERSION_MINOR 2
#define WAMP_VERSION_PATCH 0
/** As wamp_version_number() tells it. */
#define WAMP_VERSION_NUMBER (0 << 16 | 2 << 8 | 0)

/** As the size of a text: it ends with a NUL. (0 is the size of an empty text.) */
#define WAMP_NUL SIZE_MAX

/**
 * Stands before every function. A program that links the static library on Windows defines WAMP_STATIC
 * before it includes this header; one that loads the library by itself may define WAMP_API as it likes.
 */
#ifndef WAMP_API
#if defined(_WIN32) && !defined(WAMP_STATIC)
#define WAMP_API __declspec(dllimport)
#elif defined(__GNUC__)
#define WAMP_API __attribute__((visibility("default")))
#else
#define WAMP_API
#endif
#endif

/**
 * Stands before a function that a later version will not have any more, with a string that says what takes
 * its place. Defined as nothing before this header is included, it keeps compilers quiet.
 */
#ifndef WAMP_DEPRECATED
#if defined(__GNUC__)
#define WAMP_DEPRECATED(instead) __attribute__((deprecated(instead)))
#elif defined(_MSC_VER)
#define WAMP_DEPRECATED(instead) __declspec(deprecated(instead))
#else
#define WAMP_DEPRECATED(instead)
#endif
#endif


/* ---- Statuses ---------------------------------------------------------------------------------- */

/**
 * Success.
 */
#define WAMP_OK 0

/**
 * The handle is NULL, freed, or of another type.
 */
#define WAMP_ERR_HANDLE -1

/**
 * Another argument is missing or out of range.
 */
#define WAMP_ERR_ARGUMENT -2

/**
 * A text is not UTF-8.
 */
#define WAMP_ERR_UTF8 -3

/**
 * A URI is empty or invalid.
 */
#define WAMP_ERR_URI -4

/**
 * A payload is malformed; wamp_last_error() tells the byte.
 */
#define WAMP_ERR_PAYLOAD -5

/**
 * An option is unknown or of a wrong type, or the options are no JSON object.
 */
#define WAMP_ERR_OPTION -6

/**
 * The message is larger than the option `max_message_size`.
 */
#define WAMP_ERR_TOO_LARGE -7

/**
 * The send queue is full: wait for WAMP_WRITABLE or wamp_connection_flush(), then try again.
 */
#define WAMP_ERR_AGAIN -8

/**
 * The connection or session is not open.
 */
#define WAMP_ERR_CLOSED -9

/**
 * Not possible in this state: opened twice, answered twice, wrong dispatch mode.
 */
#define WAMP_ERR_STATE -10

/**
 * No subscription, registration or call with this id (any more).
 */
#define WAMP_ERR_NO_SUCH_ID -11

/**
 * Waiting here could never end.
 */
#define WAMP_ERR_DEADLOCK -12

/**
 * The time limit has passed.
 */
#define WAMP_ERR_TIMEOUT -13

/**
 * This process was forked from one that used the library: its threads do not exist here.
 */
#define WAMP_ERR_FORKED -14

/**
 * A bug in libwamp.
 */
#define WAMP_ERR_INTERNAL -15

/**
 * The router or the peer answered with an error: see its URI.
 */
#define WAMP_ERR_REMOTE -16

/**
 * The session ended before the request was sent: it is safe to repeat.
 */
#define WAMP_ERR_NOT_SENT -17

/**
 * The session ended after the request was sent: it may or may not have had its effect.
 */
#define WAMP_ERR_OUTCOME_UNKNOWN -18

/**
 * No connection could be made.
 */
#define WAMP_ERR_UNREACHABLE -19

/**
 * The server answered the WebSocket upgrade with another HTTP status.
 */
#define WAMP_ERR_HTTP -20

/**
 * The server speaks WebSocket, but not WAMP.
 */
#define WAMP_ERR_SUBPROTOCOL -21

/**
 * The peer violated the protocol.
 */
#define WAMP_ERR_PROTOCOL -22

/**
 * The router refused or ended the session by ABORT.
 */
#define WAMP_ERR_ABORTED -23

/**
 * The connection was lost.
 */
#define WAMP_ERR_LOST -24

/**
 * The request was given up: by the application, or an invocation by its caller.
 */
#define WAMP_ERR_CANCELED -25

/**
 * The authentication failed, on either side.
 */
#define WAMP_ERR_AUTH -26

/**
 * The library or the router cannot do this.
 */
#define WAMP_ERR_UNSUPPORTED -27

/**
 * TLS failed: the certificates do not suit, or one side speaks in clear.
 */
#define WAMP_ERR_TLS -28

/**
 * The system gives no more threads, file descriptors or memory.
 */
#define WAMP_ERR_EXHAUSTED -29

/* ---- Kinds and flags of events ----------------------------------------------------------------- */

/**
 * Kind of event: a session is open. `wamp_id` is the session's id, `uri` the realm.
 */
#define WAMP_OPEN 1

/**
 * Kind of event: the connection has ended. `uri` is `closed`, `lost` or `unreachable`,
 * `message` a sentence, `status` says what went wrong (WAMP_OK: nothing), `details`
 * are `{reason, message, retry_delay, retry_count, will_retry}` with the router's URI and words.
 */
#define WAMP_CLOSE 2

/**
 * Kind of event: after WAMP_ERR_AGAIN, requests are accepted again.
 */
#define WAMP_WRITABLE 3

/**
 * Kind of event: a subscription is active.
 */
#define WAMP_SUBSCRIBED 4

/**
 * Kind of event: a subscription has ended, as asked for or (with the reason as `uri`) revoked.
 */
#define WAMP_UNSUBSCRIBED 5

/**
 * Kind of event: somebody published. `uri` is the topic, `wamp_id` the publication's id.
 */
#define WAMP_EVENT 6

/**
 * Kind of event: a publication was acknowledged. `wamp_id` is its id.
 */
#define WAMP_PUBLISHED 7

/**
 * Kind of event: a registration is active.
 */
#define WAMP_REGISTERED 8

/**
 * Kind of event: a registration has ended, as asked for or (with the reason as `uri`) revoked.
 */
#define WAMP_UNREGISTERED 9

/**
 * Kind of event: somebody calls. `uri` is the procedure; answer through `invocation`.
 */
#define WAMP_INVOCATION 10

/**
 * Kind of event: a call's result. With WAMP_FLAG_PROGRESS more results follow.
 */
#define WAMP_RESULT 11

/**
 * Kind of event: a request failed. `uri` is the error's URI, `status` one of WAMP_ERR_REMOTE,
 * WAMP_ERR_NOT_SENT, WAMP_ERR_OUTCOME_UNKNOWN, WAMP_ERR_CANCELED, WAMP_ERR_TIMEOUT,
 * WAMP_ERR_PAYLOAD (what came cannot be read). Of what the connection has, which is requested anew
 * in each session, also one of those that wamp_session_subscribe() and wamp_session_register()
 * return.
 */
#define WAMP_ERROR 12

/**
 * Kind of event: the caller has given an invocation up. `wamp_id` and `id` are those of its
 * WAMP_INVOCATION, `invocation` is its handle if it was retained, `details` hold `mode`.
 */
#define WAMP_INTERRUPT 13

/**
 * Kind of event: the router wants to know who we are. `uri` is the method, `details` are what came
 * with it; answer through `challenge`.
 */
#define WAMP_CHALLENGE 14

/**
 * Kind of event: an attempt to connect is about to be made. `details` are `{url, realm, authid,
 * retry_count}`; decide through `attempt`.
 */
#define WAMP_CONNECT 15

/**
 * Kind of event: a durable subscription or registration is active again. `details` are `{outage}`
 * with the seconds that it was not.
 */
#define WAMP_RESTORED 16

/**
 * Kind of event: a durable subscription or registration is out of service until WAMP_RESTORED, as
 * its session has ended.
 */
#define WAMP_SUSPENDED 17

/**
 * Kind of event: the program's own code has failed, as wamp_event_failed() tells, or a request
 * with no callback to hear it. `message` is a sentence, ids and `uri` are those of what it was
 * about.
 */
#define WAMP_USER_ERROR 18

/**
 * Kind of event: no transport could be made, the peer violated the protocol, or there was no
 * answer to a challenge. `message` is a sentence, `status` says what; WAMP_CLOSE follows.
 */
#define WAMP_INTERNAL_ERROR 19

/**
 * Flag of events. RESULT: it is a progressive one, more follow. INVOCATION: the caller welcomes
 * progressive results.
 */
#define WAMP_FLAG_PROGRESS 1

/**
 * Flag of events. INVOCATION: more input of the same call follows, as another WAMP_INVOCATION with
 * the same `wamp_id`. To keep one handle for all of them, retain it.
 */
#define WAMP_FLAG_MORE 2

/**
 * Flag of events. INVOCATION: input of the same call, as its `wamp_id` says, came before.
 */
#define WAMP_FLAG_CONTINUED 4

/* ---- Encodings and flags of payloads ----------------------------------------------------------- */

/**
 * Encoding of payloads: JSON text.
 */
#define WAMP_JSON 1

/**
 * Encoding of payloads: MsgPack.
 */
#define WAMP_MSGPACK 2

/**
 * Encoding of payloads: CBOR.
 */
#define WAMP_CBOR 3

/**
 * Flag of payloads, set by the library alone: it came from a peer.
 */
#define WAMP_PAYLOAD_RECEIVED 1

/**
 * Flag of payloads, set by the library alone: its builder had failed, nothing can be sent.
 */
#define WAMP_PAYLOAD_BROKEN 2

/**
 * Task of a codec: make the bytes that travel.
 */
#define WAMP_CODEC_ENCODE 1

/**
 * Task of a codec: read the bytes that have come.
 */
#define WAMP_CODEC_DECODE 2

/* ---- Types of values --------------------------------------------------------------------------- */

/**
 * Type of a value: there is none.
 */
#define WAMP_TYPE_NONE 0

/**
 * Type of a value: null.
 */
#define WAMP_TYPE_NULL 1

/**
 * Type of a value: true or false.
 */
#define WAMP_TYPE_BOOL 2

/**
 * Type of a value: a whole number that fits int64_t.
 */
#define WAMP_TYPE_INT 3

/**
 * Type of a value: a whole number beyond INT64_MAX that fits uint64_t.
 */
#define WAMP_TYPE_UINT 4

/**
 * Type of a value: any other number.
 */
#define WAMP_TYPE_DOUBLE 5

/**
 * Type of a value: UTF-8 text.
 */
#define WAMP_TYPE_STRING 6

/**
 * Type of a value: bytes.
 */
#define WAMP_TYPE_BINARY 7

/**
 * Type of a value: a list.
 */
#define WAMP_TYPE_LIST 8

/**
 * Type of a value: a dict.
 */
#define WAMP_TYPE_DICT 9

/* ---- Log levels -------------------------------------------------------------------------------- */

/**
 * Log level: nothing.
 */
#define WAMP_LOG_OFF 0

/**
 * Log level: something failed and nobody else was told.
 */
#define WAMP_LOG_ERROR 1

/**
 * Log level: something is odd.
 */
#define WAMP_LOG_WARN 2

/**
 * Log level: connections come and go.
 */
#define WAMP_LOG_INFO 3

/**
 * Log level: for who looks for a fault.
 */
#define WAMP_LOG_DEBUG 4

/**
 * Log level: everything.
 */
#define WAMP_LOG_TRACE 5

/* ---- Handles ----------------------------------------------------------------------------------- */

/**
 * An attempt to connect that waits for the program's word. Lent in WAMP_CONNECT for the callback
 * (or until the next poll); retain it to decide later.
 */
typedef struct wamp_attempt_t wamp_attempt_t;

/**
 * The buffer that a codec writes to. Lent to a wamp_codec_t until it returns.
 */
typedef struct wamp_buffer_t wamp_buffer_t;

/**
 * Writes a payload. Made by wamp_builder_new(), freed by wamp_builder_free().
 */
typedef struct wamp_builder_t wamp_builder_t;

/**
 * A router's question who we are. Lent in WAMP_CHALLENGE for the callback (or until the next
 * poll); retain it to answer later.
 */
typedef struct wamp_challenge_t wamp_challenge_t;

/**
 * A connection to a router. Made by wamp_connection_new(), freed by wamp_connection_free();
 * can be opened again after it has closed.
 */
typedef struct wamp_connection_t wamp_connection_t;

/**
 * A call that wants an answer. Lent in WAMP_INVOCATION for the callback (or until the next poll);
 * retain it to answer later.
 */
typedef struct wamp_invocation_t wamp_invocation_t;

/**
 * An event kept beyond its callback, by wamp_event_keep() or as the result of
 * wamp_session_call_sync(). Freed by wamp_message_free().
 */
typedef struct wamp_message_t wamp_message_t;

/**
 * A router inside this process. Made by wamp_router_new(), freed by wamp_router_free().
 */
typedef struct wamp_router_t wamp_router_t;

/**
 * A session: one join of a realm. Lent in WAMP_OPEN until WAMP_CLOSE has been told; retain it to
 * keep it longer.
 */
typedef struct wamp_session_t wamp_session_t;

/**
 * A read-only lens on received data. Lives as long as the event or message it was taken from.
 */
typedef struct wamp_value_t wamp_value_t;

/* ---- Structs and callbacks --------------------------------------------------------------------- */

/**
 * Takes a line of the log, NUL-terminated. Runs on any thread, possibly on several at once; must
 * call nothing of the library.
 */
typedef void (*wamp_log_t)(int level, const char *line, void *user_data);

/**
 * Frees a `user_data`. Called exactly once, when nothing can use it any more, also when the call
 * that it was given to has failed.
 */
typedef void (*wamp_free_t)(void *user_data);

/**
 * A payload, lent in either direction: encoded args and kwargs.
 *
 * NULL stands for none. To the library: the size WAMP_NUL says that JSON text ends with a NUL;
 * size 0 with a pointer is refused, as nothing encoded is empty. From the library: use the sizes,
 * the text is not NUL-terminated; a received payload can be given to any function that sends. A
 * payload need not have the encoding of the connection: it is brought into that, and refused if
 * that cannot carry it.
 */
typedef struct wamp_payload_t {
  /**
   * One encoded list.
   */
  const char *args;
  /**
   * Its bytes, or WAMP_NUL.
   */
  size_t args_size;
  /**
   * One encoded dict: in JSON an object, in MsgPack and CBOR a map.
   */
  const char *kwargs;
  /**
   * Its bytes, or WAMP_NUL.
   */
  size_t kwargs_size;
  /**
   * WAMP_JSON, WAMP_MSGPACK or WAMP_CBOR; 0 is refused. Of a received payload: WAMP_JSON, unless
   * the option `payload_encoding` is "wire".
   */
  uint32_t encoding;
  /**
   * 0; the library uses it.
   */
  uint32_t flags;
} wamp_payload_t;

/**
 * A read-only view of something that happened. Valid for the length of the callback, or, when
 * polled, until the next poll, dispatch, close with a timeout, or free of its connection. Fields
 * are only ever appended.
 */
typedef struct wamp_event_t {
  /**
   * The kind of event: WAMP_OPEN ... WAMP_INTERNAL_ERROR. Ignore kinds that you do not know.
   */
  uint32_t kind;
  /**
   * WAMP_FLAG_PROGRESS, WAMP_FLAG_MORE, WAMP_FLAG_CONTINUED.
   */
  uint32_t flags;
  /**
   * ERROR, CLOSE, USER_ERROR, INTERNAL_ERROR: what went wrong, WAMP_ERR_*. Otherwise WAMP_OK.
   */
  int32_t status;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * The id that the request returned: of the subscription, registration, call or publication.
   */
  int64_t id;
  /**
   * The router's id. EVENT and PUBLISHED: publication; SUBSCRIBED: subscription; REGISTERED:
   * registration; INVOCATION: request; OPEN: session.
   */
  int64_t wamp_id;
  /**
   * The pointer that was given with the callback. In a kept message it may have been freed.
   */
  void *user_data;
  /**
   * The connection.
   */
  struct wamp_connection_t *connection;
  /**
   * The session, lent; NULL where there was none.
   */
  struct wamp_session_t *session;
  /**
   * INVOCATION: to answer with, lent. INTERRUPT: the same, if it was retained.
   */
  struct wamp_invocation_t *invocation;
  /**
   * EVENT: topic. INVOCATION: procedure. ERROR: the error. CLOSE: `closed`, `lost` or
   * `unreachable`. OPEN: realm. NUL-terminated, never NULL.
   */
  const char *uri;
  /**
   * Its bytes without the NUL.
   */
  size_t uri_size;
  /**
   * CLOSE, ERROR, USER_ERROR, INTERNAL_ERROR: a sentence for people. NUL-terminated, never NULL.
   */
  const char *message;
  /**
   * Its bytes without the NUL.
   */
  size_t message_size;
  /**
   * The details dict as it was received, JSON text, not NUL-terminated; may be NULL. See
   * wamp_event_details().
   */
  const char *details;
  /**
   * Its bytes.
   */
  size_t details_size;
  /**
   * Args and kwargs as they were received. See wamp_event_args(), wamp_event_kwargs().
   */
  struct wamp_payload_t payload;
  /**
   * Ties this view to what it shows; of no use to you.
   */
  uint64_t token;
  /**
   * CHALLENGE: to answer with, lent.
   */
  struct wamp_challenge_t *challenge;
  /**
   * CONNECT: to decide with, lent.
   */
  struct wamp_attempt_t *attempt;
} wamp_event_t;

/**
 * The one type of callback. `event` is a view, valid until the callback returns. Which thread it
 * runs on is decided by the option `dispatch`. It must return normally: no exception and no
 * longjmp may leave it.
 */
typedef void (*wamp_callback_t)(const struct wamp_event_t *event, void *user_data);

/**
 * Tells a host's loop that events wait. Runs on any thread; must only wake the loop, and must call
 * nothing of the library.
 */
typedef void (*wamp_wakeup_t)(void *user_data);

/**
 * Makes and reads payloads that routers carry without a look inside; see
 * wamp_connection_set_codec(). `direction` is WAMP_CODEC_ENCODE or WAMP_CODEC_DECODE, `details`
 * the options or details as JSON text, not NUL-terminated, `data` what to encode or to decode.
 * Writes the result by wamp_buffer_write() and returns WAMP_OK, or something negative if it
 * cannot. Runs on any thread, possibly on several at once, and must call nothing else of the
 * library.
 */
typedef int (*wamp_codec_t)(uint32_t direction,
                            const char *details,
                            size_t details_size,
                            const void *data,
                            size_t size,
                            struct wamp_buffer_t *out,
                            void *user_data);

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/* ---- The library ------------------------------------------------------------------------------- */

/**
 * The version of the library in use, such as "0.2.0"; static. Compare WAMP_VERSION, which is that
 * of the header.
 */
WAMP_API const char *wamp_version(void);

/**
 * The version as a number: major << 16 | minor << 8 | patch. Compare WAMP_VERSION_NUMBER.
 */
WAMP_API uint32_t wamp_version_number(void);

/**
 * Closes all connections and routers and joins all threads of the library, within `timeout_ms`
 * (negative: no limit), whoever in the process has made them. Handles stay valid and are to be
 * freed as always; the library can be used again afterwards. Not needed before the end of a
 * process, but a leak checker wants it.
 *
 * Returns WAMP_OK, or WAMP_ERR_DEADLOCK (inside a callback), WAMP_ERR_TIMEOUT (a callback, or what
 * else cannot be stopped, was still running; another wamp_shutdown() waits for it),
 * WAMP_ERR_FORKED.
 */
WAMP_API int wamp_shutdown(int timeout_ms);

/**
 * The name of a status, such as "WAMP_ERR_CLOSED"; static. "WAMP_ERR_UNKNOWN" for other numbers.
 */
WAMP_API const char *wamp_status_name(int status);

/**
 * A sentence about a status, which says what to do; static.
 */
WAMP_API const char *wamp_status_text(int status);

/**
 * The detail of the last failed call on this thread, in a sentence; "" before the first.
 *
 * Valid until eight more calls have failed on this thread: it can stand beside another call in one
 * list of arguments. (C may ask for it before that call is made, and then it is the text of an
 * earlier one.) Of a failure that an event tells too, it is the event's `message`.
 */
WAMP_API const char *wamp_last_error(void);

/**
 * Sends the log, up to `level` (WAMP_LOG_OFF ... WAMP_LOG_TRACE), to `log`; NULL for none.
 *
 * Without it the library is silent, unless the environment variable WAMP_LOG names a level
 * (`error warn info debug trace`): then lines go to standard error. `free` (may be NULL) runs
 * exactly once, when another function takes the place or when this call fails. Returns WAMP_OK, or
 * WAMP_ERR_ARGUMENT.
 */
WAMP_API int wamp_set_log(int level, wamp_log_t log, void *user_data, wamp_free_t free);

/* ---- Connections ------------------------------------------------------------------------------- */

/**
 * A connection, not yet open.
 *
 * `options` is a JSON object; `url` and `realm` are required, the others are listed at the top of
 * this header. It is copied. NULL for none: then wamp_connection_set_string() and its neighbours
 * say all. Returns NULL on failure, with the reason in wamp_last_error(). Free it with
 * wamp_connection_free().
 */
WAMP_API struct wamp_connection_t *wamp_connection_new(const char *options);

/**
 * Sets an option whose value is a string, such as "url", "realm" or "ticket", to `value`; both are
 * copied.
 *
 * Options can be set while the connection is not open: before wamp_connection_open(), and again
 * after the last WAMP_CLOSE. The last value set counts, "url" and "transports" are one option in
 * this. What is required and missing is told by wamp_connection_open(). A refused value changes
 * nothing.
 *
 * Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8, WAMP_ERR_OPTION (there is
 * no such option, or the value does not suit it), WAMP_ERR_STATE (the connection is open, or, for
 * "dispatch", events of it still wait).
 */
WAMP_API int wamp_connection_set_string(struct wamp_connection_t *connection,
                                        const char *option,
                                        const char *value);

/**
 * Sets an option whose value is a number without a fraction, such as "max_retries". Options in
 * seconds take whole ones. Returns as wamp_connection_set_string().
 */
WAMP_API int wamp_connection_set_int(struct wamp_connection_t *connection,
                                     const char *option,
                                     int64_t value);

/**
 * Sets an option whose value is a number, such as "connect_timeout" (seconds). Returns as
 * wamp_connection_set_string().
 */
WAMP_API int wamp_connection_set_double(struct wamp_connection_t *connection,
                                        const char *option,
                                        double value);

/**
 * Sets an option whose value is true, or false for 0, such as "retry_if_unreachable". Returns as
 * wamp_connection_set_string().
 */
WAMP_API int wamp_connection_set_bool(struct wamp_connection_t *connection,
                                      const char *option,
                                      int value);

/**
 * Sets an option to a JSON value, such as those that are lists or objects: "serializers",
 * "transports", "tlsConfiguration". `json` is what would stand behind the option's name in the
 * object for wamp_connection_new(); it is copied. Returns as wamp_connection_set_string().
 */
WAMP_API int wamp_connection_set_json(struct wamp_connection_t *connection,
                                      const char *option,
                                      const char *json);

/**
 * Frees a connection, in any state, also inside its own callbacks. Never blocks.
 *
 * An open one is closed in the background; no callback is called any more, but for one that is
 * running. All user_data are freed: on this thread, or where a callback is running, when that
 * returns. A thread that waits in dispatch or poll returns with WAMP_ERR_HANDLE. Handles of its
 * sessions that were not retained end. To wait for the end of everything
 * call wamp_connection_close() with a timeout first. Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_connection_free(struct wamp_connection_t *connection);

/**
 * Sets what hears WAMP_OPEN, each time that a session has been opened; NULL for nothing.
 *
 * `free` (may be NULL) runs exactly once: when another callback takes the place, when the
 * connection is freed, or when this call fails. Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_connection_on_open(struct wamp_connection_t *connection,
                                     wamp_callback_t callback,
                                     void *user_data,
                                     wamp_free_t free);

/**
 * Sets what hears WAMP_CLOSE: when the connection was closed, was lost, or could not be made.
 * After each wamp_connection_open() exactly one comes whose `will_retry` is false: it is the last.
 * Returns as wamp_connection_on_open().
 */
WAMP_API int wamp_connection_on_close(struct wamp_connection_t *connection,
                                      wamp_callback_t callback,
                                      void *user_data,
                                      wamp_free_t free);

/**
 * Sets what hears WAMP_WRITABLE, once after a request was answered with WAMP_ERR_AGAIN: when half
 * of the send queue is free. Returns as wamp_connection_on_open().
 */
WAMP_API int wamp_connection_on_writable(struct wamp_connection_t *connection,
                                         wamp_callback_t callback,
                                         void *user_data,
                                         wamp_free_t free);

/**
 * Sets what hears WAMP_CONNECT before each attempt to connect, the first and those after a loss:
 * for credentials that expire, or an address that changes.
 *
 * It decides through `event->attempt`: at once, or, having retained it, later and from any thread;
 * the attempt waits so long. An event that decides nothing lets the attempt be made. With a NULL
 * callback nobody is asked, but in manual mode the event comes by wamp_connection_poll(). Returns
 * as wamp_connection_on_open().
 */
WAMP_API int wamp_connection_on_connect(struct wamp_connection_t *connection,
                                        wamp_callback_t callback,
                                        void *user_data,
                                        wamp_free_t free);

/**
 * Sets what hears WAMP_CHALLENGE when the router wants to know who we are.
 *
 * It answers through `event->challenge`: at once, or, having retained it, later and from any
 * thread, within `connect_timeout`; an event that answers nothing ends the attempt to join. There
 * may be several rounds. Without a callback the options `ticket`, `secret` and `privkey` answer.
 * With a NULL callback in manual mode the event comes by wamp_connection_poll(). Returns as
 * wamp_connection_on_open().
 */
WAMP_API int wamp_connection_on_challenge(struct wamp_connection_t *connection,
                                          wamp_callback_t callback,
                                          void *user_data,
                                          wamp_free_t free);

/**
 * Sets what hears WAMP_USER_ERROR: when a handler reports its failure by wamp_event_failed(), and
 * when a request fails that has no callback to hear it. Without one they go to the log. Returns
 * as wamp_connection_on_open().
 */
WAMP_API int wamp_connection_on_user_error(struct wamp_connection_t *connection,
                                           wamp_callback_t callback,
                                           void *user_data,
                                           wamp_free_t free);

/**
 * Sets what hears WAMP_INTERNAL_ERROR: when no transport can be made, when the peer violates the
 * protocol, when there is no answer to a challenge. WAMP_CLOSE follows. Without one it goes to the
 * log. Returns as wamp_connection_on_open().
 */
WAMP_API int wamp_connection_on_internal_error(struct wamp_connection_t *connection,
                                               wamp_callback_t callback,
                                               void *user_data,
                                               wamp_free_t free);

/**
 * Starts to connect and to join the realm, and returns at once: WAMP_OPEN or WAMP_CLOSE follows.
 *
 * Can be called again after WAMP_CLOSE. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_STATE (open
 * already, or wamp_connection_quiesce() has ended its callbacks), WAMP_ERR_OPTION (`url` or
 * `realm` has not been set), WAMP_ERR_EXHAUSTED (no thread can be started), WAMP_ERR_CLOSED
 * (wamp_shutdown() is running).
 */
WAMP_API int wamp_connection_open(struct wamp_connection_t *connection);

/**
 * Closes in order: says GOODBYE, waits for the router's, ends all requests, then tells WAMP_CLOSE.
 *
 * `reason` (a URI, NULL for `wamp.goodbye.normal`) and `message` (may be NULL) go to the router.
 * With `timeout_ms` 0 it returns at once. With a positive one (negative: no limit) it is a
 * barrier: after it no callback runs and the user_data of all requests have been freed; in manual
 * mode it dispatches what is left on this thread. A callback that opens the connection again makes
 * the wait last until that ends, too. Closing is also possible while connecting.
 *
 * Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_CLOSED (was not open; the barrier holds all the
 * same), WAMP_ERR_DEADLOCK (timeout inside a callback), WAMP_ERR_TIMEOUT, WAMP_ERR_UTF8,
 * WAMP_ERR_URI.
 */
WAMP_API int wamp_connection_close(struct wamp_connection_t *connection,
                                   const char *reason,
                                   const char *message,
                                   int timeout_ms);

/**
 * Ends the callbacks of one subscription, registration, call or publication: after it none runs or
 * will begin. A barrier that needs no network, for destructors.
 *
 * `id` is the one that the request has returned, or 0 for the whole connection. It waits at most
 * `timeout_ms` (0: not at all; negative: no limit) for a callback that is running. From the moment
 * that it is called no other begins, also where it answers WAMP_ERR_TIMEOUT: what would have been
 * told is passed over, an invocation is answered with an error. The router hears nothing of it:
 * unsubscribe, unregister or cancel first, without a `done` (one that is given afterwards is
 * told). `free` still runs once for each user_data, when its request has ended; nothing else of it
 * is touched. In manual mode events that wamp_connection_poll() has shown already are in the
 * program's hands.
 *
 * With 0 the wakeup is taken out, too, and what is left to do is wamp_connection_close() and
 * wamp_connection_free(): a connection cannot be opened again after it.
 *
 * Returns WAMP_OK, also for an id that has ended or never was, or WAMP_ERR_HANDLE,
 * WAMP_ERR_NO_SUCH_ID (it is negative), WAMP_ERR_DEADLOCK (inside a callback for this id, or, with
 * 0, inside any of the connection, or inside a wakeup; in a callback of inline dispatch while the
 * other one runs), WAMP_ERR_TIMEOUT (the callback still runs). Callbacks of two connections that
 * wait for each other are not found out: give them a limit.
 */
WAMP_API int wamp_connection_quiesce(struct wamp_connection_t *connection,
                                     int64_t id,
                                     int timeout_ms);

/**
 * The open session; waits for it at most `timeout_ms` (negative: no limit).
 *
 * `*session` receives it, retained (give it back with wamp_session_release()), or NULL on failure.
 * As soon as the attempt to open has failed, its failure is returned, with the words of its
 * WAMP_CLOSE. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_CLOSED (never
 * opened, or closed), WAMP_ERR_TIMEOUT, WAMP_ERR_UNREACHABLE, WAMP_ERR_EXHAUSTED, WAMP_ERR_TLS,
 * WAMP_ERR_HTTP, WAMP_ERR_SUBPROTOCOL, WAMP_ERR_PROTOCOL, WAMP_ERR_AUTH, WAMP_ERR_ABORTED,
 * WAMP_ERR_LOST, WAMP_ERR_CANCELED (wamp_attempt_abandon()), WAMP_ERR_TOO_LARGE (HELLO is more
 * than the router takes, or a message more than we take), WAMP_ERR_DEADLOCK (in a callback of
 * inline dispatch).
 */
WAMP_API int wamp_connection_session(struct wamp_connection_t *connection,
                                     int timeout_ms,
                                     struct wamp_session_t **session);

/**
 * Returns 1 while a session is open, 0 if not, or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_connection_is_open(struct wamp_connection_t *connection);

/**
 * Manual mode: runs callbacks on this thread, at most `max` (0 or less: as many as wait), after
 * waiting at most `timeout_ms` (0: not at all; negative: no limit) for the first event.
 *
 * Events without a callback are dropped. Returns the number of events, or WAMP_ERR_HANDLE,
 * WAMP_ERR_STATE (not in manual mode), WAMP_ERR_DEADLOCK (inside one of these callbacks).
 */
WAMP_API int wamp_connection_dispatch(struct wamp_connection_t *connection,
                                      int max,
                                      int timeout_ms);

/**
 * Manual mode: fills an array with views of events, at most `max`, after waiting at most
 * `timeout_ms` (0: not at all; negative: no limit) for the first. No callback runs.
 *
 * `event_size` is sizeof(wamp_event_t) as the program was compiled. The views, and the invocations
 * that they lend, are valid until the next poll, dispatch, close with a timeout, or free; an
 * invocation that was neither answered nor retained by then is answered with an error. Returns
 * the number of events, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_STATE (not in manual
 * mode), WAMP_ERR_DEADLOCK (inside a callback of the connection).
 */
WAMP_API int wamp_connection_poll(struct wamp_connection_t *connection,
                                  struct wamp_event_t *events,
                                  size_t event_size,
                                  int max,
                                  int timeout_ms);

/**
 * Manual mode: a file descriptor that is readable while events wait, for poll(2) and its kin.
 *
 * Owned by the connection, do not read from it or close it. It is closed when the connection is
 * freed and no session or message of it is kept any more; take it out of your loop before. Returns
 * the fd (>= 0), or WAMP_ERR_HANDLE, WAMP_ERR_STATE (not in manual mode), WAMP_ERR_EXHAUSTED (the
 * process has no descriptor left).
 */
WAMP_API int wamp_connection_fd(struct wamp_connection_t *connection);

/**
 * Manual mode, for hosts without file descriptors: `wakeup` is called when events begin to wait,
 * on whatever thread makes them wait, also one that is inside a function of this connection: so it
 * must take no lock that the program holds while it calls the library. It is called at once if
 * some wait already. NULL for none.
 *
 * `free` (may be NULL) runs exactly once: when another function takes the place, when the
 * connection is freed, or when this call fails. Returns WAMP_OK, or WAMP_ERR_HANDLE,
 * WAMP_ERR_STATE (not in manual mode).
 */
WAMP_API int wamp_connection_set_wakeup(struct wamp_connection_t *connection,
                                        wamp_wakeup_t wakeup,
                                        void *user_data,
                                        wamp_free_t free);

/**
 * Returns 1 while the transport is up, whether or not the session is open already; 0 if not, or
 * WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_connection_is_connected(struct wamp_connection_t *connection);

/**
 * Returns 1 from a loss that is retried until a session is open again or all is given up; 0
 * otherwise, or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_connection_is_retrying(struct wamp_connection_t *connection);

/**
 * Makes the next attempt now instead of after its delay. Returns WAMP_OK, or WAMP_ERR_HANDLE,
 * WAMP_ERR_STATE (no attempt is waited for).
 */
WAMP_API int wamp_connection_reconnect_now(struct wamp_connection_t *connection);

/**
 * Makes no more attempts until the next wamp_connection_open(); an open session stays. If an
 * attempt was waited for, a last WAMP_CLOSE follows, whose `will_retry` is false. Returns 1 if one
 * was waited for, 0 if not, or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_connection_stop_retrying(struct wamp_connection_t *connection);

/**
 * Waits until all that requests have queued is given to the operating system, at most
 * `timeout_ms` (negative: no limit). Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_CLOSED,
 * WAMP_ERR_TIMEOUT, WAMP_ERR_DEADLOCK (in a callback of inline dispatch).
 */
WAMP_API int wamp_connection_flush(struct wamp_connection_t *connection, int timeout_ms);

/* ---- Attempts to connect ----------------------------------------------------------------------- */

/**
 * Keeps an attempt beyond its callback, to decide later from any thread: it waits so long. Each
 * retain wants its wamp_attempt_release(). Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_attempt_retain(struct wamp_attempt_t *attempt);

/**
 * Gives an attempt back. If nothing was decided and nobody else keeps it, it is made as it is.
 * Returns WAMP_OK or WAMP_ERR_HANDLE, also for one that this program did not retain.
 */
WAMP_API int wamp_attempt_release(struct wamp_attempt_t *attempt);

/**
 * Makes the attempt. From any thread, once.
 *
 * `changes` (JSON object, NULL for none) holds options of the connection that shall be different
 * from now on: `url`, `transports`, `headers`, `serializers`, `tlsConfiguration` (its files are
 * read again), `proxy`, `realm`, `authid`, `authmethods`, `authextra`, `ticket`, `secret`,
 * `privkey`; it is copied. A header in `headers` also takes the place of the one of that name in
 * `transports`, unless these are given with it. Returns WAMP_OK, or WAMP_ERR_HANDLE,
 * WAMP_ERR_UTF8, WAMP_ERR_OPTION (nothing is decided then), WAMP_ERR_STATE (decided already).
 */
WAMP_API int wamp_attempt_proceed(struct wamp_attempt_t *attempt, const char *changes);

/**
 * Makes neither this attempt nor any after it: WAMP_CLOSE with WAMP_ERR_CANCELED follows.
 * `message` (may be NULL) stands in it. Returns as wamp_attempt_proceed().
 */
WAMP_API int wamp_attempt_abandon(struct wamp_attempt_t *attempt, const char *message);

/* ---- Challenges -------------------------------------------------------------------------------- */

/**
 * Keeps a challenge beyond its callback, to answer it later from any thread; each retain wants its
 * wamp_challenge_release(). Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_challenge_retain(struct wamp_challenge_t *challenge);

/**
 * Gives a challenge back. If it was never answered and nobody else keeps it, the attempt to join
 * ends with `wamp.error.cannot_authenticate`. Returns WAMP_OK or WAMP_ERR_HANDLE, also for one
 * that this program did not retain.
 */
WAMP_API int wamp_challenge_release(struct wamp_challenge_t *challenge);

/**
 * Answers a challenge. From any thread, once.
 *
 * `signature` is what the method wants: the ticket itself, a signature (see wamp_auth_cra_sign()
 * and its neighbours). `extra` (JSON object, may be NULL) goes with it. Both are copied. The
 * router may challenge again, then accepts (WAMP_OPEN) or refuses (WAMP_CLOSE). Returns WAMP_OK,
 * or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8, WAMP_ERR_OPTION, WAMP_ERR_STATE (answered
 * already), WAMP_ERR_CLOSED (too late).
 */
WAMP_API int wamp_challenge_reply(struct wamp_challenge_t *challenge,
                                  const char *signature,
                                  const char *extra);

/**
 * Gives up joining: ABORT goes to the router, and WAMP_CLOSE with WAMP_ERR_AUTH follows; there is
 * no further attempt.
 *
 * `reason` is a URI, NULL for `wamp.error.cannot_authenticate`; `message` (may be NULL) is a text
 * for people. Returns as wamp_challenge_reply(), and WAMP_ERR_URI.
 */
WAMP_API int wamp_challenge_abort(struct wamp_challenge_t *challenge,
                                  const char *reason,
                                  const char *message);

/* ---- Subscriptions and registrations of a connection ------------------------------------------- */

/**
 * Subscribes to a topic for as long as the connection lives: in each of its sessions, the present
 * one and those to come.
 *
 * May be called before wamp_connection_open(). `options` (JSON object, may be NULL) go to the
 * router each time. `handler` hears WAMP_EVENT. `done` (may be NULL) hears WAMP_SUBSCRIBED the
 * first time and WAMP_RESTORED after each later join, WAMP_SUSPENDED when its session has ended
 * (events published until WAMP_RESTORED are missed), WAMP_ERROR when a session's router refuses it
 * (the next join tries again), WAMP_UNSUBSCRIBED when the router revokes it (as well). They have
 * been asked for before WAMP_OPEN is told. Strings are copied. `free` (may be NULL) runs exactly
 * once, also when the call fails.
 *
 * Returns the subscription's id (> 0), which stays the same, for wamp_connection_unsubscribe(); or
 * WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT (NULL handler without manual dispatch), WAMP_ERR_UTF8,
 * WAMP_ERR_URI, WAMP_ERR_OPTION.
 */
WAMP_API int64_t wamp_connection_subscribe(struct wamp_connection_t *connection,
                                           const char *topic,
                                           const char *options,
                                           wamp_callback_t handler,
                                           wamp_callback_t done,
                                           void *user_data,
                                           wamp_free_t free);

/**
 * Ends a subscription of the connection. As wamp_session_unsubscribe(); where no session is open
 * `done` hears WAMP_UNSUBSCRIBED all the same. Returns 1 if the router's subscription ends (or
 * there was none), 0 if other handlers of it remain, or WAMP_ERR_HANDLE, WAMP_ERR_NO_SUCH_ID.
 */
WAMP_API int wamp_connection_unsubscribe(struct wamp_connection_t *connection,
                                         int64_t subscription,
                                         wamp_callback_t done,
                                         void *user_data,
                                         wamp_free_t free);

/**
 * Registers a procedure for as long as the connection lives: in each of its sessions, the present
 * one and those to come.
 *
 * As wamp_connection_subscribe(), with WAMP_INVOCATION, WAMP_REGISTERED and WAMP_UNREGISTERED. A
 * procedure that exists already (`wamp.error.procedure_already_exists`: after a loss the router
 * may not yet have noticed that our former session is gone) is tried again after 0.1 s, 0.2 s ...
 * 10 s, each time with a WAMP_ERROR. Returns as wamp_connection_subscribe(), or WAMP_ERR_STATE
 * (this connection has registered it already).
 */
WAMP_API int64_t wamp_connection_register(struct wamp_connection_t *connection,
                                          const char *procedure,
                                          const char *options,
                                          wamp_callback_t handler,
                                          wamp_callback_t done,
                                          void *user_data,
                                          wamp_free_t free);

/**
 * Ends a registration of the connection. As wamp_session_unregister(); where no session is open
 * `done` hears WAMP_UNREGISTERED all the same. Returns 1, or WAMP_ERR_HANDLE, WAMP_ERR_NO_SUCH_ID.
 */
WAMP_API int wamp_connection_unregister(struct wamp_connection_t *connection,
                                        int64_t registration,
                                        wamp_callback_t done,
                                        void *user_data,
                                        wamp_free_t free);

/* ---- Payload codecs ---------------------------------------------------------------------------- */

/**
 * Sets what makes and reads payloads in payload passthru mode, for serializers that the library
 * has not and for ciphers; NULL for none.
 *
 * With the option `ppt_scheme` (publish, call, call_more, yield_with) or Autobahn's older
 * `enc_algo` the codec gets `{"args": [...], "kwargs": {...}}` and writes the bytes that travel;
 * where these options stand in the details of what has come, it gets the bytes and writes such an
 * object. Without a codec `"ppt_serializer": "json"` without `ppt_cipher` works all the same, and
 * everything else is given and delivered as the one binary value that it is on the wire. What
 * cannot be encoded is refused with WAMP_ERR_PAYLOAD; of what cannot be decoded an event or a
 * progressive result is told as WAMP_USER_ERROR, an invocation is answered with
 * `wamp.error.invalid_argument`, and a result becomes WAMP_ERROR with WAMP_ERR_PAYLOAD.
 *
 * `free` (may be NULL) runs exactly once: when another codec takes the place, when the connection
 * is freed, or when this call fails. Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_connection_set_codec(struct wamp_connection_t *connection,
                                       wamp_codec_t codec,
                                       void *user_data,
                                       wamp_free_t free);

/**
 * Appends `size` bytes to what a codec writes; they are copied. Returns WAMP_OK, or
 * WAMP_ERR_HANDLE (not, or no longer, the buffer of a running codec), WAMP_ERR_ARGUMENT.
 */
WAMP_API int wamp_buffer_write(struct wamp_buffer_t *buffer, const void *data, size_t size);

/* ---- Sessions ---------------------------------------------------------------------------------- */

/**
 * Keeps a session's handle valid beyond its close; each retain wants its wamp_session_release().
 * The session itself ends all the same. Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_session_retain(struct wamp_session_t *session);

/**
 * Gives a retained session back. Returns WAMP_OK, or WAMP_ERR_HANDLE, also for one that this
 * program did not retain.
 */
WAMP_API int wamp_session_release(struct wamp_session_t *session);

/**
 * The session's WAMP id, 1 to 2^53, to `*id`, also when the session is over; 0 on failure. Returns
 * WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT.
 */
WAMP_API int wamp_session_id(struct wamp_session_t *session, int64_t *id);

/**
 * The realm that the session has joined, NUL-terminated; lives as long as the session's handle.
 * NULL on failure.
 */
WAMP_API const char *wamp_session_realm(struct wamp_session_t *session);

/**
 * Returns 1 while requests can be made on the session, 0 when it is over, or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_session_is_open(struct wamp_session_t *session);

/**
 * The details of the router's WELCOME as a lens on a dict: `authid`, `authrole`, `roles`, ...
 * Lives as long as the session's handle. NULL on failure.
 */
WAMP_API const struct wamp_value_t *wamp_session_details(struct wamp_session_t *session);

/* ---- Requests of a session --------------------------------------------------------------------- */

/**
 * Subscribes to a topic.
 *
 * `options` (JSON object, may be NULL) go to the router, such as `{"match": "prefix"}`. `handler`
 * hears WAMP_EVENT; `done` (may be NULL) hears WAMP_SUBSCRIBED or WAMP_ERROR, and
 * WAMP_UNSUBSCRIBED if the router revokes it. Several handlers of one topic each hear each event
 * once. Strings are copied. `free` (may be NULL) runs exactly once, also when the call fails.
 *
 * Returns the subscription's id (> 0, valid at once), or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT (NULL
 * handler without manual dispatch), WAMP_ERR_UTF8, WAMP_ERR_URI, WAMP_ERR_OPTION, WAMP_ERR_PAYLOAD
 * (the encoding of the connection cannot carry an option), WAMP_ERR_AGAIN, WAMP_ERR_CLOSED,
 * WAMP_ERR_TOO_LARGE, WAMP_ERR_STATE (the router is no broker).
 */
WAMP_API int64_t wamp_session_subscribe(struct wamp_session_t *session,
                                        const char *topic,
                                        const char *options,
                                        wamp_callback_t handler,
                                        wamp_callback_t done,
                                        void *user_data,
                                        wamp_free_t free);

/**
 * Subscribes and waits for the router's answer, at most `timeout_ms` (negative: no limit).
 *
 * Returns the subscription's id, or as wamp_session_subscribe(), or WAMP_ERR_REMOTE (the router
 * refused: its URI is in wamp_last_error()), WAMP_ERR_TIMEOUT (given up), WAMP_ERR_CANCELED (given
 * up by another thread), WAMP_ERR_DEADLOCK (in a callback of inline dispatch), WAMP_ERR_NOT_SENT,
 * WAMP_ERR_OUTCOME_UNKNOWN.
 */
WAMP_API int64_t wamp_session_subscribe_sync(struct wamp_session_t *session,
                                             const char *topic,
                                             const char *options,
                                             wamp_callback_t handler,
                                             void *user_data,
                                             wamp_free_t free,
                                             int timeout_ms);

/**
 * Ends a subscription: its handler is not called any more once this returns, but for a call that
 * is running.
 *
 * `done` (may be NULL) hears WAMP_UNSUBSCRIBED, always, or WAMP_ERROR. `free` (may be NULL)
 * frees this call's `user_data`, exactly once; the subscription's own is freed too.
 *
 * Returns 1 if the router's subscription ends, 0 if other handlers of it remain, or
 * WAMP_ERR_HANDLE, WAMP_ERR_NO_SUCH_ID, WAMP_ERR_AGAIN, WAMP_ERR_CLOSED.
 */
WAMP_API int wamp_session_unsubscribe(struct wamp_session_t *session,
                                      int64_t subscription,
                                      wamp_callback_t done,
                                      void *user_data,
                                      wamp_free_t free);

/**
 * Ends a subscription and waits for the router's answer, at most `timeout_ms` (negative: no
 * limit). Returns as wamp_session_unsubscribe(), or WAMP_ERR_REMOTE, WAMP_ERR_PAYLOAD (its error
 * cannot be read), WAMP_ERR_TIMEOUT, WAMP_ERR_DEADLOCK, WAMP_ERR_NOT_SENT,
 * WAMP_ERR_OUTCOME_UNKNOWN; the handler is gone in any case but WAMP_ERR_HANDLE,
 * WAMP_ERR_NO_SUCH_ID, WAMP_ERR_AGAIN, WAMP_ERR_CLOSED and WAMP_ERR_DEADLOCK.
 */
WAMP_API int wamp_session_unsubscribe_sync(struct wamp_session_t *session,
                                           int64_t subscription,
                                           int timeout_ms);

/**
 * Publishes an event and forgets it: nothing more is heard of it, neither success nor failure.
 *
 * `payload` and `options` (JSON object, such as `{"exclude_me": false}`) may be NULL; all is
 * copied. To hear of the outcome use wamp_session_publish_ack().
 *
 * Returns WAMP_OK when it is queued, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8,
 * WAMP_ERR_URI, WAMP_ERR_PAYLOAD, WAMP_ERR_OPTION, WAMP_ERR_AGAIN, WAMP_ERR_CLOSED,
 * WAMP_ERR_TOO_LARGE, WAMP_ERR_STATE (the router is no broker), WAMP_ERR_UNSUPPORTED (the options
 * need a feature that the router does not announce: `ppt_scheme`, `enc_algo`).
 */
WAMP_API int wamp_session_publish(struct wamp_session_t *session,
                                  const char *topic,
                                  const struct wamp_payload_t *payload,
                                  const char *options);

/**
 * Publishes an event and hears of the outcome.
 *
 * `done` (may be NULL) hears WAMP_PUBLISHED with the publication's id as `wamp_id`, or WAMP_ERROR.
 * `free` (may be NULL) runs exactly once, also when the call fails. Returns the request's id
 * (> 0), which the event will have, or as wamp_session_publish().
 */
WAMP_API int64_t wamp_session_publish_ack(struct wamp_session_t *session,
                                          const char *topic,
                                          const struct wamp_payload_t *payload,
                                          const char *options,
                                          wamp_callback_t done,
                                          void *user_data,
                                          wamp_free_t free);

/**
 * Publishes an event and waits for the router's word, at most `timeout_ms` (negative: no limit).
 *
 * `*publication` (may be NULL if not wanted) receives the publication's id, up to 2^53, or 0 on
 * failure. Returns WAMP_OK, or as wamp_session_publish(), or WAMP_ERR_REMOTE (refused: see
 * wamp_last_error()), WAMP_ERR_TIMEOUT, WAMP_ERR_DEADLOCK, WAMP_ERR_NOT_SENT,
 * WAMP_ERR_OUTCOME_UNKNOWN.
 */
WAMP_API int wamp_session_publish_ack_sync(struct wamp_session_t *session,
                                           const char *topic,
                                           const struct wamp_payload_t *payload,
                                           const char *options,
                                           int timeout_ms,
                                           int64_t *publication);

/**
 * Registers a procedure.
 *
 * `options` (JSON object, may be NULL) go to the router, such as `{"invoke": "roundrobin"}`.
 * `handler` hears WAMP_INVOCATION and answers through `event->invocation`, at once or later;
 * `done` (may be NULL) hears WAMP_REGISTERED or WAMP_ERROR, and WAMP_UNREGISTERED if the router
 * revokes it. Strings are copied. `free` (may be NULL) runs exactly once, also when the call
 * fails.
 *
 * Returns the registration's id (> 0, valid at once), or as wamp_session_subscribe();
 * WAMP_ERR_STATE also where this session has registered the same procedure, or its unregistering
 * is not answered yet.
 */
WAMP_API int64_t wamp_session_register(struct wamp_session_t *session,
                                       const char *procedure,
                                       const char *options,
                                       wamp_callback_t handler,
                                       wamp_callback_t done,
                                       void *user_data,
                                       wamp_free_t free);

/**
 * Registers a procedure and waits for the router's answer, at most `timeout_ms` (negative: no
 * limit). Returns as wamp_session_register(), or as wamp_session_subscribe_sync().
 */
WAMP_API int64_t wamp_session_register_sync(struct wamp_session_t *session,
                                            const char *procedure,
                                            const char *options,
                                            wamp_callback_t handler,
                                            void *user_data,
                                            wamp_free_t free,
                                            int timeout_ms);

/**
 * Ends a registration. Invocations that are on their way still come, until WAMP_UNREGISTERED.
 *
 * `done` (may be NULL) hears WAMP_UNREGISTERED or WAMP_ERROR. `free` (may be NULL) frees this
 * call's `user_data`, exactly once. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_NO_SUCH_ID,
 * WAMP_ERR_AGAIN, WAMP_ERR_CLOSED.
 */
WAMP_API int wamp_session_unregister(struct wamp_session_t *session,
                                     int64_t registration,
                                     wamp_callback_t done,
                                     void *user_data,
                                     wamp_free_t free);

/**
 * Ends a registration and waits for the router's answer, at most `timeout_ms` (negative: no
 * limit). Returns as wamp_session_unregister(), or WAMP_ERR_REMOTE, WAMP_ERR_PAYLOAD (its error
 * cannot be read), WAMP_ERR_TIMEOUT, WAMP_ERR_DEADLOCK, WAMP_ERR_NOT_SENT,
 * WAMP_ERR_OUTCOME_UNKNOWN.
 */
WAMP_API int wamp_session_unregister_sync(struct wamp_session_t *session,
                                          int64_t registration,
                                          int timeout_ms);

/**
 * Calls a procedure.
 *
 * `payload` and `options` (JSON object, such as `{"receive_progress": true}`) may be NULL; all is
 * copied. With the option `timeout` (milliseconds) the call is given up after that time without a
 * result, whether or not the router knows time limits: WAMP_ERROR `wamp.error.timeout` with status
 * WAMP_ERR_TIMEOUT. `done` (may be NULL) hears WAMP_RESULT or WAMP_ERROR, exactly once, also when
 * the connection is lost; before it, where `receive_progress` was asked for, any number of
 * WAMP_RESULT with WAMP_FLAG_PROGRESS. `free` (may be NULL) runs exactly once, also when the call
 * fails.
 *
 * Returns the call's id (> 0), or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8, WAMP_ERR_URI,
 * WAMP_ERR_PAYLOAD, WAMP_ERR_OPTION, WAMP_ERR_AGAIN, WAMP_ERR_CLOSED, WAMP_ERR_TOO_LARGE,
 * WAMP_ERR_STATE (the router is no dealer), WAMP_ERR_UNSUPPORTED (the options need a feature that
 * the router does not announce: `progress`, `ppt_scheme`, `enc_algo`).
 */
WAMP_API int64_t wamp_session_call(struct wamp_session_t *session,
                                   const char *procedure,
                                   const struct wamp_payload_t *payload,
                                   const char *options,
                                   wamp_callback_t done,
                                   void *user_data,
                                   wamp_free_t free);

/**
 * Sends more input of a call that was made with the option `{"progress": true}` (progressive call
 * invocations): the callee gets it as a further WAMP_INVOCATION.
 *
 * `call` is the id that wamp_session_call() returned. `options` with `"progress": true` announce
 * still more; without, or NULL, this is the last. `payload` may be NULL; all is copied. Returns
 * WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_NO_SUCH_ID (the call has ended), WAMP_ERR_STATE (it was
 * made without `progress`, was canceled, or the last input has been sent), WAMP_ERR_ARGUMENT (an
 * unknown encoding), WAMP_ERR_UTF8, WAMP_ERR_PAYLOAD, WAMP_ERR_OPTION, WAMP_ERR_UNSUPPORTED,
 * WAMP_ERR_AGAIN, WAMP_ERR_CLOSED, WAMP_ERR_TOO_LARGE.
 */
WAMP_API int wamp_session_call_more(struct wamp_session_t *session,
                                    int64_t call,
                                    const struct wamp_payload_t *payload,
                                    const char *options);

/**
 * Calls a procedure and waits for the outcome, at most `timeout_ms` (negative: no limit).
 *
 * `*result` (may be NULL if not wanted) receives the WAMP_RESULT, or with WAMP_ERR_REMOTE and with
 * WAMP_ERR_PAYLOAD (a codec cannot read the result) the WAMP_ERROR, to be freed by
 * wamp_message_free(); otherwise NULL. Progressive results are skipped. Returns WAMP_OK, or as
 * wamp_session_call(), or WAMP_ERR_REMOTE (an error came: its URI is in the message and in
 * wamp_last_error()), WAMP_ERR_TIMEOUT (given up; a late answer is ignored), WAMP_ERR_DEADLOCK (in
 * a callback of inline dispatch, or in one of the connection that has registered the procedure
 * itself), WAMP_ERR_CANCELED (given up by another thread), WAMP_ERR_NOT_SENT,
 * WAMP_ERR_OUTCOME_UNKNOWN.
 */
WAMP_API int wamp_session_call_sync(struct wamp_session_t *session,
                                    const char *procedure,
                                    const struct wamp_payload_t *payload,
                                    const char *options,
                                    int timeout_ms,
                                    struct wamp_message_t **result);

/**
 * Gives a call up.
 *
 * `options` (JSON object, may be NULL) hold `mode`: "skip" and "killnowait" (the default) end the
 * call at once: `done` hears WAMP_ERROR `wamp.error.canceled` with status WAMP_ERR_CANCELED, and
 * an answer that comes later is ignored. "kill" waits for what the router answers, which may be a
 * result; a router that does not announce call canceling is not asked, and the call ends at once.
 * (Crossbar.io never answers a "kill" for a callee that cannot be interrupted: give such a call a
 * `timeout`.) Never WAMP_ERR_AGAIN. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_NO_SUCH_ID (the
 * call has ended), WAMP_ERR_OPTION, WAMP_ERR_UTF8, WAMP_ERR_CLOSED.
 */
WAMP_API int wamp_session_cancel(struct wamp_session_t *session, int64_t call, const char *options);

/* ---- Invocations ------------------------------------------------------------------------------- */

/**
 * Keeps an invocation beyond its callback, to answer it later from any thread; each retain wants
 * its wamp_invocation_release(). Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_invocation_retain(struct wamp_invocation_t *invocation);

/**
 * Gives an invocation back. If it was never answered and nobody else keeps it, the caller gets
 * the error `wamp.error.runtime_error`, so that nobody waits for ever. Returns WAMP_OK or
 * WAMP_ERR_HANDLE, also for one that this program did not retain.
 */
WAMP_API int wamp_invocation_release(struct wamp_invocation_t *invocation);

/**
 * Sends a progressive result; the final answer is still to come.
 *
 * Only where the event had WAMP_FLAG_PROGRESS. `payload` may be NULL and is copied. Returns
 * WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_STATE (answered, or no progress wanted), WAMP_ERR_CANCELED
 * (the caller has given up), WAMP_ERR_AGAIN, WAMP_ERR_CLOSED, WAMP_ERR_PAYLOAD, WAMP_ERR_ARGUMENT
 * (an unknown encoding), WAMP_ERR_TOO_LARGE.
 */
WAMP_API int wamp_invocation_progress(struct wamp_invocation_t *invocation,
                                      const struct wamp_payload_t *payload);

/**
 * Answers an invocation with its result. From any thread, once.
 *
 * `payload` may be NULL and is copied. A failed call answers nothing: try again, or answer with an
 * error. Never WAMP_ERR_AGAIN. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_STATE (answered
 * already), WAMP_ERR_CANCELED (the caller has given up), WAMP_ERR_CLOSED (nobody waits any more),
 * WAMP_ERR_PAYLOAD, WAMP_ERR_ARGUMENT (an unknown encoding), WAMP_ERR_TOO_LARGE.
 */
WAMP_API int wamp_invocation_yield(struct wamp_invocation_t *invocation,
                                   const struct wamp_payload_t *payload);

/**
 * As wamp_invocation_yield(), with `options` (JSON object, may be NULL) that go to the router,
 * such as those of payload passthru (`ppt_scheme` ...). With `{"progress": true}` it is a
 * progressive result, as by wamp_invocation_progress(). Returns as wamp_invocation_progress(), and
 * WAMP_ERR_OPTION, WAMP_ERR_UTF8, WAMP_ERR_UNSUPPORTED (the router does not announce what the
 * options need).
 */
WAMP_API int wamp_invocation_yield_with(struct wamp_invocation_t *invocation,
                                        const struct wamp_payload_t *payload,
                                        const char *options);

/**
 * Answers an invocation with an error. From any thread, once.
 *
 * `uri` NULL stands for `wamp.error.runtime_error`; `payload` may be NULL. Both are copied.
 * Returns as wamp_invocation_yield(), and WAMP_ERR_URI, WAMP_ERR_UTF8.
 */
WAMP_API int wamp_invocation_error(struct wamp_invocation_t *invocation,
                                   const char *uri,
                                   const struct wamp_payload_t *payload);

/**
 * Tells whether nobody waits for the answer any more. A callee that works for long looks here from
 * time to time, or waits for wamp_invocation_on_interrupt().
 *
 * Returns 1 if the caller has canceled the call or is gone, or our session has ended, 0 while
 * somebody waits, also after the answer, or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_invocation_is_canceled(struct wamp_invocation_t *invocation);

/**
 * Sets what hears WAMP_INTERRUPT, when the caller cancels the call; one that has come already is
 * told too. Retain the invocation first.
 *
 * `details` of the event hold `mode` and possibly `reason`. After the callback (or, polled, at the
 * next poll) the caller gets `wamp.error.canceled`, unless the callback has answered otherwise;
 * with mode "killnowait" nobody waits for an answer any more, and one is refused with
 * WAMP_ERR_CANCELED. `free` (may be NULL) runs exactly once: after the event, when the invocation
 * has been answered, or when this call fails. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_STATE
 * (answered already), WAMP_ERR_CLOSED.
 */
WAMP_API int wamp_invocation_on_interrupt(struct wamp_invocation_t *invocation,
                                          wamp_callback_t callback,
                                          void *user_data,
                                          wamp_free_t free);

/* ---- Events and messages ----------------------------------------------------------------------- */

/**
 * The args of an event as a lens on a list.
 *
 * Returns NULL where there are none, or where they cannot be parsed. The lens lives as long as the
 * view or message; the functions on values take NULL.
 */
WAMP_API const struct wamp_value_t *wamp_event_args(const struct wamp_event_t *event);

/**
 * The kwargs of an event as a lens on a dict; see wamp_event_args().
 */
WAMP_API const struct wamp_value_t *wamp_event_kwargs(const struct wamp_event_t *event);

/**
 * The details of an event as a lens on a dict: all that the router sent, and of an EVENT always
 * `topic`, of an INVOCATION always `procedure`. See wamp_event_args().
 */
WAMP_API const struct wamp_value_t *wamp_event_details(const struct wamp_event_t *event);

/**
 * Keeps an event beyond its callback or poll.
 *
 * Returns a message, to be freed by wamp_message_free(); NULL if `event` is NULL or no longer
 * valid. Nothing is copied but the view. The kept view lends no session and no invocation: retain
 * those by themselves.
 */
WAMP_API struct wamp_message_t *wamp_event_keep(const struct wamp_event_t *event);

/**
 * Tells the library that the program's handling of an event has failed; for handlers, and for
 * bindings in whose language they can throw.
 *
 * on_user_error hears WAMP_USER_ERROR with `message` (may be NULL), or it is written to the log.
 * An invocation without an answer is answered with `wamp.error.runtime_error` and `message`.
 * Returns WAMP_OK, or WAMP_ERR_ARGUMENT (NULL, or no longer valid), WAMP_ERR_UTF8.
 */
WAMP_API int wamp_event_failed(const struct wamp_event_t *event, const char *message);

/**
 * Frees a message. Its view and the lenses taken from it end. Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_message_free(struct wamp_message_t *message);

/**
 * The view of a message; valid until the message is freed. NULL if it is none.
 */
WAMP_API const struct wamp_event_t *wamp_message_event(struct wamp_message_t *message);

/* ---- Arguments of events ----------------------------------------------------------------------- */

/**
 * The argument at `index` as a whole number, to `*value`.
 *
 * One that a peer wrote as 2.0 is whole, too. Where there is no such argument, or it is of another
 * type, `*value` stays as it was: it can hold a default. Returns WAMP_OK, or WAMP_ERR_ARGUMENT
 * (the event is no longer valid, or a pointer NULL), WAMP_ERR_PAYLOAD (it is missing, or something
 * else: wamp_last_error() says what, in words for the peer, which wamp_event_failed() takes).
 */
WAMP_API int wamp_event_arg_int(const struct wamp_event_t *event, size_t index, int64_t *value);

/**
 * The argument at `index` as a number, whole or not. Returns as wamp_event_arg_int().
 */
WAMP_API int wamp_event_arg_double(const struct wamp_event_t *event, size_t index, double *value);

/**
 * The argument at `index`, 1 for true and 0 for false. Returns as wamp_event_arg_int().
 */
WAMP_API int wamp_event_arg_bool(const struct wamp_event_t *event, size_t index, int *value);

/**
 * The argument at `index` as a text, NUL-terminated UTF-8, which lives as long as the event;
 * `size` (may be NULL) receives its bytes. Returns as wamp_event_arg_int().
 */
WAMP_API int wamp_event_arg_string(const struct wamp_event_t *event,
                                   size_t index,
                                   const char **text,
                                   size_t *size);

/**
 * The argument called `name` as a whole number. Returns as wamp_event_arg_int(), or WAMP_ERR_UTF8.
 */
WAMP_API int wamp_event_kwarg_int(const struct wamp_event_t *event,
                                  const char *name,
                                  int64_t *value);

/**
 * The argument called `name` as a number. Returns as wamp_event_kwarg_int().
 */
WAMP_API int wamp_event_kwarg_double(const struct wamp_event_t *event,
                                     const char *name,
                                     double *value);

/**
 * The argument called `name`, 1 for true and 0 for false. Returns as wamp_event_kwarg_int().
 */
WAMP_API int wamp_event_kwarg_bool(const struct wamp_event_t *event, const char *name, int *value);

/**
 * The argument called `name` as a text, as wamp_event_arg_string(). Returns as
 * wamp_event_kwarg_int().
 */
WAMP_API int wamp_event_kwarg_string(const struct wamp_event_t *event,
                                     const char *name,
                                     const char **text,
                                     size_t *size);

/* ---- Reports ----------------------------------------------------------------------------------- */

/**
 * The features of the session, role by role, as the kwargs of a message.
 *
 * Under `publisher`, `subscriber`, `caller` and `callee` stand our features with true where the
 * router announces them too, false where it does not; under `broker` and `dealer` all that the
 * router announces. To be freed by wamp_message_free(). NULL on failure.
 */
WAMP_API struct wamp_message_t *wamp_session_features(struct wamp_session_t *session);

/**
 * The subscriptions that are active on the session, as the args of a message: dicts with `id` (as
 * the request returned it), `wamp_id` (the router's), `topic` and `match`. Those of the connection
 * are among them. To be freed by wamp_message_free(). NULL on failure.
 */
WAMP_API struct wamp_message_t *wamp_session_subscriptions(struct wamp_session_t *session);

/**
 * The registrations that are active on the session, as the args of a message: dicts with `id`,
 * `wamp_id`, `procedure` and `match`. As wamp_session_subscriptions().
 */
WAMP_API struct wamp_message_t *wamp_session_registrations(struct wamp_session_t *session);

/**
 * The transport that is up, as the kwargs of a message: `type` ("websocket", "rawsocket",
 * "longpoll"), `url`, `protocol` (such as "wamp.2.json"); "none" and nulls where there is none. To
 * be freed by wamp_message_free(). NULL on failure.
 */
WAMP_API struct wamp_message_t *wamp_connection_transport(struct wamp_connection_t *connection);

/**
 * The statistics of a connection since it was made, as the kwargs of a message.
 *
 * `received` and `sent`: `bytes`, and `messages` by type. `round_trip`: seconds from the last ping
 * to its answer, or null. `pending`: requests without an answer. `send_queue_bytes`,
 * `receive_queue_bytes`, `receive_queue_events`: what waits. `sessions`, `reconnects`: how many
 * there have been. `last_end`: null, or `class`, `reason` and `message` of the last WAMP_CLOSE.
 * `handlers`: `events` told, and `seconds` that callbacks have taken (not counted where events are
 * polled). To be freed by wamp_message_free(). NULL on failure.
 */
WAMP_API struct wamp_message_t *wamp_connection_stats(struct wamp_connection_t *connection);

/**
 * Lets `shortcut` stand for a URI prefix: after `wamp_session_prefix(session, "api",
 * "com.myapp.service")` every function takes "api:add2" for "com.myapp.service.add2".
 *
 * `prefix` must be whole components of a URI; NULL removes the shortcut. Shortcuts hold in the
 * later sessions of the connection too. Strings are copied. Returns WAMP_OK, or WAMP_ERR_HANDLE,
 * WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8, WAMP_ERR_URI.
 */
WAMP_API int wamp_session_prefix(struct wamp_session_t *session,
                                 const char *shortcut,
                                 const char *prefix);

/**
 * Writes the URI that `text` stands for into `uri`, NUL-terminated: `text` itself, unless it
 * begins with a known shortcut. Seldom needed, as every function resolves by itself.
 *
 * Returns the URI's bytes without the NUL; where they do not fit in `uri_size` bytes with the NUL,
 * `uri` gets an empty text (it may be NULL with size 0). Or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT,
 * WAMP_ERR_UTF8, WAMP_ERR_TOO_LARGE.
 */
WAMP_API int wamp_session_resolve(struct wamp_session_t *session,
                                  const char *text,
                                  char *uri,
                                  size_t uri_size);

/**
 * Writes a line to the log, whatever its level:
 * `WAMP session <id> on '<realm>' at <ms> ms: <text>`, where the time counts from the beginning of
 * the session. It goes to the function of wamp_set_log(), or to standard error. Returns WAMP_OK,
 * or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8.
 */
WAMP_API int wamp_session_log(struct wamp_session_t *session, const char *text);

/**
 * A callback that writes its event to the log, as wamp_session_log() does: what came, with args
 * and kwargs. To be passed wherever a wamp_callback_t is wanted. An invocation is not answered by
 * it. An event that is no longer valid is a warning in the log.
 */
WAMP_API void wamp_log_event(const struct wamp_event_t *event, void *user_data);

/* ---- Values: lenses on received data ----------------------------------------------------------- */

/**
 * The type: WAMP_TYPE_NULL ... WAMP_TYPE_DICT, WAMP_TYPE_NONE for NULL.
 */
WAMP_API int wamp_value_type(const struct wamp_value_t *value);

/**
 * 1 for true; 0 for everything else.
 */
WAMP_API int wamp_value_bool(const struct wamp_value_t *value);

/**
 * A number as int64_t: floating point ones lose their fraction, and what does not fit becomes the
 * nearest that does. 0 for everything else.
 */
WAMP_API int64_t wamp_value_int(const struct wamp_value_t *value);

/**
 * A number as uint64_t; otherwise as wamp_value_int().
 */
WAMP_API uint64_t wamp_value_uint(const struct wamp_value_t *value);

/**
 * A number as double; 0 for everything else.
 */
WAMP_API double wamp_value_double(const struct wamp_value_t *value);

/**
 * A string, NUL-terminated UTF-8; lives as long as the value. `size` (may be NULL) receives its
 * bytes: the string may hold NUL characters. NULL and size 0 for everything but strings.
 */
WAMP_API const char *wamp_value_string(const struct wamp_value_t *value, size_t *size);

/**
 * The bytes of a binary value; live as long as the value. `size` (may be NULL) receives their
 * number. NULL and size 0 for everything else.
 */
WAMP_API const uint8_t *wamp_value_binary(const struct wamp_value_t *value, size_t *size);

/**
 * The number of entries of a list or dict; 0 for everything else.
 */
WAMP_API size_t wamp_value_size(const struct wamp_value_t *value);

/**
 * The entry of a list, or the value of a dict's entry, at `index`; NULL if there is none.
 */
WAMP_API const struct wamp_value_t *wamp_value_at(const struct wamp_value_t *value, size_t index);

/**
 * The key of a dict's entry at `index`, NUL-terminated; lives as long as the value. `size` (may be
 * NULL) receives its bytes. NULL if there is none.
 */
WAMP_API const char *wamp_value_key(const struct wamp_value_t *value, size_t index, size_t *size);

/**
 * The value at `key` of a dict; the last one where the key stands twice; NULL if there is none.
 */
WAMP_API const struct wamp_value_t *wamp_value_get(const struct wamp_value_t *value,
                                                   const char *key);

/**
 * Writes a value as JSON text into `out`, NUL-terminated, in the form in which it would travel.
 *
 * Returns the text's bytes without the NUL; where they do not fit in `out_size` bytes with the
 * NUL, `out` gets an empty text (it may be NULL with size 0). Or WAMP_ERR_HANDLE (NULL, or no
 * longer valid), WAMP_ERR_ARGUMENT, WAMP_ERR_PAYLOAD (JSON has no NaN and no infinity),
 * WAMP_ERR_TOO_LARGE.
 */
WAMP_API int wamp_value_json(const struct wamp_value_t *value, char *out, size_t out_size);

/* ---- Builders ---------------------------------------------------------------------------------- */

/**
 * A builder of payloads, for programs without a library for their encoding.
 *
 * `encoding` is WAMP_JSON, WAMP_MSGPACK or WAMP_CBOR. Any of them can be sent on any connection;
 * its own is sent as it is. Values are appended to args; a value after wamp_builder_key() at the
 * top goes to kwargs. The first misuse sticks: everything after it fails, and so does the call
 * that gets the payload. Returns NULL on failure. Free it with wamp_builder_free(). A builder may
 * be used on any thread, by one at a time.
 */
WAMP_API struct wamp_builder_t *wamp_builder_new(uint32_t encoding);

/**
 * Frees a builder; its payload ends with it. Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_builder_free(struct wamp_builder_t *builder);

/**
 * Starts anew, also after a misuse. Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_builder_reset(struct wamp_builder_t *builder);

/**
 * Appends null. Returns WAMP_OK, WAMP_ERR_HANDLE or, as all these functions, WAMP_ERR_PAYLOAD
 * where the value cannot stand or an earlier one could not.
 */
WAMP_API int wamp_builder_null(struct wamp_builder_t *builder);

/**
 * Appends true, or false for 0. Returns as wamp_builder_null().
 */
WAMP_API int wamp_builder_bool(struct wamp_builder_t *builder, int value);

/**
 * Appends a whole number. Returns as wamp_builder_null().
 */
WAMP_API int wamp_builder_int(struct wamp_builder_t *builder, int64_t value);

/**
 * Appends a whole number. Returns as wamp_builder_null().
 */
WAMP_API int wamp_builder_uint(struct wamp_builder_t *builder, uint64_t value);

/**
 * Appends a floating point number, which in JSON must be finite. Returns as wamp_builder_null().
 */
WAMP_API int wamp_builder_double(struct wamp_builder_t *builder, double value);

/**
 * Appends a UTF-8 text of `size` bytes, or NUL-terminated with WAMP_NUL; size 0 is the empty text.
 * In JSON it must not begin with U+0000, which marks binary values. Returns as
 * wamp_builder_null(), or WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8.
 */
WAMP_API int wamp_builder_string(struct wamp_builder_t *builder, const char *text, size_t size);

/**
 * Appends `size` bytes as a binary value. Returns as wamp_builder_null(), or WAMP_ERR_ARGUMENT
 * (WAMP_NUL among others: bytes have no end of their own).
 */
WAMP_API int wamp_builder_binary(struct wamp_builder_t *builder, const void *bytes, size_t size);

/**
 * Appends one value that is encoded already, as the builder's payload: `size` bytes, or with
 * WAMP_NUL NUL-terminated JSON text. It is checked. Returns as wamp_builder_null()
 * (WAMP_ERR_PAYLOAD for size 0, too: no value is empty), or WAMP_ERR_ARGUMENT.
 */
WAMP_API int wamp_builder_raw(struct wamp_builder_t *builder, const char *encoded, size_t size);

/**
 * Appends a received value, with all that is in it, whatever encoding it came in. Returns as
 * wamp_builder_null(), or WAMP_ERR_ARGUMENT (NULL, or no longer valid).
 */
WAMP_API int wamp_builder_value(struct wamp_builder_t *builder, const struct wamp_value_t *value);

/**
 * Gives the next value its key: inside a dict, or at the top to put the value into kwargs. Returns
 * as wamp_builder_null(), or WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8.
 */
WAMP_API int wamp_builder_key(struct wamp_builder_t *builder, const char *key);

/**
 * Opens a list: the values that follow are its entries, until wamp_builder_end(). Returns as
 * wamp_builder_null().
 */
WAMP_API int wamp_builder_list(struct wamp_builder_t *builder);

/**
 * Opens a dict: keys and values in turn follow, until wamp_builder_end(). Returns as
 * wamp_builder_null().
 */
WAMP_API int wamp_builder_dict(struct wamp_builder_t *builder);

/**
 * Closes the innermost list or dict. Returns as wamp_builder_null().
 */
WAMP_API int wamp_builder_end(struct wamp_builder_t *builder);

/**
 * The payload that has been built, owned by the builder and valid until it is changed or freed.
 * JSON text in it is NUL-terminated.
 *
 * Never NULL: after a misuse, or for a handle that is no builder, it is a payload that makes the
 * function that gets it fail with WAMP_ERR_PAYLOAD, so that the result need not be checked.
 */
WAMP_API const struct wamp_payload_t *wamp_builder_payload(struct wamp_builder_t *builder);

/* ---- The embedded router ----------------------------------------------------------------------- */

/**
 * A router inside this process, for tests, demos and one machine: broker and dealer with the
 * features that clients can ask for, on WebSocket, RawSocket and HTTP long-poll, with JSON,
 * MsgPack and CBOR.
 *
 * `config` is a JSON object or NULL, with these keys:
 *
 * | key                  | value          | meaning                                              |
 * |----------------------|----------------|------------------------------------------------------|
 * | `realms`             | list of names  | the realms that may be joined; without it, any       |
 * | `hello_timeout`      | seconds, 10    | from the connection to HELLO                         |
 * | `max_message_size`   | bytes, 16 MiB  | the largest message that is accepted and passed on   |
 * | `send_queue_bytes`   | bytes, 256 MiB | may wait for a client before it is dropped           |
 * | `disclose`           | object         | `caller`, `publisher`: true tells always who it is   |
 * | `tls`                | object         | `cert`, `key`, for wss://, rss:// and https://;      |
 * |                      |                | `client_ca` signs the certificates that clients must |
 * |                      |                | have then; each a PEM text or the path of a PEM file |
 * | `permessage_deflate` | bool or object | compression on WebSocket for clients that offer it,  |
 * |                      |                | off; the object is that of the connection option     |
 * | `event_history`      | number, 0      | how many past publications each realm keeps          |
 * | `auth`               | object         | who may join: see below                              |
 * | `roles`              | object         | what they may do: see below                          |
 *
 * A client that takes no byte for 60 s while something waits for it is dropped, and so is one that
 * has gone without a word, after 90 s. Before it has joined, messages have at most 64 KiB. A URI
 * in a request has at most 8192 bytes.
 *
 * Without `auth` everybody may join, as `anonymous`; with it, whom its keys know:
 *
 * | key           | for each authid                                                           |
 * |---------------|---------------------------------------------------------------------------|
 * | `ticket`      | `ticket`                                                                  |
 * | `wampcra`     | `secret`; `salt`, `iterations` and `keylen` if it shall be derived        |
 * | `wamp-scram`  | `password`; `kdf` (pbkdf2, argon2id13), `iterations`, `memory` (KiB)      |
 * | `scram`       | as `wamp-scram`, in the dialect of Crossbar.io                            |
 * | `cryptosign`  | `pubkey`, or a list of `authorized_keys`: 64 hexadecimal digits           |
 *
 * each with the `role` that the client gets (`user`), as in {"auth": {"ticket": {"joe": {"ticket":
 * "secret", "role": "admin"}}}}. The first method of the client's `authmethods` that is a key here
 * decides. Beside these, `anonymous` ({"role": ...}) lets in those who are unknown, `router_key`
 * is the seed with which the router proves itself in cryptosign, and `factors` lists methods that
 * all have to pass.
 *
 * `roles` gives for each role a list of what it may do; without the key everything. The most
 * specific entry counts:
 * {"roles": {"user": [{"uri": "com.app.", "match": "prefix", "allow": {"call": true}}]}}, beside
 * `call` there are `register`, `publish`, `subscribe`. The router's own procedures are among them.
 *
 * Returns NULL on failure, with the reason in wamp_last_error(). Free it with wamp_router_free().
 */
WAMP_API struct wamp_router_t *wamp_router_new(const char *config);

/**
 * Listens at `url`, such as "ws://127.0.0.1:8080/ws"; with port 0 the system chooses one. All URLs
 * of the connection option `url` will do; wss://, rss:// and https:// need the key `tls`. When it
 * returns, clients can connect. Can be called several times.
 *
 * `*listening` (may be NULL if not wanted) receives the URL with the real port, NUL-terminated,
 * which lives as long as the router; NULL on failure. Returns WAMP_OK, or WAMP_ERR_HANDLE,
 * WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8, WAMP_ERR_OPTION (`tls` is missing), WAMP_ERR_UNREACHABLE (the
 * address cannot be bound), WAMP_ERR_EXHAUSTED, WAMP_ERR_CLOSED (after wamp_shutdown(),
 * wamp_router_close(), or the loss of the library's descriptors: make a new router),
 * WAMP_ERR_FORKED.
 */
WAMP_API int wamp_router_listen(struct wamp_router_t *router,
                                const char *url,
                                const char **listening);

/**
 * The URL that the router listens at, as wamp_router_listen() has told it: the first where there
 * are several, NULL if there is none.
 */
WAMP_API const char *wamp_router_url(struct wamp_router_t *router);

/**
 * The router's counters, as the kwargs of a message: `clients` (connected, joined or not),
 * `sessions`, `subscriptions`, `registrations`, `pending_calls`, `messages_in`, `messages_out`,
 * `dropped` (clients that did not read, see `send_queue_bytes`). To be freed by
 * wamp_message_free(). NULL on failure.
 */
WAMP_API struct wamp_message_t *wamp_router_stats(struct wamp_router_t *router);

/**
 * Ends the session with the id `session` (0: all clients). With a `reason`, a URI, the router says
 * GOODBYE; without (NULL) it cuts the connection without a word, as if the network had failed. For
 * tests of what programs do then. Never waits for the clients.
 *
 * Returns how many clients there were, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT (a negative session),
 * WAMP_ERR_UTF8, WAMP_ERR_URI, WAMP_ERR_NO_SUCH_ID (no such session).
 */
WAMP_API int wamp_router_kick(struct wamp_router_t *router, int64_t session, const char *reason);

/**
 * Closes a router in order: no new clients, calls that wait for their answers get the error
 * `wamp.error.canceled`, and each client a GOODBYE with `wamp.close.system_shutdown`, after which
 * clients come back by themselves. Returns when each has answered; who has not within `timeout_ms`
 * (negative: no limit) is cut off. Then its ports and Unix sockets are free. It is still to be
 * freed.
 *
 * Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_TIMEOUT (a client was cut off), WAMP_ERR_DEADLOCK
 * (in a callback of inline dispatch), WAMP_ERR_FORKED.
 */
WAMP_API int wamp_router_close(struct wamp_router_t *router, int timeout_ms);

/**
 * Stops a router and frees it. Its clients get a GOODBYE, which is in their sockets when this
 * returns: it waits for none of them, and only in a callback of inline dispatch not for that
 * either. Each has a second for its answer, unless the process ends. Returns WAMP_OK or
 * WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_router_free(struct wamp_router_t *router);

/* ---- Authentication helpers -------------------------------------------------------------------- */

/**
 * The key that a salted WAMP-CRA secret stands for: what a router may keep instead of the secret,
 * and what wamp_auth_cra_sign() wants when the challenge has a `salt`.
 *
 * `iterations` and `keylen` are those of the challenge; 0 stands for the usual 1000 and 32. The
 * text is base64, and it is this text that is used as the key.
 *
 * Like the other wamp_auth_... functions it needs no connection and may be called on any thread.
 * The result is written to `out`, which the caller owns, with a NUL at its end. Returns the number
 * of its characters, NUL not counted. If that is not less than `out_size`, it did not fit and
 * nothing but an empty text was written, so that (NULL, 0) asks for the size. Otherwise
 * WAMP_ERR_ARGUMENT (a cost that is out of range, too: see wamp_last_error()), WAMP_ERR_UTF8.
 */
WAMP_API int wamp_auth_cra_derive_key(const char *secret,
                                      const char *salt,
                                      uint32_t iterations,
                                      uint32_t keylen,
                                      char *out,
                                      size_t out_size);

/**
 * The signature of a WAMP-CRA challenge, which is signed as it came. `key` is the secret or, if
 * the challenge has a `salt`, what wamp_auth_cra_derive_key() made of it.
 *
 * Writes base64 to `out`, 44 characters; returns as wamp_auth_cra_derive_key().
 */
WAMP_API int wamp_auth_cra_sign(const char *key, const char *challenge, char *out, size_t out_size);

/**
 * The public key of a private key for cryptosign, as routers and `authextra.pubkey` want it.
 *
 * `privkey` is a seed of 64 hexadecimal digits, or the text or path of a key file: OpenSSH or
 * PKCS#8, of the type ed25519, without passphrase. Writes 64 hexadecimal digits to `out`; returns
 * as wamp_auth_cra_derive_key(), WAMP_ERR_ARGUMENT also for what is no such key.
 */
WAMP_API int wamp_auth_cryptosign_public_key(const char *privkey, char *out, size_t out_size);

/**
 * Signs a cryptosign challenge. `privkey` as for wamp_auth_cryptosign_public_key(); `challenge`:
 * 64 hexadecimal digits, as they came; `channel_id`: 64 hexadecimal digits if the login is bound
 * to its TLS channel, else NULL.
 *
 * Writes to `out` what AUTHENTICATE wants, 192 hexadecimal digits: the signature, and what was
 * signed. Returns as wamp_auth_cra_derive_key().
 */
WAMP_API int wamp_auth_cryptosign_sign(const char *privkey,
                                       const char *challenge,
                                       const char *channel_id,
                                       char *out,
                                       size_t out_size);

/**
 * The SaltedPassword of SCRAM, with which proofs are made and stored keys too. Takes as long as
 * its costs say, up to some seconds.
 *
 * `kdf`, `salt` (base64), `iterations` and `memory` (KiB; only for argon2) are those of the
 * challenge. The spelling of `kdf` matters: "pbkdf2" and "argon2id13" are the specification's;
 * "argon2id-13" is that of Crossbar.io and Autobahn, where the base64 text of the hash takes the
 * place of the hash, and the password is taken as it is, without SASLprep. Costs below 4096
 * iterations of pbkdf2 or 512 KiB of memory are refused, and so are absurdly high ones.
 *
 * Writes base64 to `out`; returns as wamp_auth_cra_derive_key().
 */
WAMP_API int wamp_auth_scram_salted_password(const char *kdf,
                                             const char *password,
                                             const char *salt,
                                             uint32_t iterations,
                                             uint32_t memory,
                                             char *out,
                                             size_t out_size);

/**
 * The ClientProof of SCRAM: the signature for AUTHENTICATE. `salted_password`: what
 * wamp_auth_scram_salted_password() wrote; `auth_message`: the AuthMessage of RFC 5802, such as
 * "n=joe,r=OURS,r=BOTH,s=SALT,i=4096,c=biws,r=BOTH", where OURS and BOTH are the nonces of HELLO
 * and of the challenge. Crossbar.io's method "scram" has nothing behind `c=`.
 *
 * Writes base64 to `out`, 44 characters; returns as wamp_auth_cra_derive_key().
 */
WAMP_API int wamp_auth_scram_client_proof(const char *salted_password,
                                          const char *auth_message,
                                          char *out,
                                          size_t out_size);

/**
 * The ServerSignature of SCRAM, by which a client knows the router: compare it with
 * `authextra.verifier` of WELCOME, or Crossbar.io's `scram_server_signature`. Takes the same
 * arguments, and returns as wamp_auth_scram_client_proof().
 */
WAMP_API int wamp_auth_scram_server_signature(const char *salted_password,
                                              const char *auth_message,
                                              char *out,
                                              size_t out_size);

#ifdef __cplusplus
}  /* extern "C" */
#endif  /* __cplusplus */

#endif  /* WAMP_H */

/* ---- Predefined URIs, and macros for payloads -------------------------------------------------- */

/** The router refuses the credentials without saying why. */
#define WAMP_URI_AUTHENTICATION_DENIED "wamp.error.authentication_denied"
/** The authentication itself failed. */
#define WAMP_URI_AUTHENTICATION_FAILED "wamp.error.authentication_failed"
/** Anonymous sessions are not let in. */
#define WAMP_URI_AUTHENTICATION_REQUIRED "wamp.error.authentication_required"
/** The session may not do this. */
#define WAMP_URI_AUTHORIZATION_DENIED "wamp.error.authorization_denied"
/** The router could not find out whether the session may. */
#define WAMP_URI_AUTHORIZATION_FAILED "wamp.error.authorization_failed"
/** The session must be authorized first. */
#define WAMP_URI_AUTHORIZATION_REQUIRED "wamp.error.authorization_required"
/** The call was given up, or its callee is gone. */
#define WAMP_URI_CANCELED "wamp.error.canceled"
/** The client has no answer to the challenge. */
#define WAMP_URI_CANNOT_AUTHENTICATE "wamp.error.cannot_authenticate"
/** The router does not disclose callers or publishers. */
#define WAMP_URI_DISCLOSE_ME "wamp.error.option_disallowed.disclose_me"
/** The peer does not do what the request needs. */
#define WAMP_URI_FEATURE_NOT_SUPPORTED "wamp.error.feature_not_supported"
/** The arguments do not suit the procedure. */
#define WAMP_URI_INVALID_ARGUMENT "wamp.error.invalid_argument"
/** The URI does not meet the rules. */
#define WAMP_URI_INVALID_URI "wamp.error.invalid_uri"
/** The connection failed between the request and its answer. */
#define WAMP_URI_NETWORK_FAILURE "wamp.error.network_failure"
/** The router has none of the methods that were offered (Crossbar.io). */
#define WAMP_URI_NO_AUTH_METHOD "wamp.error.no_auth_method"
/** All callees of the procedure are unavailable. */
#define WAMP_URI_NO_AVAILABLE_CALLEE "wamp.error.no_available_callee"
/** No callee may take the call (nexus). */
#define WAMP_URI_NO_ELIGIBLE_CALLEE "wamp.error.no_eligible_callee"
/** The router has none of the methods that were offered. */
#define WAMP_URI_NO_MATCHING_AUTH_METHOD "wamp.error.no_matching_auth_method"
/** The router does not know the authid. */
#define WAMP_URI_NO_SUCH_PRINCIPAL "wamp.error.no_such_principal"
/** Nobody has registered the procedure. */
#define WAMP_URI_NO_SUCH_PROCEDURE "wamp.error.no_such_procedure"
/** The router has no such realm. */
#define WAMP_URI_NO_SUCH_REALM "wamp.error.no_such_realm"
/** There is no such registration (any more). */
#define WAMP_URI_NO_SUCH_REGISTRATION "wamp.error.no_such_registration"
/** The role of the session does not exist. */
#define WAMP_URI_NO_SUCH_ROLE "wamp.error.no_such_role"
/** There is no such session. */
#define WAMP_URI_NO_SUCH_SESSION "wamp.error.no_such_session"
/** There is no such subscription (any more). */
#define WAMP_URI_NO_SUCH_SUBSCRIPTION "wamp.error.no_such_subscription"
/** The session may not do this. */
#define WAMP_URI_NOT_AUTHORIZED "wamp.error.not_authorized"
/** The router does not take this option. */
#define WAMP_URI_OPTION_NOT_ALLOWED "wamp.error.option_not_allowed"
/** The message is larger than the peer takes. */
#define WAMP_URI_PAYLOAD_SIZE_EXCEEDED "wamp.error.payload_size_exceeded"
/** Somebody has registered the procedure already. */
#define WAMP_URI_PROCEDURE_ALREADY_EXISTS "wamp.error.procedure_already_exists"
/** The peer broke the rules of the protocol. */
#define WAMP_URI_PROTOCOL_VIOLATION "wamp.error.protocol_violation"
/** The callee failed, and gave no URI of its own. */
#define WAMP_URI_RUNTIME_ERROR "wamp.error.runtime_error"
/** The call's time limit has passed. */
#define WAMP_URI_TIMEOUT "wamp.error.timeout"
/** A callee cannot take the call at the moment: the router may ask another one. */
#define WAMP_URI_UNAVAILABLE "wamp.error.unavailable"
/** The usual reason of a GOODBYE. */
#define WAMP_URI_CLOSE_NORMAL "wamp.close.normal"
/** The realm is being closed. */
#define WAMP_URI_CLOSE_REALM "wamp.close.close_realm"
/** The router goes down. */
#define WAMP_URI_CLOSE_SYSTEM_SHUTDOWN "wamp.close.system_shutdown"
/** The session was ended by somebody else. */
#define WAMP_URI_CLOSE_KILLED "wamp.close.killed"
/** The user logs out, cookies too. */
#define WAMP_URI_CLOSE_LOGOUT "wamp.close.logout"
/** The answer to a GOODBYE. */
#define WAMP_URI_GOODBYE_AND_OUT "wamp.close.goodbye_and_out"
/** The reason of wamp_connection_close() without one. */
#define WAMP_URI_GOODBYE_NORMAL "wamp.goodbye.normal"

#ifndef WAMP_PAYLOAD
/**
 * A payload of JSON text, NUL-terminated: WAMP_ARGS("[1, \"two\"]"), WAMP_KWARGS("{\"a\": 1}"),
 * WAMP_PAYLOAD("[1]", "{\"a\": 1}"). For the call that it is an argument of.
 */
#ifdef __cplusplus
#define WAMP_ARGS(args) WAMP_PAYLOAD(args, nullptr)
#define WAMP_KWARGS(kwargs) WAMP_PAYLOAD(nullptr, kwargs)
struct wamp_text_payload {
  wamp_payload_t payload;
  wamp_text_payload(const char *args, const char *kwargs)
      : payload() {
    payload.args = args;
    payload.args_size = WAMP_NUL;
    payload.kwargs = kwargs;
    payload.kwargs_size = WAMP_NUL;
    payload.encoding = WAMP_JSON;
  }
  operator const wamp_payload_t *() const { return &payload; }
};
#define WAMP_PAYLOAD(args, kwargs) \
  (static_cast<const wamp_payload_t *>(wamp_text_payload((args), (kwargs))))
#else
#define WAMP_ARGS(args) WAMP_PAYLOAD(args, NULL)
#define WAMP_KWARGS(kwargs) WAMP_PAYLOAD(NULL, kwargs)
#define WAMP_PAYLOAD(args, kwargs) \
  (&(const wamp_payload_t){(args), WAMP_NUL, (kwargs), WAMP_NUL, WAMP_JSON, 0})
#endif
#endif /* WAMP_PAYLOAD */
