/* What numbers an expression can be, from its operations alone. Takes expressions; returns intervals that hold every
   value that is a number; knows nothing of inputs. For warnings: never for what must be exact, as it counts rounding as
   nothing. */
#include "internal.h"
#include "transform.h"

#include <math.h>

enum { DEPTH_LIMIT = 100 }; /* how far is looked before anything is possible */

static const Range anything = {-INFINITY, INFINITY};

static Range range_of(Graph *graph, Memo *known, const Scalar *scalar, int depth);

static Range joined(Range a, Range b) { return (Range){fmin(a.low, b.low), fmax(a.high, b.high)}; }

static double times(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }

static Range multiplied(Range a, Range b) {
  double ends[] = {times(a.low, b.low), times(a.low, b.high), times(a.high, b.low), times(a.high, b.high)};
  return (Range){fmin(fmin(ends[0], ends[1]), fmin(ends[2], ends[3])),
                 fmax(fmax(ends[0], ends[1]), fmax(ends[2], ends[3]))};
}

static Range divided(Range a, Range b) {
  if (b.low <= 0 && b.high >= 0) return anything;
  return multiplied(a, (Range){1 / b.high, 1 / b.low});
}

static Range magnitude(Range a) {
  double low = a.low > 0 ? a.low : a.high < 0 ? -a.high : 0;
  return (Range){low, fmax(fabs(a.low), fabs(a.high))};
}

static Range range_of_node(Graph *graph, Memo *known, const Node *node, int depth) {
  while (node->kind == NODE_RESHAPE || node->kind == NODE_MARK || node->kind == NODE_CONSTANT) node = node->operand[0];
  if (node->kind == NODE_RANDOM && node->distribution == DISTRIBUTION_UNIFORM) return (Range){0, 1};
  if (node->kind != NODE_COMPUTE) return anything;
  Range value = range_of(graph, known, node->value, depth);
  if (node_is_map(node)) return value;
  if (node->combine == COMBINE_SUM) return (Range){value.low >= 0 ? 0 : -INFINITY, value.high <= 0 ? 0 : INFINITY};
  return joined(value, (Range){0, 0}); /* where nothing lands */
}

static Range range_of_operation(Graph *graph, Memo *known, const Scalar *scalar, int depth) {
  Range a = {0, 0}, b = {0, 0}, c = {0, 0}, *ranges[] = {&a, &b, &c};
  for (int k = 0; k < operation_arity(scalar->op); k++) *ranges[k] = range_of(graph, known, scalar->argument[k], depth);
  if (operation_result(scalar->op) == TYPE_TRUTH) return (Range){0, 1};
  switch (scalar->op) {
  case OP_NEGATE: return (Range){-a.high, -a.low};
  case OP_ADD: return (Range){a.low + b.low, a.high + b.high};
  case OP_MULTIPLY:
    return scalar->argument[0] == scalar->argument[1] ? multiplied(magnitude(a), magnitude(a)) : multiplied(a, b);
  case OP_DIVIDE: return divided(a, b);
  case OP_MAXIMUM: return (Range){fmax(a.low, b.low), fmax(a.high, b.high)};
  case OP_MINIMUM: return (Range){fmin(a.low, b.low), fmin(a.high, b.high)};
  case OP_SELECT: return joined(b, c);
  case OP_ABSOLUTE: return magnitude(a);
  case OP_SQRT: return (Range){sqrt(fmax(a.low, 0)), sqrt(fmax(a.high, 0))};
  case OP_TANH: return (Range){tanh(a.low), tanh(a.high)};
  case OP_SIN:
  case OP_COS:
  case OP_ERF:
  case OP_SIGN: return (Range){-1, 1};
  case OP_SIGMOID: return (Range){0, 1};
  case OP_EXP:
  case OP_SOFTPLUS: return (Range){0, INFINITY};
  default: return anything;
  }
}

static Range range_of(Graph *graph, Memo *known, const Scalar *scalar, int depth) {
  const Range *before = memo_get(known, scalar->id);
  if (before != NULL) return *before;
  if (depth <= 0) return anything;
  Range range = anything;
  switch (scalar->op) {
  case OP_CONSTANT: range = (Range){scalar->value, scalar->value}; break;
  case OP_NOTHING: range = (Range){0, 0}; break;
  case OP_WITHIN: range = (Range){0, 1}; break;
  case OP_INDEX: range = (Range){0, INFINITY}; break;
  case OP_READ:
    range = joined(range_of_node(graph, known, scalar->node, depth - 1), (Range){0, 0});
    break; /* out of bounds it is 0 */
  default: range = range_of_operation(graph, known, scalar, depth - 1);
  }
  if (isnan(range.low) || isnan(range.high)) range = anything;
  Range *kept = session_allocate(graph_session(graph), sizeof *kept);
  *kept = range;
  memo_put(known, scalar->id, kept);
  return range;
}

Range scalar_range(Graph *graph, const Scalar *scalar) {
  Memo known = {0};
  Range range = range_of(graph, &known, scalar, DEPTH_LIMIT);
  memo_free(&known);
  return range;
}
