/* Data files: .npy, IDX and gzip, built-in mixtures, Fashion-MNIST's cache; filling tensors in any strides. */
#include "tests/unit/access_list.h"
#include "tests/unit/io_packed.h"

#include <math.h>
#include <sys/stat.h>

#include "runtime/data/source.h"

/* ---- .npy -------------------------------------------------------------------------------------------------------- */

START_TEST(npy_round_trip) {
  char folder[32];
  enter_folder(folder);
  static const float values[6] = {1, 2, 3, 4, 5, 6.5f};
  Problem problem = {""};
  NpyArray array;
  for (int64_t rank = 0; rank <= 3; rank++) {
    static const int64_t shapes[4][3] = {{0}, {6}, {2, 3}, {3, 1, 2}};
    ck_assert_msg(npy_write("a.npy", ELEMENT_F32, rank, shapes[rank], values, &problem), "%s", problem.text);
    ck_assert_msg(npy_open("a.npy", &array, &problem), "%s", problem.text);
    ck_assert(array.type == ELEMENT_F32 && array.rank == rank && array.file.mapped);
    ck_assert_mem_eq(array.shape, shapes[rank], (size_t)rank * sizeof(int64_t));
    ck_assert_mem_eq(array.data, values, rank ? sizeof values : sizeof(float));
    ck_assert_uint_eq((uintptr_t)array.data % 64, 0);
    npy_close(&array);
  }
  leave_folder(folder);
}
END_TEST

START_TEST(npy_headers) {
#define NPY(descriptor, order, shape) "{'descr': '" descriptor "', 'fortran_order': " order ", 'shape': " shape ", }\n"
  static const struct {
    int major;
    const char *header;
    size_t data;
    const char *says;
  } rows[] = {
      {1, NPY("<f4", "False", "(2,)"), 8, NULL},
      {2, NPY("<f8", "False", "(2, 1)"), 16, NULL},
      {3, "{\"shape\":(3,),\"fortran_order\":True,\"descr\":\"|u1\"}", 3, NULL},
      {1, NPY("<i8", "False", "()"), 8, NULL},
      {4, NPY("<f4", "False", "(2,)"), 8, "version 4"},
      {1, NPY("<f4", "False", "(2,)"), 7, "cut short"},
      {1, NPY("<f4", "False", "(2,)"), 9, "has 9"},
      {1, NPY(">f4", "False", "(2,)"), 8, "astype"},
      {1, NPY("|O", "False", "(2,)"), 16, "astype"},
      {1, NPY("<f4", "True", "(2, 1)"), 8, "Fortran"},
      {1, NPY("<f4", "Maybe", "(2,)"), 8, "True or False"},
      {1, NPY("<f4", "False", "(-2,)"), 8, "an extent"},
      {1, NPY("<f4", "False", "(2 2)"), 8, "',' or ')'"},
      {1, NPY("<f4", "False", "(99999999999999999999,)"), 8, "2^63"},
      {1, NPY("<f4", "False", "(4611686018427387904, 8)"), 8, "overflows"},
      {1, NPY("<f4", "False", "(1,1,1,1,1,1,1,1,1)"), 4, "at most 8"},
      {1, "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 8, "there twice"},
      {1, "{'descr': '<f4', 'other': 1}", 8, "unknown"},
      {1, "{'descr': '<f4', 'shape': (2,)}", 8, "lacks"},
      {1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", 8, "records"},
      {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", 8, "nothing after"},
      {1, "", 0, "'{'"},
  };
  for (size_t i = 0; i < LENGTH(rows); i++) {
    uint8_t bytes[512];
    NpyArray array;
    Problem problem = {""};
    bool fine =
        npy_parse("test.npy", bytes, npy_with(bytes, rows[i].major, rows[i].header, rows[i].data), &array, &problem);
    ck_assert_msg(fine == !rows[i].says, "%s: %s", rows[i].header, problem.text);
    if (rows[i].says) ck_assert_says(problem, rows[i].says);
  }
}
END_TEST

START_TEST(npy_cut_anywhere) {
  uint8_t bytes[512];
  size_t size = npy_with(bytes, 1, NPY("<f4", "False", "(2, 3)"), 24);
  NpyArray array;
  ck_assert(npy_parse("whole", bytes, size, &array, NULL));
  for (size_t length = 0; length < size; length++) {
    uint8_t *cut = malloc(length + 1);
    Problem problem = {""};
    memcpy(cut, bytes, length);
    ck_assert(!npy_parse("cut", cut, length, &array, &problem));
    ck_assert_says(problem, "cut");
    free(cut);
  }
}
END_TEST

/* ---- IDX --------------------------------------------------------------------------------------------------------- */

static const uint8_t idx_images[] = {0, 0, 8, 3, 0, 0, 0,   2,  0,   0,   0,
                                     1, 0, 0, 0, 3, 0, 255, 51, 102, 204, 153}; /* [2, 1, 3] */

static bool idx_from(const uint8_t *bytes, size_t size, Problem *problem) {
  uint8_t *copy = malloc(size + 1); /* exactly so large, for the sanitizer's eyes */
  memcpy(copy, bytes, size);
  Dataset dataset = {.name = (char *)"test.idx"};
  bool fine = dataset_decode(&dataset, copy, size, problem);
  if (fine) ck_assert(dataset.count == 2 && dataset.rank == 2 && memcmp(dataset.rows, idx_images + 16, 6) == 0);
  free(dataset.owned);
  free(copy);
  return fine;
}

START_TEST(idx_plain_and_compressed) {
  Problem problem = {""};
  uint8_t packed[256], one[64];
  size_t size = compress_gzip(idx_images, sizeof idx_images, packed, sizeof packed);
  ck_assert_msg(idx_from(idx_images, sizeof idx_images, &problem), "%s", problem.text);
  ck_assert_msg(idx_from(packed, size, &problem), "%s", problem.text);
  for (size_t length = 0; length < sizeof idx_images; length++) ck_assert(!idx_from(idx_images, length, &problem));
  for (size_t length = 0; length < size; length++) {
    *problem.text = 0;
    ck_assert_msg(!idx_from(packed, length, &problem), "accepted %zu bytes of %zu", length, size);
    ck_assert_says(problem, "test.idx");
  }
  for (size_t bit = 0; bit < 8 * size;
       bit++) { /* gzip has a checksum: what passes must be equal, as idx_from asserts */
    packed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    idx_from(packed, size, &problem);
    packed[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  memcpy(one, idx_images, sizeof idx_images);
  ck_assert(!idx_from(one, sizeof idx_images + 1, &problem));
  ck_assert_says(problem, "needs 6 bytes, the file has 7");
  size = compress_gzip(one, sizeof idx_images + 1, packed, sizeof packed);
  ck_assert(!idx_from(packed, size, &problem));
  one[2] = 7;
  ck_assert(!idx_from(one, sizeof idx_images, &problem));
  ck_assert_says(problem, "type 0x07");
  one[2] = 8, one[4] = 0xff, one[8] = 0xff, one[12] = 0xff;
  ck_assert(!idx_from(one, sizeof idx_images, &problem));
  size = compress_gzip(one, sizeof idx_images, packed, sizeof packed);
  ck_assert(!idx_from(packed, size, &problem)); /* and without asking for 2^90 bytes */
  one[4] = 0, one[8] = 0x10, one[12] = 0;
  size = compress_gzip(one, sizeof idx_images, packed, sizeof packed);
  ck_assert(!idx_from(packed, size, &problem));
  ck_assert_says(problem, "needs 1610612742 bytes, the file has 6; it was cut short");
}
END_TEST

START_TEST(idx_byte_order) {
  static const uint8_t bytes[] = {0, 0, 0x0d, 1, 0, 0, 0, 2, 0x3f, 0x80, 0, 0, 0xc0, 0x40, 0, 0};
  Dataset dataset = {.name = (char *)"floats"};
  ck_assert(dataset_decode(&dataset, bytes, sizeof bytes, NULL));
  ck_assert(element_read(dataset.type, dataset.rows, 0) == 1 && element_read(dataset.type, dataset.rows, 1) == -3);
  free(dataset.owned);
}
END_TEST

/* ---- specs ------------------------------------------------------------------------------------------------------- */

START_TEST(specs) {
  static const struct {
    const char *spec, *says;
  } rows[] = {
      {"rings", "no data set and no file called \"rings\""},
      {"nowhere/x.npy", "cannot open nowhere/x.npy"},
      {"ring(mode=8)", "has the parameters modes, radius, sigma and count, not \"mode\""},
      {"ring(modes=0)", "from 1 to 1024"},
      {"ring(modes=2.5)", "whole number"},
      {"ring(modes=nan)", "whole number"},
      {"ring(modes=8", "expected ',' or ')'"},
      {"ring(modes=8) x", "nothing may follow"},
      {"ring(sigma)", "must be a number"},
      {"grid(side=33)", "from 1 to 32"},
      {"text.txt", "is of no format that is read: .npy, .npz, IDX, or these compressed by gzip"},
      {"empty.npy", "is of no format that is read: .npy, .npz, IDX, or these compressed by gzip"},
  };
  char folder[32];
  enter_folder(folder);
  write_bytes("text.txt", "hello world", 11);
  write_bytes("empty.npy", "", 0);
  for (size_t i = 0; i < LENGTH(rows); i++) {
    Problem problem = {""};
    Dataset *dataset = dataset_open(rows[i].spec, DATA_TRAIN, COLUMN_SAMPLES, &problem);
    ck_assert_msg(!dataset, "accepted %s", rows[i].spec);
    ck_assert_says(problem, rows[i].says);
    ck_assert_ptr_null(dataset_open(rows[i].spec, DATA_TRAIN, COLUMN_SAMPLES, NULL));
  }
  leave_folder(folder);
}
END_TEST

START_TEST(mixtures) {
  Dataset *ring = dataset_open("ring( modes = 4, radius=2,sigma=0.5, count=40000 )", DATA_TRAIN, COLUMN_SAMPLES, NULL);
  Dataset *again = dataset_open("ring(modes=4,radius=2,sigma=0.5,count=40000)", DATA_TRAIN, COLUMN_SAMPLES, NULL);
  Dataset *held = dataset_open("ring(modes=4,radius=2,sigma=0.5,count=40000)", DATA_HELD_OUT, COLUMN_SAMPLES, NULL);
  Dataset *labels = dataset_open("ring(modes=4,count=40000)", DATA_TRAIN, COLUMN_LABELS, NULL);
  Dataset *chosen = dataset_open("ring(modes=4,radius=2,sigma=0.5,count=40000)", DATA_CHOSEN, COLUMN_SAMPLES, NULL);
  ck_assert(ring && again && held && labels && chosen && ring->divided);
  ck_assert_mem_eq(held->rows, chosen->rows, 40000 * 8);
  dataset_close(chosen);
  ck_assert(ring->count == 40000 && ring->rank == 1 && ring->shape[0] == 2 && ring->mixture->modes == 4);
  ck_assert_mem_eq(ring->rows, again->rows, 40000 * 8);
  ck_assert(memcmp(ring->rows, held->rows, 40000 * 8) != 0);
  double sums[4][4] = {{0}};
  for (int64_t i = 0; i < ring->count; i++) {
    int mode = (int)element_read(labels->type, labels->rows, i);
    for (int axis = 0; axis < 2; axis++) {
      double offset = element_read(ring->type, ring->rows, 2 * i + axis) - ring->mixture->center[mode][axis];
      sums[mode][axis] += offset / 10000;
      sums[mode][2 + axis] += offset * offset / 10000;
    }
  }
  for (int mode = 0; mode < 4; mode++) {
    ck_assert(fabs(sums[mode][0]) < 0.02 && fabs(sums[mode][1]) < 0.02);
    ck_assert(fabs(sums[mode][2] - 0.25) < 0.015 && fabs(sums[mode][3] - 0.25) < 0.015);
    ck_assert(fabs(hypot(ring->mixture->center[mode][0], ring->mixture->center[mode][1]) - 2) < 1e-12);
  }
  dataset_close(ring), dataset_close(again), dataset_close(held), dataset_close(labels);
}
END_TEST

START_TEST(fashion_is_cached) {
  char folder[32];
  enter_folder(folder);
  uint8_t packed[256];
  size_t size = compress_gzip(idx_images, sizeof idx_images, packed, sizeof packed);
  setenv("XDG_CACHE_HOME", folder, 1);
  setenv("GANC_DATA", folder, 1);
  Problem problem = {""};
  ck_assert_ptr_null(dataset_open("fashion-mnist", DATA_TRAIN, COLUMN_SAMPLES, &problem));
  ck_assert_says(problem, "GANC_DATA");
  write_bytes("train-images-idx3-ubyte.gz", packed, size);
  write_bytes("t10k-images-idx3-ubyte", idx_images, sizeof idx_images);
  for (int turn = 0; turn < 3; turn++) {
    Dataset *dataset = dataset_open("fashion-mnist", DATA_TRAIN, COLUMN_SAMPLES, &problem);
    ck_assert_msg(dataset != NULL, "%s", problem.text);
    ck_assert(dataset->count == 2 && dataset->shape[1] == 3 && memcmp(dataset->rows, idx_images + 16, 6) == 0);
    ck_assert(dataset->file.mapped == (turn > 0)); /* the second start maps the decoded file */
    dataset_keep(dataset);
    dataset_close(dataset);
    if (turn == 1) ck_assert_int_eq(system("for f in ganc/data-*.npy; do truncate -s 70 $f; done"), 0);
    if (turn == 1) {
      dataset = dataset_open("fashion-mnist", DATA_TRAIN, COLUMN_SAMPLES, &problem); /* a damaged cache is made again */
      ck_assert_msg(dataset && !dataset->file.mapped, "%s", problem.text);
      dataset_keep(dataset);
      dataset_close(dataset);
    }
  }
  Dataset *dataset = dataset_open("fashion-mnist", DATA_HELD_OUT, COLUMN_SAMPLES, &problem);
  ck_assert_msg(dataset != NULL, "%s", problem.text);
  dataset_close(dataset);
  ck_assert_int_eq(chmod("ganc", 0500), 0); /* no cache can be written: only slower */
  setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
  dataset = dataset_open("train-images-idx3-ubyte.gz", DATA_TRAIN, COLUMN_SAMPLES, &problem);
  ck_assert_msg(!dataset || dataset->count == 2, "%s", problem.text);
  dataset_keep(dataset);
  dataset_close(dataset);
  chmod("ganc", 0700);
  leave_folder(folder);
}
END_TEST

/* ---- filling ----------------------------------------------------------------------------------------------------- */

/* Every type of stored number, both types of tensors, batch innermost and outermost, whole blocks and remainders,
   against the definition. */
START_TEST(fills_by_the_definition) {
  enum { COUNT = 50, PLANES = 3, ROWS = 5, COLUMNS = 7, SIZE = PLANES * ROWS * COLUMNS };
  static uint8_t stored[COUNT * SIZE * 8 + 1];
  for (size_t i = 0; i < sizeof stored; i++) stored[i] = (uint8_t)(i * 37 + i / 256);
  for (int type = 0; type < ELEMENT_TYPE_COUNT; type++) {
    Dataset dataset = {.name = (char *)"test",
                       .type = (ElementType)type,
                       .rank = 3,
                       .shape = {PLANES, ROWS, COLUMNS},
                       .size = SIZE,
                       .count = COUNT,
                       .rows = stored + 1}; /* no alignment */
    for (int layout = 0; layout < 8; layout++) {
      int64_t n = layout & 1 ? 37 : 32;
      bool outer = layout & 2, wide = layout & 4;
      TensorRecord record = {.name = "x",
                             .type = wide ? STORAGE_F64 : STORAGE_F32,
                             .rank = 4,
                             .shape = {n, PLANES, ROWS, COLUMNS},
                             .batch = 1,
                             .low = -1,
                             .high = 3};
      int64_t inner[4] = {1, ROWS * COLUMNS * n, COLUMNS * n, n}, dense[4] = {SIZE, ROWS * COLUMNS, COLUMNS, 1};
      memcpy(record.stride, outer ? dense : inner, sizeof inner);
      Problem problem = {""};
      ck_assert_msg(dataset_fits(&dataset, &record, &problem), "%s", problem.text);
      int64_t indices[64];
      for (int64_t i = 0; i < n; i++) indices[i] = i * 17 % COUNT;
      double *data = malloc((size_t)(n * SIZE) * 8);
      dataset_fill(&dataset, indices, n, &record, data);
      for (int64_t i = 0; i < n; i++)
        for (int64_t e = 0; e < SIZE; e++) {
          double value = element_read(dataset.type, dataset.rows, indices[i] * SIZE + e);
          if (type == ELEMENT_U8) value = -1 + value / 255 * 4; /* bytes are scaled, nothing else */
          if (type == ELEMENT_I8) value = -1 + (value + 128) / 255 * 4;
          int64_t at = i * record.stride[0] + e / (ROWS * COLUMNS) * record.stride[1] +
                       e / COLUMNS % ROWS * record.stride[2] + e % COLUMNS * record.stride[3];
          double found = wide ? data[at] : (double)((float *)data)[at];
          if (isnan(value)) ck_assert(isnan(found));
          else if (isinf((float)value)) ck_assert(wide ? found == value : isinf(found));
          else
            ck_assert_msg(fabs(found - value) <= (wide ? 1e-14 : 1e-6) * (1 + fabs(value)), "%s: %.17g for %.17g",
                          element_name(dataset.type), found, value);
        }
      free(data);
    }
  }
}
END_TEST

START_TEST(ends_of_the_range_are_exact) {
  static const uint8_t bytes[2] = {0, 255};
  Dataset dataset = {.name = (char *)"two", .type = ELEMENT_U8, .size = 1, .count = 2, .rows = bytes};
  TensorRecord record = {
      .name = "x", .type = STORAGE_F32, .rank = 1, .shape = {2}, .stride = {1}, .batch = 1, .low = -1, .high = 1};
  float values[2];
  dataset_fill(&dataset, (int64_t[]){0, 1}, 2, &record, values);
  ck_assert(values[0] == -1 && values[1] == 1);
  record.low = record.high = 0;
  dataset_fill(&dataset, (int64_t[]){1, 0}, 2, &record, values);
  ck_assert(values[0] == 255 && values[1] == 0); /* no range: as they are */
}
END_TEST

/* ---- checking ---------------------------------------------------------------------------------------------------- */

static void store(ElementType type, uint8_t *rows, int64_t at, double value) {
  float single = (float)value;
  int8_t i8 = fabs(value) <= INT8_MAX ? (int8_t)value : 0; /* C leaves open what a number becomes that does not fit */
  int16_t i16 = i8;
  int32_t i32 = i8;
  int64_t i64 = i8;
  uint16_t half = isnan(value)   ? 0x7e00
                  : isinf(value) ? 0x7c00
                  : value == 0.5 ? 0x3800
                                 : 0x4900; /* NaN, infinity, 1/2, 10 */
  const void *const from[ELEMENT_TYPE_COUNT] = {
      [ELEMENT_I8] = &i8,    [ELEMENT_I16] = &i16,    [ELEMENT_I32] = &i32,  [ELEMENT_I64] = &i64,
      [ELEMENT_F16] = &half, [ELEMENT_F32] = &single, [ELEMENT_F64] = &value};
  memcpy(rows + (size_t)at * element_bytes(type), from[type], element_bytes(type));
}

/* One number that is none, or too large, at every place of data of every size: found, and named by row and element. */
START_TEST(every_number_is_read) {
  double large[2] = {0, -1e300};
  Dataset wide = {.name = (char *)"wide", .type = ELEMENT_F64, .size = 1, .count = 2, .rows = large};
  TensorRecord single = {.name = "x", .type = STORAGE_F32};
  Problem told = {""};
  ck_assert(!dataset_check(&wide, &single, false, &told));
  ck_assert_says(told, "wide: row 1 is -1e+300, more than float32 holds");
  single.type = STORAGE_F64;
  ck_assert(dataset_check(&wide, &single, false, &told));
  static const ElementType types[] = {ELEMENT_I16, ELEMENT_I32, ELEMENT_I64, ELEMENT_F16, ELEMENT_F32, ELEMENT_F64};
  enum { MOST = 50 };
  static uint8_t stored[2 * MOST * 8 + 1];
  for (size_t t = 0; t < LENGTH(types); t++)
    for (int64_t count = 1; count <= MOST; count++) {
      bool whole = element_is_integer(types[t]);
      Dataset dataset = {.name = (char *)"test",
                         .type = types[t],
                         .rank = 1,
                         .shape = {2},
                         .size = 2,
                         .count = count,
                         .rows = stored + 1}; /* no alignment */
      TensorRecord record = {.name = "x", .rank = 2, .shape = {4, 2}, .batch = 1, .low = 0, .high = 1, .bounded = 1};
      Problem problem = {""};
      for (int64_t at = 0; at < 2 * count; at++) store(types[t], stored + 1, at, whole ? 1 : 0.5);
      ck_assert_msg(dataset_check(&dataset, &record, false, &problem), "%s", problem.text);
      for (int64_t at = 0; at < 2 * count; at++)
        for (int kind = 0; kind < (whole ? 1 : 3); kind++) {
          char place[64];
          store(types[t], stored + 1, at, kind == 0 ? 10 : kind == 1 ? (double)INFINITY : (double)NAN);
          ck_assert(!dataset_check(&dataset, &record, kind == 0, &problem));
          snprintf(place, sizeof place, "test: row %d, element [%d] is %s", (int)at / 2, (int)at % 2,
                   kind == 0   ? "10, but"
                   : kind == 1 ? "inf, and"
                               : "nan, and");
          ck_assert_says(problem, place);
          record.bounded = 0; /* without a range: only what is no number, and integers of no range */
          ck_assert_int_eq(dataset_check(&dataset, &record, false, &problem), !whole && kind == 0);
          ck_assert(dataset_check(&dataset, &record, true, &problem) == (kind == 0));
          record.bounded = 1;
          store(types[t], stored + 1, at, whole ? 1 : 0.5);
        }
    }
}
END_TEST

START_TEST(shapes_that_fit) {
  static const uint8_t labels[3] = {0, 9, 4};
  static const float halves[2] = {1, 0.5f};
  Dataset images = {.name = (char *)"images",
                    .type = ELEMENT_U8,
                    .rank = 2,
                    .shape = {28, 28},
                    .size = 784,
                    .count = 1,
                    .rows = labels};
  static const struct {
    int64_t rank, shape[4];
    const char *says;
  } rows[] = {
      {4, {64, 1, 28, 28}, NULL},
      {3, {64, 28, 28}, NULL},
      {2, {64, 784}, NULL},
      {3, {64, 14, 56}, "another order"},
      {2, {64, 783}, "declared as [783]"},
  };
  Problem problem;
  for (size_t i = 0; i < LENGTH(rows); i++) {
    TensorRecord record = {.name = "x", .rank = rows[i].rank, .batch = 1};
    memcpy(record.shape, rows[i].shape, sizeof rows[i].shape);
    *problem.text = 0;
    ck_assert_msg(dataset_fits(&images, &record, &problem) == !rows[i].says, "row %zu: %s", i, problem.text);
    if (rows[i].says) ck_assert_says(problem, rows[i].says);
  }
  Dataset classes = {.name = (char *)"labels", .type = ELEMENT_U8, .size = 1, .count = 3, .rows = labels};
  TensorRecord record = {.name = "y", .rank = 1, .shape = {64}, .batch = 1, .classes = 10};
  ck_assert(dataset_fits(&classes, &record, NULL));
  record.classes = 9;
  ck_assert(!dataset_fits(&classes, &record, &problem));
  ck_assert_says(problem, "row 1 is 9; y: class[9] takes whole numbers from 0 to 8");
  classes.type = ELEMENT_F32, classes.rows = halves, classes.count = 2;
  ck_assert(!dataset_fits(&classes, &record, &problem));
}
END_TEST

/* An array that is replaced; the mode's group bits are the most that the list gives to anybody. */
START_TEST(lists_of_rights_stay) {
  static const AccessList list = ACCESS_LIST;
  const int64_t shape[1] = {2};
  AccessList found;
  struct stat status;
  char folder[32];
  enter_folder(folder);
  ck_assert(npy_write("a.npy", ELEMENT_U8, 1, shape, "ab", NULL));
  if (setxattr("a.npy", ACCESS_LIST_NAME, &list, sizeof list, 0) == 0) { /* else the file system has none */
    ck_assert(npy_write("a.npy", ELEMENT_U8, 1, shape, "cd", NULL));
    ck_assert_int_eq(getxattr("a.npy", ACCESS_LIST_NAME, &found, sizeof found), sizeof found);
    ck_assert_mem_eq(&found, &list, sizeof list);
    ck_assert(stat("a.npy", &status) == 0 && (status.st_mode & 0777) == 0660);
  }
  leave_folder(folder);
}
END_TEST

CHECK_MAIN(.tests = {npy_round_trip, npy_headers, npy_cut_anywhere, idx_plain_and_compressed, idx_byte_order, specs,
                     mixtures, fashion_is_cached, lists_of_rights_stay, fills_by_the_definition,
                     ends_of_the_range_are_exact, every_number_is_read, shapes_that_fit})
