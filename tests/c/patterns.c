/* Subscriptions and registrations by prefix and wildcard: what they match, which of several wins, and the topic or
 * procedure in the events. */
#include "scenario.h"

#define BASE "com.example.patterns."
#define PREFIX "{\"match\": \"prefix\"}"
#define WILDCARD "{\"match\": \"wildcard\"}"

/* ---- subscriptions ---- */

static struct {
  const char *topic, *options;
  int64_t id;
  inbox_t events;
} subscriptions[] = {
    {BASE "a.x", NULL, 0, INBOX},
    {BASE "a.x", "{\"match\": \"exact\", \"x_note\": [1]}", 0, INBOX},
    {BASE "a", PREFIX, 0, INBOX},
    {BASE "a.", PREFIX, 0, INBOX},
    {BASE ".x", WILDCARD, 0, INBOX},
    {BASE "a.x", PREFIX, 0, INBOX},
};
#define SUBSCRIPTIONS (sizeof subscriptions / sizeof *subscriptions)

/* Publishes, and looks who got it: one character of `who` for each subscription, '1' or '0'. */
static void published(wamp_session_t *publisher, wamp_session_t *subscriber, const char *topic, const char *who) {
  int64_t publication;
  size_t i;
  GOOD(wamp_session_publish_ack_sync(publisher, topic, WAMP_ARGS("[\"x\"]"), NULL, LIMIT_MS, &publication));
  for (i = 0; i < SUBSCRIPTIONS; i++)
    if (who[i] == '1') WAIT(subscriptions[i].events.got, 1);
  scenario_settle(subscriber);
  for (i = 0; i < SUBSCRIPTIONS; i++) {
    inbox_t *inbox = &subscriptions[i].events;
    const wamp_event_t *event;
    CHECK(latch_count(&inbox->got) == who[i] - '0');
    if (who[i] == '0') continue;
    event = inbox_event(inbox, 0, WAMP_EVENT);
    CHECK(event->id == subscriptions[i].id && event->wamp_id == publication);
    CHECK(event->uri_size == strlen(event->uri));
    SAME(event->uri, topic);
    SAME(scenario_text(wamp_event_details(event), "topic"), topic);
    inbox_empty(inbox);
  }
}

static void topics(wamp_session_t *publisher, wamp_session_t *subscriber) {
  static inbox_t refused = INBOX;
  size_t i, j;
  for (i = 0; i < SUBSCRIPTIONS; i++) {
    subscriptions[i].id =
        GOOD(wamp_session_subscribe_sync(subscriber, subscriptions[i].topic, subscriptions[i].options, inbox_callback,
                                         &subscriptions[i].events, NULL, LIMIT_MS));
    for (j = 0; j < i; j++) CHECK(subscriptions[i].id != subscriptions[j].id);
  }
  published(publisher, subscriber, BASE "a.x", "111111");
  published(publisher, subscriber, BASE "a.y", "001100");
  published(publisher, subscriber, BASE "a.x.z", "001101"); /* a wildcard has as many components as the topic */
  published(publisher, subscriber, BASE "a.xy", "001101");  /* prefixes are of characters, not of components */
  published(publisher, subscriber, BASE "ab", "001000");
  published(publisher, subscriber, BASE "b.x", "000010");
  published(publisher, subscriber, "com.example.pattern", "000000");

  CHECK(wamp_session_unsubscribe_sync(subscriber, subscriptions[5].id, LIMIT_MS) == 1);
  CHECK(wamp_session_unsubscribe_sync(subscriber, subscriptions[2].id, LIMIT_MS) == 1);
  published(publisher, subscriber, BASE "a.x", "110110");

  FAILS(wamp_session_subscribe(subscriber, BASE ".x", NULL, inbox_callback, NULL, &refused, NULL), WAMP_ERR_URI);
  FAILS(wamp_session_subscribe(subscriber, BASE ".x", PREFIX, inbox_callback, NULL, &refused, NULL), WAMP_ERR_URI);
  FAILS(wamp_session_subscribe(subscriber, BASE "a b", WILDCARD, inbox_callback, NULL, &refused, NULL), WAMP_ERR_URI);
  FAILS(wamp_session_subscribe(subscriber, BASE "a", "{\"match\": \"fuzzy\"}", inbox_callback, NULL, &refused, NULL),
        WAMP_ERR_OPTION);
  FAILS(wamp_session_subscribe(subscriber, BASE "a", "{\"match\": 1}", inbox_callback, NULL, &refused, NULL),
        WAMP_ERR_OPTION);
  FAILS(wamp_session_publish(publisher, BASE ".x", NULL, NULL), WAMP_ERR_URI);
}

/* ---- registrations ---- */

static void on_call(const wamp_event_t *event, void *user_data) {
  wamp_builder_t *answer = wamp_builder_new(WAMP_JSON);
  SAME(scenario_text(wamp_event_details(event), "procedure"), event->uri);
  GOOD(wamp_builder_string(answer, user_data, WAMP_NUL));
  GOOD(wamp_builder_string(answer, event->uri, event->uri_size));
  GOOD(wamp_invocation_yield(event->invocation, wamp_builder_payload(answer)));
  GOOD(wamp_builder_free(answer));
}

/* Calls, and looks which registration answered. */
static void called(wamp_session_t *caller, const char *procedure, const char *who) {
  wamp_message_t *answer = scenario_result(caller, procedure, NULL, NULL);
  const wamp_value_t *args = wamp_event_args(wamp_message_event(answer));
  SAME(wamp_value_string(wamp_value_at(args, 0), NULL), who);
  SAME(wamp_value_string(wamp_value_at(args, 1), NULL), procedure);
  GOOD(wamp_message_free(answer));
}

static void procedures(wamp_session_t *caller, wamp_session_t *callee) {
  static const struct {
    const char *procedure, *options;
    char name[16];
  } offers[] = {{BASE "p.exact", NULL, "exact"},
                {BASE "p", PREFIX, "prefix"},
                {BASE "p.long", PREFIX, "longer"},
                {BASE ".wild", WILDCARD, "wildcard"}};
  int64_t ids[4];
  size_t i;
  for (i = 0; i < 4; i++)
    ids[i] = GOOD(wamp_session_register_sync(callee, offers[i].procedure, offers[i].options, on_call,
                                             (void *)offers[i].name, NULL, LIMIT_MS));
  FAILS(wamp_session_register(callee, BASE "p", PREFIX, on_call, NULL, NULL, NULL), WAMP_ERR_STATE);
  FAILS(wamp_session_register(callee, BASE ".wild", NULL, on_call, NULL, NULL, NULL), WAMP_ERR_URI);

  called(caller, BASE "p.exact", "exact");
  called(caller, BASE "p.exact.not", "prefix");
  called(caller, BASE "p.wild", "prefix"); /* a prefix goes before a wildcard */
  called(caller, BASE "p.longer", "longer");
  called(caller, BASE "q.wild", "wildcard");
  scenario_refused(caller, BASE "q.tame", NULL, NULL, "wamp.error.no_such_procedure");

  GOOD(wamp_session_unregister_sync(callee, ids[0], LIMIT_MS));
  called(caller, BASE "p.exact", "prefix");
  GOOD(wamp_session_unregister_sync(callee, ids[1], LIMIT_MS));
  scenario_refused(caller, BASE "p.exact", NULL, NULL, "wamp.error.no_such_procedure");
  called(caller, BASE "p.wild", "wildcard");
  called(caller, BASE "p.long", "longer");
}

int main(int argc, char **argv) {
  wamp_connection_t *a, *b;
  wamp_session_t *inward, *outward;
  scenario_begin(argc, argv, "patterns");
  a = scenario_connection(scenario.mode, NULL);
  b = scenario_connection("thread", NULL);
  inward = scenario_join(a);
  outward = scenario_join(b);
  CHECK(scenario_can(inward, "subscriber", "pattern_based_subscription"));
  CHECK(scenario_can(inward, "callee", "pattern_based_registration"));
  topics(outward, inward);
  procedures(outward, inward);
  scenario_leave(a, inward);
  scenario_leave(b, outward);
  return scenario_end();
}
