/* Whole models natively against the interpreter: every routine of every narrow example, from its file through all
   passes to machine code, on the same inputs and draws. */
#include "expand_check.h"
#include "schedule_run.h"

typedef struct Inputs {
  const Model *model;
  int count;
  Node *nodes[4096];
} Inputs;

static void add_input(void *context, Node *node) {
  Inputs *inputs = context;
  for (int k = 0; k < inputs->count; k++)
    if (inputs->nodes[k] == node) return;
  if (node->kind == NODE_INPUT) inputs->nodes[inputs->count++] = node;
}

/* What may stand in a tensor: second moments and counts are positive, all else is spread around 0. Exact in float32. */
static double input_number(const ModelTensor *tensor, int64_t i) {
  DrawCounters counters = {.seed = 7};
  double uniform =
      draw_uniform(counters, tensor->stream + (uint64_t)tensor->role * 977 + (uint64_t)node_size(tensor->input), 0, i);
  if (tensor->role == ROLE_COUNTER) return 1 + floor(3 * uniform);
  if (tensor->role == ROLE_OPTIMIZER_STATE || tensor->role == ROLE_STATE || tensor->role == ROLE_SETTING ||
      tensor->role == ROLE_LOCAL)
    return 0.25 + 0.5 * uniform;
  return 1.5 * uniform - 0.75;
}

/* Steps that only statistics need leave nothing else, and the others do not wait for them. */
static void check_told(const NativeRun *run, const ModelRoutine *routine) {
  int first = routine->effects.count - routine->told;
  for (int s = 0; s < run->schedule->step_count; s++) {
    const ScheduledStep *step = &run->schedule->steps[s];
    for (int b = 0; b < step->program->bound_count; b++)
      for (int k = 0; k < routine->effects.count && step->made[b].written; k++)
        if (step->bindings[b]->node == routine->effects.items[k].target)
          ck_assert_msg(step->told == (k >= first), "%s: %s", routine->name, step->bindings[b]->node->name);
    for (int before = 0; before < s && !step->told; before++) {
      const ScheduledStep *other = &run->schedule->steps[before];
      for (int b = 0; b < step->program->bound_count && other->told; b++)
        for (int c = 0; c < other->program->bound_count; c++)
          ck_assert(step->bindings[b] != other->bindings[c] || !other->made[c].written);
    }
  }
}

static void check_routine(Session *session, Target *target, const Model *model, const ModelRoutine *routine,
                          RegisterType real, double tolerance) {
  Inputs inputs = {.model = model};
  graph_walk(model->graph, &routine->effects, add_input, &inputs);
  for (int k = 0; k < routine->effects.count; k++) add_input(&inputs, routine->effects.items[k].target);
  Interpreter *interpreter = interpreter_new(model->graph);
  ScheduleOptions options = {.machine = target_machine(target), .real = real, .fuse_limit = -1, .told = routine->told};
  NativeRun *run = run_scheduled(session, model->graph, routine->effects, &options);
  runs_load(session, target, 1, &run);
  check_told(run, routine);
  run->counters = (DrawCounters){.seed = 3, .round = 2, .ordinal = 1};
  interpreter_draws(interpreter, run->counters);
  for (int k = 0; k < inputs.count; k++) {
    const ModelTensor *tensor = NULL;
    for (int t = 0; t < model->tensor_count; t++)
      if (model->tensors[t].input == inputs.nodes[k]) tensor = &model->tensors[t];
    ck_assert_ptr_nonnull(tensor);
    int64_t size = node_size(inputs.nodes[k]);
    double *numbers = malloc((size_t)size * sizeof *numbers);
    for (int64_t i = 0; i < size; i++) numbers[i] = input_number(tensor, i);
    both_set(run, interpreter, inputs.nodes[k], numbers);
    free(numbers);
  }
  run_steps(run);
  for (int k = 0; k < routine->effects.count; k++) {
    const Effect *effect = &routine->effects.items[k];
    double far = run_distance(run, effect->target, interpreter, effect->value);
    ck_assert_msg(far <= tolerance, "%s of %s: %s is %.2e away", routine->name, model->name, effect->target->name, far);
  }
  run_free(run);
  interpreter_free(interpreter);
}

static const char *const models[] = {"gan",
                                     "wgan",
                                     "wgan_gp",
                                     "ring",
                                     "features",
                                     "../fixtures/dcgan",
                                     "../fixtures/dcgan_wgan_gp",
                                     "groups",
                                     "../values/outside",
                                     "../values/conditions",
                                     "../values/gradients",
                                     "../values/along_indices",
                                     "../values/images_convolutions",
                                     "../values/images_transposed",
                                     "../values/images_resampling",
                                     "../values/images_normalization"};
static const struct {
  const char *march;
  RegisterType real;
  double tolerance;
} settings[] = {
    {"native", REGISTER_F64, 1e-12},
    {"native", REGISTER_F32, 1e-5},
    {"x86-64-v3", REGISTER_F32, 1e-5},
};

START_TEST(native_is_the_interpreter) {
  int setting = _i / LENGTH(models), name = _i % LENGTH(models);
  Session *session = session_new();
  Target *target = target_new(session, settings[setting].march);
  ck_assert_ptr_nonnull(target);
  Model *model = model_read(session, models[name], false);
  model_differentiate(model);
  model_pass(model, transform_simplify, "simplify");
  model_pass(model, transform_axes, "axes");
  ck_assert_int_gt(model->routine_count, 0);
  for (int r = 0; r < model->routine_count; r++)
    check_routine(session, target, model, &model->routines[r], settings[setting].real, settings[setting].tolerance);
  session_free(session);
}
END_TEST

CHECK_MAIN(.seconds = 240, .loops = {{native_is_the_interpreter, 0, LENGTH(settings) * LENGTH(models)}})
