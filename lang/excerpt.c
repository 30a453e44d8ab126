/* Source lines with carets below them, as a terminal shows them: tabs widened, wide and combining characters counted as
   they are seen. Takes carets; prints; never prints a byte that could steer the terminal. */
#include "internal.h"
#include "runtime/words.h"

#include <string.h>

enum { LINE_LIMIT = 160, WINDOW_BEFORE = 60 }; /* columns; of a longer line, a window around its first caret is shown */

/* The names of files and words of models in messages begin no lines, either. */
void text_show(FILE *out, const char *text, size_t length) {
  for (size_t at = 0; at < length; at++)
    if (byte_steers(text, at)) fprintf(out, "\\x%02x", (unsigned)(unsigned char)text[at]);
    else fputc(text[at], out);
}

static void label_print(FILE *out, const char *before, const char *label) {
  if (!label) return;
  fputs(before, out);
  text_show(out, label, strlen(label));
}

typedef struct Line {
  const Source *source;
  size_t number;
  const char *text;
  size_t length;
} Line;

/* The columns of a line that are shown: [from, to). */
typedef struct Window {
  size_t from, to;
} Window;

static Line line_of(Span span) {
  size_t number = source_place(span.source, span.from).line;
  uint32_t from = span.source->lines[number - 1];
  size_t to = number < span.source->line_count ? span.source->lines[number] - 1 : span.source->length;
  if (to > from && span.source->text[to - 1] == '\r') to--;
  return (Line){span.source, number, span.source->text + from, to - from};
}

/* How many columns the first `bytes` bytes of the line take. */
static size_t column_of(Line line, size_t bytes) {
  return text_columns(line.text, bytes < line.length ? bytes : line.length);
}

static Window window_of(Line line, const Caret *caret) {
  size_t width = column_of(line, line.length);
  size_t column = column_of(line, caret->span.from - (size_t)(line.text - line.source->text));
  if (width <= LINE_LIMIT) return (Window){0, width};
  size_t from = column > LINE_LIMIT - WINDOW_BEFORE ? column - WINDOW_BEFORE : 0;
  return (Window){from, from + LINE_LIMIT};
}

static void line_print(FILE *out, Line line, Window window) {
  fprintf(out, "%5zu | %s", line.number, window.from ? "…" : "");
  size_t column = 0;
  for (size_t at = 0, length; at < line.length && column < window.to; at += length) {
    uint32_t character = character_decode(line.text + at, line.length - at, &length);
    size_t columns = character_columns(character, column);
    column += columns;
    if (column <= window.from) continue;
    if (character == '\t') fprintf(out, "%*s", (int)columns, "");
    else if (character < 0x20 || (character >= 0x7F && character < 0xA0) || character == CHARACTER_INVALID)
      fputs("\uFFFD", out);
    else if (columns || character < 0x2000 || character > 0x206F)
      fwrite(line.text + at, 1, length, out); /* no bidirectional marks */
  }
  fputs(column_of(line, line.length) > window.to ? "…\n" : "\n", out);
}

static size_t clamped(size_t column, Window window) {
  return column < window.from ? window.from : column > window.to ? window.to : column;
}

static void caret_print(FILE *out, Line line, Window window, const Caret *caret) {
  size_t start = (size_t)(line.text - line.source->text);
  size_t from = clamped(column_of(line, caret->span.from - start), window);
  size_t to = clamped(column_of(line, caret->span.to > caret->span.from ? caret->span.to - start : 0), window);
  fprintf(out, "      | %*s^", (int)(from - window.from + (window.from ? 1 : 0)), "");
  for (size_t column = from + 1; column < to; column++) fputc('~', out);
  label_print(out, " ", caret->label);
  fputc('\n', out);
}

static bool same_line(const Caret *caret, Line line) {
  return caret->span.source == line.source && line_of(caret->span).number == line.number;
}

static bool shown_before(const Caret *carets, const Caret *caret, Line line) {
  for (; carets != caret; carets = carets->next) {
    if (carets->span.source && same_line(carets, line)) return true;
  }
  return false;
}

void excerpt_print(FILE *out, const Caret *carets) {
  const Source *source = carets->span.source;
  for (const Caret *caret = carets; caret; caret = caret->next) {
    if (!caret->span.source) {
      label_print(out, "   ", caret->label);
      if (caret->label) fputc('\n', out);
      continue;
    }
    Line line = line_of(caret->span);
    if (shown_before(carets, caret, line)) continue;
    if (line.source != source) {
      Place place = source_place(line.source, caret->span.from);
      label_print(out, "   at ", line.source->path);
      fprintf(out, ":%zu:%zu\n", place.line, place.column);
      source = line.source;
    }
    Window window = window_of(line, caret);
    line_print(out, line, window);
    for (const Caret *below = caret; below; below = below->next) {
      if (below->span.source && same_line(below, line)) caret_print(out, line, window, below);
    }
  }
}
