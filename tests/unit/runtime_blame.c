/* The search for where a number went bad, on the hand-made line: what is run again has the data, draws and weights of
   the first time; a search that does not come to it again says so; Ctrl-C ends one; without memory there is none.
   Each run is a process of its own. */
#include <stdatomic.h>

#include "tests/unit/temporary_folder.h"
#include "tests/unit/trainer_process.h"

static ModelTables *blame_tables(void) {
  ModelTables *tables = line_tables();
  tables->Tensor[T_P].source = "ring(count=500)";
  tables->Tensor[T_LOSS].name = "loss";
  tables->Tensor[T_PARTIAL].name = "partial";
  tables->Binding[tables->Step[0].first_binding + 4].line = 4;
  return tables;
}

/* The status. */
static int run(const Kernel *kernels, const char *line) { return trainer_run(blame_tables, kernels, line); }

/* ---- kernels that go bad in the eighth round --------------------------------------------------------------------- */

enum { BAD_ROUND = 7, BAD_CHUNK = 2 };

/* What chunk 0 has seen in every turn of the bad round, the first time; of a process. */
static float seen[2][4];
static atomic_int bad_rounds; /* how often a chunk of it was run */

/* Is everything as it was the first time, to the bit? The first chunk looks, each turn. */
static bool is_as_before(const Call *call) {
  const float *p = call->buffers[0], *e = call->buffers[1], *w = call->buffers[2], *b = call->buffers[3];
  float now[4] = {p[5], e[5], w[0], b[0]};
  float *first = seen[call->ordinal];
  if (first[1] == 0) memcpy(first, now, sizeof now);
  return memcmp(first, now, sizeof now) == 0;
}

static void bad_partial(const Call *call, int64_t chunk, void *workspace) {
  kernel_partial(call, chunk, workspace);
  if (call->round == BAD_ROUND && chunk == BAD_CHUNK && is_as_before(call) && call->ordinal == 1)
    ((float *)call->buffers[4])[3 * chunk + 1] = NAN;
}

static void once_partial(const Call *call, int64_t chunk, void *workspace) {
  kernel_partial(call, chunk, workspace);
  if (call->round == BAD_ROUND && chunk == BAD_CHUNK && atomic_fetch_add(&bad_rounds, 1) == 0)
    ((float *)call->buffers[4])[3 * chunk + 1] = NAN;
}

/* Presses Ctrl-C in the fourth round of the search. */
static void stopped_partial(const Call *call, int64_t chunk, void *workspace) {
  kernel_partial(call, chunk, workspace);
  if (call->round == BAD_ROUND && chunk == BAD_CHUNK) {
    atomic_fetch_add(&bad_rounds, 1);
    ((float *)call->buffers[4])[3 * chunk + 1] = NAN;
  }
  if (call->round == 3 && chunk == 0 && call->ordinal == 0 && atomic_load(&bad_rounds) > 0) {
    kill(getpid(), SIGINT);
    usleep(300000); /* for the thread that waits for it */
  }
}

/* An infinite count that nothing reads, every time, and before it in the round nothing is wrong: it is not to blame
   for what follows. */
static void infinite_count(const Call *call, int64_t chunk, void *workspace) {
  kernel_count(call, chunk, workspace);
  if (call->round == 6) *(double *)call->buffers[0] = INFINITY;
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

START_TEST(the_first_program_is_named) {
  static const char *const threads[] = {"1", "2", "3", "7"};
  char line[128];
  snprintf(line, sizeof line, "train --run r --checkpoint-every 5 --threads %s", threads[_i]);
  expect(run(kernels_with(line_kernels, P_PARTIAL, bad_partial), line), EXIT_FAILED,
         "the objective D (line.gan:9) became not a number, and D.w is not a number at step 9");
  says("steps 6 to 9 are run again");
  says("it began at step 8 in `update D`, line 4 of line.gan\n  partial[7] is not a number; 1 of its 12 numbers is not "
       "finite");
  says("D.w is ");
}
END_TEST

START_TEST(the_start_is_kept_where_there_is_no_checkpoint) {
  expect(run(kernels_with(line_kernels, P_PARTIAL, bad_partial), "train --run r --checkpoint-every 0"), EXIT_FAILED,
         "steps 1 to 9 are run again");
  says("it began at step 8 in `update D`");
  expect(run(line_kernels, "train --run q --steps 4"), EXIT_FINE, NULL);
  expect(run(kernels_with(line_kernels, P_PARTIAL, bad_partial), "train --run q --resume --steps 40"), EXIT_FAILED,
         "steps 5 to 9 are run again");
  says("it began at step 8 in `update D`");
}
END_TEST

START_TEST(what_does_not_come_again_is_said) {
  expect(run(kernels_with(line_kernels, P_PARTIAL, once_partial), "train --run r"), EXIT_FAILED,
         "the same steps, run again, did not come to it");
  says_nothing_of("it began at");
}
END_TEST

START_TEST(ctrl_c_ends_a_search) {
  expect(run(kernels_with(line_kernels, P_PARTIAL, stopped_partial), "train --run r"), EXIT_FAILED,
         "the objective D (line.gan:9) became not a number");
  says("the search for where it began was stopped");
  says_nothing_of("it began at");
}
END_TEST

START_TEST(an_infinity_that_nothing_reads_is_not_blamed) {
  expect(
      run(kernels_with(kernels_with(line_kernels, P_PARTIAL, bad_partial), P_COUNT, infinite_count), "train --run r"),
      EXIT_FAILED, "it began at step 8 in `update D`, line 4 of line.gan\n  partial[7]");
  expect(run(kernels_with(line_kernels, P_COUNT, infinite_count), "train --run q"), EXIT_FAILED,
         "count is infinite at step 40");
  says("it began at step 7 in `assign count`");
  says("count was 7");
}
END_TEST

CHECK_MAIN(.enter = enter_own_folder, .leave = leave_own_folder,
           .tests = {the_start_is_kept_where_there_is_no_checkpoint, what_does_not_come_again_is_said,
                     ctrl_c_ends_a_search, an_infinity_that_nothing_reads_is_not_blamed},
           .loops = {{the_first_program_is_named, 0, 4}})
