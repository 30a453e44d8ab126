/* Shuffling and supplies: every pass is a permutation, walks go on where they stopped, parts of a group stay
   together. */
#include "tests/unit/io_common.h"

#include <math.h>

START_TEST(every_pass_is_a_permutation) {
  static const int64_t counts[] = {1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 1000, 60000};
  for (size_t c = 0; c < LENGTH(counts); c++) {
    int64_t count = counts[c];
    char *seen = calloc((size_t)count, 1);
    for (int64_t pass = 0; pass < 4; pass++) {
      memset(seen, 0, (size_t)count);
      for (int64_t i = 0; i < count; i++) {
        int64_t index = permutation_index(5, hash_text("x"), count, pass * count + i);
        ck_assert(index >= 0 && index < count && !seen[index]);
        seen[index] = 1;
      }
    }
    free(seen);
  }
}
END_TEST

START_TEST(permutations_differ) {
  enum { COUNT = 1000 };
  static const struct {
    uint64_t seed;
    const char *name;
    int64_t pass;
  } rows[] = {{1, "x", 0}, {2, "x", 0}, {1, "y", 0}, {1, "x", 1}};
  int64_t lists[4][COUNT];
  for (int r = 0; r < 4; r++)
    permutation_indices(rows[r].seed, hash_text(rows[r].name), COUNT, rows[r].pass * COUNT, COUNT, lists[r]);
  for (int a = 0; a < 4; a++)
    for (int b = 0; b < a; b++) {
      int equal = 0;
      for (int i = 0; i < COUNT; i++) equal += lists[a][i] == lists[b][i];
      ck_assert_int_lt(equal, 10); /* 1 is expected */
    }
}
END_TEST

/* Where a sample comes in a pass is uniform, and independent of its neighbour's place: chi-square tests with 9 and 81
   degrees of freedom, far in their tails. */
START_TEST(permutations_are_fair) {
  enum { COUNT = 10, PASSES = 20000 };
  double places[COUNT][COUNT] = {{0}}, next[COUNT] = {0};
  for (int64_t pass = 0; pass < PASSES; pass++) {
    int64_t list[COUNT];
    permutation_indices(3, hash_text("z"), COUNT, pass * COUNT, COUNT, list);
    for (int i = 0; i < COUNT; i++) places[i][list[i]]++;
    for (int i = 0; i + 1 < COUNT; i++) next[(list[i + 1] - list[i] + COUNT) % COUNT]++;
  }
  double expected = PASSES / (double)COUNT, sum = 0, steps = 0;
  for (int i = 0; i < COUNT; i++)
    for (int k = 0; k < COUNT; k++) sum += (places[i][k] - expected) * (places[i][k] - expected) / expected;
  ck_assert_msg(sum < 160, "chi-square %g of 81", sum);
  expected = PASSES * (COUNT - 1.0) / (COUNT - 1);
  for (int i = 1; i < COUNT; i++) steps += (next[i] - expected) * (next[i] - expected) / expected;
  ck_assert_msg(steps < 40, "chi-square %g of 8", steps);
}
END_TEST

START_TEST(any_cut_gives_the_same_walk) {
  enum { COUNT = 37, LENGTH = 200 };
  int64_t whole[LENGTH], parts[LENGTH];
  permutation_indices(9, 4, COUNT, 0, LENGTH, whole);
  for (int step = 1; step < 50; step++) {
    for (int at = 0; at < LENGTH; at += step)
      permutation_indices(9, 4, COUNT, at, at + step < LENGTH ? step : LENGTH - at, parts + at);
    ck_assert_mem_eq(whole, parts, sizeof whole);
  }
}
END_TEST

/* ---- supplies ---------------------------------------------------------------------------------------------------- */

enum { X, Y, FRESH, Z, W, HALF, FRESH_HALF, Z_HALF, TENSORS, BATCH = 8 };

/* x: [2] and labels y together; t = fresh x; noise z, fed; noise w, not; x, t and z also under a batch of half the
   size. Sample i of the files is (i, -i), label i % 5. */
static void describe(TensorRecord *tensors) {
  static const int64_t none = -1;
  for (int i = 0; i < TENSORS; i++)
    tensors[i] = (TensorRecord){.role = ROLE_DATA,
                                .type = STORAGE_F32,
                                .rank = 2,
                                .shape = {BATCH, 2},
                                .stride = {1, BATCH},
                                .batch = 1,
                                .data = "x",
                                .group = none};
  tensors[X].name = "x", tensors[X].group = X;
  tensors[Y].name = tensors[Y].data = "y", tensors[Y].group = X, tensors[Y].rank = 1, tensors[Y].classes = 5;
  tensors[FRESH].name = "x.fresh_1";
  tensors[Z].name = "z", tensors[Z].role = ROLE_NOISE, tensors[Z].data = "";
  tensors[W].name = "w", tensors[W].role = ROLE_NOISE, tensors[W].data = "";
  tensors[HALF] = tensors[X], tensors[FRESH_HALF] = tensors[FRESH], tensors[Z_HALF] = tensors[Z];
  for (int i = HALF; i <= Z_HALF; i++) tensors[i].shape[0] = BATCH / 2;
}

static void write_files(int64_t count, int64_t fed) {
  float *rows = malloc((size_t)fed * 8);
  for (int64_t i = 0; i < 2 * fed; i++) rows[i] = (float)(i / 2);
  ck_assert(npy_write("z.npy", ELEMENT_F32, 2, (int64_t[]){fed, 2}, rows, NULL));
  free(rows);
  float *points = malloc((size_t)count * 8);
  int32_t *labels = malloc((size_t)count * 4);
  for (int64_t i = 0; i < count; i++)
    points[2 * i] = (float)i, points[2 * i + 1] = -(float)i, labels[i] = (int32_t)(i % 5);
  ck_assert(npy_write("x.npy", ELEMENT_F32, 2, (int64_t[]){count, 2}, points, NULL));
  ck_assert(npy_write("y.npy", ELEMENT_I32, 1, (int64_t[]){count}, labels, NULL));
  ck_assert(npy_write("short.npy", ELEMENT_I32, 1, (int64_t[]){count - 1}, labels, NULL));
  free(points);
  free(labels);
}

typedef struct Values {
  float x[2 * BATCH], y[BATCH], fresh[2 * BATCH], z[2 * BATCH], w[2 * BATCH];
} Values;
static bool draw(Supply *supply, Values *values, Rows rows, Problem *problem) {
  static const int64_t list[] = {X, Y, FRESH, Z, W};
  void *const buffers[] = {values->x, values->y, values->fresh, values->z, values->w};
  bool filled[LENGTH(list)], fine;
  memset(values, 0, sizeof *values);
  fine = supply_fill(supply, list, buffers, LENGTH(list), rows, filled, problem);
  if (fine) ck_assert(filled[0] && filled[1] && filled[2] && filled[3] == (rows.fed > 0) && !filled[4]);
  return fine;
}

static bool draw_half(Supply *supply, Values *values) {
  bool filled[3];
  memset(values, 0, sizeof *values);
  return supply_fill(supply, (const int64_t[]){HALF, FRESH_HALF, Z_HALF},
                     (void *const[]){values->x, values->fresh, values->z}, 3, (Rows){.fed = BATCH}, filled, NULL);
}

static Supply *open_supply(const TensorRecord *tensors, uint64_t seed) {
  Problem problem = {""};
  Supply *supply = supply_new(tensors, TENSORS, seed, &problem);
  ck_assert_msg(supply_check(supply, &problem), "%s", problem.text); /* data that nothing reads need no source */
  ck_assert_msg(supply_add_feed(supply, Z, "z.npy", &problem), "%s", problem.text);
  ck_assert_msg(supply_add_data(supply, X, "x.npy", DATA_TRAIN, &problem), "%s", problem.text);
  ck_assert_msg(supply_add_data(supply, Y, "y.npy", DATA_TRAIN, &problem), "%s", problem.text);
  ck_assert_msg(supply_check(supply, &problem), "%s", problem.text);
  return supply;
}

static const Rows training = {.fed = BATCH};
static Rows output_rows(int64_t first) { return (Rows){.apart = "fakes", .first = first}; }

START_TEST(groups_walk_together_and_fresh_apart) {
  char folder[32];
  enter_folder(folder);
  TensorRecord tensors[TENSORS];
  Values values;
  Problem problem = {""};
  describe(tensors);
  write_files(101, 101);
  Supply *supply = open_supply(tensors, 1);
  ck_assert(supply_is_fed(supply, Z) && supply_is_fed(supply, Z_HALF) && !supply_is_fed(supply, W) &&
            !supply_is_fed(supply, X));
  ck_assert_int_eq(supply_dataset(supply, FRESH_HALF)->count, 101);
  ck_assert_int_eq(supply_sample_count(supply, X), 101);
  int seen[101] = {0}, fresh_equal = 0;
  for (int turn = 0; turn < 12; turn++) { /* 96 samples: within the first pass */
    ck_assert_msg(draw(supply, &values, training, &problem), "%s", problem.text);
    for (int i = 0; i < BATCH; i++) {
      ck_assert(values.x[BATCH + i] == -values.x[i] && values.y[i] == (float)((int)values.x[i] % 5));
      ck_assert(values.z[i] == (float)(turn * BATCH + i) && values.w[i] == 0);
      ck_assert_int_eq(seen[(int)values.x[i]]++, 0);
      fresh_equal += values.fresh[i] == values.x[i];
    }
  }
  ck_assert_int_lt(fresh_equal, 10);
  ck_assert(!draw(supply, &values, training, &problem)); /* the feed has 101 rows */
  ck_assert_says(problem, "z.npy has 101 rows, this evaluation needs rows 96 to 103");
  supply_free(supply);
  leave_folder(folder);
}
END_TEST

/* Whatever the batch: one walk, one feed. Two halves are a whole. */
START_TEST(batches_of_any_size_share_a_walk) {
  char folder[32];
  enter_folder(folder);
  TensorRecord tensors[TENSORS];
  Values whole, half;
  describe(tensors);
  write_files(20, 101); /* batches that span passes */
  Supply *supply = open_supply(tensors, 1), *twin = open_supply(tensors, 1);
  for (int turn = 0; turn < 6; turn++) {
    ck_assert(draw(supply, &whole, training, NULL));
    for (int part = 0; part < 2; part++) {
      ck_assert(draw_half(twin, &half));
      for (int i = 0; i < BATCH / 2; i++) {
        int at = part * BATCH / 2 + i;
        ck_assert(half.x[i] == whole.x[at] && half.fresh[i] == whole.fresh[at] && half.z[i] == whole.z[at]);
      }
    }
  }
  supply_free(supply);
  supply_free(twin);
  leave_folder(folder);
}
END_TEST

/* An output takes the rows it says, of walks of its own, and moves nothing; it is not fed unless it asks, and then by
   as many rows as it wants. */
START_TEST(outputs_move_nothing) {
  char folder[32];
  enter_folder(folder);
  TensorRecord tensors[TENSORS];
  Values values, output, other;
  Problem problem = {""};
  describe(tensors);
  write_files(101, 101);
  Supply *supply = open_supply(tensors, 1), *twin = open_supply(tensors, 1);
  int equal = 0;
  for (int turn = 0; turn < 3; turn++) {
    ck_assert(draw(supply, &output, output_rows(turn), NULL));
    ck_assert(draw(supply, &values, training, NULL) && draw(twin, &other, training, NULL));
    ck_assert_mem_eq(&values, &other, sizeof values);
    ck_assert(draw(supply, &other, output_rows(turn), NULL));
    ck_assert_mem_eq(&output, &other, sizeof output);
    for (int i = 0; i < BATCH; i++) equal += output.x[i] == values.x[i];
  }
  ck_assert_int_lt(equal, 6);
  for (int i = 0; i < BATCH; i++)
    ck_assert(output.x[i] == (float)permutation_index(1, hash_text("x@fakes"), 101, 2 + i));
  ck_assert(draw(supply, &output, (Rows){.apart = "fakes", .first = 98, .fed = 3}, &problem));
  for (int i = 0; i < BATCH; i++) ck_assert(output.z[i] == (float)(98 + i % 3));
  ck_assert(!draw(supply, &output, (Rows){.apart = "fakes", .first = 98, .fed = 4}, &problem));
  ck_assert_says(problem, "z.npy has 101 rows, this evaluation needs rows 98 to 101");
  supply_free(supply);
  supply_free(twin);
  leave_folder(folder);
}
END_TEST

/* Stopped after any number of draws and gone on from the positions alone. */
START_TEST(resumes_anywhere) {
  char folder[32];
  enter_folder(folder);
  TensorRecord tensors[TENSORS];
  enum { TURNS = 9 };
  Values whole[TURNS], values;
  describe(tensors);
  write_files(20, 72); /* batches of 8: passes end within them */
  Supply *supply = open_supply(tensors, 7);
  for (int turn = 0; turn < TURNS; turn++) ck_assert(draw(supply, &whole[turn], training, NULL));
  supply_free(supply);
  for (int stop = 0; stop < TURNS; stop++) {
    Supply *first = open_supply(tensors, 7), *second = open_supply(tensors, 7);
    for (int turn = 0; turn < stop; turn++) ck_assert(draw(first, &values, training, NULL));
    size_t count;
    const NamedCount *positions = supply_positions(first, &count);
    for (size_t i = 0; i < count; i++) ck_assert(supply_seek(second, positions[i].name, positions[i].value, NULL));
    ck_assert(supply_seek(second, "x@fakes", 5, NULL) &&
              supply_seek(second, "x/4", 5, NULL)); /* of older checkpoints */
    for (int turn = stop; turn < TURNS; turn++) {
      ck_assert(draw(second, &values, training, NULL));
      ck_assert_mem_eq(&values, &whole[turn], sizeof values);
    }
    if (stop == TURNS - 1) {
      static const char *const names[] = {"x", "x.fresh_1", "feed z"};
      ck_assert_uint_eq(count, LENGTH(names));
      for (size_t i = 0; i < count; i++) {
        ck_assert_str_eq(positions[i].name, names[i]);
        ck_assert_int_eq(positions[i].value, stop * BATCH);
      }
    }
    supply_free(first);
    supply_free(second);
  }
  leave_folder(folder);
}
END_TEST

START_TEST(refuses_what_does_not_fit) {
  char folder[32];
  enter_folder(folder);
  TensorRecord tensors[TENSORS];
  Problem problem = {""};
  describe(tensors);
  write_files(50, 50);
  Supply *supply = supply_new(tensors, TENSORS, 1, NULL);
  ck_assert(!supply_add_data(supply, X, "y.npy", DATA_TRAIN, &problem));
  ck_assert_says(problem, "data x: y.npy: samples are [], x is declared as [2]");
  ck_assert(!supply_add_data(supply, X, "x.npy", DATA_HELD_OUT, &problem));
  ck_assert_says(problem, "no held-out part");
  ck_assert(!supply_add_feed(supply, Z, "y.npy", &problem));
  ck_assert_says(problem, "feed z: y.npy");
  ck_assert(supply_add_data(supply, X, "x.npy", DATA_TRAIN, NULL) &&
            supply_add_data(supply, Y, "short.npy", DATA_TRAIN, NULL));
  ck_assert(!supply_check(supply, &problem));
  ck_assert_says(problem, "x and y are sampled together, but x.npy has 50 samples and short.npy 49");
  ck_assert(!supply_seek(supply, "x", -1, &problem));
  supply_free(supply);
  leave_folder(folder);
}
END_TEST

CHECK_MAIN(.tests = {every_pass_is_a_permutation, permutations_differ, permutations_are_fair,
                     any_cut_gives_the_same_walk, groups_walk_together_and_fresh_apart,
                     batches_of_any_size_share_a_walk, outputs_move_nothing, resumes_anywhere,
                     refuses_what_does_not_fit})
