/* wamp_connection_quiesce: after it no callback for an id, or none of the connection, runs or begins, whatever the
   router does meanwhile. */

#include "scenario.h"

static wamp_connection_t *connection, *other;
static wamp_session_t *session, *peer;

/* What a callback is asked to do, and how often it was called. */
typedef struct probe_t {
  latch_t calls, go_on, freed;
  long blocks;  /* so many of its calls wait for go_on */
  int64_t asks; /* inside it wamp_connection_quiesce() is called for this id, unless -1 */
  int status;
} probe_t;

static void probe_init(probe_t *probe) {
  latch_init(&probe->calls);
  latch_init(&probe->go_on);
  latch_init(&probe->freed);
  probe->blocks = 0;
  probe->asks = -1;
  probe->status = 1;
}

static void probe_free(void *user_data) { latch_hit(&((probe_t *)user_data)->freed); }

static void probe_callback(const wamp_event_t *event, void *user_data) {
  probe_t *probe = user_data;
  long count = latch_count(&probe->calls) + 1;
  (void)event;
  if (probe->asks >= 0) probe->status = wamp_connection_quiesce(connection, probe->asks, -1);
  latch_hit(&probe->calls);
  while (count <= probe->blocks && latch_count(&probe->go_on) < count) latch_sleep(&probe->go_on, count);
}

/* In manual mode a thread of its own dispatches, so that the main thread can watch a callback that runs. */
static pthread_t host;
static latch_t host_ends = LATCH;

static void *host_main(void *unused) {
  (void)unused;
  while (latch_count(&host_ends) == 0) GOOD(wamp_connection_dispatch(connection, 0, 10));
  return NULL;
}

static void begin(void) {
  connection = scenario_connection(scenario.mode, NULL);
  scenario_unpump(connection);
  if (scenario_is_manual()) CHECK(pthread_create(&host, NULL, host_main, NULL) == 0);
  session = scenario_join(connection);
}

static void end(void) {
  if (!scenario_is_manual()) return;
  latch_hit(&host_ends);
  CHECK(pthread_join(host, NULL) == 0);
}

static void publish(const char *topic) {
  GOOD(wamp_session_publish_ack_sync(peer, topic, NULL, NULL, LIMIT_MS, NULL));
}

/* Everything that was published before has been told, or passed over. */
static void settle(void) {
  static probe_t mark;
  static long marks;
  if (marks == 0) {
    probe_init(&mark);
    GOOD(wamp_session_subscribe_sync(session, "com.mark", NULL, probe_callback, &mark, NULL, LIMIT_MS));
  }
  publish("com.mark");
  WAIT(mark.calls, ++marks);
}

static int64_t subscribe(const char *topic, probe_t *probe) {
  return GOOD(wamp_session_subscribe_sync(session, topic, NULL, probe_callback, probe, probe_free, LIMIT_MS));
}

static void *quiesce_and_wait(void *id) {
  GOOD(wamp_connection_quiesce(connection, *(int64_t *)id, -1));
  return NULL;
}

static void what_runs_is_waited_for(void) {
  static probe_t probe, bystander;
  pthread_t waiting;
  int64_t id, others;
  probe_init(&probe);
  probe_init(&bystander);
  probe.blocks = 1;
  id = subscribe("com.blocks", &probe);
  others = subscribe("com.others", &bystander);
  publish("com.blocks");
  WAIT(probe.calls, 1);
  FAILS(wamp_connection_quiesce(connection, id, 0), WAMP_ERR_TIMEOUT);
  FAILS(wamp_connection_quiesce(connection, id, 20), WAMP_ERR_TIMEOUT);
  GOOD(wamp_connection_quiesce(connection, others, -1));
  CHECK(pthread_create(&waiting, NULL, quiesce_and_wait, &id) == 0);
  latch_hit(&probe.go_on);
  CHECK(pthread_join(waiting, NULL) == 0);
  publish("com.blocks");
  publish("com.others");
  settle();
  CHECK(latch_count(&probe.calls) == 1 && latch_count(&bystander.calls) == 0);
  /* The subscriptions are still there, and end in order. */
  GOOD(wamp_session_unsubscribe_sync(session, id, LIMIT_MS));
  GOOD(wamp_session_unsubscribe_sync(session, others, LIMIT_MS));
  WAIT(probe.freed, 1);
  WAIT(bystander.freed, 1);
  GOOD(wamp_connection_quiesce(connection, id, -1));
}

/* Events that have left the queue together with one whose callback is running. */
static void what_waits_behind_a_callback_never_begins(void) {
  static probe_t blocker, probe, done;
  int64_t id;
  int i;
  probe_init(&blocker);
  probe_init(&probe);
  probe_init(&done);
  blocker.blocks = 2;
  subscribe("com.first", &blocker);
  id = subscribe("com.behind", &probe);
  publish("com.first");
  WAIT(blocker.calls, 1);
  /* These wait in the queue, and leave it as one. */
  publish("com.first");
  for (i = 0; i < 5; i++) publish("com.behind");
  GOOD(wamp_session_unsubscribe(session, id, probe_callback, &done, probe_free));
  GOOD(wamp_session_call_sync(session, "wamp.session.count", NULL, NULL, LIMIT_MS, NULL));
  latch_hit(&blocker.go_on);
  WAIT(blocker.calls, 2);
  GOOD(wamp_connection_quiesce(connection, id, -1));
  latch_hit(&blocker.go_on);
  settle();
  CHECK(latch_count(&probe.calls) == 0 && latch_count(&done.calls) == 0);
  WAIT(probe.freed, 1);
  WAIT(done.freed, 1);
}

static void inside_a_callback(void) {
  static probe_t probe, own, bystander;
  int64_t others;
  probe_init(&probe);
  probe_init(&own);
  probe_init(&bystander);
  others = subscribe("com.bystander", &bystander);
  probe.asks = 0;
  subscribe("com.inside", &probe);
  publish("com.inside");
  WAIT(probe.calls, 1);
  CHECK(probe.status == WAMP_ERR_DEADLOCK);
  own.asks = subscribe("com.own", &own);
  publish("com.own");
  WAIT(own.calls, 1);
  CHECK(own.status == WAMP_ERR_DEADLOCK);
  probe.asks = others;
  publish("com.inside");
  WAIT(probe.calls, 2);
  CHECK(probe.status == WAMP_OK);
  publish("com.bystander");
  settle();
  CHECK(latch_count(&bystander.calls) == 0);
}

static latch_t asked = LATCH;
static wamp_invocation_t *kept;

static void keep_invocation(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  kept = event->invocation;
  GOOD(wamp_invocation_retain(kept));
  latch_hit(&asked);
}

static void calls_and_registrations(void) {
  static probe_t outcome, endpoint, durable;
  int64_t call, registration, subscription;
  probe_init(&outcome);
  probe_init(&endpoint);
  probe_init(&durable);
  GOOD(wamp_session_register_sync(peer, "com.slow", NULL, keep_invocation, NULL, NULL, LIMIT_MS));
  call = GOOD(wamp_session_call(session, "com.slow", NULL, NULL, probe_callback, &outcome, probe_free));
  WAIT(asked, 1);
  GOOD(wamp_connection_quiesce(connection, call, -1));
  GOOD(wamp_invocation_yield(kept, NULL));
  GOOD(wamp_invocation_release(kept));
  WAIT(outcome.freed, 1);
  CHECK(latch_count(&outcome.calls) == 0);

  registration = GOOD(wamp_session_register_sync(session, "com.endpoint", NULL, probe_callback, &endpoint, probe_free,
                                                 LIMIT_MS));
  GOOD(wamp_connection_quiesce(connection, registration, -1));
  FAILS(wamp_session_call_sync(peer, "com.endpoint", NULL, NULL, LIMIT_MS, NULL), WAMP_ERR_REMOTE);
  CHECK(latch_count(&endpoint.calls) == 0);

  subscription = GOOD(wamp_connection_subscribe(connection, "com.durable", NULL, probe_callback, probe_callback, &durable,
                                                probe_free));
  WAIT(durable.calls, 1); /* the router agrees */
  publish("com.durable");
  settle();
  CHECK(latch_count(&durable.calls) == 2);
  GOOD(wamp_connection_quiesce(connection, subscription, -1));
  publish("com.durable");
  settle();
  GOOD(wamp_connection_unsubscribe(connection, subscription, NULL, NULL, NULL));
  WAIT(durable.freed, 1);
  CHECK(latch_count(&durable.calls) == 2);
}

/* Invocations that are on their way when the registration ends. */
static void an_unregistration_on_its_way(void) {
  static probe_t endpoint, outcome;
  int round, i;
  probe_init(&endpoint);
  probe_init(&outcome);
  for (round = 0; round < 50; round++) {
    char procedure[32];
    int64_t registration;
    long calls;
    snprintf(procedure, sizeof procedure, "com.brief.%d", round);
    registration =
        GOOD(wamp_session_register_sync(session, procedure, NULL, probe_callback, &endpoint, NULL, LIMIT_MS));
    for (i = 0; i < 10; i++)
      GOOD(wamp_session_call(peer, procedure, NULL, NULL, probe_callback, &outcome, NULL));
    GOOD(wamp_session_unregister(session, registration, NULL, NULL, NULL));
    GOOD(wamp_connection_quiesce(connection, registration, -1));
    calls = latch_count(&endpoint.calls);
    WAIT(outcome.calls, 10 * (round + 1)); /* every caller hears of its end */
    CHECK(latch_count(&endpoint.calls) == calls);
  }
}

static probe_t watcher;
static latch_t watching = LATCH;

static void watch(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_retain(event->invocation));
  GOOD(wamp_invocation_on_interrupt(event->invocation, probe_callback, &watcher, NULL));
  latch_hit(&watching);
}

/* Who waits for interruptions hears nothing more, whether or not the registration is still there. */
static void interruptions(void) {
  static probe_t outcome;
  int durable, ended;
  probe_init(&outcome);
  probe_init(&watcher);
  for (durable = 0; durable < 2; durable++) {
    for (ended = 0; ended < 2; ended++) {
      static probe_t placed;
      char procedure[32];
      int64_t call, registration;
      int before = (int)latch_count(&watching), told = (int)latch_count(&outcome.calls);
      probe_init(&placed);
      snprintf(procedure, sizeof procedure, "com.watched.%d.%d", durable, ended);
      if (durable) {
        registration =
            GOOD(wamp_connection_register(connection, procedure, NULL, watch, probe_callback, &placed, NULL));
        WAIT(placed.calls, 1);
      } else {
        registration = GOOD(wamp_session_register_sync(session, procedure, NULL, watch, NULL, NULL, LIMIT_MS));
      }
      call = GOOD(wamp_session_call(peer, procedure, NULL, NULL, probe_callback, &outcome, NULL));
      WAIT(watching, before + 1);
      if (ended && durable) {
        static probe_t over;
        probe_init(&over);
        GOOD(wamp_connection_unregister(connection, registration, probe_callback, &over, NULL));
        WAIT(over.calls, 1);
      }
      if (ended && !durable) GOOD(wamp_session_unregister_sync(session, registration, LIMIT_MS));
      GOOD(wamp_connection_quiesce(connection, registration, -1));
      GOOD(wamp_session_cancel(peer, call, "{\"mode\": \"kill\"}"));
      WAIT(outcome.calls, told + 1);
      if (!ended && durable) GOOD(wamp_connection_unregister(connection, registration, NULL, NULL, NULL));
      if (!ended && !durable) GOOD(wamp_session_unregister_sync(session, registration, LIMIT_MS));
      CHECK(latch_count(&watcher.calls) == 0);
    }
  }
}

static latch_t failing = LATCH;

static void fail(const wamp_event_t *event, void *go_on) {
  GOOD(wamp_event_failed(event, "as the test wants it"));
  latch_hit(&failing);
  if (go_on) latch_sleep(go_on, 1);
}

/* A callback of the connection goes on hearing, whatever its events are about. */
static void user_errors(void) {
  static probe_t errors;
  static latch_t go_on = LATCH;
  int64_t first;
  probe_init(&errors);
  GOOD(wamp_connection_on_user_error(connection, probe_callback, &errors, NULL));
  first = GOOD(wamp_session_subscribe_sync(session, "com.fails", NULL, fail, &go_on, NULL, LIMIT_MS));
  GOOD(wamp_session_subscribe_sync(session, "com.fails.too", NULL, fail, NULL, NULL, LIMIT_MS));
  publish("com.fails");
  WAIT(failing, 1);
  (void)wamp_connection_quiesce(connection, first, 0); /* while its failure waits in the queue */
  latch_hit(&go_on);
  publish("com.fails.too");
  WAIT(errors.calls, 2);
  GOOD(wamp_connection_on_user_error(connection, NULL, NULL, NULL));
}

static latch_t wakeups = LATCH, wakeup_freed = LATCH;

static void on_wakeup(void *user_data) {
  CHECK(user_data == &wakeup_freed);
  CHECK(wamp_connection_quiesce(connection, 0, -1) == WAMP_ERR_DEADLOCK);
  latch_hit(&wakeups);
}

static void the_whole_connection(void) {
  static probe_t probe, on_close;
  long woken;
  probe_init(&probe);
  probe_init(&on_close);
  probe.blocks = 1;
  subscribe("com.all", &probe);
  GOOD(wamp_connection_on_close(connection, probe_callback, &on_close, probe_free));
  GOOD(wamp_session_register_sync(session, "com.last", NULL, probe_callback, &probe, NULL, LIMIT_MS));
  if (scenario_is_manual()) {
    GOOD(wamp_connection_set_wakeup(connection, on_wakeup, &wakeup_freed, latch_free));
  }
  publish("com.all");
  WAIT(probe.calls, 1);
  if (scenario_is_manual()) WAIT(wakeups, 1); /* it may come after the event */
  FAILS(wamp_connection_quiesce(connection, 0, 0), WAMP_ERR_TIMEOUT);
  latch_hit(&probe.go_on);
  GOOD(wamp_connection_quiesce(connection, 0, -1));
  woken = latch_count(&wakeups);
  if (scenario_is_manual()) CHECK(woken > 0 && latch_count(&wakeup_freed) == 1);
  publish("com.all");
  FAILS(wamp_session_call_sync(peer, "com.last", NULL, NULL, LIMIT_MS, NULL), WAMP_ERR_REMOTE);
  CHECK(latch_count(&probe.calls) == 1);
  end();
  GOOD(wamp_session_release(session));
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  CHECK(latch_count(&probe.calls) == 1 && latch_count(&on_close.calls) == 0 && latch_count(&wakeups) == woken);
  FAILS(wamp_connection_open(connection), WAMP_ERR_STATE);
  GOOD(wamp_connection_quiesce(connection, 0, 0));
  GOOD(wamp_connection_free(connection));
  WAIT(on_close.freed, 1);
  FAILS(wamp_connection_quiesce(connection, 0, 0), WAMP_ERR_HANDLE);
}

static void arguments(void) {
  FAILS(wamp_connection_quiesce(NULL, 0, 0), WAMP_ERR_HANDLE);
  FAILS(wamp_connection_quiesce(connection, -1, 0), WAMP_ERR_NO_SUCH_ID);
  GOOD(wamp_connection_quiesce(connection, INT64_MAX, 0));
  GOOD(wamp_connection_quiesce(connection, 12345, -1));
}

int main(int argc, char **argv) {
  scenario_begin(argc, argv, "local_quiesce");
  other = scenario_connection("thread", NULL);
  peer = scenario_join(other);
  begin();
  arguments();
  what_runs_is_waited_for();
  /* On an I/O thread nothing else comes in while a callback waits. */
  if (strcmp(scenario.mode, "inline") != 0) what_waits_behind_a_callback_never_begins();
  inside_a_callback();
  calls_and_registrations();
  an_unregistration_on_its_way();
  interruptions();
  user_errors();
  the_whole_connection();
  scenario_leave(other, peer);
  return scenario_end();
}
