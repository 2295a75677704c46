/* Who gets an event and who is told of whom: exclude and eligible in all their forms, exclude_me, disclose_me, acknowledge,
 * retained events, and options that pass through untouched. */
#include "scenario.h"

#define TOPIC "com.example.whitelist."
#define MEMBERS 3

/* All subscribe to the same topic; the first publishes. */
static struct {
  wamp_connection_t *connection;
  wamp_session_t *session;
  inbox_t events;
} members[MEMBERS];

/* Publishes with these options, and looks who got it: one character for each member, '1' or '0'. */
static void reaches(const char *options, const char *who) {
  int i;
  GOOD(wamp_session_publish_ack_sync(members[0].session, TOPIC "news", WAMP_ARGS("[1]"), options, LIMIT_MS, NULL));
  for (i = 0; i < MEMBERS; i++) {
    if (who[i] == '1') WAIT(members[i].events.got, 1);
    scenario_settle(members[i].session);
    if (latch_count(&members[i].events.got) != who[i] - '0') fprintf(stderr, "  %s, member %d\n", options, i);
    CHECK(latch_count(&members[i].events.got) == who[i] - '0');
    inbox_empty(&members[i].events);
  }
}

/* As printf: options. */
static const char *with(const char *format, int member) {
  static char options[256];
  snprintf(options, sizeof options, format, scenario_id(members[member].session));
  return options;
}

static const char *with_text(const char *format, const char *text) {
  static char options[256];
  snprintf(options, sizeof options, format, text);
  return options;
}

static void lists(void) {
  const char *authid = scenario_text(wamp_session_details(members[1].session), "authid");
  const char *authrole = scenario_text(wamp_session_details(members[1].session), "authrole");
  CHECK(authid && authrole);
  CHECK(scenario_can(members[0].session, "publisher", "subscriber_blackwhite_listing"));
  reaches(NULL, "011");
  reaches("{\"exclude_me\": true}", "011");
  reaches("{\"exclude_me\": false}", "111");
  if (scenario_is_embedded()) /* Crossbar.io ends the session of a client that says null */
    reaches("{\"exclude_me\": null, \"exclude\": null, \"eligible\": null}", "011");

  reaches(with("{\"exclude\": [%" PRId64 "]}", 1), "001");
  reaches(with("{\"eligible\": [%" PRId64 ", 1]}", 2), "001");
  reaches(with("{\"eligible\": [%" PRId64 "]}", 0), "000"); /* itself is excluded all the same */
  reaches(with("{\"exclude_me\": false, \"eligible\": [%" PRId64 "]}", 0), "100");
  reaches("{\"eligible\": [1]}", "000");

  reaches(with_text("{\"exclude_authid\": [\"%s\", \"nobody\"]}", authid), "001");
  reaches(with_text("{\"eligible_authid\": [\"%s\"]}", authid), "010");
  reaches(with_text("{\"exclude_authrole\": [\"%s\"]}", authrole), "000");
  reaches(with_text("{\"eligible_authrole\": [\"%s\"]}", authrole), "011");
  reaches("{\"exclude_authrole\": [\"nobody\"]}", "011");
  reaches("{\"eligible_authrole\": [\"nobody\"]}", "000");
  reaches(with_text("{\"eligible_authrole\": [\"nobody\"], \"eligible_authid\": [\"%s\"]}", authid), "000");
  reaches(with("{\"exclude\": [%" PRId64 "], \"eligible_authrole\": [\"anonymous\"]}", 2), "010");

  reaches("{\"exclude\": [], \"exclude_authid\": [], \"exclude_authrole\": []}", "011");
  /* Whom does an empty list let? For Crossbar.io it is no list. */
  reaches("{\"eligible\": []}", scenario_is_embedded() ? "000" : "011");
  reaches("{\"eligible_authid\": []}", scenario_is_embedded() ? "000" : "011");
  reaches("{\"eligible_authrole\": []}", scenario_is_embedded() ? "000" : "011");
}

/* ---- disclosure ---- */

static void on_who(const wamp_event_t *event, void *user_data) {
  inbox_callback(event, user_data);
  GOOD(wamp_invocation_yield(event->invocation, NULL));
}

/* Crossbar.io discloses as its configuration says, whatever the client wants; the embedded router, whom it asks to. */
static void disclosure(void) {
  static inbox_t calls = INBOX;
  int64_t me = scenario_id(members[0].session);
  const char *authid = scenario_text(wamp_session_details(members[0].session), "authid");
  const wamp_value_t *details;
  bool asked;
  GOOD(wamp_session_register_sync(members[1].session, TOPIC "who", NULL, on_who, &calls, NULL, LIMIT_MS));
  for (asked = true;; asked = false) {
    const char *options = asked ? "{\"disclose_me\": true}" : NULL;
    bool told = asked || !scenario_is_embedded();
    GOOD(wamp_session_publish(members[0].session, TOPIC "news", NULL, options));
    WAIT(members[1].events.got, 1);
    details = wamp_event_details(inbox_event(&members[1].events, 0, WAMP_EVENT));
    CHECK(scenario_int(details, "publisher") == (told ? me : 0));
    if (told) SAME(scenario_text(details, "publisher_authid"), authid);
    if (told) SAME(scenario_text(details, "publisher_authrole"), "anonymous");
    WAIT(members[2].events.got, 1);

    GOOD(wamp_message_free(scenario_result(members[0].session, TOPIC "who", NULL, options)));
    details = wamp_event_details(inbox_event(&calls, 0, WAMP_INVOCATION));
    CHECK(scenario_int(details, "caller") == (told ? me : 0));
    if (told) SAME(scenario_text(details, "caller_authid"), authid);
    if (told) SAME(scenario_text(details, "caller_authrole"), "anonymous");
    inbox_empty(&members[1].events), inbox_empty(&members[2].events), inbox_empty(&calls);
    if (!asked) break;
  }
}

/* ---- acknowledge ---- */

static void acknowledgement(void) {
  static inbox_t done = INBOX;
  wamp_session_t *session = members[0].session;
  int64_t request =
      GOOD(wamp_session_publish_ack(session, TOPIC "quiet", NULL, "{\"acknowledge\": true}", inbox_callback, &done, NULL));
  WAIT(done.got, 1);
  CHECK(inbox_event(&done, 0, WAMP_PUBLISHED)->id == request && inbox_event(&done, 0, WAMP_PUBLISHED)->wamp_id > 0);
  inbox_empty(&done);
  /* The function says what is wanted, and the option must not say otherwise. */
  FAILS(wamp_session_publish_ack(session, TOPIC "quiet", NULL, "{\"acknowledge\": false}", NULL, NULL, NULL),
        WAMP_ERR_OPTION);
  FAILS(wamp_session_publish(session, TOPIC "quiet", NULL, "{\"acknowledge\": true}"), WAMP_ERR_OPTION);
  GOOD(wamp_session_publish_ack(session, "wamp.not.mine", NULL, NULL, inbox_callback, &done, NULL));
  WAIT(done.got, 1);
  CHECK(inbox_event(&done, 0, WAMP_ERROR)->status == WAMP_ERR_REMOTE);
  SAME(inbox_event(&done, 0, WAMP_ERROR)->uri, "wamp.error.invalid_uri");
  GOOD(wamp_session_publish(session, "wamp.not.mine", NULL, NULL)); /* nothing is heard of the failure */
  scenario_settle(session);
  CHECK(wamp_session_is_open(session) == 1);
  inbox_empty(&done);
}

/* ---- retained events ---- */

static void retained(void) {
  static inbox_t events = INBOX;
  wamp_session_t *publisher = members[0].session, *late = members[2].session;
  int64_t last, id;
  const char *retain = "{\"retain\": true}";
  if (!scenario_can(publisher, "broker", "event_retention")) return;
  GOOD(wamp_session_publish_ack_sync(publisher, TOPIC "state", WAMP_ARGS("[\"old\"]"), retain, LIMIT_MS, NULL));
  GOOD(wamp_session_publish_ack_sync(publisher, TOPIC "state", WAMP_ARGS("[\"new\"]"), retain, LIMIT_MS, &last));
  GOOD(wamp_session_publish_ack_sync(publisher, TOPIC "state", WAMP_ARGS("[\"past\"]"), NULL, LIMIT_MS, NULL));

  id = GOOD(wamp_session_subscribe_sync(late, TOPIC "state", NULL, inbox_callback, &events, NULL, LIMIT_MS));
  scenario_settle(late);
  CHECK(latch_count(&events.got) == 0);
  GOOD(wamp_session_unsubscribe_sync(late, id, LIMIT_MS));

  id = GOOD(wamp_session_subscribe_sync(late, TOPIC "state", "{\"get_retained\": true}", inbox_callback, &events, NULL,
                                        LIMIT_MS));
  WAIT(events.got, 1);
  SAME(wamp_value_string(inbox_arg(&events, 0, WAMP_EVENT, 0), NULL), "new");
  CHECK(inbox_event(&events, 0, WAMP_EVENT)->id == id);
  if (scenario_is_embedded()) CHECK(inbox_event(&events, 0, WAMP_EVENT)->wamp_id == last); /* others give a new one */
  CHECK(wamp_value_bool(wamp_value_get(wamp_event_details(inbox_event(&events, 0, WAMP_EVENT)), "retained")));
  GOOD(wamp_session_publish(publisher, TOPIC "state", WAMP_ARGS("[\"fresh\"]"), NULL));
  WAIT(events.got, 2);
  CHECK(!wamp_value_bool(wamp_value_get(wamp_event_details(inbox_event(&events, 1, WAMP_EVENT)), "retained")));
  GOOD(wamp_session_unsubscribe_sync(late, id, LIMIT_MS));
  inbox_empty(&events);
}

/* ---- what the library does not know passes through ---- */

static void passed_through(void) {
  wamp_session_t *publisher = members[0].session;
  const char *options = "{\"ppt_scheme\": \"x_plain\", \"ppt_serializer\": \"json\", \"x_unknown\": {\"a\": [1, null]}}";
  if (scenario_can(publisher, "publisher", "payload_passthru_mode")) {
    const wamp_value_t *details;
    GOOD(wamp_session_publish(publisher, TOPIC "news", WAMP_ARGS("[\"opaque\"]"), options));
    WAIT(members[1].events.got, 1);
    WAIT(members[2].events.got, 1);
    details = wamp_event_details(inbox_event(&members[1].events, 0, WAMP_EVENT));
    SAME(scenario_text(details, "ppt_scheme"), "x_plain");
    SAME(scenario_text(details, "ppt_serializer"), "json");
    SAME(scenario_text(details, "topic"), TOPIC "news");
    inbox_empty(&members[1].events), inbox_empty(&members[2].events);
  } else {
    FAILS(wamp_session_publish(publisher, TOPIC "news", NULL, options), WAMP_ERR_UNSUPPORTED);
    FAILS(wamp_session_call(publisher, TOPIC "who", NULL, options, NULL, NULL, NULL), WAMP_ERR_UNSUPPORTED);
  }
  reaches("{\"x_unknown\": {\"a\": [1, null]}, \"_private\": \"\\u00e4\"}", "011");
}

int main(int argc, char **argv) {
  int i;
  scenario_begin(argc, argv, "whitelist");
  for (i = 0; i < MEMBERS; i++) {
    latch_init(&members[i].events.got);
    members[i].connection = scenario_connection(scenario.mode, NULL);
    members[i].session = scenario_join(members[i].connection);
    GOOD(wamp_session_subscribe_sync(members[i].session, TOPIC "news", NULL, inbox_callback, &members[i].events, NULL,
                                     LIMIT_MS));
  }
  lists();
  disclosure();
  acknowledgement();
  retained();
  passed_through();
  for (i = 0; i < MEMBERS; i++) scenario_leave(members[i].connection, members[i].session);
  return scenario_end();
}
