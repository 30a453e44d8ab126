/* Tile programs: blocks of rows times vectors of accumulators in registers, factors read in place or staged, and
   whatever is computed from the result at the same points done while it is in the nearest cache. Takes a tile, with all
   sizes chosen, and its items; appends the whole program. Chunks depend on the problem and the machine, never on the
   number of workers. */
#include "contraction.h"
#include "tests/mutants/mutant.h"

#include <string.h>

typedef struct Making {
  Builder *builder;
  const Tile *tile;
  const Phase *phase;
  const Part *part;
  Affine start[LOOP_LIMIT]; /* of the chunk's points, and of the block of the sum */
  Affine inside[BOX_LIMIT]; /* from there: loops over rows, lanes, other axes */
  int parked;               /* buffer of the results: [other axes][row][lane] */
  int64_t parked_size;
  int64_t parked_stride[BOX_LIMIT];
  int line; /* buffer of one row in the order of the output, where lanes are not contiguous there; or -1 */
} Making;

/* ---- points ------------------------------------------------------------------------------------------------------ */

static bool is_outer(const Tile *tile, int axis) { return axis != tile->row && axis != tile->lane; }

/* Points of the part that are left from the chunk's first. */
static Affine points_left(const Making *making, int axis) {
  return affine_add(affine_constant(making->part->loops[axis].count), affine_scale(making->start[axis], -1));
}

/* Opens the loops over the axes that are neither rows nor lanes; returns their number. */
static int open_outer(Making *making) {
  int opened = 0;
  for (int d = 0; d < making->tile->loop_count; d++) {
    if (!is_outer(making->tile, d)) continue;
    making->inside[d] = affine_constant(0);
    if (making->tile->task[d] == 1 || making->part->loops[d].count == 1) continue;
    int variable = builder_for_limit(making->builder, affine_constant(0), affine_constant(making->tile->task[d]),
                                     points_left(making, d), 1);
    making->inside[d] = affine_variable(variable, 1);
    opened++;
  }
  return opened;
}

static void close_levels(Builder *builder, int count) {
  for (int k = 0; k < count; k++) builder_close(builder);
}

static Affine parked_offset(const Making *making) {
  Affine offset = affine_constant(0);
  for (int d = 0; d < making->tile->loop_count; d++)
    offset = affine_add(offset, affine_scale(making->inside[d], making->parked_stride[d]));
  return offset;
}

static Address parked_address(const Making *making) {
  return (Address){.buffer = making->parked, .offset = parked_offset(making), .lane_stride = 1};
}

/* ---- the micro-kernel -------------------------------------------------------------------------------------------- */

/* What one pass over the sum of a piece covers. */
static Scope piece_scope(const Making *making, const Piece *piece) {
  Scope scope;
  for (int i = 0; i < LOOP_LIMIT; i++) {
    scope.start[i] = i < BOX_LIMIT || i == piece->blocked ? making->start[i] : affine_constant(0);
    scope.count[i] = piece->extent[i];
    if (i < making->tile->loop_count && making->tile->task[i] < scope.count[i]) scope.count[i] = making->tile->task[i];
    if (i == piece->blocked) scope.count[i] = piece->block;
    if (piece->extent[i] == 1) scope.start[i] = affine_constant(0);
  }
  /* stages of rows and lanes have room for whole blocks */
  for (int side = 0; side < 2; side++) {
    int d = side == 0 ? making->tile->row : making->tile->lane;
    if (piece->extent[d] > 1) scope.count[d] = making->tile->task[d];
  }
  return scope;
}

/* from + 0, 1, … while the bound holds: low <= c * value + rest < high. Returns a variable that is 0 before the first
   and at most `most`. */
static Affine bound_end(Builder *builder, const Bound *bound, Affine rest, Affine start, bool upper, int64_t most) {
  int64_t c = bound->form.of[bound->on], size = c < 0 ? -c : c;
  /* c > 0: value >= (edge - rest) / c, rounded up, at both ends; c < 0: value > (rest - edge) / -c, rounded down */
  Affine edge = affine_constant(c > 0 ? (upper ? bound->high : bound->low) : (upper ? bound->low : bound->high));
  Affine value = c > 0 ? affine_add(affine_add(edge, affine_scale(rest, -1)), affine_constant(size - 1))
                       : affine_add(affine_add(rest, affine_scale(edge, -1)), affine_constant(size));
  value = affine_add(value, affine_scale(start, -size));
  return affine_variable(builder_clamp(builder, value, size, most), 1);
}

typedef struct Multiply {
  Making *making;
  const Piece *piece;
  const Scope *scope;
  Affine index[LOOP_LIMIT];
  int rows, lane; /* of this block; loop variable of the lanes */
  int accumulators, vectors, single;
} Multiply;

/* acc += A B at one k. */
static void multiply_step(Multiply *multiply) {
  Making *making = multiply->making;
  Builder *builder = making->builder;
  const Tile *tile = making->tile;
  const Piece *piece = multiply->piece;
  int vectors = tile->block_vectors, lanes = builder_lanes(builder);
  Affine row = multiply->index[tile->row], lane = multiply->index[tile->lane];
  int v = builder_unrolled(builder, vectors);
  multiply->index[tile->lane] = affine_add(lane, affine_variable(v, lanes));
  Statement *load = builder_append(builder, STATEMENT_LOAD);
  load->result = operand_at(multiply->vectors, affine_variable(v, 1));
  load->address = side_address(builder, piece, &piece->b, multiply->scope, multiply->index, multiply->lane);
  load->address.has_valid = piece->b.in_place && tile->lanes % ((int64_t)vectors * lanes) != 0;
  load->address.valid = affine_add(affine_constant(making->part->loops[tile->lane].count - MUTANT(tile_last_lane)),
                                   affine_scale(multiply->index[tile->lane], -1));
  builder_close(builder);
  multiply->index[tile->lane] = lane;
  int r = builder_unrolled(builder, multiply->rows);
  if (piece->extent[tile->row] > 1) multiply->index[tile->row] = affine_add(row, affine_variable(r, 1));
  Statement *broadcast = builder_append(builder, STATEMENT_LOAD);
  broadcast->result = operand_single(multiply->single);
  broadcast->address = side_address(builder, piece, &piece->a, multiply->scope, multiply->index, -1);
  v = builder_unrolled(builder, vectors);
  Operand accumulator =
      operand_at(multiply->accumulators, affine_add(affine_variable(r, vectors), affine_variable(v, 1)));
  builder_fma_into(builder, accumulator, operand_single(multiply->single),
                   operand_at(multiply->vectors, affine_variable(v, 1)), accumulator);
  builder_close(builder);
  builder_close(builder);
  multiply->index[tile->row] = row;
}

static const Bound *bound_on(const Piece *piece, int index) {
  for (int b = 0; b < piece->bound_count; b++)
    if (piece->bounds[b].on == index) return &piece->bounds[b];
  return NULL;
}

/* The loops of the sum from place `at` in its order on. */
static void multiply_loops(Multiply *multiply, int at) {
  enum { UNROLL = 2 };
  const Piece *piece = multiply->piece;
  Builder *builder = multiply->making->builder;
  if (at == piece->order_count) {
    multiply_step(multiply);
    return;
  }
  int i = piece->order[at], opened = 1;
  int64_t count = multiply->scope->count[i], step = 1;
  Affine start = multiply->scope->start[i];
  bool whole = i != piece->blocked || piece->extent[i] % piece->block == 0;
  const Bound *bound = bound_on(piece, i);
  multiply->index[i] = affine_constant(0);
  Affine from = affine_constant(0), to = affine_constant(count);
  if (bound != NULL) {
    Affine rest = form_at(&bound->form, multiply->index);
    from = bound_end(builder, bound, rest, start, false, count);
    to = bound_end(builder, bound, rest, start, true, count);
  } else if (whole && at == piece->order_count - 1) {
    step = multiply->making->tile->block_vectors > 1 ? UNROLL : 1; /* else each sum would have two registers */
    while (count % step != 0) step--;
  }
  int variable = whole
                     ? builder_for(builder, from, to, step)
                     : builder_for_limit(builder, from, to,
                                         affine_add(affine_constant(piece->extent[i]), affine_scale(start, -1)), step);
  Affine value = affine_add(start, affine_variable(variable, 1));
  if (step > 1) {
    value = affine_add(value, affine_variable(builder_unrolled(builder, step), 1));
    opened++;
  }
  multiply->index[i] = value;
  multiply_loops(multiply, at + 1);
  close_levels(builder, opened);
}

static void multiply_piece(Making *making, const Piece *piece, const Scope *scope, int rows, int lane,
                           int accumulators) {
  Builder *builder = making->builder;
  int lanes = builder_lanes(builder), vectors = making->tile->block_vectors;
  Multiply multiply = {.making = making, .piece = piece, .scope = scope, .rows = rows, .lane = lane};
  multiply.accumulators = accumulators;
  multiply.vectors = builder_register(builder, builder_real(builder), lanes, vectors);
  multiply.single = builder_register(builder, builder_real(builder), 1, 1);
  for (int i = 0; i < LOOP_LIMIT; i++)
    multiply.index[i] = i < making->tile->loop_count && piece->extent[i] > 1
                            ? affine_add(making->start[i], making->inside[i])
                            : affine_constant(0);
  multiply_loops(&multiply, 0);
}

/* The pieces of one pass, on one block of rows and all lanes. `more`: added to what is parked. */
static void multiply_block(Making *making, const Piece *pieces, const Scope *scopes, int count, int rows, bool more) {
  Builder *builder = making->builder;
  const Tile *tile = making->tile;
  int lanes = builder_lanes(builder), vectors = tile->block_vectors;
  int accumulators = builder_register(builder, builder_real(builder), lanes, rows * vectors);
  Affine row = making->inside[tile->row];
  int lane = builder_for_limit(builder, affine_constant(0), affine_constant(tile->task[tile->lane]),
                               points_left(making, tile->lane), (int64_t)vectors * lanes);
  for (int pass = 0; pass < 2; pass++) {
    if (pass == 1) {
      making->inside[tile->row] = row, making->inside[tile->lane] = affine_variable(lane, 1);
      for (int p = 0; p < count; p++) multiply_piece(making, &pieces[p], &scopes[p], rows, lane, accumulators);
    }
    int r = builder_unrolled(builder, rows), v = builder_unrolled(builder, vectors);
    Operand accumulator = operand_at(accumulators, affine_add(affine_variable(r, vectors), affine_variable(v, 1)));
    making->inside[tile->row] = affine_add(row, affine_variable(r, 1));
    making->inside[tile->lane] = affine_add(affine_variable(lane, 1), affine_variable(v, lanes));
    if (pass == 1) builder_store(builder, parked_address(making), accumulator, false);
    else if (!more) builder_assign(builder, accumulator, 0);
    else {
      Statement *load = builder_append(builder, STATEMENT_LOAD);
      load->result = accumulator, load->address = parked_address(making);
    }
    close_levels(builder, 2);
  }
  making->inside[tile->row] = row;
  builder_close(builder);
}

/* ---- what follows at the same points ----------------------------------------------------------------------------- */

static bool sums_lanes(const Item *item) { return item->combine == COMBINE_SUM; }

/* A sum over the lanes of one row: its variables are those of the row and the lane, wherever they stand. */
static void sum_point(const Making *making, const Item *item, const Point *out, Point *point) {
  for (int v = 0; v < item->box_rank; v++) point_set(point, v, out->at[making->tile->lane], 0, making->tile->lanes - 1);
  for (int d = 0; d < item->write->rank; d++) {
    const Coordinate *c = &item->write->coordinates[d];
    if (c->term_count == 1)
      point_set(point, c->terms[0].variable, out->at[making->tile->row], 0, making->tile->rows - 1);
  }
}

static void store_sums(Making *making, const Operand *sums, Affine row) {
  Builder *builder = making->builder;
  for (int i = 0; i < making->phase->count; i++) {
    const Item *item = making->phase->items[i];
    if (!sums_lanes(item) || sums[i].reg < 0) continue;
    Statement *fold = builder_append(builder, STATEMENT_FOLD);
    fold->operation = OP_ADD;
    fold->arguments[0] = sums[i];
    fold->result = operand_single(builder_register(builder, builder_real(builder), 1, 1));
    Point point = point_new(builder);
    for (int v = 0; v < item->box_rank; v++) point_set(&point, v, row, 0, making->tile->rows - 1);
    express_store(builder, &point, &item->view, item->write, fold->result, false);
  }
}

static void add_sum(Making *making, const Item *item, const Point *out, Operand sum) {
  Builder *builder = making->builder;
  Point along = point_new(builder);
  along.lane_variable = out->lane_variable, along.has_valid = out->has_valid, along.valid = out->valid;
  sum_point(making, item, out, &along);
  Operand mask = {.reg = -1};
  if (out->has_valid) mask = express_between(builder, out, out->at[making->tile->lane], 0, making->tile->lanes);
  express_accumulate(builder, &along, COMBINE_SUM, sum, item->value, mask);
}

/* All values of the point first, then the stores: what a store overwrites has been read by then. */
static void finish_point(Making *making, const Point *out, Operand result, const Operand *sums) {
  Builder *builder = making->builder;
  const Phase *phase = making->phase;
  const Item *root = phase->items[0];
  Operand *values = session_allocate(builder_session(builder), (size_t)phase->count * sizeof *values);
  const Access *identity = access_identity(builder_graph(builder), root->view.rank);
  values[0] = result;
  express_know(builder, out, root, identity, result);
  for (int i = 1; i < phase->count; i++) {
    const Item *item = phase->items[i];
    if (sums_lanes(item)) {
      add_sum(making, item, out, sums[i]);
      continue;
    }
    Operand value = express(builder, out, item->value); /* a map: its variables are the axes */
    values[i] = builder_convert(builder, builder_level(builder), value, register_of(item->view.value->storage),
                                builder_register_type(builder, value).lanes);
    express_know(builder, out, item, item->write, values[i]);
  }
  if (root->stored) express_store(builder, out, &root->view, identity, values[0], false);
  for (int i = 1; i < phase->count; i++) {
    const Item *item = phase->items[i];
    if (!sums_lanes(item) && item->stored) express_store(builder, out, &item->view, item->write, values[i], false);
  }
}

/* The point of the output where all loops are. */
static Point result_point(const Making *making) {
  const Tile *tile = making->tile;
  const Part *part = making->part;
  Point out = point_new(making->builder);
  for (int d = 0; d < tile->view->rank; d++) {
    Affine at = affine_constant(part->offset[d]);
    int64_t high = part->offset[d];
    for (int l = 0; l < tile->loop_count; l++) {
      const ClassLoop *loop = &part->loops[l];
      if (loop->axis != d || loop->count == 1) continue;
      at = affine_add(at, affine_scale(affine_add(making->start[l], making->inside[l]), loop->step));
      high += loop->step * (loop->count - 1);
    }
    point_set(&out, d, at, part->offset[d], high);
  }
  return out;
}

/* Vector by vector, where lanes are contiguous in the output; at all other points of the chunk, or (`here`) at this. */
static void finish_lanes(Making *making, bool here) {
  Builder *builder = making->builder;
  const Tile *tile = making->tile;
  int lanes = builder_lanes(builder), count = making->phase->count;
  Operand *sums = session_allocate(builder_session(builder), (size_t)count * sizeof *sums);
  for (int i = 0; i < count; i++) {
    sums[i].reg = -1;
    if (i > 0 && sums_lanes(making->phase->items[i])) sums[i] = builder_set(builder, builder_real(builder), lanes, 0);
  }
  int opened = here ? 0 : open_outer(making);
  int lane = builder_for_limit(builder, affine_constant(0), affine_constant(tile->task[tile->lane]),
                               points_left(making, tile->lane), lanes);
  making->inside[tile->lane] = affine_variable(lane, 1);
  Point out = result_point(making);
  out.lane_variable = lane;
  out.has_valid = making->part->loops[tile->lane].count % lanes != 0;
  out.valid = affine_add(points_left(making, tile->lane), affine_variable(lane, -1));
  finish_point(making, &out,
               builder_load(builder, builder_level(builder), builder_real(builder), lanes, parked_address(making)),
               sums);
  close_levels(builder, opened + 1);
  store_sums(making, sums, affine_add(making->start[tile->row], making->inside[tile->row]));
}

/* ---- rows whose lanes are not contiguous in the output ----------------------------------------------------------- */

/* The axes of a line, the innermost in memory first; elements of the line from one point to the next. */
typedef struct Line {
  int count, axes[BOX_LIMIT];
  int64_t pitch[BOX_LIMIT], size[BOX_LIMIT];
  int merged; /* so many of them are one run */
  int64_t elements;
} Line;

/* Does everything that follows move on alike whether the inner index ends or the outer one turns? */
static bool merges(const Making *making, int outer, int inner, int64_t extent) {
  const Phase *phase = making->phase;
  const ClassLoop *high = &making->part->loops[outer], *low = &making->part->loops[inner];
  for (int i = 0; i < phase->count; i++) {
    const Item *item = phase->items[i];
    if (item->view.stride[high->axis] * high->step != item->view.stride[low->axis] * low->step * extent) return false;
    Leaves leaves = leaves_of(builder_session(making->builder), item->value);
    for (int k = 0; k < leaves.count && i > 0; k++) {
      int64_t a, b;
      if (leaves.items[k]->node == phase->items[0]->node) continue;
      if (!leaf_stride(making->builder, leaves.items[k], item->box, high->axis, &a) ||
          !leaf_stride(making->builder, leaves.items[k], item->box, low->axis, &b) ||
          a * high->step != b * low->step * extent)
        return false;
    }
  }
  return true;
}

static Line line_of(const Making *making) {
  const Tile *tile = making->tile;
  Line line = {.merged = 1, .elements = 1};
  for (int d = 0; d < tile->loop_count; d++) {
    int64_t size =
        d == tile->lane || tile->task[d] < making->part->loops[d].count ? tile->task[d] : making->part->loops[d].count;
    if (d == tile->row || making->part->loops[d].count == 1 || (size == 1 && d != tile->lane)) continue;
    int at = line.count++;
    for (; at > 0 && part_stride(tile, making->part, line.axes[at - 1]) > part_stride(tile, making->part, d); at--)
      line.axes[at] = line.axes[at - 1], line.size[at] = line.size[at - 1];
    line.axes[at] = d, line.size[at] = size;
  }
  for (int k = 0; k < line.count; k++) line.pitch[k] = line.elements, line.elements *= line.size[k];
  for (; line.merged < line.count; line.merged++) {
    int inner = line.axes[line.merged - 1];
    if (line.size[line.merged - 1] != making->part->loops[inner].count || inner == tile->lane) break;
    bool all = true;
    for (int k = 0; k < line.merged; k++)
      all &= merges(making, line.axes[line.merged], line.axes[k], line.pitch[line.merged] / line.pitch[k]);
    if (!all) break;
  }
  return line;
}

/* From the order of the sum to that of the output, within the nearest cache. */
static void fill_line(Making *making, const Line *line) {
  Builder *builder = making->builder;
  const Tile *tile = making->tile;
  int lanes = builder_lanes(builder), opened = open_outer(making);
  int lane = builder_for_limit(builder, affine_constant(0), affine_constant(tile->task[tile->lane]),
                               points_left(making, tile->lane), lanes);
  making->inside[tile->lane] = affine_variable(lane, 1);
  Address address = {.buffer = making->line, .offset = affine_constant(0)};
  for (int k = 0; k < line->count; k++) {
    int d = line->axes[k];
    address.offset = affine_add(address.offset, affine_scale(making->inside[d], line->pitch[k]));
    if (d == tile->lane) address.lane_stride = line->pitch[k];
  }
  Operand value = builder_load(builder, builder_level(builder), builder_real(builder), lanes, parked_address(making));
  builder_store(builder, address, value, false);
  close_levels(builder, opened + 1);
}

static void finish_line(Making *making) {
  Builder *builder = making->builder;
  int lanes = builder_lanes(builder), opened = 0;
  Line line = line_of(making);
  fill_line(making, &line);
  Affine offset = affine_constant(0);
  for (int k = line.count - 1; k >= line.merged; k--) {
    int d = line.axes[k];
    making->inside[d] = affine_variable(
        builder_for_limit(builder, affine_constant(0), affine_constant(line.size[k]), points_left(making, d), 1), 1);
    offset = affine_add(offset, affine_scale(making->inside[d], line.pitch[k]));
    opened++;
  }
  int64_t run = line.pitch[line.merged - 1] * line.size[line.merged - 1];
  int last = line.axes[line.merged - 1];
  Affine end = affine_constant(run);
  if (making->part->loops[last].count % line.size[line.merged - 1] != 0) /* the last chunk's is shorter */
    end = affine_variable(
        builder_clamp(builder, affine_scale(points_left(making, last), line.pitch[line.merged - 1]), 1, run), 1);
  int lane = builder_for(builder, affine_constant(0), end, lanes);
  for (int k = 0; k < line.merged; k++) making->inside[line.axes[k]] = affine_constant(0);
  making->inside[line.axes[0]] = affine_variable(lane, 1);
  Point out = result_point(making);
  out.lane_variable = lane;
  out.has_valid = run % lanes != 0 || end.term_count > 0;
  out.valid = affine_add(end, affine_variable(lane, -1));
  Address address = {.buffer = making->line, .offset = affine_add(offset, affine_variable(lane, 1)), .lane_stride = 1};
  finish_point(making, &out, builder_load(builder, builder_level(builder), builder_real(builder), lanes, address),
               NULL);
  close_levels(builder, opened + 1);
}

static void finish_rows(Making *making, Affine first, int64_t rows, bool here) {
  Builder *builder = making->builder;
  const Tile *tile = making->tile;
  Affine left = affine_add(points_left(making, tile->row), affine_scale(first, -1));
  int row = builder_for_limit(builder, affine_constant(0), affine_constant(rows), left, 1);
  making->inside[tile->row] = affine_add(first, affine_variable(row, 1));
  if (making->line >= 0) finish_line(making);
  else finish_lanes(making, here);
  builder_close(builder);
}

/* ---- the program ------------------------------------------------------------------------------------------------- */

/* All blocks of rows for the pieces of one pass, at one point of the other axes after the other, so that the lanes of a
   point stay in the nearer caches. `done`: each block is finished at once. */
static void multiply_rows(Making *making, const Piece *pieces, const Scope *scopes, int count, bool more, bool done) {
  Builder *builder = making->builder;
  const Tile *tile = making->tile;
  int64_t rows = making->part->loops[tile->row].count, rest = rows % tile->block_rows;
  int opened = open_outer(making);
  int inside = builder_for_limit(builder, affine_constant(0), affine_constant(tile->task[tile->row]),
                                 points_left(making, tile->row), tile->block_rows);
  Affine row = making->inside[tile->row] = affine_variable(inside, 1);
  Affine last = affine_add(points_left(making, tile->row), affine_scale(row, -1));
  if (rest > 0) builder_if(builder, affine_add(last, affine_constant(-tile->block_rows)));
  multiply_block(making, pieces, scopes, count, tile->block_rows, more);
  if (rest > 0) {
    builder_else(builder);
    making->inside[tile->row] = MUTANT(tile_rest) ? affine_add(row, affine_constant(-1)) : row;
    multiply_block(making, pieces, scopes, count, (int)rest, more);
    builder_close(builder);
  }
  if (done) finish_rows(making, row, tile->block_rows, true);
  close_levels(builder, opened + 1);
}

static void stage_piece(Making *making, Piece *piece, const Scope *scope) {
  side_stage(making->builder, piece, &piece->b, scope);
  side_stage(making->builder, piece, &piece->a, scope);
}

static bool piece_cut(const Piece *piece) {
  return piece->blocked >= 0 && piece->block < piece->extent[piece->blocked];
}

static void clear_parked(Making *making) {
  Builder *builder = making->builder;
  int lane = builder_for(builder, affine_constant(0), affine_constant(making->parked_size), builder_lanes(builder));
  Affine offset = affine_variable(lane, 1);
  builder_store(builder, (Address){.buffer = making->parked, .offset = offset, .lane_stride = 1},
                builder_set(builder, builder_real(builder), builder_lanes(builder), 0), false);
  builder_close(builder);
}

/* Piece after piece, block after block of its sum, on all rows; what has been added up so far is parked. */
static void multiply_blocks(Making *making, Scope *scopes) {
  Builder *builder = making->builder;
  const Part *part = making->part;
  clear_parked(making);
  for (int p = 0; p < part->piece_count; p++) {
    Piece *piece = &part->pieces[p];
    int start = 0;
    if (piece_cut(piece)) {
      start = builder_for(builder, affine_constant(0), affine_constant(piece->extent[piece->blocked]), piece->block);
      making->start[piece->blocked] = affine_variable(start, 1);
    }
    scopes[p] = piece_scope(making, piece);
    stage_piece(making, piece, &scopes[p]);
    multiply_rows(making, piece, &scopes[p], 1, true, false);
    if (start > 0) builder_close(builder);
  }
  finish_rows(making, affine_constant(0), making->tile->task[making->tile->row], false);
}

/* chunk = ((axes that are neither rows nor lanes) * blocks of rows + block) * panels of lanes + panel */
static void take_chunk(Making *making, Affine chunk) {
  Builder *builder = making->builder;
  const Tile *tile = making->tile;
  int order[BOX_LIMIT], count = 0;
  int64_t below = 1;
  order[count++] = tile->lane, order[count++] = tile->row;
  for (int d = 0; d < tile->loop_count; d++)
    if (is_outer(tile, d)) order[count++] = d;
  for (int k = 0; k < count; k++) {
    int d = order[k];
    int64_t tasks = (making->part->loops[d].count + tile->task[d] - 1) / tile->task[d];
    making->start[d] = affine_constant(0);
    if (tasks == 1) continue;
    making->start[d] = affine_scale(affine_variable(builder_let(builder, chunk, below, tasks), 1), tile->task[d]);
    below *= tasks;
  }
}

static void park_results(Making *making) {
  const Tile *tile = making->tile;
  int64_t stride = tile->task[tile->lane];
  making->parked_stride[tile->lane] = 1;
  making->parked_stride[tile->row] = stride;
  stride *= tile->task[tile->row];
  for (int d = tile->loop_count - 1; d >= 0; d--) {
    if (!is_outer(tile, d)) continue;
    making->parked_stride[d] = stride;
    stride *= tile->task[d] < making->part->loops[d].count ? tile->task[d] : making->part->loops[d].count;
  }
  making->parked_size = stride;
  making->parked = builder_workspace(making->builder, storage_of(builder_real(making->builder)), stride);
  making->line = -1;
  if (part_stride(tile, making->part, tile->lane) == 1) return;
  Line line = line_of(making);
  making->line = builder_workspace(making->builder, storage_of(builder_real(making->builder)),
                                   line.elements + builder_lanes(making->builder));
}

static void multiply_part(Making *making) {
  Builder *builder = making->builder;
  const Part *part = making->part;
  Scope *scopes = session_allocate(builder_session(builder), (size_t)(part->piece_count + 1) * sizeof *scopes);
  bool cut = false;
  park_results(making);
  for (int p = 0; p < part->piece_count; p++) {
    Piece *piece = &part->pieces[p];
    if (piece->blocked >= 0) making->start[piece->blocked] = affine_constant(0);
    scopes[p] = piece_scope(making, piece);
    side_place(builder, piece, &piece->b, &scopes[p]);
    side_place(builder, piece, &piece->a, &scopes[p]);
    cut |= piece_cut(piece);
  }
  if (cut) {
    multiply_blocks(making, scopes);
    return;
  }
  for (int p = 0; p < part->piece_count; p++) stage_piece(making, &part->pieces[p], &scopes[p]);
  multiply_rows(making, part->pieces, scopes, part->piece_count, false, making->line < 0);
  if (making->line >= 0) finish_rows(making, affine_constant(0), making->tile->task[making->tile->row], false);
}

void tile_program(Builder *builder, const Tile *tile, const Phase *phase) {
  Making making = {.builder = builder, .tile = tile, .phase = phase};
  int64_t chunks = 0;
  int branches = 0;
  builder_tile(builder);
  for (int p = 0; p < tile->part_count; p++) {
    int64_t own = part_tasks(tile, &tile->parts[p]), mark = builder_workspace_mark(builder);
    if (own == 0) continue;
    bool last = p + 1 == tile->part_count;
    Affine chunk = affine_add(affine_variable(0, 1), affine_constant(-chunks));
    chunks += own;
    if (!last) {
      builder_if(builder, affine_add(affine_constant(chunks - 1), affine_variable(0, -1)));
      branches++;
    }
    making.part = &tile->parts[p];
    for (int i = 0; i < LOOP_LIMIT; i++) making.start[i] = affine_constant(0);
    for (int d = 0; d < BOX_LIMIT; d++) making.inside[d] = affine_constant(0);
    take_chunk(&making, chunk);
    multiply_part(&making);
    builder_workspace_release(builder, mark);
    if (!last) builder_else(builder);
  }
  builder_chunks(builder, chunks);
  close_levels(builder, branches);
}
