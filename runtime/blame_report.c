/* What is told of the number that spoilt a training: program, lines, tensor, sample, and the numbers beside it that
   the program read. Takes a finding, right after its step has run; prints to stderr. Never changes anything. */
#include "runtime/blame.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_TOLD = 4, INPUTS_TOLD = 8 };

/* ---- before and after a search ----------------------------------------------------------------------------------- */

void search_begin(const Engine *engine, int64_t from, int64_t last_round) {
  const char *program = engine->trainer->program, *hint = "(Ctrl-C ends the search)";
  long long first = from + 1, last = last_round + 1;
  if (first == last) report_note(program, "looking for where that began: step %lld is run again %s", last, hint);
  else report_note(program, "looking for where that began: steps %lld to %lld are run again %s", first, last, hint);
}

void search_end(const Engine *engine, SearchEnd end) {
  static const char *const texts[] = {
      [SEARCH_NOT_AGAIN] = "the same steps, run again, did not come to it: something else than this program has "
                           "changed data, memory or a result",
      [SEARCH_NOTHING] = "no program has left a number that is not finite, so nothing can be said of where it began",
      [SEARCH_STOPPED] = "the search for where it began was stopped",
      [SEARCH_NO_MEMORY] = "there is no memory to look for where it began",
  };
  if (end != SEARCH_FOUND) report_note(engine->trainer->program, "%s", texts[end]);
}

/* ---- what lay there before --------------------------------------------------------------------------------------- */

static bool binding_has_samples(const Descriptor *model, int64_t binding) {
  const BindingRecord *record = &model->bindings[binding];
  return record->tensor >= 0 ? model->tensors[record->tensor].batch
                             : record->value >= 0 && model->values[record->value].batch;
}

static int64_t buffer_count(const Descriptor *model, int64_t step) {
  return model->programs[model->steps[step].program].buffer_count;
}

bool finding_keep_overwritten(Finding *finding, const Execution *execution) {
  const Descriptor *model = execution->model;
  int64_t first = model->steps[finding->step].first_binding, count = buffer_count(model, finding->step);
  finding->overwritten = allocate_zeroed((size_t)count + 1, sizeof *finding->overwritten);
  if (!finding->overwritten) return false;
  for (int64_t b = first; b < first + count; b++) { /* what is not persistent held nothing before */
    Overwritten *kept = &finding->overwritten[finding->overwritten_count];
    const BindingRecord *record = &model->bindings[b];
    if (!record->written || record->tensor < 0 || model->tensors[record->tensor].role == ROLE_RESULT ||
        !binding_view(execution, b, &kept->view))
      continue;
    void *copy = system_allocate((size_t)model->tensors[record->tensor].bytes);
    if (!copy) return false;
    memcpy(copy, kept->view.data, (size_t)model->tensors[record->tensor].bytes);
    kept->view.data = copy;
    kept->batch = binding_has_samples(model, b);
    finding->overwritten_count++;
  }
  return true;
}

void finding_release(Finding *finding) {
  for (int64_t k = 0; k < finding->overwritten_count; k++) free(finding->overwritten[k].view.data);
  free(finding->overwritten);
  *finding = (Finding){0};
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static void tell_place(const TensorView *view, int64_t element) {
  char *place = tensor_view_place(view, element);
  fputs(place ? place : view->name, stderr);
  free(place);
}

static void tell_number(double value) {
  if (isfinite(value)) fprintf(stderr, "%.6g", value);
  else fputs(number_word(value), stderr);
}

/* A few as they are, of many the range. */
static void tell_numbers(const TensorView *view, int64_t first, int64_t count) {
  double least = INFINITY, most = -INFINITY;
  int64_t bad = 0;
  for (int64_t k = 0; k < count; k++) {
    double value = view_get(view, first + k);
    if (count <= VALUES_TOLD) fputs(k > 0 ? ", " : "", stderr), tell_number(value);
    if (!isfinite(value)) bad++;
    else least = fmin(least, value), most = fmax(most, value);
  }
  if (count <= VALUES_TOLD) return;
  if (least <= most) fprintf(stderr, "from %.6g to %.6g", least, most);
  if (bad > 0)
    fprintf(stderr, "%s%lld of %lld not finite", least <= most ? ", " : "", (long long)bad, (long long)count);
}

static bool same_shape(const TensorView *a, const TensorView *b) {
  return a->rank == b->rank && memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

/* Of the number; sample: -1 where there are none. */
typedef struct Place {
  const TensorView *view;
  int64_t element, sample;
} Place;

/* The number at the same place; or those of the same sample; or all. */
static void tell_input(const TensorView *view, bool batch, const Place *at, bool before) {
  int64_t size = tensor_view_size(view), first = 0;
  fputs("  ", stderr);
  if (same_shape(view, at->view)) {
    tell_place(view, at->element);
    first = at->element, size = 1;
  } else if (batch && at->sample >= 0 && view->shape[0] == at->view->shape[0]) {
    size /= view->shape[0];
    first = at->sample * size;
    fprintf(stderr, "%s[%lld]", view->name, (long long)at->sample);
  } else {
    fputs(view->name, stderr);
  }
  fputs(before ? " was " : " is ", stderr);
  tell_numbers(view, first, size);
}

/* Of all data and feeds that the evaluation has taken: by which row to find the sample again. */
static void tell_rows(const Finding *finding, const Engine *engine, const Place *at) {
  const Descriptor *model = engine->execution.model;
  const RoutineRecord *routine = &model->routines[finding->routine];
  for (int64_t k = routine->first_fill; k < routine->first_fill + routine->fill_count && at->sample >= 0; k++) {
    const TensorRecord *tensor = &model->tensors[model->fills[k].tensor];
    const Dataset *dataset;
    if (!tensor->batch || tensor->shape[0] != at->view->shape[0]) continue;
    int64_t row = supply_last_row(engine->supply, model->fills[k].tensor, at->sample, &dataset);
    if (row >= 0)
      fprintf(stderr, "  sample %lld of %s is row %lld of %s\n", (long long)at->sample, tensor->name, (long long)row,
              dataset->name);
  }
}

static void tell_inputs(const Finding *finding, const Engine *engine, const Place *at) {
  const Execution *execution = &engine->execution;
  const Descriptor *model = execution->model;
  int64_t first = model->steps[finding->step].first_binding, count = buffer_count(model, finding->step), told = 0;
  for (int64_t b = first; b < first + count; b++) {
    TensorView view;
    if (model->bindings[b].written || !binding_view(execution, b, &view) || told++ >= INPUTS_TOLD) continue;
    tell_input(&view, binding_has_samples(model, b), at, false);
    fputc('\n', stderr);
  }
  for (int64_t k = 0; k < finding->overwritten_count; k++) {
    if (told++ >= INPUTS_TOLD) continue;
    tell_input(&finding->overwritten[k].view, finding->overwritten[k].batch, at, true);
    fputc('\n', stderr);
  }
  if (told > INPUTS_TOLD) fprintf(stderr, "  and %lld inputs more\n", (long long)(told - INPUTS_TOLD));
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

void finding_report(const Finding *finding, const Engine *engine) {
  const Descriptor *model = engine->execution.model;
  const StepRecord *step = &model->steps[finding->step];
  const BindingRecord *binding = &model->bindings[finding->binding];
  const char *part = binding->value >= 0 ? model->values[binding->value].part : "";
  TensorView view;
  if (!binding_view(&engine->execution, finding->binding, &view)) return;
  bool batch = binding_has_samples(model, finding->binding);
  Place at = {&view, finding->element, batch ? finding->element / (tensor_view_size(&view) / view.shape[0]) : -1};
  report_note(engine->trainer->program, "it began at step %lld in `%s`, line %lld of %s", (long long)finding->round + 1,
              model->routines[finding->routine].name, (long long)binding->line, model->header->file);
  fputs("  ", stderr);
  tell_place(&view, finding->element);
  fputs(" is ", stderr);
  tell_number(view_get(&view, finding->element));
  if (at.sample >= 0) fprintf(stderr, ", of sample %lld", (long long)at.sample);
  int64_t size = tensor_view_size(&view);
  if (size > 1)
    fprintf(stderr, "; %lld of its %lld numbers %s not finite", (long long)finding->bad_count, (long long)size,
            finding->bad_count == 1 ? "is" : "are");
  char shape[160];
  fprintf(stderr, "\n  %s %s%s%s%s", view.name, element_shape_text(view.rank, view.shape, shape), part[0] ? " of " : "",
          part, binding->formula[0] ? " = " : " is left by a program");
  fputs(binding->formula, stderr);
  if (strchr(step->lines, ','))
    fprintf(stderr, "%s of lines %s", binding->formula[0] ? ", in a program" : "", step->lines);
  fputc('\n', stderr);
  tell_inputs(finding, engine, &at);
  tell_rows(finding, engine, &at);
  if (!model->header->trace)
    fprintf(stderr, "  (a trainer of one operation a program tells more: ganc build %s --trace)\n",
            model->header->file);
}
