/* The waiting twins: each gives its result or its error as a status, respects its time limit, and leaves the session
 * in order when the time is over. */
#include "scenario.h"

#define URI "com.example.sync."

static latch_t asked = LATCH;
static wamp_invocation_t *kept;

static void on_fail(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_error(event->invocation, URI "error.no", WAMP_ARGS("[\"because\"]")));
}

/* Answers only when told. */
static void on_slow(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_retain(event->invocation));
  kept = event->invocation;
  latch_hit(&asked);
}

static void the_session(wamp_connection_t *connection, wamp_session_t *session) {
  wamp_session_t *again = NULL;
  GOOD(wamp_connection_session(connection, LIMIT_MS, &again));
  CHECK(again != NULL);
  CHECK(scenario_id(session) > 0 && scenario_id(again) == scenario_id(session));
  SAME(wamp_session_realm(session), scenario.realm);
  CHECK(wamp_session_is_open(session) == 1 && wamp_connection_is_open(connection) == 1);
  CHECK(wamp_value_type(wamp_value_get(wamp_session_details(session), "roles")) == WAMP_TYPE_DICT);
  GOOD(wamp_session_release(again));
  CHECK(wamp_session_is_open(session) == 1); /* each reference counts by itself */
}

static void calls(wamp_session_t *caller) {
  wamp_message_t *result = NULL;
  GOOD(wamp_session_call_sync(caller, URI "echo", WAMP_PAYLOAD("[1, \"two\"]", "{\"three\": 3}"), NULL, LIMIT_MS,
                              &result));
  CHECK(wamp_message_event(result)->kind == WAMP_RESULT);
  SAME(wamp_value_string(wamp_value_at(wamp_event_args(wamp_message_event(result)), 1), NULL), "two");
  CHECK(wamp_value_int(wamp_value_get(wamp_event_kwargs(wamp_message_event(result)), "three")) == 3);
  GOOD(wamp_message_free(result));

  GOOD(wamp_session_call_sync(caller, URI "echo", NULL, NULL, -1, NULL)); /* no limit, result not wanted */

  result = NULL;
  FAILS(wamp_session_call_sync(caller, URI "fail", NULL, NULL, LIMIT_MS, &result), WAMP_ERR_REMOTE);
  CHECK(strstr(wamp_last_error(), URI "error.no") != NULL);
  CHECK(result != NULL && wamp_message_event(result)->kind == WAMP_ERROR);
  SAME(wamp_message_event(result)->uri, URI "error.no");
  SAME(wamp_value_string(wamp_value_at(wamp_event_args(wamp_message_event(result)), 0), NULL), "because");
  GOOD(wamp_message_free(result));

  FAILS(wamp_session_call_sync(caller, URI "fail", NULL, NULL, LIMIT_MS, NULL), WAMP_ERR_REMOTE);
  FAILS(wamp_session_call_sync(caller, URI "nobody", NULL, NULL, LIMIT_MS, NULL), WAMP_ERR_REMOTE);
  CHECK(strstr(wamp_last_error(), "wamp.error.no_such_procedure") != NULL);
}

static void time_limits(wamp_session_t *caller) {
  wamp_message_t *result = NULL;
  int status;

  FAILS(wamp_session_call_sync(caller, URI "slow", NULL, NULL, 50, &result), WAMP_ERR_TIMEOUT);
  CHECK(result == NULL);

  /* The callee did get it. Its late answer must end nobody else's call. */
  WAIT(asked, 1);
  status = wamp_invocation_yield(kept, WAMP_ARGS("[\"too late\"]"));
  CHECK(status >= 0 || status == WAMP_ERR_CANCELED); /* the latter if it was told that the caller has given up */
  GOOD(wamp_invocation_release(kept));
  GOOD(wamp_session_call_sync(caller, URI "echo", WAMP_ARGS("[\"in time\"]"), NULL, LIMIT_MS, &result));
  SAME(wamp_value_string(wamp_value_at(wamp_event_args(wamp_message_event(result)), 0), NULL), "in time");
  GOOD(wamp_message_free(result));
}

static void registrations(wamp_session_t *callee, wamp_session_t *caller) {
  latch_t freed = LATCH;
  int64_t id = GOOD(wamp_session_register_sync(callee, URI "brief", NULL, scenario_echo, &freed, latch_free, LIMIT_MS));
  CHECK(id > 0 && latch_count(&freed) == 0);
  FAILS(wamp_session_register_sync(caller, URI "brief", NULL, scenario_echo, NULL, NULL, LIMIT_MS), WAMP_ERR_REMOTE);
  CHECK(strstr(wamp_last_error(), "wamp.error.procedure_already_exists") != NULL);
  GOOD(wamp_session_call_sync(caller, URI "brief", NULL, NULL, LIMIT_MS, NULL));
  GOOD(wamp_session_unregister_sync(callee, id, LIMIT_MS));
  WAIT(freed, 1);
  FAILS(wamp_session_unregister_sync(callee, id, LIMIT_MS), WAMP_ERR_NO_SUCH_ID);
  FAILS(wamp_session_call_sync(caller, URI "brief", NULL, NULL, LIMIT_MS, NULL), WAMP_ERR_REMOTE);
}

static void subscriptions(wamp_session_t *subscriber, wamp_session_t *publisher) {
  static inbox_t first = INBOX, second = INBOX;
  int64_t one, two, publication;
  one = GOOD(wamp_session_subscribe_sync(subscriber, URI "topic", NULL, inbox_callback, &first, NULL, LIMIT_MS));
  two = GOOD(wamp_session_subscribe_sync(subscriber, URI "topic", NULL, inbox_callback, &second, NULL, LIMIT_MS));
  GOOD(wamp_session_publish_ack_sync(publisher, URI "topic", WAMP_ARGS("[true]"), NULL, LIMIT_MS, &publication));
  CHECK(publication > 0);
  WAIT(first.got, 1);
  WAIT(second.got, 1);
  CHECK(inbox_event(&first, 0, WAMP_EVENT)->wamp_id == publication);
  CHECK(GOOD(wamp_session_unsubscribe_sync(subscriber, one, LIMIT_MS)) == 0);
  CHECK(GOOD(wamp_session_unsubscribe_sync(subscriber, two, LIMIT_MS)) == 1);
  FAILS(wamp_session_unsubscribe_sync(subscriber, two, LIMIT_MS), WAMP_ERR_NO_SUCH_ID);
  inbox_empty(&first), inbox_empty(&second);
}

/* Ids of the router have 53 bits: an `int` takes the result of every function that tells one, and says the truth. */
static void results(wamp_session_t *session) {
  int64_t id, largest = 0;
  int i;
  for (i = 0; i < 64; i++) {
    int rc = wamp_session_publish_ack_sync(session, URI "counted", NULL, NULL, LIMIT_MS, &id);
    CHECK(rc == WAMP_OK && id > 0);
    if (id > largest) largest = id;
  }
  CHECK(largest > INT32_MAX); /* drawn at random: one chance in 2^1408 against it */
  FAILS(wamp_session_publish_ack_sync(session, "", NULL, NULL, LIMIT_MS, &id), WAMP_ERR_URI);
  CHECK(id == 0);
  FAILS(wamp_session_id(session, NULL), WAMP_ERR_ARGUMENT);
  i = wamp_session_id(session, &id);
  CHECK(i == WAMP_OK && id > 0 && id <= INT64_C(1) << 53);
}

int main(int argc, char **argv) {
  wamp_connection_t *a, *b, *never;
  wamp_session_t *callee, *caller, *none = NULL;
  scenario_begin(argc, argv, "sync");

  never = scenario_connection(scenario.mode, NULL);
  CHECK(wamp_connection_is_open(never) == 0);
  CHECK(wamp_connection_session(never, 50, &none) < 0 && none == NULL); /* not opened: no session to wait for */
  scenario_unpump(never);
  GOOD(wamp_connection_free(never));

  /* The callee answers on threads of its own: while this thread waits in a twin, it cannot dispatch another
   * connection. The caller has the mode under test. */
  a = scenario_connection("thread", NULL);
  b = scenario_connection(scenario.mode, NULL);
  callee = scenario_join(a);
  caller = scenario_join(b);
  GOOD(wamp_session_register_sync(callee, URI "echo", NULL, scenario_echo, NULL, NULL, LIMIT_MS));
  GOOD(wamp_session_register_sync(callee, URI "fail", NULL, on_fail, NULL, NULL, LIMIT_MS));
  GOOD(wamp_session_register_sync(callee, URI "slow", NULL, on_slow, NULL, NULL, LIMIT_MS));

  the_session(b, caller);
  calls(caller);
  time_limits(caller);
  registrations(callee, caller);
  subscriptions(caller, callee);
  results(caller);
  GOOD(wamp_connection_flush(b, LIMIT_MS));

  /* After the end, a twin answers at once instead of waiting. */
  scenario_unpump(b);
  GOOD(wamp_connection_close(b, NULL, NULL, LIMIT_MS));
  CHECK(wamp_session_is_open(caller) == 0 && wamp_connection_is_open(b) == 0);
  FAILS(wamp_session_call_sync(caller, URI "echo", NULL, NULL, LIMIT_MS, NULL), WAMP_ERR_CLOSED);
  CHECK(wamp_connection_session(b, 50, &none) < 0 && none == NULL);
  GOOD(wamp_session_release(caller));
  GOOD(wamp_connection_free(b));
  scenario_leave(a, callee);
  return scenario_end();
}
