/*
 * Many clients, or few with much to say, that all mean well:
 *
 *     crowd PORT idle COUNT              so many sessions, which say nothing
 *     crowd PORT subscribe COUNT EVENTS  so many subscribers, until each of them has so many events
 *     crowd PORT publish EVENTS          the publisher of these
 *     crowd PORT serve SIZE              a callee, which returns what it gets
 *     crowd PORT call SIZE RATE SECONDS  its caller: so many bytes a second, whether or not answers have come
 *
 * Each says "ready" once it has joined, and what it has counted as JSON once it is done; the others end with their input.
 */
#include "raw.h"

#include <sys/epoll.h>

#define BATCH 256

static int port;

static void say_ready(void) {
  puts("ready");
  fflush(stdout);
}

static raw_t *join_all(long count) {
  raw_t *all = calloc((size_t)count, sizeof *all);
  long i;
  if (!all) fail("out of memory");
  for (i = 0; i < count; i++) raw_join(&all[i], port);
  return all;
}

static void await_end(void) {
  while (getchar() != EOF) continue;
}

/* ---- one publisher, and its subscribers ---- */

static void subscribe_all(raw_t *all, long count) {
  size_t size;
  long i;
  for (i = 0; i < count; i++) {
    if (!raw_send(&all[i], "[32,1,{},\"com.crowd\"]")) fail("subscribe");
    raw_await(&all[i], SUBSCRIBED, &size);
  }
}

typedef struct counts_t {
  uint64_t *next; /* of each subscriber */
  long whole, disordered;
  int64_t first, last;
} counts_t;

static void count_events(raw_t *raw, uint64_t *next, uint64_t wanted, counts_t *counts) {
  const char *message;
  size_t size;
  if (!raw_read(raw)) fail("a subscriber was dropped");
  while ((message = raw_next(raw, &size))) {
    if (raw_argument(message, size) != (*next)++) counts->disordered++;
    counts->whole += *next == wanted;
  }
}

static void subscribe(long count, uint64_t wanted) {
  raw_t *all = join_all(count);
  counts_t counts = {.next = calloc((size_t)count, sizeof(uint64_t))};
  struct epoll_event watched, ready[BATCH];
  int poller = epoll_create1(0), some, i;
  long n;
  if (poller < 0 || !counts.next) fail("out of memory");
  subscribe_all(all, count);
  for (n = 0; n < count; n++) {
    watched.events = EPOLLIN;
    watched.data.u64 = (uint64_t)n;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, all[n].socket, &watched) != 0) fail("epoll");
  }
  say_ready();
  while (counts.whole < count) {
    if ((some = epoll_wait(poller, ready, BATCH, WAIT_MS)) <= 0) break;
    if (!counts.first) counts.first = now_ns();
    for (i = 0; i < some; i++)
      count_events(&all[ready[i].data.u64], &counts.next[ready[i].data.u64], wanted, &counts);
  }
  counts.last = now_ns();
  printf("{\"incomplete\": %ld, \"disordered\": %ld, \"seconds\": %.3f}\n", count - counts.whole, counts.disordered,
         (double)(counts.last - counts.first) / 1e9);
}

static void publish(long count) {
  raw_t raw;
  size_t size;
  long i;
  raw_join(&raw, port);
  say_ready();
  for (i = 0; i < count; i++)
    if (!raw_send(&raw, "[16,%ld,%s,\"com.crowd\",[%ld]]", i + 1, i + 1 < count ? "{}" : "{\"acknowledge\":true}", i))
      fail("the publisher was dropped");
  raw_await(&raw, 17, &size);
  puts("{}");
}

/* ---- calls with much in them ---- */

/* Sends a message of a head and `size` further bytes. */
static void send_large(raw_t *raw, const char *head, const char *bytes, size_t size) {
  size_t all = strlen(head) + size;
  uint8_t length[HEAD] = {0, (uint8_t)(all >> 16), (uint8_t)(all >> 8), (uint8_t)all};
  if (!raw_write(raw, length, HEAD) || !raw_write(raw, head, strlen(head)) || !raw_write(raw, bytes, size))
    fail("dropped");
}

static void serve(size_t bytes) {
  const char *message;
  char head[64];
  size_t size;
  raw_t raw;
  raw_join(&raw, port);
  if (!raw_send(&raw, "[64,1,{},\"com.crowd.echo\"]")) fail("register");
  raw_await(&raw, REGISTERED, &size);
  say_ready();
  for (;;) {
    if (!raw_waits(&raw, POLLIN) || !raw_read(&raw)) return;
    while ((message = raw_next(&raw, &size))) {
      if (raw_number(message, 0) != INVOCATION) return;
      snprintf(head, sizeof head, "[70,%llu,{},", (unsigned long long)raw_number(message, 1));
      send_large(&raw, head, message + size - bytes - 5, bytes + 5);
    }
  }
}

static struct calls_t {
  long sent, done, errors;
  int64_t worst, *begun;
} calls;

/* Takes answers until then. */
static void take_results(raw_t *raw, int64_t then) {
  const char *message;
  size_t size;
  int64_t left;
  while ((left = then - now_ns()) > 0) {
    struct pollfd one = {raw->socket, POLLIN, 0};
    struct timespec time = {left / 1000000000, left % 1000000000};
    if (ppoll(&one, 1, &time, NULL) <= 0) continue;
    if (!raw_read(raw)) fail("the caller was dropped");
    while ((message = raw_next(raw, &size))) {
      bool is_error = raw_number(message, 0) != RESULT;
      int64_t delay = now_ns() - calls.begun[raw_number(message, is_error ? 2 : 1)];
      calls.errors += is_error;
      calls.done++;
      if (delay > calls.worst) calls.worst = delay;
    }
  }
}

static void call(size_t bytes, double rate, double seconds) {
  int64_t step = (int64_t)(1e9 * (double)bytes / rate), begun, next, end;
  long most = (long)(seconds * rate / (double)bytes) + 2;
  char *payload = malloc(bytes + 5), head[64];
  raw_t raw;
  calls.begun = calloc((size_t)most + 1, sizeof(int64_t));
  if (!payload || !calls.begun) fail("out of memory");
  memset(payload, 'x', bytes + 2);
  memcpy(payload, "[\"", 2);
  memcpy(payload + 2 + bytes, "\"]]", 3);
  raw_join(&raw, port);
  say_ready();
  begun = next = now_ns();
  end = begun + (int64_t)(seconds * 1e9);
  for (; next < end; next += step) {
    take_results(&raw, next);
    calls.begun[++calls.sent] = now_ns();
    snprintf(head, sizeof head, "[48,%ld,{},\"com.crowd.echo\",", calls.sent);
    send_large(&raw, head, payload, bytes + 5);
  }
  for (end = now_ns() + 10000000000; calls.done < calls.sent && now_ns() < end;) take_results(&raw, now_ns() + 10000000);
  printf("{\"calls\": %ld, \"answered\": %ld, \"errors\": %ld, \"worst_ms\": %.1f, \"mib_s\": %.2f}\n", calls.sent,
         calls.done, calls.errors, (double)calls.worst / 1e6,
         (double)calls.done * (double)bytes / ((double)(now_ns() - begun) / 1e9) / (1 << 20));
}

int main(int argc, char **argv) {
  const char *role = argc > 3 ? argv[2] : "";
  port = argc > 1 ? atoi(argv[1]) : 0;
  allow_files();
  if (strcmp(role, "idle") == 0) {
    join_all(atol(argv[3]));
    say_ready();
    await_end();
  } else if (strcmp(role, "subscribe") == 0 && argc == 5) {
    subscribe(atol(argv[3]), strtoull(argv[4], NULL, 10));
  } else if (strcmp(role, "publish") == 0) {
    publish(atol(argv[3]));
  } else if (strcmp(role, "serve") == 0) {
    serve(strtoul(argv[3], NULL, 10));
  } else if (strcmp(role, "call") == 0 && argc == 6) {
    call(strtoul(argv[3], NULL, 10), strtod(argv[4], NULL), strtod(argv[5], NULL));
  } else {
    fail("usage: see the head of crowd.c");
  }
  return 0;
}
