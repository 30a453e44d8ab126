/* Lists: when one is a tensor, and how operations go element by element where it is none. Takes values; returns values;
   never reads syntax. */
#include "evaluator.h"

#include <string.h>

/* ---- as tensors -------------------------------------------------------------------------------------------------- */

bool value_has_shape(Evaluator *e, Value *value, int *rank, int64_t *shape) {
  value = value_dereference(e, value);
  *rank = value->kind == VALUE_TENSOR ? value->tensor.rank : 0;
  if (value->kind == VALUE_TENSOR) memcpy(shape, value->tensor.shape, sizeof(int64_t) * (size_t)*rank);
  if (value->kind != VALUE_LIST) return value->kind == VALUE_TENSOR || value->kind == VALUE_NUMBER;
  bool equal = value->list.count > 0;
  int64_t first[OWN_LIMIT], next[OWN_LIMIT];
  int first_rank = 0;
  for (int k = 0; k < value->list.count && equal; k++) {
    int next_rank;
    equal = value_has_shape(e, value->list.items[k], &next_rank, next) && next_rank < OWN_LIMIT &&
            (k == 0 || next_rank == first_rank);
    if (k == 0) memcpy(first, next, sizeof first), first_rank = next_rank;
    else equal = equal && memcmp(first, next, sizeof(int64_t) * (size_t)next_rank) == 0;
  }
  if (!equal) return false;
  shape[0] = value->list.count;
  memcpy(shape + 1, first, sizeof(int64_t) * (size_t)first_rank);
  *rank = first_rank + 1;
  return true;
}

/* elements[from] … elements[to - 1] by the first own axis: choices in halves, for a list may be long. */
static const Scalar *choose_element(Evaluator *e, const Scalar **elements, int from, int to) {
  if (to - from == 1) return elements[from];
  int middle = from + (to - from) / 2;
  const Scalar *low = choose_element(e, elements, from, middle), *high = choose_element(e, elements, middle, to);
  const Scalar *index = scalar_index(e->graph, OWN_VARIABLE), *place = scalar_constant(e->graph, middle);
  return scalar_apply(e->graph, OP_SELECT, scalar_apply(e->graph, OP_LESS, index, place, NULL), low, high);
}

Value *list_stacked(Evaluator *e, Value *list, Span span) {
  int count = list->list.count;
  if (count == 0) {
    evaluator_report(e, E2017, span, "this list is empty");
    return value_error(e);
  }
  if (count > STACK_LIMIT) {
    Diagnostic *diagnostic = evaluator_report(e, E2061, span, "this list of %d values stands for an array", count);
    diagnostic_hint(diagnostic, "each is a choice; at most %d, or write the values with an index: `y[i < n] = …`",
                    STACK_LIMIT);
    return value_error(e);
  }
  if (!work_goes_on(e, count, span)) return value_error(e);
  const Scalar **elements = session_allocate(e->session, (size_t)count * sizeof *elements);
  Value *first = NULL;
  bool random = false, truth = true;
  for (int k = 0; k < count; k++) {
    Value *item = value_as_tensor(e, list->list.items[k], span);
    if (item->kind == VALUE_ERROR) return item;
    if (first == NULL) first = item;
    if (item->tensor.rank != first->tensor.rank ||
        memcmp(item->tensor.shape, first->tensor.shape, sizeof(int64_t) * (size_t)item->tensor.rank) != 0) {
      evaluator_report(e, E2018, span, "%s and %s", value_text(e, first), value_text(e, item));
      return value_error(e);
    }
    if (item->tensor.rank + 1 > OWN_LIMIT) {
      evaluator_report(e, E2060, span, "more than %d axes", OWN_LIMIT);
      return value_error(e);
    }
    random |= item->tensor.random, truth &= item->tensor.truth;
    elements[k] = element_shift(e, item->tensor.element, item->tensor.rank, 1);
  }
  int64_t shape[OWN_LIMIT] = {count};
  for (int d = 0; d < first->tensor.rank; d++) shape[d + 1] = first->tensor.shape[d];
  Value *tensor = value_tensor(e, first->tensor.rank + 1, shape, random, choose_element(e, elements, 0, count));
  tensor->tensor.truth = truth;
  return tensor;
}

/* ---- element by element ------------------------------------------------------------------------------------------ */

static bool is_static(Evaluator *e, Value *value) {
  value = value_dereference(e, value);
  bool all = value->kind == VALUE_NUMBER || value->kind == VALUE_LIST;
  for (int k = 0; value->kind == VALUE_LIST && k < value->list.count; k++) all &= is_static(e, value->list.items[k]);
  return all;
}

/* Lists of static numbers among themselves, and lists whose elements have unequal shapes, go element by element; any
   other list is a tensor. */
static bool takes_lists(Evaluator *e, int count, Value **arguments, const Span *spans) {
  int rank, lists = 0, unequal = 0, fixed = 0;
  int64_t shape[OWN_LIMIT];
  for (int k = 0; k < count; k++) {
    arguments[k] = value_dereference(e, arguments[k]);
    if (arguments[k]->kind == VALUE_NETWORK) arguments[k] = value_as_list(e, arguments[k], spans[k]);
    lists += arguments[k]->kind == VALUE_LIST;
    unequal += arguments[k]->kind == VALUE_LIST && !value_has_shape(e, arguments[k], &rank, shape);
    fixed += is_static(e, arguments[k]);
  }
  return lists > 0 && (unequal > 0 || fixed == count);
}

Value *value_over_lists(Evaluator *e, int op, int count, Value **given, const Span *spans, Span span,
                        ApplyElements apply) {
  Value *arguments[3] = {NULL}, *first = NULL;
  Span first_span = span;
  memcpy(arguments, given, (size_t)count * sizeof *given);
  if (!takes_lists(e, count, arguments, spans)) return NULL;
  for (int k = 0; k < count; k++) {
    if (arguments[k]->kind != VALUE_LIST) continue;
    if (first != NULL && arguments[k]->list.count != first->list.count) {
      Diagnostic *diagnostic = evaluator_report(e, E2057, spans[k], "a list of %d", arguments[k]->list.count);
      diagnostic_also(diagnostic, first_span, "a list of %d", first->list.count);
      return value_error(e);
    }
    if (first == NULL) first = arguments[k], first_span = spans[k];
  }
  Value *result = value_list(e, first->list.count, NULL);
  for (int j = 0; j < first->list.count; j++) {
    Value *elements[3] = {NULL};
    for (int k = 0; k < count; k++)
      elements[k] = arguments[k]->kind == VALUE_LIST ? arguments[k]->list.items[j] : arguments[k];
    result->list.items[j] = apply(e, op, count, elements, spans, span);
  }
  return result;
}
