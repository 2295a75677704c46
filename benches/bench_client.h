/* A client and what it does, the one under test as well as the peer. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include "bench_util.h"

#include <pthread.h>

#define IN_FLIGHT 100
#define BATCH 256

/* ---- the client ---- */

typedef enum dispatch_t { INLINE, MANUAL, DISPATCH, THREAD, MODES } dispatch_t;

static const char *const mode_names[MODES] = {"inline", "manual", "dispatch", "thread"};

/* The serializer of all connections, by the environment, as the peer is a process of its own. */
static const char *bench_wire(void) {
  const char *wire = getenv("BENCH_SERIALIZER");
  return wire ? wire : "json";
}

/* The option `permessage_deflate`, of the router as well. */
static const char *bench_deflate(void) {
  const char *deflate = getenv("BENCH_DEFLATE");
  return deflate ? deflate : "false";
}

/* Whether payloads have the encoding of the wire. Otherwise they are JSON, whatever the wire. */
static bool bench_is_native(void) {
  const char *payloads = getenv("BENCH_PAYLOADS");
  return payloads && strcmp(payloads, "wire") == 0;
}

typedef struct client_t {
  wamp_connection_t *connection;
  wamp_session_t *session;
  dispatch_t mode;
  char uri[64]; /* its own procedure and topic */
} client_t;

/* What is being done. Callbacks of a connection are serial, and one client works at a time: so only the end wants a
 * lock. */
static struct work_t {
  wamp_session_t *session;
  const char *uri;
  wamp_payload_t payload;
  long to_issue;
  long to_finish;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool done;
} work = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void handle(const wamp_event_t *event, void *user_data);

static void issue(void) {
  GOOD(wamp_session_call(work.session, work.uri, &work.payload, NULL, handle, NULL, NULL));
}

static void handle(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  switch (event->kind) {
    case WAMP_RESULT:
      if (work.to_issue > 0) {
        work.to_issue--;
        issue();
      }
      break;
    case WAMP_INVOCATION:
      GOOD(wamp_invocation_yield(event->invocation, &event->payload));
      break;
    case WAMP_EVENT:
      break;
    case WAMP_ERROR:
    case WAMP_CLOSE:
      fprintf(stderr, "%s: %s\n", event->uri, event->message);
      CHECK(!"the session works");
      return;
    default:
      return;
  }
  if (--work.to_finish != 0) return;
  pthread_mutex_lock(&work.mutex);
  work.done = true;
  pthread_cond_signal(&work.changed);
  pthread_mutex_unlock(&work.mutex);
}

static void begin(client_t *client, const char *uri, const wamp_payload_t *payload, long count) {
  work.session = client->session;
  work.uri = uri;
  work.payload = *payload;
  work.to_issue = 0;
  work.to_finish = count;
  work.done = false;
}

/* Takes events, in the way of the client's mode, until all is finished. */
static void finish(client_t *client) {
  static wamp_event_t events[BATCH];
  int64_t i, count;
  while (client->mode == MANUAL && !work.done) {
    count = GOOD(wamp_connection_poll(client->connection, events, sizeof *events, BATCH, -1));
    for (i = 0; i < count; i++) handle(&events[i], NULL);
  }
  while (client->mode == DISPATCH && !work.done) GOOD(wamp_connection_dispatch(client->connection, 0, -1));
  pthread_mutex_lock(&work.mutex);
  while (!work.done) pthread_cond_wait(&work.changed, &work.mutex);
  pthread_mutex_unlock(&work.mutex);
}

static void client_open(client_t *client, const char *url, dispatch_t mode) {
  const char *name = mode == DISPATCH ? "manual" : mode_names[mode];
  char options[512];
  client->mode = mode;
  snprintf(options, sizeof options,
           "{\"url\": \"%s\", \"realm\": \"bench\", \"dispatch\": \"%s\", \"serializers\": [\"%s\"], "
           "\"payload_encoding\": \"%s\", \"permessage_deflate\": %s}",
           url, name, bench_wire(), bench_is_native() ? "wire" : "json", bench_deflate());
  client->connection = wamp_connection_new(options);
  if (!client->connection) fprintf(stderr, "%s\n", wamp_last_error());
  CHECK(client->connection != NULL);
  GOOD(wamp_connection_open(client->connection));
  GOOD(wamp_connection_session(client->connection, -1, &client->session));
}

static void client_offer(client_t *client, const char *uri) {
  snprintf(client->uri, sizeof client->uri, "%s", uri);
  GOOD(wamp_session_register_sync(client->session, uri, NULL, handle, NULL, NULL, -1));
  GOOD(wamp_session_subscribe_sync(client->session, uri, NULL, handle, NULL, NULL, -1));
}

static void client_close(client_t *client) {
  GOOD(wamp_session_release(client->session));
  GOOD(wamp_connection_close(client->connection, NULL, NULL, -1));
  GOOD(wamp_connection_free(client->connection));
}

/* ---- what is done ---- */

/* One string of `size` bytes. */
static wamp_payload_t payload_of(size_t size) {
  static char text[65536 + 5];
  wamp_payload_t payload = {text, size + 4, NULL, 0, WAMP_JSON, 0};
  CHECK(size + 5 <= sizeof text);
  memset(text, 'x', size + 2);
  memcpy(text, "[\"", 2);
  memcpy(text + 2 + size, "\"]", 3);
  if (bench_is_native() && strcmp(bench_wire(), "json") != 0) {
    static wamp_builder_t *builder;
    if (builder) GOOD(wamp_builder_free(builder));
    builder = wamp_builder_new(strcmp(bench_wire(), "cbor") == 0 ? WAMP_CBOR : WAMP_MSGPACK);
    GOOD(wamp_builder_string(builder, text + 2, size));
    payload = *wamp_builder_payload(builder);
  }
  return payload;
}

static void do_calls(client_t *client, const char *uri, const wamp_payload_t *payload, long count) {
  long i, first = count < IN_FLIGHT ? count : IN_FLIGHT;
  begin(client, uri, payload, count);
  work.to_issue = count - first;
  for (i = 0; i < first; i++) issue();
  finish(client);
}

static void do_publishes(client_t *client, const char *uri, const wamp_payload_t *payload, long count) {
  long i;
  for (i = 0; i < count; i++) {
    int status;
    while ((status = wamp_session_publish(client->session, uri, payload, NULL)) == WAMP_ERR_AGAIN)
      GOOD(wamp_connection_flush(client->connection, -1));
    GOOD(status);
  }
  GOOD(wamp_connection_flush(client->connection, -1));
}

#endif
