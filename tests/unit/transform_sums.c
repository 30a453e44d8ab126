/* Sums: each rule does what its row says, keeps values, and can be switched off. */
#include "graph_check.h"

static Node *reduced(Graph *g, Node *node) {
  Node *target = input(g, "target", 0, NULL);
  return transform_sums(g, (EffectList){1, &(Effect){target, node, SPAN}}).items[0].value;
}

/* A factor without summed variables leaves, through a map too, unless the sum is a matrix product; a contraction inside
   a sum stays one. */
START_TEST(factors_leave_sums) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  Node *x = input(g, "x", SHAPE(4, 5)), *s = input(g, "s", SHAPE(4)), *w = input(g, "w", SHAPE(3, 5)),
       *v = input(g, "v", SHAPE(5)), *operands[4];
  Node *scaled = map_like(g, x, divide(g, READ(g, x, at(0), at(1)), unary(g, OP_EXP, READ(g, s, at(0)))));
  Node *sum = graph_compute(g, COMBINE_SUM, 2, (int64_t[]){4, 5}, 0, ACCESS(g, at(0)), SHAPE(4), false,
                            multiply(g, READ(g, scaled, at(0), at(1)), READ(g, v, at(1))), NULL, SPAN);
  Node *bare = graph_compute(g, COMBINE_SUM, 2, (int64_t[]){4, 5}, 0, ACCESS(g, at(0)), SHAPE(4), false,
                             multiply(g, READ(g, x, at(0), at(1)), READ(g, v, at(1))), NULL, SPAN);
  sum = reduced(g, sum);
  ck_assert(node_is_map(sum));
  ck_assert_int_eq(bare->combine, COMBINE_SUM);
  ck_assert_int_eq(node_operands(sum, operands, 4), 2);
  ck_assert(operands[0] == bare || operands[1] == bare);
  Node *product = graph_compute(g, COMBINE_SUM, 3, (int64_t[]){4, 3, 5}, 0, ACCESS(g, at(0), at(1)), SHAPE(4, 3), false,
                                multiply(g, READ(g, scaled, at(0), at(2)), READ(g, w, at(1), at(2))), NULL, SPAN);
  product = reduced(g, product);
  ck_assert(product->combine == COMBINE_SUM && node_operands(product, operands, 4) == 2 &&
            (operands[0] == scaled || operands[1] == scaled));
  Node *plain = graph_compute(
      g, COMBINE_SUM, 3, (int64_t[]){4, 3, 5}, 0, ACCESS(g, at(0), at(1)), SHAPE(4, 3), false,
      multiply(g, multiply(g, READ(g, x, at(0), at(2)), READ(g, w, at(1), at(2))), unary(g, OP_EXP, READ(g, s, at(0)))),
      NULL, SPAN);
  ck_assert(node_is_map(reduced(g, plain)));
  plain = graph_compute(g, COMBINE_SUM, 3, (int64_t[]){4, 3, 5}, 0, ACCESS(g, at(0), at(1)), SHAPE(4, 3), false,
                        multiply(g, READ(g, x, at(0), at(2)), READ(g, w, at(1), at(2))), NULL, SPAN);
  Node *outer = graph_compute(g, COMBINE_SUM, 2, plain->shape, 0, ACCESS(g, at(1)), SHAPE(3), false,
                              READ(g, plain, at(0), at(1)), NULL, SPAN);
  outer = reduced(g, outer);
  ck_assert(outer->read_count == 1 && outer->reads[0] == plain);
  Node *rows = graph_compute(g, COMBINE_SUM, 2, x->shape, 0, ACCESS(g, at(0)), SHAPE(4), false,
                             READ(g, x, at(0), at(1)), NULL, SPAN);
  Node *both = total(g, rows, READ(g, rows, at(0)));
  ck_assert_ptr_eq(reduced(g, both), total(g, x, READ(g, x, at(0), at(1))));
  session_free(session);
}
END_TEST

/* Where a rewrite of a sum would show: elements that are not written, and reads that leave. */
START_TEST(sums_keep_their_zeros) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  Node *x = input(g, "x", SHAPE(3, 2)), *s = input(g, "s", 0, NULL);
  const Scalar *scaled = divide(g, all(g, x), all(g, s));
  Node *partly = graph_compute(g, COMBINE_SUM, 2, x->shape, 0, ACCESS(g, at(0)), SHAPE(4), false, scaled, NULL, SPAN);
  Node *rows = graph_compute(g, COMBINE_SUM, 2, x->shape, 0, ACCESS(g, at(0)), SHAPE(3), false,
                             unary(g, OP_EXP, all(g, x)), NULL, SPAN);
  Node *over = graph_compute(g, COMBINE_SUM, 1, (int64_t[]){5}, 0, access_new(g, 0, NULL), 0, NULL, false,
                             READ(g, rows, at(0)), NULL, SPAN);
  Interpreter *interpreter = interpreter_new(g);
  interpreter_set(interpreter, x, (double[]){0, 0, 0, 0, 0, 0});
  ck_assert_double_eq(interpreter_value(interpreter, reduced(g, over))[0], 6);
  ck_assert(isnan(interpreter_value(interpreter, reduced(g, partly))[0]));
  ck_assert_double_eq(interpreter_value(interpreter, reduced(g, partly))[3], 0);
  interpreter_free(interpreter);
  session_free(session);
}
END_TEST

/* The sum of (x - m) over the box of m = mean x: nothing, however the mean is written. */
START_TEST(deviations_sum_to_nothing) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  Node *x = graph_input(g, "x", SHAPE(4, 3, 5), true, SPAN);
  Node *inner = graph_compute(g, COMBINE_SUM, 3, x->shape, 0, ACCESS(g, at(0), at(1)), SHAPE(4, 3), true,
                              divide(g, all(g, x), number(g, 5)), NULL, SPAN);
  Node *nested = graph_compute(g, COMBINE_SUM, 2, inner->shape, 0, ACCESS(g, at(1)), SHAPE(3), false,
                               divide(g, all(g, inner), number(g, 4)), NULL, SPAN);
  Node *direct = graph_compute(g, COMBINE_SUM, 3, (int64_t[]){3, 5, 4}, 0, ACCESS(g, at(0)), SHAPE(3), false,
                               divide(g, READ(g, x, at(2), at(0), at(1)), number(g, 20)), NULL, SPAN);
  Node *means[] = {nested, direct};
  for (int i = 0; i < 2; i++) {
    Node *centred = map_like(g, x, subtract(g, all(g, x), READ(g, means[i], at(1))));
    Node *sum = graph_compute(g, COMBINE_SUM, 3, x->shape, 0, ACCESS(g, at(1)), SHAPE(3), false,
                              multiply(g, number(g, -2), all(g, centred)), NULL, SPAN);
    ck_assert_int_eq(all(g, reduced(g, sum))->op, OP_NOTHING);
    Node *part = graph_compute(g, COMBINE_SUM, 3, x->shape, 0, ACCESS(g, at(0), at(1)), SHAPE(4, 3), true,
                               all(g, centred), NULL, SPAN);
    ck_assert_int_eq(all(g, reduced(g, part))->op, OP_READ);
    Node *twice = map_like(g, x, subtract(g, all(g, x), multiply(g, number(g, 2), READ(g, means[i], at(1)))));
    sum = graph_compute(g, COMBINE_SUM, 3, x->shape, 0, ACCESS(g, at(1)), SHAPE(3), false, all(g, twice), NULL, SPAN);
    ck_assert_int_eq(all(g, reduced(g, sum))->op, OP_READ);
  }
  /* the mean of another row is not the mean */
  Node *y = input(g, "y", SHAPE(3, 5));
  Node *shifted = graph_compute(g, COMBINE_SUM, 2, y->shape, 0, ACCESS(g, affine_at(0, 1, 1)), SHAPE(4), false,
                                divide(g, all(g, y), number(g, 5)), NULL, SPAN);
  Node *sum = graph_compute(g, COMBINE_SUM, 2, y->shape, 0, ACCESS(g, at(0)), SHAPE(3), false,
                            subtract(g, all(g, y), READ(g, shifted, at(0))), NULL, SPAN);
  ck_assert_int_eq(all(g, reduced(g, sum))->op, OP_READ);
  session_free(session);
}
END_TEST

/* A sum for each rule, which that rule alone changes. */
static Node *sum_for(Graph *g, SumRule rule) {
  Node *x = input(g, "x", SHAPE(4, 5)), *w = input(g, "w", SHAPE(5, 3)), *s = input(g, "s", SHAPE(4));
  const Scalar *product = multiply(g, READ(g, x, at(0), at(2)), READ(g, w, at(2), at(1)));
  const Access *rows = ACCESS(g, at(0)), *pairs = ACCESS(g, at(0), at(1));
  Node *sums = graph_compute(g, COMBINE_SUM, 2, x->shape, 0, rows, SHAPE(4), false, all(g, x), NULL, SPAN);
  Node *mean = map_like(g, s, divide(g, all(g, sums), number(g, 5)));
  switch (rule) {
  case SUM_RULE_factors:
    return graph_compute(g, COMBINE_SUM, 2, x->shape, 0, rows, SHAPE(4), false,
                         multiply(g, all(g, x), READ(g, s, at(0))), NULL, SPAN);
  case SUM_RULE_flatten: return total(g, s, all(g, sums));
  case SUM_RULE_distribute:
    return graph_compute(g, COMBINE_SUM, 3, (int64_t[]){4, 3, 5}, 0, pairs, SHAPE(4, 3), false,
                         add(g, product, unary(g, OP_TANH, READ(g, x, at(0), at(2)))), NULL, SPAN);
  case SUM_RULE_deviations:
    return graph_compute(g, COMBINE_SUM, 2, x->shape, 0, rows, SHAPE(4), false,
                         subtract(g, all(g, x), READ(g, mean, at(0))), NULL, SPAN);
  case SUM_RULE_COUNT: break;
  }
  return NULL;
}

START_TEST(rules_are_switched_off_one_by_one) {
  for (int rule = 0; rule < SUM_RULE_COUNT; rule++)
    for (int off = -1; off < SUM_RULE_COUNT; off++) {
      Session *session = session_new();
      Graph *g = graph_new(session);
      Node *sum = sum_for(g, (SumRule)rule);
      if (off >= 0) transform_without(g, (SumRule)off);
      bool changed = reduced(g, sum) != sum;
      ck_assert_msg(changed == (off != rule), "%s without %s", sum_rule_rows[rule].name,
                    off < 0 ? "nothing" : sum_rule_rows[off].name);
      session_free(session);
    }
}
END_TEST

CHECK_MAIN(.tests = {factors_leave_sums, sums_keep_their_zeros, deviations_sum_to_nothing,
                     rules_are_switched_off_one_by_one})
