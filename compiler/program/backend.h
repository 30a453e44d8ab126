/* What makes code of loop programs, as a row: the driver calls it through the row, and a schedule sees no more of it
   than the machine. */
#ifndef BACKEND_H
#define BACKEND_H

#include "compiler/program/program.h"

typedef struct Machine Machine; /* compiler/schedule/machine.h */
typedef struct Target Target;   /* the back end's own: what it compiles for */

typedef enum EmitKind { EMIT_LLVM, EMIT_ASSEMBLY, EMIT_OBJECT } EmitKind;

/* strategies: names of those that it has code for, separated by blanks: a schedule takes no other (strategies.def).
   target: of the processor that is called `march`; NULL after a diagnostic that lists the known ones.
   emit: all programs, in their order, and the descriptor with them (runtime/abi.h), to `out`, whose errors are found by
   whoever closes it; false after a diagnostic. Code is made on up to `threads` threads; the result does not depend on
   how many. */
typedef struct Backend {
  const char *name;
  const char *strategies;
  Target *(*target)(Session *session, const char *march);
  const Machine *(*machine)(const Target *target);
  bool (*emit)(Session *session, Target *target, int count, Program *const *programs, const void *descriptor,
               size_t descriptor_size, EmitKind kind, FILE *out, int threads);
} Backend;

#endif
