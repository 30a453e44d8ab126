/* What a run's folder has by steps: checkpoints/step-000500.safetensors, samples/fakes-000500.png. Takes the folder;
   returns which checkpoint is the newest one that is sound, and which run of a model was saved last. Old checkpoints
   go when a new one is there, pictures so that those that stay are a film; never one that is newer than what was
   written last. */
#include "runtime/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The steps of files that are numbered by them, newest first. */
typedef struct Steps {
  int64_t *steps;
  size_t count, capacity;
} Steps;

static int compare_steps(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x < y) - (x > y); /* the newest first */
}

/* FOLDER/NAME-STEP.ENDING. A folder that is not there has none; one that cannot be read may have any. The list is to be
   freed in any case. */
static bool list_steps(const char *folder, const char *name, const char *ending, Steps *list, Problem *problem) {
  *list = (Steps){0};
  size_t length = strlen(name);
  DIR *entries = opendir(folder);
  bool fine = entries || errno == ENOENT || problem_set_errno(problem, errno, "cannot read the folder %s", folder);
  while (fine && entries) {
    errno = 0;
    struct dirent *entry = readdir(entries);
    if (!entry) {
      fine = errno == 0 || problem_set_errno(problem, errno, "cannot read the folder %s", folder);
      break;
    }
    int64_t step;
    char canonical[64];
    if (strncmp(entry->d_name, name, length) != 0) continue;
    if (sscanf(entry->d_name + length, "-%" SCNd64 ".", &step) != 1) continue;
    snprintf(canonical, sizeof canonical, "-%06" PRId64 ".%s", step, ending);
    if (step < 0 || strcmp(canonical, entry->d_name + length) != 0) continue;
    int64_t *steps = list_grow(list->steps, &list->capacity, list->count + 1, sizeof *steps);
    fine = steps || problem_out_of_memory(problem, "the list of checkpoints", 2 * list->count * sizeof *steps);
    if (!steps) break;
    list->steps = steps;
    steps[list->count++] = step;
  }
  if (entries) closedir(entries);
  if (fine && list->count) qsort(list->steps, list->count, sizeof *list->steps, compare_steps);
  return fine;
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

/* A film of the run, whose pictures are equally far apart: a function of the step, however often the run was
   stopped. */
bool run_folder_thin_samples(const RunFolder *folder, const char *name, const char *ending, int64_t newest,
                             int64_t period, int64_t keep, Problem *problem) {
  int64_t distance = period;
  while (newest / distance >= keep && distance <= newest) distance *= 2;
  if (distance == period) return true;
  char *samples = text_format("%s/samples", folder->path);
  if (!samples) return problem_out_of_memory(problem, folder->path, 16);
  Steps list;
  bool fine = list_steps(samples, name, ending, &list, problem);
  for (size_t k = 0; fine && k < list.count; k++) {
    if (list.steps[k] >= newest || list.steps[k] % distance == 0) continue; /* later ones are not this run's yet */
    char *path = text_format("%s/%s-%06" PRId64 ".%s", samples, name, list.steps[k], ending);
    if (!path) fine = problem_out_of_memory(problem, samples, 64);
    else if (unlink(path) < 0 && errno != ENOENT)
      fine = problem_set_errno(problem, errno, "cannot remove the old %s", path);
    free(path);
  }
  free(list.steps);
  free(samples);
  return fine;
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

char *run_folder_checkpoint_path(const char *directory, int64_t step) {
  return text_format("%s/checkpoints/step-%06" PRId64 ".safetensors", directory, step);
}

static bool list_checkpoints(const char *directory, Steps *list, Problem *problem) {
  *list = (Steps){0};
  char *path = text_format("%s/checkpoints", directory);
  bool fine =
      path ? list_steps(path, "step", "safetensors", list, problem) : problem_out_of_memory(problem, directory, 16);
  free(path);
  return fine;
}

bool folder_holds_run(const char *directory, bool *holds, Problem *problem) {
  Steps list;
  bool fine = list_checkpoints(directory, &list, problem);
  *holds = list.count > 0;
  free(list.steps);
  return fine;
}

/* The checkpoint of that name and step, whole; NULL with a problem. */
static Checkpoint *checkpoint_open_sound(const char *path, int64_t step, Problem *problem) {
  Checkpoint *checkpoint = checkpoint_open(path, problem);
  const CheckpointState *state = checkpoint ? checkpoint_state(checkpoint, problem) : NULL;
  if (state && state->step == step) return checkpoint;
  if (state) problem_set(problem, "%s is of step %" PRId64 ", whatever its name says", path, state->step);
  checkpoint_close(checkpoint);
  return NULL;
}

/* Without memory to remember it, it is read again. */
static void note_sound(RunFolder *folder, const char *path, int64_t step) {
  SoundFile file = {.step = step};
  if (!file_stamp(path, &file.stamp)) return;
  size_t at = 0;
  while (at < folder->sound_count && folder->sound[at].step != step) at++;
  if (at == folder->sound_count) {
    SoundFile *sound = list_grow(folder->sound, &folder->sound_capacity, folder->sound_count + 1, sizeof *sound);
    if (!sound) return;
    folder->sound = sound;
    folder->sound_count++;
  }
  folder->sound[at] = file;
}

/* Read from end to end, but only once as long as its size and time stay. */
static bool is_sound(RunFolder *folder, const char *path, int64_t step) {
  FileStamp now;
  for (size_t k = 0; k < folder->sound_count; k++) {
    const SoundFile *known = &folder->sound[k];
    if (known->step == step && file_stamp(path, &now) && file_stamp_equal(&now, &known->stamp)) return true;
  }
  Checkpoint *checkpoint = checkpoint_open_sound(path, step, NULL);
  if (checkpoint) note_sound(folder, path, step);
  checkpoint_close(checkpoint);
  return checkpoint != NULL;
}

/* Files that are damaged count for nothing, so that `keep` sound ones stay. Steps beyond this one belong to a
   damaged file that resuming passed over: they will be written again. */
static bool remove_old(RunFolder *folder, int64_t newest, int keep, Problem *problem) {
  Steps list;
  bool fine = list_checkpoints(folder->path, &list, problem);
  int kept = 0;
  for (size_t i = 0; fine && (int)list.count > keep && i < list.count; i++) {
    if (list.steps[i] > newest) continue;
    char *path = run_folder_checkpoint_path(folder->path, list.steps[i]);
    if (!path) fine = problem_out_of_memory(problem, "a path", 64);
    else if (!file_exists(path)) fine = true; /* whatever it is, no run has written it */
    else if (kept < keep) kept += is_sound(folder, path, list.steps[i]);
    else if (unlink(path) < 0) fine = problem_set_errno(problem, errno, "cannot remove the old checkpoint %s", path);
    free(path);
  }
  free(list.steps);
  return fine;
}

bool run_folder_save_checkpoint(RunFolder *folder, const CheckpointState *state, const TensorView *views, size_t count,
                                int keep, Problem *problem) {
  char *path = run_folder_checkpoint_path(folder->path, state->step);
  bool fine = (path || problem_out_of_memory(problem, folder->path, 64)) && run_folder_stays(folder, problem) &&
              own_file_check(path, problem) && checkpoint_write(path, state, views, count, problem);
  if (fine) folder->saved_step = state->step;
  if (fine) note_sound(folder, path, state->step);
  free(path);
  return fine && (keep <= 0 || remove_old(folder, state->step, keep, problem));
}

Checkpoint *run_folder_newest_checkpoint(const char *directory, char **notes, Problem *problem) {
  Steps list;
  Checkpoint *checkpoint = NULL;
  char *text = text_format("%s", "");
  Problem damage = {""};
  bool fine = list_checkpoints(directory, &list, problem);
  if (notes) *notes = NULL;
  for (size_t i = 0; fine && !checkpoint && i < list.count; i++) {
    char *path = run_folder_checkpoint_path(directory, list.steps[i]);
    checkpoint = path ? checkpoint_open_sound(path, list.steps[i], &damage) : NULL;
    if (!checkpoint) {
      char *longer = text ? text_format("%s%spassed over: %s", text, *text ? "\n" : "", damage.text) : NULL;
      free(text);
      text = longer;
    }
    free(path);
  }
  if (fine && !checkpoint && list.count == 0) problem_set(problem, "there is no checkpoint in %s yet", directory);
  else if (fine && !checkpoint)
    problem_set(problem,
                "none of the %zu checkpoints in %s can be read; remove what is in %s/checkpoints to start the run "
                "over, or choose another folder with --run; the last error: %s",
                list.count, directory, directory, damage.text);
  free(list.steps);
  if (notes && checkpoint) *notes = text;
  else free(text);
  return checkpoint;
}

/* ---- runs of a model --------------------------------------------------------------------------------------------- */

char *run_folder_of_checkpoint(const char *path) {
  static const char part[] = "checkpoints/";
  const char *slash = strrchr(path, '/'),
             *end = slash ? slash + 1 - (sizeof part - 1) : NULL; /* where the part begins */
  if (!slash || slash + 1 - path < (ptrdiff_t)sizeof part - 1 || memcmp(end, part, sizeof part - 1) != 0 ||
      (end > path && end[-1] != '/'))
    return NULL;
  int length = (int)(end - path);
  char *directory = length > 1 ? text_format("%.*s", length - 1, path) : text_format("%s", length ? "/" : ".");
  char *config = directory ? text_format("%s/config.json", directory) : NULL;
  if (!config || !file_exists(config)) {
    free(directory);
    directory = NULL;
  }
  free(config);
  return directory;
}

static bool is_later(const FileStamp *a, const FileStamp *b) {
  return a->seconds > b->seconds || (a->seconds == b->seconds && a->nanoseconds > b->nanoseconds);
}

/* Is what lies in this folder of runs/ a run of the model? Its config.json says so; without one, the name that a
   trainer would have given it. */
static bool is_run_of(const char *directory, const char *name, const char *model) {
  Json *config = run_config_read(directory, NULL);
  const Json *of = json_find(config, "model");
  size_t length = strlen(model);
  bool named = strncmp(name, model, length) == 0 && name[length] == '-';
  const char *number = named ? name + length + 1 : "";
  bool numbered = *number && number[strspn(number, "0123456789")] == 0;
  bool is = config ? of && of->kind == JSON_TEXT && strcmp(of->text, model) == 0 : numbered;
  json_free(config);
  return is;
}

/* Of its newest checkpoint; false: there is none. */
static bool newest_time(const char *directory, FileStamp *newest) {
  Steps list;
  *newest = (FileStamp){0};
  if (!list_checkpoints(directory, &list, NULL)) list.count = 0;
  for (size_t k = 0; k < list.count; k++) {
    char *path = run_folder_checkpoint_path(directory, list.steps[k]);
    FileStamp stamp;
    if (path && file_stamp(path, &stamp) && is_later(&stamp, newest)) *newest = stamp;
    free(path);
  }
  free(list.steps);
  return newest->inode != 0;
}

/* Of two saved at one moment: clocks of file systems are coarse. */
static bool has_higher_number(const char *path, const char *than) {
  return than && (strlen(path) != strlen(than) ? strlen(path) > strlen(than) : strcmp(path, than) > 0);
}

char *run_folder_find_latest(const char *model, Problem *problem) {
  DIR *entries = opendir("runs");
  FileStamp best = {0};
  char *latest = NULL;
  if (!entries && errno != ENOENT) {
    problem_set_errno(problem, errno, "cannot read the folder runs");
    return NULL;
  }
  for (struct dirent *entry; entries && (entry = readdir(entries));) {
    char *path = *entry->d_name != '.' ? text_format("runs/%s", entry->d_name) : NULL;
    FileStamp newest;
    bool dated = path && newest_time(path, &newest);
    bool later = dated && (is_later(&newest, &best) || (!is_later(&best, &newest) && has_higher_number(path, latest)));
    if (later && is_run_of(path, entry->d_name, model)) {
      free(latest);
      latest = path;
      best = newest;
    } else free(path);
  }
  if (entries) closedir(entries);
  if (!latest)
    problem_set(problem,
                "there is no run of %s with a checkpoint under runs/; name one with --run DIR, or weights "
                "with --weights FILE",
                model);
  return latest;
}
