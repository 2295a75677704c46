/* What the benchmark needs besides the library: checks, clocks, child processes, medians, facts about the machine. */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif
#include <wamp.h>

/* ---- checks ---- */

static inline void util_fail(const char *file, int line, const char *what, int64_t status) {
  fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
  if (status < 0) fprintf(stderr, "  %s: %s\n", wamp_status_name((int)status), wamp_last_error());
  _Exit(1); /* not exit(): this may be a thread of the library */
}

static inline int64_t util_good(int64_t status, const char *file, int line, const char *what) {
  if (status < 0) util_fail(file, line, what, status);
  return status;
}

#define CHECK(condition) ((condition) ? (void)0 : util_fail(__FILE__, __LINE__, #condition, 0))
#define GOOD(call) util_good((call), __FILE__, __LINE__, #call)

/* ---- time ---- */

static inline double wall_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* What all threads of this process, the library's among them, have used so far. */
static inline double cpu_us(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
         (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/* ---- processors ---- */

/* Binds this process, and the threads it will start, to its first or last processor; where there is only one, or on
 * systems that cannot, it does nothing. */
static inline void pin(bool last) {
#ifdef __linux__
  cpu_set_t allowed, one;
  size_t i, chosen = CPU_SETSIZE;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2) return;
  for (i = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET(i, &allowed) && (last || chosen == CPU_SETSIZE)) chosen = i;
  CPU_ZERO(&one);
  CPU_SET(chosen, &one);
  sched_setaffinity(0, sizeof one, &one);
#else
  (void)last;
#endif
}

/* ---- child processes ---- */

typedef struct child_t {
  pid_t pid;
  FILE *to;
  FILE *from;
} child_t;

/* Runs this very program with a role. It ends when we close its standard input, so also when we crash. */
static inline child_t child_start(const char *program, const char *role, const char *url, bool pinned) {
  int in[2], out[2];
  child_t child;
  CHECK(pipe(in) == 0 && pipe(out) == 0);
  fcntl(in[1], F_SETFD, FD_CLOEXEC); /* a later child must not keep our end of the pipe open */
  fcntl(out[0], F_SETFD, FD_CLOEXEC);
  child.pid = fork();
  CHECK(child.pid >= 0);
  if (child.pid == 0) {
    if (pinned) pin(true);
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    close(in[0]);
    close(out[1]);
    execlp(program, program, role, url, (char *)NULL);
    perror(program);
    _exit(1);
  }
  close(in[0]);
  close(out[1]);
  child.to = fdopen(in[1], "w");
  child.from = fdopen(out[0], "r");
  CHECK(child.to && child.from);
  return child;
}

/* The next line that the child prints, without its end. */
static inline void child_line(child_t *child, char *line, int size) {
  CHECK(fgets(line, size, child->from) != NULL);
  line[strcspn(line, "\n")] = 0;
}

static inline void child_stop(child_t *child) {
  fclose(child->to);
  fclose(child->from);
  waitpid(child->pid, NULL, 0);
}

/* ---- numbers ---- */

static inline int util_compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Sorts, and gives the value that `part` (0 to 1) of all do not exceed. */
static inline double quantile(double *values, size_t count, double part) {
  if (count == 0) return 0;
  qsort(values, count, sizeof *values, util_compare);
  return values[(size_t)(part * (double)(count - 1) + 0.5)];
}

/* ---- the machine ---- */

/* A measure of the machine, to compare figures of different ones: CPU us to write and read back 64 bytes through TCP on
 * the loopback, on one core and without ever waiting. */
static inline double tcp_us(void) {
  enum { TIMES = 20000 };
  struct sockaddr_in address;
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0), a = socket(AF_INET, SOCK_STREAM, 0), b, i;
  char bytes[64] = {0};
  double start;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1) == 0);
  CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
  CHECK(connect(a, (struct sockaddr *)&address, size) == 0);
  b = accept(listener, NULL, NULL);
  start = cpu_us();
  for (i = 0; i < TIMES; i++)
    CHECK(write(a, bytes, sizeof bytes) == sizeof bytes && read(b, bytes, sizeof bytes) == sizeof bytes);
  start = cpu_us() - start;
  close(a);
  close(b);
  close(listener);
  return start / TIMES;
}

/* Copies what follows "key :" in a file of /proc; "unknown" where there is none. */
static inline void proc_value(const char *path, const char *key, char *value, size_t size) {
  char line[512];
  FILE *file = fopen(path, "r");
  snprintf(value, size, "unknown");
  while (file && fgets(line, sizeof line, file)) {
    const char *colon = strchr(line, ':');
    if (strncmp(line, key, strlen(key)) != 0) continue;
    line[strcspn(line, "\n")] = 0;
    snprintf(value, size, "%.*s", (int)size - 1, !colon ? line : colon[1] == ' ' ? colon + 2 : colon + 1);
    break;
  }
  if (file) fclose(file);
}

static inline void print_machine(int argc, char **argv) {
  struct utsname system;
  char cpu[256], load[256];
  int i;
  proc_value("/proc/cpuinfo", "model name", cpu, sizeof cpu);
  proc_value("/proc/loadavg", "", load, sizeof load);
  CHECK(uname(&system) >= 0);
  printf("command:");
  for (i = 0; i < argc; i++) printf(" %s", argv[i]);
  printf("\nlibwamp: %s (header %s)\n", wamp_version(), WAMP_VERSION);
  printf("machine: %s, %ld cores, %s %s %s\n", cpu, sysconf(_SC_NPROCESSORS_ONLN), system.sysname, system.release,
         system.machine);
  printf("load at the start: %s\n", load);
  printf("64 bytes through TCP: %.2f us (7.8 on the machine that the goals were set on)\n\n", tcp_us());
}

#endif
