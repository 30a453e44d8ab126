/* `//` and `%` by static numbers become axes. Takes effects; returns effects in which a variable o that stands in
   subscripts as o // m or o % m has become two, o = m*g + r with r in [0, m): o // m is g, o % m is r, and the
   coordinate is affine. Any affine argument is taken whose rest is a number of the digits alone: with

       floor((c + Σ e_k v_k) / m) = A + floor((c' + Σ e'_k v_k) / m),   0 <= c', e'_k < m

   each v_k becomes s_k*g_k + r_k with s_k = m / gcd(m, e'_k), and the quotient is affine where c' + Σ e'_k (s_k - 1) <
   m; of a c' that is in the way, v_k's digits begin some places before v_k. Places of s_k*g_k + r_k beyond v_k's ends
   are dropped by the write, or made to add 0. A tensor keeps its axes: one that was written by o is written at m*g + r.
   The last pass over graphs: derivatives have been taken of o. A node of which no coordinate becomes affine stays as it
   is. */
#include "internal.h"
#include "transform.h"
#include "tests/mutants/mutant.h"

#include <math.h>
#include <string.h>

/* ---- what is divided --------------------------------------------------------------------------------------------- */

/* number = modulus * whole + rest; coefficients and constant of rest lie in [0, modulus). */
typedef struct Division {
  int64_t modulus;
  Coordinate whole, rest;
} Division;

enum { MODULUS_LIMIT = 1 << 24 }; /* whole numbers below it are exact in float32, and so are their quotients */

static Division divide(const Coordinate *number, int64_t modulus) {
  Division division = {modulus, *number, coordinate_scale(*number, 1)};
  division.whole.term_count = division.rest.term_count = 0;
  division.whole.constant = floor_divide(number->constant, modulus);
  division.rest.constant = number->constant - modulus * division.whole.constant;
  for (int t = 0; t < number->term_count; t++) {
    Term whole = number->terms[t], rest = number->terms[t];
    whole.coefficient = floor_divide(rest.coefficient, modulus);
    rest.coefficient -= modulus * whole.coefficient;
    if (whole.coefficient != 0) division.whole.terms[division.whole.term_count++] = whole;
    if (rest.coefficient != 0) division.rest.terms[division.rest.term_count++] = rest;
  }
  return division;
}

/* Are the numbers so small that neither a few of them nor their products overflow? */
static bool coordinate_is_small(const Coordinate *c) {
  bool small = c->constant > -MODULUS_LIMIT && c->constant < MODULUS_LIMIT;
  for (int t = 0; t < c->term_count; t++)
    small &= c->terms[t].coefficient > -MODULUS_LIMIT && c->terms[t].coefficient < MODULUS_LIMIT;
  return small;
}

/* Is the scalar an affine number over a whole one? (Halves are products with 0.5 by now: rewrite.c.) */
static bool scalar_is_ratio(const Scalar *scalar, Coordinate *number, int64_t *below) {
  *below = 1;
  if (scalar_is_affine(scalar, number)) return coordinate_is_small(number);
  double factor = -1;
  if (scalar->op == OP_DIVIDE && scalar->argument[1]->op == OP_CONSTANT) factor = scalar->argument[1]->value;
  else if (scalar->op == OP_MULTIPLY && scalar->argument[0]->op == OP_CONSTANT) factor = scalar->argument[0]->value;
  else if (scalar->op != OP_NEGATE) return false;
  if (!scalar_is_ratio(scalar->argument[scalar->op == OP_MULTIPLY], number, below)) return false;
  if (scalar->op == OP_DIVIDE) {
    if (factor != nearbyint(factor) || !(fabs(factor) >= 1 && fabs(factor) * (double)*below < MODULUS_LIMIT))
      return false;
    *below *= (int64_t)fabs(factor);
    factor = factor < 0 ? -1 : 1;
  }
  for (; factor != nearbyint(factor) && *below < MODULUS_LIMIT; factor *= 2) *below *= 2;
  if (factor != nearbyint(factor) || !(fabs(factor) < MODULUS_LIMIT)) return false;
  *number = coordinate_scale(*number, (int64_t)factor);
  return coordinate_is_small(number);
}

/* Is it `number // modulus` or `number % modulus` of an affine number? */
static bool scalar_is_division(const Scalar *scalar, Division *division) {
  Coordinate number;
  int64_t modulus;
  if (scalar->op == OP_FLOOR) {
    if (!scalar_is_ratio(scalar->argument[0], &number, &modulus)) return false;
  } else {
    if (scalar->op != OP_MODULO || scalar->argument[1]->op != OP_CONSTANT) return false;
    double value = scalar->argument[1]->value;
    if (value != nearbyint(value) || !(value >= 1 && value < MODULUS_LIMIT)) return false;
    if (!scalar_is_affine(scalar->argument[0], &number) || !coordinate_is_small(&number)) return false;
    modulus = (int64_t)value;
  }
  *division = divide(&number, modulus);
  return true;
}

static bool rest_is_digits(const Division *division, const int64_t *box) {
  int64_t low, high;
  return coordinate_range(&division->rest, box, &low, &high) && high < division->modulus;
}

/* ---- expressions over digits ------------------------------------------------------------------------------------- */

typedef struct Reading {
  Graph *graph;
  const int64_t *box;
  Memo images;
} Reading;

static const Scalar *read_digits(Reading *reading, const Scalar *scalar);

static const Access *read_access(Reading *reading, const Access *access) {
  Coordinate coordinates[RANK_LIMIT];
  for (int d = 0; d < access->rank; d++) {
    coordinates[d] = access->coordinates[d];
    if (coordinates[d].computed != NULL) coordinates[d].computed = read_digits(reading, coordinates[d].computed);
  }
  return access_new(reading->graph, access->rank, coordinates);
}

/* The same number, every division whose rest is digits written as these. */
static const Scalar *read_digits(Reading *reading, const Scalar *scalar) {
  Graph *graph = reading->graph;
  const Scalar *image = memo_get(&reading->images, scalar->id);
  if (image != NULL) return image;
  Division division;
  if (scalar->access != NULL) {
    const Access *access = read_access(reading, scalar->access);
    image =
        scalar->op == OP_READ ? scalar_read(graph, scalar->node, access) : scalar_within(graph, scalar->node, access);
  } else if (operation_arity(scalar->op) == 0) image = scalar;
  else {
    const Scalar *argument[3] = {NULL};
    for (int k = 0; k < operation_arity(scalar->op); k++) argument[k] = read_digits(reading, scalar->argument[k]);
    image = scalar_apply(graph, scalar->op, argument[0], argument[1], argument[2]);
    if (scalar_is_division(image, &division) && rest_is_digits(&division, reading->box)) {
      division.whole.constant += MUTANT(digit_shifted);
      const Coordinate *result = image->op == OP_FLOOR ? &division.whole : &division.rest;
      image = scalar_substitute(graph, scalar_index(graph, 0), result);
    }
  }
  memo_put(&reading->images, scalar->id, image);
  return image;
}

static void draft_read_digits(Graph *graph, Node *draft) {
  Reading reading = {.graph = graph, .box = draft->box};
  draft->value = read_digits(&reading, draft->value);
  draft->write = read_access(&reading, draft->write);
  memo_free(&reading.images);
}

static void collect_computed(List *computed, const Access *access) {
  for (int d = 0; d < access->rank; d++)
    if (access->coordinates[d].computed != NULL) list_add(computed, access->coordinates[d].computed);
}

/* Every computed coordinate of the node, those within others included; list_free when done. */
static List computed_coordinates(const Node *node) {
  const Scalar *roots[1 + RANK_LIMIT] = {node->value};
  int root_count = 1;
  List computed = {0};
  collect_computed(&computed, node->write);
  for (int k = 0; k < computed.count; k++) roots[root_count++] = computed.items[k];
  List order = scalar_order(root_count, roots, true);
  for (int i = 0; i < order.count; i++) {
    const Scalar *scalar = order.items[i];
    if (scalar->access != NULL) collect_computed(&computed, scalar->access);
  }
  list_free(&order);
  return computed;
}

/* ---- variables to split ------------------------------------------------------------------------------------------ */

/* variable = step * high + low - shift, low in [0, step) */
typedef struct Cut {
  int variable;
  int64_t step, shift;
} Cut;

typedef struct Cuts {
  int count;
  Cut items[VARIABLE_LIMIT];
} Cuts;

/* Does the coordinate leave [0, extent) wherever the variable, cut, leaves its own range? */
static bool coordinate_leaves(const Coordinate *c, int64_t extent, const int64_t *box, const Cut *cut) {
  int64_t low, high, own = 0;
  if (!coordinate_range(c, box, &low, &high)) return false;
  for (int t = 0; t < c->term_count; t++)
    if (c->terms[t].variable == cut->variable) own = c->terms[t].coefficient;
  bool above = (box[cut->variable] + cut->shift) % cut->step == 0 || low + own * box[cut->variable] >= extent;
  bool below = cut->shift == 0 || high - own * box[cut->variable] < 0;
  return own > 0 && above && below;
}

static bool access_leaves(const Access *access, const int64_t *shape, const int64_t *box, const Cut *cut) {
  for (int d = 0; d < access->rank; d++)
    if (coordinate_leaves(&access->coordinates[d], shape[d], box, cut)) return true;
  return false;
}

static bool cut_is_even(const Cut *cut, const int64_t *box) {
  return cut->shift == 0 && box[cut->variable] % cut->step == 0;
}

/* Samples stay one axis. A place beyond the ends must be dropped, or add 0; of a maximum it can only be dropped. */
static bool cut_fits(const Cut *cut, const Node *node) {
  if ((node->batch_variables >> cut->variable & 1) != 0) return false;
  return cut_is_even(cut, node->box) || node->combine != COMBINE_MAXIMUM ||
         access_leaves(node->write, node->shape, node->box, cut);
}

static int64_t term_step(const Division *division, Term term) {
  return division->modulus / greatest_divisor(division->modulus, term.coefficient);
}

/* The first place before its own at which the variable can begin, so that the constant goes; -1: none. */
static int64_t term_shift(const Division *division, Term term) {
  for (int64_t shift = 0; shift < term_step(division, term); shift++)
    if ((term.coefficient * shift - division->rest.constant) % division->modulus == 0) return shift;
  return -1;
}

/* The cuts after which the rest is digits; false where there are none. */
static bool division_cuts(const Division *division, const Node *node, Cuts *cuts) {
  const Coordinate *rest = &division->rest;
  int64_t reach = 0, shift = -1;
  int shifted = -1;
  for (int t = 0; t < rest->term_count; t++) {
    int64_t extent = node->box[rest->terms[t].variable], step = term_step(division, rest->terms[t]);
    reach += rest->terms[t].coefficient * ((extent < step ? extent : step) - 1);
  }
  for (int t = 0; t < rest->term_count && reach + rest->constant >= division->modulus && shifted < 0; t++) {
    int64_t extent = node->box[rest->terms[t].variable], step = term_step(division, rest->terms[t]);
    int64_t more = extent < step ? rest->terms[t].coefficient * (step - extent) : 0;
    shift = term_shift(division, rest->terms[t]);
    if (shift >= 0 && reach + more < division->modulus) shifted = t;
  }
  if (shifted < 0 && reach + rest->constant >= division->modulus) return false;
  cuts->count = 0;
  for (int t = 0; t < rest->term_count; t++) {
    Cut cut = {rest->terms[t].variable, term_step(division, rest->terms[t]), t == shifted ? shift : 0};
    if (node->box[cut.variable] <= cut.step && t != shifted) continue;
    if (!cut_fits(&cut, node)) return false;
    cuts->items[cuts->count++] = cut;
  }
  return cuts->count > 0;
}

/* ---- places beyond a variable's ends ----------------------------------------------------------------------------- */

/* Is it 0 there, whatever is read? */
static bool vanishes(const Scalar *scalar, const int64_t *box, const Cut *cut) {
  const Scalar *a = scalar->argument[0], *b = scalar->argument[1];
  switch ((int)scalar->op) {
  case OP_READ:
  case OP_WITHIN: return access_leaves(scalar->access, scalar->node->shape, box, cut);
  case OP_NEGATE: return vanishes(a, box, cut);
  case OP_ADD:
  case OP_MULTIPLY: return vanishes(a, box, cut) && vanishes(b, box, cut);
  default: return false;
  }
}

/* The same expression, 0 there: factor by factor, so that a product stays one and no 0 meets an infinity. */
static const Scalar *guarded(Graph *graph, const Scalar *scalar, const int64_t *box, const Cut *cut,
                             const Scalar *inside) {
  const Scalar *a = scalar->argument[0], *b = scalar->argument[1];
  if (vanishes(scalar, box, cut)) return scalar;
  if (scalar->op == OP_NEGATE) return scalar_apply(graph, OP_NEGATE, guarded(graph, a, box, cut, inside), NULL, NULL);
  if (scalar->op != OP_MULTIPLY) return scalar_apply(graph, OP_SELECT, inside, scalar, scalar_constant(graph, 0));
  bool finite = a->op == OP_CONSTANT && isfinite(a->value);
  if (!finite) a = guarded(graph, a, box, cut, inside);
  return scalar_apply(graph, OP_MULTIPLY, a, guarded(graph, b, box, cut, inside), NULL);
}

static const Scalar *cut_inside(Graph *graph, const Cut *cut, int64_t extent) {
  const Scalar *index = scalar_index(graph, cut->variable);
  const Scalar *inside = scalar_apply(graph, OP_LESS, index, scalar_constant(graph, (double)extent), NULL);
  if (cut->shift == 0) return inside;
  const Scalar *begun = scalar_apply(graph, OP_LESS_EQUAL, scalar_constant(graph, 0), index, NULL);
  return scalar_apply(graph, OP_AND, begun, inside, NULL);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

/* The high digit stands where the variable stood, the low one right behind it: loops keep the order of the memory. */
static void draft_cut(Graph *graph, Node *draft, const Cut *cut) {
  int high = cut->variable, low = high + 1;
  int64_t extent = draft->box[high] + cut->shift;
  if (!cut_is_even(cut, draft->box) && !access_leaves(draft->write, draft->shape, draft->box, cut))
    draft->value = guarded(graph, draft->value, draft->box, cut, cut_inside(graph, cut, draft->box[high]));
  Coordinate by[BOX_LIMIT];
  for (int v = 0; v < draft->box_rank; v++) by[v] = coordinate_variable(v < low ? v : v + 1);
  by[high] = coordinate_add(coordinate_scale(by[high], cut->step), coordinate_variable(low));
  by[high].constant = -cut->shift;
  draft->value = scalar_substitute(graph, draft->value, by);
  draft->write = access_substitute(graph, draft->write, by);
  memmove(&draft->box[low + 1], &draft->box[low], (size_t)(draft->box_rank - low) * sizeof *draft->box);
  draft->box[high] = (extent + cut->step - 1) / cut->step;
  draft->box[low] = cut->step;
  draft->box_rank++;
  uint32_t before = draft->batch_variables & ((UINT32_C(1) << low) - 1);
  draft->batch_variables = before | (draft->batch_variables & ~before) << 1;
}

static int running_variables(const Node *node) {
  int running = 0;
  for (int v = 0; v < node->box_rank; v++) running += node->box[v] > 1;
  return running;
}

/* Makes one division of a coordinate exact; false where none can be. */
static bool draft_split(Graph *graph, Node *draft) {
  Cuts cuts = {0};
  List computed = computed_coordinates(draft);
  List order = scalar_order(computed.count, (const Scalar *const *)computed.items, true);
  for (int i = 0; i < order.count && cuts.count == 0; i++) {
    Division division;
    if (!scalar_is_division(order.items[i], &division)) continue;
    bool fits = division_cuts(&division, draft, &cuts) && running_variables(draft) + cuts.count <= VARIABLE_LIMIT &&
                draft->box_rank + cuts.count <= BOX_LIMIT;
    if (!fits) cuts.count = 0;
  }
  list_free(&order);
  list_free(&computed);
  for (int k = cuts.count - 1; k >= 0; k--) draft_cut(graph, draft, &cuts.items[k]); /* the last variable first */
  if (cuts.count > 0) draft_read_digits(graph, draft);
  return cuts.count > 0;
}

static int computed_count(const Node *node) {
  List computed = computed_coordinates(node);
  int count = computed.count;
  list_free(&computed);
  return count;
}

static Node *split_node(Rebuilding *rebuilding, Node *old) {
  Graph *graph = rebuilding->graph;
  Node *node = rebuild_node(rebuilding, old, false);
  int before = node->kind == NODE_COMPUTE ? computed_count(node) : 0;
  if (before == 0) return node;
  Node draft = *node;
  draft_read_digits(graph, &draft);
  while (draft_split(graph, &draft)) continue;
  if (computed_count(&draft) >= before) return node;
  return graph_compute(graph, draft.combine, draft.box_rank, draft.box, draft.batch_variables, draft.write, draft.rank,
                       draft.shape, draft.batch, draft.value, draft.name, draft.span);
}

EffectList transform_axes(Graph *graph, EffectList effects) {
  return rebuild_effects(graph, effects, split_node, NULL);
}
