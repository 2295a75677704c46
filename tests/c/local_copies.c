/*
 * Two copies of the library in one process, as two plugins may bring them: a handle of the one is none of the other, and
 * each works.
 */
#define _GNU_SOURCE /* dladdr() */
#include "scenario.h"

#include <dlfcn.h>
#include <unistd.h>

typedef wamp_builder_t *new_t(uint32_t encoding);
typedef int int_t(wamp_builder_t *builder, int64_t value);
typedef int free_t(wamp_builder_t *builder);

/* A copy of the file at `from`. */
static void copy(const char *from, const char *to) {
  static char bytes[1 << 16];
  FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
  size_t size;
  CHECK(in != NULL && out != NULL);
  while ((size = fread(bytes, 1, sizeof bytes, in)) > 0) CHECK(fwrite(bytes, 1, size, out) == size);
  CHECK(fclose(in) == 0 && fclose(out) == 0);
}

static void *symbol(void *library, const char *name) {
  void *found = dlsym(library, name);
  CHECK(found != NULL);
  return found;
}

int main(int argc, char **argv) {
  char path[] = "/tmp/wamp-copy-XXXXXX";
  wamp_builder_t *ours[100], *theirs[100];
  new_t *copy_new;
  int_t *copy_int;
  free_t *copy_free;
  void *library;
  Dl_info where;
  int fd = mkstemp(path);
  size_t i, j;
  scenario_begin_alone(argc, argv, "local_copies");
  CHECK(fd >= 0 && close(fd) == 0);
  CHECK(dladdr((const void *)(uintptr_t)wamp_version, &where) != 0);
  copy(where.dli_fname, path);
  library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  CHECK(library != NULL);
  CHECK(unlink(path) == 0);
  *(void **)&copy_new = symbol(library, "wamp_builder_new");
  *(void **)&copy_int = symbol(library, "wamp_builder_int");
  *(void **)&copy_free = symbol(library, "wamp_builder_free");
  CHECK((void *)(uintptr_t)copy_new != (void *)(uintptr_t)wamp_builder_new);
  for (i = 0; i < 100; i++) {
    ours[i] = wamp_builder_new(WAMP_JSON);
    theirs[i] = copy_new(WAMP_JSON);
    CHECK(ours[i] != NULL && theirs[i] != NULL);
  }
  for (i = 0; i < 100; i++) {
    for (j = 0; j < 100; j++) CHECK(ours[i] != theirs[j]);
    FAILS(wamp_builder_int(theirs[i], 1), WAMP_ERR_HANDLE);
    FAILS(copy_int(ours[i], 1), WAMP_ERR_HANDLE);
    GOOD(wamp_builder_int(ours[i], 1));
    GOOD(copy_int(theirs[i], 1));
  }
  for (i = 0; i < 100; i++) {
    GOOD(wamp_builder_free(ours[i]));
    GOOD(copy_free(theirs[i]));
  }
  return scenario_end();
}
