/*
 * How a client program of the benchmark is called, and how it measures itself:
 *
 *     PROGRAM ROLE URL SERIALIZER SIZE SECONDS IN_FLIGHT SCALE
 *
 * It works for a quarter of SECONDS to get warm, then measures for SECONDS, and prints one line of
 * JSON. With 0 seconds it works until it is ended, as the other side of a client under test.
 */
#ifndef BENCH_METER_H
#define BENCH_METER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

typedef struct arguments_t {
  const char *role;
  const char *url;
  const char *serializer;
  size_t size;
  double seconds;
  long in_flight;
  long scale; /* how many topics, procedures, connections, pending calls or threads */
} arguments_t;

static inline void fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  _Exit(1); /* not exit(): this may be a thread of a library */
}

static inline arguments_t arguments_of(int argc, char **argv) {
  arguments_t arguments;
  if (argc != 8) fail("usage: ROLE URL SERIALIZER SIZE SECONDS IN_FLIGHT SCALE");
  arguments.role = argv[1];
  arguments.url = argv[2];
  arguments.serializer = argv[3];
  arguments.size = strtoul(argv[4], NULL, 10);
  arguments.seconds = strtod(argv[5], NULL);
  arguments.in_flight = atol(argv[6]);
  arguments.scale = atol(argv[7]);
  return arguments;
}

/* ---- the process ---- */

static inline double wall_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* User and system time of all threads so far. */
static inline double cpu_us(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
         (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/* What of the process is in memory, in KiB. */
static inline double resident_kib(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%*s %ld", &pages) != 1) fail("cannot read /proc/self/statm");
  fclose(file);
  return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

/* Raises the limit of open files as far as it goes, and says if that is not enough. */
static inline void allow_files(long wanted) {
  struct rlimit limit;
  char text[100];
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("no limit of open files");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) fail("cannot raise the limit of open files");
  if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < (rlim_t)wanted + 50) {
    snprintf(text, sizeof text, "only %lu files may be open", (unsigned long)limit.rlim_cur);
    fail(text);
  }
}

/* ---- measuring ---- */

#define TIMES_MOST 200000

typedef struct meter_t {
  double seconds;
  double began; /* when it began to get warm; 0: not yet */
  double wall, cpu;
  long count; /* of messages when measuring began */
  bool measuring;
  bool over;
  double *times; /* of single messages, where they are timed */
  size_t timed;
} meter_t;

static inline void meter_start(meter_t *meter, long count) {
  meter->measuring = true;
  meter->count = count;
  meter->wall = wall_us();
  meter->cpu = cpu_us();
}

static inline void meter_stop(meter_t *meter, long count) {
  meter->cpu = cpu_us() - meter->cpu;
  meter->wall = wall_us() - meter->wall;
  meter->count = count - meter->count;
  meter->over = true;
}

static inline bool meter_is_warm(meter_t *meter) {
  if (meter->began == 0) meter->began = wall_us();
  return meter->seconds > 0 && wall_us() - meter->began > meter->seconds * 0.25e6;
}

static inline bool meter_is_due(const meter_t *meter) {
  return meter->measuring && wall_us() - meter->wall > meter->seconds * 1e6;
}

/* To be called now and then, with the number of messages so far; true once all is measured. */
static inline bool meter_tick(meter_t *meter, long count) {
  if (!meter->measuring) {
    if (meter_is_warm(meter)) meter_start(meter, count);
  } else if (!meter->over && meter_is_due(meter)) {
    meter_stop(meter, count);
  }
  return meter->over;
}

static inline void meter_time(meter_t *meter, double us) {
  if (!meter->times) meter->times = (double *)malloc(TIMES_MOST * sizeof(double)); /* for C++ */
  if (!meter->times) fail("out of memory");
  if (meter->measuring && meter->timed < TIMES_MOST) meter->times[meter->timed++] = us;
}

static inline int meter_compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static inline double meter_quantile(meter_t *meter, double part) {
  if (meter->timed == 0) return 0;
  qsort(meter->times, meter->timed, sizeof *meter->times, meter_compare);
  return meter->times[(size_t)(part * (double)(meter->timed - 1) + 0.5)];
}

static inline void meter_report(meter_t *meter) {
  double count = meter->count > 0 ? (double)meter->count : 1;
  printf("{\"messages\": %ld, \"cpu\": %.4f, \"wall\": %.4f", meter->count, meter->cpu / count,
         meter->wall / count);
  if (meter->timed > 0)
    printf(", \"p50\": %.2f, \"p99\": %.2f", meter_quantile(meter, 0.5),
           meter_quantile(meter, 0.99));
  puts("}");
  fflush(stdout);
}

/* Memory with one connection, and with all of them, in KiB. */
static inline void report_memory(double one, double all, long connections) {
  printf("{\"messages\": %ld, \"resident\": %.0f", connections, all);
  if (connections > 1) printf(", \"each\": %.3f", (all - one) / (double)(connections - 1));
  puts("}");
  fflush(stdout);
}

static inline void say_ready(void) {
  puts("ready");
  fflush(stdout);
}

#endif
