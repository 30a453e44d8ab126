/* Random contractions out[f] += A[g] * B[h] with strides, negative coefficients, gaps and overhangs. They are bilinear,
   so orders 1 and 2 can be checked exactly: the adjoint by A, applied to any A, is the value at that A; likewise the
   adjoint by B of a number made of that adjoint. Then those of graph_contractions.h, the same way where they are linear
   in every factor; against differences; and against themselves after all passes. */
#include "graph_contraction_nodes.h"

/* Wild ones mostly miss their tensor; tame ones mostly hit it. */
static Coordinate random_coordinate(Random *random, int variables, bool wild) {
  static const int64_t coefficients[] = {1, 1, 2, -1, -2, 3, -3, 4, 6};
  Coordinate c = constant_at(wild ? random_integer(random, -3, 3) : random_integer(random, 0, 1));
  int terms = (int)random_integer(random, 1, wild ? 3 : 2);
  for (int t = 0; t < terms; t++)
    c = sum_at(c, affine_at((int)random_integer(random, 0, variables - 1),
                            coefficients[random_integer(random, 0, wild ? LENGTH(coefficients) - 1 : 3)], 0));
  return c;
}

static Node *paired(Graph *g, Node *a, Node *b) {
  return a == NULL || b == NULL ? graph_map(g, 0, NULL, false, number(g, 0), SPAN)
                                : total(g, b, multiply(g, all(g, a), all(g, b)));
}

static double evaluate(Interpreter *interpreter, Node *node) { return *interpreter_value(interpreter, node); }

#define ASSERT_NEAR(a, b, trial) ck_assert_msg(fabs((a) - (b)) < 1e-9, "trial %d: %.12g is not %.12g", trial, a, b)

START_TEST(random_contractions) {
  Random random = {2};
  int moved = 0;
  for (int trial = 0; trial < 600; trial++) {
    Session *session = session_new();
    Graph *g = graph_new(session);
    int variables = (int)random_integer(&random, 2, 4), rank = (int)random_integer(&random, 1, 2);
    int64_t box[4], shape[2];
    Coordinate f[2], ga[2], hb[2];
    for (int v = 0; v < variables; v++) box[v] = random_integer(&random, 1, 4);
    for (int d = 0; d < 2; d++) {
      shape[d] = random_integer(&random, 3, 14);
      f[d] = random_coordinate(&random, variables, trial % 3 == 0);
      ga[d] = random_coordinate(&random, variables, trial % 3 == 0);
      hb[d] = random_coordinate(&random, variables, trial % 3 == 0);
    }
    Node *a = input(g, "A", SHAPE(random_integer(&random, 2, 6), random_integer(&random, 2, 6)));
    Node *b = input(g, "B", SHAPE(random_integer(&random, 2, 6), random_integer(&random, 2, 6)));
    Node *seed = input(g, "seed", rank, shape), *direction = input(g, "direction", 2, a->shape),
         *other = input(g, "other", 2, b->shape);
    const Scalar *value = multiply(g, scalar_read(g, a, access_new(g, 2, ga)), scalar_read(g, b, access_new(g, 2, hb)));
    Node *y =
        graph_compute(g, COMBINE_SUM, variables, box, 0, access_new(g, rank, f), rank, shape, false, value, NULL, SPAN);
    Node *first = paired(g, y, seed), *by_a = NULL, *by[2] = {NULL};
    transform_adjoint(g, first, 1, &a, &by_a);
    Node *second = paired(g, by_a, direction);
    transform_adjoint(g, second, 2, (Node *[]){b, seed}, by);

    Interpreter *interpreter = interpreter_new(g);
    double *base = random_values(&random, a, -1, 1), *turn = random_values(&random, a, -1, 1),
           *base_b = random_values(&random, b, -1, 1), *turn_b = random_values(&random, b, -1, 1);
    interpreter_set(interpreter, a, base);
    interpreter_set(interpreter, b, base_b);
    interpreter_set(interpreter, direction, turn);
    interpreter_set(interpreter, other, turn_b);
    set_random(interpreter, &random, seed, -1, 1);
    double at_direction = evaluate(interpreter, second), along_b = evaluate(interpreter, paired(g, by[0], other)),
           along_seed = evaluate(interpreter, paired(g, by[1], seed));
    ASSERT_NEAR(evaluate(interpreter, paired(g, by_a, a)), evaluate(interpreter, first), trial);
    ASSERT_NEAR(along_seed, at_direction, trial);
    interpreter_set(interpreter, a, turn);
    ASSERT_NEAR(evaluate(interpreter, first), at_direction, trial);
    interpreter_set(interpreter, b, turn_b);
    ASSERT_NEAR(evaluate(interpreter, second), along_b, trial);
    moved += fabs(along_b) > 1e-6;
    EffectList effects = {2, (Effect[]){{direction, by_a == NULL ? direction : by_a, SPAN},
                                        {other, by[0] == NULL ? other : by[0], SPAN}}};
    ck_assert(graph_verify(g, &effects, "adjoint"));
    free(base), free(turn), free(base_b), free(turn_b);
    interpreter_free(interpreter);
    session_free(session);
  }
  ck_assert_int_gt(moved, 200);
}
END_TEST

/* ---- convolutions in up to three dimensions, and their relations ------------------------------------------------- */

typedef struct Trial {
  int number;
  Contraction contraction;
  Session *session;
  Graph *g;
  Interpreter *interpreter;
  Contracted made;
  Node *seed, *first; /* a sum of the result times seed */
} Trial;

static Trial trial_new(int number, Random *random, const Contraction *contraction) {
  Trial t = {.number = number, .contraction = *contraction, .session = session_new()};
  t.g = graph_new(t.session);
  t.interpreter = interpreter_new(t.g);
  t.made = contraction_build(t.g, contraction);
  t.seed = input_like(t.g, "seed", t.made.result);
  t.first = paired(t.g, t.made.result, t.seed);
  for (int k = 0; k < t.made.operand_count; k++) set_random(t.interpreter, random, t.made.operands[k], -1, 1);
  set_random(t.interpreter, random, t.seed, -1, 1);
  return t;
}

static void trial_free(Trial *t) {
  interpreter_free(t->interpreter);
  session_free(t->session);
}

static void expect_near(const Trial *t, double a, double b, const char *what) {
  if (fabs(a - b) < 1e-10 * fmax(1, fabs(b))) return;
  contraction_print(&t->contraction, stderr);
  ck_abort_msg("trial %d: %s: %.12g is not %.12g", t->number, what, a, b);
}

static Contraction linear_contraction(Random *random) {
  Contraction c = contraction_draw(random, 1200);
  c.combine = COMBINE_SUM, c.epilogue = MAKE_PLAIN;
  for (int p = 0; p < PART_COUNT; p++) c.prologue[p] = READ_PLAIN;
  return c;
}

/* The adjoint by each factor, times that factor, is the value; that by the first one, times any direction, is the value
   there, and so is all this of that number. */
START_TEST(convolutions_are_linear_in_each_factor) {
  Random random = {5};
  int moved = 0, deep = 0;
  for (int number = 0; number < 400; number++) {
    Contraction contraction = linear_contraction(&random);
    Trial trial = trial_new(number, &random, &contraction), *t = &trial;
    Node **factors = t->made.factors, *by[FACTORS] = {NULL}, *again[FACTORS + 1] = {NULL};
    int count = t->made.factor_count;
    Node *direction = input_like(t->g, "direction", factors[0]);
    double *turn = random_values(&random, direction, -1, 1);
    interpreter_set(t->interpreter, direction, turn);
    transform_adjoint(t->g, t->first, count, factors, by);
    double value = evaluate(t->interpreter, t->first);
    for (int f = 0; f < count; f++)
      expect_near(t, evaluate(t->interpreter, paired(t->g, by[f], factors[f])), value, "first order");
    Node *second = paired(t->g, by[0], direction), *at[FACTORS + 1] = {t->seed};
    for (int f = 1; f < count; f++) at[f] = factors[f];
    transform_adjoint(t->g, second, count, at, again);
    double turned = evaluate(t->interpreter, second);
    for (int f = 0; f < count; f++)
      expect_near(t, evaluate(t->interpreter, paired(t->g, again[f], at[f])), turned, "second order");
    interpreter_set(t->interpreter, factors[0], turn);
    expect_near(t, evaluate(t->interpreter, t->first), turned, "another factor");
    free(turn);
    moved += fabs(turned) > 1e-6, deep += contraction.dimensions == 3;
    trial_free(t);
  }
  ck_assert_int_gt(moved, 320);
  ck_assert_int_gt(deep, 80);
}
END_TEST

/* With all that may stand before and after them, without kinks: orders 1 and 2 against differences. */
START_TEST(convolutions_against_differences) {
  Random random = {6};
  for (int number = 0; number < 150; number++) {
    Contraction contraction = contraction_draw(&random, 150);
    contraction.combine = COMBINE_SUM;
    for (int p = 0; p < PART_COUNT; p++)
      if (contraction.prologue[p] == READ_RELU || contraction.prologue[p] == READ_LEAKY)
        contraction.prologue[p] = READ_TANH;
    if (contraction.epilogue == MAKE_RELU || contraction.epilogue == MAKE_LEAKY) contraction.epilogue = MAKE_TANH;
    Trial t = trial_new(number, &random, &contraction);
    Variables variables = {0};
    for (int k = 0; k < t.made.operand_count && variables.count < LENGTH(variables.node); k++)
      variables_add(&variables, &random, t.made.operands[k], -1, 1);
    variables_place(&variables, t.interpreter, 0);
    double error = derivative_error(t.g, t.first, &variables, t.interpreter, 2);
    if (!(error < 1e-5)) contraction_print(&contraction, stderr);
    ck_assert_msg(error < 1e-5, "trial %d: relative error %g", number, error);
    variables_free(&variables);
    trial_free(&t);
  }
}
END_TEST

/* ‖a − b‖, as a part of ‖b‖ or of 1. */
static double values_apart(Interpreter *interpreter, Node *a, Node *b) {
  double difference = 0, norm = 1;
  for (int64_t i = 0; i < node_size(a); i++) {
    double x = interpreter_value(interpreter, a)[i], y = interpreter_value(interpreter, b)[i];
    difference += (x - y) * (x - y), norm += y * y;
  }
  return sqrt(difference / norm);
}

/* The derivative of the factors along directions, from gradients. */
static Node *along(Trial *t, Node *const *gradients, Node *const *directions) {
  const Scalar *sum = number(t->g, 0);
  for (int f = 0; f < t->made.factor_count; f++)
    sum = add(t->g, sum, number_at(t->g, paired(t->g, gradients[f], directions[f])));
  return graph_map(t->g, 0, NULL, false, sum, SPAN);
}

static void grads_by_factors(Trial *t, Node *of, Node **gradients) {
  for (int f = 0; f < t->made.factor_count; f++) gradients[f] = graph_grad(t->g, of, t->made.factors[f], SPAN);
}

/* Every gradient and every gradient of a sum of gradients: as they are written out one by one, and after the passes. */
START_TEST(passes_leave_convolutions_alone) {
  Random random = {7};
  for (int trial = 0; trial < 500; trial++) {
    Contraction contraction = contraction_draw(&random, 1000);
    Trial t = trial_new(trial, &random, &contraction);
    Node **factors = t.made.factors, *directions[FACTORS], *plain[2][FACTORS] = {{NULL}}, *written[2][FACTORS];
    int count = t.made.factor_count;
    for (int f = 0; f < count; f++) {
      directions[f] = input_like(t.g, session_format(t.session, "direction%d", f), factors[f]);
      set_random(t.interpreter, &random, directions[f], -1, 1);
    }
    transform_adjoint(t.g, t.first, count, factors, plain[0]);
    transform_adjoint(t.g, along(&t, plain[0], directions), count, factors, plain[1]);
    grads_by_factors(&t, t.first, written[0]);
    grads_by_factors(&t, along(&t, written[0], directions), written[1]);
    Effect items[2 * FACTORS];
    for (int k = 0; k < 2 * count; k++) {
      Node *gradient = written[k / count][k % count];
      items[k] = (Effect){input_like(t.g, session_format(t.session, "out%d", k), gradient), gradient, SPAN};
    }
    EffectList after = transform_normalise(t.g, transform_sums(t.g, (EffectList){2 * count, items}));
    after = transform_simplify(t.g, transform_differentiate(t.g, after));
    ck_assert(graph_verify(t.g, &after, "simplify"));
    for (int k = 0; k < 2 * count; k++) {
      Node *expected = plain[k / count][k % count];
      if (expected == NULL) expected = map_like(t.g, factors[k % count], number(t.g, 0));
      double apart = values_apart(t.interpreter, after.items[k].value, expected);
      if (!(apart < 1e-10)) contraction_print(&contraction, stderr);
      ck_assert_msg(apart < 1e-10, "trial %d: derivative %d is %g away", trial, k, apart);
    }
    trial_free(&t);
  }
}
END_TEST

/* Three factors: normalise leaves values alone and no product of three; orders 1 and 2 stay right. A modulated
   convolution of one dimension. */
START_TEST(three_factors_become_pairs) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  Random random = {3};
  Node *x = input(g, "x", SHAPE(3, 4, 7)), *w = input(g, "w", SHAPE(5, 4, 3)), *s = input(g, "s", SHAPE(3, 4)),
       *u = input(g, "u", SHAPE(3, 5, 5));
  const Scalar *value =
      multiply(g, multiply(g, READ(g, x, at(0), at(3), sum_at(at(2), at(4))), READ(g, w, at(1), at(3), at(4))),
               READ(g, s, at(0), at(3)));
  Node *y = graph_compute(g, COMBINE_SUM, 5, (int64_t[]){3, 5, 5, 4, 3}, 0, ACCESS(g, at(0), at(1), at(2)),
                          SHAPE(3, 5, 5), false, value, NULL, SPAN);
  Node *number_of = paired(g, map_like(g, u, multiply(g, all(g, y), all(g, y))), u),
       *target = input(g, "target", 0, NULL);
  EffectList before = {1, &(Effect){target, number_of, SPAN}}, after = transform_normalise(g, before);
  ck_assert(graph_verify(g, &after, "normalise"));
  ck_assert_ptr_ne(after.items[0].value, number_of);
  Interpreter *interpreter = interpreter_new(g);
  Variables variables = {0};
  variables_add(&variables, &random, x, -1, 1);
  variables_add(&variables, &random, w, -1, 1);
  variables_add(&variables, &random, s, -1, 1);
  set_random(interpreter, &random, u, -1, 1);
  variables_place(&variables, interpreter, 0);
  ASSERT_NEAR(evaluate(interpreter, number_of), evaluate(interpreter, after.items[0].value), 0);
  double error = derivative_error(g, after.items[0].value, &variables, interpreter, 2);
  ck_assert_msg(error < 1e-6, "relative error %g", error);
  variables_free(&variables);
  interpreter_free(interpreter);
  session_free(session);
}
END_TEST

CHECK_MAIN(.tests = {random_contractions, convolutions_are_linear_in_each_factor, convolutions_against_differences,
                     passes_leave_convolutions_alone, three_factors_become_pairs})
