/* Loop programs as values: what each kind of statement holds, whether two programs are the same code, and a number that
   agrees for those. Takes finished programs and never changes them. */
#include "program.h"
#include "tests/mutants/mutant.h"

#include <stdlib.h>
#include <string.h>

const StatementShape statement_shapes[STATEMENT_TRANSPOSE + 1] = {
    [STATEMENT_FOR] = {"for", 0, false, false},
    [STATEMENT_LET] = {"let", 0, false, false},
    [STATEMENT_IF] = {"if", 0, false, false},
    [STATEMENT_SET] = {"set", 0, true, false},
    [STATEMENT_OPERATE] = {"operate", -1, true, false},
    [STATEMENT_FMA] = {"fma", 3, true, false},
    [STATEMENT_CONVERT] = {"convert", 1, true, false},
    [STATEMENT_NUMBER] = {"number", 0, true, false},
    [STATEMENT_LOAD] = {"load", 0, true, true},
    [STATEMENT_STORE] = {"store", 1, false, true},
    [STATEMENT_RANDOM] = {"random", 0, true, false},
    [STATEMENT_FOLD] = {"fold", 1, true, false},
    [STATEMENT_TRANSPOSE] = {"transpose", 1, false, false},
};

int statement_arity(const Statement *statement) {
  int arity = statement_shapes[statement->kind].arity;
  return arity >= 0 ? arity : operation_arity(statement->operation);
}

/* ---- the numbers of a program, in one order
   -------------------------------------------------------------------------------

   Equality and hash both read a program as a sequence of 64-bit words: all that decides its code, nothing that names
   it. */

typedef struct Reader {
  void (*word)(void *context, uint64_t word);
  void *context;
} Reader;

static void read_word(const Reader *reader, int64_t word) { reader->word(reader->context, (uint64_t)word); }

static void read_number(const Reader *reader, double value) {
  int64_t bits;
  memcpy(&bits, &value, sizeof bits); /* 0 and -0 are different code */
  read_word(reader, bits);
}

static void read_affine(const Reader *reader, const Affine *affine) {
  read_word(reader, affine->constant);
  read_word(reader, affine->term_count);
  for (int i = 0; i < affine->term_count; i++) {
    read_word(reader, affine->terms[i].variable);
    read_word(reader, affine->terms[i].coefficient);
  }
}

static void read_operand(const Reader *reader, const Operand *operand) {
  read_word(reader, operand->reg);
  read_affine(reader, &operand->index);
}

static void read_address(const Reader *reader, const Address *address) {
  read_word(reader, address->buffer);
  read_affine(reader, &address->offset);
  read_word(reader, address->lane_stride);
  read_word(reader, address->has_valid);
  if (address->has_valid) read_affine(reader, &address->valid);
  read_word(reader, address->guard_count);
  for (int i = 0; i < address->guard_count; i++) {
    const Guard *guard = &address->guards[i];
    read_affine(reader, &guard->value);
    read_word(reader, guard->lane_step);
    read_word(reader, guard->low);
    read_word(reader, guard->high);
  }
  read_word(reader, address->computed_count);
  for (int i = 0; i < address->computed_count; i++) {
    const ComputedIndex *computed = &address->computed[i];
    read_operand(reader, &computed->value);
    read_word(reader, computed->stride);
    read_word(reader, computed->low);
    read_word(reader, computed->high);
  }
}

static void read_block(const Reader *reader, const Statement *statement);

static void read_statement(const Reader *reader, const Statement *statement) {
  read_word(reader, statement->kind);
  if (statement_shapes[statement->kind].has_result) read_operand(reader, &statement->result);
  if (statement->kind == STATEMENT_OPERATE || statement->kind == STATEMENT_FOLD)
    read_word(reader, (int64_t)statement->operation);
  for (int i = 0; i < statement_arity(statement); i++) read_operand(reader, &statement->arguments[i]);
  if (statement_shapes[statement->kind].has_address) read_address(reader, &statement->address);
  switch (statement->kind) {
  case STATEMENT_FOR:
    read_word(reader, statement->variable);
    read_affine(reader, &statement->from);
    read_affine(reader, &statement->to);
    read_word(reader, statement->has_limit);
    if (statement->has_limit) read_affine(reader, &statement->limit);
    read_word(reader, statement->step);
    read_word(reader, statement->unroll);
    read_block(reader, statement->body);
    break;
  case STATEMENT_LET:
    read_word(reader, statement->variable);
    read_affine(reader, &statement->value);
    read_word(reader, statement->divisor);
    read_word(reader, statement->modulus);
    break;
  case STATEMENT_IF:
    read_affine(reader, &statement->value);
    read_block(reader, statement->body);
    read_block(reader, statement->otherwise);
    break;
  case STATEMENT_SET: read_number(reader, MUTANT(constants_merged) ? 0 : statement->constant); break;
  case STATEMENT_NUMBER:
    read_affine(reader, &statement->value);
    read_word(reader, statement->lane_step);
    break;
  case STATEMENT_STORE: read_word(reader, statement->accumulate); break;
  case STATEMENT_RANDOM:
    read_word(reader, MUTANT(streams_merged) ? 0 : (int64_t)statement->stream);
    read_word(reader, statement->draw);
    read_word(reader, statement->distribution);
    read_affine(reader, &statement->sample);
    read_affine(reader, &statement->element);
    read_word(reader, statement->sample_step);
    read_word(reader, statement->element_step);
    break;
  case STATEMENT_OPERATE:
  case STATEMENT_FMA:
  case STATEMENT_CONVERT:
  case STATEMENT_LOAD:
  case STATEMENT_FOLD:
  case STATEMENT_TRANSPOSE: break;
  }
}

static void read_block(const Reader *reader, const Statement *statement) {
  for (; statement != NULL; statement = statement->next) read_statement(reader, statement);
  read_word(reader, -1);
}

static void read_program(const Reader *reader, const Program *program) {
  read_word(reader, program->tile);
  read_word(reader, program->lanes);
  read_word(reader, program->real);
  read_word(reader, program->chunks);
  read_word(reader, program->workspace_bytes);
  read_word(reader, program->variable_count);
  read_word(reader, program->register_count);
  for (int i = 0; i < program->register_count; i++) {
    read_word(reader, program->registers[i].type);
    read_word(reader, program->registers[i].lanes);
    read_word(reader, program->registers[i].count);
  }
  read_word(reader, program->buffer_count);
  for (int i = 0; i < program->buffer_count; i++) {
    read_word(reader, program->buffers[i].storage);
    read_word(reader, program->buffers[i].elements);
    read_word(reader, program->buffers[i].written);
  }
  read_block(reader, program->body);
}

/* ---- hash and equality ------------------------------------------------------------------------------------------- */

static void hash_word(void *context, uint64_t word) {
  uint64_t *hash = context;
  *hash = (*hash ^ word) * 0x9E3779B97F4A7C15u;
  *hash ^= *hash >> 29;
}

uint64_t program_hash(const Program *program) {
  uint64_t hash = 0x67616e63;
  read_program(&(Reader){hash_word, &hash}, program);
  return hash;
}

static void count_word(void *context, uint64_t word) {
  size_t *count = context;
  (void)word;
  ++*count;
}

typedef struct Words {
  uint64_t *next, *end;
  bool equal;
} Words;

static void keep_word(void *context, uint64_t word) {
  Words *words = context;
  *words->next++ = word;
}

static void compare_word(void *context, uint64_t word) {
  Words *words = context;
  words->equal = words->equal && words->next < words->end && *words->next++ == word;
}

bool program_equal(const Program *a, const Program *b) {
  size_t count = 0;
  read_program(&(Reader){count_word, &count}, a);
  uint64_t *memory = malloc(count * sizeof *memory);
  if (memory == NULL) return a == b; /* merely one kernel more */
  Words words = {memory, memory + count, true};
  read_program(&(Reader){keep_word, &words}, a);
  words.next = memory;
  read_program(&(Reader){compare_word, &words}, b);
  free(memory);
  return words.equal && words.next == words.end;
}
