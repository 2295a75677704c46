/* Callbacks of the connection that fail: on_open, on_close, on_challenge. They say so by wamp_event_failed, and
 * on_user_error hears it; a challenge whose callback has failed is not answered. */
#include "scenario.h"

static inbox_t errors = INBOX, internals = INBOX, closed = INBOX;

static void on_failing(const wamp_event_t *event, void *text) { GOOD(wamp_event_failed(event, text)); }

static wamp_connection_t *failing(const char *login) {
  wamp_connection_t *connection = scenario_connection(scenario.mode, login);
  GOOD(wamp_connection_on_user_error(connection, inbox_callback, &errors, NULL));
  GOOD(wamp_connection_on_internal_error(connection, inbox_callback, &internals, NULL));
  return connection;
}

static void told(int index, const char *text) {
  WAIT(errors.got, index + 1);
  CHECK(inbox_event(&errors, index, WAMP_USER_ERROR)->status < 0);
  SAME(inbox_event(&errors, index, WAMP_USER_ERROR)->message, text);
}

static void open_and_close(void) {
  wamp_connection_t *connection = failing(NULL);
  wamp_session_t *session;
  GOOD(wamp_connection_on_open(connection, on_failing, "open failed", NULL));
  GOOD(wamp_connection_on_close(connection, on_failing, "close failed", NULL));
  session = scenario_join(connection);
  told(0, "open failed");
  CHECK(wamp_session_is_open(session) == 1); /* the session has nothing to do with it */
  GOOD(wamp_connection_close(connection, NULL, NULL, 0));
  told(1, "close failed");
  CHECK(latch_count(&internals.got) == 0);
  GOOD(wamp_session_release(session));
  scenario_unpump(connection);
  GOOD(wamp_connection_free(connection));
  inbox_empty(&errors);
}

static void challenge(void) {
  wamp_connection_t *connection = failing("\"authid\": \"joe\", \"authmethods\": [\"ticket\"], \"ticket\": \"right\"");
  GOOD(wamp_connection_on_challenge(connection, on_failing, "no pen", NULL));
  GOOD(wamp_connection_on_close(connection, inbox_callback, &closed, NULL));
  GOOD(wamp_connection_open(connection));
  told(0, "no pen");
  WAIT(closed.got, 1);
  CHECK(inbox_event(&closed, 0, WAMP_CLOSE)->status == WAMP_ERR_AUTH);
  CHECK(latch_count(&internals.got) == 1);
  CHECK(inbox_event(&internals, 0, WAMP_INTERNAL_ERROR)->status == WAMP_ERR_AUTH);
  scenario_unpump(connection);
  GOOD(wamp_connection_free(connection));
  inbox_empty(&errors), inbox_empty(&internals), inbox_empty(&closed);
}

int main(int argc, char **argv) {
  scenario_begin_with(argc, argv, "local_failures",
                      "{\"auth\": {\"anonymous\": {}, \"ticket\": {\"joe\": {\"ticket\": \"right\"}}}}");
  open_and_close();
  challenge();
  return scenario_end();
}
