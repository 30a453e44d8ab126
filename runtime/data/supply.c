/* Where the values of data and of fed tensors come from, evaluation after evaluation.
   Takes tensors, the specs of their data, files that replace draws; fills buffers and moves on. A walk is a position in a data set's endless shuffle: tensors of a group share one,
   a fresh draw has its own, so has every output. Never draws noise, and never looks at anything but positions, so that a resumed run sees the same samples. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/source.h"

typedef enum SourceKind { SOURCE_NONE, SOURCE_DATA, SOURCE_FEED } SourceKind;

typedef struct Source {
  SourceKind kind;
  Dataset *dataset;                                        /* of DATA: owned where the tensor is no fresh draw; of FEED: owned */
  TensorRecord record;                                     /* the tensor's, with the range that applies */
} Source;

typedef struct Walk { char *name; uint64_t hash; int64_t position; bool used; int64_t taken; } Walk;

struct Supply {
  const TensorRecord *tensors;
  int64_t tensor_count;
  uint64_t seed;
  Source *sources;                                         /* one a tensor */
  Walk *walks;
  size_t walk_count;
  NamedCount *positions;
  int64_t *indices;                                        /* room for a batch */
  int64_t index_room;
};

Supply *supply_new(const TensorRecord *tensors, int64_t tensor_count, uint64_t seed, Problem *problem) {
  Supply *supply = system_allocate(sizeof *supply);
  Source *sources = system_allocate(((size_t)tensor_count + 1) * sizeof *sources);
  if (!supply || !sources) {
    free(supply);
    free(sources);
    problem_out_of_memory(problem, "the list of data", (size_t)tensor_count * sizeof *sources);
    return NULL;
  }
  *supply = (Supply){ .tensors = tensors, .tensor_count = tensor_count, .seed = seed, .sources = sources };
  for (int64_t i = 0; i < tensor_count; i++) sources[i] = (Source){ .kind = SOURCE_NONE };
  return supply;
}

static bool owns_dataset(const Supply *supply, int64_t tensor) { return supply->sources[tensor].kind == SOURCE_FEED || supply->tensors[tensor].origin < 0; }

void supply_free(Supply *supply) {
  if (!supply) return;
  for (int64_t i = 0; i < supply->tensor_count; i++)
    if (owns_dataset(supply, i)) dataset_close(supply->sources[i].dataset);
  for (size_t i = 0; i < supply->walk_count; i++) free(supply->walks[i].name);
  free(supply->sources);
  free(supply->walks);
  free(supply->positions);
  free(supply->indices);
  free(supply);
}

/* ---- sources --------------------------------------------------------------------------------------------------------------------------------- */

bool supply_add_data(Supply *supply, int64_t tensor, const char *spec, DataPart part, Problem *problem) {
  const TensorRecord *record = &supply->tensors[tensor];
  Problem inner = { "" };
  Dataset *dataset = dataset_open(spec, part, record->classes > 0 ? COLUMN_LABELS : COLUMN_SAMPLES, &inner);
  if (!dataset || !dataset_fits(dataset, record, &inner)) {
    dataset_close(dataset);
    return problem_set(problem, "data %s: %s", record->name, inner.text);
  }
  if (supply->sources[tensor].kind == SOURCE_DATA) dataset_close(supply->sources[tensor].dataset);   /* named twice: the last one counts */
  for (int64_t i = 0; i < supply->tensor_count; i++) {
    bool meant = i == tensor || (supply->tensors[i].role == ROLE_DATA && supply->tensors[i].origin == tensor);
    if (meant && supply->sources[i].kind != SOURCE_FEED) supply->sources[i] = (Source){ SOURCE_DATA, dataset, supply->tensors[i] };
  }
  if (supply->sources[tensor].kind == SOURCE_DATA) return true;
  dataset_close(dataset);                                  /* the tensor is fed: only its fresh draws would read this */
  for (int64_t i = 0; i < supply->tensor_count; i++)
    if (supply->sources[i].dataset == dataset) supply->sources[i] = (Source){ .kind = SOURCE_NONE };
  return true;
}

/* A batch axis is the rows' own; without one, a row is a whole tensor. */
static int64_t batch_of(const TensorRecord *record) { return record->batch ? record->shape[0] : 1; }

bool supply_add_feed(Supply *supply, int64_t tensor, const char *path, Problem *problem) {
  const TensorRecord *record = &supply->tensors[tensor];
  Problem inner = { "" };
  NpyArray array;
  Dataset *dataset = NULL;
  bool fine = npy_open(path, &array, &inner);
  if (fine) {
    dataset = system_allocate(sizeof *dataset);
    fine = dataset || problem_out_of_memory(&inner, path, sizeof *dataset);
    if (dataset) *dataset = (Dataset){ .name = text_format("%s", path), .file = array.file };
    else npy_close(&array);
    fine = fine && (dataset->name || problem_out_of_memory(&inner, path, strlen(path)));
    fine = fine && dataset_set_rows(dataset, array.type, array.rank, array.shape, array.data, &inner) && dataset_fits(dataset, record, &inner);
  }
  if (!fine) {
    dataset_close(dataset);
    return problem_set(problem, "feed %s: %s", record->name, inner.text);
  }
  Source *source = &supply->sources[tensor];
  if (source->kind == SOURCE_FEED) dataset_close(source->dataset);
  *source = (Source){ SOURCE_FEED, dataset, *record };
  if (record->role != ROLE_DATA) source->record.low = source->record.high = 0;                        /* noise is taken as it is */
  return true;
}

bool supply_check(const Supply *supply, Problem *problem) {
  for (int64_t i = 0; i < supply->tensor_count; i++) {
    const TensorRecord *record = &supply->tensors[i];
    const Source *source = &supply->sources[i];
    if (record->role != ROLE_DATA) continue;
    if (source->kind == SOURCE_NONE) {
      const char *name = record->origin >= 0 ? supply->tensors[record->origin].name : record->name;
      return problem_set(problem, "data %s has no source: name one with --data %s=SPEC, for example --data %s=fashion-mnist or --data %s=FILE.npy", name, name, name, name);
    }
    const Source *leader = record->group >= 0 ? &supply->sources[record->group] : source;
    if (source->kind == SOURCE_DATA && leader->kind == SOURCE_DATA && leader->dataset->count != source->dataset->count)
      return problem_set(problem, "data %s and %s are sampled together, but %s has %" PRId64 " samples and %s %" PRId64, supply->tensors[record->group].name, record->name, leader->dataset->name,
                         leader->dataset->count, source->dataset->name, source->dataset->count);
  }
  return true;
}

bool supply_has(const Supply *supply, int64_t tensor) { return supply->sources[tensor].kind != SOURCE_NONE; }

const Dataset *supply_dataset(const Supply *supply, int64_t tensor) { return supply->sources[tensor].kind == SOURCE_DATA ? supply->sources[tensor].dataset : NULL; }

int64_t supply_sample_count(const Supply *supply, int64_t tensor) {
  const Dataset *dataset = supply->sources[tensor].dataset;
  return dataset ? dataset->count : 0;
}

/* ---- walks ------------------------------------------------------------------------------------------------------------------------------------- */

static bool walk_has_name(const Walk *walk, const char *prefix, const char *base, const char *apart) {
  const char *at = walk->name;
  size_t lengths[2] = { strlen(prefix), strlen(base) };
  if (strncmp(at, prefix, lengths[0]) != 0 || strncmp(at + lengths[0], base, lengths[1]) != 0) return false;
  at += lengths[0] + lengths[1];
  return *apart ? *at == '@' && strcmp(at + 1, apart) == 0 : *at == 0;
}

static Walk *walk_add(Supply *supply, char *name, Problem *problem) {     /* owns the name */
  Walk *walks = name ? system_resize(supply->walks, (supply->walk_count + 1) * sizeof *walks) : NULL;
  if (walks) supply->walks = walks;
  NamedCount *positions = walks ? system_resize(supply->positions, (supply->walk_count + 1) * sizeof *positions) : NULL;
  if (!positions) {
    free(name);
    problem_out_of_memory(problem, "a position in the data", sizeof *walks);
    return NULL;
  }
  supply->positions = positions;
  walks[supply->walk_count] = (Walk){ .name = name, .hash = hash_text(name) };
  return &walks[supply->walk_count++];
}

static Walk *walk_find(Supply *supply, const char *prefix, const char *base, const char *apart, Problem *problem) {
  for (size_t i = 0; i < supply->walk_count; i++)
    if (walk_has_name(&supply->walks[i], prefix, base, apart)) return &supply->walks[i];
  return walk_add(supply, text_format("%s%s%s%s", prefix, base, *apart ? "@" : "", apart), problem);
}

static bool ensure_indices(Supply *supply, int64_t batch, Problem *problem) {
  if (batch <= supply->index_room) return true;
  int64_t *indices = system_resize(supply->indices, (size_t)batch * sizeof *indices);
  if (!indices) return problem_out_of_memory(problem, "the indices of a batch", (size_t)batch * sizeof *indices);
  supply->indices = indices;
  supply->index_room = batch;
  return true;
}

static bool fill_from_feed(Supply *supply, const Source *source, void *buffer, Problem *problem) {
  int64_t batch = batch_of(&source->record), *indices = supply->indices;
  Walk *walk = walk_find(supply, "feed ", source->record.name, "", problem);
  if (!walk) return false;
  if (batch > source->dataset->count - walk->position)
    return problem_set(problem, "feed %s: %s has %" PRId64 " rows, this evaluation needs rows %" PRId64 " to %" PRId64 " (counted from 0)", source->record.name, source->dataset->name,
                       source->dataset->count, walk->position, walk->position + batch - 1);
  for (int64_t i = 0; i < batch; i++) indices[i] = walk->position + i;
  walk->position += batch;
  dataset_fill(source->dataset, indices, batch, &source->record, buffer);
  return true;
}

static bool fill_from_data(Supply *supply, const Source *source, const char *apart, void *buffer, Problem *problem) {
  const TensorRecord *leader = source->record.group >= 0 ? &supply->tensors[source->record.group] : &source->record;
  int64_t batch = batch_of(&source->record);
  Walk *walk = walk_find(supply, "", leader->name, apart, problem);
  if (!walk) return false;
  permutation_indices(supply->seed, walk->hash, source->dataset->count, walk->position, batch, supply->indices);
  walk->used = true;
  walk->taken = batch > walk->taken ? batch : walk->taken;
  dataset_fill(source->dataset, supply->indices, batch, &source->record, buffer);
  return true;
}

bool supply_fill(Supply *supply, const int64_t *tensors, void *const *buffers, int64_t count, const char *apart, Problem *problem) {
  for (int64_t i = 0; i < count; i++) {
    const Source *source = &supply->sources[tensors[i]];
    if (source->kind == SOURCE_NONE) continue;
    if (!ensure_indices(supply, batch_of(&source->record), problem)) return false;
    if (source->kind == SOURCE_FEED ? !fill_from_feed(supply, source, buffers[i], problem) : !fill_from_data(supply, source, apart, buffers[i], problem)) return false;
  }
  for (size_t i = 0; i < supply->walk_count; i++) {        /* all parts of a group have read the same places: now it moves */
    Walk *walk = &supply->walks[i];
    walk->position += walk->used ? walk->taken : 0;
    walk->used = false;
    walk->taken = 0;
  }
  return true;
}

const NamedCount *supply_positions(Supply *supply, size_t *count) {
  for (size_t i = 0; i < supply->walk_count; i++) supply->positions[i] = (NamedCount){ supply->walks[i].name, supply->walks[i].position };
  *count = supply->walk_count;
  return supply->positions;
}

bool supply_seek(Supply *supply, const char *name, int64_t position, Problem *problem) {
  if (position < 0) return problem_set(problem, "the position of \"%s\" is %" PRId64 ", expected 0 or more", name, position);
  Walk *walk = NULL;
  for (size_t i = 0; i < supply->walk_count && !walk; i++)
    if (strcmp(supply->walks[i].name, name) == 0) walk = &supply->walks[i];
  if (!walk) walk = walk_add(supply, text_format("%s", name), problem);
  if (walk) walk->position = position;
  return walk;
}
