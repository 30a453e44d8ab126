/* Scalar expressions: a hash-consed DAG over constants, box variables and reads of nodes. Takes and returns
   expressions; the constructors hand every new one to the rewrites (rewrite.c), so an expression that exists is already
   simple. Never builds nodes. */
#include "storage.h"

#include <math.h>
#include <stdlib.h>

#define OPERATION(name, arity, takes, gives, order, value, cost, low, high) \
  static double evaluate_##name(double a, double b, double c) { \
    (void)a, (void)b, (void)c; \
    return value; \
  }
#include "operations.def"
#undef OPERATION

const OperationRow operation_rows[OP_COUNT] = {
#define OPERATION(name, arity, takes, gives, order, value, cost, low, high) \
  {#name, arity, TAKES_##takes, TYPE_##gives, ORDER_##order, cost, low, high, evaluate_##name},
#include "operations.def"
#undef OPERATION
};

int operation_arity(Operation op) { return op < OP_COUNT ? operation_rows[op].arity : 0; }

ScalarType operation_result(Operation op) { return op < OP_COUNT ? operation_rows[op].gives : TYPE_NUMBER; }

ScalarType operation_argument(Operation op, int number) {
  OperationTakes takes = op < OP_COUNT ? operation_rows[op].takes : TAKES_NUMBERS;
  return takes == TAKES_TRUTHS || (takes == TAKES_CHOICE && number == 0) ? TYPE_TRUTH : TYPE_NUMBER;
}

bool operation_is_commutative(Operation op) { return op < OP_COUNT && operation_rows[op].order == ORDER_EXCHANGED; }

/* ---- hash-consing ------------------------------------------------------------------------------------------------ */

static bool scalar_equal(const void *item, const void *key) {
  const Scalar *a = item, *b = key;
  return a->op == b->op && hash_number(a->value) == hash_number(b->value) && a->variable == b->variable &&
         a->node == b->node && a->access == b->access && a->argument[0] == b->argument[0] &&
         a->argument[1] == b->argument[1] && a->argument[2] == b->argument[2];
}

static const Scalar *scalar_add_new(Graph *graph, Scalar key) {
  uint64_t hash = hash_mix((uint64_t)key.op, hash_number(key.value));
  hash = hash_mix(hash, (uint64_t)key.variable);
  hash = hash_mix(hash, key.node == NULL ? 0 : 1 + (uint64_t)key.node->id);
  hash = hash_mix(hash, key.access == NULL ? 0 : 1 + (uint64_t)key.access->id);
  for (int k = 0; k < 3; k++) hash = hash_mix(hash, key.argument[k] == NULL ? 0 : 1 + (uint64_t)key.argument[k]->id);
  Scalar *scalar = table_find(&graph->scalars, hash, scalar_equal, &key);
  if (scalar != NULL) return scalar;
  for (int k = 0; k < 3; k++) {
    if (key.argument[k] == NULL) continue;
    key.variables |= key.argument[k]->variables;
    key.holds_nothing |= key.argument[k]->holds_nothing;
  }
  scalar = session_allocate(graph->session, sizeof *scalar);
  *scalar = key;
  scalar->id = graph->scalar_count++;
  table_add(graph->session, &graph->scalars, hash, scalar);
  return scalar;
}

const Scalar *scalar_constant(Graph *graph, double value) {
  return scalar_add_new(graph, (Scalar){.op = OP_CONSTANT, .value = value});
}

const Scalar *scalar_nothing(Graph *graph) {
  return scalar_add_new(graph, (Scalar){.op = OP_NOTHING, .holds_nothing = true});
}

const Scalar *scalar_index(Graph *graph, int variable) {
  return scalar_add_new(graph, (Scalar){.op = OP_INDEX, .variable = variable, .variables = 1u << variable});
}

static uint32_t access_variables(const Access *access) {
  uint32_t variables = 0;
  for (int d = 0; d < access->rank; d++) {
    const Coordinate *c = &access->coordinates[d];
    for (int t = 0; t < c->term_count; t++) variables |= 1u << c->terms[t].variable;
    if (c->computed != NULL) variables |= c->computed->variables;
  }
  return variables;
}

const Scalar *scalar_read(Graph *graph, Node *node, const Access *access) {
  if (access->rank != node->rank) internal_error(HERE, "an access of another number of axes than its node");
  if (node_is_nothing(node)) return scalar_nothing(graph);
  return scalar_add_new(graph,
                        (Scalar){.op = OP_READ, .node = node, .access = access, .variables = access_variables(access)});
}

const Scalar *scalar_within(Graph *graph, Node *node, const Access *access) {
  if (access->rank != node->rank) internal_error(HERE, "an access of another number of axes than its node");
  if (node->rank == 0) return scalar_constant(graph, 1);
  return scalar_add_new(
      graph, (Scalar){.op = OP_WITHIN, .node = node, .access = access, .variables = access_variables(access)});
}

const Scalar *scalar_intern(Graph *graph, Operation op, const Scalar *a, const Scalar *b, const Scalar *c) {
  return scalar_add_new(graph, (Scalar){.op = op, .argument = {a, b, c}});
}

const Scalar *scalar_apply(Graph *graph, Operation op, const Scalar *a, const Scalar *b, const Scalar *c) {
  return scalar_simplify(graph, NULL, op, a, b, c);
}

/* ---- traversals -------------------------------------------------------------------------------------------------- */

static void scalar_order_from(const Scalar *scalar, bool computed, Memo *seen, List *order) {
  if (memo_get(seen, scalar->id) != NULL) return;
  memo_put(seen, scalar->id, scalar);
  for (int k = 0; k < 3 && scalar->argument[k] != NULL; k++)
    scalar_order_from(scalar->argument[k], computed, seen, order);
  if (computed && scalar->access != NULL)
    for (int d = 0; d < scalar->access->rank; d++)
      if (scalar->access->coordinates[d].computed != NULL)
        scalar_order_from(scalar->access->coordinates[d].computed, true, seen, order);
  list_add(order, scalar);
}

List scalar_order(int count, const Scalar *const *roots, bool computed) {
  List order = {0};
  Memo seen = {0};
  for (int r = 0; r < count; r++) scalar_order_from(roots[r], computed, &seen, &order);
  memo_free(&seen);
  return order;
}

void scalar_walk(const Scalar *scalar, void (*visit)(void *context, const Scalar *scalar), void *context) {
  List order = scalar_order(1, &scalar, false);
  for (int i = 0; i < order.count; i++) visit(context, order.items[i]);
  list_free(&order);
}

void scalar_reads(const Scalar *scalar, void (*visit)(void *context, const Scalar *read), void *context) {
  List order = scalar_order(1, &scalar, true);
  for (int i = 0; i < order.count; i++) {
    const Scalar *item = order.items[i];
    if (item->access != NULL) visit(context, item);
  }
  list_free(&order);
}

/* One rebuilding of an expression: `leaf` gives the image of every leaf, operations are applied again. */
typedef struct Rebuild {
  Graph *graph;
  Memo images;
  const Scalar *(*leaf)(struct Rebuild *rebuild, const Scalar *leaf);
  const Coordinate *by;
  const Scalar *(*replace)(void *context, const Scalar *leaf);
  void *context;
} Rebuild;

static const Scalar *rebuild_scalar(Rebuild *rebuild, const Scalar *scalar) {
  const Scalar *image = memo_get(&rebuild->images, scalar->id);
  if (image != NULL) return image;
  if (scalar->argument[0] == NULL) image = rebuild->leaf(rebuild, scalar);
  else {
    const Scalar *argument[3] = {NULL};
    for (int k = 0; k < 3 && scalar->argument[k] != NULL; k++)
      argument[k] = rebuild_scalar(rebuild, scalar->argument[k]);
    bool same =
        argument[0] == scalar->argument[0] && argument[1] == scalar->argument[1] && argument[2] == scalar->argument[2];
    image = same ? scalar : scalar_apply(rebuild->graph, scalar->op, argument[0], argument[1], argument[2]);
  }
  memo_put(&rebuild->images, scalar->id, image);
  return image;
}

static const Scalar *rebuild_run(Rebuild *rebuild, const Scalar *scalar) {
  const Scalar *image = rebuild_scalar(rebuild, scalar);
  memo_free(&rebuild->images);
  return image;
}

static const Scalar *leaf_with_access(Graph *graph, const Scalar *leaf, const Access *access) {
  if (access == leaf->access) return leaf;
  return leaf->op == OP_READ ? scalar_read(graph, leaf->node, access) : scalar_within(graph, leaf->node, access);
}

static const Scalar *substitute_leaf(Rebuild *rebuild, const Scalar *leaf) {
  Graph *graph = rebuild->graph;
  if (leaf->variables == 0) return leaf;
  if (leaf->access != NULL) return leaf_with_access(graph, leaf, access_substitute(graph, leaf->access, rebuild->by));
  const Coordinate *to = &rebuild->by[leaf->variable];
  const Scalar *sum = to->computed;
  for (int t = 0; t < to->term_count; t++) {
    const Scalar *term = scalar_index(graph, to->terms[t].variable);
    term = scalar_apply(graph, OP_MULTIPLY, scalar_constant(graph, (double)to->terms[t].coefficient), term, NULL);
    sum = sum == NULL ? term : scalar_apply(graph, OP_ADD, sum, term, NULL);
  }
  const Scalar *constant = scalar_constant(graph, (double)to->constant);
  if (sum == NULL) return constant;
  return to->constant == 0 ? sum : scalar_apply(graph, OP_ADD, sum, constant, NULL);
}

const Scalar *scalar_substitute(Graph *graph, const Scalar *scalar, const Coordinate *by) {
  if (scalar->variables == 0) return scalar;
  Rebuild rebuild = {.graph = graph, .leaf = substitute_leaf, .by = by};
  return rebuild_run(&rebuild, scalar);
}

/* Computed coordinates first: the caller sees a leaf whose subscripts are already its own. */
static const Scalar *replace_leaf(Rebuild *rebuild, const Scalar *leaf) {
  if (leaf->access == NULL) return leaf;
  Coordinate coordinates[RANK_LIMIT];
  bool changed = false;
  for (int d = 0; d < leaf->access->rank; d++) {
    coordinates[d] = leaf->access->coordinates[d];
    if (coordinates[d].computed == NULL) continue;
    coordinates[d].computed = rebuild_scalar(rebuild, coordinates[d].computed);
    changed |= coordinates[d].computed != leaf->access->coordinates[d].computed;
  }
  if (changed)
    leaf = leaf_with_access(rebuild->graph, leaf, access_new(rebuild->graph, leaf->access->rank, coordinates));
  return leaf->access == NULL ? leaf : rebuild->replace(rebuild->context, leaf);
}

const Scalar *scalar_rebuild(Graph *graph, const Scalar *scalar,
                             const Scalar *(*replace)(void *context, const Scalar *leaf), void *context) {
  Rebuild rebuild = {.graph = graph, .leaf = replace_leaf, .replace = replace, .context = context};
  return rebuild_run(&rebuild, scalar);
}

static const Scalar *close_leaf(Rebuild *rebuild, const Scalar *leaf) {
  return leaf->op == OP_NOTHING ? scalar_constant(rebuild->graph, 0) : leaf;
}

const Scalar *scalar_close(Graph *graph, const Scalar *scalar) {
  if (!scalar->holds_nothing) return scalar;
  Rebuild rebuild = {.graph = graph, .leaf = close_leaf};
  return rebuild_run(&rebuild, scalar);
}

/* Machine operations of one evaluation; what is shared is counted once per mention, which is good enough to compare. */
double scalar_cost(const Scalar *scalar) {
  enum { RANDOM_COST = 30 };
  if (scalar->op == OP_READ) return scalar->node->kind == NODE_RANDOM ? RANDOM_COST : 1;
  double cost = operation_arity(scalar->op) > 0 ? operation_rows[scalar->op].cost : 0;
  for (int a = 0; a < operation_arity(scalar->op) && cost < 1e4; a++) cost += scalar_cost(scalar->argument[a]);
  return cost;
}
