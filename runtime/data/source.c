/* From a SPEC to a data set: built-in names and files. Takes the spec, the part and the column that is wanted; returns
   rows in memory. Never fetches anything from a network. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/source.h"

bool dataset_set_rows(Dataset *dataset, ElementType type, int64_t rank, const int64_t *shape, const void *rows,
                      Problem *problem) {
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

/* ---- Fashion-MNIST ----------------------------------------------------------------------------------------------- */

static bool open_fashion(Dataset *dataset, DataPart part, DataColumn column, Problem *problem) {
  static const char *const names[2][2] = {
      {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
      {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"},
  };
  const char *own = getenv("GANC_DATA"), *name = names[part != DATA_TRAIN][column];
  const char *const places[][2] = {
      {own, "/fashion-mnist"}, {own, ""}, {own ? NULL : "/usr/share/datasets/fashion-mnist", ""}};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    for (int compressed = 1; places[i][0] && compressed >= 0; compressed--) {
      char *path = text_format("%s%s/%s%s", places[i][0], places[i][1], name, compressed ? ".gz" : "");
      if (!path) return problem_out_of_memory(problem, "a path", 64);
      bool there = file_exists(path);
      bool fine = there && dataset_read_file(dataset, path, problem);
      free(path);
      if (there) return fine;
    }
  }
  if (own)
    return problem_set(problem,
                       "fashion-mnist: %s.gz is neither in %s/fashion-mnist nor in %s, the folder that GANC_DATA names",
                       name, own, own);
  return problem_set(problem,
                     "fashion-mnist is not installed: `apt-get install dataset-fashion-mnist`, or set GANC_DATA to a "
                     "folder with its four files (%s.gz …)",
                     name);
}

/* ---- the spec ---------------------------------------------------------------------------------------------------- */

Dataset *dataset_open(const char *spec, DataPart part, DataColumn column, Problem *problem) {
  Problem own = {""};
  FileStamp stamp;
  if (!problem) problem = &own; /* mixture_generate tells by it whether it was meant */
  Dataset *dataset = system_allocate(sizeof *dataset);
  if (!dataset) {
    problem_out_of_memory(problem, spec, sizeof *dataset);
    return NULL;
  }
  *dataset = (Dataset){.name = text_format("%s", spec), .divided = true};
  bool fine = dataset->name || problem_out_of_memory(problem, spec, strlen(spec));
  if (fine && strcmp(spec, "fashion-mnist") == 0) fine = open_fashion(dataset, part, column, problem);
  else if (fine && !mixture_generate(dataset, spec, part, column, problem)) {
    dataset->divided = false;
    if (*problem->text) fine = false;
    else if (!file_stamp(spec, &stamp) && !strpbrk(spec, "/."))
      fine = problem_set(problem,
                         "there is no data set and no file called \"%s\"; known are fashion-mnist, ring, grid, and "
                         "paths of .npy, .npz and IDX files",
                         spec);
    else if (part == DATA_HELD_OUT) fine = problem_set(problem, "%s has no held-out part", spec);
    else fine = dataset_read_file(dataset, spec, problem);
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
  free(dataset->path);
  free(dataset->name);
  free(dataset);
}
