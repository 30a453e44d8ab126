/* Weights from files: what --init and --weights do. Takes an engine at its initial values and a safetensors file, whose
   names --rename may change; returns the engine with what fits in its place. Of --init it says player by player what
   that was, and what was left as it is; a file of which nothing fits is a problem that has the names of both sides.
   Never changes a tensor that the file has in another shape. */
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>

Checkpoint *weights_open(const Trainer *trainer, const char *path, Problem *problem) {
  Checkpoint *checkpoint = checkpoint_open(path, problem);
  if (!checkpoint || !trainer->options.rename || checkpoint_rename(checkpoint, trainer->options.rename, problem))
    return checkpoint;
  checkpoint_close(checkpoint);
  return NULL;
}

/* Every weight and state that the routine reads is there. */
static bool check_needed(const Engine *engine, const Checkpoint *checkpoint, int64_t routine, const TensorView *views,
                         size_t count, Problem *problem) {
  const Descriptor *model = &engine->trainer->model;
  bool *needed = allocate_zeroed(count + 1, sizeof *needed);
  if (!needed) return problem_out_of_memory(problem, "the list of weights", count);
  for (size_t k = 0; k < count; k++)
    needed[k] = routine_touches(model, routine, descriptor_find_tensor(model, views[k].name));
  bool fine = checkpoint_require(checkpoint, views, count, needed, model->routines[routine].name, problem);
  free(needed);
  return fine;
}

/* ---- what fits, player by player --------------------------------------------------------------------------------- */

/* The network that a tensor belongs to, "" of the model's own states. An optimizer's state is named by its weight,
   whose network it is. */
static const char *owner_of(const Descriptor *model, int64_t tensor) {
  const TensorRecord *record = &model->tensors[tensor];
  char weight[512];
  const char *slash = strchr(record->name, '/');
  if (record->role != ROLE_OPTIMIZER_STATE || !slash || (size_t)(slash - record->name) >= sizeof weight)
    return record->player;
  snprintf(weight, sizeof weight, "%.*s", (int)(slash - record->name), record->name);
  int64_t found = descriptor_find_tensor(model, weight);
  return found < 0 ? record->player : model->tensors[found].player;
}

static char *name_both(const TensorView *view, const StoredTensor *stored) {
  char here[160], there[160];
  element_shape_text(view->rank, view->shape, here);
  stored_shape_text(stored, there);
  if (strcmp(here, there) != 0) return text_format("(%s here, %s there)", here, there);
  return text_format("(of type %.40s there)", stored->dtype);
}

typedef struct Fits {
  int64_t all[3], fit[3];
  NameList left;
} Fits; /* weights, states, optimizer states */

static int kind_of(const TensorRecord *record) {
  return record->role == ROLE_WEIGHT ? 0 : record->role == ROLE_STATE ? 1 : 2;
}

/* What the file has for the tensors of one network. What an optimizer keeps is missed only where the file has some of
   it. */
static Fits fits_of(const Engine *engine, const Checkpoint *checkpoint, const char *const *owners, const char *owner,
                    bool optimizer_states) {
  const Descriptor *model = &engine->trainer->model;
  Fits fits = {0};
  for (int64_t k = 0; k < model->tensor_count; k++) {
    const TensorRecord *record = &model->tensors[k];
    int kind = kind_of(record);
    if (!tensor_is_kept(record) || strcmp(owners[k], owner) != 0 || (kind == 2 && !optimizer_states)) continue;
    TensorView view = execution_view(&engine->execution, k);
    const StoredTensor *stored = checkpoint_find(checkpoint, record->name);
    fits.all[kind]++;
    fits.fit[kind] += stored_fits(stored, &view);
    if (stored_fits(stored, &view)) continue;
    char *detail = stored ? name_both(&view, stored) : NULL;
    name_list_add(&fits.left, record->name, detail ? detail : "");
    free(detail);
  }
  return fits;
}

/* "G: 12 of 14 weights, 2 of 2 states from W.safetensors; left as they were: G.head.W ([1, 8] here, [1, 16] there),
   G.head.b" */
static bool report_owner(const Engine *engine, const Checkpoint *checkpoint, const char *const *owners, int64_t first,
                         bool optimizer_states) {
  static const char *const words[3] = {"weight", "state", "optimizer state"};
  const char *owner = owners[first];
  Fits fits = fits_of(engine, checkpoint, owners, owner, optimizer_states);
  Lines line = {0};
  for (int kind = 0; kind < 3; kind++)
    if (fits.all[kind])
      lines_add(&line, text_format("%s%lld of %lld %s%s", line.length ? ", " : "", (long long)fits.fit[kind],
                                   (long long)fits.all[kind], words[kind], fits.all[kind] == 1 ? "" : "s"));
  char *left = name_list_end(&fits.left);
  bool fine = left && !line.failed;
  if (fine && line.length)
    report_note(engine->trainer->program, "%s: %s from %s%s%s", *owner ? owner : "the model", line.text,
                checkpoint_path(checkpoint), *left ? "; left as they were: " : "", left);
  free(left);
  free(line.text);
  return fine;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What the file has and the model does not know, once for all players. */
static bool report_others(const Engine *engine, const Checkpoint *checkpoint, const TensorView *views, size_t count) {
  const char **names = system_allocate((count + 1) * sizeof *names);
  for (size_t k = 0; names && k < count; k++) names[k] = views[k].name;
  if (names) qsort(names, count, sizeof *names, compare_names);
  char *others = names ? checkpoint_list(checkpoint, names, count) : NULL;
  if (others && *others)
    report_note(engine->trainer->program, "%s has besides: %s", checkpoint_path(checkpoint), others);
  bool fine = others;
  free(others);
  free(names);
  return fine;
}

/* A network stands where its first tensor does. */
static bool report_fits(const Engine *engine, const Checkpoint *checkpoint, const TensorView *views, size_t count,
                        Problem *problem) {
  const Descriptor *model = &engine->trainer->model;
  const char **owners = system_allocate(((size_t)model->tensor_count + 1) * sizeof *owners);
  bool optimizer_states = false, fine = owners;
  for (size_t k = 0; k < count; k++)
    optimizer_states |= strchr(views[k].name, '/') && checkpoint_find(checkpoint, views[k].name);
  for (int64_t k = 0; fine && k < model->tensor_count; k++)
    owners[k] = tensor_is_kept(&model->tensors[k]) ? owner_of(model, k) : NULL;
  for (int64_t k = 0; fine && k < model->tensor_count; k++) {
    bool first = owners[k];
    for (int64_t other = k - 1; first && other >= 0; other--)
      first = !owners[other] || strcmp(owners[other], owners[k]) != 0;
    if (first) fine = report_owner(engine, checkpoint, owners, k, optimizer_states);
  }
  free(owners);
  return (fine && report_others(engine, checkpoint, views, count)) ||
         problem_out_of_memory(problem, "a list of names", count);
}

/* Always false: the names of both sides, by which people see what to rename. */
static bool set_nothing_fits(const Checkpoint *checkpoint, const TensorView *views, size_t count, Problem *problem) {
  NameList own = {0};
  char shape[160];
  for (size_t k = 0; k < count; k++)
    if (!strchr(views[k].name, '/'))
      name_list_add(&own, views[k].name, element_shape_text(views[k].rank, views[k].shape, shape));
  char *here = name_list_end(&own), *there = checkpoint_list(checkpoint, NULL, 0);
  problem_set(problem,
              "%s holds none of this model's weights. The model has %s; the file has %s. --rename 'OLD=NEW,…' makes "
              "its names into the model's",
              checkpoint_path(checkpoint), here ? here : "some", there && *there ? there : "none");
  free(here);
  free(there);
  return false;
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* All that fits; `initial`: with what optimizers keep, and with a word about it in any case. */
static bool load_what_fits(Engine *engine, Checkpoint *checkpoint, bool initial, Problem *problem) {
  size_t count;
  LoadReport report = {0};
  TensorView *views = engine_kept_views(engine, initial, &count, problem);
  bool fine = views && checkpoint_load(checkpoint, views, count, false, &report, problem);
  if (fine && report.loaded == 0 && count > 0) fine = set_nothing_fits(checkpoint, views, count, problem);
  if (fine && (initial || report.missing + report.different > 0))
    fine = report_fits(engine, checkpoint, views, count, problem);
  load_report_release(&report);
  free(views);
  return fine;
}

bool engine_load(Engine *engine, Checkpoint *checkpoint, int64_t needed_by, Problem *problem) {
  if (needed_by < 0) return load_what_fits(engine, checkpoint, false, problem);
  size_t count;
  TensorView *views = engine_kept_views(engine, false, &count, problem);
  bool fine = views && check_needed(engine, checkpoint, needed_by, views, count, problem) &&
              checkpoint_load(checkpoint, views, count, false, NULL, problem);
  free(views);
  return fine;
}

bool engine_init(Engine *engine, Problem *problem) {
  const Trainer *trainer = engine->trainer;
  if (!trainer->options.init) return true;
  Checkpoint *checkpoint = weights_open(trainer, trainer->options.init, problem);
  bool fine = checkpoint && load_what_fits(engine, checkpoint, true, problem);
  checkpoint_close(checkpoint);
  return fine;
}
