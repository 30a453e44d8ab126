/* The command `eval`. Takes trained weights; measures samples of an output against held-out samples of data of the same
   shape, and as a yardstick the training data against the same. For mixtures also which modes are reached. What was
   compared with what is part of the result, which is printed and left in the run's folder. Says nothing where there is
   nothing to say: a number that is not known is null. Never changes what a run has. */
#include "runtime/runtime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EVAL_COUNT = 10000, EVAL_DIRECTIONS = 512 };

/* One side of the comparison: where its samples come from. */
typedef struct Side {
  const char *spec, *said_by;
  bool changed;
  Dataset *dataset;
} Side; /* changed: not what the run has read */

typedef struct Evaluated {
  const Engine *engine;
  int64_t output;
  const TensorRecord *data; /* what the output is measured against */
  Side held_out, training;
  Problem no_training; /* why there is no training side, where there is none */
  int64_t count;       /* samples of each side */
  int directions;
  double sample_distance, training_distance, distance_ratio; /* sliced Wasserstein-1 to held-out data; NaN: not known */
  double sample_pairs, data_pairs, pair_ratio;               /* mean distance of pairs: of samples, of held-out data */
  ModeReport modes;                                          /* of mixtures */
} Evaluated;

/* ---- what is compared with what ---------------------------------------------------------------------------------- */

/* The data named by --against, or the only ones that samples of the output could be. */
static const TensorRecord *choose_data(const Trainer *trainer, int64_t output, Problem *problem) {
  const Descriptor *model = &trainer->model;
  const TensorRecord *only = NULL, *result = &model->tensors[model->outputs[output].tensor];
  const char *name = model->outputs[output].name, *wanted = trainer->options.against;
  char names[400] = "";
  int candidates = 0;
  for (int64_t k = 0; k < model->tensor_count; k++) {
    const TensorRecord *data = &model->tensors[k];
    if (!output_resembles(model, output, k)) continue;
    if (wanted && strcmp(data->data, wanted) == 0) return data;
    only = data;
    snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", candidates++ ? ", " : "", data->data);
  }
  if (candidates == 1 && !wanted) return only;
  if (candidates == 0)
    problem_set(problem, "no data of the model have the shape of %s, %s, so there is nothing to measure it against",
                name, text_shape(result, false).text);
  else if (wanted)
    problem_set(problem, "--against %s: the model has no data of that name with the shape of %s, %s, but: %s", wanted,
                name, text_shape(result, false).text, names);
  else problem_set(problem, "%s could be measured against %s: say which with --against NAME", name, names);
  return NULL;
}

/* What --data says of the data that the output is measured against: held-out samples. Taken out of the options, as the
   output itself, where it reads these data too, reads the run's own. (Where nothing says what those are, it reads
   these.) */
static const char *take_held_out(Trainer *trainer, const TensorRecord *data) {
  const Options *options = &trainer->options;
  Assignments *list = &trainer->options.data;
  char *folder = options->weights ? run_folder_of_checkpoint(options->weights) : NULL;
  bool known = data->source[0] || options->run || !options->weights || folder;
  free(folder);
  for (int k = 0; k < list->count; k++) {
    const char *spec = list->items[k].value;
    if (!assignment_names(&list->items[k], data->data)) continue;
    if (known) list->items[k] = list->items[--list->count];
    return spec;
  }
  return NULL;
}

static Dataset *open_side(const char *spec, DataPart part, const TensorRecord *data, Problem *problem) {
  Dataset *dataset = dataset_open(spec, part, COLUMN_SAMPLES, problem);
  dataset_keep(dataset);
  if (dataset && dataset_fits(dataset, data, problem) && dataset_check(dataset, data, false, problem)) return dataset;
  dataset_close(dataset);
  return NULL;
}

/* given: what --data says, or NULL. Training data that cannot be had leave the yardstick unknown; held-out ones must be
   there. */
static bool open_sides(Evaluated *e, const char *given, Problem *problem) {
  const char *own = data_spec(e->engine->trainer, e->engine->config, e->data), *name = e->data->data;
  const char *said_by = json_find(json_find(e->engine->config, "data"), name) ? "config.json" : "model";
  if (own == given) own = "";
  if (!given && !own[0])
    return problem_set(problem, "nothing says where %s come from: name held-out samples with --data %s=SPEC", name,
                       name);
  Problem inner = {""};
  e->held_out = (Side){.spec = given ? given : own, .said_by = given ? "--data" : said_by};
  e->held_out.dataset = open_side(e->held_out.spec, given ? DATA_CHOSEN : DATA_HELD_OUT, e->data, &inner);
  if (!e->held_out.dataset)
    return problem_set(problem, "data %s: %s%s%s%s", name, inner.text,
                       given ? "" : "; samples that training has not seen are named by --data ", given ? "" : name,
                       given ? "" : "=SPEC");
  if (!own[0]) return problem_set(&e->no_training, "nothing says what was trained on"), true;
  bool divided = e->held_out.dataset->divided;
  if (!divided && file_same(own, e->held_out.spec))
    return problem_set(&e->no_training, "%s is what was trained on: nothing is held out", own), true;
  e->training =
      (Side){.spec = own, .said_by = said_by, .dataset = open_side(own, DATA_TRAIN, e->data, &e->no_training)};
  e->training.changed = e->training.dataset && data_have_changed(e->engine->config, e->training.dataset, e->data);
  return true;
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */

/* There are no distances to what is not finite. */
static bool check_finite(const float *rows, int64_t count, int64_t size, const int64_t *indices, const char *what,
                         Problem *problem) {
  for (int64_t k = 0; k < count * size; k++)
    if (!isfinite(rows[k]))
      return problem_set(problem, "%s: element %lld of sample %lld is %s", what, (long long)(k % size),
                         (long long)indices[k / size], number_word(rows[k]));
  return true;
}

static float *side_rows(const Side *side, const TensorRecord *data, int64_t count, uint64_t seed, Problem *problem) {
  const Dataset *dataset = side->dataset;
  float *rows = system_allocate((size_t)count * (size_t)dataset->size * sizeof *rows);
  int64_t *indices = system_allocate((size_t)count * sizeof *indices);
  bool fine =
      (rows && indices) || problem_out_of_memory(problem, "data", (size_t)count * (size_t)dataset->size * sizeof *rows);
  if (fine) {
    permutation_indices(seed, hash_text(data->data), dataset->count, 0, count, indices);
    dataset_rows(dataset, indices, count, data->low, data->high, rows);
    fine = check_finite(rows, count, dataset->size, indices, side->spec, problem);
  }
  free(indices);
  if (fine) return rows;
  free(rows);
  return NULL;
}

/* NaN where it says nothing: divided by 0, or by what is not known. */
static double ratio(double above, double below) { return below > 0 ? above / below : NAN; }

static bool measure(Evaluated *e, Engine *engine, Problem *problem) {
  const Options *options = &engine->trainer->options;
  int threads = pool_threads(engine->execution.pool);
  const Dataset *held_out = e->held_out.dataset, *training = e->training.dataset;
  int64_t size = held_out->size, count = options->count ? options->count : EVAL_COUNT;
  if (count > held_out->count) count = held_out->count;
  if (training && count > training->count) count = training->count;
  e->count = count;
  e->directions = options->directions ? (int)options->directions : EVAL_DIRECTIONS;
  e->training_distance = NAN;
  float *samples = engine_samples(engine, e->output, count, problem), *training_rows = NULL, *held_out_rows = NULL;
  bool fine = samples && samples_are_finite(engine, e->output, samples, count, problem);
  if (fine) held_out_rows = side_rows(&e->held_out, e->data, count, options->seed, problem);
  if (held_out_rows && training) training_rows = side_rows(&e->training, e->data, count, options->seed, problem);
  fine = held_out_rows && (training_rows || !training) &&
         metric_sliced_wasserstein(samples, held_out_rows, count, size, e->directions, options->seed, threads,
                                   &e->sample_distance, problem) &&
         (!training || metric_sliced_wasserstein(training_rows, held_out_rows, count, size, e->directions,
                                                 options->seed, threads, &e->training_distance, problem));
  if (fine) {
    e->distance_ratio = ratio(e->sample_distance, e->training_distance);
    e->sample_pairs = count > 1 ? metric_mean_pair_distance(samples, count, size, options->seed) : NAN;
    e->data_pairs = count > 1 ? metric_mean_pair_distance(held_out_rows, count, size, options->seed) : NAN;
    e->pair_ratio = ratio(e->sample_pairs, e->data_pairs);
    if (held_out->mixture) e->modes = metric_modes(held_out->mixture, samples, count);
  }
  free(samples);
  free(held_out_rows);
  free(training_rows);
  return fine;
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

/* Is this tensor data of the file that the output itself reads? */
static bool output_reads(const Engine *engine, int64_t tensor) {
  return descriptor_declares_data(&engine->trainer->model, tensor) && supply_dataset(engine->supply, tensor);
}

static void print_side(const Evaluated *e, const char *which, const Side *side) {
  if (!side->dataset) printf("%s %s: unknown (%s)\n", which, e->data->data, e->no_training.text);
  else
    printf("%s %s: %s of the %s in %s%s%s%s\n", which, e->data->data, text_count(e->count).text,
           text_count(side->dataset->count).text, side->spec,
           !side->dataset->divided ? ""
           : side == &e->training  ? " (its training part)"
                                   : " (its held-out part)",
           strcmp(side->said_by, "model") == 0 ? ", as the model says" : "",
           side->changed ? ", which is not what the run has read: it has changed, or is another file" : "");
}

static void print_text(const Evaluated *e) {
  const Engine *engine = e->engine;
  const char *rename = engine->trainer->options.rename;
  printf("%s: %s samples of %s%s%s%s", engine->trainer->model.outputs[e->output].name, text_count(e->count).text,
         engine->weights, rename ? " (--rename " : "", rename ? rename : "", rename ? ")" : "");
  if (engine->has_step) printf(", step %s", text_count(engine->clock.step).text);
  printf(", seed %llu\n", (unsigned long long)engine->execution.seed);
  print_side(e, "held-out", &e->held_out);
  print_side(e, "training", &e->training);
  for (int64_t k = 0; k < engine->trainer->model.tensor_count; k++)
    if (output_reads(engine, k)) {
      const TensorRecord *data = &engine->trainer->model.tensors[k];
      printf("reads %s: %s\n", data->data, data_spec(engine->trainer, engine->config, data));
    }
  printf("sliced Wasserstein-1, %d directions: %.5f; training data against held-out ones: %s; ratio %s\n",
         e->directions, e->sample_distance, text_known(e->training_distance, 5, "").text,
         text_known(e->distance_ratio, 2, "").text);
  printf("mean distance of pairs: samples %s, held-out data %s; ratio %s\n", text_known(e->sample_pairs, 4, "").text,
         text_known(e->data_pairs, 4, "").text, text_known(100 * e->pair_ratio, 1, "%").text);
  if (e->held_out.dataset->mixture)
    printf("modes: %d of %d; high-quality samples: %.1f%%; reverse KL: %s nats\n", e->modes.covered, e->modes.modes,
           100 * e->modes.high_quality, text_known(e->modes.reverse_divergence, 4, "").text);
}

static void put_side(JsonWriter *json, const char *key, const Evaluated *e, const Side *side) {
  if (!side->dataset) {
    json_put_null(json, key);
    return;
  }
  json_open_object(json, key);
  json_put_text(json, "source", side->spec);
  json_put_text(json, "said_by", side->said_by);
  json_put_text(json, "part", !side->dataset->divided ? "all" : side == &e->training ? "training" : "held out");
  json_put_integer(json, "samples", side->dataset->count);
  if (side == &e->training) json_put_bool(json, "changed", side->changed);
  json_close(json);
}

/* What else the samples depend on: data that the output reads, feeds and settings. */
static void put_inputs(JsonWriter *json, const Engine *engine) {
  const Trainer *trainer = engine->trainer;
  const Descriptor *model = &trainer->model;
  json_open_object(json, "reads");
  for (int64_t k = 0; k < model->tensor_count; k++)
    if (output_reads(engine, k))
      json_put_text(json, model->tensors[k].data, data_spec(trainer, engine->config, &model->tensors[k]));
  json_close(json);
  json_open_object(json, "feeds");
  for (int k = 0; k < trainer->options.feeds.count; k++) {
    char *name =
        text_format("%.*s", (int)trainer->options.feeds.items[k].name_length, trainer->options.feeds.items[k].name);
    if (name) json_put_text(json, name, trainer->options.feeds.items[k].value);
    free(name);
  }
  json_close(json);
  engine_put_settings(engine, json);
}

static void put_result(JsonWriter *json, const Evaluated *e) {
  const Engine *engine = e->engine;
  const Descriptor *model = &engine->trainer->model;
  json_open_object(json, NULL);
  json_put_text(json, "model", model->header->name);
  json_put_text(json, "source_hash", model->header->source_hash);
  json_put_text(json, "output", model->outputs[e->output].name);
  json_put_text(json, "weights", engine->weights);
  if (engine->trainer->options.rename) json_put_text(json, "rename", engine->trainer->options.rename);
  if (engine->has_step) json_put_integer(json, "step", engine->clock.step);
  else json_put_null(json, "step");
  engine_put_seed(engine, json);
  json_put_integer(json, "count", e->count);
  json_put_text(json, "against", e->data->data);
  put_side(json, "held_out", e, &e->held_out);
  put_side(json, "training", e, &e->training);
  put_inputs(json, engine);
  json_put_integer(json, "directions", e->directions);
  json_put_number(json, "sliced_wasserstein", e->sample_distance);
  json_put_number(json, "sliced_wasserstein_of_training_data", e->training_distance);
  json_put_number(json, "sliced_wasserstein_ratio", e->distance_ratio);
  json_put_number(json, "pair_distance", e->sample_pairs);
  json_put_number(json, "pair_distance_of_data", e->data_pairs);
  json_put_number(json, "pair_distance_ratio", e->pair_ratio);
  bool mixture = e->held_out.dataset->mixture != NULL;
  json_put_number(json, "modes", mixture ? e->modes.modes : NAN);
  json_put_number(json, "modes_covered", mixture ? e->modes.covered : NAN);
  json_put_number(json, "high_quality", mixture ? e->modes.high_quality : NAN);
  json_put_number(json, "reverse_kl", mixture ? e->modes.reverse_divergence : NAN);
  json_close(json);
}

/* Printed first: a folder that cannot be written to shall not cost the numbers, nor the other way round. */
static bool tell(const Evaluated *e, Problem *problem) {
  const Engine *engine = e->engine;
  JsonWriter *json = json_writer_new(true);
  if (!json) return problem_out_of_memory(problem, "the result", 0);
  put_result(json, e);
  const char *text = json_writer_text(json);
  bool fine = text || problem_out_of_memory(problem, "the result", 0);
  if (fine && engine->trainer->options.json) fputs(text, stdout);
  else if (fine) print_text(e);
  fflush(stdout);
  if (fine && engine->run) {
    int64_t step = engine->has_step ? engine->clock.step : -1;
    char *path = run_folder_evaluation_path(engine->run, engine->trainer->model.outputs[e->output].name, e->data->data,
                                            step, problem);
    fine = path && file_replace(path, text, strlen(text), problem);
    if (fine && !engine->trainer->options.json) printf("written to %s\n", path);
    free(path);
  }
  json_writer_free(json);
  return fine;
}

int command_eval(Trainer *trainer) {
  Problem problem;
  Engine engine = {0};
  Evaluated evaluated = {.engine = &engine, .output = trainer_output(trainer, &problem)};
  bool fine = evaluated.output >= 0;
  evaluated.data = fine ? choose_data(trainer, evaluated.output, &problem) : NULL;
  const char *given = evaluated.data ? take_held_out(trainer, evaluated.data) : NULL;
  fine = evaluated.data &&
         engine_open_trained(&engine, trainer, trainer->model.outputs[evaluated.output].routine, &problem) &&
         open_sides(&evaluated, given, &problem) && measure(&evaluated, &engine, &problem) &&
         tell(&evaluated, &problem);
  if (!fine) report_error(trainer->program, &problem);
  dataset_close(evaluated.held_out.dataset);
  dataset_close(evaluated.training.dataset);
  engine_close(&engine);
  return fine ? EXIT_FINE : EXIT_FAILED;
}
