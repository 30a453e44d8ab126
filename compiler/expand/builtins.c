/* What the language itself provides: scalar operations, totals, shapes, `grad`, `constant`, `E`, distributions. One
   table. Takes evaluated values; returns values. */
#include "evaluator.h"
#include "compiler/transform/transform.h"
#include "tests/mutants/mutant.h"

#include <math.h>
#include <string.h>

/* ---- pointwise and totals ---------------------------------------------------------------------------------------- */

static Value *run_pointwise(Evaluator *e, Frame *frame, const Builtin *self, const Arguments *arguments) {
  (void)frame;
  return apply_unary(e, self->op, arguments->values[0], arguments->spans[0]);
}

static Value *run_log2(Evaluator *e, Frame *frame, const Builtin *self, const Arguments *arguments) {
  (void)frame, (void)self;
  const Value *argument = value_dereference(e, arguments->values[0]);
  Value *value = apply_unary(e, OP_LOG, arguments->values[0], arguments->spans[0]);
  if (value->kind == VALUE_NUMBER && value->number.settings == NULL) /* exact for powers of two: it may be a size */
    return value_number(e, log2(argument->number.value));
  return apply_binary(e, OPERATOR_DIVIDE, value, value_number(e, log(2)), arguments->span, arguments->span,
                      arguments->span);
}

static uint32_t own_axes(const Value *tensor) { return ((1u << tensor->tensor.rank) - 1) << OWN_VARIABLE; }

static double tensor_size(const Value *tensor) { return shape_size(tensor->tensor.rank, tensor->tensor.shape); }

static Value *tensor_total(Evaluator *e, SyntaxOperator op, Value *tensor, Span span) {
  if (tensor->kind == VALUE_ERROR || tensor->tensor.rank == 0) return tensor;
  bool extreme = op == OPERATOR_MAX || op == OPERATOR_MIN;
  if (op == OPERATOR_MIN) tensor = apply_unary(e, OP_NEGATE, tensor, span);
  Value *result = value_reduce(e, extreme ? COMBINE_MAXIMUM : COMBINE_SUM, tensor, own_axes(tensor), span);
  if (result->kind == VALUE_ERROR) return result;
  if (op == OPERATOR_MIN) return apply_unary(e, OP_NEGATE, result, span);
  if (op == OPERATOR_MEAN)
    return apply_binary(e, OPERATOR_DIVIDE, result, value_number(e, tensor_size(tensor)), span, span, span);
  return result;
}

static Value *pair_extreme(Evaluator *e, SyntaxOperator op, Value *a, Value *b, Span span_a, Span span_b, Span span);

static Value *extreme_of_elements(Evaluator *e, int op, int count, Value **elements, const Span *spans, Span span) {
  (void)count;
  return pair_extreme(e, (SyntaxOperator)op, elements[0], elements[1], spans[0], spans[1], span);
}

static Value *pair_extreme(Evaluator *e, SyntaxOperator op, Value *a, Value *b, Span span_a, Span span_b, Span span) {
  a = value_dereference(e, a), b = value_dereference(e, b);
  if (a->kind == VALUE_ERROR || b->kind == VALUE_ERROR) return value_error(e);
  bool maximum = op == OPERATOR_MAX;
  if (a->kind == VALUE_NUMBER && b->kind == VALUE_NUMBER && a->number.settings == NULL && b->number.settings == NULL)
    return value_number(e, maximum ? fmax(a->number.value, b->number.value) : fmin(a->number.value, b->number.value));
  Value *pair[2] = {a, b};
  Span spans[2] = {span_a, span_b};
  Value *list = value_over_lists(e, (int)op, 2, pair, spans, span, extreme_of_elements);
  if (list != NULL) return list;
  Value *result = apply_pointwise(e, maximum ? OP_MAXIMUM : OP_MINIMUM, 2, pair, spans, span);
  if (result->kind != VALUE_TENSOR || a->kind != VALUE_NUMBER || b->kind != VALUE_NUMBER) return result;
  Value *number =
      value_number(e, maximum ? fmax(a->number.value, b->number.value) : fmin(a->number.value, b->number.value));
  number->number.settings = dependence_joined(e, a->number.settings, b->number.settings);
  number->number.runtime = result->tensor.element;
  return number;
}

/* How many numbers a value holds; lists within lists included. */
static double value_size(Evaluator *e, Value *value) {
  double size = 0;
  value = value_dereference(e, value);
  if (value->kind == VALUE_NETWORK || value->kind == VALUE_RECORD) value = value_as_list(e, value, (Span){NULL, 0, 0});
  if (value->kind != VALUE_LIST) return value->kind == VALUE_TENSOR ? tensor_size(value) : 1;
  for (int k = 0; k < value->list.count; k++) size += value_size(e, value->list.items[k]);
  return size;
}

/* The sum or extreme of parts, in halves: a list may be long, and expressions must not be as deep. */
static Value *combine_parts(Evaluator *e, SyntaxOperator op, int count, Value **parts, Span span) {
  if (count == 1) return parts[0];
  Value *low = combine_parts(e, op, count / 2, parts, span),
        *high = combine_parts(e, op, count - count / 2, parts + count / 2, span);
  return op == OPERATOR_SUM ? apply_binary(e, OPERATOR_ADD, low, high, span, span, span)
                            : pair_extreme(e, op, low, high, span, span, span);
}

/* Of a list everything is taken: sums of sums where shapes differ. */
static Value *list_total(Evaluator *e, SyntaxOperator op, Value *list, Span span) {
  if (list->list.count == 0) {
    if (op == OPERATOR_SUM) return value_number(e, 0);
    evaluator_report(e, E2017, span, "this list is empty");
    return value_error(e);
  }
  if (!work_goes_on(e, list->list.count, span)) return value_error(e);
  Value **parts = session_allocate(e->session, (size_t)list->list.count * sizeof *parts);
  double size = 0;
  SyntaxOperator inner = op == OPERATOR_MEAN ? OPERATOR_SUM : op;
  for (int k = 0; k < list->list.count; k++) {
    size += value_size(e, list->list.items[k]);
    parts[k] = value_total(e, inner, list->list.items[k], span);
    if (parts[k]->kind == VALUE_ERROR) return parts[k];
  }
  Value *total = combine_parts(e, inner, list->list.count, parts, span);
  return op == OPERATOR_MEAN ? apply_binary(e, OPERATOR_DIVIDE, total, value_number(e, size), span, span, span) : total;
}

Value *value_total(Evaluator *e, SyntaxOperator op, Value *value, Span span) {
  value = value_dereference(e, value);
  if (value->kind == VALUE_NUMBER) return value;
  if (value->kind == VALUE_NETWORK || value->kind == VALUE_RECORD) value = value_as_list(e, value, span);
  if (value == NULL) return value_error(e);
  if (value->kind == VALUE_LIST) return list_total(e, op, value, span);
  return tensor_total(e, op, value_as_tensor(e, value, span), span);
}

static Value *run_total(Evaluator *e, Frame *frame, const Builtin *self, const Arguments *arguments) {
  (void)frame;
  if (arguments->count == 2)
    return pair_extreme(e, self->total, arguments->values[0], arguments->values[1], arguments->spans[0],
                        arguments->spans[1], arguments->span);
  return value_total(e, self->total, arguments->values[0], arguments->span);
}

/* ---- shapes and lists -------------------------------------------------------------------------------------------- */

/* The tensor that comes first, and the shape that comes second. */
static Value *tensor_with_shape(Evaluator *e, const Arguments *arguments, int *rank, int64_t *shape) {
  Value *value = value_as_tensor(e, arguments->values[0], arguments->spans[0]);
  if (value->kind == VALUE_ERROR) return value;
  return value_static_shape(e, arguments->values[1], arguments->spans[1], rank, shape) ? value : value_error(e);
}

static Value *run_reshape(Evaluator *e, Frame *frame, const Builtin *self, const Arguments *arguments) {
  (void)frame, (void)self;
  int rank;
  int64_t shape[OWN_LIMIT];
  Value *value = tensor_with_shape(e, arguments, &rank, shape);
  if (value->kind == VALUE_ERROR) return value;
  double size = shape_size(rank, shape);
  if (size != tensor_size(value)) {
    Diagnostic *diagnostic =
        evaluator_report(e, E2054, arguments->spans[1], "%s holds %.0f", shape_text(e, rank, shape), size);
    diagnostic_also(diagnostic, arguments->spans[0], "%s holds %.0f", value_text(e, value), tensor_size(value));
    if (value->tensor.rank == 1) mend_size(e, diagnostic, e->piped, value->tensor.shape[0], (int64_t)size);
    return value_error(e);
  }
  if (rank == value->tensor.rank && memcmp(shape, value->tensor.shape, sizeof(int64_t) * (size_t)rank) == 0)
    return value;
  Node *node = value_node(e, value, arguments->span);
  if (node == NULL) return value_error(e);
  int lead = node->rank - value->tensor.rank; /* the batch and free indices stay as they are */
  int64_t whole[RANK_LIMIT];
  if (lead + rank > RANK_LIMIT) {
    evaluator_report(e, E2060, arguments->span, "%d axes", lead + rank);
    return value_error(e);
  }
  for (int d = 0; d < lead; d++) whole[d] = node->shape[d];
  for (int d = 0; d < rank; d++) whole[lead + d] = shape[d];
  Node *reshaped = graph_reshape(e->graph, node, lead + rank, whole, arguments->span);
  Value *result = value_of_node(e, reshaped, element_indices(value->tensor.element));
  result->tensor.random = value->tensor.random;
  result->tensor.truth = value->tensor.truth;
  return result;
}

static Value *run_fill(Evaluator *e, Frame *frame, const Builtin *self, const Arguments *arguments) {
  (void)frame, (void)self;
  int rank;
  int64_t shape[OWN_LIMIT];
  Value *value = tensor_with_shape(e, arguments, &rank, shape);
  if (value->kind == VALUE_ERROR) return value;
  if (value->tensor.rank != 0) {
    evaluator_report(e, E2005, arguments->spans[0], "`fill` takes one number, and this is %s", value_text(e, value));
    return value_error(e);
  }
  return value_tensor(e, rank, shape, value->tensor.random, value->tensor.element);
}

static Value *shape_value(Evaluator *e, const Value *tensor) {
  Value *list = value_list(e, tensor->tensor.rank, NULL);
  for (int d = 0; d < tensor->tensor.rank; d++) list->list.items[d] = value_number(e, (double)tensor->tensor.shape[d]);
  return list;
}

static Value *run_shape(Evaluator *e, Frame *frame, const Builtin *self, const Arguments *arguments) {
  (void)frame, (void)self;
  Value *value = value_as_tensor(e, arguments->values[0], arguments->spans[0]);
  return value->kind == VALUE_ERROR ? value : shape_value(e, value);
}

static Value *run_rank(Evaluator *e, Frame *frame, const Builtin *self, const Arguments *arguments) {
  (void)frame, (void)self;
  Value *value = value_as_tensor(e, arguments->values[0], arguments->spans[0]);
  return value->kind == VALUE_ERROR ? value : value_number(e, value->tensor.rank);
}

static Value *run_length(Evaluator *e, Frame *frame, const Builtin *self, const Arguments *arguments) {
  (void)frame, (void)self;
  Value *value = value_dereference(e, arguments->values[0]);
  if (value->kind == VALUE_TENSOR && value->tensor.rank > 0) return value_number(e, (double)value->tensor.shape[0]);
  Value *list = value_as_list(e, value, arguments->spans[0]);
  return list == NULL ? value_error(e) : value_number(e, list->list.count);
}

static Value *run_reverse(Evaluator *e, Frame *frame, const Builtin *self, const Arguments *arguments) {
  (void)frame, (void)self;
  Value *list = value_as_list(e, arguments->values[0], arguments->spans[0]);
  if (list == NULL) return value_error(e);
  Value *reversed = value_list(e, list->list.count, list->list.items);
  for (int k = 0; k < list->list.count; k++) reversed->list.items[k] = list->list.items[list->list.count - 1 - k];
  return reversed;
}

static Value *run_zip(Evaluator *e, Frame *frame, const Builtin *self, const Arguments *arguments) {
  (void)frame, (void)self;
  Value *lists[8] = {NULL};
  for (int k = 0; k < arguments->count; k++) {
    lists[k] = value_as_list(e, arguments->values[k], arguments->spans[k]);
    if (lists[k] == NULL) return value_error(e);
    if (lists[k]->list.count == lists[0]->list.count) continue;
    Diagnostic *diagnostic = evaluator_report(e, E2057, arguments->spans[k], "a list of %d", lists[k]->list.count);
    diagnostic_also(diagnostic, arguments->spans[0], "a list of %d", lists[0]->list.count);
    return value_error(e);
  }
  Value *rows = value_list(e, lists[0]->list.count, NULL);
  for (int r = 0; r < rows->list.count; r++) {
    Value *row[8];
    for (int k = 0; k < arguments->count; k++) row[k] = lists[k]->list.items[r];
    rows->list.items[r] = value_list(e, arguments->count, row);
  }
  return rows;
}

static Value *run_require(Evaluator *e, Frame *frame, const Builtin *self, const Arguments *arguments) {
  (void)self;
  bool holds;
  if (arguments->values[1]->kind != VALUE_STRING) {
    Diagnostic *diagnostic =
        evaluator_report(e, E2023, arguments->spans[1], "this is %s", value_text(e, arguments->values[1]));
    diagnostic_hint(diagnostic, "`require(condition, \"what is wrong\")`");
    return value_error(e);
  }
  Value *condition = value_dereference(e, arguments->values[0]);
  bool library = frame->scope->standard ==
                 NULL; /* rates may change while training: what is known of them is looked at, and stays free */
  if (library && condition->kind == VALUE_TENSOR) return value_truth(e, true);
  if (library && condition->kind == VALUE_NUMBER && condition->number.truth) holds = condition->number.value != 0;
  else if (!value_static_truth(e, condition, arguments->spans[0], &holds)) return value_error(e);
  if (holds) return value_truth(e, true);
  Diagnostic *diagnostic = evaluator_report(e, E2037, arguments->spans[0], "%s", arguments->values[1]->string);
  double better;
  if (arguments->count < 4 || !value_static_number(e, arguments->values[3], arguments->spans[3], &better))
    return value_error(e);
  const Syntax *what = e->call == NULL ? NULL : e->call->call.arguments.items[2];
  bool batch = what != NULL && what->kind == SYNTAX_NAME && strcmp(what->name, "batch") == 0;
  if (batch && e->batch_syntax != NULL) diagnostic_mend(diagnostic, e->batch_syntax->span, "%.15g", better);
  else mend_literal(e, diagnostic, value_dereference(e, arguments->values[2]), better);
  return value_error(e);
}

static Value *run_constant(Evaluator *e, Frame *frame, const Builtin *self, const Arguments *arguments) {
  Value *value = value_dereference(e, arguments->values[0]);
  if (value->kind == VALUE_NUMBER || value->kind == VALUE_ERROR) return value;
  if (value->kind == VALUE_NETWORK || value->kind == VALUE_LIST) {
    Value *list = value_as_list(e, value, arguments->spans[0]);
    if (list == NULL) return value_error(e);
    Value *constants = value_list(e, list->list.count, list->list.items);
    for (int k = 0; k < list->list.count; k++) {
      Arguments one = {1, &list->list.items[k], arguments->spans, arguments->span};
      constants->list.items[k] = run_constant(e, frame, self, &one);
    }
    return constants;
  }
  value = value_as_tensor(e, value, arguments->spans[0]);
  if (value->kind == VALUE_ERROR) return value;
  Node *node = value_node(e, value, arguments->span);
  if (node == NULL) return value_error(e);
  Value *result =
      value_of_node(e, graph_constant(e->graph, node, arguments->span), element_indices(value->tensor.element));
  result->tensor.random = value->tensor.random;
  result->tensor.truth = value->tensor.truth;
  return result;
}

/* ---- grad and E -------------------------------------------------------------------------------------------------- */

static bool is_target(const Syntax *by) {
  bool fine =
      by->kind == SYNTAX_NAME || by->kind == SYNTAX_MEMBER || by->kind == SYNTAX_SUBSCRIPT || by->kind == SYNTAX_LIST;
  for (int k = 0; by->kind == SYNTAX_LIST && k < by->items.count; k++) fine &= is_target(by->items.items[k]);
  return fine;
}

/* What a mark for every value of its indices holds, where that is the same for all of them; or NULL. */
static Node *shared_variable(const Node *mark, uint32_t indices) {
  const Node *copies = mark->kind == NODE_MARK ? mark->operand[0] : NULL;
  if (indices == 0 || copies == NULL || copies->kind != NODE_COMPUTE || copies->value->op != OP_READ) return NULL;
  int count = 0;
  for (int v = 0; v < 32; v++) count += (int)(indices >> v & 1);
  for (int d = copies->batch; d < copies->batch + count; d++)
    if ((copies->value->variables >> d & 1) != 0) return NULL;
  return copies->value->node;
}

/* The derivative by one variable: [], [batch] and indices are summed first, for what a variable has for every value of
   an index reaches that value alone. */
static Value *grad_by(Evaluator *e, Value *of, Value *by, const Syntax *call) {
  Span of_span = call->call.arguments.items[0]->span, by_span = call->call.arguments.items[1]->span;
  if (by->kind == VALUE_LIST) {
    Value *gradients = value_list(e, by->list.count, by->list.items);
    for (int k = 0; k < by->list.count; k++) {
      gradients->list.items[k] = grad_by(e, of, value_dereference(e, by->list.items[k]), call);
      if (gradients->list.items[k]->kind == VALUE_ERROR) return value_error(e);
    }
    return gradients;
  }
  Node *variable = value_variable(e, by);
  if (variable == NULL) {
    Diagnostic *diagnostic = evaluator_report(e, E3006, by_span, "this is %s", value_text(e, by));
    diagnostic_hint(diagnostic, "differentiate by a random value, a weight, or a network");
    return value_error(e);
  }
  uint32_t indices = element_indices(by->tensor.element), summed = element_indices(of->tensor.element);
  if ((summed & ~indices) != 0) {
    Diagnostic *diagnostic = evaluator_report(e, E3003, of_span, "this is one number for every index");
    diagnostic_hint(diagnostic,
                    "`sum[…]` makes one number of it; a function of the index differentiates for every value of it");
    return value_error(e);
  }
  if (of->tensor.random && !by->tensor.random) {
    Diagnostic *diagnostic = evaluator_report(e, E3005, of_span, "differs from sample to sample");
    diagnostic_also(diagnostic, by_span, "does not");
    diagnostic_hint(diagnostic, "say `grad(E[…], …)`");
    return value_error(e);
  }
  if (summed != 0) of = value_reduce(e, COMBINE_SUM, of, summed, of_span);
  Node *scalar = of->kind == VALUE_ERROR ? NULL : value_node(e, of, of_span);
  if (scalar == NULL) return value_error(e);
  if (!transform_reaches(e->graph, variable, scalar)) { /* asked of what is written: a path that comes to 0 is one */
    evaluator_report(e, E3004, call->span, "no path leads from the one to the other");
    return value_error(e);
  }
  Node *shared = shared_variable(variable, indices);
  if (shared != NULL && transform_reaches_past(e->graph, shared, variable, scalar)) {
    Diagnostic *diagnostic =
        evaluator_report(e, E3054, of_span, "reaches it by a way that all values of the index share");
    diagnostic_also(diagnostic, by_span, "the same for every value of the index");
    diagnostic_hint(diagnostic, "compute inside of the function what depends on it");
    return value_error(e);
  }
  if (of->tensor.random) lint_coupling(e, scalar, variable, call->span);
  Value *gradient = value_of_node(e, graph_grad(e->graph, scalar, variable, call->span), indices);
  gradient->tensor.random = by->tensor.random;
  return gradient;
}

Value *evaluate_grad(Evaluator *e, Frame *frame, const Syntax *call) {
  if (call->call.arguments.count != 2) {
    evaluator_report(e, call->call.arguments.count < 2 ? E2027 : E2026, call->span,
                     "`grad` takes an expression and what to differentiate by");
    return value_error(e);
  }
  const Syntax *of = call->call.arguments.items[0], *by = call->call.arguments.items[1];
  if (!is_target(by)) {
    Diagnostic *diagnostic = evaluator_report(e, E3006, by->span, "this has no name");
    diagnostic_hint(diagnostic, "give it one: `v = …`, then use `v` in both places");
    return value_error(e);
  }
  Value *target = value_dereference(e, evaluate(e, frame, by)), *value = evaluate_tensor(e, frame, of);
  if (value->kind == VALUE_ERROR || target->kind == VALUE_ERROR) return value_error(e);
  if (value->tensor.rank != 0) {
    Diagnostic *diagnostic = evaluator_report(e, E3003, of->span, "this is %s", value_text(e, value));
    diagnostic_hint(diagnostic, "`sum(…)` makes one number of it");
    return value_error(e);
  }
  if (target->kind == VALUE_NETWORK) target = value_as_list(e, target, by->span);
  return target == NULL ? value_error(e) : grad_by(e, value, target, call);
}

Value *evaluate_expectation(Evaluator *e, Frame *frame, const Syntax *subscript) {
  if (subscript->subscript.items.count != 1) {
    evaluator_report(e, E3035, subscript->span, "%d are given", subscript->subscript.items.count);
    return value_error(e);
  }
  const Syntax *item = subscript->subscript.items.items[0];
  Value *value = value_dereference(e, evaluate(e, frame, item));
  if (value->kind == VALUE_NUMBER || value->kind == VALUE_ERROR) return value;
  value = value_as_tensor(e, value, item->span);
  if (value->kind == VALUE_ERROR || !value->tensor.random) return value;
  Value *sum = value_reduce(e, COMBINE_SUM, value, 1u << SAMPLE_VARIABLE, subscript->span);
  if (sum->kind == VALUE_ERROR) return sum;
  const int count = MUTANT(expectation_count) ? e->model->batch : e->evaluation->batch;
  return apply_binary(e, OPERATOR_DIVIDE, sum, value_number(e, count), subscript->span, subscript->span,
                      subscript->span);
}

static Value *run_unbuilt(Evaluator *e, Frame *frame, const Builtin *self, const Arguments *arguments) {
  (void)frame;
  evaluator_report(e, E4018, arguments->span, "`%s`", self->name);
  return value_error(e);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const Builtin builtins[] = {
    {"exp", BUILTIN_FUNCTION, 1, 1, .run = run_pointwise, .op = OP_EXP},
    {"log", BUILTIN_FUNCTION, 1, 1, .run = run_pointwise, .op = OP_LOG},
    {"sqrt", BUILTIN_FUNCTION, 1, 1, .run = run_pointwise, .op = OP_SQRT},
    {"abs", BUILTIN_FUNCTION, 1, 1, .run = run_pointwise, .op = OP_ABSOLUTE},
    {"sign", BUILTIN_FUNCTION, 1, 1, .run = run_pointwise, .op = OP_SIGN},
    {"sin", BUILTIN_FUNCTION, 1, 1, .run = run_pointwise, .op = OP_SIN},
    {"cos", BUILTIN_FUNCTION, 1, 1, .run = run_pointwise, .op = OP_COS},
    {"tanh", BUILTIN_FUNCTION, 1, 1, .run = run_pointwise, .op = OP_TANH},
    {"sigmoid", BUILTIN_FUNCTION, 1, 1, .run = run_pointwise, .op = OP_SIGMOID},
    {"erf", BUILTIN_FUNCTION, 1, 1, .run = run_pointwise, .op = OP_ERF},
    {"floor", BUILTIN_FUNCTION, 1, 1, .run = run_pointwise, .op = OP_FLOOR},
    {"ceil", BUILTIN_FUNCTION, 1, 1, .run = run_pointwise, .op = OP_CEILING},
    {"round", BUILTIN_FUNCTION, 1, 1, .run = run_pointwise, .op = OP_ROUND},
    {"log2", BUILTIN_FUNCTION, 1, 1, .run = run_log2},
    {"sum", BUILTIN_FUNCTION, 1, 1, .run = run_total, .total = OPERATOR_SUM},
    {"mean", BUILTIN_FUNCTION, 1, 1, .run = run_total, .total = OPERATOR_MEAN},
    {"max", BUILTIN_FUNCTION, 1, 2, .run = run_total, .total = OPERATOR_MAX},
    {"min", BUILTIN_FUNCTION, 1, 2, .run = run_total, .total = OPERATOR_MIN},
    {"reshape", BUILTIN_FUNCTION, 2, 2, .run = run_reshape},
    {"fill", BUILTIN_FUNCTION, 2, 2, .run = run_fill},
    {"shape", BUILTIN_FUNCTION, 1, 1, .run = run_shape},
    {"rank", BUILTIN_FUNCTION, 1, 1, .run = run_rank},
    {"len", BUILTIN_FUNCTION, 1, 1, .run = run_length},
    {"reverse", BUILTIN_FUNCTION, 1, 1, .run = run_reverse},
    {"zip", BUILTIN_FUNCTION, 1, 8, .run = run_zip},
    {"require", BUILTIN_FUNCTION, 2, 4, .run = run_require},
    {"constant", BUILTIN_FUNCTION, 1, 1, .run = run_constant},
    {"uniform", BUILTIN_DISTRIBUTION, 0, 2, .run = distribution_draw, .settings = {"low", "high"}},
    {"normal", BUILTIN_DISTRIBUTION, 0, 2, .run = distribution_draw, .settings = {"mean", "deviation"}},
    {"truncated_normal", BUILTIN_DISTRIBUTION, 0, 1, .run = run_unbuilt, .settings = {"limit"}},
};

const Builtin *builtin_find(const char *name) {
  for (size_t k = 0; k < sizeof builtins / sizeof *builtins; k++)
    if (strcmp(builtins[k].name, name) == 0) return &builtins[k];
  return NULL;
}

const char *const *builtin_names(Evaluator *e, int *count) {
  *count = (int)(sizeof builtins / sizeof *builtins);
  const char **names = session_allocate(e->session, (size_t)*count * sizeof *names);
  for (int k = 0; k < *count; k++) names[k] = builtins[k].name;
  return names;
}

Value *builtin_constant(Evaluator *e, const char *name) {
  if (strcmp(name, "pi") == 0) return value_number(e, acos(-1.0));
  if (strcmp(name, "true") == 0) return value_truth(e, true);
  if (strcmp(name, "false") == 0) return value_truth(e, false);
  return NULL;
}
