/* Nodes: what a value is computed from. Only ever added to; never simplified, so that what is computed is what was
   written. */
#include <math.h>
#include <string.h>

#include "oracle.h"

enum { NODE_LIMIT = 60000 };

int samples;
static int next_id, made;

void nodes_start(void) { next_id = 0; }

void evaluation_of(int batch) {
  samples = batch;
  made = 0;
}

int shape_size(Shape shape) {
  int size = 1;
  for (int d = 0; d < shape.rank; d++) size *= shape.at[d];
  return size;
}

bool shape_equal(Shape a, Shape b) {
  bool equal = a.rank == b.rank;
  for (int d = 0; equal && d < a.rank; d++) equal = a.at[d] == b.at[d];
  return equal;
}

static uint64_t stir(uint64_t hash, uint64_t with) {
  hash ^= with + UINT64_C(0x9E3779B97F4A7C15) + (hash << 6) + (hash >> 2);
  return hash * UINT64_C(0xD6E8FEB86659FD93);
}

Node *node_new(NodeOp op, int which, Shape shape, int count, Node *const *operands) {
  if (++made > NODE_LIMIT) fail("too large: more than %d values in an evaluation", NODE_LIMIT);
  next_id++; /* later than all that it is made of, whatever evaluation that is from */
  Node *node = arena_allocate(sizeof *node);
  *node = (Node){.id = next_id,
                 .op = op,
                 .which = which,
                 .shape = shape,
                 .count = count,
                 .operands = arena_allocate((size_t)(count + 1) * sizeof(Node *))};
  uint64_t hash = stir((uint64_t)op, (uint64_t)which);
  for (int d = 0; d < shape.rank; d++) hash = stir(hash, (uint64_t)shape.at[d] + 7);
  for (int k = 0; k < count; k++) {
    node->operands[k] = operands[k];
    node->random |= operands[k]->random && op != N_MEAN_OF_SAMPLES;
    node->varies |= operands[k]->varies;
    hash = stir(hash, operands[k]->hash);
  }
  node->hash = hash;
  return node;
}

Node *node_given(Shape shape, bool random, double *numbers, const void *variable) {
  Node *node = node_new(N_GIVEN, 0, shape, 0, NULL);
  node->random = random;
  node->given = numbers;
  node->variable = variable;
  node->varies = variable != NULL;
  node->hash = stir(node->hash, (uint64_t)(uintptr_t)variable);
  if (variable == NULL)
    for (int e = 0; e < shape_size(shape); e++) {
      uint64_t bits;
      memcpy(&bits, &numbers[e], sizeof bits);
      node->hash = stir(node->hash, bits);
    }
  return node;
}

Node *node_constant(double value) {
  double *at = arena_allocate(sizeof *at);
  *at = value;
  return node_given((Shape){0}, false, at, NULL);
}

Node *node_gather(Node *operand, Shape shape, const int *from) {
  Node *node = node_new(N_GATHER, 0, shape, 1, &operand);
  node->from = from;
  for (int e = 0; e < shape_size(shape); e++) node->hash = stir(node->hash, (uint64_t)(unsigned)from[e]);
  return node;
}

static Shape common_shape(Shape a, Shape b, const char *what) {
  if (a.rank == 0) return b;
  if (b.rank != 0 && !shape_equal(a, b)) fail("the shapes of `%s` do not fit", what);
  return a;
}

Node *node_map1(Scalar1 f, Node *a) { return node_new(N_MAP1, (int)f, a->shape, 1, &a); }

static bool is_one(const Node *node) {
  return node->op == N_GIVEN && node->shape.rank == 0 && node->variable == NULL && *node->given == 1;
}

/* 1 - sigmoid(x) is sigmoid(-x), which keeps the digits that the difference would lose: the compiler keeps them too. */
Node *node_map2(Scalar2 g, Node *a, Node *b) {
  if (g == G_SUBTRACT && is_one(a) && b->op == N_MAP1 && b->which == F_SIGMOID)
    return node_map1(F_SIGMOID, node_map1(F_NEGATE, b->operands[0]));
  return node_new(N_MAP2, (int)g, common_shape(a->shape, b->shape, scalar2_names[g]), 2, (Node *[]){a, b});
}

/* Which of two equal values is chosen may be seen or not. */
Node *node_select(Node *c, Node *a, Node *b) {
  Shape shape = common_shape(common_shape(c->shape, a->shape, "if"), b->shape, "if");
  return node_new(N_SELECT, node_equal(a, b), shape, 3, (Node *[]){c, a, b});
}

bool node_equal(const Node *a, const Node *b) {
  if (a == b) return true;
  if (a->hash != b->hash || a->op != b->op || a->which != b->which || a->count != b->count || a->random != b->random ||
      !shape_equal(a->shape, b->shape))
    return false;
  if (a->op == N_GIVEN) {
    if (a->variable != b->variable) return false;
    return a->variable != NULL || memcmp(a->given, b->given, sizeof(double) * (size_t)shape_size(a->shape)) == 0;
  }
  if (a->op == N_GATHER && memcmp(a->from, b->from, sizeof(int) * (size_t)shape_size(a->shape)) != 0) return false;
  for (int k = 0; k < a->count; k++)
    if (!node_equal(a->operands[k], b->operands[k])) return false;
  return true;
}

/* ---- paths: which nodes lie between v and e ---------------------------------------------------------------------- */

typedef struct Walk {
  int first, last;
  unsigned char *seen;
  Node **found;
  int count, capacity;
} Walk; /* by id - first */

/* All that `node` is computed from, down to the id `first`. */
static void walk_down(Walk *walk, Node *node) {
  if (node->id < walk->first || walk->seen[node->id - walk->first]) return;
  walk->seen[node->id - walk->first] = 1;
  for (int k = 0; k < node->count; k++) walk_down(walk, node->operands[k]);
  ROOM(walk->found, walk->count, walk->capacity);
  walk->found[walk->count++] = node;
}

static Walk walk_between(const Node *v, Node *e) {
  Walk walk = {.first = v->id, .last = e->id};
  if (e->id < v->id) return walk;
  walk.seen = arena_allocate((size_t)(e->id - v->id) + 1);
  walk_down(&walk, e);
  return walk;
}

/* Nodes that depend on v, operands first, v apart. */
static void find_path(Node *grad) {
  const Node *v = grad->operands[1];
  Walk walk = walk_between(v, grad->operands[0]);
  int capacity = 0;
  unsigned char *depends = walk.seen;
  if (depends == NULL) return;
  for (int k = 0; k < walk.count; k++) depends[walk.found[k]->id - v->id] = 0;
  depends[0] = 1;
  for (int k = 0; k < walk.count; k++) { /* operands come first */
    Node *node = walk.found[k];
    bool here = false;
    for (int j = 0; j < node->count && node->op != N_STILL && !here; j++)
      here = node->operands[j]->id >= v->id && depends[node->operands[j]->id - v->id];
    if (!here || node == v) continue;
    depends[node->id - v->id] = 1;
    ROOM(grad->path, grad->path_count, capacity);
    grad->path[grad->path_count++] = node;
    grad->coupled |= node->op == N_MEAN_OF_SAMPLES || (node->op == N_GRAD && node->coupled);
  }
}

bool node_depends(const Node *a, const Node *v) {
  if (a == v) return true;
  Node pair = {.op = N_GRAD, .operands = (Node *[]){(Node *)(uintptr_t)a, (Node *)(uintptr_t)v}};
  find_path(&pair);
  return pair.path_count > 0 && pair.path[pair.path_count - 1] == a;
}

Node *node_grad(Node *e, Node *v) {
  if (e->shape.rank != 0) fail("grad of a value of rank %d", e->shape.rank);
  if (e->random && !v->random) fail("grad of something random by something deterministic");
  Node *node = node_new(N_GRAD, 0, v->shape, 2, (Node *[]){e, v});
  node->random = v->random;
  find_path(node);
  if (e != v && (node->path_count == 0 || node->path[node->path_count - 1] != e)) fail("grad without a path");
  return node;
}
