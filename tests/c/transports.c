/* Several ways to a router: they are tried in order, each within its share of the time, and the one that worked last time
 * comes first. */
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scenario.h"

/* A port of the loopback interface. With a backlog it takes connections, but nobody ever answers there; without, it
 * refuses them, because the socket is bound but does not listen. */
static int local_port(int backlog, int *port) {
  struct sockaddr_in address;
  socklen_t size = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(fd >= 0);
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
  if (backlog > 0) CHECK(listen(fd, backlog) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
  CHECK(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
  *port = ntohs(address.sin_port);
  return fd;
}

/* How many have come to a port where nobody answers. */
static int visitors(int fd) {
  int count = 0, visitor;
  while ((visitor = accept(fd, NULL, NULL)) >= 0) {
    CHECK(close(visitor) == 0);
    count++;
  }
  return count;
}

static wamp_connection_t *by(const char *transports, const char *more) {
  char options[1024];
  wamp_connection_t *connection;
  size_t i = 0;
  snprintf(options, sizeof options, "{\"transports\": [%s], \"realm\": \"%s\", \"dispatch\": \"%s\"%s%s}", transports,
           scenario.realm, scenario.mode, more ? ", " : "", more ? more : "");
  connection = wamp_connection_new(options);
  if (connection && scenario_is_manual()) {
    while (scenario.pumped[i]) i++;
    scenario.pumped[i] = connection;
  }
  return connection;
}

static void uses(wamp_connection_t *connection, const char *url) {
  wamp_message_t *message = wamp_connection_transport(connection);
  const wamp_value_t *info = wamp_event_kwargs(wamp_message_event(message));
  SAME(scenario_text(info, "type"), "websocket");
  SAME(scenario_text(info, "url"), url);
  GOOD(wamp_message_free(message));
}

/* Two refuse, the third is good. */
static void fallback(void) {
  char transports[512];
  int port, fd = local_port(0, &port);
  wamp_connection_t *connection;
  wamp_session_t *session;
  snprintf(transports, sizeof transports,
           "{\"type\": \"websocket\", \"url\": \"ws://127.0.0.1:%d/\"}, "
           "{\"type\": \"longpoll\", \"url\": \"http://127.0.0.1:%d/lp\"}, "
           "{\"type\": \"websocket\", \"url\": \"%s\", \"headers\": {\"X-Note\": \"a\"}}",
           port, port, scenario.url);
  connection = by(transports, NULL);
  CHECK(connection != NULL);
  session = scenario_join(connection);
  uses(connection, scenario.url);
  GOOD(wamp_message_free(scenario_result(session, "wamp.session.count", NULL, NULL)));
  scenario_leave(connection, session);
  CHECK(close(fd) == 0);
}

/* One that never answers has its share of the time and no more; after a loss it is not asked again. */
static void last_good_first(void) {
  static inbox_t opens = INBOX;
  char transports[512];
  int port, fd = local_port(8, &port);
  time_t begun = scenario_seconds();
  wamp_connection_t *connection;
  snprintf(transports, sizeof transports,
           "{\"type\": \"websocket\", \"url\": \"ws://127.0.0.1:%d/\"}, {\"type\": \"websocket\", \"url\": \"%s\"}", port,
           scenario.url);
  connection = by(transports, "\"connect_timeout\": 1, \"initial_retry_delay\": 0.01");
  CHECK(connection != NULL);
  GOOD(wamp_connection_on_open(connection, inbox_callback, &opens, NULL));
  GOOD(wamp_connection_open(connection));
  WAIT(opens.got, 1);
  CHECK(scenario_seconds() - begun < LIMIT_SECONDS / 2);
  uses(connection, scenario.url);
  CHECK(visitors(fd) == 1);
  if (scenario_is_embedded()) {
    CHECK(wamp_router_kick(scenario.router, inbox_event(&opens, 0, WAMP_OPEN)->wamp_id, NULL) == 1);
    WAIT(opens.got, 2);
    uses(connection, scenario.url);
    CHECK(visitors(fd) == 0);
  }
  /* Also where it is closed and opened again. */
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  inbox_empty(&opens);
  GOOD(wamp_connection_open(connection));
  WAIT(opens.got, 1);
  CHECK(visitors(fd) == 0);
  scenario_leave(connection, NULL);
  CHECK(close(fd) == 0);
  inbox_empty(&opens);
}

/* None can be reached. */
static void unreachable(void) {
  static inbox_t ends = INBOX;
  char transports[512];
  int port, fd = local_port(0, &port);
  wamp_connection_t *connection;
  snprintf(transports, sizeof transports,
           "{\"type\": \"longpoll\", \"url\": \"http://127.0.0.1:%d/lp\"}, "
           "{\"type\": \"websocket\", \"url\": \"ws://127.0.0.1:%d/\"}",
           port, port);
  connection = by(transports, NULL);
  CHECK(connection != NULL);
  GOOD(wamp_connection_on_close(connection, inbox_callback, &ends, NULL));
  GOOD(wamp_connection_open(connection));
  WAIT(ends.got, 1);
  SAME(inbox_event(&ends, 0, WAMP_CLOSE)->uri, "unreachable");
  CHECK(inbox_event(&ends, 0, WAMP_CLOSE)->status == WAMP_ERR_UNREACHABLE);
  scenario_unpump(connection);
  GOOD(wamp_connection_free(connection));
  CHECK(close(fd) == 0);
  inbox_empty(&ends);
}

static void refused(void) {
  static const char *const wrong[] = {"",
                                      "7",
                                      "{}",
                                      "{\"type\": \"websocket\"}",
                                      "{\"type\": \"pigeon\", \"url\": \"ws://127.0.0.1/\"}",
                                      "{\"type\": \"websocket\", \"url\": \"http://127.0.0.1/\"}",
                                      "{\"type\": \"websocket\", \"url\": \"ws://127.0.0.1/\", \"colour\": 1}"};
  size_t i;
  for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    wamp_connection_t *connection = by(wrong[i], NULL);
    if (connection) fprintf(stderr, "  accepted: %s\n", wrong[i]);
    CHECK(connection == NULL && strlen(wamp_last_error()) > 0);
  }
  CHECK(by("{\"type\": \"websocket\", \"url\": \"ws://127.0.0.1/\"}", "\"url\": \"ws://127.0.0.1/\"") == NULL);
}

int main(int argc, char **argv) {
  scenario_begin(argc, argv, "transports");
  refused();
  fallback();
  last_good_first();
  unreachable();
  return scenario_end();
}
