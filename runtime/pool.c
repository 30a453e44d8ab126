/* A pool of threads that live as long as it does. Takes a task and a number of chunks; runs every chunk once, on
   whichever worker claims it first from one counter, and returns when all are done. A fork and join takes about a
   microsecond while workers still spin; then they park. Never decides how work is cut, so a result depends on the
   chunks alone, never on how many threads there are. */
#include "runtime/runtime.h"

#include <errno.h>
#include <immintrin.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SPIN_TURNS = 4000, FLUSH_BITS = 0x8040 }; /* FLUSH_BITS: flush-to-zero and denormals-are-zero of MXCSR */

/* `state`: the number of the job in the upper half, odd while it is open to workers; in the lower half, how many are
   inside. A worker that wakes late finds the job closed and nobody waits for it. */
struct Pool {
  _Alignas(64) _Atomic uint64_t state;
  _Alignas(64) _Atomic int64_t next_chunk;
  _Alignas(64) Task task;
  void *context;
  int64_t chunks;
  _Alignas(64) _Atomic uint32_t bell; /* changes with every job; what parked workers wait on */
  _Atomic uint32_t parked;
  _Atomic bool ending;
  int spin_turns, vector_bytes;
  unsigned control;     /* the caller's MXCSR before */
  cpu_set_t processors; /* that the process may use */
  int first_processor;  /* where the caller was when it made the pool */
  int started;          /* workers besides the caller */
  struct Worker {
    Pool *pool;
    int number;
    pthread_t thread;
  } workers[THREAD_LIMIT];
};

static void claim_chunks(Pool *pool, int worker) {
  for (;;) {
    int64_t chunk = atomic_fetch_add_explicit(&pool->next_chunk, 1, memory_order_relaxed);
    if (chunk >= pool->chunks) return;
    pool->task(pool->context, chunk, worker);
  }
}

static bool job_is_open(uint64_t state) { return (state >> 32) % 2 == 1; }

/* Spins a little, then sleeps until the bell is no longer `heard`. */
static void wait_for_bell(Pool *pool, uint32_t heard) {
  for (int turn = 0; turn < pool->spin_turns; turn++) {
    if (atomic_load_explicit(&pool->bell, memory_order_acquire) != heard) return;
    _mm_pause();
  }
  atomic_fetch_add(&pool->parked, 1);
  while (atomic_load(&pool->bell) == heard) syscall(SYS_futex, &pool->bell, FUTEX_WAIT_PRIVATE, heard, NULL, NULL, 0);
  atomic_fetch_sub(&pool->parked, 1);
}

static void ring_bell(Pool *pool) {
  atomic_fetch_add(&pool->bell, 1);
  if (atomic_load(&pool->parked) > 0) syscall(SYS_futex, &pool->bell, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* Moves the calling thread to a processor of its own, then lets it go where it likes: some systems start all threads of
   a process on one processor and are slow, or never come, to spread them. `distance`: how many processors after the one
   that made the pool. */
static void start_apart(const Pool *pool, int distance) {
  cpu_set_t one;
  int cpu = pool->first_processor < 0 ? 0 : pool->first_processor;
  if (CPU_COUNT(&pool->processors) < 2) return;
  while (distance > 0) {
    cpu = (cpu + 1) % CPU_SETSIZE;
    if (CPU_ISSET(cpu, &pool->processors)) distance--;
  }
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  if (sched_setaffinity(0, sizeof one, &one) == 0) sched_setaffinity(0, sizeof pool->processors, &pool->processors);
}

static void *worker_main(void *argument) {
  struct Worker *worker = argument;
  Pool *pool = worker->pool;
  start_apart(pool, worker->number);
  for (;;) {
    uint32_t heard = atomic_load(&pool->bell); /* before all else: what is asked for after this rings again */
    if (atomic_load(&pool->ending)) return NULL;
    uint64_t state = atomic_load(&pool->state);
    while (job_is_open(state))
      if (atomic_compare_exchange_weak(&pool->state, &state, state + 1)) {
        claim_chunks(pool, worker->number);
        atomic_fetch_sub_explicit(&pool->state, 1, memory_order_release);
        break;
      }
    wait_for_bell(pool, heard);
  }
}

void pool_run(Pool *pool, Task task, void *context, int64_t chunks) {
  if (pool->started == 0 || chunks <= 1) {
    for (int64_t chunk = 0; chunk < chunks; chunk++) task(context, chunk, 0);
    return;
  }
  pool->task = task;
  pool->context = context;
  pool->chunks = chunks;
  atomic_store_explicit(&pool->next_chunk, 0, memory_order_relaxed);
  atomic_fetch_add(&pool->state, (uint64_t)1 << 32); /* opens */
  ring_bell(pool);
  claim_chunks(pool, 0);
  atomic_fetch_add(&pool->state, (uint64_t)1 << 32); /* closes: nobody enters any more */
  for (int turn = 0; (uint32_t)atomic_load_explicit(&pool->state, memory_order_acquire) != 0; turn++) {
    if (turn < SPIN_TURNS) _mm_pause();
    else sched_yield();
  }
}

int processor_count(void) {
  cpu_set_t set;
  int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : count > THREAD_LIMIT ? THREAD_LIMIT : count;
}

Pool *pool_create(int threads, bool flush, Problem *problem) {
  Pool *pool = aligned_alloc(64, (sizeof(Pool) + 63) / 64 * 64);
  if (!pool) {
    problem_out_of_memory(problem, "threads", sizeof(Pool));
    return NULL;
  }
  memset(pool, 0, sizeof *pool);
  pool->spin_turns = threads <= processor_count()
                         ? SPIN_TURNS
                         : 0; /* with more threads than processors, spinning keeps the others from working */
  if (sched_getaffinity(0, sizeof pool->processors, &pool->processors) != 0) CPU_ZERO(&pool->processors);
  pool->first_processor = sched_getcpu();
  pool->vector_bytes = processor_vector_bytes();
  pool->control = _mm_getcsr();
  if (flush) _mm_setcsr(pool->control | FLUSH_BITS); /* new threads inherit it */
  for (int k = 1; k < threads; k++) {
    struct Worker *worker = &pool->workers[k];
    *worker = (struct Worker){.pool = pool, .number = k};
    int error = pthread_create(&worker->thread, NULL, worker_main, worker);
    if (error) {
      problem_set_errno(problem, error, "thread %d of %d could not be started", k + 1, threads);
      pool_free(pool);
      return NULL;
    }
    pool->started = k;
  }
  return pool;
}

void pool_free(Pool *pool) {
  if (!pool) return;
  atomic_store(&pool->ending, true);
  ring_bell(pool);
  for (int k = 1; k <= pool->started; k++) pthread_join(pool->workers[k].thread, NULL);
  _mm_setcsr(pool->control);
  free(pool);
}

int pool_threads(const Pool *pool) { return pool->started + 1; }

int pool_vector_bytes(const Pool *pool) { return pool->vector_bytes; }
