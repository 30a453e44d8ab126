/* Checks a graph against the comments of graph.h. Takes effects and the name of the pass that has just run; returns
   whether all is well, after diagnostics that blame that pass. Never repairs. */
#include "storage.h"

typedef struct Verifier {
  Graph *graph;
  const char *pass;
  const Node *node;
  const char *problem;
  bool ok;
} Verifier;

static void require(Verifier *verifier, bool condition, const char *problem) {
  if (condition || verifier->problem != NULL) return;
  verifier->problem = problem;
}

static void verify_coordinate(Verifier *verifier, const Coordinate *c) {
  const Node *node = verifier->node;
  for (int t = 0; t < c->term_count; t++) {
    require(verifier, c->terms[t].variable >= 0 && c->terms[t].variable < node->box_rank,
            "a coordinate mentions a variable outside the box");
    require(verifier, c->terms[t].coefficient != 0, "a coordinate has a term with coefficient 0");
    require(verifier, t == 0 || c->terms[t - 1].variable < c->terms[t].variable,
            "the terms of a coordinate are out of order");
    if (verifier->problem == NULL)
      require(verifier, node->box[c->terms[t].variable] > 1, "a coordinate mentions a unit variable");
  }
}

static void verify_access(Verifier *verifier, const Access *access, const Node *of) {
  require(verifier, access->rank == of->rank, "an access has another rank than its tensor");
  for (int d = 0; d < access->rank && verifier->problem == NULL; d++)
    verify_coordinate(verifier, &access->coordinates[d]);
}

static void verify_scalars(Verifier *verifier) {
  const Node *node = verifier->node;
  const Scalar *roots[1 + RANK_LIMIT] = {node->value};
  int count = 1;
  for (int d = 0; d < node->write->rank; d++)
    if (node->write->coordinates[d].computed != NULL) roots[count++] = node->write->coordinates[d].computed;
  List order = scalar_order(count, roots, true);
  for (int i = 0; i < order.count && verifier->problem == NULL; i++) {
    const Scalar *scalar = order.items[i];
    for (int k = 0; k < 3; k++)
      require(verifier, (scalar->argument[k] != NULL) == (k < operation_arity(scalar->op)),
              "an operation has the wrong number of arguments");
    require(verifier, scalar->op != OP_INDEX || scalar->variable < node->box_rank, "an index lies outside the box");
    require(verifier, (scalar->access != NULL) == (scalar->op == OP_READ || scalar->op == OP_WITHIN),
            "only reads have accesses");
    if (scalar->access == NULL) continue;
    require(verifier, scalar->node != NULL && scalar->node->id < node->id,
            "a node reads one that is younger than itself");
    if (verifier->problem == NULL) verify_access(verifier, scalar->access, scalar->node);
  }
  list_free(&order);
}

static void verify_compute(Verifier *verifier) {
  const Node *node = verifier->node;
  require(verifier, node->box_rank >= node->rank && node->box_rank <= BOX_LIMIT,
          "the box has fewer variables than the output has axes");
  for (int v = 0; v < node->box_rank && verifier->problem == NULL; v++) {
    require(verifier, node->box[v] >= (v < node->rank ? 1 : 2), "a variable has an extent that canonical form removes");
    require(verifier, (node->batch_variables >> v & 1) == 0 || node->box[v] > 1,
            "a unit variable is said to run over samples");
  }
  require(verifier, node->batch_variables >> node->box_rank == 0,
          "a variable outside the box is said to run over samples");
  require(verifier, node->value != NULL && node->write != NULL, "a node without value or write");
  if (verifier->problem != NULL) return;
  verify_access(verifier, node->write, node);
  for (int d = 0; d < node->rank && verifier->problem == NULL; d++) {
    const Coordinate *c = &node->write->coordinates[d];
    require(verifier, !coordinate_is_bare(c) || c->terms[0].variable < node->rank,
            "an axis has a variable of its own with another number");
    for (int t = 0; t < c->term_count; t++) /* an axis variable is bare on its own axis, others start at `rank` */
      require(verifier,
              c->terms[t].variable >= node->rank ||
                  (node->write->coordinates[c->terms[t].variable].term_count == 1 &&
                   node->write->coordinates[c->terms[t].variable].terms[0].variable == c->terms[t].variable),
              "a variable is numbered by the wrong axis");
  }
  if (verifier->problem == NULL) verify_scalars(verifier);
}

static void verify_node(void *context, Node *node) {
  Verifier *verifier = context;
  verifier->node = node;
  verifier->problem = NULL;
  require(verifier, node->rank >= 0 && node->rank <= RANK_LIMIT, "a tensor has too many axes");
  for (int d = 0; d < node->rank && verifier->problem == NULL; d++)
    require(verifier, node->shape[d] >= 1, "an axis has no extent");
  require(verifier, !node->batch || node->rank > 0, "a batch without an axis");
  require(verifier, node->kind != NODE_INPUT || node->name != NULL, "an input without a name");
  bool unary = node->kind == NODE_RESHAPE || node->kind == NODE_CONSTANT || node->kind == NODE_MARK;
  require(verifier, (node->operand[0] != NULL) == (unary || node->kind == NODE_GRAD), "wrong operands");
  for (int k = 0; k < 2 && node->operand[k] != NULL; k++)
    require(verifier, node->operand[k]->id < node->id, "a node has an operand that is younger than itself");
  if (unary && verifier->problem == NULL) {
    require(verifier, node_size(node) == node_size(node->operand[0]), "a renaming changes the number of elements");
    require(verifier, node->batch == node->operand[0]->batch, "a renaming changes what runs over samples");
    require(verifier, !node->batch || node->shape[0] == node->operand[0]->shape[0], "a reshape moves the batch axis");
  }
  if (node->kind == NODE_COMPUTE) verify_compute(verifier);
  if (verifier->problem == NULL) return;
  verifier->ok = false;
  diagnostic_report(verifier->graph->session, E5014, node->span, "after `%s`, node n%d: %s", verifier->pass, node->id,
                    verifier->problem);
}

bool graph_verify(Graph *graph, const EffectList *effects, const char *pass) {
  Verifier verifier = {.graph = graph, .pass = pass, .ok = true};
  graph_walk(graph, effects, verify_node, &verifier);
  for (int i = 0; i < effects->count; i++) {
    const Node *target = effects->items[i].target, *value = effects->items[i].value;
    bool same = target->kind == NODE_INPUT && target->rank == value->rank && target->batch == value->batch;
    for (int d = 0; same && d < target->rank; d++) same = target->shape[d] == value->shape[d];
    if (same) continue;
    verifier.ok = false;
    diagnostic_report(graph->session, E5014, effects->items[i].span,
                      "after `%s`: an effect moves something that does not fit its target", pass);
  }
  return verifier.ok;
}
