/* A library to be preloaded (LD_PRELOAD), which delays system calls and futexes at random, so that threads and peers meet
 * in orders that they hardly ever meet in. What fails only with it is a race of the program, or a time limit of a test.
 *
 * WAMP_SHAKE="PERCENT:MICROSECONDS" (5:2000 unless given): so many of a hundred calls wait, before or after they do their
 * work, and for at most so long. The random numbers differ in each thread and run.
 *
 * cc -O2 -shared -fPIC shake.c -o shake.so -ldl; see `make shake`. Linux with glibc. */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static unsigned percent = 5, microseconds = 2000;

__attribute__((constructor)) static void configure(void) {
  const char *wish = getenv("WAMP_SHAKE");
  if (wish && sscanf(wish, "%u:%u", &percent, &microseconds) != 2) {
    fprintf(stderr, "WAMP_SHAKE is \"%s\"; PERCENT:MICROSECONDS is expected, such as 5:2000\n", wish);
    _exit(2);
  }
}

static uint32_t draw(void) {
  static _Thread_local uint64_t state;
  if (state == 0) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    state = ((uint64_t)now.tv_nsec << 20 ^ (uintptr_t)&state) | 1; /* its address tells the thread */
  }
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 32);
}

/* errno is as it was. */
static void dawdle(void) {
  struct timespec pause = {0, 0};
  int before = errno;
  if (microseconds == 0 || draw() % 100 >= percent) return;
  pause.tv_nsec = (long)(draw() % microseconds) * 1000;
  pause.tv_sec = pause.tv_nsec / 1000000000;
  pause.tv_nsec %= 1000000000;
  nanosleep(&pause, NULL);
  errno = before;
}

/* The function of that name that would have been called without this library. */
#define NEXT(name) \
  static __typeof__(name) *next_##name; \
  if (!next_##name) next_##name = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define SHAKEN(result, name, parameters, arguments) \
  result name parameters { \
    NEXT(name); \
    dawdle(); \
    result got = next_##name arguments; \
    dawdle(); \
    return got; \
  }

SHAKEN(ssize_t, read, (int fd, void *to, size_t size), (fd, to, size))
SHAKEN(ssize_t, write, (int fd, const void *from, size_t size), (fd, from, size))
SHAKEN(ssize_t, readv, (int fd, const struct iovec *to, int count), (fd, to, count))
SHAKEN(ssize_t, writev, (int fd, const struct iovec *from, int count), (fd, from, count))
SHAKEN(ssize_t, recv, (int fd, void *to, size_t size, int flags), (fd, to, size, flags))
SHAKEN(ssize_t, send, (int fd, const void *from, size_t size, int flags), (fd, from, size, flags))
SHAKEN(ssize_t, recvmsg, (int fd, struct msghdr *to, int flags), (fd, to, flags))
SHAKEN(ssize_t, sendmsg, (int fd, const struct msghdr *from, int flags), (fd, from, flags))
SHAKEN(int, epoll_wait, (int fd, struct epoll_event *events, int most, int limit), (fd, events, most, limit))
SHAKEN(int, poll, (struct pollfd *fds, nfds_t count, int limit), (fds, count, limit))
SHAKEN(int, close, (int fd), (fd))

/* The futexes of Rust's locks, channels and thread parking. */
long syscall(long number, ...) {
  long a, b, c, d, e, f, got;
  va_list more;
  NEXT(syscall);
  va_start(more, number);
  a = va_arg(more, long), b = va_arg(more, long), c = va_arg(more, long);
  d = va_arg(more, long), e = va_arg(more, long), f = va_arg(more, long);
  va_end(more);
  dawdle();
  got = next_syscall(number, a, b, c, d, e, f);
  dawdle();
  return got;
}
