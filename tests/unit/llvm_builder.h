/* Loop programs written by hand, for tests: statements are appended to the block that is open. */
#ifndef LLVM_BUILDER_H
#define LLVM_BUILDER_H

#include "compiler/llvm/llvm.h"
#include "runtime/abi.h"

#include <string.h>

enum { BUILD_LIMIT = 64 };

static inline Kernel kernel_of(LoadedPrograms *loaded, int number) {
  void *address = llvm_kernel(loaded, number);
  Kernel kernel;
  memcpy(&kernel, &address, sizeof kernel); /* ISO C has no cast from object to function */
  return kernel;
}

typedef struct Build {
  Session *session;
  Program program;
  Register registers[BUILD_LIMIT];
  Buffer buffers[BUILD_LIMIT];
  Statement **tails[BUILD_LIMIT], *owners[BUILD_LIMIT];
  int depth;
} Build;

static inline Build *build_new(Session *session, const char *title, RegisterType real, int lanes) {
  Build *b = session_allocate(session, sizeof *b);
  b->session = session;
  b->program = (Program){.title = title,
                         .real = real,
                         .lanes = lanes,
                         .chunks = 1,
                         .variable_count = 1,
                         .registers = b->registers,
                         .buffers = b->buffers};
  b->tails[0] = &b->program.body;
  return b;
}

static inline int build_register(Build *b, RegisterType type, int lanes, int count) {
  b->registers[b->program.register_count] = (Register){type, lanes, count};
  return b->program.register_count++;
}

static inline int build_buffer(Build *b, StorageType storage, int64_t elements, bool written) {
  b->buffers[b->program.buffer_count] = (Buffer){.storage = storage,
                                                 .elements = elements,
                                                 .place = b->program.bound_count++,
                                                 .written = written,
                                                 .name = "buffer"};
  return b->program.buffer_count++;
}

static inline int build_workspace(Build *b, StorageType storage, int64_t elements) {
  int64_t place = b->program.workspace_bytes, bytes = elements * storage_bytes(storage);
  b->program.workspace_bytes += (bytes + WORKSPACE_ALIGNMENT - 1) / WORKSPACE_ALIGNMENT * WORKSPACE_ALIGNMENT;
  b->buffers[b->program.buffer_count] =
      (Buffer){.space = SPACE_WORKSPACE, .storage = storage, .elements = elements, .place = place, .name = "workspace"};
  return b->program.buffer_count++;
}

static inline int build_variable(Build *b) { return b->program.variable_count++; }

static inline Operand at(int reg, Affine index) { return (Operand){reg, index}; }
static inline Operand one(int reg) { return (Operand){reg, affine_constant(0)}; }
static inline Affine constant(int64_t value) { return affine_constant(value); }
static inline Affine variable(int number, int64_t coefficient) { return affine_variable(number, coefficient); }
static inline Affine sum(Affine a, Affine b) { return affine_add(a, b); }
static inline Address address(int buffer, Affine offset, int64_t lane_stride) {
  return (Address){.buffer = buffer, .offset = offset, .lane_stride = lane_stride};
}

static inline Statement *build_statement(Build *b, StatementKind kind) {
  Statement *statement = session_allocate(b->session, sizeof *statement);
  statement->kind = kind;
  *b->tails[b->depth] = statement;
  b->tails[b->depth] = &statement->next;
  return statement;
}

static inline void build_open(Build *b, Statement *owner, Statement **body) {
  b->owners[++b->depth] = owner;
  b->tails[b->depth] = body;
}

static inline Statement *build_for(Build *b, int number, Affine from, Affine to, int64_t step, LoopKind kind) {
  Statement *loop = build_statement(b, STATEMENT_FOR);
  loop->variable = number;
  loop->from = from;
  loop->to = to;
  loop->step = step;
  loop->loop = kind;
  build_open(b, loop, &loop->body);
  return loop;
}

static inline void build_if(Build *b, Affine condition) {
  Statement *choice = build_statement(b, STATEMENT_IF);
  choice->value = condition;
  build_open(b, choice, &choice->body);
}

static inline void build_else(Build *b) {
  Statement *choice = b->owners[b->depth--];
  build_open(b, choice, &choice->otherwise);
}

static inline void build_end(Build *b) { b->depth--; }

static inline void build_set(Build *b, Operand result, double value) {
  Statement *set = build_statement(b, STATEMENT_SET);
  set->result = result;
  set->constant = value;
}

static inline void build_operate(Build *b, Operation operation, Operand result, Operand x, Operand y, Operand z) {
  Statement *operate = build_statement(b, STATEMENT_OPERATE);
  operate->operation = operation;
  operate->result = result;
  operate->arguments[0] = x;
  operate->arguments[1] = y;
  operate->arguments[2] = z;
}

static inline void build_fma(Build *b, Operand result, Operand x, Operand y, Operand z) {
  Statement *fma = build_statement(b, STATEMENT_FMA);
  fma->result = result;
  fma->arguments[0] = x;
  fma->arguments[1] = y;
  fma->arguments[2] = z;
}

static inline void build_convert(Build *b, Operand result, Operand x) {
  Statement *convert = build_statement(b, STATEMENT_CONVERT);
  convert->result = result;
  convert->arguments[0] = x;
}

static inline Statement *build_load(Build *b, Operand result, Address place) {
  Statement *load = build_statement(b, STATEMENT_LOAD);
  load->result = result;
  load->address = place;
  return load;
}

static inline Statement *build_store(Build *b, Address place, Operand value, bool accumulate) {
  Statement *store = build_statement(b, STATEMENT_STORE);
  store->address = place;
  store->arguments[0] = value;
  store->accumulate = accumulate;
  return store;
}

#endif
