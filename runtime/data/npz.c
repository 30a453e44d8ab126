/* NumPy's .npz: a zip archive of .npy files. Takes a file's bytes; returns the rows of its array: the one that the spec
   names, or the only one. */
#include <stdlib.h>
#include <string.h>

#include "runtime/data/source.h"

/* "x" or "x.npy" are the entry "x.npy". */
static bool entry_is(const ZipEntry *entry, const char *name) {
  size_t length = strlen(name);
  bool whole = (size_t)entry->name_length == length, bare = (size_t)entry->name_length == length + 4;
  return (whole || bare) && memcmp(entry->name, name, length) == 0;
}

/* The array that is meant: found is how many there may be, names are all there are. */
static bool find_array(const Dataset *dataset, Zip *zip, ZipEntry *chosen, size_t *found, NameList *names,
                       Problem *problem) {
  for (bool there = true; there;) {
    ZipEntry entry;
    if (!zip_next(zip, &entry, &there, problem)) return false;
    if (!there || !zip_entry_ends(&entry, ".npy")) continue;
    char name[128];
    snprintf(name, sizeof name, "%.*s", entry.name_length - 4, entry.name);
    name_list_add(names, name, "");
    if (dataset->member && !entry_is(&entry, dataset->member)) continue;
    *chosen = entry;
    ++*found;
  }
  return true;
}

/* Always false. */
static bool set_no_array(const Dataset *dataset, const Stream *stream, size_t found, const char *names,
                         Problem *problem) {
  const char *path = stream->name;
  if (!*names)
    return !foreign_data(path, stream->bytes, stream->size, problem) &&
           problem_set(problem, "%s is a zip archive without .npy arrays", path);
  if (!found) return problem_set(problem, "%s has no array %s; it holds %s", path, dataset->member, names);
  return problem_set(problem, "%s holds %zu arrays%s: %s; choose one, as in %s:NAME", path, found,
                     dataset->member ? " of that name" : "", names, path);
}

bool npz_dataset(Dataset *dataset, Stream *stream, Problem *problem) {
  Zip zip;
  ZipEntry entry;
  NameList list = {0};
  size_t found = 0;
  bool fine = stream_need(stream, UINT64_MAX, problem) &&
              zip_open(&zip, stream->name, stream->bytes, stream->size, problem) &&
              find_array(dataset, &zip, &entry, &found, &list, problem);
  char *names = name_list_end(&list);
  if (fine && found != 1)
    fine = names ? set_no_array(dataset, stream, found, names, problem)
                 : problem_out_of_memory(problem, stream->name, 256);
  free(names);
  if (!fine) return false;
  Stream array;
  fine = zip_read(&entry, dataset->name, &array, problem) && npy_dataset(dataset, &array, problem);
  if (fine) dataset->owned = stream_take(&array);
  stream_close(&array);
  return fine;
}
