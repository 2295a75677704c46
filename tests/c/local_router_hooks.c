/* The program decides who may join its router and what clients may do: at once or later, in each dispatch mode, and
 * whatever happens meanwhile. */
#include "scenario.h"

#define URI "com.example.hooks."

/* ---- a router whose questions this program answers ---- */

static wamp_router_t *router;
static char url[256];
static latch_t freed = LATCH;
static latch_t stop = LATCH;
static pthread_t pump;

/* In manual mode a thread of ours dispatches: it waits for the fd, as a host's loop does. */
static void *pumping(void *unused) {
  (void)unused;
  while (latch_count(&stop) == 0) {
    struct pollfd waiting = {GOOD(wamp_router_fd(router)), POLLIN, 0};
    if (poll(&waiting, 1, 50) > 0) GOOD(wamp_router_dispatch(router, 0, 0));
  }
  return NULL;
}

static void start(const char *more, wamp_callback_t on_authenticate, wamp_callback_t on_authorize, void *app) {
  char config[512];
  const char *listening = NULL;
  snprintf(config, sizeof config, "{\"dispatch\": \"%s\"%s%s}", scenario.mode, more ? ", " : "", more ? more : "");
  router = wamp_router_new(config);
  CHECK(router != NULL);
  if (on_authenticate) GOOD(wamp_router_on_authenticate(router, on_authenticate, app, NULL));
  if (on_authorize) GOOD(wamp_router_on_authorize(router, on_authorize, app, NULL));
  GOOD(wamp_router_listen(router, "ws://127.0.0.1:0/ws", &listening));
  snprintf(url, sizeof url, "%s", listening);
  latch_init(&stop);
  if (scenario_is_manual()) CHECK(pthread_create(&pump, NULL, pumping, NULL) == 0);
}

static void unpump(void) {
  latch_hit(&stop);
  if (scenario_is_manual()) CHECK(pthread_join(pump, NULL) == 0);
}

static void end(void) {
  GOOD(wamp_router_close(router, LIMIT_MS));
  unpump();
  GOOD(wamp_router_free(router));
}

/* A client of that router, opening, whose end is told to `closed`. */
static wamp_connection_t *client(const char *more, inbox_t *closed) {
  char options[512];
  wamp_connection_t *connection;
  snprintf(options, sizeof options, "{\"url\": \"%s\", \"realm\": \"realm1\", \"max_retries\": 0%s%s}", url,
           more ? ", " : "", more ? more : "");
  connection = wamp_connection_new(options);
  CHECK(connection != NULL);
  if (closed) GOOD(wamp_connection_on_close(connection, inbox_callback, closed, NULL));
  GOOD(wamp_connection_open(connection));
  return connection;
}

static wamp_session_t *joined(wamp_connection_t *connection) {
  wamp_session_t *session = NULL;
  GOOD(wamp_connection_session(connection, LIMIT_MS, &session));
  return session;
}

static void leave(wamp_connection_t *connection, wamp_session_t *session) {
  if (session) GOOD(wamp_session_release(session));
  (void)wamp_connection_close(connection, NULL, NULL, LIMIT_MS);
  GOOD(wamp_connection_free(connection));
}

/* A client that is turned away with this reason, and is told these words. */
static void refused(wamp_connection_t *connection, inbox_t *closed, const char *reason, const char *words) {
  const wamp_value_t *details;
  WAIT(closed->got, 1);
  details = wamp_event_details(inbox_event(closed, 0, WAMP_CLOSE));
  SAME(scenario_text(details, "reason"), reason);
  CHECK(strstr(scenario_text(details, "message"), words) != NULL);
  inbox_empty(closed);
  leave(connection, NULL);
}

/* ---- logins ---- */

#define FAILED "wamp.error.authentication_failed"
#define WRONG "the authid is not known"

/* The question that waits for main. */
static latch_t asked = LATCH;
static wamp_question_t *kept;

static void keep(const wamp_event_t *event) {
  kept = wamp_event_question(event);
  CHECK(kept != NULL);
  GOOD(wamp_question_retain(kept));
  latch_hit(&asked);
}

/* What it does follows from who asks. */
static void on_authenticate(const wamp_event_t *event, void *user_data) {
  const wamp_value_t *details = wamp_event_details(event);
  const char *authid = scenario_text(details, "authid");
  wamp_question_t *question = wamp_event_question(event);
  CHECK(event->kind == WAMP_AUTHENTICATE && event->user_data == user_data && event->connection == NULL);
  CHECK(question != NULL && event->session == NULL && event->wamp_id == scenario_int(details, "session"));
  SAME(event->uri, "realm1");
  SAME(scenario_text(details, "realm"), "realm1");
  SAME(scenario_text(wamp_value_get(details, "transport"), "peer"), "127.0.0.1");
  if (!authid) {
    GOOD(wamp_question_allow(question, NULL));
  } else if (strcmp(authid, "joe") == 0) {
    FAILS(wamp_question_allow(question, "{\"role\": \"x\"}"), WAMP_ERR_OPTION);
    CHECK(strstr(wamp_last_error(), "authrole") != NULL);
    FAILS(wamp_question_allow(question, "{"), WAMP_ERR_OPTION);
    FAILS(wamp_question_allow(question, "{\"authid\": \"\xff\"}"), WAMP_ERR_UTF8);
    FAILS(wamp_question_challenge(question, NULL, NULL), WAMP_ERR_ARGUMENT);
    FAILS(wamp_question_challenge(question, "ticket", "1"), WAMP_ERR_OPTION);
    FAILS(wamp_question_deny(question, "no uri", NULL), WAMP_ERR_URI);
    GOOD(wamp_question_allow(question, "{\"authid\": \"joseph\", \"authrole\": \"admin\", \"authextra\": {\"a\": 1}}"));
    FAILS(wamp_question_allow(question, NULL), WAMP_ERR_STATE);
    FAILS(wamp_question_deny(question, NULL, NULL), WAMP_ERR_STATE);
    FAILS(wamp_question_challenge(question, "ticket", NULL), WAMP_ERR_STATE);
  } else if (strcmp(authid, "eve") == 0) {
    GOOD(wamp_question_deny(question, NULL, NULL));
  } else if (strcmp(authid, "busy") == 0) {
    GOOD(wamp_question_deny(question, "com.example.busy", "come back later"));
  } else if (strcmp(authid, "later") == 0) {
    keep(event);
  } else if (strcmp(authid, "forgotten") == 0) {
    /* Neither answered nor kept. */
  } else if (strcmp(authid, "steps") == 0) {
    const char *signature = scenario_text(details, "signature");
    int64_t round = scenario_int(wamp_value_get(details, "challenge"), "round");
    if (!signature) {
      GOOD(wamp_question_challenge(question, "ticket", "{\"round\": 1}"));
    } else if (round == 1) {
      SAME(signature, "secret");
      SAME(scenario_text(details, "method"), "ticket");
      GOOD(wamp_question_challenge(question, "ticket", "{\"round\": 2}"));
    } else {
      GOOD(wamp_question_allow(question, "{\"authrole\": \"stepped\"}"));
    }
  }
}

static void *allowing(void *unused) {
  (void)unused;
  GOOD(wamp_question_allow(kept, "{\"authrole\": \"late\"}"));
  FAILS(wamp_question_allow(kept, NULL), WAMP_ERR_STATE);
  GOOD(wamp_question_release(kept));
  FAILS(wamp_question_release(kept), WAMP_ERR_HANDLE);
  FAILS(wamp_question_allow(kept, NULL), WAMP_ERR_HANDLE);
  return NULL;
}

static void expect_role(const char *more, const char *authid, const char *authrole) {
  wamp_connection_t *connection = client(more, NULL);
  wamp_session_t *session = joined(connection);
  const wamp_value_t *details = wamp_session_details(session);
  if (authid) SAME(scenario_text(details, "authid"), authid);
  SAME(scenario_text(details, "authrole"), authrole);
  leave(connection, session);
}

static void logins(void) {
  inbox_t closed = INBOX;
  wamp_connection_t *connection;
  wamp_session_t *session;
  pthread_t other;
  start("\"question_timeout\": 60", on_authenticate, NULL, &asked);
  expect_role(NULL, NULL, "anonymous");
  expect_role("\"authid\": \"joe\"", "joseph", "admin");
  expect_role("\"authid\": \"steps\", \"ticket\": \"secret\"", "steps", "stepped");
  refused(client("\"authid\": \"eve\"", &closed), &closed, FAILED, WRONG);
  refused(client("\"authid\": \"busy\"", &closed), &closed, "com.example.busy", "come back later");
  refused(client("\"authid\": \"forgotten\"", &closed), &closed, FAILED, WRONG);

  /* Later, from another thread, while others come in. */
  connection = client("\"authid\": \"later\"", NULL);
  WAIT(asked, 1);
  expect_role("\"authid\": \"joe\"", "joseph", "admin");
  CHECK(pthread_create(&other, NULL, allowing, NULL) == 0);
  session = joined(connection);
  CHECK(pthread_join(other, NULL) == 0);
  SAME(scenario_text(wamp_session_details(session), "authrole"), "late");
  leave(connection, session);

  /* Given back without an answer. */
  connection = client("\"authid\": \"later\"", &closed);
  WAIT(asked, 2);
  GOOD(wamp_question_release(kept));
  refused(connection, &closed, FAILED, WRONG);

  /* The client has left meanwhile: nobody takes the answer any more. */
  connection = client("\"authid\": \"later\"", NULL);
  WAIT(asked, 3);
  leave(connection, NULL);
  for (;;) {
    wamp_message_t *stats = wamp_router_stats(router);
    int64_t clients = scenario_int(wamp_event_kwargs(wamp_message_event(stats)), "clients");
    GOOD(wamp_message_free(stats));
    if (clients == 0) break;
    poll(NULL, 0, 1);
  }
  FAILS(wamp_question_allow(kept, NULL), WAMP_ERR_CLOSED);
  GOOD(wamp_question_release(kept));
  latch_init(&asked);
  end();
}

/* ---- requests ---- */

static latch_t requests = LATCH;

static void on_authorize(const wamp_event_t *event, void *user_data) {
  const wamp_value_t *details = wamp_event_details(event);
  wamp_question_t *question = wamp_event_question(event);
  const char *action = scenario_text(details, "action");
  CHECK(event->kind == WAMP_AUTHORIZE && event->user_data == user_data && question != NULL);
  CHECK(event->wamp_id == scenario_int(details, "session"));
  SAME(scenario_text(details, "uri"), event->uri);
  SAME(scenario_text(details, "authrole"), "anonymous");
  SAME(scenario_text(details, "realm"), "realm1");
  FAILS(wamp_question_challenge(question, "ticket", NULL), WAMP_ERR_OPTION);
  FAILS(wamp_question_allow(question, "{\"authid\": \"joe\"}"), WAMP_ERR_OPTION);
  latch_hit(&requests);
  if (strstr(event->uri, "later")) {
    keep(event);
  } else if (strcmp(event->uri, URI "cached") == 0) {
    GOOD(wamp_question_allow(question, "{\"cache\": true}"));
  } else if (strcmp(event->uri, URI "secret") == 0) {
    GOOD(wamp_question_deny(question, NULL, NULL));
  } else if (strcmp(scenario_text(details, "match"), "prefix") == 0) {
    SAME(action, "subscribe");
    GOOD(wamp_question_deny(question, "com.example.too_wide", "no patterns"));
  } else if (strcmp(event->uri, URI "forgotten") != 0) {
    GOOD(wamp_question_allow(question, NULL));
  }
}

static void ignore(const wamp_event_t *event, void *user_data) {
  (void)event;
  (void)user_data;
}

static void actions(void) {
  wamp_connection_t *connection, *other;
  wamp_session_t *session, *others;
  inbox_t done = INBOX;
  long before;
  start(NULL, NULL, on_authorize, &requests);
  connection = client(NULL, NULL);
  session = joined(connection);
  GOOD(wamp_session_register_sync(session, URI "echo", NULL, scenario_echo, NULL, NULL, LIMIT_MS));
  GOOD(wamp_message_free(scenario_result(session, URI "echo", NULL, NULL)));
  scenario_refused(session, URI "secret", NULL, NULL, "wamp.error.not_authorized");
  scenario_refused(session, URI "forgotten", NULL, NULL, "wamp.error.not_authorized");
  CHECK(wamp_session_subscribe_sync(session, URI, "{\"match\": \"prefix\"}", ignore, NULL, NULL, LIMIT_MS) ==
        WAMP_ERR_REMOTE);
  CHECK(strstr(wamp_last_error(), "no patterns") != NULL);
  CHECK(latch_count(&requests) == 5);
  GOOD(wamp_session_publish_ack_sync(session, URI "cached", NULL, NULL, LIMIT_MS, NULL));
  GOOD(wamp_session_publish_ack_sync(session, URI "cached", NULL, NULL, LIMIT_MS, NULL));
  CHECK(latch_count(&requests) == 6);

  /* While one waits, its later requests do too, and nobody else's. */
  before = latch_count(&requests);
  GOOD(wamp_session_publish_ack(session, URI "later", NULL, NULL, inbox_callback, &done, NULL));
  GOOD(wamp_session_publish_ack(session, URI "cached", NULL, NULL, inbox_callback, &done, NULL));
  WAIT(asked, 1);
  other = client(NULL, NULL);
  others = joined(other);
  scenario_refused(others, URI "none", NULL, NULL, "wamp.error.no_such_procedure");
  CHECK(latch_count(&done.got) == 0 && latch_count(&requests) == before + 2);
  GOOD(wamp_question_allow(kept, NULL));
  GOOD(wamp_question_release(kept));
  WAIT(done.got, 2);
  inbox_event(&done, 0, WAMP_PUBLISHED);
  inbox_event(&done, 1, WAMP_PUBLISHED);
  inbox_empty(&done);
  leave(other, others);
  leave(connection, session);
  latch_init(&asked);
  end();
}

/* ---- the end of the router, and of what belongs to it ---- */

static void freeing(void) {
  wamp_connection_t *connection;
  inbox_t closed = INBOX;
  long before = latch_count(&freed);
  const char *listening;
  start(NULL, NULL, NULL, NULL);
  GOOD(wamp_router_on_authenticate(router, on_authenticate, &freed, latch_free));
  GOOD(wamp_router_on_authenticate(router, on_authenticate, &freed, latch_free));
  GOOD(wamp_router_on_authorize(router, on_authorize, &freed, latch_free));
  CHECK(latch_count(&freed) == before + 1);
  /* Questions that are open at the end: one kept, and one that nobody dispatches in manual mode. */
  connection = client("\"authid\": \"later\"", &closed);
  WAIT(asked, 1);
  unpump();
  GOOD(wamp_router_free(router));
  WAIT(freed, before + 3);
  WAIT(closed.got, 1);
  CHECK(latch_count(&freed) == before + 3);
  CHECK(wamp_question_allow(kept, NULL) < 0);
  GOOD(wamp_question_release(kept));
  inbox_empty(&closed);
  leave(connection, NULL);
  latch_init(&asked);

  FAILS(wamp_router_on_authenticate(NULL, on_authenticate, &freed, latch_free), WAMP_ERR_HANDLE);
  FAILS(wamp_router_on_authorize(router, on_authorize, &freed, latch_free), WAMP_ERR_HANDLE);
  CHECK(latch_count(&freed) == before + 5);
  CHECK(wamp_event_question(NULL) == NULL);

  /* A router that nobody listens to any more frees all the same. */
  router = wamp_router_new(NULL);
  GOOD(wamp_router_on_authenticate(router, on_authenticate, &freed, latch_free));
  GOOD(wamp_router_on_authenticate(router, NULL, &freed, latch_free));
  GOOD(wamp_router_listen(router, "ws://127.0.0.1:0/ws", &listening));
  snprintf(url, sizeof url, "%s", listening);
  connection = client("\"authid\": \"eve\"", NULL);
  leave(connection, joined(connection)); /* nobody is asked */
  GOOD(wamp_router_free(router));
  WAIT(freed, before + 7);
}

/* ---- manual mode by hand ---- */

static latch_t woken = LATCH;

static void on_wakeup(void *user_data) { latch_hit(user_data); }

static void polling(void) {
  wamp_event_t events[2];
  wamp_connection_t *connection;
  inbox_t closed = INBOX;
  wamp_question_t *question;
  const char *listening;
  int i;
  router = wamp_router_new("{\"dispatch\": \"thread\"}");
  FAILS(wamp_router_dispatch(router, 0, 0), WAMP_ERR_STATE);
  FAILS(wamp_router_poll(router, events, sizeof *events, 2, 0), WAMP_ERR_STATE);
  FAILS(wamp_router_fd(router), WAMP_ERR_STATE);
  FAILS(wamp_router_set_wakeup(router, on_wakeup, &freed, latch_free), WAMP_ERR_STATE);
  GOOD(wamp_router_free(router));
  CHECK(wamp_router_new("{\"dispatch\": \"threads\"}") == NULL);
  CHECK(strstr(wamp_last_error(), "\"dispatch\"") != NULL);

  router = wamp_router_new("{\"dispatch\": \"manual\"}");
  GOOD(wamp_router_on_authenticate(router, NULL, &freed, NULL));
  GOOD(wamp_router_set_wakeup(router, on_wakeup, &woken, NULL));
  GOOD(wamp_router_listen(router, "ws://127.0.0.1:0/ws", &listening));
  snprintf(url, sizeof url, "%s", listening);
  FAILS(wamp_router_poll(router, NULL, sizeof *events, 2, 0), WAMP_ERR_ARGUMENT);
  FAILS(wamp_router_poll(router, events, 3, 2, 0), WAMP_ERR_ARGUMENT);
  CHECK(GOOD(wamp_router_poll(router, events, sizeof *events, 2, 0)) == 0);
  CHECK(GOOD(wamp_router_dispatch(router, 0, 0)) == 0);
  for (i = 0; i < 2; i++) {
    struct pollfd waiting = {GOOD(wamp_router_fd(router)), POLLIN, 0};
    connection = client("\"authid\": \"joe\"", &closed);
    WAIT(woken, i + 1);
    CHECK(poll(&waiting, 1, LIMIT_MS) == 1);
    CHECK(GOOD(wamp_router_poll(router, events, sizeof *events, 2, LIMIT_MS)) == 1);
    CHECK(events[0].kind == WAMP_AUTHENTICATE && events[0].user_data == &freed);
    SAME(scenario_text(wamp_event_details(&events[0]), "authid"), "joe");
    question = wamp_event_question(&events[0]);
    CHECK(question != NULL);
    if (i == 0) {
      leave(connection, (GOOD(wamp_question_allow(question, NULL)), joined(connection)));
      inbox_empty(&closed);
    } else {
      CHECK(GOOD(wamp_router_poll(router, events, sizeof *events, 2, 0)) == 0); /* neither answered nor kept */
      FAILS(wamp_question_allow(question, NULL), WAMP_ERR_HANDLE);
      refused(connection, &closed, FAILED, WRONG);
    }
  }
  /* Views that are out, and a question that nobody has taken. */
  connection = client("\"authid\": \"joe\"", &closed);
  WAIT(woken, 3);
  GOOD(wamp_router_free(router));
  WAIT(closed.got, 1);
  inbox_empty(&closed);
  leave(connection, NULL);
}

int main(int argc, char **argv) {
  scenario_begin_alone(argc, argv, "local_router_hooks");
  logins();
  actions();
  freeing();
  polling();
  return scenario_end();
}
