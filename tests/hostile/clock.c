/* A library to be preloaded (LD_PRELOAD), which has the clock that people read show another time: so many seconds later
 * as the file says that WAMP_TEST_CLOCK names, in ten digits and a sign. All other clocks are as they are. */

#define _GNU_SOURCE

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *ahead; /* shared with whoever sets the clock */

__attribute__((constructor)) static void configure(void) {
  const char *path = getenv("WAMP_TEST_CLOCK");
  int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  void *page = fd < 0 ? MAP_FAILED : mmap(NULL, 16, PROT_READ, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) _exit(127);
  close(fd);
  ahead = page;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  int failed = (int)syscall(SYS_clock_gettime, clock, time);
  if (failed == 0 && clock == CLOCK_REALTIME && ahead) time->tv_sec += strtol(ahead, NULL, 10);
  return failed;
}
