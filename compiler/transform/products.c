/* Products of three or more factors over different variables become pairwise products and sums, cheapest first, before
   differentiation: each of their adjoints is then a contraction of two factors as well. Takes effects, returns effects
   of the same value (to rounding). Leaves two factors alone: which of them is staged how is the schedule's affair. */
#include "internal.h"
#include "transform.h"
#include "tests/mutants/mutant.h"

/* A factor: an expression and the variables it ranges over. Factors over the same variables are one. */
typedef struct Factor {
  const Scalar *scalar;
  uint32_t variables;
} Factor;

enum { FACTOR_LIMIT = 24 };

typedef struct Product {
  Graph *graph;
  const Node *node;
  int count;
  Factor factors[FACTOR_LIMIT];
  bool overflow;
} Product;

static void product_add(Product *product, const Scalar *scalar) {
  for (int i = 0; i < product->count; i++) {
    Factor *factor = &product->factors[i];
    if (factor->variables != scalar->variables) continue;
    if (!MUTANT(factor_lost)) factor->scalar = scalar_apply(product->graph, OP_MULTIPLY, factor->scalar, scalar, NULL);
    return;
  }
  product->overflow |= product->count == FACTOR_LIMIT;
  if (!product->overflow) product->factors[product->count++] = (Factor){scalar, scalar->variables};
}

static void product_collect(Product *product, const Scalar *scalar, bool inverse) {
  Graph *graph = product->graph;
  if (scalar->op == OP_MULTIPLY || scalar->op == OP_DIVIDE) {
    product_collect(product, scalar->argument[0], inverse);
    product_collect(product, scalar->argument[1], inverse != (scalar->op == OP_DIVIDE));
  } else if (scalar->op == OP_NEGATE) {
    product_collect(product, scalar->argument[0], inverse);
    product_add(product, scalar_constant(graph, -1));
  } else
    product_add(product, inverse ? scalar_apply(graph, OP_DIVIDE, scalar_constant(graph, 1), scalar, NULL) : scalar);
}

static double extent_of(const Node *node, uint32_t variables) {
  double extent = 1;
  for (int v = 0; v < node->box_rank; v++)
    if ((variables >> v & 1) != 0) extent *= (double)node->box[v];
  return extent;
}

/* The axis of the tensor that `read` subscripts with the bare variable over all of its extent; -1 if there is none. */
static int axis_of(const Node *node, const Scalar *read, int variable) {
  for (int d = 0; d < read->access->rank; d++) {
    const Coordinate *c = &read->access->coordinates[d];
    if (coordinate_is_bare(c) && c->terms[0].variable == variable && read->node->shape[d] == node->box[variable])
      return d;
  }
  return -1;
}

/* Can b be multiplied into the tensor that a reads, in that tensor's own axes? So a window is scaled before it is cut
   out, not at every place of it. */
static bool fits_into(const Node *node, const Factor *a, const Factor *b) {
  if (a->scalar->op != OP_READ) return false;
  for (int v = 0; v < node->box_rank; v++)
    if ((b->variables >> v & 1) != 0 && axis_of(node, a->scalar, v) < 0) return false;
  return true;
}

static const Scalar *multiply_into(Graph *graph, const Node *node, const Factor *a, const Factor *b) {
  Node *tensor = a->scalar->node;
  Coordinate by[BOX_LIMIT] = {{0}};
  for (int v = 0; v < node->box_rank; v++)
    if ((b->variables >> v & 1) != 0) by[v] = coordinate_variable(axis_of(node, a->scalar, v));
  const Scalar *value = scalar_read(graph, tensor, access_identity(graph, tensor->rank));
  value = scalar_apply(graph, OP_MULTIPLY, value, scalar_substitute(graph, b->scalar, by), NULL);
  return scalar_read(graph, graph_map(graph, tensor->rank, tensor->shape, tensor->batch, value, node->span),
                     a->scalar->access);
}

/* The product of a and b over all their variables, those summed that no one else has: a node over the others, samples
   first. NULL: too many axes. */
static const Scalar *multiply_apart(Graph *graph, const Node *node, const Factor *a, const Factor *b, uint32_t kept) {
  Coordinate write[RANK_LIMIT];
  int64_t shape[RANK_LIMIT], box[BOX_LIMIT];
  int rank = 0;
  uint32_t all = a->variables | b->variables, batch = kept & node->batch_variables;
  /* Two sets, not `(is a sample) != (turn == 0)`: of that comparison of comparisons gcc 12.2 makes, at -O2, "is a
     sample" in both turns. */
  const uint32_t turns[2] = {batch, kept & ~batch};
  for (int turn = 0; turn < 2; turn++)
    for (int v = 0; v < node->box_rank; v++) {
      if ((turns[turn] >> v & 1) == 0) continue;
      if (rank == RANK_LIMIT) return NULL;
      write[rank] = coordinate_variable(v);
      shape[rank++] = node->box[v];
    }
  for (int v = 0; v < node->box_rank; v++) box[v] = (all >> v & 1) != 0 ? node->box[v] : 1;
  const Access *place = access_new(graph, rank, write);
  const Scalar *value = scalar_apply(graph, OP_MULTIPLY, a->scalar, b->scalar, NULL);
  Node *part = compute_reduced(graph, COMBINE_SUM, node->box_rank, box, node->batch_variables & all, place, rank, shape,
                               batch != 0, value, NULL, node->span);
  return scalar_read(graph, part, place);
}

static uint32_t variables_written(const Node *node) {
  uint32_t variables = 0;
  for (int d = 0; d < node->rank; d++) {
    const Coordinate *c = &node->write->coordinates[d];
    for (int t = 0; t < c->term_count; t++) variables |= 1u << c->terms[t].variable;
    if (c->computed != NULL) variables |= c->computed->variables;
  }
  return variables;
}

/* One way to join two factors: b into the tensor that a reads, or both into a new one over the variables `kept`. */
typedef struct Join {
  int a, b;
  bool into;
  uint32_t kept;
  double cost, size;
} Join;

static bool join_is_better(const Join *join, const Join *best) {
  return best->a < 0 || join->cost < best->cost || (join->cost == best->cost && join->size < best->size);
}

static Join product_best_join(const Product *product) {
  const Node *node = product->node;
  Join best = {.a = -1};
  for (int a = 0; a < product->count; a++)
    for (int b = 0; b < product->count; b++) {
      if (a == b) continue;
      const Factor *first = &product->factors[a], *second = &product->factors[b];
      uint32_t others = variables_written(node), both = first->variables | second->variables;
      for (int i = 0; i < product->count; i++)
        if (i != a && i != b) others |= product->factors[i].variables;
      Join apart = {a, b, false, both & others, extent_of(node, both), extent_of(node, both & others)};
      if (join_is_better(&apart, &best)) best = apart;
      if (!fits_into(node, first, second)) continue;
      Join into = {a, b, true, both, (double)node_size(first->scalar->node), (double)node_size(first->scalar->node)};
      if (join_is_better(&into, &best)) best = into;
    }
  return best;
}

/* Joins the pair that costs least, of equals the one whose result is smallest; false if that has too many axes. */
static bool product_join(Product *product) {
  Join join = product_best_join(product);
  const Factor *a = &product->factors[join.a], *b = &product->factors[join.b];
  uint32_t kept = MUTANT(samples_summed) ? join.kept & ~product->node->batch_variables : join.kept;
  const Scalar *joined = join.into ? multiply_into(product->graph, product->node, a, b)
                                   : multiply_apart(product->graph, product->node, a, b, kept);
  if (joined == NULL) return false;
  int low = join.a < join.b ? join.a : join.b, high = join.a + join.b - low;
  product->factors[high] = product->factors[--product->count];
  product->factors[low] = product->factors[--product->count];
  product_add(product, joined);
  return true;
}

static Node *split_product(Rebuilding *rebuilding, Node *old) {
  Graph *graph = rebuilding->graph;
  Node *node = rebuild_node(rebuilding, old, false);
  if (node->kind != NODE_COMPUTE || node->combine != COMBINE_SUM) return node;
  Product product = {.graph = graph, .node = node};
  product_collect(&product, node->value, false);
  if (product.overflow || product.count < 3) return node;
  while (product.count > 2)
    if (!product_join(&product)) return node;
  const Scalar *value = product.factors[0].scalar;
  if (product.count == 2) value = scalar_apply(graph, OP_MULTIPLY, value, product.factors[1].scalar, NULL);
  int64_t box[BOX_LIMIT]; /* what the parts have summed already is not summed again */
  for (int v = 0; v < node->box_rank; v++)
    box[v] = MUTANT(summed_again) || ((value->variables | variables_written(node)) >> v & 1) != 0 ? node->box[v] : 1;
  return compute_reduced(graph, COMBINE_SUM, node->box_rank, box, node->batch_variables, node->write, node->rank,
                         node->shape, node->batch, value, node->name, node->span);
}

EffectList transform_normalise(Graph *graph, EffectList effects) {
  return rebuild_effects(graph, effects, split_product, NULL);
}
