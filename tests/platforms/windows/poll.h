/* poll() for the programs in C, on Windows. */
#ifndef WAMP_TEST_POLL_H
#define WAMP_TEST_POLL_H

#define WIN32_LEAN_AND_MEAN
#include <winsock2.h>
#include <windows.h>

/* Words of the time of segments, and of COM. */
#undef far
#undef near
#undef FAILED

typedef unsigned long nfds_t;

static inline int poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
  if (count > 0) return WSAPoll(fds, count, timeout_ms);
  Sleep(timeout_ms < 0 ? INFINITE : (DWORD)timeout_ms); /* WSAPoll() refuses to wait for nothing. */
  return 0;
}

#endif
