/* What the files of this folder share and nobody else sees: the session's insides, characters, the reader's state, the constructors of
   the tree. Everything public stands in lang.h. */
#ifndef LANG_INTERNAL_H
#define LANG_INTERNAL_H

#include "lang.h"

/* ---- session.c ------------------------------------------------------------------------------------------------------ */

typedef struct ArenaBlock ArenaBlock;
typedef struct InternedText { const char *text; size_t length; uint64_t hash; } InternedText;

struct Session {
  ArenaBlock *blocks;                                      /* the newest first; only the first has room */
  size_t used, capacity;                                   /* of the newest block */
  InternedText *texts;                                     /* open addressing; the number of slots is a power of two */
  size_t text_count, text_slots;
  Diagnostic *first_diagnostic, *last_diagnostic;          /* as they were reported */
  int diagnostic_count, error_count;
  int next_syntax_id;
};

_Noreturn void session_out_of_memory(void);

/* ---- unicode.c ------------------------------------------------------------------------------------------------------ */

enum { CHARACTER_INVALID = 0xFFFD };

/* The character at `text` and its length in bytes (at least 1); CHARACTER_INVALID and length 1 if the bytes are no character. */
uint32_t character_decode(const char *text, size_t available, size_t *length);
bool character_is_valid(const char *text, size_t available);              /* tells U+FFFD itself from a wrong byte */
int character_width(uint32_t character);                                  /* columns on a terminal: 0, 1 or 2 */
bool character_starts_name(uint32_t character);
bool character_continues_name(uint32_t character);

/* ---- excerpt.c ------------------------------------------------------------------------------------------------------ */

typedef struct Caret {
  Span span;
  const char *label;                                       /* NULL: none */
  struct Caret *next;
} Caret;

/* The source lines that the carets point into, each with its carets below it. */
void excerpt_print(FILE *out, const Caret *carets);

/* ---- the reader: gan.l, layout.c, gan.y, slips.c ------------------------------------------------------------------------ */

typedef struct Bracket {
  char open;                                               /* ( [ or { */
  Span span;
  size_t indentation;                                      /* of the line it stands on */
  bool pretended;                                          /* it went in only to keep the reader in step */
} Bracket;

typedef struct Documentation { uint32_t at; const char *text; } Documentation;   /* at: the first byte of what it documents */

enum { BRACKET_LIMIT = 200, DEPTH_LIMIT = 1000 };

typedef struct Reader {
  Session *session;
  const Source *source;
  uint32_t offset;                                         /* of the next byte to scan */
  bool keep_comments;                                      /* comments come out as tokens: for format.c */

  Documentation *documentation;                            /* in the order of the text */
  size_t documentation_count, documentation_room;
  const char *pending_documentation;                       /* read, but what it documents has not come yet */

  Bracket brackets[BRACKET_LIMIT];
  int bracket_count;
  bool has_suspect;                                        /* a { whose } stands further left than its line: one is missing inside */
  Bracket suspect;

  int previous, before_previous;                           /* the last tokens handed to the parser; 0 at the start */
  Span previous_span;
  int statement_first;                                     /* the first token of the statement under way */
  bool in_condition;                                       /* between `if` and its `then` or block */
  int waiting;                                             /* a token read ahead, or -1 */
  Span waiting_span;
  bool waiting_starts_line;
  bool starts_line;                                        /* the token just handed out is the first of its line */
  bool spaced_minus;                                       /* the last - was followed by a blank */
  bool too_deep;                                           /* said already */

  Syntax *file;
} Reader;

/* A token is what bison numbers; see gan.y. */
union YYSTYPE;
int layout_next(union YYSTYPE *value, Span *span, Reader *reader, void *scanner);

/* ---- syntax.c: the tree is made here only --------------------------------------------------------------------------------- */

Syntax *syntax_new(Reader *reader, SyntaxKind kind, Span span);
SyntaxList syntax_append(Reader *reader, SyntaxList list, Syntax *item);

#endif
