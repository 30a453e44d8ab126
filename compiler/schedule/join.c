/* Which items share a program. Takes items in the order of their operands; puts each into a group, so that no group
   waits for itself:
   - what an item is by itself is the cheapest strategy's to say: a tile, a nest, a phase of a serial nest; a sum of
   sums that nobody else reads is one tile with several pieces where that is cheaper than each by itself;
   - maps at the points of a tile's result join it, if all else they read is ready before it; so do sums of these over
   the lanes, where a chunk has all lanes;
   - small items join one serial nest; larger maps join a nest over the same points; a draw that several nodes read is a
   nest of its own. An input that moves in place is overwritten where it was read, or later than all that read it. Never
   makes programs. */
#include "strategy.h"

#include <string.h>

/* Phases of a program that still compiles fast; sums that become one tile. */
enum { PHASE_LIMIT = 32, PIECE_LIMIT = 8 };

/* ---- what a group waits for -------------------------------------------------------------------------------------- */

static bool waits_walk(Group *group, const Group *on, int mark) {
  if (group == on) return true;
  if (group->mark == mark) return false;
  group->mark = mark;
  for (int a = 0; a < group->after_count; a++)
    if (waits_walk(group->after[a], on, mark)) return true;
  return false;
}

static bool waits_for(Fusion *fusion, Group *group, const Group *on) { return waits_walk(group, on, ++fusion->walks); }

static void add_wait(Fusion *fusion, Group *group, Group *on) {
  if (group == on) return;
  for (int a = 0; a < group->after_count; a++)
    if (group->after[a] == on) return;
  ARRAY_ADD(fusion->session, group->after, group->after_count, group->after_capacity, on);
}

static Fact *fact_of_read(const Fusion *fusion, const Scalar *read) {
  return (Fact *)(uintptr_t)fusion_behind(fusion, fusion_fact(fusion, read->node));
}

/* The move that overwrites this input in place, or NULL. */
static const Move *move_of(const Fact *input) {
  return input->residence == RESIDES_INPUT && input->move != NULL && input->move->in_place ? input->move : NULL;
}

static const Fact *target_of(const Fusion *fusion, const Item *item) {
  const Node *node = item->view.value->node;
  return node != item->node && node->kind == NODE_INPUT ? fusion_fact(fusion, node) : NULL;
}

static bool reads_input(Fusion *fusion, const Item *item, const Fact *input) {
  for (int k = 0; k < item->read_count; k++)
    if (fact_of_read(fusion, item->reads[k]) == input) return true;
  return false;
}

/* Everything the item needs, or must not come before, is ready before the group, or in it. */
static bool may_wait(Fusion *fusion, const Item *item, Group *group) {
  for (int k = 0; k < item->read_count; k++) {
    const Fact *fact = fact_of_read(fusion, item->reads[k]);
    if (fact->group != NULL && fact->group != group && waits_for(fusion, fact->group, group)) return false;
    const Move *move = move_of(fact); /* the reader must run before what overwrites */
    if (move != NULL && move->value->group != NULL && move->value->group != group &&
        waits_for(fusion, group, move->value->group))
      return false;
  }
  const Fact *target = target_of(fusion, item);
  for (int g = 0; target != NULL && g < target->group_count; g++)
    if (target->groups[g] != group && waits_for(fusion, target->groups[g], group)) return false;
  return true;
}

static void add_reader(Fusion *fusion, Fact *input, Group *group) {
  for (int g = 0; g < input->group_count; g++)
    if (input->groups[g] == group) return;
  ARRAY_ADD(fusion->session, input->groups, input->group_count, input->group_capacity, group);
}

static void record_waits(Fusion *fusion, const Item *item, Group *group) {
  for (int k = 0; k < item->read_count; k++) {
    Fact *fact = fact_of_read(fusion, item->reads[k]);
    if (fact->residence == RESIDES_INPUT) add_reader(fusion, fact, group);
    if (fact->group != NULL) add_wait(fusion, group, fact->group);
    const Move *move = move_of(fact);
    if (move != NULL && move->value->group != NULL && !waits_for(fusion, group, move->value->group))
      add_wait(fusion, move->value->group, group);
  }
  const Fact *target = target_of(fusion, item);
  for (int g = 0; target != NULL && g < target->group_count; g++)
    if (target->groups[g] != group && !waits_for(fusion, target->groups[g], group))
      add_wait(fusion, group, target->groups[g]);
}

/* ---- may these share points? ------------------------------------------------------------------------------------- */

/* A read at the same point: variable d on axis d. */
static bool at_point(const Scalar *read, const View *view) {
  if (read->node->rank != view->rank) return false;
  for (int d = 0; d < view->rank; d++) {
    const Coordinate *c = &read->access->coordinates[d];
    if (read->node->shape[d] != view->shape[d]) return false;
    bool unit = view->shape[d] == 1 && coordinate_is_constant(c) && c->constant == 0;
    if (!unit && !(coordinate_is_bare(c) && c->terms[0].variable == d)) return false;
  }
  return true;
}

/* Of an item of the group. */
static bool in_phase(const Group *group, const Phase *phase, const Item *item) {
  return item->phase == phase - group->phases;
}

static bool is_piece_of(const Group *group, const Item *item) {
  for (int p = 0; p < group->piece_count; p++)
    if (group->pieces[p] == item) return true;
  return false;
}

static bool same_shape(const View *a, const View *b) {
  size_t size = (size_t)a->rank * sizeof *a->shape;
  return a->rank == b->rank && memcmp(a->shape, b->shape, size) == 0 && memcmp(a->stride, b->stride, size) == 0;
}

/* What the phase makes is read at the same point only; what it overwrites likewise. `joined` counts reads of the
   phase. */
static bool fits_phase(Fusion *fusion, const Item *item, const Group *group, const Phase *phase, int *joined) {
  *joined = 0;
  for (int k = 0; k < item->read_count; k++) {
    const Fact *fact = fact_of_read(fusion, item->reads[k]);
    if (is_piece_of(group, fact->item)) return false;
    if (fact->group == group && in_phase(group, phase, fact->item)) {
      bool sum = fact->item->combine == COMBINE_SUM && fact->item != phase->items[0];
      if (sum || fact->node != item->reads[k]->node || !at_point(item->reads[k], &item->view)) return false;
      (*joined)++;
    }
    const Move *move = move_of(fact);
    if (move != NULL && move->value->group == group && in_phase(group, phase, move->value->item) &&
        !reads_in_place(fusion, item, fact->stored))
      return false;
  }
  const Fact *target = target_of(fusion, item);
  if (target == NULL) return true;
  if (!reads_in_place(fusion, item, target->stored)) return false;
  for (int p = 0; p < group->piece_count; p++)
    if (reads_input(fusion, group->pieces[p], target)) return false;
  for (int i = 0; i < phase->count; i++)
    if (!reads_in_place(fusion, phase->items[i], target->stored)) return false;
  return true;
}

/* An input that an earlier phase of the group has overwritten can be read no more. */
static bool overwritten_before(Fusion *fusion, const Item *item, const Group *group, const Phase *phase) {
  for (int k = 0; k < item->read_count; k++) {
    const Fact *fact = fact_of_read(fusion, item->reads[k]);
    const Move *move = move_of(fact);
    if (move != NULL && move->value->group == group && !(phase != NULL && in_phase(group, phase, move->value->item)))
      return true;
  }
  return false;
}

/* ---- joining ----------------------------------------------------------------------------------------------------- */

static void place(Fusion *fusion, Fact *fact, Group *group) {
  fact->group = group;
  group->told = fact->told;
  record_waits(fusion, fact->item, group);
}

static bool may_fuse(Fusion *fusion) {
  if (fusion->options->fuse_limit >= 0 && fusion->fusions >= fusion->options->fuse_limit) return false;
  fusion->fusions++;
  return true;
}

/* A draw that several nodes read is a program of its own: it then costs a quarter, and what reads it has the same code
   whatever the stream. So is a copy in another order of axes. */
static void settle_draws(Fusion *fusion, const Item *item) {
  for (int k = 0; k < item->read_count; k++) {
    Fact *fact = fact_of_read(fusion, item->reads[k]);
    bool own = fact->node->kind == NODE_RANDOM || fact->node->kind == NODE_INPUT;
    if (!own || fact->item == NULL || fact->group != NULL) continue;
    const Decision *decision = strategy_decide(fusion, 1, &fact->item, NULL, 1 << GROUP_NEST);
    place(fusion, fact, fusion_group(fusion, decision, fact->item));
  }
}

/* The sum over all points of what the phase makes, `value` with the axes as its variables; false: it is none. */
static bool totals_points(Fusion *fusion, const Item *item, const Group *group, const Scalar **value) {
  const Phase *phase = &group->phases[0];
  const View *view = &phase->items[0]->view;
  Coordinate axes[BOX_LIMIT];
  uint32_t known = 0;
  int64_t outputs = 1, points = 1;
  for (int d = 0; d < item->view.rank; d++) outputs *= item->view.shape[d];
  for (int d = 0; d < view->rank; d++) points *= view->shape[d];
  if (item->combine != COMBINE_SUM || outputs != 1 || item_points(item) != points) return false;
  for (int d = 0; d < item->write->rank; d++)
    if (!coordinate_is_constant(&item->write->coordinates[d]) || item->write->coordinates[d].constant != 0)
      return false;
  for (int v = 0; v < BOX_LIMIT; v++) axes[v] = coordinate_constant(0);
  for (int k = 0; k < item->read_count; k++) {
    const Fact *fact = fact_of_read(fusion, item->reads[k]);
    const Access *access = item->reads[k]->access;
    if (is_piece_of(group, fact->item)) return false;
    if (fact->group != group) continue;
    if (fact->node != item->reads[k]->node || access->rank != view->rank ||
        (fact->item->combine == COMBINE_SUM && fact->item != phase->items[0]))
      return false;
    for (int d = 0; d < view->rank; d++) {
      const Coordinate *c = &access->coordinates[d];
      if (coordinate_is_constant(c) && c->constant == 0 && view->shape[d] == 1) continue;
      if (!coordinate_is_bare(c)) return false;
      int v = c->terms[0].variable;
      bool before = (known >> v & 1) != 0;
      if (item->box[v] != view->shape[d] || (before && axes[v].terms[0].variable != d)) return false;
      axes[v] = coordinate_variable(d), known |= UINT32_C(1) << v;
    }
  }
  for (int v = 0; v < item->box_rank; v++)
    if (item->box[v] > 1 && (known >> v & 1) == 0) return false;
  if (known == 0 || overwritten_before(fusion, item, group, NULL)) return false;
  *value = scalar_substitute(fusion->graph, item->value, axes);
  return true;
}

/* Each chunk of the tile leaves what its points add up to; the sum itself is the sum of these. */
static void total_in_chunks(Fusion *fusion, Fact *fact, Group *group, const Scalar *value) {
  Item *root = group->phases[0].items[0];
  int64_t chunks = 0;
  for (int p = 0; p < group->tile->part_count; p++) chunks += part_tasks(group->tile, &group->tile->parts[p]);
  const Node *node = fact->node;
  const char *name =
      session_format(fusion->session, "%s %%%d (by chunks)", node->name != NULL ? node->name : "value", node->id);
  Node *parts = graph_input(fusion->graph, name, 1, &chunks, false, node->span);
  Fact *own = fusion_fact(fusion, parts);
  *own = (Fact){.node = parts,
                .position = fusion_fact(fusion, root->node)->position,
                .residence = RESIDES_STORED,
                .told = group->told};
  own->stored = fusion_value(fusion, parts);
  own->view = view_of_value(own->stored);
  own->item = session_allocate(fusion->session, sizeof *own->item);
  *own->item = (Item){.node = parts, .combine = COMBINE_SUM, .box_rank = root->view.rank, .box = root->view.shape};
  own->item->write = access_new(fusion->graph, 0, NULL), own->item->value = value, own->item->view = own->view;
  own->item->stored = own->item->per_chunk = true;
  item_reads(fusion->session, own->item);
  phase_add(fusion, group, &group->phases[0], own->item);
  place(fusion, own, group);
  Coordinate chunk = chunks > 1 ? coordinate_variable(0) : coordinate_constant(0);
  const Scalar *read = scalar_read(fusion->graph, parts, access_new(fusion->graph, 1, &chunk));
  fusion_change(fusion, fact,
                graph_compute(fusion->graph, COMBINE_SUM, 1, &chunks, 0, access_new(fusion->graph, 0, NULL), 0, NULL,
                              false, read, node->name, node->span));
}

/* Elements that the read moves on with a variable that is one axis of it; -1: not known. */
static int64_t moves_with(const Fusion *fusion, const Scalar *read, int variable) {
  const View *view = &fusion_fact(fusion, read->node)->view;
  int64_t moved = 0;
  if (view->value == NULL) return -1;
  for (int d = 0; d < read->access->rank; d++) {
    const Coordinate *c = &read->access->coordinates[d];
    if (c->computed != NULL && (c->computed->variables >> variable & 1) != 0) return -1;
    for (int t = 0; t < c->term_count; t++) {
      if (c->terms[t].variable != variable) continue;
      if (!coordinate_is_bare(c)) return -1;
      moved += view->stride[d];
    }
  }
  return moved;
}

/* Lanes that go on into the next value of another index are followed by what goes on as they do. */
static bool follows_lanes(const Fusion *fusion, const Scalar *value, const Group *group) {
  const Tile *tile = group->tile;
  if (tile->joined < 0) return true;
  const ClassLoop *loops = tile->parts[0].loops;
  int inner = loops[tile->lane].axis, outer = loops[tile->joined].axis;
  Leaves leaves = leaves_of(fusion->session, value);
  for (int k = 0; k < leaves.count; k++) {
    const Scalar *leaf = leaves.items[k];
    if ((leaf->variables >> inner & 1) == 0 && (leaf->variables >> outer & 1) == 0) continue;
    int64_t own = leaf->op == OP_READ ? moves_with(fusion, leaf, inner) : -1;
    if (own < 0 || moves_with(fusion, leaf, outer) != own * tile->lane_own) return false;
  }
  return true;
}

/* Not the sum itself, but nearly all of its work. */
static void total_in_tile(Fusion *fusion, Fact *fact) {
  for (int g = fusion->group_count - 1; g >= 0; g--) {
    Group *group = fusion->groups[g];
    const Scalar *value;
    if (group->kind != GROUP_TILE || !totals_points(fusion, fact->item, group, &value)) continue;
    if (!follows_lanes(fusion, value, group)) continue;
    if (!may_wait(fusion, fact->item, group) || !may_fuse(fusion)) continue;
    settle_draws(fusion, fact->item);
    total_in_chunks(fusion, fact, group, value);
    return;
  }
}

/* A sum over the lanes of rows that tasks have as a whole. */
static bool sums_rows(Fusion *fusion, const Item *item, const Group *group) {
  const Tile *tile = group->tile;
  const View *view = &group->phases[0].items[0]->view;
  if (item->combine != COMBINE_SUM || item->box_rank != 2 || tile->part_count != 1 || view->rank != 2 ||
      tile->loop_count != 2)
    return false;
  if (tile->task[tile->lane] < tile->lanes || view->stride[tile->lane] != 1) return false;
  if (item->view.rank < 1 || item->view.value->storage != storage_of(fusion->options->real)) return false;
  int row = -1;
  for (int d = 0; d < item->write->rank; d++) {
    const Coordinate *c = &item->write->coordinates[d];
    if (coordinate_is_constant(c) && c->constant == 0 && item->view.shape[d] == 1) continue;
    if (row >= 0 || !coordinate_is_bare(c) || item->view.shape[d] != tile->rows) return false;
    row = c->terms[0].variable;
  }
  if (row < 0 || item->box[row] != tile->rows || item->box[1 - row] != tile->lanes || target_of(fusion, item) != NULL)
    return false;
  int found = 0;
  for (int k = 0; k < item->read_count; k++) {
    const Fact *fact = fact_of_read(fusion, item->reads[k]);
    if (fact->group != group) continue;
    const Access *access = item->reads[k]->access;
    if (fact->node != item->reads[k]->node || !in_phase(group, &group->phases[0], fact->item) || fact->node->rank != 2)
      return false;
    if (fact->item->combine == COMBINE_SUM && fact->item != group->phases[0].items[0]) return false;
    for (int d = 0; d < 2; d++)
      if (!coordinate_is_bare(&access->coordinates[d]) ||
          access->coordinates[d].terms[0].variable != (d == tile->row ? row : 1 - row))
        return false;
    found++;
  }
  return found > 0 && !overwritten_before(fusion, item, group, NULL);
}

static bool join_tile(Fusion *fusion, Fact *fact) {
  const Item *item = fact->item;
  bool map = item_is_map(item);
  for (int g = fusion->group_count - 1; g >= 0; g--) {
    Group *group = fusion->groups[g];
    int joined;
    if (group->kind != GROUP_TILE || group->told != fact->told) continue;
    Phase *phase = &group->phases[0];
    if (map) {
      if (!same_shape(&item->view, &phase->items[0]->view) || !fits_phase(fusion, item, group, phase, &joined) ||
          joined == 0 || !follows_lanes(fusion, item->value, group))
        continue;
    } else if (!sums_rows(fusion, item, group)) continue;
    if (!may_wait(fusion, item, group) || !may_fuse(fusion)) continue;
    settle_draws(fusion, item);
    phase_add(fusion, group, phase, fact->item);
    place(fusion, fact, group);
    return true;
  }
  return false;
}

/* The terms of a sum of sums: reads at the same point of sums that nobody else reads. */
static bool collect_pieces(Fusion *fusion, const Item *item, const Scalar *scalar, Item **pieces, int *count) {
  if (scalar->op == OP_ADD)
    return collect_pieces(fusion, item, scalar->argument[0], pieces, count) &&
           collect_pieces(fusion, item, scalar->argument[1], pieces, count);
  if (scalar->op != OP_READ || *count == PIECE_LIMIT || !at_point(scalar, &item->view)) return false;
  Fact *fact = fusion_fact(fusion, scalar->node);
  if (fact->item == NULL || fact->readers != 1 || fact->group != NULL) return false;
  for (int p = 0; p < *count; p++)
    if (pieces[p] == fact->item) return false;
  pieces[(*count)++] = fact->item;
  return true;
}

/* The sums that a map adds up, and how all of it is computed together; NULL where it adds up anything else, or where
   each by itself is cheaper. */
static Decision *decide_pieces(Fusion *fusion, Fact *fact, Item **pieces, int *count) {
  *count = 0;
  if (!item_is_map(fact->item) || fact->item->value->op != OP_ADD ||
      !collect_pieces(fusion, fact->item, fact->item->value, pieces, count))
    return NULL;
  if (fact->sums == NULL)
    fact->sums = strategy_decide(fusion, *count, pieces, fact->item, 1 << GROUP_TILE | 1 << GROUP_NEST);
  return fact->sums != NULL && fact->sums->taken.strategy->kind == GROUP_TILE ? fact->sums : NULL;
}

static bool start_pieces(Fusion *fusion, Fact *fact) {
  Item *pieces[PIECE_LIMIT];
  int count;
  Decision *decision = decide_pieces(fusion, fact, pieces, &count);
  if (decision == NULL || !may_fuse(fusion)) return false;
  strategy_commit(fusion, decision, count, pieces);
  for (int p = 0; p < count; p++) settle_draws(fusion, pieces[p]);
  Group *group = fusion_group(fusion, decision, fact->item);
  group->pieces = session_allocate(fusion->session, (size_t)count * sizeof *group->pieces);
  group->piece_count = count;
  memcpy(group->pieces, pieces, (size_t)count * sizeof *pieces);
  for (int p = 0; p < count; p++) place(fusion, fusion_fact(fusion, pieces[p]->node), group);
  place(fusion, fact, group);
  return true;
}

static Decision *decide_alone(Fusion *fusion, const Fact *fact) {
  Item *item = fact->item;
  return strategy_decide(fusion, 1, &item, NULL, EVERY_KIND);
}

static void start_group(Fusion *fusion, Fact *fact, Decision *decision) {
  strategy_commit(fusion, decision, 1, &fact->item);
  settle_draws(fusion, fact->item);
  place(fusion, fact, fusion_group(fusion, decision, fact->item));
}

static bool join_serial(Fusion *fusion, Fact *fact, const Decision *decision) {
  const Item *item = fact->item;
  if (decision->taken.strategy->kind != GROUP_SERIAL) return false;
  for (int g = fusion->group_count - 1; g >= 0; g--) {
    Group *group = fusion->groups[g];
    int joined;
    if (group->kind != GROUP_SERIAL || group->told != fact->told || group->phase_count >= PHASE_LIMIT ||
        !may_wait(fusion, item, group))
      continue;
    Phase *last = &group->phases[group->phase_count - 1];
    bool along = item_is_map(item) && item_is_map(last->items[0]) && same_shape(&item->view, &last->items[0]->view);
    along = along && strategy_follows(last->decision) && fits_phase(fusion, item, group, last, &joined);
    if (overwritten_before(fusion, item, group, along ? last : NULL)) continue;
    if (!may_fuse(fusion)) return false;
    settle_draws(fusion, item);
    if (along) phase_add(fusion, group, last, fact->item);
    else group_phase(fusion, group, decision, fact->item);
    place(fusion, fact, group);
    return true;
  }
  return false;
}

static bool join_nest(Fusion *fusion, Fact *fact) {
  const Item *item = fact->item;
  if (!item_is_map(item)) return false;
  for (int g = fusion->group_count - 1; g >= 0; g--) {
    Group *group = fusion->groups[g];
    int joined;
    if (group->kind != GROUP_NEST || group->told != fact->told ||
        !same_shape(&item->view, &group->phases[0].items[0]->view))
      continue;
    if (!strategy_follows(group->phases[0].decision)) continue;
    if (!fits_phase(fusion, item, group, &group->phases[0], &joined) || joined == 0) continue;
    if (!may_wait(fusion, item, group) || !may_fuse(fusion)) continue;
    settle_draws(fusion, item);
    phase_add(fusion, group, &group->phases[0], fact->item);
    place(fusion, fact, group);
    return true;
  }
  return false;
}

static void count_readers(Fusion *fusion) {
  for (int n = 0; n < fusion->order_count; n++) {
    Fact *fact = fusion_fact(fusion, fusion->order[n]);
    if (fact->residence == RESIDES_VIEW) fusion_fact(fusion, fact->node->operand[0])->readers += 2;
    if (fact->item == NULL) continue;
    for (int k = 0; k < fact->item->read_count; k++) {
      Fact *read = fusion_fact(fusion, fact->item->reads[k]->node);
      if (read == fact) continue;
      read->readers++;
      read->reader = fact;
    }
  }
  for (int m = 0; m < fusion->move_count; m++) fusion->moves[m].value->readers += 2;
}

/* Is the sum a piece of a tile that a later map starts? */
static bool is_piece(Fusion *fusion, const Fact *fact) {
  Item *pieces[PIECE_LIMIT];
  int count;
  return fact->readers == 1 && fact->reader != NULL && decide_pieces(fusion, fact->reader, pieces, &count) != NULL;
}

/* Pieces that were kept for a tile of several, which is not to be: one program each. */
static void settle_pieces(Fusion *fusion, const Item *item) {
  for (int k = 0; k < item->read_count; k++) {
    Fact *fact = fact_of_read(fusion, item->reads[k]);
    if (fact->item == NULL || fact->group != NULL || fact->node->kind == NODE_RANDOM) continue;
    start_group(fusion, fact, decide_alone(fusion, fact));
  }
}

static void join_rest(Fusion *fusion, Fact *fact, Decision *decision) {
  bool tile = decision->taken.strategy->kind == GROUP_TILE;
  if (tile || (!join_serial(fusion, fact, decision) && !join_nest(fusion, fact))) start_group(fusion, fact, decision);
}

/* A sum that no tile takes may be the sum of what the chunks of one have, or of parts of its own, which come first.
   False where it stays what it was. */
static bool divide_sum(Fusion *fusion, Fact *fact) {
  if (fact->node->kind != NODE_COMPUTE || fact->way != fact->node || fusion->options->trace) return false;
  total_in_tile(fusion, fact);
  if (fact->way != fact->node) return true;
  const Node *way = sum_split(fusion->graph, fusion->options, fact->way, fact->value);
  if (way == NULL) return false;
  int from = fusion->order_count;
  fusion_change(fusion, fact, way);
  for (int n = from; n < fusion->order_count; n++) {
    Fact *part = fusion_fact(fusion, fusion->order[n]);
    if (part->item != NULL && part->group == NULL) join_rest(fusion, part, decide_alone(fusion, part));
  }
  return true;
}

void fusion_join(Fusion *fusion) {
  count_readers(fusion);
  for (int n = 0; n < fusion->order_count; n++) {
    Fact *fact = fusion_fact(fusion, fusion->order[n]);
    if (fact->item == NULL || fact->group != NULL) continue;
    if (fact->node->kind == NODE_RANDOM && fact->readers > 0) continue; /* right before its first reader */
    if (fusion->options->fuse_limit != 0) {
      if (is_piece(fusion, fact) || start_pieces(fusion, fact)) continue;
      settle_pieces(fusion, fact->item);
    }
    if (join_tile(fusion, fact)) continue;
    Decision *decision = decide_alone(fusion, fact);
    if (decision->taken.strategy->kind != GROUP_TILE && divide_sum(fusion, fact)) decision = decide_alone(fusion, fact);
    join_rest(fusion, fact, decision);
  }
  for (int n = 0; n < fusion->order_count; n++) { /* draws that only effects need */
    Fact *fact = fusion_fact(fusion, fusion->order[n]);
    if (fact->item != NULL && fact->group == NULL) start_group(fusion, fact, decide_alone(fusion, fact));
  }
}
