/*
 * Caller: calls com.example.add2, the procedure that callee.c offers, and prints the sums.
 *
 *     caller [URL [REALM [COUNT]]]        default: ws://127.0.0.1:8080/ws realm1 1
 *
 * It uses the waiting twins (*_sync), which suit a program that has nothing else to do meanwhile. For calls that do
 * not wait, and many of them at once, see wamp_session_call.
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <wamp.h>

#define LIMIT_MS 10000

static int failed(const char *what, int64_t status) {
  fprintf(stderr, "caller: %s: %s: %s\n", what, wamp_status_text((int)status), wamp_last_error());
  return -1;
}

/* One call: 0, or -1 after having told why not. */
static int add(wamp_session_t *session, int64_t a, int64_t b) {
  wamp_builder_t *args = wamp_builder_new(WAMP_JSON);
  wamp_message_t *answer = NULL;
  int status, outcome = 0;

  /* The builder's own return codes need no look: it remembers its first error, and the call then fails with it. */
  wamp_builder_int(args, a);
  wamp_builder_int(args, b);
  status = wamp_session_call_sync(session, "com.example.add2", wamp_builder_payload(args), NULL, LIMIT_MS, &answer);
  wamp_builder_free(args);

  if (status >= 0) {
    const wamp_value_t *sum = wamp_value_at(wamp_event_args(wamp_message_event(answer)), 0);
    printf("%" PRId64 " + %" PRId64 " = %" PRId64 "\n", a, b, wamp_value_int(sum));
  } else if (status == WAMP_ERR_REMOTE && answer) {
    /* The router or the callee answered with an ERROR. Its URI is for programs, its message for people. */
    const wamp_event_t *error = wamp_message_event(answer);
    fprintf(stderr, "caller: the call ended with %s: %s\n", error->uri, error->message);
    outcome = -1;
  } else {
    outcome = failed("the call failed", status);
  }
  wamp_message_free(answer); /* takes NULL, as free() does */
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
  long i;

  /* A quotation mark in an argument would break this JSON; the library then says where. */
  snprintf(options, sizeof options, "{\"url\": \"%s\", \"realm\": \"%s\"}", url, realm);
  connection = wamp_connection_new(options);
  if (!connection) {
    fprintf(stderr, "caller: %s\n", wamp_last_error());
    return EXIT_FAILURE;
  }

  status = wamp_connection_open(connection);
  if (status >= 0) status = wamp_connection_session(connection, LIMIT_MS, &session);
  if (status < 0) outcome = failed("cannot join the realm", status);

  for (i = 0; i < count && outcome == 0; i++) outcome = add(session, i, i + 1);

  if (session) {
    status = wamp_session_release(session);
    /* Says goodbye to the router, so that it need not find out by itself that we are gone. */
    if (status >= 0) status = wamp_connection_close(connection, NULL, NULL, LIMIT_MS);
    if (status < 0) outcome = failed("cannot close", status);
  }
  status = wamp_connection_free(connection);
  if (status >= 0) status = wamp_shutdown(LIMIT_MS);
  if (status < 0) outcome = failed("cannot shut down", status);
  return outcome == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
