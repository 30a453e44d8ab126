/* Formulas: reads their text, matches them against expressions, builds expressions from them. Knows no rule: those are
   rows of rewrites.def and transform/derivatives.def. */
#include "formula.h"
#include "storage.h"
#include "tests/mutants/mutant.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- text -------------------------------------------------------------------------------------------------------- */

typedef struct Reader {
  Session *session;
  const char *text, *at;
} Reader;

static void reader_refuse(const Reader *reader) {
  internal_error(HERE, session_format(reader->session, "a formula of its tables is malformed: %s", reader->text));
}

static bool reader_takes(Reader *reader, char symbol) {
  while (*reader->at == ' ') reader->at++;
  if (*reader->at != symbol) return false;
  reader->at++;
  return true;
}

static const Formula *formula_new(Reader *reader, Operation op, double value, int letter, const Formula *a,
                                  const Formula *b, const Formula *c) {
  Formula *formula = session_allocate(reader->session, sizeof *formula);
  *formula = (Formula){op, value, letter, {a, b, c}};
  return formula;
}

static const Formula *read_sum(Reader *reader);

static Operation operation_named(const Reader *reader, const char *name, size_t length) {
  static const struct {
    const char *name;
    Operation op;
  } shorter[] = {{"abs", OP_ABSOLUTE}, {"max", OP_MAXIMUM}, {"min", OP_MINIMUM}};
  for (size_t s = 0; s < sizeof shorter / sizeof *shorter; s++)
    if (strlen(shorter[s].name) == length && memcmp(shorter[s].name, name, length) == 0) return shorter[s].op;
  for (int op = 0; op < OP_COUNT; op++) {
    const char *full = operation_rows[op].name;
    size_t at = 0;
    while (at < length && tolower((unsigned char)full[at]) == name[at]) at++;
    if (at == length && full[at] == '\0') return (Operation)op;
  }
  reader_refuse(reader);
  return OP_COUNT;
}

static const Formula *read_atom(Reader *reader) {
  if (reader_takes(reader, '(')) {
    const Formula *inner = read_sum(reader);
    if (!reader_takes(reader, ')')) reader_refuse(reader);
    return inner;
  }
  if (isdigit((unsigned char)*reader->at)) {
    char *end;
    double value = strtod(reader->at, &end);
    reader->at = end;
    return formula_new(reader, OP_CONSTANT, value, 0, NULL, NULL, NULL);
  }
  const char *name = reader->at;
  while (islower((unsigned char)*reader->at) || *reader->at == '_' ||
         (reader->at > name && isdigit((unsigned char)*reader->at)))
    reader->at++;
  size_t length = (size_t)(reader->at - name);
  if (length == 0) reader_refuse(reader);
  if (length == 1) return formula_new(reader, OP_INDEX, 0, name[0] - 'a', NULL, NULL, NULL);
  if (length == 7 && memcmp(name, "nothing", length) == 0)
    return formula_new(reader, OP_NOTHING, 0, 0, NULL, NULL, NULL);
  Operation op = operation_named(reader, name, length);
  const Formula *argument[3] = {NULL};
  for (int k = 0; k < operation_arity(op); k++) {
    if (!reader_takes(reader, k == 0 ? '(' : ',')) reader_refuse(reader);
    argument[k] = read_sum(reader);
  }
  if (!reader_takes(reader, ')')) reader_refuse(reader);
  return formula_new(reader, op, 0, 0, argument[0], argument[1], argument[2]);
}

/* A sign before a number is part of it: `-1` is a constant. */
static const Formula *read_unary(Reader *reader) {
  if (!reader_takes(reader, '-')) return read_atom(reader);
  const Formula *operand = read_unary(reader);
  if (operand->op == OP_CONSTANT) return formula_new(reader, OP_CONSTANT, -operand->value, 0, NULL, NULL, NULL);
  return formula_new(reader, OP_NEGATE, 0, 0, operand, NULL, NULL);
}

static const Formula *read_term(Reader *reader) {
  const Formula *left = read_unary(reader);
  for (;;) {
    if (reader_takes(reader, '*')) left = formula_new(reader, OP_MULTIPLY, 0, 0, left, read_unary(reader), NULL);
    else if (reader_takes(reader, '/')) left = formula_new(reader, OP_DIVIDE, 0, 0, left, read_unary(reader), NULL);
    else return left;
  }
}

static const Formula *read_sum(Reader *reader) {
  const Formula *left = read_term(reader);
  for (;;) {
    if (reader_takes(reader, '+')) left = formula_new(reader, OP_ADD, 0, 0, left, read_term(reader), NULL);
    else if (reader_takes(reader, '-')) {
      const Formula *right = read_term(reader);
      right = right->op == OP_CONSTANT ? formula_new(reader, OP_CONSTANT, -right->value, 0, NULL, NULL, NULL)
                                       : formula_new(reader, OP_NEGATE, 0, 0, right, NULL, NULL);
      left = formula_new(reader, OP_ADD, 0, 0, left, right, NULL);
    } else return left;
  }
}

const Formula *formula_parse(Session *session, const char *text) {
  Reader reader = {session, text, text};
  const Formula *formula = read_sum(&reader);
  reader_takes(&reader, ' ');
  if (*reader.at != '\0') reader_refuse(&reader);
  return formula;
}

/* ---- matching ---------------------------------------------------------------------------------------------------- */

static bool match_arguments(Graph *graph, const int64_t *box, const Formula *formula, const Scalar *scalar,
                            bool swapped, Bindings *bindings) {
  for (int k = 0; k < operation_arity(formula->op); k++)
    if (!formula_match(graph, box, formula->argument[k], scalar->argument[swapped ? 1 - k : k], bindings)) return false;
  return true;
}

bool formula_match(Graph *graph, const int64_t *box, const Formula *formula, const Scalar *scalar, Bindings *bindings) {
  if (formula->op == OP_INDEX) {
    const Scalar **bound = &bindings->letter[formula->letter];
    bool constant = formula->letter >= 'k' - 'a' && formula->letter <= 'n' - 'a';
    if (*bound != NULL)
      return *bound == scalar || (MUTANT(constants_alike) && (*bound)->op == OP_CONSTANT && scalar->op == OP_CONSTANT);
    if (constant && scalar->op != OP_CONSTANT) return false;
    *bound = scalar;
    return true;
  }
  while (box != NULL && scalar->op == OP_READ && formula->op < OP_COUNT &&
         scalar_look_operation(scalar) == formula->op) {
    const Scalar *behind = scalar_look(graph, box, scalar);
    if (behind == NULL) return false;
    scalar = behind;
  }
  if (formula->op != scalar->op) return false;
  if (formula->op == OP_CONSTANT) return formula->value == scalar->value;
  Bindings before = *bindings;
  if (match_arguments(graph, box, formula, scalar, false, bindings)) return true;
  *bindings = before;
  if (!operation_is_commutative(formula->op)) return false;
  if (match_arguments(graph, box, formula, scalar, true, bindings)) return true;
  *bindings = before;
  return false;
}

const Scalar *formula_build(Graph *graph, const int64_t *box, const Formula *formula, const Bindings *bindings) {
  const Scalar *argument[3] = {NULL};
  switch (formula->op) {
  case OP_INDEX: return bindings->letter[formula->letter];
  case OP_CONSTANT: return scalar_constant(graph, formula->value);
  case OP_NOTHING: return scalar_nothing(graph);
  default: break;
  }
  for (int k = 0; k < operation_arity(formula->op); k++)
    argument[k] = formula_build(graph, box, formula->argument[k], bindings);
  return scalar_simplify(graph, box, formula->op, argument[0], argument[1], argument[2]);
}
