/* Texts that grow, for messages: lines, and lists of names that end before nobody reads them. Takes texts; returns one
   on the heap, or NULL where memory ran out on the way, which is asked at the end alone. */
#include "runtime/io.h"

#include <stdlib.h>
#include <string.h>

enum { LIST_BYTES = 240 }; /* a list longer than that only counts what else there is */

void lines_add(Lines *lines, char *line) {
  size_t length = line ? strlen(line) : 0;
  if (!line || lines->failed) lines->failed = true;
  else if (lines->length + length + 1 > lines->capacity) {
    size_t capacity = 2 * (lines->length + length) + 256;
    char *text = system_resize(lines->text, capacity);
    lines->failed = !text;
    if (text) {
      lines->text = text;
      lines->capacity = capacity;
    }
  }
  if (!lines->failed) {
    memcpy(lines->text + lines->length, line, length + 1);
    lines->length += length;
  }
  free(line);
}

void name_list_add(NameList *list, const char *name, const char *detail) {
  if (list->lines.length > LIST_BYTES) list->more++;
  else
    lines_add(&list->lines,
              text_format("%s%.80s%s%s", list->lines.length ? ", " : "", name, *detail ? " " : "", detail));
}

char *name_list_end(NameList *list) {
  if (!list->lines.text) lines_add(&list->lines, text_format("%s", ""));
  if (list->more) lines_add(&list->lines, text_format(" and %zu more", list->more));
  if (!list->lines.failed) return list->lines.text;
  free(list->lines.text);
  return NULL;
}
