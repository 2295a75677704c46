/* What the forwarding router looks up: who serves a URI, and which call an answer belongs to. */
#ifndef BENCH_DIRECTORY_H
#define BENCH_DIRECTORY_H

#include "wire.h"

/* ---- URIs ---- */

typedef struct place_t {
  slice_t uri; /* its own copy; no bytes: free */
  uint64_t id;
  int *clients; /* file descriptors of who serves it */
  int count, room;
} place_t;

typedef struct directory_t {
  place_t *places;
  size_t room; /* a power of two */
  size_t used;
} directory_t;

static inline size_t hash_of(slice_t uri) {
  uint64_t hash = 0xcbf29ce484222325u;
  size_t i;
  for (i = 0; i < uri.size; i++) hash = (hash ^ uri.at[i]) * 0x100000001b3u;
  return (size_t)(hash ^ hash >> 32);
}

/* The place of a URI, or the free one where it would be. */
static inline place_t *directory_slot(const directory_t *directory, slice_t uri) {
  size_t i = hash_of(uri);
  for (;; i++) {
    place_t *place = &directory->places[i & (directory->room - 1)];
    if (!place->uri.at) return place;
    if (place->uri.size == uri.size && memcmp(place->uri.at, uri.at, uri.size) == 0) return place;
  }
}

static inline place_t *directory_find(const directory_t *directory, slice_t uri) {
  place_t *place = directory->room ? directory_slot(directory, uri) : NULL;
  return place && place->count > 0 ? place : NULL;
}

static inline void directory_grow(directory_t *directory) {
  directory_t larger = {NULL, directory->room ? 2 * directory->room : 64, directory->used};
  size_t i;
  larger.places = calloc(larger.room, sizeof *larger.places);
  if (!larger.places) fail("out of memory");
  for (i = 0; i < directory->room; i++)
    if (directory->places[i].uri.at)
      *directory_slot(&larger, directory->places[i].uri) = directory->places[i];
  free(directory->places);
  *directory = larger;
}

/* Adds one who serves a URI; gives the place, which has the id `id` if it is new. */
static inline place_t *directory_add(directory_t *directory, slice_t uri, uint64_t id, int client) {
  place_t *place;
  if (2 * directory->used >= directory->room) directory_grow(directory);
  place = directory_slot(directory, uri);
  if (!place->uri.at) {
    uint8_t *copy = malloc(uri.size + 1);
    if (!copy) fail("out of memory");
    memcpy(copy, uri.at, uri.size);
    place->uri.at = copy;
    place->uri.size = uri.size;
    place->id = id;
    directory->used++;
  }
  if (place->count == place->room) {
    place->room = place->room ? 2 * place->room : 1;
    place->clients = realloc(place->clients, (size_t)place->room * sizeof *place->clients);
    if (!place->clients) fail("out of memory");
  }
  place->clients[place->count++] = client;
  return place;
}

static inline void directory_forget(directory_t *directory, int client) {
  size_t i;
  int from, to;
  for (i = 0; i < directory->room; i++) {
    place_t *place = &directory->places[i];
    for (from = to = 0; from < place->count; from++)
      if (place->clients[from] != client) place->clients[to++] = place->clients[from];
    place->count = to;
  }
}

/* ---- calls ---- */

/* A call that a callee has not answered. */
typedef struct open_call_t {
  uint64_t invocation; /* 0: free */
  uint64_t request;
  uint64_t serial; /* of the caller's connection, as file descriptors are used again */
  int caller;
} open_call_t;

/* A ring, because most calls are answered in order. */
typedef struct open_calls_t {
  open_call_t *calls;
  size_t room; /* a power of two */
  uint64_t last;
} open_calls_t;

static inline void open_calls_grow(open_calls_t *open) {
  open_calls_t larger = {NULL, open->room ? 2 * open->room : 64, open->last};
  size_t i;
  larger.calls = calloc(larger.room, sizeof *larger.calls);
  if (!larger.calls) fail("out of memory");
  for (i = 0; i < open->room; i++)
    larger.calls[open->calls[i].invocation & (larger.room - 1)] = open->calls[i];
  free(open->calls);
  *open = larger;
}

/* Numbers the call, and gives its invocation's id. */
static inline uint64_t open_calls_add(open_calls_t *open, open_call_t call) {
  call.invocation = ++open->last;
  while (!open->room || open->calls[call.invocation & (open->room - 1)].invocation)
    open_calls_grow(open);
  open->calls[call.invocation & (open->room - 1)] = call;
  return call.invocation;
}

static inline bool open_calls_take(open_calls_t *open, uint64_t invocation, open_call_t *call) {
  open_call_t *found = open->room ? &open->calls[invocation & (open->room - 1)] : NULL;
  if (!found || invocation == 0 || found->invocation != invocation) return false;
  *call = *found;
  found->invocation = 0;
  return true;
}

#endif
