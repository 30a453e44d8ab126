/* Every kind of statement, in both formats, for every level of processor that this machine has, against literal
   execution. Buffers end, or begin, at a page that may not be touched: so a lane that should be masked and is not ends
   the test. */
#include "llvm_reference.h"
#include "check_main.h"
#include "random_numbers.h"

#include <sys/mman.h>
#include <unistd.h>

static const char *const targets[] = {"native", "x86-64-v3"};
static const RegisterType types[] = {REGISTER_F32, REGISTER_F64};

typedef struct Bench {
  Session *session;
  Target *target;
  RegisterType real;
  StorageType storage; /* of the same numbers */
  int lanes;
  bool at_end;
} Bench;

/* ---- memory between forbidden pages ------------------------------------------------------------------------------ */

typedef struct Fenced {
  char *map;
  size_t map_bytes;
  void *data;
  size_t bytes;
} Fenced;

static Fenced fenced_new(int64_t elements, StorageType type, bool at_end) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = (size_t)(elements * storage_bytes(type)),
         inner = (bytes + page - 1) / page * page;
  Fenced f = {.map_bytes = inner + 2 * page, .bytes = bytes};
  f.map = mmap(NULL, f.map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne(f.map, MAP_FAILED);
  ck_assert_int_eq(mprotect(f.map + page, inner, PROT_READ | PROT_WRITE), 0);
  f.data = at_end ? f.map + page + inner - bytes : f.map + page;
  return f;
}

static void fill(void *data, int64_t elements, StorageType type, uint64_t seed) {
  Random random = {seed};
  for (int64_t i = 0; i < elements; i++)
    reference_put((char *)data + i * storage_bytes(type), type,
                  (double)random_integer(&random, -(1 << 19), (1 << 19) - 1) * 0x1p-16);
}

/* Runs the program and its reference on equal buffers; every bit, or `tolerance`, must agree. */
static void check_program(const Bench *bench, Build *b, double tolerance) {
  Program *program = &b->program;
  LoadedPrograms *loaded =
      program_verify(bench->session, program) ? llvm_load(bench->session, bench->target, 1, &program) : NULL;
  if (loaded == NULL) {
    diagnostic_print_all(bench->session, stderr);
    program_print(program, stderr);
  }
  ck_assert_ptr_nonnull(loaded);
  Fenced ours[BUILD_LIMIT], theirs[BUILD_LIMIT];
  void *our_buffers[BUILD_LIMIT], *their_buffers[BUILD_LIMIT];
  for (int i = 0; i < program->buffer_count; i++) {
    const Buffer *buffer = &program->buffers[i];
    if (buffer->space != SPACE_GLOBAL) continue;
    ours[i] = fenced_new(buffer->elements, buffer->storage, bench->at_end);
    theirs[i] = fenced_new(buffer->elements, buffer->storage, bench->at_end);
    fill(our_buffers[buffer->place] = ours[i].data, buffer->elements, buffer->storage, (uint64_t)i + 1);
    fill(their_buffers[buffer->place] = theirs[i].data, buffer->elements, buffer->storage, (uint64_t)i + 1);
  }
  Call our_call = {our_buffers, 77, 5, 3, 40}, their_call = our_call;
  their_call.buffers = their_buffers;
  Fenced our_workspace = fenced_new(program->workspace_bytes / 8, STORAGE_F64, bench->at_end),
         their_workspace = fenced_new(program->workspace_bytes / 8, STORAGE_F64, bench->at_end);
  for (int64_t chunk = 0; chunk < program->chunks; chunk++) {
    kernel_of(loaded, 0)(&our_call, chunk, our_workspace.data);
    reference_run(program, &their_call, chunk, their_workspace.data);
  }
  for (int i = 0; i < program->buffer_count; i++) {
    const Buffer *buffer = &program->buffers[i];
    bool global = buffer->space == SPACE_GLOBAL;
    const char *our = global ? ours[i].data : (char *)our_workspace.data + buffer->place,
               *their = global ? theirs[i].data : (char *)their_workspace.data + buffer->place;
    for (int64_t k = 0; k < buffer->elements; k++) {
      int64_t at = k * storage_bytes(buffer->storage);
      double got = reference_get(our + at, buffer->storage), expected = reference_get(their + at, buffer->storage);
      if (got == expected || (isnan(got) && isnan(expected))) continue;
      bool near = fabs(got - expected) <= tolerance * fmax(1, fabs(expected));
      ck_assert_msg(near, "%s, %d lanes, %s: buffer %d[%ld] is %a, not %a", program->title, program->lanes,
                    register_name(bench->real), i, (long)k, got, expected);
    }
    if (!global) continue;
    munmap(ours[i].map, ours[i].map_bytes);
    munmap(theirs[i].map, theirs[i].map_bytes);
  }
  munmap(our_workspace.map, our_workspace.map_bytes);
  munmap(their_workspace.map, their_workspace.map_bytes);
  llvm_unload(loaded);
}

static Build *start(const Bench *bench, const char *title) {
  return build_new(bench->session, title, bench->real, bench->lanes);
}

/* Calls test for both formats, all targets, widths from one lane to the target's, and buffers at both edges. */
static void for_all(void (*test)(const Bench *bench)) {
  for (size_t t = 0; t < LENGTH(targets); t++)
    for (size_t r = 0; r < LENGTH(types); r++) {
      Session *session = session_new();
      Target *target = target_new(session, targets[t]);
      ck_assert_ptr_nonnull(target);
      int widest = target_machine(target)->vector_bytes / register_bytes(types[r]);
      for (int lanes = t == 0 ? widest : widest / 2; lanes >= widest / (t == 0 ? 1 : 4) && lanes > 0; lanes /= 2)
        for (int edge = 0; edge < 2; edge++)
          test(&(Bench){session, target, types[r], storage_of(types[r]), lanes, edge == 1});
      session_free(session);
    }
}

/* ---- loads and stores -------------------------------------------------------------------------------------------- */

/* out[i] = x[i] + 1 for i < n: the last vector is cut off. */
static void tails(const Bench *bench) {
  for (int64_t n = 1; n <= 2 * bench->lanes + 1; n++) {
    Build *b = start(bench, "tail");
    int x = build_buffer(b, bench->storage, n, false), out = build_buffer(b, bench->storage, n, true);
    int v = build_register(b, bench->real, bench->lanes, 2), i = build_variable(b);
    build_set(b, at(v, constant(1)), 1);
    build_for(b, i, constant(0), constant(n), bench->lanes, LOOP_SERIAL);
    Address from = address(x, variable(i, 1), 1), to = address(out, variable(i, 1), 1);
    from.has_valid = to.has_valid = true;
    from.valid = to.valid = sum(constant(n), variable(i, -1));
    build_load(b, one(v), from);
    build_operate(b, OP_ADD, one(v), one(v), at(v, constant(1)), one(v));
    build_store(b, to, one(v), n % 2 == 0);
    build_end(b);
    check_program(bench, b, 0);
  }
}

/* out[i] = x[scale * i + shift], 0 where that is outside: lanes and whole vectors beyond both edges. */
static void shifts(const Bench *bench) {
  const int64_t n = 3 * bench->lanes + 2;
  for (int scale = -1; scale <= 3; scale++)
    for (int64_t shift = -bench->lanes - 1; shift <= bench->lanes + 1; shift += 3) {
      Build *b = start(bench, "shift");
      int x = build_buffer(b, bench->storage, n, false), out = build_buffer(b, bench->storage, n, true),
          back = build_buffer(b, bench->storage, n, true);
      int v = build_register(b, bench->real, bench->lanes, 1), i = build_variable(b);
      build_for(b, i, constant(0), constant(n), bench->lanes, LOOP_SERIAL);
      Affine place = sum(variable(i, scale), constant(scale < 0 ? n - 1 + shift : shift));
      Guard *guard = session_allocate(bench->session, sizeof *guard);
      *guard = (Guard){place, scale, 0, n};
      Address from = address(x, place, scale), to = address(out, variable(i, 1), 1), scattered = from;
      from.guard_count = scattered.guard_count = 1;
      from.guards = scattered.guards = guard;
      scattered.buffer = back;
      to.has_valid = scattered.has_valid = true;
      to.valid = scattered.valid = sum(constant(n), variable(i, -1));
      build_load(b, one(v), from);
      build_store(b, to, one(v), false);
      build_store(b, scattered, one(v), true);
      build_end(b);
      check_program(bench, b, 0);
    }
}

/* Scalars and broadcasts under guards that no lane decides, in a loop that runs beyond the buffer. */
static void scalars(const Bench *bench) {
  const int64_t n = 5;
  Build *b = start(bench, "scalar guards");
  int x = build_buffer(b, bench->storage, n, false), out = build_buffer(b, bench->storage, 12 * bench->lanes, true),
      few = build_buffer(b, bench->storage, n, true);
  int v = build_register(b, bench->real, bench->lanes, 2), s = build_register(b, bench->real, 1, 1),
      i = build_variable(b);
  Guard *guard = session_allocate(bench->session, sizeof *guard);
  *guard = (Guard){variable(i, 1), 0, 0, n};
  build_for(b, i, constant(-4), constant(8), 1, LOOP_SERIAL);
  Address guarded = address(x, variable(i, 1), 0),
          row = address(out, sum(variable(i, bench->lanes), constant(4 * bench->lanes)), 1);
  guarded.guard_count = 1;
  guarded.guards = guard;
  build_load(b, one(s), guarded);
  build_load(b, one(v), guarded);
  guarded.lane_stride = 1;
  guarded.has_valid = true;
  guarded.valid = sum(constant(n), variable(i, -1));
  build_load(b, at(v, constant(1)), guarded);
  build_operate(b, OP_ADD, one(v), one(v), at(v, constant(1)), one(v));
  build_operate(b, OP_MULTIPLY, one(v), one(v), one(s), one(v));
  build_store(b, row, one(v), false);
  guarded.buffer = few;
  build_store(b, guarded, one(v), true);
  guarded.has_valid = false;
  guarded.lane_stride = 0;
  build_store(b, guarded, one(s), true);
  build_end(b);
  check_program(bench, b, 0);
}

/* Rows that data chooses, some of them outside; sums scattered to them. */
static void computed(const Bench *bench) {
  const int64_t rows = 7, n = 2 * bench->lanes;
  Build *b = start(bench, "computed");
  int labels = build_buffer(b, bench->storage, n, false), table = build_buffer(b, bench->storage, rows * 3, false);
  int out = build_buffer(b, bench->storage, n, true), sums = build_buffer(b, bench->storage, rows * 3, true),
      copy = build_buffer(b, STORAGE_F64, n, true);
  int v = build_register(b, bench->real, bench->lanes, 2), s = build_register(b, bench->real, 1, 2),
      i = build_variable(b);
  ComputedIndex *by_lane = session_allocate(bench->session, 2 * sizeof *by_lane), *by_one = by_lane + 1;
  *by_lane = (ComputedIndex){one(v), 3, 0, rows};
  *by_one = (ComputedIndex){one(s), 3, 0, rows};
  build_for(b, i, constant(0), constant(n), bench->lanes, LOOP_SERIAL);
  build_load(b, one(v), address(labels, variable(i, 1), 1));
  build_operate(b, OP_FLOOR, one(v), one(v), one(v), one(v));
  Address gathered = {.buffer = table, .offset = constant(1), .computed_count = 1, .computed = by_lane};
  build_load(b, at(v, constant(1)), gathered);
  build_store(b, address(out, variable(i, 1), 1), at(v, constant(1)), false);
  gathered.buffer = sums;
  build_store(b, gathered, at(v, constant(1)), true);
  build_end(b);
  build_for(b, i, constant(0), constant(n), 1, LOOP_SERIAL);
  build_load(b, one(s), address(labels, variable(i, 1), 0));
  build_operate(b, OP_FLOOR, one(s), one(s), one(s), one(s));
  gathered.buffer = table;
  gathered.computed = by_one;
  build_load(b, at(s, constant(1)), gathered);
  build_store(b, address(copy, variable(i, 1), 0), at(s, constant(1)), false);
  gathered.buffer = sums;
  build_store(b, gathered, at(s, constant(1)), true);
  build_end(b);
  check_program(bench, b, 0);
}

/* ---- loops ------------------------------------------------------------------------------------------------------- */

static void loops(const Bench *bench) {
  const int64_t n = 61;
  Build *b = start(bench, "loops");
  int out = build_buffer(b, bench->storage, 4 * n, true), x = build_buffer(b, bench->storage, 4 * n, false);
  int s = build_register(b, bench->real, 1, 4), i = build_variable(b), j = build_variable(b), u = build_variable(b),
      q = build_variable(b), m = build_variable(b);
  b->program.chunks = 4;
  int workspace = build_workspace(b, bench->storage, n);
  build_for(b, i, constant(0), constant(n), 1, LOOP_SERIAL); /* to the workspace and back, mirrored */
  build_load(b, one(s), address(x, sum(variable(0, n), variable(i, 1)), 0));
  build_store(b, address(workspace, sum(constant(n - 1), variable(i, -1)), 0), one(s), false);
  build_end(b);
  build_set(b, at(s, constant(3)), 0);
  build_for(b, i, variable(0, 2), constant(n), 7, LOOP_SERIAL);
  Statement *inner = build_for(b, j, variable(i, 1), sum(variable(i, 1), constant(7)), 1, LOOP_SERIAL);
  inner->has_limit = true;
  inner->limit = constant(n);
  Statement *let = build_statement(b, STATEMENT_LET);
  let->variable = q;
  let->value = sum(variable(j, 1), constant(-20));
  let->divisor = 3;
  let = build_statement(b, STATEMENT_LET);
  let->variable = m;
  let->value = sum(variable(q, 2), variable(0, 1));
  let->divisor = 1;
  let->modulus = 5;
  build_load(b, one(s), address(workspace, variable(j, 1), 0));
  Statement *number = build_statement(b, STATEMENT_NUMBER);
  number->result = at(s, constant(1));
  number->value = sum(variable(q, 100), variable(m, 1));
  build_operate(b, OP_ADD, one(s), one(s), at(s, constant(1)), one(s));
  build_operate(b, OP_ADD, at(s, constant(3)), at(s, constant(3)), one(s), one(s));
  build_if(b, sum(variable(m, 1), constant(-3)));
  build_store(b, address(out, sum(variable(0, n), variable(j, 1)), 0), at(s, constant(3)), false);
  build_else(b);
  Statement *unrolled = build_for(b, u, constant(0), constant(3), 1, LOOP_UNROLLED);
  unrolled->has_limit = true;
  unrolled->limit = variable(m, 1);
  build_set(b, at(s, sum(variable(u, 1), constant(0))), 2);
  build_store(b, address(out, sum(variable(0, n), variable(j, 1)), 0), at(s, variable(u, 1)), true);
  build_end(b);
  build_end(b);
  build_end(b);
  build_end(b);
  build_for(b, i, constant(5), constant(5), 1, LOOP_SERIAL); /* never */
  build_store(b, address(out, constant(0), 0), at(s, constant(3)), false);
  build_end(b);
  check_program(bench, b, 0);
}

/* ---- computations ------------------------------------------------------------------------------------------------ */

static void operations(const Bench *bench) {
  for (Operation op = 0; op < OP_COUNT; op++) {
    bool truth = op == OP_LESS || op == OP_LESS_EQUAL || op == OP_EQUAL || op == OP_AND || op == OP_OR || op == OP_NOT;
    const int64_t n = 8 * bench->lanes;
    Build *b = start(bench, operation_rows[op].name);
    int x = build_buffer(b, bench->storage, n, false), y = build_buffer(b, bench->storage, n, false),
        out = build_buffer(b, bench->storage, n, true);
    int v = build_register(b, bench->real, bench->lanes, 4), s = build_register(b, bench->real, 1, 1),
        mask = build_register(b, REGISTER_MASK, bench->lanes, 2);
    int fixed = build_register(b, bench->real, bench->lanes, 1), i = build_variable(b);
    build_load(b, one(s), address(y, constant(3), 0));
    build_set(b, one(fixed), 0);
    build_for(b, i, constant(0), constant(n), bench->lanes, LOOP_SERIAL);
    build_load(b, one(v), address(x, variable(i, 1), 1));
    build_load(b, at(v, constant(1)), address(y, variable(i, 1), 1));
    if (op == OP_POWER || op == OP_LOG || op == OP_SQRT || op == OP_LOG1P)
      build_operate(b, OP_ABSOLUTE, one(v), one(v), one(v), one(v));
    if (truth) {
      build_operate(b, op, one(mask), one(v), at(v, constant(1)), one(v));
      build_convert(b, at(mask, constant(1)), one(v));
      build_operate(b, OP_OR, one(mask), one(mask), at(mask, constant(1)), one(mask));
      build_operate(b, OP_SELECT, at(v, constant(2)), one(mask), one(s), one(v));
      build_convert(b, at(v, constant(3)), one(mask));
      build_operate(b, OP_ADD, at(v, constant(2)), at(v, constant(2)), at(v, constant(3)), one(v));
      build_operate(b, op, at(v, constant(3)), one(v), one(s), one(v)); /* as a number */
      build_operate(b, OP_ADD, at(v, constant(2)), at(v, constant(2)), at(v, constant(3)), one(v));
    } else {
      build_operate(b, op, at(v, constant(2)), one(v), at(v, constant(1)), one(s));
      if (operation_arity(op) == 2) { /* a scalar and a constant as operands */
        build_operate(b, op, at(v, constant(3)), one(v), one(s), one(v));
        build_operate(b, OP_ADD, at(v, constant(2)), at(v, constant(2)), at(v, constant(3)), one(v));
        build_operate(b, op, at(v, constant(3)), one(fixed), at(v, constant(1)), one(v));
        build_operate(b, OP_ADD, at(v, constant(2)), at(v, constant(2)), at(v, constant(3)), one(v));
      }
    }
    build_store(b, address(out, variable(i, 1), 1), at(v, constant(2)), false);
    build_end(b);
    bool rounded = op == OP_POWER || (op >= OP_EXP && op <= OP_ERF) || op == OP_MODULO;
    check_program(bench, b, !rounded ? 0 : bench->real == REGISTER_F32 ? 2e-6 : 1e-14);
  }
}

static void mixtures(const Bench *bench) {
  const int64_t n = 4 * bench->lanes;
  RegisterType other = bench->real == REGISTER_F32 ? REGISTER_F64 : REGISTER_F32;
  Build *b = start(bench, "conversions, folds, fma");
  int x = build_buffer(b, bench->storage, n, false), y = build_buffer(b, storage_of(other), n, false),
      out = build_buffer(b, bench->storage, 6 * n, true), sums = build_buffer(b, storage_of(other), 4, true);
  int v = build_register(b, bench->real, bench->lanes, 3), w = build_register(b, other, bench->lanes, 1),
      s = build_register(b, bench->real, 1, 2);
  int t = build_register(b, other, 1, 1), mask = build_register(b, REGISTER_MASK, 1, 1), i = build_variable(b);
  build_set(b, one(mask), 1);
  build_for(b, i, constant(0), constant(n), bench->lanes, LOOP_SERIAL);
  build_load(b, one(v), address(x, variable(i, 1), 1));
  build_load(b, one(w), address(y, variable(i, 1), 1));
  build_convert(b, at(v, constant(1)), one(w));
  build_fma(b, at(v, constant(2)), one(v), at(v, constant(1)), one(v));
  build_store(b, address(out, variable(i, 1), 1), at(v, constant(2)), false);
  Statement *fold = build_statement(b, STATEMENT_FOLD);
  fold->operation = OP_ADD;
  fold->result = one(s);
  fold->arguments[0] = at(v, constant(2));
  fold = build_statement(b, STATEMENT_FOLD);
  fold->operation = OP_MAXIMUM;
  fold->result = at(s, constant(1));
  fold->arguments[0] = one(v);
  build_fma(b, at(v, constant(2)), one(s), at(v, constant(1)), at(s, constant(1)));
  build_store(b, address(out, sum(constant(n), variable(i, 1)), 1), at(v, constant(2)), false);
  build_convert(b, one(t), one(s));
  build_store(b, address(sums, constant(1), 0), one(t), true);
  build_convert(b, at(v, constant(2)), one(t)); /* other type, and spread */
  build_store(b, address(out, sum(constant(2 * n), variable(i, 1)), 1), at(v, constant(2)), true);
  build_operate(b, OP_SELECT, at(v, constant(2)), one(mask), at(v, constant(1)), one(v));
  build_store(b, address(out, sum(constant(3 * n), variable(i, 1)), 1), at(v, constant(2)), true);
  Statement *number = build_statement(b, STATEMENT_NUMBER);
  number->result = at(v, constant(2));
  number->value = variable(i, 1000003);
  number->lane_step = -7;
  build_store(b, address(out, sum(constant(4 * n), variable(i, 1)), 1), at(v, constant(2)), false);
  build_load(b, one(v), address(y, variable(i, 1), 1)); /* stored in the other format */
  build_store(b, address(out, sum(constant(5 * n), variable(i, 1)), 1), one(v), false);
  build_end(b);
  check_program(bench, b, 0);
}

static void squares(const Bench *bench) {
  if (bench->lanes == 1) return;
  const int64_t n = bench->lanes * bench->lanes;
  Build *b = start(bench, "transpose");
  int x = build_buffer(b, bench->storage, n, false), out = build_buffer(b, bench->storage, n, true),
      v = build_register(b, bench->real, bench->lanes, bench->lanes + 1);
  int i = build_variable(b);
  build_for(b, i, constant(0), constant(bench->lanes), 1, LOOP_UNROLLED);
  build_load(b, at(v, sum(variable(i, 1), constant(1))), address(x, variable(i, bench->lanes), 1));
  build_end(b);
  build_statement(b, STATEMENT_TRANSPOSE)->arguments[0] = at(v, constant(1));
  build_for(b, i, constant(0), constant(bench->lanes), 1, LOOP_UNROLLED);
  build_store(b, address(out, variable(i, bench->lanes), 1), at(v, sum(variable(i, 1), constant(1))), false);
  build_end(b);
  check_program(bench, b, 0);
}

/* Draws with lanes along samples, along elements (from a block's start, and not), and without lanes. */
static void draws(const Bench *bench) {
  for (int distribution = 0; distribution < 2; distribution++)
    for (int form = 0; form < 5; form++) {
      const int64_t elements = 13, samples = 2 * bench->lanes;
      int lanes = form == 4 ? 1 : bench->lanes;
      Build *b = start(bench, distribution == 0 ? "uniform" : "normal");
      int out = build_buffer(b, bench->storage, elements * samples * 2, true),
          v = build_register(b, bench->real, lanes, 1);
      int i = build_variable(b), k = build_variable(b), u = build_variable(b);
      build_for(b, i, constant(0), constant(form == 1 ? 3 : elements - 1),
                form == 1   ? 1
                : form == 3 ? 4
                            : 1,
                LOOP_SERIAL);
      build_for(b, u, constant(0), constant(form == 3 ? 4 : 1), 1, LOOP_UNROLLED);
      build_for(b, k, constant(0), constant(samples), bench->lanes, LOOP_SERIAL);
      Statement *random = build_statement(b, STATEMENT_RANDOM);
      random->result = one(v);
      random->stream = 0x123456789abcdef0u;
      random->distribution = distribution == 0 ? DISTRIBUTION_UNIFORM : DISTRIBUTION_NORMAL;
      random->sample = form == 1 || form == 2 ? variable(i, 1) : variable(k, 1);
      random->element = form == 1   ? sum(variable(k, 4), variable(i, 32))
                        : form == 2 ? sum(variable(k, 1), constant(3))
                                    : sum(variable(i, 1), variable(u, 1));
      if (form == 3) random->element = sum(variable(i, 4), variable(u, 1));
      random->sample_step = form == 1 || form == 2 ? 0 : 1;
      random->element_step = form == 1 || form == 2 ? 1 : form == 0 ? 2 : 0;
      build_store(b,
                  address(out, sum(variable(i, samples), sum(variable(u, samples), variable(k, 1))), lanes > 1 ? 1 : 0),
                  one(v), false);
      build_end(b);
      build_end(b);
      build_end(b);
      check_program(bench, b, distribution == 0 ? 0 : bench->real == REGISTER_F32 ? 1e-6 : 1e-14);
    }
}

/* Each kind of loop, over whole vectors. */
static void kinds_of_loops(const Bench *bench) {
  for (LoopKind kind = 0; kind < LOOP_COUNT; kind++) {
    const int64_t n = 5 * bench->lanes;
    Build *b = start(bench, "kinds of loops");
    int x = build_buffer(b, bench->storage, n, false), out = build_buffer(b, bench->storage, n, true);
    int v = build_register(b, bench->real, bench->lanes, 1), i = build_variable(b);
    build_for(b, i, constant(0), constant(n), bench->lanes, kind);
    build_load(b, one(v), address(x, variable(i, 1), 1));
    build_operate(b, OP_ADD, one(v), one(v), one(v), one(v));
    build_store(b, address(out, variable(i, 1), 1), one(v), false);
    build_end(b);
    check_program(bench, b, 0);
  }
}

/* What is stored in 16 bits is computed in 32 or 64, rounded where it is stored: contiguous, strided, gathered, masked,
   added to what is there; and the numbers whose rounding is decided by the last bit, or that are none. */
static void halves(const Bench *bench) {
  const int64_t n = 3 * bench->lanes + 1, wide = 4 * bench->lanes;
  Build *b = start(bench, "halves");
  int x = build_buffer(b, STORAGE_BF16, 3 * n, false), y = build_buffer(b, bench->storage, n, false),
      out = build_buffer(b, STORAGE_BF16, 4 * wide, true), sums = build_buffer(b, STORAGE_BF16, 7, true),
      edges = build_buffer(b, STORAGE_BF16, 8, true);
  int v = build_register(b, bench->real, bench->lanes, 3), s = build_register(b, bench->real, 1, 2),
      i = build_variable(b);
  ComputedIndex *by_lane = session_allocate(bench->session, sizeof *by_lane);
  *by_lane = (ComputedIndex){at(v, constant(2)), 1, 0, 7};
  build_for(b, i, constant(0), constant(n), bench->lanes, LOOP_SERIAL);
  Address from = address(x, variable(i, 1), 1), to = address(out, variable(i, 1), 1);
  from.has_valid = true;
  from.valid = sum(constant(n), variable(i, -1));
  build_load(b, one(v), from);
  from.buffer = y;
  build_load(b, at(v, constant(1)), from);
  build_operate(b, OP_MULTIPLY, at(v, constant(1)), at(v, constant(1)), one(v), one(v));
  build_store(b, to, at(v, constant(1)), false);
  from.buffer = x;
  from.offset = variable(i, 3);
  from.lane_stride = 3;
  build_load(b, at(v, constant(1)), from);
  to.offset = sum(variable(i, 1), constant(wide));
  to.has_valid = true;
  to.valid = from.valid;
  build_store(b, to, at(v, constant(1)), true);
  to.offset = sum(variable(i, 2), constant(2 * wide));
  to.lane_stride = 2;
  build_store(b, to, one(v), true);
  Statement *number = build_statement(b, STATEMENT_NUMBER);
  number->result = at(v, constant(2));
  number->value = sum(variable(i, 1), constant(-2));
  number->lane_step = 1;
  Address scattered = {.buffer = sums, .offset = constant(0), .computed_count = 1, .computed = by_lane};
  build_store(b, scattered, one(v), true);
  scattered.buffer = x;
  build_load(b, at(v, constant(1)), scattered);
  build_store(b, address(out, variable(i, 1), 1), at(v, constant(1)), true);
  build_end(b);
  const double numbers[] = {0x1.01p0, 0x1.03p0, 0x1.010002p0, -0x1.01p-3, 0x1.ffp127, 0x1.fep127, NAN, -INFINITY};
  for (int k = 0; k < 8; k++) {
    build_set(b, one(s), numbers[k]);
    build_load(b, at(s, constant(1)), address(edges, constant(k), 0));
    build_store(b, address(edges, constant(k), 0), one(s), false);
  }
  check_program(bench, b, 0);
}

/* Several workspaces, each of its own type: none is where another is. */
static void workspaces(const Bench *bench) {
  const int64_t n = 5;
  Build *b = start(bench, "workspaces");
  int x = build_buffer(b, bench->storage, n, false), spaces[STORAGE_COUNT], s = build_register(b, bench->real, 1, 1),
      i = build_variable(b), j = build_variable(b);
  for (StorageType type = 0; type < STORAGE_COUNT; type++) spaces[type] = build_workspace(b, type, n);
  int out = build_buffer(b, bench->storage, n * STORAGE_COUNT, true); /* bound behind them */
  build_for(b, i, constant(0), constant(n), 1, LOOP_SERIAL);
  build_load(b, one(s), address(x, variable(i, 1), 0));
  for (int type = 0; type < STORAGE_COUNT; type++)
    build_store(b, address(spaces[type], sum(constant(n - 1), variable(i, -1)), 0), one(s), false);
  build_end(b);
  build_for(b, j, constant(0), constant(n), 1, LOOP_SERIAL);
  for (int type = 0; type < STORAGE_COUNT; type++) {
    build_load(b, one(s), address(spaces[type], variable(j, 1), 0));
    build_store(b, address(out, sum(constant(type * n), variable(j, 1)), 0), one(s), false);
  }
  build_end(b);
  check_program(bench, b, 0);
}

/* ---- the suite --------------------------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  void (*test)(const Bench *bench);
} cases[] = {
    {"tails", tails},       {"shifts", shifts},
    {"scalars", scalars},   {"computed", computed},
    {"loops", loops},       {"operations", operations},
    {"mixtures", mixtures}, {"squares", squares},
    {"draws", draws},       {"kinds of loops", kinds_of_loops},
    {"halves", halves},     {"workspaces", workspaces},
};

START_TEST(statements) { for_all(cases[_i].test); }
END_TEST

CHECK_MAIN(.loops = {{statements, 0, LENGTH(cases)}})
