/*
 * A program closes descriptors that are the library's, as daemons do with all above 2: every connection ends with a status,
 * nothing waits for ever, and the next open starts anew. The files that it opens next are not written to.
 */
#include "scenario.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FDS 1024
#define FILES 64

static latch_t closed = LATCH, outcomes = LATCH;
static bool is_open[FDS];

static void on_close(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  CHECK(event->status == WAMP_ERR_INTERNAL || event->status == WAMP_ERR_LOST);
  CHECK(event->status != WAMP_ERR_INTERNAL || strstr(event->message, "descriptors") != NULL);
  CHECK(!wamp_value_bool(wamp_value_get(wamp_event_details(event), "will_retry")));
  latch_hit(&closed);
}

static void on_outcome(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  CHECK(event->kind == WAMP_RESULT || event->kind == WAMP_ERROR);
  latch_hit(&outcomes);
}

/* Closes those of the library whose kind has this name, or all with NULL. */
static void close_fds(const char *kind) {
  char path[64], target[256];
  int fd, count = 0;
  for (fd = 3; fd < FDS; fd++) {
    ssize_t size;
    if (is_open[fd]) continue;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    size = readlink(path, target, sizeof target - 1);
    if (size < 0) continue;
    target[size] = 0;
    if (kind && !strstr(target, kind)) continue;
    CHECK(close(fd) == 0);
    count++;
  }
  CHECK(count > 0);
}

/* Files of the program's own, under the lowest numbers that are free. */
static int files[FILES];

static void open_files(void) {
  int i;
  for (i = 0; i < FILES; i++) {
    char path[] = "/tmp/libwamp-test-XXXXXX";
    CHECK((files[i] = mkstemp(path)) >= 0);
    CHECK(unlink(path) == 0);
  }
}

static void files_are_empty(void) {
  struct stat file;
  int i;
  for (i = 0; i < FILES; i++) {
    CHECK(fstat(files[i], &file) == 0);
    CHECK(S_ISREG(file.st_mode) && file.st_size == 0 && lseek(files[i], 0, SEEK_CUR) == 0);
    CHECK(close(files[i]) == 0);
  }
}

static void *waits(void *session) {
  int status = wamp_session_call_sync(session, "com.test.silent", NULL, NULL, -1, NULL);
  CHECK(status < 0);
  return NULL;
}

static void on_silent(const wamp_event_t *event, void *user_data) {
  (void)user_data;
  GOOD(wamp_invocation_retain(event->invocation));
}

/* `hurried`: a wake-up of the library is on its way, and no timer of its own would notice. */
static void loses(const char *mode, const char *kind, bool hurried) {
  wamp_connection_t *connection = scenario_connection(
      mode, hurried ? "\"autoping_interval\": 0, \"max_retries\": 0, \"close_timeout\": 1"
                    : "\"autoping_interval\": 1, \"autoping_timeout\": 1, \"max_retries\": 0, \"close_timeout\": 1");
  wamp_session_t *session;
  pthread_t waiting;
  int status, tries = 0;
  scenario_unpump(connection);
  GOOD(wamp_connection_on_close(connection, on_close, NULL, NULL));
  session = scenario_join(connection);
  GOOD(wamp_session_register_sync(session, "com.test.silent", NULL, on_silent, NULL, NULL, LIMIT_MS));
  CHECK(pthread_create(&waiting, NULL, waits, session) == 0);
  GOOD(wamp_session_call(session, "com.test.silent", NULL, NULL, on_outcome, NULL, NULL));
  if (!hurried) GOOD(wamp_connection_flush(connection, LIMIT_MS));
  close_fds(kind);
  open_files();
  /* Whether this one is taken depends on who notices first; it ends in any case. */
  status = (int)wamp_session_call(session, "com.test.silent", NULL, NULL, on_outcome, NULL, NULL);
  CHECK(pthread_join(waiting, NULL) == 0);
  wamp_connection_close(connection, NULL, NULL, -1);
  CHECK(latch_count(&closed) == 1);
  WAIT(outcomes, status > 0 ? 2 : 1);
  GOOD(wamp_session_release(session));
  /* Anew. Whoever opens before the library has noticed is told then, and opens again. */
  GOOD(wamp_connection_on_close(connection, NULL, NULL, NULL));
  do {
    status = wamp_connection_open(connection);
    if (status == WAMP_OK) status = wamp_connection_session(connection, LIMIT_MS, &session);
  } while (status == WAMP_ERR_INTERNAL && tries++ < 3);
  GOOD(status);
  GOOD(wamp_session_call_sync(session, "wamp.session.count", NULL, NULL, LIMIT_MS, NULL));
  scenario_leave(connection, session);
  files_are_empty();
}

/* In a process of its own, which is a client of a router in another one. */
static void apart(const char *mode, const char *kind, const char *url, bool hurried) {
  int status = 0;
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    int fd;
    snprintf(scenario.url, sizeof scenario.url, "%s", url);
    for (fd = 0; fd < FDS; fd++) is_open[fd] = fcntl(fd, F_GETFD) >= 0;
    loses(mode, kind, hurried);
    exit(scenario_end());
  }
  CHECK(waitpid(child, &status, 0) == child);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fprintf(stderr, "  %s, %s%s\n", mode, kind ? kind : "all", hurried ? ", hurried" : "");
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv) {
  static const char *const kinds[] = {NULL, "eventpoll", "eventfd", "socket"};
  static const char *const modes[] = {"thread", "inline"};
  int ends[2], status;
  char url[256];
  pid_t router;
  size_t i, j;
  scenario_begin_alone(argc, argv, "local_closed_fds");
  CHECK(pipe(ends) == 0);
  router = fork(); /* before the library has begun: it does not work in forked children */
  CHECK(router >= 0);
  if (router == 0) {
    CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0); /* where this program fails, too */
    scenario_start_router(NULL);
    CHECK(write(ends[1], scenario.url, sizeof scenario.url) == (ssize_t)sizeof scenario.url);
    for (;;) pause();
  }
  CHECK(read(ends[0], url, sizeof url) == (ssize_t)sizeof url);
  for (i = 0; i < sizeof kinds / sizeof *kinds; i++)
    for (j = 0; j < sizeof modes / sizeof *modes; j++) apart(modes[j], kinds[i], url, false);
  for (i = 0; i < 3; i++)
    for (j = 0; j < sizeof modes / sizeof *modes; j++) apart(modes[j], NULL, url, true);
  CHECK(kill(router, SIGKILL) == 0);
  CHECK(waitpid(router, &status, 0) == router);
  return scenario_end();
}
