/* What messages look like: carets below the right columns, order, second places, contexts, hints; and the nearest
   name. */
#include "lang_check.h"

static Span span_of(const Source *source, const char *part) {
  const char *found = strstr(source->text, part);
  ck_assert_msg(found != NULL, "no %s in the text", part);
  uint32_t from = (uint32_t)(found - source->text);
  return (Span){source, from, from + (uint32_t)strlen(part)};
}

static void messages_check(Session *session, const char *expected) {
  char *text = messages_text(session);
  ck_assert_str_eq(text, expected);
  free(text);
  session_free(session);
}

START_TEST(whole_message) {
  Session *session = session_new();
  const Source *source = source_of(session, "a = 1\n    |> Conv(256, kernel = 4) |> matmul(h)\n");
  Diagnostic *diagnostic = diagnostic_report(session, E2004, span_of(source, "matmul(h)"), "expects [n, %d]", 4096);
  diagnostic_also(diagnostic, span_of(source, "Conv"), "gives [256, 8, 8]");
  diagnostic_also(diagnostic, span_of(source, "a = 1"), NULL);
  diagnostic_context(diagnostic, "in network %s, called at dcgan.gan:44:23", "D");
  diagnostic_hint(diagnostic, "`flatten` turns [256, 8, 8] into [16384]");
  messages_check(session,
                 "test.gan:2:33: error: these shapes do not fit                                           [E2004]\n"
                 "    2 |     |> Conv(256, kernel = 4) |> matmul(h)\n"
                 "      |                                 ^~~~~~~~~ expects [n, 4096]\n"
                 "      |        ^~~~ gives [256, 8, 8]\n"
                 "    1 | a = 1\n"
                 "      | ^~~~~\n"
                 "   in network D, called at dcgan.gan:44:23\n"
                 "   hint: `flatten` turns [256, 8, 8] into [16384]\n");
}
END_TEST

START_TEST(carets_stand_below_what_is_seen) {
  Session *session = session_new();
  const Source *source = source_of(session, "x̂ = u*y\n\ta\tb\n漢字 = z\n");
  diagnostic_report(session, E2001, span_of(source, "u"), "u");
  diagnostic_report(session, E2001, span_of(source, "x̂"), "one column");
  diagnostic_report(session, E2001, span_of(source, "b"), "after tabs");
  diagnostic_report(session, E2001, span_of(source, "漢字"), "four columns");
  diagnostic_report(session, E2001, span_of(source, "z"), "z");
  messages_check(session,
                 "test.gan:1:1: error: this name is not defined                                           [E2001]\n"
                 "    1 | x̂ = u*y\n"
                 "      | ^ one column\n"
                 "test.gan:1:5: error: this name is not defined                                           [E2001]\n"
                 "    1 | x̂ = u*y\n"
                 "      |     ^ u\n"
                 "test.gan:2:4: error: this name is not defined                                           [E2001]\n"
                 "    2 |     a   b\n"
                 "      |         ^ after tabs\n"
                 "test.gan:3:1: error: this name is not defined                                           [E2001]\n"
                 "    3 | 漢字 = z\n"
                 "      | ^~~~ four columns\n"
                 "test.gan:3:6: error: this name is not defined                                           [E2001]\n"
                 "    3 | 漢字 = z\n"
                 "      |        ^ z\n");
}
END_TEST

START_TEST(odd_places) {
  Session *session = session_new();
  const Source *source = source_of(session, "a\x1b[31m\xff = (1\r\n2)");
  const Source *library = source_from_text(session, "std/layers.gan", "layer L", 7);
  diagnostic_title(diagnostic_report(session, E1001, (Span){0}, NULL), "cannot read %s", "x.gan");
  diagnostic_report(session, E1008, (Span){source, 0, (uint32_t)source->length},
                    "several lines: to the end of the first");
  Diagnostic *diagnostic =
      diagnostic_report(session, E1012, (Span){source, (uint32_t)source->length, (uint32_t)source->length}, "the end");
  diagnostic_also(diagnostic, span_of(library, "L"), "elsewhere");
  diagnostic_also(diagnostic, (Span){0}, "nowhere");
  messages_check(session,
                 "error: cannot read x.gan                                                                [E1001]\n"
                 "test.gan:1:1: error: this cannot stand here                                             [E1008]\n"
                 "    1 | a\uFFFD[31m\uFFFD = (1\n"
                 "      | ^~~~~~~~~~~~ several lines: to the end of the first\n"
                 "test.gan:2:3: error: something is missing before the end                                [E1012]\n"
                 "    2 | 2)\n"
                 "      |   ^ the end\n"
                 "   at std/layers.gan:1:7\n"
                 "    1 | layer L\n"
                 "      |       ^ elsewhere\n"
                 "   nowhere\n");
}
END_TEST

START_TEST(long_lines_are_cut_around_the_caret) {
  Session *session = session_new();
  char text[1001] = {0};
  memset(text, 'a', 1000);
  memcpy(text + 500, "here", 4);
  const Source *source = source_of(session, text);
  diagnostic_report(session, E2001, span_of(source, "here"), "x");
  char *printed = messages_text(session), *caret = strchr(strchr(printed, '\n') + 1, '\n') + 1;
  ck_assert_str_eq(caret + strspn(caret, " |"), "^~~~ x\n");
  ck_assert_int_eq(strstr(printed, "here") - strstr(printed, "…") - 3, 60);
  ck_assert_int_eq(strchr(caret, '^') - caret, 8 + 1 + 60);
  ck_assert(strlen(printed) < 500);
  free(printed);
  session_free(session);
}
END_TEST

START_TEST(order_and_repetitions) {
  Session *session = session_new();
  const Source *source = source_of(session, "one two");
  diagnostic_report(session, W6008, span_of(source, "two"), NULL);
  diagnostic_report(session, E2001, span_of(source, "one"), "here");
  diagnostic_report(session, E2001, span_of(source, "two"), NULL);
  diagnostic_report(session, E2001, span_of(source, "one"), "here");
  diagnostic_report(session, E2001, span_of(source, "one"), "another word");
  ck_assert_int_eq(diagnostic_error_count(session), 4);
  messages_check(session,
                 "test.gan:1:1: error: this name is not defined                                           [E2001]\n"
                 "    1 | one two\n"
                 "      | ^~~ here\n"
                 "test.gan:1:1: error: this name is not defined                                           [E2001]\n"
                 "    1 | one two\n"
                 "      | ^~~ another word\n"
                 "test.gan:1:5: warning: this name is never used                                          [W6008]\n"
                 "    1 | one two\n"
                 "      |     ^~~\n"
                 "test.gan:1:5: error: this name is not defined                                           [E2001]\n"
                 "    1 | one two\n"
                 "      |     ^~~\n");
}
END_TEST

START_TEST(deep_contexts_are_shortened) {
  Session *session = session_new();
  const Source *source = source_of(session, "x");
  Diagnostic *diagnostic = diagnostic_report(session, E2036, span_of(source, "x"), NULL);
  for (int at = 0; at < 20; at++) diagnostic_context(diagnostic, "in layer L%d", at);
  char *text = messages_text(session);
  ck_assert(strstr(text, "   in layer L0\n   in layer L1\n   in layer L2\n   … and 14 more\n   in layer L17\n   in "
                         "layer L18\n   in layer L19\n"));
  free(text);
  session_free(session);
}
END_TEST

START_TEST(not_more_than_anyone_reads) {
  Session *session = session_new();
  const Source *source = source_of(session, "x");
  for (int at = 0; at < 1000; at++) diagnostic_report(session, E2001, span_of(source, "x"), "%d", at);
  char *text = messages_text(session);
  ck_assert(strstr(text, "^ 199\n… and 800 more messages\n") && !strstr(text, "^ 200\n"));
  free(text);
  session_free(session);
}
END_TEST

START_TEST(codes) {
  DiagnosticCode code;
  ck_assert(diagnostic_code_find("E2004", &code) && code == E2004);
  ck_assert_str_eq(diagnostic_code_name(W6008), "W6008");
  ck_assert(!diagnostic_code_find("E9999", &code));
  for (int at = 1; at < DIAGNOSTIC_CODE_COUNT; at++) {
    const char *before = diagnostic_code_name((DiagnosticCode)(at - 1)),
               *name = diagnostic_code_name((DiagnosticCode)at);
    ck_assert_msg(strcmp(before, name) < 0, "%s comes after %s", before, name);
  }
}
END_TEST

START_TEST(nearest_names) {
  static const char *const names[] = {"leaky_relu", "Linear", "BatchNorm", "G", "λ"};
  ck_assert_str_eq(diagnostic_nearest("linear", names, 5), "Linear");
  ck_assert_str_eq(diagnostic_nearest("leakyrelu", names, 5), "leaky_relu");
  ck_assert_str_eq(diagnostic_nearest("BatchNrom", names, 5), "BatchNorm");
  ck_assert_ptr_null(diagnostic_nearest("sigmoid", names, 5));
  ck_assert_ptr_null(diagnostic_nearest("x", names, 5));
  ck_assert_ptr_null(diagnostic_nearest("", names, 5));
  ck_assert_ptr_null(diagnostic_nearest("x", names, 0));
}
END_TEST

CHECK_MAIN(.tests = {whole_message, carets_stand_below_what_is_seen, odd_places, long_lines_are_cut_around_the_caret,
                     order_and_repetitions, deep_contexts_are_shortened, not_more_than_anyone_reads, codes,
                     nearest_names})
