/* What the files of `ganc fmt` share: a file as pieces (tokens and comments) on lines. */
#ifndef LANG_PIECES_H
#define LANG_PIECES_H

#include "lang/parser.h"

typedef struct Piece {
  int kind;                            /* of the token, or COMMENT */
  const char *text;                    /* as it will be printed */
  size_t length, width;                /* in bytes and in columns */
  size_t source_column, blanks_before; /* where it stood, and how many blanks stood before it on its line */
  bool close;                          /* a product or range sign that was written without blanks */
  bool spaced_minus;
  bool unary;          /* a minus with nothing on its left */
  bool ends_reduction; /* the ] of sum[ ] */
  int space;           /* blanks wanted before it, unless it is aligned */
  int chain;           /* of pieces that stand below each other, or -1 */
  size_t column;       /* where it goes */
} Piece;

typedef struct PieceLine {
  int first, count;  /* its pieces */
  bool blank_before; /* an empty line comes first */
  bool continues;    /* the statement of the line before */
  int parent;        /* it is indented `indentation` deeper than this line; -1: the margin */
  size_t indentation;
} PieceLine;

typedef struct Pieces {
  Session *session;
  Piece *pieces;
  int count, room;
  PieceLine *lines;
  int line_count, line_room;
} Pieces;

/* alignment.c: what stood below each other on purpose will again; sets every piece's column. */
void pieces_align(Pieces *file);

#endif
