/* From a SPEC to a data set: built-in names, IDX files (plain or gzip), .npy files; decoded files are cached.
   Takes the spec, the part and the column that is wanted; returns rows in memory. Never fetches anything from a network, and never fails because a cache cannot be used. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/data/source.h"

bool dataset_set_rows(Dataset *dataset, ElementType type, int64_t rank, const int64_t *shape, const void *rows, Problem *problem) {
  if (rank < 1) return problem_set(problem, "%s holds a single number; axis 0 must run over samples", dataset->name);
  if (shape[0] < 1) return problem_set(problem, "%s holds no samples", dataset->name);
  dataset->type = type;
  dataset->rank = rank - 1;
  dataset->size = 1;
  for (int64_t i = 1; i < rank; i++) dataset->size *= dataset->shape[i - 1] = shape[i];
  if (dataset->size < 1) return problem_set(problem, "%s: its samples are empty", dataset->name);
  dataset->count = shape[0];
  dataset->rows = rows;
  return true;
}

/* ---- the cache of decoded files: $XDG_CACHE_HOME/ganc/data-HASH.npy, by path, size and time of the original ---------------------------- */

static char *cache_path(const char *path) {
  struct stat facts;
  char *real = realpath(path, NULL);
  const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  char *result = NULL;
  if (real && stat(real, &facts) == 0 && ((base && *base == '/') || (home && *home == '/'))) {
    int64_t key[3] = { facts.st_size, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec };
    uint64_t hash = hash_fnv(hash_text(real), key, sizeof key);
    bool xdg = base && *base == '/';
    result = text_format("%s%s/ganc/data-%016" PRIx64 ".npy", xdg ? base : home, xdg ? "" : "/.cache", hash);
  }
  free(real);
  return result;
}

static bool cache_load(Dataset *dataset, const char *cached) {
  NpyArray array;
  if (!npy_open(cached, &array, NULL)) return false;
  bool fine = dataset_set_rows(dataset, array.type, array.rank, array.shape, array.data, NULL);
  dataset->file = array.file;                              /* the rows lie in it */
  if (!fine) file_release(&dataset->file);
  return fine;
}

/* What cannot be kept is decoded again next time. */
static void cache_store(const Dataset *dataset, const char *cached) {
  char *folder = text_format("%.*s", (int)(strrchr(cached, '/') - cached), cached);
  int64_t shape[IO_RANK_LIMIT + 1] = { dataset->count };
  memcpy(shape + 1, dataset->shape, (size_t)dataset->rank * sizeof *shape);
  if (folder && dataset->rank < IO_RANK_LIMIT && directory_create(folder, NULL)) npy_write(cached, dataset->type, dataset->rank + 1, shape, dataset->rows, NULL);
  free(folder);
}

/* ---- files ------------------------------------------------------------------------------------------------------------------------------ */

static bool open_npy(Dataset *dataset, FileBytes *file, Problem *problem) {
  NpyArray array;
  dataset->file = *file;
  return npy_parse(dataset->name, file->data, file->size, &array, problem) && dataset_set_rows(dataset, array.type, array.rank, array.shape, array.data, problem);
}

static bool open_gzip(Dataset *dataset, FileBytes *file, const char *path, Problem *problem) {
  char *cached = cache_path(path);
  bool fine = cached && cache_load(dataset, cached);
  if (!fine) {
    fine = idx_parse(dataset, file->data, file->size, problem);
    if (fine && cached) cache_store(dataset, cached);
  }
  file_release(file);                                      /* the rows are decoded */
  free(cached);
  return fine;
}

static bool open_idx(Dataset *dataset, FileBytes *file, Problem *problem) {
  dataset->file = *file;
  return idx_parse(dataset, file->data, file->size, problem);
}

static bool open_path(Dataset *dataset, const char *path, Problem *problem) {
  FileBytes file;
  if (!file_map(path, &file, problem)) return false;
  const uint8_t *start = file.data;
  if (file.size >= 6 && memcmp(start, "\x93NUMPY", 6) == 0) return open_npy(dataset, &file, problem);
  if (file.size >= 2 && start[0] == 0x1f && start[1] == 0x8b) return open_gzip(dataset, &file, path, problem);
  if (file.size >= 2 && start[0] == 0 && start[1] == 0) return open_idx(dataset, &file, problem);
  file_release(&file);
  return problem_set(problem, "%s is neither .npy nor IDX (plain or .gz); convert it, for example with numpy.save", path);
}

/* ---- Fashion-MNIST ------------------------------------------------------------------------------------------------------------------------ */

static bool open_fashion(Dataset *dataset, DataPart part, DataColumn column, Problem *problem) {
  static const char *const names[2][2] = {
    { "train-images-idx3-ubyte", "train-labels-idx1-ubyte" },
    { "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte" },
  };
  const char *own = getenv("GANC_DATA"), *name = names[part != DATA_TRAIN][column];
  const char *const places[][2] = { { own, "/fashion-mnist" }, { own, "" }, { own ? NULL : "/usr/share/datasets/fashion-mnist", "" } };
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    for (int compressed = 1; places[i][0] && compressed >= 0; compressed--) {
      char *path = text_format("%s%s/%s%s", places[i][0], places[i][1], name, compressed ? ".gz" : "");
      if (!path) return problem_out_of_memory(problem, "a path", 64);
      bool there = file_exists(path);
      if (there) {
        free(dataset->name);
        dataset->name = path;
        return open_path(dataset, path, problem);
      }
      free(path);
    }
  }
  if (own) return problem_set(problem, "fashion-mnist: %s.gz is neither in %s/fashion-mnist nor in %s, the folder that GANC_DATA names", name, own, own);
  return problem_set(problem, "fashion-mnist is not installed: `apt-get install dataset-fashion-mnist`, or set GANC_DATA to a folder with its four files (%s.gz …)", name);
}

/* ---- the spec ------------------------------------------------------------------------------------------------------------------------------- */

Dataset *dataset_open(const char *spec, DataPart part, DataColumn column, Problem *problem) {
  Problem own = { "" };
  FileStamp stamp;
  if (!problem) problem = &own;                            /* mixture_generate tells by it whether it was meant */
  Dataset *dataset = system_allocate(sizeof *dataset);
  if (!dataset) {
    problem_out_of_memory(problem, spec, sizeof *dataset);
    return NULL;
  }
  *dataset = (Dataset){ .name = text_format("%s", spec) };
  bool fine = dataset->name || problem_out_of_memory(problem, spec, strlen(spec));
  if (fine) dataset->divided = true;
  if (fine && strcmp(spec, "fashion-mnist") == 0) fine = open_fashion(dataset, part, column, problem);
  else if (fine && !mixture_generate(dataset, spec, part, column, problem)) {
    dataset->divided = false;
    if (*problem->text) fine = false;
    else if (!file_stamp(spec, &stamp) && !strpbrk(spec, "/."))
      fine = problem_set(problem, "there is no data set and no file called \"%s\"; known are fashion-mnist, ring, grid, and paths of .npy and IDX files", spec);
    else if (part == DATA_HELD_OUT) fine = problem_set(problem, "%s has no held-out part", spec);
    else fine = open_path(dataset, spec, problem);
  }
  if (fine) return dataset;
  dataset_close(dataset);
  return NULL;
}

void dataset_close(Dataset *dataset) {
  if (!dataset) return;
  file_release(&dataset->file);
  free(dataset->owned);
  free((Mixture *)dataset->mixture);
  free(dataset->name);
  free(dataset);
}
