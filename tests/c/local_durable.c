/* The ends of what is durable: told under its own id, before the first session, within one and after the last, in each
 * mode; no close waits for them; and its user_data is freed at once, also while it waits to be registered again. */
#include "scenario.h"

#define URI "com.example.durable"

static latch_t freed = LATCH;
static inbox_t told = INBOX;

static void nothing(const wamp_event_t *event, void *user_data) {
  (void)event;
  (void)user_data;
}

static int64_t subscribe(wamp_connection_t *connection, wamp_callback_t done) {
  latch_init(&freed);
  inbox_empty(&told);
  return GOOD(wamp_connection_subscribe(connection, URI, NULL, nothing, done, &told, NULL));
}

/* Ends it; it hears of that by its own id. */
static void ends(wamp_connection_t *connection, int64_t id, int before) {
  const wamp_event_t *event;
  CHECK(wamp_connection_unsubscribe(connection, id, inbox_callback, &told, NULL) == 1);
  FAILS(wamp_connection_unsubscribe(connection, id, NULL, NULL, NULL), WAMP_ERR_NO_SUCH_ID);
  WAIT(told.got, before + 1);
  event = inbox_event(&told, before, WAMP_UNSUBSCRIBED);
  CHECK(event->id == id);
}

/* The only subscription of a session is listed under this id. */
static void is_listed(wamp_session_t *session, int64_t id) {
  wamp_message_t *list = wamp_session_subscriptions(session);
  const wamp_value_t *args = wamp_event_args(wamp_message_event(list));
  CHECK(wamp_value_size(args) == 1);
  CHECK(wamp_value_int(wamp_value_get(wamp_value_at(args, 0), "id")) == id);
  GOOD(wamp_message_free(list));
}

/* Another has the procedure: ours is tried again and again, until it is ended. */
static void waits_in_vain(wamp_session_t *holder) {
  wamp_connection_t *connection = scenario_connection(scenario.mode, NULL);
  wamp_session_t *session;
  int64_t id, registration;
  registration = GOOD(wamp_session_register_sync(holder, URI, NULL, nothing, NULL, NULL, LIMIT_MS));
  latch_init(&freed);
  inbox_empty(&told);
  GOOD(wamp_connection_on_user_error(connection, inbox_callback, &told, NULL));
  id = GOOD(wamp_connection_register(connection, URI, NULL, nothing, NULL, &freed, latch_free));
  session = scenario_join(connection);
  /* After the third refusal the next try is far enough away. */
  WAIT(told.got, 3);
  CHECK(latch_count(&freed) == 0);
  CHECK(wamp_connection_unregister(connection, id, NULL, NULL, NULL) == 1);
  GOOD(wamp_connection_on_user_error(connection, NULL, NULL, NULL));
  /* Not after the 0.8 s of the wait: a message to ourselves and back takes less. */
  scenario_settle(session);
  CHECK(latch_count(&freed) == 1);
  scenario_leave(connection, session);
  GOOD(wamp_session_unregister_sync(holder, registration, LIMIT_MS));
}

int main(int argc, char **argv) {
  wamp_connection_t *connection;
  wamp_session_t *session;
  int64_t id;
  scenario_begin(argc, argv, "local_durable");

  connection = scenario_connection(scenario.mode, NULL);
  ends(connection, subscribe(connection, NULL), 0);
  FAILS(wamp_connection_close(connection, NULL, NULL, LIMIT_MS), WAMP_ERR_CLOSED);

  id = subscribe(connection, inbox_callback);
  session = scenario_join(connection);
  WAIT(told.got, 1);
  CHECK(inbox_event(&told, 0, WAMP_SUBSCRIBED)->id == id);
  is_listed(session, id);
  ends(connection, id, 1);
  waits_in_vain(session);

  GOOD(wamp_session_release(session));
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  ends(connection, subscribe(connection, NULL), 0);
  FAILS(wamp_connection_close(connection, NULL, NULL, LIMIT_MS), WAMP_ERR_CLOSED);
  scenario_unpump(connection);
  GOOD(wamp_connection_free(connection));
  inbox_empty(&told);
  return scenario_end();
}
