/* The order of it all: names, schedule, objectives, outputs; and the printed model. Takes the tree of a file and of the
   standard library; returns a model. */
#include "evaluator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- settings of the build --------------------------------------------------------------------------------------- */

static void settings_override(Evaluator *e) {
  for (int k = 0; k < e->options->setting_count; k++) {
    const char *text = e->options->settings[k], *equals = strchr(text, '=');
    Span nowhere = {NULL, 0, 0};
    if (equals == NULL) {
      evaluator_report(e, E5009, nowhere, "`--set %s` has no `=`", text);
      continue;
    }
    const char *name = session_intern(e->session, text, (size_t)(equals - text));
    char *end;
    double value = strtod(equals + 1, &end);
    if (end == equals + 1 || *end != '\0' || !isfinite(value)) {
      evaluator_report(e, E5009, nowhere, "`%s` is set to `%s`", name, equals + 1);
      continue;
    }
    Scope *where;
    Entry *entry = scope_find(e, &e->file, name, &where);
    Frame frame = frame_top(e, true, "");
    evaluation_open(e, "settings");
    Value *current = entry == NULL || where != &e->file ? NULL : name_find(e, &frame, name, entry->syntax->span);
    evaluation_abandon(e);
    Setting *setting = NULL;
    for (int s = 0; s < e->setting_count; s++)
      if (e->settings[s]->name == name) setting = e->settings[s];
    if (current == NULL || setting == NULL) {
      int count;
      const char **names = scope_names(e, &e->file, SYNTAX_ASSIGN, &count);
      Diagnostic *diagnostic = evaluator_report(e, E5008, nowhere, "`%s`", name);
      if (!diagnostic_suggest(diagnostic, name, names, count))
        diagnostic_hint(diagnostic, "a setting is a name that a literal number defines at the top of the file");
      continue;
    }
    setting->value = value;
    e->model->tensors[setting->tensor].initial_a = value;
  }
}

/* ---- names that nothing mentions --------------------------------------------------------------------------------- */

/* Every name of the file once, so that mistakes are found where nothing mentions them yet. */
static void entries_check(Evaluator *e) {
  Frame frame = frame_top(e, true, "");
  Map memories = {0}; /* a name that leads to names before it does not evaluate these again */
  for (int k = 0; k < e->file.count; k++) {
    Evaluation *evaluation = evaluation_open(e, "names");
    evaluation->memories = memories;
    e->checking = true;
    name_find(e, &frame, e->file.entries[k].name, e->file.entries[k].syntax->span);
    e->checking = false;
    memories = evaluation->memories;
    evaluation_abandon(e);
  }
}

/* ---- outputs ----------------------------------------------------------------------------------------------------- */

static void output_run(Evaluator *e, const Syntax *syntax) {
  Model *model = e->model;
  for (int k = 0; k < model->output_count; k++)
    if (strcmp(model->outputs[k].name, syntax->named.name) == 0) {
      Diagnostic *diagnostic = evaluator_report(e, E2002, syntax->name_span, "`%s` again", syntax->named.name);
      diagnostic_also(diagnostic, model->outputs[k].span, "first here");
      return;
    }
  e->batch = model->batch;
  evaluation_open(e, session_format(e->session, "output %s", syntax->named.name));
  Frame frame = frame_top(e, false, "");
  int errors = e->error_count;
  Value *value = evaluate_tensor(e, &frame, syntax->named.value);
  if (value->kind == VALUE_ERROR || e->error_count > errors) {
    evaluation_abandon(e);
    return;
  }
  int64_t shape[RANK_LIMIT];
  int rank = 0;
  if (value->tensor.random) shape[rank++] = e->evaluation->batch;
  for (int d = 0; d < value->tensor.rank; d++) shape[rank++] = value->tensor.shape[d];
  int tensor = tensor_new(e, session_format(e->session, "output.%s", syntax->named.name), ROLE_RESULT, rank, shape,
                          value->tensor.random, syntax->span);
  bool random = value->tensor.random;
  slots_reset(e); /* an output changes nothing */
  evaluation_result(e, tensor, value, syntax->span);
  int routine = evaluation_close(e, ROUTINE_OUTPUT, syntax->span);
  int capacity = model->output_count;
  ModelOutput output = {syntax->named.name, tensor, routine, random, syntax->span};
  ARRAY_ADD(e->session, model->outputs, model->output_count, capacity, output);
}

/* ---- the order --------------------------------------------------------------------------------------------------- */

static const char *model_name(Evaluator *e, const Source *source) {
  if (source == NULL) return "model"; /* a file without statements */
  const char *slash = strrchr(source->path, '/');
  const char *start = slash == NULL ? source->path : slash + 1;
  const char *dot = strrchr(start, '.');
  if (strcmp(start, "-") == 0) return "model";
  return session_intern(e->session, start, dot == NULL || dot == start ? strlen(start) : (size_t)(dot - start));
}

static const Syntax *find_train(Evaluator *e, const Syntax *file) {
  const Syntax *train = NULL;
  for (int k = 0; k < file->items.count; k++) {
    const Syntax *syntax = file->items.items[k];
    if (syntax->kind == SYNTAX_OBJECTIVE)
      ARRAY_ADD(e->session, e->objectives, e->objective_count, e->objective_capacity, syntax);
    if (syntax->kind != SYNTAX_TRAIN) continue;
    if (train != NULL) {
      Diagnostic *diagnostic = evaluator_report(e, E3023, syntax->span, "another one");
      diagnostic_also(diagnostic, train->span, "the first");
    } else train = syntax;
  }
  if (train == NULL) {
    Diagnostic *diagnostic = evaluator_report(e, E3022, file->span, "there is no `train` in this file");
    diagnostic_hint(diagnostic, "`train { batch = 64; optimize D, G by adam(lr = 2e-4); update D; update G }`");
  }
  return train;
}

static void model_lists(Evaluator *e) {
  Model *model = e->model;
  model->players = session_allocate(e->session, (size_t)(e->network_count + 1) * sizeof *model->players);
  for (int k = 0; k < e->network_count; k++) {
    const Network *network = e->networks[k];
    const char *optimizer = "";
    if (network->optimizer_syntax != NULL) {
      Span span = network->optimizer_syntax->players.by->span;
      optimizer = session_intern(e->session, span.source->text + span.from, span.to - span.from);
    }
    model->players[model->player_count++] = (ModelPlayer){.name = network->name,
                                                          .optimizer = optimizer,
                                                          .span = network->span,
                                                          .gradient = network->gradient_tensor - 1,
                                                          .has_rate = network->has_rate,
                                                          .rate = network->rate,
                                                          .rate_tensor = network->rate_tensor - 1};
  }
  model->settings = session_allocate(e->session, (size_t)(e->setting_count + 1) * sizeof *model->settings);
  for (int k = 0; k < e->setting_count; k++) {
    const Setting *setting = e->settings[k];
    model->settings[model->setting_count++] =
        (ModelSetting){setting->name, setting->frozen ? -1 : setting->tensor, setting->value, setting->span};
  }
  model->first_data = -1;
  for (int k = 0; k < model->tensor_count && model->first_data < 0; k++)
    if (model->tensors[k].role == ROLE_DATA) model->first_data = k;
  bool epochs = strcmp(model->length_unit, "epochs") == 0 || tensor_find(e, "epoch") >= 0;
  if (epochs && model->first_data < 0) evaluator_report(e, E3040, model->schedule->span, "epochs are passes over data");
}

static bool trains_anybody(const Model *model) {
  for (int k = 0; k < model->routine_count; k++)
    if (model->routines[k].kind == ROUTINE_UPDATE || model->routines[k].kind == ROUTINE_ASSIGN) return true;
  return false;
}

Model *expand_model(Session *session, Syntax *file, int standard_count, Syntax *const *standard,
                    const ExpandOptions *options) {
  Evaluator evaluator = {.session = session,
                         .graph = graph_new(session),
                         .options = options,
                         .batch = 1,
                         .library_count = standard_count,
                         .library = standard};
  Evaluator *e = &evaluator;
  e->model = session_allocate(session, sizeof *e->model);
  *e->model = (Model){.session = session,
                      .graph = e->graph,
                      .name = model_name(e, file->span.source),
                      .length_unit = "",
                      .first_data = -1};
  for (int k = 0; k < standard_count; k++) scope_collect(e, &e->standard, standard[k]);
  e->file.standard = &e->standard;
  e->file.syntax = file;
  scope_collect(e, &e->file, file);
  labels_assign(e, file);
  const Syntax *train = find_train(e, file);
  e->served_objectives = session_allocate(session, (size_t)e->objective_count + 1);
  if (train == NULL || e->error_count > 0) return NULL;
  settings_override(e);
  if (!train_scan(e, train)) return NULL;
  entries_check(e);
  networks_meet(e);
  objectives_prepare(e);
  for (int k = 0; k < file->items.count; k++) /* outputs before training: their errors stand on their own */
    if (file->items.items[k]->kind == SYNTAX_OUTPUT) output_run(e, file->items.items[k]);
  e->batch = e->model->batch;
  if (e->error_count == 0) train_run(e, train);
  else train_check_optimizers(e, train);
  if (e->error_count > 0) return NULL;
  if (!trains_anybody(e->model)) {
    Diagnostic *diagnostic = evaluator_report(e, E3045, train->span, "no `update` in it");
    diagnostic_hint(diagnostic, "`update D`");
    return NULL;
  }
  lint_names(e);
  lint_training(e);
  lint_objectives(e);
  if (options->diagnose) diagnoses_make(e);
  model_lists(e);
  return e->error_count > 0 ? NULL : e->model;
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static const char *const role_names[] = {"weight",  "state",   "optimizer state", "data",  "noise",
                                         "setting", "counter", "local",           "result"};
static const char *const schedule_names[] = {"sequence", "repeat", "every", "if", "run"};

static void schedule_print(const Model *model, const ModelSchedule *node, int depth, FILE *out) {
  fprintf(out, "%*s%s", 2 * depth, "", schedule_names[node->kind]);
  if (node->kind == SCHEDULE_RUN) fprintf(out, " %s", model->routines[node->routine].name);
  else if (node->kind != SCHEDULE_SEQUENCE) {
    if (node->value >= 0) fprintf(out, " %s", model->tensors[node->value].name);
    else fprintf(out, " %g", node->constant);
  }
  fputc('\n', out);
  for (int k = 0; k < node->child_count; k++) schedule_print(model, node->children[k], depth + 1, out);
}

void model_print(const Model *model, FILE *out) {
  fprintf(out, "model %s, batch %d\n", model->name, model->batch);
  for (int k = 0; k < model->tensor_count; k++) {
    const ModelTensor *tensor = &model->tensors[k];
    fprintf(out, "%s %s: [", role_names[tensor->role], tensor->name);
    for (int d = 0; d < tensor->input->rank; d++)
      fprintf(out, "%s%lld", d == 0 ? "" : ", ", (long long)tensor->input->shape[d]);
    fprintf(out, "]\n");
  }
  fprintf(out, "schedule\n");
  schedule_print(model, model->schedule, 1, out);
  for (int k = 0; k < model->routine_count; k++) {
    const ModelRoutine *routine = &model->routines[k];
    fprintf(out, "\nroutine %s (batch %d, ordinal %d)\n", routine->name, routine->batch, routine->ordinal);
    graph_print(model->graph, &routine->effects, out);
  }
}
