/* The embedded router as its owner sees it: what it counts, and clients that it throws out, with a word or without. */
#include "scenario.h"

#define URI "com.example.router."

static void ignore(const wamp_event_t *event, void *user_data) {
  (void)event;
  (void)user_data;
}

/* The number at `key` of the router's statistics. */
static long counted(const char *key) {
  wamp_message_t *stats = wamp_router_stats(scenario.router);
  const wamp_value_t *value;
  long number;
  CHECK(stats != NULL);
  value = wamp_value_get(wamp_event_kwargs(wamp_message_event(stats)), key);
  CHECK(wamp_value_type(value) == WAMP_TYPE_INT);
  number = (long)wamp_value_int(value);
  GOOD(wamp_message_free(stats));
  return number;
}

static void counting(void) {
  wamp_connection_t *connection = scenario_connection(scenario.mode, NULL);
  wamp_session_t *session;
  inbox_t done = INBOX;
  CHECK(counted("sessions") == 0 && counted("messages_in") == 0);
  session = scenario_join(connection);
  GOOD(wamp_session_subscribe(session, URI "topic", NULL, ignore, inbox_callback, &done, NULL));
  GOOD(wamp_session_register(session, URI "procedure", NULL, ignore, inbox_callback, &done, NULL));
  WAIT(done.got, 2);
  inbox_empty(&done);
  CHECK(counted("clients") == 1 && counted("sessions") == 1);
  CHECK(counted("subscriptions") == 1 && counted("registrations") == 1);
  CHECK(counted("messages_in") == 3 && counted("messages_out") == 3);
  CHECK(counted("pending_calls") == 0 && counted("dropped") == 0);
  scenario_leave(connection, session);
}

/* Throws a client out and gives what its on_close is told, to be freed. */
static wamp_message_t *kicked(const char *reason, bool all) {
  wamp_connection_t *connection = scenario_connection(scenario.mode, "\"max_retries\": 0");
  inbox_t closed = INBOX;
  wamp_session_t *session;
  int64_t id;
  GOOD(wamp_connection_on_close(connection, inbox_callback, &closed, NULL));
  session = scenario_join(connection);
  id = scenario_id(session);
  CHECK(id > 0);
  CHECK(GOOD(wamp_router_kick(scenario.router, all ? 0 : id, reason)) >= 1);
  WAIT(closed.got, 1);
  GOOD(wamp_session_release(session));
  scenario_unpump(connection);
  GOOD(wamp_connection_free(connection));
  inbox_event(&closed, 0, WAMP_CLOSE);
  return closed.kept[0];
}

static void kicking(void) {
  const wamp_value_t *details;
  wamp_message_t *told;
  int all;
  for (all = 0; all <= 1; all++) {
    told = kicked("com.example.away", all);
    SAME(wamp_message_event(told)->uri, "closed");
    details = wamp_event_details(wamp_message_event(told));
    SAME(wamp_value_string(wamp_value_get(details, "reason"), NULL), "com.example.away");
    GOOD(wamp_message_free(told));
    told = kicked(NULL, all);
    SAME(wamp_message_event(told)->uri, "lost");
    GOOD(wamp_message_free(told));
  }
}

/* Each listener tells where it listens, and the router where its first one does. */
static void listening(void) {
  static const char *const urls[] = {"ws://127.0.0.1:0/ws", "rs://127.0.0.1:0", "ws://127.0.0.1:0/other"};
  wamp_router_t *router = wamp_router_new(NULL), *second = wamp_router_new(NULL);
  const char *at[3], *nowhere = "unchanged", *first;
  char usual[sizeof scenario.url];
  size_t i, j;
  CHECK(router != NULL && second != NULL);
  CHECK(wamp_router_url(router) == NULL);
  FAILS(wamp_router_listen(router, "no://where", &nowhere), WAMP_ERR_ARGUMENT);
  CHECK(nowhere == NULL && wamp_router_url(router) == NULL);
  for (i = 0; i < 3; i++) GOOD(wamp_router_listen(router, urls[i], &at[i]));
  GOOD(wamp_router_listen(router, "ws://127.0.0.1:0/silent", NULL));
  first = wamp_router_url(router);
  SAME(first, at[0]);
  memcpy(usual, scenario.url, sizeof usual);
  for (i = 0; i < 3; i++) {
    wamp_connection_t *connection;
    for (j = 0; j < i; j++) CHECK(strcmp(at[i], at[j]) != 0);
    CHECK(strstr(at[i], ":0/") == NULL && strncmp(at[i], urls[i], 15) == 0);
    snprintf(scenario.url, sizeof scenario.url, "%s", at[i]);
    connection = scenario_connection(scenario.mode, NULL);
    scenario_leave(connection, scenario_join(connection));
    nowhere = "unchanged";
    FAILS(wamp_router_listen(second, at[i], &nowhere), WAMP_ERR_UNREACHABLE); /* taken */
    CHECK(nowhere == NULL);
  }
  memcpy(scenario.url, usual, sizeof usual);
  GOOD(wamp_router_free(router));
  GOOD(wamp_router_free(second));
}

/* Without a URL it listens as it is configured, and a reload closes what is not listed any more. */
static void listed(void) {
  static const char both[] =
      "{\"listeners\": [{\"url\": \"ws://127.0.0.1:0/guests\", \"auth\": {\"anonymous\": {\"role\": \"guest\"}}},"
      " {\"url\": \"rs://127.0.0.1:0\", \"auth\": {\"anonymous\": {\"role\": \"admin\"}}}]}";
  static const char one[] = "{\"listeners\": [{\"url\": \"rs://127.0.0.1:0\"}]}";
  wamp_router_t *router = wamp_router_new(both);
  const char *first = "unchanged", *none = "unchanged";
  char usual[sizeof scenario.url];
  wamp_connection_t *connection;
  wamp_session_t *session;
  CHECK(router != NULL);
  GOOD(wamp_router_listen(router, NULL, &first));
  SAME(first, wamp_router_url(router));
  CHECK(strncmp(first, "ws://127.0.0.1:", 15) == 0 && strstr(first, ":0/") == NULL);
  GOOD(wamp_router_listen(router, NULL, &none)); /* they are open */
  CHECK(none == NULL);
  memcpy(usual, scenario.url, sizeof usual);
  snprintf(scenario.url, sizeof scenario.url, "%s", first);
  connection = scenario_connection(scenario.mode, NULL);
  session = scenario_join(connection);
  SAME(wamp_value_string(wamp_value_get(wamp_session_details(session), "authrole"), NULL), "guest");
  scenario_leave(connection, session);
  GOOD(wamp_router_reload(router, one));
  CHECK(strncmp(wamp_router_url(router), "rs://127.0.0.1:", 15) == 0);
  CHECK(strstr(first, "/guests") != NULL); /* lives as long as the router */
  FAILS(wamp_router_reload(router, "{\"listeners\": [{}]}"), WAMP_ERR_OPTION);
  GOOD(wamp_router_reload(router, NULL));
  CHECK(wamp_router_url(router) == NULL);
  FAILS(wamp_router_listen(router, NULL, NULL), WAMP_ERR_ARGUMENT);
  memcpy(scenario.url, usual, sizeof usual);
  GOOD(wamp_router_free(router));
}

static void misuse(void) {
  wamp_router_t *none = NULL;
  FAILS(wamp_router_kick(none, 0, NULL), WAMP_ERR_HANDLE);
  CHECK(wamp_router_stats(none) == NULL);
  FAILS(wamp_router_kick(scenario.router, -1, NULL), WAMP_ERR_ARGUMENT);
  FAILS(wamp_router_kick(scenario.router, 1, "not a uri"), WAMP_ERR_URI);
  FAILS(wamp_router_kick(scenario.router, INT64_C(1) << 60, NULL), WAMP_ERR_NO_SUCH_ID);
  GOOD(wamp_router_kick(scenario.router, 0, NULL)); /* nobody is there: nothing happens */
}

int main(int argc, char **argv) {
  scenario_begin(argc, argv, "local_router");
  counting();
  kicking();
  listening();
  listed();
  misuse();
  return scenario_end();
}
