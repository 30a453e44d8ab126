/* peak THREADS: float32 multiply-adds a second, times 2, in GFLOP/s, from registers; the best of ten short runs.
   Compile with -O2 -march=native. */
#include <immintrin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined __AVX512F__
typedef __m512 Vector;
enum { LANES = 16 };
#define VECTOR_FILL _mm512_set1_ps
#define VECTOR_FMA _mm512_fmadd_ps
#else
typedef __m256 Vector;
enum { LANES = 8 };
#define VECTOR_FILL _mm256_set1_ps
#define VECTOR_FMA _mm256_fmadd_ps
#endif
enum { CHAINS = 12, ROUNDS = 2000000, RUNS = 10 };

typedef struct Worker {
  pthread_t thread;
  pthread_barrier_t *barrier;
  double seconds[RUNS];
} Worker;

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Twelve independent chains: enough for two units of four cycles each. */
static void *worker_run(void *context) {
  Worker *worker = context;
  Vector sums[CHAINS], a = VECTOR_FILL(0.999f), b = VECTOR_FILL(1e-3f);
  for (int chain = 0; chain < CHAINS; chain++) sums[chain] = VECTOR_FILL((float)chain);
  for (int run = 0; run < RUNS; run++) {
    pthread_barrier_wait(worker->barrier);
    double start = seconds_now();
    for (int round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 12
      for (int chain = 0; chain < CHAINS; chain++) sums[chain] = VECTOR_FMA(sums[chain], a, b);
    }
    worker->seconds[run] = seconds_now() - start;
    for (int chain = 0; chain < CHAINS; chain++) __asm__ volatile("" : "+v"(sums[chain]));
  }
  return NULL;
}

int main(int count, char **arguments) {
  int threads = count > 1 ? atoi(arguments[1]) : 1;
  if (threads < 1 || threads > 1024) return 2;
  Worker *workers = calloc((size_t)threads, sizeof *workers);
  pthread_barrier_t barrier;
  double best = 0;
  if (!workers) return 1;
  pthread_barrier_init(&barrier, NULL, (unsigned)threads);
  for (int at = 0; at < threads; at++) {
    workers[at].barrier = &barrier;
    pthread_create(&workers[at].thread, NULL, worker_run, &workers[at]);
  }
  for (int at = 0; at < threads; at++) pthread_join(workers[at].thread, NULL);
  for (int run = 0; run < RUNS; run++) {
    double rate = 0;
    for (int at = 0; at < threads; at++) rate += 2e-9 * LANES * CHAINS * ROUNDS / workers[at].seconds[run];
    if (rate > best) best = rate;
  }
  printf("%.1f\n", best);
  free(workers);
  return 0;
}
