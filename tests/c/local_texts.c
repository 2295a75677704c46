/* What wamp_last_error() says: it can stand beside another call in a list of arguments, each thread has its own, and of
 * one failure it says the same words after a ..._sync as the WAMP_ERROR or WAMP_CLOSE of one that did not wait. */
#include "scenario.h"

#define URI "com.example.texts."
#define KEPT 8

static wamp_connection_t *made(const char *options) {
  wamp_connection_t *connection = wamp_connection_new(options);
  CHECK(connection == NULL);
  return connection;
}

/* A failure whose text tells the number. */
static void fails(int number) {
  char options[64];
  snprintf(options, sizeof options, "{\"number%d\": 1}", number);
  made(options);
}

static void *on_thread(void *unused) {
  (void)unused;
  SAME(wamp_last_error(), "");
  fails(100);
  CHECK(strstr(wamp_last_error(), "number100") != NULL);
  return NULL;
}

static void in_arguments(void) {
  const char *texts[KEPT];
  char line[512], number[16];
  pthread_t thread;
  int i, round;
  SAME(wamp_last_error(), "");
  fails(0);
  /* Which of the two is asked for first is C's own affair; neither way may read what is gone. */
  snprintf(line, sizeof line, "%d %s", wamp_session_publish(NULL, "a.b", NULL, NULL), wamp_last_error());
  CHECK(strstr(line, "-1 ") == line);
  CHECK(strstr(line, "number0") != NULL || strstr(line, wamp_status_text(WAMP_ERR_HANDLE)) != NULL);
  snprintf(line, sizeof line, "%s %d %s %d", wamp_last_error(), wamp_session_publish(NULL, "a.b", NULL, NULL),
           wamp_last_error(), wamp_builder_free(NULL));
  CHECK(strlen(line) > 2 * strlen(wamp_status_text(WAMP_ERR_HANDLE)));

  /* Each lives until eight more calls have failed, at any time. */
  for (round = 0; round < 3; round++) {
    for (i = 0; i < KEPT; i++) {
      fails(i);
      texts[i] = wamp_last_error();
    }
    for (i = 0; i < KEPT; i++) {
      snprintf(number, sizeof number, "number%d", i);
      CHECK(strstr(texts[i], number) != NULL);
    }
  }
  /* Calls that succeed leave it alone, and so do other threads. */
  CHECK(wamp_builder_free(wamp_builder_new(WAMP_JSON)) == WAMP_OK && wamp_last_error() == texts[KEPT - 1]);
  CHECK(pthread_create(&thread, NULL, on_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
  CHECK(wamp_last_error() == texts[KEPT - 1]);
}

/* ---- one text for one failure ---- */

static const wamp_payload_t *const payloads[] = {
    NULL,
    WAMP_ARGS("[\"with words\", 1]"),
    WAMP_ARGS("[1, \"with a number\"]"),
    WAMP_KWARGS("{\"key\": \"with kwargs\"}"),
};
enum { PAYLOADS = sizeof payloads / sizeof *payloads };

static void on_fail(const wamp_event_t *event, void *user_data) {
  int64_t which = wamp_value_int(wamp_value_at(wamp_event_args(event), 0));
  (void)user_data;
  GOOD(wamp_invocation_error(event->invocation, URI "error", payloads[which]));
}

static void on_nothing(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  if (event->kind == WAMP_INVOCATION) GOOD(wamp_invocation_retain(event->invocation)); /* and never answers */
}

/* What has just failed here is what the event tells. */
static void as_told(inbox_t *inbox, int status) {
  char said[512];
  snprintf(said, sizeof said, "%s", wamp_last_error());
  WAIT(inbox->got, 1);
  CHECK(inbox_event(inbox, 0, WAMP_ERROR)->status == status);
  SAME(inbox_event(inbox, 0, WAMP_ERROR)->message, said);
  inbox_empty(inbox);
}

static void outcomes(wamp_session_t *session) {
  static inbox_t inbox = INBOX;
  wamp_message_t *result;
  char args[16];
  int i;
  GOOD(wamp_session_register_sync(session, URI "fail", NULL, on_fail, NULL, NULL, LIMIT_MS));
  GOOD(wamp_session_register_sync(session, URI "nothing", NULL, on_nothing, NULL, NULL, LIMIT_MS));
  for (i = 0; i < PAYLOADS; i++) {
    snprintf(args, sizeof args, "[%d]", i);
    GOOD(wamp_session_call(session, URI "fail", WAMP_ARGS(args), NULL, inbox_callback, &inbox, NULL));
    FAILS(wamp_session_call_sync(session, URI "fail", WAMP_ARGS(args), NULL, LIMIT_MS, &result), WAMP_ERR_REMOTE);
    SAME(wamp_message_event(result)->message, wamp_last_error()); /* and what the message itself tells */
    GOOD(wamp_message_free(result));
    as_told(&inbox, WAMP_ERR_REMOTE);
  }
  /* Of the router's own refusals, for each kind of request. */
  GOOD(wamp_session_call(session, URI "none", NULL, NULL, inbox_callback, &inbox, NULL));
  FAILS(wamp_session_call_sync(session, URI "none", NULL, NULL, LIMIT_MS, NULL), WAMP_ERR_REMOTE);
  as_told(&inbox, WAMP_ERR_REMOTE);
  FAILS(wamp_session_register_sync(session, "wamp.mine", NULL, on_nothing, NULL, NULL, LIMIT_MS), WAMP_ERR_REMOTE);
  GOOD(wamp_session_register(session, "wamp.mine", NULL, on_nothing, inbox_callback, &inbox, NULL));
  as_told(&inbox, WAMP_ERR_REMOTE);
  GOOD(wamp_session_publish_ack(session, "wamp.mine", NULL, NULL, inbox_callback, &inbox, NULL));
  FAILS(wamp_session_publish_ack_sync(session, "wamp.mine", NULL, NULL, LIMIT_MS, NULL), WAMP_ERR_REMOTE);
  as_told(&inbox, WAMP_ERR_REMOTE);
  /* Of what ends here: by the request's own time limit. */
  GOOD(wamp_session_call(session, URI "nothing", NULL, "{\"timeout\": 50}", inbox_callback, &inbox, NULL));
  FAILS(wamp_session_call_sync(session, URI "nothing", NULL, "{\"timeout\": 50}", LIMIT_MS, NULL), WAMP_ERR_TIMEOUT);
  as_told(&inbox, WAMP_ERR_TIMEOUT);
}

typedef struct lost_call_t {
  wamp_session_t *session;
  char said[512];
} lost_call_t;

static void *call_in_vain(void *user_data) {
  lost_call_t *call = user_data;
  FAILS(wamp_session_call_sync(call->session, URI "reached", NULL, NULL, -1, NULL), WAMP_ERR_OUTCOME_UNKNOWN);
  snprintf(call->said, sizeof call->said, "%s", wamp_last_error());
  return NULL;
}

static latch_t reached = LATCH;

static void on_reached(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_retain(event->invocation)); /* never answered */
  latch_hit(&reached);
}

/* And by the end of the session. What wamp_connection_session() says of a failed attempt is what WAMP_CLOSE tells. */
static void ends(wamp_session_t *callee) {
  static inbox_t inbox = INBOX, closes = INBOX;
  lost_call_t call;
  wamp_connection_t *connection = scenario_connection("thread", "\"max_retries\": 0");
  wamp_session_t *session;
  pthread_t thread;
  GOOD(wamp_connection_on_close(connection, inbox_callback, &closes, NULL));
  session = scenario_join(connection);
  GOOD(wamp_session_register_sync(callee, URI "reached", NULL, on_reached, NULL, NULL, LIMIT_MS));
  call.session = session;
  CHECK(pthread_create(&thread, NULL, call_in_vain, &call) == 0);
  GOOD(wamp_session_call(session, URI "reached", NULL, NULL, inbox_callback, &inbox, NULL));
  WAIT(reached, 2);
  CHECK(wamp_router_kick(scenario.router, scenario_id(session), NULL) == 1);
  CHECK(pthread_join(thread, NULL) == 0);
  WAIT(inbox.got, 1);
  CHECK(inbox_event(&inbox, 0, WAMP_ERROR)->status == WAMP_ERR_OUTCOME_UNKNOWN);
  SAME(inbox_event(&inbox, 0, WAMP_ERROR)->message, call.said);
  WAIT(closes.got, 1);
  GOOD(wamp_session_release(session));
  FAILS(wamp_connection_session(connection, LIMIT_MS, &session), inbox_event(&closes, 0, WAMP_CLOSE)->status);
  SAME(inbox_event(&closes, 0, WAMP_CLOSE)->message, wamp_last_error());

  /* An end in order is one for who waits for a session, in the same words. */
  session = scenario_join(connection);
  CHECK(wamp_router_kick(scenario.router, scenario_id(session), "wamp.close.mine") == 1);
  WAIT(closes.got, 2);
  GOOD(wamp_session_release(session));
  FAILS(wamp_connection_session(connection, LIMIT_MS, &session), WAMP_ERR_CLOSED);
  CHECK(strstr(wamp_last_error(), "wamp.close.mine") != NULL);
  SAME(inbox_event(&closes, 1, WAMP_CLOSE)->message, wamp_last_error());
  GOOD(wamp_connection_free(connection));
  inbox_empty(&inbox), inbox_empty(&closes);
}

int main(int argc, char **argv) {
  wamp_connection_t *connection;
  wamp_session_t *session;
  in_arguments();
  scenario_begin(argc, argv, "local_texts");
  connection = scenario_connection("thread", NULL);
  session = scenario_join(connection);
  outcomes(session);
  ends(session);
  scenario_leave(connection, session);
  return scenario_end();
}
