/* Frames of WebSocket and RawSocket: taking them off what was read, and writing messages. */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include "wire.h"

/* ---- bytes that wait to be written ---- */

typedef struct buffer_t {
  uint8_t *bytes;
  size_t begin, end, room;
} buffer_t;

static inline void buffer_reserve(buffer_t *buffer, size_t more) {
  if (buffer->begin == buffer->end) buffer->begin = buffer->end = 0;
  if (buffer->room - buffer->end >= more) return;
  while (buffer->room - buffer->end < more) buffer->room = buffer->room ? 2 * buffer->room : 512;
  buffer->bytes = realloc(buffer->bytes, buffer->room);
  if (!buffer->bytes) fail("out of memory");
}

static inline size_t buffer_size(const buffer_t *buffer) { return buffer->end - buffer->begin; }

static inline void buffer_put(buffer_t *buffer, const void *bytes, size_t size) {
  buffer_reserve(buffer, size);
  memcpy(buffer->bytes + buffer->end, bytes, size);
  buffer->end += size;
}

/* ---- masks ---- */

typedef uint8_t block_t __attribute__((vector_size(16)));

static inline void mask_bytes(uint8_t *at, size_t size, const uint8_t mask[4]) {
  block_t block, masks;
  size_t i;
  for (i = 0; i < sizeof masks; i++) masks[i] = mask[i & 3];
  for (i = 0; i + sizeof block <= size; i += sizeof block) {
    memcpy(&block, at + i, sizeof block);
    block ^= masks;
    memcpy(at + i, &block, sizeof block);
  }
  for (; i < size; i++) at[i] ^= mask[i & 3];
}

/* Unpredictable enough for a loopback. */
static inline uint32_t mask_next(void) {
  static uint32_t state = 0x9e3779b9;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

/* ---- taking frames off ---- */

typedef enum kind_t { MESSAGE, PING, PONG, CLOSE } kind_t;

typedef struct frame_t {
  kind_t kind;
  uint8_t *body;
  size_t size;
  size_t whole; /* with its head */
} frame_t;

static inline bool rawsocket_frame(uint8_t *at, size_t size, frame_t *frame) {
  static const kind_t kinds[] = {MESSAGE, PING, PONG};
  if (size < 4) return false;
  if (at[0] > 2) fail("an unknown frame of RawSocket");
  frame->kind = kinds[at[0]];
  frame->size = big_endian(at + 1, 3);
  frame->body = at + 4;
  frame->whole = 4 + frame->size;
  return frame->whole <= size;
}

static inline bool websocket_frame(uint8_t *at, size_t size, frame_t *frame) {
  size_t head = 2, length;
  bool is_masked;
  if (size < 2) return false;
  is_masked = at[1] >> 7;
  length = at[1] & 127;
  head += length == 126 ? 2 : length == 127 ? 8 : 0;
  if (size < head + 4 * is_masked) return false;
  if (head > 2) length = big_endian(at + 2, (int)head - 2);
  frame->body = at + head + 4 * is_masked;
  frame->size = length;
  frame->whole = head + 4 * is_masked + length;
  if (frame->whole > size) return false;
  switch (at[0]) {
    case 0x81:
    case 0x82:
      frame->kind = MESSAGE;
      break;
    case 0x88:
      frame->kind = CLOSE;
      break;
    case 0x89:
      frame->kind = PING;
      break;
    case 0x8a:
      frame->kind = PONG;
      break;
    default:
      fail("a frame of WebSocket that is compressed or in pieces");
  }
  if (is_masked) mask_bytes(frame->body, length, frame->body - 4);
  return true;
}

/* The first whole frame of what was read; unmasked in place. */
static inline bool next_frame(transport_t transport, uint8_t *at, size_t size, frame_t *frame) {
  return transport == WS ? websocket_frame(at, size, frame) : rawsocket_frame(at, size, frame);
}

/* ---- writing messages ---- */

typedef struct writer_t {
  buffer_t *to;
  wire_t wire;
  transport_t transport;
  bool is_client; /* so that its frames are masked */
  bool comma;     /* JSON: something stands before the next value */
  size_t head, body;
} writer_t;

/* What a frame's head takes. */
static inline size_t head_size(const writer_t *writer, size_t size) {
  if (writer->transport == RS) return 4;
  return (size < 126 ? 2 : size < 65536 ? 4 : 10) + (writer->is_client ? 4 : 0);
}

static inline void put_byte(writer_t *writer, uint8_t byte) {
  writer->to->bytes[writer->to->end++] = byte;
}

static inline void put_big_endian(writer_t *writer, uint64_t value, int bytes) {
  while (bytes-- > 0) put_byte(writer, (uint8_t)(value >> 8 * bytes));
}

static inline void put_plain(writer_t *writer, const void *bytes, size_t size) {
  memcpy(writer->to->bytes + writer->to->end, bytes, size);
  writer->to->end += size;
}

static inline void put_comma(writer_t *writer) {
  if (writer->wire != JSON) return;
  if (writer->comma) put_byte(writer, ',');
  writer->comma = true;
}

/* A head of MsgPack or CBOR for few values or bytes: kinds are CBOR's major types. */
static inline void put_head(writer_t *writer, int major, uint64_t number) {
  static const uint8_t small[] = {0, 0, 0, 0xa0, 0x90, 0x80};
  static const uint8_t wide[] = {0xcc, 0, 0xc4, 0xd9, 0xdb, 0xdd};
  bool is_msgpack = writer->wire == MSGPACK;
  uint64_t inside = !is_msgpack ? 24 : major == 0 ? 128 : major == 3 ? 32 : 16;
  int width = number <= 0xff ? 0 : number <= 0xffff ? 1 : number <= 0xffffffff ? 2 : 3;
  if (number < inside) {
    put_byte(writer, (uint8_t)((is_msgpack ? small[major] : major << 5) | (int)number));
    return;
  }
  if (is_msgpack && major > 3 && width == 0) width = 1; /* there are no lists of 8 bits */
  put_byte(writer, (uint8_t)((is_msgpack ? wide[major] : major << 5 | 24) + width));
  put_big_endian(writer, number, 1 << width);
}

static inline void put_number(writer_t *writer, uint64_t value) {
  char digits[20];
  int count = 0;
  put_comma(writer);
  if (writer->wire != JSON) {
    put_head(writer, 0, value);
    return;
  }
  do digits[count++] = (char)('0' + value % 10);
  while (value /= 10);
  while (count > 0) put_byte(writer, (uint8_t)digits[--count]);
}

/* A text without anything to escape. */
static inline void put_text(writer_t *writer, slice_t text) {
  put_comma(writer);
  if (writer->wire == JSON) put_byte(writer, '"');
  else put_head(writer, 3, text.size);
  put_plain(writer, text.at, text.size);
  if (writer->wire == JSON) put_byte(writer, '"');
}

static inline void put_item(writer_t *writer, slice_t item) {
  put_comma(writer);
  put_plain(writer, item.at, item.size);
}

static inline void open_list(writer_t *writer, int count) {
  put_comma(writer);
  if (writer->wire == JSON) put_byte(writer, '[');
  else put_head(writer, 4, (uint64_t)count);
  writer->comma = false;
}

static inline void open_dict(writer_t *writer, int count) {
  put_comma(writer);
  if (writer->wire == JSON) put_byte(writer, '{');
  else put_head(writer, 5, (uint64_t)count);
  writer->comma = false;
}

static inline void put_key(writer_t *writer, const char *key) {
  put_text(writer, slice_of(key));
  if (writer->wire != JSON) return;
  put_byte(writer, ':');
  writer->comma = false;
}

static inline void shut(writer_t *writer, char with) {
  if (writer->wire == JSON) put_byte(writer, (uint8_t)with);
  writer->comma = true;
}

static inline void put_empty(writer_t *writer) {
  open_dict(writer, 0);
  shut(writer, '}');
}

/* Begins a message of so many items, whose payload and URI have `size` bytes together. */
static inline void begin(writer_t *writer, int items, size_t size) {
  buffer_reserve(writer->to, size + 512);
  writer->head = writer->to->end;
  writer->body = writer->head + head_size(writer, size + 32);
  writer->to->end = writer->body;
  writer->comma = false;
  open_list(writer, items);
}

static inline void put_frame_head(writer_t *writer, size_t size, const uint8_t mask[4]) {
  uint8_t masked = writer->is_client ? 0x80 : 0;
  writer->to->end = writer->head;
  if (writer->transport == RS) {
    put_big_endian(writer, size, 4);
    return;
  }
  put_byte(writer, writer->wire == JSON ? 0x81 : 0x82);
  if (size < 126) {
    put_byte(writer, (uint8_t)(masked | size));
  } else {
    put_byte(writer, masked | (size < 65536 ? 126 : 127));
    put_big_endian(writer, size, size < 65536 ? 2 : 8);
  }
  if (masked) put_plain(writer, mask, 4);
}

static inline void finish(writer_t *writer) {
  uint32_t random = writer->transport == WS && writer->is_client ? mask_next() : 0;
  uint8_t mask[4], *bytes = writer->to->bytes;
  size_t size, head;
  shut(writer, ']');
  size = writer->to->end - writer->body;
  head = head_size(writer, size);
  if (writer->body != writer->head + head)
    memmove(bytes + writer->head + head, bytes + writer->body, size);
  memcpy(mask, &random, 4);
  put_frame_head(writer, size, mask);
  if (random) mask_bytes(bytes + writer->head + head, size, mask);
  writer->to->end += size;
}

/* A frame without a message: PONG or CLOSE. */
static inline void put_control(writer_t *writer, kind_t kind, const uint8_t *body, size_t size) {
  static const uint8_t no_mask[4] = {0};
  buffer_reserve(writer->to, size + 16);
  writer->head = writer->to->end;
  put_frame_head(writer, size, no_mask);
  writer->to->bytes[writer->head] = writer->transport == RS ? 2 : kind == CLOSE ? 0x88 : 0x8a;
  put_plain(writer, body, size);
}

#endif
