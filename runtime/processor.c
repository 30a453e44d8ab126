/* What the processor can do. Takes feature names as LLVM spells them; asks cpuid, and the system whether it keeps wide
   registers. Never executes an instruction that it is asking about. */
#include "runtime/runtime.h"

#include <cpuid.h>
#include <string.h>

typedef enum CpuRegister { EAX, EBX, ECX, EDX } CpuRegister;
/* The register state that the system must save, as bits of XCR0. */
enum { SAVED_NONE = 0, SAVED_256 = 0x6, SAVED_512 = 0xE6, SAVED_TILES = 0x60000, SAVED_KNOWN_BY = 27 };

typedef enum Leaf { LEAF_1, LEAF_7, LEAF_7_1, LEAF_EXTENDED, LEAF_COUNT } Leaf;
static const struct {
  unsigned leaf, subleaf;
} leaf_numbers[LEAF_COUNT] = {{1, 0}, {7, 0}, {7, 1}, {0x80000001, 0}};

typedef struct Feature {
  const char *name;
  Leaf leaf;
  CpuRegister reg;
  int bit;
  unsigned saved;
} Feature;

static const Feature features[] = {
    {"sse3", LEAF_1, ECX, 0, SAVED_NONE},         {"pclmul", LEAF_1, ECX, 1, SAVED_NONE},
    {"ssse3", LEAF_1, ECX, 9, SAVED_NONE},        {"fma", LEAF_1, ECX, 12, SAVED_256},
    {"cx16", LEAF_1, ECX, 13, SAVED_NONE},        {"sse4.1", LEAF_1, ECX, 19, SAVED_NONE},
    {"sse4.2", LEAF_1, ECX, 20, SAVED_NONE},      {"movbe", LEAF_1, ECX, 22, SAVED_NONE},
    {"popcnt", LEAF_1, ECX, 23, SAVED_NONE},      {"aes", LEAF_1, ECX, 25, SAVED_NONE},
    {"avx", LEAF_1, ECX, 28, SAVED_256},          {"f16c", LEAF_1, ECX, 29, SAVED_256},
    {"rdrnd", LEAF_1, ECX, 30, SAVED_NONE},       {"bmi", LEAF_7, EBX, 3, SAVED_NONE},
    {"avx2", LEAF_7, EBX, 5, SAVED_256},          {"bmi2", LEAF_7, EBX, 8, SAVED_NONE},
    {"avx512f", LEAF_7, EBX, 16, SAVED_512},      {"avx512dq", LEAF_7, EBX, 17, SAVED_512},
    {"adx", LEAF_7, EBX, 19, SAVED_NONE},         {"avx512ifma", LEAF_7, EBX, 21, SAVED_512},
    {"avx512cd", LEAF_7, EBX, 28, SAVED_512},     {"sha", LEAF_7, EBX, 29, SAVED_NONE},
    {"avx512bw", LEAF_7, EBX, 30, SAVED_512},     {"avx512vl", LEAF_7, EBX, 31, SAVED_512},
    {"avx512vbmi", LEAF_7, ECX, 1, SAVED_512},    {"avx512vbmi2", LEAF_7, ECX, 6, SAVED_512},
    {"gfni", LEAF_7, ECX, 8, SAVED_NONE},         {"vaes", LEAF_7, ECX, 9, SAVED_256},
    {"vpclmulqdq", LEAF_7, ECX, 10, SAVED_256},   {"avx512vnni", LEAF_7, ECX, 11, SAVED_512},
    {"avx512bitalg", LEAF_7, ECX, 12, SAVED_512}, {"avx512vpopcntdq", LEAF_7, ECX, 14, SAVED_512},
    {"avx512fp16", LEAF_7, EDX, 23, SAVED_512},   {"amx-bf16", LEAF_7, EDX, 22, SAVED_TILES},
    {"amx-tile", LEAF_7, EDX, 24, SAVED_TILES},   {"amx-int8", LEAF_7, EDX, 25, SAVED_TILES},
    {"avxvnni", LEAF_7_1, EAX, 4, SAVED_256},     {"avx512bf16", LEAF_7_1, EAX, 5, SAVED_512},
    {"lzcnt", LEAF_EXTENDED, ECX, 5, SAVED_NONE},
};

/* All that cpuid says at once: under a hypervisor every question costs microseconds. */
typedef struct Processor {
  unsigned word[LEAF_COUNT][4];
  unsigned saved;
} Processor;

static Processor processor_ask(void) {
  Processor processor = {0};
  for (int k = 0; k < LEAF_COUNT; k++) {
    unsigned *word = processor.word[k];
    __get_cpuid_count(leaf_numbers[k].leaf, leaf_numbers[k].subleaf, &word[EAX], &word[EBX], &word[ECX], &word[EDX]);
  }
  unsigned high = 0;
  if (processor.word[LEAF_1][ECX] >> SAVED_KNOWN_BY & 1)
    __asm__ volatile("xgetbv" : "=a"(processor.saved), "=d"(high) : "c"(0));
  return processor;
}

static bool feature_present(const Processor *processor, const Feature *feature) {
  return (processor->word[feature->leaf][feature->reg] >> feature->bit & 1) &&
         (processor->saved & feature->saved) == feature->saved;
}

/* Names that are not in the table say nothing that could stop a kernel (scheduling hints, system instructions). */
bool processor_has(const char *wanted, char *missing, size_t size) {
  Processor processor = processor_ask();
  while (*wanted) {
    size_t length = strcspn(wanted, " ");
    for (size_t k = 0; k < sizeof features / sizeof *features; k++)
      if (strlen(features[k].name) == length && memcmp(features[k].name, wanted, length) == 0 &&
          !feature_present(&processor, &features[k])) {
        snprintf(missing, size, "%s", features[k].name);
        return false;
      }
    wanted += length;
    wanted += strspn(wanted, " ");
  }
  return true;
}

int processor_vector_bytes(void) {
  char missing[32];
  if (processor_has("avx512f avx512dq avx512vl fma", missing, sizeof missing)) return 64;
  return processor_has("avx2 fma", missing, sizeof missing) ? 32 : 16;
}
