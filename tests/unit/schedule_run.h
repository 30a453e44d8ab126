/* What the tests of schedules share: a routine run natively, every buffer between two pages that nobody may touch, and
   compared with the interpreter. */
#ifndef SCHEDULE_RUN_H
#define SCHEDULE_RUN_H

#include "compiler/graph/graph.h"
#include "compiler/llvm/llvm.h"
#include "compiler/schedule/schedule.h"
#include "runtime/abi.h"
#include "check_main.h"
#include "random_numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { GUARD_PAGE = 4096 };

/* The block ends at a page that cannot be read; another lies before it. */
static inline void *guarded_block(size_t size) {
  size_t room = (size + GUARD_PAGE - 1) / GUARD_PAGE * GUARD_PAGE + GUARD_PAGE;
  char *pages = mmap(NULL, room + GUARD_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) abort();
  mprotect(pages, GUARD_PAGE, PROT_NONE);
  mprotect(pages + room, GUARD_PAGE, PROT_NONE);
  size_t aligned = (size + 63) / 64 * 64;
  char *block = pages + room - aligned;
  memset(block, 0x7f, aligned); /* a value that was never written is a NaN or huge */
  return block;
}

static inline void guarded_free(void *block, size_t size) {
  size_t room = (size + GUARD_PAGE - 1) / GUARD_PAGE * GUARD_PAGE + GUARD_PAGE;
  munmap((char *)block + (size + 63) / 64 * 64 - room, room + GUARD_PAGE);
}

static inline size_t value_bytes(const StoredValue *value) {
  return (size_t)(value->elements * storage_bytes(value->storage));
}

/* Row-major numbers to and from the layout of a value. */
static inline void value_exchange(const StoredValue *value, char *memory, double *numbers, bool read) {
  const Node *node = value->node;
  int64_t index[RANK_LIMIT] = {0};
  for (int64_t i = 0; i < value->elements; i++) {
    int64_t rest = i, offset = 0;
    for (int d = node->rank - 1; d >= 0; d--) index[d] = rest % node->shape[d], rest /= node->shape[d];
    for (int d = 0; d < node->rank; d++) offset += index[d] * value->stride[d];
    if (value->storage == STORAGE_F32) {
      float *at = (float *)(void *)memory + offset;
      if (read) numbers[i] = *at;
      else *at = (float)numbers[i];
    } else {
      double *at = (double *)(void *)memory + offset;
      if (read) numbers[i] = *at;
      else *at = numbers[i];
    }
  }
}

typedef struct NativeRun {
  Session *session;
  Fusion *fusion;
  Schedule *schedule;
  LoadedPrograms *loaded;
  int first;     /* its steps' kernels among those loaded */
  bool borrowed; /* another run unloads them */
  void **memory; /* by value */
  void *workspace;
  size_t workspace_bytes;
  DrawCounters counters;
} NativeRun;

static inline int run_value(const NativeRun *run, const StoredValue *value) {
  for (int v = 0; v < run->schedule->value_count; v++)
    if (run->schedule->values[v] == value) return v;
  return -1;
}

static inline StoredValue *run_input(const NativeRun *run, const Node *node) {
  for (int v = 0; v < run->schedule->value_count; v++)
    if (run->schedule->values[v]->node == node) return run->schedule->values[v];
  return NULL;
}

/* Programs, not yet code. The options must live as long. */
/* A strategy to be taken wherever it fits. */
static inline WantedStrategy strategy_wanted(const char *name) {
  int number = 0;
  while (strategy_name(number) != NULL && strcmp(strategy_name(number), name) != 0) number++;
  ck_assert_ptr_nonnull(strategy_name(number));
  return (WantedStrategy){.node = -1, .strategy = number};
}

static inline NativeRun *run_scheduled(Session *session, Graph *graph, EffectList effects,
                                       const ScheduleOptions *options) {
  NativeRun *run = calloc(1, sizeof *run);
  run->session = session;
  run->fusion = schedule_fuse(session, graph, effects, options);
  run->schedule = schedule_programs(run->fusion);
  for (int s = 0; s < run->schedule->step_count; s++) {
    Program *program = run->schedule->steps[s].program;
    if (!program_verify(session, program)) {
      program_print(program, stderr);
      diagnostic_print_all(session, stderr);
      ck_abort_msg("a program that is not well-formed");
    }
    if ((size_t)program->workspace_bytes > run->workspace_bytes)
      run->workspace_bytes = (size_t)program->workspace_bytes;
  }
  return run;
}

/* The code of several at once, which costs far less than one by one; the first is freed last. */
static inline void runs_load(Session *session, Target *target, int count, NativeRun *const *runs) {
  int program_count = 0;
  for (int r = 0; r < count; r++) program_count += runs[r]->schedule->step_count;
  Program **programs = calloc((size_t)program_count + 1, sizeof *programs);
  program_count = 0;
  for (int r = 0; r < count; r++) {
    runs[r]->first = program_count;
    for (int s = 0; s < runs[r]->schedule->step_count; s++)
      programs[program_count++] = runs[r]->schedule->steps[s].program;
  }
  LoadedPrograms *loaded = llvm_load(session, target, program_count, programs);
  if (loaded == NULL) diagnostic_print_all(session, stderr);
  ck_assert_ptr_nonnull(loaded);
  free(programs);
  for (int r = 0; r < count; r++) {
    NativeRun *run = runs[r];
    run->loaded = loaded, run->borrowed = r > 0;
    run->memory = calloc((size_t)run->schedule->value_count + 1, sizeof *run->memory);
    for (int v = 0; v < run->schedule->value_count; v++)
      run->memory[v] = guarded_block(value_bytes(run->schedule->values[v]));
    run->workspace = guarded_block(run->workspace_bytes);
  }
}

static inline NativeRun *run_limited(Session *session, Target *target, Graph *graph, EffectList effects,
                                     RegisterType real, int fuse_limit) {
  ScheduleOptions *options = session_allocate(session, sizeof *options);
  *options = (ScheduleOptions){.machine = target_machine(target), .real = real, .fuse_limit = fuse_limit};
  NativeRun *run = run_scheduled(session, graph, effects, options);
  runs_load(session, target, 1, &run);
  return run;
}

static inline NativeRun *run_new(Session *session, Target *target, Graph *graph, EffectList effects,
                                 RegisterType real) {
  return run_limited(session, target, graph, effects, real, -1);
}

static inline void run_free(NativeRun *run) {
  for (int v = 0; v < run->schedule->value_count; v++)
    guarded_free(run->memory[v], value_bytes(run->schedule->values[v]));
  guarded_free(run->workspace, run->workspace_bytes);
  if (!run->borrowed) llvm_unload(run->loaded);
  free(run->memory);
  free(run);
}

static inline void run_set(NativeRun *run, const Node *input, const double *numbers) {
  StoredValue *value = run_input(run, input);
  if (value != NULL) value_exchange(value, run->memory[run_value(run, value)], (double *)(uintptr_t)numbers, false);
}

static inline void run_get(NativeRun *run, const Node *input, double *numbers) {
  StoredValue *value = run_input(run, input);
  ck_assert_ptr_nonnull(value);
  value_exchange(value, run->memory[run_value(run, value)], numbers, true);
}

/* The same numbers on both sides. */
static inline void both_set(NativeRun *run, Interpreter *interpreter, Node *input, const double *numbers) {
  interpreter_set(interpreter, input, numbers);
  run_set(run, input, numbers);
}

/* Chunks in the reverse order: nothing may depend on it. */
static inline void run_steps(NativeRun *run) {
  for (int s = 0; s < run->schedule->step_count; s++) {
    const ScheduledStep *step = &run->schedule->steps[s];
    void *buffers[1024];
    ck_assert_int_le(step->program->bound_count, 1024);
    for (int b = 0; b < step->program->bound_count; b++) buffers[b] = run->memory[run_value(run, step->bindings[b])];
    Call call = {.buffers = buffers,
                 .seed = run->counters.seed,
                 .round = run->counters.round,
                 .ordinal = run->counters.ordinal,
                 .first_sample = run->counters.first_sample};
    Kernel kernel = (Kernel)(uintptr_t)llvm_kernel(run->loaded, run->first + s);
    size_t unused = run->workspace_bytes / 64 * 64 - (size_t)step->program->workspace_bytes / 64 * 64;
    void *workspace = (char *)run->workspace + unused; /* it ends where the page does */
    for (int64_t chunk = step->program->chunks - 1; chunk >= 0; chunk--) kernel(&call, chunk, workspace);
  }
}

/* ‖a − b‖ / ‖b‖ */
static inline double distance(const double *a, const double *b, int64_t count) {
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < count; i++) {
    if (a[i] == b[i] || (isnan(a[i]) && isnan(b[i]))) {
      norm += isfinite(b[i]) ? b[i] * b[i] : 0;
      continue;
    }
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return difference == 0 ? 0 : sqrt(difference / (norm > 0 ? norm : 1));
}

/* How far what the run left in a target is from what the interpreter finds for a node. */
static inline double run_distance(NativeRun *run, const Node *target, Interpreter *interpreter, Node *node) {
  double *numbers = malloc(((size_t)node_size(target) + 1) * sizeof *numbers);
  run_get(run, target, numbers);
  double away = distance(numbers, interpreter_value(interpreter, node), node_size(target));
  free(numbers);
  return away;
}

#endif
