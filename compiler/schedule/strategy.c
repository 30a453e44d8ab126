/* The table of strategies, and the one place where one is chosen. Takes what is to be computed; returns a decision with
   everything that was weighed. What fits is for the rows to say, what is cheaper for their costs; `--strategy` forces
   what fits. Never makes programs. */
#include "strategy.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const struct {
  const char *name, *title;
} words[STRATEGY_COUNT] = {
#define STRATEGY(name, title) [STRATEGY_##name] = {#name, title},
#include "strategies.def"
#undef STRATEGY
};
static const Strategy *const strategies[STRATEGY_COUNT] = {
#define STRATEGY(name, title) [STRATEGY_##name] = &strategy_##name,
#include "strategies.def"
#undef STRATEGY
};

const char *strategy_name(int number) { return number < STRATEGY_COUNT ? words[number].name : NULL; }
const char *strategy_title(int number) { return words[number].title; }

double strategy_cycles(double work, int64_t chunks) {
  enum { WORKERS = 8 };
  double tasks = (double)chunks;
  return (work + CHUNK_START * tasks) * (1 + 0.1 * (ceil(tasks / WORKERS) * WORKERS / tasks - 1));
}

/* ---- what is asked for ------------------------------------------------------------------------------------------- */

static bool is_asked(const Question *question, int node) {
  if (node < 0) return true;
  for (int k = 0; k < question->count; k++)
    if (question->items[k]->node->id == node) return true;
  return question->result != NULL && question->result->node->id == node;
}

/* The first that is asked for and fits; what is asked of one node goes before what is asked of all. `best`: what is
   taken where none does. */
static const Strategy *find_wanted(const Question *question, const Rival *weighed, int best) {
  const ScheduleOptions *options = question->fusion->options;
  WantedStrategy *found = NULL;
  for (int pass = 0; pass < 2; pass++)
    for (int w = 0; w < options->wanted_count; w++) {
      WantedStrategy *wanted = &options->wanted[w];
      if ((wanted->node < 0) != (pass == 1) || !is_asked(question, wanted->node)) continue;
      wanted->met++;
      if (found == NULL && weighed[wanted->strategy].strategy != NULL) found = wanted;
    }
  for (int w = 0; w < options->wanted_count && found == NULL; w++)
    if (is_asked(question, options->wanted[w].node)) options->wanted[w].unfit++, options->wanted[w].instead = best;
  if (found == NULL) return NULL;
  found->taken++;
  return strategies[found->strategy];
}

static bool may_be_wanted(const Question *question, int number) {
  const ScheduleOptions *options = question->fusion->options;
  for (int w = 0; w < options->wanted_count; w++)
    if (options->wanted[w].strategy == number && is_asked(question, options->wanted[w].node)) return true;
  return false;
}

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

static bool is_available(const Question *question, const Strategy *strategy) {
  const char *names = question->fusion->options->strategies;
  return (question->kinds >> strategy->kind & 1) != 0 &&
         (names == NULL || features_hold(names, words[strategy->number].name));
}

Decision *strategy_decide(Fusion *fusion, int count, Item **items, const Item *result, unsigned kinds) {
  Decision *decision = session_allocate(fusion->session, sizeof *decision);
  *decision = (Decision){0};
  Question question = {fusion, count, items, result, kinds, decision->weighed};
  int best = -1;
  for (int s = 0; s < STRATEGY_COUNT; s++) {
    const Strategy *strategy = strategies[s];
    Rival *rival = &decision->weighed[s];
    if (!is_available(&question, strategy) || !strategy->fits(&question)) continue;
    if (best >= 0 && strategy->start >= decision->weighed[best].cycles && !may_be_wanted(&question, s)) continue;
    rival->strategy = strategy;
    if (!strategy->decide(&question, rival)) {
      *rival = (Rival){0};
      continue;
    }
    rival->cycles = strategy->cost(&question, rival);
    if (best < 0 || rival->cycles < decision->weighed[best].cycles) best = s;
  }
  if (best < 0 && count > 1) return NULL;
  if (best < 0) internal_error(HERE, "no strategy of this target fits a node");
  decision->wanted = find_wanted(&question, decision->weighed, best);
  if (decision->wanted != NULL) best = decision->wanted->number;
  decision->taken = decision->weighed[best];
  return decision;
}

/* The row whose loops the phase has. */
static const Strategy *loops_of(const Decision *decision) {
  return decision->taken.loops != NULL ? decision->taken.loops : decision->taken.strategy;
}

bool strategy_follows(const Decision *decision) {
  return loops_of(decision)->followed ||
         (decision->wanted == NULL && decision->weighed[STRATEGY_nest].strategy != NULL);
}

const Decision *strategy_followed(Fusion *fusion, const Decision *decision) {
  if (loops_of(decision)->followed) return decision;
  Decision *other = session_allocate(fusion->session, sizeof *other);
  *other = *decision;
  if (decision->taken.loops == NULL) other->taken = decision->weighed[STRATEGY_nest];
  else other->taken.loops = &strategy_nest;
  return other;
}

void strategy_commit(Fusion *fusion, Decision *decision, int count, Item **items) {
  const Strategy *strategy = decision->taken.strategy;
  if (strategy->commit != NULL) strategy->commit(fusion, &decision->taken, count, items);
}

void strategy_generate(Builder *builder, const Decision *decision, const Phase *phase) {
  decision->taken.strategy->generate(builder, &decision->taken, phase, true);
}

void schedule_count_strategies(const Schedule *schedule, int *counts) {
  for (int s = 0; s < schedule->step_count; s++) {
    const Group *group = schedule->steps[s].group;
    for (int p = 0; p < group->phase_count; p++) counts[group->phases[p].decision->taken.strategy->number]++;
  }
}

/* ---- for people -------------------------------------------------------------------------------------------------- */

/* The losers, the cheapest first. */
static void print_rivals(const Decision *decision, FILE *out) {
  bool printed[STRATEGY_COUNT] = {false};
  for (const char *before = "; instead: ";; before = ", ") {
    int next = -1;
    for (int s = 0; s < STRATEGY_COUNT; s++) {
      const Rival *rival = &decision->weighed[s];
      if (printed[s] || rival->strategy == NULL || rival->strategy == decision->taken.strategy) continue;
      if (next < 0 || rival->cycles < decision->weighed[next].cycles) next = s;
    }
    if (next < 0) return;
    printed[next] = true;
    fprintf(out, "%s%s %.4g", before, words[next].name, decision->weighed[next].cycles * 1e-6);
  }
}

static void print_names(const Group *group, const Phase *phase, FILE *out) {
  for (int p = 0; p < group->piece_count; p++) fprintf(out, "n%d + ", group->pieces[p]->node->id);
  const Node *root = phase->items[0]->node;
  fprintf(out, "n%d", root->id);
  if (root->name != NULL) fprintf(out, " %s", root->name);
  if (phase->count > 1) fprintf(out, " and %d more", phase->count - 1);
}

void group_print_decision(const Group *group, FILE *out) {
  for (int p = 0; p < group->phase_count; p++) {
    const Phase *phase = &group->phases[p];
    const Decision *decision = phase->decision;
    fputs("decided: ", out);
    print_names(group, phase, out);
    fprintf(out, ": %s", words[decision->taken.strategy->number].name);
    if (decision->taken.loops != NULL) fprintf(out, " %s", words[decision->taken.loops->number].name);
    fprintf(out, "%s, %.4g Mcycles", decision->wanted != NULL ? " as asked" : "", decision->taken.cycles * 1e-6);
    print_rivals(decision, out);
    fputs("\n", out);
    decision->taken.strategy->print(&decision->taken, out);
  }
}
