/* What the tests of lang/ share: files under tests/lang, goldens. */
#ifndef LANG_CHECK_H
#define LANG_CHECK_H

#include "check_main.h"
#include "printed_text.h"

#include <glob.h>
#include <string.h>

static inline const Source *source_of(Session *session, const char *text) {
  return source_from_text(session, "test.gan", text, strlen(text));
}

/* The file's text in the session, under its name without folders, so that messages do not depend on where the tests
   lie. */
static inline const Source *test_source(Session *session, const char *path) {
  const Source *source = source_read(session, path);
  ck_assert_msg(source != NULL, "%s cannot be read", path);
  return source_from_text(session, strrchr(path, '/') + 1, source->text, source->length);
}

/* Calls `visit` on every file that the pattern names, and fails if there are fewer than `least`. */
static inline void files_visit(const char *pattern, size_t least, void (*visit)(const char *path)) {
  char whole[4096];
  glob_t found = {0};
  snprintf(whole, sizeof whole, "%s/%s", TEST_DIRECTORY, pattern);
  glob(whole, 0, NULL, &found);
  ck_assert_msg(found.gl_pathc >= least, "only %zu files are %s", found.gl_pathc, pattern);
  for (size_t at = 0; at < found.gl_pathc; at++) visit(found.gl_pathv[at]);
  globfree(&found);
}

/* Compares with the file beside `path` that has this ending instead of its own; PROMOTE=1 in the environment accepts
   the text. */
static inline void golden_check(Session *session, const char *path, const char *ending, const char *text) {
  const char *golden = session_format(session, "%.*s%s", (int)(strrchr(path, '.') - path), path, ending);
  if (getenv("PROMOTE")) {
    FILE *out = fopen(golden, "wb");
    ck_assert(out && fwrite(text, 1, strlen(text), out) == strlen(text) && fclose(out) == 0);
  }
  const Source *expected = source_read(session, golden);
  ck_assert_msg(expected != NULL, "%s does not exist (PROMOTE=1 makes it)", golden);
  ck_assert_msg(strcmp(expected->text, text) == 0, "%s differs; this is what came:\n%s", golden, text);
}

#endif
