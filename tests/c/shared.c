/* One procedure offered by several callees: who gets a call, how many at a time, who is asked instead of one that cannot,
 * and who takes whose place. */
#include "scenario.h"

#define PROC "com.example.shared."
#define CALLEES 3

static wamp_session_t *callees[CALLEES];

/* What each callee does with a call. */
typedef enum manner_t { ANSWERS, KEEPS, UNAVAILABLE } manner_t;

typedef struct offer_t {
  int number;
  manner_t manner;
  latch_t asked;
  wamp_invocation_t *kept;
  inbox_t done; /* how the registration went */
  int64_t id;
} offer_t;

static void on_call(const wamp_event_t *event, void *user_data) {
  offer_t *offer = user_data;
  manner_t manner = offer->manner; /* read once: with the hit, and again with the answer, it may become another */
  char text[32];
  snprintf(text, sizeof text, "[%d]", offer->number);
  if (manner == KEEPS) {
    GOOD(wamp_invocation_retain(event->invocation));
    offer->kept = event->invocation;
  }
  latch_hit(&offer->asked); /* before the answer, as the caller may have it at once */
  if (manner == ANSWERS) GOOD(wamp_invocation_yield(event->invocation, WAMP_ARGS(text)));
  if (manner == UNAVAILABLE)
    GOOD(wamp_invocation_error(event->invocation, "wamp.error.unavailable", NULL));
}

/* `done` of a registration has the same user_data. */
static void on_done(const wamp_event_t *event, void *user_data) {
  inbox_t *inbox = &((offer_t *)user_data)->done;
  long count = latch_count(&inbox->got);
  if (count < INBOX_SIZE) inbox->kept[count] = wamp_event_keep(event);
  latch_hit(&inbox->got);
}

static void offer(offer_t *of, const char *procedure, const char *options) {
  of->id = GOOD(wamp_session_register(callees[of->number], procedure, options, on_call, on_done, of, NULL));
  WAIT(of->done.got, 1);
  CHECK(inbox_event(&of->done, 0, WAMP_REGISTERED)->id == of->id);
}

static void offers_begin(offer_t *offers, const char *procedure, const char *options) {
  int i;
  memset(offers, 0, CALLEES * sizeof *offers);
  for (i = 0; i < CALLEES; i++) {
    offers[i].number = i;
    latch_init(&offers[i].asked);
    latch_init(&offers[i].done.got);
    offer(&offers[i], procedure, options);
  }
}

static void offers_end(offer_t *offers) {
  int i;
  for (i = 0; i < CALLEES; i++) {
    GOOD(wamp_session_unregister_sync(callees[i], offers[i].id, LIMIT_MS));
    inbox_empty(&offers[i].done);
  }
}

/* Which of the callees has answered. */
static int who(wamp_session_t *caller, const char *procedure) {
  wamp_message_t *answer = scenario_result(caller, procedure, NULL, NULL);
  int64_t number = wamp_value_int(wamp_value_at(wamp_event_args(wamp_message_event(answer)), 0));
  GOOD(wamp_message_free(answer));
  return (int)number;
}

static void policies(wamp_session_t *caller) {
  static offer_t offers[CALLEES];
  int counts[CALLEES] = {0, 0, 0}, last, i;

  offers_begin(offers, PROC "first", "{\"invoke\": \"first\"}");
  for (i = 0; i < 4; i++) CHECK(who(caller, PROC "first") == 0);
  offers_end(offers);

  offers_begin(offers, PROC "last", "{\"invoke\": \"last\"}");
  for (i = 0; i < 4; i++) CHECK(who(caller, PROC "last") == CALLEES - 1);
  offers_end(offers);

  offers_begin(offers, PROC "roundrobin", "{\"invoke\": \"roundrobin\"}");
  last = who(caller, PROC "roundrobin");
  for (i = 0; i < 6; i++) {
    int next = who(caller, PROC "roundrobin");
    CHECK(next == (last + 1) % CALLEES);
    last = next;
  }
  offers_end(offers);

  /* That one of three is not drawn in two hundred calls is as good as impossible. */
  offers_begin(offers, PROC "random", "{\"invoke\": \"random\"}");
  for (i = 0; i < 200; i++) counts[who(caller, PROC "random")]++;
  for (i = 0; i < CALLEES; i++) CHECK(counts[i] > 0);
  offers_end(offers);
}

/* When the one that was asked first leaves the registration, the next takes its calls. */
static void succession(wamp_session_t *caller) {
  static offer_t offers[CALLEES];
  int i;
  offers_begin(offers, PROC "succession", "{\"invoke\": \"first\"}");
  for (i = 0; i < CALLEES; i++) {
    CHECK(who(caller, PROC "succession") == i);
    GOOD(wamp_session_unregister_sync(callees[i], offers[i].id, LIMIT_MS));
    inbox_empty(&offers[i].done);
  }
  scenario_refused(caller, PROC "succession", NULL, NULL, "wamp.error.no_such_procedure");
}

/* Who wants to share must say so, and in the same way. */
static void disagreement(void) {
  static const char *const others[] = {NULL, "{\"invoke\": \"single\"}", "{\"invoke\": \"last\"}"};
  static latch_t freed = LATCH;
  int64_t id = GOOD(wamp_session_register_sync(callees[0], PROC "mine", "{\"invoke\": \"first\"}", scenario_echo, NULL,
                                               NULL, LIMIT_MS));
  size_t i;
  for (i = 0; i < sizeof others / sizeof *others; i++) {
    FAILS(wamp_session_register_sync(callees[1], PROC "mine", others[i], scenario_echo, &freed, latch_free, LIMIT_MS),
          WAMP_ERR_REMOTE);
    CHECK(strstr(wamp_last_error(), "wamp.error.procedure_already_exists") ||
          strstr(wamp_last_error(), "wamp.error.procedure_exists_with_different_invocation_policy"));
    WAIT(freed, (long)i + 1);
  }
  GOOD(wamp_session_unregister_sync(callees[0], id, LIMIT_MS));
}

/* One call at a time for each callee. */
static void concurrency(wamp_session_t *caller) {
  static offer_t offers[CALLEES];
  static inbox_t outcomes = INBOX;
  wamp_message_t *answer;
  const wamp_event_t *error;
  int i;
  offers_begin(offers, PROC "busy", "{\"invoke\": \"roundrobin\", \"concurrency\": 1}");
  for (i = 0; i < CALLEES; i++) offers[i].manner = KEEPS;
  for (i = 0; i < CALLEES; i++)
    GOOD(wamp_session_call(caller, PROC "busy", NULL, NULL, inbox_callback, &outcomes, NULL));
  for (i = 0; i < CALLEES; i++) WAIT(offers[i].asked, 1);
  answer = scenario_call(caller, PROC "busy", NULL, NULL); /* all are at work */
  error = wamp_message_event(answer);
  CHECK(error->kind == WAMP_ERROR && error->status == WAMP_ERR_REMOTE);
  SAME(error->uri,
       scenario_is_embedded() ? "wamp.error.no_available_callee" : "crossbar.error.max_concurrency_reached");
  GOOD(wamp_message_free(answer));

  offers[1].manner = ANSWERS;
  GOOD(wamp_invocation_yield(offers[1].kept, NULL));
  WAIT(outcomes.got, 1); /* the router knows that this callee is free again */
  CHECK(who(caller, PROC "busy") == 1);
  CHECK(who(caller, PROC "busy") == 1);
  GOOD(wamp_invocation_yield(offers[0].kept, NULL));
  GOOD(wamp_invocation_yield(offers[2].kept, NULL));
  WAIT(outcomes.got, CALLEES);
  for (i = 0; i < CALLEES; i++) {
    (void)inbox_event(&outcomes, i, WAMP_RESULT);
    GOOD(wamp_invocation_release(offers[i].kept));
  }
  inbox_empty(&outcomes);
  offers_end(offers);
}

/* A callee that cannot asks the router to ask another. */
static void rerouted(wamp_session_t *caller) {
  static offer_t offers[CALLEES];
  bool can = scenario_can(callees[0], "callee", "call_reroute");
  offers_begin(offers, PROC "reroute", "{\"invoke\": \"first\"}");
  offers[0].manner = offers[1].manner = UNAVAILABLE;
  if (can) {
    CHECK(who(caller, PROC "reroute") == 2);
    CHECK(latch_count(&offers[0].asked) == 1 && latch_count(&offers[1].asked) == 1);
    offers[2].manner = UNAVAILABLE;
    scenario_refused(caller, PROC "reroute", NULL, NULL, "wamp.error.no_available_callee");
  } else {
    scenario_refused(caller, PROC "reroute", NULL, NULL, "wamp.error.unavailable");
    CHECK(latch_count(&offers[1].asked) == 0);
  }
  offers_end(offers);
}

/* Takes the procedure of another. */
static void taken_over(wamp_session_t *caller) {
  static offer_t former, latter;
  const wamp_event_t *end;
  former.number = 0, latter.number = 1;
  latch_init(&former.asked), latch_init(&former.done.got);
  latch_init(&latter.asked), latch_init(&latter.done.got);
  offer(&former, PROC "seat", NULL);
  CHECK(who(caller, PROC "seat") == 0);
  offer(&latter, PROC "seat", "{\"force_reregister\": true}");
  WAIT(former.done.got, 2);
  end = inbox_event(&former.done, 1, WAMP_UNREGISTERED);
  CHECK(end->id == former.id && end->status == WAMP_OK);
  SAME(end->uri, "wamp.error.unregistered");
  CHECK(who(caller, PROC "seat") == 1);
  FAILS(wamp_session_unregister(callees[0], former.id, NULL, NULL, NULL), WAMP_ERR_NO_SUCH_ID);
  GOOD(wamp_session_unregister_sync(callees[1], latter.id, LIMIT_MS));
  inbox_empty(&former.done), inbox_empty(&latter.done);
}

int main(int argc, char **argv) {
  wamp_connection_t *connections[CALLEES], *calling;
  wamp_session_t *caller;
  int i;
  scenario_begin(argc, argv, "shared");
  for (i = 0; i < CALLEES; i++) {
    connections[i] = scenario_connection(scenario.mode, NULL);
    callees[i] = scenario_join(connections[i]);
  }
  calling = scenario_connection("thread", NULL);
  caller = scenario_join(calling);
  CHECK(scenario_can(callees[0], "callee", "shared_registration"));

  policies(caller);
  succession(caller);
  disagreement();
  concurrency(caller);
  rerouted(caller);
  taken_over(caller);

  scenario_leave(calling, caller);
  for (i = 0; i < CALLEES; i++) scenario_leave(connections[i], callees[i]);
  return scenario_end();
}
