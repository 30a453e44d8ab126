/* A loop program as a function of LLVM IR. Registers are allocas, which mem2reg turns into values, so that loops carry
   accumulators; unrolled loops are written out with their variable bound to a constant. Takes verified programs;
   decides nothing about loops, lanes or order. */
#include "emit.h"

#include <string.h>

/* ---- registers --------------------------------------------------------------------------------------------------- */

int64_t emit_index(const Emitter *e, const Affine *index) {
  int64_t value = index->constant;
  for (int i = 0; i < index->term_count; i++)
    value += index->terms[i].coefficient * e->variables[index->terms[i].variable].low;
  return value;
}

static Value register_place(Emitter *e, int number, int64_t index) {
  const Register *reg = &e->program->registers[number];
  Value *place = &e->registers[number][index];
  if (*place != NULL) return *place;
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->builder);
  LLVMPositionBuilderBefore(e->builder, e->anchors[0]);
  *place = LLVMBuildAlloca(e->builder, emit_type(e, reg->type, reg->lanes), "");
  LLVMPositionBuilderAtEnd(e->builder, here);
  LLVMSetCurrentDebugLocation2(e->builder, e->debug.location);
  return *place;
}

static Value set_value(Emitter *e, const Register *reg, double value) {
  bool bits = reg->type == REGISTER_MASK;
  Value constant =
      bits ? LLVMConstInt(e->bit, value != 0, false) : LLVMConstReal(emit_element_type(e, reg->type), value);
  return emit_splat_constant(constant, reg->lanes);
}

Value emit_read(Emitter *e, const Operand *operand) {
  const Register *reg = &e->program->registers[operand->reg];
  if (e->constants[operand->reg] != NULL) return set_value(e, reg, e->constants[operand->reg]->constant);
  return LLVMBuildLoad2(e->builder, emit_type(e, reg->type, reg->lanes),
                        register_place(e, operand->reg, emit_index(e, &operand->index)), "");
}

static const Register *result_register(const Emitter *e, const Statement *statement) {
  return &e->program->registers[statement->result.reg];
}

static void write_result(Emitter *e, const Statement *statement, Value value) {
  value = emit_spread(e, value, result_register(e, statement)->lanes);
  LLVMBuildStore(e->builder, value, register_place(e, statement->result.reg, emit_index(e, &statement->result.index)));
}

/* Finds the arrays that one SET alone writes: their readers take the constant itself, so that operations can make use
   of it. */
static void find_constants(Emitter *e, const Statement *statement, int *writers) {
  for (; statement != NULL; statement = statement->next) {
    find_constants(e, statement->body, writers);
    find_constants(e, statement->otherwise, writers);
    const Operand *result = statement_result(statement);
    if (result == NULL) continue;
    int written = result->reg;
    bool only =
        ++writers[written] == 1 && statement->kind == STATEMENT_SET && e->program->registers[written].count == 1;
    e->constants[written] = only ? statement : NULL;
  }
}

/* ---- loops, choices ---------------------------------------------------------------------------------------------- */

static void emit_statements(Emitter *e, const Statement *statement);

static Value minimum(Emitter *e, Value a, Value b) {
  return emit_intrinsic(e, "llvm.smin", 1, &e->i64, 2, (Value[]){a, b});
}

static void bind_constant(Emitter *e, int variable, int64_t value) {
  e->variables[variable] = (Variable){.constant = true, .low = value, .high = value};
}

/* The body once for each value; a limit that is known only when the kernel runs leaves the copies at the first that is
   beyond it. */
static void emit_unrolled_loop(Emitter *e, const Statement *statement) {
  Sum from = sum_of(e, &statement->from), to = sum_of(e, &statement->to), limit = {.low = INT64_MAX, .high = INT64_MAX};
  if (statement->has_limit) limit = sum_of(e, &statement->limit);
  LLVMBasicBlockRef done = limit.low < to.low ? emit_block(e) : NULL;
  for (int64_t i = from.low; i < to.low && i < limit.high; i += statement->step) {
    if (i >= limit.low) {
      LLVMBasicBlockRef next = emit_block(e);
      LLVMBuildCondBr(e->builder, LLVMBuildICmp(e->builder, LLVMIntSGT, sum_value(e, &limit), emit_integer(e, i), ""),
                      next, done);
      LLVMPositionBuilderAtEnd(e->builder, next);
    }
    bind_constant(e, statement->variable, i);
    emit_statements(e, statement->body);
  }
  if (done == NULL) return;
  LLVMBuildBr(e->builder, done);
  LLVMPositionBuilderAtEnd(e->builder, done);
}

/* Tested at the end; in front only where the loop may be empty. */
static void emit_serial_loop(Emitter *e, const Statement *statement) {
  Sum from = sum_of(e, &statement->from), to = sum_of(e, &statement->to), limit = {.low = INT64_MAX, .high = INT64_MAX};
  if (statement->has_limit) limit = sum_of(e, &statement->limit);
  int64_t longest = to.high < limit.high ? to.high : limit.high, shortest = to.low < limit.low ? to.low : limit.low;
  if (longest <= from.low) return;
  if (from.low == from.high && shortest > from.low && longest <= from.low + statement->step) { /* exactly one turn */
    bind_constant(e, statement->variable, from.low);
    emit_statements(e, statement->body);
    return;
  }
  LLVMBuilderRef b = e->builder;
  Value first = sum_value(e, &from), end = sum_value(e, &to);
  if (statement->has_limit && limit.low < to.high) end = minimum(e, end, sum_value(e, &limit));
  LLVMBasicBlockRef before = LLVMGetInsertBlock(b), head = emit_block(e), body = emit_block(e), after = emit_block(e);
  if (shortest > from.high) LLVMBuildBr(b, head);
  else LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, first, end, ""), head, after);
  LLVMPositionBuilderAtEnd(b, head);
  Value index = LLVMBuildPhi(b, e->i64, "");
  e->anchors[++e->depth] = LLVMBuildBr(b, body);
  LLVMPositionBuilderAtEnd(b, body);
  e->variables[statement->variable] =
      (Variable){.low = from.low, .high = longest - 1, .value = index, .depth = e->depth};
  emit_statements(e, statement->body);
  e->depth--;
  Value next = LLVMBuildNSWAdd(b, index, emit_integer(e, statement->step), "");
  LLVMBasicBlockRef last = LLVMGetInsertBlock(b);
  LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, next, end, ""), head, after);
  LLVMAddIncoming(index, (Value[]){first, next}, (LLVMBasicBlockRef[]){before, last}, 2);
  LLVMPositionBuilderAtEnd(b, after);
}

/* Registers have the lanes, so the loop is like any other. */
static void emit_lanes_loop(Emitter *e, const Statement *statement) { emit_serial_loop(e, statement); }

static void (*const loops[LOOP_COUNT])(Emitter *e, const Statement *statement) = {
#define LOOP(NAME, name, text) [LOOP_##NAME] = emit_##name##_loop,
#include "compiler/program/loops.def"
#undef LOOP
};

static void emit_for_statement(Emitter *e, const Statement *statement) {
  Variable outer = e->variables[statement->variable];
  loops[statement->loop](e, statement);
  e->variables[statement->variable] = outer;
}

static void emit_let_statement(Emitter *e, const Statement *statement) {
  Sum sum = sum_of(e, &statement->value);
  int64_t low = floor_divide(sum.low, statement->divisor), high = floor_divide(sum.high, statement->divisor),
          modulus = statement->modulus;
  if (modulus > 0) {
    int64_t turn = floor_divide(low, modulus);
    bool same = turn == floor_divide(high, modulus); /* no wrap in between: the remainder is a difference */
    low = same ? low - turn * modulus : 0;
    high = same ? high - turn * modulus : modulus - 1;
  }
  Variable variable = {.low = low, .high = high};
  if (statement->most > 0) {
    variable.low = low < 0 ? 0 : low < statement->most ? low : statement->most;
    variable.high = high < 0 ? 0 : high < statement->most ? high : statement->most;
  }
  variable.constant = variable.low == variable.high;
  if (!variable.constant) {
    variable.value = sum_hoist_divide(e, &sum, statement->divisor, modulus, &variable.depth);
    if (variable.low != low || variable.high != high)
      variable.value = emit_hoisted_clamp(e, variable.value, variable.low, variable.high, variable.depth);
  }
  e->variables[statement->variable] = variable;
}

static void emit_if_statement(Emitter *e, const Statement *statement) {
  Sum condition = sum_of(e, &statement->value);
  if (condition.low >= 0 || condition.high < 0) {
    emit_statements(e, condition.low >= 0 ? statement->body : statement->otherwise);
    return;
  }
  LLVMBuilderRef b = e->builder;
  LLVMBasicBlockRef body = emit_block(e), otherwise = emit_block(e), join = emit_block(e);
  LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSGE, sum_value(e, &condition), emit_integer(e, 0), ""), body, otherwise);
  LLVMPositionBuilderAtEnd(b, body);
  emit_statements(e, statement->body);
  LLVMBuildBr(b, join);
  LLVMPositionBuilderAtEnd(b, otherwise);
  emit_statements(e, statement->otherwise);
  LLVMBuildBr(b, join);
  LLVMPositionBuilderAtEnd(b, join);
}

/* ---- computations ------------------------------------------------------------------------------------------------ */

static void emit_set_statement(Emitter *e, const Statement *statement) {
  const Register *reg = result_register(e, statement);
  if (e->constants[statement->result.reg] == NULL) write_result(e, statement, set_value(e, reg, statement->constant));
}

/* A truth value where a number is wanted, or the other way round. */
static Value as_type(Emitter *e, Value value, RegisterType type) {
  Type element = LLVMTypeOf(value);
  if (LLVMGetTypeKind(element) == LLVMVectorTypeKind) element = LLVMGetElementType(element);
  Type wanted = emit_element_type(e, type);
  if (element == wanted) return value;
  if (wanted == e->bit) return emit_not_zero(e, value);
  if (element == e->bit) return emit_bits_to_number(e, value, wanted);
  Type whole = type_with_element(value, wanted);
  return wanted == e->f64 ? LLVMBuildFPExt(e->builder, value, whole, "")
                          : LLVMBuildFPTrunc(e->builder, value, whole, "");
}

/* All with the lanes of the widest. */
static void read_arguments(Emitter *e, const Statement *statement, Value *arguments) {
  int lanes = 1;
  for (int i = 0; i < statement_arity(statement); i++) {
    arguments[i] = emit_read(e, &statement->arguments[i]);
    if (value_lanes(arguments[i]) > lanes) lanes = value_lanes(arguments[i]);
  }
  for (int i = 0; i < statement_arity(statement); i++) arguments[i] = emit_spread(e, arguments[i], lanes);
}

static void emit_operate_statement(Emitter *e, const Statement *statement) {
  Value arguments[3] = {NULL};
  read_arguments(e, statement, arguments);
  Value result = emit_operation(e, statement->operation, arguments[0], arguments[1], arguments[2]);
  write_result(e, statement, as_type(e, result, result_register(e, statement)->type));
}

static void emit_fma_statement(Emitter *e, const Statement *statement) {
  Value arguments[3];
  read_arguments(e, statement, arguments);
  write_result(e, statement, emit_fma(e, arguments[0], arguments[1], arguments[2]));
}

static void emit_convert_statement(Emitter *e, const Statement *statement) {
  Value value = emit_read(e, &statement->arguments[0]);
  write_result(e, statement, as_type(e, value, result_register(e, statement)->type));
}

/* In double, which holds every index exactly, then rounded once. */
static void emit_number_statement(Emitter *e, const Statement *statement) {
  const Register *reg = result_register(e, statement);
  Sum sum = sum_of(e, &statement->value);
  Value value = emit_spread(e, LLVMBuildSIToFP(e->builder, sum_value(e, &sum), e->f64, ""), reg->lanes);
  if (reg->lanes > 1 && statement->lane_step != 0) {
    Value steps[64];
    for (int i = 0; i < reg->lanes; i++) steps[i] = LLVMConstReal(e->f64, (double)(i * statement->lane_step));
    value = LLVMBuildFAdd(e->builder, value, LLVMConstVector(steps, (unsigned)reg->lanes), "");
  }
  write_result(e, statement, as_type(e, value, reg->type));
}

static void emit_transpose_statement(Emitter *e, const Statement *statement) {
  Value rows[64];
  const Operand *first = &statement->arguments[0];
  int count = e->program->lanes;
  int64_t index = emit_index(e, &first->index);
  Type type = emit_type(e, e->program->registers[first->reg].type, count);
  for (int i = 0; i < count; i++)
    rows[i] = LLVMBuildLoad2(e->builder, type, register_place(e, first->reg, index + i), "");
  emit_transpose(e, rows, count);
  for (int i = 0; i < count; i++) LLVMBuildStore(e->builder, rows[i], register_place(e, first->reg, index + i));
}

static void emit_load_statement(Emitter *e, const Statement *statement) {
  const Register *reg = result_register(e, statement);
  write_result(e, statement, emit_load(e, &statement->address, reg->type, reg->lanes));
}

static void emit_store_statement(Emitter *e, const Statement *statement) {
  emit_store(e, &statement->address, emit_read(e, &statement->arguments[0]), statement->accumulate);
}

static void emit_random_statement(Emitter *e, const Statement *statement) {
  const Register *reg = result_register(e, statement);
  write_result(e, statement, emit_random(e, statement, reg->type, reg->lanes));
}

static void emit_fold_statement(Emitter *e, const Statement *statement) {
  Value value = emit_fold(e, statement->operation, emit_read(e, &statement->arguments[0]));
  write_result(e, statement, as_type(e, value, result_register(e, statement)->type));
}

/* ---- every kind -------------------------------------------------------------------------------------------------- */

static void (*const emitters[STATEMENT_COUNT])(Emitter *e, const Statement *statement) = {
#define STATEMENT(NAME, name, text) [STATEMENT_##NAME] = emit_##name##_statement,
#define FIELD(...)
#define END
#include "compiler/program/statements.def"
#undef STATEMENT
#undef FIELD
#undef END
};

static void emit_statements(Emitter *e, const Statement *statement) {
  for (; statement != NULL; statement = statement->next) {
    debug_location(e, statement->span);
    emitters[statement->kind](e, statement);
  }
}

/* ---- the function ------------------------------------------------------------------------------------------------ */

static void add_attribute(Emitter *e, unsigned place, const char *name) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  LLVMAddAttributeAtIndex(e->function, place, LLVMCreateEnumAttribute(e->context, kind, 0));
}

static void declare_function(Emitter *e, const char *name) {
  Type type = LLVMFunctionType(LLVMVoidTypeInContext(e->context), (Type[]){e->pointer, e->i64, e->pointer}, 3, false);
  e->function = LLVMAddFunction(e->module, name, type);
  LLVMSetVisibility(e->function, LLVMHiddenVisibility);
  add_attribute(e, (unsigned)LLVMAttributeFunctionIndex, "nounwind");
  add_attribute(e, 1, "noalias"); /* the call's block and the workspace are nobody else's; buffers may meet */
  add_attribute(e, 1, "readonly");
  add_attribute(e, 3, "noalias");
  if (e->machine->vector_bytes == 64) { /* some processors are said to prefer halves */
    const char *key = "prefer-vector-width", *value = "512";
    LLVMAddAttributeAtIndex(
        e->function, (unsigned)LLVMAttributeFunctionIndex,
        LLVMCreateStringAttribute(e->context, key, (unsigned)strlen(key), value, (unsigned)strlen(value)));
  }
  e->call = LLVMGetParam(e->function, 0);
  e->workspace = LLVMGetParam(e->function, 2);
}

Value emit_program(Emitter *e, const Program *program, const char *name) {
  e->program = program;
  declare_function(e, name);
  e->buffers = session_allocate(e->session, (size_t)(program->buffer_count + 1) * sizeof *e->buffers);
  e->variables = session_allocate(e->session, (size_t)program->variable_count * sizeof *e->variables);
  e->registers = session_allocate(e->session, (size_t)(program->register_count + 1) * sizeof *e->registers);
  for (int i = 0; i < program->register_count; i++)
    e->registers[i] = session_allocate(e->session, (size_t)program->registers[i].count * sizeof **e->registers);
  e->constants = session_allocate(e->session, (size_t)(program->register_count + 1) * sizeof *e->constants);
  find_constants(e, program->body, session_allocate(e->session, (size_t)(program->register_count + 1) * sizeof(int)));
  e->memo = (Memo){0};
  e->depth = 0;
  debug_function(e, e->function, name, program);
  LLVMBasicBlockRef entry = emit_block(e), body = emit_block(e);
  LLVMPositionBuilderAtEnd(e->builder, entry);
  e->anchors[0] = LLVMBuildBr(e->builder, body);
  LLVMPositionBuilderAtEnd(e->builder, body);
  e->variables[0] =
      (Variable){.constant = program->chunks == 1, .high = program->chunks - 1, .value = LLVMGetParam(e->function, 1)};
  emit_statements(e, program->body);
  LLVMBuildRetVoid(e->builder);
  return e->function;
}
