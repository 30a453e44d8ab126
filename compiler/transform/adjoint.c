/* The derivative of a graph: one reverse sweep over its nodes. Takes a node ([] or [batch], seeded with 1) and the
   nodes to differentiate by; returns their adjoints, which are nodes of the same kind again. Never knows an operation
   (scalar_adjoint.c does), never closes `nothing`. */
#include "internal.h"
#include "transform.h"
#include "tests/mutants/mutant.h"

#include <math.h>
#include <stdlib.h>

static bool *flags_new(const Graph *graph) {
  bool *flags = calloc((size_t)graph->node_count + 1, sizeof *flags);
  if (flags == NULL) out_of_memory();
  return flags;
}

/* ---- paths ------------------------------------------------------------------------------------------------------- */

/* Does the node take part of its value, not just of its subscripts, from an active node? A grad takes it from all that
   its e takes it from. */
static bool node_depends(const Node *node, const bool *active) {
  switch (node->kind) {
  case NODE_RESHAPE:
  case NODE_MARK:
  case NODE_GRAD: return active[node->operand[0]->id];
  case NODE_INPUT:
  case NODE_RANDOM:
  case NODE_CONSTANT: return false;
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

/* By any path that is not through what is constant: subscripts and comparisons count, though derivatives along them are
   0. What a node reads is older than the node itself. */
static Sources sources_past(Graph *graph, const Node *past, Node *node) {
  bool *reached = session_allocate(graph->session, (size_t)node->id + 1);
  List stack = {0};
  reached[node->id] = true;
  list_add(&stack, node);
  while (stack.count > 0) {
    const Node *here = stack.items[--stack.count];
    if (here == past || here->kind == NODE_CONSTANT) continue;
    for (int r = 0; r < here->read_count; r++) {
      Node *read = here->reads[r];
      if (!reached[read->id]) list_add(&stack, read);
      reached[read->id] = true;
    }
  }
  list_free(&stack);
  return (Sources){node->id + 1, reached};
}

Sources transform_sources(Graph *graph, Node *node) { return sources_past(graph, NULL, node); }

bool sources_hold(const Sources *sources, const Node *on) {
  return on->id < sources->count && sources->reached[on->id];
}

bool transform_reaches(Graph *graph, Node *on, Node *node) { return transform_reaches_past(graph, on, NULL, node); }

bool transform_reaches_past(Graph *graph, Node *on, Node *past, Node *node) {
  Sources sources = sources_past(graph, past, node);
  return sources_hold(&sources, on);
}

Node *transform_couples(Graph *graph, Node *e, Node *v) {
  List order = graph_order(graph, 1, &e);
  bool *active = find_active(graph, &order, 1, &v), *leads = flags_new(graph);
  leads[e->id] = true;
  for (int i = order.count - 1; i >= 0; i--) { /* backwards from e, but not through what is constant */
    const Node *node = order.items[i];
    if (!leads[node->id] || !active[node->id] || node->kind == NODE_CONSTANT) continue;
    for (int r = 0; r < node->read_count; r++) leads[node->reads[r]->id] = true;
  }
  Node *couples = NULL;
  for (int i = 0; i < order.count && couples == NULL; i++) {
    Node *node = (Node *)order.items[i];
    if (node->kind != NODE_COMPUTE || !active[node->id] || !leads[node->id]) continue;
    List scalars = scalar_order(1, &node->value, false);
    for (int s = 0; s < scalars.count; s++) {
      const Scalar *read = scalars.items[s];
      if (read->op != OP_READ || !active[read->node->id] || !read->node->batch) continue;
      const Coordinate *from = &read->access->coordinates[0], *to = node->batch ? &node->write->coordinates[0] : NULL;
      bool alone = read->node->shape[0] == 1 || (to != NULL && coordinate_is_bare(from) && coordinate_is_bare(to) &&
                                                 from->terms[0].variable == to->terms[0].variable);
      if (!alone) couples = node;
    }
    list_free(&scalars);
  }
  free(leads);
  free(active);
  list_free(&order);
  return couples;
}

/* ---- the sweep --------------------------------------------------------------------------------------------------- */

typedef struct Sweep {
  Graph *graph;
  bool *active;
  List *contributions;
  Guards guards;
} Sweep; /* contributions: nodes, by the id of what they are for */

/* For people: what a node of the reverse sweep is the derivative by. */
static const char *derivative_name(Graph *graph, const Node *by) {
  return by->name == NULL ? NULL : session_format(graph_session(graph), "d %s", by->name);
}

/* Several contributions become one map. */
static Node *sweep_sum(Sweep *sweep, const Node *node) {
  const List *parts = &sweep->contributions[node->id];
  if (parts->count == 0) return NULL;
  if (parts->count == 1) return (Node *)parts->items[0];
  const Access *identity = access_identity(sweep->graph, node->rank);
  const Scalar *sum = scalar_nothing(sweep->graph);
  for (int i = 0; i < parts->count; i++)
    sum = scalar_apply(sweep->graph, OP_ADD, sum, scalar_read(sweep->graph, (Node *)parts->items[i], identity), NULL);
  Node *total = graph_map(sweep->graph, node->rank, node->shape, node->batch, sum, node->span);
  if (total->kind == NODE_COMPUTE && total->name == NULL) total->name = derivative_name(sweep->graph, node);
  return total;
}

static void sweep_contribute(Sweep *sweep, const Node *to, Node *part) {
  if (!node_is_nothing(part)) list_add(&sweep->contributions[to->id], part);
}

/* 1 / (how many points attain the maximum) where this point does, else nothing: the mask and the count are constants.
   Where the maximum is not a number, no derivative is. */
static const Scalar *share_of_maximum(Graph *graph, Node *node, const Scalar *factor) {
  const Scalar *maximum = scalar_read(graph, node, node->write),
               *attains = scalar_apply(graph, OP_EQUAL, node->value, maximum, NULL);
  const Scalar *is_number = scalar_apply(graph, OP_EQUAL, maximum, maximum, NULL);
  Node *count = compute_reduced(graph, COMBINE_SUM, node->box_rank, node->box, node->batch_variables, node->write,
                                node->rank, node->shape, node->batch, attains, NULL, node->span);
  if (access_may_leave(node->write, node->box, node->shape))
    attains = scalar_apply(graph, OP_AND, scalar_within(graph, node, node->write), attains, NULL);
  if (!MUTANT(maximum_share))
    factor = scalar_apply(graph, OP_DIVIDE, factor, scalar_read(graph, count, node->write), NULL);
  const Scalar *nothing = scalar_nothing(graph),
               *otherwise = scalar_apply(graph, OP_SELECT, is_number, nothing, scalar_constant(graph, NAN));
  return scalar_apply(graph, OP_SELECT, attains, factor, otherwise);
}

/* T̄[g(i)] += ō[f(i)] * (∂e/∂read)(i), over the same box. */
static void sweep_compute(Sweep *sweep, Node *node, Node *adjoint) {
  Graph *graph = sweep->graph;
  Derivatives by = scalar_adjoint(graph, node->value, sweep->active);
  const Scalar *outer = scalar_settle(graph, node->box, scalar_read(graph, adjoint, node->write));
  for (int i = 0; i < by.reads.count; i++) {
    const Scalar *read = by.reads.items[i], *inner = by.derivatives.items[i], *factor = outer;
    bool infinite = guards_needed(&sweep->guards, node, inner) && !MUTANT(guard_dropped);
    if (infinite) factor = guards_open(&sweep->guards, graph, node, outer);
    factor = scalar_apply(graph, OP_MULTIPLY, factor, inner, NULL);
    if (node->combine == COMBINE_MAXIMUM) factor = share_of_maximum(graph, node, factor);
    else if (infinite && access_may_leave(node->write, node->box, node->shape)) {
      const Scalar *lands = scalar_within(graph, node, node->write);
      factor = scalar_apply(graph, OP_SELECT, lands, factor, scalar_nothing(graph));
    }
    const Node *of = read->node;
    if (factor->op == OP_NOTHING) continue;
    sweep_contribute(sweep, of,
                     compute_reduced(graph, COMBINE_SUM, node->box_rank, node->box, node->batch_variables, read->access,
                                     of->rank, of->shape, of->batch, factor, derivative_name(graph, of), node->span));
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
    sweep_contribute(sweep, node->operand[0],
                     graph_reshape(sweep->graph, adjoint, node->operand[0]->rank, node->operand[0]->shape, node->span));
  else internal_error(HERE, "a derivative inside of another that is written out first");
}

void transform_adjoint(Graph *graph, Node *of, int count, Node *const *at, Node **adjoints) {
  List order = graph_order(graph, 1, &of);
  Sweep sweep = {.graph = graph, .active = find_active(graph, &order, count, at)};
  sweep.contributions = calloc((size_t)graph->node_count + 1, sizeof *sweep.contributions);
  if (sweep.contributions == NULL) out_of_memory();
  if (sweep.active[of->id])
    list_add(&sweep.contributions[of->id],
             graph_map(graph, of->rank, of->shape, of->batch, scalar_constant(graph, 1), of->span));
  for (int i = order.count - 1; i >= 0; i--) {
    Node *node = (Node *)order.items[i];
    if (sweep.active[node->id]) sweep_node(&sweep, node);
  }
  for (int i = 0; i < count; i++) adjoints[i] = sweep_sum(&sweep, at[i]);
  for (int i = 0; i < order.count; i++) list_free(&sweep.contributions[((const Node *)order.items[i])->id]);
  guards_free(&sweep.guards);
  free(sweep.contributions);
  free(sweep.active);
  list_free(&order);
}
