/* Random graphs: chains of maps, products, reductions, reshapes, draws and effects that overwrite what others read,
   natively and in the interpreter. What fusion decides must change nothing, at any limit of --fuse-limit. */
#include "schedule_run.h"

static int random_below(Random *random, int end) { return (int)random_integer(random, 0, end - 1); }

static const Span nowhere;
enum { NODE_LIMIT = 64, AXES = 4 };

typedef struct Case {
  Graph *graph;
  Session *session;
  Random random;
  int64_t batch, widths[AXES];
  int count;
  Node *nodes[NODE_LIMIT];
  int inputs, effect_count;
  Effect effects[NODE_LIMIT];
} Case;

static Node *add_node(Case *c, Node *node) {
  if (c->count < NODE_LIMIT) c->nodes[c->count++] = node;
  return node;
}

static Node *any_node(Case *c) { return c->nodes[random_below(&c->random, c->count)]; }

static Node *add_input(Case *c, int rank, const int64_t *shape, bool batch) {
  return add_node(c,
                  graph_input(c->graph, session_format(c->session, "x%d", c->inputs++), rank, shape, batch, nowhere));
}

/* Some node read at a point of `shape`: the same axes where extents agree, a shifted or constant subscript
   elsewhere. */
static const Scalar *read_at(Case *c, Node *node, int rank, const int64_t *shape, bool batch) {
  Coordinate coordinates[RANK_LIMIT];
  for (int d = 0; d < node->rank; d++) {
    coordinates[d] = coordinate_constant(random_below(&c->random, (int)node->shape[d]));
    if (d == 0 && node->batch) {
      if (batch) coordinates[0] = coordinate_variable(0);
      continue;
    }
    for (int e = rank - 1; e >= (batch ? 1 : 0); e--)
      if (shape[e] == node->shape[d] && (coordinate_is_constant(&coordinates[d]) || e == d))
        coordinates[d] = coordinate_variable(e);
    if (random_below(&c->random, 12) == 0)
      coordinates[d] = coordinate_add(coordinates[d], coordinate_constant(random_below(&c->random, 3) - 1));
  }
  return scalar_read(c->graph, node, access_new(c->graph, node->rank, coordinates));
}

static const Scalar *apply(Case *c, Operation op, const Scalar *a, const Scalar *b) {
  return scalar_apply(c->graph, op, a, operation_arity(op) > 1 ? b : NULL, NULL);
}

static const Scalar *expression(Case *c, int depth, int rank, const int64_t *shape, bool batch) {
  static const Operation some[] = {OP_ADD,    OP_ADD,  OP_MULTIPLY, OP_MAXIMUM,
                                   OP_NEGATE, OP_TANH, OP_SIGMOID,  OP_ABSOLUTE};
  if (depth == 0 || random_below(&c->random, 5) == 0) {
    Node *node = any_node(c);
    if (node->batch && !batch) return scalar_constant(c->graph, 0.75);
    return read_at(c, node, rank, shape, batch);
  }
  if (random_below(&c->random, 6) == 0) {
    const Scalar *a = expression(c, depth - 1, rank, shape, batch), *b = expression(c, depth - 1, rank, shape, batch);
    return scalar_apply(c->graph, OP_SELECT, apply(c, OP_LESS, a, scalar_constant(c->graph, 0.1)),
                        apply(c, OP_TANH, b, NULL), a);
  }
  Operation op = some[random_below(&c->random, LENGTH(some))];
  const Scalar *a = expression(c, depth - 1, rank, shape, batch),
               *b = operation_arity(op) > 1 ? expression(c, depth - 1, rank, shape, batch) : NULL;
  const Scalar *value = apply(c, op, a, b);
  return op == OP_MULTIPLY ? apply(c, OP_TANH, value, NULL) : value;
}

static bool random_shape(Case *c, int *rank, int64_t *shape) {
  bool batch = random_below(&c->random, 3) > 0;
  *rank = random_below(&c->random, 3) + batch;
  for (int d = 0; d < *rank; d++) shape[d] = d == 0 && batch ? c->batch : c->widths[random_below(&c->random, AXES)];
  return batch;
}

static void add_map(Case *c) {
  int rank;
  int64_t shape[RANK_LIMIT];
  Node *like = any_node(c);
  bool batch = like->batch;
  rank = like->rank;
  for (int d = 0; d < rank; d++) shape[d] = like->shape[d];
  if (random_below(&c->random, 4) == 0) batch = random_shape(c, &rank, shape);
  const Scalar *value = expression(c, 1 + random_below(&c->random, 3), rank, shape, batch);
  if (random_below(&c->random, 2) == 0 && rank > 0)
    value = apply(c, OP_ADD, value, read_at(c, like, rank, shape, batch));
  if (like->batch && !batch) value = scalar_constant(c->graph, 0.25);
  add_node(c, graph_map(c->graph, rank, shape, batch, value, nowhere));
}

/* x[b, k] W[j, k], W[k, j] dy[b, k], dy[b, i] x[b, j]: the three products of a dense layer, on whatever fits. */
static void add_product(Case *c) {
  Node *x = any_node(c), *w = any_node(c);
  if (x->rank != 2 || w->rank != 2 || !x->batch) return;
  int64_t n = x->shape[0], box[3], shape[2];
  Coordinate v[3] = {coordinate_variable(0), coordinate_variable(1), coordinate_variable(2)};
  Coordinate write[2], left[2], right[2];
  bool batch;
  if (w->batch) { /* out[i, j] over the batch */
    box[0] = x->shape[1], box[1] = w->shape[1], box[2] = n;
    write[0] = v[0], write[1] = v[1], left[0] = v[2], left[1] = v[0], right[0] = v[2], right[1] = v[1];
    shape[0] = box[0], shape[1] = box[1], batch = false;
  } else if (w->shape[1] == x->shape[1] || w->shape[0] == x->shape[1]) {
    bool turned = w->shape[1] != x->shape[1] || random_below(&c->random, 2) == 0;
    if (turned && w->shape[0] != x->shape[1]) turned = false;
    box[0] = n, box[1] = turned ? w->shape[1] : w->shape[0], box[2] = x->shape[1];
    write[0] = v[0], write[1] = v[1], left[0] = v[0], left[1] = v[2];
    right[0] = turned ? v[2] : v[1], right[1] = turned ? v[1] : v[2];
    shape[0] = n, shape[1] = box[1], batch = true;
  } else return;
  const Scalar *a = scalar_read(c->graph, x, access_new(c->graph, 2, left)),
               *b = scalar_read(c->graph, w, access_new(c->graph, 2, right));
  if (random_below(&c->random, 4) == 0) b = apply(c, OP_TANH, b, NULL);
  const Scalar *value = apply(c, OP_MULTIPLY, apply(c, OP_MULTIPLY, a, b), scalar_constant(c->graph, 0.125));
  if (random_below(&c->random, 2) == 0) value = apply(c, OP_MULTIPLY, a, b);
  add_node(c, graph_compute(c->graph, COMBINE_SUM, 3, box, w->batch ? 4 : 1, access_new(c->graph, 2, write), 2, shape,
                            batch, value, NULL, nowhere));
}

static void add_reduction(Case *c) {
  Node *x = any_node(c);
  if (x->rank == 0) return;
  int kept = random_below(&c->random, x->rank + 1), rank = 0;
  Coordinate write[RANK_LIMIT];
  int64_t shape[RANK_LIMIT];
  for (int d = 0; d < x->rank; d++)
    if (kept < x->rank ? d == kept : random_below(&c->random, 2) == 0)
      write[rank] = coordinate_variable(d), shape[rank++] = x->shape[d];
  bool batch = x->batch && rank > 0 && write[0].terms[0].variable == 0;
  const Scalar *value = scalar_read(c->graph, x, access_identity(c->graph, x->rank));
  if (random_below(&c->random, 2) == 0)
    value = apply(c, OP_MULTIPLY, apply(c, OP_SIGMOID, value, NULL), apply(c, OP_TANH, value, NULL));
  Combine combine = random_below(&c->random, 4) == 0 ? COMBINE_MAXIMUM : COMBINE_SUM;
  add_node(c, graph_compute(c->graph, combine, x->rank, x->shape, x->batch ? 1 : 0, access_new(c->graph, rank, write),
                            rank, shape, batch, value, NULL, nowhere));
}

static void add_reshape(Case *c) {
  Node *x = any_node(c);
  int64_t flat[2] = {x->batch ? x->shape[0] : node_size(x), x->batch ? node_size(x) / x->shape[0] : 1};
  add_node(c, graph_reshape(c->graph, x, x->batch ? 2 : 1 + random_below(&c->random, 2), flat, nowhere));
}

static void add_draw(Case *c) {
  int rank;
  int64_t shape[RANK_LIMIT];
  bool batch = random_shape(c, &rank, shape);
  if (rank == 0) return;
  add_node(c, graph_random(c->graph, random_bits(&c->random), 0,
                           random_below(&c->random, 2) == 0 ? DISTRIBUTION_NORMAL : DISTRIBUTION_UNIFORM, NULL, rank,
                           shape, batch, nowhere));
}

static void make_graph(Case *c) {
  c->batch = 1 + random_below(&c->random, 40);
  for (int a = 0; a < AXES; a++) c->widths[a] = 1 + random_below(&c->random, a < 2 ? 40 : 12);
  int64_t shapes[4][2] = {
      {c->batch, c->widths[0]}, {c->widths[1], c->widths[0]}, {c->widths[0], c->widths[1]}, {c->widths[1], 0}};
  for (int i = 0; i < 8; i++) add_input(c, i % 4 == 3 ? 1 : 2, shapes[i % 4], i % 4 == 0);
  add_input(c, 0, NULL, false);
  add_input(c, 0, NULL, false);
  int wanted = 12 + random_below(&c->random, 30);
  for (int turn = 0; turn < 200 && c->count < wanted; turn++) {
    int kind = random_below(&c->random, 12);
    if (kind < 5) add_map(c);
    else if (kind < 9) add_product(c);
    else if (kind == 9) add_reduction(c);
    else if (kind == 10) add_reshape(c);
    else add_draw(c);
  }
  for (int i = 0; i < c->count; i++) { /* inputs move to values of their shape, others are outputs */
    Node *node = c->nodes[i], *target = NULL;
    bool output = random_below(&c->random, 3) == 0;
    if (node->kind == NODE_INPUT && random_below(&c->random, 4) > 0) continue;
    for (int t = 0; t < 10 && !output; t++) {
      Node *other = c->nodes[t];
      bool taken = other->rank != node->rank || other->batch != node->batch;
      for (int d = 0; d < node->rank && !taken; d++) taken = other->shape[d] != node->shape[d];
      for (int e = 0; e < c->effect_count; e++) taken |= c->effects[e].target == other;
      if (!taken) target = other;
    }
    if (target == NULL && output)
      target =
          graph_input(c->graph, session_format(c->session, "out%d", i), node->rank, node->shape, node->batch, nowhere);
    if (target != NULL) c->effects[c->effect_count++] = (Effect){.target = target, .value = node};
  }
}

typedef struct Inputs {
  Random random;
  Interpreter *interpreter;
  NativeRun *run;
} Inputs;

static void set_input(Inputs *inputs, Node *node) {
  double *numbers = malloc(((size_t)node_size(node) + 1) * sizeof *numbers);
  for (int64_t i = 0; i < node_size(node); i++)
    numbers[i] = (double)(random_below(&inputs->random, 8001) - 4000) / 4096;
  both_set(inputs->run, inputs->interpreter, node, numbers);
  free(numbers);
}

typedef struct Setting {
  RegisterType real;
  const char *march;
  int fuse_limit;
  double tolerance;
  int graphs;
} Setting;
static const Setting settings[] = {
    {REGISTER_F64, "native", -1, 1e-12, 100}, {REGISTER_F64, "x86-64-v3", 3, 1e-12, 15},
    {REGISTER_F64, "native", 0, 1e-12, 10},   {REGISTER_F64, "native", 12, 1e-12, 15},
    {REGISTER_F32, "native", -1, 1e-4, 20},
};

START_TEST(fusion_changes_nothing) {
  const Setting *setting = &settings[_i];
  for (int number = 0; number < setting->graphs; number++) {
    Session *session = session_new();
    Target *target = target_new(session, setting->march);
    ck_assert_ptr_nonnull(target);
    Case *c = calloc(1, sizeof *c);
    c->graph = graph_new(session), c->session = session;
    c->random.state = (uint64_t)number * 7919 + 31 + (uint64_t)_i * 1000;
    make_graph(c);
    EffectList effects = {c->effect_count, c->effects};
    NativeRun *run = run_limited(session, target, c->graph, effects, setting->real, setting->fuse_limit);
    Inputs inputs = {{number + 5}, interpreter_new(c->graph), run};
    run->counters = (DrawCounters){.seed = 3, .round = 7, .ordinal = 1};
    interpreter_draws(inputs.interpreter, run->counters);
    for (int i = 0; i < 10; i++) set_input(&inputs, c->nodes[i]);
    run_steps(run);
    interpreter_apply(inputs.interpreter, &effects);
    for (int i = 0; i < effects.count; i++) {
      Node *node = effects.items[i].target;
      double away = run_distance(run, node, inputs.interpreter, node);
      if (!(away <= setting->tolerance)) {
        fprintf(stderr, "graph %d: %s <- node %d\n", number, node->name, effects.items[i].value->id);
        graph_print(c->graph, &effects, stderr);
        fusion_print(run->fusion, stderr);
      }
      ck_assert_msg(away <= setting->tolerance, "graph %d: %s is %g away", number, node->name, away);
    }
    interpreter_free(inputs.interpreter);
    run_free(run);
    free(c);
    session_free(session);
  }
}
END_TEST

CHECK_MAIN(.seconds = 240, .loops = {{fusion_changes_nothing, 0, LENGTH(settings)}})
