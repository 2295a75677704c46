/*
 * Dashboard: a program that shows a web page how its machine is doing, and is told by the page what to do.
 *
 *     dashboard                     a router of its own, at ws://127.0.0.1:8081/ws
 *     dashboard URL [REALM]         that router
 *
 * The page is dashboard.html. `make dashboard` puts it into target/dashboard, with AutobahnJS beside it; then
 *
 *     wampd --static target/dashboard
 *
 * serves it: http://127.0.0.1:8080/?router=ws://127.0.0.1:8081/ws. Without `?router=` the page asks the router that
 * serves it, which is what `dashboard ws://127.0.0.1:8080/ws` uses, too. Ctrl-C ends it.
 *
 * Each event of com.example.dashboard.load has the share of the processors and of the memory that is in use, in
 * percent. com.example.dashboard.set_interval(ms) says how often; com.example.dashboard.about() tells of the machine.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wamp.h>

#define LIMIT_MS 10000
#define OWN_URL "ws://127.0.0.1:8081/ws"
#define TOPIC "com.example.dashboard.load"

/* Set by a page, on a thread of the library, while main() reads it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t interval_ms = 1000;

static int64_t interval(int64_t wanted) {
  int64_t present;
  pthread_mutex_lock(&lock);
  if (wanted > 0) interval_ms = wanted;
  present = interval_ms;
  pthread_mutex_unlock(&lock);
  return present;
}

static void answer(const wamp_event_t *event, wamp_builder_t *result) {
  if (wamp_invocation_yield(event->invocation, wamp_builder_payload(result)) < 0)
    fprintf(stderr, "dashboard: answering: %s\n", wamp_last_error());
  wamp_builder_free(result);
}

static void on_set_interval(const wamp_event_t *event, void *user_data) {
  const int64_t wanted = wamp_value_int(wamp_value_at(wamp_event_args(event), 0));
  wamp_builder_t *result = wamp_builder_new(WAMP_JSON);
  (void)user_data;
  if (wanted < 100 || wanted > 60000) {
    wamp_builder_string(result, "the interval has to be 100 to 60000 ms", WAMP_NUL);
    (void)wamp_invocation_error(event->invocation, "com.example.dashboard.wrong", wamp_builder_payload(result));
    wamp_builder_free(result);
    return;
  }
  printf("a page wants the load every %" PRId64 " ms\n", wanted);
  fflush(stdout);
  wamp_builder_int(result, interval(wanted));
  answer(event, result);
}

static void on_about(const wamp_event_t *event, void *user_data) {
  char host[256] = "";
  wamp_builder_t *result = wamp_builder_new(WAMP_JSON);
  (void)user_data;
  gethostname(host, sizeof host - 1);
  wamp_builder_key(result, "host");
  wamp_builder_string(result, host, WAMP_NUL);
  wamp_builder_key(result, "processors");
  wamp_builder_int(result, sysconf(_SC_NPROCESSORS_ONLN));
  wamp_builder_key(result, "interval");
  wamp_builder_int(result, interval(0));
  answer(event, result);
}

static void on_state(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  if (event->kind == WAMP_ERROR) fprintf(stderr, "dashboard: %s: %s\n", event->uri, event->message);
}

/* main() sits in sigtimedwait. */
static void on_close(const wamp_event_t *event, void *user_data) {
  const pthread_t *main_thread = user_data;
  fprintf(stderr, "dashboard: connection %s: %s\n", event->uri, event->message);
  /* Without another attempt this is the last word, whoever said it. */
  if (!wamp_value_bool(wamp_value_get(wamp_event_details(event), "will_retry")) && pthread_kill(*main_thread, SIGTERM) != 0)
    abort();
}

/* The share of the processors' time since the last call that was not idle, in percent; negative where nothing tells. */
static double processors_in_use(void) {
  static uint64_t last_all, last_idle;
  uint64_t times[8] = {0}, all = 0, idle;
  FILE *file = fopen("/proc/stat", "r");
  double share;
  int i, read;
  if (!file) return -1;
  read = fscanf(file, "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
                times, times + 1, times + 2, times + 3, times + 4, times + 5, times + 6, times + 7);
  fclose(file);
  if (read < 4) return -1;
  for (i = 0; i < 8; i++) all += times[i];
  idle = times[3] + times[4];
  share = all > last_all ? 100.0 - 100.0 * (double)(idle - last_idle) / (double)(all - last_all) : 0;
  last_all = all;
  last_idle = idle;
  return share < 0 ? 0 : share > 100 ? 100 : share;
}

static double memory_in_use(void) {
  char line[128];
  uint64_t all = 0, available = 0;
  FILE *file = fopen("/proc/meminfo", "r");
  if (!file) return -1;
  while (fgets(line, sizeof line, file)) {
    (void)sscanf(line, "MemTotal: %" SCNu64, &all);
    (void)sscanf(line, "MemAvailable: %" SCNu64, &available);
  }
  fclose(file);
  return all ? 100.0 - 100.0 * (double)available / (double)all : -1;
}

/* Publishes the load, if there is a session at the moment: after a loss the next one will do. */
static void publish(wamp_connection_t *connection, wamp_builder_t *load) {
  wamp_session_t *session = NULL;
  wamp_builder_reset(load);
  wamp_builder_double(load, processors_in_use());
  wamp_builder_double(load, memory_in_use());
  if (wamp_connection_session(connection, 0, &session) < 0) return;
  if (wamp_session_publish(session, TOPIC, wamp_builder_payload(load), NULL) < 0)
    fprintf(stderr, "dashboard: publishing: %s\n", wamp_last_error());
  wamp_session_release(session);
}

/* Publishes until a signal comes. */
static void run(wamp_connection_t *connection, const sigset_t *signals) {
  wamp_builder_t *load = wamp_builder_new(WAMP_JSON);
  for (;;) {
    const int64_t ms = interval(0);
    struct timespec pause;
    pause.tv_sec = (time_t)(ms / 1000);
    pause.tv_nsec = (long)(ms % 1000) * 1000000;
    if (sigtimedwait(signals, NULL, &pause) >= 0) break;
    if (errno == EAGAIN) publish(connection, load);
  }
  wamp_builder_free(load);
}

int main(int argc, char **argv) {
  const char *url = argc > 1 ? argv[1] : NULL;
  wamp_router_t *router = NULL;
  wamp_connection_t *connection;
  char options[1024];
  pthread_t main_thread = pthread_self();
  sigset_t signals;
  int good;

  /* Blocked before any thread exists, so that these signals wait for the sigtimedwait above, wherever they arrive. */
  if (sigemptyset(&signals) || sigaddset(&signals, SIGINT) || sigaddset(&signals, SIGTERM) ||
      pthread_sigmask(SIG_BLOCK, &signals, NULL))
    return EXIT_FAILURE;
  if (!url) {
    router = wamp_router_new(NULL);
    if (!router || wamp_router_listen(router, OWN_URL, &url) < 0) {
      fprintf(stderr, "dashboard: no router: %s\n", wamp_last_error());
      return EXIT_FAILURE;
    }
  }
  snprintf(options, sizeof options, "{\"url\": \"%s\", \"realm\": \"%s\", \"max_retries\": -1}", url,
           argc > 2 ? argv[2] : "realm1");
  connection = wamp_connection_new(options);
  good = connection &&
         wamp_connection_register(connection, "com.example.dashboard.about", NULL, on_about, on_state, NULL, NULL) > 0 &&
         wamp_connection_register(connection, "com.example.dashboard.set_interval", NULL, on_set_interval, on_state, NULL,
                                  NULL) > 0 &&
         wamp_connection_on_close(connection, on_close, &main_thread, NULL) >= 0 && wamp_connection_open(connection) >= 0;
  if (good) {
    printf("the load is told at %s\n", url);
    fflush(stdout);
    run(connection, &signals);
  } else {
    fprintf(stderr, "dashboard: %s\n", wamp_last_error());
  }
  if (connection) {
    if (wamp_connection_close(connection, NULL, NULL, LIMIT_MS) < 0) good = 0; /* WAMP_ERR_CLOSED: it has ended by itself */
    wamp_connection_free(connection);
  }
  if (router) wamp_router_free(router);
  if (wamp_shutdown(LIMIT_MS) < 0) good = 0;
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
