/*
 * A client by hand, over RawSocket with JSON: as little as possible stands between the clock and the socket. Messages
 * that it sends are short, and the sockets do not block.
 */
#ifndef ATTACKS_RAW_H
#define ATTACKS_RAW_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WELCOME = 2, ABORT = 3, ERROR = 8, SUBSCRIBED = 33, EVENT = 36, RESULT = 50, REGISTERED = 65, INVOCATION = 68 };

#define HEAD 4
#define SHORT 512 /* the size of messages that are sent by raw_send() */
#define WAIT_MS 600000

/* One connection. What was received and not handled yet begins at `from`. */
typedef struct raw_t {
  int socket;
  uint8_t *block;
  size_t room, from, to;
  bool is_greeted; /* the router has answered the handshake of RawSocket */
} raw_t;

static inline void fail(const char *what) {
  fprintf(stderr, "%s (%s)\n", what, strerror(errno));
  _Exit(1);
}

static inline int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void allow_files(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("no limit of open files");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) fail("cannot raise the limit of open files");
}

/* Begins to connect to a port of this machine, and says at once, or later, that it is a client of RawSocket. */
static inline bool raw_open(raw_t *raw, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int yes = 1;
  memset(raw, 0, sizeof *raw);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  raw->socket = socket(AF_INET, SOCK_STREAM, 0);
  if (raw->socket < 0 || fcntl(raw->socket, F_SETFL, O_NONBLOCK) != 0) fail("no socket");
  setsockopt(raw->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return connect(raw->socket, (struct sockaddr *)&address, sizeof address) == 0 || errno == EINPROGRESS;
}

static inline void raw_close(raw_t *raw) {
  close(raw->socket);
  free(raw->block);
  raw->block = NULL;
  raw->socket = -1;
}

static inline bool raw_waits(raw_t *raw, short events) {
  struct pollfd one = {raw->socket, events, 0};
  return poll(&one, 1, WAIT_MS) == 1;
}

/* Writes all of it; false: the router is gone, or takes nothing for ten minutes. */
static inline bool raw_write(raw_t *raw, const void *bytes, size_t size) {
  const uint8_t *at = bytes;
  while (size > 0) {
    ssize_t sent = send(raw->socket, at, size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent < 0 && !raw_waits(raw, POLLOUT)) return false;
    if (sent > 0) at += sent, size -= (size_t)sent;
  }
  return true;
}

static inline bool raw_send(raw_t *raw, const char *format, ...) {
  char text[HEAD + SHORT];
  va_list arguments;
  int size;
  va_start(arguments, format);
  size = vsnprintf(text + HEAD, SHORT, format, arguments);
  va_end(arguments);
  if (size < 0 || size >= SHORT) fail("a message is too long");
  text[0] = text[1] = 0;
  text[2] = (char)(size >> 8);
  text[3] = (char)size;
  return raw_write(raw, text, HEAD + (size_t)size);
}

/* Reads what is there: false at the end, and if the connection is broken. */
static inline bool raw_read(raw_t *raw) {
  ssize_t got;
  memmove(raw->block, raw->block + raw->from, raw->to - raw->from);
  raw->to -= raw->from;
  raw->from = 0;
  if (raw->to == raw->room) {
    raw->room = raw->room ? 2 * raw->room : 4096;
    raw->block = realloc(raw->block, raw->room);
    if (!raw->block) fail("out of memory");
  }
  got = recv(raw->socket, raw->block + raw->to, raw->room - raw->to, 0);
  if (got > 0) raw->to += (size_t)got;
  return got > 0 || (got < 0 && errno == EAGAIN);
}

/* Takes the next message; NULL: it has not come as a whole yet. It is followed by a byte that is not its own. */
static inline const char *raw_next(raw_t *raw, size_t *size) {
  const uint8_t *at = raw->block + raw->from;
  size_t there = raw->to - raw->from;
  if (!raw->is_greeted) {
    if (there < HEAD) return NULL;
    if (at[0] != 0x7f || (at[1] & 15) != 1) fail("the router refuses the handshake of RawSocket");
    raw->is_greeted = true;
    raw->from += HEAD;
    return raw_next(raw, size);
  }
  if (there < HEAD) return NULL;
  *size = (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
  if (there < HEAD + *size) return NULL;
  raw->from += HEAD + *size;
  return (const char *)at + HEAD;
}

/* The n-th item of a message's list, if the items before it are numbers. */
static inline uint64_t raw_number(const char *message, int n) {
  while (n-- > 0) message = strchr(message, ',') + 1;
  return strtoull(*message == '[' ? message + 1 : message, NULL, 10);
}

/* The number that is the only argument: `...,[NUMBER]]`. */
static inline uint64_t raw_argument(const char *message, size_t size) {
  while (size > 0 && message[size - 1] != '[') size--;
  return strtoull(message + size, NULL, 10);
}

/* Waits for the message of a type. */
static inline const char *raw_await(raw_t *raw, uint64_t type, size_t *size) {
  const char *message;
  for (;;) {
    while ((message = raw->to ? raw_next(raw, size) : NULL)) {
      if (raw_number(message, 0) == type) return message;
      if (raw_number(message, 0) == ABORT || raw_number(message, 0) == ERROR) fail("the router refuses");
    }
    if (!raw_waits(raw, POLLIN) || !raw_read(raw)) fail("the router does not answer");
  }
}

static inline bool raw_greet(raw_t *raw) {
  return raw_write(raw, "\x7f\xf1\0\0", HEAD) &&
         raw_send(raw, "[1,\"realm1\",{\"roles\":{\"publisher\":{},\"subscriber\":{},\"caller\":{},\"callee\":{}}}]");
}

/* Joins, and waits until it is done. */
static inline void raw_join(raw_t *raw, int port) {
  size_t size;
  if (!raw_open(raw, port) || !raw_waits(raw, POLLOUT) || !raw_greet(raw)) fail("cannot connect");
  raw_await(raw, WELCOME, &size);
}

#endif
