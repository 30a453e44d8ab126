/* For the files of transform/ only: the little language in which the tables of rewrites and derivatives are written, and how passes rebuild graphs. */
#ifndef TRANSFORM_INTERNAL_H
#define TRANSFORM_INTERNAL_H

#include "compiler/graph/storage.h"

/* ---- formula.c ------------------------------------------------------------------------------------------------------------------ */

enum { LETTERS = 26 };

/* op < OP_COUNT: an operation; OP_CONSTANT; OP_NOTHING; OP_INDEX: a letter, its number in `letter`. */
typedef struct Formula { Operation op; double value; int letter; const struct Formula *argument[3]; } Formula;

typedef struct Bindings { const Scalar *letter[LETTERS]; } Bindings;

/* Text in ordinary notation: + - * / ( ), numbers, one-letter names, `nothing`, and operations by their names in small letters. The texts are tables of the
   compiler, so a mistake in one stops it. */
const Formula *formula_parse(Session *session, const char *text);
/* Does the formula match? Binds its letters. box NULL: as it is; else also through maps and reshapes, where a read stays within bounds. */
bool formula_match(Graph *graph, const int64_t *box, const Formula *formula, const Scalar *scalar, Bindings *bindings);
const Scalar *formula_build(Graph *graph, const int64_t *box, const Formula *formula, const Bindings *bindings);
bool operation_is_commutative(Operation op);

/* ---- simplify.c ----------------------------------------------------------------------------------------------------------------- */

/* All tables of formulas, parsed once for a graph. */
typedef struct Rewrite { const Formula *pattern, *result; bool through; } Rewrite;
struct Formulas;
const Formula *graph_derivative_formula(Graph *graph, Operation op, int argument);

/* ---- rebuild.c ------------------------------------------------------------------------------------------------------------------ */

/* Rebuilds what the effects need, operands first. `change` sees a node whose operands are rebuilt already (image of node n: rebuild_image) and returns its
   image. Returns effects with the images as values. */
typedef struct Rebuilding { Graph *graph; Memo images; void *context; } Rebuilding;
typedef Node *(*RebuildNode)(Rebuilding *rebuilding, Node *node);
EffectList rebuild_effects(Graph *graph, EffectList effects, RebuildNode change, void *context);
Node *rebuild_image(const Rebuilding *rebuilding, const Node *node);
/* The same node over the images of what it reads; itself if these are the same, unless `again` wants it built anew. */
Node *rebuild_node(Rebuilding *rebuilding, Node *node, bool again);

/* ---- guards.c ------------------------------------------------------------------------------------------------------------------- */

/* What is known of expressions, by id, for one sweep: start with {0}, end with guards_free. */
typedef struct Guards { Memo signs, guarded; } Guards;

/* Can the derivative (of a read in the node's value) be infinite where the value is not? */
bool guards_needed(Guards *guards, const Node *node, const Scalar *derivative);
/* The factor with its choices of `nothing` brought out from behind maps, where `nothing` is still a symbol and annihilates an infinity. */
const Scalar *guards_open(Guards *guards, Graph *graph, const Node *node, const Scalar *scalar);
void guards_free(Guards *guards);

/* ---- scalar_adjoint.c ----------------------------------------------------------------------------------------------------------- */

/* For every read of a node in `active` (by id) inside value: the derivative of value by it. Two parallel pieces of one row each; list_free both. */
typedef struct Derivatives { List reads, derivatives; } Derivatives;
Derivatives scalar_adjoint(Graph *graph, const Scalar *value, const bool *active);

#endif
