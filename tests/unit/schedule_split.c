/* Long sums with few outputs: in parts, natively and in the interpreter, whatever the extents; a number of parts that
   follows from the problem; nothing is taken from tiles, which add up themselves what they make. */
#include "compiler/schedule/fusion.h"
#include "schedule_run.h"

static const Span nowhere;

static bool random_chance(Random *random, int percent) { return random_integer(random, 0, 99) < percent; }

/* A sum or maximum of `points` or so over up to four variables, at most two of them axes of the output. */
typedef struct Case {
  Graph *graph;
  Random random;
  int axes, rank;
  int64_t box[BOX_LIMIT];
  bool batch;
  int inputs;
} Case;

static const Scalar *random_read(Case *c) {
  Coordinate at[RANK_LIMIT];
  int64_t shape[RANK_LIMIT];
  int rank = 0;
  bool batch = c->batch && random_chance(&c->random, 70);
  for (int v = 0; v < c->rank; v++) {
    if (v > 0 && random_chance(&c->random, 30)) continue;
    if (v == 0 && c->batch && !batch) continue;
    int64_t stride = v > 0 && random_chance(&c->random, 15) ? 2 : 1, shift = 0;
    if (v > 0 && random_chance(&c->random, 20)) shift = random_integer(&c->random, -2, 2);
    at[rank] = coordinate_add(coordinate_scale(coordinate_variable(v), stride), coordinate_constant(shift));
    shape[rank++] = stride * c->box[v];
  }
  Node *node = graph_input(c->graph, session_format(graph_session(c->graph), "x%d", c->inputs++), rank, shape,
                           batch && rank > 0, nowhere);
  return scalar_read(c->graph, node, access_new(c->graph, rank, at));
}

static Node *random_node(Case *c) {
  static const int64_t few[] = {1, 2, 3, 5}, odd[] = {7, 13, 30, 64, 97, 100};
  double points = 4e6, so_far = 1;
  c->axes = (int)random_integer(&c->random, 0, 2), c->rank = c->axes + (int)random_integer(&c->random, 1, 2);
  c->batch = random_chance(&c->random, 50);
  for (int v = 0; v < c->rank; v++) {
    c->box[v] = v < c->axes ? few[random_integer(&c->random, 0, LENGTH(few) - 1)]
                            : odd[random_integer(&c->random, 0, LENGTH(odd) - 1)];
    so_far *= (double)c->box[v];
  }
  int long_one = c->axes + (int)random_integer(&c->random, 0, c->rank - c->axes - 1);
  c->box[long_one] = (int64_t)(points / 8 / (so_far / (double)c->box[long_one])) + random_integer(&c->random, 0, 3);
  const Scalar *a = random_read(c), *b = random_read(c), *value = a;
  if (random_chance(&c->random, 60)) value = scalar_apply(c->graph, OP_MULTIPLY, a, b, NULL);
  if (random_chance(&c->random, 50)) value = scalar_apply(c->graph, OP_TANH, value, NULL, NULL);
  if (random_chance(&c->random, 20))
    value = scalar_apply(c->graph, OP_ADD, value,
                         scalar_apply(c->graph, OP_SIGMOID, scalar_index(c->graph, long_one), NULL, NULL), NULL);
  Combine combine = random_chance(&c->random, 25) ? COMBINE_MAXIMUM : COMBINE_SUM;
  bool batch = c->batch && c->axes > 0;
  return graph_compute(c->graph, combine, c->rank, c->box, c->batch ? 1u : 0u, access_identity(c->graph, c->axes),
                       c->axes, c->box, batch, value, NULL, nowhere);
}

typedef struct Inputs {
  Random random;
  Interpreter *interpreter;
  NativeRun *run;
} Inputs;

static void set_input(void *context, Node *node) {
  Inputs *inputs = context;
  if (node->kind != NODE_INPUT) return;
  double *numbers = malloc((size_t)node_size(node) * sizeof *numbers);
  for (int64_t i = 0; i < node_size(node); i++)
    numbers[i] = (double)random_integer(&inputs->random, -4000, 4000) / 2048;
  if (inputs->run != NULL) both_set(inputs->run, inputs->interpreter, node, numbers);
  else interpreter_set(inputs->interpreter, node, numbers);
  free(numbers);
}

typedef struct Setting {
  RegisterType real;
  const char *march;
  double tolerance;
} Setting;
static const Setting settings[] = {
    {REGISTER_F64, "native", 1e-12},
    {REGISTER_F32, "native", 2e-5},
    {REGISTER_F32, "x86-64-v3", 2e-5},
};

START_TEST(parts_add_up_to_the_whole) {
  enum { NODES = 16 };
  Setting setting = settings[_i];
  Session *session = session_new();
  Target *target = target_new(session, setting.march);
  ScheduleOptions options = {.machine = target_machine(target), .real = setting.real, .fuse_limit = -1};
  Graph *graph = graph_new(session);
  Case c = {.graph = graph};
  int split = 0, maxima = 0, rests = 0;
  Effect effects[NODES];
  for (int i = 0; i < NODES; i++) {
    c.random.state = (uint64_t)(i + 1) * 7919;
    Node *node = random_node(&c), *way = sum_split(graph, &options, node, node->value);
    split += way != NULL, maxima += way != NULL && node->combine == COMBINE_MAXIMUM;
    rests += way != NULL && node_is_map(way);
    effects[i] =
        (Effect){graph_input(graph, session_format(session, "out%d", i), node->rank, node->shape, node->batch, nowhere),
                 node, nowhere};
  }
  EffectList list = {NODES, effects};
  NativeRun *run = run_new(session, target, graph, list, setting.real);
  Inputs inputs = {{5}, interpreter_new(graph), run};
  graph_walk(graph, &list, set_input, &inputs);
  run_steps(run);
  for (int i = 0; i < NODES; i++) {
    Node *node = effects[i].value, *way = sum_split(graph, &options, node, node->value);
    double away = run_distance(run, effects[i].target, inputs.interpreter, node);
    ck_assert_msg(away <= setting.tolerance, "node %d: %g away", i, away);
    if (_i > 0 || way == NULL) continue;
    away = distance(interpreter_value(inputs.interpreter, way), interpreter_value(inputs.interpreter, node),
                    node_size(node));
    ck_assert_msg(away <= 1e-12, "node %d, in the interpreter: %g away", i, away);
  }
  ck_assert_msg(split >= NODES / 2 && maxima > 1 && rests > 1, "%d split, %d maxima, %d with a rest", split, maxima,
                rests);
  interpreter_free(inputs.interpreter);
  run_free(run);
  session_free(session);
}
END_TEST

/* How many chunks the longest program has that the value becomes. */
static int64_t most_chunks(Session *session, Target *target, Graph *graph, Node *node) {
  Effect effect = {
      graph_input(graph, session_format(session, "target%d", node->id), node->rank, node->shape, node->batch, nowhere),
      node, nowhere};
  ScheduleOptions options = {.machine = target_machine(target), .real = REGISTER_F32, .fuse_limit = -1};
  Schedule *schedule = schedule_programs(schedule_fuse(session, graph, (EffectList){1, &effect}, &options));
  int64_t most = 0;
  for (int s = 0; s < schedule->step_count; s++)
    if (schedule->steps[s].program->chunks > most) most = schedule->steps[s].program->chunks;
  return most;
}

/* The sum over all but the first `axes` of the box of what has the box's shape, samples first or not. */
static Node *sum_of(Graph *graph, const char *name, int rank, const int64_t *shape, bool batch, int kept) {
  Coordinate at[RANK_LIMIT], write[1];
  int64_t box[BOX_LIMIT];
  for (int d = 0, next = kept >= 0; d < rank; d++) {
    int v = d == kept ? 0 : next++;
    at[d] = coordinate_variable(v);
    box[v] = shape[d];
  }
  write[0] = coordinate_variable(0);
  Node *input = graph_input(graph, name, rank, shape, batch, nowhere);
  const Scalar *read = scalar_read(graph, input, access_new(graph, rank, at));
  return graph_compute(graph, COMBINE_SUM, rank, box, 0, access_new(graph, kept >= 0, write), kept >= 0, box, false,
                       scalar_apply(graph, OP_MULTIPLY, read, read, NULL), NULL, nowhere);
}

START_TEST(tasks_are_many_whatever_the_outputs) {
  Session *session = session_new();
  Target *target = target_new(session, "x86-64-v4");
  Graph *graph = graph_new(session);
  int64_t images[] = {64, 64, 64, 64}, colours[] = {64, 3, 64, 64}, channels[] = {64, 64, 32, 32}, list[] = {8 << 20},
          small[] = {64, 10};
  ck_assert_int_eq(most_chunks(session, target, graph, sum_of(graph, "images", 4, images, true, -1)), 64);
  ck_assert_int_eq(most_chunks(session, target, graph, sum_of(graph, "weights", 1, list, false, -1)), 64);
  ck_assert_int_ge(most_chunks(session, target, graph, sum_of(graph, "colours", 4, colours, true, 1)), 8);
  ck_assert_int_ge(most_chunks(session, target, graph, sum_of(graph, "channels", 4, channels, true, 1)), 32);
  ck_assert_int_eq(most_chunks(session, target, graph, sum_of(graph, "small", 2, small, true, -1)), 1);
  session_free(session);
}
END_TEST

/* A sum of products with rows and lanes: its tile divides the sum where that pays. */
START_TEST(tiles_keep_their_sums) {
  Session *session = session_new();
  Target *target = target_new(session, "x86-64-v4");
  Graph *graph = graph_new(session);
  int64_t a[] = {4, 1 << 16}, b[] = {16, 1 << 16}, box[] = {4, 16, 1 << 16};
  Coordinate rows[] = {coordinate_variable(0), coordinate_variable(2)},
             lanes[] = {coordinate_variable(1), coordinate_variable(2)};
  const Scalar *left = scalar_read(graph, graph_input(graph, "a", 2, a, false, nowhere), access_new(graph, 2, rows));
  const Scalar *right = scalar_read(graph, graph_input(graph, "b", 2, b, false, nowhere), access_new(graph, 2, lanes));
  Node *node = graph_compute(graph, COMBINE_SUM, 3, box, 0, access_identity(graph, 2), 2, box, false,
                             scalar_apply(graph, OP_MULTIPLY, left, right, NULL), NULL, nowhere);
  Effect effect = {graph_input(graph, "out", 2, box, false, nowhere), node, nowhere};
  ScheduleOptions options = {.machine = target_machine(target), .real = REGISTER_F32, .fuse_limit = -1};
  Schedule *schedule = schedule_programs(schedule_fuse(session, graph, (EffectList){1, &effect}, &options));
  ck_assert_int_eq(schedule->tile_count, 1);
  session_free(session);
}
END_TEST

/* ---- totals of what tiles make ----------------------------------------------------------------------------------- */

/* Products of which the total is wanted: dense, with the samples summed or as lanes; a convolution over two axes; one
   that strides over its output, whose residues are parts of a tile; two products added up. */
typedef enum Shape { DENSE, SAMPLES, WINDOW, STRIDED, PIECES, SHAPES } Shape;

static Node *product_of(Graph *graph, Shape shape, Random *random, const char *name) {
  Session *session = graph_session(graph);
  int64_t m = random_integer(random, 9, 40), n = random_integer(random, 17, 70), k = random_integer(random, 30, 90);
  int64_t window = shape == WINDOW ? 3 : shape == STRIDED ? 4 : 1, stride = shape == STRIDED ? 2 : 1;
  int64_t places = shape == WINDOW ? 10 : 6, wide = shape == STRIDED ? 2 * places + 2 : places;
  bool space = shape == WINDOW || shape == STRIDED;
  if (space) m = 9, n = 19, k = 8;
  /* variables: n (samples, or none), m, place; then k, tap */
  int64_t box[] = {n, m, wide, k, window};
  int64_t a[] = {m, k, window}, b[] = {n, k, places};
  Coordinate first[] = {coordinate_variable(1), coordinate_variable(3), coordinate_variable(4)};
  Coordinate second[] = {coordinate_variable(0), coordinate_variable(3), coordinate_variable(2)};
  Coordinate write[] = {coordinate_variable(0), coordinate_variable(1), coordinate_variable(2)};
  if (shape == WINDOW)
    second[2] = coordinate_add(coordinate_add(coordinate_variable(2), coordinate_variable(4)), coordinate_constant(-1));
  if (shape == STRIDED) {
    write[2] = coordinate_add(coordinate_scale(coordinate_variable(2), stride), coordinate_variable(4));
    box[2] = places;
  }
  int rank = space ? 3 : 2, variables = space ? 5 : 3;
  int64_t shape_out[] = {n, m, wide};
  if (!space) {
    first[1] = second[1] = coordinate_variable(2);
    box[2] = k;
  }
  bool batch = shape != DENSE;
  Node *weights = graph_input(graph, session_format(session, "%s.a", name), rank, a, false, nowhere);
  Node *values = graph_input(graph, session_format(session, "%s.b", name), rank, b, batch, nowhere);
  const Scalar *left = scalar_read(graph, weights, access_new(graph, rank, first));
  const Scalar *right = scalar_read(graph, values, access_new(graph, rank, second));
  return graph_compute(graph, COMBINE_SUM, variables, box, batch ? 1u : 0u, access_new(graph, rank, write), rank,
                       shape_out, batch, scalar_apply(graph, OP_MULTIPLY, left, right, NULL), NULL, nowhere);
}

START_TEST(tiles_add_up_what_they_make) {
  enum { TURNS = 5 };
  Setting setting = settings[_i];
  for (int turn = 0; turn < TURNS * SHAPES; turn++) {
    Shape shape = (Shape)(turn % SHAPES);
    Random random = {(uint64_t)turn * 31 + 7};
    Session *session = session_new();
    Target *target = target_new(session, setting.march);
    Graph *graph = graph_new(session);
    Node *product = product_of(graph, shape, &random, "p");
    const Access *all = access_identity(graph, product->rank);
    if (shape == PIECES) {
      random.state = (uint64_t)turn * 31 + 7;
      Node *other = product_of(graph, shape, &random, "q");
      const Scalar *one = scalar_read(graph, product, all), *two = scalar_read(graph, other, all);
      product =
          graph_map(graph, product->rank, product->shape, true, scalar_apply(graph, OP_ADD, one, two, NULL), nowhere);
    }
    const Scalar *read = scalar_read(graph, product, all);
    Node *bent = graph_map(graph, product->rank, product->shape, product->batch,
                           scalar_apply(graph, OP_TANH, read, NULL, NULL), nowhere);
    const Scalar *after = scalar_read(graph, bent, all);
    bool mixed = turn % 2 == 1;
    const Scalar *value = scalar_apply(graph, OP_MULTIPLY, mixed ? after : read, read, NULL);
    uint32_t batch = product->batch ? 1 : 0;
    Node *total = graph_compute(graph, COMBINE_SUM, product->rank, product->shape, batch, access_new(graph, 0, NULL), 0,
                                NULL, false, value, NULL, nowhere);
    Effect effects[] = {{graph_input(graph, "bent", bent->rank, bent->shape, bent->batch, nowhere), bent, nowhere},
                        {graph_input(graph, "total", 0, NULL, false, nowhere), total, nowhere}};
    EffectList list = {2, effects};
    NativeRun *run = run_new(session, target, graph, list, setting.real);
    Inputs inputs = {{11}, interpreter_new(graph), run};
    graph_walk(graph, &list, set_input, &inputs);
    run_steps(run);
    for (int k = 0; k < 2; k++) {
      double away = run_distance(run, effects[k].target, inputs.interpreter, effects[k].value);
      ck_assert_msg(away <= setting.tolerance, "turn %d: %g away", turn, away);
    }
    for (int s = 0; s < run->schedule->step_count; s++) {
      const ScheduledStep *step = &run->schedule->steps[s];
      for (int b = 0; b < step->program->bound_count; b++)
        ck_assert_msg(step->bindings[b]->node != product, "turn %d: what a tile makes is stored for its total", turn);
    }
    interpreter_free(inputs.interpreter);
    run_free(run);
    session_free(session);
  }
}
END_TEST

CHECK_MAIN(.tests = {tasks_are_many_whatever_the_outputs, tiles_keep_their_sums},
           .loops = {{parts_add_up_to_the_whole, 0, LENGTH(settings)},
                     {tiles_add_up_what_they_make, 0, LENGTH(settings)}})
