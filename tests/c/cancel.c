/* Calls that are given up: by wamp_session_cancel in each mode, and by the option `timeout`. The call ends once and at
 * once, whatever the router can do, and its late answer disturbs nobody. */
#include "scenario.h"

#define URI "com.example.cancel."

static latch_t asked = LATCH;
static wamp_invocation_t *kept[8];

/* Answers only when told. */
static void on_slow(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_retain(event->invocation));
  kept[latch_count(&asked)] = event->invocation;
  latch_hit(&asked);
}

/* The kept invocation is answered after all. */
static void answer_late(int index) {
  int status = wamp_invocation_yield(kept[index], WAMP_ARGS("[\"too late\"]"));
  CHECK(status >= 0 || status == WAMP_ERR_CANCELED); /* the interrupt may have come, or be on its way */
  GOOD(wamp_invocation_release(kept[index]));
}

static void still_works(wamp_session_t *caller) {
  wamp_message_t *result = scenario_call(caller, URI "echo", WAMP_ARGS("[7]"), NULL);
  CHECK(wamp_value_int(wamp_value_at(wamp_event_args(wamp_message_event(result)), 0)) == 7);
  GOOD(wamp_message_free(result));
}

/* Gives the call up once the callee has it. */
static void canceled(wamp_session_t *caller, const char *options, int index) {
  static inbox_t inbox = INBOX;
  const wamp_event_t *told;
  int64_t call = GOOD(wamp_session_call(caller, URI "slow", NULL, NULL, inbox_callback, &inbox, NULL));
  WAIT(asked, index + 1);
  GOOD(wamp_session_cancel(caller, call, options));
  WAIT(inbox.got, 1);
  told = inbox_event(&inbox, 0, WAMP_ERROR);
  CHECK(told->id == call && told->status == WAMP_ERR_CANCELED);
  SAME(told->uri, "wamp.error.canceled");
  FAILS(wamp_session_cancel(caller, call, options), WAMP_ERR_NO_SUCH_ID);
  answer_late(index);
  still_works(caller);
  CHECK(latch_count(&inbox.got) == 1);
  inbox_empty(&inbox);
}

static void timed_out(wamp_session_t *caller, int index) {
  static inbox_t inbox = INBOX;
  const wamp_event_t *told;
  int64_t call =
      GOOD(wamp_session_call(caller, URI "slow", NULL, "{\"timeout\": 100}", inbox_callback, &inbox, NULL));
  WAIT(asked, index + 1);
  WAIT(inbox.got, 1);
  told = inbox_event(&inbox, 0, WAMP_ERROR);
  CHECK(told->id == call && told->status == WAMP_ERR_TIMEOUT);
  SAME(told->uri, "wamp.error.timeout");
  answer_late(index);
  still_works(caller);
  inbox_empty(&inbox);
}

static void refused(wamp_session_t *caller) {
  FAILS(wamp_session_cancel(caller, 1, NULL), WAMP_ERR_NO_SUCH_ID);
  FAILS(wamp_session_cancel(caller, -1, NULL), WAMP_ERR_NO_SUCH_ID);
  FAILS(wamp_session_cancel(caller, 2, "{\"mode\": \"gently\"}"), WAMP_ERR_OPTION);
  FAILS(wamp_session_call(caller, URI "slow", NULL, "{\"timeout\": \"soon\"}", NULL, NULL, NULL), WAMP_ERR_OPTION);
}

int main(int argc, char **argv) {
  wamp_connection_t *callee, *calling;
  wamp_session_t *serving, *caller;

  scenario_begin(argc, argv, "cancel");
  callee = scenario_connection("thread", NULL);
  calling = scenario_connection(scenario.mode, NULL);
  serving = scenario_join(callee);
  caller = scenario_join(calling);
  GOOD(wamp_session_register_sync(serving, URI "slow", NULL, on_slow, NULL, NULL, LIMIT_MS));
  GOOD(wamp_session_register_sync(serving, URI "echo", NULL, scenario_echo, NULL, NULL, LIMIT_MS));

  canceled(caller, NULL, 0);
  canceled(caller, "{\"mode\": \"skip\"}", 1);
  canceled(caller, "{\"mode\": \"killnowait\"}", 2);
  timed_out(caller, 3);
  refused(caller);

  scenario_leave(calling, caller);
  scenario_leave(callee, serving);
  return scenario_end();
}
