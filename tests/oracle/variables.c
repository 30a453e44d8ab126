/* What is stored and what is drawn: weights, states, data, noise. */
#include <math.h>
#include <string.h>

#include "language.h"

static double rounded(double value) { return model->inputs->narrow ? (double)(float)value : value; }

/* ---- networks and their parts ------------------------------------------------------------------------------------ */

static const Tree *network_syntax(const char *name) {
  for (int k = 0; k < model->file->count; k++) {
    const Tree *statement = model->file->items[k];
    if (statement->kind == S_NETWORK && strcmp(statement->text, name) == 0) return statement;
  }
  return NULL;
}

Network *network_find(const char *name) {
  for (int k = 0; k < model->network_count; k++)
    if (strcmp(model->networks[k]->name, name) == 0) return model->networks[k];
  const Tree *syntax = network_syntax(name);
  if (syntax == NULL) fail("no network is called %s", name);
  Network *network = arena_allocate(sizeof *network);
  *network = (Network){.name = name, .syntax = syntax};
  ROOM(model->networks, model->network_count, model->network_capacity);
  return model->networks[model->network_count++] = network;
}

void network_holds(Network *network, Slot *slot, Network *part) {
  for (int k = 0; k < network->part_count; k++)
    if (network->parts[k].slot == slot && network->parts[k].network == part) return;
  ROOM(network->parts, network->part_count, network->part_capacity);
  network->parts[network->part_count++] = (Part){slot, part};
}

static void collect_weights(Network *network, Slot ***weights, int *count, int *capacity) {
  for (int k = 0; k < network->part_count; k++) {
    Part part = network->parts[k];
    bool known = part.slot == NULL || part.slot->tensor.is_state;
    for (int j = 0; j < *count && !known; j++) known = (*weights)[j] == part.slot;
    if (part.network != NULL) collect_weights(part.network, weights, count, capacity);
    else if (!known) {
      ROOM(*weights, *count, *capacity);
      (*weights)[(*count)++] = part.slot;
    }
  }
}

int network_weights(Network *network, Slot ***weights) {
  int count = 0, capacity = 0;
  *weights = NULL;
  collect_weights(network, weights, &count, &capacity);
  return count;
}

/* ---- weights and states ------------------------------------------------------------------------------------------ */

static const char *drawing_stream; /* of the initial value being made */
static int draws_made;

/* uniform(a, b) or normal(m, d) of a shape, as part of an initial value; a second draw within one has a stream of its
   own. */
Value *draw_from(Frame *frame, const Recipe *distribution, Shape shape) {
  (void)frame;
  if (drawing_stream == NULL) fail("a distribution outside of an initial value");
  bool is_normal = strcmp(distribution->builtin, "normal") == 0;
  double first = 0, second = 1;
  if (distribution->given_count > 0) first = as_static(distribution->given[0], "a setting");
  if (distribution->given_count > 1) second = as_static(distribution->given[1], "a setting");
  const char *stream = ++draws_made == 1 ? drawing_stream : arena_format("%s.%d", drawing_stream, draws_made);
  int size = shape_size(shape);
  double *numbers = arena_allocate((size_t)(size + 1) * sizeof *numbers);
  for (int e = 0; e < size; e++)
    numbers[e] = is_normal
                     ? first + second * draw_normal(model->inputs->seed, stream, e, 0, 0, 0, model->inputs->narrow)
                     : first + (second - first) * draw_uniform(model->inputs->seed, stream, e, 0, 0, 0);
  return value_node(node_given(shape, false, numbers, NULL));
}

/* A number in -1..1 that belongs to a name and an element: for what is fed, and for nudges. */
static double own_number(const char *purpose, const char *name, int row, int element) {
  return 2 * draw_uniform(UINT64_C(77), arena_format("%s %s", purpose, name), element, row, 0, 0) - 1;
}

/* Inputs moved by a fraction of themselves, up or down: how much do the results move? */
static double nudged(const char *name, int row, int element, double value) {
  if (model->inputs->nudge == 0) return value;
  return value * (1 + model->inputs->nudge * (own_number("nudge", name, row, element) < 0 ? -1 : 1));
}

static Slot *slot_find(const char *name) {
  for (int k = 0; k < model->slot_count; k++)
    if (strcmp(model->slots[k]->tensor.name, name) == 0) return model->slots[k];
  return NULL;
}

static void fill_initially(Frame *frame, Slot *slot, const Tree *statement) {
  int size = shape_size(slot->tensor.shape);
  const char *name = slot->tensor.name;
  Value *value;
  if (statement->op == '~') {
    const char *outer = drawing_stream;
    int outer_draws = draws_made;
    drawing_stream = name;
    draws_made = 0;
    int rank = slot->tensor.shape.rank;
    Value **sizes = arena_allocate((size_t)(rank + 1) * sizeof *sizes);
    for (int d = 0; d < rank; d++) sizes[d] = value_number(slot->tensor.shape.at[d]);
    value = call_value(frame, evaluate(frame, statement->items[1]), 1, (Value *[]){value_list(rank, sizes)}, -1);
    drawing_stream = outer;
    draws_made = outer_draws;
  } else value = evaluate(frame, statement->items[1]);
  Node *node = as_node(value);
  if (node->random) fail("an initial value that is random");
  if (node->shape.rank != 0 && !shape_equal(node->shape, slot->tensor.shape)) fail("an initial value of another shape");
  const double *numbers = node_numbers(node);
  bool replaced = model->inputs->fed && (!slot->tensor.is_state || statement->op == '~') && strchr(name, '/') == NULL;
  for (int e = 0; e < size; e++) {
    double start = replaced ? 1.2 * own_number("initial", name, 0, e) : numbers[node->shape.rank == 0 ? 0 : e];
    if (replaced) start = (double)(float)start;
    slot->before[e] = slot->tensor.value[e] = nudged(name, 0, e, slot->tensor.shape.rank == 0 ? start : rounded(start));
  }
}

Slot *declare_slot(Frame *frame, const Tree *statement) {
  const char *name =
      *frame->path == 0 ? statement->text : arena_format("%s.%s%s", frame->path, statement->text, frame->loops);
  Slot *slot = slot_find(name);
  bool is_state = statement->kind == S_STATE;
  if (slot == NULL) {
    slot = arena_allocate(sizeof *slot);
    *slot = (Slot){.tensor = {.name = name, .shape = type_shape(frame, statement->items[0]), .is_state = is_state},
                   .owner = frame->network == NULL ? NULL : frame->network->name};
    size_t bytes = (size_t)(shape_size(slot->tensor.shape) + 1) * sizeof(double);
    slot->tensor.value = arena_allocate(bytes);
    slot->before = arena_allocate(bytes);
    fill_initially(frame, slot, statement);
    ROOM(model->slots, model->slot_count, model->slot_capacity);
    model->slots[model->slot_count++] = slot;
  }
  if (!is_state && frame->network == NULL) fail("a weight without an owner");
  if (frame->network != NULL) network_holds(frame->network, slot, NULL);
  return slot;
}

Node *slot_read(Slot *slot) {
  if (slot->current == NULL) slot->current = node_given(slot->tensor.shape, false, slot->tensor.value, slot);
  Evaluation *now = model->evaluation;
  for (int k = 0; k < now->active_count; k++) {
    Call *call = now->active[k];
    bool known = false;
    for (int j = 0; j < call->assigned_count && !known; j++) known = call->assigned[j] == slot;
    for (int j = 0; j < call->use_count && !known; j++) known = call->uses[j].slot == slot;
    if (known) continue;
    ROOM(call->uses, call->use_count, call->use_capacity);
    call->uses[call->use_count++] = (Usage){slot, slot->current};
  }
  return slot->current;
}

void slot_assign(Slot *slot, Node *node) {
  Evaluation *now = model->evaluation;
  for (int k = 0; k < now->active_count; k++) {
    Call *call = now->active[k];
    ROOM(call->assigned, call->assigned_count, call->assigned_capacity);
    call->assigned[call->assigned_count++] = slot;
  }
  if (node->shape.rank != slot->tensor.shape.rank) { /* one number for all elements */
    int *from = arena_allocate((size_t)(shape_size(slot->tensor.shape) + 1) * sizeof(int));
    node = node_gather(node, slot->tensor.shape, from);
  }
  slot->current = node;
  slot->moved = now->output == NULL; /* an output changes nothing */
}

/* ---- data and noise ---------------------------------------------------------------------------------------------- */

/* What a variable is drawn from. */
typedef struct Law {
  enum { FROM_DATA, UNIFORM, NORMAL } kind;
  double first, second;
  int classes;
} Law;

static Law law_of(Frame *frame, const Tree *statement) {
  if (statement->kind == S_DATA) return (Law){.kind = FROM_DATA};
  Value *distribution = evaluate(frame, statement->items[1]);
  if (distribution->kind != V_RECIPE || distribution->recipe.builtin == NULL) fail("no distribution");
  const Recipe *recipe = &distribution->recipe;
  Law law = {.kind = strcmp(recipe->builtin, "normal") == 0 ? NORMAL : UNIFORM, .second = 1};
  if (recipe->given_count > 0) law.first = as_static(recipe->given[0], "a setting");
  if (recipe->given_count > 1) law.second = as_static(recipe->given[1], "a setting");
  if (statement->items[0] != NULL && statement->items[0]->kind == T_CLASS)
    law.classes = as_int(evaluate(frame, statement->items[0]->items[0]), "a number of classes");
  return law;
}

/* A value of the law, given where its uniform or normal number comes from. */
static double value_of(const Law *law, double uniform, double normal) {
  double value =
      rounded(law->first + (law->kind == UNIFORM ? (law->second - law->first) * uniform : law->second * normal));
  return law->classes > 0 ? floor(law->classes * value) : value;
}

static struct Position *position_of(const char *walk) {
  for (int k = 0; k < model->position_count; k++)
    if (strcmp(model->positions[k].walk, walk) == 0) return &model->positions[k];
  ROOM(model->positions, model->position_count, model->position_capacity);
  model->positions[model->position_count] = (struct Position){walk, 0};
  return &model->positions[model->position_count++];
}

static const Given *samples_of(const char *name) {
  for (int k = 0; k < model->inputs->data_count; k++)
    if (strcmp(model->inputs->data[k].name, name) == 0) return &model->inputs->data[k];
  fail("data %s has no samples", name);
}

static void fill_from_walk(const char *base, const char *name, int size, double *numbers) {
  const Given *data = samples_of(base);
  Evaluation *now = model->evaluation;
  const char *walk = now->output == NULL ? name : arena_format("%s@%s", name, now->output);
  if (shape_size(data->shape) != size) fail("the samples of %s have another size", base);
  int64_t from = now->output == NULL ? position_of(walk)->at : (int64_t)now->round * samples;
  for (int n = 0; n < samples; n++) {
    int row = permuted(model->inputs->seed, walk, data->rows, from + n);
    for (int e = 0; e < size; e++) numbers[n * size + e] = nudged(base, row, e, data->at[row * size + e]);
  }
  if (now->output == NULL) position_of(walk)->at += samples;
}

/* Fed: the next rows of a file that is written when the run is over, with all that was asked for. */
static void fill_from_feed(const Law *law, const char *name, Shape shape, double *numbers) {
  int size = shape_size(shape);
  struct Position *position = position_of(arena_format("feed %s", name));
  Inputs *inputs = model->inputs;
  Given *feed = NULL;
  for (int k = 0; k < inputs->feed_count; k++)
    if (strcmp(inputs->feeds[k].name, name) == 0) feed = &inputs->feeds[k];
  if (feed == NULL) {
    ROOM(inputs->feeds, inputs->feed_count, inputs->feed_capacity);
    feed = &inputs->feeds[inputs->feed_count++];
    *feed = (Given){.name = name, .shape = shape};
  }
  int rows = (int)position->at + samples;
  if (rows > feed->rows) {
    double *at = arena_allocate((size_t)(rows * size + 1) * sizeof *at);
    if (feed->rows > 0) memcpy(at, feed->at, (size_t)(feed->rows * size) * sizeof *at);
    for (int row = feed->rows; row < rows; row++)
      for (int e = 0; e < size; e++) {
        double u = (own_number("fed", name, row, e) + 1) / 2, normal = 1.6 * own_number("fed", name, row, e);
        at[row * size + e] = (double)(float)(law->kind == FROM_DATA ? normal : value_of(law, u, normal));
      }
    *feed = (Given){feed->name, rows, shape, at};
  }
  for (int n = 0; n < samples; n++)
    for (int e = 0; e < size; e++) {
      double value = feed->at[(position->at + n) * size + e];
      numbers[n * size + e] = law->classes > 0 ? value : nudged(name, (int)position->at + n, e, value);
    }
  position->at += samples;
}

static Value *drawn(const Law *law, const char *base, const char *name, Shape shape) {
  Evaluation *now = model->evaluation;
  int size = shape_size(shape);
  Node *node = NULL;
  for (int k = 0; k < now->variable_count; k++)
    if (strcmp(now->variables[k].name, name) == 0) node = now->variables[k].node;
  if (node == NULL) {
    double *numbers = arena_allocate((size_t)(samples * size + 1) * sizeof *numbers);
    if (model->inputs->fed && now->output == NULL) fill_from_feed(law, name, shape, numbers);
    else if (law->kind == FROM_DATA) fill_from_walk(base, name, size, numbers);
    else
      for (int n = 0; n < samples; n++)
        for (int e = 0; e < size; e++) {
          double uniform =
              law->kind == NORMAL ? 0 : draw_uniform(model->inputs->seed, name, e, n, now->ordinal, now->round);
          double normal = law->kind == NORMAL ? draw_normal(model->inputs->seed, name, e, n, now->ordinal, now->round,
                                                            model->inputs->narrow)
                                              : 0;
          double value = value_of(law, uniform, normal);
          numbers[n * size + e] = law->classes > 0 ? value : nudged(name, n, e, value);
        }
    node = node_given(shape, true, numbers, arena_format("%s", name));
    ROOM(now->variables, now->variable_count, now->variable_capacity);
    now->variables[now->variable_count++] = (Variable){name, node};
    now->counted = true;
  }
  Value *value = value_node(node);
  value->classes = law->classes;
  return value;
}

Value *top_variable(Frame *frame, const Tree *statement) {
  Law law = law_of(frame, statement);
  return drawn(&law, statement->text, arena_format("%s%s", statement->text, frame->fresh),
               type_shape(frame, statement->items[0]));
}

/* The axes for whose every value the call is applied; where among them this value is. */
static int applied_place(const Axis *axis, Shape *shape) {
  if (axis == NULL) return 0;
  int outer = applied_place(axis->outer, shape);
  if (shape->rank == AXES) fail("too many axes");
  shape->at[shape->rank++] = axis->extent;
  return outer * axis->extent + axis->at;
}

/* Path, name, loops, the call's number (in a function at the top none); where one call of a network declares it again,
   `.1` and so on. */
Value *local_noise(Frame *frame, const Tree *statement) {
  Evaluation *now = model->evaluation;
  Law law = law_of(frame, statement);
  Shape own = type_shape(frame, statement->items[0]), shape = {0};
  const char *name = arena_format("%s%s%s%s", frame->path, *frame->path == 0 ? "" : ".", statement->text, frame->loops);
  if (frame->numbered && frame->call < 0) fail("noise in a call whose number is not known");
  if (frame->numbered) name = arena_format("%s#%d", name, frame->call);
  int again = 0, alike = 0, others = 0, place = applied_place(frame->applied, &shape);
  for (int k = 0; k < now->active_count; k++) now->active[k]->draws = true;
  for (int k = 0; k < now->stream_count && frame->network != NULL; k++) {
    if (strcmp(now->streams[k].name, name) != 0) continue;
    if (same_axes(now->streams[k].applied, frame->applied)) alike++, again = others;
    others++;
  }
  if (place == 0) {
    ROOM(now->streams, now->stream_count, now->stream_capacity);
    now->streams[now->stream_count++] = (Stream){name, frame->applied};
    again = others;
  } else if (alike > 1) fail("an instance with noise, applied several times for every value of an index");
  if (again > 0) name = arena_format("%s.%d", name, again);
  if (shape.rank + own.rank > AXES) fail("too many axes");
  for (int d = 0; d < own.rank; d++) shape.at[shape.rank++] = own.at[d];
  Value *all = drawn(&law, NULL, arena_format("%s%s", name, frame->fresh), shape);
  Value *here = value_node(part_of(all->node, place * shape_size(own), own));
  here->classes = all->classes;
  return frame->applied == NULL ? all : here;
}

/* A place has a number, in the order in which places are met; every turn of the loops around it has a draw of its
   own. */
Value *fresh_value(Frame *frame, const Tree *tree) {
  int place = 0;
  while (place < model->fresh_count &&
         (model->fresh_places[place] != tree || strcmp(model->fresh_paths[place], frame->path) != 0))
    place++;
  if (place == model->fresh_count) {
    int capacity = model->fresh_capacity;
    ROOM(model->fresh_places, model->fresh_count, capacity);
    ROOM(model->fresh_paths, model->fresh_count, model->fresh_capacity);
    model->fresh_places[model->fresh_count] = tree;
    model->fresh_paths[model->fresh_count++] = frame->path;
  }
  Frame inner = *frame;
  inner.fresh = arena_format("%s.fresh_%d%s%s%s", frame->fresh, place + 1, frame->loops, *frame->path == 0 ? "" : "@",
                             frame->path);
  return evaluate(&inner, tree->items[0]);
}
