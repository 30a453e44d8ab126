/* Which sums are tiles, and which indices of the output are rows and lanes there: a tile needs rows in one factor
   alone, lanes in the other alone. Takes items; returns the cheapest tile, or nothing; whether anything else takes less
   time is weighed elsewhere. */
#include "strategy.h"

#include <math.h>

/* Fewer rows than this are one. */
enum { TILE_ROWS = 2, TILE_LANES = 4 };

/* What is not summed at all has to be large, for a tile to pay by its lanes alone. */
static bool is_product(const Item *item) {
  enum { OUTER_POINTS = 1 << 16 };
  if (item->combine == COMBINE_MAXIMUM || item->value->op != OP_MULTIPLY) return false;
  return item_points(item) >= (item->combine == COMBINE_SUM ? 1 : OUTER_POINTS);
}

Tile *tile_with(Session *session, const ScheduleOptions *options, int count, Item *const *items, int row, int lane,
                ViewOf view_of, void *context) {
  Tile *tile = session_allocate(session, sizeof *tile);
  if (!contraction_parts(session, options, count, items, row, lane, view_of, context, tile) ||
      !tile_choose(tile, options))
    internal_error(HERE, "sums that fitted do not once they read a copy");
  return tile;
}

Tile *tile_new(Session *session, const ScheduleOptions *options, int count, Item *const *items, Copied lanes,
               ViewOf view_of, void *context) {
  Tile *best = session_allocate(session, sizeof *best);
  best->cycles = INFINITY;
  for (int k = 0; k < count; k++)
    if (!is_product(items[k])) return NULL;
  const Residue *residue = residue_split(session, items[0], true);
  if (residue == NULL) return NULL;
  const ResidueClass *first = &residue->classes[0];
  for (int lane = 0; lane < first->loop_count; lane++) {
    if (first->loops[lane].count < TILE_LANES) continue;
    for (int row = 0; row < first->loop_count; row++) {
      Tile tile;
      if (row == lane || first->loops[row].count < TILE_ROWS) continue;
      if (!contraction_parts(session, options, count, items, row, lane, view_of, context, &tile)) continue;
      tile.copied = lanes;
      if (tile_choose(&tile, options) && tile.cycles < best->cycles) *best = tile;
    }
  }
  return isfinite(best->cycles) ? best : NULL;
}

/* ---- a strategy: lanes are read where they lie ---------------------------------------------------------------------
 */

bool tile_fits(const Question *question) {
  for (int k = 0; k < question->count; k++)
    if (!is_product(question->items[k])) return false;
  return true;
}

bool tile_search(const Question *question, Copied lanes, Rival *rival) {
  Fusion *fusion = question->fusion;
  Tile *tile = tile_new(fusion->session, fusion->options, question->count, question->items, lanes, fusion_view, fusion);
  if (tile == NULL) return false;
  rival->tile = tile, rival->work = tile->cycles;
  for (int p = 0; p < tile->part_count; p++) rival->chunks += part_tasks(tile, &tile->parts[p]);
  return true;
}

static bool tile_decide(const Question *question, Rival *rival) { return tile_search(question, COPIED_NOT, rival); }

/* The search has counted what starts of tasks and idle workers cost. */
double tile_cost(const Question *question, const Rival *rival) {
  (void)question;
  return PROGRAM_START + rival->work;
}

void tile_generate(Builder *builder, const Rival *decided, const Phase *phase, bool parallel) {
  (void)parallel;
  tile_program(builder, decided->tile, phase);
}

void tile_decided(const Rival *decided, FILE *out) { tile_print(decided->tile, out); }

const Strategy strategy_tile = {
    .number = STRATEGY_tile,
    .kind = GROUP_TILE,
    .followed = true,
    .start = PROGRAM_START + CHUNK_START,
    .fits = tile_fits,
    .decide = tile_decide,
    .cost = tile_cost,
    .generate = tile_generate,
    .print = tile_decided,
};
