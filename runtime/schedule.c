/* One round of `train`: the schedule's tree, walked once. Takes an execution and a clock; sets the counters that
   expressions read, runs routines in order and moves the clock on. The ordinal of an evaluation is its number within
   the round among those that draw, so a routine inside `repeat` draws anew each time. Never writes a file, never looks
   at a result beyond the counts, periods and conditions of the tree. */
#include "runtime/runtime.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Round {
  Execution *execution;
  const Clock *clock;
  int64_t ordinal;
  Problem *problem;
} Round;

Clock clock_create(const Descriptor *model, const Supply *supply) {
  static const char *const units[] = {
      [UNIT_NONE] = "", [UNIT_STEPS] = "steps", [UNIT_IMAGES] = "images", [UNIT_EPOCHS] = "epochs"};
  static const char *const counters[COUNTERS] = {
      [COUNTER_STEP] = "step", [COUNTER_IMAGE] = "image", [COUNTER_EPOCH] = "epoch", [COUNTER_PROGRESS] = "progress"};
  Clock clock = {.length = model->header->length};
  for (int k = 0; k < 4; k++)
    if (strcmp(model->header->length_unit, units[k]) == 0) clock.unit = k;
  for (int k = 0; k < COUNTERS; k++) {
    int64_t tensor = descriptor_find_tensor(model, counters[k]);
    clock.counters[k] = tensor >= 0 && model->tensors[tensor].role == ROLE_COUNTER ? tensor : -1;
  }
  if (model->header->first_data >= 0)
    clock.first_data_samples = (double)supply_sample_count(supply, model->header->first_data);
  double batch = (double)model->header->batch;
  double steps = clock.unit == UNIT_STEPS    ? clock.length
                 : clock.unit == UNIT_IMAGES ? clock.length / batch
                                             : clock.length * clock.first_data_samples / batch;
  clock.steps = clock.unit == UNIT_NONE ? 0 : (int64_t)fmin(ceil(steps), LENGTH_LIMIT);
  return clock;
}

double clock_epoch(const Clock *clock) {
  return clock->first_data_samples > 0 ? (double)clock->image / clock->first_data_samples : 0;
}

void clock_show(const Clock *clock, Execution *execution) {
  double epoch = clock_epoch(clock), done[] = {[UNIT_NONE] = 0,
                                               [UNIT_STEPS] = (double)clock->step,
                                               [UNIT_IMAGES] = (double)clock->image,
                                               [UNIT_EPOCHS] = epoch};
  double progress = clock->unit != UNIT_NONE && clock->length > 0 ? fmin(done[clock->unit] / clock->length, 1) : 0;
  double values[COUNTERS] = {[COUNTER_STEP] = (double)clock->step,
                             [COUNTER_IMAGE] = (double)clock->image,
                             [COUNTER_EPOCH] = epoch,
                             [COUNTER_PROGRESS] = progress};
  for (int k = 0; k < COUNTERS; k++)
    if (clock->counters[k] >= 0) execution_set_scalar(execution, clock->counters[k], values[k]);
}

static bool run_routine(Round *round, int64_t routine) {
  bool draws = round->execution->model->routines[routine].ordinal >= 0;
  Occasion occasion = {.round = round->clock->step,
                       .ordinal = draws ? round->ordinal++ : 0,
                       .rows = {.fed = INT64_MAX},
                       .told = round->clock->told};
  return execution_run(round->execution, routine, occasion, round->problem);
}

/* The count, period or condition of a node, computed where it stands. */
static bool node_value(Round *round, const ScheduleRecord *node, double *value) {
  if (node->routine >= 0 && !run_routine(round, node->routine)) return false;
  *value = node->value >= 0 ? execution_scalar(round->execution, node->value) : node->constant;
  if (isfinite(*value)) return true;
  return problem_set(round->problem, "line %lld: the %s came out as %g at step %lld", (long long)node->line,
                     node->kind == SCHEDULE_REPEAT  ? "count of `repeat`"
                     : node->kind == SCHEDULE_EVERY ? "period of `every`"
                                                    : "condition of `if`",
                     *value, (long long)round->clock->step);
}

static bool run_node(Round *round, int64_t index);

static bool run_children(Round *round, int64_t child) {
  for (; child >= 0; child = round->execution->model->schedules[child].next_sibling)
    if (!run_node(round, child)) return false;
  return true;
}

static bool run_repeat(Round *round, const ScheduleRecord *node) {
  double count;
  if (!node_value(round, node, &count)) return false;
  if (count < 0 || count > REPEAT_LIMIT)
    return problem_set(
        round->problem,
        "line %lld: the count of `repeat` came out as %g at step %lld; it must be at least 0 and at most %.0f",
        (long long)node->line, count, (long long)round->clock->step, REPEAT_LIMIT);
  for (int64_t turn = 0; turn < (int64_t)floor(count); turn++)
    if (!run_children(round, node->first_child)) return false;
  return true;
}

static bool run_every(Round *round, const ScheduleRecord *node) {
  double period;
  if (!node_value(round, node, &period)) return false;
  if (period < 1 || period > LENGTH_LIMIT)
    return problem_set(round->problem, "line %lld: the period of `every` must be at least 1 and at most %.0f, not %g",
                       (long long)node->line, LENGTH_LIMIT, period);
  return round->clock->step % (int64_t)period != 0 || run_children(round, node->first_child);
}

/* The first child is what `then` holds, the second, if there is one, `else`. */
static bool run_choice(Round *round, const ScheduleRecord *node) {
  double condition;
  if (!node_value(round, node, &condition)) return false;
  int64_t chosen = node->first_child;
  if (condition == 0 && chosen >= 0) chosen = round->execution->model->schedules[chosen].next_sibling;
  return chosen < 0 || run_node(round, chosen);
}

static bool run_node(Round *round, int64_t index) {
  const ScheduleRecord *node = &round->execution->model->schedules[index];
  switch ((ScheduleKind)node->kind) {
  case SCHEDULE_SEQUENCE: return run_children(round, node->first_child);
  case SCHEDULE_REPEAT: return run_repeat(round, node);
  case SCHEDULE_EVERY: return run_every(round, node);
  case SCHEDULE_CHOICE: return run_choice(round, node);
  case SCHEDULE_RUN: return run_routine(round, node->routine);
  }
  return false;
}

bool round_run(Execution *execution, Clock *clock, Problem *problem) {
  Round round = {execution, clock, 0, problem};
  clock_show(clock, execution);
  if (!run_node(&round, execution->model->header->schedule)) return false;
  clock->step++;
  clock->image += execution->model->header->batch;
  return true;
}

/* ---- what a round will do ---------------------------------------------------------------------------------------- */

static void expect_node(const Descriptor *model, int64_t index, double times, double *runs) {
  const ScheduleRecord *node = &model->schedules[index];
  if (node->routine >= 0) runs[node->routine] += times;
  if (node->kind == SCHEDULE_REPEAT && node->value < 0) times *= floor(node->constant);
  if (node->kind == SCHEDULE_EVERY && node->value < 0 && node->constant >= 1) times /= floor(node->constant);
  if (node->kind == SCHEDULE_CHOICE) times /= 2;
  for (int64_t child = node->first_child; child >= 0; child = model->schedules[child].next_sibling)
    expect_node(model, child, times, runs);
}

void round_expect(const Descriptor *model, double *runs) {
  for (int64_t r = 0; r < model->routine_count; r++) runs[r] = 0;
  expect_node(model, model->header->schedule, 1, runs);
}

/* How often a node is reached for certain in rounds first..end-1: where a count or a period is only known while
   training, or a condition decides, never. `period`: of all `every` around it. */
static void certain_node(const Descriptor *model, int64_t index, int64_t first, int64_t end, double times,
                         int64_t period, double *runs) {
  const ScheduleRecord *node = &model->schedules[index];
  int64_t rounds = (end + period - 1) / period - (first + period - 1) / period; /* whose number it divides */
  if (node->routine >= 0) runs[node->routine] += times * (double)rounds;
  if (node->kind == SCHEDULE_CHOICE || (node->kind != SCHEDULE_SEQUENCE && node->value >= 0)) return;
  if (node->kind == SCHEDULE_REPEAT) times *= fmax(floor(node->constant), 0);
  if (node->kind == SCHEDULE_EVERY) {
    int64_t own = node->constant >= 1 && node->constant <= LENGTH_LIMIT ? (int64_t)node->constant : 1, a = own,
            b = period;
    while (b) {
      int64_t rest = a % b;
      a = b, b = rest;
    }
    if (own / a > (int64_t)LENGTH_LIMIT / period) return; /* in round 0, if at all */
    period *= own / a;
  }
  for (int64_t child = node->first_child; child >= 0; child = model->schedules[child].next_sibling)
    certain_node(model, child, first, end, times, period, runs);
}

/* Rows of a feed that rounds first..end-1 take at least; `runs`: room for a number per routine. */
static double certain_rows(const Descriptor *model, const char *variable, int64_t first, int64_t end, double *runs) {
  double rows = 0;
  for (int64_t r = 0; r < model->routine_count; r++) runs[r] = 0;
  certain_node(model, model->header->schedule, first, end, 1, 1, runs);
  for (int64_t r = 0; r < model->routine_count; r++)
    for (int64_t k = 0; k < model->routines[r].fill_count; k++) {
      const TensorRecord *tensor = &model->tensors[model->fills[model->routines[r].first_fill + k].tensor];
      if (strcmp(tensor->name, variable) == 0) rows += runs[r] * (double)(tensor->batch ? tensor->shape[0] : 1);
    }
  return rows;
}

bool rounds_can_be_fed(const Descriptor *model, const Supply *supply, int64_t first, int64_t end, Problem *problem) {
  double *runs = system_allocate(((size_t)model->routine_count + 1) * sizeof *runs);
  if (!runs) return problem_out_of_memory(problem, "the schedule", (size_t)model->routine_count * sizeof *runs);
  bool fine = true;
  for (int64_t k = 0; fine && k < model->tensor_count && first < end; k++) {
    const Dataset *feed = descriptor_declares_variable(model, k) ? supply_feed(supply, k) : NULL;
    const char *name = model->tensors[k].name;
    if (!feed) continue;
    int64_t taken = supply_fed(supply, k), enough = first, short_of = end;
    double left = (double)feed->count - (double)taken;
    if (certain_rows(model, name, first, end, runs) <= left) continue;
    while (short_of - enough > 1) {
      int64_t middle = enough + (short_of - enough) / 2;
      if (certain_rows(model, name, first, middle, runs) <= left) enough = middle;
      else short_of = middle;
    }
    double needed = certain_rows(model, name, first, short_of, runs);
    fine = problem_set(problem,
                       "feed %s: %s has %" PRId64 " rows, and step %" PRId64 " needs rows up to %.0f (counted from 0): "
                       "feed more of them, or train fewer --steps, up to %" PRId64,
                       name, feed->name, feed->count, short_of, (double)taken + needed - 1, enough);
  }
  free(runs);
  return fine;
}

double routine_flops(const Descriptor *model, int64_t routine) {
  double flops = 0;
  for (int64_t s = 0; s < model->routines[routine].step_count; s++)
    flops += model->steps[model->routines[routine].first_step + s].flops;
  return flops;
}

double round_flops_needed(const Descriptor *model, const double *runs) {
  double needed = 0, once = 0, all = 0;
  for (int64_t k = 0; k < model->player_count; k++) needed += model->players[k].flops;
  for (int64_t r = 0; r < model->routine_count; r++) {
    if (model->routines[r].kind != ROUTINE_UPDATE) continue;
    once += routine_flops(model, r);
    all += runs[r] * routine_flops(model, r);
  }
  return once > 0 ? needed * all / once : needed;
}
