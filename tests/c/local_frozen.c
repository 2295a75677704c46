/*
 * A router that is frozen is noticed as fast by who keeps sending as by who is idle: its system goes on acknowledging what
 * is sent, which is no sign of life. Over every transport that has pings, and over long-poll by who sends.
 */
#include "scenario.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS 9 /* five that send, and four that are idle: long-poll has no pings, and would notice nothing */
#define URL_SIZE 128

typedef struct guest_t {
  wamp_connection_t *connection;
  wamp_session_t *session;
  bool sends;
  latch_t closed;
} guest_t;

static const char *const tcp[] = {"ws://127.0.0.1:0/ws", "rs://127.0.0.1:0", "http://127.0.0.1:0/lp"};

/* The router's process: tells the URLs of its listeners, and is then frozen from outside. */
static void serve(int to, const char *directory) {
  char urls[5][URL_SIZE];
  size_t i;
  for (i = 0; i < 5; i++) {
    wamp_router_t *router = wamp_router_new(NULL); /* one each: only the first URL of a router is told */
    char at[URL_SIZE];
    if (i < 3)
      snprintf(at, sizeof at, "%s", tcp[i]);
    else
      snprintf(at, sizeof at, "%s+unix://%s/%s", i == 3 ? "ws" : "rs", directory, i == 3 ? "ws" : "rs");
    GOOD(wamp_router_listen(router, at, NULL));
    snprintf(urls[i], sizeof urls[i], "%s", wamp_router_url(router));
  }
  CHECK(write(to, urls, sizeof urls) == (ssize_t)sizeof urls);
  for (;;) pause();
}

static void on_close(const wamp_event_t *event, void *user_data) {
  guest_t *guest = user_data;
  SAME(event->uri, "lost");
  CHECK(event->status == WAMP_ERR_LOST);
  latch_hit(&guest->closed);
}

int main(int argc, char **argv) {
  static const int order[CLIENTS] = {0, 1, 2, 3, 4, 0, 1, 3, 4};
  static guest_t guests[CLIENTS];
  char directory[] = "/tmp/wamp-frozen-XXXXXX", urls[5][URL_SIZE], path[URL_SIZE];
  int ends[2], status;
  long open = CLIENTS;
  time_t frozen;
  pid_t router;
  size_t i;
  scenario_begin_alone(argc, argv, "local_frozen");
  CHECK(mkdtemp(directory) != NULL);
  CHECK(pipe(ends) == 0);
  router = fork(); /* before the library has begun: it does not work in forked children */
  CHECK(router >= 0);
  if (router == 0) serve(ends[1], directory);
  CHECK(read(ends[0], urls, sizeof urls) == (ssize_t)sizeof urls);

  for (i = 0; i < CLIENTS; i++) {
    guest_t *guest = &guests[i];
    latch_init(&guest->closed);
    guest->sends = i < 5;
    snprintf(scenario.url, sizeof scenario.url, "%s", urls[order[i]]);
    guest->connection = scenario_connection("thread",
                                            "\"autoping_interval\": 1, \"autoping_timeout\": 1, \"max_retries\": 0,"
                                            "\"rawsocket_pings\": true");
    GOOD(wamp_connection_on_close(guest->connection, on_close, guest, NULL));
    guest->session = scenario_join(guest->connection);
  }
  CHECK(kill(router, SIGSTOP) == 0);
  CHECK(waitpid(router, &status, WUNTRACED) == router && WIFSTOPPED(status));
  frozen = scenario_seconds();
  while (open > 0) {
    struct timespec pause = {0, 50 * 1000 * 1000}; /* between two messages of who sends */
    open = 0;
    for (i = 0; i < CLIENTS; i++) {
      if (latch_count(&guests[i].closed) > 0) continue;
      open++;
      if (guests[i].sends) wamp_session_publish(guests[i].session, "com.test.topic", WAMP_ARGS("[1]"), NULL);
    }
    if (scenario_seconds() - frozen > LIMIT_SECONDS) {
      for (i = 0; i < CLIENTS; i++)
        if (latch_count(&guests[i].closed) == 0)
          fprintf(stderr, "  client %d (%s) has noticed nothing\n", (int)i, guests[i].sends ? "sends" : "idle");
      CHECK(open == 0);
    }
    nanosleep(&pause, NULL);
  }
  for (i = 0; i < CLIENTS; i++) {
    GOOD(wamp_session_release(guests[i].session));
    GOOD(wamp_connection_free(guests[i].connection));
  }
  CHECK(kill(router, SIGKILL) == 0);
  CHECK(waitpid(router, &status, 0) == router);
  for (i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%s/%s", directory, i ? "rs" : "ws");
    unlink(path);
  }
  CHECK(rmdir(directory) == 0);
  return scenario_end();
}
