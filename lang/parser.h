/* The reader's own: its state, what scanner, layout and grammar say to each other, and the one constructor of the
   tree. */
#ifndef LANG_PARSER_H
#define LANG_PARSER_H

#include "lang/internal.h"

/* What a token or a part of the grammar stands for. */
typedef union ParserValue {
  const char *text; /* names, numbers as they are written, strings */
  SyntaxOperator op;
  bool flag;
  Syntax *node;
  SyntaxList list;
} ParserValue;

typedef ParserValue YYSTYPE; /* as flex wants to hear it */
typedef Span YYLTYPE;

typedef struct Token {
  int kind; /* as bison numbers them; 0 is the end of the file */
  Span span;
  ParserValue value;
  bool starts_line;
} Token;

typedef struct Bracket {
  Span span;
  size_t indentation; /* of the line it stands on */
  char open;          /* ( [ or { */
  bool indented;      /* of a block: a line of it stands further right */
  Span back, before;  /* the first line that does not, what ends before it */
} Bracket;

/* A run of ## lines: its text is [from, to), what it documents starts at `at`. */
typedef struct Documentation {
  uint32_t from, to, at;
} Documentation;

typedef struct Reader {
  Session *session;
  const Source *source;
  uint32_t offset;    /* of the next byte to scan */
  bool keep_comments; /* they come out as tokens: for format.c */
  bool spaced_minus;  /* the last - was followed by a blank */

  Documentation pending;        /* to > from: read, and what it documents has not come yet */
  Documentation *documentation; /* in the order of the text */
  int documentation_count, documentation_room;

  Bracket brackets[BRACKET_LIMIT];
  int bracket_count;
  Bracket suspect; /* its } stands further left than its line: one is missing inside; open 0: none */

  Token before, token;     /* the last two that the parser has been given */
  Token waiting;           /* one read ahead; kind -1: none */
  bool end_first;          /* the statement ends before the waiting token */
  bool in_condition;       /* between `if` and its `then` or block */
  bool stopped;            /* nothing more is read */
  bool too_deep, not_text; /* said already */
  Span slip;               /* the last character that something has been said about */

  Syntax *file;
} Reader;

/* ---- reader.c: texts of tokens ----------------------------------------------------------------------------------- */

bool reader_comment(Reader *reader, Span span); /* whether it is to come out as a token */
void reader_blank_line(Reader *reader);
size_t reader_name_length(const char *text, size_t length); /* the bytes at `text` that make a name; 0 if none do */
const char *reader_string(Reader *reader, Span span);       /* without quotes and escapes, interned */
double reader_number(Reader *reader, Span span, const char *text);
void reader_document(Reader *reader, uint32_t at);      /* what comes at `at` has the pending documentation */
void reader_number_nodes(Reader *reader, Syntax *tree); /* ids and documentation, in the order of the text */

/* ---- layout.c: the tokens that the parser sees ------------------------------------------------------------------- */

/* `recovering`: after an error the grammar drops tokens up to the end of the statement. */
int layout_next(ParserValue *value, Span *span, Reader *reader, void *scanner, bool recovering);
bool layout_wants_more(int token);                    /* a line goes on after it */
bool layout_carries_on(int token, bool spaced_minus); /* a line goes on before it */
bool layout_begins_statement(int token);              /* it is a keyword that no expression holds */
bool layout_is_keyword(int token);

/* ---- slips.c: what people write by mistake, and what they are told ----------------------------------------------- */

int slip_character(Reader *reader, Span span, size_t *length); /* the token that was meant, or 0: go on */
void slip_byte(Reader *reader, uint32_t at);
const char *slip_number(Reader *reader, Span span, size_t *length);
const char *slip_string(Reader *reader, Span span);
void slip_escape(Reader *reader, Span span);
void slip_unclosed(Reader *reader, Bracket bracket,
                   Span where); /* `where` is the place that shows it, if it has a source */
/* A } is missing between `last` and `where`, or, without that, behind the last of all. */
void slip_block(Reader *reader, Bracket bracket, Span where, Span last);
void slip_unopened(Reader *reader, Span span, Bracket innermost);
void slip_semicolon(Reader *reader, Span span);
void slip_depth(Reader *reader, Span span); /* and nothing more is read */
void slip_syntax(Reader *reader, const char **expected, int count);

/* ---- syntax.c ---------------------------------------------------------------------------------------------------- */

Syntax *syntax_make(Reader *reader, Syntax node);
Syntax *syntax_make_type(Reader *reader, Span span, Syntax *shape, Syntax *domain);
Syntax *syntax_make_classes(Reader *reader, Span span, const char *name, Syntax *classes);
Syntax *syntax_make_turn(Reader *reader, Syntax node, Syntax *binding);  /* TURN and FOR: `i < n` or `x in list` */
SyntaxList syntax_append(Reader *reader, SyntaxList list, Syntax *item); /* NULL is left out */
SyntaxList syntax_prepend(Reader *reader, Syntax *item, SyntaxList list);

#endif
