/* The pool and the blocks: every chunk runs once, on any number of threads; jobs follow each other without mixing; what
   lies outside a block cannot be touched. */
#include <immintrin.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/unit/check_main.h"
#include "tests/unit/runtime_model.h"

enum { CHUNKS = 1000, JOBS = 3000 };

typedef struct Marks {
  atomic_int times[CHUNKS];
  int threads;
  atomic_int bad_worker;
} Marks;

static void mark(void *context, int64_t chunk, int worker) {
  Marks *marks = context;
  atomic_fetch_add(&marks->times[chunk], 1);
  if (worker < 0 || worker >= marks->threads) atomic_store(&marks->bad_worker, 1);
}

START_TEST(test_every_chunk_runs_once) {
  Problem problem;
  for (int threads = 1; threads <= 7; threads++) {
    Pool *pool = pool_create(threads, true, &problem);
    ck_assert_int_eq(pool_threads(pool), threads);
    static Marks marks;
    memset(&marks, 0, sizeof marks);
    marks.threads = threads;
    pool_run(pool, mark, &marks, CHUNKS);
    pool_run(pool, mark, &marks, 0);
    for (int k = 0; k < CHUNKS; k++) ck_assert_int_eq(marks.times[k], 1);
    ck_assert_int_eq(marks.bad_worker, 0);
    pool_free(pool);
  }
}
END_TEST

typedef struct Job {
  int64_t number;
  int64_t values[16];
} Job;
static void compute(void *context, int64_t chunk, int worker) {
  (void)worker;
  Job *job = context;
  job->values[chunk] = job->number * 16 + chunk;
}

/* Short jobs in a row, with pauses in which workers park: a late worker must not touch the next job. */
START_TEST(test_jobs_do_not_mix) {
  Problem problem;
  Pool *pool = pool_create(3, false, &problem);
  for (int64_t k = 0; k < JOBS; k++) {
    Job job = {.number = k};
    pool_run(pool, compute, &job, 1 + k % 16);
    for (int64_t chunk = 0; chunk < 16; chunk++)
      ck_assert_int_eq(job.values[chunk], chunk < 1 + k % 16 ? k * 16 + chunk : 0);
    if (k % 500 == 0) usleep(2000);
  }
  pool_free(pool);
}
END_TEST

static void halve(void *context, int64_t chunk, int worker) {
  (void)worker;
  volatile float tiny = 1.1754944e-38f;
  ((float *)context)[chunk] = tiny / 2;
}

/* A pool that ends while its workers have just begun, or are about to sleep, ends all the same. */
START_TEST(test_pools_end_whenever_they_are_asked) {
  Problem problem;
  for (int turn = 0; turn < 3000; turn++) {
    Pool *pool = pool_create(2 + turn % 3, false, &problem);
    static Marks marks;
    marks.threads = 4;
    if (turn % 4 != 0) pool_run(pool, mark, &marks, turn % 5);
    for (int wait = 0; wait < turn % 512; wait++) _mm_pause();
    pool_free(pool);
  }
}
END_TEST

START_TEST(test_denormals_are_flushed_in_every_thread) {
  Problem problem;
  float flushed[64], kept[64];
  Pool *pool = pool_create(3, false, &problem);
  pool_run(pool, halve, kept, 64);
  pool_free(pool);
  pool = pool_create(3, true, &problem);
  pool_run(pool, halve, flushed, 64);
  pool_free(pool);
  volatile float tiny = 1.1754944e-38f;
  ck_assert(tiny / 2 > 0); /* this thread is as it was */
  uint32_t bits[2][64];
  memcpy(bits[0], kept, sizeof kept);
  memcpy(bits[1], flushed, sizeof flushed);
  for (int k = 0; k < 64; k++) ck_assert(bits[0][k] != 0 && bits[1][k] == 0);
}
END_TEST

static Memory *line_memory(void) {
  static Memory memory;
  Bytes bytes = line_descriptor();
  Descriptor model;
  Problem problem;
  ck_assert(descriptor_read(&model, bytes.data, bytes.size, &problem));
  ck_assert(memory_create(&memory, &model, 3, &problem));
  descriptor_free(&model);
  free(bytes.data);
  return &memory;
}

START_TEST(test_blocks_are_zero_and_aligned) {
  Memory *memory = line_memory();
  ck_assert_int_eq((uintptr_t)memory->persistent.data % ALIGNMENT, 0);
  ck_assert_int_eq((uintptr_t)memory->arena.data % ALIGNMENT, 0);
  for (int k = 0; k < 3; k++) ck_assert_int_eq((uintptr_t)memory->workspaces[k].data % ALIGNMENT, 0);
  for (size_t k = 0; k < memory->persistent.bytes; k++) ck_assert_int_eq(memory->persistent.data[k], 0);
  ck_assert_ptr_eq(memory_at(memory, PLACE_ARENA, 64), memory->arena.data + 64);
  memory_release(memory);
  memory_release(memory);
}
END_TEST

START_TEST(test_no_write_behind_a_block) {
  Memory *memory = line_memory();
  volatile uint8_t *data = memory->arena.data;
  signal(SIGSEGV, SIG_DFL); /* sanitizers have their own way of ending */
  data[memory->arena.bytes - 1] = 1;
  data[memory->arena.bytes] = 1; /* ends the process */
}
END_TEST

START_TEST(test_no_write_far_before_a_block) {
  Memory *memory = line_memory();
  signal(SIGSEGV, SIG_DFL);
  ((volatile uint8_t *)memory->persistent.mapping)[0] = 1;
}
END_TEST

CHECK_MAIN(.tests = {test_every_chunk_runs_once, test_jobs_do_not_mix, test_pools_end_whenever_they_are_asked,
                     test_denormals_are_flushed_in_every_thread, test_blocks_are_zero_and_aligned},
           .signals = {{test_no_write_behind_a_block, SIGSEGV}, {test_no_write_far_before_a_block, SIGSEGV}})
