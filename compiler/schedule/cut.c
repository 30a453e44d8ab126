/* Costly factors with few indices get a node of their own. Takes a node's expression; returns it with such parts read from new maps: a sigmoid of one number a
   sample, inside a sum over samples and neurons, is then computed once a sample. (What depends on outer loops only is computed there anyway; samples are the
   lanes, so theirs is the innermost loop.) Never changes a node. */
#include "fusion.h"

enum { CUT_COST = 8, CUT_RATIO = 4 };

typedef struct Cut { Graph *graph; const Node *node; int64_t points; } Cut;

static int64_t points_of(const Node *node, uint32_t variables) {
  int64_t points = 1;
  for (int v = 0; v < node->box_rank; v++)
    if ((variables >> v & 1) != 0) points *= node->box[v];
  return points;
}

static bool worth_cutting(const Cut *cut, const Scalar *scalar) {
  if (operation_arity(scalar->op) == 0 || (scalar->variables & cut->node->batch_variables) == 0) return false;
  int rank = 0;
  for (int v = 0; v < cut->node->box_rank; v++) rank += scalar->variables >> v & 1;
  return rank < RANK_LIMIT && points_of(cut->node, scalar->variables) * CUT_RATIO <= cut->points && scalar_cost(scalar) >= CUT_COST;
}

/* A map over the variables of the part, samples first, and its read in their place. */
static const Scalar *cut_out(const Cut *cut, const Scalar *scalar) {
  Coordinate by[BOX_LIMIT], read[RANK_LIMIT];
  int64_t shape[RANK_LIMIT];
  int rank = 0;
  for (int v = 0; v < BOX_LIMIT; v++) by[v] = coordinate_constant(0);
  for (int turn = 0; turn < 2; turn++)
    for (int v = 0; v < cut->node->box_rank; v++) {
      bool batch = (cut->node->batch_variables >> v & 1) != 0;
      if ((scalar->variables >> v & 1) == 0 || batch != (turn == 0)) continue;
      by[v] = coordinate_variable(rank);
      read[rank] = coordinate_variable(v);
      shape[rank++] = cut->node->box[v];
    }
  Node *map = graph_map(cut->graph, rank, shape, true, scalar_substitute(cut->graph, scalar, by), cut->node->span);
  return scalar_read(cut->graph, map, access_new(cut->graph, rank, read));
}

static const Scalar *cut_below(const Cut *cut, const Scalar *scalar) {
  if (operation_arity(scalar->op) == 0) return scalar;
  if (worth_cutting(cut, scalar)) return cut_out(cut, scalar);
  const Scalar *arguments[3] = {scalar->argument[0], scalar->argument[1], scalar->argument[2]};
  bool changed = false;
  for (int a = 0; a < operation_arity(scalar->op); a++) {
    arguments[a] = cut_below(cut, arguments[a]);
    changed |= arguments[a] != scalar->argument[a];
  }
  return changed ? scalar_apply(cut->graph, scalar->op, arguments[0], arguments[1], arguments[2]) : scalar;
}

/* Where numbers are compared for equality both sides must have been computed in the same way. */
static bool compares_equal(const Scalar *scalar) {
  if (scalar->op == OP_EQUAL) return true;
  for (int a = 0; a < operation_arity(scalar->op); a++)
    if (compares_equal(scalar->argument[a])) return true;
  return false;
}

/* Expressions are small here or share little; a part met twice is cut twice into the same node. */
const Scalar *fusion_cut(Graph *graph, const Node *node) {
  uint32_t batch = node->batch_variables;
  if (node->combine == COMBINE_MAXIMUM || (batch & (batch - 1)) != 0 || batch == 0) return node->value;
  Cut cut = {graph, node, points_of(node, UINT32_MAX)};
  if (scalar_cost(node->value) > 400 || compares_equal(node->value)) return node->value;
  return cut_below(&cut, node->value);
}
