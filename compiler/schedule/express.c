/* Scalar expressions as statements. Takes a point (where the variables of a box are in the loops that are open) and an
   expression; returns the register that holds it. Everything is computed once, in the outermost open loop that defines
   its indices. An expression of scalars of shape [] alone is computed in double precision; it becomes `real` where it
   meets an element. Never opens a loop. */
#include "lower.h"
#include "tests/mutants/mutant.h"

#include <math.h>
#include <string.h>

/* ---- what has been computed -------------------------------------------------------------------------------------- */

typedef struct Computed Computed;
struct Computed {
  Computed *next;
  int point;
  Operand operand;
  int level, serial;
};
typedef struct Known Known;
struct Known {
  Known *next;
  Affine offset;
  Operand operand;
  int level, serial;
};

/* computed: by scalar, at each point; widths: by scalar, 2 more than they are; known: by node, at each place of its
   memory */
struct Memory {
  Map computed, widths, known;
  int points;
};

static struct Memory *memory_of(Builder *builder) {
  struct Memory **memory = builder_memory(builder);
  if (*memory == NULL) *memory = session_allocate(builder_session(builder), sizeof **memory);
  return *memory;
}

Point point_new(Builder *builder) { return (Point){.serial = memory_of(builder)->points++, .lane_variable = -1}; }

void point_set(Point *point, int variable, Affine at, int64_t low, int64_t high) {
  point->at[variable] = at;
  point->low[variable] = low, point->high[variable] = high;
  if (variable >= point->variables) point->variables = variable + 1;
}

static Operand remember(Builder *builder, const Point *point, const Scalar *scalar, Operand operand, int level) {
  struct Memory *memory = memory_of(builder);
  Computed *computed = session_allocate(builder_session(builder), sizeof *computed);
  *computed = (Computed){map_get(&memory->computed, scalar), point->serial, operand, level,
                         builder_level_serial(builder, level)};
  map_put(builder_session(builder), &memory->computed, scalar, computed);
  return operand;
}

static const Computed *recall(Builder *builder, const Point *point, const Scalar *scalar) {
  struct Memory *memory = memory_of(builder);
  Computed *first = map_get(&memory->computed, scalar), *computed = first;
  while (computed != NULL && !builder_level_open(builder, computed->level, computed->serial)) computed = computed->next;
  if (computed != first)
    map_put(builder_session(builder), &memory->computed, scalar, computed); /* what closed comes no more */
  for (; computed != NULL; computed = computed->next)
    if (computed->point == point->serial && builder_level_open(builder, computed->level, computed->serial))
      return computed;
  return NULL;
}

/* ---- types ------------------------------------------------------------------------------------------------------- */

/* 1: scalars of shape [] alone; -1: elements; 0: neither (constants). */
static int width_of(Builder *builder, const Scalar *scalar) {
  if (scalar->op == OP_CONSTANT || scalar->op == OP_NOTHING) return 0;
  if (scalar->op == OP_READ) {
    if (scalar->node->kind == NODE_RANDOM && scalar->node->rank > 0) return -1;
    View view = builder_view(builder, scalar->node);
    return view.value == NULL || register_of(view.value->storage) == builder_real(builder) ? -1 : 1;
  }
  if (operation_arity(scalar->op) == 0) return -1;
  struct Memory *memory = memory_of(builder);
  int known = map_number(&memory->widths, scalar), result = 0;
  if (known > 0) return known - 2;
  for (int a = 0; a < operation_arity(scalar->op); a++) {
    int own = width_of(builder, scalar->argument[a]);
    if (own < 0 || result < 0) result = -1;
    else if (own > 0) result = 1;
  }
  map_put_number(builder_session(builder), &memory->widths, scalar, result + 2);
  return result;
}

static RegisterType type_of(Builder *builder, const Scalar *scalar) {
  return builder_real(builder) == REGISTER_F64 || width_of(builder, scalar) >= 0 ? REGISTER_F64 : REGISTER_F32;
}

/* ---- places and conditions --------------------------------------------------------------------------------------- */

static Affine coordinate_at(const Point *point, const Coordinate *coordinate) {
  Affine sum = affine_constant(coordinate->constant);
  for (int t = 0; t < coordinate->term_count; t++)
    sum = affine_add(sum, affine_scale(point->at[coordinate->terms[t].variable], coordinate->terms[t].coefficient));
  return sum;
}

static void coordinate_reach(const Point *point, const Coordinate *coordinate, int64_t *low, int64_t *high) {
  *low = *high = coordinate->constant;
  for (int t = 0; t < coordinate->term_count; t++) {
    int64_t c = coordinate->terms[t].coefficient;
    int v = coordinate->terms[t].variable;
    *low += c * (c > 0 ? point->low[v] : point->high[v]);
    *high += c * (c > 0 ? point->high[v] : point->low[v]);
  }
}

static int64_t lane_step(const Point *point, Affine affine) {
  return point->lane_variable < 0 ? 0 : affine_coefficient(affine, point->lane_variable);
}

static int larger(int a, int b) { return a > b ? a : b; }

static Operand express_at(Builder *builder, const Point *point, const Scalar *scalar, int *level);

static Operand number(Builder *builder, const Point *point, Affine affine, RegisterType type, int *level) {
  int64_t step = lane_step(point, affine);
  *level = affine_level(builder, affine);
  int reg = builder_register(builder, type, step != 0 ? builder_lanes(builder) : 1, 1);
  Statement *statement = builder_append_at(builder, *level, STATEMENT_NUMBER);
  statement->result = operand_single(reg);
  statement->value = affine;
  statement->lane_step = step;
  return statement->result;
}

/* A computed coordinate as one integer-valued register. */
static Operand coordinate_value(Builder *builder, const Point *point, const Coordinate *coordinate, int *level) {
  Operand value = express_at(builder, point, coordinate->computed, level);
  Register form = builder_register_type(builder, value);
  RegisterType type = form.type == REGISTER_MASK ? builder_real(builder) : form.type;
  value = builder_convert(builder, *level, value, type, form.lanes);
  Affine rest = coordinate_at(point, coordinate);
  if (rest.term_count == 0 && rest.constant == 0) return value;
  int own;
  Operand offset = number(builder, point, rest, type, &own);
  *level = larger(*level, own);
  return builder_operate(builder, *level, OP_ADD, type, value, offset, offset);
}

static Operand within_bounds(Builder *builder, int level, Operand value, int64_t low, int64_t high, bool check_low,
                             bool check_high) {
  Register form = builder_register_type(builder, value);
  Operand result = {.reg = -1};
  int sets[2] = {-1, -1};
  for (int side = 0; side < 2; side++) {
    if (side == 0 ? !check_low : !check_high) continue;
    Statement *set = builder_append_at(builder, level, STATEMENT_SET);
    set->result = operand_single(sets[side] = builder_register(builder, form.type, 1, 1));
    set->constant = (double)(side == 0 ? low : high);
    Operand bound = operand_single(sets[side]);
    Operand holds = side == 0 ? builder_operate(builder, level, OP_LESS_EQUAL, REGISTER_MASK, bound, value, value)
                              : builder_operate(builder, level, OP_LESS, REGISTER_MASK, value, bound, bound);
    result = result.reg < 0 ? holds : builder_operate(builder, level, OP_AND, REGISTER_MASK, result, holds, holds);
  }
  return result;
}

Operand express_between(Builder *builder, const Point *point, Affine affine, int64_t low, int64_t high) {
  int level;
  Operand value = number(builder, point, affine, builder_real(builder), &level);
  return within_bounds(builder, level, value, low, high, true, true);
}

static Operand within_at(Builder *builder, const Point *point, const int64_t *shape, const Access *access, int *level) {
  Operand result = {.reg = -1};
  *level = 0;
  for (int d = 0; d < access->rank; d++) {
    const Coordinate *coordinate = &access->coordinates[d];
    int64_t low, high;
    int own;
    Operand value;
    coordinate_reach(point, coordinate, &low, &high);
    if (coordinate->computed != NULL)
      value = coordinate_value(builder, point, coordinate, &own), low = -1, high = shape[d];
    else if (low >= 0 && high < shape[d]) continue;
    else value = number(builder, point, coordinate_at(point, coordinate), builder_real(builder), &own);
    Operand holds = within_bounds(builder, own, value, 0, shape[d], low < 0, high >= shape[d]);
    *level = larger(*level, own);
    result = result.reg < 0 ? holds : builder_operate(builder, *level, OP_AND, REGISTER_MASK, result, holds, holds);
  }
  return result;
}

static void *kept(Session *session, const void *items, size_t size) {
  return size == 0 ? NULL : memcpy(session_allocate(session, size), items, size);
}

/* The address and the level at which all its parts are known. */
static Address address_at(Builder *builder, const Point *point, const View *view, const Access *access, int *level) {
  Address address = {.offset = affine_constant(0)};
  Guard guards[RANK_LIMIT];
  ComputedIndex computed[RANK_LIMIT];
  bool lanes = false;
  *level = 0;
  for (int d = 0; d < access->rank; d++) {
    const Coordinate *coordinate = &access->coordinates[d];
    if (coordinate->computed != NULL) {
      int own;
      Operand value = coordinate_value(builder, point, coordinate, &own);
      *level = larger(*level, own);
      lanes |= builder_register_type(builder, value).lanes > 1;
      computed[address.computed_count++] =
          (ComputedIndex){.value = value, .stride = view->stride[d], .low = 0, .high = view->shape[d]};
      continue;
    }
    int64_t low, high;
    Affine value = coordinate_at(point, coordinate);
    address.offset = affine_add(address.offset, affine_scale(value, view->stride[d]));
    coordinate_reach(point, coordinate, &low, &high);
    if (low < 0 || high >= view->shape[d]) {
      int64_t step = lane_step(point, value);
      lanes |= step != 0;
      *level = larger(*level, affine_level(builder, value));
      int64_t end = view->shape[d] - MUTANT(border_guard);
      guards[address.guard_count++] = (Guard){.value = value, .lane_step = step, .low = 0, .high = end};
    }
  }
  Session *session = builder_session(builder);
  address.guards = kept(session, guards, (size_t)address.guard_count * sizeof *guards);
  address.computed = kept(session, computed, (size_t)address.computed_count * sizeof *computed);
  *level = larger(*level, affine_level(builder, address.offset));
  address.lane_stride = lane_step(point, address.offset);
  if (address.lane_stride != 0 || lanes) {
    *level = larger(*level, builder_variable_level(builder, point->lane_variable));
    address.has_valid = point->has_valid;
    address.valid = point->valid;
  }
  return address;
}

/* Do lanes of the address differ, by offset, guard or computed part? */
static int address_lanes(Builder *builder, const Address *address) {
  bool lanes = address->lane_stride != 0;
  for (int g = 0; g < address->guard_count; g++) lanes |= address->guards[g].lane_step != 0;
  for (int c = 0; c < address->computed_count; c++)
    lanes |= builder_register_type(builder, address->computed[c].value).lanes > 1;
  return lanes ? builder_lanes(builder) : 1;
}

Address express_address(Builder *builder, const Point *point, const View *view, const Access *access) {
  int level;
  return address_at(builder, point, view, access, &level);
}

/* ---- what is in registers already -------------------------------------------------------------------------------- */

static bool plain_offset(const Point *point, const View *view, const Access *access, Affine *offset) {
  *offset = affine_constant(0);
  for (int d = 0; d < access->rank; d++) {
    if (access->coordinates[d].computed != NULL) return false;
    int64_t low, high;
    coordinate_reach(point, &access->coordinates[d], &low, &high);
    if (low < 0 || high >= view->shape[d]) return false;
    *offset = affine_add(*offset, affine_scale(coordinate_at(point, &access->coordinates[d]), view->stride[d]));
  }
  return true;
}

void express_know(Builder *builder, const Point *point, const Item *item, const Access *access, Operand value) {
  struct Memory *memory = memory_of(builder);
  Known *known = session_allocate(builder_session(builder), sizeof *known);
  int level = builder_level(builder);
  *known = (Known){map_get(&memory->known, item->node), {0}, value, level, builder_level_serial(builder, level)};
  if (plain_offset(point, &item->view, access, &known->offset))
    map_put(builder_session(builder), &memory->known, item->node, known);
}

static const Known *find_known(Builder *builder, const Point *point, const Node *node, const View *view,
                               const Access *access) {
  Affine offset;
  const Known *known = map_get(&memory_of(builder)->known, node);
  if (known == NULL || !plain_offset(point, view, access, &offset)) return NULL;
  while (known != NULL &&
         !(builder_level_open(builder, known->level, known->serial) && affine_equal(known->offset, offset)))
    known = known->next;
  return known;
}

/* ---- leaves ------------------------------------------------------------------------------------------------------ */

static Operand express_random(Builder *builder, const Point *point, const Scalar *read, int *level) {
  const Node *node = read->node;
  Affine sample = affine_constant(0), element = affine_constant(0);
  for (int d = 0; d < node->rank; d++) {
    Affine value = coordinate_at(point, &read->access->coordinates[d]);
    if (d == 0 && node->batch) sample = value;
    else element = affine_add(affine_scale(element, node->shape[d]), value);
  }
  *level = larger(affine_level(builder, sample), affine_level(builder, element));
  int64_t sample_step = lane_step(point, sample), element_step = lane_step(point, element);
  int lanes = sample_step != 0 || element_step != 0 ? builder_lanes(builder) : 1;
  RegisterType type = builder_real(builder);
  int reg = builder_register(builder, type, lanes, 1);
  Statement *random = builder_append_at(builder, *level, STATEMENT_RANDOM);
  random->result = operand_single(reg);
  random->stream = node->stream, random->draw = node->draw, random->distribution = node->distribution;
  random->sample = sample, random->element = element;
  random->sample_step = sample_step, random->element_step = element_step;
  int own;
  Operand holds = within_at(builder, point, node->shape, read->access, &own);
  if (holds.reg < 0) return random->result;
  *level = larger(*level, own);
  Statement *zero = builder_append_at(builder, *level, STATEMENT_SET);
  zero->result = operand_single(builder_register(builder, type, 1, 1));
  return builder_operate(builder, *level, OP_SELECT, type, holds, operand_single(reg), zero->result);
}

static Operand express_read(Builder *builder, const Point *point, const Scalar *read, int *level) {
  View view = builder_view(builder, read->node);
  if (view.value == NULL) return express_random(builder, point, read, level);
  const Known *known = find_known(builder, point, read->node, &view, read->access);
  if (known != NULL) {
    *level = known->level;
    return known->operand;
  }
  Address address = address_at(builder, point, &view, read->access, level);
  address.buffer = builder_buffer(builder, view.value, false);
  return builder_load(builder, *level, register_of(view.value->storage), address_lanes(builder, &address), address);
}

static Operand express_leaf(Builder *builder, const Point *point, const Scalar *scalar, int *level) {
  *level = 0;
  if (scalar->op == OP_READ) return express_read(builder, point, scalar, level);
  if (scalar->op == OP_INDEX) return number(builder, point, point->at[scalar->variable], builder_real(builder), level);
  if (scalar->op == OP_WITHIN) {
    Operand holds = within_at(builder, point, scalar->node->shape, scalar->access, level);
    if (holds.reg >= 0) return holds;
  }
  Statement *set = builder_append_at(builder, 0, STATEMENT_SET);
  set->constant = scalar->op == OP_CONSTANT ? scalar->value : scalar->op == OP_WITHIN ? 1 : 0;
  set->result = operand_single(builder_register(builder, builder_real(builder), 1, 1));
  return set->result;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static Operand express_constant(Builder *builder, RegisterType type, double value) {
  Statement *set = builder_append_at(builder, 0, STATEMENT_SET);
  set->constant = value;
  set->result = operand_single(builder_register(builder, type, 1, 1));
  return set->result;
}

/* An argument in the type that its operation computes in; the level rises to where it is known. */
static Operand express_argument(Builder *builder, const Point *point, const Scalar *scalar, RegisterType type,
                                int *level) {
  if (scalar->op == OP_CONSTANT && type != REGISTER_MASK && type != builder_real(builder))
    return express_constant(builder, type, scalar->value);
  int own;
  Operand operand = express_at(builder, point, scalar, &own);
  operand = builder_convert(builder, own, operand, type, builder_register_type(builder, operand).lanes);
  *level = larger(*level, own);
  return operand;
}

/* a * b + c, rounded once, wherever the expression has this form: a property of the expression, so that equal
   expressions have equal bits. */
static bool product_of_sum(const Scalar *sum, const Scalar **a, const Scalar **b, const Scalar **c, bool *negative) {
  for (int side = 0; side < 2; side++) {
    const Scalar *product = sum->argument[side];
    *negative = product->op == OP_NEGATE;
    if (*negative) product = product->argument[0];
    if (product->op != OP_MULTIPLY || product->variables != sum->variables) continue;
    *a = product->argument[0], *b = product->argument[1], *c = sum->argument[1 - side];
    return true;
  }
  return false;
}

static Operand express_operation(Builder *builder, const Point *point, const Scalar *scalar, int *level) {
  const Scalar *a, *b, *c;
  bool negative;
  RegisterType type = type_of(builder, scalar);
  *level = 0;
  if (scalar->op == OP_ADD && product_of_sum(scalar, &a, &b, &c, &negative)) {
    Operand x = express_argument(builder, point, a, type, level), y = express_argument(builder, point, b, type, level);
    Operand z = express_argument(builder, point, c, type, level);
    if (negative) x = builder_operate(builder, *level, OP_NEGATE, type, x, x, x);
    int lanes = larger(larger(builder_register_type(builder, x).lanes, builder_register_type(builder, y).lanes),
                       builder_register_type(builder, z).lanes);
    int reg = builder_register(builder, type, lanes, 1);
    Statement *fma = builder_append_at(builder, *level, STATEMENT_FMA);
    fma->result = operand_single(reg);
    fma->arguments[0] = x, fma->arguments[1] = y, fma->arguments[2] = z;
    return fma->result;
  }
  Operand arguments[3] = {{0}};
  for (int i = 0; i < operation_arity(scalar->op); i++) {
    bool truth = operation_argument(scalar->op, i) == TYPE_TRUTH;
    arguments[i] = express_argument(builder, point, scalar->argument[i], truth ? REGISTER_MASK : type, level);
  }
  if (operation_result(scalar->op) == TYPE_TRUTH) type = REGISTER_MASK;
  return builder_operate(builder, *level, scalar->op, type, arguments[0], arguments[1], arguments[2]);
}

static Operand express_at(Builder *builder, const Point *point, const Scalar *scalar, int *level) {
  const Computed *computed = recall(builder, point, scalar);
  if (computed != NULL) {
    *level = computed->level;
    return computed->operand;
  }
  Operand operand = operation_arity(scalar->op) == 0 ? express_leaf(builder, point, scalar, level)
                                                     : express_operation(builder, point, scalar, level);
  return remember(builder, point, scalar, operand, *level);
}

Operand express(Builder *builder, const Point *point, const Scalar *scalar) {
  int level;
  return express_at(builder, point, scalar, &level);
}

Operand express_real(Builder *builder, const Point *point, const Scalar *scalar) {
  int level = 0;
  Operand operand = express_argument(builder, point, scalar, builder_real(builder), &level);
  return builder_convert(builder, builder_level(builder), operand, builder_real(builder),
                         point->lane_variable >= 0 ? builder_lanes(builder) : 1);
}

/* ---- what is done with values ------------------------------------------------------------------------------------ */

/* In the accumulator's type; with its lanes, where it has lanes. */
void express_accumulate(Builder *builder, const Point *point, Combine combine, Operand accumulator,
                        const Scalar *scalar, Operand mask) {
  Register form = builder_register_type(builder, accumulator);
  int level = 0;
  if (combine == COMBINE_SUM && mask.reg < 0 && scalar->op == OP_MULTIPLY) {
    Operand a = express_argument(builder, point, scalar->argument[0], form.type, &level);
    Operand b = express_argument(builder, point, scalar->argument[1], form.type, &level);
    builder_fma_into(builder, accumulator, a, b, accumulator);
    return;
  }
  Operand value = express_argument(builder, point, scalar, form.type, &level);
  if (mask.reg >= 0) {
    Operand neutral = express_constant(builder, form.type, combine == COMBINE_SUM ? 0 : -INFINITY);
    value = builder_operate(builder, builder_level(builder), OP_SELECT, form.type, mask, value, neutral);
  }
  builder_operate_into(builder, accumulator, combine == COMBINE_SUM ? OP_ADD : OP_MAXIMUM, accumulator, value, value);
}

void express_store(Builder *builder, const Point *point, const View *view, const Access *access, Operand value,
                   bool accumulate) {
  int level;
  Address address = address_at(builder, point, view, access, &level);
  address.buffer = builder_buffer(builder, view->value, true);
  value = builder_convert(builder, builder_level(builder), value, register_of(view->value->storage),
                          address_lanes(builder, &address));
  builder_store(builder, address, value, accumulate);
}
