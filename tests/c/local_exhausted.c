/*
 * The system gives no more descriptors, or no more threads: that is told as what it is, nothing crashes or waits for ever,
 * and everything works once there is room again.
 */
#include "scenario.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- descriptors ---- */

static int taken[1024];
static size_t taken_count;

/* Takes all descriptors that there are. */
static void take_all(void) {
  int fd;
  while ((fd = open("/dev/null", O_RDONLY)) >= 0) {
    CHECK(taken_count < sizeof taken / sizeof *taken);
    taken[taken_count++] = fd;
  }
}

static void give_back(void) {
  while (taken_count > 0) close(taken[--taken_count]);
}

static void on_close(const wamp_event_t *event, void *user_data) {
  SAME(event->uri, "unreachable");
  CHECK(event->status == WAMP_ERR_EXHAUSTED);
  latch_hit(user_data);
}

static void descriptors(void) {
  struct rlimit limit = {64, 64};
  latch_t closed = LATCH;
  wamp_connection_t *connection, *polled;
  wamp_router_t *router = wamp_router_new(NULL);
  wamp_session_t *session = NULL;
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  /* None for the threads of the library. */
  take_all();
  FAILS(wamp_router_listen(router, "ws://127.0.0.1:0/", NULL), WAMP_ERR_EXHAUSTED);
  give_back();
  scenario_start_router(NULL);
  connection = scenario_connection("thread", "\"max_retries\": 0");
  polled = scenario_connection("manual", NULL);
  scenario_unpump(polled);
  /* None for sockets. */
  take_all();
  FAILS(wamp_router_listen(router, "ws://127.0.0.1:0/", NULL), WAMP_ERR_EXHAUSTED);
  FAILS(wamp_connection_fd(polled), WAMP_ERR_EXHAUSTED);
  GOOD(wamp_connection_on_close(connection, on_close, &closed, NULL));
  GOOD(wamp_connection_open(connection));
  WAIT(closed, 1);
  FAILS(wamp_connection_session(connection, LIMIT_MS, &session), WAMP_ERR_EXHAUSTED);
  give_back();
  GOOD(wamp_connection_on_close(connection, NULL, NULL, NULL));
  scenario_leave(connection, scenario_join(connection));
  GOOD(wamp_connection_fd(polled));
  GOOD(wamp_connection_free(polled));
  GOOD(wamp_router_listen(router, "ws://127.0.0.1:0/", NULL));
  GOOD(wamp_router_free(router));
}

/* ---- threads ---- */

static void limit_memory(long more) {
  struct rlimit limit;
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  CHECK(file != NULL && fscanf(file, "%ld", &pages) == 1);
  fclose(file);
  CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
  limit.rlim_cur = more < 0 ? limit.rlim_max : (rlim_t)(pages * sysconf(_SC_PAGESIZE) + more);
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

static void threads(void) {
  wamp_router_t *router = wamp_router_new(NULL);
  limit_memory(1024 * 1024); /* too little for a stack */
  FAILS(wamp_router_listen(router, "ws://127.0.0.1:0/", NULL), WAMP_ERR_EXHAUSTED);
  FAILS(wamp_router_listen(router, "ws://127.0.0.1:0/", NULL), WAMP_ERR_EXHAUSTED);
  limit_memory(-1);
  GOOD(wamp_router_listen(router, "ws://127.0.0.1:0/", NULL));
  GOOD(wamp_router_free(router));
}

/* In a process of its own, whose library has not begun. */
static void apart(void (*test)(void)) {
  int status = 0;
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    test();
    exit(scenario_end());
  }
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv) {
  const char *preloaded = getenv("LD_PRELOAD");
  scenario_begin_alone(argc, argv, "local_exhausted");
  apart(descriptors);
  /* valgrind needs memory for itself. */
  if (!preloaded || !strstr(preloaded, "vgpreload")) apart(threads);
  return scenario_end();
}
