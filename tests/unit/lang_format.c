/* `ganc fmt`: goldens; that it changes no tree, is its own fixed point and loses no comment, on every sketch, as
   written and maltreated. */
#include "lang_check.h"

static const char *formatted(Session *session, const Source *source) {
  const char *text = syntax_format(session, source);
  ck_assert_msg(text != NULL, "%s does not parse:\n%s", source->path, messages_text(session));
  return text;
}

/* The text's format, once it is known to be one. */
static const char *format_check(Session *session, const Source *source) {
  const char *text = formatted(session, source);
  const Source *again = source_of(session, text);
  ck_assert_msg(formatted(session, again) == text, "%s: the format of the format is another:\n%s", source->path,
                formatted(session, again));
  char *before = tree_text(syntax_parse(session, source)), *after = tree_text(syntax_parse(session, again));
  ck_assert_msg(strcmp(before, after) == 0, "%s: the tree has changed", source->path);
  free(before);
  free(after);
  for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
    const char *end = strchr(line, '\n');
    ck_assert_msg(end != NULL, "%s: the last line does not end", source->path);
    ck_assert_msg(end == line || (end[-1] != ' ' && end[-1] != '\t' && end[-1] != '\r'),
                  "%s: blanks at the end of a line", source->path);
    ck_assert_msg(strncmp(end, "\n\n\n", 3) != 0, "%s: two empty lines", source->path);
  }
  return text;
}

static size_t count_of(const char *text, char character) {
  size_t count = 0;
  for (; *text; text++) count += *text == character;
  return count;
}

static void is_preserved(const char *path) {
  Session *session = session_new();
  const Source *source = test_source(session, path);
  const char *text = format_check(session, source);
  ck_assert_msg(count_of(text, '#') == count_of(source->text, '#'), "%s: comments are lost", path);
  session_free(session);
}

/* The same with every run of blanks made one, and with every indentation gone. */
static void survives(const char *path) {
  Session *session = session_new();
  const Source *source = test_source(session, path);
  char *crooked = session_allocate(session, source->length + 1), *end = crooked;
  for (const char *at = source->text; *at; at++) {
    bool blank_after_blank = *at == ' ' && (end == crooked || end[-1] == ' ' || end[-1] == '\n');
    if (!blank_after_blank) *end++ = *at;
  }
  format_check(session, source_from_text(session, source->path, crooked, (size_t)(end - crooked)));
  session_free(session);
}

START_TEST(sketches_keep_their_meaning) {
  files_visit("lang/sketches/*.gan", 28, is_preserved);
  files_visit("lang/sketches/std/*.gan", 11, is_preserved);
  files_visit("lang/good/*.gan", 7, is_preserved);
  files_visit("lang/format/*.gan", 5, is_preserved);
}
END_TEST

START_TEST(maltreated_sketches_too) {
  files_visit("lang/sketches/*.gan", 28, survives);
  files_visit("lang/sketches/std/*.gan", 11, survives);
}
END_TEST

static void has_format(const char *path) {
  Session *session = session_new();
  golden_check(session, path, ".formatted", formatted(session, test_source(session, path)));
  session_free(session);
}

START_TEST(goldens) { files_visit("lang/format/*.gan", 5, has_format); }
END_TEST

START_TEST(what_does_not_parse_is_left_alone) {
  Session *session = session_new();
  ck_assert_ptr_null(syntax_format(session, source_of(session, "x = (\n")));
  ck_assert_int_eq(diagnostic_error_count(session), 1);
  session_free(session);
}
END_TEST

CHECK_MAIN(.tests = {sketches_keep_their_meaning, maltreated_sketches_too, goldens, what_does_not_parse_is_left_alone})
