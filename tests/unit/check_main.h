/* The main of every Check program: a file of tests ends in CHECK_MAIN, which says what it has.

     CHECK_MAIN(.enter = enter_own_folder, .leave = leave_own_folder, .tests = {round_trip, refusals},
                .loops = {{threads, 1, 8}})

   Each test runs in a process of its own, unless CK_FORK=no is in the environment (for debuggers). */
#ifndef CHECK_MAIN_H
#define CHECK_MAIN_H

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define LENGTH(array) ((int)(sizeof(array) / sizeof *(array)))

enum { CHECK_SECONDS = 120 };

/* A test that runs once for each _i from `first` to before `end`. */
typedef struct LoopTest {
  const TTest *test;
  int first, end;
} LoopTest;

/* A test that a signal must end. */
typedef struct SignalTest {
  const TTest *test;
  int signal;
} SignalTest;

enum { CHECK_TESTS = 48, CHECK_LOOPS = 16, CHECK_SIGNALS = 4 };

typedef struct CheckProgram {
  int seconds;                         /* which each test may take; 0: CHECK_SECONDS */
  void (*enter)(void), (*leave)(void); /* around each test, in its process */
  const TTest *tests[CHECK_TESTS];
  LoopTest loops[CHECK_LOOPS];
  SignalTest signals[CHECK_SIGNALS];
} CheckProgram;

/* Runs them all as one suite of the program's name. The program's exit status, which is a failure also where nothing
   was run. */
static inline int check_main(const CheckProgram *program) {
  Suite *suite = suite_create(program_invocation_short_name);
  TCase *tests = tcase_create("tests");
  tcase_set_timeout(tests, program->seconds ? program->seconds : CHECK_SECONDS);
  tcase_add_checked_fixture(tests, program->enter, program->leave);
  for (int k = 0; k < CHECK_TESTS; k++)
    if (program->tests[k]) tcase_add_test(tests, program->tests[k]);
  for (int k = 0; k < CHECK_LOOPS; k++)
    if (program->loops[k].test)
      tcase_add_loop_test(tests, program->loops[k].test, program->loops[k].first, program->loops[k].end);
  for (int k = 0; k < CHECK_SIGNALS; k++)
    if (program->signals[k].test)
      tcase_add_test_raise_signal(tests, program->signals[k].test, program->signals[k].signal);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  bool passed = srunner_ntests_run(runner) > 0 && srunner_ntests_failed(runner) == 0;
  srunner_free(runner);
  return passed ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define CHECK_MAIN(...) \
  int main(void) { return check_main(&(CheckProgram){__VA_ARGS__}); }

#endif
