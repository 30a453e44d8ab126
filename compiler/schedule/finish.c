/* What follows a tile's sums at the same points: maps, sums along the lanes, stores; from registers, or from where
   results are parked, row by row, in the order of the output. Takes a program that is being made; appends to it. */
#include "making.h"

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
    if (!sums_lanes(item) || item->per_chunk || sums[i].reg < 0) continue;
    Statement *fold = builder_append(builder, STATEMENT_FOLD);
    fold->operation = OP_ADD;
    fold->arguments[0] = sums[i];
    fold->result = operand_single(builder_register(builder, builder_real(builder), 1, 1));
    Point point = point_new(builder);
    for (int v = 0; v < item->box_rank; v++) point_set(&point, v, row, 0, making->tile->rows - 1);
    express_store(builder, &point, &item->view, item->write, fold->result, false);
  }
}

/* ---- what all points of a chunk add up to ------------------------------------------------------------------------ */

static Address total_address(const Making *making, int item) {
  return (Address){.buffer = making->totals[item], .offset = affine_constant(0), .lane_stride = 1};
}

void clear_totals(Making *making) {
  Builder *builder = making->builder;
  int lanes = builder_lanes(builder), count = making->phase->count;
  making->totals = session_allocate(builder_session(builder), (size_t)count * sizeof *making->totals);
  for (int i = 0; i < count; i++) {
    making->totals[i] = -1;
    if (!making->phase->items[i]->per_chunk) continue;
    making->totals[i] = builder_workspace(builder, storage_of(builder_real(builder)), lanes);
    builder_store(builder, total_address(making, i), builder_set(builder, builder_real(builder), lanes, 0), false);
  }
}

/* Between the kernels that need all registers, it lies in the workspace. */
static void add_totals(Making *making, const Operand *sums) {
  Builder *builder = making->builder;
  RegisterType real = builder_real(builder);
  for (int i = 0; i < making->phase->count; i++) {
    if (making->totals[i] < 0) continue;
    Operand before =
        builder_load(builder, builder_level(builder), real, builder_lanes(builder), total_address(making, i));
    builder_store(builder, total_address(making, i),
                  builder_operate(builder, builder_level(builder), OP_ADD, real, before, sums[i], sums[i]), false);
  }
}

void store_totals(Making *making) {
  Builder *builder = making->builder;
  RegisterType real = builder_real(builder);
  for (int i = 0; i < making->phase->count; i++) {
    if (making->totals[i] < 0) continue;
    Operand all = builder_load(builder, builder_level(builder), real, builder_lanes(builder), total_address(making, i));
    Statement *fold = builder_append(builder, STATEMENT_FOLD);
    fold->operation = OP_ADD;
    fold->arguments[0] = all;
    fold->result = operand_single(builder_register(builder, real, 1, 1));
    int buffer = builder_buffer(builder, making->phase->items[i]->view.value, true);
    builder_store(builder, (Address){.buffer = buffer, .offset = affine_variable(0, 1)}, fold->result, false);
  }
}

/* ---- what follows at a point ------------------------------------------------------------------------------------- */

static void add_total(Making *making, const Item *item, const Point *out, Operand sum) {
  Operand mask = {.reg = -1};
  if (out->has_valid) mask = express_between(making->builder, out, out->valid, 1, INT64_C(1) << 40);
  express_accumulate(making->builder, out, COMBINE_SUM, sum, item->value, mask);
}

/* One register each, of zeros. */
static Operand *sums_begin(Making *making) {
  Builder *builder = making->builder;
  int count = making->phase->count;
  Operand *sums = session_allocate(builder_session(builder), (size_t)count * sizeof *sums);
  for (int i = 0; i < count; i++) {
    sums[i].reg = -1;
    if (i > 0 && sums_lanes(making->phase->items[i]))
      sums[i] = builder_set(builder, builder_real(builder), builder_lanes(builder), 0);
  }
  return sums;
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
      (item->per_chunk ? add_total : add_sum)(making, item, out, sums[i]);
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
  Affine value[BOX_LIMIT];
  int64_t count[BOX_LIMIT];
  for (int l = 0; l < tile->loop_count; l++) {
    count[l] = part->loops[l].count;
    value[l] = count[l] == 1 ? affine_constant(0) : affine_add(making->start[l], making->inside[l]);
  }
  if (tile->joined >= 0) count[tile->lane] = tile->lane_own; /* beyond, what is read and written goes on as lanes do */
  int64_t below = 1;
  for (int k = 0; k < part->digit_count; k++) {
    Affine number = affine_add(making->start[tile->row], making->inside[tile->row]);
    int64_t modulus = k + 1 < part->digit_count ? part->digit_values[k] : 0;
    value[part->digits[k]] = affine_variable(builder_let(making->builder, number, below, modulus), 1);
    count[part->digits[k]] = part->digit_values[k];
    below *= part->digit_values[k];
  }
  for (int d = 0; d < tile->view->rank; d++) {
    Affine at = affine_constant(part->offset[d]);
    int64_t high = part->offset[d];
    for (int l = 0; l < tile->loop_count; l++) {
      const ClassLoop *loop = &part->loops[l];
      if (loop->axis != d) continue;
      at = affine_add(at, affine_scale(value[l], loop->step));
      high += loop->step * (count[l] - 1);
    }
    point_set(&out, d, at, part->offset[d], high);
  }
  return out;
}

void finish_accumulator(Making *making, int lane, Operand accumulator) {
  const Tile *tile = making->tile;
  Point out = result_point(making);
  out.lane_variable = lane;
  int64_t width = (int64_t)tile->block_vectors * builder_lanes(making->builder);
  out.has_valid = making->part->loops[tile->lane].count % width != 0;
  out.valid = affine_add(points_left(making, tile->lane), affine_scale(making->inside[tile->lane], -1));
  finish_point(making, &out, accumulator, NULL);
}

/* Vector by vector, where lanes are contiguous in the output; at all other points of the chunk, or (`here`) at this. */
static void finish_lanes(Making *making, bool here) {
  Builder *builder = making->builder;
  const Tile *tile = making->tile;
  int lanes = builder_lanes(builder);
  const Operand *sums = sums_begin(making);
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
  add_totals(making, sums);
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
    int64_t outer_step = item->view.stride[high->axis] * high->step,
            inner_step = item->view.stride[low->axis] * low->step;
    if (!item->per_chunk && outer_step != inner_step * extent) return false;
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

int64_t line_elements(const Making *making) { return line_of(making).elements; }

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
  const Operand *sums = sums_begin(making);
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
               sums);
  close_levels(builder, opened + 1);
  add_totals(making, sums);
}

void finish_rows(Making *making, Affine first, int64_t rows, bool here) {
  Builder *builder = making->builder;
  const Tile *tile = making->tile;
  Affine left = affine_add(points_left(making, tile->row), affine_scale(first, -1));
  int row = builder_for_limit(builder, affine_constant(0), affine_constant(rows), left, 1);
  making->inside[tile->row] = affine_add(first, affine_variable(row, 1));
  if (making->line >= 0) finish_line(making);
  else finish_lanes(making, here);
  builder_close(builder);
}

bool leaves_from_registers(const Making *making) {
  enum { CHEAP = 12 };
  double cost = 0;
  if (part_stride(making->tile, making->part, making->tile->lane) != 1) return false;
  for (int i = 1; i < making->phase->count; i++) {
    if (sums_lanes(making->phase->items[i])) return false;
    cost += scalar_cost(making->phase->items[i]->value);
  }
  return cost <= CHEAP;
}
