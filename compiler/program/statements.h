/* The rows of statements.def as data, for walks over all that a statement holds. */
#ifndef STATEMENTS_H
#define STATEMENTS_H

#include "compiler/program/program.h"

#include <stddef.h>

typedef enum FieldKind {
  FIELD_ARGUMENTS,
  FIELD_RESULT,
  FIELD_SQUARE,
  FIELD_AFFINE,
  FIELD_VARIABLE,
  FIELD_ADDRESS,
  FIELD_WHOLE,
  FIELD_LANE_STEP,
  FIELD_CHOICE,
  FIELD_OPERATION,
  FIELD_NUMBER,
  FIELD_STREAM,
  FIELD_FLAG,
  FIELD_BLOCK
} FieldKind;

enum { NUMBERS = 1, ALIKE = 2, SPREAD = 4, SINGLE = 8, FULL = 16, WRITES = 32 };
enum { OF_OPERATION = -1 };

typedef struct Field {
  FieldKind kind;
  const char *name;
  size_t offset, size, given; /* in Statement; given 0: always there */
  unsigned demands;
  int count;                /* of arguments, or of names */
  int64_t least, usual;     /* of whole numbers */
  const char *const *names; /* of choices */
  const char *heading;      /* of a block; NULL: it is always there */
} Field;

typedef struct StatementRow {
  const char *name, *text;
  const Field *fields; /* the one behind the last has no name */
} StatementRow;
extern const StatementRow statement_rows[STATEMENT_COUNT];
extern const char *const loop_names[LOOP_COUNT];

const Field *statement_field(const Statement *statement, const char *name, size_t length); /* NULL: it has none */
bool field_given(const Statement *statement, const Field *field);
int field_count(const Statement *statement, const Field *field);     /* of arguments */
int64_t field_whole(const Statement *statement, const Field *field); /* of whatever size, signed or not */
static inline const void *field_at(const Statement *statement, const Field *field) {
  return (const char *)statement + field->offset;
}

#endif
