/*
 * A shutdown whose time was up leaves what still runs, and the next one waits for that. A free begins no callback, whoever
 * would run it.
 */
#include "scenario.h"

static latch_t entered = LATCH, go = LATCH, left = LATCH;

static void on_slow(const wamp_event_t *event, void *user_data) {
  (void)event;
  (void)user_data;
  latch_hit(&entered);
  WAIT(go, 1);
  latch_hit(&left);
}

static void *lets_go(void *unused) {
  struct timespec pause = {0, 100 * 1000 * 1000}; /* time for the main thread to wait in the shutdown, not more */
  (void)unused;
  nanosleep(&pause, NULL);
  CHECK(latch_count(&left) == 0);
  latch_hit(&go);
  return NULL;
}

static void again(void) {
  wamp_connection_t *connection = scenario_connection("thread", NULL);
  pthread_t thread;
  GOOD(wamp_connection_on_open(connection, on_slow, NULL, NULL));
  GOOD(wamp_connection_open(connection));
  WAIT(entered, 1);
  FAILS(wamp_shutdown(0), WAMP_ERR_TIMEOUT);
  FAILS(wamp_shutdown(50), WAMP_ERR_TIMEOUT);
  CHECK(latch_count(&left) == 0);
  CHECK(pthread_create(&thread, NULL, lets_go, NULL) == 0);
  GOOD(wamp_shutdown(-1));
  CHECK(latch_count(&left) == 1);
  CHECK(pthread_join(thread, NULL) == 0);
  GOOD(wamp_connection_free(connection));
  GOOD(wamp_shutdown(0));
}

static latch_t suspended = LATCH;

static void on_durable(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  if (event->kind == WAMP_SUSPENDED) latch_hit(&suspended);
}

static void frees(const char *mode) {
  int i;
  for (i = 0; i < 100; i++) {
    wamp_connection_t *connection = scenario_connection(mode, NULL);
    wamp_session_t *session;
    GOOD(wamp_connection_subscribe(connection, "com.test.topic", NULL, on_durable, on_durable, NULL, NULL));
    session = scenario_join(connection);
    scenario_unpump(connection);
    GOOD(wamp_connection_free(connection));
    GOOD(wamp_session_release(session));
  }
  CHECK(latch_count(&suspended) == 0);
}

int main(int argc, char **argv) {
  scenario_begin(argc, argv, "local_shutdown_again");
  frees("inline");
  frees("thread");
  again();
  CHECK(latch_count(&suspended) == 0);
  return scenario_end();
}
