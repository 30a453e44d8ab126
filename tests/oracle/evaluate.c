/* Numbers of nodes. Without infinitesimals a node is computed once. A gradient evaluates the nodes between its two
   operands anew for every element of what it is by, with an infinitesimal of its own added to that element: a context.
   A node that no operand's change reaches keeps the value it had outside. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

static double work_left, rounding;
static uint64_t rounded;
double largest_number;

/* The values that a context changes, chained so that they can be taken back. */
typedef struct Change {
  Node *node;
  Block old;
  struct Change *older;
} Change;
typedef struct Context {
  int bits;
  Change *changes;
} Context;

static Block node_block(Node *node);

static int copies(const Node *node) { return node->random ? samples : 1; }

/* Parts of number i of a block that is read as `size` numbers with so many bits: missing parts are 0. */
static void fetch(const Block *block, size_t i, int bits, double *out) {
  unsigned have = 1u << block->bits;
  for (unsigned set = 0; set < 1u << bits; set++) out[set] = set < have ? block->at[set * block->size + i] : 0;
}

/* Moved up or down by a fraction of itself, where results are to be seen to move. */
static double moved(double number) {
  rounded = rounded * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return number * (1 + ((rounded >> 40 & 1) != 0 ? rounding : -rounding));
}

static void store(Block *block, size_t i, const double *parts) {
  for (unsigned set = 0; set < 1u << block->bits; set++)
    block->at[set * block->size + i] = rounding == 0 ? parts[set] : moved(parts[set]);
}

static Block block_new(int bits, size_t size) {
  double *at = calloc(size << bits, sizeof *at);
  if (at == NULL) abort();
  return (Block){bits, size, at};
}

/* Where element e of sample n of an operand stands; one number serves all elements, one sample all samples. */
static size_t place(const Node *operand, int n, int e) {
  int size = shape_size(operand->shape);
  return (size_t)(operand->random ? n : 0) * (size_t)size + (size_t)(operand->shape.rank == 0 ? 0 : e);
}

static void evaluate_pointwise(const Node *node, const Block *operand, Block *out) {
  double parts[3][1 << BIT_LIMIT], result[1 << BIT_LIMIT];
  int size = shape_size(node->shape), bits = out->bits;
  for (int n = 0; n < copies(node); n++)
    for (int e = 0; e < size; e++) {
      for (int k = 0; k < node->count; k++) fetch(&operand[k], place(node->operands[k], n, e), bits, parts[k]);
      const double *chosen = result;
      if (node->op == N_MAP1) number_apply1((Scalar1)node->which, bits, parts[0], result);
      else if (node->op == N_MAP2) number_apply2((Scalar2)node->which, bits, parts[0], parts[1], result);
      else chosen = parts[0][0] != 0 ? parts[1] : parts[2];
      store(out, (size_t)n * (size_t)size + (size_t)e, chosen);
    }
}

static void evaluate_moved(const Node *node, const Block *operand, Block *out) { /* GATHER, STACK */
  int size = shape_size(node->shape), bits = out->bits;
  double parts[1 << BIT_LIMIT];
  for (int n = 0; n < copies(node); n++) {
    int e = 0;
    if (node->op == N_GATHER) {
      for (; e < size; e++) {
        if (node->from[e] < 0) continue;
        fetch(&operand[0],
              (size_t)(node->operands[0]->random ? n : 0) * (size_t)shape_size(node->operands[0]->shape) +
                  (size_t)node->from[e],
              bits, parts);
        store(out, (size_t)n * (size_t)size + (size_t)e, parts);
      }
      continue;
    }
    for (int k = 0; k < node->count; k++)
      for (int i = 0; i < shape_size(node->operands[k]->shape); i++, e++) {
        fetch(&operand[k], place(node->operands[k], n, i), bits, parts);
        store(out, (size_t)n * (size_t)size + (size_t)e, parts);
      }
  }
}

static void evaluate_sums(const Node *node, const Block *operand, Block *out) { /* SUM, TOTAL */
  int size = shape_size(node->shape), bits = out->bits;
  double parts[1 << BIT_LIMIT];
  for (int n = 0; n < copies(node); n++)
    for (int k = 0; k < node->count; k++)
      for (int i = 0; i < shape_size(node->operands[k]->shape); i++) {
        size_t to = (size_t)n * (size_t)size + (size_t)(node->op == N_TOTAL ? 0 : i);
        fetch(&operand[k], place(node->operands[k], n, i), bits, parts);
        for (unsigned set = 0; set < 1u << bits; set++) out->at[set * out->size + to] += parts[set];
      }
}

/* The largest (smallest) of candidates; equal ones share the infinitesimal parts. */
typedef struct Extreme {
  int sign, tied;
  double best[1 << BIT_LIMIT];
} Extreme;

static void extreme_add(Extreme *extreme, int bits, const double *parts) {
  double now = extreme->sign * parts[0], best = extreme->sign * extreme->best[0];
  if (extreme->tied > 0) note_decision(now, best);
  if (extreme->tied > 0 && (now < best || isnan(best))) return;
  if (extreme->tied == 0 || now > best || isnan(now)) extreme->tied = 0, memset(extreme->best, 0, sizeof extreme->best);
  extreme->best[0] = parts[0];
  for (unsigned set = 1; set < 1u << bits; set++) extreme->best[set] += parts[set];
  extreme->tied++;
}

static void evaluate_extreme(const Node *node, const Block *operand, Block *out) {
  int bits = out->bits;
  double parts[1 << BIT_LIMIT];
  for (int n = 0; n < copies(node); n++) {
    Extreme extreme = {.sign = node->which};
    if (node->op == N_EXTREME)
      for (int i = 0; i < shape_size(node->operands[0]->shape); i++) {
        fetch(&operand[0], place(node->operands[0], n, i), bits, parts);
        extreme_add(&extreme, bits, parts);
      }
    else
      for (int k = 0; k < node->count; k += 2) {
        if (operand[k + 1].at[place(node->operands[k + 1], n, 0)] == 0) continue;
        fetch(&operand[k], place(node->operands[k], n, 0), bits, parts);
        extreme_add(&extreme, bits, parts);
      }
    for (unsigned set = 1; set < 1u << bits; set++) extreme.best[set] /= extreme.tied > 0 ? extreme.tied : 1;
    store(out, (size_t)n, extreme.best);
  }
}

static void evaluate_lookup(const Node *node, const Block *operand, Block *out) {
  const Node *table = node->operands[0];
  int size = shape_size(node->shape), bits = out->bits;
  double parts[1 << BIT_LIMIT];
  for (int n = 0; n < copies(node); n++) {
    long from = 0;
    bool inside = true;
    for (int k = 1; k < node->count; k++) {
      double subscript = operand[k].at[place(node->operands[k], n, 0)];
      inside &= subscript >= 0 && subscript < table->shape.at[k - 1];
      from = from * table->shape.at[k - 1] + (inside ? (long)subscript : 0);
    }
    for (int e = 0; e < size && inside; e++) {
      fetch(&operand[0], (size_t)(table->random ? n : 0) * (size_t)shape_size(table->shape) + (size_t)(from * size + e),
            bits, parts);
      store(out, (size_t)n * (size_t)size + (size_t)e, parts);
    }
  }
}

static void evaluate_mean(const Node *node, const Block *operand, Block *out) {
  int size = shape_size(node->shape), bits = out->bits;
  double parts[1 << BIT_LIMIT];
  for (int e = 0; e < size; e++)
    for (int n = 0; n < samples; n++) {
      fetch(operand, place(node->operands[0], n, e), bits, parts);
      for (unsigned set = 0; set < 1u << bits; set++) out->at[set * out->size + (size_t)e] += parts[set] / samples;
    }
}

static void evaluate_node(Node *node, Block *out);

/* ---- contexts ---------------------------------------------------------------------------------------------------- */

static int active_bits; /* infinitesimals in use: those of the contexts around */

static void change(Context *context, Node *node, Block block) {
  Change *made = malloc(sizeof *made);
  if (made == NULL) abort();
  *made = (Change){.node = node, .old = node->changed, .older = context->changes};
  node->changed = block;
  context->changes = made;
}

static void context_end(Context *context) {
  while (context->changes != NULL) {
    Change *last = context->changes;
    context->changes = last->older;
    free(last->node->changed.at);
    last->node->changed = last->old;
    free(last);
  }
}

/* Was the node's value changed in a context that has at least so many infinitesimals? */
static bool is_changed(const Node *node, int bits) { return node->changed.at != NULL && node->changed.bits >= bits; }

/* What each infinitesimal in use is added to: elements `from`, from + stride, … of a node. */
typedef struct Nudge {
  const Node *node;
  size_t from, stride;
} Nudge;
static Nudge nudges[BIT_LIMIT];

static void add_infinitesimal(int bit, Block *block) {
  for (size_t i = nudges[bit].from; i < block->size; i += nudges[bit].stride)
    block->at[((size_t)1 << bit) * block->size + i] += 1;
}

/* Evaluates the path with an infinitesimal added to elements of v. Where the path leads through what another derivative
   around is by, its own stays added. */
static void evaluate_path(const Node *grad, Context *context, size_t from, size_t stride) {
  Node *v = grad->operands[1];
  int bit = context->bits - 1;
  Block before = node_block(v), moved = block_new(context->bits, before.size);
  memcpy(moved.at, before.at, sizeof(double) * (before.size << before.bits));
  nudges[bit] = (Nudge){v, from, stride};
  add_infinitesimal(bit, &moved);
  change(context, v, moved);
  for (int k = 0; k < grad->path_count; k++) {
    Node *node = grad->path[k];
    bool reached = false;
    for (int j = 0; j < node->count && !reached; j++) reached = is_changed(node->operands[j], context->bits);
    if (!reached) continue;
    Block out = block_new(context->bits, (size_t)copies(node) * (size_t)shape_size(node->shape));
    evaluate_node(node, &out);
    for (int around = 0; around < bit; around++)
      if (nudges[around].node == node) add_infinitesimal(around, &out);
    change(context, node, out);
  }
}

/* out: of the shape of v, with the infinitesimals around. */
static void evaluate_grad(const Node *grad, Block *out) {
  Node *e = grad->operands[0], *v = grad->operands[1];
  int bit = active_bits;
  if (bit == BIT_LIMIT) fail("too many derivatives of derivatives");
  node_block(e); /* everything below has a value */
  size_t size = (size_t)shape_size(v->shape), count = (size_t)copies(v) * size;
  bool apart = v->random && e->random && !grad->coupled; /* every sample's own: all samples move at once */
  active_bits = bit + 1;
  for (size_t i = 0; i < (apart ? size : count); i++) {
    Context context = {.bits = bit + 1};
    evaluate_path(grad, &context, i, apart ? size : count);
    if (is_changed(e, bit + 1)) {
      size_t half = (size_t)1 << bit;
      for (unsigned set = 0; set < 1u << out->bits && set < half; set++)
        for (size_t n = 0; n < e->changed.size; n++) {
          double part = e->changed.at[(half | set) * e->changed.size + n];
          out->at[set * out->size + (apart ? n * size + i : i)] += part;
        }
    }
    context_end(&context);
  }
  active_bits = bit;
}

static Block node_value(Node *node);

static Block node_block(Node *node) { return node->changed.at != NULL ? node->changed : node_value(node); }

static void evaluate_node(Node *node, Block *out) {
  work_left -= (double)(out->size << out->bits) * (node->op == N_SUM ? node->count : 1);
  if (work_left < 0) fail("too large: too much work");
  Block few[4], *operand = node->count <= 4 ? few : malloc(sizeof(Block) * (size_t)node->count);
  if (operand == NULL) abort();
  if (node->op != N_GRAD)
    for (int k = 0; k < node->count; k++) operand[k] = node_block(node->operands[k]);
  switch (node->op) {
  case N_GIVEN: memcpy(out->at, node->given, sizeof(double) * out->size); break;
  case N_MAP1:
  case N_MAP2:
  case N_SELECT: evaluate_pointwise(node, operand, out); break;
  case N_GATHER:
  case N_STACK: evaluate_moved(node, operand, out); break;
  case N_SUM:
  case N_TOTAL: evaluate_sums(node, operand, out); break;
  case N_EXTREME:
  case N_EXTREME_WHERE: evaluate_extreme(node, operand, out); break;
  case N_LOOKUP: evaluate_lookup(node, operand, out); break;
  case N_MEAN_OF_SAMPLES: evaluate_mean(node, operand, out); break;
  case N_GRAD: evaluate_grad(node, out); break;
  case N_STILL: memcpy(out->at, operand[0].at, sizeof(double) * out->size); break;
  }
  for (size_t i = 0; i < out->size; i++)
    if (fabs(out->at[i]) > largest_number) largest_number = fabs(out->at[i]);
  if (operand != few) free(operand);
}

/* Without infinitesimals, once, and before any context that needs it: a gradient's operands have their values before
   its contexts begin. */
static Block node_value(Node *node) {
  if (node->value.at != NULL) return node->value;
  for (int k = 0; k < node->count; k++) node_value(node->operands[k]);
  if (active_bits != 0) fail("internal: a value is missing inside a context");
  size_t size = (size_t)copies(node) * (size_t)shape_size(node->shape);
  node->value = (Block){0, size, arena_allocate(sizeof(double) * (size + 1))};
  evaluate_node(node, &node->value);
  return node->value;
}

void evaluate_start(double work, double fraction) {
  active_bits = 0;
  work_left = work;
  rounding = fraction;
  rounded = 1;
  largest_number = 0;
}

const double *node_numbers(Node *node) { return node_value(node).at; }
