/* Canonical form: random nodes, as anybody may spell them, against literal loops of the test's own; what the form
   promises; what it must not merge. */
#include "graph_check.h"
#include "printed_text.h"

enum { SIZE_LIMIT = 256 };

typedef struct Spelling {
  int box_rank, rank;
  int64_t box[6], shape[3];
  Coordinate write[3], read[2][2];
  Node *tensor[2];
  double *values[2];
  Combine combine;
  int index; /* a variable that multiplies the value, or -1 */
} Spelling;

static int64_t place(const Coordinate *c, int rank, const int64_t *shape, const int64_t *point) {
  int64_t at_element = 0;
  for (int d = 0; d < rank; d++) {
    int64_t value = c[d].constant;
    for (int t = 0; t < c[d].term_count; t++) value += c[d].terms[t].coefficient * point[c[d].terms[t].variable];
    if (value < 0 || value >= shape[d]) return -1;
    at_element = at_element * shape[d] + value;
  }
  return at_element;
}

/* The definition of the node, once more. */
static void literal(const Spelling *s, double *out, int *count) {
  int64_t point[6] = {0}, total_points = 1;
  for (int v = 0; v < s->box_rank; v++) total_points *= s->box[v];
  for (int64_t turn = 0; turn < total_points; turn++) {
    double value = s->index >= 0 ? (double)point[s->index] : 1;
    for (int k = 0; k < 2 && s->tensor[k] != NULL; k++) {
      int64_t from = place(s->read[k], 2, s->tensor[k]->shape, point);
      value *= from < 0 ? 0 : s->values[k][from];
    }
    int64_t to = place(s->write, s->rank, s->shape, point);
    if (to >= 0) {
      out[to] = s->combine == COMBINE_SUM                        ? out[to] + value
                : s->combine == COMBINE_MAXIMUM && count[to] > 0 ? fmax(out[to], value)
                                                                 : value;
      count[to]++;
    }
    for (int v = s->box_rank - 1; v >= 0 && ++point[v] == s->box[v]; v--) point[v] = 0;
  }
}

static Coordinate random_coordinate(Random *random, int variables, bool wild) {
  static const int64_t coefficients[] = {-3, -2, -1, 1, 1, 1, 2, 3, 4, 6};
  Coordinate c = constant_at(random_integer(random, -3, 3));
  int terms = (int)random_integer(random, 0, wild ? 3 : 2);
  for (int t = 0; t < terms; t++)
    c = sum_at(c, affine_at((int)random_integer(random, 0, variables - 1),
                            coefficients[random_integer(random, 0, LENGTH(coefficients) - 1)], 0));
  return c;
}

static Spelling random_spelling(Random *random, Graph *g) {
  static const char *const names[] = {"A", "B"};
  Spelling s = {.box_rank = (int)random_integer(random, 1, 4), .rank = (int)random_integer(random, 0, 2), .index = -1};
  for (int v = 0; v < s.box_rank; v++) s.box[v] = random_integer(random, 1, 4);
  for (int d = 0; d < s.rank; d++) {
    int v = (int)random_integer(random, 0, s.box_rank - 1), w = (int)random_integer(random, 0, s.box_rank - 1);
    s.shape[d] = random_integer(random, 1, 6);
    switch (random_integer(random, 0, 4)) {
    case 0: s.write[d] = at(v), s.shape[d] = s.box[v]; break;
    case 1: s.write[d] = affine_at(v, -1, s.box[v] - 1), s.shape[d] = s.box[v]; break;
    case 2: s.write[d] = affine_at(v, random_integer(random, 1, 3), random_integer(random, -2, 3)); break;
    case 3: s.write[d] = sum_at(affine_at(v, s.box[w], 0), at(w)), s.shape[d] = s.box[v] * s.box[w]; break;
    default: s.write[d] = random_coordinate(random, s.box_rank, false); break;
    }
  }
  for (int k = 0; k < 2; k++) {
    if (k == 1 && random_integer(random, 0, 1) == 0) break;
    s.tensor[k] = graph_input(g, names[k], 2, (int64_t[]){random_integer(random, 1, 5), random_integer(random, 1, 5)},
                              false, SPAN);
    s.values[k] = random_values(random, s.tensor[k], -1, 1);
    for (int d = 0; d < 2; d++) s.read[k][d] = random_coordinate(random, s.box_rank, true);
  }
  if (random_integer(random, 0, 9) == 0) s.index = (int)random_integer(random, 0, s.box_rank - 1);
  s.combine = random_integer(random, 0, 3) == 0 ? COMBINE_MAXIMUM : COMBINE_SUM;
  return s;
}

START_TEST(random_nodes_keep_their_values) {
  Random random = {1};
  int maps = 0, sets = 0, sums = 0, maxima = 0;
  for (int trial = 0; trial < 4000; trial++) {
    Session *session = session_new();
    Graph *g = graph_new(session);
    Spelling s = random_spelling(&random, g);
    double expected[SIZE_LIMIT] = {0};
    int count[SIZE_LIMIT] = {0};
    int64_t size = 1;
    for (int d = 0; d < s.rank; d++) size *= s.shape[d];
    ck_assert_int_le(size, SIZE_LIMIT);
    literal(&s, expected, count);
    bool once = true;
    for (int64_t i = 0; i < size; i++) once &= count[i] == 1;
    if (once && s.combine == COMBINE_SUM && trial % 2 == 0) s.combine = COMBINE_SET;
    const Scalar *value = s.index < 0 ? number(g, 1) : scalar_index(g, s.index);
    Interpreter *interpreter = interpreter_new(g);
    for (int k = 0; k < 2 && s.tensor[k] != NULL; k++) {
      value = multiply(g, value, scalar_read(g, s.tensor[k], access_new(g, 2, s.read[k])));
      interpreter_set(interpreter, s.tensor[k], s.values[k]);
    }
    Node *node = graph_compute(g, s.combine, s.box_rank, s.box, 0, access_new(g, s.rank, s.write), s.rank, s.shape,
                               false, value, NULL, SPAN);
    const double *values = interpreter_value(interpreter, node);
    for (int64_t i = 0; i < size; i++)
      ck_assert_msg(fabs(values[i] - expected[i]) < 1e-12 * fmax(1, fabs(expected[i])),
                    "trial %d, element %d: %g, not %g", trial, (int)i, values[i], expected[i]);
    Node *target = graph_input(g, "target", node->rank, node->shape, false, SPAN);
    EffectList effects = {1, &(Effect){target, node, SPAN}};
    ck_assert(graph_verify(g, &effects, "canonical form"));
    maps += node_is_map(node);
    if (node->kind == NODE_COMPUTE && !node_is_map(node))
      *(node->combine == COMBINE_SET ? &sets : node->combine == COMBINE_SUM ? &sums : &maxima) += 1;
    interpreter_free(interpreter);
    for (int k = 0; k < 2; k++) free(s.values[k]);
    session_free(session);
  }
  ck_assert_msg(maps > 400 && sets > 5 && sums > 400 && maxima > 200, "maps %d, sets %d, sums %d, maxima %d", maps,
                sets, sums, maxima);
}
END_TEST

/* Equal computations, spelled differently, are one node. */
START_TEST(spellings_meet) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  Node *x = input(g, "x", SHAPE(4, 5)), *w = input(g, "w", SHAPE(3, 5));
  Node *plain = graph_compute(g, COMBINE_SUM, 3, (int64_t[]){4, 3, 5}, 0, ACCESS(g, at(0), at(1)), SHAPE(4, 3), false,
                              multiply(g, READ(g, x, at(0), at(2)), READ(g, w, at(1), at(2))), NULL, SPAN);
  Node *turned = graph_compute(
      g, COMBINE_SUM, 4, (int64_t[]){5, 1, 7, 4}, 0, ACCESS(g, affine_at(3, -1, 3), affine_at(2, 1, -2)), SHAPE(4, 3),
      false, multiply(g, READ(g, x, affine_at(3, -1, 3), at(0)), READ(g, w, affine_at(2, 1, -2), sum_at(at(0), at(1)))),
      NULL, SPAN);
  ck_assert_ptr_eq(plain, turned);
  ck_assert_ptr_eq(map_like(g, x, READ(g, x, at(0), at(1))), x);
  Node *turned_x = graph_map(g, SHAPE(5, 4), false, READ(g, x, at(1), at(0)), SPAN);
  ck_assert(node_is_map(turned_x));
  ck_assert_ptr_eq(graph_map(g, SHAPE(4, 5), false, READ(g, turned_x, at(1), at(0)), SPAN), x);
  Node *flat = graph_reshape(g, x, SHAPE(20), SPAN);
  ck_assert_ptr_eq(graph_reshape(g, flat, SHAPE(4, 5), SPAN), x);
  ck_assert_ptr_eq(graph_map(g, SHAPE(4, 5), false, READ(g, flat, sum_at(affine_at(0, 5, 0), at(1))), SPAN), x);
  session_free(session);
}
END_TEST

START_TEST(sums_become_sets_only_where_every_element_is_written_once) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  Node *x = input(g, "x", SHAPE(3, 4));
  const Scalar *read = READ(g, x, at(0), at(1));
  Node *flat = graph_compute(g, COMBINE_SUM, 2, x->shape, 0, ACCESS(g, sum_at(affine_at(0, 4, 0), at(1))), SHAPE(12),
                             false, read, NULL, SPAN);
  ck_assert_int_eq(flat->combine, COMBINE_SET);
  ck_assert(!node_is_map(flat));
  Node *gap = graph_compute(g, COMBINE_SET, 2, x->shape, 0, ACCESS(g, sum_at(affine_at(0, 4, 0), at(1))), SHAPE(13),
                            false, read, NULL, SPAN);
  ck_assert_int_eq(gap->combine, COMBINE_SUM);
  Node *twice = graph_compute(g, COMBINE_SUM, 2, x->shape, 0, ACCESS(g, sum_at(affine_at(0, 3, 0), at(1))), SHAPE(10),
                              false, read, NULL, SPAN);
  ck_assert_int_eq(twice->combine, COMBINE_SUM);
  Node *number_of = graph_compute(g, COMBINE_SUM, 2, (int64_t[]){3, 7}, 0, ACCESS(g, at(0)), SHAPE(3), false,
                                  number(g, 1), NULL, SPAN);
  ck_assert(node_is_map(number_of) && number_of->value->op == OP_CONSTANT && number_of->value->value == 7);
  Node *away = graph_compute(g, COMBINE_SUM, 1, (int64_t[]){3}, 0, ACCESS(g, affine_at(0, 1, 9)), SHAPE(3), false,
                             number(g, 1), NULL, SPAN);
  ck_assert(node_is_map(away) && away->value->value == 0);
  session_free(session);
}
END_TEST

/* Digits of one number become the number; a flattened map is a map over one axis, of inputs that are flattened for
   nothing. */
START_TEST(digits_become_numbers) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  Random random = {9};
  Node *x = graph_input(g, "x", SHAPE(3, 1, 4, 5), true, SPAN), *y = graph_input(g, "y", SHAPE(3, 20), true, SPAN),
       *u = graph_input(g, "u", SHAPE(3), true, SPAN);
  Coordinate digits = sum_at(affine_at(2, 5, 0), at(3));
  Node *square = graph_compute(g, COMBINE_SUM, 4, x->shape, 0, ACCESS(g, at(0)), SHAPE(3), true,
                               multiply(g, READ(g, y, at(0), digits), READ(g, y, at(0), digits)), NULL, SPAN);
  ck_assert_ptr_eq(square, graph_compute(g, COMBINE_SUM, 2, y->shape, 0, ACCESS(g, at(0)), SHAPE(3), true,
                                         multiply(g, all(g, y), all(g, y)), NULL, SPAN));
  const Scalar *value = add(g, multiply(g, READ(g, u, at(0)), all(g, x)), unary(g, OP_TANH, READ(g, y, at(0), digits)));
  Node *mixed = map_like(g, x, value), *flat = graph_reshape(g, mixed, SHAPE(3, 20), SPAN);
  ck_assert(node_is_map(mixed) && node_is_map(flat));
  Node *wide = input(g, "wide", SHAPE(6, 7)),
       *cut = graph_map(g, SHAPE(4, 5), false, READ(g, wide, at(0), at(1)), SPAN);
  ck_assert_int_eq(graph_reshape(g, cut, SHAPE(20), SPAN)->kind, NODE_RESHAPE);
  Node *apart = map_like(g, x, multiply(g, value, scalar_index(g, 3)));
  ck_assert_int_eq(graph_reshape(g, apart, SHAPE(3, 20), SPAN)->kind, NODE_RESHAPE);
  Interpreter *interpreter = interpreter_new(g);
  set_random(interpreter, &random, x, -1, 1);
  set_random(interpreter, &random, y, -1, 1);
  set_random(interpreter, &random, u, -1, 1);
  ck_assert_mem_eq(interpreter_value(interpreter, flat), interpreter_value(interpreter, mixed), 60 * sizeof(double));
  interpreter_free(interpreter);
  session_free(session);
}
END_TEST

/* Every invariant that verify knows, broken by hand. */
START_TEST(verify_sees_broken_nodes) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  Node *x = input(g, "x", SHAPE(4, 5)), *target = input(g, "target", SHAPE(4)), *wrong = input(g, "wrong", SHAPE(5));
  Node *sum = graph_compute(g, COMBINE_SUM, 2, x->shape, 0, ACCESS(g, at(0)), SHAPE(4), false, READ(g, x, at(0), at(1)),
                            NULL, SPAN);
  EffectList good = {1, &(Effect){target, sum, SPAN}}, bad = {1, &(Effect){wrong, sum, SPAN}};
  ck_assert(graph_verify(g, &good, "test"));
  ck_assert(!graph_verify(g, &bad, "test"));
  Node kept = *sum;
  const Access *accesses[] = {ACCESS(g, at(1)), ACCESS(g, at(7)), ACCESS(g, at(0), at(1))};
  for (int i = 0; i < LENGTH(accesses); i++) {
    sum->write = accesses[i];
    ck_assert(!graph_verify(g, &good, "test"));
    *sum = kept;
  }
  sum->box[1] = 0;
  ck_assert(!graph_verify(g, &good, "test"));
  *sum = kept, sum->box_rank = 0;
  ck_assert(!graph_verify(g, &good, "test"));
  *sum = kept, sum->batch_variables = 1u << 9;
  ck_assert(!graph_verify(g, &good, "test"));
  *sum = kept, sum->value = READ(g, x, at(0), at(9));
  ck_assert(!graph_verify(g, &good, "test"));
  *sum = kept, sum->value = scalar_read(g, map_like(g, x, unary(g, OP_EXP, all(g, x))), ACCESS(g, at(0), at(2)));
  ck_assert(!graph_verify(g, &good, "test"));
  *sum = kept;
  ck_assert(graph_verify(g, &good, "test"));
  ck_assert_int_gt(diagnostic_error_count(session), 7);
  session_free(session);
}
END_TEST

START_TEST(graphs_print) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  Node *x = graph_input(g, "x", SHAPE(4, 5), true, SPAN), *w = input(g, "w", SHAPE(3, 5));
  const Scalar *left = READ(g, x, at(0), at(2)), *right = READ(g, w, at(1), at(2));
  Node *h = graph_compute(g, COMBINE_SUM, 3, (int64_t[]){4, 3, 5}, 0, ACCESS(g, at(0), at(1)), SHAPE(4, 3), true,
                          multiply(g, left, right), "h", SPAN);
  Node *y = map_like(g, h, subtract(g, unary(g, OP_TANH, all(g, h)), number(g, 0.5)));
  Node *target = graph_input(g, "y", SHAPE(4, 3), true, SPAN);
  Printed printed;
  graph_print(g, &(EffectList){1, &(Effect){target, y, SPAN}}, printed_begin(&printed));
  char *text = printed_end(&printed);
  ck_assert_str_eq(text, "x: [4, 5]~ input\n"
                         "w: [3, 5] input\n"
                         "n2: [4, 3]~ sum over (b<4, j<3, k<5)  x[b, k] * w[j, k]  # h\n"
                         "n3: [4, 3]~ map over (b<4, j<3)  -0.5 + tanh(n2[b, j])\n"
                         "y <- n3\n");
  free(text);
  session_free(session);
}
END_TEST

/* A place that is computed from variables of one value only is none: its axis is trimmed and numbered like any other.
 */
START_TEST(places_without_variables_are_affine) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  Node *x = input(g, "x", SHAPE(1, 9));
  const Scalar *half = unary(g, OP_FLOOR, divide(g, scalar_index(g, 0), number(g, 2)));
  Coordinate place = {.computed = add(g, half, scalar_index(g, 1))};
  Node *computed = graph_compute(g, COMBINE_SUM, 2, (int64_t[]){1, 9}, 0, ACCESS(g, place), SHAPE(4), false,
                                 READ(g, x, at(0), at(1)), NULL, SPAN);
  ck_assert_ptr_eq(computed, graph_map(g, 1, (int64_t[]){4}, false, READ(g, x, constant_at(0), at(0)), SPAN));
  session_free(session);
}
END_TEST

CHECK_MAIN(.tests = {random_nodes_keep_their_values, spellings_meet,
                     sums_become_sets_only_where_every_element_is_written_once, digits_become_numbers,
                     places_without_variables_are_affine, verify_sees_broken_nodes, graphs_print})
