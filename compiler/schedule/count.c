/* How many products of a sum there are to add: points of its box where what it writes is inside and no factor is the
   zero of a read outside. Takes an item; returns a number. Windows are counted, not points: of each set of variables
   that bounds tie together all but the widest are gone through, and of that one an interval counts. */
#include "lower.h"

/* 0 <= coordinate < extent */
typedef struct Bound {
  const Coordinate *coordinate;
  int64_t extent;
  uint32_t variables;
} Bound;
typedef struct Bounds {
  int count, capacity;
  Bound *items;
} Bounds;

enum { LINE_LIMIT = 1 << 22 }; /* lines that are counted; where there are more, all points of theirs count */

/* Only what can be left. Computed coordinates stay inside, as far as is known. */
static void bounds_add(Session *session, Bounds *bounds, const Access *access, const int64_t *box,
                       const int64_t *shape) {
  for (int d = 0; d < access->rank; d++) {
    const Coordinate *coordinate = &access->coordinates[d];
    int64_t low, high;
    if (!coordinate_range(coordinate, box, &low, &high) || (low >= 0 && high < shape[d])) continue;
    Bound bound = {.coordinate = coordinate, .extent = shape[d]};
    for (int t = 0; t < coordinate->term_count; t++) bound.variables |= 1u << coordinate->terms[t].variable;
    ARRAY_ADD(session, bounds->items, bounds->count, bounds->capacity, bound);
  }
}

/* Which parts of an expression are known numbers where a read is outside. */
typedef struct Outside {
  Session *session;
  const Scalar *read;
  Map known; /* scalar to number */
} Outside;

static const double *known_of(const Outside *outside, const Scalar *scalar) {
  return scalar == NULL ? NULL : map_get(&outside->known, scalar);
}

static bool operation_known(const Outside *outside, const Scalar *scalar, double *value) {
  const double *known[3];
  int count = 0;
  for (int a = 0; a < 3; a++) count += (known[a] = known_of(outside, scalar->argument[a])) != NULL;
  if (scalar->op == OP_SELECT && known[0] != NULL) {
    const double *taken = known[*known[0] != 0 ? 1 : 2];
    if (taken != NULL) *value = *taken;
    return taken != NULL;
  }
  *value = 0;
  if (scalar->op == OP_MULTIPLY && ((known[0] && *known[0] == 0) || (known[1] && *known[1] == 0))) return true;
  if (count < operation_arity(scalar->op)) return false;
  *value =
      operation_rows[scalar->op].evaluate(known[0] ? *known[0] : 0, known[1] ? *known[1] : 0, known[2] ? *known[2] : 0);
  return true;
}

static void know(void *context, const Scalar *scalar) {
  Outside *outside = context;
  double value = 0;
  bool leaf = scalar->op == OP_READ || scalar->op == OP_WITHIN, known = false;
  if (leaf) known = scalar->node == outside->read->node && scalar->access == outside->read->access;
  else if (scalar->op == OP_CONSTANT) value = scalar->value, known = true;
  else if (scalar->op < OP_COUNT) known = operation_known(outside, scalar, &value);
  if (!known) return;
  double *kept = session_allocate(outside->session, sizeof *kept);
  *kept = value;
  map_put(outside->session, &outside->known, scalar, kept);
}

static bool vanishes_outside(Session *session, const Scalar *scalar, const Scalar *read) {
  Outside outside = {.session = session, .read = read};
  scalar_walk(scalar, know, &outside);
  const double *value = known_of(&outside, scalar);
  return value != NULL && *value == 0;
}

static int64_t floor_divided(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

/* Values of the last variable for which the bound holds where `rest` is all else of its coordinate. */
static void narrow(const Bound *bound, int64_t coefficient, int64_t rest, int64_t *from, int64_t *to) {
  if (coefficient == 0) {
    if (rest < 0 || rest >= bound->extent) *to = *from;
    return;
  }
  int64_t low = coefficient > 0 ? -rest : rest - bound->extent + 1, size = coefficient > 0 ? coefficient : -coefficient;
  int64_t high = coefficient > 0 ? bound->extent - 1 - rest : rest;
  int64_t first = -floor_divided(-low, size), end = floor_divided(high, size) + 1;
  if (first > *from) *from = first;
  if (end < *to) *to = end;
}

/* How many values of `last` hold all bounds of these variables, where the others are `at`. */
static int64_t count_line(const Bounds *bounds, uint32_t variables, const int64_t *at, int last, int64_t extent) {
  int64_t from = 0, to = extent;
  for (int b = 0; b < bounds->count; b++) {
    const Bound *bound = &bounds->items[b];
    if ((bound->variables & variables) == 0) continue;
    int64_t rest = bound->coordinate->constant, coefficient = 0;
    for (int t = 0; t < bound->coordinate->term_count; t++) {
      Term term = bound->coordinate->terms[t];
      if (term.variable == last) coefficient = term.coefficient;
      else rest += term.coefficient * at[term.variable];
    }
    narrow(bound, coefficient, rest, &from, &to);
  }
  return to > from ? to - from : 0;
}

/* Points of the variables, which no bound ties to others. */
static double count_tied(const Bounds *bounds, uint32_t variables, const int64_t *box) {
  int last = -1;
  double points = 1;
  for (int v = 0; v < BOX_LIMIT; v++) {
    if (!(variables >> v & 1)) continue;
    points *= (double)box[v];
    if (last < 0 || box[v] > box[last]) last = v;
  }
  if (points / (double)box[last] > LINE_LIMIT) return points;
  int64_t at[BOX_LIMIT] = {0};
  double count = 0;
  for (int v = 0; v < BOX_LIMIT;) {
    count += (double)count_line(bounds, variables, at, last, box[last]);
    for (v = 0; v < BOX_LIMIT; v++) { /* the next values of all but the last */
      if (v == last || !(variables >> v & 1)) continue;
      if (++at[v] < box[v]) break;
      at[v] = 0;
    }
  }
  return count;
}

double item_products(Session *session, const Item *item) {
  Bounds bounds = {0};
  bounds_add(session, &bounds, item->write, item->box, item->node->shape);
  Leaves leaves = leaves_of(session, item->value);
  for (int l = 0; l < leaves.count; l++) {
    const Scalar *read = leaves.items[l];
    bool reads = read->op == OP_READ || read->op == OP_WITHIN;
    if (reads && access_may_leave(read->access, item->box, read->node->shape) &&
        vanishes_outside(session, item->value, read))
      bounds_add(session, &bounds, read->access, item->box, read->node->shape);
  }
  double points = 1;
  uint32_t counted = 0;
  for (int b = 0; b < bounds.count; b++) {
    uint32_t tied = bounds.items[b].variables, before = 0;
    if (tied == 0) return 0; /* one place, and it is outside */
    if (tied & counted) continue;
    while (tied != before) {
      before = tied;
      for (int other = 0; other < bounds.count; other++)
        if (bounds.items[other].variables & tied) tied |= bounds.items[other].variables;
    }
    points *= count_tied(&bounds, tied, item->box);
    counted |= tied;
  }
  for (int v = 0; v < item->box_rank; v++)
    if (!(counted >> v & 1)) points *= (double)item->box[v];
  return points;
}
