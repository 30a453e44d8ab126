/* Costly factors with few indices get a node of their own. Takes a node's expression; returns it with such parts read
   from new maps: a sigmoid of one number a sample, inside a sum over samples and neurons, is then computed once a
   sample. (What depends on outer loops only is computed there anyway; samples are the lanes, so theirs is the innermost
   loop.) What depends on no index, as the powers of Adam's bias correction, is computed once, not by every task. With
   --trace every operation gets one. Never changes a node. */
#include "internal.h"
#include "transform.h"

/* SCALAR_COST: a task has computed what is cheaper before it has read it. */
enum { CUT_COST = 8, CUT_RATIO = 4, SCALAR_COST = 16 };

typedef struct Cut {
  Graph *graph;
  const Node *node;
  int64_t points;
} Cut;

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
  return rank < RANK_LIMIT && points_of(cut->node, scalar->variables) * CUT_RATIO <= cut->points &&
         scalar_cost(scalar) >= CUT_COST;
}

/* A map over the variables of the part, samples first, and its read in their place. */
static const Scalar *cut_out(const Cut *cut, const Scalar *scalar) {
  Coordinate by[BOX_LIMIT], read[RANK_LIMIT];
  int64_t shape[RANK_LIMIT];
  int rank = 0;
  for (int v = 0; v < BOX_LIMIT; v++) by[v] = coordinate_constant(0);
  for (int turn = 0; turn < 2; turn++)
    for (int v = 0; v < cut->node->box_rank; v++) {
      bool over_samples = (cut->node->batch_variables >> v & 1) != 0;
      if ((scalar->variables >> v & 1) == 0 || over_samples != (turn == 0)) continue;
      by[v] = coordinate_variable(rank);
      read[rank] = coordinate_variable(v);
      shape[rank++] = cut->node->box[v];
    }
  bool batch = (scalar->variables & cut->node->batch_variables) != 0;
  const Scalar *value = scalar_substitute(cut->graph, scalar, by);
  Node *map = graph_compute(cut->graph, COMBINE_SET, rank, shape, batch ? 1u : 0u, access_identity(cut->graph, rank),
                            rank, shape, batch, value, cut->node->name, cut->node->span);
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

/* images: of the expressions that were met, by id: shared parts are no tree. */
typedef struct Separation {
  Cut cut;
  Memo images;
} Separation;

static void note_element(void *context, const Scalar *read) {
  bool *elements = context;
  *elements |= read->op != OP_READ || read->node->rank > 0 || read->node->kind == NODE_RANDOM;
}

/* Of numbers of shape [] that lie in memory alone: in double precision, wherever it is computed. */
static bool is_of_scalars(const Scalar *scalar) {
  bool elements = scalar->variables != 0;
  if (!elements) scalar_reads(scalar, note_element, &elements);
  return !elements;
}

static const Scalar *scalars_below(Separation *separation, const Scalar *scalar) {
  if (operation_arity(scalar->op) == 0) return scalar;
  const Scalar *known = memo_get(&separation->images, scalar->id);
  if (known != NULL) return known;
  const Scalar *image = scalar;
  bool number = operation_result(scalar->op) == TYPE_NUMBER;
  if (number && scalar_cost(scalar) >= SCALAR_COST && is_of_scalars(scalar)) image = cut_out(&separation->cut, scalar);
  else {
    const Scalar *arguments[3] = {NULL, NULL, NULL};
    bool changed = false;
    for (int a = 0; a < operation_arity(scalar->op); a++) {
      arguments[a] = scalars_below(separation, scalar->argument[a]);
      changed |= arguments[a] != scalar->argument[a];
    }
    if (changed) image = scalar_apply(separation->cut.graph, scalar->op, arguments[0], arguments[1], arguments[2]);
  }
  memo_put(&separation->images, scalar->id, image);
  return image;
}

/* The bits stay: the part has the precision in memory that it had in registers. */
static const Scalar *cut_scalars(const Cut *cut, const Scalar *value) {
  if (cut->points <= 1 && cut->node->rank == 0) return value; /* it is such a number itself */
  Separation separation = {.cut = *cut};
  value = scalars_below(&separation, value);
  memo_free(&separation.images);
  return value;
}

/* Expressions are small here or share little; a part met twice is cut twice into the same node. */
const Scalar *scalar_cut(Graph *graph, const Node *node) {
  uint32_t batch = node->batch_variables;
  Cut cut = {graph, node, points_of(node, UINT32_MAX)};
  const Scalar *value = cut_scalars(&cut, node->value);
  if (node->combine == COMBINE_MAXIMUM || (batch & (batch - 1)) != 0 || batch == 0) return value;
  if (scalar_cost(value) > 400 || compares_equal(value)) return value;
  return cut_below(&cut, value);
}

/* ---- --trace: an operation a node -------------------------------------------------------------------------------- */

enum { SEPARATE_POINTS = 1 << 22 }; /* a larger map is made only where the node itself is as large */

/* An axis per variable, one of them at most over samples; and not of all the points of a large contraction. */
static bool may_stand_alone(const Cut *cut, const Scalar *scalar) {
  uint32_t batch = scalar->variables & cut->node->batch_variables;
  int rank = 0;
  for (int v = 0; v < cut->node->box_rank; v++) rank += scalar->variables >> v & 1;
  int64_t points = points_of(cut->node, scalar->variables);
  return rank <= RANK_LIMIT && (batch & (batch - 1)) == 0 &&
         (points <= SEPARATE_POINTS || points <= node_size(cut->node));
}

/* The operation alone, its arguments read from maps. */
static const Scalar *separate_arguments(Separation *separation, const Scalar *scalar);

/* A read of the map that has the operation alone; leaves stay. */
static const Scalar *separate_out(Separation *separation, const Scalar *scalar) {
  if (operation_arity(scalar->op) == 0) return scalar;
  const Scalar *known = memo_get(&separation->images, scalar->id);
  if (known != NULL) return known;
  const Scalar *alone = separate_arguments(separation, scalar);
  if (operation_arity(alone->op) > 0 && may_stand_alone(&separation->cut, alone))
    alone = cut_out(&separation->cut, alone);
  memo_put(&separation->images, scalar->id, alone);
  return alone;
}

static const Scalar *separate_arguments(Separation *separation, const Scalar *scalar) {
  const Scalar *arguments[3] = {NULL, NULL, NULL};
  bool changed = false;
  for (int a = 0; a < operation_arity(scalar->op); a++) {
    arguments[a] = separate_out(separation, scalar->argument[a]);
    changed |= arguments[a] != scalar->argument[a];
  }
  return changed ? scalar_apply(separation->cut.graph, scalar->op, arguments[0], arguments[1], arguments[2]) : scalar;
}

const Scalar *scalar_separate(Graph *graph, const Node *node) {
  if (node->combine == COMBINE_MAXIMUM || compares_equal(node->value)) return node->value; /* as above */
  Separation separation = {.cut = {graph, node, points_of(node, UINT32_MAX)}};
  bool whole = node->combine == COMBINE_SUM && node->value->op != OP_MULTIPLY; /* a sum of products stays one */
  const Scalar *value = whole ? separate_out(&separation, node->value) : separate_arguments(&separation, node->value);
  memo_free(&separation.images);
  return value;
}
