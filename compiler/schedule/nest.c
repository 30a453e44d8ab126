/* Nests: loops over the points of items, lanes along an axis that is contiguous, sums in registers. Takes items whose
   operands lie in memory; appends one phase to a program. Maps at the same points share their loops; a sum or maximum
   is followed by maps of its result. Never chooses what shares a phase. */
#include "nest.h"
#include "tests/mutants/mutant.h"

#include <math.h>
#include <stdlib.h>

int64_t item_points(const Item *item) {
  int64_t points = 1;
  for (int v = 0; v < item->box_rank; v++) points *= item->box[v];
  return points;
}

double item_cost(const Item *item) { return (double)item_points(item) * (scalar_cost(item->value) + 1); }

int64_t view_elements(const View *view) {
  int64_t elements = 1;
  for (int d = 0; d < view->rank; d++) elements *= view->shape[d];
  return elements;
}

bool item_is_map(const Item *item) {
  if (item->combine != COMBINE_SET || item_points(item) != view_elements(&item->view)) return false;
  for (int d = 0; d < item->write->rank; d++) {
    const Coordinate *coordinate = &item->write->coordinates[d];
    bool unit = coordinate_is_constant(coordinate) && coordinate->constant == 0 && item->view.shape[d] == 1;
    if (!unit && (!coordinate_is_bare(coordinate) || coordinate->terms[0].variable != d)) return false;
  }
  return true;
}

static int by_stride(const void *left, const void *right) {
  const Loop *a = left, *b = right;
  int64_t x = llabs(a->stride), y = llabs(b->stride);
  return x != y ? (x < y ? 1 : -1) : a->axis - b->axis;
}

/* ---- chunks and loops -------------------------------------------------------------------------------------------- */

enum { CHUNK_COST = 1 << 18, CHUNK_LIMIT = 64 };

int64_t nest_chunks(double cost) {
  double chunks = cost / CHUNK_COST;
  return chunks < 1 ? 1 : chunks > CHUNK_LIMIT ? CHUNK_LIMIT : (int64_t)chunks;
}

/* The loop that chunks divide: the first with enough turns, else the longest. */
static int split_loop(const Nest *nest, int64_t chunks) {
  int longest = -1;
  for (int l = 0; l < nest->loop_count; l++) {
    int64_t turns = l == nest->lane ? nest->loops[l].extent / builder_lanes(nest->builder) : nest->loops[l].extent;
    if (turns >= chunks) return l;
    if (longest < 0 || turns > nest->loops[longest].extent) longest = l;
  }
  return longest;
}

static int64_t block_of(const Nest *nest, int split, int64_t chunks) {
  int64_t unit = split == nest->lane ? builder_lanes(nest->builder) : 1,
          turns = (nest->loops[split].extent + unit - 1) / unit;
  return (turns + chunks - 1) / chunks * unit;
}

/* chunks > 1: variable 0 takes block after block of one loop. */
void nest_open(Nest *nest, int64_t chunks) {
  Builder *builder = nest->builder;
  int split = chunks > 1 ? split_loop(nest, chunks) : -1, lanes = builder_lanes(builder);
  for (int l = 0; l < nest->loop_count; l++) {
    Loop *loop = &nest->loops[l];
    int64_t step = l == nest->lane ? lanes : 1;
    if (l == split) {
      int64_t block = block_of(nest, split, chunks);
      Affine from = affine_variable(0, block);
      loop->variable = builder_for_limit(builder, from, affine_add(from, affine_constant(block)),
                                         affine_constant(loop->extent), step);
    } else loop->variable = builder_for(builder, affine_constant(0), affine_constant(loop->extent), step);
    if (l == nest->lane && loop->extent % lanes != 0) {
      nest->has_valid = true;
      nest->valid = affine_add(affine_constant(loop->extent), affine_variable(loop->variable, -1));
    }
  }
}

void nest_close(Nest *nest) {
  for (int l = 0; l < nest->loop_count; l++) builder_close(nest->builder);
}

static int64_t used_chunks(const Nest *nest, int64_t chunks) {
  if (chunks <= 1 || nest->loop_count == 0) return 1;
  int split = split_loop(nest, chunks);
  int64_t block = block_of(nest, split, chunks);
  return (nest->loops[split].extent + block - 1) / block;
}

Point nest_point(const Nest *nest) {
  Point point = point_new(nest->builder);
  if (nest->lane >= 0) point.lane_variable = nest->loops[nest->lane].variable;
  point.has_valid = nest->has_valid, point.valid = nest->valid;
  return point;
}

void point_loops(Point *point, const Nest *nest, const int64_t *box) {
  for (int l = 0; l < nest->loop_count; l++) {
    const Loop *loop = &nest->loops[l];
    point_set(point, loop->axis, affine_variable(loop->variable, 1), 0, box[loop->axis] - 1);
    for (int m = 0; m < loop->merged_count; m++) point_set(point, loop->merged[m], affine_constant(0), 0, 0);
  }
}

/* ---- one value at a point ---------------------------------------------------------------------------------------- */

/* Values of a point are all known before the first is stored: what a store overwrites has been read by then. */
typedef struct Leaving {
  int count;
  Operand *values;
} Leaving;

static Leaving leaving_new(Builder *builder, const Phase *phase) {
  return (Leaving){.values = session_allocate(builder_session(builder), (size_t)phase->count * sizeof(Operand))};
}

static void know_value(Builder *builder, Leaving *leaving, const Point *point, const Item *item, const Access *access,
                       Operand value) {
  value = builder_convert(builder, builder_level(builder), value, register_of(item->view.value->storage),
                          builder_register_type(builder, value).lanes);
  express_know(builder, point, item, access, value);
  leaving->values[leaving->count++] = value;
}

/* ---- maps -------------------------------------------------------------------------------------------------------- */

int64_t write_stride(const Item *item, int variable) {
  int64_t stride = 0;
  for (int d = 0; d < item->write->rank; d++) {
    const Coordinate *coordinate = &item->write->coordinates[d];
    for (int t = 0; t < coordinate->term_count; t++)
      if (coordinate->terms[t].variable == variable) stride += coordinate->terms[t].coefficient * item->view.stride[d];
  }
  return stride;
}

/* Does everything move by the same elements whether the inner loop ends or the outer one turns? */
static bool may_merge(Builder *builder, const Phase *phase, const Loop *outer, const Loop *inner) {
  for (int i = 0; i < phase->count; i++) {
    const Item *item = phase->items[i];
    if (write_stride(item, outer->axis) != write_stride(item, inner->axis) * inner->extent) return false;
    Leaves leaves = leaves_of(builder_session(builder), item->value);
    for (int k = 0; k < leaves.count; k++) {
      int64_t a, b;
      if (!leaf_stride(builder, leaves.items[k], item->box, outer->axis, &a)) return false;
      if (!leaf_stride(builder, leaves.items[k], item->box, inner->axis, &b) || a != b * inner->extent) return false;
    }
  }
  return true;
}

static void merge_loops(Nest *nest, const Phase *phase) {
  for (int l = nest->loop_count - 2; l >= 0; l--) {
    Loop *outer = &nest->loops[l], *inner = &nest->loops[l + 1];
    if (!may_merge(nest->builder, phase, outer, inner)) continue;
    inner->extent *= outer->extent;
    inner->merged[inner->merged_count++] = outer->axis;
    for (int m = 0; m < outer->merged_count; m++) inner->merged[inner->merged_count++] = outer->merged[m];
    for (int k = l; k + 1 < nest->loop_count; k++) nest->loops[k] = nest->loops[k + 1];
    nest->loop_count--;
  }
}

void unit_variables(Point *point, const Item *item) {
  for (int v = 0; v < item->box_rank; v++)
    if (v >= point->variables || item->box[v] == 1) point_set(point, v, affine_constant(0), 0, 0);
}

/* A draw by itself: four elements that follow each other share one block of random words. */
static bool draws_by_fours(const Phase *phase, const Nest *nest) {
  const Scalar *value = phase->items[0]->value;
  return phase->count == 1 && value->op == OP_READ && value->node == phase->items[0]->node &&
         value->node->kind == NODE_RANDOM && value->node->batch && nest->loop_count == 2 && nest->loops[1].axis == 0 &&
         nest->loops[0].extent % 4 == 0;
}

static void map_phase(Builder *builder, const Phase *phase, bool parallel) {
  const Item *first = phase->items[0];
  Nest nest = {.builder = builder, .lane = -1};
  double cost = 0;
  bool fours = false;
  for (int v = 0; v < first->box_rank; v++)
    if (first->box[v] > 1)
      nest.loops[nest.loop_count++] = (Loop){.extent = first->box[v], .stride = write_stride(first, v), .axis = v};
  qsort(nest.loops, (size_t)nest.loop_count, sizeof *nest.loops, by_stride);
  merge_loops(&nest, phase);
  nest.lane = nest.loop_count - 1;
  fours = draws_by_fours(phase, &nest);
  if (fours) nest.loops[0].extent /= 4;
  for (int i = 0; i < phase->count; i++) cost += item_cost(phase->items[i]);
  int64_t chunks = parallel ? used_chunks(&nest, nest_chunks(cost)) : 1;
  if (parallel) builder_chunks(builder, chunks);
  nest_open(&nest, chunks);
  Point point = nest_point(&nest);
  unit_variables(&point, first);
  point_loops(&point, &nest, first->box);
  if (fours) {
    int axis = nest.loops[0].axis;
    Affine at =
        affine_add(affine_variable(nest.loops[0].variable, 4), affine_variable(builder_unrolled(builder, 4), 1));
    point_set(&point, axis, at, 0, first->box[axis] - 1);
  }
  Leaving leaving = leaving_new(builder, phase);
  for (int i = 0; i < phase->count; i++) {
    const Item *item = phase->items[i];
    know_value(builder, &leaving, &point, item, item->write, express(builder, &point, item->value));
  }
  for (int i = 0; i < phase->count; i++)
    if (phase->items[i]->stored)
      express_store(builder, &point, &phase->items[i]->view, phase->items[i]->write, leaving.values[i], false);
  if (fours) builder_close(builder);
  nest_close(&nest);
}

/* ---- sums and maxima --------------------------------------------------------------------------------------------- */

/* How the value moves along a loop over output points (free < 0) or over the free variable. */
static double lane_cost(Builder *builder, const Item *item, const Leaves *leaves, const Gather *gather, int loop,
                        int free, int64_t extent) {
  int lanes = builder_lanes(builder);
  double cost = 0, turns = (double)((extent + lanes - 1) / lanes);
  int slot = free >= 0 ? BOX_LIMIT + free : loop;
  for (int k = 0; k < leaves->count; k++) {
    const Scalar *leaf = leaves->items[k];
    int64_t stride = 0;
    bool known = true;
    for (int v = 0; v < item->box_rank; v++) {
      int64_t own, moved = gather->variable[v].coefficient[slot];
      if (moved == 0 || (leaf->variables >> v & 1) == 0) continue;
      known &= leaf_stride(builder, leaf, item->box, v, &own);
      stride += known ? own * moved : 0;
    }
    cost += leaf->op != OP_READ ? 0 : !known ? lanes / 2.0 : stride == 1 ? 1 : stride == 0 ? 0.5 : lanes / 2.0;
  }
  cost = (cost + 1) * turns * lanes / (double)extent;
  return free >= 0 ? cost + 8 / turns : cost;
}

typedef struct Lanes {
  int loop, free;
} Lanes; /* one of them >= 0, or neither */

static int64_t class_stride(const Item *item, const ResidueClass *class, int loop) {
  return class->loops[loop].step * item->view.stride[class->loops[loop].axis];
}

static Lanes choose_lanes(Builder *builder, const Item *item, const ResidueClass *class) {
  Lanes best = {-1, -1};
  double least = INFINITY;
  if (class->gather_count == 0) {
    for (int l = 0; l < class->loop_count; l++)
      if (class->loops[l].count > 1 &&
          (best.loop < 0 || class_stride(item, class, l) < class_stride(item, class, best.loop)))
        best.loop = l;
    return best;
  }
  const Gather *gather = &class->gathers[0];
  Leaves leaves = leaves_of(builder_session(builder), item->value);
  for (int l = 0; l < class->loop_count; l++) {
    if (class->loops[l].count <= 1) continue;
    double cost = lane_cost(builder, item, &leaves, gather, l, -1, class->loops[l].count);
    if (cost < least) least = cost, best = (Lanes){l, -1};
  }
  for (int t = 0; t < gather->free_count; t++) {
    if (gather->free_extent[t] <= 1) continue;
    double cost = lane_cost(builder, item, &leaves, gather, -1, t, gather->free_extent[t]);
    if (cost < least) least = cost, best = (Lanes){-1, t};
  }
  return best;
}

/* Where the box variables of a gather are, given the class's loops q and free variables t. */
static void point_gather(Point *point, const Item *item, const ResidueClass *class, const Gather *gather,
                         const Affine *q, const Affine *t) {
  for (int v = 0; v < item->box_rank; v++) {
    Affine at = affine_constant(gather->variable[v].constant);
    int64_t low = at.constant, high = at.constant;
    for (int k = 0; k < 2 * BOX_LIMIT; k++) {
      int64_t c = gather->variable[v].coefficient[k];
      if (c == 0) continue;
      int64_t extent = k < BOX_LIMIT ? class->loops[k].count : gather->free_extent[k - BOX_LIMIT];
      at = affine_add(at, affine_scale(k < BOX_LIMIT ? q[k] : t[k - BOX_LIMIT], c));
      if (c > 0) high += c * (extent - 1);
      else low += c * (extent - 1);
    }
    point_set(point, v, at, low, high);
  }
}

static Operand both(Builder *builder, Operand a, Operand b) {
  return a.reg < 0 ? b : builder_operate(builder, builder_level(builder), OP_AND, REGISTER_MASK, a, b, b);
}

/* Adds one gather to the accumulator. */
static void gather_loops(const Nest *outer, const Item *item, const ResidueClass *class, const Gather *gather,
                         int lane_free, const Affine *q, Operand accumulator) {
  Builder *builder = outer->builder;
  Nest nest = {.builder = builder, .lane = -1};
  for (int t = 0; t < gather->free_count; t++)
    if (t != lane_free) nest.loops[nest.loop_count++] = (Loop){.extent = gather->free_extent[t], .axis = t};
  if (lane_free >= 0) {
    nest.lane = nest.loop_count;
    nest.loops[nest.loop_count++] = (Loop){.extent = gather->free_extent[lane_free], .axis = lane_free};
  }
  nest_open(&nest, 1);
  Affine t[BOX_LIMIT];
  for (int l = 0; l < nest.loop_count; l++) t[nest.loops[l].axis] = affine_variable(nest.loops[l].variable, 1);
  Point point = nest_point(lane_free >= 0 ? &nest : outer);
  point_gather(&point, item, class, gather, q, t);
  Operand mask = {.reg = -1};
  for (int v = 0; v < item->box_rank; v++)
    if (gather->variable[v].guarded)
      mask = both(builder, mask, express_between(builder, &point, point.at[v], 0, item->box[v] - MUTANT(window_guard)));
  if (lane_free >= 0 && nest.has_valid)
    mask = both(builder, mask,
                express_between(builder, &point, t[lane_free], 0, gather->free_extent[lane_free] - MUTANT(lane_sum)));
  Combine combine = item->combine == COMBINE_MAXIMUM ? COMBINE_MAXIMUM : COMBINE_SUM; /* of one value: that value */
  express_accumulate(builder, &point, combine, accumulator, item->value, mask);
  nest_close(&nest);
}

static Operand finish_sum(Builder *builder, const Item *item, const ResidueClass *class, bool fold,
                          Operand accumulator) {
  RegisterType real = builder_real(builder);
  if (fold) {
    Statement *statement = builder_append(builder, STATEMENT_FOLD);
    statement->operation = item->combine == COMBINE_SUM ? OP_ADD : OP_MAXIMUM;
    statement->arguments[0] = accumulator;
    accumulator = statement->result = operand_single(builder_register(builder, real, 1, 1));
  }
  bool guarded = false;
  for (int g = 0; g < class->gather_count; g++)
    for (int v = 0; v < item->box_rank; v++) guarded |= class->gathers[g].variable[v].guarded;
  if (item->combine != COMBINE_MAXIMUM || !guarded) return accumulator;
  Operand none = builder_set(builder, real, 1, -INFINITY), zero = builder_set(builder, real, 1, 0);
  Operand empty = builder_operate(builder, builder_level(builder), OP_EQUAL, REGISTER_MASK, accumulator, none, none);
  return builder_operate(builder, builder_level(builder), OP_SELECT, real, empty, zero, accumulator);
}

static Nest class_nest(Builder *builder, const Item *root, const ResidueClass *class, Lanes lanes) {
  Nest nest = {.builder = builder, .lane = -1};
  for (int l = 0; l < class->loop_count; l++)
    if (class->loops[l].count > 1 && l != lanes.loop)
      nest.loops[nest.loop_count++] =
          (Loop){.extent = class->loops[l].count, .stride = class_stride(root, class, l), .axis = l};
  qsort(nest.loops, (size_t)nest.loop_count, sizeof *nest.loops, by_stride);
  if (lanes.loop >= 0) {
    nest.lane = nest.loop_count;
    nest.loops[nest.loop_count++] = (Loop){.extent = class->loops[lanes.loop].count, .axis = lanes.loop};
  }
  return nest;
}

static void class_loops(Builder *builder, const Phase *phase, const ResidueClass *class, int64_t chunks) {
  const Item *root = phase->items[0];
  Lanes lanes = choose_lanes(builder, root, class);
  Nest nest = class_nest(builder, root, class, lanes);
  bool once = chunks > 1 && nest.loop_count == 0; /* a single point: the first chunk's */
  if (once) builder_if(builder, affine_variable(0, -1));
  nest_open(&nest, chunks);
  Affine q[BOX_LIMIT];
  for (int l = 0; l < BOX_LIMIT; l++) q[l] = affine_constant(0);
  for (int l = 0; l < nest.loop_count; l++) q[nest.loops[l].axis] = affine_variable(nest.loops[l].variable, 1);
  Operand accumulator =
      builder_set(builder, builder_real(builder), lanes.loop >= 0 || lanes.free >= 0 ? builder_lanes(builder) : 1,
                  root->combine != COMBINE_MAXIMUM || class->gather_count == 0 ? 0 : -INFINITY);
  for (int g = 0; g < class->gather_count; g++)
    gather_loops(&nest, root, class, &class->gathers[g], lanes.free, q, accumulator);
  Operand value = finish_sum(builder, root, class, lanes.free >= 0, accumulator);
  Point out = nest_point(&nest);
  for (int d = 0; d < root->view.rank; d++) {
    Affine at = affine_constant(class->offset[d]);
    int64_t high = class->offset[d];
    for (int l = 0; l < class->loop_count; l++) {
      if (class->loops[l].axis != d) continue;
      at = affine_add(at, affine_scale(q[l], class->loops[l].step));
      high += class->loops[l].step * (class->loops[l].count - 1);
    }
    point_set(&out, d, at, class->offset[d], high);
  }
  const Access *identity = access_identity(builder_graph(builder), root->view.rank);
  Leaving leaving = leaving_new(builder, phase);
  know_value(builder, &leaving, &out, root, identity, value);
  for (int i = 1; i < phase->count; i++) /* maps: their variables are the axes */
    know_value(builder, &leaving, &out, phase->items[i], phase->items[i]->write,
               express(builder, &out, phase->items[i]->value));
  if (root->stored) express_store(builder, &out, &root->view, identity, leaving.values[0], false);
  for (int i = 1; i < phase->count; i++)
    if (phase->items[i]->stored)
      express_store(builder, &out, &phase->items[i]->view, phase->items[i]->write, leaving.values[i], false);
  nest_close(&nest);
  if (once) builder_close(builder);
}

/* ---- a strategy: loops ------------------------------------------------------------------------------------------- */

/* Every element once, whatever the order. */
static bool sets_all(const Item *item) {
  return item->combine == COMBINE_SET && item_points(item) == view_elements(&item->view);
}

static bool sum_phase(Builder *builder, const Phase *phase, bool parallel) {
  const Item *root = phase->items[0];
  Residue *residue = residue_split(builder_session(builder), root, false);
  int64_t chunks = parallel ? nest_chunks(item_cost(root)) : 1, used = 1;
  for (int c = 0; residue != NULL && c < residue->class_count; c++) {
    Nest nest = class_nest(builder, root, &residue->classes[c], choose_lanes(builder, root, &residue->classes[c]));
    int64_t own = used_chunks(&nest, chunks);
    if (own > used) used = own;
  }
  if (residue == NULL) return false;
  if (parallel) builder_chunks(builder, used);
  for (int c = 0; c < residue->class_count; c++) class_loops(builder, phase, &residue->classes[c], used);
  return true;
}

static bool nest_loops(Builder *builder, const Phase *phase, bool parallel) {
  const Item *root = phase->items[0];
  if (!item_is_map(root) && !(sets_all(root) && phase->count == 1)) return sum_phase(builder, phase, parallel);
  map_phase(builder, phase, parallel);
  return true;
}

static bool nest_fits(const Question *question) { return question->count > 0; }

/* Several sums are a program each, and what adds them up is one. */
static bool nest_decide(const Question *question, Rival *rival) {
  for (int k = 0; k < question->count; k++)
    if (!strategy_measure(question, question->items[k], nest_loops, rival)) return false;
  return question->result == NULL || strategy_measure(question, question->result, nest_loops, rival);
}

static double nest_cost(const Question *question, const Rival *rival) {
  return loops_cost(question, rival) + (question->result != NULL ? PROGRAM_START * question->count : 0);
}

static void nest_generate(Builder *builder, const Rival *decided, const Phase *phase, bool parallel) {
  (void)decided;
  if (!nest_loops(builder, phase, parallel)) internal_error(HERE, "a sum whose points land in no order of loops");
}

const Strategy strategy_nest = {
    .number = STRATEGY_nest,
    .kind = GROUP_NEST,
    .followed = true,
    .fits = nest_fits,
    .decide = nest_decide,
    .cost = nest_cost,
    .generate = nest_generate,
    .print = loops_print,
};
