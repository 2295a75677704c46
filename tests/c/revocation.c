/* The router takes a subscription or registration away: the program is told, and the id is worth nothing any more. */
#include "scenario.h"

#define NAME "com.example.revocation."

static wamp_message_t *removed(wamp_session_t *admin, const char *procedure, int64_t id, int64_t session,
                               const char *options) {
  char args[96];
  wamp_payload_t payload = {args, WAMP_NUL, options, WAMP_NUL, WAMP_JSON, 0};
  snprintf(args, sizeof args, "[%" PRId64 ", %" PRId64 "]", id, session);
  return scenario_call(admin, procedure, &payload, NULL);
}

static void subscription(wamp_session_t *victim, wamp_session_t *admin) {
  static inbox_t all = INBOX, other = INBOX; /* `done` and `handler` have the same user_data */
  static latch_t freed = LATCH;
  const wamp_event_t *end;
  int64_t ours, second, theirs;
  wamp_message_t *answer;
  ours = GOOD(wamp_session_subscribe(victim, NAME "topic", NULL, inbox_callback, inbox_callback, &all, NULL));
  second = GOOD(wamp_session_subscribe(victim, NAME "topic", NULL, inbox_callback, inbox_callback, &other, NULL));
  WAIT(all.got, 1);
  WAIT(other.got, 1);
  theirs = inbox_event(&all, 0, WAMP_SUBSCRIBED)->wamp_id;

  answer = removed(admin, "wamp.subscription.remove_subscriber", theirs, scenario_id(victim),
                   "{\"reason\": \"com.example.enough\"}");
  CHECK(wamp_message_event(answer)->kind == WAMP_RESULT);
  GOOD(wamp_message_free(answer));

  WAIT(all.got, 2);
  WAIT(other.got, 2); /* each of the handlers is told */
  end = inbox_event(&all, 1, WAMP_UNSUBSCRIBED);
  CHECK(end->id == ours && end->status == WAMP_OK && inbox_event(&other, 1, WAMP_UNSUBSCRIBED)->id == second);
  if (scenario_is_embedded()) SAME(end->uri, "com.example.enough");
  CHECK(end->uri_size > 0);
  FAILS(wamp_session_unsubscribe(victim, ours, inbox_callback, &freed, latch_free), WAMP_ERR_NO_SUCH_ID);
  FAILS(wamp_session_unsubscribe_sync(victim, second, LIMIT_MS), WAMP_ERR_NO_SUCH_ID);
  CHECK(latch_count(&freed) == 1);
  GOOD(wamp_session_publish_ack_sync(admin, NAME "topic", NULL, NULL, LIMIT_MS, NULL));
  scenario_settle(victim);
  CHECK(latch_count(&all.got) == 2 && latch_count(&other.got) == 2);

  /* It can be had again, under a new id. */
  CHECK(GOOD(wamp_session_subscribe(victim, NAME "topic", NULL, inbox_callback, inbox_callback, &all, NULL)) > second);
  WAIT(all.got, 3);
  GOOD(wamp_session_publish(admin, NAME "topic", NULL, NULL));
  WAIT(all.got, 4);
  (void)inbox_event(&all, 3, WAMP_EVENT);
  inbox_empty(&all), inbox_empty(&other);
}

static void on_call(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_yield(event->invocation, NULL));
}

/* Crossbar.io removes a callee without telling it; there somebody else takes the procedure by force. */
static void registration(wamp_session_t *victim, wamp_session_t *admin) {
  static inbox_t all = INBOX;
  const wamp_event_t *end;
  int64_t taken = 0, id = GOOD(wamp_session_register(victim, NAME "procedure", NULL, on_call, inbox_callback, &all, NULL));
  WAIT(all.got, 1);
  if (scenario_is_embedded()) {
    int64_t theirs = inbox_event(&all, 0, WAMP_REGISTERED)->wamp_id;
    wamp_message_t *answer =
        removed(admin, "wamp.registration.remove_callee", theirs, scenario_id(victim), NULL);
    CHECK(wamp_message_event(answer)->kind == WAMP_RESULT);
    GOOD(wamp_message_free(answer));
  } else {
    taken = GOOD(wamp_session_register_sync(admin, NAME "procedure", "{\"force_reregister\": true}", on_call, NULL,
                                            NULL, LIMIT_MS));
  }
  WAIT(all.got, 2);
  end = inbox_event(&all, 1, WAMP_UNREGISTERED);
  CHECK(end->id == id && end->status == WAMP_OK);
  SAME(end->uri, "wamp.error.unregistered");
  FAILS(wamp_session_unregister(victim, id, NULL, NULL, NULL), WAMP_ERR_NO_SUCH_ID);
  FAILS(wamp_session_unregister_sync(victim, id, LIMIT_MS), WAMP_ERR_NO_SUCH_ID);
  if (taken) GOOD(wamp_session_unregister_sync(admin, taken, LIMIT_MS));
  scenario_refused(admin, NAME "procedure", NULL, NULL, "wamp.error.no_such_procedure");

  id = GOOD(wamp_session_register_sync(victim, NAME "procedure", NULL, on_call, NULL, NULL, LIMIT_MS));
  GOOD(wamp_message_free(scenario_result(admin, NAME "procedure", NULL, NULL)));
  GOOD(wamp_session_unregister_sync(victim, id, LIMIT_MS));
  inbox_empty(&all);
}

/* With the last words the user_data goes. */
static void freed_once(wamp_session_t *victim, wamp_session_t *admin) {
  static latch_t freed = LATCH;
  wamp_message_t *subscriptions;
  const wamp_value_t *entry;
  int64_t id = GOOD(wamp_session_subscribe_sync(victim, NAME "freed", NULL, inbox_callback, &freed, latch_free, LIMIT_MS));
  size_t i, found = 0;
  subscriptions = wamp_session_subscriptions(victim);
  for (i = 0; (entry = wamp_value_at(wamp_event_args(wamp_message_event(subscriptions)), i)); i++) {
    if (scenario_int(entry, "id") != id) continue;
    found++;
    GOOD(wamp_message_free(removed(admin, "wamp.subscription.remove_subscriber", scenario_int(entry, "wamp_id"),
                                   scenario_id(victim), NULL)));
  }
  CHECK(found == 1);
  GOOD(wamp_message_free(subscriptions));
  WAIT(freed, 1);
  FAILS(wamp_session_unsubscribe(victim, id, NULL, NULL, NULL), WAMP_ERR_NO_SUCH_ID);
  CHECK(latch_count(&freed) == 1);
}

int main(int argc, char **argv) {
  wamp_connection_t *a, *b;
  wamp_session_t *victim, *admin;
  scenario_begin(argc, argv, "revocation");
  a = scenario_connection(scenario.mode, NULL);
  b = scenario_connection("thread", NULL);
  victim = scenario_join(a);
  admin = scenario_join(b);
  CHECK(scenario_can(victim, "subscriber", "subscription_revocation"));
  CHECK(scenario_can(victim, "callee", "registration_revocation"));
  subscription(victim, admin);
  registration(victim, admin);
  freed_once(victim, admin);
  scenario_leave(a, victim);
  scenario_leave(b, admin);
  return scenario_end();
}
