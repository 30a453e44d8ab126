/* From the rows of a data set to the buffer of a tensor: chosen samples, scaled, converted, in the tensor's own
   strides. Takes a data set that was found to fit the tensor's record; writes every element of the batch places it is
   given and nothing else. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "runtime/io.h"

/* ---- does it fit? ------------------------------------------------------------------------------------------------ */

/* Extents other than 1. */
static int64_t squeeze(int64_t rank, const int64_t *shape, int64_t *out) {
  int64_t count = 0;
  for (int64_t i = 0; i < rank; i++)
    if (shape[i] != 1) out[count++] = shape[i];
  return count;
}

static bool labels_fit(const Dataset *dataset, const TensorRecord *record, Problem *problem) {
  for (int64_t i = 0; i < dataset->count; i++) {
    double label = element_read(dataset->type, dataset->rows, i);
    if (!(label >= 0 && label < (double)record->classes && label == floor(label)))
      return problem_set(problem,
                         "%s: row %" PRId64 " is %g; %s: class[%" PRId64 "] takes whole numbers from 0 to %" PRId64,
                         dataset->name, i, label, record->name, record->classes, record->classes - 1);
  }
  return true;
}

bool dataset_fits(const Dataset *dataset, const TensorRecord *record, Problem *problem) {
  int64_t rank = record->rank - (record->batch != 0), size = 1, here[8], there[8];
  const int64_t *shape = record->shape + (record->batch != 0);
  char wanted[160], found[160];
  for (int64_t i = 0; i < rank; i++) size *= shape[i];
  int64_t here_rank = squeeze(rank, shape, here), there_rank = squeeze(dataset->rank, dataset->shape, there);
  bool flat = here_rank <= 1 || there_rank <= 1,
       same = here_rank == there_rank && memcmp(here, there, (size_t)here_rank * sizeof *here) == 0;
  if (size == dataset->size && (same || flat)) return record->classes == 0 || labels_fit(dataset, record, problem);
  element_shape_text(rank, shape, wanted);
  element_shape_text(dataset->rank, dataset->shape, found);
  if (size == dataset->size)
    return problem_set(problem,
                       "%s: samples are %s, %s is %s: as many elements in another order of axes; transpose the file",
                       dataset->name, found, record->name, wanted);
  return problem_set(problem, "%s: samples are %s, %s is declared as %s: n of them are an array of shape [n%s%s",
                     dataset->name, found, record->name, wanted, rank > 0 ? ", " : "", wanted + 1);
}

/* ---- conversion -------------------------------------------------------------------------------------------------- */

/* Bytes are scaled, by looking them up: one rounding, and the same number on every machine. All else is taken as it
   is. */
typedef struct Conversion {
  float single[256];
  double wide[256];
} Conversion;

static void conversion_start(Conversion *conversion, const Dataset *dataset, const TensorRecord *record) {
  bool plain = record->classes > 0 || record->low == record->high;
  double least = dataset->type == ELEMENT_I8 ? INT8_MIN : 0;
  for (int byte = 0; element_bytes(dataset->type) == 1 && byte < 256; byte++) {
    double stored = dataset->type == ELEMENT_I8 ? (double)(int8_t)byte : byte;
    conversion->wide[byte] = plain ? stored : record->low + (stored - least) * (record->high - record->low) / UINT8_MAX;
    conversion->single[byte] = (float)conversion->wide[byte];
  }
}

/* Both types are constants where this is inlined, which leaves a load, a look-up and a store. */
static inline __attribute__((always_inline)) void put(const Conversion *conversion, ElementType from,
                                                      const uint8_t *row, int64_t element, StorageType to, void *data,
                                                      int64_t at) {
  if (from == ELEMENT_U8 || from == ELEMENT_I8) {
    if (to == STORAGE_F64) ((double *)data)[at] = conversion->wide[row[element]];
    else ((float *)data)[at] = conversion->single[row[element]];
    return;
  }
  if (from == ELEMENT_F32 && to == STORAGE_F32) {
    memcpy((float *)data + at, row + 4 * element, 4);
    return;
  }
  double value = element_read(from, row, element);
  if (to == STORAGE_F64) ((double *)data)[at] = value;
  else ((float *)data)[at] = (float)value;
}

enum { BLOCK = 16 }; /* rows read side by side: with the batch innermost, a cache line of float32 */

/* The axes of a sample, the last one apart: a loop without a carry. */
typedef struct Target {
  int64_t rank;
  const int64_t *shape, *stride;
  int64_t last, last_stride, batch_stride, size;
  void *data;
} Target;

/* Samples rows[0..n) to batch places first..first+n, element by element in the order of the file. */
static inline __attribute__((always_inline)) void fill_block(const Conversion *conversion, ElementType from,
                                                             const uint8_t *const *rows, int n, const Target *target,
                                                             StorageType to, int64_t first) {
  int64_t index[8] = {0}, start = first * target->batch_stride, batch_stride = target->batch_stride;
  void *data = target->data;
  for (int64_t element = 0; element < target->size;) {
    for (int64_t i = 0, at = start; i < target->last; i++, element++, at += target->last_stride) {
      if (n == BLOCK && batch_stride == 1)
        for (int k = 0; k < BLOCK; k++) put(conversion, from, rows[k], element, to, data, at + k);
      else
        for (int k = 0; k < n; k++) put(conversion, from, rows[k], element, to, data, at + k * batch_stride);
    }
    for (int64_t axis = target->rank; axis-- > 0;) {
      start += target->stride[axis];
      if (++index[axis] < target->shape[axis]) break;
      start -= index[axis] * target->stride[axis];
      index[axis] = 0;
    }
  }
}

static void fill_rows(const Conversion *conversion, ElementType from, const uint8_t *const *rows, int n,
                      const Target *target, StorageType to, int64_t first) {
  if (from == ELEMENT_U8 && to == STORAGE_F32) fill_block(conversion, ELEMENT_U8, rows, n, target, STORAGE_F32, first);
  else if (from == ELEMENT_U8) fill_block(conversion, ELEMENT_U8, rows, n, target, STORAGE_F64, first);
  else if (from == ELEMENT_F32 && to == STORAGE_F32)
    fill_block(conversion, ELEMENT_F32, rows, n, target, STORAGE_F32, first);
  else fill_block(conversion, from, rows, n, target, to, first);
}

/* Samples lie anywhere in a large file: ask for all their lines before the first is needed. */
static void prefetch_row(const uint8_t *row, int64_t bytes) {
  enum { LINE = 64, ROW_LIMIT = 16384 };
  for (int64_t at = 0; at < bytes && at < ROW_LIMIT; at += LINE) __builtin_prefetch(row + at);
}

void dataset_fill(const Dataset *dataset, const int64_t *indices, int64_t n, const TensorRecord *record, void *data) {
  Conversion conversion;
  conversion_start(&conversion, dataset, record);
  int64_t axis = record->batch != 0, row_bytes = dataset->size * (int64_t)element_bytes(dataset->type);
  int64_t rank = record->rank - axis; /* of a sample */
  Target target = {.shape = record->shape + axis,
                   .stride = record->stride + axis,
                   .batch_stride = axis ? record->stride[0] : 0,
                   .size = dataset->size,
                   .data = data};
  target.rank = rank > 0 ? rank - 1 : 0;
  target.last = rank > 0 ? target.shape[rank - 1] : 1;
  target.last_stride = rank > 0 ? target.stride[rank - 1] : 0;
  /* Side by side only where neighbours in the batch are neighbours in memory. */
  int64_t width = target.batch_stride == 1 || target.size == 1 ? BLOCK : 1;
  for (int64_t first = 0; first < n; first += width) {
    const uint8_t *rows[BLOCK];
    int count = n - first < width ? (int)(n - first) : (int)width;
    for (int64_t i = first + count; width == BLOCK && i < n && i < first + 2 * width; i++)
      prefetch_row((const uint8_t *)dataset->rows + indices[i] * row_bytes, row_bytes);
    for (int i = 0; i < count; i++) rows[i] = (const uint8_t *)dataset->rows + indices[first + i] * row_bytes;
    fill_rows(&conversion, dataset->type, rows, count, &target, (StorageType)record->type, first);
  }
}

void dataset_rows(const Dataset *dataset, const int64_t *indices, int64_t n, double low, double high, float *rows) {
  TensorRecord record = {.name = "",
                         .type = STORAGE_F32,
                         .rank = 2,
                         .shape = {n, dataset->size},
                         .stride = {dataset->size, 1},
                         .batch = 1,
                         .low = low,
                         .high = high};
  dataset_fill(dataset, indices, n, &record, rows);
}
