/* Checkpoints: one safetensors file with every weight, state and optimizer state under its name, and in its metadata
   where the run stands. Takes views of tensors; returns them filled, with a report of what did not match by name or
   shape. A file that says it is a checkpoint must carry a checksum, over all its bytes, that holds. Never loads part of
   a damaged file, and neither writes nor loads what is no finite number. */
#include "runtime/io.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char format_key[] = "ganc checkpoint", format_version[] = "1", count_prefix[] = "count/";

/* Of steps, images and samples: room stays to go on, so that what a run saves next can be read, too. */
static const uint64_t counter_most = (uint64_t)LENGTH_LIMIT - (UINT64_C(1) << 40);

struct Checkpoint {
  SafeTensors *file;
  bool has_state;
  CheckpointState state; /* texts lie in the file's header */
  NamedCount *counts;
};

/* ---- writing ----------------------------------------------------------------------------------------------------- */

bool tensors_are_finite(const TensorView *views, size_t count, Problem *problem) {
  for (size_t i = 0; i < count; i++) {
    double value;
    int64_t element = tensor_view_not_finite(&views[i], &value);
    if (element < 0) continue;
    char *place = tensor_view_place(&views[i], element);
    problem_set(problem, "%s is %s", place ? place : views[i].name, number_word(value));
    free(place);
    return false;
  }
  return true;
}

bool checkpoint_write(const char *path, const CheckpointState *state, const TensorView *views, size_t count,
                      Problem *problem) {
  enum { FIXED = 6 };
  if (!tensors_are_finite(views, count, problem)) return false;
  size_t pairs = FIXED + state->count_count, made = 0;
  TextPair *metadata = system_allocate(pairs * sizeof *metadata);
  char **texts = system_allocate((3 + 2 * state->count_count) * sizeof *texts);
  bool fine = metadata && texts;
  if (fine) {
    texts[made++] = text_format("%" PRId64, state->step);
    texts[made++] = text_format("%" PRId64, state->image);
    texts[made++] = text_format("%" PRIu64, state->seed);
    TextPair fixed[FIXED] = {
        {format_key, format_version}, {"model", state->model}, {"source", state->source_hash},
        {"step", texts[0]},           {"image", texts[1]},     {"seed", texts[2]},
    };
    memcpy(metadata, fixed, sizeof fixed);
    for (size_t i = 0; i < state->count_count; i++) {
      texts[made++] = text_format("%s%s", count_prefix, state->counts[i].name);
      texts[made++] = text_format("%" PRId64, state->counts[i].value);
      metadata[FIXED + i] = (TextPair){texts[made - 2], texts[made - 1]};
    }
    for (size_t i = 0; i < made; i++) fine = fine && texts[i];
  }
  if (!fine) problem_out_of_memory(problem, path, pairs * sizeof *metadata);
  fine = fine && safetensors_write(path, views, count, metadata, pairs, problem);
  for (size_t i = 0; i < made; i++) free(texts[i]);
  free(texts);
  free(metadata);
  return fine;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* A whole decimal number from 0 to `most`, in the file's metadata as text. */
static bool read_number(const Checkpoint *checkpoint, const char *key, const char *text, uint64_t most, uint64_t *value,
                        Problem *problem) {
  char *end = NULL;
  errno = 0;
  if (text && *text >= '0' && *text <= '9') *value = strtoull(text, &end, 10);
  if (end && *end == 0 && errno == 0 && *value <= most) return true;
  return problem_set(problem, "%s: metadata \"%.100s\" is %s%.100s, expected a whole number from 0 to %" PRIu64,
                     checkpoint_path(checkpoint), key, text ? "" : "missing", text ? text : "", most);
}

static bool read_state(Checkpoint *checkpoint, Problem *problem) {
  const SafeTensors *file = checkpoint->file;
  const char *version = safetensors_metadata(file, format_key);
  if (!version) return true; /* weights from elsewhere */
  if (strcmp(version, format_version) != 0)
    return problem_set(problem,
                       "%s is a checkpoint of format \"%.40s\", this trainer reads format %s; build it with the "
                       "version of ganc that wrote the file",
                       checkpoint_path(checkpoint), version, format_version);
  if (!safetensors_metadata(file, "checksum"))
    return problem_set(problem, "%s is damaged: a checkpoint without a checksum", checkpoint_path(checkpoint));
  static const char *const keys[3] = {"step", "image", "seed"};
  uint64_t numbers[3];
  for (int i = 0; i < 3; i++) {
    uint64_t most = i < 2 ? counter_most : UINT64_MAX;
    const char *text = safetensors_metadata(file, keys[i]);
    if (!read_number(checkpoint, keys[i], text, most, &numbers[i], problem)) return false;
  }
  if (numbers[1] < numbers[0] || (numbers[0] == 0 && numbers[1] > 0)) /* a step takes a sample or more */
    return problem_set(problem, "%s: metadata \"image\" is %" PRIu64 ", which %" PRIu64 " steps cannot have seen",
                       checkpoint_path(checkpoint), numbers[1], numbers[0]);
  const char *model = safetensors_metadata(file, "model"), *source = safetensors_metadata(file, "source");
  checkpoint->state = (CheckpointState){.step = (int64_t)numbers[0],
                                        .image = (int64_t)numbers[1],
                                        .seed = numbers[2],
                                        .model = model ? model : "",
                                        .source_hash = source ? source : ""};
  const Json *all = safetensors_metadata_all(file);
  checkpoint->counts = system_allocate(all->count * sizeof *checkpoint->counts);
  if (!checkpoint->counts)
    return problem_out_of_memory(problem, checkpoint_path(checkpoint), all->count * sizeof *checkpoint->counts);
  for (const Json *pair = all->first; pair; pair = pair->next) {
    uint64_t value;
    if (strncmp(pair->key, count_prefix, sizeof count_prefix - 1) != 0) continue;
    if (!read_number(checkpoint, pair->key, pair->text, counter_most, &value, problem)) return false;
    checkpoint->counts[checkpoint->state.count_count++] =
        (NamedCount){pair->key + sizeof count_prefix - 1, (int64_t)value};
  }
  checkpoint->state.counts = checkpoint->counts;
  checkpoint->has_state = true;
  return true;
}

Checkpoint *checkpoint_open(const char *path, Problem *problem) {
  Checkpoint *checkpoint = system_allocate(sizeof *checkpoint);
  if (!checkpoint) {
    problem_out_of_memory(problem, path, sizeof *checkpoint);
    return NULL;
  }
  *checkpoint = (Checkpoint){.file = safetensors_open(path, problem)};
  if (checkpoint->file && safetensors_verify(checkpoint->file, problem) && read_state(checkpoint, problem))
    return checkpoint;
  checkpoint_close(checkpoint);
  return NULL;
}

void checkpoint_close(Checkpoint *checkpoint) {
  if (!checkpoint) return;
  safetensors_close(checkpoint->file);
  free(checkpoint->counts);
  free(checkpoint);
}

const char *checkpoint_path(const Checkpoint *checkpoint) { return safetensors_path(checkpoint->file); }

const StoredTensor *checkpoint_find(const Checkpoint *checkpoint, const char *name) {
  return safetensors_find(checkpoint->file, name);
}

bool checkpoint_rename(Checkpoint *checkpoint, const char *rules, Problem *problem) {
  return safetensors_rename(checkpoint->file, rules, problem);
}

const CheckpointState *checkpoint_state(const Checkpoint *checkpoint, Problem *problem) {
  if (checkpoint->has_state) return &checkpoint->state;
  problem_set(problem, "%s holds weights, but no position of a run to go on from; start with --init instead",
              checkpoint_path(checkpoint));
  return NULL;
}

/* ---- loading by name --------------------------------------------------------------------------------------------- */

/* Of floating-point numbers of any width that is read; integers are no weights. */
static bool stored_is_weight(const StoredTensor *stored) {
  return stored->type != ELEMENT_UNREAD && !element_is_integer(stored->type);
}

bool stored_fits(const StoredTensor *stored, const TensorView *view) {
  return stored && stored_is_weight(stored) && stored->rank == view->rank &&
         memcmp(stored->shape, view->shape, (size_t)view->rank * sizeof *view->shape) == 0;
}

/* Why it does not fit, as a line; `stored` is NULL where the file has nothing of that name. */
static char *describe_difference(const TensorView *view, const StoredTensor *stored, const char *path) {
  char here[160], there[160];
  element_shape_text(view->rank, view->shape, here);
  if (!stored) return text_format("%s %s is not in %s", view->name, here, path);
  stored_shape_text(stored, there);
  if (stored_is_weight(stored)) return text_format("%s is %s here and %s in %s", view->name, here, there, path);
  return text_format("%s is %s %s here and %.40s %s in %s", view->name, storage_name(view->type), here,
                     stored->type == ELEMENT_UNREAD ? stored->dtype : element_name(stored->type), there, path);
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool compare_all(const Checkpoint *checkpoint, const TensorView *views, size_t count, LoadReport *report,
                        Problem *problem) {
  const SafeTensors *file = checkpoint->file;
  const char *path = checkpoint_path(checkpoint), **names = system_allocate((count + 1) * sizeof *names);
  Lines lines = {0};
  lines_add(&lines, text_format("%s", ""));
  for (size_t i = 0; names && i < count; i++) {
    const StoredTensor *stored = safetensors_find(file, views[i].name);
    names[i] = views[i].name;
    if (stored_fits(stored, &views[i])) continue;
    report->missing += !stored;
    report->different += stored != NULL;
    lines_add(&lines, describe_difference(&views[i], stored, path));
    lines_add(&lines, text_format("\n"));
  }
  if (names) qsort(names, count, sizeof *names, compare_names);
  for (size_t i = 0; names && i < safetensors_count(file); i++) {
    const char *name = safetensors_tensor(file, i)->name;
    if (bsearch(&name, names, count, sizeof *names, compare_names)) continue;
    report->left_over++;
    lines_add(&lines, text_one_line(text_format("%s is in %s and not here", name, path)));
    lines_add(&lines, text_format("\n"));
  }
  bool fine = names && !lines.failed;
  free(names);
  if (fine) report->text = lines.text;
  else free(lines.text);
  return fine || problem_out_of_memory(problem, path, count * sizeof *names);
}

char *checkpoint_list(const Checkpoint *checkpoint, const char *const *names, size_t count) {
  NameList list = {0};
  for (size_t i = 0; i < safetensors_count(checkpoint->file); i++) {
    const StoredTensor *tensor = safetensors_tensor(checkpoint->file, i);
    char shape[160];
    if (strchr(tensor->name, '/') || (count && bsearch(&tensor->name, names, count, sizeof *names, compare_names)))
      continue;
    size_t length = strlen(stored_shape_text(tensor, shape));
    if (!stored_is_weight(tensor)) snprintf(shape + length, sizeof shape - length, " of %.20s", tensor->dtype);
    name_list_add(&list, tensor->name, shape);
  }
  return name_list_end(&list);
}

bool checkpoint_require(const Checkpoint *checkpoint, const TensorView *views, size_t count, const bool *needed,
                        const char *what, Problem *problem) {
  const SafeTensors *file = checkpoint->file;
  const char *path = checkpoint_path(checkpoint), **names = system_allocate((count + 1) * sizeof *names);
  if (!names) return problem_out_of_memory(problem, path, count * sizeof *names);
  char *first = NULL;
  size_t known = 0, wanting = 0;
  for (size_t i = 0; i < count; i++) {
    const StoredTensor *stored = safetensors_find(file, views[i].name);
    bool fits = stored_fits(stored, &views[i]);
    if (stored) names[known++] = views[i].name;
    if (needed[i] && !fits && wanting++ == 0) first = describe_difference(&views[i], stored, path);
  }
  qsort(names, known, sizeof *names, compare_names);
  char *others = wanting ? checkpoint_list(checkpoint, names, known) : NULL;
  if (wanting) {
    char more[48] = "";
    if (wanting > 1) snprintf(more, sizeof more, ", and %zu more", wanting - 1);
    problem_set(problem, "%s needs weights that the file does not have: %s%s%s%s", what, first ? first : path, more,
                others && *others ? "; what this model does not know is there: " : "", others ? others : "");
  }
  free(first);
  free(others);
  free(names);
  return wanting == 0;
}

/* What was read is finite; else what the file holds tells whether it is at fault or the view's type is too narrow. */
static bool check_loaded(const Checkpoint *checkpoint, const StoredTensor *stored, const TensorView *view,
                         Problem *problem) {
  double value;
  int64_t element = tensor_view_not_finite(view, &value);
  if (element < 0) return true;
  StoredTensor one = *stored;
  TensorView scalar = {.name = view->name, .type = STORAGE_F64, .data = &value};
  one.bytes = element_bytes(stored->type);
  one.offset += (uint64_t)element * one.bytes;
  if (!safetensors_read(checkpoint->file, &one, &scalar, problem)) return false;
  char *place = tensor_view_place(view, element);
  if (isfinite(value))
    problem_set(problem, "%s: %s is %g, which float32 cannot hold; a trainer built with --real f64 can",
                checkpoint_path(checkpoint), place ? place : view->name, value);
  else
    problem_set(problem, "%s: %s is %s; these weights are of no use, take an earlier file", checkpoint_path(checkpoint),
                place ? place : view->name, number_word(value));
  free(place);
  return false;
}

bool checkpoint_load(Checkpoint *checkpoint, const TensorView *views, size_t count, bool whole, LoadReport *report,
                     Problem *problem) {
  LoadReport own;
  if (!report) report = &own;
  *report = (LoadReport){0};
  bool fine = compare_all(checkpoint, views, count, report, problem);
  if (fine && whole && report->missing + report->left_over + report->different > 0) {
    int first_line = (int)strcspn(report->text, "\n");
    size_t more = report->missing + report->left_over + report->different - 1;
    if (more)
      fine = problem_set(problem, "%s does not fit this model: %.*s, and %zu more", checkpoint_path(checkpoint),
                         first_line, report->text, more);
    else
      fine = problem_set(problem, "%s does not fit this model: %.*s", checkpoint_path(checkpoint), first_line,
                         report->text);
  }
  for (size_t i = 0; fine && i < count; i++) {
    const StoredTensor *stored = safetensors_find(checkpoint->file, views[i].name);
    if (!stored_fits(stored, &views[i])) continue;
    fine = safetensors_read(checkpoint->file, stored, &views[i], problem) &&
           check_loaded(checkpoint, stored, &views[i], problem);
    report->loaded += fine;
  }
  if (report == &own) load_report_release(&own);
  return fine;
}

void load_report_release(LoadReport *report) {
  free(report->text);
  *report = (LoadReport){0};
}
