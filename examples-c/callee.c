/*
 * Callee: offers the procedure com.example.add2(a, b), which caller.c calls.
 *
 *     callee [URL [REALM [N]]]            default: ws://127.0.0.1:8080/ws realm1, until Ctrl-C
 *
 * Stops at SIGINT or SIGTERM, or after N invocations. When the connection is lost the library connects again by itself;
 * because the procedure is registered in on_open, it is then offered again, too.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <wamp.h>

#define LIMIT_MS 10000

/* What the callbacks share with main(). They run on another thread, hence the mutex. */
struct app {
  pthread_mutex_t mutex;
  pthread_t main_thread;
  long left;    /* invocations still wanted; 0 = no limit */
  int stopping; /* main() is closing the connection: not worth a message */
  int failed;
};

/* Ends the program from a callback in the way a user would: main() sits in sigwait and hears of nothing but signals. */
static void stop(struct app *app, int failed) {
  pthread_mutex_lock(&app->mutex);
  if (failed) app->failed = 1;
  pthread_mutex_unlock(&app->mutex);
  if (pthread_kill(app->main_thread, SIGTERM) != 0) abort();
}

static void complain(const char *what, int64_t status) {
  fprintf(stderr, "callee: %s: %s: %s\n", what, wamp_status_text((int)status), wamp_last_error());
}

static void on_add2(const wamp_event_t *event, void *user_data) {
  struct app *app = user_data;
  const wamp_value_t *a = wamp_value_at(wamp_event_args(event), 0);
  const wamp_value_t *b = wamp_value_at(wamp_event_args(event), 1);
  int status, last;

  if (wamp_value_type(a) != WAMP_TYPE_INT || wamp_value_type(b) != WAMP_TYPE_INT) {
    /* The caller gets this as an ERROR. Never trust what comes over the network to be what you expect. */
    status = wamp_invocation_error(event->invocation, "wamp.error.invalid_argument",
                                   WAMP_ARGS("[\"add2 wants two integers\"]"));
  } else {
    wamp_builder_t *sum = wamp_builder_new(WAMP_JSON);
    /* Unsigned, because an overflow of signed numbers is undefined in C, and a caller could bring it about. */
    wamp_builder_int(sum, (int64_t)((uint64_t)wamp_value_int(a) + (uint64_t)wamp_value_int(b)));
    status = wamp_invocation_yield(event->invocation, wamp_builder_payload(sum));
    wamp_builder_free(sum);
  }
  /* Not fatal: the connection may have been lost in this moment. The invocation is answered with an ERROR for us. */
  if (status < 0) complain("cannot answer", status);

  pthread_mutex_lock(&app->mutex);
  last = app->left > 0 && --app->left == 0;
  pthread_mutex_unlock(&app->mutex);
  if (last) stop(app, 0);
}

static void on_registered(const wamp_event_t *event, void *user_data) {
  if (event->kind == WAMP_REGISTERED) {
    printf("callee: ready\n");
    fflush(stdout); /* somebody may wait for this line at the other end of a pipe */
  } else if (event->kind == WAMP_ERROR) {
    fprintf(stderr, "callee: cannot register: %s: %s\n", event->uri, event->message);
    stop(user_data, 1);
  }
}

static void on_open(const wamp_event_t *event, void *user_data) {
  int64_t id = wamp_session_register(event->session, "com.example.add2", NULL, on_add2, on_registered, user_data, NULL);
  if (id < 0) {
    complain("cannot register", id);
    stop(user_data, 1);
  }
}

static void on_close(const wamp_event_t *event, void *user_data) {
  struct app *app = user_data;
  int retry = wamp_value_bool(wamp_value_get(wamp_event_details(event), "will_retry"));
  int stopping;
  pthread_mutex_lock(&app->mutex);
  stopping = app->stopping;
  pthread_mutex_unlock(&app->mutex);
  if (stopping) return;
  fprintf(stderr, "callee: connection %s: %s%s\n", event->uri, event->message, retry ? " (will try again)" : "");
  if (!retry) stop(app, 1);
}

int main(int argc, char **argv) {
  struct app app = {PTHREAD_MUTEX_INITIALIZER, pthread_self(), argc > 3 ? strtol(argv[3], NULL, 10) : 0, 0, 0};
  wamp_connection_t *connection;
  char options[1024];
  sigset_t signals;
  int number, status, failed;

  /* Blocked before any thread exists, so that these signals wait for the sigwait below, wherever they arrive. */
  if (sigemptyset(&signals) || sigaddset(&signals, SIGINT) || sigaddset(&signals, SIGTERM) ||
      pthread_sigmask(SIG_BLOCK, &signals, NULL))
    return EXIT_FAILURE;

  snprintf(options, sizeof options, "{\"url\": \"%s\", \"realm\": \"%s\"}",
           argc > 1 ? argv[1] : "ws://127.0.0.1:8080/ws", argc > 2 ? argv[2] : "realm1");
  connection = wamp_connection_new(options);
  if (!connection) {
    fprintf(stderr, "callee: %s\n", wamp_last_error());
    return EXIT_FAILURE;
  }
  status = wamp_connection_on_open(connection, on_open, &app, NULL);
  if (status >= 0) status = wamp_connection_on_close(connection, on_close, &app, NULL);
  if (status >= 0) status = wamp_connection_open(connection);
  if (status >= 0 && sigwait(&signals, &number) != 0) abort();

  pthread_mutex_lock(&app.mutex);
  app.stopping = 1;
  failed = app.failed;
  pthread_mutex_unlock(&app.mutex);

  if (status < 0) {
    complain("cannot open", status);
    failed = 1;
  } else if (!failed) {
    /* The time limit makes it a barrier: once it has returned, no callback runs and `app` is ours alone. */
    status = wamp_connection_close(connection, NULL, NULL, LIMIT_MS);
    if (status < 0) {
      complain("cannot close", status);
      failed = 1;
    }
  }
  status = wamp_connection_free(connection);
  if (status >= 0) status = wamp_shutdown(LIMIT_MS);
  if (status < 0) {
    complain("cannot shut down", status);
    failed = 1;
  }
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
