/*
 * The floor: what any client has to do for a message, by hand and no more.
 *
 * A message that comes in is searched for what is not ASCII; its head is read number by number; the end of its payload
 * is searched, and has to be the end of the message; who waits for it is looked up and called. A message that goes out
 * is a head and a copy of the payload. There are no threads, locks, handles, limits, options or errors, and no
 * code for what the test does not send: what the library takes beyond the floor is the price of all that, and slowness.
 */
#ifndef FLOOR_H
#define FLOOR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define FLOOR_HEAD 4 /* the bytes before each message: its size, as RawSocket has it */
#define FLOOR_WAITING 1024

typedef struct floor_message_t {
  uint64_t type;
  uint64_t ids[2]; /* a result has one: of its request */
  const char *args;
  size_t args_size;
} floor_message_t;

typedef void (*floor_handler_t)(const floor_message_t *message);

/* The handlers of requests, of the subscription and of the registration, by the lower bits of their ids. */
static floor_handler_t floor_waiting[FLOOR_WAITING];

/* What has been written and not yet sent. */
static struct floor_outbox_t {
  char bytes[1 << 20];
  size_t size;
} floor_outbox;

/* ---- what comes in ---- */

/* Whether no byte is part of a longer character. The test's frames are ASCII: others need a closer look. */
static bool floor_is_ascii(const char *text, size_t size) {
  size_t at = 0;
#ifdef __SSE2__
  for (; at + 64 <= size; at += 64) {
    const __m128i *block = (const __m128i *)(const void *)(text + at);
    __m128i low = _mm_or_si128(_mm_loadu_si128(block), _mm_loadu_si128(block + 1));
    __m128i high = _mm_or_si128(_mm_loadu_si128(block + 2), _mm_loadu_si128(block + 3));
    if (_mm_movemask_epi8(_mm_or_si128(low, high))) return false;
  }
#endif
  for (; at + 8 <= size; at += 8) {
    uint64_t word;
    memcpy(&word, text + at, 8);
    if (word & 0x8080808080808080u) return false;
  }
  for (; at < size; at++)
    if ((unsigned char)text[at] > 127) return false;
  return true;
}

/* Reads a number and the comma behind it; NULL if there is none. What ends a message ends a number, too. */
static const char *floor_number(const char *at, uint64_t *number) {
  const char *begin = at;
  uint64_t read = 0;
  unsigned digit;
  for (; (digit = (unsigned)(unsigned char)*at - '0') <= 9; at++) read = read * 10 + digit;
  *number = read;
  return at > begin && *at == ',' ? at + 1 : NULL;
}

/* Reads EVENT, RESULT or INVOCATION with one string as its payload: [TYPE,ID,ID,{},["..."]]. */
static bool floor_read(const char *text, size_t size, floor_message_t *message) {
  const char *at = text + 1, *end = text + size, *quote;
  int i, ids;
  if (size < 2 || *text != '[' || end[-1] != ']' || !floor_is_ascii(text, size)) return false;
  if (!(at = floor_number(at, &message->type))) return false;
  ids = message->type == 50 ? 1 : 2;
  for (i = 0; i < ids; i++)
    if (!(at = floor_number(at, &message->ids[i]))) return false;
  if (end - at < 9 || memcmp(at, "{},[\"", 5) != 0) return false;
  message->args = at + 3;
  quote = memchr(at + 5, '"', (size_t)(end - at) - 5);
  if (!quote || quote[-1] == '\\' || end - quote != 3 || memcmp(quote, "\"]]", 3) != 0) return false;
  message->args_size = (size_t)(end - 1 - message->args);
  return true;
}

/* Gives each message of a block, as it comes from a socket, to its handler. */
static void floor_receive(const char *block, size_t size) {
  const char *at = block, *end = block + size;
  while (end - at > FLOOR_HEAD) {
    const unsigned char *head = (const unsigned char *)at;
    size_t length = (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    floor_message_t message;
    floor_handler_t handler;
    at += FLOOR_HEAD;
    if ((size_t)(end - at) < length || !floor_read(at, length, &message)) abort();
    /* An event is for a subscription, an invocation for a registration, and a result for a request. */
    handler = floor_waiting[message.ids[message.type == 68] % FLOOR_WAITING];
    if (!handler) abort();
    handler(&message);
    at += length;
  }
}

/* Reads the one string of a payload into `text`, with a NUL behind it; its length. */
static size_t floor_string(const floor_message_t *message, char *text) {
  const char *begin = message->args + 2, *end = message->args + message->args_size, *quote;
  size_t size;
  quote = memchr(begin, '"', (size_t)(end - begin));
  if (!quote || end - quote != 2) abort();
  size = (size_t)(quote - begin);
  if (memchr(begin, '\\', size)) abort(); /* an escape needs a closer look */
  memcpy(text, begin, size);
  text[size] = 0;
  return size;
}

/* ---- what goes out ---- */

static char *floor_put(char *to, const char *text, size_t size) {
  memcpy(to, text, size);
  return to + size;
}

static char *floor_put_number(char *to, uint64_t number) {
  char digits[20];
  size_t at = sizeof digits;
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number);
  return floor_put(to, digits + at, sizeof digits - at);
}

/* Writes CALL, PUBLISH or YIELD: [TYPE,ID,{},"URI",ARGS], and YIELD without a URI. */
static void floor_write(const char *type, uint64_t id, const char *uri, const char *args, size_t args_size) {
  char *message = floor_outbox.bytes + floor_outbox.size + FLOOR_HEAD, *to = message;
  size_t uri_size = uri ? strlen(uri) : 0, size;
  if (floor_outbox.size + args_size + uri_size + 64 > sizeof floor_outbox.bytes) abort();
  to = floor_put(to, type, 4); /* "[48," */
  to = floor_put_number(to, id);
  to = floor_put(to, ",{},", 4);
  if (uri) {
    *to++ = '"';
    to = floor_put(to, uri, uri_size);
    to = floor_put(to, "\",", 2);
  }
  to = floor_put(to, args, args_size);
  *to++ = ']';
  size = (size_t)(to - message);
  message[-4] = 0;
  message[-3] = (char)(size >> 16);
  message[-2] = (char)(size >> 8);
  message[-1] = (char)size;
  floor_outbox.size += FLOOR_HEAD + size;
}

#endif
