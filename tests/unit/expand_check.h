/* What the tests of expand share: models from files and from texts, and a world that trains them literally: routines by
   the interpreter, draws as the reference draws them, the schedule as a recursion over its tree. */
#ifndef EXPAND_CHECK_H
#define EXPAND_CHECK_H

#include "compiler/compiler.h"
#include "graph_check.h"
#include "printed_text.h"

#include <stdarg.h>

/* ---- from texts to models ---------------------------------------------------------------------------------------- */

static inline Model *model_expand(Session *session, const char *name, const char *text, size_t length, bool diagnose) {
  Syntax *standard[32];
  int count = 0;
  for (const EmbeddedFile *file = embedded_files; file->name != NULL; file++)
    if (strncmp(file->name, "stdlib/", 7) == 0) {
      ck_assert_int_lt(count, LENGTH(standard));
      standard[count++] = syntax_parse(session, source_from_text(session, file->name, file->bytes, file->size));
    }
  Syntax *file = syntax_parse(session, source_from_text(session, name, text, length));
  ExpandOptions options = {.diagnose = diagnose};
  return file == NULL ? NULL : expand_model(session, file, count, standard, &options);
}

static inline void model_must(Session *session, const Model *model, const char *name) {
  if (model != NULL && diagnostic_error_count(session) == 0) return;
  diagnostic_print_all(session, stderr);
  ck_abort_msg("%s does not compile", name);
}

/* tests/models/NAME.gan */
static inline Model *model_read(Session *session, const char *name, bool diagnose) {
  const Source *source = source_read(session, session_format(session, "%s/models/%s.gan", TEST_DIRECTORY, name));
  ck_assert_ptr_nonnull(source);
  Model *model = model_expand(session, name, source->text, source->length, diagnose);
  model_must(session, model, name);
  return model;
}

static inline int model_tensor(const Model *model, const char *name) {
  for (int k = 0; k < model->tensor_count; k++)
    if (strcmp(model->tensors[k].name, name) == 0) return k;
  return -1;
}

static inline int model_count(const Model *model, TensorRole role) {
  int count = 0;
  for (int k = 0; k < model->tensor_count; k++) count += model->tensors[k].role == role;
  return count;
}

static inline void model_pass(Model *model, EffectList (*pass)(Graph *, EffectList), const char *name) {
  for (int r = 0; r < model->routine_count; r++) {
    model->routines[r].effects = pass(model->graph, model->routines[r].effects);
    ck_assert_msg(graph_verify(model->graph, &model->routines[r].effects, name), "%s after %s", model->routines[r].name,
                  name);
  }
  model_must(model->session, model, name);
}

/* To where the interpreter can run it. */
static inline void model_differentiate(Model *model) {
  for (int r = 0; r < model->routine_count; r++)
    ck_assert(graph_verify(model->graph, &model->routines[r].effects, "expand"));
  model_pass(model, transform_normalise, "normalise");
  expand_differentiate(model);
  for (int r = 0; r < model->routine_count; r++)
    ck_assert(graph_verify(model->graph, &model->routines[r].effects, "differentiate"));
  model_must(model->session, model, "differentiate");
}

/* ---- a world ----------------------------------------------------------------------------------------------------- */

typedef struct World {
  Session *session;
  Model *model;
  Interpreter *interpreter;
  uint64_t seed;
  int64_t step, images;
} World;

static inline const double *world_values(World *world, const char *name) {
  int tensor = model_tensor(world->model, name);
  ck_assert_msg(tensor >= 0, "there is no tensor %s", name);
  return interpreter_value(world->interpreter, world->model->tensors[tensor].input);
}
static inline double world_value(World *world, const char *name) { return world_values(world, name)[0]; }

static inline void world_set(World *world, const char *name, int count, const double *values) {
  int tensor = model_tensor(world->model, name);
  ck_assert_msg(tensor >= 0, "there is no tensor %s", name);
  Node *input = world->model->tensors[tensor].input;
  ck_assert_int_eq(node_size(input), count);
  interpreter_set(world->interpreter, input, values);
}

static inline DrawCounters world_counters(const World *world, int ordinal) {
  return (DrawCounters){.seed = world->seed, .round = world->step, .ordinal = ordinal < 0 ? 0 : ordinal};
}

/* Data are numbers of their own for every evaluation, spread over `in`. */
static inline void world_fill(World *world, int tensor, DrawCounters counters) {
  const ModelTensor *row = &world->model->tensors[tensor];
  int64_t size = node_size(row->input), samples = row->input->shape[0], elements = size / samples;
  double *values = malloc((size_t)size * sizeof *values);
  for (int64_t i = 0; i < size; i++) {
    double a = row->initial_a, b = row->initial_b;
    if (row->initial == INITIAL_NORMAL)
      values[i] = a + b * draw_normal(counters, row->stream, i / elements, i % elements);
    else values[i] = draw_uniform(counters, row->stream, i / elements, i % elements);
    if (row->initial == INITIAL_UNIFORM) values[i] = a + (b - a) * values[i];
    if (row->role == ROLE_NOISE && row->classes > 0) values[i] = floor(row->classes * values[i]);
    if (row->role == ROLE_DATA) values[i] = row->low + (row->high - row->low) * values[i];
  }
  interpreter_set(world->interpreter, row->input, values);
  free(values);
}

static inline void world_run(World *world, int routine) {
  const ModelRoutine *row = &world->model->routines[routine];
  DrawCounters counters = world_counters(world, row->ordinal);
  for (int k = 0; k < row->fill_count; k++) world_fill(world, row->fills[k], counters);
  interpreter_draws(world->interpreter, counters);
  interpreter_apply(world->interpreter, &row->effects);
}

static inline void world_counter(World *world, const char *name, double value) {
  if (model_tensor(world->model, name) >= 0) world_set(world, name, 1, &value);
}

static inline void world_begin(World *world) {
  Model *model = world->model;
  world->step = world->images = 0;
  for (int k = 0; k < model->tensor_count; k++) {
    const ModelTensor *row = &model->tensors[k];
    if (row->initial == INITIAL_NONE) continue;
    if (row->initial == INITIAL_ROUTINE) {
      interpreter_draws(world->interpreter, world_counters(world, 0));
      interpreter_apply(world->interpreter, &model->routines[row->initial_routine].effects);
      continue;
    }
    int64_t size = node_size(row->input);
    double *values = malloc((size_t)size * sizeof *values);
    for (int64_t i = 0; i < size; i++) {
      double a = row->initial_a, b = row->initial_b;
      DrawCounters counters = world_counters(world, 0);
      values[i] = row->initial == INITIAL_CONSTANT  ? a
                  : row->initial == INITIAL_UNIFORM ? a + (b - a) * draw_uniform(counters, row->stream, 0, i)
                                                    : a + b * draw_normal(counters, row->stream, 0, i);
    }
    interpreter_set(world->interpreter, row->input, values);
    free(values);
  }
}

static inline double world_decides(World *world, const ModelSchedule *node) {
  if (node->value < 0) return node->constant;
  world_run(world, node->routine);
  return *interpreter_value(world->interpreter, world->model->tensors[node->value].input);
}

static inline void world_schedule(World *world, const ModelSchedule *node) {
  double value;
  switch (node->kind) {
  case SCHEDULE_RUN: world_run(world, node->routine); break;
  case SCHEDULE_SEQUENCE:
    for (int k = 0; k < node->child_count; k++) world_schedule(world, node->children[k]);
    break;
  case SCHEDULE_REPEAT:
    value = world_decides(world, node);
    for (int k = 0; k < (int)value; k++) world_schedule(world, node->children[0]);
    break;
  case SCHEDULE_EVERY:
    value = world_decides(world, node);
    if (world->step % (int64_t)value == 0) world_schedule(world, node->children[0]);
    break;
  case SCHEDULE_CHOICE:
    value = world_decides(world, node);
    if (value != 0) world_schedule(world, node->children[0]);
    else if (node->child_count > 1) world_schedule(world, node->children[1]);
    break;
  }
}

static inline void world_round(World *world) {
  Model *model = world->model;
  world_counter(world, "step", (double)world->step);
  world_counter(world, "image", (double)world->images);
  world_counter(world, "epoch", (double)world->images / 100);
  world_counter(world, "progress", model->length > 0 ? (double)world->step / model->length : 0);
  world_schedule(world, model->schedule);
  world->step++, world->images += model->batch;
}

/* The model of a text, ready to train: differentiated, at its initial values. */
static inline World world_of(const char *text) {
  World world = {.session = session_new(), .seed = 7};
  world.model = model_expand(world.session, "text.gan", text, strlen(text), false);
  model_must(world.session, world.model, text);
  model_differentiate(world.model);
  world.interpreter = interpreter_new(world.model->graph);
  world_begin(&world);
  return world;
}

static inline void world_free(World *world) {
  interpreter_free(world->interpreter);
  session_free(world->session);
}

/* The value of an output, now. */
static inline const double *world_output(World *world, const char *name) {
  for (int k = 0; k < world->model->output_count; k++) {
    const ModelOutput *output = &world->model->outputs[k];
    if (strcmp(output->name, name) != 0) continue;
    world_run(world, output->routine);
    return interpreter_value(world->interpreter, world->model->tensors[output->tensor].input);
  }
  ck_abort_msg("there is no output %s", name);
}

#endif
