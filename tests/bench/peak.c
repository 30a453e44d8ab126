/* peak THREADS: what so many threads do at once, the best of ten short runs: float32 multiply-adds, times 2, in
   GFLOP/s, from registers; and GB/s of memory that is read and written in place, both counted. */
#include "rates.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { RUNS = 10, THREAD_LIMIT = 1024, MEMORY_BYTES = 256 << 20 };

typedef struct Worker {
  pthread_t thread;
  pthread_barrier_t *barrier;
  int vector_bytes;
  void *memory;
  double adds[RUNS], bytes[RUNS];
} Worker;

static void *worker_run(void *context) {
  Worker *worker = context;
  clock_raise(worker->vector_bytes);
  for (int run = 0; run < RUNS; run++) {
    pthread_barrier_wait(worker->barrier);
    worker->adds[run] = rate_multiply_add(worker->vector_bytes, 4);
    pthread_barrier_wait(worker->barrier);
    worker->bytes[run] = rate_update(worker->memory, MEMORY_BYTES, worker->vector_bytes);
  }
  return NULL;
}

int main(int count, char **arguments) {
  int threads = count > 1 ? atoi(arguments[1]) : 1, vector_bytes = vector_bytes_here();
  if (threads < 1 || threads > THREAD_LIMIT || vector_bytes == 0) return 2;
  Worker *workers = calloc((size_t)threads, sizeof *workers);
  pthread_barrier_t barrier;
  if (!workers || pthread_barrier_init(&barrier, NULL, (unsigned)threads) != 0) return 1;
  for (int at = 0; at < threads; at++) {
    workers[at] = (Worker){.barrier = &barrier, .vector_bytes = vector_bytes, .memory = pages_allocate(MEMORY_BYTES)};
    if (!workers[at].memory) return 1;
  }
  for (int at = 0; at < threads; at++)
    if (pthread_create(&workers[at].thread, NULL, worker_run, &workers[at]) != 0) return 1;
  for (int at = 0; at < threads; at++) pthread_join(workers[at].thread, NULL);
  double best_adds = 0, best_bytes = 0;
  for (int run = 0; run < RUNS; run++) {
    double adds = 0, bytes = 0;
    for (int at = 0; at < threads; at++) adds += workers[at].adds[run], bytes += workers[at].bytes[run];
    if (adds > best_adds) best_adds = adds;
    if (bytes > best_bytes) best_bytes = bytes;
  }
  printf("%.1f %.1f\n", 1e-9 * best_adds, 1e-9 * best_bytes);
  return 0;
}
