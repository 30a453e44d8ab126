/* Loop programs as values: what each kind of statement holds, whether two programs are the same code, and a number that
   agrees for those. Takes finished programs and never changes them. */
#include "statements.h"
#include "tests/mutants/mutant.h"

#include <stdlib.h>
#include <string.h>

enum { NOT_STORED = -1 };

/* ---- rows -------------------------------------------------------------------------------------------------------- */

const char *const loop_names[LOOP_COUNT] = {
#define LOOP(NAME, name, text) [LOOP_##NAME] = text,
#include "loops.def"
#undef LOOP
};
static const struct {
  const char *name;
  int storage;
} registers[REGISTER_COUNT] = {
#define REGISTER(NAME, text, storage) [REGISTER_##NAME] = {text, storage},
#include "registers.def"
#undef REGISTER
};

const char *register_name(RegisterType type) { return registers[type].name; }
int register_bytes(RegisterType type) { return (int)storage_bytes(storage_of(type)); }

StorageType storage_of(RegisterType type) {
  if (registers[type].storage == NOT_STORED) internal_error(HERE, "memory holds no truth values");
  return (StorageType)registers[type].storage;
}

RegisterType register_of(StorageType storage) {
  RegisterType best = REGISTER_F64;
  for (RegisterType type = 0; type < REGISTER_COUNT; type++) {
    if (registers[type].storage == NOT_STORED || register_bytes(type) < storage_bytes(storage)) continue;
    if (register_bytes(type) < register_bytes(best)) best = type;
  }
  return best;
}

static const char *const distribution_names[] = {[DISTRIBUTION_UNIFORM] = "uniform", [DISTRIBUTION_NORMAL] = "normal"};

#define STATEMENT(NAME, name, text) static const Field name##_fields[] = {
#define FIELD(member, ...) \
  {.name = #member, \
   .offset = offsetof(Statement, member), \
   .size = sizeof((Statement *)0)->member, \
   .kind = FIELD_##__VA_ARGS__},
#define END \
  { .name = NULL } \
  } \
  ;
#include "statements.def"
#undef STATEMENT
#undef FIELD
#undef END

const StatementRow statement_rows[STATEMENT_COUNT] = {
#define STATEMENT(NAME, name, text) [STATEMENT_##NAME] = {#name, text, name##_fields},
#define FIELD(...)
#define END
#include "statements.def"
#undef STATEMENT
#undef FIELD
#undef END
};

const Field *statement_field(const Statement *statement, const char *name, size_t length) {
  const Field *field = statement_rows[statement->kind].fields;
  while (field->name != NULL && (strncmp(field->name, name, length) != 0 || field->name[length] != 0)) field++;
  return field->name == NULL ? NULL : field;
}

bool field_given(const Statement *statement, const Field *field) {
  return field->given == 0 || *(const bool *)((const char *)statement + field->given);
}

int field_count(const Statement *statement, const Field *field) {
  return field->count == OF_OPERATION ? operation_arity(statement->operation) : field->count;
}

int64_t field_whole(const Statement *statement, const Field *field) {
  const void *at = field_at(statement, field);
  return field->size == sizeof(bool)  ? *(const bool *)at
         : field->size == sizeof(int) ? *(const int *)at
                                      : *(const int64_t *)at;
}

int statement_arity(const Statement *statement) {
  for (const Field *field = statement_rows[statement->kind].fields; field->name != NULL; field++)
    if (field->kind == FIELD_ARGUMENTS) return field_count(statement, field);
  return 0;
}

const Operand *statement_result(const Statement *statement) {
  for (const Field *field = statement_rows[statement->kind].fields; field->name != NULL; field++)
    if (field->kind == FIELD_RESULT || field->kind == FIELD_SQUARE) return field_at(statement, field);
  return NULL;
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

static void read_field(const Reader *reader, const Statement *statement, const Field *field) {
  const void *at = field_at(statement, field);
  switch (field->kind) {
  case FIELD_ARGUMENTS:
    for (int i = 0; i < field_count(statement, field); i++) read_operand(reader, (const Operand *)at + i);
    break;
  case FIELD_RESULT:
  case FIELD_SQUARE: read_operand(reader, at); break;
  case FIELD_AFFINE: read_affine(reader, at); break;
  case FIELD_ADDRESS: read_address(reader, at); break;
  case FIELD_NUMBER: read_number(reader, MUTANT(constants_merged) ? 0 : *(const double *)at); break;
  case FIELD_STREAM: read_word(reader, MUTANT(streams_merged) ? 0 : field_whole(statement, field)); break;
  case FIELD_BLOCK: read_block(reader, *(Statement *const *)at); break;
  case FIELD_VARIABLE:
  case FIELD_WHOLE:
  case FIELD_LANE_STEP:
  case FIELD_CHOICE:
  case FIELD_OPERATION:
  case FIELD_FLAG: read_word(reader, field_whole(statement, field)); break;
  }
}

static void read_block(const Reader *reader, const Statement *statement) {
  for (; statement != NULL; statement = statement->next) {
    read_word(reader, statement->kind);
    for (const Field *field = statement_rows[statement->kind].fields; field->name != NULL; field++)
      if (field_given(statement, field)) read_field(reader, statement, field);
  }
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
    read_word(reader, program->buffers[i].space);
    read_word(reader, program->buffers[i].place);
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
