/* Bounded queues. Sending faster than the network: WAMP_ERR_AGAIN, then exactly one on_writable, and so on. Receiving
 * slower than the router sends: it is made to wait, and nothing is lost or repeated. */
#include "scenario.h"

#define URI "com.example.queue."
#define CHUNK 8192

static void on_writable(const wamp_event_t *event, void *user_data) {
  CHECK(event->kind == WAMP_WRITABLE);
  latch_hit(user_data);
}

static void sending(void) {
  static latch_t writable = LATCH;
  wamp_connection_t *connection = scenario_connection(scenario.mode, "\"send_queue_bytes\": 32768");
  wamp_session_t *session;
  char text[CHUNK + 1];
  wamp_builder_t *builder = wamp_builder_new(WAMP_JSON);
  int64_t status;
  long round;

  memset(text, 'x', CHUNK);
  text[CHUNK] = '\0';
  GOOD(wamp_builder_string(builder, text, CHUNK));
  GOOD(wamp_connection_on_writable(connection, on_writable, &writable, NULL));
  session = scenario_join(connection);

  for (round = 1; round <= 5; round++) {
    /* Copying into the queue is faster than any network, so sooner or later it is full. */
    do {
      status = wamp_session_publish(session, URI "sent", wamp_builder_payload(builder), NULL);
    } while (status >= 0);
    FAILS(status, WAMP_ERR_AGAIN);
    WAIT(writable, round);
    CHECK(latch_count(&writable) == round);
    GOOD(wamp_session_publish(session, URI "sent", wamp_builder_payload(builder), NULL)); /* there is room again */
  }
  /* Writable is told only to those who were refused. */
  GOOD(wamp_connection_flush(connection, LIMIT_MS));
  GOOD(wamp_session_publish_ack_sync(session, URI "sent", NULL, NULL, LIMIT_MS, NULL));
  scenario_leave(connection, session);
  CHECK(latch_count(&writable) == 5);
  GOOD(wamp_builder_free(builder));
}

static void on_number(const wamp_event_t *event, void *user_data) {
  CHECK(wamp_value_int(wamp_value_at(wamp_event_args(event), 0)) == latch_count(user_data));
  latch_hit(user_data);
}

static void receiving(void) {
  static latch_t received = LATCH, writable = LATCH;
  const long count = scenario_count(20000);
  wamp_connection_t *reader = scenario_connection("manual", "\"receive_queue_bytes\": 16384");
  wamp_connection_t *writer = scenario_connection("thread", "\"send_queue_bytes\": 32768");
  wamp_session_t *subscriber, *publisher;
  wamp_builder_t *builder = wamp_builder_new(WAMP_JSON);
  char text[1025];
  long i, refusals = 0;
  int64_t status;

  scenario_unpump(reader); /* it reads only where this function says so */
  memset(text, 'y', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  GOOD(wamp_connection_on_writable(writer, on_writable, &writable, NULL));
  subscriber = scenario_join(reader);
  publisher = scenario_join(writer);
  GOOD(wamp_session_subscribe_sync(subscriber, URI "received", NULL, on_number, &received, NULL, LIMIT_MS));

  for (i = 0; i < count; i++) {
    GOOD(wamp_builder_reset(builder));
    GOOD(wamp_builder_int(builder, i));
    GOOD(wamp_builder_string(builder, text, WAMP_NUL));
    while ((status = wamp_session_publish(publisher, URI "received", wamp_builder_payload(builder), NULL)) < 0) {
      FAILS(status, WAMP_ERR_AGAIN);
      refusals++;
      /* The slowest reader that still makes progress: one event at a time, and only when the writer is stuck. */
      while (latch_count(&writable) < refusals) GOOD(wamp_connection_dispatch(reader, 1, 1));
    }
  }
  while (latch_count(&received) < count) GOOD(wamp_connection_dispatch(reader, 7, LIMIT_MS));

  scenario_leave(writer, publisher);
  scenario_leave(reader, subscriber);
  CHECK(latch_count(&received) == count);
  CHECK(latch_count(&writable) == refusals);
  GOOD(wamp_builder_free(builder));
}

int main(int argc, char **argv) {
  scenario_begin(argc, argv, "local_queue");
  sending();
  receiving();
  return scenario_end();
}
