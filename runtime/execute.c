/* One routine: a single evaluation of what a model computes. Takes a model's tables, kernels and a supply of data;
   resolves every pointer once; then runs routines: fills the data and noise that they mention and walks their steps.
   Never decides which routine runs when (schedule.c), nor what a kernel does. */
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>

static void *tensor_data(const Execution *execution, int64_t tensor) {
  const TensorRecord *record = &execution->model->tensors[tensor];
  return memory_at(&execution->memory, record->place, record->offset);
}

static bool resolve_bindings(Execution *execution, Problem *problem) {
  const Descriptor *model = execution->model;
  size_t bytes = (size_t)(model->binding_count + 1) * sizeof(void *);
  execution->buffers = system_allocate(bytes);
  if (!execution->buffers) return problem_out_of_memory(problem, "the table of buffers", bytes);
  for (int64_t k = 0; k < model->binding_count; k++)
    execution->buffers[k] = memory_at(&execution->memory, model->bindings[k].place, model->bindings[k].offset);
  return true;
}

static bool resolve_fills(Execution *execution, Problem *problem) {
  const Descriptor *model = execution->model;
  size_t fills = (size_t)model->fill_count + 1;
  execution->fill_tensors = system_allocate(fills * sizeof(int64_t));
  execution->fill_buffers = system_allocate(fills * sizeof(void *));
  execution->filled = system_allocate(fills * sizeof(bool));
  execution->ran = allocate_zeroed((size_t)model->routine_count + 1, sizeof *execution->ran);
  if (!execution->fill_tensors || !execution->fill_buffers || !execution->filled || !execution->ran)
    return problem_out_of_memory(problem, "the table of fills", fills * 16);
  for (int64_t k = 0; k < model->fill_count; k++) {
    execution->fill_tensors[k] = model->fills[k].tensor;
    execution->fill_buffers[k] = tensor_data(execution, model->fills[k].tensor);
  }
  return true;
}

bool execution_create(Execution *execution, const Descriptor *model, const Kernel *kernels, Supply *supply, int threads,
                      uint64_t seed, Problem *problem) {
  *execution = (Execution){.model = model, .kernels = kernels, .supply = supply, .seed = seed};
  execution->pool = pool_create(threads, !descriptor_is_f64(model), problem);
  if (execution->pool && memory_create(&execution->memory, model, threads, problem) &&
      resolve_bindings(execution, problem) && resolve_fills(execution, problem))
    return true;
  execution_release(execution);
  return false;
}

void execution_release(Execution *execution) {
  pool_free(execution->pool);
  memory_release(&execution->memory);
  free(execution->buffers);
  free(execution->fill_tensors);
  free(execution->fill_buffers);
  free(execution->filled);
  free(execution->ran);
  free(execution->seconds);
  free(execution->runs);
  *execution = (Execution){0};
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static bool fill_inputs(Execution *execution, int64_t r, Occasion occasion, Problem *problem) {
  const Descriptor *model = execution->model;
  const RoutineRecord *routine = &model->routines[r];
  int64_t first = routine->first_fill;
  if (!supply_fill(execution->supply, execution->fill_tensors + first, execution->fill_buffers + first,
                   routine->fill_count, occasion.rows, execution->filled, problem))
    return false;
  for (int64_t k = first; k < first + routine->fill_count; k++) {
    const TensorRecord *tensor = &model->tensors[execution->fill_tensors[k]];
    if (tensor->fed >= 0) execution_set_scalar(execution, tensor->fed, execution->filled[k - first]);
    if (execution->filled[k - first]) continue;
    if (tensor->role == ROLE_DATA)
      return problem_set(problem, "%s needs the data %s, which has no source; give it one with --data %s=SPEC",
                         routine->name, tensor->data, tensor->data);
    if (tensor->initial == INITIAL_NONE) continue;
    Draw draw = draw_of(tensor, execution->seed);
    draw.round = occasion.round, draw.ordinal = occasion.ordinal, draw.first_sample = occasion.first_sample;
    draw_fill(tensor, execution->fill_buffers[k], &draw, execution->pool);
  }
  return true;
}

typedef struct StepRun {
  Kernel kernel;
  const Call *call;
  const Memory *memory;
} StepRun;

static void run_chunk(void *context, int64_t chunk, int worker) {
  const StepRun *run = context;
  run->kernel(run->call, chunk, run->memory->workspaces[worker].data);
}

bool execution_run(Execution *execution, int64_t r, Occasion occasion, Problem *problem) {
  const Descriptor *model = execution->model;
  const RoutineRecord *routine = &model->routines[r];
  const Watch *watch = execution->watch;
  if (!fill_inputs(execution, r, occasion, problem)) return false;
  Call call = {.seed = execution->seed,
               .round = occasion.round,
               .ordinal = occasion.ordinal,
               .first_sample = occasion.first_sample};
  for (int64_t s = routine->first_step; s < routine->first_step + routine->step_count; s++) {
    const StepRecord *step = &model->steps[s];
    if (step->told && !occasion.told) continue;
    const ProgramRecord *program = &model->programs[step->program];
    call.buffers = execution->buffers + step->first_binding;
    StepRun run = {execution->kernels[program->entry], &call, &execution->memory};
    if (watch && watch->before && !watch->before(watch->context, r, s, problem)) return false;
    double start = execution->seconds ? seconds_now() : 0;
    pool_run(execution->pool, run_chunk, &run, program->chunks);
    if (watch && watch->after && !watch->after(watch->context, r, s, problem)) return false;
    if (!execution->seconds) continue;
    execution->seconds[s] += seconds_now() - start;
    execution->runs[s]++;
  }
  execution->ran[r] = true;
  return true;
}

bool routine_touches(const Descriptor *model, int64_t routine, int64_t tensor) {
  const RoutineRecord *record = &model->routines[routine];
  for (int64_t s = record->first_step; s < record->first_step + record->step_count; s++)
    for (int64_t b = 0; b < model->programs[model->steps[s].program].buffer_count; b++)
      if (model->bindings[model->steps[s].first_binding + b].tensor == tensor) return true;
  return false;
}

bool execution_has(const Execution *execution, int64_t tensor) {
  for (int64_t r = 0; r < execution->model->routine_count; r++)
    if (execution->ran[r] && routine_touches(execution->model, r, tensor)) return true;
  return false;
}

bool execution_measure(Execution *execution, Problem *problem) {
  size_t count = (size_t)execution->model->step_count + 1;
  free(execution->seconds);
  free(execution->runs);
  execution->seconds = allocate_zeroed(count, sizeof *execution->seconds);
  execution->runs = allocate_zeroed(count, sizeof *execution->runs);
  return (execution->seconds && execution->runs) || problem_out_of_memory(problem, "measurements", count * 16);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

TensorView execution_view(const Execution *execution, int64_t tensor) {
  const TensorRecord *record = &execution->model->tensors[tensor];
  return tensor_view(record, memory_at(&execution->memory, record->place, 0));
}

static int64_t view_offset(const TensorView *view, int64_t element) {
  int64_t offset = 0;
  for (int axis = (int)view->rank - 1; axis >= 0; axis--) {
    offset += element % view->shape[axis] * view->stride[axis];
    element /= view->shape[axis];
  }
  return offset;
}

double view_get(const TensorView *view, int64_t element) {
  int64_t at = view_offset(view, element);
  return view->type == STORAGE_F64 ? ((const double *)view->data)[at] : (double)((const float *)view->data)[at];
}

void view_set(const TensorView *view, int64_t element, double value) {
  int64_t at = view_offset(view, element);
  if (view->type == STORAGE_F64) ((double *)view->data)[at] = value;
  else ((float *)view->data)[at] = (float)value;
}

void view_rows(const TensorView *view, int64_t rows, float *out) {
  int64_t size = tensor_view_size(view) / view->shape[0];
  for (int64_t k = 0; k < rows * size; k++) out[k] = (float)view_get(view, k);
}

double execution_scalar(const Execution *execution, int64_t tensor) {
  TensorView view = execution_view(execution, tensor);
  return view_get(&view, 0);
}

void execution_set_scalar(Execution *execution, int64_t tensor, double value) {
  TensorView view = execution_view(execution, tensor);
  view_set(&view, 0, value);
}
