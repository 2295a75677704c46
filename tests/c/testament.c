/* Testaments: what the router publishes for a session when that has ended, in whatever way. */
#include "scenario.h"

#define TOPIC "com.example.testament."

static inbox_t heard = INBOX;
static wamp_session_t *heir;

static void leave_testament(wamp_session_t *session, const char *payload, const char *options) {
  GOOD(wamp_message_free(scenario_result(session, "wamp.session.add_testament", WAMP_PAYLOAD(payload, options), NULL)));
}

/* The heir has heard exactly this. */
static void hears(const char *topic, const char *text) {
  const wamp_event_t *event;
  WAIT(heard.got, 1);
  scenario_settle(heir);
  CHECK(latch_count(&heard.got) == 1);
  event = inbox_event(&heard, 0, WAMP_EVENT);
  SAME(event->uri, topic);
  SAME(wamp_value_string(wamp_value_at(wamp_event_args(event), 0), NULL), text);
  inbox_empty(&heard);
}

static void on_close_and_on_drop(void) {
  wamp_connection_t *connection = scenario_connection(scenario.mode, NULL);
  wamp_session_t *session = scenario_join(connection);
  leave_testament(session, "[\"" TOPIC "a\", [\"closed\"], {\"n\": 1}]", NULL);
  scenario_settle(heir);
  CHECK(latch_count(&heard.got) == 0); /* not before its time */
  scenario_leave(connection, session);
  WAIT(heard.got, 1);
  CHECK(scenario_int(wamp_event_kwargs(inbox_event(&heard, 0, WAMP_EVENT)), "n") == 1);
  hears(TOPIC "a", "closed");

  connection = scenario_connection(scenario.mode, "\"max_retries\": 0");
  session = scenario_join(connection);
  leave_testament(session, "[\"" TOPIC "b\", [\"dropped\"], {}]", NULL);
  if (scenario_is_embedded()) {
    CHECK(wamp_router_kick(scenario.router, scenario_id(session), NULL) == 1);
    hears(TOPIC "b", "dropped");
    scenario_unpump(connection);
    GOOD(wamp_session_release(session));
    GOOD(wamp_connection_free(connection));
  } else {
    scenario_leave(connection, session);
    hears(TOPIC "b", "dropped");
  }
}

/* What was flushed is not published; the options of a publication hold for a testament too. */
static void flushed_and_limited(void) {
  wamp_connection_t *connection = scenario_connection(scenario.mode, NULL);
  wamp_session_t *session = scenario_join(connection);
  char options[128];
  leave_testament(session, "[\"" TOPIC "never\", [1], {}]", NULL);
  GOOD(wamp_message_free(scenario_result(session, "wamp.session.flush_testaments", NULL, NULL)));
  snprintf(options, sizeof options, "{\"publish_options\": {\"exclude\": [%" PRId64 "]}}", scenario_id(heir));
  leave_testament(session, "[\"" TOPIC "not.for.the.heir\", [1], {}]", options);
  leave_testament(session, "[\"" TOPIC "last\", [\"detached\"], {}]", "{\"scope\": \"detached\"}");
  scenario_leave(connection, session);
  hears(TOPIC "last", "detached");
}

int main(int argc, char **argv) {
  wamp_connection_t *connection;
  scenario_begin(argc, argv, "testament");
  connection = scenario_connection("thread", NULL);
  heir = scenario_join(connection);
  CHECK(scenario_can(heir, "dealer", "testament_meta_api"));
  GOOD(wamp_session_subscribe_sync(heir, TOPIC, "{\"match\": \"prefix\"}", inbox_callback, &heard, NULL, LIMIT_MS));
  on_close_and_on_drop();
  flushed_and_limited();
  scenario_leave(connection, heir);
  return scenario_end();
}
