/* Payloads: big and empty ones, received ones sent on unparsed, messages kept beyond their callback, numbers at their
 * limits, and reading what is not there. WAMP_TEST_BYTES in the environment sets how big is big. */
#include <float.h>

#include "scenario.h"

#define URI "com.example.payload."

/* Sends an event on to another topic, as it came. */
static void on_forward(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_session_publish(event->session, URI "out", &event->payload, NULL));
}

static void check_text(const wamp_value_t *value, const char *text, size_t wanted) {
  size_t size = 0;
  const char *got = wamp_value_string(value, &size);
  CHECK(got != NULL && size == wanted && memcmp(got, text, wanted) == 0 && got[size] == '\0');
}

static void big(wamp_session_t *session) {
  static inbox_t inbox = INBOX;
  const char *wish = getenv("WAMP_TEST_BYTES");
  size_t size = wish ? (size_t)strtol(wish, NULL, 10) : 1048576, i;
  char *text = malloc(size + 1);
  wamp_builder_t *builder = wamp_builder_new(WAMP_JSON);
  wamp_message_t *answer;
  int64_t id;

  CHECK(text != NULL);
  for (i = 0; i < size; i++) text[i] = (char)('a' + i % 26);
  text[size] = '\0';
  GOOD(wamp_builder_string(builder, text, size));

  answer = scenario_call(session, URI "echo", wamp_builder_payload(builder), NULL);
  CHECK(wamp_message_event(answer)->kind == WAMP_RESULT);
  check_text(wamp_value_at(wamp_event_args(wamp_message_event(answer)), 0), text, size);
  GOOD(wamp_message_free(answer));

  /* Out by one topic, back by the other. */
  id = GOOD(wamp_session_subscribe_sync(session, URI "out", NULL, inbox_callback, &inbox, NULL, LIMIT_MS));
  GOOD(wamp_session_publish(session, URI "in", wamp_builder_payload(builder), NULL));
  WAIT(inbox.got, 1);
  check_text(inbox_arg(&inbox, 0, WAMP_EVENT, 0), text, size);

  /* The same way with kwargs only: no args may appear. */
  GOOD(wamp_builder_reset(builder));
  GOOD(wamp_builder_key(builder, "only"));
  GOOD(wamp_builder_string(builder, "kwargs", WAMP_NUL));
  GOOD(wamp_session_publish(session, URI "in", wamp_builder_payload(builder), NULL));
  WAIT(inbox.got, 2);
  CHECK(wamp_value_size(wamp_event_args(inbox_event(&inbox, 1, WAMP_EVENT))) == 0);
  check_text(wamp_value_get(wamp_event_kwargs(inbox_event(&inbox, 1, WAMP_EVENT)), "only"), "kwargs", 6);

  CHECK(GOOD(wamp_session_unsubscribe_sync(session, id, LIMIT_MS)) == 1);
  GOOD(wamp_builder_free(builder));
  inbox_empty(&inbox);
  free(text);
}

static void check_empty(wamp_session_t *session, const wamp_payload_t *payload) {
  wamp_message_t *answer = scenario_call(session, URI "echo", payload, NULL);
  const wamp_event_t *result = wamp_message_event(answer);
  CHECK(result->kind == WAMP_RESULT);
  CHECK(wamp_value_size(wamp_event_args(result)) == 0 && wamp_value_size(wamp_event_kwargs(result)) == 0);
  GOOD(wamp_message_free(answer));
}

static void empty(wamp_session_t *session) {
  /* Sizes count: what follows the list in memory is not part of it. */
  static const char unterminated[] = {'[', '4', ',', '5', ']', ',', '6', ']'};
  wamp_payload_t some = {unterminated, 5, NULL, 0, WAMP_JSON, 0};
  wamp_builder_t *builder = wamp_builder_new(WAMP_JSON);
  wamp_message_t *answer;
  check_empty(session, NULL);
  check_empty(session, WAMP_ARGS("[]"));
  check_empty(session, WAMP_KWARGS("{}"));
  check_empty(session, WAMP_PAYLOAD(" [ ] ", "{}"));
  check_empty(session, wamp_builder_payload(builder));
  GOOD(wamp_builder_free(builder));

  answer = scenario_call(session, URI "echo", &some, NULL);
  CHECK(wamp_value_size(wamp_event_args(wamp_message_event(answer))) == 2);
  CHECK(wamp_value_int(wamp_value_at(wamp_event_args(wamp_message_event(answer)), 1)) == 5);
  GOOD(wamp_message_free(answer));
}

static void numbers(wamp_session_t *session) {
  static const int64_t integers[] = {0, 1, -1, 4294967296, 9007199254740993, INT64_MAX, INT64_MIN};
  static const double doubles[] = {0.5, -2.5, 0.1, 3.0, 1e300, DBL_MAX, DBL_MIN, 1.0 / 3.0};
  const size_t ints = sizeof integers / sizeof *integers, reals = sizeof doubles / sizeof *doubles;
  wamp_builder_t *builder = wamp_builder_new(WAMP_JSON);
  const wamp_value_t *args, *value;
  wamp_message_t *answer;
  size_t i, size = 7;

  for (i = 0; i < ints; i++) GOOD(wamp_builder_int(builder, integers[i]));
  for (i = 0; i < reals; i++) GOOD(wamp_builder_double(builder, doubles[i]));
  GOOD(wamp_builder_uint(builder, UINT64_MAX));
  GOOD(wamp_builder_uint(builder, 12));
  GOOD(wamp_builder_string(builder, "13", WAMP_NUL));
  answer = scenario_call(session, URI "echo", wamp_builder_payload(builder), NULL);
  GOOD(wamp_builder_free(builder));
  CHECK(wamp_message_event(answer)->kind == WAMP_RESULT);
  args = wamp_event_args(wamp_message_event(answer));
  CHECK(wamp_value_size(args) == ints + reals + 3);

  for (i = 0; i < ints; i++) {
    value = wamp_value_at(args, i);
    CHECK(wamp_value_type(value) == WAMP_TYPE_INT && wamp_value_int(value) == integers[i]);
    CHECK(wamp_value_double(value) == (double)integers[i]);
    if (integers[i] >= 0) CHECK(wamp_value_uint(value) == (uint64_t)integers[i]);
  }
  for (i = 0; i < reals; i++) {
    value = wamp_value_at(args, ints + i);
    CHECK(wamp_value_type(value) == WAMP_TYPE_DOUBLE && wamp_value_double(value) == doubles[i]);
  }
  CHECK(wamp_value_int(wamp_value_at(args, ints + 3)) == 3); /* the double 3.0 */
  CHECK(wamp_value_uint(wamp_value_at(args, ints + 3)) == 3);
  value = wamp_value_at(args, ints + reals);
  CHECK(wamp_value_type(value) == WAMP_TYPE_UINT && wamp_value_uint(value) == UINT64_MAX);
  CHECK(wamp_value_double(value) == (double)UINT64_MAX);
  value = wamp_value_at(args, ints + reals + 1);
  CHECK(wamp_value_type(value) == WAMP_TYPE_INT && wamp_value_int(value) == 12); /* fits, so it is an INT */

  /* Of another type, or not there at all. */
  value = wamp_value_at(args, ints + reals + 2);
  CHECK(wamp_value_type(value) == WAMP_TYPE_STRING && wamp_value_int(value) == 0 && wamp_value_size(value) == 0);
  CHECK(wamp_value_at(value, 0) == NULL && wamp_value_get(value, "a") == NULL && wamp_value_get(args, "a") == NULL);
  CHECK(wamp_value_string(wamp_value_at(args, 0), NULL) == NULL);
  value = wamp_value_at(args, 99);
  CHECK(value == NULL && wamp_value_type(value) == WAMP_TYPE_NONE);
  CHECK(wamp_value_int(value) == 0 && wamp_value_uint(value) == 0 && wamp_value_double(value) == 0.0);
  CHECK(wamp_value_bool(value) == 0 && wamp_value_size(value) == 0 && wamp_value_at(value, 0) == NULL);
  CHECK(wamp_value_get(value, "a") == NULL && wamp_value_key(value, 0, NULL) == NULL);
  CHECK(wamp_value_string(value, &size) == NULL && size == 0);
  size = 7;
  CHECK(wamp_value_binary(value, &size) == NULL && size == 0);
  GOOD(wamp_message_free(answer));
}

/* Kept messages, with all that hangs on them, outlive the connection they came from. */
static void kept_messages(void) {
  static inbox_t inbox = INBOX;
  wamp_connection_t *connection = scenario_connection(scenario.mode, NULL);
  wamp_session_t *session = scenario_join(connection);
  wamp_payload_t payload;
  wamp_message_t *again;
  int i;

  GOOD(wamp_session_subscribe_sync(session, URI "kept", NULL, inbox_callback, &inbox, NULL, LIMIT_MS));
  for (i = 0; i < 20; i++)
    GOOD(wamp_session_publish(session, URI "kept", WAMP_ARGS("[\"I stay\", {\"a\": [1]}]"), "{\"exclude_me\": false}"));
  WAIT(inbox.got, 20);
  scenario_leave(connection, session);

  for (i = 0; i < 20; i++) {
    check_text(inbox_arg(&inbox, i, WAMP_EVENT, 0), "I stay", 6);
    CHECK(wamp_value_int(wamp_value_at(wamp_value_get(inbox_arg(&inbox, i, WAMP_EVENT, 1), "a"), 0)) == 1);
    SAME(inbox_event(&inbox, i, WAMP_EVENT)->uri, URI "kept");
    payload = inbox_event(&inbox, i, WAMP_EVENT)->payload;
    CHECK(payload.args != NULL && payload.args_size > 0);
    if (payload.encoding == WAMP_JSON) CHECK(payload.args[0] == '[');
  }
  again = wamp_event_keep(inbox_event(&inbox, 0, WAMP_EVENT)); /* a kept one can be kept once more */
  CHECK(again != NULL);
  inbox_empty(&inbox);
  check_text(wamp_value_at(wamp_event_args(wamp_message_event(again)), 0), "I stay", 6);
  GOOD(wamp_message_free(again));
}

int main(int argc, char **argv) {
  wamp_connection_t *a, *b;
  wamp_session_t *far, *near;
  scenario_begin(argc, argv, "payload");
  a = scenario_connection(scenario.mode, NULL);
  b = scenario_connection(scenario.mode, NULL);
  far = scenario_join(a);
  near = scenario_join(b);
  GOOD(wamp_session_register_sync(far, URI "echo", NULL, scenario_echo, NULL, NULL, LIMIT_MS));
  GOOD(wamp_session_subscribe_sync(far, URI "in", NULL, on_forward, NULL, NULL, LIMIT_MS));

  big(near);
  empty(near);
  numbers(near);
  kept_messages();

  scenario_leave(a, far);
  scenario_leave(b, near);
  return scenario_end();
}
