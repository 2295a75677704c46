/* Failures that the program itself reports, and those of requests that have no callback to hear them: on_user_error, or the
 * log. */
#include "scenario.h"

#define NAME "com.example.errors."

static inbox_t errors = INBOX;

static void on_failing(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_event_failed(event, "cannot read \"it\" \xc3\xa4"));
}

static void on_failing_silently(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_event_failed(event, NULL));
}

/* Answers first, fails then: the answer holds. */
static void on_failing_late(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_yield(event->invocation, WAMP_ARGS("[\"done\"]")));
  GOOD(wamp_event_failed(event, "too late"));
}

static void on_bad_report(const wamp_event_t *event, void *user_data) {
  FAILS(wamp_event_failed(event, "\xff"), WAMP_ERR_UTF8);
  latch_hit(user_data);
}

static void handlers(wamp_session_t *session, wamp_session_t *other) {
  static latch_t refused = LATCH;
  const wamp_event_t *error;
  wamp_message_t *answer;
  int64_t topic, procedure;
  topic = GOOD(wamp_session_subscribe_sync(session, NAME "topic", NULL, on_failing, NULL, NULL, LIMIT_MS));
  procedure = GOOD(wamp_session_register_sync(session, NAME "failing", NULL, on_failing, NULL, NULL, LIMIT_MS));
  GOOD(wamp_session_register_sync(session, NAME "silent", NULL, on_failing_silently, NULL, NULL, LIMIT_MS));
  GOOD(wamp_session_register_sync(session, NAME "late", NULL, on_failing_late, NULL, NULL, LIMIT_MS));

  GOOD(wamp_session_publish(other, NAME "topic", NULL, NULL));
  WAIT(errors.got, 1);
  error = inbox_event(&errors, 0, WAMP_USER_ERROR);
  CHECK(error->id == topic && error->status < 0);
  SAME(error->uri, NAME "topic");
  SAME(error->message, "cannot read \"it\" \xc3\xa4");
  inbox_empty(&errors);

  answer = scenario_call(other, NAME "failing", NULL, NULL);
  error = wamp_message_event(answer);
  SAME(error->uri, "wamp.error.runtime_error");
  SAME(wamp_value_string(wamp_value_at(wamp_event_args(error), 0), NULL), "cannot read \"it\" \xc3\xa4");
  SAME(error->message, "wamp.error.runtime_error: cannot read \"it\" \xc3\xa4");
  GOOD(wamp_message_free(answer));
  WAIT(errors.got, 1);
  CHECK(inbox_event(&errors, 0, WAMP_USER_ERROR)->id == procedure);
  SAME(inbox_event(&errors, 0, WAMP_USER_ERROR)->uri, NAME "failing");
  inbox_empty(&errors);

  scenario_refused(other, NAME "silent", NULL, NULL, "wamp.error.runtime_error");
  WAIT(errors.got, 1);
  CHECK(inbox_event(&errors, 0, WAMP_USER_ERROR)->message_size > 0);
  inbox_empty(&errors);

  answer = scenario_result(other, NAME "late", NULL, NULL);
  SAME(wamp_value_string(wamp_value_at(wamp_event_args(wamp_message_event(answer)), 0), NULL), "done");
  GOOD(wamp_message_free(answer));
  WAIT(errors.got, 1);
  SAME(inbox_event(&errors, 0, WAMP_USER_ERROR)->message, "too late");
  inbox_empty(&errors);

  GOOD(wamp_session_subscribe_sync(session, NAME "bad", NULL, on_bad_report, &refused, NULL, LIMIT_MS));
  GOOD(wamp_session_publish(other, NAME "bad", NULL, NULL));
  WAIT(refused, 1);
}

/* Requests without a `done`. */
static void unheard(wamp_session_t *session) {
  static latch_t freed = LATCH;
  const wamp_event_t *error;
  int64_t id = GOOD(wamp_session_call(session, NAME "nobody", NULL, NULL, NULL, &freed, latch_free));
  WAIT(errors.got, 1);
  error = inbox_event(&errors, 0, WAMP_USER_ERROR);
  CHECK(error->id == id && error->status == WAMP_ERR_REMOTE);
  SAME(error->uri, "wamp.error.no_such_procedure");
  WAIT(freed, 1);

  id = GOOD(wamp_session_register(session, "wamp.not.mine", NULL, on_failing, NULL, &freed, latch_free));
  WAIT(errors.got, 2);
  CHECK(inbox_event(&errors, 1, WAMP_USER_ERROR)->id == id);
  SAME(inbox_event(&errors, 1, WAMP_USER_ERROR)->uri, "wamp.error.invalid_uri");
  WAIT(freed, 2);

  id = GOOD(wamp_session_publish_ack(session, "wamp.not.mine", NULL, NULL, NULL, &freed, latch_free));
  WAIT(errors.got, 3);
  CHECK(inbox_event(&errors, 2, WAMP_USER_ERROR)->id == id);
  WAIT(freed, 3);

  /* A success that nobody hears is no failure. */
  GOOD(wamp_session_publish_ack(session, NAME "topic", NULL, NULL, NULL, &freed, latch_free));
  WAIT(freed, 4);
  CHECK(latch_count(&errors.got) == 3);
  inbox_empty(&errors);
}

/* Nobody is set: they go to the log. */
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static bool log_named_it, log_told_it;
static latch_t logged = LATCH;

static void on_line(int level, const char *line, void *user_data) {
  (void)user_data;
  pthread_mutex_lock(&log_mutex);
  if (level <= WAMP_LOG_WARN && strstr(line, "wamp.error.no_such_procedure")) log_named_it = true;
  if (level <= WAMP_LOG_WARN && strstr(line, "cannot read")) log_told_it = true;
  if (level <= WAMP_LOG_WARN) latch_hit(&logged);
  pthread_mutex_unlock(&log_mutex);
}

static void to_the_log(wamp_connection_t *connection, wamp_session_t *session, wamp_session_t *other) {
  static latch_t freed = LATCH;
  GOOD(wamp_connection_on_user_error(connection, on_failing, &freed, latch_free));
  GOOD(wamp_connection_on_user_error(connection, NULL, NULL, NULL));
  WAIT(freed, 1);
  GOOD(wamp_set_log(WAMP_LOG_WARN, on_line, NULL, NULL));
  GOOD(wamp_session_call(session, NAME "nobody", NULL, NULL, NULL, NULL, NULL));
  WAIT(logged, 1);
  GOOD(wamp_session_publish(other, NAME "topic", NULL, NULL));
  WAIT(logged, 2);
  GOOD(wamp_set_log(WAMP_LOG_OFF, NULL, NULL, NULL));
  CHECK(log_named_it && log_told_it);
}

static void misused(void) {
  wamp_event_t made_up;
  memset(&made_up, 0, sizeof made_up);
  FAILS(wamp_event_failed(NULL, "x"), WAMP_ERR_ARGUMENT);
  FAILS(wamp_event_failed(&made_up, "x"), WAMP_ERR_ARGUMENT);
}

int main(int argc, char **argv) {
  wamp_connection_t *a, *b;
  wamp_session_t *session, *other;
  scenario_begin(argc, argv, "errors");
  a = scenario_connection(scenario.mode, NULL);
  b = scenario_connection("thread", NULL);
  GOOD(wamp_connection_on_user_error(a, inbox_callback, &errors, NULL));
  session = scenario_join(a);
  other = scenario_join(b);
  handlers(session, other);
  unheard(session);
  misused();
  to_the_log(a, session, other);
  scenario_leave(a, session);
  scenario_leave(b, other);
  return scenario_end();
}
