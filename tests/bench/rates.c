/* Rates of one core: multiply-adds, loads and stores in loops of fixed instructions. Takes widths and memory; returns
   rates. Never starts a thread. */
#include "rates.h"

#include <cpuid.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static double seconds_of(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double seconds_spent(void) { return seconds_of(CLOCK_THREAD_CPUTIME_ID); }
double seconds_passed(void) { return seconds_of(CLOCK_MONOTONIC); }

static int by_size(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

double median_of(int count, double *numbers) {
  qsort(numbers, (size_t)count, sizeof *numbers, by_size);
  return numbers[count / 2];
}

/* The page in front says how much there is. */
enum { HUGE_PAGE = 2 << 20 };

void *pages_allocate(size_t bytes) {
  size_t room = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE + 2 * (size_t)HUGE_PAGE;
  char *mapping = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return NULL;
  char *pages = mapping + 2 * (size_t)HUGE_PAGE - (uintptr_t)mapping % HUGE_PAGE;
  (void)madvise(pages, room - (size_t)(pages - mapping), MADV_HUGEPAGE); /* a wish */
  memset(pages, 0, bytes);                                               /* there, and not one page of zeros */
  ((uintptr_t *)(void *)pages)[-1] = (uintptr_t)mapping;
  ((size_t *)(void *)pages)[-2] = room;
  return pages;
}

void pages_free(void *pages) {
  if (pages == NULL) return;
  munmap((void *)((uintptr_t *)pages)[-1], ((size_t *)pages)[-2]);
}

int vector_bytes_here(void) {
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1) || !(c >> 12 & 1)) return 0; /* OSXSAVE, FMA */
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & 6) != 6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b >> 5 & 1)) return 0; /* AVX2 */
  return (b >> 16 & 1) && (low & 0xe0) == 0xe0 ? 64 : 32;                                    /* AVX512F */
}

/* ---- loops ------------------------------------------------------------------------------------------------------- */

/* Registers from 16 on are used by no code that knows nothing of AVX-512; the others are told to the compiler. */
#define CHANGED \
  "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", \
      "xmm12", "xmm13", "xmm14", "xmm15"

#define ONE(text, r, n) text ", %%" r "mm" n "\n\t"
#define TWELVE(text, r) \
  ONE(text, r, "0") \
  ONE(text, r, "1") \
  ONE(text, r, "2") \
  ONE(text, r, "3") \
  ONE(text, r, "4") \
  ONE(text, r, "5") \
  ONE(text, r, "6") ONE(text, r, "7") ONE(text, r, "8") ONE(text, r, "9") ONE(text, r, "10") ONE(text, r, "11")

/* Twelve chains: enough for two units of five cycles each. */
enum { CHAINS = 12 };
#define MULTIPLY_ADD(name, r, type, suffix) \
  static void name(int64_t turns) { \
    static const type numbers[3] = {(type)0.999, (type)1e-3, 1}; \
    __asm__ volatile("vbroadcasts" suffix " (%1), %%" r "mm12\n\t" \
                     "vbroadcasts" suffix " %c2(%1), %%" r "mm13\n\t" TWELVE( \
                         "vbroadcasts" suffix " %c3(%1)", \
                         r) ".p2align 5\n" \
                            "1:\n\t" TWELVE("vfmadd213p" suffix " %%" r "mm13, %%" r "mm12", r) "dec %0\n\t" \
                                                                                                "jnz 1b\n\t" \
                                                                                                "vzeroupper" \
                     : "+r"(turns) \
                     : "r"(numbers), "i"(sizeof(type)), "i"(2 * sizeof(type)) \
                     : CHANGED); \
  }
MULTIPLY_ADD(multiply_add_32_4, "y", float, "s")
MULTIPLY_ADD(multiply_add_64_4, "z", float, "s")
MULTIPLY_ADD(multiply_add_32_8, "y", double, "d")
MULTIPLY_ADD(multiply_add_64_8, "z", double, "d")

double rate_multiply_add(int vector_bytes, int element_bytes) {
  enum { TURNS = 60000 };
  void (*loop)(int64_t turns) = vector_bytes == 64 ? (element_bytes == 4 ? multiply_add_64_4 : multiply_add_64_8)
                                                   : (element_bytes == 4 ? multiply_add_32_4 : multiply_add_32_8);
  double start = seconds_spent();
  loop(TURNS);
  return 2.0 * TURNS * CHAINS * (vector_bytes / element_bytes) / (seconds_spent() - start);
}

#define SPREAD(name, r, source) \
  static void name(int64_t turns) { \
    static const float numbers[2] = {0.999f, 1e-3f}; \
    __asm__ volatile("vbroadcastss (%1), %%" r "mm12\n\t" \
                     "vbroadcastss 4(%1), %%" r \
                     "mm13\n\t" TWELVE("vxorps %%xmm0, %%xmm0, %%xmm0\n\tvbroadcastss 4(%1)", r) ".p2align 5\n" \
                                                                                                 "1:\n\t" source \
                                                                                                 "dec %0\n\t" \
                                                                                                 "jnz 1b\n\t" \
                                                                                                 "vzeroupper" \
                     : "+r"(turns) \
                     : "r"(numbers) \
                     : CHANGED); \
  }
/* The wide form takes the number itself; the narrow one needs an instruction for it. */
SPREAD(multiply_add_spread_64, "z", TWELVE("vfmadd231ps (%1)%{1to16%}, %%zmm13", "z"))
SPREAD(multiply_add_spread_32, "y", TWELVE("vbroadcastss (%1), %%ymm12\n\tvfmadd231ps %%ymm13, %%ymm12", "y"))

static double rate_of(void (*loop)(int64_t turns), double each) {
  enum { TURNS = 40000 };
  double start = seconds_spent();
  loop(TURNS);
  return TURNS * each / (seconds_spent() - start);
}

double rate_multiply_add_spread(int vector_bytes) {
  return rate_of(vector_bytes == 64 ? multiply_add_spread_64 : multiply_add_spread_32, 2.0 * CHAINS * vector_bytes / 4);
}

#define ROOT_AND_DIVIDE(r) \
  "vsqrtps %%" r "mm12, %%" r "mm0\n\tvdivps %%" r "mm0, %%" r "mm12, %%" r "mm1\n\t" \
  "vsqrtps %%" r "mm12, %%" r "mm2\n\tvdivps %%" r "mm2, %%" r "mm12, %%" r "mm3\n\t"
SPREAD(root_and_divide_32, "y", ROOT_AND_DIVIDE("y") ROOT_AND_DIVIDE("y"))
SPREAD(root_and_divide_64, "z", ROOT_AND_DIVIDE("z") ROOT_AND_DIVIDE("z"))

double rate_root_and_divide(int vector_bytes) {
  return rate_of(vector_bytes == 64 ? root_and_divide_64 : root_and_divide_32, 4);
}

SPREAD(bfloat16_64, "z", TWELVE("vdpbf16ps %%zmm13, %%zmm12", "z"))

double rate_bfloat16(void) {
  unsigned a, b, c, d;
  bool has = vector_bytes_here() == 64 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
  return has ? rate_of(bfloat16_64, 2.0 * CHAINS * 32) : 0;
}

double rate_clock(void) {
  enum { TURNS = 20000, CHAIN = 8, CYCLES = 3 };
  int64_t turns = TURNS, number = 1;
  double start = seconds_spent();
  __asm__ volatile("1:\n\t"
                   "imul %1, %1\n\timul %1, %1\n\timul %1, %1\n\timul %1, %1\n\t"
                   "imul %1, %1\n\timul %1, %1\n\timul %1, %1\n\timul %1, %1\n\t"
                   "dec %0\n\t"
                   "jnz 1b"
                   : "+r"(turns), "+r"(number)
                   :
                   : "cc");
  return (double)TURNS * CHAIN * CYCLES / (seconds_spent() - start);
}

void clock_raise(int vector_bytes) {
  double start = seconds_spent();
  while (seconds_spent() - start < 0.2) (void)rate_multiply_add(vector_bytes, 4);
}

/* Eight vectors a turn. */
#define EIGHT(w, before, after) \
  before "0*" w after before "1*" w after before "2*" w after before "3*" w after before "4*" w after before \
         "5*" w after before "6*" w after before "7*" w after
#define SWEEP(name, w, before, after) \
  static void name(const char *from, const char *to) { \
    __asm__ volatile("vxorps %%xmm0, %%xmm0, %%xmm0\n" \
                     ".p2align 5\n" \
                     "1:\n\t" EIGHT(w, before, after) "add $8*" w ", %0\n\t" \
                                                      "cmp %1, %0\n\t" \
                                                      "jb 1b\n\t" \
                                                      "vzeroupper" \
                     : "+r"(from) \
                     : "r"(to) \
                     : CHANGED); \
  }
SWEEP(read_32, "32", "vmovups ", "(%0), %%ymm1\n\t")
SWEEP(read_64, "64", "vmovups ", "(%0), %%zmm1\n\t")
SWEEP(write_32, "32", "vmovups %%ymm0, ", "(%0)\n\t")
SWEEP(write_64, "64", "vmovups %%zmm0, ", "(%0)\n\t")

#define IN_PLACE(w, r, n) \
  "vmovups " n "*" w "(%0), %%" r "mm1\n\tvaddps %%" r "mm0, %%" r "mm1, %%" r "mm1\n\tvmovups %%" r "mm1, " n "*" w \
  "(%0)\n\t"
#define UPDATE(name, r, w) \
  static void name(const char *from, const char *to) { \
    __asm__ volatile("vxorps %%xmm0, %%xmm0, %%xmm0\n" \
                     ".p2align 5\n" \
                     "1:\n\t" IN_PLACE(w, r, "0") IN_PLACE(w, r, "1") IN_PLACE(w, r, "2") IN_PLACE(w, r, "3") \
                         IN_PLACE(w, r, "4") IN_PLACE(w, r, "5") IN_PLACE(w, r, "6") \
                             IN_PLACE(w, r, "7") "add $8*" w ", %0\n\t" \
                                                 "cmp %1, %0\n\t" \
                                                 "jb 1b\n\t" \
                                                 "vzeroupper" \
                     : "+r"(from) \
                     : "r"(to) \
                     : CHANGED); \
  }
UPDATE(update_32, "y", "32")
UPDATE(update_64, "z", "64")

enum { SWEPT = 512, SWEEP_BYTES = 64 << 20 }; /* bytes of a turn; about what a run moves at least */

static double rate_sweep(void (*loop)(const char *from, const char *to), const char *memory, size_t bytes) {
  bytes = bytes / SWEPT * SWEPT;
  if (bytes == 0) return 0;
  int64_t turns = SWEEP_BYTES / (int64_t)bytes + 1;
  loop(memory, memory + bytes);
  double start = seconds_spent();
  for (int64_t turn = 0; turn < turns; turn++) loop(memory, memory + bytes);
  return (double)turns * (double)bytes / (seconds_spent() - start);
}

double rate_read(const void *memory, size_t bytes, int vector_bytes) {
  return rate_sweep(vector_bytes == 64 ? read_64 : read_32, memory, bytes);
}

double rate_write(void *memory, size_t bytes, int vector_bytes) {
  return rate_sweep(vector_bytes == 64 ? write_64 : write_32, memory, bytes);
}

double rate_update(void *memory, size_t bytes, int vector_bytes) {
  return 2 * rate_sweep(vector_bytes == 64 ? update_64 : update_32, memory, bytes);
}
