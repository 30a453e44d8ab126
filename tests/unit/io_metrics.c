/* Metrics on distributions whose distances are known. */
#include "tests/unit/io_common.h"
#include "tests/unit/random_numbers.h"

#include <math.h>

static float *normals(int64_t count, uint64_t seed, double scale) {
  Random random = {seed};
  float *values = malloc((size_t)count * sizeof *values);
  for (int64_t i = 0; i < count; i++) {
    double u = 1 - random_between(&random, 0, 1), v = random_between(&random, 0, 1);
    values[i] = (float)(scale * sqrt(-2 * log(u)) * cos(2 * acos(-1.0) * v));
  }
  return values;
}

static double distance(const float *a, const float *b, int64_t n, int64_t size, int directions, int threads) {
  double result;
  Problem problem = {""};
  ck_assert_msg(metric_sliced_wasserstein(a, b, n, size, directions, 1, threads, &result, &problem), "%s",
                problem.text);
  return result;
}

START_TEST(one_dimension_is_exact) {
  static const float a[5] = {3, -1, 0.5f, 2, -7}, b[5] = {0, 1, 100, -2, 4};
  /* sorted: -7 -1 .5 2 3 and -2 0 1 4 100: (5 + 1 + .5 + 2 + 97) / 5, in either direction */
  ck_assert(fabs(distance(a, b, 5, 1, 40, 1) - 21.1) < 1e-5);
  ck_assert(distance(a, a, 5, 1, 40, 1) == 0);
}
END_TEST

/* Moved by a vector v, every projection moves by <direction, v>: the mean of |cos| over the sphere times |v|. */
START_TEST(a_shift) {
  enum { N = 1000, SIZE = 3 };
  float *a = normals(N * SIZE, 4, 1), *b = malloc(N * SIZE * sizeof *b);
  for (int i = 0; i < N * SIZE; i++) b[i] = a[i] + (i % SIZE == 0 ? 2.0f : 0);
  ck_assert(fabs(distance(a, b, N, SIZE, 4096, 2) - 1) < 0.02); /* in space the mean of |cos| is 1/2 */
  free(a);
  free(b);
}
END_TEST

/* N(0,1) against N(0,9): each projection is a normal, the distance E|x| (3 - 1) = 2 sqrt(2/pi). */
START_TEST(a_scale) {
  enum { N = 20000, SIZE = 5 };
  float *a = normals(N * SIZE, 4, 1), *b = normals(N * SIZE, 5, 3);
  ck_assert(fabs(distance(a, b, N, SIZE, 64, 2) - 2 * sqrt(2 / acos(-1.0))) < 0.03);
  free(a);
  free(b);
}
END_TEST

START_TEST(threads_change_no_bit) {
  enum { N = 333, SIZE = 37 };
  float *a = normals(N * SIZE, 4, 1), *b = normals(N * SIZE, 5, 2);
  for (int directions = 1; directions <= 100; directions += 33) {
    double one = distance(a, b, N, SIZE, directions, 1);
    static const int counts[] = {2, 3, 7, 100};
    for (int i = 0; i < 4; i++) ck_assert(distance(a, b, N, SIZE, directions, counts[i]) == one);
  }
  free(a);
  free(b);
}
END_TEST

START_TEST(what_is_not_finite_is_refused) {
  float a[6] = {1, 2, 3, 4, NAN, 6}, b[6] = {0};
  double result;
  Problem problem;
  ck_assert(!metric_sliced_wasserstein(a, b, 3, 2, 8, 1, 1, &result, &problem));
  ck_assert_says(problem, "value 0 of sample 2 of the first set is nan");
  ck_assert(!metric_sliced_wasserstein(b, b, 0, 2, 8, 1, 1, &result, &problem));
}
END_TEST

START_TEST(pair_distance) {
  static const float square[8] = {0, 0, 1, 0, 1, 1, 0, 1};
  ck_assert(fabs(metric_mean_pair_distance(square, 4, 2, 1) - (4 + 2 * sqrt(2)) / 6) < 1e-12);
  ck_assert(metric_mean_pair_distance(square, 1, 2, 1) == 0);
  enum {
    N = 5000,
    SIZE = 10
  }; /* |x - y| / sqrt 2 of normals has a chi distribution with 10 degrees of freedom: its mean is 3.0843 */
  float *a = normals(N * SIZE, 4, 1);
  ck_assert(fabs(metric_mean_pair_distance(a, N, SIZE, 1) - 3.0843 * sqrt(2)) < 0.02);
  free(a);
}
END_TEST

START_TEST(modes) {
  Dataset *ring = dataset_open("ring(modes=8, radius=1, sigma=0.02, count=80000)", DATA_TRAIN, COLUMN_SAMPLES, NULL);
  ModeReport report = metric_modes(ring->mixture, ring->rows, ring->count);
  ck_assert(report.modes == 8 && report.covered == 8);
  ck_assert(fabs(report.high_quality - (1 - exp(-4.5))) < 0.002); /* Rayleigh within 3 sigma */
  ck_assert(report.reverse_divergence < 1e-12);
  float half[8]; /* two modes of eight, one of four points off */
  for (int i = 0; i < 4; i++)
    for (int axis = 0; axis < 2; axis++) half[2 * i + axis] = (float)ring->mixture->center[i % 2][axis];
  half[0] += 0.2f;
  report = metric_modes(ring->mixture, half, 4);
  ck_assert(report.covered == 2 && report.high_quality == 0.75);
  ck_assert(fabs(report.reverse_divergence - log(4)) < 1e-12);
  half[0] = NAN;
  report = metric_modes(ring->mixture, half, 4);
  ck_assert(report.covered == 2 && report.high_quality == 0.75);
  report = metric_modes(ring->mixture, half, 1);
  ck_assert(report.covered == 0 && report.high_quality == 0 && isinf(report.reverse_divergence));
  dataset_close(ring);
}
END_TEST

CHECK_MAIN(.tests = {one_dimension_is_exact, a_shift, a_scale, threads_change_no_bit, what_is_not_finite_is_refused,
                     pair_distance, modes})
