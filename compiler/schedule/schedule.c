/* From groups to steps: one program for each, its buffers bound to values. Takes a fusion; returns the schedule. Never
   decides what goes together. */
#include "strategy.h"

#include <stdlib.h>
#include <string.h>

typedef struct Making {
  const Fusion *fusion;
  const Group *group;
} Making;

/* What the readers of a group see. A draw that this group makes is drawn again, not read. */
static View view_in_group(void *context, const Node *node) {
  const Making *making = context;
  const Fact *fact = fusion_fact(making->fusion, node);
  if (fact->residence == RESIDES_DRAWN || (node->kind == NODE_RANDOM && fact->group == making->group))
    return (View){.rank = node->rank};
  return fact->view;
}

static const char *group_title(const Fusion *fusion, const Group *group) {
  const Node *node = group->phases[0].items[0]->node;
  const char *name = node->name != NULL ? node->name : session_format(fusion->session, "v%d", node->id);
  return name;
}

/* Multiply-adds of direct sums of products, times 2; taps outside an image are none, nor is what is added up on the
   way, or told. */
static double item_flops(const Fusion *fusion, const Item *item) {
  bool counts = item->combine == COMBINE_SUM && item->value->op == OP_MULTIPLY && !item->per_chunk &&
                !fusion_fact(fusion, item->node)->told;
  return counts ? 2 * item_products(fusion->session, item) : 0;
}

/* Every buffer is read or written at least once, or both. */
static void count_work(const Fusion *fusion, Builder *builder, const Group *group, const Program *program) {
  double flops = 0, bytes = 0;
  for (int p = 0; p < group->piece_count; p++) flops += item_flops(fusion, group->pieces[p]);
  for (int p = 0; p < group->phase_count; p++)
    for (int i = 0; i < group->phases[p].count; i++) flops += item_flops(fusion, group->phases[p].items[i]);
  for (int b = 0; b < program->buffer_count; b++)
    if (program->buffers[b].space == SPACE_GLOBAL)
      bytes += (double)program->buffers[b].elements * (double)storage_bytes(program->buffers[b].storage);
  builder_count(builder, flops, bytes);
}

/* ---- what people are told of a program --------------------------------------------------------------------------- */

enum { FORMULA_LIMIT = 120, LINES_TOLD = 8 };

static const char *formula_of(const Fusion *fusion, const Item *item) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = item->node->kind == NODE_COMPUTE ? open_memstream(&text, &size) : NULL;
  if (!out) return "";
  bool whole = fusion_fact(fusion, item->node)->way == item->node;
  graph_print_value(item->node, whole ? item->value : item->node->value, out);
  fclose(out);
  const char *formula = size <= FORMULA_LIMIT ? session_intern(fusion->session, text, size) : "";
  free(text);
  return formula;
}

/* The last item that leaves something there. */
static Made made_in(const Fusion *fusion, const Group *group, const StoredValue *value, bool written) {
  Made made = {.written = written, .span = group->phases[0].items[0]->node->span, .formula = ""};
  const Item *item = NULL;
  for (int p = 0; p < group->phase_count && written; p++)
    for (int i = 0; i < group->phases[p].count; i++)
      if (group->phases[p].items[i]->view.value == value) item = group->phases[p].items[i];
  if (item != NULL) made.span = item->node->span, made.formula = formula_of(fusion, item);
  return made;
}

typedef struct LineList {
  int count, lines[LINES_TOLD];
  bool more;
} LineList;

static void line_add(LineList *list, const Item *item) {
  if (item->node->span.source == NULL) return;
  int line = (int)source_place(item->node->span.source, item->node->span.from).line, at = 0;
  while (at < list->count && list->lines[at] < line) at++;
  if (at < list->count && list->lines[at] == line) return;
  list->more |= list->count == LINES_TOLD;
  if (list->count == LINES_TOLD) return;
  memmove(list->lines + at + 1, list->lines + at, (size_t)(list->count++ - at) * sizeof *list->lines);
  list->lines[at] = line;
}

static const char *lines_of(const Fusion *fusion, const Group *group) {
  LineList list = {0};
  for (int p = 0; p < group->piece_count; p++) line_add(&list, group->pieces[p]);
  for (int p = 0; p < group->phase_count; p++)
    for (int i = 0; i < group->phases[p].count; i++) line_add(&list, group->phases[p].items[i]);
  const char *text = "";
  for (int k = 0; k < list.count; k++)
    text = session_format(fusion->session, "%s%s%d", text, k > 0 ? ", " : "", list.lines[k]);
  return list.more ? session_format(fusion->session, "%s, …", text) : text;
}

static void describe(const Fusion *fusion, const Group *group, ScheduledStep *step) {
  step->lines = lines_of(fusion, group);
  step->made = session_allocate(fusion->session, (size_t)(step->program->bound_count + 1) * sizeof *step->made);
  for (int b = 0; b < step->program->buffer_count; b++) {
    const Buffer *buffer = &step->program->buffers[b];
    if (buffer->space != SPACE_GLOBAL) continue;
    step->made[buffer->place] = made_in(fusion, group, step->bindings[buffer->place], buffer->written);
  }
}

/* ---- programs ---------------------------------------------------------------------------------------------------- */

static void schedule_group(const Fusion *fusion, const Group *group, ScheduledStep *step) {
  Making making = {fusion, group};
  Span span = group->phases[0].items[0]->node->span;
  Builder *builder = subject_new(fusion->session, fusion->graph, fusion->options, group_title(fusion, group), span,
                                 view_in_group, &making);
  for (int p = 0; p < group->phase_count; p++) strategy_generate(builder, group->phases[p].decision, &group->phases[p]);
  step->group = group;
  step->program = builder_finish(builder);
  step->bindings = builder_bindings(builder);
  count_work(fusion, builder, group, step->program);
  step->span = span;
  step->told = group->told;
  describe(fusion, group, step);
}

static double needed_flops(const Fusion *fusion) {
  double flops = 0;
  for (int n = 0; n < fusion->order_count; n++) {
    const Fact *fact = fusion_fact(fusion, fusion->order[n]);
    if (fact->item != NULL) flops += item_flops(fusion, fact->item);
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
