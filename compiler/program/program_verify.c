/* Is a loop program well formed? Walks it as a back end does, unrolled loops expanded, and checks scopes, types, lanes,
   register indices, that registers are written before they are read, and, where bounds are plain, addresses. Takes a
   program; returns true or reports one internal error; changes nothing. */
#include "statements.h"

#include <inttypes.h>
#include <stdlib.h>

/* What is known of a loop variable. plain: it takes every value of its range whatever the others are. */
typedef struct Range {
  bool defined, plain;
  int64_t low, high;
} Range;

typedef struct Verifier {
  Session *session;
  const Program *program;
  Range *variables;
  int *first;    /* of each register, in `written` */
  bool *written; /* per element of a register array */
  int choices;   /* IFs around, whose condition is not constant */
  bool failed;
} Verifier;

static void fail(Verifier *v, const Statement *statement, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void fail(Verifier *v, const Statement *statement, const char *format, ...) {
  if (v->failed) return;
  v->failed = true;
  va_list arguments;
  va_start(arguments, format);
  const char *what = session_format_list(v->session, format, arguments);
  va_end(arguments);
  const char *title = v->program->title == NULL ? "" : v->program->title;
  diagnostic_report(v->session, E5014, statement == NULL ? v->program->span : statement->span,
                    "loop program %d (%s), %s: %s", v->program->id, title,
                    statement == NULL ? "as a whole" : statement_rows[statement->kind].name, what);
}

/* False where a variable is not defined. */
static bool affine_range(Verifier *v, const Statement *statement, const Affine *affine, Range *range) {
  *range = (Range){true, true, affine->constant, affine->constant};
  for (int i = 0; i < affine->term_count; i++) {
    int variable = affine->terms[i].variable;
    int64_t coefficient = affine->terms[i].coefficient;
    if (variable < 0 || variable >= v->program->variable_count || !v->variables[variable].defined) {
      fail(v, statement, "i%d is not defined here", variable);
      return false;
    }
    const Range *term = &v->variables[variable];
    range->low += coefficient * (coefficient > 0 ? term->low : term->high);
    range->high += coefficient * (coefficient > 0 ? term->high : term->low);
    range->plain = range->plain && term->plain;
  }
  return true;
}

/* ---- what a row asks --------------------------------------------------------------------------------------------- */

/* The register and the `width - 1` behind it. */
static const Register *check_operand(Verifier *v, const Statement *statement, const Operand *operand, int width,
                                     bool read) {
  static const Register nothing = {REGISTER_F32, 1, 1};
  if (operand->reg < 0 || operand->reg >= v->program->register_count) {
    fail(v, statement, "there is no register r%d", operand->reg);
    return &nothing;
  }
  const Register *reg = &v->program->registers[operand->reg];
  Range index;
  if (!affine_range(v, statement, &operand->index, &index)) return reg;
  if (index.low != index.high) fail(v, statement, "the index of r%d is not constant after unrolling", operand->reg);
  else if (index.low < 0 || index.low + width > reg->count)
    fail(v, statement, "r%d has %d registers, and %" PRId64 " is used", operand->reg, reg->count,
         index.low + width - 1);
  else
    for (int i = 0; i < width; i++) {
      bool *written = &v->written[v->first[operand->reg] + index.low + i];
      if (read && !*written)
        fail(v, statement, "r%d[%" PRId64 "] is read before it is written", operand->reg, index.low + i);
      *written = true;
    }
  return reg;
}

/* Of the result; where there is none, of the first argument. */
static const Register *shape_of(const Verifier *v, const Statement *statement) {
  const Operand *operand = statement_result(statement);
  int number = operand != NULL ? operand->reg : statement->arguments[0].reg;
  return number < 0 || number >= v->program->register_count ? NULL : &v->program->registers[number];
}

static void check_demands(Verifier *v, const Statement *statement, const Field *field, int number,
                          const Register *reg) {
  const Register *shape = shape_of(v, statement);
  unsigned demands = field->demands;
  if (shape == NULL) return; /* reported where it is looked up */
  if ((demands & NUMBERS) != 0 && reg->type == REGISTER_MASK)
    fail(v, statement, "%s: numbers are wanted, and truth values found", field->name);
  if ((demands & ALIKE) != 0 && reg->type != shape->type) fail(v, statement, "argument %d has another type", number);
  if ((demands & SPREAD) != 0 && reg->lanes != 1 && reg->lanes != shape->lanes)
    fail(v, statement, "argument %d has %d lanes, the result %d", number, reg->lanes, shape->lanes);
  if ((demands & SINGLE) != 0 && reg->lanes != 1) fail(v, statement, "%s: one lane is wanted", field->name);
  if ((demands & FULL) != 0 && (reg->lanes < 2 || reg->lanes != v->program->lanes))
    fail(v, statement, "%s: a vector of all lanes is wanted", field->name);
}

static void check_address(Verifier *v, const Statement *statement, const Field *field) {
  const Address *address = field_at(statement, field);
  const Register *shape = shape_of(v, statement);
  if (address->buffer < 0 || address->buffer >= v->program->buffer_count) {
    fail(v, statement, "there is no buffer b%d", address->buffer);
    return;
  }
  const Buffer *buffer = &v->program->buffers[address->buffer];
  Range offset, other;
  if (!affine_range(v, statement, &address->offset, &offset)) return;
  if (address->has_valid && !affine_range(v, statement, &address->valid, &other)) return;
  for (int i = 0; i < address->guard_count; i++)
    if (!affine_range(v, statement, &address->guards[i].value, &other)) return;
  int lanes = shape == NULL ? 1 : shape->lanes;
  for (int i = 0; i < address->computed_count; i++) {
    const Register *value = check_operand(v, statement, &address->computed[i].value, 1, true);
    if (value->type == REGISTER_MASK || (value->lanes != 1 && value->lanes != lanes))
      fail(v, statement, "a computed index has other lanes, or is a mask");
  }
  if ((field->demands & WRITES) != 0 && buffer->space == SPACE_GLOBAL && !buffer->written)
    fail(v, statement, "b%d is not marked as written", address->buffer);
  if (!offset.plain || v->choices > 0 || address->has_valid || address->guard_count > 0 || address->computed_count > 0)
    return;
  int64_t reach = address->lane_stride * (lanes - 1), low = offset.low + (reach < 0 ? reach : 0),
          high = offset.high + (reach > 0 ? reach : 0);
  if (low < 0 || high >= buffer->elements)
    fail(v, statement, "elements %" PRId64 " to %" PRId64 " of %" PRId64 " are touched", low, high, buffer->elements);
}

static void check_whole(Verifier *v, const Statement *statement, const Field *field, int64_t least, int64_t end) {
  int64_t value = field_whole(statement, field);
  if (value < least || value >= end) fail(v, statement, "the %s is %" PRId64, field->name, value);
}

static void check_field(Verifier *v, const Statement *statement, const Field *field) {
  const void *at = field_at(statement, field);
  Range range;
  switch (field->kind) {
  case FIELD_ARGUMENTS:
    for (int i = 0; i < field_count(statement, field) && !v->failed; i++)
      check_demands(v, statement, field, i, check_operand(v, statement, &statement->arguments[i], 1, true));
    break;
  case FIELD_RESULT: check_demands(v, statement, field, 0, check_operand(v, statement, at, 1, false)); break;
  case FIELD_SQUARE:
    check_demands(v, statement, field, 0, check_operand(v, statement, at, v->program->lanes, true));
    break;
  case FIELD_AFFINE: affine_range(v, statement, at, &range); break;
  case FIELD_ADDRESS: check_address(v, statement, field); break;
  case FIELD_WHOLE: check_whole(v, statement, field, field->least, INT64_MAX); break;
  case FIELD_CHOICE: check_whole(v, statement, field, 0, field->count); break;
  case FIELD_OPERATION: check_whole(v, statement, field, 0, OP_COUNT); break;
  case FIELD_VARIABLE:
    if (statement->variable < 1 || statement->variable >= v->program->variable_count)
      fail(v, statement, "there is no variable i%d", statement->variable);
    break;
  case FIELD_LANE_STEP:
  case FIELD_NUMBER:
  case FIELD_STREAM:
  case FIELD_FLAG:
  case FIELD_BLOCK: break; /* anything goes; blocks are the business of rules, which know when they run */
  }
}

/* ---- what is particular to a kind -------------------------------------------------------------------------------- */

static void check_block(Verifier *v, const Statement *statement);

static Range range_of(Verifier *v, const Statement *statement, const Affine *affine) {
  Range range;
  affine_range(v, statement, affine, &range); /* which the row has checked */
  return range;
}

static void take_turns(Verifier *v, const Statement *statement, Range from, Range to, Range limit) {
  Range *variable = &v->variables[statement->variable];
  if (from.low != from.high || to.low != to.high) fail(v, statement, "bounds of an unrolled loop are not constant");
  for (int64_t i = from.low; i < to.low && i < limit.high && !v->failed; i += statement->step) {
    *variable = (Range){true, true, i, i};
    check_block(v, statement->body);
  }
}

static void take_any_turn(Verifier *v, const Statement *statement, Range from, Range to, Range limit) {
  int64_t end = to.high < limit.high ? to.high : limit.high;
  if (end <= from.low) return; /* the body never runs */
  int64_t last = from.low + (end - 1 - from.low) / statement->step * statement->step;
  bool plain = !statement->has_limit && from.low == from.high && to.low == to.high;
  v->variables[statement->variable] = (Range){true, plain, from.low, plain ? last : end - 1};
  check_block(v, statement->body);
}

static void take_vectors(Verifier *v, const Statement *statement, Range from, Range to, Range limit) {
  if (statement->step != v->program->lanes)
    fail(v, statement, "a turn is for %" PRId64 " values, and there are %d lanes", statement->step, v->program->lanes);
  take_any_turn(v, statement, from, to, limit);
}

static void (*const turns[LOOP_COUNT])(Verifier *v, const Statement *statement, Range from, Range to, Range limit) = {
    [LOOP_SERIAL] = take_any_turn,
    [LOOP_UNROLLED] = take_turns,
    [LOOP_LANES] = take_vectors,
};

static void check_loop(Verifier *v, const Statement *statement) {
  Range from = range_of(v, statement, &statement->from), to = range_of(v, statement, &statement->to),
        limit = {true, true, INT64_MAX, INT64_MAX};
  if (statement->has_limit) limit = range_of(v, statement, &statement->limit);
  Range *variable = &v->variables[statement->variable], outer = *variable;
  if (outer.defined) fail(v, statement, "i%d is in use", statement->variable);
  turns[statement->loop](v, statement, from, to, limit);
  *variable = outer;
}

static void check_let(Verifier *v, const Statement *statement) {
  Range value = range_of(v, statement, &statement->value);
  int64_t low = floor_divide(value.low, statement->divisor), high = floor_divide(value.high, statement->divisor),
          modulus = statement->modulus;
  if (modulus > 0 && floor_divide(low, modulus) == floor_divide(high, modulus)) {
    high -= floor_divide(low, modulus) * modulus;
    low -= floor_divide(low, modulus) * modulus;
  } else if (modulus > 0) {
    low = 0;
    high = modulus - 1;
  }
  if (statement->most > 0) {
    low = low < 0 ? 0 : low < statement->most ? low : statement->most;
    high = high < 0 ? 0 : high < statement->most ? high : statement->most;
  }
  v->variables[statement->variable] = (Range){true, low == high, low, high};
}

static void check_choice(Verifier *v, const Statement *statement) {
  Range condition = range_of(v, statement, &statement->value);
  bool constant = condition.low == condition.high;
  v->choices += !constant;
  if (condition.high >= 0) check_block(v, statement->body);
  if (condition.low < 0) check_block(v, statement->otherwise);
  v->choices -= !constant;
}

/* Types as operations.def has them; a truth may stand where a number is wanted only as the choice of a SELECT. */
static void check_operation(Verifier *v, const Statement *statement) {
  const Register *registers = v->program->registers, *result = &registers[statement->result.reg];
  Operation op = statement->operation;
  bool truth = operation_result(op) == TYPE_TRUTH;
  RegisterType wanted = truth ? registers[statement->arguments[0].reg].type : result->type;
  for (int i = 0; i < operation_arity(op); i++) {
    RegisterType type = registers[statement->arguments[i].reg].type;
    if (operation_argument(op, i) == TYPE_TRUTH) continue;
    if (type != wanted || (wanted == REGISTER_MASK && op != OP_SELECT))
      fail(v, statement, "argument %d has another type", i);
  }
  if (result->type == REGISTER_MASK && !truth && op != OP_SELECT) fail(v, statement, "this gives no truth value");
}

static void check_fold(Verifier *v, const Statement *statement) {
  if (statement->operation != OP_ADD && statement->operation != OP_MAXIMUM)
    fail(v, statement, "only sums and maxima are folded");
}

static void (*const rules[STATEMENT_COUNT])(Verifier *v, const Statement *statement) = {
    [STATEMENT_FOR] = check_loop,          [STATEMENT_LET] = check_let,   [STATEMENT_IF] = check_choice,
    [STATEMENT_OPERATE] = check_operation, [STATEMENT_FOLD] = check_fold,
};

/* ---- programs ---------------------------------------------------------------------------------------------------- */

static void check_block(Verifier *v, const Statement *statement) {
  for (; statement != NULL && !v->failed; statement = statement->next) {
    for (const Field *field = statement_rows[statement->kind].fields; field->name != NULL && !v->failed; field++)
      if (field_given(statement, field)) check_field(v, statement, field);
    if (rules[statement->kind] != NULL && !v->failed) rules[statement->kind](v, statement);
  }
}

static void check_buffers(Verifier *v) {
  const Program *program = v->program;
  int bound = 0;
  for (int i = 0; i < program->buffer_count; i++) {
    const Buffer *buffer = &program->buffers[i];
    if ((unsigned)buffer->storage >= STORAGE_COUNT || buffer->elements < 1) fail(v, NULL, "b%d holds no numbers", i);
    else if (buffer->space == SPACE_GLOBAL) {
      if (buffer->place != bound++) fail(v, NULL, "b%d is bound as %" PRId64, i, buffer->place);
    } else if (buffer->space != SPACE_WORKSPACE) fail(v, NULL, "b%d lies nowhere", i);
    else if (buffer->place < 0 || buffer->place % WORKSPACE_ALIGNMENT != 0 ||
             buffer->place + buffer->elements * storage_bytes(buffer->storage) > program->workspace_bytes)
      fail(v, NULL, "w%d does not lie in the workspace", i);
  }
  if (bound != program->bound_count) fail(v, NULL, "%d buffers are bound, not %d", bound, program->bound_count);
}

static void check_heading(Verifier *v) {
  const Program *program = v->program;
  if (program->real != REGISTER_F32 && program->real != REGISTER_F64) fail(v, NULL, "its numbers are no numbers");
  if (program->lanes < 1 || (program->lanes & (program->lanes - 1)) != 0) fail(v, NULL, "%d lanes", program->lanes);
  if (program->chunks < 1 || program->variable_count < 1)
    fail(v, NULL, "%" PRId64 " chunks, %d variables", program->chunks, program->variable_count);
  if (program->workspace_bytes < 0) fail(v, NULL, "a workspace of %" PRId64 " bytes", program->workspace_bytes);
  for (int i = 0; i < program->register_count; i++) {
    const Register *reg = &program->registers[i];
    if (reg->count < 1 || (reg->lanes != 1 && reg->lanes != program->lanes))
      fail(v, NULL, "r%d: %d lanes, %d registers", i, reg->lanes, reg->count);
  }
  check_buffers(v);
}

bool program_verify(Session *session, const Program *program) {
  Verifier v = {.session = session, .program = program};
  check_heading(&v);
  if (v.failed) return false;
  v.variables = session_allocate(session, (size_t)program->variable_count * sizeof *v.variables);
  v.first = session_allocate(session, (size_t)(program->register_count + 1) * sizeof *v.first);
  for (int i = 0; i < program->register_count; i++) v.first[i + 1] = v.first[i] + program->registers[i].count;
  v.written = session_allocate(session, (size_t)v.first[program->register_count] + 1);
  v.variables[0] = (Range){true, true, 0, program->chunks - 1};
  check_block(&v, program->body);
  return !v.failed;
}
