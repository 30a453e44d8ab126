/* Tile programs: blocks of rows times vectors of accumulators in registers, operands read in place or staged, and
   whatever is computed from the result at the same points done while a block is in the nearest cache. Takes a tile and
   its items; appends the whole program. Chunks depend on the problem and the machine, never on the number of
   workers. */
#include "lower.h"
#include "tests/mutants/mutant.h"

typedef struct Making {
  Builder *builder;
  const Tile *tile;
  const Phase *phase;
  Side *a, *b;                  /* by piece */
  int workspace;                /* the buffer of a block of results: [row][task_lanes] */
  Affine outer[RANK_LIMIT];     /* output axes that are neither rows nor lanes */
  Affine first_row, first_lane; /* of the chunk */
} Making;

/* ---- the micro-kernel -------------------------------------------------------------------------------------------- */

/* The variables of a piece that are output axes outside of the tile. */
static void set_outer(const Making *making, const Piece *piece, Point *point) {
  for (int d = 0; d < piece->item->write->rank; d++) {
    const Coordinate *c = &piece->item->write->coordinates[d];
    if (c->term_count == 1) point_set(point, c->terms[0].variable, making->outer[d], 0, piece->item->view.shape[d] - 1);
  }
}

/* acc += A B over all k of the piece; rows from `row`, lanes from first_lane + `lane`. */
static void accumulate_piece(Making *making, int p, int rows, int row_block, Affine row, int lane, int accumulators) {
  Builder *builder = making->builder;
  const Piece *piece = &making->tile->pieces[p];
  RegisterType real = builder_real(builder);
  int lanes = builder_lanes(builder), vectors = making->tile->block_vectors;
  int side = builder_register(builder, real, lanes, vectors), single = builder_register(builder, real, 1, 1);
  Point point = point_new(builder);
  set_outer(making, piece, &point);
  for (int i = 0; i < piece->k_count; i++) {
    int64_t extent = piece->item->box[piece->k[i]];
    point_set(&point, piece->k[i],
              affine_variable(builder_for(builder, affine_constant(0), affine_constant(extent), 1), 1), 0, extent - 1);
  }
  Point across = point;
  int v = builder_unrolled(builder, vectors);
  Affine inside = affine_add(affine_variable(lane, 1), affine_variable(v, lanes));
  Affine at = affine_add(making->first_lane, inside);
  across.lane_variable = lane;
  across.has_valid = making->tile->lanes % ((int64_t)vectors * lanes) != 0;
  across.valid = affine_add(affine_constant(making->tile->lanes - MUTANT(tile_last_lane)), affine_scale(at, -1));
  point_set(&across, piece->lane, at, 0, making->tile->lanes - 1);
  Statement *load = builder_append(builder, STATEMENT_LOAD);
  load->result = operand_at(side, affine_variable(v, 1));
  load->address = side_address(builder, &making->b[p], &across, inside);
  builder_close(builder);
  int r = builder_unrolled(builder, rows);
  point_set(&point, piece->row, affine_add(row, affine_variable(r, 1)), 0, making->tile->rows - 1);
  Statement *broadcast = builder_append(builder, STATEMENT_LOAD);
  broadcast->result = operand_single(single);
  broadcast->address =
      side_address(builder, &making->a[p], &point, affine_add(affine_variable(row_block, 1), affine_variable(r, 1)));
  v = builder_unrolled(builder, vectors);
  Operand accumulator = operand_at(accumulators, affine_add(affine_variable(r, vectors), affine_variable(v, 1)));
  builder_fma_into(builder, accumulator, operand_single(single), operand_at(side, affine_variable(v, 1)), accumulator);
  builder_close(builder);
  builder_close(builder);
  for (int i = 0; i < piece->k_count; i++) builder_close(builder);
}

static void multiply_block(Making *making, int rows, int row_block, Affine row) {
  Builder *builder = making->builder;
  int lanes = builder_lanes(builder), vectors = making->tile->block_vectors;
  int accumulators = builder_register(builder, builder_real(builder), lanes, rows * vectors);
  Affine end = affine_add(affine_constant(making->tile->lanes), affine_scale(making->first_lane, -1));
  int lane = builder_for_limit(builder, affine_constant(0), affine_constant(making->tile->task_lanes), end,
                               (int64_t)vectors * lanes);
  int i = builder_unrolled(builder, (int64_t)rows * vectors);
  builder_assign(builder, operand_at(accumulators, affine_variable(i, 1)), 0);
  builder_close(builder);
  for (int p = 0; p < making->tile->piece_count; p++)
    accumulate_piece(making, p, rows, row_block, row, lane, accumulators);
  int r = builder_unrolled(builder, rows), v = builder_unrolled(builder, vectors);
  Affine offset = affine_add(affine_variable(lane, 1), affine_variable(v, lanes));
  Address address = {.buffer = making->workspace,
                     .offset = affine_add(offset, affine_variable(r, making->tile->task_lanes)),
                     .lane_stride = 1};
  builder_store(builder, address,
                operand_at(accumulators, affine_add(affine_variable(r, vectors), affine_variable(v, 1))), false);
  builder_close(builder);
  builder_close(builder);
  builder_close(builder);
}

/* ---- what follows at the same points ----------------------------------------------------------------------------- */

static bool sums_lanes(const Item *item) { return item->combine == COMBINE_SUM; }

/* A sum over the lanes of one row: its variables are those of the row and the lane, wherever they stand. */
static void sum_point(const Making *making, const Item *item, const Point *out, Point *point) {
  for (int v = 0; v < item->box_rank; v++)
    point_set(point, v, out->at[making->tile->lane_axis], 0, making->tile->lanes - 1);
  for (int d = 0; d < item->write->rank; d++) {
    const Coordinate *c = &item->write->coordinates[d];
    if (c->term_count == 1)
      point_set(point, c->terms[0].variable, out->at[making->tile->row_axis], 0, making->tile->rows - 1);
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

/* The point of a row and of the first of a vector of lanes. */
static Point result_point(Making *making, Affine row, int lane) {
  Builder *builder = making->builder;
  const Tile *tile = making->tile;
  const View *view = &making->phase->items[0]->view;
  Affine at = affine_add(making->first_lane, affine_variable(lane, 1));
  Point out = point_new(builder);
  for (int d = 0; d < view->rank; d++) point_set(&out, d, making->outer[d], 0, view->shape[d] - 1);
  point_set(&out, tile->row_axis, row, 0, tile->rows - 1);
  point_set(&out, tile->lane_axis, at, 0, tile->lanes - 1);
  out.lane_variable = lane;
  out.has_valid = tile->lanes % builder_lanes(builder) != 0;
  out.valid = affine_add(affine_constant(tile->lanes), affine_scale(at, -1));
  return out;
}

static void add_sum(Making *making, const Item *item, const Point *out, Operand sum) {
  Builder *builder = making->builder;
  Point along = point_new(builder);
  along.lane_variable = out->lane_variable, along.has_valid = out->has_valid, along.valid = out->valid;
  sum_point(making, item, out, &along);
  Operand mask = {.reg = -1};
  if (out->has_valid) mask = express_between(builder, out, out->at[making->tile->lane_axis], 0, making->tile->lanes);
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

/* The rows of a block, one after the other, vector by vector. */
static void finish_rows(Making *making, Affine first) {
  Builder *builder = making->builder;
  const Tile *tile = making->tile;
  int lanes = builder_lanes(builder), count = making->phase->count;
  Operand *sums = session_allocate(builder_session(builder), (size_t)count * sizeof *sums);
  int r = builder_for_limit(builder, affine_constant(0), affine_constant(tile->block_rows),
                            affine_add(affine_constant(tile->rows), affine_scale(first, -1)), 1);
  Affine row = affine_add(first, affine_variable(r, 1));
  for (int i = 0; i < count; i++) {
    sums[i].reg = -1;
    if (i > 0 && sums_lanes(making->phase->items[i])) sums[i] = builder_set(builder, builder_real(builder), lanes, 0);
  }
  Affine end = affine_add(affine_constant(tile->lanes), affine_scale(making->first_lane, -1));
  int lane = builder_for_limit(builder, affine_constant(0), affine_constant(tile->task_lanes), end, lanes);
  Point out = result_point(making, row, lane);
  Affine inside = affine_add(affine_variable(r, tile->task_lanes), affine_variable(lane, 1));
  Address address = {.buffer = making->workspace, .offset = inside, .lane_stride = 1};
  finish_point(making, &out, builder_load(builder, builder_level(builder), builder_real(builder), lanes, address),
               sums);
  builder_close(builder);
  store_sums(making, sums, row);
  builder_close(builder);
}

/* ---- the program ------------------------------------------------------------------------------------------------- */

/* chunk = ((outer axes) * blocks + block) * panels + panel */
static void take_chunk(Making *making) {
  Builder *builder = making->builder;
  const View *view = &making->tile->pieces[0].item->view;
  int64_t below = 1, chunks = making->tile->panels * making->tile->blocks;
  Affine chunk = affine_variable(0, 1), panel = affine_constant(0), block = affine_constant(0);
  if (making->tile->panels > 1) panel = affine_variable(builder_let(builder, chunk, 1, making->tile->panels), 1);
  below = making->tile->panels;
  if (making->tile->blocks > 1) block = affine_variable(builder_let(builder, chunk, below, making->tile->blocks), 1);
  below *= making->tile->blocks;
  for (int d = 0; d < RANK_LIMIT; d++) {
    making->outer[d] = affine_constant(0);
    if (d >= view->rank || d == making->tile->row_axis || d == making->tile->lane_axis || view->shape[d] == 1) continue;
    making->outer[d] = affine_variable(builder_let(builder, chunk, below, view->shape[d]), 1);
    below *= view->shape[d], chunks *= view->shape[d];
  }
  builder_chunks(builder, chunks);
  making->first_row = affine_scale(block, making->tile->task_rows);
  making->first_lane = affine_scale(panel, making->tile->task_lanes);
}

static void stage_sides(Making *making) {
  for (int p = 0; p < making->tile->piece_count; p++) {
    const Piece *piece = &making->tile->pieces[p];
    Point point = point_new(making->builder);
    set_outer(making, piece, &point);
    side_stage(making->builder, &making->b[p], &point, making->first_lane);
    side_stage(making->builder, &making->a[p], &point, making->first_row);
  }
}

void tile_program(Builder *builder, const Tile *tile, const Phase *phase) {
  Making making = {.builder = builder, .tile = tile, .phase = phase};
  Session *session = builder_session(builder);
  int lanes = builder_lanes(builder);
  builder_tile(builder);
  making.a = session_allocate(session, (size_t)tile->piece_count * sizeof *making.a);
  making.b = session_allocate(session, (size_t)tile->piece_count * sizeof *making.b);
  making.workspace = builder_workspace(builder, storage_of(builder_real(builder)), tile->block_rows * tile->task_lanes);
  for (int p = 0; p < tile->piece_count; p++) {
    making.b[p] = side_new(builder, &tile->pieces[p], true, tile->task_lanes);
    making.a[p] = side_new(builder, &tile->pieces[p], false, (tile->task_rows + lanes - 1) / lanes * lanes);
  }
  take_chunk(&making);
  stage_sides(&making);
  int64_t rest = tile->rows % tile->block_rows;
  Affine end = affine_add(affine_constant(tile->rows), affine_scale(making.first_row, -1));
  int inside = builder_for_limit(builder, affine_constant(0), affine_constant(tile->task_rows), end, tile->block_rows);
  Affine row = affine_add(making.first_row, affine_variable(inside, 1));
  if (rest > 0) builder_if(builder, affine_add(affine_constant(tile->rows - tile->block_rows), affine_scale(row, -1)));
  multiply_block(&making, tile->block_rows, inside, row);
  if (rest > 0) {
    builder_else(builder);
    multiply_block(&making, (int)rest, inside, MUTANT(tile_rest) ? affine_add(row, affine_constant(-1)) : row);
    builder_close(builder);
  }
  finish_rows(&making, row);
  builder_close(builder);
}
