/* What the files of schedule/ share and nobody else sees: values in memory, items to compute, what programs are about.
 */
#ifndef LOWER_H
#define LOWER_H

#include "schedule.h"

#include "compiler/program/builder.h"

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
  bool stored;    /* false: read within its program only, from registers */
  bool per_chunk; /* of a tile: element c of the view is the sum over the points of chunk c; variable d is axis d */
  int phase;      /* of its group; -1 before it is in one, and for pieces of a tile */
  int read_count;
  const Scalar **reads; /* all READs in value and write, each once */
} Item;

/* ---- subject.c: what a program under construction is about --------------------------------------------------------
 */

typedef View (*ViewOf)(void *context, const Node *node);

/* A builder for nodes of `graph`, in the lanes of the machine; it asks view_of where they lie. */
Builder *subject_new(Session *session, Graph *graph, const ScheduleOptions *options, const char *title, Span span,
                     ViewOf view_of, void *context);
View builder_view(Builder *builder, const Node *node);
struct Memory **builder_memory(Builder *builder); /* express.c's own */
Graph *builder_graph(Builder *builder);
int builder_buffer(Builder *builder, StoredValue *value, bool written);
StoredValue **builder_bindings(Builder *builder); /* one per buffer */

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

/* NULL if coordinates share variables or are computed, or the classes are too many: scatter then. `whole`: an axis of
   which one variable reaches only a part stays one class, with a guard, instead of that part and the rest. */
Residue *residue_split(Session *session, const Item *item, bool whole);

/* ---- nest.c, tile.c ---------------------------------------------------------------------------------------------- */

/* Several items in turn; `parallel`: cut into chunks (one phase only). A phase is a run of items over the same
   points. */
typedef struct Phase {
  int count, capacity;
  Item **items;
  const struct Decision *decision; /* how it is computed: strategy.h */
} Phase;
int64_t item_points(const Item *item);
/* count.c: points of a sum of products that add anything: none that reads or writes outside. */
double item_products(Session *session, const Item *item);
bool item_is_map(const Item *item); /* every element of the view once, variable d is axis d */
double item_cost(const Item *item); /* machine operations, all points, without lanes */
/* How many chunks so many operations are worth: by the problem alone. */
int64_t nest_chunks(double cost);

/* ---- leaves.c: what an expression reads -------------------------------------------------------------------------- */

typedef struct Leaves {
  int count, capacity;
  const Scalar **items;
} Leaves; /* READ, WITHIN, INDEX, each once; those of computed coordinates too */
Leaves leaves_of(Session *session, const Scalar *scalar);
/* Elements that the read moves on when `variable` moves by one; false where that is not a constant (computed,
   guarded). */
bool leaf_stride(Builder *builder, const Scalar *leaf, const int64_t *box, int variable, int64_t *stride);

/* ---- tile.c: contractions whose accumulators stay in registers (contraction.h) ------------------------------------
 */

typedef struct Tile Tile;

/* Which of them are weighed: those whose lanes are copied for each task, those where they are turned once for all, the
   others, or all. */
typedef enum Copied { COPIED_OR_NOT, COPIED_NOT, COPIED, COPIED_ONCE } Copied;
/* NULL: not sums of products that agree on roles. Chooses everything. */
Tile *tile_new(Session *session, const ScheduleOptions *options, int count, Item *const *items, Copied lanes,
               ViewOf view_of, void *context);
/* phase: what the pieces add up to, then maps at the same points and sums of these over the lanes. */
void tile_program(Builder *builder, const Tile *tile, const Phase *phase);

#endif
