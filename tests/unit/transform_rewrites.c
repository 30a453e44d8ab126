/* Rewrites: every row of rewrites.def fires and keeps values; the stable family sees through maps and reshapes and
   stops at marks; what must stay, stays. */
#include "graph_check.h"

#include "compiler/transform/internal.h"

typedef struct Row {
  const char *pattern, *result;
} Row;

static const Row rows[] = {
#define EXACT(pattern, result) {pattern, result},
#define STABLE(pattern, result) {pattern, result},
#include "compiler/graph/rewrites.def"
#undef EXACT
#undef STABLE
};

static double formula_value(const Formula *formula, const double *letters) {
  double argument[3] = {0};
  if (formula->op == OP_INDEX) return letters[formula->letter];
  if (formula->op == OP_CONSTANT) return formula->value;
  if (formula->op == OP_NOTHING) return 0;
  for (int k = 0; k < operation_arity(formula->op); k++) argument[k] = formula_value(formula->argument[k], letters);
  return operation_rows[formula->op].evaluate(argument[0], argument[1], argument[2]);
}

/* The row as it would be without rewrites: operations interned as they stand. */
static const Scalar *formula_as_written(Graph *g, const Formula *formula, const Bindings *bindings) {
  const Scalar *argument[3] = {NULL};
  if (formula->op == OP_INDEX) return bindings->letter[formula->letter];
  if (formula->op == OP_CONSTANT) return number(g, formula->value);
  if (formula->op == OP_NOTHING) return scalar_nothing(g);
  for (int k = 0; k < operation_arity(formula->op); k++)
    argument[k] = formula_as_written(g, formula->argument[k], bindings);
  return scalar_intern(g, formula->op, argument[0], argument[1], argument[2]);
}

START_TEST(rows_keep_values) {
  Session *session = session_new();
  Random random = {5};
  for (int r = 0; r < LENGTH(rows); r++) {
    const Formula *pattern = formula_parse(session, rows[r].pattern), *result = formula_parse(session, rows[r].result);
    for (int trial = 0; trial < 50; trial++) {
      double letters[LETTERS];
      for (int i = 0; i < LETTERS; i++) letters[i] = random_between(&random, 0.25, 2);
      letters[2] = trial % 2; /* c is a condition wherever a row has one */
      double before = formula_value(pattern, letters), after = formula_value(result, letters);
      ck_assert_msg(fabs(before - after) <= 1e-14 * fmax(1, fabs(before)), "%s: %.17g becomes %.17g", rows[r].pattern,
                    before, after);
    }
  }
  session_free(session);
}
END_TEST

START_TEST(rows_fire) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  Bindings bindings = {{NULL}};
  for (int i = 0; i < LETTERS; i++) {
    char name[2] = {(char)('a' + i), '\0'};
    bool constant = i >= 'k' - 'a' && i <= 'n' - 'a';
    bindings.letter[i] =
        constant ? number(g, 1.5 + i) : scalar_read(g, input(g, name, 0, NULL), access_new(g, 0, NULL));
  }
  for (int r = 0; r < LENGTH(rows); r++) {
    const Formula *pattern = formula_parse(session, rows[r].pattern);
    const Scalar *written = formula_as_written(g, pattern, &bindings),
                 *built = formula_build(g, NULL, pattern, &bindings);
    ck_assert_msg(built != written, "%s: nothing happens", rows[r].pattern);
    ck_assert_msg(built == formula_build(g, NULL, formula_parse(session, rows[r].result), &bindings),
                  "%s: becomes something else", rows[r].pattern);
  }
  session_free(session);
}
END_TEST

START_TEST(what_could_hide_a_nan_stays) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  const Scalar *x = scalar_read(g, input(g, "x", 0, NULL), access_new(g, 0, NULL)), *zero = number(g, 0);
  ck_assert_int_eq(multiply(g, zero, x)->op, OP_MULTIPLY);
  ck_assert_int_eq(add(g, zero, x)->op, OP_ADD);
  ck_assert_int_eq(subtract(g, x, x)->op, OP_ADD);
  ck_assert_int_eq(divide(g, x, x)->op, OP_DIVIDE);
  ck_assert_int_eq(divide(g, x, number(g, 3))->op, OP_DIVIDE);
  session_free(session);
}
END_TEST

/* log(1 - sigmoid(a)), every operation a node of its own, the sigmoid behind `way`: finite where the naive form is
   not. */
typedef enum Way { MAP, SCALAR_MAP, RESHAPE, FLATTEN, MARK, WAYS } Way;

static Node *behind(Graph *g, Node *a, Way way) {
  Node *sigmoid = map_like(g, a, unary(g, OP_SIGMOID, all(g, a)));
  switch (way) {
  case SCALAR_MAP: return graph_map(g, SHAPE(6), true, READ(g, sigmoid, at(0), constant_at(0), constant_at(0)), SPAN);
  case RESHAPE: return graph_reshape(g, sigmoid, SHAPE(6), SPAN);
  case FLATTEN: return graph_reshape(g, graph_reshape(g, sigmoid, SHAPE(6, 1), SPAN), SHAPE(6, 1, 1, 1), SPAN);
  case MARK: return graph_mark(g, sigmoid, SPAN);
  default: return sigmoid;
  }
}

START_TEST(the_stable_family_sees_through) {
  for (int way = 0; way < WAYS; way++) {
    Session *session = session_new();
    Graph *g = graph_new(session);
    Node *a = graph_input(g, "a", SHAPE(6, 1, 1), true, SPAN), *target = input(g, "target", 0, NULL);
    Node *d = behind(g, a, (Way)way), *rest = map_like(g, d, subtract(g, number(g, 1), all(g, d)));
    Node *mean = total(g, rest, unary(g, OP_LOG, all(g, rest)));
    EffectList effects = {1, &(Effect){target, mean, SPAN}};
    Interpreter *interpreter = interpreter_new(g);
    interpreter_set(interpreter, a, (double[]){50, 60, 70, 0, 1, 2});
    double early = *interpreter_value(interpreter, mean);
    ck_assert_msg(isfinite(early) == (way != MARK), "way %d: %g", way, early);
    effects = transform_differentiate(g, effects); /* marks go, and so does what they held back */
    double late = *interpreter_value(interpreter, effects.items[0].value);
    ck_assert_msg(fabs(late - -(180 + log(2) + log1p(exp(1)) + log1p(exp(2)))) < 1e-12, "way %d: %g", way, late);
    interpreter_free(interpreter);
    session_free(session);
  }
}
END_TEST

/* softmax, then log: the exponentials cancel though each stands in a node of its own. */
START_TEST(log_softmax) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  Node *a = input(g, "a", SHAPE(2, 3));
  Node *top =
      graph_compute(g, COMBINE_MAXIMUM, 2, a->shape, 0, ACCESS(g, at(0)), SHAPE(2), false, all(g, a), NULL, SPAN);
  Node *e = map_like(g, a, unary(g, OP_EXP, subtract(g, all(g, a), READ(g, top, at(0)))));
  Node *z = graph_compute(g, COMBINE_SUM, 2, a->shape, 0, ACCESS(g, at(0)), SHAPE(2), false, all(g, e), NULL, SPAN);
  Node *p = map_like(g, a, divide(g, all(g, e), READ(g, z, at(0)))), *l = map_like(g, a, unary(g, OP_LOG, all(g, p)));
  Interpreter *interpreter = interpreter_new(g);
  interpreter_set(interpreter, a, (double[]){0, 1000, 2000, 1, 2, 3});
  const double *values = interpreter_value(interpreter, l);
  ck_assert_double_eq(values[0], -2000);
  ck_assert_double_eq(values[1], -1000);
  ck_assert_double_eq_tol(values[5], -log1p(exp(-1) + exp(-2)), 1e-15);
  interpreter_free(interpreter);
  session_free(session);
}
END_TEST

/* A read that leaves its map is 0, not what the map would say there. */
START_TEST(overhanging_reads_are_not_seen_through) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  Node *a = input(g, "a", SHAPE(3)), *e = map_like(g, a, unary(g, OP_EXP, all(g, a)));
  Node *l = graph_map(g, SHAPE(4), false, unary(g, OP_LOG, READ(g, e, at(0))), SPAN),
       *one = graph_map(g, SHAPE(3), false, number(g, 1), SPAN);
  Node *border = graph_map(g, SHAPE(5), false, READ(g, one, affine_at(0, 1, -1)), SPAN);
  Interpreter *interpreter = interpreter_new(g);
  interpreter_set(interpreter, a, (double[]){1, 2, 3});
  const double *values = interpreter_value(interpreter, l), *ring = interpreter_value(interpreter, border);
  ck_assert_double_eq_tol(values[2], 3, 1e-15);
  ck_assert(isinf(values[3]));
  ck_assert(ring[0] == 0 && ring[1] == 1 && ring[3] == 1 && ring[4] == 0);
  interpreter_free(interpreter);
  session_free(session);
}
END_TEST

CHECK_MAIN(.tests = {rows_keep_values, rows_fire, what_could_hide_a_nan_stays, the_stable_family_sees_through,
                     log_softmax, overhanging_reads_are_not_seen_through})
