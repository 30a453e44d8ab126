/* Warnings about what objectives say, read off their graphs: no name of a layer or a loss counts. Takes the nodes of the objectives and the players' weights;
   reports; changes nothing. */
#include "evaluator.h"

#include "compiler/transform/transform.h"

#include <math.h>
#include <string.h>

enum { PART_LIMIT = 64, WEIGHT_LIMIT = 256 };

/* ---- logits that are probabilities ------------------------------------------------------------------------------------------------ */

typedef struct Reads { Evaluator *e; bool found; } Reads;

static void find_weight(void *context, const Scalar *read) {
  Reads *reads = context;
  if (reads->found) return;
  Evaluator *e = reads->e;
  Sources sources = transform_sources(e->graph, read->node);
  for (int k = 0; k < e->slot_count && !reads->found; k++)
    reads->found = e->slots[k]->is_weight && sources_hold(&sources, e->model->tensors[e->slots[k]->tensor].input);
}

static bool depends_on_weights(Evaluator *e, const Scalar *scalar) {
  Reads reads = {e, false};
  scalar_reads(scalar, find_weight, &reads);
  return reads.found;
}

typedef struct Search { Evaluator *e; const Scalar *found; } Search;

static void search_scalar(void *context, const Scalar *scalar) {
  Search *search = context;
  if (scalar->op != OP_SOFTPLUS || search->found != NULL) return;
  Range range = scalar_range(search->e->graph, scalar->argument[0]);
  bool probability = range.low >= -1 && range.high <= 1 && (range.low >= 0 || range.high <= 0) && range.low < range.high;
  if (probability && depends_on_weights(search->e, scalar->argument[0])) search->found = scalar;
}

static void search_node(void *context, Node *node) {
  Search *search = context;
  if (node->kind == NODE_COMPUTE && search->found == NULL) scalar_walk(node->value, search_scalar, search);
}

static void first_span(void *context, const Scalar *read) {
  Span *span = context;
  if (span->source == NULL) *span = read->node->span;
}

/* log(1 + exp(±a)) is the loss of a logit; here a lies in 0..1, as after a sigmoid: the loss hardly changes any more, and a critic cannot be sure of anything. */
static void lint_logits(Evaluator *e, int objective) {
  Search search = {e, NULL};
  EffectList effects = {1, &(Effect){e->objective_values[objective], e->objective_values[objective], {0}}};
  graph_walk(e->graph, &effects, search_node, &search);
  if (search.found == NULL) return;
  Diagnostic *diagnostic = diagnostic_report(e->session, W6016, e->objectives[objective]->objective.value->span, "its logit lies between 0 and 1");
  Span span = {0};
  scalar_reads(search.found, first_span, &span);
  if (span.source != NULL) diagnostic_also(diagnostic, span, "this is a probability already");
  diagnostic_hint(diagnostic, "leave the `sigmoid` to the loss; or write the loss of a probability p: `-log(p)`, `-log(1 - p)`");
}

/* ---- players that pull at the same end ---------------------------------------------------------------------------------------------- */

/* A term of an objective: a part of the value of `sum` (NULL: of the objective itself), and the sign with which its player lowers it. */
typedef struct Part { const Node *sum; const Scalar *value; int sign; } Part;
typedef struct Parts { int count; Part items[PART_LIMIT]; } Parts;

static void collect(Parts *parts, const Node *sum, const Scalar *scalar, int sign) {
  const Scalar *a = scalar->argument[0], *b = scalar->argument[1];
  if (parts->count == PART_LIMIT) return;
  switch (scalar->op) {
  case OP_ADD:
    collect(parts, sum, a, sign);
    collect(parts, sum, b, sign);
    return;
  case OP_NEGATE: collect(parts, sum, a, -sign); return;
  case OP_MULTIPLY:
    if (a->op == OP_CONSTANT && a->value != 0) {
      collect(parts, sum, b, a->value < 0 ? -sign : sign);
      return;
    }
    break;
  case OP_DIVIDE:
    if (b->op == OP_CONSTANT && b->value != 0) {
      collect(parts, sum, a, b->value < 0 ? -sign : sign);
      return;
    }
    break;
  case OP_READ:
    if (sum == NULL && scalar->node->kind == NODE_COMPUTE && scalar->node->rank == 0 && scalar->node->combine != COMBINE_MAXIMUM) {
      collect(parts, node_is_map(scalar->node) ? NULL : scalar->node, scalar->node->value, sign);
      return;
    }
    break;
  default: break;
  }
  parts->items[parts->count++] = (Part){sum, scalar, sign};
}

static bool same_term(const Part *a, const Part *b) {
  if (a->value != b->value || (a->sum == NULL) != (b->sum == NULL)) return false;
  return a->sum == NULL || (a->sum->box_rank == b->sum->box_rank && memcmp(a->sum->box, b->sum->box, (size_t)a->sum->box_rank * sizeof *a->sum->box) == 0);
}

static Node *term_node(Evaluator *e, const Part *term) {
  const Node *sum = term->sum;
  if (sum == NULL) return graph_map(e->graph, 0, NULL, false, term->value, (Span){0});
  return graph_compute(e->graph, COMBINE_SUM, sum->box_rank, sum->box, sum->batch_variables, sum->write, sum->rank, sum->shape, sum->batch, term->value, NULL, sum->span);
}

static void find_grad(void *context, Node *node) { *(bool *)context |= node->kind == NODE_GRAD; }

static bool holds_grad(Evaluator *e, Node *node) {
  bool holds = false;
  graph_walk(e->graph, &(EffectList){1, &(Effect){node, node, {0}}}, find_grad, &holds);
  return holds;
}

static bool reaches_network(Evaluator *e, const Network *network, Node *node) {
  Slot **weights;
  int count = network_weights(e, network, &weights);
  Sources sources = transform_sources(e->graph, node);
  for (int w = 0; w < count; w++)
    if (sources_hold(&sources, e->model->tensors[weights[w]->tensor].input)) return true;
  return false;
}

/* The sign of the derivative of the node by each weight: 1 or -1 where all its elements have it, whatever the numbers are; else 0. */
static int derivative_signs(Evaluator *e, const Network *network, Node *node, int signs[WEIGHT_LIMIT]) {
  Slot **weights;
  Node *at[WEIGHT_LIMIT], *adjoints[WEIGHT_LIMIT];
  int count = network_weights(e, network, &weights);
  if (count > WEIGHT_LIMIT) count = WEIGHT_LIMIT;
  for (int w = 0; w < count; w++) at[w] = e->model->tensors[weights[w]->tensor].input;
  transform_adjoint(e->graph, node, count, at, adjoints);
  for (int w = 0; w < count; w++) {
    signs[w] = 0;
    if (adjoints[w] == NULL) continue;
    Range range = scalar_range(e->graph, scalar_read(e->graph, adjoints[w], access_identity(e->graph, adjoints[w]->rank)));
    signs[w] = range.low >= 0 && range.high > 0 ? 1 : range.high <= 0 && range.low < 0 ? -1 : 0;
  }
  return count;
}

/* Does the player judge: is there another term, without the opponent, that its objective moves the other way, as seen from one of its weights? */
static bool judges(Evaluator *e, const Network *player, const Network *opponent, const Parts *parts, const Part *shared, Node *shared_node) {
  int one[WEIGHT_LIMIT], other[WEIGHT_LIMIT];
  int count = derivative_signs(e, player, shared_node, one);
  for (int t = 0; t < parts->count; t++) {
    const Part *term = &parts->items[t];
    Node *node = term_node(e, term);
    if (same_term(term, shared) || holds_grad(e, node) || !reaches_network(e, player, node) || reaches_network(e, opponent, node)) continue;
    derivative_signs(e, player, node, other);
    for (int w = 0; w < count; w++)
      if (one[w] * shared->sign * other[w] * term->sign < 0) return true;
  }
  return false;
}

static bool lists(const Syntax *objective, const Network *network) {
  for (int k = 0; k < objective->objective.players.count; k++)
    if (objective->objective.players.items[k]->name == network->name) return true;
  return false;
}

static const Network *player_apart(Evaluator *e, int of, int apart) {
  for (int k = 0; k < e->network_count; k++)
    if (lists(e->objectives[of], e->networks[k]) && !lists(e->objectives[apart], e->networks[k])) return e->networks[k];
  return NULL;
}

/* Objective i is that of a player who judges the other's work; does j, the other's, lower the same term as i does? */
static bool lint_pair(Evaluator *e, const Parts *all, int i, int j) {
  for (int a = 0; a < all[i].count; a++)
    for (int b = 0; b < all[j].count; b++) {
      const Part *shared = &all[i].items[a];
      if (!same_term(shared, &all[j].items[b]) || shared->sign != all[j].items[b].sign) continue;
      const Network *judge = player_apart(e, i, j), *other = player_apart(e, j, i);
      if (judge == NULL || other == NULL) return false;
      Node *node = term_node(e, shared);
      if (holds_grad(e, node) || !reaches_network(e, judge, node) || !reaches_network(e, other, node) || !judges(e, judge, other, &all[i], shared, node)) continue;
      Diagnostic *diagnostic = diagnostic_report(e->session, W6015, e->objectives[j]->objective.value->span, "`%s` makes this %s", other->name,
                                                 shared->sign > 0 ? "smaller" : "larger");
      diagnostic_also(diagnostic, e->objectives[i]->objective.value->span, "and so does `%s`", judge->name);
      diagnostic_hint(diagnostic, "one of two signs is the wrong one; if both are meant to pull at one end, list them: `%s, %s minimize …`", judge->name, other->name);
      return true;
    }
  return false;
}

void lint_objectives(Evaluator *e) {
  for (int k = 0; k < e->objective_count; k++) lint_logits(e, k);
  Parts *all = session_allocate(e->session, (size_t)(e->objective_count + 1) * sizeof *all);
  for (int k = 0; k < e->objective_count; k++)
    collect(&all[k], NULL, scalar_read(e->graph, e->objective_values[k], access_identity(e->graph, 0)), e->objectives[k]->objective.maximize ? -1 : 1);
  for (int i = 0; i < e->objective_count; i++)
    for (int j = 0; j < e->objective_count; j++)
      if (i != j) lint_pair(e, all, i, j);
}
