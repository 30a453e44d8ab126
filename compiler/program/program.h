/* Loop programs: what a schedule makes of nodes and what every back end prints. A program is imperative code over
   registers, loops with affine bounds, and loads and stores at affine addresses; nothing in it is specific to one
   processor but the number of lanes and the unrolling.

   A program runs as `chunks` independent tasks; the task's number is loop variable 0. It reads and writes buffers,
   which are bound when it is called or lie in the task's own workspace; loads and stores convert between what a buffer
   stores and what a register computes in. Registers are mutable; arrays of registers are indexed by expressions that
   are constant after unrolling. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "compiler/graph/graph.h"
#include "runtime/abi.h"

typedef enum RegisterType {
#define REGISTER(NAME, text, storage) REGISTER_##NAME,
#include "registers.def"
#undef REGISTER
  REGISTER_COUNT
} RegisterType; /* MASK: truth values */
const char *register_name(RegisterType type);
int register_bytes(RegisterType type); /* of a lane, where it holds numbers */
/* Numbers alone: the storage that holds the same ones; the narrowest registers that hold all of a storage. */
StorageType storage_of(RegisterType type);
RegisterType register_of(StorageType storage);

/* constant + sum of coefficient * loop variable */
typedef struct AffineTerm {
  int variable;
  int64_t coefficient;
} AffineTerm;
enum { TERM_LIMIT = 24 }; /* each variable of a node that runs is a loop, and a few are two */
typedef struct Affine {
  int64_t constant;
  int term_count;
  AffineTerm terms[TERM_LIMIT];
} Affine;

Affine affine_constant(int64_t value);
Affine affine_variable(int variable, int64_t coefficient);
Affine affine_add(Affine a, Affine b);
Affine affine_scale(Affine a, int64_t factor);
int64_t affine_coefficient(Affine affine, int variable);
bool affine_equal(Affine a, Affine b);

typedef struct Register {
  RegisterType type;
  int lanes;
  int count;
} Register; /* lanes: 1, or the program's */
typedef struct Operand {
  int reg;
  Affine index;
} Operand; /* one register of an array; index 0 for count 1 */

/* Where a buffer lies. GLOBAL: bound when the program is called. WORKSPACE: the task's own, with anything in it. */
typedef enum Space { SPACE_GLOBAL, SPACE_WORKSPACE, SPACE_COUNT } Space;
typedef struct Buffer {
  Space space;
  StorageType storage;
  int64_t elements;
  int64_t place; /* GLOBAL: its number among those that are bound; WORKSPACE: its first byte, at a line */
  bool written;  /* GLOBAL */
  const char *name;
} Buffer;
enum { WORKSPACE_ALIGNMENT = 64 };

/* low <= value + lane_step * lane < high must hold, or the lane reads 0 and does not write */
typedef struct Guard {
  Affine value;
  int64_t lane_step;
  int64_t low, high;
} Guard;

/* Element `offset + lane * lane_stride + sum of computed` of a buffer. Lanes at or beyond `valid` (if has_valid) read 0
   and do not write. */
typedef struct ComputedIndex {
  Operand value;
  int64_t stride;
  int64_t low, high;
} ComputedIndex; /* integer-valued register, added times stride; outside [low, high): as a failed guard */
typedef struct Address {
  int buffer;
  Affine offset;
  int64_t lane_stride; /* 0: all lanes the same element; 1: contiguous; else gathered */
  bool has_valid;
  Affine valid;
  int guard_count;
  const Guard *guards;
  int computed_count;
  const ComputedIndex *computed;
} Address;

/* What each kind does and holds: statements.def. */
typedef enum StatementKind {
#define STATEMENT(NAME, name, text) STATEMENT_##NAME,
#define FIELD(...)
#define END
#include "statements.def"
#undef STATEMENT
#undef FIELD
#undef END
  STATEMENT_COUNT
} StatementKind;

typedef enum LoopKind {
#define LOOP(NAME, name, text) LOOP_##NAME,
#include "loops.def"
#undef LOOP
  LOOP_COUNT
} LoopKind;

typedef struct Statement Statement;
struct Statement {
  StatementKind kind;
  Statement *next; /* in its block */
  Span span;       /* debug location */
  Operand result;
  Operand arguments[3];
  Operation operation;
  double constant;
  int variable; /* FOR, LET */
  union {
    struct {
      Affine from, to, limit;
      bool has_limit;
      LoopKind loop;
      int64_t step;
    }; /* FOR */
    struct {
      Affine value;
      int64_t divisor, modulus, most, lane_step;
    }; /* LET, NUMBER; IF: the condition */
    struct {
      Address address;
      bool accumulate;
    }; /* LOAD, STORE */
    struct {
      uint64_t stream;
      int draw;
      Distribution distribution;
      Affine sample, element;
      int64_t sample_step, element_step;
    }; /* RANDOM */
  };
  Statement *body, *otherwise;
};

typedef struct Program {
  int id;
  const char *title; /* "D.Linear_1: y", for people */
  Span span;
  bool tile;         /* holds a matrix-like contraction in registers; else a nest */
  int lanes;         /* vector width in elements of `real` */
  RegisterType real; /* what it computes in; scalars of shape [] are always F64 */
  int64_t chunks;
  int64_t workspace_bytes;
  int variable_count; /* loop variables; 0 is the task's number */
  int register_count;
  Register *registers;
  int buffer_count, bound_count; /* bound: those that are GLOBAL */
  Buffer *buffers;
  Statement *body;
  double flops, bytes;
} Program;

int statement_arity(const Statement *statement);             /* how many arguments */
const Operand *statement_result(const Statement *statement); /* the first register that it writes; NULL: none */

void program_print(const Program *program, FILE *out); /* --emit kernels: pseudo-code */
bool program_verify(Session *session, const Program *program);
/* Equal up to names and places: one compiled kernel serves both. */
bool program_equal(const Program *a, const Program *b);
uint64_t program_hash(const Program *program);

#endif
