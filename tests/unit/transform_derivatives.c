/* Every row of operations.def: its derivative to order 3 against differences, on odd shapes; and every such row made
   wrong, which the same check must see. */
#include "graph_check.h"

/* Keeps what is drawn away from kinks: integers, zero, and equal arguments. */
static double draw_argument(Random *random, Operation op, double other) {
  const OperationRow *row = &operation_rows[op];
  for (;;) {
    double value = random_between(random, row->low, row->high);
    bool near_integer = fabs(value - rint(value)) < 0.05 || fabs(value - floor(value) - 0.5) < 0.05;
    if (!near_integer && fabs(value - other) > 0.05) return value;
  }
}

/* The error of a sum over op(a, b, c) * weight, orders 1 to 3. */
static double row_error(Operation op, Operation broken) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  transform_break_derivative(g, broken);
  Random random = {1000 + (uint64_t)op};
  Interpreter *interpreter = interpreter_new(g);
  Variables variables = {0};
  const Scalar *argument[3] = {NULL};
  static const char *const names[] = {"a", "b", "c"};
  for (int k = 0; k < operation_arity(op); k++) {
    Node *node = input(g, names[k], SHAPE(3, 1, 5));
    variables_add(&variables, &random, node, 0, 1);
    for (int64_t i = 0; i < node_size(node); i++) {
      variables.value[k][i] = draw_argument(&random, op, k == 0 ? INFINITY : variables.value[k - 1][i]);
      if (op == OP_MODULO && k == 1) variables.speed[k][i] = 0; /* by the second argument it is nothing, by decision */
      if (op != OP_SELECT || k > 0) continue;
      variables.value[k][i] = (double)(i % 2); /* a condition does not move */
      variables.speed[k][i] = 0;
    }
    argument[k] = all(g, node);
  }
  Node *weight = input(g, "weight", SHAPE(3, 1, 5));
  set_random(interpreter, &random, weight, 0.5, 1);
  Node *of = total(g, weight, multiply(g, all(g, weight), scalar_apply(g, op, argument[0], argument[1], argument[2])));
  double error = derivative_error(g, of, &variables, interpreter, 3);
  variables_free(&variables);
  interpreter_free(interpreter);
  session_free(session);
  return error;
}

START_TEST(rows_to_order_three) {
  for (int op = 0; op < OP_COUNT; op++) {
    double error = row_error((Operation)op, OP_COUNT);
    ck_assert_msg(error < 1e-5, "%s: relative error %g", operation_rows[op].name, error);
  }
}
END_TEST

/* Rows whose derivative is nothing cannot be made wrong by a factor. */
static bool has_derivative(Operation op) {
  switch (op) {
  case OP_SIGN:
  case OP_FLOOR:
  case OP_CEILING:
  case OP_ROUND:
  case OP_LESS:
  case OP_LESS_EQUAL:
  case OP_EQUAL:
  case OP_AND:
  case OP_OR:
  case OP_NOT: return false;
  default: return true;
  }
}

START_TEST(mutants_are_seen) {
  for (int op = 0; op < OP_COUNT; op++) {
    double error = row_error((Operation)op, (Operation)op);
    ck_assert_msg((error > 1e-3) == has_derivative((Operation)op), "%s: a wrong derivative gives the relative error %g",
                  operation_rows[op].name, error);
  }
}
END_TEST

CHECK_MAIN(.tests = {rows_to_order_three, mutants_are_seen})
