/* A map from pointers to pointers, for lookups that would otherwise go through a list. Takes keys by identity (names
   are interned: equal ones are one pointer); returns what was put there last. Lives in the session, never shrinks, and
   has no order: nobody walks through it. */
#include "lang.h"

enum { FIRST_CAPACITY = 8 };

/* The slot that holds the key, or the empty one where it belongs. */
static MapEntry *map_slot(const Map *map, const void *key) {
  uint64_t hash = (uint64_t)(uintptr_t)key * 0x9E3779B97F4A7C15u;
  size_t at = (hash ^ hash >> 32) & (map->capacity - 1);
  while (map->entries[at].key != NULL && map->entries[at].key != key) at = (at + 1) & (map->capacity - 1);
  return &map->entries[at];
}

void *map_get(const Map *map, const void *key) { return map->capacity == 0 ? NULL : map_slot(map, key)->value; }

void map_put(Session *session, Map *map, const void *key, void *value) {
  if (2 * (map->count + 1) > map->capacity) {
    Map old = *map;
    map->capacity = old.capacity == 0 ? FIRST_CAPACITY : 2 * old.capacity;
    map->entries = session_allocate(session, map->capacity * sizeof *map->entries);
    for (size_t at = 0; at < old.capacity; at++)
      if (old.entries[at].key != NULL) *map_slot(map, old.entries[at].key) = old.entries[at];
  }
  MapEntry *entry = map_slot(map, key);
  map->count += entry->key == NULL;
  *entry = (MapEntry){key, value};
}

bool map_add(Session *session, Map *map, const void *key) {
  if (map_get(map, key) != NULL) return false;
  map_put(session, map, key, (void *)(uintptr_t)key);
  return true;
}

int map_number(const Map *map, const void *key) { return (int)(intptr_t)map_get(map, key); }

void map_put_number(Session *session, Map *map, const void *key, int number) {
  map_put(session, map, key, (void *)(intptr_t)number);
}
