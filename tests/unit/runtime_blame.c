/* The search for where a number went bad, on the hand-made line: what is run again has the data, draws and weights of
   the first time; a search that does not come to it again says so; Ctrl-C ends one; without memory there is none.
   Each run is a process of its own. */
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/check_main.h"
#include "tests/unit/runtime_model.h"
#include "tests/unit/temporary_folder.h"

static char said[1 << 14];

static ModelTables *blame_tables(void) {
  ModelTables *tables = line_tables();
  tables->Tensor[T_P].source = "ring(count=500)";
  tables->Tensor[T_LOSS].name = "loss";
  tables->Tensor[T_PARTIAL].name = "partial";
  tables->Binding[tables->Step[0].first_binding + 4].line = 4;
  return tables;
}

/* The status. */
static int run(const Kernel *kernels, const char *line) {
  char copy[256], *arguments[32] = {"trainer"}, *rest = copy;
  int count = 1, ends[2], status;
  snprintf(copy, sizeof copy, "%s", line);
  for (char *word; (word = strsep(&rest, " "));) arguments[count++] = word;
  ck_assert_int_eq(pipe(ends), 0);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 1);
    dup2(ends[1], 2);
    signal(SIGINT, SIG_DFL);
    ModelTables *tables = blame_tables();
    Bytes bytes = tables_write(tables);
    int exit_status = trainer_main(count, arguments, bytes.data, bytes.size, kernels);
    fflush(NULL);
    free(bytes.data);
    free(tables);
    _exit(exit_status);
  }
  close(ends[1]);
  size_t used = 0;
  for (ssize_t got; (got = read(ends[0], said + used, sizeof said - 1 - used)) > 0;) used += (size_t)got;
  said[used] = 0;
  close(ends[0]);
  waitpid(child, &status, 0);
  ck_assert_msg(WIFEXITED(status), "signal %d: %s", WTERMSIG(status), said);
  return WEXITSTATUS(status);
}

static void says(const char *text) { ck_assert_msg(strstr(said, text), "expected \"%s\" in: %s", text, said); }
static void is_silent(const char *text) { ck_assert_msg(!strstr(said, text), "\"%s\" is in: %s", text, said); }

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

static const Kernel *kernels_with(Kernel partial, Kernel count) {
  static Kernel kernels[P_PROGRAMS];
  memcpy(kernels, line_kernels, sizeof kernels);
  kernels[P_PARTIAL] = partial;
  kernels[P_COUNT] = count;
  return kernels;
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

START_TEST(the_first_program_is_named) {
  static const char *const threads[] = {"1", "2", "3", "7"};
  char line[128];
  snprintf(line, sizeof line, "train --run r --checkpoint-every 5 --threads %s", threads[_i]);
  ck_assert_int_eq(run(kernels_with(bad_partial, kernel_count), line), EXIT_FAILED);
  says("the objective D (line.gan:9) became not a number, and D.w is not a number at step 9");
  says("steps 6 to 9 are run again");
  says("it began at step 8 in `update D`, line 4 of line.gan\n  partial[7] is not a number; 1 of its 12 numbers is not "
       "finite");
  says("D.w is ");
}
END_TEST

START_TEST(the_start_is_kept_where_there_is_no_checkpoint) {
  ck_assert_int_eq(run(kernels_with(bad_partial, kernel_count), "train --run r --checkpoint-every 0"), EXIT_FAILED);
  says("steps 1 to 9 are run again");
  says("it began at step 8 in `update D`");
  ck_assert_int_eq(run(line_kernels, "train --run q --steps 4"), EXIT_FINE);
  ck_assert_int_eq(run(kernels_with(bad_partial, kernel_count), "train --run q --resume --steps 40"), EXIT_FAILED);
  says("steps 5 to 9 are run again");
  says("it began at step 8 in `update D`");
}
END_TEST

START_TEST(what_does_not_come_again_is_said) {
  ck_assert_int_eq(run(kernels_with(once_partial, kernel_count), "train --run r"), EXIT_FAILED);
  says("the same steps, run again, did not come to it");
  is_silent("it began at");
}
END_TEST

START_TEST(ctrl_c_ends_a_search) {
  ck_assert_int_eq(run(kernels_with(stopped_partial, kernel_count), "train --run r"), EXIT_FAILED);
  says("the objective D (line.gan:9) became not a number");
  says("the search for where it began was stopped");
  is_silent("it began at");
}
END_TEST

START_TEST(an_infinity_that_nothing_reads_is_not_blamed) {
  ck_assert_int_eq(run(kernels_with(bad_partial, infinite_count), "train --run r"), EXIT_FAILED);
  says("it began at step 8 in `update D`, line 4 of line.gan\n  partial[7]");
  ck_assert_int_eq(run(kernels_with(kernel_partial, infinite_count), "train --run q"), EXIT_FAILED);
  says("count is infinite at step 40");
  says("it began at step 7 in `assign count`");
  says("count was 7");
}
END_TEST

CHECK_MAIN(.enter = enter_own_folder, .leave = leave_own_folder,
           .tests = {the_start_is_kept_where_there_is_no_checkpoint, what_does_not_come_again_is_said,
                     ctrl_c_ends_a_search, an_infinity_that_nothing_reads_is_not_blamed},
           .loops = {{the_first_program_is_named, 0, 4}})
