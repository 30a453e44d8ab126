/* How large the parts of a tile are: registers, then tasks. Takes a tile's extents and the machine; fills in its sizes,
   or says that it should not be one. Never depends on the number of workers. */
#include "lower.h"

#include <math.h>

static int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Cycles per k of all blocks: multiply-adds, loads, and no block faster than the latency of its adds. */
static double block_cost(const Tile *tile, int lanes, int rows, int vectors) {
  enum { LATENCY_ACCUMULATORS = 8 };
  int64_t columns = ceil_divide(ceil_divide(tile->lanes, lanes), vectors), full = tile->rows / rows,
          rest = tile->rows % rows;
  double cost = 0;
  for (int part = 0; part < 2; part++) {
    int64_t r = part == 0 ? rows : rest, count = part == 0 ? full : rest > 0;
    double loads = 0.15 * (double)r + 0.2 * (double)vectors; /* rows come from the first cache, lanes from the second */
    double work = fmax((double)(r * vectors), LATENCY_ACCUMULATORS) + loads;
    cost += work * (double)count;
  }
  return cost * (double)columns * (rest > 0 ? 1.04 : 1); /* a second kernel is code to compile and to fetch */
}

/* Rows that are contiguous come in whole lines of the cache, so the block should divide these. */
static void choose_block(Tile *tile, int lanes, int registers) {
  double best = INFINITY;
  for (int rows = 1; rows <= 8 && rows <= tile->rows; rows++)
    for (int vectors = 1; vectors <= 8; vectors++) {
      if (tile->rows_contiguous && (rows & (rows - 1)) != 0) continue;
      if (rows * vectors + vectors + 1 > registers || rows * vectors > registers - registers / 8) continue;
      double cost = block_cost(tile, lanes, rows, vectors);
      if (cost < best) best = cost, tile->block_rows = rows, tile->block_vectors = vectors;
    }
}

/* Summed points of all pieces: multiply-adds per element of the output. */
static double summed_points(const Tile *tile) {
  double points = 0;
  for (int p = 0; p < tile->piece_count; p++) {
    double own = 1;
    for (int i = 0; i < tile->pieces[p].k_count; i++) own *= (double)tile->pieces[p].item->box[tile->pieces[p].k[i]];
    points += own;
  }
  return points;
}

static double outer_points(const Tile *tile) {
  const View *view = &tile->pieces[0].item->view;
  double points = 1;
  for (int d = 0; d < view->rank; d++)
    if (d != tile->row_axis && d != tile->lane_axis) points *= (double)view->shape[d];
  return points;
}

/* Relative costs of a division into chunks: lanes that every chunk stages again for its rows, starting chunks, too few
   of them for 16 workers, panels that leave the second cache, the operand of the rows read once for every panel. */
static double task_cost(const Tile *tile, double flops, double panel_bytes, double cache_bytes, int64_t chunks) {
  const double staged_rows = 8, staged_lanes = 6, start_flops = 1e4;
  double cost = tile->lanes_staged ? staged_rows / (double)tile->task_rows : 0;
  cost += tile->rows_contiguous ? staged_lanes / (double)tile->task_lanes : 0;
  cost += start_flops * (double)chunks / flops + 0.01 * (double)tile->panels;
  cost += chunks < 16 ? 0.1 * (16.0 / (double)chunks - 1) : 0;
  cost += 3 / (double)chunks;
  return panel_bytes > cache_bytes ? cost + panel_bytes / cache_bytes : cost;
}

static void choose_task(Tile *tile, int lanes, int64_t cache_bytes, int64_t element_bytes) {
  enum { LINE_BYTES = 64, CHUNK_LIMIT = 256 };
  int64_t width = (int64_t)tile->block_vectors * lanes, columns = ceil_divide(tile->lanes, width),
          all = ceil_divide(tile->rows, tile->block_rows);
  int64_t unit =
      tile->rows_contiguous ? 2 * LINE_BYTES / element_bytes : tile->block_rows; /* two lines come together */
  double k = summed_points(tile), flops = 2 * k * (double)tile->rows * (double)tile->lanes * outer_points(tile),
         best = INFINITY;
  Tile chosen = *tile;
  for (int64_t together = 1; together <= columns; together++)
    for (int64_t count = 1; count <= all && count <= CHUNK_LIMIT; count++) {
      tile->task_lanes = ceil_divide(columns, ceil_divide(columns, together)) * width;
      tile->panels = ceil_divide(tile->lanes, tile->task_lanes);
      tile->task_rows = ceil_divide(ceil_divide(all, count) * tile->block_rows, unit) * unit;
      tile->blocks = ceil_divide(tile->rows, tile->task_rows);
      double chunks = (double)(tile->blocks * tile->panels) * outer_points(tile);
      double cost =
          task_cost(tile, flops, k * (double)(tile->task_lanes * element_bytes), (double)cache_bytes, (int64_t)chunks);
      if (cost < best) best = cost, chosen = *tile;
    }
  *tile = chosen;
}

bool tile_size(Tile *tile, const ScheduleOptions *options) {
  enum { STAGED_CACHES = 8 }; /* a workspace much beyond the second cache makes a tile pointless */
  int64_t bytes = register_bytes(options->real);
  int lanes = options->machine->vector_bytes / (int)bytes;
  choose_block(tile, lanes, options->machine->vector_registers);
  choose_task(tile, lanes, options->machine->l2_bytes / 2, bytes);
  int64_t width = (tile->lanes_staged ? tile->task_lanes : 0) + (tile->rows_contiguous ? tile->task_rows : 0);
  double staged = summed_points(tile) * (double)(width * bytes);
  return staged <= (double)(STAGED_CACHES * options->machine->l2_bytes);
}
