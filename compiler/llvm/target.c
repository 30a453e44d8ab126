/* Processors. Takes the name of one; returns what LLVM must be told and what a schedule needs to know. Code relies on
   the features of one of two levels, so a trainer has few to check; what else a processor has chooses the row of
   machines.def by which its programs are shaped. Never asks the operating system. */
#include "emit.h"

#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <stdlib.h>
#include <string.h>

typedef struct Level {
  const char *features; /* all that compiled code relies on, beyond the first x86-64 */
  int vector_bytes;
} Level;

enum { LEVEL_NONE = -1, LEVEL_AVX2, LEVEL_AVX512 };
static const Level levels[] = {
    [LEVEL_AVX2] = {"sse4.2 popcnt avx2 fma bmi bmi2", 32},
    [LEVEL_AVX512] = {"sse4.2 popcnt avx2 fma bmi bmi2 avx512f avx512bw avx512dq avx512vl", 64},
};

static const struct {
  const char *name;
  int level;
  const char *further;
} processors[] = {
#define PROCESSOR(name, level, further) {name, LEVEL_##level, further},
#include "processors.def"
#undef PROCESSOR
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

/* "a b" as LLVM wants it: "+a,+b". */
static const char *features_to_llvm(Session *session, const char *features) {
  char *spelt = session_allocate(session, 2 * strlen(features) + 2), *out = spelt;
  *out++ = '+';
  for (const char *in = features; *in != 0; in++) {
    *out++ = *in == ' ' ? ',' : *in;
    if (*in == ' ') *out++ = '+';
  }
  return spelt;
}

/* Those that LLVM says are there, "+a,-b,+c", as "a c". */
static const char *features_from_llvm(Session *session, const char *spelt) {
  char *features = session_allocate(session, strlen(spelt) + 1), *out = features;
  for (const char *in = spelt; *in != 0; in += *in == ',') {
    size_t length = strcspn(in, ",");
    if (*in == '+') {
      if (out > features) *out++ = ' ';
      memcpy(out, in + 1, length - 1);
      out += length - 1;
    }
    in += length;
  }
  return features;
}

/* `has`: all features of the processor that are known. */
static Target *target_of_level(Session *session, const char *name, const Level *level, const char *has) {
  const MachineRow *row = machine_row(has, level->vector_bytes);
  if (row == NULL) internal_error(HERE, "no row of machines.def for a level");
  Target *target = session_allocate(session, sizeof *target);
  target->machine = (Machine){.name = name,
                              .features = level->features,
                              .vector_bytes = row->vector_bytes,
                              .vector_registers = row->vector_registers,
                              .l1_bytes = row->l1_bytes,
                              .l2_bytes = row->l2_bytes,
                              .row = row};
  target->features = features_to_llvm(session, level->features);
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
  char *cpu = LLVMGetHostCPUName(), *host = LLVMGetHostCPUFeatures();
  const char *name = session_string(session, cpu), *has = features_from_llvm(session, host);
  LLVMDisposeMessage(cpu);
  LLVMDisposeMessage(host);
  for (int level = LEVEL_AVX512; level >= LEVEL_AVX2; level--)
    if (features_hold(has, levels[level].features)) return target_of_level(session, name, &levels[level], has);
  return refuse_processor(session, name);
}

static Target *named_target(Session *session, int number) {
  const char *name = processors[number].name;
  if (processors[number].level == LEVEL_NONE) return refuse_processor(session, name);
  const Level *level = &levels[processors[number].level];
  return target_of_level(session, name, level,
                         session_format(session, "%s %s", level->features, processors[number].further));
}

/* LLVM would move the constants of what follows a micro-kernel out of the loop around both, and sums of the kernel to
   the stack to make room for them. Constants are taken from memory instead, a load each, which is in the nearest cache.
   (What is said to a process again is ignored.) */
static void keep_constants_in_place(void) {
  static const char *const words[] = {"ganc", "-disable-machine-licm"};
  LLVMParseCommandLineOptions(2, words, NULL);
}

Target *target_new(Session *session, const char *march) {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  keep_constants_in_place();
  if (strcmp(march, "native") == 0) return native_target(session);
  const char *names[PROCESSOR_COUNT];
  for (int i = 0; i < PROCESSOR_COUNT; i++) {
    names[i] = processors[i].name;
    if (strcmp(march, names[i]) == 0) return named_target(session, i);
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
