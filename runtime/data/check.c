/* Are the numbers of a file what the model takes them for?
   Takes a data set that fits a tensor's record; reads every number once, as fast as memory gives them, or remembers
   that it did. Numbers must be finite and lie in the range that the text declares. 8-bit integers always do, because
   they are scaled to it; wider ones are taken as they are, so there must be one. Never changes a number. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/io.h"

enum { LANES = 16 };

/* Of all numbers; finite is false if one is not, and then the ends say nothing. */
typedef struct Range {
  double low, high;
  bool finite;
} Range;

/* A number minus itself is 0, or NaN for what is not finite, and NaN stays: no branch in the loop. */
#define RANGE_OF(TYPE, LEAST, MOST) \
  static inline \
      __attribute__((always_inline)) void widen_##TYPE(const uint8_t *rows, TYPE *low, TYPE *high, TYPE *odd) { \
    TYPE next[LANES]; \
    memcpy(next, rows, sizeof next); \
    for (int lane = 0; lane < LANES; lane++) { \
      low[lane] = next[lane] < low[lane] ? next[lane] : low[lane]; \
      high[lane] = next[lane] > high[lane] ? next[lane] : high[lane]; \
      odd[lane] += next[lane] - next[lane]; \
    } \
  } \
  static Range range_of_##TYPE(const uint8_t *rows, int64_t count) { \
    TYPE low[LANES], high[LANES], odd[LANES] = {0}, first[LANES]; \
    for (int lane = 0; lane < LANES; lane++) low[lane] = MOST, high[lane] = LEAST; \
    for (int lane = 0; lane < LANES; lane++) \
      memcpy(&first[lane], rows + (lane < count ? (size_t)lane : 0) * sizeof(TYPE), sizeof(TYPE)); \
    widen_##TYPE((const uint8_t *)first, low, high, \
                 odd); /* all there are, or more below; the last ones by themselves */ \
    for (int64_t at = 0; at + LANES <= count; at += LANES) \
      widen_##TYPE(rows + (size_t)at * sizeof(TYPE), low, high, odd); \
    if (count > LANES) widen_##TYPE(rows + (size_t)(count - LANES) * sizeof(TYPE), low, high, odd); \
    Range range = {(double)low[0], (double)high[0], true}; \
    for (int lane = 0; lane < LANES; lane++) { \
      range.low = fmin(range.low, (double)low[lane]); \
      range.high = fmax(range.high, (double)high[lane]); \
      range.finite = range.finite && odd[lane] == 0; \
    } \
    return range; \
  }
RANGE_OF(uint8_t, 0, UINT8_MAX)
RANGE_OF(int8_t, INT8_MIN, INT8_MAX)
RANGE_OF(int16_t, INT16_MIN, INT16_MAX)
RANGE_OF(int32_t, INT32_MIN, INT32_MAX)
RANGE_OF(int64_t, INT64_MIN, INT64_MAX)
RANGE_OF(float, -INFINITY, INFINITY)
RANGE_OF(double, -INFINITY, INFINITY)

/* The finite numbers' ends, and the first number outside of the declared ones: slow, for messages and for types without
   a loop of their own. */
static Range range_slowly(const Dataset *dataset, double least, double most, int64_t *bad) {
  Range range = {INFINITY, -INFINITY, true};
  *bad = -1;
  for (int64_t at = 0, count = dataset->count * dataset->size; at < count; at++) {
    double value = element_read(dataset->type, dataset->rows, at);
    if (isfinite(value)) range.low = fmin(range.low, value), range.high = fmax(range.high, value);
    else range.finite = false;
    if (*bad < 0 && !(isfinite(value) && value >= least && value <= most)) *bad = at;
  }
  return range;
}

static Range range_of(const Dataset *dataset) {
  static Range (*const loops[ELEMENT_TYPE_COUNT])(const uint8_t *, int64_t) = {
      [ELEMENT_U8] = range_of_uint8_t,  [ELEMENT_I8] = range_of_int8_t,   [ELEMENT_I16] = range_of_int16_t,
      [ELEMENT_I32] = range_of_int32_t, [ELEMENT_I64] = range_of_int64_t, [ELEMENT_F32] = range_of_float,
      [ELEMENT_F64] = range_of_double,
  };
  int64_t bad;
  return loops[dataset->type] ? loops[dataset->type](dataset->rows, dataset->count * dataset->size)
                              : range_slowly(dataset, -INFINITY, INFINITY, &bad);
}

/* "row 4321, element [0, 3]" */
static void place_text(const Dataset *dataset, int64_t at, char *text, size_t size) {
  int64_t index[8], rest = at % dataset->size;
  char element[160];
  for (int64_t axis = dataset->rank; axis-- > 0; rest /= dataset->shape[axis])
    index[axis] = rest % dataset->shape[axis];
  if (dataset->rank == 0) snprintf(text, size, "row %" PRId64, at);
  else
    snprintf(text, size, "row %" PRId64 ", element %s", at / dataset->size,
             element_shape_text(dataset->rank, index, element));
}

static bool describe(const Dataset *dataset, const TensorRecord *record, double least, double most, Problem *problem) {
  int64_t bad;
  char place[200];
  Range range = range_slowly(dataset, least, most, &bad);
  double value = element_read(dataset->type, dataset->rows, bad);
  place_text(dataset, bad, place, sizeof place);
  if (!isfinite(value))
    return problem_set(problem,
                       "%s: %s is %g, and every number must be finite; a[numpy.isfinite(a.reshape(len(a), -1)).all(1)] "
                       "are the rows that are",
                       dataset->name, place, value);
  if (!record->bounded)
    return problem_set(
        problem,
        "%s: %s is %g, more than float32 holds: scale the numbers (they run from %g to %g), or build with --real f64",
        dataset->name, place, value, range.low, range.high);
  return problem_set(problem,
                     "%s: %s is %.9g, but the model declares %s in %.9g..%.9g; the numbers run from %.9g to %.9g: "
                     "rescale them, or declare that range",
                     dataset->name, place, value, record->name, record->low, record->high, range.low, range.high);
}

bool dataset_check(const Dataset *dataset, const TensorRecord *record, bool fed, Problem *problem) {
  /* Half a unit in the last place of the file's type, for ends that it does not hold, as 0.1. */
  static const double halves[ELEMENT_TYPE_COUNT] = {
      [ELEMENT_F16] = 0x1p-11, [ELEMENT_BF16] = 0x1p-8, [ELEMENT_F32] = 0x1p-24, [ELEMENT_F64] = 0x1p-53};
  bool whole = element_is_integer(dataset->type), scaled = !fed && element_bytes(dataset->type) == 1;
  if (scaled || record->classes > 0 || (fed && whole && !record->bounded)) return true;
  Range range = range_of(dataset);
  if (whole && !record->bounded) {
    char shape[160];
    element_shape_text(record->rank - record->batch, record->shape + record->batch, shape);
    return problem_set(problem,
                       "%s holds whole numbers (%s) from %.0f to %.0f, and the model does not say in which range they "
                       "are: declare it, as in `%s: %s in %.0f..%.0f`, "
                       "and they are taken as they are; or save floating-point numbers, a.astype('float32')",
                       dataset->name, element_name(dataset->type), range.low, range.high, record->name, shape,
                       range.low, range.high);
  }
  double most = record->type == STORAGE_F32 ? (double)FLT_MAX : INFINITY, least = -most, half = halves[dataset->type];
  if (record->bounded) least = record->low - half * fabs(record->low), most = record->high + half * fabs(record->high);
  return (range.finite && range.low >= least && range.high <= most) || describe(dataset, record, least, most, problem);
}

char *dataset_mark(const Dataset *dataset) {
  struct stat facts;
  char *path = dataset->path ? dataset_absolute(dataset->member ? dataset->name : dataset->path) : NULL, *mark = NULL;
  if (path && stat(dataset->path, &facts) == 0)
    mark = text_format("%s: %lld bytes of %lld.%09ld, inode %llu", path, (long long)facts.st_size,
                       (long long)facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec, (unsigned long long)facts.st_ino);
  free(path);
  return mark;
}

char *dataset_checked_mark(const Dataset *dataset, const TensorRecord *record) {
  char *mark = dataset_mark(dataset);
  char *checked =
      mark ? text_format("%s, %s %.17g..%.17g", mark, record->bounded ? "in" : "scaled to", record->low, record->high)
           : NULL;
  free(mark);
  return checked;
}

bool dataset_has_mark(const Dataset *dataset, const char *known) {
  char *mark = dataset_mark(dataset);
  size_t length = mark ? strlen(mark) : 0;
  bool same = mark && strncmp(mark, known, length) == 0 && (known[length] == 0 || known[length] == ',');
  free(mark);
  return same;
}
