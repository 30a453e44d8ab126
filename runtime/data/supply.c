/* Where the values of data and of fed variables come from, evaluation after evaluation.
   Takes tensors, the specs of their data, files that replace draws; fills buffers and moves on. A variable is a name,
   whatever the batches of its tensors are: `x`, `x.fresh_1`, `z`. It has one walk, a position in its data set's endless
   shuffle (data sampled together share their leader's), and one place in its feed. The train block moves them; an
   output says which rows it takes of a walk of its own. Never draws noise, and never looks at anything but positions,
   so that a resumed run sees the same samples: files that change while they are read are an error. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/source.h"

typedef struct Variable {
  const char *name, *data;     /* the records' */
  uint64_t hash;               /* of the name */
  Dataset *dataset;            /* owned by the first variable of the data */
  bool owner, led;             /* led: sampled together with others, of which it is not the first */
  Dataset *feed;               /* owned */
  FileStamp stamp, feed_stamp; /* of their files when they were opened */
  char *feed_name;             /* "feed z": of its place in checkpoints */
  int64_t position, taken;     /* of the walk; by the evaluation at hand */
  int64_t fed;                 /* rows of the feed that the train block has taken */
} Variable;

struct Supply {
  const TensorRecord *tensors;
  int64_t tensor_count;
  uint64_t seed;
  int64_t *variable_of; /* by tensor; -1: neither data nor noise */
  Variable *variables;
  int64_t variable_count;
  NamedCount *positions;
  int64_t *indices; /* room for a batch */
  int64_t index_room;
};

static bool is_filled(const TensorRecord *tensor) { return tensor->role == ROLE_DATA || tensor->role == ROLE_NOISE; }

/* A batch axis is the rows' own; without one, a row is a whole tensor. */
static int64_t batch_of(const TensorRecord *record) { return record->batch ? record->shape[0] : 1; }

static Variable *variable_at(const Supply *supply, int64_t tensor) {
  return &supply->variables[supply->variable_of[tensor]];
}

/* Whose walk it is: the first of the data that are sampled together. */
static Variable *leader_of(const Supply *supply, int64_t tensor) {
  int64_t group = supply->tensors[tensor].group;
  return variable_at(supply, group >= 0 ? group : tensor);
}

static void find_variables(Supply *supply) {
  for (int64_t i = 0; i < supply->tensor_count; i++) {
    const TensorRecord *record = &supply->tensors[i];
    supply->variable_of[i] = -1;
    if (!is_filled(record)) continue;
    int64_t v = 0;
    bool first = record->role == ROLE_DATA;
    for (; v < supply->variable_count && strcmp(supply->variables[v].name, record->name) != 0; v++)
      first = first && strcmp(supply->variables[v].data, record->data) != 0;
    const char *data = record->role == ROLE_DATA ? record->data : "";
    if (v == supply->variable_count)
      supply->variables[supply->variable_count++] =
          (Variable){.name = record->name, .data = data, .hash = hash_text(record->name), .owner = first};
    supply->variable_of[i] = v;
    supply->variables[v].led = record->group >= 0 && leader_of(supply, i) != &supply->variables[v];
    supply->index_room = batch_of(record) > supply->index_room ? batch_of(record) : supply->index_room;
  }
}

Supply *supply_new(const TensorRecord *tensors, int64_t tensor_count, uint64_t seed, Problem *problem) {
  size_t room = (size_t)tensor_count + 1;
  Supply *supply = system_allocate(sizeof *supply);
  if (supply) {
    *supply = (Supply){.tensors = tensors, .tensor_count = tensor_count, .seed = seed};
    supply->variable_of = system_allocate(room * sizeof *supply->variable_of);
    supply->variables = system_allocate(room * sizeof *supply->variables);
    supply->positions = system_allocate(2 * room * sizeof *supply->positions);
    if (supply->variable_of && supply->variables && supply->positions) {
      find_variables(supply);
      supply->indices = system_allocate(((size_t)supply->index_room + 1) * sizeof *supply->indices);
      if (supply->indices) return supply;
    }
  }
  problem_out_of_memory(problem, "the list of data", room * sizeof *supply->variables);
  supply_free(supply);
  return NULL;
}

void supply_free(Supply *supply) {
  if (!supply) return;
  for (int64_t v = 0; v < supply->variable_count; v++) {
    if (supply->variables[v].owner) dataset_close(supply->variables[v].dataset);
    dataset_close(supply->variables[v].feed);
    free(supply->variables[v].feed_name);
  }
  free(supply->variable_of);
  free(supply->variables);
  free(supply->positions);
  free(supply->indices);
  free(supply);
}

/* ---- sources ----------------------------------------------------------------------------------------------------- */

static FileStamp stamp_of(const Dataset *dataset) {
  FileStamp stamp = {0};
  if (dataset->path) file_stamp(dataset->path, &stamp);
  return stamp;
}

bool supply_add_data(Supply *supply, int64_t tensor, const char *spec, DataPart part, Problem *problem) {
  const TensorRecord *record = &supply->tensors[tensor];
  Problem inner = {""};
  Dataset *dataset = dataset_open(spec, part, record->classes > 0 ? COLUMN_LABELS : COLUMN_SAMPLES, &inner);
  if (!dataset || !dataset_fits(dataset, record, &inner)) {
    dataset_close(dataset);
    return problem_set(problem, "data %s: %s", record->data, inner.text);
  }
  for (int64_t v = 0; v < supply->variable_count; v++) {
    Variable *variable = &supply->variables[v];
    if (strcmp(variable->data, record->data) != 0) continue;
    if (variable->owner) dataset_close(variable->dataset); /* named twice: the last one counts */
    variable->dataset = dataset;
    variable->stamp = stamp_of(dataset);
  }
  return true;
}

bool supply_add_feed(Supply *supply, int64_t tensor, const char *path, Problem *problem) {
  const TensorRecord *record = &supply->tensors[tensor];
  Variable *variable = variable_at(supply, tensor);
  Problem inner = {""};
  Dataset *dataset = dataset_open_file(path, &inner);
  bool fine = dataset && dataset_fits(dataset, record, &inner) && dataset_check(dataset, record, true, &inner);
  char *name = fine ? text_format("feed %s", record->name) : NULL;
  fine = fine && (name || problem_out_of_memory(&inner, path, strlen(record->name)));
  if (!fine) {
    dataset_close(dataset);
    return problem_set(problem, "feed %s: %s", record->name, inner.text);
  }
  dataset_close(variable->feed); /* named twice: the last one counts */
  free(variable->feed_name);
  variable->feed = dataset;
  variable->feed_name = name;
  variable->feed_stamp = stamp_of(dataset);
  return true;
}

void supply_keep(const Supply *supply) {
  for (int64_t v = 0; v < supply->variable_count; v++) {
    if (supply->variables[v].owner) dataset_keep(supply->variables[v].dataset);
    dataset_keep(supply->variables[v].feed);
  }
}

bool supply_check(const Supply *supply, Problem *problem) {
  for (int64_t i = 0; i < supply->tensor_count; i++) {
    const TensorRecord *record = &supply->tensors[i];
    if (record->role != ROLE_DATA) continue;
    const Variable *variable = variable_at(supply, i), *leader = leader_of(supply, i);
    if (variable->dataset && leader->dataset && leader->dataset->count != variable->dataset->count)
      return problem_set(problem, "data %s and %s are sampled together, but %s has %" PRId64 " samples and %s %" PRId64,
                         leader->name, record->name, leader->dataset->name, leader->dataset->count,
                         variable->dataset->name, variable->dataset->count);
  }
  return true;
}

/* A file that is gone is still mapped, and so as it was. */
static bool check_unchanged(const char *what, const char *name, const Dataset *dataset, const FileStamp *then,
                            Problem *problem) {
  FileStamp now;
  if (!dataset || then->inode == 0 || !file_stamp(dataset->path, &now) || file_stamp_equal(then, &now)) return true;
  char sizes[80] = "its time or place is another";
  if (then->size != now.size)
    snprintf(sizes, sizeof sizes, "%" PRId64 " bytes before, %" PRId64 " now", then->size, now.size);
  return problem_set(problem,
                     "%s %s: %s has changed while it was in use (%s), and a run sees the same samples from end to end; "
                     "put it back as it was, or begin anew",
                     what, name, dataset->name, sizes);
}

bool supply_check_files(const Supply *supply, Problem *problem) {
  for (int64_t v = 0; v < supply->variable_count; v++) {
    const Variable *variable = &supply->variables[v];
    bool fine =
        !variable->owner || check_unchanged("data", variable->data, variable->dataset, &variable->stamp, problem);
    if (!fine || !check_unchanged("feed", variable->name, variable->feed, &variable->feed_stamp, problem)) return false;
  }
  return true;
}

bool supply_is_fed(const Supply *supply, int64_t tensor) { return variable_at(supply, tensor)->feed; }

int64_t supply_sample_count(const Supply *supply, int64_t tensor) {
  const Variable *variable = variable_at(supply, tensor);
  const Dataset *dataset = variable->feed ? variable->feed : variable->dataset;
  return dataset ? dataset->count : 0;
}

const Dataset *supply_feed(const Supply *supply, int64_t tensor) { return variable_at(supply, tensor)->feed; }

int64_t supply_fed(const Supply *supply, int64_t tensor) { return variable_at(supply, tensor)->fed; }

const Dataset *supply_dataset(const Supply *supply, int64_t tensor) { return variable_at(supply, tensor)->dataset; }

/* ---- walks ------------------------------------------------------------------------------------------------------- */

static bool fill_from_feed(Supply *supply, int64_t tensor, Rows rows, void *buffer, Problem *problem) {
  TensorRecord record = supply->tensors[tensor];
  Variable *variable = variable_at(supply, tensor);
  int64_t batch = batch_of(&record), count = batch < rows.fed ? batch : rows.fed,
          first = rows.apart ? rows.first : variable->fed;
  if (count > variable->feed->count - first)
    return problem_set(problem,
                       "feed %s: %s has %" PRId64 " rows, this evaluation needs rows %" PRId64 " to %" PRId64
                       " (counted from 0): feed more of them, or %s",
                       variable->name, variable->feed->name, variable->feed->count, first, first + count - 1,
                       rows.apart ? "ask for fewer samples with --count" : "train fewer --steps");
  for (int64_t i = 0; i < batch; i++) supply->indices[i] = first + i % count;
  if (!rows.apart) variable->fed += count;
  record.low = record.high = 0; /* what is fed is taken as it is */
  dataset_fill(variable->feed, supply->indices, batch, &record, buffer);
  return true;
}

static void fill_from_data(Supply *supply, int64_t tensor, Rows rows, void *buffer) {
  const TensorRecord *record = &supply->tensors[tensor];
  const Dataset *dataset = variable_at(supply, tensor)->dataset;
  Variable *leader = leader_of(supply, tensor);
  int64_t batch = batch_of(record);
  uint64_t hash = rows.apart ? hash_fnv(hash_fnv(leader->hash, "@", 1), rows.apart, strlen(rows.apart))
                             : leader->hash; /* of "x@fakes" */
  permutation_indices(supply->seed, hash, dataset->count, rows.apart ? rows.first : leader->position, batch,
                      supply->indices);
  if (!rows.apart) leader->taken = batch;
  dataset_fill(dataset, supply->indices, batch, record, buffer);
}

bool supply_fill(Supply *supply, const int64_t *tensors, void *const *buffers, int64_t count, Rows rows, bool *filled,
                 Problem *problem) {
  for (int64_t i = 0; i < count; i++) {
    const Variable *variable = variable_at(supply, tensors[i]);
    bool fed = variable->feed && rows.fed > 0;
    filled[i] = fed || variable->dataset;
    if (fed && !fill_from_feed(supply, tensors[i], rows, buffers[i], problem)) return false;
    if (!fed && filled[i]) fill_from_data(supply, tensors[i], rows, buffers[i]);
  }
  bool passed = false;                  /* through the data, once more */
  for (int64_t i = 0; i < count; i++) { /* all parts of a group have read the same places: now it moves */
    Variable *leader = leader_of(supply, tensors[i]);
    if (leader->taken == 0) continue;
    int64_t next = leader->position + leader->taken, samples = leader->dataset ? leader->dataset->count : 1;
    passed |= leader->position / samples != next / samples;
    leader->position = next;
    leader->taken = 0;
  }
  return !passed || supply_check_files(supply, problem);
}

int64_t supply_last_row(const Supply *supply, int64_t tensor, int64_t sample, const Dataset **of) {
  const Variable *variable = variable_at(supply, tensor), *leader = leader_of(supply, tensor);
  int64_t from_end = batch_of(&supply->tensors[tensor]) - sample;
  *of = variable->feed ? variable->feed : variable->dataset;
  if (!*of) return -1;
  return variable->feed
             ? variable->fed - from_end
             : permutation_index(supply->seed, leader->hash, variable->dataset->count, leader->position - from_end);
}

const NamedCount *supply_positions(Supply *supply, size_t *count) {
  *count = 0;
  for (int64_t v = 0; v < supply->variable_count; v++) {
    const Variable *variable = &supply->variables[v];
    if (variable->dataset && !variable->led)
      supply->positions[(*count)++] = (NamedCount){variable->name, variable->position};
    if (variable->feed) supply->positions[(*count)++] = (NamedCount){variable->feed_name, variable->fed};
  }
  return supply->positions;
}

bool supply_seek(Supply *supply, const char *name, int64_t position, Problem *problem) {
  if (position < 0)
    return problem_set(problem, "the position of \"%s\" is %" PRId64 ", expected 0 or more", name, position);
  for (int64_t v = 0; v < supply->variable_count; v++) {
    Variable *variable = &supply->variables[v];
    if (strcmp(variable->name, name) == 0) variable->position = position;
    if (strncmp(name, "feed ", 5) == 0 && strcmp(variable->name, name + 5) == 0) variable->fed = position;
  }
  return true;
}
