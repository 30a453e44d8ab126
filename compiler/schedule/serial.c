/* Small phases in turn, one program of one task: nothing waits between them, and nothing goes on beside them. The loops
   of a phase are the cheapest of those that would be a program of their own. */
#include "strategy.h"

static bool serial_fits(const Question *question) { return question->count == 1; }

static bool serial_decide(const Question *question, Rival *rival) {
  const Rival *best = NULL;
  for (int s = 0; s < STRATEGY_serial; s++) {
    const Rival *found = &question->found[s];
    if (found->strategy == NULL || found->strategy->kind != GROUP_NEST) continue;
    if (best == NULL || found->work < best->work) best = found;
  }
  if (best == NULL) return false;
  rival->loops = best->strategy, rival->work = best->work, rival->chunks = 1;
  return true;
}

static double serial_cost(const Question *question, const Rival *rival) {
  (void)question;
  return strategy_cycles(rival->work, 1) - CHUNK_START;
}

static void serial_generate(Builder *builder, const Rival *decided, const Phase *phase, bool parallel) {
  (void)parallel;
  decided->loops->generate(builder, decided, phase, false);
}

const Strategy strategy_serial = {
    .number = STRATEGY_serial,
    .kind = GROUP_SERIAL,
    .followed = true,
    .fits = serial_fits,
    .decide = serial_decide,
    .cost = serial_cost,
    .generate = serial_generate,
    .print = loops_print,
};
