/* Random nodes of the algebra, run natively and in the interpreter: strides with common factors, negative coefficients,
   empty classes, digits of one number, reads and writes out of bounds, the batch on all sides, sums over the axis of
   the lanes, computed coordinates, maxima and scatters. Each kind has a quota. */
#include "compiler/transform/transform.h"
#include "schedule_run.h"

static bool random_chance(Random *random, int percent) { return random_integer(random, 0, 99) < percent; }

static const Span nowhere;

enum {
  KIND_STRIDED,
  KIND_NEGATIVE,
  KIND_EMPTY,
  KIND_LEAVING,
  KIND_BATCH,
  KIND_LANES_SUM,
  KIND_COMPUTED,
  KIND_MAXIMUM,
  KIND_SCATTER,
  KIND_DIGITS,
  KIND_NUMBERS,
  KIND_COUNT
};
static const char *const kind_names[KIND_COUNT] = {"strided",
                                                   "negative",
                                                   "empty",
                                                   "leaving",
                                                   "batch",
                                                   "lanes summed",
                                                   "computed",
                                                   "maximum",
                                                   "scatter",
                                                   "digits",
                                                   "with numbers made before"};

typedef struct Case {
  Graph *graph;
  Random random;
  int box_rank;
  int64_t box[BOX_LIMIT];
  int64_t batch;
  uint32_t batch_variables;
  bool kinds[KIND_COUNT];
  int inputs;
} Case;

static Coordinate random_coordinate(Case *c, int *variables, int count, bool computed) {
  Coordinate coordinate = coordinate_constant(random_chance(&c->random, 40) ? random_integer(&c->random, -3, 3) : 0);
  for (int k = 0; k < count; k++) {
    int64_t e = random_chance(&c->random, 50) ? 1 : random_integer(&c->random, 1, 6);
    if (random_chance(&c->random, 20)) e = -e;
    coordinate = coordinate_add(coordinate, coordinate_scale(coordinate_variable(variables[k]), e));
  }
  if (computed) {
    int v = (int)random_integer(&c->random, 0, c->box_rank - 1);
    const Scalar *index = scalar_index(c->graph, v);
    const Scalar *half = scalar_apply(
        c->graph, OP_FLOOR, scalar_apply(c->graph, OP_DIVIDE, index, scalar_constant(c->graph, 2), NULL), NULL, NULL);
    coordinate.computed = half;
    if (random_chance(&c->random, 50)) { /* labels */
      int64_t shape[1] = {c->box[v]};
      Node *labels = graph_input(c->graph, session_format(graph_session(c->graph), "labels%d", c->inputs++), 1, shape,
                                 false, nowhere);
      Coordinate bare = coordinate_variable(v);
      coordinate.computed = scalar_read(c->graph, labels, access_new(c->graph, 1, &bare));
    }
  }
  return coordinate;
}

/* An extent that the coordinate reaches more or less. */
static int64_t random_extent(Case *c, const Coordinate *coordinate) {
  int64_t low, high;
  if (!coordinate_range(coordinate, c->box, &low, &high)) return random_integer(&c->random, 2, 6);
  int64_t extent = high + 1 + (random_chance(&c->random, 40) ? random_integer(&c->random, -2, 3) : 0);
  return extent < 1 ? 1 : extent > 60 ? 60 : extent;
}

static const Scalar *random_read(Case *c) {
  int rank = (int)random_integer(&c->random, 0, 3);
  bool batch = c->batch_variables != 0 && random_chance(&c->random, 60);
  if (batch && rank == 0) rank = 1;
  Coordinate coordinates[RANK_LIMIT];
  int64_t shape[RANK_LIMIT];
  for (int d = 0; d < rank; d++) {
    int variables[2] = {(int)random_integer(&c->random, 0, c->box_rank - 1),
                        (int)random_integer(&c->random, 0, c->box_rank - 1)};
    int count = variables[0] == variables[1] || random_chance(&c->random, 70) ? 1 : 2;
    if (d == 0 && batch) {
      coordinates[0] = coordinate_variable(0);
      shape[0] = c->batch;
      continue;
    }
    bool computed = random_chance(&c->random, 8);
    c->kinds[KIND_COMPUTED] |= computed;
    coordinates[d] = random_coordinate(c, variables, count, computed);
    shape[d] = random_extent(c, &coordinates[d]);
  }
  Node *node =
      graph_input(c->graph, session_format(graph_session(c->graph), "x%d", c->inputs++), rank, shape, batch, nowhere);
  if (random_chance(&c->random, 0) && rank > 0)
    node = graph_random(c->graph, random_bits(&c->random), 0,
                        random_chance(&c->random, 50) ? DISTRIBUTION_NORMAL : DISTRIBUTION_UNIFORM, NULL, rank, shape,
                        batch, nowhere);
  const Access *access = access_new(c->graph, rank, coordinates);
  c->kinds[KIND_LEAVING] |= access_may_leave(access, c->box, shape);
  return random_chance(&c->random, 6) ? scalar_within(c->graph, node, access) : scalar_read(c->graph, node, access);
}

static const Scalar *random_value(Case *c, int depth) {
  static const Operation safe[] = {OP_ADD,      OP_MULTIPLY, OP_MULTIPLY,   OP_MAXIMUM, OP_NEGATE,
                                   OP_ABSOLUTE, OP_SELECT,   OP_LESS,       OP_TANH,    OP_SIGMOID,
                                   OP_EXP,      OP_SQRT,     OP_LESS_EQUAL, OP_AND,     OP_NOT};
  if (depth == 0 || random_chance(&c->random, 20)) {
    if (random_chance(&c->random, 8)) return scalar_constant(c->graph, (double)random_integer(&c->random, -8, 8) / 4);
    if (random_chance(&c->random, 8))
      return scalar_apply(c->graph, OP_MULTIPLY,
                          scalar_index(c->graph, (int)random_integer(&c->random, 0, c->box_rank - 1)),
                          scalar_constant(c->graph, 0.125), NULL);
    return random_read(c);
  }
  Operation op = safe[random_integer(&c->random, 0, LENGTH(safe) - 1)];
  const Scalar *arguments[3] = {NULL, NULL, NULL};
  for (int a = 0; a < operation_arity(op); a++) arguments[a] = random_value(c, depth - 1);
  if (op == OP_SQRT) arguments[0] = scalar_apply(c->graph, OP_ABSOLUTE, arguments[0], NULL, NULL);
  if (op == OP_EXP) arguments[0] = scalar_apply(c->graph, OP_TANH, arguments[0], NULL, NULL);
  return scalar_apply(c->graph, op, arguments[0], arguments[1], arguments[2]);
}

/* What is the same for all points, and costs something. */
static const Scalar *random_number(Case *c) {
  Node *input =
      graph_input(c->graph, session_format(graph_session(c->graph), "x%d", c->inputs++), 0, NULL, false, nowhere);
  const Scalar *read = scalar_read(c->graph, input, access_new(c->graph, 0, NULL));
  return scalar_apply(c->graph, random_chance(&c->random, 50) ? OP_TANH : OP_SIGMOID, read, NULL, NULL);
}

static Node *random_node(Case *c) {
  c->box_rank = (int)random_integer(&c->random, 1, 4);
  c->batch = random_integer(&c->random, 1, 20);
  c->batch_variables = random_chance(&c->random, 50) ? 1 : 0;
  for (int v = 0; v < c->box_rank; v++) c->box[v] = random_integer(&c->random, 1, c->box_rank > 2 ? 7 : 21);
  if (c->batch_variables != 0) c->box[0] = c->batch;
  Combine combine = random_chance(&c->random, 20) ? COMBINE_MAXIMUM : COMBINE_SUM;
  int rank = (int)random_integer(&c->random, 0, 3), used = 0, order[BOX_LIMIT];
  bool batch = c->batch_variables != 0 && random_chance(&c->random, 50);
  for (int v = 0; v < c->box_rank; v++) order[v] = v;
  for (int v = c->box_rank - 1; v > (batch ? 1 : 0); v--) {
    int other = (int)random_integer(&c->random, batch ? 1 : 0, v), kept = order[v];
    order[v] = order[other], order[other] = kept;
  }
  Coordinate coordinates[RANK_LIMIT];
  int64_t shape[RANK_LIMIT];
  if (batch && rank == 0) rank = 1;
  for (int d = 0; d < rank; d++) {
    if (d == 0 && batch) {
      coordinates[0] = coordinate_variable(0);
      shape[0] = c->batch, used = 1;
      continue;
    }
    int count = (int)random_integer(&c->random, 0, 2), variables[2] = {0, 0};
    bool shared = random_chance(&c->random, 6), computed = random_chance(&c->random, 6);
    if (used + count > c->box_rank) count = c->box_rank - used;
    for (int k = 0; k < count; k++)
      variables[k] = shared ? (int)random_integer(&c->random, 0, c->box_rank - 1) : order[used++];
    if (count == 2 && variables[0] == variables[1]) count = 1;
    coordinates[d] = random_coordinate(c, variables, count, computed);
    bool digits_only = count == 2 && !computed && random_chance(&c->random, 50);
    if (digits_only) { /* one number, maybe cut at both ends */
      Coordinate high = coordinate_scale(coordinate_variable(variables[0]), c->box[variables[1]]);
      Coordinate digits = coordinate_add(high, coordinate_variable(variables[1]));
      digits = coordinate_scale(digits, random_chance(&c->random, 70) ? 1 : random_integer(&c->random, -3, 3));
      coordinates[d] = coordinate_add(digits, coordinate_constant(random_integer(&c->random, -9, 3)));
      c->kinds[KIND_DIGITS] |= digits.term_count == 2;
    }
    bool cut = digits_only && random_chance(&c->random, 50);
    shape[d] = cut ? random_integer(&c->random, 1, 5) : random_extent(c, &coordinates[d]);
    c->kinds[KIND_SCATTER] |= shared || computed;
    c->kinds[KIND_STRIDED] |= count > 1;
    for (int t = 0; t < coordinates[d].term_count; t++)
      c->kinds[KIND_NEGATIVE] |= coordinates[d].terms[t].coefficient < 0;
    for (int t = 0; t < coordinates[d].term_count; t++)
      c->kinds[KIND_EMPTY] |= coordinates[d].term_count == 1 && llabs(coordinates[d].terms[t].coefficient) > 1;
  }
  const Scalar *value = random_value(c, (int)random_integer(&c->random, 1, 3));
  if (combine == COMBINE_SUM && random_chance(&c->random, 40))
    value = scalar_apply(c->graph, OP_MULTIPLY, random_read(c), random_read(c), NULL);
  if (random_chance(&c->random, 10))
    value = scalar_apply(c->graph, random_chance(&c->random, 50) ? OP_ADD : OP_MULTIPLY, value, random_number(c), NULL);
  c->kinds[KIND_MAXIMUM] |= combine == COMBINE_MAXIMUM;
  c->kinds[KIND_BATCH] |= c->batch_variables != 0;
  c->kinds[KIND_LANES_SUM] |= c->batch_variables != 0 && !batch;
  return graph_compute(c->graph, combine, c->box_rank, c->box, c->batch_variables,
                       access_new(c->graph, rank, coordinates), rank, shape, batch, value, NULL, nowhere);
}

static void note_number(void *context, const Scalar *read) {
  bool *numbers = context;
  *numbers |= read->node->kind == NODE_COMPUTE && read->node->rank == 0;
}

typedef struct Inputs {
  Random random;
  Interpreter *interpreter;
  NativeRun *run;
  RegisterType real;
} Inputs;

static void set_input(void *context, Node *node) {
  Inputs *inputs = context;
  if (node->kind != NODE_INPUT) return;
  double *numbers = malloc(((size_t)node_size(node) + 1) * sizeof *numbers);
  for (int64_t i = 0; i < node_size(node); i++)
    numbers[i] = strncmp(node->name, "labels", 6) == 0
                     ? (double)random_integer(&inputs->random, -1, 6)
                     : (double)(float)((double)random_integer(&inputs->random, -4000, 4000) / 2048);
  both_set(inputs->run, inputs->interpreter, node, numbers);
  free(numbers);
}

enum { NODES = 1000, TOGETHER = 50 };
typedef struct Setting {
  RegisterType real;
  const char *march;
  double tolerance;
  uint64_t seed;
  int nodes;
} Setting;
static const Setting settings[] = {
    {REGISTER_F64, "native", 1e-12, 1, NODES},
    {REGISTER_F32, "native", 1e-5, 2, NODES / 5},
    {REGISTER_F32, "x86-64-v3", 1e-5, 3, NODES / 5},
    {REGISTER_F64, "x86-64-v3", 1e-12, 4, NODES / 5},
};

START_TEST(native_nodes_match_the_interpreter) {
  Setting setting = settings[_i];
  int quota[KIND_COUNT] = {0}, count = setting.nodes < TOGETHER ? setting.nodes : TOGETHER;
  for (int from = 0; from < setting.nodes; from += count) {
    Session *session = session_new();
    Target *target = target_new(session, setting.march);
    ck_assert_ptr_nonnull(target);
    Graph *graph = graph_new(session);
    Effect *effects = calloc((size_t)count, sizeof *effects);
    Case c = {.graph = graph};
    for (int i = 0; i < count; i++) {
      c.random.state = setting.seed * 1000003 + (uint64_t)(from + i) * 7919;
      memset(c.kinds, 0, sizeof c.kinds);
      Node *node = random_node(&c);
      if (node->kind == NODE_COMPUTE) scalar_reads(scalar_cut(graph, node), note_number, &c.kinds[KIND_NUMBERS]);
      for (int k = 0; k < KIND_COUNT; k++) quota[k] += c.kinds[k];
      effects[i] = (Effect){.target = graph_input(graph, session_format(session, "out%d", i), node->rank, node->shape,
                                                  node->batch, nowhere),
                            .value = node};
    }
    EffectList list = {count, effects};
    NativeRun *run = run_new(session, target, graph, list, setting.real);
    Interpreter *interpreter = interpreter_new(graph);
    DrawCounters counters = {.seed = 5, .round = 3, .ordinal = 2};
    run->counters = counters;
    interpreter_draws(interpreter, counters);
    Inputs inputs = {{setting.seed}, interpreter, run, setting.real};
    graph_walk(graph, &list, set_input, &inputs);
    run_steps(run);
    for (int i = 0; i < count; i++) {
      double away = run_distance(run, effects[i].target, interpreter, effects[i].value);
      if (!(away <= setting.tolerance)) {
        EffectList one = {1, &effects[i]};
        fprintf(stderr, "node %d of setting %d: %g away\n", from + i, _i, away);
        graph_print(graph, &one, stderr);
        for (int s = 0; s < run->schedule->step_count; s++)
          for (int b = 0; b < run->schedule->steps[s].program->bound_count; b++)
            if (run->schedule->steps[s].bindings[b]->node == effects[i].target)
              program_print(run->schedule->steps[s].program, stderr);
        int64_t size = node_size(effects[i].value);
        double *numbers = malloc(((size_t)size + 1) * sizeof *numbers);
        const double *right = interpreter_value(interpreter, effects[i].value);
        run_get(run, effects[i].target, numbers);
        for (int64_t k = 0; k < size && k < 40; k++) fprintf(stderr, "%g(%g) ", numbers[k], right[k]);
        fprintf(stderr, "\n");
        free(numbers);
      }
      ck_assert_msg(away <= setting.tolerance, "node %d: %g away", from + i, away);
    }
    interpreter_free(interpreter);
    run_free(run);
    free(effects);
    session_free(session);
  }
  for (int k = 0; k < KIND_COUNT; k++)
    ck_assert_msg(quota[k] * 25 >= setting.nodes, "only %d of %d nodes are %s", quota[k], setting.nodes, kind_names[k]);
}
END_TEST

CHECK_MAIN(.loops = {{native_nodes_match_the_interpreter, 0, LENGTH(settings)}})
