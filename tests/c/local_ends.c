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

static latch_t given_up = LATCH, held_back = LATCH, let_go = LATCH;

/* With inline dispatch nothing is answered while a callback runs. */
static void hold_back(const wamp_event_t *event, void *user_data) {
  ignore(event, user_data);
  latch_hit(&held_back);
  WAIT(let_go, 1);
}

static void giving_up(void) {
  wamp_connection_t *connection = scenario_connection("inline", NULL);
  wamp_session_t *session = scenario_join(connection);
  char procedure[64];
  int i;
  GOOD(wamp_session_subscribe_sync(session, URI "hold", NULL, hold_back, NULL, NULL, LIMIT_MS));
  GOOD(wamp_session_publish(session, URI "hold", NULL, "{\"exclude_me\": false}"));
  WAIT(held_back, 1);
  for (i = 0; i < 10; i++) {
    snprintf(procedure, sizeof procedure, URI "given_up%d", i);
    FAILS(wamp_session_subscribe_sync(session, URI "topic", NULL, ignore, &given_up, latch_free, 0), WAMP_ERR_TIMEOUT);
    FAILS(wamp_session_register_sync(session, procedure, NULL, ignore, &given_up, latch_free, 0), WAMP_ERR_TIMEOUT);
  }
  latch_hit(&let_go);
  WAIT(given_up, 20);
  scenario_leave(connection, session);
}

/* ---- who gives up while the answer comes ---- */

static latch_t raced = LATCH;

/* A thread that is kept from running between its request and its look at the clock finds the answer there. */
static int64_t either(int64_t outcome) {
  CHECK(outcome > 0 || outcome == WAMP_ERR_TIMEOUT);
  return outcome;
}

static void giving_up_in_a_race(void) {
  wamp_connection_t *connection = scenario_connection("thread", NULL);
  wamp_session_t *session = scenario_join(connection);
  char procedure[64];
  int i;
  for (i = 0; i < 10; i++) {
    int64_t id = either(wamp_session_subscribe_sync(session, URI "topic", NULL, ignore, &raced, latch_free, 0));
    if (id > 0) GOOD(wamp_session_unsubscribe(session, id, NULL, NULL, NULL));
    snprintf(procedure, sizeof procedure, URI "raced%d", i);
    id = either(wamp_session_register_sync(session, procedure, NULL, ignore, &raced, latch_free, 0));
    if (id > 0) GOOD(wamp_session_unregister(session, id, NULL, NULL, NULL));
  }
  WAIT(raced, 20);
  scenario_leave(connection, session);
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
  scenario_begin(argc, argv, "local_ends");
  giving_up();
  giving_up_in_a_race();
  freeing_that_waits();
  freed_under_a_waiting_thread();
  lent_is_not_owned();
  freed_while_full();
  return scenario_end();
}
