/* The sliced Wasserstein-1 distance of two sets of points: the mean, over random directions, of the distance between
   the sorted projections. Takes two row-major float32 arrays of the same shape; returns one number, the same for any
   number of threads, as each direction is worked out by one thread and the results are added in order. Never samples
   the points: all of them count. */
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/io.h"

enum { LANES = 16, ROWS = 4 }; /* directions at once; points that share a load of them */
typedef float Lanes __attribute__((vector_size(4 * LANES)));

typedef struct Work {
  const float *sets[2];
  int64_t n, size;
  int directions, threads;
  uint64_t seed;
  double *distances; /* one a direction */
} Work;

typedef struct Worker {
  const Work *work;
  int number;
  Lanes *weights;        /* [size]: LANES directions side by side */
  float *projections[2]; /* [LANES, n] of each set */
  uint32_t *spare;       /* [2, n] */
} Worker;

/* ---- directions: uniform on the sphere, each a function of (seed, number) ---------------------------------------- */

static uint64_t next_random(uint64_t *state) { /* SplitMix64 */
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

static double next_normal(uint64_t *state) {
  double u = ((double)(next_random(state) >> 11) + 1) * 0x1p-53, v = (double)(next_random(state) >> 11) * 0x1p-53;
  return sqrt(-2 * log(u)) * cos(2 * acos(-1.0) * v);
}

static void make_direction(const Work *work, int direction, Lanes *weights, int lane) {
  int64_t key[2] = {(int64_t)work->seed, direction};
  uint64_t start = hash_fnv(hash_text("sliced wasserstein"), key, sizeof key), state = start;
  double square = 0;
  for (int64_t i = 0; i < work->size; i++) {
    double normal = next_normal(&state);
    square += normal * normal;
  }
  state = start; /* the same numbers again, now of length 1 */
  for (int64_t i = 0; i < work->size; i++) weights[i][lane] = (float)(next_normal(&state) / sqrt(square));
}

/* ---- projections: [n, size] times [size, LANES] ------------------------------------------------------------------ */

static inline __attribute__((always_inline)) void project_body(const float *points, int64_t n, int64_t size,
                                                               const Lanes *weights, float *out) {
  for (int64_t first = 0; first < n; first += ROWS) {
    const float *rows[ROWS];
    Lanes sums[ROWS] = {0};
    for (int r = 0; r < ROWS; r++) rows[r] = points + (first + r < n ? first + r : n - 1) * size;
    for (int64_t i = 0; i < size; i++)
      for (int r = 0; r < ROWS; r++) sums[r] += rows[r][i] * weights[i];
    for (int r = 0; r < ROWS && first + r < n; r++)
      for (int lane = 0; lane < LANES; lane++) out[lane * n + first + r] = sums[r][lane];
  }
}

/* The same text for three widths; no fused operations, so the same bits. */
static void project_plain(const float *p, int64_t n, int64_t s, const Lanes *w, float *o) {
  project_body(p, n, s, w, o);
}
__attribute__((target("avx2"))) static void project_256(const float *p, int64_t n, int64_t s, const Lanes *w,
                                                        float *o) {
  project_body(p, n, s, w, o);
}
__attribute__((target("avx512f"))) static void project_512(const float *p, int64_t n, int64_t s, const Lanes *w,
                                                           float *o) {
  project_body(p, n, s, w, o);
}

static void project(const float *points, int64_t n, int64_t size, const Lanes *weights, float *out) {
  if (__builtin_cpu_supports("avx512f")) project_512(points, n, size, weights, out);
  else if (__builtin_cpu_supports("avx2")) project_256(points, n, size, weights, out);
  else project_plain(points, n, size, weights, out);
}

/* ---- sorting floats by their bits, three digits of 11 bits ------------------------------------------------------- */

static void sort_floats(float *values, int64_t n, uint32_t *spare) {
  enum { DIGIT = 11, BUCKETS = 1 << DIGIT };
  uint32_t *from = spare, *to = spare + n;
  for (int64_t i = 0; i < n; i++) { /* order of the bits = order of the numbers */
    uint32_t bits;
    memcpy(&bits, &values[i], 4);
    bits ^= bits >> 31 ? UINT32_MAX : UINT32_C(1) << 31;
    from[i] = bits;
  }
  for (int shift = 0; shift < 32; shift += DIGIT) {
    int64_t starts[BUCKETS] = {0}, sum = 0;
    for (int64_t i = 0; i < n; i++) starts[from[i] >> shift & (BUCKETS - 1)]++;
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
      int64_t count = starts[bucket];
      starts[bucket] = sum;
      sum += count;
    }
    for (int64_t i = 0; i < n; i++) to[starts[from[i] >> shift & (BUCKETS - 1)]++] = from[i];
    uint32_t *kept = from;
    from = to;
    to = kept;
  }
  for (int64_t i = 0; i < n; i++) {
    uint32_t bits = from[i] ^ (from[i] >> 31 ? UINT32_C(1) << 31 : UINT32_MAX);
    memcpy(&values[i], &bits, 4);
  }
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static void *run_worker(void *argument) {
  Worker *worker = argument;
  const Work *work = worker->work;
  int64_t n = work->n;
  for (int first = worker->number * LANES; first < work->directions; first += work->threads * LANES) {
    int count = work->directions - first < LANES ? work->directions - first : LANES;
    memset(worker->weights, 0, (size_t)work->size * sizeof *worker->weights);
    for (int lane = 0; lane < count; lane++) make_direction(work, first + lane, worker->weights, lane);
    for (int set = 0; set < 2; set++)
      project(work->sets[set], n, work->size, worker->weights, worker->projections[set]);
    for (int lane = 0; lane < count; lane++) {
      const float *a = worker->projections[0] + lane * n, *b = worker->projections[1] + lane * n;
      double sum = 0;
      for (int set = 0; set < 2; set++) sort_floats(worker->projections[set] + lane * n, n, worker->spare);
      for (int64_t i = 0; i < n; i++) sum += fabs((double)a[i] - b[i]);
      work->distances[first + lane] = sum / (double)n;
    }
  }
  return NULL;
}

static void worker_release(Worker *worker) {
  free(worker->weights);
  free(worker->projections[0]);
  free(worker->projections[1]);
  free(worker->spare);
}

static bool worker_start(Worker *worker, const Work *work, int number) {
  size_t bytes = (size_t)work->n * LANES * sizeof(float);
  *worker = (Worker){.work = work, .number = number};
  worker->weights = aligned_alloc(sizeof(Lanes), (size_t)work->size * sizeof(Lanes));
  for (int set = 0; set < 2; set++) worker->projections[set] = system_allocate(bytes);
  worker->spare = system_allocate(2 * (size_t)work->n * sizeof *worker->spare);
  return worker->weights && worker->projections[0] && worker->projections[1] && worker->spare;
}

static bool check_finite(const float *points, int64_t n, int64_t size, const char *which, Problem *problem) {
  for (int64_t i = 0; i < n * size; i++)
    if (!isfinite(points[i]))
      return problem_set(problem,
                         "value %" PRId64 " of sample %" PRId64 " of the %s set is %f: there is no distance to that",
                         i % size, i / size, which, (double)points[i]);
  return true;
}

bool metric_sliced_wasserstein(const float *a, const float *b, int64_t n, int64_t size, int directions, uint64_t seed,
                               int threads, double *distance, Problem *problem) {
  Worker workers[THREAD_LIMIT];
  pthread_t handles[THREAD_LIMIT];
  bool started[THREAD_LIMIT] = {0}, fine = true;
  int blocks = (directions + LANES - 1) / LANES;
  *distance = 0;
  if (n < 1 || size < 1 || directions < 1)
    return problem_set(problem, "a distance needs samples, elements and directions");
  if (!check_finite(a, n, size, "first", problem) || !check_finite(b, n, size, "second", problem)) return false;
  threads = threads < 1 ? 1 : threads > blocks ? blocks : threads;
  if (threads > THREAD_LIMIT) threads = THREAD_LIMIT;
  Work work = {.sets = {a, b}, .n = n, .size = size, .directions = directions, .threads = threads, .seed = seed};
  work.distances = system_allocate((size_t)directions * sizeof *work.distances);
  for (int i = 0; i < threads; i++) fine &= worker_start(&workers[i], &work, i);
  fine &= work.distances != NULL;
  if (fine) {
    for (int i = 1; i < threads; i++) started[i] = pthread_create(&handles[i], NULL, run_worker, &workers[i]) == 0;
    for (int i = 0; i < threads; i++)
      if (!started[i]) run_worker(&workers[i]); /* number 0, and those that the system has no thread for */
    for (int i = 1; i < threads; i++)
      if (started[i]) pthread_join(handles[i], NULL);
    for (int i = 0; i < directions; i++) *distance += work.distances[i] / directions;
  }
  for (int i = 0; i < threads; i++) worker_release(&workers[i]);
  free(work.distances);
  return fine || problem_out_of_memory(problem, "the projections", (size_t)n * LANES * sizeof(float));
}
