/* The folder of a run: config.json, stats.jsonl, checkpoints/step-000500.safetensors, samples/fakes-000500.png, and a lock while somebody trains in it.
   Takes a folder's name or a model's; returns the folder, paths in it, its newest checkpoint that is sound. Never overwrites a run that it did not resume. */
#include "runtime/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct RunFolder {
  char *path;
  int lock, stats;                                         /* descriptors; -1: none */
};

/* ---- opening ------------------------------------------------------------------------------------------------------------------------ */

static bool folder_lock(RunFolder *folder, Problem *problem) {
  char *path = text_format("%s/.lock", folder->path), holder[32] = "";
  if (!path) return problem_out_of_memory(problem, folder->path, 8);
  folder->lock = system_open(path, O_RDWR | O_CREAT, 0666);
  int error = errno;
  free(path);
  if (folder->lock < 0) return problem_set_errno(problem, error, "cannot write into the folder %s", folder->path);
  if (flock(folder->lock, LOCK_EX | LOCK_NB) < 0) {
    ssize_t length = errno == EWOULDBLOCK ? pread(folder->lock, holder, sizeof holder - 1, 0) : 0;
    holder[length > 0 ? strcspn(holder, "\n") : 0] = 0;
    return problem_set(problem, "another trainer%s%s is at work in %s; wait for it, stop it, or choose another folder with --run", *holder ? ", process " : "", holder, folder->path);
  }
  int length = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());
  if (ftruncate(folder->lock, 0) < 0 || pwrite(folder->lock, holder, (size_t)length, 0) < 0)
    return problem_set_errno(problem, errno, "cannot write %s/.lock", folder->path);
  return true;
}

static bool stats_open(RunFolder *folder, Problem *problem) {
  char *path = text_format("%s/stats.jsonl", folder->path);
  if (!path) return problem_out_of_memory(problem, folder->path, 16);
  if (folder->stats >= 0) close(folder->stats);
  folder->stats = system_open(path, O_RDWR | O_CREAT | O_APPEND, 0666);
  bool fine = folder->stats >= 0 || problem_set_errno(problem, errno, "cannot write %s", path);
  free(path);
  return fine;
}

/* The steps of a folder's checkpoints, newest first. */
typedef struct Steps { int64_t *steps; size_t count; } Steps;

static bool list_checkpoints(const char *directory, Steps *list, Problem *problem);

/* Something that somebody would miss: a folder where starting failed holds none of it. */
static bool folder_holds_run(const char *directory) {
  char *config = text_format("%s/config.json", directory), *stats = text_format("%s/stats.jsonl", directory);
  struct stat facts;
  Steps list;
  bool holds = (config && file_exists(config)) || (stats && stat(stats, &facts) == 0 && facts.st_size > 0);
  holds |= list_checkpoints(directory, &list, NULL) && list.count > 0;
  free(list.steps);
  free(config);
  free(stats);
  return holds;
}

static RunFolder *folder_new(char *path, Problem *problem) {              /* owns the path */
  RunFolder *folder = path ? system_allocate(sizeof *folder) : NULL;
  if (folder) *folder = (RunFolder){ path, -1, -1 };
  else {
    free(path);
    problem_out_of_memory(problem, "the run's folder", sizeof *folder);
  }
  return folder;
}

static bool create_parts(RunFolder *folder, Problem *problem) {
  static const char *const parts[] = { "checkpoints", "samples" };
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    char *path = text_format("%s/%s", folder->path, parts[i]);
    bool fine = path ? directory_create(path, problem) : problem_out_of_memory(problem, folder->path, 16);
    free(path);
    if (!fine) return false;
  }
  return true;
}

/* runs/<model>-<n> for the first n that nobody has: mkdir decides between two who ask at once. */
static char *create_numbered(const char *model, Problem *problem) {
  if (!directory_create("runs", problem)) return NULL;
  for (int n = 1;; n++) {
    char *path = text_format("runs/%s-%d", model, n);
    if (!path) {
      problem_out_of_memory(problem, "the run's folder", 16);
      return NULL;
    }
    if (mkdir(path, 0777) == 0) return path;
    if (errno != EEXIST) {
      problem_set_errno(problem, errno, "cannot create the folder %s", path);
      free(path);
      return NULL;
    }
    free(path);
  }
}

RunFolder *run_folder_create(const char *directory, const char *model, Problem *problem) {
  if (directory && !directory_create(directory, problem)) return NULL;
  char *path = directory ? text_format("%s", directory) : create_numbered(model, problem);
  if (!path && !directory) return NULL;
  RunFolder *folder = folder_new(path, problem);
  if (!folder) return NULL;
  bool fine = folder_lock(folder, problem);
  if (fine && folder_holds_run(folder->path))
    fine = problem_set(problem, "%s holds a run already: go on with it by --run %s --resume, or choose another folder", folder->path, folder->path);
  if (fine && create_parts(folder, problem) && stats_open(folder, problem)) return folder;
  run_folder_close(folder);
  return NULL;
}

/* What a killed trainer may have left: files that were never renamed. Called with the lock held. */
static void remove_partial(const char *folder, const char *part) {
  char *path = text_format("%s/%s", folder, part);
  DIR *entries = path ? opendir(path) : NULL;
  for (struct dirent *entry; entries && (entry = readdir(entries));) {
    size_t length = strlen(entry->d_name), ending = strlen(".partial");
    if (*entry->d_name == '.' && length > ending && strcmp(entry->d_name + length - ending, ".partial") == 0) unlinkat(dirfd(entries), entry->d_name, 0);
  }
  if (entries) closedir(entries);
  free(path);
}

RunFolder *run_folder_resume(const char *directory, Problem *problem) {
  if (!directory_exists(directory) || !folder_holds_run(directory)) {
    problem_set(problem, "there is no run to resume in %s; leave out --resume to start one", directory);
    return NULL;
  }
  RunFolder *folder = folder_new(text_format("%s", directory), problem);
  if (!folder) return NULL;
  if (folder_lock(folder, problem) && create_parts(folder, problem) && stats_open(folder, problem)) {
    remove_partial(directory, ".");
    remove_partial(directory, "checkpoints");
    remove_partial(directory, "samples");
    remove_partial(directory, "eval");
    return folder;
  }
  run_folder_close(folder);
  return NULL;
}

void run_folder_close(RunFolder *folder) {
  if (!folder) return;
  if (folder->stats >= 0) close(folder->stats);
  if (folder->lock >= 0) close(folder->lock);
  free(folder->path);
  free(folder);
}

const char *run_folder_path(const RunFolder *folder) { return folder->path; }

/* ---- config, statistics, samples ------------------------------------------------------------------------------------------------------- */

bool run_folder_write_config(RunFolder *folder, const char *json, Problem *problem) {
  char *path = text_format("%s/config.json", folder->path);
  bool fine = path ? file_replace(path, json, strlen(json), problem) : problem_out_of_memory(problem, folder->path, 16);
  free(path);
  return fine;
}

bool run_folder_append_stats(RunFolder *folder, const char *line, Problem *problem) {
  struct stat facts;
  if (fstat(folder->stats, &facts) < 0) return problem_set_errno(problem, errno, "cannot ask for the size of %s/stats.jsonl", folder->path);
  for (size_t length = strlen(line), done = 0; done < length;) {
    int64_t put = system_write(folder->stats, line + done, length - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      int error = put < 0 ? errno : ENOSPC;
      bool restored = ftruncate(folder->stats, facts.st_size) == 0;
      return problem_set_errno(problem, error, "cannot write %s/stats.jsonl%s", folder->path, restored ? "" : " (its last line is torn; --resume repairs it)");
    }
    done += (size_t)put;
  }
  return true;
}

/* The line's "step" if it has one. */
static bool line_step(const char *line, size_t length, int64_t *step) {
  Json *json = json_parse("stats.jsonl", line, length, NULL);
  const Json *value = json_find(json, "step");
  bool found = value && value->whole;
  if (found) *step = value->integer;
  json_free(json);
  return found;
}

bool run_folder_trim_stats(RunFolder *folder, int64_t step, Problem *problem) {
  char *path = text_format("%s/stats.jsonl", folder->path);
  if (!path) return problem_out_of_memory(problem, folder->path, 16);
  FileBytes bytes;
  bool fine = file_read(path, SIZE_MAX - 1, &bytes, problem), changed = false;
  FileWriter *writer = fine ? file_writer_open(path, problem) : NULL;
  fine = fine && writer;
  for (size_t from = 0, next; fine && from < bytes.size; from = next) {
    const uint8_t *end = memchr(bytes.data + from, '\n', bytes.size - from);
    size_t length = end ? (size_t)(end - (bytes.data + from)) + 1 : bytes.size - from;
    int64_t of_line = 0;
    next = from + length;
    bool kept = end && !(line_step((const char *)bytes.data + from, length, &of_line) && of_line > step);
    changed |= !kept;
    fine = !kept || file_writer_write(writer, bytes.data + from, length, problem);
  }
  if (fine && changed) fine = file_writer_commit(writer, problem) && stats_open(folder, problem);
  else file_writer_abandon(writer);
  file_release(&bytes);
  free(path);
  return fine;
}

char *run_folder_sample_path(RunFolder *folder, const char *name, int64_t step, const char *ending, Problem *problem) {
  if (!create_parts(folder, problem)) return NULL;
  char *path = text_format("%s/samples/%s-%06" PRId64 ".%s", folder->path, name, step, ending);
  if (!path) problem_out_of_memory(problem, folder->path, 64);
  return path;
}

char *run_folder_evaluation_path(const char *directory, const char *output, const char *data, int64_t step, Problem *problem) {
  char *folder = text_format("%s/eval", directory), *path = NULL;
  if (folder && !directory_create(folder, problem)) {
    free(folder);
    return NULL;
  }
  if (folder && step >= 0) path = text_format("%s/%s-against-%s-%06" PRId64 ".json", folder, output, data, step);
  else if (folder) path = text_format("%s/%s-against-%s.json", folder, output, data);
  free(folder);
  if (!path) problem_out_of_memory(problem, directory, 64);
  return path;
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------------------------------- */

static int compare_steps(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x < y) - (x > y);                                /* the newest first */
}

char *run_folder_checkpoint_path(const char *directory, int64_t step) { return text_format("%s/checkpoints/step-%06" PRId64 ".safetensors", directory, step); }

/* A folder that is not there has none. The list is to be freed in any case. */
static bool list_checkpoints(const char *directory, Steps *list, Problem *problem) {
  *list = (Steps){0};
  char *path = text_format("%s/checkpoints", directory);
  DIR *entries = path ? opendir(path) : NULL;
  bool fine = entries || (path && errno == ENOENT) || problem_set_errno(problem, errno, "cannot read the folder %s/checkpoints", directory);
  for (struct dirent *entry; fine && entries && (entry = readdir(entries));) {
    int64_t step;
    char canonical[64];
    if (sscanf(entry->d_name, "step-%" SCNd64 ".safetensors", &step) != 1) continue;
    snprintf(canonical, sizeof canonical, "step-%06" PRId64 ".safetensors", step);
    if (strcmp(canonical, entry->d_name) != 0) continue;
    if ((list->count & (list->count - 1)) == 0) {          /* room doubles at each power of two */
      size_t bytes = (list->count ? 2 * list->count : 1) * sizeof *list->steps;
      int64_t *steps = system_resize(list->steps, bytes);
      fine = steps || problem_out_of_memory(problem, "the list of checkpoints", bytes);
      if (!steps) break;
      list->steps = steps;
    }
    list->steps[list->count++] = step;
  }
  if (entries) closedir(entries);
  free(path);
  if (fine && list->count) qsort(list->steps, list->count, sizeof *list->steps, compare_steps);
  return fine;
}

/* Steps beyond this one belong to a damaged file that resuming passed over: they count for nothing here and will be written again. */
static bool remove_old(const RunFolder *folder, int64_t newest, int keep, Problem *problem) {
  Steps list;
  bool fine = list_checkpoints(folder->path, &list, problem);
  int kept = 0;
  for (size_t i = 0; fine && i < list.count; i++) {
    if (list.steps[i] > newest || ++kept <= keep) continue;
    char *path = run_folder_checkpoint_path(folder->path, list.steps[i]);
    if (!path) fine = problem_out_of_memory(problem, "a path", 64);
    else if (unlink(path) < 0) fine = problem_set_errno(problem, errno, "cannot remove the old checkpoint %s", path);
    free(path);
  }
  free(list.steps);
  return fine;
}

bool run_folder_save_checkpoint(RunFolder *folder, const CheckpointState *state, const TensorView *views, size_t count, int keep, Problem *problem) {
  char *path = run_folder_checkpoint_path(folder->path, state->step);
  bool fine = path ? checkpoint_write(path, state, views, count, problem) : problem_out_of_memory(problem, folder->path, 64);
  free(path);
  return fine && (keep <= 0 || remove_old(folder, state->step, keep, problem));
}

Checkpoint *run_folder_newest_checkpoint(const char *directory, char **notes, Problem *problem) {
  Steps list;
  Checkpoint *checkpoint = NULL;
  char *text = text_format("%s", "");
  Problem damage = { "" };
  bool fine = list_checkpoints(directory, &list, problem);
  if (notes) *notes = NULL;
  for (size_t i = 0; fine && !checkpoint && i < list.count; i++) {
    char *path = run_folder_checkpoint_path(directory, list.steps[i]);
    checkpoint = path ? checkpoint_open(path, &damage) : NULL;
    if (checkpoint && !checkpoint_state(checkpoint, &damage)) {
      checkpoint_close(checkpoint);
      checkpoint = NULL;
    }
    if (!checkpoint) {
      char *longer = text ? text_format("%spassed over: %s\n", text, damage.text) : NULL;
      free(text);
      text = longer;
    }
    free(path);
  }
  if (fine && !checkpoint && list.count == 0) problem_set(problem, "there is no checkpoint in %s yet", directory);
  else if (fine && !checkpoint) problem_set(problem, "none of the %zu checkpoints in %s can be read; the last error: %s", list.count, directory, damage.text);
  free(list.steps);
  if (notes && checkpoint) *notes = text;
  else free(text);
  return checkpoint;
}

char *run_folder_of_checkpoint(const char *path) {
  static const char part[] = "checkpoints/";
  const char *slash = strrchr(path, '/'), *end = slash ? slash + 1 - (sizeof part - 1) : NULL;    /* where the part begins */
  if (!slash || slash + 1 - path < (ptrdiff_t)sizeof part - 1 || memcmp(end, part, sizeof part - 1) != 0 || (end > path && end[-1] != '/')) return NULL;
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

char *run_folder_find_latest(const char *model, Problem *problem) {
  DIR *entries = opendir("runs");
  size_t length = strlen(model);
  int64_t best = 0;
  for (struct dirent *entry; entries && (entry = readdir(entries));) {
    int64_t number;
    char canonical[32];
    if (strncmp(entry->d_name, model, length) != 0 || sscanf(entry->d_name + length, "-%" SCNd64, &number) != 1 || number <= best) continue;
    snprintf(canonical, sizeof canonical, "-%" PRId64, number);
    if (strcmp(canonical, entry->d_name + length) != 0) continue;
    char *path = text_format("runs/%s", entry->d_name);
    Steps list;
    if (path && list_checkpoints(path, &list, NULL) && list.count) best = number;
    if (path) free(list.steps);
    free(path);
  }
  if (entries) closedir(entries);
  char *path = best ? text_format("runs/%s-%" PRId64, model, best) : NULL;
  if (!path) problem_set(problem, "there is no run of %s with a checkpoint under runs/; name one with --run DIR, or weights with --weights FILE", model);
  return path;
}
