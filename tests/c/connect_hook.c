/* The word of the program before each attempt to connect: where to, as whom, or not at all; at once, later, or never. */
#include "scenario.h"

/* A connection that goes nowhere by itself: the hook must say where to. */
static wamp_connection_t *lost_connection(const char *mode) {
  char options[256];
  wamp_connection_t *connection;
  size_t i = 0;
  snprintf(options, sizeof options,
           "{\"url\": \"ws://127.0.0.1:9/nowhere\", \"realm\": \"nowhere\", \"dispatch\": \"%s\", "
           "\"initial_retry_delay\": 0.01}",
           mode);
  connection = wamp_connection_new(options);
  CHECK(connection != NULL);
  if (strcmp(mode, "manual") != 0) return connection;
  while (scenario.pumped[i]) i++;
  scenario.pumped[i] = connection;
  return connection;
}

static const char *good_changes(void) {
  static char changes[512];
  snprintf(changes, sizeof changes, "{\"url\": \"%s\", \"realm\": \"%s\"}", scenario.url, scenario.realm);
  return changes;
}

/* ---- at once ---- */

static void on_connect(const wamp_event_t *event, void *user_data) {
  const wamp_value_t *details = wamp_event_details(event);
  CHECK(event->kind == WAMP_CONNECT && event->attempt != NULL && event->session == NULL);
  SAME(scenario_text(details, "url"), "ws://127.0.0.1:9/nowhere");
  SAME(scenario_text(details, "realm"), "nowhere");
  CHECK(scenario_int(details, "retry_count") == 0);
  CHECK(wamp_value_type(wamp_value_get(details, "authid")) == WAMP_TYPE_NULL);
  /* What is refused decides nothing. */
  FAILS(wamp_attempt_proceed(event->attempt, "{\"url\": 7}"), WAMP_ERR_OPTION);
  FAILS(wamp_attempt_proceed(event->attempt, "{\"urll\": \"ws://127.0.0.1:1/\"}"), WAMP_ERR_OPTION);
  FAILS(wamp_attempt_proceed(event->attempt, "{\"dispatch\": \"inline\"}"), WAMP_ERR_OPTION);
  FAILS(wamp_attempt_proceed(event->attempt, "{\"realm\": \"a b\"}"), WAMP_ERR_OPTION);
  FAILS(wamp_attempt_proceed(event->attempt, "[]"), WAMP_ERR_OPTION);
  FAILS(wamp_attempt_proceed(event->attempt, "\xff"), WAMP_ERR_UTF8);
  FAILS(wamp_attempt_abandon(event->attempt, "\xff"), WAMP_ERR_UTF8);
  GOOD(wamp_attempt_proceed(event->attempt, good_changes()));
  FAILS(wamp_attempt_proceed(event->attempt, NULL), WAMP_ERR_STATE);
  FAILS(wamp_attempt_abandon(event->attempt, NULL), WAMP_ERR_STATE);
  latch_hit(user_data);
}

static void joined(wamp_connection_t *connection, inbox_t *opens) {
  const wamp_event_t *open;
  WAIT(opens->got, 1);
  open = inbox_event(opens, 0, WAMP_OPEN);
  SAME(open->uri, scenario.realm);
  inbox_empty(opens);
  CHECK(wamp_connection_is_open(connection) == 1);
}

static void at_once(void) {
  static latch_t asked = LATCH, freed = LATCH;
  static inbox_t opens = INBOX;
  wamp_connection_t *connection = lost_connection(scenario.mode);
  GOOD(wamp_connection_on_connect(connection, on_connect, &asked, NULL));
  GOOD(wamp_connection_on_open(connection, inbox_callback, &opens, NULL));
  GOOD(wamp_connection_open(connection));
  joined(connection, &opens);
  CHECK(latch_count(&asked) == 1);

  /* What was changed stays changed, also where nobody asks. */
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  GOOD(wamp_connection_on_connect(connection, NULL, &freed, latch_free));
  GOOD(wamp_connection_open(connection));
  joined(connection, &opens);
  CHECK(latch_count(&asked) == 1);
  scenario_leave(connection, NULL);
  CHECK(latch_count(&freed) == 1);
}

/* ---- before each attempt ---- */

static void on_each(const wamp_event_t *event, void *user_data) {
  inbox_callback(event, user_data);
  GOOD(wamp_attempt_proceed(event->attempt, latch_count(&((inbox_t *)user_data)->got) == 1 ? good_changes() : NULL));
}

static void each_time(void) {
  static inbox_t asked = INBOX, opens = INBOX;
  wamp_connection_t *connection = lost_connection(scenario.mode);
  int64_t id;
  GOOD(wamp_connection_on_connect(connection, on_each, &asked, NULL));
  GOOD(wamp_connection_on_open(connection, inbox_callback, &opens, NULL));
  GOOD(wamp_connection_open(connection));
  WAIT(opens.got, 1);
  id = inbox_event(&opens, 0, WAMP_OPEN)->wamp_id;
  if (scenario_is_embedded()) {
    CHECK(wamp_router_kick(scenario.router, id, NULL) == 1);
    WAIT(opens.got, 2);
    CHECK(latch_count(&asked.got) == 2);
    CHECK(scenario_int(wamp_event_details(inbox_event(&asked, 1, WAMP_CONNECT)), "retry_count") == 1);
    SAME(scenario_text(wamp_event_details(inbox_event(&asked, 1, WAMP_CONNECT)), "url"), scenario.url);
    FAILS(wamp_attempt_proceed(inbox_event(&asked, 1, WAMP_CONNECT)->attempt, NULL), WAMP_ERR_HANDLE);
  }
  scenario_leave(connection, NULL);
  inbox_empty(&asked), inbox_empty(&opens);
}

/* ---- later, never, not at all ---- */

static latch_t kept = LATCH;
static wamp_attempt_t *attempt;

static void on_keep(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_attempt_retain(event->attempt));
  attempt = event->attempt;
  latch_hit(&kept);
}

static void *proceed(void *unused) {
  (void)unused;
  GOOD(wamp_attempt_proceed(attempt, good_changes()));
  GOOD(wamp_attempt_release(attempt));
  FAILS(wamp_attempt_release(attempt), WAMP_ERR_HANDLE);
  return NULL;
}

static void later(void) {
  static inbox_t opens = INBOX, ends = INBOX;
  wamp_connection_t *connection = lost_connection(scenario.mode);
  wamp_session_t *session = NULL;
  pthread_t thread;
  long times = latch_count(&kept);
  GOOD(wamp_connection_on_connect(connection, on_keep, NULL, NULL));
  GOOD(wamp_connection_on_open(connection, inbox_callback, &opens, NULL));
  GOOD(wamp_connection_on_close(connection, inbox_callback, &ends, NULL));

  /* Answered by another thread. */
  GOOD(wamp_connection_open(connection));
  WAIT(kept, ++times);
  FAILS(wamp_connection_session(connection, 20, &session), WAMP_ERR_TIMEOUT);
  CHECK(wamp_connection_is_connected(connection) == 0 && latch_count(&opens.got) == 0);
  CHECK(pthread_create(&thread, NULL, proceed, NULL) == 0 && pthread_join(thread, NULL) == 0);
  joined(connection, &opens);
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));

  /* Given back without a word: the attempt is made as it is, and here that is good. */
  GOOD(wamp_connection_open(connection));
  WAIT(kept, ++times);
  GOOD(wamp_attempt_release(attempt));
  joined(connection, &opens);
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  inbox_empty(&ends);

  /* Closed while the attempt waits. */
  GOOD(wamp_connection_open(connection));
  WAIT(kept, ++times);
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  WAIT(ends.got, 1);
  SAME(inbox_event(&ends, 0, WAMP_CLOSE)->uri, "closed");
  GOOD(wamp_attempt_proceed(attempt, NULL)); /* comes to nothing */
  GOOD(wamp_attempt_release(attempt));
  CHECK(wamp_connection_is_open(connection) == 0 && latch_count(&opens.got) == 0);
  inbox_empty(&ends);

  /* Abandoned. */
  GOOD(wamp_connection_open(connection));
  WAIT(kept, ++times);
  GOOD(wamp_attempt_abandon(attempt, "no credentials today"));
  GOOD(wamp_attempt_release(attempt));
  WAIT(ends.got, 1);
  CHECK(inbox_event(&ends, 0, WAMP_CLOSE)->status == WAMP_ERR_CANCELED);
  CHECK(strstr(inbox_event(&ends, 0, WAMP_CLOSE)->message, "no credentials today"));
  CHECK(!wamp_value_bool(wamp_value_get(wamp_event_details(inbox_event(&ends, 0, WAMP_CLOSE)), "will_retry")));
  FAILS(wamp_connection_session(connection, LIMIT_MS, &session), WAMP_ERR_CANCELED);

  /* Freed while the attempt waits. */
  GOOD(wamp_connection_open(connection));
  WAIT(kept, ++times);
  scenario_unpump(connection);
  GOOD(wamp_connection_free(connection));
  (void)wamp_attempt_proceed(attempt, NULL);
  GOOD(wamp_attempt_release(attempt));
  inbox_empty(&ends), inbox_empty(&opens);
}

/* ---- without callbacks ---- */

static void next_event(wamp_connection_t *connection, wamp_event_t *event, uint32_t kind) {
  CHECK(wamp_connection_poll(connection, event, sizeof *event, 1, LIMIT_MS) == 1);
  if (event->kind != kind) fprintf(stderr, "  kind %" PRIu32 ": %s %s\n", event->kind, event->uri, event->message);
  CHECK(event->kind == kind);
}

static void polled(void) {
  wamp_connection_t *connection = lost_connection("manual");
  wamp_event_t event;
  scenario_unpump(connection);
  GOOD(wamp_connection_on_connect(connection, NULL, NULL, NULL)); /* asks for the event */
  GOOD(wamp_connection_open(connection));
  next_event(connection, &event, WAMP_CONNECT);
  GOOD(wamp_attempt_proceed(event.attempt, good_changes()));
  next_event(connection, &event, WAMP_OPEN);
  FAILS(wamp_attempt_proceed(event.attempt, NULL), WAMP_ERR_HANDLE);
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));

  /* Not decided until the next poll: the attempt is made as it is. */
  GOOD(wamp_connection_open(connection));
  next_event(connection, &event, WAMP_CONNECT);
  next_event(connection, &event, WAMP_OPEN);
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  GOOD(wamp_connection_free(connection));
}

/* A ticket that is fetched at the last moment: this needs a router that asks for one. */
static void on_fetch(const wamp_event_t *event, void *user_data) {
  GOOD(wamp_attempt_proceed(event->attempt, user_data));
}

static void credentials(void) {
  wamp_router_t *router = wamp_router_new("{\"auth\": {\"ticket\": {\"joe\": {\"ticket\": \"today\"}}}}");
  wamp_connection_t *connection;
  wamp_session_t *session = NULL;
  char options[256];
  CHECK(router != NULL);
  GOOD(wamp_router_listen(router, "ws://127.0.0.1:0/ws", NULL));
  snprintf(options, sizeof options,
           "{\"url\": \"%s\", \"realm\": \"realm1\", \"authid\": \"joe\", \"ticket\": \"yesterday\"}",
           wamp_router_url(router));
  connection = wamp_connection_new(options);
  CHECK(connection != NULL);
  GOOD(wamp_connection_open(connection));
  FAILS(wamp_connection_session(connection, LIMIT_MS, &session), WAMP_ERR_AUTH);
  GOOD(wamp_connection_on_connect(connection, on_fetch, "{\"ticket\": \"today\"}", NULL));
  session = scenario_join(connection);
  SAME(scenario_text(wamp_session_details(session), "authid"), "joe");
  scenario_leave(connection, session);
  GOOD(wamp_router_free(router));
}

int main(int argc, char **argv) {
  scenario_begin(argc, argv, "connect_hook");
  at_once();
  each_time();
  later();
  polled();
  credentials();
  return scenario_end();
}
