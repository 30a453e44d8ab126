/* What a schedule needs to know of a processor. Tabulated by features (machines.def), never by name and never by timing
   the host: what is compiled for one family is the same wherever it is compiled. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdbool.h>
#include <stdint.h>

/* A family of processors: a row of machines.def. */
typedef struct MachineRow {
  const char *name, *title;
  bool measured;   /* on such a machine; else published numbers */
  const char *has; /* features, separated by blanks */
  int vector_bytes, vector_registers;
  int64_t l1_bytes, l2_bytes, l3_bytes; /* a core's */
  /* vectors of full width a cycle of one core, and bytes that are read in order */
  double multiply_adds, loads, stores, l2_rate, l3_rate, memory_rate;
  double spread_multiply_adds; /* a cycle, of those that take a number from memory and spread it over the lanes */
  double root_and_divide;      /* cycles of a vector */
  double bfloat16;             /* products of pairs, as a multiple of float32's; 0: none */
} MachineRow;

enum MachineRowNumber {
#define MACHINE(name, ...) MACHINE_##name,
#include "compiler/schedule/machines.def"
#undef MACHINE
  MACHINE_COUNT
};
extern const MachineRow machine_rows[MACHINE_COUNT];

/* Lists of features are separated by blanks. Are all that are wanted there? */
bool features_hold(const char *features, const char *wanted);
/* The row of a processor that has these features and whose code has vectors of so many bytes;
   NULL where there is none. */
const MachineRow *machine_row(const char *features, int vector_bytes);

typedef struct Machine {
  const char *name;           /* as LLVM names the processor; "native" resolved */
  const char *features;       /* features that compiled code relies on, separated by blanks */
  int vector_bytes;           /* 32 or 64 */
  int vector_registers;       /* 16 or 32 */
  int64_t l1_bytes, l2_bytes; /* per core */
  const MachineRow *row;      /* where all but name and features come from */
} Machine;

#endif
