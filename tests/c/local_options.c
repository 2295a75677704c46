/* Options that are set one by one, by a program that has the values at hand: nothing has to be pasted into JSON. */
#include <math.h>

#include "scenario.h"

#define TICKET "a \"quoted\" \\ ticket\n" /* pasted into JSON it would have needed an escape or four */

static const char config[] =
    "{\"auth\": {\"ticket\": {\"joe\": {\"ticket\": \"a \\\"quoted\\\" \\\\ ticket\\n\", \"role\": \"user\"}}}}";

/* Refused, with a text that names what was wrong. */
#define REFUSED(call, status, word) (FAILS((call), (status)), CHECK(strstr(wamp_last_error(), (word)) != NULL))

static void wrong(wamp_connection_t *c) {
  REFUSED(wamp_connection_set_string(c, "realmm", "x"), WAMP_ERR_OPTION, "did you mean `realm`");
  REFUSED(wamp_connection_set_int(c, "realm", 5), WAMP_ERR_OPTION, "`realm`");
  REFUSED(wamp_connection_set_string(c, "url", "x"), WAMP_ERR_OPTION, "`url`");
  REFUSED(wamp_connection_set_string(c, "max_retries", "5"), WAMP_ERR_OPTION, "`max_retries`");
  REFUSED(wamp_connection_set_double(c, "connect_timeout", -1.0), WAMP_ERR_OPTION, "`connect_timeout`");
  REFUSED(wamp_connection_set_double(c, "connect_timeout", (double)NAN), WAMP_ERR_OPTION, "number");
  REFUSED(wamp_connection_set_bool(c, "dispatch", 1), WAMP_ERR_OPTION, "`dispatch`");
  REFUSED(wamp_connection_set_json(c, "serializers", "[\"json\""), WAMP_ERR_OPTION, "JSON");
  REFUSED(wamp_connection_set_json(c, "serializers", "[\"jsn\"]"), WAMP_ERR_OPTION, "`serializers`");
  REFUSED(wamp_connection_set_json(c, "serializers", "[] []"), WAMP_ERR_OPTION, "JSON");
  FAILS(wamp_connection_set_string(c, NULL, "x"), WAMP_ERR_ARGUMENT);
  FAILS(wamp_connection_set_string(c, "realm", NULL), WAMP_ERR_ARGUMENT);
  FAILS(wamp_connection_set_json(c, "serializers", NULL), WAMP_ERR_ARGUMENT);
  FAILS(wamp_connection_set_string(c, "realm", "\xff"), WAMP_ERR_UTF8);
  FAILS(wamp_connection_set_string(NULL, "realm", "x"), WAMP_ERR_HANDLE);
  FAILS(wamp_connection_set_int(NULL, "max_retries", 1), WAMP_ERR_HANDLE);
  FAILS(wamp_connection_set_double(NULL, "max_retries", 1), WAMP_ERR_HANDLE);
  FAILS(wamp_connection_set_bool(NULL, "trace", 1), WAMP_ERR_HANDLE);
  FAILS(wamp_connection_set_json(NULL, "trace", "true"), WAMP_ERR_HANDLE);
}

static void on_open(const wamp_event_t *event, void *user_data) {
  CHECK(event->kind == WAMP_OPEN);
  latch_hit(user_data);
}

static void joins(wamp_connection_t *connection, const char *realm) {
  wamp_session_t *session = scenario_join(connection);
  SAME(wamp_session_realm(session), realm);
  SAME(scenario_text(wamp_session_details(session), "authid"), "joe");
  REFUSED(wamp_connection_set_string(connection, "realm", "too.late"), WAMP_ERR_STATE, "`realm`");
  GOOD(wamp_session_release(session));
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
}

/* Windows alone has event objects. */
static void event_object(wamp_connection_t *connection) {
  void *event = connection;
  FAILS(wamp_connection_event(connection, NULL), WAMP_ERR_ARGUMENT);
#ifdef _WIN32
  GOOD(wamp_connection_event(connection, &event));
  CHECK(event != NULL);
#else
  REFUSED(wamp_connection_event(connection, &event), WAMP_ERR_UNSUPPORTED, "use the file descriptor");
  CHECK(event == NULL);
#endif
}

int main(int argc, char **argv) {
  static latch_t opened = LATCH;
  wamp_connection_t *connection;
  scenario_begin_with(argc, argv, "local_options", config);
  connection = wamp_connection_new(NULL);
  CHECK(connection != NULL);
  wrong(connection);

  /* What is missing is told when it is needed. Nothing has begun then. */
  REFUSED(wamp_connection_open(connection), WAMP_ERR_OPTION, "`url` is missing");
  GOOD(wamp_connection_set_string(connection, "url", scenario.url));
  REFUSED(wamp_connection_open(connection), WAMP_ERR_OPTION, "`realm` is missing");
  FAILS(wamp_connection_close(connection, NULL, NULL, LIMIT_MS), WAMP_ERR_CLOSED);
  GOOD(wamp_connection_set_string(connection, "realm", "first.realm"));

  /* The last one set counts, in all the ways of saying it. */
  GOOD(wamp_connection_set_string(connection, "dispatch", "manual"));
  CHECK(wamp_connection_fd(connection) >= 0);
  event_object(connection);
  GOOD(wamp_connection_set_string(connection, "dispatch", scenario.mode));
  GOOD(wamp_connection_set_json(connection, "realm", "\"realm1\""));
  GOOD(wamp_connection_set_string(connection, "realm", scenario.realm));
  GOOD(wamp_connection_set_json(connection, "transports", "[{\"type\": \"websocket\", \"url\": \"ws://127.0.0.1:1/\"}]"));
  GOOD(wamp_connection_set_string(connection, "url", scenario.url));
  GOOD(wamp_connection_set_json(connection, "serializers", "[\"cbor\", \"json\"]"));
  GOOD(wamp_connection_set_int(connection, "max_retries", 0));
  GOOD(wamp_connection_set_int(connection, "connect_timeout", LIMIT_SECONDS));
  GOOD(wamp_connection_set_double(connection, "close_timeout", LIMIT_SECONDS + 0.5));
  GOOD(wamp_connection_set_bool(connection, "cookies", 0));
  GOOD(wamp_connection_set_string(connection, "authid", "joe"));
  GOOD(wamp_connection_set_string(connection, "ticket", "a wrong one"));
  GOOD(wamp_connection_set_string(connection, "ticket", TICKET));
  GOOD(wamp_connection_on_open(connection, on_open, &opened, NULL));
  if (scenario_is_manual()) scenario.pumped[0] = connection;
  joins(connection, scenario.realm);
  if (!scenario_is_manual()) WAIT(opened, 1);

  /* And again between two opens: the rest stays as it was. */
  GOOD(wamp_connection_set_string(connection, "realm", "second.realm"));
  joins(connection, "second.realm");
  GOOD(wamp_connection_set_string(connection, "ticket", "a wrong one"));
  GOOD(wamp_connection_open(connection));
  {
    wamp_session_t *session;
    FAILS(wamp_connection_session(connection, LIMIT_MS, &session), WAMP_ERR_AUTH);
  }
  /* In manual mode its WAMP_CLOSE still waits here: the mode cannot be changed under it, other things can. */
  if (scenario_is_manual()) {
    REFUSED(wamp_connection_set_string(connection, "dispatch", "thread"), WAMP_ERR_STATE, "`dispatch`");
    FAILS(wamp_connection_close(connection, NULL, NULL, LIMIT_MS), WAMP_ERR_CLOSED);
  }
  GOOD(wamp_connection_set_string(connection, "ticket", TICKET));
  FAILS(wamp_connection_close(connection, NULL, NULL, LIMIT_MS), WAMP_ERR_CLOSED);
  GOOD(wamp_connection_set_string(connection, "dispatch", "thread"));
  joins(connection, "second.realm");
  WAIT(opened, 3);
  scenario_unpump(connection);
  GOOD(wamp_connection_free(connection));
  return scenario_end();
}
