/*
 * The last moments of threads and of the process: in the destructors of thread keys, in all their rounds, and in exit
 * handlers every function works, or says why not.
 */
#include "scenario.h"

#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 3 /* a destructor that sets its key again is called again */

static wamp_connection_t *connection, *polled;
static wamp_session_t *session;
static pthread_key_t key;
static latch_t ended = LATCH;
static void (*in_destructor)(void);

static void on_any(const wamp_event_t *event, void *user_data) {
  (void)event;
  (void)user_data;
}

/* ---- what is called there ---- */

static void calls(void) {
  GOOD(wamp_session_call_sync(session, "wamp.session.count", NULL, NULL, LIMIT_MS, NULL));
  FAILS(wamp_session_call_sync(session, "com.test.nobody", NULL, NULL, LIMIT_MS, NULL), WAMP_ERR_REMOTE);
  CHECK(strstr(wamp_last_error(), "no_such_procedure") != NULL);
  GOOD(wamp_session_call(session, "wamp.session.count", NULL, NULL, on_any, NULL, NULL));
}

static void publications(void) {
  wamp_builder_t *builder = wamp_builder_new(WAMP_JSON);
  GOOD(wamp_builder_int(builder, 1));
  GOOD(wamp_session_publish(session, "com.test.topic", wamp_builder_payload(builder), NULL));
  GOOD(wamp_builder_free(builder));
  GOOD(wamp_session_publish_ack_sync(session, "com.test.topic", NULL, NULL, LIMIT_MS, NULL));
  GOOD(wamp_session_subscribe_sync(session, "com.test.topic", NULL, on_any, NULL, NULL, LIMIT_MS));
  GOOD(wamp_connection_flush(connection, LIMIT_MS));
}

static void errors(void) {
  FAILS(wamp_connection_flush(NULL, 0), WAMP_ERR_HANDLE);
  CHECK(strstr(wamp_last_error(), "handle") != NULL);
  GOOD(wamp_session_log(session, "a line"));
}

static void dispatching(void) {
  GOOD(wamp_connection_dispatch(polled, 0, 0));
  GOOD(wamp_message_free(wamp_connection_stats(connection)));
}

static void connections(void) {
  wamp_connection_t *another = scenario_connection("thread", NULL);
  wamp_session_t *joined = scenario_join(another);
  FAILS(wamp_connection_open(another), WAMP_ERR_STATE);
  scenario_leave(another, joined);
}

static void routers(void) {
  wamp_router_t *router = wamp_router_new(NULL);
  GOOD(wamp_router_listen(router, "rs://127.0.0.1:0", NULL));
  GOOD(wamp_router_listen(router, "ws://127.0.0.1:0/ws", NULL));
  GOOD(wamp_router_free(router));
}

static void hashes(void) {
  char key_text[128];
  GOOD(wamp_auth_scram_salted_password("pbkdf2", "x", "c2FsdHNhbHQ=", 4096, 0, key_text, sizeof key_text));
}

static void (*const all[])(void) = {calls, publications, errors, dispatching, connections, routers, hashes};
#define ALL (sizeof all / sizeof *all)

/* ---- the destructors of a thread ---- */

static void destructor(void *round) {
  in_destructor();
  latch_hit(&ended);
  if ((intptr_t)round < ROUNDS) pthread_setspecific(key, (void *)((intptr_t)round + 1));
}

static void *thread(void *used_before) {
  if (used_before) in_destructor();
  CHECK(pthread_setspecific(key, (void *)1) == 0);
  return NULL;
}

static void threads(void) {
  size_t i;
  int used_before;
  CHECK(pthread_key_create(&key, destructor) == 0);
  for (i = 0; i < ALL; i++) {
    in_destructor = all[i];
    for (used_before = 0; used_before < 2; used_before++) {
      pthread_t ending;
      long before = latch_count(&ended);
      CHECK(pthread_create(&ending, NULL, thread, used_before ? &used_before : NULL) == 0);
      CHECK(pthread_join(ending, NULL) == 0);
      CHECK(latch_count(&ended) == before + ROUNDS);
    }
  }
}

/* ---- the exit of the process: a barrier is one, and everything can still be used ---- */

static void begin(void) {
  scenario_start_router(NULL);
  connection = scenario_connection("thread", NULL);
  polled = scenario_connection("manual", NULL);
  scenario_unpump(polled);
  session = scenario_join(connection);
  GOOD(wamp_connection_open(polled));
}

static void finish(void) {
  GOOD(wamp_connection_close(polled, NULL, NULL, LIMIT_MS));
  GOOD(wamp_connection_free(polled));
  scenario_leave(connection, session);
}

static bool barrier;

static void on_event(const wamp_event_t *event, void *user_data) {
  struct timespec pause = {0, 300000};
  (void)event;
  (void)user_data;
  CHECK(!barrier);
  nanosleep(&pause, NULL); /* so that many are still to come */
}

static void at_exit(void) {
  size_t i;
  for (i = 0; i < ALL; i++) all[i]();
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  barrier = true;
  GOOD(wamp_session_release(session));
  GOOD(wamp_connection_free(connection));
  GOOD(wamp_connection_close(polled, NULL, NULL, LIMIT_MS));
  GOOD(wamp_connection_free(polled));
  GOOD(wamp_router_free(scenario.router));
  GOOD(wamp_shutdown(LIMIT_MS));
  fflush(NULL);
  _exit(42);
}

static void *exits(void *unused) {
  (void)unused;
  exit(1);
}

/* `from`: the thread that calls exit(). */
static void exiting(const char *from) {
  int status = 0, i;
  pid_t child = fork(); /* before the library has begun: it does not work in forked children */
  CHECK(child >= 0);
  if (child == 0) {
    CHECK(atexit(at_exit) == 0);
    begin();
    calls();
    GOOD(wamp_session_subscribe_sync(session, "com.test.many", NULL, on_event, NULL, NULL, LIMIT_MS));
    for (i = 0; i < 1000; i++) GOOD(wamp_session_publish(session, "com.test.many", NULL, "{\"exclude_me\": false}"));
    if (strcmp(from, "another") == 0) {
      pthread_t another;
      CHECK(pthread_create(&another, NULL, exits, NULL) == 0);
      CHECK(pthread_join(another, NULL) == 0);
    }
    exit(1);
  }
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

int main(int argc, char **argv) {
  scenario_begin_alone(argc, argv, "local_last_moments");
  exiting("main");
  exiting("another");
  begin();
  threads();
  finish();
  return scenario_end();
}
