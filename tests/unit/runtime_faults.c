/* A trainer whose n-th allocation, write, sync or rename fails, for every n: it ends with words and status 1, never by
   a signal, and leaves the last good checkpoint. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/check_main.h"
#include "tests/unit/runtime_model.h"
#include "tests/unit/temporary_folder.h"

/* ---- the door to the system, ajar -------------------------------------------------------------------------------- */

typedef enum CallKind { CALL_ALLOCATE, CALL_WRITE, CALL_SYNC, CALL_RENAME, CALL_OPEN, CALL_KINDS } CallKind;
static CallKind failing_kind = CALL_KINDS;
static atomic_int calls_left; /* of that kind, until one fails */

static bool fails(CallKind kind, int error) {
  if (kind != failing_kind || atomic_fetch_sub(&calls_left, 1) != 0) return false;
  errno = error;
  return true;
}

int system_open(const char *path, int flags, int mode) {
  return fails(CALL_OPEN, EMFILE) ? -1 : open(path, flags | O_CLOEXEC, mode);
}
int64_t system_write(int descriptor, const void *bytes, size_t size) {
  return fails(CALL_WRITE, ENOSPC) ? -1 : write(descriptor, bytes, size);
}
int system_sync(int descriptor) { return fails(CALL_SYNC, EIO) ? -1 : fsync(descriptor); }
int system_rename(const char *from, const char *to) { return fails(CALL_RENAME, EACCES) ? -1 : rename(from, to); }
void *system_allocate(size_t bytes) { return fails(CALL_ALLOCATE, ENOMEM) ? NULL : malloc(bytes); }
void *system_resize(void *memory, size_t bytes) { return fails(CALL_ALLOCATE, ENOMEM) ? NULL : realloc(memory, bytes); }

/* ---- one run that fails ------------------------------------------------------------------------------------------ */

static char said[4096];

/* The status, and in *reached whether the n-th call of the kind was made at all. */
static int run(const char *line, CallKind kind, int n, bool *reached) {
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
    ModelTables *tables = line_tables();
    tables->Tensor[T_P].source = "ring(count=500)";
    Bytes bytes = tables_write(tables);
    failing_kind = kind;
    atomic_store(&calls_left, n);
    int exit_status = trainer_main(count, arguments, bytes.data, bytes.size, line_kernels);
    fflush(NULL);
    _exit(atomic_load(&calls_left) < 0 ? exit_status : exit_status + 100);
  }
  close(ends[1]);
  size_t used = 0;
  for (ssize_t got; (got = read(ends[0], said + used, sizeof said - 1 - used)) > 0;) used += (size_t)got;
  said[used] = 0;
  close(ends[0]);
  waitpid(child, &status, 0);
  ck_assert_msg(WIFEXITED(status), "signal %d at call %d of kind %d: %s", WTERMSIG(status), n, kind, said);
  *reached = WEXITSTATUS(status) < 100;
  return WEXITSTATUS(status) % 100;
}

/* Every call of a kind in turn, until a run ends without reaching it. A run may survive a failed allocation or opening
   where it has another way; nothing that was to be written may be lost without a word. */
START_TEST(test_every_call_may_fail) {
  bool reached = true;
  int failed = 0, n = 0;
  for (; reached && n < 2000; n++) {
    ck_assert_int_eq(system("rm -rf r"), 0);
    int status = run("train --steps 3 --run r --sample-every 3 --log-every 2 --checkpoint-every 2 --threads 2",
                     (CallKind)_i, n, &reached);
    if (!reached) ck_assert_int_eq(status, EXIT_FINE);
    else
      ck_assert_msg((status == EXIT_FINE && (_i == CALL_ALLOCATE || _i == CALL_OPEN)) ||
                        ((status == EXIT_FAILED || status == EXIT_INTERNAL) && strstr(said, "error:")),
                    "status %d at call %d: %s", status, n, said);
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
  int n = 0;
  ck_assert(safetensors_write("w.safetensors", views, 2, NULL, 0, NULL));
  for (; reached && n < 2000; n++) {
    int status = run(line, CALL_ALLOCATE, n, &reached);
    bool fine = status == EXIT_FINE && _i, failed = status == EXIT_FAILED || status == EXIT_INTERNAL;
    ck_assert_msg(fine || (failed && strstr(said, "error:")), "status %d at call %d: %s", status, n, said);
  }
  ck_assert_int_lt(n, 2000);
  ck_assert_ptr_nonnull(
      strstr(said, _i ? "D: 1 of 4 weights from w.safetensors" : "holds none of this model's weights"));
}
END_TEST

/* Whatever fails while a run goes on, the checkpoint it went on from can be gone on from again, to the same end. */
START_TEST(test_no_failure_loses_a_checkpoint) {
  bool reached = true;
  ck_assert_int_eq(run("train --steps 4 --run good --checkpoint-every 0", CALL_KINDS, 0, &reached), EXIT_FINE);
  ck_assert_int_eq(system("cp -r good end"), 0);
  ck_assert_int_eq(run("train --resume --run end --steps 8 --checkpoint-every 0", CALL_KINDS, 0, &reached), EXIT_FINE);
  reached = true;
  for (int n = 0; reached && n < 2000; n++) {
    bool ignored;
    ck_assert_int_eq(system("rm -rf r; cp -r good r"), 0);
    run("train --resume --run r --steps 8 --checkpoint-every 2 --keep 1", (CallKind)_i, n, &reached);
    int status = run("train --resume --run r --steps 8", CALL_KINDS, 0, &ignored);
    ck_assert_msg(status == EXIT_FINE, "after call %d failed: %s", n, said);
    ck_assert_int_eq(system("cmp -s r/checkpoints/step-000008.safetensors end/checkpoints/step-000008.safetensors"), 0);
  }
}
END_TEST

/* What is kept for a search, or looked for in one, may find no memory: the run ends as it would have ended. */
START_TEST(test_a_search_may_lack_memory) {
  bool reached = true;
  for (int n = 0; reached && n < 2000; n++) {
    ck_assert_int_eq(system("rm -rf r"), 0);
    int status = run("train --run r --set rate=50 --checkpoint-every 2 --sample-every 0", CALL_ALLOCATE, n, &reached);
    ck_assert_msg(status != EXIT_FINE, "call %d: %s", n, said);
    ck_assert_msg(strstr(said, "error:"), "call %d: %s", n, said);
    if (!reached) ck_assert_msg(strstr(said, "it began"), "%s", said);
  }
}
END_TEST

CHECK_MAIN(.enter = enter_own_folder, .leave = leave_own_folder, .tests = {test_a_search_may_lack_memory},
           .loops = {{test_every_call_may_fail, 0, CALL_KINDS},
                     {test_memory_may_fail_under_init, 0, 2},
                     {test_no_failure_loses_a_checkpoint, CALL_WRITE, CALL_OPEN}})
