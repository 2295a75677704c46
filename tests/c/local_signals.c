/*
 * The library as a guest among signals: what its threads block, what they leave open, and what a program inherits that a
 * callback starts.
 */
#define _GNU_SOURCE /* SIGWINCH, SIGIO */
#include "scenario.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is sent to processes: an I/O thread leaves it to the host's threads. */
static const int of_process[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,  SIGALRM, SIGVTALRM,
                                 SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU, SIGIO,   SIGWINCH, SIGURG,  SIGPIPE};
/* What a thread's own fault raises, and what profilers send to the thread that runs. */
static const int never_added[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPROF};
#define SIZE(list) (sizeof(list) / sizeof *(list))

static void mask_now(sigset_t *mask) { CHECK(pthread_sigmask(SIG_SETMASK, NULL, mask) == 0); }

static bool same_mask(const sigset_t *one, const sigset_t *other) {
  int signal;
  for (signal = 1; signal <= SIGRTMAX; signal++)
    if (sigismember(one, signal) != sigismember(other, signal)) return false;
  return true;
}

/* ---- callbacks run with the mask of the thread that opened the connection ---- */

typedef struct opener_t {
  wamp_connection_t *connection;
  wamp_session_t *session;
  sigset_t mask;
  int own; /* a signal that it blocks, and others do not */
  latch_t called;
} opener_t;

static void *inherits(void *mask) {
  mask_now(mask);
  return NULL;
}

static void on_masked(const wamp_event_t *event, void *user_data) {
  opener_t *opener = user_data;
  sigset_t mask;
  pthread_t thread;
  mask_now(&mask);
  CHECK(same_mask(&mask, &opener->mask));
  CHECK(pthread_create(&thread, NULL, inherits, &mask) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(same_mask(&mask, &opener->mask));
  latch_hit(&opener->called);
  if (event->kind == WAMP_INVOCATION) GOOD(wamp_invocation_yield(event->invocation, NULL));
}

static void *open_with_mask(void *user_data) {
  opener_t *opener = user_data;
  sigset_t own;
  sigemptyset(&own);
  sigaddset(&own, opener->own);
  CHECK(pthread_sigmask(SIG_BLOCK, &own, NULL) == 0);
  mask_now(&opener->mask);
  GOOD(wamp_connection_open(opener->connection));
  return NULL;
}

static void masks_of_callbacks(void) {
  static const int own[] = {SIGTERM, SIGUSR2, SIGPROF};
  opener_t openers[SIZE(own)];
  size_t i;
  int round;
  for (i = 0; i < SIZE(own); i++) {
    opener_t *opener = &openers[i];
    char name[32];
    pthread_t thread;
    latch_init(&opener->called);
    opener->own = own[i];
    opener->connection = scenario_connection("thread", NULL);
    GOOD(wamp_connection_on_open(opener->connection, on_masked, opener, NULL));
    CHECK(pthread_create(&thread, NULL, open_with_mask, opener) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    GOOD(wamp_connection_session(opener->connection, LIMIT_MS, &opener->session));
    snprintf(name, sizeof name, "com.test.masked%d", (int)i);
    GOOD(wamp_session_register_sync(opener->session, name, NULL, on_masked, opener, NULL, LIMIT_MS));
  }
  /* The workers that take the turns are the same, and have to change. */
  for (round = 0; round < 20; round++) {
    for (i = 0; i < SIZE(own); i++) {
      char name[32];
      snprintf(name, sizeof name, "com.test.masked%d", (int)i);
      GOOD(wamp_session_call_sync(openers[i].session, name, NULL, NULL, LIMIT_MS, NULL));
    }
  }
  for (i = 0; i < SIZE(own); i++) {
    CHECK(latch_count(&openers[i].called) == 21);
    scenario_leave(openers[i].connection, openers[i].session);
  }
}

/* ---- I/O threads: the mask of who made them, and the signals of processes ---- */

static sigset_t creators_mask;

static void on_io(const wamp_event_t *event, void *user_data) {
  sigset_t mask, wanted = creators_mask;
  size_t i;
  (void)event;
  for (i = 0; i < SIZE(of_process); i++) sigaddset(&wanted, of_process[i]);
  for (i = 0; i < SIZE(never_added); i++) CHECK(!sigismember(&wanted, never_added[i]));
  mask_now(&mask);
  CHECK(same_mask(&mask, &wanted));
  latch_hit(user_data);
}

static void mask_of_io_threads(void) {
  latch_t opened = LATCH;
  wamp_connection_t *connection = scenario_connection("inline", NULL);
  GOOD(wamp_connection_on_open(connection, on_io, &opened, NULL));
  scenario_leave(connection, scenario_join(connection));
  WAIT(opened, 1);
}

/* ---- a program that a callback starts can be ended ---- */

static void on_start_job(const wamp_event_t *event, void *user_data) {
  pid_t *child = user_data;
  *child = fork();
  CHECK(*child >= 0);
  if (*child == 0) {
    execlp("sleep", "sleep", "600", (char *)NULL);
    _exit(127);
  }
  GOOD(wamp_invocation_yield(event->invocation, NULL));
}

static void children(wamp_session_t *session) {
  pid_t child = -1;
  int status = 0;
  GOOD(wamp_session_register_sync(session, "com.test.job", NULL, on_start_job, &child, NULL, LIMIT_MS));
  GOOD(wamp_session_call_sync(session, "com.test.job", NULL, NULL, LIMIT_MS, NULL));
  CHECK(kill(child, SIGTERM) == 0);
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* ---- a fault in a callback is reported ---- */

static void reporter(int signal) {
  (void)signal;
  _exit(42);
}

static void on_fault(const wamp_event_t *event, void *user_data) {
  (void)event;
  raise(*(const int *)user_data); /* to this very thread, as a fault does */
  _exit(1);
}

static void crash_reporters(const char *mode) {
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
  size_t i;
  for (i = 0; i < SIZE(faults); i++) {
    int status = 0;
    pid_t child = fork(); /* before the library has begun: it does not work in forked children */
    CHECK(child >= 0);
    if (child == 0) {
      wamp_connection_t *connection;
      int fault = faults[i];
      signal(fault, reporter);
      scenario_start_router(NULL);
      connection = scenario_connection(mode, NULL);
      GOOD(wamp_connection_on_open(connection, on_fault, &fault, NULL));
      GOOD(wamp_connection_open(connection));
      for (;;) pause();
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
  }
}

/* ---- sigwait and profilers ---- */

static volatile sig_atomic_t samples;

static void on_sample(int signal) {
  (void)signal;
  samples++;
}

static void profiler(wamp_session_t *session) {
  struct sigaction action;
  struct itimerval every = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
  time_t begun = scenario_seconds();
  memset(&action, 0, sizeof action);
  action.sa_handler = on_sample; /* without SA_RESTART: system calls of every thread are interrupted */
  CHECK(sigaction(SIGPROF, &action, NULL) == 0);
  CHECK(setitimer(ITIMER_PROF, &every, NULL) == 0);
  GOOD(wamp_session_register_sync(session, "com.test.echo", NULL, scenario_echo, NULL, NULL, LIMIT_MS));
  do {
    GOOD(wamp_session_call_sync(session, "com.test.echo", WAMP_ARGS("[1]"), NULL, LIMIT_MS, NULL));
  } while (samples < 20 && scenario_seconds() - begun < LIMIT_SECONDS);
  CHECK(setitimer(ITIMER_PROF, &never, NULL) == 0);
  CHECK(samples >= 20);
}

static void waits_for_a_signal(wamp_session_t *session, int waited) {
  sigset_t only;
  int round;
  sigemptyset(&only);
  sigaddset(&only, waited);
  for (round = 0; round < 50; round++) {
    int got = 0;
    GOOD(wamp_session_call(session, "com.test.echo", WAMP_ARGS("[1]"), NULL, NULL, NULL, NULL));
    CHECK(kill(getpid(), waited) == 0); /* to the process: any thread that does not block it may take it, and die */
    CHECK(sigwait(&only, &got) == 0 && got == waited);
  }
  /* All the others are answered before this one. */
  GOOD(wamp_session_call_sync(session, "com.test.echo", WAMP_ARGS("[1]"), NULL, LIMIT_MS, NULL));
}

int main(int argc, char **argv) {
  wamp_connection_t *connection;
  wamp_session_t *session;
  sigset_t blocked;
  scenario_begin_alone(argc, argv, "local_signals");
  crash_reporters("thread");
  crash_reporters("inline");
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGRTMIN + 1);
  sigaddset(&blocked, SIGUSR1);
  CHECK(pthread_sigmask(SIG_BLOCK, &blocked, NULL) == 0);
  mask_now(&creators_mask);
  scenario_start_router(NULL);
  connection = scenario_connection("thread", NULL);
  session = scenario_join(connection);
  masks_of_callbacks();
  mask_of_io_threads();
  children(session);
  profiler(session);
  waits_for_a_signal(session, SIGRTMIN + 1);
  waits_for_a_signal(session, SIGUSR1);
  scenario_leave(connection, session);
  return scenario_end();
}
