/* From a file to rows: the formats of data, each a row of a table, and gzip under all of them. Takes a path or bytes;
   returns a data set. Never writes anything. */
#include <stdlib.h>
#include <string.h>

#include "runtime/data/source.h"

static const DataReader readers[] = {
    {".npy", npy_recognise, npy_dataset, false},
    {".npz", zip_recognise, npz_dataset, true},
    {"IDX", idx_recognise, idx_dataset, false},
};

enum { RECOGNISED_BY = 8, READER_COUNT = sizeof readers / sizeof *readers };

/* Always false. */
static bool set_unknown(const char *path, const uint8_t *bytes, size_t size, Problem *problem) {
  NameList list = {0};
  if (foreign_data(path, bytes, size, problem)) return false;
  for (size_t row = 0; row < READER_COUNT; row++) name_list_add(&list, readers[row].name, "");
  char *names = name_list_end(&list);
  problem_set(
      problem,
      "%s is of no format that is read: %s, or these compressed by gzip; convert it, for example with numpy.save", path,
      names ? names : "");
  free(names);
  return false;
}

bool dataset_decode(Dataset *dataset, const uint8_t *bytes, size_t size, Problem *problem) {
  Stream stream;
  const char *path = dataset->path ? dataset->path : dataset->name;
  bool packed = gzip_recognise(bytes, size);
  bool fine = stream_open(&stream, path, packed ? PACKING_GZIP : PACKING_NONE, bytes, size, problem) &&
              stream_need(&stream, RECOGNISED_BY, problem);
  const DataReader *reader = NULL;
  for (size_t row = 0; fine && !reader && row < READER_COUNT; row++)
    if (readers[row].recognise(stream.bytes, stream.size)) reader = &readers[row];
  if (fine && !reader) fine = set_unknown(path, bytes, size, problem);
  if (fine && dataset->member && !reader->archive)
    fine = problem_set(problem, "%s is one array (%s): name it without \":%s\"", path, reader->name, dataset->member);
  fine = fine && reader->open(dataset, &stream, problem);
  if (fine && !dataset->owned) dataset->owned = stream_take(&stream);
  stream_close(&stream);
  return fine;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* Where a path ends and :NAME begins, if there is no file of the whole name; else NULL. */
static const char *member_of(const char *path) {
  const char *colon = file_exists(path) ? NULL : strrchr(path, ':');
  if (!colon || colon == path || !colon[1]) return NULL;
  char *file = text_format("%.*s", (int)(colon - path), path);
  bool there = file && file_exists(file);
  free(file);
  return there ? colon + 1 : NULL;
}

char *dataset_file(const char *path) {
  const char *member = member_of(path);
  return text_format("%.*s", (int)(member ? (size_t)(member - path) - 1 : strlen(path)), path);
}

char *dataset_absolute(const char *path) {
  const char *member = member_of(path);
  char *file = dataset_file(path), *real = file ? realpath(file, NULL) : NULL;
  char *absolute = real ? text_format(member ? "%s:%s" : "%s", real, member) : NULL;
  free(file);
  free(real);
  return absolute;
}

bool dataset_read_file(Dataset *dataset, const char *path, Problem *problem) {
  const char *member = member_of(path);
  char *name = text_format("%s", path);
  free(dataset->name);
  dataset->name = name;
  dataset->path = dataset_file(path);
  if (!name || !dataset->path) return problem_out_of_memory(problem, path, strlen(path));
  dataset->member = member ? name + (member - path) : NULL;
  FileBytes file;
  FileStamp stamp; /* taken first: a file that changes from here on is not found under it again */
  file_stamp(dataset->path, &stamp);
  if (!file_map(dataset->path, &file, problem)) return false;
  bool packed = gzip_recognise(file.data, file.size) || zip_recognise(file.data, file.size),
       known = packed && unpacked_load(dataset, &stamp),
       fine = known || dataset_decode(dataset, file.data, file.size, problem);
  if (fine && !known && packed && dataset->owned) dataset->unpacked = stamp;
  if (fine && !known && !dataset->owned) dataset->file = file; /* the rows lie in it */
  else file_release(&file);
  return fine;
}

Dataset *dataset_open_file(const char *path, Problem *problem) {
  Dataset *dataset = system_allocate(sizeof *dataset);
  if (dataset) *dataset = (Dataset){0};
  else problem_out_of_memory(problem, path, sizeof *dataset);
  if (dataset && dataset_read_file(dataset, path, problem)) return dataset;
  dataset_close(dataset);
  return NULL;
}
