/*
 * A router that only forwards, so that it is not what is measured: it knows no realms, roles,
 * options or patterns, and whoever joins is welcome.
 *
 *     router [--slow US] URL...
 *
 * It listens at the URLs (port 0: any that is free), prints them in one line, and works until it is
 * ended. With --slow it spends so many microseconds on each publication, so that publications wait.
 * Calls of `bench.hold` are never answered.
 */
#include "directory.h"
#include "handshake.h"
#include "stream.h"

#include <signal.h>

#define EVENTS 256
#define MUCH (4 << 20)   /* so much may wait for a subscriber until its publisher has to wait */
#define LITTLE (1 << 20) /* and so little lets the publisher go on */

typedef struct client_t {
  stream_t stream;
  uint64_t serial;
  bool is_listener;
  bool is_open; /* its handshake is done */
  bool is_dirty;
  bool serves;
  bool is_awaited;
  int waits_for; /* whom it has to wait for; -1: nobody */
  open_calls_t calls;
} client_t;

static struct router_t {
  int epoll;
  double slow;
  client_t **clients; /* by file descriptor */
  int room;
  int *dirty;
  int dirty_count;
  directory_t topics, procedures;
  uint64_t last;
} router;

/* ---- clients ---- */

static client_t *client_new(int fd, transport_t transport) {
  client_t *client = calloc(1, sizeof *client);
  if (!client || fd >= router.room) fail("too many clients");
  client->stream.fd = fd;
  client->stream.transport = transport;
  client->serial = ++router.last;
  client->waits_for = -1;
  router.clients[fd] = client;
  watch(router.epoll, &client->stream, client, EPOLL_CTL_ADD);
  return client;
}

static void resume_waiting(client_t *client) {
  int i;
  if (!client->is_awaited) return;
  client->is_awaited = false;
  for (i = 0; i < router.room; i++) {
    client_t *other = router.clients[i];
    if (!other || other->waits_for != client->stream.fd) continue;
    other->waits_for = -1;
    other->stream.is_paused = false;
    watch(router.epoll, &other->stream, other, EPOLL_CTL_MOD);
  }
}

static void client_free(client_t *client) {
  int fd = client->stream.fd;
  resume_waiting(client);
  if (client->serves) {
    directory_forget(&router.topics, fd);
    directory_forget(&router.procedures, fd);
  }
  router.clients[fd] = NULL;
  inbox_leave(&client->stream);
  close(fd);
  free(client->stream.out.bytes);
  free(client->calls.calls);
  free(client);
}

static void wants_to_write(client_t *client) {
  if (client->is_dirty) return;
  client->is_dirty = true;
  router.dirty[router.dirty_count++] = client->stream.fd;
}

/* Writes what has gathered. */
static void flush(client_t *client) {
  if (!stream_write(&client->stream, router.epoll, client)) client_free(client);
  else if (buffer_size(&client->stream.out) < LITTLE) resume_waiting(client);
}

static void flush_all(void) {
  while (router.dirty_count > 0) {
    client_t *client = router.clients[router.dirty[--router.dirty_count]];
    if (!client) continue;
    client->is_dirty = false;
    if (!client->stream.is_full) flush(client);
  }
}

/* ---- answers ---- */

/* Begins an answer of a type and its request's id, with `items` of them in all. */
static writer_t answer(client_t *client, uint64_t type, slice_t request, int items) {
  writer_t writer = writer_to(&client->stream);
  begin(&writer, items, 512);
  put_number(&writer, type);
  put_item(&writer, request);
  wants_to_write(client);
  return writer;
}

static void answer_id(client_t *client, uint64_t type, slice_t request, uint64_t id) {
  writer_t writer = answer(client, type, request, 3);
  put_number(&writer, id);
  finish(&writer);
}

static void answer_plainly(client_t *client, uint64_t type, slice_t request) {
  writer_t writer = answer(client, type, request, 2);
  finish(&writer);
}

static void welcome(client_t *client) {
  static const char *const texts[] = {"realm", "authid", "authrole", "authmethod"};
  static const char *const values[] = {"realm1", "someone", "anonymous", "anonymous"};
  writer_t writer = writer_to(&client->stream);
  int i;
  begin(&writer, 3, 512);
  put_number(&writer, WELCOME);
  put_number(&writer, client->serial);
  open_dict(&writer, 5);
  for (i = 0; i < 4; i++) {
    put_key(&writer, texts[i]);
    put_text(&writer, slice_of(values[i]));
  }
  put_key(&writer, "roles");
  open_dict(&writer, 2);
  for (i = 0; i < 2; i++) {
    put_key(&writer, i ? "dealer" : "broker");
    open_dict(&writer, 1);
    put_key(&writer, "features");
    put_empty(&writer);
    shut(&writer, '}');
  }
  shut(&writer, '}');
  shut(&writer, '}');
  finish(&writer);
  wants_to_write(client);
}

static void say_goodbye(client_t *client) {
  writer_t writer = writer_to(&client->stream);
  begin(&writer, 3, 64);
  put_number(&writer, GOODBYE);
  put_empty(&writer);
  put_text(&writer, slice_of("wamp.close.goodbye_and_out"));
  finish(&writer);
  wants_to_write(client);
}

/* ---- forwarding ---- */

/* Sends two ids, empty details and what of a message begins with the item `from`. An id of 0 is
 * left out. */
static void forward(client_t *to, uint64_t type, const uint64_t ids[2], const message_t *message,
                    int from) {
  writer_t writer = writer_to(&to->stream);
  size_t size = 0;
  int i, fixed = ids[1] ? 4 : 3;
  for (i = from; i < message->count; i++) size += message->items[i].size;
  begin(&writer, fixed + message->count - from, size);
  put_number(&writer, type);
  put_number(&writer, ids[0]);
  if (ids[1]) put_number(&writer, ids[1]);
  put_empty(&writer);
  for (i = from; i < message->count; i++) put_item(&writer, message->items[i]);
  finish(&writer);
  wants_to_write(to);
}

static client_t *same_wire(client_t *client, const client_t *as) {
  if (client && client->stream.wire != as->stream.wire) fail("both sides need one serializer");
  return client;
}

static void call(client_t *client, const message_t *message) {
  wire_t wire = client->stream.wire;
  slice_t uri = item_text(wire, message->items[3]);
  place_t *place = directory_find(&router.procedures, uri);
  client_t *callee = place ? same_wire(router.clients[place->clients[0]], client) : NULL;
  open_call_t made = {0, item_number(wire, message->items[1]), client->serial, client->stream.fd};
  uint64_t ids[2];
  if (slice_is(uri, "bench.hold")) return;
  if (!callee) {
    writer_t writer = answer(client, ERROR, message->items[0], 5);
    put_item(&writer, message->items[1]);
    put_empty(&writer);
    put_text(&writer, slice_of("wamp.error.no_such_procedure"));
    finish(&writer);
    return;
  }
  ids[0] = open_calls_add(&callee->calls, made);
  ids[1] = place->id;
  forward(callee, INVOCATION, ids, message, 4);
}

/* What a callee has answered: YIELD, or ERROR, whose first items are others. */
static void result(client_t *client, const message_t *message, bool is_error) {
  open_call_t made;
  client_t *caller;
  uint64_t ids[2] = {0, 0};
  uint64_t invocation = item_number(client->stream.wire, message->items[is_error ? 2 : 1]);
  if (!open_calls_take(&client->calls, invocation, &made)) return;
  caller = router.clients[made.caller];
  if (!caller || caller->serial != made.serial) return;
  ids[0] = is_error ? CALL : made.request;
  ids[1] = is_error ? made.request : 0;
  forward(same_wire(caller, client), is_error ? ERROR : RESULT, ids, message, is_error ? 4 : 3);
}

static void spend(double us) {
  double end = wall_us() + us;
  while (wall_us() < end) continue;
}

static bool wants_acknowledge(wire_t wire, slice_t options) {
  const uint8_t *key = memmem(options.at, options.size, "acknowledge", 11);
  const uint8_t *end = options.at + options.size;
  if (!key || key + 12 > end) return false;
  if (wire == JSON) return memchr(key + 11, 't', (size_t)(end - key - 11)) != NULL;
  return key[11] == (wire == CBOR ? 0xf5 : 0xc3);
}

static void publish(client_t *client, const message_t *message) {
  wire_t wire = client->stream.wire;
  place_t *place = directory_find(&router.topics, item_text(wire, message->items[3]));
  uint64_t ids[2] = {place ? place->id : 0, ++router.last};
  int i;
  if (router.slow > 0) spend(router.slow);
  if (message->items[2].size > 11 && wants_acknowledge(wire, message->items[2]))
    answer_id(client, PUBLISHED, message->items[1], ids[1]);
  for (i = 0; place && i < place->count; i++) {
    client_t *to = same_wire(router.clients[place->clients[i]], client);
    if (to == client) continue;
    forward(to, EVENT, ids, message, 4);
    if (buffer_size(&to->stream.out) < MUCH || client->waits_for >= 0) continue;
    client->waits_for = to->stream.fd;
    client->stream.is_paused = to->is_awaited = true;
    watch(router.epoll, &client->stream, client, EPOLL_CTL_MOD);
  }
}

static void serve(client_t *client, const message_t *message, bool is_topic) {
  slice_t uri = item_text(client->stream.wire, message->items[3]);
  directory_t *directory = is_topic ? &router.topics : &router.procedures;
  place_t *place = directory_add(directory, uri, ++router.last, client->stream.fd);
  client->serves = true;
  answer_id(client, is_topic ? SUBSCRIBED : REGISTERED, message->items[1], place->id);
}

static void handle(client_t *client, slice_t bytes) {
  static const int least[] = {[ERROR] = 5, [PUBLISH] = 4, [SUBSCRIBE] = 4,
                              [CALL] = 4,  [REGISTER] = 4, [YIELD] = 3};
  message_t message;
  uint64_t type;
  split(client->stream.wire, bytes, &message);
  if (message.count < 2) fail("a message is too short");
  type = item_number(client->stream.wire, message.items[0]);
  if (type < sizeof least / sizeof *least && message.count < least[type])
    fail("a message is too short");
  if (type == CALL) call(client, &message);
  else if (type == YIELD || type == ERROR) result(client, &message, type == ERROR);
  else if (type == PUBLISH) publish(client, &message);
  else if (type == SUBSCRIBE || type == REGISTER) serve(client, &message, type == SUBSCRIBE);
  else if (type == UNSUBSCRIBE || type == UNREGISTER)
    answer_plainly(client, type + 1, message.items[1]);
  else if (type == HELLO) welcome(client);
  else if (type == GOODBYE) say_goodbye(client);
}

/* ---- connections ---- */

static bool upgrade_websocket(client_t *client) {
  buffer_t *read = &inbox.read;
  char *end = memmem(read->bytes + read->begin, buffer_size(read), "\r\n\r\n", 4);
  char *text = (char *)read->bytes + read->begin, *key, *protocol, name[16] = "", accept[29];
  char reply[300];
  if (!end) return false;
  *end = 0;
  key = strcasestr(text, "\r\nsec-websocket-key:");
  protocol = strcasestr(text, "\r\nsec-websocket-protocol:");
  if (!key || !protocol || !(protocol = strstr(protocol, "wamp.2."))) fail("no WAMP client");
  sscanf(protocol, "wamp.2.%15[a-z]", name);
  client->stream.wire = wire_of(name);
  key += strlen("\r\nsec-websocket-key:");
  accept_of(key + strspn(key, " "), accept);
  snprintf(reply, sizeof reply,
           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: wamp.2.%s\r\n\r\n",
           accept, name);
  buffer_put(&client->stream.out, reply, strlen(reply));
  read->begin = (size_t)((uint8_t *)end + 4 - read->bytes);
  return true;
}

static bool upgrade_rawsocket(client_t *client) {
  buffer_t *read = &inbox.read;
  uint8_t reply[4] = {0x7f, 0xf0, 0, 0}, wire;
  if (buffer_size(read) < 4) return false;
  wire = read->bytes[read->begin + 1] & 15;
  if (wire < 1 || wire > 3) fail("an unknown serializer");
  client->stream.wire = (wire_t)(wire - 1);
  reply[1] |= wire;
  buffer_put(&client->stream.out, reply, sizeof reply);
  read->begin += 4;
  return true;
}

static bool is_open(client_t *client) {
  if (client->is_open) return true;
  client->is_open =
      client->stream.transport == WS ? upgrade_websocket(client) : upgrade_rawsocket(client);
  if (client->is_open) wants_to_write(client);
  return client->is_open;
}

static void take(client_t *client) {
  writer_t writer = writer_to(&client->stream);
  frame_t frame;
  if (!stream_read(&client->stream)) {
    client_free(client);
    return;
  }
  if (!is_open(client)) return;
  while (stream_frame(&client->stream, &frame)) {
    slice_t bytes = {frame.body, frame.size};
    if (frame.kind == MESSAGE) {
      handle(client, bytes);
    } else if (frame.kind == PING) {
      put_control(&writer, PONG, frame.body, frame.size);
      wants_to_write(client);
    } else if (frame.kind == CLOSE) {
      put_control(&writer, CLOSE, frame.body, frame.size < 2 ? 0 : 2);
      if (stream_write(&client->stream, router.epoll, client)) shutdown(client->stream.fd, SHUT_WR);
      client_free(client);
      return;
    }
  }
}

static void accept_all(client_t *listener) {
  for (;;) {
    int fd = accept(listener->stream.fd, NULL, NULL);
    if (fd < 0) return;
    never_wait(fd);
    client_new(fd, listener->stream.transport);
  }
}

/* Listens, and prints the URL with its port. */
static void listen_at(const char *url) {
  address_t address = address_of(url);
  int yes = 1, fd = socket(address.name.ss_family, SOCK_STREAM, 0);
  if (address.path[0]) unlink(address.path);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, (struct sockaddr *)&address.name, address.size) != 0 || listen(fd, 1024) != 0)
    fail("cannot listen");
  never_wait(fd);
  client_new(fd, address.transport)->is_listener = true;
  if (address.path[0]) {
    printf("%s ", url);
    return;
  }
  getsockname(fd, (struct sockaddr *)&address.name, &address.size);
  printf("%.2s://127.0.0.1:%u%s ", url, ntohs(((struct sockaddr_in *)&address.name)->sin_port),
         address.transport == WS ? "/ws" : "");
}

int main(int argc, char **argv) {
  struct epoll_event events[EVENTS];
  struct rlimit limit;
  int i, count, first = 1;
  signal(SIGPIPE, SIG_IGN);
  allow_files(0);
  getrlimit(RLIMIT_NOFILE, &limit);
  router.room = limit.rlim_cur < (1 << 20) ? (int)limit.rlim_cur : 1 << 20;
  router.clients = calloc((size_t)router.room, sizeof *router.clients);
  router.dirty = calloc((size_t)router.room, sizeof *router.dirty);
  router.epoll = epoll_create1(0);
  if (argc > 2 && strcmp(argv[1], "--slow") == 0) {
    router.slow = strtod(argv[2], NULL);
    first = 3;
  }
  for (i = first; i < argc; i++) listen_at(argv[i]);
  puts("");
  fflush(stdout);
  for (;;) {
    count = epoll_wait(router.epoll, events, EVENTS, -1);
    for (i = 0; i < count; i++) {
      client_t *client = events[i].data.ptr;
      if (client->is_listener) {
        accept_all(client);
        continue;
      }
      if (events[i].events & EPOLLOUT) {
        int fd = client->stream.fd;
        flush(client);
        if (router.clients[fd] != client) continue;
      }
      if (events[i].events & ~(uint32_t)EPOLLOUT) take(client);
    }
    flush_all();
  }
}
