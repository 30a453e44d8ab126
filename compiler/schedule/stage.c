/* One side of a product, as the micro-kernel wants it: contiguous in rows or lanes. Takes a factor; reads it in place
   where that serves, else copies it into the task's workspace, [k][fast], by an ordinary map nest with whatever the
   factor computes; what is contiguous along k is turned by squares. What lies beyond the ends of an operand is never
   read and never counts. */
#include "lower.h"
#include "tests/mutants/mutant.h"

static int64_t k_points(const Piece *piece) {
  int64_t points = 1;
  for (int i = 0; i < piece->k_count; i++) points *= piece->item->box[piece->k[i]];
  return points;
}

static bool plain_read(Builder *builder, const Side *side) {
  if (side->value->op != OP_READ || builder_view(builder, side->value->node).value == NULL) return false;
  StorageType storage = builder_view(builder, side->value->node).value->storage;
  int64_t stride;
  for (int v = 0; v < side->item->box_rank; v++)
    if (!leaf_stride(builder, side->value, side->item->box, v, &stride)) return false;
  return storage == storage_of(builder_real(builder));
}

static int64_t stride_along(Builder *builder, const Side *side, int variable) {
  int64_t stride;
  return leaf_stride(builder, side->value, side->item->box, variable, &stride) ? stride : 0;
}

/* Lanes are loaded where they are contiguous. Rows are broadcast from anywhere, but rows that are contiguous across a
   long stride would waste cache lines. */
Side side_new(Builder *builder, const Piece *piece, bool lanes, int64_t width) {
  enum { LONG_STRIDE = 64, SAME_SETS = 128 }; /* rows this many elements apart meet in a few sets of the first cache */
  Side side = {.item = piece->item,
               .value = lanes ? piece->b : piece->a,
               .fast = lanes ? piece->lane : piece->row,
               .piece = piece,
               .width = width};
  if (plain_read(builder, &side)) {
    int64_t fast = stride_along(builder, &side, side.fast),
            k = stride_along(builder, &side, piece->k[piece->k_count - 1]);
    side.in_place = lanes ? fast == 1 : fast != 1 || k < LONG_STRIDE;
  }
  if (side.in_place) return side;
  int64_t lanes_wide = builder_lanes(builder), last = piece->item->box[piece->k[piece->k_count - 1]];
  int64_t points = k_points(piece) / last * ((last + lanes_wide - 1) / lanes_wide * lanes_wide);
  side.pitch = width % SAME_SETS == 0 ? width + lanes_wide : width;
  side.workspace = builder_workspace(builder, storage_of(builder_real(builder)), points * side.pitch);
  return side;
}

/* The number of the k at a point, the innermost variable's extent rounded up to whole squares. */
static Affine k_number(Builder *builder, const Side *side, const Point *point) {
  Affine number = affine_constant(0);
  for (int i = 0; i < side->piece->k_count; i++) {
    int64_t extent = side->item->box[side->piece->k[i]], lanes = builder_lanes(builder);
    if (i == side->piece->k_count - 1) extent = (extent + lanes - 1) / lanes * lanes;
    number = affine_add(affine_scale(number, extent), point->at[side->piece->k[i]]);
  }
  return number;
}

static Address workspace_address(Builder *builder, const Side *side, const Point *point, Affine inside) {
  Affine offset = affine_scale(k_number(builder, side, point), side->pitch);
  return (Address){.buffer = side->workspace, .offset = affine_add(offset, inside), .lane_stride = 1};
}

Address side_address(Builder *builder, const Side *side, const Point *point, Affine inside) {
  if (!side->in_place) {
    Address address = workspace_address(builder, side, point, inside);
    address.lane_stride = point->lane_variable >= 0 ? 1 : 0;
    return address;
  }
  View view = builder_view(builder, side->value->node);
  Address address = express_address(builder, point, &view, side->value->access);
  address.buffer = builder_buffer(builder, view.value, false);
  return address;
}

/* The k variable along which the factor's reads are contiguous, or -1: lanes as they are. */
static int turned_variable(Builder *builder, const Side *side) {
  Leaves leaves = leaves_of(builder_session(builder), side->value);
  int k = side->piece->k[side->piece->k_count - 1], along = 0, across = 0;
  for (int l = 0; l < leaves.count; l++) {
    int64_t fast, inner;
    if (leaves.items[l]->op != OP_READ) continue;
    along += leaf_stride(builder, leaves.items[l], side->item->box, side->fast, &fast) && fast == 1;
    across += leaf_stride(builder, leaves.items[l], side->item->box, k, &inner) && inner == 1;
  }
  return across > along ? k : -1;
}

static void stage_straight(Builder *builder, const Side *side, Point *point, Affine from) {
  int64_t lanes = builder_lanes(builder), extent = side->item->box[side->fast];
  for (int i = 0; i < side->piece->k_count; i++) {
    int v = side->piece->k[i];
    point_set(point, v,
              affine_variable(builder_for(builder, affine_constant(0), affine_constant(side->item->box[v]), 1), 1), 0,
              side->item->box[v] - 1);
  }
  int inside = builder_for(builder, affine_constant(0), affine_constant(side->width), lanes);
  Affine at = affine_add(from, affine_variable(inside, 1));
  point_set(point, side->fast, at, 0, extent - 1);
  point->lane_variable = inside;
  point->has_valid = true;
  point->valid = affine_add(affine_constant(extent), affine_scale(at, -1));
  Operand value = express_real(builder, point, side->value);
  builder_store(builder, workspace_address(builder, side, point, affine_variable(inside, 1)), value, false);
  for (int i = 0; i <= side->piece->k_count; i++) builder_close(builder);
}

static void stage_turned(Builder *builder, const Side *side, Point *point, Affine from, int turned) {
  int64_t lanes = builder_lanes(builder), extent = side->item->box[side->fast], length = side->item->box[turned];
  RegisterType real = builder_real(builder);
  for (int i = 0; i + 1 < side->piece->k_count; i++) {
    int v = side->piece->k[i];
    point_set(point, v,
              affine_variable(builder_for(builder, affine_constant(0), affine_constant(side->item->box[v]), 1), 1), 0,
              side->item->box[v] - 1);
  }
  int block = builder_for(builder, affine_constant(0), affine_constant(side->width), lanes);
  int along = builder_for(builder, affine_constant(0), affine_constant(length), lanes);
  int square = builder_register(builder, real, (int)lanes, (int)lanes);
  point_set(point, turned, affine_variable(along, 1), 0, length - 1);
  point->lane_variable = along;
  point->has_valid = length % lanes != 0;
  point->valid = affine_add(affine_constant(length - MUTANT(turned_stage)), affine_variable(along, -1));
  int line = builder_unrolled(builder, lanes);
  Affine at = affine_add(from, affine_add(affine_variable(block, 1), affine_variable(line, 1)));
  point_set(point, side->fast, at, 0, (extent + side->width - 1) / side->width * side->width - 1);
  Operand value = express_real(builder, point, side->value);
  Statement *move = builder_append(builder, STATEMENT_CONVERT);
  move->result = operand_at(square, affine_variable(line, 1));
  move->arguments[0] = value;
  builder_close(builder);
  builder_append(builder, STATEMENT_TRANSPOSE)->arguments[0] = operand_single(square);
  int row = builder_unrolled(builder, lanes);
  Address address = workspace_address(builder, side, point, affine_variable(block, 1));
  address.offset = affine_add(address.offset, affine_variable(row, side->pitch));
  builder_store(builder, address, operand_at(square, affine_variable(row, 1)), false);
  for (int i = 0; i < side->piece->k_count + 2; i++) builder_close(builder);
}

void side_stage(Builder *builder, const Side *side, const Point *outer, Affine from) {
  if (side->in_place) return;
  Point point = point_new(builder);
  int serial = point.serial;
  point = *outer;
  point.serial = serial;
  int turned = turned_variable(builder, side);
  if (turned >= 0) stage_turned(builder, side, &point, from, turned);
  else stage_straight(builder, side, &point, from);
}
