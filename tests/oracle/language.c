/* Names, values and expressions. */
#include <math.h>
#include <string.h>

#include "language.h"

Model *model;

/* ---- values ------------------------------------------------------------------------------------------------------ */

static Value *value_new(ValueKind kind) {
  Value *value = arena_allocate(sizeof *value);
  value->kind = kind;
  return value;
}

Value *value_number(double number) {
  Value *value = value_new(V_NUMBER);
  value->number = number;
  return value;
}

Value *value_node(Node *node) {
  Value *value = value_new(V_NODE);
  value->node = node;
  return value;
}

Value *value_list(int count, Value **items) {
  Value *value = value_new(V_LIST);
  value->count = count;
  value->items = items;
  return value;
}

/* A network, where a list is wanted, is the list of its weights. */
int list_length(Value *value) {
  Slot **weights;
  if (value->kind == V_LIST) return value->count;
  if (value->kind == V_NETWORK) return network_weights(value->network, &weights);
  Node *node = as_node(value);
  if (node->shape.rank == 0) fail("a number has no length");
  return node->shape.at[0];
}

Value *list_item(Value *value, int i) {
  if (i < 0 || i >= list_length(value)) fail("element %d of a list of %d", i, list_length(value));
  if (value->kind == V_LIST) return value->items[i];
  if (value->kind == V_NETWORK) {
    Slot **weights;
    network_weights(value->network, &weights);
    Value *item = value_new(V_SLOT);
    item->slot = weights[i];
    return item;
  }
  Node *node = as_node(value);
  Shape shape = {.rank = node->shape.rank - 1};
  for (int d = 0; d < shape.rank; d++) shape.at[d] = node->shape.at[d + 1];
  return value_node(part_of(node, i * shape_size(shape), shape));
}

bool can_be_node(Value *value) {
  if (value->kind == V_NUMBER || value->kind == V_NODE || value->kind == V_SLOT) return true;
  if (value->kind != V_LIST && value->kind != V_NETWORK) return false;
  int count = list_length(value);
  for (int i = 0; i < count; i++)
    if (!can_be_node(list_item(value, i)) ||
        !shape_equal(as_node(list_item(value, i))->shape, as_node(list_item(value, 0))->shape))
      return false;
  return count > 0;
}

Node *as_node(Value *value) {
  if (value->kind == V_NODE) return value->node;
  if (value->kind == V_NUMBER) return node_constant(value->number);
  if (value->kind == V_SLOT) return slot_read(value->slot);
  if (!can_be_node(value)) fail("this is no tensor");
  int count = list_length(value);
  Node **operands = arena_allocate((size_t)count * sizeof(Node *));
  for (int i = 0; i < count; i++) operands[i] = as_node(list_item(value, i));
  Shape shape = {.rank = operands[0]->shape.rank + 1, .at = {count}};
  if (shape.rank > AXES) fail("too many axes");
  for (int d = 1; d < shape.rank; d++) shape.at[d] = operands[0]->shape.at[d - 1];
  return node_new(N_STACK, 0, shape, count, operands);
}

double as_static(Value *value, const char *what) {
  if (value->kind != V_NUMBER) fail("%s is not static", what);
  return value->number;
}

int as_int(Value *value, const char *what) {
  double number = as_static(value, what);
  if (number != floor(number) || fabs(number) > 1e9) fail("%s is no whole number", what);
  return (int)number;
}

const char *name_of(const Tree *tree) {
  if (tree->kind != T_NAME) fail("this is no name");
  return tree->text;
}

/* ---- scopes ------------------------------------------------------------------------------------------------------ */

Scope *scope_new(Scope *parent) {
  Scope *scope = arena_allocate(sizeof *scope);
  scope->parent = parent;
  return scope;
}

void scope_bind(Scope *scope, const char *name, Value *value) {
  ROOM(scope->bindings, scope->count, scope->capacity);
  scope->bindings[scope->count++] = (Binding){name, value};
}

Value *scope_find(Scope *scope, const char *name) {
  for (; scope != NULL; scope = scope->parent)
    for (int k = scope->count - 1; k >= 0; k--)
      if (strcmp(scope->bindings[k].name, name) == 0) return scope->bindings[k].value;
  return NULL;
}

bool is_of_library(const Tree *definition);

static Frame top_frame(const Frame *frame) {
  return (Frame){.body = model->file, .path = "", .loops = "", .fresh = frame->fresh, .training = frame->training};
}

static const Tree *definition_in(const Tree *file, const char *name) {
  for (int k = 0; file != NULL && k < file->count; k++) {
    const Tree *statement = file->items[k];
    const char *defined = statement->kind == S_DEFINE && statement->items[0]->kind == T_NAME ? statement->items[0]->text
                          : statement->kind == S_DATA || statement->kind == S_NOISE || statement->kind == S_STATE ||
                                  statement->kind == S_FN || statement->kind == S_LAYER || statement->kind == S_NETWORK
                              ? statement->text
                              : NULL;
    if (defined != NULL && strcmp(defined, name) == 0) return statement;
  }
  return NULL;
}

static Value *counter_value(double *counter) {
  double *now = arena_allocate(sizeof *now);
  *now = *counter;
  return value_node(node_given((Shape){0}, false, now, counter));
}

/* What a name of the file (or of the library) stands for in this evaluation: the same thing wherever it is mentioned on
   one draw. */
static Value *file_meaning(Frame *frame, const char *name) {
  Evaluation *now = model->evaluation;
  const Tree *statement = frame->in_library ? NULL : definition_in(model->file, name);
  if (statement == NULL) statement = definition_in(model->library, name);
  if (statement == NULL) return NULL;
  if (is_of_library(statement)) {
    Value *value = value_new(V_RECIPE);
    value->recipe.definition = statement;
    return value;
  }
  for (int k = 0; k < now->meaning_count; k++)
    if (strcmp(now->meanings[k].name, name) == 0 && strcmp(now->meanings[k].fresh, frame->fresh) == 0 &&
        call_holds(now->meanings[k].call)) {
      call_again(now->meanings[k].call);
      return now->meanings[k].value;
    }
  Value *value;
  Call *call = call_open((Call){.path = name});
  Frame top = top_frame(frame);
  if (statement->kind == S_DATA || statement->kind == S_NOISE) value = top_variable(&top, statement);
  else if (statement->kind == S_STATE) {
    value = value_new(V_SLOT);
    value->slot = declare_slot(&top, statement);
  } else if (statement->kind == S_NETWORK) {
    value = value_new(V_NETWORK);
    value->network = network_find(name);
    value->recipe.definition = statement;
  } else if (statement->kind == S_DEFINE) {
    Scope *inner = scope_new(NULL);
    top.scope = inner;
    value = evaluate(&top, statement->items[1]);
    if (value->kind == V_LIST && can_be_node(value)) {
      bool fixed = true;
      for (int i = 0; i < value->count; i++) fixed &= value->items[i]->kind == V_NUMBER;
      if (!fixed) value = value_node(as_node(value));
    }
  } else {
    value = value_new(V_RECIPE);
    value->recipe.definition = statement;
  }
  call_close();
  ROOM(now->meanings, now->meaning_count, now->meaning_capacity);
  now->meanings[now->meaning_count++] = (Meaning){name, frame->fresh, value, call};
  return value;
}

static const char *const own_words[] = {"step",  "image", "epoch", "progress", "training",
                                        "batch", "pi",    "true",  "false"};

bool is_defined(Frame *frame, const char *name) {
  for (size_t k = 0; k < sizeof own_words / sizeof *own_words; k++)
    if (strcmp(own_words[k], name) == 0) return true;
  return scope_find(frame->scope, name) != NULL || (!frame->in_library && definition_in(model->file, name) != NULL) ||
         definition_in(model->library, name) != NULL || is_builtin(name);
}

Value *find_static(Frame *frame, const char *name) {
  Value *value = scope_find(frame->scope, name);
  const Tree *statement = frame->in_library ? NULL : definition_in(model->file, name);
  if (value == NULL && statement != NULL && statement->kind == S_DEFINE) value = file_meaning(frame, name);
  return value != NULL && (value->kind == V_NUMBER || value->kind == V_LIST) ? value : NULL;
}

bool is_of_library(const Tree *definition) {
  return definition->text != NULL && definition_in(model->library, definition->text) == definition;
}

Value *find_name(Frame *frame, const char *name) {
  Value *value = scope_find(frame->scope, name);
  if (value != NULL) return value;
  static const struct {
    const char *name;
    size_t offset;
  } counters[] = {{"step", offsetof(Model, step)},
                  {"image", offsetof(Model, image)},
                  {"epoch", offsetof(Model, epoch)},
                  {"progress", offsetof(Model, progress)}};
  for (size_t k = 0; k < sizeof counters / sizeof *counters; k++)
    if (strcmp(name, counters[k].name) == 0)
      return counter_value((double *)(void *)((char *)model + counters[k].offset));
  if (strcmp(name, "training") == 0) return value_number(frame->training);
  if (strcmp(name, "batch") == 0) return value_number(model->batch);
  if (strcmp(name, "pi") == 0) return value_number(acos(-1.0));
  if (strcmp(name, "true") == 0 || strcmp(name, "false") == 0) return value_number(*name == 't');
  value = file_meaning(frame, name);
  if (value != NULL || !is_builtin(name)) return value;
  value = value_new(V_RECIPE);
  value->recipe.builtin = name;
  return value;
}

/* ---- pointwise operations ---------------------------------------------------------------------------------------- */

static bool is_ragged(Value *value) {
  return (value->kind == V_LIST || value->kind == V_NETWORK) && !can_be_node(value);
}

Value *apply1(Scalar1 f, Value *a) {
  if (a->kind == V_NUMBER) {
    double out;
    number_apply1(f, 0, &a->number, &out);
    Value *value = value_number(out);
    value->indexed = a->indexed;
    return value;
  }
  if (!is_ragged(a)) return value_node(node_map1(f, as_node(a)));
  int count = list_length(a);
  Value **items = arena_allocate((size_t)(count + 1) * sizeof(Value *));
  for (int i = 0; i < count; i++) items[i] = apply1(f, list_item(a, i));
  return value_list(count, items);
}

Value *apply2(Scalar2 g, Value *a, Value *b) {
  if (a->kind == V_NUMBER && b->kind == V_NUMBER) {
    double out;
    number_apply2(g, 0, &a->number, &b->number, &out);
    Value *value = value_number(out);
    value->indexed = a->indexed || b->indexed;
    return value;
  }
  if (!is_ragged(a) && !is_ragged(b)) return value_node(node_map2(g, as_node(a), as_node(b)));
  int count = list_length(is_ragged(a) ? a : b);
  Value **items = arena_allocate((size_t)(count + 1) * sizeof(Value *));
  for (int i = 0; i < count; i++)
    items[i] = apply2(g, a->kind == V_LIST || a->kind == V_NETWORK ? list_item(a, i) : a,
                      b->kind == V_LIST || b->kind == V_NETWORK ? list_item(b, i) : b);
  return value_list(count, items);
}

/* A static condition that is the same everywhere is the branch chosen, as far as derivatives and players are
   concerned. */
Value *choose_value(Value *condition, Value *yes, Value *no) {
  if (condition->kind == V_NUMBER) return condition->number != 0 ? yes : no;
  Node *node = as_node(condition);
  if (!node->varies && as_node(yes)->shape.rank == as_node(no)->shape.rank &&
      as_node(yes)->shape.rank >= node->shape.rank) {
    const double *numbers = node_numbers(node);
    int size = shape_size(node->shape), holds = 0;
    for (int e = 0; e < size; e++) holds += numbers[e] != 0;
    if (holds == 0 || holds == size) return holds == size ? yes : no;
  }
  return value_node(node_select(as_node(condition), as_node(yes), as_node(no)));
}

/* ---- expressions ------------------------------------------------------------------------------------------------- */

static Value *evaluate_binary(Frame *frame, const Tree *tree) {
  Value *a = evaluate(frame, tree->items[0]);
  if (strcmp(tree->text, "in") == 0) {
    const Tree *right = tree->items[1];
    if (right->kind == T_RANGE) {
      Value *low = evaluate(frame, right->items[0]), *high = evaluate(frame, right->items[1]);
      return apply2(G_AND, apply2(G_LESS_EQUAL, low, a), apply2(G_LESS_EQUAL, a, high));
    }
    Value *list = evaluate(frame, right), *found = value_number(0);
    for (int i = 0; i < list_length(list); i++) found = apply2(G_OR, found, apply2(G_EQUAL, a, list_item(list, i)));
    return found;
  }
  bool either = strcmp(tree->text, "or") == 0, both = strcmp(tree->text, "and") == 0;
  if (a->kind == V_NUMBER && (either || both) && (a->number != 0) == either)
    return a; /* it decides: the right side is never looked at */
  Value *b = evaluate(frame, tree->items[1]);
  if (strcmp(tree->text, ">") == 0) return apply2(G_LESS, b, a);
  if (strcmp(tree->text, ">=") == 0) return apply2(G_LESS_EQUAL, b, a);
  for (int g = 0; g < G_MAX; g++)
    if (strcmp(tree->text, scalar2_names[g]) == 0) return apply2((Scalar2)g, a, b);
  fail("no operator is called %s", tree->text);
}

static Value *evaluate_list(Frame *frame, const Tree *tree) {
  Value **items = NULL;
  int count = 0, capacity = 0;
  for (int k = 0; k < tree->count; k++) {
    bool spread = tree->items[k]->kind == T_SPREAD;
    Value *value = evaluate(frame, spread ? tree->items[k]->items[0] : tree->items[k]);
    int length = spread ? list_length(value) : 1;
    for (int i = 0; i < length; i++) {
      ROOM(items, count, capacity);
      items[count++] = spread ? list_item(value, i) : value;
    }
  }
  return value_list(count, items);
}

typedef struct Collected {
  const Tree *tree;
  int turn, count, capacity;
  Value **items;
} Collected;

static void collect_turn(void *context, Frame *frame) {
  Collected *collected = context;
  const Tree *turn = collected->tree->items[collected->turn];
  if (turn->count > 1 && as_static(evaluate(frame, turn->items[1]), "a condition") == 0) return;
  if (++collected->turn < collected->tree->count)
    each_turn(frame, collected->tree->items[collected->turn]->items[0], collect_turn, collected);
  else {
    Value *value = evaluate(frame, collected->tree->items[0]);
    ROOM(collected->items, collected->count, collected->capacity);
    collected->items[collected->count++] = value;
  }
  collected->turn--;
}

static Value *evaluate_turns(Frame *frame, const Tree *tree) {
  Collected collected = {.tree = tree, .turn = 1};
  Frame inner = *frame;
  inner.scope = scope_new(frame->scope);
  each_turn(&inner, tree->items[1]->items[0], collect_turn, &collected);
  return value_list(collected.count, collected.items);
}

static Value *evaluate_member(Frame *frame, const Tree *tree) {
  Value *record = evaluate(frame, tree->items[0]);
  for (int k = 0; record->kind == V_RECORD && k < record->count; k++)
    if (strcmp(record->names[k], tree->text) == 0) return record->items[k];
  fail("no member is called %s", tree->text);
}

static Value *evaluate_name(Frame *frame, const Tree *tree) {
  Value *value = find_name(frame, tree->text);
  if (value == NULL) fail("nothing is called %s", tree->text);
  if (value->kind != V_RECIPE && value->kind != V_NETWORK) return value;
  Value *mentioned = value_new(value->kind); /* a recipe remembers where it was written */
  *mentioned = *value;
  mentioned->recipe.mention = tree;
  return mentioned;
}

Value *evaluate(Frame *frame, const Tree *tree) {
  switch (tree->kind) {
  case T_NUMBER: return value_number(tree->number);
  case T_STRING: {
    Value *value = value_new(V_TEXT);
    value->text = tree->text;
    return value;
  }
  case T_NAME: return evaluate_name(frame, tree);
  case T_UNARY:
    if (strcmp(tree->text, "fresh") == 0) return fresh_value(frame, tree);
    return apply1(*tree->text == '-' ? F_NEGATE : F_NOT, evaluate(frame, tree->items[0]));
  case T_BINARY: return evaluate_binary(frame, tree);
  case T_IF: {
    Value *condition = evaluate(frame, tree->items[0]);
    int chosen = condition->kind == V_NUMBER && condition->number == 0 ? 2 : 1;
    if (condition->kind == V_NUMBER && condition->indexed)
      evaluate(frame, tree->items[3 - chosen]); /* it is there for other values */
    if (condition->kind == V_NUMBER) return evaluate(frame, tree->items[chosen]);
    Value *yes = evaluate(frame, tree->items[1]);
    return choose_value(condition, yes, evaluate(frame, tree->items[2]));
  }
  case T_PIPE: return evaluate_pipe(frame, tree);
  case T_CALL: return evaluate_call(frame, tree);
  case T_SUBSCRIPT: return evaluate_subscript(frame, tree);
  case T_REDUCTION: return evaluate_reduction(frame, tree);
  case T_LIST: return evaluate_list(frame, tree);
  case T_TURNS: return evaluate_turns(frame, tree);
  case T_MEMBER: return evaluate_member(frame, tree);
  default: fail("a %s is no expression", kind_names[tree->kind]);
  }
}

Node *evaluate_to_node(Frame *frame, const Tree *tree) { return as_node(evaluate(frame, tree)); }
