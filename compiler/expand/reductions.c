/* sum[…], mean[…], max[…], min[…]: an expression combined over indices, possibly under conditions. Takes the syntax of
   a reduction; returns its value. */
#include "evaluator.h"
#include "tests/mutants/mutant.h"

#include <math.h>

/* What stands in the brackets: indices of its own, and conditions on them. */
typedef struct Brackets {
  uint32_t indices;
  int condition_count;
  const Syntax *conditions[CONDITION_LIMIT];
} Brackets;

static bool open_index(Evaluator *e, Frame *frame, Brackets *brackets, const char *name, Span span, Index **index) {
  *index = index_open(e, frame, name, span);
  if (*index != NULL) brackets->indices |= 1u << (*index)->variable;
  return *index != NULL;
}

static bool add_condition(Evaluator *e, Brackets *brackets, const Syntax *item) {
  if (brackets->condition_count == CONDITION_LIMIT) {
    Diagnostic *diagnostic = evaluator_report(e, E2061, item->span, "more than %d conditions", CONDITION_LIMIT);
    diagnostic_hint(diagnostic, "one condition may hold several: `k > 0 and k < n`");
    return false;
  }
  brackets->conditions[brackets->condition_count++] = item;
  return true;
}

/* `i`; `i < n` and `i in a..b`, which bound it if nothing has; `i != j`, which makes i if nothing is called so; any
   other condition. */
static bool read_item(Evaluator *e, Frame *frame, Brackets *brackets, const Syntax *item) {
  const char *name;
  Span span;
  bool relation = item->kind == SYNTAX_BINARY, bounding = item_names_index(item, &name, &span), failed = false;
  if (!bounding && relation && item->binary.left->kind == SYNTAX_NAME)
    name = item->binary.left->name, span = item->binary.left->span;
  else if (!bounding) return add_condition(e, brackets, item);
  Index *index = index_find(e, name);
  if (!relation) return open_index(e, frame, brackets, name, span, &index);
  if (index == NULL && name_find(e, frame, name, span) != NULL) return add_condition(e, brackets, item);
  if (index == NULL && !open_index(e, frame, brackets, name, span, &index)) return false;
  bool own = (brackets->indices >> index->variable & 1) != 0;
  if (bounding && own && !index->cut && index_relation(e, frame, item, index, &failed)) return !failed;
  return add_condition(e, brackets, item);
}

/* Brackets of conditions alone: the name that is a value here was to be an index. */
static bool brackets_have_index(Evaluator *e, Frame *frame, const Brackets *brackets) {
  const char *name;
  Span span;
  if (brackets->indices != 0 || brackets->condition_count == 0 ||
      !item_names_index(brackets->conditions[0], &name, &span))
    return true;
  Diagnostic *diagnostic =
      evaluator_report(e, E2003, span, "`%s` is already %s", name, value_text(e, name_lookup(e, frame, name, span)));
  diagnostic_hint(diagnostic, "an index needs a name that nothing else has");
  return false;
}

static Value *conditions_value(Evaluator *e, Frame *frame, const Brackets *brackets) {
  Value *all = NULL;
  for (int k = 0; k < brackets->condition_count; k++) {
    const Syntax *condition = brackets->conditions[k];
    Value *value = evaluate(e, frame, condition), *pair[2] = {all, value_as_tensor(e, value, condition->span)};
    Span spans[2] = {condition->span, condition->span};
    if (pair[1]->kind == VALUE_ERROR) return pair[1];
    if (!pair[1]->tensor.truth) {
      Diagnostic *diagnostic = evaluator_report(e, E2052, condition->span, "this is %s", value_text(e, value));
      diagnostic_hint(diagnostic, "write an index, `i < n`, `i in a..b` or a comparison");
      return value_error(e);
    }
    all = all == NULL ? pair[1] : apply_pointwise(e, OP_AND, 2, pair, spans, condition->span);
  }
  return all;
}

static Value *constant_tensor(Evaluator *e, double value) {
  return value_tensor(e, 0, NULL, false, scalar_constant(e->graph, value));
}

static Value *where(Evaluator *e, Value *condition, Value *value, double otherwise, Span span) {
  Value *three[3] = {condition, value, constant_tensor(e, otherwise)};
  Span spans[3] = {span, span, span};
  return apply_pointwise(e, OP_SELECT, 3, three, spans, span);
}

/* How many values a mean is over; at least 1, so that the mean over nothing is 0. */
static Value *count_of(Evaluator *e, const Value *body, Value *condition, uint32_t indices, Span span) {
  if (condition == NULL || MUTANT(mean_count)) {
    double product = 1;
    for (int v = INDEX_VARIABLE; v < VARIABLE_LIMIT; v++)
      if (indices & 1u << v) product *= (double)variable_extent(e, body, v, span);
    return value_number(e, product);
  }
  Value *count = value_reduce(e, COMBINE_SUM, where(e, condition, constant_tensor(e, 1), 0, span), indices, span);
  Value *pair[2] = {count, constant_tensor(e, 1)};
  Span spans[2] = {span, span};
  return count->kind == VALUE_ERROR ? count : apply_pointwise(e, OP_MAXIMUM, 2, pair, spans, span);
}

/* An extreme over nothing is 0, as a mean is. */
static Value *unless_nothing(Evaluator *e, Value *extreme, Value *condition, uint32_t indices, Span span) {
  if (condition == NULL || extreme->kind == VALUE_ERROR || MUTANT(extreme_of_none)) return extreme;
  Value *any = value_reduce(e, COMBINE_MAXIMUM, where(e, condition, constant_tensor(e, 1), 0, span), indices, span);
  return any->kind == VALUE_ERROR ? any : where(e, any, extreme, 0, span);
}

static Value *reduce(Evaluator *e, SyntaxOperator op, Value *body, Value *condition, uint32_t indices, Span span) {
  bool extreme = op == OPERATOR_MAX || op == OPERATOR_MIN;
  if (op == OPERATOR_MIN) body = apply_unary(e, OP_NEGATE, body, span);
  if (condition != NULL) body = where(e, condition, body, extreme ? -(double)INFINITY : 0, span);
  if (body->kind == VALUE_ERROR) return body;
  Value *result = value_reduce(e, extreme ? COMBINE_MAXIMUM : COMBINE_SUM, body, indices, span);
  if (extreme) result = unless_nothing(e, result, condition, indices, span);
  if (result->kind == VALUE_ERROR) return result;
  if (op == OPERATOR_MIN) return apply_unary(e, OP_NEGATE, result, span);
  if (op == OPERATOR_MEAN)
    return apply_binary(e, OPERATOR_DIVIDE, result, count_of(e, body, condition, indices, span), span, span, span);
  return result;
}

Value *evaluate_reduction(Evaluator *e, Frame *frame, const Syntax *syntax) {
  Index *outer = e->indices;
  Brackets brackets = {0};
  bool fine = true;
  for (int k = 0; k < syntax->reduction.items.count && fine; k++)
    fine = read_item(e, frame, &brackets, syntax->reduction.items.items[k]);
  fine = fine && brackets_have_index(e, frame, &brackets) && bounds_from(e, frame, syntax, outer);
  Value *body = fine ? evaluate_tensor(e, frame, syntax->reduction.operand) : value_error(e);
  Value *condition = body->kind == VALUE_ERROR ? NULL : conditions_value(e, frame, &brackets);
  Value *result = body;
  if (condition != NULL && condition->kind == VALUE_ERROR) result = condition;
  else if (body->kind != VALUE_ERROR)
    result = reduce(e, syntax->reduction.op, body, condition, brackets.indices, syntax->span);
  indices_close(e, outer);
  return result;
}
