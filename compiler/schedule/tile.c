/* Tile programs: blocks of rows times vectors of accumulators in registers, factors read in place or staged, and
   whatever is computed from the result at the same points done while it is in the nearest cache. Takes a tile, with all
   sizes chosen, and its items; appends the whole program. Chunks depend on the problem and the machine, never on the
   number of workers. */
#include "making.h"
#include "tests/mutants/mutant.h"

bool is_outer(const Tile *tile, int index) { return index != tile->row && index != tile->lane; }

Affine points_left(const Making *making, int index) {
  return affine_add(affine_constant(making->part->loops[index].count), affine_scale(making->start[index], -1));
}

int open_outer(Making *making) {
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

void close_levels(Builder *builder, int count) {
  for (int k = 0; k < count; k++) builder_close(builder);
}

static Affine parked_offset(const Making *making) {
  Affine offset = affine_constant(0);
  for (int d = 0; d < making->tile->loop_count; d++)
    offset = affine_add(offset, affine_scale(making->inside[d], making->parked_stride[d]));
  return offset;
}

Address parked_address(const Making *making) {
  return (Address){.buffer = making->parked, .offset = parked_offset(making), .lane_stride = 1};
}

/* ---- the program ------------------------------------------------------------------------------------------------- */

/* Where few products are added up, what leaves is more than what is read: it should leave in order. */
static bool few_products(const Piece *pieces, int count) {
  enum { FEW = 16 };
  for (int p = 0; p < count; p++) {
    int64_t summed = 1;
    for (int k = 0; k < pieces[p].order_count; k++) summed *= pieces[p].extent[pieces[p].order[k]];
    if (summed > FEW) return false;
  }
  return true;
}

/* All blocks of rows for the pieces of one pass, at one point of the other axes after the other, so that the lanes of a
   point stay in the nearer caches. `done`: each block is finished at once. */
static void multiply_rows(Making *making, const Piece *pieces, const Scope *scopes, int count, bool more, bool done) {
  Builder *builder = making->builder;
  const Tile *tile = making->tile;
  int64_t rows = making->part->loops[tile->row].count, rest = rows % tile->block_rows;
  bool rows_first = few_products(pieces, count);
  int opened = rows_first ? 0 : open_outer(making);
  int inside = builder_for_limit(builder, affine_constant(0), affine_constant(tile->task[tile->row]),
                                 points_left(making, tile->row), tile->block_rows);
  Affine row = making->inside[tile->row] = affine_variable(inside, 1);
  Affine last = affine_add(points_left(making, tile->row), affine_scale(row, -1));
  if (rows_first) opened = open_outer(making);
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

static void park_results(Making *making, bool cut) {
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
  making->line = making->parked = -1;
  if (!cut && leaves_from_registers(making)) return;
  making->parked_size = stride;
  making->parked = builder_workspace(making->builder, storage_of(builder_real(making->builder)), stride);
  if (part_stride(tile, making->part, tile->lane) == 1) return;
  making->line = builder_workspace(making->builder, storage_of(builder_real(making->builder)),
                                   line_elements(making) + builder_lanes(making->builder));
}

static void multiply_part(Making *making) {
  Builder *builder = making->builder;
  const Part *part = making->part;
  Scope *scopes = session_allocate(builder_session(builder), (size_t)(part->piece_count + 1) * sizeof *scopes);
  bool cut = false;
  for (int p = 0; p < part->piece_count; p++) cut |= piece_cut(&part->pieces[p]);
  park_results(making, cut);
  for (int p = 0; p < part->piece_count; p++) {
    Piece *piece = &part->pieces[p];
    if (piece->blocked >= 0) making->start[piece->blocked] = affine_constant(0);
    scopes[p] = piece_scope(making, piece);
    side_place(builder, piece, &piece->b, &scopes[p]);
    side_place(builder, piece, &piece->a, &scopes[p]);
  }
  if (cut) {
    multiply_blocks(making, scopes);
    return;
  }
  for (int p = 0; p < part->piece_count; p++) stage_piece(making, &part->pieces[p], &scopes[p]);
  multiply_rows(making, part->pieces, scopes, part->piece_count, false, making->line < 0 && making->parked >= 0);
  if (making->line >= 0) finish_rows(making, affine_constant(0), making->tile->task[making->tile->row], false);
}

void tile_program(Builder *builder, const Tile *tile, const Phase *phase) {
  Making making = {.builder = builder, .tile = tile, .phase = phase};
  int64_t chunks = 0;
  int branches = 0;
  builder_tile(builder);
  clear_totals(&making);
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
  store_totals(&making);
}
