/* Which sums are tiles, and which axes of the output are rows and lanes there: a tile needs rows in one factor alone,
   lanes in the other alone, enough of both, and products enough to add up. Takes items; returns the cheapest tile, or
   nothing; anything else is a nest. */
#include "contraction.h"

#include <math.h>

enum { TILE_POINTS = 4096, TILE_ROWS = 2, TILE_LANES = 4, TILE_SUM = 8 };

bool tile_may_be(const Item *item) {
  if (item->combine != COMBINE_SUM || item->value->op != OP_MULTIPLY) return false;
  int64_t elements = 1, points = item_points(item);
  for (int d = 0; d < item->view.rank; d++) elements *= item->view.shape[d];
  return points >= TILE_POINTS && elements > 0 && points / elements >= TILE_SUM;
}

Tile *tile_new(Session *session, const ScheduleOptions *options, int count, Item *const *items, ViewOf view_of,
               void *context) {
  const View *view = &items[0]->view;
  Tile *best = session_allocate(session, sizeof *best);
  best->cycles = INFINITY;
  for (int k = 0; k < count; k++)
    if (!tile_may_be(items[k])) return NULL;
  for (int lane = 0; lane < view->rank; lane++) {
    if (view->shape[lane] < TILE_LANES) continue;
    for (int row = 0; row < view->rank; row++) {
      Tile tile;
      if (row == lane || view->shape[row] < TILE_ROWS) continue;
      if (!contraction_parts(session, options, count, items, row, lane, view_of, context, &tile)) continue;
      if (tile.lanes < TILE_LANES || tile.rows < TILE_ROWS || !tile_choose(&tile, options)) continue;
      if (tile.cycles < best->cycles) *best = tile;
    }
  }
  return isfinite(best->cycles) ? best : NULL;
}
