/* Wrong handles into every function: NULL, freed, of another type, or made up. Each is answered with its error code,
 * and nothing crashes. */
#include "scenario.h"

#define URI "com.example.handles."

/* Refused requests must free their user_data, too: all of them get the same latch, and the hits are counted. */
static latch_t freed_gifts = LATCH;
static long gifts;
#define GIFT (gifts++, (void *)&freed_gifts), latch_free

#define BAD(call) FAILS(call, WAMP_ERR_HANDLE)

/* Freeing NULL may be told or not, but it does no harm. */
static void bad_free(int status, const void *handle) {
  CHECK(status == WAMP_ERR_HANDLE || (status == WAMP_OK && handle == NULL));
}

static void on_any(const wamp_event_t *event, void *user_data) {
  (void)event;
  (void)user_data;
}

static void on_wakeup(void *user_data) { (void)user_data; }

static void as_connection(void *handle) {
  wamp_connection_t *c = handle;
  wamp_session_t *session = NULL;
  void *pointer = handle;
  wamp_event_t event;
  BAD(wamp_connection_on_open(c, on_any, GIFT));
  BAD(wamp_connection_on_close(c, on_any, GIFT));
  BAD(wamp_connection_on_writable(c, on_any, GIFT));
  BAD(wamp_connection_on_connect(c, on_any, GIFT));
  BAD(wamp_connection_on_challenge(c, on_any, GIFT));
  BAD(wamp_connection_on_user_error(c, on_any, GIFT));
  BAD(wamp_connection_on_internal_error(c, on_any, GIFT));
  BAD(wamp_connection_set_wakeup(c, on_wakeup, GIFT));
  BAD(wamp_connection_subscribe(c, URI "x", NULL, on_any, on_any, GIFT));
  BAD(wamp_connection_unsubscribe(c, 1, on_any, GIFT));
  BAD(wamp_connection_register(c, URI "x", NULL, on_any, on_any, GIFT));
  BAD(wamp_connection_unregister(c, 1, on_any, GIFT));
  CHECK(wamp_connection_transport(c) == NULL && wamp_connection_stats(c) == NULL);
  BAD(wamp_connection_open(c));
  BAD(wamp_connection_close(c, NULL, NULL, 0));
  BAD(wamp_connection_close(c, NULL, NULL, 1000));
  session = (wamp_session_t *)c;
  BAD(wamp_connection_session(c, 1000, &session));
  CHECK(session == NULL);
  BAD(wamp_connection_is_open(c));
  BAD(wamp_connection_is_connected(c));
  BAD(wamp_connection_is_retrying(c));
  BAD(wamp_connection_reconnect_now(c));
  BAD(wamp_connection_stop_retrying(c));
  BAD(wamp_connection_dispatch(c, 0, 0));
  BAD(wamp_connection_poll(c, &event, sizeof event, 1, 0));
  BAD(wamp_connection_fd(c));
  BAD(wamp_connection_event(c, &pointer));
  BAD(wamp_connection_flush(c, 1000));
  bad_free(wamp_connection_free(c), c);
}

static void as_session(void *handle) {
  int64_t number = 1;
  wamp_session_t *s = handle;
  wamp_message_t *result = NULL;
  char uri[16] = "as before";
  BAD(wamp_session_retain(s));
  BAD(wamp_session_id(s, &number));
  CHECK(number == 0);
  BAD(wamp_session_is_open(s));
  CHECK(wamp_session_realm(s) == NULL && wamp_session_details(s) == NULL);
  BAD(wamp_session_subscribe(s, URI "x", NULL, on_any, on_any, GIFT));
  BAD(wamp_session_unsubscribe(s, 1, on_any, GIFT));
  BAD(wamp_session_publish(s, URI "x", NULL, NULL));
  BAD(wamp_session_publish_ack(s, URI "x", NULL, NULL, on_any, GIFT));
  BAD(wamp_session_register(s, URI "x", NULL, on_any, on_any, GIFT));
  BAD(wamp_session_unregister(s, 1, on_any, GIFT));
  BAD(wamp_session_call(s, URI "x", NULL, NULL, on_any, GIFT));
  BAD(wamp_session_call_more(s, 2, NULL, NULL));
  BAD(wamp_session_cancel(s, 2, NULL));
  CHECK(wamp_session_features(s) == NULL && wamp_session_subscriptions(s) == NULL);
  CHECK(wamp_session_registrations(s) == NULL);
  BAD(wamp_session_prefix(s, "a", "com.a"));
  BAD(wamp_session_resolve(s, "a:b", uri, sizeof uri));
  SAME(uri, "as before");
  BAD(wamp_session_log(s, "text"));
  BAD(wamp_session_subscribe_sync(s, URI "x", NULL, on_any, GIFT, 1000));
  BAD(wamp_session_unsubscribe_sync(s, 1, 1000));
  BAD(wamp_session_publish_ack_sync(s, URI "x", NULL, NULL, 1000, NULL));
  BAD(wamp_session_register_sync(s, URI "x", NULL, on_any, GIFT, 1000));
  BAD(wamp_session_unregister_sync(s, 1, 1000));
  BAD(wamp_session_call_sync(s, URI "x", NULL, NULL, 1000, &result));
  CHECK(result == NULL && strlen(wamp_last_error()) > 0);
  bad_free(wamp_session_release(s), s);
}

static void as_invocation(void *handle) {
  wamp_invocation_t *i = handle;
  BAD(wamp_invocation_retain(i));
  BAD(wamp_invocation_progress(i, NULL));
  BAD(wamp_invocation_yield(i, NULL));
  BAD(wamp_invocation_yield_with(i, NULL, NULL));
  BAD(wamp_invocation_error(i, NULL, NULL));
  BAD(wamp_invocation_is_canceled(i));
  BAD(wamp_invocation_on_interrupt(i, on_any, GIFT));
  bad_free(wamp_invocation_release(i), i);
}

static void as_attempt(void *handle) {
  wamp_attempt_t *a = handle;
  BAD(wamp_attempt_retain(a));
  BAD(wamp_attempt_proceed(a, NULL));
  BAD(wamp_attempt_abandon(a, NULL));
  bad_free(wamp_attempt_release(a), a);
}

static void as_challenge(void *handle) {
  wamp_challenge_t *c = handle;
  BAD(wamp_challenge_retain(c));
  BAD(wamp_challenge_reply(c, "signature", NULL));
  BAD(wamp_challenge_abort(c, NULL, NULL));
  bad_free(wamp_challenge_release(c), c);
}

static void as_message(void *handle) {
  wamp_message_t *m = handle;
  CHECK(wamp_message_event(m) == NULL);
  bad_free(wamp_message_free(m), m);
}

static void as_builder(void *handle) {
  wamp_builder_t *b = handle;
  BAD(wamp_builder_reset(b));
  BAD(wamp_builder_null(b));
  BAD(wamp_builder_bool(b, 1));
  BAD(wamp_builder_int(b, 1));
  BAD(wamp_builder_uint(b, 1));
  BAD(wamp_builder_double(b, 1));
  BAD(wamp_builder_string(b, "a", 1));
  BAD(wamp_builder_binary(b, "a", 1));
  BAD(wamp_builder_raw(b, "1", 1));
  BAD(wamp_builder_key(b, "a"));
  BAD(wamp_builder_list(b));
  BAD(wamp_builder_dict(b));
  BAD(wamp_builder_end(b));
  CHECK(wamp_builder_payload(b) != NULL); /* one that makes the request fail, instead of going out empty */
  bad_free(wamp_builder_free(b), b);
}

static void as_router(void *handle) {
  wamp_router_t *r = handle;
  void *pointer = handle;
  wamp_event_t event;
  BAD(wamp_router_listen(r, "ws://127.0.0.1:0/ws", NULL));
  CHECK(wamp_router_url(r) == NULL && wamp_router_stats(r) == NULL);
  BAD(wamp_router_kick(r, 0, NULL));
  BAD(wamp_router_on_authenticate(r, on_any, GIFT));
  BAD(wamp_router_on_authorize(r, on_any, GIFT));
  BAD(wamp_router_dispatch(r, 0, 0));
  BAD(wamp_router_poll(r, &event, sizeof event, 1, 0));
  BAD(wamp_router_fd(r));
  BAD(wamp_router_event(r, &pointer));
  BAD(wamp_router_set_wakeup(r, on_wakeup, GIFT));
  BAD(wamp_router_close(r, 1000));
  bad_free(wamp_router_free(r), r);
}

static void as_question(void *handle) {
  wamp_question_t *q = handle;
  BAD(wamp_question_retain(q));
  BAD(wamp_question_allow(q, NULL));
  BAD(wamp_question_deny(q, NULL, NULL));
  BAD(wamp_question_challenge(q, "ticket", NULL));
  bad_free(wamp_question_release(q), q);
}

static void as_value(void *handle) {
  const wamp_value_t *v = handle;
  size_t size = 7;
  CHECK(wamp_value_type(v) == WAMP_TYPE_NONE && wamp_value_bool(v) == 0 && wamp_value_int(v) == 0);
  CHECK(wamp_value_uint(v) == 0 && wamp_value_double(v) == 0.0 && wamp_value_size(v) == 0);
  CHECK(wamp_value_string(v, &size) == NULL && size == 0 && wamp_value_binary(v, NULL) == NULL);
  CHECK(wamp_value_at(v, 0) == NULL && wamp_value_get(v, "a") == NULL && wamp_value_key(v, 0, NULL) == NULL);
}

enum { CONNECTION, SESSION, INVOCATION, ATTEMPT, CHALLENGE, MESSAGE, BUILDER, ROUTER, QUESTION, VALUE, TYPES };

static latch_t asked = LATCH;
static wamp_invocation_t *kept[2];

static void on_slow(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_retain(event->invocation));
  kept[latch_count(&asked)] = event->invocation;
  latch_hit(&asked);
}

/* An attempt, a challenge or a question that waits, and the connection whose it is. */
static latch_t held = LATCH;
static void *held_handle;
static wamp_connection_t *holding[3];
static wamp_router_t *asking;

static void on_hold(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  if (event->kind == WAMP_CONNECT) {
    GOOD(wamp_attempt_retain(event->attempt));
    held_handle = event->attempt;
  } else if (event->kind == WAMP_AUTHENTICATE) {
    held_handle = wamp_event_question(event);
    GOOD(wamp_question_retain(held_handle));
  } else {
    GOOD(wamp_challenge_retain(event->challenge));
    held_handle = event->challenge;
  }
  latch_hit(&held);
}

static void *hold(wamp_router_t *router, int type) {
  char options[256];
  long before = latch_count(&held);
  wamp_connection_t *connection;
  snprintf(options, sizeof options, "{\"url\": \"%s\", \"realm\": \"r\", \"authid\": \"joe\", \"ticket\": \"t\"}",
           wamp_router_url(router));
  connection = wamp_connection_new(options);
  if (type == ATTEMPT)
    GOOD(wamp_connection_on_connect(connection, on_hold, NULL, NULL));
  else if (type == QUESTION)
    GOOD(wamp_router_on_authenticate(router, on_hold, NULL, NULL));
  else
    GOOD(wamp_connection_on_challenge(connection, on_hold, NULL, NULL));
  GOOD(wamp_connection_open(connection));
  WAIT(held, before + 1);
  holding[type == ATTEMPT ? 0 : type == CHALLENGE ? 1 : 2] = connection;
  return held_handle;
}

/* One living object of each type. */
static void make(void **objects) {
  wamp_connection_t *connection = scenario_connection("thread", NULL);
  wamp_session_t *session = scenario_join(connection);
  long before = latch_count(&asked);
  int64_t id = GOOD(wamp_session_register_sync(session, URI "slow", NULL, on_slow, NULL, NULL, LIMIT_MS));
  GOOD(wamp_session_register_sync(session, URI "echo", NULL, scenario_echo, NULL, NULL, LIMIT_MS));
  GOOD(wamp_session_call(session, URI "slow", NULL, NULL, on_any, NULL, NULL));
  WAIT(asked, before + 1);
  GOOD(wamp_session_unregister_sync(session, id, LIMIT_MS)); /* for the next ones, who offer it again */
  objects[CONNECTION] = connection;
  objects[SESSION] = session;
  objects[INVOCATION] = kept[before];
  objects[MESSAGE] = scenario_call(session, URI "echo", WAMP_ARGS("[\"text\", [1]]"), NULL);
  objects[BUILDER] = wamp_builder_new(WAMP_JSON);
  objects[ROUTER] = wamp_router_new("{\"auth\": {\"ticket\": {\"joe\": {\"ticket\": \"t\"}}}}");
  GOOD(wamp_router_listen(objects[ROUTER], "ws://127.0.0.1:0/ws", NULL));
  objects[ATTEMPT] = hold(objects[ROUTER], ATTEMPT);
  objects[CHALLENGE] = hold(objects[ROUTER], CHALLENGE);
  asking = wamp_router_new(NULL);
  GOOD(wamp_router_listen(asking, "ws://127.0.0.1:0/ws", NULL));
  objects[QUESTION] = hold(asking, QUESTION);
  objects[VALUE] = (void *)wamp_event_args(wamp_message_event(objects[MESSAGE]));
}

static void unmake(void **objects) {
  int i;
  GOOD(wamp_attempt_release(objects[ATTEMPT]));
  GOOD(wamp_challenge_release(objects[CHALLENGE]));
  GOOD(wamp_question_release(objects[QUESTION]));
  for (i = 0; i < 3; i++) {
    (void)wamp_connection_close(holding[i], NULL, NULL, LIMIT_MS); /* the refused challenge has closed it already */
    GOOD(wamp_connection_free(holding[i]));
  }
  GOOD(wamp_invocation_release(objects[INVOCATION]));
  GOOD(wamp_message_free(objects[MESSAGE]));
  GOOD(wamp_builder_free(objects[BUILDER]));
  GOOD(wamp_router_free(objects[ROUTER]));
  GOOD(wamp_router_free(asking));
  scenario_leave(objects[CONNECTION], objects[SESSION]);
}

static void handles(void) {
  static void (*const as[TYPES])(void *) = {as_connection, as_session, as_invocation, as_attempt, as_challenge,
                                            as_message,    as_builder, as_router,     as_question, as_value};
  void *freed[TYPES], *live[TYPES], *made_up[6], *nothing[4] = {NULL, NULL, NULL, NULL};
  wamp_event_t event;
  int type, i;
  made_up[0] = NULL;
  made_up[1] = (void *)0x1234;
  made_up[2] = (void *)-1;
  made_up[3] = (void *)1;
  made_up[4] = nothing;
  made_up[5] = (void *)(UINTPTR_MAX / 2);
  make(freed);
  unmake(freed);
  make(live); /* and again: some of these may stand in the places of the freed ones */
  for (type = 0; type < TYPES; type++) {
    CHECK(live[type] != NULL);
    for (i = 0; i < 6; i++) as[type](made_up[i]);
    for (i = 0; i < TYPES; i++) as[type](freed[i]);
    for (i = 0; i < TYPES; i++)
      if (i != type) as[type](live[i]);
  }
  CHECK(wamp_session_is_open(live[SESSION]) == 1); /* the right ones are none the worse for it */
  unmake(live);

  memset(&event, 0, sizeof event);
  CHECK(wamp_event_args(NULL) == NULL && wamp_event_kwargs(NULL) == NULL && wamp_event_details(NULL) == NULL);
  CHECK(wamp_event_keep(NULL) == NULL && wamp_event_args(&event) == NULL && wamp_event_keep(&event) == NULL);
  event.token = 0x123456789abcdef;
  CHECK(wamp_event_args(&event) == NULL && wamp_event_details(&event) == NULL && wamp_event_keep(&event) == NULL);
}

int main(int argc, char **argv) {
  scenario_begin(argc, argv, "local_handles");
  handles();
  WAIT(freed_gifts, gifts);
  CHECK(latch_count(&freed_gifts) == gifts);
  return scenario_end();
}
