/* How fast the processor can multiply and add: the yardstick of `bench`. Takes the pool; returns fused multiply-adds a
   second, times 2, of all its workers together, measured now. Registers only, so no memory is in the way; as many
   independent sums as hide the latency. Never used while training. */
#include "runtime/runtime.h"

#include <immintrin.h>

enum { TURNS = 200000, TRIALS = 7, SUMS = 12 };

typedef double (*Loop)(void); /* runs TURNS * SUMS fused multiply-adds of its width, returns something of the results */

/* One loop per width and type: SUMS accumulators that all multiply by a number just below 1, so that they stay finite
   and normal. */
#define PEAK_LOOP(name, features, Vector, set, fma, store, Element, lanes) \
  __attribute__((target(features))) static double name(void) { \
    Vector sum[SUMS], factor = set((Element)0.999), term = set((Element)0.001); \
    for (int k = 0; k < SUMS; k++) sum[k] = set((Element)k); \
    for (int turn = 0; turn < TURNS; turn++) { \
      PEAK_EACH(fma) \
      __asm__ volatile("" : "+x"(factor), "+x"(term)); \
    } \
    Element out[lanes], total = 0; \
    for (int k = 0; k < SUMS; k++) { \
      store(out, sum[k]); \
      total += out[0]; \
    } \
    return (double)total; \
  }
#define PEAK_ONE(fma, k) sum[k] = fma(sum[k], factor, term);
/* clang-format off */
#define PEAK_EACH(fma) \
  PEAK_ONE(fma, 0) PEAK_ONE(fma, 1) PEAK_ONE(fma, 2) PEAK_ONE(fma, 3) PEAK_ONE(fma, 4) PEAK_ONE(fma, 5) \
  PEAK_ONE(fma, 6) PEAK_ONE(fma, 7) PEAK_ONE(fma, 8) PEAK_ONE(fma, 9) PEAK_ONE(fma, 10) PEAK_ONE(fma, 11)
/* clang-format on */

/* Without FMA: a product and a sum count the same two operations. */
#define PLAIN_F32(a, b, c) _mm_add_ps(_mm_mul_ps(a, b), c)
#define PLAIN_F64(a, b, c) _mm_add_pd(_mm_mul_pd(a, b), c)
PEAK_LOOP(loop_128_f32, "sse2", __m128, _mm_set1_ps, PLAIN_F32, _mm_storeu_ps, float, 4)
PEAK_LOOP(loop_128_f64, "sse2", __m128d, _mm_set1_pd, PLAIN_F64, _mm_storeu_pd, double, 2)
PEAK_LOOP(loop_256_f32, "avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_storeu_ps, float, 8)
PEAK_LOOP(loop_256_f64, "avx2,fma", __m256d, _mm256_set1_pd, _mm256_fmadd_pd, _mm256_storeu_pd, double, 4)
PEAK_LOOP(loop_512_f32, "avx512f,fma", __m512, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_storeu_ps, float, 16)
PEAK_LOOP(loop_512_f64, "avx512f,fma", __m512d, _mm512_set1_pd, _mm512_fmadd_pd, _mm512_storeu_pd, double, 8)

static const struct {
  int vector_bytes;
  Loop loops[2];
} widths[] = {
    {16, {loop_128_f32, loop_128_f64}}, {32, {loop_256_f32, loop_256_f64}}, {64, {loop_512_f32, loop_512_f64}}};

typedef struct Measurement {
  Loop loop;
  double results[THREAD_LIMIT];
} Measurement;

static void run_loop(void *context, int64_t chunk, int worker) {
  (void)worker;
  Measurement *measurement = context;
  measurement->results[chunk] = measurement->loop();
}

/* The best of every width that the processor has (the widest is not always the fastest), each the best of several
   trials: whatever disturbs makes it slower. */
double peak_flops(Pool *pool, bool f64) {
  double best = 0;
  int64_t chunks = pool_threads(pool);
  for (size_t k = 0; k < sizeof widths / sizeof *widths; k++) {
    if (widths[k].vector_bytes > pool_vector_bytes(pool)) continue;
    Measurement measurement = {.loop = widths[k].loops[f64]};
    int lanes = widths[k].vector_bytes / (f64 ? 8 : 4);
    for (int trial = 0; trial < TRIALS; trial++) {
      double start = seconds_now();
      pool_run(pool, run_loop, &measurement, chunks);
      double rate = 2.0 * TURNS * SUMS * lanes * (double)chunks / (seconds_now() - start);
      if (rate > best) best = rate;
    }
  }
  return best;
}
