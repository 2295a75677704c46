/* No router there: the program is told why, once, by on_close and by the waiting function; and a connection can be
 * closed or freed while it is still being made. */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scenario.h"

/* A port of the loopback interface. With a backlog it accepts connections, but nobody ever answers there; without, it
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
  if (backlog > 0) CHECK(listen(fd, backlog) == 0);
  CHECK(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
  *port = ntohs(address.sin_port);
  return fd;
}

static void on_open(const wamp_event_t *event, void *user_data) {
  (void)event;
  (void)user_data;
  scenario_fail(__FILE__, __LINE__, "on_open without a router");
}

/* A connection to that port, with its on_close going to the inbox. */
static wamp_connection_t *to_port(int port, inbox_t *closed, const char *more) {
  wamp_connection_t *connection;
  snprintf(scenario.url, sizeof scenario.url, "ws://127.0.0.1:%d/ws", port);
  connection = scenario_connection(scenario.mode, more);
  GOOD(wamp_connection_on_open(connection, on_open, NULL, NULL));
  if (closed) GOOD(wamp_connection_on_close(connection, inbox_callback, closed, NULL));
  return connection;
}

static void refused(int port) {
  static inbox_t closed = INBOX;
  wamp_connection_t *connection = to_port(port, &closed, NULL);
  wamp_session_t *session = NULL;
  const wamp_event_t *event;
  const wamp_value_t *details;
  int status;

  GOOD(wamp_connection_open(connection));
  WAIT(closed.got, 1);
  event = inbox_event(&closed, 0, WAMP_CLOSE);
  SAME(event->uri, "unreachable");
  CHECK(event->status == WAMP_ERR_UNREACHABLE && event->connection == connection);
  CHECK(event->message_size > 0 && event->message_size == strlen(event->message));
  details = wamp_event_details(event);
  CHECK(wamp_value_type(wamp_value_get(details, "will_retry")) == WAMP_TYPE_BOOL);
  CHECK(wamp_value_bool(wamp_value_get(details, "will_retry")) == 0); /* what was never there is not tried again */
  CHECK(wamp_connection_is_open(connection) == 0);
  status = wamp_connection_session(connection, LIMIT_MS, &session); /* no need to wait for what will not come */
  CHECK(status < 0 && status != WAMP_ERR_TIMEOUT && session == NULL);
  scenario_unpump(connection);
  GOOD(wamp_connection_free(connection));
  inbox_empty(&closed);
}

static void waited_for(int port) {
  static inbox_t closed = INBOX;
  wamp_connection_t *connection = to_port(port, &closed, NULL);
  wamp_session_t *session = NULL;
  GOOD(wamp_connection_open(connection));
  FAILS(wamp_connection_session(connection, LIMIT_MS, &session), WAMP_ERR_UNREACHABLE);
  CHECK(session == NULL && strlen(wamp_last_error()) > 0);
  WAIT(closed.got, 1); /* in manual mode, the event is still to be fetched */
  scenario_unpump(connection);
  GOOD(wamp_connection_free(connection));
  CHECK(latch_count(&closed.got) == 1);
  inbox_empty(&closed);
}

/* The server takes the connection and then is silent. */
static void silent(int port) {
  static inbox_t closed = INBOX, expired = INBOX;
  static latch_t freed = LATCH;
  wamp_session_t *session = NULL;

  wamp_connection_t *connection = to_port(port, &closed, NULL);
  GOOD(wamp_connection_open(connection));
  FAILS(wamp_connection_session(connection, 50, &session), WAMP_ERR_TIMEOUT);
  FAILS(wamp_connection_open(connection), WAMP_ERR_STATE);
  scenario_unpump(connection);
  GOOD(wamp_connection_close(connection, NULL, NULL, LIMIT_MS));
  CHECK(latch_count(&closed.got) == 1);
  CHECK(wamp_value_bool(wamp_value_get(wamp_event_details(inbox_event(&closed, 0, WAMP_CLOSE)), "will_retry")) == 0);
  GOOD(wamp_connection_free(connection));
  inbox_empty(&closed);

  connection = to_port(port, NULL, NULL);
  GOOD(wamp_connection_on_open(connection, on_open, &freed, latch_free));
  GOOD(wamp_connection_open(connection));
  scenario_unpump(connection);
  GOOD(wamp_connection_free(connection));
  WAIT(freed, 1);
  FAILS(wamp_connection_close(connection, NULL, NULL, 0), WAMP_ERR_HANDLE);

  /* Or until connect_timeout, in seconds, says that it has waited long enough. */
  connection = to_port(port, &expired, "\"connect_timeout\": 0.1");
  GOOD(wamp_connection_open(connection));
  CHECK(wamp_connection_session(connection, LIMIT_MS, &session) < 0 && session == NULL);
  WAIT(expired.got, 1);
  SAME(inbox_event(&expired, 0, WAMP_CLOSE)->uri, "unreachable");
  scenario_unpump(connection);
  GOOD(wamp_connection_free(connection));
  inbox_empty(&expired);
}

int main(int argc, char **argv) {
  int port, fd;
  scenario_begin_alone(argc, argv, "local_unreachable");

  fd = local_port(0, &port);
  refused(port);
  waited_for(port);
  close(fd);

  fd = local_port(16, &port);
  silent(port);
  close(fd);
  return scenario_end();
}
