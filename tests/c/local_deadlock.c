/* Waiting where the wait could never end is refused with WAMP_ERR_DEADLOCK instead of hanging; and a refusal changes
 * nothing: the connection goes on working. Where waiting can end, it is allowed. */
#include "scenario.h"

#define URI "com.example.deadlock."

static latch_t refused = LATCH; /* user_data of refused requests: hit when it is freed */

/* A callback in inline mode stands on the I/O thread, which every wait needs: so nothing may wait here. */
static void on_inline(const wamp_event_t *event, void *user_data) {
  wamp_message_t *result = NULL;
  wamp_session_t *session = event->session;
  FAILS(wamp_session_call_sync(session, URI "far", NULL, NULL, LIMIT_MS, &result), WAMP_ERR_DEADLOCK);
  CHECK(result == NULL);
  FAILS(wamp_session_publish_ack_sync(session, URI "x", NULL, NULL, LIMIT_MS, NULL), WAMP_ERR_DEADLOCK);
  FAILS(wamp_session_subscribe_sync(session, URI "x", NULL, scenario_echo, &refused, latch_free, LIMIT_MS),
        WAMP_ERR_DEADLOCK);
  FAILS(wamp_session_register_sync(session, URI "x", NULL, scenario_echo, &refused, latch_free, LIMIT_MS),
        WAMP_ERR_DEADLOCK);
  FAILS(wamp_session_unsubscribe_sync(session, event->id, LIMIT_MS), WAMP_ERR_DEADLOCK);
  FAILS(wamp_connection_close(event->connection, NULL, NULL, LIMIT_MS), WAMP_ERR_DEADLOCK);
  FAILS(wamp_connection_close(event->connection, NULL, NULL, -1), WAMP_ERR_DEADLOCK);
  FAILS(wamp_shutdown(LIMIT_MS), WAMP_ERR_DEADLOCK);
  latch_hit(user_data);
}

/* In the other modes a callback holds up its own connection only. */
static void on_waiting(const wamp_event_t *event, void *user_data) {
  wamp_message_t *result = NULL;
  wamp_session_t *session = event->session;

  /* Somebody else answers this one. */
  GOOD(wamp_session_call_sync(session, URI "far", WAMP_ARGS("[11]"), NULL, LIMIT_MS, &result));
  CHECK(wamp_value_int(wamp_value_at(wamp_event_args(wamp_message_event(result)), 0)) == 11);
  GOOD(wamp_message_free(result));
  GOOD(wamp_session_publish_ack_sync(session, URI "x", NULL, NULL, LIMIT_MS, NULL));

  /* This one we would have to answer ourselves, after this callback. */
  result = NULL;
  FAILS(wamp_session_call_sync(session, URI "own", NULL, NULL, LIMIT_MS, &result), WAMP_ERR_DEADLOCK);
  CHECK(result == NULL);

  /* These end only when no callback of the connection runs any more. */
  FAILS(wamp_connection_close(event->connection, NULL, NULL, LIMIT_MS), WAMP_ERR_DEADLOCK);
  FAILS(wamp_connection_close(event->connection, NULL, NULL, -1), WAMP_ERR_DEADLOCK);
  FAILS(wamp_shutdown(LIMIT_MS), WAMP_ERR_DEADLOCK);
  latch_hit(user_data);
}

/* Closing another connection, and waiting for that, is fine. */
typedef struct other_t {
  wamp_connection_t *connection;
  latch_t closed;
} other_t;

static void on_close_other(const wamp_event_t *event, void *user_data) {
  other_t *other = user_data;
  (void)event;
  GOOD(wamp_connection_close(other->connection, NULL, NULL, LIMIT_MS));
  latch_hit(&other->closed);
}

/* Two events on one topic: the second shows that the first one's refusals did no harm. */
static void try_mode(const char *mode, wamp_callback_t callback, wamp_session_t *publisher) {
  latch_t ran = LATCH; /* outlives the connection, so it may live here */
  wamp_connection_t *connection = scenario_connection(mode, NULL);
  wamp_session_t *session = scenario_join(connection);
  GOOD(wamp_session_register_sync(session, URI "own", NULL, scenario_echo, NULL, NULL, LIMIT_MS));
  GOOD(wamp_session_subscribe_sync(session, URI "topic", NULL, callback, &ran, NULL, LIMIT_MS));
  GOOD(wamp_session_publish(publisher, URI "topic", NULL, NULL));
  GOOD(wamp_session_publish(publisher, URI "topic", NULL, NULL));
  WAIT(ran, 2);
  CHECK(wamp_session_is_open(session) == 1);
  scenario_leave(connection, session);
}

int main(int argc, char **argv) {
  static other_t other = {NULL, LATCH};
  wamp_connection_t *a, *b;
  wamp_session_t *far, *session, *other_session;
  scenario_begin(argc, argv, "local_deadlock");
  a = scenario_connection("thread", NULL);
  far = scenario_join(a);
  GOOD(wamp_session_register_sync(far, URI "far", NULL, scenario_echo, NULL, NULL, LIMIT_MS));

  try_mode("inline", on_inline, far);
  WAIT(refused, 4);
  try_mode("thread", on_waiting, far);
  try_mode("manual", on_waiting, far);

  other.connection = scenario_connection("thread", NULL);
  other_session = scenario_join(other.connection);
  b = scenario_connection("thread", NULL);
  session = scenario_join(b);
  GOOD(wamp_session_subscribe_sync(session, URI "close", NULL, on_close_other, &other, NULL, LIMIT_MS));
  GOOD(wamp_session_publish(far, URI "close", NULL, NULL));
  WAIT(other.closed, 1);
  FAILS(wamp_session_publish(other_session, URI "x", NULL, NULL), WAMP_ERR_CLOSED);
  GOOD(wamp_session_release(other_session));
  GOOD(wamp_connection_free(other.connection));

  scenario_leave(b, session);
  scenario_leave(a, far);
  CHECK(latch_count(&refused) == 4);
  return scenario_end();
}
