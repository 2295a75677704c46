/* Many events and many calls through one session: each arrives exactly once, and in the order in which it was sent. A
 * full send queue (WAMP_ERR_AGAIN) is waited out by on_writable. */
#include "scenario.h"

#define URI "com.example.order."
#define IN_FLIGHT 1000

/* Counts what must come as 0, 1, 2, ... in its first argument. Callbacks of one connection are serial, so that nothing
 * can come between the look at the counter and the hit. */
static void take(latch_t *sequence, const wamp_event_t *event) {
  int64_t number = wamp_value_int(wamp_value_at(wamp_event_args(event), 0)), expected = latch_count(sequence);
  if (number != expected) fprintf(stderr, "  number %" PRId64 ", expected %" PRId64 "\n", number, expected);
  CHECK(number == expected);
  latch_hit(sequence);
}

static void on_event(const wamp_event_t *event, void *user_data) {
  CHECK(event->kind == WAMP_EVENT);
  take(user_data, event);
}

static void on_invocation(const wamp_event_t *event, void *user_data) {
  take(user_data, event);
  GOOD(wamp_invocation_yield(event->invocation, &event->payload));
}

static void on_result(const wamp_event_t *event, void *user_data) {
  if (event->kind == WAMP_ERROR) fprintf(stderr, "  %s: %s\n", event->uri, event->message);
  CHECK(event->kind == WAMP_RESULT);
  take(user_data, event);
}

static latch_t writable = LATCH;
static long refusals; /* how often the queue was full; each is followed by one on_writable */

static void on_writable(const wamp_event_t *event, void *user_data) {
  (void)event;
  latch_hit(user_data);
}

/* True: offer the same again. */
static bool refused(int64_t status) {
  if (status == WAMP_ERR_AGAIN) {
    WAIT(writable, ++refusals);
    return true;
  }
  GOOD(status);
  return false;
}

int main(int argc, char **argv) {
  static latch_t events = LATCH, invocations = LATCH, results = LATCH;
  long count = scenario_count(100000), i;
  wamp_connection_t *a, *b;
  wamp_session_t *receiver, *sender;
  char number[32];
  scenario_begin(argc, argv, "order");
  a = scenario_connection(scenario.mode, NULL);
  b = scenario_connection(scenario.mode, NULL);
  GOOD(wamp_connection_on_writable(b, on_writable, &writable, NULL));
  receiver = scenario_join(a);
  sender = scenario_join(b);
  GOOD(wamp_session_subscribe_sync(receiver, URI "topic", NULL, on_event, &events, NULL, LIMIT_MS));
  GOOD(wamp_session_register_sync(receiver, URI "echo", NULL, on_invocation, &invocations, NULL, LIMIT_MS));

  for (i = 0; i < count; i++) {
    snprintf(number, sizeof number, "[%ld]", i);
    while (refused(wamp_session_publish(sender, URI "topic", WAMP_ARGS(number), NULL))) continue;
  }
  WAIT(events, count);

  for (i = 0; i < count; i++) {
    snprintf(number, sizeof number, "[%ld]", i);
    while (refused(wamp_session_call(sender, URI "echo", WAMP_ARGS(number), NULL, on_result, &results, NULL))) continue;
    if (i + 1 - latch_count(&results) >= IN_FLIGHT) WAIT(results, i + 1 - IN_FLIGHT / 2);
  }
  WAIT(results, count);

  scenario_leave(a, receiver);
  scenario_leave(b, sender);
  CHECK(latch_count(&events) == count);
  CHECK(latch_count(&invocations) == count);
  CHECK(latch_count(&results) == count);
  CHECK(latch_count(&writable) == refusals);
  return scenario_end();
}
