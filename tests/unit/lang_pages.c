/* The pages of `ganc explain`: every code has one, with its title; its examples parse as they should, and what it
   recommends is canonical. */
#include "lang_check.h"

static const char *const titles[] = {
#define DIAGNOSTIC(code, severity, title) "# " #code ": " title "\n",
#include "lang/diagnostics.def"
#undef DIAGNOSTIC
};

static const Source *page_of(Session *session, int code) {
  return source_read(session, session_format(session, "%s/../lang/explain/%s.md", TEST_DIRECTORY,
                                             diagnostic_code_name((DiagnosticCode)code)));
}

/* The next block of the page after *at that opens with this fence, or NULL. */
static const Source *next_block(Session *session, const char *fence, const char **at) {
  const char *begin = strstr(*at, fence);
  if (!begin) return NULL;
  begin += strlen(fence);
  const char *end = strstr(begin, "\n```\n");
  ck_assert(end != NULL);
  *at = end + 4;
  return source_from_text(session, "page.gan", begin, (size_t)(end + 1 - begin));
}

/* Wrong examples of reading and syntax do not parse and say their code; the others do parse: what is wrong with them is
   found later. */
static void bad_check(Session *session, int code, const Source *block) {
  const char *name = diagnostic_code_name((DiagnosticCode)code);
  bool parses = syntax_parse(session, block) != NULL;
  char *messages = messages_text(session);
  if (!parses)
    ck_assert_msg(strstr(messages, session_format(session, "[%s]", name)) != NULL, "%s: its example says\n%s", name,
                  messages);
  ck_assert_msg(parses == (strncmp(name, "E1", 2) != 0 && code != E2063), "%s: its example %s", name,
                parses ? "parses" : messages);
  free(messages);
}

START_TEST(every_code_has_a_page) {
  for (int code = 0; code < DIAGNOSTIC_CODE_COUNT; code++) {
    Session *session = session_new();
    const Source *page = page_of(session, code);
    ck_assert_msg(page != NULL, "%s has no page", diagnostic_code_name((DiagnosticCode)code));
    ck_assert_msg(strncmp(page->text, titles[code], strlen(titles[code])) == 0, "%s does not begin with its title",
                  diagnostic_code_name((DiagnosticCode)code));
    ck_assert_msg(page->line_count >= 8 && page->line_count <= 32, "%s has %zu lines",
                  diagnostic_code_name((DiagnosticCode)code), page->line_count - 1);
    const char *at = page->text;
    for (const Source *block; (block = next_block(session, "```gan bad\n", &at));) {
      Session *own = session_new();
      bad_check(own, code, source_from_text(own, "bad.gan", block->text, block->length));
      session_free(own);
    }
    session_free(session);
  }
}
END_TEST

START_TEST(what_pages_recommend_is_canonical) {
  for (int code = 0; code < DIAGNOSTIC_CODE_COUNT; code++) {
    Session *session = session_new();
    const char *mend = strstr(page_of(session, code)->text, "\nInstead:\n");
    ck_assert_msg(mend != NULL, "%s mends nothing", diagnostic_code_name((DiagnosticCode)code));
    for (const Source *block; (block = next_block(session, "```gan\n", &mend));) {
      const char *text = syntax_format(session, block);
      ck_assert_msg(text != NULL, "%s recommends what does not parse:\n%s", diagnostic_code_name((DiagnosticCode)code),
                    messages_text(session));
      ck_assert_msg(strcmp(text, block->text) == 0, "%s is not canonical:\n%s",
                    diagnostic_code_name((DiagnosticCode)code), text);
    }
    session_free(session);
  }
}
END_TEST

CHECK_MAIN(.tests = {every_code_has_a_page, what_pages_recommend_is_canonical})
