/*
 * libwamp as a program uses it, by its header alone:
 *
 *     client [--mode M] [--payloads wire|json] [--deflate JSON] ROLE URL SERIALIZER SIZE ...
 *
 * with the arguments that meter.h tells. Every payload that is received is read. Modes are inline,
 * thread and manual (by wamp_connection_poll). Payloads have the encoding of the wire, or else are
 * JSON, whatever the wire, and brought into its encoding and back.
 */
#include "meter.h"

#include <pthread.h>
#include <wamp.h>

#define WAIT_MS 30000
#define BATCH 256
#define SHIFT 15 /* the clock is looked at when these bits are 0 */

static arguments_t arguments;
static meter_t meter;

static struct us_t {
  const char *mode;
  const char *payloads;
  const char *deflate;
  bool is_manual;
  wamp_connection_t **connections;
  wamp_session_t **sessions;
  wamp_payload_t payload;
  char **uris;
  long procedures, connected;
  long sent, done; /* atomic: callbacks of several connections may run at once */
  pthread_mutex_t ticking;
} us = {.mode = "inline", .payloads = "wire", .deflate = "false",
        .ticking = PTHREAD_MUTEX_INITIALIZER};

static int64_t good(int64_t status, const char *what) {
  if (status >= 0) return status;
  fprintf(stderr, "%s: %s: %s\n", what, wamp_status_name((int)status), wamp_last_error());
  _Exit(1);
}

#define GOOD(call) good((call), #call)

static long count_one(long *counter) { return __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED); }

/* ---- opening ---- */

static void open_one(wamp_connection_t **connection, wamp_session_t **session) {
  /* Twice what is in flight, as what is being written counts until the last of it has gone. */
  size_t queue = 2 * (size_t)arguments.in_flight * (arguments.size + 256) + (16 << 20);
  char options[512];
  snprintf(options, sizeof options,
           "{\"url\": \"%s\", \"realm\": \"realm1\", \"dispatch\": \"%s\", "
           "\"serializers\": [\"%s\"], \"payload_encoding\": \"%s\", "
           "\"permessage_deflate\": %s, \"send_queue_bytes\": %zu}",
           arguments.url, us.mode, arguments.serializer, us.payloads, us.deflate, queue);
  *connection = wamp_connection_new(options);
  if (!*connection) fail(wamp_last_error());
  GOOD(wamp_connection_open(*connection));
  GOOD(wamp_connection_session(*connection, WAIT_MS, session));
}

static void open_all(long count) {
  double one = 0;
  allow_files(count);
  us.connections = calloc((size_t)count, sizeof *us.connections);
  us.sessions = calloc((size_t)count, sizeof *us.sessions);
  if (!us.connections || !us.sessions) fail("out of memory");
  for (us.connected = 0; us.connected < count; us.connected++) {
    open_one(&us.connections[us.connected], &us.sessions[us.connected]);
    if (us.connected == 0) one = resident_kib();
  }
  if (strcmp(arguments.role, "memory") == 0) report_memory(one, resident_kib(), count);
}

static void make_payload(void) {
  bool is_native = strcmp(us.payloads, "wire") == 0;
  bool is_json = !is_native || strncmp(arguments.serializer, "json", 4) == 0; /* or json.batched */
  bool is_cbor = strncmp(arguments.serializer, "cbor", 4) == 0;
  uint32_t encoding = is_json ? WAMP_JSON : is_cbor ? WAMP_CBOR : WAMP_MSGPACK;
  wamp_builder_t *builder;
  char *text = malloc(arguments.size);
  builder = wamp_builder_new(encoding);
  if (!text || !builder) fail("out of memory");
  memset(text, 'x', arguments.size);
  GOOD(wamp_builder_string(builder, text, arguments.size));
  us.payload = *wamp_builder_payload(builder); /* the builder is kept, and with it the bytes */
  free(text);
}

static void make_uris(const char *form) {
  long i;
  us.uris = malloc((size_t)arguments.scale * sizeof *us.uris);
  for (i = 0; i < arguments.scale; i++) {
    if (!us.uris || !(us.uris[i] = malloc(48))) fail("out of memory");
    snprintf(us.uris[i], 48, form, i);
  }
}

/* ---- receiving ---- */

/* What a program does with the one argument that it gets. */
static void look(const wamp_event_t *event) {
  size_t size = 0;
  const char *text = wamp_value_string(wamp_value_at(wamp_event_args(event), 0), &size);
  if (!text || size != arguments.size) fail("a payload of another size");
}

/* One more is done; ends the program once all is measured. */
static void count_done(void) {
  long done = count_one(&us.done);
  if ((done & SHIFT) != 0 || pthread_mutex_trylock(&us.ticking) != 0) return;
  if (meter_tick(&meter, done)) {
    meter_report(&meter);
    _Exit(0);
  }
  pthread_mutex_unlock(&us.ticking);
}

static void handle(const wamp_event_t *event, void *user_data);

static void issue(void) {
  long number = count_one(&us.sent) - 1;
  GOOD(wamp_session_call(us.sessions[number % us.connected], us.uris[number % us.procedures],
                         &us.payload, NULL, handle, NULL, NULL));
}

static void handle(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  switch (event->kind) {
    case WAMP_RESULT:
      look(event);
      issue();
      break;
    case WAMP_INVOCATION:
      look(event);
      GOOD(wamp_invocation_yield(event->invocation, &event->payload));
      break;
    case WAMP_EVENT:
      look(event);
      break;
    case WAMP_ERROR:
    case WAMP_CLOSE:
      fail(event->message);
      return;
    default:
      return;
  }
  count_done();
}

/* Lets events come until one of them ends the program. */
static void receive(void) {
  static wamp_event_t events[BATCH];
  while (us.is_manual) {
    int64_t i, count = GOOD(wamp_connection_poll(us.connections[0], events, sizeof *events, BATCH,
                                                 -1));
    for (i = 0; i < count; i++) handle(&events[i], NULL);
  }
  for (;;) pause();
}

/* ---- roles ---- */

static void call(void) {
  long i;
  for (i = 0; i < arguments.in_flight; i++) issue();
  receive();
}

/* Calls that stay unanswered, before those that are measured. */
static void hold(long count) {
  while (count > 0) {
    int64_t id = wamp_session_call(us.sessions[0], "bench.hold", &us.payload, NULL, handle, NULL,
                                   NULL);
    if (id == WAMP_ERR_AGAIN) GOOD(wamp_connection_flush(us.connections[0], WAIT_MS));
    else count -= GOOD(id) > 0;
  }
}

static void call_once(void) {
  wamp_message_t *result;
  GOOD(wamp_session_call_sync(us.sessions[0], us.uris[0], &us.payload, NULL, WAIT_MS, &result));
  look(wamp_message_event(result));
  GOOD(wamp_message_free(result));
}

static void call_in_sequence(void) {
  double start;
  do {
    start = wall_us();
    call_once();
    meter_time(&meter, wall_us() - start);
  } while (!meter_tick(&meter, ++us.done));
  meter_report(&meter);
}

static void *call_beside(void *unused) {
  for (;;) {
    call_once();
    count_one(&us.done);
  }
  return unused;
}

/* Threads that share a session, each with one call after the other. */
static void call_in_threads(long count) {
  pthread_t thread;
  while (--count > 0)
    if (pthread_create(&thread, NULL, call_beside, NULL) != 0) fail("no more threads");
  do {
    call_once();
    count_one(&us.done);
  } while (!meter_tick(&meter, __atomic_load_n(&us.done, __ATOMIC_RELAXED)));
  meter_report(&meter);
  _Exit(0);
}

static void publish_some(int count) {
  while (count-- > 0) {
    const char *topic = us.uris[us.done++ % arguments.scale];
    int status;
    while ((status = wamp_session_publish(us.sessions[0], topic, &us.payload, NULL)) ==
           WAMP_ERR_AGAIN)
      GOOD(wamp_connection_flush(us.connections[0], WAIT_MS));
    GOOD(status);
  }
}

static void acknowledge(void) {
  GOOD(wamp_session_publish_ack_sync(us.sessions[0], us.uris[0], &us.payload, NULL, WAIT_MS, NULL));
}

/* Measured until the router has read the last one. */
static void publish(void) {
  do publish_some(SHIFT + 1);
  while (!meter_is_warm(&meter));
  acknowledge();
  meter_start(&meter, us.done);
  do publish_some(SHIFT + 1);
  while (!meter_is_due(&meter));
  acknowledge();
  meter_stop(&meter, us.done);
  meter_report(&meter);
}

/* Only what opens is measured, and not what closes. */
static void open_again_and_again(void) {
  wamp_connection_t *connection;
  wamp_session_t *session;
  double spent = 0, cpu, wall;
  while (!meter_tick(&meter, us.done)) {
    cpu = cpu_us();
    wall = wall_us();
    open_one(&connection, &session);
    meter_time(&meter, wall_us() - wall);
    if (meter.measuring) spent += cpu_us() - cpu;
    GOOD(wamp_session_release(session));
    GOOD(wamp_connection_close(connection, NULL, NULL, WAIT_MS));
    GOOD(wamp_connection_free(connection));
    us.done++;
  }
  meter.cpu = spent;
  meter_report(&meter);
}

/* The last one waits for its answer, and the router answers in order. */
static void serve(bool is_topic) {
  wamp_session_t *session = us.sessions[0];
  long i;
  for (i = 0; i + 1 < arguments.scale; i++) {
    if (is_topic)
      GOOD(wamp_session_subscribe(session, us.uris[i], NULL, handle, NULL, NULL, NULL));
    else
      GOOD(wamp_session_register(session, us.uris[i], NULL, handle, NULL, NULL, NULL));
  }
  if (is_topic)
    GOOD(wamp_session_subscribe_sync(session, us.uris[i], NULL, handle, NULL, NULL, WAIT_MS));
  else
    GOOD(wamp_session_register_sync(session, us.uris[i], NULL, handle, NULL, NULL, WAIT_MS));
  say_ready();
  receive();
}

/* ---- the beginning ---- */

static void take_flags(int *argc, char ***argv) {
  while (*argc > 2 && strncmp((*argv)[1], "--", 2) == 0) {
    const char *flag = (*argv)[1] + 2, *value = (*argv)[2];
    if (strcmp(flag, "mode") == 0) us.mode = value;
    else if (strcmp(flag, "payloads") == 0) us.payloads = value;
    else if (strcmp(flag, "deflate") == 0) us.deflate = value;
    else fail("unknown flag");
    *argc -= 2;
    *argv += 2;
  }
  us.is_manual = strcmp(us.mode, "manual") == 0;
}

static bool role_is(const char *name) { return strcmp(arguments.role, name) == 0; }

int main(int argc, char **argv) {
  take_flags(&argc, &argv);
  arguments = arguments_of(argc, argv);
  meter.seconds = arguments.seconds;
  make_payload();
  make_uris(role_is("event") || role_is("publish") ? "bench.topic.%ld" : "bench.echo.%ld");
  if (role_is("connect")) {
    open_again_and_again();
    return 0;
  }
  open_all(role_is("memory") || role_is("connections") ? arguments.scale : 1);
  us.procedures = role_is("call") ? arguments.scale : 1;
  if (role_is("event") || role_is("invocation")) {
    serve(role_is("event"));
  } else if (role_is("publish")) {
    publish();
  } else if (role_is("threads")) {
    call_in_threads(arguments.scale);
  } else if (role_is("call") && arguments.in_flight == 1) {
    call_in_sequence();
  } else if (!role_is("memory")) {
    if (role_is("pending")) hold(arguments.scale);
    call();
  }
  _Exit(0); /* nothing of what closes is measured */
}
