/* Loop programs to an object file, through the LLVM C API. The only folder that includes LLVM's headers. */
#ifndef GANC_LLVM_H
#define GANC_LLVM_H

#include "compiler/program/backend.h"
#include "compiler/schedule/machine.h"

extern const Backend cpu_backend; /* x86-64; its functions are those below */

/* march: "native", or an x86-64 processor or level that LLVM knows (x86-64-v3, znver4, …). NULL after a diagnostic that
   lists the known ones. */
Target *target_new(Session *session, const char *march);
const Machine *target_machine(const Target *target);
const char *target_list(Session *session);

/* The kernels in the order of `programs`, the table ganc_kernels of them, and ganc_descriptor with its size
   (runtime/abi.h), written to `out`, whose errors are found by whoever closes it. False after a diagnostic. Code is
   generated on up to `threads` threads, one context each; the result does not depend on how many. */
bool llvm_emit(Session *session, Target *target, int count, Program *const *programs, const void *descriptor,
               size_t descriptor_size, EmitKind kind, FILE *out, int threads);

/* Tests: compile into this process. Kernels by program number; NULL after a diagnostic. */
typedef struct LoadedPrograms LoadedPrograms;
LoadedPrograms *llvm_load(Session *session, Target *target, int count, Program *const *programs);
void *llvm_kernel(LoadedPrograms *loaded, int program); /* a Kernel of runtime/abi.h */
void llvm_unload(LoadedPrograms *loaded);

#endif
