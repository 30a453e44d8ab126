/* Loop programs as values: affine sums, equality and hash, the printed form, and what verification refuses. */
#include "llvm_builder.h"
#include "check_main.h"
#include "compiler/program/statements.h"
#include "printed_text.h"

#include <stdlib.h>

/* sum over i of w[i] * x[i], with a bit of everything that equality must see */
static Build *sample(Session *session, const char *title) {
  Build *b = build_new(session, title, REGISTER_F32, 8);
  int x = build_buffer(b, STORAGE_F32, 64, false), out = build_buffer(b, STORAGE_F32, 80, true);
  int acc = build_register(b, REGISTER_F32, 8, 2), s = build_register(b, REGISTER_F32, 1, 1), i = build_variable(b),
      u = build_variable(b);
  build_for(b, i, constant(0), constant(48), 16, LOOP_SERIAL);
  build_for(b, u, constant(0), constant(2), 1, LOOP_UNROLLED);
  Address from = address(x, sum(variable(i, 1), variable(u, 8)), 1);
  Guard *guard = session_allocate(session, sizeof *guard);
  *guard = (Guard){sum(variable(i, 1), constant(-1)), 1, 0, 48};
  from.guard_count = 1;
  from.guards = guard;
  from.has_valid = true;
  from.valid = sum(constant(60), variable(i, -1));
  build_load(b, at(acc, variable(u, 1)), from);
  build_operate(b, OP_EXP, at(acc, variable(u, 1)), at(acc, variable(u, 1)), one(acc), one(acc));
  build_store(b, address(out, sum(variable(i, 1), variable(u, 8)), 1), at(acc, variable(u, 1)), true);
  build_end(b);
  build_end(b);
  build_set(b, one(s), -0.5);
  build_if(b, variable(0, -1));
  build_store(b, address(out, constant(3), 0), one(s), false);
  build_end(b);
  return b;
}

START_TEST(affine_sums) {
  Affine a = affine_add(affine_variable(3, 2), affine_add(affine_variable(1, 5), affine_constant(7)));
  ck_assert_int_eq(a.term_count, 2);
  ck_assert_int_eq(a.terms[0].variable, 1);
  ck_assert_int_eq(a.terms[1].coefficient, 2);
  Affine gone = affine_add(a, affine_variable(3, -2));
  ck_assert_int_eq(gone.term_count, 1);
  ck_assert_int_eq(gone.constant, 7);
  Affine scaled = affine_scale(a, -3);
  ck_assert_int_eq(scaled.terms[0].coefficient, -15);
  ck_assert_int_eq(scaled.constant, -21);
  ck_assert_int_eq(affine_scale(a, 0).term_count, 0);
  ck_assert_int_eq(affine_variable(4, 0).term_count, 0);
}
END_TEST

/* Each changes one thing that decides the code. */
static void change_constant(Build *b) { b->program.body->next->constant = 0.5; }
static void change_zero(Build *b) { b->program.body->next->constant = -b->program.body->next->constant; }
static void change_step(Build *b) { b->program.body->step = 8; }
static void change_unroll(Build *b) { b->program.body->body->loop = LOOP_SERIAL; }
static void change_guard(Build *b) { ((Guard *)b->program.body->body->body->address.guards)->high++; }
static void change_valid(Build *b) { b->program.body->body->body->address.valid.constant--; }
static void change_offset(Build *b) { b->program.body->body->body->address.offset.terms[0].coefficient++; }
static void change_operation(Build *b) { b->program.body->body->body->next->operation = OP_TANH; }
static void change_accumulate(Build *b) { b->program.body->body->body->next->next->accumulate = false; }
static void change_storage(Build *b) { b->buffers[0].storage = STORAGE_F64; }
static void change_space(Build *b) { b->buffers[0].space = SPACE_WORKSPACE; }
static void change_place(Build *b) { b->buffers[0].place = 1, b->buffers[1].place = 0; }
static void change_lanes(Build *b) { b->program.lanes = 4; }
static void change_register(Build *b) { b->registers[1].type = REGISTER_F64; }
static void change_else(Build *b) { b->program.body->next->next->otherwise = b->program.body->next->next->body; }
static void change_order(Build *b) { b->program.body->next->next->body->address.buffer = 0; }
static void (*const changes[])(Build *b) = {change_constant,   change_zero,     change_step,   change_unroll,
                                            change_guard,      change_valid,    change_offset, change_operation,
                                            change_accumulate, change_storage,  change_space,  change_place,
                                            change_lanes,      change_register, change_else,   change_order};

START_TEST(equality_sees_code) {
  Session *session = session_new();
  Build *a = sample(session, "one"), *b = sample(session, "two");
  changes[_i](b);
  ck_assert(!program_equal(&a->program, &b->program));
  ck_assert(!program_equal(&b->program, &a->program));
  ck_assert_uint_ne(program_hash(&a->program), program_hash(&b->program));
  session_free(session);
}
END_TEST

/* ---- rows: whatever a statement holds is seen, by all who look at it ----------------------------------------------
 */

/* A statement of the kind, with everything that may be there. */
static Build *single(Session *session, StatementKind kind) {
  Build *b = build_new(session, "single", REGISTER_F32, 8);
  build_buffer(b, STORAGE_F32, 64, true);
  build_register(b, REGISTER_F32, 8, 8);
  build_variable(b);
  Statement *statement = build_statement(b, kind);
  for (const Field *field = statement_rows[kind].fields; field->name != NULL; field++) {
    void *at = (char *)statement + field->offset;
    if (field->kind == FIELD_FLAG) *(bool *)at = true;
    if (field->kind == FIELD_OPERATION) *(Operation *)at = OP_SELECT; /* three arguments */
    if (field->kind == FIELD_BLOCK) *(Statement **)at = session_allocate(session, sizeof(Statement));
    if (field->kind == FIELD_BLOCK) (*(Statement **)at)->kind = STATEMENT_SET;
  }
  return b;
}

static void change_field(Session *session, const Field *field, void *at) {
  int64_t seven = 7;
  switch (field->kind) {
  case FIELD_ARGUMENTS: ((Operand *)at)[field->count < 0 ? 2 : field->count - 1].index = constant(1); break;
  case FIELD_RESULT:
  case FIELD_SQUARE: ((Operand *)at)->index = constant(1); break;
  case FIELD_AFFINE: *(Affine *)at = constant(7); break;
  case FIELD_ADDRESS: ((Address *)at)->offset = constant(7); break;
  case FIELD_NUMBER: *(double *)at = 7; break;
  case FIELD_FLAG: *(bool *)at = false; break;
  case FIELD_OPERATION: *(Operation *)at = OP_EXP; break;
  case FIELD_BLOCK:
    *(Statement **)at = memset(session_allocate(session, sizeof(Statement)), 0, sizeof(Statement));
    break;
  case FIELD_CHOICE: *(int *)at = 1; break;
  default: memcpy(at, &seven, field->size); break; /* whole numbers; little-endian */
  }
}

static char *text_of(const Program *program) {
  Printed printed;
  program_print(program, printed_begin(&printed));
  return printed_end(&printed);
}

START_TEST(every_field_is_seen) {
  Session *session = session_new();
  for (const Field *field = statement_rows[_i].fields; field->name != NULL; field++) {
    Build *a = single(session, (StatementKind)_i), *b = single(session, (StatementKind)_i);
    ck_assert(program_equal(&a->program, &b->program));
    change_field(session, field, (char *)b->program.body + field->offset);
    const char *row = statement_rows[_i].name;
    ck_assert_msg(!program_equal(&a->program, &b->program), "equality does not see %s of %s", field->name, row);
    ck_assert_msg(program_hash(&a->program) != program_hash(&b->program), "the hash: %s of %s", field->name, row);
    char *one = text_of(&a->program), *other = text_of(&b->program);
    ck_assert_msg(strcmp(one, other) != 0, "%s of %s is not printed:\n%s", field->name, row, one);
    free(one);
    free(other);
  }
  session_free(session);
}
END_TEST

START_TEST(equality_ignores_names) {
  Session *session = session_new();
  Build *a = sample(session, "one"), *b = sample(session, "two");
  b->program.id = 7;
  b->program.span = (Span){.from = 3, .to = 4};
  b->program.body->span = (Span){.from = 3, .to = 4};
  b->buffers[0].name = "other";
  b->program.flops = 5;
  b->program.body->body->body->address.offset.terms[5].coefficient = 9; /* beyond the terms */
  ck_assert(program_equal(&a->program, &b->program));
  ck_assert_uint_eq(program_hash(&a->program), program_hash(&b->program));
  session_free(session);
}
END_TEST

START_TEST(printed_form) {
  Session *session = session_new();
  Printed printed;
  program_print(&sample(session, "D.Linear_1: y")->program, printed_begin(&printed));
  char *text = printed_end(&printed);
  const char *expected =
      "program 0 \"D.Linear_1: y\": nest, 8 lanes of f32, 1 chunks i0, workspace 0 bytes, 0 Mflop, 0 MB\n"
      "  b0: f32[64] buffer\n"
      "  b1: f32[80] written buffer\n"
      "  r0: f32 x 8, 2 of them\n"
      "  r1: f32 x 1\n"
      "  for i1 from 0 to 48 by 16\n"
      "    unroll i2 from 0 to 2\n"
      "      r0[i2] = b0[i1 + 8*i2 + lane] for lane < -i1 + 60 where 0 <= i1 - 1 + lane < 48\n"
      "      r0[i2] = exp(r0[i2])\n"
      "      b1[i1 + 8*i2 + lane] += r0[i2]\n"
      "  r1 = -0.5\n"
      "  if 0 <= -i0\n"
      "    b1[3] = r1\n";
  ck_assert_str_eq(text, expected);
  free(text);
  session_free(session);
}
END_TEST

/* ---- verification: each makes one mistake, and is told so -------------------------------------------------------- */

static Statement *load_of(Build *b) { return b->program.body->body->body; }
static void no_register(Build *b) { load_of(b)->result.reg = 9; }
static void no_buffer(Build *b) { load_of(b)->address.buffer = 5; }
static void no_variable(Build *b) { load_of(b)->address.offset = variable(9, 1); }
static void out_of_scope(Build *b) { b->program.body->next->next->value = variable(1, 1); }
static void moving_index(Build *b) { load_of(b)->result.index = variable(1, 1); }
static void index_outside(Build *b) { load_of(b)->result.index = variable(2, 2); }
static void read_before_written(Build *b) { load_of(b)->next->arguments[0].index = sum(variable(2, -1), constant(1)); }
static void not_written(Build *b) { b->buffers[1].written = false; }
static void outside_buffer(Build *b) { load_of(b)->next->next->address.offset.constant = 41; }
static void other_type(Build *b) {
  b->registers[0].type = REGISTER_F64, load_of(b)->next->arguments[0] = one(1), b->registers[1].type = REGISTER_F32;
}
static void no_step(Build *b) { b->program.body->step = 0; }
static void used_twice(Build *b) { b->program.body->body->variable = 1; }
static void lanes_apart(Build *b) { b->registers[0].lanes = 4; }
static void unbounded_unroll(Build *b) {
  b->program.body->loop = LOOP_UNROLLED, b->program.body->to = variable(0, 1), b->program.chunks = 2;
}
static void half_vectors(Build *b) { b->program.body->loop = LOOP_LANES; }
static void no_loop(Build *b) { b->program.body->loop = LOOP_COUNT; }
static void no_operation(Build *b) { load_of(b)->next->operation = OP_COUNT; }
static void mask_loaded(Build *b) { b->registers[0].type = REGISTER_MASK; }
static void outer_variable(Build *b) { b->program.body->variable = 0; }
static void no_square(Build *b) { load_of(b)->next->kind = STATEMENT_TRANSPOSE; }
static void fold_of_products(Build *b) {
  Statement *operate = load_of(b)->next;
  operate->kind = STATEMENT_FOLD, operate->operation = OP_MULTIPLY, operate->result = one(1);
}
static void fold_to_lanes(Build *b) { load_of(b)->next->kind = STATEMENT_FOLD, load_of(b)->next->operation = OP_ADD; }
static void mixed_lanes(Build *b) {
  Statement *operate = load_of(b)->next, *set = b->program.body->next;
  operate->kind = STATEMENT_FMA, operate->arguments[1] = operate->arguments[2] = operate->arguments[0];
  operate->result = set->result;
}
static void mixed_types(Build *b) {
  mixed_lanes(b);
  b->registers[1] = (Register){REGISTER_F64, 8, 1};
}
/* The buffer that is read lies in the workspace. */
static Buffer *in_workspace(Build *b) {
  b->buffers[0].space = SPACE_WORKSPACE, b->buffers[0].place = 64;
  b->buffers[1].place = 0, b->program.bound_count = 1, b->program.workspace_bytes = 64 + 64 * 4;
  return &b->buffers[0];
}
static void beyond_workspace(Build *b) { in_workspace(b)->elements = 65; }
static void between_lines(Build *b) { in_workspace(b)->place = 32; }
static void outside_workspace(Build *b) {
  in_workspace(b);
  load_of(b)->address.has_valid = false, load_of(b)->address.guard_count = 0, load_of(b)->address.offset.constant = 17;
}
static void bound_twice(Build *b) { b->buffers[1].place = 0; }
static void bound_by_none(Build *b) { b->program.bound_count = 3; }
static void stored_as_nothing(Build *b) { b->buffers[0].storage = STORAGE_COUNT; }
static void nowhere(Build *b) { b->buffers[0].space = SPACE_COUNT; }
static const struct {
  void (*mistake)(Build *b);
  const char *said;
} mistakes[] = {
    {no_register, "no register r9"},
    {no_buffer, "no buffer b5"},
    {no_variable, "i9 is not defined"},
    {out_of_scope, "i1 is not defined"},
    {moving_index, "not constant after unrolling"},
    {index_outside, "has 2 registers"},
    {read_before_written, "read before it is written"},
    {not_written, "not marked as written"},
    {outside_buffer, "are touched"},
    {other_type, "r1[0] is read before"},
    {no_step, "step is 0"},
    {used_twice, "i1 is in use"},
    {lanes_apart, "4 lanes"},
    {unbounded_unroll, "not constant"},
    {half_vectors, "16 values, and there are 8 lanes"},
    {no_loop, "loop is 3"},
    {no_operation, "operation is"},
    {mask_loaded, "truth values found"},
    {outer_variable, "no variable i0"},
    {no_square, "has 2 registers"},
    {fold_of_products, "only sums and maxima"},
    {fold_to_lanes, "one lane is wanted"},
    {mixed_lanes, "has 8 lanes, the result 1"},
    {mixed_types, "another type"},
    {beyond_workspace, "w0 does not lie in the workspace"},
    {between_lines, "w0 does not lie in the workspace"},
    {outside_workspace, "elements 25 to 64 of 64 are touched"},
    {bound_twice, "b1 is bound as 0"},
    {bound_by_none, "2 buffers are bound, not 3"},
    {stored_as_nothing, "b0 holds no numbers"},
    {nowhere, "b0 lies nowhere"},
};

START_TEST(workspaces_are_well_formed) {
  Session *session = session_new();
  Build *b = sample(session, "workspace");
  in_workspace(b)->name = "of the left side";
  ck_assert(program_verify(session, &b->program));
  char *text = text_of(&b->program);
  ck_assert_ptr_nonnull(strstr(text, "  w0: f32[64] of the left side\n  b1: f32[80] written buffer\n"));
  ck_assert_ptr_nonnull(strstr(text, "r0[i2] = w0[i1 + 8*i2 + lane]"));
  free(text);
  session_free(session);
}
END_TEST

START_TEST(types_of_registers_and_memory) {
  ck_assert_int_eq(register_of(STORAGE_F32), REGISTER_F32);
  ck_assert_int_eq(register_of(STORAGE_F64), REGISTER_F64);
  ck_assert_int_eq(register_of(STORAGE_BF16), REGISTER_F32);
  ck_assert_int_eq(storage_of(REGISTER_F32), STORAGE_F32);
  ck_assert_int_eq(storage_of(REGISTER_F64), STORAGE_F64);
  ck_assert_int_eq(register_bytes(REGISTER_F64), 8);
  ck_assert_int_eq(storage_bytes(STORAGE_BF16), 2);
  ck_assert_str_eq(register_name(REGISTER_MASK), "mask");
  ck_assert_str_eq(storage_name(STORAGE_BF16), "bf16");
}
END_TEST

START_TEST(mistakes_are_found) {
  Session *session = session_new();
  Build *b = sample(session, "wrong");
  ck_assert(program_verify(session, &b->program));
  mistakes[_i].mistake(b);
  ck_assert(!program_verify(session, &b->program));
  char *text = messages_text(session);
  ck_assert_msg(strstr(text, mistakes[_i].said) != NULL, "%s", text);
  free(text);
  session_free(session);
}
END_TEST

CHECK_MAIN(.tests = {affine_sums, equality_ignores_names, printed_form, workspaces_are_well_formed,
                     types_of_registers_and_memory},
           .loops = {{equality_sees_code, 0, LENGTH(changes)},
                     {every_field_is_seen, 0, STATEMENT_COUNT},
                     {mistakes_are_found, 0, LENGTH(mistakes)}})
