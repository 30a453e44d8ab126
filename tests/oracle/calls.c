/* Functions, layers, networks: what a call means, which instance it belongs to, what its body does. */
#include <string.h>

#include "language.h"

/* ---- types ------------------------------------------------------------------------------------------------------- */

Shape type_shape(Frame *frame, const Tree *type) {
  Shape shape = {0};
  if (type == NULL || type->kind == T_CLASS) return shape;
  const Tree *list = type->items[0];
  for (int k = 0; k < list->count; k++) {
    bool spread = list->items[k]->kind == T_SPREAD;
    Value *value = evaluate(frame, spread ? list->items[k]->items[0] : list->items[k]);
    for (int i = 0; i < (spread ? list_length(value) : 1); i++) {
      if (shape.rank == AXES) fail("too many axes");
      shape.at[shape.rank++] = as_int(spread ? list_item(value, i) : value, "a size");
    }
  }
  for (int d = 0; d < shape.rank; d++)
    if (shape.at[d] < 1) fail("a size below 1");
  return shape;
}

/* A name of a type that is static in scope is that number; any other is bound to what came. */
static void bind_size(Frame *frame, const Tree *size, int extent) {
  bool free_name = size->kind == T_NAME && find_static(frame, size->text) == NULL;
  if (free_name) scope_bind(frame->scope, size->text, value_number(extent));
  else if (as_int(evaluate(frame, size), "a size") != extent) fail("expected another size than %d", extent);
}

static void bind_type(Frame *frame, const Tree *type, Value *value) {
  if (type == NULL) return;
  if (type->kind == T_CLASS) {
    if (value->classes == 0) fail("expected a label");
    bind_size(frame, type->items[0], value->classes);
    return;
  }
  Shape shape = as_node(value)->shape;
  const Tree *list = type->items[0];
  int at = 0;
  for (int k = 0; k < list->count; k++) {
    if (list->items[k]->kind != T_SPREAD) {
      if (at == shape.rank) fail("too few axes");
      bind_size(frame, list->items[k], shape.at[at++]);
      continue;
    }
    int count = shape.rank - at - (list->count - 1 - k);
    const char *name = name_of(list->items[k]->items[0]);
    Value **sizes = arena_allocate((size_t)(shape.rank + 1) * sizeof *sizes), *known = scope_find(frame->scope, name);
    if (count < 0) fail("too few axes");
    for (int i = 0; i < count; i++) sizes[i] = value_number(shape.at[at + i]);
    for (int i = 0; known != NULL && i < count; i++)
      if (list_length(known) != count || as_int(list_item(known, i), "a size") != shape.at[at + i])
        fail("expected another shape");
    if (known == NULL) scope_bind(frame->scope, name, value_list(count, sizes));
    at += count;
  }
  if (at != shape.rank) fail("too many axes");
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

/* What is passed is a value: a weight or state as it is now. */
static Value *passed(Value *value) {
  if (value->kind == V_SLOT) return value_node(slot_read(value->slot));
  return value;
}

/* Binds parameters left to right; defaults are evaluated where they stand. */
static void bind_parameters(Frame *frame, const Tree *parameters, int count, Value **arguments, const char **names) {
  int next = 0;
  for (int k = 0; k < parameters->count; k++) {
    const Tree *field = parameters->items[k];
    Value *value = NULL;
    for (int i = 0; i < count; i++)
      if (names != NULL && names[i] != NULL && strcmp(names[i], field->text) == 0) value = arguments[i];
    if (value == NULL && next < count && (names == NULL || names[next] == NULL)) value = arguments[next++];
    if (value == NULL && field->items[1] != NULL) value = evaluate(frame, field->items[1]);
    if (value == NULL) fail("%s is missing", field->text);
    value = passed(value);
    bind_type(frame, field->items[0], value);
    scope_bind(frame->scope, field->text, value);
  }
  if (next < count && (names == NULL || names[next] == NULL)) fail("too many arguments");
}

/* ---- paths ------------------------------------------------------------------------------------------------------- */

/* Mentions of a name in a body, in the order of the text, up to `mention`; definitions inside have mentions of their
   own. */
static bool count_mentions(const Tree *tree, const Tree *mention, int *count) {
  if (tree == NULL) return false;
  if (tree->kind == T_NAME && strcmp(tree->text, mention->text) == 0) ++*count;
  if (tree == mention) return true;
  bool definition = tree->kind == S_FN || tree->kind == S_LAYER || (tree->kind == S_NETWORK && tree->items[1] != NULL);
  for (int k = 0; k < tree->count && !definition; k++)
    if (count_mentions(tree->items[k], mention, count)) return true;
  return false;
}

static const char *joined(const char *path, const char *name) {
  return *path == 0 ? name : arena_format("%s.%s", path, name);
}

static const char *path_of(Frame *frame, const Recipe *recipe) {
  if (recipe->instance != NULL) return recipe->instance;
  if (recipe->mention == NULL) fail("nothing says which instance this is");
  int number = 0;
  if (!count_mentions(frame->body, recipe->mention, &number))
    fail("internal: %s is not mentioned here", recipe->mention->text);
  return joined(frame->path, arena_format("%s_%d%s", recipe->mention->text, number, frame->loops));
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static Value *result_of(Frame *frame, const Tree *definition) {
  const Tree *body = definition->items[3], *gives = definition->items[2];
  Value *last = NULL;
  if (body->kind != T_BLOCK) last = evaluate(frame, body);
  else
    for (int k = 0; k < body->count; k++) run_statement(frame, body->items[k], &last);
  if (gives != NULL && gives->kind == T_FIELD) last = scope_find(frame->scope, gives->text);
  if (gives != NULL && gives->kind == T_FIELDS) {
    last = arena_allocate(sizeof *last);
    *last = (Value){.kind = V_RECORD, .count = gives->count};
    last->items = arena_allocate((size_t)gives->count * sizeof(Value *));
    last->names = arena_allocate((size_t)gives->count * sizeof(char *));
    for (int k = 0; k < gives->count; k++) {
      last->names[k] = gives->items[k]->text;
      last->items[k] = scope_find(frame->scope, gives->items[k]->text);
      if (last->items[k] == NULL) fail("%s has no value", gives->items[k]->text);
    }
  }
  if (last == NULL) fail("%s has no value", definition->text);
  const Tree *type = gives == NULL || gives->kind == T_FIELDS ? NULL : gives->kind == T_FIELD ? gives->items[0] : gives;
  if (type != NULL && !shape_equal(as_node(last)->shape, type_shape(frame, type)))
    fail("the result of %s has another shape", definition->text);
  return last->kind == V_SLOT ? passed(last) : last;
}

static Frame body_frame(const Frame *frame, const char *path, const Recipe *recipe) {
  Frame inner = *frame;
  inner.scope = scope_new(recipe->settings);
  inner.path = path;
  inner.loops = "";
  inner.body = recipe->definition->items[3];
  inner.gives = recipe->definition->items[2];
  inner.statement = false;
  inner.in_library = is_of_library(recipe->definition);
  return inner;
}

static bool same_argument(Value *a, Value *b) {
  if (a->kind == V_NUMBER && b->kind == V_NUMBER) return a->number == b->number;
  return can_be_node(a) && can_be_node(b) && node_equal(as_node(a), as_node(b));
}

Call *call_open(Call call) {
  Evaluation *now = model->evaluation;
  Call *made = arena_allocate(sizeof *made);
  *made = call;
  if (now->active_count == 64) fail("calls too deep");
  return now->active[now->active_count++] = made;
}

void call_close(void) { model->evaluation->active_count--; }

void call_again(const Call *call) {
  Evaluation *now = model->evaluation;
  for (int k = 0; k < call->use_count; k++) slot_read(call->uses[k].slot);
  for (int k = 0; k < now->active_count; k++) now->active[k]->draws |= call->draws;
}

bool call_holds(const Call *call) {
  for (int k = 0; k < call->use_count; k++) {
    bool assigned = false;
    for (int j = 0; j < call->assigned_count; j++) assigned |= call->assigned[j] == call->uses[k].slot;
    if (!assigned && call->uses[k].slot->current != NULL &&
        !node_equal(call->uses[k].slot->current, call->uses[k].node))
      return false;
  }
  return true;
}

bool same_axes(const Axis *a, const Axis *b) {
  while (a != NULL && b != NULL && a->extent == b->extent) a = a->outer, b = b->outer;
  return a == NULL && b == NULL;
}

static bool same_place(const Axis *a, const Axis *b) {
  while (a != NULL && b != NULL && a->at == b->at && a->extent == b->extent) a = a->outer, b = b->outer;
  return a == NULL && b == NULL;
}

static bool at_first_place(const Axis *axis) {
  while (axis != NULL && axis->at == 0) axis = axis->outer;
  return axis == NULL;
}

/* Equal calls of one instance are one call; *number is how many others there were, those for every value of an index
   being one. */
static Call *equal_call(const Frame *frame, const char *path, int count, Value **arguments, int *number) {
  Evaluation *now = model->evaluation;
  bool is_network = frame->network != NULL && strcmp(frame->network->name, path) == 0;
  int alike = 0, others = 0;
  *number = 0;
  for (int k = 0; k < now->call_count; k++) {
    Call *call = now->calls[k];
    if (strcmp(call->path, path) != 0) continue;
    if (at_first_place(call->applied)) {
      if (same_axes(call->applied, frame->applied)) alike++, *number = others;
      others++;
    }
    bool one_draw =
        !call->draws || (strcmp(call->fresh, frame->fresh) == 0 && same_place(call->applied, frame->applied) &&
                         (is_network || call->network_call == frame->call));
    bool equal = call->result != NULL && call->count == count && call->training == frame->training && one_draw &&
                 call_holds(call);
    for (int i = 0; i < count && equal; i++) equal = same_argument(call->arguments[i], arguments[i]);
    if (equal) return call;
  }
  if (at_first_place(frame->applied)) *number = others;
  else if (alike != 1) *number = -1;
  return NULL;
}

Value *apply_layer(Frame *frame, const char *path, const Recipe *recipe, int count, Value **arguments) {
  Evaluation *now = model->evaluation;
  int number;
  Value **kept = arena_allocate((size_t)(count + 1) * sizeof *kept);
  for (int k = 0; k < count; k++) kept[k] = passed(arguments[k]);
  arguments = kept;
  Call *call = equal_call(frame, path, count, arguments, &number);
  if (call != NULL) {
    call_again(call);
    return call->result;
  }
  call = call_open((Call){.path = path,
                          .count = count,
                          .arguments = arguments,
                          .training = frame->training,
                          .number = number,
                          .fresh = frame->fresh,
                          .network_call = frame->call,
                          .applied = frame->applied});
  ROOM(now->calls, now->call_count, now->call_capacity);
  now->calls[now->call_count++] = call;
  Frame inner = body_frame(frame, path, recipe);
  if (frame->network == NULL || strcmp(frame->network->name, path) == 0) inner.numbered = true, inner.call = number;
  bind_parameters(&inner, recipe->definition->items[1], count, arguments, NULL);
  call->result = result_of(&inner, recipe->definition);
  call_close();
  return call->result;
}

static Value *apply_network(Frame *frame, Network *network, int count, Value **arguments) {
  Frame inner = *frame;
  if (frame->network != NULL && frame->network != network) network_holds(frame->network, NULL, network);
  inner.network = network;
  const Tree *syntax = network->syntax;
  if (syntax->items[1] != NULL)
    return apply_layer(&inner, network->name, &(Recipe){.definition = syntax, .settings = scope_new(NULL)}, count,
                       arguments);
  Frame top = {.body = model->file, .path = "", .loops = "", .fresh = frame->fresh, .training = frame->training};
  Value *recipe = evaluate(&top, syntax->items[3]); /* `network G = T` adds no name of its own */
  if (recipe->kind != V_RECIPE || recipe->recipe.definition == NULL) fail("%s is no network", network->name);
  Recipe filled = recipe->recipe;
  if (!filled.set && filled.definition->items[0] != NULL) {
    Frame defaults = {.scope = scope_new(NULL),
                      .body = model->file,
                      .path = "",
                      .loops = "",
                      .fresh = frame->fresh,
                      .training = frame->training};
    bind_parameters(&defaults, filled.definition->items[0], 0, NULL, NULL);
    filled.settings = defaults.scope;
  }
  return apply_layer(&inner, network->name, &filled, count, arguments);
}

static void give_settings(Frame *frame, Recipe *recipe, int count, Value **arguments, const char **names) {
  Frame settings = *frame;
  settings.scope = scope_new(NULL);
  settings.statement = false;
  bind_parameters(&settings, recipe->definition->items[0], count, arguments, names);
  recipe->set = true;
  recipe->settings = settings.scope;
}

/* Applies a recipe (or network) to values. */
Value *call_value(Frame *frame, Value *function, int count, Value **arguments, int training) {
  Frame called = *frame;
  if (training >= 0) called.training = training != 0;
  if (function->kind == V_NETWORK) return apply_network(&called, function->network, count, arguments);
  if (function->kind != V_RECIPE) fail("this cannot be called");
  Recipe recipe = function->recipe;
  if (recipe.builtin != NULL) return call_builtin(&called, &recipe, count, arguments);
  if (recipe.definition->items[0] != NULL && !recipe.set) give_settings(&called, &recipe, 0, NULL, NULL);
  if (recipe.definition->kind == S_LAYER)
    return apply_layer(&called, path_of(frame, &recipe), &recipe, count, arguments);
  const char *path = recipe.mention == NULL ? joined(frame->path, recipe.definition->text) : path_of(frame, &recipe);
  Frame inner = body_frame(&called, path, &recipe); /* a function: its text in place */
  bind_parameters(&inner, recipe.definition->items[1], count, arguments, NULL);
  return result_of(&inner, recipe.definition);
}

typedef struct Arguments {
  int count;
  Value **values;
  const char **names;
  int training;
} Arguments;

static Arguments evaluate_arguments(Frame *frame, const Tree *call, Value *first) {
  Arguments arguments = {.training = -1};
  arguments.values = arena_allocate((size_t)(call->count + 2) * sizeof(Value *));
  arguments.names = arena_allocate((size_t)(call->count + 2) * sizeof(char *));
  if (first != NULL) arguments.values[arguments.count++] = first;
  for (int k = 1; k < call->count; k++) {
    const Tree *item = call->items[k];
    bool named = item->kind == T_NAMED;
    Value *value = evaluate(frame, named ? item->items[0] : item);
    if (named && strcmp(item->text, "training") == 0) {
      arguments.training = as_int(value, "training") != 0;
      continue;
    }
    arguments.names[arguments.count] = named ? item->text : NULL;
    arguments.values[arguments.count++] = value;
  }
  return arguments;
}

static bool takes_settings(Value *function) {
  return function->kind == V_RECIPE && !function->recipe.set && function->recipe.definition != NULL &&
         function->recipe.definition->items[0] != NULL;
}

static bool is_distribution(Value *function) {
  return function->kind == V_RECIPE && function->recipe.builtin != NULL && !function->recipe.set &&
         (strcmp(function->recipe.builtin, "uniform") == 0 || strcmp(function->recipe.builtin, "normal") == 0);
}

static Value *with_settings(Frame *frame, Value *function, const Arguments *arguments) {
  Value *set = arena_allocate(sizeof *set);
  *set = *function;
  if (set->recipe.builtin != NULL) {
    set->recipe.set = true;
    set->recipe.given_count = arguments->count;
    set->recipe.given = arguments->values;
  } else give_settings(frame, &set->recipe, arguments->count, arguments->values, arguments->names);
  return set;
}

static bool mentions(const Tree *tree, const char *name) {
  if (tree == NULL) return false;
  if (tree->kind == T_NAME && strcmp(tree->text, name) == 0) return true;
  for (int k = 0; k < tree->count; k++)
    if (mentions(tree->items[k], name)) return true;
  return false;
}

static const Axis *add_axes(const Axis *applied, const Axis *axes, const Tree *call) {
  if (axes == NULL) return applied;
  applied = add_axes(applied, axes->outer, call);
  if (!mentions(call, axes->name)) return applied;
  Axis *axis = arena_allocate(sizeof *axis);
  *axis = *axes;
  axis->outer = applied;
  return axis;
}

/* What is called on something that depends on an index is applied for every value of it. Inside, the caller's indices
   mean nothing. */
static Frame applied_frame(const Frame *frame, const Tree *call) {
  Frame inner = *frame;
  inner.applied = add_axes(frame->applied, frame->axes, call);
  inner.axes = NULL;
  return inner;
}

Value *evaluate_call(Frame *frame, const Tree *tree) {
  Value *function = evaluate(frame, tree->items[0]);
  Arguments arguments = evaluate_arguments(frame, tree, NULL);
  bool shape_given = arguments.count == 1 && arguments.values[0]->kind == V_LIST;
  if (takes_settings(function) || (is_distribution(function) && !shape_given))
    return with_settings(frame, function, &arguments);
  Frame applied = applied_frame(frame, tree);
  return call_value(&applied, function, arguments.count, arguments.values, arguments.training);
}

/* a |> f(b) is f(a, b); where f has settings, a |> L(s) is L(s)(a) and a |> L(s)(b) is L(s)(a, b). */
Value *evaluate_pipe(Frame *frame, const Tree *tree) {
  Value *left = passed(evaluate(frame, tree->items[0]));
  const Tree *target = tree->items[1];
  Frame applied = applied_frame(frame, tree);
  if (target->kind != T_CALL) return call_value(&applied, evaluate(frame, target), 1, (Value *[]){left}, -1);
  Value *function = evaluate(frame, target->items[0]);
  if (takes_settings(function) || is_distribution(function)) {
    Arguments settings = evaluate_arguments(frame, target, NULL);
    return call_value(&applied, with_settings(frame, function, &settings), 1, (Value *[]){left}, settings.training);
  }
  Arguments arguments = evaluate_arguments(frame, target, left);
  return call_value(&applied, function, arguments.count, arguments.values, arguments.training);
}

/* ---- statements of a body ---------------------------------------------------------------------------------------- */

void each_turn(Frame *frame, const Tree *relation, void (*next)(void *context, Frame *frame), void *context) {
  const Tree *left = relation->items[0], *right = relation->items[1];
  const char *outer = frame->loops;
  if (strcmp(relation->text, "<") == 0 || right->kind == T_RANGE) {
    int low = right->kind == T_RANGE ? as_int(evaluate(frame, right->items[0]), "a range") : 0;
    int high = right->kind == T_RANGE ? as_int(evaluate(frame, right->items[1]), "a range")
                                      : as_int(evaluate(frame, right), "a range") - 1;
    for (int v = low; v <= high; v++) {
      scope_bind(frame->scope, name_of(left), value_number(v));
      frame->loops = arena_format("%s[%d]", outer, v);
      next(context, frame);
    }
  } else {
    Value *list = evaluate(frame, right);
    int count = list_length(list);
    for (int i = 0; i < count; i++) {
      Value *item = list_item(list, i);
      if (left->kind == T_TUPLE)
        for (int k = 0; k < left->count; k++) scope_bind(frame->scope, name_of(left->items[k]), list_item(item, k));
      else scope_bind(frame->scope, name_of(left), item);
      frame->loops =
          item->kind == V_NUMBER ? arena_format("%s[%g]", outer, item->number) : arena_format("%s[%d]", outer, i);
      next(context, frame);
    }
  }
  frame->loops = outer;
}

typedef struct Body {
  const Tree *block;
  Value **last;
} Body;

static void run_turn(void *context, Frame *frame) {
  Body *body = context;
  for (int k = 0; k < body->block->count; k++) run_statement(frame, body->block->items[k], body->last);
}

static bool declared_shape(Frame *frame, const char *name, Shape *shape) {
  const Tree *gives = frame->gives;
  for (int k = 0; gives != NULL && k < (gives->kind == T_FIELDS ? gives->count : 1); k++) {
    const Tree *field = gives->kind == T_FIELDS ? gives->items[k] : gives;
    if (field->kind != T_FIELD || strcmp(field->text, name) != 0 || field->items[0] == NULL) continue;
    *shape = type_shape(frame, field->items[0]);
    return true;
  }
  return false;
}

/* A recipe with a name is one instance; so is each in a list of them. */
static Value *named(Frame *frame, const char *name, Value *value) {
  if (value->kind == V_SLOT) return passed(value);
  if (value->kind == V_RECIPE && value->recipe.definition != NULL && value->recipe.definition->kind == S_LAYER &&
      value->recipe.instance == NULL) {
    Value *instance = arena_allocate(sizeof *instance);
    *instance = *value;
    instance->recipe.instance = joined(frame->path, arena_format("%s%s", name, frame->loops));
    return instance;
  }
  if (value->kind != V_LIST) return value;
  bool fixed = true, recipes = false;
  for (int i = 0; i < value->count; i++)
    fixed &= value->items[i]->kind == V_NUMBER, recipes |= value->items[i]->kind == V_RECIPE;
  if (!recipes) return !fixed && can_be_node(value) ? value_node(as_node(value)) : value;
  Value **items = arena_allocate((size_t)value->count * sizeof *items);
  for (int i = 0; i < value->count; i++) items[i] = named(frame, arena_format("%s[%d]", name, i), value->items[i]);
  return value_list(value->count, items);
}

static void run_definition(Frame *frame, const Tree *statement) {
  const Tree *target = statement->items[0];
  Shape shape;
  if (target->kind == T_SUBSCRIPT) {
    const char *name = name_of(target->items[0]);
    bool declared = declared_shape(frame, name, &shape);
    scope_bind(frame->scope, name, define_by_index(frame, target, statement->items[1], declared ? &shape : NULL));
    return;
  }
  Value *value = evaluate(frame, statement->items[1]);
  if (target->kind == T_TUPLE) {
    for (int k = 0; k < target->count; k++)
      scope_bind(frame->scope, name_of(target->items[k]),
                 value->kind == V_RECORD ? value->items[k] : list_item(value, k));
    return;
  }
  value = named(frame, name_of(target), value);
  if (frame->statement && can_be_node(value) && value->kind != V_NUMBER)
    value = value_node(node_new(N_STILL, 0, as_node(value)->shape, 1, (Node *[]){as_node(value)}));
  scope_bind(frame->scope, name_of(target), value);
}

static void run_move(Frame *frame, const Tree *statement) {
  Value *target = evaluate(frame, statement->items[0]);
  if (target->kind != V_SLOT) fail("<- moves states and weights");
  Node *node = evaluate_to_node(frame, statement->items[1]);
  if (node->random) fail("a state would depend on a sample");
  if (node->shape.rank != 0 && !shape_equal(node->shape, target->slot->tensor.shape))
    fail("a state would take another shape");
  if (frame->statement) node = node_new(N_STILL, 0, node->shape, 1, &node);
  slot_assign(target->slot, node);
}

void run_statement(Frame *frame, const Tree *statement, Value **last) {
  Body body = {NULL, last};
  Shape shape;
  switch (statement->kind) {
  case S_DEFINE: run_definition(frame, statement); break;
  case S_INCREASE: {
    const Tree *target = statement->items[0];
    const char *name = name_of(target->kind == T_SUBSCRIPT ? target->items[0] : target);
    bool declared = declared_shape(frame, name, &shape);
    scope_bind(frame->scope, name,
               increase(frame, target, statement->items[1], scope_find(frame->scope, name), declared ? &shape : NULL));
    break;
  }
  case S_MOVE: run_move(frame, statement); break;
  case S_WEIGHT:
  case S_STATE: {
    Value *value = arena_allocate(sizeof *value);
    *value = (Value){.kind = V_SLOT, .slot = declare_slot(frame, statement)};
    scope_bind(frame->scope, statement->text, value);
    break;
  }
  case S_NOISE: scope_bind(frame->scope, statement->text, local_noise(frame, statement)); break;
  case S_FOR:
    body.block = statement->items[1];
    each_turn(frame, statement->items[0], run_turn, &body);
    break;
  case S_IF:
    body.block = statement->items[as_static(evaluate(frame, statement->items[0]), "a condition") != 0 ? 1 : 2];
    if (body.block != NULL && body.block->kind == S_IF) run_statement(frame, body.block, last);
    else if (body.block != NULL) run_turn(&body, frame);
    break;
  case S_VALUE: *last = evaluate(frame, statement->items[0]); break;
  default: fail("a %s does not stand in a body", kind_names[statement->kind]);
  }
}
