/* Makes derivatives explicit. Takes effects with `grad` nodes; returns effects without: each grad replaced, innermost first, by the adjoint of its operand;
   marks and constants gone after the last one. Reports a grad whose value does not depend on what it is differentiated by; that derivative is 0. */
#include "internal.h"
#include "transform.h"

#include <stdlib.h>

static Node *resolve(Rebuilding *rebuilding, Node *node) {
  Graph *graph = rebuilding->graph;
  if (node->kind != NODE_GRAD) return rebuild_node(rebuilding, node, false);
  Node *e = rebuild_image(rebuilding, node->operand[0]), *v = rebuild_image(rebuilding, node->operand[1]), *adjoint = NULL;
  /* Asked of the graph as it was written: there a gradient still depends on all that its operand depends on. */
  if (!transform_reaches(graph, node->operand[1], node->operand[0]))
    diagnostic_report(graph_session(graph), E3004, node->span, "no path leads from the one to the other");
  transform_adjoint(graph, e, 1, &v, &adjoint);
  return adjoint != NULL ? adjoint : graph_map(graph, v->rank, v->shape, v->batch, scalar_nothing(graph), node->span);
}

static Node *strip(Rebuilding *rebuilding, Node *node) {
  if (node->kind == NODE_MARK || node->kind == NODE_CONSTANT) return rebuild_image(rebuilding, node->operand[0]);
  return rebuild_node(rebuilding, node, false);
}

EffectList transform_differentiate(Graph *graph, EffectList effects) {
  return rebuild_effects(graph, rebuild_effects(graph, effects, resolve, NULL), strip, NULL);
}

/* ---- simplify: everything once more, now that marks are gone, until nothing changes ------------------------------------------- */

static Node *build_again(Rebuilding *rebuilding, Node *node) { return rebuild_node(rebuilding, node, true); }

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
