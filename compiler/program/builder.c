/* Loop programs under construction: registers, buffers, loops that are open, statements at the end of any of them.
   Takes what generators say and returns a finished program. Never decides what to compute. */
#include "builder.h"

#include <stdlib.h>
#include <string.h>

enum { LEVEL_LIMIT = 64 };

typedef struct Level {
  int serial;   /* unique: tells whether a remembered level is still the same */
  int variable; /* of a loop, else -1 */
  Statement *owner;
  bool otherwise; /* of a branch: its second block */
  Statement *first, *last;
} Level;

struct Builder {
  Session *session;
  void *context;
  Program *program;
  int level, serials;
  Level levels[LEVEL_LIMIT];
  int variable_capacity, *variable_level;
  int register_capacity, buffer_capacity;
  int64_t workspace; /* bytes in use */
};

Builder *builder_new(Session *session, RegisterType real, int lanes, const char *title, Span span, void *context) {
  Builder *builder = session_allocate(session, sizeof *builder);
  Program *program = session_allocate(session, sizeof *program);
  *program = (Program){.title = title, .span = span, .lanes = lanes, .real = real, .chunks = 1, .variable_count = 1};
  *builder = (Builder){.session = session, .context = context, .program = program};
  builder->variable_level =
      session_grow(session, NULL, 0, &builder->variable_capacity, sizeof *builder->variable_level);
  builder->levels[0] = (Level){.serial = builder->serials++, .variable = 0};
  return builder;
}

void *builder_context(const Builder *builder) { return builder->context; }
Session *builder_session(Builder *builder) { return builder->session; }
int builder_lanes(const Builder *builder) { return builder->program->lanes; }
RegisterType builder_real(const Builder *builder) { return builder->program->real; }
void builder_chunks(Builder *builder, int64_t chunks) { builder->program->chunks = chunks; }
void builder_tile(Builder *builder) { builder->program->tile = true; }

void builder_count(Builder *builder, double flops, double bytes) {
  builder->program->flops += flops;
  builder->program->bytes += bytes;
}

static int new_buffer(Builder *builder, Buffer buffer) {
  Program *program = builder->program;
  program->buffers = session_grow(builder->session, program->buffers, program->buffer_count, &builder->buffer_capacity,
                                  sizeof *program->buffers);
  program->buffers[program->buffer_count] = buffer;
  return program->buffer_count++;
}

int builder_bound(Builder *builder, StorageType storage, int64_t elements, const char *name) {
  return new_buffer(
      builder,
      (Buffer){.storage = storage, .elements = elements, .place = builder->program->bound_count++, .name = name});
}

int builder_workspace(Builder *builder, StorageType storage, int64_t elements) {
  int64_t place = builder->workspace, bytes = elements * storage_bytes(storage);
  builder->workspace += (bytes + WORKSPACE_ALIGNMENT - 1) / WORKSPACE_ALIGNMENT * WORKSPACE_ALIGNMENT;
  if (builder->workspace > builder->program->workspace_bytes) builder->program->workspace_bytes = builder->workspace;
  return new_buffer(
      builder,
      (Buffer){
          .space = SPACE_WORKSPACE, .storage = storage, .elements = elements, .place = place, .name = "workspace"});
}

int64_t builder_workspace_mark(const Builder *builder) { return builder->workspace; }
void builder_workspace_release(Builder *builder, int64_t mark) { builder->workspace = mark; }

void builder_mark_written(Builder *builder, int buffer) { builder->program->buffers[buffer].written = true; }

int builder_register(Builder *builder, RegisterType type, int lanes, int count) {
  Program *program = builder->program;
  program->registers = session_grow(builder->session, program->registers, program->register_count,
                                    &builder->register_capacity, sizeof *program->registers);
  program->registers[program->register_count] = (Register){.type = type, .lanes = lanes, .count = count};
  return program->register_count++;
}

Register builder_register_type(const Builder *builder, Operand operand) {
  return builder->program->registers[operand.reg];
}
Operand operand_single(int reg) { return (Operand){.reg = reg, .index = affine_constant(0)}; }
Operand operand_at(int reg, Affine index) { return (Operand){.reg = reg, .index = index}; }

/* ---- levels ------------------------------------------------------------------------------------------------------ */

int builder_level(const Builder *builder) { return builder->level; }
int builder_level_serial(const Builder *builder, int level) { return builder->levels[level].serial; }

bool builder_level_open(const Builder *builder, int level, int serial) {
  return level <= builder->level && builder->levels[level].serial == serial;
}

int builder_variable_level(const Builder *builder, int variable) { return builder->variable_level[variable]; }

int affine_level(const Builder *builder, Affine affine) {
  int level = 0;
  for (int t = 0; t < affine.term_count; t++) {
    int own = builder->variable_level[affine.terms[t].variable];
    if (own > level) level = own;
  }
  return level;
}

Statement *builder_append_at(Builder *builder, int level, StatementKind kind) {
  Statement *statement = session_allocate(builder->session, sizeof *statement);
  Level *at = &builder->levels[level];
  statement->kind = kind;
  statement->span = builder->program->span;
  if (at->last == NULL) at->first = statement;
  else at->last->next = statement;
  at->last = statement;
  return statement;
}

Statement *builder_append(Builder *builder, StatementKind kind) {
  return builder_append_at(builder, builder->level, kind);
}

static int new_variable(Builder *builder, int level) {
  int variable = builder->program->variable_count++;
  builder->variable_level = session_grow(builder->session, builder->variable_level, variable,
                                         &builder->variable_capacity, sizeof *builder->variable_level);
  builder->variable_level[variable] = level;
  return variable;
}

/* The statement that owns a level is appended to its parent when the level closes, so that what is hoisted there comes
   before it. */
static void open_level(Builder *builder, Statement *owner, int variable) {
  if (builder->level + 1 == LEVEL_LIMIT) internal_error(HERE, "loops deeper than any schedule makes");
  builder->levels[++builder->level] = (Level){.serial = builder->serials++, .variable = variable, .owner = owner};
}

static Statement *loose_statement(Builder *builder, StatementKind kind) {
  Statement *statement = session_allocate(builder->session, sizeof *statement);
  statement->kind = kind;
  statement->span = builder->program->span;
  return statement;
}

int builder_for(Builder *builder, Affine from, Affine to, int64_t step) {
  Statement *loop = loose_statement(builder, STATEMENT_FOR);
  loop->variable = new_variable(builder, builder->level + 1);
  loop->from = from, loop->to = to, loop->step = step;
  open_level(builder, loop, loop->variable);
  return loop->variable;
}

int builder_for_limit(Builder *builder, Affine from, Affine to, Affine limit, int64_t step) {
  int variable = builder_for(builder, from, to, step);
  Statement *loop = builder->levels[builder->level].owner;
  loop->has_limit = true, loop->limit = limit;
  return variable;
}

int builder_unrolled(Builder *builder, int64_t count) {
  int variable = builder_for(builder, affine_constant(0), affine_constant(count), 1);
  builder->levels[builder->level].owner->loop = LOOP_UNROLLED;
  return variable;
}

int builder_let(Builder *builder, Affine value, int64_t divisor, int64_t modulus) {
  Statement *let = builder_append(builder, STATEMENT_LET);
  let->variable = new_variable(builder, builder->level);
  let->value = value, let->divisor = divisor, let->modulus = modulus;
  return let->variable;
}

int builder_clamp(Builder *builder, Affine value, int64_t divisor, int64_t most) {
  int variable = builder_let(builder, value, divisor, 0);
  builder->levels[builder->level].last->most = most;
  return variable;
}

void builder_if(Builder *builder, Affine condition) {
  Statement *branch = loose_statement(builder, STATEMENT_IF);
  branch->value = condition;
  open_level(builder, branch, -1);
}

void builder_else(Builder *builder) {
  Level *level = &builder->levels[builder->level];
  level->owner->body = level->first;
  *level = (Level){.serial = builder->serials++, .variable = -1, .owner = level->owner, .otherwise = true};
}

void builder_close(Builder *builder) {
  Level *level = &builder->levels[builder->level--], *parent = &builder->levels[builder->level];
  Statement *owner = level->owner;
  if (level->otherwise) owner->otherwise = level->first;
  else owner->body = level->first;
  if (parent->last == NULL) parent->first = owner;
  else parent->last->next = owner;
  parent->last = owner;
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

void builder_assign(Builder *builder, Operand result, double value) {
  Statement *set = builder_append(builder, STATEMENT_SET);
  set->result = result, set->constant = value;
}

Operand builder_set(Builder *builder, RegisterType type, int lanes, double value) {
  Operand result = operand_single(builder_register(builder, type, lanes, 1));
  builder_assign(builder, result, value);
  return result;
}

static void operate_at(Builder *builder, int level, Operand result, Operation op, Operand a, Operand b, Operand c) {
  Statement *operate = builder_append_at(builder, level, STATEMENT_OPERATE);
  operate->operation = op, operate->result = result;
  operate->arguments[0] = a, operate->arguments[1] = b, operate->arguments[2] = c;
}

Operand builder_operate(Builder *builder, int level, Operation op, RegisterType type, Operand a, Operand b, Operand c) {
  Operand all[3] = {a, b, c};
  int lanes = 1;
  for (int i = 0; i < operation_arity(op); i++) {
    int own = builder_register_type(builder, all[i]).lanes;
    if (own > lanes) lanes = own;
  }
  Operand result = operand_single(builder_register(builder, type, lanes, 1));
  operate_at(builder, level, result, op, a, b, c);
  return result;
}

void builder_operate_into(Builder *builder, Operand result, Operation op, Operand a, Operand b, Operand c) {
  operate_at(builder, builder->level, result, op, a, b, c);
}

void builder_fma_into(Builder *builder, Operand result, Operand a, Operand b, Operand c) {
  Statement *fma = builder_append(builder, STATEMENT_FMA);
  fma->result = result;
  fma->arguments[0] = a, fma->arguments[1] = b, fma->arguments[2] = c;
}

Operand builder_convert(Builder *builder, int level, Operand a, RegisterType type, int lanes) {
  Register from = builder_register_type(builder, a);
  if (from.type == type && from.lanes == lanes) return a;
  Statement *convert = builder_append_at(builder, level, STATEMENT_CONVERT);
  convert->result = operand_single(builder_register(builder, type, lanes, 1));
  convert->arguments[0] = a;
  return convert->result;
}

Operand builder_load(Builder *builder, int level, RegisterType type, int lanes, Address address) {
  Statement *load = builder_append_at(builder, level, STATEMENT_LOAD);
  load->result = operand_single(builder_register(builder, type, lanes, 1));
  load->address = address;
  return load->result;
}

void builder_store(Builder *builder, Address address, Operand value, bool accumulate) {
  Statement *store = builder_append(builder, STATEMENT_STORE);
  store->address = address, store->arguments[0] = value, store->accumulate = accumulate;
}

Program *builder_finish(Builder *builder) {
  while (builder->level > 0) builder_close(builder);
  builder->program->body = builder->levels[0].first;
  return builder->program;
}
