/* The tokens that the parser sees: which line ends end a statement, and brackets that match.
   Takes the scanner's tokens; returns them without line ends, with END between statements; a bracket without its other
   half is reported here and comes out as the error token, so that the grammar says nothing more about it. Never looks
   at the grammar. */
#include "lang/parser.h"

#include "lang/gan_parser.h"
#include "lang/gan_scanner.h"

/* ---- what each token means for the line -------------------------------------------------------------------------- */

enum {
  AFTER_IT = 1,  /* the line goes on after it */
  BEFORE_IT = 2, /* and before it */
  KEYWORD = 4,
  BEGINS = 8,   /* a statement, never an expression */
  OUTSIDE = 16, /* it cannot stand inside ( ) and [ ] */
  TOP = 32,     /* a statement of the file, never one of a block */
  OPERATOR = AFTER_IT | BEFORE_IT,
  STATEMENT = KEYWORD | BEGINS | OUTSIDE,
  FILE_STATEMENT = STATEMENT | TOP,
};

static const unsigned char layout[] = {
    ['('] = AFTER_IT,
    ['['] = AFTER_IT,
    ['{'] = OPERATOR,
    [')'] = BEFORE_IT,
    [']'] = BEFORE_IT,
    ['}'] = BEFORE_IT,
    [','] = OPERATOR,
    [':'] = OPERATOR,
    ['='] = OPERATOR,
    ['+'] = OPERATOR,
    ['-'] = OPERATOR,
    ['*'] = OPERATOR,
    ['/'] = OPERATOR,
    ['%'] = OPERATOR,
    ['^'] = OPERATOR,
    ['@'] = OPERATOR,
    ['.'] = OPERATOR,
    ['<'] = OPERATOR,
    ['>'] = OPERATOR,
    [PIPE] = OPERATOR,
    [RANGE] = OPERATOR,
    [FLOOR_DIVIDE] = OPERATOR,
    [EQUAL] = OPERATOR,
    [NOT_EQUAL] = OPERATOR,
    [LESS_EQUAL] = OPERATOR,
    [GREATER_EQUAL] = OPERATOR,
    [SPREAD] = AFTER_IT,
    ['~'] = OPERATOR | OUTSIDE,
    [ARROW] = OPERATOR | OUTSIDE,
    [MOVES] = OPERATOR | OUTSIDE,
    [ADDS] = OPERATOR | OUTSIDE,

    [AND] = KEYWORD | OPERATOR,
    [OR] = KEYWORD | OPERATOR,
    [IN] = KEYWORD | OPERATOR,
    [THEN] = KEYWORD | OPERATOR,
    [ELSE] = KEYWORD | OPERATOR,
    [AFTER] = KEYWORD | OPERATOR,
    [BY] = KEYWORD | OPERATOR | OUTSIDE,
    [FROM] = KEYWORD | OPERATOR | OUTSIDE,
    [MINIMIZES] = KEYWORD | OPERATOR | OUTSIDE,
    [MAXIMIZES] = KEYWORD | OPERATOR | OUTSIDE,
    [NOT] = KEYWORD | AFTER_IT,
    [FRESH] = KEYWORD | AFTER_IT,
    [IF] = KEYWORD | AFTER_IT,
    [FOR] = KEYWORD,

    [USE] = FILE_STATEMENT,
    [DATA] = FILE_STATEMENT,
    [FN] = FILE_STATEMENT,
    [LAYER] = FILE_STATEMENT,
    [NETWORK] = FILE_STATEMENT,
    [PHASE] = FILE_STATEMENT,
    [OUTPUT] = FILE_STATEMENT,
    [TRAIN] = FILE_STATEMENT,
    [NOISE] = STATEMENT,
    [WEIGHT] = STATEMENT,
    [STATE] = STATEMENT,
    [OPTIMIZE] = STATEMENT,
    [UPDATE] = STATEMENT,
    [DRAW] = STATEMENT,
    [REPEAT] = STATEMENT,
    [EVERY] = STATEMENT,

    [COMMENT] = 0, /* the last of all tokens */
};

bool layout_wants_more(int token) { return layout[token] & AFTER_IT; }
bool layout_carries_on(int token, bool spaced_minus) { return token == '-' ? spaced_minus : layout[token] & BEFORE_IT; }
bool layout_begins_statement(int token) { return layout[token] & BEGINS; }
bool layout_is_keyword(int token) { return layout[token] & KEYWORD; }

/* ---- brackets ---------------------------------------------------------------------------------------------------- */

static char innermost(const Reader *reader) {
  return reader->bracket_count ? reader->brackets[reader->bracket_count - 1].open : 0;
}
static bool lines_end(const Reader *reader) { return innermost(reader) == 0 || innermost(reader) == '{'; }

static size_t indentation_of(const Source *source, uint32_t at) {
  size_t from = source->lines[source_place(source, at).line - 1], to = from;
  while (source->text[to] == ' ' || source->text[to] == '\t') to++;
  return text_columns(source->text + from, to - from);
}

static void bracket_open(Reader *reader, Token token) {
  reader->brackets[reader->bracket_count++] = (Bracket){
      .span = token.span, .open = (char)token.kind, .indentation = indentation_of(reader->source, token.span.from)};
}

/* Where a block that is never closed was to be closed, more likely than not: before the first line that stands no
   further right than the one it opens on. */
static void line_begin(Reader *reader, Token token) {
  size_t indentation = indentation_of(reader->source, token.span.from);
  for (int at = 0; at < reader->bracket_count; at++) {
    Bracket *bracket = &reader->brackets[at];
    if (bracket->open != '{' || bracket->back.source || token.kind == '}') continue;
    if (indentation > bracket->indentation) bracket->indented = true;
    else if (bracket->indented) bracket->back = token.span, bracket->before = reader->token.span;
  }
}

/* Says that a block is not closed, or one in it; `next` is what shows it now, unless a line before it did, and `last`
   what stands before that. */
static void block_unclosed(Reader *reader, Bracket bracket, Span next, Span last) {
  if (reader->suspect.open && reader->suspect.span.from >= bracket.span.from) bracket = reader->suspect;
  reader->suspect.open = 0;
  bool shown = bracket.back.source != NULL;
  slip_block(reader, bracket, shown ? bracket.back : next, shown ? bracket.before : last);
}

/* A } that stands alone and further left than the line of its { says that one is missing in between. */
static void bracket_close(Reader *reader, Token token) {
  Bracket closed = reader->brackets[--reader->bracket_count];
  if (token.kind != '}' || !token.starts_line || reader->suspect.open) return;
  if (indentation_of(reader->source, token.span.from) < closed.indentation) reader->suspect = closed;
}

static char opening_of(int token) { return token == ')' ? '(' : token == ']' ? '[' : token == '}' ? '{' : 0; }

/* Whether the bracket is open somewhere; a ) or ] does not look beyond the block that it stands in. */
static bool is_open(const Reader *reader, char open) {
  for (int at = reader->bracket_count - 1; at >= 0; at--) {
    if (reader->brackets[at].open == open) return true;
    if (reader->brackets[at].open == '{') return false;
  }
  return false;
}

static int hold(Reader *reader, Token token, bool end_first) {
  reader->waiting = token;
  reader->end_first = end_first;
  return GAN_error;
}

/* The token, unless it shows a mistake with brackets: then the error token, and the token waits or is dropped. */
static int bracket_check(Reader *reader, Token token) {
  char opening = opening_of(token.kind);
  if (opening && innermost(reader) == opening) {
    bracket_close(reader, token);
  } else if (opening && is_open(reader, opening)) {
    slip_unclosed(reader, reader->brackets[--reader->bracket_count], token.span);
    while (innermost(reader) != opening) reader->bracket_count--;
    return hold(reader, token, false);
  } else if (opening) {
    slip_unopened(reader, token.span,
                  reader->bracket_count ? reader->brackets[reader->bracket_count - 1] : (Bracket){0});
    if (token.kind != '}' && !lines_end(reader)) reader->bracket_count--;
    return GAN_error;
  } else if ((layout[token.kind] & OUTSIDE) && !lines_end(reader)) {
    slip_unclosed(reader, reader->brackets[reader->bracket_count - 1], token.span);
    while (!lines_end(reader)) reader->bracket_count--;
    return hold(reader, token, layout[token.kind] & BEGINS);
  } else if (token.kind == 0 && reader->bracket_count) {
    Bracket open = reader->brackets[reader->bracket_count - 1];
    if (open.open == '{') block_unclosed(reader, open, (Span){0}, reader->token.span);
    else slip_unclosed(reader, open, (Span){0});
    reader->bracket_count = 0;
    return hold(reader, token, false);
  }
  if (token.kind == '(' || token.kind == '[' || token.kind == '{') {
    if (reader->bracket_count == BRACKET_LIMIT) {
      slip_depth(reader, token.span);
      return GAN_error;
    }
    bracket_open(reader, token);
  }
  return token.kind;
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

/* The next token that is no line end; *broken says whether a line ended before it, *ended whether a `;` stood there. */
static Token token_scan(Reader *reader, void *scanner, bool *broken, bool *ended) {
  Token token = {0};
  *broken = *ended = false;
  if (reader->stopped) return token;
  for (;;) {
    token.kind = scan_lex(&token.value, &token.span, scanner);
    if (token.kind == SEMICOLON && !lines_end(reader)) {
      slip_semicolon(reader, token.span);
      token.kind = ',';
    }
    if (token.kind == NEWLINE) *broken = true;
    else if (token.kind == SEMICOLON) *ended = true;
    else break;
  }
  if (token.kind == 0)
    token.span = (Span){reader->source, (uint32_t)reader->source->length, (uint32_t)reader->source->length};
  token.starts_line = *broken || reader->token.span.source == NULL;
  if (token.starts_line && token.kind != 0) line_begin(reader, token);
  reader_document(reader, token.span.from);
  return token;
}

static bool statement_ends(const Reader *reader, Token next, bool broken, bool ended) {
  int last = reader->token.kind;
  if (!reader->token.span.source || last == END || last == '{') return false;
  if (ended) return next.kind != '}' && next.kind != 0;
  return broken && lines_end(reader) && !layout_wants_more(last) &&
         !layout_carries_on(next.kind, reader->spaced_minus) && next.kind != 0;
}

/* What the parser drops after an error goes as a whole if it is a block: its statements are not those of the block
   around it. */
static void block_skip(Reader *reader, void *scanner) {
  int depth = reader->bracket_count;
  while (reader->bracket_count >= depth && !reader->stopped) {
    bool broken, ended;
    Token token = token_scan(reader, scanner, &broken, &ended);
    if (token.kind == 0) {
      reader->waiting = token;
      return;
    }
    bracket_check(reader, token);
    if (reader->waiting.kind > 0) bracket_check(reader, reader->waiting);
    reader->waiting.kind = -1;
    reader->end_first = false;
    reader->token = token;
  }
}

/* A statement of the file begins a line in a block, and stands no further right than the block's first line: the block
   was to end before it. */
static bool block_ends(const Reader *reader, Token token) {
  if (!(layout[token.kind > 0 ? token.kind : 0] & TOP) || !token.starts_line || innermost(reader) != '{') return false;
  return indentation_of(reader->source, token.span.from) <= reader->brackets[reader->bracket_count - 1].indentation;
}

static int hand_out(Reader *reader, ParserValue *value, Span *span, Token token) {
  if (token.kind == IF) reader->in_condition = true;
  if (token.kind == THEN || token.kind == '{' || token.kind == END) reader->in_condition = false;
  reader->before = reader->token;
  reader->token = token;
  *value = token.value;
  *span = token.span;
  return token.kind;
}

int layout_next(ParserValue *value, Span *span, Reader *reader, void *scanner, bool recovering) {
  if (recovering && reader->token.kind == '{' && reader->waiting.kind < 0) block_skip(reader, scanner);
  Token token = reader->waiting;
  bool broken = false, ended = false;
  if (token.kind < 0) token = token_scan(reader, scanner, &broken, &ended);
  else broken = token.starts_line && reader->token.kind == '}'; /* it waited for a } that was missing */
  reader->waiting.kind = -1;
  if (block_ends(reader, token)) {
    Span last = reader->token.span;
    block_unclosed(reader, reader->brackets[--reader->bracket_count], token.span, last);
    reader->waiting = token;
    return hand_out(reader, value, span, (Token){.kind = '}', .span = {reader->source, last.to, last.to}});
  }
  if (reader->end_first || statement_ends(reader, token, broken, ended)) {
    reader->waiting = token;
    reader->end_first = false;
    uint32_t end = reader->token.span.to;
    return hand_out(reader, value, span, (Token){.kind = END, .span = {reader->source, end, end}});
  }
  token.kind = bracket_check(reader, token);
  return hand_out(reader, value, span, token);
}
