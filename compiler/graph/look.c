/* Seeing through nodes that compute nothing a reader could not: maps and reshapes. Takes a read and the box it stands
   in; returns the expression behind it, over the same variables. Never looks through marks (a `grad` still refers to
   them) or constants (they have no derivative), never when the read may leave. */
#include "storage.h"
#include "tests/mutants/mutant.h"

/* Coordinates of `operand` for the element that `access` names in a reshape of it: the row-major number, split by the
   operand's strides. Every term goes to the outermost axis whose stride divides it; the result counts only where each
   coordinate then stays within its axis, which makes it the only one. */
static const Access *access_before_reshape(Graph *graph, const int64_t *box, const Node *reshape,
                                           const Access *access) {
  const Node *operand = reshape->operand[0];
  Coordinate flat = coordinate_constant(0), split[RANK_LIMIT];
  int64_t stride = 1;
  for (int d = reshape->rank - 1; d >= 0; d--) {
    flat = coordinate_add(flat, coordinate_scale(access->coordinates[d], stride));
    stride *= reshape->shape[d];
  }
  stride = node_size(operand);
  for (int d = 0; d < operand->rank; d++) {
    stride /= operand->shape[d];
    split[d] = coordinate_constant(0);
    if (operand->shape[d] == 1) continue;
    Coordinate rest = coordinate_constant(flat.constant % stride);
    split[d].constant = flat.constant / stride;
    for (int t = 0; t < flat.term_count; t++) {
      Coordinate term = coordinate_scale(coordinate_variable(flat.terms[t].variable), flat.terms[t].coefficient);
      if (flat.terms[t].coefficient % stride != 0) rest = coordinate_add(rest, term);
      else
        split[d] = coordinate_add(split[d], coordinate_scale(coordinate_variable(flat.terms[t].variable),
                                                             flat.terms[t].coefficient / stride));
    }
    flat = rest;
  }
  const Access *before = access_new(graph, operand->rank, split);
  return flat.term_count > 0 || flat.constant != 0 || access_may_leave(before, box, operand->shape) ? NULL : before;
}

const Scalar *scalar_look(Graph *graph, const int64_t *box, const Scalar *read) {
  Node *node = read->node;
  if (read->op != OP_READ || (node->kind != NODE_COMPUTE && node->kind != NODE_RESHAPE)) return NULL;
  if (access_may_leave(read->access, box, node->shape) && !MUTANT(look_outside)) return NULL;
  if (node_is_map(node)) return scalar_substitute(graph, scalar_close(graph, node->value), read->access->coordinates);
  if (node->kind != NODE_RESHAPE) return NULL;
  const Access *before = access_before_reshape(graph, box, node, read->access);
  return before == NULL ? NULL : scalar_read(graph, node->operand[0], before);
}

Operation scalar_look_operation(const Scalar *read) {
  while (read->op == OP_READ) {
    const Node *node = read->node;
    while (node->kind == NODE_RESHAPE) node = node->operand[0];
    if (!node_is_map(node)) return OP_READ;
    read = node->value;
  }
  return read->op;
}

const Scalar *scalar_settle(Graph *graph, const int64_t *box, const Scalar *read) {
  while (read->op == OP_READ) {
    const Node *node = read->node;
    if (node_is_map(node) ? node->value->op != OP_READ && node->value->op != OP_CONSTANT : node->kind != NODE_RESHAPE)
      break;
    const Scalar *behind = scalar_look(graph, box, read);
    if (behind == NULL) break;
    read = behind;
  }
  return read;
}

/* ---- flattened maps ---------------------------------------------------------------------------------------------- */

/* A reshape that joins neighbouring axes of a map: variables first … last of the map become one axis. */
typedef struct Flattening {
  Graph *graph;
  const Node *map;
  int first, last;
} Flattening;

/* Inputs are stored in declared order, so their axes can be joined for nothing: x[b, k, l] is read as x'[b, 28*k +
   l]. */
static const Scalar *flatten_read(void *context, const Scalar *leaf) {
  Flattening *flattening = context;
  const Node *map = flattening->map, *node = leaf->node;
  int from = 0, to = 0, rank = 0;
  if (leaf->op != OP_READ || node->kind != NODE_INPUT) return leaf;
  while (from < node->rank && !(coordinate_is_bare(&leaf->access->coordinates[from]) &&
                                leaf->access->coordinates[from].terms[0].variable == flattening->first))
    from++;
  for (to = from; to < node->rank && to - from <= flattening->last - flattening->first; to++) {
    const Coordinate *c = &leaf->access->coordinates[to];
    int variable = flattening->first + to - from;
    bool joins = node->shape[to] == map->shape[variable] &&
                 (node->shape[to] == 1 || (coordinate_is_bare(c) && c->terms[0].variable == variable));
    if (!joins) return leaf;
  }
  if (to - from != flattening->last - flattening->first + 1) return leaf;
  while (from > (node->batch ? 1 : 0) && node->shape[from - 1] == 1) from--; /* unit axes beside them vanish */
  while (to < node->rank && node->shape[to] == 1) to++;
  Coordinate coordinates[RANK_LIMIT];
  int64_t shape[RANK_LIMIT];
  for (int d = 0; d < node->rank; d++) {
    bool joined = d > from && d < to;
    coordinates[rank - joined] =
        joined ? coordinate_add(coordinate_scale(coordinates[rank - 1], node->shape[d]), leaf->access->coordinates[d])
               : leaf->access->coordinates[d];
    shape[rank - joined] = joined ? shape[rank - 1] * node->shape[d] : node->shape[d];
    rank += !joined;
  }
  Node *joint = graph_reshape(flattening->graph, leaf->node, rank, shape, node->span);
  return scalar_read(flattening->graph, joint, access_new(flattening->graph, rank, coordinates));
}

Node *map_flatten(Graph *graph, Node *map, int rank, const int64_t *shape) {
  Coordinate write[RANK_LIMIT];
  const Scalar *value = map->value;
  int axis = 0;
  if (!node_is_map(map) || rank > map->rank) return NULL;
  for (int d = 0; d < rank; d++) { /* each new axis is a run of old ones */
    int64_t extent = 1;
    Flattening flattening = {graph, map, -1, -1};
    write[d] = coordinate_constant(0);
    while (axis < map->rank && (extent < shape[d] || (map->shape[axis] == 1 && (d == rank - 1 || shape[d + 1] != 1)))) {
      extent *= map->shape[axis];
      write[d] = coordinate_add(coordinate_scale(write[d], map->shape[axis]),
                                map->shape[axis] == 1 ? coordinate_constant(0) : coordinate_variable(axis));
      if (map->shape[axis] > 1 && flattening.first < 0) flattening.first = axis;
      if (map->shape[axis] > 1) flattening.last = axis;
      axis++;
    }
    if (extent != shape[d]) return NULL;
    if (flattening.last > flattening.first) value = scalar_rebuild(graph, value, flatten_read, &flattening);
  }
  if (axis != map->rank) return NULL;
  Node *flat = graph_compute(graph, COMBINE_SET, map->rank, map->shape, map->batch_variables,
                             access_new(graph, rank, write), rank, shape, map->batch, value, map->name, map->span);
  return node_is_map(flat) ? flat : NULL;
}
