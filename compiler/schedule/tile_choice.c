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

/* Cycles that a byte takes, where so many bytes are gone through again and again. */
static double byte_cycles(const Costs *costs, double footprint) {
  const MachineRow *row = costs->machine->row;
  if (footprint <= 0.6 * (double)row->l1_bytes) return 1 / (row->loads * row->vector_bytes);
  if (footprint <= 0.9 * (double)row->l2_bytes) return 1 / row->l2_rate;
  return 1 / (footprint <= 0.8 * (double)row->l3_bytes ? row->l3_rate : row->memory_rate);
}

/* ---- what is touched --------------------------------------------------------------------------------------------- */

/* Points of each index in one pass over a block of the sum. */
static void pass_extents(const Tile *tile, const Piece *piece, int64_t *extent) {
  for (int i = 0; i < LOOP_LIMIT; i++) extent[i] = piece->extent[i];
  for (int d = 0; d < tile->loop_count; d++) extent[d] = smaller(extent[d], tile->task[d]);
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

static double index_points(const int64_t *extent, uint64_t indices) {
  double points = 1;
  for (int i = 0; i < LOOP_LIMIT; i++)
    if ((indices >> i & 1) != 0) points *= (double)extent[i];
  return points;
}

/* ---- sides ------------------------------------------------------------------------------------------------------- */

static bool form_moves(const Form *form) {
  int indices = 0;
  for (int i = 0; i < LOOP_LIMIT; i++) indices += form->of[i] != 0;
  return indices > 1;
}

/* Does the factor read elements again at other values of the indices? */
static bool side_moves(const Side *side) {
  for (int f = 0; f < side->form_count; f++)
    if (form_moves(&side->forms[f])) return true;
  return false;
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

/* `copied`: 1 for the rows, 2 for the lanes: they are copied even where they could be read in place. */
static void choose_sides(Piece *piece, int copied) {
  Side *a = &piece->a, *b = &piece->b;
  a->in_place = !a->copies || ((copied & 1) == 0 && a->plain);
  b->in_place = !b->copies || ((copied & 2) == 0 && b->plain && b->stride[b->fast] == 1);
  a->turned = turned_form(a), b->turned = turned_form(b);
}

/* Lines that the innermost loop reads lie in a few sets of the caches, so that these hold little of them. */
static bool meets_in_sets(const Piece *piece, const Side *side, int element) {
  enum { SET_BYTES = 4096 };
  if (!side->in_place || piece->order_count == 0) return false;
  int64_t apart = side->stride[piece->order[piece->order_count - 1]] * element;
  return apart != 0 && apart % SET_BYTES == 0;
}

/* ---- cycles ------------------------------------------------------------------------------------------------------ */

/* One k of a block: multiply-adds, loads, and no block faster than the latency of its sums. */
static double block_cycles(const Costs *costs, int rows, int vectors) {
  enum { LATENCY = 4 };
  const MachineRow *row = costs->machine->row;
  return larger(larger(rows * vectors / row->multiply_adds, (rows + vectors) / row->loads), LATENCY);
}

static double panel_cycles(const Costs *costs, const Tile *tile, int64_t rows, double feed) {
  int64_t full = rows / tile->block_rows, rest = rows % tile->block_rows;
  double cycles =
      (double)full * (larger(block_cycles(costs, tile->block_rows, tile->block_vectors), feed) + 0.15 * feed);
  if (rest > 0) cycles += larger(block_cycles(costs, (int)rest, tile->block_vectors), feed) + 0.15 * feed;
  return rest > 0 && full > 0 ? 1.02 * cycles : cycles; /* a second kernel is code to compile and to fetch */
}

static double whole_bytes(const Costs *costs, const Piece *piece, const Side *side) {
  return costs->element *
         (side->copies ? side_elements(side, piece->extent) : index_points(piece->extent, side->indices));
}

/* One factor copied for one pass, by one task. */
static double stage_cycles(const Costs *costs, const Piece *piece, const Side *side, const int64_t *extent) {
  if (side->in_place) return 0;
  double elements = side_elements(side, extent), each = scalar_cost(side->value) / costs->lanes;
  bool straight = side->plain && side->stride[side->fast] == 1;
  each += side->turned >= 0 ? 0.5 : straight || !side->plain ? 0.2 : 1.5;
  return elements *
         (each + costs->element * (byte_cycles(costs, whole_bytes(costs, piece, side)) + byte_cycles(costs, 2e5)));
}

/* Cycles of a k that fetching the numbers of the rows takes: nothing where they lie in a row along the sum. */
static double rows_feed(const Costs *costs, const Tile *tile, const Piece *piece, double bytes) {
  enum { LINE_BYTES = 64, WAY_BYTES = 4096 };
  const Side *a = &piece->a;
  if (!a->in_place || piece->order_count == 0) return 0;
  int inner = piece->order[piece->order_count - 1];
  int64_t along = a->stride[inner], across = a->stride[a->fast];
  if (along == 1 || along == 0) return 0;
  if (across == 1) return LINE_BYTES * (1.0 + tile->block_rows / 16.0) * byte_cycles(costs, bytes);
  int64_t turns = inner == piece->blocked ? piece->block : piece->extent[inner];
  int64_t ways = costs->machine->row->l1_bytes / WAY_BYTES, deep = 1;
  if (across * costs->element % WAY_BYTES == 0) deep *= tile->block_rows;
  if (along * costs->element % WAY_BYTES == 0) deep *= turns;
  double met = (double)(tile->block_rows * turns) * LINE_BYTES; /* again for the next taps */
  return tile->block_rows * LINE_BYTES * byte_cycles(costs, 2 * deep > ways ? (met + 1e5) * (double)deep : met);
}

static double piece_cycles(const Costs *costs, const Tile *tile, const Piece *piece, double *staged) {
  int64_t extent[LOOP_LIMIT], at_point[LOOP_LIMIT];
  pass_extents(tile, piece, extent);
  const Side *a = &piece->a, *b = &piece->b;
  for (int i = 0; i < LOOP_LIMIT; i++)
    at_point[i] = i < tile->loop_count && i != tile->row && i != tile->lane ? 1 : extent[i];
  int64_t vectors = ceil_divide(extent[tile->lane], costs->lanes), columns = ceil_divide(vectors, tile->block_vectors),
          rows = extent[tile->row];
  double summed = 1, outer = 1, blocks = 1;
  for (int i = BOX_LIMIT; i < LOOP_LIMIT; i++) summed *= (double)extent[i];
  for (int d = 0; d < tile->loop_count; d++)
    if (d != tile->row && d != tile->lane) outer *= (double)extent[d];
  if (piece->blocked >= 0) blocks = (double)ceil_divide(piece->extent[piece->blocked], piece->block);
  double b_bytes = costs->element * (b->copies ? side_elements(b, extent) : index_points(extent, b->indices));
  double a_bytes = costs->element * index_points(extent, a->indices);
  double parked = (double)rows * (double)(columns * tile->block_vectors) * outer * costs->machine->vector_bytes;
  double window = costs->element * (b->copies ? side_elements(b, at_point) : index_points(at_point, b->indices));
  double steps = ceil((double)rows / tile->block_rows) * summed * outer * (double)columns;
  double reads = fmax(steps * tile->block_vectors * costs->machine->vector_bytes, outer * window);
  double met = meets_in_sets(piece, b, costs->element) ? 8 : 1, late = met > 1 ? 2 : 1,
         /* and nothing fetches ahead */ fresh = b->in_place ? fmin(b_bytes, outer * window) : 0;
  double feed =
      (fresh * byte_cycles(costs, 2e6) + /* from memory, then by the next point, then by the next rows */
       (outer * window - fresh) * late * byte_cycles(costs, met * (a_bytes + b_bytes + parked)) +
       (reads - outer * window) * byte_cycles(costs, met * (window + tile->block_rows * summed * costs->element))) /
      steps;
  feed += rows_feed(costs, tile, piece, a_bytes);
  double cycles = panel_cycles(costs, tile, rows, feed) * (double)columns * summed * outer;
  cycles += parked * (blocks > 1 ? byte_cycles(costs, parked) : 1.0 / 128) +
            12 * outer * (double)columns * (double)ceil_divide(rows, tile->block_rows);
  cycles += stage_cycles(costs, piece, a, extent) + stage_cycles(costs, piece, b, extent);
  if (!a->in_place) *staged += costs->element * side_elements(a, extent);
  if (!b->in_place) *staged += costs->element * side_elements(b, extent);
  *staged += parked;
  return cycles * blocks;
}

/* Elements that a task leaves in a row. */
static int64_t run_length(const Tile *tile, const Part *part) {
  int64_t run = 1;
  for (bool grown = true; grown;) {
    grown = false;
    for (int d = 0; d < tile->loop_count && !grown; d++) {
      int64_t own = smaller(tile->task[d], part->loops[d].count);
      if (part->loops[d].count == 1 || part_stride(tile, part, d) != run) continue;
      grown = own == part->loops[d].count;
      run *= own;
    }
  }
  return run;
}

/* What leaves: lanes where they are contiguous; else a line in the order of the output. */
static double store_cycles(const Costs *costs, const Tile *tile, const Part *part) {
  enum { LINE_BYTES = 64 };
  double elements = 1, each = 2.0 / costs->lanes, run = (double)(run_length(tile, part) * costs->element);
  for (int d = 0; d < tile->loop_count; d++) elements *= (double)part->loops[d].count;
  if (part_stride(tile, part, tile->lane) != 1) each = 1.5;
  each += 2 * fmax(costs->element, costs->element * LINE_BYTES / run) * byte_cycles(costs, 1e9);
  return elements * each;
}

int64_t part_tasks(const Tile *tile, const Part *part) {
  int64_t tasks = 1;
  for (int d = 0; d < tile->loop_count; d++) tasks *= ceil_divide(part->loops[d].count, tile->task[d]);
  return tasks;
}

/* Rows that are places of a window meet its borders, and are few. */
static bool rows_move(const Tile *tile) {
  for (int p = 0; p < tile->part_count; p++)
    for (int k = 0; k < tile->parts[p].piece_count; k++) {
      const Side *a = &tile->parts[p].pieces[k].a;
      for (int f = 0; f < a->form_count; f++)
        if (a->forms[f].of[a->fast] != 0 && form_moves(&a->forms[f])) return true;
    }
  return false;
}

static double tile_cycles(const Costs *costs, const Tile *tile) {
  enum { START = 1500, WORKERS = 8 };
  double cycles = 0, tasks = 0;
  for (int p = 0; p < tile->part_count; p++) {
    const Part *part = &tile->parts[p];
    double own = START, staged = 0, number = (double)part_tasks(tile, part);
    for (int k = 0; k < part->piece_count; k++) own += piece_cycles(costs, tile, &part->pieces[k], &staged);
    double room = (double)costs->machine->l2_bytes;
    if (staged > room) own += own * 0.1 * (staged / room - 1);
    cycles += own * number + store_cycles(costs, tile, part), tasks += number;
  }
  if (rows_move(tile)) cycles *= 1.5;
  return cycles * (1 + 0.1 * (ceil(tasks / WORKERS) * WORKERS / tasks - 1));
}

/* ---- the search -------------------------------------------------------------------------------------------------- */

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
  if (piece->b.plain && piece->b.stride[piece->b.fast] == 1 && piece->order_count > 1 &&
      piece->order[piece->order_count - 1] == piece->blocked && piece->a.plain && piece->a.stride[piece->blocked] == 1)
    piece->blocked = piece->order[0];
}

/* What is chosen, each from a list. */
typedef enum Choice {
  CHOICE_ROWS,
  CHOICE_HIGH,
  CHOICE_WIDE,
  CHOICE_POINTS,
  CHOICE_BLOCK,
  CHOICE_COPIED,
  CHOICES
} Choice;
enum { OPTION_LIMIT = 12 };
typedef struct Sizes {
  int64_t of[CHOICES]; /* rows of a kernel; its panels in a task; blocks of lanes; points; length; what is copied */
  int vectors;
} Sizes;
typedef struct Search {
  Costs costs;
  Tile *tile;
  int counts[CHOICES];
  int64_t options[CHOICES][OPTION_LIMIT];
} Search;

static double try_sizes(Search *search, const Sizes *sizes) {
  Tile *tile = search->tile;
  tile->block_rows = (int)sizes->of[CHOICE_ROWS], tile->block_vectors = sizes->vectors;
  for (int d = 0; d < tile->loop_count; d++) tile->task[d] = sizes->of[CHOICE_POINTS];
  tile->task[tile->row] =
      ceil_divide(ceil_divide(tile->rows, tile->block_rows), sizes->of[CHOICE_HIGH]) * tile->block_rows;
  int64_t width = (int64_t)sizes->vectors * search->costs.lanes;
  tile->task[tile->lane] = ceil_divide(ceil_divide(tile->lanes, width), sizes->of[CHOICE_WIDE]) * width;
  for (int p = 0; p < tile->part_count; p++)
    for (int k = 0; k < tile->parts[p].piece_count; k++) {
      Piece *piece = &tile->parts[p].pieces[k];
      choose_sides(piece, (int)sizes->of[CHOICE_COPIED]);
      piece->block = piece->blocked < 0 ? 1 : smaller(sizes->of[CHOICE_BLOCK], piece->extent[piece->blocked]);
    }
  return tile->cycles = tile_cycles(&search->costs, tile);
}

static void add_option(Search *search, Choice choice, int64_t option) {
  int *count = &search->counts[choice];
  for (int k = 0; k < *count; k++)
    if (search->options[choice][k] == option) return;
  if (*count < OPTION_LIMIT) search->options[choice][(*count)++] = option;
}

/* Rows whose sums a back end keeps in registers, beside the vectors of a step, a number and its product
   (tests/run/spills.sh). */
static int most_rows(int registers, int vectors) {
  return (int)smaller(registers - registers / 4, registers - vectors - 2) / vectors;
}

static bool is_weighed(const Tile *tile, int copied) {
  bool lanes = (copied & 2) != 0;
  for (int p = 0; p < tile->part_count && !lanes; p++)
    for (int k = 0; k < tile->parts[p].piece_count; k++) {
      const Side *b = &tile->parts[p].pieces[k].b;
      lanes |= b->copies && !(b->plain && b->stride[b->fast] == 1);
    }
  return tile->copied == COPIED_OR_NOT || lanes == (tile->copied == COPIED);
}

/* Lists of what each may be, with so many vectors in a kernel. */
static void list_options(Search *search, int vectors) {
  const Tile *tile = search->tile;
  int64_t longest = 1, points = 1;
  int most = most_rows(search->costs.machine->vector_registers, vectors);
  bool windows = false, plain = false;
  for (int c = 0; c < CHOICES; c++) search->counts[c] = 0;
  for (int r = (int)smaller(smaller(most, 12), tile->rows), tries = 0; r >= 1 && tries < 4; r--, tries++)
    add_option(search, CHOICE_ROWS, r);
  for (int64_t tasks = 1; tasks <= tile->rows && tasks <= 256; tasks *= 2) add_option(search, CHOICE_HIGH, tasks);
  for (int64_t tasks = 1; tasks <= ceil_divide(tile->lanes, (int64_t)vectors * search->costs.lanes); tasks *= 2)
    add_option(search, CHOICE_WIDE, tasks);
  for (int p = 0; p < tile->part_count; p++) {
    const Part *part = &tile->parts[p];
    for (int d = 0; d < tile->loop_count; d++)
      if (d != tile->row && d != tile->lane && part->loops[d].count > points) points = part->loops[d].count;
    for (int k = 0; k < part->piece_count; k++) {
      const Piece *piece = &part->pieces[k];
      if (piece->blocked >= 0 && piece->extent[piece->blocked] > longest) longest = piece->extent[piece->blocked];
      windows |= side_moves(&piece->b), plain |= piece->a.plain;
    }
  }
  add_option(search, CHOICE_POINTS, 1);
  for (int64_t own = 2; own < 2 * points && own <= 8; own *= 2) add_option(search, CHOICE_POINTS, own);
  add_option(search, CHOICE_BLOCK, longest);
  for (int64_t block = 512; block >= (longest <= 32 ? 1 : 16); block /= 2)
    if (block < longest) add_option(search, CHOICE_BLOCK, block);
  for (int copied = 0; copied < 4; copied++)
    if (((copied & 1) == 0 || plain) && ((copied & 2) == 0 || windows) && is_weighed(tile, copied))
      add_option(search, CHOICE_COPIED, copied);
}

/* One choice after the other, while that gains anything. */
static double descend(Search *search, Sizes *sizes) {
  double least = try_sizes(search, sizes);
  for (int turn = 0; turn < 3; turn++) {
    double before = least;
    for (int c = CHOICES - 1; c > CHOICE_ROWS; c--)
      for (int k = 0; k < search->counts[c]; k++) {
        Sizes other = *sizes;
        other.of[c] = search->options[c][k];
        double cycles = other.of[c] == sizes->of[c] ? least : try_sizes(search, &other);
        if (cycles < least) least = cycles, *sizes = other;
      }
    if (least == before) break;
  }
  return least;
}

bool tile_choose(Tile *tile, const ScheduleOptions *options) {
  int element = register_bytes(options->real), lanes = options->machine->vector_bytes / element;
  Search search = {.costs = {options->machine, element, lanes}, .tile = tile};
  int64_t vectors = ceil_divide(tile->lanes, lanes);
  double least = INFINITY;
  Sizes best = {{0}, 0};
  for (int p = 0; p < tile->part_count; p++)
    for (int k = 0; k < tile->parts[p].piece_count; k++) choose_blocked(&tile->parts[p].pieces[k]);
  for (int v = 1; v <= 8 && v <= vectors; v++) {
    if (v > 2 && v != 4 && v != vectors && vectors % v != 0) continue;
    list_options(&search, v);
    if (search.counts[CHOICE_COPIED] == 0) return false;
    for (int k = 0; k < search.counts[CHOICE_ROWS]; k++) {
      Sizes sizes = {
          {search.options[CHOICE_ROWS][k], 1, 1, 4, search.options[CHOICE_BLOCK][0], search.options[CHOICE_COPIED][0]},
          v};
      double cycles = descend(&search, &sizes);
      if (cycles < least) least = cycles, best = sizes;
    }
  }
  if (!isfinite(least)) return false;
  try_sizes(&search, &best);
  return true;
}

static void print_side(const Side *side, const char *name, FILE *out) {
  fprintf(out, ", %s %s", name, side->in_place ? "in place" : side->turned >= 0 ? "turned" : "staged");
}

void tile_print(const Tile *tile, FILE *out) {
  fprintf(out, "  %" PRId64 " rows (index %d), %" PRId64 " lanes (index %d); blocks of %d rows, %d vectors; a chunk:",
          tile->rows, tile->row, tile->lanes, tile->lane, tile->block_rows, tile->block_vectors);
  for (int d = 0; d < tile->loop_count; d++) fprintf(out, "%s%" PRId64, d > 0 ? " x " : " ", tile->task[d]);
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
