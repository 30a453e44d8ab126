/* Lists and texts that grow: lines, and lists of names that end before nobody reads them. Takes texts; returns one on
   the heap, or NULL where memory ran out on the way, which is asked at the end alone. */
#include "runtime/io.h"

#include <stdlib.h>
#include <string.h>

enum {
  LIST_BYTES = 240, /* a list of names longer than that only counts what else there is */
  FIRST_BYTES = 256 /* of room, and more */
};

void *list_grow(void *list, size_t *capacity, size_t needed, size_t element_bytes) {
  if (needed <= *capacity) return list;
  size_t wanted = 2 * needed + FIRST_BYTES / element_bytes;
  void *larger = system_resize(list, wanted * element_bytes);
  if (larger) *capacity = wanted;
  return larger;
}

void lines_put(Lines *lines, const char *bytes, size_t length) {
  char *text = lines->failed ? NULL : list_grow(lines->text, &lines->capacity, lines->length + length + 1, 1);
  lines->failed = !text;
  if (!text) return;
  lines->text = text;
  memcpy(text + lines->length, bytes, length);
  lines->length += length;
  text[lines->length] = 0;
}

void lines_add(Lines *lines, char *line) {
  if (line) lines_put(lines, line, strlen(line));
  else lines->failed = true;
  free(line);
}

char *text_one_line(char *text) {
  for (char *at = text ? strchr(text, '\n') : NULL; at; at = strchr(at, '\n')) *at = ' ';
  return text;
}

void name_list_add(NameList *list, const char *name, const char *detail) {
  if (list->lines.length > LIST_BYTES) list->more++;
  else
    lines_add(&list->lines, text_one_line(text_format("%s%.80s%s%s", list->lines.length ? ", " : "", name,
                                                      *detail ? " " : "", detail)));
}

char *name_list_end(NameList *list) {
  if (!list->lines.text) lines_add(&list->lines, text_format("%s", ""));
  if (list->more) lines_add(&list->lines, text_format(" and %zu more", list->more));
  if (!list->lines.failed) return list->lines.text;
  free(list->lines.text);
  return NULL;
}
