/* A tile program while it is made: what tile.c, multiply.c and finish.c share. */
#ifndef MAKING_H
#define MAKING_H

#include "contraction.h"

typedef struct Making {
  Builder *builder;
  const Tile *tile;
  const Phase *phase;
  const Part *part;
  Affine start[LOOP_LIMIT]; /* of the chunk's points, and of the block of the sum */
  Affine inside[BOX_LIMIT]; /* from there: loops over rows, lanes, other axes */
  int parked;               /* buffer of the results: [other axes][row][lane] */
  int64_t parked_size;
  int64_t parked_stride[BOX_LIMIT];
  int line;    /* buffer of one row in the order of the output, where lanes are not contiguous there; or -1 */
  int *totals; /* by item of the phase: buffer of what the chunk's points add up to, a vector; or -1 */
} Making;

bool is_outer(const Tile *tile, int index);
/* Points of the part that are left from the chunk's first. */
Affine points_left(const Making *making, int index);
/* Opens the loops over the indices that are neither rows nor lanes; returns their number. */
int open_outer(Making *making);
void close_levels(Builder *builder, int count);
Address parked_address(const Making *making);

/* ---- multiply.c ---------------------------------------------------------------------------------------------------
 */

/* What one pass over the sum of a piece covers. */
Scope piece_scope(const Making *making, const Piece *piece);
/* The pieces of one pass, on one block of rows and all lanes. `more`: added to what is parked. */
void multiply_block(Making *making, const Piece *pieces, const Scope *scopes, int count, int rows, bool more);

/* ---- finish.c ------------------------------------------------------------------------------------------------------
 */

/* Sums over all points of a chunk: nothing yet; into their places. */
void clear_totals(Making *making);
void store_totals(Making *making);
/* Little follows, point by point, along lanes that are contiguous: results need no memory in between. */
bool leaves_from_registers(const Making *making);
void finish_accumulator(Making *making, int lane, Operand accumulator);
/* Room for one row in the order of the output, where lanes are not contiguous there. */
int64_t line_elements(const Making *making);
/* Rows from the chunk's row `first` on, from where they are parked; at all other points of the chunk, or (`here`) at
   this. */
void finish_rows(Making *making, Affine first, int64_t rows, bool here);

#endif
