/* Alignment for `ganc fmt`: what its author has put below each other stays below each other.
   Takes pieces on lines, with the spaces wanted between them; sets their columns; never moves a piece to another line.
   Two pieces of one kind on neighbouring lines that began in the same column are linked if blanks were spent on it, or
   if one of them begins a line that carries a statement on. Linked pieces make a chain, and all of a chain go to the
   first column that has room for each. */
#include "lang/pieces.h"

#include "lang/gan_parser.h"

enum { COMMENT_GAP = 2 };

static Piece *line_piece(Pieces *file, int line, int at) { return &file->pieces[file->lines[line].first + at]; }
static bool line_is_comment(Pieces *file, int line) { return line_piece(file, line, 0)->kind == COMMENT; }

/* ---- chains ------------------------------------------------------------------------------------------------------ */

/* The chain above goes on, or a new one begins with the upper piece. */
static void pieces_link(Piece *upper, Piece *lower, int *chains) {
  if (upper->chain < 0) upper->chain = (*chains)++;
  lower->chain = upper->chain;
}

/* Whether a piece can be moved at all: what clings to the piece before it cannot, nor can the beginning of a
   statement. */
static bool piece_moves(Pieces *file, int line, int at) {
  return at == 0 ? file->lines[line].continues : line_piece(file, line, at)->space > 0;
}

static bool pieces_belong(Pieces *file, int line, int above, int at) {
  const Piece *upper = line_piece(file, line - 1, above), *lower = line_piece(file, line, at);
  if (upper->kind != lower->kind || upper->source_column != lower->source_column) return false;
  if (!piece_moves(file, line - 1, above) || !piece_moves(file, line, at)) return false;
  return at == 0 || (above > 0 && upper->blanks_before > 1) || lower->blanks_before > 1;
}

static void line_link(Pieces *file, int line, int *chains) {
  int above = 0;
  for (int at = 0; at < file->lines[line].count; at++) {
    size_t column = line_piece(file, line, at)->source_column;
    while (above < file->lines[line - 1].count && line_piece(file, line - 1, above)->source_column < column) above++;
    if (above == file->lines[line - 1].count) return;
    if (pieces_belong(file, line, above, at))
      pieces_link(line_piece(file, line - 1, above), line_piece(file, line, at), chains);
  }
}

static Piece *trailing_comment(Pieces *file, int line) {
  Piece *last = line_piece(file, line, file->lines[line].count - 1);
  return last->kind == COMMENT && file->lines[line].count > 1 ? last : NULL;
}

/* Comments look further up than to the next line: to the last one, as long as no line is empty. */
static void comments_link(Pieces *file, int *chains) {
  Piece *upper = NULL;
  for (int line = 0; line < file->line_count; line++) {
    if (file->lines[line].blank_before || line_is_comment(file, line)) upper = NULL;
    Piece *lower = trailing_comment(file, line);
    if (!lower) continue;
    lower->space = COMMENT_GAP;
    if (upper && upper->source_column == lower->source_column) pieces_link(upper, lower, chains);
    upper = lower;
  }
}

/* ---- columns ----------------------------------------------------------------------------------------------------- */

static size_t line_indentation(Pieces *file, const PieceLine *line) {
  return line->indentation + (line->parent < 0 ? 0 : file->pieces[file->lines[line->parent].first].column);
}

/* Puts every piece as far left as its neighbour and its chain allow; whether a chain had to move. */
static bool columns_settle(Pieces *file, size_t *chain_columns) {
  bool moved = false;
  for (int line = 0; line < file->line_count; line++) {
    size_t column = line_indentation(file, &file->lines[line]);
    for (int at = 0; at < file->lines[line].count; at++) {
      Piece *piece = line_piece(file, line, at);
      if (at) column += (size_t)piece->space;
      if (piece->chain >= 0) {
        if (chain_columns[piece->chain] < column) {
          chain_columns[piece->chain] = column;
          moved = true;
        }
        column = chain_columns[piece->chain];
      }
      piece->column = column;
      column += piece->width;
    }
  }
  return moved;
}

/* A chain's pieces all began in one column, so chains have an order from left to right, and moving them comes to an
   end. */
void pieces_align(Pieces *file) {
  int chains = 0;
  for (int line = 1; line < file->line_count; line++) {
    bool neighbours =
        !file->lines[line].blank_before && !line_is_comment(file, line) && !line_is_comment(file, line - 1);
    if (neighbours) line_link(file, line, &chains);
  }
  comments_link(file, &chains);
  size_t *chain_columns = session_allocate(file->session, ((size_t)chains + 1) * sizeof *chain_columns);
  while (columns_settle(file, chain_columns)) continue;
}
