/* Matrix products as loop programs: the tile with the batch in the lanes, and the one that stages its operand
   transposed. Checks numbers against plain sums, and prints the rate against a peak measured in the same run. */
#include "llvm_builder.h"
#include "check_main.h"
#include "random_numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *numbers(size_t count, uint64_t seed) {
  Random random = {seed};
  float *all = aligned_alloc(64, (count * sizeof *all + 127) / 64 * 64);
  for (size_t i = 0; i < count; i++) all[i] = (float)random_integer(&random, -2048, 2047) / 2048.0f;
  return all;
}

typedef struct Shape {
  int rows, vectors;
  int64_t m, n, k;
} Shape;

enum { K_BLOCK = 96, ROW_BLOCK = 18 }; /* a block of X in L1; a task's rows in turns of a tile's rows */

/* The registers of a tile. */
typedef struct Tile {
  Shape shape;
  int acc, side, factor; /* rows * vectors sums; a vector of the operand in lanes each; one number */
  int r, v;              /* variables: a row, a vector */
} Tile;

static Tile tile_new(Build *b, Shape s, int lanes) {
  Tile tile = {.shape = s};
  tile.acc = build_register(b, REGISTER_F32, lanes, s.rows * s.vectors);
  tile.side = build_register(b, REGISTER_F32, lanes, s.vectors);
  tile.factor = build_register(b, REGISTER_F32, 1, 1);
  tile.r = build_variable(b);
  tile.v = build_variable(b);
  return tile;
}

static Operand tile_sum(const Tile *tile) {
  return at(tile->acc, sum(variable(tile->r, tile->shape.vectors), variable(tile->v, 1)));
}

/* Opens the loops over all sums; tile_end closes them. */
static void tile_each(Build *b, const Tile *tile) {
  build_for(b, tile->r, constant(0), constant(tile->shape.rows), 1, LOOP_UNROLLED);
  build_for(b, tile->v, constant(0), constant(tile->shape.vectors), 1, LOOP_UNROLLED);
}
static void tile_end(Build *b) {
  build_end(b);
  build_end(b);
}

/* Adds the products of a row's number, at `factor`, and the vectors at `operand`, to all sums. */
static void tile_add_products(Build *b, const Tile *tile, Address factor, Address operand) {
  build_for(b, tile->v, constant(0), constant(tile->shape.vectors), 1, LOOP_UNROLLED);
  build_load(b, at(tile->side, variable(tile->v, 1)), operand);
  build_end(b);
  build_for(b, tile->r, constant(0), constant(tile->shape.rows), 1, LOOP_UNROLLED);
  build_load(b, one(tile->factor), factor);
  build_for(b, tile->v, constant(0), constant(tile->shape.vectors), 1, LOOP_UNROLLED);
  build_fma(b, tile_sum(tile), one(tile->factor), at(tile->side, variable(tile->v, 1)), tile_sum(tile));
  tile_end(b);
}

/* out[o,n] = sum over k of W[o,k] * X[k,n], lanes on n: rows * vectors accumulators, summed block by block of k. */
static Program *forward(Session *session, const Machine *machine, Shape s) {
  int lanes = machine->vector_bytes / 4;
  Build *b = build_new(session, "forward", REGISTER_F32, lanes);
  int weights = build_buffer(b, STORAGE_F32, s.m * s.k, false), x = build_buffer(b, STORAGE_F32, s.k * s.n, false);
  int out = build_buffer(b, STORAGE_F32, s.m * s.n, true);
  Tile tile = tile_new(b, s, lanes);
  int r = tile.r, v = tile.v, k = build_variable(b), t = build_variable(b), block = build_variable(b),
      o = build_variable(b);
  int64_t width = s.vectors * lanes, task = s.rows * ROW_BLOCK;
  b->program.tile = true;
  b->program.chunks = s.m / task;
  Affine first = variable(t, width), row = sum(variable(0, task), variable(o, 1));
  Address place = address(out, sum(sum(affine_scale(row, s.n), first), sum(variable(r, s.n), variable(v, lanes))), 1);
  build_for(b, t, constant(0), constant(s.n / width), 1, LOOP_SERIAL);
  build_for(b, block, constant(0), constant(s.k), K_BLOCK, LOOP_SERIAL);
  build_for(b, o, constant(0), constant(task), s.rows, LOOP_SERIAL);
  tile_each(b, &tile);
  build_if(b, variable(block, -1));
  build_set(b, tile_sum(&tile), 0);
  build_else(b);
  build_load(b, tile_sum(&tile), place);
  build_end(b);
  tile_end(b);
  Statement *inner = build_for(b, k, variable(block, 1), sum(variable(block, 1), constant(K_BLOCK)), 1, LOOP_SERIAL);
  inner->has_limit = s.k % K_BLOCK != 0;
  inner->limit = constant(s.k);
  tile_add_products(b, &tile, address(weights, sum(affine_scale(row, s.k), sum(variable(r, s.k), variable(k, 1))), 0),
                    address(x, sum(first, sum(variable(k, s.n), variable(v, lanes))), 1));
  build_end(b);
  tile_each(b, &tile);
  build_store(b, place, tile_sum(&tile), false);
  tile_end(b);
  for (int i = 0; i < 3; i++) build_end(b);
  return &b->program;
}

/* out[o,k] += sum over n of dY[o,n] * X[k,n], lanes on k: X is staged in the workspace as [n][k], turned square by
   square. */
static Program *weight_gradient(Session *session, const Machine *machine, Shape s) {
  int lanes = machine->vector_bytes / 4;
  Build *b = build_new(session, "weight gradient", REGISTER_F32, lanes);
  int dy = build_buffer(b, STORAGE_F32, s.m * s.n, false), x = build_buffer(b, STORAGE_F32, s.k * s.n, false);
  int out = build_buffer(b, STORAGE_F32, s.m * s.k, true);
  Tile tile = tile_new(b, s, lanes);
  int square = build_register(b, REGISTER_F32, lanes, lanes);
  int r = tile.r, v = tile.v, n = build_variable(b), o = build_variable(b), p = build_variable(b);
  int64_t width = s.vectors * lanes;
  b->program.tile = true;
  b->program.chunks = s.k / width;
  int workspace = build_workspace(b, STORAGE_F32, s.n * width);
  build_for(b, n, constant(0), constant(s.n), lanes, LOOP_SERIAL);
  build_for(b, v, constant(0), constant(s.vectors), 1, LOOP_UNROLLED);
  build_for(b, p, constant(0), constant(lanes), 1, LOOP_UNROLLED);
  build_load(
      b, at(square, variable(p, 1)),
      address(x, sum(sum(variable(0, width * s.n), variable(v, lanes * s.n)), sum(variable(p, s.n), variable(n, 1))),
              1));
  build_end(b);
  build_statement(b, STATEMENT_TRANSPOSE)->arguments[0] = one(square);
  build_for(b, p, constant(0), constant(lanes), 1, LOOP_UNROLLED);
  build_store(b, address(workspace, sum(variable(n, width), sum(variable(p, width), variable(v, lanes))), 1),
              at(square, variable(p, 1)), false);
  build_end(b);
  build_end(b);
  build_end(b);
  build_for(b, o, constant(0), constant(s.m), s.rows, LOOP_SERIAL);
  tile_each(b, &tile);
  build_set(b, tile_sum(&tile), 0);
  tile_end(b);
  build_for(b, n, constant(0), constant(s.n), 1, LOOP_SERIAL);
  tile_add_products(b, &tile, address(dy, sum(variable(o, s.n), sum(variable(r, s.n), variable(n, 1))), 0),
                    address(workspace, sum(variable(n, width), variable(v, lanes)), 1));
  build_end(b);
  tile_each(b, &tile);
  Affine place = sum(sum(variable(o, s.k), variable(r, s.k)), sum(variable(0, width), variable(v, lanes)));
  build_store(b, address(out, place, 1), tile_sum(&tile), true);
  tile_end(b);
  build_end(b);
  return &b->program;
}

/* Multiply-adds on registers alone. */
static Program *peak(Session *session, const Machine *machine, int64_t turns) {
  int lanes = machine->vector_bytes / 4;
  Build *b = build_new(session, "peak", REGISTER_F32, lanes);
  int buffer = build_buffer(b, STORAGE_F32, 12 * lanes, true), acc = build_register(b, REGISTER_F32, lanes, 12);
  int x = build_register(b, REGISTER_F32, lanes, 1), y = build_register(b, REGISTER_F32, lanes, 1),
      t = build_variable(b), r = build_variable(b);
  build_load(b, one(x), address(buffer, constant(0), 1));
  build_load(b, one(y), address(buffer, constant(lanes), 1));
  build_for(b, r, constant(0), constant(12), 1, LOOP_UNROLLED);
  build_load(b, at(acc, variable(r, 1)), address(buffer, variable(r, 1), 1));
  build_end(b);
  build_for(b, t, constant(0), constant(turns), 1, LOOP_SERIAL);
  build_for(b, r, constant(0), constant(12), 1, LOOP_UNROLLED);
  build_fma(b, at(acc, variable(r, 1)), one(x), one(y), at(acc, variable(r, 1)));
  build_end(b);
  build_end(b);
  build_for(b, r, constant(0), constant(12), 1, LOOP_UNROLLED);
  build_store(b, address(buffer, variable(r, lanes), 1), at(acc, variable(r, 1)), false);
  build_end(b);
  return &b->program;
}

static void run(Kernel kernel, int64_t chunks, void *const *buffers, void *workspace) {
  Call call = {.buffers = buffers};
  for (int64_t chunk = 0; chunk < chunks; chunk++) kernel(&call, chunk, workspace);
}

static double best_rate(Kernel kernel, const Program *program, void *const *buffers, void *workspace, double flops) {
  double best = 1e9, stop = seconds() + 0.3;
  while (seconds() < stop) {
    double start = seconds();
    run(kernel, program->chunks, buffers, workspace);
    double taken = seconds() - start;
    if (taken < best) best = taken;
  }
  return flops / best * 1e-9;
}

static void test_on(const char *march, Shape s) {
  Session *session = session_new();
  Target *target = target_new(session, march);
  ck_assert_ptr_nonnull(target);
  const Machine *machine = target_machine(target);
  Program *programs[] = {forward(session, machine, s), weight_gradient(session, machine, s),
                         peak(session, machine, 100000)};
  double start = seconds();
  LoadedPrograms *loaded = llvm_load(session, target, 3, programs);
  double compiled = seconds() - start;
  if (loaded == NULL) diagnostic_print_all(session, stderr);
  ck_assert_ptr_nonnull(loaded);
  float *w = numbers((size_t)(s.m * s.k), 1), *x = numbers((size_t)(s.k * s.n), 2), *y = calloc((size_t)(s.m * s.n), 4),
        *dw = calloc((size_t)(s.m * s.k), 4);
  float *registers = aligned_alloc(64, 4096);
  memset(registers, 0, 4096);
  void *workspace = aligned_alloc(64, (size_t)programs[1]->workspace_bytes + 64);
  void *first[] = {w, x, y}, *second[] = {y, x, dw}, *third[] = {registers};
  run(kernel_of(loaded, 0), programs[0]->chunks, first, NULL);
  for (int64_t i = 0; i < s.m * s.n; i += 37) {
    double expected = 0;
    for (int64_t k = 0; k < s.k; k++) expected += (double)w[i / s.n * s.k + k] * x[k * s.n + i % s.n];
    ck_assert_double_eq_tol(y[i], expected, 1e-3);
  }
  run(kernel_of(loaded, 1), programs[1]->chunks, second, workspace);
  for (int64_t i = 0; i < s.m * s.k; i += 1013) {
    double expected = 0;
    for (int64_t n = 0; n < s.n; n++) expected += (double)y[i / s.k * s.n + n] * x[i % s.k * s.n + n];
    ck_assert_double_eq_tol(dw[i], expected, 1e-2);
  }
  double flops = 2.0 * (double)(s.m * s.n * s.k), top = best_rate(kernel_of(loaded, 2), programs[2], third, NULL,
                                                                  2.0 * 100000 * 12 * (machine->vector_bytes / 4));
  double rate = best_rate(kernel_of(loaded, 0), programs[0], first, NULL, flops),
         turned = best_rate(kernel_of(loaded, 1), programs[1], second, workspace, flops);
  printf(
      "%s, %dx%d tile: peak %.0f GFLOP/s; forward %.0f (%.0f%%), weight gradient %.0f (%.0f%%); compiled in %.1f ms\n",
      march, s.rows, s.vectors, top, rate, 100 * rate / top, turned, 100 * turned / top, 1e3 * compiled);
  llvm_unload(loaded);
  free(w), free(x), free(y), free(dw), free(registers), free(workspace);
  session_free(session);
}

START_TEST(product_with_wide_vectors) {
  if (!__builtin_cpu_supports("avx512vl")) return;
  test_on("native", (Shape){6, 4, 1080, 64, 784 - 784 % 64});
  test_on("native", (Shape){8, 2, 1008, 64, 768});
}
END_TEST

START_TEST(product_with_half_vectors) {
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    test_on("x86-64-v3", (Shape){6, 2, 1080, 64, 768});
}
END_TEST

CHECK_MAIN(.tests = {product_with_wide_vectors, product_with_half_vectors})
