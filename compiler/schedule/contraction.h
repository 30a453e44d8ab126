/* Sums of products as loops with roles. A sum is split into parts, one for each residue class of its output; a part
   adds up pieces, one for each way to reach its points; the indices of a piece are the output's axes and what it sums
   over. Shared by contraction.c, side.c, tile_choice.c and tile.c. */
#ifndef CONTRACTION_H
#define CONTRACTION_H

#include "lower.h"

/* Index i < BOX_LIMIT of a part is loop i of its residue class: it walks an axis of the output, or a digit of one; the
   others are summed. */
enum { LOOP_LIMIT = 2 * BOX_LIMIT, BOUND_LIMIT = 8 };

/* constant + sum of of[i] * index i */
typedef struct Form {
  int64_t constant, of[LOOP_LIMIT];
} Form;

/* low <= form < high, or the point adds nothing. `on`: the summed index whose loop keeps the bound, or -1. */
typedef struct Bound {
  Form form;
  int64_t low, high;
  bool needed; /* nothing else makes sure of it */
  bool read;   /* outside of it a factor that is a read is 0 */
  int on;
  bool at_point; /* it is a condition of the point instead: of indices of the output alone */
} Bound;

/* One factor of a piece. Its forms are what its coordinates are made of: each index is in one form only, so that the
   factor can be copied for a box of indices as a box of forms. */
typedef struct Side {
  const Scalar *value;
  uint64_t indices; /* that it depends on */
  int fast;         /* the index of the rows or of the lanes */
  bool plain;       /* a read of a stored value, of the type that is computed in, at affine places */
  bool straight;    /* what it reads lies side by side along the fast index */
  bool copies;      /* may be staged: its forms are known */
  int form_count;   /* of more than one value each; that of `fast` is the last */
  Form forms[LOOP_LIMIT];
  int stands[LOOP_LIMIT];     /* by form: the index that has coefficient 1 or -1 in it */
  int64_t stride[LOOP_LIMIT]; /* plain: elements that it moves on with each index */
  int joined;                 /* an index that lanes go through as well, stage by stage of the fast one; or -1 */
  int axis;                   /* plain: of what it reads, that the fast index moves one by one; or -1 */
  /* how it is read, once that is chosen */
  bool in_place;
  bool shared;   /* from a copy that is turned once, by a program of its own (copies.c) */
  int turned;    /* the form along which memory is contiguous, where that is not the fast one; or -1 */
  int workspace; /* the buffer of the copy */
  int64_t size[LOOP_LIMIT], pitch[LOOP_LIMIT]; /* by form: elements from one value to the next */
} Side;

typedef struct Piece {
  const Item *item;
  const Gather *gather;
  int64_t extent[LOOP_LIMIT];
  Form variable[BOX_LIMIT];           /* the box variables of the item */
  Side a, b;                          /* the factor that has the rows; the one that has the lanes */
  int order_count, order[LOOP_LIMIT]; /* summed indices, the innermost last */
  int blocked;                        /* the summed index that is cut into blocks, or -1 */
  int64_t block;
  int bound_count;
  Bound bounds[BOUND_LIMIT];
} Piece;

typedef struct Part {
  int64_t offset[RANK_LIMIT]; /* as of its residue class */
  ClassLoop loops[BOX_LIMIT];
  /* The rows' own values, then those of indices that rows go through as well: their number is (… * n1 + i1) * n0 + i0.
   */
  int digit_count, digits[BOX_LIMIT];
  int64_t digit_values[BOX_LIMIT];
  int piece_count;
  Piece *pieces;
} Part;

struct Tile {
  int part_count;
  Part *parts;
  const View *view;          /* of the output */
  int loop_count, row, lane; /* indices of the output; those of the rows and of the lanes */
  int joined; /* an index that lanes go through as well, where they are few: lane = joined * lane_own + own */
  int64_t lane_own;
  int64_t rows, lanes;           /* extents of these in the largest part */
  int block_rows, block_vectors; /* accumulators of the micro-kernel */
  int64_t task[BOX_LIMIT];       /* points of a chunk along each; of rows and lanes multiples of a block */
  Copied copied;                 /* which of them are weighed */
  double cycles;                 /* what all chunks take, about */
};

int64_t part_tasks(const Tile *tile, const Part *part);
void tile_print(const Tile *tile, FILE *out);

/* ---- contraction.c, parts.c
 * ----------------------------------------------------------------------------------------------- */

/* All parts with the given indices as rows and lanes; false where they do not fit. */
bool contraction_parts(Session *session, const ScheduleOptions *options, int count, Item *const *items, int row,
                       int lane, ViewOf view_of, void *context, Tile *tile);
/* Elements of the output from one value of an index to the next. */
int64_t part_stride(const Tile *tile, const Part *part, int index);
Form coordinate_form(const Piece *piece, const Coordinate *coordinate);
/* What the factors of a piece read and which points count, once its indices are known; false where it does not fit. */
bool piece_new(Session *session, RegisterType real, const Tile *tile, ViewOf view_of, void *context, Piece *piece);
/* Smallest and largest value while index i is in [0, extent[i]). */
void form_range(const Form *form, const int64_t *extent, int64_t *low, int64_t *high);
Affine form_at(const Form *form, const Affine *index);

/* The same sums with these indices as rows and lanes. */
Tile *tile_with(Session *session, const ScheduleOptions *options, int count, Item *const *items, int row, int lane,
                ViewOf view_of, void *context);

/* ---- tile_choice.c: sizes by cost ---------------------------------------------------------------------------------
 */

bool tile_choose(Tile *tile, const ScheduleOptions *options);

/* ---- side.c ------------------------------------------------------------------------------------------------------ */

/* The box of indices that a stage covers: `count` of each from `start`. */
typedef struct Scope {
  Affine start[LOOP_LIMIT];
  int64_t count[LOOP_LIMIT];
} Scope;

/* beyond: elements after the last that a block of lanes may read, whatever is there. */
void side_place(Builder *builder, Side *side, const Scope *scope, int64_t beyond);
void side_stage(Builder *builder, const Piece *piece, const Side *side, const Scope *scope);
/* The element at these values of the indices. `lane`: the loop variable of the lanes, or -1. */
Address side_address(Builder *builder, const Piece *piece, const Side *side, const Scope *scope, const Affine *index,
                     int lane);

#endif
