/* Faults on purpose, to see whether the tests find them. `if (MUTANT(name))` is `if (0)` in every build that anybody
   uses; a build with -DGANC_MUTANTS=ON asks the environment: GANC_MUTANT=name breaks the compiler in the way of that
   row of mutants.def, GANC_MUTANT=list prints the rows. */
#ifndef GANC_MUTANT_H
#define GANC_MUTANT_H

typedef enum Mutant {
  MUTANT_NONE,
#define MUTANT_ROW(name, pass, what) MUTANT_##name,
#include "tests/mutants/mutants.def"
#undef MUTANT_ROW
} Mutant;

#ifdef GANC_MUTANTS
extern Mutant mutant_chosen; /* set once, before main */
#else
#define mutant_chosen MUTANT_NONE
#endif

/* Is this the way in which this process is to be wrong? A constant 0 without GANC_MUTANTS. */
#define MUTANT(name) (mutant_chosen == MUTANT_##name)

#endif
