/* How items become a program: rows that answer the same questions, so that the cheapest is taken, the others' costs are
   known, and a test can force any of them. */
#ifndef STRATEGY_H
#define STRATEGY_H

#include "contraction.h"
#include "fusion.h"

enum StrategyNumber {
#define STRATEGY(name, title) STRATEGY_##name,
#include "strategies.def"
#undef STRATEGY
  STRATEGY_COUNT
};

/* What a strategy has decided, if it fits. */
typedef struct Rival {
  const Strategy *strategy; /* NULL: does not fit */
  double cycles;            /* of one core: with what starting costs, and what few tasks waste */
  double work;              /* those of the loops alone */
  int64_t chunks;
  const Strategy *loops; /* serial: that makes its loops */
  const Tile *tile;
} Rival;

/* What is to be computed: one item, or several sums that `result` adds up at the same points. `found`: what rows before
   this one have decided. */
typedef struct Question {
  Fusion *fusion;
  int count;
  Item **items;
  const Item *result;
  unsigned kinds; /* of groups that may come of it: 1 << GroupKind */
  const Rival *found;
} Question;

struct Strategy {
  enum StrategyNumber number;
  GroupKind kind; /* of the group that it makes */
  bool followed;  /* maps at the same points may share its loops */
  double start;   /* cycles that it takes however little there is to do */
  bool (*fits)(const Question *question);
  /* All that is to be decided; false: it does not fit after all. */
  bool (*decide)(const Question *question, Rival *rival);
  double (*cost)(const Question *question, const Rival *rival);
  /* Changes what the items read, once it is taken. NULL: nothing to change. */
  void (*commit)(Fusion *fusion, Rival *taken, int count, Item **items);
  /* Appends a phase to a program; `parallel`: it is all of it, and cut into tasks. */
  void (*generate)(Builder *builder, const Rival *decided, const Phase *phase, bool parallel);
  void (*print)(const Rival *decided, FILE *out);
};

/* The decision of a phase, with all that was weighed. */
struct Decision {
  Rival taken;
  const Strategy *wanted; /* that was asked for; NULL: none */
  Rival weighed[STRATEGY_COUNT];
};

#define STRATEGY(name, title) extern const Strategy strategy_##name;
#include "strategies.def"
#undef STRATEGY

enum { EVERY_KIND = 1 << GROUP_NEST | 1 << GROUP_SERIAL | 1 << GROUP_TILE };
/* Weighs all that fit. NULL: several sums that nothing computes together. */
Decision *strategy_decide(Fusion *fusion, int count, Item **items, const Item *result, unsigned kinds);
/* The items are computed so: what the strategy changes in them is changed. */
void strategy_commit(Fusion *fusion, Decision *decision, int count, Item **items);
/* May maps at the same points join the phase of a decision, and what it is then. */
bool strategy_follows(const Decision *decision);
const Decision *strategy_followed(Fusion *fusion, const Decision *decision);
void strategy_generate(Builder *builder, const Decision *decision, const Phase *phase);

/* ---- costs that all share ---------------------------------------------------------------------------------------- */

/* PROGRAM_START: all threads wait for each other before the next program. CHUNK_START: a task is fetched, its code and
   the first lines of what it reads are. */
enum { PROGRAM_START = 3000, CHUNK_START = 1500 };
/* Cycles of chunks together as if of one core, where some of a few workers have nothing to do. */
double strategy_cycles(double work, int64_t chunks);
/* cost.c: cycles of a loop program on one core. */
double program_cycles(const Program *program, const Machine *machine);
/* What loops take that are made of an item alone: work and chunks. False where `loops` makes none. */
typedef bool (*MakeLoops)(Builder *builder, const Phase *phase, bool parallel);
bool strategy_measure(const Question *question, const Item *item, MakeLoops loops, Rival *rival);
/* Of a program of loops, measured; of one that is a tile. */
double loops_cost(const Question *question, const Rival *rival);
void loops_print(const Rival *decided, FILE *out);
bool tile_fits(const Question *question);
/* The cheapest tile with such lanes. */
bool tile_search(const Question *question, Copied lanes, Rival *rival);
double tile_cost(const Question *question, const Rival *rival);
void tile_generate(Builder *builder, const Rival *decided, const Phase *phase, bool parallel);
void tile_decided(const Rival *decided, FILE *out);

#endif
