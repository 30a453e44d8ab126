/* The derivative of a graph: one reverse sweep over its nodes. Takes a node ([] or [batch], seeded with 1) and the nodes to differentiate by; returns their
   adjoints, which are nodes of the same kind again. Never knows an operation (scalar_adjoint.c does), never closes `nothing`. */
#include "internal.h"
#include "transform.h"

#include <math.h>
#include <stdlib.h>

static bool *flags_new(const Graph *graph) {
  bool *flags = calloc((size_t)graph->node_count + 1, sizeof *flags);
  if (flags == NULL) abort();
  return flags;
}

/* ---- paths ---------------------------------------------------------------------------------------------------------------------- */

/* Does the node take part of its value, not just of its subscripts, from an active node? A grad takes it from all that its e takes it from. */
static bool node_depends(const Node *node, const bool *active) {
  switch (node->kind) {
  case NODE_RESHAPE: case NODE_MARK: case NODE_GRAD: return active[node->operand[0]->id];
  case NODE_INPUT: case NODE_RANDOM: case NODE_CONSTANT: return false;
  case NODE_COMPUTE: break;
  }
  bool depends = false;
  List order = scalar_order(1, &node->value, false);
  for (int i = 0; i < order.count; i++) {
    const Scalar *scalar = order.items[i];
    depends |= scalar->op == OP_READ && active[scalar->node->id];
  }
  list_free(&order);
  return depends;
}

/* Marks what depends on the nodes `at`, among the nodes of `order`. */
static bool *find_active(const Graph *graph, const List *order, int count, Node *const *at) {
  bool *active = flags_new(graph);
  for (int i = 0; i < count; i++) active[at[i]->id] = true;
  for (int i = 0; i < order->count; i++) {
    const Node *node = order->items[i];
    if (!active[node->id]) active[node->id] = node_depends(node, active);
  }
  return active;
}

bool transform_reaches(Graph *graph, Node *on, Node *node) {
  List order = graph_order(graph, 1, &node);
  bool *active = find_active(graph, &order, 1, &on), reaches = false;
  for (int i = 0; i < order.count; i++) reaches |= order.items[i] == on;
  reaches = reaches && active[node->id];
  free(active);
  list_free(&order);
  return reaches;
}

Node *transform_couples(Graph *graph, Node *e, Node *v) {
  List order = graph_order(graph, 1, &e);
  bool *active = find_active(graph, &order, 1, &v);
  Node *couples = NULL;
  for (int i = 0; i < order.count && couples == NULL; i++) {
    Node *node = (Node *)order.items[i];
    if (node->kind != NODE_COMPUTE || !active[node->id]) continue;
    List scalars = scalar_order(1, &node->value, false);
    for (int s = 0; s < scalars.count; s++) {
      const Scalar *read = scalars.items[s];
      if (read->op != OP_READ || !active[read->node->id] || !read->node->batch) continue;
      const Coordinate *from = &read->access->coordinates[0], *to = node->batch ? &node->write->coordinates[0] : NULL;
      bool alone = read->node->shape[0] == 1 || (to != NULL && coordinate_is_bare(from) && coordinate_is_bare(to) && from->terms[0].variable == to->terms[0].variable);
      if (!alone) couples = node;
    }
    list_free(&scalars);
  }
  free(active);
  list_free(&order);
  return couples;
}

/* ---- infinities ------------------------------------------------------------------------------------------------------------------- */

enum { BOUND_DEPTH = 24 };                                 /* how far the search for a lower bound looks before it gives up */

/* A number that the expression never falls below; -INFINITY if none is known. */
static double lower_bound(const Scalar *scalar, int depth) {
  if (depth == 0) return -INFINITY;
  double a = -INFINITY, b = -INFINITY;
  const Node *node = scalar->node;
  if (scalar->argument[0] != NULL && scalar->op != OP_SELECT) a = lower_bound(scalar->argument[0], depth - 1);
  if (scalar->argument[1] != NULL) b = lower_bound(scalar->argument[1], depth - 1);
  switch (scalar->op) {
  case OP_CONSTANT: return scalar->value;
  case OP_ADD: return a + b;
  case OP_MULTIPLY: return scalar->argument[0] == scalar->argument[1] ? 0 : a >= 0 && b >= 0 ? a * b : -INFINITY;
  case OP_DIVIDE: return a >= 0 && b > 0 ? 0 : -INFINITY;
  case OP_MAXIMUM: return fmax(a, b);
  case OP_MINIMUM: return fmin(a, b);
  case OP_SQRT: return a > 0 ? sqrt(a) : 0;
  case OP_EXP: case OP_SIGMOID: case OP_SOFTPLUS: case OP_ABSOLUTE: case OP_LESS: case OP_LESS_EQUAL: case OP_EQUAL: case OP_INDEX: return 0;
  case OP_SELECT: return fmin(b, lower_bound(scalar->argument[2], depth - 1));
  case OP_READ: break;
  default: return -INFINITY;
  }
  while (node->kind == NODE_RESHAPE || node->kind == NODE_MARK || node->kind == NODE_CONSTANT) node = node->operand[0];
  if (node->kind == NODE_RANDOM) return node->distribution == DISTRIBUTION_UNIFORM ? 0 : -INFINITY;
  if (node->kind != NODE_COMPUTE) return -INFINITY;
  a = lower_bound(node->value, depth - 1);
  return node_is_map(node) ? a : a >= 0 ? 0 : -INFINITY;
}

/* Can the derivative be infinite where the value is not? Only a division, a power or a logarithm makes it so. Out of bounds a read is 0, below any bound. */
static bool may_be_infinite(const Node *node, const Scalar *derivative) {
  bool infinite = false;
  List order = scalar_order(1, &derivative, false);
  for (int i = 0; i < order.count && !infinite; i++) {
    const Scalar *scalar = order.items[i];
    if (scalar->op == OP_POWER || scalar->op == OP_LOG || scalar->op == OP_LOG1P) infinite = true;
    if (scalar->op != OP_DIVIDE) continue;
    const Scalar *below = scalar->argument[1];
    if (below->op == OP_CONSTANT) infinite = below->value == 0;
    else infinite = !(lower_bound(below, BOUND_DEPTH) > 0) || (below->op == OP_READ && access_may_leave(below->access, node->box, below->node->shape));
  }
  list_free(&order);
  return infinite;
}

/* Is the expression a choice with `nothing`, or a product with one, perhaps behind maps? */
static bool is_guarded(const Scalar *scalar, int depth) {
  if (depth == 0) return false;
  switch (scalar->op) {
  case OP_SELECT: return scalar->argument[1]->op == OP_NOTHING || scalar->argument[2]->op == OP_NOTHING;
  case OP_NEGATE: case OP_DIVIDE: return is_guarded(scalar->argument[0], depth - 1);
  case OP_MULTIPLY: return is_guarded(scalar->argument[0], depth - 1) || is_guarded(scalar->argument[1], depth - 1);
  case OP_READ: return node_is_map(scalar->node) && is_guarded(scalar->node->value, depth - 1);
  default: return false;
  }
}

/* Brings guards that stand behind maps into the expression, where `nothing` is still a symbol and can meet an infinity. */
static const Scalar *open_guards(Graph *graph, const Node *node, const Scalar *scalar) {
  if (!is_guarded(scalar, BOUND_DEPTH)) return scalar;
  const Scalar *const *argument = scalar->argument, *first;
  switch (scalar->op) {
  case OP_NEGATE: return scalar_apply(graph, OP_NEGATE, open_guards(graph, node, argument[0]), NULL, NULL);
  case OP_DIVIDE: return scalar_apply(graph, OP_DIVIDE, open_guards(graph, node, argument[0]), argument[1], NULL);
  case OP_MULTIPLY:
    first = open_guards(graph, node, argument[0]);
    return scalar_apply(graph, OP_MULTIPLY, first, open_guards(graph, node, argument[1]), NULL);
  case OP_READ:
    if (access_may_leave(scalar->access, node->box, scalar->node->shape)) return scalar;
    return open_guards(graph, node, scalar_substitute(graph, scalar->node->value, scalar->access->coordinates));
  default: return scalar;
  }
}

/* ---- the sweep ---------------------------------------------------------------------------------------------------------------------- */

typedef struct Sweep { Graph *graph; bool *active; List *contributions; } Sweep;     /* contributions: nodes, by the id of what they are for */

/* Several contributions become one map. */
static Node *sweep_sum(Sweep *sweep, const Node *node) {
  const List *parts = &sweep->contributions[node->id];
  if (parts->count == 0) return NULL;
  if (parts->count == 1) return (Node *)parts->items[0];
  const Access *identity = access_identity(sweep->graph, node->rank);
  const Scalar *sum = scalar_nothing(sweep->graph);
  for (int i = 0; i < parts->count; i++)
    sum = scalar_apply(sweep->graph, OP_ADD, sum, scalar_read(sweep->graph, (Node *)parts->items[i], identity), NULL);
  return graph_map(sweep->graph, node->rank, node->shape, node->batch, sum, node->span);
}

static void sweep_contribute(Sweep *sweep, const Node *to, Node *part) {
  if (!node_is_nothing(part)) list_add(&sweep->contributions[to->id], part);
}

/* 1 / (how many points attain the maximum) where this point does, else nothing: the mask and the count are constants. */
static const Scalar *share_of_maximum(Graph *graph, Node *node, const Scalar *factor) {
  const Scalar *attains = scalar_apply(graph, OP_EQUAL, node->value, scalar_read(graph, node, node->write), NULL);
  Node *count = graph_compute(graph, COMBINE_SUM, node->box_rank, node->box, node->batch_variables, node->write, node->rank, node->shape, node->batch, attains, NULL,
                              node->span);
  if (access_may_leave(node->write, node->box, node->shape))
    attains = scalar_apply(graph, OP_AND, scalar_within(graph, node, node->write), attains, NULL);
  factor = scalar_apply(graph, OP_DIVIDE, factor, scalar_read(graph, count, node->write), NULL);
  return scalar_apply(graph, OP_SELECT, attains, factor, scalar_nothing(graph));
}

/* T̄[g(i)] += ō[f(i)] * (∂e/∂read)(i), over the same box. */
static void sweep_compute(Sweep *sweep, Node *node, Node *adjoint) {
  Graph *graph = sweep->graph;
  Derivatives by = scalar_adjoint(graph, node->value, sweep->active);
  const Scalar *outer = scalar_settle(graph, node->box, scalar_read(graph, adjoint, node->write));
  for (int i = 0; i < by.reads.count; i++) {
    const Scalar *read = by.reads.items[i], *inner = by.derivatives.items[i], *factor = outer;
    bool infinite = may_be_infinite(node, inner);
    if (infinite) factor = open_guards(graph, node, outer);
    factor = scalar_apply(graph, OP_MULTIPLY, factor, inner, NULL);
    if (node->combine == COMBINE_MAXIMUM) factor = share_of_maximum(graph, node, factor);
    else if (infinite && access_may_leave(node->write, node->box, node->shape))
      factor = scalar_apply(graph, OP_SELECT, scalar_within(graph, node, node->write), factor, scalar_nothing(graph));
    const Node *of = read->node;
    if (factor->op == OP_NOTHING) continue;
    sweep_contribute(sweep, of, graph_compute(graph, COMBINE_SUM, node->box_rank, node->box, node->batch_variables, read->access, of->rank, of->shape, of->batch,
                                              factor, NULL, node->span));
  }
  list_free(&by.reads);
  list_free(&by.derivatives);
}

static void sweep_node(Sweep *sweep, Node *node) {
  if (node->kind == NODE_INPUT || node->kind == NODE_RANDOM || node->kind == NODE_CONSTANT) return;
  Node *adjoint = sweep_sum(sweep, node);
  if (adjoint == NULL) return;
  if (node->kind == NODE_COMPUTE) sweep_compute(sweep, node, adjoint);
  else if (node->kind == NODE_MARK) sweep_contribute(sweep, node->operand[0], adjoint);
  else if (node->kind == NODE_RESHAPE)
    sweep_contribute(sweep, node->operand[0], graph_reshape(sweep->graph, adjoint, node->operand[0]->rank, node->operand[0]->shape, node->span));
  else abort();                                            /* a grad inside: differentiate goes innermost first */
}

void transform_adjoint(Graph *graph, Node *of, int count, Node *const *at, Node **adjoints) {
  List order = graph_order(graph, 1, &of);
  Sweep sweep = {.graph = graph, .active = find_active(graph, &order, count, at)};
  int nodes = graph->node_count;
  sweep.contributions = calloc((size_t)nodes + 1, sizeof *sweep.contributions);
  if (sweep.contributions == NULL) abort();
  if (sweep.active[of->id]) list_add(&sweep.contributions[of->id], graph_map(graph, of->rank, of->shape, of->batch, scalar_constant(graph, 1), of->span));
  for (int i = order.count - 1; i >= 0; i--) {
    Node *node = (Node *)order.items[i];
    if (sweep.active[node->id]) sweep_node(&sweep, node);
  }
  for (int i = 0; i < count; i++) adjoints[i] = sweep_sum(&sweep, at[i]);
  for (int i = 0; i < nodes; i++) list_free(&sweep.contributions[i]);
  free(sweep.contributions);
  free(sweep.active);
  list_free(&order);
}
