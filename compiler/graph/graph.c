/* Nodes: what a graph is made of. Takes shapes, operands and names; returns hash-consed nodes (marks excepted: each
   call makes one). The node that computes is built in canonical.c. Never simplifies expressions. */
#include "storage.h"

#include <stdlib.h>
#include <string.h>

Graph *graph_new(Session *session) {
  Graph *graph = session_allocate(session, sizeof *graph);
  graph->session = session;
  graph->broken = OP_COUNT;
  return graph;
}

Session *graph_session(Graph *graph) { return graph->session; }

int graph_node_count(const Graph *graph) { return graph->node_count; }

int64_t node_size(const Node *node) {
  int64_t size = 1;
  for (int d = 0; d < node->rank; d++) size *= node->shape[d];
  return size;
}

bool node_is_map(const Node *node) {
  if (node->kind != NODE_COMPUTE || node->combine != COMBINE_SET || node->box_rank != node->rank) return false;
  for (int d = 0; d < node->rank; d++) {
    const Coordinate *c = &node->write->coordinates[d];
    if (node->box[d] != node->shape[d]) return false;
    if (node->shape[d] == 1 ? !coordinate_is_constant(c) || c->constant != 0
                            : !coordinate_is_bare(c) || c->terms[0].variable != d)
      return false;
  }
  return true;
}

bool node_is_nothing(const Node *node) { return node->kind == NODE_COMPUTE && node->value->op == OP_NOTHING; }

/* ---- hash-consing ------------------------------------------------------------------------------------------------ */

static bool node_equal(const void *item, const void *key) {
  const Node *a = item, *b = key;
  return a->kind == b->kind && a->rank == b->rank &&
         memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0 && a->batch == b->batch &&
         (a->kind != NODE_INPUT || a->name == b->name) && a->combine == b->combine && a->box_rank == b->box_rank &&
         memcmp(a->box, b->box, (size_t)a->box_rank * sizeof *a->box) == 0 &&
         a->batch_variables == b->batch_variables && a->write == b->write && a->value == b->value &&
         a->operand[0] == b->operand[0] && a->operand[1] == b->operand[1] && a->stream == b->stream &&
         a->draw == b->draw && a->distribution == b->distribution;
}

static uint64_t node_hash(const Node *node) {
  uint64_t hash = hash_mix((uint64_t)node->kind, (uint64_t)node->rank * 2 + node->batch);
  for (int d = 0; d < node->rank; d++) hash = hash_mix(hash, (uint64_t)node->shape[d]);
  for (int v = 0; v < node->box_rank; v++) hash = hash_mix(hash, (uint64_t)node->box[v]);
  if (node->kind == NODE_INPUT) hash = hash_mix(hash, (uint64_t)(uintptr_t)node->name);
  hash = hash_mix(hash, (uint64_t)node->combine * 64 + node->batch_variables);
  hash = hash_mix(hash, node->value == NULL ? 0 : 1 + (uint64_t)node->value->id);
  hash = hash_mix(hash, node->write == NULL ? 0 : 1 + (uint64_t)node->write->id);
  for (int k = 0; k < 2; k++) hash = hash_mix(hash, node->operand[k] == NULL ? 0 : 1 + (uint64_t)node->operand[k]->id);
  return hash_mix(hash, node->stream + (uint64_t)node->draw);
}

static void list_add_once(List *list, Node *node) {
  for (int i = 0; i < list->count; i++)
    if (list->items[i] == node) return;
  list_add(list, node);
}

static void collect_read(void *context, const Scalar *read) { list_add_once(context, read->node); }

static void node_find_reads(Graph *graph, Node *node) {
  List reads = {0};
  for (int k = 0; k < 2 && node->operand[k] != NULL; k++) list_add_once(&reads, node->operand[k]);
  if (node->kind == NODE_COMPUTE) {
    scalar_reads(node->value, collect_read, &reads);
    for (int d = 0; d < node->write->rank; d++)
      if (node->write->coordinates[d].computed != NULL)
        scalar_reads(node->write->coordinates[d].computed, collect_read, &reads);
  }
  node->read_count = reads.count;
  node->reads = session_allocate(graph->session, (size_t)(reads.count + 1) * sizeof *node->reads);
  for (int i = 0; i < reads.count; i++) node->reads[i] = (Node *)reads.items[i];
  list_free(&reads);
}

static Node *node_add(Graph *graph, const Node *key) {
  Node *node = session_allocate(graph->session, sizeof *node);
  *node = *key;
  node->id = graph->node_count;
  ARRAY_ADD(graph->session, graph->nodes, graph->node_count, graph->node_capacity, node);
  node_find_reads(graph, node);
  return node;
}

Node *node_intern(Graph *graph, const Node *key) {
  uint64_t hash = node_hash(key);
  Node *node = table_find(&graph->computations, hash, node_equal, key);
  if (node != NULL) return node;
  node = node_add(graph, key);
  table_add(graph->session, &graph->computations, hash, node);
  return node;
}

/* ---- kinds ------------------------------------------------------------------------------------------------------- */

static Node node_of_shape(NodeKind kind, const char *name, int rank, const int64_t *shape, bool batch, Span span) {
  Node node = {.kind = kind, .name = name, .rank = rank, .batch = batch, .span = span};
  if (rank > RANK_LIMIT || (batch && rank == 0))
    internal_error(HERE, "a node of too many axes, or of a batch without an axis");
  if (rank > 0) memcpy(node.shape, shape, (size_t)rank * sizeof *shape);
  return node;
}

Node *graph_input(Graph *graph, const char *name, int rank, const int64_t *shape, bool batch, Span span) {
  Node key = node_of_shape(NODE_INPUT, session_string(graph->session, name), rank, shape, batch, span);
  return node_intern(graph, &key);
}

Node *graph_random(Graph *graph, uint64_t stream, int draw, Distribution distribution, const char *name, int rank,
                   const int64_t *shape, bool batch, Span span) {
  Node key =
      node_of_shape(NODE_RANDOM, name == NULL ? NULL : session_string(graph->session, name), rank, shape, batch, span);
  key.stream = stream;
  key.draw = draw;
  key.distribution = distribution;
  return node_intern(graph, &key);
}

Node *graph_reshape(Graph *graph, Node *operand, int rank, const int64_t *shape, Span span) {
  while (operand->kind == NODE_RESHAPE) operand = operand->operand[0];
  Node key = node_of_shape(NODE_RESHAPE, NULL, rank, shape, operand->batch, span);
  if (node_size(&key) != node_size(operand) || (key.batch && shape[0] != operand->shape[0]))
    internal_error(HERE, "a reshape to another size");
  if (rank == operand->rank && memcmp(key.shape, operand->shape, (size_t)rank * sizeof *shape) == 0) return operand;
  if (node_is_map(operand) && (operand->value->op == OP_CONSTANT || operand->value->op == OP_NOTHING))
    return graph_map(graph, rank, shape, operand->batch, operand->value, span);
  Node *flat = map_flatten(graph, operand, rank, shape);
  if (flat != NULL) return flat;
  key.operand[0] = operand;
  return node_intern(graph, &key);
}

Node *graph_constant(Graph *graph, Node *operand, Span span) {
  if (operand->kind == NODE_CONSTANT) return operand;
  Node key = node_of_shape(NODE_CONSTANT, NULL, operand->rank, operand->shape, operand->batch, span);
  key.operand[0] = operand;
  return node_intern(graph, &key);
}

Node *graph_mark(Graph *graph, Node *operand, Span span) {
  Node key = node_of_shape(NODE_MARK, operand->name, operand->rank, operand->shape, operand->batch, span);
  key.operand[0] = operand;
  return node_add(graph, &key);
}

Node *graph_grad(Graph *graph, Node *e, Node *v, Span span) {
  Node key = node_of_shape(NODE_GRAD, NULL, v->rank, v->shape, v->batch, span);
  key.operand[0] = e;
  key.operand[1] = v;
  return node_intern(graph, &key);
}

int node_operands(const Node *node, Node **operands, int limit) {
  for (int i = 0; i < node->read_count && i < limit; i++) operands[i] = node->reads[i];
  return node->read_count;
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

/* Depth first with a stack of its own: unrolled optimizers make graphs thousands of nodes deep. A node is on the stack
   once to be opened and once, after what it reads, to be listed. */
List graph_order(Graph *graph, int count, Node *const *roots) {
  enum { UNSEEN, OPENED, LISTED };
  List order = {0}, stack = {0};
  unsigned char *state = calloc((size_t)graph->node_count + 1, 1);
  if (state == NULL) out_of_memory();
  for (int r = count - 1; r >= 0; r--) list_add(&stack, roots[r]);
  while (stack.count > 0) {
    const Node *node = stack.items[--stack.count];
    if (state[node->id] == LISTED) continue;
    if (state[node->id] == OPENED) {
      state[node->id] = LISTED;
      list_add(&order, node);
      continue;
    }
    state[node->id] = OPENED;
    list_add(&stack, node);
    for (int i = node->read_count - 1; i >= 0; i--)
      if (state[node->reads[i]->id] == UNSEEN) list_add(&stack, node->reads[i]);
  }
  free(state);
  list_free(&stack);
  return order;
}

void graph_walk(Graph *graph, const EffectList *effects, void (*visit)(void *context, Node *node), void *context) {
  Node **roots = nodes_new(effects->count);
  for (int i = 0; i < effects->count; i++) roots[i] = effects->items[i].value;
  List order = graph_order(graph, effects->count, roots);
  for (int i = 0; i < order.count; i++) visit(context, (Node *)order.items[i]);
  list_free(&order);
  free(roots);
}
