/* needed_flops against literal counting: products that add something, where everything that is read inside is 1. */
#include "compiler/graph/graph.h"
#include "compiler/llvm/llvm.h"
#include "compiler/schedule/schedule.h"
#include "check_main.h"
#include "random_numbers.h"

static bool is_inside(const Access *access, const int64_t *point, const int64_t *shape) {
  for (int d = 0; d < access->rank; d++) {
    int64_t at = access->coordinates[d].constant;
    for (int t = 0; t < access->coordinates[d].term_count; t++)
      at += access->coordinates[d].terms[t].coefficient * point[access->coordinates[d].terms[t].variable];
    if (at < 0 || at >= shape[d]) return false;
  }
  return true;
}

static double value_at(const Scalar *scalar, const int64_t *point) {
  if (scalar->op == OP_CONSTANT) return scalar->value;
  if (scalar->op == OP_INDEX) return (double)point[scalar->variable];
  if (scalar->op == OP_READ || scalar->op == OP_WITHIN)
    return is_inside(scalar->access, point, scalar->node->shape) ? 1 : 0;
  double arguments[3] = {0};
  for (int a = 0; a < operation_arity(scalar->op); a++) arguments[a] = value_at(scalar->argument[a], point);
  return operation_rows[scalar->op].evaluate(arguments[0], arguments[1], arguments[2]);
}

static double flops_by_points(const Node *node) {
  if (node->combine != COMBINE_SUM || node->value->op != OP_MULTIPLY) return 0;
  int64_t point[BOX_LIMIT] = {0};
  double count = 0;
  for (int v = 0; v < node->box_rank;) {
    count += is_inside(node->write, point, node->shape) && value_at(node->value, point) != 0;
    for (v = 0; v < node->box_rank && ++point[v] == node->box[v]; v++) point[v] = 0;
  }
  return 2 * count;
}

static double flops_by_schedule(Session *session, const Target *target, Graph *graph, Node *node) {
  Effect *effect = session_allocate(session, sizeof *effect);
  *effect =
      (Effect){.target = graph_input(graph, "result", node->rank, node->shape, node->batch, (Span){0}), .value = node};
  ScheduleOptions *options = session_allocate(session, sizeof *options);
  *options = (ScheduleOptions){.machine = target_machine(target), .real = REGISTER_F32, .fuse_limit = -1};
  Schedule *schedule = schedule_programs(schedule_fuse(session, graph, (EffectList){1, effect}, options));
  double program_flops = 0;
  for (int s = 0; s < schedule->step_count; s++) program_flops += schedule->steps[s].program->flops;
  ck_assert(program_flops == schedule->needed_flops);
  return schedule->needed_flops;
}

/* ---- random sums of products ------------------------------------------------------------------------------------- */

enum { VARIABLES = 5 };

/* Some variables with strides, and a padding. */
static Coordinate random_coordinate(Random *random) {
  Coordinate sum = coordinate_constant(random_integer(random, -3, 2));
  int count = (int)random_integer(random, 1, 3);
  for (int k = 0; k < count; k++) {
    int64_t factor = random_integer(random, -3, 3);
    Coordinate one = coordinate_variable((int)random_integer(random, 0, VARIABLES - 1));
    sum = coordinate_add(sum, coordinate_scale(one, factor == 0 ? 1 : factor));
  }
  return sum;
}

static const Scalar *random_read(Graph *graph, Random *random, const char *name) {
  int rank = (int)random_integer(random, 1, 2);
  Coordinate coordinates[2];
  int64_t shape[2];
  for (int d = 0; d < rank; d++) coordinates[d] = random_coordinate(random), shape[d] = random_integer(random, 1, 9);
  Node *node = graph_input(graph, name, rank, shape, false, (Span){0});
  return scalar_read(graph, node, access_new(graph, rank, coordinates));
}

/* What is read, as it is, or through something that keeps 0, or that does not. */
static const Scalar *random_factor(Graph *graph, Random *random, const char *name) {
  const Scalar *read = random_read(graph, random, name), *one = scalar_constant(graph, 1);
  switch (random_integer(random, 0, 5)) {
  case 0: return scalar_apply(graph, OP_TANH, read, NULL, NULL);
  case 1: return scalar_apply(graph, OP_EXP, read, NULL, NULL);
  case 2: return scalar_apply(graph, OP_ADD, read, one, NULL);
  case 3:
    return scalar_apply(graph, OP_SELECT, scalar_apply(graph, OP_LESS, scalar_constant(graph, 0), read, NULL),
                        scalar_apply(graph, OP_ADD, read, one, NULL), scalar_constant(graph, 0));
  default: return read;
  }
}

START_TEST(random_sums) {
  enum { COUNT = 3000 };
  Session *session = session_new();
  const Target *target = target_new(session, "x86-64-v3");
  Random random = {77};
  int sums = 0, missing = 0;
  for (int k = 0; k < COUNT; k++) {
    Graph *graph = graph_new(session);
    int64_t box[VARIABLES], shape[2];
    for (int v = 0; v < VARIABLES; v++) box[v] = random_integer(&random, 1, 6);
    const Scalar *left = random_factor(graph, &random, "a"), *right = random_factor(graph, &random, "b");
    const Scalar *product = scalar_apply(graph, OP_MULTIPLY, left, right, NULL);
    int rank = (int)random_integer(&random, 0, 2);
    Coordinate write[2];
    for (int d = 0; d < rank; d++) write[d] = random_coordinate(&random), shape[d] = random_integer(&random, 1, 9);
    Node *node = graph_compute(graph, COMBINE_SUM, VARIABLES, box, 0, access_new(graph, rank, write), rank, shape,
                               false, product, "sum", (Span){0});
    if (node->kind != NODE_COMPUTE || node->combine != COMBINE_SUM || node->value->op != OP_MULTIPLY) continue;
    double wanted = flops_by_points(node), all = 2;
    for (int v = 0; v < node->box_rank; v++) all *= (double)node->box[v];
    ck_assert_double_eq(flops_by_schedule(session, target, graph, node), wanted);
    sums++;
    missing += wanted < all;
  }
  ck_assert_int_gt(sums, COUNT / 3);
  ck_assert_int_gt(missing, sums / 3);
  session_free(session);
}
END_TEST

/* A 4x4 convolution with stride 2 and padding 1 from 8x8 to 4x4: each axis has 14 of 16 taps. */
START_TEST(padded_taps_are_none) {
  enum { B, O, P, Q, K, U, V };
  Session *session = session_new();
  const Target *target = target_new(session, "x86-64-v4");
  Graph *graph = graph_new(session);
  int64_t x_shape[4] = {64, 256, 8, 8}, w_shape[4] = {512, 256, 4, 4}, y_shape[4] = {64, 512, 4, 4};
  int64_t box[7] = {64, 512, 4, 4, 256, 4, 4};
  Coordinate c[7], along[2];
  for (int v = 0; v < 7; v++) c[v] = coordinate_variable(v);
  for (int d = 0; d < 2; d++)
    along[d] = coordinate_add(coordinate_add(coordinate_scale(c[P + d], 2), c[U + d]), coordinate_constant(-1));
  Coordinate x[4] = {c[B], c[K], along[0], along[1]}, w[4] = {c[O], c[K], c[U], c[V]}, y[4] = {c[B], c[O], c[P], c[Q]};
  Node *image = graph_input(graph, "x", 4, x_shape, true, (Span){0});
  Node *weights = graph_input(graph, "W", 4, w_shape, false, (Span){0});
  const Scalar *product = scalar_apply(graph, OP_MULTIPLY, scalar_read(graph, image, access_new(graph, 4, x)),
                                       scalar_read(graph, weights, access_new(graph, 4, w)), NULL);
  Node *node =
      graph_compute(graph, COMBINE_SUM, 7, box, 1, access_new(graph, 4, y), 4, y_shape, true, product, "y", (Span){0});
  ck_assert_double_eq(flops_by_schedule(session, target, graph, node), 2.0 * 64 * 512 * 256 * 14 * 14);
  session_free(session);
}
END_TEST

CHECK_MAIN(.tests = {random_sums, padded_taps_are_none})
