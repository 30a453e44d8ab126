/* The micro-kernel of a tile: a block of rows times vectors of accumulators in registers, over all that is summed;
   borders are bounds of its loops. Takes a program that is being made; appends to it. Never decides a size. */
#include "making.h"
#include "tests/mutants/mutant.h"

Scope piece_scope(const Making *making, const Piece *piece) {
  Scope scope;
  for (int i = 0; i < LOOP_LIMIT; i++) {
    scope.start[i] = i < BOX_LIMIT || i == piece->blocked ? making->start[i] : affine_constant(0);
    scope.count[i] = piece->extent[i];
    if (i < making->tile->loop_count && making->tile->task[i] < scope.count[i]) scope.count[i] = making->tile->task[i];
    if (i == piece->blocked) scope.count[i] = piece->block;
    if (piece->extent[i] == 1) scope.start[i] = affine_constant(0);
  }
  /* stages of rows and lanes have room for whole blocks; joined lanes are all there */
  const Tile *tile = making->tile;
  if (piece->extent[tile->row] > 1) scope.count[tile->row] = tile->task[tile->row];
  if (tile->joined < 0) scope.count[tile->lane] = tile->task[tile->lane];
  else scope.count[tile->lane] = piece->extent[tile->lane], scope.count[tile->joined] = piece->extent[tile->joined];
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

/* A point that no product reaches keeps what it has. */
static int open_conditions(const Multiply *multiply) {
  Builder *builder = multiply->making->builder;
  int opened = 0;
  for (int b = 0; b < multiply->piece->bound_count; b++) {
    const Bound *bound = &multiply->piece->bounds[b];
    if (!bound->at_point) continue;
    Affine at = form_at(&bound->form, multiply->index);
    builder_if(builder, affine_add(at, affine_constant(-bound->low)));
    builder_if(builder, affine_add(affine_constant(bound->high - 1), affine_scale(at, -1)));
    opened += 2;
  }
  return opened;
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
  int opened = open_conditions(&multiply);
  multiply_loops(&multiply, 0);
  close_levels(builder, opened);
}

void multiply_block(Making *making, const Piece *pieces, const Scope *scopes, int count, int rows, bool more) {
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
    if (pass == 1 && making->parked < 0) finish_accumulator(making, lane, accumulator);
    else if (pass == 1) builder_store(builder, parked_address(making), accumulator, false);
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
