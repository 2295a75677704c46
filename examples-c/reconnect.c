/*
 * Reconnect: a subscription and a procedure that outlive the loss of their connection, without a line of code for it.
 *
 *     reconnect                     a router of its own, which cuts the connection three times
 *     reconnect URL [REALM]         that router, until Ctrl-C: stop it and start it again
 *
 * What is declared on the connection, not on a session, is made anew in each session. `done` hears of it.
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <wamp.h>

#define LIMIT_MS 10000
#define LOSSES 3

struct app {
  wamp_router_t *router; /* our own, or NULL */
  pthread_t main_thread;
  int losses;
};

/* main() sits in sigwait and hears of nothing but signals. */
static void stop(struct app *app) {
  if (pthread_kill(app->main_thread, SIGTERM) != 0) abort();
}

static void on_news(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  printf("event: %.*s\n", (int)event->payload.args_size, event->payload.args ? event->payload.args : "");
  fflush(stdout);
}

static void on_ping(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  (void)wamp_invocation_yield(event->invocation, &event->payload);
}

/* How the subscription and the procedure fare. */
static void on_state(const wamp_event_t *event, const char *what) {
  const wamp_value_t *outage = wamp_value_get(wamp_event_details(event), "outage");
  switch (event->kind) {
    case WAMP_SUBSCRIBED:
    case WAMP_REGISTERED: printf("the %s is in service\n", what); break;
    case WAMP_SUSPENDED: printf("the %s is out of service\n", what); break;
    case WAMP_RESTORED: printf("the %s is back after %.3f s\n", what, wamp_value_double(outage)); break;
    case WAMP_ERROR: printf("the %s was refused: %s\n", what, event->uri); break;
    default: break;
  }
  fflush(stdout);
}

static void on_subscription(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  on_state(event, "subscription");
}

static void on_registration(const wamp_event_t *event, void *user_data) {
  struct app *app = user_data;
  on_state(event, "procedure");
  if (!app->router || (event->kind != WAMP_REGISTERED && event->kind != WAMP_RESTORED)) return;
  if (app->losses++ < LOSSES)
    wamp_router_kick(app->router, 0, NULL); /* as if somebody had pulled the plug */
  else
    stop(app);
}

static void on_open(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  printf("session %" PRId64 " is open\n", event->wamp_id);
  fflush(stdout);
}

static void on_close(const wamp_event_t *event, void *user_data) {
  const wamp_value_t *details = wamp_event_details(event);
  printf("connection %s: %s\n", event->uri, event->message);
  if (wamp_value_bool(wamp_value_get(details, "will_retry")))
    printf("next attempt in %.1f s\n", wamp_value_double(wamp_value_get(details, "retry_delay")));
  else
    stop(user_data); /* the last word, whoever said it */
  fflush(stdout);
}

int main(int argc, char **argv) {
  struct app app = {NULL, pthread_self(), 0};
  wamp_connection_t *connection;
  const char *url = argc > 1 ? argv[1] : NULL;
  char options[1024];
  sigset_t signals;
  int number, status, good;

  /* Blocked before any thread exists, so that these signals wait for the sigwait below, wherever they arrive. */
  if (sigemptyset(&signals) || sigaddset(&signals, SIGINT) || sigaddset(&signals, SIGTERM) ||
      pthread_sigmask(SIG_BLOCK, &signals, NULL))
    return EXIT_FAILURE;
  if (!url) {
    app.router = wamp_router_new(NULL);
    if (!app.router || wamp_router_listen(app.router, "ws://127.0.0.1:0/ws", &url) < 0) {
      fprintf(stderr, "reconnect: no router: %s\n", wamp_last_error());
      return EXIT_FAILURE;
    }
  }
  /* The first delay is short because this is a demonstration; the default suits a router that others use, too. */
  snprintf(options, sizeof options,
           "{\"url\": \"%s\", \"realm\": \"%s\", \"max_retries\": -1, \"initial_retry_delay\": 0.1, "
           "\"max_retry_delay\": 5}",
           url, argc > 2 ? argv[2] : "realm1");
  connection = wamp_connection_new(options);
  if (!connection) {
    fprintf(stderr, "reconnect: %s\n", wamp_last_error());
    return EXIT_FAILURE;
  }
  /* Declared before there is any session, and never again. */
  good = wamp_connection_subscribe(connection, "com.example.news", NULL, on_news, on_subscription, NULL, NULL) > 0 &&
         wamp_connection_register(connection, "com.example.ping", NULL, on_ping, on_registration, &app, NULL) > 0 &&
         wamp_connection_on_open(connection, on_open, &app, NULL) >= 0 &&
         wamp_connection_on_close(connection, on_close, &app, NULL) >= 0 && wamp_connection_open(connection) >= 0;
  if (!good) fprintf(stderr, "reconnect: %s\n", wamp_last_error());
  if (good && sigwait(&signals, &number) != 0) abort();

  status = wamp_connection_close(connection, NULL, NULL, LIMIT_MS);
  if (status < 0) good = 0; /* WAMP_ERR_CLOSED: it has ended by itself */
  wamp_connection_free(connection);
  if (app.router) wamp_router_free(app.router);
  if (wamp_shutdown(LIMIT_MS) < 0) good = 0;
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
