/* `ganc fmt`: the canonical text of a file.
   Takes a source; returns its text with the spaces, indentation and empty lines that the language's files have, or NULL
   after messages. It works on tokens and comments, not on the tree, and keeps the author's lines: so no comment is lost
   and no meaning can change. */
#include "lang/pieces.h"

#include <string.h>

#include "lang/gan_parser.h"
#include "lang/gan_scanner.h"

enum { INDENTATION = 2, RESULT_INDENTATION = 4 };

/* ---- pieces ------------------------------------------------------------------------------------------------------ */

/* `#word` becomes `# word`; rows of marks stay. */
static const char *comment_text(Session *session, const char *text, size_t length) {
  size_t marks = 0;
  while (length && (text[length - 1] == ' ' || text[length - 1] == '\t' || text[length - 1] == '\r')) length--;
  while (marks < length && text[marks] == '#') marks++;
  bool gap = marks <= 2 && marks < length && text[marks] != ' ' && text[marks] != '\t' && text[marks] != '!';
  return session_format(session, "%.*s%s%.*s", (int)marks, text, gap ? " " : "", (int)(length - marks), text + marks);
}

static Piece *piece_append(Pieces *file) {
  ARRAY_ADD(file->session, file->pieces, file->count, file->room, (Piece){0});
  return &file->pieces[file->count - 1];
}

static void line_append(Pieces *file, bool blank_before) {
  PieceLine line = {.first = file->count, .blank_before = blank_before && file->line_count > 0, .parent = -1};
  ARRAY_ADD(file->session, file->lines, file->line_count, file->line_room, line);
}

static bool is_blank(char character) { return character == ' ' || character == '\t' || character == '\r'; }

/* Products and ranges are written close or wide, as their author likes; a blank on one side is one on both. */
static bool is_free(int kind) {
  return kind == '*' || kind == '/' || kind == FLOOR_DIVIDE || kind == '%' || kind == RANGE;
}

static void piece_fill(Pieces *file, Piece *piece, const Reader *reader, int kind, Span span) {
  const char *text = reader->source->text, *begin = text + span.from;
  size_t before = 0;
  while (before < span.from && is_blank(begin[-1 - (ptrdiff_t)before])) before++;
  bool begins_line = before == span.from || begin[-1 - (ptrdiff_t)before] == '\n';
  bool blank_after = is_blank(text[span.to]) || text[span.to] == '\n' || text[span.to] == '#';
  *piece = (Piece){.kind = kind, .text = begin, .length = span.to - span.from, .blanks_before = before, .chain = -1};
  if (kind == COMMENT) {
    piece->text = comment_text(file->session, begin, piece->length);
    piece->length = strlen(piece->text);
  }
  piece->width = text_columns(piece->text, piece->length);
  piece->close = is_free(kind) && before == 0 && !begins_line && !blank_after;
  piece->spaced_minus = kind == '-' && reader->spaced_minus;
}

/* The column of `to`, from that of `at`, on the line or a later one. */
static size_t column_advance(const Source *source, size_t at, size_t to, size_t column) {
  for (size_t length; at < to; at += length) {
    uint32_t character = character_decode(source->text + at, source->length - at, &length);
    column = character == '\n' ? 0 : column + character_columns(character, column);
  }
  return column;
}

/* The brace of a block and an `else` go up to the line that they belong to. */
static bool goes_up(const Pieces *file, int kind) {
  int last = file->count ? file->pieces[file->count - 1].kind : COMMENT;
  return kind == '{' ? last != COMMENT && last != '{' && last != ';' : kind == ELSE && last == '}';
}

static void pieces_scan(Pieces *file, const Source *source) {
  Reader *reader = session_allocate(file->session, sizeof *reader);
  reader->session = file->session;
  reader->source = source;
  reader->keep_comments = true;
  yyscan_t scanner;
  if (scan_lex_init_extra(reader, &scanner)) out_of_memory();
  scan__scan_bytes(source->text, (int)source->length, scanner);
  int breaks = 1;
  size_t at = 0, column = 0;
  for (;;) {
    ParserValue value;
    Span span;
    int kind = scan_lex(&value, &span, scanner);
    if (kind == 0) break;
    if (kind == NEWLINE) {
      breaks++;
      continue;
    }
    if (breaks && !goes_up(file, kind)) line_append(file, breaks > 1);
    Piece *piece = piece_append(file);
    piece_fill(file, piece, reader, kind == SEMICOLON ? ';' : kind, span);
    piece->source_column = column = column_advance(source, at, span.from, column);
    at = span.from;
    file->lines[file->line_count - 1].count++;
    breaks = 0;
  }
  scan_lex_destroy(scanner);
}

/* ---- spaces between two pieces of a line ------------------------------------------------------------------------- */

static bool ends_operand(const Piece *piece) {
  return !piece->ends_reduction && (piece->kind == NAME || piece->kind == NUMBER || piece->kind == STRING ||
                                    piece->kind == ')' || piece->kind == ']' || piece->kind == '}');
}

static bool clings_to_next(const Piece *piece) {
  int kind = piece->kind;
  return kind == '(' || kind == '[' || kind == '.' || kind == '@' || kind == '^' || kind == SPREAD || kind == REDUCE ||
         (kind == '-' && piece->unary) || piece->close;
}

/* `sum [i]` is an element of something that is called sum, `sum[i]` a sum over i. */
static bool is_name_of_reduction(const Piece *piece) {
  static const char *const names[] = {"sum", "mean", "max", "min"};
  for (size_t at = 0; piece->kind == NAME && at < sizeof names / sizeof *names; at++) {
    if (strlen(names[at]) == piece->length && memcmp(names[at], piece->text, piece->length) == 0) return true;
  }
  return false;
}

static bool clings_to_previous(const Piece *before, const Piece *piece) {
  int kind = piece->kind;
  if (kind == '[' && is_name_of_reduction(before)) return false;
  if (kind == '(' || kind == '[') return ends_operand(before) && before->kind != '}';
  if (kind == '.') return before->kind != NUMBER; /* `2.` would read as a number */
  return kind == ')' || kind == ']' || kind == ',' || kind == ';' || kind == ':' || kind == '@' || kind == '^' ||
         piece->close;
}

static int space_between(const Piece *before, const Piece *piece) {
  if (piece->kind == COMMENT) return 2;
  return clings_to_next(before) || clings_to_previous(before, piece) ? 0 : 1;
}

/* ---- lines: which continue a statement, and how deep they go ----------------------------------------------------- */

typedef struct Open {
  int kind, line;
  bool reduction;
} Open; /* what it holds is indented from this line */

typedef struct Walk {
  Pieces *file;
  Open *open; /* a stack, as deep as the reader lets brackets nest */
  int depth;
  int statement;     /* the line on which the statement under way began */
  const Piece *last; /* the last piece that was no comment */
  bool by_first;     /* the line carries on only because of how it begins */
} Walk;

static bool in_brackets(const Walk *walk) { return walk->depth && walk->open[walk->depth - 1].kind != '{'; }
static bool closes(int kind) { return kind == ')' || kind == ']' || kind == '}'; }

static bool carries_on(const Walk *walk, const Piece *piece) {
  if (in_brackets(walk)) return true;
  if (!walk->last || walk->last->kind == ';' || walk->last->kind == '{' || piece->kind == '}') return false;
  return layout_wants_more(walk->last->kind) || layout_carries_on(piece->kind, piece->spaced_minus);
}

static void line_place(Walk *walk, int number) {
  PieceLine *line = &walk->file->lines[number];
  const Piece *first = &walk->file->pieces[line->first];
  const Open *innermost = walk->depth ? &walk->open[walk->depth - 1] : NULL;
  bool continues = carries_on(walk, first);
  line->continues = continues && !closes(first->kind);
  walk->by_first = continues && !in_brackets(walk) && !layout_wants_more(walk->last->kind);
  if (closes(first->kind) && innermost) {
    line->parent = innermost->line;
  } else if (continues && !in_brackets(walk)) {
    bool beside_block = first->kind == ELSE && walk->last->kind == '}'; /* a comment stands between them */
    line->parent = walk->statement;
    line->indentation = beside_block ? 0 : first->kind == ARROW ? RESULT_INDENTATION : INDENTATION;
  } else if (innermost) {
    line->parent = innermost->line;
    line->indentation = INDENTATION;
  }
  if (!continues && first->kind != '}') walk->statement = number;
}

static void piece_walk(Walk *walk, Piece *piece, int line) {
  int kind = piece->kind;
  if (kind == '-') piece->unary = !walk->last || !ends_operand(walk->last);
  if (closes(kind) && walk->depth) {
    Open closed = walk->open[--walk->depth];
    piece->ends_reduction = closed.reduction;
    if (kind == '}') walk->statement = closed.line;
  }
  if (kind == '(' || kind == '[' || kind == '{') {
    bool reduction = kind == '[' && walk->last && walk->last->kind == REDUCE;
    walk->open[walk->depth++] = (Open){kind, kind == '{' ? walk->statement : line, reduction};
  }
  walk->last = piece;
}

/* A minus that begins a line has an operand on its left only if the line carries on; if that is due to its blank, it
   keeps it. */
static void line_walk(Walk *walk, int number) {
  PieceLine *line = &walk->file->lines[number];
  Piece *pieces = &walk->file->pieces[line->first];
  line_place(walk, number);
  for (int at = 0; at < line->count; at++) {
    if (pieces[at].kind == COMMENT) pieces[at].space = space_between(&pieces[at], &pieces[at]);
    else piece_walk(walk, &pieces[at], number);
    if (at == 0 && pieces[0].kind == '-') pieces[0].unary = !line->continues || (pieces[0].unary && !walk->by_first);
    if (at > 0) pieces[at].space = space_between(&pieces[at - 1], &pieces[at]);
  }
}

/* Lines that are comments stand as the line after them does; before a closing bracket, as what it closes. */
static void comments_place(Walk *walk, int number, int next) {
  PieceLine *line = &walk->file->lines[number];
  const PieceLine *below = next < walk->file->line_count ? &walk->file->lines[next] : NULL;
  if (below && !closes(walk->file->pieces[below->first].kind)) {
    line->parent = below->parent;
    line->indentation = below->indentation;
  } else if (below) {
    line->parent = below->parent;
    line->indentation = INDENTATION;
  }
}

static bool is_comment_line(const Pieces *file, int line) {
  return file->pieces[file->lines[line].first].kind == COMMENT;
}

static void lines_place(Pieces *file) {
  Walk walk = {.file = file, .statement = -1, .open = session_allocate(file->session, BRACKET_LIMIT * sizeof(Open))};
  for (int line = 0, comments = 0; line <= file->line_count; line++) {
    if (line < file->line_count && is_comment_line(file, line)) {
      comments++;
      continue;
    }
    if (line < file->line_count) line_walk(&walk, line);
    for (; comments; comments--) comments_place(&walk, line - comments, line);
  }
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

/* No empty line after an opening brace or before a closing one. */
static bool blank_wanted(const Pieces *file, int line) {
  const PieceLine *above = &file->lines[line - 1];
  return file->lines[line].blank_before && file->pieces[above->first + above->count - 1].kind != '{' &&
         file->pieces[file->lines[line].first].kind != '}';
}

static size_t text_size(const Pieces *file) {
  size_t size = 0;
  for (int line = 0; line < file->line_count; line++) {
    const PieceLine *pieces = &file->lines[line];
    const Piece *last = &file->pieces[pieces->first + pieces->count - 1];
    size += last->column + 2;
    for (int at = 0; at < pieces->count; at++) size += file->pieces[pieces->first + at].length;
  }
  return size;
}

static const char *text_write(const Pieces *file) {
  char *text = session_allocate(file->session, text_size(file) + 1), *end = text;
  for (int line = 0; line < file->line_count; line++) {
    if (line && blank_wanted(file, line)) *end++ = '\n';
    size_t column = 0;
    for (int at = 0; at < file->lines[line].count; at++) {
      const Piece *piece = &file->pieces[file->lines[line].first + at];
      for (; column < piece->column; column++) *end++ = ' ';
      memcpy(end, piece->text, piece->length);
      end += piece->length;
      column += piece->width;
    }
    *end++ = '\n';
  }
  return session_intern(file->session, text, (size_t)(end - text));
}

const char *syntax_format(Session *session, const Source *source) {
  if (!syntax_parse(session, source)) return NULL;
  Pieces file = {.session = session};
  pieces_scan(&file, source);
  lines_place(&file);
  pieces_align(&file);
  return text_write(&file);
}
