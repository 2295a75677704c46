/*
 * wamp.h - libwamp: a WAMP v2 client. Generated from the library's source; do not edit.
 *
 * A WAMP router (https://wamp-proto.org) connects programs in two ways: publish & subscribe, and remote
 * procedure calls that any program can offer to any other.
 *
 * IN SHORT
 *
 *   wamp_connection_new()    says where to go, and as whom; then set callbacks, such as
 *                            wamp_connection_on_open() and wamp_connection_on_close()
 *   wamp_connection_open()   starts connecting. The session comes with WAMP_OPEN, or
 *                            wamp_connection_session() waits for it
 *   wamp_session_...()       subscribe, publish, register, call; each has a ..._sync variant that waits
 *   wamp_connection_close()  says goodbye; with a timeout it returns when no callback is running any more
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
 *   Questions of a router
 *   Authentication helpers
 *   Predefined URIs, and macros for payloads
 *
 * OBJECTS
 *
 * A *connection* (wamp_connection_t) knows where to connect and which callbacks to call. Each time it
 * is open it has one *session* (wamp_session_t), on which topics are subscribed to and published,
 * procedures registered and called. Subscriptions, registrations, calls and acknowledged publications
 * are identified by ids (int64_t, > 0): valid as soon as the function has returned, unique within their
 * connection, never reused. An incoming call is an *invocation* (wamp_invocation_t) and has to be
 * answered.
 *
 * HANDLES
 *
 * Pointers to these types are handles, not addresses. A handle that is NULL, freed, of another type or
 * made up is an error (WAMP_ERR_HANDLE), never a crash; so is freeing twice. Functions that free and
 * release never block, and are allowed in callbacks and in any order. (Ordinary pointers, that is
 * texts, payloads, events and user_data, must be valid.)
 *
 * EVENTS AND CALLBACKS
 *
 * Everything that happens is reported as a wamp_event_t: a view that is valid until the callback
 * returns (or, when polled, until the next poll). To keep it longer, use wamp_event_keep(). There is
 * one type of callback, wamp_callback_t, and each callback receives only the events that it was set
 * for; `kind` tells outcomes apart. Events of a connection come one at a time, in the order of the
 * wire. Every request ends exactly once, even if the connection is lost: the status of its WAMP_ERROR
 * is then WAMP_ERR_NOT_SENT (safe to repeat) or, if the request had been sent,
 * WAMP_ERR_OUTCOME_UNKNOWN. A failure that has no callback of its own is reported to
 * wamp_connection_on_user_error(), or else written to the log.
 *
 * Callbacks are passed together with a user_data and a function to free it: that runs exactly once,
 * when nothing can use the user_data any more, even if the call itself has failed.
 *
 * THREADS
 *
 * Every function may be called on any thread, at any time, and inside callbacks. The few that wait
 * (..._sync, close with a timeout, quiesce, flush, dispatch, poll, wamp_connection_session,
 * wamp_shutdown) return WAMP_ERR_DEADLOCK where they would wait for ever. The option "dispatch" chooses
 * where callbacks run:
 *
 *   "thread"  (default) on a thread of the library, one at a time per connection. They may block
 *             without holding up anything but their own connection's events.
 *   "manual"  where the program wants: in wamp_connection_dispatch(), or not at all, with
 *             wamp_connection_poll() instead. wamp_connection_fd() tells an event loop when.
 *   "inline"  on the I/O thread: the fastest way, for callbacks that never wait.
 *
 * There are two barriers after which a program may free what its callbacks use: wamp_connection_close()
 * with a timeout, for everything that the connection does, and wamp_connection_quiesce(), which needs
 * no network, for one id or for the whole connection.
 *
 * Callback threads have a stack of 8 MiB, or of the size given by the option `callback_stack_bytes`.
 * "At any time" includes exit handlers and the destructors of static objects and of thread keys. No
 * function is a cancellation point (pthread_cancel()), and neither are callbacks that a function runs:
 * a thread that is canceled meanwhile continues until the function has returned, however long that
 * waits. Asynchronous cancellation is not supported.
 *
 * THE PROCESS
 *
 * The library prints nothing unless asked to (wamp_set_log(), wamp_session_log(), the option `trace`,
 * the environment variables WAMP_LOG and WAMP_TRACE). The environment is read when the first
 * connection, router or log is made, on that thread, and never again. After fork(), functions return
 * WAMP_ERR_FORKED in the child; on Windows, which ends the threads of a process before the destructors
 * of its DLLs run, they do so there. The library's file descriptors are its own: if a program closes them
 * all the same, as daemons close all above 2, every connection ends with a status, and the next open
 * starts afresh.
 *
 * All users of one copy of the library in a process share it: wamp_shutdown() in one plugin ends the
 * connections and routers of the others too (their handles stay valid, and they may open again), and
 * wamp_set_log() applies to all of them. Handles of one copy are not valid in another.
 *
 * SIGNALS
 *
 * The library installs no signal handler, and raises no SIGPIPE. Its I/O threads, named wamp-..., leave
 * the signals of the process to the program's own threads: they block what was blocked in the thread
 * that first used the library, and HUP INT QUIT TERM USR1 USR2 ALRM VTALRM CHLD TSTP TTIN TTOU WINCH IO
 * URG PIPE. They never block the signals of faults (SEGV BUS FPE ILL TRAP SYS ABRT), so that crash
 * reporters and sanitizers work, and leave PROF (for profilers) and real-time signals as they were.
 *
 * In "thread" mode callbacks run with the signal mask of the thread that called wamp_connection_open(),
 * and so do the processes and threads that they start. A callback that changes its thread's mask has to
 * restore it. Callbacks in "inline" mode, as well as log functions, wakeups, payload codecs and
 * functions that free user_data when they run on an I/O thread, run with the mask of I/O threads. A
 * program that waits for a signal with sigwait() or signalfd() has to block it before it first uses the
 * library, just as it must before it starts threads of its own.
 *
 * PAYLOADS
 *
 * Arguments are args, a list, and kwargs, a dict. A wamp_payload_t lends them in encoded form
 * (WAMP_JSON: JSON text, WAMP_MSGPACK, WAMP_CBOR). Programs that have a library for one of these
 * encodings pass and receive that; others write with a wamp_builder_t and read with wamp_value_t
 * lenses. Payloads that are sent are checked and copied; received ones are parsed only when they are
 * read. Sizes are in bytes; WAMP_NUL as the size of a text means that it ends with a NUL, 0 that it is
 * empty. In JSON, bytes are represented as a string of U+0000 and base64; builders and lenses do that
 * by themselves.
 *
 * The option `serializers` lists the encodings that messages may have on the wire. A payload may be
 * given in any encoding on any wire: it is converted on the way, and refused with WAMP_ERR_PAYLOAD if
 * that would change its meaning. Received payloads are delivered as JSON text, or, with the option
 * `payload_encoding`, as they were received. docs/SERIALIZERS.md says how each kind of value is
 * converted.
 *
 * ERRORS
 *
 * Functions return int or int64_t: >= 0 is success, < 0 is WAMP_ERR_...; those that return a pointer
 * return NULL on failure. Each lists the statuses that it may return; WAMP_ERR_FORKED and
 * WAMP_ERR_INTERNAL may come from any function and are not listed. A call that is refused has changed
 * nothing and sent nothing; the status of a _sync call that waited tells what became of its request.
 * wamp_status_text() explains a status, wamp_last_error() the last failed call of the thread. Later
 * failures are reported by WAMP_ERROR and WAMP_CLOSE. A handler that itself fails says so by
 * wamp_event_failed().
 *
 * RECONNECTION
 *
 * A lost connection is opened again automatically, after a growing delay; each new session is reported
 * by WAMP_OPEN. A connection that could not be opened in the first place is retried only with the
 * option `retry_if_unreachable`, one that the router has closed only for `retry_reasons`, which include
 * the planned restart of a router (wamp.close.system_shutdown); after a failed authentication or a
 * protocol violation there is no further attempt. Subscriptions and registrations of a session end with
 * it; those of the connection (wamp_connection_subscribe(), wamp_connection_register()) are made again
 * in each session, under the same id. The details of WAMP_CLOSE say whether there will be another
 * attempt (`will_retry`, `retry_delay`, `retry_count`); in the last one `will_retry` is false.
 * wamp_connection_stop_retrying(), which may be called inside the callback for WAMP_CLOSE, and
 * wamp_connection_close() end the attempts. The callback of wamp_connection_on_connect() is called
 * before each, for addresses and credentials that change.
 *
 * AUTHENTICATION
 *
 * The options `authid` and `ticket`, `secret` (WAMP-CRA, SCRAM) or `privkey` (cryptosign) answer the
 * router's challenges automatically; with wamp_connection_on_challenge() the program answers them
 * itself, with the help of the wamp_auth_... functions. A failure ends the connection with
 * WAMP_ERR_AUTH and is never retried. Secrets are not logged, and are wiped from memory when they are
 * no longer needed.
 *
 * QUEUES
 *
 * Queues are bounded. When more than `send_queue_bytes` are waiting to be sent, requests are answered
 * with WAMP_ERR_AGAIN until WAMP_WRITABLE. When more than `receive_queue_bytes` are waiting to be
 * delivered, the socket is not read, so that the router has to wait too; nothing is dropped.
 *
 * OPTIONS OF A CONNECTION (JSON object for wamp_connection_new())
 *
 *   url                  string, required     the router: "ws://host:port/path" (WebSocket), "rs://host:port"
 *                                             (RawSocket); with TLS "wss://...", "rss://..."; on a Unix
 *                                             socket "ws+unix:///path.sock:/path", "rs+unix:///path.sock";
 *                                             "http://host:port/path", "https://..." (HTTP long-poll)
 *   transports           list of objects      instead of url: each {"type", "url", "headers", "tlsConfiguration",
 *                                             "serializers"}; tried in order, the one that worked last time
 *                                             first; type "websocket", "rawsocket" or "longpoll"; a "rawsocket"
 *                                             may have "host" and "port", or "path", instead of its url
 *   realm                string, required     the realm to join
 *   serializers          list, ["json"]       how messages may be encoded, the best first: "json", "msgpack",
 *                                             "cbor"; "json.batched" and so on carry several at once, on
 *                                             WebSocket and long-poll
 *   json_batch_separator string, "0x1e"       the separator that "json.batched" sends; "0x18" for Crossbar.io
 *   permessage_deflate   bool/object, false   WebSocket: offer compression; docs/OPTIONS.md has the keys of the
 *                                             object
 *   payload_encoding     string, "json"       "json": received payloads are JSON text, "wire": unchanged
 *   dispatch             string, "thread"     "thread", "manual" or "inline", see above
 *   connect_timeout      seconds, 30          for connecting, handshakes and joining in total
 *   close_timeout        seconds, 5           how long a close waits for the router's GOODBYE
 *   headers              object, {}           HTTP headers for the WebSocket upgrade and for long-poll
 *   cookies              bool, true           cookies set by the router are sent back with later attempts
 *   max_message_size     bytes, 16777216      the largest message to send or to accept, 1024 to 2^30
 *   send_queue_bytes     bytes, 16777216      see above
 *   receive_queue_bytes  bytes, 16777216      see above
 *   callback_stack_bytes bytes, 8 MiB         the stack size of callbacks in "thread" mode, 65536 to 2^30
 *   autoping_interval    seconds, 30          after this much silence a ping is sent (WebSocket's, or an HTTP
 *                                             OPTIONS over long-poll); 0: never. (With RawSocket the
 *                                             system's TCP keep-alive uses these times)
 *   rawsocket_pings      bool, false          RawSocket: send pings, as the router is known to answer them
 *   autoping_timeout     seconds, 10          without an answer in time the connection is lost; more than 0
 *   autoping_size        bytes, 4             payload of a ping, 4 to 125
 *   max_retries          integer, 15          how many retries after a loss; 0: none, -1: no limit
 *   initial_retry_delay  seconds, 1.5         the mean delay before the first retry
 *   max_retry_delay      seconds, 300         the longest delay before a retry
 *   retry_delay_growth   number, 1.5          factor by which the mean delay grows with each retry
 *   retry_delay_jitter   number, 0.1          deviation of a delay, as a fraction of its mean
 *   retry_if_unreachable bool, false          retry also if no session could be opened in the first place
 *   retry_reasons        list of URIs         GOODBYEs and ABORTs of the router after which to retry;
 *                                             ["wamp.close.system_shutdown"]
 *   tlsConfiguration     object, {}           for wss:// and rss://, see below
 *   proxy                string, or false     "http://user:password@host:port" or "socks5://..."; false: none;
 *                                             default: https_proxy (wss://), http_proxy (ws://), all_proxy and
 *                                             no_proxy of the environment, as first read
 *   authid               string               the name to log in with
 *   authmethods          list of strings      what to offer: "anonymous", "ticket", "wampcra", "scram",
 *                                             "wamp-scram", "cryptosign"; default: those with credentials below
 *   ticket               string               answers "ticket"
 *   secret               string               answers "wampcra", "scram" and "wamp-scram"
 *   privkey              string               answers "cryptosign": hex digits of the seed, an OpenSSH key, or
 *                                             the path of a file with one of these
 *   router_key           string, hex          the public key whose possession the router must prove (cryptosign)
 *   channel_binding      string               "tls-exporter": the login is bound to its TLS connection
 *   scram_raw            bool, false          for "scram" with argon2 keys made as in the specification
 *   authextra            object               passed to the router unchanged
 *   strict_options       bool, true           options of requests: refuse wrong types and misspellings
 *   trace                bool, false          write every message to the log, secrets masked; also WAMP_TRACE=1
 *
 * tlsConfiguration, where `ca`, `cert` and `key` are PEM texts or paths of PEM files, read immediately:
 *
 *   ca                   string               the certificate authorities to trust, instead of the system's
 *   cert, key            strings              our certificate, with its chain, and its private key
 *   server_name          string, URL's host   the name to request, and to expect in the certificate
 *   min_version          string, "1.2"        the minimum version of TLS: "1.2" or "1.3"
 *   pins                 list of strings      accepted keys of the server: "sha256/" and the base64 of the
 *                                             SHA-256 of its certificate's SubjectPublicKeyInfo
 *   verify               bool, true           false: accept any certificate, unless there are `pins`; without
 *                                             these each connection writes a warning to the log
 */


#ifndef WAMP_H
#define WAMP_H

#include <stddef.h>
#include <stdint.h>

/** The version of this header; wamp_version() returns that of the library. */
#define WAMP_VERSION "0.2.1"
#define WAMP_VERSION_MAJOR 0
#define WAMP_VERSION_MINOR 2
#define WAMP_VERSION_PATCH 1
/** As wamp_version_number() returns it. */
#define WAMP_VERSION_NUMBER (0 << 16 | 2 << 8 | 1)

/** As the size of a text: it ends with a NUL. (0 is the size of an empty text.) */
#define WAMP_NUL SIZE_MAX

/**
 * Stands before every function. A program that links the static library on Windows defines WAMP_STATIC
 * before it includes this header; one that loads the library at run time may define WAMP_API as it likes.
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
 * Stands before a function that a later version will remove, with a string that names its replacement.
 * Defined as nothing before this header is included, it silences the warnings of compilers.
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
 * A payload is malformed; wamp_last_error() says at which byte.
 */
#define WAMP_ERR_PAYLOAD -5

/**
 * An option is unknown or has the wrong type, or the options are not a JSON object.
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
 * Waiting here would never end.
 */
#define WAMP_ERR_DEADLOCK -12

/**
 * The time limit has passed.
 */
#define WAMP_ERR_TIMEOUT -13

/**
 * The library's threads do not exist here: the process was forked from one that used the library,
 * or, on Windows, is about to end.
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
 * The session ended after the request was sent: it may or may not have taken effect.
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
 * The server supports WebSocket, but not WAMP.
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
 * The request was canceled by the application, or an invocation by its caller.
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
 * TLS failed: a certificate was rejected, or one side does not speak TLS.
 */
#define WAMP_ERR_TLS -28

/**
 * The system is out of threads, file descriptors or memory.
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
 * WAMP_ERR_PAYLOAD (the answer cannot be decoded). For subscriptions and registrations of the
 * connection, which are requested again in each session, it can also be any status that
 * wamp_session_subscribe() and wamp_session_register() return.
 */
#define WAMP_ERROR 12

/**
 * Kind of event: the caller has canceled an invocation. `wamp_id` and `id` are those of its
 * WAMP_INVOCATION, `invocation` is its handle if it was retained, `details` hold `mode`.
 */
#define WAMP_INTERRUPT 13

/**
 * Kind of event: the router asks the client to authenticate. `uri` is the method, `details` hold
 * what came with the challenge; answer through `challenge`.
 */
#define WAMP_CHALLENGE 14

/**
 * Kind of event: an attempt to connect is about to be made. `details` are `{url, realm, authid,
 * retry_count}`; decide through `attempt`.
 */
#define WAMP_CONNECT 15

/**
 * Kind of event: a durable subscription or registration is active again. `details` are `{outage}`:
 * for how many seconds it was inactive.
 */
#define WAMP_RESTORED 16

/**
 * Kind of event: a durable subscription or registration is out of service until WAMP_RESTORED,
 * because its session has ended.
 */
#define WAMP_SUSPENDED 17

/**
 * Kind of event: the program's own code has failed and said so by wamp_event_failed(), or a
 * request without a callback has failed. `message` is a sentence, ids and `uri` are those of the
 * event or request concerned.
 */
#define WAMP_USER_ERROR 18

/**
 * Kind of event: no transport could be opened, the peer violated the protocol, or a challenge was
 * not answered. `message` is a sentence, `status` says which; WAMP_CLOSE follows.
 */
#define WAMP_INTERNAL_ERROR 19

/**
 * Kind of event: a client wants to join the program's router. `uri` is the realm, `wamp_id` the id
 * that its session will have, `details` say what is known of it; answer through
 * wamp_event_question().
 */
#define WAMP_AUTHENTICATE 20

/**
 * Kind of event: a client of the program's router wants to call, register, publish or subscribe.
 * `uri` is the procedure or topic, `wamp_id` the session's id, `details` say what it wants and who
 * it is; answer through wamp_event_question().
 */
#define WAMP_AUTHORIZE 21

/**
 * Flag of events. RESULT: this is a progressive result, more follow. INVOCATION: the caller
 * accepts progressive results.
 */
#define WAMP_FLAG_PROGRESS 1

/**
 * Flag of events. INVOCATION: more input for the same call follows, as another WAMP_INVOCATION
 * with the same `wamp_id`. To use one handle for all of them, retain it.
 */
#define WAMP_FLAG_MORE 2

/**
 * Flag of events. INVOCATION: earlier input for the same call, with the same `wamp_id`, has been
 * delivered.
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
 * Flag of payloads, set only by the library: the payload was received from a peer.
 */
#define WAMP_PAYLOAD_RECEIVED 1

/**
 * Flag of payloads, set only by the library: the builder has failed, so the payload cannot be
 * sent.
 */
#define WAMP_PAYLOAD_BROKEN 2

/**
 * Task of a codec: produce the bytes that go over the wire.
 */
#define WAMP_CODEC_ENCODE 1

/**
 * Task of a codec: decode the bytes that were received.
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
 * Log level: something failed that is not reported in any other way.
 */
#define WAMP_LOG_ERROR 1

/**
 * Log level: something is unusual.
 */
#define WAMP_LOG_WARN 2

/**
 * Log level: connections being opened and closed.
 */
#define WAMP_LOG_INFO 3

/**
 * Log level: for troubleshooting.
 */
#define WAMP_LOG_DEBUG 4

/**
 * Log level: everything.
 */
#define WAMP_LOG_TRACE 5

/* ---- Handles ----------------------------------------------------------------------------------- */

/**
 * An attempt to connect that waits for the program's decision. Lent in WAMP_CONNECT for the
 * callback (or until the next poll); retain it to decide later.
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
 * A router's authentication challenge. Lent in WAMP_CHALLENGE for the callback (or until the next
 * poll); retain it to answer later.
 */
typedef struct wamp_challenge_t wamp_challenge_t;

/**
 * A connection to a router. Made by wamp_connection_new(), freed by wamp_connection_free();
 * can be opened again after it has closed.
 */
typedef struct wamp_connection_t wamp_connection_t;

/**
 * An incoming call, to be answered. Lent in WAMP_INVOCATION for the callback (or until the next
 * poll); retain it to answer later.
 */
typedef struct wamp_invocation_t wamp_invocation_t;

/**
 * An event kept beyond its callback, by wamp_event_keep() or as the result of
 * wamp_session_call_sync(). Freed by wamp_message_free().
 */
typedef struct wamp_message_t wamp_message_t;

/**
 * A question of the program's router, to be answered once. Lent in WAMP_AUTHENTICATE and
 * WAMP_AUTHORIZE for the callback (or until the next poll); retain it to answer later.
 */
typedef struct wamp_question_t wamp_question_t;

/**
 * A router inside this process. Made by wamp_router_new(), freed by wamp_router_free().
 */
typedef struct wamp_router_t wamp_router_t;

/**
 * A session: one join of a realm. Lent in WAMP_OPEN until WAMP_CLOSE has been delivered; retain it
 * to keep it longer.
 */
typedef struct wamp_session_t wamp_session_t;

/**
 * A read-only lens on received data. Lives as long as the event or message it was taken from.
 */
typedef struct wamp_value_t wamp_value_t;

/* ---- Structs and callbacks --------------------------------------------------------------------- */

/**
 * Takes a line of the log, NUL-terminated. Runs on any thread, possibly on several at once; must
 * not call the library.
 */
typedef void (*wamp_log_t)(int level, const char *line, void *user_data);

/**
 * Frees a `user_data`. Called exactly once, when nothing can use it any more, even if the call
 * that it was passed to has failed.
 */
typedef void (*wamp_free_t)(void *user_data);

/**
 * A payload, lent in either direction: encoded args and kwargs.
 *
 * NULL stands for none. Payloads that are given to the library: the size WAMP_NUL means that JSON
 * text ends with a NUL; size 0 with a pointer is refused, because no encoded value is empty.
 * Payloads from the library: use the sizes, as the text is not NUL-terminated; a received payload
 * can be passed to any function that sends. A payload need not have the encoding of the
 * connection: it is converted, and refused if that encoding cannot represent it.
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
   * WAMP_JSON, WAMP_MSGPACK or WAMP_CBOR; 0 is refused. In a received payload: WAMP_JSON, unless
   * the option `payload_encoding` is "wire".
   */
  uint32_t encoding;
  /**
   * 0; for the library's own use.
   */
  uint32_t flags;
} wamp_payload_t;

/**
 * A read-only view of something that happened. Valid until the callback returns, or, when polled,
 * until the next poll, dispatch, close with a timeout, or free of its connection. Fields are only
 * ever appended.
 */
typedef struct wamp_event_t {
  /**
   * The kind of event: WAMP_OPEN ... WAMP_AUTHORIZE. Ignore kinds that you do not know.
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
   * AUTHENTICATE, AUTHORIZE: for the library's own use.
   */
  int64_t id;
  /**
   * The router's id. EVENT and PUBLISHED: publication; SUBSCRIBED: subscription; REGISTERED:
   * registration; INVOCATION: request; OPEN: session.
   */
  int64_t wamp_id;
  /**
   * The pointer that was passed with the callback. In a kept message it may have been freed.
   */
  void *user_data;
  /**
   * The connection.
   */
  struct wamp_connection_t *connection;
  /**
   * The session, lent; NULL if there was none.
   */
  struct wamp_session_t *session;
  /**
   * INVOCATION: the handle to answer with, lent. INTERRUPT: the same, if it was retained.
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
   * Identifies the event to the library; not for use by programs.
   */
  uint64_t token;
  /**
   * CHALLENGE: the handle to answer with, lent.
   */
  struct wamp_challenge_t *challenge;
  /**
   * CONNECT: the handle to decide with, lent.
   */
  struct wamp_attempt_t *attempt;
} wamp_event_t;

/**
 * The one type of callback. `event` is a view, valid until the callback returns. The option
 * `dispatch` decides which thread it runs on. It must return normally: neither an exception nor a
 * longjmp may leave it.
 */
typedef void (*wamp_callback_t)(const struct wamp_event_t *event, void *user_data);

/**
 * Wakes a host's event loop when events are waiting. Runs on any thread; must do nothing but wake
 * the loop, and must not call the library.
 */
typedef void (*wamp_wakeup_t)(void *user_data);

/**
 * Encodes and decodes payloads that routers pass on without looking inside; see
 * wamp_connection_set_codec(). `direction` is WAMP_CODEC_ENCODE or WAMP_CODEC_DECODE, `details`
 * the options or details as JSON text, not NUL-terminated, `data` the bytes to encode or decode.
 * Writes the result with wamp_buffer_write() and returns WAMP_OK, or a negative number if it
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
 * The version of the library in use, such as "0.2.0"; static. Compare it with WAMP_VERSION, the
 * version of the header.
 */
WAMP_API const char *wamp_version(void);

/**
 * The version as a number: major << 16 | minor << 8 | patch. Compare it with WAMP_VERSION_NUMBER.
 */
WAMP_API uint32_t wamp_version_number(void);

/**
 * The parts that this library was built with, a JSON list of Cargo features in the order of the
 * alphabet; static. All of them: ["argon2","cookies","deflate","longpoll","proxy","router","tls"].
 * What needs a part that is missing is refused as soon as it is asked for, with a text that names
 * the part.
 */
WAMP_API const char *wamp_parts(void);

/**
 * Closes all connections and routers of the process, no matter which part of it made them, and
 * joins all threads of the library, within `timeout_ms` (negative: no limit). Handles stay valid
 * and have to be freed as usual; the library can be used again afterwards. Not required before a
 * process ends, except to satisfy leak checkers.
 *
 * Returns WAMP_OK, or WAMP_ERR_DEADLOCK (inside a callback), WAMP_ERR_TIMEOUT (a callback, or
 * something else that cannot be stopped, was still running; another wamp_shutdown() waits for it),
 * WAMP_ERR_FORKED.
 */
WAMP_API int wamp_shutdown(int timeout_ms);

/**
 * The name of a status, such as "WAMP_ERR_CLOSED"; static. "WAMP_ERR_UNKNOWN" for other numbers.
 */
WAMP_API const char *wamp_status_name(int status);

/**
 * A sentence that explains a status and says what to do; static.
 */
WAMP_API const char *wamp_status_text(int status);

/**
 * The detail of the last failed call on this thread, in a sentence; "" before the first.
 *
 * Valid until eight more calls have failed on this thread, so it can be used in the same list of
 * arguments as another call. (C may evaluate it before that call is made; it is then the text of
 * an earlier one.) For a failure that is also reported by an event, it is the event's `message`.
 */
WAMP_API const char *wamp_last_error(void);

/**
 * Sends the log, up to `level` (WAMP_LOG_OFF ... WAMP_LOG_TRACE), to `log`; NULL for none.
 *
 * Without it the library is silent, unless the environment variable WAMP_LOG names a level (`error
 * warn info debug trace`): then lines go to standard error. Routers write lines, too: who joins
 * and leaves and why, and who is refused what; see their option `log_format`. `free` (may be NULL)
 * runs exactly once, when another function takes its place or when this call fails. Returns
 * WAMP_OK, or WAMP_ERR_ARGUMENT.
 */
WAMP_API int wamp_set_log(int level, wamp_log_t log, void *user_data, wamp_free_t free);

/* ---- Connections ------------------------------------------------------------------------------- */

/**
 * A connection, not yet open.
 *
 * `options` is a JSON object; `url` and `realm` are required, the others are listed at the top of
 * this header. It is copied. NULL for none: set them with wamp_connection_set_string() and its
 * siblings then. Returns NULL on failure, with the reason in wamp_last_error(). Free it with
 * wamp_connection_free().
 */
WAMP_API struct wamp_connection_t *wamp_connection_new(const char *options);

/**
 * Sets an option whose value is a string, such as "url", "realm" or "ticket", to `value`; both are
 * copied.
 *
 * Options can be set while the connection is not open: before wamp_connection_open(), and again
 * after the last WAMP_CLOSE. The last value set counts; "url" and "transports" are one option in
 * this respect. wamp_connection_open() reports required options that are missing. A refused value
 * changes nothing.
 *
 * Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8, WAMP_ERR_OPTION (there is
 * no such option, or it cannot have this value), WAMP_ERR_STATE (the connection is open, or, for
 * "dispatch", events of it are still waiting).
 */
WAMP_API int wamp_connection_set_string(struct wamp_connection_t *connection,
                                        const char *option,
                                        const char *value);

/**
 * Sets an option whose value is a whole number, such as "max_retries". Options in seconds can be
 * set to whole seconds with it. Returns as wamp_connection_set_string().
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
 * Sets an option whose value is true, or false if `value` is 0, such as "retry_if_unreachable".
 * Returns as wamp_connection_set_string().
 */
WAMP_API int wamp_connection_set_bool(struct wamp_connection_t *connection,
                                      const char *option,
                                      int value);

/**
 * Sets an option to a JSON value; needed for lists and objects: "serializers", "transports",
 * "tlsConfiguration". `json` is the value that the option would have in the object for
 * wamp_connection_new(); it is copied. Returns as wamp_connection_set_string().
 */
WAMP_API int wamp_connection_set_json(struct wamp_connection_t *connection,
                                      const char *option,
                                      const char *json);

/**
 * Frees a connection, in any state, even inside its own callbacks. Never blocks.
 *
 * An open one is closed in the background; no further callback is called, though one may still be
 * running. All user_data are freed: on this thread, or, while a callback is running, when that
 * returns. A thread that waits in dispatch or poll returns with WAMP_ERR_HANDLE. Handles of its
 * sessions that were not retained become invalid. To wait until everything has ended, call
 * wamp_connection_close() with a timeout first. Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_connection_free(struct wamp_connection_t *connection);

/**
 * Sets the callback for WAMP_OPEN, called each time a session has been opened; NULL for none.
 *
 * `free` (may be NULL) runs exactly once: when another callback takes its place, when the
 * connection is freed, or when this call fails. Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_connection_on_open(struct wamp_connection_t *connection,
                                     wamp_callback_t callback,
                                     void *user_data,
                                     wamp_free_t free);

/**
 * Sets the callback for WAMP_CLOSE: the connection was closed, was lost, or could not be made.
 * After each wamp_connection_open() there is exactly one whose `will_retry` is false: the last.
 * Returns as wamp_connection_on_open().
 */
WAMP_API int wamp_connection_on_close(struct wamp_connection_t *connection,
                                      wamp_callback_t callback,
                                      void *user_data,
                                      wamp_free_t free);

/**
 * Sets the callback for WAMP_WRITABLE, called once after a request was answered with
 * WAMP_ERR_AGAIN, when half of the send queue is free. Returns as wamp_connection_on_open().
 */
WAMP_API int wamp_connection_on_writable(struct wamp_connection_t *connection,
                                         wamp_callback_t callback,
                                         void *user_data,
                                         wamp_free_t free);

/**
 * Sets the callback for WAMP_CONNECT, called before each attempt to connect, the first and those
 * after a loss: for credentials that expire, or an address that changes.
 *
 * It decides through `event->attempt`: at once, or, after retaining it, later and from any thread;
 * the attempt waits until then. If it decides nothing, the attempt is made. With a NULL callback
 * nothing is asked, except that in manual mode the event comes through wamp_connection_poll().
 * Returns as wamp_connection_on_open().
 */
WAMP_API int wamp_connection_on_connect(struct wamp_connection_t *connection,
                                        wamp_callback_t callback,
                                        void *user_data,
                                        wamp_free_t free);

/**
 * Sets the callback for WAMP_CHALLENGE, called when the router asks the client to authenticate.
 *
 * It answers through `event->challenge`: at once, or, after retaining it, later and from any
 * thread, within `connect_timeout`; if it does not answer, the attempt to join ends. There may be
 * several rounds. Without a callback the options `ticket`, `secret` and `privkey` answer. With a
 * NULL callback in manual mode the event comes through wamp_connection_poll(). Returns as
 * wamp_connection_on_open().
 */
WAMP_API int wamp_connection_on_challenge(struct wamp_connection_t *connection,
                                          wamp_callback_t callback,
                                          void *user_data,
                                          wamp_free_t free);

/**
 * Sets the callback for WAMP_USER_ERROR: a handler has reported its failure by
 * wamp_event_failed(), or a request without a callback has failed. Without one these go to the
 * log. Returns as wamp_connection_on_open().
 */
WAMP_API int wamp_connection_on_user_error(struct wamp_connection_t *connection,
                                           wamp_callback_t callback,
                                           void *user_data,
                                           wamp_free_t free);

/**
 * Sets the callback for WAMP_INTERNAL_ERROR: no transport could be opened, the peer violated the
 * protocol, or a challenge was not answered. WAMP_CLOSE follows. Without one it goes to the log.
 * Returns as wamp_connection_on_open().
 */
WAMP_API int wamp_connection_on_internal_error(struct wamp_connection_t *connection,
                                               wamp_callback_t callback,
                                               void *user_data,
                                               wamp_free_t free);

/**
 * Starts connecting and joining the realm, and returns at once: WAMP_OPEN or WAMP_CLOSE follows.
 *
 * Can be called again after WAMP_CLOSE. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_STATE (open
 * already, or wamp_connection_quiesce() has ended its callbacks), WAMP_ERR_OPTION (`url` or
 * `realm` has not been set), WAMP_ERR_EXHAUSTED (no thread could be started), WAMP_ERR_CLOSED
 * (wamp_shutdown() is running).
 */
WAMP_API int wamp_connection_open(struct wamp_connection_t *connection);

/**
 * Closes gracefully: sends GOODBYE, waits for the router's, ends all requests, then delivers
 * WAMP_CLOSE.
 *
 * `reason` (a URI, NULL for `wamp.goodbye.normal`) and `message` (may be NULL) go to the router.
 * With `timeout_ms` 0 it returns at once. With a positive one (negative: no limit) it is a
 * barrier: after it no callback runs and the user_data of all requests have been freed; in manual
 * mode it dispatches the remaining events on this thread. If a callback opens the connection
 * again, the wait lasts until that ends, too. Closing is also possible while connecting.
 *
 * Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_CLOSED (was not open; it is a barrier all the
 * same), WAMP_ERR_DEADLOCK (timeout inside a callback), WAMP_ERR_TIMEOUT, WAMP_ERR_UTF8,
 * WAMP_ERR_URI.
 */
WAMP_API int wamp_connection_close(struct wamp_connection_t *connection,
                                   const char *reason,
                                   const char *message,
                                   int timeout_ms);

/**
 * Stops the callbacks of one subscription, registration, call or publication: after it none is
 * running and none will start. A barrier that needs no network, for destructors.
 *
 * `id` is the one that the request returned, or 0 for the whole connection. It waits at most
 * `timeout_ms` (0: not at all; negative: no limit) for a callback that is running. From the moment
 * it is called no other starts, even if it answers WAMP_ERR_TIMEOUT: events are skipped, an
 * invocation is answered with an error. The router is not told: unsubscribe, unregister or cancel
 * first, without a `done` (one that is given afterwards is called). `free` still runs once for
 * each user_data, when its request has ended; nothing else touches it. In manual mode, events that
 * wamp_connection_poll() has returned already are the program's responsibility.
 *
 * With 0 the wakeup is removed, too, and only wamp_connection_close() and wamp_connection_free()
 * remain to be called: the connection cannot be opened again.
 *
 * Returns WAMP_OK, also for an id that has ended or never was, or WAMP_ERR_HANDLE,
 * WAMP_ERR_NO_SUCH_ID (it is negative), WAMP_ERR_DEADLOCK (inside a callback for this id, or, with
 * 0, inside any of the connection, or inside a wakeup; in a callback of inline dispatch while the
 * other one is running), WAMP_ERR_TIMEOUT (the callback is still running). Callbacks of two
 * connections that wait for each other are not detected: use a time limit.
 */
WAMP_API int wamp_connection_quiesce(struct wamp_connection_t *connection,
                                     int64_t id,
                                     int timeout_ms);

/**
 * The open session; waits for it at most `timeout_ms` (negative: no limit).
 *
 * `*session` receives it, retained (give it back with wamp_session_release()), or NULL on failure.
 * As soon as the attempt to open has failed, its status is returned, with the message of its
 * WAMP_CLOSE. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_CLOSED (never
 * opened, or closed), WAMP_ERR_TIMEOUT, WAMP_ERR_UNREACHABLE, WAMP_ERR_EXHAUSTED, WAMP_ERR_TLS,
 * WAMP_ERR_HTTP, WAMP_ERR_SUBPROTOCOL, WAMP_ERR_PROTOCOL, WAMP_ERR_AUTH, WAMP_ERR_ABORTED,
 * WAMP_ERR_LOST, WAMP_ERR_CANCELED (wamp_attempt_abandon()), WAMP_ERR_TOO_LARGE (HELLO is larger
 * than the router accepts, or a message larger than we accept), WAMP_ERR_DEADLOCK (in a callback
 * of inline dispatch).
 */
WAMP_API int wamp_connection_session(struct wamp_connection_t *connection,
                                     int timeout_ms,
                                     struct wamp_session_t **session);

/**
 * Returns 1 while a session is open, 0 if not, or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_connection_is_open(struct wamp_connection_t *connection);

/**
 * Manual mode: runs callbacks on this thread, at most `max` (0 or less: as many as are waiting),
 * after waiting at most `timeout_ms` (0: not at all; negative: no limit) for the first event.
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
 * `event_size` is sizeof(wamp_event_t) as compiled into the program. The views, and the
 * invocations that they lend, are valid until the next poll, dispatch, close with a timeout, or
 * free; an invocation that was neither answered nor retained by then is answered with an error.
 * Returns the number of events, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_STATE (not in
 * manual mode), WAMP_ERR_DEADLOCK (inside a callback of the connection).
 */
WAMP_API int wamp_connection_poll(struct wamp_connection_t *connection,
                                  struct wamp_event_t *events,
                                  size_t event_size,
                                  int max,
                                  int timeout_ms);

/**
 * Manual mode: a file descriptor that is readable while events are waiting, for poll(2) and the
 * like. On Windows it is a SOCKET, for WSAPoll(), select() and libuv.
 *
 * It belongs to the connection: do not read from it or close it. It is closed when the connection
 * is freed and no session or message of it is kept any more; remove it from your loop before that.
 * Returns the fd (>= 0), or WAMP_ERR_HANDLE, WAMP_ERR_STATE (not in manual mode),
 * WAMP_ERR_EXHAUSTED (the process is out of file descriptors).
 */
WAMP_API int wamp_connection_fd(struct wamp_connection_t *connection);

/**
 * Manual mode, on Windows: writes an event object (a HANDLE) that is signaled while events are
 * waiting to `*event`, for WaitForMultipleObjects() and the like; NULL on failure.
 *
 * It belongs to the connection, as what wamp_connection_fd() returns does: do not reset or close
 * it. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_STATE (not in manual mode),
 * WAMP_ERR_EXHAUSTED, WAMP_ERR_UNSUPPORTED (not on Windows).
 */
WAMP_API int wamp_connection_event(struct wamp_connection_t *connection, void **event);

/**
 * Manual mode, for hosts without file descriptors: `wakeup` is called when events start to wait,
 * on whatever thread queues them, possibly one that is inside a function of this connection. It
 * must therefore take no lock that the program holds while it calls the library. It is called at
 * once if events are waiting already. NULL for none.
 *
 * `free` (may be NULL) runs exactly once: when another function takes its place, when the
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
 * Returns 1 from a loss that is retried until a session is open again or retrying has ended; 0
 * otherwise, or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_connection_is_retrying(struct wamp_connection_t *connection);

/**
 * Makes the next attempt now instead of after its delay. Returns WAMP_OK, or WAMP_ERR_HANDLE,
 * WAMP_ERR_STATE (no attempt is pending).
 */
WAMP_API int wamp_connection_reconnect_now(struct wamp_connection_t *connection);

/**
 * Makes no more attempts until the next wamp_connection_open(); an open session stays open. If an
 * attempt was pending, a last WAMP_CLOSE follows, whose `will_retry` is false. Returns 1 if one
 * was pending, 0 if not, or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_connection_stop_retrying(struct wamp_connection_t *connection);

/**
 * Waits until everything that requests have queued has been handed to the operating system, at
 * most `timeout_ms` (negative: no limit). Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_CLOSED,
 * WAMP_ERR_TIMEOUT, WAMP_ERR_DEADLOCK (in a callback of inline dispatch).
 */
WAMP_API int wamp_connection_flush(struct wamp_connection_t *connection, int timeout_ms);

/* ---- Attempts to connect ----------------------------------------------------------------------- */

/**
 * Keeps an attempt beyond its callback, to decide later from any thread: it waits until then. Each
 * retain needs a matching wamp_attempt_release(). Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_attempt_retain(struct wamp_attempt_t *attempt);

/**
 * Gives an attempt back. If nothing was decided and no other reference is left, it is made
 * unchanged. Returns WAMP_OK or WAMP_ERR_HANDLE, also for one that this program did not retain.
 */
WAMP_API int wamp_attempt_release(struct wamp_attempt_t *attempt);

/**
 * Makes the attempt. Allowed on any thread, once.
 *
 * `changes` (JSON object, NULL for none) holds options of the connection to change from now on:
 * `url`, `transports`, `headers`, `serializers`, `tlsConfiguration` (its files are read again),
 * `proxy`, `realm`, `authid`, `authmethods`, `authextra`, `ticket`, `secret`, `privkey`; it is
 * copied. A header in `headers` also replaces the one of that name in `transports`, unless
 * `transports` is given as well. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_UTF8,
 * WAMP_ERR_OPTION (nothing is decided then), WAMP_ERR_STATE (decided already).
 */
WAMP_API int wamp_attempt_proceed(struct wamp_attempt_t *attempt, const char *changes);

/**
 * Cancels this attempt and all further ones: WAMP_CLOSE with WAMP_ERR_CANCELED follows, with
 * `message` (may be NULL) in it. Returns as wamp_attempt_proceed().
 */
WAMP_API int wamp_attempt_abandon(struct wamp_attempt_t *attempt, const char *message);

/* ---- Challenges -------------------------------------------------------------------------------- */

/**
 * Keeps a challenge beyond its callback, to answer it later from any thread; each retain needs a
 * matching wamp_challenge_release(). Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_challenge_retain(struct wamp_challenge_t *challenge);

/**
 * Gives a challenge back. If it was never answered and no other reference is left, the attempt to
 * join ends with `wamp.error.cannot_authenticate`. Returns WAMP_OK or WAMP_ERR_HANDLE, also for
 * one that this program did not retain.
 */
WAMP_API int wamp_challenge_release(struct wamp_challenge_t *challenge);

/**
 * Answers a challenge. Allowed on any thread, once.
 *
 * `signature` is what the method requires: the ticket itself, or a signature (see
 * wamp_auth_cra_sign() and its siblings). `extra` (JSON object, may be NULL) goes with it. Both
 * are copied. The router may challenge again, then accepts (WAMP_OPEN) or refuses (WAMP_CLOSE).
 * Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8, WAMP_ERR_OPTION,
 * WAMP_ERR_STATE (answered already), WAMP_ERR_CLOSED (too late).
 */
WAMP_API int wamp_challenge_reply(struct wamp_challenge_t *challenge,
                                  const char *signature,
                                  const char *extra);

/**
 * Gives up joining: the router is sent an ABORT, and WAMP_CLOSE with WAMP_ERR_AUTH follows; there
 * is no further attempt.
 *
 * `reason` is a URI, NULL for `wamp.error.cannot_authenticate`; `message` (may be NULL) is a text
 * for people. Returns as wamp_challenge_reply(), and WAMP_ERR_URI.
 */
WAMP_API int wamp_challenge_abort(struct wamp_challenge_t *challenge,
                                  const char *reason,
                                  const char *message);

/* ---- Subscriptions and registrations of a connection ------------------------------------------- */

/**
 * Subscribes to a topic for the lifetime of the connection: in each of its sessions, present and
 * future.
 *
 * May be called before wamp_connection_open(). `options` (JSON object, may be NULL) go to the
 * router each time. `handler` receives WAMP_EVENT. `done` (may be NULL) receives WAMP_SUBSCRIBED
 * the first time and WAMP_RESTORED after each later join, WAMP_SUSPENDED when the session has
 * ended (events published until WAMP_RESTORED are missed), WAMP_ERROR when the router refuses the
 * subscription (the next join tries again), WAMP_UNSUBSCRIBED when the router revokes it
 * (likewise). The request has been sent before WAMP_OPEN is delivered. Strings are copied. `free`
 * (may be NULL) runs exactly once, even if the call fails.
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
 * Ends a subscription of the connection. As wamp_session_unsubscribe(); if no session is open,
 * `done` receives WAMP_UNSUBSCRIBED all the same. Returns 1 if the router's subscription ends (or
 * there was none), 0 if other handlers of it remain, or WAMP_ERR_HANDLE, WAMP_ERR_NO_SUCH_ID.
 */
WAMP_API int wamp_connection_unsubscribe(struct wamp_connection_t *connection,
                                         int64_t subscription,
                                         wamp_callback_t done,
                                         void *user_data,
                                         wamp_free_t free);

/**
 * Registers a procedure for the lifetime of the connection: in each of its sessions, present and
 * future.
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
 * Ends a registration of the connection. As wamp_session_unregister(); if no session is open,
 * `done` receives WAMP_UNREGISTERED all the same. Returns 1, or WAMP_ERR_HANDLE,
 * WAMP_ERR_NO_SUCH_ID.
 */
WAMP_API int wamp_connection_unregister(struct wamp_connection_t *connection,
                                        int64_t registration,
                                        wamp_callback_t done,
                                        void *user_data,
                                        wamp_free_t free);

/* ---- Payload codecs ---------------------------------------------------------------------------- */

/**
 * Sets the function that encodes and decodes payloads in payload passthru mode, for ciphers and
 * for serializers that the library lacks; NULL for none.
 *
 * With the option `ppt_scheme` (publish, call, call_more, yield_with) or Autobahn's older
 * `enc_algo` the codec gets `{"args": [...], "kwargs": {...}}` and writes the bytes that go over
 * the wire; if the details of a received message have these options, it gets the bytes and writes
 * such an object. Without a codec `"ppt_serializer": "json"` without `ppt_cipher` works all the
 * same, and any other payload is sent and delivered as the one binary value that it is on the
 * wire. A payload that cannot be encoded is refused with WAMP_ERR_PAYLOAD. If one cannot be
 * decoded, an event or a progressive result is reported as WAMP_USER_ERROR, an invocation is
 * answered with `wamp.error.invalid_argument`, and a result becomes WAMP_ERROR with
 * WAMP_ERR_PAYLOAD.
 *
 * `free` (may be NULL) runs exactly once: when another codec takes its place, when the connection
 * is freed, or when this call fails. Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_connection_set_codec(struct wamp_connection_t *connection,
                                       wamp_codec_t codec,
                                       void *user_data,
                                       wamp_free_t free);

/**
 * Appends `size` bytes to the output of a codec; they are copied. Returns WAMP_OK, or
 * WAMP_ERR_HANDLE (not, or no longer, the buffer of a running codec), WAMP_ERR_ARGUMENT.
 */
WAMP_API int wamp_buffer_write(struct wamp_buffer_t *buffer, const void *data, size_t size);

/* ---- Sessions ---------------------------------------------------------------------------------- */

/**
 * Keeps a session's handle valid after the session has closed; each retain needs a matching
 * wamp_session_release(). The session itself ends all the same. Returns WAMP_OK or
 * WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_session_retain(struct wamp_session_t *session);

/**
 * Gives a retained session back. Returns WAMP_OK, or WAMP_ERR_HANDLE, also for one that this
 * program did not retain.
 */
WAMP_API int wamp_session_release(struct wamp_session_t *session);

/**
 * Writes the session's WAMP id, 1 to 2^53, to `*id`, even if the session is over; 0 on failure.
 * Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT.
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
 * receives WAMP_EVENT; `done` (may be NULL) receives WAMP_SUBSCRIBED or WAMP_ERROR, and
 * WAMP_UNSUBSCRIBED if the router revokes the subscription. If a topic has several handlers, each
 * of them receives each event once. Strings are copied. `free` (may be NULL) runs exactly once,
 * even if the call fails.
 *
 * Returns the subscription's id (> 0, valid at once), or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT (NULL
 * handler without manual dispatch), WAMP_ERR_UTF8, WAMP_ERR_URI, WAMP_ERR_OPTION, WAMP_ERR_PAYLOAD
 * (the encoding of the connection cannot represent an option), WAMP_ERR_AGAIN, WAMP_ERR_CLOSED,
 * WAMP_ERR_TOO_LARGE, WAMP_ERR_STATE (the router does not have the broker role).
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
 * refused: its URI is in wamp_last_error()), WAMP_ERR_TIMEOUT (the request is abandoned),
 * WAMP_ERR_CANCELED (abandoned by another thread), WAMP_ERR_DEADLOCK (in a callback of inline
 * dispatch), WAMP_ERR_NOT_SENT, WAMP_ERR_OUTCOME_UNKNOWN.
 */
WAMP_API int64_t wamp_session_subscribe_sync(struct wamp_session_t *session,
                                             const char *topic,
                                             const char *options,
                                             wamp_callback_t handler,
                                             void *user_data,
                                             wamp_free_t free,
                                             int timeout_ms);

/**
 * Ends a subscription: once this has returned, its handler is not called again; only a call that
 * is already running continues.
 *
 * `done` (may be NULL) receives WAMP_UNSUBSCRIBED, in any case, or WAMP_ERROR. `free` (may be
 * NULL) frees this call's `user_data`, exactly once; the subscription's own is freed too.
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
 * cannot be decoded), WAMP_ERR_TIMEOUT, WAMP_ERR_DEADLOCK, WAMP_ERR_NOT_SENT,
 * WAMP_ERR_OUTCOME_UNKNOWN; the handler is removed except with WAMP_ERR_HANDLE,
 * WAMP_ERR_NO_SUCH_ID, WAMP_ERR_AGAIN, WAMP_ERR_CLOSED and WAMP_ERR_DEADLOCK.
 */
WAMP_API int wamp_session_unsubscribe_sync(struct wamp_session_t *session,
                                           int64_t subscription,
                                           int timeout_ms);

/**
 * Publishes an event without acknowledgement: neither success nor failure is reported later.
 *
 * `payload` and `options` (JSON object, such as `{"exclude_me": false}`) may be NULL; everything
 * is copied. To learn the outcome use wamp_session_publish_ack().
 *
 * Returns WAMP_OK when it is queued, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8,
 * WAMP_ERR_URI, WAMP_ERR_PAYLOAD, WAMP_ERR_OPTION, WAMP_ERR_AGAIN, WAMP_ERR_CLOSED,
 * WAMP_ERR_TOO_LARGE, WAMP_ERR_STATE (the router does not have the broker role),
 * WAMP_ERR_UNSUPPORTED (the options need a feature that the router does not announce:
 * `ppt_scheme`, `enc_algo`).
 */
WAMP_API int wamp_session_publish(struct wamp_session_t *session,
                                  const char *topic,
                                  const struct wamp_payload_t *payload,
                                  const char *options);

/**
 * Publishes an event with acknowledgement.
 *
 * `done` (may be NULL) receives WAMP_PUBLISHED with the publication's id as `wamp_id`, or
 * WAMP_ERROR. `free` (may be NULL) runs exactly once, even if the call fails. Returns the
 * request's id (> 0), which the event will have, or as wamp_session_publish().
 */
WAMP_API int64_t wamp_session_publish_ack(struct wamp_session_t *session,
                                          const char *topic,
                                          const struct wamp_payload_t *payload,
                                          const char *options,
                                          wamp_callback_t done,
                                          void *user_data,
                                          wamp_free_t free);

/**
 * Publishes an event and waits for the router's acknowledgement, at most `timeout_ms` (negative:
 * no limit).
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
 * `handler` receives WAMP_INVOCATION and answers through `event->invocation`, at once or later;
 * `done` (may be NULL) receives WAMP_REGISTERED or WAMP_ERROR, and WAMP_UNREGISTERED if the router
 * revokes the registration. Strings are copied. `free` (may be NULL) runs exactly once, even if
 * the call fails.
 *
 * Returns the registration's id (> 0, valid at once), or as wamp_session_subscribe();
 * WAMP_ERR_STATE also if this session has registered the same procedure already, or has not had
 * the answer to its unregistering yet.
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
 * Ends a registration. Invocations that are on their way are still delivered, until
 * WAMP_UNREGISTERED.
 *
 * `done` (may be NULL) receives WAMP_UNREGISTERED or WAMP_ERROR. `free` (may be NULL) frees this
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
 * cannot be decoded), WAMP_ERR_TIMEOUT, WAMP_ERR_DEADLOCK, WAMP_ERR_NOT_SENT,
 * WAMP_ERR_OUTCOME_UNKNOWN.
 */
WAMP_API int wamp_session_unregister_sync(struct wamp_session_t *session,
                                          int64_t registration,
                                          int timeout_ms);

/**
 * Calls a procedure.
 *
 * `payload` and `options` (JSON object, such as `{"receive_progress": true}`) may be NULL;
 * everything is copied. With the option `timeout` (milliseconds) the call is canceled after that
 * time without a result, whether or not the router supports time limits: WAMP_ERROR
 * `wamp.error.timeout` with status WAMP_ERR_TIMEOUT. `done` (may be NULL) receives WAMP_RESULT or
 * WAMP_ERROR, exactly once, even if the connection is lost; before it, if `receive_progress` was
 * set, any number of WAMP_RESULT with WAMP_FLAG_PROGRESS. `free` (may be NULL) runs exactly once,
 * even if the call fails.
 *
 * Returns the call's id (> 0), or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8, WAMP_ERR_URI,
 * WAMP_ERR_PAYLOAD, WAMP_ERR_OPTION, WAMP_ERR_AGAIN, WAMP_ERR_CLOSED, WAMP_ERR_TOO_LARGE,
 * WAMP_ERR_STATE (the router does not have the dealer role), WAMP_ERR_UNSUPPORTED (the options
 * need a feature that the router does not announce: `progress`, `ppt_scheme`, `enc_algo`).
 */
WAMP_API int64_t wamp_session_call(struct wamp_session_t *session,
                                   const char *procedure,
                                   const struct wamp_payload_t *payload,
                                   const char *options,
                                   wamp_callback_t done,
                                   void *user_data,
                                   wamp_free_t free);

/**
 * Sends more input for a call that was made with the option `{"progress": true}` (progressive call
 * invocations): the callee gets it as a further WAMP_INVOCATION.
 *
 * `call` is the id that wamp_session_call() returned. `options` with `"progress": true` announce
 * that more follows; without it, or with NULL, this is the last. `payload` may be NULL; everything
 * is copied. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_NO_SUCH_ID (the call has ended),
 * WAMP_ERR_STATE (it was made without `progress`, was canceled, or the last input has been sent),
 * WAMP_ERR_ARGUMENT (an unknown encoding), WAMP_ERR_UTF8, WAMP_ERR_PAYLOAD, WAMP_ERR_OPTION,
 * WAMP_ERR_UNSUPPORTED, WAMP_ERR_AGAIN, WAMP_ERR_CLOSED, WAMP_ERR_TOO_LARGE.
 */
WAMP_API int wamp_session_call_more(struct wamp_session_t *session,
                                    int64_t call,
                                    const struct wamp_payload_t *payload,
                                    const char *options);

/**
 * Calls a procedure and waits for the outcome, at most `timeout_ms` (negative: no limit).
 *
 * `*result` (may be NULL if not wanted) receives the WAMP_RESULT, or with WAMP_ERR_REMOTE and with
 * WAMP_ERR_PAYLOAD (a codec cannot decode the result) the WAMP_ERROR, to be freed by
 * wamp_message_free(); otherwise NULL. Progressive results are skipped. Returns WAMP_OK, or as
 * wamp_session_call(), or WAMP_ERR_REMOTE (the answer is an error: its URI is in the message and
 * in wamp_last_error()), WAMP_ERR_TIMEOUT (canceled; a late answer is ignored), WAMP_ERR_DEADLOCK
 * (in a callback of inline dispatch, or in one of the connection that has registered the procedure
 * itself), WAMP_ERR_CANCELED (canceled by another thread), WAMP_ERR_NOT_SENT,
 * WAMP_ERR_OUTCOME_UNKNOWN.
 */
WAMP_API int wamp_session_call_sync(struct wamp_session_t *session,
                                    const char *procedure,
                                    const struct wamp_payload_t *payload,
                                    const char *options,
                                    int timeout_ms,
                                    struct wamp_message_t **result);

/**
 * Cancels a call.
 *
 * `options` (JSON object, may be NULL) hold `mode`: "skip" and "killnowait" (the default) end the
 * call at once: `done` receives WAMP_ERROR `wamp.error.canceled` with status WAMP_ERR_CANCELED,
 * and a later answer is ignored. "kill" waits for the router's answer, which may be a result; if
 * the router does not announce call canceling, it is not asked, and the call ends at once.
 * (Crossbar.io never answers a "kill" for a callee that cannot be interrupted: give such a call a
 * `timeout`.) Never WAMP_ERR_AGAIN. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_NO_SUCH_ID (the
 * call has ended), WAMP_ERR_OPTION, WAMP_ERR_UTF8, WAMP_ERR_CLOSED.
 */
WAMP_API int wamp_session_cancel(struct wamp_session_t *session, int64_t call, const char *options);

/* ---- Invocations ------------------------------------------------------------------------------- */

/**
 * Keeps an invocation beyond its callback, to answer it later from any thread; each retain needs a
 * matching wamp_invocation_release(). Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_invocation_retain(struct wamp_invocation_t *invocation);

/**
 * Gives an invocation back. If it was never answered and no other reference is left, the caller
 * gets the error `wamp.error.runtime_error`, so that it does not wait for ever. Returns WAMP_OK or
 * WAMP_ERR_HANDLE, also for one that this program did not retain.
 */
WAMP_API int wamp_invocation_release(struct wamp_invocation_t *invocation);

/**
 * Sends a progressive result; the final answer is still to come.
 *
 * Only if the event had WAMP_FLAG_PROGRESS. `payload` may be NULL and is copied. Returns WAMP_OK,
 * or WAMP_ERR_HANDLE, WAMP_ERR_STATE (answered already, or progress not requested),
 * WAMP_ERR_CANCELED (the caller has canceled the call), WAMP_ERR_AGAIN, WAMP_ERR_CLOSED,
 * WAMP_ERR_PAYLOAD, WAMP_ERR_ARGUMENT (an unknown encoding), WAMP_ERR_TOO_LARGE.
 */
WAMP_API int wamp_invocation_progress(struct wamp_invocation_t *invocation,
                                      const struct wamp_payload_t *payload);

/**
 * Answers an invocation with its result. Allowed on any thread, once.
 *
 * `payload` may be NULL and is copied. A failed call answers nothing: try again, or answer with an
 * error. Never WAMP_ERR_AGAIN. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_STATE (answered
 * already), WAMP_ERR_CANCELED (the caller has canceled the call), WAMP_ERR_CLOSED (the session is
 * over), WAMP_ERR_PAYLOAD, WAMP_ERR_ARGUMENT (an unknown encoding), WAMP_ERR_TOO_LARGE.
 */
WAMP_API int wamp_invocation_yield(struct wamp_invocation_t *invocation,
                                   const struct wamp_payload_t *payload);

/**
 * As wamp_invocation_yield(), with `options` (JSON object, may be NULL) that go to the router,
 * such as those of payload passthru (`ppt_scheme` ...). With `{"progress": true}` it is a
 * progressive result, as with wamp_invocation_progress(). Returns as wamp_invocation_progress(),
 * and WAMP_ERR_OPTION, WAMP_ERR_UTF8, WAMP_ERR_UNSUPPORTED (the router does not announce what the
 * options need).
 */
WAMP_API int wamp_invocation_yield_with(struct wamp_invocation_t *invocation,
                                        const struct wamp_payload_t *payload,
                                        const char *options);

/**
 * Answers an invocation with an error. Allowed on any thread, once.
 *
 * `uri` NULL stands for `wamp.error.runtime_error`; `payload` may be NULL. Both are copied.
 * Returns as wamp_invocation_yield(), and WAMP_ERR_URI, WAMP_ERR_UTF8.
 */
WAMP_API int wamp_invocation_error(struct wamp_invocation_t *invocation,
                                   const char *uri,
                                   const struct wamp_payload_t *payload);

/**
 * Tells whether the answer is no longer wanted. A callee that works for a long time checks this
 * now and then, or uses wamp_invocation_on_interrupt().
 *
 * Returns 1 if the caller has canceled the call or is gone, or our session has ended; 0 otherwise,
 * also after the answer; or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_invocation_is_canceled(struct wamp_invocation_t *invocation);

/**
 * Sets the callback for WAMP_INTERRUPT, called when the caller cancels the call; a cancellation
 * that has already arrived is delivered too. Retain the invocation first.
 *
 * `details` of the event hold `mode` and possibly `reason`. After the callback (or, when polled,
 * at the next poll) the caller gets `wamp.error.canceled`, unless the callback has sent another
 * answer; with mode "killnowait" no answer is expected any more, and one is refused with
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
 * Returns NULL if there are none, or if they cannot be parsed. The lens lives as long as the view
 * or message; the functions on values accept NULL.
 */
WAMP_API const struct wamp_value_t *wamp_event_args(const struct wamp_event_t *event);

/**
 * The kwargs of an event as a lens on a dict; see wamp_event_args().
 */
WAMP_API const struct wamp_value_t *wamp_event_kwargs(const struct wamp_event_t *event);

/**
 * The details of an event as a lens on a dict: everything that the router sent; an EVENT always
 * has `topic`, an INVOCATION always `procedure`. See wamp_event_args().
 */
WAMP_API const struct wamp_value_t *wamp_event_details(const struct wamp_event_t *event);

/**
 * Keeps an event beyond its callback or poll.
 *
 * Returns a message, to be freed by wamp_message_free(); NULL if `event` is NULL or no longer
 * valid. Only the view is copied. The kept view lends no session and no invocation: retain those
 * separately.
 */
WAMP_API struct wamp_message_t *wamp_event_keep(const struct wamp_event_t *event);

/**
 * Reports that the program failed to handle an event; for handlers, and for bindings to languages
 * in which handlers can throw.
 *
 * on_user_error receives WAMP_USER_ERROR with `message` (may be NULL), or it is written to the
 * log. An invocation without an answer is answered with `wamp.error.runtime_error` and `message`.
 * Returns WAMP_OK, or WAMP_ERR_ARGUMENT (NULL, or no longer valid), WAMP_ERR_UTF8.
 */
WAMP_API int wamp_event_failed(const struct wamp_event_t *event, const char *message);

/**
 * Frees a message. Its view and the lenses taken from it become invalid. Returns WAMP_OK or
 * WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_message_free(struct wamp_message_t *message);

/**
 * The view of a message; valid until the message is freed. NULL if the handle is not that of a
 * message.
 */
WAMP_API const struct wamp_event_t *wamp_message_event(struct wamp_message_t *message);

/* ---- Arguments of events ----------------------------------------------------------------------- */

/**
 * Writes the argument at `index` to `*value`, as a whole number.
 *
 * A number that a peer wrote as 2.0 is whole, too. If there is no such argument, or it has another
 * type, `*value` is not changed: it can hold a default. Returns WAMP_OK, or WAMP_ERR_ARGUMENT (the
 * event is no longer valid, or a pointer is NULL), WAMP_ERR_PAYLOAD (the argument is missing or
 * has another type: wamp_last_error() says so in words that are fit for the peer, to be passed to
 * wamp_event_failed()).
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
 * `size` (may be NULL) receives its length in bytes. Returns as wamp_event_arg_int().
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
 * `publisher`, `subscriber`, `caller` and `callee` hold our features, true if the router announces
 * them too, false if it does not; `broker` and `dealer` hold everything that the router announces.
 * To be freed by wamp_message_free(). NULL on failure.
 */
WAMP_API struct wamp_message_t *wamp_session_features(struct wamp_session_t *session);

/**
 * The subscriptions that are active on the session, as the args of a message: dicts with `id` (as
 * the request returned it), `wamp_id` (the router's), `topic` and `match`. Those of the connection
 * are included. To be freed by wamp_message_free(). NULL on failure.
 */
WAMP_API struct wamp_message_t *wamp_session_subscriptions(struct wamp_session_t *session);

/**
 * The registrations that are active on the session, as the args of a message: dicts with `id`,
 * `wamp_id`, `procedure` and `match`. As wamp_session_subscriptions().
 */
WAMP_API struct wamp_message_t *wamp_session_registrations(struct wamp_session_t *session);

/**
 * The transport that is up, as the kwargs of a message: `type` ("websocket", "rawsocket",
 * "longpoll"), `url`, `protocol` (such as "wamp.2.json"); "none" and nulls if there is none. To be
 * freed by wamp_message_free(). NULL on failure.
 */
WAMP_API struct wamp_message_t *wamp_connection_transport(struct wamp_connection_t *connection);

/**
 * The statistics of a connection since it was made, as the kwargs of a message.
 *
 * `received` and `sent`: `bytes`, and `messages` by type. `round_trip`: seconds from the last ping
 * to its answer, or null. `pending`: requests without an answer. `send_queue_bytes`,
 * `receive_queue_bytes`, `receive_queue_events`: how much is waiting. `sessions`, `reconnects`:
 * how many there have been. `last_end`: null, or `class`, `reason` and `message` of the last
 * WAMP_CLOSE. `handlers`: `events` delivered, and `seconds` that callbacks have taken (not counted
 * if events are polled). To be freed by wamp_message_free(). NULL on failure.
 */
WAMP_API struct wamp_message_t *wamp_connection_stats(struct wamp_connection_t *connection);

/**
 * Makes `shortcut` stand for a URI prefix: after `wamp_session_prefix(session, "api",
 * "com.myapp.service")` every function accepts "api:add2" for "com.myapp.service.add2".
 *
 * `prefix` must be whole components of a URI; NULL removes the shortcut. Shortcuts apply to later
 * sessions of the connection too. Strings are copied. Returns WAMP_OK, or WAMP_ERR_HANDLE,
 * WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8, WAMP_ERR_URI.
 */
WAMP_API int wamp_session_prefix(struct wamp_session_t *session,
                                 const char *shortcut,
                                 const char *prefix);

/**
 * Writes the URI that `text` stands for into `uri`, NUL-terminated: `text` itself, unless it
 * begins with a known shortcut. Rarely needed, because every function resolves by itself.
 *
 * Returns the URI's length in bytes without the NUL; if it does not fit in `uri_size` bytes with
 * the NUL, `uri` is set to an empty text (it may be NULL with size 0). Or WAMP_ERR_HANDLE,
 * WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8, WAMP_ERR_TOO_LARGE.
 */
WAMP_API int wamp_session_resolve(struct wamp_session_t *session,
                                  const char *text,
                                  char *uri,
                                  size_t uri_size);

/**
 * Writes a line to the log, whatever its level: `WAMP session <id> on '<realm>' at <ms> ms:
 * <text>`, where the time is measured from the beginning of the session. It goes to the function
 * of wamp_set_log(), or to standard error. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT,
 * WAMP_ERR_UTF8.
 */
WAMP_API int wamp_session_log(struct wamp_session_t *session, const char *text);

/**
 * A callback that writes its event to the log, as wamp_session_log() does, with args and kwargs.
 * Can be passed wherever a wamp_callback_t is expected. It does not answer invocations. An event
 * that is no longer valid causes a warning in the log.
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
 * A number as int64_t: floating point numbers lose their fraction, and a number out of range
 * becomes the nearest in range. 0 for everything else.
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
 * length in bytes: the string may contain NUL characters. NULL and size 0 for everything but
 * strings.
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
 * The entry of a list, or the value of a dict's entry, at `index`; NULL if there is none, and
 * below the 128th level of nesting.
 */
WAMP_API const struct wamp_value_t *wamp_value_at(const struct wamp_value_t *value, size_t index);

/**
 * The key of a dict's entry at `index`, NUL-terminated; lives as long as the value. `size` (may be
 * NULL) receives its length in bytes. NULL if there is none. A key that is a list or a dict, as
 * CBOR and MsgPack may have, is shown as its JSON text.
 */
WAMP_API const char *wamp_value_key(const struct wamp_value_t *value, size_t index, size_t *size);

/**
 * The value at `key` of a dict; the last one if the key occurs twice; NULL if there is none.
 */
WAMP_API const struct wamp_value_t *wamp_value_get(const struct wamp_value_t *value,
                                                   const char *key);

/**
 * Writes a value as JSON text into `out`, NUL-terminated, in the form in which it would be sent.
 *
 * Returns the text's length in bytes without the NUL; if it does not fit in `out_size` bytes with
 * the NUL, `out` is set to an empty text (it may be NULL with size 0). Or WAMP_ERR_HANDLE (NULL,
 * or no longer valid), WAMP_ERR_ARGUMENT, WAMP_ERR_PAYLOAD (JSON has neither NaN nor infinity),
 * WAMP_ERR_TOO_LARGE.
 */
WAMP_API int wamp_value_json(const struct wamp_value_t *value, char *out, size_t out_size);

/* ---- Builders ---------------------------------------------------------------------------------- */

/**
 * A builder of payloads, for programs without a library for their encoding.
 *
 * `encoding` is WAMP_JSON, WAMP_MSGPACK or WAMP_CBOR. Any of them can be sent on any connection;
 * the connection's own is sent unchanged. Values are appended to args; a value after
 * wamp_builder_key() at the top level goes to kwargs. The first misuse is remembered: everything
 * after it fails, and so does the call that gets the payload. Returns NULL on failure. Free it
 * with wamp_builder_free(). A builder may be used on any thread, by one at a time.
 */
WAMP_API struct wamp_builder_t *wamp_builder_new(uint32_t encoding);

/**
 * Frees a builder; its payload ends with it. Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_builder_free(struct wamp_builder_t *builder);

/**
 * Starts over, even after a misuse. Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_builder_reset(struct wamp_builder_t *builder);

/**
 * Appends null. Returns WAMP_OK, WAMP_ERR_HANDLE or, like all these functions, WAMP_ERR_PAYLOAD if
 * the value is not allowed here or an earlier one was not.
 */
WAMP_API int wamp_builder_null(struct wamp_builder_t *builder);

/**
 * Appends true, or false if `value` is 0. Returns as wamp_builder_null().
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
 * (for WAMP_NUL, among others: bytes are not terminated).
 */
WAMP_API int wamp_builder_binary(struct wamp_builder_t *builder, const void *bytes, size_t size);

/**
 * Appends one value that is already encoded, in the builder's encoding: `size` bytes, or with
 * WAMP_NUL NUL-terminated JSON text. It is checked. Returns as wamp_builder_null()
 * (WAMP_ERR_PAYLOAD for size 0, too: no value is empty), or WAMP_ERR_ARGUMENT.
 */
WAMP_API int wamp_builder_raw(struct wamp_builder_t *builder, const char *encoded, size_t size);

/**
 * Appends a received value with everything in it, whatever encoding it was received in. Returns as
 * wamp_builder_null(), or WAMP_ERR_ARGUMENT (NULL, or no longer valid).
 */
WAMP_API int wamp_builder_value(struct wamp_builder_t *builder, const struct wamp_value_t *value);

/**
 * Sets the key of the next value: inside a dict, or at the top level to put the value into kwargs.
 * Returns as wamp_builder_null(), or WAMP_ERR_ARGUMENT, WAMP_ERR_UTF8.
 */
WAMP_API int wamp_builder_key(struct wamp_builder_t *builder, const char *key);

/**
 * Opens a list: the values that follow are its entries, until wamp_builder_end(). Returns as
 * wamp_builder_null().
 */
WAMP_API int wamp_builder_list(struct wamp_builder_t *builder);

/**
 * Opens a dict: keys and values follow in turn, until wamp_builder_end(). Returns as
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
 * Never NULL: after a misuse, or for a handle that is not a builder's, it is a payload with which
 * any function fails with WAMP_ERR_PAYLOAD, so the result need not be checked.
 */
WAMP_API const struct wamp_payload_t *wamp_builder_payload(struct wamp_builder_t *builder);

/* ---- The embedded router ----------------------------------------------------------------------- */

/**
 * A router inside this process, for tests, demos and use on one machine: broker and dealer with
 * the features that clients can ask for, on WebSocket, RawSocket and HTTP long-poll, with JSON,
 * MsgPack and CBOR.
 *
 * `config` is a JSON object or NULL, with these keys; docs/ROUTER.md tells more. An unknown one,
 * at whatever depth, is refused, and wamp_last_error() tells the nearest that exists.
 *
 * | key                  | value          | meaning                                              |
 * |----------------------|----------------|------------------------------------------------------|
 * | `realms`             | list of names  | the realms that may be joined; default: any          |
 * | `hello_timeout`      | seconds, 10    | from the connection to HELLO                         |
 * | `max_message_size`   | bytes, 16 MiB  | the largest message that is accepted and passed on   |
 * | `send_queue_bytes`   | bytes, 256 MiB | how much may wait for a client until it is dropped   |
 * | `memory_limit`       | bytes, 1 GiB   | the memory that clients may make the router use, all |
 * |                      |                | together: see below; a quarter of that of a small    |
 * |                      |                | machine, or of its control group                     |
 * | `message_timeout`    | seconds, 60    | how long a message may take to come                  |
 * | `max_unjoined_size`  | bytes, 64 KiB  | the largest message of a client that has not joined  |
 * | `max_connections`    | number, 20000  | connections, joined or not                           |
 * | `max_connections_per_address` | number, 1000 | those of one address (of IPv6: of one /64     |
 * |                      |                | network), except this machine's and Unix sockets     |
 * | `max_handshakes`     | number, 4096   | connections that have not joined yet; beyond it the  |
 * |                      |                | oldest is dropped of the address that has the most   |
 * | `trusted_proxies`    | list, []       | addresses and networks of proxies that tell for whom |
 * |                      |                | they speak: X-Forwarded-For, PROXY protocol          |
 * | `allowed_origins`    | list, []       | origins of pages of other hosts that browsers may    |
 * |                      |                | bring, scheme and all; "*" is everything; see below  |
 * | `log_format`         | string, text   | of lines in the log (wamp_set_log()): text or json   |
 * | `disclose`           | object         | `caller`, `publisher`: if true, always disclosed     |
 * | `tls`                | object         | `cert`, `key`, for wss://, rss:// and https://;      |
 * |                      |                | `client_ca` signs the certificates that clients must |
 * |                      |                | have then; each a PEM text or the path of a PEM      |
 * |                      |                | file; `client_cert` optional: need not have          |
 * | `permessage_deflate` | bool or object | compression on WebSocket for clients that offer it,  |
 * |                      |                | off; the object is that of the connection option     |
 * | `event_history`      | number, 0      | how many past events each realm keeps                |
 * | `strict_request_ids` | bool, true     | request ids count from 1 without a gap; with false   |
 * |                      |                | a client may use any that no call of its own has     |
 * | `max_subscriptions`  | 100000         | of one session                                       |
 * | `max_patterns`       | 1000           | among its subscriptions, and its registrations       |
 * | `max_registrations`  | 100000         | of one session                                       |
 * | `max_pending_calls`  | 100000         | of one caller, and at one callee                     |
 * | `max_testament_bytes` | 1 MiB         | the testaments of one session                        |
 * | `max_options_size`   | bytes, 256 KiB | the options of one message                           |
 * | `max_retained_topics` | 100000        | of one realm; the oldest go                          |
 * | `max_retained_bytes` | bytes, 64 MiB  | the retained events of one realm; the oldest go      |
 * | `max_history_bytes`  | bytes, 64 MiB  | the past events of one realm; the oldest go          |
 * | `max_realms`         | 10000          | realms that are made on demand                       |
 * | `dispatch`           | string, thread | thread, manual or inline: as with connections        |
 * | `question_timeout`   | seconds, 10    | for the answer of a callback or procedure that       |
 * |                      |                | decides about a client; then it is refused           |
 * | `max_questions`      | number, 1000   | questions to callbacks that may be open at a time;   |
 * |                      |                | others wait                                          |
 * | `auth`               | object         | who may join: see below                              |
 * | `roles`              | object         | what they may do: see below                          |
 * | `listeners`          | list, []       | settings of single listeners: see                    |
 * |                      |                | wamp_router_listen()                                 |
 *
 * A request beyond one of the limits `max_...` gets the error WAMP_URI_LIMIT_EXCEEDED.
 *
 * A client that reads nothing for 60 s while data is waiting for it is dropped, and so is one that
 * has silently disappeared, after 90 s. Until it has joined, its messages are limited to 64 KiB. A
 * URI in a request may have at most 8192 bytes.
 *
 * Above three quarters of `memory_limit`, clients that send much are not read until less is in
 * use, and of the clients that take nothing for half a second the one with the most waiting is
 * dropped. At the limit, large messages are refused, with WAMP_URI_UNAVAILABLE.
 *
 * A browser says by `Origin` whose page connects: it has to be of the router's host, or listed in
 * `allowed_origins`. On a loopback address `Host` and `Origin` have to be loopback names, or
 * listed: a reverse proxy that passes on the name under which it is known needs that, too.
 *
 * Without `auth` every client may join, as `anonymous`; with it, those that its keys name:
 *
 * | key           | for each authid                                                           |
 * |---------------|---------------------------------------------------------------------------|
 * | `ticket`      | `ticket`                                                                  |
 * | `wampcra`     | `secret`; `salt`, `iterations` and `keylen` if the key is to be derived   |
 * | `wamp-scram`  | `password`; `kdf` (pbkdf2, argon2id13), `iterations`, `memory` (KiB)      |
 * | `scram`       | as `wamp-scram`, in the dialect of Crossbar.io                            |
 * | `cryptosign`  | `pubkey`, or a list of `authorized_keys`: 64 hexadecimal digits           |
 * | `tls`         | `fingerprint`, `common_name` or `subject_alt_name` of the certificate     |
 *
 * each with the `role` that the client gets (`user`), as in {"auth": {"ticket": {"joe": {"ticket":
 * "secret", "role": "admin"}}}}. The first of the client's `authmethods` that its authid has is
 * used. In addition, `anonymous` ({"role": ...}) admits unknown clients, `router_key` is the seed
 * with which the router proves its identity in cryptosign, and `factors` lists methods that all
 * have to succeed.
 *
 * Instead of a secret, what was made of it can be stored: for `ticket` a `ticket_hash` with `salt`
 * (base64), `kdf`, `iterations` and `memory`, as wamp_auth_scram_salted_password() makes it of the
 * ticket with "pbkdf2" or "argon2id13"; for `wampcra` the `derived_key` of
 * wamp_auth_cra_derive_key(), with `salt`, `iterations` (1000; clients refuse less) and `keylen`
 * (32); for `wamp-scram` and `scram` the `stored_key` and `server_key` of RFC 5802, with `salt`
 * (base64), `kdf`, `iterations` and `memory`. Keys of 32 bytes are in base64 or hexadecimal
 * digits. For `tls` the certificate that the client shows is the proof, without a challenge:
 * its SHA-256 in hexadecimal digits (or a list of such), the common name of its subject, or a name
 * such as "DNS:sensor1.example.com"; `client_ca` has to have signed it. And instead of the
 * authids, a method may have {"file": path}: a JSON file with that object, which is read now.
 *
 * A client cannot find out which authids exist: an unknown one is challenged like a known one, by
 * a method and with a salt that are always the same, and fails as with a wrong secret. These are
 * made with `decoy_key`, 64 hexadecimal digits, and so are the salts of `wamp-scram` and `scram`.
 * Without this key a random one is used, and a restart of the router can show which authids exist:
 * the challenges of unknown ones change, and stored salts do not.
 *
 * Failed logins of one authid from one address (of IPv6: from one /64 network; of Unix sockets:
 * from one listener) are slowed: the first three are answered after 0.1 s, then it doubles up to
 * 5 s, and ten minutes without a failure set it back. `failure_delay` ({"first": seconds, "most":
 * seconds}) changes that, zero turns it off. Logins with the right secret are answered at once,
 * unless they come while an answer to a failure of the same authid from the same address is being
 * held back: then they wait for their turn, and are refused where that takes longer than `most`.
 *
 * Or clients decide: a method with {"authenticator": procedure, "realm": name} calls this
 * procedure in that realm (without `realm`: in the one to be joined) with (realm, authid,
 * details), as wamp_router_on_authenticate() has them. It answers with a dict: what an authid has
 * above, `role`, and, if need be, `authid`, `realm` and `extra` of the session. For `ticket` it
 * judges `details.ticket` itself and answers with the role, or with such a dict, as it does for
 * `anonymous`. ERROR means that the client is not known.
 *
 * `roles` lists for each role what it may do; without this key everything is allowed: {"roles":
 * {"user": [{"uri": "com.app.", "match": "prefix", "allow": {"call": true}}]}}, besides `call`
 * there are `register`, `publish`, `subscribe`. The most specific entry counts: an exact one
 * before the longest prefix, that before any wildcard. This applies to the router's own procedures
 * and topics too. Subscribing to a pattern, or registering one, needs the right to everything that
 * the pattern matches; and the router's own procedures and topics tell a client only of
 * subscriptions to what it may subscribe to or publish, and of registrations of what it may call
 * or register. docs/RECIPES.md has examples.
 *
 * A role may also have {"permissions": list, "authorizer": procedure, "realm": name}: what the
 * list allows (without it: everything) is allowed if this procedure does, too. It is called with
 * (session, uri, action, options), where `options.match` is always there, and answers with true or
 * false, or with {"allow", "disclose", "cache"}: see wamp_question_allow(). If it fails or is not
 * there the request is refused with `wamp.error.authorization_failed`; a session that has
 * registered it is not asked about. The program itself decides by wamp_router_on_authenticate()
 * and wamp_router_on_authorize().
 *
 * Returns NULL on failure, with the reason in wamp_last_error(). Free it with wamp_router_free().
 */
WAMP_API struct wamp_router_t *wamp_router_new(const char *config);

/**
 * Listens at `url`, such as "ws://127.0.0.1:8080/ws"; with port 0 the system chooses one. All
 * forms of the connection option `url` are accepted; wss://, rss:// and https:// need the key
 * `tls`. When it has succeeded, clients can connect. Can be called several times.
 *
 * The router's option `listeners` is a list of objects with the settings of single listeners:
 * `url`, the place; `realms`, `roles` and `methods`, lists of the only ones that clients have
 * there; `auth`, `tls`, `allowed_origins` and `trusted_proxies` in place of the router's. They
 * hold for the listener with that `url`. Without a URL (NULL) all of them are opened that are not
 * open yet, or none where that fails for one.
 *
 * `*listening` (may be NULL if not wanted) receives the URL with the real port, NUL-terminated,
 * which lives as long as the router, of several the first; NULL on failure, and where all were
 * open. Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT (also without a URL where there are
 * no `listeners`), WAMP_ERR_UTF8, WAMP_ERR_OPTION (`tls` is missing), WAMP_ERR_UNREACHABLE (the
 * address cannot be bound), WAMP_ERR_EXHAUSTED, WAMP_ERR_CLOSED (after wamp_shutdown(),
 * wamp_router_close(), or the loss of the library's descriptors: make a new router),
 * WAMP_ERR_FORKED.
 */
WAMP_API int wamp_router_listen(struct wamp_router_t *router,
                                const char *url,
                                const char **listening);

/**
 * The URL that the router listens at, as given by wamp_router_listen(): the first if there are
 * several, NULL if there is none. It lives as long as the router.
 */
WAMP_API const char *wamp_router_url(struct wamp_router_t *router);

/**
 * The router's counters, as the kwargs of a message: `clients` (connected, joined or not),
 * `sessions`, `subscriptions`, `registrations`, `pending_calls`, `messages_in`, `messages_out`,
 * `dropped` (clients that did not read; see `send_queue_bytes`), `memory` (bytes that count
 * against `memory_limit`), `refused_messages` and `dropped_stalled` (because of `memory_limit`),
 * `dropped_late` (clients whose messages took longer than `message_timeout`),
 * `refused_connections`, `refused_addresses` and `dropped_handshakes` (because of
 * `max_connections`, `max_connections_per_address` and `max_handshakes`), `refused` (requests
 * beyond a limit), `retained_topics`, `retained_bytes` and `history_bytes` (what is kept of
 * events). To be freed by wamp_message_free(). NULL on failure.
 */
WAMP_API struct wamp_message_t *wamp_router_stats(struct wamp_router_t *router);

/**
 * Ends the session with the id `session` (0: all clients). With a `reason`, a URI, the router
 * sends GOODBYE; without one (NULL) it cuts the connection abruptly, as if the network had failed,
 * to test how programs react. Never waits for the clients.
 *
 * Returns how many clients there were, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT (a negative session),
 * WAMP_ERR_UTF8, WAMP_ERR_URI, WAMP_ERR_NO_SUCH_ID (no such session).
 */
WAMP_API int wamp_router_kick(struct wamp_router_t *router, int64_t session, const char *reason);

/**
 * Closes a router gracefully: it accepts no new clients, pending calls get the error
 * `wamp.error.canceled`, and each client gets a GOODBYE with `wamp.close.system_shutdown`, after
 * which clients reconnect by themselves. Returns when each has answered; a client that has not
 * answered within `timeout_ms` (negative: no limit) is cut off. The router's ports and Unix
 * sockets are free then, and none of its callbacks is running, unless this is called in one. It
 * still has to be freed.
 *
 * Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_TIMEOUT (a client was cut off, or a callback is
 * still running), WAMP_ERR_DEADLOCK (in a callback of inline dispatch), WAMP_ERR_FORKED.
 */
WAMP_API int wamp_router_close(struct wamp_router_t *router, int timeout_ms);

/**
 * Stops a router and frees it. Its clients get a GOODBYE, which has been written to their sockets
 * when this returns, except in a callback of inline dispatch. It does not wait for their answers:
 * each has a second for that, unless the process ends. Questions that are open are refused, and no
 * further callback is called, though one may still be running. Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_router_free(struct wamp_router_t *router);

/**
 * Has a router that runs go by another configuration. `config` is the whole of it, as
 * wamp_router_new() takes it: what is left out has its default. If anything is wrong with it
 * nothing changes. A file of users that it names is read again.
 *
 * All sessions have been judged anew when this returns; it works in small steps, so that those
 * who may stay notice nothing. Subscriptions and registrations that are not allowed any more are
 * revoked, with the reason `wamp.error.not_authorized`; testaments that are not are dropped; calls
 * that are on their way go on. What wamp_router_on_authorize() or an authorizer has answered with
 * `cache` is forgotten; what was subscribed or registered by such an answer stays.
 *
 * A session is closed with `wamp.close.killed` if its client would not be let in any more: the
 * user, or its method, is not in `auth`. If it would have another role it is closed with
 * `wamp.close.system_shutdown`, after which clients of this library join again. A secret that has
 * changed ends no session. Sessions in realms that are not listed any more are closed with
 * `wamp.close.close_realm`. Clients that log in meanwhile are judged by the new configuration. All
 * of this holds for the settings of the listener, too, by which a client came.
 *
 * Most keys hold at once; docs/ROUTER.md tells of each. For new connections only: `tls` (so a new
 * certificate is taken), `permessage_deflate`, `allowed_origins`, `trusted_proxies`,
 * `hello_timeout`, `max_message_size` and `max_unjoined_size`; for new sessions only:
 * `strict_request_ids`. `dispatch` cannot be changed, nor can `tls` be left out while a listener
 * needs it. Listeners that are not in `listeners` any more are closed, and so are their sessions,
 * with `wamp.close.system_shutdown`; new ones are opened by wamp_router_listen() without a URL.
 *
 * Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_UTF8, WAMP_ERR_OPTION (something is wrong with
 * `config`, or cannot be changed; wamp_last_error() tells what), WAMP_ERR_CLOSED,
 * WAMP_ERR_FORKED.
 */
WAMP_API int wamp_router_reload(struct wamp_router_t *router, const char *config);

/**
 * Sets the callback for WAMP_AUTHENTICATE, called when a client wants to join: the program decides
 * whether it may, and as whom.
 *
 * It decides through wamp_event_question(): at once, or, after retaining that, later and from any
 * thread, within the router's `question_timeout`; without an answer the client is refused. With
 * `auth`, it is asked last, about clients that have proved by a method of `auth` who they are:
 * `authid`, `authrole` and `authmethod` in the details are what they have proved. Without `auth`
 * it alone decides, and can challenge the client by wamp_question_challenge() before it does;
 * `authid` is what the client claims then. `realm`, `session`, `authmethods`, `authextra` and
 * `transport` (`peer`: the address, of IPv6 its network; `channel_id` of TLS, as cryptosign binds
 * to it; `client_cert`: the certificate that the client has shown, PEM; each may be null) are
 * always there.
 *
 * Set it before wamp_router_listen(). With a NULL callback nothing is asked, except that in manual
 * mode the event comes through wamp_router_poll(). The router's option `dispatch` decides on which
 * thread it runs; callbacks of one router run one after the other. `free` (may be NULL) runs
 * exactly once: when another callback takes its place, when the router is freed, or when this call
 * fails. Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_router_on_authenticate(struct wamp_router_t *router,
                                         wamp_callback_t callback,
                                         void *user_data,
                                         wamp_free_t free);

/**
 * Sets the callback for WAMP_AUTHORIZE, called when a client that has joined from now on wants to
 * call, register, publish or subscribe: the program decides whether it may.
 *
 * It is asked about what the key `roles` allows; without that key, about everything. The details
 * are `action` ("call", "register", "publish", "subscribe"), `uri`, `match` ("exact", "prefix",
 * "wildcard": a pattern stands for everything that it matches), `options`, and `session`, `realm`,
 * `authid`, `authrole`, `authmethod`, `authprovider` of the client. It decides through
 * wamp_event_question(), as wamp_router_on_authenticate() has it; without an answer the request is
 * refused with `wamp.error.authorization_failed`. Meanwhile the client's later messages wait, and
 * nobody else's: do not wait in it for that client. Requests that are made often are better
 * answered with `cache`. A testament is asked about as the publication that it will be, when it is
 * made. For all else see wamp_router_on_authenticate(). Returns as
 * wamp_router_on_authenticate().
 */
WAMP_API int wamp_router_on_authorize(struct wamp_router_t *router,
                                      wamp_callback_t callback,
                                      void *user_data,
                                      wamp_free_t free);

/**
 * Manual mode: runs the router's callbacks on this thread, as wamp_connection_dispatch() does
 * those of a connection. Returns the number of events, or WAMP_ERR_HANDLE, WAMP_ERR_STATE (not in
 * manual mode), WAMP_ERR_DEADLOCK (inside one of these callbacks).
 */
WAMP_API int wamp_router_dispatch(struct wamp_router_t *router, int max, int timeout_ms);

/**
 * Manual mode: fills an array with views of the router's events, as wamp_connection_poll() does
 * with those of a connection. The views and the questions that they lend are valid until the next
 * poll, dispatch or free; a question that was neither answered nor retained by then is refused.
 * Returns the number of events, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_STATE (not in
 * manual mode), WAMP_ERR_DEADLOCK (inside a callback of the router).
 */
WAMP_API int wamp_router_poll(struct wamp_router_t *router,
                              struct wamp_event_t *events,
                              size_t event_size,
                              int max,
                              int timeout_ms);

/**
 * Manual mode: a file descriptor that is readable while events of the router are waiting, as
 * wamp_connection_fd() has it. It is closed when the router is freed. Returns the fd (>= 0), or
 * WAMP_ERR_HANDLE, WAMP_ERR_STATE (not in manual mode), WAMP_ERR_EXHAUSTED.
 */
WAMP_API int wamp_router_fd(struct wamp_router_t *router);

/**
 * Manual mode, on Windows: writes an event object (a HANDLE) that is signaled while events of the
 * router are waiting to `*event`, as wamp_connection_event() has it; NULL on failure. Returns
 * WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_ARGUMENT, WAMP_ERR_STATE (not in manual mode),
 * WAMP_ERR_EXHAUSTED, WAMP_ERR_UNSUPPORTED (not on Windows).
 */
WAMP_API int wamp_router_event(struct wamp_router_t *router, void **event);

/**
 * Manual mode, for hosts without file descriptors: `wakeup` is called when events of the router
 * start to wait, as wamp_connection_set_wakeup() has it. Returns WAMP_OK, or WAMP_ERR_HANDLE,
 * WAMP_ERR_STATE (not in manual mode).
 */
WAMP_API int wamp_router_set_wakeup(struct wamp_router_t *router,
                                    wamp_wakeup_t wakeup,
                                    void *user_data,
                                    wamp_free_t free);

/* ---- Questions of a router --------------------------------------------------------------------- */

/**
 * The question of a WAMP_AUTHENTICATE or WAMP_AUTHORIZE, to be answered once by
 * wamp_question_allow(), wamp_question_deny() or wamp_question_challenge().
 *
 * It is lent for the callback, or until the next poll; to answer later, retain it. NULL for other
 * events, and once the question has ended.
 */
WAMP_API struct wamp_question_t *wamp_event_question(const struct wamp_event_t *event);

/**
 * Keeps a question beyond its callback, to answer it later from any thread; each retain needs a
 * matching wamp_question_release(). The client waits meanwhile, up to the router's
 * `question_timeout`. Returns WAMP_OK or WAMP_ERR_HANDLE.
 */
WAMP_API int wamp_question_retain(struct wamp_question_t *question);

/**
 * Gives a question back. If it was never answered and no other reference is left, it is answered
 * as by wamp_question_deny(question, NULL, NULL). Returns WAMP_OK or WAMP_ERR_HANDLE, also for one
 * that this program did not retain.
 */
WAMP_API int wamp_question_release(struct wamp_question_t *question);

/**
 * Says yes: the client may join, or do what it wants. Allowed on any thread, once.
 *
 * `options` (JSON object, may be NULL) is copied. For WAMP_AUTHENTICATE it says under which
 * `authid`, `authrole`, `authmethod`, `authprovider` and `realm`, and which `authextra` the client
 * is told; what it leaves out is as `auth` of the router has it. Without `auth`, the authid is
 * what the client claims to be, the role "user", and both are made for one that claims nothing
 * ("anonymous"). For WAMP_AUTHORIZE: with `cache` (true or false) the answer holds for the same
 * action and URI as long as the session lasts, with `disclose` callees and subscribers are told
 * who the client is.
 *
 * Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_UTF8, WAMP_ERR_OPTION (the question is still open
 * then), WAMP_ERR_STATE (answered already), WAMP_ERR_CLOSED (too late: the client has left, or the
 * time is over).
 */
WAMP_API int wamp_question_allow(struct wamp_question_t *question, const char *options);

/**
 * Says no. Allowed on any thread, once.
 *
 * `reason` is a URI, NULL for `wamp.error.authentication_failed` or `wamp.error.not_authorized`;
 * `message` (may be NULL) is a text for people, which the client is told. A login is refused
 * after the delay that failed logins have, and without `message` in the same words as by the
 * router itself: say no more to those who may be guessing. A publication that is not to be
 * acknowledged fails silently. Returns as wamp_question_allow(), and WAMP_ERR_URI.
 */
WAMP_API int wamp_question_deny(struct wamp_question_t *question,
                                const char *reason,
                                const char *message);

/**
 * Asks back, for WAMP_AUTHENTICATE alone: the client is sent a CHALLENGE, and its answer comes as
 * another WAMP_AUTHENTICATE, whose details have `method`, `challenge` (the `extra` given here),
 * `signature` and `extra` of the answer as well. Can be done several times in one login.
 *
 * `method` is one of those that the client has offered, such as "ticket"; `extra` (JSON object,
 * may be NULL) is what the method needs. Both are copied. Returns as wamp_question_allow(), and
 * WAMP_ERR_ARGUMENT.
 */
WAMP_API int wamp_question_challenge(struct wamp_question_t *question,
                                     const char *method,
                                     const char *extra);

/* ---- Authentication helpers -------------------------------------------------------------------- */

/**
 * The key derived from a salted WAMP-CRA secret: a router may keep it instead of the secret, and
 * wamp_auth_cra_sign() needs it if the challenge has a `salt`.
 *
 * `iterations` and `keylen` are those of the challenge; 0 stands for the usual 1000 and 32. The
 * result is base64, and this text itself is used as the key.
 *
 * Like the other wamp_auth_... functions it needs no connection and may be called on any thread.
 * The result is written to `out`, which the caller owns, with a NUL at its end. Returns the number
 * of its characters, not counting the NUL. If that is not less than `out_size`, the result did not
 * fit and only an empty text was written, so (NULL, 0) asks for the size. Otherwise
 * WAMP_ERR_ARGUMENT (also for a cost that is out of range: see wamp_last_error()), WAMP_ERR_UTF8.
 */
WAMP_API int wamp_auth_cra_derive_key(const char *secret,
                                      const char *salt,
                                      uint32_t iterations,
                                      uint32_t keylen,
                                      char *out,
                                      size_t out_size);

/**
 * The signature of a WAMP-CRA challenge, which is passed as it was received. `key` is the secret
 * or, if the challenge has a `salt`, the result of wamp_auth_cra_derive_key().
 *
 * Writes base64 to `out`, 44 characters; returns as wamp_auth_cra_derive_key().
 */
WAMP_API int wamp_auth_cra_sign(const char *key, const char *challenge, char *out, size_t out_size);

/**
 * The public key that belongs to a private key for cryptosign, in the form that routers and
 * `authextra.pubkey` expect.
 *
 * `privkey` is a seed of 64 hexadecimal digits, or the text or path of a key file: OpenSSH or
 * PKCS#8, of the type ed25519, without passphrase. Writes 64 hexadecimal digits to `out`; returns
 * as wamp_auth_cra_derive_key(), WAMP_ERR_ARGUMENT also if it is not such a key.
 */
WAMP_API int wamp_auth_cryptosign_public_key(const char *privkey, char *out, size_t out_size);

/**
 * Signs a cryptosign challenge. `privkey` as for wamp_auth_cryptosign_public_key(); `challenge`:
 * 64 hexadecimal digits, as received; `channel_id`: 64 hexadecimal digits if the login is bound to
 * its TLS channel, else NULL.
 *
 * Writes to `out` what AUTHENTICATE needs, 192 hexadecimal digits: the signature and the signed
 * data. Returns as wamp_auth_cra_derive_key().
 */
WAMP_API int wamp_auth_cryptosign_sign(const char *privkey,
                                       const char *challenge,
                                       const char *channel_id,
                                       char *out,
                                       size_t out_size);

/**
 * The SaltedPassword of SCRAM, from which proofs and stored keys are made. Takes as long as its
 * cost parameters demand, up to several seconds.
 *
 * `kdf`, `salt` (base64), `iterations` and `memory` (KiB; only for argon2) are those of the
 * challenge. The spelling of `kdf` matters: "pbkdf2" and "argon2id13" are the specification's;
 * "argon2id-13" is that of Crossbar.io and Autobahn, where the base64 text of the hash replaces
 * the hash, and the password is used as it is, without SASLprep. Costs below 4096 iterations of
 * pbkdf2 or 512 KiB of memory are refused, and so are absurdly high ones.
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
 * and of the challenge. Crossbar.io's method "scram" has nothing after `c=`.
 *
 * Writes base64 to `out`, 44 characters; returns as wamp_auth_cra_derive_key().
 */
WAMP_API int wamp_auth_scram_client_proof(const char *salted_password,
                                          const char *auth_message,
                                          char *out,
                                          size_t out_size);

/**
 * The ServerSignature of SCRAM, by which a client verifies the router: compare it with
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
/** Anonymous sessions are not admitted. */
#define WAMP_URI_AUTHENTICATION_REQUIRED "wamp.error.authentication_required"
/** The session may not do this. */
#define WAMP_URI_AUTHORIZATION_DENIED "wamp.error.authorization_denied"
/** The router could not find out whether the session may. */
#define WAMP_URI_AUTHORIZATION_FAILED "wamp.error.authorization_failed"
/** The session must be authorized first. */
#define WAMP_URI_AUTHORIZATION_REQUIRED "wamp.error.authorization_required"
/** The call was canceled, or its callee is gone. */
#define WAMP_URI_CANCELED "wamp.error.canceled"
/** The client has no answer to the challenge. */
#define WAMP_URI_CANNOT_AUTHENTICATE "wamp.error.cannot_authenticate"
/** The router does not disclose callers or publishers. */
#define WAMP_URI_DISCLOSE_ME "wamp.error.option_disallowed.disclose_me"
/** The peer does not support what the request needs. */
#define WAMP_URI_FEATURE_NOT_SUPPORTED "wamp.error.feature_not_supported"
/** The arguments are not valid for the procedure. */
#define WAMP_URI_INVALID_ARGUMENT "wamp.error.invalid_argument"
/** The URI is not valid. */
#define WAMP_URI_INVALID_URI "wamp.error.invalid_uri"
/** The request would exceed a limit of the router. */
#define WAMP_URI_LIMIT_EXCEEDED "wamp.error.limit_exceeded"
/** The connection failed between the request and its answer. */
#define WAMP_URI_NETWORK_FAILURE "wamp.error.network_failure"
/** The router supports none of the offered methods (Crossbar.io). */
#define WAMP_URI_NO_AUTH_METHOD "wamp.error.no_auth_method"
/** All callees of the procedure are unavailable. */
#define WAMP_URI_NO_AVAILABLE_CALLEE "wamp.error.no_available_callee"
/** No callee is eligible for the call (nexus). */
#define WAMP_URI_NO_ELIGIBLE_CALLEE "wamp.error.no_eligible_callee"
/** The router supports none of the offered methods. */
#define WAMP_URI_NO_MATCHING_AUTH_METHOD "wamp.error.no_matching_auth_method"
/** The router does not know the authid. */
#define WAMP_URI_NO_SUCH_PRINCIPAL "wamp.error.no_such_principal"
/** The procedure is not registered. */
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
/** The router does not allow this option. */
#define WAMP_URI_OPTION_NOT_ALLOWED "wamp.error.option_not_allowed"
/** The message is larger than the peer accepts. */
#define WAMP_URI_PAYLOAD_SIZE_EXCEEDED "wamp.error.payload_size_exceeded"
/** The procedure is registered already. */
#define WAMP_URI_PROCEDURE_ALREADY_EXISTS "wamp.error.procedure_already_exists"
/** The peer broke the rules of the protocol. */
#define WAMP_URI_PROTOCOL_VIOLATION "wamp.error.protocol_violation"
/** The callee failed without giving a URI of its own. */
#define WAMP_URI_RUNTIME_ERROR "wamp.error.runtime_error"
/** The call's time limit has passed. */
#define WAMP_URI_TIMEOUT "wamp.error.timeout"
/** A callee cannot take the call at the moment: the router may ask another one. */
#define WAMP_URI_UNAVAILABLE "wamp.error.unavailable"
/** The usual reason for a GOODBYE. */
#define WAMP_URI_CLOSE_NORMAL "wamp.close.normal"
/** The realm is being closed. */
#define WAMP_URI_CLOSE_REALM "wamp.close.close_realm"
/** The router is shutting down. */
#define WAMP_URI_CLOSE_SYSTEM_SHUTDOWN "wamp.close.system_shutdown"
/** The session was ended by a third party. */
#define WAMP_URI_CLOSE_KILLED "wamp.close.killed"
/** The user logs out; cookies end, too. */
#define WAMP_URI_CLOSE_LOGOUT "wamp.close.logout"
/** The answer to a GOODBYE. */
#define WAMP_URI_GOODBYE_AND_OUT "wamp.close.goodbye_and_out"
/** The default reason of wamp_connection_close(). */
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
