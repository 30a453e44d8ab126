/* Values in another order of axes, for tiles whose lanes lie apart in memory: a weight gradient adds up over samples,
   so its lanes are channels. Where every task would turn the same factor again, it is turned once, by a program of its
   own. Takes a tile; returns the tile that reads copies instead. */
#include "strategy.h"

#include <string.h>

/* The axis of what a plain factor reads along which the fast index moves, one by one; or -1. */
static int fast_axis(const Piece *piece, const Side *side) {
  int axis = -1;
  for (int d = 0; d < side->value->access->rank; d++) {
    const Coordinate *c = &side->value->access->coordinates[d];
    int64_t moves = 0;
    for (int t = 0; t < c->term_count; t++)
      moves += c->terms[t].coefficient * piece->variable[c->terms[t].variable].of[side->fast];
    if (moves != 0 && (moves != 1 || axis >= 0)) return -1;
    if (moves == 1) axis = d;
  }
  return axis;
}

static bool wants_copy(const Piece *piece) {
  const Side *b = &piece->b;
  return b->plain && !b->in_place && b->turned >= 0 && fast_axis(piece, b) >= 0;
}

/* That axis innermost, its lines an odd number of cache lines apart, the others in the order that they had. */
static void set_layout(const ScheduleOptions *options, StoredValue *value, const View *view, int fast) {
  enum { SAME_SETS = 128 };
  int order[RANK_LIMIT], count = 0;
  int64_t lanes = options->machine->vector_bytes / register_bytes(options->real);
  int64_t step = (view->shape[fast] + lanes - 1) / lanes * lanes;
  if (step % SAME_SETS == 0) step += lanes;
  for (int d = 0; d < view->rank; d++) {
    if (d == fast) continue;
    int at = count++;
    for (; at > 0 && view->stride[order[at - 1]] > view->stride[d]; at--) order[at] = order[at - 1];
    order[at] = d;
  }
  value->stride[fast] = 1;
  for (int k = 0; k < count; k++) value->stride[order[k]] = step, step *= view->shape[order[k]];
  value->elements = step;
}

/* One copy of a value with an axis innermost, however many read it. */
static Node *copy_of(Fusion *fusion, Node *source, int fast) {
  const View *view = &fusion_fact(fusion, source)->view;
  const char *name = session_format(fusion->session, "%s %%%d (axis %d innermost)",
                                    source->name != NULL ? source->name : "value", source->id, fast);
  Node *copy = graph_input(fusion->graph, name, source->rank, source->shape, source->batch, source->span);
  Fact *fact = fusion_fact(fusion, copy);
  if (fact->stored != NULL) return copy;
  *fact = (Fact){.node = copy, .position = fusion_fact(fusion, source)->position, .residence = RESIDES_STORED};
  fact->stored = fusion_value(fusion, copy);
  set_layout(fusion->options, fact->stored, view, fast);
  fact->view = view_of_value(fact->stored);
  const Scalar *whole = scalar_read(fusion->graph, source, access_identity(fusion->graph, source->rank));
  fact->item = fusion_item(fusion, copy, &fact->view, whole);
  return copy;
}

typedef struct Replacing {
  Graph *graph;
  const Scalar *read;
  Node *copy;
} Replacing;

static const Scalar *replace(void *context, const Scalar *leaf) {
  const Replacing *replacing = context;
  return leaf == replacing->read ? scalar_read(replacing->graph, replacing->copy, leaf->access) : leaf;
}

static double copy_cycles(const Fusion *fusion, const Item *item) {
  const MachineRow *row = fusion->options->machine->row;
  int bytes = register_bytes(fusion->options->real);
  return (double)item_points(item) * (0.4 + bytes * (1 / row->l3_rate + 1 / row->memory_rate));
}

/* What the items compute from copies; cycles: what copies take that are not made yet. False where none is wanted. */
static bool read_copies(const Question *question, const Tile *tile, Item *changed, double *cycles) {
  Fusion *fusion = question->fusion;
  bool any = false;
  for (int p = 0; p < tile->part_count; p++)
    for (int q = 0; q < tile->parts[p].piece_count; q++) {
      const Piece *piece = &tile->parts[p].pieces[q];
      if (!wants_copy(piece)) continue;
      for (int k = 0; k < question->count; k++) {
        if (piece->item != question->items[k]) continue;
        Node *copy = copy_of(fusion, piece->b.value->node, fast_axis(piece, &piece->b));
        const Fact *fact = fusion_fact(fusion, copy);
        if (fact->group == NULL) *cycles += copy_cycles(fusion, fact->item);
        Replacing replacing = {fusion->graph, piece->b.value, copy};
        changed[k].value = scalar_rebuild(fusion->graph, changed[k].value, replace, &replacing);
        any = true;
      }
    }
  return any;
}

static bool turned_fits(const Question *question) { return question->found[STRATEGY_direct].strategy != NULL; }

/* From the tile that copies its lanes for each task: once for all where they are turned. */
static bool turned_decide(const Question *question, Rival *rival) {
  enum { COUNT_LIMIT = 8 };
  Fusion *fusion = question->fusion;
  size_t count = (size_t)question->count;
  Item *changed = session_allocate(fusion->session, count * sizeof *changed), *list[COUNT_LIMIT];
  if (question->count > COUNT_LIMIT) return false;
  for (int k = 0; k < question->count; k++) changed[k] = *question->items[k], list[k] = &changed[k];
  if (!read_copies(question, question->found[STRATEGY_direct].tile, changed, &rival->work)) return false;
  Tile *tile = tile_new(fusion->session, fusion->options, question->count, list, COPIED_OR_NOT, fusion_view, fusion);
  if (tile == NULL) return false;
  const Scalar **values = session_allocate(fusion->session, count * sizeof *values);
  for (int k = 0; k < question->count; k++) values[k] = changed[k].value;
  for (int p = 0; p < tile->part_count; p++)
    for (int q = 0; q < tile->parts[p].piece_count; q++)
      tile->parts[p].pieces[q].item = question->items[tile->parts[p].pieces[q].item - changed];
  rival->tile = tile, rival->values = values, rival->work += tile->cycles;
  return true;
}

static void turned_commit(Fusion *fusion, Rival *taken, int count, Item **items) {
  for (int k = 0; k < count; k++) {
    items[k]->value = taken->values[k];
    item_reads(fusion->session, items[k]);
  }
}

const Strategy strategy_turned = {
    .number = STRATEGY_turned,
    .kind = GROUP_TILE,
    .followed = true,
    .start = PROGRAM_START + CHUNK_START,
    .fits = turned_fits,
    .decide = turned_decide,
    .cost = tile_cost,
    .commit = turned_commit,
    .generate = tile_generate,
    .print = tile_decided,
};
