/* What is over stays over: a view, a value and a handle from an event show nothing once it has ended, however many
 * events come after it, and never what belongs to one of those. WAMP_TEST_COUNT in the environment sets how many come. */
#include "scenario.h"

#define URI "com.example.stale."

static wamp_event_t stale;
static const wamp_value_t *values[4]; /* its args, their first, its kwargs, its details */
static latch_t got = LATCH;

/* Nothing is found through what the first event has lent. */
static void check_stale(void) {
  const wamp_value_t *const *value;
  size_t size = 1;
  for (value = values; value < values + sizeof values / sizeof *values; value++) {
    CHECK(wamp_value_type(*value) == WAMP_TYPE_NONE && wamp_value_size(*value) == 0);
    CHECK(wamp_value_at(*value, 0) == NULL && wamp_value_get(*value, "a") == NULL);
    CHECK(wamp_value_int(*value) == 0 && wamp_value_string(*value, &size) == NULL && size == 0);
  }
  CHECK(wamp_event_args(&stale) == NULL && wamp_event_kwargs(&stale) == NULL && wamp_event_details(&stale) == NULL);
}

static void check_stale_view(void) {
  CHECK(wamp_event_keep(&stale) == NULL);
  CHECK(strstr(wamp_last_error(), "no longer valid") != NULL);
  FAILS(wamp_event_failed(&stale, "in vain"), WAMP_ERR_ARGUMENT);
}

static void on_event(const wamp_event_t *event, void *user_data) {
  const wamp_value_t *args = wamp_event_args(event), *first = wamp_value_at(args, 0);
  (void)user_data;
  CHECK(wamp_value_int(first) == latch_count(&got));
  CHECK(wamp_value_int(wamp_value_get(wamp_event_kwargs(event), "a")) == 5 && wamp_event_details(event) != NULL);
  if (wamp_value_int(first) == 0) {
    stale = *event;
    values[0] = args;
    values[1] = first;
    values[2] = wamp_event_kwargs(event);
    values[3] = wamp_event_details(event);
  } else {
    check_stale();
  }
  latch_hit(&got);
}

static void events(wamp_session_t *session) {
  const long count = scenario_count(70000); /* more than 2^16 */
  char args[32];
  long i;
  GOOD(wamp_session_subscribe_sync(session, URI "topic", NULL, on_event, NULL, NULL, LIMIT_MS));
  for (i = 0; i < count; i++) {
    int status;
    snprintf(args, sizeof args, "[%ld]", i);
    do {
      status = wamp_session_publish(session, URI "topic", WAMP_PAYLOAD(args, "{\"a\": 5}"), "{\"exclude_me\": false}");
    } while (status == WAMP_ERR_AGAIN && wamp_connection_flush(stale.connection, LIMIT_MS) == WAMP_OK);
    GOOD(status);
    if (i == 0) WAIT(got, 1);
  }
  WAIT(got, count);
  check_stale();
  check_stale_view();
}

/* Messages and reports end by their free, and so do the values in them. */
static void messages(wamp_session_t *session) {
  wamp_message_t *features = wamp_session_features(session), *again;
  const wamp_event_t *view = wamp_message_event(features);
  wamp_event_t copy = *view;
  const wamp_value_t *kwargs = wamp_event_kwargs(view), *role = wamp_value_get(kwargs, "caller");
  CHECK(wamp_value_type(role) == WAMP_TYPE_DICT);
  GOOD(wamp_message_free(features));
  again = wamp_session_features(session);
  CHECK(wamp_value_type(wamp_event_kwargs(wamp_message_event(again))) == WAMP_TYPE_DICT);
  CHECK(wamp_value_type(kwargs) == WAMP_TYPE_NONE && wamp_value_type(role) == WAMP_TYPE_NONE);
  CHECK(wamp_event_kwargs(&copy) == NULL && wamp_event_keep(&copy) == NULL);
  CHECK(wamp_message_event(features) == NULL);
  GOOD(wamp_message_free(again));
}

static latch_t logged = LATCH, warned = LATCH;

static void on_log(int level, const char *line, void *user_data) {
  (void)user_data;
  if (strstr(line, "wamp_log_event") && strstr(line, "no longer valid")) {
    CHECK(level == WAMP_LOG_WARN);
    latch_hit(&warned);
  }
  if (strstr(line, "EVENT " URI "logged [\"news\"] {\"a\":1}")) latch_hit(&logged);
}

/* The library's own callback looks, too, whether its event is still valid. */
static void logs(wamp_session_t *session) {
  wamp_event_t nothing, made_up = stale;
  memset(&nothing, 0, sizeof nothing);
  made_up.token ^= 1;
  made_up.uri = made_up.message = made_up.payload.args = (const char *)16; /* not to be looked at */
  GOOD(wamp_set_log(WAMP_LOG_WARN, on_log, NULL, NULL));
  wamp_log_event(&stale, NULL);
  wamp_log_event(&nothing, NULL);
  wamp_log_event(&made_up, NULL);
  CHECK(latch_count(&warned) == 3);
  wamp_log_event(NULL, NULL);
  GOOD(wamp_session_subscribe_sync(session, URI "logged", NULL, wamp_log_event, NULL, NULL, LIMIT_MS));
  GOOD(wamp_session_publish(session, URI "logged", WAMP_PAYLOAD("[\"news\"]", "{\"a\":1}"), "{\"exclude_me\": false}"));
  WAIT(logged, 1);
  GOOD(wamp_set_log(WAMP_LOG_OFF, NULL, NULL, NULL));
}

int main(int argc, char **argv) {
  wamp_connection_t *connection;
  wamp_session_t *session;
  scenario_begin(argc, argv, "local_stale");
  connection = scenario_connection(scenario.mode, NULL);
  session = scenario_join(connection);
  events(session);
  messages(session);
  logs(session);
  scenario_leave(connection, session);
  return scenario_end();
}
