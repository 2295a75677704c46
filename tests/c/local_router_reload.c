/* The router gets another configuration while clients are there: what is wrong changes nothing, what is not allowed any
 * more is revoked, users that are removed are closed, and everybody else stays. */
#include "scenario.h"

#define URI "com.example.reload."
#define TICKET(name, role) "\"" name "\": {\"ticket\": \"secret\", \"role\": \"" role "\"}"
#define AUTH(users) "{\"auth\": {\"ticket\": {" users "}}, "
#define ALL "\"allow\": {\"call\": true, \"register\": true, \"publish\": true, \"subscribe\": true}}"
#define OPEN "\"roles\": {\"user\": [{\"uri\": \"" URI "\", \"match\": \"prefix\", " ALL "]}}"
#define NARROW                                                                                                         \
  "\"roles\": {\"user\": [{\"uri\": \"" URI "\", \"match\": \"prefix\", " ALL ", {\"uri\": \"" URI                     \
  "secret\", \"allow\": {}}]}}"
#define USERS TICKET("ann", "user") ", " TICKET("bob", "user") ", " TICKET("eve", "user")

/* A client that logs in under this name, whose ends go to `closed`. */
static wamp_connection_t *user(const char *name, inbox_t *closed) {
  char options[256];
  wamp_connection_t *connection;
  snprintf(options, sizeof options, "\"authid\": \"%s\", \"ticket\": \"secret\", \"max_retries\": 0", name);
  connection = scenario_connection(scenario.mode, options);
  GOOD(wamp_connection_on_close(connection, inbox_callback, closed, NULL));
  return connection;
}

static void reason_is(inbox_t *closed, int index, const char *reason) {
  const wamp_event_t *end;
  WAIT(closed->got, index + 1);
  end = inbox_event(closed, index, WAMP_CLOSE);
  SAME(wamp_value_string(wamp_value_get(wamp_event_details(end), "reason"), NULL), reason);
}

static void on_call(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_yield(event->invocation, NULL));
}

static inbox_t ends[3] = {INBOX, INBOX, INBOX}, topic = INBOX, secret = INBOX, procedure = INBOX;

/* Nothing of a configuration that is wrong is taken over. */
static void mistakes(wamp_session_t *ann) {
  FAILS(wamp_router_reload(NULL, NULL), WAMP_ERR_HANDLE);
  FAILS(wamp_router_reload(scenario.router, "{\"realms\": "), WAMP_ERR_OPTION);
  FAILS(wamp_router_reload(scenario.router, "{\"realms\": \"\xff\"}"), WAMP_ERR_UTF8);
  FAILS(wamp_router_reload(scenario.router, "{\"realms\": [\"other\"], \"roles\": {\"user\": [{\"urn\": \"a\"}]}}"),
        WAMP_ERR_OPTION);
  CHECK(strstr(wamp_last_error(), "\"roles\".\"user\"[0].\"urn\": unknown; did you mean \"uri\"") != NULL);
  FAILS(wamp_router_reload(scenario.router, "{\"dispatch\": \"inline\"}"), WAMP_ERR_OPTION);
  CHECK(strstr(wamp_last_error(), "\"dispatch\"") != NULL);
  scenario_settle(ann);
  CHECK(latch_count(&ends[0].got) == 0 && latch_count(&topic.got) == 1);
}

static void changes(void) {
  wamp_connection_t *connections[3];
  wamp_session_t *sessions[3];
  const wamp_event_t *end;
  int i;
  static const char *const names[] = {"ann", "bob", "eve"};
  for (i = 0; i < 3; i++) {
    connections[i] = user(names[i], &ends[i]);
    sessions[i] = scenario_join(connections[i]);
  }
  GOOD(wamp_session_subscribe(sessions[0], URI "topic", NULL, inbox_callback, inbox_callback, &topic, NULL));
  GOOD(wamp_session_subscribe(sessions[0], URI "secret", NULL, inbox_callback, inbox_callback, &secret, NULL));
  GOOD(wamp_session_register(sessions[0], URI "secret", NULL, on_call, inbox_callback, &procedure, NULL));
  WAIT(topic.got, 1);
  WAIT(secret.got, 1);
  WAIT(procedure.got, 1);
  mistakes(sessions[0]);

  GOOD(wamp_router_reload(scenario.router, AUTH(TICKET("ann", "user") ", " TICKET("bob", "admin")) NARROW));
  WAIT(secret.got, 2);
  end = inbox_event(&secret, 1, WAMP_UNSUBSCRIBED);
  SAME(end->uri, "wamp.error.not_authorized");
  WAIT(procedure.got, 2);
  end = inbox_event(&procedure, 1, WAMP_UNREGISTERED);
  SAME(end->uri, "wamp.error.not_authorized");
  reason_is(&ends[1], 0, "wamp.close.system_shutdown");
  reason_is(&ends[2], 0, "wamp.close.killed");
  FAILS(wamp_session_publish_ack_sync(sessions[0], URI "secret", NULL, NULL, LIMIT_MS, NULL), WAMP_ERR_REMOTE);
  GOOD(wamp_session_publish_ack_sync(sessions[0], URI "topic", NULL, "{\"exclude_me\": false}", LIMIT_MS, NULL));
  WAIT(topic.got, 2);
  (void)inbox_event(&topic, 1, WAMP_EVENT);
  CHECK(latch_count(&ends[0].got) == 0);
  for (i = 1; i < 3; i++) {
    GOOD(wamp_session_release(sessions[i]));
    scenario_unpump(connections[i]);
    GOOD(wamp_connection_free(connections[i]));
    inbox_empty(&ends[i]);
  }

  /* Bob comes back under another role, eve does not come back. */
  connections[1] = user("bob", &ends[1]);
  scenario_leave(connections[1], scenario_join(connections[1]));
  inbox_empty(&ends[1]);
  connections[2] = user("eve", &ends[2]);
  GOOD(wamp_connection_open(connections[2]));
  reason_is(&ends[2], 0, "wamp.error.authentication_failed");
  scenario_unpump(connections[2]);
  GOOD(wamp_connection_free(connections[2]));
  inbox_empty(&ends[2]);

  /* Her realm ends. */
  GOOD(wamp_router_reload(scenario.router, AUTH(TICKET("ann", "user")) "\"realms\": [\"other\"]}"));
  reason_is(&ends[0], 0, "wamp.close.close_realm");
  GOOD(wamp_session_release(sessions[0]));
  scenario_unpump(connections[0]);
  GOOD(wamp_connection_free(connections[0]));
  inbox_empty(&ends[0]), inbox_empty(&topic), inbox_empty(&secret), inbox_empty(&procedure);
}

static void after_the_end(void) {
  wamp_router_t *router = wamp_router_new(NULL);
  CHECK(router != NULL);
  GOOD(wamp_router_reload(router, NULL)); /* before it listens, too */
  GOOD(wamp_router_close(router, LIMIT_MS));
  FAILS(wamp_router_reload(router, NULL), WAMP_ERR_CLOSED);
  GOOD(wamp_router_free(router));
  FAILS(wamp_router_reload(router, NULL), WAMP_ERR_HANDLE);
}

int main(int argc, char **argv) {
  scenario_begin_with(argc, argv, "local_router_reload", AUTH(USERS) OPEN);
  changes();
  after_the_end();
  return scenario_end();
}
