/*
 * A program for each build of the library, whatever that leaves out: the same binary runs with all of them.
 *
 *     small router          a router at ws:// and rs://, whose URLs it says; until its standard input ends
 *     small call URL BEGIN  a call and an event, by JSON. Says how long it took to join since BEGIN (nanoseconds of the
 *                           monotonic clock), and the largest memory that was resident
 *     small refusals        what a build without any part refuses, and in which words
 *     small parts           the parts that there are
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wamp.h>

#define TOPIC "com.example.news"
#define LIMIT_MS 60000

static int fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, wamp_last_error());
  return 1;
}

static int run_router(void) {
  static const char *const urls[] = {"ws://127.0.0.1:0/ws", "rs://127.0.0.1:0"};
  wamp_router_t *router = wamp_router_new(NULL);
  size_t at;
  for (at = 0; at < sizeof urls / sizeof *urls; at++) {
    const char *url = NULL;
    if (wamp_router_listen(router, urls[at], &url) < 0) return fail("router");
    printf("%s\n", url);
  }
  fflush(stdout);
  while (getchar() != EOF) continue;
  wamp_router_close(router, LIMIT_MS);
  wamp_router_free(router);
  return wamp_shutdown(LIMIT_MS) < 0;
}

/* Notes what the event says; on the thread that dispatches. */
static void on_news(const wamp_event_t *event, void *user_data) {
  const wamp_value_t *args = wamp_event_args(event);
  if (event->kind == WAMP_EVENT) *(volatile int64_t *)user_data = wamp_value_int(wamp_value_at(args, 0));
}

static double resident_mib(void) {
  FILE *file = fopen("/proc/self/status", "r");
  char line[256];
  long kib = 0;
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "VmHWM: %ld kB", &kib) == 1) break;
  if (file != NULL) fclose(file);
  return (double)kib / 1024;
}

static double since_ms(const char *begin) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6 - strtod(begin, NULL) / 1e6;
}

/* A call, and an event of its own, in `manual` mode: the thread that waits is the one that is told. */
static int call(const char *url, const char *begin) {
  char options[256];
  wamp_connection_t *connection;
  wamp_session_t *session = NULL;
  wamp_message_t *result = NULL;
  volatile int64_t heard = 0;
  double joined;
  snprintf(options, sizeof options, "{\"url\": \"%s\", \"realm\": \"realm1\", \"dispatch\": \"manual\"}", url);
  connection = wamp_connection_new(options);
  wamp_connection_open(connection);
  if (wamp_connection_session(connection, LIMIT_MS, &session) < 0) return fail("session");
  joined = since_ms(begin);
  if (wamp_session_subscribe_sync(session, TOPIC, NULL, on_news, (void *)&heard, NULL, LIMIT_MS) < 0) return fail("subscribe");
  if (wamp_session_publish(session, TOPIC, WAMP_ARGS("[42]"), "{\"exclude_me\": false}") < 0) return fail("publish");
  while (heard == 0)
    if (wamp_connection_dispatch(connection, -1, LIMIT_MS) <= 0) return fail("dispatch");
  if (wamp_session_call_sync(session, "wamp.session.count", NULL, NULL, LIMIT_MS, &result) < 0) return fail("call");
  printf("heard %" PRId64 ", counted %" PRId64 ", joined after %.1f ms, %.2f MiB\n", heard,
         wamp_value_int(wamp_value_at(wamp_event_args(wamp_message_event(result)), 0)), joined, resident_mib());
  wamp_message_free(result);
  wamp_session_release(session);
  if (wamp_connection_close(connection, NULL, NULL, LIMIT_MS) < 0) return fail("close");
  wamp_connection_free(connection);
  return wamp_shutdown(LIMIT_MS) < 0;
}

/* Counts what was not refused in these words. */
static int expect(const char *what, int is_refused, const char *words) {
  const char *told = wamp_last_error();
  if (is_refused && strstr(told, "this libwamp was built without ") != NULL && strstr(told, words) != NULL) return 0;
  printf("%s: %s, not \"%s\": %s\n", what, is_refused ? "refused" : "taken", words, told);
  return 1;
}

static int refuse_options(void) {
  static const char *const cases[][2] = {
      {"\"url\": \"wss://localhost/\"", "TLS (Cargo feature `tls`)"},
      {"\"url\": \"rss://localhost:8080\"", "option `url`"},
      {"\"url\": \"https://localhost/lp\"", "HTTP long-poll"},
      {"\"url\": \"http://localhost/lp\"", "HTTP long-poll (Cargo feature `longpoll`)"},
      {"\"transports\": [{\"type\": \"longpoll\", \"url\": \"http://localhost/lp\"}]", "option `transports`"},
      {"\"url\": \"ws://localhost/\", \"proxy\": \"http://localhost:3128\"", "proxies (Cargo feature `proxy`)"},
      {"\"url\": \"ws://localhost/\", \"permessage_deflate\": true", "compression (Cargo feature `deflate`)"},
      {"\"url\": \"ws://localhost/\", \"permessage_deflate\": {\"level\": 1}", "compression"},
      {"\"url\": \"ws://localhost/\", \"tlsConfiguration\": {\"verify\": false}", "TLS"},
      {"\"url\": \"ws://localhost/\", \"channel_binding\": \"tls-exporter\"", "TLS"},
      {"\"url\": \"ws://localhost/\", \"cookies\": true", "cookies (Cargo feature `cookies`)"},
      {"\"url\": \"ws://localhost/\", \"scram_raw\": true", "argon2 (Cargo feature `argon2`)"},
  };
  int wrong = 0;
  size_t at;
  for (at = 0; at < sizeof cases / sizeof *cases; at++) {
    char options[256];
    wamp_connection_t *connection;
    snprintf(options, sizeof options, "{\"realm\": \"realm1\", %s}", cases[at][0]);
    connection = wamp_connection_new(options);
    wrong += expect(cases[at][0], connection == NULL, cases[at][1]);
    wamp_connection_free(connection);
  }
  return wrong;
}

static int refusals(void) {
  static const char *const nothing_asked =
      "{\"url\": \"ws://localhost/\", \"realm\": \"realm1\", \"proxy\": false, \"permessage_deflate\": false, "
      "\"cookies\": false, \"scram_raw\": false}";
  const char *url = NULL;
  char key[256];
  wamp_connection_t *connection = wamp_connection_new(nothing_asked);
  int wrong = refuse_options();
  if (connection == NULL) return fail("an option that asks for nothing is refused");
  wamp_connection_free(connection);
  wrong += expect("wamp_router_new", wamp_router_new(NULL) == NULL, "the router (Cargo feature `router`)");
  wrong += expect("wamp_router_listen", wamp_router_listen(NULL, NULL, &url) == WAMP_ERR_HANDLE, "the router");
  wrong += expect("wamp_router_stats", wamp_router_stats(NULL) == NULL, "the router");
  wrong += expect("wamp_router_free", wamp_router_free(NULL) == WAMP_ERR_HANDLE, "the router");
  wrong += expect("wamp_question_deny", wamp_question_deny(NULL, NULL, NULL) == WAMP_ERR_HANDLE, "the router");
  wrong += expect("wamp_auth_scram_salted_password",
                  wamp_auth_scram_salted_password("argon2id13", "secret", "AAECAwQFBgc=", 1, 512, key, sizeof key) ==
                      WAMP_ERR_ARGUMENT,
                  "argon2");
  if (wamp_auth_scram_salted_password("pbkdf2", "secret", "AAECAwQFBgc=", 4096, 0, key, sizeof key) < 0) return fail("pbkdf2");
  if (strcmp(wamp_parts(), "[]") != 0) return printf("it has %s\n", wamp_parts());
  if (wrong == 0) printf("all refused\n");
  return wrong != 0;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "router") == 0) return run_router();
  if (strcmp(what, "call") == 0 && argc == 4) return call(argv[2], argv[3]);
  if (strcmp(what, "refusals") == 0) return refusals();
  if (strcmp(what, "parts") == 0) return printf("%s\n", wamp_parts()) < 0;
  fprintf(stderr, "small router | call URL BEGIN | refusals | parts\n");
  return 2;
}
