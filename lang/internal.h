/* What the files of this folder share and nobody else sees: the session's insides, characters, carets. The reader's own
   part stands in parser.h, everything public in lang.h. */
#ifndef LANG_INTERNAL_H
#define LANG_INTERNAL_H

#include "lang.h"

/* ---- session.c --------------------------------------------------------------------------------------------------- */

typedef struct ArenaBlock ArenaBlock;
typedef struct InternedText {
  const char *text;
  size_t length;
  uint64_t hash;
} InternedText;

struct Session {
  ArenaBlock *blocks;    /* the newest first; only the first has room */
  size_t used, capacity; /* of the newest block */
  InternedText *texts;   /* open addressing; the number of slots is a power of two */
  size_t text_count, text_slots;
  Diagnostic *first_diagnostic, *last_diagnostic; /* as they were reported */
  int diagnostic_count, error_count;
  int next_syntax_id;
};

/* ---- unicode.c --------------------------------------------------------------------------------------------------- */

enum { CHARACTER_INVALID = 0xFFFD, TAB_COLUMNS = 4 };

/* The character at `text` and its length in bytes (at least 1); CHARACTER_INVALID and length 1 if the bytes are no
   character. */
uint32_t character_decode(const char *text, size_t available, size_t *length);
bool character_is_valid(const char *text, size_t available); /* tells U+FFFD itself from a wrong byte */
int character_width(uint32_t character);                     /* columns on a terminal: 0, 1 or 2 */
size_t character_columns(uint32_t character, size_t column); /* the same, but a tab reaches to the next stop */
size_t text_columns(const char *text, size_t length);        /* of a piece of a line, from its beginning */
bool character_starts_name(uint32_t character);
bool character_continues_name(uint32_t character);

/* ---- excerpt.c --------------------------------------------------------------------------------------------------- */

typedef struct Caret {
  Span span;
  const char *label; /* NULL: none */
  struct Caret *next;
} Caret;

/* The source lines that the carets point into, each with its carets below it. */
void excerpt_print(FILE *out, const Caret *carets);
/* The text with what could steer a terminal, line ends too, as \x1b. */
void text_show(FILE *out, const char *text, size_t length);

#endif
