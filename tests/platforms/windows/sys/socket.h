/* Sockets as POSIX has them, as far as the programs in C want them, on Windows. */
#ifndef WAMP_TEST_SOCKET_H
#define WAMP_TEST_SOCKET_H

#include <unistd.h>

#include "../poll.h"

#include <ws2tcpip.h>

#define F_SETFL 0
#define O_NONBLOCK 0

/* The only use of it. */
static inline int fcntl(int fd, int how, int what) {
  unsigned long on = 1;
  (void)how;
  (void)what;
  return ioctlsocket((SOCKET)fd, FIONBIO, &on);
}

static inline void begin_sockets(void) __attribute__((constructor));
static inline void begin_sockets(void) {
  WSADATA told;
  WSAStartup(MAKEWORD(2, 2), &told);
}

/* The programs that include this close nothing else. */
#define close(fd) closesocket((SOCKET)(fd))

#endif
