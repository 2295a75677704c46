/* What a WebSocket server answers to a client's key: SHA-1 and base64. */
#ifndef BENCH_HANDSHAKE_H
#define BENCH_HANDSHAKE_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static inline uint32_t rotate(uint32_t word, int by) { return word << by | word >> (32 - by); }

static inline void sha1_block(uint32_t state[5], const uint8_t block[64]) {
  uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], next;
  int i;
  for (i = 0; i < 16; i++)
    w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
           (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
  for (; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  for (i = 0; i < 80; i++) {
    uint32_t mix = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                   : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                   : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                            : (b ^ c ^ d) + 0xca62c1d6;
    next = rotate(a, 5) + mix + e + w[i];
    e = d;
    d = c;
    c = rotate(b, 30);
    b = a;
    a = next;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
}

/* The hash of a short text: less than two blocks. */
static inline void sha1(const char *text, uint8_t hash[20]) {
  uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  uint8_t blocks[128] = {0};
  size_t size = strlen(text), whole = size < 56 ? 64 : 128;
  int i;
  memcpy(blocks, text, size);
  blocks[size] = 0x80;
  blocks[whole - 2] = (uint8_t)(size >> 5);
  blocks[whole - 1] = (uint8_t)(size << 3);
  sha1_block(state, blocks);
  if (whole == 128) sha1_block(state, blocks + 64);
  for (i = 0; i < 20; i++) hash[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

/* Sec-WebSocket-Accept, 28 characters, for a key of 24. */
static inline void accept_of(const char *key, char accept[29]) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  uint8_t hash[21] = {0};
  char text[100];
  int i;
  snprintf(text, sizeof text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
  sha1(text, hash);
  for (i = 0; i < 7; i++) {
    uint32_t three = (uint32_t)hash[3 * i] << 16 | (uint32_t)hash[3 * i + 1] << 8 | hash[3 * i + 2];
    accept[4 * i] = digits[three >> 18];
    accept[4 * i + 1] = digits[three >> 12 & 63];
    accept[4 * i + 2] = digits[three >> 6 & 63];
    accept[4 * i + 3] = digits[three & 63];
  }
  accept[27] = '=';
  accept[28] = 0;
}

#endif
