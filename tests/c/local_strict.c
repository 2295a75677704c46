/* Options of requests: a wrong type and a misspelt name are refused by every function that takes them, with the right
 * name, and change nothing; what the library does not know goes to the router; "strict_options": false lets all pass. */
#include "scenario.h"

#define URI "com.example.strict."

static latch_t freed_gifts = LATCH;
static long gifts;
#define GIFT (gifts++, (void *)&freed_gifts), latch_free
#define REFUSED(call, word) (FAILS((call), WAMP_ERR_OPTION), CHECK(strstr(wamp_last_error(), (word)) != NULL))

static latch_t answered = LATCH;

static void on_invocation(const wamp_event_t *event, void *strict) {
  if (strict) {
    REFUSED(wamp_invocation_yield_with(event->invocation, NULL, "{\"Progress\": false}"), "did you mean `progress`");
    REFUSED(wamp_invocation_yield_with(event->invocation, NULL, "{\"progress\": 0}"), "`progress`");
    REFUSED(wamp_invocation_yield_with(event->invocation, NULL, "{\"ppt_keyid\": 1}"), "`ppt_keyid`");
  }
  GOOD(wamp_invocation_yield_with(event->invocation, &event->payload, strict ? "{\"x_note\": 1}" : "{\"Progress\": 0}"));
  latch_hit(&answered);
}

static void on_any(const wamp_event_t *event, void *user_data) {
  (void)event;
  (void)user_data;
}

static void refused(wamp_connection_t *c, wamp_session_t *s) {
  int64_t id;
  REFUSED(wamp_session_publish(s, URI "x", NULL, "{\"exclude_me\": 0}"), "`exclude_me`: must be true or false");
  REFUSED(wamp_session_publish(s, URI "x", NULL, "{\"eligible\": [\"joe\"]}"), "`eligible`: must be a list of session ids");
  REFUSED(wamp_session_publish(s, URI "x", NULL, "{\"excludeMe\": false}"), "did you mean `exclude_me`");
  REFUSED(wamp_session_publish_ack(s, URI "x", NULL, "{\"retain\": \"yes\"}", on_any, GIFT), "`retain`");
  REFUSED(wamp_session_publish_ack(s, URI "x", NULL, "{\"retian\": true}", on_any, GIFT), "did you mean `retain`");
  REFUSED(wamp_session_publish_ack_sync(s, URI "x", NULL, "{\"retain\": 1}", LIMIT_MS, NULL), "`retain`");
  REFUSED(wamp_session_publish_ack_sync(s, URI "x", NULL, "{\"Retain\": true}", LIMIT_MS, NULL), "`retain`");
  REFUSED(wamp_session_subscribe(s, URI "x", "{\"get_retained\": 1}", on_any, on_any, GIFT), "`get_retained`");
  REFUSED(wamp_session_subscribe(s, URI "x", "{\"mach\": \"prefix\"}", on_any, on_any, GIFT), "did you mean `match`");
  REFUSED(wamp_session_subscribe_sync(s, URI "x", "{\"match\": 1}", on_any, GIFT, LIMIT_MS), "`match`");
  REFUSED(wamp_session_subscribe_sync(s, URI "x", "{\"MATCH\": \"prefix\"}", on_any, GIFT, LIMIT_MS), "`match`");
  REFUSED(wamp_session_register(s, URI "x", "{\"concurrency\": \"5\"}", on_any, on_any, GIFT), "`concurrency`");
  REFUSED(wamp_session_register(s, URI "x", "{\"invok\": \"random\"}", on_any, on_any, GIFT), "did you mean `invoke`");
  REFUSED(wamp_session_register_sync(s, URI "x", "{\"invoke\": 1}", on_any, GIFT, LIMIT_MS), "`invoke`");
  REFUSED(wamp_session_register_sync(s, URI "x", "{\"in_voke\": \"all\"}", on_any, GIFT, LIMIT_MS), "`invoke`");
  REFUSED(wamp_session_call(s, URI "x", NULL, "{\"timeout\": \"5\"}", on_any, GIFT), "`timeout`");
  REFUSED(wamp_session_call(s, URI "x", NULL, "{\"timout\": 5}", on_any, GIFT), "did you mean `timeout`");
  REFUSED(wamp_session_call_sync(s, URI "x", NULL, "{\"disclose_me\": 5}", LIMIT_MS, NULL), "`disclose_me`");
  REFUSED(wamp_session_call_sync(s, URI "x", NULL, "{\"discloseMe\": true}", LIMIT_MS, NULL), "`disclose_me`");
  REFUSED(wamp_session_call_more(s, 1, NULL, "{\"progress\": 1}"), "`progress`");
  REFUSED(wamp_session_call_more(s, 1, NULL, "{\"progres\": true}"), "did you mean `progress`");
  REFUSED(wamp_session_cancel(s, 1, "{\"mode\": true}"), "`mode`");
  REFUSED(wamp_session_cancel(s, 1, "{\"Mode\": \"kill\"}"), "did you mean `mode`");
  REFUSED(wamp_connection_subscribe(c, URI "x", "{\"get_retained\": 1}", on_any, on_any, GIFT), "`get_retained`");
  REFUSED(wamp_connection_subscribe(c, URI "x", "{\"matsh\": \"prefix\"}", on_any, on_any, GIFT), "did you mean `match`");
  REFUSED(wamp_connection_register(c, URI "x", "{\"concurrency\": -1}", on_any, on_any, GIFT), "`concurrency`");
  REFUSED(wamp_connection_register(c, URI "x", "{\"Invoke\": \"all\"}", on_any, on_any, GIFT), "did you mean `invoke`");
  WAIT(freed_gifts, gifts);

  GOOD(wamp_session_publish(s, URI "x", NULL, "{\"x_note\": {\"a\": 1}, \"_excludeMe\": 5, \"retain\": null, \"exclude_me\": false}"));
  id = GOOD(wamp_session_register_sync(s, URI "echo", "{\"x_note\": 1}", on_invocation, s, NULL, LIMIT_MS));
  GOOD(wamp_session_call_sync(s, URI "echo", NULL, "{\"priority\": 1, \"timeout\": 60000.0}", LIMIT_MS, NULL));
  WAIT(answered, 1);
  GOOD(wamp_session_unregister_sync(s, id, LIMIT_MS));
}

int main(int argc, char **argv) {
  wamp_connection_t *connection;
  wamp_session_t *session;
  scenario_begin(argc, argv, "local_strict");
  connection = scenario_connection("thread", NULL);
  session = scenario_join(connection);
  refused(connection, session);
  scenario_leave(connection, session);

  connection = scenario_connection("thread", "\"strict_options\": false");
  session = scenario_join(connection);
  GOOD(wamp_session_publish(session, URI "x", NULL, "{\"excludeMe\": false}"));
  GOOD(wamp_session_register_sync(session, URI "echo", "{\"Invoke\": \"all\"}", on_invocation, NULL, NULL, LIMIT_MS));
  GOOD(wamp_session_call_sync(session, URI "echo", NULL, "{\"discloseMe\": true}", LIMIT_MS, NULL));
  GOOD(wamp_connection_subscribe(connection, URI "y", "{\"matsh\": \"prefix\"}", on_any, NULL, NULL, NULL));
  scenario_leave(connection, session);
  return scenario_end();
}
