/*
 * Subscriber: prints the events of the topic com.example.hello, which publisher.c publishes.
 *
 *     subscriber [URL [REALM [N]]]        default: ws://127.0.0.1:8080/ws realm1, until Ctrl-C
 *
 * Stops at SIGINT or SIGTERM, or after N events. When the connection is lost the library connects again by itself;
 * because the subscription is made in on_open, it is then made again, too.
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
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
  long left;    /* events still wanted; 0 = no limit */
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
  fprintf(stderr, "subscriber: %s: %s: %s\n", what, wamp_status_text((int)status), wamp_last_error());
}

static void on_hello(const wamp_event_t *event, void *user_data) {
  struct app *app = user_data;
  /* What is missing or of another type reads as NULL and 0, so a strange event cannot crash us. */
  const char *text = wamp_value_string(wamp_value_at(wamp_event_args(event), 0), NULL);
  const wamp_value_t *number = wamp_value_get(wamp_event_kwargs(event), "number");
  int last;

  printf("got event %" PRId64 ": %s\n", wamp_value_int(number), text ? text : "(no text)");
  fflush(stdout);

  pthread_mutex_lock(&app->mutex);
  last = app->left > 0 && --app->left == 0;
  pthread_mutex_unlock(&app->mutex);
  if (last) stop(app, 0);
}

static void on_subscribed(const wamp_event_t *event, void *user_data) {
  if (event->kind == WAMP_SUBSCRIBED) {
    printf("subscriber: ready\n");
    fflush(stdout); /* somebody may wait for this line at the other end of a pipe */
  } else if (event->kind == WAMP_ERROR) {
    fprintf(stderr, "subscriber: cannot subscribe: %s: %s\n", event->uri, event->message);
    stop(user_data, 1);
  }
}

static void on_open(const wamp_event_t *event, void *user_data) {
  int64_t id =
      wamp_session_subscribe(event->session, "com.example.hello", NULL, on_hello, on_subscribed, user_data, NULL);
  if (id < 0) {
    complain("cannot subscribe", id);
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
  fprintf(stderr, "subscriber: connection %s: %s%s\n", event->uri, event->message, retry ? " (will try again)" : "");
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
    fprintf(stderr, "subscriber: %s\n", wamp_last_error());
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
