/* Calls that are given up, as the callee sees it: WAMP_INTERRUPT, what may still be answered, and what the caller gets. */
#include "scenario.h"

#define WORK "com.example.interrupt.work"

/* What was asked: kept, to be answered when the test wants. */
static latch_t asked = LATCH;
static wamp_invocation_t *kept;

static void on_work(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  CHECK(event->kind == WAMP_INVOCATION);
  GOOD(wamp_invocation_retain(event->invocation));
  kept = event->invocation;
  latch_hit(&asked);
}

/* What hears an interrupt: an inbox, and how often it was freed. */
typedef struct watch_t {
  inbox_t told;
  latch_t freed;
} watch_t;

#define WATCH {INBOX, LATCH}

static void watch_free(void *watch) { latch_hit(&((watch_t *)watch)->freed); }

static void watch_empty(watch_t *watch) {
  inbox_empty(&watch->told);
  latch_init(&watch->freed);
}

static int watch(watch_t *of, wamp_callback_t callback) {
  return wamp_invocation_on_interrupt(kept, callback, of, watch_free);
}

/* Makes a call and waits until the callee has it. */
static int64_t begin(wamp_session_t *caller, inbox_t *outcome) {
  long before = latch_count(&asked);
  int64_t call = GOOD(
      wamp_session_call(caller, WORK, NULL, "{\"receive_progress\": true}", inbox_callback, outcome, NULL));
  WAIT(asked, before + 1);
  CHECK(wamp_invocation_is_canceled(kept) == 0);
  return call;
}

static void nobody_waits(void) {
  CHECK(wamp_invocation_is_canceled(kept) == 1);
  FAILS(wamp_invocation_progress(kept, NULL), WAMP_ERR_CANCELED);
  FAILS(wamp_invocation_yield(kept, WAMP_ARGS("[1]")), WAMP_ERR_CANCELED);
  FAILS(wamp_invocation_yield_with(kept, NULL, "{\"progress\": true}"), WAMP_ERR_CANCELED);
  FAILS(wamp_invocation_error(kept, NULL, NULL), WAMP_ERR_CANCELED);
  GOOD(wamp_invocation_release(kept));
  FAILS(wamp_invocation_is_canceled(kept), WAMP_ERR_HANDLE);
}

static void ended(inbox_t *outcome, int64_t call, int status) {
  const wamp_event_t *error;
  WAIT(outcome->got, 1);
  error = inbox_event(outcome, 0, WAMP_ERROR);
  CHECK(error->id == call && error->status == status);
  SAME(error->uri, "wamp.error.canceled");
  inbox_empty(outcome);
}

/* Somebody watches when the interrupt comes. */
static void watched(wamp_session_t *caller, const char *options, const char *mode) {
  static inbox_t outcome = INBOX;
  static watch_t first = WATCH, second = WATCH;
  const wamp_event_t *interrupt;
  int64_t call = begin(caller, &outcome);
  GOOD(watch(&first, inbox_callback));
  GOOD(watch(&second, inbox_callback)); /* takes the place of the first */
  WAIT(first.freed, 1);
  GOOD(wamp_session_cancel(caller, call, options));
  ended(&outcome, call, WAMP_ERR_CANCELED);
  WAIT(second.told.got, 1);
  WAIT(second.freed, 1);
  interrupt = inbox_event(&second.told, 0, WAMP_INTERRUPT);
  CHECK(interrupt->id > 0 && interrupt->wamp_id > 0 && interrupt->status == WAMP_OK);
  if (scenario_text(wamp_event_details(interrupt), "mode"))
    SAME(scenario_text(wamp_event_details(interrupt), "mode"), mode);
  nobody_waits();
  CHECK(latch_count(&second.told.got) == 1 && latch_count(&second.freed) == 1);
  CHECK(latch_count(&first.told.got) == 0 && latch_count(&first.freed) == 1);
  watch_empty(&first), watch_empty(&second);
}

/* Nobody watches: the caller of a "kill" gets its error all the same, and who asks later is told. */
static void unwatched(wamp_session_t *caller) {
  static inbox_t outcome = INBOX;
  static watch_t late = WATCH;
  int64_t call = begin(caller, &outcome);
  GOOD(wamp_session_cancel(caller, call, "{\"mode\": \"kill\"}"));
  ended(&outcome, call, WAMP_ERR_CANCELED);
  GOOD(watch(&late, inbox_callback));
  WAIT(late.freed, 1);
  CHECK(inbox_event(&late.told, 0, WAMP_INTERRUPT)->wamp_id > 0 && inbox_event(&late.told, 0, WAMP_INTERRUPT)->id > 0);
  SAME(scenario_text(wamp_event_details(inbox_event(&late.told, 0, WAMP_INTERRUPT)), "mode"), "kill");
  nobody_waits();
  CHECK(latch_count(&late.told.got) == 1);
  watch_empty(&late);
}

/* A "skip" is a matter between the caller and its own side: the callee goes on undisturbed. */
static void skipped(wamp_session_t *caller) {
  static inbox_t outcome = INBOX;
  static watch_t never = WATCH;
  int64_t call = begin(caller, &outcome);
  GOOD(watch(&never, inbox_callback));
  GOOD(wamp_session_cancel(caller, call, "{\"mode\": \"skip\"}"));
  ended(&outcome, call, WAMP_ERR_CANCELED);
  scenario_settle(caller);
  CHECK(wamp_invocation_is_canceled(kept) == 0);
  GOOD(wamp_invocation_yield(kept, NULL));
  GOOD(wamp_invocation_release(kept));
  WAIT(never.freed, 1);
  CHECK(latch_count(&never.told.got) == 0 && latch_count(&outcome.got) == 0);
  watch_empty(&never);
}

static void answer_with_result(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  CHECK(event->invocation == kept && wamp_invocation_is_canceled(event->invocation) == 1);
  FAILS(wamp_invocation_progress(event->invocation, NULL), WAMP_ERR_CANCELED);
  GOOD(wamp_invocation_yield(event->invocation, WAMP_ARGS("[\"half\"]")));
  FAILS(wamp_invocation_yield(event->invocation, NULL), WAMP_ERR_STATE);
}

static void answer_with_error(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_error(event->invocation, "com.example.stopped", WAMP_ARGS("[3]")));
}

/* The callback of a "kill" has the last word. (Crossbar.io keeps it from the caller, who gets
 * `wamp.error.canceled` whatever it is.) */
static void last_word(wamp_session_t *caller) {
  static inbox_t outcome = INBOX;
  static watch_t told = WATCH;
  const wamp_event_t *answer;
  int64_t call = begin(caller, &outcome);
  GOOD(watch(&told, answer_with_result));
  GOOD(wamp_session_cancel(caller, call, "{\"mode\": \"kill\"}"));
  WAIT(outcome.got, 1);
  answer = inbox_event(&outcome, 0, scenario_is_embedded() ? WAMP_RESULT : WAMP_ERROR);
  CHECK(answer->id == call);
  WAIT(told.freed, 1);
  GOOD(wamp_invocation_release(kept));
  inbox_empty(&outcome), watch_empty(&told);

  call = begin(caller, &outcome);
  GOOD(watch(&told, answer_with_error));
  GOOD(wamp_session_cancel(caller, call, "{\"mode\": \"kill\"}"));
  WAIT(outcome.got, 1);
  answer = inbox_event(&outcome, 0, WAMP_ERROR);
  CHECK(answer->status == (scenario_is_embedded() ? WAMP_ERR_REMOTE : WAMP_ERR_CANCELED));
  SAME(answer->uri, scenario_is_embedded() ? "com.example.stopped" : "wamp.error.canceled");
  if (scenario_is_embedded()) CHECK(wamp_value_int(inbox_arg(&outcome, 0, WAMP_ERROR, 0)) == 3);
  WAIT(told.freed, 1);
  GOOD(wamp_invocation_release(kept));
  inbox_empty(&outcome), watch_empty(&told);
}

/* An invocation is answered once; then there is nothing to interrupt. */
static void answered(wamp_session_t *caller) {
  static inbox_t outcome = INBOX;
  static watch_t before = WATCH, after = WATCH;
  (void)begin(caller, &outcome);
  GOOD(watch(&before, inbox_callback));
  GOOD(wamp_invocation_progress(kept, NULL));
  GOOD(wamp_invocation_yield(kept, WAMP_ARGS("[1]")));
  WAIT(before.freed, 1);
  CHECK(wamp_invocation_is_canceled(kept) == 0);
  FAILS(wamp_invocation_yield(kept, NULL), WAMP_ERR_STATE);
  FAILS(wamp_invocation_error(kept, NULL, NULL), WAMP_ERR_STATE);
  FAILS(wamp_invocation_progress(kept, NULL), WAMP_ERR_STATE);
  FAILS(watch(&after, inbox_callback), WAMP_ERR_STATE);
  CHECK(latch_count(&after.freed) == 1 && latch_count(&after.told.got) == 0);
  WAIT(outcome.got, 2);
  (void)inbox_event(&outcome, 1, WAMP_RESULT);
  GOOD(wamp_invocation_release(kept));
  FAILS(watch(&after, inbox_callback), WAMP_ERR_HANDLE);
  CHECK(latch_count(&after.freed) == 2 && latch_count(&before.told.got) == 0);
  inbox_empty(&outcome), watch_empty(&before), watch_empty(&after);
}

/* A caller that leaves does not wait any more. */
static void caller_leaves(void) {
  static inbox_t outcome = INBOX;
  static watch_t told = WATCH;
  wamp_connection_t *leaving = scenario_connection("thread", NULL);
  wamp_session_t *caller = scenario_join(leaving);
  (void)begin(caller, &outcome);
  GOOD(watch(&told, inbox_callback));
  scenario_leave(leaving, caller);
  WAIT(told.told.got, 1);
  WAIT(told.freed, 1);
  CHECK(inbox_event(&outcome, 0, WAMP_ERROR)->status == WAMP_ERR_OUTCOME_UNKNOWN);
  nobody_waits();
  inbox_empty(&outcome), watch_empty(&told);
}

/* Without callbacks: the retained handle comes with the interrupt, and the caller gets its error at the next poll. */
static void polled(wamp_session_t *caller) {
  static inbox_t outcome = INBOX;
  static latch_t freed = LATCH;
  wamp_connection_t *callee;
  wamp_session_t *serving;
  wamp_event_t event;
  wamp_invocation_t *invocation;
  int64_t call, registration;
  callee = scenario_connection("manual", NULL);
  scenario_unpump(callee);
  serving = scenario_join(callee);
  GOOD(wamp_session_register_sync(serving, WORK ".polled", NULL, NULL, NULL, NULL, LIMIT_MS));
  call = GOOD(wamp_session_call(caller, WORK ".polled", NULL, NULL, inbox_callback, &outcome, NULL));
  do GOOD(wamp_connection_poll(callee, &event, sizeof event, 1, LIMIT_MS));
  while (event.kind != WAMP_INVOCATION);
  registration = event.id;
  invocation = event.invocation;
  GOOD(wamp_invocation_retain(invocation));
  GOOD(wamp_invocation_on_interrupt(invocation, NULL, &freed, latch_free));
  GOOD(wamp_session_cancel(caller, call, "{\"mode\": \"kill\"}"));
  CHECK(wamp_connection_poll(callee, &event, sizeof event, 1, LIMIT_MS) == 1);
  CHECK(event.kind == WAMP_INTERRUPT && event.invocation == invocation && event.user_data == &freed);
  CHECK(event.id == registration);
  CHECK(latch_count(&outcome.got) == 0);
  CHECK(wamp_connection_poll(callee, &event, sizeof event, 1, 0) == 0);
  ended(&outcome, call, WAMP_ERR_CANCELED);
  WAIT(freed, 1);
  FAILS(wamp_invocation_yield(invocation, NULL), WAMP_ERR_CANCELED);
  GOOD(wamp_invocation_release(invocation));
  scenario_leave(callee, serving);
}

/* With our session everything ends. */
static void callee_leaves(wamp_session_t *caller, wamp_connection_t *callee, wamp_session_t *serving) {
  static inbox_t outcome = INBOX;
  static watch_t told = WATCH;
  (void)begin(caller, &outcome);
  GOOD(watch(&told, inbox_callback));
  scenario_leave(callee, serving);
  WAIT(outcome.got, 1);
  SAME(inbox_event(&outcome, 0, WAMP_ERROR)->uri, "wamp.error.canceled");
  CHECK(latch_count(&told.freed) == 1 && latch_count(&told.told.got) == 0);
  CHECK(wamp_invocation_is_canceled(kept) == 1);
  FAILS(wamp_invocation_yield(kept, NULL), WAMP_ERR_CLOSED);
  FAILS(watch(&told, inbox_callback), WAMP_ERR_CLOSED);
  CHECK(latch_count(&told.freed) == 2);
  GOOD(wamp_invocation_release(kept));
  inbox_empty(&outcome), watch_empty(&told);
}

int main(int argc, char **argv) {
  wamp_connection_t *callee, *calling;
  wamp_session_t *serving, *caller;

  scenario_begin(argc, argv, "interrupt");
  callee = scenario_connection(scenario.mode, NULL);
  calling = scenario_connection("thread", NULL);
  serving = scenario_join(callee);
  caller = scenario_join(calling);
  CHECK(scenario_can(serving, "callee", "call_canceling"));
  GOOD(wamp_session_register_sync(serving, WORK, NULL, on_work, NULL, NULL, LIMIT_MS));

  watched(caller, "{\"mode\": \"kill\"}", "kill");
  watched(caller, "{\"mode\": \"killnowait\"}", "killnowait");
  watched(caller, NULL, "killnowait");
  unwatched(caller);
  skipped(caller);
  last_word(caller);
  answered(caller);
  caller_leaves();
  polled(caller);
  callee_leaves(caller, callee, serving);

  scenario_leave(calling, caller);
  return scenario_end();
}
