/* Applies what messages say mends a model: `mend MODEL MESSAGES` prints the model with every edit of the lines
   `mend: at LINE:COLUMN write|insert|delete …` in it. Takes two files; returns 1 where a line names another text than
   stands there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EDIT_LIMIT = 64, FILE_LIMIT = 1 << 20 };

typedef struct Edit {
  size_t from, to;
  const char *text;
  size_t length;
} Edit;

static char *file_read(const char *path) {
  FILE *file = fopen(path, "rb");
  char *text = calloc(1, FILE_LIMIT + 1);
  if (!file || !text) exit(2);
  text[fread(text, 1, FILE_LIMIT, file)] = '\0';
  fclose(file);
  return text;
}

/* The byte at which the column of the line begins; columns are characters. */
static size_t place_find(const char *text, size_t line, size_t column) {
  const char *at = text;
  while (line-- > 1) {
    at = strchr(at, '\n');
    if (!at) exit(1);
    at++;
  }
  while (column-- > 1 && *at) do
      at++;
    while ((*at & 0xC0) == 0x80);
  return (size_t)(at - text);
}

/* The text between the next two backquotes; behind it. */
static const char *quoted(const char *at, const char **text, size_t *length) {
  const char *from = strchr(at, '`'), *to = from ? strchr(from + 1, '`') : NULL;
  if (!to) exit(1);
  *text = from + 1, *length = (size_t)(to - from - 1);
  return to + 1;
}

static Edit edit_read(const char *model, const char *line) {
  size_t row, column;
  if (sscanf(line, "%zu:%zu", &row, &column) != 2) exit(1);
  const char *verb = strchr(line, ' ') + 1, *there;
  Edit edit = {.from = place_find(model, row, column), .text = ""};
  edit.to = edit.from;
  const char *rest = verb;
  if (*verb != 'd') rest = quoted(verb, &edit.text, &edit.length);
  if (*verb == 'i') return edit;
  size_t length;
  quoted(rest, &there, &length);
  if (strncmp(model + edit.from, there, length) != 0) exit(1);
  edit.to += length;
  return edit;
}

static int edit_compare(const void *left, const void *right) {
  const Edit *a = left, *b = right;
  return a->from != b->from ? (a->from < b->from ? -1 : 1) : (a->to > b->to) - (a->to < b->to);
}

int main(int count, char **words) {
  if (count != 3) return 2;
  const char *model = file_read(words[1]), *messages = file_read(words[2]);
  static const char mark[] = "   mend: at ";
  Edit edits[EDIT_LIMIT];
  int edit_count = 0;
  for (const char *at = messages; (at = strstr(at, mark)) != NULL && edit_count < EDIT_LIMIT;)
    edits[edit_count++] = edit_read(model, at += sizeof mark - 1);
  if (edit_count == 0) return 1;
  qsort(edits, (size_t)edit_count, sizeof *edits, edit_compare);
  size_t done = 0;
  for (int k = 0; k < edit_count; k++) {
    const Edit *edit = &edits[k];
    if (edit->from < done || (k > 0 && edit_compare(edit, edit - 1) == 0)) continue; /* two messages of one mistake */
    printf("%.*s%.*s", (int)(edit->from - done), model + done, (int)edit->length, edit->text);
    done = edit->to;
  }
  fputs(model + done, stdout);
  return 0;
}
