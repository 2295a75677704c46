/*
 * The router that is part of libwamp, to measure transports that the forwarding one does not have.
 *
 *     embedded CONFIG URL...
 *
 * It listens at the URLs (port 0: any that is free), prints them in one line, and works until it is
 * ended. For each line of its input it prints its counters as JSON.
 */
#include <stdio.h>
#include <unistd.h>
#include <wamp.h>

int main(int argc, char **argv) {
  wamp_router_t *router = argc > 2 ? wamp_router_new(argv[1]) : NULL;
  const char *url;
  char line[8];
  int i;
  for (i = 2; router && i < argc; i++) {
    if (wamp_router_listen(router, argv[i], &url) < 0) break;
    printf("%s ", url);
  }
  if (!router || i < argc) {
    fprintf(stderr, "%s\n", wamp_last_error());
    return 1;
  }
  puts("");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    wamp_message_t *stats = wamp_router_stats(router);
    const wamp_payload_t *counters;
    if (!stats) return 1;
    counters = &wamp_message_event(stats)->payload;
    printf("%.*s\n", (int)counters->kwargs_size, (const char *)counters->kwargs);
    fflush(stdout);
    if (wamp_message_free(stats) < 0) return 1;
  }
  for (;;) pause();
}
