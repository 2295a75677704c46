/* Payloads of every encoding over every wire: given in any of them, delivered as JSON and as they came. */
#include "scenario.h"

static const struct {
  const char *serializers, *protocol;
  uint32_t encoding;
} wires[] = {
    {"[\"json\"]", "wamp.2.json", WAMP_JSON},
    {"[\"msgpack\"]", "wamp.2.msgpack", WAMP_MSGPACK},
    {"[\"cbor\"]", "wamp.2.cbor", WAMP_CBOR},
};
#define WIRES 3

static wamp_connection_t *connection_over(int wire, const char *payload_encoding) {
  char options[512];
  snprintf(options, sizeof options,
           "{\"url\": \"%s\", \"realm\": \"%s\", \"serializers\": %s, \"payload_encoding\": \"%s\"}", scenario.url,
           scenario.realm, wires[wire].serializers, payload_encoding);
  return wamp_connection_new(options);
}

/* One of each kind of value that all encodings have. */
static const wamp_payload_t *build(wamp_builder_t *builder) {
  GOOD(wamp_builder_null(builder));
  GOOD(wamp_builder_bool(builder, 1));
  GOOD(wamp_builder_int(builder, INT64_MIN));
  GOOD(wamp_builder_uint(builder, UINT64_MAX));
  GOOD(wamp_builder_double(builder, 2.0));
  GOOD(wamp_builder_string(builder, "h\xc3\xa9llo", WAMP_NUL));
  GOOD(wamp_builder_binary(builder, "\0\xff", 2));
  GOOD(wamp_builder_list(builder));
  GOOD(wamp_builder_end(builder));
  GOOD(wamp_builder_key(builder, "dict"));
  GOOD(wamp_builder_dict(builder));
  GOOD(wamp_builder_key(builder, "k"));
  GOOD(wamp_builder_int(builder, 7));
  GOOD(wamp_builder_end(builder));
  return wamp_builder_payload(builder);
}

static void check(const wamp_event_t *event, uint32_t encoding) {
  const wamp_value_t *args = wamp_event_args(event);
  const uint8_t *bytes;
  size_t size;
  CHECK(event->payload.encoding == encoding);
  CHECK(wamp_value_size(args) == 8);
  CHECK(wamp_value_type(wamp_value_at(args, 0)) == WAMP_TYPE_NULL);
  CHECK(wamp_value_bool(wamp_value_at(args, 1)));
  CHECK(wamp_value_int(wamp_value_at(args, 2)) == INT64_MIN);
  CHECK(wamp_value_uint(wamp_value_at(args, 3)) == UINT64_MAX);
  CHECK(wamp_value_type(wamp_value_at(args, 4)) == WAMP_TYPE_DOUBLE);
  CHECK(wamp_value_double(wamp_value_at(args, 4)) == 2.0);
  SAME(wamp_value_string(wamp_value_at(args, 5), NULL), "h\xc3\xa9llo");
  bytes = wamp_value_binary(wamp_value_at(args, 6), &size);
  CHECK(size == 2 && memcmp(bytes, "\0\xff", 2) == 0);
  CHECK(wamp_value_type(wamp_value_at(args, 7)) == WAMP_TYPE_LIST);
  CHECK(wamp_value_int(wamp_value_get(wamp_value_get(wamp_event_kwargs(event), "dict"), "k")) == 7);
}

/* What was received is sent back, as it came. */
static void on_echo(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_yield(event->invocation, &event->payload));
}

static void on_event(const wamp_event_t *event, void *user_data) {
  if (event->payload.encoding == WAMP_JSON) check(event, WAMP_JSON);
  latch_hit(user_data);
}

/* A builder per wire: every payload goes over every wire. */
static void check_wire(int wire, wamp_builder_t **builders) {
  static latch_t got = LATCH;
  wamp_connection_t *json = connection_over(wire, "json"), *as_is = connection_over(wire, "wire");
  wamp_session_t *session = scenario_join(json), *other = scenario_join(as_is);
  const wamp_event_t *transport;
  wamp_message_t *told = wamp_connection_transport(as_is), *result = NULL;
  wamp_payload_t nan = {NULL, 0, NULL, 0, WAMP_CBOR, 0};
  int i, refused;
  long before = latch_count(&got);
  transport = wamp_message_event(told);
  SAME(wamp_value_string(wamp_value_get(wamp_event_kwargs(transport), "protocol"), NULL), wires[wire].protocol);
  GOOD(wamp_message_free(told));

  GOOD(wamp_session_register_sync(other, "com.example.echo", NULL, on_echo, NULL, NULL, LIMIT_MS));
  GOOD(wamp_session_subscribe_sync(session, "com.example.topic", NULL, on_event, &got, NULL, LIMIT_MS));
  for (i = 0; i < WIRES; i++) {
    const wamp_payload_t *payload = wamp_builder_payload(builders[i]);
    GOOD(wamp_session_call_sync(session, "com.example.echo", payload, NULL, LIMIT_MS, &result));
    check(wamp_message_event(result), WAMP_JSON);
    GOOD(wamp_message_free(result));
    GOOD(wamp_session_call_sync(other, "com.example.echo", payload, NULL, LIMIT_MS, &result));
    check(wamp_message_event(result), wires[wire].encoding);
    GOOD(wamp_message_free(result));
    GOOD(wamp_session_publish(other, "com.example.topic", payload, NULL));
  }
  WAIT(got, before + WIRES);

  /* Passthru: one binary value, whatever the wire. The callee, who knows of no wrapping, gets and yields it. */
  if (scenario_is_embedded()) {
    const char *options = "{\"ppt_scheme\": \"x_test\", \"ppt_serializer\": \"native\", \"exclude_me\": false}";
    GOOD(wamp_session_publish(session, "com.example.topic", wamp_builder_payload(builders[2]), options));
    WAIT(got, before + WIRES + 1);
  }

  /* What the wire cannot say is refused at once. */
  nan.args = "\x81\xf9\x7e\x00";
  nan.args_size = 4;
  refused = wamp_session_publish(session, "com.example.other", &nan, NULL);
  CHECK(refused == (wires[wire].encoding == WAMP_JSON ? WAMP_ERR_PAYLOAD : WAMP_OK));
  nan.args_size = 3;
  FAILS(wamp_session_publish(session, "com.example.other", &nan, NULL), WAMP_ERR_PAYLOAD);
  nan.encoding = 4;
  FAILS(wamp_session_publish(session, "com.example.other", &nan, NULL), WAMP_ERR_ARGUMENT);
  scenario_leave(json, session);
  scenario_leave(as_is, other);
}

/* An event reaches subscribers of all wires. */
static void check_between(wamp_builder_t **builders) {
  static latch_t got = LATCH;
  wamp_connection_t *connections[2 * WIRES];
  wamp_session_t *sessions[2 * WIRES];
  int i, from;
  for (i = 0; i < 2 * WIRES; i++) {
    connections[i] = connection_over(i % WIRES, "json");
    sessions[i] = scenario_join(connections[i]);
    GOOD(wamp_session_subscribe_sync(sessions[i], "com.example.between", NULL, on_event, &got, NULL, LIMIT_MS));
  }
  for (from = 0; from < WIRES; from++) {
    long before = latch_count(&got);
    const char *options = "{\"exclude_me\": false}";
    GOOD(wamp_session_publish(sessions[from], "com.example.between", wamp_builder_payload(builders[from]), options));
    WAIT(got, before + 2 * WIRES);
  }
  for (i = 0; i < 2 * WIRES; i++) scenario_leave(connections[i], sessions[i]);
}

int main(int argc, char **argv) {
  wamp_builder_t *builders[WIRES];
  int wire;
  scenario_begin(argc, argv, "encodings");
  for (wire = 0; wire < WIRES; wire++) {
    builders[wire] = wamp_builder_new(wires[wire].encoding);
    build(builders[wire]);
  }
  CHECK(wamp_builder_new(4) == NULL);
  for (wire = 0; wire < WIRES; wire++) check_wire(wire, builders);
  check_between(builders);
  for (wire = 0; wire < WIRES; wire++) GOOD(wamp_builder_free(builders[wire]));
  return scenario_end();
}
