/*
 * What the scenarios share. Each scenario is one program:
 *
 *     NAME [URL [REALM [MODE]]]
 *
 * URL, REALM  the router to use; missing or empty: an embedded router, "realm1". Files named local_* always use the
 *             embedded router, or none.
 * MODE        the dispatch mode of the connections under test: thread (default), manual or inline.
 *
 * A scenario prints "ok: NAME" and exits 0, or tells the place and the reason and exits 1. Nothing depends on how fast
 * things happen: a wait ends when what it waits for has happened, or fails when for a minute nothing happened at all.
 * WAMP_TEST_COUNT in the environment sets how much the long scenarios do, WAMP_TEST_SERIALIZERS (a JSON list) the option
 * `serializers` of the connections. With WAMP_TEST_JITTER (microseconds) every thread dawdles, up to so long, after each
 * call of the library and each hit of a latch: what a scenario takes for granted about the order of things then shows.
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wamp.h>

#ifndef LIMIT_SECONDS
#define LIMIT_SECONDS 60
#endif
#define LIMIT_MS (LIMIT_SECONDS * 1000)

typedef struct scenario_t {
  const char *name;
  const char *mode;
  char url[256];
  char realm[128];
  wamp_router_t *router;
  pthread_t main_thread;
  long jitter; /* in microseconds */
  wamp_connection_t *pumped[16]; /* the connections in manual mode: the main thread dispatches them while it waits */
} scenario_t;

static scenario_t scenario;

/* Sleeps for some part of the jitter. The clock alone would give threads that hurry after the same event the same part. */
static inline void scenario_dawdle(void) {
  struct timespec pause;
  uint64_t drawn;
  if (scenario.jitter <= 0) return;
  clock_gettime(CLOCK_MONOTONIC, &pause);
  drawn = ((uint64_t)pause.tv_nsec ^ (uintptr_t)&pause) * 6364136223846793005u >> 33; /* its stack tells the thread */
  pause.tv_sec = 0;
  pause.tv_nsec = (long)(drawn % ((uint64_t)scenario.jitter * 1000));
  nanosleep(&pause, NULL);
}

/* ---- checks ---- */

static inline void scenario_fail(const char *file, int line, const char *what) {
  fprintf(stderr, "%s:%d: %s: failed: %s\n  last error: %s\n", file, line, scenario.name, what, wamp_last_error());
  fflush(stderr);
  _Exit(1); /* not exit(): this may be a thread of the library, which must not run the host's exit handlers */
}

static inline int64_t scenario_status(int64_t got, int64_t wanted, const char *file, int line, const char *what) {
  if (wanted >= 0 ? got < 0 : got != wanted) {
    fprintf(stderr, "  got %" PRId64 " (%s)", got, wamp_status_name(got < 0 ? (int)got : WAMP_OK));
    fprintf(stderr, ", wanted %s\n", wanted >= 0 ? "success" : wamp_status_name((int)wanted));
    scenario_fail(file, line, what);
  }
  scenario_dawdle();
  return got;
}

static inline void scenario_same(const char *got, const char *wanted, const char *file, int line, const char *what) {
  if (got && strcmp(got, wanted) == 0) return;
  fprintf(stderr, "  got %s, wanted %s\n", got ? got : "nothing", wanted);
  scenario_fail(file, line, what);
}

/* CHECK(condition); GOOD(call) wants success and gives its result; FAILS(call, WAMP_ERR_X) wants exactly that error. */
#define CHECK(condition) ((condition) ? (void)0 : scenario_fail(__FILE__, __LINE__, #condition))
#define GOOD(call) scenario_status((call), WAMP_OK, __FILE__, __LINE__, #call)
#define FAILS(call, status) ((void)scenario_status((call), (status), __FILE__, __LINE__, #call " == " #status))
#define SAME(text, wanted) scenario_same((text), (wanted), __FILE__, __LINE__, #text " is " #wanted)

/* ---- latches: counters to wait for ---- */

typedef struct latch_t {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  long count;
  long target; /* what the waiting thread wants: it is woken only then */
} latch_t;

#define LATCH {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0}

/* For latches that are not variables of their own. */
static inline void latch_init(latch_t *latch) {
  pthread_mutex_init(&latch->mutex, NULL);
  pthread_cond_init(&latch->changed, NULL);
  latch->count = latch->target = 0;
}

static inline void latch_hit(latch_t *latch) {
  pthread_mutex_lock(&latch->mutex);
  latch->count++;
  if (latch->count >= latch->target) pthread_cond_broadcast(&latch->changed);
  pthread_mutex_unlock(&latch->mutex);
  scenario_dawdle();
}

static inline long latch_count(latch_t *latch) {
  long count;
  pthread_mutex_lock(&latch->mutex);
  count = latch->count;
  pthread_mutex_unlock(&latch->mutex);
  return count;
}

/* Sleeps until the target is reached, but at most a second. Gives the count. */
static inline long latch_sleep(latch_t *latch, long target) {
  struct timespec until;
  long count;
  int rc = 0;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 1;
  pthread_mutex_lock(&latch->mutex);
  latch->target = target;
  while (latch->count < target && rc == 0) rc = pthread_cond_timedwait(&latch->changed, &latch->mutex, &until);
  count = latch->count;
  pthread_mutex_unlock(&latch->mutex);
  return count;
}

/* Runs the callbacks that wait in connections of manual mode. False: there are none, or this is not their thread. */
static inline bool scenario_pump(void) {
  bool pumped = false;
  size_t i;
  if (!pthread_equal(pthread_self(), scenario.main_thread)) return false;
  for (i = 0; i < sizeof scenario.pumped / sizeof *scenario.pumped; i++) {
    int status;
    if (!scenario.pumped[i]) continue;
    status = wamp_connection_dispatch(scenario.pumped[i], 0, 0);
    if (status == WAMP_ERR_HANDLE) scenario.pumped[i] = NULL; /* freed meanwhile, maybe by its own callback */
    if (status < 0) continue;
    pumped = true;
  }
  return pumped;
}

/* Waits a moment for something to pump. The moment is short because the latch may be hit from another thread, too. */
static inline void scenario_pause(void) {
  struct pollfd waiting[16];
  nfds_t count = 0;
  size_t i;
  for (i = 0; i < sizeof scenario.pumped / sizeof *scenario.pumped; i++) {
    int fd = scenario.pumped[i] ? wamp_connection_fd(scenario.pumped[i]) : -1;
    if (fd < 0) continue;
    waiting[count].fd = fd;
    waiting[count].events = POLLIN;
    waiting[count++].revents = 0;
  }
  poll(waiting, count, 10);
}

static inline time_t scenario_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

static inline void latch_wait(latch_t *latch, long target, const char *file, int line, const char *what) {
  long last = latch_count(latch);
  time_t progress = scenario_seconds();
  for (;;) {
    bool pumped = scenario_pump();
    long count = pumped ? latch_count(latch) : latch_sleep(latch, target);
    if (count >= target) return;
    if (count != last) {
      last = count;
      progress = scenario_seconds();
    } else if (scenario_seconds() - progress > LIMIT_SECONDS) {
      fprintf(stderr, "  waited in vain for %ld, got %ld\n", target, count);
      scenario_fail(file, line, what);
    }
    if (pumped) scenario_pause();
  }
}

/* Waits until the latch has been hit at least `times` times. */
#define WAIT(latch, times) latch_wait(&(latch), (times), __FILE__, __LINE__, #latch " reaches " #times)

/* A wamp_free_t for user_data that is a latch. */
static inline void latch_free(void *latch) { latch_hit(latch); }

/* ---- inboxes: they keep the first events that a callback gets ---- */

#define INBOX_SIZE 32

typedef struct inbox_t {
  latch_t got;
  wamp_message_t *kept[INBOX_SIZE];
} inbox_t;

#define INBOX {LATCH, {NULL}}

/* A wamp_callback_t for user_data that is an inbox. */
static inline void inbox_callback(const wamp_event_t *event, void *user_data) {
  inbox_t *inbox = user_data;
  long count = latch_count(&inbox->got); /* callbacks of one connection are serial: nobody else adds meanwhile */
  CHECK(event->user_data == user_data);
  if (count < INBOX_SIZE) {
    inbox->kept[count] = wamp_event_keep(event);
    CHECK(inbox->kept[count] != NULL);
  }
  latch_hit(&inbox->got);
}

/* The index-th event, which must have been waited for, and be of this kind. */
static inline const wamp_event_t *inbox_event(inbox_t *inbox, int index, uint32_t kind) {
  const wamp_event_t *event;
  CHECK(index < INBOX_SIZE && index < latch_count(&inbox->got));
  event = wamp_message_event(inbox->kept[index]);
  CHECK(event != NULL);
  if (event->kind != kind)
    fprintf(stderr, "  kind %" PRIu32 ", wanted %" PRIu32 ": %s %s\n", event->kind, kind, event->uri, event->message);
  CHECK(event->kind == kind);
  return event;
}

static inline const wamp_value_t *inbox_arg(inbox_t *inbox, int index, uint32_t kind, size_t arg) {
  return wamp_value_at(wamp_event_args(inbox_event(inbox, index, kind)), arg);
}

static inline void inbox_empty(inbox_t *inbox) {
  int i;
  for (i = 0; i < INBOX_SIZE; i++) {
    if (inbox->kept[i]) GOOD(wamp_message_free(inbox->kept[i]));
    inbox->kept[i] = NULL;
  }
  pthread_mutex_lock(&inbox->got.mutex);
  inbox->got.count = 0;
  pthread_mutex_unlock(&inbox->got.mutex);
}

/* ---- router, connections, sessions ---- */

/* Starts the embedded router. `config`: JSON for wamp_router_new(), or NULL. */
static inline void scenario_start_router(const char *config) {
  const char *url = NULL;
  scenario.router = wamp_router_new(config);
  CHECK(scenario.router != NULL);
  GOOD(wamp_router_listen(scenario.router, "ws://127.0.0.1:0/ws", &url));
  CHECK(url != NULL);
  snprintf(scenario.url, sizeof scenario.url, "%s", url);
}

/* The router's URL: the one given, or that of an embedded router, started at the first need. */
static inline const char *scenario_url(int argc, char **argv) {
  if (argc > 1 && argv[1][0] && strncmp(scenario.name, "local_", 6) != 0) {
    snprintf(scenario.url, sizeof scenario.url, "%s", argv[1]);
  } else if (!scenario.router) {
    scenario_start_router(NULL);
  }
  return scenario.url;
}

/* For scenarios that need no router. */
static inline void scenario_begin_alone(int argc, char **argv, const char *name) {
  const char *jitter = getenv("WAMP_TEST_JITTER");
  scenario.name = name;
  scenario.main_thread = pthread_self();
  scenario.jitter = jitter ? strtol(jitter, NULL, 10) : 0;
  scenario.mode = argc > 3 && argv[3][0] ? argv[3] : "thread";
  snprintf(scenario.realm, sizeof scenario.realm, "%s", argc > 2 && argv[2][0] ? argv[2] : "realm1");
}

static inline void scenario_begin(int argc, char **argv, const char *name) {
  scenario_begin_alone(argc, argv, name);
  scenario_url(argc, argv);
}

/* With an embedded router of this configuration, where the router is embedded. */
static inline void scenario_begin_with(int argc, char **argv, const char *name, const char *config) {
  scenario_begin_alone(argc, argv, name);
  if (argc <= 1 || !argv[1][0] || strncmp(name, "local_", 6) == 0) scenario_start_router(config);
  scenario_url(argc, argv);
}

/* Whether the router is ours, so that its configuration is known and its clients can be thrown out. */
static inline bool scenario_is_embedded(void) { return scenario.router != NULL; }

static inline bool scenario_is_manual(void) { return strcmp(scenario.mode, "manual") == 0; }

/* How much a long scenario shall do. */
static inline long scenario_count(long usual) {
  const char *text = getenv("WAMP_TEST_COUNT");
  long count = text ? strtol(text, NULL, 10) : 0;
  return count > 0 ? count : usual;
}

/* A connection that is not opened yet. `more`: further options, such as "\"close_timeout\": 1", or NULL. */
static inline wamp_connection_t *scenario_connection(const char *mode, const char *more) {
  const char *serializers = getenv("WAMP_TEST_SERIALIZERS");
  char options[1024];
  wamp_connection_t *connection;
  size_t i = 0;
  snprintf(options, sizeof options,
           "{\"url\": \"%s\", \"realm\": \"%s\", \"dispatch\": \"%s\", \"serializers\": %s%s%s}", scenario.url,
           scenario.realm, mode, serializers ? serializers : "[\"json\"]", more ? ", " : "", more ? more : "");
  connection = wamp_connection_new(options);
  CHECK(connection != NULL);
  if (strcmp(mode, "manual") == 0) {
    while (scenario.pumped[i]) CHECK(++i < sizeof scenario.pumped / sizeof *scenario.pumped);
    scenario.pumped[i] = connection;
  }
  return connection;
}

/* Opens a connection and waits for its session. */
static inline wamp_session_t *scenario_join(wamp_connection_t *connection) {
  wamp_session_t *session = NULL;
  GOOD(wamp_connection_open(connection));
  GOOD(wamp_connection_session(connection, LIMIT_MS, &session));
  CHECK(session != NULL);
  return session;
}

static inline void scenario_unpump(wamp_connection_t *connection) {
  size_t i;
  for (i = 0; i < sizeof scenario.pumped / sizeof *scenario.pumped; i++)
    if (scenario.pumped[i] == connection) scenario.pumped[i] = NULL;
}

/* Closes a connection, waits until that is done, and frees it. The session may be NULL. */
static inline void scenario_leave(wamp_connection_t *connection, wamp_session_t *session) {
  if (session) GOOD(wamp_session_release(session));
  scenario_unpump(connection);
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  GOOD(wamp_connection_free(connection));
}

/* Whether the session has a feature. `role`: publisher, subscriber, caller or callee for what both sides can do, broker
 * or dealer for what the router announces. */
static inline bool scenario_can(wamp_session_t *session, const char *role, const char *feature) {
  wamp_message_t *features = wamp_session_features(session);
  const wamp_value_t *of_role = wamp_value_get(wamp_event_kwargs(wamp_message_event(features)), role);
  bool can = wamp_value_bool(wamp_value_get(of_role, feature));
  GOOD(wamp_message_free(features));
  return can;
}

/* Calls and waits for the end; gives the RESULT or ERROR, to be freed. Unlike call_sync, it serves our own callbacks
 * in manual mode while it waits. */
static inline wamp_message_t *scenario_call(wamp_session_t *session, const char *procedure,
                                            const wamp_payload_t *payload, const char *options) {
  inbox_t inbox = INBOX;
  GOOD(wamp_session_call(session, procedure, payload, options, inbox_callback, &inbox, NULL));
  WAIT(inbox.got, 1);
  return inbox.kept[0];
}

/* Calls, and wants a result, which is to be freed. */
static inline wamp_message_t *scenario_result(wamp_session_t *session, const char *procedure,
                                              const wamp_payload_t *payload, const char *options) {
  wamp_message_t *answer = scenario_call(session, procedure, payload, options);
  const wamp_event_t *event = wamp_message_event(answer);
  if (event->kind != WAMP_RESULT) {
    fprintf(stderr, "  %s: %s %s %.*s\n", procedure, event->uri, event->message, (int)event->payload.args_size,
            event->payload.args ? event->payload.args : "");
    scenario_fail(__FILE__, __LINE__, "the call has a result");
  }
  return answer;
}

/* Calls, and wants an error with this URI from the router or the callee. */
static inline void scenario_refused(wamp_session_t *session, const char *procedure, const wamp_payload_t *payload,
                                    const char *options, const char *uri) {
  wamp_message_t *answer = scenario_call(session, procedure, payload, options);
  const wamp_event_t *event = wamp_message_event(answer);
  CHECK(event->kind == WAMP_ERROR && event->status == WAMP_ERR_REMOTE);
  SAME(event->uri, uri);
  GOOD(wamp_message_free(answer));
}

/* All that the session's earlier requests have caused is told: the router answers a call after what came before it, and
 * events come in the order of the wire. Only to be asked of the session that was to hear of it. */
static inline void scenario_settle(wamp_session_t *session) {
  wamp_message_t *answer = scenario_call(session, "wamp.session.count", NULL, NULL);
  CHECK(answer != NULL);
  GOOD(wamp_message_free(answer));
}

/* The id that the router has given to a session. */
static inline int64_t scenario_id(wamp_session_t *session) {
  int64_t id;
  GOOD(wamp_session_id(session, &id));
  return id;
}

/* A text or number of a dict, for SAME and CHECK. */
static inline const char *scenario_text(const wamp_value_t *dict, const char *key) {
  return wamp_value_string(wamp_value_get(dict, key), NULL);
}

static inline int64_t scenario_int(const wamp_value_t *dict, const char *key) {
  return wamp_value_int(wamp_value_get(dict, key));
}

/* A procedure that returns its arguments. */
static inline void scenario_echo(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_yield(event->invocation, &event->payload));
}

/* The end of every scenario: nothing may be left, and the library must stop cleanly. */
static inline int scenario_end(void) {
  if (scenario.router) GOOD(wamp_router_free(scenario.router));
  scenario.router = NULL;
  GOOD(wamp_shutdown(LIMIT_MS / 2));
  printf("ok: %s\n", scenario.name);
  return 0;
}

#endif
