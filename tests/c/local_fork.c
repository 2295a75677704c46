/* After fork() the child has none of the library's threads: it is told so at once (WAMP_ERR_FORKED) instead of hanging,
 * and the parent goes on as if nothing had been. */
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenario.h"

#define URI "com.example.fork."

/* Runs in the child. The number of the first expectation that failed, or 0. */
static int in_the_child(wamp_connection_t *connection, wamp_session_t *session) {
  wamp_session_t *other = NULL;
  wamp_message_t *result = NULL;
  int64_t id = 1;
  struct {
    int64_t got;
  } status[] = {
      {wamp_connection_open(connection)},
      {wamp_connection_session(connection, LIMIT_MS, &other)},
      {wamp_connection_is_open(connection)},
      {wamp_connection_on_open(connection, scenario_echo, NULL, NULL)},
      {wamp_connection_flush(connection, LIMIT_MS)},
      {wamp_session_retain(session)},
      {wamp_session_id(session, &id)},
      {wamp_session_is_open(session)},
      {wamp_session_publish(session, URI "x", NULL, NULL)},
      {wamp_session_publish_ack(session, URI "x", NULL, NULL, scenario_echo, NULL, NULL)},
      {wamp_session_publish_ack_sync(session, URI "x", NULL, NULL, LIMIT_MS, NULL)},
      {wamp_session_call(session, URI "echo", NULL, NULL, scenario_echo, NULL, NULL)},
      {wamp_session_call_sync(session, URI "echo", NULL, NULL, LIMIT_MS, &result)},
      {wamp_session_subscribe(session, URI "x", NULL, scenario_echo, NULL, NULL, NULL)},
      {wamp_session_subscribe_sync(session, URI "x", NULL, scenario_echo, NULL, NULL, LIMIT_MS)},
      {wamp_session_register(session, URI "y", NULL, scenario_echo, NULL, NULL, NULL)},
      {wamp_session_register_sync(session, URI "y", NULL, scenario_echo, NULL, NULL, LIMIT_MS)},
      {wamp_session_release(session)},
      {wamp_connection_close(connection, NULL, NULL, LIMIT_MS)},
      {wamp_connection_free(connection)},
      {wamp_router_free(scenario.router)},
      {wamp_shutdown(LIMIT_MS)},
  };
  const size_t count = sizeof status / sizeof *status;
  size_t i;
  for (i = 0; i < count; i++)
    if (status[i].got != WAMP_ERR_FORKED) return (int)i + 1;
  if (other || result || id) return 101;
  if (wamp_connection_new("{\"url\": \"ws://127.0.0.1:1/ws\", \"realm\": \"realm1\"}")) return 102;
  if (wamp_router_new(NULL)) return 103;
  if (wamp_session_realm(session) || wamp_session_details(session)) return 104;
  if (wamp_router_url(scenario.router)) return 105;
  /* What needs no thread still answers. */
  if (!wamp_version() || strcmp(wamp_status_name(WAMP_ERR_FORKED), "WAMP_ERR_FORKED") != 0) return 106;
  return 0;
}

/* Forks. The verdict comes through a pipe, because a memory checker may set the child's exit status on its own. */
static int fork_and_ask(wamp_connection_t *connection, wamp_session_t *session) {
  int ends[2], status, verdict = -1;
  pid_t child;
  CHECK(pipe(ends) == 0);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    verdict = in_the_child(connection, session);
    if (write(ends[1], &verdict, sizeof verdict) != (ssize_t)sizeof verdict) _exit(2);
    _exit(0);
  }
  close(ends[1]);
  CHECK(read(ends[0], &verdict, sizeof verdict) == (ssize_t)sizeof verdict);
  close(ends[0]);
  CHECK(waitpid(child, &status, 0) == child);
  return verdict;
}

int main(int argc, char **argv) {
  wamp_connection_t *a, *b;
  wamp_session_t *callee, *caller;
  int64_t id;
  int i, verdict;
  scenario_begin(argc, argv, "local_fork");
  a = scenario_connection("thread", NULL);
  b = scenario_connection(scenario.mode, NULL);
  callee = scenario_join(a);
  caller = scenario_join(b);
  GOOD(wamp_session_register_sync(callee, URI "echo", NULL, scenario_echo, NULL, NULL, LIMIT_MS));
  id = scenario_id(caller);

  for (i = 0; i < 3; i++) {
    wamp_message_t *result = NULL;
    verdict = fork_and_ask(b, caller);
    if (verdict != 0) fprintf(stderr, "  the child's expectation number %d was not met\n", verdict);
    CHECK(verdict == 0);
    GOOD(wamp_session_call_sync(caller, URI "echo", WAMP_ARGS("[5]"), NULL, LIMIT_MS, &result));
    CHECK(wamp_value_int(wamp_value_at(wamp_event_args(wamp_message_event(result)), 0)) == 5);
    GOOD(wamp_message_free(result));
    CHECK(scenario_id(caller) == id);
  }

  scenario_leave(a, callee);
  scenario_leave(b, caller);
  return scenario_end();
}
