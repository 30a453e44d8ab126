/* What the files of schedule/ share and nobody else sees: values in memory, items to compute, the builder of loop
   programs. */
#ifndef LOWER_H
#define LOWER_H

#include "schedule.h"

/* ---- layout.c: where the elements of a node lie ------------------------------------------------------------------ */

typedef struct View { /* a node seen as memory: a value, perhaps somebody else's under a reshape */
  StoredValue *value;
  int rank;
  int64_t shape[RANK_LIMIT], stride[RANK_LIMIT];
} View;

/* Of elements as they are numbered: row-major, in declared order. */
void layout_elements(int rank, const int64_t *shape, int64_t *stride);
View view_of_value(StoredValue *value);
/* The same memory as `node`, a reshape of what lies at `operand`. */
View view_reshape(const Layout *layout, const View *operand, const Node *node);

/* ---- items: what fusion hands to the generators ------------------------------------------------------------------ */

/* view[write(i)] (combine)= value(i) over the box. Reads in `value` are of nodes that lie in memory, and of random
   nodes. */
typedef struct Item {
  Node *node; /* for names and spans */
  Combine combine;
  int box_rank;
  const int64_t *box;
  const Access *write;
  const Scalar *value;
  View view;
  bool stored; /* false: read within its program only, from registers */
  int phase;   /* of its group; -1 before it is in one, and for pieces of a tile */
  int read_count;
  const Scalar **reads; /* all READs in value and write, each once */
} Item;

/* ---- builder.c: programs under construction ---------------------------------------------------------------------- */

typedef struct Builder Builder;

typedef View (*ViewOf)(void *context, const Node *node);

Builder *builder_new(Graph *graph, const ScheduleOptions *options, const char *title, Span span);
void builder_views(Builder *builder, ViewOf view_of, void *context);
View builder_view(Builder *builder, const Node *node);
struct Memory **builder_memory(Builder *builder); /* express.c's own */
Graph *builder_graph(Builder *builder);
Session *builder_session(Builder *builder);
int builder_lanes(const Builder *builder);
RegisterType builder_real(const Builder *builder);
int builder_buffer(Builder *builder, StoredValue *value, bool written);
int64_t builder_workspace(Builder *builder,
                          int64_t elements); /* elements of `real`, aligned to lines; returns the first */
int builder_register(Builder *builder, RegisterType type, int lanes, int count);
Register builder_register_type(const Builder *builder, Operand operand);
Operand operand_single(int reg);
Operand operand_at(int reg, Affine index);
void builder_chunks(Builder *builder, int64_t chunks);
void builder_tile(Builder *builder);
void builder_count(Builder *builder, double flops, double bytes);

/* Levels: the body of the program is level 0; every open loop or branch is one more. */
int builder_level(const Builder *builder);
bool builder_level_open(const Builder *builder, int level, int serial);
int builder_level_serial(const Builder *builder, int level);
int builder_variable_level(const Builder *builder, int variable);
int affine_level(const Builder *builder, Affine affine);
int builder_for(Builder *builder, Affine from, Affine to, int64_t step); /* opens; returns the loop's variable */
int builder_for_limit(Builder *builder, Affine from, Affine to, Affine limit, int64_t step);
int builder_unrolled(Builder *builder, int64_t count);
int builder_let(Builder *builder, Affine value, int64_t divisor, int64_t modulus);
void builder_if(Builder *builder, Affine condition); /* opens the body: condition >= 0 */
void builder_else(Builder *builder);
void builder_close(Builder *builder);
Statement *builder_append(Builder *builder, StatementKind kind); /* at the innermost open level */
Statement *builder_append_at(Builder *builder, int level, StatementKind kind);
Operand builder_set(Builder *builder, RegisterType type, int lanes, double value);
void builder_assign(Builder *builder, Operand result, double value);
Operand builder_operate(Builder *builder, int level, Operation op, RegisterType type, Operand a, Operand b, Operand c);
void builder_operate_into(Builder *builder, Operand result, Operation op, Operand a, Operand b, Operand c);
void builder_fma_into(Builder *builder, Operand result, Operand a, Operand b, Operand c);
Operand builder_convert(Builder *builder, int level, Operand a, RegisterType type,
                        int lanes); /* a itself where nothing changes */
Operand builder_load(Builder *builder, int level, RegisterType type, int lanes, Address address);
void builder_store(Builder *builder, Address address, Operand value, bool accumulate);
Program *builder_finish(Builder *builder, StoredValue ***bindings);

int64_t affine_coefficient(Affine affine, int variable);
bool affine_equal(Affine a, Affine b);

/* ---- express.c: scalar expressions at a point -------------------------------------------------------------------- */

/* Where the variables of a box are at a point of a nest. The lane variable's loop advances by the lanes; its affine
   value is that of lane 0. */
typedef struct Point {
  int serial; /* equal points share subexpressions */
  int variables;
  Affine at[BOX_LIMIT];
  int64_t low[BOX_LIMIT], high[BOX_LIMIT]; /* what `at` can reach, inclusive; may exceed the box */
  int lane_variable;                       /* loop variable, or -1 */
  bool has_valid;
  Affine valid; /* lanes that count */
} Point;

Point point_new(Builder *builder);
void point_set(Point *point, int variable, Affine at, int64_t low, int64_t high);

/* From now on, until its level closes, the item's node at `access` is in a register. (What it overwrites in memory is
   another node.) */
void express_know(Builder *builder, const Point *point, const Item *item, const Access *access, Operand value);
Operand express(Builder *builder, const Point *point, const Scalar *scalar);
/* In `real`, with the program's lanes where the point has lanes. */
Operand express_real(Builder *builder, const Point *point, const Scalar *scalar);
/* accumulator = accumulator (combine) scalar; one FMA where that is a product. `mask`: lanes and points that count, or
   reg -1. */
void express_accumulate(Builder *builder, const Point *point, Combine combine, Operand accumulator,
                        const Scalar *scalar, Operand mask);
Address express_address(Builder *builder, const Point *point, const View *view, const Access *access);
void express_store(Builder *builder, const Point *point, const View *view, const Access *access, Operand value,
                   bool accumulate);
/* 1 lane or lanes of truth: low <= affine < high */
Operand express_between(Builder *builder, const Point *point, Affine affine, int64_t low, int64_t high);

/* ---- residue.c: which points of a box land where ----------------------------------------------------------------- */

/* One way to reach the output points of a class: the box variables are affine in (the class's loops q..., t...); a
   point counts where every guarded variable is in its box. */
typedef struct Gather {
  int free_count;
  int64_t free_extent[BOX_LIMIT]; /* t: summed here */
  struct {
    int64_t constant, coefficient[2 * BOX_LIMIT]; /* of q, then of t */
    bool guarded;
  } variable[BOX_LIMIT];
} Gather;
typedef struct ClassLoop {
  int axis;
  int64_t step, count;
} ClassLoop;
/* Output points p[d] = offset[d] + Σ step * q over the loops of axis d. Loop d is an axis's own; those from the rank on
   run over further digits of axes that are written as numbers of several, p = m*g + r. */
typedef struct ResidueClass {
  int64_t offset[RANK_LIMIT];
  int loop_count;
  ClassLoop loops[BOX_LIMIT];
  int gather_count;
  Gather *gathers;
} ResidueClass;
typedef struct Residue {
  int class_count;
  ResidueClass *classes;
} Residue;

/* NULL if coordinates share variables or are computed, or the classes are too many: scatter then. */
Residue *residue_split(Session *session, const Item *item);

/* ---- nest.c, tile.c ---------------------------------------------------------------------------------------------- */

/* Several items in turn; `parallel`: cut into chunks (one phase only). A phase is a run of items over the same
   points. */
typedef struct Phase {
  int count, capacity;
  Item **items;
} Phase;
void nest_phase(Builder *builder, const Phase *phase, bool parallel);
int64_t item_points(const Item *item);
bool item_is_map(const Item *item); /* every element of the view once, variable d is axis d */
double item_cost(const Item *item); /* machine operations, all points, without lanes */

/* ---- leaves.c: what an expression reads -------------------------------------------------------------------------- */

typedef struct Leaves {
  int count, capacity;
  const Scalar **items;
} Leaves; /* READ, WITHIN, INDEX, each once; those of computed coordinates too */
Leaves leaves_of(Session *session, const Scalar *scalar);
/* Elements that the read moves on when `variable` moves by one; false where that is not a constant (computed,
   guarded). */
bool leaf_stride(Builder *builder, const Scalar *leaf, const int64_t *box, int variable, int64_t *stride);

/* ---- roles.c, stage.c, tile.c: contractions whose accumulators stay in registers --------------------------------- */

/* acc[row][lane] += A(row, k) * B(k, lane): one sum of a product, its box variables sorted into roles. */
typedef struct Piece {
  const Item *item;
  const Scalar *a, *b;       /* the factor that has the rows; the one that has the lanes */
  int row, lane;             /* box variables */
  int k_count, k[BOX_LIMIT]; /* summed variables, the innermost last */
} Piece;

typedef struct Tile {
  int piece_count;
  Piece *pieces;
  int row_axis, lane_axis;            /* of the output */
  int64_t rows, lanes;                /* their extents */
  bool rows_contiguous, lanes_staged; /* in the memory of some factor; by every chunk */
  int block_rows, block_vectors;      /* accumulators of the micro-kernel */
  int64_t task_rows, task_lanes;      /* of a chunk: multiples of a block */
  int64_t blocks, panels;             /* chunks along the rows, along the lanes */
} Tile;

/* Is the sum worth a tile, and which variable is what? */
bool piece_roles(const Item *item, Piece *piece);
/* NULL: the sums do not agree. */
Tile *tile_new(Session *session, const ScheduleOptions *options, int count, Item *const *items, ViewOf view_of,
               void *context);
bool tile_size(Tile *tile, const ScheduleOptions *options); /* false: its stages would be too large */

/* A side of a product as the micro-kernel reads it: in place, or copied to the workspace with `fast` contiguous. */
typedef struct Side {
  const Item *item;
  const Scalar *value;
  int fast; /* the row or the lane variable */
  const Piece *piece;
  bool in_place;
  int64_t workspace, width, pitch; /* first element; elements that are copied of a k; from one k to the next */
} Side;
Side side_new(Builder *builder, const Piece *piece, bool lanes, int64_t width);
/* Copies the part of a side that a task needs: fast variable in [from, from + width), all k. `outer` has the other
   variables. */
void side_stage(Builder *builder, const Side *side, const Point *outer, Affine from);
/* The element at fast variable `fast` and the k loops of `point`. */
Address side_address(Builder *builder, const Side *side, const Point *point, Affine inside);

/* phase: what the pieces add up to, then maps at the same points and sums of these over the lanes. */
void tile_program(Builder *builder, const Tile *tile, const Phase *phase);

#endif
