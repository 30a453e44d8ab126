/* What every pass from graph to graph shares: nodes are never changed, so a pass builds images of them, operands first.
   Takes effects and what to do with one node; returns effects over the images. */
#include "internal.h"
#include "transform.h"

Node *rebuild_image(const Rebuilding *rebuilding, const Node *node) {
  const Node *image = memo_get(&rebuilding->images, node->id);
  return (Node *)(image == NULL ? node : image);
}

static const Scalar *replace_read(void *context, const Scalar *leaf) {
  const Rebuilding *rebuilding = context;
  Node *image = rebuild_image(rebuilding, leaf->node);
  if (image == leaf->node) return leaf;
  return leaf->op == OP_READ ? scalar_read(rebuilding->graph, image, leaf->access)
                             : scalar_within(rebuilding->graph, image, leaf->access);
}

static const Access *rebuild_access(Rebuilding *rebuilding, const Access *access) {
  Coordinate coordinates[RANK_LIMIT];
  for (int d = 0; d < access->rank; d++) {
    coordinates[d] = access->coordinates[d];
    if (coordinates[d].computed != NULL)
      coordinates[d].computed = scalar_rebuild(rebuilding->graph, coordinates[d].computed, replace_read, rebuilding);
  }
  return access_new(rebuilding->graph, access->rank, coordinates);
}

Node *rebuild_node(Rebuilding *rebuilding, Node *node, bool again) {
  Graph *graph = rebuilding->graph;
  bool same = !again;
  for (int i = 0; i < node->read_count; i++) same &= rebuild_image(rebuilding, node->reads[i]) == node->reads[i];
  if (same) return node;
  Node *first = node->operand[0] == NULL ? NULL : rebuild_image(rebuilding, node->operand[0]);
  switch (node->kind) {
  case NODE_INPUT:
  case NODE_RANDOM: return node;
  case NODE_RESHAPE: return graph_reshape(graph, first, node->rank, node->shape, node->span);
  case NODE_CONSTANT: return graph_constant(graph, first, node->span);
  case NODE_MARK: return graph_mark(graph, first, node->span);
  case NODE_GRAD: return graph_grad(graph, first, rebuild_image(rebuilding, node->operand[1]), node->span);
  case NODE_COMPUTE: break;
  }
  const Access *write = rebuild_access(rebuilding, node->write);
  const Scalar *value = scalar_rebuild(graph, node->value, replace_read, rebuilding);
  return compute_reduced(graph, node->combine, node->box_rank, node->box, node->batch_variables, write, node->rank,
                         node->shape, node->batch, value, node->name, node->span);
}

typedef struct Walk {
  Rebuilding *rebuilding;
  RebuildNode change;
} Walk;

static void rebuild_visit(void *context, Node *node) {
  Walk *walk = context;
  memo_put(&walk->rebuilding->images, node->id, walk->change(walk->rebuilding, node));
}

EffectList rebuild_effects(Graph *graph, EffectList effects, RebuildNode change, void *context) {
  Rebuilding rebuilding = {.graph = graph, .context = context};
  EffectList result = {effects.count,
                       session_allocate(graph_session(graph), (size_t)(effects.count + 1) * sizeof *result.items)};
  graph_walk(graph, &effects, rebuild_visit, &(Walk){&rebuilding, change});
  for (int i = 0; i < effects.count; i++) {
    result.items[i] = effects.items[i];
    result.items[i].value = rebuild_image(&rebuilding, effects.items[i].value);
  }
  memo_free(&rebuilding.images);
  return result;
}
