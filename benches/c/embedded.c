/*
 * The router that is part of libwamp, to measure transports that the forwarding one does not have.
 *
 *     embedded CONFIG URL...
 *
 * It listens at the URLs (port 0: any that is free), prints them in one line, and works until it is
 * ended.
 */
#include <stdio.h>
#include <unistd.h>
#include <wamp.h>

int main(int argc, char **argv) {
  wamp_router_t *router = argc > 2 ? wamp_router_new(argv[1]) : NULL;
  const char *url;
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
  for (;;) pause();
}
