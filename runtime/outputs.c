/* What a model's outputs say. Takes an engine; returns samples of a random output, or the values of the deterministic
   ones. Outputs change nothing: what they draw and which rows they take depends on nothing that was evaluated
   before. */
#include "runtime/runtime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int64_t trainer_output(const Trainer *trainer, Problem *problem) {
  const Descriptor *model = &trainer->model;
  const char *wanted = trainer->options.output;
  for (int64_t k = 0; k < model->output_count; k++)
    if (model->outputs[k].random && (!wanted || strcmp(model->outputs[k].name, wanted) == 0)) return k;
  char names[400] = "";
  for (int64_t k = 0; k < model->output_count; k++)
    if (model->outputs[k].random)
      snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", names[0] ? ", " : "",
               model->outputs[k].name);
  if (!names[0])
    problem_set(problem, "the model has no random output; write one in %s, as in `output fakes = G(z)`",
                model->header->file);
  else problem_set(problem, "the model has no random output %s, but: %s", wanted, names);
  return -1;
}

static bool run_output(Engine *engine, int64_t output, Occasion occasion, Problem *problem) {
  const OutputRecord *record = &engine->trainer->model.outputs[output];
  occasion.rows.apart = record->name;
  clock_show(&engine->clock, &engine->execution);
  return execution_run(&engine->execution, record->routine, occasion, problem);
}

/* The same draws whatever the step, so that pictures of a run can be compared. What is fed serves training where there
   is some. */
float *engine_samples(Engine *engine, int64_t output, int64_t count, Problem *problem) {
  const Descriptor *model = &engine->trainer->model;
  int64_t tensor = model->outputs[output].tensor, batch = model->tensors[tensor].shape[0],
          size = tensor_sample_size(&model->tensors[tensor]);
  float *samples = system_allocate((size_t)count * (size_t)size * sizeof *samples);
  if (!samples) {
    problem_out_of_memory(problem, "samples", (size_t)count * (size_t)size * sizeof *samples);
    return NULL;
  }
  for (int64_t first = 0; first < count; first += batch) {
    Rows rows = {.first = first, .fed = engine->trainer->options.command == COMMAND_TRAIN ? 0 : count - first};
    if (!run_output(engine, output, (Occasion){.first_sample = first, .rows = rows}, problem)) {
      free(samples);
      return NULL;
    }
    TensorView view = execution_view(&engine->execution, tensor);
    view_rows(&view, count - first < batch ? count - first : batch, samples + first * size);
  }
  return samples;
}

/* A function of the step, whatever was logged before. */
bool engine_log_outputs(Engine *engine, JsonWriter *writer, Problem *problem) {
  const Descriptor *model = &engine->trainer->model;
  for (int64_t k = 0; k < model->output_count; k++) {
    if (model->outputs[k].random) continue;
    int64_t step = engine->clock.step, batch = model->routines[model->outputs[k].routine].batch;
    if (!run_output(engine, k, (Occasion){.round = step, .rows = {.first = step * batch}}, problem)) return false;
    TensorView view = execution_view(&engine->execution, model->outputs[k].tensor);
    int64_t size = tensor_view_size(&view);
    if (view.rank == 0) {
      json_put_number(writer, model->outputs[k].name, view_get(&view, 0));
      continue;
    }
    json_open_array(writer, model->outputs[k].name);
    for (int64_t element = 0; element < size; element++) json_put_number(writer, NULL, view_get(&view, element));
    json_close(writer);
  }
  return true;
}

bool output_resembles(const Descriptor *model, int64_t output, int64_t tensor) {
  const TensorRecord *sample = &model->tensors[model->outputs[output].tensor], *data = &model->tensors[tensor];
  return descriptor_declares_data(model, tensor) && data->classes == 0 && data->rank == sample->rank &&
         memcmp(data->shape + 1, sample->shape + 1, (size_t)(sample->rank - 1) * sizeof *data->shape) == 0;
}

bool samples_are_finite(const Engine *engine, int64_t output, const float *samples, int64_t count, Problem *problem) {
  const Descriptor *model = &engine->trainer->model;
  int64_t size = tensor_sample_size(&model->tensors[model->outputs[output].tensor]), bad = 0, first = -1;
  for (int64_t k = 0; k < count * size; k++) {
    if (isfinite(samples[k])) continue;
    if (first < 0) first = k;
    bad++;
    k += size - 1 - k % size; /* the next sample */
  }
  return first < 0 ||
         problem_set(problem, "%lld of %lld samples of %s are not finite: element %lld of sample %lld is %s",
                     (long long)bad, (long long)count, model->outputs[output].name, (long long)(first % size),
                     (long long)(first / size), number_word(samples[first]));
}

/* Pictures span the range of the data that look like them; else that of the samples. */
static void find_range(const Descriptor *model, int64_t output, const float *samples, int64_t numbers, double *low,
                       double *high) {
  int64_t data = 0;
  while (data < model->tensor_count && !output_resembles(model, output, data)) data++;
  if (data < model->tensor_count && model->tensors[data].low < model->tensors[data].high) {
    *low = model->tensors[data].low;
    *high = model->tensors[data].high;
    return;
  }
  *low = INFINITY, *high = -INFINITY;
  for (int64_t k = 0; k < numbers; k++) {
    if (!isfinite(samples[k])) continue;
    *low = fmin(*low, samples[k]);
    *high = fmax(*high, samples[k]);
  }
  if (isinf(*low)) *low = 0; /* no finite one */
  if (!(*low < *high)) *high = *low + 1;
}

bool samples_write(const Descriptor *model, int64_t output, const float *samples, int64_t count, const char *path,
                   Problem *problem) {
  const TensorRecord *tensor = &model->tensors[model->outputs[output].tensor];
  size_t length = strlen(path);
  if (length >= 4 && strcmp(path + length - 4, ".npy") == 0) {
    int64_t shape[8] = {count};
    memcpy(shape + 1, tensor->shape + 1, (size_t)(tensor->rank - 1) * sizeof *shape);
    return npy_write(path, ELEMENT_F32, tensor->rank, shape, samples, problem);
  }
  if (length < 4 || strcmp(path + length - 4, ".png") != 0)
    return problem_set(problem, "-o expects a file that ends in .png or .npy, found \"%s\"", path);
  double low, high;
  find_range(model, output, samples, count * tensor_sample_size(tensor), &low, &high);
  return picture_write(path, samples, count, tensor->rank - 1, tensor->shape + 1, low, high, problem);
}
