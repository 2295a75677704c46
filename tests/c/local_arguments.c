/* Arguments with their types, and received values that are passed on or shown as text, in every encoding. */
#include "scenario.h"

#define URI "com.example.arguments."
#define ARGS                                                                                                          \
  "[7, -8.5, true, \"te\\u0000xt\", null, [1, {\"a\": [2.0, \"\\u0000AP8=\"]}], 18446744073709551615, 3.0, 1e300," \
  " \"\\u0000AP8=\"]"
#define KWARGS "{\"int\": -3, \"double\": 0.25, \"bool\": false, \"string\": \"h\\u00e9\", \"\": {}}"

/* Refused; told what it is, and what it is not; and the place of the value is untouched. */
#define WRONG(call, word) (FAILS((call), WAMP_ERR_PAYLOAD), CHECK(strstr(wamp_last_error(), (word)) != NULL))

static void typed(const wamp_event_t *event) {
  int64_t number = 99;
  double real = 99;
  int truth = 99;
  const char *text = "as before";
  size_t size = 99;
  WRONG(wamp_event_arg_int(event, 1, &number), "args[1] is another number, and not a whole number");
  WRONG(wamp_event_arg_int(event, 2, &number), "args[2] is true or false");
  WRONG(wamp_event_arg_int(event, 3, &number), "args[3] is a string");
  WRONG(wamp_event_arg_int(event, 4, &number), "args[4] is null");
  WRONG(wamp_event_arg_int(event, 5, &number), "args[5] is a list");
  WRONG(wamp_event_arg_int(event, 6, &number), "args[6] is another number");
  WRONG(wamp_event_arg_int(event, 8, &number), "args[8] is another number");
  WRONG(wamp_event_arg_int(event, 10, &number), "args[10] is missing");
  WRONG(wamp_event_arg_int(event, SIZE_MAX, &number), "is missing");
  WRONG(wamp_event_arg_double(event, 3, &real), "args[3] is a string, and not a number");
  WRONG(wamp_event_arg_bool(event, 0, &truth), "args[0] is another number, and not true or false");
  WRONG(wamp_event_arg_string(event, 9, &text, &size), "args[9] is binary, and not a string");
  WRONG(wamp_event_kwarg_int(event, "none", &number), "kwargs[\"none\"] is missing");
  WRONG(wamp_event_kwarg_int(event, "string", &number), "kwargs[\"string\"] is a string");
  WRONG(wamp_event_kwarg_double(event, "bool", &real), "kwargs[\"bool\"]");
  WRONG(wamp_event_kwarg_bool(event, "int", &truth), "kwargs[\"int\"]");
  WRONG(wamp_event_kwarg_string(event, "", &text, &size), "kwargs[\"\"] is a dict, and not a string");
  CHECK(number == 99 && real == 99 && truth == 99 && size == 99);
  SAME(text, "as before");

  GOOD(wamp_event_arg_int(event, 0, &number));
  CHECK(number == 7);
  GOOD(wamp_event_arg_int(event, 7, &number)); /* whole, though it came as a float */
  CHECK(number == 3);
  GOOD(wamp_event_arg_double(event, 1, &real));
  CHECK(real == -8.5);
  GOOD(wamp_event_arg_double(event, 0, &real));
  CHECK(real == 7);
  GOOD(wamp_event_arg_double(event, 6, &real));
  CHECK(real == 18446744073709551616.0);
  GOOD(wamp_event_arg_bool(event, 2, &truth));
  CHECK(truth == 1);
  GOOD(wamp_event_arg_string(event, 3, &text, &size));
  CHECK(size == 5 && memcmp(text, "te\0xt", 6) == 0);
  GOOD(wamp_event_kwarg_int(event, "int", &number));
  GOOD(wamp_event_kwarg_double(event, "double", &real));
  GOOD(wamp_event_kwarg_bool(event, "bool", &truth));
  GOOD(wamp_event_kwarg_string(event, "string", &text, NULL));
  CHECK(number == -3 && real == 0.25 && truth == 0);
  SAME(text, "h\xc3\xa9");

  FAILS(wamp_event_arg_int(NULL, 0, &number), WAMP_ERR_ARGUMENT);
  FAILS(wamp_event_arg_int(event, 0, NULL), WAMP_ERR_ARGUMENT);
  FAILS(wamp_event_arg_double(event, 0, NULL), WAMP_ERR_ARGUMENT);
  FAILS(wamp_event_arg_bool(event, 0, NULL), WAMP_ERR_ARGUMENT);
  FAILS(wamp_event_arg_string(event, 3, NULL, NULL), WAMP_ERR_ARGUMENT);
  FAILS(wamp_event_kwarg_int(event, NULL, &number), WAMP_ERR_ARGUMENT);
  FAILS(wamp_event_kwarg_int(event, "\xff", &number), WAMP_ERR_UTF8);
}

static void shown(const wamp_value_t *value, const char *json) {
  char text[128] = "x";
  int size = wamp_value_json(value, NULL, 0);
  CHECK(size == (int)strlen(json));
  CHECK(wamp_value_json(value, text, (size_t)size) == size && text[0] == '\0'); /* no room for the NUL */
  CHECK(wamp_value_json(value, text, (size_t)size + 1) == size);
  SAME(text, json);
}

/* Sends the event's values on, one by one, in a payload of this encoding; and that comes back as it was. */
static void passed_on(wamp_session_t *session, const wamp_event_t *event, uint32_t encoding) {
  wamp_builder_t *builder = wamp_builder_new(encoding);
  const wamp_value_t *args = wamp_event_args(event), *kwargs = wamp_event_kwargs(event);
  const wamp_payload_t *payload;
  const wamp_event_t *back;
  wamp_message_t *answer;
  size_t i;
  for (i = 0; i < wamp_value_size(args); i++) GOOD(wamp_builder_value(builder, wamp_value_at(args, i)));
  for (i = 0; i < wamp_value_size(kwargs); i++) {
    GOOD(wamp_builder_key(builder, wamp_value_key(kwargs, i, NULL)));
    GOOD(wamp_builder_value(builder, wamp_value_at(kwargs, i)));
  }
  payload = wamp_builder_payload(builder);
  if (encoding == WAMP_JSON) { /* a text like others */
    CHECK(strlen(payload->args) == payload->args_size && strlen(payload->kwargs) == payload->kwargs_size);
    CHECK(payload->args[payload->args_size - 1] == ']');
  }
  answer = scenario_result(session, URI "echo", payload, NULL);
  back = wamp_message_event(answer);
  typed(back);
  shown(wamp_value_at(wamp_event_args(back), 5), "[1,{\"a\":[2.0,\"\\u0000AP8=\"]}]");
  GOOD(wamp_message_free(answer));

  /* More may be appended to what was looked at. */
  GOOD(wamp_builder_int(builder, 1));
  if (encoding == WAMP_JSON) {
    payload = wamp_builder_payload(builder);
    CHECK(strlen(payload->args) == payload->args_size && strcmp(payload->args + payload->args_size - 3, ",1]") == 0);
  }
  FAILS(wamp_builder_value(builder, NULL), WAMP_ERR_ARGUMENT);
  FAILS(wamp_builder_int(builder, 1), WAMP_ERR_PAYLOAD); /* it sticks */
  GOOD(wamp_builder_free(builder));
}

int main(int argc, char **argv) {
  wamp_connection_t *connection;
  wamp_session_t *session;
  wamp_message_t *answer;
  const wamp_event_t *event;
  const wamp_value_t *args;
  scenario_begin(argc, argv, "local_arguments");
  connection = scenario_connection("thread", NULL);
  session = scenario_join(connection);
  GOOD(wamp_session_register_sync(session, URI "echo", NULL, scenario_echo, NULL, NULL, LIMIT_MS));
  answer = scenario_result(session, URI "echo", WAMP_PAYLOAD(ARGS, KWARGS), NULL);
  event = wamp_message_event(answer);
  typed(event);
  passed_on(session, event, WAMP_JSON);
  passed_on(session, event, WAMP_MSGPACK);
  passed_on(session, event, WAMP_CBOR);
  args = wamp_event_args(event);
  shown(wamp_value_at(args, 0), "7");
  shown(wamp_value_at(args, 3), "\"te\\u0000xt\"");
  shown(wamp_value_at(args, 4), "null");
  shown(wamp_value_at(args, 6), "18446744073709551615");
  FAILS(wamp_value_json(NULL, NULL, 0), WAMP_ERR_HANDLE);
  FAILS(wamp_value_json(args, NULL, 5), WAMP_ERR_ARGUMENT);
  GOOD(wamp_message_free(answer));
  FAILS(wamp_value_json(args, NULL, 0), WAMP_ERR_HANDLE);
  scenario_leave(connection, session);
  return scenario_end();
}
