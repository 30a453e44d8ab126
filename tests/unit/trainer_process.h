/* Trainers as processes of their own, as users have them, of models and kernels made by hand: what one prints and how
   it ends. */
#ifndef TRAINER_PROCESS_H
#define TRAINER_PROCESS_H

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/check_main.h"
#include "tests/unit/runtime_model.h"

enum { SIGNALLED = 1000 }; /* the status of a trainer that a signal ended, and its number */

/* What the last trainer printed, stdout and stderr together. */
static char printed[1 << 16];

typedef struct TrainerProcess {
  pid_t child;
  int output;
} TrainerProcess;

/* "train --steps 5": arguments with blanks between them. */
static inline TrainerProcess trainer_start(ModelTables *(*make)(void), const Kernel *kernels, const char *line) {
  char words[1024], *arguments[64] = {"trainer"}, *rest = words;
  int count = 1, ends[2];
  ck_assert_int_lt(snprintf(words, sizeof words, "%s", line), (int)sizeof words);
  for (char *word; (word = strsep(&rest, " "));) {
    ck_assert_int_lt(count, LENGTH(arguments));
    if (*word) arguments[count++] = word;
  }
  ck_assert_int_eq(pipe(ends), 0);
  fflush(NULL);
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    dup2(ends[1], 1);
    dup2(ends[1], 2);
    close(ends[0]);
    close(ends[1]);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    ModelTables *tables = make();
    Bytes bytes = tables_write(tables);
    int status = trainer_main(count, arguments, bytes.data, bytes.size, kernels);
    fflush(NULL);
    free(bytes.data);
    free(tables);
    _exit(status);
  }
  close(ends[1]);
  return (TrainerProcess){child, ends[0]};
}

/* Its exit status, or SIGNALLED and a signal. */
static inline int trainer_finish(TrainerProcess process) {
  size_t used = 0;
  for (ssize_t got; (got = read(process.output, printed + used, sizeof printed - 1 - used)) > 0;) used += (size_t)got;
  printed[used] = 0;
  ck_assert_msg(used < sizeof printed - 1, "a trainer prints more than a test keeps: %s", printed);
  close(process.output);
  int status;
  ck_assert_int_eq(waitpid(process.child, &status, 0), process.child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : SIGNALLED + WTERMSIG(status);
}

static inline int trainer_run(ModelTables *(*make)(void), const Kernel *kernels, const char *line) {
  return trainer_finish(trainer_start(make, kernels, line));
}

/* Of the last trainer; macros, so that a failure has the place of the test. */
#define says(text) ck_assert_msg(strstr(printed, text), "expected \"%s\" in: %s", text, printed)
#define says_nothing_of(text) ck_assert_msg(!strstr(printed, text), "\"%s\" is in: %s", text, printed)

/* It ended with this status, and said this, unless that is NULL. */
#define expect(found, status, text) \
  do { \
    int found_ = (found), status_ = (status); \
    const char *text_ = (text); \
    ck_assert_msg(found_ == status_, "status %d, not %d: %s", found_, status_, printed); \
    if (text_) says(text_); \
  } while (0)

#endif
