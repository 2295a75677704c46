/* The router's own procedures and topics, used like any others: which sessions, registrations and subscriptions there are,
 * who comes and goes, and the end of a session that another one wants. */
#include "scenario.h"

#define NAME "com.example.meta."

static wamp_session_t *watcher;

static wamp_message_t *ask(const char *procedure, const char *args) {
  return scenario_result(watcher, procedure, args ? WAMP_ARGS(args) : NULL, NULL);
}

static const wamp_value_t *first(wamp_message_t *answer) {
  return wamp_value_at(wamp_event_args(wamp_message_event(answer)), 0);
}

/* The number, or the only entry of a list, that a procedure gives. */
static int64_t number(const char *procedure, const char *args) {
  wamp_message_t *answer = ask(procedure, args);
  const wamp_value_t *value = first(answer);
  int64_t got = wamp_value_int(wamp_value_type(value) == WAMP_TYPE_LIST ? wamp_value_at(value, 0) : value);
  GOOD(wamp_message_free(answer));
  return got;
}

/* As printf. */
static const char *id_args(int64_t id) {
  static char args[32];
  snprintf(args, sizeof args, "[%" PRId64 "]", id);
  return args;
}

static bool lists(const wamp_value_t *list, int64_t id) {
  size_t i;
  for (i = 0; i < wamp_value_size(list); i++)
    if (wamp_value_int(wamp_value_at(list, i)) == id) return true;
  return false;
}

/* Waits for a meta event that speaks of `id`: as its first argument, or within a dict, or as the second argument. */
static const wamp_event_t *told(inbox_t *inbox, int64_t id) {
  long seen = 0;
  for (;;) {
    const wamp_event_t *event;
    const wamp_value_t *args;
    WAIT(inbox->got, seen + 1);
    event = inbox_event(inbox, (int)seen++, WAMP_EVENT);
    args = wamp_event_args(event);
    if (wamp_value_int(wamp_value_at(args, 0)) == id || wamp_value_int(wamp_value_at(args, 1)) == id ||
        scenario_int(wamp_value_at(args, 0), "session") == id)
      return event;
  }
}

static int64_t watch(const char *topic, inbox_t *inbox) {
  return GOOD(wamp_session_subscribe_sync(watcher, topic, NULL, inbox_callback, inbox, NULL, LIMIT_MS));
}

static void sessions(void) {
  static inbox_t joins = INBOX, leaves = INBOX;
  wamp_connection_t *guest = scenario_connection(scenario.mode, NULL);
  wamp_session_t *session;
  wamp_message_t *answer;
  const wamp_value_t *details;
  int64_t id, on_join = watch("wamp.session.on_join", &joins), on_leave = watch("wamp.session.on_leave", &leaves);
  session = scenario_join(guest);
  id = scenario_id(session);

  details = wamp_value_at(wamp_event_args(told(&joins, id)), 0);
  SAME(scenario_text(details, "authrole"), "anonymous");
  SAME(scenario_text(details, "authid"), scenario_text(wamp_session_details(session), "authid"));

  CHECK(number("wamp.session.count", NULL) >= 2);
  answer = ask("wamp.session.list", NULL);
  CHECK(lists(first(answer), id) && lists(first(answer), scenario_id(watcher)));
  GOOD(wamp_message_free(answer));
  answer = ask("wamp.session.get", id_args(id));
  CHECK(scenario_int(first(answer), "session") == id);
  SAME(scenario_text(first(answer), "authmethod"), "anonymous");
  GOOD(wamp_message_free(answer));
  scenario_refused(watcher, "wamp.session.get", WAMP_ARGS("[1]"), NULL, "wamp.error.no_such_session");

  scenario_leave(guest, session);
  (void)told(&leaves, id);
  GOOD(wamp_session_unsubscribe_sync(watcher, on_join, LIMIT_MS));
  GOOD(wamp_session_unsubscribe_sync(watcher, on_leave, LIMIT_MS));
  inbox_empty(&joins), inbox_empty(&leaves);
}

static void registrations(wamp_session_t *callee) {
  static inbox_t created = INBOX, deleted = INBOX, done = INBOX;
  wamp_message_t *answer;
  int64_t mine, theirs, on_create = watch("wamp.registration.on_create", &created),
                        on_delete = watch("wamp.registration.on_delete", &deleted);
  mine = GOOD(wamp_session_register(callee, NAME "procedure", NULL, scenario_echo, inbox_callback, &done, NULL));
  WAIT(done.got, 1);
  theirs = inbox_event(&done, 0, WAMP_REGISTERED)->wamp_id;
  SAME(scenario_text(wamp_value_at(wamp_event_args(told(&created, scenario_id(callee))), 1), "uri"),
       NAME "procedure");

  CHECK(number("wamp.registration.lookup", "[\"" NAME "procedure\"]") == theirs);
  CHECK(number("wamp.registration.match", "[\"" NAME "procedure\"]") == theirs);
  CHECK(number("wamp.registration.lookup", "[\"" NAME "nothing\"]") == 0);
  CHECK(number("wamp.registration.list_callees", id_args(theirs)) == scenario_id(callee));
  CHECK(number("wamp.registration.count_callees", id_args(theirs)) == 1);
  answer = ask("wamp.registration.get", id_args(theirs));
  SAME(scenario_text(first(answer), "uri"), NAME "procedure");
  SAME(scenario_text(first(answer), "invoke"), "single");
  GOOD(wamp_message_free(answer));
  answer = ask("wamp.registration.list", NULL);
  CHECK(lists(wamp_value_get(first(answer), "exact"), theirs));
  GOOD(wamp_message_free(answer));
  scenario_refused(watcher, "wamp.registration.get", WAMP_ARGS("[1234567890]"), NULL,
                   "wamp.error.no_such_registration");

  GOOD(wamp_session_unregister_sync(callee, mine, LIMIT_MS));
  (void)told(&deleted, theirs);
  GOOD(wamp_session_unsubscribe_sync(watcher, on_create, LIMIT_MS));
  GOOD(wamp_session_unsubscribe_sync(watcher, on_delete, LIMIT_MS));
  inbox_empty(&created), inbox_empty(&deleted), inbox_empty(&done);
}

static void subscriptions(wamp_session_t *subscriber) {
  static inbox_t created = INBOX, ended = INBOX, done = INBOX;
  wamp_message_t *answer;
  int64_t mine, theirs, on_create = watch("wamp.subscription.on_create", &created),
                        on_unsubscribe = watch("wamp.subscription.on_unsubscribe", &ended);
  mine = GOOD(wamp_session_subscribe(subscriber, NAME "topic", NULL, inbox_callback, inbox_callback, &done, NULL));
  WAIT(done.got, 1);
  theirs = inbox_event(&done, 0, WAMP_SUBSCRIBED)->wamp_id;
  SAME(scenario_text(wamp_value_at(wamp_event_args(told(&created, scenario_id(subscriber))), 1), "uri"),
       NAME "topic");

  CHECK(number("wamp.subscription.lookup", "[\"" NAME "topic\"]") == theirs);
  CHECK(number("wamp.subscription.match", "[\"" NAME "topic\"]") == theirs);
  CHECK(number("wamp.subscription.list_subscribers", id_args(theirs)) == scenario_id(subscriber));
  CHECK(number("wamp.subscription.count_subscribers", id_args(theirs)) == 1);
  answer = ask("wamp.subscription.get", id_args(theirs));
  SAME(scenario_text(first(answer), "match"), "exact");
  GOOD(wamp_message_free(answer));
  answer = ask("wamp.subscription.list", NULL);
  CHECK(lists(wamp_value_get(first(answer), "exact"), theirs));
  GOOD(wamp_message_free(answer));

  GOOD(wamp_session_unsubscribe_sync(subscriber, mine, LIMIT_MS));
  (void)told(&ended, theirs);
  GOOD(wamp_session_unsubscribe_sync(watcher, on_create, LIMIT_MS));
  GOOD(wamp_session_unsubscribe_sync(watcher, on_unsubscribe, LIMIT_MS));
  inbox_empty(&created), inbox_empty(&ended), inbox_empty(&done);
}

/* Another session ends ours: that is told with its reason, and no further attempt is made. */
static void killed(void) {
  static inbox_t ends = INBOX, pending = INBOX;
  wamp_connection_t *victim = scenario_connection(scenario.mode, NULL);
  wamp_session_t *session;
  const wamp_event_t *end;
  const wamp_value_t *details;
  char args[32];
  GOOD(wamp_connection_on_close(victim, inbox_callback, &ends, NULL));
  session = scenario_join(victim);
  snprintf(args, sizeof args, "[%" PRId64 "]", scenario_id(session));
  GOOD(wamp_message_free(scenario_result(
      watcher, "wamp.session.kill",
      WAMP_PAYLOAD(args, "{\"reason\": \"com.example.enough\", \"message\": \"go home\"}"), NULL)));
  WAIT(ends.got, 1);
  end = inbox_event(&ends, 0, WAMP_CLOSE);
  CHECK(end->status == WAMP_OK);
  SAME(end->uri, "closed");
  CHECK(strstr(end->message, "com.example.enough") && strstr(end->message, "go home"));
  details = wamp_event_details(end);
  SAME(scenario_text(details, "reason"), "com.example.enough");
  SAME(scenario_text(details, "message"), "go home");
  CHECK(!wamp_value_bool(wamp_value_get(details, "will_retry")));
  CHECK(wamp_session_is_open(session) == 0 && wamp_connection_is_open(victim) == 0);
  FAILS(wamp_session_publish(session, NAME "topic", NULL, NULL), WAMP_ERR_CLOSED);
  FAILS(wamp_session_call(session, NAME "x", NULL, NULL, inbox_callback, &pending, NULL), WAMP_ERR_CLOSED);
  GOOD(wamp_session_release(session));
  FAILS(wamp_connection_close(victim, NULL, NULL, LIMIT_MS), WAMP_ERR_CLOSED);
  scenario_unpump(victim);
  GOOD(wamp_connection_free(victim));
  scenario_refused(watcher, "wamp.session.kill", WAMP_ARGS(args), NULL, "wamp.error.no_such_session");
  inbox_empty(&ends);
}

/* What is asked wrongly is refused, and is no violation. */
static void misused(void) {
  wamp_message_t *answer = scenario_call(watcher, "wamp.session.kill", WAMP_ARGS("[\"me\"]"), NULL);
  CHECK(wamp_message_event(answer)->kind == WAMP_ERROR);
  GOOD(wamp_message_free(answer));
  answer = scenario_call(watcher, "wamp.no.such.thing", NULL, NULL);
  SAME(wamp_message_event(answer)->uri, "wamp.error.no_such_procedure");
  GOOD(wamp_message_free(answer));
  FAILS(wamp_session_register_sync(watcher, "wamp.mine", NULL, scenario_echo, NULL, NULL, LIMIT_MS), WAMP_ERR_REMOTE);
  CHECK(wamp_session_is_open(watcher) == 1);
}

int main(int argc, char **argv) {
  wamp_connection_t *a, *b;
  wamp_session_t *other;
  scenario_begin(argc, argv, "meta");
  a = scenario_connection(scenario.mode, NULL);
  b = scenario_connection("thread", NULL);
  watcher = scenario_join(a);
  other = scenario_join(b);
  CHECK(scenario_can(watcher, "dealer", "session_meta_api"));
  sessions();
  registrations(other);
  subscriptions(other);
  killed();
  misused();
  scenario_leave(a, watcher);
  scenario_leave(b, other);
  return scenario_end();
}
