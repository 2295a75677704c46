/*
 * Progress: a call that takes its time. The callee tells how far it is; the caller loses patience with the second one and
 * cancels it, which the callee notices.
 *
 *     progress [URL [REALM]]        default: a router of its own, realm1
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <wamp.h>

#define LIMIT_MS 10000
#define STEPS 10

/* ---- the callee ---- */

/* How many are at work: main() waits for the last one. */
static pthread_mutex_t bakers_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t bakers_changed = PTHREAD_COND_INITIALIZER;
static int bakers;

static void add_bakers(int number) {
  pthread_mutex_lock(&bakers_mutex);
  bakers += number;
  pthread_cond_signal(&bakers_changed);
  pthread_mutex_unlock(&bakers_mutex);
}

static void wait_for_bakers(void) {
  pthread_mutex_lock(&bakers_mutex);
  while (bakers > 0) pthread_cond_wait(&bakers_changed, &bakers_mutex);
  pthread_mutex_unlock(&bakers_mutex);
}

/* The work itself, on a thread of its own, so that callbacks go on meanwhile. */
static void *bake(void *user_data) {
  wamp_invocation_t *invocation = user_data;
  const struct timespec moment = {0, 20 * 1000 * 1000};
  int step;
  for (step = 1; step <= STEPS; step++) {
    char percent[32];
    nanosleep(&moment, NULL); /* here something would be done */
    if (wamp_invocation_is_canceled(invocation) == 1) {
      printf("callee: nobody waits any more, so I stop\n");
      fflush(stdout);
      break;
    }
    snprintf(percent, sizeof percent, "[%d]", 100 * step / STEPS);
    /* WAMP_ERR_STATE: this caller did not ask for progress. WAMP_ERR_CANCELED: it is seen above, in the next round. */
    (void)wamp_invocation_progress(invocation, WAMP_ARGS(percent));
  }
  if (step > STEPS && wamp_invocation_yield(invocation, WAMP_ARGS("[\"a cake\"]")) < 0)
    fprintf(stderr, "callee: cannot answer: %s\n", wamp_last_error());
  wamp_invocation_release(invocation); /* where there was no answer, the caller gets an error */
  add_bakers(-1);
  return NULL;
}

static void on_bake(const wamp_event_t *event, void *user_data) {
  pthread_t thread;
  (void)user_data;
  if (wamp_invocation_retain(event->invocation) < 0) return;
  add_bakers(1);
  if (pthread_create(&thread, NULL, bake, event->invocation) == 0) {
    pthread_detach(thread);
  } else {
    wamp_invocation_release(event->invocation);
    add_bakers(-1);
  }
}

/* ---- the caller ---- */

struct order {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  long percent;
  int ended; /* 0 while it runs, then the kind of event that ended it */
};

static void on_outcome(const wamp_event_t *event, void *user_data) {
  struct order *order = user_data;
  pthread_mutex_lock(&order->mutex);
  if (event->kind == WAMP_RESULT && event->flags & WAMP_FLAG_PROGRESS) {
    order->percent = (long)wamp_value_int(wamp_value_at(wamp_event_args(event), 0));
    printf("caller: %ld %%\n", order->percent);
  } else if (event->kind == WAMP_RESULT) {
    const char *what = wamp_value_string(wamp_value_at(wamp_event_args(event), 0), NULL);
    printf("caller: got %s\n", what ? what : "nothing");
    order->ended = WAMP_RESULT;
  } else {
    printf("caller: ended by %s\n", event->uri);
    order->ended = WAMP_ERROR;
  }
  fflush(stdout);
  pthread_cond_signal(&order->changed);
  pthread_mutex_unlock(&order->mutex);
}

/* Orders a cake; cancels when so many percent are done (beyond 100: never). Gives how it ended. */
static int order_cake(wamp_session_t *session, long patience) {
  struct order order = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
  int64_t call = wamp_session_call(session, "com.example.bake", NULL, "{\"receive_progress\": true}", on_outcome, &order,
                                   NULL);
  if (call < 0) {
    fprintf(stderr, "progress: cannot call: %s\n", wamp_last_error());
    return WAMP_ERROR;
  }
  pthread_mutex_lock(&order.mutex);
  while (!order.ended && order.percent < patience) pthread_cond_wait(&order.changed, &order.mutex);
  pthread_mutex_unlock(&order.mutex);
  if (patience <= 100) wamp_session_cancel(session, call, NULL);
  pthread_mutex_lock(&order.mutex);
  while (!order.ended) pthread_cond_wait(&order.changed, &order.mutex);
  pthread_mutex_unlock(&order.mutex);
  return order.ended;
}

int main(int argc, char **argv) {
  wamp_router_t *router = NULL;
  wamp_connection_t *connection;
  wamp_session_t *session = NULL;
  const char *url = argc > 1 ? argv[1] : NULL;
  char options[1024];
  int good = 0, status;

  if (!url) {
    router = wamp_router_new(NULL);
    if (!router || wamp_router_listen(router, "ws://127.0.0.1:0/ws", &url) < 0) {
      fprintf(stderr, "progress: no router: %s\n", wamp_last_error());
      return EXIT_FAILURE;
    }
  }
  snprintf(options, sizeof options, "{\"url\": \"%s\", \"realm\": \"%s\"}", url, argc > 2 ? argv[2] : "realm1");
  connection = wamp_connection_new(options);
  status = connection ? wamp_connection_open(connection) : WAMP_ERR_OPTION;
  if (status >= 0) status = wamp_connection_session(connection, LIMIT_MS, &session);
  if (status >= 0)
    status = (int)(wamp_session_register_sync(session, "com.example.bake", NULL, on_bake, NULL, NULL, LIMIT_MS) < 0);
  if (status == 0) {
    good = order_cake(session, 101) == WAMP_RESULT;
    good = order_cake(session, 30) == WAMP_ERROR && good;
  } else {
    fprintf(stderr, "progress: %s\n", wamp_last_error());
  }
  wait_for_bakers();
  if (session) wamp_session_release(session);
  if (connection) {
    wamp_connection_close(connection, NULL, NULL, LIMIT_MS);
    wamp_connection_free(connection);
  }
  if (router) wamp_router_free(router);
  if (wamp_shutdown(LIMIT_MS) < 0) good = 0;
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
