/* The table of processors, and which row a list of features means. Takes features; returns a row. Asks no processor
   anything. */
#include "machine.h"

#include <stddef.h>
#include <string.h>

#define MEASURED true
#define PUBLISHED false
#define SIZES(vector, registers, l1, l2, l3) vector, registers, (l1) * 1024, (l2) * 1024, (l3) * 1024
#define A_CYCLE(...) __VA_ARGS__
#define COSTS(...) __VA_ARGS__
const MachineRow machine_rows[MACHINE_COUNT] = {
#define MACHINE(name, title, measured, has, ...) [MACHINE_##name] = {#name, title, measured, has, __VA_ARGS__},
#include "compiler/schedule/machines.def"
#undef MACHINE
};

bool features_hold(const char *features, const char *wanted) {
  for (const char *want = wanted; *want != 0; want += strspn(want, " ")) {
    size_t length = strcspn(want, " ");
    const char *at = features;
    while (*at != 0 && !(strcspn(at, " ") == length && strncmp(at, want, length) == 0)) {
      at += strcspn(at, " ");
      at += strspn(at, " ");
    }
    if (*at == 0) return false;
    want += length;
  }
  return true;
}

const MachineRow *machine_row(const char *features, int vector_bytes) {
  for (int r = 0; r < MACHINE_COUNT; r++)
    if (machine_rows[r].vector_bytes == vector_bytes && features_hold(features, machine_rows[r].has))
      return &machine_rows[r];
  return NULL;
}
