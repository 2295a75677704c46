/* A shutdown that does not wait: every request still ends once, also that of a waiting thread, and the library can be
 * used again. (Not for a leak checker: the threads that were not waited for may still be there when the program ends.) */
#include "scenario.h"

#define URI "com.example.impatient."

static latch_t asked = LATCH;

/* Never answers. */
static void on_silent(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_retain(event->invocation));
  latch_hit(&asked);
}

static latch_t outcomes = LATCH, frees = LATCH;

static void on_outcome(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  CHECK(event->kind == WAMP_ERROR);
  latch_hit(&outcomes);
}

static void free_counted(void *user_data) {
  (void)user_data;
  latch_hit(&frees);
}

static void *call_and_wait(void *session) {
  int status = wamp_session_call_sync(session, URI "silent", NULL, NULL, -1, NULL);
  /* WAMP_ERR_REMOTE: the callee left first, so that the router answered (wamp.error.canceled). */
  CHECK(status == WAMP_ERR_NOT_SENT || status == WAMP_ERR_OUTCOME_UNKNOWN || status == WAMP_ERR_REMOTE);
  return NULL;
}

static void impatient_shutdown(const char *mode) {
  wamp_connection_t *callee = scenario_connection("thread", NULL), *caller = scenario_connection(mode, NULL);
  wamp_session_t *serving = scenario_join(callee), *calling = scenario_join(caller);
  pthread_t waiting;
  int status;
  int64_t id = GOOD(wamp_session_register_sync(serving, URI "silent", NULL, on_silent, NULL, NULL, LIMIT_MS));
  CHECK(id > 0);
  CHECK(pthread_create(&waiting, NULL, call_and_wait, calling) == 0);
  GOOD(wamp_session_call(calling, URI "silent", NULL, NULL, on_outcome, NULL, free_counted));
  WAIT(asked, 2); /* both calls have been made */

  status = wamp_shutdown(0);
  CHECK(status == WAMP_OK || status == WAMP_ERR_TIMEOUT);
  CHECK(pthread_join(waiting, NULL) == 0);
  if (scenario_is_manual()) wamp_connection_dispatch(caller, 0, LIMIT_MS);
  WAIT(outcomes, 1);
  WAIT(frees, 1);
  FAILS(wamp_session_call(calling, URI "silent", NULL, NULL, NULL, NULL, NULL), WAMP_ERR_CLOSED);
  GOOD(wamp_session_release(serving));
  GOOD(wamp_session_release(calling));
  scenario_unpump(caller);
  GOOD(wamp_connection_free(callee));
  GOOD(wamp_connection_free(caller));
  CHECK(latch_count(&outcomes) == 1 && latch_count(&frees) == 1);
}

int main(int argc, char **argv) {
  scenario_begin(argc, argv, "local_impatient");
  impatient_shutdown(scenario.mode);
  GOOD(wamp_router_free(scenario.router));
  scenario.router = NULL;
  scenario_url(argc, argv);
  {
    wamp_connection_t *connection = scenario_connection("thread", NULL);
    scenario_leave(connection, scenario_join(connection));
  }
  return scenario_end();
}
