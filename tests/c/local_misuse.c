/* Wrong arguments and wrong moments: texts, options and payloads that are malformed, builders that went wrong, messages
 * that are too large, objects in the wrong state. Each is answered with its error code, and changes nothing. */
#include <math.h>

#include "scenario.h"

#define URI "com.example.misuse."

/* Refused requests must free their user_data, too: all of them get the same latch, and the hits are counted. */
static latch_t freed_gifts = LATCH;
static long gifts;
#define GIFT (gifts++, (void *)&freed_gifts), latch_free

static void on_any(const wamp_event_t *event, void *user_data) {
  (void)event;
  (void)user_data;
}

static bool names_a_position(void) { return strpbrk(wamp_last_error(), "0123456789") != NULL; }

static void texts(wamp_session_t *session) {
  static const struct {
    const char *uri;
    int status;
  } uris[] = {{NULL, WAMP_ERR_ARGUMENT}, {"", WAMP_ERR_URI},      {"a b", WAMP_ERR_URI},
              {"a#b", WAMP_ERR_URI},     {"a.\xff.b", WAMP_ERR_UTF8}};
  static const char *const options[] = {"{", "{\"a\": }", "{\"a\" 1}", "{} {}", "{\"a\": 1,}"};
  static const char *const lists[] = {"[1", "[1,]", "[1]]", "[1 2]", "[nul]", "[1], [2]", "[\"a]"};
  static const char *const urls[] = {"{}", "[]", "{\"url\": 1, \"realm\": \"r\"}", "{\"url\": \"ws://127.0.0.1:1/\"}",
                                     "{\"url\": \"nonsense\", \"realm\": \"realm1\"}"};
  wamp_payload_t unknown = {"[1]", 3, NULL, 0, 999, 0};
  size_t i;
  for (i = 0; i < sizeof uris / sizeof *uris; i++) {
    const char *uri = uris[i].uri;
    const int status = uris[i].status;
    FAILS(wamp_session_subscribe(session, uri, NULL, on_any, on_any, GIFT), status);
    FAILS(wamp_session_register(session, uri, NULL, on_any, on_any, GIFT), status);
    FAILS(wamp_session_call(session, uri, NULL, NULL, on_any, GIFT), status);
    FAILS(wamp_session_publish_ack(session, uri, NULL, NULL, on_any, GIFT), status);
    FAILS(wamp_session_publish(session, uri, NULL, NULL), status);
    FAILS(wamp_session_call_sync(session, uri, NULL, NULL, LIMIT_MS, NULL), status);
  }
  for (i = 0; i < sizeof options / sizeof *options; i++) {
    FAILS(wamp_session_subscribe(session, URI "x", options[i], on_any, on_any, GIFT), WAMP_ERR_OPTION);
    CHECK(names_a_position());
    FAILS(wamp_session_publish(session, URI "x", NULL, options[i]), WAMP_ERR_OPTION);
    CHECK(wamp_connection_new(options[i]) == NULL && names_a_position());
  }
  FAILS(wamp_session_publish(session, URI "x", NULL, "[1]"), WAMP_ERR_OPTION);
  for (i = 0; i < sizeof lists / sizeof *lists; i++) {
    FAILS(wamp_session_publish(session, URI "x", WAMP_ARGS(lists[i]), NULL), WAMP_ERR_PAYLOAD);
    CHECK(names_a_position());
    FAILS(wamp_session_call(session, URI "x", WAMP_ARGS(lists[i]), NULL, on_any, GIFT), WAMP_ERR_PAYLOAD);
  }
  FAILS(wamp_session_publish(session, URI "x", WAMP_ARGS("{}"), NULL), WAMP_ERR_PAYLOAD);
  FAILS(wamp_session_publish(session, URI "x", WAMP_KWARGS("[]"), NULL), WAMP_ERR_PAYLOAD);
  CHECK(wamp_session_publish(session, URI "x", WAMP_ARGS("[\"\xff\"]"), NULL) < 0);
  CHECK(wamp_session_publish(session, URI "x", &unknown, NULL) < 0);

  GOOD(wamp_connection_free(wamp_connection_new(NULL))); /* its options come later */
  for (i = 0; i < sizeof urls / sizeof *urls; i++) CHECK(wamp_connection_new(urls[i]) == NULL);
  CHECK(wamp_connection_new("{\"url\": \"ws://127.0.0.1:1/ws\", \"realmm\": \"realm1\"}") == NULL);
  CHECK(strstr(wamp_last_error(), "realmm") != NULL && strstr(wamp_last_error(), "did you mean `realm`") != NULL);
  GOOD(wamp_session_publish_ack_sync(session, URI "x", NULL, NULL, LIMIT_MS, NULL)); /* the session has taken no harm */
}

/* What has gone wrong in a builder shows at the latest when its payload is used. */
static void spoiled(wamp_session_t *session, wamp_builder_t *builder) {
  FAILS(wamp_session_publish(session, URI "x", wamp_builder_payload(builder), NULL), WAMP_ERR_PAYLOAD);
  FAILS(wamp_session_call(session, URI "x", wamp_builder_payload(builder), NULL, on_any, GIFT), WAMP_ERR_PAYLOAD);
  GOOD(wamp_builder_reset(builder));
  GOOD(wamp_builder_int(builder, 1));
  GOOD(wamp_session_publish(session, URI "x", wamp_builder_payload(builder), NULL));
  GOOD(wamp_builder_reset(builder));
}

static void builders(wamp_session_t *session) {
  wamp_builder_t *b = wamp_builder_new(WAMP_JSON);
  CHECK(wamp_builder_new(999) == NULL);
  CHECK(wamp_builder_end(b) < 0); /* nothing is open */
  CHECK(wamp_builder_int(b, 1) < 0); /* and so it stays */
  spoiled(session, b);
  GOOD(wamp_builder_list(b));
  CHECK(wamp_builder_key(b, "a") < 0); /* lists have no keys */
  spoiled(session, b);
  GOOD(wamp_builder_dict(b));
  CHECK(wamp_builder_int(b, 1) < 0); /* dicts need them */
  spoiled(session, b);
  GOOD(wamp_builder_key(b, "a"));
  CHECK(wamp_builder_key(b, "b") < 0); /* the first one has no value yet */
  spoiled(session, b);
  CHECK(wamp_builder_string(b, "\xff", WAMP_NUL) < 0);
  spoiled(session, b);
  CHECK(wamp_builder_string(b, NULL, WAMP_NUL) < 0);
  spoiled(session, b);
  CHECK(wamp_builder_raw(b, "[1", WAMP_NUL) < 0);
  spoiled(session, b);
  CHECK(wamp_builder_double(b, (double)NAN) < 0); /* JSON has no such number */
  spoiled(session, b);
  CHECK(wamp_builder_key(b, NULL) < 0);
  spoiled(session, b);
  GOOD(wamp_builder_list(b)); /* never ended */
  spoiled(session, b);
  GOOD(wamp_builder_key(b, "a")); /* never given its value */
  spoiled(session, b);
  GOOD(wamp_builder_free(b));
  /* Nor does a builder that is none at all make an empty payload. */
  FAILS(wamp_session_publish(session, URI "x", wamp_builder_payload(b), NULL), WAMP_ERR_PAYLOAD);
  FAILS(wamp_session_publish(session, URI "x", wamp_builder_payload(NULL), NULL), WAMP_ERR_PAYLOAD);
}

static void states(void) {
  wamp_connection_t *connection = scenario_connection("thread", "\"max_message_size\": 16384");
  wamp_session_t *session = scenario_join(connection);
  wamp_builder_t *builder = wamp_builder_new(WAMP_JSON);
  static char big[20000];
  FAILS(wamp_connection_open(connection), WAMP_ERR_STATE);
  FAILS(wamp_connection_session(connection, LIMIT_MS, NULL), WAMP_ERR_ARGUMENT);

  memset(big, 'x', sizeof big - 1);
  GOOD(wamp_builder_string(builder, big, WAMP_NUL));
  FAILS(wamp_session_publish(session, URI "x", wamp_builder_payload(builder), NULL), WAMP_ERR_TOO_LARGE);
  FAILS(wamp_session_call(session, URI "x", wamp_builder_payload(builder), NULL, on_any, GIFT), WAMP_ERR_TOO_LARGE);
  GOOD(wamp_builder_free(builder));
  GOOD(wamp_session_publish_ack_sync(session, URI "x", NULL, NULL, LIMIT_MS, NULL));

  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  FAILS(wamp_session_subscribe(session, URI "x", NULL, on_any, on_any, GIFT), WAMP_ERR_CLOSED);
  FAILS(wamp_session_register(session, URI "x", NULL, on_any, on_any, GIFT), WAMP_ERR_CLOSED);
  FAILS(wamp_session_call(session, URI "x", NULL, NULL, on_any, GIFT), WAMP_ERR_CLOSED);
  FAILS(wamp_session_publish(session, URI "x", NULL, NULL), WAMP_ERR_CLOSED);
  FAILS(wamp_session_publish_ack(session, URI "x", NULL, NULL, on_any, GIFT), WAMP_ERR_CLOSED);
  FAILS(wamp_session_subscribe_sync(session, URI "x", NULL, on_any, GIFT, LIMIT_MS), WAMP_ERR_CLOSED);
  FAILS(wamp_session_register_sync(session, URI "x", NULL, on_any, GIFT, LIMIT_MS), WAMP_ERR_CLOSED);
  FAILS(wamp_session_call_sync(session, URI "x", NULL, NULL, LIMIT_MS, NULL), WAMP_ERR_CLOSED);
  FAILS(wamp_session_publish_ack_sync(session, URI "x", NULL, NULL, LIMIT_MS, NULL), WAMP_ERR_CLOSED);
  CHECK(scenario_id(session) > 0); /* what it was can still be read */
  SAME(wamp_session_realm(session), scenario.realm);
  GOOD(wamp_session_release(session));
  GOOD(wamp_connection_free(connection));
}

int main(int argc, char **argv) {
  wamp_connection_t *connection;
  wamp_session_t *session;
  scenario_begin(argc, argv, "local_misuse");
  connection = scenario_connection("thread", NULL);
  session = scenario_join(connection);
  texts(session);
  builders(session);
  scenario_leave(connection, session);
  states();
  WAIT(freed_gifts, gifts);
  CHECK(latch_count(&freed_gifts) == gifts);
  return scenario_end();
}
