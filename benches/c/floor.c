/*
 * The floor: a client that does no more than the kernel and the protocol ask for. One epoll loop,
 * heads scanned by hand, payloads sliced and never parsed, and all that has gathered is written by
 * one call. It is called as meter.h tells, and is also the other side of a client under test.
 */
#include "stream.h"

#include <signal.h>

#define GATHER (64 << 10) /* so much is gathered at most, before it is written */
#define EVENTS 64

static arguments_t arguments;
static meter_t meter;

static struct floor_t {
  int epoll;
  wire_t wire;
  stream_t *streams;
  long connections;
  slice_t payload; /* the list of arguments, encoded */
  slice_t *uris;
  long sent, done, held;
  bool is_acknowledged;
} me;

/* ---- messages ---- */

static void put_call(stream_t *stream, uint64_t id, slice_t uri) {
  writer_t writer = writer_to(stream);
  begin(&writer, 5, me.payload.size + uri.size);
  put_number(&writer, CALL);
  put_number(&writer, id);
  put_empty(&writer);
  put_text(&writer, uri);
  put_item(&writer, me.payload);
  finish(&writer);
}

static void put_publish(stream_t *stream, uint64_t id, slice_t uri, bool acknowledge) {
  writer_t writer = writer_to(stream);
  slice_t yes = me.wire == JSON ? slice_of("true") : slice_of(me.wire == CBOR ? "\xf5" : "\xc3");
  begin(&writer, 5, me.payload.size + uri.size);
  put_number(&writer, PUBLISH);
  put_number(&writer, id);
  open_dict(&writer, acknowledge);
  if (acknowledge) {
    put_key(&writer, "acknowledge");
    put_item(&writer, yes);
  }
  shut(&writer, '}');
  put_text(&writer, uri);
  put_item(&writer, me.payload);
  finish(&writer);
}

static void put_yield(stream_t *stream, uint64_t id, slice_t args) {
  writer_t writer = writer_to(stream);
  begin(&writer, 4, args.size);
  put_number(&writer, YIELD);
  put_number(&writer, id);
  put_empty(&writer);
  put_item(&writer, args);
  finish(&writer);
}

/* SUBSCRIBE or REGISTER */
static void put_request(stream_t *stream, uint64_t type, uint64_t id, slice_t uri) {
  writer_t writer = writer_to(stream);
  begin(&writer, 4, uri.size);
  put_number(&writer, type);
  put_number(&writer, id);
  put_empty(&writer);
  put_text(&writer, uri);
  finish(&writer);
}

static void put_hello(stream_t *stream) {
  static const char *const roles[] = {"caller", "callee", "publisher", "subscriber"};
  writer_t writer = writer_to(stream);
  int i;
  begin(&writer, 3, 256);
  put_number(&writer, HELLO);
  put_text(&writer, slice_of("realm1"));
  open_dict(&writer, 1);
  put_key(&writer, "roles");
  open_dict(&writer, 4);
  for (i = 0; i < 4; i++) {
    put_key(&writer, roles[i]);
    put_empty(&writer);
  }
  shut(&writer, '}');
  shut(&writer, '}');
  finish(&writer);
}

static void look(slice_t args) {
  if (payload_size(me.wire, args) != arguments.size) fail("a payload of another size");
}

static void handle(stream_t *stream, slice_t bytes) {
  message_t message;
  uint64_t type, id;
  split(me.wire, bytes, &message);
  if (message.count < 2) fail("a message is too short");
  type = item_number(me.wire, message.items[0]);
  id = item_number(me.wire, message.items[1]);
  if (type == RESULT && message.count == 4) {
    look(message.items[3]);
    me.done++;
  } else if (type == EVENT && message.count == 5) {
    look(message.items[4]);
    me.done++;
  } else if (type == INVOCATION && message.count == 5) {
    look(message.items[4]);
    put_yield(stream, id, message.items[4]);
    me.done++;
    if (buffer_size(&stream->out) > GATHER && !stream->is_full)
      stream_write(stream, me.epoll, stream);
  } else if (type == SUBSCRIBED || type == REGISTERED) {
    me.held++;
  } else if (type == PUBLISHED) {
    me.is_acknowledged = true;
  } else {
    fail("a message that was not to be expected");
  }
}

/* ---- opening ---- */

static void flush(stream_t *stream) {
  if (!stream_write(stream, me.epoll, stream)) fail("the router has gone");
}

static void await_upgrade(stream_t *stream) {
  buffer_t *read = &inbox.read;
  for (;;) {
    const uint8_t *end;
    if (!stream_read(stream)) fail("the router has gone");
    if (stream->transport == RS && buffer_size(read) >= 4) {
      read->begin += 4;
      return;
    }
    end = stream->transport == WS ? memmem(read->bytes, read->end, "\r\n\r\n", 4) : NULL;
    if (end) {
      if (!memmem(read->bytes, read->end, " 101 ", 5)) fail("the router refuses");
      read->begin = (size_t)(end + 4 - read->bytes);
      return;
    }
  }
}

static void put_upgrade(stream_t *stream) {
  uint8_t rawsocket[4] = {0x7f, 0xf1, 0, 0};
  char text[300];
  rawsocket[1] += (uint8_t)me.wire;
  snprintf(text, sizeof text,
           "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
           "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: wamp.2.%s\r\n\r\n",
           arguments.serializer);
  if (stream->transport == RS) buffer_put(&stream->out, rawsocket, sizeof rawsocket);
  else buffer_put(&stream->out, text, strlen(text));
}

/* Connects and joins. Until then it waits in its system calls, as nothing else is to be done. */
static void open_stream(stream_t *stream) {
  address_t address = address_of(arguments.url);
  frame_t frame;
  int yes = 1;
  memset(stream, 0, sizeof *stream);
  stream->transport = address.transport;
  stream->wire = me.wire;
  stream->is_client = true;
  stream->fd = socket(address.name.ss_family, SOCK_STREAM, 0);
  if (connect(stream->fd, (struct sockaddr *)&address.name, address.size) != 0)
    fail("cannot connect");
  setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  put_upgrade(stream);
  flush(stream);
  await_upgrade(stream);
  put_hello(stream);
  flush(stream);
  while (!stream_frame(stream, &frame))
    if (!stream_read(stream)) fail("the router has gone");
}

static void open_streams(long count) {
  allow_files(count);
  me.connections = count;
  me.streams = calloc((size_t)count, sizeof *me.streams);
  if (!me.streams) fail("out of memory");
}

static void join_loop(stream_t *stream) {
  fcntl(stream->fd, F_SETFL, O_NONBLOCK);
  watch(me.epoll, stream, stream, EPOLL_CTL_ADD);
}

/* ---- the loop ---- */

static void take(stream_t *stream, uint32_t events) {
  frame_t frame;
  if (events & EPOLLOUT) flush(stream);
  if (!(events & ~(uint32_t)EPOLLOUT)) return;
  if (!stream_read(stream)) fail("the router has gone");
  while (stream_frame(stream, &frame)) {
    slice_t bytes = {frame.body, frame.size};
    if (frame.kind == MESSAGE) handle(stream, bytes);
    else if (frame.kind == CLOSE) fail("the router closes");
  }
  if (!stream->is_full) flush(stream);
}

static void turn(void) {
  struct epoll_event events[EVENTS];
  int i, count = epoll_wait(me.epoll, events, EVENTS, -1);
  for (i = 0; i < count; i++) take(events[i].data.ptr, events[i].events);
}

static void request_all(uint64_t type) {
  stream_t *stream = me.streams;
  long i;
  for (i = 0; i < arguments.scale; i++) put_request(stream, type, (uint64_t)i + 1, me.uris[i]);
  flush(stream);
  while (me.held < arguments.scale) turn();
}

/* ---- roles ---- */

/* Every role but publishing: answers what comes, and calls as long as fewer are in flight. */
static void work(long in_flight) {
  bool is_timed = in_flight == 1;
  double start = 0;
  long first;
  do {
    for (first = me.sent; in_flight && me.sent - me.done < in_flight; me.sent++) {
      stream_t *stream = &me.streams[me.sent % me.connections];
      if (buffer_size(&stream->out) > GATHER) break;
      if (is_timed) start = wall_us();
      put_call(stream, (uint64_t)(me.sent / me.connections) + 1 + (uint64_t)me.held,
               me.uris[me.connections > 1 ? 0 : me.sent % arguments.scale]);
    }
    for (; first < me.sent; first++) {
      stream_t *stream = &me.streams[first % me.connections];
      if (!stream->is_full) flush(stream);
    }
    turn();
    if (is_timed && me.done == me.sent) meter_time(&meter, wall_us() - start);
  } while (!meter_tick(&meter, me.done));
  meter_report(&meter);
}

/* Calls that stay unanswered, before those that are measured. */
static void hold(long count) {
  slice_t uri = slice_of("bench.hold");
  while (me.held < count) {
    while (me.held < count && buffer_size(&me.streams->out) < GATHER)
      put_call(me.streams, (uint64_t)++me.held, uri);
    flush(me.streams);
    while (me.streams->is_full) turn();
  }
}

static void acknowledge(void) {
  put_publish(me.streams, (uint64_t)++me.sent, me.uris[0], true);
  me.is_acknowledged = false;
  if (!me.streams->is_full) flush(me.streams);
  while (!me.is_acknowledged) turn();
}

static void publish(void) {
  stream_t *stream = me.streams;
  for (;;) {
    while (buffer_size(&stream->out) < GATHER) {
      put_publish(stream, (uint64_t)me.sent + 1, me.uris[me.sent % arguments.scale], false);
      me.sent++;
    }
    flush(stream);
    while (stream->is_full) turn();
    if (meter.measuring && meter_is_due(&meter)) break;
    if (meter.measuring || !meter_is_warm(&meter)) continue;
    acknowledge();
    meter_start(&meter, me.sent);
  }
  acknowledge();
  meter_stop(&meter, me.sent);
  meter_report(&meter);
}

/* Only what opens is measured, and not what closes. */
static void open_again_and_again(void) {
  stream_t stream;
  double spent = 0, cpu, wall;
  while (!meter_tick(&meter, me.done)) {
    cpu = cpu_us();
    wall = wall_us();
    open_stream(&stream);
    meter_time(&meter, wall_us() - wall);
    if (meter.measuring) spent += cpu_us() - cpu;
    close(stream.fd);
    inbox_leave(&stream);
    free(stream.out.bytes);
    me.done++;
  }
  meter.cpu = spent;
  meter_report(&meter);
}

static void hold_memory(void) {
  double one = 0;
  long i;
  open_streams(arguments.scale);
  for (i = 0; i < arguments.scale; i++) {
    open_stream(&me.streams[i]);
    join_loop(&me.streams[i]);
    if (i == 0) one = resident_kib();
  }
  report_memory(one, resident_kib(), arguments.scale);
}

/* ---- the beginning ---- */

static void make_payload(void) {
  stream_t scratch;
  writer_t writer;
  char *text = malloc(arguments.size + 1);
  slice_t slice;
  if (!text) fail("out of memory");
  memset(text, 'x', arguments.size);
  text[arguments.size] = 0;
  slice = slice_of(text);
  memset(&scratch, 0, sizeof scratch);
  scratch.wire = me.wire;
  writer = writer_to(&scratch);
  buffer_reserve(writer.to, slice.size + 64);
  open_list(&writer, 1);
  put_text(&writer, slice);
  shut(&writer, ']');
  me.payload.at = scratch.out.bytes;
  me.payload.size = scratch.out.end;
}

static void make_uris(const char *form) {
  long i;
  me.uris = malloc((size_t)arguments.scale * sizeof *me.uris);
  for (i = 0; i < arguments.scale; i++) {
    char *uri = malloc(48);
    if (!me.uris || !uri) fail("out of memory");
    snprintf(uri, 48, form, i);
    me.uris[i] = slice_of(uri);
  }
}

static bool role_is(const char *name) { return strcmp(arguments.role, name) == 0; }

int main(int argc, char **argv) {
  bool is_wide;
  long i;
  signal(SIGPIPE, SIG_IGN);
  arguments = arguments_of(argc, argv);
  meter.seconds = arguments.seconds;
  me.wire = wire_of(arguments.serializer);
  me.epoll = epoll_create1(0);
  make_payload();
  make_uris(role_is("event") || role_is("publish") ? "bench.topic.%ld" : "bench.echo.%ld");
  if (role_is("memory")) {
    hold_memory();
    return 0;
  }
  if (role_is("connect")) {
    open_again_and_again();
    return 0;
  }

  is_wide = role_is("connections");
  open_streams(is_wide ? arguments.scale : 1);
  for (i = 0; i < me.connections; i++) open_stream(&me.streams[i]);
  for (i = 0; i < me.connections; i++) join_loop(&me.streams[i]);
  if (role_is("publish")) {
    publish();
  } else if (role_is("event") || role_is("invocation")) {
    request_all(role_is("event") ? SUBSCRIBE : REGISTER);
    say_ready();
    work(0);
  } else {
    if (role_is("pending")) hold(arguments.scale);
    if (is_wide || role_is("pending") || role_is("threads")) arguments.scale = 1;
    work(arguments.in_flight);
  }
  return 0;
}
