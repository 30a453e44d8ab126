/* Where a number that is none came from. Takes a training that ends in an objective, a count of the schedule or a
   weight that is not finite; runs its last rounds again, from a state that was kept in memory, and looks at what
   every program leaves; says which one was the first to blame.

   Numbers may be infinite on purpose (a mask, the branch that a `select` drops), so the first that is met need not be
   the cause. All that are not finite are listed in the order in which programs leave them, each replaced by 1 at
   once, so that what follows from it does not count. Then the rounds are run with the first of the list left as they
   are and the others replaced, again and again, in halves: the cause is the one whose leaving spoils the result while
   all before it are left as they are and do not. Everything up to it is as it was in training, to the bit.

   Never writes a file; a training is over once it has been searched. */
#include "runtime/blame.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A state is kept at the beginning and with every checkpoint, and when the last one is so old: no replay takes much
   longer. */
static const double patience = 60;
/* Bytes of the list: one for each number of a value that has one which is not finite. */
static const size_t list_limit = (size_t)1 << 28;

struct Blame {
  Engine *engine;
  const TensorView *kept;
  size_t kept_count;
  KeptState base;
  double base_seconds;
};

/* ---- before anything is wrong ------------------------------------------------------------------------------------ */

Blame *blame_new(Engine *engine, const TensorView *kept, size_t kept_count) {
  Blame *blame = allocate_zeroed(1, sizeof *blame);
  if (blame) *blame = (Blame){.engine = engine, .kept = kept, .kept_count = kept_count};
  if (blame) blame_keep(blame, true);
  return blame;
}

void blame_free(Blame *blame) {
  if (blame) kept_state_release(&blame->base);
  free(blame);
}

void blame_keep(Blame *blame, bool now) {
  if (!blame || (!now && seconds_now() - blame->base_seconds < patience) ||
      (blame->base.block && blame->base.step == blame->engine->clock.step))
    return;
  if (!now && !tensors_are_finite(blame->kept, blame->kept_count, NULL)) return;
  kept_state_save(&blame->base, blame->engine); /* without memory for it there is no search, and training goes on */
  blame->base_seconds = seconds_now();
}

/* ---- numbers that are not finite --------------------------------------------------------------------------------- */

typedef enum NumberClass { NUMBER_FINITE, NUMBER_NAN, NUMBER_INFINITE, NUMBER_MINUS_INFINITE } NumberClass;

static NumberClass number_class(double value) {
  return isfinite(value) ? NUMBER_FINITE
         : isnan(value)  ? NUMBER_NAN
         : value > 0     ? NUMBER_INFINITE
                         : NUMBER_MINUS_INFINITE;
}

/* Of the memory that the view spans, gaps between its elements included: those may hold anything, so `false` is no
   more than a suspicion. */
static bool span_is_finite(const TensorView *view) {
  int64_t span = 1;
  bool finite = true;
  for (int64_t axis = 0; axis < view->rank; axis++) span += (view->shape[axis] - 1) * view->stride[axis];
  if (view->type == STORAGE_F64)
    for (int64_t k = 0; k < span; k++) finite &= isfinite(((const double *)view->data)[k]) != 0;
  else
    for (int64_t k = 0; k < span; k++) finite &= isfinite(((const float *)view->data)[k]) != 0;
  return finite;
}

bool binding_view(const Execution *execution, int64_t binding, TensorView *view) {
  const Descriptor *model = execution->model;
  const BindingRecord *record = &model->bindings[binding];
  if (record->tensor >= 0) return *view = execution_view(execution, record->tensor), true;
  if (record->value < 0) return false;
  const ValueRecord *value = &model->values[record->value];
  *view = (TensorView){
      .name = value->name, .type = (StorageType)value->type, .rank = value->rank, .data = execution->buffers[binding]};
  memcpy(view->shape, value->shape, sizeof view->shape);
  memcpy(view->stride, value->stride, sizeof view->stride);
  return true;
}

/* ---- a search ---------------------------------------------------------------------------------------------------- */

/* What one run of a step has left in one buffer. */
typedef struct Spoilt {
  int64_t run, step, binding; /* run: its number since the first round of the search */
  int64_t first, size;        /* number of its first one in the whole list; elements */
  uint8_t *classes;           /* by element; enum NumberClass */
} Spoilt;

typedef enum Look { LOOK_LIST, LOOK_TEST, LOOK_FIND } Look;

typedef struct Search {
  const Blame *blame;
  const Interrupt *interrupt;
  int64_t tensor; /* the result, or BLAME_WEIGHTS */
  int64_t last_round;
  KeptState start; /* before the first round that is looked at */
  Spoilt *list;
  size_t list_count, list_capacity, list_bytes;
  int64_t numbers; /* in the list */
  Look look;
  int64_t left; /* so many are left as they are */
  int64_t run;
  size_t at; /* of the list: the next one */
  Finding *finding;
  bool stopped, failed; /* by a person; for want of memory */
} Search;

static bool result_is_spoilt(const Search *search) {
  const Blame *blame = search->blame;
  if (search->tensor >= 0) return !isfinite(execution_scalar(&blame->engine->execution, search->tensor));
  return !tensors_are_finite(blame->kept, blame->kept_count, NULL);
}

/* False: no memory, or the list is full. */
static bool list_add(Search *search, Spoilt spoilt) {
  if (search->list_bytes + (size_t)spoilt.size > list_limit) return false;
  Spoilt *list = list_grow(search->list, &search->list_capacity, search->list_count + 1, sizeof *list);
  if (!list) return false;
  search->list = list;
  spoilt.classes = allocate_zeroed((size_t)spoilt.size, 1);
  if (!spoilt.classes) return false;
  search->list[search->list_count++] = spoilt;
  search->list_bytes += (size_t)spoilt.size;
  return true;
}

static void list_view(Search *search, int64_t step, int64_t binding, const TensorView *view) {
  if (span_is_finite(view)) return;
  int64_t size = tensor_view_size(view), element = 0;
  while (element < size && isfinite(view_get(view, element))) element++;
  if (element == size) return;
  bool listed = list_add(
      search, (Spoilt){.run = search->run, .step = step, .binding = binding, .first = search->numbers, .size = size});
  search->failed |= !listed;
  for (; element < size; element++) {
    NumberClass class = number_class(view_get(view, element));
    if (class == NUMBER_FINITE) continue;
    if (listed) search->list[search->list_count - 1].classes[element] = (uint8_t)class;
    search->numbers += listed;
    view_set(view, element, 1); /* not 0: quotients and logarithms end there */
  }
}

/* A number is replaced only if it is what it was in the list: not if another, left as it is, has come through. */
static void replace_listed(const Search *search, const Spoilt *spoilt, const TensorView *view) {
  int64_t number = spoilt->first;
  for (int64_t element = 0; element < spoilt->size; element++) {
    if (spoilt->classes[element] == NUMBER_FINITE) continue;
    if (number++ >= search->left && number_class(view_get(view, element)) == spoilt->classes[element])
      view_set(view, element, 1);
  }
}

static void find_element(const Search *search, const Spoilt *spoilt, const TensorView *view) {
  int64_t number = spoilt->first, element = 0;
  for (; element < spoilt->size; element++)
    if (spoilt->classes[element] != NUMBER_FINITE && number++ == search->left) break;
  search->finding->element = element;
  for (int64_t k = 0; k < spoilt->size; k++) search->finding->bad_count += !isfinite(view_get(view, k));
}

static int64_t after_bindings(const Descriptor *model, int64_t step) {
  return model->steps[step].first_binding + model->programs[model->steps[step].program].buffer_count;
}

/* Is this run of the step the one that has left the number? */
static bool is_wanted(const Search *search, int64_t step) {
  return search->look == LOOK_FIND && search->list[search->at].run == search->run &&
         search->list[search->at].step == step;
}

static bool look_before(void *context, int64_t routine, int64_t step, Problem *problem) {
  Search *search = context;
  if (search->interrupt && interrupt_asked(search->interrupt)) {
    search->stopped = true;
    return problem_set(problem, "stopped");
  }
  if (!is_wanted(search, step)) return true;
  search->finding->routine = routine;
  search->finding->step = step;
  return finding_keep_overwritten(search->finding, &search->blame->engine->execution) ||
         problem_out_of_memory(problem, "the search", 0);
}

static bool look_after(void *context, int64_t routine, int64_t step, Problem *problem) {
  (void)routine;
  Search *search = context;
  const Execution *execution = &search->blame->engine->execution;
  TensorView view;
  for (int64_t b = execution->model->steps[step].first_binding;
       search->look == LOOK_LIST && b < after_bindings(execution->model, step); b++)
    if (execution->model->bindings[b].written && binding_view(execution, b, &view)) list_view(search, step, b, &view);
  for (; search->look == LOOK_TEST && search->at < search->list_count && search->list[search->at].run == search->run;
       search->at++)
    if (search->list[search->at].step == step && binding_view(execution, search->list[search->at].binding, &view))
      replace_listed(search, &search->list[search->at], &view);
  if (is_wanted(search, step) && binding_view(execution, search->list[search->at].binding, &view)) {
    search->finding->round = search->blame->engine->clock.step;
    search->finding->binding = search->list[search->at].binding;
    find_element(search, &search->list[search->at], &view);
    search->finding->found = true;
    finding_report(search->finding, search->blame->engine);
    return problem_set(problem, "found");
  }
  search->run++;
  return true;
}

/* The rounds of the search once more. False: somebody has stopped it. */
static bool look_again(Search *search, Look look, int64_t left) {
  Engine *engine = search->blame->engine;
  Problem ignored;
  Watch watch = {look_before, look_after, search};
  search->look = look, search->left = left, search->run = 0;
  if (look != LOOK_FIND) search->at = 0;
  kept_state_restore(&search->start, engine);
  engine->execution.watch = &watch;
  while (engine->clock.step <= search->last_round && round_run(&engine->execution, &engine->clock, &ignored)) {}
  engine->execution.watch = NULL;
  return !search->stopped;
}

/* From what was kept to the end of the round. Leaves in search->start the last state before it whose weights and
   states were finite. */
static bool replay(Search *search) {
  const Blame *blame = search->blame;
  Engine *engine = blame->engine;
  Problem ignored;
  Watch watch = {.before = look_before, .context = search};
  kept_state_restore(&blame->base, engine);
  engine->execution.watch = &watch;
  search->look = LOOK_TEST; /* of an empty list */
  bool going = true;
  while (going && !search->failed && engine->clock.step <= search->last_round) {
    if (tensors_are_finite(blame->kept, blame->kept_count, NULL))
      search->failed = !kept_state_save(&search->start, engine);
    going = !search->failed && round_run(&engine->execution, &engine->clock, &ignored);
  }
  engine->execution.watch = NULL;
  return !search->stopped && !search->failed;
}

/* The number in the list whose leaving spoils the result; -1: none does, or the search was stopped. */
static int64_t find_first(Search *search) {
  int64_t harmless = 0, spoils = search->numbers; /* so many left: a fine result, a spoilt one */
  for (int64_t left = 1; spoils - harmless > 1; left = harmless + (spoils - harmless) / 2) {
    if (!look_again(search, LOOK_TEST, left)) return -1;
    if (result_is_spoilt(search)) spoils = left;
    else harmless = left;
  }
  return spoils - 1;
}

static SearchEnd search_all(Search *search) {
  if (!replay(search)) return search->stopped ? SEARCH_STOPPED : SEARCH_NO_MEMORY;
  if (!result_is_spoilt(search)) return SEARCH_NOT_AGAIN;
  if (search->tensor < 0) search->last_round = search->start.step; /* from there on they were not finite */
  if (!look_again(search, LOOK_LIST, 0)) return SEARCH_STOPPED;
  if (search->failed) return SEARCH_NO_MEMORY;
  if (search->numbers == 0 || result_is_spoilt(search)) return SEARCH_NOTHING;
  int64_t first = find_first(search);
  if (first < 0) return SEARCH_STOPPED;
  search->at = 0;
  while (search->at + 1 < search->list_count && search->list[search->at + 1].first <= first) search->at++;
  if (!look_again(search, LOOK_FIND, first)) return SEARCH_STOPPED;
  return search->finding->found ? SEARCH_FOUND : SEARCH_NOT_AGAIN;
}

void blame_search(Blame *blame, int64_t tensor, int64_t round, const Interrupt *interrupt) {
  Engine *engine = blame->engine;
  Finding finding = {0};
  Search search = {.blame = blame, .interrupt = interrupt, .tensor = tensor, .last_round = round, .finding = &finding};
  if (!blame->base.block) {
    search_end(engine, SEARCH_NO_MEMORY);
    return;
  }
  search_begin(engine, blame->base.step, round);
  search_end(engine, search_all(&search));
  finding_release(&finding);
  for (size_t k = 0; k < search.list_count; k++) free(search.list[k].classes);
  free(search.list);
  kept_state_release(&search.start);
}
