/* An order of execution. Takes groups and moves; sorts the groups so that every value is made before it is read and every input is read before it is
   overwritten. Where no order does both, the move becomes a copy at the end. Never regroups. */
#include "fusion.h"

#include <stdlib.h>
#include <string.h>

typedef struct Edges { int count; bool *before; } Edges;   /* before[a * count + b]: group a runs before group b */

typedef void Visit(void *context, const Group *reader, const Fact *read);

static void each_read_of_item(Fusion *fusion, const Group *group, const Item *item, Visit *visit, void *context) {
  for (int part = -1; part < item->write->rank; part++) {
    const Scalar *scalar = part < 0 ? item->value : item->write->coordinates[part].computed;
    if (scalar == NULL) continue;
    Leaves leaves = leaves_of(fusion->session, scalar);
    for (int k = 0; k < leaves.count; k++)
      if (leaves.items[k]->op == OP_READ) visit(context, group, fusion_fact(fusion, leaves.items[k]->node));
  }
}

static void each_read(Fusion *fusion, const Group *group, Visit *visit, void *context) {
  for (int p = 0; p < group->piece_count; p++) each_read_of_item(fusion, group, group->pieces[p], visit, context);
  for (int p = 0; p < group->phase_count; p++)
    for (int i = 0; i < group->phases[p].count; i++) each_read_of_item(fusion, group, group->phases[p].items[i], visit, context);
}

typedef struct Sort { Fusion *fusion; Edges edges; } Sort;

static Group *writer_of(const Move *move) { return move->in_place ? move->value->group : move->copy; }

static void add_edges(void *context, const Group *reader, const Fact *read) {
  Sort *sort = context;
  read = fusion_behind(sort->fusion, read);
  if (read->group != NULL && read->group != reader) sort->edges.before[read->group->order * sort->edges.count + reader->order] = true;
  if (read->residence != RESIDES_INPUT) return;
  for (int m = 0; m < sort->fusion->move_count; m++) {
    const Move *move = &sort->fusion->moves[m];
    const Group *writer = writer_of(move);
    if (move->target == read->node && writer != NULL && writer != reader) sort->edges.before[reader->order * sort->edges.count + writer->order] = true;
  }
}

static const Scalar *read_whole(const Fusion *fusion, Node *node) {
  return scalar_read(fusion->graph, node, access_identity(fusion->graph, node->rank));
}

/* An input that is both read at the end and moved is saved first, in a value of its own. */
static Node *save_input(Fusion *fusion, Node *source) {
  const char *name = session_format(fusion->session, "%s %%%d (before)", source->name != NULL ? source->name : "value", source->id);
  Node *saved = graph_input(fusion->graph, name, source->rank, source->shape, source->batch, source->span);
  Fact *fact = fusion_fact(fusion, saved);
  if (fact->group != NULL) return saved;
  *fact = (Fact){.node = saved, .position = fusion_fact(fusion, source)->position, .residence = RESIDES_STORED};
  fact->stored = fusion_value(fusion, saved);
  fact->view = view_of_value(fact->stored);
  fact->item = fusion_item(fusion, saved, &fact->view, read_whole(fusion, source));
  fact->group = fusion_group(fusion, GROUP_NEST);
  group_phase(fusion, fact->group, 1, &fact->item);
  return saved;
}

static void make_copy(Fusion *fusion, Move *move) {
  Node *source = move->value->node;
  if (node_size(source) == 0) return;
  const Fact *base = fusion_behind(fusion, move->value);
  for (int m = 0; m < fusion->move_count; m++)
    if (base->residence == RESIDES_INPUT && fusion->moves[m].target == base->node) {
      if (source == move->target) return;                  /* itself: nothing moves */
      source = save_input(fusion, source);
      break;
    }
  Fact *target = fusion_fact(fusion, move->target);
  Item *item = fusion_item(fusion, move->target, &target->view, read_whole(fusion, source));
  move->copy = fusion_group(fusion, GROUP_NEST);
  group_phase(fusion, move->copy, 1, &item);
}

/* Back to memory of its own. */
static void give_up_place(Fusion *fusion, Move *move) {
  Fact *fact = move->value;
  const StoredValue *shared = fact->stored;
  StoredValue *own = fusion_value(fusion, fact->node);
  move->in_place = false;
  for (int n = 0; n < fusion->order_count; n++) {
    Fact *other = fusion_fact(fusion, fusion->order[n]);
    if (other != fact && !(other->residence == RESIDES_VIEW && fusion_behind(fusion, other) == fact)) continue;
    if (other->stored != shared) continue;
    other->stored = other->view.value = own;
    if (other->item != NULL) other->item->view.value = own;
  }
}

static int group_position(const Fusion *fusion, const Group *group) {
  int position = 0;
  for (int p = 0; p < group->phase_count; p++)
    for (int i = 0; i < group->phases[p].count; i++) {
      const Fact *fact = fusion_fact(fusion, group->phases[p].items[i]->node);
      if (fact->position > position) position = fact->position;
    }
  return position;
}

/* Always the earliest group whose predecessors are done; false when none is left without a cycle. */
static bool sort_groups(Fusion *fusion, Group **stuck) {
  int count = fusion->group_count, done = 0;
  Sort sort = {.fusion = fusion, .edges = {.count = count}};
  sort.edges.before = calloc((size_t)count * (size_t)count + 1, sizeof(bool));
  int *waits = calloc((size_t)count + 1, sizeof *waits), *position = calloc((size_t)count + 1, sizeof *position);
  Group **sorted = calloc((size_t)count + 1, sizeof *sorted);
  if (sort.edges.before == NULL || waits == NULL || position == NULL || sorted == NULL) abort();
  for (int g = 0; g < count; g++) {
    fusion->groups[g]->order = g;
    fusion->groups[g]->mark = 0;
    position[g] = group_position(fusion, fusion->groups[g]);
  }
  for (int g = 0; g < count; g++) each_read(fusion, fusion->groups[g], add_edges, &sort);
  for (int a = 0; a < count; a++)
    for (int b = 0; b < count; b++) waits[b] += sort.edges.before[a * count + b];
  while (done < count) {
    int next = -1;
    for (int g = 0; g < count; g++)
      if (waits[g] == 0 && (next < 0 || position[g] < position[next])) next = g;
    if (next < 0) break;
    waits[next] = -1;
    fusion->groups[next]->mark = 1;
    sorted[done++] = fusion->groups[next];
    for (int b = 0; b < count; b++)
      if (sort.edges.before[next * count + b]) waits[b]--;
  }
  for (int g = 0; g < count && done < count; g++)
    if (fusion->groups[g]->mark == 0) *stuck = fusion->groups[g];
  if (done == count) memcpy(fusion->groups, sorted, (size_t)count * sizeof *sorted);
  free(sort.edges.before), free(waits), free(position), free(sorted);
  return done == count;
}

/* Some move among the groups of a cycle gives up its place. */
static bool loosen(Fusion *fusion) {
  for (int m = fusion->move_count - 1; m >= 0; m--) {
    Move *move = &fusion->moves[m];
    if (!move->in_place || move->value->group == NULL || move->value->group->mark != 0) continue;
    give_up_place(fusion, move);
    make_copy(fusion, move);
    return true;
  }
  return false;
}

void fusion_order(Fusion *fusion) {
  for (int m = 0; m < fusion->move_count; m++)
    if (!fusion->moves[m].in_place) make_copy(fusion, &fusion->moves[m]);
  Group *stuck = NULL;
  while (!sort_groups(fusion, &stuck))
    if (!loosen(fusion)) {
      fprintf(stderr, "schedule: groups wait for each other (%s)\n", stuck->phases[0].items[0]->node->name != NULL ? stuck->phases[0].items[0]->node->name : "?");
      abort();
    }
}
