/* One factor of a product, as the micro-kernel reads it: in place, or copied into the task's workspace, [form]…[fast],
   by a map nest with whatever the factor computes; what is contiguous along another form is turned by squares. What
   lies beyond the ends of an operand is never read and never counts. */
#include "contraction.h"
#include "tests/mutants/mutant.h"

/* ---- places ------------------------------------------------------------------------------------------------------ */

static int64_t form_size(const Form *form, const Scope *scope) {
  int64_t size = 1;
  for (int i = 0; i < LOOP_LIMIT; i++)
    if (form->of[i] != 0) size += (form->of[i] < 0 ? -form->of[i] : form->of[i]) * (scope->count[i] - 1);
  return size;
}

/* The smallest value of a form in a scope. */
static Affine form_low(const Form *form, const Scope *scope) {
  Affine low = affine_constant(0);
  for (int i = 0; i < LOOP_LIMIT; i++) {
    if (form->of[i] == 0) continue;
    Affine start = scope->start[i];
    if (form->of[i] < 0) start = affine_add(start, affine_constant(scope->count[i] - 1));
    low = affine_add(low, affine_scale(start, form->of[i]));
  }
  return low;
}

void side_place(Builder *builder, const Piece *piece, Side *side, const Scope *scope) {
  enum { SAME_SETS = 128 }; /* elements this far apart meet in a few sets of the first cache */
  (void)piece;
  if (side->in_place) return;
  int64_t lanes = builder_lanes(builder), pitch = 1;
  for (int f = side->form_count - 1; f >= 0; f--) {
    bool fast = f == side->form_count - 1 && side->forms[f].of[side->fast] != 0;
    side->size[f] = form_size(&side->forms[f], scope);
    bool exact = side->joined >= 0 && fast; /* the next row of lanes follows at once */
    int64_t room = (fast || f == side->turned) && !exact ? (side->size[f] + lanes - 1) / lanes * lanes : side->size[f];
    bool after = side->joined >= 0 && f == side->form_count - 2;
    if (f < side->form_count - 1 && pitch > 1 && pitch % SAME_SETS == 0 && !after) pitch += lanes;
    side->pitch[f] = pitch;
    pitch *= room;
  }
  side->workspace = builder_workspace(builder, storage_of(builder_real(builder)), pitch + lanes);
}

Address side_address(Builder *builder, const Piece *piece, const Side *side, const Scope *scope, const Affine *index,
                     int lane) {
  Affine offset = affine_constant(0);
  if (!side->in_place) {
    for (int f = 0; f < side->form_count; f++) {
      Affine at = affine_add(form_at(&side->forms[f], index), affine_scale(form_low(&side->forms[f], scope), -1));
      offset = affine_add(offset, affine_scale(at, side->pitch[f]));
    }
    return (Address){.buffer = side->workspace, .offset = offset, .lane_stride = lane >= 0};
  }
  View view = builder_view(builder, side->value->node);
  for (int d = 0; d < side->value->access->rank; d++) {
    const Coordinate *coordinate = &side->value->access->coordinates[d];
    Affine at = affine_constant(coordinate->constant);
    for (int t = 0; t < coordinate->term_count; t++)
      at = affine_add(at, affine_scale(form_at(&piece->variable[coordinate->terms[t].variable], index),
                                       coordinate->terms[t].coefficient));
    offset = affine_add(offset, affine_scale(at, view.stride[d]));
  }
  return (Address){.buffer = builder_buffer(builder, view.value, false), .offset = offset, .lane_stride = lane >= 0};
}

/* ---- copies ------------------------------------------------------------------------------------------------------ */

/* Where the box variables are while form f has the value at[f], between low[f] and high[f]: the index that stands for a
   form moves, all others are 0. */
static Point copy_point(Builder *builder, const Piece *piece, const Side *side, const Affine *at, const int64_t *low,
                        const int64_t *high) {
  Affine index[LOOP_LIMIT];
  int64_t least[LOOP_LIMIT], most[LOOP_LIMIT];
  for (int i = 0; i < LOOP_LIMIT; i++) index[i] = affine_constant(0), least[i] = most[i] = 0;
  for (int f = 0; f < side->form_count; f++) {
    int i = side->stands[f];
    int64_t sign = side->forms[f].of[i];
    index[i] = affine_scale(at[f], sign);
    least[i] = sign > 0 ? low[f] : -high[f];
    most[i] = sign > 0 ? high[f] : -low[f];
  }
  Point point = point_new(builder);
  for (int v = 0; v < piece->item->box_rank; v++) {
    const Form *form = &piece->variable[v];
    int64_t from = form->constant, to = form->constant;
    for (int i = 0; i < LOOP_LIMIT; i++) {
      from += form->of[i] * (form->of[i] > 0 ? least[i] : most[i]);
      to += form->of[i] * (form->of[i] > 0 ? most[i] : least[i]);
    }
    point_set(&point, v, form_at(form, index), from, to);
  }
  return point;
}

/* What a form can reach in any task: its indices may run beyond their ends by less than a task. */
static void form_reach(const Piece *piece, const Side *side, const Scope *scope, int f, int64_t *low, int64_t *high) {
  *low = *high = 0;
  for (int i = 0; i < LOOP_LIMIT; i++) {
    int64_t count = scope->count[i], all = (piece->extent[i] + count - 1) / count * count;
    int64_t reach = side->forms[f].of[i] * (all - 1);
    *(reach < 0 ? low : high) += reach;
  }
}

typedef struct Copy {
  Builder *builder;
  const Piece *piece;
  const Side *side;
  Affine first[LOOP_LIMIT], inside[LOOP_LIMIT], at[LOOP_LIMIT]; /* by form: low end; from there; value */
  int64_t low[LOOP_LIMIT], high[LOOP_LIMIT];
  int opened;
} Copy;

static void copy_set(Copy *copy, int f, Affine inside) {
  copy->inside[f] = inside;
  copy->at[f] = affine_add(copy->first[f], inside);
}

static int copy_loop(Copy *copy, int f, int64_t step) {
  int variable = builder_for(copy->builder, affine_constant(0), affine_constant(copy->side->size[f]), step);
  copy->opened++;
  copy_set(copy, f, affine_variable(variable, 1));
  return variable;
}

static Address copy_address(const Copy *copy) {
  Affine offset = affine_constant(0);
  for (int f = 0; f < copy->side->form_count; f++)
    offset = affine_add(offset, affine_scale(copy->inside[f], copy->side->pitch[f]));
  return (Address){.buffer = copy->side->workspace, .offset = offset, .lane_stride = 1};
}

static Point lane_point(const Copy *copy, int form, int lane) {
  const Side *side = copy->side;
  Point point = copy_point(copy->builder, copy->piece, side, copy->at, copy->low, copy->high);
  int64_t low, high;
  form_range(&side->forms[form], copy->piece->extent, &low, &high);
  point.lane_variable = lane;
  point.has_valid = true;
  point.valid = affine_add(affine_constant(high + 1 - (form == side->turned && MUTANT(turned_stage))),
                           affine_scale(copy->at[form], -1));
  return point;
}

static void stage_straight(Copy *copy) {
  const Side *side = copy->side;
  Builder *builder = copy->builder;
  int last = side->form_count - 1;
  for (int f = 0; f < last; f++) copy_loop(copy, f, 1);
  if (side->forms[last].of[side->fast] == 0) { /* one row */
    copy_loop(copy, last, 1);
    Point point = copy_point(builder, copy->piece, side, copy->at, copy->low, copy->high);
    Address address = copy_address(copy);
    address.lane_stride = 0;
    builder_store(builder, address, express_real(builder, &point, side->value), false);
    return;
  }
  int lane = copy_loop(copy, last, builder_lanes(builder));
  Point point = lane_point(copy, last, lane);
  builder_store(builder, copy_address(copy), express_real(builder, &point, side->value), false);
}

static void stage_turned(Copy *copy) {
  const Side *side = copy->side;
  Builder *builder = copy->builder;
  int lanes = builder_lanes(builder), last = side->form_count - 1;
  for (int f = 0; f < last; f++)
    if (f != side->turned) copy_loop(copy, f, 1);
  int block = copy_loop(copy, last, lanes), along = copy_loop(copy, side->turned, lanes);
  int square = builder_register(builder, builder_real(builder), lanes, lanes);
  int line = builder_unrolled(builder, lanes);
  copy_set(copy, last, affine_add(affine_variable(block, 1), affine_variable(line, 1)));
  Point point = lane_point(copy, side->turned, along);
  Operand value = express_real(builder, &point, side->value);
  Statement *move = builder_append(builder, STATEMENT_CONVERT);
  move->result = operand_at(square, affine_variable(line, 1));
  move->arguments[0] = value;
  builder_close(builder);
  builder_append(builder, STATEMENT_TRANSPOSE)->arguments[0] = operand_single(square);
  int row = builder_unrolled(builder, lanes);
  copy_set(copy, last, affine_variable(block, 1));
  copy_set(copy, side->turned, affine_add(affine_variable(along, 1), affine_variable(row, 1)));
  builder_store(builder, copy_address(copy), operand_at(square, affine_variable(row, 1)), false);
  builder_close(builder);
}

void side_stage(Builder *builder, const Piece *piece, const Side *side, const Scope *scope) {
  if (side->in_place) return;
  Copy copy = {.builder = builder, .piece = piece, .side = side};
  for (int f = 0; f < side->form_count; f++) {
    copy.first[f] = form_low(&side->forms[f], scope);
    form_reach(piece, side, scope, f, &copy.low[f], &copy.high[f]);
  }
  if (side->form_count == 0) return;
  if (side->turned >= 0) {
    int64_t lanes = builder_lanes(builder); /* lines beyond the last */
    copy.high[side->form_count - 1] += lanes;
    stage_turned(&copy);
  } else stage_straight(&copy);
  for (int k = 0; k < copy.opened; k++) builder_close(builder);
}
