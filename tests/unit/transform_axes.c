/* `//` and `%` in subscripts become axes: what grouped convolutions, upsampling, pixel shuffles and their like read and
   write has affine coordinates alone after the pass, at orders 0, 1 and 2; numbers stay, in the interpreter and
   natively; what cannot be split exactly stays computed. */
#include "graph_check.h"
#include "schedule_run.h"

/* ---- subscripts that divide -------------------------------------------------------------------------------------- */

static const Scalar *scalar_of(Graph *g, Coordinate c) {
  const Scalar *sum =
      c.computed == NULL ? number(g, (double)c.constant) : add(g, c.computed, number(g, (double)c.constant));
  for (int t = 0; t < c.term_count; t++)
    sum = add(g, sum, multiply(g, number(g, (double)c.terms[t].coefficient), scalar_index(g, c.terms[t].variable)));
  return sum;
}

static Coordinate computed_at(const Scalar *scalar) { return (Coordinate){.computed = scalar}; }

/* scale * (c // m) + rest */
static Coordinate over(Graph *g, Coordinate c, int64_t m, int64_t scale, Coordinate rest) {
  const Scalar *quotient = unary(g, OP_FLOOR, divide(g, scalar_of(g, c), number(g, (double)m)));
  return computed_at(add(g, multiply(g, number(g, (double)scale), quotient), scalar_of(g, rest)));
}

/* scale * (c % m) + rest */
static Coordinate modulo(Graph *g, Coordinate c, int64_t m, int64_t scale, Coordinate rest) {
  const Scalar *remainder = binary(g, OP_MODULO, scalar_of(g, c), number(g, (double)m));
  return computed_at(add(g, multiply(g, number(g, (double)scale), remainder), scalar_of(g, rest)));
}

static Coordinate quotient(Graph *g, Coordinate c, int64_t m) { return over(g, c, m, 1, constant_at(0)); }
static Coordinate remainder_at(Graph *g, Coordinate c, int64_t m) { return modulo(g, c, m, 1, constant_at(0)); }

static Node *batch_input(Graph *g, const char *name, int rank, const int64_t *shape) {
  return graph_input(g, name, rank, shape, true, SPAN);
}

/* ---- the kinds --------------------------------------------------------------------------------------------------- */

typedef struct Kind {
  const char *name;
  Node *(*build)(Graph *g, Node **x, Node **w); /* w: NULL where there is none */
  int stores; /* of all programs of order 0, and one more; 0: not counted. Digits are loops, not a class for each */
} Kind;

static Node *convolution(Graph *g, Node **x, Node **w, int64_t groups, int64_t outputs, int64_t inputs) {
  *x = batch_input(g, "x", SHAPE(3, groups * inputs, 5, 4));
  *w = input(g, "w", SHAPE(groups * outputs, inputs, 3, 3));
  const Scalar *picture = READ(g, *x, at(0), over(g, at(1), outputs, inputs, at(4)), sum_at(at(2), affine_at(5, 1, -1)),
                               sum_at(at(3), affine_at(6, 1, -1)));
  const Scalar *value = multiply(g, picture, READ(g, *w, at(1), at(4), at(5), at(6)));
  return graph_compute(g, COMBINE_SUM, 7, (int64_t[]){3, groups * outputs, 5, 4, inputs, 3, 3}, 1,
                       ACCESS(g, at(0), at(1), at(2), at(3)), SHAPE(3, groups * outputs, 5, 4), true, value, NULL,
                       SPAN);
}
static Node *grouped(Graph *g, Node **x, Node **w) { return convolution(g, x, w, 3, 2, 4); }
static Node *depthwise(Graph *g, Node **x, Node **w) { return convolution(g, x, w, 4, 3, 1); }
static Node *many_groups(Graph *g, Node **x, Node **w) { return convolution(g, x, w, 2, 70, 2); }

static Node *upsampling(Graph *g, Node **x, int64_t m, int64_t height, int64_t width) {
  *x = batch_input(g, "x", SHAPE(3, 2, (height + m - 1) / m, (width + m - 1) / m));
  return graph_map(g, 4, (int64_t[]){3, 2, height, width}, true,
                   READ(g, *x, at(0), at(1), quotient(g, at(2), m), quotient(g, at(3), m)), SPAN);
}
static Node *doubled(Graph *g, Node **x, Node **w) { return *w = NULL, upsampling(g, x, 2, 6, 8); }
static Node *tripled(Graph *g, Node **x, Node **w) { return *w = NULL, upsampling(g, x, 3, 9, 6); }
static Node *odd_doubled(Graph *g, Node **x, Node **w) { return *w = NULL, upsampling(g, x, 2, 5, 7); }
static Node *mapped_again(Graph *g, Node **x, Node **w) { /* large enough for a program of its own */
  *x = batch_input(g, "x", SHAPE(3, 16, 16, 16)), *w = NULL;
  Coordinate row = quotient(g, at(2), 2), column = quotient(g, at(3), 2);
  Node *h =
      graph_map(g, 4, (int64_t[]){3, 16, 32, 32}, true, unary(g, OP_EXP, READ(g, *x, at(0), at(1), row, column)), SPAN);
  return map_like(g, h, multiply(g, all(g, h), add(g, all(g, h), number(g, 1))));
}

static Node *pixel_shuffle(Graph *g, Node **x, Node **w) {
  *x = batch_input(g, "x", SHAPE(3, 12, 2, 4)), *w = NULL;
  Coordinate channel = modulo(g, at(3), 2, 1, modulo(g, at(2), 2, 2, affine_at(1, 4, 0)));
  return graph_map(g, 4, (int64_t[]){3, 3, 4, 8}, true,
                   READ(g, *x, at(0), channel, quotient(g, at(2), 2), quotient(g, at(3), 2)), SPAN);
}
static Node *space_to_depth(Graph *g, Node **x, Node **w) {
  *x = batch_input(g, "x", SHAPE(3, 2, 6, 4)), *w = NULL;
  return graph_map(g, 4, (int64_t[]){3, 8, 3, 2}, true,
                   READ(g, *x, at(0), quotient(g, at(1), 4),
                        over(g, remainder_at(g, at(1), 4), 2, 1, affine_at(2, 2, 0)),
                        modulo(g, at(1), 2, 1, affine_at(3, 2, 0))),
                   SPAN);
}
static Node *chain(Graph *g, Node **x, Node **w) {
  *x = input(g, "x", SHAPE(6, 2)), *w = input(g, "w", SHAPE(8, 3));
  const Scalar *value = multiply(g, READ(g, *x, quotient(g, at(0), 4), remainder_at(g, quotient(g, at(0), 2), 2)),
                                 READ(g, *w, remainder_at(g, at(0), 8), quotient(g, at(0), 8)));
  return graph_map(g, 1, (int64_t[]){24}, false, value, SPAN);
}
static Node *odd_chain(Graph *g, Node **x, Node **w) {
  *x = input(g, "x", SHAPE(4)), *w = input(g, "w", SHAPE(7));
  const Scalar *value = multiply(g, READ(g, *x, quotient(g, at(0), 4)), READ(g, *w, quotient(g, at(0), 2)));
  return graph_map(g, 1, (int64_t[]){13}, false, value, SPAN);
}
static Node *shifted(Graph *g, Node **x, Node **w) {
  *x = input(g, "x", SHAPE(4)), *w = input(g, "w", SHAPE(3));
  const Scalar *value =
      multiply(g, READ(g, *x, quotient(g, affine_at(0, 1, 2), 3)), READ(g, *w, remainder_at(g, affine_at(0, 1, 2), 3)));
  return graph_map(g, 1, (int64_t[]){10}, false, value, SPAN);
}
static Node *behind(Graph *g, Node **x, Node **w) { /* counted from the end: -i // 2, and 3*i // 2 */
  *x = input(g, "x", SHAPE(5)), *w = input(g, "w", SHAPE(14));
  const Scalar *value = multiply(g, READ(g, *x, over(g, affine_at(0, -1, 0), 2, 1, constant_at(4))),
                                 READ(g, *w, quotient(g, affine_at(0, 3, 0), 2)));
  return graph_map(g, 1, (int64_t[]){9}, false, value, SPAN);
}
static Node *summed(Graph *g, Node **x, Node **w) { /* places beyond the end must add nothing */
  *x = input(g, "x", SHAPE(3, 5)), *w = input(g, "w", SHAPE(4, 8));
  const Scalar *value =
      multiply(g, READ(g, *x, at(0), quotient(g, at(1), 2)), unary(g, OP_EXP, READ(g, *w, at(0), affine_at(1, 1, 1))));
  return graph_compute(g, COMBINE_SUM, 2, (int64_t[]){3, 7}, 0, ACCESS(g, at(0)), SHAPE(3), false, value, NULL, SPAN);
}
static Node *summed_product(Graph *g, Node **x, Node **w) {
  *x = input(g, "x", SHAPE(4, 3)), *w = input(g, "w", SHAPE(9, 5));
  const Scalar *value = multiply(g, READ(g, *x, quotient(g, affine_at(2, 1, 1), 2), at(0)), READ(g, *w, at(2), at(1)));
  return graph_compute(g, COMBINE_SUM, 3, (int64_t[]){3, 5, 7}, 0, ACCESS(g, at(0), at(1)), SHAPE(3, 5), false, value,
                       NULL, SPAN);
}
static Node *group_sums(Graph *g, Node **x, Node **w) {
  *x = batch_input(g, "x", SHAPE(3, 6, 5)), *w = input(g, "w", SHAPE(3));
  const Scalar *squares = multiply(g, all(g, *x), READ(g, *x, at(0), at(1), at(2)));
  Node *sums = graph_compute(g, COMBINE_SUM, 3, (*x)->shape, 1, ACCESS(g, at(0), quotient(g, at(1), 2)), SHAPE(3, 3),
                             true, squares, NULL, SPAN);
  Coordinate group = quotient(g, at(1), 2);
  const Scalar *scale = multiply(g, READ(g, sums, at(0), group), READ(g, *w, group));
  return graph_map(g, 3, (*x)->shape, true, multiply(g, all(g, *x), scale), SPAN);
}
static Node *group_maxima(Graph *g, Node **x, Node **w) {
  *x = batch_input(g, "x", SHAPE(3, 8, 2)), *w = NULL;
  return graph_compute(g, COMBINE_MAXIMUM, 3, (*x)->shape, 1, ACCESS(g, at(0), quotient(g, at(1), 4)), SHAPE(3, 2),
                       true, all(g, *x), NULL, SPAN);
}
static Node *across_axes(Graph *g, Node **x, Node **w) { /* the number 4*i + j, divided by what divides 4 */
  *x = input(g, "x", SHAPE(10, 2)), *w = NULL;
  Coordinate number_of = sum_at(affine_at(0, 4, 0), at(1));
  return graph_map(g, 2, (int64_t[]){5, 4}, false,
                   READ(g, *x, quotient(g, number_of, 2), remainder_at(g, number_of, 2)), SPAN);
}

static const Kind kinds[] = {
    {"grouped convolution", grouped, 1},
    {"depthwise convolution", depthwise, 1},
    {"many outputs a group", many_groups, 1},
    {"upsampling by 2", doubled, 1},
    {"upsampling by 3", tripled, 1},
    {"upsampling to odd sizes", odd_doubled, 0},
    {"a map of what was upsampled", mapped_again, 2},
    {"pixel shuffle", pixel_shuffle, 1},
    {"space to depth", space_to_depth, 1},
    {"a chain of divisors", chain, 1},
    {"a chain that does not fill", odd_chain, 0},
    {"shifted", shifted, 0},
    {"from the end", behind, 0},
    {"summed beyond the end", summed, 1},
    {"a product summed beyond both ends", summed_product, 1},
    {"sums of groups", group_sums, 0},
    {"maxima of groups", group_maxima, 1},
    {"across two axes", across_axes, 1},
};

/* ---- computed coordinates ---------------------------------------------------------------------------------------- */

static int computed_of(const Access *access) {
  int count = 0;
  for (int d = 0; d < access->rank; d++) count += access->coordinates[d].computed != NULL;
  return count;
}

static void count_read(void *context, const Scalar *read) { *(int *)context += computed_of(read->access); }

static void count_node(void *context, Node *node) {
  if (node->kind != NODE_COMPUTE) return;
  *(int *)context += computed_of(node->write);
  scalar_reads(node->value, count_read, context);
}

static int computed_count(Graph *g, EffectList effects) {
  int count = 0;
  graph_walk(g, &effects, count_node, &count);
  return count;
}

/* ---- orders 0, 1 and 2 ------------------------------------------------------------------------------------------- */

enum { ORDERS = 3, EFFECT_LIMIT = 5 };

static Node *likeness(Graph *g, const char *name, const Node *node) {
  char text[32];
  snprintf(text, sizeof text, "%s%d", name, node->id);
  return graph_input(g, text, node->rank, node->shape, node->batch, SPAN);
}

static void add_effect(Graph *g, EffectList *effects, Node *value) {
  if (value == NULL) return;
  effects->items[effects->count++] = (Effect){likeness(g, "out", value), value, SPAN};
}

/* y; the adjoints by x and w of Σ seed*y²; theirs of the sum of these, each along a direction. */
static void orders_of(Graph *g, const Kind *kind, EffectList *effects) {
  Node *at_[2] = {NULL}, *by[2] = {NULL}, *again[2] = {NULL};
  Node *y = kind->build(g, &at_[0], &at_[1]);
  int count = at_[1] == NULL ? 1 : 2;
  const Scalar *sum = number(g, 0), *value = all(g, y);
  Node *first = total(g, y, multiply(g, all(g, likeness(g, "seed", y)), multiply(g, value, value)));
  transform_adjoint(g, first, count, at_, by);
  for (int k = 0; k < count; k++) {
    Node *part = total(g, by[k], multiply(g, all(g, by[k]), all(g, likeness(g, "direction", at_[k]))));
    sum = add(g, sum, scalar_read(g, part, access_new(g, 0, NULL)));
  }
  transform_adjoint(g, graph_map(g, 0, NULL, false, sum, SPAN), count, at_, again);
  add_effect(g, &effects[0], y);
  for (int k = 0; k < count; k++) add_effect(g, &effects[1], by[k]), add_effect(g, &effects[2], again[k]);
}

typedef struct Numbers {
  Random random;
  Interpreter *interpreter;
  NativeRun *run;
} Numbers;

static void set_numbers(void *context, Node *node) {
  Numbers *numbers = context;
  if (node->kind != NODE_INPUT) return;
  double *values = random_values(&numbers->random, node, -1, 1);
  if (numbers->run != NULL) both_set(numbers->run, numbers->interpreter, node, values);
  else interpreter_set(numbers->interpreter, node, values);
  free(values);
}

static double apart(Interpreter *interpreter, Node *a, Node *b) {
  double *kept = malloc(((size_t)node_size(a) + 1) * sizeof *kept);
  memcpy(kept, interpreter_value(interpreter, a), (size_t)node_size(a) * sizeof *kept);
  double away = distance(interpreter_value(interpreter, b), kept, node_size(a));
  free(kept);
  return away;
}

START_TEST(kinds_become_affine) {
  const Kind *kind = &kinds[_i];
  Session *session = session_new();
  Graph *g = graph_new(session);
  Effect items[ORDERS][EFFECT_LIMIT];
  EffectList effects[ORDERS] = {{0, items[0]}, {0, items[1]}, {0, items[2]}};
  orders_of(g, kind, effects);
  Interpreter *interpreter = interpreter_new(g);
  Numbers numbers = {{(uint64_t)_i}, interpreter, NULL};
  for (int order = 0; order < ORDERS; order++) graph_walk(g, &effects[order], set_numbers, &numbers);
  for (int order = 0; order < ORDERS; order++) {
    EffectList before = transform_simplify(g, effects[order]), after = transform_axes(g, before);
    ck_assert(graph_verify(g, &before, "simplify") && graph_verify(g, &after, "axes"));
    int left = computed_count(g, after);
    if (left > 0) graph_print(g, &after, stderr);
    ck_assert_msg(left == 0, "%s, order %d: %d computed coordinates are left", kind->name, order, left);
    ck_assert_msg(order > 0 || computed_count(g, before) > 0, "%s: nothing to split", kind->name);
    for (int i = 0; i < before.count; i++) {
      double away = apart(interpreter, before.items[i].value, after.items[i].value);
      if (!(away < 1e-13)) graph_print(g, &after, stderr);
      ck_assert_msg(away < 1e-13, "%s, order %d: %g away", kind->name, order, away);
    }
  }
  interpreter_free(interpreter);
  session_free(session);
}
END_TEST

/* Statements of a block, by what they do: places that are computed, stores that add up, stores. */
typedef struct MemoryAccesses {
  int computed, added, stored;
} MemoryAccesses;

static void count_accesses(const Program *program, const Statement *statement, MemoryAccesses *count) {
  for (; statement != NULL; statement = statement->next) {
    bool access = statement->kind == STATEMENT_LOAD || statement->kind == STATEMENT_STORE;
    count->computed += access && statement->address.computed_count > 0;
    count->added += statement->kind == STATEMENT_STORE && statement->accumulate;
    count->stored +=
        statement->kind == STATEMENT_STORE && program->buffers[statement->address.buffer].space == SPACE_GLOBAL;
    count_accesses(program, statement->body, count);
    count_accesses(program, statement->otherwise, count);
  }
}

START_TEST(kinds_run_natively) {
  for (int k = 0; k < LENGTH(kinds); k++) {
    Session *session = session_new();
    Target *target = target_new(session, _i == 0 ? "native" : "x86-64-v3");
    Graph *g = graph_new(session);
    Effect items[ORDERS][EFFECT_LIMIT];
    EffectList effects[ORDERS] = {{0, items[0]}, {0, items[1]}, {0, items[2]}};
    orders_of(g, &kinds[k], effects);
    for (int order = 0; order < ORDERS; order++) {
      EffectList before = transform_simplify(g, effects[order]), after = transform_axes(g, before);
      WantedStrategy nest = strategy_wanted("nest"); /* small scatters are cheap: here none must be needed */
      ScheduleOptions options = {.machine = target_machine(target),
                                 .real = REGISTER_F64,
                                 .fuse_limit = -1,
                                 .wanted_count = 1,
                                 .wanted = &nest};
      NativeRun *run = run_scheduled(session, g, after, &options);
      runs_load(session, target, 1, &run);
      MemoryAccesses count = {0};
      for (int s = 0; s < run->schedule->step_count; s++) {
        const Program *program = run->schedule->steps[s].program;
        count_accesses(program, program->body, &count);
      }
      ck_assert_msg(count.computed == 0 && count.added == 0, "%s, order %d: %d gathers, %d scatters", kinds[k].name,
                    order, count.computed, count.added);
      ck_assert_msg(order > 0 || kinds[k].stores == 0 || count.stored <= kinds[k].stores + 1, "%s: %d stores",
                    kinds[k].name, count.stored);
      Interpreter *interpreter = interpreter_new(g);
      Numbers numbers = {{(uint64_t)k}, interpreter, run};
      graph_walk(g, &before, set_numbers, &numbers);
      run_steps(run);
      for (int i = 0; i < before.count; i++) {
        double away = run_distance(run, before.items[i].target, interpreter, before.items[i].value);
        ck_assert_msg(away < 1e-12, "%s, order %d: %g away", kinds[k].name, order, away);
      }
      interpreter_free(interpreter);
      run_free(run);
    }
    session_free(session);
  }
}
END_TEST

/* ---- what must not be split, or not without care ----------------------------------------------------------------- */

static void check_stays(Graph *g, Node *node) {
  EffectList effects = {1, &(Effect){likeness(g, "out", node), node, SPAN}};
  ck_assert_int_gt(computed_count(g, effects), 0);
  ck_assert_ptr_eq(transform_axes(g, effects).items[0].value, node);
}

START_TEST(samples_stay_one_axis) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  Node *x = input(g, "x", SHAPE(3)), *y = batch_input(g, "y", SHAPE(6));
  Node *node = map_like(g, y, multiply(g, all(g, y), READ(g, x, quotient(g, at(0), 2))));
  check_stays(g, node);
  session_free(session);
}
END_TEST

START_TEST(what_has_no_digits_stays_computed) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  Node *x = input(g, "x", SHAPE(9)), *w = input(g, "w", SHAPE(6, 6));
  const Coordinate two_thirds = quotient(g, affine_at(0, 2, 0), 3), rests_meet = quotient(g, sum_at(at(0), at(1)), 2);
  const Coordinate both = over(g, at(0), 4, 1, constant_at(0));
  const Scalar *far = scalar_index(g, 0);
  for (int turn = 0; turn < 6; turn++)
    far = divide(g, multiply(g, number(g, 9999999), far), number(g, turn % 2 == 0 ? 3 : 7));
  check_stays(g, map_like(g, x, READ(g, x, two_thirds)));
  check_stays(g, map_like(g, w, READ(g, x, rests_meet)));
  check_stays(g, map_like(g, x, READ(g, x, computed_at(unary(g, OP_FLOOR, far)))));
  check_stays(g, map_like(g, x, READ(g, x, computed_at(unary(g, OP_FLOOR, divide(g, far, number(g, 0.1)))))));
  check_stays(g, map_like(g, x, READ(g, x, computed_at(binary(g, OP_MODULO, scalar_index(g, 0), number(g, 2.5))))));
  /* 4 and 6 have no common digits: neither is split where the other stays */
  check_stays(g, graph_map(g, 1, (int64_t[]){36}, false,
                           READ(g, x, computed_at(add(g, both.computed, quotient(g, at(0), 6).computed))), SPAN));
  session_free(session);
}
END_TEST

/* Sixteen variables run: there is none left for a digit. */
START_TEST(variables_are_not_exceeded) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  int64_t box[VARIABLE_LIMIT];
  Coordinate coordinates[VARIABLE_LIMIT];
  for (int v = 0; v < VARIABLE_LIMIT; v++) box[v] = 4, coordinates[v] = at(v);
  Node *x = input(g, "x", SHAPE(4, 4, 4, 4, 4, 4, 4, 4)), *w = input(g, "w", SHAPE(4, 4, 4, 4, 4, 4, 4, 2));
  coordinates[VARIABLE_LIMIT - 1] = quotient(g, at(VARIABLE_LIMIT - 1), 2);
  const Scalar *value = multiply(g, scalar_read(g, x, access_new(g, 8, coordinates)),
                                 scalar_read(g, w, access_new(g, 8, coordinates + 8)));
  check_stays(g, graph_compute(g, COMBINE_SUM, VARIABLE_LIMIT, box, 0, access_new(g, 8, coordinates), 8, x->shape,
                               false, value, NULL, SPAN));
  session_free(session);
}
END_TEST

/* Sum of x[k // 2] * w[k] over k < 7, where w[7] is infinite: no 0 may meet it. */
START_TEST(infinities_beyond_the_end_are_not_read) {
  for (int turn = 0; turn < 2; turn++) {
    Session *session = session_new();
    Graph *g = graph_new(session);
    Node *x = input(g, "x", SHAPE(4 + turn)), *w = input(g, "w", SHAPE(8));
    const Scalar *value = multiply(g, READ(g, x, over(g, at(0), 2, 1, constant_at(turn))), READ(g, w, at(0)));
    Node *node =
        graph_compute(g, COMBINE_SUM, 1, (int64_t[]){7}, 0, access_new(g, 0, NULL), 0, NULL, false, value, NULL, SPAN);
    Node *target = likeness(g, "out", node);
    EffectList after = transform_axes(g, (EffectList){1, &(Effect){target, node, SPAN}});
    ck_assert_int_eq(computed_count(g, after), 0);
    Interpreter *interpreter = interpreter_new(g);
    NativeRun *run = run_new(session, target_new(session, "native"), g, after, REGISTER_F64);
    both_set(run, interpreter, x, (double[]){1, 2, 3, 4, 5});
    both_set(run, interpreter, w, (double[]){1, 1, 1, 1, 1, 1, 1, INFINITY});
    run_steps(run);
    double right = 16 + 7 * turn, found;
    run_get(run, target, &found);
    ck_assert_double_eq(*interpreter_value(interpreter, node), right);
    ck_assert_double_eq(*interpreter_value(interpreter, after.items[0].value), right);
    ck_assert_double_eq(found, right);
    interpreter_free(interpreter);
    run_free(run);
    session_free(session);
  }
}
END_TEST

/* ---- random divisions -------------------------------------------------------------------------------------------- */

static Coordinate random_division(Graph *g, Random *random, int variables, bool *divides) {
  static const int64_t moduli[] = {1, 2, 2, 3, 4, 4, 6, 8};
  int64_t m = moduli[random_integer(random, 0, LENGTH(moduli) - 1)];
  Coordinate c = affine_at((int)random_integer(random, 0, variables - 1), random_integer(random, -3, 3),
                           random_integer(random, -2, 3));
  Coordinate rest = affine_at((int)random_integer(random, 0, variables - 1), random_integer(random, -1, 1), 0);
  if (random_integer(random, 0, 3) == 0) c = sum_at(c, affine_at((int)random_integer(random, 0, variables - 1), 1, 0));
  if (random_integer(random, 0, 2) == 0) return c;
  *divides = true;
  if (random_integer(random, 0, 4) == 0) c = quotient(g, c, 2);
  return random_integer(random, 0, 1) == 0 ? over(g, c, m, random_integer(random, 1, 3), rest)
                                           : modulo(g, c, m, random_integer(random, 1, 3), rest);
}

/* A read, a product of two, or more, of random tensors at random places. */
static Node *random_node(Graph *g, Random *random, int number_of) {
  int variables = (int)random_integer(random, 1, 3), rank = (int)random_integer(random, 0, 2);
  int64_t box[3], shape[2];
  Coordinate write[2];
  bool divides = false, bare = random_integer(random, 0, 1) == 0;
  for (int v = 0; v < variables; v++) box[v] = random_integer(random, 1, 9);
  if (bare && rank > variables) rank = variables;
  for (int d = 0; d < rank; d++) {
    shape[d] = bare ? box[d] : random_integer(random, 2, 9);
    write[d] = bare ? at(d) : random_division(g, random, variables, &divides);
  }
  const Scalar *value = NULL;
  for (int factor = 0; factor < 2; factor++) {
    char name[32];
    snprintf(name, sizeof name, "x%d %d", number_of, factor);
    Node *x = input(g, name, SHAPE(random_integer(random, 2, 8), random_integer(random, 2, 8)));
    Coordinate first = random_division(g, random, variables, &divides);
    const Scalar *read = READ(g, x, first, random_division(g, random, variables, &divides));
    if (random_integer(random, 0, 5) == 0) read = scalar_within(g, x, read->access);
    if (random_integer(random, 0, 5) == 0) read = unary(g, OP_EXP, read);
    if (random_integer(random, 0, 5) == 0) read = unary(g, OP_NEGATE, read);
    value = value == NULL ? read : binary(g, random_integer(random, 0, 2) == 0 ? OP_ADD : OP_MULTIPLY, value, read);
  }
  Combine combine = random_integer(random, 0, 3) == 0 ? COMBINE_MAXIMUM : COMBINE_SUM;
  return graph_compute(g, combine, variables, box, 0, access_new(g, rank, write), rank, shape, false, value, NULL,
                       SPAN);
}

START_TEST(random_divisions) {
  enum { TRIALS = 3000, TOGETHER = 60 };
  Random random = {17};
  int affine = 0, fewer = 0, kept = 0;
  for (int trial = 0; trial < TRIALS; trial += TOGETHER) {
    Session *session = session_new();
    Graph *g = graph_new(session);
    Interpreter *interpreter = interpreter_new(g);
    Effect items[TOGETHER], split[TOGETHER];
    int count = 0;
    for (int i = 0; i < TOGETHER; i++) {
      Node *node = random_node(g, &random, i);
      Effect effect = {likeness(g, "out", node), node, SPAN};
      EffectList before = {1, &effect}, after = transform_axes(g, before);
      Numbers numbers = {{(uint64_t)(trial + i)}, interpreter, NULL};
      graph_walk(g, &before, set_numbers, &numbers);
      if (!graph_verify(g, &after, "axes")) graph_print(g, &before, stderr), diagnostic_print_all(session, stderr);
      ck_assert_int_eq(diagnostic_error_count(session), 0);
      double away = apart(interpreter, node, after.items[0].value);
      if (!(away < 1e-13)) graph_print(g, &before, stderr), graph_print(g, &after, stderr);
      ck_assert_msg(away < 1e-13, "trial %d: %g away", trial + i, away);
      int old = computed_count(g, before), left = computed_count(g, after);
      affine += old > 0 && left == 0, fewer += left > 0 && left < old, kept += left == old && old > 0;
      ck_assert_msg(left <= old, "trial %d: %d computed coordinates became %d", trial + i, old, left);
      ck_assert_msg((left == old) == (after.items[0].value == node), "trial %d: built anew for nothing", trial + i);
      if (left < old) items[count] = effect, split[count++] = after.items[0];
    }
    if (trial < TRIALS / 5) {
      NativeRun *run = run_new(session, target_new(session, "native"), g, (EffectList){count, split}, REGISTER_F64);
      Interpreter *again = interpreter_new(g);
      Numbers numbers = {{(uint64_t)trial}, again, run};
      EffectList list = {count, items};
      graph_walk(g, &list, set_numbers, &numbers);
      run_steps(run);
      for (int i = 0; i < count; i++) {
        double away = run_distance(run, items[i].target, again, items[i].value);
        if (!(away < 1e-12)) graph_print(g, &(EffectList){1, &split[i]}, stderr);
        ck_assert_msg(away < 1e-12, "trial %d: natively %g away", trial, away);
      }
      interpreter_free(again);
      run_free(run);
    }
    interpreter_free(interpreter);
    session_free(session);
  }
  ck_assert_msg(affine > TRIALS / 4 && fewer > TRIALS / 20 && kept > TRIALS / 20, "%d affine, %d fewer, %d kept",
                affine, fewer, kept);
}
END_TEST

CHECK_MAIN(.tests = {samples_stay_one_axis, what_has_no_digits_stays_computed, variables_are_not_exceeded,
                     infinities_beyond_the_end_are_not_read, random_divisions},
           .loops = {{kinds_become_affine, 0, LENGTH(kinds)}, {kinds_run_natively, 0, 2}})
