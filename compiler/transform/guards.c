/* Infinities in derivatives, and what keeps a 0 from meeting one. Takes expressions; says whether a derivative can be
   infinite where its value is not, and brings `nothing` that a map's boundary has hidden back into the expression.
   Facts about expressions never change, so they are kept for a whole sweep. */
#include "internal.h"
#include "transform.h"

enum { DEPTH_LIMIT = 200 }; /* how far a fact is looked for before it counts as unknown */

typedef enum Sign { UNKNOWN, NOT_NEGATIVE, POSITIVE } Sign;

static const Sign signs[] = {UNKNOWN, NOT_NEGATIVE, POSITIVE};
static const bool truths[] = {false, true};

static Sign least(Sign a, Sign b) { return a < b ? a : b; }
static Sign greatest(Sign a, Sign b) { return a > b ? a : b; }

static Sign sign_of(Guards *guards, const Scalar *scalar, int depth);

static Sign sign_of_node(Guards *guards, const Node *node, int depth) {
  while (node->kind == NODE_RESHAPE || node->kind == NODE_MARK || node->kind == NODE_CONSTANT) node = node->operand[0];
  if (node->kind == NODE_RANDOM) return node->distribution == DISTRIBUTION_UNIFORM ? NOT_NEGATIVE : UNKNOWN;
  if (node->kind != NODE_COMPUTE) return UNKNOWN;
  Sign sign = sign_of(guards, node->value, depth - 1);
  return node_is_map(node) ? sign : least(sign, NOT_NEGATIVE); /* where nothing lands, a sum is 0 */
}

static Sign sign_of_operation(Guards *guards, const Scalar *scalar, int depth) {
  Sign sign[3] = {UNKNOWN, UNKNOWN, UNKNOWN};
  for (int k = 0; k < operation_arity(scalar->op); k++) sign[k] = sign_of(guards, scalar->argument[k], depth - 1);
  if (operation_result(scalar->op) == TYPE_TRUTH) return NOT_NEGATIVE;
  switch (scalar->op) {
  case OP_ADD: return sign[0] == UNKNOWN || sign[1] == UNKNOWN ? UNKNOWN : greatest(sign[0], sign[1]);
  case OP_MULTIPLY:
    return scalar->argument[0] == scalar->argument[1] ? greatest(sign[0], NOT_NEGATIVE) : least(sign[0], sign[1]);
  case OP_DIVIDE: return sign[1] == POSITIVE ? sign[0] : UNKNOWN;
  case OP_MAXIMUM: return greatest(sign[0], sign[1]);
  case OP_MINIMUM: return least(sign[0], sign[1]);
  case OP_SQRT: return greatest(sign[0], NOT_NEGATIVE);
  case OP_SELECT: return least(sign[1], sign[2]);
  case OP_EXP:
  case OP_SIGMOID:
  case OP_SOFTPLUS: /* they underflow to 0 */
  case OP_ABSOLUTE: return NOT_NEGATIVE;
  default: return UNKNOWN;
  }
}

static Sign sign_of(Guards *guards, const Scalar *scalar, int depth) {
  const Sign *known = memo_get(&guards->signs, scalar->id);
  if (known != NULL) return *known;
  if (depth <= 0) return UNKNOWN;
  Sign sign = UNKNOWN;
  switch (scalar->op) {
  case OP_CONSTANT: sign = scalar->value > 0 ? POSITIVE : scalar->value == 0 ? NOT_NEGATIVE : UNKNOWN; break;
  case OP_NOTHING:
  case OP_INDEX:
  case OP_WITHIN: sign = NOT_NEGATIVE; break;
  case OP_READ: sign = sign_of_node(guards, scalar->node, depth); break;
  default: sign = sign_of_operation(guards, scalar, depth);
  }
  memo_put(&guards->signs, scalar->id, &signs[sign]);
  return sign;
}

/* Only a division, a power or a logarithm makes a derivative infinite. Out of bounds a read is 0, whatever is known of
   its node. */
bool guards_needed(Guards *guards, const Node *node, const Scalar *derivative) {
  bool needed = false;
  List order = scalar_order(1, &derivative, false);
  for (int i = 0; i < order.count && !needed; i++) {
    const Scalar *scalar = order.items[i], *below = scalar->argument[1];
    if (scalar->op == OP_POWER || scalar->op == OP_LOG || scalar->op == OP_LOG1P) needed = true;
    if (scalar->op != OP_DIVIDE) continue;
    if (below->op == OP_CONSTANT) needed = below->value == 0;
    else
      needed = sign_of(guards, below, DEPTH_LIMIT) != POSITIVE ||
               (below->op == OP_READ && access_may_leave(below->access, node->box, below->node->shape));
  }
  list_free(&order);
  return needed;
}

/* Is the expression a choice with `nothing`, or a product with one, perhaps behind maps? */
static bool is_guarded(Guards *guards, const Scalar *scalar, int depth) {
  const bool *known = memo_get(&guards->guarded, scalar->id);
  if (known != NULL) return *known;
  if (depth <= 0) return false;
  bool guarded = false;
  switch (scalar->op) {
  case OP_SELECT: guarded = scalar->argument[1]->op == OP_NOTHING || scalar->argument[2]->op == OP_NOTHING; break;
  case OP_NEGATE:
  case OP_DIVIDE: guarded = is_guarded(guards, scalar->argument[0], depth - 1); break;
  case OP_MULTIPLY:
    guarded = is_guarded(guards, scalar->argument[0], depth - 1) || is_guarded(guards, scalar->argument[1], depth - 1);
    break;
  case OP_READ: guarded = node_is_map(scalar->node) && is_guarded(guards, scalar->node->value, depth - 1); break;
  default: break;
  }
  memo_put(&guards->guarded, scalar->id, &truths[guarded]);
  return guarded;
}

const Scalar *guards_open(Guards *guards, Graph *graph, const Node *node, const Scalar *scalar) {
  if (!is_guarded(guards, scalar, DEPTH_LIMIT)) return scalar;
  const Scalar *const *argument = scalar->argument, *first;
  switch (scalar->op) {
  case OP_NEGATE: return scalar_apply(graph, OP_NEGATE, guards_open(guards, graph, node, argument[0]), NULL, NULL);
  case OP_DIVIDE:
    return scalar_apply(graph, OP_DIVIDE, guards_open(guards, graph, node, argument[0]), argument[1], NULL);
  case OP_MULTIPLY:
    first = guards_open(guards, graph, node, argument[0]);
    return scalar_apply(graph, OP_MULTIPLY, first, guards_open(guards, graph, node, argument[1]), NULL);
  case OP_READ:
    if (access_may_leave(scalar->access, node->box, scalar->node->shape)) return scalar;
    return guards_open(guards, graph, node, scalar_substitute(graph, scalar->node->value, scalar->access->coordinates));
  default: return scalar;
  }
}

void guards_free(Guards *guards) {
  memo_free(&guards->signs);
  memo_free(&guards->guarded);
}
