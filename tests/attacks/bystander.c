/*
 * A bystander of attacks: two sessions that publish, subscribe, call and are called, and others that join and leave.
 *
 *     bystander PORT
 *
 * It says "ready", and from then on does all of it at fixed times, whether or not what went before has come back: one
 * event and one call a millisecond, one login in five. At the end of its input it waits for what is still under way, and
 * prints a line for each: its kind (e, c or j), when it began, and its delay, both in nanoseconds; the delay is -1 if it
 * never came, or came out of order. It runs before all other programs, where it may, so that it measures the router, and
 * not its own turn.
 */
#include "raw.h"

#include <sched.h>

#define STEP_NS 1000000
#define JOIN_STEPS 5
#define MOST (1 << 19) /* of each kind, in a run: more than eight minutes */
#define JOINING 4096   /* at the same time */
#define LAST_NS 10000000000

typedef struct series_t {
  char kind;
  int64_t *begun, *delay; /* 0: has not come yet */
  uint64_t count, done, last;
} series_t;

typedef struct login_t {
  raw_t raw;
  uint64_t number;
  bool is_asked;
} login_t;

static series_t events = {.kind = 'e'}, calls = {.kind = 'c'}, joins = {.kind = 'j'};
static raw_t caller, callee;
static uint64_t request = 0;
static int port;
static login_t logins[JOINING];
static int joining = 0;

static void series_make(series_t *series) {
  series->begun = calloc(MOST, sizeof(int64_t));
  series->delay = calloc(MOST, sizeof(int64_t));
  if (!series->begun || !series->delay) fail("out of memory");
}

static uint64_t series_begin(series_t *series) {
  if (series->count == MOST) fail("the run is too long");
  series->begun[series->count] = now_ns();
  return series->count++;
}

static void series_end(series_t *series, uint64_t number, bool is_good) {
  if (number >= series->count || series->delay[number]) fail("what was never sent, or twice");
  series->delay[number] = is_good ? now_ns() - series->begun[number] : -1;
  series->done++;
}

/* ---- the two sessions ---- */

static void handle(raw_t *raw, const char *message, size_t size) {
  uint64_t argument = raw_argument(message, size);
  switch (raw_number(message, 0)) {
    case EVENT:
      series_end(&events, argument, argument == 0 || argument > events.last);
      events.last = argument;
      break;
    case RESULT:
      series_end(&calls, argument, true);
      break;
    case INVOCATION:
      if (!raw_send(raw, "[70,%llu,{},[%llu]]", (unsigned long long)raw_number(message, 1),
                    (unsigned long long)argument))
        fail("the callee was dropped");
      break;
    default:
      fprintf(stderr, "%.*s\n", (int)size, message);
      fail("a session was refused something");
  }
}

static void take(raw_t *raw) {
  const char *message;
  size_t size;
  if (!raw_read(raw)) fail("a session was dropped");
  while ((message = raw_next(raw, &size))) handle(raw, message, size);
}

static void send_both(void) {
  uint64_t event = series_begin(&events), call;
  if (!raw_send(&caller, "[16,%llu,{},\"com.bystander.event\",[%llu]]", (unsigned long long)++request,
                (unsigned long long)event))
    fail("the publisher was dropped");
  call = series_begin(&calls);
  if (!raw_send(&caller, "[48,%llu,{},\"com.bystander.echo\",[%llu]]", (unsigned long long)++request,
                (unsigned long long)call))
    fail("the caller was dropped");
}

/* ---- logins ---- */

static void login_end(login_t *login, bool is_good) {
  series_end(&joins, login->number, is_good);
  if (is_good) raw_send(&login->raw, "[6,{},\"wamp.close.normal\"]");
  raw_close(&login->raw);
  *login = logins[--joining];
}

static void login_begin(void) {
  login_t *login = &logins[joining];
  if (joining == JOINING) fail("too many logins wait");
  login->number = series_begin(&joins);
  login->is_asked = false;
  joining++;
  if (!raw_open(&login->raw, port)) login_end(login, false);
}

/* Goes on with one that is writable or readable; true: it has ended. */
static bool login_go_on(login_t *login) {
  const char *message;
  size_t size;
  if (!login->is_asked) {
    login->is_asked = true;
    if (raw_greet(&login->raw)) return false;
  } else if (raw_read(&login->raw)) {
    message = raw_next(&login->raw, &size);
    if (!message) return false;
    login_end(login, raw_number(message, 0) == WELCOME);
    return true;
  }
  login_end(login, false);
  return true;
}

/* ---- the run ---- */

static struct pollfd watched[JOINING + 3];

/* Waits until then, or for something to come; false: the input has ended. */
static bool await_until(int64_t then) {
  int64_t left = then - now_ns();
  struct timespec time = {0, 0};
  int i, count = joining;
  if (left > 0) time.tv_sec = left / 1000000000, time.tv_nsec = left % 1000000000;
  watched[0] = (struct pollfd){STDIN_FILENO, POLLIN, 0};
  watched[1] = (struct pollfd){caller.socket, POLLIN, 0};
  watched[2] = (struct pollfd){callee.socket, POLLIN, 0};
  for (i = 0; i < count; i++)
    watched[i + 3] = (struct pollfd){logins[i].raw.socket, logins[i].is_asked ? POLLIN : POLLOUT, 0};
  if (ppoll(watched, (nfds_t)count + 3, &time, NULL) < 0) fail("poll");
  if (watched[1].revents) take(&caller);
  if (watched[2].revents) take(&callee);
  /* From the end: one that has ended leaves its place to the last, which has been looked at. */
  for (i = count; i-- > 0;)
    if (watched[i + 3].revents) login_go_on(&logins[i]);
  return !watched[0].revents;
}

static bool are_under_way(void) {
  return events.done < events.count || calls.done < calls.count || joins.done < joins.count;
}

static void run(void) {
  int64_t next = now_ns(), end;
  uint64_t step = 0;
  bool goes_on = true;
  while (goes_on) {
    if (now_ns() >= next) {
      send_both();
      if (++step % JOIN_STEPS == 0) login_begin();
      next += STEP_NS;
    }
    goes_on = await_until(next);
  }
  end = now_ns() + LAST_NS;
  while (are_under_way() && now_ns() < end) await_until(now_ns() + STEP_NS);
}

static void print(const series_t *series) {
  uint64_t i;
  for (i = 0; i < series->count; i++)
    printf("%c %lld %lld\n", series->kind, (long long)series->begun[i],
           (long long)(series->delay[i] ? series->delay[i] : -1));
}

static void hurry(void) {
  struct sched_param first = {.sched_priority = 10};
  if (sched_setscheduler(0, SCHED_FIFO, &first) != 0) fputs("bystander: no right to run first\n", stderr);
}

int main(int argc, char **argv) {
  size_t size;
  if (argc != 2) fail("usage: bystander PORT");
  port = atoi(argv[1]);
  allow_files();
  hurry();
  series_make(&events);
  series_make(&calls);
  series_make(&joins);
  raw_join(&caller, port);
  raw_join(&callee, port);
  if (!raw_send(&callee, "[32,1,{},\"com.bystander.event\"]")) fail("subscribe");
  raw_await(&callee, SUBSCRIBED, &size);
  if (!raw_send(&callee, "[64,2,{},\"com.bystander.echo\"]")) fail("register");
  raw_await(&callee, REGISTERED, &size);
  puts("ready");
  fflush(stdout);
  run();
  print(&events);
  print(&calls);
  print(&joins);
  return 0;
}
