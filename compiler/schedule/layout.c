/* Which order the axes of a tensor have in memory: decided here, read everywhere else. Takes the effects of routines;
   returns an order for each node, and its strides. A tensor with a batch axis has it innermost, so that lanes of
   samples are contiguous, and the others as they were declared; everything else, weights, states and moving averages
   above all, lies in declared order, so that checkpoints never see a layout. Never allocates memory. */
#include "lower.h"
#include "tests/mutants/mutant.h"

#include <string.h>

/* The axes, outermost first. */
typedef struct AxisOrder {
  int axis[RANK_LIMIT];
} AxisOrder;

struct Layout {
  Session *session;
  Map orders; /* by node */
};

Layout *layout_new(Session *session) {
  Layout *layout = session_allocate(session, sizeof *layout);
  layout->session = session;
  return layout;
}

/* ---- the decision ------------------------------------------------------------------------------------------------ */

static AxisOrder order_decide(int rank, bool batch) {
  AxisOrder order = {{0}};
  for (int d = 0; d < rank; d++) order.axis[d] = batch ? (d + 1) % rank : d;
  return order;
}

static void decide_node(void *context, Node *node) {
  Layout *layout = context;
  if (map_get(&layout->orders, node) != NULL) return;
  AxisOrder *order = session_allocate(layout->session, sizeof *order);
  *order = order_decide(node->rank, node->batch);
  map_put(layout->session, &layout->orders, node, order);
}

void layout_decide(Layout *layout, Graph *graph, const EffectList *effects) {
  graph_walk(graph, effects, decide_node, layout);
  for (int i = 0; i < effects->count; i++) decide_node(layout, effects->items[i].target); /* may be on no walk */
}

/* What was made after the decision (parts of an expression, copies) is ordered as anything of its kind. */
static AxisOrder order_of(const Layout *layout, const Node *node) {
  const AxisOrder *order = layout == NULL ? NULL : map_get(&layout->orders, node);
  return order != NULL ? *order : order_decide(node->rank, node->batch);
}

/* ---- strides ----------------------------------------------------------------------------------------------------- */

static void order_strides(AxisOrder order, int rank, const int64_t *shape, int64_t *stride) {
  int64_t step = 1;
  for (int k = rank - 1; k >= 0; k--) {
    stride[order.axis[k]] = step;
    step *= shape[order.axis[k]];
  }
}

void layout_elements(int rank, const int64_t *shape, int64_t *stride) {
  order_strides(order_decide(rank, false), rank, shape, stride);
}

void layout_place(const Layout *layout, const Node *node, StoredValue *value, RegisterType real) {
  value->storage = node->rank == 0 ? STORAGE_F64 : storage_of(real);
  value->elements = node_size(node);
  order_strides(order_of(layout, node), node->rank, node->shape, value->stride);
}

View view_of_value(StoredValue *value) {
  const Node *node = value->node;
  View view = {.value = value, .rank = node->rank};
  for (int d = 0; d < node->rank; d++) view.shape[d] = node->shape[d], view.stride[d] = value->stride[d];
  return view;
}

/* layout_holds has seen that the order of the operand's elements is that of the reshape's. */
View view_reshape(const Layout *layout, const View *operand, const Node *node) {
  View view = {.value = operand->value, .rank = node->rank};
  AxisOrder order = MUTANT(view_declared) ? order_decide(node->rank, false) : order_of(layout, node);
  order_strides(order, node->rank, node->shape, view.stride);
  for (int d = 0; d < node->rank; d++) view.shape[d] = node->shape[d];
  return view;
}

/* ---- invariants, and text ---------------------------------------------------------------------------------------- */

typedef struct LayoutWalk {
  const Layout *layout;
  FILE *out;
  bool fine;
} LayoutWalk;

/* Every axis once; the elements of a sample, of a reshape and of what it looks at, in row-major order. */
static void verify_node(void *context, Node *node) {
  LayoutWalk *walk = context;
  const AxisOrder *order = map_get(&walk->layout->orders, node);
  uint32_t axes = 0;
  for (int d = 0; order != NULL && d < node->rank; d++) axes |= UINT32_C(1) << order->axis[d];
  walk->fine &= order != NULL && axes == (UINT32_C(1) << node->rank) - 1;
  if (node->kind != NODE_RESHAPE || !walk->fine) return;
  for (int side = 0; side < 2; side++) {
    const Node *of = side == 0 ? node : node->operand[0];
    AxisOrder row_major = order_decide(of->rank, of->batch), own = order_of(walk->layout, of);
    walk->fine &= memcmp(own.axis, row_major.axis, (size_t)of->rank * sizeof *own.axis) == 0;
  }
}

bool layout_holds(const Layout *layout, Graph *graph, const EffectList *effects) {
  LayoutWalk walk = {layout, NULL, true};
  graph_walk(graph, effects, verify_node, &walk);
  return walk.fine;
}

static void print_label(const Node *node, FILE *out) {
  if (node->kind == NODE_INPUT) fputs(node->name, out);
  else fprintf(out, "n%d", node->id);
}

static void print_node(void *context, Node *node) {
  const LayoutWalk *walk = context;
  AxisOrder order = order_of(walk->layout, node);
  if (node->rank == 0) return;
  print_label(node, walk->out);
  fputs(": [", walk->out);
  for (int d = 0; d < node->rank; d++) fprintf(walk->out, "%s%lld", d > 0 ? ", " : "", (long long)node->shape[d]);
  fprintf(walk->out, "]%s in the order ", node->batch ? "~" : "");
  for (int d = 0; d < node->rank; d++) fprintf(walk->out, "%s%d", d > 0 ? ", " : "", order.axis[d]);
  if (node->kind == NODE_RESHAPE) {
    fputs(", on ", walk->out);
    print_label(node->operand[0], walk->out);
  }
  if (node->kind != NODE_INPUT && node->name != NULL) fprintf(walk->out, "  # %s", node->name);
  fputs("\n", walk->out);
}

void layout_print(const Layout *layout, Graph *graph, const EffectList *effects, FILE *out) {
  LayoutWalk walk = {layout, out, true};
  graph_walk(graph, effects, print_node, &walk);
}
