/* The language: text in, a tree with places out, and every message about it.
   Takes files; returns syntax trees and printed diagnostics; never knows tensors. One header for the folder. */
#ifndef LANG_H
#define LANG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lang/limits.h"

/* ---- stop.c: where nothing can go on ----------------------------------------------------------------------------- */

#define TEXT_OF(token) #token
#define TEXT_OF_VALUE(token) TEXT_OF(token)
#define HERE __FILE__ ":" TEXT_OF_VALUE(__LINE__)

/* A mistake of the compiler: says what has gone wrong and where (HERE), asks for a report, and ends with status 70. */
_Noreturn void internal_error(const char *where, const char *what);
_Noreturn void out_of_memory(void);

/* ---- session.c: what one compilation owns. Nothing is freed one by one. ------------------------------------------ */

typedef struct Session Session;

Session *session_new(void);
void session_free(Session *session);
void *session_allocate(Session *session, size_t size); /* zeroed, aligned for anything; never NULL */
/* An array of so many elements of that size with room for one more: itself, or a copy with twice the room. */
void *session_grow(Session *session, void *items, int count, int *capacity, size_t size);
#define ARRAY_ADD(session, items, count, capacity, item) \
  do { \
    (items) = session_grow((session), (items), (count), &(capacity), sizeof *(items)); \
    (items)[(count)++] = (item); \
  } while (0)
const char *session_intern(Session *session, const char *text, size_t length); /* equal texts are equal pointers */
const char *session_string(Session *session, const char *text);                /* intern a terminated text */
const char *session_format(Session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *session_format_list(Session *session, const char *format, va_list arguments);

/* ---- map.c: from pointers to pointers, in a session -------------------------------------------------------------- */

typedef struct MapEntry {
  const void *key;
  void *value;
} MapEntry;
typedef struct Map {
  size_t count, capacity;
  MapEntry *entries;
} Map; /* start with {0} */

void *map_get(const Map *map, const void *key);                         /* NULL if absent; key != NULL */
void map_put(Session *session, Map *map, const void *key, void *value); /* instead of what was there */
bool map_add(Session *session, Map *map, const void *key);              /* as a set: false if it was there */
int map_number(const Map *map, const void *key);                        /* of a map to numbers above 0; 0 if absent */
void map_put_number(Session *session, Map *map, const void *key, int number);

/* ---- source.c: files and places in them -------------------------------------------------------------------------- */

typedef struct Source {
  const char *path; /* as it is shown to people; "-" is standard input */
  const char *text; /* UTF-8, terminated */
  size_t length;
  size_t line_count;
  const uint32_t *lines; /* offset of the first byte of each line */
  bool standard;         /* part of the standard library */
} Source;

typedef struct Span {
  const Source *source;
  uint32_t from, to;
} Span; /* bytes [from, to) ; source NULL: no place */

typedef struct Place {
  size_t line, column;
} Place; /* counted from 1; columns are characters */

const Source *source_read(Session *session, const char *path); /* NULL after a diagnostic */
const Source *source_from_text(Session *session, const char *path, const char *text, size_t length);
Place source_place(const Source *source, uint32_t offset);
Span span_join(Span first, Span last);
const char *span_text(Session *session, Span span); /* what stands there */

/* ---- diagnostic.c: messages with a code, a caret, a second place, a context and a hint --------------------------- */

typedef enum DiagnosticCode {
#define DIAGNOSTIC(code, severity, title) code,
#include "diagnostics.def"
#undef DIAGNOSTIC
  DIAGNOSTIC_CODE_COUNT
} DiagnosticCode;

typedef struct Diagnostic Diagnostic;

/* The first line is the code's title, or `title` if that is not NULL. The returned message may be given carets,
   contexts, a hint. */
Diagnostic *diagnostic_report(Session *session, DiagnosticCode code, Span span, const char *label, ...)
    __attribute__((format(printf, 4, 5)));
void diagnostic_title(Diagnostic *diagnostic, const char *format, ...) __attribute__((format(printf, 2, 3)));
void diagnostic_also(Diagnostic *diagnostic, Span span, const char *label, ...) __attribute__((format(printf, 3, 4)));
void diagnostic_context(Diagnostic *diagnostic, const char *format, ...) __attribute__((format(printf, 2, 3)));
void diagnostic_hint(Diagnostic *diagnostic, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The edit that mends it: what stands at the span becomes this text. Empty spans insert, empty texts delete. An edit of
   the library is none. */
void diagnostic_mend(Diagnostic *diagnostic, Span span, const char *format, ...) __attribute__((format(printf, 3, 4)));

int diagnostic_error_count(const Session *session);     /* warnings (lints) are not counted */
void diagnostic_print_all(Session *session, FILE *out); /* in the order of the text, without repetitions */
const char *diagnostic_code_name(DiagnosticCode code);  /* "E2004" */
bool diagnostic_code_find(const char *name, DiagnosticCode *code);
/* Two spellings of one name: letters with marks, composed in one and not in the other. */
bool names_look_alike(const char *a, const char *b);
/* The nearest of `count` names to `name`, or NULL if none is near: "did you mean". */
const char *diagnostic_nearest(const char *name, const char *const *names, int count);
/* The hint "did you mean"; false if none is near. */
bool diagnostic_suggest(Diagnostic *diagnostic, const char *name, const char *const *names, int count);

/* ---- syntax.c: the tree ------------------------------------------------------------------------------------------ */

typedef enum SyntaxKind {
#define SYNTAX(kind, name, place) SYNTAX_##kind,
#include "syntax.def"
#undef SYNTAX
} SyntaxKind;

/* Where a statement may stand: at the top of a file, in bodies too, in `train`. */
typedef enum SyntaxPlace { PLACE_FILE, PLACE_FILE_AND_BODY, PLACE_TRAIN, PLACE_ANYWHERE } SyntaxPlace;

typedef enum SyntaxOperator {
#define OPERATOR(name, spelling, precedence) OPERATOR_##name,
#include "operators.def"
#undef OPERATOR
} SyntaxOperator;

typedef struct Syntax Syntax;
typedef struct SyntaxList {
  int count;
  Syntax **items;
} SyntaxList;

struct Syntax {
  SyntaxKind kind;
  Span span;                 /* all of its text */
  Span name_span;            /* of the name it defines or mentions, else empty */
  const char *documentation; /* of ## comments before a definition, or NULL */
  int id;                    /* unique in the session, in the order of the text of its file */
  union {
    struct {
      double value;
      const char *text;
    } number;         /* NUMBER */
    const char *text; /* STRING (unescaped) */
    const char *name; /* NAME */
    SyntaxList items; /* LIST, TUPLE, BLOCK */
    struct {
      Syntax *element;
      SyntaxList turns;
    } comprehension; /* COMPREHENSION: [element turn...] */
    struct {
      Syntax *binding, *condition;
    } turn;          /* TURN: for binding if condition */
    Syntax *operand; /* SPREAD, DRAW (its block) */
    struct {
      SyntaxOperator op;
      Syntax *operand;
    } unary; /* UNARY: NEGATE NOT FRESH */
    struct {
      SyntaxOperator op;
      Syntax *left, *right;
    } binary; /* BINARY, also RANGE and IN */
    struct {
      Syntax *condition, *then, *otherwise;
    } choice; /* CONDITIONAL (expr); IF (statement, otherwise NULL, BLOCK or IF) */
    struct {
      Syntax *left, *right;
    } pipe; /* PIPE */
    struct {
      SyntaxOperator op;
      SyntaxList items;
      Syntax *operand;
    } reduction; /* REDUCTION: SUM MEAN MAX MIN */
    struct {
      Syntax *function;
      SyntaxList arguments;
    } call; /* CALL; arguments: expressions, ARGUMENT */
    struct {
      const char *name;
      Syntax *value;
    } argument; /* ARGUMENT: name = value */
    struct {
      Syntax *operand;
      SyntaxList items;
    } subscript; /* SUBSCRIPT: operand[items]; E[...] too */
    struct {
      Syntax *operand;
      const char *name;
    } member; /* MEMBER: operand.name */
    struct {
      Syntax *operand, *sample;
    } at; /* AT: operand@sample */
    struct {
      Syntax *operand, *block;
    } after; /* AFTER */
    struct {
      SyntaxOperator op;
      Syntax *target, *value;
    } assign; /* ASSIGN: DEFINE = , ADD += , MOVE <- */
    struct {
      const char *name;
      Syntax *type;
    } field; /* FIELD; type NULL: [] */
    struct {
      Syntax *shape, *domain, *classes;
    } type; /* TYPE: LIST or NULL; `in` RANGE or expr, or NULL; class[classes] or NULL */
    struct {
      Syntax *field, *standard;
    } parameter; /* PARAMETER: field = default */
    struct {
      const char *name;
      Syntax *type;
      SyntaxList fields;
    } result; /* RESULT: type | name: type | (fields) */
    struct {
      SyntaxList fields;
      bool together;
      Syntax *from;
    } data; /* DATA; together: written in ( ) */
    struct {
      Syntax *field, *distribution;
    } noise; /* NOISE */
    struct {
      Syntax *field, *start;
      bool drawn;
    } variable; /* WEIGHT, STATE; drawn: ~ */
    struct {
      const char *name;
      bool has_settings;
      SyntaxList settings, parameters;
      Syntax *result, *body;
    } definition;
    /* FN, LAYER, NETWORK with parameters; body is a BLOCK or an expression; result may be NULL */
    struct {
      const char *name;
      Syntax *definition, *value, *from;
    } network; /* NETWORK: definition (kind LAYER) or value; from may be NULL */
    struct {
      const char *name;
      Syntax *value;
    } named; /* OUTPUT name = value; PHASE name in value */
    struct {
      const char *label;
      SyntaxList players;
      bool maximize;
      Syntax *value;
    } objective; /* OBJECTIVE; players: NAME; label may be NULL */
    struct {
      Syntax *length;
      const char *unit;
      Syntax *block;
    } train; /* TRAIN; length, unit may be NULL */
    struct {
      SyntaxList names;
      Syntax *by;
    } players; /* OPTIMIZE, UPDATE (by may be NULL) */
    struct {
      Syntax *count, *block;
    } loop; /* REPEAT, EVERY */
    struct {
      Syntax *binding, *block;
    } turns; /* FOR; binding: BINARY LESS or IN */
  };
}; /* USE has its path in `text` */

/* The statements of a file as a BLOCK, or NULL after diagnostics. */
Syntax *syntax_parse(Session *session, const Source *source);
void syntax_print(FILE *out, const Syntax *tree); /* --emit ast: an indented tree */
const char *syntax_kind_name(SyntaxKind kind);
SyntaxPlace syntax_kind_place(SyntaxKind kind);
const char *operator_spelling(SyntaxOperator op);
/* Calls visit on every direct child, in the order of the text. */
void syntax_children(const Syntax *tree, void (*visit)(void *context, Syntax *child), void *context);

/* ---- format.c: `ganc fmt` ---------------------------------------------------------------------------------------- */

/* The canonical text of a file (comments kept), interned; NULL if it does not parse. */
const char *syntax_format(Session *session, const Source *source);

#endif
