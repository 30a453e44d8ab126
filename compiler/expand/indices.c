/* Index notation: indices in scope, what bounds them, and subscripts. Takes syntax and values; returns values whose
   elements are expressions over index variables. A node is made only where something is read outside its bounds;
   reductions.c and index_assignments.c make the others. */
#include "evaluator.h"
#include "tests/mutants/mutant.h"

#include <math.h>
#include <string.h>

/* ---- indices in scope -------------------------------------------------------------------------------------------- */

Index *index_find(Evaluator *e, const char *name) {
  for (Index *index = e->indices; index != NULL; index = index->outer)
    if (index->name == name) return index;
  return NULL;
}

Value *index_value(Evaluator *e, Index *index) {
  const Scalar *element = scalar_index(e->graph, index->variable);
  e->mentioned |= 1u << index->variable;
  if (index->start != 0)
    element = scalar_apply(e->graph, OP_ADD, element, scalar_constant(e->graph, (double)index->start), NULL);
  return value_tensor(e, 0, NULL, false, element);
}

Index *index_open(Evaluator *e, Frame *frame, const char *name, Span span) {
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
  while (variable < VARIABLE_LIMIT && e->by_variable[variable] != NULL) variable++;
  if (variable == VARIABLE_LIMIT) {
    Diagnostic *diagnostic = evaluator_report(e, E2061, span, "more than %d indices in one expression", INDEX_LIMIT);
    diagnostic_hint(diagnostic,
                    "give a part with fewer of them a name: `y[i, j] = sum[k] …`, then `sum[i, j] y[i, j]`");
    return NULL;
  }
  Index *index = session_allocate(e->session, sizeof *index);
  *index = (Index){.name = name, .variable = variable, .extent = -1, .span = span, .outer = e->indices};
  e->by_variable[variable] = index;
  e->indices = index;
  return index;
}

void indices_close(Evaluator *e, Index *until) {
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
bool index_relation(Evaluator *e, Frame *frame, const Syntax *item, Index *index, bool *failed) {
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
    if (!*failed && extent < 1)
      evaluator_report(e, E2015, span, "`%s` would run over %lld", index->name, (long long)extent), *failed = true;
    if (!*failed) index->extent = extent;
  } else {
    if (bound->kind != VALUE_RANGE || bound->range.low != floor(bound->range.low) ||
        bound->range.high != floor(bound->range.high)) {
      evaluator_report(e, E2052, span, "an index runs over a range of whole numbers, and this is %s",
                       value_text(e, bound));
      *failed = true;
      return true;
    }
    index->start = (int64_t)bound->range.low - (MUTANT(range_start) && bound->range.low > 0);
    index->extent = (int64_t)(bound->range.high - bound->range.low) + 1;
    if (index->extent < 1)
      evaluator_report(e, E2016, span, "%g..%g", bound->range.low, bound->range.high), *failed = true;
  }
  index->cut = true;
  index->span = span;
  return true;
}

bool item_names_index(const Syntax *item, const char **name, Span *span) {
  if (item->kind == SYNTAX_NAME) {
    *name = item->name, *span = item->span;
    return true;
  }
  if (item->kind == SYNTAX_BINARY && (item->binary.op == OPERATOR_LESS || item->binary.op == OPERATOR_IN) &&
      item->binary.left->kind == SYNTAX_NAME) {
    *name = item->binary.left->name, *span = item->binary.left->span;
    return true;
  }
  return false;
}

/* ---- bounds from the text: every bare subscript of a known value ------------------------------------------------- */

typedef struct Scan {
  Evaluator *e;
  Frame *frame;
  Index *until;
  bool fine;
} Scan;

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
      int rank;
      int64_t shape[OWN_LIMIT];
      if (value_has_shape(scan->e, base, &rank, shape)) { /* a list of equally shaped values has all its axes */
        if (k < rank) scan->fine &= index_bound(scan->e, index, shape[k], item->span);
      } else if (base->kind == VALUE_LIST && k == 0)
        scan->fine &= index_bound(scan->e, index, base->list.count, item->span);
    }
  }
  syntax_children(syntax, scan_bounds, scan);
}

bool bounds_from(Evaluator *e, Frame *frame, const Syntax *syntax, Index *until) {
  Scan scan = {e, frame, until, true};
  scan_bounds(&scan, (Syntax *)(uintptr_t)syntax);
  return scan.fine;
}

/* ---- subscripts -------------------------------------------------------------------------------------------------- */

Coordinate scalar_coordinate(const Scalar *scalar) {
  Coordinate coordinate;
  if (scalar_is_affine(scalar, &coordinate)) return coordinate;
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
                     : variable < INDEX_VARIABLE ? tensor->tensor.shape[variable - OWN_VARIABLE]
                                                 : e->by_variable[variable]->extent;
    if (extent < 0) return false;
    int64_t reach = c->terms[t].coefficient * (extent - 1);
    if (reach < 0) low += reach;
    else high += reach;
  }
  return low >= 0 && high < size;
}

/* Is what lies beyond this axis of the value 0 without more, because its element reads a node that ends where the value
   does? A slice, a shifted or a constant view reads on behind. */
static bool axis_ends_with_node(const Value *tensor, int axis) {
  const Scalar *read = tensor->tensor.element;
  for (int d = 0; read->op == OP_READ && d < read->access->rank; d++) {
    const Coordinate *c = &read->access->coordinates[d];
    if (coordinate_is_bare(c) && c->terms[0].variable == OWN_VARIABLE + axis &&
        read->node->shape[d] == tensor->tensor.shape[axis])
      return true;
  }
  return false;
}

static Value *list_subscript(Evaluator *e, Value *list, int count, Value **subscripts, const Syntax *const *items,
                             Span span) {
  int64_t at;
  if (!value_is_whole(subscripts[0], &at)) return NULL;
  if (!value_static_whole(e, subscripts[0], items != NULL ? items[0]->span : span, &at)) return value_error(e);
  if (at < 0 || at >= list->list.count) {
    Diagnostic *diagnostic =
        evaluator_report(e, E2010, items != NULL ? items[0]->span : span, "this is %lld", (long long)at);
    diagnostic_hint(diagnostic, "the list has %d elements, 0 to %d", list->list.count, list->list.count - 1);
    return value_error(e);
  }
  Value *item = list->list.items[at];
  return count == 1 ? item
                    : value_subscript(e, item, count - 1, subscripts + 1, items != NULL ? items + 1 : NULL, span);
}

/* A view in the making. at: where each axis of `of` is read. result: the axes found so far. */
typedef struct View {
  Value *of;
  Coordinate at[OWN_LIMIT];
  Value *result;
} View;

/* A range takes a piece of the axis, which becomes the next one of the result. */
static bool subscript_range(Evaluator *e, View *view, int axis, double from, double to, Span span) {
  int64_t size = view->of->tensor.shape[axis], low, high;
  if (!number_is_whole(from, &low) || !number_is_whole(to, &high)) {
    evaluator_report(e, E2014, span, "this runs from %g to %g", from, to);
    return false;
  }
  if (low < 0 || high >= size || high < low) {
    evaluator_report(e, high < low ? E2016 : E2010, span, "%lld..%lld of an axis of %lld", (long long)low,
                     (long long)high, (long long)size);
    return false;
  }
  Value *result = view->result;
  view->at[axis] = coordinate_add(coordinate_variable(OWN_VARIABLE + result->tensor.rank),
                                  coordinate_constant(low - (MUTANT(slice_offset) && low > 0)));
  result->tensor.shape[result->tensor.rank++] = high - low + 1;
  return true;
}

/* One place of the axis, constant or computed: the axis is gone. `item` is its text, or NULL. */
static bool subscript_place(Evaluator *e, View *view, int axis, Value *subscript, const Syntax *item, Span span) {
  int64_t size = view->of->tensor.shape[axis];
  subscript = value_as_tensor(e, subscript, span);
  if (subscript->kind == VALUE_ERROR) return false;
  if (subscript->tensor.rank != 0) {
    evaluator_report(e, E2014, span, "a subscript is one whole number, and this is %s", value_text(e, subscript));
    return false;
  }
  const Scalar *element = subscript->tensor.element;
  if (element->op == OP_CONSTANT && element->value != nearbyint(element->value)) {
    evaluator_report(e, E2014, span, "this is %g", element->value);
    return false;
  }
  Coordinate at = view->at[axis] = scalar_coordinate(element);
  if (coordinate_is_constant(&at) && (at.constant < 0 || at.constant >= size)) {
    Diagnostic *diagnostic = evaluator_report(e, E2010, span, "this is %lld", (long long)at.constant);
    diagnostic_hint(diagnostic, "the axis has %lld elements, 0 to %lld", (long long)size, (long long)(size - 1));
    return false;
  }
  view->result->tensor.random |= subscript->tensor.random;
  bool is_index =
      coordinate_is_bare(&at) && at.terms[0].variable >= INDEX_VARIABLE && item != NULL && item->kind == SYNTAX_NAME;
  return !is_index || index_bound(e, e->by_variable[at.terms[0].variable], size, span);
}

/* What lies outside of the value is 0, and a view that can reach there is one of a node of its own, where that is so
   on every axis. NULL after a report. */
static Value *view_source(Evaluator *e, const View *view, Span span) {
  const Value *of = view->of;
  bool inside = true;
  for (int d = 0; d < of->tensor.rank; d++)
    inside &= coordinate_stays(e, &view->at[d], view->result, of->tensor.shape[d]) || axis_ends_with_node(of, d);
  if (inside || (MUTANT(view_outside) && of->tensor.element->op == OP_READ)) return view->of;
  Node *node = value_node(e, of, span);
  if (node == NULL) return NULL;
  Value *stored = value_of_node(e, node, element_indices(of->tensor.element));
  stored->tensor.random = of->tensor.random;
  return stored;
}

static Value *tensor_subscript(Evaluator *e, Value *value, int count, Value **subscripts, const Syntax *const *items,
                               Span span) {
  if (count > value->tensor.rank) {
    Diagnostic *diagnostic = evaluator_report(e, E2011, span, "%d subscripts for %s", count, value_text(e, value));
    diagnostic_hint(diagnostic, "it has %d axes; the axis of the samples is never written", value->tensor.rank);
    return value_error(e);
  }
  View view = {.of = value, .result = value_tensor(e, 0, NULL, value->tensor.random, value->tensor.element)};
  for (int d = 0; d < value->tensor.rank; d++) {
    const Syntax *item = items != NULL && d < count ? items[d] : NULL;
    Span place = item != NULL ? item->span : span;
    Value *subscript = d < count ? value_dereference(e, subscripts[d]) : NULL;
    bool fine = subscript == NULL ? subscript_range(e, &view, d, 0, (double)value->tensor.shape[d] - 1, place)
                : subscript->kind == VALUE_RANGE
                    ? subscript_range(e, &view, d, subscript->range.low, subscript->range.high, place)
                    : subscript_place(e, &view, d, subscript, item, place);
    if (!fine) return value_error(e);
  }
  Value *source = view_source(e, &view, span), *result = view.result;
  if (source == NULL) return value_error(e);
  Coordinate by[VARIABLE_LIMIT];
  for (int v = 0; v < VARIABLE_LIMIT; v++) by[v] = coordinate_variable(v);
  for (int d = 0; d < value->tensor.rank; d++) by[OWN_VARIABLE + d] = view.at[d];
  result->tensor.element = scalar_substitute(e->graph, source->tensor.element, by);
  result->tensor.truth = value->tensor.truth;
  result->tensor.classes = value->tensor.classes;
  return result;
}

Value *value_subscript(Evaluator *e, Value *value, int count, Value **subscripts, const Syntax *const *items,
                       Span span) {
  value = value_dereference(e, value);
  if (value->kind == VALUE_NETWORK || value->kind == VALUE_RECORD) {
    value = value_as_list(e, value, span);
    if (value == NULL) return value_error(e);
  }
  if (value->kind == VALUE_LIST) {
    Value *item = list_subscript(e, value, count, subscripts, items, span);
    if (item != NULL) return item;
  }
  if (value->kind == VALUE_FUNCTION || value->kind == VALUE_RECIPE || value->kind == VALUE_BUILTIN ||
      value->kind == VALUE_STRING) {
    evaluator_report(e, E2012, span, "this is %s", value_text(e, value));
    return value_error(e);
  }
  value = value_as_tensor(e, value, span);
  return value->kind == VALUE_ERROR ? value : tensor_subscript(e, value, count, subscripts, items, span);
}

Value *evaluate_subscript(Evaluator *e, Frame *frame, const Syntax *syntax) {
  if (syntax->subscript.operand->kind == SYNTAX_NAME && strcmp(syntax->subscript.operand->name, "E") == 0)
    return evaluate_expectation(e, frame, syntax);
  Value *value = evaluate(e, frame, syntax->subscript.operand);
  if (value->kind == VALUE_ERROR) return value;
  int count = syntax->subscript.items.count;
  Value **subscripts = session_allocate(e->session, (size_t)(count + 1) * sizeof *subscripts);
  for (int k = 0; k < count; k++) {
    const Syntax *item = syntax->subscript.items.items[k];
    if (item->kind == SYNTAX_NAME && name_find(e, frame, item->name, item->span) == NULL) {
      Diagnostic *diagnostic = evaluator_report(e, E2050, item->span, "nothing is called `%s`", item->name);
      diagnostic_hint(diagnostic, "an index lives in the definition that has it on its left side, or in `sum[%s] …`",
                      item->name);
      return value_error(e);
    }
    subscripts[k] = evaluate(e, frame, item);
    if (subscripts[k]->kind == VALUE_ERROR) return subscripts[k];
  }
  return value_subscript(e, value, count, subscripts, (const Syntax *const *)syntax->subscript.items.items,
                         syntax->span);
}
