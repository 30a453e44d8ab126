/* machine: what the processor at hand does in a second and in a cycle, by one thread and by all at once, as a row of
   compiler/schedule/machines.def, and how far the row that its features choose is off. Medians of nine. */
#include "compiler/llvm/llvm.h"
#include "rates.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TIMES = 9, MEMORY_BYTES = 256 << 20 };

typedef struct Worker {
  pthread_t thread;
  pthread_barrier_t *barrier;
  char *memory;
  int vector_bytes;
  size_t l1, l2;
  struct Sample {
    double rate, clock;
  } *samples; /* [what][time] */
} Worker;

/* ---- what is measured -------------------------------------------------------------------------------------------- */

static double full_width(Worker *w) { return rate_multiply_add(w->vector_bytes, 4); }
static double half_width(Worker *w) { return w->vector_bytes == 64 ? rate_multiply_add(32, 4) : 0; }
static double in_double(Worker *w) { return rate_multiply_add(w->vector_bytes, 8); }
static double spread(Worker *w) { return rate_multiply_add_spread(w->vector_bytes); }
static double bfloat16(Worker *w) { return (void)w, rate_bfloat16(); }
static double root_and_divide(Worker *w) { return rate_root_and_divide(w->vector_bytes); }
static double loads(Worker *w) { return rate_read(w->memory, w->l1 / 2, w->vector_bytes); }
static double stores(Worker *w) { return rate_write(w->memory, w->l1 / 2, w->vector_bytes); }
static double read_l2(Worker *w) { return rate_read(w->memory, w->l2 / 2, w->vector_bytes); }
static double read_l3(Worker *w) { return rate_read(w->memory, 4 * w->l2, w->vector_bytes); }
static double read_memory(Worker *w) { return rate_read(w->memory, MEMORY_BYTES, w->vector_bytes); }
static double write_l2(Worker *w) { return rate_write(w->memory, w->l2 / 2, w->vector_bytes); }
static double write_l3(Worker *w) { return rate_write(w->memory, 4 * w->l2, w->vector_bytes); }
static double write_memory(Worker *w) { return rate_write(w->memory, MEMORY_BYTES, w->vector_bytes); }

/* How a rate becomes the number of a row. */
typedef enum Counted {
  COUNTED_ADDS,    /* vectors of full width of multiply-adds a cycle */
  COUNTED_HALVES,  /* of half width */
  COUNTED_DOUBLES, /* of float64 */
  COUNTED_VECTORS, /* of bytes, in vectors a cycle */
  COUNTED_BYTES,   /* a cycle */
  COUNTED_CYCLES,  /* of one */
  COUNTED_RATIO    /* to multiply-adds of full width */
} Counted;

enum { NO_FIELD = -1 };
static const struct Measure {
  const char *title, *unit;
  double (*rate)(Worker *worker);
  Counted counted;
  int field; /* of MachineRow */
} measures[] = {
    {"multiply-adds, full width", "GFLOP/s", full_width, COUNTED_ADDS, offsetof(MachineRow, multiply_adds)},
    {"multiply-adds, 32 bytes", "GFLOP/s", half_width, COUNTED_HALVES, NO_FIELD},
    {"multiply-adds, float64", "GFLOP/s", in_double, COUNTED_DOUBLES, NO_FIELD},
    {"loads", "GB/s", loads, COUNTED_VECTORS, offsetof(MachineRow, loads)},
    {"stores", "GB/s", stores, COUNTED_VECTORS, offsetof(MachineRow, stores)},
    {"bytes read from L2", "GB/s", read_l2, COUNTED_BYTES, offsetof(MachineRow, l2_rate)},
    {"bytes read from L3", "GB/s", read_l3, COUNTED_BYTES, offsetof(MachineRow, l3_rate)},
    {"bytes read from memory", "GB/s", read_memory, COUNTED_BYTES, offsetof(MachineRow, memory_rate)},
    {"bytes written to L2", "GB/s", write_l2, COUNTED_BYTES, NO_FIELD},
    {"bytes written to L3", "GB/s", write_l3, COUNTED_BYTES, NO_FIELD},
    {"bytes written to memory", "GB/s", write_memory, COUNTED_BYTES, NO_FIELD},
    {"multiply-adds, a number spread", "GFLOP/s", spread, COUNTED_ADDS, offsetof(MachineRow, spread_multiply_adds)},
    {"square root and division", "G/s", root_and_divide, COUNTED_CYCLES, offsetof(MachineRow, root_and_divide)},
    {"products of bfloat16", "GFLOP/s", bfloat16, COUNTED_RATIO, offsetof(MachineRow, bfloat16)},
};
enum { MEASURES = sizeof measures / sizeof *measures };

static double counted(const struct Measure *measure, double rate, double clock, double full, int vector_bytes) {
  double lanes = vector_bytes / 4.0;
  switch (measure->counted) {
  case COUNTED_ADDS: return rate / clock / (2 * lanes);
  case COUNTED_HALVES: return rate / clock / 16;
  case COUNTED_DOUBLES: return rate / clock / lanes;
  case COUNTED_VECTORS: return rate / clock / vector_bytes;
  case COUNTED_BYTES: return rate / clock;
  case COUNTED_CYCLES: return rate > 0 ? clock / rate : 0;
  case COUNTED_RATIO: return rate / full;
  }
  return 0;
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

/* All of them measure the same at the same time. */
static void *worker_run(void *context) {
  Worker *worker = context;
  clock_raise(worker->vector_bytes);
  for (int time = 0; time < TIMES; time++)
    for (int m = 0; m < MEASURES; m++) {
      pthread_barrier_wait(worker->barrier);
      struct Sample *sample = &worker->samples[m * TIMES + time];
      sample->rate = measures[m].rate(worker);
      sample->clock = rate_clock();
    }
  return NULL;
}

typedef struct Found {
  double rate, a_cycle; /* of all threads together; of one thread, the middle one */
} Found;

static bool measure_all(int threads, const Machine *machine, Found *found, double *clock) {
  Worker *workers = calloc((size_t)threads, sizeof *workers);
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, NULL, (unsigned)threads);
  for (int t = 0; t < threads; t++) {
    workers[t] = (Worker){.barrier = &barrier,
                          .memory = pages_allocate(MEMORY_BYTES),
                          .vector_bytes = machine->vector_bytes,
                          .l1 = (size_t)machine->l1_bytes,
                          .l2 = (size_t)machine->l2_bytes,
                          .samples = calloc(MEASURES * TIMES, sizeof(struct Sample))};
    if (workers[t].memory == NULL || workers[t].samples == NULL) return false;
  }
  for (int t = 0; t < threads; t++)
    if (pthread_create(&workers[t].thread, NULL, worker_run, &workers[t]) != 0) return false;
  for (int t = 0; t < threads; t++) pthread_join(workers[t].thread, NULL);
  double clocks[TIMES];
  for (int m = 0; m < MEASURES; m++) {
    double rates[TIMES], cycles[TIMES];
    for (int time = 0; time < TIMES; time++) {
      const struct Sample *sample = &workers[0].samples[m * TIMES + time];
      cycles[time] =
          counted(&measures[m], sample->rate, sample->clock, workers[0].samples[time].rate, machine->vector_bytes);
      if (m == 0) clocks[time] = sample->clock;
      rates[time] = 0;
      for (int t = 0; t < threads; t++) rates[time] += workers[t].samples[m * TIMES + time].rate;
    }
    found[m] = (Found){median_of(TIMES, rates), median_of(TIMES, cycles)};
  }
  *clock = median_of(TIMES, clocks);
  for (int t = 0; t < threads; t++) pages_free(workers[t].memory), free(workers[t].samples);
  free(workers);
  pthread_barrier_destroy(&barrier);
  return true;
}

/* ---- what is printed --------------------------------------------------------------------------------------------- */

static double field_of(const MachineRow *row, int field) {
  double number;
  memcpy(&number, (const char *)row + field, sizeof number);
  return number;
}

static void print_table(const MachineRow *row, int threads, const Found *one, const Found *all) {
  char many[32];
  snprintf(many, sizeof many, "%d threads", threads);
  printf("%-32s %12s %12s %8s %9s %9s\n", "", "one thread", many, "", "a cycle", row->name);
  for (int m = 0; m < MEASURES; m++) {
    const struct Measure *measure = &measures[m];
    if (one[m].rate == 0) continue;
    printf("%-32s %12.1f %12.1f %8s %9.2f", measure->title, 1e-9 * one[m].rate, 1e-9 * all[m].rate, measure->unit,
           one[m].a_cycle);
    double told = measure->field == NO_FIELD ? 0 : field_of(row, measure->field);
    if (measure->field != NO_FIELD) printf(" %9.4g", told);
    if (told > 0) printf("  %+.0f%%", 100 * (one[m].a_cycle / told - 1));
    if (measure->counted == COUNTED_CYCLES) printf("  (cycles of a vector)");
    if (measure->counted == COUNTED_RATIO) printf("  (of float32's)");
    printf("\n");
  }
}

static double found_in(const Found *found, size_t field) {
  for (int m = 0; m < MEASURES; m++)
    if (measures[m].field == (int)field) return found[m].a_cycle;
  return 0;
}

/* Caches as the system tells; which part of a shared L3 is a core's, it does not. */
static void print_row(const MachineRow *row, const Found *one) {
  long l1 = sysconf(_SC_LEVEL1_DCACHE_SIZE), l2 = sysconf(_SC_LEVEL2_CACHE_SIZE), l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
  printf("\nAs a row (of an L3 of %ld KiB in all, the part of a core is as it was):\n", l3 >> 10);
  printf("MACHINE(%s, \"%s\", MEASURED, \"%s\",\n        SIZES(%d, %d, %ld, %ld, %lld),\n", row->name, row->title,
         row->has, row->vector_bytes, row->vector_registers, l1 >> 10, l2 >> 10, (long long)row->l3_bytes >> 10);
#define IN(field) found_in(one, offsetof(MachineRow, field))
  printf("        A_CYCLE(%.2g, %.2g, %.2g, %.2g, %.2g, %.2g), COSTS(%.2g, %.2g, %.2g))\n", IN(multiply_adds),
         IN(loads), IN(stores), IN(l2_rate), IN(l3_rate), IN(memory_rate), IN(spread_multiply_adds),
         IN(root_and_divide), IN(bfloat16));
#undef IN
  bool same = (l1 == 0 || l1 == row->l1_bytes) && (l2 == 0 || l2 == row->l2_bytes);
  if (!same)
    printf("The row has an L1 of %lld KiB and an L2 of %lld KiB.\n", (long long)row->l1_bytes >> 10,
           (long long)row->l2_bytes >> 10);
}

int main(void) {
  Session *session = session_new();
  const Target *target = target_new(session, "native");
  if (target == NULL) return diagnostic_print_all(session, stderr), 2;
  const Machine *machine = target_machine(target);
  const MachineRow *row = machine->row;
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  int threads = processors > 2 ? 2 : (int)processors;
  Found one[MEASURES], all[MEASURES];
  double clock, shared_clock;
  if (!measure_all(1, machine, one, &clock) || !measure_all(threads, machine, all, &shared_clock)) {
    fprintf(stderr, "machine: no memory, or no threads\n");
    return 1;
  }
  printf("%s, by its features %s (%s); clock about %.2f GHz, %.2f with %d threads\n\n", machine->name, row->title,
         row->measured ? "measured on such a machine" : "published numbers", 1e-9 * clock, 1e-9 * shared_clock,
         threads);
  print_table(row, threads, one, all);
  print_row(row, one);
  session_free(session);
  return 0;
}
