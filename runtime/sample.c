/* The command `sample`. Takes trained weights and the name of a random output; leaves a picture or an array. Never
   changes a run, nor any file that it has read. */
#include "runtime/runtime.h"

#include <stdarg.h>
#include <stdlib.h>

enum { SAMPLE_COUNT = 64 };

/* ---- where samples must not go: what the command reads ----------------------------------------------------------- */

/* Always false; with where the file was named. */
__attribute__((format(printf, 3, 4))) static bool refuse(const char *target, Problem *problem, const char *what, ...) {
  char named[400];
  va_list arguments;
  va_start(arguments, what);
  vsnprintf(named, sizeof named, what, arguments);
  va_end(arguments);
  return problem_set(problem, "-o %s is %s: samples would replace it; give another name", target, named);
}

/* FILE or FILE.npz:NAME, or what is built in. */
static bool is_data(const char *target, const char *spec) {
  char *file = dataset_file(spec);
  bool same = file && file_same(target, file);
  free(file);
  return same;
}

static bool fits_given(const char *target, const char *option, const Assignments *list, Problem *problem) {
  for (int k = 0; k < list->count; k++) {
    const Assignment *item = &list->items[k];
    if (is_data(target, item->value))
      return refuse(target, problem, "what %s %.*s=%s names", option, (int)item->name_length, item->name, item->value);
  }
  return true;
}

/* Files that the run was given, as its config.json has them. */
static bool fits_config(const char *target, const Json *config, Problem *problem) {
  static const struct {
    const char *key, *what;
  } kinds[] = {{"files", "the data"}, {"feeds", "the feed"}};
  for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
    const Json *files = json_find(config, kinds[kind].key);
    for (const Json *file = files && files->kind == JSON_OBJECT ? files->first : NULL; file; file = file->next) {
      const Json *path = json_find(file, "path");
      if (path && path->kind == JSON_TEXT && is_data(target, path->text))
        return refuse(target, problem, "%s %s of the run (%s)", kinds[kind].what, file->key, path->text);
    }
  }
  return true;
}

static bool fits_data(const char *target, const Engine *engine, Problem *problem) {
  const Descriptor *model = &engine->trainer->model;
  for (int64_t k = 0; k < model->tensor_count; k++) {
    if (!descriptor_declares_data(model, k)) continue;
    const TensorRecord *tensor = &model->tensors[k];
    const Dataset *dataset = supply_dataset(engine->supply, k);
    const char *spec = data_spec(engine->trainer, engine->config, tensor);
    if (is_data(target, spec) || (dataset && dataset->path && file_same(target, dataset->path)))
      return refuse(target, problem, "where the data %s come from (%s)", tensor->data, spec);
  }
  return true;
}

/* Is the file of its own? By whatever path, through whatever link. */
static bool target_fits(const Engine *engine, Problem *problem) {
  const Options *options = &engine->trainer->options;
  const char *target = options->file;
  char *config = engine->run ? text_format("%s/config.json", engine->run) : NULL;
  bool is_config = config && file_same(target, config);
  free(config);
  if (is_config) return refuse(target, problem, "the run's config.json");
  if (file_same(target, engine->weights)) return refuse(target, problem, "where the weights are (%s)", engine->weights);
  return fits_given(target, "--data", &options->data, problem) &&
         fits_given(target, "--feed", &options->feeds, problem) && fits_config(target, engine->config, problem) &&
         fits_data(target, engine, problem);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

int command_sample(Trainer *trainer) {
  Problem problem;
  const Options *options = &trainer->options;
  if (!options->file) {
    problem_set(&problem, "sample expects -o F.png or -o F.npy");
    report_error(trainer->program, &problem);
    return EXIT_USAGE;
  }
  Engine engine = {0};
  float *samples = NULL;
  int64_t output = trainer_output(trainer, &problem), count = options->count ? options->count : SAMPLE_COUNT;
  bool fine = output >= 0 && engine_open_trained(&engine, trainer, trainer->model.outputs[output].routine, &problem);
  bool usage = fine && !target_fits(&engine, &problem);
  if (fine && !usage) samples = engine_samples(&engine, output, count, &problem);
  if (samples && !samples_are_finite(&engine, output, samples, count, &problem))
    report_note(trainer->program, "%s", problem.text);
  fine = samples && samples_write(&trainer->model, output, samples, count, options->file, &problem);
  if (fine)
    printf("%s: %s samples of %s, by %s\n", options->file, text_count(count).text, trainer->model.outputs[output].name,
           engine.weights);
  else report_error(trainer->program, &problem);
  free(samples);
  engine_close(&engine);
  return fine ? EXIT_FINE : usage ? EXIT_USAGE : EXIT_FAILED;
}
