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

/* Where something lies that is gone through again and again: what a byte takes, and how much of that shows beside
   multiply-adds, which hide the rest. */
typedef struct Level {
  double cycles, seen;
} Level;

static Level level_of(const Costs *costs, double footprint) {
  const MachineRow *row = costs->machine->row;
  const double idle = 8; /* cores that do nothing leave their part of L3 */
  if (footprint <= 0.6 * (double)row->l1_bytes) return (Level){1 / (row->loads * row->vector_bytes), 0};
  if (footprint <= 0.9 * (double)row->l2_bytes) return (Level){1 / row->l2_rate, 0.15};
  if (footprint <= idle * (double)row->l3_bytes) return (Level){1 / row->l3_rate, 0.2};
  return (Level){1 / row->memory_rate, 0.6};
}

static double byte_cycles(const Costs *costs, double footprint) { return level_of(costs, footprint).cycles; }

/* What is fetched for a step of the sum. */
typedef struct Feed {
  double busy, seen;
} Feed;

/* late: nothing fetches ahead. */
static void feed_add(const Costs *costs, Feed *feed, double bytes, double footprint, double late) {
  Level level = level_of(costs, footprint);
  feed->busy += late * bytes * level.cycles;
  feed->seen += late * bytes * level.cycles * level.seen;
}

/* ---- what is touched --------------------------------------------------------------------------------------------- */

/* Points of each index in one pass over a block of the sum. */
static void pass_extents(const Tile *tile, const Piece *piece, int64_t *extent) {
  for (int i = 0; i < LOOP_LIMIT; i++) extent[i] = piece->extent[i];
  for (int d = 0; d < tile->loop_count; d++)
    if (tile->joined < 0 || (d != tile->joined && d != tile->lane)) extent[d] = smaller(extent[d], tile->task[d]);
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
  if (!side->plain || !side->copies || side->stride[side->fast] == 1) return -1;
  for (int f = 0; f + 1 < side->form_count; f++)
    if (side->stride[side->stands[f]] == 1 && side->forms[f].of[side->stands[f]] == 1) {
      for (int i = 0; i < LOOP_LIMIT; i++)
        if (i != side->stands[f] && side->forms[f].of[i] != 0) return -1;
      return f;
    }
  return -1;
}

/* `copied`: 1 for the rows, 2 for the lanes: they are copied even where they could be read in place; 4: lanes are
   turned once, where that helps. */
static void choose_sides(Piece *piece, int copied) {
  Side *a = &piece->a, *b = &piece->b;
  a->in_place = !a->copies || ((copied & 1) == 0 && a->plain);
  a->turned = turned_form(a), b->turned = turned_form(b);
  b->shared = (copied & 4) != 0 && b->turned >= 0 && b->axis >= 0;
  b->in_place = !b->copies || b->shared || ((copied & 2) == 0 && b->plain && b->stride[b->fast] == 1);
}

/* What the lanes take up in the caches, if the lines of the innermost loop lie in a few of their sets: more than they
   are. */
static double met_footprint(const Costs *costs, const Piece *piece, double footprint) {
  enum { FIRST_WAY = 4096, SECOND_WAY = 65536 };
  const Side *b = &piece->b;
  const MachineRow *row = costs->machine->row;
  if (!b->in_place || b->shared || piece->order_count == 0) return footprint;
  int inner = piece->order[piece->order_count - 1];
  int64_t apart = b->stride[inner] * costs->element,
          turns = inner == piece->blocked ? piece->block : piece->extent[inner];
  if (apart == 0 || apart % FIRST_WAY != 0 || turns <= row->l1_bytes / FIRST_WAY) return footprint;
  bool second = apart % SECOND_WAY == 0 && turns > row->l2_bytes / SECOND_WAY / 2;
  return fmax(footprint, (double)(second ? row->l2_bytes : row->l1_bytes));
}

/* ---- cycles ------------------------------------------------------------------------------------------------------ */

/* One k of a block: multiply-adds, loads, and no block faster than the latency of its sums. */
static double block_cycles(const Costs *costs, int rows, int vectors) {
  enum { LATENCY = 4 };
  const MachineRow *row = costs->machine->row;
  return larger(larger(rows * vectors / row->multiply_adds, (rows + vectors) / row->loads), LATENCY);
}

static double step_cycles(double work, Feed feed) { return fmax(work, feed.busy) + feed.seen; }

static double panel_cycles(const Costs *costs, const Tile *tile, int64_t rows, Feed feed) {
  int64_t full = rows / tile->block_rows, rest = rows % tile->block_rows;
  double cycles = (double)full * step_cycles(block_cycles(costs, tile->block_rows, tile->block_vectors), feed);
  if (rest == 0) return cycles;
  cycles += step_cycles(block_cycles(costs, (int)rest, tile->block_vectors), feed);
  return full > 0 ? 1.02 * cycles : cycles; /* a second kernel is code to compile and to fetch */
}

static double whole_bytes(const Costs *costs, const Piece *piece, const Side *side) {
  return costs->element *
         (side->copies ? side_elements(side, piece->extent) : index_points(piece->extent, side->indices));
}

/* One factor copied for one pass, by one task. */
static double stage_cycles(const Costs *costs, const Piece *piece, const Side *side, const int64_t *extent) {
  enum { MOVE = 3, GATHER = 64 }; /* a vector */
  if (side->in_place) return 0;
  double elements = side_elements(side, extent), each = scalar_cost(side->value) / costs->lanes;
  double used = (double)smaller(costs->lanes, extent[side->fast]); /* lanes of a vector */
  each += side->turned >= 0 ? 0.5 : (side->straight ? MOVE : GATHER) / used;
  return elements *
         (each + costs->element * (byte_cycles(costs, whole_bytes(costs, piece, side)) + byte_cycles(costs, 2e5)));
}

/* Fetching the numbers of the rows: little where they lie in a row along the sum, else lines that are met again with
   the next taps or the next rows, unless too many of them meet in a set. */
static void rows_feed(const Costs *costs, const Tile *tile, const Piece *piece, double bytes, double steps,
                      Feed *feed) {
  enum { LINE_BYTES = 64, WAY_BYTES = 4096, LATE = 2, FIRST = 4 };
  const Side *a = &piece->a;
  if (!a->in_place || piece->order_count == 0) return;
  int inner = piece->order[piece->order_count - 1];
  int64_t along = a->stride[inner], across = a->stride[a->fast];
  if (along == 0) return;
  feed_add(costs, feed, bytes / steps, whole_bytes(costs, piece, a), FIRST);
  if (along == 1) {
    feed_add(costs, feed, tile->block_rows * costs->element, bytes, LATE);
    return;
  }
  int64_t turns = inner == piece->blocked ? piece->block : piece->extent[inner];
  int64_t ways = costs->machine->row->l1_bytes / WAY_BYTES, deep = 1;
  double lines = across == 1 ? 1 + (double)(tile->block_rows * costs->element) / LINE_BYTES : tile->block_rows;
  if (across != 1 && across * costs->element % WAY_BYTES == 0) deep *= tile->block_rows;
  if (along * costs->element % WAY_BYTES == 0) deep *= turns;
  double met = lines * (double)turns * LINE_BYTES;
  bool meet = 2 * deep > ways;
  feed_add(costs, feed, lines * LINE_BYTES, meet ? (met + 1e5) * (double)deep : met, meet ? LATE : 1);
}

static double piece_cycles(const Costs *costs, const Tile *tile, const Piece *piece, double *staged) {
  int64_t extent[LOOP_LIMIT], at_point[LOOP_LIMIT];
  pass_extents(tile, piece, extent);
  const Side *a = &piece->a, *b = &piece->b;
  for (int i = 0; i < LOOP_LIMIT; i++)
    at_point[i] = i < tile->loop_count && i != tile->row && i != tile->lane && i != tile->joined ? 1 : extent[i];
  int64_t joined = tile->joined < 0 ? 1 : extent[tile->joined],
          vectors = ceil_divide(extent[tile->lane] * joined, costs->lanes),
          columns = ceil_divide(vectors, tile->block_vectors), rows = extent[tile->row];
  double summed = 1, outer = 1, blocks = 1;
  for (int i = BOX_LIMIT; i < LOOP_LIMIT; i++) summed *= (double)extent[i];
  for (int d = 0; d < tile->loop_count; d++)
    if (d != tile->row && d != tile->lane && d != tile->joined) outer *= (double)extent[d];
  if (piece->blocked >= 0) blocks = (double)ceil_divide(piece->extent[piece->blocked], piece->block);
  double b_bytes = costs->element * (b->copies ? side_elements(b, extent) : index_points(extent, b->indices));
  double a_bytes = costs->element * index_points(extent, a->indices);
  double parked = (double)rows * (double)(columns * tile->block_vectors) * outer * costs->machine->vector_bytes;
  double window = costs->element * (b->copies ? side_elements(b, at_point) : index_points(at_point, b->indices));
  double steps = ceil((double)rows / tile->block_rows) * summed * outer * (double)columns;
  double reads = fmax(steps * tile->block_vectors * costs->machine->vector_bytes, outer * window);
  double first = fmin(b_bytes, outer * window), again = window + tile->block_rows * summed * costs->element;
  double met = met_footprint(costs, piece, again), late = met > again ? 3 : 1;
  double from = b->in_place ? whole_bytes(costs, piece, b) : a_bytes + b_bytes + parked;
  Feed feed = {0, 0}; /* for the first time, then by the next point, then by the next rows */
  feed_add(costs, &feed, first / steps, from, b->in_place ? late : 1);
  feed_add(costs, &feed, (outer * window - first) / steps,
           met_footprint(costs, piece, b_bytes > window ? 2 * again : again), late);
  feed_add(costs, &feed, (reads - outer * window) / steps, met, late);
  rows_feed(costs, tile, piece, a_bytes, steps, &feed);
  double cycles = panel_cycles(costs, tile, rows, feed) * (double)columns * summed * outer;
  cycles += parked * (blocks > 1 ? byte_cycles(costs, parked) : 1.0 / 128) +
            12 * outer * (double)columns * (double)ceil_divide(rows, tile->block_rows);
  cycles += stage_cycles(costs, piece, a, extent) + stage_cycles(costs, piece, b, extent);
  if (!a->in_place) *staged += costs->element * side_elements(a, extent);
  if (!b->in_place) *staged += costs->element * side_elements(b, extent);
  *staged += parked;
  return cycles * blocks;
}

/* Elements that a task leaves in a row, for each of its rows. */
static int64_t run_length(const Tile *tile, const Part *part) {
  int64_t run = 1;
  for (bool grown = true; grown;) {
    grown = false;
    for (int d = 0; d < tile->loop_count && !grown; d++) {
      int64_t own = smaller(tile->task[d], part->loops[d].count);
      if (d == tile->row || part->loops[d].count == 1 || part_stride(tile, part, d) != run) continue;
      grown = own == part->loops[d].count;
      run *= own;
    }
  }
  return run;
}

/* What leaves: lanes where they are contiguous; else a line in the order of the output. */
static double store_cycles(const Costs *costs, const Tile *tile, const Part *part) {
  enum { LINE_BYTES = 64, AHEAD = 256, PASSES = 6 }; /* PASSES: over a vector, by whatever follows */
  double elements = 1, each, run = (double)(run_length(tile, part) * costs->element);
  for (int d = 0; d < tile->loop_count; d++) elements *= (double)part->loops[d].count;
  each = PASSES / (double)smaller(costs->lanes, part->loops[tile->lane].count);
  if (part_stride(tile, part, tile->lane) != 1) each = 1 + PASSES / (double)costs->lanes;
  /* in and out, by whole lines, which are fetched ahead where they lie in a row */
  each +=
      2 * costs->element * fmax(1, LINE_BYTES / run) * (1 + AHEAD / fmax(run, LINE_BYTES)) * byte_cycles(costs, 1e9);
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

/* Of the rows that the tasks have room for. */
static double rows_used(const Tile *tile, const Part *part) {
  int64_t rows = part->loops[tile->row].count, task = tile->task[tile->row], room = ceil_divide(rows, task) * task;
  return rows <= task ? 1 : (double)rows / (double)room;
}

static double tile_cycles(const Costs *costs, const Tile *tile) {
  enum { START = 1500, APART = 20000, WORKERS = 8 }; /* a task; a program more, which all wait for */
  double cycles = 0, tasks = 0;
  const MachineRow *row = costs->machine->row;
  for (int p = 0; p < tile->part_count; p++) {
    const Part *part = &tile->parts[p];
    double own = START, staged = 0, number = (double)part_tasks(tile, part);
    for (int k = 0; k < part->piece_count; k++) {
      const Piece *piece = &part->pieces[k];
      own += piece_cycles(costs, tile, piece, &staged);
      double copied = whole_bytes(costs, piece, &piece->b);
      if (piece->b.shared) cycles += APART + copied * (0.5 / costs->element + 1 / row->l3_rate + 1 / row->memory_rate);
    }
    double room = (double)costs->machine->l2_bytes;
    if (staged > room) own += own * 0.1 * (staged / room - 1);
    cycles += own * number * rows_used(tile, part) + store_cycles(costs, tile, part), tasks += number;
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
  if (tile->copied == COPIED_OR_NOT) return true;
  return (copied & 4) != 0 ? tile->copied == COPIED_ONCE : tile->copied == (lanes ? COPIED : COPIED_NOT);
}

/* Lists of what each may be, with so many vectors in a kernel. */
static void list_options(Search *search, int vectors) {
  const Tile *tile = search->tile;
  int64_t longest = 1, points = 1;
  int most = most_rows(search->costs.machine->vector_registers, vectors);
  bool windows = false, plain = false, turned = false;
  for (int c = 0; c < CHOICES; c++) search->counts[c] = 0;
  for (int r = (int)smaller(smaller(most, 12), tile->rows), tries = 0; r >= 1 && tries < 4; r--, tries++)
    add_option(search, CHOICE_ROWS, r);
  for (int64_t tasks = 1; tasks <= tile->rows && tasks <= 256; tasks *= 2) add_option(search, CHOICE_HIGH, tasks);
  int64_t widths = tile->joined < 0 ? ceil_divide(tile->lanes, (int64_t)vectors * search->costs.lanes) : 1;
  for (int64_t tasks = 1; tasks <= widths; tasks *= 2) add_option(search, CHOICE_WIDE, tasks);
  for (int p = 0; p < tile->part_count; p++) {
    const Part *part = &tile->parts[p];
    for (int d = 0; d < tile->loop_count; d++)
      if (d != tile->row && d != tile->lane && part->loops[d].count > points) points = part->loops[d].count;
    for (int k = 0; k < part->piece_count; k++) {
      const Piece *piece = &part->pieces[k];
      if (piece->blocked >= 0 && piece->extent[piece->blocked] > longest) longest = piece->extent[piece->blocked];
      windows |= side_moves(&piece->b), plain |= piece->a.plain;
      turned |= turned_form(&piece->b) >= 0 && piece->b.axis >= 0;
    }
  }
  add_option(search, CHOICE_POINTS, 1);
  for (int64_t own = 2; own < 2 * points && own <= 8; own *= 2) add_option(search, CHOICE_POINTS, own);
  add_option(search, CHOICE_BLOCK, longest);
  for (int64_t block = 512; block >= (longest <= 32 ? 1 : 16); block /= 2)
    if (block < longest) add_option(search, CHOICE_BLOCK, block);
  for (int copied = 0; copied < 8; copied++)
    if (((copied & 1) == 0 || plain) && ((copied & 2) == 0 || windows) && ((copied & 4) == 0 || turned) &&
        is_weighed(tile, copied))
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
  fprintf(out, ", %s %s", name,
          side->shared        ? "turned once"
          : side->in_place    ? "in place"
          : side->turned >= 0 ? "turned"
                              : "staged");
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
