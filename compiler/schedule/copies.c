/* Values in another order of axes, for tiles whose lanes lie apart in memory: a weight gradient adds up over samples,
   so its lanes are channels. Where every task would turn the same factor again, it is turned once, by a program of its
   own. Takes a tile that wants copies; returns the one that reads them. */
#include "strategy.h"

#include <string.h>

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

static bool turned_decide(const Question *question, Rival *rival) { return tile_search(question, COPIED_ONCE, rival); }

/* The copies are made, the items read them, and the tile is that of what they compute then. */
static void turned_commit(Fusion *fusion, Rival *taken, int count, Item **items) {
  const Tile *tile = taken->tile;
  for (int p = 0; p < tile->part_count; p++)
    for (int q = 0; q < tile->parts[p].piece_count; q++) {
      const Piece *piece = &tile->parts[p].pieces[q];
      if (!piece->b.shared) continue;
      Item *item = (Item *)(uintptr_t)piece->item;
      Replacing replacing = {fusion->graph, piece->b.value, copy_of(fusion, piece->b.value->node, piece->b.axis)};
      item->value = scalar_rebuild(fusion->graph, item->value, replace, &replacing);
      item_reads(fusion->session, item);
    }
  taken->tile = tile_with(fusion->session, fusion->options, count, items, tile->row, tile->lane, fusion_view, fusion);
}

const Strategy strategy_turned = {
    .number = STRATEGY_turned,
    .kind = GROUP_TILE,
    .followed = true,
    .start = PROGRAM_START + CHUNK_START,
    .fits = tile_fits,
    .decide = turned_decide,
    .cost = tile_cost,
    .commit = turned_commit,
    .generate = tile_generate,
    .print = tile_decided,
};
