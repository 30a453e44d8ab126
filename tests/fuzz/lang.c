/* Any bytes as a model file: read, print, report, format. What the formatter gives must read as the same tree and be
   its own format. */
#include "lang/lang.h"
#include "tests/unit/printed_text.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Session *session = session_new();
  const Source *source = source_from_text(session, "fuzz.gan", (const char *)data, size);
  const Syntax *tree = syntax_parse(session, source);
  if (tree) {
    const char *text = syntax_format(session, source);
    if (!text) abort();
    const Source *formatted = source_from_text(session, "formatted.gan", text, strlen(text));
    const Syntax *again = syntax_parse(session, formatted);
    if (!again || syntax_format(session, formatted) != text) abort();
    char *before = tree_text(tree), *after = tree_text(again);
    if (strcmp(before, after) != 0) abort();
    free(before);
    free(after);
  } else if (diagnostic_error_count(session) == 0) {
    abort();
  }
  free(messages_text(session));
  session_free(session);
  return 0;
}
