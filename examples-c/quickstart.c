/*
 * Quick start: remote procedure calls and publish/subscribe in one small program.
 *
 * It brings its own router, so there is nothing to install or to start first. The "backend" offers a procedure and
 * listens to a topic; the "frontend" calls the one and publishes to the other. In real life these two would be
 * different programs on different machines: see callee.c, caller.c, subscriber.c and publisher.c.
 *
 *     cc quickstart.c -lwamp -lpthread -o quickstart && ./quickstart
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <wamp.h>

#define SECONDS 1000 /* all time limits are in milliseconds */

struct app {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int events;
};

/* Every function answers a number: negative means that it failed, and wamp_last_error() knows the details. */
static int64_t must(int64_t status, const char *what) {
  if (status < 0) {
    fprintf(stderr, "%s: %s: %s\n", what, wamp_status_text((int)status), wamp_last_error());
    exit(EXIT_FAILURE);
  }
  return status;
}

/* The procedure com.example.add2. */
static void on_add2(const wamp_event_t *event, void *user_data) {
  const wamp_value_t *args = wamp_event_args(event);
  wamp_builder_t *sum = wamp_builder_new(WAMP_JSON);
  (void)user_data;
  /* A builder remembers its first error and yield then reports it, so one check at the end is enough. */
  wamp_builder_int(sum, wamp_value_int(wamp_value_at(args, 0)) + wamp_value_int(wamp_value_at(args, 1)));
  must(wamp_invocation_yield(event->invocation, wamp_builder_payload(sum)), "answering");
  wamp_builder_free(sum);
}

/* An event on the topic com.example.hello. Callbacks run on a thread of the library, hence the mutex. */
static void on_hello(const wamp_event_t *event, void *user_data) {
  struct app *app = user_data;
  const char *text = wamp_value_string(wamp_value_at(wamp_event_args(event), 0), NULL);
  printf("got event: %s\n", text ? text : "(no text)");
  pthread_mutex_lock(&app->mutex);
  app->events++;
  pthread_cond_signal(&app->changed);
  pthread_mutex_unlock(&app->mutex);
}

static wamp_connection_t *join(const char *url, wamp_session_t **session) {
  char options[512];
  wamp_connection_t *connection;
  snprintf(options, sizeof options, "{\"url\": \"%s\", \"realm\": \"realm1\"}", url);
  connection = wamp_connection_new(options);
  must(connection ? 0 : WAMP_ERR_OPTION, "making a connection");
  must(wamp_connection_open(connection), "opening");
  must(wamp_connection_session(connection, 10 * SECONDS, session), "joining the realm");
  return connection;
}

static void leave(wamp_connection_t *connection, wamp_session_t *session) {
  must(wamp_session_release(session), "releasing the session");
  must(wamp_connection_close(connection, NULL, NULL, 10 * SECONDS), "closing");
  must(wamp_connection_free(connection), "freeing the connection");
}

int main(void) {
  struct app app = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
  wamp_connection_t *backend, *frontend;
  wamp_session_t *back, *front;
  wamp_message_t *result = NULL;
  wamp_router_t *router = wamp_router_new(NULL);
  const char *url;

  must(wamp_router_listen(router, "ws://127.0.0.1:0/ws", &url), "starting the router"); /* port 0: any free one */
  backend = join(url, &back);
  frontend = join(url, &front);

  must(wamp_session_register_sync(back, "com.example.add2", NULL, on_add2, NULL, NULL, 10 * SECONDS), "registering");
  must(wamp_session_subscribe_sync(back, "com.example.hello", NULL, on_hello, &app, NULL, 10 * SECONDS), "subscribing");

  must(wamp_session_call_sync(front, "com.example.add2", WAMP_ARGS("[2, 3]"), NULL, 10 * SECONDS, &result), "calling");
  printf("2 + 3 = %" PRId64 "\n", wamp_value_int(wamp_value_at(wamp_event_args(wamp_message_event(result)), 0)));
  wamp_message_free(result);

  must(wamp_session_publish(front, "com.example.hello", WAMP_ARGS("[\"Hello, world!\"]"), NULL), "publishing");
  pthread_mutex_lock(&app.mutex);
  while (app.events == 0) pthread_cond_wait(&app.changed, &app.mutex);
  pthread_mutex_unlock(&app.mutex);

  leave(frontend, front);
  leave(backend, back);
  must(wamp_router_free(router), "freeing the router");
  must(wamp_shutdown(10 * SECONDS), "shutting down"); /* joins every thread of the library */
  return EXIT_SUCCESS;
}
