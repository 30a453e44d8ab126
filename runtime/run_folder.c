/* The folder of a run: config.json, stats.jsonl, folders for checkpoints and pictures (whose files are in run_steps.c),
   and a lock while somebody trains in it. Takes a folder's name or a model's; returns the folder and paths in it. Never
   overwrites a run that it did not resume: a run is what there is a checkpoint of, and what ended before its first one
   starts over. */
#include "runtime/run_folder.h"

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

/* ---- files of our own, in folders that others may have made ------------------------------------------------------ */

static bool check_regular(const char *path, const struct stat *facts, Problem *problem) {
  return S_ISREG(facts->st_mode) ||
         problem_set(problem,
                     "%s is %s, where a run has a regular file: remove it, or choose another folder with --run", path,
                     file_kind(facts->st_mode));
}

bool own_file_check(const char *path, Problem *problem) {
  struct stat facts;
  if (lstat(path, &facts) == 0) return check_regular(path, &facts, problem);
  return errno == ENOENT || problem_set_errno(problem, errno, "cannot look at %s", path);
}

/* A descriptor of DIR/NAME; -1 with a problem. */
static int own_file_open(const char *directory, const char *name, int flags, Problem *problem) {
  struct stat facts;
  char *path = text_format("%s/%s", directory, name);
  if (!path) problem_out_of_memory(problem, directory, strlen(name));
  int descriptor =
      path && own_file_check(path, problem) ? system_open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0666) : -2;
  bool fine = descriptor >= 0 ||
              (descriptor == -1 &&
               problem_set_errno(problem, errno, flags & O_CREAT ? "cannot write %s" : "cannot read %s", path));
  fine = fine && (fstat(descriptor, &facts) == 0 || problem_set_errno(problem, errno, "cannot look at %s", path)) &&
         check_regular(path, &facts, problem); /* the name may mean something else by now */
  free(path);
  if (fine) return descriptor;
  if (descriptor >= 0) close(descriptor);
  return -1;
}

/* ---- who is at work ---------------------------------------------------------------------------------------------- */

/* Always false: another one has the lock, on this descriptor. What stands in it may be from anybody. */
static bool set_in_use(const char *directory, int lock, Problem *problem) {
  char holder[32] = "";
  ssize_t length = pread(lock, holder, sizeof holder - 1, 0);
  size_t digits = strspn(holder, "0123456789");
  if (length <= 0 || holder[digits] != '\n') digits = 0;
  holder[digits] = 0;
  return problem_set(problem,
                     "another trainer%s%s%s is at work in %s; wait for it, stop it%s%s, or choose another "
                     "folder with --run",
                     *holder ? ", process " : "", holder, *holder ? "," : "", directory, *holder ? " with kill " : "",
                     holder);
}

static bool folder_lock(RunFolder *folder, Problem *problem) {
  char holder[32];
  struct stat facts;
  folder->lock = own_file_open(folder->path, ".lock", O_RDWR | O_CREAT, problem);
  if (folder->lock < 0) return false;
  if (flock(folder->lock, LOCK_EX | LOCK_NB) < 0) {
    if (errno == EWOULDBLOCK) return set_in_use(folder->path, folder->lock, problem);
    return problem_set_errno(problem, errno, "cannot lock the folder %s", folder->path);
  }
  if (fstat(folder->lock, &facts) < 0)
    return problem_set_errno(problem, errno, "cannot look at %s/.lock", folder->path);
  if (facts.st_nlink > 1)
    return problem_set(problem, "%s/.lock is a file that has another name, too (a hard link): remove it", folder->path);
  int length = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());
  if (ftruncate(folder->lock, 0) < 0 || pwrite(folder->lock, holder, (size_t)length, 0) < 0)
    return problem_set_errno(problem, errno, "cannot write %s/.lock", folder->path);
  return true;
}

/* Does nobody hold the lock? Leaves it as it was. */
static bool check_idle(const char *directory, Problem *problem) {
  struct stat facts;
  char *path = text_format("%s/.lock", directory);
  if (!path) return problem_out_of_memory(problem, directory, 8);
  bool there = lstat(path, &facts) == 0 || errno != ENOENT;
  free(path);
  if (!there) return true;
  int lock = own_file_open(directory, ".lock", O_RDONLY, problem);
  bool idle = lock >= 0 &&
              (flock(lock, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK || set_in_use(directory, lock, problem));
  if (lock >= 0) close(lock);
  return idle;
}

/* A folder may be moved or removed while a run is at work in it: what is written under its name then is nobody's. */
bool run_folder_stays(RunFolder *folder, Problem *problem) {
  struct stat own, there;
  char *path = text_format("%s/.lock", folder->path);
  if (!path) return problem_out_of_memory(problem, folder->path, 8);
  bool known = fstat(folder->lock, &own) == 0, found = lstat(path, &there) == 0,
       gone = !found && (errno == ENOENT || errno == ENOTDIR);
  free(path);
  folder->lost = known && (gone || (found && (own.st_ino != there.st_ino || own.st_dev != there.st_dev)));
  return !folder->lost ||
         problem_set(problem, "%s was moved or removed while this run was at work in it", folder->path);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static bool stats_open(RunFolder *folder, Problem *problem) {
  if (folder->stats >= 0) close(folder->stats);
  folder->stats = own_file_open(folder->path, "stats.jsonl", O_RDWR | O_CREAT | O_APPEND, problem);
  return folder->stats >= 0;
}

static bool set_holds_run(const char *directory, Problem *problem) {
  return problem_set(problem, "%s holds a run already: go on with it by --run %s --resume, or choose another folder",
                     directory, directory);
}

static bool set_nothing_to_resume(const char *directory, Problem *problem) {
  char *config = text_format("%s/config.json", directory);
  bool begun = config && file_exists(config);
  free(config);
  if (begun)
    return problem_set(problem,
                       "there is nothing to resume in %s: that run ended before its first checkpoint; leave out "
                       "--resume to start it over",
                       directory);
  return problem_set(problem, "there is no run to resume in %s; leave out --resume to start one", directory);
}

/* Is there nothing, or what a run of ours has left? Other programs have a config.json and a stats.jsonl too. */
static bool check_own(const char *directory, Problem *problem) {
  char *path = text_format("%s/config.json", directory), *stats = text_format("%s/stats.jsonl", directory);
  bool fine = (path && stats) || problem_out_of_memory(problem, directory, 32);
  FileStamp stamp;
  if (fine && file_stamp(path, &stamp)) {
    Json *config = run_config_read(directory, NULL);
    fine = (json_find(config, "model") && json_find(config, "source_hash")) ||
           problem_set(problem, "%s is not that of a run: choose another folder with --run", path);
    json_free(config);
  } else if (fine && file_stamp(stats, &stamp) && stamp.size > 0)
    fine = problem_set(problem, "%s is not that of a run, which has a config.json: choose another folder with --run",
                       stats);
  free(path);
  free(stats);
  return fine;
}

/* Could files be made there? The first part of the path that exists must be a folder that may be written to. */
static bool check_writable(const char *directory, Problem *problem) {
  char *path = text_format("%s", directory);
  struct stat facts;
  bool fine = path || problem_out_of_memory(problem, directory, strlen(directory));
  while (fine && stat(path, &facts) < 0 && errno == ENOENT) {
    char *slash = strrchr(path, '/');
    if (slash == path) slash[1] = 0;
    else if (slash) *slash = 0;
    else strcpy(path, ".");
  }
  if (fine && stat(path, &facts) < 0)
    fine = problem_set_errno(problem, errno, "cannot create the folder %s", directory);
  else if (fine && !S_ISDIR(facts.st_mode))
    fine = problem_set_errno(problem, ENOTDIR, "cannot create the folder %s", directory);
  else if (fine && access(path, W_OK | X_OK) < 0)
    fine = problem_set_errno(problem, errno, "cannot write into the folder %s", path);
  free(path);
  return fine;
}

/* And what is there already: can a run write it as it goes on? */
static bool check_parts(const char *directory, Problem *problem) {
  static const struct {
    const char *name;
    bool folder;
  } parts[] = {
      {"checkpoints", true}, {"samples", true}, {".lock", false}, {"config.json", false}, {"stats.jsonl", false}};
  bool fine = true;
  for (size_t k = 0; fine && k < sizeof parts / sizeof *parts; k++) {
    struct stat facts;
    char *path = text_format("%s/%s", directory, parts[k].name);
    if (!path) fine = problem_out_of_memory(problem, directory, 16);
    else if (lstat(path, &facts) < 0)
      fine = errno == ENOENT || problem_set_errno(problem, errno, "cannot look at %s", path);
    else if (parts[k].folder) fine = check_writable(path, problem);
    else
      fine = check_regular(path, &facts, problem) &&
             (access(path, W_OK) == 0 || problem_set_errno(problem, errno, "cannot write %s", path));
    free(path);
  }
  return fine;
}

bool run_folder_ready(const char *directory, bool resume, Problem *problem) {
  bool holds;
  if (!directory) return check_writable("runs", problem);
  if (!check_writable(directory, problem) || !check_idle(directory, problem)) return false;
  if (!folder_holds_run(directory, &holds, problem)) return false;
  if (holds != resume) return holds ? set_holds_run(directory, problem) : set_nothing_to_resume(directory, problem);
  return check_parts(directory, problem) && (holds || check_own(directory, problem));
}

static RunFolder *folder_new(char *path, Problem *problem) { /* owns the path */
  RunFolder *folder = path ? system_allocate(sizeof *folder) : NULL;
  if (folder) *folder = (RunFolder){.path = path, .lock = -1, .stats = -1, .saved_step = -1};
  else {
    free(path);
    problem_out_of_memory(problem, "the run's folder", sizeof *folder);
  }
  return folder;
}

static bool create_parts(RunFolder *folder, Problem *problem) {
  static const char *const parts[] = {"checkpoints", "samples"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    char *path = text_format("%s/%s", folder->path, parts[i]);
    bool fine = path ? directory_create(path, problem) : problem_out_of_memory(problem, folder->path, 16);
    free(path);
    if (!fine) return false;
  }
  return true;
}

/* NAME-<n> for the first n that nobody has: mkdir decides between two who ask at once. */
static char *create_numbered(const char *name, Problem *problem) {
  for (int n = 1;; n++) {
    char *path = text_format("%s-%d", name, n);
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

/* runs/<model>-<n>. */
static char *create_of_model(const char *model, Problem *problem) {
  if (!directory_create("runs", problem)) return NULL;
  char *name = text_format("runs/%s", model), *path = name ? create_numbered(name, problem) : NULL;
  if (!name) problem_out_of_memory(problem, "the run's folder", strlen(model));
  free(name);
  return path;
}

static bool ends_with(const char *text, const char *ending) {
  size_t length = strlen(text), ending_length = strlen(ending);
  return length > ending_length && strcmp(text + length - ending_length, ending) == 0;
}

/* What a killed trainer may have left: files that were never renamed. Called with the lock held. */
static bool is_partial(const char *name) { return *name == '.' && ends_with(name, ".partial"); }

/* A number of six digits or more before the ending, as pictures and arrays of samples have. */
static bool is_sample(const char *name) {
  const char *dot = strrchr(name, '.'), *digits = dot;
  while (dot && digits > name && digits[-1] >= '0' && digits[-1] <= '9') digits--;
  bool numbered = dot && dot - digits >= 6 && digits > name && digits[-1] == '-';
  return numbered && (strcmp(dot, ".png") == 0 || strcmp(dot, ".npy") == 0);
}

static void remove_from(const char *folder, const char *part, bool (*chosen)(const char *name)) {
  char *path = text_format("%s/%s", folder, part);
  DIR *entries = path ? opendir(path) : NULL;
  for (struct dirent *entry; entries && (entry = readdir(entries));)
    if (chosen(entry->d_name)) unlinkat(dirfd(entries), entry->d_name, 0);
  if (entries) closedir(entries);
  free(path);
}

static void remove_partial(const char *folder) {
  static const char *const parts[] = {".", "checkpoints", "samples", "eval"};
  for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) remove_from(folder, parts[k], is_partial);
}

/* What a run without a checkpoint has left is of no use, and would pass for the new run's: lines of statistics,
   pictures. */
static bool start_over(const RunFolder *folder, Problem *problem) {
  char *config = text_format("%s/config.json", folder->path), *stats = text_format("%s/stats.jsonl", folder->path);
  bool fine = (config && stats) || problem_out_of_memory(problem, folder->path, 32);
  if (fine && file_exists(config)) {
    remove_partial(folder->path);
    remove_from(folder->path, "samples", is_sample);
    if (unlink(stats) < 0 && errno != ENOENT)
      fine = problem_set_errno(problem, errno, "cannot remove %s of the run that starts over", stats);
  }
  free(config);
  free(stats);
  return fine;
}

/* In a folder that is there, whose path it owns. */
static RunFolder *begin_in(char *path, Problem *problem) {
  RunFolder *folder = folder_new(path, problem);
  if (!folder) return NULL;
  bool holds, fine = folder_lock(folder, problem) && folder_holds_run(folder->path, &holds, problem) &&
                     (!holds || set_holds_run(folder->path, problem)) && check_own(folder->path, problem);
  fine = fine && create_parts(folder, problem) && start_over(folder, problem) && stats_open(folder, problem);
  if (fine) return folder;
  run_folder_close(folder);
  return NULL;
}

RunFolder *run_folder_create(const char *directory, const char *model, Problem *problem) {
  if (directory && !directory_create(directory, problem)) return NULL;
  char *path = directory ? text_format("%s", directory) : create_of_model(model, problem);
  return path || directory ? begin_in(path, problem) : NULL;
}

/* Where the kernel knows the folder of our lock to be by now; NULL: it is removed. */
static char *find_moved(const RunFolder *folder) {
  static const char ending[] = "/.lock";
  char *link = text_format("/proc/self/fd/%d", folder->lock), target[4096];
  ssize_t length = link ? readlink(link, target, sizeof target - 1) : -1;
  free(link);
  if (length < (ssize_t)sizeof ending) return NULL;
  target[length] = 0;
  struct stat own, there;
  bool same = ends_with(target, ending) && fstat(folder->lock, &own) == 0 && lstat(target, &there) == 0 &&
              own.st_ino == there.st_ino && own.st_dev == there.st_dev;
  return same ? text_format("%.*s", (int)(length + 1 - (ssize_t)sizeof ending), target) : NULL;
}

bool run_folder_recover(RunFolder **folder, bool *fresh, Problem *problem) {
  char *moved = find_moved(*folder);
  *fresh = !moved;
  if (moved) {
    free((*folder)->path);
    (*folder)->path = moved;
    (*folder)->lost = false;
    return true;
  }
  /* Not in its old place: somebody may be removing it at this moment. */
  char *name = text_format("%s-saved", (*folder)->path), *slash = name ? strrchr(name, '/') : NULL;
  bool fine = name || problem_out_of_memory(problem, (*folder)->path, 16);
  if (slash && slash != name) {
    *slash = 0;
    fine = directory_create(name, problem);
    *slash = '/';
  }
  char *path = fine ? create_numbered(name, problem) : NULL;
  RunFolder *other = path ? begin_in(path, problem) : NULL;
  free(name);
  if (!other) return false;
  run_folder_close(*folder);
  *folder = other;
  return true;
}

bool run_folder_is_lost(const RunFolder *folder) { return folder->lost; }

int64_t run_folder_saved_step(const RunFolder *folder) { return folder->saved_step; }

RunFolder *run_folder_resume(const char *directory, Problem *problem) {
  bool holds;
  if (!check_idle(directory, problem)) return NULL; /* before its first checkpoint, too */
  if (!folder_holds_run(directory, &holds, problem) || !(holds || set_nothing_to_resume(directory, problem)))
    return NULL;
  RunFolder *folder = folder_new(text_format("%s", directory), problem);
  if (!folder) return NULL;
  if (folder_lock(folder, problem) && create_parts(folder, problem) && stats_open(folder, problem)) {
    remove_partial(directory);
    return folder;
  }
  run_folder_close(folder);
  return NULL;
}

void run_folder_close(RunFolder *folder) {
  if (!folder) return;
  if (folder->stats >= 0) close(folder->stats);
  if (folder->lock >= 0) close(folder->lock);
  free(folder->sound);
  free(folder->path);
  free(folder);
}

const char *run_folder_path(const RunFolder *folder) { return folder->path; }

/* ---- config, statistics, samples --------------------------------------------------------------------------------- */

Json *run_config_read(const char *directory, Problem *problem) {
  char *path = text_format("%s/config.json", directory);
  FileBytes bytes = {0};
  Json *config = NULL;
  if (!path) problem_out_of_memory(problem, directory, 16);
  else if (file_read(path, CONFIG_LIMIT, &bytes, problem))
    config = json_parse(path, (const char *)bytes.data, bytes.size, problem);
  file_release(&bytes);
  free(path);
  return config;
}

bool run_folder_write_config(RunFolder *folder, const char *json, Problem *problem) {
  char *path = text_format("%s/config.json", folder->path);
  bool fine = path ? own_file_check(path, problem) && file_replace(path, json, strlen(json), problem)
                   : problem_out_of_memory(problem, folder->path, 16);
  free(path);
  return fine;
}

bool run_folder_append_stats(RunFolder *folder, const char *line, Problem *problem) {
  struct stat facts;
  if (!run_folder_stays(folder, problem)) return false;
  if (fstat(folder->stats, &facts) < 0)
    return problem_set_errno(problem, errno, "cannot ask for the size of %s/stats.jsonl", folder->path);
  for (size_t length = strlen(line), done = 0; done < length;) {
    int64_t put = system_write(folder->stats, line + done, length - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      int error = put < 0 ? errno : ENOSPC;
      bool restored = ftruncate(folder->stats, facts.st_size) == 0;
      return problem_set_errno(problem, error, "cannot write %s/stats.jsonl%s", folder->path,
                               restored ? "" : " (its last line is torn; --resume repairs it)");
    }
    done += (size_t)put;
  }
  return true;
}

/* The line's "step" if it has one, and how many seconds of training it and what it tells of come to there. */
static bool line_step(const char *line, size_t length, int64_t step, int64_t *of_line, double *seconds) {
  Json *json = json_parse("stats.jsonl", line, length, NULL);
  const Json *value = json_find(json, "step");
  const Json *spent = json_find(json, "seconds"), *pace = json_find(json, "ms_per_step");
  bool found = value && value->whole;
  if (found) *of_line = value->integer;
  if (found && *of_line <= step && spent && spent->kind == JSON_NUMBER) {
    bool paced = pace && pace->kind == JSON_NUMBER && pace->number > 0;
    *seconds = spent->number + (paced ? (double)(step - *of_line) * pace->number / 1000 : 0);
  }
  json_free(json);
  return found;
}

bool run_folder_trim_stats(RunFolder *folder, int64_t step, double *seconds, Problem *problem) {
  *seconds = 0;
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
    bool kept = end && !(line_step((const char *)bytes.data + from, length, step, &of_line, seconds) && of_line > step);
    changed |= !kept;
    fine = !kept || file_writer_write(writer, bytes.data + from, length, problem);
  }
  if (fine && changed) fine = file_writer_commit(writer, problem) && stats_open(folder, problem);
  else file_writer_abandon(writer);
  file_release(&bytes);
  free(path);
  return fine;
}

/* The path, if there is memory for it and a run may write there. */
static char *own_path(char *path, const char *directory, Problem *problem) {
  if (path && own_file_check(path, problem)) return path;
  if (!path) problem_out_of_memory(problem, directory, 64);
  free(path);
  return NULL;
}

char *run_folder_sample_path(RunFolder *folder, const char *name, int64_t step, const char *ending, Problem *problem) {
  if (!run_folder_stays(folder, problem) || !create_parts(folder, problem)) return NULL;
  char *path = text_format("%s/samples/%s-%06" PRId64 ".%s", folder->path, name, step, ending);
  return own_path(path, folder->path, problem);
}

char *run_folder_evaluation_path(const char *directory, const char *output, const char *data, int64_t step,
                                 Problem *problem) {
  char *folder = text_format("%s/eval", directory), *path = NULL;
  if (folder && !directory_create(folder, problem)) {
    free(folder);
    return NULL;
  }
  if (folder && step >= 0) path = text_format("%s/%s-against-%s-%06" PRId64 ".json", folder, output, data, step);
  else if (folder) path = text_format("%s/%s-against-%s.json", folder, output, data);
  free(folder);
  return own_path(path, directory, problem);
}
