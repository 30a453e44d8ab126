/* Where everything lies. Takes a model and the schedule of each of its routines; returns the distinct programs, the
   sizes of the blocks and the descriptor. Tensors of the model are persistent, each at an offset of its own; values of
   a routine share the arena. Never changes a program. */
#include "layout.h"

#include <inttypes.h>

int plan_tensor(const PlanLayout *layout, const StoredValue *value) {
  return map_number(&layout->tensor_places, value->node) - 1;
}

static int64_t place_tensors(PlanLayout *layout) {
  const Model *model = layout->model;
  int64_t bytes = 0;
  layout->tensors = session_allocate(layout->session, (size_t)(model->tensor_count + 1) * sizeof *layout->tensors);
  for (int t = 0; t < model->tensor_count; t++) {
    PlacedTensor *tensor = &layout->tensors[t];
    tensor->layout.node = model->tensors[t].input;
    if (map_number(&layout->tensor_places, model->tensors[t].input) == 0)
      map_put_number(layout->session, &layout->tensor_places, model->tensors[t].input, t + 1);
    layout_place(layout->options->layout, model->tensors[t].input, &tensor->layout, layout->options->real);
    tensor->bytes = plan_bytes(&tensor->layout);
    tensor->offset = bytes;
    bytes += plan_align(tensor->bytes);
  }
  return bytes;
}

/* Programs that were met, by the text of their hash: the last with it, and for each the one before with the same hash,
   both from 1. */
typedef struct Programs {
  Session *session;
  Plan *plan;
  Map last;
  int *before;
} Programs;

/* The plan's program that has the same code, or a new one. */
static int find_program(Programs *programs, Program *program) {
  Plan *plan = programs->plan;
  uint64_t hash = program_hash(program);
  const char *key = session_intern(programs->session, (const char *)&hash, sizeof hash);
  int last = map_number(&programs->last, key);
  for (int p = last; p > 0; p = programs->before[p - 1])
    if (program_equal(plan->programs[p - 1], program)) return p - 1;
  plan->programs[plan->program_count] = program;
  programs->before[plan->program_count++] = last;
  map_put_number(programs->session, &programs->last, key, plan->program_count);
  return plan->program_count - 1;
}

static void collect_programs(PlanLayout *layout, Plan *plan) {
  int steps = 0, routines = layout->model->routine_count;
  for (int r = 0; r < routines; r++) steps += layout->schedules[r]->step_count;
  plan->programs = session_allocate(layout->session, (size_t)(steps + 1) * sizeof *plan->programs);
  Programs programs = {.session = layout->session,
                       .plan = plan,
                       .before = session_allocate(layout->session, (size_t)(steps + 1) * sizeof(int))};
  layout->step_program = session_allocate(layout->session, (size_t)(routines + 1) * sizeof *layout->step_program);
  for (int r = 0; r < routines; r++) {
    const Schedule *schedule = layout->schedules[r];
    layout->step_program[r] =
        session_allocate(layout->session, (size_t)(schedule->step_count + 1) * sizeof **layout->step_program);
    for (int s = 0; s < schedule->step_count; s++) {
      Program *program = schedule->steps[s].program;
      layout->step_program[r][s] = find_program(&programs, program);
      if (program->workspace_bytes > plan->workspace_bytes) plan->workspace_bytes = program->workspace_bytes;
    }
  }
}

static int line_of(Span span) { return span.source == NULL ? 0 : (int)source_place(span.source, span.from).line; }

Plan *plan_model(Session *session, const Model *model, Schedule *const *schedules, const PlanOptions *options) {
  Plan *plan = session_allocate(session, sizeof *plan);
  PlanLayout *layout = session_allocate(session, sizeof *layout);
  *layout = (PlanLayout){.session = session, .model = model, .schedules = schedules, .options = options};
  plan->persistent_bytes = place_tensors(layout);
  plan->arena_bytes = arena_place(layout);
  collect_programs(layout, plan);
  descriptor_write(layout, plan);
  plan->layout = layout;
  return plan;
}

void plan_print(const Plan *plan, FILE *out) {
  const PlanLayout *layout = plan->layout;
  fprintf(out, "persistent %" PRId64 " bytes, arena %" PRId64 ", workspace %" PRId64 " per worker, %d programs\n",
          plan->persistent_bytes, plan->arena_bytes, plan->workspace_bytes, plan->program_count);
  for (int t = 0; t < layout->model->tensor_count; t++) {
    const PlacedTensor *tensor = &layout->tensors[t];
    fprintf(out, "  %-32s offset %10" PRId64 "  %10" PRId64 " bytes  line %d\n", layout->model->tensors[t].name,
            tensor->offset, tensor->bytes, line_of(layout->model->tensors[t].span));
  }
  for (int r = 0; r < layout->model->routine_count; r++) {
    const Schedule *schedule = layout->schedules[r];
    fprintf(out, "%s: %d tiles, %d nests, %.6g GFLOP\n", layout->model->routines[r].name, schedule->tile_count,
            schedule->nest_count, schedule->needed_flops * 1e-9);
    for (int s = 0; s < schedule->step_count; s++) {
      const ScheduledStep *step = &schedule->steps[s];
      fprintf(out, "  %3d program %-3d %-5s %4" PRId64 " chunks  %-32s line %d\n", s, layout->step_program[r][s],
              step->program->tile ? "tile" : "nest", step->program->chunks, step->program->title, line_of(step->span));
    }
    for (int v = 0; v < layout->value_count; v++) {
      const PlacedValue *value = &layout->values[v];
      if (value->routine != r) continue;
      fprintf(out, "  value %%%-5d %-26s offset %10" PRId64 "  %10" PRId64 " bytes  steps %d to %d  line %d\n",
              value->value->node->id, value->value->node->name != NULL ? value->value->node->name : "", value->offset,
              value->bytes, value->first, value->last, line_of(value->value->node->span));
    }
  }
}
