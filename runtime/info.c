/* The command `info`. Takes a model; says what is in it: players, weights, work, memory, programs, and every name that
   can be set or fed, for people or as JSON. Opens the data only to tell how much memory they take; runs nothing. */
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>

enum { LARGEST = 10 };

/* What both forms print. */
typedef struct Summary {
  const Descriptor *model;
  int threads;
  int64_t weights, tiles, nests;       /* numbers in weights; programs */
  double needed_flops, executed_flops; /* of one round */
  double data_bytes;
  char data_problem[200]; /* why data_bytes lacks something, or "" */
  int largest_count;
  const TensorRecord *largest[LARGEST];
} Summary;

/* Of training, which keeps weights and states a second time (blame.c). */
static double predicted_bytes(const Summary *summary) {
  const ModelRecord *header = summary->model->header;
  return 2 * (double)header->persistent_bytes + (double)header->arena_bytes +
         (double)header->workspace_bytes * summary->threads + summary->data_bytes;
}

static void measure_data(const Trainer *trainer, Summary *summary) {
  for (int64_t k = 0; k < trainer->model.tensor_count; k++) {
    const TensorRecord *tensor = &trainer->model.tensors[k];
    Problem problem;
    if (!descriptor_declares_data(&trainer->model, k) || !tensor->source[0]) continue;
    Dataset *dataset =
        dataset_open(tensor->source, DATA_TRAIN, tensor->classes > 0 ? COLUMN_LABELS : COLUMN_SAMPLES, &problem);
    if (dataset)
      summary->data_bytes += (double)dataset->count * (double)dataset->size * (double)element_bytes(dataset->type);
    else
      snprintf(summary->data_problem, sizeof summary->data_problem, "%s is not here: %.150s", tensor->source,
               problem.text);
    dataset_close(dataset);
  }
}

static void find_largest(Summary *summary) {
  const Descriptor *model = summary->model;
  for (int64_t k = 0; k < model->tensor_count; k++) {
    const TensorRecord *tensor = &model->tensors[k];
    int at = summary->largest_count < LARGEST ? summary->largest_count++ : LARGEST;
    for (; at > 0 && tensor_bytes(summary->largest[at - 1]) < tensor_bytes(tensor); at--)
      if (at < LARGEST) summary->largest[at] = summary->largest[at - 1];
    if (at < LARGEST) summary->largest[at] = tensor;
  }
}

static bool summarise(const Trainer *trainer, Summary *summary, Problem *problem) {
  const Descriptor *model = &trainer->model;
  *summary = (Summary){.model = model,
                       .threads = trainer->options.threads > 0 ? (int)trainer->options.threads : processor_count()};
  double *runs = allocate_zeroed((size_t)model->routine_count + 1, sizeof *runs);
  if (!runs) return problem_out_of_memory(problem, "counts", (size_t)model->routine_count);
  round_expect(model, runs);
  for (int64_t r = 0; r < model->routine_count; r++) summary->executed_flops += runs[r] * routine_flops(model, r);
  summary->needed_flops = round_flops_needed(model, runs);
  free(runs);
  for (int64_t k = 0; k < model->program_count; k++) summary->tiles += model->programs[k].tile;
  summary->nests = model->program_count - summary->tiles;
  for (int64_t k = 0; k < model->tensor_count; k++)
    if (model->tensors[k].role == ROLE_WEIGHT) summary->weights += tensor_size(&model->tensors[k]);
  measure_data(trainer, summary);
  find_largest(summary);
  return true;
}

static const char *tensor_title(const TensorRecord *tensor) {
  return tensor->name[0] ? tensor->name : tensor->role == ROLE_RESULT ? "(a result)" : "(a value)";
}

/* What a feed of it holds: "normal(0, 0.1)", "class[10], uniform(0, 1)", "data in -1..1". */
static Text draw_text(const TensorRecord *tensor) {
  Text text;
  char label[32] = "";
  if (tensor->classes > 0) snprintf(label, sizeof label, "class[%lld], ", (long long)tensor->classes);
  if (tensor->role == ROLE_NOISE && tensor->initial != INITIAL_NONE)
    snprintf(text.text, sizeof text.text, "%s%s(%g, %g)", label,
             tensor->initial == INITIAL_NORMAL ? "normal" : "uniform", tensor->initial_a, tensor->initial_b);
  else snprintf(text.text, sizeof text.text, "%s%s", label, tensor->role == ROLE_DATA ? "data" : "noise");
  return text;
}

static int64_t player_weights(const Descriptor *model, const char *player) {
  int64_t count = 0;
  for (int64_t k = 0; k < model->tensor_count; k++)
    if (model->tensors[k].role == ROLE_WEIGHT && strcmp(model->tensors[k].player, player) == 0)
      count += tensor_size(&model->tensors[k]);
  return count;
}

/* ---- for people -------------------------------------------------------------------------------------------------- */

static void print_names(const Descriptor *model) {
  printf("\nweights\n");
  for (int64_t k = 0; k < model->tensor_count; k++)
    if (model->tensors[k].role == ROLE_WEIGHT || model->tensors[k].role == ROLE_STATE)
      printf("  %-28s %-16s %s\n", model->tensors[k].name, text_shape(&model->tensors[k], true).text,
             model->tensors[k].role == ROLE_STATE ? "state" : model->tensors[k].player);
  printf("\ncan be fed (--feed name=FILE.npy, a row per sample)\n");
  for (int64_t k = 0; k < model->tensor_count; k++) {
    const TensorRecord *tensor = &model->tensors[k];
    if (!descriptor_declares_variable(model, k)) continue;
    bool fresh = strcmp(tensor->data, tensor->name) != 0 && tensor->role == ROLE_DATA;
    printf("  %-28s %-16s %s%s%s", tensor->name, text_shape(tensor, false).text, draw_text(tensor).text,
           tensor->source[0] && !fresh ? " from " : "", fresh ? "" : tensor->source);
    if (fresh) printf(", a fresh draw of %s", tensor->data);
    printf("%s\n", tensor->batch ? "" : ", one row per evaluation");
  }
  if (!model->header->feeds) printf("  (noise inside layers: in a trainer built with --feeds)\n");
  printf("\nsettings\n");
  for (int64_t k = 0; k < model->setting_count; k++)
    printf("  %-28s %-16g %s\n", model->settings[k].name, model->settings[k].value,
           model->settings[k].tensor >= 0 ? "--set" : "fixed when built (ganc build --set)");
  printf("\noutputs\n");
  for (int64_t k = 0; k < model->output_count; k++)
    printf("  %-28s %-16s %s\n", model->outputs[k].name,
           text_shape(&model->tensors[model->outputs[k].tensor], false).text,
           model->outputs[k].random ? "samples" : "logged");
}

static void print_text(const Summary *summary) {
  const Descriptor *model = summary->model;
  const ModelRecord *header = model->header;
  printf("%s: %s, %s, for %s, batch %s", header->name, header->file, header->real, header->target,
         text_count(header->batch).text);
  if (header->length_unit[0])
    printf(", trained for %s %s", text_count((int64_t)header->length).text, header->length_unit);
  printf("\n\nplayers\n");
  for (int64_t k = 0; k < model->player_count; k++)
    printf("  %-12s %14s weights   %12s an update   %s\n", model->players[k].name,
           text_count(player_weights(model, model->players[k].name)).text, text_flops(model->players[k].flops).text,
           model->players[k].optimizer);
  printf("objectives\n");
  for (int64_t k = 0; k < model->objective_count; k++) {
    printf("  %-12s %s at line %lld\n", model->objective_names[k],
           model->objectives[k].maximize ? "maximized" : "minimized", (long long)model->objectives[k].line);
  }
  printf("\nwork a step: %s needed, %s executed, in %lld programs (%lld tiles, %lld nests)\n",
         text_flops(summary->needed_flops).text, text_flops(summary->executed_flops).text,
         (long long)model->program_count, (long long)summary->tiles, (long long)summary->nests);
  for (int64_t k = 0; k < model->schedule_count; k++)
    if (model->schedules[k].value >= 0 && model->schedules[k].kind != SCHEDULE_RUN) {
      printf("  (counts and choices that only training knows are taken as one turn, one period, half a branch; `bench` "
             "measures them)\n");
      break;
    }
  printf("memory: %s = 2 x %s weights and states + %s values + %d x %s workspace + %s data\n",
         text_bytes(predicted_bytes(summary)).text, text_bytes((double)header->persistent_bytes).text,
         text_bytes((double)header->arena_bytes).text, summary->threads,
         text_bytes((double)header->workspace_bytes).text, text_bytes(summary->data_bytes).text);
  if (summary->data_problem[0]) printf("  (%s)\n", summary->data_problem);
  for (int k = 0; k < summary->largest_count; k++)
    printf("  %-28s %-16s %10s  line %lld\n", tensor_title(summary->largest[k]),
           text_shape(summary->largest[k], true).text, text_bytes((double)tensor_bytes(summary->largest[k])).text,
           (long long)summary->largest[k]->line);
  print_names(model);
}

/* ---- for programs ------------------------------------------------------------------------------------------------ */

static void put_shape(JsonWriter *json, const TensorRecord *tensor, bool with_batch) {
  json_open_array(json, "shape");
  for (int axis = tensor->batch && !with_batch; axis < tensor->rank; axis++)
    json_put_integer(json, NULL, tensor->shape[axis]);
  json_close(json);
}

static void put_header(JsonWriter *json, const Summary *summary) {
  const ModelRecord *header = summary->model->header;
  const struct {
    const char *key, *text;
  } texts[] = {{"model", header->name},
               {"file", header->file},
               {"real", header->real},
               {"target", header->target},
               {"features", header->features},
               {"compiler", header->build},
               {"source_hash", header->source_hash},
               {"length_unit", header->length_unit}};
  for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) json_put_text(json, texts[k].key, texts[k].text);
  json_put_number(json, "length", header->length);
  json_put_integer(json, "batch", header->batch);
  json_put_bool(json, "feeds", header->feeds != 0);
  json_put_number(json, "needed_flops", summary->needed_flops);
  json_put_number(json, "executed_flops", summary->executed_flops);
  json_put_integer(json, "weights", summary->weights);
  json_open_object(json, "programs");
  json_put_integer(json, "tiles", summary->tiles);
  json_put_integer(json, "nests", summary->nests);
  json_close(json);
  json_open_object(json, "memory");
  const struct {
    const char *key;
    double bytes;
  } parts[] = {{"persistent_bytes", (double)header->persistent_bytes},
               {"arena_bytes", (double)header->arena_bytes},
               {"workspace_bytes", (double)header->workspace_bytes},
               {"threads", summary->threads},
               {"data_bytes", summary->data_bytes},
               {"predicted_bytes", predicted_bytes(summary)}};
  for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
    json_put_integer(json, parts[k].key, (int64_t)parts[k].bytes);
  json_open_array(json, "largest");
  for (int k = 0; k < summary->largest_count; k++) {
    json_open_object(json, NULL);
    json_put_text(json, "name", summary->largest[k]->name);
    put_shape(json, summary->largest[k], true);
    json_put_integer(json, "bytes", tensor_bytes(summary->largest[k]));
    json_put_integer(json, "line", summary->largest[k]->line);
    json_close(json);
  }
  json_close(json);
  json_close(json);
}

static void put_tensors(JsonWriter *json, const Descriptor *model) {
  static const char *const roles[] = {[ROLE_WEIGHT] = "weight",
                                      [ROLE_STATE] = "state",
                                      [ROLE_OPTIMIZER_STATE] = "optimizer state",
                                      [ROLE_DATA] = "data",
                                      [ROLE_NOISE] = "noise"};
  json_open_array(json, "tensors");
  for (int64_t k = 0; k < model->tensor_count; k++) {
    const TensorRecord *tensor = &model->tensors[k];
    if (tensor->role > ROLE_NOISE || (tensor->role > ROLE_OPTIMIZER_STATE && !descriptor_declares_variable(model, k)))
      continue;
    json_open_object(json, NULL);
    json_put_text(json, "name", tensor->name);
    json_put_text(json, "role", roles[tensor->role]);
    put_shape(json, tensor, false);
    json_put_bool(json, "per_sample", tensor->batch != 0);
    json_put_bool(json, "can_be_fed", tensor->role == ROLE_DATA || tensor->role == ROLE_NOISE);
    if (tensor->role == ROLE_WEIGHT) json_put_text(json, "player", tensor->player);
    if (tensor->role == ROLE_DATA) json_put_text(json, "source", tensor->source);
    if (tensor->role == ROLE_NOISE) json_put_text(json, "distribution", draw_text(tensor).text);
    if (tensor->role == ROLE_DATA && strcmp(tensor->data, tensor->name) != 0)
      json_put_text(json, "fresh_draw_of", tensor->data);
    json_put_integer(json, "line", tensor->line);
    json_close(json);
  }
  json_close(json);
}

static void put_lists(JsonWriter *json, const Descriptor *model) {
  json_open_array(json, "players");
  for (int64_t k = 0; k < model->player_count; k++) {
    json_open_object(json, NULL);
    json_put_text(json, "name", model->players[k].name);
    json_put_text(json, "optimizer", model->players[k].optimizer);
    json_put_integer(json, "weights", player_weights(model, model->players[k].name));
    json_put_number(json, "flops", model->players[k].flops);
    json_close(json);
  }
  json_close(json);
  json_open_array(json, "objectives");
  for (int64_t k = 0; k < model->objective_count; k++) {
    json_open_object(json, NULL);
    json_put_text(json, "name", model->objective_names[k]);
    json_put_bool(json, "maximize", model->objectives[k].maximize != 0);
    json_put_integer(json, "line", model->objectives[k].line);
    json_close(json);
  }
  json_close(json);
  json_open_array(json, "settings");
  for (int64_t k = 0; k < model->setting_count; k++) {
    json_open_object(json, NULL);
    json_put_text(json, "name", model->settings[k].name);
    json_put_number(json, "value", model->settings[k].value);
    json_put_bool(json, "can_be_set", model->settings[k].tensor >= 0);
    json_close(json);
  }
  json_close(json);
  json_open_array(json, "outputs");
  for (int64_t k = 0; k < model->output_count; k++) {
    json_open_object(json, NULL);
    json_put_text(json, "name", model->outputs[k].name);
    put_shape(json, &model->tensors[model->outputs[k].tensor], false);
    json_put_bool(json, "random", model->outputs[k].random != 0);
    json_close(json);
  }
  json_close(json);
}

static bool print_json(const Summary *summary, Problem *problem) {
  JsonWriter *json = json_writer_new(true);
  if (!json) return problem_out_of_memory(problem, "the text", 0);
  json_open_object(json, NULL);
  put_header(json, summary);
  put_lists(json, summary->model);
  put_tensors(json, summary->model);
  json_close(json);
  return json_writer_print(json, stdout, problem);
}

int command_info(Trainer *trainer) {
  Problem problem;
  Summary summary;
  bool fine = summarise(trainer, &summary, &problem);
  if (fine && trainer->options.json) fine = print_json(&summary, &problem);
  else if (fine) print_text(&summary);
  if (!fine) report_error(trainer->program, &problem);
  return fine ? EXIT_FINE : EXIT_FAILED;
}
