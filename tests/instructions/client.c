/*
 * What tests/instructions counts the instructions of: a client of the library, and the floor.
 *
 *     client rs+unix:///PATH
 *
 * The router at the other end is tests/instructions/router.py. It says what is to be done, by events of the topic
 * "do" whose one argument is a command: VERB [COUNT [SIZE]]. Everything happens in callbacks of inline dispatch, so on
 * one thread, that of the connection's task, and nothing depends on which of several is faster.
 *
 *     wait              says so, and waits for a line: whatever the router sends meanwhile is there when it goes on
 *     begin             the same, and begins to count then
 *     publish, call     begins to count, and sends so many messages at once
 *     end               ends to count
 *     floor-ROW         the same work as in the row, by the floor; with bounds of its own
 *     waste             from now on an event of the topic "row" takes some instructions more, for the guard's own test
 */
#include "floor.h"

#include <semaphore.h>
#include <stdio.h>
#include <wamp.h>

#define MOST_BYTES 4096
#define CHECK(condition) ((condition) ? (void)0 : fail(__LINE__, #condition))

static void fail(int line, const char *what) {
  fprintf(stderr, "client.c:%d: failed: %s: %s\n", line, what, wamp_last_error());
  _Exit(1); /* not exit(), which would run handlers while the library's threads go on */
}

/* Volatile, so that no compiler leaves out what they count. */
static volatile size_t bytes_read, messages_seen, wasted;
static bool wasting;
static sem_t over;

/* valgrind takes these two by their names. */
__attribute__((noinline)) void row_begins(void) { __asm__ volatile(""); }
__attribute__((noinline)) void row_ends(void) { __asm__ volatile(""); }

/* One string of so many bytes. */
static wamp_payload_t payload_of(size_t size) {
  static char text[MOST_BYTES + 5];
  wamp_payload_t payload = {text, size + 4, NULL, 0, WAMP_JSON, 0};
  CHECK(size <= MOST_BYTES);
  memset(text, 'x', size + 2);
  memcpy(text, "[\"", 2);
  memcpy(text + 2 + size, "\"]", 2);
  return payload;
}

/* ---- the library ---- */

__attribute__((noinline)) static void waste(void) {
  size_t i;
  for (i = 0; i < 100; i++) wasted += i;
}

static void on_message(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  CHECK(event->status == WAMP_OK);
  messages_seen = messages_seen + 1;
  if (wasting) waste();
}

static void on_read(const wamp_event_t *event, void *user_data) {
  size_t size = 0;
  (void)user_data;
  CHECK(wamp_value_string(wamp_value_at(wamp_event_args(event), 0), &size) != NULL);
  bytes_read = bytes_read + size;
}

static void on_invocation(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  CHECK(wamp_invocation_yield(event->invocation, &event->payload) == WAMP_OK);
}

static void send_all(wamp_session_t *session, bool calls, long count, size_t size) {
  wamp_payload_t payload = payload_of(size);
  long i;
  row_begins();
  for (i = 0; i < count; i++)
    if (calls) CHECK(wamp_session_call(session, "com.example.row", &payload, NULL, on_message, NULL, NULL) > 0);
    else CHECK(wamp_session_publish(session, "com.example.row", &payload, NULL) == WAMP_OK);
}

/* ---- the floor ---- */

static void floor_counts(const floor_message_t *message) {
  (void)message;
  messages_seen = messages_seen + 1;
}

static void floor_reads(const floor_message_t *message) {
  static char text[MOST_BYTES + 1];
  bytes_read = bytes_read + floor_string(message, text);
}

static void floor_answers(const floor_message_t *message) {
  floor_write("[70,", message->ids[0], NULL, message->args, message->args_size);
}

/* The messages of the router, one behind the other; their size in all. */
static size_t floor_block(char *block, const char *head, bool numbered, long count, const wamp_payload_t *payload) {
  char *to = block;
  long i;
  for (i = 1; i <= count; i++) {
    int size = sprintf(to + FLOOR_HEAD, head, numbered ? i : 5000000000000000 + i);
    size += sprintf(to + FLOOR_HEAD + size, ",{},%.*s]", (int)payload->args_size, payload->args);
    memcpy(to, (char[]){0, (char)(size >> 16), (char)(size >> 8), (char)size}, FLOOR_HEAD);
    to += FLOOR_HEAD + size;
  }
  return (size_t)(to - block);
}

static void floor_row(const char *row, long count, size_t size) {
  static char block[1 << 20];
  wamp_payload_t payload = payload_of(size);
  bool calls = strcmp(row, "call") == 0, publishes = strcmp(row, "publish") == 0;
  bool invoked = strcmp(row, "invocation") == 0, reads = strcmp(row, "read") == 0;
  floor_handler_t handler = invoked ? floor_answers : reads ? floor_reads : floor_counts;
  const char *head = calls ? "[50,%ld" : invoked ? "[68,%ld,7200000000000000" : "[36,7100000000000000,%ld";
  size_t block_size = floor_block(block, head, calls || invoked, count, &payload);
  long i;
  CHECK((size_t)count * (size + 128) < sizeof block && count < FLOOR_WAITING);
  floor_outbox.size = 0;
  for (i = 0; i < FLOOR_WAITING; i++) floor_waiting[i] = calls ? NULL : handler;
  row_begins();
  for (i = 1; i <= count && calls; i++) {
    floor_waiting[i % FLOOR_WAITING] = handler;
    floor_write("[48,", (uint64_t)i, "com.example.row", payload.args, payload.args_size);
  }
  for (i = 1; i <= count && publishes; i++)
    floor_write("[16,", (uint64_t)i, "com.example.row", payload.args, payload.args_size);
  if (!publishes) floor_receive(block, block_size);
  row_ends();
}

/* ---- what the router says ---- */

static void wait_for_line(void) {
  char line[8];
  puts("waiting");
  fflush(stdout);
  CHECK(fgets(line, sizeof line, stdin) != NULL);
}

static void on_command(const wamp_event_t *event, void *user_data) {
  char verb[32];
  const char *command = NULL;
  long count = 0;
  size_t size = 0;
  (void)user_data;
  CHECK(wamp_event_arg_string(event, 0, &command, NULL) == WAMP_OK);
  CHECK(sscanf(command, "%31s %ld %zu", verb, &count, &size) >= 1);
  if (strcmp(verb, "wait") == 0) wait_for_line();
  else if (strcmp(verb, "begin") == 0) {
    wait_for_line();
    row_begins();
  } else if (strcmp(verb, "end") == 0) row_ends();
  else if (strcmp(verb, "publish") == 0) send_all(event->session, false, count, size);
  else if (strcmp(verb, "call") == 0) send_all(event->session, true, count, size);
  else if (strncmp(verb, "floor-", 6) == 0) floor_row(verb + 6, count, size);
  else if (strcmp(verb, "waste") == 0) wasting = true;
  else if (strcmp(verb, "quit") == 0) sem_post(&over);
  else CHECK(!"a known command");
}

int main(int argc, char **argv) {
  wamp_connection_t *connection;
  char options[512];
  CHECK(argc == 2 && sem_init(&over, 0, 0) == 0);
  snprintf(options, sizeof options,
           "{\"url\": \"%s\", \"realm\": \"r\", \"dispatch\": \"inline\", \"serializers\": [\"json\"]}", argv[1]);
  connection = wamp_connection_new(options);
  CHECK(connection != NULL);
  CHECK(wamp_connection_subscribe(connection, "do", NULL, on_command, NULL, NULL, NULL) > 0);
  CHECK(wamp_connection_subscribe(connection, "row", NULL, on_message, NULL, NULL, NULL) > 0);
  CHECK(wamp_connection_subscribe(connection, "read", NULL, on_read, NULL, NULL, NULL) > 0);
  CHECK(wamp_connection_register(connection, "row", NULL, on_invocation, NULL, NULL, NULL) > 0);
  CHECK(wamp_connection_open(connection) == WAMP_OK);
  while (sem_wait(&over) != 0) continue;
  CHECK(wamp_connection_close(connection, NULL, NULL, -1) == WAMP_OK && wamp_connection_free(connection) == WAMP_OK);
  return 0;
}
