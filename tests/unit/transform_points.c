/* Points of doubt: where systems of derivatives break, what this one has decided, and that it holds at orders 1 and
   2. */
#include "graph_check.h"

typedef struct World {
  Session *session;
  Graph *g;
  Interpreter *interpreter;
} World;

static World world_new(void) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  return (World){session, g, interpreter_new(g)};
}

static void world_free(World *w) {
  interpreter_free(w->interpreter);
  session_free(w->session);
}

static Node *adjoint_of(Graph *g, Node *of, Node *by) {
  Node *adjoint = NULL;
  transform_adjoint(g, of, 1, &by, &adjoint);
  return adjoint;
}

/* The adjoint's values; none is all zeros. */
static void expect(World *w, Node *adjoint, int count, const double *expected) {
  for (int i = 0; i < count; i++) {
    double value = adjoint == NULL ? 0 : interpreter_value(w->interpreter, adjoint)[i];
    ck_assert_msg(fabs(value - expected[i]) <= 1e-12 * fmax(1, fabs(expected[i])), "element %d: %g, not %g", i, value,
                  expected[i]);
  }
}
#define EXPECT(w, adjoint, ...) expect(w, adjoint, LENGTH(((double[]){__VA_ARGS__})), (double[]){__VA_ARGS__})

/* What grad(e, v) becomes in a whole pass. */
static Node *resolved(World *w, Node *value) {
  Node *target = graph_input(w->g, "target", value->rank, value->shape, value->batch, SPAN);
  EffectList effects = transform_differentiate(w->g, (EffectList){1, &(Effect){target, value, SPAN}});
  ck_assert(graph_verify(w->g, &effects, "differentiate"));
  return effects.items[0].value;
}

START_TEST(kinks) {
  World w = world_new();
  Graph *g = w.g;
  Node *x = input(g, "x", SHAPE(3)), *y = input(g, "y", SHAPE(3));
  interpreter_set(w.interpreter, x, (double[]){-1, 0, 2});
  interpreter_set(w.interpreter, y, (double[]){-1, 1, 1});
  const Scalar *a = all(g, x), *b = all(g, y), *zero = number(g, 0), *one = number(g, 1);
  Node *relu = total(g, x, choose(g, binary(g, OP_LESS_EQUAL, a, zero), zero, a));
  EXPECT(&w, adjoint_of(g, relu, x), 0, 0, 1);
  const Scalar *upper = choose(g, binary(g, OP_LESS, number(g, 2), a), number(g, 2), a);
  Node *clamp = total(g, x, choose(g, binary(g, OP_LESS, upper, zero), zero, upper));
  EXPECT(&w, adjoint_of(g, clamp, x), 0, 1, 1);
  EXPECT(&w, adjoint_of(g, total(g, x, binary(g, OP_MAXIMUM, a, b)), x), 0.5, 0, 1);
  EXPECT(&w, adjoint_of(g, total(g, x, binary(g, OP_MINIMUM, a, b)), x), 0.5, 1, 0);
  EXPECT(&w, adjoint_of(g, total(g, x, unary(g, OP_ABSOLUTE, a)), x), -1, 0, 1);
  ck_assert_ptr_null(adjoint_of(g, total(g, x, unary(g, OP_FLOOR, a)), x));
  Node *leaky = total(g, x, choose(g, binary(g, OP_LESS, zero, a), a, multiply(g, number(g, 0.2), a)));
  Node *first = adjoint_of(g, leaky, x);
  EXPECT(&w, first, 0.2, 0.2, 1);
  ck_assert_ptr_null(adjoint_of(g, total(g, x, multiply(g, all(g, first), one)), x));
  world_free(&w);
}
END_TEST

/* The norm, `if s > 0 then sqrt(s) else 0`, at 0: in one expression, and with every operation in a node of its own. */
START_TEST(norm_at_zero) {
  for (int apart = 0; apart < 2; apart++) {
    World w = world_new();
    Graph *g = w.g;
    Node *x = input(g, "x", SHAPE(2, 3)), *u = input(g, "u", SHAPE(2, 3));
    Node *s = graph_compute(g, COMBINE_SUM, 2, x->shape, 0, ACCESS(g, at(0)), SHAPE(2), false,
                            multiply(g, all(g, x), all(g, x)), NULL, SPAN),
         *norm;
    const Scalar *zero = number(g, 0);
    if (apart) {
      Node *root = map_like(g, s, unary(g, OP_SQRT, all(g, s))),
           *twice = map_like(g, s, multiply(g, number(g, 2), all(g, root)));
      Node *positive = map_like(g, s, binary(g, OP_LESS, zero, all(g, s)));
      Node *chosen = map_like(g, s, choose(g, all(g, positive), all(g, twice), zero));
      norm = map_like(g, s, multiply(g, number(g, 0.5), all(g, chosen)));
    } else norm = map_like(g, s, choose(g, binary(g, OP_LESS, zero, all(g, s)), unary(g, OP_SQRT, all(g, s)), zero));
    Node *first = adjoint_of(g, total(g, s, all(g, norm)), x);
    Node *second = adjoint_of(g, total(g, x, multiply(g, all(g, first), all(g, u))), x);
    interpreter_set(w.interpreter, x, (double[]){0, 0, 0, 3, 0, 4});
    interpreter_set(w.interpreter, u, (double[]){1, 1, 1, 1, 1, 1});
    EXPECT(&w, first, 0, 0, 0, 0.6, 0, 0.8);
    EXPECT(&w, second, 0, 0, 0, (1 - 0.6 * 1.4) / 5, 0.2, (1 - 0.8 * 1.4) / 5);
    world_free(&w);
  }
}
END_TEST

START_TEST(roots_and_logarithms_behind_a_choice) {
  World w = world_new();
  Graph *g = w.g;
  Node *x = input(g, "x", SHAPE(3));
  const Scalar *a = all(g, x), *zero = number(g, 0);
  const Scalar *value =
      choose(g, binary(g, OP_LESS, zero, a), multiply(g, unary(g, OP_SQRT, a), unary(g, OP_LOG, a)), zero);
  Node *first = adjoint_of(g, total(g, x, value), x), *second = adjoint_of(g, total(g, x, all(g, first)), x);
  interpreter_set(w.interpreter, x, (double[]){-1, 0, 4});
  EXPECT(&w, first, 0, 0, (log(4) / 2 + 1) / 2);
  EXPECT(&w, second, 0, 0, -log(4) / 32);
  world_free(&w);
}
END_TEST

/* What falls outside the output contributes nothing, even where its derivative is infinite. */
START_TEST(dropped_writes) {
  World w = world_new();
  Graph *g = w.g;
  Node *x = input(g, "x", SHAPE(2, 2));
  Node *y = graph_compute(g, COMBINE_SUM, 2, x->shape, 0, ACCESS(g, sum_at(affine_at(0, 2, -1), at(1))), SHAPE(3),
                          false, unary(g, OP_SQRT, all(g, x)), NULL, SPAN);
  Node *first = adjoint_of(g, total(g, y, multiply(g, all(g, y), all(g, y))), x);
  Node *second = adjoint_of(g, total(g, x, multiply(g, all(g, first), all(g, first))), x);
  interpreter_set(w.interpreter, x, (double[]){0, 4, 9, 16});
  EXPECT(&w, first, 0, 1, 1, 1);
  EXPECT(&w, second, 0, 0, 0, 0);
  world_free(&w);
}
END_TEST

START_TEST(ties_of_a_maximum_share) {
  World w = world_new();
  Graph *g = w.g;
  Node *x = input(g, "x", SHAPE(6));
  /* windows of 4 with stride 2, one of them over the border, where a read is 0 */
  Node *y = graph_compute(g, COMBINE_MAXIMUM, 2, (int64_t[]){3, 4}, 0, ACCESS(g, at(0)), SHAPE(3), false,
                          READ(g, x, sum_at(affine_at(0, 2, 0), at(1))), NULL, SPAN);
  Node *first = adjoint_of(g, total(g, y, multiply(g, all(g, y), all(g, y))), x);
  Node *second = adjoint_of(g, total(g, x, all(g, first)), x);
  interpreter_set(w.interpreter, x, (double[]){3, 1, 3, 2, -1, -2});
  EXPECT(&w, y, 3, 3, 0);
  EXPECT(&w, first, 3, 0, 9, 0, 0, 0);
  EXPECT(&w, second, 1, 0, 3, 0, 0, 0); /* d(first total)/dx: 2 y / count, each maximum shared again */
  world_free(&w);
}
END_TEST

/* grad asks for the value v, not for what rewrites make of the expression around it. */
START_TEST(marks_keep_the_value_that_is_asked_for) {
  World w = world_new();
  Graph *g = w.g;
  Node *a = input(g, "a", SHAPE(2, 2));
  Node *v = graph_mark(g, map_like(g, a, unary(g, OP_SIGMOID, all(g, a))), SPAN);
  Node *grad = graph_grad(g, total(g, v, unary(g, OP_LOG, all(g, v))), v, SPAN);
  Node *flat = graph_mark(g, graph_reshape(g, a, SHAPE(4), SPAN), SPAN),
       *square = graph_reshape(g, flat, SHAPE(2, 2), SPAN);
  Node *through = graph_grad(
      g, total(g, square, multiply(g, READ(g, square, at(0), at(1)), READ(g, square, at(1), at(0)))), flat, SPAN);
  interpreter_set(w.interpreter, a, (double[]){0, 1, 2, -1});
  EXPECT(&w, resolved(&w, grad), 2, 1 + exp(-1), 1 + exp(-2), 1 + exp(1));
  EXPECT(&w, resolved(&w, through), 0, 4, 2, -2);
  ck_assert_int_eq(diagnostic_error_count(w.session), 0);
  world_free(&w);
}
END_TEST

START_TEST(grad_inside_grad_inside_grad) {
  World w = world_new();
  Graph *g = w.g;
  Node *x = input(g, "x", SHAPE(3)), *of = total(g, x, binary(g, OP_POWER, all(g, x), number(g, 5)));
  for (int order = 0; order < 3; order++) {
    Node *grad = graph_grad(g, of, x, SPAN);
    of = total(g, x, all(g, grad));
    if (order < 2) continue;
    interpreter_set(w.interpreter, x, (double[]){1, 2, 0.5});
    EXPECT(&w, resolved(&w, grad), 60, 240, 15);
  }
  world_free(&w);
}
END_TEST

START_TEST(constants_noise_and_missing_paths) {
  World w = world_new();
  Graph *g = w.g;
  Node *x = input(g, "x", SHAPE(2)), *noise = graph_random(g, 1, 0, DISTRIBUTION_UNIFORM, "u", SHAPE(2), false, SPAN);
  interpreter_set(w.interpreter, x, (double[]){3, 4});
  Node *half = graph_constant(g, x, SPAN);
  EXPECT(&w, resolved(&w, graph_grad(g, total(g, x, multiply(g, all(g, x), all(g, half))), x, SPAN)), 3, 4);
  EXPECT(&w, resolved(&w, graph_grad(g, total(g, x, unary(g, OP_FLOOR, all(g, x))), x, SPAN)), 0, 0);
  Node *ones = graph_grad(g, total(g, x, all(g, x)), x, SPAN);
  EXPECT(&w, resolved(&w, graph_grad(g, total(g, x, all(g, ones)), x, SPAN)), 0, 0);
  ck_assert(!transform_reaches(g, x, half));
  ck_assert(transform_reaches(g, x, graph_grad(g, total(g, x, all(g, x)), noise, SPAN)));
  EXPECT(&w, resolved(&w, graph_grad(g, total(g, x, multiply(g, all(g, half), all(g, noise))), x, SPAN)), 0, 0);
  ck_assert_int_eq(diagnostic_error_count(w.session),
                   0); /* no path is a 0 here, and told while the model is expanded */
  world_free(&w);
}
END_TEST

START_TEST(computed_subscripts_gather_and_scatter) {
  World w = world_new();
  Graph *g = w.g;
  Node *table = input(g, "table", SHAPE(3)), *label = graph_input(g, "label", SHAPE(4), true, SPAN);
  Coordinate place = {.computed = READ(g, label, at(0))};
  Node *y = graph_map(g, SHAPE(4), true, scalar_read(g, table, access_new(g, 1, &place)), SPAN);
  Node *cubes = total(g, y, binary(g, OP_POWER, all(g, y), number(g, 3))), *first = adjoint_of(g, cubes, table);
  Node *second = adjoint_of(g, total(g, table, all(g, first)), table);
  interpreter_set(w.interpreter, table, (double[]){1, 2, 5});
  interpreter_set(w.interpreter, label, (double[]){1, 0, 1, 7});
  EXPECT(&w, y, 2, 1, 2, 0);
  EXPECT(&w, first, 3, 24, 0);
  EXPECT(&w, second, 6, 24, 0);
  ck_assert_ptr_null(adjoint_of(g, cubes, label));
  world_free(&w);
}
END_TEST

START_TEST(each_sample_has_its_own_gradient) {
  World w = world_new();
  Graph *g = w.g;
  Node *x = graph_input(g, "x", SHAPE(2, 2), true, SPAN);
  Node *e = graph_compute(g, COMBINE_SUM, 2, x->shape, 0, ACCESS(g, at(0)), SHAPE(2), true,
                          binary(g, OP_POWER, all(g, x), number(g, 3)), NULL, SPAN);
  Node *mean = graph_compute(g, COMBINE_SUM, 2, x->shape, 0, ACCESS(g, at(1)), SHAPE(2), false,
                             divide(g, all(g, x), number(g, 2)), NULL, SPAN);
  Node *coupled = graph_compute(g, COMBINE_SUM, 2, x->shape, 0, ACCESS(g, at(0)), SHAPE(2), true,
                                multiply(g, READ(g, x, at(0), at(1)), READ(g, mean, at(1))), NULL, SPAN);
  interpreter_set(w.interpreter, x, (double[]){1, 2, 3, 4});
  EXPECT(&w, resolved(&w, graph_grad(g, e, x, SPAN)), 3, 12, 27, 48);
  ck_assert_ptr_null(transform_couples(g, e, x));
  ck_assert_ptr_nonnull(transform_couples(g, coupled, x));
  ck_assert_ptr_nonnull(transform_couples(g, graph_map(g, SHAPE(2), true, READ(g, e, affine_at(0, -1, 1)), SPAN), x));
  world_free(&w);
}
END_TEST

/* Each operation that decides, frozen where it stands, moves like its tangent from there. */
START_TEST(every_decision_holds_still) {
  static const struct {
    Operation op;
    double start, other, end, expected;
  } rows[] = {{OP_LESS, 1, 2, 3, 1},      {OP_LESS_EQUAL, 3, 2, 1, 0},  {OP_EQUAL, 2, 2, 3, 1},
              {OP_FLOOR, 1.5, 0, 2.5, 1}, {OP_CEILING, 1.5, 0, 2.5, 2}, {OP_ROUND, 1.2, 0, 1.9, 1},
              {OP_SIGN, -1, 0, 1, -1},    {OP_ABSOLUTE, -1, 0, 2, -2},  {OP_MAXIMUM, 1, 2, 5, 2},
              {OP_MINIMUM, 1, 2, 5, 5},   {OP_MODULO, 2.5, 1, 4.5, 2.5}};
  for (int i = 0; i < LENGTH(rows); i++) {
    World w = world_new();
    Node *x = input(w.g, "x", 0, NULL), *y = input(w.g, "y", 0, NULL), *target = input(w.g, "target", 0, NULL);
    Node *of = map_like(
        w.g, x,
        scalar_apply(w.g, rows[i].op, all(w.g, x), operation_arity(rows[i].op) == 2 ? all(w.g, y) : NULL, NULL));
    Frozen frozen = transform_freeze(w.g, (EffectList){1, &(Effect){target, of, SPAN}});
    Node *held = frozen.effects.items[0].value;
    interpreter_set(w.interpreter, x, &rows[i].start);
    interpreter_set(w.interpreter, y, &rows[i].other);
    interpreter_apply(w.interpreter, &frozen.decisions);
    EXPECT(&w, held, *interpreter_value(w.interpreter, of));
    interpreter_set(w.interpreter, x, &rows[i].end);
    EXPECT(&w, held, rows[i].expected);
    world_free(&w);
  }
}
END_TEST

/* Frozen: the same numbers at the base point, the same branches away from it. */
START_TEST(decisions_hold_still) {
  World w = world_new();
  Graph *g = w.g;
  Node *x = input(g, "x", SHAPE(4)), *target = input(g, "target", 0, NULL);
  const Scalar *a = all(g, x), *zero = number(g, 0);
  const Scalar *value = choose(g, binary(g, OP_LESS, zero, a), a, multiply(g, number(g, 0.2), a));
  value =
      add(g, value, add(g, unary(g, OP_ABSOLUTE, a), add(g, unary(g, OP_FLOOR, a), binary(g, OP_MAXIMUM, a, zero))));
  Node *top = graph_compute(g, COMBINE_MAXIMUM, 1, x->shape, 0, access_new(g, 0, NULL), 0, NULL, false, a, NULL, SPAN);
  Node *of = total(g, x, add(g, value, scalar_read(g, top, access_new(g, 0, NULL))));
  Frozen frozen = transform_freeze(g, (EffectList){1, &(Effect){target, of, SPAN}});
  Node *held = frozen.effects.items[0].value;
  interpreter_set(w.interpreter, x, (double[]){-1.5, 0.25, 2, -3});
  interpreter_apply(w.interpreter, &frozen.decisions);
  double base = *interpreter_value(w.interpreter, of);
  ck_assert_double_eq_tol(*interpreter_value(w.interpreter, held), base, 1e-12);
  interpreter_set(w.interpreter, x, (double[]){1, -1, 0, 5});
  double floors = -2 + 0 + 2 - 3, leaky = 0.2 - 1 + 0 + 1, absolute = -1 - 1 + 0 - 5, maxima = -1 + 0;
  ck_assert_double_eq_tol(*interpreter_value(w.interpreter, held), leaky + absolute + floors + maxima, 1e-12);
  EXPECT(&w, adjoint_of(g, held, x), 0.2 - 1, 3, 3 + 4, 0.2 - 1);
  world_free(&w);
}
END_TEST

CHECK_MAIN(.tests = {kinks, norm_at_zero, roots_and_logarithms_behind_a_choice, dropped_writes, ties_of_a_maximum_share,
                     marks_keep_the_value_that_is_asked_for, grad_inside_grad_inside_grad,
                     constants_noise_and_missing_paths, computed_subscripts_gather_and_scatter,
                     each_sample_has_its_own_gradient, every_decision_holds_still, decisions_hold_still})
