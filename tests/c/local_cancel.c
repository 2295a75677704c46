/*
 * A program cancels threads of its own that are in the library (pthread_cancel): none of its functions is a cancellation
 * point, so that they end what they do, and the thread ends at the program's own next point.
 */
#include "scenario.h"

static wamp_session_t *session;
static latch_t begun = LATCH, silent = LATCH;

static void *publishes(void *unused) {
  (void)unused;
  for (;;) {
    int64_t status = wamp_session_publish(session, "com.test.topic", WAMP_ARGS("[1]"), NULL);
    CHECK(status >= 0 || status == WAMP_ERR_AGAIN);
    latch_hit(&begun);
    pthread_testcancel();
  }
  return NULL;
}

static void *calls(void *unused) {
  (void)unused;
  for (;;) {
    GOOD(wamp_session_call_sync(session, "wamp.session.count", NULL, NULL, LIMIT_MS, NULL));
    latch_hit(&begun);
    pthread_testcancel();
  }
  return NULL;
}

static void on_silent(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_retain(event->invocation));
  latch_hit(&silent);
}

/* Waits when it is canceled, and until the wait is over. */
static void *waits(void *status) {
  *(int *)status = wamp_session_call_sync(session, "com.test.silent", NULL, "{\"timeout\": 300}", LIMIT_MS, NULL);
  pthread_testcancel();
  return NULL;
}

static void dispatched(const wamp_event_t *event, void *user_data) {
  if (event->kind != WAMP_OPEN) return;
  CHECK(pthread_cancel(pthread_self()) == 0);
  pthread_testcancel(); /* not here: there are frames of the library below */
  latch_hit(user_data);
}

static void *dispatches(void *connection) {
  for (;;) {
    GOOD(wamp_connection_dispatch(connection, 0, 10));
    pthread_testcancel();
  }
  return NULL;
}

static void end(pthread_t thread) {
  void *result = NULL;
  CHECK(pthread_join(thread, &result) == 0);
  CHECK(result == PTHREAD_CANCELED);
}

int main(int argc, char **argv) {
  void *(*const loops[])(void *) = {publishes, calls};
  wamp_connection_t *connection, *manual;
  latch_t opened = LATCH;
  pthread_t thread;
  int status = 0, i;
  scenario_begin(argc, argv, "local_cancel");
  connection = scenario_connection("thread", NULL);
  session = scenario_join(connection);
  GOOD(wamp_session_register_sync(session, "com.test.silent", NULL, on_silent, NULL, NULL, LIMIT_MS));
  for (i = 0; i < 100; i++) {
    long before = latch_count(&begun);
    CHECK(pthread_create(&thread, NULL, loops[i % 2], NULL) == 0);
    WAIT(begun, before + 1 + i % 5);
    CHECK(pthread_cancel(thread) == 0);
    end(thread);
  }
  CHECK(pthread_create(&thread, NULL, waits, &status) == 0);
  WAIT(silent, 1);
  CHECK(pthread_cancel(thread) == 0);
  end(thread);
  CHECK(status == WAMP_ERR_TIMEOUT);

  manual = scenario_connection("manual", NULL);
  scenario_unpump(manual);
  GOOD(wamp_connection_on_open(manual, dispatched, &opened, NULL));
  GOOD(wamp_connection_open(manual));
  CHECK(pthread_create(&thread, NULL, dispatches, manual) == 0);
  end(thread);
  CHECK(latch_count(&opened) == 1);
  /* All locks are free, and nothing was left half done. */
  GOOD(wamp_connection_close(manual, NULL, NULL, LIMIT_MS));
  GOOD(wamp_connection_free(manual));
  scenario_settle(session);
  scenario_leave(connection, session);
  return scenario_end();
}
