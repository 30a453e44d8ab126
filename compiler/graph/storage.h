/* For the files of graph/ and transform/ only: how a graph is kept, and the small containers that traversals use. */
#ifndef GRAPH_STORAGE_H
#define GRAPH_STORAGE_H

#include "graph.h"

/* A set of pointers, found by hash and equality. Lives in the session; never shrinks. */
typedef struct Table {
  size_t count, capacity;
  uint64_t *hashes;
  void **items;
} Table;

uint64_t hash_mix(uint64_t hash, uint64_t value);
uint64_t hash_number(double value); /* by bits: 0 and -0 differ */
void *table_find(const Table *table, uint64_t hash, bool (*equal)(const void *item, const void *key), const void *key);
void table_add(Session *session, Table *table, uint64_t hash, void *item);

/* From ids to pointers, for one traversal: start with {0}, end with memo_free. */
typedef struct Memo {
  size_t count, capacity;
  int *keys;
  const void **values;
} Memo;

const void *memo_get(const Memo *memo, int id);       /* NULL if absent */
void memo_put(Memo *memo, int id, const void *value); /* value != NULL */
void memo_free(Memo *memo);

/* A growing array of pointers, for one traversal: start with {0}, end with list_free. */
typedef struct List {
  int count, capacity;
  const void **items;
} List;

Node **nodes_new(int count); /* count NULLs, for one traversal: free when done */
void list_add(List *list, const void *item);
void list_free(List *list);

struct Graph {
  Session *session;
  int node_count, node_capacity;
  Node **nodes; /* by id */
  int scalar_count, access_count;
  Table accesses, scalars, computations;  /* computations: hash-consed nodes (neither marks nor grads) */
  struct Rewrites *rewrites;              /* rewrite.c: its rows, parsed once */
  struct DerivativeFormulas *derivatives; /* transform/: the rows of derivatives.def, parsed once */
  uint32_t without;                       /* transform/: a set of rules about sums that are switched off */
  Operation broken;                       /* the operation whose derivative a test has made wrong, OP_COUNT for none */
};

/* The expression, as it is: no simplification. Arguments of commutative operations are already in order. */
const Scalar *scalar_intern(Graph *graph, Operation op, const Scalar *a, const Scalar *b, const Scalar *c);
bool operation_is_commutative(Operation op);
/* `nothing` becomes 0: what crosses the boundary of a map is a number. */
const Scalar *scalar_close(Graph *graph, const Scalar *scalar);
/* The node equal to the key, made if there is none. */
Node *node_intern(Graph *graph, const Node *key);
/* All distinct subexpressions of roots, arguments first; with `computed`, also those of computed coordinates. list_free
   when done. */
List scalar_order(int count, const Scalar *const *roots, bool computed);
/* All nodes that the roots need, operands first. list_free when done. */
List graph_order(Graph *graph, int count, Node *const *roots);

/* rewrite.c: one operation on simplified arguments, simplified by rewrites.def: what scalar_apply calls. With a box,
   the stable rows also see through maps. */
const Scalar *scalar_simplify(Graph *graph, const int64_t *box, Operation op, const Scalar *a, const Scalar *b,
                              const Scalar *c);
/* The whole value of a node over its box: reads move behind copies, guards that always hold are 1, every operation is
   simplified again. */
const Scalar *scalar_simplify_in_box(Graph *graph, const int64_t *box, const Scalar *scalar);

/* look.c: what stands behind the read of a map or of a reshape, as an expression over the same variables; NULL if
   nothing does or the read may leave the bounds. Never looks behind marks and constants. */
const Scalar *scalar_look(Graph *graph, const int64_t *box, const Scalar *read);
/* The operation found behind a read by looking as far as possible, without building anything. */
Operation scalar_look_operation(const Scalar *read);
/* The read itself, moved behind copies and reshapes while that costs nothing; constants and `nothing` come out as
   such. */
const Scalar *scalar_settle(Graph *graph, const int64_t *box, const Scalar *read);

/* The map whose value, joined along neighbouring axes to the shape, is a map over the joined axes again: that map; else
   NULL. */
Node *map_flatten(Graph *graph, Node *map, int rank, const int64_t *shape);

/* Does the node hold `nothing`? Its reads are `nothing` then. */
bool node_is_nothing(const Node *node);

#endif
