/*
 * How much processor time the client takes per message, and how many messages it moves.
 *
 *     bench [--quick | --seconds N] [--rounds N] [--what W] [--size N] [--mode M] [--url U] [--no-pin]
 *
 * --seconds     about how long the whole run takes (default 75, or BENCH_SECONDS in the environment); --quick: 10
 * --rounds      each figure is the median of so many measurements (default 3)
 * --what        only these rows: sequential, call, invocation, publish, event, connect
 * --size        only this payload, in bytes: 16, 256, 4096 or 65536
 * --mode        only this way to take events: inline, manual (poll), dispatch (manual, with callbacks) or thread
 * --url         where the router listens, so which transport is used: ws://127.0.0.1:0/ws (default), rs://127.0.0.1:0,
 *               ws+unix:///path, rs+unix:///path
 * --no-pin      do not bind the client to one core and router and peer to another
 *
 * BENCH_SERIALIZER=msgpack or cbor in the environment takes that wire instead of JSON. Payloads are JSON all the same, and
 * brought into the wire's encoding and back; with BENCH_PAYLOADS=wire they have the encoding of the wire.
 *
 * BENCH_DEFLATE=true, or an object of settings, has WebSocket compress.
 *
 * Three processes: the client under test (this one), the embedded router, and a peer that calls, answers and publishes.
 * Only the client is measured: user and system time of all its threads, divided by the messages. That hardly depends on
 * the router, and even less on what else the machine does.
 */
#ifdef __linux__
#define _GNU_SOURCE /* sched_setaffinity */
#else
#define _XOPEN_SOURCE 700
#endif

#include "bench_client.h"

#include <signal.h>

#define MAX_ROUNDS 101
#define ECHO "com.example.bench.echo"       /* the peer's procedure */
#define NOWHERE "com.example.bench.nowhere" /* a topic that nobody subscribes to */

/* ---- the other processes ---- */

static int router_main(const char *url) {
  char config[256];
  wamp_router_t *router;
  snprintf(config, sizeof config, "{\"permessage_deflate\": %s}", bench_deflate());
  router = wamp_router_new(config);
  CHECK(router != NULL);
  GOOD(wamp_router_listen(router, url, NULL));
  puts(wamp_router_url(router));
  fflush(stdout);
  while (getchar() != EOF) continue;
  GOOD(wamp_router_free(router));
  return 0;
}

/* Reads lines "calls|publishes URI SIZE COUNT", does that, and answers each with a line. */
static int peer_main(const char *url) {
  client_t client;
  char line[256], what[16], uri[128];
  client_open(&client, url, INLINE);
  GOOD(wamp_session_register_sync(client.session, ECHO, NULL, handle, NULL, NULL, -1));
  puts("ready");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    wamp_payload_t payload;
    size_t size;
    long count;
    CHECK(sscanf(line, "%15s %127s %zu %ld", what, uri, &size, &count) == 4);
    payload = payload_of(size);
    (strcmp(what, "calls") == 0 ? do_calls : do_publishes)(&client, uri, &payload, count);
    work.to_finish = 0; /* what it answers from now on are invocations, which nobody counts */
    puts("done");
    fflush(stdout);
  }
  client_close(&client);
  return 0;
}

static child_t router, peer;

static void peer_tell(const char *what, const char *uri, size_t size, long count) {
  fprintf(peer.to, "%s %s %zu %ld\n", what, uri, size, count);
  fflush(peer.to);
}

static void peer_wait(void) {
  char line[64];
  child_line(&peer, line, sizeof line);
}

/* ---- measuring ---- */

typedef enum what_t { SEQUENTIAL, CALL, INVOCATION, PUBLISH, EVENT, WHATS } what_t;

static const char *const what_names[WHATS] = {"sequential", "call", "invocation", "publish", "event"};

typedef struct sample_t {
  double wall; /* us, of all */
  double cpu;  /* us per message, as the rest */
  double p50;
  double p99;
} sample_t;

static void do_sequential(client_t *client, const wamp_payload_t *payload, long count, sample_t *sample) {
  double *times = malloc((size_t)count * sizeof *times);
  long i;
  CHECK(times != NULL);
  for (i = 0; i < count; i++) {
    wamp_message_t *result;
    double start = wall_us();
    GOOD(wamp_session_call_sync(client->session, ECHO, payload, NULL, -1, &result));
    GOOD(wamp_message_free(result));
    times[i] = wall_us() - start;
  }
  sample->p50 = quantile(times, (size_t)count, 0.5);
  sample->p99 = quantile(times, (size_t)count, 0.99);
  free(times);
}

/* The router keeps for a subscriber what that has not yet read, but not without limit: so the publisher waits for the
 * subscriber now and then. */
static void receive_events(client_t *client, const wamp_payload_t *payload, size_t size, long count) {
  const long most = (long)((64u << 20) / (size + 128));
  while (count > 0) {
    long some = count < most ? count : most;
    begin(client, client->uri, payload, some);
    peer_tell("publishes", client->uri, size, some);
    finish(client);
    peer_wait();
    count -= some;
  }
}

static sample_t measure(what_t what, client_t *client, size_t size, long count) {
  wamp_payload_t payload = payload_of(size);
  sample_t sample = {0, 0, 0, 0};
  double wall = wall_us(), cpu = cpu_us();
  switch (what) {
    case SEQUENTIAL:
      do_sequential(client, &payload, count, &sample);
      break;
    case CALL:
      do_calls(client, ECHO, &payload, count);
      break;
    case INVOCATION:
      begin(client, client->uri, &payload, count);
      peer_tell("calls", client->uri, size, count);
      finish(client);
      peer_wait();
      break;
    case PUBLISH:
      do_publishes(client, NOWHERE, &payload, count);
      break;
    default:
      receive_events(client, &payload, size, count);
  }
  sample.cpu = (cpu_us() - cpu) / (double)count;
  sample.wall = wall_us() - wall;
  /* Untimed: the router has read all that was published, and we have what the library told meanwhile. */
  if (what == PUBLISH) GOOD(wamp_session_publish_ack_sync(client->session, NOWHERE, NULL, NULL, -1, NULL));
  if (client->mode == MANUAL || client->mode == DISPATCH) GOOD(wamp_connection_dispatch(client->connection, 0, 0));
  return sample;
}

/* How many messages take about `us`. Finding out also warms everything up. */
static long count_for(what_t what, client_t *client, size_t size, double us) {
  long count = IN_FLIGHT;
  for (;;) {
    double wall = measure(what, client, size, count).wall;
    double factor = us / (wall > 1 ? wall : 1);
    /* Once an eighth of the time is filled, the rest can be told from it. */
    long next = (long)((double)count * (factor < 8 ? factor : factor > 128 ? 16 : factor / 8 + 1));
    if (factor < 8) return next > IN_FLIGHT ? next : IN_FLIGHT;
    count = next;
  }
}

/* ---- the table ---- */

typedef struct options_t {
  double seconds;
  int rounds;
  const char *what;
  const char *mode;
  const char *url;
  size_t size;
  bool pinned;
} options_t;

static options_t options = {75, 3, NULL, NULL, "ws://127.0.0.1:0/ws", 0, true};

/* Client CPU per message that the library aims at, and must not exceed; 0: no figure. */
static const struct goal_t {
  const char *what;
  size_t size;
  double goal;
  double limit;
} goals[] = {{"call", 16, 0.9, 2.5},     {"call", 4096, 3, 0},     {"invocation", 16, 0.9, 0},
             {"publish", 16, 0.2, 0.6}, {"event", 16, 0.2, 0.6}, {"connect", 0, 200, 0}};

static void print_heading(void) {
  printf("%-11s %6s  %-8s %11s %11s %6s %6s %7s %6s %9s %9s\n", "what", "size", "mode", "per second", "CPU us/msg",
         "+-", "goal", "ratio", "limit", "p50 us", "p99 us");
}

static void print_row(const char *what, size_t size, dispatch_t mode, long count, const sample_t *samples) {
  char goal[16] = "", ratio[16] = "", limit[16] = "", p50[16] = "", p99[16] = "";
  double cpu[MAX_ROUNDS], wall[MAX_ROUNDS], half[MAX_ROUNDS], most[MAX_ROUNDS], middle, spread;
  size_t i, n = (size_t)options.rounds;
  for (i = 0; i < n; i++) {
    cpu[i] = samples[i].cpu;
    wall[i] = samples[i].wall;
    half[i] = samples[i].p50;
    most[i] = samples[i].p99;
  }
  middle = quantile(cpu, n, 0.5);
  spread = (cpu[n - 1] - cpu[0]) / 2 / middle * 100; /* they are sorted now */
  for (i = 0; i < sizeof goals / sizeof *goals; i++) {
    /* A hand-over to another thread may cost a little more. */
    double aim = goals[i].goal + (mode == THREAD && goals[i].goal < 100 ? 0.3 : 0);
    if (strcmp(goals[i].what, what) != 0 || goals[i].size != size) continue;
    snprintf(goal, sizeof goal, "%.3g", aim);
    snprintf(ratio, sizeof ratio, "%.2fx", middle / aim);
    if (goals[i].limit > 0) snprintf(limit, sizeof limit, "%.3g%s", goals[i].limit, middle > goals[i].limit ? "!" : "");
  }
  if (samples[0].p50 > 0) {
    snprintf(p50, sizeof p50, "%.1f", quantile(half, n, 0.5));
    snprintf(p99, sizeof p99, "%.1f", quantile(most, n, 0.5));
  }
  printf("%-11s %6zu  %-8s %11.0f %11.3f %5.0f%% %6s %7s %6s %9s %9s\n", what, size, mode_names[mode],
         (double)count / quantile(wall, n, 0.5) * 1e6, middle, spread, goal, ratio, limit, p50, p99);
  fflush(stdout);
}

static bool wanted(const char *filter, const char *name) { return !filter || strcmp(filter, name) == 0; }

static bool mode_wanted(dispatch_t mode, size_t size) {
  /* Dispatching differs from polling only in what a message costs, whatever its size. */
  if (mode == DISPATCH && !options.mode && size != 16) return false;
  return wanted(options.mode, mode_names[mode]);
}

static void connect_rows(const char *url, long count) {
  static sample_t opens[MAX_ROUNDS], closes[MAX_ROUNDS];
  double *times = malloc((size_t)count * sizeof *times);
  dispatch_t mode;
  CHECK(times != NULL);
  for (mode = INLINE; mode < MODES; mode++) {
    int round;
    if (!mode_wanted(mode, 0)) continue;
    for (round = 0; round < options.rounds; round++) {
      sample_t open = {0, 0, 0, 0}, close = {0, 0, 0, 0};
      long i;
      for (i = 0; i < count; i++) {
        client_t client;
        double wall = wall_us(), cpu = cpu_us(), mid_wall, mid_cpu;
        client_open(&client, url, mode);
        mid_wall = wall_us();
        mid_cpu = cpu_us();
        client_close(&client);
        open.wall += times[i] = mid_wall - wall;
        open.cpu += (mid_cpu - cpu) / (double)count;
        close.wall += wall_us() - mid_wall;
        close.cpu += (cpu_us() - mid_cpu) / (double)count;
      }
      open.p50 = quantile(times, (size_t)count, 0.5);
      open.p99 = quantile(times, (size_t)count, 0.99);
      opens[round] = open;
      closes[round] = close;
    }
    print_row("connect", 0, mode, count, opens);
    print_row("close", 0, mode, count, closes);
  }
  free(times);
}

/* The rounds of the modes alternate, so that a slow minute of the machine strikes all alike. */
static void rows(what_t what, size_t size, client_t *clients, double round_us) {
  static sample_t samples[MODES][MAX_ROUNDS];
  long counts[MODES] = {0};
  dispatch_t mode;
  int round;
  for (mode = INLINE; mode < MODES; mode++)
    if (mode_wanted(mode, size)) counts[mode] = count_for(what, &clients[mode], size, round_us);
  for (round = 0; round < options.rounds; round++)
    for (mode = INLINE; mode < MODES; mode++)
      if (counts[mode]) samples[mode][round] = measure(what, &clients[mode], size, counts[mode]);
  for (mode = INLINE; mode < MODES; mode++)
    if (counts[mode]) print_row(what_names[what], size, mode, counts[mode], samples[mode]);
}

/* Goes through all rows: with clients to measure, without to count. */
static int all_rows(client_t *clients, double round_us) {
  static const size_t sizes[] = {16, 256, 4096, 65536};
  int count = 0;
  what_t what;
  dispatch_t mode;
  size_t i;
  for (what = SEQUENTIAL; what < WHATS; what++)
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      if (!wanted(options.what, what_names[what]) || (options.size && options.size != sizes[i])) continue;
      for (mode = INLINE; mode < MODES; mode++) count += mode_wanted(mode, sizes[i]);
      if (clients) rows(what, sizes[i], clients, round_us);
    }
  return count;
}

static void read_options(int argc, char **argv) {
  const char *seconds = getenv("BENCH_SECONDS");
  int i;
  if (seconds) options.seconds = strtod(seconds, NULL);
  for (i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (strcmp(argv[i], "--quick") == 0) options.seconds = 10;
    else if (strcmp(argv[i], "--no-pin") == 0) options.pinned = false;
    else if (value && strcmp(argv[i], "--seconds") == 0) options.seconds = strtod(argv[++i], NULL);
    else if (value && strcmp(argv[i], "--rounds") == 0) options.rounds = atoi(argv[++i]);
    else if (value && strcmp(argv[i], "--what") == 0) options.what = argv[++i];
    else if (value && strcmp(argv[i], "--size") == 0) options.size = strtoul(argv[++i], NULL, 10);
    else if (value && strcmp(argv[i], "--mode") == 0) options.mode = argv[++i];
    else if (value && strcmp(argv[i], "--url") == 0) options.url = argv[++i];
    else options.seconds = 0;
  }
  if (options.seconds > 0 && options.rounds > 0 && options.rounds <= MAX_ROUNDS) return;
  fputs("usage: bench [--quick | --seconds N] [--rounds N] [--what W] [--size N] [--mode M] [--url U] [--no-pin]\n",
        stderr);
  exit(2);
}

int main(int argc, char **argv) {
  static client_t clients[MODES];
  char url[256];
  dispatch_t mode;
  int count;
  signal(SIGPIPE, SIG_IGN);
  if (argc == 3 && strcmp(argv[1], "router") == 0) return router_main(argv[2]);
  if (argc == 3 && strcmp(argv[1], "peer") == 0) return peer_main(argv[2]);

  read_options(argc, argv);
  if (options.pinned) pin(false);
  print_machine(argc, argv);
  router = child_start(argv[0], "router", options.url, options.pinned);
  child_line(&router, url, sizeof url);
  peer = child_start(argv[0], "peer", url, options.pinned);
  peer_wait();
  for (mode = INLINE; mode < MODES; mode++) {
    char uri[64];
    snprintf(uri, sizeof uri, "com.example.bench.%s", mode_names[mode]);
    client_open(&clients[mode], url, mode);
    client_offer(&clients[mode], uri);
  }

  print_heading();
  count = all_rows(NULL, 0);
  /* Finding the counts takes about half a round more. */
  if (count > 0) all_rows(clients, options.seconds * 1e6 / count / (options.rounds + 0.5));
  if (wanted(options.what, "connect") && !options.size) connect_rows(url, options.seconds < 30 ? 50 : 200);

  for (mode = INLINE; mode < MODES; mode++) client_close(&clients[mode]);
  child_stop(&peer);
  child_stop(&router);
  return 0;
}
