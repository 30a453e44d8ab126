/* Processors: each name that may stand after --march takes the row of machines.def that its features mean. */
#include "compiler/llvm/llvm.h"
#include "check_main.h"

#include <string.h>

START_TEST(names_take_rows) {
  static const struct {
    const char *name, *row;
  } rows[] = {
      {"x86-64-v3", "avx2"},
      {"x86-64-v4", "avx512"},
      {"haswell", "avx2"},
      {"broadwell", "avx2"},
      {"skylake", "avx2"},
      {"alderlake", "avx2"},
      {"raptorlake", "avx2"},
      {"meteorlake", "avx2"},
      {"arrowlake", "avx2"},
      {"lunarlake", "avx2"},
      {"gracemont", "avx2"},
      {"sierraforest", "avx2"},
      {"skylake-avx512", "avx512"},
      {"cascadelake", "avx512"},
      {"cooperlake", "avx512"}, /* has bfloat16, as Zen 4 does */
      {"cannonlake", "avx512"},
      {"icelake-client", "avx512"},
      {"icelake-server", "avx512"},
      {"tigerlake", "avx512"}, /* has vp2intersect, as Zen 5 does */
      {"rocketlake", "avx512"},
      {"sapphirerapids", "intel_amx"},
      {"emeraldrapids", "intel_amx"},
      {"graniterapids", "intel_amx"},
      {"znver1", "avx2"},
      {"znver2", "avx2"},
      {"znver3", "avx2"},
      {"znver4", "zen4"},
      {"znver5", "zen5"},
  };
  Session *session = session_new();
  const char *known = target_list(session);
  int count = 0;
  for (const char *at = known; (at = strchr(at, ' ')) != NULL; at++) count++;
  ck_assert_int_eq(count, LENGTH(rows)); /* `native`, and these */
  for (int k = 0; k < LENGTH(rows); k++) {
    const Target *target = target_new(session, rows[k].name);
    ck_assert_msg(target != NULL, "%s", rows[k].name);
    const Machine *machine = target_machine(target);
    ck_assert_msg(strcmp(machine->row->name, rows[k].row) == 0, "%s takes %s", rows[k].name, machine->row->name);
    ck_assert_int_eq(machine->vector_bytes, machine->row->vector_bytes);
    ck_assert_int_eq(machine->vector_registers, machine->row->vector_registers);
    ck_assert_int_eq(machine->l1_bytes, machine->row->l1_bytes);
    ck_assert_int_eq(machine->l2_bytes, machine->row->l2_bytes);
  }
  session_free(session);
}
END_TEST

/* What a hypervisor may leave over: AMX hidden, half of the features hidden. */
START_TEST(features_take_rows) {
  static const struct {
    const char *features;
    int vector_bytes;
    const char *row;
  } rows[] = {
      {"avx2 avx512f avx512bf16 avx512vbmi2 avx512fp16 amx-tile", 64, "intel_amx"},
      {"avx2 avx512f avx512bf16 avx512vbmi2 avx512fp16", 64, "intel"},
      {"avx2 avx512f avx512bf16 avx512vbmi2 avx512fp16 avx512vp2intersect", 64, "intel"},
      {"avx512vp2intersect avx2 avx512bf16 avx512f", 64, "zen5"},
      {"avx2 avx512f avx512vbmi2 avx512bf16", 64, "zen4"},
      {"avx2 avx512f avx512vp2intersect", 64, "avx512"},
      {"avx2 avx512f avx512fp16 amx-tile", 32, "avx2"}, /* without the rest of AVX-512, code has halves */
      {"avx2", 32, "avx2"},
      {"avx2x avx512fp16x", 32, NULL},
      {"", 32, NULL},
      {"avx2", 64, NULL},
  };
  for (int k = 0; k < LENGTH(rows); k++) {
    const MachineRow *row = machine_row(rows[k].features, rows[k].vector_bytes);
    ck_assert_msg((row == NULL) == (rows[k].row == NULL), "%s", rows[k].features);
    if (row != NULL) ck_assert_str_eq(row->name, rows[k].row);
  }
}
END_TEST

START_TEST(rows_are_whole) {
  for (int r = 0; r < MACHINE_COUNT; r++) {
    const MachineRow *row = &machine_rows[r];
    ck_assert_msg(row->vector_bytes == 32 || row->vector_bytes == 64, "%s", row->name);
    ck_assert_int_eq(row->vector_registers, row->vector_bytes == 64 ? 32 : 16);
    ck_assert_msg(row->l1_bytes < row->l2_bytes && row->l3_bytes > 0, "%s", row->name);
    ck_assert_msg(row->memory_rate > 0 && row->memory_rate < row->l3_rate && row->l3_rate < row->l2_rate, "%s",
                  row->name);
    ck_assert_msg(row->l2_rate <= row->loads * row->vector_bytes, "%s", row->name);
    ck_assert_msg(row->spread_multiply_adds <= row->multiply_adds && row->stores <= row->loads, "%s", row->name);
    ck_assert_msg(row->root_and_divide > 0 && row->bfloat16 >= 0, "%s", row->name);
  }
}
END_TEST

CHECK_MAIN(.tests = {names_take_rows, features_take_rows, rows_are_whole})
