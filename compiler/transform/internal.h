/* For the files of transform/ only: how passes rebuild graphs, and what derivatives are made of. */
#ifndef TRANSFORM_INTERNAL_H
#define TRANSFORM_INTERNAL_H

#include "compiler/graph/formula.h"
#include "compiler/graph/storage.h"

/* ---- rebuild.c --------------------------------------------------------------------------------------------------- */

/* Rebuilds what the effects need, operands first. `change` sees a node whose operands are rebuilt already (image of
   node n: rebuild_image) and returns its image. Returns effects with the images as values. */
typedef struct Rebuilding {
  Graph *graph;
  Memo images;
  void *context;
} Rebuilding;
typedef Node *(*RebuildNode)(Rebuilding *rebuilding, Node *node);
EffectList rebuild_effects(Graph *graph, EffectList effects, RebuildNode change, void *context);
Node *rebuild_image(const Rebuilding *rebuilding, const Node *node);
/* The same node over the images of what it reads; itself if these are the same, unless `again` wants it built anew. */
Node *rebuild_node(Rebuilding *rebuilding, Node *node, bool again);

/* ---- sums.c ------------------------------------------------------------------------------------------------------ */

/* graph_compute, and what the rules about sums make of it. Passes use this one. */
Node *compute_reduced(Graph *graph, Combine combine, int box_rank, const int64_t *box, uint32_t batch_variables,
                      const Access *write, int rank, const int64_t *shape, bool batch, const Scalar *value,
                      const char *name, Span span);

/* ---- guards.c ---------------------------------------------------------------------------------------------------- */

/* What is known of expressions, by id, for one sweep: start with {0}, end with guards_free. */
typedef struct Guards {
  Memo signs, guarded;
} Guards;

/* Can the derivative (of a read in the node's value) be infinite where the value is not? */
bool guards_needed(Guards *guards, const Node *node, const Scalar *derivative);
/* The factor with its choices of `nothing` brought out from behind maps, where `nothing` is still a symbol and
   annihilates an infinity. */
const Scalar *guards_open(Guards *guards, Graph *graph, const Node *node, const Scalar *scalar);
void guards_free(Guards *guards);

/* ---- scalar_adjoint.c -------------------------------------------------------------------------------------------- */

/* For every read of a node in `active` (by id) inside value: the derivative of value by it. Two parallel pieces of one
   row each; list_free both. */
typedef struct Derivatives {
  List reads, derivatives;
} Derivatives;
Derivatives scalar_adjoint(Graph *graph, const Scalar *value, const bool *active);

#endif
