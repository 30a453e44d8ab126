/* A trainer whose n-th allocation, write, sync or rename fails, for every n: it ends with words and status 1, never by
   a signal, and leaves the last good checkpoint. */
#include "tests/unit/system_faults.h"
#include "tests/unit/temporary_folder.h"
#include "tests/unit/trainer_process.h"

static void enter(void) {
  enter_own_folder();
  faults_share();
}

static ModelTables *ring_tables(void) {
  ModelTables *tables = line_tables();
  tables->Tensor[T_P].source = "ring(count=500)";
  return tables;
}

static int run(const char *line) { return trainer_run(ring_tables, line_kernels, line); }

/* The n-th call of the kind fails, from 1 on. The status, and in *reached whether it was made at all. */
static int run_failing(const char *line, int kind, int n, bool *reached) {
  static const int errors[CALL_COUNT] = {
      [CALL_OPEN] = EMFILE, [CALL_WRITE] = ENOSPC, [CALL_SYNC] = EIO, [CALL_RENAME] = EACCES, [CALL_MEMORY] = ENOMEM};
  arm(kind, n, errors[kind]);
  int status = run(line);
  *reached = faults->seen[kind] >= n;
  arm(-1, 0, 0);
  ck_assert_msg(status < SIGNALLED, "signal %d at call %d of kind %d: %s", status - SIGNALLED, n, kind, printed);
  return status;
}

/* Every call of a kind in turn, until a run ends without reaching it. A run may survive a failed allocation or opening
   where it has another way; nothing that was to be written may be lost without a word. */
START_TEST(test_every_call_may_fail) {
  bool reached = true;
  int failed = 0, n = 1;
  for (; reached && n < 2000; n++) {
    ck_assert_int_eq(system("rm -rf r"), 0);
    int status = run_failing("train --steps 3 --run r --sample-every 3 --log-every 2 --checkpoint-every 2 --threads 2",
                             _i, n, &reached);
    if (!reached) ck_assert_int_eq(status, EXIT_FINE);
    else
      ck_assert_msg((status == EXIT_FINE && (_i == CALL_MEMORY || _i == CALL_OPEN)) ||
                        ((status == EXIT_FAILED || status == EXIT_INTERNAL) && strstr(printed, "error:")),
                    "status %d at call %d: %s", status, n, printed);
    failed += status != EXIT_FINE;
  }
  ck_assert_int_lt(n, 2000);
  ck_assert_int_gt(failed, 0);
}
END_TEST

/* Nor where weights are taken from another program's file, and told. */
START_TEST(test_memory_may_fail_under_init) {
  float w = 2;
  TensorView views[2] = {{.name = "net.weight", .type = STORAGE_F32, .data = &w},
                         {.name = "other", .type = STORAGE_F32, .data = &w}};
  const char *line = _i ? "train --steps 0 --dry-run --init w.safetensors --rename net=D,weight=w"
                        : "train --steps 0 --dry-run --init w.safetensors";
  bool reached = true;
  int n = 1;
  ck_assert(safetensors_write("w.safetensors", views, 2, NULL, 0, NULL));
  for (; reached && n < 2000; n++) {
    int status = run_failing(line, CALL_MEMORY, n, &reached);
    bool fine = status == EXIT_FINE && _i, failed = status == EXIT_FAILED || status == EXIT_INTERNAL;
    ck_assert_msg(fine || (failed && strstr(printed, "error:")), "status %d at call %d: %s", status, n, printed);
  }
  ck_assert_int_lt(n, 2000);
  says(_i ? "D: 1 of 4 weights from w.safetensors" : "holds none of this model's weights");
}
END_TEST

/* Whatever fails while a run goes on, the checkpoint it went on from can be gone on from again, to the same end. */
START_TEST(test_no_failure_loses_a_checkpoint) {
  bool reached = true;
  expect(run("train --steps 4 --run good --checkpoint-every 0"), EXIT_FINE, NULL);
  ck_assert_int_eq(system("cp -r good end"), 0);
  expect(run("train --resume --run end --steps 8 --checkpoint-every 0"), EXIT_FINE, NULL);
  for (int n = 1; reached && n < 2000; n++) {
    ck_assert_int_eq(system("rm -rf r; cp -r good r"), 0);
    run_failing("train --resume --run r --steps 8 --checkpoint-every 2 --keep 1", _i, n, &reached);
    int status = run("train --resume --run r --steps 8");
    ck_assert_msg(status == EXIT_FINE, "after call %d failed: %s", n, printed);
    ck_assert_int_eq(system("cmp -s r/checkpoints/step-000008.safetensors end/checkpoints/step-000008.safetensors"), 0);
  }
}
END_TEST

/* What is kept for a search, or looked for in one, may find no memory: the run ends as it would have ended. */
START_TEST(test_a_search_may_lack_memory) {
  bool reached = true;
  for (int n = 1; reached && n < 2000; n++) {
    ck_assert_int_eq(system("rm -rf r"), 0);
    int status =
        run_failing("train --run r --set rate=50 --checkpoint-every 2 --sample-every 0", CALL_MEMORY, n, &reached);
    ck_assert_msg(status != EXIT_FINE, "call %d: %s", n, printed);
    ck_assert_msg(strstr(printed, "error:"), "call %d: %s", n, printed);
    if (!reached) says("it began");
  }
}
END_TEST

CHECK_MAIN(.enter = enter, .leave = leave_own_folder, .tests = {test_a_search_may_lack_memory},
           .loops = {{test_every_call_may_fail, 0, CALL_COUNT},
                     {test_memory_may_fail_under_init, 0, 2},
                     {test_no_failure_loses_a_checkpoint, CALL_WRITE, CALL_MEMORY}})
