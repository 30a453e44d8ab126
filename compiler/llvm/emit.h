/* What the files of this folder share: the state of one thread that prints programs as LLVM IR. Not for other folders:
   llvm.h is. */
#ifndef EMIT_H
#define EMIT_H

#include "compiler/llvm/llvm.h"

#include <llvm-c/Core.h>
#include <llvm-c/DebugInfo.h>
#include <llvm-c/TargetMachine.h>

typedef LLVMValueRef Value;
typedef LLVMTypeRef Type;

/* A loop variable. Unrolled loops bind it to a constant; `low` and `high` are what is known of the value. */
typedef struct Variable {
  bool constant;
  int64_t low, high;
  Value value;
  int depth;
} Variable;

/* An affine expression with its variables looked up: terms by the depth of the loop that binds them, constants
   summed. */
typedef struct SumTerm {
  Value value;
  int64_t coefficient;
  int depth;
} SumTerm;
typedef struct Sum {
  int64_t constant, low, high;
  int count;
  SumTerm terms[TERM_LIMIT];
} Sum;

typedef struct MemoKey {
  int kind;
  const void *a, *b;
  int64_t c;
} MemoKey;
typedef struct MemoEntry {
  MemoKey key;
  Value value;
} MemoEntry;
typedef struct Memo {
  MemoEntry *entries;
  size_t size, count;
} Memo;

enum { INTRINSIC_LIMIT = 64, DEPTH_LIMIT = 64 };
typedef struct Intrinsic {
  const char *name;
  Type types[2];
  Value function;
  Type type;
} Intrinsic;

typedef struct DebugFile {
  const Source *source;
  LLVMMetadataRef file, scope;
} DebugFile;
typedef struct Debug {
  LLVMDIBuilderRef builder; /* NULL: nothing comes from a file */
  LLVMMetadataRef unit, type, function, location;
  Span last; /* where `location` is */
  int file_count;
  DebugFile files[64]; /* that this function comes from */
} Debug;

typedef struct Emitter {
  Session *session; /* this thread's own */
  const Machine *machine;
  LLVMContextRef context;
  LLVMModuleRef module;
  LLVMBuilderRef builder; /* at the end of a block, but for what address.c hoists */
  Type bit, i8, i16, i32, i64, f32, f64, pointer;
  int intrinsic_count;
  Intrinsic intrinsics[INTRINSIC_LIMIT];
  Value zeros; /* what a load reads whose guard fails */
  Debug debug;
  /* of one program */
  const Program *program;
  Value function, call, workspace;
  Value *buffers; /* NULL until used */
  Variable *variables;
  Value **registers;           /* an alloca for each register of each array, NULL until used */
  const Statement **constants; /* of each array: the SET that is all that ever writes it, or NULL */
  int depth;                   /* loops around; 0: the function's first block */
  Value anchors[DEPTH_LIMIT];  /* the branch that ends the first block of each loop's body */
  Memo memo;
} Emitter;

/* ---- emit.c ------------------------------------------------------------------------------------------------------ */

/* A function void name(call, chunk, workspace), verified programs only. */
Value emit_program(Emitter *e, const Program *program, const char *name);
Value emit_read(Emitter *e, const Operand *operand);       /* the register's value; MASK: bits */
int64_t emit_index(const Emitter *e, const Affine *index); /* of a register: constant */

/* ---- build.c: types, constants, intrinsics ----------------------------------------------------------------------- */

void emitter_begin(Emitter *e, Session *session, const Machine *machine, LLVMContextRef context,
                   const char *module_name);
void emitter_end(Emitter *e); /* the module stays */
Type emit_element_type(const Emitter *e, RegisterType type);
Type emit_storage_type(const Emitter *e, StorageType type); /* BF16: its bits */
Type emit_type(const Emitter *e, RegisterType type, int lanes);
int value_lanes(Value value);
bool value_is_double(Value value); /* f64 or a vector of them */
Type type_of_lanes(Type element, int lanes);
Type type_with_element(Value value, Type element);      /* as many lanes as value */
Value emit_integer(const Emitter *e, int64_t value);    /* i64 */
Value emit_real(Value like, double value);              /* a constant of the type of `like` */
Value emit_splat_constant(Value constant, int lanes);   /* scalar constant in all lanes */
Value emit_whole(Value like, int64_t value);            /* an integer constant, 32 or 64 bits as `like` */
Value emit_iota(Type integer, int lanes, int64_t step); /* 0, step, 2*step, ... */
Value emit_spread(Emitter *e, Value value, int lanes);  /* a scalar into all lanes; a vector stays */
Value emit_intrinsic(Emitter *e, const char *name, int type_count, const Type *types, int count,
                     const Value *arguments);
Value emit_unary(Emitter *e, const char *name, Value a); /* intrinsics of one floating-point type */
Value emit_fma(Emitter *e, Value a, Value b, Value c);
Value emit_not_zero(Emitter *e, Value value); /* bits stay, numbers compare */
Value emit_bits_to_number(Emitter *e, Value bits, Type element);
LLVMBasicBlockRef emit_block(Emitter *e);

/* ---- address.c: loop variables, addresses, guards ---------------------------------------------------------------- */

Sum sum_of(const Emitter *e, const Affine *affine);
Value sum_value(Emitter *e, const Sum *sum); /* i64; computed in the outermost loop that knows its variables */
Value sum_hoist_divide(Emitter *e, const Sum *sum, int64_t divisor, int64_t modulus,
                       int *depth); /* (sum // divisor) % modulus */
Value emit_hoisted_clamp(Emitter *e, Value value, int64_t low, int64_t high, int depth);
int sum_depth(const Sum *sum);
Value emit_call_word(Emitter *e, int word); /* an integer of the call's block */

/* Where a load or store goes, and which lanes may. */
typedef struct AddressPlace {
  Value pointer; /* of lane 0 where lanes are regular, else of the buffer's part that lanes share */
  Type element;  /* as it is stored */
  StorageType storage;
  int64_t lane_stride;
  Value offsets; /* of every lane from `pointer`, in elements; NULL where lane * lane_stride says it */
  Value allowed; /* one bit: may anything be touched; NULL: yes */
  Value mask;    /* lanes that may; NULL: all */
  bool never;
} AddressPlace;
AddressPlace emit_address(Emitter *e, const Address *address, int lanes);

/* ---- vector.c: memory, folds, transposes ------------------------------------------------------------------------- */

Value emit_load(Emitter *e, const Address *address, RegisterType type, int lanes);
void emit_store(Emitter *e, const Address *address, Value value, bool accumulate);
Value emit_fold(Emitter *e, Operation operation, Value value);
void emit_transpose(Emitter *e, Value *rows, int count);

/* ---- operate.c, math.c: functions as expressions over fma, compare and exponent bits ----------------------------- */

Value emit_operation(Emitter *e, Operation operation, Value a, Value b,
                     Value c); /* operands of equal type (SELECT: a is bits) */
Value emit_math(Emitter *e, Operation operation, Value a, Value b);
Value emit_turn(Emitter *e, Value turn, bool sine); /* sine or cosine of 2 pi * turn, 0 <= turn < 1 */

/* ---- random.c ---------------------------------------------------------------------------------------------------- */

Value emit_random(Emitter *e, const Statement *statement, RegisterType type, int lanes);

/* ---- debug.c: lines of the model --------------------------------------------------------------------------------- */

void debug_begin(Emitter *e, const Program *first);
void debug_function(Emitter *e, Value function, const char *name, const Program *program);
void debug_location(Emitter *e, Span span);
void debug_end(Emitter *e);

/* ---- target.c ---------------------------------------------------------------------------------------------------- */

LLVMTargetMachineRef target_machine_new(const Target *target); /* every thread its own */

/* ---- object.c: several relocatable ELF files as one -------------------------------------------------------------- */

typedef struct Bytes {
  const char *data;
  size_t size;
} Bytes;
/* NULL data if one of them is not what LLVM writes for x86-64. */
Bytes object_join(Session *session, int count, const Bytes *objects);

/* ---- module.c: programs to objects ------------------------------------------------------------------------------- */

/* One object, or one text, of all programs, in memory of the session; NULL data after a diagnostic. */
Bytes module_compile(Session *session, Target *target, int count, Program *const *programs, const void *descriptor,
                     size_t descriptor_size, EmitKind kind, int threads);

#endif
