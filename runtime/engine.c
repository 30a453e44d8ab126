/* What the commands share: a model in memory, with its data, settings and weights in place. Takes options and, for a
   run that exists, its config.json; returns an engine that is ready to run routines. Never trains and never prints more
   than notes. */
#include "runtime/runtime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- data and feeds ---------------------------------------------------------------------------------------------- */

bool descriptor_declares_data(const Descriptor *model, int64_t tensor) {
  bool first = model->tensors[tensor].role == ROLE_DATA;
  for (int64_t k = 0; k < tensor; k++)
    first = first && strcmp(model->tensors[k].data, model->tensors[tensor].data) != 0;
  return first;
}

bool descriptor_declares_variable(const Descriptor *model, int64_t tensor) {
  bool first = model->tensors[tensor].role == ROLE_DATA || model->tensors[tensor].role == ROLE_NOISE;
  for (int64_t k = 0; k < tensor; k++)
    first = first && strcmp(model->tensors[k].name, model->tensors[tensor].name) != 0;
  return first;
}

/* --data names data as the file declares them, --feed anything that is drawn. */
static int64_t find_named(const Descriptor *model, const Assignment *assignment, bool feed, Problem *problem) {
  const char *option = feed ? "--feed" : "--data", *what = feed ? "data or noise" : "data";
  const char **names = allocate_zeroed((size_t)model->tensor_count + 1, sizeof *names);
  size_t count = 0;
  int64_t found = -1;
  for (int64_t k = 0; names && k < model->tensor_count; k++) {
    const char *name = feed ? model->tensors[k].name : model->tensors[k].data;
    if (!(feed ? descriptor_declares_variable : descriptor_declares_data)(model, k)) continue;
    names[count++] = name;
    if (assignment_names(assignment, name)) found = k;
  }
  const char *near = names ? nearest_name(assignment->name, assignment->name_length, names, count) : NULL;
  free(names);
  if (found < 0)
    problem_set(problem, "%s %.*s: the model has no %s of that name%s%s; `info` lists them%s", option,
                (int)assignment->name_length, assignment->name, what, near ? ", did you mean " : "", near ? near : "",
                !model->header->feeds && feed ? ", and noise inside layers can be fed in a trainer built with --feeds"
                                              : "");
  return found;
}

static const char *given(const Assignments *list, const char *name) {
  for (int k = 0; k < list->count; k++)
    if (assignment_names(&list->items[k], name)) return list->items[k].value;
  return NULL;
}

/* Does this routine read samples of the data that no feed serves? In training, outputs are not fed. */
static bool routine_needs(const Engine *engine, int64_t routine, const char *data) {
  const Descriptor *model = &engine->trainer->model;
  const RoutineRecord *record = &model->routines[routine];
  bool fed = record->kind != ROUTINE_OUTPUT || engine->trainer->options.command != COMMAND_TRAIN;
  for (int64_t k = record->first_fill; k < record->first_fill + record->fill_count; k++)
    if (strcmp(model->tensors[model->fills[k].tensor].data, data) == 0 &&
        !(fed && supply_is_fed(engine->supply, model->fills[k].tensor)))
      return true;
  return false;
}

static bool needs_data(const Engine *engine, int64_t data_of, const char *data) {
  const Descriptor *model = &engine->trainer->model;
  if (data_of >= 0) return routine_needs(engine, data_of, data);
  bool train = engine->trainer->options.command == COMMAND_TRAIN;
  for (int64_t r = 0; r < model->routine_count; r++)
    if ((train || model->routines[r].kind != ROUTINE_OUTPUT) && routine_needs(engine, r, data)) return true;
  return false;
}

const char *data_spec(const Trainer *trainer, const Json *config, const TensorRecord *tensor) {
  const Json *stored = json_find(json_find(config, "data"), tensor->data);
  const Json *path = json_find(json_find(json_find(config, "files"), tensor->data), "path");
  const char *spec = given(&trainer->options.data, tensor->data);
  if (spec) return spec;
  if (!stored || stored->kind != JSON_TEXT) return tensor->source;
  char *then = path && path->kind == JSON_TEXT ? dataset_absolute(path->text) : NULL;
  char *here = dataset_absolute(stored->text); /* a relative path means another file in another folder */
  bool same = !then || (here && strcmp(here, path->text) == 0);
  free(then);
  free(here);
  return same ? stored->text : path->text;
}

bool data_have_changed(const Json *config, const Dataset *dataset, const TensorRecord *record) {
  const Json *known = json_find(json_find(config, "checked"), record->data);
  return known && !(known->kind == JSON_TEXT && dataset_has_mark(dataset, known->text));
}

/* Reads the whole file, unless the run has done so and it is the same file still, for the same range. That it is not is
   noted, where nobody has named it; of a run that goes on it is among the differences. */
static bool check_numbers(Engine *engine, const Json *config, int64_t tensor, Problem *problem) {
  const TensorRecord *record = &engine->trainer->model.tensors[tensor];
  const Options *options = &engine->trainer->options;
  const Dataset *dataset = supply_dataset(engine->supply, tensor);
  const Json *known = json_find(json_find(config, "checked"), record->data);
  char *mark = dataset_checked_mark(dataset, record);
  bool seen = known && known->kind == JSON_TEXT && mark && strcmp(known->text, mark) == 0;
  free(mark);
  Problem inner = {""};
  if (data_have_changed(config, dataset, record) && options->command != COMMAND_TRAIN &&
      !given(&options->data, record->data))
    report_note(engine->trainer->program,
                "data %s: %s is not what this run has read before: it has changed, or is another file", record->data,
                dataset->name);
  return seen || dataset_check(dataset, record, false, &inner) ||
         problem_set(problem, "data %s: %s", record->data, inner.text);
}

static bool add_sources(Engine *engine, const Json *config, int64_t data_of, Problem *problem) {
  const Descriptor *model = &engine->trainer->model;
  const Options *options = &engine->trainer->options;
  for (int k = 0; k < options->feeds.count; k++) {
    int64_t tensor = find_named(model, &options->feeds.items[k], true, problem);
    if (tensor < 0 || !supply_add_feed(engine->supply, tensor, options->feeds.items[k].value, problem)) return false;
  }
  for (int64_t k = 0; k < model->tensor_count; k++) {
    const TensorRecord *tensor = &model->tensors[k];
    if (!descriptor_declares_data(model, k) || data_of == DATA_OF_NONE || !needs_data(engine, data_of, tensor->data))
      continue;
    const char *spec = data_spec(engine->trainer, config, tensor);
    if (!spec[0])
      return problem_set(problem, "the model does not say where the data %s %s come from; say it with --data %s=SPEC%s",
                         tensor->data, text_shape(tensor, false).text, tensor->data,
                         supply_is_fed(engine->supply, k) ? " (--feed serves the train block alone)" : "");
    if (!supply_add_data(engine->supply, k, spec, DATA_TRAIN, problem) || !check_numbers(engine, config, k, problem))
      return false;
  }
  return data_of != DATA_OF_ALL || supply_check(engine->supply, problem);
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

/* The setting that an assignment names, if it can still be changed and the value is a number. */
static const SettingRecord *find_setting(const Descriptor *model, const Assignment *assignment, double *value,
                                         Problem *problem) {
  const char **names = allocate_zeroed((size_t)model->setting_count + 1, sizeof *names);
  const SettingRecord *found = NULL;
  for (int64_t k = 0; names && k < model->setting_count; k++) {
    names[k] = model->settings[k].name;
    if (assignment_names(assignment, names[k])) found = &model->settings[k];
  }
  const char *near =
      names ? nearest_name(assignment->name, assignment->name_length, names, (size_t)model->setting_count) : NULL;
  free(names);
  char *end;
  int length = (int)assignment->name_length;
  *value = strtod(assignment->value, &end);
  if (!found)
    problem_set(problem, "--set %.*s: the model has no setting of that name%s%s; `info` lists them", length,
                assignment->name, near ? ", did you mean " : "", near ? near : "");
  else if (*end || end == assignment->value || !isfinite(*value))
    problem_set(problem, "--set %.*s expects a number, found \"%s\"", length, assignment->name, assignment->value);
  else if (found->tensor < 0)
    problem_set(problem,
                "--set %.*s: this setting decided a shape, a branch or a bound when the model was compiled; build "
                "anew: ganc build %s --set %.*s=%s",
                length, assignment->name, model->header->file, length, assignment->name, assignment->value);
  else return found;
  return NULL;
}

bool options_fit_model(const Options *options, const Descriptor *model, Problem *problem) {
  double value;
  for (int k = 0; k < options->feeds.count; k++)
    if (find_named(model, &options->feeds.items[k], true, problem) < 0) return false;
  for (int k = 0; k < options->data.count; k++)
    if (find_named(model, &options->data.items[k], false, problem) < 0) return false;
  for (int k = 0; k < options->settings.count; k++)
    if (!find_setting(model, &options->settings.items[k], &value, problem)) return false;
  return true;
}

static bool apply_settings(Engine *engine, const Json *config, Problem *problem) {
  const Descriptor *model = &engine->trainer->model;
  for (int64_t k = 0; k < model->tensor_count; k++) /* those that the build fixed are read too */
    if (model->tensors[k].role == ROLE_SETTING)
      execution_set_scalar(&engine->execution, k, model->tensors[k].initial_a);
  for (int64_t k = 0; k < model->setting_count; k++) {
    const SettingRecord *setting = &model->settings[k];
    const Json *stored = json_find(json_find(config, "settings"), setting->name);
    if (setting->tensor >= 0)
      execution_set_scalar(&engine->execution, setting->tensor,
                           stored && stored->kind == JSON_NUMBER ? stored->number : setting->value);
  }
  for (int k = 0; k < engine->trainer->options.settings.count; k++) {
    double value;
    const SettingRecord *setting = find_setting(model, &engine->trainer->options.settings.items[k], &value, problem);
    if (!setting) return false;
    execution_set_scalar(&engine->execution, setting->tensor, value);
  }
  return true;
}

/* ---- an engine --------------------------------------------------------------------------------------------------- */

bool engine_open(Engine *engine, const Trainer *trainer, const Json *config, int64_t data_of, uint64_t seed,
                 Problem *problem) {
  *engine = (Engine){.trainer = trainer};
  const Descriptor *model = &trainer->model;
  int threads = trainer->options.threads > 0 ? (int)trainer->options.threads : processor_count();
  engine->supply = supply_new(model->tensors, model->tensor_count, seed, problem);
  bool fine = engine->supply && add_sources(engine, config, data_of, problem) &&
              execution_create(&engine->execution, model, trainer->kernels, engine->supply, threads, seed, problem) &&
              apply_settings(engine, config, problem);
  if (fine) {
    if (!trainer->options.dry_run) supply_keep(engine->supply);
    engine->clock = clock_create(model, engine->supply);
    clock_show(&engine->clock, &engine->execution);
    fine = initial_values(&engine->execution, problem);
  }
  if (!fine) engine_close(engine);
  return fine;
}

void engine_close(Engine *engine) {
  execution_release(&engine->execution);
  supply_free(engine->supply);
  json_free(engine->config);
  free(engine->run);
  free(engine->weights);
  *engine = (Engine){0};
}

void engine_put_seed(const Engine *engine, JsonWriter *writer) {
  char seed[32];
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)engine->execution.seed);
  json_put_text(writer, "seed", seed); /* 64 bits do not fit a JSON number */
}

double engine_setting(const Engine *engine, const SettingRecord *setting) {
  return setting->tensor >= 0 ? execution_scalar(&engine->execution, setting->tensor) : setting->value;
}

void engine_put_settings(const Engine *engine, JsonWriter *writer) {
  const Descriptor *model = &engine->trainer->model;
  json_open_object(writer, "settings");
  for (int64_t k = 0; k < model->setting_count; k++)
    json_put_number(writer, model->settings[k].name, engine_setting(engine, &model->settings[k]));
  json_close(writer);
}

TensorView *engine_kept_views(const Engine *engine, bool optimizer_states, size_t *count, Problem *problem) {
  const Descriptor *model = &engine->trainer->model;
  TensorView *views = system_allocate(((size_t)model->tensor_count + 1) * sizeof *views);
  *count = 0;
  if (!views) problem_out_of_memory(problem, "the list of weights", (size_t)model->tensor_count * sizeof *views);
  for (int64_t k = 0; views && k < model->tensor_count; k++)
    if (tensor_is_kept(&model->tensors[k]) && (optimizer_states || model->tensors[k].role != ROLE_OPTIMIZER_STATE))
      views[(*count)++] = execution_view(&engine->execution, k);
  return views;
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

char *run_directory(const Trainer *trainer, Problem *problem) {
  if (!trainer->options.run) return run_folder_find_latest(trainer->model.header->name, problem);
  char *directory = text_format("%s", trainer->options.run);
  if (!directory) problem_out_of_memory(problem, "a name", strlen(trainer->options.run));
  return directory;
}

bool engine_open_trained(Engine *engine, const Trainer *trainer, int64_t data_of, Problem *problem) {
  const Options *options = &trainer->options;
  *engine = (Engine){0};
  bool elsewhere =
      options->weights && !options->run; /* the run, if there is one, says what data and settings there were */
  char *directory = elsewhere ? run_folder_of_checkpoint(options->weights) : run_directory(trainer, problem),
       *notes = NULL;
  if (!elsewhere && !directory) return false;
  Json *config = directory ? run_config_read(directory, problem) : NULL;
  if (config && !run_config_check(config, trainer, directory, problem)) {
    json_free(config);
    config = NULL;
  }
  Checkpoint *checkpoint = directory && !config ? NULL
                           : options->weights   ? weights_open(trainer, options->weights, problem)
                                                : run_folder_newest_checkpoint(directory, &notes, problem);
  if (notes && notes[0]) report_note(trainer->program, "%s", notes);
  bool fine = checkpoint && engine_open(engine, trainer, config, data_of, options->seed, problem) &&
              engine_load(engine, checkpoint, data_of, problem);
  const CheckpointState *state = fine ? checkpoint_state(checkpoint, NULL) : NULL;
  if (state && strcmp(state->source_hash, trainer->model.header->source_hash) != 0)
    report_note(trainer->program, "the model's text has changed since %s was written", checkpoint_path(checkpoint));
  if (state) {
    engine->clock.step = state->step;
    engine->clock.image = state->image;
    clock_show(&engine->clock, &engine->execution);
  }
  engine->config = config;
  engine->run = directory;
  engine->has_step = state != NULL;
  engine->weights = fine ? text_format("%s", checkpoint_path(checkpoint)) : NULL;
  if (fine && !engine->weights) fine = problem_out_of_memory(problem, "a path", strlen(checkpoint_path(checkpoint)));
  checkpoint_close(checkpoint);
  free(notes);
  if (!fine) engine_close(engine);
  return fine;
}
