/* sum[…], mean[…], max[…], min[…]: an expression combined over indices, possibly under conditions. Takes the syntax of a reduction; returns its value. */
#include "evaluator.h"
#include "mutants/mutant.h"

#include <math.h>

enum { CONDITION_LIMIT = 16 };

/* What stands in the brackets: indices of its own, and conditions on them. */
typedef struct Brackets { uint32_t indices; int condition_count; const Syntax *conditions[CONDITION_LIMIT]; } Brackets;

static bool open_index(Evaluator *e, Frame *frame, Brackets *brackets, const char *name, Span span, Index **index) {
  *index = index_open(e, frame, name, span);
  if (*index != NULL) brackets->indices |= 1u << (*index)->variable;
  return *index != NULL;
}

static bool add_condition(Evaluator *e, Brackets *brackets, const Syntax *item) {
  if (item->kind != SYNTAX_BINARY && item->kind != SYNTAX_UNARY) {
    evaluator_report(e, E2052, item->span, "write an index, `i < n`, `i in a..b` or a comparison");
    return false;
  }
  if (brackets->condition_count == CONDITION_LIMIT) {
    evaluator_report(e, E2061, item->span, "more than %d conditions", CONDITION_LIMIT);
    return false;
  }
  brackets->conditions[brackets->condition_count++] = item;
  return true;
}

/* `i`; `i < n` and `i in a..b`, which also bound it; `i != j`, which makes i if nothing is called so; any other condition. */
static bool read_item(Evaluator *e, Frame *frame, Brackets *brackets, const Syntax *item) {
  const char *name;
  Span span;
  Index *index;
  bool relation = item->kind == SYNTAX_BINARY, bounding = item_names_index(item, &name, &span);
  if (!bounding && relation && item->binary.left->kind == SYNTAX_NAME) name = item->binary.left->name, span = item->binary.left->span;
  else if (!bounding) return add_condition(e, brackets, item);
  if (!relation) return open_index(e, frame, brackets, name, span, &index);
  if (index_find(e, name) != NULL || (!bounding && name_find(e, frame, name, span) != NULL)) return add_condition(e, brackets, item);
  bool failed = false;
  if (!open_index(e, frame, brackets, name, span, &index)) return false;
  if (bounding && index_relation(e, frame, item, index, &failed)) return !failed;
  return add_condition(e, brackets, item);
}

static Value *conditions_value(Evaluator *e, Frame *frame, const Brackets *brackets) {
  Value *all = NULL;
  for (int k = 0; k < brackets->condition_count; k++) {
    const Syntax *condition = brackets->conditions[k];
    Value *pair[2] = {all, evaluate_tensor(e, frame, condition)};
    Span spans[2] = {condition->span, condition->span};
    if (pair[1]->kind == VALUE_ERROR) return pair[1];
    all = all == NULL ? pair[1] : apply_pointwise(e, OP_AND, 2, pair, spans, condition->span);
  }
  return all;
}

static Value *constant_tensor(Evaluator *e, double value) { return value_tensor(e, 0, NULL, false, scalar_constant(e->graph, value)); }

static Value *where(Evaluator *e, Value *condition, Value *value, double otherwise, Span span) {
  Value *three[3] = {condition, value, constant_tensor(e, otherwise)};
  Span spans[3] = {span, span, span};
  return apply_pointwise(e, OP_SELECT, 3, three, spans, span);
}

/* How many values a mean is over; at least 1, so that the mean over nothing is 0. */
static Value *count_of(Evaluator *e, const Value *body, Value *condition, uint32_t indices, Span span) {
  if (condition == NULL || MUTANT(mean_count)) {
    double product = 1;
    for (int v = INDEX_VARIABLE; v < BOX_LIMIT; v++)
      if (indices & 1u << v) product *= (double)variable_extent(e, body, v, span);
    return value_number(e, product);
  }
  Value *count = value_reduce(e, COMBINE_SUM, where(e, condition, constant_tensor(e, 1), 0, span), indices, span);
  Value *pair[2] = {count, constant_tensor(e, 1)};
  Span spans[2] = {span, span};
  return count->kind == VALUE_ERROR ? count : apply_pointwise(e, OP_MAXIMUM, 2, pair, spans, span);
}

static Value *reduce(Evaluator *e, SyntaxOperator op, Value *body, Value *condition, uint32_t indices, Span span) {
  bool extreme = op == OPERATOR_MAX || op == OPERATOR_MIN;
  if (op == OPERATOR_MIN) body = apply_unary_number(e, OP_NEGATE, NULL, body, span);
  if (condition != NULL) body = where(e, condition, body, extreme ? -(double)INFINITY : 0, span);
  if (body->kind == VALUE_ERROR) return body;
  Value *result = value_reduce(e, extreme ? COMBINE_MAXIMUM : COMBINE_SUM, body, indices, span);
  if (result->kind == VALUE_ERROR) return result;
  if (op == OPERATOR_MIN) return apply_unary_number(e, OP_NEGATE, NULL, result, span);
  if (op == OPERATOR_MEAN) return apply_binary(e, OPERATOR_DIVIDE, result, count_of(e, body, condition, indices, span), span, span, span);
  return result;
}

Value *evaluate_reduction(Evaluator *e, Frame *frame, const Syntax *syntax) {
  Index *outer = e->indices;
  Brackets brackets = {0};
  bool fine = true;
  for (int k = 0; k < syntax->reduction.items.count && fine; k++) fine = read_item(e, frame, &brackets, syntax->reduction.items.items[k]);
  fine = fine && bounds_from(e, frame, syntax, outer);
  Value *body = fine ? evaluate_tensor(e, frame, syntax->reduction.operand) : value_error(e);
  Value *condition = body->kind == VALUE_ERROR ? NULL : conditions_value(e, frame, &brackets);
  Value *result = body;
  if (condition != NULL && condition->kind == VALUE_ERROR) result = condition;
  else if (body->kind != VALUE_ERROR) result = reduce(e, syntax->reduction.op, body, condition, brackets.indices, syntax->span);
  indices_close(e, outer);
  return result;
}
