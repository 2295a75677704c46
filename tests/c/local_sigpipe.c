/*
 * No write to a socket can raise SIGPIPE. The program puts itself between the library and the system, and looks at every
 * way in which bytes are given to a socket while clients come and go over each transport: only a call that asks for no
 * signal will do.
 */
#undef _TIME_BITS       /* of 64 bits would have sendmsg() be called otherwise here than in the library, on 32-bit systems */
#define _DEFAULT_SOURCE /* syscall() */
#define _POSIX_C_SOURCE 200809L
#include "scenario.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static latch_t safe = LATCH, unsafe = LATCH;

static bool is_socket(int fd) {
  struct stat what;
  return fstat(fd, &what) == 0 && S_ISSOCK(what.st_mode);
}

/* A call that can say that it wants no signal. */
static void look(int flags) { latch_hit(flags & MSG_NOSIGNAL ? &safe : &unsafe); }

ssize_t write(int fd, const void *bytes, size_t size) {
  if (is_socket(fd)) latch_hit(&unsafe);
  return syscall(SYS_write, fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (is_socket(fd)) latch_hit(&unsafe);
  return syscall(SYS_writev, fd, parts, count);
}

ssize_t send(int fd, const void *bytes, size_t size, int flags) {
  look(flags);
  return syscall(SYS_sendto, fd, bytes, size, flags, NULL, 0);
}

ssize_t sendto(int fd, const void *bytes, size_t size, int flags, const struct sockaddr *to, socklen_t to_size) {
  look(flags);
  return syscall(SYS_sendto, fd, bytes, size, flags, to, to_size);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  look(flags);
  return syscall(SYS_sendmsg, fd, message, flags);
}

/* Its session may be gone by now. */
static void echo(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  wamp_invocation_yield(event->invocation, &event->payload);
}

/* A client that calls itself, is thrown out while it sends, and another one that leaves in order. */
static void visit(const char *url, const char *serializers) {
  char options[64];
  int round;
  snprintf(scenario.url, sizeof scenario.url, "%s", url);
  snprintf(options, sizeof options, "\"max_retries\": 0, \"serializers\": [\"%s\"]", serializers);
  for (round = 0; round < 2; round++) {
    char full[1024];
    wamp_connection_t *connection;
    wamp_session_t *session;
    latch_t ended = LATCH;
    int i;
    snprintf(full, sizeof full, "{\"url\": \"%s\", \"realm\": \"%s\", %s}", url, scenario.realm, options);
    connection = wamp_connection_new(full);
    CHECK(connection != NULL);
    session = scenario_join(connection);
    GOOD(wamp_session_register_sync(session, "com.test.echo", NULL, echo, NULL, NULL, LIMIT_MS));
    GOOD(wamp_session_call_sync(session, "com.test.echo", WAMP_ARGS("[1, \"two\"]"), NULL, LIMIT_MS, NULL));
    for (i = 0; i < 50; i++)
      GOOD(wamp_session_call(session, "com.test.echo", WAMP_ARGS("[1]"), NULL, NULL, &ended, latch_free));
    if (round == 0) GOOD(wamp_router_kick(scenario.router, 0, NULL));
    WAIT(ended, 50);
    GOOD(wamp_session_release(session));
    wamp_connection_close(connection, NULL, NULL, LIMIT_MS);
    GOOD(wamp_connection_free(connection));
  }
}

int main(int argc, char **argv) {
  static const char *const tcp[] = {"ws://127.0.0.1:0/ws", "rs://127.0.0.1:0", "http://127.0.0.1:0/lp"};
  const char *url;
  char unix_url[64];
  size_t i;
  scenario_begin_alone(argc, argv, "local_sigpipe");
  for (i = 0; i < sizeof tcp / sizeof *tcp; i++) {
    scenario.router = wamp_router_new(NULL);
    GOOD(wamp_router_listen(scenario.router, tcp[i], &url));
    visit(url, "json");
    visit(url, "msgpack.batched\", \"cbor");
    GOOD(wamp_router_free(scenario.router));
  }
  for (i = 0; i < 2; i++) {
    snprintf(unix_url, sizeof unix_url, "%s+unix:///tmp/wamp-sigpipe-%ld-%d", i ? "rs" : "ws", (long)getpid(), (int)i);
    scenario.router = wamp_router_new(NULL);
    GOOD(wamp_router_listen(scenario.router, unix_url, NULL));
    visit(unix_url, "cbor");
    GOOD(wamp_router_free(scenario.router));
  }
  scenario.router = NULL;
  GOOD(wamp_shutdown(LIMIT_MS / 2));
  CHECK(latch_count(&safe) > 100);
  CHECK(latch_count(&unsafe) == 0);
  return scenario_end();
}
