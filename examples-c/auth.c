/*
 * Auth: joins with a password. The router asks, we prove that we know it; the password itself is not sent.
 *
 *     auth [URL [REALM [AUTHID [SECRET]]]]      default: a router of its own, realm1 joe "open sesame"
 *
 * Two ways: the library answers the challenge by itself from the option `secret`, or the program does, which could ask a
 * person or a smart card. A wrong password ends the attempt for good: the library does not try again.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wamp.h>

#define LIMIT_MS 10000

/* The router asks: answer as the method WAMP-CRA wants it. `user_data` is the password. */
static void on_challenge(const wamp_event_t *event, void *user_data) {
  const wamp_value_t *details = wamp_event_details(event);
  const char *question = wamp_value_string(wamp_value_get(details, "challenge"), NULL);
  const char *salt = wamp_value_string(wamp_value_get(details, "salt"), NULL);
  char key[512], signature[64];
  const char *secret = user_data;

  printf("the router asks by %s\n", event->uri);
  if (strcmp(event->uri, "wampcra") != 0 || !question) return; /* no answer: the attempt ends */
  if (salt) {
    /* The router knows no password, only a key that is made of it. */
    int size = wamp_auth_cra_derive_key(secret, salt, (uint32_t)wamp_value_uint(wamp_value_get(details, "iterations")),
                                        (uint32_t)wamp_value_uint(wamp_value_get(details, "keylen")), key, sizeof key);
    if (size < 0 || (size_t)size >= sizeof key) return;
    secret = key;
  }
  if (wamp_auth_cra_sign(secret, question, signature, sizeof signature) < 0 ||
      wamp_challenge_reply(event->challenge, signature, NULL) < 0)
    fprintf(stderr, "auth: cannot answer: %s\n", wamp_last_error());
}

/* Appends a JSON string. What is typed by people may hold quotes, so it cannot be pasted into the options as it is. */
static void add(wamp_builder_t *options, const char *key, const char *text) {
  wamp_builder_key(options, key);
  wamp_builder_string(options, text, WAMP_NUL);
}

/* Joins, tells how it went, and leaves. `secret` NULL: on_challenge answers with `asked`. */
static int join(const char *url, const char *realm, const char *authid, const char *secret, const char *asked) {
  wamp_builder_t *builder = wamp_builder_new(WAMP_JSON);
  wamp_connection_t *connection;
  wamp_session_t *session = NULL;
  int status;

  /* Values with a key at the top become one JSON object: just what the options are. */
  add(builder, "url", url);
  add(builder, "realm", realm);
  add(builder, "authid", authid);
  if (secret) add(builder, "secret", secret);
  wamp_builder_key(builder, "authmethods");
  wamp_builder_list(builder);
  wamp_builder_string(builder, "wampcra", WAMP_NUL);
  wamp_builder_end(builder);
  {
    const wamp_payload_t *payload = wamp_builder_payload(builder);
    char *options = malloc(payload->kwargs_size + 1);
    if (!options) abort();
    memcpy(options, payload->kwargs, payload->kwargs_size);
    options[payload->kwargs_size] = 0;
    connection = wamp_connection_new(options);
    free(options);
  }
  wamp_builder_free(builder);
  if (!connection) {
    fprintf(stderr, "auth: %s\n", wamp_last_error());
    return WAMP_ERR_OPTION;
  }
  status = secret ? WAMP_OK : wamp_connection_on_challenge(connection, on_challenge, (void *)asked, NULL);
  if (status >= 0) status = wamp_connection_open(connection);
  if (status >= 0) status = wamp_connection_session(connection, LIMIT_MS, &session);
  if (status < 0) {
    fprintf(stderr, "auth: not let in: %s: %s\n", wamp_status_name(status), wamp_last_error());
  } else {
    const wamp_value_t *details = wamp_session_details(session);
    const char *who = wamp_value_string(wamp_value_get(details, "authid"), NULL);
    const char *role = wamp_value_string(wamp_value_get(details, "authrole"), NULL);
    printf("let in as %s, who is %s\n", who ? who : "?", role ? role : "?");
    wamp_session_release(session);
    wamp_connection_close(connection, NULL, NULL, LIMIT_MS);
  }
  wamp_connection_free(connection);
  return status;
}

int main(int argc, char **argv) {
  const char *url = argc > 1 ? argv[1] : NULL, *realm = argc > 2 ? argv[2] : "realm1";
  const char *authid = argc > 3 ? argv[3] : "joe", *secret = argc > 4 ? argv[4] : "open sesame";
  wamp_router_t *router = NULL;
  int good;

  if (!url) {
    router = wamp_router_new(
        "{\"auth\": {\"wampcra\": {\"joe\": {\"secret\": \"open sesame\", \"salt\": \"pepper\", \"role\": \"thief\"}}}}");
    if (!router || wamp_router_listen(router, "ws://127.0.0.1:0/ws", &url) < 0) {
      fprintf(stderr, "auth: no router: %s\n", wamp_last_error());
      return EXIT_FAILURE;
    }
  }
  good = join(url, realm, authid, secret, NULL) >= 0;         /* the library answers */
  good = good && join(url, realm, authid, NULL, secret) >= 0; /* we do */
  if (good && router) good = join(url, realm, authid, "open barley", NULL) == WAMP_ERR_AUTH;
  if (router) wamp_router_free(router);
  if (wamp_shutdown(LIMIT_MS) < 0) good = 0;
  if (good) printf("auth: done\n");
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
