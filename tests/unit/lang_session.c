/* Memory, interned and formatted texts, maps, places in sources. */
#include "lang_check.h"

#include <sys/wait.h>
#include <unistd.h>

START_TEST(memory) {
  Session *session = session_new();
  unsigned char *before = NULL;
  for (size_t size = 0; size < 100000; size = size * 3 + 1) {
    unsigned char *piece = session_allocate(session, size);
    ck_assert_uint_eq((uintptr_t)piece % _Alignof(max_align_t), 0);
    for (size_t at = 0; at < size; at++) ck_assert_uint_eq(piece[at], 0);
    memset(piece, 0xAB, size);
    ck_assert(piece != before);
    before = piece;
  }
  session_free(session);
  session_free(NULL);
}
END_TEST

START_TEST(interned_texts) {
  Session *session = session_new();
  const char *names[5000];
  for (int at = 0; at < 5000; at++) names[at] = session_string(session, session_format(session, "name%d", at));
  for (int at = 0; at < 5000; at++) {
    char name[16];
    int length = snprintf(name, sizeof name, "name%d!", at);
    ck_assert_ptr_eq(session_intern(session, name, (size_t)length - 1), names[at]);
    ck_assert_ptr_ne(session_string(session, name), names[at]);
  }
  ck_assert_ptr_eq(session_intern(session, "", 0), session_string(session, ""));
  ck_assert_ptr_ne(session_intern(session, "a\0b", 3), session_string(session, "a"));
  session_free(session);
}
END_TEST

START_TEST(places) {
  Session *session = session_new();
  const Source *source = source_from_text(session, "a.gan",
                                          "x̂ = 1\n\nλ\xff"
                                          "b",
                                          12);
  static const struct {
    uint32_t offset;
    size_t line, column;
  } expected[] = {
      {0, 1, 1}, {3, 1, 2}, {4, 1, 3}, {7, 1, 6}, {8, 2, 1}, {9, 3, 1}, {11, 3, 2}, {12, 3, 3}, {99, 3, 3},
  };
  ck_assert_uint_eq(source->line_count, 3);
  for (size_t at = 0; at < LENGTH(expected); at++) {
    Place place = source_place(source, expected[at].offset);
    ck_assert_msg(place.line == expected[at].line && place.column == expected[at].column, "offset %u is %zu:%zu",
                  expected[at].offset, place.line, place.column);
  }
  session_free(session);
}
END_TEST

START_TEST(spans_join) {
  Session *session = session_new();
  const Source *source = source_of(session, "abc"), *other = source_of(session, "abc");
  Span span = span_join((Span){source, 2, 3}, (Span){source, 0, 1});
  ck_assert(span.from == 0 && span.to == 3);
  span = span_join((Span){0}, (Span){source, 1, 2});
  ck_assert(span.source == source && span.from == 1);
  span = span_join((Span){source, 1, 2}, (Span){other, 0, 3});
  ck_assert(span.source == source && span.to == 2);
  session_free(session);
}
END_TEST

START_TEST(maps) {
  Session *session = session_new();
  static char keys[3000];
  Map map = {0}, set = {0};
  ck_assert_ptr_null(map_get(&map, keys));
  for (int at = 0; at < 3000; at++) map_put_number(session, &map, &keys[at], at + 1);
  for (int at = 0; at < 3000; at += 2) map_put(session, &map, &keys[at], &keys[at]);
  for (int at = 0; at < 3000; at++) {
    if (at % 2 == 0) ck_assert_ptr_eq(map_get(&map, &keys[at]), &keys[at]);
    else ck_assert_int_eq(map_number(&map, &keys[at]), at + 1);
    ck_assert_int_eq(map_number(&set, &keys[at]), 0);
    ck_assert(map_add(session, &set, &keys[at]));
    ck_assert(!map_add(session, &set, &keys[at / 2]));
  }
  map_put_number(session, &map, &keys[7], 0); /* as if it were absent, and there again */
  ck_assert_ptr_null(map_get(&map, &keys[7]));
  map_put_number(session, &map, &keys[7], 3);
  ck_assert_int_eq(map_number(&map, &keys[7]), 3);
  ck_assert_uint_eq(map.count, 3000);
  session_free(session);
}
END_TEST

START_TEST(a_mistake_of_the_compiler) {
  int ends[2], status = 0;
  ck_assert_int_eq(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    internal_error(HERE, "this cannot be");
  }
  close(ends[1]);
  char text[400] = "";
  ck_assert_int_gt(read(ends[0], text, sizeof text - 1), 0);
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 70);
  ck_assert_msg(strstr(text, "this cannot be (") && strstr(text, "lang_session.c:") && strstr(text, "[E5014]") &&
                    strstr(text, "please report"),
                "%s", text);
  close(ends[0]);
}
END_TEST

START_TEST(files_that_cannot_be_read) {
  Session *session = session_new();
  ck_assert_ptr_null(source_read(session, "/nowhere/model.gan"));
  ck_assert_ptr_null(source_read(session, "/"));
  char *text = messages_text(session);
  ck_assert(strstr(text, "error: cannot read /nowhere/model.gan: No such file or directory") &&
            strstr(text, "[E1001]"));
  ck_assert(strstr(text, "error: cannot read /: "));
  free(text);
  session_free(session);
}
END_TEST

CHECK_MAIN(.tests = {memory, interned_texts, places, spans_join, maps, a_mistake_of_the_compiler,
                     files_that_cannot_be_read})
