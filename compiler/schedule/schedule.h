/* From nodes to programs: which nodes share a program (fuse), which axis order values have in memory (layout), which
   loops and registers compute them (nest, tile). Takes one routine's effects after simplification; returns steps in a
   legal order. Never allocates the arena and never prints code. */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include "compiler/program/program.h"
#include "compiler/schedule/machine.h"

typedef struct ScheduleOptions {
  const Machine *machine;
  RegisterType real; /* REGISTER_F32 or REGISTER_F64 */
  int fuse_limit;    /* --fuse-limit: at most so many fusions, for bisection; -1: no limit */
  bool trace;        /* --trace: every operation is a node of its own (with fuse_limit 0) */
} ScheduleOptions;

/* A node that lies in memory between programs (or an input). Strides in elements; the batch axis is the innermost of
   all values, data and noise; weights, states and all else without a batch axis lie in declared order. A reshape of a
   stored value shares its memory. */
typedef struct StoredValue {
  Node *node;          /* an INPUT (persistent or filled), or a value of the arena */
  StorageType storage; /* shape []: always F64 */
  int64_t stride[RANK_LIMIT];
  int64_t elements;
} StoredValue;

/* What a program leaves in a buffer. */
typedef struct Made {
  bool written;
  Span span;
  const char *formula;
} Made; /* formula: where it is short, else "" */

typedef struct ScheduledStep {
  Program *program;
  StoredValue **bindings; /* one per buffer of the program that is bound */
  Made *made;             /* likewise */
  const char *lines;      /* of the model, of all that the program computes: "4, 7" */
  Span span;
} ScheduledStep;

typedef struct Schedule {
  int step_count;
  ScheduledStep *steps;
  int value_count;
  StoredValue **values;
  int tile_count, nest_count;
  double needed_flops; /* multiply-adds of the direct sums, times 2 */
} Schedule;

typedef struct Fusion Fusion; /* which nodes go together; opaque but printable */
Fusion *schedule_fuse(Session *session, Graph *graph, EffectList effects, const ScheduleOptions *options);
void fusion_print(const Fusion *fusion, FILE *out);
Schedule *schedule_programs(Fusion *fusion);

/* Strides of an input as every program expects them: shared with plan for the descriptor. */
void schedule_input_layout(const Node *input, StoredValue *value, RegisterType real);

#endif
