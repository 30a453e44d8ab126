/* Index notation, written out: every index takes every value, one after the other, as a static number. */
#include <math.h>
#include <string.h>

#include "language.h"

enum { INDEX_LIMIT = 12 };

typedef struct Index {
  const char *name;
  int low, high;
  bool bounded;
} Index; /* low..high, both ends */
typedef struct Indices {
  int count;
  Index at[INDEX_LIMIT];
} Indices;

static Index *add_index(Indices *indices, const char *name) {
  for (int k = 0; k < indices->count; k++)
    if (strcmp(indices->at[k].name, name) == 0) return &indices->at[k];
  if (indices->count == INDEX_LIMIT) fail("too many indices");
  indices->at[indices->count] = (Index){.name = name};
  return &indices->at[indices->count++];
}

Node *part_of(Node *node, int first, Shape shape) {
  int size = shape_size(shape), *from = arena_allocate((size_t)(size + 1) * sizeof(int));
  for (int e = 0; e < size; e++) from[e] = first + e;
  return node_gather(node, shape, from);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* One subscript: a number, a slice, or numbers that are known when the model runs. */
typedef struct Subscript {
  int low, length;
  bool slice, indexed;
  Node *computed;
} Subscript;

static Subscript subscript_of(Frame *frame, const Tree *item) {
  Subscript subscript = {.length = 1};
  if (item->kind == T_RANGE) {
    subscript.slice = true;
    subscript.low = as_int(evaluate(frame, item->items[0]), "the start of a slice");
    subscript.length = as_int(evaluate(frame, item->items[1]), "the end of a slice") - subscript.low + 1;
    return subscript;
  }
  Value *value = evaluate(frame, item);
  if (value->kind == V_NUMBER) {
    subscript.low = as_int(value, "a subscript");
    subscript.indexed = value->indexed;
  } else if ((subscript.computed = as_node(value))->shape.rank != 0) fail("a subscript is one number");
  return subscript;
}

static Value *look_up(Node *table, int count, const Subscript *subscripts) {
  Node *operands[AXES + 1] = {table};
  Shape rest = {.rank = table->shape.rank - count};
  for (int d = 0; d < rest.rank; d++) rest.at[d] = table->shape.at[count + d];
  for (int k = 0; k < count; k++) {
    if (subscripts[k].slice) fail("a slice beside a computed subscript");
    operands[k + 1] = subscripts[k].computed != NULL ? subscripts[k].computed : node_constant(subscripts[k].low);
  }
  return value_node(node_new(N_LOOKUP, 0, rest, count + 1, operands));
}

static Value *cut_out(Node *node, int count, const Subscript *subscripts) {
  Shape shape = {0};
  int low[AXES], length[AXES];
  for (int d = 0; d < node->shape.rank; d++) {
    low[d] = d < count ? subscripts[d].low : 0;
    length[d] = d < count ? subscripts[d].length : node->shape.at[d];
    bool inside = low[d] >= 0 && low[d] + length[d] <= node->shape.at[d];
    if (d < count && !inside && !subscripts[d].indexed)
      fail("a constant subscript %d is outside of axis %d of %d", low[d], d, node->shape.at[d]);
    if (length[d] < 1) fail("an empty slice");
    if (d >= count || subscripts[d].slice) shape.at[shape.rank++] = length[d];
  }
  int size = shape_size(shape), *from = arena_allocate((size_t)(size + 1) * sizeof(int)), digits[AXES] = {0};
  for (int e = 0; e < size; e++) {
    from[e] = 0;
    for (int d = 0; d < node->shape.rank && from[e] >= 0; d++) {
      int at = low[d] + digits[d];
      from[e] = at >= 0 && at < node->shape.at[d] ? from[e] * node->shape.at[d] + at : -1;
    }
    for (int d = node->shape.rank - 1; d >= 0 && ++digits[d] == length[d]; d--) digits[d] = 0;
  }
  return value_node(node_gather(node, shape, from));
}

Value *evaluate_subscript(Frame *frame, const Tree *tree) {
  if (tree_is_name(tree->items[0], "E")) return expectation(evaluate(frame, tree->items[1]));
  Value *operand = evaluate(frame, tree->items[0]);
  int count = tree->count - 1;
  Subscript subscripts[AXES];
  if (count > AXES) fail("too many subscripts");
  bool computed = false;
  for (int k = 0; k < count; k++) {
    subscripts[k] = subscript_of(frame, tree->items[k + 1]);
    computed |= subscripts[k].computed != NULL;
  }
  bool item = (operand->kind == V_LIST || operand->kind == V_NETWORK) && count > 0 && !subscripts[0].slice && !computed;
  if (item && subscripts[0].low >= 0 && subscripts[0].low < list_length(operand)) {
    Value *value = list_item(operand, subscripts[0].low);
    return count == 1 ? value : cut_out(as_node(value), count - 1, subscripts + 1);
  }
  Node *node = as_node(operand);
  if (count > node->shape.rank) fail("%d subscripts for %d axes", count, node->shape.rank);
  return computed ? look_up(node, count, subscripts) : cut_out(node, count, subscripts);
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

/* Can it be looked at for its shape, without moving a state or drawing? */
static bool is_plain(const Tree *tree) {
  bool plain = tree->kind == T_NUMBER || tree->kind == T_NAME || tree->kind == T_SUBSCRIPT || tree->kind == T_MEMBER ||
               tree->kind == T_BINARY || tree->kind == T_UNARY || tree->kind == T_LIST || tree->kind == T_RANGE ||
               (tree->kind == T_CALL && tree_is_name(tree->items[0], "reshape"));
  for (int k = 0; plain && k < tree->count; k++)
    if (tree->items[k] != NULL)
      plain = is_plain(tree->items[k]) && !(tree->kind == T_UNARY && strcmp(tree->text, "fresh") == 0);
  return plain;
}

static void narrow_by(Index *index, int extent) {
  if (index->bounded && (index->low != 0 || index->high != extent - 1))
    fail("the ranges of index %s do not agree", index->name);
  *index = (Index){index->name, 0, extent - 1, true};
}

/* Every subscript that is the bare index bounds it. In `frame` all indices are bound to 0. */
static void bound_by_reads(Frame *frame, const Tree *tree, Index *index) {
  if (tree == NULL) return;
  if (tree->kind == T_SUBSCRIPT && is_plain(tree->items[0]))
    for (int k = 1; k < tree->count; k++) {
      if (!tree_is_name(tree->items[k], index->name) || tree_is_name(tree->items[0], "E")) continue;
      Value *operand = evaluate(frame, tree->items[0]);
      int axis = k - 1, extent;
      if (operand->kind == V_LIST && axis == 0) extent = operand->count;
      else {
        Shape shape = as_node(operand)->shape;
        if (axis >= shape.rank) fail("too many subscripts");
        extent = shape.at[axis];
      }
      narrow_by(index, extent);
    }
  for (int k = 0; k < tree->count; k++) bound_by_reads(frame, tree->items[k], index);
}

static const char *const opens = " < > <= >= == != in ";

static bool is_relation(const Tree *tree) {
  char padded[16];
  if (tree->kind != T_BINARY) return false;
  snprintf(padded, sizeof padded, " %s ", tree->text);
  return strstr(opens, padded) != NULL;
}

/* Does a bracket's item make an index? Its name. */
static const char *index_in(Frame *frame, const Tree *item, const Indices *known) {
  const Tree *name = is_relation(item) ? item->items[0] : item;
  if (name->kind != T_NAME || is_defined(frame, name->text)) return NULL;
  for (int k = 0; k < known->count; k++)
    if (strcmp(known->at[k].name, name->text) == 0) return NULL;
  return name->text;
}

/* `i < n` and `i in a..b` bound; any other relation that makes an index is a condition on it. */
static bool read_bound(Frame *frame, const Tree *item, Index *index) {
  if (strcmp(item->text, "in") == 0 && item->items[1]->kind == T_RANGE) {
    index->low = as_int(evaluate(frame, item->items[1]->items[0]), "the start of a range");
    index->high = as_int(evaluate(frame, item->items[1]->items[1]), "the end of a range");
    return index->bounded = true;
  }
  if (strcmp(item->text, "<") != 0) return false;
  index->low = 0;
  index->high = as_int(evaluate(frame, item->items[1]), "a bound") - 1;
  return index->bounded = true;
}

static Frame frame_with(const Frame *frame, Scope *scope) {
  Frame inner = *frame;
  inner.scope = scope;
  return inner;
}

static void bind_indices(Scope *scope, const Indices *indices, const int *at) {
  scope->count = 0;
  for (int k = 0; k < indices->count; k++) {
    Value *number = value_number(at == NULL ? 0 : at[k]);
    number->indexed = true;
    scope_bind(scope, indices->at[k].name, number);
  }
}

/* The frame where the indices have these values. */
static Frame frame_at(const Frame *frame, const Indices *indices, const int *at) {
  Frame inner = frame_with(frame, scope_new(frame->scope));
  bind_indices(inner.scope, indices, at);
  for (int k = 0; k < indices->count; k++) {
    Axis *axis = arena_allocate(sizeof *axis);
    const Index *index = &indices->at[k];
    *axis = (Axis){index->name, index->high - index->low + 1, at[k] - index->low, inner.axes};
    inner.axes = axis;
  }
  return inner;
}

/* Bounds what nothing has bounded yet, by the reads in these trees. */
static void find_bounds(Frame *frame, Indices *indices, int count, const Tree *const *trees) {
  Frame probe = frame_with(frame, scope_new(frame->scope));
  bind_indices(probe.scope, indices, NULL);
  for (int k = 0; k < indices->count; k++) {
    Index found = {.name = indices->at[k].name};
    if (indices->at[k].bounded) continue;
    for (int t = 0; t < count; t++) bound_by_reads(&probe, trees[t], &found);
    if (found.bounded) indices->at[k] = found;
  }
}

/* The index that an item on the left of += bounds, or NULL. */
static Index *bounded_on_the_left(Frame *frame, const Tree *item, Indices *indices) {
  if (!is_relation(item) || item->items[0]->kind != T_NAME) return NULL;
  for (int j = 0; j < indices->count; j++) {
    if (strcmp(item->items[0]->text, indices->at[j].name) != 0) continue;
    if (!read_bound(frame, item, &indices->at[j])) fail("no bound");
    return &indices->at[j];
  }
  return NULL;
}

/* The next values of all indices; false at the end. */
static bool advance(const Indices *indices, int *at) {
  for (int k = indices->count - 1; k >= 0; k--) {
    if (++at[k] <= indices->at[k].high) return true;
    at[k] = indices->at[k].low;
  }
  return false;
}

static bool start(const Indices *indices, int *at) {
  for (int k = 0; k < indices->count; k++) {
    if (!indices->at[k].bounded) fail("nothing bounds index %s", indices->at[k].name);
    if (indices->at[k].high < indices->at[k].low) return false;
    at[k] = indices->at[k].low;
  }
  return true;
}

/* 0, by something that is never chosen: whether that is depended on is left open. */
static Node *unseen(Node *value) {
  Node *zero = node_constant(0), *total = value->shape.rank == 0 ? value : node_new(N_TOTAL, 0, (Shape){0}, 1, &value);
  return node_new(N_SELECT, 2, (Shape){0}, 3, (Node *[]){zero, total, zero});
}

/* ---- sum, mean, max, min over indices ---------------------------------------------------------------------------- */

typedef struct Terms {
  int count, capacity;
  Value **value, **condition;
  bool fixed;
} Terms;

static void add_term(Terms *terms, Value *value, Value *condition) {
  int capacity = terms->capacity;
  ROOM(terms->value, terms->count, terms->capacity);
  if (capacity != terms->capacity) {
    Value **larger = arena_allocate((size_t)terms->capacity * sizeof *larger);
    if (terms->count > 0) memcpy(larger, terms->condition, (size_t)terms->count * sizeof *larger);
    terms->condition = larger;
  }
  terms->value[terms->count] = value;
  terms->condition[terms->count++] = condition;
  terms->fixed &= value->kind == V_NUMBER && condition == NULL;
}

static Value *sum_of(const Terms *terms, bool count_them) {
  if (terms->count == 0) return value_number(0);
  if (terms->fixed) {
    double sum = 0;
    for (int k = 0; k < terms->count; k++) sum += count_them ? 1 : terms->value[k]->number;
    Value *value = value_number(sum);
    for (int k = 0; k < terms->count; k++) value->indexed |= terms->value[k]->indexed;
    return value;
  }
  Node **operands = arena_allocate((size_t)terms->count * sizeof *operands);
  for (int k = 0; k < terms->count; k++) {
    Node *term = count_them ? node_constant(1) : as_node(terms->value[k]);
    operands[k] =
        terms->condition[k] == NULL ? term : node_select(as_node(terms->condition[k]), term, node_constant(0));
  }
  for (int k = 1; k < terms->count; k++)
    if (!shape_equal(operands[k]->shape, operands[0]->shape)) fail("terms of different shapes");
  return value_node(node_new(N_SUM, 0, operands[0]->shape, terms->count, operands));
}

static Value *extreme_of(const Terms *terms, int sign) {
  if (terms->count == 0) return value_number(0);
  Node **operands = arena_allocate((size_t)(2 * terms->count) * sizeof *operands);
  for (int k = 0; k < terms->count; k++) {
    operands[2 * k] = as_node(terms->value[k]);
    operands[2 * k + 1] = terms->condition[k] == NULL ? node_constant(1) : as_node(terms->condition[k]);
    if (operands[2 * k]->shape.rank != 0) fail("an extreme of tensors");
  }
  return value_node(node_new(N_EXTREME_WHERE, sign, (Shape){0}, 2 * terms->count, operands));
}

static Value *mean_of(const Terms *terms) {
  Value *sum = sum_of(terms, false), *count = sum_of(terms, true);
  if (terms->count == 0) return sum;
  return apply2(G_DIVIDE, sum, count->kind == V_NUMBER ? count : apply2(G_MAX, count, value_number(1)));
}

Value *evaluate_reduction(Frame *frame, const Tree *tree) {
  Indices indices = {0};
  const Tree *conditions[INDEX_LIMIT], *trees[INDEX_LIMIT + 1];
  int condition_count = 0, tree_count = 0;
  for (int k = 1; k < tree->count; k++) {
    const Tree *item = tree->items[k];
    const char *name = index_in(frame, item, &indices);
    Index *index = name == NULL ? NULL : add_index(&indices, name);
    if (index != NULL && (item->kind == T_NAME || read_bound(frame, item, index))) continue;
    if (condition_count == INDEX_LIMIT) fail("too many conditions");
    conditions[condition_count++] = item;
  }
  trees[tree_count++] = tree->items[0];
  for (int k = 0; k < condition_count; k++) trees[tree_count++] = conditions[k];
  find_bounds(frame, &indices, tree_count, trees);
  Frame inner = frame_with(frame, scope_new(frame->scope));
  Terms terms = {.fixed = true};
  int at[INDEX_LIMIT];
  for (bool more = start(&indices, at); more; more = advance(&indices, at)) {
    inner = frame_at(frame, &indices, at);
    Value *condition = NULL;
    bool counts = true;
    for (int k = 0; k < condition_count && counts; k++) {
      Value *now = evaluate(&inner, conditions[k]);
      if (now->kind == V_NUMBER) counts = now->number != 0;
      else condition = condition == NULL ? now : apply2(G_AND, condition, now);
    }
    if (counts) add_term(&terms, evaluate(&inner, tree->items[0]), condition);
  }
  if (terms.count == 0) { /* over nothing: 0; but what is written there is mentioned, and depended on */
    for (int k = 0; k < indices.count; k++) at[k] = 0;
    inner = frame_at(frame, &indices, at);
    for (int k = 0; k < condition_count; k++) evaluate(&inner, conditions[k]);
    Node *body = evaluate_to_node(&inner, tree->items[0]);
    if (body->varies) return value_node(unseen(body));
  }
  if (strcmp(tree->text, "sum") == 0) return sum_of(&terms, false);
  if (strcmp(tree->text, "mean") == 0) return mean_of(&terms);
  return extreme_of(&terms, strcmp(tree->text, "max") == 0 ? 1 : -1);
}

/* ---- y[i, j] = e ------------------------------------------------------------------------------------------------- */

Value *define_by_index(Frame *frame, const Tree *target, const Tree *value, const Shape *declared) {
  Indices indices = {0};
  for (int k = 1; k < target->count; k++) {
    const char *name = index_in(frame, target->items[k], &indices);
    if (name == NULL) fail("the left of = has bare, distinct indices");
    Index *index = add_index(&indices, name);
    if (target->items[k]->kind == T_BINARY && !read_bound(frame, target->items[k], index)) fail("no bound");
    if (index->bounded && index->low != 0) fail("the left of = starts at 0");
  }
  find_bounds(frame, &indices, 1, &value);
  for (int k = 0; k < indices.count; k++)
    if (!indices.at[k].bounded && declared != NULL && k < declared->rank)
      indices.at[k] = (Index){indices.at[k].name, 0, declared->at[k] - 1, true};
  Shape shape = {.rank = indices.count};
  Node **operands = NULL;
  int count = 0, capacity = 0, at[INDEX_LIMIT];
  for (bool more = start(&indices, at); more; more = advance(&indices, at)) {
    Frame inner = frame_at(frame, &indices, at);
    ROOM(operands, count, capacity);
    operands[count] = evaluate_to_node(&inner, value);
    if (!shape_equal(operands[count]->shape, operands[0]->shape)) fail("elements of different shapes");
    count++;
  }
  if (count == 0 || indices.count + operands[0]->shape.rank > AXES) fail("no shape for %s", target->items[0]->text);
  for (int k = 0; k < indices.count; k++) shape.at[k] = indices.at[k].high + 1;
  for (int d = 0; d < operands[0]->shape.rank; d++) shape.at[shape.rank++] = operands[0]->shape.at[d];
  return value_node(node_new(N_STACK, 0, shape, count, operands));
}

/* ---- y[f(i)] += e ------------------------------------------------------------------------------------------------ */

/* Names in subscripts that nothing defines; a reduction's indices are its own. */
static void collect_indices(Frame *frame, const Tree *tree, bool inside, Indices *own, Indices *indices) {
  if (tree == NULL) return;
  if (tree->kind == T_NAME) {
    if (!inside || is_defined(frame, tree->text)) return;
    for (int k = 0; k < own->count; k++)
      if (strcmp(own->at[k].name, tree->text) == 0) return;
    add_index(indices, tree->text);
    return;
  }
  Indices within = *own;
  for (int k = 1; tree->kind == T_REDUCTION && k < tree->count; k++) {
    const char *name = index_in(frame, tree->items[k], &within);
    if (name != NULL) add_index(&within, name);
  }
  bool subscripted = tree->kind == T_SUBSCRIPT && !tree_is_name(tree->items[0], "E");
  for (int k = 0; k < tree->count; k++)
    collect_indices(frame, tree->items[k], subscripted ? k > 0 : inside, &within, indices);
}

typedef struct Sums {
  Shape shape;
  int *count, *capacity;
  Node ***terms;
} Sums;

static void add_to(Sums *sums, int element, Node *term) {
  ROOM(sums->terms[element], sums->count[element], sums->capacity[element]);
  sums->terms[element][sums->count[element]++] = term;
}

/* Adds a value (of the shape of the missing last subscripts, or one number) at a place whose leading subscripts may be
   known only when the model runs. */
static void scatter(Sums *sums, int count, const Subscript *subscripts, Node *value) {
  int places = 1, rest;
  Shape tail = {.rank = sums->shape.rank - count};
  for (int d = 0; d < tail.rank; d++) tail.at[d] = sums->shape.at[count + d];
  for (int d = 0; d < count; d++) places *= sums->shape.at[d];
  rest = shape_size(tail);
  if (value->shape.rank != 0 && !shape_equal(value->shape, tail)) fail("what is added has another shape");
  for (int place = 0; place < places; place++) {
    Node *here = NULL;
    bool lands = true;
    for (int k = count - 1, left = place; k >= 0; k--) {
      int digit = left % sums->shape.at[k];
      left /= sums->shape.at[k];
      if (subscripts[k].computed == NULL) lands &= subscripts[k].low == digit;
      else {
        Node *equal = node_map2(G_EQUAL, subscripts[k].computed, node_constant(digit));
        here = here == NULL ? equal : node_map2(G_AND, here, equal);
      }
    }
    for (int e = 0; e < rest && lands; e++) {
      Node *part = value->shape.rank == 0 ? value : part_of(value, e, (Shape){0});
      add_to(sums, place * rest + e, here == NULL ? part : node_select(here, part, node_constant(0)));
    }
  }
}

Value *increase(Frame *frame, const Tree *target, const Tree *value, Value *old, const Shape *declared) {
  Node *before = old == NULL ? NULL : as_node(old);
  if (before == NULL && declared == NULL) fail("+= on something of no shape");
  Sums sums = {.shape = before != NULL ? before->shape : *declared};
  int size = shape_size(sums.shape), count = target->kind == T_SUBSCRIPT ? target->count - 1 : 0;
  sums.count = arena_allocate(sizeof(int) * (size_t)(size + 1));
  sums.capacity = arena_allocate(sizeof(int) * (size_t)(size + 1));
  sums.terms = arena_allocate(sizeof(Node **) * (size_t)(size + 1));
  if (count > sums.shape.rank) fail("too many subscripts");
  Indices indices = {0}, own = {0};
  if (count > 0) collect_indices(frame, target, false, &own, &indices);
  collect_indices(frame, value, false, &own, &indices);
  const Tree *places[AXES];
  for (int k = 0; k < count; k++) {
    places[k] = target->items[k + 1];
    if (bounded_on_the_left(frame, places[k], &indices) != NULL) places[k] = places[k]->items[0];
  }
  find_bounds(frame, &indices, 1, &value);
  for (int k = 0; k < count; k++) {
    const Tree *item = places[k];
    for (int j = 0; j < indices.count; j++)
      if (tree_is_name(item, indices.at[j].name) && !indices.at[j].bounded)
        indices.at[j] = (Index){indices.at[j].name, 0, sums.shape.at[k] - 1, true};
  }
  for (int e = 0; e < size && before != NULL; e++) add_to(&sums, e, part_of(before, e, (Shape){0}));
  int at[INDEX_LIMIT];
  Node *added = NULL;
  for (bool more = start(&indices, at); more; more = advance(&indices, at)) {
    Frame inner = frame_at(frame, &indices, at);
    Subscript subscripts[AXES];
    for (int k = 0; k < count; k++) {
      subscripts[k] = subscript_of(&inner, places[k]);
      if (subscripts[k].slice) fail("a slice on the left");
    }
    scatter(&sums, count, subscripts, added = evaluate_to_node(&inner, value));
  }
  if (added != NULL && added->varies) add_to(&sums, 0, unseen(added)); /* where all of it falls outside */
  Node **elements = arena_allocate((size_t)(size + 1) * sizeof *elements);
  for (int e = 0; e < size; e++)
    elements[e] = sums.count[e] == 0 ? node_constant(0) : node_new(N_SUM, 0, (Shape){0}, sums.count[e], sums.terms[e]);
  return value_node(node_new(N_STACK, 0, sums.shape, size, elements));
}
