/* user_data: its free function runs exactly once, after the last use, however the end comes about: unsubscribed,
 * unregistered, call ended, call refused, connection closed or freed, also from inside a callback. And closing with a
 * time limit is a barrier: after it no callback runs. */
#include "scenario.h"

#define URI "com.example.lifetime."

/* user_data that knows whether it is still owned by the library. */
typedef struct owned_t {
  latch_t used;
  latch_t freed;
} owned_t;

#define OWNED {LATCH, LATCH}
#define OWNED_ENDS(owned) (WAIT((owned).freed, 1), CHECK(latch_count(&(owned).freed) == 1))

static void owned_free(void *user_data) {
  owned_t *owned = user_data;
  CHECK(latch_count(&owned->freed) == 0);
  latch_hit(&owned->freed);
}

static void on_any(const wamp_event_t *event, void *user_data) {
  owned_t *owned = user_data;
  CHECK(event->user_data == user_data && latch_count(&owned->freed) == 0);
  latch_hit(&owned->used);
}

static void on_echo(const wamp_event_t *event, void *user_data) {
  on_any(event, user_data);
  GOOD(wamp_invocation_yield(event->invocation, &event->payload));
}

static void requests(wamp_session_t *session, wamp_session_t *other) {
  static owned_t subscription = OWNED, unsubscription = OWNED, registration = OWNED, unregistration = OWNED,
                 publication = OWNED, call = OWNED, failing = OWNED;
  int64_t id;

  id = GOOD(wamp_session_subscribe(session, URI "topic", NULL, on_any, on_any, &subscription, owned_free));
  WAIT(subscription.used, 1); /* SUBSCRIBED */
  GOOD(wamp_session_publish_ack(other, URI "topic", NULL, NULL, on_any, &publication, owned_free));
  WAIT(subscription.used, 2); /* EVENT */
  OWNED_ENDS(publication);
  CHECK(latch_count(&publication.used) == 1 && latch_count(&subscription.freed) == 0);
  CHECK(GOOD(wamp_session_unsubscribe(session, id, on_any, &unsubscription, owned_free)) == 1);
  OWNED_ENDS(subscription);
  OWNED_ENDS(unsubscription);
  CHECK(latch_count(&subscription.used) == 2 && latch_count(&unsubscription.used) == 1);

  id = GOOD(wamp_session_register(session, URI "echo", NULL, on_echo, on_any, &registration, owned_free));
  WAIT(registration.used, 1); /* REGISTERED */
  GOOD(wamp_session_call(session, URI "echo", NULL, NULL, on_any, &call, owned_free));
  OWNED_ENDS(call);
  CHECK(latch_count(&call.used) == 1 && latch_count(&registration.used) == 2);
  GOOD(wamp_session_unregister(session, id, on_any, &unregistration, owned_free));
  OWNED_ENDS(registration);
  OWNED_ENDS(unregistration);
  GOOD(wamp_session_call(session, URI "echo", NULL, NULL, on_any, &failing, owned_free));
  OWNED_ENDS(failing); /* no such procedure any more: an ERROR is an end, too */
  CHECK(latch_count(&failing.used) == 1);
}

/* Calls that fail at once: the callback never runs, the free function does. */
static void refused(wamp_session_t *session) {
  static owned_t o[12] = {OWNED, OWNED, OWNED, OWNED, OWNED, OWNED, OWNED, OWNED, OWNED, OWNED, OWNED, OWNED};
  size_t i;
  FAILS(wamp_session_subscribe(session, "a b", NULL, on_any, on_any, &o[0], owned_free), WAMP_ERR_URI);
  FAILS(wamp_session_subscribe(session, URI "x", "{", on_any, on_any, &o[1], owned_free), WAMP_ERR_OPTION);
  FAILS(wamp_session_register(session, "", NULL, on_any, on_any, &o[2], owned_free), WAMP_ERR_URI);
  FAILS(wamp_session_call(session, URI "x", WAMP_ARGS("[1"), NULL, on_any, &o[3], owned_free), WAMP_ERR_PAYLOAD);
  FAILS(wamp_session_call(NULL, URI "x", NULL, NULL, on_any, &o[4], owned_free), WAMP_ERR_HANDLE);
  FAILS(wamp_session_publish_ack(session, URI "x", NULL, "[]", on_any, &o[5], owned_free), WAMP_ERR_OPTION);
  FAILS(wamp_session_unsubscribe(session, 999999, on_any, &o[6], owned_free), WAMP_ERR_NO_SUCH_ID);
  FAILS(wamp_session_unregister(session, 999999, on_any, &o[7], owned_free), WAMP_ERR_NO_SUCH_ID);
  FAILS(wamp_connection_on_open(NULL, on_any, &o[8], owned_free), WAMP_ERR_HANDLE);
  FAILS(wamp_session_subscribe_sync(session, "a#b", NULL, on_any, &o[9], owned_free, LIMIT_MS), WAMP_ERR_URI);
  FAILS(wamp_session_register_sync(session, "a b", NULL, on_any, &o[10], owned_free, LIMIT_MS), WAMP_ERR_URI);
  FAILS(wamp_session_register_sync(NULL, URI "x", NULL, on_any, &o[11], owned_free, LIMIT_MS), WAMP_ERR_HANDLE);
  for (i = 0; i < sizeof o / sizeof *o; i++) {
    OWNED_ENDS(o[i]);
    CHECK(latch_count(&o[i].used) == 0);
  }
}

static latch_t closed = LATCH; /* hit once the barrier has been passed */

static void on_flood(const wamp_event_t *event, void *user_data) {
  CHECK(latch_count(&closed) == 0);
  on_any(event, user_data);
}

/* Closes in the middle of a stream of events. What is left open ends with it. */
static void barrier(wamp_session_t *publisher) {
  static owned_t flood = OWNED, registration = OWNED, call = OWNED, opened = OWNED, replaced = OWNED, closing = OWNED;
  wamp_connection_t *connection = scenario_connection(scenario.mode, NULL);
  wamp_session_t *session;
  int i;

  GOOD(wamp_connection_on_open(connection, on_any, &opened, owned_free));
  GOOD(wamp_connection_on_close(connection, on_any, &replaced, owned_free));
  GOOD(wamp_connection_on_close(connection, on_any, &closing, owned_free));
  OWNED_ENDS(replaced);
  session = scenario_join(connection);
  WAIT(opened.used, 1);
  GOOD(wamp_session_subscribe_sync(session, URI "flood", NULL, on_flood, &flood, owned_free, LIMIT_MS));
  GOOD(wamp_session_register_sync(session, URI "idle", NULL, on_any, &registration, owned_free, LIMIT_MS));

  for (i = 0; i < 500; i++) GOOD(wamp_session_publish(publisher, URI "flood", NULL, NULL));
  WAIT(flood.used, 10);
  for (i = 0; i < 500; i++) GOOD(wamp_session_publish(publisher, URI "flood", NULL, NULL));
  GOOD(wamp_session_call(session, URI "nobody", NULL, NULL, on_any, &call, owned_free));
  scenario_unpump(connection); /* in manual mode, close dispatches by itself what is left */
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  latch_hit(&closed);
  CHECK(latch_count(&closing.used) == 1);
  /* All freed already: there is nothing to wait for. */
  CHECK(latch_count(&flood.freed) == 1 && latch_count(&registration.freed) == 1);
  CHECK(latch_count(&call.used) == 1 && latch_count(&call.freed) == 1);
  for (i = 0; i < 100; i++) GOOD(wamp_session_publish(publisher, URI "flood", NULL, NULL));
  GOOD(wamp_session_publish_ack_sync(publisher, URI "flood", NULL, NULL, LIMIT_MS, NULL));

  GOOD(wamp_session_release(session));
  GOOD(wamp_connection_free(connection));
  OWNED_ENDS(opened);
  OWNED_ENDS(closing);
  CHECK(latch_count(&opened.used) == 1 && latch_count(&closing.used) == 1);
}

static void on_unsubscribe(const wamp_event_t *event, void *user_data) {
  on_any(event, user_data);
  GOOD(wamp_session_unsubscribe(event->session, event->id, NULL, NULL, NULL));
}

static void on_close_it(const wamp_event_t *event, void *user_data) {
  on_any(event, user_data);
  GOOD(wamp_connection_close(event->connection, NULL, NULL, 0));
}

static void on_free_it(const wamp_event_t *event, void *user_data) {
  on_any(event, user_data);
  GOOD(wamp_connection_free(event->connection));
}

static void inside_callbacks(wamp_session_t *publisher) {
  static owned_t self = OWNED, subscription = OWNED, closing = OWNED, freeing = OWNED;
  wamp_connection_t *connection = scenario_connection(scenario.mode, NULL);
  wamp_session_t *session;
  int i;

  GOOD(wamp_connection_on_close(connection, on_any, &closing, owned_free));
  session = scenario_join(connection);
  GOOD(wamp_session_subscribe_sync(session, URI "self", NULL, on_unsubscribe, &self, owned_free, LIMIT_MS));
  for (i = 0; i < 20; i++) GOOD(wamp_session_publish(publisher, URI "self", NULL, NULL));
  OWNED_ENDS(self);
  CHECK(latch_count(&self.used) == 1); /* no event after the one in which it unsubscribed */

  GOOD(wamp_session_subscribe_sync(session, URI "close", NULL, on_close_it, &subscription, owned_free, LIMIT_MS));
  GOOD(wamp_session_publish(publisher, URI "close", NULL, NULL));
  WAIT(closing.used, 1);
  OWNED_ENDS(subscription);
  CHECK(latch_count(&subscription.used) == 1 && latch_count(&closing.used) == 1);
  FAILS(wamp_session_publish(session, URI "self", NULL, NULL), WAMP_ERR_CLOSED);
  GOOD(wamp_session_release(session));
  scenario_unpump(connection);
  GOOD(wamp_connection_free(connection));
  OWNED_ENDS(closing);

  connection = scenario_connection(scenario.mode, NULL);
  session = scenario_join(connection);
  GOOD(wamp_session_subscribe_sync(session, URI "free", NULL, on_free_it, &freeing, owned_free, LIMIT_MS));
  GOOD(wamp_session_release(session));
  for (i = 0; i < 20; i++) GOOD(wamp_session_publish(publisher, URI "free", NULL, NULL));
  OWNED_ENDS(freeing);
  CHECK(latch_count(&freeing.used) == 1);
  FAILS(wamp_connection_free(connection), WAMP_ERR_HANDLE);
}

int main(int argc, char **argv) {
  wamp_connection_t *a, *b;
  wamp_session_t *session, *other;
  scenario_begin(argc, argv, "lifetime");
  a = scenario_connection(scenario.mode, NULL);
  b = scenario_connection("thread", NULL);
  session = scenario_join(a);
  other = scenario_join(b);

  requests(session, other);
  refused(session);
  barrier(other);
  inside_callbacks(other);

  scenario_leave(a, session);
  scenario_leave(b, other);
  return scenario_end();
}
