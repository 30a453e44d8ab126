/* The words of the language that can be called. */
#include <math.h>
#include <string.h>

#include "language.h"

static Value *one_argument(const char *name, int count, Value **arguments) {
  if (count != 1) fail("%s takes one value", name);
  return arguments[0];
}

Value *expectation(Value *value) {
  if (value->kind == V_NUMBER) return value;
  Node *node = as_node(value);
  return node->random ? value_node(node_new(N_MEAN_OF_SAMPLES, 0, node->shape, 1, &node)) : value_node(node);
}

/* Everything of a list of unequal shapes, too. */
static Node *sum_of_all(Value *value, double *elements) {
  if (can_be_node(value)) {
    Node *node = as_node(value);
    *elements += shape_size(node->shape);
    return node_new(N_TOTAL, 0, (Shape){0}, 1, &node);
  }
  int count = list_length(value);
  if (count == 0) return node_constant(0);
  Node **parts = arena_allocate((size_t)count * sizeof *parts);
  for (int i = 0; i < count; i++) parts[i] = sum_of_all(list_item(value, i), elements);
  return node_new(N_SUM, 0, (Shape){0}, count, parts);
}

static bool is_fixed_list(Value *value) {
  bool fixed = value->kind == V_LIST;
  for (int i = 0; fixed && i < value->count; i++) fixed = value->items[i]->kind == V_NUMBER;
  return fixed;
}

/* sum, mean, max and min of a whole value; of static numbers they are static. */
static Value *total(const char *name, Value *value) {
  bool adds = strcmp(name, "sum") == 0 || strcmp(name, "mean") == 0;
  if (is_fixed_list(value)) {
    Value *result = value_number(0);
    for (int i = 0; i < value->count; i++) {
      result = i == 0 ? value->items[0]
                      : apply2(adds                             ? G_ADD
                               : *name == 'm' && name[1] == 'a' ? G_MAX
                                                                : G_MIN,
                               result, value->items[i]);
    }
    return *name == 'm' && adds ? apply2(G_DIVIDE, result, value_number(value->count)) : result;
  }
  double elements = 0;
  if (adds) {
    Node *sum = sum_of_all(value, &elements);
    return value_node(*name == 's' ? sum : node_map2(G_DIVIDE, sum, node_constant(elements)));
  }
  Node *node = as_node(value);
  return value_node(node_new(N_EXTREME, strcmp(name, "max") == 0 ? 1 : -1, (Shape){0}, 1, &node));
}

static bool is_flat(Node *node) {
  const double *numbers = node_numbers(node);
  int count = shape_size(node->shape) * (node->random ? samples : 1);
  for (int k = 0; k < count; k++)
    if (!(fabs(numbers[k]) < 1e-12)) return false;
  return true;
}

/* One weight or value, or a list of them. */
static Value *gradient(Value *e, Value *by) {
  if (by->kind == V_NUMBER || (by->kind == V_NODE && !by->node->varies)) fail("grad by something static");
  if (by->kind != V_LIST && by->kind != V_NETWORK) {
    Node *node = node_grad(as_node(e), as_node(by));
    if (model->inputs->refuse_flat && is_flat(node)) fail("a derivative is flat");
    return value_node(node);
  }
  int count = list_length(by);
  Value **items = arena_allocate((size_t)(count + 1) * sizeof *items);
  for (int i = 0; i < count; i++) items[i] = gradient(e, list_item(by, i));
  return value_list(count, items);
}

static Shape shape_from(Value *list) {
  Shape shape = {.rank = list_length(list)};
  if (shape.rank > AXES) fail("too many axes");
  for (int d = 0; d < shape.rank; d++) shape.at[d] = as_int(list_item(list, d), "a size");
  return shape;
}

static Value *shape_list(Shape shape) {
  Value **items = arena_allocate((size_t)(shape.rank + 1) * sizeof *items);
  for (int d = 0; d < shape.rank; d++) items[d] = value_number(shape.at[d]);
  return value_list(shape.rank, items);
}

static Value *zipped(Value *a, Value *b) {
  int count = list_length(a);
  Value **items = arena_allocate((size_t)(count + 1) * sizeof *items);
  for (int i = 0; i < count; i++) {
    Value **pair = arena_allocate(2 * sizeof *pair);
    pair[0] = list_item(a, i);
    pair[1] = list_item(b, i);
    items[i] = value_list(2, pair);
  }
  return value_list(count, items);
}

static Value *filled(Value *value, Shape shape) {
  Node *node = as_node(value);
  int size = shape_size(shape), *from = arena_allocate((size_t)(size + 1) * sizeof(int));
  return value_node(node_gather(node, shape, from));
}

static const char *const words[] = {"E",   "grad",    "constant", "sum",     "mean",  "max",
                                    "min", "reshape", "fill",     "shape",   "rank",  "len",
                                    "zip", "reverse", "require",  "uniform", "normal"};

static int scalar_function(const char *name) {
  for (int f = F_EXP; f <= F_ROUND; f++)
    if (strcmp(name, scalar1_names[f]) == 0) return f;
  return -1;
}

bool is_builtin(const char *name) {
  for (size_t k = 0; k < sizeof words / sizeof *words; k++)
    if (strcmp(words[k], name) == 0) return true;
  return scalar_function(name) >= 0;
}

Value *call_builtin(Frame *frame, const Recipe *recipe, int count, Value **arguments) {
  const char *name = recipe->builtin;
  int f = scalar_function(name);
  if (f >= 0) return apply1((Scalar1)f, one_argument(name, count, arguments));
  if (strcmp(name, "uniform") == 0 || strcmp(name, "normal") == 0)
    return draw_from(frame, recipe, shape_from(one_argument(name, count, arguments)));
  if (strcmp(name, "require") == 0 && count >= 2) { /* what is to be written instead belongs to the message */
    if (as_static(arguments[0], "what is required") == 0) fail("what is required does not hold");
    return value_number(0);
  }
  if (count == 2) {
    if (strcmp(name, "max") == 0) return apply2(G_MAX, arguments[0], arguments[1]);
    if (strcmp(name, "min") == 0) return apply2(G_MIN, arguments[0], arguments[1]);
    if (strcmp(name, "grad") == 0) return gradient(arguments[0], arguments[1]);
    if (strcmp(name, "zip") == 0) return zipped(arguments[0], arguments[1]);
    if (strcmp(name, "fill") == 0) return filled(arguments[0], shape_from(arguments[1]));
    if (strcmp(name, "reshape") == 0) {
      Node *node = as_node(arguments[0]);
      Shape shape = shape_from(arguments[1]);
      if (shape_size(shape) != shape_size(node->shape)) fail("reshape to another number of elements");
      return value_node(part_of(node, 0, shape));
    }
  }
  Value *value = one_argument(name, count, arguments);
  if (strcmp(name, "E") == 0) return expectation(value);
  if (strcmp(name, "shape") == 0) return shape_list(as_node(value)->shape);
  if (strcmp(name, "rank") == 0) return value_number(as_node(value)->shape.rank);
  if (strcmp(name, "len") == 0) return value_number(list_length(value));
  if (strcmp(name, "constant") == 0) {
    Node *node = as_node(value);
    return value_node(node_new(N_STILL, 0, node->shape, 1, &node));
  }
  if (strcmp(name, "reverse") == 0) {
    int length = list_length(value);
    Value **items = arena_allocate((size_t)(length + 1) * sizeof *items);
    for (int i = 0; i < length; i++) items[i] = list_item(value, length - 1 - i);
    return value_list(length, items);
  }
  return total(name, value);
}
