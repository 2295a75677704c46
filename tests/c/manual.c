/* Manual mode without callbacks: events are polled in batches, a file descriptor or a wake-up function tells when, and
 * what was polled stays readable until the next poll. Then dispatching, a few callbacks at a time. */
#include "scenario.h"

#define URI "com.example.manual."

/* A program compiled with a later header: its wamp_event_t may be larger than the library's. */
typedef struct later_event_t {
  wamp_event_t event;
  uint64_t added_later[3];
} later_event_t;

static bool readable(wamp_connection_t *connection, int timeout_ms) {
  struct pollfd waiting = {wamp_connection_fd(connection), POLLIN, 0};
  CHECK(waiting.fd >= 0);
  return poll(&waiting, 1, timeout_ms) == 1 && (waiting.revents & POLLIN);
}

/* Nothing is under way: not readable. What a request leaves behind may make it so once more, for nothing to be told. */
static void nothing_waits(wamp_connection_t *connection) {
  wamp_event_t batch[8];
  int i;
  for (i = 0; i < 10 && readable(connection, 0); i++)
    CHECK(GOOD(wamp_connection_poll(connection, batch, sizeof *batch, 8, 0)) == 0);
  CHECK(!readable(connection, 0));
}

/* Polls until an event of this kind comes, and gives it. */
static wamp_event_t poll_for(wamp_connection_t *connection, uint32_t kind) {
  wamp_event_t event;
  do {
    CHECK(GOOD(wamp_connection_poll(connection, &event, sizeof event, 1, LIMIT_MS)) == 1);
  } while (event.kind != kind);
  return event;
}

static void no_callback(const wamp_event_t *event, void *user_data) {
  (void)event;
  (void)user_data;
  scenario_fail(__FILE__, __LINE__, "no callback runs while events are polled");
}

/* Each event of a batch shows its own parts, in whatever order they are looked at; those of the batch before, none. */
static void apart(const wamp_event_t *batch, int count) {
  static const wamp_value_t *shown[8][4];
  static wamp_event_t former[8];
  static int former_count;
  int i, part;
  for (i = 0; i < former_count; i++) {
    CHECK(wamp_event_args(&former[i]) == NULL && wamp_event_details(&former[i]) == NULL);
    CHECK(wamp_event_keep(&former[i]) == NULL);
    for (part = 0; part < 4; part++) CHECK(wamp_value_type(shown[i][part]) == WAMP_TYPE_NONE);
  }
  for (i = count - 1; i >= 0; i--) {
    shown[i][0] = wamp_event_details(&batch[i]);
    shown[i][1] = wamp_event_args(&batch[i]);
    shown[i][2] = wamp_value_get(shown[i][0], "topic");
    shown[i][3] = wamp_value_at(shown[i][1], 0);
    CHECK(wamp_event_kwargs(&batch[i]) == NULL && wamp_value_at(shown[i][1], 1) == NULL);
    SAME(wamp_value_string(shown[i][2], NULL), URI "topic");
    former[i] = batch[i];
  }
  for (i = 0; i < count; i++) {
    wamp_message_t *kept = wamp_event_keep(&batch[i]);
    const wamp_value_t *again = wamp_value_at(wamp_event_args(wamp_message_event(kept)), 0);
    CHECK(wamp_event_args(&batch[i]) == shown[i][1] && wamp_event_details(&batch[i]) == shown[i][0]);
    SAME(wamp_value_string(again, NULL), wamp_value_string(shown[i][3], NULL));
    GOOD(wamp_message_free(kept));
  }
  former_count = count;
}

static void polling(wamp_session_t *publisher) {
  static int here, there;
  wamp_connection_t *connection = scenario_connection("manual", NULL);
  wamp_session_t *session;
  wamp_event_t event, batch[8];
  later_event_t later[4];
  const wamp_value_t *values[8], *old;
  int64_t subscription, call;
  int got = 0, count, i;
  char number[32];

  scenario_unpump(connection); /* nobody else shall dispatch it */
  CHECK(!readable(connection, 0));
  CHECK(GOOD(wamp_connection_poll(connection, batch, sizeof *batch, 8, 0)) == 0);
  CHECK(GOOD(wamp_connection_poll(connection, batch, sizeof *batch, 8, 1)) == 0);
  GOOD(wamp_connection_open(connection));
  event = poll_for(connection, WAMP_OPEN);
  CHECK(event.connection == connection && event.session != NULL && event.wamp_id == scenario_id(event.session));
  session = event.session;
  GOOD(wamp_session_retain(session));

  subscription = GOOD(wamp_session_subscribe(session, URI "topic", NULL, no_callback, no_callback, &here, NULL));
  event = poll_for(connection, WAMP_SUBSCRIBED);
  CHECK(event.id == subscription && event.user_data == &here);

  /* The answer to a call, without any callback at all. */
  call = GOOD(wamp_session_call(session, URI "nobody", NULL, NULL, NULL, &there, NULL));
  event = poll_for(connection, WAMP_ERROR);
  CHECK(event.id == call && event.user_data == &there && event.status == WAMP_ERR_REMOTE);
  SAME(event.uri, "wamp.error.no_such_procedure");

  /* Nothing is under way now: not readable. Then it is, and no more after all has been fetched. */
  CHECK(GOOD(wamp_connection_poll(connection, batch, sizeof *batch, 8, 0)) == 0);
  nothing_waits(connection);
  for (i = 0; i < 20; i++) {
    snprintf(number, sizeof number, "[\"number %d\"]", i);
    GOOD(wamp_session_publish(publisher, URI "topic", WAMP_ARGS(number), NULL));
  }
  while (got < 20) {
    CHECK(readable(connection, LIMIT_MS));
    count = (int)GOOD(wamp_connection_poll(connection, batch, sizeof *batch, 8, 0));
    CHECK(count <= 8);
    apart(batch, count);
    for (i = 0; i < count; i++) values[i] = wamp_value_at(wamp_event_args(&batch[i]), 0);
    for (i = 0; i < count; i++) { /* all of a batch stay readable, not only the last */
      CHECK(batch[i].kind == WAMP_EVENT && batch[i].id == subscription && batch[i].user_data == &here);
      SAME(batch[i].uri, URI "topic");
      snprintf(number, sizeof number, "number %d", got + i);
      SAME(wamp_value_string(values[i], NULL), number);
    }
    got += count;
  }
  nothing_waits(connection);

  /* A larger struct: the library steps by the size it is told. */
  for (i = 0; i < 4; i++) GOOD(wamp_session_publish(publisher, URI "topic", WAMP_ARGS("[\"later\"]"), NULL));
  memset(later, 0xff, sizeof later);
  for (got = 0; got < 4; got += count) {
    count = (int)GOOD(wamp_connection_poll(connection, &later[got].event, sizeof *later, 4 - got, LIMIT_MS));
    CHECK(count >= 1 && count <= 4 - got);
    for (i = got; i < got + count; i++) {
      CHECK(later[i].event.kind == WAMP_EVENT);
      SAME(wamp_value_string(wamp_value_at(wamp_event_args(&later[i].event), 0), NULL), "later");
    }
  }
  CHECK(wamp_connection_poll(connection, batch, 0, 8, 0) < 0);
  CHECK(wamp_connection_poll(connection, NULL, sizeof *batch, 8, 0) < 0);

  /* What is no longer valid reads as missing, and does not crash. */
  for (i = 0; i < 2; i++) GOOD(wamp_session_publish(publisher, URI "topic", WAMP_ARGS("[[1, 2]]"), NULL));
  event = poll_for(connection, WAMP_EVENT);
  old = wamp_value_at(wamp_event_args(&event), 0);
  CHECK(wamp_value_size(old) == 2);
  event = poll_for(connection, WAMP_EVENT);
  CHECK(wamp_value_type(old) == WAMP_TYPE_NONE && wamp_value_size(old) == 0);
  CHECK(wamp_value_size(wamp_value_at(wamp_event_args(&event), 0)) == 2);

  /* The end comes by poll, too. */
  GOOD(wamp_session_release(session));
  GOOD(wamp_connection_close(connection, NULL, NULL, 0));
  event = poll_for(connection, WAMP_CLOSE);
  SAME(event.uri, "closed");
  GOOD(wamp_connection_free(connection));
}

typedef struct wakeups_t {
  latch_t calls;
  latch_t freed;
} wakeups_t;

static void on_event(const wamp_event_t *event, void *user_data) {
  CHECK(event->kind == WAMP_EVENT && pthread_equal(pthread_self(), scenario.main_thread));
  latch_hit(user_data);
}

static void on_wakeup(void *user_data) { latch_hit(&((wakeups_t *)user_data)->calls); }
static void on_wakeup_free(void *user_data) { latch_hit(&((wakeups_t *)user_data)->freed); }

static void dispatching(wamp_session_t *publisher) {
  static latch_t events = LATCH;
  static wakeups_t wakeups = {LATCH, LATCH};
  wamp_connection_t *connection = scenario_connection("manual", NULL);
  wamp_session_t *session;
  int i, count, sum;
  long before;

  scenario_unpump(connection);
  GOOD(wamp_connection_set_wakeup(connection, on_wakeup, &wakeups, on_wakeup_free));
  session = scenario_join(connection);
  GOOD(wamp_session_subscribe_sync(session, URI "topic", NULL, on_event, &events, NULL, LIMIT_MS));
  before = latch_count(&wakeups.calls);
  GOOD(wamp_connection_dispatch(connection, 0, 0)); /* whatever the joining has left */
  CHECK(latch_count(&events) == 0);

  /* The wake-up function runs on a thread of the library, and only says that there is something to fetch. */
  for (i = 0; i < 10; i++) GOOD(wamp_session_publish(publisher, URI "topic", NULL, NULL));
  WAIT(wakeups.calls, before + 1);
  for (sum = 0; sum < 10; sum += count) {
    count = (int)GOOD(wamp_connection_dispatch(connection, 3, LIMIT_MS));
    CHECK(count >= 1 && count <= 3);
    CHECK(latch_count(&events) == sum + count); /* a callback each, inside the dispatch */
  }
  CHECK(GOOD(wamp_connection_dispatch(connection, 0, 0)) == 0);
  CHECK(latch_count(&events) == 10);

  GOOD(wamp_session_release(session));
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  GOOD(wamp_connection_free(connection));
  WAIT(wakeups.freed, 1);
  CHECK(latch_count(&wakeups.freed) == 1);
}

int main(int argc, char **argv) {
  wamp_connection_t *connection;
  wamp_session_t *publisher;
  scenario_begin(argc, argv, "manual");
  connection = scenario_connection("thread", NULL);
  publisher = scenario_join(connection);

  /* These belong to manual mode only. */
  CHECK(wamp_connection_fd(connection) < 0);
  CHECK(wamp_connection_dispatch(connection, 0, 0) < 0);

  polling(publisher);
  dispatching(publisher);
  scenario_leave(connection, publisher);
  return scenario_end();
}
