/*
 * WAMP messages as slices, and the frames of WebSocket and RawSocket around them: no more than a
 * floor needs. Heads are scanned by hand; a payload is sliced and never parsed.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include "meter.h"

typedef enum wire_t { JSON, MSGPACK, CBOR } wire_t;
typedef enum transport_t { WS, RS } transport_t;

/* The types of messages. Answers to requests have the next number. */
enum { HELLO = 1, WELCOME, GOODBYE = 6, ERROR = 8, PUBLISH = 16, PUBLISHED };
enum { SUBSCRIBE = 32, SUBSCRIBED, UNSUBSCRIBE, UNSUBSCRIBED, EVENT };
enum { CALL = 48, RESULT = 50, REGISTER = 64, REGISTERED, UNREGISTER, UNREGISTERED };
enum { INVOCATION = 68, YIELD = 70 };

typedef struct slice_t {
  const uint8_t *at;
  size_t size;
} slice_t;

/* The items of a message's list; the longest that is understood has seven. */
#define ITEMS 8

typedef struct message_t {
  int count;
  slice_t items[ITEMS];
} message_t;

static inline wire_t wire_of(const char *name) {
  if (strcmp(name, "json") == 0) return JSON;
  if (strcmp(name, "msgpack") == 0) return MSGPACK;
  if (strcmp(name, "cbor") != 0) fail("unknown serializer");
  return CBOR;
}

static inline slice_t slice_of(const char *text) {
  slice_t slice = {(const uint8_t *)text, strlen(text)};
  return slice;
}

static inline bool slice_is(slice_t slice, const char *text) {
  return slice.size == strlen(text) && memcmp(slice.at, text, slice.size) == 0;
}

static inline uint64_t big_endian(const uint8_t *at, int bytes) {
  uint64_t value = 0;
  while (bytes-- > 0) value = value << 8 | *at++;
  return value;
}

/* ---- taking JSON apart ---- */

/* Where a string ends whose opening quote is just before `at`. */
static inline const uint8_t *json_string_end(const uint8_t *at, const uint8_t *end) {
  const uint8_t *start = at;
  for (;;) {
    const uint8_t *quote = memchr(at, '"', (size_t)(end - at)), *before;
    if (!quote) fail("a string without an end");
    for (before = quote; before > start && before[-1] == '\\';) before--;
    if ((quote - before) % 2 == 0) return quote + 1;
    at = quote + 1;
  }
}

static inline const uint8_t *json_end(const uint8_t *at, const uint8_t *end) {
  int depth = 0;
  while (at < end) {
    switch (*at++) {
      case '"':
        at = json_string_end(at, end);
        if (depth == 0) return at;
        break;
      case '[':
      case '{':
        depth++;
        break;
      case ']':
      case '}':
        if (depth == 0) return at - 1;
        if (--depth == 0) return at;
        break;
      case ',':
        if (depth == 0) return at - 1;
        break;
      default:
        break;
    }
  }
  return at;
}

static inline void json_split(slice_t bytes, message_t *message) {
  const uint8_t *at = bytes.at, *end = at + bytes.size;
  message->count = 0;
  while (at < end && *at != '[') at++;
  for (at++; at < end; ) {
    slice_t *item = &message->items[message->count];
    while (at < end && (*at == ',' || *at == ' ' || *at == '\n')) at++;
    if (at >= end || *at == ']' || message->count == ITEMS) return;
    item->at = at;
    at = json_end(at, end);
    item->size = (size_t)(at - item->at);
    message->count++;
  }
}

/* ---- taking MsgPack and CBOR apart ---- */

/* A head of either: what follows it, and how many values or bytes it announces. */
typedef struct head_t {
  size_t head;   /* its own bytes */
  size_t bytes;  /* that follow */
  size_t values; /* that follow */
  uint64_t number;
} head_t;

static inline head_t head_of(size_t head, size_t bytes, size_t values, uint64_t number) {
  head_t made = {head, bytes, values, number};
  return made;
}

static inline head_t msgpack_head(const uint8_t *at) {
  static const uint8_t fixed[] = {4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17};
  uint8_t first = *at;
  if (first < 0x80 || first >= 0xe0) return head_of(1, 0, 0, first);
  if (first < 0x90) return head_of(1, 0, 2 * (size_t)(first & 15), 0);
  if (first < 0xa0) return head_of(1, 0, first & 15, first & 15);
  if (first < 0xc0) return head_of(1, first & 31, 0, 0);
  if (first < 0xc4) return head_of(1, 0, 0, 0);
  if (first < 0xca) { /* bin and ext of 8, 16 and 32 bits */
    int width = 1 << ((first - 0xc4) % 3);
    size_t type = first >= 0xc7;
    return head_of(1 + (size_t)width, big_endian(at + 1, width) + type, 0, 0);
  }
  if (first < 0xd9) {
    size_t bytes = fixed[first - 0xca];
    bool is_number = first >= 0xcc && first < 0xd4;
    return head_of(1, bytes, 0, is_number ? big_endian(at + 1, (int)bytes) : 0);
  }
  if (first < 0xdc) {
    int width = 1 << (first - 0xd9);
    return head_of(1 + (size_t)width, big_endian(at + 1, width), 0, 0);
  }
  {
    int width = first & 1 ? 4 : 2;
    uint64_t count = big_endian(at + 1, width);
    return head_of(1 + (size_t)width, 0, first < 0xde ? count : 2 * count, count);
  }
}

static inline head_t cbor_head(const uint8_t *at) {
  int major = *at >> 5, low = *at & 31, width = low < 24 ? 0 : 1 << (low - 24);
  uint64_t number = low < 24 ? (uint64_t)low : 0;
  size_t head = 1 + (size_t)width;
  if (low > 27) fail("CBOR without lengths is not understood");
  if (width) number = big_endian(at + 1, width);
  if (major == 2 || major == 3) return head_of(head, number, 0, number);
  if (major == 4) return head_of(head, 0, number, number);
  if (major == 5) return head_of(head, 0, 2 * number, number);
  if (major == 6) return head_of(head, 0, 1, number);
  return head_of(head, 0, 0, number);
}

static inline head_t binary_head(wire_t wire, const uint8_t *at) {
  return wire == MSGPACK ? msgpack_head(at) : cbor_head(at);
}

static inline const uint8_t *binary_end(wire_t wire, const uint8_t *at, const uint8_t *end) {
  size_t left = 1;
  while (left > 0) {
    head_t head = binary_head(wire, at);
    at += head.head + head.bytes;
    left += head.values - 1;
    if (at > end) fail("a message is cut off");
  }
  return at;
}

static inline void binary_split(wire_t wire, slice_t bytes, message_t *message) {
  head_t list = binary_head(wire, bytes.at);
  const uint8_t *at = bytes.at + list.head, *end = bytes.at + bytes.size;
  if (list.values > ITEMS) fail("a message with too many items");
  for (message->count = 0; message->count < (int)list.values; message->count++) {
    slice_t *item = &message->items[message->count];
    item->at = at;
    at = binary_end(wire, at, end);
    item->size = (size_t)(at - item->at);
  }
}

/* ---- items ---- */

static inline void split(wire_t wire, slice_t bytes, message_t *message) {
  if (wire == JSON) json_split(bytes, message);
  else binary_split(wire, bytes, message);
}

static inline uint64_t item_number(wire_t wire, slice_t item) {
  uint64_t value = 0;
  size_t i;
  if (wire != JSON) return binary_head(wire, item.at).number;
  for (i = 0; i < item.size && item.at[i] >= '0' && item.at[i] <= '9'; i++)
    value = value * 10 + (item.at[i] - '0');
  return value;
}

static inline slice_t item_text(wire_t wire, slice_t item) {
  slice_t text = {item.at + 1, item.size - 2};
  if (wire != JSON) {
    head_t head = binary_head(wire, item.at);
    text.at = item.at + head.head;
    text.size = head.bytes;
  }
  return text;
}

static inline bool utf8_rest(const uint8_t *at, const uint8_t *end) {
  while (at < end) {
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    uint32_t code = *at++;
    int more = code < 0x80 ? 0 : code < 0xc2 ? -1 : code < 0xe0 ? 1 : code < 0xf0 ? 2 : 3, i;
    if (more < 0 || code > 0xf4 || end - at < more) return false;
    if (more) code &= 0x3fu >> more;
    for (i = 0; i < more; i++) {
      if ((*at & 0xc0) != 0x80) return false;
      code = code << 6 | (*at++ & 0x3f);
    }
    if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
  }
  return true;
}

static inline bool is_utf8(slice_t text) {
  const uint8_t *at = text.at, *end = at + text.size;
  for (; end - at >= 32; at += 32) {
    uint64_t words[4];
    memcpy(words, at, sizeof words);
    if ((words[0] | words[1] | words[2] | words[3]) & 0x8080808080808080u) break;
  }
  return utf8_rest(at, end);
}

/* Reads what a program would read of a list with one string: the string, which must be UTF-8. */
static inline size_t payload_size(wire_t wire, slice_t args) {
  slice_t item = {args.at + 1, args.size - (wire == JSON ? 2 : 1)}, text;
  text = item_text(wire, item);
  if (!is_utf8(text)) fail("a payload is not UTF-8");
  return text.size;
}

#endif
