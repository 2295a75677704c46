/* Several threads of the host use one session at the same time, for calls and for publishing: every request is
 * answered, and answered to the one who asked. */
#include "scenario.h"

#define URI "com.example.threads."
#define THREADS 4
#define IN_FLIGHT 200

typedef struct worker_t {
  wamp_connection_t *connection;
  wamp_session_t *session;
  long number, count;
  latch_t results, acknowledged, done;
} worker_t;

static void on_event(const wamp_event_t *event, void *user_data) {
  (void)event;
  latch_hit(user_data);
}

static void on_result(const wamp_event_t *event, void *user_data) {
  worker_t *worker = user_data;
  if (event->kind == WAMP_ERROR) fprintf(stderr, "  %s: %s\n", event->uri, event->message);
  CHECK(event->kind == WAMP_RESULT);
  CHECK(wamp_value_int(wamp_value_at(wamp_event_args(event), 0)) == worker->number);
  latch_hit(&worker->results);
}

static void on_published(const wamp_event_t *event, void *user_data) {
  CHECK(event->kind == WAMP_PUBLISHED);
  latch_hit(&((worker_t *)user_data)->acknowledged);
}

/* True: the queue was full; it has drained now, so offer the same again. */
static bool refused(worker_t *worker, int64_t status) {
  if (status == WAMP_ERR_AGAIN) {
    GOOD(wamp_connection_flush(worker->connection, LIMIT_MS));
    return true;
  }
  GOOD(status);
  return false;
}

static void *work(void *argument) {
  worker_t *w = argument;
  const wamp_payload_t *payload;
  long i, calls = 0, publications = 0;
  char args[32];
  snprintf(args, sizeof args, "[%ld, \"text\"]", w->number);
  payload = WAMP_ARGS(args);
  for (i = 0; i < w->count; i++) {
    switch (i % 5) {
      case 0: /* one that waits */
        while (refused(w, wamp_session_call_sync(w->session, URI "echo", payload, NULL, LIMIT_MS, NULL))) continue;
        break;
      case 1:
        while (refused(w, wamp_session_publish(w->session, URI "topic", payload, NULL))) continue;
        break;
      case 2:
        while (refused(w, wamp_session_publish_ack(w->session, URI "topic", payload, NULL, on_published, w, NULL)))
          continue;
        publications++;
        break;
      default:
        while (refused(w, wamp_session_call(w->session, URI "echo", payload, NULL, on_result, w, NULL))) continue;
        calls++;
        if (calls - latch_count(&w->results) >= IN_FLIGHT) WAIT(w->results, calls - IN_FLIGHT / 2);
    }
  }
  WAIT(w->results, calls);
  WAIT(w->acknowledged, publications);
  latch_hit(&w->done);
  return NULL;
}

int main(int argc, char **argv) {
  static worker_t workers[THREADS];
  static latch_t events = LATCH;
  const long count = scenario_count(5000);
  wamp_connection_t *a, *b;
  wamp_session_t *receiver, *sender;
  pthread_t threads[THREADS];
  long i, published;
  scenario_begin(argc, argv, "threads");
  a = scenario_connection(scenario.mode, NULL);
  b = scenario_connection(scenario.mode, NULL);
  receiver = scenario_join(a);
  sender = scenario_join(b);
  GOOD(wamp_session_register_sync(receiver, URI "echo", NULL, scenario_echo, NULL, NULL, LIMIT_MS));
  GOOD(wamp_session_subscribe_sync(receiver, URI "topic", NULL, on_event, &events, NULL, LIMIT_MS));

  for (i = 0; i < THREADS; i++) {
    worker_t *w = &workers[i];
    w->connection = b;
    w->session = sender;
    w->number = i;
    w->count = count;
    latch_init(&w->results), latch_init(&w->acknowledged), latch_init(&w->done);
    CHECK(pthread_create(&threads[i], NULL, work, w) == 0);
  }
  /* In each run of five operations, the second and the third publish. */
  published = THREADS * ((count + 3) / 5 + (count + 2) / 5);
  WAIT(events, published);
  /* A latch rather than only joining the threads, because in manual mode this thread has the callbacks to run. */
  for (i = 0; i < THREADS; i++) WAIT(workers[i].done, 1);
  for (i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);

  scenario_leave(a, receiver);
  scenario_leave(b, sender);
  CHECK(latch_count(&events) == published);
  return scenario_end();
}
