/* An order of execution. Takes groups and moves; sorts the groups so that every value is made before it is read and
   every input is read before it is overwritten. Where no order does both, the move becomes a copy at the end. Never
   regroups. */
#include "strategy.h"
#include "tests/mutants/mutant.h"

#include <stdlib.h>
#include <string.h>

/* Group `from` runs before group `to`, because that reads what it makes, or only because that overwrites what it reads
   (keeps). */
typedef struct Edge {
  int from, to;
  bool keeps;
} Edge;
/* Sorted by their groups, each pair once; those from group g lie in [start[g], start[g + 1]). */
typedef struct Edges {
  int count, capacity;
  Edge *items;
  int *start;
} Edges;

typedef void Visit(void *context, const Group *reader, const Fact *read);

static void each_read_of_item(Fusion *fusion, const Group *group, const Item *item, Visit *visit, void *context) {
  for (int k = 0; k < item->read_count; k++) visit(context, group, fusion_fact(fusion, item->reads[k]->node));
}

static void each_read(Fusion *fusion, const Group *group, Visit *visit, void *context) {
  for (int p = 0; p < group->piece_count; p++) each_read_of_item(fusion, group, group->pieces[p], visit, context);
  for (int p = 0; p < group->phase_count; p++)
    for (int i = 0; i < group->phases[p].count; i++)
      each_read_of_item(fusion, group, group->phases[p].items[i], visit, context);
}

typedef struct Sort {
  Fusion *fusion;
  Edges edges;
} Sort;

static void edge_add(Sort *sort, const Group *from, const Group *to, bool keeps) {
  Edges *edges = &sort->edges;
  edges->items =
      session_grow(sort->fusion->session, edges->items, edges->count, &edges->capacity, sizeof *edges->items);
  edges->items[edges->count++] = (Edge){from->order, to->order, keeps};
}

/* By their groups; of one pair first what is made. */
static int edge_compare(const void *a, const void *b) {
  const Edge *one = a, *other = b;
  if (one->from != other->from) return one->from < other->from ? -1 : 1;
  if (one->to != other->to) return one->to < other->to ? -1 : 1;
  return one->keeps - other->keeps;
}

static void edges_close(Sort *sort) {
  Edges *edges = &sort->edges;
  int groups = sort->fusion->group_count, kept = 0;
  if (edges->count > 0) qsort(edges->items, (size_t)edges->count, sizeof *edges->items, edge_compare);
  edges->start = session_allocate(sort->fusion->session, (size_t)(groups + 1) * sizeof *edges->start);
  for (int k = 0; k < edges->count; k++) {
    Edge edge = edges->items[k];
    if (kept > 0 && edges->items[kept - 1].from == edge.from && edges->items[kept - 1].to == edge.to) continue;
    edges->items[kept++] = edge;
    edges->start[edge.from + 1]++;
  }
  edges->count = kept;
  for (int g = 0; g < groups; g++) edges->start[g + 1] += edges->start[g];
}

static Group *writer_of(const Move *move) { return move->in_place ? move->value->group : move->copy; }

static void add_edges(void *context, const Group *reader, const Fact *read) {
  Sort *sort = context;
  read = fusion_behind(sort->fusion, read);
  if (read->group != NULL && read->group != reader) edge_add(sort, read->group, reader, false);
  if (read->residence != RESIDES_INPUT) return;
  Group *writer = read->move != NULL ? writer_of(read->move) : NULL;
  if (writer != NULL && writer != reader && !MUTANT(overwritten_early)) edge_add(sort, reader, writer, true);
}

static const Scalar *read_whole(const Fusion *fusion, Node *node) {
  return scalar_read(fusion->graph, node, access_identity(fusion->graph, node->rank));
}

static Group *start_copy(Fusion *fusion, Item *item) {
  return fusion_group(fusion, strategy_decide(fusion, 1, &item, NULL, 1 << GROUP_NEST), item);
}

/* An input that is both read at the end and moved is saved first, in a value of its own. */
static Node *save_input(Fusion *fusion, Node *source) {
  const char *name =
      session_format(fusion->session, "%s %%%d (before)", source->name != NULL ? source->name : "value", source->id);
  Node *saved = graph_input(fusion->graph, name, source->rank, source->shape, source->batch, source->span);
  Fact *fact = fusion_fact(fusion, saved);
  if (fact->group != NULL) return saved;
  *fact = (Fact){.node = saved, .position = fusion_fact(fusion, source)->position, .residence = RESIDES_STORED};
  fact->stored = fusion_value(fusion, saved);
  fact->view = view_of_value(fact->stored);
  fact->item = fusion_item(fusion, saved, &fact->view, read_whole(fusion, source));
  fact->group = start_copy(fusion, fact->item);
  return saved;
}

static void make_copy(Fusion *fusion, Move *move) {
  Node *source = move->value->node;
  if (node_size(source) == 0) return;
  const Fact *base = fusion_behind(fusion, move->value);
  if (source == move->target) return; /* itself: nothing moves */
  if (base->residence == RESIDES_INPUT && base->move != NULL) source = save_input(fusion, source);
  Fact *target = fusion_fact(fusion, move->target);
  Item *item = fusion_item(fusion, move->target, &target->view, read_whole(fusion, source));
  move->copy = start_copy(fusion, item);
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

/* Walks back from a group that waits until a group comes again; returns an edge of that cycle that a copy would remove,
   as the overwriting group. */
static Group *find_cycle(const Fusion *fusion, const Edges *edges, Group *stuck) {
  int count = fusion->group_count, at = stuck->order;
  Group *overwrites = NULL;
  const Edge **before = session_allocate(
      fusion->session, (size_t)count * sizeof *before); /* from the first group left that it waits for */
  for (int k = 0; k < edges->count; k++) {
    const Edge *edge = &edges->items[k];
    if (before[edge->to] == NULL && fusion->groups[edge->from]->mark == 0) before[edge->to] = edge;
  }
  for (int turn = 0; turn < 2 * count && overwrites == NULL;
       turn++) { /* every group left waits for another that is left */
    if (turn >= count && before[at]->keeps) overwrites = fusion->groups[at];
    at = before[at]->from;
  }
  return overwrites;
}

/* Groups that wait for nothing any more, the earliest on top: a heap. */
typedef struct Ready {
  int count;
  int *groups;
  const int *position;
} Ready;

static bool comes_first(const Ready *ready, int a, int b) {
  return ready->position[a] != ready->position[b] ? ready->position[a] < ready->position[b] : a < b;
}

static void ready_add(Ready *ready, int group) {
  int at = ready->count++;
  for (; at > 0 && comes_first(ready, group, ready->groups[(at - 1) / 2]); at = (at - 1) / 2)
    ready->groups[at] = ready->groups[(at - 1) / 2];
  ready->groups[at] = group;
}

static int ready_take(Ready *ready) {
  int first = ready->groups[0], last = ready->groups[--ready->count], at = 0;
  for (int below = 1; below < ready->count; below = 2 * at + 1) {
    if (below + 1 < ready->count && comes_first(ready, ready->groups[below + 1], ready->groups[below])) below++;
    if (!comes_first(ready, ready->groups[below], last)) break;
    ready->groups[at] = ready->groups[below];
    at = below;
  }
  ready->groups[at] = last;
  return first;
}

/* Always the earliest group whose predecessors are done. NULL, or a group of a cycle whose effects should not be in
   place. */
static Group *sort_groups(Fusion *fusion, bool *sorted_all) {
  int count = fusion->group_count, done = 0;
  Sort sort = {.fusion = fusion};
  const Edges *edges = &sort.edges;
  int *numbers = session_allocate(fusion->session, 3 * (size_t)count * sizeof *numbers), *waits = numbers,
      *position = numbers + count;
  Ready ready = {.groups = numbers + 2 * count, .position = position};
  Group **sorted = session_allocate(fusion->session, (size_t)count * sizeof *sorted), *cyclic = NULL;
  for (int g = 0; g < count; g++) {
    fusion->groups[g]->order = g;
    fusion->groups[g]->mark = 0;
    position[g] = group_position(fusion, fusion->groups[g]);
  }
  for (int g = 0; g < count; g++) each_read(fusion, fusion->groups[g], add_edges, &sort);
  edges_close(&sort);
  for (int k = 0; k < edges->count; k++) waits[edges->items[k].to]++;
  for (int g = 0; g < count; g++)
    if (waits[g] == 0) ready_add(&ready, g);
  while (ready.count > 0) {
    int next = ready_take(&ready);
    fusion->groups[next]->mark = 1;
    sorted[done++] = fusion->groups[next];
    for (int k = edges->start[next]; k < edges->start[next + 1]; k++)
      if (--waits[edges->items[k].to] == 0) ready_add(&ready, edges->items[k].to);
  }
  *sorted_all = done == count;
  for (int g = 0; g < count && !*sorted_all && cyclic == NULL; g++)
    if (fusion->groups[g]->mark == 0) cyclic = find_cycle(fusion, edges, fusion->groups[g]);
  for (int g = 0; g < count && *sorted_all; g++) fusion->groups[g] = sorted[g];
  return cyclic;
}

static bool group_reads(const Fusion *fusion, const Group *group, const Node *input) {
  for (int p = -1; p < group->phase_count; p++) {
    int count = p < 0 ? group->piece_count : group->phases[p].count;
    Item *const *items = p < 0 ? group->pieces : group->phases[p].items;
    for (int i = 0; i < count; i++)
      for (int k = 0; k < items[i]->read_count; k++)
        if (fusion_behind(fusion, fusion_fact(fusion, items[i]->reads[k]->node))->node == input) return true;
  }
  return false;
}

/* The effects of the group that overwrite what a group still to run reads are done by copies. */
static void loosen(Fusion *fusion, const Group *overwrites) {
  for (int m = 0; m < fusion->move_count; m++) {
    Move *move = &fusion->moves[m];
    if (!move->in_place || move->value->group != overwrites) continue;
    bool waited = false;
    for (int g = 0; g < fusion->group_count && !waited; g++)
      waited = fusion->groups[g] != overwrites && fusion->groups[g]->mark == 0 &&
               group_reads(fusion, fusion->groups[g], move->target);
    if (!waited) continue;
    give_up_place(fusion, move);
    make_copy(fusion, move);
  }
}

void fusion_order(Fusion *fusion) {
  for (int m = 0; m < fusion->move_count; m++)
    if (!fusion->moves[m].in_place) make_copy(fusion, &fusion->moves[m]);
  bool sorted = false;
  for (Group *cyclic = sort_groups(fusion, &sorted); !sorted; cyclic = sort_groups(fusion, &sorted)) {
    if (cyclic == NULL) internal_error(HERE, "programs that wait for each other");
    loosen(fusion, cyclic);
  }
}
