/* Subscriptions and registrations of a connection: declared at any time, made anew in each of its sessions, under ids that
 * stay. */
#include "scenario.h"

#define NAME "com.example.durable."
#define KICK "com.example.kick"

static wamp_connection_t *connection;
static wamp_session_t *other; /* of another connection: publishes, calls, gets in the way */
static inbox_t opens = INBOX;

/* What is told of one subscription or registration, by its handler and its `done`. */
typedef struct declared_t {
  int64_t id;
  inbox_t told;
  latch_t freed;
} declared_t;

#define DECLARED {0, INBOX, LATCH}

static void declared_free(void *declared) { latch_hit(&((declared_t *)declared)->freed); }

static void on_told(const wamp_event_t *event, void *user_data) {
  inbox_t *told = &((declared_t *)user_data)->told;
  if (event->kind == WAMP_INVOCATION) GOOD(wamp_invocation_yield(event->invocation, &event->payload));
  pthread_mutex_lock(&told->got.mutex); /* the other thread takes them out at the same time */
  CHECK(told->got.count < INBOX_SIZE);
  told->kept[told->got.count++] = wamp_event_keep(event);
  pthread_cond_broadcast(&told->got.changed);
  pthread_mutex_unlock(&told->got.mutex);
}

static void subscribe(declared_t *as, const char *topic, const char *options) {
  as->id = GOOD(wamp_connection_subscribe(connection, topic, options, on_told, on_told, as, declared_free));
  CHECK(as->id > 0);
}

static void offer(declared_t *as, const char *procedure, const char *options) {
  as->id = GOOD(wamp_connection_register(connection, procedure, options, on_told, on_told, as, declared_free));
  CHECK(as->id > 0);
}

/* The next thing that is told is of this kind. */
static const wamp_event_t *take(declared_t *of, uint32_t kind, int line) {
  static wamp_message_t *last;
  const wamp_event_t *event;
  latch_wait(&of->told.got, 1, __FILE__, line, "something is told");
  event = inbox_event(&of->told, 0, kind);
  CHECK(event->id == of->id);
  if (last) GOOD(wamp_message_free(last));
  last = of->told.kept[0];
  pthread_mutex_lock(&of->told.got.mutex);
  memmove(of->told.kept, of->told.kept + 1, (INBOX_SIZE - 1) * sizeof *of->told.kept);
  of->told.kept[INBOX_SIZE - 1] = NULL;
  of->told.got.count--;
  pthread_mutex_unlock(&of->told.got.mutex);
  return event;
}

#define next(of, kind) take((of), (kind), __LINE__)

static void check_silent(declared_t *of, int line) {
  if (latch_count(&of->told.got) == 0) return;
  fprintf(stderr, "  kind %" PRIu32 " was told\n", wamp_message_event(of->told.kept[0])->kind);
  scenario_fail(__FILE__, line, "nothing is told");
}
#define silent(of) check_silent((of), __LINE__)

static void published(declared_t *to, const char *topic) {
  GOOD(wamp_session_publish_ack_sync(other, topic, WAMP_ARGS("[1]"), NULL, LIMIT_MS, NULL));
  SAME(next(to, WAMP_EVENT)->uri, topic);
}

static void called(declared_t *by, const char *procedure) {
  GOOD(wamp_message_free(scenario_result(other, procedure, WAMP_ARGS("[1]"), NULL)));
  SAME(next(by, WAMP_INVOCATION)->uri, procedure);
}

static wamp_session_t *opened(void) {
  wamp_session_t *session = NULL;
  WAIT(opens.got, 1);
  inbox_empty(&opens);
  GOOD(wamp_connection_session(connection, LIMIT_MS, &session));
  return session;
}

/* Ends the present session from outside; another one follows by itself. */
static void lose(void) {
  wamp_session_t *session = NULL;
  int64_t id;
  GOOD(wamp_connection_session(connection, LIMIT_MS, &session));
  id = scenario_id(session);
  GOOD(wamp_session_release(session));
  if (scenario_is_embedded()) {
    CHECK(wamp_router_kick(scenario.router, id, NULL) == 1);
  } else {
    char args[32];
    snprintf(args, sizeof args, "[%" PRId64 "]", id);
    GOOD(wamp_message_free(
        scenario_result(other, "wamp.session.kill", WAMP_PAYLOAD(args, "{\"reason\": \"" KICK "\"}"), NULL)));
  }
  GOOD(wamp_session_release(opened()));
}

static void restored(declared_t *of) {
  const wamp_value_t *outage;
  (void)next(of, WAMP_SUSPENDED);
  outage = wamp_value_get(wamp_event_details(next(of, WAMP_RESTORED)), "outage");
  CHECK(wamp_value_double(outage) > 0 && wamp_value_double(outage) < LIMIT_SECONDS);
}

/* Before the first session, in it, through losses, and after a close. */
static void outlives_sessions(void) {
  static declared_t topic = DECLARED, procedure = DECLARED, late_topic = DECLARED, late_procedure = DECLARED;
  declared_t *all[4] = {&topic, &procedure, &late_topic, &late_procedure};
  int i, times;
  subscribe(&topic, NAME "topic", "{\"match\": \"prefix\"}");
  offer(&procedure, NAME "procedure", NULL);
  GOOD(wamp_connection_open(connection));
  GOOD(wamp_session_release(opened()));
  CHECK(next(&topic, WAMP_SUBSCRIBED)->wamp_id > 0 && next(&procedure, WAMP_REGISTERED)->wamp_id > 0);
  subscribe(&late_topic, NAME "late", NULL);
  offer(&late_procedure, NAME "late", NULL);
  (void)next(&late_topic, WAMP_SUBSCRIBED);
  (void)next(&late_procedure, WAMP_REGISTERED);
  for (times = 0; times < 3; times++) {
    published(&topic, NAME "topic.below");
    published(&late_topic, NAME "late");
    called(&procedure, NAME "procedure");
    called(&late_procedure, NAME "late");
    lose();
    for (i = 0; i < 4; i++) restored(all[i]);
  }
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  for (i = 0; i < 4; i++) {
    (void)next(all[i], WAMP_SUSPENDED);
    CHECK(latch_count(&all[i]->freed) == 0);
  }
  scenario_refused(other, NAME "procedure", NULL, NULL, "wamp.error.no_such_procedure");
  GOOD(wamp_connection_open(connection));
  GOOD(wamp_session_release(opened()));
  for (i = 0; i < 4; i++) (void)next(all[i], WAMP_RESTORED);
  published(&topic, NAME "topic");
  called(&procedure, NAME "procedure");

  /* Ended while active. */
  CHECK(wamp_connection_unsubscribe(connection, topic.id, NULL, NULL, NULL) == 1);
  CHECK(wamp_connection_unregister(connection, procedure.id, NULL, NULL, NULL) == 1);
  WAIT(topic.freed, 1);
  WAIT(procedure.freed, 1);
  scenario_refused(other, NAME "procedure", NULL, NULL, "wamp.error.no_such_procedure");
  FAILS(wamp_connection_unsubscribe(connection, topic.id, NULL, NULL, NULL), WAMP_ERR_NO_SUCH_ID);
  FAILS(wamp_connection_unregister(connection, procedure.id, NULL, NULL, NULL), WAMP_ERR_NO_SUCH_ID);
  lose();
  restored(&late_topic);
  restored(&late_procedure);
  published(&late_topic, NAME "late");
  silent(&topic), silent(&procedure);
  CHECK(wamp_connection_unsubscribe(connection, late_topic.id, NULL, NULL, NULL) == 1);
  CHECK(wamp_connection_unregister(connection, late_procedure.id, NULL, NULL, NULL) == 1);
  WAIT(late_topic.freed, 1);
  WAIT(late_procedure.freed, 1);
  for (i = 0; i < 4; i++) CHECK(latch_count(&all[i]->freed) == 1);
}

/* Ended while it is being asked for, and while there is no session. */
static void ended_early(void) {
  static declared_t pending = DECLARED, offline = DECLARED, offline_procedure = DECLARED;
  static inbox_t ends = INBOX;
  static latch_t ends_freed = LATCH;
  wamp_session_t *session;
  wamp_message_t *list;
  subscribe(&pending, NAME "pending", NULL);
  GOOD(wamp_connection_unsubscribe(connection, pending.id, inbox_callback, &ends, NULL));
  WAIT(ends.got, 1);
  WAIT(pending.freed, 1);
  CHECK(inbox_event(&ends, 0, WAMP_UNSUBSCRIBED)->id == pending.id);
  inbox_empty(&ends);

  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  subscribe(&offline, NAME "offline", NULL);
  offer(&offline_procedure, NAME "offline", NULL);
  CHECK(wamp_connection_unsubscribe(connection, offline.id, inbox_callback, &ends, NULL) == 1);
  CHECK(wamp_connection_unregister(connection, offline_procedure.id, inbox_callback, &ends, NULL) == 1);
  CHECK(wamp_connection_unsubscribe(connection, offline.id, inbox_callback, &ends_freed, latch_free) ==
        WAMP_ERR_NO_SUCH_ID);
  CHECK(latch_count(&ends_freed) == 1);
  WAIT(ends.got, 2);
  CHECK(inbox_event(&ends, 0, WAMP_UNSUBSCRIBED)->id == offline.id);
  CHECK(inbox_event(&ends, 1, WAMP_UNREGISTERED)->id == offline_procedure.id);
  WAIT(offline.freed, 1);
  WAIT(offline_procedure.freed, 1);
  GOOD(wamp_connection_open(connection));
  session = opened();
  list = wamp_session_subscriptions(session);
  CHECK(wamp_value_size(wamp_event_args(wamp_message_event(list))) == 0);
  GOOD(wamp_message_free(list));
  GOOD(wamp_session_release(session));
  silent(&offline), silent(&offline_procedure);
  CHECK(latch_count(&offline.freed) == 1 && latch_count(&pending.freed) == 1);
  inbox_empty(&ends), inbox_empty(&pending.told); /* which may have become active first */
}

/* Two of one topic, and one of a session: they are the router's one subscription, and end one by one. */
static void several(void) {
  static declared_t one = DECLARED, two = DECLARED, of_session = DECLARED;
  wamp_session_t *session = NULL;
  GOOD(wamp_connection_session(connection, LIMIT_MS, &session));
  subscribe(&one, NAME "several", NULL);
  subscribe(&two, NAME "several", NULL);
  (void)next(&one, WAMP_SUBSCRIBED);
  (void)next(&two, WAMP_SUBSCRIBED);
  of_session.id = GOOD(
      wamp_session_subscribe_sync(session, NAME "several", NULL, on_told, &of_session, declared_free, LIMIT_MS));
  published(&one, NAME "several");
  (void)next(&two, WAMP_EVENT);
  (void)next(&of_session, WAMP_EVENT);
  /* Each kind of id has its own functions. */
  FAILS(wamp_session_unsubscribe(session, one.id, NULL, NULL, NULL), WAMP_ERR_NO_SUCH_ID);
  FAILS(wamp_connection_unsubscribe(connection, of_session.id, NULL, NULL, NULL), WAMP_ERR_NO_SUCH_ID);
  FAILS(wamp_connection_unregister(connection, one.id, NULL, NULL, NULL), WAMP_ERR_NO_SUCH_ID);
  CHECK(wamp_connection_unsubscribe(connection, one.id, NULL, NULL, NULL) == 0);
  CHECK(wamp_connection_unsubscribe(connection, two.id, NULL, NULL, NULL) == 0);
  published(&of_session, NAME "several");
  CHECK(wamp_session_unsubscribe_sync(session, of_session.id, LIMIT_MS) == 1);
  WAIT(one.freed, 1);
  WAIT(two.freed, 1);
  WAIT(of_session.freed, 1);
  silent(&one), silent(&two);
  GOOD(wamp_session_release(session));
}

/* A procedure that another session has: when it leaves, ours comes by itself. */
static void conflict(void) {
  static declared_t wanted = DECLARED;
  const wamp_event_t *error;
  int64_t taken =
      GOOD(wamp_session_register_sync(other, NAME "taken", NULL, scenario_echo, NULL, NULL, LIMIT_MS));
  offer(&wanted, NAME "taken", NULL);
  error = next(&wanted, WAMP_ERROR);
  CHECK(error->status == WAMP_ERR_REMOTE);
  SAME(error->uri, "wamp.error.procedure_already_exists");
  (void)next(&wanted, WAMP_ERROR); /* it has tried again */
  GOOD(wamp_session_unregister_sync(other, taken, LIMIT_MS));
  WAIT(wanted.told.got, 1);
  while (wamp_message_event(wanted.told.kept[0])->kind == WAMP_ERROR) {
    (void)next(&wanted, WAMP_ERROR);
    WAIT(wanted.told.got, 1);
  }
  (void)next(&wanted, WAMP_REGISTERED);
  called(&wanted, NAME "taken");

  /* The same after a loss, while a new session must wait for the place. */
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  (void)next(&wanted, WAMP_SUSPENDED);
  taken = GOOD(wamp_session_register_sync(other, NAME "taken", NULL, scenario_echo, NULL, NULL, LIMIT_MS));
  GOOD(wamp_connection_open(connection));
  GOOD(wamp_session_release(opened()));
  SAME(next(&wanted, WAMP_ERROR)->uri, "wamp.error.procedure_already_exists");
  GOOD(wamp_session_unregister_sync(other, taken, LIMIT_MS));
  WAIT(wanted.told.got, 1);
  while (wamp_message_event(wanted.told.kept[0])->kind == WAMP_ERROR) {
    (void)next(&wanted, WAMP_ERROR);
    WAIT(wanted.told.got, 1);
  }
  CHECK(wamp_value_double(wamp_value_get(wamp_event_details(next(&wanted, WAMP_RESTORED)), "outage")) > 0);
  called(&wanted, NAME "taken");
  CHECK(wamp_connection_unregister(connection, wanted.id, NULL, NULL, NULL) == 1);
  WAIT(wanted.freed, 1);
}

/* What the router refuses or revokes is asked for again in the next session. */
static void refused_and_revoked(void) {
  static declared_t refused = DECLARED, revoked = DECLARED;
  wamp_session_t *session = NULL;
  char args[64];
  offer(&refused, "wamp.not.ours", NULL);
  SAME(next(&refused, WAMP_ERROR)->uri, "wamp.error.invalid_uri");
  GOOD(wamp_connection_session(connection, LIMIT_MS, &session));
  subscribe(&revoked, NAME "revoked", NULL);
  snprintf(args, sizeof args, "[%" PRId64 ", %" PRId64 "]", next(&revoked, WAMP_SUBSCRIBED)->wamp_id,
           scenario_id(session));
  GOOD(wamp_session_release(session));
  GOOD(wamp_message_free(scenario_result(other, "wamp.subscription.remove_subscriber", WAMP_ARGS(args), NULL)));
  (void)next(&revoked, WAMP_UNSUBSCRIBED);
  CHECK(latch_count(&revoked.freed) == 0);
  silent(&refused);
  lose();
  SAME(next(&refused, WAMP_ERROR)->uri, "wamp.error.invalid_uri");
  (void)next(&revoked, WAMP_RESTORED);
  published(&revoked, NAME "revoked");
  CHECK(wamp_connection_unsubscribe(connection, revoked.id, NULL, NULL, NULL) == 1);
  CHECK(wamp_connection_unregister(connection, refused.id, NULL, NULL, NULL) == 1);
  WAIT(revoked.freed, 1);
  WAIT(refused.freed, 1);
}

static void invalid(void) {
  static declared_t never = DECLARED;
  static latch_t freed = LATCH;
  long times = 0;
#define REFUSED(call, status) (FAILS(call, status), CHECK(latch_count(&freed) == ++times))
  REFUSED(wamp_connection_subscribe(connection, NULL, NULL, on_told, NULL, &freed, latch_free), WAMP_ERR_ARGUMENT);
  REFUSED(wamp_connection_subscribe(connection, "\xff", NULL, on_told, NULL, &freed, latch_free), WAMP_ERR_UTF8);
  REFUSED(wamp_connection_subscribe(connection, "a..b", NULL, on_told, NULL, &freed, latch_free), WAMP_ERR_URI);
  REFUSED(wamp_connection_subscribe(connection, "a", "[]", on_told, NULL, &freed, latch_free), WAMP_ERR_OPTION);
  REFUSED(wamp_connection_register(connection, "a b", NULL, on_told, NULL, &freed, latch_free), WAMP_ERR_URI);
  REFUSED(wamp_connection_register(connection, "a", "{\"match\": 7}", on_told, NULL, &freed, latch_free),
          WAMP_ERR_OPTION);
  if (!scenario_is_manual()) {
    REFUSED(wamp_connection_subscribe(connection, "a", NULL, NULL, NULL, &freed, latch_free), WAMP_ERR_ARGUMENT);
    REFUSED(wamp_connection_register(connection, "a", NULL, NULL, NULL, &freed, latch_free), WAMP_ERR_ARGUMENT);
  }
  offer(&never, NAME "once", NULL);
  REFUSED(wamp_connection_register(connection, NAME "once", NULL, on_told, NULL, &freed, latch_free), WAMP_ERR_STATE);
  (void)next(&never, WAMP_REGISTERED);
  CHECK(wamp_connection_unregister(connection, never.id, NULL, NULL, NULL) == 1);
  WAIT(never.freed, 1);
}

int main(int argc, char **argv) {
  static declared_t to_the_end = DECLARED, to_the_end_too = DECLARED;
  wamp_connection_t *b;
  scenario_begin(argc, argv, "durable");
  b = scenario_connection("thread", NULL);
  other = scenario_join(b);
  connection = scenario_connection(scenario.mode, "\"initial_retry_delay\": 0.01, \"retry_reasons\": [\"" KICK "\"]");
  GOOD(wamp_connection_on_open(connection, inbox_callback, &opens, NULL));
  outlives_sessions();
  ended_early();
  several();
  conflict();
  refused_and_revoked();
  invalid();

  /* With the connection everything ends. */
  subscribe(&to_the_end, NAME "end", NULL);
  offer(&to_the_end_too, NAME "end", NULL);
  (void)next(&to_the_end, WAMP_SUBSCRIBED);
  scenario_unpump(connection);
  GOOD(wamp_connection_free(connection));
  WAIT(to_the_end.freed, 1);
  WAIT(to_the_end_too.freed, 1);
  scenario_leave(b, other);
  CHECK(latch_count(&to_the_end.freed) == 1 && latch_count(&to_the_end_too.freed) == 1);
  inbox_empty(&to_the_end.told), inbox_empty(&to_the_end_too.told);
  return scenario_end();
}
