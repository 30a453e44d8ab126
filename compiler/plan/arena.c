/* Offsets in the arena. Takes the steps of each routine; returns where each value lies: the largest first, at the
   lowest offset that no value alive at the same time occupies. Routines run one after the other and share all of it.
   Never moves what is persistent. */
#include "layout.h"
#include "tests/mutants/mutant.h"

#include <stdlib.h>
#include <string.h>

static void touch(PlanLayout *layout, int routine, int step, const StoredValue *value) {
  PlacedValue *placed = map_get(&layout->value_places, value);
  if (placed == NULL) {
    placed = &layout->values[layout->value_count++];
    *placed = (PlacedValue){.value = value, .routine = routine, .first = step, .bytes = plan_align(plan_bytes(value))};
    map_put(layout->session, &layout->value_places, value, placed);
  }
  placed->last = step;
}

static void collect_values(PlanLayout *layout) {
  int limit = 0;
  for (int r = 0; r < layout->model->routine_count; r++) limit += layout->schedules[r]->value_count;
  layout->values = session_allocate(layout->session, (size_t)(limit + 1) * sizeof *layout->values);
  for (int r = 0; r < layout->model->routine_count; r++)
    for (int s = 0; s < layout->schedules[r]->step_count; s++) {
      const ScheduledStep *step = &layout->schedules[r]->steps[s];
      for (int b = 0; b < step->program->bound_count; b++)
        if (plan_tensor(layout, step->bindings[b]) < 0) touch(layout, r, s, step->bindings[b]);
    }
}

static int by_size(const void *left, const void *right) {
  const PlacedValue *a = *(PlacedValue *const *)left, *b = *(PlacedValue *const *)right;
  if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
  return a->first != b->first ? a->first - b->first : a < b ? -1 : 1;
}

static bool alive_together(const PlacedValue *a, const PlacedValue *b) {
  int apart = MUTANT(arena_overlap);
  return a->routine == b->routine && a->first + apart <= b->last && b->first + apart <= a->last;
}

/* The lowest gap among those alive together; `placed` is sorted by offset. */
static int64_t lowest_offset(PlacedValue *const *placed, int count, const PlacedValue *value) {
  int64_t end = 0;
  for (int p = 0; p < count; p++) {
    if (!alive_together(placed[p], value)) continue;
    if (placed[p]->offset - end >= value->bytes) break;
    if (placed[p]->offset + placed[p]->bytes > end) end = placed[p]->offset + placed[p]->bytes;
  }
  return end;
}

static void insert_by_offset(PlacedValue **placed, int count, PlacedValue *value) {
  int at = count;
  for (; at > 0 && placed[at - 1]->offset > value->offset; at--) placed[at] = placed[at - 1];
  placed[at] = value;
}

int64_t arena_place(PlanLayout *layout) {
  collect_values(layout);
  PlacedValue **order = session_allocate(layout->session, (size_t)(layout->value_count + 1) * sizeof *order);
  PlacedValue **placed = session_allocate(layout->session, (size_t)(layout->value_count + 1) * sizeof *placed);
  for (int v = 0; v < layout->value_count; v++) order[v] = &layout->values[v];
  int64_t bytes = 0;
  for (int from = 0, to; from < layout->value_count; from = to) {
    for (to = from; to < layout->value_count && layout->values[to].routine == layout->values[from].routine;) to++;
    qsort(order + from, (size_t)(to - from), sizeof *order, by_size);
    for (int v = from; v < to; v++) {
      order[v]->offset = lowest_offset(placed, v - from, order[v]);
      insert_by_offset(placed, v - from, order[v]);
      if (order[v]->offset + order[v]->bytes > bytes) bytes = order[v]->offset + order[v]->bytes;
    }
  }
  return bytes;
}
