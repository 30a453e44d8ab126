/* config.json: what a run was given, and what is another thing when it goes on.
   Takes an engine and, of a run that goes on, the config that it had; writes the file, or returns what differs as text.
   What was given stands there as it was given; beside it the absolute path, so that the run can go on from any folder,
   and the size, so that a file that grew is seen. */
#include "runtime/runtime.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void put_path(JsonWriter *writer, const char *path) {
  char *absolute = dataset_absolute(path);
  if (absolute) json_put_text(writer, "path", absolute);
  free(absolute);
}

/* What is built in has no path of its own. */
static void put_file(JsonWriter *writer, const char *key, const char *given, const Dataset *dataset) {
  FileStamp stamp;
  char *mark = given ? dataset_mark(dataset) : NULL; /* of others it stands among what was checked */
  json_open_object(writer, key);
  if (given) json_put_text(writer, "given", given);
  if (dataset->path && !dataset->divided) put_path(writer, dataset->member ? dataset->name : dataset->path);
  if (dataset->path && file_stamp(dataset->path, &stamp)) json_put_integer(writer, "bytes", stamp.size);
  json_put_integer(writer, "samples", dataset->count);
  if (mark) json_put_text(writer, "mark", mark);
  free(mark);
  json_close(writer);
}

/* Texts, numbers and objects of them: all that there is in a config. */
static void put_copy(JsonWriter *writer, const Json *value) {
  if (value->kind == JSON_TEXT) json_put_text(writer, value->key, value->text);
  if (value->kind == JSON_NUMBER && value->whole) json_put_integer(writer, value->key, value->integer);
  if (value->kind == JSON_NUMBER && !value->whole) json_put_number(writer, value->key, value->number);
  if (value->kind != JSON_OBJECT) return;
  json_open_object(writer, value->key);
  for (const Json *member = value->first; member; member = member->next) put_copy(writer, member);
  json_close(writer);
}

static void put_spec(JsonWriter *writer, const Engine *engine, const Json *before, int64_t tensor) {
  const TensorRecord *record = &engine->trainer->model.tensors[tensor];
  json_put_text(writer, record->data, data_spec(engine->trainer, before, record));
}

static void put_source(JsonWriter *writer, const Engine *engine, const Json *before, int64_t tensor) {
  (void)before;
  put_file(writer, engine->trainer->model.tensors[tensor].data, NULL, supply_dataset(engine->supply, tensor));
}

/* Of files whose numbers were read, so that a run that goes on need not. */
static void put_mark(JsonWriter *writer, const Engine *engine, const Json *before, int64_t tensor) {
  (void)before;
  const TensorRecord *record = &engine->trainer->model.tensors[tensor];
  char *mark = dataset_checked_mark(supply_dataset(engine->supply, tensor), record);
  if (mark) json_put_text(writer, record->data, mark);
  free(mark);
}

/* Of data that are fed now, or that nothing reads, what the run knew stays known. */
static void put_data(JsonWriter *writer, const Engine *engine, const Json *before) {
  static const struct {
    const char *key;
    void (*put)(JsonWriter *, const Engine *, const Json *before, int64_t tensor);
  } parts[] = {{"data", put_spec}, {"files", put_source}, {"checked", put_mark}};
  const Descriptor *model = &engine->trainer->model;
  for (size_t part = 0; part < sizeof parts / sizeof *parts; part++) {
    json_open_object(writer, parts[part].key);
    for (int64_t k = 0; k < model->tensor_count; k++) {
      if (!descriptor_declares_data(model, k)) continue;
      const Json *known = json_find(json_find(before, parts[part].key), model->tensors[k].data);
      if (supply_dataset(engine->supply, k)) parts[part].put(writer, engine, before, k);
      else if (known) put_copy(writer, known);
    }
    json_close(writer);
  }
}

static void put_feeds(JsonWriter *writer, const Engine *engine) {
  const Descriptor *model = &engine->trainer->model;
  json_open_object(writer, "feeds");
  for (int64_t k = 0; k < model->tensor_count; k++) {
    const Dataset *feed = descriptor_declares_variable(model, k) ? supply_feed(engine->supply, k) : NULL;
    if (feed) put_file(writer, model->tensors[k].name, feed->name, feed);
  }
  json_close(writer);
}

/* Weights that the run began with, however often it has gone on since. */
static void put_init(JsonWriter *writer, const Options *options, const Json *before) {
  const Json *known = json_find(before, "init");
  if (!options->init && known) put_copy(writer, known);
  if (!options->init) return;
  json_open_object(writer, "init");
  json_put_text(writer, "given", options->init);
  put_path(writer, options->init);
  if (options->rename) json_put_text(writer, "rename", options->rename);
  json_close(writer);
}

bool run_config_write(const Engine *engine, const Json *before, RunFolder *folder, Problem *problem) {
  const ModelRecord *header = engine->trainer->model.header;
  const Clock *clock = &engine->clock;
  JsonWriter *writer = json_writer_new(true);
  if (!writer) return problem_out_of_memory(problem, "config.json", 0);
  json_open_object(writer, NULL);
  const struct {
    const char *key, *text;
  } texts[] = {{"model", header->name}, {"file", header->file},     {"source_hash", header->source_hash},
               {"real", header->real},  {"target", header->target}, {"compiler", header->build}};
  for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) json_put_text(writer, texts[k].key, texts[k].text);
  engine_put_seed(engine, writer);
  json_put_integer(writer, "steps", clock->steps > clock->step ? clock->steps : clock->step);
  json_put_integer(writer, "batch", header->batch);
  json_put_integer(writer, "threads", pool_threads(engine->execution.pool));
  put_init(writer, &engine->trainer->options, before);
  put_data(writer, engine, before);
  put_feeds(writer, engine);
  engine_put_settings(engine, writer);
  json_close(writer);
  const char *text = json_writer_text(writer);
  bool fine = text ? run_folder_write_config(folder, text, problem) : problem_out_of_memory(problem, "config.json", 0);
  json_writer_free(writer);
  return fine;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static const char *text_of(const Json *object, const char *key) {
  const Json *value = json_find(object, key);
  return value && value->kind == JSON_TEXT ? value->text : NULL;
}

/* Always false. */
static bool set_damaged(const char *directory, const char *key, const char *expected, Problem *problem) {
  return problem_set(problem, "%s/config.json is damaged: expected \"%s\" to be %s", directory, key, expected);
}

/* An object, each of whose members is of that kind. */
static bool check_members(const Json *config, const char *key, JsonKind kind, const char *expected,
                          const char *directory, Problem *problem) {
  const Json *object = json_find(config, key);
  if (!object || object->kind != JSON_OBJECT) return set_damaged(directory, key, expected, problem);
  for (const Json *member = object->first; member; member = member->next)
    if (member->kind != kind) return set_damaged(directory, key, expected, problem);
  return true;
}

bool run_config_check(const Json *config, const Trainer *trainer, const char *directory, Problem *problem) {
  static const char *const texts[] = {"model", "source_hash", "real"}, *const counts[] = {"batch", "steps"};
  static const struct {
    const char *key, *expected;
    JsonKind kind;
    bool always;
  } objects[] = {
      {"data", "an object of texts", JSON_TEXT, true},         {"files", "an object of objects", JSON_OBJECT, true},
      {"checked", "an object of texts", JSON_TEXT, false},     {"feeds", "an object of objects", JSON_OBJECT, false},
      {"settings", "an object of numbers", JSON_NUMBER, true},
  };
  const Descriptor *model = &trainer->model;
  for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
    if (!text_of(config, texts[k])) return set_damaged(directory, texts[k], "a text", problem);
  for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
    const Json *count = json_find(config, counts[k]);
    if (!count || !count->whole) return set_damaged(directory, counts[k], "a whole number", problem);
  }
  for (size_t k = 0; k < sizeof objects / sizeof *objects; k++)
    if ((objects[k].always || json_find(config, objects[k].key)) &&
        !check_members(config, objects[k].key, objects[k].kind, objects[k].expected, directory, problem))
      return false;
  /* a text that has changed since may have other settings */
  bool same = strcmp(text_of(config, "source_hash"), model->header->source_hash) == 0;
  for (int64_t k = 0; same && k < model->setting_count; k++)
    if (!json_find(json_find(config, "settings"), model->settings[k].name))
      return problem_set(problem, "%s/config.json is damaged: \"settings\" lacks %s", directory,
                         model->settings[k].name);
  return true;
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

typedef struct Differences {
  const Engine *engine;
  const Json *before;
  char *text;
} Differences; /* or NULL */

__attribute__((format(printf, 2, 3))) static void differ(Differences *differences, const char *format, ...) {
  char line[600];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  char *longer = differences->text ? text_format("%s\n  %s", differences->text, line) : NULL;
  free(differences->text);
  differences->text = longer;
}

static bool is_path_of(const char *path, const char *absolute) {
  char *own = absolute ? dataset_absolute(path) : NULL;
  bool same = own && strcmp(own, absolute) == 0;
  free(own);
  return same;
}

/* Of the same file: is it what it was? A walk over other samples is another walk. */
static void compare_content(Differences *differences, const char *what, const char *name, const Json *then,
                            const char *mark, const Dataset *now) {
  const Json *samples = json_find(then, "samples"), *bytes = json_find(then, "bytes");
  FileStamp stamp;
  bool other_count = samples && samples->whole && samples->integer != now->count;
  bool sized = bytes && bytes->whole && now->path && file_stamp(now->path, &stamp);
  if (other_count)
    differ(differences, "%s %s: %s had %s samples, and has %s", what, name, now->name,
           text_count(samples->integer).text, text_count(now->count).text);
  else if (sized && stamp.size != bytes->integer)
    differ(differences, "%s %s: %s had %s bytes, and has %s", what, name, now->name, text_count(bytes->integer).text,
           text_count(stamp.size).text);
  else if (mark && !dataset_has_mark(now, mark))
    differ(differences,
           "%s %s: %s has changed since (its time or place is another; whether its content is, nobody has looked)",
           what, name, now->name);
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* `then` and `now` are what was given; `file` is what the config says about it. One name in two folders is told with
   the folders. */
static void compare_source(Differences *differences, const char *what, const char *name, const char *then,
                           const Json *file, const char *mark, const char *now, const Dataset *dataset) {
  const char *path = text_of(file, "path");
  if (path ? is_path_of(now, path) : strcmp(then, now) == 0) {
    compare_content(differences, what, name, file, mark, dataset);
    return;
  }
  char *absolute = path && strcmp(base_name(then), base_name(now)) == 0 ? dataset_absolute(now) : NULL;
  differ(differences, "%s %s: it was %s, and is %s", what, name, absolute ? path : then, absolute ? absolute : now);
  free(absolute);
}

static void compare_data(Differences *differences) {
  const Engine *engine = differences->engine;
  const Descriptor *model = &engine->trainer->model;
  const Json *before = differences->before;
  for (int64_t k = 0; k < model->tensor_count; k++) {
    const char *name = model->tensors[k].data;
    const Dataset *dataset = descriptor_declares_data(model, k) ? supply_dataset(engine->supply, k) : NULL;
    const char *then = dataset ? text_of(json_find(before, "data"), name) : NULL;
    if (then) /* else they were fed */
      compare_source(differences, "data", name, then, json_find(json_find(before, "files"), name),
                     text_of(json_find(before, "checked"), name),
                     data_spec(engine->trainer, before, &model->tensors[k]), dataset);
  }
}

static void compare_feeds(Differences *differences) {
  const Engine *engine = differences->engine;
  const Descriptor *model = &engine->trainer->model;
  const Json *feeds = json_find(differences->before, "feeds");
  for (int64_t k = 0; feeds && k < model->tensor_count; k++) {
    const char *name = model->tensors[k].name;
    if (!descriptor_declares_variable(model, k)) continue;
    const Json *then = json_find(feeds, name);
    const Dataset *now = supply_feed(engine->supply, k);
    const char *given = text_of(then, "given") ? text_of(then, "given") : "a file";
    if (then && !now) differ(differences, "feed %s: it was %s, and is none", name, given);
    else if (now && !then) differ(differences, "feed %s: it was none, and is %s", name, now->name);
    else if (now) compare_source(differences, "feed", name, given, then, text_of(then, "mark"), now->name, now);
  }
}

static void compare_settings(Differences *differences) {
  const Engine *engine = differences->engine;
  const Descriptor *model = &engine->trainer->model;
  for (int64_t k = 0; k < model->setting_count; k++) {
    const SettingRecord *setting = &model->settings[k];
    const Json *then = json_find(json_find(differences->before, "settings"), setting->name);
    double now = engine_setting(engine, setting);
    if (then && then->kind == JSON_NUMBER && then->number != now)
      differ(differences, "setting %s: it was %.9g, and is %.9g", setting->name, then->number, now);
  }
}

char *run_config_kept(const Engine *engine, const Json *before) {
  const Descriptor *model = &engine->trainer->model;
  Differences kept = {engine, before, text_format("%s", "")};
  const char *hash = text_of(before, "source_hash");
  if (hash && strcmp(hash, model->header->source_hash) == 0) return kept.text;
  for (int64_t k = 0; k < model->setting_count; k++) {
    const SettingRecord *setting = &model->settings[k];
    const Json *then = json_find(json_find(before, "settings"), setting->name);
    double now = engine_setting(engine, setting);
    if (then && then->kind == JSON_NUMBER && then->number == now && now != setting->value)
      differ(&kept, "setting %s: it stays %.9g; the text says %.9g (--set %s=%.9g)", setting->name, now, setting->value,
             setting->name, setting->value);
  }
  for (int64_t k = 0; k < model->tensor_count; k++) {
    const TensorRecord *tensor = &model->tensors[k];
    const char *then = text_of(json_find(before, "data"), tensor->data);
    bool told = then && tensor->source[0] && descriptor_declares_data(model, k) && supply_dataset(engine->supply, k);
    if (told && strcmp(then, tensor->source) != 0 && strcmp(data_spec(engine->trainer, before, tensor), then) == 0)
      differ(&kept, "data %s: they stay %s; the text says %s (--data %s=%s)", tensor->data, then, tensor->source,
             tensor->data, tensor->source);
  }
  return kept.text;
}

char *run_config_differences(const Engine *engine, const Json *before) {
  const ModelRecord *header = engine->trainer->model.header;
  Differences differences = {engine, before, text_format("%s", "")};
  const Json *batch = json_find(before, "batch");
  const char *real = text_of(before, "real"), *name = text_of(before, "model");
  if (name && strcmp(name, header->name) != 0) differ(&differences, "model: it was %s, and is %s", name, header->name);
  if (real && strcmp(real, header->real) != 0)
    differ(&differences, "precision: it was %s, and is %s (ganc build --real)", real, header->real);
  if (batch && batch->whole && batch->integer != header->batch)
    differ(&differences, "batch: it was %s, and is %s", text_count(batch->integer).text,
           text_count(header->batch).text);
  compare_settings(&differences);
  compare_data(&differences);
  compare_feeds(&differences);
  return differences.text;
}
