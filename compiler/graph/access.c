/* Coordinates (affine in the variables of a box, possibly with a computed part) and accesses (a list of them). Takes
   and returns values; accesses are hash-consed in their graph. Never knows which tensor is accessed. */
#include "storage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

Coordinate coordinate_constant(int64_t value) { return (Coordinate){.constant = value}; }

Coordinate coordinate_variable(int variable) { return (Coordinate){.term_count = 1, .terms = {{variable, 1}}}; }

/* Both lists of terms are sorted by variable; so is the merged one. A variable past the limit is a mistake of the
   compiler. */
static void coordinate_add_terms(Coordinate *sum, const Coordinate *a, const Coordinate *b) {
  int i = 0, j = 0;
  sum->term_count = 0;
  while (i < a->term_count || j < b->term_count) {
    Term term;
    if (j == b->term_count || (i < a->term_count && a->terms[i].variable < b->terms[j].variable)) term = a->terms[i++];
    else if (i == a->term_count || b->terms[j].variable < a->terms[i].variable) term = b->terms[j++];
    else {
      term = (Term){a->terms[i].variable, a->terms[i].coefficient + b->terms[j].coefficient};
      i++, j++;
    }
    if (term.coefficient == 0) continue;
    if (sum->term_count == VARIABLE_LIMIT) internal_error(HERE, "a coordinate of more variables than run");
    sum->terms[sum->term_count++] = term;
  }
}

Coordinate coordinate_add(Coordinate a, Coordinate b) {
  Coordinate sum = {.constant = a.constant + b.constant, .computed = a.computed != NULL ? a.computed : b.computed};
  coordinate_add_terms(&sum, &a, &b);
  return sum;
}

Coordinate coordinate_scale(Coordinate a, int64_t factor) {
  if (factor == 0) return coordinate_constant(0);
  a.constant *= factor;
  for (int t = 0; t < a.term_count; t++) a.terms[t].coefficient *= factor;
  return a;
}

bool coordinate_is_constant(const Coordinate *c) { return c->term_count == 0 && c->computed == NULL; }

bool coordinate_is_bare(const Coordinate *c) {
  return c->term_count == 1 && c->terms[0].coefficient == 1 && c->constant == 0 && c->computed == NULL;
}

/* Are all numbers so small that no place which the coordinate reaches overflows? Beyond them lies no element. */
static bool within_reach(const Coordinate *c) {
  const int64_t limit = INT64_C(1) << 27;
  bool within = llabs(c->constant) <= limit;
  for (int t = 0; t < c->term_count; t++) within &= llabs(c->terms[t].coefficient) <= limit;
  return within;
}

bool scalar_is_affine(const Scalar *scalar, Coordinate *result) {
  Coordinate a, b;
  switch ((int)scalar->op) {
  case OP_CONSTANT:
    if (!(fabs(scalar->value) < INT32_MAX) || scalar->value != nearbyint(scalar->value)) return false;
    *result = coordinate_constant((int64_t)scalar->value);
    break;
  case OP_INDEX: *result = coordinate_variable(scalar->variable); break;
  case OP_NEGATE:
    if (!scalar_is_affine(scalar->argument[0], &a)) return false;
    *result = coordinate_scale(a, -1);
    break;
  case OP_ADD:
    if (!scalar_is_affine(scalar->argument[0], &a) || !scalar_is_affine(scalar->argument[1], &b)) return false;
    *result = coordinate_add(a, b);
    break;
  case OP_MULTIPLY:
    if (!scalar_is_affine(scalar->argument[0], &a) || !scalar_is_affine(scalar->argument[1], &b)) return false;
    if (a.term_count > 0 && b.term_count > 0) return false;
    *result = a.term_count == 0 ? coordinate_scale(b, a.constant) : coordinate_scale(a, b.constant);
    break;
  default: return false;
  }
  return within_reach(result);
}

/* A computed part that is affine after all is computed no longer. */
static void coordinate_settle(Coordinate *c) {
  Coordinate affine;
  if (c->computed == NULL || !scalar_is_affine(c->computed, &affine)) return;
  c->computed = NULL;
  *c = coordinate_add(*c, affine);
}

Coordinate coordinate_substitute(Graph *graph, const Coordinate *c, const Coordinate *by) {
  Coordinate result = {.constant = c->constant};
  if (c->computed != NULL) result.computed = scalar_substitute(graph, c->computed, by);
  for (int t = 0; t < c->term_count; t++) {
    Coordinate part = by[c->terms[t].variable];
    const Scalar *computed = part.computed;
    part.computed = NULL;
    result = coordinate_add(result, coordinate_scale(part, c->terms[t].coefficient));
    if (computed == NULL) continue;
    const Scalar *scaled =
        scalar_apply(graph, OP_MULTIPLY, scalar_constant(graph, (double)c->terms[t].coefficient), computed, NULL);
    result.computed = result.computed == NULL ? scaled : scalar_apply(graph, OP_ADD, result.computed, scaled, NULL);
  }
  coordinate_settle(&result);
  return result;
}

const Access *access_substitute(Graph *graph, const Access *access, const Coordinate *by) {
  Coordinate coordinates[RANK_LIMIT];
  for (int d = 0; d < access->rank; d++) coordinates[d] = coordinate_substitute(graph, &access->coordinates[d], by);
  return access_new(graph, access->rank, coordinates);
}

bool coordinate_range(const Coordinate *c, const int64_t *box, int64_t *low, int64_t *high) {
  *low = *high = c->constant;
  if (c->computed != NULL) return false;
  for (int t = 0; t < c->term_count; t++) {
    int64_t reach = c->terms[t].coefficient * (box[c->terms[t].variable] - 1);
    *(reach < 0 ? low : high) += reach;
  }
  return true;
}

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b != 0 && a < 0); }

int64_t greatest_divisor(int64_t a, int64_t b) {
  while (b != 0) {
    int64_t rest = a % b;
    a = b, b = rest;
  }
  return a < 0 ? -a : a;
}

bool access_may_leave(const Access *access, const int64_t *box, const int64_t *shape) {
  for (int d = 0; d < access->rank; d++) {
    int64_t low, high;
    if (!coordinate_range(&access->coordinates[d], box, &low, &high) || low < 0 || high >= shape[d]) return true;
  }
  return false;
}

/* ---- hash-consing ------------------------------------------------------------------------------------------------ */

static bool coordinate_equal(const Coordinate *a, const Coordinate *b) {
  if (a->constant != b->constant || a->term_count != b->term_count || a->computed != b->computed) return false;
  for (int t = 0; t < a->term_count; t++)
    if (a->terms[t].variable != b->terms[t].variable || a->terms[t].coefficient != b->terms[t].coefficient)
      return false;
  return true;
}

static bool access_equal(const void *item, const void *key) {
  const Access *a = item, *b = key;
  if (a->rank != b->rank) return false;
  for (int d = 0; d < a->rank; d++)
    if (!coordinate_equal(&a->coordinates[d], &b->coordinates[d])) return false;
  return true;
}

static uint64_t access_hash(const Access *access) {
  uint64_t hash = (uint64_t)access->rank;
  for (int d = 0; d < access->rank; d++) {
    const Coordinate *c = &access->coordinates[d];
    hash = hash_mix(hash, (uint64_t)c->constant);
    hash = hash_mix(hash, c->computed == NULL ? 0 : 1 + (uint64_t)c->computed->id);
    for (int t = 0; t < c->term_count; t++)
      hash = hash_mix(hash, (uint64_t)c->terms[t].variable + 64 * (uint64_t)c->terms[t].coefficient);
  }
  return hash;
}

const Access *access_new(Graph *graph, int rank, const Coordinate *coordinates) {
  if (rank > RANK_LIMIT) internal_error(HERE, "an access of too many axes");
  Coordinate settled[RANK_LIMIT];
  for (int d = 0; d < rank; d++) {
    settled[d] = coordinates[d];
    coordinate_settle(&settled[d]);
  }
  Access key = {.rank = rank, .coordinates = settled};
  uint64_t hash = access_hash(&key);
  Access *access = table_find(&graph->accesses, hash, access_equal, &key);
  if (access != NULL) return access;
  access = session_allocate(graph->session, sizeof *access);
  Coordinate *kept = session_allocate(graph->session, (size_t)(rank + (rank == 0)) * sizeof *kept);
  if (rank > 0) memcpy(kept, settled, (size_t)rank * sizeof *kept);
  *access = (Access){.id = graph->access_count++, .rank = rank, .coordinates = kept};
  table_add(graph->session, &graph->accesses, hash, access);
  return access;
}

const Access *access_identity(Graph *graph, int rank) {
  Coordinate coordinates[RANK_LIMIT];
  for (int d = 0; d < rank; d++) coordinates[d] = coordinate_variable(d);
  return access_new(graph, rank, coordinates);
}
