/* Connections without waiting: one read for all that has come, one write for all that goes. */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include "frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

/* ---- addresses ---- */

typedef struct address_t {
  transport_t transport;
  char path[100]; /* of a Unix socket, or empty */
  struct sockaddr_storage name;
  socklen_t size;
} address_t;

/* ws://127.0.0.1:PORT/ws, rs://127.0.0.1:PORT, ws+unix:///PATH:/ws or rs+unix:///PATH */
static inline address_t address_of(const char *url) {
  address_t address;
  memset(&address, 0, sizeof address);
  address.transport = strncmp(url, "rs", 2) == 0 ? RS : WS;
  if (strstr(url, "+unix://")) {
    struct sockaddr_un *name = (struct sockaddr_un *)&address.name;
    const char *path = strstr(url, "://") + 3;
    name->sun_family = AF_UNIX;
    snprintf(address.path, sizeof address.path, "%.*s", (int)strcspn(path, ":"), path);
    memcpy(name->sun_path, address.path, sizeof address.path);
    address.size = sizeof *name;
  } else {
    struct sockaddr_in *name = (struct sockaddr_in *)&address.name;
    unsigned port;
    if (sscanf(url + 2, "://127.0.0.1:%u", &port) != 1) fail("a URL is not understood");
    name->sin_family = AF_INET;
    name->sin_port = htons((uint16_t)port);
    name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.size = sizeof *name;
  }
  return address;
}

static inline void never_wait(int fd) {
  int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* no matter on Unix sockets */
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* ---- streams ---- */

typedef struct stream_t {
  int fd;
  transport_t transport;
  wire_t wire;
  bool is_client;
  bool is_full;   /* what goes has to wait */
  bool is_paused; /* what comes has to wait */
  buffer_t out;
  buffer_t rest; /* the beginning of a frame whose end has not come */
} stream_t;

static inline writer_t writer_to(stream_t *stream) {
  writer_t writer = {&stream->out, stream->wire, stream->transport, stream->is_client, false, 0, 0};
  return writer;
}

static inline void watch(int epoll, stream_t *stream, void *owner, int how) {
  struct epoll_event event;
  event.events = (stream->is_paused ? 0 : EPOLLIN) | (stream->is_full ? EPOLLOUT : 0);
  event.data.ptr = owner;
  if (epoll_ctl(epoll, how, stream->fd, &event) != 0) fail("epoll_ctl failed");
}

/* Writes once; false if the other side has gone. What does not fit waits for EPOLLOUT. */
static inline bool stream_write(stream_t *stream, int epoll, void *owner) {
  ssize_t count;
  bool was_full = stream->is_full;
  if (buffer_size(&stream->out) == 0) return true;
  count = send(stream->fd, stream->out.bytes + stream->out.begin, buffer_size(&stream->out),
               MSG_NOSIGNAL);
  if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
  if (count > 0) stream->out.begin += (size_t)count;
  stream->is_full = buffer_size(&stream->out) > 0;
  if (stream->is_full != was_full) watch(epoll, stream, owner, EPOLL_CTL_MOD);
  return true;
}

/* All streams are read into one place, so that an idle one holds no memory for it. What is left of
 * a stream there is moved to `rest` only when another one wants the place. */
static struct inbox_t {
  stream_t *owner;
  buffer_t read;
} inbox;

static inline void inbox_leave(stream_t *stream) {
  if (inbox.owner == stream) inbox.owner = NULL;
  free(stream->rest.bytes);
  memset(&stream->rest, 0, sizeof stream->rest);
}

static inline void inbox_take(stream_t *stream) {
  buffer_t *read = &inbox.read;
  if (inbox.owner != stream) {
    if (inbox.owner && buffer_size(read) > 0)
      buffer_put(&inbox.owner->rest, read->bytes + read->begin, buffer_size(read));
    read->begin = read->end = 0;
    inbox.owner = stream;
    if (buffer_size(&stream->rest) > 0) {
      buffer_put(read, stream->rest.bytes, stream->rest.end);
      stream->rest.begin = stream->rest.end = 0;
    }
  } else if (read->begin > 0) {
    memmove(read->bytes, read->bytes + read->begin, buffer_size(read));
    read->end -= read->begin;
    read->begin = 0;
  }
}

/* Reads once; false if the other side has gone. */
static inline bool stream_read(stream_t *stream) {
  ssize_t count;
  inbox_take(stream);
  buffer_reserve(&inbox.read, 256 << 10);
  count = recv(stream->fd, inbox.read.bytes + inbox.read.end, inbox.read.room - inbox.read.end, 0);
  if (count == 0) return false;
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  inbox.read.end += (size_t)count;
  return true;
}

/* The next whole frame of what this stream has read. */
static inline bool stream_frame(stream_t *stream, frame_t *frame) {
  buffer_t *read = &inbox.read;
  if (inbox.owner != stream) return false;
  if (!next_frame(stream->transport, read->bytes + read->begin, buffer_size(read), frame))
    return false;
  read->begin += frame->whole;
  return true;
}

#endif
