/* Progressive results: a call whose result comes in pieces, sent by wamp_invocation_progress() or
 * wamp_invocation_yield_with(), and what holds where the caller did not ask for them. */
#include "scenario.h"

#define PROC "com.example.progress."
#define ASK "{\"receive_progress\": true}"
#define AS_PROGRESS "{\"progress\": true}"

static void on_pieces(const wamp_event_t *event, void *user_data) {
  wamp_invocation_t *invocation = event->invocation;
  (void)user_data;
  CHECK(event->flags & WAMP_FLAG_PROGRESS);
  GOOD(wamp_invocation_progress(invocation, WAMP_ARGS("[0]")));
  GOOD(wamp_invocation_yield_with(invocation, WAMP_ARGS("[1]"), AS_PROGRESS));
  GOOD(wamp_invocation_progress(invocation, NULL)); /* nothing but a sign of life */
  GOOD(wamp_invocation_progress(invocation, WAMP_KWARGS("{\"percent\": 75}")));
  FAILS(wamp_invocation_progress(invocation, WAMP_ARGS("[1")), WAMP_ERR_PAYLOAD);
  FAILS(wamp_invocation_yield_with(invocation, NULL, "{\"progress\": 1}"), WAMP_ERR_OPTION);
  FAILS(wamp_invocation_yield_with(invocation, NULL, "[]"), WAMP_ERR_OPTION);
  GOOD(wamp_invocation_yield_with(invocation, WAMP_ARGS("[4]"), "{\"progress\": false}"));
  FAILS(wamp_invocation_progress(invocation, NULL), WAMP_ERR_STATE);
  FAILS(wamp_invocation_yield_with(invocation, NULL, AS_PROGRESS), WAMP_ERR_STATE);
}

/* Progress that ends in an error, and one that has nothing at the end. */
static void on_broken(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_progress(event->invocation, WAMP_ARGS("[\"so far\"]")));
  GOOD(wamp_invocation_error(event->invocation, PROC "error", WAMP_ARGS("[\"no further\"]")));
}

static void on_empty_end(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_progress(event->invocation, WAMP_ARGS("[\"all\"]")));
  GOOD(wamp_invocation_yield_with(event->invocation, NULL, NULL));
}

/* Nobody asked for progress. */
static void on_unasked(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  CHECK(!(event->flags & WAMP_FLAG_PROGRESS));
  FAILS(wamp_invocation_progress(event->invocation, WAMP_ARGS("[1]")), WAMP_ERR_STATE);
  FAILS(wamp_invocation_yield_with(event->invocation, NULL, AS_PROGRESS), WAMP_ERR_STATE);
  GOOD(wamp_invocation_yield(event->invocation, WAMP_ARGS("[\"whole\"]")));
}

/* From another thread, as fast as it goes. */
static latch_t given = LATCH;
static wamp_invocation_t *given_away;

static void on_stream(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_retain(event->invocation));
  given_away = event->invocation;
  latch_hit(&given);
}

static void *stream(void *count) {
  long i;
  WAIT(given, 1);
  for (i = 0; i < *(long *)count; i++) {
    char text[32];
    snprintf(text, sizeof text, "[%ld]", i);
    GOOD(wamp_invocation_progress(given_away, WAMP_ARGS(text)));
  }
  GOOD(wamp_invocation_yield(given_away, NULL));
  GOOD(wamp_invocation_release(given_away));
  return NULL;
}

static void on_streamed(const wamp_event_t *event, void *user_data) {
  static long next;
  if (event->flags & WAMP_FLAG_PROGRESS)
    CHECK(wamp_value_int(wamp_value_at(wamp_event_args(event), 0)) == next++);
  else
    CHECK(wamp_value_type(wamp_event_args(event)) == WAMP_TYPE_NONE || wamp_value_size(wamp_event_args(event)) == 0);
  latch_hit(user_data);
}

static void streamed(wamp_session_t *caller) {
  static latch_t got = LATCH;
  static long count;
  pthread_t thread;
  count = scenario_count(5000) < 5000 ? scenario_count(5000) : 5000;
  GOOD(wamp_session_call(caller, PROC "stream", NULL, ASK, on_streamed, &got, NULL));
  CHECK(pthread_create(&thread, NULL, stream, &count) == 0);
  WAIT(got, count + 1);
  CHECK(pthread_join(thread, NULL) == 0);
}

static void pieces(wamp_session_t *caller) {
  static inbox_t got = INBOX;
  static latch_t freed = LATCH;
  const wamp_event_t *result;
  int i;
  int64_t call = GOOD(wamp_session_call(caller, PROC "pieces", NULL, ASK, inbox_callback, &got, NULL));
  WAIT(got.got, 5);
  for (i = 0; i < 5; i++) {
    result = inbox_event(&got, i, WAMP_RESULT);
    CHECK(result->id == call && result->status == WAMP_OK);
    CHECK(((result->flags & WAMP_FLAG_PROGRESS) != 0) == (i < 4));
    if (i != 2 && i != 3) CHECK(wamp_value_int(inbox_arg(&got, i, WAMP_RESULT, 0)) == i);
  }
  CHECK(wamp_value_size(wamp_event_args(inbox_event(&got, 2, WAMP_RESULT))) == 0);
  CHECK(scenario_int(wamp_event_kwargs(inbox_event(&got, 3, WAMP_RESULT)), "percent") == 75);
  inbox_empty(&got);

  /* A call that nobody listens to gets its pieces all the same. */
  GOOD(wamp_session_call(caller, PROC "pieces", NULL, ASK, NULL, &freed, latch_free));
  WAIT(freed, 1);
}

static void ends(wamp_session_t *caller) {
  static inbox_t got = INBOX;
  GOOD(wamp_session_call(caller, PROC "broken", NULL, ASK, inbox_callback, &got, NULL));
  WAIT(got.got, 2);
  SAME(wamp_value_string(inbox_arg(&got, 0, WAMP_RESULT, 0), NULL), "so far");
  SAME(inbox_event(&got, 1, WAMP_ERROR)->uri, PROC "error");
  SAME(wamp_value_string(inbox_arg(&got, 1, WAMP_ERROR, 0), NULL), "no further");
  inbox_empty(&got);

  GOOD(wamp_session_call(caller, PROC "empty_end", NULL, ASK, inbox_callback, &got, NULL));
  WAIT(got.got, 2);
  CHECK(inbox_event(&got, 0, WAMP_RESULT)->flags & WAMP_FLAG_PROGRESS);
  CHECK(inbox_event(&got, 1, WAMP_RESULT)->flags == 0);
  inbox_empty(&got);
}

static latch_t synced = LATCH;

static void *call_sync(void *caller) {
  wamp_message_t *result;
  GOOD(wamp_session_call_sync(caller, PROC "pieces", NULL, ASK, LIMIT_MS, &result)); /* skips the pieces */
  CHECK(wamp_value_int(wamp_value_at(wamp_event_args(wamp_message_event(result)), 0)) == 4);
  GOOD(wamp_message_free(result));
  latch_hit(&synced);
  return NULL;
}

static void unasked(wamp_session_t *caller) {
  pthread_t thread;
  GOOD(wamp_message_free(scenario_result(caller, PROC "unasked", NULL, NULL)));
  GOOD(wamp_message_free(scenario_result(caller, PROC "unasked", NULL, "{\"receive_progress\": false}")));
  FAILS(wamp_session_call(caller, PROC "unasked", NULL, "{\"receive_progress\": \"yes\"}", NULL, NULL, NULL),
        WAMP_ERR_OPTION);
  CHECK(pthread_create(&thread, NULL, call_sync, caller) == 0);
  WAIT(synced, 1);
  CHECK(pthread_join(thread, NULL) == 0);
}

int main(int argc, char **argv) {
  static const struct {
    const char *procedure;
    wamp_callback_t handler;
  } offers[] = {{PROC "pieces", on_pieces},       {PROC "broken", on_broken}, {PROC "empty_end", on_empty_end},
                {PROC "unasked", on_unasked},     {PROC "stream", on_stream}};
  wamp_connection_t *a, *b;
  wamp_session_t *callee, *caller;
  size_t i;
  scenario_begin(argc, argv, "progress");
  a = scenario_connection(scenario.mode, NULL);
  b = scenario_connection(scenario.mode, NULL);
  callee = scenario_join(a);
  caller = scenario_join(b);
  CHECK(scenario_can(callee, "callee", "progressive_call_results"));
  CHECK(scenario_can(caller, "caller", "progressive_call_results"));
  for (i = 0; i < sizeof offers / sizeof *offers; i++)
    GOOD(wamp_session_register_sync(callee, offers[i].procedure, NULL, offers[i].handler, NULL, NULL, LIMIT_MS));

  pieces(caller);
  ends(caller);
  unasked(caller);
  streamed(caller);

  scenario_leave(b, caller);
  scenario_leave(a, callee);
  return scenario_end();
}
