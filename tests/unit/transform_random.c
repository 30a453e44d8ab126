/* Random graphs, built twice at once: plainly, and with a mark behind every node, through which no rewrite looks. Both
   must have the same values, the same derivatives at orders 1 and 2, and keep them through every pass. So whatever
   rewrites do across nodes is compared with doing nothing. */
#include "graph_check.h"

enum { STEPS = 9, INPUTS = 4, TRIALS = 250, SIZE_LIMIT = 72 };

typedef struct Pair {
  Node *plain, *marked;
  bool stored;
} Pair; /* stored: an input */
typedef struct Pool {
  Graph *g;
  Random random;
  int count;
  Pair pairs[STEPS + INPUTS];
} Pool;

static int64_t dice(Pool *pool, int64_t low, int64_t high) { return random_integer(&pool->random, low, high); }
static Pair pick(Pool *pool) { return pool->pairs[dice(pool, 0, pool->count - 1)]; }

static const Scalar *smooth(Graph *g, int kind, const Scalar *a) {
  switch (kind) {
  case 0: return unary(g, OP_TANH, a);
  case 1: return unary(g, OP_SIGMOID, a);
  case 2: return unary(g, OP_NEGATE, a);
  case 3: return multiply(g, number(g, 0.5), a);
  case 4: return divide(g, number(g, 1), add(g, number(g, 1), unary(g, OP_EXP, a)));
  case 5: return subtract(g, number(g, 1), a);
  case 6: return binary(g, OP_POWER, unary(g, OP_SIN, a), number(g, 2));
  case 7: return unary(g, OP_LOG, add(g, number(g, 1), unary(g, OP_EXP, a)));
  default: return unary(g, OP_LOG, unary(g, OP_SIGMOID, a));
  }
}

/* One step is a recipe over whichever of the two graphs its operands are from. */
typedef struct Recipe {
  int kind, op, axis, shift;
  int rank;
  int64_t shape[RANK_LIMIT];
  bool other_joins;
} Recipe;

/* other at those of its axes that a has with equal extent, from the right; 0 elsewhere */
static const Scalar *aligned(Graph *g, Node *a, Node *other) {
  Coordinate c[RANK_LIMIT];
  for (int d = 0; d < other->rank; d++) {
    int to = a->rank - other->rank + d;
    c[d] = to >= 0 && a->shape[to] == other->shape[d] ? at(to) : constant_at(0);
  }
  return scalar_read(g, other, access_new(g, other->rank, c));
}

static Node *cook(Graph *g, const Recipe *recipe, Node *a, Node *b) {
  Coordinate c[RANK_LIMIT], write[RANK_LIMIT];
  int64_t shape[RANK_LIMIT];
  int rank = 0;
  const Scalar *value = all(g, a), *other = aligned(g, a, b);
  for (int d = 0; d < a->rank; d++) {
    c[d] = at(d);
    if (d == recipe->axis) continue;
    write[rank] = at(d);
    shape[rank++] = a->shape[d];
  }
  switch (recipe->kind) {
  case 0: return map_like(g, a, smooth(g, recipe->op, value));
  case 1: return map_like(g, a, add(g, value, other));
  case 2: return map_like(g, a, multiply(g, smooth(g, recipe->op, value), other));
  case 3: return map_like(g, a, divide(g, value, add(g, number(g, 2), unary(g, OP_TANH, other))));
  case 4: /* a shifted read, over the border */
    if (a->rank > 0) c[recipe->axis] = affine_at(recipe->axis, 1, recipe->shift);
    return map_like(g, a, scalar_read(g, a, access_new(g, a->rank, c)));
  case 5: return graph_reshape(g, a, recipe->rank, recipe->shape, SPAN);
  case 6:
  case 7: /* a sum, or a mean of a product */
    if (recipe->kind == 7) value = multiply(g, divide(g, value, number(g, 3)), other);
    return graph_compute(g, COMBINE_SUM, a->rank, a->shape, 0, access_new(g, rank, write), rank, shape, false, value,
                         NULL, SPAN);
  case 8: { /* deviations from a mean along an axis */
    if (a->rank == 0) return map_like(g, a, smooth(g, 0, value));
    Node *sum = graph_compute(g, COMBINE_SUM, a->rank, a->shape, 0, access_new(g, rank, write), rank, shape, false,
                              divide(g, value, number(g, (double)a->shape[recipe->axis])), NULL, SPAN);
    return map_like(g, a, subtract(g, value, scalar_read(g, sum, access_new(g, rank, write))));
  }
  default: /* scattered with stride 2 and an overhang */
    if (a->rank == 0) return map_like(g, a, smooth(g, 1, value));
    for (int d = 0; d < a->rank; d++) shape[d] = a->shape[d];
    c[recipe->axis] = affine_at(recipe->axis, 2, recipe->shift);
    return graph_compute(g, COMBINE_SUM, a->rank, a->shape, 0, access_new(g, a->rank, c), a->rank, shape, false, value,
                         NULL, SPAN);
  }
}

static Recipe random_recipe(Pool *pool, const Node *a) {
  Recipe recipe = {.kind = (int)dice(pool, 0, 9),
                   .op = (int)dice(pool, 0, 8),
                   .axis = a->rank == 0 ? -1 : (int)dice(pool, 0, a->rank - 1),
                   .shift = (int)dice(pool, -1, 1)};
  int64_t rest = node_size(a);
  while (rest > 1 && recipe.rank < 3) { /* a random factorisation, units among it */
    int64_t factor = recipe.rank == 2 ? rest : dice(pool, 1, rest);
    if (rest % factor != 0) continue;
    recipe.shape[recipe.rank++] = factor;
    rest /= factor;
  }
  return recipe;
}

static double difference(Interpreter *interpreter, Node *a, Node *b) {
  const double *x = interpreter_value(interpreter, a);
  double worst = 0;
  for (int64_t i = 0; i < node_size(a); i++) {
    const double *y = interpreter_value(interpreter, b);
    worst = fmax(worst, fabs(x[i] - y[i]) / fmax(1, fabs(x[i])));
  }
  return worst;
}

START_TEST(rewrites_across_nodes_change_nothing) {
  int fewer = 0;
  for (int trial = 0; trial < TRIALS; trial++) {
    Session *session = session_new();
    Graph *g = graph_new(session);
    Pool pool = {.g = g, .random = {100 + (uint64_t)trial}};
    Interpreter *interpreter = interpreter_new(g);
    Variables variables = {0};
    static const char *const names[INPUTS] = {"a", "b", "c", "d"};
    static const int64_t shapes[INPUTS][3] = {{2, 3, 4}, {3, 4, 1}, {4, 3, 2}, {6, 1, 2}};
    for (int i = 0; i < INPUTS; i++) {
      Node *node = input(g, names[i], i == 1 ? 2 : 3, shapes[i]);
      variables_add(&variables, &pool.random, node, -1, 1);
      pool.pairs[pool.count++] = (Pair){node, node, true};
    }
    for (int step = 0; step < STEPS; step++) {
      Pair a = step > 2 && step % 2 == 0 ? pool.pairs[pool.count - 1] : pick(&pool), b = pick(&pool);
      Recipe recipe = random_recipe(&pool, a.plain);
      Node *plain = cook(g, &recipe, a.plain, b.plain),
           *marked = graph_mark(g, cook(g, &recipe, a.marked, b.marked), SPAN);
      pool.pairs[pool.count++] = (Pair){plain, marked, false};
    }
    variables_place(&variables, interpreter, 0);
    const Scalar *sums[2] = {number(g, 0), number(g, 0)};
    for (int i = INPUTS; i < pool.count; i++) {
      double error = difference(interpreter, pool.pairs[i].plain, pool.pairs[i].marked);
      ck_assert_msg(error < 1e-12, "trial %d, step %d: error %g", trial, i - INPUTS, error);
      sums[0] = add(g, sums[0],
                    scalar_read(g, total(g, pool.pairs[i].plain, all(g, pool.pairs[i].plain)), access_new(g, 0, NULL)));
      sums[1] =
          add(g, sums[1],
              scalar_read(g, total(g, pool.pairs[i].marked, all(g, pool.pairs[i].marked)), access_new(g, 0, NULL)));
    }
    Node *of[2], *target = input(g, "target", 0, NULL);
    for (int k = 0; k < 2; k++) of[k] = graph_map(g, 0, NULL, false, sums[k], SPAN);
    for (int order = 0; order <= 2; order++) {
      double error = difference(interpreter, of[0], of[1]);
      ck_assert_msg(error < 1e-10, "trial %d, order %d: error %g", trial, order, error);
      EffectList effects = {1, &(Effect){target, of[0], SPAN}}, marked = {1, &(Effect){target, of[1], SPAN}};
      EffectList passed = transform_simplify(g, transform_differentiate(g, transform_normalise(g, effects)));
      EffectList bared = transform_simplify(g, transform_differentiate(g, transform_normalise(g, marked)));
      ck_assert(graph_verify(g, &effects, "build") && graph_verify(g, &passed, "passes") &&
                graph_verify(g, &bared, "passes"));
      ck_assert_msg((error = difference(interpreter, of[0], passed.items[0].value)) < 1e-10,
                    "trial %d, order %d, passes: error %g", trial, order, error);
      ck_assert_msg((error = difference(interpreter, of[0], bared.items[0].value)) < 1e-10,
                    "trial %d, order %d, marks gone: error %g", trial, order, error);
      fewer += of[1] != bared.items[0].value;
      if (order == 2) break;
      for (int k = 0; k < 2; k++) of[k] = derivative_along(g, of[k], &variables, interpreter);
      variables_place(&variables, interpreter, 0);
    }
    variables_free(&variables);
    interpreter_free(interpreter);
    session_free(session);
  }
  ck_assert_int_gt(fewer, 2 * TRIALS);
}
END_TEST

CHECK_MAIN(.tests = {rewrites_across_nodes_change_nothing})
