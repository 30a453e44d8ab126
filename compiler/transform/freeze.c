/* Holds still what derivatives hold still, for comparing them with differences: decisions, as a step that crosses a
   kink of LeakyReLU is wrong by factors, not digits, and constants. Takes effects; returns effects in which every
   comparison, rounding, choice of a maximum and every `constant(…)` is a read of an input, and the effects that compute
   those inputs at the base point, where both give the same numbers. Never freezes what has a derivative. */
#include "internal.h"
#include "transform.h"

#include <stdlib.h>

typedef struct Freezer {
  Graph *graph;
  List decisions;
  Rebuilding *rebuilding;
  const Node *node;
  Memo images;
} Freezer;

/* An input that holds the value. */
static Node *hold_value(Freezer *freezer, Node *value, const char *what) {
  Graph *graph = freezer->rebuilding->graph;
  Node *held = graph_input(graph, session_format(graph_session(graph), "%s %d", what, value->id), value->rank,
                           value->shape, value->batch, value->span);
  for (int i = 0; i < freezer->decisions.count; i++)
    if (((const Effect *)freezer->decisions.items[i])->target == held) return held;
  Effect *effect = session_allocate(graph_session(graph), sizeof *effect);
  *effect = (Effect){held, value, value->span};
  list_add(&freezer->decisions, effect);
  return held;
}

/* An input that holds `decision` at every point of the node's box, read there. Samples are the first axis. */
static const Scalar *freeze_decision(Freezer *freezer, const Scalar *decision) {
  const Node *node = freezer->node;
  Graph *graph = freezer->graph;
  if (decision->op == OP_CONSTANT) return decision;
  Coordinate at[RANK_LIMIT], by[BOX_LIMIT];
  int64_t shape[RANK_LIMIT];
  int rank = 0;
  bool batch = false;
  for (int v = 0; v < node->box_rank; v++) by[v] = coordinate_constant(0);
  for (int turn = 0; turn < 2; turn++)
    for (int v = 0; v < node->box_rank; v++) {
      bool sample = (node->batch_variables >> v & 1) != 0;
      if ((decision->variables >> v & 1) == 0 || sample != (turn == 0)) continue;
      if (rank == RANK_LIMIT) internal_error(HERE, "a decision of too many axes");
      batch |= sample;
      by[v] = coordinate_variable(rank);
      at[rank] = coordinate_variable(v);
      shape[rank++] = node->box[v];
    }
  Node *held = hold_value(
      freezer, graph_map(graph, rank, shape, batch, scalar_substitute(graph, decision, by), node->span), "decision");
  return scalar_read(graph, held, access_new(graph, rank, at));
}

static const Scalar *apply2(Freezer *freezer, Operation op, const Scalar *a, const Scalar *b) {
  return scalar_apply(freezer->graph, op, a, b, NULL);
}

/* One operation on frozen arguments; `old` is the original, whose value at the base point decides. */
static const Scalar *freeze_operation(Freezer *freezer, const Scalar *old, const Scalar *const *argument) {
  Graph *graph = freezer->graph;
  const Scalar *a = old->argument[0];
  switch (old->op) {
  case OP_LESS:
  case OP_LESS_EQUAL:
  case OP_EQUAL:
  case OP_FLOOR:
  case OP_CEILING:
  case OP_ROUND:
  case OP_SIGN: return freeze_decision(freezer, old);
  case OP_MAXIMUM:
  case OP_MINIMUM: { /* the one that is attained; of what is not a number that is itself */
    const Scalar *attained = apply2(freezer, OP_EQUAL, a, old), *is_number = apply2(freezer, OP_EQUAL, a, a);
    const Scalar *first = apply2(freezer, OP_OR, attained, scalar_apply(graph, OP_NOT, is_number, NULL, NULL));
    return scalar_apply(graph, OP_SELECT, freeze_decision(freezer, first), argument[0], argument[1]);
  }
  case OP_ABSOLUTE:
    return apply2(freezer, OP_MULTIPLY, freeze_decision(freezer, scalar_apply(graph, OP_SIGN, a, NULL, NULL)),
                  argument[0]);
  case OP_MODULO: { /* its derivative by b is nothing, by decision: so all that is subtracted is held */
    const Scalar *subtracted = apply2(freezer, OP_ADD, a, scalar_apply(graph, OP_NEGATE, old, NULL, NULL));
    return apply2(freezer, OP_ADD, argument[0],
                  scalar_apply(graph, OP_NEGATE, freeze_decision(freezer, subtracted), NULL, NULL));
  }
  default: return scalar_apply(graph, old->op, argument[0], argument[1], argument[2]);
  }
}

static const Scalar *freeze_leaf(void *context, const Scalar *leaf) {
  const Freezer *freezer = context;
  Node *image = rebuild_image(freezer->rebuilding, leaf->node);
  if (image == leaf->node) return leaf;
  return leaf->op == OP_READ ? scalar_read(freezer->graph, image, leaf->access)
                             : scalar_within(freezer->graph, image, leaf->access);
}

static const Scalar *freeze_scalar(Freezer *freezer, const Scalar *scalar) {
  const Scalar *image = memo_get(&freezer->images, scalar->id);
  if (image != NULL) return image;
  if (scalar->argument[0] == NULL) image = scalar_rebuild(freezer->graph, scalar, freeze_leaf, freezer);
  else {
    const Scalar *argument[3] = {NULL};
    for (int k = 0; k < operation_arity(scalar->op); k++) argument[k] = freeze_scalar(freezer, scalar->argument[k]);
    image = freeze_operation(freezer, scalar, argument);
  }
  memo_put(&freezer->images, scalar->id, image);
  return image;
}

/* The share of each point in the maximum it is taken into: 1 / (how many attain it), or 0, or what is not a number as
   the maximum is. */
static const Scalar *share_of_maximum(Graph *graph, Node *node) {
  const Scalar *maximum = scalar_read(graph, node, node->write),
               *attains = scalar_apply(graph, OP_EQUAL, node->value, maximum, NULL);
  const Scalar *is_number = scalar_apply(graph, OP_EQUAL, maximum, maximum, NULL);
  attains = scalar_apply(graph, OP_AND, scalar_within(graph, node, node->write), attains, NULL);
  Node *count = compute_reduced(graph, COMBINE_SUM, node->box_rank, node->box, node->batch_variables, node->write,
                                node->rank, node->shape, node->batch, attains, NULL, node->span);
  const Scalar *one = scalar_constant(graph, 1),
               *share = scalar_apply(graph, OP_DIVIDE, one, scalar_read(graph, count, node->write), NULL);
  return scalar_apply(graph, OP_SELECT, attains, share,
                      scalar_apply(graph, OP_SELECT, is_number, scalar_constant(graph, 0), maximum));
}

static Node *freeze_node(Rebuilding *rebuilding, Node *node) {
  Freezer *freezer = rebuilding->context;
  Graph *graph = rebuilding->graph;
  freezer->rebuilding = rebuilding;
  if (node->kind == NODE_CONSTANT) return hold_value(freezer, node->operand[0], "constant");
  if (node->kind != NODE_COMPUTE) return rebuild_node(rebuilding, node, false);
  freezer->node = node;
  freezer->images = (Memo){0};
  const Scalar *value = freeze_scalar(freezer, node->value);
  memo_free(&freezer->images);
  if (value == node->value && node->combine != COMBINE_MAXIMUM) return rebuild_node(rebuilding, node, false);
  Combine combine = node->combine;
  if (combine == COMBINE_MAXIMUM) {
    const Scalar *zero = scalar_constant(graph, 0), *share = freeze_decision(freezer, share_of_maximum(graph, node));
    const Scalar *none = apply2(freezer, OP_EQUAL, share, zero);
    value = scalar_apply(graph, OP_SELECT, none, zero, apply2(freezer, OP_MULTIPLY, share, value));
    combine = COMBINE_SUM;
  }
  return compute_reduced(graph, combine, node->box_rank, node->box, node->batch_variables, node->write, node->rank,
                         node->shape, node->batch, value, node->name, node->span);
}

Frozen transform_freeze(Graph *graph, EffectList effects) {
  Freezer freezer = {.graph = graph};
  Frozen frozen = {.effects = rebuild_effects(graph, effects, freeze_node, &freezer)};
  frozen.decisions.count = freezer.decisions.count;
  frozen.decisions.items =
      session_allocate(graph_session(graph), (size_t)(freezer.decisions.count + 1) * sizeof *frozen.decisions.items);
  for (int i = 0; i < freezer.decisions.count; i++)
    frozen.decisions.items[i] = *(const Effect *)freezer.decisions.items[i];
  list_free(&freezer.decisions);
  frozen.decisions =
      transform_differentiate(graph, frozen.decisions); /* constants in what is held are values like any other */
  return frozen;
}
