/*
 * A router that goes away and comes back, again and again, under load. To disturb it is left to who started it:
 *
 *     interop_storm URL REALM [MODE TRANSPORTS]
 *
 * With TRANSPORTS, that option in JSON, there are several routers, instead of the one of the URL. MODE means nothing.
 *
 * Some connections, each with a durable registration and two durable subscriptions, call each other and publish all the
 * time. Each request must be answered exactly once and each user_data be freed exactly once. Lines of standard output
 * tell how things stand:
 *
 *     down            no durable subscription or registration is active
 *     up              all of them are
 *     serving MEMORY  since then every registration has served a call and every subscription has had an event; MEMORY
 *                     is the process's resident memory in KiB
 *
 * It ends when its standard input does: the load stops, what is on its way is waited for, and nothing may be left.
 */
#include <dirent.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "scenario.h"

#define CONNECTIONS 8
#define WINDOW 8      /* requests of a connection that wait for their answers */
#define PACE_US 2000  /* between two pairs of requests: the load must not take the machine from the router */
#define SLOTS 4096
#define OPTIONS                                                                                              \
  "\"max_retries\": -1, \"retry_if_unreachable\": true, \"initial_retry_delay\": 0.05, "                      \
  "\"max_retry_delay\": 0.3, \"autoping_interval\": 0.5, \"autoping_timeout\": 1, \"connect_timeout\": 3, " \
  "\"close_timeout\": 2"
#define EACH 3 /* durable things of a connection: its procedure, its own topic, the common topic */
#define ALL (CONNECTIONS * EACH)

/* A request. Its number is its user_data, so that a callback for one that is over is not taken for another's. */
typedef struct slot_t {
  uintptr_t number;
  enum { FREE, MADE, ENDED } state;
  struct peer_t *peer;
} slot_t;

/* A durable subscription or registration. */
typedef struct durable_t {
  bool active;
  bool used; /* since all have been active again */
} durable_t;

typedef struct peer_t {
  int index;
  wamp_connection_t *connection;
  pthread_t load;
  long waiting; /* requests without an answer */
  durable_t durables[EACH];
} peer_t;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
/* All that follows is under the mutex. */
static peer_t peers[CONNECTIONS];
static slot_t slots[SLOTS];
static uintptr_t last_number;
static long made, answered, failed, freed, active, used, durables_freed;
static bool stopping;

/* ---- requests ---- */

static uintptr_t begin(peer_t *peer) {
  slot_t *slot;
  do slot = &slots[++last_number % SLOTS];
  while (slot->state != FREE);
  slot->number = last_number;
  slot->state = MADE;
  slot->peer = peer;
  peer->waiting++;
  made++;
  return last_number;
}

static slot_t *find(uintptr_t number) {
  slot_t *slot = &slots[number % SLOTS];
  CHECK(slot->number == number && slot->state != FREE);
  return slot;
}

static void done(const wamp_event_t *event, void *number) {
  slot_t *slot;
  pthread_mutex_lock(&mutex);
  slot = find((uintptr_t)number);
  CHECK(slot->state == MADE); /* nobody is told twice */
  slot->state = ENDED;
  slot->peer->waiting--;
  *(event->kind == WAMP_ERROR ? &failed : &answered) += 1;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
}

static void let_go(void *number) {
  slot_t *slot;
  pthread_mutex_lock(&mutex);
  slot = find((uintptr_t)number);
  if (slot->state == MADE) { /* refused: then there is nothing to be told */
    made--;
    slot->peer->waiting--;
  } else {
    freed++;
  }
  slot->state = FREE;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
}

/* A session's requests, until it is over. */
static void work(peer_t *peer, wamp_session_t *session) {
  const struct timespec pace = {0, PACE_US * 1000};
  unsigned turn;
  for (turn = 0; wamp_session_is_open(session) == 1; turn++) {
    char procedure[64], topic[64];
    uintptr_t call, publication;
    int64_t status;
    int other = (peer->index + (int)turn) % CONNECTIONS;
    pthread_mutex_lock(&mutex);
    while (peer->waiting + 2 > WINDOW && !stopping) pthread_cond_wait(&changed, &mutex);
    if (stopping) {
      pthread_mutex_unlock(&mutex);
      return;
    }
    call = begin(peer);
    publication = begin(peer);
    pthread_mutex_unlock(&mutex);
    snprintf(procedure, sizeof procedure, "com.storm.procedure%d", other);
    if (turn % 2) snprintf(topic, sizeof topic, "com.storm.topic%d", other);
    else snprintf(topic, sizeof topic, "com.storm.common");
    status = wamp_session_call(session, procedure, WAMP_ARGS("[\"what is this?\", 42]"), NULL, done, (void *)call,
                               let_go);
    CHECK(status > 0 || status == WAMP_ERR_CLOSED);
    status = wamp_session_publish_ack(session, topic, WAMP_ARGS("[\"hear, hear\"]"), "{\"exclude_me\": false}", done,
                                      (void *)publication, let_go);
    CHECK(status > 0 || status == WAMP_ERR_CLOSED);
    nanosleep(&pace, NULL);
  }
}

static void *load(void *user_data) {
  peer_t *peer = user_data;
  for (;;) {
    wamp_session_t *session = NULL;
    bool over;
    int status;
    pthread_mutex_lock(&mutex);
    over = stopping;
    pthread_mutex_unlock(&mutex);
    if (over) return NULL;
    status = wamp_connection_session(peer->connection, 1000, &session);
    if (status == WAMP_OK) {
      work(peer, session);
      GOOD(wamp_session_release(session));
    }
  }
}

/* ---- what is durable ---- */

static long memory(void) {
  long size = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  CHECK(file != NULL && fscanf(file, "%ld %ld", &size, &resident) == 2);
  fclose(file);
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void tell(const char *line) {
  puts(line);
  fflush(stdout);
}

static void use(durable_t *durable) {
  pthread_mutex_lock(&mutex);
  if (active == ALL && !durable->used) {
    durable->used = true;
    if (++used == ALL) pthread_cond_broadcast(&changed);
  }
  pthread_mutex_unlock(&mutex);
}

static void heard(const wamp_event_t *event, void *durable) {
  CHECK(event->kind == WAMP_EVENT);
  use(durable);
}

static void serve(const wamp_event_t *event, void *durable) {
  int status = wamp_invocation_yield(event->invocation, &event->payload);
  CHECK(status == WAMP_OK || status == WAMP_ERR_CLOSED || status == WAMP_ERR_CANCELED);
  use(durable);
}

/* The router has answered for a durable thing, or it is out of service. */
static void stands(const wamp_event_t *event, void *user_data) {
  durable_t *durable = user_data;
  bool now = event->kind == WAMP_SUBSCRIBED || event->kind == WAMP_REGISTERED || event->kind == WAMP_RESTORED;
  pthread_mutex_lock(&mutex);
  if (event->kind == WAMP_ERROR) {
    CHECK(!durable->active); /* the former session still has the name, or this one is over: it is tried again */
  } else {
    CHECK(now || event->kind == WAMP_SUSPENDED);
    CHECK(durable->active != now);
    durable->active = now;
    active += now ? 1 : -1;
    if (now && active == ALL) {
      int i, j;
      for (i = 0; i < CONNECTIONS; i++)
        for (j = 0; j < EACH; j++) peers[i].durables[j].used = false;
      used = 0;
      tell("up");
    }
    if (!now && active == 0) tell("down");
  }
  pthread_mutex_unlock(&mutex);
}

static void durable_freed(void *durable) {
  (void)durable;
  pthread_mutex_lock(&mutex);
  durables_freed++;
  pthread_mutex_unlock(&mutex);
}

static void start(peer_t *peer, const char *transports) {
  char uri[64];
  durable_t *durables = peer->durables;
  peer->connection = scenario_connection(peer->index % 2 ? "inline" : "thread", OPTIONS);
  if (transports) GOOD(wamp_connection_set_json(peer->connection, "transports", transports));
  snprintf(uri, sizeof uri, "com.storm.procedure%d", peer->index);
  GOOD(wamp_connection_register(peer->connection, uri, NULL, serve, stands, &durables[0], durable_freed));
  snprintf(uri, sizeof uri, "com.storm.topic%d", peer->index);
  GOOD(wamp_connection_subscribe(peer->connection, uri, NULL, heard, stands, &durables[1], durable_freed));
  GOOD(wamp_connection_subscribe(peer->connection, "com.storm.common", NULL, heard, stands, &durables[2],
                                 durable_freed));
  GOOD(wamp_connection_open(peer->connection));
  CHECK(pthread_create(&peer->load, NULL, load, peer) == 0);
}

/* ---- the whole ---- */

/* Tells whenever everything serves again. */
static void *watch(void *unused) {
  (void)unused;
  pthread_mutex_lock(&mutex);
  while (!stopping) {
    if (used == ALL) {
      char line[64];
      used = 0; /* told once: `used` of the durables stays until all are active anew */
#ifdef __GLIBC__
      malloc_trim(0);
#endif
      snprintf(line, sizeof line, "serving %ld", memory());
      tell(line);
    }
    pthread_cond_wait(&changed, &mutex);
  }
  pthread_mutex_unlock(&mutex);
  return NULL;
}

static long entries(const char *path) {
  long count = 0;
  DIR *directory = opendir(path);
  CHECK(directory != NULL);
  while (readdir(directory)) count++;
  closedir(directory);
  return count;
}

int main(int argc, char **argv) {
  long threads = entries("/proc/self/task"), files = entries("/proc/self/fd");
  pthread_t watcher;
  int i;
  scenario_begin(argc, argv, "interop_storm");
  CHECK(pthread_create(&watcher, NULL, watch, NULL) == 0);
  for (i = 0; i < CONNECTIONS; i++) {
    peers[i].index = i;
    start(&peers[i], argc > 4 ? argv[4] : NULL);
  }
  while (getchar() != EOF) continue;

  pthread_mutex_lock(&mutex);
  stopping = true;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
  CHECK(pthread_join(watcher, NULL) == 0);
  for (i = 0; i < CONNECTIONS; i++) CHECK(pthread_join(peers[i].load, NULL) == 0);
  /* The sessions are still open: what is answered now is answered by the router. */
  pthread_mutex_lock(&mutex);
  while (freed < made) {
    struct timespec until;
    long before = freed;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LIMIT_SECONDS;
    while (freed == before) CHECK(pthread_cond_timedwait(&changed, &mutex, &until) == 0);
  }
  pthread_mutex_unlock(&mutex);
  for (i = 0; i < CONNECTIONS; i++) {
    GOOD(wamp_connection_close(peers[i].connection, NULL, NULL, LIMIT_MS));
    GOOD(wamp_connection_free(peers[i].connection));
  }
  CHECK(active == 0 && durables_freed == ALL);
  CHECK(made == answered + failed && made == freed);
  GOOD(wamp_shutdown(LIMIT_MS / 2));
  CHECK(entries("/proc/self/task") == threads && entries("/proc/self/fd") == files);
  printf("made %ld answered %ld failed %ld\n", made, answered, failed);
  return scenario_end();
}
