/* Seeing through nodes that compute nothing a reader could not: maps and reshapes. Takes a read and the box it stands in; returns the expression behind it,
   over the same variables. Never looks through marks (a `grad` still refers to them) or constants (they have no derivative), never when the read may leave. */
#include "storage.h"

/* Coordinates of `operand` for the element that `access` names in a reshape of it: the row-major number, split by the operand's strides. Every term goes to
   the outermost axis whose stride divides it; the result counts only where each coordinate then stays within its axis, which makes it the only one. */
static const Access *access_before_reshape(Graph *graph, const int64_t *box, const Node *reshape, const Access *access) {
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
      else split[d] = coordinate_add(split[d], coordinate_scale(coordinate_variable(flat.terms[t].variable), flat.terms[t].coefficient / stride));
    }
    flat = rest;
  }
  const Access *before = access_new(graph, operand->rank, split);
  return flat.term_count > 0 || flat.constant != 0 || access_may_leave(before, box, operand->shape) ? NULL : before;
}

const Scalar *scalar_look(Graph *graph, const int64_t *box, const Scalar *read) {
  Node *node = read->node;
  if (read->op != OP_READ || (node->kind != NODE_COMPUTE && node->kind != NODE_RESHAPE)) return NULL;
  if (access_may_leave(read->access, box, node->shape)) return NULL;
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
    if (node_is_map(node) ? node->value->op != OP_READ && node->value->op != OP_CONSTANT : node->kind != NODE_RESHAPE) break;
    const Scalar *behind = scalar_look(graph, box, read);
    if (behind == NULL) break;
    read = behind;
  }
  return read;
}
