/*
 * The end of a router: in order, with clients that answer and one that does not; and a process that ends at once behind it,
 * whose clients hear of it all the same.
 */
#include "scenario.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS 20
#define SHUTDOWN "wamp.close.system_shutdown"

static latch_t closed = LATCH, outcomes = LATCH, called = LATCH;

static void on_close(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  SAME(event->uri, "closed");
  SAME(scenario_text(wamp_event_details(event), "reason"), SHUTDOWN);
  CHECK(wamp_value_bool(wamp_value_get(wamp_event_details(event), "will_retry"))); /* it may only be a restart */
  latch_hit(&closed);
}

static void on_silent(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_retain(event->invocation));
  latch_hit(&called);
}

static void on_outcome(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  CHECK(event->kind == WAMP_ERROR && event->status == WAMP_ERR_REMOTE);
  SAME(event->uri, "wamp.error.canceled");
  latch_hit(&outcomes);
}

static wamp_connection_t *client(void) {
  /* Its next attempt is far away. */
  wamp_connection_t *connection = scenario_connection("thread", "\"initial_retry_delay\": 250");
  GOOD(wamp_connection_on_close(connection, on_close, NULL, NULL));
  return connection;
}

static void in_order(void) {
  wamp_connection_t *connections[CLIENTS];
  wamp_session_t *sessions[CLIENTS];
  wamp_router_t *next;
  int i;
  scenario_start_router(NULL);
  for (i = 0; i < CLIENTS; i++) {
    connections[i] = client();
    sessions[i] = scenario_join(connections[i]);
  }
  GOOD(wamp_session_register_sync(sessions[0], "com.test.silent", NULL, on_silent, NULL, NULL, LIMIT_MS));
  for (i = 0; i < CLIENTS; i++)
    GOOD(wamp_session_call(sessions[i], "com.test.silent", NULL, NULL, on_outcome, NULL, NULL));
  WAIT(called, CLIENTS);
  GOOD(wamp_router_close(scenario.router, LIMIT_MS));
  /* The address is free at once, and the router is none any more. */
  next = wamp_router_new(NULL);
  GOOD(wamp_router_listen(next, scenario.url, NULL));
  FAILS(wamp_router_listen(scenario.router, "ws://127.0.0.1:0/ws", NULL), WAMP_ERR_CLOSED);
  GOOD(wamp_router_close(scenario.router, 0));
  WAIT(closed, CLIENTS);
  WAIT(outcomes, CLIENTS);
  for (i = 0; i < CLIENTS; i++) {
    GOOD(wamp_connection_on_close(connections[i], NULL, NULL, NULL));
    scenario_leave(connections[i], sessions[i]);
  }
  GOOD(wamp_router_close(next, LIMIT_MS));
  GOOD(wamp_router_free(next));
  GOOD(wamp_router_free(scenario.router));
  scenario.router = NULL;
}

/* A client that has joined, and then says nothing any more. */
static int silent_client(void) {
  static const char hello[] = "[1,\"realm1\",{\"roles\":{\"caller\":{}}}]";
  unsigned char head[4] = {0x7f, 0xf1, 0, 0};
  struct sockaddr_in to;
  char welcome[16];
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  memset(&to, 0, sizeof to);
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons((unsigned short)strtol(strrchr(scenario.url, ':') + 1, NULL, 10));
  CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
  CHECK(write(fd, head, 4) == 4 && recv(fd, head, 4, MSG_WAITALL) == 4 && head[0] == 0x7f);
  head[0] = head[1] = head[2] = 0;
  head[3] = sizeof hello - 1;
  CHECK(write(fd, head, 4) == 4 && write(fd, hello, sizeof hello - 1) == (ssize_t)sizeof hello - 1);
  CHECK(recv(fd, welcome, 6, MSG_WAITALL) == 6 && memcmp(welcome + 4, "[2", 2) == 0);
  return fd;
}

static void with_a_silent_client(void) {
  char rest[1024];
  int fd;
  scenario.router = wamp_router_new(NULL);
  GOOD(wamp_router_listen(scenario.router, "rs://127.0.0.1:0", NULL));
  snprintf(scenario.url, sizeof scenario.url, "%s", wamp_router_url(scenario.router));
  fd = silent_client();
  FAILS(wamp_router_close(scenario.router, 200), WAMP_ERR_TIMEOUT);
  while (recv(fd, rest, sizeof rest, 0) > 0) continue; /* it is cut off */
  CHECK(close(fd) == 0);
  GOOD(wamp_router_free(scenario.router));
  scenario.router = NULL;
}

/* The router's process ends behind a free, or a shutdown. */
static void at_once(const char *at, bool shuts_down) {
  wamp_connection_t *connections[CLIENTS];
  wamp_session_t *sessions[CLIENTS];
  long before = latch_count(&closed);
  int to_router[2], from_router[2], status = 0, i;
  char byte = 0;
  pid_t router;
  CHECK(pipe(to_router) == 0 && pipe(from_router) == 0);
  router = fork(); /* before the library has begun: it does not work in forked children */
  CHECK(router >= 0);
  if (router == 0) {
    const char *url = NULL;
    scenario.router = wamp_router_new(NULL);
    GOOD(wamp_router_listen(scenario.router, at, &url));
    snprintf(scenario.url, sizeof scenario.url, "%s", url);
    CHECK(write(from_router[1], scenario.url, sizeof scenario.url) == (ssize_t)sizeof scenario.url);
    CHECK(read(to_router[0], &byte, 1) == 1);
    if (shuts_down)
      GOOD(wamp_shutdown(LIMIT_MS));
    else
      GOOD(wamp_router_free(scenario.router));
    _exit(0);
  }
  CHECK(read(from_router[0], scenario.url, sizeof scenario.url) == (ssize_t)sizeof scenario.url);
  for (i = 0; i < CLIENTS; i++) {
    connections[i] = client();
    sessions[i] = scenario_join(connections[i]);
  }
  CHECK(write(to_router[1], &byte, 1) == 1);
  CHECK(waitpid(router, &status, 0) == router && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  WAIT(closed, before + CLIENTS);
  for (i = 0; i < CLIENTS; i++) {
    GOOD(wamp_connection_on_close(connections[i], NULL, NULL, NULL));
    scenario_leave(connections[i], sessions[i]);
  }
}

/* In a process of its own, whose library has not begun. */
static void apart(const char *at, bool shuts_down) {
  int status = 0;
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    at_once(at, shuts_down);
    exit(scenario_end());
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv) {
  static const char *const urls[] = {"ws://127.0.0.1:0/ws", "rs://127.0.0.1:0", "http://127.0.0.1:0/lp"};
  size_t i;
  scenario_begin_alone(argc, argv, "local_router_end");
  for (i = 0; i < sizeof urls / sizeof *urls; i++) {
    apart(urls[i], false);
    apart(urls[i], true);
  }
  in_order();
  with_a_silent_client();
  return scenario_end();
}
