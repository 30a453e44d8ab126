/* What parses, to which trees; what does not, and what is said about it. */
#include "lang_check.h"

static void reads(const char *path) {
  Session *session = session_new();
  const Source *source = test_source(session, path);
  Syntax *tree = syntax_parse(session, source);
  char *messages = messages_text(session);
  ck_assert_msg(tree != NULL && *messages == 0, "%s does not parse:\n%s", path, messages);
  free(messages);
  session_free(session);
}

START_TEST(sketches_of_every_family) {
  files_visit("lang/sketches/*.gan", 28, reads);
  files_visit("lang/sketches/std/*.gan", 11, reads);
}
END_TEST

static void has_tree(const char *path) {
  Session *session = session_new();
  Syntax *tree = syntax_parse(session, test_source(session, path));
  ck_assert_msg(tree != NULL, "%s does not parse:\n%s", path, messages_text(session));
  char *text = tree_text(tree);
  golden_check(session, path, ".tree", text);
  free(text);
  session_free(session);
}

START_TEST(trees) { files_visit("lang/good/*.gan", 7, has_tree); }
END_TEST

static void is_refused(const char *path) {
  Session *session = session_new();
  Syntax *tree = syntax_parse(session, test_source(session, path));
  ck_assert_msg(tree == NULL && diagnostic_error_count(session) > 0, "%s parses", path);
  char *text = messages_text(session);
  golden_check(session, path, ".expected", text);
  free(text);
  session_free(session);
}

START_TEST(messages) { files_visit("lang/bad/*.gan", 11, is_refused); }
END_TEST

/* Pairs of texts that must read alike, and of texts that must not. */
START_TEST(lines_that_go_on) {
  static const struct {
    const char *one, *other;
    bool alike;
  } pairs[] = {
      {"a\n|> f", "a |> f", true},
      {"a\n- b", "a - b", true},
      {"a\n-b", "a - b", false},
      {"a -\nb", "a - b", true},
      {"a\n+ b", "a + b", true},
      {"f(a\n-b)", "f(a - b)", true},
      {"a;\n+ b", "a + b", false},
      {"sum[i] x", "sum [i]", false},
      {"x = 1;", "x = 1", true},
      {"{", "", false},
      {"a\r\nb\r\n", "a\nb", true},
      {"\xEF\xBB\xBF"
       "a",
       "a", true},
      {"draw {\n\n}", "draw {}", true},
      {"if a\nthen b\nelse c", "if a then b else c", true},
      {"x = if a\nthen b\nelse c", "x = if a then b else c", true},
      {"a @ i", "a@i", true},
  };
  for (size_t at = 0; at < LENGTH(pairs); at++) {
    Session *session = session_new();
    Syntax *one = syntax_parse(session, source_of(session, pairs[at].one)),
           *other = syntax_parse(session, source_of(session, pairs[at].other));
    char *text = one ? tree_text(one) : strdup(""), *other_text = other ? tree_text(other) : strdup("");
    ck_assert_msg((one && other && strcmp(text, other_text) == 0) == pairs[at].alike, "`%s` and `%s`", pairs[at].one,
                  pairs[at].other);
    free(text);
    free(other_text);
    session_free(session);
  }
}
END_TEST

/* Ids rise in the order of the text, children lie within their parents, names where they are said to. */
typedef struct Seen {
  const Syntax *parent;
  int id, count;
} Seen;

static void node_visit(void *context, Syntax *child) {
  Seen *seen = context;
  ck_assert_int_gt(child->id, seen->id);
  ck_assert(child->span.source && child->span.from <= child->span.to);
  ck_assert_msg(child->span.from >= seen->parent->span.from && child->span.to <= seen->parent->span.to, "%s outside %s",
                syntax_kind_name(child->kind), syntax_kind_name(seen->parent->kind));
  if (child->kind == SYNTAX_NAME) {
    ck_assert(memcmp(child->span.source->text + child->name_span.from, child->name,
                     child->name_span.to - child->name_span.from) == 0);
  }
  const Syntax *parent = seen->parent;
  seen->parent = child;
  seen->id = child->id;
  seen->count++;
  syntax_children(child, node_visit, seen);
  seen->parent = parent;
}

static void is_sound(const char *path) {
  Session *session = session_new();
  Syntax *tree = syntax_parse(session, test_source(session, path));
  Seen seen = {tree, tree->id, 0};
  syntax_children(tree, node_visit, &seen);
  ck_assert_int_gt(seen.count, 10);
  session_free(session);
}

START_TEST(places_and_ids) {
  files_visit("lang/sketches/*.gan", 28, is_sound);
  files_visit("lang/good/*.gan", 7, is_sound);
}
END_TEST

/* As deep as allowed is fine; deeper is an error and never a crash. */
START_TEST(depth) {
  static const struct {
    const char *before, *middle, *after;
    int count;
    bool parses;
  } cases[] = {
      {"(", "1", ")", 200, true},
      {"(", "1", ")", 201, false},
      {"(", "1", ")", 100000, false},
      {"1 + ", "1", "", 900, true},
      {"1 + ", "1", "", 100000, false},
      {"-", "1", "", 100000, false},
      {"if a { b } else ", "{ c }", "", 100000, false},
      {"[", "", "", 100000, false},
      {"x^", "1", "", 100000, false},
      {"a |> ", "b", "", 100000, false},
      {"f(", "", ")", 200, true},
      {"", "", "}", 100000, false},
      {"a\n", "", "", 100000, true},
  };
  for (size_t at = 0; at < LENGTH(cases); at++) {
    Session *session = session_new();
    Printed printed;
    FILE *out = printed_begin(&printed);
    for (int n = 0; n < cases[at].count; n++) fputs(cases[at].before, out);
    fputs(cases[at].middle, out);
    for (int n = 0; n < cases[at].count; n++) fputs(cases[at].after, out);
    char *text = printed_end(&printed);
    Syntax *tree = syntax_parse(session, source_of(session, text));
    ck_assert_msg((tree != NULL) == cases[at].parses, "%d times `%s`", cases[at].count, cases[at].before);
    ck_assert_int_eq(diagnostic_error_count(session) > 0, !cases[at].parses);
    free(text);
    session_free(session);
  }
}
END_TEST

CHECK_MAIN(.tests = {sketches_of_every_family, trees, messages, lines_that_go_on, places_and_ids, depth})
