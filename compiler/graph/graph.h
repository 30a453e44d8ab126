/* The algebra: loop-free graphs of one kind of node that computes, closed under differentiation.

       out[f(i)] (=, +=, max=) e(i)      for every i in a box [0,R1) x … x [0,Rn)

   Everything is hash-consed: equal scalars, accesses and nodes are equal pointers. A read out of bounds is 0, a write
   out of bounds is dropped. All values are real numbers (labels and truth values too). A graph serves all routines of a
   model; what a routine computes is the list of its effects. */
#ifndef GRAPH_H
#define GRAPH_H

#include "lang/lang.h"

enum {
  BOX_LIMIT = VARIABLE_LIMIT + RANK_LIMIT
}; /* variables of a node: those that run, and one for each axis that none of them alone writes */

typedef struct Graph Graph;
typedef struct Node Node;
typedef struct Scalar Scalar;

/* ---- access.c: coordinates and accesses -------------------------------------------------------------------------- */

typedef struct Term {
  int variable;
  int64_t coefficient;
} Term; /* coefficient != 0 */

/* constant + sum of terms (sorted by variable) + computed, an integer-valued scalar over the box (labels, `i // 2`), or
   NULL */
typedef struct Coordinate {
  int64_t constant;
  int term_count;
  Term terms[VARIABLE_LIMIT];
  const Scalar *computed;
} Coordinate;

typedef struct Access {
  int id;
  int rank;
  const Coordinate *coordinates;
} Access; /* hash-consed in its graph */

Coordinate coordinate_constant(int64_t value);
Coordinate coordinate_variable(int variable);
Coordinate coordinate_add(Coordinate a, Coordinate b);     /* at most one of them computed */
Coordinate coordinate_scale(Coordinate a, int64_t factor); /* a not computed */
/* Is the scalar affine in the variables, with whole and small coefficients? Then that is `result`. */
bool scalar_is_affine(const Scalar *scalar, Coordinate *result);
bool coordinate_is_constant(const Coordinate *c);
bool coordinate_is_bare(const Coordinate *c); /* exactly one variable, coefficient 1, constant 0 */
const Access *access_new(Graph *graph, int rank, const Coordinate *coordinates);
const Access *access_identity(Graph *graph, int rank); /* [v0, v1, …] */
/* Every variable v replaced by coordinates[v]. */
Coordinate coordinate_substitute(Graph *graph, const Coordinate *c, const Coordinate *by);
const Access *access_substitute(Graph *graph, const Access *access, const Coordinate *by);
/* Smallest and largest value over the box; false where a computed part makes it unknown. */
bool coordinate_range(const Coordinate *c, const int64_t *box, int64_t *low, int64_t *high);
/* a / b, rounded down; b > 0. The greatest common divisor, >= 0. */
int64_t floor_divide(int64_t a, int64_t b);
int64_t greatest_divisor(int64_t a, int64_t b);
/* May the access leave the shape? */
bool access_may_leave(const Access *access, const int64_t *box, const int64_t *shape);

/* ---- scalar.c: expressions; constructors simplify exactly (rewrites.def) ----------------------------------------- */

typedef enum Operation {
#define OPERATION(name, ...) OP_##name,
#include "operations.def"
#undef OPERATION
  OP_COUNT,
  OP_CONSTANT = OP_COUNT, /* value */
  OP_NOTHING,             /* the zero of differentiation: a symbol, prints as 0 */
  OP_INDEX,               /* the value of a box variable */
  OP_READ,                /* node[access]; 0 out of bounds */
  OP_WITHIN               /* 1 where node[access] is in bounds, else 0 */
} Operation;

struct Scalar {
  int id;
  Operation op;
  double value;         /* CONSTANT */
  int variable;         /* INDEX */
  Node *node;           /* READ, WITHIN */
  const Access *access; /* READ, WITHIN */
  const Scalar *argument[3];
  uint32_t variables; /* the set of box variables it depends on */
  bool holds_nothing; /* `nothing` occurs in it */
};

typedef enum ScalarType { TYPE_NUMBER, TYPE_TRUTH } ScalarType;
typedef enum OperationTakes { TAKES_NUMBERS, TAKES_TRUTHS, TAKES_CHOICE } OperationTakes;
typedef enum ArgumentOrder { ORDER_GIVEN, ORDER_EXCHANGED } ArgumentOrder;
typedef struct OperationRow {
  const char *name;
  int arity;
  OperationTakes takes;
  ScalarType gives;
  ArgumentOrder order;
  int cost;
  double low, high;
  double (*evaluate)(double a, double b, double c);
} OperationRow;
extern const OperationRow operation_rows[OP_COUNT];
int operation_arity(Operation op); /* 0 for leaves */
/* Of leaves, as they are read: a number. */
ScalarType operation_result(Operation op);
ScalarType operation_argument(Operation op, int number);

const Scalar *scalar_constant(Graph *graph, double value);
const Scalar *scalar_nothing(Graph *graph);
/* Machine operations, about; large expressions count as large. */
double scalar_cost(const Scalar *scalar);
const Scalar *scalar_index(Graph *graph, int variable);
const Scalar *scalar_read(Graph *graph, Node *node, const Access *access);
const Scalar *scalar_within(Graph *graph, Node *node, const Access *access);
const Scalar *scalar_apply(Graph *graph, Operation op, const Scalar *a, const Scalar *b,
                           const Scalar *c); /* unused arguments NULL */
const Scalar *scalar_substitute(Graph *graph, const Scalar *scalar,
                                const Coordinate *by); /* variables by coordinates */
/* The same expression with every READ and WITHIN replaced by replace(context, leaf), which sees computed coordinates
   already replaced. */
const Scalar *scalar_rebuild(Graph *graph, const Scalar *scalar,
                             const Scalar *(*replace)(void *context, const Scalar *leaf), void *context);
/* Calls visit once on every distinct expression below, arguments first, and on the expression itself; scalar_reads on
   READ and WITHIN only, those of computed coordinates included. */
void scalar_walk(const Scalar *scalar, void (*visit)(void *context, const Scalar *scalar), void *context);
void scalar_reads(const Scalar *scalar, void (*visit)(void *context, const Scalar *read), void *context);

/* ---- graph.c: nodes ---------------------------------------------------------------------------------------------- */

typedef enum NodeKind {
  NODE_INPUT,    /* something stored: weight, state, data, noise, setting, counter */
  NODE_RANDOM,   /* drawn in place: stream, distribution */
  NODE_COMPUTE,  /* the one node */
  NODE_RESHAPE,  /* the same numbers in row-major order; the batch axis stays the first */
  NODE_CONSTANT, /* its operand, derivative nothing; gone after differentiate */
  NODE_MARK,     /* its operand; no rewrite looks through it until `grad` is gone */
  NODE_GRAD      /* derivative of operand[0] by operand[1] (a mark or an input); gone after differentiate */
} NodeKind;

typedef enum Combine { COMBINE_SET, COMBINE_SUM, COMBINE_MAXIMUM } Combine;
typedef enum Distribution {
  DISTRIBUTION_UNIFORM,
  DISTRIBUTION_NORMAL
} Distribution; /* [0,1) with 24 bits; mean 0, deviation 1 */

struct Node {
  int id;
  NodeKind kind;
  int rank;
  int64_t shape[RANK_LIMIT];
  bool batch;       /* axis 0 runs over the samples of the evaluation */
  const char *name; /* INPUT; a hint for people elsewhere, or NULL */
  Span span;        /* where in the model it comes from */
  Combine combine;  /* COMPUTE from here on */
  int box_rank;
  int64_t box[BOX_LIMIT];
  uint32_t batch_variables; /* set of box variables that run over samples */
  const Access *write;
  const Scalar *value;
  Node *operand[2]; /* RESHAPE, CONSTANT, MARK, GRAD */
  int read_count;   /* nodes that it reads (value, computed coordinates) or has as operands, each once */
  Node **reads;
  uint64_t stream;           /* RANDOM: hash of its path; key of Philox with the seed */
  int draw;                  /* RANDOM: the fresh place it belongs to, 0 for none */
  Distribution distribution; /* RANDOM */
};

Graph *graph_new(Session *session);
Session *graph_session(Graph *graph);
int graph_node_count(const Graph *graph);

Node *graph_input(Graph *graph, const char *name, int rank, const int64_t *shape, bool batch,
                  Span span); /* one per name */
Node *graph_random(Graph *graph, uint64_t stream, int draw, Distribution distribution, const char *name, int rank,
                   const int64_t *shape, bool batch, Span span);
/* Builds the one node in canonical form (negative coefficients of the write flipped, box trimmed to what can land, unit
   variables gone, variables numbered by the write, `+=` turned into `=` where the write is a bijection, factors without
   summed variables taken out of sums). May therefore return another node that has the same value. A missing
   batch_variables bit is derived from reads of batch axes. Variable d < rank is the one whose coordinate on axis d is
   the bare variable; an axis that has none (its extent is 1, or it is written by several variables or a constant)
   leaves box[d] = 1, and variable d occurs nowhere. All others are numbered from rank on and have extents > 1; digits
   that only occur as one number (28*k + l) are that number. So a map has box_rank == rank. Where nothing lands the
   output is 0, of `max=` too; a `=` whose write is no bijection becomes `+=`. */
Node *graph_compute(Graph *graph, Combine combine, int box_rank, const int64_t *box, uint32_t batch_variables,
                    const Access *write, int rank, const int64_t *shape, bool batch, const Scalar *value,
                    const char *name, Span span);
/* out[i] = value(i) for all i of the shape: the most frequent node. */
Node *graph_map(Graph *graph, int rank, const int64_t *shape, bool batch, const Scalar *value, Span span);
Node *graph_reshape(Graph *graph, Node *operand, int rank, const int64_t *shape, Span span);
Node *graph_constant(Graph *graph, Node *operand, Span span);
Node *graph_mark(Graph *graph, Node *operand, Span span); /* every call gives a new one */
/* e: [] or [batch]; v: what e depends on. Shape of v. */
Node *graph_grad(Graph *graph, Node *e, Node *v, Span span);
int64_t node_size(const Node *node);
bool node_is_map(const Node *node); /* COMPUTE, SET, identity write over its whole shape: may be inlined */

/* ---- routines: what is evaluated at once ------------------------------------------------------------------------- */

/* After everything is computed from what came in, `target` (an INPUT) becomes `value`, all at once; a target may also
   be a fresh place for an output. */
typedef struct Effect {
  Node *target;
  Node *value;
  Span span;
} Effect;
typedef struct EffectList {
  int count;
  Effect *items;
} EffectList;

/* Operands first; calls visit once on each node that the effects need. */
void graph_walk(Graph *graph, const EffectList *effects, void (*visit)(void *context, Node *node), void *context);
/* Nodes that `node` reads directly (reads of its value, computed coordinates, operands), each once; returns their
   number. */
int node_operands(const Node *node, Node **operands, int limit);

/* ---- verify.c, print.c, interpret.c ------------------------------------------------------------------------------ */

/* Checks every invariant of the comments above; false after diagnostics that name the pass as an internal error. */
bool graph_verify(Graph *graph, const EffectList *effects, const char *pass);
void graph_print(Graph *graph, const EffectList *effects, FILE *out);
/* What a COMPUTE node computes, with this expression for its value: "sum over k of x[b, k] * W[i, k]". */
void graph_print_value(const Node *node, const Scalar *value, FILE *out);

/* The reference: float64, literal loops, straight from the definition of the node. Values are row-major, the batch axis
   first. */
typedef struct Interpreter Interpreter;
typedef struct DrawCounters {
  uint64_t seed;
  int64_t round, ordinal, first_sample;
} DrawCounters;
Interpreter *interpreter_new(Graph *graph);
void interpreter_free(Interpreter *interpreter);
void interpreter_set(Interpreter *interpreter, Node *input, const double *values); /* copies node_size numbers */
void interpreter_draws(Interpreter *interpreter, DrawCounters counters);
const double *interpreter_value(Interpreter *interpreter, Node *node); /* computes what is missing */
void interpreter_apply(Interpreter *interpreter,
                       const EffectList *effects); /* computes all, then moves all targets; forgets all else */
/* ---- draws.c: random numbers, exactly. The runtime and every back end reproduce this block, in float32 and in float64
   ---- */

/* Philox 4x32-10. Its two key words are the low and the high half of

       draw_key = stream xor (seed * 0x9E3779B97F4A7C15 mod 2^64)

   so that under one seed different streams, and in one stream different seeds, never share a key. Its four counter
   words, each modulo 2^32, are

       word 0 = element / 4, word 1 = sample, word 2 = ordinal, word 3 = round

   where `element` counts in row-major order within one sample (the batch axis is not counted), and `sample` is
   first_sample + the place along the batch axis; a tensor without a batch axis has sample 0. An element owns output
   word element % 4.

   Uniform: (word >> 8) * 2^-24, in [0,1), exact in both precisions. Normal: Box-Muller over the pair of elements 2k,
   2k + 1, which share a block. u is the uniform of the pair's even word, v that of its odd word;

       r = sqrt(-2 * log(1 - u)), element 2k is r * cos(2 pi v), element 2k + 1 is r * sin(2 pi v)

   1 - u lies in (0,1] and is exact, so the logarithm is finite. Float32 evaluates the same formulas in float32 (equal
   to rounding, not in bits). A tensor with an odd number of elements leaves the last sine unused.

   The stream of a node already tells places, calls and `fresh` apart: `draw` of a node is not part of the number. */
uint64_t draw_key(uint64_t seed, uint64_t stream);
double draw_uniform(DrawCounters counters, uint64_t stream, int64_t sample, int64_t element);
double draw_normal(DrawCounters counters, uint64_t stream, int64_t sample, int64_t element);

#endif
