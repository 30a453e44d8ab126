/* Files and places in them.
   Takes paths or texts; returns sources whose lines are known; never interprets what it reads. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t *lines_find(Session *session, const char *text, size_t length, size_t *count) {
  *count = 1;
  for (size_t at = 0; at < length; at++) *count += text[at] == '\n';
  uint32_t *lines = session_allocate(session, *count * sizeof *lines);
  size_t line = 1;
  for (size_t at = 0; at < length; at++) {
    if (text[at] == '\n') lines[line++] = (uint32_t)(at + 1);
  }
  return lines;
}

const Source *source_from_text(Session *session, const char *path, const char *text, size_t length) {
  Source *source = session_allocate(session, sizeof *source);
  char *copy = session_allocate(session, length + 1);
  if (length) memcpy(copy, text, length);
  source->path = session_string(session, path);
  source->text = copy;
  source->length = length;
  source->lines = lines_find(session, copy, length, &source->line_count);
  return source;
}

/* The whole stream in memory from malloc, or NULL with errno set; one byte more than the limit says that it is too
   large. */
static char *stream_read(FILE *in, size_t *length) {
  size_t room = 64 * 1024;
  char *text = malloc(room);
  if (!text) out_of_memory();
  *length = 0;
  for (size_t count; (count = fread(text + *length, 1, room - *length, in)) > 0;) {
    *length += count;
    if (*length > SOURCE_LIMIT) break;
    if (*length < room) continue;
    char *larger = realloc(text, room *= 2);
    if (!larger) out_of_memory();
    text = larger;
  }
  if (!ferror(in)) return text;
  int reason = errno;
  free(text);
  errno = reason;
  return NULL;
}

static const Source *source_unreadable(Session *session, const char *path) {
  int reason = errno;
  Diagnostic *diagnostic = diagnostic_report(session, E1001, (Span){0}, NULL);
  diagnostic_title(diagnostic, "cannot read %s: %s", path, strerror(reason));
  return NULL;
}

const Source *source_read(Session *session, const char *path) {
  bool standard_input = strcmp(path, "-") == 0;
  FILE *in = standard_input ? stdin : fopen(path, "rb");
  if (!in) return source_unreadable(session, path);
  size_t length;
  char *text = stream_read(in, &length);
  const Source *source = NULL;
  if (!text) {
    source_unreadable(session, path);
  } else if (length > SOURCE_LIMIT) {
    Diagnostic *diagnostic = diagnostic_report(session, E1016, (Span){0}, NULL);
    diagnostic_title(diagnostic, "%s is larger than %d MiB", path, SOURCE_LIMIT / (1024 * 1024));
  } else {
    source = source_from_text(session, path, text, length);
  }
  if (!standard_input) fclose(in);
  free(text);
  return source;
}

Place source_place(const Source *source, uint32_t offset) {
  if (offset > source->length) offset = (uint32_t)source->length;
  size_t low = 0, high = source->line_count; /* the line is in [low, high) */
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (source->lines[middle] <= offset) low = middle;
    else high = middle;
  }
  Place place = {low + 1, 1};
  for (size_t at = source->lines[low], length; at < offset; at += length) {
    place.column += character_width(character_decode(source->text + at, source->length - at, &length)) != 0;
  }
  return place;
}

const char *span_text(Session *session, Span span) {
  return session_intern(session, span.source->text + span.from, span.to - span.from);
}

Span span_join(Span first, Span last) {
  if (!first.source) return last;
  if (!last.source || last.source != first.source) return first;
  Span span = first;
  if (last.from < span.from) span.from = last.from;
  if (last.to > span.to) span.to = last.to;
  return span;
}
