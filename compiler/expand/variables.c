/* What a model stores and draws: tensors, weights and states, noise, data, counters, settings. Takes declarations;
   returns values that read them. Initial values are found here: a plain distribution or number by name, anything else
   as a routine. */
#include "evaluator.h"
#include "runtime/words.h"
#include "tests/mutants/mutant.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

int tensor_find(const Evaluator *e, const char *name) {
  return map_number(&e->tensors_by_name, session_string(e->session, name)) - 1;
}

const char *tensor_numbered(Evaluator *e, const char *base, const char *first) {
  base = session_string(e->session, base);
  int number = map_number(&e->name_numbers, base);
  const char *name = number == 0 ? first : NULL;
  while (name == NULL || tensor_find(e, name) >= 0)
    name = session_format(e->session, "%s.%d", base, number = number == 0 ? 2 : number + 1);
  map_put_number(e->session, &e->name_numbers, base, number);
  return name;
}

int model_add_tensor(Model *model, Node *input, TensorRole role, Span span) {
  ModelTensor tensor = {.name = input->name,
                        .role = role,
                        .input = input,
                        .initial_routine = -1,
                        .player = "",
                        .data = "",
                        .source = "",
                        .group = -1,
                        .fed = -1,
                        .span = span};
  ARRAY_ADD(model->session, model->tensors, model->tensor_count, model->tensor_capacity, tensor);
  return model->tensor_count - 1;
}

int tensor_new(Evaluator *e, const char *name, TensorRole role, int rank, const int64_t *shape, bool batch, Span span) {
  name = session_string(e->session, name);
  span = model_span(e, span);
  Node *input = graph_input(e->graph, name, rank, shape, batch, span);
  int tensor = model_add_tensor(e->model, input, role, span);
  if (map_number(&e->tensors_by_name, name) == 0) map_put_number(e->session, &e->tensors_by_name, name, tensor + 1);
  if (map_number(&e->tensors_by_input, input) == 0) map_put_number(e->session, &e->tensors_by_input, input, tensor + 1);
  return tensor;
}

uint64_t stream_of(Evaluator *e, const char *name, Span span) {
  uint64_t hash = hash_text(name);
  const char *key = session_intern(e->session, (const char *)&hash, sizeof hash), *before = map_get(&e->streams, key);
  if (before == NULL) map_put(e->session, &e->streams, key, (void *)(uintptr_t)name);
  else if (strcmp(before, name) != 0) {
    Diagnostic *diagnostic = evaluator_report(e, E3042, span, "`%s` and `%s`", name, before);
    diagnostic_hint(diagnostic, "give one of them another name");
  }
  return hash;
}

/* ---- distributions ----------------------------------------------------------------------------------------------- */

/* The tensor that is filled with a random variable before a routine runs; made where it is first mentioned with this
   batch. The name says which variable it is: under any batch the same one. */
static int filled_tensor(Evaluator *e, const char *name, TensorRole role, int rank, const int64_t *shape, Span span) {
  const Node *input = graph_input(e->graph, name, rank, shape, true, model_span(e, span));
  int tensor = map_number(&e->tensors_by_input, input) - 1;
  if (tensor < 0) tensor = tensor_new(e, name, role, rank, shape, true, span);
  evaluation_fill(e, tensor);
  return tensor;
}

/* Axes of a draw: the batch, the indices in scope along which it is apart, its own. Returns their number, -1 after a
   message. */
static int draw_axes(Evaluator *e, const Sampling *sampling, int own_rank, const int64_t *own, int64_t *shape) {
  int rank = 0;
  if (sampling->kind != SAMPLE_INITIAL) shape[rank++] = e->evaluation->batch;
  for (int v = INDEX_VARIABLE; v < VARIABLE_LIMIT; v++) {
    if ((sampling->indices & 1u << v) == 0) continue;
    if (rank < RANK_LIMIT) shape[rank] = variable_extent(e, NULL, v, sampling->span);
    if (shape[rank < RANK_LIMIT ? rank : 0] < 1) return -1;
    rank++;
  }
  if (rank + own_rank > RANK_LIMIT) {
    evaluator_report(e, E2060, sampling->span, "%d axes", rank + own_rank);
    return -1;
  }
  for (int d = 0; d < own_rank; d++) shape[rank++] = own[d];
  return rank;
}

static Node *draw_node(Evaluator *e, Sampling *sampling, Distribution distribution, int own_rank, const int64_t *own) {
  int64_t shape[RANK_LIMIT];
  bool batch = sampling->kind != SAMPLE_INITIAL;
  int rank = draw_axes(e, sampling, own_rank, own, shape);
  if (rank < 0) return NULL;
  const char *name =
      sampling->draws++ == 0 ? sampling->name : session_format(e->session, "%s.%d", sampling->name, sampling->draws);
  uint64_t stream = stream_of(e, name, sampling->span);
  if (batch) e->evaluation->counted = true, record_draw(e, sampling->kind == SAMPLE_LAYER);
  return graph_random(e->graph, stream, 0, distribution, name, rank, shape, batch, model_span(e, sampling->span));
}

Value *distribution_draw(Evaluator *e, Frame *frame, const Builtin *self, const Arguments *settings) {
  (void)frame;
  Sampling *sampling = e->sampling;
  int rank;
  int64_t shape[OWN_LIMIT];
  if (!value_static_shape(e, settings->values[2], settings->spans[2], &rank, shape)) return value_error(e);
  if (sampling == NULL) {
    Diagnostic *diagnostic = evaluator_report(e, E2047, settings->span, "nothing is drawn here");
    diagnostic_hint(diagnostic, "`noise u: [n] ~ %s` draws; `weight W: [n] ~ %s` draws once", self->name, self->name);
    return value_error(e);
  }
  bool uniform = strcmp(self->name, "uniform") == 0;
  Value *a = settings->values[0] != NULL ? settings->values[0] : value_number(e, 0);
  Value *b = settings->values[1] != NULL ? settings->values[1] : value_number(e, 1);
  Node *node = draw_node(e, sampling, uniform ? DISTRIBUTION_UNIFORM : DISTRIBUTION_NORMAL, rank, shape);
  if (node == NULL) return value_error(e);
  Value *standard = value_of_node(e, node, sampling->indices);
  int64_t zero = 1, one = 0;
  bool from_zero = value_is_whole(a, &zero) && zero == 0 && a->number.settings == NULL;
  bool unit = from_zero && value_is_whole(b, &one) && one == 1 && b->number.settings == NULL;
  if (unit) {
    sampling->initial = uniform ? INITIAL_UNIFORM : INITIAL_NORMAL;
    sampling->a = 0, sampling->b = 1, sampling->standard = standard->tensor.element;
    return standard;
  }
  Value *width = uniform ? apply_binary(e, OPERATOR_SUBTRACT, b, a, settings->span, settings->span, settings->span) : b;
  Value *scaled = apply_binary(e, OPERATOR_MULTIPLY, width, standard, settings->span, settings->span, settings->span);
  Value *value =
      from_zero ? scaled : apply_binary(e, OPERATOR_ADD, a, scaled, settings->span, settings->span, settings->span);
  bool plain =
      a->kind == VALUE_NUMBER && b->kind == VALUE_NUMBER && a->number.settings == NULL && b->number.settings == NULL;
  if (value->kind == VALUE_TENSOR && plain) {
    sampling->initial = uniform ? INITIAL_UNIFORM : INITIAL_NORMAL;
    sampling->a = a->number.value, sampling->b = b->number.value;
    sampling->standard = value->tensor.element;
  }
  return value;
}

/* Applies what follows `~` to a shape. */
static Value *draw_from(Evaluator *e, Frame *frame, const Syntax *distribution, Sampling *sampling) {
  Value *function = evaluate(e, frame, distribution);
  if (function->kind == VALUE_ERROR) return function;
  if (value_recipe(e, function) == NULL) {
    Diagnostic *diagnostic = evaluator_report(e, E2047, distribution->span, "this is %s", value_text(e, function));
    diagnostic_hint(diagnostic,
                    "a distribution is a function from a shape to values: `normal`, `uniform(-1, 1)`, `he`");
    return value_error(e);
  }
  Value *shape = value_list(e, sampling->rank, NULL);
  for (int d = 0; d < sampling->rank; d++) shape->list.items[d] = value_number(e, (double)sampling->shape[d]);
  Span span = distribution->span;
  CallArguments arguments = {.count = 1, .values = &shape, .spans = &span, .span = span};
  Sampling *outer = e->sampling;
  e->sampling = sampling;
  Value *value = value_apply(e, frame, function, &arguments, label_of(e, distribution));
  e->sampling = outer;
  value = value_as_tensor(e, value, span);
  if (value->kind == VALUE_ERROR) return value;
  if (value->tensor.rank != sampling->rank ||
      memcmp(value->tensor.shape, sampling->shape, sizeof(int64_t) * (size_t)sampling->rank) != 0) {
    evaluator_report(e, E2004, span, "gives %s, where %s is drawn", value_text(e, value),
                     shape_text(e, sampling->rank, sampling->shape));
    return value_error(e);
  }
  return value;
}

/* ---- noise and data ---------------------------------------------------------------------------------------------- */

static Value *floor_label(Evaluator *e, Value *value, int classes, Span span) {
  Value *scaled = apply_binary(e, OPERATOR_MULTIPLY, value, value_number(e, classes), span, span, span);
  return apply_unary(e, OP_FLOOR, scaled, span);
}

/* A variable that can be fed is a tensor that holds its value. The runtime draws it where that takes one standard draw
   and two numbers; any other distribution is computed where it is read, unless the scalar `fed NAME` says that the
   tensor holds what was fed. */
static Value *feedable_value(Evaluator *e, const Sampling *sampling, Value *value, int classes) {
  int64_t shape[RANK_LIMIT];
  int rank = draw_axes(e, sampling, sampling->rank, sampling->shape, shape);
  if (rank < 0) return value_error(e);
  bool plain = sampling->draws == 1 && value->tensor.element == sampling->standard;
  int tensor = filled_tensor(e, sampling->name, ROLE_NOISE, rank, shape, sampling->span);
  Value *read = value_of_node(e, e->model->tensors[tensor].input, sampling->indices);
  e->model->tensors[tensor].stream = stream_of(e, sampling->name, sampling->span);
  e->model->tensors[tensor].classes = classes;
  if (plain) {
    ModelTensor *row = &e->model->tensors[tensor];
    row->initial = sampling->initial, row->initial_a = sampling->a, row->initial_b = sampling->b;
    return read;
  }
  const char *name = session_format(e->session, "fed %s", sampling->name);
  int flag = tensor_find(e, name);
  if (flag < 0) flag = tensor_new(e, name, ROLE_COUNTER, 0, NULL, false, sampling->span);
  e->model->tensors[flag].initial = INITIAL_CONSTANT;
  e->model->tensors[tensor].fed = flag;
  if (classes > 0) value = floor_label(e, value, classes, sampling->span);
  Value *choices[3] = {value_of_node(e, e->model->tensors[flag].input, 0), read, value};
  Span spans[3] = {sampling->span, sampling->span, sampling->span};
  return apply_pointwise(e, OP_SELECT, 3, choices, spans, sampling->span);
}

static Value *noise_value(Evaluator *e, Frame *frame, const Syntax *noise, SampleKind kind, const char *name,
                          uint32_t indices) {
  Sampling sampling = {.kind = kind, .name = name, .indices = indices, .span = noise->span};
  int classes;
  if (!type_shape(e, frame, noise->noise.field->field.type, &sampling.rank, sampling.shape, &classes))
    return value_error(e);
  Value *value = draw_from(e, frame, noise->noise.distribution, &sampling);
  if (value->kind == VALUE_ERROR) return value;
  if (kind == SAMPLE_FILE || e->options->feeds) value = feedable_value(e, &sampling, value, classes);
  else if (classes > 0) value = floor_label(e, value, classes, noise->span);
  if (value->kind == VALUE_ERROR) return value;
  value->tensor.classes = classes;
  value->tensor.random = true;
  return value_stored(e, value, noise->span);
}

Value *noise_declare(Evaluator *e, Frame *frame, const Syntax *noise) {
  const Context *context = &frame->context;
  const char *name = session_format(e->session, "%s%s%s%s%s%s", context->path, context->path[0] != '\0' ? "." : "",
                                    noise->noise.field->field.name, frame->loop, context->call, context->fresh);
  return noise_value(e, frame, noise, SAMPLE_LAYER, name, context->indices);
}

Value *top_noise(Evaluator *e, Frame *frame, const Syntax *noise) {
  const char *name = session_format(e->session, "%s%s", noise->noise.field->field.name, frame->context.fresh);
  const char *key = session_string(e->session, session_format(e->session, "noise %s", name));
  Value *value = memory_find(e, key, NULL, NULL);
  if (value != NULL) return value;
  Record record = {0};
  record_open(e, &record);
  Frame top = frame_top(e, true, "");
  Index *indices = e->indices;
  e->indices = NULL;
  value = noise_value(e, &top, noise, SAMPLE_FILE, name, 0);
  e->indices = indices;
  record_close(e, &record);
  if (value->kind != VALUE_ERROR) memory_add(e, key, &record, "", "", value);
  return value;
}

/* The data sets that are built in, and the shape of their samples. Sizes may be written as one axis or with more of
   size 1. */
static const struct {
  const char *name;
  int rank;
  int64_t shape[3];
} data_sets[] = {
    {"fashion-mnist", 3, {1, 28, 28}},
    {"ring", 1, {2}},
    {"grid", 1, {2}},
};
enum { DATA_SETS = sizeof data_sets / sizeof *data_sets };

/* Shapes of the same sizes in the same order, axes of size 1 aside, or as one axis, hold the same samples. */
static bool shapes_agree(int rank, const int64_t *shape, int other_rank, const int64_t *other) {
  double size = shape_size(rank, shape), other_size = shape_size(other_rank, other);
  int k = 0;
  if (rank == 1 || other_rank == 1) return size == other_size;
  for (int d = 0; d < rank; d++) {
    while (k < other_rank && other[k] == 1) k++;
    if (shape[d] == 1) continue;
    if (k == other_rank || other[k++] != shape[d]) return false;
  }
  return size == other_size;
}

/* A word without a dot and a slash names a data set, unless there is such a file: what else it says stands in
   parentheses. A path may come to exist. */
static bool data_set_check(Evaluator *e, const char *source, Span span, const Syntax *field, int rank,
                           const int64_t *shape) {
  const char *known[DATA_SETS], *word = session_intern(e->session, source, strcspn(source, "("));
  for (int k = 0; k < DATA_SETS; k++) {
    known[k] = data_sets[k].name;
    if (strcmp(word, known[k]) != 0) continue;
    if (shapes_agree(rank, shape, data_sets[k].rank, data_sets[k].shape)) return true;
    const char *right = shape_text(e, data_sets[k].rank, data_sets[k].shape);
    Diagnostic *diagnostic = evaluator_report(e, E3052, field->span, "declares %s", shape_text(e, rank, shape));
    diagnostic_also(diagnostic, span, "has samples of %s", right);
    const Syntax *type = field->field.type;
    if (type == NULL)
      diagnostic_mend(diagnostic, (Span){field->span.source, field->span.to, field->span.to}, ": %s", right);
    else if (type->type.shape != NULL) diagnostic_mend(diagnostic, type->type.shape->span, "%s", right);
    return false;
  }
  if (strpbrk(word, "/.") != NULL || access(source, F_OK) == 0) return true;
  Diagnostic *diagnostic = evaluator_report(e, E3051, span, "nothing is called \"%s\"", word);
  diagnostic_hint(diagnostic, "built in are `fashion-mnist`, `ring` and `grid`; a file has a `.` or a `/` in its path");
  const char *nearest = diagnostic_nearest(word, known, DATA_SETS);
  if (nearest != NULL)
    diagnostic_mend(diagnostic, (Span){span.source, span.from + 1, span.from + 1 + (uint32_t)strlen(word)}, "%s",
                    nearest);
  return false;
}

Value *top_data(Evaluator *e, Frame *frame, const Syntax *data, const Syntax *field) {
  const char *base = field->field.name;
  const char *name = session_format(e->session, "%s%s", base, frame->context.fresh);
  record_draw(e, false);
  Frame top = frame_top(e, true, "");
  int rank, classes;
  int64_t own[OWN_LIMIT], shape[RANK_LIMIT] = {e->evaluation->batch};
  if (!type_shape(e, &top, field->field.type, &rank, own, &classes)) return value_error(e);
  if (classes > 0) {
    evaluator_report(e, E4008, field->span, "`%s`", base);
    return value_error(e);
  }
  double low = -1, high = 1;
  if (field->field.type != NULL && field->field.type->type.domain != NULL) {
    const Syntax *domain = field->field.type->type.domain;
    Value *range = evaluate(e, &top, domain);
    if (range->kind == VALUE_ERROR) return range;
    if (range->kind != VALUE_RANGE || !(range->range.low < range->range.high)) {
      evaluator_report(e, E3048, domain->span, "this is %s", value_text(e, range));
      return value_error(e);
    }
    low = range->range.low, high = range->range.high;
  }
  const char *source = "";
  if (data->data.from != NULL) {
    const Syntax *place = data->data.from;
    bool unknown = place->kind == SYNTAX_NAME && name_find(e, &top, place->name, place->span) == NULL;
    Value *from = unknown ? NULL : evaluate(e, &top, place);
    if (!unknown && from->kind == VALUE_ERROR) return from;
    if (unknown || from->kind != VALUE_STRING) {
      Diagnostic *diagnostic = unknown ? evaluator_report(e, E2023, place->span, "nothing is called `%s`", place->name)
                                       : evaluator_report(e, E2023, place->span, "this is %s", value_text(e, from));
      diagnostic_hint(diagnostic, "data are named by a string: `from \"fashion-mnist\"`");
      return value_error(e);
    }
    source = from->string;
    if (!data_set_check(e, source, place->span, field, rank, own)) return value_error(e);
  }
  for (int d = 0; d < rank; d++) shape[d + 1] = own[d];
  int tensor = filled_tensor(e, name, ROLE_DATA, rank + 1, shape, field->span);
  ModelTensor *row = &e->model->tensors[tensor];
  row->low = low, row->high = high, row->bounded = field->field.type != NULL && field->field.type->type.domain != NULL,
  row->data = base, row->source = source;
  row->stream = stream_of(e, name, field->span);
  return value_of_node(e, e->model->tensors[tensor].input, 0);
}

/* ---- weights and states ------------------------------------------------------------------------------------------ */

Slot *slot_find(const Evaluator *e, const char *name) {
  return map_get(&e->slots_by_name, session_string(e->session, name));
}

static void slot_initial(Evaluator *e, Frame *frame, const Syntax *syntax, int tensor, int rank, const int64_t *shape) {
  const char *name = e->model->tensors[tensor].name;
  const Syntax *start = syntax->variable.start;
  Sampling sampling = {.kind = SAMPLE_INITIAL, .name = name, .rank = rank, .span = syntax->span};
  if (rank > 0) memcpy(sampling.shape, shape, sizeof(int64_t) * (size_t)rank);
  Evaluation *evaluation = evaluation_open(e, session_format(e->session, "initial %s", name));
  evaluation->batch = 1;
  bool training = frame->context.training;
  frame->context.training = false;
  Value *value;
  if (syntax->variable.drawn) value = draw_from(e, frame, start, &sampling);
  else {
    Sampling *outer = e->sampling;
    e->sampling = &sampling;
    value = value_as_tensor(e, evaluate(e, frame, start), start->span);
    e->sampling = outer;
    bool fits = value->kind == VALUE_ERROR || value->tensor.rank == 0 ||
                (value->tensor.rank == rank && memcmp(value->tensor.shape, shape, sizeof(int64_t) * (size_t)rank) == 0);
    if (!fits) {
      evaluator_report(e, E2004, start->span, "gives %s, where %s starts", value_text(e, value),
                       shape_text(e, rank, shape));
      value = value_error(e);
    }
  }
  frame->context.training = training;
  ModelTensor *row = &e->model->tensors[tensor];
  row->stream = stream_of(e, name, syntax->span);
  row->initial = INITIAL_CONSTANT;
  if (value->kind == VALUE_ERROR) {
    evaluation_abandon(e);
    return;
  }
  const Scalar *element = value->tensor.element;
  if (element->op == OP_CONSTANT) row->initial_a = element->value, evaluation_abandon(e);
  else if (syntax->variable.drawn && element == sampling.standard && sampling.draws == 1)
    row->initial = sampling.initial, row->initial_a = sampling.a, row->initial_b = sampling.b, evaluation_abandon(e);
  else {
    Value *whole = value_tensor(e, rank, shape, false, element);
    evaluation_result(e, tensor, whole, syntax->span);
    int routine = evaluation_close(e, ROUTINE_INITIAL, syntax->span);
    e->model->tensors[tensor].initial = INITIAL_ROUTINE;
    e->model->tensors[tensor].initial_routine = routine;
  }
}

Slot *slot_declare(Evaluator *e, Frame *frame, const Syntax *variable, const char *name, TensorRole role) {
  Network *owner = role == ROLE_OPTIMIZER_STATE ? NULL : frame->context.network;
  Slot *slot = slot_find(e, name);
  int rank, classes;
  int64_t shape[OWN_LIMIT];
  if (!type_shape(e, frame, variable->variable.field->field.type, &rank, shape, &classes)) return NULL;
  if (slot != NULL) {
    const Node *input = e->model->tensors[slot->tensor].input;
    if (input->rank != rank || memcmp(input->shape, shape, sizeof(int64_t) * (size_t)rank) != 0) {
      Diagnostic *diagnostic =
          evaluator_report(e, E2004, variable->span, "`%s` is %s here", name, shape_text(e, rank, shape));
      diagnostic_also(diagnostic, slot->span, "and %s in another call of the same layer",
                      shape_text(e, input->rank, input->shape));
      return NULL;
    }
    if (owner != NULL) network_add_slot(e, owner, slot);
    return slot;
  }
  slot = session_allocate(e->session, sizeof *slot);
  int tensor = tensor_new(e, name, role, rank, shape, false, variable->span);
  *slot = (Slot){.tensor = tensor,
                 .is_weight = role == ROLE_WEIGHT,
                 .current = e->model->tensors[tensor].input,
                 .owner = owner,
                 .span = variable->span};
  if (owner != NULL) e->model->tensors[tensor].player = owner->name;
  ARRAY_ADD(e->session, e->slots, e->slot_count, e->slot_capacity, slot);
  map_put(e->session, &e->slots_by_name, e->model->tensors[tensor].name, slot);
  map_put(e->session, &e->slots_by_input, slot->current, slot);
  if (owner != NULL) network_add_slot(e, owner, slot);
  slot_initial(e, frame, variable, tensor, rank, shape);
  return slot;
}

Value *slot_value(Evaluator *e, Slot *slot) {
  record_slot(e, slot, false);
  return value_of_node(
      e, MUTANT(move_order) && !slot->is_weight ? e->model->tensors[slot->tensor].input : slot->current, 0);
}

bool slot_move(Evaluator *e, Slot *slot, Value *value, Span span) {
  const ModelTensor *tensor = &e->model->tensors[slot->tensor];
  value = value_as_tensor(e, value, span);
  if (value->kind == VALUE_ERROR) return false;
  if (value->tensor.random) {
    Diagnostic *diagnostic =
        evaluator_report(e, E3007, span, "what `%s` becomes differs from sample to sample", tensor->name);
    diagnostic_hint(diagnostic, "take the expectation: `E[…]`");
    return false;
  }
  if (element_indices(value->tensor.element) != 0) {
    evaluator_report(e, E3008, span, "what `%s` becomes differs from index to index", tensor->name);
    return false;
  }
  const Node *input = tensor->input;
  if (value->tensor.rank != 0 &&
      (value->tensor.rank != input->rank ||
       memcmp(value->tensor.shape, input->shape, sizeof(int64_t) * (size_t)input->rank) != 0)) {
    evaluator_report(e, E2004, span, "gives %s, where `%s` is %s", value_text(e, value), tensor->name,
                     shape_text(e, input->rank, input->shape));
    return false;
  }
  Node *node = value_node(e, value_tensor(e, input->rank, input->shape, false, value->tensor.element), span);
  if (node == NULL) return false;
  record_slot(e, slot, true);
  slot->current = graph_mark(e->graph, node, span); /* what its name stands for from here on: `grad` can be by it */
  return true;
}

/* ---- counters and settings --------------------------------------------------------------------------------------- */

static const char *const counters[] = {"step", "image", "epoch", "progress"};

Value *counter_value(Evaluator *e, const char *name, Span span) {
  for (size_t k = 0; k < sizeof counters / sizeof *counters; k++) {
    if (strcmp(counters[k], name) != 0) continue;
    if (strcmp(name, "progress") == 0 && e->model->length_unit[0] == '\0') {
      Diagnostic *diagnostic = evaluator_report(e, E3026, span, "how far training is");
      diagnostic_hint(diagnostic, "`train for 100_000 steps { … }`");
      return value_error(e);
    }
    int tensor = tensor_find(e, name);
    if (tensor < 0) tensor = tensor_new(e, name, ROLE_COUNTER, 0, NULL, false, span);
    e->model->tensors[tensor].initial = INITIAL_CONSTANT;
    return value_of_node(e, e->model->tensors[tensor].input, 0);
  }
  return NULL;
}

Value *setting_value(Evaluator *e, Setting *setting) {
  if (setting->tensor < 0) {
    setting->tensor = tensor_new(e, setting->name, ROLE_SETTING, 0, NULL, false, setting->span);
    e->model->tensors[setting->tensor].initial = INITIAL_CONSTANT;
    e->model->tensors[setting->tensor].initial_a = setting->value;
  }
  Node *input = e->model->tensors[setting->tensor].input;
  Value *value = value_number(e, setting->value);
  value->number.runtime = scalar_read(e->graph, input, access_identity(e->graph, 0));
  if (setting->dependence == NULL) {
    setting->dependence = session_allocate(e->session, sizeof *setting->dependence);
    setting->dependence->setting = setting;
  }
  value->number.settings = setting->dependence;
  return value;
}

Dependence *dependence_joined(Evaluator *e, Dependence *a, Dependence *b) {
  if (a == NULL || b == NULL || a == b) return a == NULL ? b : a;
  Dependence *both = session_allocate(e->session, sizeof *both);
  *both = (Dependence){.left = a, .right = b, .frozen = a->frozen && b->frozen};
  return both;
}
