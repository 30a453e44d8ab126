/* Copies that change which axis is innermost, by squares of lanes: lines are read along the axis that is contiguous
   where they come from, turned in registers, and written along the one that is contiguous where they go. Takes a phase;
   appends it to a program. */
#include "strategy.h"

typedef struct Turn {
  int from, to; /* axes: contiguous in what is read, in what is written */
} Turn;

static int64_t read_stride(const View *view, const Access *access, int variable) {
  int64_t stride = 0;
  for (int d = 0; d < access->rank; d++)
    for (int t = 0; t < access->coordinates[d].term_count; t++)
      if (access->coordinates[d].terms[t].variable == variable)
        stride += access->coordinates[d].terms[t].coefficient * view->stride[d];
  return stride;
}

static bool find_turn(Builder *builder, const Phase *phase, Turn *turn) {
  const Item *item = phase->items[0];
  *turn = (Turn){-1, -1};
  if (phase->count != 1 || !item_is_map(item) || item->value->op != OP_READ) return false;
  View view = builder_view(builder, item->value->node);
  if (view.value == NULL || view.value->storage != storage_of(builder_real(builder))) return false;
  for (int d = 0; d < item->value->access->rank; d++)
    if (item->value->access->coordinates[d].computed != NULL) return false;
  for (int v = 0; v < item->box_rank; v++) {
    if (item->box[v] < builder_lanes(builder) / 2) continue;
    if (item->view.stride[v] == 1) turn->to = v;
    if (read_stride(&view, item->value->access, v) == 1) turn->from = v;
  }
  return turn->from >= 0 && turn->to >= 0 && turn->from != turn->to;
}

static bool turn_loops(Builder *builder, const Phase *phase, bool parallel) {
  enum { CHUNK_ELEMENTS = 1 << 16, CHUNK_LIMIT = 64 };
  const Item *item = phase->items[0];
  int lanes = builder_lanes(builder), opened = 2, split = -1;
  Turn turn;
  if (!find_turn(builder, phase, &turn)) return false;
  Point read = point_new(builder), write = point_new(builder);
  for (int v = 0; v < item->box_rank; v++)
    if (v != turn.from && v != turn.to && (split < 0 || item->box[v] > item->box[split])) split = v;
  int64_t chunks = item_points(item) / CHUNK_ELEMENTS;
  if (chunks > CHUNK_LIMIT) chunks = CHUNK_LIMIT;
  if (!parallel || split < 0 || chunks < 1) chunks = 1;
  int64_t block = split < 0 ? 1 : (item->box[split] + chunks - 1) / chunks;
  if (parallel) builder_chunks(builder, split < 0 ? 1 : (item->box[split] + block - 1) / block);
  for (int v = 0; v < item->box_rank; v++) {
    Affine at = affine_constant(0);
    if (v == turn.from || v == turn.to) continue;
    if (item->box[v] > 1) {
      Affine first = v == split && chunks > 1 ? affine_variable(0, block) : affine_constant(0);
      Affine end = affine_add(first, affine_constant(v == split && chunks > 1 ? block : item->box[v]));
      at = affine_variable(builder_for_limit(builder, first, end, affine_constant(item->box[v]), 1), 1);
      opened++;
    }
    point_set(&read, v, at, 0, item->box[v] - 1);
    point_set(&write, v, at, 0, item->box[v] - 1);
  }
  int to = builder_for(builder, affine_constant(0), affine_constant(item->box[turn.to]), lanes);
  int from = builder_for(builder, affine_constant(0), affine_constant(item->box[turn.from]), lanes);
  int square = builder_register(builder, builder_real(builder), lanes, lanes), line = builder_unrolled(builder, lanes);
  int64_t reach[2] = {(item->box[turn.from] + lanes - 1) / lanes * lanes,
                      (item->box[turn.to] + lanes - 1) / lanes * lanes};
  point_set(&read, turn.from, affine_variable(from, 1), 0, item->box[turn.from] - 1);
  point_set(&read, turn.to, affine_add(affine_variable(to, 1), affine_variable(line, 1)), 0, reach[1] - 1);
  read.lane_variable = from, read.has_valid = item->box[turn.from] % lanes != 0;
  read.valid = affine_add(affine_constant(item->box[turn.from]), affine_variable(from, -1));
  Operand value = express_real(builder, &read, item->value);
  Statement *move = builder_append(builder, STATEMENT_CONVERT);
  move->result = operand_at(square, affine_variable(line, 1));
  move->arguments[0] = value;
  builder_close(builder);
  builder_append(builder, STATEMENT_TRANSPOSE)->arguments[0] = operand_single(square);
  line = builder_unrolled(builder, lanes);
  point_set(&write, turn.to, affine_variable(to, 1), 0, item->box[turn.to] - 1);
  point_set(&write, turn.from, affine_add(affine_variable(from, 1), affine_variable(line, 1)), 0, reach[0] - 1);
  write.lane_variable = to, write.has_valid = item->box[turn.to] % lanes != 0;
  write.valid = affine_add(affine_constant(item->box[turn.to]), affine_variable(to, -1));
  express_store(builder, &write, &item->view, item->write, operand_at(square, affine_variable(line, 1)), false);
  builder_close(builder);
  for (int k = 0; k < opened; k++) builder_close(builder);
  return true;
}

static bool turn_fits(const Question *question) {
  const Item *item = question->items[0];
  return question->count == 1 && item_is_map(item) && item->value->op == OP_READ;
}

static bool turn_decide(const Question *question, Rival *rival) {
  return strategy_measure(question, question->items[0], turn_loops, rival);
}

static void turn_generate(Builder *builder, const Rival *decided, const Phase *phase, bool parallel) {
  (void)decided;
  if (!turn_loops(builder, phase, parallel)) internal_error(HERE, "a copy that is none any more");
}

const Strategy strategy_turn = {
    .number = STRATEGY_turn,
    .kind = GROUP_NEST,
    .followed = false,
    .fits = turn_fits,
    .decide = turn_decide,
    .cost = loops_cost,
    .generate = turn_generate,
    .print = loops_print,
};
