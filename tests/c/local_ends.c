/* Ends in odd places: a waiting thread is given up on, connections are freed under who uses them, functions that free
 * call the library. Everything is freed once, and nobody waits for ever. */
#include "scenario.h"

#include <dirent.h>

#define URI "com.example.ends."

static void ignore(const wamp_event_t *event, void *user_data) {
  (void)event;
  (void)user_data;
}

/* ---- who gives up waiting ---- */

static int64_t subscribe_at_once(wamp_session_t *session, int attempt, latch_t *freed) {
  (void)attempt;
  return wamp_session_subscribe_sync(session, URI "topic", NULL, ignore, freed, latch_free, 0);
}

static int64_t register_at_once(wamp_session_t *session, int attempt, latch_t *freed) {
  char procedure[64];
  snprintf(procedure, sizeof procedure, URI "given_up%d", attempt);
  return wamp_session_register_sync(session, procedure, NULL, ignore, freed, latch_free, 0);
}

/* A thread that the machine keeps from running between its request and its look at the clock finds the answer there. */
static void given_up(wamp_session_t *session, int64_t (*request)(wamp_session_t *, int, latch_t *),
                     int (*end)(wamp_session_t *, int64_t, wamp_callback_t, void *, wamp_free_t)) {
  latch_t freed = LATCH;
  int attempts = 0, given_up = 0;
  while (given_up < 10) {
    int64_t outcome;
    CHECK(attempts < 10000);
    outcome = request(session, attempts++, &freed);
    if (outcome == WAMP_ERR_TIMEOUT) given_up++;
    else GOOD(end(session, GOOD(outcome), NULL, NULL, NULL));
  }
  WAIT(freed, attempts);
}

/* ---- inside a function that frees ---- */

static latch_t refused = LATCH;
static wamp_connection_t *held;

static void free_that_closes(void *user_data) {
  (void)user_data;
  FAILS(wamp_connection_close(held, NULL, NULL, LIMIT_MS), WAMP_ERR_DEADLOCK);
  FAILS(wamp_shutdown(LIMIT_MS), WAMP_ERR_DEADLOCK);
  latch_hit(&refused);
}

static void freeing_that_waits(void) {
  wamp_session_t *session;
  int64_t id;
  held = scenario_connection("thread", NULL);
  session = scenario_join(held);
  id = GOOD(wamp_session_subscribe_sync(session, URI "topic", NULL, ignore, NULL, free_that_closes, LIMIT_MS));
  GOOD(wamp_session_unsubscribe(session, id, NULL, NULL, NULL));
  WAIT(refused, 1);
  scenario_leave(held, session);
}

/* ---- a connection freed under who waits for its events ---- */

static latch_t begun = LATCH;

static void *dispatch_for_ever(void *connection) {
  latch_hit(&begun);
  while (wamp_connection_dispatch(connection, 0, -1) >= 0) continue;
  FAILS(wamp_connection_dispatch(connection, 0, -1), WAMP_ERR_HANDLE);
  return NULL;
}

static void freed_under_a_waiting_thread(void) {
  wamp_connection_t *connection = scenario_connection("manual", NULL);
  pthread_t waiting;
  scenario_unpump(connection);
  CHECK(pthread_create(&waiting, NULL, dispatch_for_ever, connection) == 0);
  WAIT(begun, 1);
  GOOD(wamp_connection_free(connection));
  CHECK(pthread_join(waiting, NULL) == 0);
}

/* ---- what was not retained cannot be released ---- */

static void lent_is_not_owned(void) {
  wamp_connection_t *connection = scenario_connection("thread", NULL);
  wamp_session_t *session = scenario_join(connection), *again = NULL;
  GOOD(wamp_session_release(session));
  FAILS(wamp_session_release(session), WAMP_ERR_HANDLE);
  GOOD(wamp_connection_session(connection, LIMIT_MS, &again)); /* the connection's own loan has not suffered */
  scenario_leave(connection, again);
}

/* ---- a full send queue when the connection is freed ---- */

static int open_files(void) {
  DIR *directory = opendir("/proc/self/fd");
  int count = 0;
  CHECK(directory != NULL);
  while (readdir(directory)) count++;
  closedir(directory);
  return count;
}

static void freed_while_full(void) {
  static char text[60000];
  wamp_payload_t payload = {text, sizeof text, NULL, 0, WAMP_JSON, 0};
  int round, before = 0;
  memset(text, 'x', sizeof text);
  text[0] = '[', text[1] = '"', text[sizeof text - 2] = '"', text[sizeof text - 1] = ']';
  for (round = 0; round < 20; round++) {
    wamp_connection_t *connection = scenario_connection("manual", "\"send_queue_bytes\": 100000");
    wamp_session_t *session = scenario_join(connection);
    int status;
    CHECK(wamp_connection_fd(connection) >= 0);
    do status = wamp_session_publish(session, URI "topic", &payload, NULL);
    while (status >= 0);
    CHECK(status == WAMP_ERR_AGAIN);
    GOOD(wamp_session_release(session));
    scenario_unpump(connection);
    GOOD(wamp_connection_free(connection));
    GOOD(wamp_shutdown(LIMIT_MS)); /* waits for the freed connection's end */
    if (scenario.router) GOOD(wamp_router_free(scenario.router));
    scenario.router = NULL;
    scenario_url(1, NULL);
    if (round == 0) before = open_files();
  }
  CHECK(open_files() <= before);
}

int main(int argc, char **argv) {
  wamp_connection_t *connection;
  wamp_session_t *session;

  scenario_begin(argc, argv, "local_ends");
  connection = scenario_connection("thread", NULL);
  session = scenario_join(connection);
  given_up(session, subscribe_at_once, wamp_session_unsubscribe);
  given_up(session, register_at_once, wamp_session_unregister);
  scenario_leave(connection, session);
  freeing_that_waits();
  freed_under_a_waiting_thread();
  lent_is_not_owned();
  freed_while_full();
  return scenario_end();
}
