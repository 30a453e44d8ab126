/* Which sums are tiles, and which indices of the output are rows and lanes there: a tile needs rows in one factor
   alone, lanes in the other alone, enough of both, and products enough to add up. Takes items; returns the cheapest
   tile, or nothing; anything else is a nest. */
#include "contraction.h"

#include <math.h>

enum { TILE_POINTS = 4096, OUTER_POINTS = 1 << 16, TILE_ROWS = 2, TILE_LANES = 4, TILE_SUM = 8 };

bool tile_may_be(const Item *item) {
  if (item->combine == COMBINE_MAXIMUM || item->value->op != OP_MULTIPLY) return false;
  int64_t elements = 1, points = item_points(item);
  for (int d = 0; d < item->view.rank; d++) elements *= item->view.shape[d];
  if (points >= OUTER_POINTS && elements >= OUTER_POINTS) return true; /* few products each: a tile still has lanes */
  return points >= TILE_POINTS && elements > 0 && points / elements >= TILE_SUM;
}

Tile *tile_with(Session *session, const ScheduleOptions *options, int count, Item *const *items, int row, int lane,
                ViewOf view_of, void *context) {
  Tile *tile = session_allocate(session, sizeof *tile);
  if (!contraction_parts(session, options, count, items, row, lane, view_of, context, tile) ||
      !tile_choose(tile, options))
    internal_error(HERE, "sums that fitted do not once they read a copy");
  return tile;
}

Tile *tile_new(Session *session, const ScheduleOptions *options, int count, Item *const *items, ViewOf view_of,
               void *context) {
  Tile *best = session_allocate(session, sizeof *best);
  best->cycles = INFINITY;
  for (int k = 0; k < count; k++)
    if (!tile_may_be(items[k])) return NULL;
  const Residue *residue = residue_split(session, items[0], true);
  if (residue == NULL) return NULL;
  const ResidueClass *first = &residue->classes[0];
  for (int lane = 0; lane < first->loop_count; lane++) {
    if (first->loops[lane].count < TILE_LANES) continue;
    for (int row = 0; row < first->loop_count; row++) {
      Tile tile;
      if (row == lane || first->loops[row].count < TILE_ROWS) continue;
      if (!contraction_parts(session, options, count, items, row, lane, view_of, context, &tile)) continue;
      if (tile_choose(&tile, options) && tile.cycles < best->cycles) *best = tile;
    }
  }
  return isfinite(best->cycles) ? best : NULL;
}
