/* How large the parts of a tile are: registers, then tasks. Takes a tile's extents and the machine; fills in its sizes. Never depends on the number of workers. */
#include "lower.h"

#include <math.h>

static int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Cycles per k of all blocks: multiply-adds, loads, and no block faster than the latency of its adds. */
static double block_cost(const Tile *tile, int lanes, int rows, int vectors) {
  enum { LATENCY_ACCUMULATORS = 8 };
  int64_t columns = ceil_divide(ceil_divide(tile->lanes, lanes), vectors), full = tile->rows / rows, rest = tile->rows % rows;
  double cost = 0;
  for (int part = 0; part < 2; part++) {
    int64_t r = part == 0 ? rows : rest, count = part == 0 ? full : rest > 0;
    double work = fmax((double)(r * vectors), LATENCY_ACCUMULATORS) + 0.15 * (double)(r + vectors);
    cost += work * (double)count;
  }
  return cost * (double)columns;
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

/* Enough chunks for 16 workers where each still has work for several microseconds; panels narrow enough that all k of one stay in the second cache. */
static void choose_task(Tile *tile, int lanes, int64_t panel_bytes, int64_t element_bytes) {
  enum { CHUNKS = 64, LEAST_FLOPS = 400000, LINE_BYTES = 64 };
  int64_t width = (int64_t)tile->block_vectors * lanes, columns = ceil_divide(tile->lanes, width);
  double k = summed_points(tile), flops = 2 * k * (double)tile->rows * (double)tile->lanes * outer_points(tile);
  int64_t together = (int64_t)((double)panel_bytes / (k * (double)(width * element_bytes)));
  if (together < 1) together = 1;
  if (together > columns) together = columns;
  tile->panels = ceil_divide(columns, together);
  tile->task_lanes = ceil_divide(columns, tile->panels) * width;
  tile->panels = ceil_divide(tile->lanes, tile->task_lanes);
  double wanted = fmin(CHUNKS, flops / LEAST_FLOPS) / ((double)tile->panels * outer_points(tile));
  int64_t all = ceil_divide(tile->rows, tile->block_rows), count = wanted < 1 ? 1 : wanted > (double)all ? all : (int64_t)wanted;
  int64_t unit = tile->rows_contiguous ? 2 * LINE_BYTES / element_bytes : tile->block_rows;      /* two lines come together */
  tile->task_rows = ceil_divide(ceil_divide(all, count) * tile->block_rows, unit) * unit;
  tile->blocks = ceil_divide(tile->rows, tile->task_rows);
}

void tile_size(Tile *tile, const ScheduleOptions *options) {
  int64_t bytes = options->real == REGISTER_F32 ? 4 : 8;
  int lanes = options->machine->vector_bytes / (int)bytes;
  choose_block(tile, lanes, options->machine->vector_registers);
  choose_task(tile, lanes, options->machine->l2_bytes / 4, bytes);
}
