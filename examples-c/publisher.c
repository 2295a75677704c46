/*
 * Publisher: publishes to com.example.hello, the topic that subscriber.c listens to.
 *
 *     publisher [URL [REALM [COUNT]]]     default: ws://127.0.0.1:8080/ws realm1 1
 *
 * It shows the two ways to publish: without an acknowledgement (fast; the library queues the message and returns) and
 * with one (the router has confirmed that it has got the event).
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <wamp.h>

#define LIMIT_MS 10000
#define TOPIC "com.example.hello"

static int failed(const char *what, int64_t status) {
  fprintf(stderr, "publisher: %s: %s: %s\n", what, wamp_status_text((int)status), wamp_last_error());
  return -1;
}

/* Publishes one event; waits only when the program is faster than the network. */
static int publish(wamp_connection_t *connection, wamp_session_t *session, const wamp_payload_t *payload) {
  for (;;) {
    int status = wamp_session_publish(session, TOPIC, payload, NULL);
    if (status >= 0) return 0;
    if (status != WAMP_ERR_AGAIN) return failed("cannot publish", status);
    /* The send queue is full and this event was not taken. Let the queue drain, then offer the event again. A program
     * with an event loop would go back to it here, and continue in wamp_connection_on_writable. */
    status = wamp_connection_flush(connection, LIMIT_MS);
    if (status < 0) return failed("the network does not take more", status);
  }
}

static int publish_all(wamp_connection_t *connection, wamp_session_t *session, long count) {
  wamp_builder_t *builder = wamp_builder_new(WAMP_JSON);
  const wamp_payload_t *payload;
  int64_t publication;
  int status, outcome = 0;
  long i;

  /* Without acknowledgement, all but the last. */
  for (i = 1; i < count && outcome == 0; i++) {
    wamp_builder_reset(builder);
    wamp_builder_string(builder, "Hello, world!", WAMP_NUL); /* args[0]; WAMP_NUL: up to the NUL */
    wamp_builder_key(builder, "number");              /* after a key at the top, the value goes to kwargs */
    wamp_builder_int(builder, i);
    outcome = publish(connection, session, wamp_builder_payload(builder));
  }
  /* With acknowledgement, the last. Messages keep their order, so this one tells that the others arrived as well. */
  if (outcome == 0) {
    wamp_builder_reset(builder);
    wamp_builder_string(builder, "Hello, world!", WAMP_NUL);
    wamp_builder_key(builder, "number");
    wamp_builder_int(builder, count);
    payload = wamp_builder_payload(builder);
    status = wamp_session_publish_ack_sync(session, TOPIC, payload, NULL, LIMIT_MS, &publication);
    if (status == WAMP_ERR_AGAIN && wamp_connection_flush(connection, LIMIT_MS) >= 0)
      status = wamp_session_publish_ack_sync(session, TOPIC, payload, NULL, LIMIT_MS, &publication);
    if (status < 0)
      outcome = failed("the last event was not acknowledged", status);
    else
      printf("published %ld, the last as publication %" PRId64 "\n", count, publication);
  }
  wamp_builder_free(builder);
  return outcome;
}

int main(int argc, char **argv) {
  const char *url = argc > 1 ? argv[1] : "ws://127.0.0.1:8080/ws";
  const char *realm = argc > 2 ? argv[2] : "realm1";
  long count = argc > 3 ? strtol(argv[3], NULL, 10) : 1;
  wamp_connection_t *connection;
  wamp_session_t *session = NULL;
  char options[1024];
  int status, outcome = 0;

  /* A quotation mark in an argument would break this JSON; the library then says where. */
  snprintf(options, sizeof options, "{\"url\": \"%s\", \"realm\": \"%s\"}", url, realm);
  connection = wamp_connection_new(options);
  if (!connection) {
    fprintf(stderr, "publisher: %s\n", wamp_last_error());
    return EXIT_FAILURE;
  }

  status = wamp_connection_open(connection);
  if (status >= 0) status = wamp_connection_session(connection, LIMIT_MS, &session);
  if (status < 0) outcome = failed("cannot join the realm", status);

  if (outcome == 0 && count > 0) outcome = publish_all(connection, session, count);

  if (session) {
    status = wamp_session_release(session);
    if (status >= 0) status = wamp_connection_close(connection, NULL, NULL, LIMIT_MS);
    if (status < 0) outcome = failed("cannot close", status);
  }
  status = wamp_connection_free(connection);
  if (status >= 0) status = wamp_shutdown(LIMIT_MS);
  if (status < 0) outcome = failed("cannot shut down", status);
  return outcome == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
