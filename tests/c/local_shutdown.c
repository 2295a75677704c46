/* Shutting the library down while everything is in use: each request ends exactly once and says whether it was sent,
 * user_data is freed exactly once, and afterwards the library can be used again. */
#include "scenario.h"

#define URI "com.example.shutdown."
#define CALLS 20

typedef struct owned_t {
  latch_t ended;
  latch_t freed;
} owned_t;

#define OWNED {LATCH, LATCH}

static void owned_free(void *user_data) { latch_hit(&((owned_t *)user_data)->freed); }

static void on_end(const wamp_event_t *event, void *user_data) {
  owned_t *owned = user_data;
  CHECK(latch_count(&owned->freed) == 0);
  CHECK(event->kind == WAMP_ERROR);
  /* WAMP_ERR_REMOTE: the router, which is being shut down too, was faster to cancel it. */
  CHECK(event->status == WAMP_ERR_NOT_SENT || event->status == WAMP_ERR_OUTCOME_UNKNOWN ||
        (event->status == WAMP_ERR_REMOTE && strcmp(event->uri, "wamp.error.canceled") == 0));
  latch_hit(&owned->ended);
}

static void on_close(const wamp_event_t *event, void *user_data) {
  owned_t *owned = user_data;
  CHECK(event->kind == WAMP_CLOSE && latch_count(&owned->freed) == 0);
  CHECK(wamp_value_bool(wamp_value_get(wamp_event_details(event), "will_retry")) == 0);
  latch_hit(&owned->ended);
}

static latch_t asked = LATCH;
static wamp_invocation_t *kept[CALLS];

/* Never answers. */
static void on_slow(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_retain(event->invocation));
  kept[latch_count(&asked)] = event->invocation;
  latch_hit(&asked);
}

/* After a shutdown an object may be gone already; both answers are right, a crash is not. */
static void gone(int64_t status) { CHECK(status >= 0 || status == WAMP_ERR_HANDLE); }

/* Has happened when the shutdown returns; but in manual mode callbacks wait for the host even then. */
#define HAPPENED(latch) ((scenario_is_manual() ? WAIT(latch, 1) : (void)0), CHECK(latch_count(&(latch)) == 1))

static void in_the_middle(void) {
  static owned_t calls[CALLS], closing = OWNED, registration = OWNED, subscription = OWNED;
  wamp_connection_t *connection = scenario_connection(scenario.mode, NULL), *never_opened, *second;
  wamp_session_t *session;
  int i;

  GOOD(wamp_connection_on_close(connection, on_close, &closing, owned_free));
  session = scenario_join(connection);
  /* The session calls itself, so that no answer of another one can come first when all are closed. */
  GOOD(wamp_session_register_sync(session, URI "slow", NULL, on_slow, &registration, owned_free, LIMIT_MS));
  GOOD(wamp_session_subscribe_sync(session, URI "topic", NULL, on_end, &subscription, owned_free, LIMIT_MS));
  for (i = 0; i < CALLS; i++) {
    latch_init(&calls[i].ended), latch_init(&calls[i].freed);
    GOOD(wamp_session_call(session, URI "slow", NULL, NULL, on_end, &calls[i], owned_free));
  }
  WAIT(asked, CALLS);
  never_opened = scenario_connection(scenario.mode, NULL);
  second = scenario_connection(scenario.mode, NULL);
  GOOD(wamp_connection_open(second)); /* joining, or joined, at the moment of the shutdown */

  GOOD(wamp_shutdown(LIMIT_MS / 2));

  for (i = 0; i < CALLS; i++) {
    HAPPENED(calls[i].ended);
    HAPPENED(calls[i].freed);
  }
  HAPPENED(closing.ended);
  HAPPENED(registration.freed);
  HAPPENED(subscription.freed);
  CHECK(latch_count(&subscription.ended) == 0);
  CHECK(wamp_session_publish(session, URI "topic", NULL, NULL) < 0);

  for (i = 0; i < CALLS; i++) gone(wamp_invocation_release(kept[i]));
  gone(wamp_session_release(session));
  scenario_unpump(connection), scenario_unpump(never_opened), scenario_unpump(second);
  gone(wamp_connection_free(connection));
  gone(wamp_connection_free(never_opened));
  gone(wamp_connection_free(second));
  gone(wamp_router_free(scenario.router));
  scenario.router = NULL;
  WAIT(closing.freed, 1);
  CHECK(latch_count(&closing.freed) == 1 && latch_count(&closing.ended) == 1);
  for (i = 0; i < CALLS; i++) CHECK(latch_count(&calls[i].ended) == 1 && latch_count(&calls[i].freed) == 1);
}

static void once_more(int argc, char **argv) {
  wamp_connection_t *connection;
  wamp_session_t *session;
  wamp_message_t *answer;
  scenario_url(argc, argv); /* a new router */
  connection = scenario_connection(scenario.mode, NULL);
  session = scenario_join(connection);
  GOOD(wamp_session_register_sync(session, URI "echo", NULL, scenario_echo, NULL, NULL, LIMIT_MS));
  answer = scenario_call(session, URI "echo", WAMP_ARGS("[\"again\"]"), NULL);
  SAME(wamp_value_string(wamp_value_at(wamp_event_args(wamp_message_event(answer)), 0), NULL), "again");
  GOOD(wamp_message_free(answer));
  scenario_leave(connection, session);
}

int main(int argc, char **argv) {
  scenario_begin_alone(argc, argv, "local_shutdown");
  GOOD(wamp_shutdown(LIMIT_MS / 2)); /* nothing to shut down yet: fine */
  scenario_url(argc, argv);
  in_the_middle();
  once_more(argc, argv);
  GOOD(wamp_router_free(scenario.router));
  scenario.router = NULL;
  GOOD(wamp_shutdown(LIMIT_MS / 2));
  return scenario_end(); /* shuts down once more: fine, too */
}
