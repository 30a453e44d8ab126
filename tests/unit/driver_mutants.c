/* The table of mutants: every pass that makes numbers can be broken, and no compiler that anybody uses is. */
#include "tests/mutants/mutant.h"
#include "check_main.h"

#include <stdlib.h>
#include <string.h>

static const char *const passes[] = {
#define PASS(name, status, title) #name,
#include "compiler/passes.def"
#undef PASS
};
enum { PASS_COUNT = LENGTH(passes) };

static const struct {
  const char *name, *pass, *what;
} rows[] = {
#define MUTANT_ROW(name, pass, what) {#name, #pass, what},
#include "tests/mutants/mutants.def"
#undef MUTANT_ROW
};
enum { ROW_COUNT = LENGTH(rows) };

#ifndef GANC_MUTANTS
#define MUTANT_ROW(name, pass, what) _Static_assert(!MUTANT(name), #name); /* a constant, or this does not compile */
#include "tests/mutants/mutants.def"
#undef MUTANT_ROW
#endif

START_TEST(every_pass_has_a_mutant) {
  for (int p = 0; strcmp(passes[p], "link") != 0; p++) {
    int count = 0;
    for (int r = 0; r < ROW_COUNT; r++) count += strcmp(rows[r].pass, passes[p]) == 0;
    ck_assert_msg(count > 0, "nothing breaks the pass %s", passes[p]);
  }
}
END_TEST

START_TEST(every_mutant_breaks_a_pass) {
  int before = 0;
  for (int r = 0; r < ROW_COUNT; r++) {
    int p = 0;
    while (p < PASS_COUNT && strcmp(passes[p], rows[r].pass) != 0) p++;
    ck_assert_msg(p < PASS_COUNT, "%s breaks %s, which is no pass", rows[r].name, rows[r].pass);
    ck_assert_msg(p >= before, "%s stands after mutants of later passes", rows[r].name);
    before = p;
    ck_assert_str_ne(rows[r].what, "");
  }
}
END_TEST

CHECK_MAIN(.tests = {every_pass_has_a_mutant, every_mutant_breaks_a_pass})
