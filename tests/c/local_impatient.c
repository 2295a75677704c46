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

/* What a call is told that had no answer; or the router, which is being shut down too, was faster to cancel it. */
static void check_unanswered(int status) {
  CHECK(status == WAMP_ERR_NOT_SENT || status == WAMP_ERR_OUTCOME_UNKNOWN || status == WAMP_ERR_REMOTE);
}

static void on_outcome(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  CHECK(event->kind == WAMP_ERROR);
  check_unanswered(event->status);
  latch_hit(&outcomes);
}

static void free_counted(void *user_data) {
  (void)user_data;
  latch_hit(&frees);
}

static void *call_and_wait(void *session) {
  check_unanswered(wamp_session_call_sync(session, URI "silent", NULL, NULL, -1, NULL));
  return NULL;
}

/* The session calls itself: were the callee another one, and left first, the router would answer for it. */
static void impatient_shutdown(const char *mode) {
  wamp_connection_t *idle = scenario_connection("thread", NULL), *connection = scenario_connection(mode, NULL);
  wamp_session_t *resting = scenario_join(idle), *session = scenario_join(connection);
  pthread_t waiting;
  int status;
  int64_t id = GOOD(wamp_session_register_sync(session, URI "silent", NULL, on_silent, NULL, NULL, LIMIT_MS));
  CHECK(id > 0);
  CHECK(pthread_create(&waiting, NULL, call_and_wait, session) == 0);
  GOOD(wamp_session_call(session, URI "silent", NULL, NULL, on_outcome, NULL, free_counted));
  WAIT(asked, 2); /* both calls have been made */

  status = wamp_shutdown(0);
  CHECK(status == WAMP_OK || status == WAMP_ERR_TIMEOUT);
  CHECK(pthread_join(waiting, NULL) == 0);
  if (scenario_is_manual()) wamp_connection_dispatch(connection, 0, LIMIT_MS);
  WAIT(outcomes, 1);
  WAIT(frees, 1);
  FAILS(wamp_session_call(session, URI "silent", NULL, NULL, NULL, NULL, NULL), WAMP_ERR_CLOSED);
  GOOD(wamp_session_release(resting));
  GOOD(wamp_session_release(session));
  scenario_unpump(connection);
  GOOD(wamp_connection_free(idle));
  GOOD(wamp_connection_free(connection));
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
