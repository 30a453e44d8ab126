/* Containers for graphs and for traversals of them. Takes pointers and ids, returns them; knows nothing of what they
   mean. */
#include "storage.h"

#include <stdlib.h>
#include <string.h>

uint64_t hash_mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
  return hash ^ hash >> 29;
}

uint64_t hash_number(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

void *table_find(const Table *table, uint64_t hash, bool (*equal)(const void *item, const void *key), const void *key) {
  if (table->capacity == 0) return NULL;
  for (size_t at = hash & (table->capacity - 1); table->items[at] != NULL; at = (at + 1) & (table->capacity - 1))
    if (table->hashes[at] == hash && equal(table->items[at], key)) return table->items[at];
  return NULL;
}

static void table_place(Table *table, uint64_t hash, void *item) {
  size_t at = hash & (table->capacity - 1);
  while (table->items[at] != NULL) at = (at + 1) & (table->capacity - 1);
  table->hashes[at] = hash;
  table->items[at] = item;
}

void table_add(Session *session, Table *table, uint64_t hash, void *item) {
  if (2 * (table->count + 1) > table->capacity) {
    Table old = *table;
    table->capacity = old.capacity == 0 ? 256 : 2 * old.capacity;
    table->hashes = session_allocate(session, table->capacity * sizeof *table->hashes);
    table->items = session_allocate(session, table->capacity * sizeof *table->items);
    for (size_t at = 0; at < old.capacity; at++)
      if (old.items[at] != NULL) table_place(table, old.hashes[at], old.items[at]);
  }
  table->count++;
  table_place(table, hash, item);
}

/* A traversal that runs out of memory cannot go on, and has nothing to give back. */
static void *checked(void *memory) {
  if (memory == NULL) out_of_memory();
  return memory;
}

static size_t memo_slot(const Memo *memo, int id) {
  size_t at = ((size_t)id * 0x9E3779B9u) & (memo->capacity - 1);
  while (memo->values[at] != NULL && memo->keys[at] != id) at = (at + 1) & (memo->capacity - 1);
  return at;
}

const void *memo_get(const Memo *memo, int id) {
  return memo->capacity == 0 ? NULL : memo->values[memo_slot(memo, id)];
}

void memo_put(Memo *memo, int id, const void *value) {
  if (2 * (memo->count + 1) > memo->capacity) {
    Memo old = *memo;
    memo->capacity = old.capacity == 0 ? 32 : 2 * old.capacity;
    memo->keys = checked(calloc(memo->capacity, sizeof *memo->keys));
    memo->values = checked(calloc(memo->capacity, sizeof *memo->values));
    for (size_t at = 0; at < old.capacity; at++) {
      if (old.values[at] == NULL) continue;
      size_t to = memo_slot(memo, old.keys[at]);
      memo->keys[to] = old.keys[at];
      memo->values[to] = old.values[at];
    }
    memo_free(&old);
  }
  size_t at = memo_slot(memo, id);
  memo->count += memo->values[at] == NULL;
  memo->keys[at] = id;
  memo->values[at] = value;
}

void memo_free(Memo *memo) {
  free(memo->keys);
  free(memo->values);
}

Node **nodes_new(int count) { return checked(calloc((size_t)count + 1, sizeof(Node *))); }

void list_add(List *list, const void *item) {
  if (list->count == list->capacity) {
    list->capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
    list->items = checked(realloc(list->items, (size_t)list->capacity * sizeof *list->items));
  }
  list->items[list->count++] = item;
}

void list_free(List *list) { free(list->items); }
