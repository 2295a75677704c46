/* Sizes: WAMP_NUL is the size of what ends with a NUL, 0 that of an empty text. No function that takes a pointer and a
 * size reads what it was not given: not behind an empty text, which may lie in the middle of another one, and not behind
 * a payload with the size 0, which programs for version 0.1 gave to say NUL-terminated. */
#include "scenario.h"

#define URI "com.example.sizes."

static const char *const WHOLE = "user=;password=secret";

/* Refused, and told how it should have been said. */
#define NAMES_NUL(call, status) (FAILS((call), (status)), CHECK(strstr(wamp_last_error(), "WAMP_NUL") != NULL))

static void builds(wamp_builder_t *builder, const char *args) {
  const wamp_payload_t *payload = wamp_builder_payload(builder);
  CHECK(payload->args != NULL);
  if (payload->args_size != strlen(args) || memcmp(payload->args, args, payload->args_size) != 0) {
    fprintf(stderr, "  got %.*s, wanted %s\n", (int)payload->args_size, payload->args, args);
    scenario_fail(__FILE__, __LINE__, "the builder has written what it was given");
  }
  GOOD(wamp_builder_reset(builder));
}

static void builders(void) {
  wamp_builder_t *builder = wamp_builder_new(WAMP_JSON), *msgpack = wamp_builder_new(WAMP_MSGPACK);

  GOOD(wamp_builder_string(builder, WHOLE + 5, 0)); /* an empty text, and not the password behind it */
  GOOD(wamp_builder_string(builder, NULL, 0));
  GOOD(wamp_builder_string(builder, WHOLE, 4));
  GOOD(wamp_builder_string(builder, WHOLE, WAMP_NUL));
  GOOD(wamp_builder_string(builder, "", WAMP_NUL));
  builds(builder, "[\"\",\"\",\"user\",\"user=;password=secret\",\"\"]");
  FAILS(wamp_builder_string(builder, NULL, 1), WAMP_ERR_ARGUMENT);
  GOOD(wamp_builder_reset(builder));
  FAILS(wamp_builder_string(builder, NULL, WAMP_NUL), WAMP_ERR_ARGUMENT);
  GOOD(wamp_builder_reset(builder));
  FAILS(wamp_builder_string(builder, WHOLE, WAMP_NUL - 1), WAMP_ERR_ARGUMENT); /* the -1 of another function, less one */
  GOOD(wamp_builder_reset(builder));

  GOOD(wamp_builder_binary(builder, WHOLE, 0));
  GOOD(wamp_builder_binary(builder, NULL, 0));
  builds(builder, "[\"\\u0000\",\"\\u0000\"]");
  NAMES_NUL(wamp_builder_binary(builder, WHOLE, WAMP_NUL), WAMP_ERR_ARGUMENT);
  GOOD(wamp_builder_reset(builder));
  FAILS(wamp_builder_binary(builder, NULL, 3), WAMP_ERR_ARGUMENT);
  GOOD(wamp_builder_reset(builder));

  GOOD(wamp_builder_raw(builder, "[1, 2]", WAMP_NUL));
  GOOD(wamp_builder_raw(builder, "345", 1));
  builds(builder, "[[1, 2],3]");
  NAMES_NUL(wamp_builder_raw(builder, "[1, 2]", 0), WAMP_ERR_PAYLOAD);
  GOOD(wamp_builder_reset(builder));
  FAILS(wamp_builder_raw(builder, NULL, 0), WAMP_ERR_PAYLOAD);
  GOOD(wamp_builder_reset(builder));
  FAILS(wamp_builder_raw(builder, NULL, WAMP_NUL), WAMP_ERR_ARGUMENT);

  /* A NUL is no end where it is a value like any other. */
  NAMES_NUL(wamp_builder_raw(msgpack, "\x92\x01\x02", 0), WAMP_ERR_PAYLOAD);
  GOOD(wamp_builder_reset(msgpack));
  NAMES_NUL(wamp_builder_raw(msgpack, "\x92\x01\x02", WAMP_NUL), WAMP_ERR_PAYLOAD);
  GOOD(wamp_builder_reset(msgpack));
  GOOD(wamp_builder_raw(msgpack, "\x92\x01\x00", 3));

  GOOD(wamp_builder_free(builder));
  GOOD(wamp_builder_free(msgpack));
}

/* What a program for version 0.1 gives, and what no size at all can mean. */
static const wamp_payload_t wrong[] = {
    {"[1,2]garbage", 0, NULL, 0, WAMP_JSON, 0},
    {NULL, 0, "{\"a\":1}garbage", 0, WAMP_JSON, 0},
    {"[1]", WAMP_NUL, "{}", 0, WAMP_JSON, 0},
    {"\x91\x01", WAMP_NUL, NULL, 0, WAMP_MSGPACK, 0},
    {"\x91\x01", 0, NULL, 0, WAMP_MSGPACK, 0},
    {NULL, 0, "\xa0", WAMP_NUL, WAMP_CBOR, 0},
};
enum { WRONG = sizeof wrong / sizeof *wrong };

static void on_invocation(const wamp_event_t *event, void *user_data) {
  wamp_invocation_t *invocation = event->invocation;
  size_t i;
  (void)user_data;
  for (i = 0; i < WRONG; i++) {
    NAMES_NUL(wamp_invocation_progress(invocation, &wrong[i]), WAMP_ERR_PAYLOAD);
    NAMES_NUL(wamp_invocation_yield(invocation, &wrong[i]), WAMP_ERR_PAYLOAD);
    NAMES_NUL(wamp_invocation_yield_with(invocation, &wrong[i], NULL), WAMP_ERR_PAYLOAD);
    NAMES_NUL(wamp_invocation_error(invocation, NULL, &wrong[i]), WAMP_ERR_PAYLOAD);
  }
  GOOD(wamp_invocation_yield(invocation, &event->payload));
}

static void payloads(wamp_session_t *session) {
  static const char in_the_middle[] = "[1][2]";
  /* NULL is absent, whatever stands beside it. */
  const wamp_payload_t part = {in_the_middle, 3, NULL, 7, WAMP_JSON, 0}, whole = {"[7]", WAMP_NUL, NULL, 0, WAMP_JSON, 0};
  wamp_message_t *answer;
  size_t i;

  GOOD(wamp_session_register_sync(session, URI "echo", NULL, on_invocation, NULL, NULL, LIMIT_MS));
  for (i = 0; i < WRONG; i++) {
    NAMES_NUL(wamp_session_publish(session, URI "x", &wrong[i], NULL), WAMP_ERR_PAYLOAD);
    NAMES_NUL(wamp_session_publish_ack(session, URI "x", &wrong[i], NULL, NULL, NULL, NULL), WAMP_ERR_PAYLOAD);
    NAMES_NUL(wamp_session_publish_ack_sync(session, URI "x", &wrong[i], NULL, LIMIT_MS, NULL), WAMP_ERR_PAYLOAD);
    NAMES_NUL(wamp_session_call(session, URI "echo", &wrong[i], NULL, NULL, NULL, NULL), WAMP_ERR_PAYLOAD);
    NAMES_NUL(wamp_session_call_sync(session, URI "echo", &wrong[i], NULL, LIMIT_MS, NULL), WAMP_ERR_PAYLOAD);
    NAMES_NUL(wamp_session_call_more(session, 1, &wrong[i], NULL), WAMP_ERR_PAYLOAD);
  }

  answer = scenario_result(session, URI "echo", &part, NULL);
  CHECK(wamp_value_int(wamp_value_at(wamp_event_args(wamp_message_event(answer)), 0)) == 1);
  CHECK(wamp_value_size(wamp_event_args(wamp_message_event(answer))) == 1);
  CHECK(wamp_event_kwargs(wamp_message_event(answer)) == NULL);
  GOOD(wamp_message_free(answer));
  answer = scenario_result(session, URI "echo", &whole, NULL);
  CHECK(wamp_value_int(wamp_value_at(wamp_event_args(wamp_message_event(answer)), 0)) == 7);
  GOOD(wamp_message_free(answer));
}

/* Where the library writes, a size is a size. */
static void buffers(wamp_connection_t *connection, wamp_session_t *session) {
  char out[64] = "untouched";
  wamp_event_t event;
  NAMES_NUL(wamp_session_resolve(session, "a.b", out, WAMP_NUL), WAMP_ERR_ARGUMENT);
  NAMES_NUL(wamp_auth_cra_sign("key", "challenge", out, WAMP_NUL), WAMP_ERR_ARGUMENT);
  SAME(out, "untouched");
  FAILS(wamp_connection_poll(connection, &event, (size_t)-8, 1, 0), WAMP_ERR_ARGUMENT);
  CHECK(wamp_session_resolve(session, "a.b", NULL, 0) == 3);
  CHECK(wamp_session_resolve(session, "a.b", out, 4) == 3);
  SAME(out, "a.b");
}

static int on_codec(uint32_t direction, const char *details, size_t details_size, const void *data, size_t size,
                    wamp_buffer_t *out, void *user_data) {
  (void)direction;
  (void)details;
  (void)details_size;
  (void)user_data;
  NAMES_NUL(wamp_buffer_write(out, data, WAMP_NUL), WAMP_ERR_ARGUMENT);
  GOOD(wamp_buffer_write(out, NULL, 0));
  FAILS(wamp_buffer_write(out, NULL, 1), WAMP_ERR_ARGUMENT);
  return wamp_buffer_write(out, data, size);
}

static void codecs(wamp_connection_t *connection, wamp_session_t *session) {
  GOOD(wamp_connection_set_codec(connection, on_codec, NULL, NULL));
  GOOD(wamp_session_publish(session, URI "x", WAMP_ARGS("[1]"), "{\"ppt_scheme\": \"x_mine\"}"));
}

int main(int argc, char **argv) {
  wamp_connection_t *connection;
  wamp_session_t *session;
  scenario_begin(argc, argv, "local_sizes");
  connection = scenario_connection("thread", NULL);
  session = scenario_join(connection);
  builders();
  payloads(session);
  buffers(connection, session);
  codecs(connection, session);
  scenario_leave(connection, session);
  return scenario_end();
}
