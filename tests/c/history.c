/* The past events of a subscription, asked for by wamp.subscription.get_events. Routers keep them only where they are told
 * to: without, this says so and ends. */
#include "scenario.h"

#define TOPIC "com.example.history."

static wamp_message_t *past(wamp_session_t *session, int64_t subscription, const char *filters) {
  char args[32];
  snprintf(args, sizeof args, "[%" PRId64 "]", subscription);
  return scenario_call(session, "wamp.subscription.get_events", WAMP_PAYLOAD(args, filters), NULL);
}

/* Asks, and wants these numbers as the events' first arguments: their digits. */
static void gives(wamp_session_t *session, int64_t subscription, const char *filters, const char *digits) {
  wamp_message_t *answer = past(session, subscription, filters);
  const wamp_value_t *events = wamp_event_args(wamp_message_event(answer));
  size_t i;
  CHECK(wamp_message_event(answer)->kind == WAMP_RESULT);
  if (wamp_value_size(events) != strlen(digits))
    fprintf(stderr, "  %s gives %.*s\n", filters ? filters : "{}", (int)wamp_message_event(answer)->payload.args_size,
            wamp_message_event(answer)->payload.args);
  CHECK(wamp_value_size(events) == strlen(digits));
  for (i = 0; digits[i]; i++) {
    const wamp_value_t *event = wamp_value_at(events, i);
    CHECK(wamp_value_int(wamp_value_at(wamp_value_get(event, "args"), 0)) == digits[i] - '0');
    CHECK(scenario_int(event, "subscription") == subscription && scenario_int(event, "publication") > 0);
    CHECK(scenario_text(event, "timestamp") != NULL);
  }
  GOOD(wamp_message_free(answer));
}

int main(int argc, char **argv) {
  wamp_connection_t *connection;
  wamp_session_t *session;
  static inbox_t done = INBOX;
  int64_t publications[6], subscription;
  char filter[96];
  int i;
  scenario_begin_with(argc, argv, "history", "{\"event_history\": 4}");
  connection = scenario_connection(scenario.mode, NULL);
  session = scenario_join(connection);
  GOOD(wamp_session_subscribe(session, TOPIC "topic", NULL, inbox_callback, inbox_callback, &done, NULL));
  WAIT(done.got, 1);
  subscription = inbox_event(&done, 0, WAMP_SUBSCRIBED)->wamp_id;

  if (!scenario_can(session, "subscriber", "event_history")) {
    wamp_message_t *answer = past(session, subscription, NULL);
    const wamp_event_t *event = wamp_message_event(answer);
    printf("skip: %s: the router keeps no events: %s\n", scenario.name, event->uri);
    CHECK(event->kind == WAMP_ERROR || wamp_value_size(wamp_value_at(wamp_event_args(event), 0)) == 0);
    GOOD(wamp_message_free(answer));
  } else {
    for (i = 1; i <= 5; i++) {
      char text[16];
      snprintf(text, sizeof text, "[%d]", i);
      GOOD(wamp_session_publish_ack_sync(session, TOPIC "topic", WAMP_ARGS(text), NULL, LIMIT_MS, &publications[i]));
    }
    GOOD(wamp_session_publish_ack_sync(session, TOPIC "other", WAMP_ARGS("[9]"), NULL, LIMIT_MS, NULL));
    GOOD(wamp_session_publish_ack_sync(session, TOPIC "topic", WAMP_ARGS("[8]"), "{\"exclude\": [1]}", LIMIT_MS, NULL));
    gives(session, subscription, NULL, "345"); /* the oldest had to go: four are kept, one of another topic, and
                                                 none that names sessions, as ids are no names for the future */
    gives(session, subscription, "{\"limit\": 2}", "34");
    gives(session, subscription, "{\"limit\": 2, \"reverse\": true}", "54");
    snprintf(filter, sizeof filter, "{\"from_publication\": %" PRId64 "}", publications[4]);
    gives(session, subscription, filter, "45");
    snprintf(filter, sizeof filter, "{\"after_publication\": %" PRId64 "}", publications[4]);
    gives(session, subscription, filter, "5");
    snprintf(filter, sizeof filter, "{\"before_publication\": %" PRId64 "}", publications[4]);
    gives(session, subscription, filter, "3");
    gives(session, subscription, "{\"after_time\": \"2999-01-01T00:00:00Z\"}", "");
    gives(session, subscription, "{\"before_time\": \"2999-01-01T00:00:00Z\"}", "345");
    scenario_refused(session, "wamp.subscription.get_events", WAMP_ARGS("[123456789]"), NULL,
                     "wamp.error.no_such_subscription");
  }
  scenario_leave(connection, session);
  return scenario_end();
}
