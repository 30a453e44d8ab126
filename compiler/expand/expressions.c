/* Expressions: one function per kind of syntax, in a table. Takes a frame and a tree; returns a value, VALUE_ERROR
   where something was reported. Static operands give static results; everything else becomes a scalar expression of the
   graph. */
#include "evaluator.h"
#include "tests/mutants/mutant.h"

#include <math.h>
#include <string.h>

/* ---- pointwise operations ---------------------------------------------------------------------------------------- */

static Value *pointwise_of_elements(Evaluator *e, int op, int count, Value **elements, const Span *spans, Span span) {
  return apply_pointwise(e, (Operation)op, count, elements, spans, span);
}

Value *apply_pointwise(Evaluator *e, Operation op, int count, Value **arguments, const Span *spans, Span span) {
  Value *list = value_over_lists(e, (int)op, count, arguments, spans, span, pointwise_of_elements);
  if (list != NULL) return list;
  const Scalar *element[3] = {NULL};
  const Value *shaped = NULL;
  Span shaped_span = span;
  bool random = false;
  for (int k = 0; k < count; k++) {
    Value *argument = value_as_tensor(e, arguments[k], spans[k]);
    if (argument->kind == VALUE_ERROR) return argument;
    element[k] = argument->tensor.element;
    random |= argument->tensor.random;
    if (argument->tensor.rank == 0) continue;
    if (shaped == NULL) {
      shaped = argument, shaped_span = spans[k];
      continue;
    }
    bool equal =
        argument->tensor.rank == shaped->tensor.rank &&
        memcmp(argument->tensor.shape, shaped->tensor.shape, sizeof(int64_t) * (size_t)shaped->tensor.rank) == 0;
    if (equal) continue;
    Diagnostic *diagnostic = evaluator_report(e, E2004, spans[k], "gives %s", value_text(e, argument));
    diagnostic_also(diagnostic, shaped_span, "gives %s", value_text(e, shaped));
    if (shape_size(argument->tensor.rank, argument->tensor.shape) ==
        shape_size(shaped->tensor.rank, shaped->tensor.shape))
      diagnostic_hint(diagnostic, "`reshape(value, %s)` would make them equal", value_text(e, shaped));
    else
      diagnostic_hint(diagnostic,
                      "pointwise operations take equal shapes, or one number; write anything else with indices");
    return value_error(e);
  }
  const Scalar *result = scalar_apply(e->graph, op, element[0], element[1], element[2]);
  return value_tensor(e, shaped == NULL ? 0 : shaped->tensor.rank, shaped == NULL ? NULL : shaped->tensor.shape, random,
                      result);
}

static Value *number_with(Evaluator *e, double result, bool truth, const Scalar *runtime, Dependence *settings) {
  Value *value = value_number(e, result);
  value->number.truth = truth;
  value->number.settings = settings;
  value->number.runtime = settings == NULL ? NULL : runtime;
  return value;
}

Value *apply_unary(Evaluator *e, Operation op, Value *value, Span span) {
  value = value_dereference(e, value);
  if (value->kind == VALUE_NUMBER) {
    const Scalar *runtime =
        value->number.settings == NULL ? NULL : scalar_apply(e->graph, op, number_element(e, value), NULL, NULL);
    double result = operation_rows[op].evaluate(value->number.value, 0, 0);
    if (!isfinite(result) && isfinite(value->number.value)) {
      evaluator_report(e, E2059, span, "its argument is %g", value->number.value);
      return value_error(e);
    }
    return number_with(e, result, operation_result(op) == TYPE_TRUTH, runtime, value->number.settings);
  }
  if (value->kind == VALUE_NETWORK) value = value_as_list(e, value, span);
  if (value->kind == VALUE_LIST) {
    Value *result = value_list(e, value->list.count, value->list.items);
    for (int k = 0; k < result->list.count; k++) result->list.items[k] = apply_unary(e, op, value->list.items[k], span);
    return result;
  }
  Value *result = apply_pointwise(e, op, 1, &value, &span, span);
  if (result->kind == VALUE_TENSOR) result->tensor.truth = operation_result(op) == TYPE_TRUTH;
  return result;
}

/* How an operator is spelled in operations: possibly with its arguments exchanged, possibly with the result turned by
   NEGATE, FLOOR or NOT. */
typedef struct BinaryRow {
  SyntaxOperator op;
  Operation operation;
  bool exchanged;
  Operation before, after;
} BinaryRow;
static const BinaryRow binary_rows[] = {
    {OPERATOR_ADD, OP_ADD, false, OP_COUNT, OP_COUNT},
    {OPERATOR_SUBTRACT, OP_ADD, false, OP_NEGATE, OP_COUNT},
    {OPERATOR_MULTIPLY, OP_MULTIPLY, false, OP_COUNT, OP_COUNT},
    {OPERATOR_DIVIDE, OP_DIVIDE, false, OP_COUNT, OP_COUNT},
    {OPERATOR_FLOOR_DIVIDE, OP_DIVIDE, false, OP_COUNT, OP_FLOOR},
    {OPERATOR_MODULO, OP_MODULO, false, OP_COUNT, OP_COUNT},
    {OPERATOR_POWER, OP_POWER, false, OP_COUNT, OP_COUNT},
    {OPERATOR_LESS, OP_LESS, false, OP_COUNT, OP_COUNT},
    {OPERATOR_GREATER, OP_LESS, true, OP_COUNT, OP_COUNT},
    {OPERATOR_LESS_EQUAL, OP_LESS_EQUAL, false, OP_COUNT, OP_COUNT},
    {OPERATOR_GREATER_EQUAL, OP_LESS_EQUAL, true, OP_COUNT, OP_COUNT},
    {OPERATOR_EQUAL, OP_EQUAL, false, OP_COUNT, OP_COUNT},
    {OPERATOR_NOT_EQUAL, OP_EQUAL, false, OP_COUNT, OP_NOT},
    {OPERATOR_AND, OP_AND, false, OP_COUNT, OP_COUNT},
    {OPERATOR_OR, OP_OR, false, OP_COUNT, OP_COUNT},
};

static double operation_value(Operation op, double a, double b) { return operation_rows[op].evaluate(a, b, 0); }

static double row_value(const BinaryRow *row, double left, double right) {
  if (row->before != OP_COUNT) right = operation_value(row->before, right, 0);
  double value =
      row->exchanged ? operation_value(row->operation, right, left) : operation_value(row->operation, left, right);
  return row->after == OP_COUNT ? value : operation_value(row->after, value, 0);
}

static bool row_gives_truth(const BinaryRow *row) { return operation_result(row->operation) == TYPE_TRUTH; }

static const BinaryRow *binary_row(SyntaxOperator op) {
  for (size_t k = 0; k < sizeof binary_rows / sizeof *binary_rows; k++)
    if (binary_rows[k].op == op) return &binary_rows[k];
  return NULL;
}

/* x^2 and the like are products: exact, and with a derivative at 0. */
static const Scalar *whole_power(Evaluator *e, const Scalar *base, int64_t exponent) {
  const Scalar *result = NULL;
  for (const Scalar *square = base; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1) result = result == NULL ? square : scalar_apply(e->graph, OP_MULTIPLY, result, square, NULL);
    if (exponent > 1) square = scalar_apply(e->graph, OP_MULTIPLY, square, square, NULL);
  }
  return result;
}

static Value *apply_row(Evaluator *e, const BinaryRow *row, Value *left, Value *right, Span span, Span left_span,
                        Span right_span) {
  int64_t exponent;
  if (row->op == OPERATOR_POWER && value_is_whole(right, &exponent) && exponent >= 1 && exponent <= 16 &&
      right->number.settings == NULL) {
    Value *base = value_as_tensor(e, left, left_span);
    if (base->kind == VALUE_ERROR) return base;
    return value_tensor(e, base->tensor.rank, base->tensor.shape, base->tensor.random,
                        whole_power(e, base->tensor.element, exponent));
  }
  Value *arguments[2] = {left, right};
  Span spans[2] = {left_span, right_span};
  if (row->before != OP_COUNT) {
    arguments[1] = apply_unary(e, row->before, right, right_span);
    if (arguments[1]->kind == VALUE_ERROR) return arguments[1];
  }
  if (row->exchanged) {
    Value *value = arguments[0];
    arguments[0] = arguments[1], arguments[1] = value;
    spans[0] = right_span, spans[1] = left_span;
  }
  Value *result = apply_pointwise(e, row->operation, 2, arguments, spans, span);
  if (result->kind == VALUE_TENSOR && row->after != OP_COUNT)
    result->tensor.element = scalar_apply(e->graph, row->after, result->tensor.element, NULL, NULL);
  if (result->kind == VALUE_TENSOR) result->tensor.truth = row_gives_truth(row);
  return result;
}

static Value *apply_numbers(Evaluator *e, const BinaryRow *row, Value *left, Value *right, Span span, Span left_span,
                            Span right_span) {
  double result = row_value(row, left->number.value, right->number.value);
  if (!isfinite(result) && isfinite(left->number.value) && isfinite(right->number.value)) {
    evaluator_report(e, E2059, span, "%g %s %g", left->number.value, operator_spelling(row->op), right->number.value);
    return value_error(e);
  }
  Dependence *settings = dependence_joined(e, left->number.settings, right->number.settings);
  const Scalar *runtime = NULL;
  if (settings != NULL) {
    Value *before = value_as_tensor(e, left, left_span), *after = value_as_tensor(e, right, right_span);
    Value *running = apply_row(e, row, before, after, span, left_span, right_span);
    if (running->kind == VALUE_TENSOR) runtime = running->tensor.element;
  }
  return number_with(e, result, row_gives_truth(row), runtime, settings);
}

static Value *binary_of_elements(Evaluator *e, int op, int count, Value **elements, const Span *spans, Span span) {
  (void)count;
  return apply_binary(e, (SyntaxOperator)op, elements[0], elements[1], span, spans[0], spans[1]);
}

Value *apply_binary(Evaluator *e, SyntaxOperator op, Value *left, Value *right, Span span, Span left_span,
                    Span right_span) {
  left = value_dereference(e, left), right = value_dereference(e, right);
  if (left->kind == VALUE_ERROR || right->kind == VALUE_ERROR) return value_error(e);
  const BinaryRow *row = binary_row(op);
  if (left->kind == VALUE_NUMBER && right->kind == VALUE_NUMBER)
    return apply_numbers(e, row, left, right, span, left_span, right_span);
  if (left->kind == VALUE_STRING && right->kind == VALUE_STRING && (op == OPERATOR_EQUAL || op == OPERATOR_NOT_EQUAL))
    return value_truth(e, (strcmp(left->string, right->string) == 0) == (op == OPERATOR_EQUAL));
  bool compares = row_gives_truth(row) && operation_argument(row->operation, 0) == TYPE_NUMBER;
  if ((left->kind == VALUE_STRING) != (right->kind == VALUE_STRING) && compares) {
    Diagnostic *diagnostic = evaluator_report(e, E2064, right_span, "this is %s", value_text(e, right));
    diagnostic_also(diagnostic, left_span, "this is %s", value_text(e, left));
    return value_error(e);
  }
  Value *pair[2] = {left, right};
  Span spans[2] = {left_span, right_span};
  Value *list = value_over_lists(e, (int)op, 2, pair, spans, span, binary_of_elements);
  return list != NULL ? list : apply_row(e, row, left, right, span, left_span, right_span);
}

/* ---- one function per kind --------------------------------------------------------------------------------------- */

static Value *evaluate_number(Evaluator *e, Frame *frame, const Syntax *syntax) {
  (void)frame;
  return value_number(e, syntax->number.value);
}

static Value *evaluate_string(Evaluator *e, Frame *frame, const Syntax *syntax) {
  (void)frame;
  return value_string(e, syntax->text);
}

static Value *evaluate_name(Evaluator *e, Frame *frame, const Syntax *syntax) {
  return name_lookup(e, frame, syntax->name, syntax->span);
}

static Value *list_in_bounds(Evaluator *e, int count, Value **items, Span span) {
  Value *list = value_list(e, count, items);
  return work_goes_on(e, 0, span) ? list : value_error(e);
}

static Value *evaluate_items(Evaluator *e, Frame *frame, const Syntax *syntax) {
  Value **items = NULL;
  int count = 0, capacity = 0;
  for (int k = 0; k < syntax->items.count; k++) {
    const Syntax *item = syntax->items.items[k];
    if (item->kind != SYNTAX_SPREAD) {
      Value *value = evaluate(e, frame, item);
      if (value->kind == VALUE_ERROR) return value;
      ARRAY_ADD(e->session, items, count, capacity, value);
      continue;
    }
    Value *spread = value_dereference(e, evaluate(e, frame, item->operand));
    if (spread->kind == VALUE_ERROR) return spread;
    bool spreads = spread->kind == VALUE_LIST || spread->kind == VALUE_RECORD || spread->kind == VALUE_NETWORK ||
                   spread->kind == VALUE_RANGE || spread->kind == VALUE_TENSOR;
    if (!spreads) evaluator_report(e, E2058, item->span, "this is %s", value_text(e, spread));
    Value *list = spreads ? value_as_list(e, spread, item->operand->span) : NULL;
    if (list == NULL || !work_goes_on(e, value_leaves(list), item->span)) return value_error(e);
    for (int j = 0; j < list->list.count; j++) ARRAY_ADD(e->session, items, count, capacity, list->list.items[j]);
  }
  return list_in_bounds(e, count, items, syntax->span);
}

typedef struct Turning {
  const Syntax *comprehension;
  int turn;
  Value **items;
  int count, capacity;
  bool failed;
} Turning;

static void run_turn(Evaluator *e, Frame *frame, void *context) {
  Turning *turning = context;
  const SyntaxList *turns = &turning->comprehension->comprehension.turns;
  const Syntax *condition = turns->items[turning->turn]->turn.condition;
  if (turning->failed) return;
  bool chosen = true;
  if (condition != NULL && !value_static_truth(e, evaluate(e, frame, condition), condition->span, &chosen))
    turning->failed = true;
  if (turning->failed || !chosen) return;
  if (turning->turn + 1 < turns->count) {
    turning->turn++;
    if (!turns_run(e, frame, turns->items[turning->turn]->turn.binding, run_turn, turning)) turning->failed = true;
    turning->turn--;
    return;
  }
  Value *value = evaluate(e, frame, turning->comprehension->comprehension.element);
  if (value->kind == VALUE_ERROR) turning->failed = true;
  else ARRAY_ADD(e->session, turning->items, turning->count, turning->capacity, value);
}

static Value *evaluate_comprehension(Evaluator *e, Frame *frame, const Syntax *syntax) {
  Turning turning = {.comprehension = syntax};
  int names = frame->count, floor = frame->floor;
  frame->floor = names;
  bool fine = turns_run(e, frame, syntax->comprehension.turns.items[0]->turn.binding, run_turn, &turning);
  frame_forget(e, frame, names);
  frame->floor = floor;
  return fine && !turning.failed ? list_in_bounds(e, turning.count, turning.items, syntax->span) : value_error(e);
}

static Value *evaluate_fresh(Evaluator *e, Frame *frame, const Syntax *syntax) {
  int place = map_number(&e->fresh_places, syntax);
  if (place == 0) map_put_number(e->session, &e->fresh_places, syntax, place = (int)e->fresh_places.count + 1);
  const char *outer = frame->context.fresh;
  const char *path = frame->context.path; /* functions are written in place: each has places of its own */
  if (!MUTANT(fresh_alike))
    frame->context.fresh = session_format(e->session, path[0] == '\0' ? "%s.fresh_%d%s" : "%s.fresh_%d%s@%s", outer,
                                          place, frame->loop, path);
  Value *value = evaluate(e, frame, syntax->unary.operand);
  frame->context.fresh = outer;
  value = value_stored(e, value_dereference(e, value), syntax->span);
  if (value->kind == VALUE_NUMBER || (value->kind == VALUE_TENSOR && !value->tensor.random))
    diagnostic_report(e->session, W6010, syntax->span, "nothing in it is drawn");
  return value;
}

static bool value_is_truth(Evaluator *e, Value *value) {
  value = value_dereference(e, value);
  return value->kind == VALUE_NUMBER ? value->number.truth : value->kind == VALUE_TENSOR && value->tensor.truth;
}

/* `and`, `or` and `not` take truths, as `if` does. False after a report. */
static bool demand_truth(Evaluator *e, Value *value, Span span) {
  if (value->kind == VALUE_ERROR || value->kind == VALUE_LIST || value_is_truth(e, value)) return true;
  Diagnostic *diagnostic = evaluator_report(e, E2021, span, "this is %s", value_text(e, value));
  diagnostic_hint(diagnostic, "compare it with something");
  return false;
}

static Value *evaluate_unary(Evaluator *e, Frame *frame, const Syntax *syntax) {
  if (syntax->unary.op == OPERATOR_FRESH) return evaluate_fresh(e, frame, syntax);
  Value *operand = value_dereference(e, evaluate(e, frame, syntax->unary.operand));
  if (operand->kind == VALUE_ERROR) return operand;
  Operation op = syntax->unary.op == OPERATOR_NEGATE ? OP_NEGATE : OP_NOT;
  if (op == OP_NOT && !demand_truth(e, operand, syntax->unary.operand->span)) return value_error(e);
  return apply_unary(e, op, operand, syntax->unary.operand->span);
}

static Value *evaluate_membership(Evaluator *e, Frame *frame, const Syntax *syntax) {
  Value *value = value_dereference(e, evaluate(e, frame, syntax->binary.left));
  Value *set = evaluate(e, frame, syntax->binary.right);
  if (value->kind == VALUE_ERROR || set->kind == VALUE_ERROR) return value_error(e);
  Span left = syntax->binary.left->span, right = syntax->binary.right->span;
  if (set->kind == VALUE_RANGE) {
    Value *above =
        apply_binary(e, OPERATOR_GREATER_EQUAL, value, value_number(e, set->range.low), syntax->span, left, right);
    Value *below =
        apply_binary(e, OPERATOR_LESS_EQUAL, value, value_number(e, set->range.high), syntax->span, left, right);
    return apply_binary(e, OPERATOR_AND, above, below, syntax->span, left, right);
  }
  Value *list = value_as_list(e, set, right);
  if (list == NULL || !work_goes_on(e, list->list.count, syntax->span)) return value_error(e);
  Value *any = value_truth(e, false);
  for (int k = 0; k < list->list.count; k++) {
    Value *equal = apply_binary(e, OPERATOR_EQUAL, value, list->list.items[k], syntax->span, left, right);
    any = k == 0 || equal->kind == VALUE_ERROR ? equal
                                               : apply_binary(e, OPERATOR_OR, any, equal, syntax->span, left, right);
    if (any->kind == VALUE_ERROR) return any;
  }
  return any;
}

static Value *evaluate_binary(Evaluator *e, Frame *frame, const Syntax *syntax) {
  SyntaxOperator op = syntax->binary.op;
  if (op == OPERATOR_IN) return evaluate_membership(e, frame, syntax);
  Value *left = value_dereference(e, evaluate(e, frame, syntax->binary.left));
  if (left->kind == VALUE_NUMBER && left->number.truth && (op == OPERATOR_AND || op == OPERATOR_OR) &&
      (left->number.value != 0) == (op == OPERATOR_OR))
    return left;
  Value *right = value_dereference(e, evaluate(e, frame, syntax->binary.right));
  if (left->kind == VALUE_ERROR || right->kind == VALUE_ERROR) return value_error(e);
  if (op == OPERATOR_RANGE) {
    Value *range = value_kind(e, VALUE_RANGE);
    bool fine = value_static_number(e, left, syntax->binary.left->span, &range->range.low) &&
                value_static_number(e, right, syntax->binary.right->span, &range->range.high);
    return fine ? range : value_error(e);
  }
  bool logic = op == OPERATOR_AND || op == OPERATOR_OR;
  if (logic &&
      (!demand_truth(e, left, syntax->binary.left->span) || !demand_truth(e, right, syntax->binary.right->span)))
    return value_error(e);
  return apply_binary(e, op, left, right, syntax->span, syntax->binary.left->span, syntax->binary.right->span);
}

static Value *evaluate_conditional(Evaluator *e, Frame *frame, const Syntax *syntax) {
  const Syntax *branches[2] = {syntax->choice.then, syntax->choice.otherwise};
  Value *condition = value_dereference(e, evaluate(e, frame, syntax->choice.condition));
  if (condition->kind == VALUE_ERROR) return condition;
  if (condition->kind == VALUE_NUMBER) {
    bool truth;
    if (!value_static_truth(e, condition, syntax->choice.condition->span, &truth)) return value_error(e);
    return evaluate(e, frame, branches[truth ? 0 : 1]);
  }
  if (condition->kind == VALUE_TENSOR && !condition->tensor.truth) {
    Diagnostic *diagnostic =
        evaluator_report(e, E2021, syntax->choice.condition->span, "this is %s", value_text(e, condition));
    diagnostic_hint(diagnostic, "compare it with something");
    return value_error(e);
  }
  Value *arguments[3] = {condition};
  for (int k = 0; k < 2; k++) arguments[k + 1] = evaluate(e, frame, branches[k]);
  if (arguments[1]->kind == VALUE_ERROR || arguments[2]->kind == VALUE_ERROR) return value_error(e);
  Span spans[3] = {syntax->choice.condition->span, branches[0]->span, branches[1]->span};
  Value *result = apply_pointwise(e, OP_SELECT, 3, arguments, spans, syntax->span);
  if (result->kind == VALUE_TENSOR)
    result->tensor.truth = value_is_truth(e, arguments[1]) && value_is_truth(e, arguments[2]);
  return result;
}

static bool is_callable(const Value *value) {
  return value != NULL && (value->kind == VALUE_FUNCTION || value->kind == VALUE_BUILTIN ||
                           value->kind == VALUE_RECIPE || value->kind == VALUE_NETWORK);
}

static Value *evaluate_member(Evaluator *e, Frame *frame, const Syntax *syntax) {
  if (elsewhere_member(e, frame, syntax)) return value_error(e);
  Value *value = evaluate(e, frame, syntax->member.operand);
  if (value->kind == VALUE_ERROR) return value;
  if (value->kind == VALUE_RECORD)
    for (int k = 0; k < value->record.count; k++)
      if (value->record.items[k].name == syntax->member.name) return value->record.items[k].value;
  Diagnostic *diagnostic =
      evaluator_report(e, E2019, syntax->span, "there is no `%s` in %s", syntax->member.name, value_text(e, value));
  if (value->kind == VALUE_RECORD) {
    const char **names = session_allocate(e->session, (size_t)(value->record.count + 1) * sizeof *names);
    for (int k = 0; k < value->record.count; k++) names[k] = value->record.items[k].name;
    const char *nearest = diagnostic_nearest(syntax->member.name, names, value->record.count);
    if (nearest != NULL) diagnostic_mend(diagnostic, syntax->name_span, "%s", nearest);
  } else if (elsewhere_method(e, diagnostic, syntax)) return value_error(e);
  else if (is_callable(name_find(e, frame, syntax->member.name, syntax->span)))
    diagnostic_hint(diagnostic, "`value |> %s` applies it", syntax->member.name);
  return value_error(e);
}

static Value *evaluate_block(Evaluator *e, Frame *frame, const Syntax *syntax) { return body_run(e, frame, syntax); }

static Value *evaluate_unbuilt(Evaluator *e, Frame *frame, const Syntax *syntax) {
  (void)frame;
  evaluator_report(e,
                   syntax->kind == SYNTAX_AT      ? E4005
                   : syntax->kind == SYNTAX_AFTER ? E4001
                                                  : E4025,
                   syntax->span, "here");
  return value_error(e);
}

typedef Value *(*EvaluateKind)(Evaluator *, Frame *, const Syntax *);
static const EvaluateKind evaluate_kind[] = {
    [SYNTAX_NUMBER] = evaluate_number,
    [SYNTAX_STRING] = evaluate_string,
    [SYNTAX_NAME] = evaluate_name,
    [SYNTAX_LIST] = evaluate_items,
    [SYNTAX_TUPLE] = evaluate_items,
    [SYNTAX_COMPREHENSION] = evaluate_comprehension,
    [SYNTAX_UNARY] = evaluate_unary,
    [SYNTAX_BINARY] = evaluate_binary,
    [SYNTAX_CONDITIONAL] = evaluate_conditional,
    [SYNTAX_PIPE] = evaluate_pipe,
    [SYNTAX_REDUCTION] = evaluate_reduction,
    [SYNTAX_CALL] = evaluate_call,
    [SYNTAX_SUBSCRIPT] = evaluate_subscript,
    [SYNTAX_MEMBER] = evaluate_member,
    [SYNTAX_AT] = evaluate_unbuilt,
    [SYNTAX_AFTER] = evaluate_unbuilt,
    [SYNTAX_BLOCK] = evaluate_block,
};

bool work_goes_on(Evaluator *e, int64_t amount, Span span) {
  e->work += e->exhausted ? 0 : amount;
  if (e->exhausted || e->work <= WORK_LIMIT) return !e->exhausted;
  Diagnostic *diagnostic = evaluator_report(
      e, E2061, span, "more than %d expressions and elements of lists by the time this is evaluated", WORK_LIMIT);
  diagnostic_hint(diagnostic, "is a loop or a list too long, or does something call itself twice?");
  e->exhausted = true;
  return false;
}

Value *evaluate(Evaluator *e, Frame *frame, const Syntax *syntax) {
  size_t kind = (size_t)syntax->kind;
  if (!work_goes_on(e, 1, syntax->span)) return value_error(e);
  if (e->nesting == NESTING_LIMIT) {
    Diagnostic *diagnostic = evaluator_report(e, E2036, syntax->span, "in a chain of calls or of definitions");
    diagnostic_title(diagnostic, "this stands in %d other expressions, more than are followed", NESTING_LIMIT);
    diagnostic_hint(diagnostic, "recursion ends by an `if` on something static, such as `len(list)`");
    e->exhausted = true;
    return value_error(e);
  }
  if (kind < sizeof evaluate_kind / sizeof *evaluate_kind && evaluate_kind[kind] != NULL) {
    e->nesting++;
    Value *value = evaluate_kind[kind](e, frame, syntax);
    e->nesting--;
    return value;
  }
  evaluator_report(e, E2044, syntax->span, "a value is expected here, not `%s`", syntax_kind_name(syntax->kind));
  return value_error(e);
}

Value *evaluate_tensor(Evaluator *e, Frame *frame, const Syntax *syntax) {
  return value_as_tensor(e, evaluate(e, frame, syntax), syntax->span);
}
