/* The command `eval`. Takes trained weights; measures samples of an output against data of the same shape that training did not see, and as a
   yardstick the training data against the same. For mixtures also which modes are reached. Never changes a run. */
#include "runtime/runtime.h"

#include <stdlib.h>

enum { EVAL_COUNT = 10000, EVAL_DIRECTIONS = 512 };

typedef struct Evaluated {
  int64_t count;
  int directions;
  double sample_distance, data_distance;                   /* sliced Wasserstein-1 to held-out data: of samples, of training data */
  double sample_pairs, data_pairs;                         /* mean distance of pairs: of samples, of held-out data */
  bool mixture;
  ModeReport modes;
} Evaluated;

static float *data_rows(const Dataset *dataset, const TensorRecord *tensor, int64_t count, uint64_t seed, Problem *problem) {
  float *rows = system_allocate((size_t)count * (size_t)dataset->size * sizeof *rows);
  int64_t *indices = system_allocate((size_t)count * sizeof *indices);
  if (rows && indices) {
    permutation_indices(seed, hash_text(tensor->name), dataset->count, 0, count, indices);
    dataset_rows(dataset, indices, count, tensor->low, tensor->high, rows);
  } else {
    problem_out_of_memory(problem, "data", (size_t)count * (size_t)dataset->size * sizeof *rows);
    free(rows);
    rows = NULL;
  }
  free(indices);
  return rows;
}

static bool measure(Session *session, int64_t output, const Dataset *held_out, const Dataset *seen, const TensorRecord *tensor, Evaluated *evaluated,
                    Problem *problem) {
  const Options *options = &session->trainer->options;
  int threads = pool_threads(session->execution.pool);
  int64_t size = held_out->size, count = options->count ? options->count : EVAL_COUNT;
  if (count > held_out->count) count = held_out->count;
  if (count > seen->count) count = seen->count;
  evaluated->count = count;
  evaluated->directions = options->directions ? (int)options->directions : EVAL_DIRECTIONS;
  float *samples = session_samples(session, output, count, problem);
  float *held_out_rows = samples ? data_rows(held_out, tensor, count, options->seed, problem) : NULL;
  float *seen_rows = held_out_rows ? data_rows(seen, tensor, count, options->seed, problem) : NULL;
  bool fine = seen_rows
      && metric_sliced_wasserstein(samples, held_out_rows, count, size, evaluated->directions, options->seed, threads, &evaluated->sample_distance,
                                   problem)
      && metric_sliced_wasserstein(seen_rows, held_out_rows, count, size, evaluated->directions, options->seed, threads, &evaluated->data_distance,
                                   problem);
  if (fine) {
    evaluated->sample_pairs = metric_mean_pair_distance(samples, count, size, options->seed);
    evaluated->data_pairs = metric_mean_pair_distance(held_out_rows, count, size, options->seed);
    evaluated->mixture = held_out->mixture != NULL;
    if (evaluated->mixture) evaluated->modes = metric_modes(held_out->mixture, samples, count);
  }
  free(samples);
  free(held_out_rows);
  free(seen_rows);
  return fine;
}

static void print_text(const Model *model, int64_t output, const char *spec, const Evaluated *e) {
  printf("%s: %s samples against as many held-out ones of %s\n", model->outputs[output].name, text_count(e->count).text, spec);
  printf("sliced Wasserstein-1, %d directions: %.5f; training data against held-out ones: %.5f; ratio %.2f\n", e->directions, e->sample_distance,
         e->data_distance, e->sample_distance / e->data_distance);
  printf("mean distance of pairs: samples %.4f, held-out data %.4f; ratio %.1f%%\n", e->sample_pairs, e->data_pairs, 100 * e->sample_pairs / e->data_pairs);
  if (e->mixture)
    printf("modes: %d of %d; high-quality samples: %.1f%%; reverse KL: %.4f nats\n", e->modes.covered, e->modes.modes, 100 * e->modes.high_quality,
           e->modes.reverse_divergence);
}

static bool print_json(const Model *model, int64_t output, const char *spec, const Evaluated *e, Problem *problem) {
  JsonWriter *json = json_writer_new(true);
  if (!json) return problem_out_of_memory(problem, "the text", 0);
  json_open_object(json, NULL);
  json_put_text(json, "output", model->outputs[output].name);
  json_put_text(json, "data", spec);
  json_put_integer(json, "count", e->count);
  json_put_integer(json, "directions", e->directions);
  json_put_number(json, "sliced_wasserstein", e->sample_distance);
  json_put_number(json, "sliced_wasserstein_of_training_data", e->data_distance);
  json_put_number(json, "sliced_wasserstein_ratio", e->sample_distance / e->data_distance);
  json_put_number(json, "pair_distance", e->sample_pairs);
  json_put_number(json, "pair_distance_of_data", e->data_pairs);
  json_put_number(json, "pair_distance_ratio", e->sample_pairs / e->data_pairs);
  if (e->mixture) {
    json_put_integer(json, "modes", e->modes.modes);
    json_put_integer(json, "modes_covered", e->modes.covered);
    json_put_number(json, "high_quality", e->modes.high_quality);
    json_put_number(json, "reverse_kl", e->modes.reverse_divergence);
  }
  json_close(json);
  return json_writer_print(json, stdout, problem);
}

int command_eval(Trainer *trainer) {
  Problem problem;
  const Model *model = &trainer->model;
  Session session = {0};
  Evaluated evaluated = {0};
  const char *spec = NULL;
  Dataset *held_out = NULL, *seen = NULL;
  int64_t output = trainer_output(trainer, &problem), data = output >= 0 ? output_data(model, output) : -1;
  bool fine = output >= 0
      && (data >= 0
          || problem_set(&problem, "no data of the model have the shape of %s, so there is nothing to measure it against", model->outputs[output].name))
      && session_open_trained(&session, trainer, model->outputs[output].routine, &problem);
  if (fine) {
    spec = data_spec(trainer, session.config, &model->tensors[data]);
    held_out = dataset_open(spec, DATA_HELD_OUT, COLUMN_SAMPLES, &problem);
    seen = held_out ? dataset_open(spec, DATA_TRAIN, COLUMN_SAMPLES, &problem) : NULL;
    fine = seen && dataset_fits(held_out, &model->tensors[data], &problem)
        && measure(&session, output, held_out, seen, &model->tensors[data], &evaluated, &problem);
  }
  if (fine && trainer->options.json) fine = print_json(model, output, spec, &evaluated, &problem);
  else if (fine) print_text(model, output, spec, &evaluated);
  if (!fine) report_error(trainer->program, &problem);
  dataset_close(held_out);
  dataset_close(seen);
  session_close(&session);
  return fine ? EXIT_FINE : EXIT_FAILED;
}
