/* How large the parts of a tile are: registers, blocks of the sum, tasks. Takes parts with roles and the machine;
   enumerates sizes, estimates what each costs in cycles, and keeps the cheapest. Never depends on the number of
   workers, and never looks at more than sizes and strides. */
#include "contraction.h"

#include <inttypes.h>
#include <math.h>

static int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static double larger(double a, double b) { return a > b ? a : b; }

typedef struct Costs {
  const Machine *machine;
  int element, lanes; /* bytes of a number; numbers of a vector */
} Costs;

/* Cycles that a byte takes that was last touched so many bytes ago. */
static double byte_cycles(const Costs *costs, double footprint) {
  const Machine *m = costs->machine;
  if (footprint <= 0.6 * (double)m->l1_bytes) return 1.0 / 128;
  return footprint <= 0.8 * (double)m->l2_bytes ? 1.0 / 40 : 1.0 / 12;
}

/* ---- what is touched --------------------------------------------------------------------------------------------- */

/* Points of each index in one pass over a block of the sum. */
static void pass_extents(const Tile *tile, const Piece *piece, int64_t *extent) {
  for (int i = 0; i < LOOP_LIMIT; i++) extent[i] = piece->extent[i];
  for (int d = 0; d < tile->rank; d++) extent[d] = smaller(extent[d], tile->task[d]);
  if (piece->blocked >= 0) extent[piece->blocked] = piece->block;
}

static double side_elements(const Side *side, const int64_t *extent) {
  double elements = 1;
  for (int f = 0; f < side->form_count; f++) {
    int64_t low, high;
    form_range(&side->forms[f], extent, &low, &high);
    elements *= (double)(high - low + 1);
  }
  return elements;
}

static double index_points(const int64_t *extent, uint32_t indices) {
  double points = 1;
  for (int i = 0; i < LOOP_LIMIT; i++)
    if ((indices >> i & 1) != 0) points *= (double)extent[i];
  return points;
}

/* ---- sides ------------------------------------------------------------------------------------------------------- */

/* Lanes are loaded where they are contiguous; but not along strides that meet in a few sets of the caches, when a
   window reads them again and again. */
static bool lanes_in_place(const Piece *piece) {
  const Side *b = &piece->b;
  if (!b->plain || b->stride[b->fast] != 1) return false;
  return true;
}

/* Rows are broadcast from anywhere; but rows that lie apart, met again in each turn of a loop that lies apart too, take
   a line of the cache each. */
static bool rows_in_place(const Piece *piece) {
  const Side *a = &piece->a;
  if (!a->plain || piece->order_count == 0) return a->plain;
  int inner = piece->order[piece->order_count - 1];
  return a->stride[inner] == 1 || piece->extent[a->fast] == 1;
}

/* The form along which a factor is contiguous in memory, where that is not the fast one: it is turned when staged. */
static int turned_form(const Side *side) {
  if (!side->plain || side->stride[side->fast] == 1) return -1;
  for (int f = 0; f + 1 < side->form_count; f++)
    if (side->stride[side->stands[f]] == 1 && side->forms[f].of[side->stands[f]] == 1) {
      for (int i = 0; i < LOOP_LIMIT; i++)
        if (i != side->stands[f] && side->forms[f].of[i] != 0) return -1;
      return f;
    }
  return -1;
}

static void choose_sides(Piece *piece) {
  piece->b.in_place = lanes_in_place(piece);
  piece->a.in_place = rows_in_place(piece);
  if (!piece->b.copies) piece->b.in_place = true;
  if (!piece->a.copies) piece->a.in_place = true;
  piece->a.turned = turned_form(&piece->a), piece->b.turned = turned_form(&piece->b);
}

/* ---- cycles ------------------------------------------------------------------------------------------------------ */

/* One k of a block: multiply-adds, loads, and no block faster than the latency of its sums. */
static double block_cycles(int rows, int vectors) {
  enum { LATENCY = 4 };
  const double fmas = 2, loads = 2;
  return larger(larger(rows * vectors / fmas, (rows + vectors) / loads), LATENCY);
}

static double panel_cycles(const Tile *tile, int64_t rows, double feed) {
  int64_t full = rows / tile->block_rows, rest = rows % tile->block_rows;
  double cycles = (double)full * (larger(block_cycles(tile->block_rows, tile->block_vectors), feed) + 0.15 * feed);
  if (rest > 0) cycles += larger(block_cycles((int)rest, tile->block_vectors), feed) + 0.15 * feed;
  return cycles;
}

/* One factor copied for one pass, by one task. */
static double stage_cycles(const Costs *costs, const Side *side, const int64_t *extent) {
  if (side->in_place) return 0;
  double elements = side_elements(side, extent), each = scalar_cost(side->value) / costs->lanes;
  bool straight = side->plain && side->stride[side->fast] == 1;
  each += side->turned >= 0 ? 0.4 : straight || !side->plain ? 0.1 : 1.5;
  return elements * (each + costs->element * (1.0 / 12 + 1.0 / 40));
}

static double piece_cycles(const Costs *costs, const Tile *tile, const Piece *piece, double *staged) {
  int64_t extent[LOOP_LIMIT];
  pass_extents(tile, piece, extent);
  const Side *a = &piece->a, *b = &piece->b;
  int64_t vectors = ceil_divide(extent[tile->lane_axis], costs->lanes),
          columns = ceil_divide(vectors, tile->block_vectors), rows = extent[tile->row_axis];
  double summed = 1, outer = 1, blocks = 1;
  for (int i = RANK_LIMIT; i < LOOP_LIMIT; i++) summed *= (double)extent[i];
  for (int d = 0; d < tile->rank; d++)
    if (d != tile->row_axis && d != tile->lane_axis) outer *= (double)extent[d];
  if (piece->blocked >= 0) blocks = (double)ceil_divide(piece->extent[piece->blocked], piece->block);
  double b_bytes = costs->element * (b->copies ? side_elements(b, extent) : index_points(extent, b->indices));
  double a_bytes = costs->element * index_points(extent, a->indices);
  bool again = rows > tile->block_rows; /* lanes are read again by the next rows */
  double feed =
      tile->block_vectors * costs->machine->vector_bytes * byte_cycles(costs, b->in_place && !again ? 1e18 : b_bytes);
  if (a->in_place && piece->order_count > 0 && a->stride[piece->order[piece->order_count - 1]] != 1)
    feed +=
        64 * (a->stride[a->fast] == 1 ? 1.0 + tile->block_rows / 16.0 : tile->block_rows) * byte_cycles(costs, a_bytes);
  double cycles = panel_cycles(tile, rows, feed) * (double)columns * summed * outer;
  double parked = (double)rows * (double)(columns * tile->block_vectors) * outer * costs->machine->vector_bytes;
  cycles += parked * (blocks > 1 ? 2 * byte_cycles(costs, parked) : 1.0 / 128) +
            12 * outer * (double)columns * (double)ceil_divide(rows, tile->block_rows);
  cycles += stage_cycles(costs, a, extent) + stage_cycles(costs, b, extent);
  if (!a->in_place) *staged += costs->element * side_elements(a, extent);
  if (!b->in_place) *staged += costs->element * side_elements(b, extent);
  *staged += parked;
  return cycles * blocks;
}

int64_t part_tasks(const Tile *tile, const Part *part) {
  int64_t tasks = 1;
  for (int d = 0; d < tile->rank; d++) tasks *= ceil_divide(part->count[d], tile->task[d]);
  return tasks;
}

static double tile_cycles(const Costs *costs, const Tile *tile) {
  enum { START = 1500, WORKERS = 8 };
  double cycles = 0, tasks = 0;
  for (int p = 0; p < tile->part_count; p++) {
    const Part *part = &tile->parts[p];
    double own = START, staged = 0, number = (double)part_tasks(tile, part);
    for (int k = 0; k < part->piece_count; k++) own += piece_cycles(costs, tile, &part->pieces[k], &staged);
    double room = (double)costs->machine->l2_bytes;
    if (staged > room) own += own * 0.3 * (staged / room - 1);
    cycles += own * number, tasks += number;
  }
  return cycles * (1 + 0.1 * (ceil(tasks / WORKERS) * WORKERS / tasks - 1));
}

/* ---- the search -------------------------------------------------------------------------------------------------- */

static void set_blocks(Tile *tile, int64_t block) {
  for (int p = 0; p < tile->part_count; p++)
    for (int k = 0; k < tile->parts[p].piece_count; k++) {
      Piece *piece = &tile->parts[p].pieces[k];
      piece->block = piece->blocked < 0 ? 1 : smaller(block, piece->extent[piece->blocked]);
    }
}

/* The index whose blocks leave the box that a pass touches small: the longest without a bound, else the outermost. */
static void choose_blocked(Piece *piece) {
  for (int k = 0; k < piece->order_count; k++) {
    int i = piece->order[k];
    bool bounded = false;
    for (int b = 0; b < piece->bound_count; b++) bounded |= piece->bounds[b].form.of[i] != 0;
    if (bounded) continue;
    if (piece->blocked < 0 || piece->extent[i] > piece->extent[piece->blocked]) piece->blocked = i;
  }
  if (piece->blocked < 0 && piece->order_count > 0) piece->blocked = piece->order[0];
  if (piece->b.in_place && piece->order_count > 1 && piece->order[piece->order_count - 1] == piece->blocked &&
      piece->a.plain && piece->a.stride[piece->blocked] == 1)
    piece->blocked = piece->order[0];
}

typedef struct Search {
  Costs costs;
  Tile *tile;
  Tile best;
  int64_t best_block;
} Search;

static void try_sizes(Search *search, int64_t block) {
  Tile *tile = search->tile;
  set_blocks(tile, block);
  tile->cycles = tile_cycles(&search->costs, tile);
  if (tile->cycles < search->best.cycles) search->best = *tile, search->best_block = block;
}

static int64_t longest_block(const Tile *tile) {
  int64_t longest = 1;
  for (int p = 0; p < tile->part_count; p++)
    for (int k = 0; k < tile->parts[p].piece_count; k++) {
      const Piece *piece = &tile->parts[p].pieces[k];
      if (piece->blocked >= 0 && piece->extent[piece->blocked] > longest) longest = piece->extent[piece->blocked];
    }
  return longest;
}

static void try_blocks(Search *search) {
  int64_t longest = longest_block(search->tile);
  try_sizes(search, longest);
  for (int64_t block = 16; block <= 512 && block < longest; block *= 2) try_sizes(search, block);
  if (longest <= 32)
    for (int64_t block = 1; block < 16 && block < longest; block *= 2) try_sizes(search, block);
}

/* The same number of points along all other axes. */
static void try_outer(Search *search) {
  Tile *tile = search->tile;
  int64_t longest = 1;
  for (int d = 0; d < tile->rank; d++)
    for (int p = 0; p < tile->part_count && d != tile->row_axis && d != tile->lane_axis; p++)
      if (tile->parts[p].count[d] > longest) longest = tile->parts[p].count[d];
  for (int64_t points = 1; points <= 8; points *= 2) {
    for (int d = 0; d < tile->rank; d++)
      if (d != tile->row_axis && d != tile->lane_axis) tile->task[d] = points;
    try_blocks(search);
    if (points >= longest) break;
  }
}

static void try_tasks(Search *search, int rows, int vectors) {
  Tile *tile = search->tile;
  int64_t width = (int64_t)vectors * search->costs.lanes, columns = ceil_divide(tile->lanes, width),
          panels = ceil_divide(tile->rows, rows);
  tile->block_rows = rows, tile->block_vectors = vectors;
  for (int64_t wide = columns;; wide = ceil_divide(wide, 2)) {
    tile->task[tile->lane_axis] = wide * width;
    for (int64_t high = panels;; high = ceil_divide(high, 2)) {
      tile->task[tile->row_axis] = high * rows;
      try_outer(search);
      if (high == 1 || panels / high > 128) break;
    }
    if (wide == 1) break;
  }
}

bool tile_choose(Tile *tile, const ScheduleOptions *options) {
  enum { STAGED_CACHES = 8 };
  int element = options->real == REGISTER_F32 ? 4 : 8, registers = options->machine->vector_registers;
  Search search = {
      {options->machine, element, options->machine->vector_bytes / element}, tile, {.cycles = INFINITY}, 1};
  for (int p = 0; p < tile->part_count; p++)
    for (int k = 0; k < tile->parts[p].piece_count; k++) {
      choose_sides(&tile->parts[p].pieces[k]);
      choose_blocked(&tile->parts[p].pieces[k]);
    }
  int64_t vectors = ceil_divide(tile->lanes, search.costs.lanes);
  for (int v = 1; v <= 8 && v <= vectors; v++) {
    if (v > 2 && v != 4 && v != vectors && vectors % v != 0) continue;
    int most = (registers - registers / 4) / v;
    if (most > 12) most = 12;
    for (int tries = 0, r = (int)smaller(most, tile->rows); r >= 1 && tries < 3; r--, tries++) try_tasks(&search, r, v);
  }
  if (!isfinite(search.best.cycles)) return false;
  *tile = search.best;
  set_blocks(tile, search.best_block);
  return true;
}

static void print_side(const Side *side, const char *name, FILE *out) {
  fprintf(out, ", %s %s", name, side->in_place ? "in place" : side->turned >= 0 ? "turned" : "staged");
}

void tile_print(const Tile *tile, FILE *out) {
  fprintf(out, "  %" PRId64 " rows (axis %d), %" PRId64 " lanes (axis %d); blocks of %d rows, %d vectors; a chunk:",
          tile->rows, tile->row_axis, tile->lanes, tile->lane_axis, tile->block_rows, tile->block_vectors);
  for (int d = 0; d < tile->rank; d++) fprintf(out, "%s%" PRId64, d > 0 ? " x " : " ", tile->task[d]);
  fprintf(out, "; %.3g Mcycles\n", tile->cycles * 1e-6);
  for (int p = 0; p < tile->part_count; p++)
    for (int k = 0; k < tile->parts[p].piece_count; k++) {
      const Piece *piece = &tile->parts[p].pieces[k];
      fprintf(out, "    part %d: %" PRId64 " chunks", p, part_tasks(tile, &tile->parts[p]));
      for (int i = 0; i < piece->order_count; i++) {
        fprintf(out, "%s %" PRId64, i > 0 ? "," : ", sums", piece->extent[piece->order[i]]);
        if (piece->order[i] == piece->blocked) fprintf(out, " by %" PRId64, piece->block);
      }
      print_side(&piece->a, "rows", out);
      print_side(&piece->b, "lanes", out);
      fputs("\n", out);
    }
}
