/* Is a loop program well formed? Walks it as a back end does, unrolled loops expanded, and checks scopes, types, lanes,
   register indices, that registers are written before they are read, and, where bounds are plain, addresses. Takes a
   program; returns true or reports one internal error; changes nothing. */
#include "program.h"

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
                    statement == NULL ? "as a whole" : statement_shapes[statement->kind].name, what);
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

static void check_address(Verifier *v, const Statement *statement, int lanes) {
  const Address *address = &statement->address;
  if (address->buffer != WORKSPACE && (address->buffer < 0 || address->buffer >= v->program->buffer_count)) {
    fail(v, statement, "there is no buffer b%d", address->buffer);
    return;
  }
  Range offset, other;
  if (!affine_range(v, statement, &address->offset, &offset)) return;
  if (address->has_valid && !affine_range(v, statement, &address->valid, &other)) return;
  for (int i = 0; i < address->guard_count; i++)
    if (!affine_range(v, statement, &address->guards[i].value, &other)) return;
  for (int i = 0; i < address->computed_count; i++) {
    const Register *value = check_operand(v, statement, &address->computed[i].value, 1, true);
    if (value->type == REGISTER_MASK || (value->lanes != 1 && value->lanes != lanes))
      fail(v, statement, "a computed index has other lanes, or is a mask");
  }
  if (statement->kind == STATEMENT_STORE && address->buffer != WORKSPACE &&
      !v->program->buffers[address->buffer].written)
    fail(v, statement, "b%d is not marked as written", address->buffer);
  if (!offset.plain || v->choices > 0 || address->has_valid || address->guard_count > 0 || address->computed_count > 0)
    return;
  int64_t reach = address->lane_stride * (lanes - 1), low = offset.low + (reach < 0 ? reach : 0),
          high = offset.high + (reach > 0 ? reach : 0);
  int64_t size = v->program->workspace_bytes / 4;
  if (address->buffer != WORKSPACE) size = v->program->buffers[address->buffer].elements;
  if (low < 0 || high >= size)
    fail(v, statement, "elements %" PRId64 " to %" PRId64 " of %" PRId64 " are touched", low, high, size);
}

static void check_computation(Verifier *v, const Statement *statement) {
  const Register *arguments[3] = {NULL};
  for (int i = 0; i < statement_arity(statement); i++)
    arguments[i] = check_operand(v, statement, &statement->arguments[i], 1, true);
  const Register *result = check_operand(v, statement, &statement->result, 1, false);
  Operation op = statement->kind == STATEMENT_OPERATE ? statement->operation : OP_COUNT;
  for (int i = 0; i < statement_arity(statement); i++) {
    const Register *argument = arguments[i];
    if (statement->kind == STATEMENT_FOLD) {
      if (result->lanes != 1) fail(v, statement, "the result of a fold has one lane");
      if (statement->operation != OP_ADD && statement->operation != OP_MAXIMUM)
        fail(v, statement, "only sums and maxima are folded");
    } else if (argument->lanes != 1 && argument->lanes != result->lanes)
      fail(v, statement, "argument %d has %d lanes, the result %d", i, argument->lanes, result->lanes);
    bool any = operation_argument(op, i) == TYPE_TRUTH || statement->kind == STATEMENT_CONVERT;
    RegisterType wanted = operation_result(op) == TYPE_TRUTH ? arguments[0]->type : result->type;
    if (!any && (argument->type != wanted || (wanted == REGISTER_MASK && op != OP_SELECT)))
      fail(v, statement, "argument %d has another type", i);
  }
  bool gives_truth = op == OP_SELECT || operation_result(op) == TYPE_TRUTH || statement->kind == STATEMENT_CONVERT;
  if (result->type == REGISTER_MASK && !gives_truth) fail(v, statement, "this gives no truth value");
}

static void check_block(Verifier *v, const Statement *statement);

static void check_loop(Verifier *v, const Statement *statement) {
  Range from, to, limit = {true, true, INT64_MAX, INT64_MAX};
  if (statement->variable < 1 || statement->variable >= v->program->variable_count) {
    fail(v, statement, "there is no variable i%d", statement->variable);
    return;
  }
  if (!affine_range(v, statement, &statement->from, &from) || !affine_range(v, statement, &statement->to, &to)) return;
  if (statement->has_limit && !affine_range(v, statement, &statement->limit, &limit)) return;
  if (statement->step < 1) {
    fail(v, statement, "the step is %" PRId64, statement->step);
    return;
  }
  Range *variable = &v->variables[statement->variable], outer = *variable;
  if (outer.defined) fail(v, statement, "i%d is in use", statement->variable);
  if (statement->unroll) {
    if (from.low != from.high || to.low != to.high) fail(v, statement, "bounds of an unrolled loop are not constant");
    for (int64_t i = from.low; i < to.low && i < limit.high && !v->failed; i += statement->step) {
      *variable = (Range){true, true, i, i};
      check_block(v, statement->body);
    }
  } else {
    int64_t end = to.high < limit.high ? to.high : limit.high;
    if (end > from.low) { /* else the body never runs */
      int64_t last = from.low + (end - 1 - from.low) / statement->step * statement->step;
      bool plain = !statement->has_limit && from.low == from.high && to.low == to.high;
      *variable = (Range){true, plain, from.low, plain ? last : end - 1};
      check_block(v, statement->body);
    }
  }
  *variable = outer;
}

static void check_let(Verifier *v, const Statement *statement) {
  Range value;
  if (statement->variable < 1 || statement->variable >= v->program->variable_count) {
    fail(v, statement, "there is no variable i%d", statement->variable);
    return;
  }
  if (!affine_range(v, statement, &statement->value, &value)) return;
  if (statement->divisor < 1 || statement->modulus < 0) {
    fail(v, statement, "division by %" PRId64 ", modulus %" PRId64, statement->divisor, statement->modulus);
    return;
  }
  int64_t low = floor_divide(value.low, statement->divisor), high = floor_divide(value.high, statement->divisor),
          modulus = statement->modulus;
  if (modulus > 0 && floor_divide(low, modulus) == floor_divide(high, modulus)) {
    high -= floor_divide(low, modulus) * modulus;
    low -= floor_divide(low, modulus) * modulus;
  } else if (modulus > 0) {
    low = 0;
    high = modulus - 1;
  }
  v->variables[statement->variable] = (Range){true, low == high, low, high};
}

static void check_choice(Verifier *v, const Statement *statement) {
  Range condition;
  if (!affine_range(v, statement, &statement->value, &condition)) return;
  bool constant = condition.low == condition.high;
  v->choices += !constant;
  if (condition.high >= 0) check_block(v, statement->body);
  if (condition.low < 0) check_block(v, statement->otherwise);
  v->choices -= !constant;
}

static void check_transpose(Verifier *v, const Statement *statement) {
  if (v->program->lanes < 2) fail(v, statement, "one lane has nothing to turn");
  const Register *square = check_operand(v, statement, &statement->arguments[0], v->program->lanes, true);
  if (square->lanes != v->program->lanes || square->type == REGISTER_MASK)
    fail(v, statement, "this is no square of numbers");
}

static void check_draw(Verifier *v, const Statement *statement) {
  Range range;
  const Register *result = check_operand(v, statement, &statement->result, 1, false);
  if (result->type == REGISTER_MASK) fail(v, statement, "a draw is a number");
  if (affine_range(v, statement, &statement->sample, &range)) affine_range(v, statement, &statement->element, &range);
}

static void check_statement(Verifier *v, const Statement *statement) {
  Range range;
  switch (statement->kind) {
  case STATEMENT_FOR: check_loop(v, statement); break;
  case STATEMENT_LET: check_let(v, statement); break;
  case STATEMENT_IF: check_choice(v, statement); break;
  case STATEMENT_SET: check_operand(v, statement, &statement->result, 1, false); break;
  case STATEMENT_OPERATE:
  case STATEMENT_FMA:
  case STATEMENT_CONVERT:
  case STATEMENT_FOLD: check_computation(v, statement); break;
  case STATEMENT_NUMBER:
    affine_range(v, statement, &statement->value, &range);
    if (check_operand(v, statement, &statement->result, 1, false)->type == REGISTER_MASK)
      fail(v, statement, "a number is no truth value");
    break;
  case STATEMENT_LOAD:
  case STATEMENT_STORE: {
    bool load = statement->kind == STATEMENT_LOAD;
    const Register *reg = check_operand(v, statement, load ? &statement->result : &statement->arguments[0], 1, !load);
    if (reg->type == REGISTER_MASK) fail(v, statement, "memory holds no truth values");
    check_address(v, statement, reg->lanes);
    break;
  }
  case STATEMENT_RANDOM: check_draw(v, statement); break;
  case STATEMENT_TRANSPOSE: check_transpose(v, statement); break;
  }
}

static void check_block(Verifier *v, const Statement *statement) {
  for (; statement != NULL && !v->failed; statement = statement->next) check_statement(v, statement);
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
  for (int i = 0; i < program->buffer_count; i++)
    if (program->buffers[i].storage == REGISTER_MASK || program->buffers[i].elements < 1)
      fail(v, NULL, "b%d holds no numbers", i);
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
