/* Values: what names and expressions of a model mean while it is expanded. A tensor is an expression over the sample,
   its own axes and the indices in scope, written out into a node only where it is kept. Takes values; returns values;
   never reads syntax. */
#include "evaluator.h"
#include "tests/mutants/mutant.h"

#include <math.h>
#include <string.h>

Value *value_kind(Evaluator *e, ValueKind kind) {
  Value *value = session_allocate(e->session, sizeof *value);
  value->kind = kind;
  return value;
}

Value *value_number(Evaluator *e, double number) {
  Value *value = value_kind(e, VALUE_NUMBER);
  value->number.value = number;
  return value;
}

Value *value_truth(Evaluator *e, bool truth) {
  Value *value = value_number(e, truth);
  value->number.truth = true;
  return value;
}

Value *value_string(Evaluator *e, const char *text) {
  Value *value = value_kind(e, VALUE_STRING);
  value->string = text;
  return value;
}

static int64_t binding_leaves(int count, const Binding *items) {
  int64_t leaves = 0;
  for (int k = 0; k < count; k++) leaves += value_leaves(items[k].value);
  return leaves;
}

int64_t value_leaves(Value *value) {
  if (value->kind == VALUE_RECORD && value->record.leaves == 0)
    value->record.leaves = binding_leaves(value->record.count, value->record.items);
  if (value->kind == VALUE_RECORD) return value->record.leaves;
  if (value->kind == VALUE_RECIPE) return 1 + value->recipe->leaves;
  if (value->kind != VALUE_LIST) return 1;
  for (int k = 0, counted = value->list.leaves != 0; k < value->list.count && !counted; k++)
    value->list.leaves += value_leaves(value->list.items[k]);
  return value->list.leaves;
}

Value *value_list(Evaluator *e, int count, Value **items) {
  Value *value = value_kind(e, VALUE_LIST);
  value->list.count = count;
  value->list.items = session_allocate(e->session, (size_t)(count + 1) * sizeof *items);
  if (count > 0 && items != NULL) memcpy(value->list.items, items, (size_t)count * sizeof *items);
  e->work += e->exhausted    ? 0
             : items == NULL ? count
                             : value_leaves(value); /* the next expression says so if that was too much */
  return value;
}

double shape_size(int rank, const int64_t *shape) {
  double size = 1;
  for (int d = 0; d < rank; d++) size *= (double)shape[d];
  return size;
}

Value *value_tensor(Evaluator *e, int rank, const int64_t *shape, bool random, const Scalar *element) {
  Value *value = value_kind(e, VALUE_TENSOR);
  value->tensor.rank = rank;
  for (int d = 0; d < rank; d++) value->tensor.shape[d] = shape[d];
  value->tensor.random = random;
  value->tensor.element = element;
  return value;
}

/* ---- variables of an expression ---------------------------------------------------------------------------------- */

static void identity_map(Coordinate *by) {
  for (int v = 0; v < VARIABLE_LIMIT; v++) by[v] = coordinate_variable(v);
}

const Scalar *element_shift(Evaluator *e, const Scalar *element, int rank, int shift) {
  if (shift == 0 || rank == 0) return element;
  Coordinate by[VARIABLE_LIMIT];
  identity_map(by);
  for (int d = 0; d < rank; d++) by[OWN_VARIABLE + d] = coordinate_variable(OWN_VARIABLE + d + shift);
  return scalar_substitute(e->graph, element, by);
}

uint32_t element_indices(const Scalar *element) { return element->variables & ~((1u << INDEX_VARIABLE) - 1); }

int64_t variable_extent(Evaluator *e, const Value *tensor, int variable, Span span) {
  if (variable == SAMPLE_VARIABLE) return e->evaluation->batch;
  if (variable < INDEX_VARIABLE) return tensor->tensor.shape[variable - OWN_VARIABLE];
  Index *index = e->by_variable[variable];
  if (index->extent < 0) {
    Diagnostic *diagnostic =
        evaluator_report(e, E2006, index->span, "nothing bounds `%s` before it is used", index->name);
    if (span.source != NULL) diagnostic_also(diagnostic, span, "needed here");
    diagnostic_hint(diagnostic, "write `%s < n`, or use it as a bare subscript", index->name);
    index->extent = 0;
  }
  return index->extent;
}

/* ---- from nodes and back ----------------------------------------------------------------------------------------- */

Value *value_of_node(Evaluator *e, Node *node, uint32_t indices) {
  Coordinate coordinates[RANK_LIMIT];
  int axis = 0;
  if (node->batch) coordinates[axis++] = coordinate_variable(SAMPLE_VARIABLE);
  for (int v = INDEX_VARIABLE; v < VARIABLE_LIMIT; v++)
    if (indices & 1u << v) coordinates[axis++] = coordinate_variable(v);
  int rank = node->rank - axis;
  for (int d = 0; d < rank; d++) coordinates[axis + d] = coordinate_variable(OWN_VARIABLE + d);
  const Scalar *element = scalar_read(e->graph, node, access_new(e->graph, node->rank, coordinates));
  return value_tensor(e, rank, node->shape + axis, node->batch, element);
}

/* Axes of the node that holds a value: the batch, free indices (and `more`, along which it is the same), own axes that
   are not summed; then the summed ones. */
typedef struct Layout {
  int rank, box_rank;
  int64_t box[VARIABLE_LIMIT];
  Coordinate by[VARIABLE_LIMIT];
  uint32_t indices;
  bool valid;
} Layout;

static Layout value_layout(Evaluator *e, const Value *tensor, uint32_t summed, uint32_t more, Span span) {
  Layout layout = {.valid = true};
  identity_map(layout.by);
  int order[VARIABLE_LIMIT], count = 0;
  if (tensor->tensor.random && (summed & 1u << SAMPLE_VARIABLE) == 0) order[count++] = SAMPLE_VARIABLE;
  layout.indices = (element_indices(tensor->tensor.element) | more) & ~summed;
  for (int v = INDEX_VARIABLE; v < VARIABLE_LIMIT; v++)
    if (layout.indices & 1u << v) order[count++] = v;
  for (int d = 0; d < tensor->tensor.rank; d++)
    if ((summed & 1u << (OWN_VARIABLE + d)) == 0) order[count++] = OWN_VARIABLE + d;
  layout.rank = count;
  for (int v = 0; v < VARIABLE_LIMIT; v++)
    if (summed & 1u << v) order[count++] = v;
  layout.box_rank = count;
  for (int k = 0; k < count; k++) {
    layout.box[k] = variable_extent(e, tensor, order[k], span);
    if (layout.box[k] <= 0) layout.valid = false;
    layout.by[order[k]] = coordinate_variable(k);
  }
  if (layout.valid && layout.rank > RANK_LIMIT) {
    Diagnostic *diagnostic = evaluator_report(e, E2060, span, "it would have %d axes", layout.rank);
    diagnostic_hint(diagnostic, "at most %d axes, the batch and indices in scope included", RANK_LIMIT);
    layout.valid = false;
  }
  double size = shape_size(layout.rank, layout.box);
  if (layout.valid && size > ELEMENT_LIMIT) {
    evaluator_report(e, E2060, span, "it would have %.3g elements", size);
    layout.valid = false;
  }
  return layout;
}

/* Does the expression only read a whole node, axis by axis? */
static Node *whole_node(Evaluator *e, const Scalar *element, const Layout *layout) {
  if (element->op != OP_READ || element->access != access_identity(e->graph, layout->rank)) return NULL;
  Node *node = element->node;
  if (node->rank != layout->rank || memcmp(node->shape, layout->box, sizeof(int64_t) * (size_t)layout->rank) != 0)
    return NULL;
  return node;
}

static Node *value_node_along(Evaluator *e, const Value *tensor, uint32_t more, Span span) {
  Layout layout = value_layout(e, tensor, 0, more, span);
  if (!layout.valid) return NULL;
  const Scalar *element = scalar_substitute(e->graph, tensor->tensor.element, layout.by);
  Node *whole = whole_node(e, element, &layout);
  if (whole != NULL && whole->batch == tensor->tensor.random) return whole;
  Node *node = graph_map(e->graph, layout.rank, layout.box, tensor->tensor.random, element, model_span(e, span));
  if (node->kind == NODE_COMPUTE && node->name == NULL) node->name = e->path;
  return node;
}

Node *value_node(Evaluator *e, const Value *tensor, Span span) { return value_node_along(e, tensor, 0, span); }

Value *value_reduce(Evaluator *e, Combine combine, const Value *tensor, uint32_t summed, Span span) {
  Layout layout = value_layout(e, tensor, summed, 0, span);
  if (!layout.valid) return value_error(e);
  const Scalar *element = scalar_substitute(e->graph, tensor->tensor.element, layout.by);
  bool batch = tensor->tensor.random && (summed & 1u << SAMPLE_VARIABLE) == 0;
  uint32_t batch_variables = 0;
  if (tensor->tensor.random) batch_variables = 1u << layout.by[SAMPLE_VARIABLE].terms[0].variable;
  Node *node = graph_compute(e->graph, combine, layout.box_rank, layout.box, batch_variables,
                             access_identity(e->graph, layout.rank), layout.rank, layout.box, batch, element, e->path,
                             model_span(e, span));
  Value *value = value_of_node(e, node, layout.indices);
  if (node->batch != batch) value->tensor.random = batch;
  return value;
}

static bool element_is_cheap(const Scalar *element) {
  if (element->op == OP_CONSTANT || element->op == OP_INDEX || element->op == OP_NOTHING) return true;
  if (element->op != OP_READ) return false;
  for (int d = 0; d < element->access->rank; d++)
    if (element->access->coordinates[d].computed != NULL) return false;
  return true;
}

Value *value_stored(Evaluator *e, Value *value, Span span) {
  if (value->kind != VALUE_TENSOR || element_is_cheap(value->tensor.element)) return value;
  for (uint32_t v = INDEX_VARIABLE; v < VARIABLE_LIMIT;
       v++) /* an index without an extent yet: nothing can be stored before it has one */
    if ((value->tensor.element->variables & 1u << v) && e->by_variable[v]->extent < 0) return value;
  Node *node = value_node(e, value, span);
  if (node == NULL) return value_error(e);
  Value *stored = value_of_node(e, node, element_indices(value->tensor.element));
  stored->tensor.random = value->tensor.random;
  stored->tensor.truth = value->tensor.truth;
  stored->tensor.classes = value->tensor.classes;
  return stored;
}

/* The whole of a mark or of something stored: what `grad` can differentiate by. NULL if it is anything else: for every
   index, x[i] of a mark x reaches the others too. */
Node *value_variable(Evaluator *e, Value *value) {
  value = value_dereference(e, value);
  const Scalar *read = value->kind == VALUE_TENSOR ? value->tensor.element : NULL;
  if (read == NULL || read->op != OP_READ || (read->node->kind != NODE_MARK && read->node->kind != NODE_INPUT))
    return NULL;
  if (element_indices(read) != 0 && !value->tensor.apart) return NULL;
  const Value *whole = value_of_node(e, read->node, element_indices(read));
  bool same = whole->tensor.rank == value->tensor.rank &&
              memcmp(whole->tensor.shape, value->tensor.shape, sizeof(int64_t) * (size_t)whole->tensor.rank) == 0;
  return same && whole->tensor.element == read ? read->node : NULL;
}

/* Weights and states stay themselves under any name: networks reach them without being given them. */
static bool is_weight_or_state(Evaluator *e, Value *value) {
  const Node *variable = value_variable(e, value);
  if (variable == NULL) return false;
  if (map_get(&e->slots_by_input, variable) != NULL) return true;
  for (int k = 0; k < e->slot_count && variable->kind == NODE_MARK; k++) /* one that has moved is a mark */
    if (e->slots[k]->current == variable) return true;
  return false;
}

/* A list of weights stays that list; of equal shapes any other is a tensor, of unequal ones each element is marked. */
static Value *list_marked(Evaluator *e, Value *list, uint32_t indices, Span span) {
  int rank, weights = 0, tensors = 0;
  int64_t shape[OWN_LIMIT];
  for (int k = 0; k < list->list.count; k++) {
    const Value *item = value_dereference(e, list->list.items[k]);
    if (item->kind != VALUE_TENSOR && item->kind != VALUE_NUMBER && item->kind != VALUE_LIST) return list;
    weights += is_weight_or_state(e, list->list.items[k]);
    tensors += item->kind != VALUE_NUMBER;
  }
  if (tensors == 0 || weights == list->list.count) return list;
  if (value_has_shape(e, list, &rank, shape))
    return value_marked(e, value_as_tensor(e, list, span), false, indices, span);
  Value *marked = value_list(e, list->list.count, list->list.items);
  for (int k = 0; k < marked->list.count; k++)
    marked->list.items[k] = value_marked(e, marked->list.items[k], false, indices, span);
  return marked;
}

Value *value_marked(Evaluator *e, Value *value, bool same, uint32_t indices, Span span) {
  if (value->kind == VALUE_LIST) return same ? value : list_marked(e, value, indices, span);
  if (value->kind != VALUE_TENSOR) return value;
  uint32_t own = element_indices(value->tensor.element);
  if (is_weight_or_state(e, value) || (same && (indices | own) == own && value_variable(e, value) != NULL))
    return value;
  indices |= own;
  Node *node = value_node_along(e, value, indices, span);
  if (node == NULL) return value_error(e);
  if (!MUTANT(indices_shared) || indices == 0 || node->kind == NODE_COMPUTE) node = graph_mark(e->graph, node, span);
  Value *marked = value_of_node(e, node, indices);
  marked->tensor.apart = indices != 0;
  marked->tensor.random = value->tensor.random, marked->tensor.truth = value->tensor.truth,
  marked->tensor.classes = value->tensor.classes;
  return marked;
}

/* ---- conversions ------------------------------------------------------------------------------------------------- */

Value *value_dereference(Evaluator *e, Value *value) {
  return value->kind == VALUE_SLOT ? slot_value(e, value->slot) : value;
}

const Scalar *number_element(Evaluator *e, const Value *number) {
  return number->number.runtime != NULL ? number->number.runtime : scalar_constant(e->graph, number->number.value);
}

/* What stands where a value is needed: each kind that is none has a code of its own. */
static const struct {
  ValueKind kind;
  DiagnosticCode code;
  const char *hint;
} not_values[] = {
    {VALUE_RECIPE, E2032, "apply it: `x |> recipe`, or `recipe(x)`"},
    {VALUE_INSTANCE, E2032, "apply it: `x |> layer`, or `layer(x)`"},
    {VALUE_FUNCTION, E2033, "call it"},
    {VALUE_BUILTIN, E2033, "call it"},
    {VALUE_NETWORK, E2034, "apply it: `G(z)`; where a list is wanted, it is the list of its weights"},
    {VALUE_STRING, E2020, "strings name files and messages only"},
    {VALUE_RECORD, E2020, "choose a member: `value.name`"},
    {VALUE_RANGE, E2020, "a range bounds an index, a loop or a slice"},
};

Value *value_as_tensor(Evaluator *e, Value *value, Span span) {
  value = value_dereference(e, value);
  switch (value->kind) {
  case VALUE_ERROR:
  case VALUE_TENSOR: return value;
  case VALUE_NUMBER: {
    Value *tensor = value_tensor(e, 0, NULL, false, number_element(e, value));
    tensor->tensor.truth = value->number.truth;
    return tensor;
  }
  case VALUE_LIST: return list_stacked(e, value, span);
  default: break;
  }
  for (size_t k = 0; k < sizeof not_values / sizeof *not_values; k++)
    if (not_values[k].kind == value->kind) {
      Diagnostic *diagnostic = evaluator_report(e, not_values[k].code, span, "this is %s", value_text(e, value));
      diagnostic_hint(diagnostic, "%s", not_values[k].hint);
    }
  return value_error(e);
}

Value *value_as_list(Evaluator *e, Value *value, Span span) {
  if (value->kind == VALUE_SLOT) value = slot_value(e, value->slot);
  switch (value->kind) {
  case VALUE_LIST: return value;
  case VALUE_ERROR: return NULL;
  case VALUE_NETWORK: {
    Slot **weights;
    int count = network_weights(e, value->network, &weights);
    Value *list = value_list(e, count, NULL);
    for (int k = 0; k < count; k++) {
      list->list.items[k] = value_kind(e, VALUE_SLOT);
      list->list.items[k]->slot = weights[k];
    }
    return list;
  }
  case VALUE_RECORD: {
    Value *list = value_list(e, value->record.count, NULL);
    for (int k = 0; k < value->record.count; k++) list->list.items[k] = value->record.items[k].value;
    return list;
  }
  case VALUE_RANGE: {
    if (value->range.low != floor(value->range.low) || value->range.high != floor(value->range.high)) break;
    if (value->range.high - value->range.low >= TURN_LIMIT) {
      Diagnostic *diagnostic = evaluator_report(e, E2061, span, "more than %d turns", TURN_LIMIT);
      diagnostic_hint(diagnostic,
                      "loops are written out; an index runs over any number: `y[i < n] = …`, `sum[i < n] …`");
      return NULL;
    }
    int count = value->range.high < value->range.low ? 0 : (int)(value->range.high - value->range.low) + 1;
    Value *list = value_list(e, count, NULL);
    for (int k = 0; k < count; k++) list->list.items[k] = value_number(e, value->range.low + k);
    return list;
  }
  case VALUE_TENSOR: {
    if (value->tensor.rank == 0) break;
    if (value->tensor.shape[0] > STACK_LIMIT) {
      Diagnostic *diagnostic = evaluator_report(e, E2061, span, "as a list, %s has %lld elements", value_text(e, value),
                                                (long long)value->tensor.shape[0]);
      diagnostic_hint(diagnostic, "at most %d; an index runs over any number of them", STACK_LIMIT);
      return NULL;
    }
    int count = (int)value->tensor.shape[0];
    Value *list = value_list(e, count, NULL);
    for (int k = 0; k < count; k++) {
      Value *at = value_number(e, k);
      list->list.items[k] = value_subscript(e, value, 1, &at, NULL, span);
    }
    return list;
  }
  default: break;
  }
  evaluator_report(e, E2022, span, "this is %s", value_text(e, value));
  return NULL;
}

bool number_is_whole(double number, int64_t *whole) {
  double rounded = nearbyint(number);
  if (!(fabs(number - rounded) <= 1e-9) || fabs(rounded) > 9e15) return false;
  *whole = (int64_t)rounded;
  return true;
}

bool value_is_whole(const Value *value, int64_t *whole) {
  return value->kind == VALUE_NUMBER && !value->number.truth && number_is_whole(value->number.value, whole);
}

/* ---- static demands ---------------------------------------------------------------------------------------------- */

/* With a stack of its own: a sum of many turns depends on one that depends on one, and so on. */
static void freeze_settings(Evaluator *e, const Value *number) {
  int count = 0, capacity = 0;
  Dependence **stack = NULL;
  if (number->number.settings != NULL && !number->number.settings->frozen)
    ARRAY_ADD(e->session, stack, count, capacity, number->number.settings);
  while (count > 0) {
    Dependence *here = stack[--count];
    if (here->frozen) continue;
    here->frozen = true;
    if (here->setting != NULL) here->setting->frozen = true;
    if (here->left != NULL) ARRAY_ADD(e->session, stack, count, capacity, here->left);
    if (here->right != NULL) ARRAY_ADD(e->session, stack, count, capacity, here->right);
  }
}

/* A static number that took the form of a tensor is one again. */
static Value *constant_value(Evaluator *e, Value *value) {
  value = value_dereference(e, value);
  if (value->kind == VALUE_TENSOR && value->tensor.rank == 0 && value->tensor.element->op == OP_CONSTANT) {
    Value *number = value_number(e, value->tensor.element->value);
    number->number.truth = value->tensor.truth;
    return number;
  }
  return value;
}

bool value_static_number(Evaluator *e, Value *value, Span span, double *number) {
  value = constant_value(e, value);
  if (value->kind == VALUE_ERROR) return false;
  if (value->kind != VALUE_NUMBER) {
    if (value->kind == VALUE_TENSOR) {
      Diagnostic *diagnostic = evaluator_report(e, E2035, span, "this is known only while training");
      diagnostic_hint(diagnostic, "sizes, bounds and `if` in bodies take numbers, settings and shapes");
    } else evaluator_report(e, E2020, span, "this is %s", value_text(e, value));
    return false;
  }
  freeze_settings(e, value);
  *number = value->number.value;
  return true;
}

bool value_static_whole(Evaluator *e, Value *value, Span span, int64_t *whole) {
  double number;
  if (!value_static_number(e, value, span, &number)) return false;
  if (!value_is_whole(constant_value(e, value), whole)) {
    evaluator_report(e, E2014, span, "this is %g", number);
    return false;
  }
  return true;
}

bool value_static_truth(Evaluator *e, Value *value, Span span, bool *truth) {
  value = constant_value(e, value);
  if (value->kind == VALUE_ERROR) return false;
  if (value->kind != VALUE_NUMBER || !value->number.truth) {
    bool run_time = value->kind == VALUE_TENSOR;
    Diagnostic *diagnostic =
        evaluator_report(e, run_time ? E2035 : E2021, span,
                         run_time ? "this is known only while training" : "this is %s", value_text(e, value));
    if (run_time) diagnostic_hint(diagnostic, "choose values pointwise: `if … then … else …`");
    return false;
  }
  freeze_settings(e, value);
  *truth = value->number.value != 0;
  return true;
}

bool value_static_shape(Evaluator *e, Value *value, Span span, int *rank, int64_t *shape) {
  value = value_dereference(e, value);
  if (value->kind == VALUE_ERROR) return false;
  if (value->kind != VALUE_LIST) {
    evaluator_report(e, E2024, span, "this is %s; a shape is a list of sizes", value_text(e, value));
    return false;
  }
  if (value->list.count > OWN_LIMIT) {
    evaluator_report(e, E2060, span, "%d axes; at most %d", value->list.count, OWN_LIMIT);
    return false;
  }
  *rank = value->list.count;
  for (int d = 0; d < *rank; d++) {
    if (!value_static_whole(e, value->list.items[d], span, &shape[d])) return false;
    if (shape[d] < 1 || shape[d] > 1 << 30) {
      evaluator_report(e, shape[d] < 1 ? E2015 : E2060, span, "axis %d would have %lld elements", d + 1,
                       (long long)shape[d]);
      return false;
    }
  }
  return true;
}
