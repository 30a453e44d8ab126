/* What a schedule needs to know of a processor. Tabulated by features, never by name. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>

typedef struct Machine {
  const char *name;           /* as LLVM names the processor; "native" resolved */
  const char *features;       /* features that compiled code relies on, separated by blanks */
  int vector_bytes;           /* 16, 32 or 64 */
  int vector_registers;       /* 16 or 32 */
  int64_t l1_bytes, l2_bytes; /* per core */
} Machine;

#endif
