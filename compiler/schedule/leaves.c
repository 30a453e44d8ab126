/* What an expression reads, and how the addresses move with the variables. Takes expressions; returns lists in a fixed
   order. Never builds anything. */
#include "lower.h"

#include <stdlib.h>
#include <string.h>

typedef struct Walk {
  Session *session;
  Leaves leaves;
  size_t count, slots;
  const Scalar **seen;
} Walk; /* seen: open addressing by id */

static void remember(Walk *walk, const Scalar *scalar) {
  size_t slot = (size_t)scalar->id * 0x9E3779B1u & (walk->slots - 1);
  while (walk->seen[slot] != NULL) slot = (slot + 1) & (walk->slots - 1);
  walk->seen[slot] = scalar;
}

static void grow_seen(Walk *walk) {
  const Scalar **old = walk->seen;
  size_t slots = walk->slots;
  walk->slots = slots == 0 ? 64 : 2 * slots;
  walk->seen = calloc(walk->slots, sizeof *walk->seen);
  if (walk->seen == NULL) out_of_memory();
  for (size_t s = 0; s < slots; s++)
    if (old[s] != NULL) remember(walk, old[s]);
  free((void *)old);
}

static bool first_visit(Walk *walk, const Scalar *scalar) {
  if (2 * walk->count >= walk->slots) grow_seen(walk);
  for (size_t slot = (size_t)scalar->id * 0x9E3779B1u & (walk->slots - 1); walk->seen[slot] != NULL;
       slot = (slot + 1) & (walk->slots - 1))
    if (walk->seen[slot] == scalar) return false;
  remember(walk, scalar);
  walk->count++;
  return true;
}

static void add_leaf(Walk *walk, const Scalar *leaf) {
  Leaves *leaves = &walk->leaves;
  if (leaves->count == leaves->capacity) {
    int capacity = leaves->capacity == 0 ? 8 : 2 * leaves->capacity;
    const Scalar **items = session_allocate(walk->session, (size_t)capacity * sizeof *items);
    if (leaves->count > 0) memcpy(items, leaves->items, (size_t)leaves->count * sizeof *items);
    leaves->items = items, leaves->capacity = capacity;
  }
  leaves->items[leaves->count++] = leaf;
}

static void collect(Walk *walk, const Scalar *scalar) {
  if (!first_visit(walk, scalar)) return;
  if (scalar->op == OP_INDEX) add_leaf(walk, scalar);
  if (scalar->op == OP_READ || scalar->op == OP_WITHIN) {
    add_leaf(walk, scalar);
    for (int d = 0; d < scalar->access->rank; d++)
      if (scalar->access->coordinates[d].computed != NULL) collect(walk, scalar->access->coordinates[d].computed);
  }
  for (int a = 0; a < operation_arity(scalar->op); a++) collect(walk, scalar->argument[a]);
}

Leaves leaves_of(Session *session, const Scalar *scalar) {
  Walk walk = {.session = session};
  collect(&walk, scalar);
  free((void *)walk.seen);
  return walk.leaves;
}

static int64_t coordinate_step(const Coordinate *coordinate, int variable) {
  for (int t = 0; t < coordinate->term_count; t++)
    if (coordinate->terms[t].variable == variable) return coordinate->terms[t].coefficient;
  return 0;
}

bool leaf_stride(Builder *builder, const Scalar *leaf, const int64_t *box, int variable, int64_t *stride) {
  *stride = 0;
  if ((leaf->variables >> variable & 1) == 0) return true;
  if (leaf->op != OP_READ) return false;
  View view = builder_view(builder, leaf->node);
  int64_t element[RANK_LIMIT];
  const int64_t *step = view.stride;
  if (view.value == NULL) { /* a draw: its element number moves like an address, its sample like nothing else */
    layout_elements(leaf->node->rank, leaf->node->shape, element);
    step = element;
  }
  for (int d = 0; d < leaf->access->rank; d++) {
    const Coordinate *coordinate = &leaf->access->coordinates[d];
    int64_t low, high, moved = coordinate_step(coordinate, variable);
    if (coordinate->computed != NULL && (coordinate->computed->variables >> variable & 1) != 0) return false;
    if (moved == 0) continue;
    if (!coordinate_range(coordinate, box, &low, &high) || low < 0 || high >= leaf->node->shape[d]) return false;
    if (view.value == NULL && leaf->node->batch && d == 0) return false;
    *stride += moved * step[d];
  }
  return true;
}
