/* The helpers for authentication: what they make is what Autobahn|Python makes and the specification says, and wrong
 * arguments are told. They need neither router nor connection. */
#include <unistd.h>

#include "scenario.h"

#define SEED "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510"
#define PUBLIC_KEY "1adfc8bfe1d35616e64dffbd900096f23b066f914c8c2ffbb66f6075b96e116d"
#define CHANNEL_ID "62e935ae755f3d48f80d4d59f6121358c435722a67e859cc0caa8b539027f2ff"
#define SALT "AAECAwQFBgcICQoLDA0ODw=="

static const char key_file[] =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
    "QyNTUxOQAAACAa38i/4dNWFuZN/72QAJbyOwZvkUyML/u2b2B1uW4RbQAAAJj4FLyB+BS8\n"
    "gQAAAAtzc2gtZWQyNTUxOQAAACAa38i/4dNWFuZN/72QAJbyOwZvkUyML/u2b2B1uW4RbQ\n"
    "AAAEBNV9l6aPVVaWYgpthJwM5YJWhRjXKet1PcfHMt4oBFEBrfyL/h01YW5k3/vZAAlvI7\n"
    "Bm+RTIwv+7ZvYHW5bhFtAAAAFXNvbWV1c2VyQGZ1bmt0aGF0LmNvbQ==\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

static char out[256];

/* A result has the wanted text, and its size is told. */
#define GIVES(call, wanted)                           \
  do {                                                \
    memset(out, '?', sizeof out);                     \
    CHECK(GOOD(call) == (int64_t)strlen(wanted));     \
    SAME(out, wanted);                                \
  } while (0)

/* An argument is refused, and the last error has the word that tells what is wrong with it. */
#define REFUSES(call, word)                           \
  do {                                                \
    FAILS(call, WAMP_ERR_ARGUMENT);                   \
    CHECK(strstr(wamp_last_error(), (word)) != NULL); \
  } while (0)

static void cra(void) {
  static const char challenge[] =
      "{\"authid\": \"cra1\", \"authrole\": \"user\", \"authmethod\": \"wampcra\", \"authprovider\": \"static\", "
      "\"session\": 3215120031456, \"nonce\": \"n1\", \"timestamp\": \"2024-01-01T00:00:00.000Z\"}";
  char key[64];
  GIVES(wamp_auth_cra_derive_key("secret", "salt123", 1000, 32, out, sizeof out),
        "MDS8Yxpu4J/vkHJ8dNEgqECYsI0uRDh2oZ5eN0vYPvo=");
  GIVES(wamp_auth_cra_derive_key("secret", "salt123", 0, 0, out, sizeof out),
        "MDS8Yxpu4J/vkHJ8dNEgqECYsI0uRDh2oZ5eN0vYPvo=");
  GIVES(wamp_auth_cra_derive_key("p\xc3\xa4ssw\xc3\xb6rd", "s\xc3\xa4lz", 1000, 20, out, sizeof out),
        "huILEu3UvxJKz9ice7QNb0Xs3l0=");
  GIVES(wamp_auth_cra_sign("secret", challenge, out, sizeof out), "QWYC1U3kb/0cT7rlGe4sHNLwolSxZz3UylMQNMpFCog=");
  GOOD(wamp_auth_cra_derive_key("secret", "salt123", 100, 16, key, sizeof key));
  SAME(key, "EX1Y3Q9BMM2oGLxsGqDgFQ==");
  GIVES(wamp_auth_cra_sign(key, challenge, out, sizeof out), "ZlEzhp9X//WeUbLzzl/TAIN+4BtFAhffyP9CGeKzqpo=");

  REFUSES(wamp_auth_cra_derive_key("secret", "salt123", 4000000000, 32, out, sizeof out), "at most");
  REFUSES(wamp_auth_cra_derive_key("secret", "salt123", 1000, 257, out, sizeof out), "keylen");
  REFUSES(wamp_auth_cra_derive_key(NULL, "salt123", 1000, 32, out, sizeof out), "`secret` is NULL");
  REFUSES(wamp_auth_cra_derive_key("secret", NULL, 1000, 32, out, sizeof out), "`salt` is NULL");
  REFUSES(wamp_auth_cra_sign(NULL, challenge, out, sizeof out), "`key` is NULL");
  REFUSES(wamp_auth_cra_sign("secret", NULL, out, sizeof out), "`challenge` is NULL");
  FAILS(wamp_auth_cra_sign("\xff", challenge, out, sizeof out), WAMP_ERR_UTF8);
}

#ifdef _WIN32
#define SCRATCH "" /* the folder that it runs in */
#else
#define SCRATCH "/tmp/"
#endif

static void cryptosign(void) {
  static const char challenge[] = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
  char path[] = SCRATCH "wamp-key-XXXXXX";
  int file = mkstemp(path);
  CHECK(file >= 0 && write(file, key_file, sizeof key_file - 1) == (ssize_t)(sizeof key_file - 1));
  close(file);
  GIVES(wamp_auth_cryptosign_public_key(SEED, out, sizeof out), PUBLIC_KEY);
  GIVES(wamp_auth_cryptosign_public_key(key_file, out, sizeof out), PUBLIC_KEY);
  GIVES(wamp_auth_cryptosign_public_key(path, out, sizeof out), PUBLIC_KEY);
  GIVES(wamp_auth_cryptosign_sign(SEED, challenge, NULL, out, sizeof out),
        "b32675b221f08593213737bef8240e7c15228b07028e19595294678c90d11c0c"
        "ae80a357331bfc5cc9fb71081464e6e75013517c2cf067ad566a6b7b728e5d03"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
  GIVES(wamp_auth_cryptosign_sign(path, challenge, CHANNEL_ID, out, sizeof out),
        "9b6f41540c9b95b4b7b281c3042fa9c54cef43c842d62ea3fd6030fcb66e70b3"
        "e80d49d44c29d1635da9348d02ec93f3ed1ef227dfb59a07b580095c2b82f80f"
        "9d16ca518aa0c2b707f2b2a609edeca73bca8dd59817a633f35574ac6fd80d00");
  CHECK(unlink(path) == 0);

  REFUSES(wamp_auth_cryptosign_public_key(path, out, sizeof out), "cannot be read");
  REFUSES(wamp_auth_cryptosign_public_key("", out, sizeof out), "is empty");
  REFUSES(wamp_auth_cryptosign_public_key(NULL, out, sizeof out), "`privkey` is NULL");
  REFUSES(wamp_auth_cryptosign_public_key(SEED "00", out, sizeof out), "not a private key");
  CHECK(strstr(wamp_last_error(), "4d57") == NULL); /* not even a wrong key is shown */
  REFUSES(wamp_auth_cryptosign_sign(SEED, "ff", NULL, out, sizeof out), "`challenge` must have 64");
  REFUSES(wamp_auth_cryptosign_sign(SEED, NULL, NULL, out, sizeof out), "`challenge` is NULL");
  REFUSES(wamp_auth_cryptosign_sign(SEED, challenge, "", out, sizeof out), "`channel_id` must have 64");
}

/* A salted password, and both proofs made with it. */
static void scram_case(const char *kdf, const char *password, const char *salt, uint32_t iterations, const char *salted,
                       const char *message, const char *proof, const char *signature) {
  GIVES(wamp_auth_scram_salted_password(kdf, password, salt, iterations, 512, out, sizeof out), salted);
  GIVES(wamp_auth_scram_client_proof(salted, message, out, sizeof out), proof);
  GIVES(wamp_auth_scram_server_signature(salted, message, out, sizeof out), signature);
}

static void scram(void) {
#define NONCE "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7"
#define NONCES NONCE "yMnKy8zNzs/Q0dLT1NXW1w=="
  /* RFC 7677, and the specification of WAMP. */
  scram_case("pbkdf2", "pencil", "W22ZaJ0SNY7soEsUEjb6gQ==", 4096, "xKSVEDI6tPlSysH6mUQZOeeOp01r6B3fcJbodRPcYV0=",
             "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
             "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,"
             "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
             "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  /* Autobahn. */
  scram_case("argon2id-13", "scram-secret", SALT, 1, "RkZvcUtpQnkvVUZwWmxLUWljMm4xWFgzYlVXMXlYN1FXT1hIY1d4MDAzbw==",
             "n=scram1,r=" NONCE ",r=" NONCES ",s=" SALT ",i=1,c=,r=" NONCES,
             "b4lROfkeSbiSL5JvEZqFVT5a1GCtcGJx9O2aRd83rG4=", "7oJ6ApLFpWzTKDUEj2GUbPl6y60c+NYoUxeFeA93mco=");
  scram_case("pbkdf2", "scram-secret", SALT, 4096, "dIfTlQsoPcXsl4ncbdrodx4QLGcnrijAyCnP8clNy5E=",
             "n=scram1,r=" NONCE ",r=" NONCES ",s=" SALT ",i=4096,c=,r=" NONCES,
             "aDNjzl2ZFZ6As6G6wUWeYR4pck30ufqU6QM4lziFYGc=", "NGMa9OpR2Cuq5Pk6Et9CZGkupChA2A3ukUXuLDuiEMQ=");
  GIVES(wamp_auth_scram_salted_password("argon2id13", "scram-secret", SALT, 1, 512, out, sizeof out),
        "FFoqKiBy/UFpZlKQic2n1XX3bUW1yX7QWOXHcWx003o=");

  REFUSES(wamp_auth_scram_salted_password("scrypt", "p", SALT, 4096, 512, out, sizeof out), "kdf");
  REFUSES(wamp_auth_scram_salted_password("pbkdf2", "p", SALT, 4095, 512, out, sizeof out), "at least 4096");
  REFUSES(wamp_auth_scram_salted_password("argon2id13", "p", SALT, 1, 511, out, sizeof out), "at least 512");
  REFUSES(wamp_auth_scram_salted_password("argon2id13", "p", SALT, 1, UINT32_MAX, out, sizeof out), "at most");
  REFUSES(wamp_auth_scram_salted_password("argon2id13", "p", "AAEC", 1, 512, out, sizeof out), "at least 8 bytes");
  REFUSES(wamp_auth_scram_salted_password("pbkdf2", "p", "?", 4096, 512, out, sizeof out), "`salt` must be base64");
  REFUSES(wamp_auth_scram_salted_password("pbkdf2", "sword\a", SALT, 4096, 0, out, sizeof out), "SASLprep");
  REFUSES(wamp_auth_scram_salted_password(NULL, "p", SALT, 4096, 512, out, sizeof out), "`kdf` is NULL");
  REFUSES(wamp_auth_scram_salted_password("pbkdf2", NULL, SALT, 4096, 512, out, sizeof out), "`password` is NULL");
  REFUSES(wamp_auth_scram_salted_password("pbkdf2", "p", NULL, 4096, 512, out, sizeof out), "`salt` is NULL");
  REFUSES(wamp_auth_scram_client_proof("?", "n=", out, sizeof out), "`salted_password` must be base64");
  REFUSES(wamp_auth_scram_client_proof(SALT, NULL, out, sizeof out), "`auth_message` is NULL");
  REFUSES(wamp_auth_scram_server_signature(NULL, "n=", out, sizeof out), "`salted_password` is NULL");
}

/* A result is written whole or not at all, and nothing beyond the buffer is touched. */
static void sizes(void) {
  const size_t length = 44;
  size_t size;
  CHECK(GOOD(wamp_auth_cra_sign("secret", "x", NULL, 0)) == (int64_t)length);
  for (size = 1; size <= length + 1; size++) {
    memset(out, '?', sizeof out);
    CHECK(GOOD(wamp_auth_cra_sign("secret", "x", out, size)) == (int64_t)length);
    CHECK(strlen(out) == (size > length ? length : 0));
    CHECK(out[size] == '?' && (size > length || out[1] == '?'));
  }
  REFUSES(wamp_auth_cra_sign("secret", "x", NULL, 1), "buffer is NULL");
}

int main(int argc, char **argv) {
  scenario_begin_alone(argc, argv, "local_auth");
  cra();
  cryptosign();
  scram();
  sizes();
  return scenario_end();
}
