/* y[i, j] = value and y[f(i)] += value. Takes an assignment; returns the new value of the name on its left, whatever
   frame that lives in. */
#include "evaluator.h"
#include "tests/mutants/mutant.h"

#include <string.h>

/* ---- y[i, j] = value: the indices become the leading axes -------------------------------------------------------- */

/* `i < n` and `i in a..b` bound the index. False after a report. */
static bool bound_by_item(Evaluator *e, Frame *frame, const Syntax *item, Index *index) {
  bool failed = false;
  if (item->kind != SYNTAX_BINARY) return true;
  if (index_relation(e, frame, item, index, &failed)) return !failed;
  Diagnostic *diagnostic = evaluator_report(e, E2035, item->binary.right->span, "this is known only while training");
  diagnostic_hint(diagnostic, "conditions stand in brackets, `sum[i, %s < …]`, or choose a value: `if … then … else 0`",
                  index->name);
  return false;
}

static bool open_left(Evaluator *e, Frame *frame, const Syntax *target, Index **lefts) {
  for (int k = 0; k < target->subscript.items.count; k++) {
    const Syntax *item = target->subscript.items.items[k];
    const char *name;
    Span span;
    if (!item_names_index(item, &name, &span)) {
      Diagnostic *diagnostic = evaluator_report(e, E2008, item->span, "this is no bare index");
      diagnostic_hint(diagnostic, "`+=` takes any subscript on its left side");
      return false;
    }
    for (int j = 0; j < k; j++)
      if (lefts[j]->name == name) {
        evaluator_report(e, E2008, span, "`%s` stands here twice", name);
        return false;
      }
    lefts[k] = index_open(e, frame, name, span);
    if (lefts[k] == NULL || !bound_by_item(e, frame, item, lefts[k])) return false;
    if (lefts[k]->start != 0) {
      Diagnostic *diagnostic =
          evaluator_report(e, E2068, item->span, "`%s` starts at %lld", name, (long long)lefts[k]->start);
      diagnostic_hint(diagnostic, "write `%s < %lld`, and on the right `%s%+lld`; `+=` may start anywhere", name,
                      (long long)lefts[k]->extent, name, (long long)lefts[k]->start);
      return false;
    }
  }
  return true;
}

static void bound_left(Index **lefts, int count, const Declared *declared) {
  for (int k = 0; k < count && k < declared->rank; k++)
    if (lefts[k]->extent < 0) lefts[k]->extent = declared->shape[k];
}

static Value *with_leading_axes(Evaluator *e, const Value *value, int count, Index **lefts, Span span) {
  int64_t shape[2 * OWN_LIMIT];
  Coordinate by[VARIABLE_LIMIT];
  int rank = count + value->tensor.rank;
  if (rank > OWN_LIMIT) {
    evaluator_report(e, E2060, span, "%d axes", rank);
    return value_error(e);
  }
  for (int v = 0; v < VARIABLE_LIMIT; v++) by[v] = coordinate_variable(v);
  for (int k = 0; k < count; k++) {
    shape[k] = variable_extent(e, value, lefts[k]->variable, span);
    if (shape[k] < 1) return value_error(e);
    by[lefts[k]->variable] = coordinate_variable(OWN_VARIABLE + k);
  }
  for (int d = 0; d < value->tensor.rank; d++) {
    shape[count + d] = value->tensor.shape[d];
    by[OWN_VARIABLE + d] = coordinate_variable(OWN_VARIABLE + count + d);
  }
  Value *whole =
      value_tensor(e, rank, shape, value->tensor.random, scalar_substitute(e->graph, value->tensor.element, by));
  whole->tensor.truth = value->tensor.truth, whole->tensor.classes = value->tensor.classes;
  return whole;
}

/* A name defined `anew` may take another shape: what is declared then bounds only what nothing on the right does. */
static Value *define_by_index(Evaluator *e, Frame *frame, const Syntax *assign, bool anew, const Declared *declared) {
  const Syntax *target = assign->assign.target;
  Index *outer = e->indices, *lefts[OWN_LIMIT];
  int count = target->subscript.items.count;
  if (count > OWN_LIMIT) {
    evaluator_report(e, E2060, target->span, "more than %d axes", OWN_LIMIT);
    return value_error(e);
  }
  bool fine = open_left(e, frame, target, lefts);
  if (fine && !anew && declared != NULL) bound_left(lefts, count, declared);
  fine = fine && bounds_from(e, frame, assign->assign.value, outer);
  if (fine && declared != NULL) bound_left(lefts, count, declared);
  Value *value = fine ? evaluate_tensor(e, frame, assign->assign.value) : value_error(e);
  if (value->kind != VALUE_ERROR) value = with_leading_axes(e, value, count, lefts, target->span);
  indices_close(e, outer);
  return value;
}

/* ---- y[f(i)] += value: summed over all indices, dropped outside -------------------------------------------------- */

/* Opens an index for every name in subscripts that nothing defines. */
typedef struct Opening {
  Evaluator *e;
  Frame *frame;
  bool in_subscript, failed;
} Opening;

static void open_indices(void *context, Syntax *syntax) {
  Opening *opening = context;
  bool inside = opening->in_subscript;
  if (opening->failed) return;
  if (syntax->kind == SYNTAX_NAME && inside) {
    if (index_find(opening->e, syntax->name) == NULL &&
        name_find(opening->e, opening->frame, syntax->name, syntax->span) == NULL)
      opening->failed = index_open(opening->e, opening->frame, syntax->name, syntax->span) == NULL;
    return;
  }
  if (syntax->kind == SYNTAX_REDUCTION) return; /* its indices are its own */
  if (syntax->kind == SYNTAX_SUBSCRIPT) {
    opening->in_subscript = true;
    for (int k = 0; k < syntax->subscript.items.count; k++) open_indices(opening, syntax->subscript.items.items[k]);
    opening->in_subscript = inside;
    if (syntax->subscript.operand->kind != SYNTAX_NAME) open_indices(opening, syntax->subscript.operand);
    return;
  }
  syntax_children(syntax, open_indices, opening);
}

/* The index of its own that an item of the left names, with or without a bound; NULL if it is any other subscript. */
static Index *index_of_item(Evaluator *e, const Syntax *item, const Index *outer) {
  const char *name;
  Span span;
  if (!item_names_index(item, &name, &span)) return NULL;
  for (Index *index = e->indices; index != outer; index = index->outer)
    if (index->name == name) return index;
  return NULL;
}

/* The node in the making: axes of the output and variables of the box, as they are added. */
typedef struct Scatter {
  int rank;
  Coordinate write[RANK_LIMIT + VARIABLE_LIMIT];
  int64_t shape[RANK_LIMIT + VARIABLE_LIMIT];
  int box_rank;
  int64_t box[RANK_LIMIT + VARIABLE_LIMIT];
  Coordinate by[VARIABLE_LIMIT]; /* what a variable of the value becomes */
} Scatter;

static void add_variable(Scatter *scatter, int variable, int64_t extent) {
  scatter->by[variable] = coordinate_variable(scatter->box_rank);
  scatter->box[scatter->box_rank++] = extent;
}

static void add_axis(Scatter *scatter, Coordinate write, int64_t extent) {
  scatter->write[scatter->rank] = write;
  scatter->shape[scatter->rank++] = extent;
}

static Value *scatter_value(Evaluator *e, Frame *frame, const Syntax *assign, const Value *value,
                            const Declared *declared, const Index *outer) {
  const Syntax *target = assign->assign.target;
  int count = target->kind == SYNTAX_SUBSCRIPT ? target->subscript.items.count : 0, rest = declared->rank - count;
  const Value *whole = value_tensor(e, rest, declared->shape + count, value->tensor.random, value->tensor.element);
  Coordinate left[OWN_LIMIT];
  bool random = value->tensor.random;
  uint32_t used = value->tensor.element->variables, own = 0, kept = 0;
  for (const Index *index = e->indices; index != outer; index = index->outer) own |= 1u << index->variable;
  for (int k = 0; k < count; k++) {
    const Syntax *item = target->subscript.items.items[k];
    Index *index = index_of_item(e, item, outer);
    Value *subscript = index != NULL ? index_value(e, index) : evaluate_tensor(e, frame, item);
    if (subscript->kind == VALUE_ERROR) return subscript;
    left[k] = scalar_coordinate(subscript->tensor.element);
    used |= subscript->tensor.element->variables;
    random |= subscript->tensor.random;
  }
  Scatter scatter = {0};
  for (int v = 0; v < VARIABLE_LIMIT; v++) scatter.by[v] = coordinate_constant(0);
  if (random)
    add_variable(&scatter, SAMPLE_VARIABLE, e->evaluation->batch),
        add_axis(&scatter, scatter.by[SAMPLE_VARIABLE], e->evaluation->batch);
  for (int v = INDEX_VARIABLE; v < VARIABLE_LIMIT; v++) {
    if (((used | own) & 1u << v) == 0) continue;
    int64_t extent = variable_extent(e, whole, v, target->span);
    if (extent < 1) return value_error(e);
    add_variable(&scatter, v, extent - (MUTANT(scatter_last) && extent > 1));
    if ((own & 1u << v) != 0) continue;
    add_axis(&scatter, scatter.by[v], extent); /* of an outer definition: every value of it has a sum of its own */
    kept |= 1u << v;
  }
  for (int d = 0; d < rest; d++) add_variable(&scatter, OWN_VARIABLE + d, declared->shape[count + d]);
  for (int k = 0; k < count; k++)
    add_axis(&scatter, coordinate_substitute(e->graph, &left[k], scatter.by), declared->shape[k]);
  for (int d = 0; d < rest; d++) add_axis(&scatter, scatter.by[OWN_VARIABLE + d], declared->shape[count + d]);
  if (scatter.rank > RANK_LIMIT || scatter.box_rank > VARIABLE_LIMIT) {
    evaluator_report(e, E2060, assign->span, "%d axes and %d indices", scatter.rank, scatter.box_rank);
    return value_error(e);
  }
  const Access *write = access_new(e->graph, scatter.rank, scatter.write);
  const Scalar *element = scalar_substitute(e->graph, whole->tensor.element, scatter.by);
  Node *node = graph_compute(e->graph, COMBINE_SUM, scatter.box_rank, scatter.box, random ? 1u : 0u, write,
                             scatter.rank, scatter.shape, random, element, e->path, model_span(e, assign->span));
  Value *result = value_of_node(e, node, kept);
  result->tensor.random = random;
  return result;
}

static Value *increase_by_index(Evaluator *e, Frame *frame, const Syntax *assign, Value *old,
                                const Declared *declared) {
  const Syntax *target = assign->assign.target;
  Index *outer = e->indices;
  int count = target->kind == SYNTAX_SUBSCRIPT ? target->subscript.items.count : 0;
  Declared of_old;
  if (old != NULL) {
    old = value_as_tensor(e, old, target->span);
    if (old->kind == VALUE_ERROR) return old;
    of_old.rank = old->tensor.rank;
    memcpy(of_old.shape, old->tensor.shape, sizeof of_old.shape);
    declared = &of_old;
  }
  if (declared == NULL) {
    Diagnostic *diagnostic = evaluator_report(e, E2009, target->span, "its shape is declared nowhere");
    diagnostic_hint(diagnostic, "declare it as a result: `-> y: [n]`, or give it a value with `=` first");
    return value_error(e);
  }
  if (count > declared->rank) {
    evaluator_report(e, E2011, target->span, "%d subscripts for %s", count,
                     shape_text(e, declared->rank, declared->shape));
    return value_error(e);
  }
  Opening opening = {e, frame, false, false};
  open_indices(&opening, (Syntax *)(uintptr_t)target);
  open_indices(&opening, assign->assign.value);
  bool fine = !opening.failed;
  for (int k = 0; k < count && fine; k++) {
    Index *index = index_of_item(e, target->subscript.items.items[k], outer);
    if (index != NULL) fine = bound_by_item(e, frame, target->subscript.items.items[k], index);
  }
  fine = fine && bounds_from(e, frame, assign->assign.value, outer);
  for (int k = 0; k < count && fine; k++) { /* the left bounds an index only where nothing on the right does */
    Index *index = index_of_item(e, target->subscript.items.items[k], outer);
    if (index != NULL && index->extent < 0) index->extent = declared->shape[k];
  }
  Value *value = fine ? evaluate_tensor(e, frame, assign->assign.value) : value_error(e);
  Value *result = value;
  if (value->kind != VALUE_ERROR) {
    int rest = declared->rank - count;
    bool fits = value->tensor.rank == 0 ||
                (value->tensor.rank == rest &&
                 memcmp(value->tensor.shape, declared->shape + count, sizeof(int64_t) * (size_t)rest) == 0);
    if (!fits) {
      evaluator_report(e, E2004, assign->assign.value->span, "gives %s, where %s is added to", value_text(e, value),
                       shape_text(e, rest, declared->shape + count));
      result = value_error(e);
    } else result = scatter_value(e, frame, assign, value, declared, outer);
  }
  if (old != NULL && result->kind != VALUE_ERROR)
    result = apply_binary(e, OPERATOR_ADD, old, result, assign->span, target->span, assign->assign.value->span);
  indices_close(e, outer);
  return result;
}

Value *evaluate_indexed_assignment(Evaluator *e, Frame *frame, const Syntax *assign, Value *old,
                                   const Declared *declared) {
  if (assign->assign.op == OPERATOR_INCREASE) return increase_by_index(e, frame, assign, old, declared);
  return define_by_index(e, frame, assign, old != NULL, declared);
}
