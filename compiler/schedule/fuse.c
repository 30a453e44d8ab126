/* Which nodes go together. Takes the effects of one routine; returns groups in a legal order: each becomes one program.
   Values are given memory here (strides, not addresses), and effects are moved to their targets: in place where no
   reader of the old value comes later, else by a copy at the end. */
#include "strategy.h"
#include "compiler/transform/transform.h"
#include "tests/mutants/mutant.h"

#include <stdlib.h>
#include <string.h>

/* ---- lists ------------------------------------------------------------------------------------------------------- */

Fact *fusion_fact(const Fusion *fusion, const Node *node) {
  Fact *fact = map_get(fusion->facts, node);
  if (fact != NULL) return fact;
  fact = session_allocate(fusion->session, sizeof *fact);
  map_put(fusion->session, fusion->facts, node, fact);
  return fact;
}

StoredValue *fusion_value(Fusion *fusion, Node *node) {
  StoredValue *value = session_allocate(fusion->session, sizeof *value);
  value->node = node;
  layout_place(fusion->options->layout, node, value, fusion->options->real);
  ARRAY_ADD(fusion->session, fusion->values, fusion->value_count, fusion->value_capacity, value);
  return value;
}

View fusion_view(void *fusion, const Node *node) { return fusion_fact(fusion, node)->view; }

Group *fusion_group(Fusion *fusion, const Decision *decision, Item *item) {
  Group *group = session_allocate(fusion->session, sizeof *group);
  group->kind = decision->taken.strategy->kind;
  group->tile = decision->taken.tile;
  ARRAY_ADD(fusion->session, fusion->groups, fusion->group_count, fusion->group_capacity, group);
  group_phase(fusion, group, decision, item);
  return group;
}

void group_phase(Fusion *fusion, Group *group, const Decision *decision, Item *item) {
  group->phases =
      session_grow(fusion->session, group->phases, group->phase_count, &group->phase_capacity, sizeof *group->phases);
  Phase *phase = &group->phases[group->phase_count++];
  *phase = (Phase){.decision = decision};
  phase_add(fusion, group, phase, item);
}

void phase_add(Fusion *fusion, const Group *group, Phase *phase, Item *item) {
  if (phase->count > 0) phase->decision = strategy_followed(fusion, phase->decision);
  ARRAY_ADD(fusion->session, phase->items, phase->count, phase->capacity, item);
  item->phase = (int)(phase - group->phases);
}

/* ---- facts ------------------------------------------------------------------------------------------------------- */

typedef struct Order {
  Session *session;
  int count, capacity;
  Node **nodes;
  const Scalar **values;
} Order;

static void list_node(void *context, Node *node) {
  Order *order = context;
  int capacity = order->capacity;
  order->nodes = session_grow(order->session, order->nodes, order->count, &capacity, sizeof *order->nodes);
  order->values = session_grow(order->session, order->values, order->count, &order->capacity, sizeof *order->values);
  order->values[order->count] = node->kind == NODE_COMPUTE ? node->value : NULL;
  order->nodes[order->count++] = node;
}

/* told: of statistics only. */
static void add_fact(Fusion *fusion, Node *node, const Scalar *value, bool told) {
  Fact *fact = fusion_fact(fusion, node);
  if (fact->residence != RESIDES_NOWHERE) return;
  *fact = (Fact){.node = node, .position = fusion->order_count, .way = node, .value = value, .told = told};
  fact->residence = node->kind == NODE_INPUT     ? RESIDES_INPUT
                    : node->kind == NODE_RANDOM  ? RESIDES_DRAWN
                    : node->kind == NODE_RESHAPE ? RESIDES_VIEW
                                                 : RESIDES_STORED;
  ARRAY_ADD(fusion->session, fusion->order, fusion->order_count, fusion->order_capacity, node);
}

/* What was cut out of an expression; and first, what was cut out of that. */
static void add_parts(Fusion *fusion, const Scalar *value, bool told) {
  Leaves leaves = leaves_of(fusion->session, value);
  for (int k = 0; k < leaves.count; k++) {
    Node *node = leaves.items[k]->node;
    if (leaves.items[k]->op != OP_READ || node->kind != NODE_COMPUTE ||
        fusion_fact(fusion, node)->residence != RESIDES_NOWHERE)
      continue;
    add_parts(fusion, node->value, told);
    add_fact(fusion, node, node->value, told);
  }
}

static bool was_cut(const Order *order, int n) {
  return order->values[n] != NULL && order->values[n] != order->nodes[n]->value;
}

/* A number that was cut out, and the place of the last node that it reads. */
typedef struct Number {
  Node *node;
  int last, found;
  bool told;
} Number;
typedef struct Numbers {
  int count, capacity;
  Number *items;
  Map places; /* from 1, of the nodes of the graph */
  Map met;
} Numbers;

static void find_numbers(const Fusion *fusion, Numbers *numbers, const Scalar *value, bool told) {
  Leaves leaves = leaves_of(fusion->session, value);
  for (int k = 0; k < leaves.count; k++) {
    Node *node = leaves.items[k]->node;
    if (leaves.items[k]->op != OP_READ || node->kind != NODE_COMPUTE || map_number(&numbers->places, node) > 0 ||
        !map_add(fusion->session, &numbers->met, node))
      continue;
    if (node->rank > 0) {
      find_numbers(fusion, numbers, node->value, told);
      continue;
    }
    Number number = {node, 0, numbers->count, told};
    for (int r = 0; r < node->read_count; r++) {
      int place = map_number(&numbers->places, node->reads[r]);
      if (place > number.last) number.last = place;
    }
    ARRAY_ADD(fusion->session, numbers->items, numbers->count, numbers->capacity, number);
  }
}

static int by_last(const void *left, const void *right) {
  const Number *a = left, *b = right;
  return a->last != b->last ? a->last - b->last : a->found - b->found;
}

/* Numbers that were cut out of the values, by when they can be had. */
static Numbers numbers_of(const Fusion *fusion, const Order *order, int told_from) {
  Numbers numbers = {0};
  for (int n = 0; n < order->count; n++) map_put_number(fusion->session, &numbers.places, order->nodes[n], n + 1);
  for (int n = 0; n < order->count && !fusion->options->trace; n++)
    if (was_cut(order, n)) find_numbers(fusion, &numbers, order->values[n], n >= told_from);
  if (numbers.count > 0) qsort(numbers.items, (size_t)numbers.count, sizeof *numbers.items, by_last);
  return numbers;
}

static void count_node(void *context, Node *node) {
  int *count = context;
  (*count)++, (void)node;
}

/* All nodes that the effects need, operands first. Maps that were cut out of a node come right before it; numbers as
   soon as what they read is there, so that no tile which a reader joins has begun before. What only serves statistics
   comes last. */
static void collect_facts(Fusion *fusion) {
  Order order = {.session = fusion->session};
  EffectList must = {fusion->effects.count - fusion->options->told, fusion->effects.items};
  int told_from = 0;
  graph_walk(fusion->graph, &must, count_node, &told_from);
  graph_walk(fusion->graph, &fusion->effects, list_node, &order);
  for (int i = 0; i < fusion->effects.count; i++)
    list_node(&order, fusion->effects.items[i].target); /* may be on no walk */
  for (int n = 0; n < order.count; n++)
    if (order.nodes[n]->kind == NODE_COMPUTE)
      order.values[n] = (fusion->options->trace ? scalar_separate : scalar_cut)(fusion->graph, order.nodes[n]);
  fusion->facts = session_allocate(fusion->session, sizeof *fusion->facts);
  Numbers numbers = numbers_of(fusion, &order, told_from);
  for (int n = 0, next = 0; n < order.count; n++) {
    if (was_cut(&order, n)) add_parts(fusion, order.values[n], n >= told_from);
    add_fact(fusion, order.nodes[n], order.values[n], n >= told_from);
    for (; next < numbers.count && numbers.items[next].last <= n + 1; next++)
      add_fact(fusion, numbers.items[next].node, numbers.items[next].node->value, numbers.items[next].told);
  }
}

/* A draw must lie in memory where it is an effect, seen through a reshape, or read at a computed place; it should where
   several nodes read it. */
static void store_draws(Fusion *fusion) {
  for (int i = 0; i < fusion->effects.count; i++) {
    Fact *fact = fusion_fact(fusion, fusion->effects.items[i].value);
    if (fact->residence == RESIDES_DRAWN) fact->residence = RESIDES_STORED;
  }
  for (int n = 0; n < fusion->order_count; n++) {
    Node *node = fusion->order[n];
    if (node->kind == NODE_RESHAPE) {
      Fact *fact = fusion_fact(fusion, node->operand[0]);
      if (fact->residence == RESIDES_DRAWN) fact->residence = RESIDES_STORED;
    }
    if (node->kind != NODE_COMPUTE) continue;
    Leaves leaves = leaves_of(fusion->session, fusion_fact(fusion, node)->value);
    for (int k = 0; k < leaves.count; k++) {
      if (leaves.items[k]->op != OP_READ) continue;
      Fact *fact = fusion_fact(fusion, leaves.items[k]->node);
      if (fact->residence == RESIDES_DRAWN && fact->drawn_for != NULL && fact->drawn_for != node)
        fact->residence = RESIDES_STORED;
      fact->drawn_for = node;
      for (int d = 0; d < leaves.items[k]->access->rank && fact->residence == RESIDES_DRAWN; d++)
        if (leaves.items[k]->access->coordinates[d].computed != NULL) fact->residence = RESIDES_STORED;
    }
  }
}

const Fact *fusion_behind(const Fusion *fusion, const Fact *fact) {
  while (fact->residence == RESIDES_VIEW) fact = fusion_fact(fusion, fact->node->operand[0]);
  return fact;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void place_values(Fusion *fusion, int from) {
  for (int n = from; n < fusion->order_count; n++) {
    Node *node = fusion->order[n];
    Fact *fact = fusion_fact(fusion, node);
    if (fact->residence == RESIDES_VIEW) {
      const Fact *operand = fusion_fact(fusion, node->operand[0]);
      fact->view = view_reshape(fusion->options->layout, &operand->view, node);
      fact->stored = operand->stored;
    } else if (fact->residence == RESIDES_INPUT || fact->residence == RESIDES_STORED) {
      fact->stored = fusion_value(fusion, node);
      fact->view = view_of_value(fact->stored);
    }
  }
}

void item_reads(Session *session, Item *item) {
  int capacity = 0;
  item->read_count = 0, item->reads = NULL;
  for (int part = -1; part < item->write->rank; part++) {
    const Scalar *scalar = part < 0 ? item->value : item->write->coordinates[part].computed;
    if (scalar == NULL) continue;
    Leaves leaves = leaves_of(session, scalar);
    for (int k = 0; k < leaves.count; k++) {
      if (leaves.items[k]->op != OP_READ) continue;
      ARRAY_ADD(session, item->reads, item->read_count, capacity, leaves.items[k]);
    }
  }
}

Item *fusion_item(Fusion *fusion, Node *node, const View *view, const Scalar *value) {
  Item *item = session_allocate(fusion->session, sizeof *item);
  *item = (Item){.node = node, .combine = COMBINE_SET, .value = value, .view = *view, .stored = true, .phase = -1};
  const Fact *fact = fusion_fact(fusion, node);
  if (node->kind == NODE_COMPUTE && value == fact->value) {
    const Node *way = fact->way;
    item->combine = way->combine, item->box_rank = way->box_rank, item->box = way->box, item->write = way->write;
    item_reads(fusion->session, item);
    return item;
  }
  int64_t *box = session_allocate(fusion->session, RANK_LIMIT * sizeof *box);
  for (int d = 0; d < view->rank; d++) box[d] = view->shape[d];
  item->box = box, item->box_rank = view->rank, item->write = access_identity(fusion->graph, view->rank);
  item_reads(fusion->session, item);
  return item;
}

static const Scalar *read_whole(Fusion *fusion, Node *node) {
  return scalar_read(fusion->graph, node, access_identity(fusion->graph, node->rank));
}

/* ---- effects ----------------------------------------------------------------------------------------------------- */

static bool same_layout(const StoredValue *a, const StoredValue *b) {
  return a->storage == b->storage && a->elements == b->elements && a->node->rank == b->node->rank &&
         memcmp(a->stride, b->stride, (size_t)a->node->rank * sizeof *a->stride) == 0;
}

/* Is the old value of `target` read by the item only where it writes? */
bool reads_in_place(const Fusion *fusion, const Item *item, const StoredValue *target) {
  for (int k = 0; k < item->read_count; k++) {
    if (fusion_fact(fusion, item->reads[k]->node)->stored != target) continue;
    if (!item_is_map(item) || item->reads[k]->node->rank != item->view.rank) return false;
    const Access *read = item->reads[k]->access, *write = item->write;
    for (int d = 0; d < read->rank; d++) {
      const Coordinate *c = &read->coordinates[d], *w = &write->coordinates[d];
      if (item->view.shape[d] == 1) continue;
      if (!coordinate_is_bare(c) || c->terms[0].variable != w->terms[0].variable) return false;
    }
  }
  return true;
}

static void plan_moves(Fusion *fusion) {
  fusion->move_count = fusion->effects.count;
  fusion->moves = session_allocate(fusion->session, (size_t)(fusion->move_count + 1) * sizeof *fusion->moves);
  for (int i = 0; i < fusion->move_count; i++) {
    const Effect *effect = &fusion->effects.items[i];
    Fact *value = fusion_fact(fusion, effect->value), *target = fusion_fact(fusion, effect->target);
    Move *move = &fusion->moves[i];
    *move = (Move){.target = effect->target, .value = value, .span = effect->span};
    target->move = move;
    if (value->residence != RESIDES_STORED || value->stored->node != value->node)
      continue; /* an input, or moved already */
    if (!same_layout(value->stored, target->stored) ||
        (!reads_in_place(fusion, value->item, target->stored) && !MUTANT(overwritten_in_place)))
      continue;
    move->in_place = true;
  }
}

/* The values that are moved in place live in their targets. */
static void settle_places(Fusion *fusion) {
  for (int i = 0; i < fusion->move_count; i++) {
    Move *move = &fusion->moves[i];
    if (!move->in_place) continue;
    bool taken = move->value->stored->node->kind == NODE_INPUT;
    if (taken) move->in_place = false;
    else move->value->stored = fusion_fact(fusion, move->target)->stored;
  }
  for (int n = 0; n < fusion->order_count; n++) {
    Fact *fact = fusion_fact(fusion, fusion->order[n]);
    if (fact->residence == RESIDES_VIEW) fact->stored = fusion_fact(fusion, fact->node->operand[0])->stored;
    if (fact->stored != NULL) fact->view.value = fact->stored;
    if (fact->item != NULL) fact->item->view.value = fact->stored;
  }
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static void make_items(Fusion *fusion, int from) {
  for (int n = from; n < fusion->order_count; n++) {
    Node *node = fusion->order[n];
    Fact *fact = fusion_fact(fusion, node);
    if (fact->residence != RESIDES_STORED || node_size(node) == 0) continue;
    fact->item = fusion_item(fusion, node, &fact->view, fact->value != NULL ? fact->value : read_whole(fusion, node));
  }
}

void fusion_change(Fusion *fusion, Fact *fact, const Node *way) {
  int from = fusion->order_count;
  add_parts(fusion, way->value, fact->told);
  place_values(fusion, from);
  make_items(fusion, from);
  for (int n = from; n < fusion->order_count; n++) fusion_fact(fusion, fusion->order[n])->position = fact->position;
  fact->way = way, fact->value = way->value;
  fact->item = fusion_item(fusion, fact->node, &fact->view, fact->value);
}

/* An item is in memory where another phase than that of its reader (group NULL: than any), a view or an effect needs
   it. */
static void mark_reads(Fusion *fusion, const Group *group, int phase, const Item *reader) {
  for (int k = 0; k < reader->read_count; k++) {
    const Fact *fact = fusion_fact(fusion, reader->reads[k]->node);
    bool here = group != NULL && fact->item != NULL && fact->group == group && fact->item->phase == phase;
    fact = fusion_behind(fusion, fact);
    if (!here && fact->item != NULL) fact->item->stored = true;
  }
}

static void mark_stored(Fusion *fusion) {
  for (int n = 0; n < fusion->order_count; n++) {
    const Fact *fact = fusion_fact(fusion, fusion->order[n]);
    if (fact->item != NULL) fact->item->stored = false;
  }
  for (int m = 0; m < fusion->move_count; m++) {
    const Fact *fact = fusion_behind(fusion, fusion->moves[m].value);
    if (fact->item != NULL) fact->item->stored = true;
  }
  for (int g = 0; g < fusion->group_count; g++) {
    const Group *group = fusion->groups[g];
    for (int p = 0; p < group->piece_count; p++) mark_reads(fusion, NULL, 0, group->pieces[p]);
    for (int p = 0; p < group->phase_count; p++)
      for (int i = group->kind == GROUP_TILE && group->piece_count > 0; i < group->phases[p].count; i++)
        mark_reads(fusion, group->kind == GROUP_TILE && i == 0 ? NULL : group, p, group->phases[p].items[i]);
  }
}

Fusion *schedule_fuse(Session *session, Graph *graph, EffectList effects, const ScheduleOptions *options) {
  Fusion *fusion = session_allocate(session, sizeof *fusion);
  *fusion = (Fusion){.session = session, .graph = graph, .effects = effects, .options = options};
  collect_facts(fusion);
  store_draws(fusion);
  place_values(fusion, 0);
  make_items(fusion, 0);
  plan_moves(fusion);
  settle_places(fusion);
  fusion_join(fusion);
  mark_stored(fusion);
  fusion_order(fusion);
  return fusion;
}
