/* Makes derivatives explicit. Takes effects with `grad` nodes; returns effects without: each grad replaced, innermost
   first, by the adjoint of its operand; marks gone after the last one, and constants unless they are wanted. A grad
   whose value does not depend on what it is differentiated by is 0. */
#include "internal.h"
#include "transform.h"
#include "tests/mutants/mutant.h"

#include <stdlib.h>

/* All grads of the effects, and what those that are resolved have become: the many of one objective share a sweep. */
typedef struct Resolution {
  List grads;
  Memo adjoints;
} Resolution;

static void collect_grad(void *context, Node *node) {
  if (node->kind == NODE_GRAD) list_add(context, node);
}

/* Replaces every grad of the same e whose v has an image already: all that lie on paths to e do. */
static void resolve_all(Rebuilding *rebuilding, const Node *old_e) {
  Resolution *resolution = rebuilding->context;
  Graph *graph = rebuilding->graph;
  Node *e = rebuild_image(rebuilding, old_e);
  Node **grads = nodes_new(resolution->grads.count), **at = nodes_new(resolution->grads.count),
       **adjoints = nodes_new(resolution->grads.count);
  int count = 0;
  for (int i = 0; i < resolution->grads.count; i++) {
    Node *grad = (Node *)resolution->grads.items[i];
    if (grad->operand[0] != old_e || memo_get(&rebuilding->images, grad->operand[1]->id) == NULL) continue;
    grads[count] = grad;
    at[count++] = rebuild_image(rebuilding, grad->operand[1]);
  }
  transform_adjoint(graph, e, count, at, adjoints);
  for (int i = 0; i < count; i++) {
    const Node *v = at[i];
    const Scalar *none = MUTANT(missing_path) ? scalar_constant(graph, 1) : scalar_nothing(graph);
    if (adjoints[i] == NULL) adjoints[i] = graph_map(graph, v->rank, v->shape, v->batch, none, grads[i]->span);
    memo_put(&resolution->adjoints, grads[i]->id, adjoints[i]);
  }
  free(grads);
  free(at);
  free(adjoints);
}

static Node *resolve(Rebuilding *rebuilding, Node *node) {
  Resolution *resolution = rebuilding->context;
  if (MUTANT(constant_transparent) && node->kind == NODE_CONSTANT) return rebuild_image(rebuilding, node->operand[0]);
  if (node->kind != NODE_GRAD) return rebuild_node(rebuilding, node, false);
  if (memo_get(&resolution->adjoints, node->id) == NULL) resolve_all(rebuilding, node->operand[0]);
  return (Node *)memo_get(&resolution->adjoints, node->id);
}

static Node *strip(Rebuilding *rebuilding, Node *node) {
  const bool *keep_constants = rebuilding->context;
  if (node->kind == NODE_MARK || (node->kind == NODE_CONSTANT && !*keep_constants))
    return rebuild_image(rebuilding, node->operand[0]);
  return rebuild_node(rebuilding, node, false);
}

static EffectList resolve_and_strip(Graph *graph, EffectList effects, bool keep_constants) {
  Resolution resolution = {{0}, {0}};
  graph_walk(graph, &effects, collect_grad, &resolution.grads);
  effects = rebuild_effects(graph, effects, resolve, &resolution);
  list_free(&resolution.grads);
  memo_free(&resolution.adjoints);
  return rebuild_effects(graph, effects, strip, &keep_constants);
}

EffectList transform_differentiate(Graph *graph, EffectList effects) {
  return resolve_and_strip(graph, effects, false);
}
EffectList transform_resolve(Graph *graph, EffectList effects) { return resolve_and_strip(graph, effects, true); }

/* ---- simplify: everything once more, now that marks are gone, until nothing changes ------------------------------ */

static Node *build_again(Rebuilding *rebuilding, Node *node) { return rebuild_node(rebuilding, node, true); }

EffectList transform_sums(Graph *graph, EffectList effects) {
  return rebuild_effects(graph, effects, build_again, NULL);
}

EffectList transform_simplify(Graph *graph, EffectList effects) {
  enum { TURNS = 8 };
  for (int turn = 0; turn < TURNS; turn++) {
    EffectList next = rebuild_effects(graph, effects, build_again, NULL);
    bool same = true;
    for (int i = 0; i < effects.count; i++) same &= next.items[i].value == effects.items[i].value;
    if (same) return next;
    effects = next;
  }
  return effects;
}
