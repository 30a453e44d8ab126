/* Makes expressions cheap and stable as they are built: folds constants, keeps `nothing` apart from 0, applies the rows
   of rewrites.def to a fixed point. Takes an operation and simplified arguments; returns a simplified expression of the
   same value. Never reorders a sum, never touches a node. */
#include "formula.h"
#include "storage.h"
#include "tests/mutants/mutant.h"

#include <math.h>
#include <stdlib.h>

enum {
  REWRITE_COUNT = 0
#define EXACT(pattern, result) +1
#define STABLE(pattern, result) +1
#include "rewrites.def"
#undef EXACT
#undef STABLE
};

/* A row in either spelling: as text, and read. */
typedef struct Rewrite {
  const Formula *pattern, *result;
  bool through;
} Rewrite;

/* The rows by the operation that their pattern begins with: rows of op lie in [start[op], start[op + 1]). */
struct Rewrites {
  Rewrite rows[REWRITE_COUNT];
  int start[OP_COUNT + 1];
};

static const struct {
  const char *pattern, *result;
  bool through;
} rewrite_texts[REWRITE_COUNT] = {
#define EXACT(pattern, result) {pattern, result, false},
#define STABLE(pattern, result) {pattern, result, true},
#include "rewrites.def"
#undef EXACT
#undef STABLE
};

static const struct Rewrites *graph_rewrites(Graph *graph) {
  if (graph->rewrites != NULL) return graph->rewrites;
  struct Rewrites *rewrites = session_allocate(graph->session, sizeof *rewrites);
  int count = 0;
  Rewrite rows[REWRITE_COUNT];
  for (int r = 0; r < REWRITE_COUNT; r++) {
    rows[r].pattern = formula_parse(graph->session, rewrite_texts[r].pattern);
    rows[r].result = formula_parse(graph->session, rewrite_texts[r].result);
    rows[r].through = rewrite_texts[r].through;
  }
  for (int op = 0; op < OP_COUNT; op++) {
    rewrites->start[op] = count;
    for (int r = 0; r < REWRITE_COUNT; r++)
      if (rows[r].pattern->op == (Operation)op) rewrites->rows[count++] = rows[r];
  }
  rewrites->start[OP_COUNT] = count;
  return graph->rewrites = rewrites;
}

/* Constants stand first, then older expressions: equal sums and products are equal pointers. */
static bool comes_before(const Scalar *a, const Scalar *b) {
  if ((a->op == OP_CONSTANT) != (b->op == OP_CONSTANT)) return a->op == OP_CONSTANT;
  return a->id < b->id;
}

static const Scalar *fold(Graph *graph, Operation op, const Scalar *const *argument) {
  double value[3] = {0};
  for (int k = 0; k < operation_arity(op); k++) {
    if (argument[k]->op != OP_CONSTANT) return NULL;
    value[k] = argument[k]->value;
  }
  return scalar_constant(graph, operation_rows[op].evaluate(value[0], value[1], value[2]));
}

/* Dividing by a power of two is multiplying by its reciprocal, to the last bit, while both are normal numbers in either
   precision. Of no other number is the reciprocal exact: `/` is the quotient, rounded once. */
static bool has_reciprocal(const Scalar *scalar) {
  int exponent;
  return scalar->op == OP_CONSTANT && fabs(frexp(scalar->value, &exponent)) == 0.5 && exponent > -125 && exponent < 127;
}

/* Where `nothing` has a meaning of its own: as a term, a factor, a numerator, a branch. Anywhere else it is the number
   0. */
static bool keeps_nothing(Operation op, int k) {
  return op == OP_ADD || op == OP_MULTIPLY || op == OP_NEGATE || (op == OP_DIVIDE && k == 0) ||
         (op == OP_SELECT && k > 0);
}

const Scalar *scalar_simplify(Graph *graph, const int64_t *box, Operation op, const Scalar *a, const Scalar *b,
                              const Scalar *c) {
  const Scalar *argument[3] = {a, b, c};
  for (int k = 0; k < operation_arity(op); k++)
    if (argument[k]->op == OP_NOTHING && !keeps_nothing(op, k)) argument[k] = scalar_constant(graph, 0);
  if (operation_is_commutative(op) && comes_before(argument[1], argument[0])) {
    const Scalar *swap = argument[0];
    argument[0] = argument[1];
    argument[1] = swap;
  }
  const Scalar *folded = fold(graph, op, argument);
  if (folded != NULL) return folded;
  if (op == OP_DIVIDE && has_reciprocal(argument[1]))
    return scalar_simplify(graph, box, OP_MULTIPLY, scalar_constant(graph, 1 / argument[1]->value), argument[0], NULL);
  if (op == OP_SELECT && argument[0]->op == OP_CONSTANT) return argument[argument[0]->value != 0 ? 1 : 2];
  const Scalar *scalar = scalar_intern(graph, op, argument[0], argument[1], argument[2]);
  const struct Rewrites *rewrites = graph_rewrites(graph);
  for (int r = rewrites->start[op]; r < rewrites->start[op + 1]; r++) {
    const Rewrite *rewrite = &rewrites->rows[r];
    Bindings bindings = {{NULL}};
    if (!formula_match(graph, rewrite->through ? box : NULL, rewrite->pattern, scalar, &bindings)) continue;
    bool unsigned_result = MUTANT(stable_sign) && rewrite->through && rewrite->result->op == OP_NEGATE;
    return formula_build(graph, box, unsigned_result ? rewrite->result->argument[0] : rewrite->result, &bindings);
  }
  return scalar;
}

/* ---- the value of a node ----------------------------------------------------------------------------------------- */

static const Scalar *simplify_below(Graph *graph, const int64_t *box, const Scalar *scalar, Memo *images) {
  const Scalar *image = memo_get(images, scalar->id);
  if (image != NULL) return image;
  if (scalar->op == OP_READ) image = scalar_settle(graph, box, scalar);
  else if (scalar->op == OP_WITHIN)
    image = access_may_leave(scalar->access, box, scalar->node->shape) ? scalar : scalar_constant(graph, 1);
  else if (scalar->argument[0] == NULL) image = scalar;
  else {
    const Scalar *argument[3] = {NULL};
    for (int k = 0; k < operation_arity(scalar->op); k++)
      argument[k] = simplify_below(graph, box, scalar->argument[k], images);
    image = scalar_simplify(graph, box, scalar->op, argument[0], argument[1], argument[2]);
  }
  memo_put(images, scalar->id, image);
  return image;
}

const Scalar *scalar_simplify_in_box(Graph *graph, const int64_t *box, const Scalar *scalar) {
  Memo images = {0};
  const Scalar *image = simplify_below(graph, box, scalar, &images);
  memo_free(&images);
  return image;
}
