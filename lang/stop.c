/* The two ways in which everything ends at once: there is no memory, or the compiler has made a mistake. Neither
   returns; both give status 70. */
#include "lang.h"

#include <stdlib.h>

enum { EXIT_INTERNAL = 70 };

_Noreturn void internal_error(const char *where, const char *what) {
  fprintf(stderr,
          "error: the compiler found a mistake of its own: %s (%s) [E5014]\n   hint: please report the model and the "
          "command\n",
          what, where);
  exit(EXIT_INTERNAL);
}

_Noreturn void out_of_memory(void) {
  fputs("ganc: out of memory\n", stderr);
  exit(EXIT_INTERNAL);
}
