/* Progressive call invocations: the input of one call in several pieces. A router that does not announce them gets no such
 * call. */
#include "scenario.h"

#define PROC "com.example.callmore."
#define MORE "{\"progress\": true}"

/* What the callee gets. */
static inbox_t input = INBOX;
static latch_t interrupted = LATCH;
static wamp_invocation_t *retained;
static int64_t sum;
static long times_lent;

/* Keeps one handle for all input, and adds up. */
static void on_sum(const wamp_event_t *event, void *user_data) {
  if (!retained) {
    GOOD(wamp_invocation_retain(event->invocation));
    retained = event->invocation;
  }
  CHECK(event->invocation == retained);
  sum += wamp_value_int(wamp_value_at(wamp_event_args(event), 0));
  inbox_callback(event, user_data);
}

/* Answers that call, once so many pieces have come: not before, as an answer ends the call. */
static void answer_sum(long pieces) {
  char text[32];
  WAIT(input.got, pieces);
  snprintf(text, sizeof text, "[%" PRId64 "]", sum);
  GOOD(wamp_invocation_yield(retained, WAMP_ARGS(text)));
  GOOD(wamp_invocation_release(retained));
  retained = NULL;
  sum = 0;
}

/* Looks at each piece with the handle that comes with it, and keeps none. Each piece is acknowledged by progress. */
static void on_each(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  times_lent++;
  if (event->flags & WAMP_FLAG_MORE)
    GOOD(wamp_invocation_progress(event->invocation, &event->payload));
  else
    GOOD(wamp_invocation_yield(event->invocation, &event->payload));
}

/* Has heard enough after the second piece. What had been received by then still comes. */
static void on_early(const wamp_event_t *event, void *user_data) {
  long pieces = latch_count(&input.got);
  inbox_callback(event, user_data);
  if (pieces == 1) GOOD(wamp_invocation_yield(event->invocation, WAMP_ARGS("[\"enough\"]")));
  if (pieces > 1) FAILS(wamp_invocation_yield(event->invocation, NULL), WAMP_ERR_STATE);
}

static void on_interrupt(const wamp_event_t *event, void *user_data) {
  CHECK(event->kind == WAMP_INTERRUPT && event->invocation == retained);
  latch_hit(user_data);
}

/* Waits to be interrupted. */
static void on_patient(const wamp_event_t *event, void *user_data) {
  if (!retained) {
    GOOD(wamp_invocation_retain(event->invocation));
    retained = event->invocation;
    GOOD(wamp_invocation_on_interrupt(retained, on_interrupt, &interrupted, NULL));
  }
  inbox_callback(event, user_data);
}

/* All pieces, in order, and the flag on all but the last. */
static void summed(wamp_session_t *caller) {
  static inbox_t outcome = INBOX;
  const wamp_event_t *piece;
  int64_t first;
  int i;
  int64_t call =
      GOOD(wamp_session_call(caller, PROC "sum", WAMP_ARGS("[1]"), MORE, inbox_callback, &outcome, NULL));
  for (i = 2; i <= 20; i++) {
    char text[32];
    snprintf(text, sizeof text, "[%d]", i);
    GOOD(wamp_session_call_more(caller, call, WAMP_ARGS(text), i < 20 ? MORE : NULL));
  }
  FAILS(wamp_session_call_more(caller, call, NULL, NULL), WAMP_ERR_STATE);
  answer_sum(20);
  WAIT(outcome.got, 1);
  CHECK(inbox_event(&outcome, 0, WAMP_RESULT)->id == call);
  CHECK(wamp_value_int(inbox_arg(&outcome, 0, WAMP_RESULT, 0)) == 210);
  FAILS(wamp_session_call_more(caller, call, NULL, NULL), WAMP_ERR_NO_SUCH_ID);
  first = inbox_event(&input, 0, WAMP_INVOCATION)->wamp_id;
  for (i = 0; i < 20; i++) {
    piece = inbox_event(&input, i, WAMP_INVOCATION);
    CHECK(piece->wamp_id == first && piece->id == inbox_event(&input, 0, WAMP_INVOCATION)->id);
    CHECK(((piece->flags & WAMP_FLAG_MORE) != 0) == (i < 19));
    CHECK(((piece->flags & WAMP_FLAG_CONTINUED) != 0) == (i > 0));
    CHECK(wamp_value_int(inbox_arg(&input, i, WAMP_INVOCATION, 0)) == i + 1);
  }
  inbox_empty(&outcome), inbox_empty(&input);
}

/* Input and results in pieces at the same time. The last input has nothing in it. */
static void each(wamp_session_t *caller) {
  static inbox_t outcome = INBOX;
  int i;
  int64_t call = GOOD(wamp_session_call(caller, PROC "each", WAMP_ARGS("[0]"),
                                        "{\"progress\": true, \"receive_progress\": true}", inbox_callback, &outcome,
                                        NULL));
  for (i = 1; i <= 3; i++) {
    char text[32];
    WAIT(outcome.got, i);
    CHECK(inbox_event(&outcome, i - 1, WAMP_RESULT)->flags & WAMP_FLAG_PROGRESS);
    CHECK(wamp_value_int(inbox_arg(&outcome, i - 1, WAMP_RESULT, 0)) == i - 1);
    snprintf(text, sizeof text, "[%d]", i);
    GOOD(wamp_session_call_more(caller, call, i < 3 ? WAMP_ARGS(text) : NULL, i < 3 ? MORE : "{}"));
  }
  WAIT(outcome.got, 4);
  CHECK(!(inbox_event(&outcome, 3, WAMP_RESULT)->flags & WAMP_FLAG_PROGRESS));
  CHECK(wamp_value_size(wamp_event_args(inbox_event(&outcome, 3, WAMP_RESULT))) == 0);
  CHECK(times_lent == 4);
  inbox_empty(&outcome);
}

/* An answer before the last input ends the call; the rest of the input disturbs nobody. */
static void early(wamp_session_t *caller, wamp_session_t *callee) {
  static inbox_t outcome = INBOX;
  int status;
  int64_t call =
      GOOD(wamp_session_call(caller, PROC "early", WAMP_ARGS("[1]"), MORE, inbox_callback, &outcome, NULL));
  GOOD(wamp_session_call_more(caller, call, WAMP_ARGS("[2]"), MORE));
  status = wamp_session_call_more(caller, call, WAMP_ARGS("[3]"), MORE); /* crosses with the answer */
  CHECK(status == WAMP_OK || status == WAMP_ERR_NO_SUCH_ID);
  WAIT(outcome.got, 1);
  SAME(wamp_value_string(inbox_arg(&outcome, 0, WAMP_RESULT, 0), NULL), "enough");
  FAILS(wamp_session_call_more(caller, call, NULL, NULL), WAMP_ERR_NO_SUCH_ID);
  scenario_settle(callee);
  CHECK(latch_count(&input.got) == 2 || latch_count(&input.got) == 3);
  inbox_empty(&outcome), inbox_empty(&input);
}

/* Canceled in the middle. */
static void canceled(wamp_session_t *caller, const char *mode, int status) {
  static inbox_t outcome = INBOX;
  long before = latch_count(&interrupted);
  int64_t call =
      GOOD(wamp_session_call(caller, PROC "patient", WAMP_ARGS("[1]"), MORE, inbox_callback, &outcome, NULL));
  GOOD(wamp_session_call_more(caller, call, WAMP_ARGS("[2]"), MORE));
  WAIT(input.got, 2);
  GOOD(wamp_session_cancel(caller, call, mode));
  CHECK(wamp_session_call_more(caller, call, WAMP_ARGS("[3]"), NULL) < 0);
  WAIT(interrupted, before + 1);
  WAIT(outcome.got, 1);
  CHECK(inbox_event(&outcome, 0, WAMP_ERROR)->status == status);
  SAME(inbox_event(&outcome, 0, WAMP_ERROR)->uri, "wamp.error.canceled");
  FAILS(wamp_invocation_yield(retained, NULL), WAMP_ERR_CANCELED);
  GOOD(wamp_invocation_release(retained));
  retained = NULL;
  CHECK(latch_count(&input.got) == 2);
  inbox_empty(&outcome), inbox_empty(&input);
}

/* What is wrong whatever the router can do. */
static void misused(wamp_session_t *caller) {
  static inbox_t outcome = INBOX;
  int64_t call = GOOD(wamp_session_call(caller, PROC "patient", NULL, NULL, inbox_callback, &outcome, NULL));
  FAILS(wamp_session_call_more(caller, call, NULL, NULL), WAMP_ERR_STATE); /* made without `progress` */
  FAILS(wamp_session_call_more(caller, call + 1000, NULL, NULL), WAMP_ERR_NO_SUCH_ID);
  FAILS(wamp_session_call_more(caller, -1, NULL, NULL), WAMP_ERR_NO_SUCH_ID);
  FAILS(wamp_session_call(caller, PROC "sum", NULL, "{\"progress\": 1}", NULL, NULL, NULL), WAMP_ERR_OPTION);
  WAIT(input.got, 1);
  GOOD(wamp_invocation_yield(retained, NULL));
  GOOD(wamp_invocation_release(retained));
  retained = NULL;
  WAIT(outcome.got, 1);
  (void)inbox_event(&outcome, 0, WAMP_RESULT);
  inbox_empty(&outcome), inbox_empty(&input);
}

static void badly_continued(wamp_session_t *caller) {
  static inbox_t outcome = INBOX;
  int64_t call = GOOD(wamp_session_call(caller, PROC "sum", WAMP_ARGS("[1]"), MORE, inbox_callback, &outcome, NULL));
  FAILS(wamp_session_call_more(caller, call, WAMP_ARGS("[1"), NULL), WAMP_ERR_PAYLOAD);
  FAILS(wamp_session_call_more(caller, call, NULL, "[]"), WAMP_ERR_OPTION);
  FAILS(wamp_session_call_more(caller, call, NULL, "{\"progress\": \"yes\"}"), WAMP_ERR_OPTION);
  GOOD(wamp_session_call_more(caller, call, WAMP_ARGS("[41]"), "{\"progress\": false}")); /* nothing was lost by that */
  answer_sum(2);
  WAIT(outcome.got, 1);
  CHECK(wamp_value_int(inbox_arg(&outcome, 0, WAMP_RESULT, 0)) == 42);
  inbox_empty(&outcome), inbox_empty(&input);
}

int main(int argc, char **argv) {
  wamp_connection_t *a, *b;
  wamp_session_t *callee, *caller;
  scenario_begin(argc, argv, "callmore");
  a = scenario_connection(scenario.mode, NULL);
  b = scenario_connection(scenario.mode, NULL);
  callee = scenario_join(a);
  caller = scenario_join(b);
  GOOD(wamp_session_register_sync(callee, PROC "sum", NULL, on_sum, &input, NULL, LIMIT_MS));
  GOOD(wamp_session_register_sync(callee, PROC "each", NULL, on_each, NULL, NULL, LIMIT_MS));
  GOOD(wamp_session_register_sync(callee, PROC "early", NULL, on_early, &input, NULL, LIMIT_MS));
  GOOD(wamp_session_register_sync(callee, PROC "patient", NULL, on_patient, &input, NULL, LIMIT_MS));

  misused(caller);
  if (scenario_can(caller, "caller", "progressive_call_invocations")) {
    summed(caller);
    each(caller);
    early(caller, callee);
    canceled(caller, "{\"mode\": \"killnowait\"}", WAMP_ERR_CANCELED);
    canceled(caller, "{\"mode\": \"kill\"}", WAMP_ERR_CANCELED);
    badly_continued(caller);
  } else {
    static latch_t freed = LATCH;
    FAILS(wamp_session_call(caller, PROC "sum", NULL, MORE, inbox_callback, &freed, latch_free), WAMP_ERR_UNSUPPORTED);
    CHECK(latch_count(&freed) == 1);
    FAILS(wamp_session_call_sync(caller, PROC "sum", NULL, MORE, LIMIT_MS, NULL), WAMP_ERR_UNSUPPORTED);
  }

  scenario_leave(b, caller);
  scenario_leave(a, callee);
  return scenario_end();
}
