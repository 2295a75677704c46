/* Publish and subscribe: values of every kind arrive as they were sent, each handler gets each event once,
 * unsubscribing tells whether others remain, acknowledged publishing, and who gets a publisher's own events. */
#include "scenario.h"

#define TOPIC "com.example.pubsub."
#define UNICODE "Gr\xc3\xbc\xc3\x9f" "e, \xe4\xb8\x96\xe7\x95\x8c \xf0\x9f\x9a\x80 \"quoted\" \\ back\tand\nforth"

static void values(wamp_session_t *subscriber, wamp_session_t *publisher) {
  static inbox_t inbox = INBOX;
  wamp_builder_t *builder = wamp_builder_new(WAMP_JSON);
  const wamp_event_t *event;
  const wamp_value_t *args, *list, *kwargs;
  const uint8_t *binary;
  uint8_t bytes[256];
  int64_t id;
  size_t size, i;

  for (i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)i;
  id = GOOD(wamp_session_subscribe_sync(subscriber, TOPIC "values", NULL, inbox_callback, &inbox, NULL, LIMIT_MS));
  CHECK(id > 0);

  GOOD(wamp_builder_string(builder, UNICODE, WAMP_NUL));
  GOOD(wamp_builder_string(builder, "cut here", 3));
  GOOD(wamp_builder_binary(builder, bytes, sizeof bytes));
  GOOD(wamp_builder_list(builder));
  GOOD(wamp_builder_bool(builder, 1));
  GOOD(wamp_builder_null(builder));
  GOOD(wamp_builder_dict(builder));
  GOOD(wamp_builder_key(builder, "deep"));
  GOOD(wamp_builder_double(builder, -2.5));
  GOOD(wamp_builder_end(builder));
  GOOD(wamp_builder_end(builder));
  GOOD(wamp_builder_raw(builder, "[1, {\"a\": []}]", WAMP_NUL));
  GOOD(wamp_builder_key(builder, "colour"));
  GOOD(wamp_builder_string(builder, "orange", WAMP_NUL));
  GOOD(wamp_builder_key(builder, "\xc3\xa9t\xc3\xa9"));
  GOOD(wamp_builder_dict(builder));
  GOOD(wamp_builder_key(builder, "n"));
  GOOD(wamp_builder_int(builder, -7));
  GOOD(wamp_builder_end(builder));
  GOOD(wamp_session_publish(publisher, TOPIC "values", wamp_builder_payload(builder), NULL));
  GOOD(wamp_builder_free(builder));
  WAIT(inbox.got, 1);

  event = inbox_event(&inbox, 0, WAMP_EVENT);
  SAME(event->uri, TOPIC "values");
  CHECK(event->uri_size == strlen(event->uri));
  SAME(wamp_value_string(wamp_value_get(wamp_event_details(event), "topic"), NULL), TOPIC "values");
  CHECK(event->id == id && event->wamp_id > 0 && event->status == 0);

  args = wamp_event_args(event);
  CHECK(wamp_value_type(args) == WAMP_TYPE_LIST && wamp_value_size(args) == 5);
  SAME(wamp_value_string(wamp_value_at(args, 0), &size), UNICODE);
  CHECK(size == strlen(UNICODE));
  SAME(wamp_value_string(wamp_value_at(args, 1), NULL), "cut");
  CHECK(wamp_value_type(wamp_value_at(args, 2)) == WAMP_TYPE_BINARY);
  binary = wamp_value_binary(wamp_value_at(args, 2), &size);
  CHECK(binary != NULL && size == sizeof bytes && memcmp(binary, bytes, size) == 0);
  list = wamp_value_at(args, 3);
  CHECK(wamp_value_size(list) == 3);
  CHECK(wamp_value_type(wamp_value_at(list, 0)) == WAMP_TYPE_BOOL && wamp_value_bool(wamp_value_at(list, 0)) == 1);
  CHECK(wamp_value_type(wamp_value_at(list, 1)) == WAMP_TYPE_NULL);
  CHECK(wamp_value_double(wamp_value_get(wamp_value_at(list, 2), "deep")) == -2.5);
  CHECK(wamp_value_int(wamp_value_at(wamp_value_at(args, 4), 0)) == 1);

  kwargs = wamp_event_kwargs(event);
  CHECK(wamp_value_type(kwargs) == WAMP_TYPE_DICT && wamp_value_size(kwargs) == 2);
  SAME(wamp_value_string(wamp_value_get(kwargs, "colour"), NULL), "orange");
  CHECK(wamp_value_int(wamp_value_get(wamp_value_get(kwargs, "\xc3\xa9t\xc3\xa9"), "n")) == -7);
  for (i = 0; i < 2; i++) CHECK(wamp_value_get(kwargs, wamp_value_key(kwargs, i, NULL)) != NULL);
  CHECK(wamp_value_key(kwargs, 2, NULL) == NULL);

  GOOD(wamp_session_unsubscribe_sync(subscriber, id, LIMIT_MS));
  inbox_empty(&inbox);
}

static void several_handlers(wamp_session_t *subscriber, wamp_session_t *publisher) {
  static inbox_t first = INBOX, second = INBOX, done = INBOX, marker = INBOX;
  int64_t one, two, three;
  int i;

  one = GOOD(wamp_session_subscribe(subscriber, TOPIC "shared", NULL, inbox_callback, inbox_callback, &first, NULL));
  WAIT(first.got, 1); /* this handler is its own `done`, so SUBSCRIBED comes to the same inbox */
  CHECK(inbox_event(&first, 0, WAMP_SUBSCRIBED)->id == one);
  CHECK(inbox_event(&first, 0, WAMP_SUBSCRIBED)->wamp_id > 0);
  inbox_empty(&first);
  two = GOOD(wamp_session_subscribe_sync(subscriber, TOPIC "shared", NULL, inbox_callback, &second, NULL, LIMIT_MS));
  three = GOOD(wamp_session_subscribe_sync(subscriber, TOPIC "marker", NULL, inbox_callback, &marker, NULL, LIMIT_MS));
  CHECK(one != two);

  for (i = 0; i < 3; i++) GOOD(wamp_session_publish(publisher, TOPIC "shared", WAMP_ARGS("[\"both\"]"), NULL));
  GOOD(wamp_session_publish(publisher, TOPIC "marker", NULL, NULL));
  WAIT(marker.got, 1); /* events keep their order: a second copy of an earlier one would have come before this */
  CHECK(latch_count(&first.got) == 3 && latch_count(&second.got) == 3);
  for (i = 0; i < 3; i++) {
    CHECK(inbox_event(&first, i, WAMP_EVENT)->id == one && inbox_event(&second, i, WAMP_EVENT)->id == two);
    CHECK(inbox_event(&first, i, WAMP_EVENT)->wamp_id == inbox_event(&second, i, WAMP_EVENT)->wamp_id);
  }

  CHECK(GOOD(wamp_session_unsubscribe(subscriber, one, inbox_callback, &done, NULL)) == 0);
  WAIT(done.got, 1);
  CHECK(inbox_event(&done, 0, WAMP_UNSUBSCRIBED)->id == one);
  GOOD(wamp_session_publish(publisher, TOPIC "shared", WAMP_ARGS("[\"second only\"]"), NULL));
  WAIT(second.got, 4);
  CHECK(GOOD(wamp_session_unsubscribe(subscriber, two, inbox_callback, &done, NULL)) == 1);
  WAIT(done.got, 2);
  CHECK(inbox_event(&done, 1, WAMP_UNSUBSCRIBED)->id == two);
  GOOD(wamp_session_publish(publisher, TOPIC "shared", WAMP_ARGS("[\"nobody\"]"), NULL));
  GOOD(wamp_session_publish(publisher, TOPIC "marker", NULL, NULL));
  WAIT(marker.got, 2);
  CHECK(latch_count(&first.got) == 3 && latch_count(&second.got) == 4);
  FAILS(wamp_session_unsubscribe(subscriber, one, NULL, NULL, NULL), WAMP_ERR_NO_SUCH_ID);

  CHECK(GOOD(wamp_session_unsubscribe_sync(subscriber, three, LIMIT_MS)) == 1);
  inbox_empty(&first), inbox_empty(&second), inbox_empty(&done), inbox_empty(&marker);
}

static void acknowledged(wamp_session_t *subscriber, wamp_session_t *publisher) {
  static inbox_t inbox = INBOX, done = INBOX;
  const wamp_event_t *published;
  int64_t id, request;

  id = GOOD(wamp_session_subscribe_sync(subscriber, TOPIC "acked", NULL, inbox_callback, &inbox, NULL, LIMIT_MS));
  request = GOOD(wamp_session_publish_ack(publisher, TOPIC "acked", WAMP_KWARGS("{\"a\": 1}"), NULL, inbox_callback,
                                          &done, NULL));
  CHECK(request > 0);
  WAIT(done.got, 1);
  WAIT(inbox.got, 1);
  published = inbox_event(&done, 0, WAMP_PUBLISHED);
  CHECK(published->id == request && published->wamp_id > 0);
  CHECK(inbox_event(&inbox, 0, WAMP_EVENT)->wamp_id == published->wamp_id);
  CHECK(wamp_value_int(wamp_value_get(wamp_event_kwargs(inbox_event(&inbox, 0, WAMP_EVENT)), "a")) == 1);
  CHECK(wamp_value_size(wamp_event_args(inbox_event(&inbox, 0, WAMP_EVENT))) == 0);
  CHECK(GOOD(wamp_session_unsubscribe_sync(subscriber, id, LIMIT_MS)) == 1);
  inbox_empty(&inbox), inbox_empty(&done);
}

static void own_events(wamp_session_t *session) {
  static inbox_t inbox = INBOX;
  int64_t id =
      GOOD(wamp_session_subscribe_sync(session, TOPIC "own", NULL, inbox_callback, &inbox, NULL, LIMIT_MS));
  GOOD(wamp_session_publish(session, TOPIC "own", WAMP_ARGS("[\"not for me\"]"), NULL));
  GOOD(wamp_session_publish(session, TOPIC "own", WAMP_ARGS("[\"for me\"]"), "{\"exclude_me\": false}"));
  GOOD(wamp_session_publish(session, TOPIC "own", WAMP_ARGS("[\"not for me\"]"), "{\"exclude_me\": true}"));
  GOOD(wamp_session_publish(session, TOPIC "own", WAMP_ARGS("[\"last\"]"), "{\"exclude_me\": false}"));
  WAIT(inbox.got, 2);
  SAME(wamp_value_string(inbox_arg(&inbox, 0, WAMP_EVENT, 0), NULL), "for me");
  SAME(wamp_value_string(inbox_arg(&inbox, 1, WAMP_EVENT, 0), NULL), "last");
  CHECK(GOOD(wamp_session_unsubscribe_sync(session, id, LIMIT_MS)) == 1);
  inbox_empty(&inbox);
}

int main(int argc, char **argv) {
  wamp_connection_t *a, *b;
  wamp_session_t *subscriber, *publisher;
  scenario_begin(argc, argv, "pubsub");
  a = scenario_connection(scenario.mode, NULL);
  b = scenario_connection(scenario.mode, NULL);
  subscriber = scenario_join(a);
  publisher = scenario_join(b);

  values(subscriber, publisher);
  several_handlers(subscriber, publisher);
  acknowledged(subscriber, publisher);
  own_events(subscriber);

  scenario_leave(a, subscriber);
  scenario_leave(b, publisher);
  return scenario_end();
}
