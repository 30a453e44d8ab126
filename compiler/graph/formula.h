/* For the files of graph/ and transform/ only: the little language in which the tables of rewrites and derivatives are
   written. */
#ifndef GRAPH_FORMULA_H
#define GRAPH_FORMULA_H

#include "graph.h"

enum { LETTERS = 26 };

/* op < OP_COUNT: an operation; OP_CONSTANT; OP_NOTHING; OP_INDEX: a letter, its number in `letter`. */
typedef struct Formula {
  Operation op;
  double value;
  int letter;
  const struct Formula *argument[3];
} Formula;

typedef struct Bindings {
  const Scalar *letter[LETTERS];
} Bindings;

/* Text in ordinary notation: + - * / ( ), numbers, one-letter names, `nothing`, and operations by their names in small
   letters. The texts are tables of the compiler, so a mistake in one stops it. */
const Formula *formula_parse(Session *session, const char *text);
/* Does the formula match? Binds its letters. box NULL: as it is; else also through maps and reshapes, where a read
   stays within bounds. */
bool formula_match(Graph *graph, const int64_t *box, const Formula *formula, const Scalar *scalar, Bindings *bindings);
const Scalar *formula_build(Graph *graph, const int64_t *box, const Formula *formula, const Bindings *bindings);

#endif
