/* Random contractions out[f] += A[g] * B[h] with strides, negative coefficients, gaps and overhangs. They are bilinear,
   so orders 1 and 2 can be checked exactly: the adjoint by A, applied to any A, is the value at that A; likewise the
   adjoint by B of a number made of that adjoint. */
#include "graph_check.h"

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

CHECK_MAIN(.tests = {random_contractions, three_factors_become_pairs})
