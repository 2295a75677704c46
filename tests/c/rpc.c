/* Remote procedure calls: results, errors, answers that come late or never, progressive results, and unregistering. */
#include "scenario.h"

#define PROC "com.example.rpc."

/* What `slow` was asked: kept, to be answered later. */
static latch_t asked = LATCH;
static wamp_invocation_t *kept[2];

static void on_add(const wamp_event_t *event, void *user_data) {
  wamp_builder_t *sum = wamp_builder_new(WAMP_JSON);
  int64_t a = wamp_value_int(wamp_value_at(wamp_event_args(event), 0));
  int64_t b = wamp_value_int(wamp_value_get(wamp_event_kwargs(event), "b"));
  (void)user_data;
  CHECK(event->kind == WAMP_INVOCATION && event->wamp_id > 0);
  SAME(event->uri, PROC "add");
  SAME(wamp_value_string(wamp_value_get(wamp_event_details(event), "procedure"), NULL), PROC "add");
  GOOD(wamp_builder_int(sum, a + b));
  GOOD(wamp_builder_key(sum, "operands"));
  GOOD(wamp_builder_list(sum));
  GOOD(wamp_builder_int(sum, a));
  GOOD(wamp_builder_int(sum, b));
  GOOD(wamp_builder_end(sum));
  GOOD(wamp_invocation_yield(event->invocation, wamp_builder_payload(sum)));
  GOOD(wamp_builder_free(sum));
}

static void on_fail(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_error(event->invocation, PROC "error.empty",
                             WAMP_PAYLOAD("[\"nothing left\", 3]", "{\"wanted\": 4}")));
}

static void on_fail_simply(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_error(event->invocation, NULL, WAMP_ARGS("[\"oops\"]")));
}

static void on_slow(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_retain(event->invocation));
  kept[latch_count(&asked)] = event->invocation;
  latch_hit(&asked);
}

static void on_ignore(const wamp_event_t *event, void *user_data) {
  (void)event; /* returns without an answer and without retaining */
  (void)user_data;
}

static void on_twice(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_yield(event->invocation, WAMP_ARGS("[\"first\"]")));
  FAILS(wamp_invocation_yield(event->invocation, WAMP_ARGS("[\"second\"]")), WAMP_ERR_STATE);
  FAILS(wamp_invocation_error(event->invocation, NULL, NULL), WAMP_ERR_STATE);
  FAILS(wamp_invocation_progress(event->invocation, NULL), WAMP_ERR_STATE);
}

static void on_progress(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  CHECK(event->flags & WAMP_FLAG_PROGRESS);
  GOOD(wamp_invocation_progress(event->invocation, WAMP_ARGS("[1]")));
  GOOD(wamp_invocation_progress(event->invocation, WAMP_ARGS("[2]")));
  GOOD(wamp_invocation_progress(event->invocation, WAMP_ARGS("[3]")));
  GOOD(wamp_invocation_yield(event->invocation, WAMP_ARGS("[4]")));
}

static void results(wamp_session_t *caller) {
  wamp_message_t *answer = scenario_call(caller, PROC "add", WAMP_PAYLOAD("[20]", "{\"b\": 22}"), NULL);
  const wamp_event_t *result = wamp_message_event(answer);
  CHECK(result->kind == WAMP_RESULT && !(result->flags & WAMP_FLAG_PROGRESS) && result->status == 0);
  CHECK(wamp_value_int(wamp_value_at(wamp_event_args(result), 0)) == 42);
  CHECK(wamp_value_int(wamp_value_at(wamp_value_get(wamp_event_kwargs(result), "operands"), 1)) == 22);
  GOOD(wamp_message_free(answer));

  answer = scenario_call(caller, PROC "twice", NULL, NULL);
  result = wamp_message_event(answer);
  CHECK(result->kind == WAMP_RESULT);
  SAME(wamp_value_string(wamp_value_at(wamp_event_args(result), 0), NULL), "first");
  GOOD(wamp_message_free(answer));
}

/* A call that must end with an ERROR; uri NULL: whichever. */
static wamp_message_t *wrong(wamp_session_t *caller, const char *procedure, const char *uri) {
  wamp_message_t *answer = scenario_call(caller, procedure, NULL, NULL);
  const wamp_event_t *error = wamp_message_event(answer);
  CHECK(error->kind == WAMP_ERROR && error->status == WAMP_ERR_REMOTE);
  CHECK(error->uri_size == strlen(error->uri) && error->message_size == strlen(error->message));
  if (uri) SAME(error->uri, uri);
  return answer;
}

static void errors(wamp_session_t *caller) {
  wamp_message_t *answer = wrong(caller, PROC "fail", PROC "error.empty");
  const wamp_event_t *error = wamp_message_event(answer);
  SAME(wamp_value_string(wamp_value_at(wamp_event_args(error), 0), NULL), "nothing left");
  CHECK(wamp_value_int(wamp_value_at(wamp_event_args(error), 1)) == 3);
  CHECK(wamp_value_int(wamp_value_get(wamp_event_kwargs(error), "wanted")) == 4);
  GOOD(wamp_message_free(answer));

  answer = wrong(caller, PROC "fail_simply", "wamp.error.runtime_error");
  SAME(wamp_value_string(wamp_value_at(wamp_event_args(wamp_message_event(answer)), 0), NULL), "oops");
  GOOD(wamp_message_free(answer));

  GOOD(wamp_message_free(wrong(caller, PROC "nobody", "wamp.error.no_such_procedure")));
  GOOD(wamp_message_free(wrong(caller, PROC "ignore", NULL)));
}

static void *answer_from_another_thread(void *unused) {
  WAIT(asked, 1);
  GOOD(wamp_invocation_yield(kept[0], WAMP_ARGS("[\"late\"]")));
  GOOD(wamp_invocation_release(kept[0]));
  return unused;
}

static void late_and_never(wamp_session_t *caller) {
  static inbox_t inbox = INBOX;
  pthread_t thread;
  wamp_message_t *answer;
  CHECK(pthread_create(&thread, NULL, answer_from_another_thread, NULL) == 0);
  answer = scenario_call(caller, PROC "slow", NULL, NULL);
  CHECK(pthread_join(thread, NULL) == 0);
  SAME(wamp_value_string(wamp_value_at(wamp_event_args(wamp_message_event(answer)), 0), NULL), "late");
  GOOD(wamp_message_free(answer));

  /* Retained, then given up: the caller must not wait for ever. */
  GOOD(wamp_session_call(caller, PROC "slow", NULL, NULL, inbox_callback, &inbox, NULL));
  WAIT(asked, 2);
  CHECK(latch_count(&inbox.got) == 0);
  GOOD(wamp_invocation_release(kept[1]));
  WAIT(inbox.got, 1);
  CHECK(inbox_event(&inbox, 0, WAMP_ERROR)->status == WAMP_ERR_REMOTE);
  FAILS(wamp_invocation_yield(kept[1], NULL), WAMP_ERR_HANDLE);
  inbox_empty(&inbox);
}

static void progress(wamp_session_t *caller) {
  static inbox_t inbox = INBOX;
  int i;
  int64_t call = GOOD(wamp_session_call(caller, PROC "progress", NULL, "{\"receive_progress\": true}", inbox_callback,
                                        &inbox, NULL));
  WAIT(inbox.got, 4);
  for (i = 0; i < 4; i++) {
    const wamp_event_t *result = inbox_event(&inbox, i, WAMP_RESULT);
    CHECK(result->id == call);
    CHECK(((result->flags & WAMP_FLAG_PROGRESS) != 0) == (i < 3));
    CHECK(wamp_value_int(inbox_arg(&inbox, i, WAMP_RESULT, 0)) == i + 1);
  }
  inbox_empty(&inbox);
}

static void unregister(wamp_session_t *callee, wamp_session_t *caller) {
  static inbox_t done = INBOX, end = INBOX, taken = INBOX;
  int64_t id = GOOD(wamp_session_register(callee, PROC "gone", NULL, on_ignore, inbox_callback, &done, NULL));
  WAIT(done.got, 1);
  CHECK(inbox_event(&done, 0, WAMP_REGISTERED)->id == id && inbox_event(&done, 0, WAMP_REGISTERED)->wamp_id > 0);

  /* A procedure that somebody else offers already. */
  GOOD(wamp_session_register(caller, PROC "gone", NULL, on_ignore, inbox_callback, &taken, NULL));
  WAIT(taken.got, 1);
  SAME(inbox_event(&taken, 0, WAMP_ERROR)->uri, "wamp.error.procedure_already_exists");

  GOOD(wamp_session_unregister(callee, id, inbox_callback, &end, NULL));
  WAIT(end.got, 1);
  CHECK(inbox_event(&end, 0, WAMP_UNREGISTERED)->id == id);
  FAILS(wamp_session_unregister(callee, id, NULL, NULL, NULL), WAMP_ERR_NO_SUCH_ID);
  GOOD(wamp_message_free(wrong(caller, PROC "gone", "wamp.error.no_such_procedure")));
  inbox_empty(&done), inbox_empty(&end), inbox_empty(&taken);
}

int main(int argc, char **argv) {
  static const struct {
    const char *procedure;
    wamp_callback_t handler;
  } offers[] = {{PROC "add", on_add},       {PROC "fail", on_fail},   {PROC "fail_simply", on_fail_simply},
                {PROC "slow", on_slow},     {PROC "twice", on_twice}, {PROC "ignore", on_ignore},
                {PROC "progress", on_progress}};
  wamp_connection_t *a, *b;
  wamp_session_t *callee, *caller;
  size_t i;
  scenario_begin(argc, argv, "rpc");
  a = scenario_connection(scenario.mode, NULL);
  b = scenario_connection(scenario.mode, NULL);
  callee = scenario_join(a);
  caller = scenario_join(b);
  for (i = 0; i < sizeof offers / sizeof *offers; i++)
    CHECK(GOOD(wamp_session_register_sync(callee, offers[i].procedure, NULL, offers[i].handler, NULL, NULL,
                                          LIMIT_MS)) > 0);

  results(caller);
  errors(caller);
  late_and_never(caller);
  progress(caller);
  unregister(callee, caller);

  scenario_leave(a, callee);
  scenario_leave(b, caller);
  return scenario_end();
}
