/* Which mutant this process is: read once from the environment. Takes GANC_MUTANT; lists the rows and ends, or refuses
   a name that is none, before main runs. Only a build with -DGANC_MUTANTS=ON has this file. */
#include "tests/mutants/mutant.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Mutant mutant_chosen = MUTANT_NONE;

static const struct {
  const char *name, *pass, *what;
} rows[] = {
#define MUTANT_ROW(name, pass, what) {#name, #pass, what},
#include "tests/mutants/mutants.def"
#undef MUTANT_ROW
};
enum { ROW_COUNT = sizeof rows / sizeof *rows };

__attribute__((constructor)) static void mutant_choose(void) {
  const char *wanted = getenv("GANC_MUTANT");
  if (wanted == NULL || *wanted == '\0') return;
  for (int r = 0; r < ROW_COUNT && mutant_chosen == MUTANT_NONE; r++)
    if (strcmp(rows[r].name, wanted) == 0) mutant_chosen = (Mutant)(MUTANT_NONE + 1 + r);
  if (mutant_chosen != MUTANT_NONE) return;
  bool list = strcmp(wanted, "list") == 0;
  if (!list) fprintf(stderr, "error: GANC_MUTANT=%s is no mutant; GANC_MUTANT=list prints them\n", wanted);
  for (int r = 0; r < ROW_COUNT && list; r++) printf("%s\t%s\t%s\n", rows[r].name, rows[r].pass, rows[r].what);
  exit(list ? 0 : 2);
}
