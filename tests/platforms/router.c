/*
 * A router alone: says its URL, and runs until its standard input ends. Then it says what it has carried.
 */
#include <inttypes.h>
#include <stdio.h>
#include <wamp.h>

int main(void) {
  wamp_router_t *router = wamp_router_new(NULL);
  const char *url = NULL;
  if (wamp_router_listen(router, "ws://127.0.0.1:0/ws", &url) < 0) {
    fprintf(stderr, "%s\n", wamp_last_error());
    return 1;
  }
  printf("%s\n", url);
  fflush(stdout);
  while (getchar() != EOF) continue;
  wamp_router_close(router, 10000);
  wamp_router_free(router);
  return wamp_shutdown(10000) < 0;
}
