/*
 * Event loop: libwamp inside a program that has its own loop, here a plain poll(2).
 *
 *     eventloop [URL [REALM]]             default: ws://127.0.0.1:8080/ws realm1
 *
 * With "dispatch": "manual" the library still does all its network work on threads of its own, but no callback ever
 * runs there: events wait until this program asks for them by wamp_connection_dispatch, and the callbacks run inside
 * that call, on this thread. wamp_connection_fd is readable while events wait, so it fits into poll, epoll, select,
 * libuv, GLib, Qt, asyncio ... No locks are needed, because nothing here happens on two threads.
 *
 * One session offers a procedure and listens to a topic, then calls the one and publishes to the other itself.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wamp.h>

#define LIMIT_MS 10000
#define PROCEDURE "com.example.eventloop.add2"
#define TOPIC "com.example.eventloop.hello"

struct app {
  int ready;  /* of the two requests: registered, subscribed */
  int wanted; /* of the two answers: the call's result, the event */
  int closed; /* the connection has ended: so shall the loop */
  int failed;
};

/* Tells what went wrong and starts closing; on_close then ends the loop. */
static void fail(struct app *app, const wamp_event_t *event, const char *what, const char *why) {
  fprintf(stderr, "eventloop: %s: %s\n", what, why);
  app->failed = 1;
  /* Time limit 0: only start closing. Waiting is not allowed inside a callback, and not needed in a loop. */
  if (wamp_connection_close(event->connection, NULL, NULL, 0) < 0) app->closed = 1;
}

static void one_less(struct app *app, const wamp_event_t *event) {
  if (--app->wanted > 0) return;
  if (wamp_connection_close(event->connection, NULL, NULL, 0) < 0) fail(app, event, "closing", wamp_last_error());
}

static void on_add2(const wamp_event_t *event, void *user_data) {
  const wamp_value_t *args = wamp_event_args(event);
  wamp_builder_t *sum = wamp_builder_new(WAMP_JSON);
  wamp_builder_int(sum, wamp_value_int(wamp_value_at(args, 0)) + wamp_value_int(wamp_value_at(args, 1)));
  if (wamp_invocation_yield(event->invocation, wamp_builder_payload(sum)) < 0)
    fail(user_data, event, "answering", wamp_last_error());
  wamp_builder_free(sum);
}

static void on_hello(const wamp_event_t *event, void *user_data) {
  const char *text = wamp_value_string(wamp_value_at(wamp_event_args(event), 0), NULL);
  printf("got event: %s\n", text ? text : "(no text)");
  one_less(user_data, event);
}

static void on_sum(const wamp_event_t *event, void *user_data) {
  if (event->kind == WAMP_ERROR) {
    fail(user_data, event, event->uri, event->message);
    return;
  }
  printf("2 + 3 = %" PRId64 "\n", wamp_value_int(wamp_value_at(wamp_event_args(event), 0)));
  one_less(user_data, event);
}

/* Both the registration and the subscription end up here; when the router has confirmed both, the work begins. */
static void on_ready(const wamp_event_t *event, void *user_data) {
  struct app *app = user_data;
  if (event->kind == WAMP_ERROR) {
    fail(app, event, event->uri, event->message);
    return;
  }
  if (++app->ready < 2) return;
  /* A publisher does not get its own event unless it says so. */
  if (wamp_session_call(event->session, PROCEDURE, WAMP_ARGS("[2, 3]"), NULL, on_sum, app, NULL) < 0 ||
      wamp_session_publish(event->session, TOPIC, WAMP_ARGS("[\"Hello, world!\"]"), "{\"exclude_me\": false}") < 0)
    fail(app, event, "calling and publishing", wamp_last_error());
}

static void on_open(const wamp_event_t *event, void *user_data) {
  if (wamp_session_register(event->session, PROCEDURE, NULL, on_add2, on_ready, user_data, NULL) < 0 ||
      wamp_session_subscribe(event->session, TOPIC, NULL, on_hello, on_ready, user_data, NULL) < 0)
    fail(user_data, event, "registering and subscribing", wamp_last_error());
}

static void on_close(const wamp_event_t *event, void *user_data) {
  struct app *app = user_data;
  app->closed = 1; /* even if the library would try again: this program would rather tell */
  if (app->wanted > 0 && !app->failed) {
    fprintf(stderr, "eventloop: connection %s: %s\n", event->uri, event->message);
    app->failed = 1;
  }
}

/* The loop. Your own file descriptors would stand beside ours in the array. */
static int run(struct app *app, wamp_connection_t *connection) {
  struct pollfd waiting = {wamp_connection_fd(connection), POLLIN, 0};
  if (waiting.fd < 0) return waiting.fd;
  while (!app->closed) {
    int count = poll(&waiting, 1, LIMIT_MS);
    if (count < 0 && errno != EINTR) {
      fprintf(stderr, "eventloop: poll: %s\n", strerror(errno));
      return WAMP_ERR_INTERNAL;
    }
    if (count == 0) return WAMP_ERR_TIMEOUT;
    /* All that waits, without waiting for more. */
    count = wamp_connection_dispatch(connection, 0, 0);
    if (count < 0) return count;
  }
  return WAMP_OK;
}

int main(int argc, char **argv) {
  struct app app = {0, 2, 0, 0};
  wamp_connection_t *connection;
  char options[1024];
  int status, ended;

  snprintf(options, sizeof options, "{\"url\": \"%s\", \"realm\": \"%s\", \"dispatch\": \"manual\"}",
           argc > 1 ? argv[1] : "ws://127.0.0.1:8080/ws", argc > 2 ? argv[2] : "realm1");
  connection = wamp_connection_new(options);
  if (!connection) {
    fprintf(stderr, "eventloop: %s\n", wamp_last_error());
    return EXIT_FAILURE;
  }
  status = wamp_connection_on_open(connection, on_open, &app, NULL);
  if (status >= 0) status = wamp_connection_on_close(connection, on_close, &app, NULL);
  if (status >= 0) status = wamp_connection_open(connection); /* returns at once: on_open or on_close follows */
  if (status >= 0) status = run(&app, connection);
  if (status < 0) fprintf(stderr, "eventloop: %s: %s\n", wamp_status_text(status), wamp_last_error());

  ended = wamp_connection_free(connection);
  if (ended >= 0) ended = wamp_shutdown(LIMIT_MS);
  if (ended < 0) fprintf(stderr, "eventloop: cannot shut down: %s: %s\n", wamp_status_text(ended), wamp_last_error());
  return app.failed || status < 0 || ended < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
