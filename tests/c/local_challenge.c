/* Authentication: each method by options alone, with the right and with a wrong secret, and by on_challenge: at once, later,
 * never, twice, in two rounds. */
#include "scenario.h"

#define SEED "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510"
#define PUBLIC_KEY "1adfc8bfe1d35616e64dffbd900096f23b066f914c8c2ffbb66f6075b96e116d"
#define OTHER_SEED "0000000000000000000000000000000000000000000000000000000000000001"

static const char config[] =
    "{\"auth\": {"
    "\"ticket\": {\"joe\": {\"ticket\": \"t1\", \"role\": \"admin\"}},"
    "\"wampcra\": {\"joe\": {\"secret\": \"s1\"}, \"salty\": {\"secret\": \"s1\", \"salt\": \"xyz\", \"iterations\": 1001,"
    " \"keylen\": 16}},"
    "\"wamp-scram\": {\"joe\": {\"password\": \"s1\", \"kdf\": \"pbkdf2\", \"iterations\": 4096}},"
    "\"scram\": {\"joe\": {\"password\": \"s1\", \"kdf\": \"pbkdf2\", \"iterations\": 4096}},"
    "\"cryptosign\": {\"joe\": {\"pubkey\": \"" PUBLIC_KEY "\"}},"
    "\"router_key\": \"" SEED "\"}}";

/* A connection that would try for ever, if it were for it. */
static wamp_connection_t *to_join(const char *credentials) {
  char more[512];
  snprintf(more, sizeof more, "%s, \"max_retries\": -1, \"retry_if_unreachable\": true, \"initial_retry_delay\": 0.01",
           credentials);
  return scenario_connection(scenario.mode, more);
}

static void joined(wamp_connection_t *connection, const char *authid, const char *method) {
  wamp_session_t *session = NULL;
  GOOD(wamp_connection_session(connection, LIMIT_MS, &session));
  SAME(scenario_text(wamp_session_details(session), "authid"), authid);
  SAME(scenario_text(wamp_session_details(session), "authmethod"), method);
  scenario_leave(connection, session);
}

static void lets_in(const char *credentials, const char *authid, const char *method) {
  wamp_connection_t *connection = to_join(credentials);
  GOOD(wamp_connection_open(connection));
  joined(connection, authid, method);
}

static void count_attempt(const wamp_event_t *event, void *user_data) {
  (void)event;
  latch_hit(user_data);
}

/* The connection's open fails, in one attempt. */
static void ends(wamp_connection_t *connection, const char *reason, bool internal) {
  static inbox_t closes = INBOX, internals = INBOX;
  static latch_t attempts;
  wamp_session_t *session = NULL;
  const wamp_event_t *end;
  latch_init(&attempts);
  GOOD(wamp_connection_on_close(connection, inbox_callback, &closes, NULL));
  GOOD(wamp_connection_on_internal_error(connection, inbox_callback, &internals, NULL));
  GOOD(wamp_connection_on_connect(connection, count_attempt, &attempts, NULL));
  GOOD(wamp_connection_open(connection));
  WAIT(closes.got, 1);
  end = inbox_event(&closes, 0, WAMP_CLOSE);
  CHECK(end->status == WAMP_ERR_AUTH);
  SAME(end->uri, "closed");
  if (reason) SAME(scenario_text(wamp_event_details(end), "reason"), reason);
  CHECK(!wamp_value_bool(wamp_value_get(wamp_event_details(end), "will_retry")));
  FAILS(wamp_connection_session(connection, LIMIT_MS, &session), WAMP_ERR_AUTH);
  scenario_unpump(connection);
  FAILS(wamp_connection_close(connection, NULL, NULL, LIMIT_MS), WAMP_ERR_CLOSED);
  CHECK(latch_count(&closes.got) == 1 && latch_count(&attempts) == 1);
  CHECK(latch_count(&internals.got) == (internal ? 1 : 0));
  if (internal) CHECK(inbox_event(&internals, 0, WAMP_INTERNAL_ERROR)->status == WAMP_ERR_AUTH);
  GOOD(wamp_connection_free(connection));
  inbox_empty(&closes), inbox_empty(&internals);
}

static void keeps_out(const char *credentials, bool internal) { ends(to_join(credentials), NULL, internal); }

#define JOE "\"authid\": \"joe\", "
#define METHOD(name) ", \"authmethods\": [\"" name "\"]"

static void by_options(void) {
  lets_in(JOE "\"ticket\": \"t1\"", "joe", "ticket");
  lets_in(JOE "\"secret\": \"s1\"" METHOD("wampcra"), "joe", "wampcra");
  lets_in("\"authid\": \"salty\", \"secret\": \"s1\"" METHOD("wampcra"), "salty", "wampcra");
  lets_in(JOE "\"secret\": \"s1\"" METHOD("wamp-scram"), "joe", "wamp-scram");
  lets_in(JOE "\"secret\": \"s1\"" METHOD("scram"), "joe", "scram");
  lets_in(JOE "\"privkey\": \"" SEED "\"", "joe", "cryptosign");
  lets_in(JOE "\"privkey\": \"" SEED "\", \"router_key\": \"" PUBLIC_KEY "\"", "joe", "cryptosign");

  keeps_out(JOE "\"ticket\": \"t2\"", false);
  keeps_out("\"authid\": \"jane\", \"ticket\": \"t1\"", false);
  keeps_out(JOE "\"secret\": \"s2\"" METHOD("wampcra"), false);
  keeps_out("\"authid\": \"salty\", \"secret\": \"s2\"" METHOD("wampcra"), false);
  keeps_out(JOE "\"secret\": \"s2\"" METHOD("wamp-scram"), false);
  keeps_out(JOE "\"secret\": \"s2\"" METHOD("scram"), false);
  keeps_out(JOE "\"privkey\": \"" OTHER_SEED "\"", false);
  keeps_out("\"authid\": \"nobody\"", false); /* offers nothing */
}

/* Something is missing on our side, or the router is not who it should be. */
static void by_our_fault(void) {
  char credentials[256], key[65];
  keeps_out(JOE "\"authmethods\": [\"ticket\"]", true);
  GOOD(wamp_auth_cryptosign_public_key(OTHER_SEED, key, sizeof key));
  snprintf(credentials, sizeof credentials, JOE "\"privkey\": \"" SEED "\", \"router_key\": \"%s\"", key);
  keeps_out(credentials, true);
}

/* ---- on_challenge ---- */

typedef struct answer_t {
  const char *ticket;
  const char *secret;
  latch_t asked;
} answer_t;

static void answer_init(answer_t *answer, const char *ticket, const char *secret) {
  answer->ticket = ticket;
  answer->secret = secret;
  latch_init(&answer->asked);
}

static void reply(wamp_challenge_t *challenge, const char *method, const char *question, const answer_t *with) {
  char signature[64];
  FAILS(wamp_challenge_reply(challenge, NULL, NULL), WAMP_ERR_ARGUMENT);
  FAILS(wamp_challenge_reply(challenge, "\xff", NULL), WAMP_ERR_UTF8);
  FAILS(wamp_challenge_reply(challenge, "x", "[]"), WAMP_ERR_OPTION);
  FAILS(wamp_challenge_abort(challenge, "a b", NULL), WAMP_ERR_URI);
  FAILS(wamp_challenge_abort(challenge, NULL, "\xff"), WAMP_ERR_UTF8);
  if (strcmp(method, "ticket") == 0) {
    GOOD(wamp_challenge_reply(challenge, with->ticket, NULL));
  } else {
    SAME(method, "wampcra");
    GOOD(wamp_auth_cra_sign(with->secret, question, signature, sizeof signature));
    GOOD(wamp_challenge_reply(challenge, signature, "{}"));
  }
  CHECK(wamp_challenge_reply(challenge, "again", NULL) < 0);
  CHECK(wamp_challenge_abort(challenge, NULL, NULL) < 0);
}

static void on_challenge(const wamp_event_t *event, void *user_data) {
  answer_t *answer = user_data;
  CHECK(event->kind == WAMP_CHALLENGE && event->challenge != NULL);
  reply(event->challenge, event->uri, scenario_text(wamp_event_details(event), "challenge"), answer);
  latch_hit(&answer->asked);
}

static void by_callback(void) {
  static answer_t right, wrong;
  static latch_t freed = LATCH;
  wamp_connection_t *connection = to_join(JOE "\"ticket\": \"not this\"" METHOD("ticket"));
  answer_init(&right, "t1", "s1");
  answer_init(&wrong, "t2", "s2");
  GOOD(wamp_connection_on_challenge(connection, on_challenge, &freed, latch_free));
  GOOD(wamp_connection_on_challenge(connection, on_challenge, &right, NULL)); /* goes before the options */
  CHECK(latch_count(&freed) == 1);
  GOOD(wamp_connection_open(connection));
  WAIT(right.asked, 1);
  joined(connection, "joe", "ticket");

  connection = to_join(JOE "\"authextra\": {\"a\": 1}" METHOD("wampcra"));
  GOOD(wamp_connection_on_challenge(connection, on_challenge, &right, NULL));
  GOOD(wamp_connection_open(connection));
  WAIT(right.asked, 2);
  joined(connection, "joe", "wampcra");

  connection = to_join(JOE "\"authextra\": {}" METHOD("wampcra"));
  GOOD(wamp_connection_on_challenge(connection, on_challenge, &wrong, NULL));
  ends(connection, NULL, false);
  CHECK(latch_count(&wrong.asked) == 1);
}

/* ---- later and never ---- */

static latch_t kept = LATCH;
static wamp_challenge_t *challenge;
static char question[512];

static void on_keep(const wamp_event_t *event, void *user_data) {
  const char *text = scenario_text(wamp_event_details(event), "challenge");
  (void)user_data;
  snprintf(question, sizeof question, "%s", text ? text : "");
  GOOD(wamp_challenge_retain(event->challenge));
  challenge = event->challenge;
  latch_hit(&kept);
}

static void *reply_later(void *user_data) {
  WAIT(kept, 1);
  reply(challenge, "wampcra", question, user_data);
  return NULL;
}

static void *release_later(void *unused) {
  WAIT(kept, 2);
  GOOD(wamp_challenge_release(challenge));
  FAILS(wamp_challenge_release(challenge), WAMP_ERR_HANDLE);
  return unused;
}

static void on_ignore(const wamp_event_t *event, void *user_data) {
  (void)event;
  latch_hit(user_data);
}

static void on_abort(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_challenge_abort(event->challenge, "com.example.lost.my.key", "it was here"));
  CHECK(wamp_challenge_reply(event->challenge, "t1", NULL) < 0);
}

static void later_and_never(void) {
  static answer_t right;
  static latch_t ignored = LATCH;
  pthread_t thread;
  wamp_connection_t *connection = to_join(JOE "\"authextra\": {}" METHOD("wampcra"));
  answer_init(&right, NULL, "s1");
  GOOD(wamp_connection_on_challenge(connection, on_keep, NULL, NULL));
  CHECK(pthread_create(&thread, NULL, reply_later, &right) == 0);
  GOOD(wamp_connection_open(connection));
  WAIT(kept, 1);
  CHECK(pthread_join(thread, NULL) == 0);
  joined(connection, "joe", "wampcra");
  CHECK(wamp_challenge_reply(challenge, "too late", NULL) == WAMP_ERR_CLOSED);
  GOOD(wamp_challenge_release(challenge));

  connection = to_join(JOE "\"authextra\": {}" METHOD("ticket"));
  GOOD(wamp_connection_on_challenge(connection, on_keep, NULL, NULL));
  CHECK(pthread_create(&thread, NULL, release_later, NULL) == 0);
  ends(connection, "wamp.error.cannot_authenticate", true);
  CHECK(pthread_join(thread, NULL) == 0);
  FAILS(wamp_challenge_reply(challenge, "t1", NULL), WAMP_ERR_HANDLE);

  connection = to_join(JOE "\"authextra\": {}" METHOD("ticket"));
  GOOD(wamp_connection_on_challenge(connection, on_ignore, &ignored, NULL));
  ends(connection, "wamp.error.cannot_authenticate", true);
  CHECK(latch_count(&ignored) == 1);

  connection = to_join(JOE "\"authextra\": {}" METHOD("ticket"));
  GOOD(wamp_connection_on_challenge(connection, on_abort, NULL, NULL));
  ends(connection, "com.example.lost.my.key", false);
}

/* Closed while the challenge waits for its answer. */
static void closed_meanwhile(void) {
  static inbox_t closes = INBOX;
  wamp_connection_t *connection = to_join(JOE "\"authextra\": {}" METHOD("ticket"));
  long before = latch_count(&kept);
  GOOD(wamp_connection_on_challenge(connection, on_keep, NULL, NULL));
  GOOD(wamp_connection_on_close(connection, inbox_callback, &closes, NULL));
  GOOD(wamp_connection_open(connection));
  WAIT(kept, before + 1);
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  CHECK(latch_count(&closes.got) == 1 && inbox_event(&closes, 0, WAMP_CLOSE)->status == WAMP_OK);
  FAILS(wamp_challenge_reply(challenge, "t1", NULL), WAMP_ERR_CLOSED);
  GOOD(wamp_challenge_release(challenge));
  scenario_unpump(connection);
  GOOD(wamp_connection_free(connection));
  inbox_empty(&closes);
}

static void polled(void) {
  wamp_connection_t *connection =
      scenario_connection("manual", JOE "\"authextra\": {}" METHOD("ticket"));
  wamp_event_t event;
  scenario_unpump(connection);
  GOOD(wamp_connection_on_challenge(connection, NULL, NULL, NULL)); /* asks for the event */
  GOOD(wamp_connection_open(connection));
  CHECK(wamp_connection_poll(connection, &event, sizeof event, 1, LIMIT_MS) == 1 && event.kind == WAMP_CHALLENGE);
  SAME(event.uri, "ticket");
  GOOD(wamp_challenge_reply(event.challenge, "t1", NULL));
  CHECK(wamp_connection_poll(connection, &event, sizeof event, 1, LIMIT_MS) == 1 && event.kind == WAMP_OPEN);
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  GOOD(wamp_connection_free(connection));
}

/* A router that asks twice. */
static void two_rounds(void) {
  static answer_t right;
  wamp_connection_t *connection;
  GOOD(wamp_router_free(scenario.router));
  scenario_start_router(
      "{\"auth\": {\"ticket\": {\"joe\": {\"ticket\": \"t1\"}}, \"wampcra\": {\"joe\": {\"secret\": \"s1\"}}, "
      "\"factors\": [\"ticket\", \"wampcra\"]}}");
  answer_init(&right, "t1", "s1");
  connection = to_join(JOE "\"authmethods\": [\"ticket\", \"wampcra\"]");
  GOOD(wamp_connection_on_challenge(connection, on_challenge, &right, NULL));
  GOOD(wamp_connection_open(connection));
  WAIT(right.asked, 2);
  {
    wamp_session_t *session = NULL;
    GOOD(wamp_connection_session(connection, LIMIT_MS, &session));
    SAME(scenario_text(wamp_session_details(session), "authid"), "joe");
    scenario_leave(connection, session);
  }
  connection = to_join(JOE "\"ticket\": \"t1\", \"secret\": \"s1\"");
  scenario_leave(connection, scenario_join(connection));
  keeps_out(JOE "\"ticket\": \"t1\", \"secret\": \"s2\"", false);
  keeps_out(JOE "\"ticket\": \"t2\", \"secret\": \"s1\"", false);
}

int main(int argc, char **argv) {
  scenario_begin_with(argc, argv, "local_challenge", config);
  by_options();
  by_our_fault();
  by_callback();
  later_and_never();
  closed_meanwhile();
  polled();
  two_rounds();
  return scenario_end();
}
