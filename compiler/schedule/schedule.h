/* From nodes to programs: which axis order values have in memory (layout), which nodes share a program (fuse), which
   loops and registers compute them (nest, tile). Takes one routine's effects after simplification; returns steps in a
   legal order. Never allocates the arena and never prints code. */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include "compiler/program/program.h"
#include "compiler/schedule/machine.h"

/* ---- layout.c: the order of the axes of every tensor, one decision for all routines of a model ------------------- */

typedef struct Layout Layout;
Layout *layout_new(Session *session);
/* For all that the effects need and move; what has an order keeps it. */
void layout_decide(Layout *layout, Graph *graph, const EffectList *effects);
/* Has everything an order of its own axes, and every reshape the order of what it looks at? */
bool layout_holds(const Layout *layout, Graph *graph, const EffectList *effects);
/* A line for each tensor: its axes, the outermost in memory first. */
void layout_print(const Layout *layout, Graph *graph, const EffectList *effects, FILE *out);

/* ---- programs ---------------------------------------------------------------------------------------------------- */

/* `--strategy`: to be taken wherever it fits. */
typedef struct WantedStrategy {
  int node;              /* -1: for all */
  int strategy;          /* its number */
  int met, taken, unfit; /* counted: how often it was asked of something, taken, or neither it nor another could be */
  int instead;           /* what was, then */
} WantedStrategy;
const char *strategy_name(int number); /* of strategies.def; NULL: no further one */
const char *strategy_title(int number);

typedef struct ScheduleOptions {
  const Machine *machine;
  const char *strategies; /* names of those that the target has code for, separated by blanks; NULL: all */
  int wanted_count;
  WantedStrategy *wanted;
  RegisterType real;    /* REGISTER_F32 or REGISTER_F64 */
  int fuse_limit;       /* --fuse-limit: at most so many fusions, for bisection; -1: no limit */
  bool trace;           /* --trace: every operation is a node of its own (with fuse_limit 0) */
  int told;             /* so many of the last effects only serve statistics: their steps are not of every round */
  const Layout *layout; /* NULL: nothing was decided, each node is ordered as anything of its kind */
} ScheduleOptions;

/* A node that lies in memory between programs (or an input). Strides in elements, by the layout. A reshape of a stored
   value shares its memory. */
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
  const struct Group *group; /* what was decided: group_print_decision */
  StoredValue **bindings;    /* one per buffer of the program that is bound */
  Made *made;                /* likewise */
  const char *lines;         /* of the model, of all that the program computes: "4, 7" */
  bool told;                 /* only statistics need it */
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

/* How each phase of a program was decided: the strategy, its cost and its rivals', sizes. */
void group_print_decision(const struct Group *group, FILE *out);
/* Adds to counts[number] the phases that each strategy has made. */
void schedule_count_strategies(const Schedule *schedule, int *counts);

typedef struct Fusion Fusion; /* which nodes go together; opaque but printable */
Fusion *schedule_fuse(Session *session, Graph *graph, EffectList effects, const ScheduleOptions *options);
void fusion_print(const Fusion *fusion, FILE *out);
Schedule *schedule_programs(Fusion *fusion);

/* Type, size and strides of a node's value: as every program expects them, and the descriptor of the plan says. */
void layout_place(const Layout *layout, const Node *node, StoredValue *value, RegisterType real);

#endif
