/* Sums and maxima that are added up in memory, term by term and in order: the only way where a write cannot be turned
   around (computed or shared coordinates). Takes an item; clears what it writes, then lets every point land. */
#include "nest.h"

#include <math.h>
#include <stdlib.h>

static void fill_elements(Builder *builder, const Item *item, double value, bool replace) {
  Nest nest = {.builder = builder, .lane = 0, .loop_count = 1};
  nest.loops[0] = (Loop){.extent = view_elements(&item->view)};
  nest_open(&nest, 1);
  RegisterType type = register_of(item->view.value->storage);
  int lanes = builder_lanes(builder), level = builder_level(builder);
  Address address = {.buffer = builder_buffer(builder, item->view.value, true),
                     .offset = affine_variable(nest.loops[0].variable, 1),
                     .lane_stride = 1,
                     .has_valid = nest.has_valid,
                     .valid = nest.valid};
  Operand result = builder_set(builder, type, lanes, value);
  if (replace) { /* where nothing has landed */
    Operand old = builder_load(builder, level, type, lanes, address), none = builder_set(builder, type, 1, -INFINITY);
    result = builder_operate(builder, level, OP_SELECT, type,
                             builder_operate(builder, level, OP_EQUAL, REGISTER_MASK, old, none, none), result, old);
  }
  builder_store(builder, address, result, false);
  nest_close(&nest);
}

/* Lanes may write together where the variable alone moves one coordinate, which nothing computed disturbs. */
static bool lanes_write_apart(const Item *item, int variable) {
  int coordinates = 0;
  for (int d = 0; d < item->write->rank; d++) {
    const Coordinate *coordinate = &item->write->coordinates[d];
    bool here = false;
    for (int t = 0; t < coordinate->term_count; t++) here |= coordinate->terms[t].variable == variable;
    if (coordinate->computed != NULL && (here || (coordinate->computed->variables >> variable & 1) != 0)) return false;
    coordinates += here;
  }
  return coordinates == 1;
}

static bool scatter_loops(Builder *builder, const Phase *phase, bool parallel) {
  const Item *item = phase->items[0];
  (void)parallel; /* terms land in order */
  bool maximum = item->combine == COMBINE_MAXIMUM;
  fill_elements(builder, item, maximum ? -INFINITY : 0, false);
  Nest nest = {.builder = builder, .lane = -1};
  for (int v = 0; v < item->box_rank; v++)
    if (item->box[v] > 1)
      nest.loops[nest.loop_count++] = (Loop){.extent = item->box[v], .stride = write_stride(item, v), .axis = v};
  for (int l = 0; l < nest.loop_count; l++)
    if (lanes_write_apart(item, nest.loops[l].axis) &&
        (nest.lane < 0 || llabs(nest.loops[l].stride) < llabs(nest.loops[nest.lane].stride)))
      nest.lane = l;
  if (nest.lane >= 0) {
    Loop lane = nest.loops[nest.lane];
    for (int l = nest.lane; l + 1 < nest.loop_count; l++) nest.loops[l] = nest.loops[l + 1];
    nest.loops[nest.lane = nest.loop_count - 1] = lane;
  }
  nest_open(&nest, 1);
  Point point = nest_point(&nest);
  unit_variables(&point, item);
  point_loops(&point, &nest, item->box);
  Operand value = express(builder, &point, item->value);
  if (maximum) {
    Address address = express_address(builder, &point, &item->view, item->write);
    address.buffer = builder_buffer(builder, item->view.value, true);
    int lanes = point.lane_variable >= 0 ? builder_lanes(builder) : 1, level = builder_level(builder);
    RegisterType type = register_of(item->view.value->storage);
    Operand old = builder_load(builder, level, type, lanes, address);
    value = builder_convert(builder, level, value, type, lanes);
    builder_store(builder, address, builder_operate(builder, level, OP_MAXIMUM, type, old, value, value), false);
  } else express_store(builder, &point, &item->view, item->write, value, item->combine == COMBINE_SUM);
  nest_close(&nest);
  if (maximum) fill_elements(builder, item, 0, true);
  return true;
}

static bool scatter_fits(const Question *question) { return question->count == 1 && !item_is_map(question->items[0]); }

static bool scatter_decide(const Question *question, Rival *rival) {
  return strategy_measure(question, question->items[0], scatter_loops, rival);
}

static void scatter_generate(Builder *builder, const Rival *decided, const Phase *phase, bool parallel) {
  (void)decided;
  scatter_loops(builder, phase, parallel);
}

const Strategy strategy_scatter = {
    .number = STRATEGY_scatter,
    .kind = GROUP_NEST,
    .followed = false,
    .fits = scatter_fits,
    .decide = scatter_decide,
    .cost = loops_cost,
    .generate = scatter_generate,
    .print = loops_print,
};
