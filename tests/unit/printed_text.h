/* What is printed to a stream, as a text. */
#ifndef PRINTED_TEXT_H
#define PRINTED_TEXT_H

#include <stdlib.h>

#include "lang/lang.h"

typedef struct Printed {
  char *text;
  size_t size;
  FILE *out;
} Printed;

static inline FILE *printed_begin(Printed *printed) {
  printed->out = open_memstream(&printed->text, &printed->size);
  if (!printed->out) abort();
  return printed->out;
}
/* From malloc. */
static inline char *printed_end(Printed *printed) { return fclose(printed->out), printed->text; }

static inline char *messages_text(Session *session) {
  Printed printed;
  diagnostic_print_all(session, printed_begin(&printed));
  return printed_end(&printed);
}

static inline char *tree_text(const Syntax *tree) {
  Printed printed;
  syntax_print(printed_begin(&printed), tree);
  return printed_end(&printed);
}

#endif
