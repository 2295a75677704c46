/* What a session and its connection can be asked: who and where they are, what they can do, what is subscribed and
 * registered, URI shortcuts, the log, the transport, and numbers. */
#include "scenario.h"

#define NAME "com.example.session."

/* ---- the log, kept ---- */

static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static char log_text[1 << 20];
static size_t log_size;

static void keep_log(int level, const char *line, void *user_data) {
  size_t size = strlen(line);
  (void)level;
  (void)user_data;
  pthread_mutex_lock(&log_mutex);
  if (log_size + size + 2 < sizeof log_text) {
    memcpy(log_text + log_size, line, size);
    log_text[log_size + size] = '\n';
    log_text[log_size += size + 1] = 0;
  }
  pthread_mutex_unlock(&log_mutex);
}

static bool log_has(const char *text) {
  bool has;
  pthread_mutex_lock(&log_mutex);
  has = strstr(log_text, text) != NULL;
  pthread_mutex_unlock(&log_mutex);
  return has;
}

static void log_empty(void) {
  pthread_mutex_lock(&log_mutex);
  log_text[log_size = 0] = 0;
  pthread_mutex_unlock(&log_mutex);
}

/* ---- who and where ---- */

static void identity(wamp_connection_t *connection, wamp_session_t *session) {
  const wamp_value_t *details = wamp_session_details(session);
  wamp_session_t *same = NULL;
  wamp_message_t *features;
  const wamp_value_t *roles;
  CHECK(scenario_id(session) > 0 && scenario_id(session) <= INT64_C(1) << 53);
  SAME(wamp_session_realm(session), scenario.realm);
  CHECK(wamp_session_is_open(session) == 1 && wamp_connection_is_open(connection) == 1);
  SAME(scenario_text(details, "authrole"), "anonymous");
  CHECK(wamp_value_type(wamp_value_get(wamp_value_get(details, "roles"), "broker")) == WAMP_TYPE_DICT);
  GOOD(wamp_connection_session(connection, 0, &same));
  CHECK(scenario_id(same) == scenario_id(session));
  GOOD(wamp_session_release(same));

  features = wamp_session_features(session);
  roles = wamp_event_kwargs(wamp_message_event(features));
  CHECK(wamp_value_size(roles) == 6 && wamp_message_event(features)->kind == 0);
  CHECK(wamp_value_bool(wamp_value_get(wamp_value_get(roles, "caller"), "progressive_call_results")));
  CHECK(wamp_value_type(wamp_value_get(wamp_value_get(roles, "caller"), "call_timeout")) == WAMP_TYPE_BOOL);
  CHECK(wamp_value_bool(wamp_value_get(wamp_value_get(roles, "broker"), "publisher_exclusion")));
  GOOD(wamp_message_free(features));
}

/* ---- what is subscribed and registered ---- */

/* The entry with this id; the number of entries goes to `count`. */
static bool listed(wamp_message_t *list, int64_t id, const char *key, const char *uri, const char *match,
                   size_t count) {
  const wamp_value_t *entries = wamp_event_args(wamp_message_event(list));
  bool found = false;
  size_t i;
  CHECK(wamp_value_size(entries) == count);
  for (i = 0; i < count; i++) {
    const wamp_value_t *entry = wamp_value_at(entries, i);
    if (scenario_int(entry, "id") != id) continue;
    CHECK(scenario_int(entry, "wamp_id") > 0);
    SAME(scenario_text(entry, key), uri);
    SAME(scenario_text(entry, "match"), match);
    found = true;
  }
  GOOD(wamp_message_free(list));
  return found;
}

static void lists(wamp_session_t *session) {
  int64_t a, b, c, p;
  CHECK(!listed(wamp_session_subscriptions(session), 0, "topic", "", "", 0));
  CHECK(!listed(wamp_session_registrations(session), 0, "procedure", "", "", 0));
  a = GOOD(wamp_session_subscribe_sync(session, NAME "a", NULL, wamp_log_event, NULL, NULL, LIMIT_MS));
  b = GOOD(wamp_session_subscribe_sync(session, NAME "a", NULL, wamp_log_event, NULL, NULL, LIMIT_MS));
  c = GOOD(wamp_session_subscribe_sync(session, NAME "c", "{\"match\": \"prefix\"}", wamp_log_event, NULL, NULL,
                                       LIMIT_MS));
  p = GOOD(wamp_session_register_sync(session, NAME "p", NULL, scenario_echo, NULL, NULL, LIMIT_MS));
  CHECK(listed(wamp_session_subscriptions(session), a, "topic", NAME "a", "exact", 3));
  CHECK(listed(wamp_session_subscriptions(session), b, "topic", NAME "a", "exact", 3));
  CHECK(listed(wamp_session_subscriptions(session), c, "topic", NAME "c", "prefix", 3));
  CHECK(listed(wamp_session_registrations(session), p, "procedure", NAME "p", "exact", 1));

  /* The first of two handlers goes: the router need not know. */
  CHECK(wamp_session_unsubscribe(session, a, NULL, NULL, NULL) == 0);
  CHECK(!listed(wamp_session_subscriptions(session), a, "topic", "", "", 2));
  CHECK(wamp_session_unsubscribe_sync(session, b, LIMIT_MS) == 1);
  CHECK(wamp_session_unsubscribe_sync(session, c, LIMIT_MS) == 1);
  GOOD(wamp_session_unregister_sync(session, p, LIMIT_MS));
  CHECK(!listed(wamp_session_subscriptions(session), 0, "topic", "", "", 0));
  CHECK(!listed(wamp_session_registrations(session), 0, "procedure", "", "", 0));
}

/* Each handler of a topic hears each event once. */
static void several_handlers(wamp_session_t *session) {
  static inbox_t one = INBOX, two = INBOX, gone = INBOX;
  int64_t first = GOOD(wamp_session_subscribe_sync(session, NAME "t", NULL, inbox_callback, &one, NULL, LIMIT_MS));
  int64_t second = GOOD(wamp_session_subscribe_sync(session, NAME "t", NULL, inbox_callback, &two, NULL, LIMIT_MS));
  GOOD(wamp_session_publish(session, NAME "t", NULL, "{\"exclude_me\": false}"));
  WAIT(one.got, 1);
  WAIT(two.got, 1);
  CHECK(inbox_event(&one, 0, WAMP_EVENT)->id == first && inbox_event(&two, 0, WAMP_EVENT)->id == second);
  CHECK(inbox_event(&one, 0, WAMP_EVENT)->wamp_id == inbox_event(&two, 0, WAMP_EVENT)->wamp_id);
  CHECK(wamp_session_unsubscribe(session, first, inbox_callback, &gone, NULL) == 0);
  WAIT(gone.got, 1); /* told always, also where the router had nothing to do */
  CHECK(inbox_event(&gone, 0, WAMP_UNSUBSCRIBED)->id == first);
  GOOD(wamp_session_publish(session, NAME "t", NULL, "{\"exclude_me\": false}"));
  WAIT(two.got, 2);
  CHECK(latch_count(&one.got) == 1);
  CHECK(wamp_session_unsubscribe(session, second, inbox_callback, &gone, NULL) == 1);
  WAIT(gone.got, 2);
  inbox_empty(&one), inbox_empty(&two), inbox_empty(&gone);
}

/* ---- shortcuts ---- */

static void on_curie(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  SAME(event->uri, NAME "fail");
  GOOD(wamp_invocation_error(event->invocation, "s:error", NULL));
}

static void *call_curie(void *session) {
  FAILS(wamp_session_call_sync(session, "s:fail", NULL, NULL, LIMIT_MS, NULL), WAMP_ERR_REMOTE);
  CHECK(strstr(wamp_last_error(), NAME "error"));
  return NULL;
}

static void shortcuts(wamp_connection_t *connection, wamp_session_t *session, wamp_session_t *caller) {
  static inbox_t events = INBOX, done = INBOX;
  static const char *const bad[][2] = {{"", "com.example"},   {"a.b", "com.example"}, {"a b", "com.example"},
                                       {"a:b", "com.example"}, {"x", "com.example."},  {"x", "com..example"},
                                       {"x", ""},              {"x", "com example"},   {"x", ".com"}};
  char uri[64];
  size_t i;
  int64_t topic, procedure, durable;
  pthread_t thread;
  for (i = 0; i < sizeof bad / sizeof *bad; i++) FAILS(wamp_session_prefix(session, bad[i][0], bad[i][1]), WAMP_ERR_URI);
  FAILS(wamp_session_prefix(session, NULL, "com.example"), WAMP_ERR_ARGUMENT);
  FAILS(wamp_session_prefix(session, "\xff", "com.example"), WAMP_ERR_UTF8);
  FAILS(wamp_session_resolve(session, NULL, uri, sizeof uri), WAMP_ERR_ARGUMENT);
  FAILS(wamp_session_resolve(session, "x", NULL, 3), WAMP_ERR_ARGUMENT);

  GOOD(wamp_session_prefix(session, "s", "com.example.nothing"));
  GOOD(wamp_session_prefix(session, "s", "com.example.session"));
  GOOD(wamp_session_prefix(caller, "s", "com.example.session"));
  CHECK(GOOD(wamp_session_resolve(session, "s:add2", uri, sizeof uri)) == (int)strlen(NAME "add2"));
  SAME(uri, NAME "add2");
  CHECK(wamp_session_resolve(session, "s:add2", NULL, 0) == (int)strlen(NAME "add2"));
  memset(uri, 'x', sizeof uri);
  CHECK(wamp_session_resolve(session, "s:add2", uri, 4) == (int)strlen(NAME "add2"));
  CHECK(uri[4] == 'x' && memchr(uri, 0, 4)); /* cut off or empty, but ended within its bytes */
  CHECK(wamp_session_resolve(session, "unknown:add2", uri, sizeof uri) == 12);
  SAME(uri, "unknown:add2");

  topic = GOOD(wamp_session_subscribe_sync(session, "s:topic", NULL, inbox_callback, &events, NULL, LIMIT_MS));
  GOOD(wamp_session_publish(caller, "s:topic", NULL, NULL));
  WAIT(events.got, 1);
  GOOD(wamp_session_publish_ack_sync(caller, "s:topic", NULL, NULL, LIMIT_MS, NULL));
  WAIT(events.got, 2);
  GOOD(wamp_session_publish_ack(caller, "s:topic", NULL, NULL, inbox_callback, &done, NULL));
  WAIT(events.got, 3);
  WAIT(done.got, 1);
  for (i = 0; i < 3; i++) SAME(inbox_event(&events, (int)i, WAMP_EVENT)->uri, NAME "topic");
  CHECK(wamp_session_unsubscribe_sync(session, topic, LIMIT_MS) == 1);

  procedure = GOOD(wamp_session_register_sync(session, "s:fail", NULL, on_curie, NULL, NULL, LIMIT_MS));
  scenario_refused(caller, "s:fail", NULL, NULL, NAME "error");
  if (!scenario_is_manual()) {
    CHECK(pthread_create(&thread, NULL, call_curie, caller) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
  }
  GOOD(wamp_session_unregister_sync(session, procedure, LIMIT_MS));

  inbox_empty(&done), inbox_empty(&events);
  durable = GOOD(wamp_connection_subscribe(connection, "s:durable", NULL, inbox_callback, NULL, &events, NULL));
  scenario_settle(session);
  GOOD(wamp_session_publish(caller, NAME "durable", NULL, NULL));
  WAIT(events.got, 1);
  GOOD(wamp_connection_unsubscribe(connection, durable, NULL, NULL, NULL));

  GOOD(wamp_session_prefix(session, "s", NULL));
  GOOD(wamp_session_prefix(session, "s", NULL)); /* removing what is not there is no error */
  CHECK(wamp_session_resolve(session, "s:add2", uri, sizeof uri) == 6);
  inbox_empty(&events), inbox_empty(&done);
}

/* ---- the log ---- */

static void logging(wamp_session_t *session) {
  static latch_t freed = LATCH;
  char line[256];
  int64_t topic;
  /* Even where the level lets nothing pass. */
  GOOD(wamp_set_log(WAMP_LOG_OFF, keep_log, &freed, latch_free));
  GOOD(wamp_session_log(session, "the answer is \xc3\xa4 42"));
  snprintf(line, sizeof line, "WAMP session %" PRId64 " on '%s' at ", scenario_id(session), scenario.realm);
  CHECK(log_has(line) && log_has(" ms: the answer is \xc3\xa4 42\n"));
  FAILS(wamp_session_log(session, NULL), WAMP_ERR_ARGUMENT);
  FAILS(wamp_session_log(session, "\xff"), WAMP_ERR_UTF8);
  log_empty();

  /* An event that logs itself, and a call whose outcome does. */
  topic = GOOD(wamp_session_subscribe_sync(session, NAME "logged", NULL, wamp_log_event, NULL, NULL, LIMIT_MS));
  GOOD(wamp_session_publish(session, NAME "logged", WAMP_PAYLOAD("[\"news\"]", "{\"a\": 1}"), "{\"exclude_me\": false}"));
  GOOD(wamp_session_call(session, NAME "nobody", NULL, NULL, wamp_log_event, NULL, NULL));
  scenario_settle(session);
  scenario_settle(session);
  CHECK(log_has("EVENT " NAME "logged") && log_has("\"news\"") && log_has("\"a\""));
  CHECK(log_has("ERROR wamp.error.no_such_procedure"));
  wamp_log_event(NULL, NULL); /* of no use, and no crash */
  GOOD(wamp_session_unsubscribe_sync(session, topic, LIMIT_MS));

  CHECK(latch_count(&freed) == 0);
  GOOD(wamp_set_log(WAMP_LOG_OFF, NULL, NULL, NULL));
  CHECK(latch_count(&freed) == 1);
  FAILS(wamp_set_log(99, keep_log, &freed, latch_free), WAMP_ERR_ARGUMENT);
  CHECK(latch_count(&freed) == 2);
  log_empty();
}

/* Every message is in the trace, but no secret: this needs a router that asks for one. */
static void traced(void) {
  static inbox_t ends = INBOX;
  wamp_router_t *router = wamp_router_new("{\"auth\": {\"ticket\": {\"joe\": {\"ticket\": \"xyzzy-secret\"}}}}");
  wamp_connection_t *connection;
  wamp_session_t *session;
  char options[256];
  CHECK(router != NULL);
  GOOD(wamp_router_listen(router, "ws://127.0.0.1:0/ws", NULL));
  GOOD(wamp_set_log(WAMP_LOG_TRACE, keep_log, NULL, NULL));
  snprintf(options, sizeof options,
           "{\"url\": \"%s\", \"realm\": \"realm1\", \"authid\": \"joe\", \"ticket\": \"xyzzy-secret\", \"trace\": true}",
           wamp_router_url(router));
  connection = wamp_connection_new(options);
  CHECK(connection != NULL);
  GOOD(wamp_connection_on_close(connection, inbox_callback, &ends, NULL));
  session = scenario_join(connection);
  GOOD(wamp_session_call_sync(session, "wamp.session.count", WAMP_ARGS("[]"), NULL, LIMIT_MS, NULL));
  GOOD(wamp_session_release(session));
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  GOOD(wamp_connection_free(connection));
  GOOD(wamp_router_free(router));
  CHECK(log_has("[1,\"realm1\",") && log_has("[4,\"ticket\"") && log_has("[5,\"***\"") && log_has("[2,"));
  CHECK(log_has("[48,") && log_has("[50,") && log_has("[6,"));
  CHECK(!log_has("xyzzy"));
  GOOD(wamp_set_log(WAMP_LOG_OFF, NULL, NULL, NULL));
  inbox_empty(&ends);
}

/* ---- transport and numbers ---- */

static void transport(wamp_connection_t *connection, bool up) {
  wamp_message_t *message = wamp_connection_transport(connection);
  const wamp_value_t *info = wamp_event_kwargs(wamp_message_event(message));
  SAME(scenario_text(info, "type"), up ? "websocket" : "none");
  if (up) SAME(scenario_text(info, "url"), scenario.url);
  if (up) SAME(scenario_text(info, "protocol"), "wamp.2.json");
  if (!up) CHECK(wamp_value_type(wamp_value_get(info, "url")) == WAMP_TYPE_NULL);
  GOOD(wamp_message_free(message));
}

typedef struct numbers_t {
  int64_t calls, results, publishes, events, sent, received, sessions, reconnects, pending, told;
} numbers_t;

static numbers_t numbers(wamp_connection_t *connection) {
  wamp_message_t *message = wamp_connection_stats(connection);
  const wamp_value_t *stats = wamp_event_kwargs(wamp_message_event(message));
  const wamp_value_t *sent = wamp_value_get(stats, "sent"), *received = wamp_value_get(stats, "received");
  numbers_t n = {scenario_int(wamp_value_get(sent, "messages"), "CALL"),
                 scenario_int(wamp_value_get(received, "messages"), "RESULT"),
                 scenario_int(wamp_value_get(sent, "messages"), "PUBLISH"),
                 scenario_int(wamp_value_get(received, "messages"), "EVENT"),
                 scenario_int(sent, "bytes"),
                 scenario_int(received, "bytes"),
                 scenario_int(stats, "sessions"),
                 scenario_int(stats, "reconnects"),
                 scenario_int(stats, "pending"),
                 scenario_int(wamp_value_get(stats, "handlers"), "events")};
  CHECK(scenario_int(stats, "send_queue_bytes") >= 0 && scenario_int(stats, "receive_queue_bytes") >= 0);
  GOOD(wamp_message_free(message));
  return n;
}

static void statistics(wamp_connection_t *connection, wamp_session_t *session) {
  static inbox_t events = INBOX;
  numbers_t before, after;
  int i;
  int64_t topic = GOOD(wamp_session_subscribe_sync(session, NAME "n", NULL, inbox_callback, &events, NULL, LIMIT_MS));
  before = numbers(connection);
  CHECK(before.sessions == 1 && before.reconnects == 0 && before.pending == 0);
  for (i = 0; i < 5; i++) GOOD(wamp_session_publish(session, NAME "n", WAMP_ARGS("[1]"), "{\"exclude_me\": false}"));
  WAIT(events.got, 5);
  for (i = 0; i < 3; i++) scenario_settle(session);
  after = numbers(connection);
  CHECK(after.publishes - before.publishes == 5 && after.events - before.events == 5);
  CHECK(after.calls - before.calls == 3 && after.results - before.results == 3);
  CHECK(after.sent - before.sent > 5 * 40 && after.received - before.received > 5 * 20);
  CHECK(after.told - before.told >= 5); /* a callback counts when its batch is done */
  GOOD(wamp_session_unsubscribe_sync(session, topic, LIMIT_MS));
  inbox_empty(&events);
}

/* A session that was lost is counted, and what it has carried is not forgotten. */
static void after_a_loss(wamp_connection_t *connection, int64_t session) {
  static inbox_t opens = INBOX;
  numbers_t before = numbers(connection), after;
  wamp_message_t *message;
  const wamp_value_t *end;
  GOOD(wamp_connection_on_open(connection, inbox_callback, &opens, NULL));
  CHECK(wamp_router_kick(scenario.router, session, NULL) == 1);
  WAIT(opens.got, 1);
  after = numbers(connection);
  CHECK(after.sessions == 2 && after.reconnects == 1 && after.calls == before.calls && after.sent > before.sent);
  message = wamp_connection_stats(connection);
  end = wamp_value_get(wamp_event_kwargs(wamp_message_event(message)), "last_end");
  SAME(scenario_text(end, "class"), "lost");
  GOOD(wamp_message_free(message));
  GOOD(wamp_connection_on_open(connection, NULL, NULL, NULL));
  inbox_empty(&opens);
}

int main(int argc, char **argv) {
  wamp_connection_t *connection, *other;
  wamp_session_t *session, *caller;
  int64_t id;
  scenario_begin(argc, argv, "session");
  connection = scenario_connection(scenario.mode, "\"initial_retry_delay\": 0.01");
  other = scenario_connection("thread", NULL);
  transport(connection, false);
  session = scenario_join(connection);
  caller = scenario_join(other);
  transport(connection, true);
  identity(connection, session);
  statistics(connection, session);
  lists(session);
  several_handlers(session);
  shortcuts(connection, session, caller);
  logging(session);
  traced();

  id = scenario_id(session);
  if (scenario_is_embedded()) after_a_loss(connection, id);
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  transport(connection, false);
  CHECK(wamp_session_is_open(session) == 0 && scenario_id(session) == id);
  SAME(wamp_session_realm(session), scenario.realm);
  CHECK(scenario_text(wamp_session_details(session), "authid") != NULL);
  GOOD(wamp_session_release(session));
  scenario_unpump(connection);
  GOOD(wamp_connection_free(connection));
  scenario_leave(other, caller);
  return scenario_end();
}
