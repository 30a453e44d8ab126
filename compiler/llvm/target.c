/* Processors. Takes the name of one; returns what LLVM must be told and what a schedule needs to know. Code relies on
   the features of one of two levels, so a trainer has few to check, and processors of one level get the same code:
   tuning for their names gained nothing. Never asks the operating system. */
#include "emit.h"

#include <llvm-c/Target.h>
#include <stdlib.h>
#include <string.h>

typedef struct Level {
  const char *features; /* all that compiled code relies on, beyond the first x86-64 */
  int vector_bytes, vector_registers;
} Level;

enum { LEVEL_NONE = -1, LEVEL_AVX2, LEVEL_AVX512 };
static const Level levels[] = {
    [LEVEL_AVX2] = {"sse4.2 popcnt avx2 fma bmi bmi2", 32, 16},
    [LEVEL_AVX512] = {"sse4.2 popcnt avx2 fma bmi bmi2 avx512f avx512bw avx512dq avx512vl", 64, 32},
};

/* The first row whose feature the processor has. */
static const struct {
  const char *feature;
  int64_t l1, l2;
} caches[] = {
    {"amx-tile", 48 << 10, 2 << 20},
    {"avx512vp2intersect", 48 << 10, 1 << 20},
    {"avx512f", 32 << 10, 1 << 20},
    {"avx2", 32 << 10, 512 << 10},
};

static const struct {
  const char *name;
  int level;
} processors[] = {
    {"x86-64", LEVEL_NONE},           {"x86-64-v2", LEVEL_NONE},        {"x86-64-v3", LEVEL_AVX2},
    {"x86-64-v4", LEVEL_AVX512},      {"nehalem", LEVEL_NONE},          {"westmere", LEVEL_NONE},
    {"sandybridge", LEVEL_NONE},      {"ivybridge", LEVEL_NONE},        {"haswell", LEVEL_AVX2},
    {"broadwell", LEVEL_AVX2},        {"skylake", LEVEL_AVX2},          {"alderlake", LEVEL_AVX2},
    {"raptorlake", LEVEL_AVX2},       {"meteorlake", LEVEL_AVX2},       {"arrowlake", LEVEL_AVX2},
    {"lunarlake", LEVEL_AVX2},        {"gracemont", LEVEL_AVX2},        {"sierraforest", LEVEL_AVX2},
    {"skylake-avx512", LEVEL_AVX512}, {"cascadelake", LEVEL_AVX512},    {"cooperlake", LEVEL_AVX512},
    {"cannonlake", LEVEL_AVX512},     {"icelake-client", LEVEL_AVX512}, {"icelake-server", LEVEL_AVX512},
    {"tigerlake", LEVEL_AVX512},      {"rocketlake", LEVEL_AVX512},     {"sapphirerapids", LEVEL_AVX512},
    {"emeraldrapids", LEVEL_AVX512},  {"graniterapids", LEVEL_AVX512},  {"btver2", LEVEL_NONE},
    {"bdver2", LEVEL_NONE},           {"znver1", LEVEL_AVX2},           {"znver2", LEVEL_AVX2},
    {"znver3", LEVEL_AVX2},           {"znver4", LEVEL_AVX512},
};
enum { PROCESSOR_COUNT = sizeof processors / sizeof *processors };

struct Target {
  Machine machine;
  const char *triple, *features; /* as LLVM spells them */
};

const Machine *target_machine(const Target *target) { return &target->machine; }

const char *target_list(Session *session) {
  const char *list = "native";
  for (int i = 0; i < PROCESSOR_COUNT; i++)
    if (processors[i].level != LEVEL_NONE) list = session_format(session, "%s %s", list, processors[i].name);
  return list;
}

/* Is `feature` among names that are separated by `separator`, each after `prefix`? */
static bool holds_feature(const char *list, const char *feature, size_t length, const char *prefix, char separator) {
  size_t before = strlen(prefix);
  for (const char *name = list; name != NULL && *name != 0; name = strchr(name, separator)) {
    if (*name == separator) name++;
    if (strncmp(name, prefix, before) != 0 || strncmp(name + before, feature, length) != 0) continue;
    if (name[before + length] == separator || name[before + length] == 0) return true;
  }
  return false;
}

static bool holds_level(const char *host, const Level *level) {
  for (const char *name = level->features; *name != 0;) {
    size_t length = strcspn(name, " ");
    if (!holds_feature(host, name, length, "+", ',')) return false;
    name += length + (name[length] == ' ');
  }
  return true;
}

static Target *target_of_level(Session *session, const char *name, int number, const char *host) {
  const Level *level = &levels[number];
  Target *target = session_allocate(session, sizeof *target);
  target->machine = (Machine){.name = name,
                              .features = level->features,
                              .vector_bytes = level->vector_bytes,
                              .vector_registers = level->vector_registers};
  for (size_t i = 0; i < sizeof caches / sizeof *caches && target->machine.l1_bytes == 0; i++) {
    size_t length = strlen(caches[i].feature);
    bool has = host != NULL ? holds_feature(host, caches[i].feature, length, "+", ',')
                            : holds_feature(level->features, caches[i].feature, length, "", ' ');
    if (!has) continue;
    target->machine.l1_bytes = caches[i].l1;
    target->machine.l2_bytes = caches[i].l2;
  }
  char *features = session_allocate(session, 2 * strlen(level->features) + 2), *out = features;
  *out++ = '+';
  for (const char *in = level->features; *in != 0; in++) {
    *out++ = *in == ' ' ? ',' : *in;
    if (*in == ' ') *out++ = '+';
  }
  target->features = features;
  target->triple = "x86_64-unknown-linux-gnu";
  return target;
}

static Target *refuse_processor(Session *session, const char *name) {
  diagnostic_hint(diagnostic_report(session, E5021, (Span){0},
                                    "`%s` has no fused multiply-add: compiled models need AVX2 and FMA at least", name),
                  "known are %s", target_list(session));
  return NULL;
}

static Target *native_target(Session *session) {
  char *cpu = LLVMGetHostCPUName(), *features = LLVMGetHostCPUFeatures();
  const char *name = session_string(session, cpu), *host = session_string(session, features);
  LLVMDisposeMessage(cpu);
  LLVMDisposeMessage(features);
  for (int level = LEVEL_AVX512; level >= LEVEL_AVX2; level--)
    if (holds_level(host, &levels[level])) return target_of_level(session, name, level, host);
  return refuse_processor(session, name);
}

Target *target_new(Session *session, const char *march) {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  if (strcmp(march, "native") == 0) return native_target(session);
  const char *names[PROCESSOR_COUNT];
  for (int i = 0; i < PROCESSOR_COUNT; i++) {
    names[i] = processors[i].name;
    if (strcmp(march, processors[i].name) != 0) continue;
    if (processors[i].level == LEVEL_NONE) return refuse_processor(session, march);
    return target_of_level(session, processors[i].name, processors[i].level, NULL);
  }
  const char *nearest = diagnostic_nearest(march, names, PROCESSOR_COUNT);
  Diagnostic *diagnostic = diagnostic_report(session, E5012, (Span){0}, "no processor is called `%s`", march);
  if (nearest != NULL) diagnostic_hint(diagnostic, "did you mean `%s`? Known are %s", nearest, target_list(session));
  else diagnostic_hint(diagnostic, "known are %s", target_list(session));
  return NULL;
}

LLVMTargetMachineRef target_machine_new(const Target *target) {
  LLVMTargetRef llvm = NULL;
  char *message = NULL;
  if (LLVMGetTargetFromTriple(target->triple, &llvm, &message)) {
    LLVMDisposeMessage(message);
    return NULL;
  }
  return LLVMCreateTargetMachine(llvm, target->triple, "x86-64", target->features, LLVMCodeGenLevelDefault,
                                 LLVMRelocPIC, LLVMCodeModelDefault);
}
