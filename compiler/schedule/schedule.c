/* From groups to steps: one program for each, its buffers bound to values. Takes a fusion; returns the schedule. Never decides what goes together. */
#include "fusion.h"

typedef struct Making { const Fusion *fusion; const Group *group; } Making;

/* What the readers of a group see. A draw that this group makes is drawn again, not read. */
static View view_in_group(void *context, const Node *node) {
  const Making *making = context;
  const Fact *fact = fusion_fact(making->fusion, node);
  if (fact->residence == RESIDES_DRAWN || (node->kind == NODE_RANDOM && fact->group == making->group)) return (View){.rank = node->rank};
  return fact->view;
}

static const char *group_title(const Fusion *fusion, const Group *group) {
  const Node *node = group->phases[0].items[0]->node;
  const char *name = node->name != NULL ? node->name : session_format(fusion->session, "v%d", node->id);
  return name;
}

/* Multiply-adds of direct sums of products, times 2. */
static double item_flops(const Item *item) {
  return item->combine == COMBINE_SUM && item->value->op == OP_MULTIPLY ? 2 * (double)item_points(item) : 0;
}

/* Every buffer is read or written at least once, or both. */
static void count_work(Builder *builder, const Group *group, const Program *program) {
  double flops = 0, bytes = 0;
  for (int p = 0; p < group->piece_count; p++) flops += item_flops(group->pieces[p]);
  for (int p = 0; p < group->phase_count; p++)
    for (int i = 0; i < group->phases[p].count; i++) flops += item_flops(group->phases[p].items[i]);
  for (int b = 0; b < program->buffer_count; b++) bytes += (double)program->buffers[b].elements * (program->buffers[b].storage == REGISTER_F32 ? 4 : 8);
  builder_count(builder, flops, bytes);
}

static void schedule_group(const Fusion *fusion, const Group *group, ScheduledStep *step) {
  Making making = {fusion, group};
  Span span = group->phases[0].items[0]->node->span;
  Builder *builder = builder_new(fusion->graph, fusion->options, group_title(fusion, group), span);
  builder_views(builder, view_in_group, &making);
  if (group->kind == GROUP_TILE) tile_program(builder, group->tile, &group->phases[0]);
  for (int p = 0; p < group->phase_count && group->kind != GROUP_TILE; p++) nest_phase(builder, &group->phases[p], group->kind == GROUP_NEST);
  step->program = builder_finish(builder, &step->bindings);
  count_work(builder, group, step->program);
  step->span = span;
}

static double needed_flops(const Fusion *fusion) {
  double flops = 0;
  for (int n = 0; n < fusion->order_count; n++) {
    const Fact *fact = fusion_fact(fusion, fusion->order[n]);
    if (fact->item != NULL) flops += item_flops(fact->item);
  }
  return flops;
}

Schedule *schedule_programs(Fusion *fusion) {
  Schedule *schedule = session_allocate(fusion->session, sizeof *schedule);
  schedule->steps = session_allocate(fusion->session, (size_t)(fusion->group_count + 1) * sizeof *schedule->steps);
  for (int g = 0; g < fusion->group_count; g++) {
    ScheduledStep *step = &schedule->steps[schedule->step_count++];
    schedule_group(fusion, fusion->groups[g], step);
    *(step->program->tile ? &schedule->tile_count : &schedule->nest_count) += 1;
  }
  schedule->values = fusion->values, schedule->value_count = fusion->value_count;
  schedule->needed_flops = needed_flops(fusion);
  return schedule;
}
