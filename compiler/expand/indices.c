/* Index notation: subscripts, reductions and assignments by index (the seven rules of the language). Takes syntax and values; returns values whose elements
   are expressions over index variables; a node is made only where something is summed, scattered, or read outside its bounds. */
#include "evaluator.h"

#include <math.h>
#include <string.h>

/* ---- indices in scope ------------------------------------------------------------------------------------------------------- */

Index *index_find(Evaluator *e, const char *name) {
  for (Index *index = e->indices; index != NULL; index = index->outer)
    if (index->name == name) return index;
  return NULL;
}

Value *index_value(Evaluator *e, Index *index) {
  const Scalar *element = scalar_index(e->graph, index->variable);
  if (index->start != 0) element = scalar_apply(e->graph, OP_ADD, element, scalar_constant(e->graph, (double)index->start), NULL);
  return value_tensor(e, 0, NULL, false, element);
}

static Index *index_open(Evaluator *e, Frame *frame, const char *name, Span span) {
  if (index_find(e, name) != NULL) {
    evaluator_report(e, E2051, span, "`%s` already runs here", name);
    return NULL;
  }
  Value *value = name_find(e, frame, name, span);
  if (value != NULL) {
    Diagnostic *diagnostic = evaluator_report(e, E2003, span, "`%s` is already %s", name, value_text(e, value));
    diagnostic_hint(diagnostic, "an index needs a name that nothing else has");
    return NULL;
  }
  int variable = INDEX_VARIABLE;
  while (variable < BOX_LIMIT && e->by_variable[variable] != NULL) variable++;
  if (variable == BOX_LIMIT) {
    evaluator_report(e, E2061, span, "more than %d indices in one expression", INDEX_LIMIT);
    return NULL;
  }
  Index *index = session_allocate(e->session, sizeof *index);
  *index = (Index){.name = name, .variable = variable, .extent = -1, .span = span, .outer = e->indices};
  e->by_variable[variable] = index;
  e->indices = index;
  return index;
}

static void indices_close(Evaluator *e, Index *until) {
  while (e->indices != until) {
    e->by_variable[e->indices->variable] = NULL;
    e->indices = e->indices->outer;
  }
}

static bool index_bound(Evaluator *e, Index *index, int64_t extent, Span span) {
  if (index->extent < 0) {
    index->extent = extent, index->span = span;
    return true;
  }
  if (index->extent == extent || (index->cut && index->start + index->extent <= extent)) return true;
  Diagnostic *diagnostic = evaluator_report(e, E2007, span, "here `%s` runs over %lld", index->name, (long long)extent);
  diagnostic_also(diagnostic, index->span, "here over %lld", (long long)index->extent);
  diagnostic_hint(diagnostic, "a bare index runs over the whole axis; `%s < n` cuts it short", index->name);
  return false;
}

/* `i < n` and `i in a..b` bound an index. False if the item is neither; *failed after a report. */
static bool index_relation(Evaluator *e, Frame *frame, const Syntax *item, Index *index, bool *failed) {
  Value *bound = value_dereference(e, evaluate(e, frame, item->binary.right));
  Span span = item->binary.right->span;
  if (bound->kind == VALUE_ERROR) {
    *failed = true;
    return true;
  }
  if (item->binary.op == OPERATOR_LESS) {
    if (bound->kind == VALUE_TENSOR) return false;
    int64_t extent;
    *failed = !value_static_whole(e, bound, span, &extent);
    if (!*failed && extent < 1) evaluator_report(e, E2015, span, "`%s` would run over %lld", index->name, (long long)extent), *failed = true;
    if (!*failed) index->extent = extent;
  } else {
    if (bound->kind != VALUE_RANGE || bound->range.low != floor(bound->range.low) || bound->range.high != floor(bound->range.high)) {
      evaluator_report(e, E2052, span, "an index runs over a range of whole numbers, and this is %s", value_text(e, bound));
      *failed = true;
      return true;
    }
    index->start = (int64_t)bound->range.low;
    index->extent = (int64_t)(bound->range.high - bound->range.low) + 1;
    if (index->extent < 1) evaluator_report(e, E2016, span, "%g..%g", bound->range.low, bound->range.high), *failed = true;
  }
  index->cut = true;
  index->span = span;
  return true;
}

static bool item_names_index(const Syntax *item, const char **name, Span *span) {
  if (item->kind == SYNTAX_NAME) {
    *name = item->name, *span = item->span;
    return true;
  }
  if (item->kind == SYNTAX_BINARY && (item->binary.op == OPERATOR_LESS || item->binary.op == OPERATOR_IN) && item->binary.left->kind == SYNTAX_NAME) {
    *name = item->binary.left->name, *span = item->binary.left->span;
    return true;
  }
  return false;
}

/* ---- bounds from the text: every bare subscript of a known value ------------------------------------------------------------------ */

typedef struct Scan { Evaluator *e; Frame *frame; Index *until; bool fine; } Scan;

static Index *scanned_index(Scan *scan, const char *name) {
  for (Index *index = scan->e->indices; index != scan->until; index = index->outer)
    if (index->name == name) return index;
  return NULL;
}

static void scan_bounds(void *context, Syntax *syntax) {
  Scan *scan = context;
  if (syntax->kind == SYNTAX_SUBSCRIPT && syntax->subscript.operand->kind == SYNTAX_NAME && scan->fine) {
    Value *base = NULL;
    for (int k = 0; k < syntax->subscript.items.count; k++) {
      const Syntax *item = syntax->subscript.items.items[k];
      Index *index = item->kind == SYNTAX_NAME ? scanned_index(scan, item->name) : NULL;
      if (index == NULL) continue;
      if (base == NULL) base = name_find(scan->e, scan->frame, syntax->subscript.operand->name, syntax->span);
      if (base == NULL) break;
      Value *value = base->kind == VALUE_SLOT ? slot_value(scan->e, base->slot) : base;
      if (value->kind == VALUE_TENSOR && k < value->tensor.rank) scan->fine &= index_bound(scan->e, index, value->tensor.shape[k], item->span);
      else if (value->kind == VALUE_LIST && k == 0) scan->fine &= index_bound(scan->e, index, value->list.count, item->span);
    }
  }
  syntax_children(syntax, scan_bounds, scan);
}

static bool bounds_from(Evaluator *e, Frame *frame, const Syntax *syntax, Index *until) {
  Scan scan = {e, frame, until, true};
  scan_bounds(&scan, (Syntax *)(uintptr_t)syntax);
  return scan.fine;
}

/* ---- subscripts ------------------------------------------------------------------------------------------------------------------------ */

/* An integer expression as a coordinate: affine where it is affine, else computed. */
static bool affine_coordinate(const Scalar *scalar, Coordinate *out) {
  Coordinate a, b;
  switch ((int)scalar->op) {
  case OP_CONSTANT:
    if (scalar->value != nearbyint(scalar->value)) return false;
    *out = coordinate_constant((int64_t)scalar->value);
    return true;
  case OP_INDEX: *out = coordinate_variable(scalar->variable); return true;
  case OP_NEGATE:
    if (!affine_coordinate(scalar->argument[0], &a)) return false;
    *out = coordinate_scale(a, -1);
    return true;
  case OP_ADD:
    if (!affine_coordinate(scalar->argument[0], &a) || !affine_coordinate(scalar->argument[1], &b)) return false;
    *out = coordinate_add(a, b);
    return true;
  case OP_MULTIPLY:
    for (int k = 0; k < 2; k++) {
      const Scalar *factor = scalar->argument[k];
      if (factor->op != OP_CONSTANT || factor->value != nearbyint(factor->value) || !affine_coordinate(scalar->argument[1 - k], &a)) continue;
      *out = coordinate_scale(a, (int64_t)factor->value);
      return true;
    }
    return false;
  default: return false;
  }
}

static Coordinate scalar_coordinate(const Scalar *scalar) {
  Coordinate coordinate;
  if (affine_coordinate(scalar, &coordinate)) return coordinate;
  coordinate = coordinate_constant(0);
  coordinate.computed = scalar;
  return coordinate;
}

/* Is every value of the coordinate inside [0, size)? Unknown extents count as no. */
static bool coordinate_stays(Evaluator *e, const Coordinate *c, const Value *tensor, int64_t size) {
  int64_t low = c->constant, high = c->constant;
  if (c->computed != NULL) return false;
  for (int t = 0; t < c->term_count; t++) {
    int variable = c->terms[t].variable;
    int64_t extent = variable == SAMPLE_VARIABLE ? e->evaluation->batch
                     : variable < INDEX_VARIABLE ? tensor->tensor.shape[variable - OWN_VARIABLE] : e->by_variable[variable]->extent;
    if (extent < 0) return false;
    int64_t reach = c->terms[t].coefficient * (extent - 1);
    if (reach < 0) low += reach;
    else high += reach;
  }
  return low >= 0 && high < size;
}

static Value *list_subscript(Evaluator *e, Value *list, int count, Value **subscripts, const Syntax *const *items, Span span) {
  int64_t at;
  if (!value_is_whole(subscripts[0], &at)) return NULL;
  if (!value_static_whole(e, subscripts[0], items != NULL ? items[0]->span : span, &at)) return value_error(e);
  if (at < 0 || at >= list->list.count) {
    Diagnostic *diagnostic = evaluator_report(e, E2010, items != NULL ? items[0]->span : span, "this is %lld", (long long)at);
    diagnostic_hint(diagnostic, "the list has %d elements, 0 to %d", list->list.count, list->list.count - 1);
    return value_error(e);
  }
  Value *item = list->list.items[at];
  return count == 1 ? item : value_subscript(e, item, count - 1, subscripts + 1, items != NULL ? items + 1 : NULL, span);
}

Value *value_subscript(Evaluator *e, Value *value, int count, Value **subscripts, const Syntax *const *items, Span span) {
  value = value_dereference(e, value);
  if (value->kind == VALUE_NETWORK || value->kind == VALUE_RECORD) {
    value = value_as_list(e, value, span);
    if (value == NULL) return value_error(e);
  }
  if (value->kind == VALUE_LIST) {
    Value *item = list_subscript(e, value, count, subscripts, items, span);
    if (item != NULL) return item;
  }
  if (value->kind == VALUE_FUNCTION || value->kind == VALUE_RECIPE || value->kind == VALUE_BUILTIN || value->kind == VALUE_STRING) {
    evaluator_report(e, E2012, span, "this is %s", value_text(e, value));
    return value_error(e);
  }
  value = value_as_tensor(e, value, span);
  if (value->kind == VALUE_ERROR) return value;
  if (count > value->tensor.rank) {
    Diagnostic *diagnostic = evaluator_report(e, E2011, span, "%d subscripts for %s", count, value_text(e, value));
    diagnostic_hint(diagnostic, "it has %d axes; the axis of the samples is never written", value->tensor.rank);
    return value_error(e);
  }
  Coordinate by[BOX_LIMIT], at[OWN_LIMIT];
  int64_t shape[OWN_LIMIT];
  int rank = 0;
  bool inside = true, random = value->tensor.random;
  for (int v = 0; v < BOX_LIMIT; v++) by[v] = coordinate_variable(v);
  Value *kept = value_tensor(e, 0, NULL, false, value->tensor.element);
  for (int d = 0; d < value->tensor.rank; d++) {
    int64_t size = value->tensor.shape[d];
    Span place = items != NULL && d < count ? items[d]->span : span;
    Value *subscript = d < count ? value_dereference(e, subscripts[d]) : NULL;
    if (subscript != NULL && subscript->kind == VALUE_ERROR) return subscript;
    if (subscript == NULL || subscript->kind == VALUE_RANGE) {
      int64_t low = subscript == NULL ? 0 : (int64_t)subscript->range.low, high = subscript == NULL ? size - 1 : (int64_t)subscript->range.high;
      if (low < 0 || high >= size || high < low) {
        evaluator_report(e, high < low ? E2016 : E2010, place, "%lld..%lld of an axis of %lld", (long long)low, (long long)high, (long long)size);
        return value_error(e);
      }
      at[d] = coordinate_add(coordinate_variable(OWN_VARIABLE + rank), coordinate_constant(low));
      kept->tensor.shape[rank++] = high - low + 1;
      continue;
    }
    subscript = value_as_tensor(e, subscript, place);
    if (subscript->kind == VALUE_ERROR) return subscript;
    if (subscript->tensor.rank != 0) {
      evaluator_report(e, E2014, place, "a subscript is one whole number, and this is %s", value_text(e, subscript));
      return value_error(e);
    }
    const Scalar *element = subscript->tensor.element;
    if (element->op == OP_CONSTANT && element->value != nearbyint(element->value)) {
      evaluator_report(e, E2014, place, "this is %g", element->value);
      return value_error(e);
    }
    at[d] = scalar_coordinate(element);
    if (coordinate_is_constant(&at[d]) && (at[d].constant < 0 || at[d].constant >= size)) {
      Diagnostic *diagnostic = evaluator_report(e, E2010, place, "this is %lld", (long long)at[d].constant);
      diagnostic_hint(diagnostic, "the axis has %lld elements, 0 to %lld", (long long)size, (long long)(size - 1));
      return value_error(e);
    }
    if (coordinate_is_bare(&at[d]) && at[d].terms[0].variable >= INDEX_VARIABLE && items != NULL && items[d]->kind == SYNTAX_NAME)
      if (!index_bound(e, e->by_variable[at[d].terms[0].variable], size, place)) return value_error(e);
    random |= subscript->tensor.random;
  }
  memcpy(shape, kept->tensor.shape, sizeof shape);
  for (int d = 0; d < value->tensor.rank; d++) inside &= coordinate_stays(e, &at[d], kept, value->tensor.shape[d]);
  if (!inside && value->tensor.element->op != OP_READ) {   /* outside it is 0, and only a read knows what is outside */
    Node *node = value_node(e, value, span);
    if (node == NULL) return value_error(e);
    Value *stored = value_of_node(e, node, value->tensor.element->variables & ~((1u << INDEX_VARIABLE) - 1));
    stored->tensor.random = value->tensor.random;
    value = stored;
  }
  for (int d = 0; d < value->tensor.rank; d++) by[OWN_VARIABLE + d] = at[d];
  Value *result = value_tensor(e, rank, shape, random, scalar_substitute(e->graph, value->tensor.element, by));
  result->tensor.truth = value->tensor.truth;
  result->tensor.classes = value->tensor.classes;
  return result;
}

Value *evaluate_subscript(Evaluator *e, Frame *frame, const Syntax *syntax) {
  if (syntax->subscript.operand->kind == SYNTAX_NAME && strcmp(syntax->subscript.operand->name, "E") == 0) return evaluate_expectation(e, frame, syntax);
  Value *value = evaluate(e, frame, syntax->subscript.operand);
  if (value->kind == VALUE_ERROR) return value;
  int count = syntax->subscript.items.count;
  Value **subscripts = session_allocate(e->session, (size_t)(count + 1) * sizeof *subscripts);
  for (int k = 0; k < count; k++) {
    const Syntax *item = syntax->subscript.items.items[k];
    if (item->kind == SYNTAX_NAME && name_find(e, frame, item->name, item->span) == NULL) {
      Diagnostic *diagnostic = evaluator_report(e, E2050, item->span, "nothing is called `%s`", item->name);
      diagnostic_hint(diagnostic, "an index lives in the definition that has it on its left side, or in `sum[%s] …`", item->name);
      return value_error(e);
    }
    subscripts[k] = evaluate(e, frame, item);
    if (subscripts[k]->kind == VALUE_ERROR) return subscripts[k];
  }
  return value_subscript(e, value, count, subscripts, (const Syntax *const *)syntax->subscript.items.items, syntax->span);
}

/* ---- reductions --------------------------------------------------------------------------------------------------------------------------- */

static Value *constant_tensor(Evaluator *e, double value) { return value_tensor(e, 0, NULL, false, scalar_constant(e->graph, value)); }

Value *evaluate_reduction(Evaluator *e, Frame *frame, const Syntax *syntax) {
  Index *outer = e->indices;
  uint32_t summed = 0;
  const Syntax *conditions[16];
  int condition_count = 0;
  bool failed = false;
  SyntaxOperator op = syntax->reduction.op;
  for (int k = 0; k < syntax->reduction.items.count && !failed; k++) {
    const Syntax *item = syntax->reduction.items.items[k];
    const char *name;
    Span span;
    bool relation = item->kind == SYNTAX_BINARY;
    Index *known = NULL;
    if (item_names_index(item, &name, &span)) known = index_find(e, name);
    else if (item->kind == SYNTAX_BINARY && item->binary.left->kind == SYNTAX_NAME) {          /* `j != i`: a new index with a condition */
      name = item->binary.left->name, span = item->binary.left->span;
      if (index_find(e, name) == NULL && name_find(e, frame, name, span) == NULL) {
        Index *index = index_open(e, frame, name, span);
        if (index == NULL) failed = true;
        else summed |= 1u << index->variable;
      }
      known = index_find(e, name);
    } else name = NULL;
    bool bounds = false;
    if (name != NULL && (known == NULL || !relation) && (item->kind == SYNTAX_NAME || known == NULL)) {
      Index *index = index_open(e, frame, name, span);
      if (index == NULL) failed = true;
      else {
        summed |= 1u << index->variable;
        bounds = relation ? index_relation(e, frame, item, index, &failed) : true;
      }
    }
    if (!bounds && !failed) {
      if (!relation && item->kind != SYNTAX_UNARY) evaluator_report(e, E2052, item->span, "write an index, `i < n`, `i in a..b` or a comparison"), failed = true;
      else if (condition_count < 16) conditions[condition_count++] = item;
    }
  }
  if (!failed) failed = !bounds_from(e, frame, syntax, outer);
  Value *body = failed ? value_error(e) : evaluate_tensor(e, frame, syntax->reduction.operand);
  Value *condition = NULL;
  for (int k = 0; k < condition_count && body->kind != VALUE_ERROR; k++) {
    Value *next = evaluate_tensor(e, frame, conditions[k]);
    Value *pair[2] = {condition, next};
    Span spans[2] = {conditions[k]->span, conditions[k]->span};
    condition = condition == NULL || next->kind == VALUE_ERROR ? next : apply_pointwise(e, OP_AND, 2, pair, spans, conditions[k]->span);
    if (condition->kind == VALUE_ERROR) body = condition;
  }
  Value *result = body;
  bool extreme = op == OPERATOR_MAX || op == OPERATOR_MIN;
  if (body->kind != VALUE_ERROR) {
    if (op == OPERATOR_MIN) body = apply_unary_number(e, OP_NEGATE, NULL, body, syntax->span);
    if (condition != NULL) {
      Value *three[3] = {condition, body, constant_tensor(e, extreme ? -(double)INFINITY : 0)};
      Span spans[3] = {syntax->span, syntax->span, syntax->span};
      body = apply_pointwise(e, OP_SELECT, 3, three, spans, syntax->span);
    }
    result = body->kind == VALUE_ERROR ? body : value_reduce(e, extreme ? COMBINE_MAXIMUM : COMBINE_SUM, body, summed, syntax->span);
    if (result->kind != VALUE_ERROR && op == OPERATOR_MIN) result = apply_unary_number(e, OP_NEGATE, NULL, result, syntax->span);
    if (result->kind != VALUE_ERROR && op == OPERATOR_MEAN) {
      Value *count;
      if (condition == NULL) {
        double product = 1;
        for (int v = INDEX_VARIABLE; v < BOX_LIMIT; v++)
          if (summed & 1u << v) product *= (double)variable_extent(e, body, v, syntax->span);
        count = value_number(e, product);
      } else {
        Value *three[3] = {condition, constant_tensor(e, 1), constant_tensor(e, 0)};
        Span spans[3] = {syntax->span, syntax->span, syntax->span};
        count = value_reduce(e, COMBINE_SUM, apply_pointwise(e, OP_SELECT, 3, three, spans, syntax->span), summed, syntax->span);
        Value *two[2] = {count, constant_tensor(e, 1)};                       /* a mean over nothing is 0 */
        if (count->kind != VALUE_ERROR) count = apply_pointwise(e, OP_MAXIMUM, 2, two, spans, syntax->span);
      }
      result = apply_binary(e, OPERATOR_DIVIDE, result, count, syntax->span, syntax->span, syntax->span);
    }
  }
  indices_close(e, outer);
  return result;
}

/* ---- assignments by index -------------------------------------------------------------------------------------------------------------------- */

/* y[i, j] = value: the indices become the leading axes. A name defined `anew` may take another shape; what is declared then bounds only what nothing else does. */
static Value *define_by_index(Evaluator *e, Frame *frame, const Syntax *assign, bool anew, bool has_declared, int declared_rank, const int64_t *declared) {
  const Syntax *target = assign->assign.target;
  Index *outer = e->indices, *lefts[OWN_LIMIT];
  int count = target->subscript.items.count;
  if (count > OWN_LIMIT) {
    evaluator_report(e, E2060, target->span, "more than %d axes", OWN_LIMIT);
    return value_error(e);
  }
  bool failed = false;
  for (int k = 0; k < count && !failed; k++) {
    const Syntax *item = target->subscript.items.items[k];
    const char *name;
    Span span;
    if (!item_names_index(item, &name, &span)) {
      Diagnostic *diagnostic = evaluator_report(e, E2008, item->span, "this is no bare index");
      diagnostic_hint(diagnostic, "`+=` takes any subscript on its left side");
      failed = true;
      break;
    }
    for (int j = 0; j < k; j++)
      if (lefts[j]->name == name) evaluator_report(e, E2008, span, "`%s` stands here twice", name), failed = true;
    lefts[k] = failed ? NULL : index_open(e, frame, name, span);
    if (lefts[k] == NULL) failed = true;
    else if (item->kind == SYNTAX_BINARY) index_relation(e, frame, item, lefts[k], &failed);
    if (!failed && !anew && has_declared && k < declared_rank && lefts[k]->extent < 0) lefts[k]->extent = declared[k];
  }
  if (!failed) failed = !bounds_from(e, frame, assign->assign.value, outer);
  for (int k = 0; k < count && k < declared_rank && !failed && has_declared; k++)
    if (lefts[k]->extent < 0) lefts[k]->extent = declared[k];
  Value *value = failed ? value_error(e) : evaluate_tensor(e, frame, assign->assign.value);
  Value *result = value;
  if (value->kind != VALUE_ERROR) {
    int64_t shape[2 * OWN_LIMIT];
    Coordinate by[BOX_LIMIT];
    for (int v = 0; v < BOX_LIMIT; v++) by[v] = coordinate_variable(v);
    for (int k = 0; k < count; k++) {
      shape[k] = variable_extent(e, value, lefts[k]->variable, target->span);
      if (shape[k] < 1) failed = true;
      by[lefts[k]->variable] = coordinate_variable(OWN_VARIABLE + k);
    }
    for (int d = 0; d < value->tensor.rank && d + count < OWN_LIMIT; d++) {
      shape[count + d] = value->tensor.shape[d];
      by[OWN_VARIABLE + d] = coordinate_variable(OWN_VARIABLE + count + d);
    }
    int rank = count + value->tensor.rank;
    if (rank > OWN_LIMIT) evaluator_report(e, E2060, target->span, "%d axes", rank), failed = true;
    result = failed ? value_error(e) : value_tensor(e, rank, shape, value->tensor.random, scalar_substitute(e->graph, value->tensor.element, by));
  }
  indices_close(e, outer);
  return result;
}

/* Opens an index for every name in subscripts that nothing defines. */
typedef struct Opening { Evaluator *e; Frame *frame; bool in_subscript, failed; } Opening;

static void open_indices(void *context, Syntax *syntax) {
  Opening *opening = context;
  bool inside = opening->in_subscript;
  if (opening->failed) return;
  if (syntax->kind == SYNTAX_NAME && inside) {
    if (index_find(opening->e, syntax->name) == NULL && name_find(opening->e, opening->frame, syntax->name, syntax->span) == NULL)
      opening->failed = index_open(opening->e, opening->frame, syntax->name, syntax->span) == NULL;
    return;
  }
  if (syntax->kind == SYNTAX_REDUCTION) return;            /* its indices are its own */
  if (syntax->kind == SYNTAX_SUBSCRIPT) {
    opening->in_subscript = true;
    for (int k = 0; k < syntax->subscript.items.count; k++) open_indices(opening, syntax->subscript.items.items[k]);
    opening->in_subscript = inside;
    if (syntax->subscript.operand->kind != SYNTAX_NAME) open_indices(opening, syntax->subscript.operand);
    return;
  }
  syntax_children(syntax, open_indices, opening);
}

/* y[f(i)] += value: summed over all indices, dropped outside. */
static Value *increase_by_index(Evaluator *e, Frame *frame, const Syntax *assign, Value *old, bool has_declared, int declared_rank, const int64_t *declared) {
  const Syntax *target = assign->assign.target;
  Index *outer = e->indices;
  int count = target->kind == SYNTAX_SUBSCRIPT ? target->subscript.items.count : 0;
  if (old != NULL) {
    old = value_as_tensor(e, old, target->span);
    if (old->kind == VALUE_ERROR) return old;
    has_declared = true, declared_rank = old->tensor.rank, declared = old->tensor.shape;
  }
  if (!has_declared) {
    Diagnostic *diagnostic = evaluator_report(e, E2009, target->span, "its shape is declared nowhere");
    diagnostic_hint(diagnostic, "declare it as a result: `-> y: [n]`, or give it a value with `=` first");
    return value_error(e);
  }
  if (count > declared_rank) {
    evaluator_report(e, E2011, target->span, "%d subscripts for %s", count, shape_text(e, declared_rank, declared));
    return value_error(e);
  }
  Opening opening = {e, frame, false, false};
  open_indices(&opening, (Syntax *)(uintptr_t)target);
  open_indices(&opening, assign->assign.value);
  bool failed = opening.failed || !bounds_from(e, frame, assign->assign.value, outer);
  for (int k = 0; k < count && !failed; k++) {             /* the left bounds an index only where nothing on the right does */
    const Syntax *item = target->subscript.items.items[k];
    Index *index = item->kind == SYNTAX_NAME ? index_find(e, item->name) : NULL;
    if (index != NULL && index->extent < 0) index->extent = declared[k];
  }
  Value *value = failed ? value_error(e) : evaluate_tensor(e, frame, assign->assign.value);
  Value *result = value;
  if (value->kind != VALUE_ERROR) {
    int rest = declared_rank - count;
    bool fits = value->tensor.rank == 0 || (value->tensor.rank == rest && memcmp(value->tensor.shape, declared + count, sizeof(int64_t) * (size_t)rest) == 0);
    if (!fits) {
      evaluator_report(e, E2004, assign->assign.value->span, "gives %s, where %s is added to", value_text(e, value), shape_text(e, rest, declared + count));
      result = value_error(e);
    } else {
      Value *whole = value_tensor(e, rest, declared + count, value->tensor.random, value->tensor.element);
      Coordinate write[RANK_LIMIT], by[BOX_LIMIT];
      int64_t box[BOX_LIMIT], shape[RANK_LIMIT];
      int box_rank = 0, rank = 0;
      bool random = value->tensor.random;
      uint32_t own_indices = 0, used = value->tensor.element->variables, lefts = 0;
      for (Index *index = e->indices; index != outer; index = index->outer) own_indices |= 1u << index->variable;
      Coordinate left[OWN_LIMIT];
      for (int k = 0; k < count; k++) {
        Value *subscript = evaluate_tensor(e, frame, target->subscript.items.items[k]);
        if (subscript->kind == VALUE_ERROR) { indices_close(e, outer); return subscript; }
        left[k] = scalar_coordinate(subscript->tensor.element);
        lefts |= subscript->tensor.element->variables;
        random |= subscript->tensor.random;
      }
      used |= lefts | own_indices;
      for (int v = 0; v < BOX_LIMIT; v++) by[v] = coordinate_constant(0);
      if (random) {
        write[rank] = coordinate_variable(box_rank), shape[rank++] = e->evaluation->batch;
        by[SAMPLE_VARIABLE] = coordinate_variable(box_rank), box[box_rank++] = e->evaluation->batch;
      }
      uint32_t free_indices = 0;
      for (int v = INDEX_VARIABLE; v < BOX_LIMIT; v++) {
        if ((used & 1u << v) == 0) continue;
        int64_t extent = variable_extent(e, whole, v, target->span);
        if (extent < 1) failed = true;
        if ((own_indices & 1u << v) == 0) write[rank] = coordinate_variable(box_rank), shape[rank++] = extent, free_indices |= 1u << v;
        by[v] = coordinate_variable(box_rank), box[box_rank++] = extent;
      }
      for (int d = 0; d < rest; d++) by[OWN_VARIABLE + d] = coordinate_variable(box_rank), box[box_rank++] = declared[count + d];
      for (int k = 0; k < count; k++) write[rank] = coordinate_substitute(e->graph, &left[k], by), shape[rank++] = declared[k];
      for (int d = 0; d < rest; d++) write[rank] = by[OWN_VARIABLE + d], shape[rank++] = declared[count + d];
      if (failed) result = value_error(e);
      else {
        Node *node = graph_compute(e->graph, COMBINE_SUM, box_rank, box, random ? 1u : 0u, access_new(e->graph, rank, write), rank, shape, random,
                                   scalar_substitute(e->graph, whole->tensor.element, by), NULL, assign->span);
        result = value_of_node(e, node, free_indices);
        result->tensor.random = random;
        if (old != NULL) result = apply_binary(e, OPERATOR_ADD, old, result, assign->span, target->span, assign->assign.value->span);
      }
    }
  }
  indices_close(e, outer);
  return result;
}

Value *evaluate_indexed_assignment(Evaluator *e, Frame *frame, const Syntax *assign, Value *old, bool has_declared, int declared_rank, const int64_t *declared) {
  if (assign->assign.op == OPERATOR_INCREASE) return increase_by_index(e, frame, assign, old, has_declared, declared_rank, declared);
  return define_by_index(e, frame, assign, old != NULL, has_declared, declared_rank, declared);
}
